/* SPDX-License-Identifier: MIT */

/*
 * SDUs on their way in, and the credits that the peer has (Core 5.4, Vol 3, Part A, 3.4.3 and
 * 10.1).
 *
 * The payloads of K-frames are put one after the other as they come, for an SDU's first one begins
 * with its length: what lies in the store are records of a length and an SDU.
 *
 *     store  0      head                         tail         cap
 *            | gone | length | SDU | length | SD... | no use |
 *                     whole          being joined
 *
 * So a frame takes as many octets as it has, and no more than our MPS: what lies in the store and
 * MPS octets for each of the peer's credits are within the window. It holds an SDU of our MTU and
 * one frame more, so that a peer whose frames are tiny gets a credit until its SDU is whole; after
 * that the reader's pace is the peer's. An SDU that is read in part has its record's length written
 * anew, over what has been read.
 *
 * A record stays in one piece, so that it can be borrowed: where the end of the store is reached,
 * what is in use moves to its beginning, or to a store twice as large.
 */

#include "internal.h"

#include "bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    RX_LENGTH = 2,      /* of an SDU, before it */
    RX_CAP_MIN = 1024,  /* of the store */
    RX_CAP_KEPT = 8192, /* a store of so much is never too large */
    RX_ROOMY = 64,      /* a larger one is after so many times */
};

void l2cap_rx_init(struct l2cap_channel *ch, size_t window)
{
    ch->rx = (struct l2cap_rx){0};
    l2cap_rx_resized(ch, window);
}

void l2cap_rx_deinit(struct l2cap_channel *ch)
{
    free(ch->rx.store);
    ch->rx = (struct l2cap_rx){0};
}

/* ---- credits ---- */

/* Octets that are neither in the store nor promised. */
static size_t rx_room(const struct l2cap_channel *ch)
{
    const struct l2cap_rx *rx = &ch->rx;

    return rx->window - (rx->tail - rx->head) - (size_t)rx->credits * ch->our_mps;
}

/* How many credits may be given: 65535 is the most that a peer may have (10.1). */
static uint16_t rx_may(const struct l2cap_channel *ch)
{
    size_t n = rx_room(ch) / ch->our_mps, most = UINT16_MAX - (size_t)ch->rx.credits;

    return (uint16_t)(n < most ? n : most);
}

uint16_t l2cap_rx_first_credits(struct l2cap_channel *ch)
{
    uint16_t n = rx_may(ch);

    ch->rx.credits = (uint16_t)(ch->rx.credits + n);
    return n;
}

void l2cap_rx_resized(struct l2cap_channel *ch, size_t window)
{
    struct l2cap_rx *rx = &ch->rx;
    size_t promised = rx->tail - rx->head + (size_t)rx->credits * ch->our_mps;

    rx->window = window > promised ? window : promised; /* a promise is kept */
    rx->batch = rx->window / ch->our_mps / 2 * ch->our_mps;
    if (rx->batch < ch->our_mps)
        rx->batch = ch->our_mps;
}

/* A batch is worth a command; a single one is where the peer waits for it. */
static bool rx_worth(const struct l2cap_channel *ch)
{
    return rx_room(ch) >= (ch->rx.credits > 0 ? ch->rx.batch : ch->our_mps);
}

void l2cap_rx_give(struct l2cap_channel *ch, uint64_t now)
{
    struct l2cap_rx *rx = &ch->rx;

    (void)now;
    rx->give = false;
    if ((ch->state != L2CAP_OPEN && ch->state != L2CAP_DRAINING) || !rx_worth(ch))
        return;

    uint16_t n = rx_may(ch);
    if (n == 0)
        return;
    struct bl_sig sig = {.code = BL_SIG_CREDITS,
                         .identifier = l2cap_next_id(ch->c),
                         .credits = {.cid = ch->cid, .credits = n}};
    if (sig.identifier == 0 || l2cap_command(ch->c, &sig) < 0) {
        rx->give = true;
        l2cap_channel_due(ch);
        return;
    }
    rx->credits = (uint16_t)(rx->credits + n);
}

/* ---- the store ---- */

/* The records to the beginning of a store of cap octets. */
static bool rx_move(struct l2cap_rx *rx, size_t cap)
{
    uint8_t *store = malloc(cap);

    if (!store)
        return false;
    if (rx->tail > rx->head)
        memcpy(store, rx->store + rx->head, rx->tail - rx->head);
    free(rx->store);
    rx->store = store;
    rx->cap = cap;
    rx->tail -= rx->head;
    rx->head = 0;
    return true;
}

/* Room for n more octets at the tail. Moving half of the store makes room for as many octets as
 * are moved; where more of it is in use it grows, while it may. */
static bool rx_grow(struct l2cap_rx *rx, size_t n)
{
    size_t used = rx->tail - rx->head, cap = rx->cap ? rx->cap : RX_CAP_MIN;

    if (n > rx->cap - used || (used > rx->cap / 2 && rx->cap < rx->window)) {
        if (rx->cap > 0)
            cap *= 2;
        while (cap < used + n)
            cap *= 2;
        if (cap > rx->window)
            cap = rx->window; /* which has room for every frame that has a credit */
        if (rx_move(rx, cap))
            return true;
        if (n > rx->cap - used)
            return false;
    }
    memmove(rx->store, rx->store + rx->head, used);
    rx->tail = used;
    rx->head = 0;
    return true;
}

/* Nothing is in it: the next record begins at the front. One that was large for what came of late
 * is given back. */
static void rx_emptied(struct l2cap_rx *rx)
{
    if (rx->cap <= RX_CAP_KEPT || rx->tail > rx->cap / 4) {
        rx->roomy = 0;
    } else if (++rx->roomy == RX_ROOMY) {
        free(rx->store);
        rx->store = NULL;
        rx->cap = 0;
        rx->roomy = 0;
    }
    rx->head = rx->tail = 0;
}

static size_t rx_length(const uint8_t *record)
{
    return (size_t)(record[0] | record[1] << 8);
}

/* ---- frames ---- */

/* Begins an SDU, or goes on with it; NULL, or what is wrong: 3.4.3. */
static const char *rx_check(struct l2cap_channel *ch, const uint8_t *data, size_t n)
{
    struct l2cap_rx *rx = &ch->rx;

    if (rx->credits == 0)
        return "a frame without a credit";
    if (n > ch->our_mps)
        return "a frame longer than our MPS";
    if (rx->open)
        return n > rx->want ? "more octets than the SDU's length" : NULL;
    if (n < RX_LENGTH)
        return "a first frame without the SDU's length";
    if (rx_length(data) > ch->our_mtu)
        return "an SDU longer than our MTU";
    return n - RX_LENGTH > rx_length(data) ? "more octets than the SDU's length" : NULL;
}

static void rx_whole(struct l2cap_channel *ch, size_t n)
{
    struct l2cap_rx *rx = &ch->rx;
    struct bl_event e = {.kind = BL_EV_L2CAP_RECEIVED,
                         .l2cap = {.conn = ch->c->conn, .cid = ch->cid, .psm = ch->psm}};

    rx->open = false;
    rx->sdus++;
    rx->octets += n;
    rx->total_sdus++;
    rx->total_bytes += n;
    ch->c->l->counters[BL_L2CAP_N_RX_SDUS]++;
    bl_evq_push(ch->c->l->events, &e);
}

const char *l2cap_rx_frame(struct l2cap_channel *ch, uint64_t now, const uint8_t *data, size_t n)
{
    struct l2cap_rx *rx = &ch->rx;
    const char *why = rx_check(ch, data, n);

    if (why)
        return why;
    if (n > rx->cap - rx->tail && !rx_grow(rx, n))
        return "a frame that there is no memory for";
    rx->credits--;
    if (!rx->open) {
        rx->open = true;
        rx->length = rx_length(data);
        rx->want = RX_LENGTH + rx->length;
    }
    if (n > 0)
        memcpy(rx->store + rx->tail, data, n);
    rx->tail += n;
    rx->want -= n;
    if (rx->want == 0)
        rx_whole(ch, rx->length);
    if (rx_worth(ch))
        l2cap_rx_give(ch, now);
    return NULL;
}

/* ---- reading ---- */

void bl_l2cap_rx_available(const struct l2cap_channel *ch, size_t *ret_bytes, size_t *ret_sdus)
{
    *ret_bytes = ch->rx.octets;
    *ret_sdus = ch->rx.sdus;
}

bool bl_l2cap_rx_peek(const struct l2cap_channel *ch, size_t index, const uint8_t **ret_sdu,
                      size_t *ret_len)
{
    const struct l2cap_rx *rx = &ch->rx;

    if (index >= rx->sdus)
        return false;
    const uint8_t *record = rx->store + rx->head;
    while (index-- > 0)
        record += RX_LENGTH + rx_length(record);
    *ret_sdu = record + RX_LENGTH;
    *ret_len = rx_length(record);
    return true;
}

/* After something was taken. */
static void rx_taken(struct l2cap_channel *ch, uint64_t now)
{
    struct l2cap_rx *rx = &ch->rx;

    if (rx->head == rx->tail)
        rx_emptied(rx);
    if (ch->state == L2CAP_ENDED) {
        if (rx->sdus == 0)
            l2cap_channel_free(ch);
    } else if (rx_worth(ch)) {
        l2cap_rx_give(ch, now);
    }
}

/* The first SDU is gone. */
static void rx_drop(struct l2cap_rx *rx)
{
    size_t n = rx_length(rx->store + rx->head);

    rx->head += RX_LENGTH + n;
    rx->octets -= n;
    rx->sdus--;
}

int bl_l2cap_rx_consume(struct l2cap_channel *ch, uint64_t now, size_t n)
{
    struct l2cap_rx *rx = &ch->rx;

    if (rx->sdus == 0)
        return -ENOENT;
    size_t left = rx_length(rx->store + rx->head);
    if (n > left)
        return -EINVAL;
    if (n == left) {
        rx_drop(rx);
    } else {
        rx->head += n;
        rx->octets -= n;
        left -= n;
        rx->store[rx->head] = (uint8_t)left;
        rx->store[rx->head + 1] = (uint8_t)(left >> 8);
    }
    rx_taken(ch, now);
    return 0;
}

int bl_l2cap_rx_consume_sdus(struct l2cap_channel *ch, uint64_t now, size_t sdus)
{
    struct l2cap_rx *rx = &ch->rx;

    if (sdus > rx->sdus)
        return -EINVAL;
    for (size_t i = 0; i < sdus; i++)
        rx_drop(rx);
    rx_taken(ch, now);
    return 0;
}
