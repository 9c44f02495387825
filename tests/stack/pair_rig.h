/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * pair_rig: two people with a device each. They answer what their host asks: they know the same
 * passkey, and say yes to numbers that are the same.
 */

#include "stack.h"

enum { RIG_PASSKEY = 123456, RIG_A = 0, RIG_B = 1 }; /* A is peripheral, B central */

struct pair_person {
    uint32_t passkey;    /* what is entered or shown; RIG_PASSKEY */
    bool silent;         /* answers nothing */
    bool refuses;        /* says that nobody can */
    bool says_no;        /* to a comparison */
    unsigned asked[5];   /* by enum bl_passkey_action */
    uint32_t compared;   /* the number that was shown for comparison */
    size_t looked;       /* at so many events */
    unsigned keypresses; /* seen */
};

struct pair_rig {
    struct stack *s;
    uint16_t conn[STACK_HOSTS]; /* of the last pair_connect() */
    struct pair_person person[STACK_HOSTS];
};

struct pair_rig *pair_new(uint64_t seed, size_t n, const struct bl_air_config *config);
void pair_free(struct pair_rig *r);
/* What every end is configured with from now on: bonding, pairable, IO. */
void pair_config(struct pair_rig *r, size_t end, const struct bl_config *config);
struct bl_config pair_config_of(const struct pair_rig *r, size_t end);
void pair_io(struct pair_rig *r, size_t end, uint8_t io, bool mitm);
/* A connectable, B connects. */
void pair_connect(struct pair_rig *r);
/* Ended by `end`, and both know. */
void pair_disconnect(struct pair_rig *r, size_t end);
void pair_forget(struct pair_rig *r); /* the events so far */
/* Time passes, and people answer. */
void pair_run(struct pair_rig *r, uint64_t us);
/* bl_pair() from that end until it is over; the op's end. params may be NULL. */
struct bl_event pair_up(struct pair_rig *r, size_t end, const struct bl_pair_params *params);
/* The same, which must end well; the result is the same at both ends. */
struct bl_security pair_ok(struct pair_rig *r, size_t end, const struct bl_pair_params *params);
struct bl_security pair_security(const struct pair_rig *r, size_t end);
/* That end's bond with the other one; NULL: none. */
const struct bl_bond *pair_bond(const struct pair_rig *r, size_t end);
/* So many events of that kind have come since pair_forget(). */
unsigned pair_count(const struct pair_rig *r, size_t end, enum bl_event_kind kind);
/* The last one of them; fails without. */
struct bl_event pair_last(const struct pair_rig *r, size_t end, enum bl_event_kind kind);
