/* SPDX-License-Identifier: MIT */
/*
 * Every step is one rename or one whole file, and every state between two steps is one that is
 * taken up from:
 *
 *     bonds is another's  --rename-->  no bonds  --rename of ours, if it was kept-->  bonds
 *                                         |                                             ^
 *                                       mkdir --> bonds, empty, nobody's -- controller -+
 */
#include "bonds_place.h"
#include "base/cleanup.h"
#include "log.h"
#include "state.h"
#include "whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "bonds"

enum {
    KEPT_MAX = 100, /* directories of one address that are kept */
    CONTROLLER_TEXT = 80,
};

enum owner {
    OWNER_OURS,
    OWNER_OTHER,
    OWNER_NOBODY,  /* there is no such file */
    OWNER_UNKNOWN, /* or it is none of ours */
};

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int steal_fd(int *fd)
{
    int was = *fd;
    *fd = -1;
    return was;
}

static int open_directory(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    return fd;
}

/* enum owner; or -errno: it cannot be told, which is no reason to move anything. */
static int owner_of(int dir, const struct bonds_controller *c, struct bonds_controller *ret)
{
    char text[BONDS_FILE_MAX];
    size_t n;
    int r = whole_read(dir, BONDS_FILE_CONTROLLER, text, sizeof(text), &n);
    *ret = (struct bonds_controller){0};
    if (r == -ENOENT)
        return OWNER_NOBODY;
    if (r < 0 && r != -EBADMSG)
        return r;
    if (r < 0 || !bonds_file_parse_controller(text, n, ret))
        return OWNER_UNKNOWN;
    return bonds_controller_eq(ret, c) ? OWNER_OURS : OWNER_OTHER;
}

/* -errno when that cannot be told. */
static int has_bonds(int dir)
{
    int fd = open_directory(dir, ".");
    _cleanup_(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct bl_addr identity;
    struct dirent *e;
    if (!d) {
        int error = errno;
        whole_close(&fd);
        return -error;
    }
    errno = 0;
    while ((e = readdir(d)))
        if (bonds_file_named(e->d_name, &identity))
            return 1;
    return -errno;
}

static int claim(const struct bonds_place *p, int dir, const struct bonds_controller *c)
{
    char text[BONDS_FILE_MAX], aside[WHOLE_NAME];
    struct bonds_controller was;
    int owner = owner_of(dir, c, &was);
    if (owner < 0)
        return owner;
    if (owner == OWNER_UNKNOWN) {
        int r = whole_aside(dir, BONDS_FILE_CONTROLLER, aside);
        if (r < 0)
            return r;
        log_msg(LOG_WARN, p->name,
                "%s/%s/" PLACE "/" BONDS_FILE_CONTROLLER " is torn or not ours: kept as %s",
                p->state_dir, p->name, aside);
    }
    return whole_write(dir, BONDS_FILE_CONTROLLER, text, bonds_file_format_controller(c, text));
}

static const char *describe(const struct bonds_controller *c, char out[static CONTROLLER_TEXT])
{
    char address[ADDR_TEXT_LEN];
    if (bl_addr_is_zero(&c->address))
        snprintf(out, CONTROLLER_TEXT, "an unknown controller");
    else
        snprintf(out, CONTROLLER_TEXT, "controller %s (manufacturer %u, HCI version %u)",
                 bl_addr_format(&c->address, address), c->manufacturer, c->hci_version);
    return out;
}

static void kept_name(const struct bl_addr *address, int i, char out[static WHOLE_NAME])
{
    char name[BONDS_FILE_NAME_MAX] = "unknown", number[16] = "";
    if (!bl_addr_is_zero(address))
        bonds_file_name(address, name);
    if (i > 0)
        snprintf(number, sizeof(number), ".%d", i);
    snprintf(out, WHOLE_NAME, PLACE ".%s%s", name, number);
}

/* Keeps another's under another name. */
static int keep(const struct bonds_place *p, int at, const struct bonds_controller *theirs,
                const struct bonds_controller *ours)
{
    char kept[WHOLE_NAME], them[CONTROLLER_TEXT], us[CONTROLLER_TEXT];
    for (int i = 0; i < KEPT_MAX; i++) {
        kept_name(&theirs->address, i, kept);
        if (renameat2(at, PLACE, at, kept, RENAME_NOREPLACE) == 0) {
            log_msg(LOG_WARN, p->name,
                    "%s/%s/" PLACE
                    " belongs to %s, and this is %s: what is in it is not given to it, "
                    "but kept as %s; to give it all the same, end bled, rename that back to " PLACE
                    " and set bonds-any-controller = yes",
                    p->state_dir, p->name, describe(theirs, them), describe(ours, us), kept);
            return whole_sync(at);
        }
        if (errno != EEXIST && errno != ENOTEMPTY)
            return -errno;
    }
    return -EEXIST;
}

/* 1 and the name under which this controller's were kept, 0, or -errno. */
static int find_kept(int at, const struct bonds_controller *c, char ret_kept[static WHOLE_NAME])
{
    struct bonds_controller was;
    for (int i = 0; i < KEPT_MAX; i++) {
        kept_name(&c->address, i, ret_kept);
        _cleanup_(whole_close) int dir = open_directory(at, ret_kept);
        int owner = dir < 0 ? dir : owner_of(dir, c, &was);
        if (owner == OWNER_OURS)
            return 1;
        if (owner < 0 && owner != -ENOENT && owner != -ENOTDIR)
            return owner;
    }
    return 0;
}

/* What was kept for this controller becomes `bonds` again: 1, and 0 when there is nothing. */
static int bring_back(const struct bonds_place *p, int at, const struct bonds_controller *c)
{
    char kept[WHOLE_NAME], us[CONTROLLER_TEXT];
    int r = find_kept(at, c, kept);
    if (r <= 0)
        return r;
    if (renameat2(at, kept, at, PLACE, RENAME_NOREPLACE) < 0)
        return -errno;
    log_msg(LOG_NOTE, p->name, "%s is back, and so are its bonds: %s/%s/%s is " PLACE " again",
            describe(c, us), p->state_dir, p->name, kept);
    r = whole_sync(at);
    return r < 0 ? r : 1;
}

/* There is no `bonds`. */
static int begin(const struct bonds_place *p, int at, const struct bonds_controller *c, bool make)
{
    int r = bring_back(p, at, c);
    bool back = r > 0;
    if (r == 0 && !make)
        return -ENOENT;
    if (r == 0)
        r = mkdirat(at, PLACE, 0700) < 0 ? -errno : whole_sync(at);
    if (r < 0)
        return r;
    _cleanup_(whole_close) int dir = open_directory(at, PLACE);
    r = dir < 0 ? dir : back ? 0 : claim(p, dir, c);
    return r < 0 ? r : steal_fd(&dir);
}

/* 1: it is this controller's, or is now; 0: it is another's, *ret_theirs. */
static int settle(const struct bonds_place *p, int at, int dir, const struct bonds_controller *c,
                  bool make, struct bonds_controller *ret_theirs)
{
    char them[CONTROLLER_TEXT], us[CONTROLLER_TEXT], kept[WHOLE_NAME];
    int owner = owner_of(dir, c, ret_theirs);
    if (owner < 0 || owner == OWNER_OURS)
        return owner < 0 ? owner : 1;
    int r = has_bonds(dir), found = r == 0 ? find_kept(at, c, kept) : 0;
    if (r < 0 || found < 0)
        return r < 0 ? r : found;
    if (r > 0 ? !p->any_controller : found > 0)
        return 0;
    if (r > 0)
        log_msg(LOG_WARN, p->name,
                "the bonds in %s/%s/" PLACE " were of %s, and are given to %s: "
                "bonds-any-controller = yes",
                p->state_dir, p->name, describe(ret_theirs, them), describe(c, us));
    r = r > 0 || make ? claim(p, dir, c) : -ENOENT;
    return r < 0 ? r : 1;
}

static int tighten(const struct bonds_place *p, int dir)
{
    struct stat st;
    if (fstat(dir, &st) < 0)
        return -errno;
    if ((st.st_mode & 077) == 0)
        return 0;
    log_msg(LOG_WARN, p->name, "%s/%s/" PLACE " was open to others (mode %04o): closed",
            p->state_dir, p->name, st.st_mode & 07777u);
    return fchmod(dir, 0700) < 0 ? -errno : 0;
}

int bonds_place_open(const struct bonds_place *p, const struct bonds_controller *c, bool make)
{
    char where[STATE_PATH];
    struct bonds_controller theirs;
    _cleanup_(whole_close) int at = state_place(p->state_dir, p->name, where);
    if (at < 0)
        return at;
    _cleanup_(whole_close) int dir = open_directory(at, PLACE);
    if (dir == -ENOENT)
        return begin(p, at, c, make);
    if (dir < 0)
        return dir;
    int r = tighten(p, dir);
    if (r == 0)
        r = settle(p, at, dir, c, make, &theirs);
    if (r > 0)
        return steal_fd(&dir);
    if (r == 0)
        r = keep(p, at, &theirs, c);
    return r < 0 ? r : begin(p, at, c, make);
}
