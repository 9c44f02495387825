/* SPDX-License-Identifier: MIT */

/*
 * The command queue. A command's slot goes from `unused` to `waiting`, `sent` and back:
 *
 *     push -> waiting -- a credit, next_tx --> sent -- Command Complete, Command Status --> unused
 *                                                \--- 2 s ---> lost -- told --> unused
 *
 * No more commands are in flight than the controller last said it takes (Num_HCI_Command_Packets:
 * Core 5.4, Vol 4, Part E, 4.4). Answers find their command by opcode, the oldest first. A
 * controller that keeps silent, or takes the last credit away, is waited for 2 s; then the queue
 * goes on.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

void cmdq_clear(struct hci_cmdq *q)
{
    list_init(&q->waiting);
    list_init(&q->sent);
    list_init(&q->lost);
    list_init(&q->unused);
    for (unsigned i = 0; i < q->fresh; i++)
        explicit_bzero(q->slots[i].wire, sizeof(q->slots[i].wire));
    q->n_used = q->n_sent = q->fresh = 0;
    q->credits = 1; /* 4.4: until the first answer says otherwise */
    q->lost_in_row = 0;
    q->stalled_at = TIMERQ_NEVER;
}

static struct hci_slot *cmdq_first(const struct list *head)
{
    return list_empty(head) ? NULL : list_entry(head->next, struct hci_slot, link);
}

static struct hci_slot *cmdq_take_slot(struct hci_cmdq *q)
{
    struct list *l = list_pop(&q->unused);

    if (!l && q->fresh < ARRAY_LEN(q->slots)) {
        l = &q->slots[q->fresh++].link;
        list_init(l);
    }
    if (!l)
        return NULL;
    q->n_used++;
    return list_entry(l, struct hci_slot, link);
}

static void cmdq_release(struct hci_cmdq *q, struct hci_slot *slot)
{
    explicit_bzero(slot->wire, slot->len); /* some hold keys */
    list_remove(&slot->link);
    list_prepend(&q->unused, &slot->link); /* the warmest first */
    q->n_used--;
}

int cmdq_push(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
              enum bl_hci_owner owner, uint32_t arg, bool internal)
{
    struct hci_cmdq *q = &hci->cmdq;
    struct hci_slot *slot = cmdq_take_slot(q);

    if (!slot)
        return -EBUSY;
    slot->opcode = opcode;
    slot->owner = (uint8_t)owner;
    slot->arg = arg;
    slot->internal = internal;

    struct wr w = wr_make(slot->wire, sizeof(slot->wire));
    wr_u8(&w, HCI_H4_COMMAND);
    wr_u16(&w, opcode);
    wr_u8(&w, (uint8_t)n);
    wr_bytes(&w, params, n);
    slot->len = (uint16_t)w.len;
    list_append(&q->waiting, &slot->link);
    bl_hci_high_water(hci, HCI_N_COMMANDS_HIGH_WATER, q->n_used);
    return 0;
}

static struct hci_slot *cmdq_find_sent(const struct hci_cmdq *q, uint16_t opcode)
{
    list_each(l, next, &q->sent)
    {
        struct hci_slot *slot = list_entry(l, struct hci_slot, link);
        if (slot->opcode == opcode)
            return slot;
    }
    return NULL;
}

size_t cmdq_next_tx(struct bl_hci *hci, uint64_t now, const uint8_t **bytes)
{
    struct hci_cmdq *q = &hci->cmdq;
    struct hci_slot *slot = cmdq_first(&q->waiting);

    if (!slot)
        return 0;
    if (q->n_sent > 0 && cmdq_find_sent(q, BL_CMD_RESET))
        return 0; /* 7.3.2: nothing more until Reset is complete */
    if (q->n_sent >= q->credits) {
        if (q->n_sent == 0 && q->stalled_at == TIMERQ_NEVER)
            q->stalled_at = now;
        return 0;
    }
    list_remove(&slot->link);
    list_append(&q->sent, &slot->link);
    q->n_sent++;
    q->stalled_at = TIMERQ_NEVER;
    slot->deadline = now + BL_HCI_COMMAND_TIMEOUT_US;
    hci->counters[HCI_N_COMMANDS]++;
    *bytes = slot->wire;
    return slot->len;
}

static void cmdq_set_credits(struct hci_cmdq *q, uint8_t n)
{
    q->credits = n;
    if (n > 0)
        q->stalled_at = TIMERQ_NEVER;
}

bool cmdq_denied(const struct hci_cmdq *q, uint16_t opcode)
{
    const struct bl_cmd_row *row = bl_cmd_row(opcode);

    if (!row)
        return false;
    size_t index = (size_t)(row - bl_cmd_row_at(0));
    return q->denied[index / 8] & 1u << index % 8;
}

/* The controller does not know it: not asked again. */
static void cmdq_deny(struct bl_hci *hci, uint16_t opcode)
{
    const struct bl_cmd_row *row = bl_cmd_row(opcode);

    hci->counters[HCI_N_COMMANDS_UNKNOWN]++;
    if (!row || cmdq_denied(&hci->cmdq, opcode))
        return;
    size_t index = (size_t)(row - bl_cmd_row_at(0));
    hci->cmdq.denied[index / 8] |= (uint8_t)(1u << index % 8);
    if (row->bit / 8u < sizeof(hci->caps.commands))
        hci->caps.commands[row->bit / 8] &= (uint8_t) ~(1u << row->bit % 8);
    bl_env_log(hci->env, BL_LOG_NOTICE,
               "the controller announces %s and does not know it: done without", row->name);
}

/* Takes the command out, and says what its answer was. */
static void cmdq_end(struct bl_hci *hci, struct hci_slot *slot, uint8_t status, struct rd params,
                     struct hci_answer *ret)
{
    struct hci_cmdq *q = &hci->cmdq;

    if (status == BL_HCI_UNKNOWN_COMMAND)
        cmdq_deny(hci, slot->opcode);
    q->lost_in_row = 0;
    q->n_sent--;
    cmdq_release(q, slot);
    *ret = (struct hci_answer){.slot = slot, .status = status, .params = params};
}

static struct hci_slot *cmdq_answered(struct bl_hci *hci, uint16_t opcode)
{
    if (opcode == 0)
        return NULL; /* 7.7.14: credits alone */

    struct hci_slot *slot = cmdq_find_sent(&hci->cmdq, opcode);
    if (!slot)
        bl_hci_complain(hci, HCI_N_REPLIES_UNSOLICITED, HCI_SAID_UNSOLICITED,
                        "the controller answers command 0x%04x, which is not in flight", opcode);
    return slot;
}

/* 7.7.14 */
bool cmdq_complete(struct bl_hci *hci, uint64_t now, const uint8_t *params, size_t n,
                   struct hci_answer *ret)
{
    struct rd r = rd_make(params, n);
    uint8_t credits = rd_u8(&r);
    uint16_t opcode = rd_u16(&r);

    (void)now;
    if (!rd_ok(&r)) {
        bl_hci_complain(hci, HCI_N_EVENTS_BAD, HCI_SAID_EVENT_BAD,
                        "the controller sends a Command Complete of %u octets", (unsigned)n);
        return false;
    }
    cmdq_set_credits(&hci->cmdq, credits);

    struct hci_slot *slot = cmdq_answered(hci, opcode);
    if (!slot)
        return false;
    const struct bl_cmd_row *row = bl_cmd_row(opcode);
    size_t have = r.left;
    uint8_t status = have > 0 ? rd_u8(&r) : 0;
    /* A failed command may bring its status and nothing else; a vendor's one may bring nothing. */
    if (row && (have == 0 || (status == 0 && have < row->returns_min))) {
        bl_hci_complain(hci, HCI_N_REPLIES_SHORT, HCI_SAID_SHORT,
                        "the controller's answer to command 0x%04x is too short", opcode);
        status = BL_HCI_UNSPECIFIED;
        r = rd_make(NULL, 0);
    }
    cmdq_end(hci, slot, status, r, ret);
    return true;
}

/* 7.7.15 */
bool cmdq_status(struct bl_hci *hci, uint64_t now, const uint8_t *params, size_t n,
                 struct hci_answer *ret)
{
    struct rd r = rd_make(params, n);
    uint8_t status = rd_u8(&r), credits = rd_u8(&r);
    uint16_t opcode = rd_u16(&r);

    if (!rd_done(&r)) {
        bl_hci_complain(hci, HCI_N_EVENTS_BAD, HCI_SAID_EVENT_BAD,
                        "the controller sends a Command Status of %u octets", (unsigned)n);
        return false;
    }
    cmdq_set_credits(&hci->cmdq, credits);

    struct hci_slot *slot = cmdq_answered(hci, opcode);
    if (!slot)
        return false;
    const struct bl_cmd_row *row = bl_cmd_row(opcode);
    if (row && !row->by_status && status == 0) {
        /* Under way, it says: the Command Complete is still to come. */
        slot->deadline = now + BL_HCI_COMMAND_TIMEOUT_US;
        hci->cmdq.lost_in_row = 0;
        return false;
    }
    cmdq_end(hci, slot, status, rd_make(NULL, 0), ret);
    return true;
}

bool cmdq_pop_lost(struct hci_cmdq *q, struct hci_answer *ret)
{
    struct hci_slot *slot = cmdq_first(&q->lost);

    if (!slot)
        return false;
    cmdq_release(q, slot);
    *ret = (struct hci_answer){.slot = slot, .status = BL_HCI_UNSPECIFIED, .lost = true};
    return true;
}

void cmdq_tick(struct bl_hci *hci, uint64_t now)
{
    struct hci_cmdq *q = &hci->cmdq;
    const struct bl_cmd_row *row;

    list_each(l, next, &q->sent)
    {
        struct hci_slot *slot = list_entry(l, struct hci_slot, link);
        if (now < slot->deadline)
            continue;
        row = bl_cmd_row(slot->opcode);
        list_remove(&slot->link);
        list_append(&q->lost, &slot->link);
        q->n_sent--;
        q->lost_in_row++;
        hci->counters[HCI_N_COMMANDS_LOST]++;
        bl_env_log(hci->env, BL_LOG_WARNING, "the controller does not answer command 0x%04x (%s)",
                   slot->opcode, row ? row->name : "raw");
        if (q->credits == 0)
            q->credits = 1;
    }
    if (q->lost_in_row >= BL_HCI_LOST_LIMIT)
        bl_hci_die(hci, "the controller has stopped answering commands");
    if (q->stalled_at != TIMERQ_NEVER && now >= q->stalled_at + BL_HCI_COMMAND_TIMEOUT_US) {
        if (!(hci->said & HCI_SAID_STALLED))
            bl_env_log(hci->env, BL_LOG_WARNING,
                       "the controller takes no commands for 2 s: trying all the same");
        hci->said |= HCI_SAID_STALLED;
        q->credits = 1;
        q->stalled_at = TIMERQ_NEVER;
    }
}

uint64_t cmdq_deadline(const struct hci_cmdq *q)
{
    uint64_t at = TIMERQ_NEVER;

    if (!list_empty(&q->lost))
        return 0;
    list_each(l, next, &q->sent)
    {
        struct hci_slot *slot = list_entry(l, struct hci_slot, link);
        if (slot->deadline < at)
            at = slot->deadline;
    }
    if (q->stalled_at != TIMERQ_NEVER && q->stalled_at + BL_HCI_COMMAND_TIMEOUT_US < at)
        at = q->stalled_at + BL_HCI_COMMAND_TIMEOUT_US;
    return at;
}

void cmdq_forgive(struct hci_cmdq *q, uint64_t us)
{
    list_each(l, next, &q->sent) list_entry(l, struct hci_slot, link)->deadline += us;
    if (q->stalled_at != TIMERQ_NEVER)
        q->stalled_at += us;
}
