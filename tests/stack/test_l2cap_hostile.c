/* SPDX-License-Identifier: MIT */

/*
 * A peer that does anything: good commands and frames, wrong ones, answers that are late, doubled
 * or nonsense, octets at random; against a host whose owner uses the whole facade at random too.
 * The peer keeps a model of what each channel may carry, and referees: every command of the host is
 * well formed and due, no frame goes without a credit or beyond what was agreed, and what is read
 * and what arrives is what was sent.
 *
 * BLED_HOSTILE: so many runs in place of a few.
 */

#include "l2cap_rig.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u

enum {
    PSM = 0x80, /* and 0x81, which asks; 0x82, for which the link is not good enough */
    A = 0,
    B = 1,
    SIGNALS = 5,
    CIDS = 0x80,
    STEPS = 3000,
    OPS = 8192,
    ANY = 0xff,
};

/* What the peer knows of a channel, by its own number. */
struct line {
    bool open, enhanced;
    bool leaving; /* our Disconnection Request is out */
    bool spoiled; /* we have broken a rule: no more good frames */
    uint16_t mine, theirs, mtu, mps, victim_mtu, victim_mps;
    uint32_t given; /* frames that the victim may send */
    uint32_t got;   /* that we may send */
    uint32_t seed;
    size_t in_cap, out_cap; /* of the streams, to the victim and from it */
    unsigned sent;          /* SDUs, whole */
    size_t at;              /* of the one that is being sent */
    unsigned heard;         /* SDUs from the victim, whole */
    size_t have, want;      /* of the one that is being heard; want 0: none */
    uint8_t *data;          /* of it */
};

/* What the victim's owner knows of one, by the victim's number. */
struct desk {
    uint32_t seed;
    size_t in_cap, out_cap;
    unsigned read, wrote;
    size_t at;
    unsigned good; /* SDUs; one after that was in the making when a rule was broken */
    bool known;
};

static struct {
    struct stack *s;
    struct bl_host *h;
    size_t victim;
    uint16_t conn;
    uint64_t random;
    struct line line[CIDS];
    struct desk desk[CIDS];
    uint8_t asked[256];     /* by our identifier: the code of what was asked, ANY, 0 */
    struct bl_sig ask[256]; /* what it was */
    struct bl_sig due[256]; /* by the victim's identifier: a request of its own; code 0: none */
    uint64_t due_since[256];
    uint8_t next_id;
    uint32_t seeds;
    bool starving; /* allocations of the host fail now and then */
    bool nonsense; /* an answer was none: the victim may close what we have not */
    bl_op op[OPS];
    unsigned n_ops;
    unsigned sdus_in, sdus_out, opened, ended;
} w;

static uint32_t draw(uint32_t below)
{
    w.random ^= w.random << 13;
    w.random ^= w.random >> 7;
    w.random ^= w.random << 17;
    return (uint32_t)((w.random >> 16) % below);
}

static bool once_in(uint32_t n)
{
    return draw(n) == 0;
}

/* Around whatever the host does. */
static void enter(void)
{
    if (w.starving && once_in(25))
        oom_fail_at(1 + draw(3));
}

static void leave(void)
{
    oom_off();
}

/* ---- the model ---- */

static void line_begin(const struct line *as)
{
    struct line *l = &w.line[as->mine];
    struct desk *d = &w.desk[as->theirs];

    free(l->data);
    *l = *as;
    l->open = true;
    l->seed = ++w.seeds * 2;
    l->in_cap = l->victim_mtu;
    l->out_cap = l->mtu;
    l->data = malloc((size_t)l->mtu + 1);
    stack_need(l->data);
    *d = (struct desk){.seed = l->seed,
                       .in_cap = l->in_cap,
                       .out_cap = l->out_cap,
                       .good = UINT32_MAX,
                       .known = true};
    w.opened++;
}

static void line_end(struct line *l)
{
    l->open = false;
    w.ended++;
}

static struct line *line_of(uint16_t theirs)
{
    for (unsigned i = 0x40; i < CIDS; i++)
        if (w.line[i].open && w.line[i].theirs == theirs)
            return &w.line[i];
    return NULL;
}

static struct line *any_line(void)
{
    unsigned from = draw(64);

    for (unsigned i = 0; i < 64; i++)
        if (w.line[0x40 + (from + i) % 64].open)
            return &w.line[0x40 + (from + i) % 64];
    return NULL;
}

static bool asked_for(uint16_t cid)
{
    for (unsigned id = 1; id < 256; id++) {
        const struct bl_sig *ask = &w.ask[id];
        bool connects =
            w.asked[id] == BL_SIG_LE_CONNECTION_REQ || w.asked[id] == BL_SIG_ENHANCED_REQ;
        for (unsigned i = 0; connects && i < ask->channel.n_cid; i++)
            if (ask->channel.cid[i] == cid)
                return true;
    }
    return false;
}

/* 0: all are in use. */
static uint16_t free_number(void)
{
    unsigned from = draw(64);

    for (unsigned i = 0; i < 64; i++) {
        uint16_t cid = (uint16_t)(0x40 + (from + i) % 64);
        if (!w.line[cid].open && !asked_for(cid))
            return cid;
    }
    return 0;
}

/* ---- the referee ---- */

static void heard_response(const struct bl_sig *sig)
{
    uint8_t id = sig->identifier, code = w.asked[id];
    const struct bl_sig *ask = &w.ask[id];

    stack_need(code != 0); /* to nothing that was asked */
    w.asked[id] = 0;
    if (sig->code == BL_SIG_REJECT || code == ANY)
        return;
    stack_need(sig->code == code + 1);
    if (code == BL_SIG_DISCONNECTION_REQ) {
        struct line *l = line_of(sig->disconnection.dcid);
        stack_need(sig->disconnection.dcid == ask->disconnection.dcid &&
                   sig->disconnection.scid == ask->disconnection.scid);
        if (l && l->mine == sig->disconnection.scid)
            line_end(l);
        return;
    }
    if (code == BL_SIG_RECONFIGURE_REQ) {
        for (unsigned i = 0; sig->result.result == 0 && i < ask->channel.n_cid; i++) {
            struct line *l = &w.line[ask->channel.cid[i] % CIDS];
            stack_need(l->open && l->enhanced && ask->channel.mtu >= l->mtu);
            uint8_t *data = realloc(l->data, (size_t)ask->channel.mtu + 1);
            stack_need(data);
            l->data = data;
            l->mtu = ask->channel.mtu;
            l->mps = ask->channel.mps;
        }
        return;
    }
    if (code != BL_SIG_LE_CONNECTION_REQ && code != BL_SIG_ENHANCED_REQ)
        return;
    stack_need(sig->channel.n_cid == ask->channel.n_cid);
    for (unsigned i = 0; i < sig->channel.n_cid; i++) {
        uint16_t cid = sig->channel.cid[i], mine = ask->channel.cid[i];
        if (cid == 0) {
            stack_need(sig->channel.result != 0);
            continue;
        }
        if (w.starving && line_of(cid))
            line_end(line_of(cid)); /* of which there was no memory to tell */
        stack_need(cid >= 0x40 && cid < CIDS && !line_of(cid));
        stack_need(mine >= 0x40 && mine < CIDS && !w.line[mine].open);
        stack_need(ask->channel.spsm == PSM || ask->channel.spsm == PSM + 1);
        line_begin(&(struct line){.enhanced = code == BL_SIG_ENHANCED_REQ,
                                  .mine = mine,
                                  .theirs = cid,
                                  .mtu = ask->channel.mtu,
                                  .mps = ask->channel.mps,
                                  .victim_mtu = sig->channel.mtu,
                                  .victim_mps = sig->channel.mps,
                                  .given = ask->channel.credits,
                                  .got = sig->channel.credits});
    }
}

static void heard_request(const struct bl_sig *sig)
{
    uint8_t id = sig->identifier;

    stack_need(id != 0);
    stack_need(w.due[id].code == 0 || w.s->now - w.due_since[id] >= 10 * SECOND);
    w.due[id] = *sig;
    w.due_since[id] = w.s->now;
    bool connects = sig->code == BL_SIG_LE_CONNECTION_REQ || sig->code == BL_SIG_ENHANCED_REQ;
    for (unsigned i = 0; connects && i < sig->channel.n_cid; i++) {
        struct line *l = line_of(sig->channel.cid[i]);
        stack_need(!l || w.starving);
        if (l)
            line_end(l); /* of which there was no memory to tell */
    }
    if (sig->code == BL_SIG_DISCONNECTION_REQ) {
        struct line *l = &w.line[sig->disconnection.dcid % CIDS];
        bool ours = l->open && l->theirs == sig->disconnection.scid;
        stack_need(ours || w.nonsense);
        if (ours)
            line_end(l); /* nothing may come on it any more */
    }
}

static void heard_credits(const struct bl_sig *sig)
{
    struct line *l = line_of(sig->credits.cid);

    stack_need(l && sig->credits.credits > 0);
    l->got += sig->credits.credits;
    stack_need(l->got <= 65535);
}

static void heard_frame(uint16_t cid, const uint8_t *data, size_t n)
{
    struct line *l = &w.line[cid % CIDS];

    stack_need(cid >= 0x40 && cid < CIDS && l->open);
    stack_need(l->given > 0 && n > 0 && n <= l->mps);
    l->given--;
    if (l->want == 0 && l->have == 0) {
        stack_need(n >= 2);
        l->want = data[0] + data[1] * 256u;
        stack_need(l->want <= l->mtu);
        data += 2;
        n -= 2;
    }
    stack_need(n <= l->want - l->have);
    memcpy(l->data + l->have, data, n);
    l->have += n;
    if (l->have < l->want)
        return;
    static uint8_t expected[65536];
    size_t len = coc_sdu_len(l->seed + 1, l->heard, l->out_cap);
    coc_sdu_fill(l->seed + 1, l->heard, expected, len);
    stack_need(len == l->want && memcmp(expected, l->data, len) == 0);
    l->heard++;
    l->have = l->want = 0;
    w.sdus_out++;
}

static void listen_to_it(void)
{
    static struct coc_pdu pdu;
    struct bl_sig sig;

    stack_settle(w.s);
    while (coc_hear_any(0, &pdu)) {
        if (pdu.cid >= 0x40) {
            heard_frame(pdu.cid, pdu.data, pdu.n);
            continue;
        }
        if (pdu.cid != SIGNALS)
            continue;
        stack_need(bl_l2cap_sig_parse(pdu.data, pdu.n, &sig) == BL_SIG_OK);
        switch ((enum bl_sig_code)sig.code) {
        case BL_SIG_CREDITS:
            heard_credits(&sig);
            break;
        case BL_SIG_DISCONNECTION_REQ:
        case BL_SIG_LE_CONNECTION_REQ:
        case BL_SIG_ENHANCED_REQ:
        case BL_SIG_RECONFIGURE_REQ:
        case BL_SIG_PARAM_UPDATE_REQ:
            heard_request(&sig);
            break;
        case BL_SIG_REJECT:
        case BL_SIG_DISCONNECTION_RSP:
        case BL_SIG_PARAM_UPDATE_RSP:
        case BL_SIG_LE_CONNECTION_RSP:
        case BL_SIG_ENHANCED_RSP:
        case BL_SIG_RECONFIGURE_RSP:
            heard_response(&sig);
            break;
        }
    }
}

/* ---- the peer ---- */

static void say(uint16_t cid, const void *data, size_t n)
{
    stack_inject(w.s, w.victim, w.conn, cid, data, n);
    listen_to_it();
}

static void signal_it(const struct bl_sig *sig)
{
    uint8_t data[BL_SIG_MTU];

    say(SIGNALS, data, bl_l2cap_sig_build(sig, data, sizeof(data)));
}

static void request_it(struct bl_sig *sig)
{
    unsigned tries = 0;

    do
        w.next_id = w.next_id == 255 ? 1 : (uint8_t)(w.next_id + 1);
    while (w.asked[w.next_id] && ++tries < 255);
    if (w.asked[w.next_id] || tries > 200)
        return;
    sig->identifier = w.next_id;
    w.asked[w.next_id] = sig->code;
    w.ask[w.next_id] = *sig;
    signal_it(sig);
}

static uint16_t odd_number(uint16_t good)
{
    static const uint16_t odd[] = {0, 1, 22, 23, 63, 64, 0x3f, 0x80, 0xffff, 65533, 65534};

    return once_in(12) ? odd[draw(11)] : good;
}

/* No number of a channel but that one. */
static uint16_t odd_cid(uint16_t good)
{
    uint16_t cid = odd_number(good);

    return cid >= 0x40 && cid < CIDS ? good : cid;
}

/* The rig takes frames of 2000 octets. */
static uint16_t odd_mps(void)
{
    uint16_t mps = odd_number((uint16_t)(64 + draw(200)));

    return mps == 65533 ? 2000 : mps;
}

static void peer_connects(void)
{
    bool enhanced = once_in(2);
    struct bl_sig sig = {.code = enhanced ? BL_SIG_ENHANCED_REQ : BL_SIG_LE_CONNECTION_REQ};

    sig.channel.spsm = odd_number((uint16_t)(PSM + draw(3)));
    sig.channel.mtu = odd_number((uint16_t)(64 + draw(once_in(5) ? 60000 : 500)));
    sig.channel.mps = odd_mps();
    sig.channel.credits = odd_number((uint16_t)draw(20));
    sig.channel.n_cid = (uint8_t)(enhanced ? 1 + draw(5) : 1);
    for (unsigned i = 0; i < sig.channel.n_cid; i++)
        sig.channel.cid[i] = odd_cid(free_number());
    request_it(&sig);
}

static void peer_sends(void)
{
    struct line *l = any_line();
    static uint8_t sdu[65536 + 2];

    if (!l || l->spoiled || l->leaving)
        return;
    for (unsigned frames = 1 + draw(10); frames > 0 && l->open && l->got > 0; frames--) {
        size_t len = coc_sdu_len(l->seed, l->sent, l->in_cap), n;
        uint8_t *frame = sdu + l->at;
        coc_sdu_fill(l->seed, l->sent, sdu + 2, len);
        sdu[0] = (uint8_t)len;
        sdu[1] = (uint8_t)(len >> 8);
        size_t least = l->at == 0 ? 2 : 1, most = l->victim_mps < 900 ? l->victim_mps : 900;
        n = once_in(3) ? least + draw((uint32_t)(most - least + 1)) : most;
        n = n < len + 2 - l->at ? n : len + 2 - l->at;
        l->at += n;
        l->got--;
        if (l->at == len + 2) {
            l->at = 0;
            l->sent++;
            w.sdus_in++;
        }
        say(l->theirs, frame, n);
    }
}

static void peer_breaks_a_rule(void)
{
    struct line *l = any_line();
    uint8_t data[1000] = {0};

    if (!l || l->leaving)
        return;
    l->spoiled = true;
    w.desk[l->theirs].good = l->sent;
    size_t n = 0;
    switch (draw(4)) {
    case 0:
        data[0] = data[1] = 0xff; /* over any MTU, or whatever it is in the middle of an SDU */
        n = 30;
        break;
    case 1:
        n = 1 + draw(900);
        break;
    case 2:
        n = draw(2);
        break;
    default: /* credits without end */
        l->given = UINT32_MAX;
        for (unsigned i = 0; i < 3; i++)
            signal_it(&(struct bl_sig){
                .code = BL_SIG_CREDITS, .identifier = 7, .credits = {l->mine, 0xffff}});
        return;
    }
    say(l->theirs, data, n);
}

static void peer_gives(void)
{
    struct line *l = any_line();
    uint16_t n = (uint16_t)(once_in(10) ? 0 : draw(30));

    if (!l || l->given > 60000)
        return;
    l->given += n;
    signal_it(&(struct bl_sig){.code = BL_SIG_CREDITS, .identifier = 7, .credits = {l->mine, n}});
}

static void peer_closes(void)
{
    struct line *l = any_line();
    struct bl_sig sig = {.code = BL_SIG_DISCONNECTION_REQ};

    if (!l || l->leaving)
        return;
    sig.disconnection.dcid = odd_cid(l->theirs);
    sig.disconnection.scid = odd_cid(l->mine);
    if (sig.disconnection.dcid == l->theirs && sig.disconnection.scid == l->mine)
        l->leaving = true;
    request_it(&sig);
    /* 4.6: what does not match is discarded; rejected, if the channel has ended there already */
    if (sig.disconnection.dcid == l->theirs && sig.disconnection.scid != l->mine &&
        w.asked[sig.identifier])
        w.asked[sig.identifier] = ANY;
}

static void peer_reconfigures(void)
{
    struct line *l = any_line();
    struct bl_sig sig = {.code = BL_SIG_RECONFIGURE_REQ};

    if (!l)
        return;
    sig.channel.mtu = odd_number((uint16_t)(l->mtu < 60000 ? l->mtu + draw(300) : l->mtu));
    sig.channel.mps = odd_mps();
    sig.channel.n_cid = (uint8_t)(1 + (once_in(3) ? draw(5) : 0));
    for (unsigned i = 0; i < sig.channel.n_cid; i++) {
        const struct line *other = any_line();
        sig.channel.cid[i] = odd_cid(i > 0 && other ? other->mine : l->mine);
    }
    request_it(&sig);
}

static void answer(uint8_t id)
{
    struct bl_sig sig = w.due[id];

    w.due[id].code = 0;
    if (once_in(20))
        return; /* never */
    sig.code++;
    if (once_in(30)) {
        sig = bl_l2cap_sig_not_understood(id);
    } else if (sig.code == BL_SIG_RECONFIGURE_RSP) {
        uint16_t mtu = sig.channel.mtu, mps = sig.channel.mps;
        uint16_t result = (uint16_t)(once_in(3) ? draw(6) : 0);
        for (unsigned i = 0; result == 0 && i < sig.channel.n_cid; i++) {
            struct line *l = line_of(sig.channel.cid[i]);
            if (!l)
                continue;
            l->victim_mtu = mtu;
            l->victim_mps = mps;
        }
        sig.result.result = result;
    } else if (sig.code == BL_SIG_PARAM_UPDATE_RSP) {
        sig.result.result = 1;
    } else if (sig.code != BL_SIG_DISCONNECTION_RSP) {
        struct line like = {.enhanced = sig.code == BL_SIG_ENHANCED_RSP,
                            .victim_mtu = sig.channel.mtu,
                            .victim_mps = sig.channel.mps,
                            .got = sig.channel.credits,
                            .mtu = (uint16_t)(64 + draw(1000)),
                            .mps = (uint16_t)(64 + draw(200)),
                            .given = draw(20)};
        bool good = !once_in(5);
        sig.channel.mtu = good ? like.mtu : odd_number(like.mtu);
        sig.channel.mps = good ? like.mps : odd_mps();
        sig.channel.credits = (uint16_t)like.given;
        sig.channel.result = (uint16_t)(once_in(3) ? draw(20) : 0);
        w.nonsense |= !good || sig.channel.result != 0;
        for (unsigned i = 0; i < sig.channel.n_cid; i++) {
            like.theirs = sig.channel.cid[i];
            like.mine = free_number();
            if (good && sig.channel.result == 0 && like.mine != 0 && !line_of(like.theirs)) {
                line_begin(&like); /* at once: its frames may come before we look again */
                sig.channel.cid[i] = like.mine;
            } else {
                const struct line *other = any_line(); /* whose number may not be given twice */
                w.nonsense = true;
                sig.channel.cid[i] = sig.channel.result         ? 0
                                     : other && !other->leaving ? other->mine
                                                                : 0x80;
            }
        }
    }
    signal_it(&sig);
    if (once_in(20))
        signal_it(&sig); /* twice */
}

static void peer_answers(void)
{
    for (unsigned id = 1; id < 256; id++)
        if (w.due[id].code && !once_in(4))
            answer((uint8_t)id);
}

static void peer_babbles(void)
{
    uint8_t data[64];
    size_t n = draw(sizeof(data));

    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)draw(256);
    if (once_in(2)) {
        say((uint16_t)(once_in(2) ? draw(0x10000) | 0x100 : 0x07), data, n);
        return;
    }
    if (n > 2) {
        /* Codes that nothing follows from; a length that is none of theirs. */
        static const uint8_t codes[] = {0x01, 0x02, 0x07, 0x0b, 0x15, 0x17, 0x18, 0x19, 0x1a, 0x7f};
        data[0] = codes[draw(10)];
        data[2] = (uint8_t)(n - 4 + 1);
        while (w.asked[data[1]]) /* request_it() leaves some */
            data[1]++;
        w.asked[data[1]] = data[1] ? ANY : 0;
    }
    say(SIGNALS, data, n);
}

/* ---- the victim's owner ---- */

static uint16_t open_cid(bool any)
{
    unsigned from = draw(64);

    for (unsigned i = 0; i < 64; i++) {
        uint16_t cid = (uint16_t)(0x40 + (from + i) % 64);
        struct bl_l2cap_info info;
        if (bl_l2cap_info(w.h, w.conn, cid, &info) == 0 && (any || info.open))
            return cid;
    }
    return 0;
}

static void owner_reads(void)
{
    uint16_t cid = open_cid(true);
    struct desk *d = &w.desk[cid % CIDS];
    static uint8_t expected[65536];
    const uint8_t *sdu;
    size_t n, most = draw(20000);

    while (cid && most > 0 && bl_l2cap_peek(w.h, w.conn, cid, 0, &sdu, &n)) {
        stack_need(d->known);
        size_t len = coc_sdu_len(d->seed, d->read, d->in_cap);
        coc_sdu_fill(d->seed, d->read, expected, len);
        bool right = n == len - d->at && (n == 0 || memcmp(expected + d->at, sdu, n) == 0);
        stack_need(right || d->read >= d->good);
        size_t take = once_in(3) && n > 0 ? 1 + draw((uint32_t)n) : n;
        enter();
        int r = bl_l2cap_consume(w.h, w.s->now, w.conn, cid, take);
        leave();
        stack_need(r == 0);
        d->at += take;
        if (take == n) {
            d->read++;
            d->at = 0;
        }
        most -= take < most ? take : most;
    }
}

static void owner_writes(void)
{
    uint16_t cid = open_cid(false);
    struct desk *d = &w.desk[cid % CIDS];
    static uint8_t sdu[65536];

    struct bl_l2cap_info info;
    if (!cid || bl_l2cap_info(w.h, w.conn, cid, &info) < 0 || line_of(cid) == NULL ||
        line_of(cid)->mine != info.peer_cid)
        return; /* its response has not been heard yet */
    for (unsigned i = 1 + draw(5); i > 0; i--) {
        struct bl_l2cap_slot slot[2];
        size_t len = coc_sdu_len(d->seed + 1, d->wrote, d->out_cap);
        int r;
        if (once_in(2)) {
            coc_sdu_fill(d->seed + 1, d->wrote, sdu, len);
            enter();
            r = bl_l2cap_send(w.h, w.s->now, w.conn, cid, sdu, len);
            leave();
        } else {
            enter();
            size_t n = bl_l2cap_slots(w.h, w.conn, cid, slot, 2);
            leave();
            if (n == 0)
                break;
            coc_sdu_fill(d->seed + 1, d->wrote, slot[0].data, len);
            enter();
            r = bl_l2cap_commit(w.h, w.s->now, w.conn, cid, &len, 1);
            leave();
        }
        stack_need(r == 0 || r == 1 || r == -EBUSY || (w.starving && r == -ENOMEM));
        if (r < 0)
            break;
        d->wrote++;
        listen_to_it();
    }
}

static void owner_replies(void)
{
    for (size_t i = 0; i < w.s->end[w.victim].n_events; i++) {
        const struct bl_event *e = &w.s->end[w.victim].events[i];
        if (e->kind == BL_EV_L2CAP_ACCEPT && e->l2cap.request && once_in(2))
            (void)bl_l2cap_reply(w.h, w.s->now, e->l2cap.request,
                                 once_in(3) ? BL_L2CAP_NO_RESOURCES : 0);
    }
}

static void owner_commands(void)
{
    struct bl_l2cap_connect to = {.psm = PSM,
                                  .mtu = (uint16_t)(64 + draw(once_in(5) ? 60000 : 500)),
                                  .enhanced = once_in(2),
                                  .count = 1};
    uint16_t cid = open_cid(false);
    bl_op op = 0;

    uint32_t what = draw(8);
    int r = -1;

    to.count = (uint8_t)(to.enhanced ? 1 + draw(5) : 1);
    enter();
    if (what < 2)
        r = bl_l2cap_connect(w.h, w.s->now, w.conn, &to, &op);
    else if (what == 2)
        r = bl_l2cap_disconnect(w.h, w.s->now, w.conn, cid, &op);
    else if (what == 3)
        r = bl_l2cap_reconfigure(w.h, w.s->now, w.conn, &cid, 1, to.mtu, 0, &op);
    else if (what == 4)
        (void)bl_l2cap_unlisten(w.h, w.s->now, PSM + 1);
    else
        owner_replies();
    leave();
    if (r == 0 && w.n_ops < OPS)
        w.op[w.n_ops++] = op;
    if (what == 4)
        stack_need(bl_l2cap_listen(w.h, &(struct bl_l2cap_listen){.psm = PSM + 1,
                                                                  .mtu = (uint16_t)(64 + draw(900)),
                                                                  .authorize = true}) == 0);
    listen_to_it();
}

/* ---- what must hold at any time ---- */

static void check_held(void)
{
    size_t held = 0, n = 0;

    for (uint16_t cid = 0x40; cid < CIDS; cid++) {
        struct bl_l2cap_info info;
        size_t bytes, sdus;
        if (bl_l2cap_info(w.h, w.conn, cid, &info) < 0)
            continue;
        stack_need(bl_l2cap_available(w.h, w.conn, cid, &bytes, &sdus) == 0);
        held += bytes + (info.open ? (size_t)info.peer_credits * info.our_mps : 0);
        n++;
    }
    stack_need(held <= BL_MAX_CHANNEL_RX && n <= BL_MAX_CHANNELS);
}

/* Each channel's events in order, and each command's end once. */
static void check_told(void)
{
    bool is_open[CIDS] = {0}, gone = false;
    const struct stack_end *e = &w.s->end[w.victim];
    static unsigned ends[OPS];

    memset(ends, 0, sizeof(ends));
    for (size_t i = 0; i < e->n_events; i++) {
        const struct bl_event *ev = &e->events[i];
        for (unsigned k = 0; ev->kind == BL_EV_OP_DONE && k < w.n_ops; k++)
            ends[k] += ev->done.op == w.op[k];
        gone |= ev->kind == BL_EV_DISCONNECTED;
        if (ev->kind < BL_EV_L2CAP_ACCEPT || ev->kind >= BL_EV_KINDS)
            continue;
        stack_need(!gone);
        if (ev->kind == BL_EV_L2CAP_ACCEPT || ev->l2cap.cid == 0)
            continue;
        bool *open = &is_open[ev->l2cap.cid];
        stack_need(*open == (ev->kind != BL_EV_L2CAP_CONNECTED));
        *open = ev->kind != BL_EV_L2CAP_DISCONNECTED;
    }
    stack_need(gone);
    for (unsigned cid = 0; cid < CIDS; cid++)
        stack_need(!is_open[cid]);
    for (unsigned k = 0; k < w.n_ops; k++)
        stack_need(ends[k] == 1);
    stack_need(stack_counter(w.s, w.victim, "procedures-open") == 0);
}

static void one_step(void)
{
    uint32_t what = draw(100);

    if (what < 4)
        peer_connects();
    else if (what < 30)
        peer_sends();
    else if (what < 31)
        peer_breaks_a_rule();
    else if (what < 45)
        peer_gives();
    else if (what < 47)
        peer_closes();
    else if (what < 50)
        peer_reconfigures();
    else if (what < 52)
        peer_babbles();
    else if (what < 65)
        peer_answers();
    else if (what < 75)
        owner_reads();
    else if (what < 90)
        owner_writes();
    else
        owner_commands();
    listen_to_it();
    if (!once_in(3))
        return;
    for (uint32_t left = draw(once_in(100) ? 12 * SECOND : 50000); left > 0;) {
        uint32_t us = left < 50000 ? left : 50000;
        stack_run(w.s, us);
        listen_to_it();
        left -= us;
    }
}

static void hostile_run(unsigned seed)
{
    struct bl_air_config configs[2] = {bl_air_config_default(), bl_air_config_default()};
    uint16_t conn[2];

    for (unsigned i = 0; i < CIDS; i++)
        free(w.line[i].data);
    memset(&w, 0, sizeof(w));
    w.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    w.victim = seed % 2;
    configs[w.victim].acl_len = (uint16_t)(27 + draw(300));
    w.s = stack_new_each(seed + 1, 2, configs);
    stack_connect(w.s, A, B, &conn[A], &conn[B]);
    w.conn = conn[w.victim];
    w.h = w.s->end[w.victim].host;
    coc_listen(w.s, w.victim, PSM, (uint16_t)(64 + draw(2000)));
    stack_need(bl_l2cap_listen(w.h, &(struct bl_l2cap_listen){
                                        .psm = PSM + 1, .mtu = 500, .authorize = true}) == 0);
    stack_need(bl_l2cap_listen(w.h, &(struct bl_l2cap_listen){.psm = PSM + 2,
                                                              .mtu = 500,
                                                              .security = BL_SECURITY_SC}) == 0);
    stack_run(w.s, 5 * SECOND);
    stack_forget(w.s);
    coc_script(w.s, w.victim, w.conn);
    w.starving = seed % 4 > 1;
    w.s->enter = enter;
    w.s->leave = leave;
    for (unsigned i = 0; i < STEPS && stack_count(w.s, w.victim, BL_EV_DISCONNECTED) == 0; i++) {
        one_step();
        if (i % 100 == 0)
            check_held();
    }
    /* Without memory for an answer to other things the link may have had to go. */
    stack_need(w.starving || stack_count(w.s, w.victim, BL_EV_DISCONNECTED) == 0);
    w.starving = false;
    (void)bl_disconnect(w.h, w.s->now, w.conn, 0x13, NULL);
    stack_run(w.s, 45 * SECOND);
    check_told();
    stack_free(w.s);
}

START_TEST(a_hostile_peer_gets_no_more_than_its_due)
{
    const char *more = getenv("BLED_HOSTILE");
    unsigned runs = more ? (unsigned)strtoul(more, NULL, 10) : 4, first = (unsigned)_i * 1000000;

    unsigned in = 0, out = 0, opened = 0;
    for (unsigned i = 0; i < runs; i++) {
        hostile_run(first + i);
        in += w.sdus_in;
        out += w.sdus_out;
        opened += w.opened;
    }
    /* It was not all nonsense. */
    ck_assert_uint_gt(opened, 20 * runs);
    ck_assert_uint_gt(in, 100 * runs);
    ck_assert_uint_gt(out, 100 * runs);
    for (unsigned i = 0; i < CIDS; i++) {
        free(w.line[i].data);
        w.line[i].data = NULL;
    }
}
END_TEST

static Suite *hostile_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_hostile");
    TCase *t = tcase_create("random");

    tcase_set_timeout(t, getenv("BLED_HOSTILE") ? 3600 : 60);
    tcase_add_loop_test(t, a_hostile_peer_gets_no_more_than_its_due, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(hostile_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
