/* SPDX-License-Identifier: MIT */

/*
 * host_api: the commands of host.h. Each checks that the controller is there, hands its arguments
 * to the module that does the work, and lets the pump queue what follows.
 */

#include "host_internal.h"

#include "base/cleanup.h"
#include "hci/cmd.h"

#include <errno.h>
#include <string.h>

/* A command's end: what was asked for is queued at once. */
static int host_done(struct bl_host *host, uint64_t now, int r)
{
    if (r == 0)
        bl_host_pump(host, now);
    return r;
}

int bl_host_set_config(struct bl_host *host, uint64_t now, const struct bl_config *config)
{
    if (config->addr_mode > BL_ADDR_MODE_NRPA)
        return -EINVAL;
    if (!bl_addr_is_zero(&config->static_addr) && !bl_addr_is_static(&config->static_addr))
        return -EINVAL;
    if (config->rpa_timeout_s > 0xa1b8) /* Core 5.4, Vol 4, Part E, 7.8.45 */
        return -EINVAL;
    if (config->io > BL_IO_KEYBOARD_DISPLAY ||
        (config->min_key_size != 0 &&
         (config->min_key_size < BL_SMP_KEY_MIN || config->min_key_size > BL_SMP_KEY_MAX)))
        return -EINVAL;
    host->radio.config = *config;
    bl_privacy_configured(&host->privacy, now);
    bl_gatt_configured(&host->gatt, now);
    if (bl_host_ready(host))
        bl_host_identity(host);
    return host_done(host, now, 0);
}

void bl_host_get_config(const struct bl_host *host, struct bl_config *ret)
{
    *ret = host->radio.config;
}

void bl_host_info(const struct bl_host *host, struct bl_controller_info *ret)
{
    const struct bl_hci_caps *caps = bl_hci_caps(host->hci);

    *ret = (struct bl_controller_info){
        .hci_version = caps->hci_version,
        .manufacturer = caps->manufacturer,
        .le_features = caps->le_features,
        .public_addr = caps->public_addr,
        .acl_len = caps->acl_len,
        .acl_num = caps->acl_num,
        .adv_sets = caps->extended ? caps->adv_sets : 1,
        .adv_data_max = caps->adv_data_max,
        .accept_list = caps->accept_list,
        .resolving_list = caps->resolving_list,
        .extended_advertising = caps->extended,
        .le_2m = bl_hci_has_feature(host->hci, BL_LE_2M),
        .le_coded = bl_hci_has_feature(host->hci, BL_LE_CODED),
        .data_length = bl_hci_has_feature(host->hci, BL_LE_DATA_LENGTH),
        .privacy = bl_hci_has_feature(host->hci, BL_LE_PRIVACY),
        .param_request = bl_hci_has_feature(host->hci, BL_LE_PARAM_REQUEST),
    };
    bl_privacy_identity(&host->privacy, &ret->identity);
    bl_privacy_current(&host->privacy, &ret->current);
}

int bl_advertise(struct bl_host *host, uint64_t now, uint16_t adv,
                 const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now,
                     bl_advertiser_start(&host->advertiser, now, adv, params, ret_adv, op));
}

int bl_advertise_stop(struct bl_host *host, uint64_t now, uint16_t adv, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_advertiser_stop(&host->advertiser, now, adv, op));
}

size_t bl_advertise_max(const struct bl_host *host, const struct bl_adv_params *params)
{
    return bl_advertiser_max(&host->advertiser, params);
}

int bl_scan(struct bl_host *host, uint64_t now, const struct bl_scan_params *params,
            uint16_t *ret_scan, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_scanner_scan(&host->scanner, now, params, ret_scan, op));
}

int bl_scan_stop(struct bl_host *host, uint64_t now, uint16_t scan, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_scanner_stop_scan(&host->scanner, now, scan, op));
}

int bl_connect(struct bl_host *host, uint64_t now, const struct bl_connect_params *params,
               uint16_t *ret_attempt, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    if (bl_links_find(&host->links, &params->peer) != 0)
        return -EALREADY;
    return host_done(host, now,
                     bl_connector_connect(&host->connector, now, params, ret_attempt, op));
}

int bl_connect_cancel(struct bl_host *host, uint64_t now, uint16_t attempt)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;

    int r = bl_connector_cancel(&host->connector, now, attempt);
    if (r == 0)
        bl_links_abandon(&host->links, now, attempt);
    return host_done(host, now, r);
}

int bl_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t reason, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_links_disconnect(&host->links, now, conn, reason, op));
}

int bl_update_parameters(struct bl_host *host, uint64_t now, uint16_t conn,
                         const struct bl_conn_params *params, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_links_update(&host->links, now, conn, params, op));
}

int bl_read_rssi(struct bl_host *host, uint64_t now, uint16_t conn, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_links_read_rssi(&host->links, now, conn, op));
}

int bl_set_phy(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t tx_phys, uint8_t rx_phys,
               bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_links_set_phy(&host->links, now, conn, tx_phys, rx_phys, op));
}

int bl_set_data_length(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t octets,
                       bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return host_done(host, now, bl_links_set_data_length(&host->links, now, conn, octets, op));
}

uint16_t bl_conn_find(const struct bl_host *host, const struct bl_addr *peer)
{
    return bl_links_find(&host->links, peer);
}

int bl_conn_info(const struct bl_host *host, uint16_t conn, struct bl_conn_info *ret)
{
    return bl_links_info(&host->links, conn, ret);
}

/* What the host could not go on after: it would not know what it lost, or wait for an answer that
 * the specification does not give (Host Number Of Completed Packets: 7.3.40). */
static bool host_is_own_command(uint16_t opcode)
{
    static const uint16_t own[] = {
        BL_CMD_RESET, BL_CMD_SET_EVENT_MASK, BL_CMD_SET_EVENT_MASK_PAGE_2, BL_CMD_LE_SET_EVENT_MASK,
        0x0c31, /* Set Controller To Host Flow Control */
        0x0c33, /* Host Buffer Size */
        0x0c35, /* Host Number Of Completed Packets */
    };

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (own[i] == opcode)
            return true;
    return false;
}

int bl_hci_command(struct bl_host *host, uint64_t now, uint16_t opcode, const void *params,
                   size_t n, bl_op *op)
{
    bl_op *slot = NULL;

    if (!bl_host_ready(host))
        return -ENETDOWN;
    if (n > 255 || host_is_own_command(opcode))
        return -EINVAL;
    for (size_t i = 0; !slot && i < ARRAY_LEN(host->user_ops); i++)
        if (host->user_ops[i] == 0)
            slot = &host->user_ops[i];
    if (!slot)
        return -EBUSY;

    bl_op mine = bl_evq_op(&host->events);
    if (mine == 0)
        return -EBUSY;
    *slot = mine;
    int r = bl_hci_cmd_raw(host->hci, opcode, params, n, BL_HCI_OWNER_HOST, mine);
    if (r < 0) {
        *slot = 0;
        bl_evq_op_forget(&host->events);
        return r;
    }
    *op = mine;
    return host_done(host, now, 0);
}

static bool host_own_counter(const struct bl_host *host, size_t index, const char **ret_name,
                             uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"events-high-water", host->events.high_water},
        {"reports", host->events.reports},
        {"reports-dropped", host->events.reports_dropped},
        {"procedures-open", host->events.open_ops},
    };

    if (index >= ARRAY_LEN(rows))
        return false;
    *ret_name = rows[index].name;
    *ret_value = rows[index].value;
    return true;
}

/* The parts' counters, one part after the other. */
bool bl_host_counter(const struct bl_host *host, size_t index, const char **ret_name,
                     uint64_t *ret_value)
{
    size_t n = 0;

    for (unsigned part = 0; part < 9; part++) {
        for (size_t i = 0;; i++, n++) {
            const char *name;
            uint64_t value;
            bool more = part == 0   ? host_own_counter(host, i, &name, &value)
                        : part == 1 ? bl_hci_counter(host->hci, i, &name, &value)
                        : part == 2 ? bl_scanner_counter(&host->scanner, i, &name, &value)
                        : part == 3 ? bl_advertiser_counter(&host->advertiser, i, &name, &value)
                        : part == 4 ? bl_connector_counter(&host->connector, i, &name, &value)
                        : part == 5 ? bl_links_counter(&host->links, i, &name, &value)
                        : part == 6 ? bl_l2cap_count(&host->l2cap, i, &name, &value)
                        : part == 7 ? bl_gatt_counter(&host->gatt, i, &name, &value)
                                    : bl_smp_counter(host->smp, i, &name, &value);
            if (!more)
                break;
            if (n == index) {
                *ret_name = name;
                *ret_value = value;
                return true;
            }
        }
    }
    return false;
}
