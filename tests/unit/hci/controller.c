/* SPDX-License-Identifier: MIT */

#include "controller.h"

#include "base/timerq.h"
#include "base/wr.h"

#include <check.h>
#include <stdlib.h>

static int ctl_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5a, n);
    return 0;
}

static void ctl_log(void *ctx, enum bl_log_level level, const char *text)
{
    struct ctl *c = ctx;

    (void)level;
    c->logged += strlen(text) < 241 && !strchr(text, '\n');
}

void ctl_support(struct ctl *c, uint16_t opcode, bool supported)
{
    unsigned bit = bl_cmd_row(opcode)->bit;

    ck_assert_uint_lt(bit, 512);
    if (supported)
        c->commands[bit / 8] |= (uint8_t)(1u << bit % 8);
    else
        c->commands[bit / 8] &= (uint8_t) ~(1u << bit % 8);
}

static void ctl_support_range(struct ctl *c, uint16_t from, uint16_t to)
{
    const struct bl_cmd_row *row;

    for (size_t i = 0; (row = bl_cmd_row_at(i)); i++)
        if (row->opcode >= from && row->opcode <= to && row->bit != 0xffff)
            ctl_support(c, row->opcode, true);
}

struct ctl *ctl_new(uint8_t version)
{
    static const uint8_t addr[6] = {1, 2, 3, 4, 5, 6};
    struct ctl *c = calloc(1, sizeof(*c));

    ck_assert_ptr_nonnull(c);
    c->env = (struct bl_env){.random = ctl_random, .log = ctl_log, .ctx = c};
    c->hci = bl_hci_new(&c->env);
    ck_assert_ptr_nonnull(c->hci);
    c->now = 1000;
    c->credits = 1;
    c->version = version;
    memcpy(c->addr, addr, 6);
    c->lmp[4] = 0x60;
    c->features = 0x01;
    c->le_len = 27;
    c->le_num = 4;
    c->adv_data_max = 251;
    c->adv_sets = 3;
    c->tx_octets = 251;
    c->tx_time = 2120;
    ctl_support(c, BL_CMD_DISCONNECT, true);
    ctl_support(c, BL_CMD_READ_REMOTE_VERSION, true);
    ctl_support(c, BL_CMD_SET_EVENT_MASK, true);
    ctl_support(c, BL_CMD_READ_RSSI, true);
    ctl_support_range(c, BL_CMD_LE_SET_EVENT_MASK, BL_CMD_LE_READ_SUPPORTED_STATES);
    if (version >= 8) { /* 4.2, with BR/EDR */
        c->lmp[4] = 0x40;
        c->le_len = 0;
        c->le_num = 0;
        c->shared_len = 1021;
        c->shared_num = 8;
        c->features = 0xff;
        ctl_support(c, BL_CMD_READ_BUFFER_SIZE, true);
        ctl_support(c, BL_CMD_WRITE_LE_HOST_SUPPORT, true);
        ctl_support(c, BL_CMD_SET_EVENT_MASK_PAGE_2, true);
        ctl_support_range(c, BL_CMD_LE_PARAM_REQUEST_REPLY, BL_CMD_LE_READ_MAX_DATA_LENGTH);
    }
    if (version >= 9) { /* 5.0, LE alone */
        c->lmp[4] = 0x60;
        c->le_len = 251;
        c->le_num = 6;
        c->features = 0x51ff;
        ctl_support(c, BL_CMD_READ_BUFFER_SIZE, false);
        ctl_support(c, BL_CMD_WRITE_LE_HOST_SUPPORT, false);
        ctl_support_range(c, BL_CMD_LE_READ_PHY, BL_CMD_LE_SET_PRIVACY_MODE);
    }
    if (version >= 12) { /* 5.3, with isochronous channels */
        c->features |= 3ull << 28;
        ctl_support(c, BL_CMD_LE_READ_BUFFER_SIZE_V2, true);
        ctl_support(c, BL_CMD_LE_SET_HOST_FEATURE, true);
    }
    return c;
}

void ctl_free(struct ctl *c)
{
    bl_hci_free(c->hci);
    free(c);
}

void ctl_rule(struct ctl *c, uint16_t opcode, enum ctl_how how, unsigned times)
{
    ck_assert_uint_lt(c->n_rules, CTL_RULES);
    c->rules[c->n_rules++] = (struct ctl_rule){opcode, how, times};
}

/* ---- what the host says ---- */

static void ctl_keep(struct ctl *c, const struct bl_hci_in *in)
{
    ck_assert_uint_lt(c->n_in, CTL_INS);
    struct ctl_in *kept = &c->in[c->n_in++];
    const uint8_t *data = NULL;

    *kept = (struct ctl_in){.in = *in};
    if (in->kind == BL_HCI_PDU) {
        data = in->pdu.data;
        kept->len = in->pdu.len;
    } else if (in->kind == BL_HCI_REPLY) {
        data = in->reply.params.p;
        kept->len = in->reply.params.left;
    } else if (in->kind == BL_HCI_EVENT && in->event.kind == BL_HCI_EV_REPORT) {
        data = in->event.adv.report.data;
        kept->len = in->event.adv.report.len;
    }
    for (size_t i = 0; i < kept->len; i++) { /* every octet is read, for the sanitizer */
        volatile uint8_t v = data[i];
        if (i < CTL_DATA)
            kept->data[i] = v;
    }
}

static void ctl_drain(struct ctl *c)
{
    struct bl_hci_in in;

    while (bl_hci_next(c->hci, c->now, &in))
        ctl_keep(c, &in);
}

void ctl_packet(struct ctl *c, const void *packet, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    ck_assert_ptr_nonnull(exact);
    if (n > 0)
        memcpy(exact, packet, n);
    bl_hci_receive(c->hci, c->now, exact, n);
    ctl_drain(c);
    free(exact);
}

void ctl_event(struct ctl *c, uint8_t code, const void *params, size_t n)
{
    uint8_t packet[3 + 255];
    struct wr w = wr_make(packet, sizeof(packet));

    wr_u8(&w, 0x04);
    wr_u8(&w, code);
    wr_u8(&w, (uint8_t)n);
    wr_bytes(&w, params, n);
    ck_assert(wr_ok(&w));
    ctl_packet(c, packet, w.len);
}

void ctl_le_event(struct ctl *c, uint8_t subevent, const void *params, size_t n)
{
    uint8_t all[255];
    struct wr w = wr_make(all, sizeof(all));

    wr_u8(&w, subevent);
    wr_bytes(&w, params, n);
    ck_assert(wr_ok(&w));
    ctl_event(c, 0x3e, all, w.len);
}

void ctl_complete(struct ctl *c, uint16_t opcode, const void *returns, size_t n)
{
    uint8_t all[255];
    struct wr w = wr_make(all, sizeof(all));

    wr_u8(&w, c->credits);
    wr_u16(&w, opcode);
    wr_bytes(&w, returns, n);
    ck_assert(wr_ok(&w));
    ctl_event(c, 0x0e, all, w.len);
}

void ctl_status(struct ctl *c, uint16_t opcode, uint8_t status)
{
    uint8_t all[4] = {status, c->credits, (uint8_t)opcode, (uint8_t)(opcode >> 8)};

    ctl_event(c, 0x0f, all, sizeof(all));
}

void ctl_connect(struct ctl *c, uint16_t handle)
{
    uint8_t all[18];
    struct wr w = wr_make(all, sizeof(all));

    wr_u8(&w, 0);
    wr_u16(&w, handle);
    wr_u8(&w, 0);
    wr_zero(&w, 7);
    wr_u16(&w, 24);
    wr_u16(&w, 0);
    wr_u16(&w, 500);
    wr_u8(&w, 0);
    ctl_le_event(c, 0x01, all, w.len);
}

void ctl_disconnect(struct ctl *c, uint16_t handle)
{
    uint8_t all[4] = {0, (uint8_t)handle, (uint8_t)(handle >> 8), 0x13};

    ctl_event(c, 0x05, all, sizeof(all));
}

void ctl_completed(struct ctl *c, uint16_t handle, uint16_t count)
{
    uint8_t all[5] = {1, (uint8_t)handle, (uint8_t)(handle >> 8), (uint8_t)count,
                      (uint8_t)(count >> 8)};

    ctl_event(c, 0x13, all, sizeof(all));
    ctl_pump(c);
}

void ctl_acl(struct ctl *c, uint16_t handle, unsigned boundary, const void *data, size_t n)
{
    uint8_t packet[5 + 2048];
    struct wr w = wr_make(packet, sizeof(packet));

    wr_u8(&w, 0x02);
    wr_u16(&w, (uint16_t)(handle | boundary << 12));
    wr_u16(&w, (uint16_t)n);
    wr_bytes(&w, data, n);
    ck_assert(wr_ok(&w));
    ctl_packet(c, packet, w.len);
}

/* ---- what it answers ---- */

static void ctl_returns(const struct ctl *c, uint16_t opcode, struct wr *w)
{
    const struct bl_cmd_row *row = bl_cmd_row(opcode);

    wr_u8(w, 0);
    switch (opcode) {
    case BL_CMD_READ_LOCAL_VERSION:
        wr_u8(w, c->version);
        wr_u16(w, 0);
        wr_u8(w, c->version);
        wr_u16(w, 0x05f1);
        wr_u16(w, 0);
        break;
    case BL_CMD_READ_LOCAL_COMMANDS:
        wr_bytes(w, c->commands, 64);
        break;
    case BL_CMD_READ_LOCAL_FEATURES:
        wr_bytes(w, c->lmp, 8);
        break;
    case BL_CMD_READ_BD_ADDR:
        wr_bytes(w, c->addr, 6);
        break;
    case BL_CMD_READ_BUFFER_SIZE:
        wr_u16(w, c->shared_len);
        wr_u8(w, 0);
        wr_u16(w, c->shared_num);
        wr_u16(w, 0);
        break;
    case BL_CMD_LE_READ_BUFFER_SIZE:
    case BL_CMD_LE_READ_BUFFER_SIZE_V2:
        wr_u16(w, c->le_len);
        wr_u8(w, c->le_num);
        if (opcode == BL_CMD_LE_READ_BUFFER_SIZE_V2)
            wr_zero(w, 3);
        break;
    case BL_CMD_LE_READ_FEATURES:
        wr_u64(w, c->features);
        break;
    case BL_CMD_LE_READ_ACCEPT_LIST_SIZE:
    case BL_CMD_LE_READ_RESOLVING_LIST_SIZE:
        wr_u8(w, 16);
        break;
    case BL_CMD_LE_READ_MAX_DATA_LENGTH:
        wr_u16(w, c->tx_octets);
        wr_u16(w, c->tx_time);
        wr_u16(w, c->tx_octets);
        wr_u16(w, c->tx_time);
        break;
    case BL_CMD_LE_READ_MAX_ADV_DATA:
        wr_u16(w, c->adv_data_max);
        break;
    case BL_CMD_LE_READ_ADV_SETS:
        wr_u8(w, c->adv_sets);
        break;
    default:
        wr_zero(w, row && row->returns_min > 1 ? row->returns_min - 1u : 0);
    }
}

static void ctl_noise(struct ctl *c)
{
    uint8_t bytes[40] = {1};

    ctl_event(c, 0x2f, bytes, 40);    /* Extended Inquiry Result, cut */
    ctl_event(c, 0xff, bytes, 7);     /* a vendor's */
    ctl_le_event(c, 0x02, bytes, 20); /* a report that nobody asked for */
    ctl_disconnect(c, 0x0042);
    ctl_complete(c, BL_CMD_READ_RSSI, bytes, 4);
    ctl_acl(c, 0x0042, 2, bytes, 8);
}

static bool ctl_by_rule(struct ctl *c, uint16_t opcode, const uint8_t *returns, size_t n)
{
    static const uint8_t unknown = BL_HCI_UNKNOWN_COMMAND, error = BL_HCI_UNSPECIFIED;

    for (size_t i = 0; i < c->n_rules; i++) {
        struct ctl_rule *rule = &c->rules[i];
        if (rule->opcode != opcode)
            continue;
        enum ctl_how how = rule->how;
        if (rule->times > 0 && --rule->times == 0)
            rule->opcode = 0;
        if (how == CTL_UNKNOWN)
            ctl_complete(c, opcode, &unknown, 1);
        else if (how == CTL_UNKNOWN_STATUS)
            ctl_status(c, opcode, unknown);
        else if (how == CTL_ERROR)
            ctl_complete(c, opcode, &error, 1);
        else if (how == CTL_SHORT)
            ctl_complete(c, opcode, returns, n - 1);
        else if (how == CTL_EMPTY)
            ctl_complete(c, opcode, NULL, 0);
        else if (how == CTL_TWICE)
            ctl_complete(c, opcode, returns, n);
        else if (how == CTL_NOISE)
            ctl_noise(c);
        return how != CTL_TWICE && how != CTL_NOISE;
    }
    return false;
}

static void ctl_command(struct ctl *c, const uint8_t *p, size_t n)
{
    struct rd r = rd_make(p + 1, n - 1);
    uint16_t opcode = rd_u16(&r);
    uint8_t len = rd_u8(&r);
    uint8_t returns[80];
    struct wr w = wr_make(returns, sizeof(returns));

    ck_assert(rd_ok(&r) && r.left == len);
    ck_assert_uint_lt(c->n_seen, CTL_SEEN);
    memcpy(c->params[c->n_seen], r.p, len < 64 ? len : 64);
    c->seen[c->n_seen++] = opcode;
    if (c->hold)
        return;
    ctl_returns(c, opcode, &w);
    ck_assert(wr_ok(&w));
    if (ctl_by_rule(c, opcode, returns, w.len))
        return;
    const struct bl_cmd_row *row = bl_cmd_row(opcode);
    if (row && row->by_status)
        ctl_status(c, opcode, 0);
    else
        ctl_complete(c, opcode, returns, w.len);
}

void ctl_pump(struct ctl *c)
{
    const uint8_t *p;
    size_t n;

    ctl_drain(c);
    while ((n = bl_hci_next_tx(c->hci, c->now, &p)) > 0) {
        if (p[0] == 0x01) {
            ctl_command(c, p, n);
            continue;
        }
        ck_assert_uint_eq(p[0], 0x02);
        ck_assert_uint_lt(c->n_acl, CTL_SEEN);
        memcpy(c->acl[c->n_acl].bytes, p + 1, n - 1 < CTL_DATA ? n - 1 : CTL_DATA);
        c->acl[c->n_acl++].len = n - 1;
    }
}

bool ctl_wait(struct ctl *c)
{
    uint64_t at = bl_hci_deadline(c->hci);

    if (at == TIMERQ_NEVER)
        return false;
    if (at > c->now)
        c->now = at;
    bl_hci_tick(c->hci, c->now);
    ctl_pump(c);
    return true;
}

void ctl_start(struct ctl *c)
{
    bl_hci_start(c->hci, c->now);
    ctl_pump(c);
}

struct ctl *ctl_ready(uint8_t version)
{
    struct ctl *c = ctl_new(version);

    ctl_start(c);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_int_eq(c->in[0].in.kind, BL_HCI_READY);
    ck_assert_uint_eq(c->logged, 0);
    c->n_in = c->n_seen = 0;
    return c;
}

/* ---- looking back ---- */

unsigned ctl_times(const struct ctl *c, uint16_t opcode)
{
    unsigned n = 0;

    for (size_t i = 0; i < c->n_seen; i++)
        n += c->seen[i] == opcode;
    return n;
}

const uint8_t *ctl_params(const struct ctl *c, uint16_t opcode)
{
    for (size_t i = c->n_seen; i-- > 0;)
        if (c->seen[i] == opcode)
            return c->params[i];
    ck_abort_msg("command 0x%04x was never sent", opcode);
    return NULL;
}

unsigned ctl_count(const struct ctl *c, enum bl_hci_kind kind)
{
    unsigned n = 0;

    for (size_t i = 0; i < c->n_in; i++)
        n += c->in[i].in.kind == kind;
    return n;
}

const struct ctl_in *ctl_last(const struct ctl *c, enum bl_hci_kind kind)
{
    for (size_t i = c->n_in; i-- > 0;)
        if (c->in[i].in.kind == kind)
            return &c->in[i];
    ck_abort_msg("nothing of kind %d came", kind);
    return NULL;
}

uint64_t ctl_counter(const struct ctl *c, const char *name)
{
    const char *found;
    uint64_t value;

    for (size_t i = 0; bl_hci_counter(c->hci, i, &found, &value); i++)
        if (strcmp(found, name) == 0)
            return value;
    ck_abort_msg("no counter %s", name);
    return 0;
}
