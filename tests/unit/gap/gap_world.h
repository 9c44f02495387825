/* SPDX-License-Identifier: MIT */
#pragma once

/* gap_world: privacy and the advertiser on a recording lib/hci, with time by assignment. The
 * script's verbs fail the test that uses them. */

#include "gap/advertiser.h"

#include "fake_hci.h"

#include "hci/cmd.h"
#include "hci/error.h"

#include <check.h>

struct gap_world {
    uint64_t now;
    struct bl_hci *hci;
    struct bl_env env;
    struct bl_evq events;
    struct bl_radio radio;
    struct bl_privacy privacy;
    struct bl_advertiser adv;
    uint64_t random;   /* the generator's state */
    int random_fills;  /* >= 0: every byte is this */
    bool random_fails; /* no randomness to be had */
};

struct gap_world *gap_world_new(bool extended);
void gap_world_free(struct gap_world *w);
/* The controller is ready: privacy is told. */
void gap_world_ready(struct gap_world *w);
/* The modules' steps in host.c's order, unless a command is out. */
void gap_world_step(struct gap_world *w);

/* The next command is this one, with these parameters (hex, spaces allowed; NULL: any). It is left
 * unanswered. */
const struct fake_cmd *gap_world_expect(struct gap_world *w, uint16_t opcode, const char *hex);
/* Answers a command that was expected; then the modules step. */
void gap_world_answer(struct gap_world *w, const struct fake_cmd *cmd, uint8_t status);
void gap_world_lose(struct gap_world *w, const struct fake_cmd *cmd);
/* Both, with success. The command is borrowed. */
const struct fake_cmd *gap_world_do(struct gap_world *w, uint16_t opcode, const char *hex);
void gap_world_quiet(struct gap_world *w); /* no command waits */
/* Answers whatever comes with success, until nothing does. How many. */
unsigned gap_world_run(struct gap_world *w);
/* Time passes to the modules' deadlines, one by one, every command succeeding, until `until`. */
void gap_world_pass(struct gap_world *w, uint64_t until);

bool gap_world_event(struct gap_world *w, struct bl_event *ret);
void gap_world_no_event(struct gap_world *w);
void gap_world_op_done(struct gap_world *w, bl_op op, bl_status status);
void gap_world_adv_stopped(struct gap_world *w, uint16_t adv, bl_status status);

/* Parameters as the seed's gap_advertise() has them: 100 ms, connectable, the public address. */
struct bl_adv_params gap_world_params(const char *data);
/* Starts (adv 0) or replaces, which must be taken; gives the number. */
uint16_t gap_world_start(struct gap_world *w, uint16_t adv, const struct bl_adv_params *params,
                         bl_op *op);
/* The same, and all commands succeed, and it is on the air. */
uint16_t gap_world_started(struct gap_world *w, const struct bl_adv_params *params);
/* Connection Complete as peripheral. */
uint16_t gap_world_connected(struct gap_world *w, uint16_t handle, uint8_t status);
uint16_t gap_world_terminated(struct gap_world *w, uint8_t set, uint8_t status, uint16_t handle);

/* A suite's end: runs it, and gives main's value. */
int gap_world_main(Suite *suite);
