/* SPDX-License-Identifier: MIT */

/* bond_record: what is written comes back, and nothing else is taken for a bond. */

#include "bond_record.h"

#include <check.h>
#include <string.h>

static struct bl_bond sample(uint16_t cccds)
{
    struct bl_bond b = {
        .identity = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}},
        .authenticated = true,
        .has_local_ltk = true,
        .has_peer_ltk = true,
        .has_irk = true,
        .has_local_csrk = true,
        .has_peer_csrk = true,
        .local_ltk = {.key = {1, 2, 3}, .size = 7, .ediv = 0x1234, .rand = {9, 8, 7}},
        .peer_ltk = {.key = {[15] = 1}, .size = 16, .ediv = 0xffff, .rand = {1}},
        .irk = {1},
        .local_csrk = {2},
        .peer_csrk = {3},
        .local_counter = 0x01020304,
        .peer_counter = 0xffffffff,
        .last_seen = 0x1122334455667788,
        .client_features = 7,
        .aware = true,
        .db_hash = {4, 5},
        .n_cccds = cccds,
    };
    for (uint16_t i = 0; i < cccds; i++)
        b.cccds[i] = (struct bl_bond_cccd){(uint16_t)(i + 1), (uint8_t)(i % 3 + 1)};
    return b;
}

START_TEST(what_is_written_comes_back)
{
    static const uint16_t counts[] = {0, 1, BL_BOND_CCCDS};
    uint8_t record[BOND_RECORD_MAX], again[BOND_RECORD_MAX];
    struct bl_bond b = sample(counts[_i]), back;

    size_t n = bond_record_write(&b, record);
    ck_assert_uint_eq(n, BOND_RECORD_HEAD + 3u * counts[_i]);
    ck_assert(bond_record_read(record, n, &back));
    ck_assert_uint_eq(bond_record_write(&back, again), n);
    ck_assert_mem_eq(record, again, n);
    ck_assert(bl_addr_eq(&back.identity, &b.identity));
    ck_assert_uint_eq(back.peer_ltk.ediv, 0xffff);
    ck_assert_uint_eq(back.local_counter, 0x01020304);
    ck_assert_uint_eq(back.last_seen, 0x1122334455667788);
    ck_assert_uint_eq(back.n_cccds, counts[_i]);
    ck_assert(back.authenticated && !back.secure_connections && back.aware);
}
END_TEST

START_TEST(cut_and_longer_records_are_none)
{
    uint8_t record[BOND_RECORD_MAX + 1] = {0};
    struct bl_bond b = sample(3), back;
    size_t n = bond_record_write(&b, record);

    for (size_t i = 0; i < n; i++)
        ck_assert_msg(!bond_record_read(record, i, &back), "cut at %zu", i);
    ck_assert(!bond_record_read(record, n + 1, &back));
    ck_assert(bl_addr_is_zero(&back.identity));
    ck_assert_uint_eq(back.irk[0], 0);
}
END_TEST

/* Each spoils a good bond. */
static void zero_irk(struct bl_bond *b)
{
    b->irk[0] = 0;
}
static void short_key(struct bl_bond *b)
{
    b->local_ltk.size = 6;
}
static void long_key(struct bl_bond *b)
{
    b->peer_ltk.size = 17;
}
static void more_key_than_its_size(struct bl_bond *b)
{
    b->local_ltk.key[7] = 1;
}
static void zero_key(struct bl_bond *b)
{
    b->peer_ltk.key[15] = 0;
}
static void sc_key_with_ediv(struct bl_bond *b)
{
    b->secure_connections = true;
}
static void private_identity(struct bl_bond *b)
{
    b->identity.b[5] = 0x46;
}
static void no_identity(struct bl_bond *b)
{
    b->identity = (struct bl_addr){0};
}
static void unknown_address_type(struct bl_bond *b)
{
    b->identity.type = 2;
}
static void cccd_of_no_handle(struct bl_bond *b)
{
    b->cccds[0].handle = 0;
}
static void cccd_without_bits(struct bl_bond *b)
{
    b->cccds[1].bits = 0;
}
static void cccd_with_other_bits(struct bl_bond *b)
{
    b->cccds[1].bits = 4;
}
static void cccd_twice(struct bl_bond *b)
{
    b->cccds[1].handle = 1;
}

static void (*const SPOILS[])(struct bl_bond *) = {
    zero_irk,
    short_key,
    long_key,
    zero_key,
    sc_key_with_ediv,
    more_key_than_its_size,
    private_identity,
    no_identity,
    unknown_address_type,
    cccd_twice,
    cccd_of_no_handle,
    cccd_without_bits,
    cccd_with_other_bits,
};

START_TEST(bonds_that_cannot_be_are_none)
{
    uint8_t record[BOND_RECORD_MAX];
    struct bl_bond b = sample(2), back;

    ck_assert(bond_record_read(record, bond_record_write(&b, record), &back));
    SPOILS[_i](&b);
    ck_assert(!bond_record_read(record, bond_record_write(&b, record), &back));
}
END_TEST

START_TEST(other_versions_and_counts_over_the_most_are_none)
{
    uint8_t record[BOND_RECORD_MAX];
    struct bl_bond b = sample(0), back;
    size_t n = bond_record_write(&b, record);

    record[0] = BOND_RECORD_VERSION + 1;
    ck_assert(!bond_record_read(record, n, &back));
    record[0] = BOND_RECORD_VERSION;
    record[BOND_RECORD_HEAD - 1] = 0xff;
    ck_assert(!bond_record_read(record, n, &back));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bond record");
    TCase *t = tcase_create("bond record");
    tcase_add_loop_test(t, what_is_written_comes_back, 0, 3);
    tcase_add_test(t, cut_and_longer_records_are_none);
    tcase_add_loop_test(t, bonds_that_cannot_be_are_none, 0,
                        (int)(sizeof(SPOILS) / sizeof(*SPOILS)));
    tcase_add_test(t, other_versions_and_counts_over_the_most_are_none);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
