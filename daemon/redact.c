/* SPDX-License-Identifier: MIT */
/*
 * Commands and events are a table of places. SMP PDUs with keys are blanked behind their code; a
 * peer may cut its L2CAP frames anywhere, so where a frame is not complete in its first fragment
 * and is SMP's, or too short to tell, its continuations are blanked as a whole.
 */
#include "redact.h"
#include "base/cleanup.h"
#include "h4.h"

#include <string.h>

enum {
    EVENT_COMMAND_COMPLETE = 0x0e,
    EVENT_LE_META = 0x3e,
    CID_SMP = 0x0006,
};

struct place {
    uint16_t code; /* opcode, event or subevent */
    uint8_t at;    /* in the whole H4 packet */
    uint8_t len;
};

/* Core 5.4, Vol 4, Part E, 7.1 and 7.8; parameters begin at octet 4. */
static const struct place commands[] = {
    {0x040b, 4 + 6, 16},  /* Link Key Request Reply */
    {0x040d, 4 + 7, 16},  /* PIN Code Request Reply */
    {0x0430, 4 + 6, 32},  /* Remote OOB Data Request Reply */
    {0x2017, 4, 32},      /* LE Encrypt: key and plaintext */
    {0x2019, 4 + 12, 16}, /* LE Enable Encryption: long term key */
    {0x201a, 4 + 2, 16},  /* LE Long Term Key Request Reply */
    {0x2027, 4 + 7, 32},  /* LE Add Device To Resolving List: both IRKs */
    {0x2068, 4 + 15, 16}, /* LE Create BIG: broadcast code */
    {0x206b, 4 + 4, 16},  /* LE BIG Create Sync: broadcast code */
};

/* Return parameters behind the status: Command Complete has credits, opcode, status before them. */
static const struct place returns[] = {
    {0x2017, 7, 16}, /* LE Encrypt */
    {0x2018, 7, 8},  /* LE Rand */
};

static const struct place events[] = {
    {0x18, 3 + 6, 16}, /* Link Key Notification */
};

static const struct place le_events[] = {
    {0x09, 5, 32}, /* LE Generate DHKey Complete */
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void blank(uint8_t *packet, size_t n, size_t at, size_t len)
{
    if (at >= n)
        return;
    memset(packet + at, 0, len < n - at ? len : n - at);
}

static void blank_place(const struct place *table, size_t rows, uint16_t code, uint8_t *packet,
                        size_t n)
{
    for (size_t i = 0; i < rows; i++)
        if (table[i].code == code)
            blank(packet, n, table[i].at, table[i].len);
}

static void redact_event(uint8_t *packet, size_t n)
{
    blank_place(events, ARRAY_LEN(events), packet[1], packet, n);
    if (packet[1] == EVENT_COMMAND_COMPLETE && n >= 6)
        blank_place(returns, ARRAY_LEN(returns), get16(packet + 4), packet, n);
    if (packet[1] == EVENT_LE_META && n >= 4)
        blank_place(le_events, ARRAY_LEN(le_events), packet[3], packet, n);
}

/* Core 5.4, Vol 3, Part H, 3.5 and 3.6: Pairing Random (the short term key follows from both),
 * Encryption, Identity and Signing Information. */
static bool has_key(uint8_t code)
{
    return code == 0x04 || code == 0x06 || code == 0x08 || code == 0x0a;
}

static uint16_t *left_of(struct redact *r, uint16_t handle, bool make)
{
    size_t free_slot = REDACT_OPEN;
    for (size_t i = 0; i < REDACT_OPEN; i++) {
        if (r->open[i].left > 0 && r->open[i].handle == handle)
            return &r->open[i].left;
        if (r->open[i].left == 0)
            free_slot = i;
    }
    if (!make)
        return NULL;
    if (free_slot == REDACT_OPEN)
        free_slot = r->turn++ % REDACT_OPEN;
    r->open[free_slot].handle = handle;
    return &r->open[free_slot].left;
}

/* packet[5..] is the fragment. Core 5.4, Vol 4, Part E, 5.4.2 and Vol 3, Part A, 3.1. */
static void redact_acl(struct redact *r, bool received, uint8_t *packet, size_t n)
{
    uint16_t handle = (uint16_t)((get16(packet + 1) & 0x0fff) | (received ? 0x8000 : 0));
    bool continues = (get16(packet + 1) >> 12 & 3) == 1;
    const uint8_t *frame = packet + 5;
    size_t len = n - 5;
    if (continues) {
        uint16_t *left = left_of(r, handle, false);
        if (!left)
            return;
        *left = (uint16_t)(len < *left ? *left - len : 0);
        blank(packet, n, 5, len);
        return;
    }
    uint16_t *old = left_of(r, handle, false);
    if (old)
        *old = 0;
    bool smp = len >= 4 && get16(frame + 2) == CID_SMP;
    if (smp && len >= 5 && has_key(frame[4]))
        blank(packet, n, 10, len - 5);
    size_t whole = len >= 2 ? (size_t)get16(frame) + 4 : 0xffff;
    if ((smp || len < 4) && whole > len)
        *left_of(r, handle, true) = (uint16_t)(whole - len < 0xffff ? whole - len : 0xffff);
}

void redact_packet(struct redact *r, bool received, uint8_t *packet, size_t n)
{
    if (n >= 3 && packet[0] == H4_COMMAND)
        blank_place(commands, ARRAY_LEN(commands), get16(packet + 1), packet, n);
    else if (n >= 3 && packet[0] == H4_EVENT)
        redact_event(packet, n);
    else if (n >= 5 && packet[0] == H4_ACL)
        redact_acl(r, received, packet, n);
}
