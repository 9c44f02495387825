/* SPDX-License-Identifier: MIT */

/*
 * report_join: open chains stand in one row, the oldest first, their keys side by side for the
 * search. A chain's memory is taken when it opens and goes to the spares when it is done, but for
 * the one behind the report that was given out last, which waits for the next call.
 *
 *     (none) --more--> open --more--> open --complete--> out
 *                        |              +---truncated, too long--> out, truncated
 *                        +--no more for 5 s, room needed--> out, truncated
 *
 * A chain that there is no memory for gives its first fragment out at once, truncated, and is
 * remembered without bytes, so that its later fragments are not taken for a new one's beginning.
 */

#include "gap/report_join.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "gap/dup_filter.h"

#include <stdlib.h>
#include <string.h>

void bl_report_join_init(struct report_join *join)
{
    *join = (struct report_join){0};
}

/* Memory of a chain that is done: kept for the next one, or freed. */
static void report_join_release(struct report_join *join, struct report_chain *chain)
{
    for (size_t i = 0; chain && i < ARRAY_LEN(join->spare); i++)
        if (!join->spare[i]) {
            join->spare[i] = chain;
            return;
        }
    free(chain);
}

static struct report_chain *report_join_alloc(struct report_join *join)
{
    for (size_t i = 0; i < ARRAY_LEN(join->spare); i++)
        if (join->spare[i]) {
            struct report_chain *chain = join->spare[i];
            join->spare[i] = NULL;
            return chain;
        }
    return malloc(sizeof(struct report_chain));
}

void bl_report_join_clear(struct report_join *join)
{
    for (unsigned i = 0; i < join->count; i++)
        report_join_release(join, join->chains[i]);
    report_join_release(join, join->given);
    join->given = NULL;
    join->count = 0;
}

void bl_report_join_deinit(struct report_join *join)
{
    bl_report_join_clear(join);
    for (size_t i = 0; i < ARRAY_LEN(join->spare); i++)
        free(join->spare[i]);
    *join = (struct report_join){0};
}

static uint64_t report_join_key(const struct bl_report *r)
{
    uint64_t who = bl_dup_filter_addr(&r->addr) | (uint64_t)(r->anonymous ? 1 : 0) << 49;

    return who << 10 | (r->sid & 0x1fu) << 5 | (r->primary_phy & 3u) << 3 |
           (r->secondary_phy & 3u) << 1 | (r->scan_response ? 1 : 0);
}

/* Takes chain i out of the row; its memory, NULL where it never had any, is the caller's. */
static struct report_chain *report_join_remove(struct report_join *join, unsigned i)
{
    struct report_chain *chain = join->chains[i];
    size_t after = join->count - i - 1;

    memmove(&join->keys[i], &join->keys[i + 1], after * sizeof(join->keys[0]));
    memmove(&join->until[i], &join->until[i + 1], after * sizeof(join->until[0]));
    memmove(&join->chains[i], &join->chains[i + 1], after * sizeof(join->chains[0]));
    join->count--;
    return chain;
}

/* Gives a chain's report out, borrowed until the next call. False where it had no memory. */
static bool report_join_give(struct report_join *join, struct report_chain *chain, bool truncated,
                             struct bl_report *ret)
{
    if (!chain)
        return false;
    join->given = chain;
    chain->report.data = chain->bytes;
    chain->report.truncated |= truncated;
    *ret = chain->report;
    return true;
}

/* The latest fragment's header (its RSSI and TX power), all the bytes; what is too long is cut. */
static void report_join_append(struct report_chain *chain, const struct bl_report *r, size_t have)
{
    bool truncated = have > 0 && chain->report.truncated;
    size_t n = r->len;

    if (n > sizeof(chain->bytes) - have) {
        n = sizeof(chain->bytes) - have;
        truncated = true;
    }
    if (n > 0)
        memcpy(chain->bytes + have, r->data, n);
    chain->report = *r;
    chain->report.len = (uint16_t)(have + n);
    chain->report.truncated = truncated;
}

/* The first fragment of a chain. True where it has to go out as it is. */
static bool report_join_open(struct report_join *join, uint64_t now, uint64_t key,
                             const struct bl_report *r, struct bl_report *ret)
{
    struct report_chain *chain = NULL;

    if (join->count < BL_MAX_CHAINS) {
        chain = report_join_alloc(join);
        join->keys[join->count] = key;
        join->until[join->count] = now + BL_REPORT_JOIN_TIMEOUT_US;
        join->chains[join->count] = chain;
        join->count++;
    }
    if (chain) {
        report_join_append(chain, r, 0);
        return false;
    }
    join->lost++;
    *ret = *r;
    ret->truncated = true;
    return true;
}

static unsigned report_join_find(const struct report_join *join, uint64_t key)
{
    unsigned i = 0;

    while (i < join->count && join->keys[i] != key)
        i++;
    return i;
}

bool bl_report_join_take(struct report_join *join, uint64_t now, const struct bl_report *r,
                         enum bl_hci_data_status status, struct bl_report *ret)
{
    uint64_t key = report_join_key(r);
    unsigned i = report_join_find(join, key);

    report_join_release(join, steal_ptr(join->given));
    if (i == join->count) {
        if (status == BL_HCI_DATA_MORE)
            return report_join_open(join, now, key, r, ret);
        *ret = *r;
        ret->truncated |= status == BL_HCI_DATA_TRUNCATED;
        return true;
    }

    struct report_chain *chain = join->chains[i];
    if (chain)
        report_join_append(chain, r, chain->report.len);
    if (status == BL_HCI_DATA_MORE) {
        join->until[i] = now + BL_REPORT_JOIN_TIMEOUT_US;
        return false;
    }
    report_join_remove(join, i);
    return report_join_give(join, chain, status == BL_HCI_DATA_TRUNCATED, ret);
}

bool bl_report_join_expired(struct report_join *join, uint64_t now, struct bl_report *ret)
{
    report_join_release(join, steal_ptr(join->given));
    for (unsigned i = 0; i < join->count;) {
        /* one place is kept free, so that taking a report never has to give two out */
        if (join->until[i] > now && join->count < BL_MAX_CHAINS) {
            i++;
            continue;
        }
        join->lost++;
        if (report_join_give(join, report_join_remove(join, i), true, ret))
            return true;
    }
    return false;
}

uint64_t bl_report_join_deadline(const struct report_join *join)
{
    uint64_t at = TIMERQ_NEVER;

    for (unsigned i = 0; i < join->count; i++)
        if (join->until[i] < at)
            at = join->until[i];
    return at;
}
