/* SPDX-License-Identifier: MIT */

/*
 * builtin.c: the services that every GATT server has, at handles that never change.
 *
 *      1  GAP service                              Core 5.4, Vol 3, Part C, 12
 *      2   3  Device Name                          read; write where the configuration says so
 *      4   5  Appearance                           read
 *      6   7  Peripheral Preferred Connection Parameters   read
 *      8  GATT service                             Core 5.4, Vol 3, Part G, 7
 *      9  10  Service Changed                      indicate
 *         11  its CCCD
 *     12  13  Client Supported Features            read, write
 *     14  15  Database Hash                        read
 *     16  17  Server Supported Features            read
 *
 * The database holds the values of the GAP service and of Server Supported Features (one octet: no
 * EATT). What it holds of the others is never read: Service Changed is only ever indicated, Client
 * Supported Features are each client's own (bl_gatts_conn.features), the Database Hash is computed
 * when somebody reads it. The server serves those by their handles in struct bl_gatts.
 */

#include "base/cleanup.h"
#include "base/wr.h"
#include "gatt/db_internal.h"
#include "gatt/gatt.h"

enum {
    BUILTIN_GAP = 1,
    BUILTIN_NAME = 3,
    BUILTIN_APPEARANCE = 5,
    BUILTIN_PREFERRED = 7,
    BUILTIN_GATT = 8,
    BUILTIN_SERVICE_CHANGED = 10,
    BUILTIN_CLIENT_FEATURES = 13,
    BUILTIN_HASH = 15,

    BUILTIN_NAME_MAX = 248,         /* Core 5.4, Vol 3, Part C, 12.1 */
    BUILTIN_NO_PREFERENCE = 0xffff, /* Core 5.4, Vol 3, Part C, 12.3 */
    BUILTIN_CHARACTERISTICS = 4,    /* the most in one service */
};

struct builtin_row {
    uint16_t uuid, flags, len; /* len: the most there can be */
};

static const struct builtin_row builtin_gap[] = {
    {0x2a00, BL_GATT_READ, BUILTIN_NAME_MAX},
    {0x2a01, BL_GATT_READ, 2},
    {0x2a04, BL_GATT_READ, 8},
};

static const struct builtin_row builtin_gatt[] = {
    {0x2a05, BL_GATT_INDICATE, 4},
    {0x2b29, BL_GATT_READ | BL_GATT_WRITE, 1},
    {0x2b2a, BL_GATT_READ, 16},
    {0x2b3a, BL_GATT_READ, 1},
};

/* All values begin as zeros and as long as they ever get: what the configuration says later on is
 * stored without needing memory. */
static int builtin_add(struct bl_gatt_db *db, uint16_t handle, uint16_t uuid,
                       const struct builtin_row *rows, size_t n)
{
    static const uint8_t zeros[BUILTIN_NAME_MAX];
    struct bl_gatts_characteristic chars[BUILTIN_CHARACTERISTICS] = {0};

    for (size_t i = 0; i < n; i++)
        chars[i] = (struct bl_gatts_characteristic){.uuid = bl_uuid_from16(rows[i].uuid),
                                                    .flags = rows[i].flags,
                                                    .value = zeros,
                                                    .len = rows[i].len,
                                                    .max_len = rows[i].len};

    const struct bl_gatts_service def = {.uuid = bl_uuid_from16(uuid),
                                         .handle = handle,
                                         .characteristics = chars,
                                         .n_characteristics = n};

    return bl_gatt_db_add(db, &def, true, NULL, NULL);
}

int bl_gatts_builtin_init(struct bl_gatt *g)
{
    uint16_t start, end;
    int r = builtin_add(&g->db, BUILTIN_GAP, 0x1800, builtin_gap, ARRAY_LEN(builtin_gap));

    if (r == 0)
        r = builtin_add(&g->db, BUILTIN_GATT, 0x1801, builtin_gatt, ARRAY_LEN(builtin_gatt));
    if (r < 0)
        return r;
    g->server.device_name = BUILTIN_NAME;
    g->server.appearance = BUILTIN_APPEARANCE;
    g->server.preferred_parameters = BUILTIN_PREFERRED;
    g->server.service_changed = BUILTIN_SERVICE_CHANGED;
    g->server.client_features = BUILTIN_CLIENT_FEATURES;
    g->server.database_hash = BUILTIN_HASH;
    bl_gatts_builtin_configured(g, 0);
    bl_gatt_db_changes(&g->db, &start, &end); /* nobody has seen it otherwise */
    return 0;
}

/* The values have room since builtin_add(), so that storing cannot fail. */
static void builtin_store(struct bl_gatt_db *db, uint16_t handle, const void *value, size_t n)
{
    (void)bl_gatt_db_store(bl_gatt_db_get(db, handle), 0, value, n, false);
}

/* The property is a part of the characteristic's declaration, which clients may have cached. */
static void builtin_set_writable(struct bl_gatt_db *db, bool writable)
{
    struct bl_gatt_attr *name = bl_gatt_db_get(db, BUILTIN_NAME);
    uint32_t flags = writable ? BL_GATT_READ | BL_GATT_WRITE : BL_GATT_READ;

    if (name->flags == flags)
        return;
    name->flags = flags;
    bl_gatt_db_get(db, BUILTIN_NAME - 1)->value[0] = (uint8_t)flags;
    bl_gatt_db_touch(db, BUILTIN_GAP, BUILTIN_GATT - 1);
}

/* Core 5.4, Vol 3, Part C, 12.3; a latency of 0 is a preference like any other. */
static uint16_t builtin_preference(uint16_t v)
{
    return v ? v : BUILTIN_NO_PREFERENCE;
}

void bl_gatts_builtin_configured(struct bl_gatt *g, uint64_t now)
{
    const struct bl_config *config = g->config;
    uint8_t octets[8];
    struct wr appearance = wr_make(octets, 2), preferred = wr_make(octets, 8);

    (void)now; /* the next bl_gatt_step() tells the clients */
    builtin_store(&g->db, BUILTIN_NAME, config->gap_name,
                  strnlen(config->gap_name, BUILTIN_NAME_MAX));
    wr_u16(&appearance, config->appearance);
    builtin_store(&g->db, BUILTIN_APPEARANCE, octets, appearance.len);
    wr_u16(&preferred, builtin_preference(config->preferred_min));
    wr_u16(&preferred, builtin_preference(config->preferred_max));
    wr_u16(&preferred, config->preferred_latency);
    wr_u16(&preferred, builtin_preference(config->preferred_timeout));
    builtin_store(&g->db, BUILTIN_PREFERRED, octets, preferred.len);
    builtin_set_writable(&g->db, config->name_writable);
}
