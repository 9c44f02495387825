/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * scan: the scans of an adapter, shared by the files of Observer1: observer.c (methods, signals),
 * discover.c (the collecting scan) and stream.c (the socket).
 *
 * A scan is a thing of its owner. Each owner has at most one of Scan's and AcquireScan's; Discover
 * has one a call. A scan ends in BL_EV_SCAN_DONE of the stack, whatever ended it.
 */

#include "adapter.h"

struct discover;
struct stream;

enum scan_kind {
    SCAN_SIGNALS,
    SCAN_BATCH,
    SCAN_STREAM,
    SCAN_DISCOVER,
};

struct scan {
    struct bus_thing thing;
    struct list link;
    struct bus_adapter *adapter;
    enum scan_kind kind;
    uint16_t slot; /* the stack's; NO_SLOT: it does not run */
    struct bl_scan_params params;
    struct scan_lists *lists; /* what params.filter points to; owned */
    struct bus_call
        *call;         /* Scan or Discover, to be answered at the end; NULL when not waited for */
    struct list stops; /* StopScan calls to be answered at its end */
    bool replaced;     /* another scan of the owner has taken its place: no ScanDone */
    bool stopped;      /* by StopScan, or by its owner's end */
    bool remembered;   /* to be begun again by restore() */

    uint32_t batch_ms;
    struct bus_timer flush; /* of the batch under construction */
    sd_bus_message *batch;  /* NULL: none */
    size_t batch_bytes;

    struct stream *stream;
    struct discover *discover;
};

#define NO_SLOT UINT16_MAX

/* Ends the scan; it is gone with the stack's SCAN_DONE. */
void bus_scan_stop(struct scan *s);

/* discover.c */
struct discover *bus_discover_new(uint32_t limit);
struct discover *bus_discover_free(struct discover *d);
void bus_discover_report(struct discover *d, const struct bl_report *r);
/* Appends a(ysbna{sv}). */
int bus_discover_append(const struct discover *d, sd_bus_message *m);

/* stream.c: *ret_fd is the reader's end, the caller's to close. `max` bytes wait for a slow
 * reader; what is beyond is dropped and counted in the next record. */
int bus_stream_new(struct scan *s, size_t max, struct stream **ret, int *ret_fd);
struct stream *bus_stream_free(struct stream *t);
/* No more will come: what waits goes out as far as the socket takes it. */
void bus_stream_finish(struct stream *t);
void bus_stream_report(struct stream *t, const struct bl_report *r);
uint64_t bus_stream_dropped(const struct stream *t);
