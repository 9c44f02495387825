/* SPDX-License-Identifier: MIT */

/*
 * broadcaster: org.bled.Broadcaster1. Each owner numbers its own sets 0..254; the stack lays all
 * advertisements out over what the controller has.
 *
 * A set stays known after its end, with its payload (a later Advertise without one uses it again),
 * until its owner goes or the adapter becomes inactive: `adv` is 0 then, and its thing is of
 * another kind (BROADCASTER_KEPT).
 */

#include "broadcaster.h"

#include "payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BROADCASTER_INTERFACE "org.bled.Broadcaster1"

enum {
    ALL_SETS = 255,
    ENDED = 16,     /* how many ended by connections are remembered for whose they were */
    MAX_SETS = 256, /* known at once, ended ones included; the oldest ended one makes room */
};

struct set {
    struct bus_thing thing; /* of its owner while it advertises or its payload is kept */
    struct list link;
    struct bus_adapter *adapter;
    uint8_t number;
    uint16_t adv; /* the stack's; 0: not on the air */
    struct payload payload;
    struct bl_adv_params params; /* data pointers are set when it is begun */
    struct list stops;           /* StopAdvertising calls that wait for its end */
    bool called_off;             /* ended by StopAdvertising or with its owner */
    bool leaving;                /* the owner goes: to be freed at its end */
    bool remembered;
};

struct broadcaster {
    struct list sets;
    unsigned n_sets;
    struct {
        uint16_t adv;
        uint8_t slot;
        uint64_t owner; /* identity of the owner behind the slot */
    } ended[ENDED];
    unsigned next_ended;
};

struct advertise_call {
    struct bus_call call;
    uint8_t number;
    uint16_t adv;
};

static struct broadcaster *broadcaster_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_broadcaster];
}

static struct set *set_by_adv(struct bus_adapter *a, uint16_t adv)
{
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (adv != 0 && s->adv == adv)
            return s;
    }
    return NULL;
}

static struct set *set_find(struct bus_adapter *a, const struct bus_owner *owner, uint8_t number)
{
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (s->thing.owner == owner && s->number == number)
            return s;
    }
    return NULL;
}

struct bus_owner *bus_broadcaster_owner(struct bus_adapter *a, uint16_t adv)
{
    struct broadcaster *b = broadcaster_of(a);
    struct set *s = set_by_adv(a, adv);

    if (s)
        return s->thing.owner;
    for (unsigned i = 0; adv != 0 && i < ENDED; i++) {
        struct bus_owner *owner = a->owners[b->ended[i].slot];
        if (b->ended[i].adv == adv && owner && owner->serial == b->ended[i].owner)
            return owner;
    }
    return NULL;
}

/* ---- a set's life ---- */

static void set_answer_stops(struct set *s)
{
    struct list *l;

    while ((l = list_pop(&s->stops))) {
        struct bus_call *c = list_entry(l, struct bus_call, waiting);
        bus_call_reply(c, "");
        bus_call_free(c);
    }
}

static void set_free(struct set *s)
{
    set_answer_stops(s);
    broadcaster_of(s->adapter)->n_sets--;
    payload_clear(&s->payload);
    list_remove(&s->link);
    bus_thing_remove(&s->thing);
    free(s);
}

/* Calls it off. True: the stack will say that it has ended. */
static bool set_stop(struct set *s)
{
    struct bus_adapter *a = s->adapter;
    bl_op op;

    s->remembered = false;
    if (s->adv == 0)
        return false;
    s->called_off = true;
    if (bl_advertise_stop(a->host, bus_now(a), s->adv, &op) < 0) {
        s->adv = 0;
        return false;
    }
    bus_kick(a);
    return true;
}

static void set_release(struct bus_thing *thing)
{
    struct set *s = list_entry(thing, struct set, thing);

    s->leaving = true;
    if (!set_stop(s))
        set_free(s);
}

static const struct bus_thing_kind BROADCASTER_SET = {
    .holds = "advertisements",
    .rank = BUS_RANK_ADVERT,
    .release = set_release,
};

static const struct bus_thing_kind BROADCASTER_KEPT = {
    .holds = "payloads",
    .rank = BUS_RANK_ADVERT,
    .release = set_release,
};

static void set_mark(struct set *s)
{
    s->thing.kind = s->adv != 0 ? &BROADCASTER_SET : &BROADCASTER_KEPT;
}

void bus_broadcaster_on_stopped(struct bus_adapter *a, const struct bl_event *e)
{
    struct broadcaster *b = broadcaster_of(a);
    struct set *s = set_by_adv(a, e->adv_stopped.adv);

    if (!s)
        return;

    struct bus_owner *owner = s->thing.owner;
    bus_emit(a, bus_owner_bit(owner), BROADCASTER_INTERFACE, "AdvertisingStopped", "yq", s->number,
             e->adv_stopped.status);
    if (e->adv_stopped.status == BL_OK && !s->called_off) { /* by a connection, which follows */
        b->ended[b->next_ended].adv = s->adv;
        b->ended[b->next_ended].slot = (uint8_t)owner->slot;
        b->ended[b->next_ended].owner = owner->serial;
        b->next_ended = (b->next_ended + 1) % ENDED;
    }
    s->adv = 0;
    s->remembered =
        !s->called_off && e->adv_stopped.status == BL_NOT_ACTIVE && bus_adapter_keeps(a, owner);
    set_answer_stops(s);
    if (s->leaving)
        set_free(s);
}

/* ---- Advertise ---- */

static void advertise_done(struct bus_call *call, const struct bl_event *e)
{
    struct advertise_call *c = (struct advertise_call *)call;
    struct set *s = set_by_adv(call->adapter, c->adv);

    if (e->done.status == BL_OK) {
        bus_call_reply(call, "y", c->number);
        return;
    }
    if (s && e->done.status != BL_CANCELED) { /* it has never been there: no AdvertisingStopped */
        s->adv = 0;
        set_mark(s);
        if (s->leaving)
            set_free(s);
    }
    bus_call_fail(call, e->done.status, "advertising set %u", c->number);
}

static const struct bus_call_kind ADVERTISE = {
    .method = "Advertise",
    .out = "y",
    .size = sizeof(struct advertise_call),
    .done = advertise_done,
};

struct advertise_opts {
    struct bus_opts head;
    struct payload_opts payload;
    bool connectable, scannable, resume, extended;
    uint8_t set, primary_phy, secondary_phy, sid, addr_mode;
    struct bl_addr directed;
    uint32_t duration_ms;
};

enum { /* rows that matter whether given */
       OPT_ADV_DATA,
       OPT_RESP_DATA,
       OPT_NAME,
       OPT_SERVICES,
       OPT_APPEARANCE,
       OPT_MANUFACTURER_DATA,
       OPT_SERVICE_DATA,
       OPT_TX_POWER,
       OPT_DIRECTED,
};

#define ADVERTISE_FIELD(member) offsetof(struct advertise_opts, member)

static const struct bus_opt ADVERTISE_OPTS[] = {
    [OPT_ADV_DATA] = {"adv_data", "ay", ADVERTISE_FIELD(payload.adv_data), 0, 0, NULL},
    [OPT_RESP_DATA] = {"resp_data", "ay", ADVERTISE_FIELD(payload.resp_data), 0, 0, NULL},
    [OPT_NAME] = {"name", "s", ADVERTISE_FIELD(payload.name), 0, 0, NULL},
    [OPT_SERVICES] = {"services", "as", ADVERTISE_FIELD(payload.services), 0, 0, bus_opt_uuids},
    [OPT_APPEARANCE] = {"appearance", "q", ADVERTISE_FIELD(payload.appearance), 0, 0, NULL},
    [OPT_MANUFACTURER_DATA] = {"manufacturer_data", "a{qay}",
                               ADVERTISE_FIELD(payload.manufacturers), 0, 0,
                               payload_opt_manufacturers},
    [OPT_SERVICE_DATA] = {"service_data", "a{say}", ADVERTISE_FIELD(payload.service_data), 0, 0,
                          payload_opt_service_data},
    [OPT_TX_POWER] = {"tx_power", "b", ADVERTISE_FIELD(payload.tx_power), 0, 0, NULL},
    [OPT_DIRECTED] = {"directed", "(ys)", ADVERTISE_FIELD(directed), 0, 0, bus_opt_addr},
    {"connectable", "b", ADVERTISE_FIELD(connectable), 0, 0, NULL},
    {"scannable", "b", ADVERTISE_FIELD(scannable), 0, 0, NULL},
    {"set", "y", ADVERTISE_FIELD(set), 0, ALL_SETS - 1, NULL},
    {"resume", "b", ADVERTISE_FIELD(resume), 0, 0, NULL},
    {"extended", "b", ADVERTISE_FIELD(extended), 0, 0, NULL},
    {"primary_phy", "s", ADVERTISE_FIELD(primary_phy), 0, 0, bus_opt_phy},
    {"secondary_phy", "s", ADVERTISE_FIELD(secondary_phy), 0, 0, bus_opt_phy},
    {"sid", "y", ADVERTISE_FIELD(sid), 0, 15, NULL},
    {"duration_ms", "u", ADVERTISE_FIELD(duration_ms), 0, 0, NULL},
    {"addr_mode", "y", ADVERTISE_FIELD(addr_mode), 0, 3, NULL},
};

static void advertise_given(struct advertise_opts *o)
{
    const struct bus_opts *h = &o->head;
    struct payload_opts *p = &o->payload;

    p->has_adv_data = bus_opts_given(h, OPT_ADV_DATA);
    p->has_resp_data = bus_opts_given(h, OPT_RESP_DATA);
    p->has_appearance = bus_opts_given(h, OPT_APPEARANCE);
    p->has_fields = false;
    for (size_t row = OPT_NAME; row <= OPT_TX_POWER; row++)
        p->has_fields |= bus_opts_given(h, row);
}

static struct bl_adv_params advertise_params(const struct advertise_opts *o, uint32_t interval_us)
{
    return (struct bl_adv_params){
        .interval_us = interval_us,
        .connectable = o->connectable,
        /* A legacy connectable set is scannable; an extended one cannot be. Core 5.4, Vol 4, Part
         * E, 7.8.53. */
        .scannable = o->scannable && !(o->extended && o->connectable),
        .extended = o->extended,
        .resume = o->resume,
        .has_directed = bus_opts_given(&o->head, OPT_DIRECTED),
        .directed = o->directed,
        .primary_phy = o->primary_phy,
        .secondary_phy = o->secondary_phy,
        .sid = o->sid,
        .duration_ms = o->duration_ms,
        .addr_mode = o->addr_mode,
        .tx_power = o->payload.tx_power,
    };
}

/* How much fits where: a scannable extended set says nothing but in its scan response. */
static void advertise_room(const struct bus_adapter *a, const struct bl_adv_params *p,
                           size_t *ret_adv, size_t *ret_resp)
{
    size_t max = bl_advertise_max(a->host, p);
    bool only_resp = p->extended && p->scannable && !p->connectable;

    *ret_adv = only_resp || (p->has_directed && !p->extended) ? 0 : max;
    *ret_resp = p->scannable && !p->has_directed ? max : 0;
}

static int advertise_refused(int r, const struct advertise_opts *o, uint32_t interval_us,
                             sd_bus_error *error)
{
    if (r == -EINVAL)
        return bus_error_invalid(error,
                                 "Set %u cannot be advertised: an interval of %u us (legal: 20000 "
                                 "to 10240000, extended to 40960000) with these options.",
                                 o->set, interval_us);
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY,
                             "Set %u cannot be advertised now: %d advertisements are the most, and "
                             "one radio has one kind of random address at a time.",
                             o->set, (int)BL_MAX_ADV);
    return bus_error_errno(error, r, "advertising set %u", o->set);
}

/* An ended set of the same owner, or of anybody when too many are kept, makes room. */
static int broadcaster_make_room(struct bus_adapter *a)
{
    struct broadcaster *b = broadcaster_of(a);

    list_each(l, next, &b->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (b->n_sets < MAX_SETS)
            break;
        if (s->adv == 0 && !s->remembered)
            set_free(s);
    }
    return b->n_sets < MAX_SETS ? 0 : -EBUSY;
}

static struct set *set_new(struct bus_adapter *a, struct bus_owner *owner, uint8_t number)
{
    struct set *s = broadcaster_make_room(a) < 0 ? NULL : calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->adapter = a;
    s->number = number;
    list_init(&s->stops);
    list_append(&broadcaster_of(a)->sets, &s->link);
    broadcaster_of(a)->n_sets++;
    bus_thing_add(&s->thing, owner, &BROADCASTER_KEPT);
    return s;
}

static int set_begin(struct set *s, const struct bl_adv_params *params,
                     const struct payload *payload, bl_op *ret_op)
{
    struct bus_adapter *a = s->adapter;
    struct bl_adv_params p = *params;

    p.adv_data = payload->adv;
    p.adv_len = payload->adv_len;
    p.resp_data = payload->resp;
    p.resp_len = payload->resp_len;
    p.tx_power = payload->tx_power;

    int r = bl_advertise(a->host, bus_now(a), s->adv, &p, &s->adv, ret_op);
    set_mark(s);
    return r;
}

static int advertise(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                     const struct advertise_opts *o, uint32_t interval_us, sd_bus_error *error)
{
    struct bl_adv_params params = advertise_params(o, interval_us);
    struct set *s = set_find(a, owner, o->set);
    struct payload payload, none = {0};
    struct bus_call *call = NULL;
    size_t adv_max, resp_max;
    bl_op op;

    advertise_room(a, &params, &adv_max, &resp_max);
    int r = payload_make(&o->payload, s ? &s->payload : &none, params.connectable, adv_max,
                         resp_max, &payload, error);
    if (r < 0)
        return r;
    bool fresh = !s;
    if (fresh && !(s = set_new(a, owner, o->set)))
        r = -ENOMEM;
    if (r >= 0)
        r = bus_call_new(a, m, &ADVERTISE, !o->head.no_wait, &call, error);
    if (r >= 0) {
        r = set_begin(s, &params, &payload, &op);
        if (r < 0)
            r = advertise_refused(r, o, interval_us, error);
    }
    if (r < 0) {
        payload_clear(&payload);
        if (call)
            bus_call_free(call);
        if (fresh && s)
            set_free(s);
        return r;
    }
    payload_clear(&s->payload);
    s->payload = payload;
    s->params = params;
    s->called_off = s->remembered = false;
    ((struct advertise_call *)call)->number = o->set;
    ((struct advertise_call *)call)->adv = s->adv;
    return bus_call_go(call, op);
}

static int method_advertise(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint32_t interval_us;

    int r = bus_enter(a, m, method_advertise, 0, &owner, error);
    if (r != 0)
        return r;
    _cleanup_free_ struct advertise_opts *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->connectable = o->scannable = true;
    o->addr_mode = BL_ADDR_MODE_DEFAULT;
    r = sd_bus_message_read(m, "u", &interval_us);
    if (r < 0)
        return r;
    r = bus_opts_read(m, ADVERTISE_OPTS, ARRAY_LEN(ADVERTISE_OPTS), o, error);
    if (r < 0)
        return r;
    advertise_given(o);
    return advertise(a, m, owner, o, interval_us, error);
}

/* ---- StopAdvertising ---- */

static const struct bus_call_kind STOP_ADVERTISING = {
    .method = "StopAdvertising",
    .out = "",
    .size = sizeof(struct bus_call),
};

static int method_stop_advertising(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_call *call;
    struct set *last = NULL;
    uint8_t number;

    int r = bus_enter(a, m, method_stop_advertising, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "y", &number);
    if (r < 0)
        return r;
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (s->thing.owner == owner && (number == ALL_SETS || s->number == number) && set_stop(s))
            last = s; /* they end in this order: the last one's end is the end of all */
    }
    if (!last)
        return sd_bus_reply_method_return(m, "");
    r = bus_call_new(a, m, &STOP_ADVERTISING, true, &call, error);
    if (r < 0)
        return r;
    list_append(&last->stops, &call->waiting);
    return 1;
}

/* ---- the module ---- */

static int broadcaster_init(struct bus_adapter *a)
{
    struct broadcaster *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    list_init(&b->sets);
    a->module[BUS_MODULE_broadcaster] = b;
    return 0;
}

static void broadcaster_deinit(struct bus_adapter *a)
{
    struct broadcaster *b = broadcaster_of(a);

    if (!b)
        return;
    list_each(l, next, &b->sets) set_free(list_entry(l, struct set, link));
    free(b);
    a->module[BUS_MODULE_broadcaster] = NULL;
}

/* Payloads go with the adapter's activity, but for those that are to be restored. */
static void broadcaster_inactive(struct bus_adapter *a, bool keep)
{
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (!keep || !s->remembered)
            set_free(s);
    }
}

static void broadcaster_restore(struct bus_adapter *a)
{
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        bl_op op;
        if (!s->remembered)
            continue;
        s->remembered = false;
        int r = set_begin(s, &s->params, &s->payload, &op);
        if (r < 0) {
            bus_log(a->bus, BL_LOG_WARNING, "%s: set %u could not be restored: %s", a->name,
                    s->number, strerror(-r));
            set_free(s);
        }
    }
    bus_kick(a);
}

static const sd_bus_vtable broadcaster_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Advertise", SD_BUS_ARGS("u", interval_us, "a{sv}", options),
                            SD_BUS_RESULT("y", set), method_advertise, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("StopAdvertising", SD_BUS_ARGS("y", set), SD_BUS_NO_RESULT,
                            method_stop_advertising, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("AdvertisingStopped", SD_BUS_ARGS("y", set, "q", status), 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_broadcaster = {
    .interface = BROADCASTER_INTERFACE,
    .vtable = broadcaster_vtable,
    .init = broadcaster_init,
    .deinit = broadcaster_deinit,
    .inactive = broadcaster_inactive,
    .restore = broadcaster_restore,
};
