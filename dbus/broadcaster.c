/* SPDX-License-Identifier: MIT */

/*
 * broadcaster: org.bled.Broadcaster1. Each owner numbers its own sets 0..254; the stack lays all
 * advertisements out over what the controller has.
 *
 * A set stays known after its end, with its payload (a later Advertise without one uses it again),
 * until its owner goes or the adapter becomes inactive: `adv` is 0 then, and its thing is of
 * another kind (BROADCASTER_KEPT).
 *
 * An end is told by BL_EV_ADV_STOPPED where the set has been on the air (`lived`), else by the
 * OP_DONE of its start alone. A set whose end is on its way when it is advertised again is left to
 * that end (`leaving`), and another takes its number.
 */

#include "broadcaster.h"

#include "payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BROADCASTER_INTERFACE "org.bled.Broadcaster1"

enum {
    ALL_SETS = 255,
    ENDED = 64,     /* how many of the last ended are remembered for whose they were */
    MAX_SETS = 256, /* known at once, ended ones included; the oldest ended one makes room */
};

struct set {
    struct bus_thing thing; /* of its owner while it advertises or its payload is kept */
    struct list link;
    struct bus_adapter *adapter;
    uint8_t number;
    uint16_t adv; /* the stack's; 0: not on the air */
    bl_op op;     /* of its last start */
    struct payload payload;
    struct bl_adv_params params; /* data pointers are set when it is begun */
    bool lived;                  /* has been on the air since adv is what it is */
    bool called_off;             /* ended by StopAdvertising or with its owner */
    bool leaving;                /* to be freed at its end: the owner goes, or another took over */
    bool remembered;
};

struct broadcaster {
    struct list sets;
    struct list stops; /* StopAdvertising calls that wait */
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

struct stop_call {
    struct bus_call call;
    uint8_t number;
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
        if (s->thing.owner == owner && s->number == number && !s->leaving)
            return s;
    }
    return NULL;
}

struct bus_owner *bus_broadcaster_owner(struct bus_adapter *a, uint16_t adv, bool *ret_gone)
{
    struct broadcaster *b = broadcaster_of(a);
    struct set *s = set_by_adv(a, adv);

    *ret_gone = false;
    if (s)
        return s->thing.owner;
    for (unsigned i = 0; adv != 0 && i < ENDED; i++) {
        struct bus_owner *owner = a->owners[b->ended[i].slot];
        if (b->ended[i].adv != adv)
            continue;
        *ret_gone = !owner || owner->serial != b->ended[i].owner;
        return *ret_gone ? NULL : owner;
    }
    return NULL;
}

/* ---- a set's life ---- */

static bool set_is_stopped_by(const struct set *s, const struct bus_owner *owner, uint8_t number)
{
    return s->thing.owner == owner && (number == ALL_SETS || s->number == number);
}

/* Answers the StopAdvertising calls that have nothing more to wait for. */
static void broadcaster_answer_stops(struct bus_adapter *a)
{
    list_each(l, next, &broadcaster_of(a)->stops)
    {
        struct bus_call *c = list_entry(l, struct bus_call, waiting);
        bool over = true;
        list_each(k, after, &broadcaster_of(a)->sets)
        {
            const struct set *s = list_entry(k, struct set, link);
            if (s->adv != 0 && s->called_off &&
                set_is_stopped_by(s, c->owner, ((struct stop_call *)c)->number))
                over = false;
        }
        if (!over)
            continue;
        bus_call_reply(c, "");
        bus_call_free(c);
    }
}

static void set_free(struct set *s)
{
    struct bus_adapter *a = s->adapter;

    broadcaster_of(a)->n_sets--;
    payload_clear(&s->payload);
    list_remove(&s->link);
    bus_thing_remove(&s->thing);
    free(s);
    broadcaster_answer_stops(a);
}

/* Calls it off. True: its end will be told by an event. */
static bool set_stop(struct set *s)
{
    struct bus_adapter *a = s->adapter;

    s->remembered = false;
    if (s->adv == 0)
        return false;
    s->called_off = true;
    /* Refused: it is at its end already, of which the event is on its way. */
    (void)bl_advertise_stop(a->host, bus_now(a), s->adv, NULL);
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

bool bus_broadcaster_on_the_air(const struct bus_owner *owner)
{
    return bus_thing_count(owner, &BROADCASTER_SET) > 0;
}

static void set_mark(struct set *s)
{
    s->thing.kind = s->adv != 0 ? &BROADCASTER_SET : &BROADCASTER_KEPT;
}

/* It is on the air no more. */
static void set_ended(struct set *s)
{
    s->adv = 0;
    s->lived = false;
    set_mark(s);
    if (s->leaving)
        set_free(s);
    else
        broadcaster_answer_stops(s->adapter);
}

/* A connection may follow, also where the set was called off: it is the set's owner's. */
static void broadcaster_remember_owner(struct broadcaster *b, const struct set *s)
{
    b->ended[b->next_ended].adv = s->adv;
    b->ended[b->next_ended].slot = (uint8_t)s->thing.owner->slot;
    b->ended[b->next_ended].owner = s->thing.owner->serial;
    b->next_ended = (b->next_ended + 1) % ENDED;
}

void bus_broadcaster_on_stopped(struct bus_adapter *a, const struct bl_event *e)
{
    struct set *s = set_by_adv(a, e->adv_stopped.adv);

    if (!s)
        return;

    struct bus_owner *owner = s->thing.owner;
    bus_log(a->bus, BL_LOG_DEBUG, "%s: advertising set %u of %s has ended (0x%03x)", a->name,
            s->number, owner->who, e->adv_stopped.status);
    bus_emit(a, bus_owner_bit(owner), BROADCASTER_INTERFACE, "AdvertisingStopped", "yq", s->number,
             e->adv_stopped.status);
    if (e->adv_stopped.status == BL_OK)
        broadcaster_remember_owner(broadcaster_of(a), s);
    s->remembered =
        !s->called_off && e->adv_stopped.status == BL_NOT_ACTIVE && bus_adapter_keeps(a, owner);
    set_ended(s);
}

/* ---- Advertise ---- */

static void advertise_done(struct bus_call *call, const struct bl_event *e)
{
    struct advertise_call *c = (struct advertise_call *)call;
    struct set *s = set_by_adv(call->adapter, c->adv);

    if (e->done.status == BL_OK) {
        bus_log(call->adapter->bus, BL_LOG_DEBUG, "%s: advertising set %u is on the air",
                call->adapter->name, c->number);
        if (s)
            s->lived = true;
        bus_call_reply(call, "y", c->number);
        return;
    }
    if (e->done.status != BL_CANCELED)
        bus_log(call->adapter->bus, BL_LOG_WARNING, "%s: advertising set %u was refused: %s",
                call->adapter->name, c->number, bus_error_text(e->done.status));
    bus_call_fail(call, e->done.status, "advertising set %u", c->number);
    /* Not that of a start that another one has replaced; and where the set has been on the air,
     * ADV_STOPPED follows. */
    if (s && s->op == e->done.op && !s->lived)
        set_ended(s);
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
       OPT_SID,
       OPT_SCANNABLE,
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
    [OPT_SID] = {"sid", "y", ADVERTISE_FIELD(sid), 0, 15, NULL},
    [OPT_SCANNABLE] = {"scannable", "b", ADVERTISE_FIELD(scannable), 0, 0, NULL},
    {"connectable", "b", ADVERTISE_FIELD(connectable), 0, 0, NULL},
    {"set", "y", ADVERTISE_FIELD(set), 0, ALL_SETS - 1, NULL},
    {"resume", "b", ADVERTISE_FIELD(resume), 0, 0, NULL},
    {"extended", "b", ADVERTISE_FIELD(extended), 0, 0, NULL},
    {"primary_phy", "s", ADVERTISE_FIELD(primary_phy), 0, 0, bus_opt_phy},
    {"secondary_phy", "s", ADVERTISE_FIELD(secondary_phy), 0, 0, bus_opt_phy},
    {"duration_ms", "u", ADVERTISE_FIELD(duration_ms), 0, 0, NULL},
    {"addr_mode", "y", ADVERTISE_FIELD(addr_mode), 0, 3, NULL},
};

/* What was given, what stands for what was not, and what contradicts itself. */
static int advertise_given(struct advertise_opts *o, sd_bus_error *error)
{
    const struct bus_opts *h = &o->head;
    struct payload_opts *p = &o->payload;

    p->has_adv_data = bus_opts_given(h, OPT_ADV_DATA);
    p->has_resp_data = bus_opts_given(h, OPT_RESP_DATA);
    p->has_appearance = bus_opts_given(h, OPT_APPEARANCE);
    p->has_fields = false;
    for (size_t row = OPT_NAME; row <= OPT_TX_POWER; row++)
        p->has_fields |= bus_opts_given(h, row);
    if (bus_opts_given(h, OPT_SID) && !o->extended)
        return bus_error_invalid(error, "sid: only an extended set has one.");
    if (o->primary_phy == BL_PHY_2M)
        return bus_error_invalid(error, "primary_phy: 1m or coded; 2m is a secondary PHY.");
    if (!bus_opts_given(h, OPT_SCANNABLE)) {
        /* An extended set says all in its advertisement unless it is to be scanned. */
        o->scannable = !o->extended;
        return 0;
    }
    /* Core 5.4, Vol 4, Part E, 7.8.53 */
    if (o->scannable && o->extended && o->connectable)
        return bus_error_invalid(error, "scannable: an extended set is connectable or scannable, "
                                        "not both; give connectable false too.");
    if (!o->scannable && !o->extended && o->connectable && !bus_opts_given(h, OPT_DIRECTED))
        return bus_error_invalid(error, "scannable: a connectable legacy set always is (ADV_IND); "
                                        "give connectable false or extended true too.");
    return 0;
}

static struct bl_adv_params advertise_params(const struct advertise_opts *o, uint32_t interval_us)
{
    return (struct bl_adv_params){
        .interval_us = interval_us,
        .connectable = o->connectable,
        .scannable = o->scannable,
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
    uint32_t most = o->extended ? 40960000 : 10240000;

    if (r == -EINVAL && (interval_us < 20000 || interval_us > most))
        return bus_error_invalid(error, "An interval of %u us is not from 20000 to %u.",
                                 interval_us, most);
    if (r == -EINVAL)
        return bus_error_invalid(
            error,
            "Set %u: these options do not go together: directed advertising is "
            "connectable, a PHY other than 1m needs extended, and an extended "
            "set that is scannable has resp_data and no adv_data.",
            o->set);
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY,
                             "Set %u cannot be advertised now: %d advertisements are the most, and "
                             "one radio has one kind of random address at a time.",
                             o->set, (int)BL_MAX_ADV);
    if (r == -EOPNOTSUPP && !o->connectable && interval_us < 100000 && !o->extended)
        return bus_error_set(
            error, BUS_NOT_SUPPORTED,
            "Set %u: this controller is older than Bluetooth 5, where a set that is "
            "not connectable needs an interval of 100000 us at least.",
            o->set);
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
    if (r == 0)
        s->op = *ret_op;
    set_mark(s);
    return r;
}

static int advertise(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                     const struct advertise_opts *o, uint32_t interval_us, sd_bus_error *error)
{
    struct bl_adv_params params = advertise_params(o, interval_us);
    struct set *old = set_find(a, owner, o->set), *s = old;
    struct payload payload, none = {0};
    struct bus_call *call = NULL;
    size_t adv_max, resp_max;
    bl_op op;

    advertise_room(a, &params, &adv_max, &resp_max);
    int r = payload_make(&o->payload, s ? &s->payload : &none, params.connectable, adv_max,
                         resp_max, &payload, error);
    if (r < 0)
        return r;
    r = bus_call_new(a, m, &ADVERTISE, !o->head.no_wait, &call, error);
    if (r >= 0) {
        r = old ? set_begin(s, &params, &payload, &op) : -ENOENT;
        if (r == -ENOENT) /* there is none, or its end is under way */
            r = (s = set_new(a, owner, o->set)) ? set_begin(s, &params, &payload, &op) : -ENOMEM;
        if (r < 0)
            r = advertise_refused(r, o, interval_us, error);
    }
    if (r < 0) {
        payload_clear(&payload);
        if (call)
            bus_call_free(call);
        if (s && s != old)
            set_free(s);
        return r;
    }
    if (old && s != old)
        old->leaving = true;
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
    o->connectable = true;
    o->addr_mode = BL_ADDR_MODE_DEFAULT;
    r = sd_bus_message_read(m, "u", &interval_us);
    if (r < 0)
        return r;
    r = bus_opts_read(m, ADVERTISE_OPTS, ARRAY_LEN(ADVERTISE_OPTS), o, error);
    if (r < 0)
        return r;
    r = advertise_given(o, error);
    return r < 0 ? r : advertise(a, m, owner, o, interval_us, error);
}

/* ---- StopAdvertising ---- */

static const struct bus_call_kind STOP_ADVERTISING = {
    .method = "StopAdvertising",
    .out = "",
    .size = sizeof(struct stop_call),
};

static int method_stop_advertising(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_call *call;
    uint8_t number;

    int r = bus_enter(a, m, method_stop_advertising, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "y", &number);
    if (r < 0)
        return r;
    r = bus_call_new(a, m, &STOP_ADVERTISING, true, &call, error);
    if (r < 0)
        return r;
    ((struct stop_call *)call)->number = number;
    list_append(&broadcaster_of(a)->stops, &call->waiting);
    list_each(l, next, &broadcaster_of(a)->sets)
    {
        struct set *s = list_entry(l, struct set, link);
        if (set_is_stopped_by(s, owner, number))
            (void)set_stop(s);
    }
    broadcaster_answer_stops(a); /* at once where nothing is on the air */
    return 1;
}

/* ---- the module ---- */

static int broadcaster_init(struct bus_adapter *a)
{
    struct broadcaster *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    list_init(&b->sets);
    list_init(&b->stops);
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
        struct bus_call *call = NULL;
        bl_op op = 0;
        if (!s->remembered)
            continue;
        s->remembered = false;
        int r = bus_call_new(a, NULL, &ADVERTISE, false, &call, NULL);
        if (r >= 0)
            r = set_begin(s, &s->params, &s->payload, &op);
        if (r >= 0) {
            ((struct advertise_call *)call)->number = s->number;
            ((struct advertise_call *)call)->adv = s->adv;
            bus_call_go(call, op);
        } else {
            if (call)
                bus_call_free(call);
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
