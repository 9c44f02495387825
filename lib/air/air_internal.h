/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * air_internal: what the files of the simulated radio share.
 *
 *   air.c         the medium: time, who reaches whom, power; calls the rest
 *   config.c      the presets
 *   hci.c         the way to the host: event masks, the queue, held events
 *   cmd.c         the way from the host: H4, credits, the rows of all commands
 *   cmd_base.c    rows: control, information, status; masks and host flow control
 *   adv_legacy.c adv_ext.c   rows: advertising; advertise.c: what goes on the air, and when
 *   scan_cmd.c    rows: scanning; scan.c: what is heard, duplicates, reports
 *   init.c        rows and the act: initiating
 *   filter.c      rows: accept list; privacy.c: rows and use of the resolving list
 *   link.c        a connection: its events, its end; acl.c: data and buffers
 *   link_cmd.c    rows for connections; ll.c: the Link Layer's control procedures
 *   encrypt.c     rows and procedures of encryption
 *   faults.c      faults and violations
 */

#include "air/air.h"
#include "base/list.h"
#include "base/rd.h"
#include "base/timerq.h"
#include "base/wr.h"

enum {
    AIR_MAX_CTRL = 4096,
    AIR_MAX_LINKS = 64,
    AIR_MAX_SETS = 64,
    AIR_TX_REPORTS = 512,     /* packets waiting for a host: beyond, reports are lost */
    AIR_TX_ACL = 64,          /* beyond, ACL data is not acknowledged to the peer yet */
    AIR_TX_MAX = 8192,        /* beyond, everything is lost: the host does not read */
    AIR_DATA_MAX = 1650,      /* advertising data. Core 5.4, Vol 6, Part B, 2.3.4.9 */
    AIR_DUPLICATE_SETS = 256, /* of AIR_DUPLICATE_WAYS advertisers each */
    AIR_DUPLICATE_WAYS = 4,
    AIR_VIOLATIONS = 256,
    AIR_VIOLATION_LEN = 160,
    AIR_EVENT_ROUNDS = 16, /* packets each way in one connection event */
    AIR_CLOSED = 16,       /* handles of past links that are remembered */
};

enum { /* HCI error codes in use: Core 5.4, Vol 1, Part F, 1.3 */
       AIR_OK = 0x00,
       AIR_UNKNOWN_COMMAND = 0x01,
       AIR_UNKNOWN_CONNECTION = 0x02,
       AIR_KEY_MISSING = 0x06,
       AIR_MEMORY_EXCEEDED = 0x07,
       AIR_CONNECTION_TIMEOUT = 0x08,
       AIR_CONNECTION_LIMIT = 0x09,
       AIR_CONNECTION_EXISTS = 0x0b,
       AIR_DISALLOWED = 0x0c,
       AIR_UNSUPPORTED = 0x11,
       AIR_INVALID = 0x12,
       AIR_LOCAL_TERMINATED = 0x16,
       AIR_UNSUPPORTED_REMOTE = 0x1a,
       AIR_UNSPECIFIED = 0x1f,
       AIR_RESPONSE_TIMEOUT = 0x22,
       AIR_COLLISION = 0x23,
       AIR_ADVERTISING_TIMEOUT = 0x3c,
       AIR_MIC_FAILURE = 0x3d,
       AIR_NOT_ESTABLISHED = 0x3e,
       AIR_UNKNOWN_ADVERTISING = 0x42,
       AIR_LIMIT_REACHED = 0x43,
       AIR_CANCELLED = 0x44,
       AIR_TOO_LONG = 0x45,
};

enum { AIR_H4_COMMAND = 1, AIR_H4_ACL = 2, AIR_H4_EVENT = 4 };

enum { /* event codes: Core 5.4, Vol 4, Part E, 7.7 */
       EV_DISCONNECTION_COMPLETE = 0x05,
       EV_ENCRYPTION_CHANGE = 0x08,
       EV_REMOTE_VERSION = 0x0c,
       EV_COMMAND_COMPLETE = 0x0e,
       EV_COMMAND_STATUS = 0x0f,
       EV_HARDWARE_ERROR = 0x10,
       EV_COMPLETED_PACKETS = 0x13,
       EV_BUFFER_OVERFLOW = 0x1a,
       EV_KEY_REFRESH = 0x30,
       EV_META = 0x3e,
};

enum { /* LE subevents: Core 5.4, Vol 4, Part E, 7.7.65 */
       LE_CONNECTION_COMPLETE = 0x01,
       LE_ADVERTISING_REPORT = 0x02,
       LE_CONNECTION_UPDATE = 0x03,
       LE_REMOTE_FEATURES = 0x04,
       LE_LTK_REQUEST = 0x05,
       LE_PARAM_REQUEST = 0x06,
       LE_DATA_LENGTH = 0x07,
       LE_ENHANCED_COMPLETE = 0x0a,
       LE_DIRECTED_REPORT = 0x0b,
       LE_PHY_UPDATE = 0x0c,
       LE_EXTENDED_REPORT = 0x0d,
       LE_SCAN_TIMEOUT = 0x11,
       LE_SET_TERMINATED = 0x12,
       LE_SCAN_REQUEST = 0x13,
       LE_CHANNEL_SELECTION = 0x14,
};

/* ---- time and chance ---- */

struct air_timer {
    struct timer t;
    void (*fire)(struct bl_air *air, struct air_timer *timer);
};

/* The structure of the given type that holds the timer. */
#define timer_entry(ptr, type, member)                                                             \
    ((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

/* ---- advertising ---- */

enum { /* advertising event properties: Core 5.4, Vol 4, Part E, 7.8.53 */
       ADV_CONNECTABLE = 0x01,
       ADV_SCANNABLE = 0x02,
       ADV_DIRECTED = 0x04,
       ADV_HIGH_DUTY = 0x08,
       ADV_LEGACY = 0x10,
       ADV_ANONYMOUS = 0x20,
       ADV_TX_POWER = 0x40,
};

struct air_data { /* advertising or scan response data, grown by fragments */
    uint8_t *bytes;
    uint16_t len;
    bool partial; /* the last fragment is still to come */
};

struct air_set {
    struct air_ctrl *c;
    bool exists, enabled, extended; /* extended: made by the extended commands */
    uint8_t handle;
    uint16_t props;
    uint32_t interval_min, interval_max; /* of 625 us */
    uint8_t channels, own_type, filter_policy, phy1, phy2, sid;
    struct bl_addr peer;   /* type may be 0..3 in a directed one that names an identity */
    struct bl_addr random; /* the set's own; type ADDR_RANDOM once set */
    bool has_random, notify_scan;
    int8_t tx_power;
    uint16_t did;
    struct air_data data, response;
    struct air_timer event, end;
    uint8_t max_events;
    unsigned events;
};

/* ---- scanning and initiating ---- */

struct air_window { /* one primary PHY's share of listening */
    bool on;
    bool active;
    uint16_t interval, window; /* of 625 us */
};

struct air_duplicate {
    uint8_t addr[6], type;
    uint16_t kind; /* event type, and set or data where they distinguish; 0 is free */
    uint16_t did;
};

struct air_scan {
    bool enabled, extended, dedupe, dedupe_period;
    uint8_t own_type, policy;
    struct air_window phy[2]; /* 1M, coded */
    uint64_t start;
    uint64_t duration, period; /* us; 0: none */
    uint64_t period_index;
    struct air_timer end;
    struct air_duplicate *seen; /* AIR_DUPLICATE_SETS * AIR_DUPLICATE_WAYS, while deduping */
    uint8_t *next_way;
};

struct air_conn_params {
    uint16_t interval_min, interval_max, latency, timeout;
};

struct air_init {
    bool enabled, extended, by_list;
    uint8_t own_type;
    struct bl_addr peer; /* type 0 or 1: identity or device address */
    struct air_window phy[2];
    uint64_t start;
    struct air_conn_params params;
};

/* An advertising event on the air, as the listeners get it. */
struct air_event_pdu {
    struct air_set *set;
    struct air_ctrl *from;
    struct bl_addr adva;    /* on the air */
    struct bl_addr targeta; /* on the air, where directed */
};

/* ---- lists ---- */

struct air_accepted {
    uint8_t type; /* 0, 1; 0xff: anonymous */
    uint8_t addr[6];
};

struct air_resolving {
    struct bl_addr id;
    uint8_t peer_irk[16], local_irk[16];
    bool has_peer_irk, has_local_irk, device_mode;
    struct bl_addr peer_rpa;   /* last seen; zero: none */
    struct bl_addr local_rpa;  /* in use; zero: none */
    struct bl_addr target_rpa; /* made from the peer's IRK, for directed advertising */
    uint64_t local_since, target_since;
};

/* ---- links ---- */

enum ll_op {
    LL_TERMINATE,
    LL_UPDATE_IND,
    LL_PARAM_REQ,
    LL_PARAM_RSP,
    LL_REJECT, /* LL_REJECT_(EXT_)IND, LL_UNKNOWN_RSP: about, error */
    LL_FEATURE_REQ,
    LL_FEATURE_RSP,
    LL_VERSION,
    LL_LENGTH_REQ,
    LL_LENGTH_RSP,
    LL_PHY_REQ,
    LL_PHY_RSP,
    LL_PHY_UPDATE,
    LL_ENC_REQ,
    LL_START_ENC_REQ,
    LL_START_ENC_RSP,
    LL_OPS,
};

struct ll_ctl {
    enum ll_op op;
    enum ll_op about;
    uint8_t error;
    struct air_conn_params params;
    uint64_t features;
    uint8_t version;
    uint16_t manufacturer;
    uint16_t tx_octets, tx_time, rx_octets, rx_time;
    uint8_t tx_phys, rx_phys;
    uint8_t rand[8];
    uint16_t ediv;
    uint8_t key[16];
};

struct air_pdu { /* data or a control PDU on its way to the peer */
    struct list link;
    uint64_t ready;
    bool start; /* data: begins an L2CAP PDU */
    uint16_t len, sent;
    struct ll_ctl ctl;
    uint8_t data[];
};

struct air_end {
    struct list of_ctrl;
    struct air_link *link;
    struct air_ctrl *c; /* NULL: this end has closed */
    uint8_t side;       /* 0 central, 1 peripheral: index in link->end */
    uint16_t handle;
    struct bl_addr peer; /* as reported to the host: identity where resolved */
    bool peer_resolved;
    struct bl_addr own_rpa, peer_rpa; /* zero where none */
    struct list ctl, acl;             /* struct air_pdu, waiting */
    unsigned n_acl;                   /* host's packets in acl */
    uint16_t completed;               /* delivered, not yet told to the host */
    uint16_t to_host; /* ACL packets that the host has not given back (host flow control) */
    bool terminating; /* LL_TERMINATE_IND queued: the host asked for it */
    uint8_t terminate_reason;
    bool features_known, features_asked, version_known, version_asked, version_sent;
    uint64_t features; /* the peer's */
    uint8_t version;
    uint16_t manufacturer;
    bool update_asked; /* the host waits for Connection Update Complete */
    bool param_out;    /* our LL_CONNECTION_PARAM_REQ is unanswered */
    struct air_conn_params param_want;
    bool param_wanted; /* our host has to answer Remote Connection Parameter Request */
    bool phy_asked;
    uint8_t pref_tx, pref_rx;
    uint16_t want_tx, want_time;                     /* connMaxTxOctets, connMaxTxTime */
    uint16_t tx_octets, tx_time, rx_octets, rx_time; /* effective */
    bool ltk_wanted;                                 /* our host has to answer LTK Request */
    uint16_t auth_timeout;
};

struct air_link {
    struct list link, busy;
    struct bl_air *air;
    struct air_end end[2];
    uint64_t anchor; /* time of some connection event */
    uint16_t interval, latency, timeout;
    uint8_t phy[2]; /* of what end[i] sends */
    uint8_t loss_reason;
    bool dead;
    struct air_timer event, supervision, response, update_at, phy_at;
    bool update_pending, phy_pending;
    struct air_conn_params update;
    uint8_t new_phy[2];
    bool encrypted, encrypting; /* encrypting: data stands still */
    uint8_t key[16];
    uint8_t channels[5];
    unsigned rssi_step;
};

/* ---- controllers ---- */

struct air_packet {
    struct list link;
    uint64_t at;
    uint16_t credits; /* ACL buffers that the host has back when it gets this */
    bool answer;      /* frees the command credit */
    size_t len;
    uint8_t bytes[];
};

enum air_adv_mode { AIR_ADV_UNDECIDED, AIR_ADV_LEGACY, AIR_ADV_EXTENDED };

struct air_ctrl {
    struct bl_air *air;
    int index;
    bool powered;
    struct bl_air_config cfg;
    uint64_t rng;
    struct list listening; /* in air->listeners while scanning or initiating */

    /* towards the host */
    struct list tx, held; /* struct air_packet; held: until the answer to this command is queued */
    unsigned n_tx;
    bool holding, blocked; /* blocked: data waits on the air for room */
    struct air_packet *lent;
    struct air_timer tx_timer;
    uint64_t event_mask, event_mask2, le_event_mask;
    bool flow_control;
    uint16_t host_acl_num, host_acl_len;

    /* from the host */
    bool command_pending; /* no credit */
    uint64_t command_since;
    bool command_lost;
    int acl_credits;
    struct {
        uint16_t handle;
        uint64_t at;
    } closed[AIR_CLOSED];
    unsigned n_closed;

    struct bl_addr random; /* type ADDR_RANDOM once set */
    bool has_random;
    enum air_adv_mode mode;
    struct air_set legacy;
    struct air_set *sets; /* cfg.num_sets, where extended */
    struct air_scan scan;
    struct air_init init;
    struct air_accepted *accepted;
    unsigned n_accepted;
    struct air_resolving *resolving;
    unsigned n_resolving;
    bool resolution;
    uint64_t rpa_timeout;                   /* us */
    struct bl_addr own[BL_AIR_USES], watch; /* bl_air_own(), bl_air_watch() */
    uint64_t watched;
    uint16_t default_tx, default_time;
    uint8_t default_tx_phys, default_rx_phys;
    uint8_t channels[5]; /* host channel classification */

    struct list ends; /* struct air_end */
    unsigned n_ends;
    uint16_t next_handle;
    struct air_end *on; /* of the command under way, where its row has AIR_CMD_HANDLE */

    /* faults */
    struct list command_faults, event_faults;
    unsigned not_established;
    bool not_established_at_once;
    unsigned vanish_after;
    uint64_t delay;
};

struct air_pair {
    uint32_t key; /* the smaller index << 16 | the larger */
    int8_t rssi;
    uint16_t loss;
    uint64_t delay;
};

struct bl_air {
    uint64_t now, rng;
    enum bl_air_pace pace;
    struct timerq timers;
    struct air_ctrl **ctrl;
    int n_ctrl, cap_ctrl;
    struct list listeners, links, busy;
    bool settling;
    struct air_pair *pairs;
    size_t n_pairs;
    char (*violations)[AIR_VIOLATION_LEN];
    unsigned n_violations;
};

/* air.c */
uint64_t bl_air_random(uint64_t *state);
void bl_air_timer_set(struct bl_air *air, struct air_timer *t, uint64_t at,
                      void (*fire)(struct bl_air *air, struct air_timer *timer));
void bl_air_timer_stop(struct bl_air *air, struct air_timer *t);
struct air_pair bl_air_pair(const struct bl_air *air, const struct air_ctrl *a,
                            const struct air_ctrl *b);
/* One packet from a to b: heard, or lost. */
bool bl_air_heard(struct bl_air *air, const struct air_ctrl *a, const struct air_ctrl *b);
bool bl_air_in_range(const struct bl_air *air, const struct air_ctrl *a, const struct air_ctrl *b);
/* The state after Reset; the host's part of it too when `power`. */
void bl_air_ctrl_reset(struct air_ctrl *c, bool power);
/* Whether c's being on the listeners' list is still true. */
void bl_air_listen(struct air_ctrl *c);

/* hci.c */
struct air_event {
    uint8_t buf[3 + 255];
    struct wr w;
};
void bl_air_event_begin(struct air_event *e, uint8_t code);
void bl_air_meta_begin(struct air_event *e, uint8_t subevent);
/* By the masks, and by the faults. `credits` ride with it. */
void bl_air_event_send(struct air_ctrl *c, struct air_event *e, uint16_t credits);
bool bl_air_event_wanted(const struct air_ctrl *c, uint8_t code, uint8_t subevent);
void bl_air_answer(struct air_ctrl *c, uint16_t opcode, bool as_status, uint8_t status,
                   const uint8_t *ret, size_t n, uint64_t late);
bool bl_air_acl_to_host(struct air_ctrl *c, uint16_t handle, bool start, const uint8_t *data,
                        size_t n);
bool bl_air_acl_room(const struct air_ctrl *c, const struct air_end *e);
void bl_air_queue_purge(struct air_ctrl *c);
int bl_air_queue_raw(struct air_ctrl *c, const uint8_t *packet, size_t n);

/* cmd.c */
enum {
    AIR_CMD_STATUS = 0x01,   /* answered by Command Status */
    AIR_CMD_HANDLE = 0x02,   /* begins with a connection handle, which must be a link's */
    AIR_CMD_LEGACY = 0x04,   /* of the two families that exclude each other: */
    AIR_CMD_EXTENDED = 0x08, /* Core 5.4, Vol 4, Part E, 3.1.1 */
    AIR_CMD_SHARED = 0x10,   /* only where the buffers are shared */
    AIR_CMD_V2 = 0x20,       /* only with buffer_v2 */
    AIR_CMD_SILENT = 0x40,   /* needs no credit, is answered only if wrong */
};
struct air_cmd {
    uint16_t opcode;
    uint8_t min, max; /* octets of parameters */
    uint8_t ret;      /* octets of return parameters after the status */
    uint16_t bit;     /* octet * 8 + bit in Supported Commands: Core 5.4, Vol 4, Part E, 6.27 */
    uint8_t version;  /* of HCI, from which on it is there */
    uint64_t need;    /* LE features */
    uint8_t flags;
    uint8_t (*run)(struct air_ctrl *c, struct rd *p, struct wr *ret); /* status */
};
struct air_cmd_table {
    const struct air_cmd *rows;
    size_t n;
};
#define AIR_BIT(octet, bit) ((octet)*8 + (bit))
#define AIR_NO_BIT          0xffff
extern const struct air_cmd_table bl_air_base_commands, bl_air_adv_legacy_commands,
    bl_air_adv_ext_commands, bl_air_scan_commands, bl_air_init_commands, bl_air_filter_commands,
    bl_air_privacy_commands, bl_air_link_commands, bl_air_encrypt_commands;
void bl_air_command(struct air_ctrl *c, const uint8_t *p, size_t n);
void bl_air_supported_commands(const struct air_ctrl *c, uint8_t out[static 64]);
/* AIR_DISALLOWED, and a violation. */
uint8_t bl_air_disallow(struct air_ctrl *c, const char *why);

/* adv_legacy.c, adv_ext.c, advertise.c */
void bl_air_adv_reset(struct air_ctrl *c);
void bl_air_set_clear(struct air_set *s);
bool bl_air_data_put(struct air_data *d, const uint8_t *bytes, size_t n);
/* Status. duration in us, 0: none. */
uint8_t bl_air_set_start(struct air_set *s, uint64_t duration, uint8_t max_events);
void bl_air_set_stop(struct air_set *s);
/* The set has ended in a connection (or 0x3c, 0x43): tells the host where it is to be told. */
void bl_air_set_terminated(struct air_set *s, uint8_t status, uint16_t handle);
bool bl_air_advertising(const struct air_ctrl *c);
bool bl_air_advertising_by_list(const struct air_ctrl *c);

/* scan_cmd.c, scan.c */
void bl_air_scan_stop(struct air_ctrl *c);
void bl_air_scan_hear(struct air_ctrl *c, const struct air_event_pdu *pdu);
bool bl_air_window_open(const struct air_window *w, uint64_t start, uint64_t now);
void bl_air_scan_forget(struct air_scan *s);

/* init.c */
bool bl_air_init_hear(struct air_ctrl *c, const struct air_event_pdu *pdu);

/* filter.c */
bool bl_air_accepted(const struct air_ctrl *c, const struct bl_addr *a);

/* privacy.c */
/* The entry whose identity this is, or whose RPA where the controller resolves; *id is the identity
 * where it is an RPA that resolves, else the address itself. */
struct air_resolving *bl_air_resolve(struct air_ctrl *c, const struct bl_addr *a,
                                     struct bl_addr *id);
struct air_resolving *bl_air_resolving_find(struct air_ctrl *c, const struct bl_addr *id);
/* Refused by network privacy: Core 5.4, Vol 6, Part B, 4.7. */
bool bl_air_privacy_refuses(struct air_ctrl *c, const struct bl_addr *a);
/* Something with this own address type is switched on. */
void bl_air_privacy_begin(struct air_ctrl *c, uint8_t own_type);
/* The address on the air for an own address type 0..3 towards this peer; it is noted as used. */
struct bl_addr bl_air_own_addr(struct air_ctrl *c, enum bl_air_use use, uint8_t own_type,
                               const struct bl_addr *peer, const struct bl_addr *random);
struct bl_addr bl_air_target_addr(struct air_ctrl *c, uint8_t own_type, const struct bl_addr *peer);
/* Whether this address on the air is one of ours. */
bool bl_air_is_mine(struct air_ctrl *c, uint8_t own_type, const struct bl_addr *a);

/* link.c */
struct air_end *bl_air_end_find(const struct air_ctrl *c, uint16_t handle);
struct air_end *bl_air_end_peer(const struct air_end *e);
/* Peripheral NULL: the connection that is not heard (0x3e). The central's end, NULL without
 * memory. */
struct air_end *bl_air_link_new(struct bl_air *air, struct air_ctrl *central,
                                struct air_ctrl *peripheral, const struct air_conn_params *params,
                                uint8_t phy);
void bl_air_link_announce(struct air_end *e, bool selection);
void bl_air_connection_failed(struct air_ctrl *c, uint8_t status, uint8_t role);
/* Closes this end; reason 0: without a word to the host. */
void bl_air_end_close(struct air_end *e, uint8_t reason);
/* Power off or Reset: all of a controller's ends vanish. */
void bl_air_links_vanish(struct air_ctrl *c);
/* Something waits to be sent. */
void bl_air_link_kick(struct air_link *l);
void bl_air_links_kick(struct air_ctrl *c);
/* Range or loss has changed. */
void bl_air_link_reach(struct air_link *l);
void bl_air_links_run(struct bl_air *air);
void bl_air_link_free(struct air_link *l);
uint64_t bl_air_link_instant(const struct air_link *l);

/* acl.c */
void bl_air_acl_from_host(struct air_ctrl *c, const uint8_t *p, size_t n);
/* One PDU of this end's, data or control, to its peer: octets, -1 where nothing can go. */
int bl_air_send_one(struct air_end *e);
void bl_air_tell_completed(struct air_end *e);

/* ll.c */
void bl_air_ll_send(struct air_end *e, const struct ll_ctl *ctl);
void bl_air_ll_receive(struct air_end *e, const struct ll_ctl *ctl);
void bl_air_ll_reject(struct air_end *e, enum ll_op about, uint8_t error);
void bl_air_ll_begin(struct air_end *e); /* what a new link does by itself */
uint8_t bl_air_ll_update(struct air_end *e, const struct air_conn_params *p);
void bl_air_ll_param_reply(struct air_end *e, const struct air_conn_params *p);
void bl_air_ll_length(struct air_end *e);
void bl_air_ll_phy(struct air_end *e);
void bl_air_ll_response_start(struct air_link *l);
bool bl_air_conn_params_ok(const struct air_conn_params *p);
void bl_air_tell_features(struct air_end *e, uint8_t status);
void bl_air_tell_version(struct air_end *e, uint8_t status);
void bl_air_tell_update(struct air_end *e, uint8_t status);
void bl_air_tell_phy(struct air_end *e, uint8_t status);

/* encrypt.c */
void bl_air_enc_request(struct air_end *e, const struct ll_ctl *ctl);
void bl_air_enc_start(struct air_end *e, const struct ll_ctl *ctl);
void bl_air_enc_started(struct air_end *e, const struct ll_ctl *ctl);
void bl_air_enc_rejected(struct air_end *e, uint8_t error);

/* faults.c */
struct air_fault {
    struct list link;
    uint16_t what; /* opcode, or event code << 8 | subevent */
    enum bl_air_command_fault kind;
    int value;
    unsigned times;
};
/* The fault that applies now, used up by one; *ret filled. */
bool bl_air_fault_take(struct list *faults, uint16_t what, struct air_fault *ret);
void bl_air_violate(struct air_ctrl *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
