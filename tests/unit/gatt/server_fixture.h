/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * server_fixture: lib/gatt with its real bearers and database, over a stand-in for lib/hci; the
 * peers are scripts. PDUs are written in hexadecimal with spaces anywhere; `*N` after an octet
 * repeats it N times: "0b 5a*22". Handles are little-endian there, as on the wire.
 *
 * Three clients are connected: A (1), B (2), C (3), with ATT_MTU 23. The built-in services have the
 * handles up to 0x0011, and there are:
 *
 *     20 primary 180d
 *        21 22 2a37 read, write, command, signed, notify, indicate; 20 octets; 01 02
 *              23 CCCD
 *        24 25 2a38 read; 512 octets 5a
 *        26 27 2a39 write; 4 octets, truncates
 *        28 29 0f0e..00 read, write; 512 octets, empty      2a 2901 read, "abc"
 *        2b 2c 2a3a read, write; 8 octets, appends; "ab"
 *     30 primary 180f
 *        31 32 2a19 read, write, command, both authorized; 512 octets, "61"
 *        33 34 2a1a read, read_events; 30 octets 77
 *        35 36 2a1b nothing permitted but broadcast; "01"
 *        37 38 2a19 read; 64
 *     40 secondary 1234, includes 30
 *        41 include
 *     50 primary 0f0e..00
 *        51 52 2a1c read, write, notify; encrypted both;     53 CCCD; "01"
 *        54 55 2a1d read, write, indicate; authenticated both; 56 CCCD; "02"
 *        57 58 2a1e read, read_encrypted; 59 2901 write, authenticated; "03"
 */

#include "base/cleanup.h"
#include "fake_hci.h"
#include "gatt/gatt.h"

extern struct bl_hci *hci;
extern struct bl_evq events;
extern struct bl_config config;
extern struct bl_gatt gatt;
extern uint64_t now;

enum { A = 1, B = 2, C = 3, CLIENTS = 3 };

void setup(void);
void teardown(void);
struct bl_gatt_conn *client(uint16_t conn);
void mtu(uint16_t conn, uint16_t n);

/* "00 01 02.. 0f" reversed: the 128-bit type above. */
extern const struct bl_uuid uuid128;

size_t octets(const char *hex, uint8_t *out, size_t cap);
/* A PDU of a client's, then the turn of everything. */
void says(uint16_t conn, const char *hex);
void says_octets(uint16_t conn, const uint8_t *pdu, size_t n);
void turn(void);
/* The next PDU to that client, that there is none for anybody. */
void hears(uint16_t conn, const char *hex);
void silence(void);
/* The next PDU to anybody, without the L2CAP header: false: none. */
bool take(uint16_t *ret_conn, uint8_t *out, size_t cap, size_t *ret_n);
/* says() and hears(). */
void check(uint16_t conn, const char *request, const char *response);

struct row {
    const char *request, *response;
};
void check_rows(uint16_t conn, const struct row *rows, size_t n);
#define CHECK_ROWS(conn, rows) check_rows(conn, rows, ARRAY_LEN(rows))

/* What the host was told since the last time, each ended by ";":
 *     written 1 22 0102; name 1 0102; read 1 34; read#5 1 32; write#6 1 32 01; subscribed 1 22 1;
 *     indicated 1 22 0; done#3 0;   (conn, handle, value or bits or status; all hexadecimal) */
void told(const char *text);
/* The request number of the event that was told last. */
extern uint32_t last_request;
extern bl_op op;

struct bl_gatt_attr *attr(uint16_t handle);
void has(uint16_t handle, const char *hex);
void remove_service(uint16_t service);
uint16_t add_service(uint16_t handle, uint16_t uuid);
