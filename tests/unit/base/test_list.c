/* SPDX-License-Identifier: MIT */

#include "base/list.h"

#include <check.h>

struct item {
    int n;
    struct list link;
};

static int nth(const struct list *head, int n)
{
    const struct list *l = head->next;

    while (n-- > 0)
        l = l->next;
    ck_assert_ptr_ne(l, head);
    return ((const struct item *)(const void *)((const char *)l - offsetof(struct item, link)))->n;
}

START_TEST(elements_stay_in_the_order_they_were_put)
{
    struct list head;
    struct item items[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};

    list_init(&head);
    ck_assert(list_empty(&head));
    list_append(&head, &items[1].link);
    list_append(&head, &items[3].link);
    list_prepend(&head, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(nth(&head, i), i);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_eq(list_pop(&head), &items[i].link);
    ck_assert_ptr_null(list_pop(&head));
}
END_TEST

START_TEST(removing_twice_is_harmless)
{
    struct list head;
    struct item a = {.n = 1}, b = {.n = 2};

    list_init(&head);
    list_append(&head, &a.link);
    list_append(&head, &b.link);
    list_remove(&a.link);
    list_remove(&a.link);
    ck_assert_int_eq(nth(&head, 0), 2);
    ck_assert(list_empty(&a.link));
}
END_TEST

START_TEST(elements_may_be_removed_while_walking)
{
    struct list head;
    struct item items[10];
    int seen = 0;

    list_init(&head);
    for (int i = 0; i < 10; i++) {
        items[i].n = i;
        list_append(&head, &items[i].link);
    }
    list_each(l, next, &head)
    {
        struct item *item = list_entry(l, struct item, link);
        ck_assert_int_eq(item->n, seen++);
        if (item->n % 2)
            list_remove(l);
    }
    ck_assert_int_eq(seen, 10);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(nth(&head, i), 2 * i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("list");
    TCase *t = tcase_create("list");

    tcase_add_test(t, elements_stay_in_the_order_they_were_put);
    tcase_add_test(t, removing_twice_is_harmless);
    tcase_add_test(t, elements_may_be_removed_while_walking);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
