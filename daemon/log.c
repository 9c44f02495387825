/* SPDX-License-Identifier: MIT */
/*
 * A message is formatted once on the stack and written by one write(2), so that lines of several
 * processes do not mix. What cannot be written is lost: a log must not hold up the loop. Control
 * characters become '?', since names of files and texts of controllers end up here.
 *
 * State is at file scope here and nowhere else: there is one standard error.
 */
#include "log.h"
#include "base/cleanup.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum log_target { TARGET_CONSOLE, TARGET_JOURNAL, TARGET_NULL };

static struct {
    int level;
    enum log_target target;
    bool journal; /* standard error is the journal's */
    struct log_limit *limit;
    unsigned lost; /* lines that standard error did not take, not told yet */
} log_state = {.level = LOG_INFORM};

static const struct {
    const char *name;
    int level;
} levels[] = {
    {"emerg", 0},   {"alert", 1},  {"crit", 2}, {"err", 3},
    {"warning", 4}, {"notice", 5}, {"info", 6}, {"debug", 7},
};

static uint32_t kind_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = text; *p; p++)
        if (*p < '0' || *p > '9')
            hash = (hash ^ (uint8_t)*p) * 16777619u;
    return hash;
}

bool log_limit_pass(struct log_limit *l, uint64_t now, const char *text, uint32_t *ret_held)
{
    /* Kinds that share a slot share its budget, so that inventing kinds does not help a flooder. */
    __typeof__(l->slot[0]) *s = &l->slot[kind_of(text) % LOG_KINDS];
    *ret_held = 0;
    if (s->passed == 0 || now - s->since >= LOG_WINDOW_US) {
        *ret_held = s->held;
        *s = (__typeof__(*s)){.since = now};
    }
    if (s->passed >= LOG_BURST) {
        s->held++;
        return false;
    }
    s->passed++;
    return true;
}

void log_open(void)
{
    struct stat st;
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    log_state.journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                        fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
    log_state.target = log_state.journal ? TARGET_JOURNAL : TARGET_CONSOLE;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= log_state.level && log_state.target != TARGET_NULL;
}

static void put_line(enum log_level level, const char *name, const char *text)
{
    char line[640];
    const char *mark = name ? ": " : "";
    int n;
    if (log_state.target == TARGET_JOURNAL)
        n = snprintf(line, sizeof(line), "<%d>%s%s%s", (int)level, name ? name : "", mark, text);
    else
        n = snprintf(line, sizeof(line), "bled: %s%s%s", name ? name : "", mark, text);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len] = '\n';
    /* A pipe that poll() calls writable takes PIPE_BUF octets, 4096, without waiting. */
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) > 0 && write(STDERR_FILENO, line, len + 1) >= 0)
        return;
    log_state.lost++;
}

static void tell_lost(void)
{
    char text[80];
    unsigned lost = log_state.lost;
    log_state.lost = 0;
    snprintf(text, sizeof(text), "%u lines of this log were lost: nobody read them", lost);
    put_line(LOG_WARN, NULL, text);
    if (log_state.lost > 0)
        log_state.lost = lost; /* nor is this one */
}

/* The table is made with the first message that may have to be limited: most runs of a quiet
 * daemon say little, and without memory for it nothing is limited. */
static bool may_pass(const char *text, uint32_t *ret_held)
{
    *ret_held = 0;
    if (!log_state.limit)
        log_state.limit = calloc(1, sizeof(*log_state.limit));
    if (!log_state.limit)
        return true;
    return log_limit_pass(log_state.limit, clock_us(CLOCK_MONOTONIC), text, ret_held);
}

void log_msg(enum log_level level, const char *name, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char text[560];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    uint32_t held = 0;
    if (level == LOG_TRACE || may_pass(text, &held)) {
        if (held > 0) {
            char more[80];
            snprintf(more, sizeof(more), "(%u more messages like the next were held back)", held);
            put_line(level, name, more);
        }
        put_line(level, name, text);
    }
    if (log_state.lost > 0)
        tell_lost();
    errno = saved;
}

const char *log_get_level(void)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (levels[i].level == log_state.level)
            return levels[i].name;
    return "info";
}

int log_set_level(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(levels[i].name, name) == 0) {
            log_state.level = levels[i].level;
            return 0;
        }
    return -EINVAL;
}

const char *log_get_target(void)
{
    switch (log_state.target) {
    case TARGET_CONSOLE:
        return "console";
    case TARGET_JOURNAL:
        return "journal";
    case TARGET_NULL:
        return "null";
    }
    return "console";
}

int log_set_target(const char *name)
{
    if (strcmp(name, "auto") == 0)
        log_state.target = log_state.journal ? TARGET_JOURNAL : TARGET_CONSOLE;
    else if (strcmp(name, "console") == 0)
        log_state.target = TARGET_CONSOLE;
    else if (strcmp(name, "journal") == 0 && log_state.journal)
        log_state.target = TARGET_JOURNAL;
    else if (strcmp(name, "null") == 0)
        log_state.target = TARGET_NULL;
    else
        return -EINVAL;
    return 0;
}
