/* SPDX-License-Identifier: MIT */

/* out: what bledctl prints, and text that it reads. */

#include "ctl.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

static void say(const char *before, const char *format, va_list ap)
{
    fprintf(stderr, "bledctl: %s", before);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
}

int ctl_fail(int status, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say("", format, ap);
    va_end(ap);
    return status;
}

void ctl_progress(const struct ctl *c, const char *format, ...)
{
    va_list ap;

    if (c->quiet || (!c->verbose && !isatty(STDERR_FILENO)))
        return;
    va_start(ap, format);
    say("", format, ap);
    va_end(ap);
}

int ctl_usage(const char *command, const char *format, ...)
{
    va_list ap;
    char before[64];

    snprintf(before, sizeof(before), "%s: ", command);
    va_start(ap, format);
    say(before, format, ap);
    va_end(ap);
    return ctl_usage_said(command);
}

int ctl_usage_said(const char *command)
{
    fprintf(stderr, "See `bledctl %s --help`.\n", command);
    return CTL_USAGE;
}

void ctl_json(json_t *j)
{
    if (!j) {
        ctl_fail(0, "no memory for what is to be said here");
        return;
    }
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(j);
}

void ctl_hex(FILE *to, const uint8_t *p, size_t n, char between)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && between)
            fputc(between, to);
        fprintf(to, "%02x", p[i]);
    }
}

json_t *ctl_json_hex(const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * n + 1);

    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[p[i] >> 4];
        text[2 * i + 1] = digits[p[i] & 15];
    }
    json_t *j = json_stringn(text, 2 * n);
    free(text);
    return j;
}

/* No escape sequence of a stranger's for our terminal, be it of one character (U+009B), and none of
 * those that turn the direction of what follows. */
static bool harmless(wchar_t w)
{
    return iswprint((wint_t)w) && !(w >= 0x200e && w <= 0x200f) && !(w >= 0x202a && w <= 0x202e) &&
           !(w >= 0x2066 && w <= 0x2069);
}

unsigned ctl_text(FILE *to, const void *p, size_t n, unsigned columns)
{
    const char *at = p;
    unsigned used = 0;

    for (size_t k; n > 0; at += k, n -= k) {
        mbstate_t state = {0};
        wchar_t w = 0;
        k = mbrtowc(&w, at, n, &state);
        bool good = k != 0 && k <= n && harmless(w);
        int width = good ? wcwidth(w) : 1;
        if (k == 0 || k > n) /* NUL; or no UTF-8, or too little of it */
            k = 1;
        if (width < 0 || (unsigned)width > columns - used)
            break;
        if (good)
            fwrite(at, 1, k, to);
        else
            fputc('?', to);
        used += (unsigned)width;
    }
    return used;
}

int ctl_parse_hex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (*text) {
        if (*text == ' ' || *text == ':' || *text == ',' || *text == '-') {
            text++;
            continue;
        }
        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
            text += 2;
            continue;
        }
        char pair[3] = {text[0], text[1], '\0'};
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]) || n == cap)
            return -EINVAL;
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
        text += 2;
    }
    return (int)n;
}

bool ctl_parse_number(const char *text, unsigned long max, unsigned long *ret)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long v = strtoul(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
    if (errno != 0 || *end != '\0' || v > max)
        return false;
    *ret = v;
    return true;
}
