/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * stack: hosts of the real stack on controllers of the simulated radio, with time by assignment.
 *
 * stack_run() moves time from deadline to deadline and carries packets both ways; what hosts say is
 * kept for stack_wait() in order, with the bytes that events borrow. Everything is deterministic
 * for a given seed. stack_free() fails the test when a controller complained of its host.
 */

#include "air/air.h"
#include "host.h"

/* For what is asked of every packet or octet: ck_assert() and its kin write to a file each time,
 * also when they hold. */
#define stack_need(expr)                                                                           \
    do {                                                                                           \
        if (!(expr))                                                                               \
            ck_abort_msg("%s", #expr);                                                             \
    } while (0)

enum { STACK_HOSTS = 4 };

struct stack;
struct stack_chunk;

struct stack_end {
    struct bl_host *host;    /* NULL: nobody drives this controller */
    int controller;          /* its index in the air */
    struct bl_event *events; /* what they borrow is theirs until stack_free() */
    size_t n_events, cap_events, taken;
    struct stack_chunk *bytes;
    uint64_t packets_in, packets_out; /* carried so far */
    uint64_t die_after;               /* controller vanishes after so many packets in; 0: never */
    uint64_t call_after;              /* call() once, after so many packets in; 0: never */
    void (*call)(struct stack *s, size_t end);
    /* Sees what the host sends. */
    void (*tap)(struct stack *s, size_t end, const uint8_t *packet, size_t n);
    bool dead;
    bool deaf; /* ACL data does not reach this host: its peer finds nobody there */
    uint32_t random_state;
};

struct stack {
    struct bl_air *air;
    struct stack_end end[STACK_HOSTS];
    size_t n;
    uint64_t now;
    uint64_t steps; /* of time, so far */
    /* Around each packet and tick that a host is given, and each packet that it is asked for:
     * within, nothing but the host runs. */
    void (*enter)(void);
    void (*leave)(void);
};

/* n hosts on n controllers like these, started and ready. */
struct stack *stack_new(uint64_t seed, size_t n, const struct bl_air_config *config);
/* The same with a configuration for each. */
struct stack *stack_new_each(uint64_t seed, size_t n, const struct bl_air_config *configs);
/* The same without bl_host_start(). */
struct stack *stack_new_off(uint64_t seed, size_t n, const struct bl_air_config *config);
void stack_free(struct stack *s);

/* Until nothing is left to carry now. */
void stack_settle(struct stack *s);
void stack_run(struct stack *s, uint64_t us);
/* The next event of this kind at that end, running for at most us; the test fails without it. What
 * came before it is skipped. */
struct bl_event stack_wait(struct stack *s, size_t end, enum bl_event_kind kind, uint64_t us);
/* The end of this command, running for at most us. */
struct bl_event stack_done(struct stack *s, size_t end, bl_op op, uint64_t us);
/* The same, false when it did not come. */
bool stack_poll(struct stack *s, size_t end, enum bl_event_kind kind, uint64_t us,
                struct bl_event *ret);
/* How many of this kind have come since the last look (stack_wait, stack_forget). */
unsigned stack_count(const struct stack *s, size_t end, enum bl_event_kind kind);
void stack_forget(struct stack *s);
/* The controller's device address, as others see it. */
struct bl_addr stack_addr(const struct stack *s, size_t end);
uint64_t stack_counter(const struct stack *s, size_t end, const char *name);

/* An L2CAP payload for end, as if its peer on that connection had sent it. */
void stack_inject(struct stack *s, size_t end, uint16_t conn, uint16_t cid, const void *payload,
                  size_t n);

/* End `a` advertises connectably, `b` connects: both connections' numbers. */
void stack_connect(struct stack *s, size_t a, size_t b, uint16_t *ret_a, uint16_t *ret_b);
