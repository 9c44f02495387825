/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * l2cap_rig: connection-oriented channels between hosts of the stack, and what is sent on them.
 * Each way of a channel has a stream of SDUs that writer and reader compute from its seed alone,
 * lengths and contents, so that a reader knows every octet that it is to get and a test can stop
 * anywhere.
 */

#include "l2cap/sig.h"
#include "stack.h"

enum { COC_ENDS = 2, COC_OPENER = 0, COC_LISTENER = 1 };

/* One end of a channel: what it writes, and what it reads. */
struct coc_half {
    size_t end;
    uint16_t conn, cid;
    uint32_t out_seed, in_seed;
    size_t out_cap, in_cap; /* no SDU is longer */
    bool by_slots;          /* writes by bl_l2cap_slots() and commit, else by send */
    bool blocked;           /* until SEND_READY */
    unsigned written;       /* SDUs that were taken */
    uint64_t written_bytes; /* in them */
    unsigned told;          /* RECEIVED so far */
    unsigned read;          /* SDUs, whole */
    uint64_t read_bytes;    /* in all */
    size_t at;              /* of the SDU that is being read */
    uint64_t stalled_until; /* nothing is read before */
    unsigned readies, opened, reconfigured, ended; /* events so far */
    bl_status status;                              /* of the last DISCONNECTED */
    uint8_t *expected;                             /* the SDU that is being read; in_cap octets */
    size_t expected_len;
    bool has_expected;
};

struct coc {
    struct coc_half half[COC_ENDS];
    uint16_t psm;
    bool enhanced;
};

/* ---- events ---- */

/* The next event of channels, or the end of an operation, at that end: what comes first. Others are
 * skipped. Fails when nothing comes within us. */
struct bl_event coc_next(struct stack *s, size_t end, uint64_t us);
/* The same, which must be of this kind. */
struct bl_event coc_expect(struct stack *s, size_t end, enum bl_event_kind kind);
/* None comes within us. */
void coc_quiet(struct stack *s, size_t end, uint64_t us);

/* ---- channels ---- */

void coc_listen(struct stack *s, size_t end, uint16_t psm, uint16_t mtu);
bl_op coc_connect(struct stack *s, size_t end, uint16_t conn, uint16_t psm, uint16_t mtu,
                  unsigned enhanced);
/* Opens `count` channels (enhanced: together) from a to b, where somebody must listen without
 * authorization; checks the events at both ends. mtu: of a. */
void coc_open(struct stack *s, struct coc *ret, unsigned count, const size_t ends[COC_ENDS],
              const uint16_t conns[COC_ENDS], uint16_t psm, uint16_t mtu, bool enhanced);
/* One LE credit based channel. */
void coc_open_one(struct stack *s, struct coc *ret, const uint16_t conns[COC_ENDS], uint16_t psm,
                  uint16_t mtu);
void coc_free(struct coc *channels, size_t n);
/* From the opener's or the listener's end; both have ended with status 0 then. */
void coc_close(struct stack *s, struct coc *c, size_t half);
struct bl_l2cap_info coc_info(const struct stack *s, const struct coc_half *h);

/* ---- data ---- */

/* The k-th SDU of a stream: its length, at most cap. */
size_t coc_sdu_len(uint32_t seed, unsigned k, size_t cap);
void coc_sdu_fill(uint32_t seed, unsigned k, uint8_t *out, size_t n);

/* Writes what is taken, as long as fewer than `bytes` and `sdus` were written in all. */
void coc_write(struct stack *s, struct coc_half *h, uint64_t bytes, unsigned sdus);
/* Reads what is there, at most so many octets, in pieces of at most `piece` (0: whole SDUs, by
 * consume_sdus), and checks it. */
void coc_read(struct stack *s, struct coc_half *h, size_t most, size_t piece);
/* Takes note of what both ends have told of these channels, and forgets it. */
void coc_look(struct stack *s, struct coc *channels, size_t n);
/* Writes so many SDUs from either end and reads them, until all has come. */
void coc_exchange(struct stack *s, struct coc *channels, size_t n, unsigned sdus);
/* What is held for the reader and promised to the writer is within the windows. */
void coc_check_window(const struct stack *s, const struct coc_half *h, size_t rx_buf);

/* ---- a peer that is scripted ---- */

enum { COC_PDUS = 256, COC_PDU_MAX = 2048 };

struct coc_pdu {
    uint16_t cid;
    size_t n;
    uint8_t data[COC_PDU_MAX];
};

/* From now on the other one of two ends is the test's: its host hears nothing, and what the victim
 * sends on that connection is kept. One at a time. */
void coc_script(struct stack *s, size_t victim, uint16_t conn);
/* A PDU to the victim. */
void coc_say(uint16_t cid, const void *data, size_t n);
/* The same in ACL packets of at most `piece` octets. */
void coc_say_cut(uint16_t cid, const void *data, size_t n, size_t piece);
void coc_signal(const struct bl_sig *sig);
/* The next PDU from it within us. */
bool coc_hear_any(uint64_t us, struct coc_pdu *ret);
/* The next one on the signalling channel but credits, which must be this command. */
struct bl_sig coc_hear(uint8_t code);
void coc_hear_nothing(uint64_t us);
