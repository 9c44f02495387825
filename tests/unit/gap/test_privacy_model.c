/* SPDX-License-Identifier: MIT */

/*
 * Privacy and the advertiser beside a model of a controller that knows what may not be done when
 * (Core 5.4, Vol 4, Part E, 7.8.4, 7.8.5, 7.8.10, 7.8.38, 7.8.39, 7.8.44, 7.8.53, 7.8.77), through
 * random wishes. Nothing that it has to disallow is asked for; what an advertisement puts on the
 * air is of the kind that it asked for; and nothing goes round in circles, also where the
 * controller refuses and keeps silent as it likes.
 */

#include "gap_world.h"

#include "base/cleanup.h"
#include "base/rd.h"
#include "base/timerq.h"
#include "crypto/crypto.h"

#include <errno.h>

enum { MODEL_SETS = 3, MODEL_PEERS = 12, MODEL_ADVS = 4, MODEL_ROUNDS = 400 };

struct model_set {
    bool on, has_address;
    uint8_t own_type, mode; /* what its data says */
    struct bl_addr address;
};

static struct {
    struct gap_world *w;
    unsigned seed;
    bool faulty; /* refuses and is silent at random */
    bool extended;
    bool resolves;
    bool scans;  /* for privacy's sake */
    bool wanted; /* a scan of somebody else's */
    struct {
        struct bl_addr peer;
        uint8_t irk[16];
    } list[16];
    unsigned n, cap;
    struct model_set sets[MODEL_SETS];
    struct bl_addr shared;
    uint8_t made;
    uint16_t advs[MODEL_ADVS];
    unsigned listed;
} m;

static unsigned roll(unsigned n)
{
    m.seed = m.seed * 1103515245u + 12345u;
    return (m.seed >> 16) % n;
}

static bool on_air(bool sets_too)
{
    bool any = m.scans || m.w->radio.scanning;

    for (unsigned i = 0; i < MODEL_SETS; i++)
        any = any || (m.sets[i].on && (sets_too || !m.extended));
    return any;
}

static unsigned listed_at(const struct bl_addr *peer)
{
    unsigned i = 0;

    while (i < m.n && !bl_addr_eq(&m.list[i].peer, peer))
        i++;
    return i;
}

/* What it would send. */
static void check_on_air(const struct model_set *s)
{
    const struct bl_addr *random = m.extended ? &s->address : &m.shared;

    if (s->mode == BL_ADDR_MODE_PUBLIC) {
        ck_assert_uint_eq(s->own_type, 0);
    } else if (s->mode == BL_ADDR_MODE_STATIC) {
        ck_assert_uint_eq(s->own_type, 1);
        ck_assert(bl_addr_is_static(random));
    } else {
        ck_assert(s->own_type == 1 || s->own_type == 3);
        ck_assert(bl_addr_is_rpa(random)); /* that of the list falls back to it */
        m.listed += s->own_type == 3;
    }
}

static uint8_t add(struct rd r)
{
    struct bl_addr peer = {.type = rd_u8(&r)};

    rd_copy(&r, peer.b, 6);
    if (listed_at(&peer) < m.n)
        return BL_HCI_INVALID_PARAMETERS;
    if (m.n == m.cap)
        return BL_HCI_MEMORY_EXCEEDED;
    m.list[m.n].peer = peer;
    (void)rd_bytes(&r, 16);
    rd_copy(&r, m.list[m.n++].irk, 16);
    return 0;
}

static uint8_t remove_one(struct rd r)
{
    struct bl_addr peer = {.type = rd_u8(&r)};

    rd_copy(&r, peer.b, 6);
    unsigned i = listed_at(&peer);
    if (i == m.n)
        return BL_HCI_UNKNOWN_CONNECTION;
    m.list[i] = m.list[--m.n];
    return 0;
}

/* Only where there is a use for one. */
static uint8_t own_address(uint8_t ret[static 6])
{
    static const struct bl_addr nobody;
    static const uint8_t none[16];
    unsigned i = listed_at(&nobody);
    bool used = m.scans;

    for (unsigned k = 0; k < MODEL_SETS; k++)
        used = used || (m.sets[k].on && m.sets[k].own_type == 3);
    if (i == m.n || !m.resolves || memcmp(m.list[i].irk, none, 16) == 0 || (!used && !m.made))
        return BL_HCI_UNKNOWN_CONNECTION;
    m.made++;
    memcpy(ret + 3, (const uint8_t[3]){m.made, 1, 0x40}, 3);
    ck_assert_int_eq(bl_crypto_ah(m.list[i].irk, ret + 3, ret), 0);
    return 0;
}

static uint8_t enable(struct model_set *s, bool on)
{
    s->on = on;
    if (on)
        check_on_air(s);
    return 0;
}

static uint8_t perform(const struct fake_cmd *cmd, uint8_t returned[static 6], size_t *ret_n)
{
    struct rd r = rd_make(cmd->params, cmd->n);
    struct model_set *s = &m.sets[m.extended ? cmd->params[0] % MODEL_SETS : 0];

    *ret_n = 0;
    switch (cmd->opcode) {
    case BL_CMD_LE_SET_RANDOM_ADDRESS:
        if (on_air(false))
            return BL_HCI_COMMAND_DISALLOWED;
        m.shared.type = ADDR_RANDOM;
        memcpy(m.shared.b, cmd->params, 6);
        return 0;
    case BL_CMD_LE_ADD_RESOLVING_LIST:
    case BL_CMD_LE_REMOVE_RESOLVING_LIST:
    case BL_CMD_LE_SET_PRIVACY_MODE:
        if (m.resolves && on_air(true))
            return BL_HCI_COMMAND_DISALLOWED;
        return cmd->opcode == BL_CMD_LE_ADD_RESOLVING_LIST      ? add(r)
               : cmd->opcode == BL_CMD_LE_REMOVE_RESOLVING_LIST ? remove_one(r)
                                                                : 0;
    case BL_CMD_LE_SET_ADDRESS_RESOLUTION:
        if (on_air(true))
            return BL_HCI_COMMAND_DISALLOWED;
        m.resolves = cmd->params[0];
        return 0;
    case BL_CMD_LE_READ_LOCAL_RPA:
        *ret_n = 6;
        return own_address(returned);
    case BL_CMD_LE_SET_SCAN_PARAMS:
    case BL_CMD_LE_SET_EXT_SCAN_PARAMS:
        return m.scans || m.w->radio.scanning ? BL_HCI_COMMAND_DISALLOWED : 0;
    case BL_CMD_LE_SET_SCAN_ENABLE:
    case BL_CMD_LE_SET_EXT_SCAN_ENABLE:
        m.scans = cmd->params[0];
        return 0;
    case BL_CMD_LE_SET_ADV_PARAMS:
    case BL_CMD_LE_SET_EXT_ADV_PARAMS:
        if (s->on)
            return BL_HCI_COMMAND_DISALLOWED;
        s->own_type = cmd->params[m.extended ? 10 : 5];
        return 0;
    case BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS:
        s->address.type = ADDR_RANDOM;
        memcpy(s->address.b, cmd->params + 1, 6);
        return 0;
    case BL_CMD_LE_SET_ADV_DATA:
        s->mode = cmd->params[1];
        return 0;
    case BL_CMD_LE_SET_EXT_ADV_DATA:
        s->mode = cmd->params[4];
        return 0;
    case BL_CMD_LE_SET_ADV_ENABLE:
        return enable(s, cmd->params[0]);
    case BL_CMD_LE_SET_EXT_ADV_ENABLE:
        return enable(&m.sets[cmd->params[2] % MODEL_SETS], cmd->params[0]);
    case BL_CMD_LE_REMOVE_ADV_SET:
        if (s->on)
            return BL_HCI_COMMAND_DISALLOWED;
        *s = (struct model_set){0};
        return 0;
    default:
        return 0;
    }
}

/* One command, and its answer. False: there is none. */
static bool answer_one(void)
{
    static const uint8_t refusals[] = {BL_HCI_MEMORY_EXCEEDED, BL_HCI_COMMAND_DISALLOWED,
                                       BL_HCI_INVALID_PARAMETERS, BL_HCI_UNSPECIFIED};
    const struct fake_cmd *cmd = fake_hci_take(m.w->hci);
    uint8_t returned[6] = {0};
    size_t n = 0;

    if (!cmd)
        return false;
    bool strikes = m.faulty && roll(12) == 0, lost = strikes && roll(3) == 0;
    uint8_t status = strikes && (!lost || roll(2)) ? refusals[roll(ARRAY_LEN(refusals))]
                                                   : perform(cmd, returned, &n);
    ck_assert_msg(m.faulty || status != BL_HCI_COMMAND_DISALLOWED, "0x%04x is disallowed now",
                  cmd->opcode);
    struct bl_hci_reply reply =
        lost ? fake_hci_lost(cmd) : fake_hci_reply(cmd, status, returned, status == 0 ? n : 0);
    m.w->radio.outstanding = false;
    if (reply.owner == BL_HCI_OWNER_PRIVACY)
        bl_privacy_reply(&m.w->privacy, m.w->now, &reply);
    else
        bl_advertiser_reply(&m.w->adv, m.w->now, &reply);
    return true;
}

/* What the scanner would do. */
static void scanner(void)
{
    uint8_t type;

    if (m.w->radio.pause || !m.wanted)
        m.w->radio.scanning = false;
    if (!m.wanted)
        bl_privacy_release(&m.w->privacy, BL_PRIVACY_SCAN);
    if (m.w->radio.pause || !m.wanted)
        return;
    int r = bl_privacy_own(&m.w->privacy, m.w->now, BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type);
    m.w->radio.scanning = r == 0;
    m.wanted = r == 0 || r == -EAGAIN;
}

static void run(unsigned most)
{
    unsigned n = 0;

    do {
        gap_world_step(m.w);
        if (!m.w->radio.outstanding)
            scanner();
        gap_world_step(m.w);
        ck_assert_uint_lt(++n, 500); /* or it goes round in circles */
    } while (n <= most && answer_one());
}

/* ---- wishes ---- */

static void start_adv(unsigned i)
{
    static const enum bl_addr_mode modes[] = {BL_ADDR_MODE_RPA, BL_ADDR_MODE_RPA,
                                              BL_ADDR_MODE_STATIC, BL_ADDR_MODE_PUBLIC};
    const uint8_t mode = (uint8_t)modes[roll(4)];
    const struct bl_adv_params p = {.interval_us = 100000,
                                    .connectable = roll(2),
                                    .addr_mode = (enum bl_addr_mode)mode,
                                    .adv_data = &mode,
                                    .adv_len = 1};
    bl_op op;

    if (bl_advertiser_start(&m.w->adv, m.w->now, 0, &p, &m.advs[i], &op) < 0)
        m.advs[i] = 0;
}

static void stop_adv(unsigned i)
{
    bl_op op;

    if (m.advs[i] != 0)
        (void)bl_advertiser_stop(&m.w->adv, m.w->now, m.advs[i], &op);
    m.advs[i] = 0;
}

static void configure(void)
{
    struct bl_config *c = &m.w->radio.config;

    switch (roll(5)) {
    case 0:
        c->irk[0] = (uint8_t)roll(3);
        break;
    case 1:
        c->addr_mode = roll(3) ? BL_ADDR_MODE_RPA : BL_ADDR_MODE_STATIC;
        break;
    case 2:
        c->network_privacy = roll(2);
        break;
    case 3:
        c->resolving_list = roll(4) != 0;
        break;
    default:
        c->rpa_timeout_s = 60 * (1 + roll(4));
        break;
    }
    bl_privacy_configured(&m.w->privacy, m.w->now);
}

static struct bl_addr peer(unsigned i)
{
    return (struct bl_addr){ADDR_RANDOM, {(uint8_t)i, 1, 2, 3, 4, 0xc5}};
}

static void pass(void)
{
    uint64_t a = bl_privacy_deadline(&m.w->privacy), b = bl_advertiser_deadline(&m.w->adv);
    uint64_t at = a < b ? a : b;

    if (at != TIMERQ_NEVER && roll(2))
        m.w->now = at > m.w->now ? at : m.w->now;
    else
        m.w->now += roll(30) * 1000000u;
    bl_privacy_tick(&m.w->privacy, m.w->now);
    bl_advertiser_tick(&m.w->adv, m.w->now);
    /* deadlines that have passed have been dealt with, but for what waits for an answer */
    if (!m.w->radio.outstanding)
        ck_assert_uint_gt(bl_privacy_deadline(&m.w->privacy), m.w->now);
}

static void wish(void)
{
    unsigned i = roll(MODEL_PEERS), k = roll(MODEL_ADVS);
    const struct bl_addr who = peer(i);
    const uint8_t irk[16] = {(uint8_t)(i + 1), (uint8_t)roll(2)};

    switch (roll(9)) {
    case 0:
        stop_adv(k);
        start_adv(k);
        break;
    case 1:
        stop_adv(k);
        break;
    case 2:
        (void)bl_privacy_add_identity(&m.w->privacy, &who, irk);
        break;
    case 3:
        bl_privacy_remove_identity(&m.w->privacy, &who);
        break;
    case 4:
    case 5:
        (void)bl_privacy_list(&m.w->privacy, m.w->now, &who);
        break;
    case 6:
        configure();
        break;
    default:
        pass();
        break;
    }
}

START_TEST(nothing_is_asked_for_that_a_controller_must_refuse)
{
    struct bl_event e;

    memset(&m, 0, sizeof(m));
    m.seed = (unsigned)_i + 1;
    m.extended = _i & 1;
    m.faulty = _i & 2;
    m.cap = 3 + (unsigned)_i % 5;
    m.w = gap_world_new(m.extended);
    m.w->hci->caps.resolving_list = (uint8_t)(m.cap + roll(3)); /* or so it says */
    m.w->radio.config.irk[5] = 9;
    m.w->radio.config.addr_mode = BL_ADDR_MODE_RPA;
    m.w->radio.config.resolving_list = true;
    gap_world_ready(m.w);
    for (unsigned i = 0; i < MODEL_ROUNDS; i++) {
        m.wanted ^= roll(8) == 0;
        wish();
        run(roll(3) ? 1000 : roll(6));
        while (gap_world_event(m.w, &e)) {
        }
    }
    if (!m.faulty) {
        run(1000);
        ck_assert(!m.scans); /* what was begun has ended */
    }
    gap_world_free(m.w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("privacy-model");
    TCase *t = tcase_create("model");

    tcase_add_loop_test(t, nothing_is_asked_for_that_a_controller_must_refuse, 0, 24);
    suite_add_tcase(suite, t);
    return gap_world_main(suite);
}
