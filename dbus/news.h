/* SPDX-License-Identifier: MIT */
#pragma once

/* news: lines for whoever reads the log of a daemon that nobody watches. */

#include "bus.h"

/* At most so many lines of an adapter's news go to the log in so long; the rest are counted, and
 * the count is a line when the time is over. */
enum { NEWS_LINES = 60, NEWS_SECONDS = 60 };

struct news {
    uint64_t since; /* of the present time span, on the scale of bus_now() */
    unsigned lines, left_out;
};

/* A line at level info: connections, clients. */
void bus_news(struct bus_adapter *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
