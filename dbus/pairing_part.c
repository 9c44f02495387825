/* SPDX-License-Identifier: MIT */

/*
 * pairing_part: clients that are there for others: the attendant, who is asked where nobody else
 * is, and the provider of secrets.
 *
 * Neither has to be attached. An attached one ends its part as it ends all that it owns; for
 * another one a call of its, long answered, stays open, and is cancelled when the bus says that it
 * has gone.
 */

#include "pairing.h"

#include <errno.h>

struct presence {
    struct bus_call call;
    struct pairing_part *part;
};

static void presence_cancel(struct bus_call *call)
{
    struct pairing_part *part = ((struct presence *)call)->part;

    part->presence = NULL; /* freed by who called this */
    part->left(part);
}

static void presence_drop(struct bus_call *call)
{
    struct pairing_part *part = ((struct presence *)call)->part;

    if (part->presence == call)
        part->presence = NULL;
}

static const struct bus_call_kind PRESENCE = {
    .method = "a part in pairing",
    .out = "",
    .size = sizeof(struct presence),
    .cancel = presence_cancel,
    .drop = presence_drop,
    .watch = true,
};

struct pairing_person bus_pairing_part_person(const struct pairing_part *part)
{
    struct pairing_person p = {0};

    if (part->thing.owner)
        p = (struct pairing_person){part->thing.owner, part->thing.owner->client};
    else if (part->presence)
        p.client = part->presence->client;
    return p;
}

bool bus_pairing_part_taken(const struct pairing_part *part)
{
    return part->thing.owner || part->presence;
}

bool bus_pairing_part_is(const struct pairing_part *part, const char *client)
{
    struct pairing_person p = bus_pairing_part_person(part);

    return p.client && client && strcmp(p.client->name, client) == 0;
}

int bus_pairing_part_take(struct pairing_part *part, struct bus_owner *owner, sd_bus_message *m,
                          sd_bus_error *error)
{
    struct bus_adapter *a = part->adapter;

    if (bus_pairing_part_is(part, sd_bus_message_get_sender(m)))
        return sd_bus_reply_method_return(m, NULL);
    if (bus_pairing_part_taken(part)) {
        struct pairing_person p = bus_pairing_part_person(part);
        return bus_error_set(error, BUS_BUSY, "%s of %s is %s.", part->name, a->name,
                             p.owner    ? p.owner->who
                             : p.client ? p.client->name
                                        : "a client that is leaving");
    }
    if (!bus_owner_is_daemon(owner)) {
        int r = sd_bus_reply_method_return(m, NULL);
        if (r >= 0)
            bus_thing_add(&part->thing, owner, part->kind);
        return r < 0 ? r : 1;
    }
    struct bus_call *call;
    int r = bus_call_new(a, m, &PRESENCE, true, &call, error);
    if (r < 0)
        return r;
    ((struct presence *)call)->part = part;
    part->presence = call;
    bus_call_reply(call, "");
    return 1;
}

void bus_pairing_part_end(struct pairing_part *part)
{
    if (!bus_pairing_part_taken(part))
        return;
    bus_thing_remove(&part->thing);
    if (part->presence)
        bus_call_free(part->presence);
    part->left(part);
}

void bus_pairing_send(struct bus_adapter *a, const struct pairing_person *to, sd_bus_message **m)
{
    (void)sd_bus_message_sensitive(*m);
    if (to->owner) {
        bus_signal_send(a, bus_owner_bit(to->owner), m);
        return;
    }
    if (sd_bus_send_to(a->bus->sd, *m, to->client->name, NULL) < 0)
        a->bus->signals_failed++;
    else
        a->bus->signals_sent++;
    *m = sd_bus_message_unref(*m);
}
