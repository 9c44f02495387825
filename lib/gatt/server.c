/* SPDX-License-Identifier: MIT */

/*
 * server.c: one client's side of the server: its life, and which handler a PDU is for.
 *
 * The bearer has seen to the order of transactions and to the lengths that the opcode table knows.
 * From here a PDU goes through what concerns all of them (a client that does not know of a change
 * of the database yet) to its handler in server_find.c, server_read.c or server_write.c.
 */

#include "gatt/server_internal.h"

/* by_handle: it names attributes by handles that the client must have got before. */
static const struct server_row {
    server_handler *handler;
    bool by_handle;
} server_rows[256] = {
    [BL_ATT_FIND_INFO_REQ] = {server_find_info, false},
    [BL_ATT_FIND_BY_TYPE_REQ] = {server_find_by_type, false},
    [BL_ATT_READ_BY_TYPE_REQ] = {server_read_by_type, false},
    [BL_ATT_READ_REQ] = {server_read, true},
    [BL_ATT_READ_BLOB_REQ] = {server_read_blob, true},
    [BL_ATT_READ_MULTIPLE_REQ] = {server_read_multiple, true},
    [BL_ATT_READ_BY_GROUP_REQ] = {server_read_by_group, false},
    [BL_ATT_WRITE_REQ] = {server_write, true},
    [BL_ATT_PREPARE_WRITE_REQ] = {server_write_prepare, true},
    [BL_ATT_EXECUTE_WRITE_REQ] = {server_write_execute, false},
    [BL_ATT_READ_MULTIPLE_VAR_REQ] = {server_read_multiple, true},
    [BL_ATT_WRITE_CMD] = {server_write, true},
    [BL_ATT_SIGNED_WRITE_CMD] = {server_write_signed, true},
};

int bl_gatts_open(struct bl_gatt_conn *c, uint64_t now)
{
    (void)now;
    c->server = (struct bl_gatts_conn){.aware = true};
    list_init(&c->server.prepared);
    list_init(&c->server.commands);
    list_init(&c->server.indications);
    return 0;
}

void bl_gatts_close(struct bl_gatt_conn *c, uint64_t now, bl_status status)
{
    (void)now;
    server_auth_drop(c);
    server_write_drop(c);
    server_read_drop(c);
    server_send_drop(c, status);
    server_subs_drop(c);
}

uint8_t server_find(struct bl_gatt_conn *c, struct server_request *q, uint16_t handle,
                    enum bl_gatt_access access, struct bl_gatt_attr **ret)
{
    q->handle = handle;
    *ret = bl_gatt_db_get(&c->gatt->db, handle);
    if (!*ret)
        return BL_ATT_INVALID_HANDLE;
    return bl_gatt_access(*ret, access, &c->security, c->gatt->config->min_key_size);
}

uint8_t server_range(struct server_request *q, uint16_t start, uint16_t end)
{
    q->handle = start;
    return start == 0 || start > end ? BL_ATT_INVALID_HANDLE : 0;
}

static void server_refuse(struct bl_gatt_conn *c, const struct server_request *q, uint8_t error)
{
    c->gatt->server.refused++;
    if (!server_is_command(q->opcode))
        bl_att_refuse(&c->bearer, q->handle, error);
}

void server_serve(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    server_handler *handler = server_rows[q->opcode].handler;

    q->waits = false;
    q->handle = 0;
    q->body = rd_make(q->params, q->n);

    uint8_t error = handler ? handler(c, now, q) : BL_ATT_REQUEST_NOT_SUPPORTED;
    if (error)
        server_refuse(c, q, error);
    else if (q->waits)
        return;
    server_auth_forget(c, q->held);
}

void bl_gatts_pdu(struct bl_gatt_conn *c, uint64_t now, const struct bl_att_pdu *pdu)
{
    struct server_request q = {.opcode = pdu->opcode, .params = pdu->body.p, .n = pdu->body.left};

    if (pdu->opcode == BL_ATT_CONFIRMATION) {
        server_send_confirmed(c, now);
        return;
    }
    if (pdu->opcode != BL_ATT_READ_BLOB_REQ && !server_is_command(pdu->opcode))
        server_read_drop(c); /* a long read has ended */

    uint8_t error = server_subs_sync(c, &q, server_rows[q.opcode].by_handle);
    if (error)
        server_refuse(c, &q, error);
    else
        server_serve(c, now, &q);
}

void bl_gatts_removing(struct bl_gatt *g, uint64_t now, uint16_t start, uint16_t end)
{
    (void)now;
    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_gatt_conn *c = g->conns[i];

        if (c->server.long_handle >= start && c->server.long_handle <= end)
            server_read_drop(c);
        server_write_removing(c, start, end);
        server_auth_removing(c, start, end);
        server_send_removing(c, start, end);
        server_subs_removing(c, start, end);
    }
}
