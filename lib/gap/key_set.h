/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * key_set: a bounded set of 60-bit keys with four bits of notes on each, which forgets the oldest
 * member for the newest when it is full. What duplicate filtering and scan filters remember of
 * advertisers: 10 to 12 octets each, nothing before the first. Looking up and adding cost the same
 * however many there are.
 */

#include <stdbool.h>
#include <stdint.h>

#define KEY_SET_KEY_BITS 60
#define KEY_SET_NOTES    0xfu

struct key_set {
    uint64_t *ring;            /* in the order of coming: notes << 60 | key */
    uint16_t *index;           /* hash table of positions in the ring plus one; 0: free */
    uint32_t oldest;           /* position of the oldest, once the ring is full */
    uint32_t count, size, max; /* members, room, and what it may grow to */
    uint64_t seed;             /* secret, so that nobody can choose addresses that collide */
};

/* max: 64 or more, a power of two up to 32768. Allocates nothing. */
void bl_key_set_init(struct key_set *set, uint32_t max, uint64_t seed);
void bl_key_set_deinit(struct key_set *set);

/* The position of a key (any value of 60 bits), good until the next one is added; -1: not there. */
int bl_key_set_find(const struct key_set *set, uint64_t key);
/* The same, added with `notes` where it was not there (*ret_new tells). -ENOMEM. */
int bl_key_set_put(struct key_set *set, uint64_t key, unsigned notes, bool *ret_new);
unsigned bl_key_set_get(const struct key_set *set, int position);
void bl_key_set_note(struct key_set *set, int position, unsigned notes);
