/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * buf: one packet on its way out: room for headers in front of the payload, so that no layer and
 * no fragment copies it. Owned by whoever holds the pointer.
 */

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define BUF_HEADROOM 16 /* H4 type, ACL header, L2CAP header, and some */

struct buf {
    struct list link;
    size_t start; /* where at data the PDU begins */
    size_t len;   /* bytes at data that are in use, from 0 on: where the PDU ends */
    size_t cap;   /* bytes at data that there are */
    size_t sent;  /* how much the fragmenter has taken */
    uint16_t tag; /* its owner may use it: it is left alone, also on the way home */
    bool secret;  /* wiped when it is freed */
    /* Not NULL: buf_free() puts it into this list, for its owner to use again. Who ends the list
     * sets this to NULL first, wherever the buffer is. */
    struct list *home;
    uint8_t head[BUF_HEADROOM];
    uint8_t data[];
};

/* NULL when there is no memory; len is 0. */
struct buf *buf_new(size_t cap);
/* Frees b, which may be NULL and must be in no list. Returns NULL. */
struct buf *buf_free(struct buf *b);
/* Frees every buf of the list. */
void buf_free_all(struct list *head);
