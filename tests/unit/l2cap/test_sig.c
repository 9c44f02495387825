/* SPDX-License-Identifier: MIT */

#include "l2cap/sig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* From memory of exactly the size, for the sanitizer. */
static enum bl_sig_verdict parse(const void *data, size_t n, struct bl_sig *ret)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, data, n);
    enum bl_sig_verdict v = bl_l2cap_sig_parse(exact, n, ret);
    free(exact);
    return v;
}

/* One well-formed command of each code; `answer` is what it gets while nothing is served. */
static const struct sample {
    uint8_t n, bytes[BL_SIG_MTU];
    uint8_t n_answer, answer[BL_SIG_MTU];
} samples[] = {
    {6, {0x01, 1, 2, 0, 0, 0}, 0, {0}},
    {8, {0x01, 2, 4, 0, 1, 0, 23, 0}, 0, {0}},
    {10, {0x01, 3, 6, 0, 2, 0, 0x40, 0, 0x41, 0}, 0, {0}},
    {8, {0x06, 4, 4, 0, 0x40, 0, 0x41, 0}, 10, {0x01, 4, 6, 0, 2, 0, 0x40, 0, 0x41, 0}},
    {8, {0x07, 5, 4, 0, 0x40, 0, 0x41, 0}, 0, {0}},
    {12, {0x12, 6, 8, 0, 6, 0, 12, 0, 0, 0, 0xf4, 1}, 6, {0x01, 6, 2, 0, 0, 0}},
    {6, {0x13, 7, 2, 0, 1, 0}, 0, {0}},
    {14,
     {0x14, 8, 10, 0, 0x80, 0, 0x40, 0, 64, 0, 23, 0, 5, 0},
     14,
     {0x15, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}},
    {14, {0x15, 9, 10, 0, 0x40, 0, 64, 0, 23, 0, 5, 0, 0, 0}, 0, {0}},
    {8, {0x16, 10, 4, 0, 0x40, 0, 1, 0}, 0, {0}},
    {14,
     {0x17, 11, 10, 0, 0x27, 0, 64, 0, 64, 0, 5, 0, 0x40, 0},
     14,
     {0x18, 11, 10, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0}},
    {22,
     {0x17, 12, 18, 0, 0x27, 0, 64, 0, 64, 0, 5, 0, 0x40, 0, 0x41, 0, 0x42, 0, 0x43, 0, 0x44, 0},
     22,
     {0x18, 12, 18, 0, 0, 0, 0, 0, 0, 0, 2, 0}},
    {14, {0x18, 13, 10, 0, 64, 0, 64, 0, 5, 0, 0, 0, 0x40, 0}, 0, {0}},
    {12, {0x19, 14, 8, 0, 64, 0, 64, 0, 0x40, 0, 0x41, 0}, 6, {0x1a, 14, 2, 0, 3, 0}},
    {6, {0x1a, 15, 2, 0, 0, 0}, 0, {0}},
};

#define N_SAMPLES (sizeof(samples) / sizeof(*samples))

START_TEST(each_command_survives_the_round_trip)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct bl_sig sig;
        uint8_t out[BL_SIG_MTU];
        ck_assert_int_eq(parse(samples[i].bytes, samples[i].n, &sig), BL_SIG_OK);
        ck_assert_uint_eq(sig.code, samples[i].bytes[0]);
        ck_assert_uint_eq(sig.identifier, samples[i].bytes[1]);
        ck_assert_uint_eq(bl_l2cap_sig_build(&sig, out, sizeof(out)), samples[i].n);
        ck_assert_mem_eq(out, samples[i].bytes, samples[i].n);
    }
}
END_TEST

START_TEST(what_is_not_served_is_refused_as_specified)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct bl_sig sig, answer;
        uint8_t out[BL_SIG_MTU];
        ck_assert_int_eq(parse(samples[i].bytes, samples[i].n, &sig), BL_SIG_OK);
        ck_assert_int_eq(bl_l2cap_sig_refuse(&sig, &answer), samples[i].n_answer > 0);
        if (samples[i].n_answer == 0)
            continue;
        ck_assert_uint_eq(bl_l2cap_sig_build(&answer, out, sizeof(out)), samples[i].n_answer);
        ck_assert_mem_eq(out, samples[i].answer, samples[i].n_answer);
    }
}
END_TEST

START_TEST(fields_are_where_the_specification_has_them)
{
    struct bl_sig s;

    ck_assert_int_eq(parse("\x12\x01\x08\x00\x06\x00\x80\x0c\x05\x00\x2c\x01", 12, &s), BL_SIG_OK);
    ck_assert_uint_eq(s.params.interval_min, 6);
    ck_assert_uint_eq(s.params.interval_max, 3200);
    ck_assert_uint_eq(s.params.latency, 5);
    ck_assert_uint_eq(s.params.timeout, 300);
    ck_assert_int_eq(parse("\x01\x01\x06\x00\x02\x00\x41\x00\x42\x00", 10, &s), BL_SIG_OK);
    ck_assert_uint_eq(s.reject.reason, BL_SIG_INVALID_CID);
    ck_assert_uint_eq(s.reject.local_cid, 0x41);
    ck_assert_uint_eq(s.reject.remote_cid, 0x42);
    ck_assert_int_eq(parse("\x14\x01\x0a\x00\x80\x00\x40\x00\x00\x02\x17\x00\x09\x00", 14, &s),
                     BL_SIG_OK);
    ck_assert_uint_eq(s.channel.spsm, 0x80);
    ck_assert_uint_eq(s.channel.cid[0], 0x40);
    ck_assert_uint_eq(s.channel.mtu, 512);
    ck_assert_uint_eq(s.channel.mps, 23);
    ck_assert_uint_eq(s.channel.credits, 9);
    ck_assert_uint_eq(s.channel.n_cid, 1);
    ck_assert_int_eq(parse("\x01\x01\x05\x00\x07\x00\x01\x02\x03", 9, &s), BL_SIG_OK);
    ck_assert_uint_eq(s.reject.reason, 7); /* a reason of the future, with data */
}
END_TEST

static void expect_reject(const void *data, size_t n, uint8_t identifier, const void *want,
                          size_t want_n)
{
    struct bl_sig sig;
    uint8_t out[BL_SIG_MTU];

    ck_assert_int_eq(parse(data, n, &sig), BL_SIG_SEND_REJECT);
    ck_assert_uint_eq(sig.identifier, identifier);
    ck_assert_uint_eq(bl_l2cap_sig_build(&sig, out, sizeof(out)), want_n);
    ck_assert_mem_eq(out, want, want_n);
}

START_TEST(unknown_requests_are_not_understood)
{
    for (unsigned code = 0; code < 256; code++) {
        uint8_t bytes[6] = {(uint8_t)code, 9, 2, 0, 1, 2};
        struct bl_sig sig;
        bool known = code == 0x01 || code == 0x06 || code == 0x07 || (code >= 0x12 && code <= 0x1a);
        bool response = code >= 0x03 && code <= 0x11 && code % 2 == 1;
        if (known)
            continue;
        if (response)
            ck_assert_int_eq(parse(bytes, 6, &sig), BL_SIG_IGNORE);
        else
            expect_reject(bytes, 6, 9, "\x01\x09\x02\x00\x00\x00", 6);
    }
}
END_TEST

START_TEST(each_wrong_length_is_rejected_of_requests_and_ignored_of_responses)
{
    for (size_t i = 0; i < N_SAMPLES; i++)
        for (size_t n = 0; n <= BL_SIG_MTU; n++) {
            uint8_t bytes[BL_SIG_MTU] = {0};
            struct bl_sig sig, answer;
            bool request = samples[i].n_answer > 0;
            memcpy(bytes, samples[i].bytes, samples[i].n);
            if (n == samples[i].n)
                continue;
            /* the length field tells the truth of before */
            enum bl_sig_verdict v = parse(bytes, n, &sig);
            ck_assert_int_eq(v, request && n >= 4 ? BL_SIG_SEND_REJECT : BL_SIG_IGNORE);
            if (n < 4)
                continue;
            /* and the truth of now, which its code may not have */
            bytes[2] = (uint8_t)(n - 4);
            v = parse(bytes, n, &sig);
            if (v == BL_SIG_OK)
                ck_assert(bytes[0] == 0x01 || bytes[0] == 0x17 || bytes[0] == 0x18 ||
                          bytes[0] == 0x19);
            else
                ck_assert_int_eq(v, request ? BL_SIG_SEND_REJECT : BL_SIG_IGNORE);
            if (v == BL_SIG_IGNORE)
                ck_assert(!bl_l2cap_sig_refuse(&sig, &answer));
        }
}
END_TEST

START_TEST(more_than_the_signalling_mtu_is_rejected_with_it)
{
    uint8_t bytes[400] = {0x12, 5, 20, 0};
    struct bl_sig sig;

    for (size_t n = BL_SIG_MTU + 1; n <= sizeof(bytes); n++)
        expect_reject(bytes, n, 5, "\x01\x05\x04\x00\x01\x00\x17\x00", 8);
    bytes[0] = 0x13; /* of responses nothing is said */
    ck_assert_int_eq(parse(bytes, 24, &sig), BL_SIG_IGNORE);
}
END_TEST

START_TEST(two_commands_in_one_pdu_are_rejected)
{
    expect_reject("\x12\x01\x08\x00\x06\x00\x06\x00\x00\x00\xf4\x01\x13\x02\x02\x00\x00\x00", 18, 1,
                  "\x01\x01\x02\x00\x00\x00", 6);
}
END_TEST

START_TEST(identifier_0_cannot_be_answered)
{
    for (unsigned code = 0; code < 256; code++) {
        uint8_t bytes[12] = {(uint8_t)code, 0, 8, 0, 6, 0, 6, 0, 0, 0, 0xf4, 1};
        struct bl_sig sig;
        ck_assert_int_eq(parse(bytes, 12, &sig), BL_SIG_IGNORE);
    }
}
END_TEST

START_TEST(odd_and_too_many_channel_identifiers_are_malformed)
{
    struct bl_sig sig;
    uint8_t bytes[BL_SIG_MTU] = {0x17, 1, 8, 0, 1};

    ck_assert_int_eq(parse(bytes, 12, &sig), BL_SIG_SEND_REJECT); /* none */
    bytes[2] = 9;
    ck_assert_int_eq(parse(bytes, 13, &sig), BL_SIG_SEND_REJECT); /* half a one */
    bytes[0] = 0x19;
    bytes[2] = 16;
    ck_assert_int_eq(parse(bytes, 20, &sig), BL_SIG_SEND_REJECT); /* six */
}
END_TEST

START_TEST(building_needs_room_and_a_known_code)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct bl_sig sig;
        uint8_t out[BL_SIG_MTU];
        ck_assert_int_eq(parse(samples[i].bytes, samples[i].n, &sig), BL_SIG_OK);
        for (size_t cap = 0; cap < samples[i].n; cap++)
            ck_assert_uint_eq(bl_l2cap_sig_build(&sig, out, cap), 0);
        sig.code = 0x77;
        ck_assert_uint_eq(bl_l2cap_sig_build(&sig, out, sizeof(out)), 0);
    }
}
END_TEST

START_TEST(connection_parameters_have_their_limits)
{
    static const struct {
        uint16_t min, max, latency, timeout;
        bool legal;
    } rows[] = {
        {6, 6, 0, 10, true},       {5, 6, 0, 10, false},  {6, 3200, 0, 3200, true},
        {6, 3201, 0, 3200, false}, {7, 6, 0, 10, false},  {6, 6, 499, 3200, true},
        {6, 6, 500, 3200, false},  {6, 6, 0, 9, false},   {6, 6, 0, 3201, false},
        {24, 40, 0, 10, false},    {24, 40, 0, 11, true}, {6, 3200, 3, 3200, false},
        {6, 3200, 2, 3200, true},  {0, 0, 0, 0, false},   {0xffff, 0xffff, 0xffff, 0xffff, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ck_assert_msg(bl_l2cap_sig_params_legal(rows[i].min, rows[i].max, rows[i].latency,
                                                rows[i].timeout) == rows[i].legal,
                      "row %zu", i);
}
END_TEST

START_TEST(random_pdus_parse_to_what_builds_to_themselves)
{
    uint32_t random = 3;

    for (unsigned i = 0; i < 50000; i++) {
        uint8_t bytes[BL_SIG_MTU + 3], out[BL_SIG_MTU];
        struct bl_sig sig;
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        size_t n = (random >> 8) % (sizeof(bytes) + 1);
        bytes[0] %= 0x1c;
        if (n >= 4) {
            bytes[2] = (uint8_t)(n - 4);
            bytes[3] = 0;
        }
        enum bl_sig_verdict v = parse(bytes, n, &sig);
        if (v == BL_SIG_IGNORE)
            continue;
        size_t built = bl_l2cap_sig_build(&sig, out, sizeof(out));
        ck_assert_uint_gt(built, 0);
        ck_assert(v == BL_SIG_OK || out[0] == 0x01);
        if (v == BL_SIG_OK && !(bytes[0] == 0x01 && sig.reject.reason > 2)) {
            ck_assert_uint_eq(built, n);
            ck_assert_mem_eq(out, bytes, n);
        }
    }
}
END_TEST

START_TEST(an_enhanced_response_may_have_no_word_of_the_channels)
{
    static const uint8_t rsp[] = {0x18, 7, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0};
    static const uint8_t req[] = {0x17, 7, 8, 0, 0x80, 0, 64, 0, 64, 0, 1, 0};
    struct bl_sig sig;

    ck_assert_int_eq(bl_l2cap_sig_parse(rsp, sizeof(rsp), &sig), BL_SIG_OK);
    ck_assert_uint_eq(sig.channel.n_cid, 0);
    ck_assert_uint_eq(sig.channel.result, 2);
    ck_assert_int_eq(bl_l2cap_sig_parse(req, sizeof(req), &sig), BL_SIG_SEND_REJECT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sig");
    TCase *t = tcase_create("sig");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, each_command_survives_the_round_trip);
    tcase_add_test(t, what_is_not_served_is_refused_as_specified);
    tcase_add_test(t, fields_are_where_the_specification_has_them);
    tcase_add_test(t, unknown_requests_are_not_understood);
    tcase_add_test(t, each_wrong_length_is_rejected_of_requests_and_ignored_of_responses);
    tcase_add_test(t, more_than_the_signalling_mtu_is_rejected_with_it);
    tcase_add_test(t, two_commands_in_one_pdu_are_rejected);
    tcase_add_test(t, identifier_0_cannot_be_answered);
    tcase_add_test(t, odd_and_too_many_channel_identifiers_are_malformed);
    tcase_add_test(t, building_needs_room_and_a_known_code);
    tcase_add_test(t, connection_parameters_have_their_limits);
    tcase_add_test(t, random_pdus_parse_to_what_builds_to_themselves);
    tcase_add_test(t, an_enhanced_response_may_have_no_word_of_the_channels);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
