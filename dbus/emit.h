/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * emit: signals, and who gets them.
 *
 * The recipients of a signal are a set of owners. With the daemon in it, it is broadcast, once;
 * otherwise each attached client in the set is sent one copy and nobody else hears it. See emit.c
 * for what happens to a client that does not read.
 */

#include "owner.h"

/* A signal of the adapter's object (path NULL) or of another one, to be filled and sent. */
int bus_signal_new(struct bus_adapter *a, const char *path, const char *interface,
                   const char *member, sd_bus_message **ret);
/* Sends and releases m; *m is NULL afterwards. Empty set: nobody. What cannot be sent is counted
 * and, for an attached client, its end (clients are never thinned out in silence). */
void bus_signal_send(struct bus_adapter *a, bus_mask to, sd_bus_message **m);
/* The two in one for basic types. */
void bus_emit(struct bus_adapter *a, bus_mask to, const char *interface, const char *member,
              const char *types, ...);

/* Objects come and go: broadcast. */
void bus_emit_object_added(struct bus *b, const char *path);
void bus_emit_object_removed(struct bus *b, const char *path);

/* Properties of the adapter's object have changed: broadcast. NULL ends the names. */
void bus_emit_changed(struct bus_adapter *a, const char *interface, const char *property, ...)
    __attribute__((sentinel));
/* The same for any object; `names` ends with NULL. */
void bus_emit_changed_strv(struct bus *b, const char *path, const char *interface, char **names);
