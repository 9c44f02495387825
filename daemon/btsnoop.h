/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * btsnoop: HCI traffic as a capture file, version 1 with H4 packets (datalink 1002), as Wireshark
 * and btmon read it. Direction and kind are in each record's flags.
 *
 * The loop never waits for the reader: records go to a buffer, the buffer to the file as far as the
 * file takes it at once, and what finds the buffer full is dropped and counted, in the records' own
 * field for that and in a line of the log.
 */

#include "redact.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BTSNOOP_BUFFER = 128 * 1024 };

struct btsnoop;

/* fd is ours from here on, also on failure. name: the adapter's, for the log, borrowed. snaplen: at
 * most so many octets of a packet, 0: all. -EBADF: not open for writing; -EINVAL: a directory. */
int btsnoop_new(struct btsnoop **ret, int fd, const char *name, bool keys, uint32_t snaplen);
/* Writes what goes at once. */
struct btsnoop *btsnoop_free(struct btsnoop *b);

/* now_us: the time of day, microseconds since 1970. */
void btsnoop_packet(struct btsnoop *b, uint64_t now_us, bool received, const uint8_t *packet,
                    size_t n);
/* Writes what waits, as far as it goes. -errno: the file is broken, free the capture. */
int btsnoop_flush(struct btsnoop *b);
bool btsnoop_waiting(const struct btsnoop *b);
