/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * h4: HCI packets in a stream of bytes. Core 5.4, Vol 4, Part A, 2.
 *
 * A packet is its type, a header with a length, and so many bytes. There is nothing in a stream by
 * which to find the next packet again, so a byte that is no type means that both sides no longer
 * agree and the stream is dead: the caller closes it and starts again.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    H4_COMMAND = 0x01,
    H4_ACL = 0x02,
    H4_SCO = 0x03,
    H4_EVENT = 0x04,
    H4_ISO = 0x05,
    H4_MAX_PACKET = 1 + 4 + 0xffff,
};

/* Which types one side may send, as bits. */
#define H4_FROM_CONTROLLER (1u << H4_ACL | 1u << H4_SCO | 1u << H4_EVENT | 1u << H4_ISO)
#define H4_FROM_HOST       (1u << H4_COMMAND | 1u << H4_ACL | 1u << H4_SCO | 1u << H4_ISO)

/* The length of the packet that begins at bytes: positive, and possibly more than n; 0 when n
 * bytes do not tell it yet; -EBADMSG when the first byte is none of types. */
ssize_t h4_length(const uint8_t *bytes, size_t n, unsigned types);

/* A deframer. Zeroed to begin with; types is to be set. */
struct h4 {
    unsigned types;
    uint8_t *buf;
    size_t cap, len, at, last;
};

/* Room for the next bytes, at least one: the caller reads into it and tells how many by h4_fed().
 * NULL: no memory. Packets must have been taken out by h4_next() before. */
uint8_t *h4_room(struct h4 *h, size_t *ret_room);
void h4_fed(struct h4 *h, size_t n);
/* The next whole packet, borrowed until the next call of any of these. Its length, 0 when there is
 * none, -EBADMSG when the stream is dead. */
ssize_t h4_next(struct h4 *h, const uint8_t **ret);
/* Makes the packet that h4_next() gave last the next one again. */
void h4_unread(struct h4 *h);
/* Forgets what is there; h4_free() the memory as well. */
void h4_reset(struct h4 *h);
void h4_free(struct h4 *h);
