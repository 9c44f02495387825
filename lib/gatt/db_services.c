/* SPDX-License-Identifier: MIT */

/*
 * db_services.c: where services begin and end, and which of them include which.
 *
 * Services stand in an array by their first handle, searched by halves. The first n_dense of them
 * leave no handle free before them or between them, so that a place is looked for behind those
 * only. Include declarations are indexed by the service that they name: a service that grows or
 * goes finds them without looking at anybody else.
 */

#include "gatt/db_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- arrays ---- */

/* Room for n elements of that size: the array, moved maybe, or NULL and the old one stays. */
static void *services_room(void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap : 8;

    if (n <= *cap)
        return array;
    while (more < n)
        more *= 2;

    void *moved = realloc(array, more * size);

    if (moved)
        *cap = more;
    return moved;
}

/* ---- services ---- */

/* The index of the first service that starts at `handle` or after; n_services: none. */
static size_t services_index(const struct bl_gatt_db *db, unsigned handle)
{
    size_t low = 0, high = db->n_services;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (db->services[middle].start < handle)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct bl_gatt_service_rec *bl_gatt_db_next_service(const struct bl_gatt_db *db,
                                                          uint16_t handle)
{
    size_t i = services_index(db, handle);

    return i < db->n_services ? &db->services[i] : NULL;
}

struct bl_gatt_service_rec *bl_gatt_db_rec(const struct bl_gatt_db *db, uint16_t start)
{
    size_t i = services_index(db, start);

    return i < db->n_services && db->services[i].start == start ? &db->services[i] : NULL;
}

const struct bl_gatt_service_rec *bl_gatt_db_service(const struct bl_gatt_db *db, uint16_t start)
{
    return bl_gatt_db_rec(db, start);
}

int bl_gatt_db_reserve_service(struct bl_gatt_db *db)
{
    void *room =
        services_room(db->services, db->n_services + 1, &db->cap_services, sizeof(*db->services));

    if (!room)
        return -ENOMEM;
    db->services = room;
    return 0;
}

void bl_gatt_db_put_service(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec)
{
    size_t i = services_index(db, rec->start); /* not below n_dense: no handle is free there */

    memmove(&db->services[i + 1], &db->services[i], (db->n_services - i) * sizeof(*db->services));
    db->services[i] = *rec;
    db->n_services++;
}

void bl_gatt_db_drop_service(struct bl_gatt_db *db, uint16_t start)
{
    size_t i = services_index(db, start);

    db->n_services--;
    memmove(&db->services[i], &db->services[i + 1], (db->n_services - i) * sizeof(*db->services));
    if (db->n_dense > i)
        db->n_dense = i;
}

/* ---- places ---- */

static unsigned services_behind_dense(const struct bl_gatt_db *db)
{
    return db->n_dense ? db->services[db->n_dense - 1].end + 1u : 1;
}

int bl_gatt_db_find_place(struct bl_gatt_db *db, size_t n, uint32_t from, uint16_t *ret)
{
    while (db->n_dense < db->n_services &&
           db->services[db->n_dense].start == services_behind_dense(db))
        db->n_dense++;

    unsigned at = services_behind_dense(db);

    if (at <= db->reserved)
        at = db->reserved + 1u;
    if (at < from)
        at = from;
    for (size_t i = db->n_dense; i < db->n_services; i++) {
        const struct bl_gatt_service_rec *s = &db->services[i];

        if (s->start > at && s->start - at >= n)
            break;
        if (s->end >= at)
            at = s->end + 1u;
    }
    if (at + n - 1 > BL_GATT_HANDLE_MAX)
        return -ENOSPC;
    *ret = (uint16_t)at;
    return 0;
}

int bl_gatt_db_check_place(const struct bl_gatt_db *db, size_t n, uint16_t handle, bool builtin)
{
    if (handle <= db->reserved && !builtin)
        return -EEXIST;
    if (handle + n - 1 > BL_GATT_HANDLE_MAX)
        return -ENOSPC;

    size_t i = services_index(db, handle);

    /* the one that starts before it, and the first that does not */
    if (i > 0 && db->services[i - 1].end >= handle)
        return -EEXIST;
    return i < db->n_services && db->services[i].start < handle + n ? -EEXIST : 0;
}

/* ---- includes ---- */

static uint16_t include_names(const struct bl_gatt_attr *a)
{
    return (uint16_t)(a->value[0] | a->value[1] << 8);
}

/* Where the include at `handle` stands that names `service`, or would. */
static size_t include_index(const struct bl_gatt_db *db, uint16_t service, uint16_t handle)
{
    size_t low = 0, high = db->n_includes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct bl_gatt_include *at = &db->includes[middle];

        if (at->service < service || (at->service == service && at->handle < handle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int bl_gatt_db_reserve_includes(struct bl_gatt_db *db, size_t n)
{
    if (n == 0)
        return 0;

    void *room =
        services_room(db->includes, db->n_includes + n, &db->cap_includes, sizeof(*db->includes));

    if (!room)
        return -ENOMEM;
    db->includes = room;
    return 0;
}

void bl_gatt_db_include_put(struct bl_gatt_db *db, const struct bl_gatt_attr *a)
{
    size_t i = include_index(db, include_names(a), a->handle);

    memmove(&db->includes[i + 1], &db->includes[i], (db->n_includes - i) * sizeof(*db->includes));
    db->includes[i] = (struct bl_gatt_include){include_names(a), a->handle};
    db->n_includes++;
}

void bl_gatt_db_include_drop(struct bl_gatt_db *db, const struct bl_gatt_attr *a)
{
    size_t i = include_index(db, include_names(a), a->handle);

    if (i == db->n_includes || db->includes[i].handle != a->handle)
        return; /* all are being forgotten */
    db->n_includes--;
    memmove(&db->includes[i], &db->includes[i + 1], (db->n_includes - i) * sizeof(*db->includes));
}

void bl_gatt_db_includes_follow(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec)
{
    for (size_t i = include_index(db, rec->start, 0);
         i < db->n_includes && db->includes[i].service == rec->start; i++) {
        struct bl_gatt_attr *a = bl_gatt_db_get(db, db->includes[i].handle);
        const struct bl_gatt_service_rec *includer = bl_gatt_db_rec(db, a->group);

        a->value[2] = (uint8_t)rec->end;
        a->value[3] = (uint8_t)(rec->end >> 8);
        bl_gatt_db_touch(db, includer->start, includer->end);
    }
}

/* The service's last attribute is no more: it ends with the one before, its declaration at least,
 * and its own includers say so. */
static void services_shrink(struct bl_gatt_db *db, struct bl_gatt_service_rec *s)
{
    size_t i = (size_t)(s - db->services);

    while (!bl_gatt_db_get(db, s->end))
        s->end--;
    if (db->n_dense > i + 1)
        db->n_dense = i + 1;
    bl_gatt_db_includes_follow(db, s);
}

void bl_gatt_db_includes_end(struct bl_gatt_db *db, uint16_t service)
{
    size_t first = include_index(db, service, 0), i = first;

    while (i < db->n_includes && db->includes[i].service == service)
        i++;
    while (i-- > first) { /* from the last on: each takes itself out of the index */
        struct bl_gatt_attr *a = bl_gatt_db_get(db, db->includes[i].handle);
        struct bl_gatt_service_rec *s = bl_gatt_db_rec(db, a->group);
        bool last = a->handle == s->end;

        bl_gatt_db_touch(db, s->start, s->end);
        bl_gatt_db_drop(db, a);
        if (last)
            services_shrink(db, s);
    }
}
