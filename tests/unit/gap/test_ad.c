/* SPDX-License-Identifier: MIT */

#include "gap/ad.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdlib.h>

static struct bl_uuid uuid(const char *text)
{
    struct bl_uuid u;

    ck_assert(bl_uuid_parse(text, &u));
    return u;
}

static size_t count(const uint8_t *p, size_t n)
{
    struct bl_ad_iter it = bl_ad_iter_make(p, n);
    struct bl_ad_item item;
    size_t items = 0;

    while (bl_ad_next(&it, &item)) {
        items++;
        ck_assert(item.data >= p && item.data + item.len <= p + n);
    }
    ck_assert(!bl_ad_next(&it, &item)); /* it stays at the end */
    return items;
}

/* clang-format off */
static const struct {
    const char *what;
    uint8_t n, bytes[12];
    size_t items, breaks_at; /* breaks_at == n: sound */
} payloads[] = {
    {"nothing", 0, {0}, 0, 0},
    {"one", 3, {2, 1, 6}, 1, 3},
    {"two", 6, {2, 1, 6, 2, 10, 4}, 2, 6},
    {"a structure of a type alone", 2, {1, 9}, 1, 2},
    {"an early end, padded", 6, {2, 1, 6, 0, 0, 0}, 1, 6},
    {"an early end, more after it", 7, {2, 1, 6, 0, 2, 10, 4}, 1, 4},
    {"zeros alone", 3, {0, 0, 0}, 0, 3},
    {"the last cut off", 6, {2, 1, 6, 5, 9, 'a'}, 1, 3},
    {"the last cut off by one", 5, {2, 1, 6, 2, 9}, 1, 3},
    {"a length and nothing", 4, {2, 1, 6, 1}, 1, 3},
    {"the longest length", 4, {255, 9, 'a', 'b'}, 0, 0},
};
/* clang-format on */

START_TEST(whole_structures_before_a_break_are_read)
{
    ck_assert_msg(count(payloads[_i].bytes, payloads[_i].n) == payloads[_i].items, "%s",
                  payloads[_i].what);
    ck_assert_msg(bl_ad_check(payloads[_i].bytes, payloads[_i].n) == payloads[_i].breaks_at, "%s",
                  payloads[_i].what);
}
END_TEST

START_TEST(fields_of_a_payload_are_found)
{
    static const uint8_t p[] = {2,   1,   6,   5,   8, 'T',  'h',  'e', 'r',  6,    9,   'T',
                                'h', 'e', 'r', 'm', 2, 0x0a, 0xf4, 3,   0x19, 0x00, 0x03};
    struct bl_ad_info info;

    bl_ad_parse(p, sizeof(p), &info);
    ck_assert(info.has_flags && info.has_name && info.has_tx_power && info.has_appearance);
    ck_assert_uint_eq(info.flags, 6);
    ck_assert(info.name_complete);
    ck_assert_uint_eq(info.name_len, 5);
    ck_assert_mem_eq(info.name, "Therm", 5);
    ck_assert_int_eq(info.tx_power, -12);
    ck_assert_uint_eq(info.appearance, 0x0300);
}
END_TEST

START_TEST(the_first_of_a_field_given_twice_counts)
{
    static const uint8_t p[] = {2,   1, 6, 2,   1, 4,  2, 9, 'a', 2, 9,
                                'b', 2, 8, 'c', 2, 10, 1, 2, 10,  2};
    struct bl_ad_info info;

    bl_ad_parse(p, sizeof(p), &info);
    ck_assert_uint_eq(info.flags, 6);
    ck_assert_uint_eq(info.name[0], 'a');
    ck_assert_int_eq(info.tx_power, 1);
}
END_TEST

START_TEST(fields_of_the_wrong_length_are_not_taken)
{
    static const uint8_t p[] = {1, 1,    1, 10, 3, 10, 1,    2, 2, 0x19, 1,
                                4, 0x19, 1, 2,  3, 2,  0xff, 1, 2, 0x16, 1};
    struct bl_ad_iter companies = bl_ad_iter_make(p, sizeof(p));
    struct bl_ad_iter data = bl_ad_iter_make(p, sizeof(p));
    struct bl_ad_info info;
    struct bl_uuid u;
    const uint8_t *bytes;
    uint16_t company;
    size_t len;

    bl_ad_parse(p, sizeof(p), &info);
    ck_assert(!info.has_flags && !info.has_tx_power && !info.has_appearance && !info.has_name);
    ck_assert(!bl_ad_next_manufacturer(&companies, &company, &bytes, &len));
    ck_assert(!bl_ad_next_service_data(&data, &u, &bytes, &len));
}
END_TEST

START_TEST(services_of_all_sizes_complete_or_not_come_in_order)
{
    static const uint8_t p[] = {5,    2,    0x0d, 0x18, 0x0f, 0x18, 3,  3,  0x0a, 0x18, 5, 4,
                                0x78, 0x56, 0x34, 0x12, 17,   7,    1,  2,  3,    4,    5, 6,
                                7,    8,    9,    10,   11,   12,   13, 14, 15,   16};
    static const char *const want[] = {"180d", "180f", "180a", "12345678",
                                       "100f0e0d-0c0b-0a09-0807-060504030201"};
    struct bl_ad_iter it = bl_ad_iter_make(p, sizeof(p));
    struct bl_uuid u;

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct bl_uuid w = uuid(want[i]);
        ck_assert(bl_ad_next_service(&it, &u));
        ck_assert(bl_uuid_eq(&u, &w));
    }
    ck_assert(!bl_ad_next_service(&it, &u));
}
END_TEST

START_TEST(half_a_uuid_at_the_end_of_a_list_is_none)
{
    static const uint8_t p[] = {4, 3, 0x0d, 0x18, 0x0f, 2, 3, 0x0f, 3, 3, 0x0a, 0x18};
    struct bl_ad_iter it = bl_ad_iter_make(p, sizeof(p));
    struct bl_uuid u, first = uuid("180d"), second = uuid("180a");

    ck_assert(bl_ad_next_service(&it, &u) && bl_uuid_eq(&u, &first));
    ck_assert(bl_ad_next_service(&it, &u) && bl_uuid_eq(&u, &second));
    ck_assert(!bl_ad_next_service(&it, &u));
}
END_TEST

START_TEST(several_manufacturers_and_service_data_are_told_apart)
{
    static const uint8_t p[] = {4,    0xff, 0x4c, 0x00, 1,    3,    0xff, 0x59, 0x00,
                                4,    0x16, 0xaa, 0xfe, 9,    6,    0x20, 0x78, 0x56,
                                0x34, 0x12, 8,    3,    0x16, 0x6f, 0xfd};
    struct bl_ad_iter it = bl_ad_iter_make(p, sizeof(p));
    struct bl_uuid u, eddystone = uuid("feaa"), big = uuid("12345678"), bare = uuid("fd6f");
    const uint8_t *data;
    uint16_t company;
    size_t len;

    ck_assert(bl_ad_next_manufacturer(&it, &company, &data, &len));
    ck_assert(company == 0x4c && len == 1 && data[0] == 1);
    ck_assert(bl_ad_next_manufacturer(&it, &company, &data, &len));
    ck_assert(company == 0x59 && len == 0);
    ck_assert(!bl_ad_next_manufacturer(&it, &company, &data, &len));
    it = bl_ad_iter_make(p, sizeof(p));
    ck_assert(bl_ad_next_service_data(&it, &u, &data, &len));
    ck_assert(bl_uuid_eq(&u, &eddystone) && len == 1 && data[0] == 9);
    ck_assert(bl_ad_next_service_data(&it, &u, &data, &len));
    ck_assert(bl_uuid_eq(&u, &big) && len == 1 && data[0] == 8);
    ck_assert(bl_ad_next_service_data(&it, &u, &data, &len));
    ck_assert(bl_uuid_eq(&u, &bare) && len == 0);
    ck_assert(!bl_ad_next_service_data(&it, &u, &data, &len));
}
END_TEST

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *in, *out;
} texts[] = {
    {"", ""},
    {"Pi", "Pi"},
    {"K\xc3\xbc"
     "che",
     "K\xc3\xbc"
     "che"},
    {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
    {"cut\xe2\x82", "cut" BAD BAD},
    {"\xff"
     "a\x80",
     BAD "a" BAD},
    {"\xc0\xaf", BAD BAD},                 /* overlong */
    {"\xe0\x80\x80", BAD BAD BAD},         /* overlong */
    {"\xed\xa0\x80", BAD BAD BAD},         /* a surrogate */
    {"\xed\x9f\xbf", "\xed\x9f\xbf"},      /* the last before them */
    {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* past U+10FFFF */
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\xf0\x8f\xbf\xbf", BAD BAD BAD BAD},
    {"\xc3(", BAD "("},
};

START_TEST(names_from_the_air_become_valid_text)
{
    char out[BL_AD_TEXT_MAX + 1];
    size_t n = bl_ad_text((const uint8_t *)texts[_i].in, strlen(texts[_i].in), out);

    ck_assert_str_eq(out, texts[_i].out);
    ck_assert_uint_eq(n, strlen(out));
}
END_TEST

START_TEST(a_nul_ends_a_name_and_the_longest_name_fits)
{
    char out[BL_AD_TEXT_MAX + 1];
    uint8_t worst[BL_AD_DATA_MAX];

    ck_assert_uint_eq(bl_ad_text((const uint8_t *)"ab\0cd", 5, out), 2);
    ck_assert_str_eq(out, "ab");
    memset(worst, 0xff, sizeof(worst));
    ck_assert_uint_eq(bl_ad_text(worst, sizeof(worst), out), BL_AD_TEXT_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/ad");
    TCase *t = tcase_create("ad");

    tcase_add_loop_test(t, whole_structures_before_a_break_are_read, 0, ARRAY_LEN(payloads));
    tcase_add_test(t, fields_of_a_payload_are_found);
    tcase_add_test(t, the_first_of_a_field_given_twice_counts);
    tcase_add_test(t, fields_of_the_wrong_length_are_not_taken);
    tcase_add_test(t, services_of_all_sizes_complete_or_not_come_in_order);
    tcase_add_test(t, half_a_uuid_at_the_end_of_a_list_is_none);
    tcase_add_test(t, several_manufacturers_and_service_data_are_told_apart);
    tcase_add_loop_test(t, names_from_the_air_become_valid_text, 0, ARRAY_LEN(texts));
    tcase_add_test(t, a_nul_ends_a_name_and_the_longest_name_fits);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
