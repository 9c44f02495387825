/* SPDX-License-Identifier: MIT */
#pragma once

/* options: bled's command line, bled(8). */

#include "config.h"

enum options_result {
    OPTIONS_RUN,
    OPTIONS_CHECKED, /* --check-config, --help, --version: done, exit 0 */
    OPTIONS_WRONG,   /* told on standard error: exit 2 */
    OPTIONS_FAILED,  /* the configuration is bad, and was told: exit 1 */
};

/* Fills *c, which config_init() has made, from the file and the command line. */
enum options_result options_read(int argc, char **argv, struct config *c);
