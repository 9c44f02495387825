/* SPDX-License-Identifier: MIT */

/*
 * The way to the host. Events go through the host's masks and the faults into a queue that the
 * owner empties. While a command is carried out its events are held, so that the answer to the
 * command comes first whatever order its handler works in.
 */

#include "air/air_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Masks. Core 5.4, Vol 4, Part E, 7.3.1, 7.8.1. Events without a row cannot be masked. */
static const struct {
    uint8_t code, bit;
} hci_masked[] = {
    {EV_DISCONNECTION_COMPLETE, 4},
    {EV_ENCRYPTION_CHANGE, 7},
    {EV_REMOTE_VERSION, 11},
    {EV_HARDWARE_ERROR, 15},
    {EV_BUFFER_OVERFLOW, 25},
    {EV_KEY_REFRESH, 47},
    {EV_META, 61},
};

bool bl_air_event_wanted(const struct air_ctrl *c, uint8_t code, uint8_t subevent)
{
    for (size_t i = 0; i < sizeof(hci_masked) / sizeof(hci_masked[0]); i++)
        if (hci_masked[i].code == code && !(c->event_mask >> hci_masked[i].bit & 1))
            return false;
    return code != EV_META || (c->le_event_mask >> (subevent - 1) & 1);
}

void bl_air_event_begin(struct air_event *e, uint8_t code)
{
    e->w = wr_make(e->buf, sizeof(e->buf));
    wr_u8(&e->w, AIR_H4_EVENT);
    wr_u8(&e->w, code);
    wr_u8(&e->w, 0); /* the length, when it is known */
}

void bl_air_meta_begin(struct air_event *e, uint8_t subevent)
{
    bl_air_event_begin(e, EV_META);
    wr_u8(&e->w, subevent);
}

static struct air_packet *hci_packet(const uint8_t *head, size_t head_len, const uint8_t *data,
                                     size_t n)
{
    struct air_packet *p = calloc(1, sizeof(*p) + head_len + n);

    if (!p)
        return NULL;
    list_init(&p->link);
    p->len = head_len + n;
    if (head_len > 0)
        memcpy(p->bytes, head, head_len);
    if (n > 0)
        memcpy(p->bytes + head_len, data, n);
    return p;
}

/* Wakes the owner when the first packet that is not due yet is. */
static void hci_tx_due(struct bl_air *air, struct air_timer *timer)
{
    struct air_ctrl *c = timer_entry(timer, struct air_ctrl, tx_timer);
    uint64_t next = TIMERQ_NEVER;

    list_each(pos, tmp, &c->tx)
    {
        const struct air_packet *p = list_entry(pos, struct air_packet, link);
        if (p->at > air->now && p->at < next)
            next = p->at;
    }
    if (next != TIMERQ_NEVER)
        bl_air_timer_set(air, timer, next, hci_tx_due);
}

static void hci_enqueue(struct air_ctrl *c, struct air_packet *p, uint64_t late)
{
    p->at = c->air->now + c->delay + late;
    if (c->n_tx >= AIR_TX_MAX) {
        if (c->n_tx == AIR_TX_MAX)
            bl_air_violate(c, "the host reads nothing, events are lost");
        free(p);
        return;
    }
    c->n_tx++;
    if (c->holding)
        list_append(&c->held, &p->link);
    else
        list_append(&c->tx, &p->link);
    if (p->at > c->air->now && (!c->tx_timer.t.set || c->tx_timer.t.at > p->at))
        bl_air_timer_set(c->air, &c->tx_timer, p->at, hci_tx_due);
}

static bool hci_is_report(uint8_t code, uint8_t subevent)
{
    return code == EV_META && (subevent == LE_ADVERTISING_REPORT ||
                               subevent == LE_EXTENDED_REPORT || subevent == LE_DIRECTED_REPORT);
}

/* Applies a wrong length, which the length octet then says. */
static void hci_wrong_length(struct air_ctrl *c, struct air_event *e, uint16_t what)
{
    struct air_fault fault;

    if (!bl_air_fault_take(&c->event_faults, what, &fault))
        return;
    for (int i = 0; i < fault.value && e->w.len < sizeof(e->buf); i++)
        wr_u8(&e->w, 0xa5);
    for (int i = 0; i > fault.value && e->w.len > 3; i--)
        e->w.len--;
}

void bl_air_event_send(struct air_ctrl *c, struct air_event *e, uint16_t credits)
{
    uint8_t code = e->buf[1], subevent = code == EV_META ? e->buf[3] : 0;

    if (!wr_ok(&e->w) || !bl_air_event_wanted(c, code, subevent) ||
        (hci_is_report(code, subevent) && c->n_tx >= AIR_TX_REPORTS)) {
        c->acl_credits += credits;
        return;
    }
    if (!list_empty(&c->event_faults))
        hci_wrong_length(c, e, (uint16_t)(code << 8 | subevent));
    e->buf[2] = (uint8_t)(e->w.len - 3);
    struct air_packet *p = hci_packet(e->buf, e->w.len, NULL, 0);
    if (!p) {
        c->acl_credits += credits;
        return;
    }
    p->credits = credits;
    hci_enqueue(c, p, 0);
}

/* Command Complete or Command Status, and then what was held for it. */
void bl_air_answer(struct air_ctrl *c, uint16_t opcode, bool as_status, uint8_t status,
                   const uint8_t *ret, size_t n, uint64_t late)
{
    uint8_t bytes[3 + 255];
    struct wr w = wr_make(bytes, sizeof(bytes));

    wr_u8(&w, AIR_H4_EVENT);
    wr_u8(&w, as_status ? EV_COMMAND_STATUS : EV_COMMAND_COMPLETE);
    wr_u8(&w, 0);
    if (as_status)
        wr_u8(&w, status);
    wr_u8(&w, 1); /* Num_HCI_Command_Packets */
    wr_u16(&w, opcode);
    if (!as_status && ret) {
        wr_u8(&w, status);
        wr_bytes(&w, ret, n);
    }
    bytes[2] = (uint8_t)(w.len - 3);
    c->holding = false;
    struct air_packet *p = wr_ok(&w) ? hci_packet(bytes, w.len, NULL, 0) : NULL;
    if (p) {
        p->answer = true;
        hci_enqueue(c, p, late);
    } else {
        c->command_pending = false;
    }
    struct list *pos;
    while ((pos = list_pop(&c->held)) != NULL)
        list_append(&c->tx, pos);
}

bool bl_air_acl_room(const struct air_ctrl *c, const struct air_end *e)
{
    unsigned with_host = 0;

    if (c->n_tx >= AIR_TX_ACL)
        return false;
    if (!c->flow_control)
        return true;
    list_each(pos, tmp, &c->ends) with_host += list_entry(pos, struct air_end, of_ctrl)->to_host;
    (void)e;
    return with_host < c->host_acl_num;
}

bool bl_air_acl_to_host(struct air_ctrl *c, uint16_t handle, bool start, const uint8_t *data,
                        size_t n)
{
    uint8_t head[5];
    struct wr w = wr_make(head, sizeof(head));

    wr_u8(&w, AIR_H4_ACL);
    wr_u16(&w, (uint16_t)(handle | (start ? 0x2000 : 0x1000)));
    wr_u16(&w, (uint16_t)n);
    struct air_packet *p = hci_packet(head, sizeof(head), data, n);
    if (!p)
        return false;
    hci_enqueue(c, p, 0);
    return true;
}

int bl_air_queue_raw(struct air_ctrl *c, const uint8_t *packet, size_t n)
{
    struct air_packet *p = hci_packet(packet, n, NULL, 0);

    if (!p)
        return -ENOMEM;
    hci_enqueue(c, p, 0);
    return 0;
}

void bl_air_queue_purge(struct air_ctrl *c)
{
    struct list *pos;

    while ((pos = list_pop(&c->tx)) != NULL || (pos = list_pop(&c->held)) != NULL)
        free(list_entry(pos, struct air_packet, link));
    c->n_tx = 0;
    c->blocked = false;
    bl_air_timer_stop(c->air, &c->tx_timer);
}
