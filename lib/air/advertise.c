/* SPDX-License-Identifier: MIT */

/*
 * Advertising sets in action. An advertising event is one instant, in which every listener whose
 * window is open gets the PDU, answers to it (scan request, connection request) included; the three
 * primary channels and the auxiliary ones are not told apart. Events are advInterval + advDelay
 * apart, advDelay being 0 to 10 ms. Core 5.4, Vol 6, Part B, 4.4.2.
 *
 * A set made by legacy commands is c->legacy; the extended commands' are c->sets.
 */

#include "air/air_internal.h"

#include <stdlib.h>
#include <string.h>

#define ADV_UNIT_US       625u
#define ADV_DELAY_US      10000u
#define ADV_HIGH_DUTY_US  3750u
#define ADV_HIGH_DUTY_MAX 1280000u

static const struct bl_addr *adv_random(const struct air_set *s)
{
    return s->extended ? &s->random : &s->c->random;
}

static struct bl_addr adv_own(const struct air_set *s)
{
    return bl_air_own_addr(s->c, BL_AIR_USE_ADV, s->own_type, &s->peer, adv_random(s));
}

/* Everybody whose receiver is open at this instant. At most one initiator connects. */
static void adv_transmit(struct bl_air *air, const struct air_event_pdu *pdu)
{
    list_each(pos, tmp, &air->listeners)
    {
        struct air_ctrl *c = list_entry(pos, struct air_ctrl, listening);
        if (c != pdu->from && c->scan.enabled && bl_air_heard(air, pdu->from, c))
            bl_air_scan_hear(c, pdu);
    }
    if (!(pdu->set->props & ADV_CONNECTABLE) || pdu->from->n_ends >= pdu->from->cfg.max_links)
        return;
    list_each(pos, tmp, &air->listeners)
    {
        struct air_ctrl *c = list_entry(pos, struct air_ctrl, listening);
        if (c != pdu->from && c->init.enabled && bl_air_heard(air, pdu->from, c) &&
            bl_air_init_hear(c, pdu))
            return;
    }
}

static void adv_event(struct bl_air *air, struct air_timer *timer)
{
    struct air_set *s = timer_entry(timer, struct air_set, event);
    uint64_t next = ADV_HIGH_DUTY_US;

    if (!(s->props & ADV_HIGH_DUTY))
        next = s->interval_min * (uint64_t)ADV_UNIT_US +
               bl_air_random(&s->c->rng) % (ADV_DELAY_US + 1);
    bl_air_timer_set(air, timer, air->now + next, adv_event);
    s->events++;
    struct air_event_pdu pdu = {.set = s, .from = s->c, .adva = adv_own(s)};
    if (!list_empty(&air->listeners)) {
        if (s->props & ADV_DIRECTED)
            pdu.targeta = bl_air_target_addr(s->c, s->own_type, &s->peer);
        adv_transmit(air, &pdu);
    }
    if (s->enabled && s->max_events && s->events >= s->max_events) {
        bl_air_set_stop(s);
        bl_air_set_terminated(s, AIR_LIMIT_REACHED, 0);
    }
}

static void adv_ended(struct bl_air *air, struct air_timer *timer)
{
    struct air_set *s = timer_entry(timer, struct air_set, end);

    (void)air;
    bl_air_set_stop(s);
    bl_air_set_terminated(s, AIR_ADVERTISING_TIMEOUT, 0);
}

uint8_t bl_air_set_start(struct air_set *s, uint64_t duration, uint8_t max_events)
{
    struct bl_air *air = s->c->air;

    if (!s->extended && s->props & ADV_HIGH_DUTY)
        duration = ADV_HIGH_DUTY_MAX;
    bl_air_privacy_begin(s->c, s->own_type);
    s->enabled = true;
    s->events = 0;
    s->max_events = max_events;
    uint64_t first = s->props & ADV_HIGH_DUTY ? 0 : bl_air_random(&s->c->rng) % ADV_DELAY_US;
    bl_air_timer_set(air, &s->event, air->now + first, adv_event);
    bl_air_timer_stop(air, &s->end);
    if (duration)
        bl_air_timer_set(air, &s->end, air->now + duration, adv_ended);
    return AIR_OK;
}

void bl_air_set_stop(struct air_set *s)
{
    if (!s->c)
        return;
    s->enabled = false;
    bl_air_timer_stop(s->c->air, &s->event);
    bl_air_timer_stop(s->c->air, &s->end);
}

/* Core 5.4, Vol 4, Part E, 7.7.65.18; the legacy way is 7.8.9. */
void bl_air_set_terminated(struct air_set *s, uint8_t status, uint16_t handle)
{
    struct air_event e;

    if (!s->extended) {
        if (status != AIR_OK)
            bl_air_connection_failed(s->c, status, 1);
        return;
    }
    bl_air_meta_begin(&e, LE_SET_TERMINATED);
    wr_u8(&e.w, status);
    wr_u8(&e.w, s->handle);
    wr_u16(&e.w, handle);
    wr_u8(&e.w, s->max_events ? (uint8_t)(s->events < 255 ? s->events : 255) : 0);
    bl_air_event_send(s->c, &e, 0);
}

bool bl_air_advertising(const struct air_ctrl *c)
{
    for (unsigned i = 0; c->sets && i < c->cfg.num_sets; i++)
        if (c->sets[i].enabled)
            return true;
    return c->legacy.enabled;
}

bool bl_air_advertising_by_list(const struct air_ctrl *c)
{
    for (unsigned i = 0; c->sets && i < c->cfg.num_sets; i++)
        if (c->sets[i].enabled && c->sets[i].filter_policy)
            return true;
    return c->legacy.enabled && c->legacy.filter_policy;
}

/* Replaces (n octets after what is there: pass d->len 0 first). */
bool bl_air_data_put(struct air_data *d, const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return true;
    uint8_t *grown = realloc(d->bytes, d->len + n);
    if (!grown)
        return false;
    d->bytes = grown;
    memcpy(d->bytes + d->len, bytes, n);
    d->len = (uint16_t)(d->len + n);
    return true;
}

void bl_air_set_clear(struct air_set *s)
{
    struct air_ctrl *c = s->c;

    bl_air_set_stop(s);
    free(s->data.bytes);
    free(s->response.bytes);
    *s = (struct air_set){.c = c};
}

void bl_air_adv_reset(struct air_ctrl *c)
{
    bl_air_set_clear(&c->legacy);
    c->legacy = (struct air_set){.c = c,
                                 .exists = true,
                                 .props = ADV_LEGACY | ADV_CONNECTABLE | ADV_SCANNABLE,
                                 .interval_min = 0x800,
                                 .interval_max = 0x800,
                                 .channels = 7,
                                 .phy1 = 1};
    for (unsigned i = 0; c->sets && i < c->cfg.num_sets; i++) {
        bl_air_set_clear(&c->sets[i]);
        c->sets[i].c = c;
    }
}
