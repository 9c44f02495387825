/* SPDX-License-Identifier: MIT */
/*
 * resolve: a host with so many bonds scans, and hears so many advertising reports of resolvable
 * private addresses, from bl_host_receive() to the event; what resolve.py counts is in
 * resolve_report() alone.
 *
 *     resolve BONDS REPORTS known|unknown|new|flood
 *
 * known: the address of one of the bonded peers, heard before; unknown: nobody's, heard before;
 * new: nobody's, another one in every report; flood: the same, so many that not all are tried.
 */

#include "stack.h"

#include "crypto/crypto.h"

#include <check.h>
#include <stdlib.h>

#define FLOOD_US 500u /* between two of a flood */

static unsigned long bonds, reports;
static const char *kind;

__attribute__((noinline)) static void resolve_report(struct bl_host *host, uint64_t now,
                                                     const uint8_t *packet, size_t n)
{
    struct bl_event event;

    if (bl_host_receive(host, now, packet, n) < 0 || !bl_host_next_event(host, &event) ||
        event.kind != BL_EV_REPORT)
        abort();
    __asm__ volatile("" ::: "memory");
}

static void add_bonds(struct stack *s)
{
    for (unsigned i = 0; i < bonds; i++) {
        struct bl_bond bond = {.identity = {ADDR_PUBLIC, {(uint8_t)i, (uint8_t)(i >> 8), 7}},
                               .has_irk = true,
                               .irk = {(uint8_t)i, (uint8_t)(i >> 8), 9}};
        ck_assert_int_eq(bl_bond_add(s->end[0].host, s->now, &bond), 0);
    }
}

static void scan(struct stack *s)
{
    struct bl_scan_params params = {
        .interval_us = 10000, .window_us = 10000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t id;
    bl_op op;

    ck_assert_int_eq(bl_scan(s->end[0].host, s->now, &params, &id, &op), 0);
    ck_assert_uint_eq(stack_done(s, 0, op, 1000000).done.status, BL_OK);
}

/* The harness asserts, which works within a test of Check alone. */
START_TEST(reports_are_resolved)
{
    struct bl_air_config config = bl_air_config_v42();
    uint8_t packet[] = {0x04, 0x3e, 12 + 3, 2, 1, 0, 1, 0, 0, 0, 0, 0, 0x40, 3, 2, 1, 6, 0xc0};
    uint8_t *addr = packet + 7, irk[16] = {(uint8_t)(bonds / 2), (uint8_t)(bonds / 2 >> 8), 9};
    struct stack *s = stack_new(1, 1, &config);
    uint64_t now;

    add_bonds(s);
    scan(s);
    addr[3] = 1;
    if (kind[0] == 'k')
        ck_assert_int_eq(bl_crypto_ah(irk, addr + 3, addr), 0);
    ck_assert_int_eq(bl_host_receive(s->end[0].host, s->now, packet, sizeof(packet)), 0);
    struct bl_event e = stack_wait(s, 0, BL_EV_REPORT, 0);
    ck_assert_int_eq(e.report.addr.type, kind[0] == 'k' ? ADDR_PUBLIC : ADDR_RANDOM);
    now = s->now;
    for (unsigned long i = 0; i < reports; i++) {
        if (kind[0] == 'n' || kind[0] == 'f') {
            addr[0] = (uint8_t)i;
            addr[1] = (uint8_t)(i >> 8);
            addr[4] = 1;
        }
        resolve_report(s->end[0].host, now, packet, sizeof(packet));
        now += kind[0] == 'f' ? FLOOD_US : 0;
    }
    stack_free(s);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    bonds = strtoul(argv[1], NULL, 10);
    reports = strtoul(argv[2], NULL, 10);
    kind = argv[3];
    Suite *suite = suite_create("bench/resolve");
    TCase *t = tcase_create("reports");
    tcase_add_test(t, reports_are_resolved);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
