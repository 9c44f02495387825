/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

extern bool as_root; /* true at first */
