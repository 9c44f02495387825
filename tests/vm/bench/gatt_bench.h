/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gatt_bench: what the figures of GATT (gatt.c) are taken with: the processes, the bus, the peer,
 * and the table. Whatever fails ends the program.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

enum {
    CALLS = 300,
    FLOOD = 2000,
    DISCOVERIES = 5,
    PATIENCE = 60, /* seconds for anything */
    MTU = 517,
    VALUE = 20,
    LONG_VALUE = 510,
    PEER_VALUE = 11, /* of the peer's first service: its last characteristic, which has the CCCD */
};

#define BUS_NAME "org.bled"
#define OBJECT   "/org/bled/hci0"
#define SERVER   "org.bled.GattServer1"
#define CLIENT   "org.bled.GattClient1"
#define STATE    "/run/bled-bench.state"
#define ECHO     "org.bled.bench.Echo"

struct bench {
    const char *bled, *peer, *address;
    sd_bus *bus;
    pid_t daemon, bled_pid, peer_pid, btvirt_pid, echo_pid;
    FILE *to_peer, *from_peer;
    char peer_address[18], bled_address[18];
    double echo;    /* us */
    unsigned heard; /* signals that carry numbered values */
    uint16_t conn;
    bool reply; /* to ReadRequested, by itself */
    /* Of the figure being taken. */
    uint64_t began, in_bled, in_daemon;
};

_Noreturn void bench_die(const char *what, int error);
uint64_t bench_now(void);
/* A line of the table: what has passed since bench_begin(), divided by times, or us where that is
 * not 0. bluez: its microseconds, 0: none. most: the target in echoes, 0: none. */
void bench_begin(struct bench *b);
void bench_figure(const struct bench *b, const char *name, double us, unsigned times, double bluez,
                  double most);
/* Of nanoseconds, in microseconds. */
double bench_median(uint64_t *took, size_t n);
/* Values carry their number in the first two octets: check() demands b->heard, and counts it up. */
void bench_number(uint8_t *value, unsigned i);
void bench_check(struct bench *b, const uint8_t *value, size_t n);
/* hci0 and hci1; the peer on hci1; bled on hci0, active. */
void bench_start_btvirt(struct bench *b);
void bench_start_peer(struct bench *b);
void bench_stop(pid_t *pid);
/* A line for the peer, to be followed by until_answered(), which serves the bus meanwhile. */
__attribute__((format(printf, 2, 3))) void bench_tell(struct bench *b, const char *format, ...);
/* Serves the bus until b->heard is count. */
void bench_until_heard(struct bench *b, unsigned count);
void bench_until_answered(struct bench *b);
/* A method of hci0: the reply, which is the caller's; bench_do() throws it away. */
sd_bus_message *bench_call(struct bench *b, const char *interface, const char *member,
                           const char *types, ...);
void bench_do(sd_bus_message *reply);
/* With value number i: Write with mode 0 or 1, Notify with mode -1. */
sd_bus_message *bench_call_value(struct bench *b, const char *interface, const char *member,
                                 uint16_t handle, unsigned i, int mode);
/* A method that gives a socket. */
int bench_acquire(struct bench *b, const char *interface, const char *member, uint16_t handle);
/* Measures b->echo. */
void bench_echo(struct bench *b);
void bench_connect(struct bench *b);
void bench_start_bled(struct bench *b);
/* A match for one signal; b->heard begins at 0. */
sd_bus_slot *bench_hear(struct bench *b, const char *interface, const char *member,
                        sd_bus_message_handler_t handler);
