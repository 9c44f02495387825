/* SPDX-License-Identifier: MIT */

/*
 * pairing_prompt: what people have to do in a pairing, and which client asks them.
 *
 *     BL_EV_PASSKEY --> Pair's `passkey` answers it
 *                   --> PasskeyAction to one client --> open --> Passkey | 30 s | the client goes
 *                   --> nobody is there: refused at once
 *     open --> the pairing or the connection ends: closed
 *
 * Asked is the caller of Pair, as long as it is on the bus; else the connection's owner if it is
 * attached; else the attendant. That client alone hears of it: passkeys are never broadcast. Who
 * may answer is another question: of an attached client's prompt, that client; of another one's,
 * any permitted caller, as with everything that is the daemon's.
 *
 * Answers name no question, only a connection and an action. A "yes" that was on its way when the
 * pairing failed must not answer the next one. So a client that has been asked on this connection
 * before is sent a Ping ahead of the question (org.freedesktop.DBus.Peer, which its library
 * answers): what arrives before its reply was sent before the question could be read. And whoever
 * was asked before and is not now answers nothing.
 */

#include "conn.h"
#include "pairing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    PASSKEYS = 1000000,
    PROMPT_US = 30000000, /* a person must act */
};

static const char *prompt_text(enum bl_passkey_action action)
{
    switch (action) {
    case BL_PASSKEY_INPUT:
        return "input (2)";
    case BL_PASSKEY_DISPLAY:
        return "display (3)";
    case BL_PASSKEY_COMPARE:
        return "numeric comparison (4)";
    case BL_PASSKEY_NONE:
        break;
    }
    return "nothing";
}

static void prompt_free(struct pairing_prompt *p)
{
    bus_timer_cancel(p->adapter, &p->timer);
    bus_thing_remove(&p->thing);
    list_remove(&p->link);
    sd_bus_slot_unref(p->fence);
    free(p->not_from);
    free(p);
}

static void prompt_refuse(struct pairing_prompt *p)
{
    struct bus_adapter *a = p->adapter;
    uint16_t conn = p->conn;

    prompt_free(p);
    (void)bl_passkey_refuse(a->host, bus_now(a), conn);
    bus_kick(a);
}

static void prompt_late(struct bus_timer *t, uint64_t now)
{
    (void)now;
    prompt_refuse(list_entry(t, struct pairing_prompt, timer));
}

static void prompt_release(struct bus_thing *thing)
{
    prompt_refuse(list_entry(thing, struct pairing_prompt, thing));
}

static const struct bus_thing_kind PROMPT = {
    .holds = "passkey requests",
    .rank = BUS_RANK_REQUEST,
    .release = prompt_release,
};

static struct pairing_prompt *prompt_find(const struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &pairing_of(a)->prompts)
    {
        struct pairing_prompt *p = list_entry(l, struct pairing_prompt, link);
        if (p->conn == conn)
            return p;
    }
    return NULL;
}

void bus_pairing_prompt_over(struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &pairing_of(a)->prompts)
    {
        struct pairing_prompt *p = list_entry(l, struct pairing_prompt, link);
        if (conn == 0 || p->conn == conn)
            prompt_free(p);
    }
}

static struct pairing_asked *asked_find(const struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &pairing_of(a)->asked)
    {
        struct pairing_asked *q = list_entry(l, struct pairing_asked, link);
        if (q->conn == conn)
            return q;
    }
    return NULL;
}

static void asked_free(struct pairing_asked *q)
{
    list_remove(&q->link);
    free(q->client);
    free(q);
}

void bus_pairing_prompt_forget(struct bus_adapter *a, uint16_t conn)
{
    bus_pairing_prompt_over(a, conn);
    list_each(l, next, &pairing_of(a)->asked)
    {
        struct pairing_asked *q = list_entry(l, struct pairing_asked, link);
        if (conn == 0 || q->conn == conn)
            asked_free(q);
    }
}

void bus_pairing_prompt_call_gone(struct pair_call *call)
{
    list_each(l, next, &pairing_of(call->call.adapter)->prompts)
    {
        struct pairing_prompt *p = list_entry(l, struct pairing_prompt, link);
        if (p->call == call)
            prompt_refuse(p);
    }
}

void bus_pairing_attendant_left(struct pairing_part *part)
{
    list_each(l, next, &pairing_of(part->adapter)->prompts)
    {
        struct pairing_prompt *p = list_entry(l, struct pairing_prompt, link);
        if (p->attendant)
            prompt_refuse(p);
    }
}

static void attendant_release(struct bus_thing *thing)
{
    bus_pairing_part_end(list_entry(thing, struct pairing_part, thing));
}

const struct bus_thing_kind bus_pairing_attendant_kind = {
    .holds = "attendant",
    .rank = BUS_RANK_LISTENER,
    .release = attendant_release,
};

/* ---- who is asked ---- */

struct asked {
    struct pairing_person person; /* client NULL: nobody */
    struct pair_call *call;
    bool attendant;
};

static struct pair_call *pair_of(const struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &pairing_of(a)->pairs)
    {
        struct pair_call *c = list_entry(l, struct pair_call, call.waiting);
        if (c->conn == conn)
            return c;
    }
    return NULL;
}

static bool person_there(const struct pairing_person *p)
{
    return p->client && !p->client->gone && !(p->owner && p->owner->ending);
}

static struct asked prompt_whom(struct bus_adapter *a, uint16_t conn, struct pair_call *call)
{
    struct asked who = {.call = call};

    if (call) {
        struct bus_owner *o = call->call.owner;
        who.person.owner = o && !bus_owner_is_daemon(o) ? o : NULL;
        who.person.client = call->call.client;
        if (person_there(&who.person))
            return who;
        who = (struct asked){0};
    }
    struct bus_conn *c = bus_conn_find(a, conn, NULL);
    struct bus_owner *owner = c ? bus_conn_owner(c) : a->owners[0];
    if (!bus_owner_is_daemon(owner)) {
        who.person = (struct pairing_person){owner, owner->client};
        if (person_there(&who.person))
            return who;
    }
    who.person = bus_pairing_part_person(&pairing_of(a)->attendant);
    who.attendant = true;
    if (!person_there(&who.person))
        who = (struct asked){0};
    return who;
}

static int prompt_tell(struct bus_adapter *a, const struct asked *who, uint16_t conn,
                       enum bl_passkey_action action, uint32_t passkey)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = bus_signal_new(a, NULL, PAIRING_INTERFACE, "PasskeyAction", &m);

    if (r >= 0)
        r = sd_bus_message_append(m, "qyu", conn, (int)action, passkey);
    if (r >= 0)
        bus_pairing_send(a, &who->person, &m);
    return r;
}

/* Every number from 0 to 999999 equally likely: what is over the last whole million is thrown away.
 */
static int prompt_draw(uint32_t *ret)
{
    uint32_t v;

    do {
        if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
            return -EIO;
    } while (v >= UINT32_MAX / PASSKEYS * PASSKEYS);
    *ret = v % PASSKEYS;
    return 0;
}

/* The number is known without asking; who is there is told what to show. */
static int prompt_answer(struct bus_adapter *a, const struct asked *who, const struct bl_event *e,
                         uint32_t passkey)
{
    enum bl_passkey_action action = (enum bl_passkey_action)e->passkey.action;
    int r = 0;

    if (action == BL_PASSKEY_DISPLAY && who->person.client)
        r = prompt_tell(a, who, e->passkey.conn, action, passkey);
    if (r >= 0)
        r = bl_passkey(a->host, bus_now(a), e->passkey.conn, action, passkey);
    return r;
}

/* An error is an answer as well: then the bus does not let us ask. */
static int on_fence(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct pairing_prompt *p = userdata;

    (void)m, (void)error;
    p->fence = sd_bus_slot_unref(p->fence);
    return 1;
}

/* Keeps what was meant for the question before away from this one, and notes who is asked. */
static int prompt_fence(struct pairing_prompt *p, const char *client)
{
    struct bus_adapter *a = p->adapter;
    struct pairing_asked *q = asked_find(a, p->conn);

    if (!q) {
        q = calloc(1, sizeof(*q));
        if (!q)
            return -ENOMEM;
        q->conn = p->conn;
        list_append(&pairing_of(a)->asked, &q->link);
    } else if (q->client && strcmp(q->client, client) == 0) {
        return sd_bus_call_method_async(a->bus->sd, &p->fence, client, "/",
                                        "org.freedesktop.DBus.Peer", "Ping", on_fence, p, NULL);
    }
    p->not_from = q->client;
    q->client = strdup(client);
    return q->client ? 0 : -ENOMEM;
}

static int prompt_ask(struct bus_adapter *a, const struct asked *who, const struct bl_event *e)
{
    struct pairing_prompt *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->adapter = a;
    p->conn = e->passkey.conn;
    p->action = (enum bl_passkey_action)e->passkey.action;
    p->call = who->call;
    p->attendant = who->attendant;
    p->timer.fire = prompt_late;
    list_append(&pairing_of(a)->prompts, &p->link);
    if (who->person.owner)
        bus_thing_add(&p->thing, who->person.owner, &PROMPT);
    bus_timer_set(a, &p->timer, bus_now(a) + PROMPT_US);
    int r = prompt_fence(p, who->person.client->name);
    if (r >= 0)
        r = prompt_tell(a, who, p->conn, p->action, e->passkey.passkey);
    if (r < 0)
        prompt_free(p);
    else
        bus_log(a->bus, BL_LOG_DEBUG, "%s: connection %u: pairing asks %s for %s", a->name,
                e->passkey.conn,
                who->person.owner ? who->person.owner->who : who->person.client->name,
                prompt_text((enum bl_passkey_action)e->passkey.action));
    return r;
}

/* The attendant wants to be told numbers, in whatever part it is asked. */
static bool prompt_draws(const struct pairing *p, const struct asked *who)
{
    return p->draw && who->person.client &&
           bus_pairing_part_is(&p->attendant, who->person.client->name);
}

void bus_pairing_on_passkey(struct bus_adapter *a, const struct bl_event *e)
{
    struct pairing *state = pairing_of(a);
    uint16_t conn = e->passkey.conn;
    struct pair_call *call = pair_of(a, conn);
    struct asked who = prompt_whom(a, conn, call);
    bool number = e->passkey.action != BL_PASSKEY_COMPARE;
    uint32_t passkey = 0;
    int r = -ENOENT;

    bus_pairing_prompt_over(a, conn);
    if (call && call->has_passkey && number) {
        r = prompt_answer(a, &who, e, call->passkey);
    } else if (e->passkey.action == BL_PASSKEY_DISPLAY && prompt_draws(state, &who)) {
        r = prompt_draw(&passkey);
        if (r >= 0)
            r = prompt_answer(a, &who, e, passkey);
    } else if (who.person.client) {
        r = prompt_ask(a, &who, e);
    }
    if (r < 0) {
        bus_log(a->bus, BL_LOG_INFO, "%s: connection %u: pairing asks for %s and %s: refused",
                a->name, conn, prompt_text((enum bl_passkey_action)e->passkey.action),
                r == -ENOENT ? "nobody is there to answer" : "nobody can be asked");
        (void)bl_passkey_refuse(a->host, bus_now(a), conn);
    }
    bus_kick(a);
}

/* How far the peer's person is, for who shows the number. */
void bus_pairing_on_keypress(struct bus_adapter *a, const struct bl_event *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    uint16_t conn = e->keypress.conn;
    struct asked who = prompt_whom(a, conn, pair_of(a, conn));

    if (!who.person.client)
        return;
    int r = bus_signal_new(a, NULL, PAIRING_INTERFACE, "KeypressReceived", &m);
    if (r >= 0)
        r = sd_bus_message_append(m, "qy", conn, (int)e->keypress.type);
    if (r >= 0)
        bus_pairing_send(a, &who.person, &m);
}

/* ---- methods ---- */

static int passkey_check(uint8_t action, uint32_t passkey, sd_bus_error *error)
{
    if (action > BL_PASSKEY_COMPARE || action == 1)
        return bus_error_invalid(error,
                                 "action %u is none: 0 none, 2 input, 3 display, 4 numeric "
                                 "comparison.",
                                 action);
    if (action == BL_PASSKEY_COMPARE && passkey > 1)
        return bus_error_invalid(
            error, "With numeric comparison passkey is 1 (they are equal) or 0 (refuse).");
    if (passkey >= PASSKEYS)
        return bus_error_invalid(error, "A passkey is not above 999999.");
    return 0;
}

/* What is asked on this connection, by whoever may answer it; NULL with error set. */
static struct pairing_prompt *prompt_get(struct bus_adapter *a, sd_bus_message *m,
                                         const struct bus_owner *caller, uint16_t conn,
                                         sd_bus_error *error)
{
    const char *sender = sd_bus_message_get_sender(m);
    char what[64];

    if (!bus_conn_find(a, conn, error))
        return NULL;
    struct pairing_prompt *p = prompt_find(a, conn);
    if (!p) {
        bus_error_set(error, BUS_NOT_FOUND,
                      "Nothing is asked on connection %u, or the time to answer is over.", conn);
        return NULL;
    }
    snprintf(what, sizeof(what), "The passkey request of connection %u", conn);
    if (bus_owner_may(caller, p->thing.owner ? p->thing.owner : a->owners[0], what, error) < 0)
        return NULL;
    if (p->fence || (p->not_from && sender && strcmp(p->not_from, sender) == 0)) {
        bus_error_set(error, BUS_NOT_FOUND,
                      "What was asked on connection %u before is over, and this came too early for "
                      "what is asked now.",
                      conn);
        return NULL;
    }
    return p;
}

int bus_pairing_method_passkey(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint32_t passkey;
    uint16_t conn;
    uint8_t action;

    int r = bus_enter(a, m, bus_pairing_method_passkey, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qyu", &conn, &action, &passkey);
    if (r >= 0)
        r = passkey_check(action, passkey, error);
    if (r < 0)
        return r;
    struct pairing_prompt *p = prompt_get(a, m, owner, conn, error);
    if (!p)
        return -ENOENT;
    if (p->action != (enum bl_passkey_action)action)
        return bus_error_set(error, BUS_NOT_FOUND, "What is asked on connection %u is %s.", conn,
                             prompt_text(p->action));
    r = bl_passkey(a->host, bus_now(a), conn, (enum bl_passkey_action)action, passkey);
    explicit_bzero(&passkey, sizeof(passkey));
    prompt_free(p);
    bus_kick(a);
    if (r < 0)
        return bus_error_errno(error, r, "the passkey of connection %u", conn);
    return sd_bus_reply_method_return(m, NULL);
}

int bus_pairing_method_keypress(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t conn;
    uint8_t type;

    int r = bus_enter(a, m, bus_pairing_method_keypress, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qy", &conn, &type);
    if (r < 0)
        return r;
    if (type > 4) /* Core 5.4, Vol 3, Part H, 3.5.8 */
        return bus_error_invalid(error,
                                 "type %u is none: 0 started, 1 digit entered, 2 digit "
                                 "erased, 3 cleared, 4 completed.",
                                 type);
    const struct pairing_prompt *p = prompt_get(a, m, owner, conn, error);
    if (!p)
        return -ENOENT;
    if (p->action != BL_PASSKEY_INPUT)
        return bus_error_set(error, BUS_NOT_FOUND, "What is asked on connection %u is %s.", conn,
                             prompt_text(p->action));
    r = bl_keypress(a->host, bus_now(a), conn, type);
    bus_kick(a);
    if (r < 0)
        return bus_error_errno(error, r, "a key pressed on connection %u", conn);
    return sd_bus_reply_method_return(m, NULL);
}

struct attend_opts {
    struct bus_opts head;
    bool draw;
};

static const struct bus_opt ATTEND_OPTS[] = {
    {"draw", "b", offsetof(struct attend_opts, draw), 0, 0, NULL},
};

int bus_pairing_method_attend(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct attend_opts o = {0};
    struct bus_owner *owner;

    int r = bus_enter(a, m, bus_pairing_method_attend, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, ATTEND_OPTS, ARRAY_LEN(ATTEND_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_pairing_part_take(&pairing_of(a)->attendant, owner, m, error);
    if (r >= 0)
        pairing_of(a)->draw = o.draw;
    return r;
}
