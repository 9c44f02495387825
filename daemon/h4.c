/* SPDX-License-Identifier: MIT */
/*
 * Packets are handed out where they lie in the buffer; only a packet that is not yet whole is moved
 * to the front. The buffer is small until a header announces a packet that does not fit, and small
 * again after h4_reset(), so that a peer cannot have more than one longest packet of memory.
 */
#include "h4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { H4_BUFFER = 4096 };

ssize_t h4_length(const uint8_t *bytes, size_t n, unsigned types)
{
    /* Core 5.4, Vol 4, Part E, 5.4: header octets, and where in them the length is. */
    static const struct {
        uint8_t header, at, width;
        uint16_t mask;
    } formats[] = {
        [H4_COMMAND] = {3, 2, 1, 0xff}, [H4_ACL] = {4, 2, 2, 0xffff}, [H4_SCO] = {3, 2, 1, 0xff},
        [H4_EVENT] = {2, 1, 1, 0xff},   [H4_ISO] = {4, 2, 2, 0x3fff},
    };
    if (n == 0)
        return 0;
    if (bytes[0] > H4_ISO || !(types & 1u << bytes[0]))
        return -EBADMSG;
    size_t header = 1u + formats[bytes[0]].header;
    if (n < header)
        return 0;
    const uint8_t *p = bytes + 1 + formats[bytes[0]].at;
    unsigned len = formats[bytes[0]].width == 2 ? (unsigned)(p[0] | p[1] << 8) : p[0];
    return (ssize_t)(header + (len & formats[bytes[0]].mask));
}

uint8_t *h4_room(struct h4 *h, size_t *ret_room)
{
    size_t left = h->len - h->at;
    if (h->at > 0 && left > 0)
        memmove(h->buf, h->buf + h->at, left);
    h->at = h->last = 0;
    h->len = left;
    ssize_t need = h4_length(h->buf, left, h->types);
    size_t want = need > H4_BUFFER ? (size_t)need : H4_BUFFER;
    if (h->cap < want) {
        uint8_t *buf = realloc(h->buf, want);
        if (!buf)
            return NULL;
        h->buf = buf;
        h->cap = want;
    }
    *ret_room = h->cap - h->len;
    return h->buf + h->len;
}

void h4_fed(struct h4 *h, size_t n)
{
    h->len += n;
}

ssize_t h4_next(struct h4 *h, const uint8_t **ret)
{
    size_t left = h->len - h->at;
    ssize_t n = left > 0 ? h4_length(h->buf + h->at, left, h->types) : 0;
    if (n <= 0)
        return n;
    if ((size_t)n > left)
        return 0;
    *ret = h->buf + h->at;
    h->at += (size_t)n;
    h->last = (size_t)n;
    return n;
}

void h4_unread(struct h4 *h)
{
    h->at -= h->last;
    h->last = 0;
}

void h4_reset(struct h4 *h)
{
    h->at = h->len = h->last = 0;
    if (h->cap > H4_BUFFER)
        h4_free(h);
}

void h4_free(struct h4 *h)
{
    free(h->buf);
    h->buf = NULL;
    h->cap = h->len = h->at = h->last = 0;
}
