/* SPDX-License-Identifier: MIT */

/*
 * A pairing heap: the root is the earliest timer, every node is no later than its children, the
 * children of a node are a doubly linked list. Set is O(1), pop and cancel O(log n) amortised.
 */

#include "base/timerq.h"

#include <stddef.h>

static bool timerq_before(const struct timer *a, const struct timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static struct timer *timerq_meld(struct timer *a, struct timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (timerq_before(b, a)) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Two passes: meld neighbours left to right, then the results right to left. */
static struct timer *timerq_merge_pairs(struct timer *first)
{
    struct timer *done = NULL;

    while (first) {
        struct timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = timerq_meld(a, b);
        a->next = done;
        done = a;
    }

    struct timer *root = NULL;
    while (done) {
        struct timer *next = done->next;
        done->next = NULL;
        root = timerq_meld(root, done);
        done = next;
    }
    if (root)
        root->next = root->prev = NULL;
    return root;
}

void timerq_set(struct timerq *q, struct timer *t, uint64_t at)
{
    timerq_cancel(q, t);
    t->at = at;
    t->order = q->order++;
    t->child = t->next = t->prev = NULL;
    t->set = true;
    q->root = timerq_meld(q->root, t);
}

void timerq_cancel(struct timerq *q, struct timer *t)
{
    if (!t->set)
        return;
    if (q->root == t) {
        q->root = timerq_merge_pairs(t->child);
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        q->root = timerq_meld(q->root, timerq_merge_pairs(t->child));
    }
    t->child = t->next = t->prev = NULL;
    t->set = false;
}

struct timer *timerq_pop(struct timerq *q, uint64_t now)
{
    struct timer *t = q->root;

    if (!t || t->at > now)
        return NULL;
    timerq_cancel(q, t);
    return t;
}
