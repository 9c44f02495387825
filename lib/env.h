/* SPDX-License-Identifier: MIT */
#pragma once

/* env: what the host is given of the world outside. Functions may be called from within any call
 * of the host; they must not call the host. */

#include <stddef.h>
#include <stdint.h>

enum bl_log_level { /* syslog's numbers */
                    BL_LOG_ERROR = 3,
                    BL_LOG_WARNING = 4,
                    BL_LOG_NOTICE = 5,
                    BL_LOG_INFO = 6,
                    BL_LOG_DEBUG = 7,
};

struct bl_env {
    /* Fills out with n bytes fit for keys; 0, or a negative errno when there are none to be had. */
    int (*random)(void *ctx, void *out, size_t n);
    /* May be NULL. What the stack has to say about a controller or peer that misbehaves; `text` is
     * one line without a newline, borrowed. */
    void (*log)(void *ctx, enum bl_log_level level, const char *text);
    void *ctx;
};

/* Formats and hands on to env->log, cut at 240 bytes. */
void bl_env_log(const struct bl_env *env, enum bl_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
