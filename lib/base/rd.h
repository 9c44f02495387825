/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * rd: a bounded reading cursor with sticky failure.
 *
 * A parser reads straight down and asks once at the end: after the first read past the end every
 * further read gives zeros (or NULL) and rd_done() is false. All integers are little-endian unless
 * the name says be. The cursor borrows the bytes; nothing here allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct rd rd_make(const void *data, size_t n)
{
    return (struct rd){.p = data, .left = n, .bad = false};
}

/* Borrowed pointer to the next n bytes, or NULL (and failed) when there are fewer. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
    if (r->bad || n > r->left) {
        r->bad = true;
        r->left = 0;
        return NULL;
    }
    const uint8_t *p = r->p;
    if (n > 0)
        r->p += n;
    r->left -= n;
    return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 1);
    return p ? p[0] : 0;
}

static inline int8_t rd_i8(struct rd *r)
{
    return (int8_t)rd_u8(r);
}

static inline uint16_t rd_u16(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 2);
    return (uint16_t)(p ? p[0] | p[1] << 8 : 0);
}

static inline uint32_t rd_u24(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 3);
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 4);
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24
             : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
    uint64_t low = rd_u32(r);
    return low | (uint64_t)rd_u32(r) << 32;
}

/* Copies n bytes to dst; on failure dst is zeroed, so that it never holds stale bytes. */
static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
    const uint8_t *p = rd_bytes(r, n);
    if (p && n > 0)
        memcpy(dst, p, n);
    else if (n > 0)
        memset(dst, 0, n);
}

/* A cursor over the next n bytes, which are skipped in r; failed when r is. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
    const uint8_t *p = rd_bytes(r, n);
    return (struct rd){.p = p, .left = p ? n : 0, .bad = p == NULL};
}

static inline bool rd_ok(const struct rd *r)
{
    return !r->bad;
}

/* Everything was there, and everything was consumed. */
static inline bool rd_done(const struct rd *r)
{
    return !r->bad && r->left == 0;
}
