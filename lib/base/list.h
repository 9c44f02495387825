/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * list: an intrusive doubly linked ring. A head is a node that is no element; an element that is
 * in no list points to itself (list_init), so that removing it twice is harmless.
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The structure of the given type that holds `member` at ptr. */
#define list_entry(ptr, type, member)                                                              \
    ((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

/* Every node; `pos` may be removed and freed in the body, because `tmp` holds the next one. */
#define list_each(pos, tmp, head)                                                                  \
    for (struct list *pos = (head)->next, *tmp = pos->next; pos != (head);                         \
         pos = tmp, tmp = pos->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_before(struct list *where, struct list *node)
{
    node->prev = where->prev;
    node->next = where;
    where->prev->next = node;
    where->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Takes the first element out, NULL when there is none. */
static inline struct list *list_pop(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *node = head->next;
    list_remove(node);
    return node;
}
