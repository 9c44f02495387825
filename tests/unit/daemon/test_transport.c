/* SPDX-License-Identifier: MIT */
/* transport: a unix socket's other end, as it answers, stalls, sends nonsense and hangs up. */
#include "base/cleanup.h"
#include "transport.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char path[] = "/tmp/bled-test-transport.XXXXXX/s";
static struct spec spec;
static struct transport transport;
static int listener, peer;

static void set_up(void)
{
    char text[64];
    const char *why;
    size_t again;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(path, "/tmp/bled-test-transport.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
    strcat(path, "/s");
    snprintf(text, sizeof(text), "unix:%s", path);
    ck_assert_int_eq(spec_parse(text, &spec, &why), 0);
    ck_assert_int_eq(spec_name_all(&spec, 1, &again), 0);
    strcpy(a.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    signal(SIGPIPE, SIG_IGN);
    transport_init(&transport, &spec);
    ck_assert_int_eq(transport_open(&transport), 0);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
}

static void tear_down(void)
{
    transport_done(&transport);
    close(listener);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static void check_explained(int error)
{
    char why[352] = "";
    transport_explain(&transport, error, why, sizeof(why));
    ck_assert_ptr_nonnull(strstr(why, path));
}

START_TEST(packets_come_one_by_one_from_one_read)
{
    const uint8_t two[] = {4, 0x0e, 1, 1, 4, 0x0f, 2, 2, 2, 4};
    const uint8_t *p;
    ck_assert_int_eq(write(peer, two, sizeof(two)), sizeof(two));
    ck_assert_int_eq(transport_fill(&transport), 0);
    ck_assert_int_eq(transport_next(&transport, &p), 4);
    transport_unread(&transport);
    ck_assert_int_eq(transport_next(&transport, &p), 4);
    ck_assert_int_eq(transport_next(&transport, &p), 5);
    ck_assert_int_eq(transport_next(&transport, &p), 0);
    ck_assert_int_eq(transport_fill(&transport), 0); /* nothing there */
    ck_assert_int_eq(transport_next(&transport, &p), 0);
}
END_TEST

START_TEST(a_hang_up_and_nonsense_are_told_apart)
{
    const uint8_t *p;
    ck_assert_int_eq(write(peer, "\xff", 1), 1);
    ck_assert_int_eq(transport_fill(&transport), 0);
    ck_assert_int_eq(transport_next(&transport, &p), -EBADMSG);
    check_explained(-EBADMSG);
    close(peer);
    ck_assert_int_eq(transport_fill(&transport), -EPIPE);
    check_explained(-EPIPE);
}
END_TEST

START_TEST(a_peer_that_does_not_read_gets_everything_in_the_end)
{
    enum { PACKETS = 5000, SIZE = 105 };
    uint8_t packet[SIZE] = {2, 0x40, 0x20, 100, 0};
    static uint8_t got[PACKETS * SIZE];
    size_t n = 0;
    int r = 0, queued = 0;
    for (; queued < PACKETS && r == 0; queued++) {
        packet[5] = (uint8_t)queued;
        ck_assert_int_eq(transport_queue(&transport, packet, SIZE), 0);
        r = transport_flush(&transport);
    }
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_uint_gt(transport_queued(&transport), 0);
    for (; queued < PACKETS; queued++) {
        packet[5] = (uint8_t)queued;
        ck_assert_int_eq(transport_queue(&transport, packet, SIZE), 0);
    }
    while (n < sizeof(got)) {
        ssize_t done = read(peer, got + n, sizeof(got) - n);
        ck_assert_int_gt(done, 0);
        n += (size_t)done;
        r = transport_flush(&transport);
        ck_assert(r == 0 || r == -EAGAIN);
    }
    ck_assert_int_eq(transport_flush(&transport), 0);
    for (int i = 0; i < PACKETS; i++)
        ck_assert_uint_eq(got[i * SIZE + 5], (uint8_t)i);
}
END_TEST

START_TEST(a_peer_that_always_lags_behind_costs_no_memory)
{
    enum { SIZE = 105, MOST = 65536 }; /* more than one read can make room for */
    uint8_t packet[SIZE] = {2, 0x40, 0x20, 100, 0}, taken[SIZE];
    int r;
    do { /* until the socket is full */
        ck_assert_int_eq(transport_queue(&transport, packet, SIZE), 0);
        r = transport_flush(&transport);
    } while (r == 0);
    for (int i = 0; i < 10000; i++) {
        while (transport_queued(&transport) < MOST)
            ck_assert_int_eq(transport_queue(&transport, packet, SIZE), 0);
        ck_assert_int_gt(read(peer, taken, sizeof(taken)), 0);
        ck_assert_int_eq(transport_flush(&transport), -EAGAIN);
    }
    ck_assert_uint_le(transport.tx_cap, 4 * MOST);
}
END_TEST

START_TEST(writing_to_a_peer_that_is_gone_is_an_error)
{
    const uint8_t reset[] = {1, 3, 12, 0};
    close(peer);
    ck_assert_int_eq(transport_queue(&transport, reset, sizeof(reset)), 0);
    ck_assert_int_eq(transport_flush(&transport), -EPIPE);
}
END_TEST

START_TEST(what_waits_is_forgotten_by_closing)
{
    const uint8_t reset[] = {1, 3, 12, 0}, part[] = {4, 0x0e, 9, 9};
    const uint8_t *p;
    ck_assert_int_eq(write(peer, part, sizeof(part)), sizeof(part));
    ck_assert_int_eq(transport_fill(&transport), 0);
    ck_assert_int_eq(transport_next(&transport, &p), 0);
    ck_assert_int_eq(transport_queue(&transport, reset, sizeof(reset)), 0);
    transport_close(&transport);
    ck_assert_int_eq(transport_open(&transport), 0);
    ck_assert_uint_eq(transport_queued(&transport), 0);
    int again = accept(listener, NULL, NULL);
    ck_assert_int_eq(write(again, "\x04\x0e\x00", 3), 3);
    ck_assert_int_eq(transport_fill(&transport), 0);
    ck_assert_int_eq(transport_next(&transport, &p), 3);
    close(again);
}
END_TEST

START_TEST(nobody_there_is_told)
{
    transport_close(&transport);
    close(listener);
    ck_assert_int_eq(transport_open(&transport), -ECONNREFUSED);
    ck_assert_int_eq(transport.fd, -1);
    check_explained(-ECONNREFUSED);
    unlink(path);
    ck_assert_int_eq(transport_open(&transport), -ENOENT);
    check_explained(-ENOENT);
}
END_TEST

START_TEST(every_kind_explains_every_error)
{
    static const char *const specs[] = {"hci0", "unix:/x", "tcp:127.0.0.1:1", "tty:/dev/x"};
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        struct spec s;
        const char *why;
        struct transport t;
        size_t again;
        ck_assert_int_eq(spec_parse(specs[i], &s, &why), 0);
        ck_assert_int_eq(spec_name_all(&s, 1, &again), 0);
        transport_init(&t, &s);
        for (int error = 1; error < 134; error++) {
            char text[352] = "", cut[20];
            transport_explain(&t, -error, text, sizeof(text));
            ck_assert_uint_gt(strlen(text), 4);
            ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
            transport_explain(&t, -error, cut, sizeof(cut));
        }
        transport_done(&t);
    }
}
END_TEST

START_TEST(tcp_connects_without_waiting)
{
    struct spec s;
    const char *why;
    struct transport t;
    ck_assert_int_eq(spec_parse("tcp:127.0.0.1:1", &s, &why), 0); /* tcpmux: nobody */
    transport_init(&t, &s);
    int r = transport_open(&t);
    ck_assert(r == 1 || r == -ECONNREFUSED);
    transport_done(&t);
    ck_assert_int_eq(t.fd, -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/transport");
    TCase *c = tcase_create("transport");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, packets_come_one_by_one_from_one_read);
    tcase_add_test(c, a_hang_up_and_nonsense_are_told_apart);
    tcase_add_test(c, a_peer_that_does_not_read_gets_everything_in_the_end);
    tcase_add_test(c, a_peer_that_always_lags_behind_costs_no_memory);
    tcase_add_test(c, writing_to_a_peer_that_is_gone_is_an_error);
    tcase_add_test(c, what_waits_is_forgotten_by_closing);
    tcase_add_test(c, nobody_there_is_told);
    tcase_add_test(c, every_kind_explains_every_error);
    tcase_add_test(c, tcp_connects_without_waiting);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
