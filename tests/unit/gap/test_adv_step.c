/* SPDX-License-Identifier: MIT */

/*
 * Random histories against a model of the controller that knows what HCI forbids. Whatever the
 * order of commands, replies, connections and time, the advertiser never asks for what is not
 * allowed in the controller's state, each operation ends once, each advertisement ends once, and
 * when all is quiet what is on the air is what is wanted.
 */

#include "gap_world.h"

#include "gap/adv_internal.h"

#include "base/rd.h"

#define MODEL_SETS 4
#define MODEL_OPS  4096

struct model_set {
    bool exists, enabled, connectable, random, has_addr;
    uint16_t props;
    size_t adv_len, resp_len;
    bool partial;
    uint8_t data[BL_MAX_ADV_EXTENDED];
};

struct model { /* what the controller is, and what the owner has been told */
    struct gap_world *w;
    bool legacy;
    struct model_set sets[MODEL_SETS];
    bool shared_addr;
    const struct fake_cmd *out;
    uint64_t seed;
    unsigned refusals;      /* percent of commands that are refused or lost without reason */
    uint8_t ops[MODEL_OPS]; /* 1 open, 2 ended */
    bl_op start_of[MODEL_OPS];
    struct {
        uint16_t id;
        bool alive, lived;
        bl_op start;
        struct bl_adv_params params;
        char fill;
        size_t len;
    } advs[8];
    struct {
        uint16_t handle, adv;
    } links[8];
    uint16_t last_handle;
    unsigned connections, on_air;
};

static unsigned pick(struct model *m, unsigned n)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->seed >> 33) % n;
}

/* ---- the controller ---- */

#define LEGACY_BIT 0x10

/* What HCI demands. A controller that has been refusing for no reason may well have to go on. */
#define RULE(m, holds)                                                                             \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            ck_assert_msg((m)->refusals > 0, "not allowed: " #holds);                              \
            return BL_HCI_COMMAND_DISALLOWED;                                                      \
        }                                                                                          \
    } while (0)

static uint8_t model_ext_params(struct model *m, struct rd *r)
{
    struct model_set *set = &m->sets[rd_u8(r) % MODEL_SETS];
    uint16_t props = rd_u16(r);
    uint32_t low = rd_u24(r), high = rd_u24(r);

    rd_u8(r);
    RULE(m, low >= 0x20);
    RULE(m, low == high);
    RULE(m, !set->enabled);
    if (set->exists && (set->adv_len > 31 || set->resp_len > 31))
        RULE(m, !(props & LEGACY_BIT)); /* 7.8.53 */
    if (set->exists && set->adv_len > 0)
        RULE(m, (props & 0x12) != 0x02); /* scannable extended has no data */
    set->exists = true;
    set->props = props;
    set->connectable = props & 1;
    set->random = rd_u8(r) & 1;
    return 0;
}

static uint8_t model_ext_data(struct model *m, struct rd *r, bool resp)
{
    struct model_set *set = &m->sets[rd_u8(r) % MODEL_SETS];
    uint8_t operation = rd_u8(r);
    size_t *len = resp ? &set->resp_len : &set->adv_len, n;

    rd_u8(r);
    n = rd_u8(r);
    RULE(m, set->exists);
    RULE(m, !set->enabled || operation == 3);
    RULE(m, operation <= 3);
    RULE(m, operation == 3 || n > 0);
    RULE(m, r->left == n);
    if (operation & 1) {
        *len = 0;
        set->partial = false;
    } else {
        RULE(m, set->partial);
    }
    if (set->props & LEGACY_BIT)
        RULE(m, n <= 31);
    if (!resp)
        RULE(m, (set->props & 0x14) != 0x14 && (set->props & 0x12) != 0x02);
    RULE(m, *len + n <= BL_MAX_ADV_EXTENDED);
    if (!resp)
        rd_copy(r, set->data + *len, n);
    *len += n;
    set->partial = !(operation & 2);
    return 0;
}

static uint8_t model_ext_enable(struct model *m, struct rd *r)
{
    bool on = rd_u8(r);

    RULE(m, rd_u8(r) == 1);
    struct model_set *set = &m->sets[rd_u8(r) % MODEL_SETS];
    uint16_t duration = rd_u16(r);
    RULE(m, set->exists);
    if (on) {
        RULE(m, !set->partial);
        RULE(m, !set->random || set->has_addr); /* 7.8.56 */
        RULE(m, (set->props & 8) == 0 || (duration > 0 && duration <= 128));
    }
    set->enabled = on;
    return 0;
}

static uint8_t model_legacy(struct model *m, const struct fake_cmd *cmd)
{
    struct model_set *set = &m->sets[0];

    switch (cmd->opcode) {
    case BL_CMD_LE_SET_ADV_PARAMS:
        RULE(m, !set->enabled);
        set->props = cmd->params[4];
        set->connectable = set->props == 0 || set->props == 1 || set->props == 4;
        set->random = cmd->params[5];
        return 0;
    case BL_CMD_LE_SET_ADV_DATA:
        set->adv_len = cmd->params[0];
        memcpy(set->data, cmd->params + 1, set->adv_len);
        return 0;
    case BL_CMD_LE_SET_SCAN_RSP_DATA:
        set->resp_len = cmd->params[0];
        return 0;
    case BL_CMD_LE_SET_ADV_ENABLE:
        RULE(m, !cmd->params[0] || !set->random || m->shared_addr);
        set->enabled = cmd->params[0];
        return 0;
    default:
        ck_abort_msg("0x%04x of a legacy controller", cmd->opcode);
    }
}

static uint8_t model_command(struct model *m, const struct fake_cmd *cmd)
{
    struct rd r = rd_make(cmd->params, cmd->n);
    struct model_set *set = &m->sets[cmd->params[0] % MODEL_SETS];

    switch (cmd->opcode) {
    case BL_CMD_LE_SET_RANDOM_ADDRESS:
        RULE(m, !m->legacy || !m->sets[0].enabled);
        m->shared_addr = true;
        return 0;
    case BL_CMD_LE_SET_EXT_ADV_PARAMS:
        return model_ext_params(m, &r);
    case BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS:
        RULE(m, set->exists && !(set->enabled && set->connectable));
        set->has_addr = true;
        return 0;
    case BL_CMD_LE_SET_EXT_ADV_DATA:
        return model_ext_data(m, &r, false);
    case BL_CMD_LE_SET_EXT_SCAN_RSP_DATA:
        return model_ext_data(m, &r, true);
    case BL_CMD_LE_SET_EXT_ADV_ENABLE:
        return model_ext_enable(m, &r);
    case BL_CMD_LE_REMOVE_ADV_SET:
        RULE(m, set->exists && !set->enabled);
        *set = (struct model_set){0};
        return 0;
    default:
        return model_legacy(m, cmd);
    }
}

/* Executes and answers the command that is out. */
static void model_answer(struct model *m)
{
    const struct fake_cmd *cmd = m->out;

    if (!cmd) {
        gap_world_step(m->w);
        cmd = m->out = fake_hci_take(m->w->hci);
    }
    if (!cmd)
        return;
    m->out = NULL;
    if (pick(m, 100) < m->refusals) {
        static const uint8_t errors[] = {BL_HCI_MEMORY_EXCEEDED, BL_HCI_COMMAND_DISALLOWED,
                                         BL_HCI_UNSPECIFIED, BL_HCI_CONNECTION_LIMIT};
        if (pick(m, 3) == 0)
            gap_world_lose(m->w, cmd);
        else
            gap_world_answer(m->w, cmd, errors[pick(m, 4)]);
    } else {
        gap_world_answer(m->w, cmd, model_command(m, cmd));
    }
    m->out = fake_hci_take(m->w->hci);
}

/* ---- the owner ---- */

static int model_find(const struct model *m, uint16_t id)
{
    for (int i = 0; i < 8; i++)
        if (m->advs[i].alive && m->advs[i].id == id)
            return i;
    return -1;
}

static void model_op_done(struct model *m, const struct bl_event *e)
{
    ck_assert_uint_lt(e->done.op, MODEL_OPS);
    ck_assert_uint_eq(m->ops[e->done.op], 1);
    m->ops[e->done.op] = 2;
    for (int i = 0; i < 8; i++)
        if (m->advs[i].alive && m->advs[i].start == e->done.op) {
            ck_assert(e->done.status != BL_OK || e->done.adv == m->advs[i].id);
            m->advs[i].start = 0;
            m->on_air += e->done.status == BL_OK;
            if (e->done.status == BL_OK)
                m->advs[i].lived = true;
            else if (!m->advs[i].lived)
                m->advs[i].alive = false;
        }
}

static void model_events(struct model *m)
{
    struct bl_event e;

    while (gap_world_event(m->w, &e)) {
        if (e.kind == BL_EV_OP_DONE) {
            model_op_done(m, &e);
        } else if (e.kind == BL_EV_ADV_STOPPED) {
            int i = model_find(m, e.adv_stopped.adv);
            ck_assert_int_ge(i, 0);
            ck_assert(m->advs[i].lived);
            ck_assert_uint_eq(m->advs[i].start, 0);
            m->advs[i].alive = false;
        } else {
            ck_assert_int_eq(e.kind, BL_EV_ADDRESS_CHANGED);
        }
    }
}

static void model_start(struct model *m)
{
    static uint8_t data[BL_MAX_ADV_EXTENDED];
    unsigned i = pick(m, 8);
    uint16_t adv = m->advs[i].alive ? m->advs[i].id : 0;
    struct bl_adv_params p = {.interval_us = 20000 + pick(m, 3) * 200000,
                              .connectable = pick(m, 2),
                              .scannable = pick(m, 2),
                              .resume = pick(m, 2),
                              .duration_ms = pick(m, 4) ? 0 : 1 + pick(m, 1000),
                              .addr_mode = (enum bl_addr_mode)pick(m, 4),
                              .adv_data = data,
                              .resp_data = data};
    char fill = (char)('a' + pick(m, 26));
    bl_op op = 0;

    p.extended = !m->legacy && pick(m, 2);
    if (m->legacy && p.addr_mode != BL_ADDR_MODE_PUBLIC)
        p.addr_mode = BL_ADDR_MODE_RPA; /* one kind, or it is busy */
    if (pick(m, 8) == 0) {
        p.has_directed = p.connectable = true;
        p.high_duty = !p.extended && pick(m, 2);
    } else if (!(p.extended && p.scannable && !p.connectable)) {
        p.adv_len = pick(m, (unsigned)bl_advertiser_max(&m->w->adv, &p) + 1);
    } else {
        p.resp_len = 1 + pick(m, (unsigned)bl_advertiser_max(&m->w->adv, &p));
    }
    memset(data, fill, sizeof(data));

    uint16_t id = 0;
    int r = bl_advertiser_start(&m->w->adv, m->w->now, adv, &p, &id, &op);
    if (r == -2) /* being stopped */
        return;
    ck_assert_int_eq(r, 0);
    ck_assert_uint_lt(op, MODEL_OPS);
    m->ops[op] = 1;
    model_events(m); /* of the one that it replaces */
    m->advs[i].id = id;
    m->advs[i].lived = adv != 0 && m->advs[i].alive && m->advs[i].lived;
    m->advs[i].alive = true;
    m->advs[i].start = op;
    m->advs[i].params = p;
    m->advs[i].fill = fill;
    m->advs[i].len = p.adv_len;
}

static void model_stop(struct model *m)
{
    unsigned i = pick(m, 8);
    bl_op op = 0;

    if (!m->advs[i].alive || bl_advertiser_stop(&m->w->adv, m->w->now, m->advs[i].id, &op) < 0)
        return;
    ck_assert_uint_lt(op, MODEL_OPS);
    m->ops[op] = 1;
}

static void model_connect(struct model *m)
{
    unsigned s = pick(m, MODEL_SETS), i = 0;

    while (i < 8 && m->links[i].handle)
        i++;
    if (i == 8 || !m->sets[s].enabled || !m->sets[s].connectable)
        return;
    m->sets[s].enabled = false;
    uint16_t handle = m->last_handle = (uint16_t)(m->last_handle % 0xeff + 1);
    uint16_t adv = gap_world_connected(m->w, handle, 0);
    if (!m->legacy && pick(m, 2))
        model_answer(m); /* a reply in between */
    if (!m->legacy) {
        uint16_t told = gap_world_terminated(m->w, (uint8_t)s, 0, handle);
        if (m->refusals == 0)
            ck_assert(adv == 0 || adv == told);
        adv = told;
    }
    m->links[i].handle = handle;
    m->links[i].adv = adv;
    m->w->radio.links++;
    m->connections++;
}

static void model_disconnect(struct model *m)
{
    unsigned i = pick(m, 8);

    if (!m->links[i].handle)
        return;
    m->links[i].handle = 0;
    m->w->radio.links--;
    bl_advertiser_link_gone(&m->w->adv, m->w->now, m->links[i].adv);
}

static void model_time(struct model *m, uint64_t us)
{
    m->w->now += us;
    bl_privacy_tick(&m->w->privacy, m->w->now);
    bl_advertiser_tick(&m->w->adv, m->w->now);
}

/* Everything is told and nothing waits for time: what is on the air is what it should be. */
static void model_check_quiet(struct model *m)
{
    unsigned on = 0, want = 0;

    while (m->out || m->w->radio.outstanding)
        model_answer(m);
    model_answer(m);
    while (m->out)
        model_answer(m);
    model_events(m);
    for (unsigned s = 0; s < MODEL_SETS; s++) {
        if (!m->sets[s].enabled)
            continue;
        on++;
        int i = model_find(m, m->w->adv.sets[s].on);
        ck_assert_int_ge(i, 0);
        ck_assert(m->w->adv.sets[s].enabled);
        ck_assert_uint_eq(m->sets[s].adv_len, m->advs[i].len);
        for (size_t k = 0; k < m->advs[i].len; k++)
            ck_assert_int_eq(m->sets[s].data[k], m->advs[i].fill);
    }
    for (unsigned i = 0; i < m->w->adv.n_advs; i++) {
        const struct bl_adv *x = m->w->adv.advs[i];
        ck_assert(!x->stopping);
        want += !x->connected && !x->blocked && x->not_before == 0;
    }
    ck_assert_uint_eq(on, want < bl_adv_sets(&m->w->adv) ? want : bl_adv_sets(&m->w->adv));
    ck_assert(m->w->radio.advertising == (m->legacy && m->sets[0].enabled));
}

static void run(bool legacy, unsigned refusals, uint64_t seed)
{
    struct gap_world *w = gap_world_new(!legacy);
    struct model m = {.w = w, .legacy = legacy, .seed = seed, .refusals = refusals};

    w->hci->caps.adv_sets = legacy ? 1 : MODEL_SETS;
    w->random = seed;
    memset(w->radio.config.irk, 7, 16);
    w->radio.config.rpa_timeout_s = 5;
    gap_world_ready(w);
    for (unsigned i = 0; i < 2500; i++) {
        switch (pick(&m, 12)) {
        case 0:
            model_start(&m);
            break;
        case 1:
            model_stop(&m);
            break;
        case 2:
            model_connect(&m);
            break;
        case 3:
            model_disconnect(&m);
            break;
        case 4:
            model_time(&m, pick(&m, 200000));
            break;
        case 5:
            if (refusals == 0 && pick(&m, 4) == 0)
                model_check_quiet(&m);
            break;
        default:
            model_answer(&m);
            break;
        }
        model_events(&m);
    }
    if (refusals == 0) {
        model_check_quiet(&m);
        ck_assert_uint_gt(m.connections, 3);
        ck_assert_uint_gt(m.on_air, 20);
    }
    w->radio.ready = false;
    bl_advertiser_reset(&w->adv, w->now, BL_NOT_ACTIVE);
    model_events(&m);
    for (unsigned i = 0; i < 8; i++)
        ck_assert(!m.advs[i].alive);
    for (unsigned i = 0; i < MODEL_OPS; i++)
        ck_assert_uint_ne(m.ops[i], 1);
    ck_assert_uint_eq(w->events.open_ops, 0);
    gap_world_free(w);
}

/* Several in one process: under a sanitizer it is the process that takes the time. */
enum { LIVES = 20 };

static void lives(bool legacy, unsigned bad, int which)
{
    for (int i = 0; i < LIVES; i++)
        run(legacy, bad, (uint64_t)(which * LIVES + i + 1));
}

START_TEST(random_histories_on_a_legacy_controller_keep_the_rules)
{
    lives(true, 0, _i);
}
END_TEST

START_TEST(random_histories_with_a_bad_legacy_controller_end_everything_once)
{
    lives(true, 10, _i);
}
END_TEST

START_TEST(random_histories_with_a_bad_extended_controller_end_everything_once)
{
    lives(false, 10, _i);
}
END_TEST

START_TEST(random_histories_on_an_extended_controller_keep_the_rules)
{
    lives(false, 0, _i);
}
END_TEST

/* Parameters of a public advertisement that may have been taken are not used for a private one.
 * _i: whether an address of its own, of another kind, is what may have been taken. */
START_TEST(what_may_have_been_taken_is_told_anew)
{
    const struct bl_adv_params private = {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_RPA},
                               other = {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_STATIC};
    uint16_t what = _i ? BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS : BL_CMD_LE_SET_EXT_ADV_PARAMS;
    const struct fake_cmd *cmd;
    uint16_t mine, ignored;
    unsigned told = 0;
    bl_op op;

    struct gap_world *w = gap_world_new(true);
    w->hci->caps.adv_sets = 1;
    w->radio.config.irk[0] = 1;
    gap_world_ready(w);
    mine = gap_world_started(w, &private);
    ck_assert_uint_ne(mine, 0);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &other, &ignored, &op), 0);
    w->now = bl_advertiser_deadline(&w->adv); /* the other one's turn */
    bl_advertiser_tick(&w->adv, w->now);
    for (unsigned lost = 0, n = 0; n < 30; n++) {
        gap_world_step(w);
        if (!(cmd = fake_hci_take(w->hci)))
            break;
        bool mine_again = lost == 3 && cmd->opcode == what;
        told += mine_again;
        if (cmd->opcode == what && lost < 3) {
            lost++;
            gap_world_lose(w, cmd);
        } else {
            gap_world_answer(w, cmd, 0);
        }
    }
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(w->adv.sets[0].on, mine);
    ck_assert(w->adv.sets[0].enabled);
    gap_world_free(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adv_step");
    TCase *c = tcase_create("random");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, random_histories_on_a_legacy_controller_keep_the_rules, 0, 3);
    tcase_add_loop_test(c, random_histories_on_an_extended_controller_keep_the_rules, 0, 3);
    tcase_add_loop_test(c, random_histories_with_a_bad_legacy_controller_end_everything_once, 0, 3);
    tcase_add_loop_test(c, random_histories_with_a_bad_extended_controller_end_everything_once, 0,
                        3);
    tcase_add_loop_test(c, what_may_have_been_taken_is_told_anew, 0, 2);
    suite_add_tcase(suite, c);
    return gap_world_main(suite);
}
