/* SPDX-License-Identifier: MIT */

/*
 * A row a code: whether it wants an answer, how long its data may be, and the layout, from which
 * both the parser and the builder work. Every PDU that bled knows is a row of 16-bit numbers, so a
 * layout is the list of the places in struct bl_sig that they go to; the enhanced PDUs end in one
 * to five channel identifiers.
 */

#include "l2cap/sig.h"

#include "base/cleanup.h"
#include "base/rd.h"
#include "base/wr.h"

#define SIG_FIELDS_MAX 5

struct sig_row {
    uint8_t code;
    bool request; /* an answer is due: what is wrong with it is rejected, not ignored */
    uint8_t fields;
    bool cids; /* one to BL_SIG_CID_MAX follow */
    size_t at[SIG_FIELDS_MAX];
};

#define AT(field) offsetof(struct bl_sig, field)

static const struct sig_row sig_rows[] = {
    /* The reject's data depends on its reason and is read apart. */
    {BL_SIG_REJECT, false, 1, false, {AT(reject.reason)}},
    {BL_SIG_DISCONNECTION_REQ, true, 2, false, {AT(disconnection.dcid), AT(disconnection.scid)}},
    {BL_SIG_DISCONNECTION_RSP, false, 2, false, {AT(disconnection.dcid), AT(disconnection.scid)}},
    {BL_SIG_PARAM_UPDATE_REQ,
     true,
     4,
     false,
     {AT(params.interval_min), AT(params.interval_max), AT(params.latency), AT(params.timeout)}},
    {BL_SIG_PARAM_UPDATE_RSP, false, 1, false, {AT(result.result)}},
    {BL_SIG_LE_CONNECTION_REQ,
     true,
     5,
     false,
     {AT(channel.spsm), AT(channel.cid), AT(channel.mtu), AT(channel.mps), AT(channel.credits)}},
    {BL_SIG_LE_CONNECTION_RSP,
     false,
     5,
     false,
     {AT(channel.cid), AT(channel.mtu), AT(channel.mps), AT(channel.credits), AT(channel.result)}},
    {BL_SIG_CREDITS, false, 2, false, {AT(credits.cid), AT(credits.credits)}},
    {BL_SIG_ENHANCED_REQ,
     true,
     4,
     true,
     {AT(channel.spsm), AT(channel.mtu), AT(channel.mps), AT(channel.credits)}},
    {BL_SIG_ENHANCED_RSP,
     false,
     4,
     true,
     {AT(channel.mtu), AT(channel.mps), AT(channel.credits), AT(channel.result)}},
    {BL_SIG_RECONFIGURE_REQ, true, 2, true, {AT(channel.mtu), AT(channel.mps)}},
    {BL_SIG_RECONFIGURE_RSP, false, 1, false, {AT(result.result)}},
};

/* The other codes up to 0x11 are BR/EDR's; the odd ones among them are responses, which are never
 * answered: Core 5.4, Vol 3, Part A, 4, Table 4.2. */
static bool sig_is_foreign_response(uint8_t code)
{
    return code >= 0x03 && code <= 0x11 && (code & 1);
}

static const struct sig_row *sig_row(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(sig_rows); i++)
        if (sig_rows[i].code == code)
            return &sig_rows[i];
    return NULL;
}

static uint16_t *sig_field(struct bl_sig *sig, size_t at)
{
    return (uint16_t *)(void *)((char *)sig + at);
}

static uint16_t sig_value(const struct bl_sig *sig, size_t at)
{
    uint16_t v;

    memcpy(&v, (const char *)sig + at, sizeof(v));
    return v;
}

/* Core 5.4, Vol 3, Part A, 4.1, Table 4.4. */
static bool sig_read_reject(struct rd *r, struct bl_sig *sig)
{
    if (sig->reject.reason == BL_SIG_MTU_EXCEEDED) {
        sig->reject.mtu = rd_u16(r);
    } else if (sig->reject.reason == BL_SIG_INVALID_CID) {
        sig->reject.local_cid = rd_u16(r);
        sig->reject.remote_cid = rd_u16(r);
    } else if (sig->reject.reason != BL_SIG_NOT_UNDERSTOOD) {
        rd_bytes(r, r->left); /* reasons of the future may bring data */
    }
    return rd_done(r);
}

static bool sig_read(const struct sig_row *row, struct rd *r, struct bl_sig *sig)
{
    for (unsigned i = 0; i < row->fields; i++)
        *sig_field(sig, row->at[i]) = rd_u16(r);
    if (row->code == BL_SIG_REJECT)
        return rd_ok(r) && sig_read_reject(r, sig);
    if (row->cids) {
        while (rd_ok(r) && r->left > 0 && sig->channel.n_cid < BL_SIG_CID_MAX)
            sig->channel.cid[sig->channel.n_cid++] = rd_u16(r);
        /* some refuse a whole request without a word of its channels */
        return rd_done(r) && (sig->channel.n_cid > 0 || row->code == BL_SIG_ENHANCED_RSP);
    }
    if (row->code == BL_SIG_LE_CONNECTION_REQ || row->code == BL_SIG_LE_CONNECTION_RSP)
        sig->channel.n_cid = 1;
    return rd_done(r);
}

struct bl_sig bl_l2cap_sig_not_understood(uint8_t identifier)
{
    return (struct bl_sig){.code = BL_SIG_REJECT,
                           .identifier = identifier,
                           .reject = {.reason = BL_SIG_NOT_UNDERSTOOD}};
}

enum bl_sig_verdict bl_l2cap_sig_parse(const void *data, size_t n, struct bl_sig *ret)
{
    struct rd r = rd_make(data, n);
    struct bl_sig sig = {.code = rd_u8(&r), .identifier = rd_u8(&r)};
    uint16_t length = rd_u16(&r);
    const struct sig_row *row = sig_row(sig.code);

    *ret = (struct bl_sig){0};
    if (!rd_ok(&r) || sig.identifier == 0)
        return BL_SIG_IGNORE;
    if (row ? !row->request : sig_is_foreign_response(sig.code)) {
        /* Responses are not answered, whatever is wrong with them. */
        if (!row || n > BL_SIG_MTU || length != r.left || !sig_read(row, &r, &sig))
            return BL_SIG_IGNORE;
        *ret = sig;
        return BL_SIG_OK;
    }
    *ret = bl_l2cap_sig_not_understood(sig.identifier);
    if (n > BL_SIG_MTU) {
        ret->reject.reason = BL_SIG_MTU_EXCEEDED;
        ret->reject.mtu = BL_SIG_MTU;
        return BL_SIG_SEND_REJECT;
    }
    if (!row || length != r.left || !sig_read(row, &r, &sig))
        return BL_SIG_SEND_REJECT;
    *ret = sig;
    return BL_SIG_OK;
}

size_t bl_l2cap_sig_build(const struct bl_sig *sig, void *out, size_t cap)
{
    const struct sig_row *row = sig_row(sig->code);
    uint8_t data[BL_SIG_MTU];
    struct wr d = wr_make(data, sizeof(data)), w = wr_make(out, cap);

    if (!row)
        return 0;
    for (unsigned i = 0; i < row->fields; i++)
        wr_u16(&d, sig_value(sig, row->at[i]));
    if (row->cids)
        for (unsigned i = 0; i < sig->channel.n_cid && i < BL_SIG_CID_MAX; i++)
            wr_u16(&d, sig->channel.cid[i]);
    if (row->code == BL_SIG_REJECT && sig->reject.reason == BL_SIG_MTU_EXCEEDED)
        wr_u16(&d, sig->reject.mtu);
    if (row->code == BL_SIG_REJECT && sig->reject.reason == BL_SIG_INVALID_CID) {
        wr_u16(&d, sig->reject.local_cid);
        wr_u16(&d, sig->reject.remote_cid);
    }
    wr_u8(&w, sig->code);
    wr_u8(&w, sig->identifier);
    wr_u16(&w, (uint16_t)d.len);
    wr_bytes(&w, data, d.len);
    return wr_ok(&d) && wr_ok(&w) ? w.len : 0;
}

bool bl_l2cap_sig_refuse(const struct bl_sig *request, struct bl_sig *ret)
{
    const struct sig_row *row = sig_row(request->code);
    struct bl_sig answer = bl_l2cap_sig_not_understood(request->identifier);

    if (!row || !row->request)
        return false;
    if (request->code == BL_SIG_DISCONNECTION_REQ) {
        /* Core 5.4, Vol 3, Part A, 4.6: the channel is not there; ours first, then the peer's */
        answer.reject.reason = BL_SIG_INVALID_CID;
        answer.reject.local_cid = request->disconnection.dcid;
        answer.reject.remote_cid = request->disconnection.scid;
    } else if (request->code == BL_SIG_LE_CONNECTION_REQ) {
        answer = (struct bl_sig){.code = BL_SIG_LE_CONNECTION_RSP,
                                 .identifier = request->identifier,
                                 .channel = {.result = BL_SIG_SPSM_NOT_SUPPORTED, .n_cid = 1}};
    } else if (request->code == BL_SIG_ENHANCED_REQ) {
        /* 4.26: a destination of zero for each channel that was asked for */
        answer = (struct bl_sig){
            .code = BL_SIG_ENHANCED_RSP,
            .identifier = request->identifier,
            .channel = {.result = BL_SIG_SPSM_NOT_SUPPORTED, .n_cid = request->channel.n_cid}};
    } else if (request->code == BL_SIG_RECONFIGURE_REQ) {
        answer = (struct bl_sig){.code = BL_SIG_RECONFIGURE_RSP,
                                 .identifier = request->identifier,
                                 .result = {BL_SIG_RECONFIGURE_INVALID_CID}};
    }
    *ret = answer;
    return true;
}

bool bl_l2cap_sig_params_legal(uint16_t interval_min, uint16_t interval_max, uint16_t latency,
                               uint16_t timeout)
{
    return interval_min >= 6 && interval_min <= interval_max && interval_max <= 3200 &&
           latency <= 499 && timeout >= 10 && timeout <= 3200 &&
           /* 10 ms against 2 * 1.25 ms */
           timeout * 4u > (1u + latency) * interval_max;
}
