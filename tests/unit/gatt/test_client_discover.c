/* SPDX-License-Identifier: MIT */

/* What discovery takes from an answer, and what it does not. */

#include "client_fixture.h"

#include <check.h>
#include <errno.h>

static int services(void)
{
    return bl_gattc_do_services(&conn, now, NULL, &op);
}

static int services_180d(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x180d);

    return bl_gattc_do_services(&conn, now, &uuid, &op);
}

static int services_long(void)
{
    struct bl_uuid uuid;

    bl_uuid_parse("0f0e0d0c-0b0a-0908-0706-050403020100", &uuid);
    return bl_gattc_do_services(&conn, now, &uuid, &op);
}

static int characteristics(void)
{
    return bl_gattc_do_characteristics(&conn, now, 0x10, 0x1f, NULL, &op);
}

static int characteristics_2a37(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x2a37);

    return bl_gattc_do_characteristics(&conn, now, 0x10, 0x1f, &uuid, &op);
}

static int characteristics_last(void)
{
    return bl_gattc_do_characteristics(&conn, now, 0xfffe, 0xffff, NULL, &op);
}

static int descriptors(void)
{
    return bl_gattc_do_descriptors(&conn, now, 0x10, 0x1f, &op);
}

static int one_descriptor(void)
{
    return bl_gattc_do_descriptors(&conn, now, 0xffff, 0xffff, &op);
}

static int last_characteristic(void)
{
    return bl_gattc_do_characteristics(&conn, now, 0xffff, 0xffff, NULL, &op);
}

static int last_include(void)
{
    return bl_gattc_do_includes(&conn, now, 0xffff, 0xffff, &op);
}

static int includes(void)
{
    return bl_gattc_do_includes(&conn, now, 0x10, 0x1f, &op);
}

#define S(...)                                                                                     \
    (const struct exchange[])                                                                      \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

#define ALL        "10 0100 ffff 0028"
#define BY_UUID    "06 0100 ffff 0028 0d18"
#define CHARS      "08 1000 1f00 0328"
#define DESCS      "04 1000 1f00"
#define INCLUDES   "08 1000 1f00 0228"
#define PROTOCOL   "done 407\n"
#define UUID128    "000102030405060708090a0b0c0d0e0f"
#define UUID128_IS "0f0e0d0c-0b0a-0908-0706-050403020100"

static const struct play good[] = {
    /* GATT/CL/GAD/BV-01-C: all primary services */
    {"none", services, 23, S({ALL, "01 10 0100 0a"}), "done 0\n"},
    {"up to the last handle", services, 23, S({ALL, "11 06 0100 ffff 0018"}),
     "service 1-ffff 1800\ndone 0\n"},
    {"of one handle", services, 23, S({ALL, "11 06 ffff ffff 0018"}),
     "service ffff-ffff 1800\ndone 0\n"},
    {"three in one", services, 23, S({ALL, "11 06 0100 0100 0018 0200 0300 0118 1000 ffff 0d18"}),
     "service 1-1 1800\nservice 2-3 1801\nservice 10-ffff 180d\ndone 0\n"},
    {"of 128 bits, which are 16", services, 23,
     S({ALL, "11 14 0100 ffff fb349b5f80000080 00100000 0d180000"}),
     "service 1-ffff 180d\ndone 0\n"},
    {"a full answer at MTU 517", services, 517,
     S({ALL, "11 14 0100 0100 " UUID128 "0200 ffff" UUID128}),
     "service 1-1 " UUID128_IS "\nservice 2-ffff " UUID128_IS "\ndone 0\n"},
    /* GATT/CL/GAD/BV-02-C: by UUID */
    {"none by UUID", services_180d, 23, S({BY_UUID, "01 06 0100 0a"}), "done 0\n"},
    {"one by UUID", services_180d, 23, S({BY_UUID, "07 0100 ffff"}),
     "service 1-ffff 180d\ndone 0\n"},
    {"by UUID of 128 bits", services_long, 23,
     S({"06 0100 ffff 0028" UUID128, "07 0100 0300"},
       {"06 0400 ffff 0028" UUID128, "01 06 0400 0a"}),
     "service 1-3 " UUID128_IS "\ndone 0\n"},
    /* GATT/CL/GAD/BV-04-C: all characteristics of a service */
    {"no characteristics", characteristics, 23, S({CHARS, "01 08 1000 0a"}), "done 0\n"},
    {"the last handle is the value", characteristics, 23,
     S({CHARS, "09 07 1e00 02 1f00 372a"}, {"08 1f00 1f00 0328", "01 08 1f00 0a"}),
     "characteristic 1e-1f 1f 02 2a37\ndone 0\n"},
    {"the range ends before the value", characteristics, 23, S({CHARS, "09 07 1f00 02 2000 372a"}),
     "characteristic 1f-20 20 02 2a37\ndone 0\n"},
    {"the last handle there is", characteristics_last, 23,
     S({"08 feff ffff 0328", "09 07 feff 02 ffff 372a"}, {"08 ffff ffff 0328", "01 08 ffff 0a"}),
     "characteristic fffe-ffff ffff 02 2a37\ndone 0\n"},
    {"nothing fits one handle", last_characteristic, 23, S({"08 ffff ffff 0328", "01 08 ffff 0a"}),
     "done 0\n"},
    {"a value further on", characteristics, 23,
     S({CHARS, "09 07 1000 02 1500 372a"}, {"08 1100 1f00 0328", "01 08 1100 0a"}),
     "characteristic 10-1f 15 02 2a37\ndone 0\n"},
    /* GATT/CL/GAD/BV-05-C: by UUID; the other's end is the next declaration's too */
    {"by UUID", characteristics_2a37, 23,
     S({CHARS, "09 07 1000 02 1100 002a 1200 10 1300 372a"},
       {"08 1300 1f00 0328", "09 07 1500 02 1600 012a 1700 08 1800 372a"},
       {"08 1800 1f00 0328", "01 08 1800 0a"}),
     "characteristic 12-14 13 10 2a37\ncharacteristic 17-1f 18 08 2a37\ndone 0\n"},
    /* GATT/CL/GAD/BV-06-C: descriptors */
    {"no descriptors", descriptors, 23, S({DESCS, "01 04 1000 0a"}), "done 0\n"},
    {"descriptors with gaps", descriptors, 23,
     S({DESCS, "05 01 1100 0129 1500 0229"}, {"04 1600 1f00", "05 02 1f00" UUID128}),
     "descriptor 11 2901\ndescriptor 15 2902\ndescriptor 1f " UUID128_IS "\ndone 0\n"},
    {"the last handle", one_descriptor, 23, S({"04 ffff ffff", "05 01 ffff 0229"}),
     "descriptor ffff 2902\ndone 0\n"},
    /* GATT/CL/GAD/BV-03-C: included services */
    {"no includes", includes, 23, S({INCLUDES, "01 08 1000 0a"}), "done 0\n"},
    {"an include at the last handle", last_include, 23,
     S({"08 ffff ffff 0228", "09 08 ffff 0100 0500 0f18"}), "include ffff 1-5 180f\ndone 0\n"},
    {"an include at the end", includes, 23, S({INCLUDES, "09 08 1f00 0100 0500 0f18"}),
     "include 1f 1-5 180f\ndone 0\n"},
    {"an include of 128 bits at the end", includes, 23,
     S({INCLUDES, "09 06 1f00 0100 0500"}, {"0a 0100", "0b" UUID128}),
     "include 1f 1-5 " UUID128_IS "\ndone 0\n"},
};

START_TEST(discovery_takes)
{
    play_all(&good[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

static const struct play bad[] = {
    {"entry of 7", services, 23, S({ALL, "11 07 0100 0500 001800"}), PROTOCOL},
    {"entry of 0", services, 23, S({ALL, "11 00 0100 0500 0018"}), PROTOCOL},
    {"entry of 4", services, 23, S({ALL, "11 04 0100 0500"}), PROTOCOL},
    {"entry of 8: a UUID of 32 bits", services, 23, S({ALL, "11 08 0100 0500 00180000"}), PROTOCOL},
    {"half an entry", services, 23, S({ALL, "11 06 0100 0500 0018 0600"}), PROTOCOL},
    {"no entry", services, 23, S({ALL, "11 06"}), PROTOCOL},
    {"start 0", services, 23, S({ALL, "11 06 0000 0500 0018"}), PROTOCOL},
    {"end before start", services, 23, S({ALL, "11 06 0500 0400 0018"}), PROTOCOL},
    {"overlapping", services, 23, S({ALL, "11 06 0100 0500 0018 0500 0600 0118"}),
     "service 1-5 1800\n" PROTOCOL},
    {"falling", services, 23, S({ALL, "11 06 0500 0600 0018 0100 0200 0118"}),
     "service 5-6 1800\n" PROTOCOL},
    {"the same again", services, 23,
     S({ALL, "11 06 0100 0500 0018"}, {"10 0600 ffff 0028", "11 06 0100 0500 0018"}),
     "service 1-5 1800\n" PROTOCOL},
    {"after the last handle", services, 23, S({ALL, "11 06 0100 ffff 0018 0200 0300 0118"}),
     "service 1-ffff 1800\n" PROTOCOL},
    {"half a group", services_180d, 23, S({BY_UUID, "07 0100 0500 0600"}), PROTOCOL},
    {"group from 0", services_180d, 23, S({BY_UUID, "07 0000 0500"}), PROTOCOL},
    {"group that ends before", services_180d, 23, S({BY_UUID, "07 0500 0400"}), PROTOCOL},
    {"groups that fall", services_180d, 23, S({BY_UUID, "07 0500 0600 0100 0200"}),
     "service 5-6 180d\n" PROTOCOL},
    {"entry of 6", characteristics, 23, S({CHARS, "09 06 1000 02 1100 37"}), PROTOCOL},
    {"entry of 9", characteristics, 23, S({CHARS, "09 09 1000 02 1100 372a0000"}), PROTOCOL},
    {"entry of 0", characteristics, 23, S({CHARS, "09 00 1000 02 1100 372a"}), PROTOCOL},
    {"no entry", characteristics, 23, S({CHARS, "09 07"}), PROTOCOL},
    {"half an entry", characteristics, 23, S({CHARS, "09 07 1000 02 1100 372a 12"}), PROTOCOL},
    {"before the range", characteristics, 23, S({CHARS, "09 07 0f00 02 1000 372a"}), PROTOCOL},
    {"after the range", characteristics, 23, S({CHARS, "09 07 2000 02 2100 372a"}), PROTOCOL},
    {"value at the declaration", characteristics, 23, S({CHARS, "09 07 1000 02 1000 372a"}),
     PROTOCOL},
    {"value before the declaration", characteristics, 23, S({CHARS, "09 07 1100 02 1000 372a"}),
     PROTOCOL},
    {"value 0", characteristics, 23, S({CHARS, "09 07 1000 02 0000 372a"}), PROTOCOL},
    {"the same twice", characteristics, 23, S({CHARS, "09 07 1000 02 1100 372a 1000 02 1100 372a"}),
     PROTOCOL},
    {"a declaration at the value before it", characteristics, 23,
     S({CHARS, "09 07 1000 02 1100 372a 1100 02 1200 382a"}), PROTOCOL},
    {"a declaration within another", characteristics, 23,
     S({CHARS, "09 07 1000 02 1400 372a 1200 02 1500 382a"}), PROTOCOL},
    {"falling over two answers", characteristics, 23,
     S({CHARS, "09 07 1200 02 1300 372a"}, {"08 1300 1f00 0328", "09 07 1000 02 1100 372a"}),
     PROTOCOL},
    {"format 0", descriptors, 23, S({DESCS, "05 00 1000 0229"}), PROTOCOL},
    {"format 3", descriptors, 23, S({DESCS, "05 03 1000 0229"}), PROTOCOL},
    {"no pair", descriptors, 23, S({DESCS, "05 01"}), PROTOCOL},
    {"half a pair", descriptors, 23, S({DESCS, "05 01 1000 0229 1100"}), PROTOCOL},
    {"a pair of the other format", descriptors, 23, S({DESCS, "05 02 1000 0229"}), PROTOCOL},
    {"pair before the range", descriptors, 23, S({DESCS, "05 01 0f00 0229"}), PROTOCOL},
    {"pair after the range", descriptors, 23, S({DESCS, "05 01 2000 0229"}), PROTOCOL},
    {"pair twice", descriptors, 23, S({DESCS, "05 01 1000 0229 1000 0229"}),
     "descriptor 10 2902\n" PROTOCOL},
    {"include entry of 7", includes, 23, S({INCLUDES, "09 07 1000 0100 0500 0f"}), PROTOCOL},
    {"include entry of 22", includes, 24, S({INCLUDES, "09 16 1000 0100 0500" UUID128}), PROTOCOL},
    {"half an include", includes, 23, S({INCLUDES, "09 08 1000 0100 0500 0f18 11"}), PROTOCOL},
    {"no include", includes, 23, S({INCLUDES, "09 08"}), PROTOCOL},
    {"include of handle 0", includes, 23, S({INCLUDES, "09 08 1000 0000 0500 0f18"}), PROTOCOL},
    {"include that ends before", includes, 23, S({INCLUDES, "09 08 1000 0500 0400 0f18"}),
     PROTOCOL},
    {"include after the range", includes, 23, S({INCLUDES, "09 08 2000 0100 0500 0f18"}), PROTOCOL},
    {"include twice", includes, 23, S({INCLUDES, "09 06 1000 0100 0500 1000 0100 0500"}), PROTOCOL},
    {"declaration of 15 octets", includes, 23,
     S({INCLUDES, "09 06 1000 0100 0500"}, {"0a 0100", "0b 00*15"}), PROTOCOL},
    {"declaration of 17 octets", includes, 23,
     S({INCLUDES, "09 06 1000 0100 0500"}, {"0a 0100", "0b 00*17"}), PROTOCOL},
    {"declaration of 4 octets", includes, 23,
     S({INCLUDES, "09 06 1000 0100 0500"}, {"0a 0100", "0b 00*4"}), PROTOCOL},
    {"empty declaration", includes, 23, S({INCLUDES, "09 06 1000 0100 0500"}, {"0a 0100", "0b"}),
     PROTOCOL},
    {"longer than ATT_MTU", services, 23,
     S({ALL, "11 06 0100 0100 0018 0200 0200 0018"
             "0300 0300 0018 0400 0400 0018"}),
     PROTOCOL},
};

START_TEST(discovery_does_not_take)
{
    play_all(&bad[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 1);
    ck_assert(still_works());
}
END_TEST

static const struct play errors[] = {
    {"services", services, 23, S({ALL, "01 10 0100 05"}), "done 5\n"},
    {"services by UUID", services_180d, 23, S({BY_UUID, "01 06 0100 06"}), "done 6\n"},
    {"characteristics, of which one is known", characteristics, 23,
     S({CHARS, "09 07 1000 02 1100 372a"}, {"08 1100 1f00 0328", "01 08 1100 0f"}), "done f\n"},
    {"descriptors", descriptors, 23, S({DESCS, "01 04 1000 80"}), "done 80\n"},
    {"includes", includes, 23, S({INCLUDES, "01 08 1000 ff"}), "done ff\n"},
    {"error 0", includes, 23, S({INCLUDES, "01 08 1000 00"}), "done e\n"},
    {"an included service that is not found", includes, 23,
     S({INCLUDES, "09 06 1000 0100 0500"}, {"0a 0100", "01 0a 0100 0a"}), "done a\n"},
};

START_TEST(an_error_is_the_outcome)
{
    play_all(&errors[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

START_TEST(ranges_are_checked)
{
    static const uint16_t ranges[][2] = {{0, 0xffff}, {0, 0}, {2, 1}, {0xffff, 1}};

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        uint16_t start = ranges[i][0], end = ranges[i][1];
        ck_assert_int_eq(bl_gattc_do_characteristics(&conn, now, start, end, NULL, &op), -EINVAL);
        ck_assert_int_eq(bl_gattc_do_descriptors(&conn, now, start, end, &op), -EINVAL);
        ck_assert_int_eq(bl_gattc_do_includes(&conn, now, start, end, &op), -EINVAL);
    }
    asks_nothing();
    told("");
}
END_TEST

/* As many entries as a PDU of 517 octets can hold: each is told. */
START_TEST(the_largest_answers)
{
    uint8_t pdu[517];
    struct wr w = wr_make(pdu, sizeof(pdu));
    struct bl_event e;
    unsigned n = 0;

    set_mtu(517);
    ck_assert_int_eq(bl_gattc_do_descriptors(&conn, now, 1, 0xffff, &op), 0);
    asks("04 0100 ffff");
    wr_u8(&w, 5);
    wr_u8(&w, 1);
    for (uint16_t i = 1; i <= 128; i++)
        wr_u32(&w, 0x29020000u + i);
    ck_assert(wr_ok(&w));
    says_octets(pdu, w.len);
    asks("04 8100 ffff");
    says("01 04 8100 0a");
    while (bl_evq_pop(&events, &e) && e.kind == BL_EV_GATTC_DESCRIPTOR) {
        ck_assert_uint_eq(e.gatt.handle, ++n);
        ck_assert_uint_eq(e.gatt.op, op);
    }
    ck_assert_uint_eq(n, 128);
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);

    /* 85 includes, each of which is looked up */
    w = wr_make(pdu, sizeof(pdu));
    ck_assert_int_eq(bl_gattc_do_includes(&conn, now, 1, 85, &op), 0);
    asks("08 0100 5500 0228");
    wr_u8(&w, 9);
    wr_u8(&w, 6);
    for (uint16_t i = 1; i <= 85; i++) {
        wr_u16(&w, i);
        wr_u16(&w, 0x1001);
        wr_u16(&w, 0x1002);
    }
    ck_assert_uint_eq(w.len, 512);
    says_octets(pdu, w.len);
    for (n = 0; n < 85; n++) {
        asks("0a 0110");
        says("0b" UUID128);
    }
    asks_nothing();
    for (n = 0; bl_evq_pop(&events, &e) && e.kind == BL_EV_GATTC_INCLUDE;)
        ck_assert_uint_eq(e.gatt.handle, ++n);
    ck_assert_uint_eq(n, 85);
    ck_assert_uint_eq(e.done.status, BL_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client-discover");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, discovery_takes, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, discovery_does_not_take, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, an_error_is_the_outcome, 0, (int)ARRAY_LEN(errors));
    tcase_add_test(tc, ranges_are_checked);
    tcase_add_test(tc, the_largest_answers);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
