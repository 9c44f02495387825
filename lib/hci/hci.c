/* SPDX-License-Identifier: MIT */

/*
 * The facade, and the pull loop: bl_hci_receive() keeps the packet, bl_hci_next() takes it apart.
 *
 *     OFF --start--> RESETTING --Reset answered--> BRINGUP --last step--> UP
 *                        \-------------------------- \---------------------\---> DEAD
 *
 * Until Reset is answered all else belongs to somebody before us and is ignored; until UP, events
 * other than answers to commands are. What hci itself has to know of a connection, its handle, it
 * takes from the events on their way through.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>
#include <stdlib.h>

enum { /* hci's own events: Core 5.4, Vol 4, Part E, 7.7 */
       EVENT_COMMAND_COMPLETE = 0x0e,
       EVENT_COMMAND_STATUS = 0x0f,
       EVENT_HARDWARE_ERROR = 0x10,
       EVENT_COMPLETED_PACKETS = 0x13,
       EVENT_DATA_BUFFER_OVERFLOW = 0x1a,
};

static const char *const hci_counter_names[HCI_COUNTERS] = {
    [HCI_N_COMMANDS] = "commands",
    [HCI_N_COMMANDS_LOST] = "commands-lost",
    [HCI_N_COMMANDS_UNKNOWN] = "commands-unknown",
    [HCI_N_REPLIES_SHORT] = "replies-short",
    [HCI_N_REPLIES_UNSOLICITED] = "replies-unsolicited",
    [HCI_N_COMMANDS_HIGH_WATER] = "commands-high-water",
    [HCI_N_EVENTS] = "hci-events",
    [HCI_N_EVENTS_UNKNOWN] = "hci-events-unknown",
    [HCI_N_EVENTS_BAD] = "hci-events-bad",
    [HCI_N_PACKETS_BAD] = "packets-bad",
    [HCI_N_ACL_RX] = "acl-rx-packets",
    [HCI_N_ACL_TX] = "acl-tx-packets",
    [HCI_N_ACL_RX_BYTES] = "acl-rx-bytes",
    [HCI_N_ACL_TX_BYTES] = "acl-tx-bytes",
    [HCI_N_ACL_DROPPED] = "acl-rx-dropped",
    [HCI_N_ACL_OVERCOMPLETED] = "acl-overcompleted",
    [HCI_N_OVERFLOWS] = "buffer-overflows",
    [HCI_N_TX_REFUSED] = "tx-refused",
    [HCI_N_TX_HIGH_WATER] = "tx-high-water",
};

/* ---- life ---- */

struct bl_hci *bl_hci_new(const struct bl_env *env)
{
    struct bl_hci *hci = calloc(1, sizeof(*hci));

    if (!hci)
        return NULL;
    hci->env = env;
    cmdq_clear(&hci->cmdq);
    acl_clear(&hci->acl);
    return hci;
}

struct bl_hci *bl_hci_free(struct bl_hci *hci)
{
    if (!hci)
        return NULL;
    acl_clear(&hci->acl);
    cmdq_clear(&hci->cmdq);
    free(hci);
    return NULL;
}

void bl_hci_stop(struct bl_hci *hci)
{
    hci->state = HCI_OFF;
    hci->ready_to_tell = hci->dead_to_tell = false;
    hci->packet = NULL;
    hci->events.left = 0;
    cmdq_clear(&hci->cmdq);
    acl_clear(&hci->acl);
}

void bl_hci_start(struct bl_hci *hci, uint64_t now)
{
    (void)now;
    bl_hci_stop(hci);
    hci->said = 0;
    memset(hci->cmdq.denied, 0, sizeof(hci->cmdq.denied));
    hci->bringup = (struct hci_bringup){0};
    bringup_start(hci);
}

void bl_hci_die(struct bl_hci *hci, const char *why)
{
    if (hci->state == HCI_OFF || hci->state == HCI_DEAD)
        return;
    hci->state = HCI_DEAD;
    hci->why = why;
    hci->dead_to_tell = true;
    hci->ready_to_tell = false;
    hci->packet = NULL;
    hci->events.left = 0;
}

/* ---- counters and complaints ---- */

void bl_hci_complain(struct bl_hci *hci, enum hci_counter counter, enum hci_complaint once,
                     const char *text, unsigned number)
{
    hci->counters[counter]++;
    if (hci->said & once)
        return;
    hci->said |= once;
    bl_env_log(hci->env, BL_LOG_WARNING, text, number);
}

void bl_hci_high_water(struct bl_hci *hci, enum hci_counter counter, uint64_t value)
{
    if (value > hci->counters[counter])
        hci->counters[counter] = value;
}

bool bl_hci_counter(const struct bl_hci *hci, size_t index, const char **ret_name,
                    uint64_t *ret_value)
{
    if (index >= HCI_COUNTERS)
        return false;
    *ret_name = hci_counter_names[index];
    *ret_value = hci->counters[index];
    return true;
}

/* ---- what the controller can ---- */

const struct bl_hci_caps *bl_hci_caps(const struct bl_hci *hci)
{
    return &hci->caps;
}

bool bl_hci_has_feature(const struct bl_hci *hci, unsigned bit)
{
    return bit < 64 && (hci->caps.le_features >> bit & 1);
}

bool bl_hci_supports(const struct bl_hci *hci, uint16_t opcode)
{
    const struct bl_cmd_row *row = bl_cmd_row(opcode);

    if (!row || cmdq_denied(&hci->cmdq, opcode))
        return false;
    return row->bit == 0xffff || (hci->caps.commands[row->bit / 8] >> row->bit % 8 & 1);
}

/* ---- commands ---- */

int bl_hci_cmd(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
               enum bl_hci_owner owner, uint32_t arg)
{
    const struct bl_cmd_row *row = bl_cmd_row(opcode);

    if (hci->state != HCI_UP)
        return -EBUSY;
    if (!row || !bl_hci_supports(hci, opcode))
        return -EOPNOTSUPP;
    if (n < row->params_min || n > row->params_max)
        return -EINVAL;
    return cmdq_push(hci, opcode, params, n, owner, arg, false);
}

int bl_hci_cmd_raw(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
                   enum bl_hci_owner owner, uint32_t arg)
{
    if (hci->state != HCI_UP)
        return -EBUSY;
    if (opcode == 0 || n > 255)
        return -EINVAL;
    return cmdq_push(hci, opcode, params, n, owner, arg, false);
}

/* One command has ended; true when somebody above waits for it. */
static bool hci_answered(struct bl_hci *hci, struct hci_answer *answer, struct bl_hci_in *ret)
{
    if (answer->slot->internal) {
        if (answer->slot->owner == BL_HCI_OWNER_BRINGUP)
            bringup_answer(hci, answer);
        return false;
    }
    *ret = (struct bl_hci_in){.kind = BL_HCI_REPLY,
                              .reply = {.owner = (enum bl_hci_owner)answer->slot->owner,
                                        .arg = answer->slot->arg,
                                        .opcode = answer->slot->opcode,
                                        .status = answer->status,
                                        .lost = answer->lost,
                                        .params = answer->params}};
    return true;
}

/* ---- events ---- */

static bool hci_on_complete(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                            struct bl_hci_in *ret)
{
    struct hci_answer answer;

    return cmdq_complete(hci, now, p, n, &answer) && hci_answered(hci, &answer, ret);
}

static bool hci_on_status(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                          struct bl_hci_in *ret)
{
    struct hci_answer answer;

    return cmdq_status(hci, now, p, n, &answer) && hci_answered(hci, &answer, ret);
}

static void hci_bad_event(struct bl_hci *hci, uint8_t code)
{
    bl_hci_complain(hci, HCI_N_EVENTS_BAD, HCI_SAID_EVENT_BAD,
                    "the controller sends an event that is malformed (code 0x%02x)", code);
}

static bool hci_on_completed_packets(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                                     struct bl_hci_in *ret)
{
    (void)now;
    (void)ret;
    if (!acl_completed(hci, p, n))
        hci_bad_event(hci, EVENT_COMPLETED_PACKETS);
    return false;
}

/* 7.7.16. With an octet missing it still is what it is. */
static bool hci_on_hardware_error(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                                  struct bl_hci_in *ret)
{
    (void)now;
    (void)ret;
    bl_env_log(hci->env, BL_LOG_ERROR, "the controller reports hardware error 0x%02x",
               n > 0 ? p[0] : 0);
    bl_hci_die(hci, "the controller reports a hardware error");
    return false;
}

/* 7.7.26: by the counting of buffers it cannot come from us; nothing to be done but to say so. */
static bool hci_on_overflow(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                            struct bl_hci_in *ret)
{
    (void)now;
    (void)p;
    (void)n;
    (void)ret;
    bl_hci_complain(hci, HCI_N_OVERFLOWS, HCI_SAID_OVERFLOW,
                    "the controller says that its buffers overflow (event 0x%02x)",
                    EVENT_DATA_BUFFER_OVERFLOW);
    return false;
}

static const struct {
    uint8_t code;
    bool (*take)(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                 struct bl_hci_in *ret);
} hci_own_events[] = {
    {EVENT_COMMAND_COMPLETE, hci_on_complete},
    {EVENT_COMMAND_STATUS, hci_on_status},
    {EVENT_COMPLETED_PACKETS, hci_on_completed_packets},
    {EVENT_HARDWARE_ERROR, hci_on_hardware_error},
    {EVENT_DATA_BUFFER_OVERFLOW, hci_on_overflow},
};

/* A connection that finds no room here is ended again: nobody above could be told of its data. */
static void hci_turn_away(struct bl_hci *hci, uint16_t handle)
{
    uint8_t params[3] = {(uint8_t)handle, (uint8_t)(handle >> 8), BL_HCI_REMOTE_TERMINATED};

    (void)cmdq_push(hci, BL_CMD_DISCONNECT, params, sizeof(params), BL_HCI_OWNER_HOST, 0, true);
}

/* What an event means to hci itself; false when it is not for those above. */
static bool hci_note_event(struct bl_hci *hci, struct bl_hci_event *e)
{
    if (e->kind == BL_HCI_EV_CONNECTION_COMPLETE && e->status == BL_HCI_SUCCESS) {
        int r = acl_add(&hci->acl, e->handle, &e->connection.peer);
        if (r == -EEXIST) {
            hci_bad_event(hci, 0x3e); /* told twice */
            return false;
        }
        if (r < 0) {
            hci_turn_away(hci, e->handle);
            e->status = BL_HCI_CONNECTION_LIMIT;
        }
    }
    if (e->kind == BL_HCI_EV_DISCONNECTION_COMPLETE && e->status == BL_HCI_SUCCESS &&
        !acl_remove(&hci->acl, e->handle)) {
        hci_bad_event(hci, 0x05);
        return false;
    }
    return true;
}

/* The next of what the event packet holds. */
static bool hci_next_event(struct bl_hci *hci, struct bl_hci_in *ret)
{
    ret->kind = BL_HCI_EVENT;
    if (bl_hci_events_next(&hci->events, &ret->event) != BL_HCI_PARSE_OK) {
        hci_bad_event(hci, hci->event_code);
        return false;
    }
    return hci_note_event(hci, &ret->event);
}

static bool hci_event(struct bl_hci *hci, uint64_t now, const uint8_t *p, size_t n,
                      struct bl_hci_in *ret)
{
    uint8_t code = p[0];

    hci->counters[HCI_N_EVENTS]++;
    hci->event_code = code;
    if (hci->state == HCI_RESETTING && code != EVENT_COMMAND_COMPLETE &&
        code != EVENT_COMMAND_STATUS)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(hci_own_events); i++)
        if (hci_own_events[i].code == code)
            return hci_own_events[i].take(hci, now, p + 2, n - 2, ret);
    if (hci->state != HCI_UP)
        return false;
    switch (bl_hci_events_begin(&hci->events, code, p + 2, n - 2)) {
    case BL_HCI_PARSE_OK:
        return hci_next_event(hci, ret);
    case BL_HCI_PARSE_UNKNOWN:
        bl_hci_complain(hci, HCI_N_EVENTS_UNKNOWN, HCI_SAID_EVENT_UNKNOWN,
                        "the controller sends an event that was not asked for (code 0x%02x)", code);
        return false;
    case BL_HCI_PARSE_BAD:
        hci_bad_event(hci, code);
        return false;
    }
    return false;
}

/* ---- packets ---- */

void bl_hci_receive(struct bl_hci *hci, uint64_t now, const uint8_t *packet, size_t n)
{
    (void)now;
    hci->events.left = 0;
    hci->packet = NULL;
    if (hci->state == HCI_OFF || hci->state == HCI_DEAD)
        return;
    /* H4: type; events: code, length (5.4.4); ACL: handle, length of 16 bits (5.4.2) */
    bool good = n > 0 && ((packet[0] == HCI_H4_EVENT && n >= 3 && packet[2] == n - 3) ||
                          (packet[0] == HCI_H4_ACL && n >= 5));
    if (!good) {
        bl_hci_complain(hci, HCI_N_PACKETS_BAD, HCI_SAID_PACKET,
                        "the controller sends a packet that is cut or of no known type (0x%02x)",
                        n > 0 ? packet[0] : 0);
        return;
    }
    hci->packet = packet;
    hci->packet_len = n;
}

/* The packet that waits is taken once; reports that it holds follow by hci_next_event(). */
static bool hci_take_packet(struct bl_hci *hci, uint64_t now, struct bl_hci_in *ret)
{
    const uint8_t *packet = hci->packet;
    size_t n = hci->packet_len;

    hci->packet = NULL;
    if (packet[0] == HCI_H4_EVENT)
        return hci_event(hci, now, packet + 1, n - 1, ret);
    return hci->state == HCI_UP && acl_receive(hci, packet + 1, n - 1, ret);
}

bool bl_hci_next(struct bl_hci *hci, uint64_t now, struct bl_hci_in *ret)
{
    struct hci_answer answer;

    for (;;) {
        if (!list_empty(&hci->cmdq.lost) && cmdq_pop_lost(&hci->cmdq, &answer)) {
            if (hci_answered(hci, &answer, ret))
                return true;
        } else if (hci->ready_to_tell) {
            hci->ready_to_tell = false;
            *ret = (struct bl_hci_in){.kind = BL_HCI_READY};
            return true;
        } else if (hci->dead_to_tell) {
            hci->dead_to_tell = false;
            *ret = (struct bl_hci_in){.kind = BL_HCI_DEAD, .dead = {hci->why}};
            return true;
        } else if (hci->events.left > 0) {
            if (hci_next_event(hci, ret))
                return true;
        } else if (hci->packet) {
            if (hci_take_packet(hci, now, ret))
                return true;
        } else {
            return false;
        }
    }
}

size_t bl_hci_next_tx(struct bl_hci *hci, uint64_t now, const uint8_t **bytes)
{
    size_t n;

    if (hci->state == HCI_OFF || hci->state == HCI_DEAD)
        return 0;
    n = cmdq_next_tx(hci, now, bytes);
    return n > 0 || hci->state != HCI_UP ? n : acl_next_tx(hci, bytes);
}

uint64_t bl_hci_deadline(const struct bl_hci *hci)
{
    return hci->state == HCI_OFF || hci->state == HCI_DEAD ? TIMERQ_NEVER
                                                           : cmdq_deadline(&hci->cmdq);
}

void bl_hci_tick(struct bl_hci *hci, uint64_t now)
{
    if (hci->state != HCI_OFF && hci->state != HCI_DEAD)
        cmdq_tick(hci, now);
}

void bl_hci_forgive(struct bl_hci *hci, uint64_t us)
{
    cmdq_forgive(&hci->cmdq, us);
}
