/* SPDX-License-Identifier: MIT */
/* h4: packets come out whole however the stream is cut, and nonsense ends it. */
#include "base/cleanup.h"
#include "h4.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static const uint8_t stream[] = {
    0x04, 0x0e, 0x04, 0x01, 0x03, 0x0c, 0x00,                   /* Command Complete */
    0x02, 0x40, 0x20, 0x05, 0x00, 0x01, 0x00, 0x04, 0x00, 0x0a, /* ACL, 5 octets */
    0x04, 0x3e, 0x00,                                           /* no parameters */
    0x05, 0x01, 0x40, 0x02, 0xc0, 0xaa, 0xbb,                   /* ISO: 14 bits of length */
    0x03, 0x01, 0x00, 0x01, 0xcc,                               /* SCO */
};
static const size_t lengths[] = {7, 10, 3, 7, 5};

static size_t take(struct h4 *h, size_t *at, size_t n)
{
    const uint8_t *p;
    ssize_t len;
    while ((len = h4_next(h, &p)) > 0) {
        ck_assert_uint_lt(n, ARRAY_LEN(lengths));
        ck_assert_uint_eq((size_t)len, lengths[n]);
        ck_assert_mem_eq(p, stream + *at, (size_t)len);
        *at += (size_t)len;
        n++;
    }
    ck_assert_int_eq(len, 0);
    return n;
}

static void feed(struct h4 *h, const void *bytes, size_t n)
{
    size_t room;
    uint8_t *p = h4_room(h, &room);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ge(room, n);
    memcpy(p, bytes, n);
    h4_fed(h, n);
}

START_TEST(every_cut_gives_the_same_packets)
{
    for (size_t cut = 0; cut <= sizeof(stream); cut++) {
        struct h4 h = {.types = H4_FROM_CONTROLLER};
        size_t at = 0, n;
        feed(&h, stream, cut);
        n = take(&h, &at, 0);
        feed(&h, stream + cut, sizeof(stream) - cut);
        ck_assert_uint_eq(take(&h, &at, n), ARRAY_LEN(lengths));
        ck_assert_uint_eq(at, sizeof(stream));
        h4_free(&h);
    }
}
END_TEST

START_TEST(byte_by_byte_gives_the_same_packets)
{
    struct h4 h = {.types = H4_FROM_CONTROLLER};
    size_t at = 0, n = 0;
    for (size_t i = 0; i < sizeof(stream); i++) {
        feed(&h, stream + i, 1);
        n = take(&h, &at, n);
    }
    ck_assert_uint_eq(n, ARRAY_LEN(lengths));
    h4_free(&h);
}
END_TEST

START_TEST(a_byte_that_is_no_type_ends_the_stream)
{
    static const uint8_t bad[] = {0x00, 0x01, 0x06, 0x07, 0x80, 0xff};
    for (size_t i = 0; i < sizeof(bad); i++) {
        struct h4 h = {.types = H4_FROM_CONTROLLER};
        const uint8_t *p;
        size_t at = 0;
        feed(&h, stream, 7);
        feed(&h, &bad[i], 1);
        ck_assert_int_eq(h4_next(&h, &p), 7);
        ck_assert_int_eq(h4_next(&h, &p), -EBADMSG);
        ck_assert_int_eq(h4_next(&h, &p), -EBADMSG);
        h4_reset(&h);
        feed(&h, stream, sizeof(stream));
        ck_assert_uint_eq(take(&h, &at, 0), ARRAY_LEN(lengths));
        h4_free(&h);
    }
}
END_TEST

START_TEST(directions_have_their_own_types)
{
    static const uint8_t command[] = {0x01, 0x03, 0x0c, 0x00}, event[] = {0x04, 0x0e, 0x00};
    ck_assert_int_eq(h4_length(command, sizeof(command), H4_FROM_HOST), 4);
    ck_assert_int_eq(h4_length(command, sizeof(command), H4_FROM_CONTROLLER), -EBADMSG);
    ck_assert_int_eq(h4_length(event, sizeof(event), H4_FROM_HOST), -EBADMSG);
    ck_assert_int_eq(h4_length(event, sizeof(event), H4_FROM_CONTROLLER), 3);
}
END_TEST

START_TEST(the_longest_packet_fits_and_its_memory_is_given_back)
{
    static uint8_t longest[H4_MAX_PACKET] = {0x02, 0x40, 0x00, 0xff, 0xff};
    struct h4 h = {.types = H4_FROM_CONTROLLER};
    const uint8_t *p;
    size_t fed = 0, room;
    while (fed < sizeof(longest)) {
        uint8_t *to = h4_room(&h, &room);
        ck_assert_ptr_nonnull(to);
        ck_assert_uint_gt(room, 0);
        ck_assert_uint_le(h.cap, H4_MAX_PACKET);
        ck_assert_int_eq(h4_next(&h, &p), 0);
        if (room > sizeof(longest) - fed)
            room = sizeof(longest) - fed;
        memcpy(to, longest + fed, room);
        h4_fed(&h, room);
        fed += room;
    }
    ck_assert_int_eq(h4_next(&h, &p), H4_MAX_PACKET);
    h4_reset(&h);
    ck_assert_uint_eq(h.cap, 0);
    h4_free(&h);
}
END_TEST

START_TEST(a_packet_that_was_unread_comes_again)
{
    struct h4 h = {.types = H4_FROM_CONTROLLER};
    const uint8_t *p;
    size_t at = 7;
    feed(&h, stream, sizeof(stream));
    ck_assert_int_eq(h4_next(&h, &p), 7);
    ck_assert_int_eq(h4_next(&h, &p), 10);
    h4_unread(&h);
    ck_assert_uint_eq(take(&h, &at, 1), ARRAY_LEN(lengths));
    h4_free(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/h4");
    TCase *c = tcase_create("h4");
    tcase_add_test(c, every_cut_gives_the_same_packets);
    tcase_add_test(c, byte_by_byte_gives_the_same_packets);
    tcase_add_test(c, a_byte_that_is_no_type_ends_the_stream);
    tcase_add_test(c, directions_have_their_own_types);
    tcase_add_test(c, the_longest_packet_fits_and_its_memory_is_given_back);
    tcase_add_test(c, a_packet_that_was_unread_comes_again);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
