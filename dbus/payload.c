/* SPDX-License-Identifier: MIT */

#include "payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The elements of a dictionary with a key of one basic type and values ay: `put` takes each. */
static int payload_dict(sd_bus_message *m, const struct bus_opt *o, char key, void *field,
                        int (*put)(void *field, uint16_t number, const char *text,
                                   const uint8_t *data, size_t len, sd_bus_error *error),
                        sd_bus_error *error)
{
    const char *entry = key == 'q' ? "qay" : "say";
    int r = sd_bus_message_enter_container(m, 'a', key == 'q' ? "{qay}" : "{say}");

    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
        const void *data = NULL;
        const char *text = NULL;
        uint16_t number = 0;
        size_t len = 0;
        r = key == 'q' ? sd_bus_message_read_basic(m, 'q', &number)
                       : sd_bus_message_read_basic(m, 's', &text);
        if (r >= 0)
            r = sd_bus_message_read_array(m, 'y', &data, &len);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
        r = put(field, number, text, data, len, error);
        if (r == -ENOBUFS)
            return bus_error_invalid(error, "%s has more than %d entries.", o->key,
                                     (int)BL_MAX_FILTER_ITEMS);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int payload_put_manufacturer(void *field, uint16_t number, const char *text,
                                    const uint8_t *data, size_t len, sd_bus_error *error)
{
    struct payload_manufacturers *list = field;

    (void)text, (void)error;
    if (list->n == BL_MAX_FILTER_ITEMS)
        return -ENOBUFS;
    list->v[list->n++] = (struct bl_ad_manufacturer){number, data, len};
    return 0;
}

static int payload_put_service_data(void *field, uint16_t number, const char *text,
                                    const uint8_t *data, size_t len, sd_bus_error *error)
{
    struct payload_service_data *list = field;
    struct bl_uuid uuid;

    (void)number;
    if (list->n == BL_MAX_FILTER_ITEMS)
        return -ENOBUFS;
    int r = bus_read_uuid(text, &uuid, error);
    if (r < 0)
        return r;
    list->v[list->n++] = (struct bl_ad_service_data){uuid, data, len};
    return 0;
}

int payload_opt_manufacturers(sd_bus_message *m, const struct bus_opt *o, void *field,
                              sd_bus_error *error)
{
    return payload_dict(m, o, 'q', field, payload_put_manufacturer, error);
}

int payload_opt_service_data(sd_bus_message *m, const struct bus_opt *o, void *field,
                             sd_bus_error *error)
{
    return payload_dict(m, o, 's', field, payload_put_service_data, error);
}

void payload_clear(struct payload *p)
{
    free(p->adv);
    free(p->resp);
    *p = (struct payload){0};
}

/* A copy; NULL, and no error, for no bytes. */
static int payload_copy(const uint8_t *from, size_t n, uint8_t **ret, size_t *ret_n)
{
    if (n > 0) {
        *ret = malloc(n);
        if (!*ret)
            return -ENOMEM;
        memcpy(*ret, from, n);
        *ret_n = n;
    }
    return 0;
}

static int payload_too_long(const char *what, size_t n, size_t max, sd_bus_error *error)
{
    return bus_error_invalid(error, "%s has %zu octets, at most %zu fit.", what, n, max);
}

static int payload_raw(const struct payload_opts *o, const struct payload *last, size_t adv_max,
                       size_t resp_max, struct payload *ret, sd_bus_error *error)
{
    const uint8_t *adv = o->has_adv_data ? o->adv_data.p : last->adv;
    const uint8_t *resp = o->has_resp_data ? o->resp_data.p : last->resp;
    size_t adv_len = o->has_adv_data ? o->adv_data.n : last->adv_len;
    size_t resp_len = o->has_resp_data ? o->resp_data.n : last->resp_len;

    if (adv_max == 0 && !o->has_adv_data)
        adv_len = 0; /* a payload used again for a set that has none */
    if (adv_len > adv_max)
        return payload_too_long("adv_data", adv_len, adv_max, error);
    if (resp_len > resp_max) {
        if (o->has_resp_data)
            return payload_too_long("resp_data", resp_len, resp_max, error);
        resp_len = 0; /* a payload used again for a set that has no scan response */
    }
    ret->tx_power = last->tx_power && !o->has_adv_data && !o->has_resp_data;
    int r = payload_copy(adv, adv_len, &ret->adv, &ret->adv_len);
    return r < 0 ? r : payload_copy(resp, resp_len, &ret->resp, &ret->resp_len);
}

static int payload_fields(const struct payload_opts *o, bool connectable, size_t adv_max,
                          size_t resp_max, struct payload *ret, sd_bus_error *error)
{
    _cleanup_free_ struct bl_ad_payload *built = calloc(2, sizeof(*built));
    struct bl_ad_fields f = {
        .flags = bl_ad_flags(connectable),
        .has_flags = bl_ad_flags(connectable) != 0,
        .has_appearance = o->has_appearance,
        .appearance = o->appearance,
        .has_tx_power = o->tx_power,
        .tx_power = 127, /* until the controller has said: Core 5.4, Vol 4, Part E, 7.8.53 */
        .name = o->name,
        .services = o->services.v,
        .n_services = o->services.n,
        .manufacturers = o->manufacturers.v,
        .n_manufacturers = o->manufacturers.n,
        .service_data = o->service_data.v,
        .n_service_data = o->service_data.n,
    };
    size_t needed = 0;

    if (!built)
        return -ENOMEM;
    int r = bl_ad_build(&f, adv_max, resp_max, &built[0], &built[1], &needed);
    if (r == -EMSGSIZE)
        return bus_error_invalid(error,
                                 "The advertisement takes %zu octets; %zu fit, and %zu into its "
                                 "scan response.",
                                 needed, adv_max, resp_max);
    if (r < 0)
        return r;
    ret->tx_power = o->tx_power;
    r = payload_copy(built[0].bytes, built[0].len, &ret->adv, &ret->adv_len);
    return r < 0 ? r : payload_copy(built[1].bytes, built[1].len, &ret->resp, &ret->resp_len);
}

int payload_make(const struct payload_opts *o, const struct payload *last, bool connectable,
                 size_t adv_max, size_t resp_max, struct payload *ret, sd_bus_error *error)
{
    *ret = (struct payload){0};
    if (o->has_fields && (o->has_adv_data || o->has_resp_data))
        return bus_error_invalid(error, "Raw adv_data or resp_data cannot be given together with "
                                        "fields (name, services, ...).");

    int r = o->has_fields ? payload_fields(o, connectable, adv_max, resp_max, ret, error)
                          : payload_raw(o, last, adv_max, resp_max, ret, error);
    if (r < 0)
        payload_clear(ret);
    return r;
}
