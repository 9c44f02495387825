/* SPDX-License-Identifier: MIT */

#include "base/buf.h"
#include "oom.h"

#include <check.h>
#include <string.h>

START_TEST(room_is_as_asked_with_headroom_right_before_it)
{
    struct buf *b = buf_new(100);

    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(b->cap, 100);
    ck_assert_uint_eq(b->len, 0);
    ck_assert_uint_eq(b->sent, 0);
    ck_assert(list_empty(&b->link));
    memset(b->data, 1, 100);
    memset(b->head, 2, BUF_HEADROOM);
    ck_assert_uint_eq(offsetof(struct buf, data), offsetof(struct buf, head) + BUF_HEADROOM);
    ck_assert_uint_eq(b->data[0], 1);
    ck_assert_ptr_null(buf_free(b));
    ck_assert_ptr_null(buf_free(NULL));
}
END_TEST

START_TEST(what_cannot_be_had_is_null)
{
    ck_assert_ptr_null(buf_new(SIZE_MAX));
    ck_assert_ptr_null(buf_new(SIZE_MAX - sizeof(struct buf) + 1));
    oom_fail_at(1);
    struct buf *b = buf_new(1);
    oom_off();
    ck_assert_ptr_null(b);
}
END_TEST

START_TEST(a_whole_list_is_freed)
{
    struct list head;

    list_init(&head);
    for (size_t i = 0; i < 5; i++) {
        struct buf *b = buf_new(i);
        ck_assert_ptr_nonnull(b);
        list_append(&head, &b->link);
    }
    buf_free_all(&head);
    ck_assert(list_empty(&head));
    buf_free_all(&head);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *t = tcase_create("buf");

    tcase_add_test(t, room_is_as_asked_with_headroom_right_before_it);
    tcase_add_test(t, what_cannot_be_had_is_null);
    tcase_add_test(t, a_whole_list_is_freed);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
