/* SPDX-License-Identifier: MIT */

/*
 * Connection Parameter Update on the signalling channel, both ways (Core 5.4, Vol 3, Part A, 4.20,
 * 4.21). The channel is lib/l2cap's.
 */

#include "gap/link_internal.h"

#include "l2cap/l2cap.h"

#include <errno.h>

int link_signal_update(struct bl_links *l, struct bl_link *link)
{
    const struct bl_conn_units *u = &link->updating;

    link->sig_id = bl_l2cap_sig_id(l->l2cap, link->conn);
    if (link->sig_id == 0)
        return -ENOBUFS;
    return bl_l2cap_sig_send(l->l2cap, link->conn,
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
    if (bl_l2cap_sig_send(l->l2cap, link->conn, &answer) < 0 || !ok)
        return;
    link->granted = granted;
    link->granted_waits = true;
    link_update_next(l, now, link);
}

void bl_links_signal(struct bl_links *l, uint64_t now, uint16_t conn, const struct bl_sig *sig)
{
    struct bl_link *link = link_by_conn(l, conn);
    struct bl_sig answer;

    if (!link)
        return;
    bool ours = link->update == LINK_UPDATE_SIGNAL && sig->identifier == link->sig_id;
    if (sig->code == BL_SIG_PARAM_UPDATE_REQ && link->role == BL_ROLE_CENTRAL)
        signal_update_request(l, now, link, sig);
    else if (sig->code == BL_SIG_PARAM_UPDATE_RSP && ours)
        link_update_answered(l, now, link, sig->result.result == BL_SIG_PARAMS_ACCEPTED);
    else if (sig->code == BL_SIG_REJECT && ours)
        link_update_not_understood(l, now, link);
    else if (bl_l2cap_sig_refuse(sig, &answer))
        (void)bl_l2cap_sig_send(l->l2cap, conn, &answer);
}
