/* SPDX-License-Identifier: MIT */

/*
 * advertiser: the commands and the life of advertisements.
 *
 *     start --> wanted --(a set is free)--> being set up --(enabled)--> on the air
 *                 ^                                                        |
 *                 +---- turn over, connection beside it refused ----------+
 *                 +---- the connection it led to has ended (resume) ------+
 *     stop, duration over, connected to, refused --> stopping --(off the air)--> ADV_STOPPED, gone
 *
 * An advertisement holds what is wanted, a set what the controller has been told; nothing here
 * talks to the controller (adv_step.c does), it only changes what is wanted.
 *
 * Timers: an advertisement's duration (or what a high duty cycle may last, in case the controller
 * forgets its end), a refusal's pause, the age of a set's private address, and turns.
 */

#include "gap/ad.h"
#include "gap/adv_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the arguments ---- */

static bool adv_legacy_directed(const struct bl_adv_params *p)
{
    return !p->extended && p->has_directed;
}

static bool adv_takes_response(const struct bl_adv_params *p)
{
    if (p->extended)
        return p->scannable && !p->connectable;
    return (p->scannable || p->connectable) && !p->has_directed;
}

size_t bl_advertiser_max(const struct bl_advertiser *a, const struct bl_adv_params *params)
{
    size_t max = bl_hci_caps(a->radio->hci)->adv_data_max;

    if (adv_legacy_directed(params))
        return 0; /* Core 5.4, Vol 6, Part B, 2.3.1.2 */
    if (!params->extended)
        return BL_MAX_ADV_LEGACY;
    if (params->connectable && max > BL_MAX_ADV_CONNECTABLE)
        return BL_MAX_ADV_CONNECTABLE; /* Core 5.4, Vol 6, Part B, 2.3.4: AUX_ADV_IND alone */
    return max < BL_MAX_ADV_EXTENDED ? max : BL_MAX_ADV_EXTENDED;
}

/* Core 5.4, Vol 4, Part E, 7.8.5 (legacy) and 7.8.53. */
static int adv_check_kind(const struct bl_adv_params *p)
{
    if (p->has_directed && p->directed.type > ADDR_RANDOM)
        return -EINVAL;
    if (p->high_duty && !adv_legacy_directed(p))
        return -EINVAL;
    if (p->extended) { /* scannable: the response has the data, and must (7.8.54, 7.8.56) */
        bool response_alone = p->scannable && !p->connectable;
        return response_alone && (p->adv_len > 0 || p->resp_len == 0) ? -EINVAL : 0;
    }
    if (p->has_directed && !p->connectable)
        return -EINVAL;
    if (p->primary_phy > BL_PHY_1M || p->secondary_phy > BL_PHY_1M)
        return -EINVAL;
    return 0;
}

static int adv_check_ranges(const struct bl_adv_params *p)
{
    uint32_t most = p->extended ? 40960000 : 10240000;

    if (p->interval_us < 20000 || p->interval_us > most)
        return -EINVAL;
    if (p->sid > 15 || p->secondary_phy > BL_PHY_CODED)
        return -EINVAL;
    if (p->primary_phy > BL_PHY_CODED || p->primary_phy == BL_PHY_2M)
        return -EINVAL;
    if (p->addr_mode > BL_ADDR_MODE_NRPA && p->addr_mode != BL_ADDR_MODE_DEFAULT)
        return -EINVAL;
    return 0;
}

enum { HCI_5_0 = 9 }; /* Assigned Numbers, 2.1 */

static int adv_check_controller(const struct bl_advertiser *a, const struct bl_adv_params *p)
{
    const struct bl_hci *hci = a->radio->hci;

    if (p->extended && !bl_adv_extended(a))
        return -EOPNOTSUPP;
    /* Before 5.0, advertising that is not connectable was slower: Core 4.2, Vol 2, Part E, 7.8.5.
     */
    if (!p->connectable && p->interval_us < 100000 && bl_hci_caps(hci)->hci_version < HCI_5_0)
        return -EOPNOTSUPP;
    if (p->secondary_phy == BL_PHY_2M && !bl_hci_has_feature(hci, BL_LE_2M))
        return -EOPNOTSUPP;
    if ((p->primary_phy == BL_PHY_CODED || p->secondary_phy == BL_PHY_CODED) &&
        !bl_hci_has_feature(hci, BL_LE_CODED))
        return -EOPNOTSUPP;
    return 0;
}

static int adv_check_data(const struct bl_advertiser *a, const struct bl_adv_params *p)
{
    size_t max = bl_advertiser_max(a, p);

    if (p->adv_len > max)
        return -EMSGSIZE;
    if (p->resp_len > 0 && !adv_legacy_directed(p) && !adv_takes_response(p))
        return -EINVAL;
    return p->resp_len > max ? -EMSGSIZE : 0;
}

static bool adv_is_random(const struct bl_adv *x)
{
    return x->mode != BL_ADDR_MODE_PUBLIC;
}

/* Advertisements that take turns at the shared random address need one of the same kind. */
static int adv_check_address(const struct bl_advertiser *a, const struct bl_adv *replaced,
                             enum bl_addr_mode mode)
{
    int r = bl_privacy_check(a->privacy, BL_PRIVACY_ADV, mode);

    if (bl_adv_extended(a))
        return r == -EBUSY ? 0 : r; /* each set has an address of its own */
    for (unsigned i = 0; r == 0 && i < a->n_advs; i++) {
        const struct bl_adv *x = a->advs[i];
        if (x != replaced && !x->stopping && mode != BL_ADDR_MODE_PUBLIC && adv_is_random(x) &&
            x->mode != mode)
            r = -EBUSY;
    }
    return r;
}

/* ---- making and replacing ---- */

struct bl_adv *bl_adv_find(const struct bl_advertiser *a, uint16_t id)
{
    for (unsigned i = 0; id != 0 && i < a->n_advs; i++)
        if (a->advs[i]->id == id)
            return a->advs[i];
    return NULL;
}

static uint16_t adv_new_id(struct bl_advertiser *a)
{
    do
        a->last_adv++;
    while (a->last_adv == 0 || bl_adv_find(a, a->last_adv));
    return a->last_adv;
}

static uint32_t adv_stamp(struct bl_advertiser *a)
{
    if (++a->last_stamp <= ADV_STAMP_EMPTY)
        a->last_stamp = ADV_STAMP_EMPTY + 1;
    return a->last_stamp;
}

static uint32_t adv_data_stamp(struct bl_advertiser *a, size_t n)
{
    return n == 0 ? (uint32_t)ADV_STAMP_EMPTY : adv_stamp(a);
}

static bool adv_same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* Whether the controller's parameters are the same: not the data, resume and duration. */
static bool adv_same_params(const struct bl_adv_params *a, const struct bl_adv_params *b)
{
    return a->interval_us / 625 == b->interval_us / 625 && a->connectable == b->connectable &&
           a->scannable == b->scannable && a->extended == b->extended &&
           a->has_directed == b->has_directed && a->high_duty == b->high_duty &&
           (!a->has_directed || bl_addr_eq(&a->directed, &b->directed)) &&
           a->primary_phy == b->primary_phy && a->secondary_phy == b->secondary_phy &&
           a->sid == b->sid;
}

static uint8_t *adv_copy(const struct bl_adv_params *p)
{
    uint8_t *bytes = malloc(p->adv_len + p->resp_len + 1);

    if (bytes && p->adv_len > 0)
        memcpy(bytes, p->adv_data, p->adv_len);
    if (bytes && p->resp_len > 0)
        memcpy(bytes + p->adv_len, p->resp_data, p->resp_len);
    return bytes;
}

/* Puts the figure into the TX Power Level structures of a payload; true when it changed one. */
static bool adv_put_tx_power(uint8_t *payload, size_t n, int8_t dbm)
{
    bool changed = false;

    for (size_t at = 0; at < n && payload[at] != 0 && payload[at] < n - at; at += 1u + payload[at])
        if (payload[at] == 2 && payload[at + 1] == BL_AD_TX_POWER &&
            payload[at + 2] != (uint8_t)dbm) {
            payload[at + 2] = (uint8_t)dbm;
            changed = true;
        }
    return changed;
}

void bl_adv_tx_power(struct bl_advertiser *a, struct bl_adv *x, int8_t dbm)
{
    x->has_tx_power = true;
    x->tx_power = dbm;
    if (!x->params.tx_power)
        return;
    if (adv_put_tx_power(x->bytes, x->params.adv_len, dbm))
        x->data_stamp = adv_data_stamp(a, x->params.adv_len);
    if (adv_put_tx_power(x->bytes + x->params.adv_len, x->params.resp_len, dbm))
        x->resp_stamp = adv_data_stamp(a, x->params.resp_len);
}

/* Gives x what is wanted of it from now on; bytes becomes x's. A new x has stamps of 0. */
static void adv_assign(struct bl_advertiser *a, struct bl_adv *x, const struct bl_adv_params *p,
                       uint8_t *bytes, enum bl_addr_mode mode)
{
    bool fresh = x->params_stamp == 0;

    if (p->tx_power && x->has_tx_power) {
        adv_put_tx_power(bytes, p->adv_len, x->tx_power);
        adv_put_tx_power(bytes + p->adv_len, p->resp_len, x->tx_power);
    }
    if (fresh || x->mode != mode || !adv_same_params(&x->params, p))
        x->params_stamp = adv_stamp(a);
    if (fresh || !adv_same_bytes(x->params.adv_data, x->params.adv_len, bytes, p->adv_len))
        x->data_stamp = adv_data_stamp(a, p->adv_len);
    if (fresh ||
        !adv_same_bytes(x->params.resp_data, x->params.resp_len, bytes + p->adv_len, p->resp_len))
        x->resp_stamp = adv_data_stamp(a, p->resp_len);
    if (x->mode != mode)
        x->addr = (struct bl_addr){0};
    free(x->bytes);
    x->bytes = bytes;
    x->params = *p;
    x->params.adv_data = bytes;
    x->params.resp_data = bytes + p->adv_len;
    x->mode = mode;
    x->connected = x->blocked = false;
    x->tries = 0;
    x->not_before = 0;
    x->ends_at = TIMERQ_NEVER;
}

static int adv_check(const struct bl_advertiser *a, const struct bl_adv_params *p)
{
    int r = adv_check_ranges(p);

    if (r == 0)
        r = adv_check_kind(p);
    if (r == 0)
        r = adv_check_controller(a, p);
    return r ? r : adv_check_data(a, p);
}

static void adv_cleanup(struct bl_adv **x)
{
    free(*x);
}

int bl_advertiser_start(struct bl_advertiser *a, uint64_t now, uint16_t adv,
                        const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op)
{
    _cleanup_(adv_cleanup) struct bl_adv *made = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct bl_adv *x = bl_adv_find(a, adv);
    enum bl_addr_mode mode = bl_privacy_mode(a->privacy, params->addr_mode);
    uint8_t own_type;

    if (adv != 0 && (!x || x->stopping))
        return -ENOENT;

    int r = adv_check(a, params);
    if (r == 0)
        r = adv_check_address(a, x, mode);
    if (r < 0)
        return r;
    if (!x && a->n_advs == BL_MAX_ADV)
        return -EBUSY;

    bytes = adv_copy(params);
    if (!x)
        made = calloc(1, sizeof(*made));
    if (!bytes || (!x && !made))
        return -ENOMEM;
    bl_op mine = bl_evq_op(a->radio->events);
    if (mine == 0)
        return -EBUSY;

    if (!x) {
        x = steal_ptr(made);
        x->id = adv_new_id(a);
        a->advs[a->n_advs++] = x;
    }
    a->settled = false;
    bl_evq_op_done(a->radio->events, x->start_op, BL_CANCELED);
    x->start_op = mine;
    adv_assign(a, x, params, steal_ptr(bytes), mode);
    if (!bl_adv_extended(a) && adv_is_random(x)) /* claimed at once; bl_adv_step() looks again */
        (void)bl_privacy_own(a->privacy, now, BL_PRIVACY_ADV, mode, &own_type);
    *ret_adv = x->id;
    *op = mine;
    return 0;
}

int bl_advertiser_stop(struct bl_advertiser *a, uint64_t now, uint16_t adv, bl_op *op)
{
    struct bl_adv *x = bl_adv_find(a, adv);

    (void)now;
    if (!x || x->stopping)
        return -ENOENT;
    bl_op mine = op ? bl_evq_op(a->radio->events) : 0;
    if (op && mine == 0)
        return -EBUSY;
    a->settled = false;
    x->stop_op = mine;
    bl_adv_end(x, BL_OK);
    if (op)
        *op = mine;
    bl_adv_reap(a);
    return 0;
}

/* ---- ending ---- */

void bl_adv_end(struct bl_adv *x, bl_status status)
{
    if (x->stopping)
        return;
    x->stopping = true;
    x->end_status = status;
    x->ends_at = TIMERQ_NEVER;
    x->not_before = 0;
}

static bool adv_is_on(const struct bl_advertiser *a, const struct bl_adv *x)
{
    if (a->asked.kind == ADV_ASK_ENABLE && a->asked.adv == x->id)
        return true;
    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++)
        if (a->sets[i].enabled && a->sets[i].on == x->id)
            return true;
    return false;
}

static void adv_start_done(struct bl_advertiser *a, struct bl_adv *x, bl_status status)
{
    struct bl_event e = {.kind = BL_EV_OP_DONE, .done = {.op = x->start_op, .status = status}};

    e.done.adv = x->id;
    if (x->start_op != 0 && status == BL_OK) {
        x->lived = true;
        a->started++;
    }
    x->start_op = 0;
    bl_evq_op_result(a->radio->events, &e);
}

void bl_adv_connected(struct bl_advertiser *a, struct bl_adv *x)
{
    a->connections++;
    if (x->start_op != 0)
        adv_start_done(a, x, BL_OK); /* a replacement that was not on the air yet: it was before */
    if (x->params.resume && !x->stopping)
        x->connected = true;
    else
        bl_adv_end(x, BL_OK);
}

/* The end of the i-th: events, in the order of the D-Bus contract (what ended, then the call). */
static void adv_finish(struct bl_advertiser *a, unsigned i)
{
    struct bl_adv *x = a->advs[i];

    adv_start_done(a, x, x->end_status ? x->end_status : (bl_status)BL_CANCELED);
    if (x->lived) {
        a->ended++;
        bl_evq_push(a->radio->events, &(struct bl_event){.kind = BL_EV_ADV_STOPPED,
                                                         .adv_stopped = {x->id, x->end_status}});
    }
    bl_evq_op_done(a->radio->events, x->stop_op, BL_OK);
    for (unsigned s = 0; s < BL_ADVERTISER_SETS; s++)
        if (a->sets[s].adv == x->id)
            a->sets[s].adv = 0;
    a->n_advs--;
    memmove(&a->advs[i], &a->advs[i + 1], (a->n_advs - i) * sizeof(a->advs[0]));
    free(x->bytes);
    free(x);
}

void bl_adv_reap(struct bl_advertiser *a)
{
    bool random = false;

    for (unsigned i = 0; i < a->n_advs;) {
        if (a->advs[i]->stopping && !adv_is_on(a, a->advs[i])) {
            adv_finish(a, i);
        } else {
            random = random || adv_is_random(a->advs[i]);
            i++;
        }
    }
    if (!random)
        bl_privacy_release(a->privacy, BL_PRIVACY_ADV);
}

/* ---- being on the air ---- */

#define ADV_HIGH_DUTY_US 2000000u /* 1.28 s (Core 5.4, Vol 6, Part B, 4.4.2.4.3), and some */

static void adv_arrived(struct bl_advertiser *a, struct bl_adv *x, uint64_t now)
{
    uint64_t lasts = (uint64_t)x->params.duration_ms * 1000;

    x->tries = 0;
    if (x->start_op == 0)
        return;
    if (x->params.high_duty && (lasts == 0 || lasts > ADV_HIGH_DUTY_US))
        lasts = ADV_HIGH_DUTY_US;
    x->ends_at = lasts ? now + lasts : TIMERQ_NEVER;
    adv_start_done(a, x, BL_OK);
}

void bl_adv_settle(struct bl_advertiser *a, uint64_t now)
{
    bool any = false, listed = false;

    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++) {
        const struct bl_adv_set *set = &a->sets[i];
        struct bl_adv *x = set->enabled ? bl_adv_find(a, set->on) : NULL;
        any |= set->enabled;
        listed |= set->enabled && set->own_type == BL_PRIVACY_LISTED;
        if (x && !x->stopping && bl_adv_is_current(a, set, x))
            adv_arrived(a, x, now);
    }
    a->radio->advertising = !bl_adv_extended(a) && any;
    a->radio->sets = bl_adv_extended(a) && any;
    a->radio->listed = listed;
}

/* ---- time ---- */

static uint64_t adv_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool adv_has_set(const struct bl_advertiser *a, const struct bl_adv *x)
{
    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++)
        if (a->sets[i].adv == x->id)
            return true;
    return false;
}

/* Whether it has a private address of its own that grows old: not one that stands behind the
 * controller's. */
static bool adv_ages(const struct bl_advertiser *a, const struct bl_adv *x)
{
    bool listed =
        a->sets[0].adv == x->id && bl_adv_own_type(a, &a->sets[0], x) == BL_PRIVACY_LISTED;

    return !x->stopping && !listed && !bl_addr_is_zero(&x->addr) && adv_has_set(a, x);
}

uint64_t bl_advertiser_deadline(const struct bl_advertiser *a)
{
    uint64_t at = TIMERQ_NEVER;

    if (!a->radio->ready)
        return at;
    for (unsigned i = 0; i < a->n_advs; i++) {
        const struct bl_adv *x = a->advs[i];
        at = adv_min(at, x->ends_at);
        if (x->not_before != 0)
            at = adv_min(at, x->not_before);
        if (adv_ages(a, x))
            at = adv_min(at, x->addr_until);
    }
    return adv_min(at, bl_adv_turn_deadline(a));
}

void bl_advertiser_tick(struct bl_advertiser *a, uint64_t now)
{
    if (!a->radio->ready)
        return;
    a->settled = false;
    for (unsigned i = 0; i < a->n_advs; i++) {
        struct bl_adv *x = a->advs[i];
        if (now >= x->ends_at)
            bl_adv_end(x, BL_TIMEOUT);
        if (now >= x->not_before)
            x->not_before = 0;
        if (adv_ages(a, x) && now >= x->addr_until &&
            bl_privacy_make(a->privacy, now, x->mode, a->sets[0].adv == x->id, &x->addr,
                            &x->addr_until) < 0)
            x->addr_until = now + 60 * 1000000u; /* the old one stays for another minute */
    }
    bl_adv_reap(a);
    bl_adv_schedule(a, now);
}

/* ---- life ---- */

static void adv_forget_controller(struct bl_advertiser *a)
{
    memset(a->sets, 0, sizeof(a->sets));
    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++)
        a->sets[i].data_told = a->sets[i].resp_told = ADV_STAMP_EMPTY;
    a->asked = (struct bl_adv_asked){0};
    a->set_limit = 0;
    a->settled = false;
}

int bl_advertiser_init(struct bl_advertiser *a, struct bl_radio *radio, struct bl_privacy *privacy)
{
    *a = (struct bl_advertiser){.radio = radio, .privacy = privacy};
    adv_forget_controller(a);
    return 0;
}

void bl_advertiser_deinit(struct bl_advertiser *a)
{
    for (unsigned i = 0; i < a->n_advs; i++) {
        free(a->advs[i]->bytes);
        free(a->advs[i]);
    }
    a->n_advs = 0;
}

void bl_advertiser_reset(struct bl_advertiser *a, uint64_t now, bl_status status)
{
    (void)now;
    adv_forget_controller(a);
    for (unsigned i = 0; i < a->n_advs; i++)
        bl_adv_end(a->advs[i], status);
    bl_adv_reap(a);
    a->radio->advertising = a->radio->sets = false;
}

bool bl_advertiser_counter(const struct bl_advertiser *a, size_t index, const char **ret_name,
                           uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"advertisements-open", a->n_advs}, {"advertisements-started", a->started},
        {"advertisements-ended", a->ended}, {"advertiser-connections", a->connections},
        {"advertiser-refused", a->refused},
    };

    if (index >= ARRAY_LEN(rows))
        return false;
    *ret_name = rows[index].name;
    *ret_value = rows[index].value;
    return true;
}
