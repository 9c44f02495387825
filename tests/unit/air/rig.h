/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * rig: raw controllers driven by H4 packets, time by assignment. Commands and what events hold are
 * written as hex text ("06 00"); every packet from a controller is kept in order. rig_free() fails
 * the test for violations that it did not expect.
 */

#include "air/air.h"

#include <check.h>

enum { RIG_CTRLS = 8 };

struct rig_packet {
    uint64_t at;
    size_t n;
    uint8_t b[300];
};

struct rig {
    struct bl_air *air;
    uint64_t now;
    unsigned n;
    struct {
        struct rig_packet *log;
        size_t n, taken, cap;
        bool deaf; /* the host does not read */
    } c[RIG_CTRLS];
    uint8_t ret[255]; /* return parameters of the last command, after the status */
    size_t ret_len;
};

/* n controllers like this, on, reset, with all events unmasked and random addresses
 * C0:00:00:00:00:0i set; their public addresses end in 1i. */
struct rig *rig_new(unsigned n, const struct bl_air_config *config);
/* The same, off. */
struct rig *rig_new_off(unsigned n, const struct bl_air_config *config);
void rig_wake(struct rig *r, unsigned i);
void rig_free(struct rig *r);
/* Expects exactly so many violations, the last with this text in it, and forgets them. */
void rig_violations(struct rig *r, unsigned n, const char *text);

size_t rig_hex(const char *hex, uint8_t *out, size_t cap);
/* A command; its answer's status, which the test fails without. %-formats are allowed. */
uint8_t rig_cmd(struct rig *r, unsigned i, uint16_t opcode, const char *hex, ...)
    __attribute__((format(printf, 4, 5)));
#define rig_ok(...) ck_assert_uint_eq(rig_cmd(__VA_ARGS__), 0)
/* Without waiting for an answer. */
void rig_send(struct rig *r, unsigned i, const char *hex, ...)
    __attribute__((format(printf, 3, 4)));
void rig_acl(struct rig *r, unsigned i, uint16_t handle, uint8_t boundary, const uint8_t *data,
             size_t n);
void rig_run(struct rig *r, uint64_t us);
/* Everything due now is read. */
void rig_read(struct rig *r);
/* The next event of this code (and subevent, where it is 0x3e), within us; NULL when none comes.
 * What came before it is skipped. */
const struct rig_packet *rig_poll(struct rig *r, unsigned i, uint8_t code, uint8_t sub,
                                  uint64_t us);
/* The same, failing the test. The bytes after code and length (and subevent). */
const uint8_t *rig_wait(struct rig *r, unsigned i, uint8_t code, uint8_t sub, uint64_t us);
/* An ACL packet, likewise: bytes from the handle on. */
const struct rig_packet *rig_wait_acl(struct rig *r, unsigned i, uint64_t us);
/* How many of these came within us from now on. */
unsigned rig_count(struct rig *r, unsigned i, uint8_t code, uint8_t sub, uint64_t us);
void rig_forget(struct rig *r);

/* Controller a advertises (legacy, connectable), b connects: 30 ms, 4 s; both handles. */
void rig_connect(struct rig *r, unsigned a, unsigned b, uint16_t *ret_a, uint16_t *ret_b);

static inline uint16_t rig_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* Runs the suite made of these tests; main()'s result. */
int rig_main(const char *name, const TTest *const *tests, size_t n);
