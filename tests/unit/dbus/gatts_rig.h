/* SPDX-License-Identifier: MIT */
#pragma once

/* gatts_rig: what the tests of GattServer1 begin with: an active adapter, clients and peers. */

#include "gatts_table.h"
#include "rig.h"

#include <check.h>
#include <stdlib.h>

#define GATTS "org.bled.GattServer1"

extern struct rig rig;

void gatts_setup(void);
void gatts_teardown(void);
int gatts_main(const char *name, void (*add)(TCase *t));

void attach(const char *name);
/* A service of one characteristic (NOTIFY and all kinds of access): the handle of its value. */
uint16_t add_service(const char *name);
void connected(uint16_t conn);
void disconnected(uint16_t conn);
void event(const struct bl_event *e);
/* The nth command that the stack took was this one: "notify 1 0x0012 5 of 3". */
void ck_log(size_t n, const char *what, uint16_t conn, uint16_t handle);
void ck_answer(unsigned call, const char *want);
/* The answer of a call, with what it says: "error 7 NAME text". */
const char *text_of(unsigned call);
