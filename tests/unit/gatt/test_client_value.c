/* SPDX-License-Identifier: MIT */

/* Reading: at every boundary of ATT_MTU and of 512 octets. */

#include "client_fixture.h"

#include <check.h>
#include <errno.h>

static int read_short(void)
{
    return bl_gattc_do_read(&conn, now, 3, 0, false, &op);
}

static int read_long(void)
{
    return bl_gattc_do_read(&conn, now, 3, 0, true, &op);
}

static int read_at_10(void)
{
    return bl_gattc_do_read(&conn, now, 3, 10, false, &op);
}

static int read_long_at_10(void)
{
    return bl_gattc_do_read(&conn, now, 3, 10, true, &op);
}

static int read_at_512(void)
{
    return bl_gattc_do_read(&conn, now, 0xffff, 512, true, &op);
}

static int read_at_ffff(void)
{
    return bl_gattc_do_read(&conn, now, 3, 0xffff, true, &op);
}

static int by_uuid(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x2a00);

    return bl_gattc_do_read_by_uuid(&conn, now, 0x10, 0x1f, &uuid, &op);
}

static int by_long_uuid(void)
{
    struct bl_uuid uuid;

    bl_uuid_parse("0f0e0d0c-0b0a-0908-0706-050403020100", &uuid);
    return bl_gattc_do_read_by_uuid(&conn, now, 0x10, 0x1f, &uuid, &op);
}

static int by_uuid_last(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x2a00);

    return bl_gattc_do_read_by_uuid(&conn, now, 0xffff, 0xffff, &uuid, &op);
}

static int read_one(void)
{
    return bl_gattc_do_read_multiple(&conn, now, (const uint16_t[]){3}, 1, &op);
}

static int read_two(void)
{
    return bl_gattc_do_read_multiple(&conn, now, (const uint16_t[]){4, 3}, 2, &op);
}

static int read_same(void)
{
    return bl_gattc_do_read_multiple(&conn, now, (const uint16_t[]){3, 3, 3}, 3, &op);
}

#define S(...)                                                                                     \
    (const struct exchange[])                                                                      \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define PROTOCOL "done 407\n"
#define READ     "0a 0300"
#define BY       "08 1000 1f00 002a"
#define FIRST    "0a 0400"

static const struct play good[] = {
    /* GATT/CL/GAR/BV-01-C */
    {"empty", read_short, 23, S({READ, "0b"}), "value 3 \ndone 0\n"},
    {"short", read_short, 23, S({READ, "0b 0102"}), "value 3 0102\ndone 0\n"},
    {"full, not long", read_short, 23, S({READ, "0b 5a*22"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    /* GATT/CL/GAR/BV-04-C: long */
    {"one less than full", read_long, 23, S({READ, "0b 5a*21"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"full, then nothing", read_long, 23, S({READ, "0b 5a*22"}, {"0c 0300 1600", "0d"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"full, then Attribute Not Long", read_long, 23,
     S({READ, "0b 5a*22"}, {"0c 0300 1600", "01 0c 0300 0b"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"full, then Invalid Offset", read_long, 24,
     S({READ, "0b 5a*23"}, {"0c 0300 1700", "01 0c 0300 07"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"full at 24, then one more", read_long, 24, S({READ, "0b 5a*23"}, {"0c 0300 1700", "0d 5b"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5b\ndone 0\n"},
    {"512 at MTU 517", read_long, 517, S({READ, "0b 5a*512"}),
     "value 3 512 octets of 5a\ndone 0\n"},
    {"512 at MTU 513", read_long, 513, S({READ, "0b 5a*512"}),
     "value 3 512 octets of 5a\ndone 0\n"},
    {"512 at MTU 512", read_long, 512, S({READ, "0b 5a*511"}, {"0c 0300 ff01", "0d 5a"}),
     "value 3 512 octets of 5a\ndone 0\n"},
    {"511 at MTU 512", read_long, 512, S({READ, "0b 5a*511"}, {"0c 0300 ff01", "0d"}),
     "value 3 511 octets of 5a\ndone 0\n"},
    {"at an offset", read_at_10, 23, S({"0c 0300 0a00", "0d 5a*22"}),
     "value 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"long at an offset", read_long_at_10, 23,
     S({"0c 0300 0a00", "0d 5a*22"}, {"0c 0300 2000", "0d 5a*6"}),
     "value 3 28 octets of 5a\ndone 0\n"},
    {"at an offset, up to 512", read_long_at_10, 517, S({"0c 0300 0a00", "0d 5a*502"}),
     "value 3 502 octets of 5a\ndone 0\n"},
    {"at the end", read_at_512, 23, S({"0c ffff 0002", "0d"}), "value ffff \ndone 0\n"},
    {"nothing at 65535", read_at_ffff, 23, S({"0c 0300 ffff", "0d"}), "value 3 \ndone 0\n"},
    /* GATT/CL/GAR/BV-03-C: by UUID */
    {"none", by_uuid, 23, S({BY, "01 08 1000 0a"}), "done 0\n"},
    {"at the last handle", by_uuid_last, 23, S({"08 ffff ffff 002a", "09 03 ffff 01"}),
     "value ffff 01\ndone 0\n"},
    {"empty values", by_uuid, 23, S({BY, "09 02 1000 1200 1f00"}),
     "value 10 \nvalue 12 \nvalue 1f \ndone 0\n"},
    {"by 128 bits", by_long_uuid, 23,
     S({"08 1000 1f00 000102030405060708090a0b0c0d0e0f", "09 03 1f00 11"}),
     "value 1f 11\ndone 0\n"},
    {"one less than may be cut", by_uuid, 23, S({BY, "09 14 1f00 5a*18"}),
     "value 1f 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"may be cut, is not", by_uuid, 23,
     S({BY, "09 15 1000 5a*19"}, {"0a 1000", "0b 5a*19"}, {"08 1100 1f00 002a", "01 08 1100 0a"}),
     "value 10 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"two cut at 253, to 512 and 255", by_uuid, 517,
     S({BY, "09 ff 1000 5a*253 1100 6b*253"}, {"0a 1000", "0b 5a*512"}, {"0a 1100", "0b 6b*255"},
       {"08 1200 1f00 002a", "01 08 1200 0a"}),
     "value 10 512 octets of 5a\nvalue 11 255 octets of 6b\ndone 0\n"},
    {"cut at the last handle", by_uuid, 512, S({BY, "09 ff 1f00 5a*253"}, {"0a 1f00", "0b 5a*253"}),
     "value 1f 253 octets of 5a\ndone 0\n"},
    {"cut, and another one when read whole", by_uuid, 23,
     S({BY, "09 15 1f00 5a*19"}, {"0a 1f00", "0b 6b*22"}, {"0c 1f00 1600", "0d 6b*3"}),
     "value 1f 25 octets of 6b\ndone 0\n"},
    /* Several: one after the other, long; neither Read Multiple nor Read Multiple Variable. */
    {"one of several", read_one, 23, S({READ, "0b 01"}), "value 3 01\ndone 0\n"},
    {"two", read_two, 23, S({FIRST, "0b aa"}, {READ, "0b bbcc"}),
     "value 4 aa\nvalue 3 bbcc\ndone 0\n"},
    {"two empty ones", read_two, 23, S({FIRST, "0b"}, {READ, "0b"}),
     "value 4 \nvalue 3 \ndone 0\n"},
    {"the same three times", read_same, 23, S({READ, "0b"}, {READ, "0b aa"}, {READ, "0b"}),
     "value 3 \nvalue 3 aa\nvalue 3 \ndone 0\n"},
    {"the first is long", read_two, 23,
     S({FIRST, "0b 5a*22"}, {"0c 0400 1600", "0d 5a*3"}, {READ, "0b bb"}),
     "value 4 25 octets of 5a\nvalue 3 bb\ndone 0\n"},
    {"the first is full", read_two, 23,
     S({FIRST, "0b 5a*22"}, {"0c 0400 1600", "01 0c 0400 0b"}, {READ, "0b bb"}),
     "value 4 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\nvalue 3 bb\ndone 0\n"},
    {"the last is long", read_two, 23,
     S({FIRST, "0b aa"}, {READ, "0b 5a*22"}, {"0c 0300 1600", "01 0c 0300 07"}),
     "value 4 aa\nvalue 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 0\n"},
    {"512 twice", read_two, 517, S({FIRST, "0b 5a*512"}, {READ, "0b 6b*512"}),
     "value 4 512 octets of 5a\nvalue 3 512 octets of 6b\ndone 0\n"},
};

START_TEST(a_read_takes)
{
    play_all(&good[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

static const struct play bad[] = {
    {"513 octets", read_short, 517, S({READ, "0b 5a*513"}), PROTOCOL},
    {"516 octets", read_long, 517, S({READ, "0b 5a*516"}), PROTOCOL},
    {"513 by blobs", read_long, 512, S({READ, "0b 5a*511"}, {"0c 0300 ff01", "0d 5a*2"}), PROTOCOL},
    {"over 512 from an offset", read_at_10, 517, S({"0c 0300 0a00", "0d 5a*503"}), PROTOCOL},
    {"at 512", read_at_512, 23, S({"0c ffff 0002", "0d 5a"}), PROTOCOL},
    {"at 65535", read_at_ffff, 23, S({"0c 0300 ffff", "0d 5a"}), PROTOCOL},
    {"longer than ATT_MTU", read_short, 23, S({READ, "0b 5a*23"}), PROTOCOL},
    {"entry of 0", by_uuid, 23, S({BY, "09 00 1000"}), PROTOCOL},
    {"entry of 1", by_uuid, 23, S({BY, "09 01 1000"}), PROTOCOL},
    {"no entry", by_uuid, 23, S({BY, "09 04"}), PROTOCOL},
    {"half an entry", by_uuid, 23, S({BY, "09 04 1000 0102 1100"}), PROTOCOL},
    {"entry longer than the answer", by_uuid, 23, S({BY, "09 ff 1000 0102"}), PROTOCOL},
    {"before the range", by_uuid, 23, S({BY, "09 03 0f00 01"}), PROTOCOL},
    {"after the range", by_uuid, 23, S({BY, "09 03 2000 01"}), PROTOCOL},
    {"twice", by_uuid, 23, S({BY, "09 03 1000 01 1000 01"}), PROTOCOL},
    {"read on for ever", by_uuid, 517, S({BY, "09 ff 1000 5a*253"}, {"0a 1000", "0b 5a*513"}),
     PROTOCOL},
    {"several: 513 octets", read_two, 517, S({FIRST, "0b 5a*513"}), PROTOCOL},
    {"several: the second does not end", read_two, 512,
     S({FIRST, "0b aa"}, {READ, "0b 5a*511"}, {"0c 0300 ff01", "0d 5a*2"}),
     "value 4 aa\n" PROTOCOL},
};

START_TEST(a_read_does_not_take)
{
    play_all(&bad[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 1);
    ck_assert(still_works());
}
END_TEST

static const struct play errors[] = {
    {"read", read_long, 23, S({READ, "01 0a 0300 02"}), "done 2\n"},
    {"the first is not long", read_long, 23, S({READ, "01 0a 0300 0b"}), "done b\n"},
    {"a blob", read_long, 23, S({READ, "0b 5a*22"}, {"0c 0300 1600", "01 0c 0300 08"}), "done 8\n"},
    {"an offset past the end", read_at_ffff, 23, S({"0c 0300 ffff", "01 0c 0300 07"}), "done 7\n"},
    {"an offset in what is not long", read_at_10, 23, S({"0c 0300 0a00", "01 0c 0300 0b"}),
     "done b\n"},
    {"by UUID", by_uuid, 23, S({BY, "01 08 1000 0c"}), "done c\n"},
    {"by UUID, on the way", by_uuid, 23, S({BY, "09 15 1000 5a*19"}, {"0a 1000", "01 0a 1000 0a"}),
     "done a\n"},
    {"the first of several", read_two, 23, S({FIRST, "01 0a 0400 02"}), "done 2\n"},
    {"the second of several", read_two, 23, S({FIRST, "0b aa"}, {READ, "01 0a 0300 05"}),
     "value 4 aa\ndone 5\n"},
    {"the second of several, though the first was long", read_two, 23,
     S({FIRST, "0b 5a*22"}, {"0c 0400 1600", "0d"}, {READ, "01 0a 0300 07"}),
     "value 4 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\ndone 7\n"},
    {"a blob of the second", read_two, 23,
     S({FIRST, "0b aa"}, {READ, "0b 5a*22"}, {"0c 0300 1600", "01 0c 0300 05"}),
     "value 4 aa\ndone 5\n"},
};

START_TEST(an_error_is_the_outcome)
{
    play_all(&errors[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

START_TEST(arguments_are_checked)
{
    uint16_t handles[BL_MAX_READ_MULTIPLE + 1];
    struct bl_uuid uuid = bl_uuid_from16(0x2a00);

    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        handles[i] = 3;
    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 0, 0, true, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_read_by_uuid(&conn, now, 0, 5, &uuid, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_read_by_uuid(&conn, now, 6, 5, &uuid, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_read_by_uuid(&conn, now, 1, 5, NULL, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_read_multiple(&conn, now, handles, 0, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_read_multiple(&conn, now, handles, ARRAY_LEN(handles), &op),
                     -EINVAL);
    handles[1] = 0;
    ck_assert_int_eq(bl_gattc_do_read_multiple(&conn, now, handles, 2, &op), -EINVAL);
    asks_nothing();
    told("");
}
END_TEST

/* As many as may be asked for, and each by itself also where one PDU would hold them all. */
START_TEST(sixty_four_one_by_one)
{
    uint16_t handles[BL_MAX_READ_MULTIPLE];
    struct bl_event e;
    unsigned n = 0;

    set_mtu(517);
    for (uint8_t i = 0; i < BL_MAX_READ_MULTIPLE; i++)
        handles[i] = (uint16_t)(i + 1);
    ck_assert_int_eq(bl_gattc_do_read_multiple(&conn, now, handles, BL_MAX_READ_MULTIPLE, &op), 0);
    for (uint8_t i = 0; i < BL_MAX_READ_MULTIPLE; i++) {
        const uint8_t request[] = {0x0a, (uint8_t)(i + 1), 0}, answer[] = {0x0b, i};
        const struct fake_sent *out = fake_hci_take_sent(hci);

        ck_assert_ptr_nonnull(out);
        ck_assert_uint_eq(out->n, 4 + sizeof(request));
        ck_assert_mem_eq(out->data + 4, request, sizeof(request));
        says_octets(answer, sizeof(answer));
    }
    asks_nothing();
    while (bl_evq_pop(&events, &e) && e.kind == BL_EV_GATTC_VALUE) {
        ck_assert_uint_eq(e.gatt.value.len, 1);
        ck_assert_uint_eq(e.gatt.value.data[0], n);
        ck_assert_uint_eq(e.gatt.handle, ++n);
    }
    ck_assert_uint_eq(n, BL_MAX_READ_MULTIPLE);
    ck_assert_uint_eq(e.done.status, BL_OK);
}
END_TEST

/* ATT_MTU rises while a read waits: its answer was made for the old one, and is full. */
START_TEST(an_exchange_in_the_middle_of_a_read)
{
    ck_assert_int_eq(read_long(), 0);
    asks(READ);
    says("02 0002");
    asks("03 0001");
    ck_assert_uint_eq(conn.bearer.mtu, 256);
    says("0b 5a*22");
    asks("0c 0300 1600");
    says("0d 5a*30");
    asks_nothing();
    told("value 3 52 octets of 5a\ndone 0\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client-value");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_read_takes, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, a_read_does_not_take, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, an_error_is_the_outcome, 0, (int)ARRAY_LEN(errors));
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, sixty_four_one_by_one);
    tcase_add_test(tc, an_exchange_in_the_middle_of_a_read);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
