/* SPDX-License-Identifier: MIT */

/* as_root: the rig's one peer has no credentials that a bus would vouch for; who links this (with
 * --wrap=bus_check_root) says here whether callers are root. */

#include "as_root.h"

#include "adapter.h"

bool as_root = true;

int __wrap_bus_check_root(struct bus *b, sd_bus_message *m, const char *what, sd_bus_error *error);
int __wrap_bus_check_root(struct bus *b, sd_bus_message *m, const char *what, sd_bus_error *error)
{
    (void)b, (void)m;
    return as_root ? 0 : bus_error_access(error, "%s is for root alone.", what);
}
