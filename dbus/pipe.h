/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * pipe: a SOCK_SEQPACKET socket handed to a client, a packet a value, either way.
 *
 * Towards the client what the socket does not take waits here in order, up to a bound in octets for
 * all pipes of a connection together; a reader that leaves more than that is hung up on, and
 * counted: nothing is ever left out of the middle. From the client, packets are handed to `packet`
 * one at a time as they are read, and no more is read from when it says so until bus_pipe_resume():
 * back-pressure by the socket's buffer. A packet longer than `max` ends the pipe (hang-up), because
 * the kernel cannot refuse it to the writer; all before it have been handed over.
 */

#include "adapter.h"

struct bus_pipe;

enum {
    BUS_PIPE_MAX = 512, /* octets of a packet, either way: Core 5.4, Vol 3, Part F, 3.2.9 */
    BUS_MAX_PIPES = 256 /* of an adapter, for each is a descriptor of the daemon's */
};

struct bus_pipe_ops {
    /* A packet of the client's, borrowed, n <= max, n may be 0. True: give me the next; false: this
     * one is taken, wait for bus_pipe_resume(), which is not to be called from within. NULL: what
     * the client writes ends the pipe. */
    bool (*packet)(void *userdata, const uint8_t *data, size_t n);
    /* The client has closed its end, wrote too much, or does not read: it is over, told once; free
     * it, now or later. why: for the log, NULL where it simply closed. */
    void (*over)(void *userdata, const char *why);
};

/* *ret_fd is the client's end, to be sent and then closed. max: 0..BUS_PIPE_MAX. queue_max: octets
 * that may wait for readers of this connection. 0 or -errno, -ENOBUFS with BUS_MAX_PIPES open. */
int bus_pipe_new(struct bus_pipe **ret, struct bus_adapter *a, uint16_t conn, size_t max,
                 size_t queue_max, const struct bus_pipe_ops *ops, void *userdata, int *ret_fd);
/* The descriptor of a socket of another kind, counted with the pipes: 0 or -ENOBUFS. */
int bus_pipe_claim(struct bus_adapter *a);
void bus_pipe_unclaim(struct bus_adapter *a);
/* Hangs up: the client reads what is in its socket, then POLLHUP. What waits here goes on to the
 * socket as the client reads, for half a minute at most; no ops are called any more. NULL is fine;
 * returns NULL. May be called from within ops. */
struct bus_pipe *bus_pipe_free(struct bus_pipe *p);
/* To the client, at most BUS_PIPE_MAX octets. 0; -ENOBUFS: too much waits, over() has been called
 * (now or before). */
int bus_pipe_send(struct bus_pipe *p, const uint8_t *data, size_t n);
/* Takes nothing until bus_pipe_resume(), as if `packet` had said so. */
void bus_pipe_pause(struct bus_pipe *p);
void bus_pipe_resume(struct bus_pipe *p);
/* Whether the client can still write, looked up now. If not, what it has written is handed over at
 * once and over() is told, as long as `packet` does not say to wait: the pipe may be gone then. */
bool bus_pipe_look(struct bus_pipe *p);
/* The client may write no more (EPIPE): what it has written is handed over, then over() is told. */
void bus_pipe_close_in(struct bus_pipe *p);
/* The longest packet of the client's from now on (ATT_MTU has changed). */
void bus_pipe_set_max(struct bus_pipe *p, size_t max);
