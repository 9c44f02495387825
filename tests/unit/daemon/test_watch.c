/* SPDX-License-Identifier: MIT */

#include "watch.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ev_loop *ev;
static int ours, theirs;
static struct bus_watch *watch;
static unsigned fired;
static uint32_t got;
static bool frees;

static void ready(void *userdata, uint32_t revents)
{
    ck_assert_ptr_eq(userdata, &fired);
    fired++;
    got |= revents;
    if (frees) {
        watch_free(watch);
        watch = NULL;
    }
}

static void setup(void)
{
    int fds[2];

    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(ev);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    ours = fds[0];
    theirs = fds[1];
    fired = 0;
    got = 0;
    frees = false;
}

static void teardown(void)
{
    if (watch)
        watch_free(watch);
    watch = NULL;
    close(ours);
    if (theirs >= 0)
        close(theirs);
    ev_loop_destroy(ev);
}

static void begin(uint32_t events)
{
    ck_assert_int_eq(watch_new(ev, ours, events, ready, &fired, &watch), 0);
}

/* So many turns of the loop; how often it was told. */
static unsigned turns(int n)
{
    fired = 0;
    got = 0;
    for (int i = 0; i < n; i++)
        ev_run(ev, EVRUN_NOWAIT);
    return fired;
}

START_TEST(tells_of_what_is_asked_for)
{
    begin(POLLIN);
    ck_assert_uint_eq(turns(3), 0);
    ck_assert_int_eq(send(theirs, "x", 1, 0), 1);
    ck_assert_uint_eq(turns(2), 2); /* as long as it is there */
    ck_assert_uint_eq(got, POLLIN);
    watch_set(watch, POLLOUT);
    ck_assert_uint_ge(turns(2), 1);
    ck_assert_uint_eq(got, POLLOUT);
    watch_set(watch, POLLIN | POLLOUT);
    ck_assert_uint_ge(turns(2), 1);
    ck_assert_uint_eq(got, POLLIN | POLLOUT);
}
END_TEST

START_TEST(hang_up_is_both)
{
    begin(_i == 0 ? POLLIN : POLLOUT);
    close(theirs);
    theirs = -1;
    ck_assert_uint_ge(turns(2), 1);
    ck_assert_uint_eq(got, _i == 0 ? POLLIN : POLLOUT);
}
END_TEST

/* A hang-up lasts: what is not asked for may not wake the daemon again and again. */
START_TEST(nothing_is_told_where_nothing_is_asked_for)
{
    begin(POLLIN);
    ck_assert_int_eq(send(theirs, "x", 1, 0), 1);
    ck_assert_uint_eq(turns(1), 1);
    watch_set(watch, 0);
    ck_assert_uint_eq(turns(5), 0);
    close(theirs);
    theirs = -1;
    ck_assert_uint_eq(turns(5), 0);
    watch_set(watch, POLLIN);
    ck_assert_uint_ge(turns(2), 1);
    ck_assert_uint_eq(got, POLLIN);
}
END_TEST

START_TEST(may_be_freed_in_ready)
{
    frees = true;
    begin(POLLIN | POLLOUT);
    ck_assert_int_eq(send(theirs, "x", 1, 0), 1);
    ck_assert_uint_eq(turns(3), 1);
    ck_assert_ptr_null(watch);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, tells_of_what_is_asked_for);
    tcase_add_loop_test(t, hang_up_is_both, 0, 2);
    tcase_add_test(t, nothing_is_told_where_nothing_is_asked_for);
    tcase_add_test(t, may_be_freed_in_ready);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
