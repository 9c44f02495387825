/* SPDX-License-Identifier: MIT */

/*
 * scanner: the scans, their merging, and the way of a report to those who want it.
 *
 *     report --(fragment)--> report_join --> identity --> for each scan on the air:
 *            kind? PHY? scan response?  filter?  duplicate?  --> its bit --> event queue
 *
 * A scan is `waiting` from its command to the moment the controller scans with what it asked for;
 * then its duration begins. Its end is at once, for its client: the controller follows.
 *
 * Timers: the end of each scan with a duration; the patience with unfinished fragments.
 */

#include "base/cleanup.h"
#include "base/timerq.h"
#include "gap/scanner_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCANNER_UNIT_US     625u
#define SCANNER_MIN_US      2500u     /* Core 5.4, Vol 4, Part E, 7.8.10 */
#define SCANNER_LEGACY_US   10240000u /* the same */
#define SCANNER_EXTENDED_US 40959375u /* 7.8.64: 0xffff units */
#define SCANNER_PHYS        (BL_PHYS_1M | BL_PHYS_CODED)
#define SCANNER_FAST_US     60000u  /* TGAP(scan_fast_interval): Core 5.4, Vol 3, Part C, App. A */
#define SCANNER_SLOW_US     120000u /* as the initiator that looks through its list */
#define SCANNER_SEEK_US     30000u  /* TGAP(scan_fast_window) */
#define SCANNER_AGAIN_US    1000000u
#define SCANNER_ADV_DIRECT  1 /* bl_report.adv_type */
#define SCANNER_SCAN_RSP    4

int bl_scanner_init(struct bl_scanner *s, struct bl_radio *radio, struct bl_privacy *privacy)
{
    *s = (struct bl_scanner){.radio = radio, .privacy = privacy, .deadline = TIMERQ_NEVER};
    bl_report_join_init(&s->join);
    return 0;
}

static struct bl_scan_slot *scanner_free_slot(struct bl_scan_slot *slot)
{
    if (slot) {
        bl_scan_filter_deinit(&slot->filter);
        bl_dup_filter_deinit(&slot->reported);
        free(slot);
    }
    return NULL;
}

static void scanner_free_slot_p(struct bl_scan_slot **slot)
{
    scanner_free_slot(*slot);
}

void bl_scanner_deinit(struct bl_scanner *s)
{
    for (size_t i = 0; i < BL_MAX_SCANS; i++)
        s->slots[i] = scanner_free_slot(s->slots[i]);
    bl_report_join_deinit(&s->join);
    s->used = s->waiting = s->starting = 0;
}

/* ---- merging ---- */

/* The larger share of the air goes before, of equal ones the one that comes round sooner. */
static void scanner_widen(struct bl_scanner_setup *setup, unsigned phy,
                          const struct bl_scan_slot *slot)
{
    uint32_t had = (uint32_t)setup->window[phy] * slot->interval;
    uint32_t has = (uint32_t)slot->window * setup->interval[phy];

    if (setup->interval[phy] != 0 &&
        (has < had || (has == had && slot->interval >= setup->interval[phy])))
        return;
    setup->interval[phy] = slot->interval;
    setup->window[phy] = slot->window;
}

/* What all scans together want of the controller, and when the first of them ends. */
static void scanner_merge(struct bl_scanner *s)
{
    struct bl_scanner_setup want = {0};

    s->filter_duplicates = true;
    s->deadline = TIMERQ_NEVER;
    s->mode = BL_ADDR_MODE_DEFAULT;
    scanner_each(n, s->used)
    {
        const struct bl_scan_slot *slot = s->slots[n];
        want.phys |= slot->phys;
        if (slot->phys & BL_PHYS_1M)
            scanner_widen(&want, 0, slot);
        if (slot->phys & BL_PHYS_CODED)
            scanner_widen(&want, 1, slot);
        if (!slot->quiet && (s->mode == BL_ADDR_MODE_DEFAULT || (slot->active && !want.active)))
            s->mode = slot->mode;
        want.active |= slot->active;
        s->filter_duplicates &=
            slot->filter_duplicates && bl_scan_filter_is_constant(&slot->filter);
        if (slot->deadline < s->deadline)
            s->deadline = slot->deadline;
    }
    s->want = want;
}

bool bl_scanner_setup_eq(const struct bl_scanner_setup *a, const struct bl_scanner_setup *b)
{
    return a->active == b->active && a->own_type == b->own_type && a->phys == b->phys &&
           a->interval[0] == b->interval[0] && a->interval[1] == b->interval[1] &&
           a->window[0] == b->window[0] && a->window[1] == b->window[1];
}

static bool scanner_is_as_wanted(const struct bl_scanner *s)
{
    struct bl_scanner_setup want = s->want;

    want.own_type = s->told.own_type; /* as it was when scanning began */
    return s->told_valid && bl_scanner_setup_eq(&want, &s->told);
}

/* ---- scans ---- */

void bl_scanner_begun(struct bl_scanner *s, uint64_t now, uint64_t mask)
{
    scanner_each(n, mask)
    {
        struct bl_scan_slot *slot = s->slots[n];
        s->waiting &= ~(UINT64_C(1) << n);
        if (slot->duration)
            slot->deadline = now + slot->duration;
        bl_evq_op_result(
            s->radio->events,
            &(struct bl_event){.kind = BL_EV_OP_DONE,
                               .done = {.op = slot->op, .status = BL_OK, .scan = (uint16_t)n}});
        slot->op = 0;
    }
    scanner_merge(s);
}

void bl_scanner_end(struct bl_scanner *s, uint64_t mask, bl_status op_status, bl_status status)
{
    scanner_each(n, mask)
    {
        uint64_t bit = UINT64_C(1) << n;
        if (s->waiting & bit)
            bl_evq_op_done(s->radio->events, s->slots[n]->op, op_status);
        s->used &= ~bit;
        s->waiting &= ~bit;
        s->starting &= ~bit;
        bool quiet = s->slots[n]->quiet;
        s->slots[n] = scanner_free_slot(s->slots[n]);
        if (quiet)
            s->seek_on = false;
        else
            bl_evq_push(s->radio->events, &(struct bl_event){.kind = BL_EV_SCAN_DONE,
                                                             .scan_done = {(uint16_t)n, status}});
    }
    scanner_merge(s);
    if (s->used && !scanner_is_as_wanted(s))
        s->stale = true;
}

static int scanner_check(const struct bl_scanner *s, const struct bl_scan_params *p, uint8_t phys)
{
    bool extended = bl_hci_caps(s->radio->hci)->extended;
    uint32_t max = p->extended && extended ? SCANNER_EXTENDED_US : SCANNER_LEGACY_US;

    if (p->interval_us < SCANNER_MIN_US || p->interval_us > max || p->window_us < SCANNER_MIN_US ||
        p->window_us > p->interval_us || (phys & ~SCANNER_PHYS))
        return -EINVAL;
    if (p->addr_mode > BL_ADDR_MODE_NRPA && p->addr_mode != BL_ADDR_MODE_DEFAULT)
        return -EINVAL;
    if ((phys & BL_PHYS_CODED) && !(extended && bl_hci_has_feature(s->radio->hci, BL_LE_CODED)))
        return -EOPNOTSUPP;
    return 0;
}

/* The kind of address: an active scan has to agree with the other active ones. */
static int scanner_choose_mode(struct bl_scanner *s, const struct bl_scan_params *p,
                               enum bl_addr_mode *ret)
{
    enum bl_addr_mode mode = bl_privacy_mode(s->privacy, p->addr_mode);
    int r = p->active || p->addr_mode != BL_ADDR_MODE_DEFAULT
                ? bl_privacy_check(s->privacy, BL_PRIVACY_SCAN, mode)
                : 0;

    if (p->active && s->want.active && mode != s->mode) {
        if (p->addr_mode != BL_ADDR_MODE_DEFAULT)
            return -EBUSY;
        mode = s->mode;
        r = 0;
    }
    if (r == 0 || (r == -EBUSY && !p->active)) /* passive, it need not have it */
        *ret = mode;
    else
        return r;
    return 0;
}

/* A filter's private addresses are turned into the identities that reports will have. */
static int scanner_init_filter(struct bl_scanner *s, struct scan_filter *f,
                               const struct bl_scan_filter *from)
{
    struct bl_addr addresses[BL_MAX_FILTER_ITEMS];
    struct bl_scan_filter copy = *from;

    if (from->n_addresses > BL_MAX_FILTER_ITEMS)
        return -EINVAL;
    for (size_t i = 0; i < from->n_addresses; i++) {
        addresses[i] = from->addresses[i];
        if (addresses[i].type > ADDR_RANDOM)
            return -EINVAL;
        if (bl_addr_is_rpa(&addresses[i]))
            (void)bl_privacy_resolve(s->privacy, &from->addresses[i], &addresses[i]);
    }
    copy.addresses = addresses;
    return bl_scan_filter_init(f, &copy, s->seed);
}

/* A secret, so that nobody can send addresses that collide in the tables. Without randomness the
 * time has to do: scanning is more use than not. */
static void scanner_draw_seed(struct bl_scanner *s, uint64_t now)
{
    const struct bl_env *env = s->radio->env;

    if (s->seed == 0 && env->random(env->ctx, &s->seed, sizeof(s->seed)) < 0)
        s->seed = now;
    s->seed |= UINT64_C(1) << 63;
}

/* Takes a slot and has the controller told. False: all are taken. */
static bool scanner_take_slot(struct bl_scanner *s, struct bl_scan_slot *slot, unsigned *ret_n)
{
    unsigned n = s->next_slot;

    if (s->used == UINT64_MAX)
        return false;
    while (s->slots[n]) /* going round: reports that wait are not taken for a successor's */
        n = (n + 1) % BL_MAX_SCANS;
    s->next_slot = (n + 1) % BL_MAX_SCANS;
    s->slots[n] = slot;
    s->used |= UINT64_C(1) << n;
    s->waiting |= UINT64_C(1) << n;
    s->stale = true;
    scanner_merge(s);
    *ret_n = n;
    return true;
}

static int scanner_make_slot(struct bl_scanner *s, const struct bl_scan_params *p,
                             struct bl_scan_slot **ret)
{
    _cleanup_(scanner_free_slot_p) struct bl_scan_slot *slot = calloc(1, sizeof(*slot));
    int r;

    if (!slot)
        return -ENOMEM;
    slot->active = p->active;
    slot->filter_duplicates = p->filter_duplicates;
    slot->extended = p->extended;
    slot->phys = p->phys ? p->phys : BL_PHYS_1M;
    slot->interval = (uint16_t)(p->interval_us / SCANNER_UNIT_US);
    slot->window = (uint16_t)(p->window_us / SCANNER_UNIT_US);
    slot->duration = (uint64_t)p->duration_ms * 1000;
    slot->deadline = TIMERQ_NEVER;
    bl_dup_filter_init(&slot->reported, s->seed);
    if ((r = scanner_check(s, p, slot->phys)) < 0 ||
        (r = scanner_choose_mode(s, p, &slot->mode)) < 0 ||
        (r = scanner_init_filter(s, &slot->filter, &p->filter)) < 0)
        return r;
    *ret = steal_ptr(slot);
    return 0;
}

int bl_scanner_scan(struct bl_scanner *s, uint64_t now, const struct bl_scan_params *params,
                    uint16_t *ret_scan, bl_op *op)
{
    struct bl_scan_slot *slot;
    unsigned n;

    scanner_draw_seed(s, now);
    int r = scanner_make_slot(s, params, &slot);
    if (r < 0)
        return r;
    slot->op = s->used == UINT64_MAX ? 0 : bl_evq_op(s->radio->events);
    if (slot->op == 0 || !scanner_take_slot(s, slot, &n)) {
        scanner_free_slot(slot);
        return -EBUSY;
    }
    /* At once, so that no other user takes another kind before the step, where errors are seen to.
     */
    uint8_t own_type;
    (void)bl_privacy_own(s->privacy, now, BL_PRIVACY_SCAN, s->mode, &own_type);
    *ret_scan = (uint16_t)n;
    *op = slot->op;
    return 0;
}

int bl_scanner_stop_scan(struct bl_scanner *s, uint64_t now, uint16_t scan, bl_op *op)
{
    (void)now;
    if (scan >= BL_MAX_SCANS || !s->slots[scan] || s->slots[scan]->quiet)
        return -ENOENT;

    bl_op mine = op ? bl_evq_op(s->radio->events) : 0;
    if (op && mine == 0)
        return -EBUSY;
    if (op)
        *op = mine;
    bl_scanner_end(s, UINT64_C(1) << scan, BL_CANCELED, BL_OK);
    bl_evq_op_done(s->radio->events, mine, BL_OK);
    return 0;
}

void bl_scanner_seek(struct bl_scanner *s, uint64_t now, enum bl_seek seek, uint8_t phys)
{
    const struct bl_scan_params params = {.interval_us = seek == BL_SEEK_FAST ? SCANNER_FAST_US
                                                                              : SCANNER_SLOW_US,
                                          .window_us = SCANNER_SEEK_US,
                                          .phys = phys,
                                          .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_scan_slot *slot;
    unsigned n;

    if (seek == s->seek && phys == s->seek_phys &&
        (seek == BL_SEEK_OFF || s->seek_on || now < s->seek_at + BL_SCANNER_SEEK_AGAIN_US))
        return;
    if (s->seek_on)
        bl_scanner_end(s, UINT64_C(1) << s->seek_slot, BL_OK, BL_OK);
    s->seek = seek;
    s->seek_phys = phys;
    s->seek_at = now;
    scanner_draw_seed(s, now);
    if (seek == BL_SEEK_OFF || scanner_make_slot(s, &params, &slot) < 0)
        return;
    slot->quiet = s->seek_on = scanner_take_slot(s, slot, &n);
    if (!s->seek_on) {
        scanner_free_slot(slot);
        return;
    }
    s->seek_slot = (uint8_t)n;
    scanner_merge(s);
}

void bl_scanner_reset(struct bl_scanner *s, uint64_t now, bl_status status)
{
    (void)now;
    bl_scanner_end(s, s->used, status, status);
    s->seek = BL_SEEK_OFF;
    s->state = BL_SCANNER_OFF;
    s->radio->scanning = false;
    s->told_valid = s->stale = s->retried = s->blocked = false;
    s->again_at = 0;
    bl_report_join_clear(&s->join);
    bl_privacy_release(s->privacy, BL_PRIVACY_SCAN);
}

/* ---- reports ---- */

static bool scanner_wants(struct bl_scanner *s, struct bl_scan_slot *slot,
                          const struct bl_report *r, const struct bl_addr *on_air)
{
    if (slot->quiet)
        return false;
    if (!slot->active && (r->scan_response || r->adv_type == SCANNER_SCAN_RSP))
        return false; /* another scan's activity brought it */
    if (!slot->extended && r->adv_type > SCANNER_SCAN_RSP)
        return false;
    if (!(slot->phys & (r->primary_phy == BL_PHY_CODED ? BL_PHYS_CODED : BL_PHYS_1M)))
        return false;
    if (!bl_scan_filter_match(&slot->filter, r, on_air))
        return false;
    if (!slot->filter_duplicates || bl_dup_filter_is_new(&slot->reported, r))
        return true;
    s->duplicates++;
    return false;
}

/* One that cannot be found out now is, when it is heard again; for which a controller that reports
 * each advertiser once has to begin anew. */
static void scanner_resolve(struct bl_scanner *s, uint64_t now, const struct bl_addr *on_air,
                            struct bl_addr *ret)
{
    if (bl_privacy_resolve_heard(s->privacy, now, on_air, ret) < 0 && s->filter_duplicates &&
        s->again_at == 0)
        s->again_at = now + SCANNER_AGAIN_US;
}

static void scanner_deliver(struct bl_scanner *s, uint64_t now, const struct bl_report *from)
{
    struct bl_report r = *from;
    uint64_t scans = 0;

    if (r.adv_type == SCANNER_ADV_DIRECT)
        r.len = 0; /* Core 5.4, Vol 6, Part B, 2.3.1.2: it has no data */
    if (!r.anonymous && bl_addr_is_rpa(&r.addr))
        scanner_resolve(s, now, &from->addr, &r.addr);
    scanner_each(n, s->used & ~s->waiting) if (scanner_wants(s, s->slots[n], &r, &from->addr))
        scans |= UINT64_C(1) << n;
    if (!scans) {
        s->unwanted++;
        return;
    }
    r.time = now;
    r.scans = scans;
    bl_evq_report(s->radio->events, &r);
}

static void scanner_deliver_expired(struct bl_scanner *s, uint64_t now)
{
    struct bl_report r;

    while (s->join.count > 0 && bl_report_join_expired(&s->join, now, &r))
        scanner_deliver(s, now, &r);
}

void bl_scanner_event(struct bl_scanner *s, uint64_t now, const struct bl_hci_event *e)
{
    const struct bl_report *r = &e->adv.report;
    struct bl_report whole;

    if (e->kind == BL_HCI_EV_SCAN_TIMEOUT)
        bl_scanner_stopped(s);
    if (e->kind != BL_HCI_EV_REPORT)
        return;
    s->received++;
    if (s->used == s->waiting ||
        (!e->adv.resolved && !r->anonymous && bl_privacy_refuses(s->privacy, &r->addr))) {
        s->unwanted++;
        return;
    }
    if (e->adv.data_status == BL_HCI_DATA_COMPLETE && s->join.count == 0) {
        scanner_deliver(s, now, r);
        return;
    }
    if (bl_report_join_take(&s->join, now, r, e->adv.data_status, &whole))
        scanner_deliver(s, now, &whole);
    scanner_deliver_expired(s, now);
}

/* ---- time ---- */

uint64_t bl_scanner_deadline(const struct bl_scanner *s)
{
    uint64_t join = s->join.count ? bl_report_join_deadline(&s->join) : TIMERQ_NEVER;

    uint64_t at = join < s->deadline ? join : s->deadline;

    return s->again_at != 0 && s->again_at < at ? s->again_at : at;
}

void bl_scanner_tick(struct bl_scanner *s, uint64_t now)
{
    uint64_t over = 0;

    scanner_deliver_expired(s, now);
    if (s->again_at != 0 && now >= s->again_at) {
        s->again_at = 0;
        s->stale |= s->filter_duplicates && s->used != s->waiting;
    }
    if (now < s->deadline)
        return;
    scanner_each(n, s->used) if (s->slots[n]->deadline <= now) over |= UINT64_C(1) << n;
    bl_scanner_end(s, over, BL_OK, BL_OK);
}

bool bl_scanner_counter(const struct bl_scanner *s, size_t index, const char **ret_name,
                        uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"scans-open", (uint64_t)__builtin_popcountll(s->used) - s->seek_on},
        {"scan-restarts", s->restarts},
        {"scan-received", s->received},
        {"scan-unwanted", s->unwanted},
        {"scan-duplicates", s->duplicates},
        {"scan-fragments-lost", s->join.lost},
        {"scan-seeks", s->seek_on},
        {"scan-unresolved", s->privacy->postponed},
    };

    if (index >= ARRAY_LEN(rows))
        return false;
    *ret_name = rows[index].name;
    *ret_value = rows[index].value;
    return true;
}
