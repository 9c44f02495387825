/* SPDX-License-Identifier: MIT */

#include "base/timerq.h"

#include <check.h>
#include <stddef.h>

START_TEST(an_empty_queue_never_ends)
{
    struct timerq q = {0};

    ck_assert_uint_eq(timerq_next(&q), TIMERQ_NEVER);
    ck_assert_ptr_null(timerq_pop(&q, UINT64_MAX));
}
END_TEST

START_TEST(timers_pop_when_their_time_has_come_and_in_order)
{
    struct timerq q = {0};
    struct timer t[3] = {0};

    timerq_set(&q, &t[0], 30);
    timerq_set(&q, &t[1], 10);
    timerq_set(&q, &t[2], 20);
    ck_assert_uint_eq(timerq_next(&q), 10);
    ck_assert_ptr_null(timerq_pop(&q, 9));
    ck_assert_ptr_eq(timerq_pop(&q, 10), &t[1]);
    ck_assert(!t[1].set);
    ck_assert_ptr_eq(timerq_pop(&q, 100), &t[2]);
    ck_assert_ptr_eq(timerq_pop(&q, 100), &t[0]);
    ck_assert_ptr_null(timerq_pop(&q, 100));
}
END_TEST

START_TEST(equal_deadlines_pop_in_the_order_they_were_set)
{
    struct timerq q = {0};
    struct timer t[50] = {0};

    for (unsigned i = 0; i < 50; i++)
        timerq_set(&q, &t[i], 7);
    timerq_set(&q, &t[0], 7); /* the last one now */
    for (unsigned i = 1; i < 50; i++)
        ck_assert_ptr_eq(timerq_pop(&q, 7), &t[i]);
    ck_assert_ptr_eq(timerq_pop(&q, 7), &t[0]);
}
END_TEST

START_TEST(setting_again_moves_and_cancelling_twice_is_harmless)
{
    struct timerq q = {0};
    struct timer a = {0}, b = {0};

    timerq_set(&q, &a, 10);
    timerq_set(&q, &b, 20);
    timerq_set(&q, &a, 30);
    ck_assert_uint_eq(timerq_next(&q), 20);
    timerq_cancel(&q, &b);
    timerq_cancel(&q, &b);
    ck_assert_uint_eq(timerq_next(&q), 30);
    timerq_cancel(&q, &a);
    ck_assert_uint_eq(timerq_next(&q), TIMERQ_NEVER);
}
END_TEST

#define N 200

/* The reference: an array, looked through. */
static unsigned reference_first(const uint64_t at[N], const uint64_t order[N], const bool set[N])
{
    unsigned first = N;

    for (unsigned i = 0; i < N; i++)
        if (set[i] &&
            (first == N || at[i] < at[first] || (at[i] == at[first] && order[i] < order[first])))
            first = i;
    return first;
}

START_TEST(random_use_agrees_with_a_reference)
{
    static struct timer t[N];
    struct timerq q = {0};
    uint64_t at[N] = {0}, order[N] = {0}, n = 0, now = 0;
    bool set[N] = {false};
    uint32_t random = 11;
    unsigned popped = 0;

    for (unsigned step = 0; step < 30000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned i = (random >> 8) % N, what = random >> 24 & 3;
        if (what < 2) {
            at[i] = now + (random >> 16 & 0xff);
            order[i] = n++;
            set[i] = true;
            timerq_set(&q, &t[i], at[i]);
        } else if (what == 2) {
            set[i] = false;
            timerq_cancel(&q, &t[i]);
        } else {
            now += random >> 28;
            for (;;) {
                unsigned first = reference_first(at, order, set);
                struct timer *got = timerq_pop(&q, now);
                if (first == N || at[first] > now) {
                    ck_assert_ptr_null(got);
                    break;
                }
                ck_assert_ptr_eq(got, &t[first]);
                set[first] = false;
                popped++;
            }
        }
        unsigned first = reference_first(at, order, set);
        ck_assert_uint_eq(timerq_next(&q), first == N ? TIMERQ_NEVER : at[first]);
    }
    ck_assert_uint_gt(popped, 3000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timerq");
    TCase *t = tcase_create("timerq");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_empty_queue_never_ends);
    tcase_add_test(t, timers_pop_when_their_time_has_come_and_in_order);
    tcase_add_test(t, equal_deadlines_pop_in_the_order_they_were_set);
    tcase_add_test(t, setting_again_moves_and_cancelling_twice_is_harmless);
    tcase_add_test(t, random_use_agrees_with_a_reference);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
