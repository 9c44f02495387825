/* SPDX-License-Identifier: MIT */

/*
 * events: who is told of what, in which order.
 *
 * The order of a row is the contract's: what is news to everybody comes before the answer of the
 * call that caused it, because the host gives BL_EV_OP_DONE last. After the handlers, with no
 * module on the stack, comes what they have put off (bus_adapter_run_due).
 */

#include "events.h"

#include "adapter_iface.h"
#include "broadcaster.h"
#include "central.h"
#include "conn.h"
#include "gattc.h"
#include "gatts.h"
#include "l2cap.h"
#include "link.h"
#include "observer.h"
#include "pairing.h"
#include "peripheral.h"
#include "socket.h"

enum { MOST = 10 };

static bus_event_fn *const HANDLERS[][MOST] = {
    [BL_EV_OP_DONE] = {bus_call_event, bus_gatts_on_op_done, bus_gattc_on_op_done,
                       bus_adapter_on_op_done},
    [BL_EV_READY] = {bus_pairing_on_ready, bus_adapter_on_ready},
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
    [BL_EV_MTU] = {bus_sockets_on_mtu, bus_conn_on_mtu, bus_gattc_on_mtu},
    [BL_EV_NAME_WRITTEN] = {bus_config_on_name_written},
    [BL_EV_GATTS_WRITTEN] = {bus_gatts_on_written},
    [BL_EV_GATTS_READ] = {bus_gatts_on_read},
    [BL_EV_GATTS_SERVED] = {bus_gatts_on_served},
    [BL_EV_GATTS_WRITE] = {bus_gatts_on_write},
    [BL_EV_GATTS_INDICATE_DONE] = {bus_gatts_on_indicate_done},
    [BL_EV_GATTS_SUBSCRIBED] = {bus_gatts_on_subscribed},
    [BL_EV_GATTC_SERVICE] = {bus_gattc_on_result},
    [BL_EV_GATTC_CHARACTERISTIC] = {bus_gattc_on_result},
    [BL_EV_GATTC_DESCRIPTOR] = {bus_gattc_on_result},
    [BL_EV_GATTC_INCLUDE] = {bus_gattc_on_result},
    [BL_EV_GATTC_VALUE] = {bus_gattc_on_result},
    [BL_EV_GATTC_NOTIFIED] = {bus_gattc_on_value},
    [BL_EV_GATTC_INDICATED] = {bus_gattc_on_value},
    [BL_EV_GATTC_SERVICES_CHANGED] = {bus_gattc_on_services_changed},
    [BL_EV_ENCRYPTED] = {bus_conn_on_security, bus_pairing_on_encrypted},
    [BL_EV_SECURITY] = {bus_conn_on_security},
    [BL_EV_PAIRING_FAILED] = {bus_pairing_on_failed},
    [BL_EV_PASSKEY] = {bus_pairing_on_passkey},
    [BL_EV_KEYPRESS] = {bus_pairing_on_keypress},
    [BL_EV_BOND] = {bus_pairing_on_bond},
    [BL_EV_IDENTITY] = {bus_conn_on_identity},
    [BL_EV_L2CAP_ACCEPT] = {bus_l2cap_on_accept},
    [BL_EV_L2CAP_CONNECTED] = {bus_l2cap_on_connected},
    [BL_EV_L2CAP_DISCONNECTED] = {bus_l2cap_on_ended},
    [BL_EV_L2CAP_RECEIVED] = {bus_l2cap_on_received},
    [BL_EV_L2CAP_SEND_READY] = {bus_l2cap_on_send_ready},
    [BL_EV_L2CAP_RECONFIGURED] = {bus_l2cap_on_reconfigured},
    [BL_EV_DISCONNECTED] = {bus_l2cap_on_disconnected, bus_pairing_on_disconnected,
                            bus_gatts_on_disconnected, bus_characteristic_on_disconnected,
                            bus_gattc_on_disconnected, bus_link_on_disconnected,
                            bus_central_on_disconnected, bus_peripheral_on_disconnected,
                            bus_conn_on_disconnected, bus_central_on_gone},
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
