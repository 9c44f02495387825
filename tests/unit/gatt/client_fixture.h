/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * client_fixture: the client on a real bearer, over a stand-in for lib/hci; the peer is a script.
 * PDUs are written in hexadecimal with spaces anywhere: "10 0100ffff 0028"; `*N` after an octet
 * repeats it N times: "0b 5a*22".
 */

#include "base/cleanup.h"
#include "fake_hci.h"
#include "gatt/gatt.h"

extern struct bl_hci *hci;
extern struct bl_evq events;
extern struct bl_gatt gatt;
extern struct bl_gatt_conn conn;
extern uint64_t now;
extern bl_op op; /* of what was begun last */

enum { CONN = 7, HANDLE = 0x40 };

void setup(void); /* ATT_MTU 23 */
void teardown(void);
void set_mtu(uint16_t mtu);

size_t octets(const char *hex, uint8_t *out, size_t cap);

/* The next PDU of ours, and that there is none. */
void asks(const char *hex);
void asks_nothing(void);
/* A PDU of the peer's. */
void says(const char *hex);
void says_octets(const uint8_t *pdu, size_t n);
/* What the host was told since the last time, in one line each:
 *     service 1-5 180d            characteristic 2-4 3 0a 2a37
 *     descriptor 4 2902           include 2 10-1f 180f
 *     value 3 0102                notified 3 01, indicated 3 01
 *     changed 1-ffff              done 407 (of `op`), done#3 407 (of another), mtu 100
 * Status and handles are hexadecimal; values over 24 octets are "N octets of XX", where they are
 * all the same, else "N octets, sum S". */
void told(const char *lines);

/* ---- scripts ---- */

struct exchange {
    const char *ask, *answer;
};

struct play {
    const char *name;
    int (*begin)(void); /* with `op`; 0 */
    uint16_t mtu;
    const struct exchange *script; /* up to one without `ask` */
    const char *result;
};

/* The whole of it, each request compared; then that nothing more is asked, and what was told. */
void play_all(const struct play *play);

/* Without assertions, for faults at every step. */

/* Answers each request by the script, in order, up to the nth (counted from 0) which is left
 * unanswered: true then; false when everything was asked that there is and answered. A request that
 * is not the script's is answered with Unlikely Error. */
bool play_until(const struct play *play, size_t n);
/* What is to be said to the nth request by the script. */
size_t play_answer(const struct play *play, size_t n, uint8_t *out, size_t cap);

/* Takes every event; the number of OP_DONE, the last one's status. */
unsigned drain(bl_status *ret_status);
/* A read that must work: whatever happened before has not hurt the connection. */
bool still_works(void);
