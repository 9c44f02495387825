/* SPDX-License-Identifier: MIT */

/*
 * adv_turns: which advertisement is on which of the controller's sets.
 *
 * While there are sets for all, each keeps its own. Else they take turns: whoever has been on the
 * air for its slot makes room as soon as another waits, and goes to the end of the line, which is
 * the order of a->advs. A slot is long enough for one advertising event at the advertisement's
 * interval, but not longer than a second, so that a slow one does not silence the others.
 */

#include "gap/adv_internal.h"

#include "base/timerq.h"

#include <string.h>

#define TURNS_SLOT_MIN_US 100000u
#define TURNS_SLOT_MAX_US 1000000u
/* A high duty cycle ends by itself. Core 5.4, Vol 6, Part B, 4.4.2.4.3 */
#define TURNS_SLOT_HIGH_DUTY_US 1300000u

unsigned bl_adv_sets(const struct bl_advertiser *a)
{
    unsigned n = bl_adv_extended(a) ? bl_hci_caps(a->radio->hci)->adv_sets : 1;

    if (a->set_limit != 0 && n > a->set_limit)
        n = a->set_limit;
    if (n > BL_ADVERTISER_SETS)
        n = BL_ADVERTISER_SETS;
    return n ? n : 1;
}

static bool turns_wants(const struct bl_advertiser *a, const struct bl_adv *x)
{
    bool blocked = x->blocked && a->radio->links > 0;

    return !x->stopping && !x->connected && !blocked && x->not_before == 0;
}

static uint64_t turns_slot(const struct bl_adv *x)
{
    if (x->params.high_duty)
        return TURNS_SLOT_HIGH_DUTY_US;
    if (x->params.interval_us < TURNS_SLOT_MIN_US)
        return TURNS_SLOT_MIN_US;
    return x->params.interval_us < TURNS_SLOT_MAX_US ? x->params.interval_us : TURNS_SLOT_MAX_US;
}

static bool turns_has_set(const struct bl_advertiser *a, const struct bl_adv *x)
{
    for (unsigned i = 0; i < bl_adv_sets(a); i++)
        if (a->sets[i].adv == x->id)
            return true;
    return false;
}

static unsigned turns_waiting(const struct bl_advertiser *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < a->n_advs; i++)
        if (turns_wants(a, a->advs[i]) && !turns_has_set(a, a->advs[i]))
            n++;
    return n;
}

/* When the set's turn is over, if somebody waits: TIMERQ_NEVER while it is being set up. */
static uint64_t turns_end(const struct bl_advertiser *a, const struct bl_adv_set *set)
{
    const struct bl_adv *x = bl_adv_find(a, set->adv);

    if (!x || !set->enabled || set->on != x->id || !bl_adv_is_current(a, set, x))
        return TIMERQ_NEVER;
    return set->turn_began + turns_slot(x);
}

uint64_t bl_adv_turn_deadline(const struct bl_advertiser *a)
{
    uint64_t at = TIMERQ_NEVER;

    if (turns_waiting(a) == 0)
        return at;
    for (unsigned i = 0; i < bl_adv_sets(a); i++) {
        uint64_t end = turns_end(a, &a->sets[i]);
        if (end < at)
            at = end;
    }
    return at;
}

static void turns_to_the_end(struct bl_advertiser *a, uint16_t id)
{
    unsigned i = 0;

    while (a->advs[i]->id != id)
        i++;

    struct bl_adv *x = a->advs[i];
    memmove(&a->advs[i], &a->advs[i + 1], (a->n_advs - 1 - i) * sizeof(a->advs[0]));
    a->advs[a->n_advs - 1] = x;
}

/* Takes sets from those who do not want them, or have had their turn while others wait. */
static void turns_free(struct bl_advertiser *a, uint64_t now)
{
    unsigned n_sets = bl_adv_sets(a), n_free = 0;

    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++) {
        struct bl_adv_set *set = &a->sets[i];
        const struct bl_adv *x = bl_adv_find(a, set->adv);
        if (!x || !turns_wants(a, x) || i >= n_sets)
            set->adv = 0;
        if (set->adv == 0 && i < n_sets)
            n_free++;
    }

    unsigned waiting = turns_waiting(a);
    for (unsigned i = 0; i < n_sets && n_free < waiting; i++)
        if (now >= turns_end(a, &a->sets[i])) {
            turns_to_the_end(a, a->sets[i].adv);
            a->sets[i].adv = 0;
            n_free++;
        }
}

/* The free set that costs x the fewest commands: where it is on already, one with its parameters,
 * the first. */
static struct bl_adv_set *turns_find(struct bl_advertiser *a, const struct bl_adv *x)
{
    struct bl_adv_set *best = NULL;
    unsigned best_rank = 0;

    for (unsigned i = 0; i < bl_adv_sets(a); i++) {
        struct bl_adv_set *set = &a->sets[i];
        unsigned rank = 1;
        if (set->adv != 0)
            continue;
        if (set->enabled && set->on == x->id)
            rank = 4;
        else if (set->params_told == x->params_stamp)
            rank = 3;
        else if (!set->enabled)
            rank = 2;
        if (rank > best_rank) {
            best = set;
            best_rank = rank;
        }
    }
    return best;
}

void bl_adv_schedule(struct bl_advertiser *a, uint64_t now)
{
    turns_free(a, now);
    for (unsigned i = 0; i < a->n_advs; i++) {
        struct bl_adv *x = a->advs[i];
        struct bl_adv_set *set = NULL;
        if (turns_wants(a, x) && !turns_has_set(a, x))
            set = turns_find(a, x);
        if (set)
            set->adv = x->id;
    }
}
