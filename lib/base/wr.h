/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * wr: a bounded writing cursor with sticky failure, the mirror of rd.
 *
 * A builder writes straight down and asks wr_ok() once: a write that does not fit changes nothing
 * and fails the cursor, and so does every later one. Integers are little-endian. The cursor borrows
 * the buffer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool bad;
};

static inline struct wr wr_make(void *buf, size_t cap)
{
    return (struct wr){.buf = buf, .cap = cap, .len = 0, .bad = false};
}

/* Room for n bytes that the caller fills, or NULL (and failed) when there is less. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
    if (w->bad || n > w->cap - w->len) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->buf + w->len;
    w->len += n;
    return p;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    uint8_t *p = wr_room(w, 1);
    if (p)
        p[0] = v;
}

static inline void wr_i8(struct wr *w, int8_t v)
{
    wr_u8(w, (uint8_t)v);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
    uint8_t *p = wr_room(w, 2);
    if (p) {
        p[0] = (uint8_t)v;
        p[1] = (uint8_t)(v >> 8);
    }
}

static inline void wr_u24(struct wr *w, uint32_t v)
{
    uint8_t *p = wr_room(w, 3);
    if (p) {
        p[0] = (uint8_t)v;
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)(v >> 16);
    }
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
    uint8_t *p = wr_room(w, 4);
    if (p) {
        p[0] = (uint8_t)v;
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)(v >> 16);
        p[3] = (uint8_t)(v >> 24);
    }
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
    uint8_t *p = wr_room(w, 8);
    if (p)
        for (unsigned i = 0; i < 8; i++)
            p[i] = (uint8_t)(v >> 8 * i);
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
    uint8_t *p = wr_room(w, n);
    if (p && n > 0)
        memcpy(p, src, n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
    uint8_t *p = wr_room(w, n);
    if (p && n > 0)
        memset(p, 0, n);
}

static inline bool wr_ok(const struct wr *w)
{
    return !w->bad;
}
