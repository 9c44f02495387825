/* SPDX-License-Identifier: MIT */

/* attributes: a characteristic of the peer's by what people call it. */

#include "ctl.h"

#include <string.h>

#define GATT_CLIENT "org.bled.GattClient1"

int ctl_characteristic(struct ctl *c, uint16_t conn, const char *text,
                       struct ctl_characteristic *ret)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    char uuid[UUID_TEXT_LEN];
    const char *its;
    unsigned long handle;
    unsigned found = 0;

    *ret = (struct ctl_characteristic){0};
    /* Four digits are a UUID wherever they can be one: handles are decimal, or have 0x before. */
    if (strlen(text) != 4 && ctl_parse_number(text, 0xffff, &handle)) {
        ret->value = (uint16_t)handle;
        return handle ? CTL_OK : ctl_fail(CTL_USAGE, "there is no handle 0");
    }
    if (!ctl_uuid_parse(text, uuid))
        return ctl_fail(CTL_USAGE,
                        "%s is neither a handle (21, 0x0015), a UUID (2a19) nor the name of one",
                        text);
    int status = ctl_call(c, "looking for the characteristic", GATT_CLIENT,
                          "DiscoverCharacteristics", &m, "qqqsa{sv}", conn, 1, 0xffff, uuid, 0);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_enter_container(m, 'a', "(qqqs)");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "qqqs")) > 0) {
        struct ctl_characteristic one = {0};
        r = sd_bus_message_read(m, "qqqs", &one.end, &one.value, &one.properties, &its);
        if (r >= 0 && found++ == 0) {
            snprintf(one.uuid, sizeof(one.uuid), "%s", its);
            *ret = one;
        }
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    if (r < 0)
        return ctl_error("looking for the characteristic", r, NULL);
    if (found == 0)
        return ctl_fail(CTL_NOT_FOUND, "the peer has no characteristic %s", text);
    if (found > 1)
        return ctl_fail(CTL_NOT_FOUND,
                        "the peer has %u characteristics %s: give a handle (`bledctl services`)",
                        found, text);
    return CTL_OK;
}
