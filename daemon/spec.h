/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * spec: what --adapter= and the key `adapter` name, and the objects' names that follow from it.
 *
 *   hciN            the kernel's controller N, through the HCI user channel
 *   unix:PATH       H4 over a unix stream socket (@NAME: an abstract one)
 *   tcp:HOST:PORT   H4 over TCP; an IPv6 address in brackets
 *   tty:DEV[,BAUD]  H4 over a serial line, 8N1 with RTS/CTS; 115200 baud
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spec_kind { SPEC_HCI, SPEC_UNIX, SPEC_TCP, SPEC_TTY };

enum {
    SPEC_MAX = 16, /* adapters of one daemon */
    SPEC_TEXT = 320,
    SPEC_HOST = 254,
};

struct spec {
    enum spec_kind kind;
    char text[SPEC_TEXT]; /* as given */
    char name[16];        /* the object's: hciN; by spec_name_all() */
    uint16_t index;       /* SPEC_HCI: the kernel's number */
    char path[108];       /* SPEC_UNIX (as in sun_path), SPEC_TTY */
    char host[SPEC_HOST];
    uint16_t port;
    uint32_t baud;
};

/* 0, or -EINVAL with *ret_why saying what is wrong with text. *ret is touched only on success. */
int spec_parse(const char *text, struct spec *ret, const char **ret_why);
/* Whether both are one controller. */
bool spec_same(const struct spec *a, const struct spec *b);
/* Names hciN by the kernel's number, the others by the first numbers that no hciN among them has.
 * -EEXIST with *ret_again the index of one that was there before. */
int spec_name_all(struct spec *specs, size_t n, size_t *ret_again);
