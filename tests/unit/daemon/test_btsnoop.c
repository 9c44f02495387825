/* SPDX-License-Identifier: MIT */
/* btsnoop: the exact bytes that Wireshark expects; no waiting for anybody; keys left out. */
#include "base/cleanup.h"
#include "btsnoop.h"
#include "log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t reset[] = {0x01, 0x03, 0x0c, 0x00};
static const uint8_t complete[] = {0x04, 0x0e, 0x04, 0x01, 0x03, 0x0c, 0x00};
static const uint8_t acl[] = {0x02, 0x40, 0x20, 0x03, 0x00, 0xaa, 0xbb, 0xcc};
static const uint8_t encrypt[] = {0x01, 0x19, 0x20, 28, 1, 0, 1, 2, 3, 4,  5,  6,  7,  8,  9,  9,
                                  1,    2,    3,    4,  5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
/* 2000-01-01 00:00:00 UTC, which the format has as 0x00e03ab44a676000. */
static const uint64_t when = UINT64_C(946684800000000);

static int memory(void)
{
    int fd = memfd_create("btsnoop", 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static struct btsnoop *start(int fd, bool keys, uint32_t snaplen)
{
    struct btsnoop *b = NULL;
    ck_assert_int_eq(btsnoop_new(&b, dup(fd), "hci0", keys, snaplen), 0);
    return b;
}

START_TEST(a_file_is_exact)
{
    static const uint8_t expected[] = {
        'b',
        't',
        's',
        'n',
        'o',
        'o',
        'p',
        0,
        0,
        0,
        0,
        1,
        0,
        0,
        0x03,
        0xea,
        /* Reset, to the controller */
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        0,
        0x00,
        0xe0,
        0x3a,
        0xb4,
        0x4a,
        0x67,
        0x60,
        0x00,
        0x01,
        0x03,
        0x0c,
        0x00,
        /* Command Complete, from it, a microsecond later */
        0,
        0,
        0,
        7,
        0,
        0,
        0,
        7,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
        0,
        0x00,
        0xe0,
        0x3a,
        0xb4,
        0x4a,
        0x67,
        0x60,
        0x01,
        0x04,
        0x0e,
        0x04,
        0x01,
        0x03,
        0x0c,
        0x00,
        /* data, both ways */
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0x00,
        0xe0,
        0x3a,
        0xb4,
        0x4a,
        0x67,
        0x60,
        0x02,
        0x02,
        0x40,
        0x20,
        0x03,
        0x00,
        0xaa,
        0xbb,
        0xcc,
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0x00,
        0xe0,
        0x3a,
        0xb4,
        0x4a,
        0x67,
        0x60,
        0x03,
        0x02,
        0x40,
        0x20,
        0x03,
        0x00,
        0xaa,
        0xbb,
        0xcc,
    };
    uint8_t got[sizeof(expected) + 1];
    int fd = memory();
    struct btsnoop *b = start(fd, false, 0);
    btsnoop_packet(b, when, false, reset, sizeof(reset));
    btsnoop_packet(b, when + 1, true, complete, sizeof(complete));
    btsnoop_packet(b, when + 2, false, acl, sizeof(acl));
    btsnoop_packet(b, when + 3, true, acl, sizeof(acl));
    ck_assert(btsnoop_waiting(b));
    ck_assert_int_eq(btsnoop_flush(b), 0);
    ck_assert(!btsnoop_waiting(b));
    ck_assert_int_eq(pread(fd, got, sizeof(got), 0), sizeof(expected));
    ck_assert_mem_eq(got, expected, sizeof(expected));
    btsnoop_free(b);
    close(fd);
}
END_TEST

START_TEST(keys_are_blanked_unless_asked_for)
{
    uint8_t got[200];
    for (int keys = 0; keys < 2; keys++) {
        static const uint8_t zero[16];
        int fd = memory();
        struct btsnoop *b = start(fd, keys == 1, 0);
        btsnoop_packet(b, when, false, encrypt, sizeof(encrypt));
        btsnoop_free(b);
        ck_assert_int_eq(pread(fd, got, sizeof(got), 0), 16 + 24 + (int)sizeof(encrypt));
        ck_assert_mem_eq(got + 40, encrypt, 16);
        ck_assert_mem_eq(got + 40 + 16, keys ? encrypt + 16 : zero, 16);
        close(fd);
    }
}
END_TEST

START_TEST(packets_are_cut_at_snaplen)
{
    uint8_t got[200];
    int fd = memory();
    struct btsnoop *b = start(fd, false, 5);
    btsnoop_packet(b, when, false, reset, sizeof(reset));
    btsnoop_packet(b, when, true, acl, sizeof(acl));
    btsnoop_free(b);
    ck_assert_int_eq(pread(fd, got, sizeof(got), 0), 16 + 24 + 4 + 24 + 5);
    static const uint8_t lengths[] = {0, 0, 0, 8, 0, 0, 0, 5};
    ck_assert_mem_eq(got + 44, lengths, sizeof(lengths));
    ck_assert_mem_eq(got + 68, acl, 5);
    close(fd);
}
END_TEST

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whatever was read: whole records, and what was dropped plus what is there is what was given. */
static uint32_t check_records(const uint8_t *p, size_t n, uint32_t *ret_drops)
{
    uint32_t count = 0;
    size_t at = 16;
    ck_assert_mem_eq(p, "btsnoop", 8);
    for (; at + 24 <= n; count++) {
        ck_assert_uint_eq(be32(p + at), sizeof(acl));
        ck_assert_uint_ge(be32(p + at + 12), *ret_drops);
        *ret_drops = be32(p + at + 12);
        ck_assert_mem_eq(p + at + 24, acl, sizeof(acl));
        at += 24 + sizeof(acl);
    }
    ck_assert_uint_eq(at, n);
    return count;
}

/* Nobody reads while far more than any buffer is captured; then all is read. */
static void check_slow_reader(int write_end, int read_end)
{
    enum { GIVEN = 40000 };
    static uint8_t got[GIVEN * 40];
    size_t n = 0;
    uint32_t drops = 0;
    int flags = fcntl(write_end, F_GETFL);
    struct btsnoop *b = start(write_end, false, 0);
    for (int i = 0; i < GIVEN; i++)
        btsnoop_packet(b, when, true, acl, sizeof(acl));
    ck_assert(btsnoop_waiting(b));
    ck_assert_int_eq(fcntl(write_end, F_GETFL), flags); /* the client's flags are its own */
    ck_assert_int_eq(fcntl(read_end, F_SETFL, O_NONBLOCK), 0);
    for (;;) {
        ssize_t r = read(read_end, got + n, sizeof(got) - n);
        if (r > 0) {
            n += (size_t)r;
            continue;
        }
        if (!btsnoop_waiting(b))
            break;
        ck_assert_int_eq(btsnoop_flush(b), 0);
    }
    uint32_t count = check_records(got, n, &drops);
    ck_assert_uint_lt(count, GIVEN);
    btsnoop_packet(b, when, true, acl, sizeof(acl));
    ck_assert_int_eq(btsnoop_flush(b), 0);
    ck_assert_int_gt(read(read_end, got + n, sizeof(got) - n), 0);
    count = check_records(got, n + 24 + sizeof(acl), &drops);
    ck_assert_uint_eq(drops + count, GIVEN + 1);
    btsnoop_free(b);
}

START_TEST(a_slow_pipe_loses_whole_packets_and_counts_them)
{
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    check_slow_reader(p[1], p[0]);
}
END_TEST

START_TEST(a_slow_socket_loses_whole_packets_and_counts_them)
{
    int p[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    check_slow_reader(p[1], p[0]);
}
END_TEST

START_TEST(a_full_disk_does_not_end_the_capture)
{
    int fd = open("/dev/full", O_WRONLY);
    if (fd < 0)
        return; /* no such device here */
    struct btsnoop *b = start(fd, false, 0);
    for (int i = 0; i < 10000; i++)
        btsnoop_packet(b, when, true, acl, sizeof(acl));
    ck_assert_int_eq(btsnoop_flush(b), 0);
    ck_assert(btsnoop_waiting(b));
    btsnoop_free(b);
    close(fd);
}
END_TEST

START_TEST(a_reader_that_is_gone_ends_it)
{
    int p[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    struct btsnoop *b = start(p[1], false, 0);
    close(p[0]);
    ck_assert_int_eq(btsnoop_flush(b), -EPIPE);
    btsnoop_free(b);
    close(p[1]);
}
END_TEST

START_TEST(descriptors_that_cannot_be_written_are_refused)
{
    struct btsnoop *b = NULL;
    ck_assert_int_eq(btsnoop_new(&b, open("/dev/null", O_RDONLY), "hci0", false, 0), -EBADF);
    ck_assert_int_eq(btsnoop_new(&b, open("/tmp", O_PATH), "hci0", false, 0), -EBADF);
    ck_assert_int_eq(btsnoop_new(&b, open("/tmp", O_RDONLY), "hci0", false, 0), -EBADF);
    ck_assert_int_eq(btsnoop_new(&b, -1, "hci0", false, 0), -EBADF);
    ck_assert_ptr_null(b);
}
END_TEST

static const uint8_t smp_start[] = {0x02, 0x40, 0x20, 5, 0, 17, 0, 6, 0, 0x06};
static const uint8_t smp_rest[] = {0x02, 0x40, 0x10, 16, 0, 9, 9, 9, 9, 9, 9,
                                   9,    9,    9,    9,  9, 9, 9, 9, 9, 9};

START_TEST(a_key_is_blanked_though_the_start_of_its_frame_was_dropped)
{
    int p[2];
    static uint8_t got[400000];
    ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
    struct btsnoop *b = start(p[1], false, 0);
    for (int i = 0; i < 10000; i++)
        btsnoop_packet(b, when, true, acl, sizeof(acl));
    btsnoop_packet(b, when, true, smp_start, sizeof(smp_start)); /* dropped */
    size_t n = 0;
    for (ssize_t r = 1; r > 0 || btsnoop_waiting(b);) {
        r = read(p[0], got, sizeof(got));
        ck_assert_int_eq(btsnoop_flush(b), 0);
    }
    btsnoop_packet(b, when, true, smp_rest, sizeof(smp_rest));
    ck_assert_int_eq(btsnoop_flush(b), 0);
    ssize_t r = read(p[0], got, sizeof(got));
    ck_assert_int_eq(r, 24 + (int)sizeof(smp_rest));
    for (n = 24 + 5; n < (size_t)r; n++)
        ck_assert_uint_eq(got[n], 0);
    btsnoop_free(b);
}
END_TEST

int main(void)
{
    log_set_target("null");
    Suite *s = suite_create("daemon/btsnoop");
    TCase *c = tcase_create("btsnoop");
    tcase_add_test(c, a_file_is_exact);
    tcase_add_test(c, keys_are_blanked_unless_asked_for);
    tcase_add_test(c, packets_are_cut_at_snaplen);
    tcase_add_test(c, a_slow_pipe_loses_whole_packets_and_counts_them);
    tcase_add_test(c, a_slow_socket_loses_whole_packets_and_counts_them);
    tcase_add_test(c, a_full_disk_does_not_end_the_capture);
    tcase_add_test(c, a_reader_that_is_gone_ends_it);
    tcase_add_test(c, descriptors_that_cannot_be_written_are_refused);
    tcase_add_test(c, a_key_is_blanked_though_the_start_of_its_frame_was_dropped);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    signal(SIGPIPE, SIG_IGN);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
