/* SPDX-License-Identifier: MIT */
#pragma once

/* client_internal: what the client's files share. */

#include "gatt/client.h"

#include <errno.h>
