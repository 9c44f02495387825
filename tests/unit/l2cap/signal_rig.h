/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * signal_rig: lib/l2cap on a recording stand-in for lib/hci, with connection 1 of handle 0x21, time
 * by assignment and allocations that fail. All commands of the signalling channel are 16-bit
 * numbers after a header, and so are they written here.
 */

#include "fake_hci.h"
#include "oom.h"

#include "host.h"
#include "l2cap/internal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum {
    CONN = 1,
    HANDLE = 0x21,
    PSM = 0x80,
    ACL_LEN = 251,
    MTU = 512, /* of listeners and connects here */
    MPS = ACL_LEN - 4,
    CREDITS = (MTU + 2 + MPS + 65536 / 4) / MPS, /* that its first channel's window is worth */
};

#define SECONDS UINT64_C(1000000)
/* The identifier of our n-th command, from 1 on. */
#define ID(n) (L2CAP_ID_FIRST - 1 + (n))

/* ck_assert() for what is asked a million times: no system call where it holds. */
#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("%s", #x);                                                                \
    } while (0)

extern struct bl_hci *hci;
extern struct bl_evq events;
extern struct bl_config config;
extern struct bl_l2cap l2cap;
extern struct bl_l2cap_conn *conn;
extern uint64_t now;

void setup(void);
void teardown(void);

/* A command comes from the peer, and the host has its turn; false: it was handed on. */
#define RX(code, id, ...)                                                                          \
    rx_words(code, id, (const uint16_t[]){__VA_ARGS__},                                            \
             sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))
bool rx_words(uint8_t code, uint8_t id, const uint16_t *words, size_t n);
/* This is the next that is sent. */
#define TX(code, id, ...)                                                                          \
    tx_words(code, id, (const uint16_t[]){__VA_ARGS__},                                            \
             sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))
void tx_words(uint8_t code, uint8_t id, const uint16_t *words, size_t n);
void no_tx(void);
/* A K-frame from the peer. */
void rx_frame(uint16_t cid, const void *data, size_t n);
void rx_sdu(uint16_t cid, size_t n); /* of one frame, n zeros */
void step(void);
void advance(uint64_t us);   /* ticks at each deadline on the way */
void lose(bl_status status); /* the link; nothing is left of it */

/* The next event is of this kind and channel. */
struct bl_event next_event(enum bl_event_kind kind, uint16_t cid);
void op_ends(bl_op op, bl_status status);
void silent(void); /* no event, and nothing sent */
/* DISCONNECTED of a channel, of one that did not come about. */
void ended(uint16_t cid, bl_status status);
void refused(bl_op op, bl_status status);
/* It goes on: an unknown command is answered, and nothing else is said. */
void link_goes_on(void);

void listen_on(uint16_t psm, uint16_t mtu, uint8_t security, bool authorize);
bl_op connects(uint16_t psm, uint16_t mtu, bool enhanced, uint8_t count);
/* Channels that are open, with all said of them taken: our CID. The peer's MTU and MPS are 512 and
 * 100, and it has given 5 credits. */
uint16_t incoming(uint16_t peer_cid);
uint16_t outgoing(uint16_t peer_cid);
uint16_t enhanced(uint16_t peer_cid);
struct l2cap_channel *channel(uint16_t cid); /* NULL: none */
