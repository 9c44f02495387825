/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * config: what bled.conf(5) and the command line say, checked.
 *
 * Every key is a row of a table in config.c; the command line sets the same rows, so that both have
 * one set of rules. Nothing is guessed: an unknown section or key, a key given twice, a value out
 * of range is an error that names file and line.
 */

#include "bus.h"
#include "spec.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CONFIG_PATH = 4096,
    CONFIG_BUS_NAME = 256,
};

/* Of one adapter: from [adapter], then from [adapter hciN]. */
struct config_adapter {
    struct bus_adapter_config bus;
    struct bl_config host; /* without static_addr and irk, which state.h has */
    bool bonds_any_controller;
};

struct config_override; /* a line of an [adapter hciN] */

struct config {
    char *bus, *bus_name, *state_dir, *log_level, *btsnoop; /* NULL: not given */
    struct spec *specs;                                     /* named by spec_name_all() */
    size_t n_specs;
    struct config_adapter adapter;
    struct config_override *overrides;
};

/* One line about something that is wrong, without a newline. */
typedef void (*config_report_fn)(void *ctx, const char *text);

void config_init(struct config *c);
void config_done(struct config *c);

/* Reads a file. 0, -EINVAL when it was reported that something in it is wrong, or another -errno
 * when it cannot be read (-ENOENT: there is none). */
int config_load(struct config *c, const char *path, config_report_fn report, void *ctx);
/* Sets a key of [daemon] as the file would; NULL, or what is wrong, borrowed until the next call.
 */
const char *config_set(struct config *c, const char *key, const char *value);
void config_forget_adapters(struct config *c);
/* To be called when all is set: the default adapter if there is none, and their names. */
int config_finish(struct config *c, config_report_fn report, void *ctx);
/* What holds for adapter `name`. */
struct config_adapter config_adapter(const struct config *c, const char *name);
