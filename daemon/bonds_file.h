/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bonds_file: one bond, and the controller that bonds belong to, as the text of a file.
 *
 * There is exactly one text for each value: what is read must be, octet for octet, what would be
 * written. Lines are ended by \n. Keys, rand and db-hash are hex digits in the order of the wire
 * (which is that of struct bl_bond), ediv and handles are four hex digits of a number, addresses
 * and decimals are as for people. The last line has a CRC-32 (gzip's) of all before it: against
 * what is torn or rotten, not against anybody who can write there.
 *
 *     bled bond 1
 *     identity random C0:11:22:33:44:55
 *     authenticated yes
 *     secure-connections yes
 *     local-ltk 000102030405060708090a0b0c0d0e0f 16 0000 0000000000000000     key, size, ediv, rand
 *     peer-ltk none 0 0000 0000000000000000
 *     irk 000102030405060708090a0b0c0d0e0f
 *     local-csrk none
 *     peer-csrk none
 *     local-counter 0
 *     peer-counter 0
 *     last-seen 1763741462
 *     client-features 01
 *     aware yes
 *     db-hash 000102030405060708090a0b0c0d0e0f
 *     cccds 1
 *     cccd 0012 1
 *     end 9c5f12ab
 *
 *     bled controller 1
 *     address public 00:11:22:33:44:55
 *     hci-version 9
 *     manufacturer 93
 *     end 9c5f12ab
 */

#include "bond.h"

#define BONDS_FILE_CONTROLLER "controller" /* the name of its file */

enum {
    BONDS_FILE_MAX = 1536,    /* octets of a file */
    BONDS_FILE_NAME_MAX = 32, /* of its name, with the final NUL */
};

/* As far as the host can tell one from another. */
struct bonds_controller {
    struct bl_addr address; /* public, else the static random one */
    uint8_t hci_version;
    uint16_t manufacturer;
};

bool bonds_controller_eq(const struct bonds_controller *a, const struct bonds_controller *b);

/* The name of the file: public-00:11:22:33:44:55. Returns out. */
char *bonds_file_name(const struct bl_addr *identity, char out[static BONDS_FILE_NAME_MAX]);
/* False unless it is exactly the name of a bond's file. */
bool bonds_file_named(const char *name, struct bl_addr *ret_identity);

/* The octets of text, or 0 when *bond is not as bond.h says, and could not be read again. Whoever
 * has the text wipes it. */
size_t bonds_file_format(const struct bl_bond *bond, char out[static BONDS_FILE_MAX]);
/* False, and *ret all zeros, unless it is such a text. Keys that the bond does not have are zeros.
 */
bool bonds_file_parse(const char *text, size_t n, struct bl_bond *ret);

size_t bonds_file_format_controller(const struct bonds_controller *c,
                                    char out[static BONDS_FILE_MAX]);
bool bonds_file_parse_controller(const char *text, size_t n, struct bonds_controller *ret);
