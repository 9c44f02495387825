/* SPDX-License-Identifier: MIT */

/*
 * db.c: attributes: finding, storing and removing; db_services.c has the services, db_add.c builds.
 *
 * Handles are looked up in two steps, a table of 256 pages by the high octet and a page of 256
 * pointers by the low one. Both carry a bitmap of what is there, so that the next attribute is four
 * words away in each, however empty the space between is. Pages and attributes are made with the
 * services that need them and freed with them: memory follows the number of attributes, not of
 * handles.
 *
 * Nothing in here allocates except bl_gatt_db_store() and the reservation, so that what has been
 * reserved can be put in, and anything can be removed, without failing half-way.
 */

#include "gatt/db_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { DB_PAGE = 256, DB_NONE = 256, DB_VALUE_MAX = 512 };

struct bl_gatt_page {
    uint64_t bits[4];
    struct bl_gatt_attr *attrs[DB_PAGE];
};

/* ---- bitmaps of 256 ---- */

/* The first bit that is set, from `from` on; DB_NONE: no more. */
static unsigned db_bits_next(const uint64_t bits[static 4], unsigned from)
{
    for (unsigned word = from / 64; word < 4; word++) {
        uint64_t left = bits[word];

        if (word == from / 64)
            left &= UINT64_MAX << from % 64;
        if (left != 0)
            return word * 64 + (unsigned)__builtin_ctzll(left);
    }
    return DB_NONE;
}

static void db_bits_set(uint64_t bits[static 4], unsigned i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

static void db_bits_clear(uint64_t bits[static 4], unsigned i)
{
    bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* ---- attributes and pages ---- */

struct bl_gatt_attr *bl_gatt_db_attr_new(uint16_t cap)
{
    struct bl_gatt_attr *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    if (cap > 0) {
        a->value = malloc(cap);
        if (!a->value)
            return bl_gatt_db_attr_free(a);
        a->cap = cap;
    }
    return a;
}

struct bl_gatt_attr *bl_gatt_db_attr_free(struct bl_gatt_attr *a)
{
    if (a)
        free(a->value);
    free(a);
    return NULL;
}

static void db_page_free(struct bl_gatt_db *db, unsigned i)
{
    free(db->pages[i]);
    db->pages[i] = NULL;
    db_bits_clear(db->page_bits, i);
}

int bl_gatt_db_reserve(struct bl_gatt_db *db, uint16_t start, uint16_t end)
{
    for (unsigned i = start >> 8; i <= (unsigned)end >> 8; i++) {
        if (db->pages[i])
            continue;
        db->pages[i] = calloc(1, sizeof(*db->pages[i]));
        if (!db->pages[i]) {
            bl_gatt_db_unreserve(db, start, end);
            return -ENOMEM;
        }
        db_bits_set(db->page_bits, i);
    }
    return 0;
}

void bl_gatt_db_unreserve(struct bl_gatt_db *db, uint16_t start, uint16_t end)
{
    for (unsigned i = start >> 8; i <= (unsigned)end >> 8; i++)
        if (db->pages[i] && db_bits_next(db->pages[i]->bits, 0) == DB_NONE)
            db_page_free(db, i);
}

void bl_gatt_db_put(struct bl_gatt_db *db, struct bl_gatt_attr *a)
{
    struct bl_gatt_page *page = db->pages[a->handle >> 8];

    page->attrs[a->handle & 0xff] = a;
    db_bits_set(page->bits, a->handle & 0xff);
    db->n_attrs++;
    if (a->kind == BL_GATT_ATTR_INCLUDE)
        bl_gatt_db_include_put(db, a);
}

void bl_gatt_db_drop(struct bl_gatt_db *db, struct bl_gatt_attr *a)
{
    struct bl_gatt_page *page = db->pages[a->handle >> 8];

    if (a->kind == BL_GATT_ATTR_INCLUDE)
        bl_gatt_db_include_drop(db, a);
    page->attrs[a->handle & 0xff] = NULL;
    db_bits_clear(page->bits, a->handle & 0xff);
    if (db_bits_next(page->bits, 0) == DB_NONE)
        db_page_free(db, a->handle >> 8);
    db->n_attrs--;
    bl_gatt_db_attr_free(a);
}

struct bl_gatt_attr *bl_gatt_db_get(const struct bl_gatt_db *db, uint16_t handle)
{
    const struct bl_gatt_page *page = db->pages[handle >> 8];

    return page ? page->attrs[handle & 0xff] : NULL;
}

struct bl_gatt_attr *bl_gatt_db_next(const struct bl_gatt_db *db, uint16_t handle, uint16_t end)
{
    unsigned high = handle >> 8, low = handle & 0xff;
    unsigned at = db->pages[high] ? db_bits_next(db->pages[high]->bits, low) : DB_NONE;

    if (at == DB_NONE) {
        high = high < 255 ? db_bits_next(db->page_bits, high + 1) : DB_NONE;
        if (high == DB_NONE)
            return NULL;
        at = db_bits_next(db->pages[high]->bits, 0);
        if (at == DB_NONE)
            return NULL;
    }
    return (high << 8 | at) <= end ? db->pages[high]->attrs[at] : NULL;
}

/* ---- removal ---- */

static void db_drop_range(struct bl_gatt_db *db, uint16_t start, uint16_t end)
{
    struct bl_gatt_attr *a;

    while ((a = bl_gatt_db_next(db, start, end)) != NULL)
        bl_gatt_db_drop(db, a);
}

int bl_gatt_db_remove(struct bl_gatt_db *db, uint16_t service)
{
    const struct bl_gatt_service_rec *rec = bl_gatt_db_rec(db, service);

    if (!rec)
        return -ENOENT;
    if (rec->builtin)
        return -EPERM;

    bl_gatt_db_touch(db, service, rec->end);
    db_drop_range(db, service, rec->end);
    bl_gatt_db_drop_service(db, service);
    bl_gatt_db_includes_end(db, service);
    return 0;
}

/* ---- values ---- */

static void db_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n > 0)
        memmove(to, from, n);
}

int bl_gatt_db_store(struct bl_gatt_attr *a, size_t offset, const uint8_t *value, size_t n,
                     bool keep_tail)
{
    if (a->kind != BL_GATT_ATTR_VALUE && a->kind != BL_GATT_ATTR_DESCRIPTOR)
        return -EPERM;
    if (offset > a->len)
        return -EINVAL;
    if (n > DB_VALUE_MAX - offset) /* Core 5.4, Vol 3, Part F, 3.2.9 */
        return -EMSGSIZE;

    size_t end = offset + n, len = keep_tail && a->len > end ? a->len : end;

    if (len > a->cap) { /* not realloc: value may be a part of the old one */
        uint8_t *grown = malloc(len);

        if (!grown)
            return -ENOMEM;
        db_copy(grown, a->value, offset);
        db_copy(grown + offset, value, n);
        free(a->value);
        a->value = grown;
        a->cap = (uint16_t)len;
    } else if (n > 0) {
        db_copy(a->value + offset, value, n);
    }
    a->len = (uint16_t)len;
    if (a->max < len)
        a->max = (uint16_t)len;
    return 0;
}

/* ---- life and changes ---- */

int bl_gatt_db_init(struct bl_gatt_db *db)
{
    *db = (struct bl_gatt_db){0};
    return 0;
}

void bl_gatt_db_deinit(struct bl_gatt_db *db)
{
    db->n_includes = 0; /* no need to keep them in order */
    db_drop_range(db, 1, UINT16_MAX);
    free(db->services);
    free(db->includes);
    *db = (struct bl_gatt_db){0};
}

void bl_gatt_db_touch(struct bl_gatt_db *db, uint16_t start, uint16_t end)
{
    if (db->changed_start == 0 || start < db->changed_start)
        db->changed_start = start;
    if (end > db->changed_end)
        db->changed_end = end;
    db->hash_valid = false;
    db->generation++;
}

bool bl_gatt_db_changes(struct bl_gatt_db *db, uint16_t *ret_start, uint16_t *ret_end)
{
    if (db->changed_start == 0)
        return false;
    *ret_start = db->changed_start;
    *ret_end = db->changed_end;
    db->changed_start = db->changed_end = 0;
    return true;
}
