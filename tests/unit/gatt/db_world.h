/* SPDX-License-Identifier: MIT */
#pragma once

/* db_world: definitions of attributes in short, and what a database must look like. */

#include "gatt/db.h"

#include <check.h>

/* A characteristic of flags and at most 20 octets, empty; 16 bit types. */
struct bl_gatts_characteristic db_char(uint16_t uuid, uint32_t flags);
struct bl_gatts_descriptor db_desc(uint16_t uuid, uint32_t flags, const void *value, uint16_t len);
/* A primary service of these characteristics, placed by the database. */
struct bl_gatts_service db_def(uint16_t uuid, const struct bl_gatts_characteristic *c, size_t n);
/* Adds it; the test fails unless it can be added. Returns its handle. */
uint16_t db_must_add(struct bl_gatt_db *db, const struct bl_gatts_service *def,
                     uint16_t *ret_handles);
uint16_t db_must_add_at(struct bl_gatt_db *db, uint16_t handle, uint16_t uuid,
                        const struct bl_gatts_characteristic *c, size_t n);

/* A line for each attribute from start to end: handle, type, kind (P S I C V c E D) and, but for V,
 * D and c, the value, as in "0001 2800 P 0018\n". */
void db_expect(const struct bl_gatt_db *db, uint16_t start, uint16_t end, const char *lines);
/* Everything that is true of every database. */
void db_check(const struct bl_gatt_db *db);
