/* SPDX-License-Identifier: MIT */

/*
 * events: who is told of what, in which order.
 *
 * The order of a row is the contract's: what is news to everybody comes before the answer of the
 * call that caused it, because the host gives BL_EV_OP_DONE last. After the handlers, with no
 * module on the stack, comes what they have put off (bus_adapter_run_due).
 */

#include "events.h"

enum { MOST = 6 };

static bus_event_fn *const HANDLERS[][MOST] = {
    [BL_EV_OP_DONE] = {bus_call_event, bus_adapter_on_op_done},
    [BL_EV_READY] = {bus_adapter_on_ready},
    [BL_EV_FAILED] = {bus_adapter_on_failed},
    [BL_EV_ADDRESS_CHANGED] = {bus_adapter_on_address},
    [BL_EV_DISCONNECTED] = {NULL},
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
