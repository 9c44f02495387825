/* SPDX-License-Identifier: MIT */

/*
 * The LE signalling channel, as far as it is served: Connection Parameter Update both ways (Core
 * 5.4, Vol 3, Part A, 4.20, 4.21). Everything else is refused as lib/l2cap/sig.h says.
 */

#include "gap/link_internal.h"

#include "base/wr.h"
#include "l2cap/sig.h"

#include <errno.h>

#define LINK_CID_SIGNALING 0x0005 /* Core 5.4, Vol 3, Part A, 2.1 */

static int link_signal_send(struct bl_links *l, const struct bl_link *link,
                            const struct bl_sig *sig)
{
    struct buf *b = buf_new(4 + BL_SIG_MTU);

    if (!b) {
        l->signals_dropped++;
        return -ENOMEM;
    }
    struct wr w = wr_make(b->data, b->cap);
    size_t n = bl_l2cap_sig_build(sig, b->data + 4, b->cap - 4);
    wr_u16(&w, (uint16_t)n);
    wr_u16(&w, LINK_CID_SIGNALING);
    b->len = 4 + n;

    int r = bl_hci_send(l->radio->hci, link->handle, b);
    if (r < 0)
        l->signals_dropped++; /* the peer has its own timer */
    return r;
}

int link_signal_update(struct bl_links *l, struct bl_link *link)
{
    const struct bl_conn_units *u = &link->updating;

    if (++link->sig_id == 0)
        link->sig_id = 1;
    return link_signal_send(l, link,
                            &(struct bl_sig){.code = BL_SIG_PARAM_UPDATE_REQ,
                                             .identifier = link->sig_id,
                                             .params = {.interval_min = u->interval_min,
                                                        .interval_max = u->interval_max,
                                                        .latency = u->latency,
                                                        .timeout = u->timeout}});
}

/* From a peripheral: what is accepted is then done. */
static void signal_update_request(struct bl_links *l, uint64_t now, struct bl_link *link,
                                  const struct bl_sig *sig)
{
    const struct bl_conn_units asked = {sig->params.interval_min, sig->params.interval_max,
                                        sig->params.latency, sig->params.timeout};
    struct bl_sig answer = {.code = BL_SIG_PARAM_UPDATE_RSP, .identifier = sig->identifier};
    struct bl_conn_units granted;
    bool ok = bl_conn_params_accept(&l->radio->config, &asked, &granted);

    answer.result.result = ok ? BL_SIG_PARAMS_ACCEPTED : BL_SIG_PARAMS_REJECTED;
    if (link_signal_send(l, link, &answer) < 0 || !ok)
        return;
    link->granted = granted;
    link->granted_waits = true;
    link_update_next(l, now, link);
}

static void signal_command(struct bl_links *l, uint64_t now, struct bl_link *link,
                           const struct bl_sig *sig)
{
    bool ours = link->update == LINK_UPDATE_SIGNAL && sig->identifier == link->sig_id;
    struct bl_sig answer;

    if (sig->code == BL_SIG_PARAM_UPDATE_REQ && link->role == BL_ROLE_CENTRAL)
        signal_update_request(l, now, link, sig);
    else if (sig->code == BL_SIG_PARAM_UPDATE_RSP && ours)
        link_update_answered(l, now, link, sig->result.result == BL_SIG_PARAMS_ACCEPTED);
    else if (sig->code == BL_SIG_REJECT && ours)
        link_update_not_understood(l, now, link);
    else if (bl_l2cap_sig_refuse(sig, &answer))
        (void)link_signal_send(l, link, &answer);
}

void bl_links_signal(struct bl_links *l, uint64_t now, uint16_t handle, const uint8_t *data,
                     size_t n)
{
    struct bl_link *link = link_by_handle(l, handle);
    struct bl_sig sig;

    if (!link || link->state != LINK_UP)
        return;
    switch (bl_l2cap_sig_parse(data, n, &sig)) {
    case BL_SIG_OK:
        signal_command(l, now, link, &sig);
        break;
    case BL_SIG_SEND_REJECT:
        l->signals_bad++;
        (void)link_signal_send(l, link, &sig);
        break;
    case BL_SIG_IGNORE:
        l->signals_bad++;
        break;
    }
}
