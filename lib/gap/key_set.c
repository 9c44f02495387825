/* SPDX-License-Identifier: MIT */

/*
 * key_set: a ring of keys in the order of their coming, and a hash table over it by linear probing
 * at half load. Forgetting the oldest closes its gap in the table by moving back what follows, so
 * that there are no tombstones and probing does not slow down with age.
 */

#include "gap/key_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SET_FIRST 64u /* members of the first allocation; doubled up to max */
#define KEY_MASK      ((UINT64_C(1) << KEY_SET_KEY_BITS) - 1)

void bl_key_set_init(struct key_set *set, uint32_t max, uint64_t seed)
{
    *set = (struct key_set){.max = max, .seed = seed};
}

void bl_key_set_deinit(struct key_set *set)
{
    free(set->ring);
    free(set->index);
    set->ring = NULL;
    set->index = NULL;
    set->count = set->size = set->oldest = 0;
}

/* Mixes as 64-bit finalizers do, between two parts of the secret. */
static uint64_t key_set_mix(uint64_t key, uint64_t seed)
{
    key ^= seed;
    key ^= key >> 32;
    key *= seed | 1;
    key ^= key >> 29;
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return key ^ key >> 32;
}

static uint32_t key_set_home(const struct key_set *set, uint64_t entry)
{
    return (uint32_t)key_set_mix(entry & KEY_MASK, set->seed) & (2 * set->size - 1);
}

/* The slot of the key, or the free one where it would be. */
static uint32_t key_set_slot(const struct key_set *set, uint64_t key)
{
    uint32_t slot = key_set_home(set, key);

    while (set->index[slot] != 0 && (set->ring[set->index[slot] - 1u] & KEY_MASK) != key)
        slot = (slot + 1) & (2 * set->size - 1);
    return slot;
}

static int key_set_grow(struct key_set *set)
{
    uint32_t size = set->size ? 2 * set->size : KEY_SET_FIRST;
    uint64_t *ring = realloc(set->ring, size * sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    set->ring = ring;

    uint16_t *index = calloc(2 * (size_t)size, sizeof(*index));
    if (!index)
        return -ENOMEM;
    free(set->index);
    set->index = index;
    set->size = size;
    for (uint32_t i = 0; i < set->count; i++)
        set->index[key_set_slot(set, set->ring[i] & KEY_MASK)] = (uint16_t)(i + 1);
    return 0;
}

/* Takes the oldest out of the table. What stands behind its slot and may stand in it is moved. */
static void key_set_forget(struct key_set *set)
{
    uint32_t mask = 2 * set->size - 1;
    uint32_t hole = key_set_slot(set, set->ring[set->oldest] & KEY_MASK);

    for (uint32_t i = (hole + 1) & mask; set->index[i] != 0; i = (i + 1) & mask) {
        uint32_t home = key_set_home(set, set->ring[set->index[i] - 1u]);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* between its home and here there is no hole */
        set->index[hole] = set->index[i];
        hole = i;
    }
    set->index[hole] = 0;
}

int bl_key_set_find(const struct key_set *set, uint64_t key)
{
    return set->size == 0 ? -1 : set->index[key_set_slot(set, key & KEY_MASK)] - 1;
}

/* Without memory to grow it forgets earlier. (Should there be memory again later, those that came
 * in between are forgotten out of turn, once.) */
int bl_key_set_put(struct key_set *set, uint64_t key, unsigned notes, bool *ret_new)
{
    int found = bl_key_set_find(set, key);
    uint32_t at;

    *ret_new = found < 0;
    if (found >= 0)
        return found;
    if (set->count == set->size && set->size < set->max && key_set_grow(set) < 0 && set->size == 0)
        return -ENOMEM;
    if (set->count < set->size) {
        at = set->count++;
    } else {
        at = set->oldest;
        key_set_forget(set);
        set->oldest = (set->oldest + 1) % set->size;
    }
    key &= KEY_MASK;
    set->index[key_set_slot(set, key)] = (uint16_t)(at + 1);
    set->ring[at] = key | (uint64_t)(notes & KEY_SET_NOTES) << KEY_SET_KEY_BITS;
    return (int)at;
}

unsigned bl_key_set_get(const struct key_set *set, int position)
{
    return (unsigned)(set->ring[position] >> KEY_SET_KEY_BITS);
}

void bl_key_set_note(struct key_set *set, int position, unsigned notes)
{
    set->ring[position] = (set->ring[position] & KEY_MASK) | (uint64_t)(notes & KEY_SET_NOTES)
                                                                 << KEY_SET_KEY_BITS;
}
