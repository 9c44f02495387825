/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * l2cap_sock: the kernel's connection-oriented channels, a stream of numbered SDUs through any two
 * ends of one, and the counting of a process's system calls. Whatever fails ends the program.
 */

#include <bluetooth/bluetooth.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A controller of the kernel's: up, or left to others. */
void l2_up(int index);
void l2_down(int index);
bdaddr_t l2_address(int index);
/* Connectable, until a connection comes. */
void l2_advertise(int index);
/* LE credit based flow control, own and peer public. */
int l2_listen(const bdaddr_t *own, uint16_t psm, uint16_t mtu);
int l2_accept(int listener);
int l2_connect(const bdaddr_t *own, const bdaddr_t *peer, uint16_t psm, uint16_t mtu);

/* count SDUs of len octets, each with its number, into one socket by a process of its own and out
 * of the other one here: nanoseconds from the first to the last. One that is missing, twice or of
 * another length ends the program. Makes both sockets blocking. */
uint64_t l2_stream(int to, int from, size_t len, unsigned count);

/* System calls of a process, by the kernel's own trace points: exact, and a little slower. */
enum { CALLS_KINDS = 10 };
struct calls {
    int fd[CALLS_KINDS]; /* -1: there is no such counting here */
};
void calls_begin(struct calls *c, pid_t pid);
/* How many of each, and closes; the first one is all. */
void calls_end(struct calls *c, uint64_t ret[static CALLS_KINDS]);
extern const char *const calls_names[CALLS_KINDS];
