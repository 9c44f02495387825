/* SPDX-License-Identifier: MIT */

/*
 * What the peer asks for: LE credit based and enhanced credit based connection requests (Core 5.4,
 * Vol 3, Part A, 4.22, 4.23, 4.25, 4.26), and who listens for them.
 *
 *     request --> refused as a whole: answered at once, nothing is kept
 *         |
 *         '--> ASKED, some of it perhaps refused: ACCEPT each, conn.asked
 *                 |  all decided (without authorize they are from the start)
 *                 '--> the response, as soon as there is room for it --> CONNECTED each, or gone
 *
 * A channel that waits here has no other events: one that is refused, whose listener goes or whose
 * link ends was never open.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "bounds.h"
#include "host.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LISTEN_MPS_MAX = 65533, /* Core 5.4, Vol 3, Part A, 4.22 */
    LISTEN_KEY_MAX = 16,
};

/* ---- listeners ---- */

int bl_l2cap_do_listen(struct bl_l2cap *l, const struct bl_l2cap_listen *params)
{
    if (params->psm == 0 || params->psm > BL_L2CAP_SPSM_MAX || params->mtu < BL_L2CAP_MTU_MIN ||
        params->security > BL_SECURITY_SC)
        return -EINVAL;
    if (l->listeners[params->psm])
        return -EEXIST;
    struct l2cap_listener *listener = malloc(sizeof(*listener));
    if (!listener)
        return -ENOMEM;
    *listener = (struct l2cap_listener){.psm = params->psm,
                                        .mtu = params->mtu,
                                        .security = params->security,
                                        .authorize = params->authorize};
    l->listeners[params->psm] = listener;
    return 0;
}

/* ---- answers ---- */

/* 4.26 has results for all channels of a request, and for some. */
static bool listen_result_of_some(uint16_t result)
{
    return result == BL_L2CAP_NO_RESOURCES || result == BL_L2CAP_INVALID_SOURCE_CID ||
           result == BL_L2CAP_SOURCE_CID_TAKEN;
}

/* The least that any of them may be given is what each begins with: there is one field for all. */
static uint16_t asked_credits(const struct l2cap_asked *a, const struct bl_l2cap_conn *c)
{
    uint16_t credits = UINT16_MAX;

    for (unsigned i = 0; i < a->n_cid; i++)
        if (a->cid[i] && l2cap_channel_find(c, a->cid[i])->rx.credits < credits)
            credits = l2cap_channel_find(c, a->cid[i])->rx.credits;
    return credits;
}

static struct bl_sig asked_response(const struct l2cap_asked *a, const struct bl_l2cap_conn *c)
{
    struct bl_sig sig = {.code = a->code == BL_SIG_ENHANCED_REQ ? BL_SIG_ENHANCED_RSP
                                                                : BL_SIG_LE_CONNECTION_RSP,
                         .identifier = a->id,
                         .channel = {.result = a->result, .n_cid = a->n_cid}};
    uint16_t credits = asked_credits(a, c);

    for (unsigned i = 0; i < a->n_cid; i++) {
        if (!a->cid[i])
            continue;
        struct l2cap_channel *ch = l2cap_channel_find(c, a->cid[i]);
        ch->rx.credits = credits;
        sig.channel.cid[i] = ch->cid;
        sig.channel.mtu = ch->our_mtu;
        sig.channel.mps = ch->our_mps;
        sig.channel.credits = credits;
        if (sig.channel.result && !listen_result_of_some(sig.channel.result))
            sig.channel.result = BL_L2CAP_NO_RESOURCES;
    }
    return sig;
}

static void asked_free(struct l2cap_asked *a)
{
    list_remove(&a->link);
    free(a);
}

/* Answers what is decided, and has room. False: has not. */
static bool asked_answer(struct bl_l2cap_conn *c, uint64_t now, struct l2cap_asked *a)
{
    for (unsigned i = 0; i < a->n_cid; i++)
        if (a->request[i])
            return true;
    const struct bl_sig sig = asked_response(a, c);
    if (l2cap_command(c, &sig) < 0)
        return false;
    for (unsigned i = 0; i < a->n_cid; i++)
        if (a->cid[i])
            l2cap_channel_opened(l2cap_channel_find(c, a->cid[i]), now, 0);
    asked_free(a);
    return true;
}

bool l2cap_asked_send(struct bl_l2cap_conn *c, uint64_t now)
{
    list_each(l, next, &c->asked)
    {
        if (!asked_answer(c, now, list_entry(l, struct l2cap_asked, link)))
            return false;
    }
    return true;
}

static void asked_decide(struct bl_l2cap_conn *c, struct l2cap_asked *a, unsigned i,
                         uint16_t result)
{
    a->request[i] = 0;
    c->n_asked--;
    if (result == BL_L2CAP_SUCCESS)
        return;
    l2cap_channel_free(l2cap_channel_find(c, a->cid[i]));
    a->cid[i] = 0;
    a->result = result;
    c->l->counters[BL_L2CAP_N_REFUSED]++;
}

void l2cap_asked_free_all(struct bl_l2cap_conn *c)
{
    list_each(l, next, &c->asked)
    {
        struct l2cap_asked *a = list_entry(l, struct l2cap_asked, link);
        for (unsigned i = 0; i < a->n_cid; i++)
            if (a->cid[i])
                l2cap_channel_free(l2cap_channel_find(c, a->cid[i]));
        asked_free(a);
    }
    c->n_asked = 0;
}

/* Which result a refusal may give: those of both tables, 4.23 and 4.26; the last of the enhanced
 * ones' has no place in the other. */
static bool listen_may_refuse_with(uint8_t code, uint16_t result)
{
    uint16_t last = code == BL_SIG_ENHANCED_REQ ? BL_L2CAP_INVALID_PARAMETERS
                                                : BL_L2CAP_UNACCEPTABLE_PARAMETERS;

    return result == BL_L2CAP_SPSM_NOT_SUPPORTED ||
           (result >= BL_L2CAP_NO_RESOURCES && result <= last);
}

int bl_l2cap_do_reply(struct bl_l2cap *l, uint64_t now, uint32_t request, uint16_t result)
{
    if (result != BL_L2CAP_SUCCESS && !listen_may_refuse_with(BL_SIG_ENHANCED_REQ, result))
        return -EINVAL; /* whatever the request */
    for (unsigned k = 0; request != 0 && k < l->count; k++) {
        struct bl_l2cap_conn *c = l->table[k];
        list_each(node, next, &c->asked)
        {
            struct l2cap_asked *a = list_entry(node, struct l2cap_asked, link);
            for (unsigned i = 0; i < a->n_cid; i++) {
                if (a->request[i] != request)
                    continue;
                if (result != BL_L2CAP_SUCCESS && !listen_may_refuse_with(a->code, result))
                    return -EINVAL;
                asked_decide(c, a, i, result);
                if (!asked_answer(c, now, a))
                    l2cap_sending(c);
                return 0;
            }
        }
    }
    return -ENOENT;
}

static void asked_unlisten(struct bl_l2cap_conn *c, uint64_t now, uint16_t psm)
{
    list_each(node, next, &c->asked)
    {
        struct l2cap_asked *a = list_entry(node, struct l2cap_asked, link);
        for (unsigned i = 0; a->psm == psm && i < a->n_cid; i++)
            if (a->request[i])
                asked_decide(c, a, i, BL_L2CAP_SPSM_NOT_SUPPORTED);
        if (a->psm == psm && !asked_answer(c, now, a))
            l2cap_sending(c);
    }
}

int bl_l2cap_do_unlisten(struct bl_l2cap *l, uint64_t now, uint16_t psm)
{
    if (psm > BL_L2CAP_SPSM_MAX || !l->listeners[psm])
        return -ENOENT;
    free(l->listeners[psm]);
    l->listeners[psm] = NULL;
    for (unsigned k = 0; k < l->count; k++)
        asked_unlisten(l->table[k], now, psm);
    return 0;
}

/* ---- requests ---- */

/* Core 5.4, Vol 3, Part C, 10.3.1, table 10.2, and 10.2.1 for the levels. */
static uint16_t listen_security(const struct bl_l2cap_conn *c, uint8_t level)
{
    const struct bl_l2cap_security *has = &c->security;
    uint8_t least = c->l->config->min_key_size ? c->l->config->min_key_size : LISTEN_KEY_MAX;

    if (level < BL_SECURITY_ENCRYPTED)
        return BL_L2CAP_SUCCESS;
    if (!has->encrypted)
        return has->has_ltk ? BL_L2CAP_INSUFFICIENT_ENCRYPTION
                            : BL_L2CAP_INSUFFICIENT_AUTHENTICATION;
    if (level >= BL_SECURITY_AUTHENTICATED && !has->authenticated)
        return BL_L2CAP_INSUFFICIENT_AUTHENTICATION;
    if (level == BL_SECURITY_SC && !has->secure_connections)
        return BL_L2CAP_INSUFFICIENT_AUTHENTICATION;
    if (has->key_size < (level == BL_SECURITY_SC ? LISTEN_KEY_MAX : least))
        return BL_L2CAP_KEY_SIZE_TOO_SHORT;
    return BL_L2CAP_SUCCESS;
}

/* What is wrong with the whole request: the table of 4.23, or 4.26. */
static uint16_t listen_check(const struct bl_l2cap_conn *c, const struct bl_sig *sig)
{
    uint16_t spsm = sig->channel.spsm, mtu = sig->channel.mtu, mps = sig->channel.mps;
    const struct l2cap_listener *listener =
        spsm <= BL_L2CAP_SPSM_MAX ? c->l->listeners[spsm] : NULL;
    uint16_t result =
        listener ? listen_security(c, listener->security) : (uint16_t)BL_L2CAP_SPSM_NOT_SUPPORTED;

    if (result)
        return result;
    if (sig->code == BL_SIG_LE_CONNECTION_REQ) {
        if (mtu < BL_L2CAP_MTU_MIN || mps < BL_L2CAP_MTU_MIN || mps > LISTEN_MPS_MAX)
            return BL_L2CAP_UNACCEPTABLE_PARAMETERS;
        return BL_L2CAP_SUCCESS;
    }
    if (mtu < BL_L2CAP_MTU_MIN_ENHANCED || mps < BL_L2CAP_MTU_MIN_ENHANCED ||
        mps > LISTEN_MPS_MAX || sig->channel.credits == 0)
        return BL_L2CAP_INVALID_PARAMETERS; /* out of what 4.25 allows at all */
    return listener->mtu < BL_L2CAP_MTU_MIN_ENHANCED ? BL_L2CAP_UNACCEPTABLE_PARAMETERS
                                                     : BL_L2CAP_SUCCESS;
}

/* The i-th channel of a request that as a whole is well. */
static uint16_t listen_channel(struct bl_l2cap_conn *c, const struct bl_sig *sig, unsigned i,
                               uint16_t *ret_cid)
{
    const struct l2cap_listener *listener = c->l->listeners[sig->channel.spsm];
    uint16_t peer_cid = sig->channel.cid[i];
    int error;

    if (peer_cid < BL_L2CAP_CID_MIN || peer_cid > BL_L2CAP_CID_MAX)
        return BL_L2CAP_INVALID_SOURCE_CID;
    if (l2cap_channel_of_peer(c, peer_cid))
        return BL_L2CAP_SOURCE_CID_TAKEN;
    if (listener->authorize && c->n_asked + i >= BL_MAX_CHANNEL_REQUESTS)
        return BL_L2CAP_NO_RESOURCES;
    struct l2cap_channel *ch =
        l2cap_channel_new(c, listener->mtu, sig->code == BL_SIG_ENHANCED_REQ, &error);
    if (!ch)
        return BL_L2CAP_NO_RESOURCES;
    ch->state = L2CAP_ASKED;
    ch->incoming = true;
    ch->psm = sig->channel.spsm;
    ch->peer_cid = peer_cid;
    ch->peer_mtu = sig->channel.mtu;
    ch->peer_mps = sig->channel.mps;
    ch->tx.credits = sig->channel.credits;
    *ret_cid = ch->cid;
    return BL_L2CAP_SUCCESS;
}

static uint32_t listen_number(struct bl_l2cap *l)
{
    if (++l->last_request == 0)
        l->last_request = 1;
    return l->last_request;
}

static void listen_ask(struct bl_l2cap_conn *c, struct l2cap_asked *a, unsigned i, bool authorize)
{
    const struct l2cap_channel *ch = l2cap_channel_find(c, a->cid[i]);
    struct bl_event e = {.kind = BL_EV_L2CAP_ACCEPT,
                         .l2cap = {.conn = c->conn,
                                   .cid = ch->cid,
                                   .psm = ch->psm,
                                   .our_mtu = ch->our_mtu,
                                   .peer_mtu = ch->peer_mtu,
                                   .incoming = true}};

    if (authorize) {
        a->request[i] = listen_number(c->l);
        c->n_asked++;
    }
    e.l2cap.request = a->request[i];
    bl_evq_push(c->l->events, &e);
}

/* Destinations of zero for all, and no more said of us: 4.23, 4.26. */
static void listen_refuse(struct bl_l2cap_conn *c, const struct bl_sig *sig, uint16_t result)
{
    struct bl_sig answer;

    c->l->counters[BL_L2CAP_N_REFUSED] += sig->channel.n_cid;
    if (!bl_l2cap_sig_refuse(sig, &answer))
        return;
    answer.channel.result = result;
    l2cap_answer(c, &answer);
}

/* A request that is asked again before it has been answered has one answer. */
static bool listen_knows(const struct bl_l2cap_conn *c, uint8_t id)
{
    list_each(l, next, &c->asked)
    {
        if (list_entry(l, struct l2cap_asked, link)->id == id)
            return true;
    }
    return false;
}

void l2cap_on_connection_request(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    if (listen_knows(c, sig->identifier))
        return;
    uint16_t result = listen_check(c, sig);
    struct l2cap_asked *a = result ? NULL : calloc(1, sizeof(*a));
    if (!a) {
        listen_refuse(c, sig, result ? result : (uint16_t)BL_L2CAP_NO_RESOURCES);
        return;
    }
    bool authorize = c->l->listeners[sig->channel.spsm]->authorize;
    unsigned n = 0;
    *a = (struct l2cap_asked){.code = sig->code,
                              .id = sig->identifier,
                              .psm = sig->channel.spsm,
                              .n_cid = sig->channel.n_cid};
    list_init(&a->link);
    for (unsigned i = 0; i < a->n_cid; i++) {
        result = listen_channel(c, sig, i, &a->cid[i]);
        if (result)
            a->result = result;
        else
            n++;
    }
    if (n == 0) {
        listen_refuse(c, sig, a->result);
        asked_free(a);
        return;
    }
    c->l->counters[BL_L2CAP_N_REFUSED] += a->n_cid - n;
    list_append(&c->asked, &a->link);
    for (unsigned i = 0; i < a->n_cid; i++)
        if (a->cid[i])
            listen_ask(c, a, i, authorize);
    if (!asked_answer(c, now, a))
        l2cap_sending(c);
}
