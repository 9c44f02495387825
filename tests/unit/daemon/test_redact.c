/* SPDX-License-Identifier: MIT */
/* redact: secrets become zeros, everything around them stays. */
#include "base/cleanup.h"
#include "redact.h"

#include <check.h>
#include <string.h>

/* A packet of n octets, head first and then 0xff, of which exactly from..to-1 are to be blanked. */
static void check_blanked(struct redact *r, bool received, const uint8_t *head, size_t head_len,
                          size_t n, size_t from, size_t to)
{
    uint8_t packet[300];
    memset(packet, 0xff, sizeof(packet));
    memcpy(packet, head, head_len);
    redact_packet(r, received, packet, n);
    ck_assert_mem_eq(packet, head, head_len < from ? head_len : from);
    for (size_t i = head_len; i < sizeof(packet); i++)
        ck_assert_msg(packet[i] == (i >= from && i < to ? 0 : 0xff), "octet %zu of %02x%02x", i,
                      head[0], head[1]);
}

START_TEST(keys_in_commands_and_events)
{
    static const struct {
        bool received;
        uint8_t head[8];
        size_t head_len, n, from, to;
    } rows[] = {
        {false, {1, 0x19, 0x20, 28}, 4, 32, 16, 32},           /* LE Enable Encryption */
        {false, {1, 0x1a, 0x20, 18}, 4, 22, 6, 22},            /* LE LTK Request Reply */
        {false, {1, 0x27, 0x20, 39}, 4, 43, 11, 43},           /* resolving list */
        {false, {1, 0x17, 0x20, 32}, 4, 36, 4, 36},            /* LE Encrypt */
        {false, {1, 0x0b, 0x04, 22}, 4, 26, 10, 26},           /* link key */
        {false, {1, 0x03, 0x0c, 0}, 4, 4, 0, 0},               /* Reset */
        {false, {1, 0x05, 0x20, 6}, 4, 10, 0, 0},              /* LE Set Random Address */
        {true, {4, 0x0e, 12, 1, 0x18, 0x20, 0}, 7, 15, 7, 15}, /* LE Rand */
        {true, {4, 0x0e, 20, 1, 0x17, 0x20, 0}, 7, 23, 7, 23}, /* LE Encrypt */
        {true, {4, 0x0e, 10, 1, 0x09, 0x10, 0}, 7, 13, 0, 0},  /* Read BD_ADDR */
        {true, {4, 0x3e, 34, 0x09, 0}, 5, 37, 5, 37},          /* DHKey */
        {true, {4, 0x3e, 19, 0x01, 0}, 5, 22, 0, 0},           /* LE Connection Complete */
        {true, {4, 0x18, 23}, 3, 26, 9, 25},                   /* Link Key Notification */
        {false, {1, 0x19, 0x20, 28}, 4, 20, 16, 20},           /* cut short by a sender */
        {false, {1, 0x1a}, 2, 2, 0, 0},
        {true, {4, 0x0e}, 2, 2, 0, 0},
        {true, {2, 0x40, 0x20}, 3, 3, 0, 0},
    };
    struct redact r = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_blanked(&r, rows[i].received, rows[i].head, rows[i].head_len, rows[i].n, rows[i].from,
                      rows[i].to);
}
END_TEST

START_TEST(keys_that_smp_distributes)
{
    struct redact r = {0};
    static const uint8_t codes[] = {0x04, 0x06, 0x08, 0x0a};
    for (size_t i = 0; i < sizeof(codes); i++) {
        const uint8_t head[] = {2, 0x40, 0x20, 21, 0, 17, 0, 6, 0, codes[i]};
        check_blanked(&r, true, head, sizeof(head), 26, 10, 26);
    }
    const uint8_t request[] = {2, 0x40, 0x20, 11, 0, 7, 0, 6, 0, 0x01};
    check_blanked(&r, true, request, sizeof(request), 16, 0, 0);
    const uint8_t att[] = {2, 0x40, 0x20, 21, 0, 17, 0, 4, 0, 0x06};
    check_blanked(&r, true, att, sizeof(att), 26, 0, 0);
}
END_TEST

START_TEST(keys_in_fragments)
{
    /* However early the first fragment ends, the rest is blanked until the frame is complete. */
    for (uint8_t first = 0; first < 21; first++) {
        struct redact r = {0};
        const uint8_t frame[] = {17, 0, 6, 0, 0x06};
        uint8_t start[10] = {2, 0x40, 0x20, first, 0};
        size_t known = first < 5 ? first : 5;
        memcpy(start + 5, frame, known);
        check_blanked(&r, true, start, 5 + known, (size_t)5 + first, first > 5 ? 10 : 0,
                      first > 5 ? (size_t)5 + first : 0);
        const uint8_t other[] = {2, 0x41, 0x10, 9, 0};
        check_blanked(&r, true, other, 5, 14, 0, 0); /* another handle */
        check_blanked(&r, false, (const uint8_t[]){2, 0x40, 0x10, 9, 0}, 5, 14, 0, 0);
        const uint8_t rest[] = {2, 0x40, 0x10, (uint8_t)(21 - first), 0};
        check_blanked(&r, true, rest, 5, (size_t)26 - first, 5, (size_t)26 - first);
        if (first < 2)
            continue; /* the frame's length is not known: blanked until the next frame starts */
        check_blanked(&r, true, other, 5, 14, 0, 0);
        check_blanked(&r, true, (const uint8_t[]){2, 0x40, 0x10, 9, 0}, 5, 14, 0, 0);
    }
}
END_TEST

START_TEST(a_flood_of_open_frames_is_survived)
{
    struct redact r = {0};
    for (uint16_t h = 0; h < 0xeff; h++) {
        const uint8_t start[] = {2, (uint8_t)h, (uint8_t)(0x20 | h >> 8), 5, 0, 17, 0, 6, 0, 6};
        check_blanked(&r, true, start, sizeof(start), sizeof(start), 0, 0);
    }
    const uint8_t rest[] = {2, 0xfe, 0x1e, 16, 0};
    check_blanked(&r, true, rest, sizeof(rest), 21, 5, 21);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/redact");
    TCase *c = tcase_create("redact");
    tcase_add_test(c, keys_in_commands_and_events);
    tcase_add_test(c, keys_that_smp_distributes);
    tcase_add_test(c, keys_in_fragments);
    tcase_add_test(c, a_flood_of_open_frames_is_survived);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
