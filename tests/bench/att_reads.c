/* SPDX-License-Identifier: MIT */
/*
 * att_reads: a host with a database of so many attributes answers so many Read Requests, from
 * bl_host_receive() to bl_host_next_tx(); what att_reads.py counts is in att_read() alone.
 *
 *     att_reads ATTRIBUTES READS
 */

#include "gatt_rig.h"

#include "att/att.h"

#include <check.h>
#include <stdlib.h>

static struct rig_db db;

__attribute__((noinline)) static void att_read(struct bl_host *host, uint64_t now,
                                               const uint8_t *request, size_t n)
{
    const uint8_t *bytes;
    struct bl_event event;

    if (bl_host_receive(host, now, request, n) < 0)
        abort();
    while (bl_host_next_event(host, &event))
        ;
    /* H4, HCI's and L2CAP's headers, then the response. */
    if (bl_host_next_tx(host, now, &bytes) < 10 || bytes[9] != BL_ATT_READ_RSP)
        abort();
    __asm__ volatile("" ::: "memory");
}

static unsigned long attrs, reads;

static void read_all(struct bl_host *host, uint64_t now, uint16_t handle)
{
    uint8_t completed[] = {0x04, 0x13, 5, 1, (uint8_t)handle, (uint8_t)(handle >> 8), 1, 0};
    uint8_t request[] = {
        0x02, (uint8_t)handle, (uint8_t)(handle >> 8 | 0x20), 7, 0, 3, 0, 4, 0, BL_ATT_READ_REQ, 0,
        0};
    const uint8_t *bytes;

    for (unsigned long i = 0; i < reads; i++) {
        uint16_t value = db.value[i * 7919 % db.n_values]; /* from everywhere */
        request[10] = (uint8_t)value;
        request[11] = (uint8_t)(value >> 8);
        att_read(host, now, request, sizeof(request));
        ck_assert_int_eq(bl_host_receive(host, now, completed, sizeof(completed)), 0);
        ck_assert_uint_eq(bl_host_next_tx(host, now, &bytes), 0);
    }
}

/* The harness asserts, which works within a test of Check alone. */
START_TEST(reads_are_answered)
{
    struct bl_air_config config = bl_air_config_default();
    struct bl_conn_info info;
    uint16_t mine, theirs;
    uint8_t value[20] = {0};
    bl_op op;

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, (unsigned)attrs, &db);
    for (unsigned i = 0; i < db.n_values; i++) /* of one length, whatever the database */
        ck_assert_int_eq(
            bl_gatts_write(s->end[0].host, s->now, db.value[i], value, sizeof(value), false, &op),
            1);
    stack_connect(s, 0, 1, &mine, &theirs);
    stack_settle(s);
    ck_assert_int_eq(bl_conn_info(s->end[0].host, mine, &info), 0);
    read_all(s->end[0].host, s->now, info.handle);
    stack_free(s);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    attrs = strtoul(argv[1], NULL, 10);
    reads = strtoul(argv[2], NULL, 10);
    Suite *suite = suite_create("bench/att_reads");
    TCase *t = tcase_create("reads");
    tcase_add_test(t, reads_are_answered);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
