/* SPDX-License-Identifier: MIT */
/*
 * What else may be in the directory: "controller" (bonds_place.c), NAME.tmp of a write that a crash
 * has cut, removed by bonds_disk_list(), NAME.asideN, left alone, and things of other people, left
 * alone and told.
 */
#include "bonds_disk.h"
#include "base/cleanup.h"
#include "bounds.h"
#include "log.h"
#include "whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bonds_disk_read(int dir, const struct bl_addr *identity, struct bl_bond *ret)
{
    char name[BONDS_FILE_NAME_MAX], text[BONDS_FILE_MAX];
    size_t n;
    *ret = (struct bl_bond){0};
    int r = whole_read(dir, bonds_file_name(identity, name), text, sizeof(text), &n);
    if (r == 0 && (!bonds_file_parse(text, n, ret) || !bl_addr_eq(&ret->identity, identity)))
        r = -EBADMSG;
    if (r < 0)
        explicit_bzero(ret, sizeof(*ret));
    explicit_bzero(text, sizeof(text));
    return r;
}

static int set_aside(const struct bonds_place *p, int dir, const struct bl_addr *identity,
                     const char *why)
{
    char name[BONDS_FILE_NAME_MAX], aside[WHOLE_NAME];
    int r = whole_aside(dir, bonds_file_name(identity, name), aside);
    if (r == 0)
        log_msg(LOG_WARN, p->name, "%s/%s/bonds/%s %s: kept as %s; that peer must pair again",
                p->state_dir, p->name, name, why, aside);
    else
        log_msg(LOG_ERROR, p->name, "%s/%s/bonds/%s %s, and cannot be set aside: %s", p->state_dir,
                p->name, name, why, strerror(-r));
    return r;
}

/* What is not a bond, or cannot be read for good, is not overwritten. */
static int make_room(const struct bonds_place *p, int dir, const struct bl_addr *identity)
{
    struct bl_bond was;
    int r = bonds_disk_read(dir, identity, &was);
    explicit_bzero(&was, sizeof(was));
    if (r == -EBADMSG)
        return set_aside(p, dir, identity, "is torn or no bond of that peer");
    if (r == -EIO || r == -EACCES)
        return set_aside(p, dir, identity, "cannot be read");
    return r == -ENOENT ? 0 : r;
}

uint32_t bonds_disk_ahead(const struct bl_bond *bond)
{
    uint32_t room = UINT32_MAX - bond->local_counter;
    if (!bond->has_local_csrk)
        return bond->local_counter;
    return bond->local_counter + (room < BONDS_AHEAD ? room : BONDS_AHEAD);
}

int bonds_disk_store(const struct bonds_place *p, int dir, const struct bl_bond *bond)
{
    char name[BONDS_FILE_NAME_MAX], text[BONDS_FILE_MAX];
    struct bl_bond copy = *bond;
    copy.local_counter = bonds_disk_ahead(bond);
    size_t n = bonds_file_format(&copy, text);
    int r = n > 0 ? make_room(p, dir, &bond->identity) : -EPROTO;
    if (r == 0)
        r = whole_write(dir, bonds_file_name(&bond->identity, name), text, n);
    explicit_bzero(&copy, sizeof(copy));
    explicit_bzero(text, sizeof(text));
    return r;
}

int bonds_disk_delete(const struct bonds_place *p, int dir, const struct bl_addr *identity)
{
    char name[BONDS_FILE_NAME_MAX];
    if (unlinkat(dir, bonds_file_name(identity, name), 0) < 0) {
        if (errno == EISDIR)
            return set_aside(p, dir, identity, "is no file");
        if (errno != ENOENT)
            return -errno;
    }
    return whole_sync(dir);
}

/* ---- all of them ---- */

struct listing {
    const struct bonds_place *place;
    int dir;
    struct bl_bond **bonds;
    size_t n, beyond, foreign;
    char first_foreign[NAME_MAX + 1];
};

static bool is_ours(const char *name, size_t n)
{
    char stem[WHOLE_STEM];
    struct bl_addr identity;
    if (n >= sizeof(stem))
        return false;
    memcpy(stem, name, n);
    stem[n] = '\0';
    return strcmp(stem, BONDS_FILE_CONTROLLER) == 0 || bonds_file_named(stem, &identity);
}

static bool is_temporary(const char *name)
{
    size_t n = strlen(name), tail = strlen(WHOLE_TEMPORARY);
    return n > tail && strcmp(name + n - tail, WHOLE_TEMPORARY) == 0 && is_ours(name, n - tail);
}

/* Ours, or what was set aside. */
static bool is_known(const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot && strncmp(dot, ".aside", 6) != 0)
        return false;
    return is_ours(name, dot ? (size_t)(dot - name) : strlen(name));
}

static void list_one(struct listing *l, const struct bl_addr *identity, const char *name)
{
    const struct bonds_place *p = l->place;
    if (l->n == BL_MAX_BONDS) {
        l->beyond++;
        return;
    }
    struct bl_bond *bond = calloc(1, sizeof(*bond));
    int r = bond ? bonds_disk_read(l->dir, identity, bond) : -ENOMEM;
    if (r == 0)
        l->bonds[l->n++] = bond;
    else
        free(bond); /* all zeros */
    if (r == 0)
        return;
    if (r == -EBADMSG)
        (void)set_aside(p, l->dir, identity, "is torn or no bond of that peer");
    else if (r != -ENOENT)
        log_msg(LOG_ERROR, p->name, "%s/%s/bonds/%s cannot be read: %s; left as it is",
                p->state_dir, p->name, name, strerror(-r));
}

static void list_name(struct listing *l, const char *name)
{
    struct bl_addr identity;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    if (bonds_file_named(name, &identity)) {
        list_one(l, &identity, name);
    } else if (is_temporary(name)) {
        if (unlinkat(l->dir, name, 0) == 0)
            log_msg(LOG_INFORM, l->place->name, "removed %s/%s/bonds/%s, which was cut short",
                    l->place->state_dir, l->place->name, name);
    } else if (!is_known(name)) {
        if (l->foreign++ == 0)
            snprintf(l->first_foreign, sizeof(l->first_foreign), "%s", name);
    }
}

static void tell_listing(const struct listing *l)
{
    const struct bonds_place *p = l->place;
    if (l->foreign > 0)
        log_msg(LOG_WARN, p->name, "%s/%s/bonds: %zu names are none of ours and left alone, as %s",
                p->state_dir, p->name, l->foreign, l->first_foreign);
    if (l->beyond > 0)
        log_msg(LOG_ERROR, p->name,
                "%s/%s/bonds: %zu bonds are not loaded, there may be %d at most; remove some",
                p->state_dir, p->name, l->beyond, BL_MAX_BONDS);
}

static int by_last_seen(const void *a, const void *b)
{
    const struct bl_bond *x = *(struct bl_bond *const *)a, *y = *(struct bl_bond *const *)b;
    if (x->last_seen != y->last_seen)
        return x->last_seen < y->last_seen ? -1 : 1;
    if (x->identity.type != y->identity.type)
        return x->identity.type < y->identity.type ? -1 : 1;
    return memcmp(x->identity.b, y->identity.b, sizeof(x->identity.b));
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int list_all(struct listing *l)
{
    int fd = openat(l->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int error = errno;
        whole_close(&fd);
        return -error;
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return -errno;
        list_name(l, e->d_name);
    }
}

/* Pointers are what is sorted: qsort() leaves copies of what it moves about. */
int bonds_disk_list(const struct bonds_place *p, int dir, struct bl_bond ***ret, size_t *ret_n)
{
    struct listing l = {.place = p, .dir = dir};
    l.bonds = calloc(BL_MAX_BONDS, sizeof(struct bl_bond *));
    if (!l.bonds)
        return -ENOMEM;
    int r = list_all(&l);
    if (r < 0) {
        bonds_disk_free(l.bonds, l.n);
        return r;
    }
    tell_listing(&l);
    qsort(l.bonds, l.n, sizeof(struct bl_bond *), by_last_seen);
    *ret = l.bonds;
    *ret_n = l.n;
    return 0;
}

void bonds_disk_free(struct bl_bond **bonds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        explicit_bzero(bonds[i], sizeof(*bonds[i]));
        free(bonds[i]);
    }
    free(bonds);
}
