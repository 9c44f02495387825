/* SPDX-License-Identifier: MIT */

/* news: what strangers can cause as often as they like is written as often as a disk stands. */

#include "news.h"

#include "adapter.h"

#include <stdarg.h>
#include <stdio.h>

void bus_news(struct bus_adapter *a, const char *format, ...)
{
    struct news *n = &a->news;
    uint64_t now = bus_now(a);
    char text[240];

    if (n->lines == 0 || now - n->since >= (uint64_t)NEWS_SECONDS * 1000000) {
        if (n->left_out > 0)
            bus_log(a->bus, BL_LOG_INFO, "%s: %u lines like these were left out", a->name,
                    n->left_out);
        *n = (struct news){.since = now};
    }
    if (n->lines == NEWS_LINES) {
        n->left_out++;
        return;
    }
    n->lines++;
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    bus_log(a->bus, BL_LOG_INFO, "%s: %s", a->name, text);
}
