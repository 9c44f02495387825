/* SPDX-License-Identifier: MIT */

#include "env.h"

#include <stdarg.h>
#include <stdio.h>

void bl_env_log(const struct bl_env *env, enum bl_log_level level, const char *format, ...)
{
    char text[241];
    va_list args;

    if (!env->log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    env->log(env->ctx, level, text);
}
