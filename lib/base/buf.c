/* SPDX-License-Identifier: MIT */

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct buf *buf_new(size_t cap)
{
    if (cap > SIZE_MAX - sizeof(struct buf))
        return NULL;

    struct buf *b = malloc(sizeof(*b) + cap);
    if (!b)
        return NULL;
    memset(b, 0, sizeof(*b));
    list_init(&b->link);
    b->cap = cap;
    return b;
}

struct buf *buf_free(struct buf *b)
{
    if (b && b->home) {
        list_append(b->home, &b->link);
        return NULL;
    }
    if (b && b->secret)
        explicit_bzero(b->data, b->cap);
    free(b);
    return NULL;
}

void buf_free_all(struct list *head)
{
    struct list *l;

    while ((l = list_pop(head)))
        buf_free(list_entry(l, struct buf, link));
}
