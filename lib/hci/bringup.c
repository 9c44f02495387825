/* SPDX-License-Identifier: MIT */

/*
 * Bring-up: from Reset to a controller whose abilities are known and whose lists are empty. A table
 * of steps, taken in order, one command each:
 *
 *   - a step is passed over when it is not wanted, or when the controller does not support it;
 *   - an answer that is good is read into caps;
 *   - one that is bad, short or missing leaves caps as it was, for the steps that follow to do
 *     without. Those that say most are asked for once more when their answer was lost; Reset is
 *     asked for until it is answered, and ends bring-up with a sentence when it is refused.
 *
 * Until the controller has given its list of commands, it is taken to support what every LE
 * controller must (bringup_mandatory).
 *
 * Extended advertising is used whole or not at all, for a controller refuses to mix the two sets of
 * commands (Core 5.4, Vol 4, Part E, 3.1.1). Therefore every command that it needs is tried here,
 * harmlessly: on an advertising set that is removed again, with empty data, to end what does not
 * run, and with parameters that have to be refused. When one of them turns out to be unknown, all
 * starts over from Reset without extended advertising.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "hci/error.h"

#define BRINGUP_PARAMS_MAX 32

struct bringup_step {
    uint16_t opcode;
    bool again; /* asked for once more when its answer was lost */
    bool probe; /* of extended advertising: unknown means start over without */
    bool (*wanted)(const struct bl_hci *hci);
    void (*params)(const struct bl_hci *hci, struct wr *w);
    bool (*good)(struct bl_hci *hci, struct rd *r); /* false: not what the answer may be */
    const char *why; /* where there is no LE host without it: what to say when it is refused */
};

/* ---- what the steps ask ---- */

/* 7.4.2: what a controller of version 4.0 must support, for one that does not say. */
static const uint16_t bringup_mandatory[] = {
    BL_CMD_DISCONNECT,
    BL_CMD_READ_REMOTE_VERSION,
    BL_CMD_SET_EVENT_MASK,
    BL_CMD_READ_BUFFER_SIZE, /* where LE has no buffers of its own */
    BL_CMD_LE_SET_EVENT_MASK,
    BL_CMD_LE_READ_BUFFER_SIZE,
    BL_CMD_LE_READ_FEATURES,
    BL_CMD_LE_SET_RANDOM_ADDRESS,
    BL_CMD_LE_SET_ADV_PARAMS,
    BL_CMD_LE_SET_ADV_DATA,
    BL_CMD_LE_SET_SCAN_RSP_DATA,
    BL_CMD_LE_SET_ADV_ENABLE,
    BL_CMD_LE_SET_SCAN_PARAMS,
    BL_CMD_LE_SET_SCAN_ENABLE,
    BL_CMD_LE_CREATE_CONNECTION,
    BL_CMD_LE_CREATE_CONNECTION_CANCEL,
    BL_CMD_LE_READ_ACCEPT_LIST_SIZE,
    BL_CMD_LE_CLEAR_ACCEPT_LIST,
    BL_CMD_LE_ADD_ACCEPT_LIST,
    BL_CMD_LE_REMOVE_ACCEPT_LIST,
    BL_CMD_LE_CONNECTION_UPDATE,
    BL_CMD_LE_READ_REMOTE_FEATURES,
};

/* Without which extended advertising, scanning and initiating are of no use. */
static const uint16_t bringup_extended[] = {
    BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS, BL_CMD_LE_SET_EXT_ADV_PARAMS,
    BL_CMD_LE_SET_EXT_ADV_DATA,           BL_CMD_LE_SET_EXT_SCAN_RSP_DATA,
    BL_CMD_LE_SET_EXT_ADV_ENABLE,         BL_CMD_LE_REMOVE_ADV_SET,
    BL_CMD_LE_SET_EXT_SCAN_PARAMS,        BL_CMD_LE_SET_EXT_SCAN_ENABLE,
    BL_CMD_LE_EXT_CREATE_CONNECTION,
};

static void bringup_assume(struct bl_hci *hci)
{
    for (size_t i = 0; i < ARRAY_LEN(bringup_mandatory); i++) {
        unsigned bit = bl_cmd_row(bringup_mandatory[i])->bit;
        hci->caps.commands[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

static bool bringup_wants_extended(const struct bl_hci *hci)
{
    if (hci->bringup.no_extended || !bl_hci_has_feature(hci, BL_LE_EXTENDED_ADV))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(bringup_extended); i++)
        if (!bl_hci_supports(hci, bringup_extended[i]))
            return false;
    return true;
}

static bool bringup_wants_le_host(const struct bl_hci *hci)
{
    return !(hci->caps.lmp_features[4] & 0x20); /* BR/EDR Not Supported: Vol 2, Part C, 3.3 */
}

static bool bringup_wants_buffers(const struct bl_hci *hci)
{
    return hci->caps.acl_num == 0 && !hci->caps.acl_shared;
}

static bool bringup_wants_shared_buffers(const struct bl_hci *hci)
{
    return hci->caps.acl_num == 0;
}

static bool bringup_wants_least_mask(const struct bl_hci *hci)
{
    return hci->bringup.mask_refused;
}

static bool bringup_wants_host_feature(const struct bl_hci *hci)
{
    return bl_hci_has_feature(hci, BL_LE_CIS_CENTRAL) ||
           bl_hci_has_feature(hci, BL_LE_CIS_PERIPHERAL);
}

static bool bringup_wants_data_length(const struct bl_hci *hci)
{
    return bl_hci_has_feature(hci, BL_LE_DATA_LENGTH);
}

static bool bringup_wants_privacy(const struct bl_hci *hci)
{
    return bl_hci_has_feature(hci, BL_LE_PRIVACY);
}

/* ---- what they send ---- */

/* 7.3.1; the LE events are one bit here. */
static void bringup_event_mask(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u64(w, 1ull << 4 |      /* Disconnection Complete */
                  1ull << 7 |  /* Encryption Change */
                  1ull << 11 | /* Read Remote Version Information Complete */
                  1ull << 15 | /* Hardware Error */
                  1ull << 25 | /* Data Buffer Overflow */
                  1ull << 47 | /* Encryption Key Refresh Complete */
                  1ull << 61); /* LE Meta */
}

/* 7.3.69: Encryption Change [v2], since 5.3 */
static void bringup_event_mask_2(const struct bl_hci *hci, struct wr *w)
{
    wr_u64(w, hci->caps.hci_version >= 0x0c ? 1ull << 25 : 0);
}

/* 7.8.1: the events of version 4.0, then those of each feature. */
static void bringup_le_event_mask(const struct bl_hci *hci, struct wr *w)
{
    static const struct {
        uint8_t feature, event;
    } rows[] = {
        {BL_LE_PARAM_REQUEST, 5}, {BL_LE_DATA_LENGTH, 6},
        {BL_LE_PRIVACY, 9},                                    /* LE Enhanced Connection Complete */
        {BL_LE_EXTENDED_ADV, 9},  {BL_LE_EXT_SCAN_FILTER, 10}, /* LE Directed Advertising Report */
        {BL_LE_2M, 11},           {BL_LE_CODED, 11},
        {BL_LE_CSA2, 19},
    };
    uint64_t mask = 0x1f;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (bl_hci_has_feature(hci, rows[i].feature))
            mask |= 1ull << rows[i].event;
    if (bringup_wants_extended(hci))
        mask |= 1ull << 12 | 1ull << 16 | 1ull << 17; /* report, scan timeout, set terminated */
    wr_u64(w, mask);
}

static void bringup_least_mask(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u64(w, 0x1f); /* 7.8.1: the default */
}

static void bringup_le_host(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 1);
    wr_u8(w, 0); /* unused: 7.3.79 */
}

/* 7.8.115: isochronous channels are not served here. */
static void bringup_host_feature(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 32);
    wr_u8(w, 0);
}

static void bringup_suggested(const struct bl_hci *hci, struct wr *w)
{
    wr_u16(w, hci->caps.max_tx_octets);
    wr_u16(w, hci->caps.max_tx_time);
}

/* ---- what they learn ---- */

static bool bringup_reset(struct bl_hci *hci, struct rd *r)
{
    (void)r;
    hci->state = HCI_BRINGUP;
    return true;
}

static bool bringup_version(struct bl_hci *hci, struct rd *r)
{
    hci->caps.hci_version = rd_u8(r);
    rd_u16(r); /* HCI subversion */
    rd_u8(r);  /* LMP version */
    hci->caps.manufacturer = rd_u16(r);
    return true;
}

static bool bringup_commands(struct bl_hci *hci, struct rd *r)
{
    rd_copy(r, hci->caps.commands, sizeof(hci->caps.commands));
    return true;
}

static bool bringup_features(struct bl_hci *hci, struct rd *r)
{
    rd_copy(r, hci->caps.lmp_features, 8);
    if (!(hci->caps.lmp_features[4] & 0x40)) /* LE Supported (Controller): Vol 2, Part C, 3.3 */
        bl_hci_die(hci, "this controller has no Bluetooth LE");
    return true;
}

/* Controllers without an address say so by zeros, or by an erased memory's ones. */
static bool bringup_bd_addr(struct bl_hci *hci, struct rd *r)
{
    static const uint8_t ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    hci->caps.public_addr.type = ADDR_PUBLIC;
    rd_copy(r, hci->caps.public_addr.b, 6);
    if (memcmp(hci->caps.public_addr.b, ones, 6) == 0)
        memset(hci->caps.public_addr.b, 0, 6);
    return true;
}

static bool bringup_le_features(struct bl_hci *hci, struct rd *r)
{
    hci->caps.le_features = rd_u64(r);
    return true;
}

static bool bringup_take_buffers(struct bl_hci *hci, uint16_t len, uint16_t num)
{
    if (len < HCI_ACL_LEN_MIN || num == 0)
        return false;
    hci->caps.acl_len = len;
    hci->caps.acl_num = num;
    return true;
}

/* 7.8.2: zeros mean that LE shares the buffers of BR/EDR. */
static bool bringup_le_buffers(struct bl_hci *hci, struct rd *r)
{
    uint16_t len = rd_u16(r), num = rd_u8(r);

    hci->caps.acl_shared = len == 0 || num == 0;
    return hci->caps.acl_shared || bringup_take_buffers(hci, len, num);
}

static bool bringup_buffers(struct bl_hci *hci, struct rd *r)
{
    uint16_t len = rd_u16(r);

    rd_u8(r); /* synchronous packets */
    hci->caps.acl_shared = true;
    return bringup_take_buffers(hci, len, rd_u16(r));
}

static bool bringup_max_data_length(struct bl_hci *hci, struct rd *r)
{
    uint16_t tx_octets = rd_u16(r), tx_time = rd_u16(r);
    uint16_t rx_octets = rd_u16(r), rx_time = rd_u16(r);

    /* 7.8.46 */
    if (tx_octets < 27 || tx_octets > 251 || rx_octets < 27 || rx_octets > 251 ||
        tx_time < 0x0148 || tx_time > 0x4290 || rx_time < 0x0148 || rx_time > 0x4290)
        return false;
    hci->caps.max_tx_octets = tx_octets;
    hci->caps.max_tx_time = tx_time;
    hci->caps.max_rx_octets = rx_octets;
    hci->caps.max_rx_time = rx_time;
    return true;
}

static bool bringup_accept_list(struct bl_hci *hci, struct rd *r)
{
    hci->caps.accept_list = rd_u8(r);
    return true;
}

static bool bringup_resolving_list(struct bl_hci *hci, struct rd *r)
{
    hci->caps.resolving_list = rd_u8(r);
    return true;
}

static bool bringup_adv_data(struct bl_hci *hci, struct rd *r)
{
    uint16_t n = rd_u16(r);

    /* 7.8.57 */
    if (n < BL_MAX_ADV_LEGACY || n > BL_MAX_ADV_EXTENDED)
        return false;
    hci->caps.adv_data_max = n;
    return true;
}

static bool bringup_adv_sets(struct bl_hci *hci, struct rd *r)
{
    uint8_t n = rd_u8(r);

    if (n == 0 || n > 0xf0) /* 7.8.58 */
        return false;
    hci->caps.adv_sets = n;
    return true;
}

/* ---- the probes of extended advertising ---- */

static void bringup_probe_params(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 0);       /* handle */
    wr_u16(w, 0x0010); /* legacy ADV_NONCONN_IND: 7.8.53 */
    wr_u24(w, 0x000800);
    wr_u24(w, 0x000800);
    wr_u8(w, 7);
    wr_u8(w, ADDR_RANDOM);
    wr_zero(w, 7);  /* no peer */
    wr_u8(w, 0);    /* filter policy */
    wr_u8(w, 0x7f); /* tx power: no preference */
    wr_u8(w, BL_PHY_1M);
    wr_u8(w, 0);
    wr_u8(w, BL_PHY_1M);
    wr_u8(w, 0); /* SID */
    wr_u8(w, 0);
}

static void bringup_probe_address(const struct bl_hci *hci, struct wr *w)
{
    static const uint8_t address[6] = {0x01, 0, 0, 0, 0, 0xc0};

    (void)hci;
    wr_u8(w, 0);
    wr_bytes(w, address, 6);
}

static void bringup_probe_data(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 0);
    wr_u8(w, 3); /* complete */
    wr_u8(w, 1); /* not to be fragmented */
    wr_u8(w, 0);
}

static void bringup_probe_adv_enable(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 0); /* off, */
    wr_u8(w, 0); /* all sets */
}

static void bringup_probe_handle(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, 0);
}

static void bringup_probe_scan(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_u8(w, ADDR_PUBLIC);
    wr_u8(w, 0);
    wr_u8(w, BL_PHYS_1M);
    wr_u8(w, 0); /* passive */
    wr_u16(w, 0x0010);
    wr_u16(w, 0x0010);
}

static void bringup_probe_scan_enable(const struct bl_hci *hci, struct wr *w)
{
    (void)hci;
    wr_zero(w, 6); /* off */
}

/* A legacy command, which would forbid the extended ones: Core 5.4, Vol 4, Part E, 3.1.1. */
static bool bringup_wants_tx_power(const struct bl_hci *hci)
{
    return !bringup_wants_extended(hci);
}

static bool bringup_tx_power(struct bl_hci *hci, struct rd *r)
{
    int8_t dbm = rd_i8(r);

    if (dbm < -127 || dbm > 20) /* 7.8.6 */
        return false;
    hci->caps.adv_tx_power = dbm;
    return true;
}

/* ---- the table ---- */

#define EXT bringup_wants_extended

/* clang-format off */
static const struct bringup_step bringup_steps[] = {
    /* command, again, probe, when, parameters, what it says, why it is essential */
    {BL_CMD_RESET, false, false, NULL, NULL, bringup_reset,
     "the controller refuses to be reset"},
    {BL_CMD_READ_LOCAL_VERSION, false, false, NULL, NULL, bringup_version, NULL},
    {BL_CMD_READ_LOCAL_COMMANDS, true, false, NULL, NULL, bringup_commands, NULL},
    {BL_CMD_READ_LOCAL_FEATURES, false, false, NULL, NULL, bringup_features, NULL},
    {BL_CMD_READ_BD_ADDR, false, false, NULL, NULL, bringup_bd_addr, NULL},
    {BL_CMD_LE_READ_FEATURES, true, false, NULL, NULL, bringup_le_features, NULL},
    {BL_CMD_LE_READ_BUFFER_SIZE_V2, false, false, bringup_wants_buffers, NULL, bringup_le_buffers,
     NULL},
    {BL_CMD_LE_READ_BUFFER_SIZE, true, false, bringup_wants_buffers, NULL, bringup_le_buffers,
     NULL},
    {BL_CMD_READ_BUFFER_SIZE, true, false, bringup_wants_shared_buffers, NULL, bringup_buffers,
     NULL},
    {BL_CMD_SET_EVENT_MASK, false, false, NULL, bringup_event_mask, NULL, NULL},
    {BL_CMD_SET_EVENT_MASK_PAGE_2, false, false, NULL, bringup_event_mask_2, NULL, NULL},
    {BL_CMD_LE_SET_EVENT_MASK, false, false, NULL, bringup_le_event_mask, NULL, NULL},
    {BL_CMD_LE_SET_EVENT_MASK, false, false, bringup_wants_least_mask, bringup_least_mask, NULL,
     NULL},
    {BL_CMD_WRITE_LE_HOST_SUPPORT, false, false, bringup_wants_le_host, bringup_le_host, NULL,
     NULL},
    {BL_CMD_LE_SET_HOST_FEATURE, false, false, bringup_wants_host_feature, bringup_host_feature,
     NULL, NULL},
    {BL_CMD_LE_READ_MAX_DATA_LENGTH, false, false, bringup_wants_data_length, NULL,
     bringup_max_data_length, NULL},
    {BL_CMD_LE_WRITE_SUGGESTED_DATA_LENGTH, false, false, bringup_wants_data_length,
     bringup_suggested, NULL, NULL},
    {BL_CMD_LE_READ_ACCEPT_LIST_SIZE, false, false, NULL, NULL, bringup_accept_list, NULL},
    {BL_CMD_LE_CLEAR_ACCEPT_LIST, false, false, NULL, NULL, NULL, NULL},
    {BL_CMD_LE_READ_RESOLVING_LIST_SIZE, false, false, bringup_wants_privacy, NULL,
     bringup_resolving_list, NULL},
    {BL_CMD_LE_CLEAR_RESOLVING_LIST, false, false, bringup_wants_privacy, NULL, NULL, NULL},
    {BL_CMD_LE_READ_MAX_ADV_DATA, false, false, EXT, NULL, bringup_adv_data, NULL},
    {BL_CMD_LE_READ_ADV_SETS, false, false, EXT, NULL, bringup_adv_sets, NULL},
    {BL_CMD_LE_SET_EXT_SCAN_PARAMS, false, true, EXT, bringup_probe_scan, NULL, NULL},
    {BL_CMD_LE_SET_EXT_SCAN_ENABLE, false, true, EXT, bringup_probe_scan_enable, NULL, NULL},
    {BL_CMD_LE_SET_EXT_ADV_PARAMS, false, true, EXT, bringup_probe_params, NULL, NULL},
    {BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS, false, true, EXT, bringup_probe_address, NULL, NULL},
    {BL_CMD_LE_SET_EXT_ADV_DATA, false, true, EXT, bringup_probe_data, NULL, NULL},
    {BL_CMD_LE_SET_EXT_SCAN_RSP_DATA, false, true, EXT, bringup_probe_data, NULL, NULL},
    {BL_CMD_LE_SET_EXT_ADV_ENABLE, false, true, EXT, bringup_probe_adv_enable, NULL, NULL},
    {BL_CMD_LE_REMOVE_ADV_SET, false, true, EXT, bringup_probe_handle, NULL, NULL},
    {BL_CMD_LE_CLEAR_ADV_SETS, false, false, EXT, NULL, NULL, NULL},
    {BL_CMD_LE_READ_ADV_TX_POWER, false, false, bringup_wants_tx_power, NULL, bringup_tx_power,
     NULL},
};
/* clang-format on */

static void bringup_end(struct bl_hci *hci)
{
    if (hci->caps.acl_num == 0) {
        bl_hci_die(hci, "the controller has no buffers for LE data");
        return;
    }
    hci->caps.extended = bringup_wants_extended(hci);
    hci->state = HCI_UP;
    hci->ready_to_tell = true;
}

/* Queues the command of the next step that applies. */
static void bringup_go_on(struct bl_hci *hci)
{
    for (; hci->bringup.step < ARRAY_LEN(bringup_steps); hci->bringup.step++) {
        const struct bringup_step *step = &bringup_steps[hci->bringup.step];
        uint8_t params[BRINGUP_PARAMS_MAX];
        struct wr w = wr_make(params, sizeof(params));

        if ((step->wanted && !step->wanted(hci)) || !bl_hci_supports(hci, step->opcode))
            continue;
        if (step->params)
            step->params(hci, &w);
        if (cmdq_push(hci, step->opcode, params, w.len, BL_HCI_OWNER_BRINGUP,
                      (uint32_t)hci->bringup.step, true) < 0)
            bl_hci_die(hci, "the command queue is full"); /* cannot be: nobody else may queue yet */
        return;
    }
    bringup_end(hci);
}

void bringup_start(struct bl_hci *hci)
{
    bool no_extended = hci->bringup.no_extended;

    hci->bringup = (struct hci_bringup){.no_extended = no_extended};
    hci->caps = (struct bl_hci_caps){.hci_version = 0x06, /* 4.0 */
                                     .adv_data_max = BL_MAX_ADV_LEGACY,
                                     .adv_sets = 1,
                                     .adv_tx_power = 127,
                                     .max_tx_octets = 27,
                                     .max_tx_time = 0x0148,
                                     .max_rx_octets = 27,
                                     .max_rx_time = 0x0148};
    hci->caps.lmp_features[4] = 0x60; /* LE, and no BR/EDR, until it says */
    bringup_assume(hci);
    hci->state = HCI_RESETTING;
    bringup_go_on(hci);
}

void bringup_answer(struct bl_hci *hci, struct hci_answer *answer)
{
    const struct bringup_step *step = &bringup_steps[hci->bringup.step];

    if (hci->state != HCI_RESETTING && hci->state != HCI_BRINGUP)
        return;
    if (answer->lost && (step->why || (step->again && !hci->bringup.asked_again))) {
        hci->bringup.asked_again = true;
        bringup_go_on(hci); /* the same again; three in a row end it */
        return;
    }
    hci->bringup.asked_again = false;
    bool good = answer->status == BL_HCI_SUCCESS;
    if (good && step->good)
        good = step->good(hci, &answer->params);
    if (!good && step->why)
        bl_hci_die(hci, step->why);
    if (hci->state == HCI_DEAD)
        return;
    if (!good && step->opcode == BL_CMD_LE_SET_EVENT_MASK)
        hci->bringup.mask_refused = true;
    if (!good && step->probe && answer->status == BL_HCI_UNKNOWN_COMMAND) {
        bl_env_log(hci->env, BL_LOG_NOTICE,
                   "extended advertising does not work on this controller: legacy is used");
        hci->bringup.no_extended = true;
        bringup_start(hci);
        return;
    }
    hci->bringup.step++;
    bringup_go_on(hci);
}
