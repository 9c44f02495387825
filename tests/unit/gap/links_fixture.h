/* SPDX-License-Identifier: MIT */
#pragma once

/* links_fixture: the table of connections on a stand-in for lib/hci. The script's verbs fail the
 * test that uses them. */

#include "base/cleanup.h"
#include "base/timerq.h"
#include "fake_hci.h"
#include "gap/links.h"
#include "gap/privacy.h"
#include "hci/cmd.h"
#include "hci/error.h"

#define MS UINT64_C(1000)

enum { /* of the connections made here */
       INTERVAL = 40,
       TIMEOUT = 500,
};

extern struct bl_hci *hci;
extern struct bl_evq events;
extern struct bl_radio radio;
extern struct bl_privacy privacy;
extern struct bl_l2cap l2cap;
extern struct bl_gatt gatt;
extern struct bl_smp *smp;
extern struct bl_links links;
extern uint64_t now;

void setup(void); /* a controller without extended advertising: one command less a link */
void setup_extended(void);
void teardown(void);

struct bl_addr addr(uint8_t n);
/* Connection Complete for handle n, peer addr(n). */
void add(enum bl_role role, uint16_t n, uint16_t attempt, uint16_t adv, bool adv_unknown);
/* A link that is announced, its first commands and events taken: its conn. */
uint16_t central(uint16_t n);
uint16_t peripheral(uint16_t n);

const struct fake_cmd *expect(uint16_t opcode, uint16_t handle); /* the next command */
void no_command(void);
void answer(const struct fake_cmd *cmd, uint8_t status);
void answer_with(const struct fake_cmd *cmd, uint8_t status, const void *returned, size_t n);
void lose(const struct fake_cmd *cmd);

void event(const struct bl_hci_event *e);
void signal_pdu(uint16_t conn, const void *pdu, size_t n); /* on CID 5, as host.c has it */
void features(uint16_t n, uint8_t status, uint64_t bits);
void updated(uint16_t n, uint8_t status, uint16_t interval, uint16_t latency, uint16_t timeout);
void gone(uint16_t n, uint8_t reason);
void advance(uint64_t us); /* ticks at each deadline on the way */

struct bl_event next_event(enum bl_event_kind kind);
void silent(void);
void op_ends(bl_op op, bl_status status);
void disconnected(uint16_t conn, uint8_t reason);
struct bl_links_news news(enum bl_links_news_kind kind);
void no_news(void);
