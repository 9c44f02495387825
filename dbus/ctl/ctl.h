/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * ctl: bledctl, the daemon's D-Bus interface for people and scripts.
 *
 * A command is a row in commands.c and a function in a cmd_*.c file. It says what went wrong on
 * standard error and returns an exit status of enum ctl_exit. What it makes at the daemon and wants
 * to end with it, it makes attached (ctl_attach): then the daemon cleans up however bledctl ends,
 * Ctrl-C and SIGKILL included.
 */

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/uuid.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

enum ctl_exit { /* for scripts; in bledctl(1) */
                CTL_OK = 0,
                CTL_FAILED = 1,        /* the daemon or the peer said no */
                CTL_USAGE = 2,         /* a mistake in the command line or a file */
                CTL_NO_DAEMON = 3,     /* no bled on the bus, or not permitted */
                CTL_NOT_FOUND = 4,     /* no such device, connection, characteristic, bond */
                CTL_TIMEOUT = 5,       /* the peer was not there, or did not answer in time */
                CTL_INTERRUPTED = 130, /* Ctrl-C in the middle of what has an end of its own */
};

#define CTL_ADAPTER "org.bled.Adapter1"
#define CTL_LONG_US ((uint64_t)180 * 1000000) /* for what goes on the air */

struct ctl {
    sd_bus *bus;
    sd_event *event;                          /* NULL until ctl_loop_init() */
    const char *address, *bus_name, *adapter; /* as given; NULL: default */
    char path[64];                            /* /org/bled/hciN */
    bool json, quiet, attached;
    bool stay;              /* what is made is to outlive us: nothing is attached */
    bool verbose;           /* progress is told where standard error is no terminal too */
    bool over, interrupted; /* the loop is; SIGINT or SIGTERM ended it */
    int status;             /* with which it ended */
    struct ctl_prompt {
        unsigned action; /* that waits for a line of input; 0: none */
        uint16_t conn;
        sd_event_source *input; /* NULL: whoever has standard input reads it for us */
        bool file;              /* standard input is one, or is /dev/null: nothing to wait for */
        char line[64];          /* of it, so far */
        size_t n;
        bool needed; /* without an answer there is nothing to go on for */
    } prompt;
};

struct ctl_command {
    const char *name, *arguments, *summary;
    const char *help;                                 /* options and an example */
    int (*run)(struct ctl *c, int argc, char **argv); /* argv[0] is the command */
    bool no_bus, no_adapter;                          /* does without */
};
extern const struct ctl_command ctl_commands[];
extern const size_t ctl_n_commands;

/* ---- saying things (out.c) ---- */

/* "bledctl: ..." on standard error; returns `status`. */
int ctl_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is under way, on standard error where that is a terminal; or with --verbose; not with
 * --quiet. */
void ctl_progress(const struct ctl *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A mistake in the command line of this command: CTL_USAGE. */
int ctl_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same where getopt has said it. */
int ctl_usage_said(const char *command);
/* One JSON value and a newline; j is released; NULL (no memory for it) is told. */
void ctl_json(json_t *j);
/* Octets as lower-case hex, with `between` (may be 0) between them. */
void ctl_hex(FILE *to, const uint8_t *p, size_t n, char between);
json_t *ctl_json_hex(const uint8_t *p, size_t n);
/* Text of a peer's for a terminal: UTF-8 without anything that would move the cursor or turn the
 * line around. At most so many columns of it; how many there are. */
unsigned ctl_text(FILE *to, const void *p, size_t n, unsigned columns);
#define CTL_ALL_COLUMNS UINT_MAX
/* hex digits, with or without spaces, colons, 0x: octets into out; how many, or -EINVAL. */
int ctl_parse_hex(const char *text, uint8_t *out, size_t cap);
/* A number, decimal or 0x; false outside 0..max. */
bool ctl_parse_number(const char *text, unsigned long max, unsigned long *ret);
/* "Heart Rate" for 180d; NULL where unknown. */
const char *ctl_uuid_name(const char *uuid);
/* A UUID from its text or its name ("heart rate"); false for neither. */
bool ctl_uuid_parse(const char *text, char out[static UUID_TEXT_LEN]);
void ctl_uuid_names(void (*each)(const char *uuid, const char *name));

/* ---- the bus (bus.c) ---- */

/* Connects; the adapter's path, which is empty where there is none and it is not needed. A status,
 * said. */
int ctl_open(struct ctl *c, bool no_adapter);
void ctl_close(struct ctl *c);
/* The status for an error of a call, after saying it: "what: message". */
int ctl_error(const char *what, int r, const sd_bus_error *error);
/* Calls a method of the adapter's object; *ret_reply may be NULL. CTL_OK, or said. `what` is for
 * the message. */
int ctl_call(struct ctl *c, const char *what, const char *interface, const char *method,
             sd_bus_message **ret_reply, const char *types, ...);
/* The same for a message made by ctl_message(), which is released. */
int ctl_message(struct ctl *c, const char *interface, const char *method, sd_bus_message **ret);
int ctl_send(struct ctl *c, const char *what, sd_bus_message *m, sd_bus_message **ret_reply);
/* Everything that is made from now on ends with us. */
int ctl_attach(struct ctl *c, bool active);
/* The adapter is active now; made so for as long as we are there where it was not. */
int ctl_need_active(struct ctl *c);

/* Events: signals of the adapter's object, and of its connections', to `handler`. */
int ctl_match(struct ctl *c, const char *interface, const char *member,
              sd_bus_message_handler_t handler, void *userdata);
/* An event loop in which SIGINT and SIGTERM end ctl_loop(). */
int ctl_loop_init(struct ctl *c);
/* Until ctl_loop_end() or a signal: the status given, or `interrupted`. Ends with CTL_NO_DAEMON,
 * said, when the daemon goes. `ready` (may be NULL) is told as progress when a signal is taken in.
 * Outside of it signals do what they do by default, so that no call is waited for in vain: what
 * is attached ends with us. */
int ctl_loop(struct ctl *c, int interrupted, const char *ready);
void ctl_loop_end(struct ctl *c, int status);

/* ---- values (value.c) ---- */

/* The next complete value of a message as JSON: octets as hex digits, dictionaries as objects,
 * structures and arrays as arrays. NULL at the end, or where there is no memory. */
json_t *ctl_value(sd_bus_message *m);
/* All properties of an object's interface as an object; NULL with *status set, said. */
json_t *ctl_properties(struct ctl *c, const char *path, const char *interface, int *status);
/* The text of one in one line: strings as they are, arrays with commas. Released by free(). */
char *ctl_value_text(const json_t *j);

/* ---- devices (device.c) ---- */

struct ctl_device {
    bool by_conn;
    uint16_t conn;       /* 0: not connected */
    struct bl_addr addr; /* of a connection: its peer's */
    char text[80];       /* for messages */
};

/* DEVICE of a command line: a connection's number, an address (AA:BB:..., also with ,public or
 * ,random) or a name. Without a kind the address is looked for among connections and bonds, then on
 * the air; so is a name. A status, said. */
int ctl_device(struct ctl *c, const char *text, struct ctl_device *ret);
/* The same, connected: it is connected to unless it is; what for as long as we are attached. */
int ctl_device_connected(struct ctl *c, const char *text, struct ctl_device *ret);
/* The kind of an address that is bonded. A status, said. */
int ctl_bonded(struct ctl *c, struct bl_addr *addr);
bool ctl_parse_addr(const char *text, struct bl_addr *ret, bool *ret_kind_given);
const char *ctl_addr_kind(uint8_t type); /* public, random */

/* ---- GATT (attributes.c) ---- */

struct ctl_characteristic {
    uint16_t end, value, properties;
    char uuid[UUID_TEXT_LEN];
};
/* HANDLE or UUID or name of a characteristic of the peer's; with a handle value alone is set (and
 * uuid empty). */
int ctl_characteristic(struct ctl *c, uint16_t conn, const char *text,
                       struct ctl_characteristic *ret);

/* ---- prompts (prompt.c) ---- */

/* Passkeys that we are asked for are put to whoever is at the terminal. */
int ctl_prompts(struct ctl *c);
/* Standard input is for answers alone; after ctl_loop_init(). needed: without one the loop ends. */
void ctl_prompt_input(struct ctl *c, bool needed);
/* What is asked need not be answered any more. */
void ctl_prompt_over(struct ctl *c);
/* A line of input: true where it was for a prompt. */
bool ctl_prompt_answer(struct ctl *c, const char *line);

/* ---- events (made by events.py from the interface files) ---- */

struct ctl_event {
    const char *member;    /* Link1.Disconnected; NULL ends the list */
    const char *arguments; /* conn status */
};
extern const struct ctl_event ctl_events[];

struct ctl_status {
    uint16_t status;
    const char *name; /* Hci.ConnectionTimeout; NULL ends the list */
};
extern const struct ctl_status ctl_statuses[];
/* "Hci.ConnectionTimeout (0x108)"; into a static buffer. */
const char *ctl_status_name(unsigned status);

/* ---- commands (cmd_*.c) ---- */

int cmd_status(struct ctl *c, int argc, char **argv);
int cmd_list(struct ctl *c, int argc, char **argv);
int cmd_scan(struct ctl *c, int argc, char **argv);
int cmd_advertise(struct ctl *c, int argc, char **argv);
int cmd_connect(struct ctl *c, int argc, char **argv);
int cmd_disconnect(struct ctl *c, int argc, char **argv);
int cmd_services(struct ctl *c, int argc, char **argv);
int cmd_read(struct ctl *c, int argc, char **argv);
int cmd_write(struct ctl *c, int argc, char **argv);
int cmd_subscribe(struct ctl *c, int argc, char **argv);
int cmd_serve(struct ctl *c, int argc, char **argv);
int cmd_pair(struct ctl *c, int argc, char **argv);
int cmd_bonds(struct ctl *c, int argc, char **argv);
int cmd_forget(struct ctl *c, int argc, char **argv);
int cmd_l2cap(struct ctl *c, int argc, char **argv);
int cmd_monitor(struct ctl *c, int argc, char **argv);
int cmd_capture(struct ctl *c, int argc, char **argv);
int cmd_config(struct ctl *c, int argc, char **argv);
int cmd_stats(struct ctl *c, int argc, char **argv);
int cmd_complete(struct ctl *c, int argc, char **argv);
