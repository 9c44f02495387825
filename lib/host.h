/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * host: one controller's LE host stack, sans I/O. Bytes in, bytes out, time as an argument.
 *
 * The owner's loop: feed packets with bl_host_receive(), call bl_host_tick() when
 * bl_host_deadline() has come, and after each of these and after each command pull
 * bl_host_next_event() until it is false and bl_host_next_tx() until it is 0 (which may make events
 * too: of what has left). Nothing here calls back.
 *
 * Commands check their arguments at once and return
 *   0           *op is the command's number; one BL_EV_OP_DONE will come for it
 *   -EINVAL     an argument out of the range given below
 *   -EMSGSIZE   data too long
 *   -ENETDOWN   the controller is not ready (not started, or failed)
 *   -ENOTCONN   no connection of that number
 *   -EALREADY   connected to that peer already, or an attempt for it is under way
 *   -ENOENT     no such advertisement, scan or attempt
 *   -EBUSY      the one thing that does this is taken (address kinds at odds, BL_MAX_* reached)
 *   -EOPNOTSUPP the controller cannot
 *   -ENOMEM     no memory
 * and touch *op and other ret_ parameters only on success. Parameters are copied.
 *
 * bl_advertise_stop, bl_scan_stop and bl_disconnect take NULL for op too: then nobody waits for an
 * OP_DONE, and the end is never refused for want of a number (-EBUSY), also while events wait.
 */

#include "bounds.h"
#include "env.h"
#include "event.h"
#include "host_gatt.h"
#include "host_l2cap.h"
#include "host_smp.h"
#include "types.h"

struct bl_host;

/* What the host is told of itself; settable at any time, for the next procedure. */
struct bl_config {
    enum bl_addr_mode addr_mode; /* not DEFAULT */
    struct bl_addr static_addr;  /* a static random address; zero: none, made on first use */
    uint8_t irk[16];             /* ours; all zero: none, RPAs are then refused */
    uint32_t rpa_timeout_s;      /* 1..0xa1b8; 0: 900. Core 5.4, Vol 4, Part E, 7.8.45 */
    /* Which parameters are accepted when a peer asks (LL or L2CAP); zeros: all that are legal. */
    uint16_t accept_min_interval, accept_max_interval; /* 1.25 ms */
    uint16_t accept_max_latency, accept_max_timeout;   /* events, 10 ms */
    /* GATT */
    uint16_t mtu;       /* offered in an exchange: 23..517; 0: 256 */
    char gap_name[249]; /* Device Name, UTF-8, at most 248 octets: Core 5.4, Vol 3, Part C, 12.1 */
    uint16_t appearance;
    bool name_writable;   /* by peers: BL_EV_NAME_WRITTEN */
    uint8_t min_key_size; /* 7..16: of pairings, and of what _ENCRYPTED asks for; 0: 16 */
    /* Pairing: what is asked for where bl_pair() says nothing else. */
    uint8_t io;      /* enum bl_io */
    bool bond, mitm; /* mitm: protection is asked for, not insisted on */
    bool le_secure;  /* Secure Connections or failure; else whenever both sides can */
    bool pairable;   /* peers may pair with us */
    bool pair_again; /* a bonded peer that has lost its key is paired with anew */
    /* The controller's resolving list makes our RPAs, and finds bonded peers that are connected to
     * by their identity, where it shows that it can; else the host does both. */
    bool resolving_list;
    /* Network privacy mode (Core 5.4, Vol 3, Part C, 10.7): who has told us a key is that peer
     * under private addresses alone. Under its identity address, which anybody can use, it is not
     * reported, not connected to and not let in. Else device privacy mode: it is taken either way.
     */
    bool network_privacy;
    /* Octets of received SDUs held for readers, a connection; 0: 65536. Each channel is given room
     * for one SDU of its MTU whatever this says. */
    uint32_t rx_buf;
    /* Peripheral Preferred Connection Parameters, as on the wire; zeros: none in particular. */
    uint16_t preferred_min, preferred_max, preferred_latency, preferred_timeout;
};

/* What is known of the controller once it is ready. */
struct bl_controller_info {
    uint8_t hci_version;
    uint16_t manufacturer;
    uint64_t le_features;       /* Core 5.4, Vol 6, Part B, 4.6 */
    struct bl_addr public_addr; /* zero: has none */
    struct bl_addr identity;    /* public, else static random */
    struct bl_addr current;     /* on the air for set 0 and connecting */
    uint16_t acl_len, acl_num;
    uint8_t adv_sets;      /* advertisements on the air at once */
    uint16_t adv_data_max; /* octets in one extended advertisement; 31: legacy only */
    uint8_t accept_list, resolving_list;
    bool extended_advertising, le_2m, le_coded, data_length, privacy, param_request;
};

struct bl_adv_params {
    uint32_t interval_us; /* rounded down to 625 us; 20 ms..10.24 s, extended up to 40.96 s */
    bool connectable, scannable, extended, resume;
    bool has_directed, high_duty;
    struct bl_addr directed;
    uint8_t primary_phy, secondary_phy; /* enum bl_phy; 0: 1M */
    uint8_t sid;                        /* 0..15 */
    uint32_t duration_ms;               /* 0: until stopped */
    enum bl_addr_mode addr_mode;
    bool tx_power; /* the controller's figure goes into the TX Power Level structures of the data */
    const uint8_t *adv_data, *resp_data;
    size_t adv_len, resp_len;
};

/* Which reports a scan wants: the lists are alternatives within, and all that are given must hold.
 * An advertiser that matched once has matched for the scan's life; the address and rssi_min are
 * asked of each report. */
struct bl_scan_filter {
    const struct bl_uuid *services;
    const struct bl_addr *addresses;
    const uint16_t *manufacturers;
    size_t n_services, n_addresses, n_manufacturers;
    const char *name_prefix; /* NULL: none */
    bool has_rssi_min;
    int8_t rssi_min;
};

struct bl_scan_params {
    uint32_t duration_ms;                     /* 0: until stopped */
    uint32_t interval_us, window_us;          /* 2.5 ms..10.24 s, window <= interval */
    bool active, filter_duplicates, extended; /* extended: wants reports without a legacy form */
    uint8_t phys;                             /* BL_PHYS_*; 0: 1M */
    enum bl_addr_mode addr_mode;
    struct bl_scan_filter filter;
};

struct bl_conn_params {                        /* zeros: 30..50 ms, 0, 5 s */
    uint32_t min_interval_us, max_interval_us; /* 7.5 ms..4 s */
    uint16_t latency;                          /* 0..499 */
    uint32_t timeout_ms; /* 100 ms..32 s, over (1 + latency) * max interval * 2 */
    bool has_latency;
};

struct bl_connect_params {
    struct bl_addr peer;
    uint32_t scan_duration_ms; /* then BL_TIMEOUT; ignored with automatic */
    struct bl_conn_params params;
    uint8_t phys;
    enum bl_addr_mode addr_mode;
    bool automatic; /* through the accept list, again after each disconnection */
};

struct bl_conn_info {
    uint16_t conn, handle;
    enum bl_role role;
    struct bl_addr peer, identity; /* as connected; zero until known */
    uint16_t interval, latency, timeout;
    uint8_t tx_phy, rx_phy;
    uint16_t tx_octets, rx_octets;
    uint64_t since; /* on the scale of `now` */
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint32_t queued;
};

int bl_host_new(struct bl_host **ret, const struct bl_env *env, const struct bl_config *config);
struct bl_host *bl_host_free(struct bl_host *host);

/* Life. start: bring-up; then BL_EV_READY or BL_EV_FAILED. shutdown: ends all, in order, telling
 * peers; OP_DONE when it is safe to close the transport. stop: the transport is gone or is to go
 * now; ends all at once, with events (BL_NOT_ACTIVE), and nothing more is sent. */
int bl_host_start(struct bl_host *host, uint64_t now, bl_op *op);
int bl_host_shutdown(struct bl_host *host, uint64_t now, bl_op *op);
void bl_host_stop(struct bl_host *host, uint64_t now);
bool bl_host_ready(const struct bl_host *host);

/* One complete H4 packet (type first). -EAGAIN: pull the events that wait, then give it again. */
int bl_host_receive(struct bl_host *host, uint64_t now, const void *packet, size_t n);
/* The next H4 packet for the controller, borrowed until the next call; 0 when there is none. */
size_t bl_host_next_tx(struct bl_host *host, uint64_t now, const uint8_t **bytes);
bool bl_host_next_event(struct bl_host *host, struct bl_event *ret);
uint64_t bl_host_deadline(const struct bl_host *host);
void bl_host_tick(struct bl_host *host, uint64_t now);

int bl_host_set_config(struct bl_host *host, uint64_t now, const struct bl_config *config);
void bl_host_get_config(const struct bl_host *host, struct bl_config *ret);
void bl_host_info(const struct bl_host *host, struct bl_controller_info *ret);

/* Advertising. `adv` in: 0 makes a new one, else replaces that one. ret_adv is valid at once. */
int bl_advertise(struct bl_host *host, uint64_t now, uint16_t adv,
                 const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op);
int bl_advertise_stop(struct bl_host *host, uint64_t now, uint16_t adv, bl_op *op);
/* How many octets fit; what -EMSGSIZE was about. */
size_t bl_advertise_max(const struct bl_host *host, const struct bl_adv_params *params);

/* Scanning. *ret_scan is a slot 0..BL_MAX_SCANS-1, its bit in bl_report.scans. OP_DONE: it runs. */
int bl_scan(struct bl_host *host, uint64_t now, const struct bl_scan_params *params,
            uint16_t *ret_scan, bl_op *op);
int bl_scan_stop(struct bl_host *host, uint64_t now, uint16_t scan, bl_op *op);

/* Connecting. OP_DONE when the attempt has ended (automatic: when it waits for the radio). */
int bl_connect(struct bl_host *host, uint64_t now, const struct bl_connect_params *params,
               uint16_t *ret_attempt, bl_op *op);
int bl_connect_cancel(struct bl_host *host, uint64_t now, uint16_t attempt);

/* Connections. */
int bl_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t reason, bl_op *op);
int bl_update_parameters(struct bl_host *host, uint64_t now, uint16_t conn,
                         const struct bl_conn_params *params, bl_op *op);
int bl_read_rssi(struct bl_host *host, uint64_t now, uint16_t conn, bl_op *op);
int bl_set_phy(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t tx_phys, uint8_t rx_phys,
               bl_op *op);
int bl_set_data_length(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t octets,
                       bl_op *op);
/* The connection to a peer (by either of its addresses), 0 when there is none. */
uint16_t bl_conn_find(const struct bl_host *host, const struct bl_addr *peer);
int bl_conn_info(const struct bl_host *host, uint16_t conn, struct bl_conn_info *ret);

/* Any command of the user's; -EINVAL for Reset, event masks and host flow control, the host's. */
int bl_hci_command(struct bl_host *host, uint64_t now, uint16_t opcode, const void *params,
                   size_t n, bl_op *op);

/* Counters, by name; false past the last. */
bool bl_host_counter(const struct bl_host *host, size_t index, const char **ret_name,
                     uint64_t *ret_value);
