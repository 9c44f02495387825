/* SPDX-License-Identifier: MIT */

/*
 * The medium. Everything that happens is a timer of air->timers or a host's packet; timers fire at
 * their own time, in order, however late the owner ticks, so that what happens does not depend on
 * how often that is. Whatever an entry from outside has set in motion is carried to its end
 * (bl_air_links_run) before the entry returns.
 */

#include "air/air_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
uint64_t bl_air_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void bl_air_timer_set(struct bl_air *air, struct air_timer *t, uint64_t at,
                      void (*fire)(struct bl_air *air, struct air_timer *timer))
{
    t->fire = fire;
    timerq_set(&air->timers, &t->t, at);
}

void bl_air_timer_stop(struct bl_air *air, struct air_timer *t)
{
    timerq_cancel(&air->timers, &t->t);
}

struct bl_air *bl_air_new(uint64_t seed)
{
    struct bl_air *air = calloc(1, sizeof(*air));

    if (!air)
        return NULL;
    air->rng = seed ^ 0x626c65642d616972u;
    list_init(&air->listeners);
    list_init(&air->links);
    list_init(&air->busy);
    return air;
}

static void air_ctrl_free(struct air_ctrl *c)
{
    bl_air_fault_clear(c->air, c->index);
    free(c->sets);
    free(c->accepted);
    free(c->resolving);
    free(c);
}

struct bl_air *bl_air_free(struct bl_air *air)
{
    if (!air)
        return NULL;
    for (int i = 0; i < air->n_ctrl; i++) {
        bl_air_power_off(air, air->now, i);
        free(air->ctrl[i]->lent);
    }
    bl_air_links_run(air);
    for (int i = 0; i < air->n_ctrl; i++)
        air_ctrl_free(air->ctrl[i]);
    free(air->ctrl);
    free(air->pairs);
    free(air->violations);
    free(air);
    return NULL;
}

static bool air_config_ok(const struct bl_air_config *c)
{
    return c->hci_version >= 6 && c->hci_version <= 13 && c->acl_len >= 27 && c->acl_num >= 1 &&
           c->max_links >= 1 && c->max_links <= AIR_MAX_LINKS && c->public.type == ADDR_PUBLIC &&
           (!c->extended || (c->num_sets >= 1 && c->num_sets <= AIR_MAX_SETS &&
                             c->max_adv_data >= 31 && c->max_adv_data <= AIR_DATA_MAX));
}

int bl_air_add(struct bl_air *air, const struct bl_air_config *config)
{
    if (!air_config_ok(config) || air->n_ctrl >= AIR_MAX_CTRL)
        return -EINVAL;
    if (air->n_ctrl == air->cap_ctrl) {
        int cap = air->cap_ctrl ? 2 * air->cap_ctrl : 4;
        struct air_ctrl **grown = realloc(air->ctrl, (size_t)cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        air->ctrl = grown;
        air->cap_ctrl = cap;
    }
    struct air_ctrl *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->air = air;
    c->index = air->n_ctrl;
    c->cfg = *config;
    if (c->cfg.extended)
        c->cfg.le_features |= BL_AIR_LE_EXTENDED_ADV;
    else
        c->cfg.le_features &= ~BL_AIR_LE_EXTENDED_ADV;
    list_init(&c->listening);
    list_init(&c->tx);
    list_init(&c->held);
    list_init(&c->ends);
    list_init(&c->command_faults);
    list_init(&c->event_faults);
    c->sets = config->extended ? calloc(config->num_sets, sizeof(*c->sets)) : NULL;
    c->accepted = calloc(config->accept_list_size + 1u, sizeof(*c->accepted));
    c->resolving = calloc(config->resolving_list_size + 1u, sizeof(*c->resolving));
    air->ctrl[air->n_ctrl++] = c;
    if ((config->extended && !c->sets) || !c->accepted || !c->resolving) {
        air->n_ctrl--;
        air_ctrl_free(c);
        return -ENOMEM;
    }
    return c->index;
}

static struct air_ctrl *air_ctrl_at(const struct bl_air *air, int i)
{
    return i >= 0 && i < air->n_ctrl ? air->ctrl[i] : NULL;
}

/* Core 5.4, Vol 4, Part E, 7.3.2: what a controller is after Reset. */
void bl_air_ctrl_reset(struct air_ctrl *c, bool power)
{
    bl_air_adv_reset(c);
    bl_air_scan_stop(c);
    c->scan = (struct air_scan){.phy = {{.on = true, .interval = 0x10, .window = 0x10}}};
    c->init = (struct air_init){0};
    bl_air_listen(c);
    bl_air_links_vanish(c);
    bl_air_queue_purge(c);
    c->event_mask = UINT64_C(0x00001fffffffffff);
    c->event_mask2 = 0;
    c->le_event_mask = 0x1f;
    c->flow_control = false;
    c->host_acl_num = c->host_acl_len = 0;
    c->acl_credits = c->cfg.acl_num;
    c->n_closed = 0;
    c->random = (struct bl_addr){.type = ADDR_RANDOM};
    c->has_random = false;
    c->mode = AIR_ADV_UNDECIDED;
    c->n_accepted = c->n_resolving = 0;
    c->resolution = false;
    c->rpa_timeout = 900u * UINT64_C(1000000);
    c->default_tx = 27;
    c->default_time = 328;
    c->default_tx_phys = c->default_rx_phys =
        (uint8_t)(1 | (c->cfg.le_features & BL_AIR_LE_2M ? 2 : 0) |
                  (c->cfg.le_features & BL_AIR_LE_CODED ? 4 : 0));
    memset(c->channels, 0xff, 4);
    c->channels[4] = 0x1f;
    if (power) {
        c->command_pending = c->command_lost = false;
        c->next_handle = 0x40;
        c->rng = c->air->rng ^ ((uint64_t)c->index << 32 | 0x5eed);
    }
}

void bl_air_power_off(struct bl_air *air, uint64_t now, int i)
{
    struct air_ctrl *c = air_ctrl_at(air, i);

    bl_air_tick(air, now);
    if (!c || !c->powered)
        return;
    bl_air_ctrl_reset(c, true);
    c->powered = false;
    free(c->lent);
    c->lent = NULL;
    bl_air_links_run(air);
}

void bl_air_power_on(struct bl_air *air, uint64_t now, int i)
{
    struct air_ctrl *c = air_ctrl_at(air, i);

    if (!c)
        return;
    bl_air_power_off(air, now, i);
    bl_air_ctrl_reset(c, true);
    c->powered = true;
}

bool bl_air_powered(const struct bl_air *air, int i)
{
    const struct air_ctrl *c = air_ctrl_at(air, i);

    return c && c->powered;
}

/* ---- the loop ---- */

uint64_t bl_air_deadline(const struct bl_air *air)
{
    return timerq_next(&air->timers);
}

void bl_air_tick(struct bl_air *air, uint64_t now)
{
    struct timer *t;

    while ((t = timerq_pop(&air->timers, now)) != NULL) {
        struct air_timer *timer = timer_entry(t, struct air_timer, t);
        if (t->at > air->now)
            air->now = t->at;
        timer->fire(air, timer);
        bl_air_links_run(air);
    }
    if (now > air->now)
        air->now = now;
}

/* Counts a packet between host and controller towards the fault of vanishing. */
static void air_count_packet(struct bl_air *air, struct air_ctrl *c)
{
    if (c->vanish_after > 0 && --c->vanish_after == 0)
        bl_air_power_off(air, air->now, c->index);
}

void bl_air_receive(struct bl_air *air, uint64_t now, int i, const uint8_t *packet, size_t n)
{
    struct air_ctrl *c = air_ctrl_at(air, i);

    bl_air_tick(air, now);
    if (!c || !c->powered)
        return;
    if (n > 0 && packet[0] == AIR_H4_COMMAND)
        bl_air_command(c, packet + 1, n - 1);
    else if (n > 0 && packet[0] == AIR_H4_ACL)
        bl_air_acl_from_host(c, packet + 1, n - 1);
    else
        bl_air_violate(c, "packet type 0x%02x is none of LE's", n > 0 ? packet[0] : 0);
    bl_air_links_run(air);
    air_count_packet(air, c);
}

size_t bl_air_next_tx(struct bl_air *air, int i, const uint8_t **bytes)
{
    struct air_ctrl *c = air_ctrl_at(air, i);

    if (!c || !c->powered)
        return 0;
    free(c->lent);
    c->lent = NULL;
    list_each(pos, tmp, &c->tx)
    {
        struct air_packet *p = list_entry(pos, struct air_packet, link);
        if (p->at > air->now)
            continue;
        list_remove(&p->link);
        c->n_tx--;
        c->acl_credits += p->credits;
        if (p->answer)
            c->command_pending = false;
        c->lent = p;
        break;
    }
    if (!c->lent)
        return 0;
    if (c->blocked && c->n_tx < AIR_TX_ACL / 2) {
        c->blocked = false;
        bl_air_links_kick(c);
        bl_air_links_run(air);
    }
    struct air_packet *p = c->lent;
    *bytes = p->bytes;
    c->lent = NULL; /* vanishing now, the controller does not take this packet with it */
    air_count_packet(air, c);
    c->lent = p;
    return p->len;
}

/* ---- who hears whom ---- */

static uint32_t air_pair_key(int a, int b)
{
    return a < b ? (uint32_t)a << 16 | (uint32_t)b : (uint32_t)b << 16 | (uint32_t)a;
}

/* The first pair whose key is not below. */
static size_t air_pair_index(const struct bl_air *air, uint32_t key)
{
    size_t low = 0, high = air->n_pairs;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (air->pairs[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct air_pair bl_air_pair(const struct bl_air *air, const struct air_ctrl *a,
                            const struct air_ctrl *b)
{
    uint32_t key = air_pair_key(a->index, b->index);
    size_t at = air_pair_index(air, key);

    if (at < air->n_pairs && air->pairs[at].key == key)
        return air->pairs[at];
    return (struct air_pair){.key = key, .rssi = BL_AIR_RSSI_DEFAULT};
}

/* The pair to change; NULL without memory, or for controllers that are none. */
static struct air_pair *air_pair_get(struct bl_air *air, int a, int b)
{
    uint32_t key = air_pair_key(a, b);
    size_t at = air_pair_index(air, key);

    if (!air_ctrl_at(air, a) || !air_ctrl_at(air, b))
        return NULL;
    if (at < air->n_pairs && air->pairs[at].key == key)
        return &air->pairs[at];
    struct air_pair *grown = realloc(air->pairs, (air->n_pairs + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    air->pairs = grown;
    memmove(grown + at + 1, grown + at, (air->n_pairs - at) * sizeof(*grown));
    grown[at] = (struct air_pair){.key = key, .rssi = BL_AIR_RSSI_DEFAULT};
    air->n_pairs++;
    return &grown[at];
}

static void air_reach_changed(struct bl_air *air)
{
    list_each(pos, tmp, &air->links) bl_air_link_reach(list_entry(pos, struct air_link, link));
    bl_air_links_run(air);
}

int bl_air_set_rssi(struct bl_air *air, uint64_t now, int a, int b, int8_t rssi)
{
    bl_air_tick(air, now);
    struct air_pair *pair = air_pair_get(air, a, b);
    if (!pair)
        return -ENOMEM;
    pair->rssi = rssi;
    air_reach_changed(air);
    return 0;
}

int bl_air_set_loss(struct bl_air *air, uint64_t now, int a, int b, unsigned permille)
{
    bl_air_tick(air, now);
    struct air_pair *pair = air_pair_get(air, a, b);
    if (!pair)
        return -ENOMEM;
    pair->loss = (uint16_t)(permille < 1000 ? permille : 1000);
    air_reach_changed(air);
    return 0;
}

int bl_air_set_delay(struct bl_air *air, uint64_t now, int a, int b, uint64_t us)
{
    bl_air_tick(air, now);
    struct air_pair *pair = air_pair_get(air, a, b);
    if (!pair)
        return -ENOMEM;
    pair->delay = us;
    return 0;
}

bool bl_air_in_range(const struct bl_air *air, const struct air_ctrl *a, const struct air_ctrl *b)
{
    struct air_pair pair = bl_air_pair(air, a, b);

    return a->powered && b->powered && pair.rssi != BL_AIR_OUT_OF_RANGE && pair.loss < 1000;
}

bool bl_air_heard(struct bl_air *air, const struct air_ctrl *a, const struct air_ctrl *b)
{
    struct air_pair pair = bl_air_pair(air, a, b);

    if (!a->powered || !b->powered || pair.rssi == BL_AIR_OUT_OF_RANGE)
        return false;
    return pair.loss == 0 || bl_air_random(&air->rng) % 1000 >= pair.loss;
}

void bl_air_listen(struct air_ctrl *c)
{
    bool listens = c->scan.enabled || c->init.enabled;

    if (!listens)
        list_remove(&c->listening);
    else if (list_empty(&c->listening))
        list_append(&c->air->listeners, &c->listening);
}

void bl_air_set_pace(struct bl_air *air, uint64_t now, enum bl_air_pace pace)
{
    bl_air_tick(air, now);
    air->pace = pace;
    list_each(pos, tmp, &air->links) bl_air_link_kick(list_entry(pos, struct air_link, link));
    bl_air_links_run(air);
}
