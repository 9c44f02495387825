/* SPDX-License-Identifier: MIT */
#pragma once

/* connector_fixture: a connector on a stand-in for lib/hci, and the host's part in its life. */

#include "base/cleanup.h"
#include "base/timerq.h"
#include "fake_hci.h"
#include "gap/connector.h"
#include "gap/privacy.h"
#include "hci/cmd.h"
#include "hci/error.h"

#define MS UINT64_C(1000)

extern struct bl_hci *hci;
extern struct bl_evq events;
extern struct bl_radio radio;
extern struct bl_privacy privacy;
extern struct bl_connector connector;
extern uint64_t now;
extern bool standstill; /* radio.pause is the test's, not privacy's */
extern bl_op last_op;   /* of direct() */

static const struct bl_addr nobody = {0};

void setup(void);
void setup_extended(void);
void teardown(void);
const struct fake_cmd *next(void);
const struct fake_cmd *expect(uint16_t opcode);
void answer(const struct fake_cmd *cmd, uint8_t status);
void lose(const struct fake_cmd *cmd);
void accepted(uint16_t opcode);
void initiating(void);
uint16_t complete(uint8_t status, const struct bl_addr *peer);
void advance(uint64_t us);
struct bl_addr addr(uint8_t n);
uint16_t begin_attempt(uint8_t n, uint32_t ms, bool automatic, bl_op *op);
uint16_t direct(uint8_t n, uint32_t ms);
void silent(void);
void op_ends(bl_op op, bl_status status, uint16_t conn);
void attempt_ends(uint16_t id, bl_status status);
void fails(uint16_t id, bl_op op, bl_status status);
uint16_t automatic(uint8_t n);
void connects(uint16_t id, uint8_t n, bl_op op);
void cancels(uint8_t status);
