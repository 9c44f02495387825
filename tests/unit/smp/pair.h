/* SPDX-License-Identifier: MIT */
#pragma once

/* pair: two pairings against each other, with a script between them. */

#include "smp/pairing.h"

#include <stdbool.h>

struct pair_side {
    struct bl_pairing *p; /* NULL: not begun, or over and freed */
    struct bl_pairing_params params;
    enum bl_smp_user asked; /* not answered yet */
    uint32_t number;        /* of COMPARE */
    bool has_key;           /* initiator: what came out to encrypt with */
    uint8_t key[16];
    bool done, failed;
    bl_status status;
    struct bl_pairing_keys keys;
    unsigned sent; /* PDUs so far */
    unsigned keypresses;
};

struct pair {
    struct pair_side i, r; /* initiator, responder */
    uint64_t now;
    uint32_t passkey; /* that people use; displayed and entered */
    bool people;      /* answer what is asked */
    bool unplugged;   /* the controllers do not encrypt */
    struct bl_smp_oob i_oob, r_oob;
    unsigned randoms;         /* asked for so far */
    unsigned random_fails_at; /* this one, from 1; 0: none */
    /* May change, drop (n = 0) or only look at a PDU on its way; NULL: none. */
    void (*tamper)(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n);
    void *arg;
    uint32_t random;
};

/* The ways of pairing. */
enum pair_way {
    WAY_LEGACY_JUST_WORKS,
    WAY_LEGACY_DISPLAY, /* the initiator displays, the responder enters */
    WAY_LEGACY_INPUT,   /* the other way round */
    WAY_LEGACY_OOB,
    WAY_SC_JUST_WORKS,
    WAY_SC_COMPARE,
    WAY_SC_DISPLAY,
    WAY_SC_INPUT, /* with Keypress Notifications */
    WAY_SC_OOB,   /* both were told */
    WAYS,
};

/* Just Works, Secure Connections, bonding on both sides; change w->i.params and w->r.params. */
void pair_init(struct pair *w);
/* pair_init(), and what both sides need for that way. */
void pair_init_way(struct pair *w, enum pair_way way);
void pair_deinit(struct pair *w);
void pair_start(struct pair *w);
/* Carries PDUs, people and encryption until nothing moves. */
void pair_run(struct pair *w);
/* Both are done, with the same keys. */
void pair_assert_done(const struct pair *w);
/* Both have failed: who found out with status, the other by being told. */
void pair_assert_failed(const struct pair *w, bl_status status);
