/* SPDX-License-Identifier: MIT */

/* Commands as such, faults, and what a host is blamed for. */

#include "rig.h"

#include "base/timerq.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u
#define H(x)   (x) & 255, (x) >> 8

static struct rig *one(const struct bl_air_config *config)
{
    return rig_new(1, config);
}

/* Core 5.4, Vol 4, Part E, 6.27: opcode, octet, bit; and in which of the presets it is there. */
static const struct {
    uint16_t opcode;
    uint8_t octet, bit;
    const char *in; /* of "4" (4.0), "2" (4.2), "5" (default) */
} commands[] = {
    {0x0406, 0, 5, "425"},  {0x041d, 2, 7, "425"},  {0x0c01, 5, 6, "425"},  {0x0c03, 5, 7, "425"},
    {0x0c2d, 10, 2, "425"}, {0x0c31, 10, 5, "425"}, {0x0c33, 10, 6, "425"}, {0x0c35, 10, 7, "425"},
    {0x1001, 14, 3, "425"}, {0x1003, 14, 5, "425"}, {0x1004, 14, 6, ""},    {0x1005, 14, 7, ""},
    {0x1009, 15, 1, "425"}, {0x1405, 15, 5, "425"}, {0x0c63, 22, 2, "425"}, {0x0c6d, 24, 6, "425"},
    {0x2001, 25, 0, "425"}, {0x2002, 25, 1, "425"}, {0x2003, 25, 2, "425"}, {0x2005, 25, 4, "425"},
    {0x2006, 25, 5, "425"}, {0x2007, 25, 6, "425"}, {0x2008, 25, 7, "425"}, {0x2009, 26, 0, "425"},
    {0x200a, 26, 1, "425"}, {0x200b, 26, 2, "425"}, {0x200c, 26, 3, "425"}, {0x200d, 26, 4, "425"},
    {0x200e, 26, 5, "425"}, {0x200f, 26, 6, "425"}, {0x2010, 26, 7, "425"}, {0x2011, 27, 0, "425"},
    {0x2012, 27, 1, "425"}, {0x2013, 27, 2, "425"}, {0x2014, 27, 3, "425"}, {0x2015, 27, 4, "425"},
    {0x2016, 27, 5, "425"}, {0x2017, 27, 6, "425"}, {0x2018, 27, 7, "425"}, {0x2019, 28, 0, "425"},
    {0x201a, 28, 1, "425"}, {0x201b, 28, 2, "425"}, {0x201c, 28, 3, "425"}, {0x0c7b, 32, 4, "25"},
    {0x0c7c, 32, 5, "25"},  {0x2020, 33, 4, "25"},  {0x2021, 33, 5, "25"},  {0x2022, 33, 6, "25"},
    {0x2023, 33, 7, "25"},  {0x2024, 34, 0, "25"},  {0x2025, 34, 1, ""},    {0x2026, 34, 2, ""},
    {0x2027, 34, 3, "25"},  {0x2028, 34, 4, "25"},  {0x2029, 34, 5, "25"},  {0x202a, 34, 6, "25"},
    {0x202b, 34, 7, "25"},  {0x202c, 35, 0, "25"},  {0x202d, 35, 1, "25"},  {0x202e, 35, 2, "25"},
    {0x202f, 35, 3, "25"},  {0x2030, 35, 4, "5"},   {0x2031, 35, 5, "5"},   {0x2032, 35, 6, "5"},
    {0x2035, 36, 1, "5"},   {0x2036, 36, 2, "5"},   {0x2037, 36, 3, "5"},   {0x2038, 36, 4, "5"},
    {0x2039, 36, 5, "5"},   {0x203a, 36, 6, "5"},   {0x203b, 36, 7, "5"},   {0x203c, 37, 0, "5"},
    {0x203d, 37, 1, "5"},   {0x203e, 37, 2, ""},    {0x2041, 37, 5, "5"},   {0x2042, 37, 6, "5"},
    {0x2043, 37, 7, "5"},   {0x204b, 38, 7, "5"},   {0x204e, 39, 2, "5"},   {0x2060, 41, 5, "5"},
};

/* With no parameters: whatever a supported command says to that, it is not "unknown". */
START_TEST(supported_commands_are_those_that_are_known)
{
    static const char names[] = "425";
    struct bl_air_config configs[3] = {bl_air_config_v40(), bl_air_config_v42(),
                                       bl_air_config_default()};
    for (unsigned k = 0; k < 3; k++) {
        uint8_t bits[64], told[64] = {0};
        struct rig *r = one(&configs[k]);
        rig_ok(r, 0, 0x1002, "%s", "");
        ck_assert_uint_eq(r->ret_len, 64);
        memcpy(bits, r->ret, 64);
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
            bool want = strchr(commands[i].in, names[k]) != NULL;
            ck_assert_msg((bits[commands[i].octet] >> commands[i].bit & 1) == want, "%04x",
                          commands[i].opcode);
            if (want)
                told[commands[i].octet] |= (uint8_t)(1 << commands[i].bit);
            if (commands[i].opcode != 0x0c35)
                ck_assert((rig_cmd(r, 0, commands[i].opcode, "%s", "") != 0x01) == want);
        }
        ck_assert_mem_eq(told, bits, 64); /* and no others */
        bl_air_violations_clear(r->air);
        rig_free(r);
    }
}
END_TEST

START_TEST(wrong_length_is_invalid_parameters_and_a_violation)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = one(&config);

    ck_assert_uint_eq(rig_cmd(r, 0, 0x0c01, "ff"), 0x12);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x0c03, "00"), 0x12);
    rig_violations(r, 2, "1 octets of parameters");
    rig_free(r);
}
END_TEST

START_TEST(return_parameters_are_all_there_after_an_error)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = one(&config);

    ck_assert_uint_eq(rig_cmd(r, 0, 0x1405, "23 01"), 0x02);
    ck_assert_uint_eq(r->ret_len, 3);
    ck_assert_uint_eq(rig_u16(r->ret), 0x0123);
    rig_free(r);
}
END_TEST

START_TEST(information_is_the_configurations)
{
    struct bl_air_config config = bl_air_config_default();

    config.hci_version = 13;
    config.manufacturer = 0x05f1;
    struct rig *r = one(&config);
    rig_ok(r, 0, 0x1001, "%s", "");
    ck_assert_uint_eq(r->ret[0], 13);
    ck_assert_uint_eq(rig_u16(r->ret + 4), 0x05f1);
    rig_ok(r, 0, 0x1009, "%s", "");
    ck_assert_uint_eq(r->ret[0], 0x10);
    rig_ok(r, 0, 0x2003, "%s", "");
    ck_assert_uint_eq(r->ret[0], config.le_features & 255);
    ck_assert_uint_eq(r->ret[1], config.le_features >> 8 & 255);
    rig_ok(r, 0, 0x2002, "%s", "");
    ck_assert_uint_eq(rig_u16(r->ret), 251);
    ck_assert_uint_eq(r->ret[2], 8);
    rig_ok(r, 0, 0x2060, "%s", "");
    ck_assert_uint_eq(r->ret_len, 6);
    ck_assert_uint_eq(r->ret[3] | r->ret[4] | r->ret[5], 0);
    rig_ok(r, 0, 0x203a, "%s", "");
    ck_assert_uint_eq(rig_u16(r->ret), 1650);
    rig_ok(r, 0, 0x203b, "%s", "");
    ck_assert_uint_eq(r->ret[0], 4);
    rig_ok(r, 0, 0x202f, "%s", "");
    ck_assert_uint_eq(rig_u16(r->ret), 251);
    rig_ok(r, 0, 0x1003, "%s", "");
    ck_assert_uint_eq(r->ret[4], 0x60);
    rig_free(r);
}
END_TEST

/* Core 5.4, Vol 3, Part H, Appendix D.1 for ah is r' as plaintext; here FIPS-197, C.1. */
START_TEST(encrypt_is_aes_and_rand_repeats_with_the_seed)
{
    struct bl_air_config config = bl_air_config_default();
    static const uint8_t want[16] = {0x5a, 0xc5, 0xb4, 0x70, 0x80, 0xb7, 0xcd, 0xd8,
                                     0x30, 0x04, 0x7b, 0x6a, 0xd8, 0xe0, 0xc4, 0x69};
    uint8_t rand[2][16];

    for (unsigned k = 0; k < 2; k++) {
        struct rig *r = one(&config);
        rig_ok(r, 0, 0x2017, "0f0e0d0c0b0a09080706050403020100 ffeeddccbbaa99887766554433221100");
        ck_assert_mem_eq(r->ret, want, 16);
        for (unsigned i = 0; i < 2; i++) {
            rig_ok(r, 0, 0x2018, "%s", "");
            memcpy(rand[k] + 8 * i, r->ret, 8);
        }
        rig_free(r);
    }
    ck_assert_mem_eq(rand[0], rand[1], 16);
    ck_assert_mem_ne(rand[0], rand[0] + 8, 8);
}
END_TEST

START_TEST(a_second_command_without_credit_is_a_violation)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = one(&config);

    rig_send(r, 0, "01 18 20 00");
    rig_send(r, 0, "01 18 20 00");
    rig_violations(r, 1, "without a credit");
    rig_read(r);
    rig_send(r, 0, "01 18 20 00");
    rig_read(r);
    rig_free(r);
}
END_TEST

START_TEST(a_command_that_is_never_answered_blames_nobody_who_waits)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = one(&config);

    bl_air_fault_command(r->air, 0, 0x2018, BL_AIR_NEVER_ANSWER, 0, 1);
    rig_send(r, 0, "01 18 20 00");
    ck_assert_uint_eq(rig_count(r, 0, 0x0e, 0, 2 * SECOND), 0);
    rig_ok(r, 0, 0x2018, "%s", "");
    bl_air_fault_command(r->air, 0, 0x2018, BL_AIR_NEVER_ANSWER, 0, 1);
    rig_send(r, 0, "01 18 20 00");
    rig_ok(r, 0, 0x2018, "%s", "");
    rig_violations(r, 1, "without a credit"); /* did not wait */
    rig_free(r);
}
END_TEST

START_TEST(answers_can_be_wrong_short_or_late)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = one(&config);

    bl_air_fault_command(r->air, 0, 0x0c63, BL_AIR_ANSWER_STATUS, 0x01, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(rig_cmd(r, 0, 0x0c63, "00 00 00 00 00 00 00 00"), 0x01);
    rig_ok(r, 0, 0x0c63, "00 00 00 00 00 00 00 00");
    bl_air_fault_command(r->air, 0, 0x1002, BL_AIR_ANSWER_SHORT, 60, 1);
    rig_ok(r, 0, 0x1002, "%s", "");
    ck_assert_uint_eq(r->ret_len, 4);
    rig_ok(r, 0, 0x1002, "%s", "");
    ck_assert_uint_eq(r->ret_len, 64);
    bl_air_fault_command(r->air, 0, 0x2018, BL_AIR_ANSWER_LATE, 2500, 1);
    rig_send(r, 0, "01 18 20 00");
    rig_forget(r);
    uint64_t start = r->now;
    rig_wait(r, 0, 0x0e, 0, 3 * SECOND);
    ck_assert_uint_eq(r->now - start, 2500000);
    bl_air_fault_command(r->air, 0, 0x2018, BL_AIR_ANSWER_STATUS, 0x0c, BL_AIR_FOREVER);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(rig_cmd(r, 0, 0x2018, "%s", ""), 0x0c);
    bl_air_fault_clear(r->air, 0);
    rig_ok(r, 0, 0x2018, "%s", "");
    rig_free(r);
}
END_TEST

START_TEST(a_late_answer_does_not_hold_events_back)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 01 00");
    bl_air_fault_command(r->air, 1, 0x200c, BL_AIR_ANSWER_LATE, 1000, 1);
    rig_send(r, 1, "01 0c 20 02 01 00");
    ck_assert_uint_ge(rig_count(r, 1, 0x3e, 0x02, 999999), 8);
    ck_assert_uint_eq(rig_count(r, 1, 0x0e, 0, 0), 0);
    rig_wait(r, 1, 0x0e, 0, SECOND);
    rig_free(r);
}
END_TEST

START_TEST(events_can_have_wrong_lengths_and_others_be_injected)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);
    uint16_t h[2];
    static const uint8_t extra[] = {4, 0xff, 2, 1, 2};

    rig_connect(r, 0, 1, &h[0], &h[1]);
    bl_air_fault_event(r->air, 1, 0x05, 0, -2, 1);
    bl_air_fault_event(r->air, 0, 0x3e, 0x04, 3, 1);
    rig_ok(r, 0, 0x2016, "%02x %02x", H(h[0]));
    const struct rig_packet *p = rig_poll(r, 0, 0x3e, 0x04, SECOND);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p->b[2], 12 + 3);
    ck_assert_uint_eq(p->n, 3u + p->b[2]);
    rig_ok(r, 1, 0x0406, "%02x %02x 13", H(h[1]));
    p = rig_poll(r, 1, 0x05, 0, SECOND);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p->n, 5);
    ck_assert_uint_eq(p->b[2], 2);
    ck_assert_int_eq(bl_air_inject(r->air, r->now, 1, extra, sizeof(extra)), 0);
    rig_wait(r, 1, 0xff, 0, 0);
    bl_air_hardware_error(r->air, r->now, 1, 0x42);
    ck_assert_uint_eq(rig_wait(r, 1, 0x10, 0, 0)[0], 0x42);
    rig_free(r);
}
END_TEST

START_TEST(everything_to_a_host_can_be_delayed)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = one(&config);

    bl_air_fault_delay(r->air, 0, 5000);
    uint64_t start = r->now;
    rig_send(r, 0, "01 18 20 00");
    rig_wait(r, 0, 0x0e, 0, SECOND);
    ck_assert_uint_eq(r->now - start, 5000);
    rig_free(r);
}
END_TEST

START_TEST(vanishing_after_so_many_packets_counts_both_ways)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);
    uint16_t h[2];

    rig_connect(r, 0, 1, &h[0], &h[1]);
    bl_air_fault_vanish(r->air, 0, 4);
    rig_ok(r, 0, 0x2018, "%s", "");
    ck_assert(bl_air_powered(r->air, 0));
    rig_ok(r, 0, 0x2018, "%s", ""); /* the answer still comes */
    ck_assert(!bl_air_powered(r->air, 0));
    rig_forget(r);
    rig_send(r, 0, "01 18 20 00");
    ck_assert_uint_eq(rig_count(r, 0, 0x0e, 0, SECOND), 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 5 * SECOND)[3], 0x08);
    rig_free(r);
}
END_TEST

START_TEST(power_makes_a_new_controller_of_it)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 0, 0x2011, "00 01 02 03 04 05 06");
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 01 00");
    rig_ok(r, 1, 0x200c, "01 00");
    rig_wait(r, 1, 0x3e, 0x02, SECOND);
    bl_air_power_on(r->air, r->now, 0); /* out, and in again */
    rig_forget(r);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200a, "01"), 0); /* default parameters: public address */
    rig_free(r);
}
END_TEST

START_TEST(a_controller_without_a_public_address_says_zero)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(0, &config);

    memset(config.public.b, 0, 6);
    ck_assert_int_eq(bl_air_add(r->air, &config), 0);
    r->n = 1;
    bl_air_power_on(r->air, r->now, 0);
    rig_ok(r, 0, 0x1009, "%s", "");
    ck_assert_mem_eq(r->ret, (const uint8_t[6]){0}, 6);
    rig_free(r);
}
END_TEST

START_TEST(configurations_out_of_range_are_refused)
{
    struct bl_air *air = bl_air_new(1);
    struct bl_air_config c = bl_air_config_default();

    c.acl_len = 26;
    ck_assert_int_lt(bl_air_add(air, &c), 0);
    c = bl_air_config_default();
    c.hci_version = 5;
    ck_assert_int_lt(bl_air_add(air, &c), 0);
    c = bl_air_config_default();
    c.num_sets = 0;
    ck_assert_int_lt(bl_air_add(air, &c), 0);
    c = bl_air_config_default();
    c.max_links = 65;
    ck_assert_int_lt(bl_air_add(air, &c), 0);
    ck_assert_uint_eq(bl_air_deadline(air), TIMERQ_NEVER);
    air = bl_air_free(air);
    ck_assert_ptr_null(air);
}
END_TEST

/* What happens does not depend on how often the owner ticks, and repeats to the bit. */
START_TEST(the_same_calls_give_the_same_bytes_however_often_time_is_told)
{
    uint64_t sums[3] = {0};

    for (unsigned k = 0; k < 3; k++) {
        struct bl_air_config config = bl_air_config_default();
        struct rig *r = rig_new(3, &config);
        uint16_t h[2];
        bl_air_set_loss(r->air, r->now, 1, 2, 200);
        rig_connect(r, 0, 1, &h[0], &h[1]);
        rig_ok(r, 0, 0x2006, "a0 00 a0 00 03 01 00 00 00 00 00 00 00 07 00");
        rig_ok(r, 0, 0x200a, "01");
        rig_ok(r, 2, 0x200b, "00 60 00 30 00 01 00");
        rig_ok(r, 2, 0x200c, "01 00");
        if (k == 0)
            rig_run(r, 10 * SECOND);
        else /* told late, in steps of 10 ms or at once; the bytes are the same */
            for (unsigned step = k == 1 ? 1000 : 1; step > 0; step--) {
                r->now += k == 1 ? 10000 : 10 * SECOND;
                bl_air_tick(r->air, r->now);
                rig_read(r);
            }
        for (unsigned i = 0; i < 3; i++)
            for (size_t p = 0; p < r->c[i].n; p++)
                for (size_t b = 0; b < r->c[i].log[p].n; b++)
                    sums[k] = sums[k] * 31 + r->c[i].log[p].b[b];
        rig_free(r);
    }
    ck_assert_uint_eq(sums[0], sums[1]);
    ck_assert_uint_eq(sums[0], sums[2]);
}
END_TEST

/* Whatever a host sends, the controller stays in one piece and answers the next Reset. */
START_TEST(random_packets_from_hosts_do_no_harm)
{
    struct bl_air_config config = bl_air_config_default();
    uint32_t x = 12345;

    for (unsigned round = 0; round < 30; round++) {
        struct rig *r = rig_new(2, &config);
        uint16_t h[2];
        if (round % 2)
            rig_connect(r, 0, 1, &h[0], &h[1]);
        for (unsigned k = 0; k < 2000; k++) {
            uint8_t packet[260];
            x = x * 1664525 + 1013904223;
            size_t i = x >> 16, len;
            if (i % 4) {
                uint16_t opcode = commands[i % (sizeof(commands) / sizeof(commands[0]))].opcode;
                len = (x >> 8) % 40;
                packet[0] = 1;
                packet[1] = (uint8_t)opcode;
                packet[2] = (uint8_t)(opcode >> 8);
                packet[3] = (uint8_t)len;
                len += 4;
            } else {
                len = (x >> 8) % sizeof(packet);
                packet[0] = (uint8_t)(x >> 4 & 3);
            }
            for (size_t b = packet[0] == 1 && i % 4 ? 4 : 1; b < len; b++) {
                x = x * 1664525 + 1013904223;
                packet[b] = (uint8_t)(x >> 24) & (x >> 20 & 1 ? 0xff : 0x07);
            }
            bl_air_receive(r->air, r->now, (int)(x >> 30 & 1), packet, len);
            if (k % 16 == 0)
                rig_run(r, 10000);
        }
        rig_ok(r, 0, 0x0c03, "%s", "");
        bl_air_violations_clear(r->air);
        rig_free(r);
    }
}
END_TEST

START_TEST(a_thousand_advertisers_are_heard)
{
    struct bl_air_config config = bl_air_config_v42();
    struct bl_air *air = bl_air_new(7);
    const uint8_t params[] = {1, 0x06, 0x20, 15, 0xa0, 0, 0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0};
    const uint8_t on[] = {1, 0x0a, 0x20, 1, 1};
    const uint8_t mask[] = {1, 0x01, 0x0c, 8, 255, 255, 255, 255, 255, 255, 255, 255};
    const uint8_t scan[] = {1, 0x0c, 0x20, 2, 1, 1};
    bool *seen = calloc(1001, sizeof(*seen));
    unsigned n = 0;
    const uint8_t *bytes;

    ck_assert_ptr_nonnull(seen);
    for (int i = 0; i <= 1000; i++) {
        config.public.b[0] = (uint8_t)i;
        config.public.b[1] = (uint8_t)(i >> 8);
        ck_assert_int_eq(bl_air_add(air, &config), i);
        bl_air_power_on(air, 0, i);
        if (i == 1000)
            break;
        bl_air_receive(air, 0, i, params, sizeof(params));
        bl_air_next_tx(air, i, &bytes);
        bl_air_receive(air, 0, i, on, sizeof(on));
        bl_air_next_tx(air, i, &bytes);
    }
    bl_air_receive(air, 0, 1000, mask, sizeof(mask));
    bl_air_next_tx(air, 1000, &bytes);
    bl_air_receive(air, 0, 1000, scan, sizeof(scan));
    /* default scan parameters, so every event is in the window: all within two intervals */
    for (uint64_t now = 0; now < 20 * 110000; now += 1000) {
        bl_air_tick(air, now);
        size_t len;
        while ((len = bl_air_next_tx(air, 1000, &bytes)) > 0)
            if (bytes[1] == 0x3e && !seen[bytes[7] | bytes[8] << 8]) {
                seen[bytes[7] | bytes[8] << 8] = true;
                n++;
            }
    }
    ck_assert_uint_eq(n, 1000);
    ck_assert_uint_eq(bl_air_violations(air), 0);
    bl_air_free(air);
    free(seen);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        supported_commands_are_those_that_are_known,
        wrong_length_is_invalid_parameters_and_a_violation,
        return_parameters_are_all_there_after_an_error,
        information_is_the_configurations,
        encrypt_is_aes_and_rand_repeats_with_the_seed,
        a_second_command_without_credit_is_a_violation,
        a_command_that_is_never_answered_blames_nobody_who_waits,
        answers_can_be_wrong_short_or_late,
        a_late_answer_does_not_hold_events_back,
        events_can_have_wrong_lengths_and_others_be_injected,
        everything_to_a_host_can_be_delayed,
        vanishing_after_so_many_packets_counts_both_ways,
        power_makes_a_new_controller_of_it,
        a_controller_without_a_public_address_says_zero,
        configurations_out_of_range_are_refused,
        the_same_calls_give_the_same_bytes_however_often_time_is_told,
        random_packets_from_hosts_do_no_harm,
        a_thousand_advertisers_are_heard,
    };

    return rig_main("air/cmd", tests, sizeof(tests) / sizeof(tests[0]));
}
