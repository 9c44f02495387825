/* SPDX-License-Identifier: MIT */

/*
 * smp: what the links have of security, and who is to be told.
 *
 *     IDLE --pair, Pairing Request, Security Request--> PAIRING --done, failed--> IDLE
 *     IDLE --bonded, as central--> ENCRYPTING --encrypted--> IDLE
 *                                             --0x06, and pair_again--> PAIRING
 *     IDLE --pair, as peripheral--> REQUESTED --Pairing Request--> PAIRING
 *                                             --LTK request, encrypted--> IDLE
 *
 * Each way out of a phase is smp_succeeded() or smp_failed(), which push the one event that the
 * phase owes and end the op of whoever asked for it.
 */

#include "smp/smp_internal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/wr.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool smp_bond_in_use(const void *ctx, const struct bl_bond *bond)
{
    const struct bl_smp *s = ctx;

    for (unsigned i = 0; i < s->n; i++)
        if (smp_bond_of(s, s->conns[i]) == bond)
            return true;
    return false;
}

struct bl_smp *bl_smp_new(struct bl_hci *hci, const struct bl_env *env, struct bl_evq *events,
                          const struct bl_config *config)
{
    struct bl_smp *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->hci = hci;
    s->env = env;
    s->events = events;
    s->config = config;
    bl_bonds_init(&s->bonds, events);
    s->bonds.in_use = smp_bond_in_use;
    s->bonds.ctx = s;
    return s;
}

static void smp_conn_free(struct smp_conn *c)
{
    smp_pair_end(c);
    free(c);
}

struct bl_smp *bl_smp_free(struct bl_smp *s)
{
    if (!s)
        return NULL;
    for (unsigned i = 0; i < s->n; i++)
        smp_conn_free(s->conns[i]);
    bl_bonds_deinit(&s->bonds);
    bl_crypto_wipe(s, sizeof(*s));
    free(s);
    return NULL;
}

void bl_smp_ready(struct bl_smp *s, const struct bl_addr *identity)
{
    s->identity = *identity;
}

struct smp_conn *smp_find(const struct bl_smp *s, uint16_t conn)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->conns[i]->link.conn == conn)
            return s->conns[i];
    return NULL;
}

/* ---- news ---- */

/* Whoever hears of it looks at how things are then: the same news need not wait twice. */
static void smp_put_news(struct bl_smp *s, const struct bl_smp_news *news)
{
    for (unsigned i = 0; i < s->n_news; i++) {
        const struct bl_smp_news *n = &s->news[(s->news_head + i) % SMP_NEWS];
        if (n->kind == news->kind && n->conn == news->conn &&
            bl_addr_eq(&n->identity, &news->identity))
            return;
    }
    if (s->n_news == SMP_NEWS)
        abort(); /* not pulled as the header says: a bug, not an input */
    s->news[(s->news_head + s->n_news++) % SMP_NEWS] = *news;
}

void smp_tell(struct bl_smp *s, const struct smp_conn *c, enum bl_smp_news_kind kind)
{
    struct bl_smp_news news = {.kind = kind, .conn = c->link.conn};

    if (kind == BL_SMP_IDENTITY)
        news.identity = c->link.identity;
    smp_put_news(s, &news);
}

void smp_tell_bond(struct bl_smp *s, enum bl_smp_news_kind kind, const struct bl_addr *identity)
{
    smp_put_news(s, &(struct bl_smp_news){.kind = kind, .identity = *identity});
}

bool bl_smp_pop_news(struct bl_smp *s, struct bl_smp_news *ret)
{
    if (s->n_news == 0)
        return false;
    *ret = s->news[s->news_head];
    s->news_head = (s->news_head + 1) % SMP_NEWS;
    s->n_news--;
    return true;
}

/* ---- links ---- */

int bl_smp_open(struct bl_smp *s, uint64_t now, const struct bl_smp_link *link)
{
    struct smp_conn *c = s->n < BL_MAX_LINKS ? calloc(1, sizeof(*c)) : NULL;

    if (!c)
        return -ENOMEM;
    c->link = *link;
    c->deadline = TIMERQ_NEVER;
    s->conns[s->n++] = c;
    const struct bl_bond *bond = smp_bond_of(s, c);
    if (bond) {
        const struct bl_addr identity = bond->identity;
        smp_identify(s, c, &identity);   /* by the address that it has on the air */
        smp_tell(s, c, BL_SMP_SECURITY); /* lib/gatt is to know of the keys */
    }
    /* Whoever has a key for it uses it: Core 5.4, Vol 3, Part C, 10.3.2 leaves it to the central.
     */
    if (link->role == BL_ROLE_CENTRAL)
        (void)smp_encrypt_bonded(s, now, c);
    return 0;
}

void bl_smp_own(struct bl_smp *s, uint16_t conn, const struct bl_addr *own)
{
    struct smp_conn *c = smp_find(s, conn);

    if (c && !bl_addr_is_zero(own))
        c->link.own = *own;
}

void bl_smp_close(struct bl_smp *s, uint64_t now, uint16_t conn, bl_status status)
{
    struct smp_conn *c = smp_find(s, conn);

    (void)now;
    if (!c)
        return;
    if (c->phase != SMP_IDLE)
        smp_failed(s, c, status);
    for (unsigned i = 0; i < s->n; i++)
        if (s->conns[i] == c) {
            s->conns[i] = s->conns[--s->n];
            break;
        }
    smp_conn_free(c);
}

void bl_smp_security(const struct bl_smp *s, uint16_t conn, struct bl_security *ret)
{
    const struct smp_conn *c = smp_find(s, conn);

    *ret = c ? c->security : (struct bl_security){0};
}

bool smp_send(struct bl_smp *s, const struct smp_conn *c, const uint8_t *pdu, size_t n)
{
    struct buf *b = buf_new(4 + n);

    if (!b)
        return false;
    struct wr w = wr_make(b->data, 4 + n);
    wr_u16(&w, (uint16_t)n);
    wr_u16(&w, BL_SMP_CID);
    wr_bytes(&w, pdu, n);
    b->len = w.len;
    b->secret = true;
    return bl_hci_send(s->hci, c->link.handle, b) == 0;
}

/* ---- who and what a link is ---- */

void smp_identify(struct bl_smp *s, struct smp_conn *c, const struct bl_addr *identity)
{
    if (bl_addr_eq(&c->link.identity, identity))
        return;
    c->link.identity = *identity;
    bl_evq_push(s->events,
                &(struct bl_event){.kind = BL_EV_IDENTITY, .identity = {c->link.conn, *identity}});
    smp_tell(s, c, BL_SMP_IDENTITY);
}

void bl_smp_identified(struct bl_smp *s, uint64_t now, uint16_t conn,
                       const struct bl_addr *identity)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return;
    smp_identify(s, c, identity);
    smp_tell(s, c, BL_SMP_SECURITY);
    if (c->link.role == BL_ROLE_CENTRAL && c->phase == SMP_IDLE && !c->security.encrypted &&
        c->given == SMP_KEY_NONE)
        (void)smp_encrypt_bonded(s, now, c);
}

static void smp_tell_security(struct bl_smp *s, const struct smp_conn *c)
{
    const struct bl_security *sec = &c->security;

    bl_evq_push(s->events,
                &(struct bl_event){.kind = BL_EV_SECURITY,
                                   .encrypted = {.conn = c->link.conn,
                                                 .encrypted = sec->encrypted,
                                                 .authenticated = sec->authenticated,
                                                 .bonded = sec->bonded,
                                                 .secure_connections = sec->secure_connections,
                                                 .key_size = sec->key_size}});
    smp_tell(s, c, BL_SMP_SECURITY);
}

void smp_unbonded(struct bl_smp *s, struct smp_conn *c)
{
    c->using.bonded = false; /* also of the key that the controller has, and says nothing of yet */
    if (!c->security.bonded)
        return;
    c->security.bonded = false;
    smp_tell_security(s, c);
}

void smp_drop(struct bl_smp *s, struct smp_conn *c)
{
    c->security = (struct bl_security){0};
    smp_tell_security(s, c);
    smp_tell(s, c, BL_SMP_DROP);
}

/* ---- outcomes ---- */

static void smp_leave(struct smp_conn *c)
{
    c->phase = SMP_IDLE;
    c->deadline = TIMERQ_NEVER;
    c->want = (struct bl_pair_params){0};
    c->by_pairing = c->oob_taken = false;
    smp_pair_end(c);
}

bool smp_good_enough(const struct smp_level *have, const struct bl_pair_params *want)
{
    bool sc = want->security == BL_SECURITY_SC || (want->has_le_secure && want->le_secure);
    bool authenticated = want->security >= BL_SECURITY_AUTHENTICATED;

    return (!sc || have->secure_connections) && (!authenticated || have->authenticated) &&
           (want->security != BL_SECURITY_SC || have->key_size == BL_SMP_KEY_MAX);
}

struct smp_level smp_link_level(const struct smp_conn *c)
{
    return (struct smp_level){c->security.authenticated, c->security.secure_connections,
                              c->security.bonded, c->security.key_size};
}

void smp_encrypted(struct bl_smp *s, const struct smp_conn *c)
{
    const struct bl_security *sec = &c->security;

    s->encrypted++;
    bl_evq_push(s->events,
                &(struct bl_event){.kind = BL_EV_ENCRYPTED,
                                   .encrypted = {.conn = c->link.conn,
                                                 .encrypted = sec->encrypted,
                                                 .authenticated = sec->authenticated,
                                                 .bonded = sec->bonded,
                                                 .secure_connections = sec->secure_connections,
                                                 .key_size = sec->key_size}});
    smp_tell(s, c, BL_SMP_SECURITY);
}

/* With what the link is worth, whatever became of the wish. */
static void smp_op_done(struct bl_smp *s, struct smp_conn *c, bl_status status)
{
    const struct bl_security *sec = &c->security;
    bl_op op = c->op;

    c->op = 0;
    bl_evq_op_result(
        s->events,
        &(struct bl_event){.kind = BL_EV_OP_DONE,
                           .done = {.op = op,
                                    .status = status,
                                    .security = {sec->encrypted, sec->authenticated, sec->bonded,
                                                 sec->secure_connections, sec->key_size}}});
}

void smp_succeeded(struct bl_smp *s, struct smp_conn *c)
{
    const struct smp_level level = smp_link_level(c);
    bool enough = smp_good_enough(&level, &c->want);

    smp_leave(c);
    smp_encrypted(s, c);
    smp_op_done(s, c,
                enough ? (bl_status)BL_OK
                       : (bl_status)(BL_STATUS_SMP + BL_SMP_AUTHENTICATION_REQUIREMENTS));
}

void smp_failed(struct bl_smp *s, struct smp_conn *c, bl_status status)
{
    bl_op op = c->op;

    c->op = 0;
    s->failed++;
    bl_evq_push(s->events,
                &(struct bl_event){.kind = BL_EV_PAIRING_FAILED,
                                   .pairing_failed = {.conn = c->link.conn, .status = status}});
    smp_leave(c);
    bl_evq_op_done(s->events, op, status);
}

/* ---- input ---- */

void smp_refuse(struct bl_smp *s, const struct smp_conn *c, enum bl_smp_reason reason)
{
    const uint8_t pdu[2] = {BL_SMP_FAILED, (uint8_t)reason};

    s->refused++;
    (void)smp_send(s, c, pdu, sizeof(pdu)); /* who floods is answered as far as it fits */
}

void bl_smp_pdu(struct bl_smp *s, uint64_t now, uint16_t conn, const uint8_t *data, size_t n)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c || c->dead || n == 0)
        return;
    if (data[0] == BL_SMP_SECURITY_REQUEST && c->link.role == BL_ROLE_CENTRAL) {
        if (n == bl_smp_len(BL_SMP_SECURITY_REQUEST))
            smp_security_requested(s, now, c, data[1]);
        return;
    }
    if (c->pairing) {
        bl_pairing_receive(c->pairing, now, data, n);
        smp_pair_pull(s, now, c);
    } else if (data[0] == BL_SMP_PAIRING_REQUEST) {
        smp_request(s, now, c, data, n);
    } else if (bl_smp_len(data[0]) == 0) {
        smp_refuse(s, c, BL_SMP_COMMAND_NOT_SUPPORTED);
    } else if (data[0] == BL_SMP_FAILED && c->phase == SMP_REQUESTED && n == 2) {
        smp_failed(s, c, (bl_status)(BL_STATUS_SMP + (data[1] ? data[1] : 8))); /* it refuses */
    } else if (data[0] != BL_SMP_FAILED && data[0] != BL_SMP_KEYPRESS) {
        smp_refuse(s, c, BL_SMP_UNSPECIFIED_REASON); /* of a pairing that is none */
    }
}

/* ---- commands ---- */

static int smp_pair_check(const struct bl_pair_params *p)
{
    if (p->has_io && p->io > BL_IO_KEYBOARD_DISPLAY)
        return -EINVAL;
    return p->security > BL_SECURITY_SC || p->security == BL_SECURITY_NONE ? -EINVAL : 0;
}

/* Begins what bl_pair() asks for; false: nothing can be sent. */
static bool smp_begin(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    if (c->link.role == BL_ROLE_CENTRAL) {
        if (c->security.encrypted || !smp_encrypt_bonded(s, now, c))
            smp_pair_begin(s, now, c, NULL);
        return true;
    }
    if (!smp_security_request(s, c))
        return false;
    c->phase = SMP_REQUESTED;
    c->deadline = now + SMP_WAIT_US;
    return true;
}

int bl_smp_pair(struct bl_smp *s, uint64_t now, uint16_t conn, const struct bl_pair_params *params,
                bl_op *op)
{
    struct smp_conn *c = smp_find(s, conn);
    int r = smp_pair_check(params);

    if (!c)
        return -ENOTCONN;
    if (r < 0)
        return r;
    if (c->op)
        return -EBUSY;
    if (c->dead)
        return -EOPNOTSUPP;
    bl_op mine = bl_evq_op(s->events);
    if (mine == 0)
        return -EBUSY;
    const struct smp_level level = smp_link_level(c);
    c->op = mine;
    c->want = *params;
    if (c->phase != SMP_IDLE) { /* something is under way: its outcome is this one's */
        *op = mine;
        return 0;
    }
    bool less = (params->has_bond && params->bond && !level.bonded) ||
                (params->has_mitm && params->mitm && !level.authenticated);
    if (c->security.encrypted && !less && smp_good_enough(&level, params)) {
        *op = mine;
        c->want = (struct bl_pair_params){0};
        smp_op_done(s, c, BL_OK);
        return 0;
    }
    if (!smp_begin(s, now, c)) {
        c->op = 0;
        c->want = (struct bl_pair_params){0};
        bl_evq_op_forget(s->events);
        return -ENOMEM;
    }
    *op = mine;
    return 0;
}

int bl_smp_passkey(struct bl_smp *s, uint64_t now, uint16_t conn, enum bl_passkey_action action,
                   uint32_t passkey)
{
    static const enum bl_smp_user users[] = {[BL_PASSKEY_INPUT] = BL_SMP_USER_INPUT,
                                             [BL_PASSKEY_DISPLAY] = BL_SMP_USER_DISPLAY,
                                             [BL_PASSKEY_COMPARE] = BL_SMP_USER_COMPARE};
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return -ENOTCONN;
    if (!c->pairing || action >= ARRAY_LEN(users) || users[action] == BL_SMP_USER_NOTHING)
        return -ENOENT;
    if (action != BL_PASSKEY_COMPARE && passkey > 999999)
        return -EINVAL;
    if (!bl_pairing_passkey(c->pairing, now, users[action], passkey))
        return -ENOENT;
    smp_pair_pull(s, now, c);
    return 0;
}

int bl_smp_refuse(struct bl_smp *s, uint64_t now, uint16_t conn)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return -ENOTCONN;
    if (!c->pairing)
        return -ENOENT;
    bl_pairing_refuse(c->pairing, now);
    smp_pair_pull(s, now, c);
    return 0;
}

int bl_smp_keypress(struct bl_smp *s, uint64_t now, uint16_t conn, uint8_t type)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return -ENOTCONN;
    if (!c->pairing || !bl_pairing_keypress(c->pairing, now, type))
        return -ENOENT;
    smp_pair_pull(s, now, c);
    return 0;
}

/* ---- time ---- */

uint64_t bl_smp_deadline(const struct bl_smp *s)
{
    uint64_t at = s->bonds.due;

    for (unsigned i = 0; i < s->n; i++) {
        const struct smp_conn *c = s->conns[i];
        uint64_t mine = c->pairing ? bl_pairing_deadline(c->pairing) : c->deadline;
        at = mine < at ? mine : at;
    }
    return at;
}

void bl_smp_tick(struct bl_smp *s, uint64_t now)
{
    bl_bonds_tick(&s->bonds, now);
    for (unsigned i = 0; i < s->n; i++) {
        struct smp_conn *c = s->conns[i];
        if (c->pairing) {
            bl_pairing_tick(c->pairing, now);
            smp_pair_pull(s, now, c);
        } else if (now >= c->deadline) {
            smp_failed(s, c, BL_TIMEOUT);
        }
    }
}

bool bl_smp_counter(const struct bl_smp *s, size_t index, const char **ret_name,
                    uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"bonds", s->bonds.n},
        {"bonds-evicted", s->bonds.evicted},
        {"bonds-refused", s->bonds.refused},
        {"pairings", s->paired},
        {"pairings-failed", s->failed},
        {"pairings-refused", s->refused},
        {"encryptions", s->encrypted},
    };

    if (index >= ARRAY_LEN(rows))
        return false;
    *ret_name = rows[index].name;
    *ret_value = rows[index].value;
    return true;
}
