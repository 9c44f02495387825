/* SPDX-License-Identifier: MIT */
#pragma once

/* company: the names of companies, by the numbers that the Bluetooth SIG gave them. */

#include <stdint.h>

/* In the shape of bus_options.manufacturer; ctx is not used. NULL when it is not known, else
 * borrowed until the next call. */
const char *company_name(void *ctx, uint16_t id);
