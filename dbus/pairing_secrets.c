/* SPDX-License-Identifier: MIT */

/*
 * pairing_secrets: a client that keeps the bonds (ProvideSecrets). While there is one the daemon's
 * own store is told nothing and asked nothing.
 *
 *     ProvideSecrets --> the host forgets its bonds --> SecretRequested index 0, 1, 2, ...
 *                        --> not ok | 5 s | as many as the host holds --> all are there
 *     a bond comes, changes, goes --> SecretStored
 *     the provider goes --> the host forgets its bonds --> the daemon's own store serves again
 *
 * One type of secret is used, a record for each bond (bond_record.h), whose key is the peer's
 * identity. A bond that came about by a pairing while we are still asking is newer than what the
 * provider has of that peer, and stays. One that went meanwhile moves the indices behind it: then
 * we ask once more from the start.
 */

#include "bond_record.h"
#include "pairing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECRET_BOND = 1,    /* sec_type */
    REPLY_US = 5000000, /* then it is taken as not ok */
    MAX_REQUESTS = 256, /* that wait for an answer; the oldest is given up for another one */
    MAX_ASKED = 4 * BL_MAX_BONDS, /* of a provider that never ends, or whose indices ever move */
};

struct secret_request {
    struct list link;
    struct bus_timer timer;
    struct bus_adapter *adapter;
    uint32_t number;
    bool asks; /* SecretRequested, else SecretStored */
};

static void secrets_ask(struct bus_adapter *a);

static void request_free(struct secret_request *q)
{
    bus_timer_cancel(q->adapter, &q->timer);
    pairing_of(q->adapter)->secrets.n_requests--;
    list_remove(&q->link);
    free(q);
}

static void secrets_loaded(struct bus_adapter *a)
{
    struct pairing_secrets *s = &pairing_of(a)->secrets;

    if (s->again) {
        s->again = false;
        s->index = 0;
        secrets_ask(a);
        return;
    }
    s->loading = false;
    bus_log(a->bus, BL_LOG_INFO, "%s: the provider of secrets has given %u bonds", a->name,
            s->loaded);
}

/* Nobody has answered it, or with not ok. */
static void request_denied(struct secret_request *q, const char *why)
{
    struct bus_adapter *a = q->adapter;
    bool asks = q->asks;

    request_free(q);
    if (asks)
        secrets_loaded(a);
    else
        bus_news(a, "the provider of secrets has not stored a bond: %s", why);
}

static void request_late(struct bus_timer *t, uint64_t now)
{
    (void)now;
    request_denied(list_entry(t, struct secret_request, timer), "it did not answer in 5 s");
}

static struct secret_request *request_new(struct bus_adapter *a, bool asks)
{
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    struct secret_request *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    if (s->n_requests >= MAX_REQUESTS) {
        list_each(l, next, &s->requests)
        {
            struct secret_request *old = list_entry(l, struct secret_request, link);
            if (old->asks)
                continue;
            request_denied(old, "too many wait for its answer");
            break;
        }
    }
    q->adapter = a;
    q->asks = asks;
    q->number = bus_request(a);
    q->timer.fire = request_late;
    list_append(&s->requests, &q->link);
    s->n_requests++;
    bus_timer_set(a, &q->timer, bus_now(a) + REPLY_US);
    return q;
}

static struct secret_request *request_find(const struct bus_adapter *a, uint32_t number)
{
    list_each(l, next, &pairing_of(a)->secrets.requests)
    {
        struct secret_request *q = list_entry(l, struct secret_request, link);
        if (q->number == number)
            return q;
    }
    return NULL;
}

/* Sends what has been put together (r) to the provider, or gives the request up. */
static void request_send(struct secret_request *q, int r, sd_bus_message **m)
{
    struct bus_adapter *a = q->adapter;
    struct pairing_person p = bus_pairing_part_person(&pairing_of(a)->secrets.part);

    if (r >= 0 && p.client)
        bus_pairing_send(a, &p, m);
    else
        request_denied(q, "it cannot be told");
}

static void secrets_ask(struct bus_adapter *a)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    struct secret_request *q = s->asked < MAX_ASKED ? request_new(a, true) : NULL;

    s->asked++;
    if (!q) {
        bus_log(a->bus, BL_LOG_WARNING, "%s: the provider of secrets is asked no further than %u",
                a->name, s->index);
        s->loading = s->again = false;
        return;
    }
    int r = bus_signal_new(a, NULL, PAIRING_INTERFACE, "SecretRequested", &m);
    if (r >= 0)
        r = sd_bus_message_append(m, "uiib", q->number, SECRET_BOND, (int32_t)s->index, 0);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', NULL, 0);
    s->again = s->again && r >= 0; /* without memory there is no other time */
    request_send(q, r, &m);
}

void bus_pairing_secrets_store(struct bus_adapter *a, const struct bl_bond *bond, bool gone)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    uint8_t key[BOND_RECORD_KEY], record[BOND_RECORD_MAX];
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    struct secret_request *q = request_new(a, false);

    if (!q) {
        bus_log(a->bus, BL_LOG_WARNING, "%s: no memory to have a bond stored", a->name);
        return;
    }
    bond_record_key(&bond->identity, key);
    int r = bus_signal_new(a, NULL, PAIRING_INTERFACE, "SecretStored", &m);
    if (r >= 0)
        r = sd_bus_message_append(m, "ui", q->number, SECRET_BOND);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', key, sizeof(key));
    if (r >= 0)
        r = sd_bus_message_append(m, "b", !gone);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', record, gone ? 0 : bond_record_write(bond, record));
    request_send(q, r, &m);
    explicit_bzero(record, sizeof(record));
    if (gone && s->loading)
        s->again = true;
}

/* ---- who provides ---- */

void bus_pairing_secrets_free(struct bus_adapter *a)
{
    list_each(l, next, &pairing_of(a)->secrets.requests)
        request_free(list_entry(l, struct secret_request, link));
}

void bus_pairing_provider_left(struct pairing_part *part)
{
    struct bus_adapter *a = part->adapter;
    struct pairing_secrets *s = &pairing_of(a)->secrets;

    bus_pairing_secrets_free(a);
    s->loading = s->again = false;
    bus_log(a->bus, BL_LOG_INFO, "%s: the provider of secrets has left; its bonds are forgotten",
            a->name);
    bl_bond_clear(a->host, bus_now(a));
    if (a->known && a->ops->bonds_load)
        a->ops->bonds_load(a->ctx);
    bus_kick(a);
}

static void provider_release(struct bus_thing *thing)
{
    bus_pairing_part_end(list_entry(thing, struct pairing_part, thing));
}

const struct bus_thing_kind bus_pairing_provider_kind = {
    .holds = "secrets",
    .rank = BUS_RANK_CAPTURE, /* what ends before may still change bonds */
    .release = provider_release,
};

int bus_pairing_method_provide(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    struct bus_owner *owner;
    bool wait;

    int r =
        bus_enter(a, m, bus_pairing_method_provide, BUS_WHILE_INACTIVE | BUS_ROOT, &owner, error);
    if (r != 0)
        return r;
    r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    bool before = bus_pairing_part_is(&s->part, sd_bus_message_get_sender(m));
    if (!bus_pairing_part_taken(&s->part))
        bus_pairing_finish_deletes(a);
    r = bus_pairing_part_take(&s->part, owner, m, error);
    if (r < 0 || before)
        return r;
    bus_log(a->bus, BL_LOG_INFO, "%s: %s provides the secrets from here on", a->name,
            sd_bus_message_get_sender(m));
    bl_bond_clear(a->host, bus_now(a));
    s->loading = true;
    s->index = s->loaded = s->asked = 0;
    secrets_ask(a);
    bus_kick(a);
    return 1;
}

/* ---- its answers ---- */

/* A pairing that was made before the provider could tell of a bond takes its place as any pairing
 * does: at no lower a level. */
static bool secrets_stronger(const struct bl_bond *told, const struct bl_bond *made)
{
    return told->authenticated > made->authenticated ||
           (told->authenticated == made->authenticated &&
            told->secure_connections > made->secure_connections);
}

/* What is there has its place: no bond goes, here or at the provider, for one that is loaded. */
static void secrets_full(struct bus_adapter *a)
{
    struct pairing_secrets *s = &pairing_of(a)->secrets;

    bus_log(a->bus, BL_LOG_WARNING,
            "%s: the provider of secrets has more bonds than the %d that there may be: those from "
            "index %u on are not used; delete some",
            a->name, (int)BL_MAX_BONDS, s->index);
    s->loading = s->again = false;
}

static int secrets_take(struct bus_adapter *a, const uint8_t *value, size_t n, sd_bus_error *error)
{
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    struct bl_bond bond;
    int r = 0;

    if (!bond_record_read(value, n, &bond))
        return bus_error_invalid(
            error,
            "value: what was given for index %u (%zu octets) is no secret that "
            "bled has stored; it is passed over.",
            s->index, n);
    const struct bl_bond *there = bl_bond_get(a->host, &bond.identity);
    bool stronger = there && secrets_stronger(&bond, there);
    if (!there || stronger)
        r = bl_bond_add(a->host, bus_now(a), &bond);
    if (stronger && r >= 0) /* the provider has been given the other one meanwhile */
        bus_pairing_secrets_store(a, &bond, false);
    s->loaded += r >= 0;
    explicit_bzero(&bond, sizeof(bond));
    if (r == -ENOBUFS) {
        secrets_full(a);
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "There is no room for the bond of index %u; no further one is asked "
                             "for.",
                             s->index);
    }
    return r < 0 ? bus_error_errno(error, r, "the bond of index %u", s->index) : 0;
}

int bus_pairing_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct pairing_secrets *s = &pairing_of(a)->secrets;
    uint32_t number;
    const void *value;
    size_t n;
    int ok;

    int r = bus_enter(a, m, bus_pairing_method_reply, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "ub", &number, &ok);
    if (r >= 0)
        r = sd_bus_message_read_array(m, 'y', &value, &n);
    if (r < 0)
        return r;
    struct secret_request *q = request_find(a, number);
    if (!q)
        return bus_error_set(error, BUS_NOT_FOUND,
                             "No request %u is open: it has been answered, or 5 s have passed.",
                             number);
    if (!bus_pairing_part_is(&s->part, sd_bus_message_get_sender(m)))
        return bus_error_access(error, "Request %u is for the provider of secrets alone.", number);
    if (!ok) {
        request_denied(q, "it refuses");
    } else if (!q->asks) {
        request_free(q);
    } else {
        request_free(q);
        r = secrets_take(a, value, n, error);
        s->index++;
        if (s->loading)
            secrets_ask(a);
    }
    bus_kick(a);
    return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}
