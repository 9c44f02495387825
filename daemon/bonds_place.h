/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bonds_place: the directory in which the bonds of one controller are, <state-dir>/<adapter>/bonds.
 *
 * A peer knows a controller by its address and shares its keys with it alone, so that a directory
 * of bonds belongs to one controller: the file "controller" in it says to which. If another one is
 * served under the adapter's name, the directory is kept as bonds.ADDRESS (bonds.ADDRESS.N), and
 * one is begun; when the first controller is back, so is its directory. Nothing is deleted.
 */

#include "bonds_file.h"

struct bonds_place {
    const char *state_dir, *name; /* borrowed: name is the adapter's */
    bool any_controller;          /* what is there is given to whoever is served */
};

/*
 * The open directory for this controller; or -errno, for the caller to log. Renames and the like
 * are logged here. make: it is made where there is none; else -ENOENT, also where it is empty and
 * not this controller's. -ENOTDIR: something else has its name.
 */
int bonds_place_open(const struct bonds_place *p, const struct bonds_controller *c, bool make);
