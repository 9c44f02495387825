/* SPDX-License-Identifier: MIT */

/* Rows: control and baseband, informational and status parameters, and LE's of those kinds. */

#include "air/air_internal.h"

#include "crypto/crypto.h"

static uint8_t base_reset(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p, (void)ret;
    bl_air_ctrl_reset(c, false);
    return AIR_OK;
}

static uint8_t base_set_event_mask(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    c->event_mask = rd_u64(p);
    return AIR_OK;
}

static uint8_t base_set_event_mask2(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    c->event_mask2 = rd_u64(p);
    return AIR_OK;
}

static uint8_t base_le_set_event_mask(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    c->le_event_mask = rd_u64(p);
    return AIR_OK;
}

static uint8_t base_write_le_host(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)c, (void)ret;
    return rd_u8(p) > 1 ? AIR_INVALID : AIR_OK;
}

/* Core 5.4, Vol 4, Part E, 7.4.1. */
static uint8_t base_read_version(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u8(ret, c->cfg.hci_version);
    wr_u16(ret, 0);
    wr_u8(ret, c->cfg.hci_version);
    wr_u16(ret, c->cfg.manufacturer);
    wr_u16(ret, 0);
    return AIR_OK;
}

static uint8_t base_read_commands(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t bits[64];

    (void)p;
    bl_air_supported_commands(c, bits);
    wr_bytes(ret, bits, sizeof(bits));
    return AIR_OK;
}

/* BR/EDR Not Supported, LE Supported: Core 5.4, Vol 2, Part C, 3.3. */
static uint8_t base_read_features(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    static const uint8_t features[8] = {[4] = 0x60};

    (void)c, (void)p;
    wr_bytes(ret, features, sizeof(features));
    return AIR_OK;
}

static uint8_t base_read_addr(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_bytes(ret, c->cfg.public.b, 6);
    return AIR_OK;
}

/* Core 5.4, Vol 4, Part E, 7.4.5. */
static uint8_t base_read_buffers(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u16(ret, c->cfg.acl_len);
    wr_u8(ret, 0);
    wr_u16(ret, c->cfg.acl_num);
    wr_u16(ret, 0);
    return AIR_OK;
}

static uint8_t base_le_read_buffers(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u16(ret, c->cfg.shared_buffers ? 0 : c->cfg.acl_len);
    wr_u8(ret, c->cfg.shared_buffers ? 0 : c->cfg.acl_num);
    return AIR_OK; /* [v2] has three octets more, for ISO: zero, none */
}

static uint8_t base_le_read_features(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u64(ret, c->cfg.le_features);
    return AIR_OK;
}

/* Every combination. Core 5.4, Vol 4, Part E, 7.8.27. */
static uint8_t base_le_read_states(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)c, (void)p;
    wr_u64(ret, UINT64_C(0x000003ffffffffff));
    return AIR_OK;
}

static uint8_t base_le_rand(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u64(ret, bl_air_random(&c->rng));
    return AIR_OK;
}

static uint8_t base_le_encrypt(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t key[16], in[16], out[16];

    (void)c;
    rd_copy(p, key, 16);
    rd_copy(p, in, 16);
    if (bl_crypto_e(key, in, out) < 0)
        return AIR_UNSPECIFIED;
    wr_bytes(ret, out, 16);
    return AIR_OK;
}

/* Core 5.4, Vol 4, Part E, 7.8.4. */
static uint8_t base_le_set_random(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    if (c->legacy.enabled || c->scan.enabled || c->init.enabled)
        return bl_air_disallow(c, "LE Set Random Address while advertising, scanning, initiating");
    rd_copy(p, c->random.b, 6);
    c->random.type = ADDR_RANDOM;
    c->has_random = true;
    return AIR_OK;
}

/* ---- flow control towards the host: Core 5.4, Vol 4, Part E, 7.3.38 to 7.3.40 ---- */

static uint8_t base_set_flow(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t mode = rd_u8(p);

    (void)ret;
    if (mode > 3)
        return AIR_INVALID;
    if (!list_empty(&c->ends))
        return bl_air_disallow(c, "Set Controller To Host Flow Control with connections");
    c->flow_control = mode & 1;
    return AIR_OK;
}

static uint8_t base_host_buffers(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    c->host_acl_len = rd_u16(p);
    rd_u8(p);
    c->host_acl_num = rd_u16(p);
    return c->host_acl_len < 27 || c->host_acl_num == 0 ? AIR_INVALID : AIR_OK;
}

static uint8_t base_host_completed(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    unsigned handles = rd_u8(p);

    (void)ret;
    if (p->left != handles * 4u)
        return AIR_INVALID;
    while (handles-- > 0) {
        struct air_end *e = bl_air_end_find(c, rd_u16(p));
        uint16_t n = rd_u16(p);
        if (!e)
            continue; /* of a connection that has just gone */
        if (n > e->to_host)
            return AIR_INVALID;
        e->to_host = (uint16_t)(e->to_host - n);
    }
    bl_air_links_kick(c);
    return AIR_OK;
}

static const struct air_cmd base_rows[] = {
    /* clang-format off */
    /* opcode, min, max, ret, bit, version, feature, flags, handler */
    {0x0c01, 8, 8, 0, AIR_BIT(5, 6), 0, 0, 0, base_set_event_mask},
    {0x0c03, 0, 0, 0, AIR_BIT(5, 7), 0, 0, 0, base_reset},
    {0x0c31, 1, 1, 0, AIR_BIT(10, 5), 0, 0, 0, base_set_flow},
    {0x0c33, 7, 7, 0, AIR_BIT(10, 6), 0, 0, 0, base_host_buffers},
    {0x0c35, 5, 255, 0, AIR_BIT(10, 7), 0, 0, AIR_CMD_SILENT, base_host_completed},
    {0x0c63, 8, 8, 0, AIR_BIT(22, 2), 0, 0, 0, base_set_event_mask2},
    {0x0c6d, 2, 2, 0, AIR_BIT(24, 6), 0, 0, 0, base_write_le_host},
    {0x1001, 0, 0, 8, AIR_BIT(14, 3), 0, 0, 0, base_read_version},
    {0x1002, 0, 0, 64, AIR_NO_BIT, 0, 0, 0, base_read_commands},
    {0x1003, 0, 0, 8, AIR_BIT(14, 5), 0, 0, 0, base_read_features},
    {0x1005, 0, 0, 7, AIR_BIT(14, 7), 0, 0, AIR_CMD_SHARED, base_read_buffers},
    {0x1009, 0, 0, 6, AIR_BIT(15, 1), 0, 0, 0, base_read_addr},
    {0x2001, 8, 8, 0, AIR_BIT(25, 0), 0, 0, 0, base_le_set_event_mask},
    {0x2002, 0, 0, 3, AIR_BIT(25, 1), 0, 0, 0, base_le_read_buffers},
    {0x2003, 0, 0, 8, AIR_BIT(25, 2), 0, 0, 0, base_le_read_features},
    {0x2005, 6, 6, 0, AIR_BIT(25, 4), 0, 0, 0, base_le_set_random},
    {0x2017, 32, 32, 16, AIR_BIT(27, 6), 0, 0, 0, base_le_encrypt},
    {0x2018, 0, 0, 8, AIR_BIT(27, 7), 0, 0, 0, base_le_rand},
    {0x201c, 0, 0, 8, AIR_BIT(28, 3), 0, 0, 0, base_le_read_states},
    {0x2060, 0, 0, 6, AIR_BIT(41, 5), 11, 0, AIR_CMD_V2, base_le_read_buffers},
    /* clang-format on */
};

const struct air_cmd_table bl_air_base_commands = {base_rows,
                                                   sizeof(base_rows) / sizeof(base_rows[0])};
