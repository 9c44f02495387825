/* SPDX-License-Identifier: MIT */

/* The table of commands, in the order of their opcodes. */

#include "hci/cmd.h"

#include "base/cleanup.h"

#define BIT(octet, bit) ((octet)*8 + (bit)) /* Core 5.4, Vol 4, Part E, 6.27 */
#define ALWAYS          0xffff
#define STATUS          true
#define COMPLETE        false

/* clang-format off */
static const struct bl_cmd_row cmd_rows[] = {
    /* opcode, parameters from, to, return parameters from, supported commands, answered by, name */
    {BL_CMD_DISCONNECT, 3, 3, 0, BIT(0, 5), STATUS, "Disconnect"},
    {BL_CMD_READ_REMOTE_VERSION, 2, 2, 0, BIT(2, 7), STATUS, "Read Remote Version Information"},
    {BL_CMD_SET_EVENT_MASK, 8, 8, 1, BIT(5, 6), COMPLETE, "Set Event Mask"},
    {BL_CMD_RESET, 0, 0, 1, ALWAYS, COMPLETE, "Reset"},
    {BL_CMD_SET_EVENT_MASK_PAGE_2, 8, 8, 1, BIT(22, 2), COMPLETE, "Set Event Mask Page 2"},
    {BL_CMD_WRITE_LE_HOST_SUPPORT, 2, 2, 1, BIT(24, 6), COMPLETE, "Write LE Host Support"},
    {BL_CMD_READ_LOCAL_VERSION, 0, 0, 9, ALWAYS, COMPLETE, "Read Local Version Information"},
    {BL_CMD_READ_LOCAL_COMMANDS, 0, 0, 65, ALWAYS, COMPLETE, "Read Local Supported Commands"},
    {BL_CMD_READ_LOCAL_FEATURES, 0, 0, 9, ALWAYS, COMPLETE, "Read Local Supported Features"},
    {BL_CMD_READ_BUFFER_SIZE, 0, 0, 8, BIT(14, 7), COMPLETE, "Read Buffer Size"},
    {BL_CMD_READ_BD_ADDR, 0, 0, 7, ALWAYS, COMPLETE, "Read BD_ADDR"},
    {BL_CMD_READ_RSSI, 2, 2, 4, BIT(15, 5), COMPLETE, "Read RSSI"},
    {BL_CMD_LE_SET_EVENT_MASK, 8, 8, 1, BIT(25, 0), COMPLETE, "LE Set Event Mask"},
    {BL_CMD_LE_READ_BUFFER_SIZE, 0, 0, 4, BIT(25, 1), COMPLETE, "LE Read Buffer Size"},
    {BL_CMD_LE_READ_FEATURES, 0, 0, 9, BIT(25, 2), COMPLETE, "LE Read Local Supported Features"},
    {BL_CMD_LE_SET_RANDOM_ADDRESS, 6, 6, 1, BIT(25, 4), COMPLETE, "LE Set Random Address"},
    {BL_CMD_LE_SET_ADV_PARAMS, 15, 15, 1, BIT(25, 5), COMPLETE, "LE Set Advertising Parameters"},
    {BL_CMD_LE_READ_ADV_TX_POWER, 0, 0, 2, BIT(25, 6), COMPLETE,
     "LE Read Advertising Physical Channel Tx Power"},
    {BL_CMD_LE_SET_ADV_DATA, 32, 32, 1, BIT(25, 7), COMPLETE, "LE Set Advertising Data"},
    {BL_CMD_LE_SET_SCAN_RSP_DATA, 32, 32, 1, BIT(26, 0), COMPLETE, "LE Set Scan Response Data"},
    {BL_CMD_LE_SET_ADV_ENABLE, 1, 1, 1, BIT(26, 1), COMPLETE, "LE Set Advertising Enable"},
    {BL_CMD_LE_SET_SCAN_PARAMS, 7, 7, 1, BIT(26, 2), COMPLETE, "LE Set Scan Parameters"},
    {BL_CMD_LE_SET_SCAN_ENABLE, 2, 2, 1, BIT(26, 3), COMPLETE, "LE Set Scan Enable"},
    {BL_CMD_LE_CREATE_CONNECTION, 25, 25, 0, BIT(26, 4), STATUS, "LE Create Connection"},
    {BL_CMD_LE_CREATE_CONNECTION_CANCEL, 0, 0, 1, BIT(26, 5), COMPLETE,
     "LE Create Connection Cancel"},
    {BL_CMD_LE_READ_ACCEPT_LIST_SIZE, 0, 0, 2, BIT(26, 6), COMPLETE,
     "LE Read Filter Accept List Size"},
    {BL_CMD_LE_CLEAR_ACCEPT_LIST, 0, 0, 1, BIT(26, 7), COMPLETE, "LE Clear Filter Accept List"},
    {BL_CMD_LE_ADD_ACCEPT_LIST, 7, 7, 1, BIT(27, 0), COMPLETE,
     "LE Add Device To Filter Accept List"},
    {BL_CMD_LE_REMOVE_ACCEPT_LIST, 7, 7, 1, BIT(27, 1), COMPLETE,
     "LE Remove Device From Filter Accept List"},
    {BL_CMD_LE_CONNECTION_UPDATE, 14, 14, 0, BIT(27, 2), STATUS, "LE Connection Update"},
    {BL_CMD_LE_READ_REMOTE_FEATURES, 2, 2, 0, BIT(27, 5), STATUS, "LE Read Remote Features"},
    {BL_CMD_LE_ENABLE_ENCRYPTION, 28, 28, 0, BIT(28, 0), STATUS, "LE Enable Encryption"},
    {BL_CMD_LE_LTK_REPLY, 18, 18, 3, BIT(28, 1), COMPLETE, "LE Long Term Key Request Reply"},
    {BL_CMD_LE_LTK_NEGATIVE_REPLY, 2, 2, 3, BIT(28, 2), COMPLETE,
     "LE Long Term Key Request Negative Reply"},
    {BL_CMD_LE_READ_SUPPORTED_STATES, 0, 0, 9, BIT(28, 3), COMPLETE, "LE Read Supported States"},
    {BL_CMD_LE_PARAM_REQUEST_REPLY, 14, 14, 3, BIT(33, 4), COMPLETE,
     "LE Remote Connection Parameter Request Reply"},
    {BL_CMD_LE_PARAM_REQUEST_NEGATIVE_REPLY, 3, 3, 3, BIT(33, 5), COMPLETE,
     "LE Remote Connection Parameter Request Negative Reply"},
    {BL_CMD_LE_SET_DATA_LENGTH, 6, 6, 3, BIT(33, 6), COMPLETE, "LE Set Data Length"},
    {BL_CMD_LE_READ_SUGGESTED_DATA_LENGTH, 0, 0, 5, BIT(33, 7), COMPLETE,
     "LE Read Suggested Default Data Length"},
    {BL_CMD_LE_WRITE_SUGGESTED_DATA_LENGTH, 4, 4, 1, BIT(34, 0), COMPLETE,
     "LE Write Suggested Default Data Length"},
    {BL_CMD_LE_ADD_RESOLVING_LIST, 39, 39, 1, BIT(34, 3), COMPLETE,
     "LE Add Device To Resolving List"},
    {BL_CMD_LE_REMOVE_RESOLVING_LIST, 7, 7, 1, BIT(34, 4), COMPLETE,
     "LE Remove Device From Resolving List"},
    {BL_CMD_LE_CLEAR_RESOLVING_LIST, 0, 0, 1, BIT(34, 5), COMPLETE, "LE Clear Resolving List"},
    {BL_CMD_LE_READ_RESOLVING_LIST_SIZE, 0, 0, 2, BIT(34, 6), COMPLETE,
     "LE Read Resolving List Size"},
    {BL_CMD_LE_READ_LOCAL_RPA, 7, 7, 7, BIT(35, 0), COMPLETE,
     "LE Read Local Resolvable Address"},
    {BL_CMD_LE_SET_ADDRESS_RESOLUTION, 1, 1, 1, BIT(35, 1), COMPLETE,
     "LE Set Address Resolution Enable"},
    {BL_CMD_LE_SET_RPA_TIMEOUT, 2, 2, 1, BIT(35, 2), COMPLETE,
     "LE Set Resolvable Private Address Timeout"},
    {BL_CMD_LE_READ_MAX_DATA_LENGTH, 0, 0, 9, BIT(35, 3), COMPLETE, "LE Read Maximum Data Length"},
    {BL_CMD_LE_READ_PHY, 2, 2, 5, BIT(35, 4), COMPLETE, "LE Read PHY"},
    {BL_CMD_LE_SET_DEFAULT_PHY, 3, 3, 1, BIT(35, 5), COMPLETE, "LE Set Default PHY"},
    {BL_CMD_LE_SET_PHY, 7, 7, 0, BIT(35, 6), STATUS, "LE Set PHY"},
    {BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS, 7, 7, 1, BIT(36, 1), COMPLETE,
     "LE Set Advertising Set Random Address"},
    {BL_CMD_LE_SET_EXT_ADV_PARAMS, 25, 25, 2, BIT(36, 2), COMPLETE,
     "LE Set Extended Advertising Parameters"},
    {BL_CMD_LE_SET_EXT_ADV_DATA, 4, 255, 1, BIT(36, 3), COMPLETE,
     "LE Set Extended Advertising Data"},
    {BL_CMD_LE_SET_EXT_SCAN_RSP_DATA, 4, 255, 1, BIT(36, 4), COMPLETE,
     "LE Set Extended Scan Response Data"},
    {BL_CMD_LE_SET_EXT_ADV_ENABLE, 2, 254, 1, BIT(36, 5), COMPLETE,
     "LE Set Extended Advertising Enable"},
    {BL_CMD_LE_READ_MAX_ADV_DATA, 0, 0, 3, BIT(36, 6), COMPLETE,
     "LE Read Maximum Advertising Data Length"},
    {BL_CMD_LE_READ_ADV_SETS, 0, 0, 2, BIT(36, 7), COMPLETE,
     "LE Read Number of Supported Advertising Sets"},
    {BL_CMD_LE_REMOVE_ADV_SET, 1, 1, 1, BIT(37, 0), COMPLETE, "LE Remove Advertising Set"},
    {BL_CMD_LE_CLEAR_ADV_SETS, 0, 0, 1, BIT(37, 1), COMPLETE, "LE Clear Advertising Sets"},
    {BL_CMD_LE_SET_EXT_SCAN_PARAMS, 8, 13, 1, BIT(37, 5), COMPLETE,
     "LE Set Extended Scan Parameters"},
    {BL_CMD_LE_SET_EXT_SCAN_ENABLE, 6, 6, 1, BIT(37, 6), COMPLETE, "LE Set Extended Scan Enable"},
    {BL_CMD_LE_EXT_CREATE_CONNECTION, 26, 58, 0, BIT(37, 7), STATUS,
     "LE Extended Create Connection"},
    {BL_CMD_LE_SET_PRIVACY_MODE, 8, 8, 1, BIT(39, 2), COMPLETE, "LE Set Privacy Mode"},
    {BL_CMD_LE_READ_BUFFER_SIZE_V2, 0, 0, 7, BIT(41, 5), COMPLETE, "LE Read Buffer Size [v2]"},
    {BL_CMD_LE_SET_HOST_FEATURE, 2, 2, 1, BIT(44, 1), COMPLETE, "LE Set Host Feature"},
};
/* clang-format on */

const struct bl_cmd_row *bl_cmd_row(uint16_t opcode)
{
    size_t low = 0, high = ARRAY_LEN(cmd_rows);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cmd_rows[middle].opcode == opcode)
            return &cmd_rows[middle];
        if (cmd_rows[middle].opcode < opcode)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct bl_cmd_row *bl_cmd_row_at(size_t index)
{
    return index < ARRAY_LEN(cmd_rows) ? &cmd_rows[index] : NULL;
}
