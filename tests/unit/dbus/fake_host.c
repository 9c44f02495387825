/* SPDX-License-Identifier: MIT */

#include "fake_host.h"

#include <errno.h>

static int command(struct bl_host *host, bl_op *op)
{
    if (host->result < 0)
        return host->result;
    if (op)
        *op = ++host->last_op;
    return 0;
}

int bl_host_shutdown(struct bl_host *host, uint64_t now, bl_op *op)
{
    (void)now;
    int r = command(host, op);
    if (r == 0)
        host->shutdown_op = *op;
    return r;
}

int bl_hci_command(struct bl_host *host, uint64_t now, uint16_t opcode, const void *params,
                   size_t n, bl_op *op)
{
    (void)now, (void)params, (void)n;
    int r = command(host, op);
    if (r == 0) {
        host->hci_op = *op;
        host->hci_opcode = opcode;
    }
    return r;
}

int bl_host_set_config(struct bl_host *host, uint64_t now, const struct bl_config *config)
{
    (void)now;
    host->config = *config;
    return 0;
}

void bl_host_get_config(const struct bl_host *host, struct bl_config *ret)
{
    *ret = host->config;
}

void bl_host_info(const struct bl_host *host, struct bl_controller_info *ret)
{
    *ret = host->info;
}

bool bl_host_counter(const struct bl_host *host, size_t index, const char **ret_name,
                     uint64_t *ret_value)
{
    (void)host;
    *ret_name = "hci-packets-received";
    *ret_value = 7;
    return index == 0;
}

int bl_advertise(struct bl_host *host, uint64_t now, uint16_t adv,
                 const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op)
{
    (void)now, (void)params;
    int r = command(host, op);
    if (r == 0)
        *ret_adv = adv ? adv : ++host->last_adv;
    return r;
}

int bl_advertise_stop(struct bl_host *host, uint64_t now, uint16_t adv, bl_op *op)
{
    (void)now, (void)adv;
    host->adv_stops++;
    return command(host, op);
}

size_t bl_advertise_max(const struct bl_host *host, const struct bl_adv_params *params)
{
    (void)host, (void)params;
    return 31;
}

int bl_scan(struct bl_host *host, uint64_t now, const struct bl_scan_params *params,
            uint16_t *ret_scan, bl_op *op)
{
    (void)now, (void)params;
    *ret_scan = 0;
    return command(host, op);
}

int bl_scan_stop(struct bl_host *host, uint64_t now, uint16_t scan, bl_op *op)
{
    (void)now, (void)scan;
    host->scan_stops++;
    return command(host, op);
}

int bl_connect(struct bl_host *host, uint64_t now, const struct bl_connect_params *params,
               uint16_t *ret_attempt, bl_op *op)
{
    (void)now, (void)params;
    *ret_attempt = 1;
    return command(host, op);
}

int bl_connect_cancel(struct bl_host *host, uint64_t now, uint16_t attempt)
{
    (void)host, (void)now, (void)attempt;
    return 0;
}

int bl_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t reason, bl_op *op)
{
    (void)now, (void)conn, (void)reason;
    host->disconnects++;
    return command(host, op);
}

int bl_update_parameters(struct bl_host *host, uint64_t now, uint16_t conn,
                         const struct bl_conn_params *params, bl_op *op)
{
    (void)now, (void)conn, (void)params;
    return command(host, op);
}

int bl_read_rssi(struct bl_host *host, uint64_t now, uint16_t conn, bl_op *op)
{
    (void)now, (void)conn;
    return command(host, op);
}

int bl_set_phy(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t tx_phys, uint8_t rx_phys,
               bl_op *op)
{
    (void)now, (void)conn, (void)tx_phys, (void)rx_phys;
    return command(host, op);
}

int bl_set_data_length(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t octets,
                       bl_op *op)
{
    (void)now, (void)conn, (void)octets;
    return command(host, op);
}

uint16_t bl_conn_find(const struct bl_host *host, const struct bl_addr *peer)
{
    (void)host, (void)peer;
    return 0;
}

int bl_conn_info(const struct bl_host *host, uint16_t conn, struct bl_conn_info *ret)
{
    (void)conn, (void)ret;
    return host->linked ? 0 : -ENOTCONN;
}
