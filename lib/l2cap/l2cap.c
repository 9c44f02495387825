/* SPDX-License-Identifier: MIT */

/*
 * The connections, and the signalling channel of each (Core 5.4, Vol 3, Part A, 4): what comes on
 * it goes to the file that it concerns, what goes out has an identifier of one sequence.
 *
 * A connection is in `sending` while anything on it waits for room: commands of ours, answers that
 * may not be lost, credits, frames. bl_l2cap_step() costs the others nothing. Where it is memory
 * that is missing no input may ever come that tries again, so a timer does.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "base/wr.h"
#include "bounds.h"

#include <errno.h>
#include <stdlib.h>

#define L2CAP_RETRY_US 100000u /* after memory was missing */

int bl_l2cap_init(struct bl_l2cap *l, struct bl_hci *hci, const struct bl_env *env,
                  struct bl_evq *events, const struct bl_config *config)
{
    *l = (struct bl_l2cap){
        .hci = hci, .env = env, .events = events, .config = config, .retry_at = TIMERQ_NEVER};
    list_init(&l->sending);
    return 0;
}

struct bl_l2cap_conn *l2cap_conn(const struct bl_l2cap *l, uint16_t conn)
{
    if (l->recent && l->recent->conn == conn)
        return l->recent;
    for (unsigned i = 0; i < l->count; i++)
        if (l->table[i]->conn == conn)
            return l->table[i];
    return NULL;
}

void l2cap_sending(struct bl_l2cap_conn *c)
{
    if (list_empty(&c->sending))
        list_append(&c->l->sending, &c->sending);
}

/* ---- life ---- */

int bl_l2cap_open(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t handle)
{
    struct bl_l2cap_conn *c = l->count < BL_MAX_LINKS ? calloc(1, sizeof(*c)) : NULL;

    (void)now;
    if (!c)
        return -ENOMEM;
    c->l = l;
    c->conn = conn;
    c->handle = handle;
    c->last_cid = BL_L2CAP_CID_MAX;
    list_init(&c->sending);
    list_init(&c->due);
    list_init(&c->requests);
    list_init(&c->asked);
    list_init(&c->turns);
    list_init(&c->home);
    list_init(&c->kept);
    l->table[l->count++] = c;
    return 0;
}

static void conn_free(struct bl_l2cap_conn *c)
{
    l2cap_asked_free_all(c);
    for (size_t i = 0; i < ARRAY_LEN(c->channels); i++)
        if (c->channels[i])
            l2cap_channel_free(c->channels[i]);
    list_remove(&c->sending);
    if (c->credits) {
        c->credits->home = NULL; /* lib/hci frees it, if it has it */
        buf_free_all(&c->kept);
    }
    free(c);
}

void bl_l2cap_close(struct bl_l2cap *l, uint64_t now, uint16_t conn, bl_status status)
{
    unsigned i = 0;

    while (i < l->count && l->table[i]->conn != conn)
        i++;
    if (i == l->count)
        return;
    struct bl_l2cap_conn *c = l->table[i];
    l->table[i] = l->table[--l->count];
    if (l->recent == c)
        l->recent = NULL;
    l2cap_requests_end(c, now, status);
    l2cap_asked_free_all(c);
    for (i = 0; i < ARRAY_LEN(c->channels); i++)
        if (c->channels[i] && c->channels[i]->state != L2CAP_ENDED)
            l2cap_channel_ended(c->channels[i], now, status);
    conn_free(c);
    if (l->count == 0) { /* nothing is left to be tried again */
        l->starved = false;
        l->retry_at = TIMERQ_NEVER;
    }
}

void bl_l2cap_reset(struct bl_l2cap *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->listeners); i++) {
        free(l->listeners[i]);
        l->listeners[i] = NULL;
    }
    l->starved = false;
    l->retry_at = TIMERQ_NEVER;
}

void bl_l2cap_deinit(struct bl_l2cap *l)
{
    while (l->count > 0)
        bl_l2cap_close(l, 0, l->table[0]->conn, BL_NOT_ACTIVE);
    bl_l2cap_reset(l);
}

void bl_l2cap_set_security(struct bl_l2cap *l, uint16_t conn,
                           const struct bl_l2cap_security *security)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);

    if (c)
        c->security = *security;
}

/* ---- out ---- */

/* Credits are given all the time, and should need no memory for that. */
static struct buf *command_buf(struct bl_l2cap_conn *c, uint8_t code)
{
    struct list *kept = code == BL_SIG_CREDITS ? list_pop(&c->kept) : NULL;
    struct buf *b = kept ? list_entry(kept, struct buf, link) : buf_new(4 + BL_SIG_MTU);

    if (b && code == BL_SIG_CREDITS && !c->credits) {
        c->credits = b;
        b->home = &c->kept;
    }
    return b;
}

int l2cap_command(struct bl_l2cap_conn *c, const struct bl_sig *sig)
{
    struct bl_l2cap *l = c->l;
    struct buf *b = command_buf(c, sig->code);

    if (!b) {
        l->starved = true;
        return -ENOMEM;
    }
    struct wr w = wr_make(b->data, b->cap);
    size_t n = bl_l2cap_sig_build(sig, b->data + 4, b->cap - 4);
    wr_u16(&w, (uint16_t)n);
    wr_u16(&w, BL_L2CAP_SIGNALING_CID);
    b->len = 4 + n;
    l->commands++;
    return bl_hci_send(l->hci, c->handle, b);
}

bool l2cap_answer(struct bl_l2cap_conn *c, const struct bl_sig *sig)
{
    if (l2cap_command(c, sig) == 0)
        return true;
    c->l->counters[BL_L2CAP_N_SIGNALS_DROPPED]++;
    return false;
}

int bl_l2cap_sig_send(struct bl_l2cap *l, uint16_t conn, const struct bl_sig *sig)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    int r = c ? l2cap_command(c, sig) : -ENOTCONN;

    if (r < 0)
        l->counters[BL_L2CAP_N_SIGNALS_DROPPED]++;
    return r;
}

static bool id_is_taken(const struct bl_l2cap_conn *c, uint8_t id)
{
    if (id == 0 || id == c->lent_id || l2cap_request_has_id(c, id))
        return true;
    for (size_t i = 0; c->n_channels > 0 && i < ARRAY_LEN(c->channels); i++)
        if (c->channels[i] && c->channels[i]->disconnect == L2CAP_DUE_SENT &&
            c->channels[i]->disconnect_id == id)
            return true;
    return false;
}

/* In turn, so that one that has ended is not soon another's: Core 5.4, Vol 3, Part A, 4. From 129
 * on, as long as one of these is free: Linux takes 1 to 128 for its own, and where a channel that
 * we asked for has the identifier of its request it takes our answer for that channel's. */
uint8_t l2cap_next_id(struct bl_l2cap_conn *c)
{
    for (unsigned i = L2CAP_ID_FIRST; i <= UINT8_MAX; i++) {
        bool again = c->last_id < L2CAP_ID_FIRST || c->last_id == UINT8_MAX;
        c->last_id = again ? L2CAP_ID_FIRST : (uint8_t)(c->last_id + 1);
        if (!id_is_taken(c, c->last_id))
            return c->last_id;
    }
    for (unsigned id = 1; id < L2CAP_ID_FIRST; id++)
        if (!id_is_taken(c, (uint8_t)id))
            return c->last_id = (uint8_t)id;
    return 0;
}

uint8_t bl_l2cap_sig_id(struct bl_l2cap *l, uint16_t conn)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);

    if (!c)
        return 0;
    c->lent_id = l2cap_next_id(c);
    return c->lent_id;
}

/* ---- in ---- */

static bool signal_command(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    switch ((enum bl_sig_code)sig->code) {
    case BL_SIG_LE_CONNECTION_REQ:
    case BL_SIG_ENHANCED_REQ:
        l2cap_on_connection_request(c, now, sig);
        break;
    case BL_SIG_RECONFIGURE_REQ:
        l2cap_on_reconfigure_request(c, now, sig);
        break;
    case BL_SIG_DISCONNECTION_REQ:
        l2cap_on_disconnection_request(c, now, sig);
        break;
    case BL_SIG_CREDITS:
        l2cap_on_credits(c, now, sig);
        break;
    case BL_SIG_DISCONNECTION_RSP:
    case BL_SIG_LE_CONNECTION_RSP:
    case BL_SIG_ENHANCED_RSP:
    case BL_SIG_RECONFIGURE_RSP:
        if (!l2cap_on_response(c, now, sig))
            c->l->counters[BL_L2CAP_N_SIGNALS_BAD]++;
        break;
    case BL_SIG_REJECT:
        return !l2cap_on_response(c, now, sig);
    case BL_SIG_PARAM_UPDATE_REQ:
    case BL_SIG_PARAM_UPDATE_RSP:
        return true;
    }
    return false;
}

bool bl_l2cap_signal(struct bl_l2cap *l, uint64_t now, uint16_t conn, const uint8_t *data, size_t n,
                     struct bl_sig *ret)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    struct bl_sig sig;

    if (!c)
        return false;
    switch (bl_l2cap_sig_parse(data, n, &sig)) {
    case BL_SIG_OK:
        if (!signal_command(c, now, &sig))
            return false;
        *ret = sig;
        return true;
    case BL_SIG_SEND_REJECT:
        l->counters[BL_L2CAP_N_SIGNALS_BAD]++;
        l2cap_answer(c, &sig);
        break;
    case BL_SIG_IGNORE:
        l->counters[BL_L2CAP_N_SIGNALS_BAD]++;
        break;
    }
    return false;
}

void bl_l2cap_pdu(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t cid,
                  const uint8_t *data, size_t n)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    struct l2cap_channel *ch = c ? l2cap_channel_find(c, cid) : NULL;

    l->recent = c;
    if (ch && (ch->state == L2CAP_OPEN || ch->state == L2CAP_DRAINING)) {
        const char *why = l2cap_rx_frame(ch, now, data, n);
        if (why)
            l2cap_channel_break(ch, now, why);
    } else if (!ch || ch->state != L2CAP_DISCONNECTING) {
        l->counters[BL_L2CAP_N_STRAY]++;
    }
}

/* ---- turns and time ---- */

/* Each of its channels that has something to do, once. */
static void conn_channels(struct bl_l2cap_conn *c, uint64_t now)
{
    struct list due = c->due;

    if (list_empty(&c->due))
        return;
    due.next->prev = due.prev->next = &due;
    list_init(&c->due);
    while (!list_empty(&due)) {
        struct l2cap_channel *ch = list_entry(list_pop(&due), struct l2cap_channel, sending);
        if (!l2cap_disconnect_send(ch, now))
            l2cap_channel_due(ch);
        if (ch->rx.give)
            l2cap_rx_give(ch, now);
    }
}

static void conn_turn(struct bl_l2cap_conn *c, uint64_t now)
{
    bool all = list_empty(&c->asked) || l2cap_asked_send(c, now);

    all = (list_empty(&c->requests) || l2cap_requests_send(c, now)) && all;
    conn_channels(c, now);
    if (all && list_empty(&c->due) && l2cap_tx_idle(c))
        list_remove(&c->sending);
}

void bl_l2cap_step(struct bl_l2cap *l, uint64_t now)
{
    list_each(node, next, &l->sending)
    {
        conn_turn(list_entry(node, struct bl_l2cap_conn, sending), now);
    }
    if (l->starved)
        l->retry_at = now + L2CAP_RETRY_US;
    l->starved = false;
}

bool bl_l2cap_fill(struct bl_l2cap *l, uint64_t now)
{
    unsigned n = 0, commands = l->commands;

    list_each(node, next, &l->sending)
    {
        n += l2cap_tx_fill(list_entry(node, struct bl_l2cap_conn, sending), now);
    }
    return n > 0 || l->commands != commands;
}

uint64_t bl_l2cap_deadline(const struct bl_l2cap *l)
{
    uint64_t a = timerq_next(&l->timers), b = timerq_next(&l->request_timers);

    if (l->starved)
        return 0; /* outside of a step, which says when it is tried again */
    a = a < b ? a : b;
    return a < l->retry_at ? a : l->retry_at;
}

void bl_l2cap_tick(struct bl_l2cap *l, uint64_t now)
{
    struct timer *t; /* the first member of what it belongs to */

    while ((t = timerq_pop(&l->request_timers, now)))
        l2cap_request_expired(l, now, (struct l2cap_request *)(void *)t);
    while ((t = timerq_pop(&l->timers, now)))
        l2cap_channel_expired(l, now, (struct l2cap_channel *)(void *)t);
    if (l->retry_at <= now)
        l->retry_at = TIMERQ_NEVER; /* the step that follows tries again */
}

bool bl_l2cap_count(const struct bl_l2cap *l, size_t index, const char **ret_name,
                    uint64_t *ret_value)
{
    static const char *const names[BL_L2CAP_COUNTERS] = {
        [BL_L2CAP_N_SIGNALS_BAD] = "signals-bad",  [BL_L2CAP_N_SIGNALS_DROPPED] = "signals-dropped",
        [BL_L2CAP_N_OPENED] = "channels-opened",   [BL_L2CAP_N_REFUSED] = "channels-refused",
        [BL_L2CAP_N_BROKEN] = "channels-broken",   [BL_L2CAP_N_STRAY] = "channels-stray",
        [BL_L2CAP_N_TX_SDUS] = "channels-tx-sdus", [BL_L2CAP_N_RX_SDUS] = "channels-rx-sdus",
    };

    if (index >= ARRAY_LEN(names))
        return false;
    *ret_name = names[index];
    *ret_value = l->counters[index];
    return true;
}
