/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * error: names and sentences of what goes wrong. The whole table is in
 * interfaces/org.bled.Error.xml.
 */

#include "bus.h"

#define BUS_ERROR(name)       "org.bled.Error." name
#define BUS_NOT_ACTIVE        BUS_ERROR("NotActive")
#define BUS_NOT_READY         BUS_ERROR("NotReady")
#define BUS_NOT_CONNECTED     BUS_ERROR("NotConnected")
#define BUS_ALREADY_CONNECTED BUS_ERROR("AlreadyConnected")
#define BUS_NOT_FOUND         BUS_ERROR("NotFound")
#define BUS_NOT_SUPPORTED     BUS_ERROR("NotSupported")
#define BUS_BUSY              BUS_ERROR("Busy")
#define BUS_TIMEOUT           BUS_ERROR("Timeout")
#define BUS_CANCELED          BUS_ERROR("Canceled")
#define BUS_DISCONNECTED      BUS_ERROR("Disconnected")
#define BUS_NO_RESOURCES      BUS_ERROR("NoResources")
#define BUS_PROTOCOL          BUS_ERROR("ProtocolViolation")

enum { BUS_ERROR_NAME_LEN = 96 };

/* The error name of a status that is not BL_OK; into buf or static, never NULL. */
const char *bus_error_name(bl_status status, char buf[static BUS_ERROR_NAME_LEN]);
/* What it means, without a final dot: "the peer did not answer in time". */
const char *bus_error_text(bl_status status);

/* All of these set *error and return a negative errno for the handler to return. `format` says what
 * failed and names the address, handle or UUID: "connecting to C0:11:22:33:44:55". */
int bus_error_status(sd_bus_error *error, bl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bus_error_statusv(sd_bus_error *error, bl_status status, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));
int bus_error_disconnectedv(sd_bus_error *error, bl_status status, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));
/* What a bl_* command refused (host.h): -EINVAL InvalidArgs, -ENETDOWN NotActive, -ENOTCONN
 * NotConnected, -EALREADY AlreadyConnected, -ENOENT NotFound, -EBUSY Busy, ... */
int bus_error_errno(sd_bus_error *error, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Cuts off an incomplete last character, for text of clients that did not fit: what is not UTF-8
 * the bus does not take, and the call would have no answer. */
void bus_text_trim(char *text);
/* A whole sentence of one's own. */
int bus_error_invalid(sd_bus_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int bus_error_set(sd_bus_error *error, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bus_error_access(sd_bus_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
