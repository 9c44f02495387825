/* SPDX-License-Identifier: MIT */
/* One parser a kind, in a table by prefix. Numbers are decimal, without sign or leading blanks. */
#include "spec.h"
#include "base/cleanup.h"
#include "transport.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char *text, uint32_t max, uint32_t *ret)
{
    if (!isdigit((unsigned char)*text) || strlen(text) > 10)
        return false;
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || v > max)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static const char *parse_hci(const char *rest, struct spec *s)
{
    uint32_t n;
    /* 0xffff is the kernel's HCI_DEV_NONE; 07 would be a second name of hci7. */
    if (!parse_number(rest, 0xfffe, &n) || (rest[0] == '0' && rest[1]))
        return "a kernel controller is hci and its number, as in hci0";
    s->index = (uint16_t)n;
    return NULL;
}

static const char *parse_unix(const char *rest, struct spec *s)
{
    if (!*rest)
        return "unix: needs the path of a socket, as in unix:/run/air/hci0";
    if (strlen(rest) >= sizeof(s->path))
        return "the path of a unix socket has at most 107 characters";
    strcpy(s->path, rest);
    return NULL;
}

static const char *parse_tcp(const char *rest, struct spec *s)
{
    const char *host = rest, *colon = strrchr(rest, ':');
    const char *usage = "tcp: needs a host and a port, as in tcp:192.0.2.1:7000 or tcp:[::1]:7000";
    if (!colon)
        return usage;
    size_t len = (size_t)(colon - host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len) || memchr(host, '[', len)) {
        return usage;
    }
    uint32_t port;
    if (len == 0 || len >= sizeof(s->host) || !parse_number(colon + 1, 0xffff, &port) || port == 0)
        return usage;
    memcpy(s->host, host, len);
    s->host[len] = '\0';
    s->port = (uint16_t)port;
    return NULL;
}

static const char *parse_tty(const char *rest, struct spec *s)
{
    const char *comma = strrchr(rest, ',');
    size_t len = comma ? (size_t)(comma - rest) : strlen(rest);
    if (rest[0] != '/' || len >= sizeof(s->path))
        return "tty: needs the path of a device, as in tty:/dev/ttyUSB0,115200";
    s->baud = 115200;
    if (comma && (!parse_number(comma + 1, 4000000, &s->baud) || s->baud == 0))
        return "the baud rate after the comma is a number up to 4000000";
    if (!transport_tty_has_rate(s->baud))
        return "Linux's serial lines have no such baud rate; 115200, 921600 and 1000000 are usual";
    memcpy(s->path, rest, len);
    s->path[len] = '\0';
    return NULL;
}

static const struct {
    const char *prefix;
    enum spec_kind kind;
    const char *(*parse)(const char *rest, struct spec *s);
} kinds[] = {
    {"hci", SPEC_HCI, parse_hci},
    {"unix:", SPEC_UNIX, parse_unix},
    {"tcp:", SPEC_TCP, parse_tcp},
    {"tty:", SPEC_TTY, parse_tty},
};

int spec_parse(const char *text, struct spec *ret, const char **ret_why)
{
    *ret_why = "an adapter is hciN, unix:PATH, tcp:HOST:PORT or tty:DEV[,BAUD]";
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, n) != 0)
            continue;
        struct spec s = {.kind = kinds[i].kind};
        if (strlen(text) >= sizeof(s.text)) {
            *ret_why = "that is too long for an adapter";
            return -EINVAL;
        }
        strcpy(s.text, text);
        const char *why = kinds[i].parse(text + n, &s);
        if (why) {
            *ret_why = why;
            return -EINVAL;
        }
        *ret = s;
        return 0;
    }
    return -EINVAL;
}

bool spec_same(const struct spec *a, const struct spec *b)
{
    return a->kind == b->kind && a->index == b->index && a->port == b->port &&
           strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0;
}

static bool taken(const struct spec *specs, size_t n, uint32_t number)
{
    for (size_t i = 0; i < n; i++)
        if (specs[i].kind == SPEC_HCI && specs[i].index == number)
            return true;
    return false;
}

int spec_name_all(struct spec *specs, size_t n, size_t *ret_again)
{
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (spec_same(&specs[i], &specs[j])) {
                *ret_again = i;
                return -EEXIST;
            }
    for (size_t i = 0; i < n; i++) {
        uint32_t number = specs[i].index;
        if (specs[i].kind != SPEC_HCI) {
            while (taken(specs, n, next))
                next++;
            number = next++;
        }
        snprintf(specs[i].name, sizeof(specs[i].name), "hci%u", number);
    }
    return 0;
}
