/* SPDX-License-Identifier: MIT */

/* Presets: what controllers of three ages are. */

#include "air/air.h"

enum { MANUFACTURER_NONE = 0xffff }; /* for use in tests: Assigned Numbers, 7.1 */

struct bl_air_config bl_air_config_v40(void)
{
    return (struct bl_air_config){
        .public = {ADDR_PUBLIC, {0x01, 0x00, 0x00, 0xed, 0x1b, 0x00}},
        .hci_version = 6,
        .manufacturer = MANUFACTURER_NONE,
        .le_features = BL_AIR_LE_ENCRYPTION,
        .acl_len = 27,
        .acl_num = 10,
        .accept_list_size = 8,
        .max_links = 16,
    };
}

struct bl_air_config bl_air_config_v42(void)
{
    struct bl_air_config c = bl_air_config_v40();

    c.hci_version = 8;
    c.le_features |= BL_AIR_LE_PARAM_REQUEST | BL_AIR_LE_EXTENDED_REJECT |
                     BL_AIR_LE_PERIPHERAL_FEATURES | BL_AIR_LE_PING | BL_AIR_LE_DATA_LENGTH |
                     BL_AIR_LE_PRIVACY | BL_AIR_LE_EXT_SCAN_FILTER;
    c.acl_len = 251;
    c.acl_num = 6;
    c.accept_list_size = 16;
    c.resolving_list_size = 16;
    return c;
}

struct bl_air_config bl_air_config_default(void)
{
    struct bl_air_config c = bl_air_config_v42();

    c.hci_version = 12;
    c.le_features |= BL_AIR_LE_2M | BL_AIR_LE_CODED | BL_AIR_LE_EXTENDED_ADV | BL_AIR_LE_CSA2;
    c.extended = true;
    c.num_sets = 4;
    c.max_adv_data = 1650;
    c.acl_num = 8;
    c.buffer_v2 = true;
    c.accept_list_size = 32;
    c.resolving_list_size = 32;
    c.max_links = 32;
    return c;
}
