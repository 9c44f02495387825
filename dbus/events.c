/* SPDX-License-Identifier: MIT */

/*
 * events: who is told of what, in which order.
 *
 * The order of a row is the contract's: what is news to everybody comes before the answer of the
 * call that caused it, because the host gives BL_EV_OP_DONE last. After the handlers, with no
 * module on the stack, comes what they have put off (bus_adapter_run_due).
 */

#include "events.h"

#include "broadcaster.h"
#include "central.h"
#include "conn.h"
#include "link.h"
#include "observer.h"
#include "peripheral.h"

enum { MOST = 6 };

static bus_event_fn *const HANDLERS[][MOST] = {
    [BL_EV_OP_DONE] = {bus_call_event, bus_adapter_on_op_done},
    [BL_EV_READY] = {bus_adapter_on_ready},
    [BL_EV_FAILED] = {bus_adapter_on_failed},
    [BL_EV_ADDRESS_CHANGED] = {bus_adapter_on_address},
    [BL_EV_ADV_STOPPED] = {bus_broadcaster_on_stopped},
    [BL_EV_REPORT] = {bus_observer_on_report},
    [BL_EV_SCAN_DONE] = {bus_observer_on_scan_done},
    [BL_EV_CONNECTED] = {bus_conn_on_connected, bus_central_on_connected,
                         bus_peripheral_on_connected, bus_central_on_shared},
    [BL_EV_ATTEMPT_ENDED] = {bus_central_on_attempt_ended},
    [BL_EV_CONN_UPDATED] = {bus_conn_on_updated, bus_link_on_updated},
    [BL_EV_PHY_UPDATED] = {bus_conn_on_phy},
    [BL_EV_DATA_LENGTH] = {bus_conn_on_data_length},
    [BL_EV_DISCONNECTED] = {bus_link_on_disconnected, bus_central_on_disconnected,
                            bus_peripheral_on_disconnected, bus_conn_on_disconnected,
                            bus_central_on_gone},
};

void bus_adapter_event(struct bus_adapter *a, const struct bl_event *e)
{
    if ((size_t)e->kind >= ARRAY_LEN(HANDLERS))
        return;
    bus_event_fn *const *row = HANDLERS[e->kind];
    for (size_t i = 0; i < MOST && row[i]; i++)
        row[i](a, e);
    if (a->due.timer.set)
        bus_adapter_run_due(a);
}
