/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
#include "gatt/access.h"
#include "gatt/gatt.h"

#include <check.h>

static const struct bl_gatt_security none = {0}, key = {.has_ltk = true},
                                     just_works = {.encrypted = true, .key_size = 16},
                                     mitm = {
                                         .encrypted = true, .authenticated = true, .key_size = 16};

static uint8_t access_of(uint8_t kind, uint32_t flags, enum bl_gatt_access access,
                         const struct bl_gatt_security *security)
{
    struct bl_gatt_attr a = {.kind = kind, .flags = flags};

    return bl_gatt_access(&a, access, security, 0);
}

START_TEST(each_way_of_access_has_its_flag)
{
    static const struct {
        enum bl_gatt_access access;
        uint32_t flag;
        uint8_t error;
    } rows[] = {
        {BL_GATT_ACCESS_READ, BL_GATT_READ, 0x02},
        {BL_GATT_ACCESS_WRITE, BL_GATT_WRITE, 0x03},
        {BL_GATT_ACCESS_COMMAND, BL_GATT_WRITE_NO_RESPONSE, 0x03},
        {BL_GATT_ACCESS_SIGNED, BL_GATT_SIGNED_WRITE, 0x03},
    };
    static const uint8_t kinds[] = {BL_GATT_ATTR_VALUE, BL_GATT_ATTR_DESCRIPTOR};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            ck_assert_uint_eq(access_of(kinds[k], rows[i].flag, rows[i].access, &none), 0);
            ck_assert_uint_eq(access_of(kinds[k], 0xff & ~rows[i].flag, rows[i].access, &mitm),
                              rows[i].error);
        }
    }
}
END_TEST

/* Core 5.4, Vol 3, Part C, 10.3.1, table 10.2 */
START_TEST(security_is_refused_by_the_table)
{
    static const struct bl_gatt_security short_key = {.encrypted = true, .key_size = 15},
                                         short_mitm = {.encrypted = true,
                                                       .authenticated = true,
                                                       .key_size = 15};
    static const struct {
        const struct bl_gatt_security *security;
        uint8_t encrypted, authenticated; /* the answer where that is asked for */
    } rows[] = {
        {&none, 0x05, 0x05}, {&key, 0x0f, 0x0f},       {&just_works, 0, 0x05},
        {&mitm, 0, 0},       {&short_key, 0x0c, 0x05}, {&short_mitm, 0x0c, 0x0c},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct bl_gatt_security *s = rows[i].security;
        for (unsigned access = BL_GATT_ACCESS_READ; access <= BL_GATT_ACCESS_SIGNED; access++) {
            bool read = access == BL_GATT_ACCESS_READ;
            uint32_t enc = read ? BL_GATT_READ_ENCRYPTED : BL_GATT_WRITE_ENCRYPTED;
            uint32_t auth = read ? BL_GATT_READ_AUTHENTICATED : BL_GATT_WRITE_AUTHENTICATED;
            uint32_t others = read ? BL_GATT_WRITE_ENCRYPTED | BL_GATT_WRITE_AUTHENTICATED
                                   : BL_GATT_READ_ENCRYPTED | BL_GATT_READ_AUTHENTICATED;
            ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, 0xff | others, access, s), 0);
            ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, 0xff | enc, access, s),
                              rows[i].encrypted);
            ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, 0xff | auth, access, s),
                              rows[i].authenticated);
            ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, 0xff | auth | enc, access, s),
                              rows[i].authenticated);
        }
    }
}
END_TEST

START_TEST(the_least_key_size_is_configured)
{
    struct bl_gatt_attr a = {.kind = BL_GATT_ATTR_VALUE,
                             .flags = BL_GATT_READ | BL_GATT_READ_ENCRYPTED};

    for (uint8_t size = 7; size <= 16; size++) {
        struct bl_gatt_security s = {.encrypted = true, .key_size = size};
        for (uint8_t least = 7; least <= 16; least++)
            ck_assert_uint_eq(bl_gatt_access(&a, BL_GATT_ACCESS_READ, &s, least),
                              size < least ? 0x0c : 0);
        ck_assert_uint_eq(bl_gatt_access(&a, BL_GATT_ACCESS_READ, &s, 0), size < 16 ? 0x0c : 0);
    }
}
END_TEST

START_TEST(permission_comes_before_security)
{
    ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, BL_GATT_WRITE | BL_GATT_READ_ENCRYPTED,
                                BL_GATT_ACCESS_READ, &none),
                      0x02);
    ck_assert_uint_eq(access_of(BL_GATT_ATTR_VALUE, BL_GATT_READ | BL_GATT_WRITE_AUTHENTICATED,
                                BL_GATT_ACCESS_WRITE, &none),
                      0x03);
}
END_TEST

START_TEST(declarations_are_read_by_everybody_and_written_by_nobody)
{
    static const uint8_t kinds[] = {BL_GATT_ATTR_PRIMARY, BL_GATT_ATTR_SECONDARY,
                                    BL_GATT_ATTR_INCLUDE, BL_GATT_ATTR_CHARACTERISTIC,
                                    BL_GATT_ATTR_EXTENDED};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        ck_assert_uint_eq(access_of(kinds[i], 0, BL_GATT_ACCESS_READ, &none), 0);
        ck_assert_uint_eq(access_of(kinds[i], BL_GATT_FLAGS, BL_GATT_ACCESS_READ, &none), 0);
        for (unsigned access = BL_GATT_ACCESS_WRITE; access <= BL_GATT_ACCESS_SIGNED; access++)
            ck_assert_uint_eq(access_of(kinds[i], BL_GATT_FLAGS, access, &mitm), 0x03);
    }
}
END_TEST

START_TEST(a_cccd_is_written_by_who_may_have_the_value)
{
    static const uint32_t asks[] = {BL_GATT_READ_ENCRYPTED, BL_GATT_WRITE_ENCRYPTED,
                                    BL_GATT_READ_AUTHENTICATED, BL_GATT_WRITE_AUTHENTICATED};

    ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, BL_GATT_NOTIFY, BL_GATT_ACCESS_WRITE, &none), 0);
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        uint32_t flags = BL_GATT_NOTIFY | asks[i];
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, flags, BL_GATT_ACCESS_READ, &none), 0);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, flags, BL_GATT_ACCESS_WRITE, &none), 0x05);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, flags, BL_GATT_ACCESS_WRITE, &key), 0x0f);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, flags, BL_GATT_ACCESS_WRITE, &just_works),
                          i < 2 ? 0 : 0x05);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, flags, BL_GATT_ACCESS_WRITE, &mitm), 0);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, 0xff, BL_GATT_ACCESS_COMMAND, &mitm), 0x03);
        ck_assert_uint_eq(access_of(BL_GATT_ATTR_CCCD, 0xff, BL_GATT_ACCESS_SIGNED, &mitm), 0x03);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");

    tcase_add_test(t, each_way_of_access_has_its_flag);
    tcase_add_test(t, security_is_refused_by_the_table);
    tcase_add_test(t, the_least_key_size_is_configured);
    tcase_add_test(t, permission_comes_before_security);
    tcase_add_test(t, declarations_are_read_by_everybody_and_written_by_nobody);
    tcase_add_test(t, a_cccd_is_written_by_who_may_have_the_value);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
