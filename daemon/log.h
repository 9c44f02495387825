/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * log: one line a message on standard error, for a person or for the journal.
 *
 * Under systemd (JOURNAL_STREAM names our standard error) a line begins with <N>, syslog's level;
 * elsewhere with "bled: ". A controller or a peer may cause messages but not a flood of them: of
 * each kind, LOG_BURST pass in LOG_WINDOW_US; what came more is counted and told in one line
 * afterwards. The kind of a message is its text without digits. Debug messages are not limited:
 * they are off until somebody wants them all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { /* syslog's numbers */
                 LOG_ERROR = 3,
                 LOG_WARN = 4,
                 LOG_NOTE = 5,
                 LOG_INFORM = 6,
                 LOG_TRACE = 7,
};

enum {
    LOG_KINDS = 64,
    LOG_BURST = 10,
};

#define LOG_WINDOW_US UINT64_C(10000000)

/* How often each kind of message has been seen; zeroed to begin with. */
struct log_limit {
    struct {
        uint64_t since;
        uint32_t passed, held;
    } slot[LOG_KINDS];
};

/* True if the message may pass now. *ret_held: how many of its kind were held before, told once. */
bool log_limit_pass(struct log_limit *l, uint64_t now, const char *text, uint32_t *ret_held);

/* Finds out where standard error goes. */
void log_open(void);
/* name: the adapter's, or NULL. errno is kept. */
void log_msg(enum log_level level, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool log_enabled(enum log_level level);

/* Levels and targets by their names in syslog and in systemd's LogControl1; -EINVAL: unknown. */
const char *log_get_level(void);
int log_set_level(const char *name);
const char *log_get_target(void);
int log_set_target(const char *name);
