/* SPDX-License-Identifier: MIT */

#include "modules.h"

#define ROW(name) [BUS_MODULE_##name] = &bus_module_##name,
const struct bus_module *const bus_modules[BUS_MODULES] = {BUS_MODULE_TABLE(ROW)};

void bus_stat(sd_bus_message *reply, const char *name, uint64_t value)
{
    (void)sd_bus_message_append(reply, "{st}", name, value); /* a failure sticks to the message */
}
