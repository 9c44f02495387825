/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * rig: the D-Bus side over a socket pair, with a fake host behind it and one peer in front of it
 * that plays every client: its calls carry the sender that the test gives, and what comes back is
 * kept as lines:
 *
 *     reply 3 q 7                     the answer of the call numbered 3
 *     error 3 org.bled.Error.Busy text
 *     signal Failed -> *              broadcast; or -> :1.5
 */

#include "adapter.h"
#include "fake_host.h"

enum { RIG_LINES = 32768 };

struct rig {
    sd_bus *server, *peer;
    struct bus *bus;
    struct bus_adapter *a;
    struct bl_host host;
    uint64_t now;
    int open_result; /* what ops->open() returns */
    int opens, closes, captures;
    bool keep;
    unsigned bond_writes, bond_deletes, bond_loads;
    uint8_t wrote;          /* the first octet of the identity of the last bond written */
    uint32_t wrote_counter; /* and its peer_counter */
    int fd; /* that a reply brought last, -1 for none; the test's to take and close */
    char *lines[RIG_LINES];
    size_t n_lines;
};

/* Not Check's assertions, because those allocate (see support/oom.h). */
#define must(x) rig_must(x, #x)
void rig_must(bool ok, const char *what);

/* The adapter is inactive; `hold` for config->active. */
void rig_start(struct rig *rig, bool hold);
void rig_stop(struct rig *rig);
/* Brings the adapter up the short way. */
void rig_ready(struct rig *rig);

/* A method call of the adapter's object; returns its number for rig_line(). */
unsigned rig_call(struct rig *rig, const char *sender, const char *interface, const char *member,
                  const char *types, ...);
unsigned rig_call_noreply(struct rig *rig, const char *sender, const char *interface,
                          const char *member, const char *types, ...);
/* Until nothing moves; `deaf`: the peer does not read. */
void rig_run(struct rig *rig);
void rig_run_deaf(struct rig *rig);
void rig_done(struct rig *rig, bl_op op, bl_status status);
void rig_vanish(struct rig *rig, const char *name);

/* "reply", "error NAME" or "" (nothing yet) of the call. */
const char *rig_answer(struct rig *rig, unsigned call);
/* The whole line that begins so, NULL when there is none; and how many there are. */
const char *rig_find(struct rig *rig, const char *prefix);
size_t rig_count(struct rig *rig, const char *prefix);
/* The index of the first line that begins so, SIZE_MAX when there is none. */
size_t rig_index(struct rig *rig, const char *prefix);
void rig_forget(struct rig *rig);
