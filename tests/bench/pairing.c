/* SPDX-License-Identifier: MIT */
/*
 * pairing: two pairings against each other, so many times: Just Works by Secure Connections, from
 * the Pairing Request to the keys. What pairing.py counts is in pairing_run(), and apart what of it
 * is the curve's, in bl_p256_public() and bl_p256_dhkey().
 *
 *     pairing TIMES
 */

#include "smp/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct side {
    struct bl_pairing *p;
    bool done, has_key;
};

static int bench_random(void *ctx, void *out, size_t n)
{
    uint32_t *state = ctx;
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++) {
        *state = *state * 1664525u + 1013904223u;
        p[i] = (uint8_t)(*state >> 24);
    }
    return 0;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool side_pull(struct side *s, struct side *peer, const struct bl_pairing_params *params)
{
    struct bl_pairing_out out;
    bool any = false;

    while (s->p && bl_pairing_next(s->p, &out)) {
        any = true;
        must(out.kind != BL_PAIRING_FAILED && out.kind != BL_PAIRING_ASK);
        s->done |= out.kind == BL_PAIRING_DONE;
        s->has_key |= out.kind == BL_PAIRING_ENCRYPT;
        if (out.kind == BL_PAIRING_SEND && peer->p)
            bl_pairing_receive(peer->p, 0, out.send.pdu, out.send.n);
        else if (out.kind == BL_PAIRING_SEND)
            peer->p = bl_pairing_new(0, params, out.send.pdu);
    }
    return any;
}

__attribute__((noinline)) static void pairing_run(const struct bl_pairing_params *i,
                                                  const struct bl_pairing_params *r)
{
    struct side a = {.p = bl_pairing_new(0, i, NULL)}, b = {0};

    for (;;) {
        bool moved = side_pull(&a, &b, r);
        moved |= side_pull(&b, &a, NULL);
        if (moved)
            continue;
        if (!a.has_key)
            break;
        a.has_key = false;
        bl_pairing_encrypted(a.p, 0, true);
        bl_pairing_encrypted(b.p, 0, true);
    }
    must(a.done && b.done);
    bl_pairing_free(a.p);
    bl_pairing_free(b.p);
}

int main(int argc, char **argv)
{
    uint32_t state = 1;
    const struct bl_env env = {.random = bench_random, .ctx = &state};
    struct bl_pairing_params i = {
        .env = &env,
        .initiator = true,
        .own = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .peer = {ADDR_PUBLIC, {7, 8, 9, 10, 11, 12}},
        .io = BL_IO_NONE,
        .bond = true,
        .secure_connections = true,
        .min_key_size = 16,
        .max_key_size = 16,
        .has_irk = true,
        .irk = {0x11},
        .identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .signing = true,
    };
    struct bl_pairing_params r = i;
    struct timespec from, to;

    if (argc != 2)
        return 2;
    r.initiator = false;
    r.own = r.identity = i.peer;
    r.peer = i.own;
    unsigned long times = strtoul(argv[1], NULL, 10);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned long n = 0; n < times; n++)
        pairing_run(&i, &r);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double us = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
    printf("%.0f\n", us / (double)times);
    return 0;
}
