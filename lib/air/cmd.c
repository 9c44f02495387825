/* SPDX-License-Identifier: MIT */

/*
 * Commands from the host. Each has one row, in the file that carries it out; what the row says
 * (supported, length, connection handle, legacy or extended) is checked here, once.
 */

#include "air/air_internal.h"

#include <string.h>

/* A command lost on purpose is given up by hosts after a while; the next is no violation then. */
#define CMD_LOST_US 1000000u

static const struct air_cmd_table *const cmd_tables[] = {
    &bl_air_base_commands,    &bl_air_adv_legacy_commands, &bl_air_adv_ext_commands,
    &bl_air_scan_commands,    &bl_air_init_commands,       &bl_air_filter_commands,
    &bl_air_privacy_commands, &bl_air_link_commands,       &bl_air_encrypt_commands,
};

static bool cmd_supported(const struct air_ctrl *c, const struct air_cmd *row)
{
    if ((row->flags & AIR_CMD_SHARED && !c->cfg.shared_buffers) ||
        (row->flags & AIR_CMD_V2 && !c->cfg.buffer_v2))
        return false;
    return c->cfg.hci_version >= row->version && (c->cfg.le_features & row->need) == row->need;
}

static const struct air_cmd *cmd_find(const struct air_ctrl *c, uint16_t opcode)
{
    for (size_t t = 0; t < sizeof(cmd_tables) / sizeof(cmd_tables[0]); t++)
        for (size_t i = 0; i < cmd_tables[t]->n; i++)
            if (cmd_tables[t]->rows[i].opcode == opcode)
                return cmd_supported(c, &cmd_tables[t]->rows[i]) ? &cmd_tables[t]->rows[i] : NULL;
    return NULL;
}

void bl_air_supported_commands(const struct air_ctrl *c, uint8_t out[static 64])
{
    memset(out, 0, 64);
    for (size_t t = 0; t < sizeof(cmd_tables) / sizeof(cmd_tables[0]); t++)
        for (size_t i = 0; i < cmd_tables[t]->n; i++) {
            const struct air_cmd *row = &cmd_tables[t]->rows[i];
            if (row->bit != AIR_NO_BIT && cmd_supported(c, row))
                out[row->bit / 8] |= (uint8_t)(1 << row->bit % 8);
        }
}

uint8_t bl_air_disallow(struct air_ctrl *c, const char *why)
{
    bl_air_violate(c, "forbidden now: %s", why);
    return AIR_DISALLOWED;
}

/* Core 5.4, Vol 4, Part E, 3.1.1: one family of commands from one Reset to the next. */
static bool cmd_mixes(struct air_ctrl *c, const struct air_cmd *row)
{
    enum air_adv_mode mode = row->flags & AIR_CMD_LEGACY     ? AIR_ADV_LEGACY
                             : row->flags & AIR_CMD_EXTENDED ? AIR_ADV_EXTENDED
                                                             : c->mode;

    if (c->mode == AIR_ADV_UNDECIDED)
        c->mode = mode;
    return c->mode != mode;
}

static uint8_t cmd_check(struct air_ctrl *c, const struct air_cmd *row, struct rd params,
                         struct wr *ret)
{
    size_t n = params.left;

    c->on = NULL;
    if (n < row->min || n > row->max) {
        bl_air_violate(c, "command 0x%04x has %zu octets of parameters, not %u..%u", row->opcode, n,
                       row->min, row->max);
        return AIR_INVALID;
    }
    if (cmd_mixes(c, row))
        return bl_air_disallow(c, "legacy and extended advertising commands after one Reset");
    if (row->flags & AIR_CMD_HANDLE) {
        uint16_t handle = rd_u16(&params);
        if (row->ret >= 2)
            wr_u16(ret, handle);
        if (handle > 0x0eff)
            return AIR_INVALID;
        c->on = bl_air_end_find(c, handle);
        if (!c->on)
            return AIR_UNKNOWN_CONNECTION;
    }
    return AIR_OK;
}

static void cmd_run(struct air_ctrl *c, const struct air_cmd *row, struct rd params,
                    const struct air_fault *fault)
{
    uint8_t bytes[255] = {0};
    struct wr ret = wr_make(bytes, row->ret);
    bool as_status = row->flags & AIR_CMD_STATUS;
    unsigned violations = c->air->n_violations;

    c->holding = true;
    uint8_t status = cmd_check(c, row, params, &ret);
    if (status == AIR_OK) {
        struct rd in = params;
        if (row->flags & AIR_CMD_HANDLE)
            rd_u16(&in);
        status = row->run(c, &in, &ret);
    }
    if (status == AIR_INVALID && c->air->n_violations == violations)
        bl_air_violate(c, "command 0x%04x has a parameter out of range", row->opcode);
    if (row->flags & AIR_CMD_SILENT && status == AIR_OK) {
        c->holding = false;
        return;
    }
    size_t n = row->ret;
    if (fault && fault->kind == BL_AIR_ANSWER_SHORT)
        n -= (size_t)fault->value < n ? (size_t)fault->value : n;
    uint64_t late = fault && fault->kind == BL_AIR_ANSWER_LATE ? (uint64_t)fault->value * 1000 : 0;
    bl_air_answer(c, row->opcode, as_status, status, bytes, n, late);
}

/* The credit: one command at a time. Core 5.4, Vol 4, Part E, 4.4. */
static void cmd_credit(struct air_ctrl *c, uint16_t opcode)
{
    uint64_t now = c->air->now;

    if (c->command_pending && !(c->command_lost && now - c->command_since >= CMD_LOST_US))
        bl_air_violate(c, "command 0x%04x without a credit", opcode);
    c->command_pending = true;
    c->command_lost = false;
    c->command_since = now;
}

void bl_air_command(struct air_ctrl *c, const uint8_t *p, size_t n)
{
    struct rd in = rd_make(p, n);
    uint16_t opcode = rd_u16(&in);
    size_t len = rd_u8(&in);
    struct air_fault fault;

    if (!rd_ok(&in) || in.left != len) {
        bl_air_violate(c, "a command packet whose length is not its parameters'");
        return;
    }
    const struct air_cmd *row = cmd_find(c, opcode);
    if (row && row->flags & AIR_CMD_SILENT) {
        cmd_run(c, row, in, NULL);
        return;
    }
    cmd_credit(c, opcode);
    bool faulty = bl_air_fault_take(&c->command_faults, opcode, &fault);
    if (faulty && fault.kind == BL_AIR_NEVER_ANSWER) {
        c->command_lost = true;
        return;
    }
    if (faulty && fault.kind == BL_AIR_ANSWER_LATE)
        c->command_lost = true; /* hosts may give up before it comes */
    if (faulty && fault.kind == BL_AIR_ANSWER_STATUS) {
        static const uint8_t nothing[255];
        bl_air_answer(c, opcode, row && row->flags & AIR_CMD_STATUS, (uint8_t)fault.value, nothing,
                      row && fault.value != AIR_UNKNOWN_COMMAND ? row->ret : 0, 0);
        return;
    }
    if (!row) {
        bl_air_answer(c, opcode, true, AIR_UNKNOWN_COMMAND, NULL, 0, 0);
        return;
    }
    cmd_run(c, row, in, faulty ? &fault : NULL);
}
