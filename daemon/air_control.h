/* SPDX-License-Identifier: MIT */
#pragma once

/* air_control: bled-air's commands, which move the controllers about and break them: bled-air(1).
 */

#include "air_serve.h"

#include <stddef.h>

/* One command, without its newline; it is cut up in place. NULL, or what is wrong with it. */
const char *air_control(struct air_serve *s, char *line);
