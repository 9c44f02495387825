/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bonds_disk: a directory of bonds. dir is open, and of this place, whose names are for the log.
 *
 * A file that is no bond of the peer that its name says, or that is no file at all, is set aside as
 * NAME.asideN; that is logged, as is everything here but what a return value tells.
 */

#include "bonds_place.h"

/* The counter of our signatures is stored so much higher than it is. */
enum { BONDS_AHEAD = 1024 };

/* What is stored as the counter of our signatures. */
uint32_t bonds_disk_ahead(const struct bl_bond *bond);
/* 0; -ENOENT; -EBADMSG: something else has its name; -errno: it cannot be read. Then *ret is all
 * zeros. */
int bonds_disk_read(int dir, const struct bl_addr *identity, struct bl_bond *ret);
/* 0 when it is on the disk; -EPROTO: it is not as bond.h says; -errno. */
int bonds_disk_store(const struct bonds_place *p, int dir, const struct bl_bond *bond);
int bonds_disk_delete(const struct bonds_place *p, int dir, const struct bl_addr *identity);
/* All bonds that can be read, the one seen longest ago first; *ret is freed by bonds_disk_free().
 * BL_MAX_BONDS at most: which ones, if there are more, is up to the file system. */
int bonds_disk_list(const struct bonds_place *p, int dir, struct bl_bond ***ret, size_t *ret_n);
/* Wipes them. */
void bonds_disk_free(struct bl_bond **bonds, size_t n);
