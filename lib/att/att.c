/* SPDX-License-Identifier: MIT */

#include "att/att.h"

#include "base/cleanup.h"

#include <stddef.h>

/*
 * The PDUs by opcode: Core 5.4, Vol 3, Part F, 3.4.8. Lengths count the opcode; where a handle
 * stands before a value, that may be empty; lists have one entry at least, those of the Read
 * Multiple requests two. The longest is what fits in the ATT_MTU, which the bearer knows.
 */
#define ATT_ANY BL_ATT_MTU_MAX

static const struct bl_att_row att_plain[] = {
    [BL_ATT_ERROR_RSP] = {BL_ATT_ERROR_RSP, BL_ATT_RESPONSE, 0, 5, 5},
    [BL_ATT_MTU_REQ] = {BL_ATT_MTU_REQ, BL_ATT_REQUEST, BL_ATT_MTU_RSP, 3, 3},
    [BL_ATT_MTU_RSP] = {BL_ATT_MTU_RSP, BL_ATT_RESPONSE, 0, 3, 3},
    [BL_ATT_FIND_INFO_REQ] = {BL_ATT_FIND_INFO_REQ, BL_ATT_REQUEST, BL_ATT_FIND_INFO_RSP, 5, 5},
    [BL_ATT_FIND_INFO_RSP] = {BL_ATT_FIND_INFO_RSP, BL_ATT_RESPONSE, 0, 6, ATT_ANY},
    [BL_ATT_FIND_BY_TYPE_REQ] = {BL_ATT_FIND_BY_TYPE_REQ, BL_ATT_REQUEST, BL_ATT_FIND_BY_TYPE_RSP,
                                 7, ATT_ANY},
    [BL_ATT_FIND_BY_TYPE_RSP] = {BL_ATT_FIND_BY_TYPE_RSP, BL_ATT_RESPONSE, 0, 5, ATT_ANY},
    [BL_ATT_READ_BY_TYPE_REQ] = {BL_ATT_READ_BY_TYPE_REQ, BL_ATT_REQUEST, BL_ATT_READ_BY_TYPE_RSP,
                                 7, 21},
    [BL_ATT_READ_BY_TYPE_RSP] = {BL_ATT_READ_BY_TYPE_RSP, BL_ATT_RESPONSE, 0, 4, ATT_ANY},
    [BL_ATT_READ_REQ] = {BL_ATT_READ_REQ, BL_ATT_REQUEST, BL_ATT_READ_RSP, 3, 3},
    [BL_ATT_READ_RSP] = {BL_ATT_READ_RSP, BL_ATT_RESPONSE, 0, 1, ATT_ANY},
    [BL_ATT_READ_BLOB_REQ] = {BL_ATT_READ_BLOB_REQ, BL_ATT_REQUEST, BL_ATT_READ_BLOB_RSP, 5, 5},
    [BL_ATT_READ_BLOB_RSP] = {BL_ATT_READ_BLOB_RSP, BL_ATT_RESPONSE, 0, 1, ATT_ANY},
    [BL_ATT_READ_MULTIPLE_REQ] = {BL_ATT_READ_MULTIPLE_REQ, BL_ATT_REQUEST,
                                  BL_ATT_READ_MULTIPLE_RSP, 5, ATT_ANY},
    [BL_ATT_READ_MULTIPLE_RSP] = {BL_ATT_READ_MULTIPLE_RSP, BL_ATT_RESPONSE, 0, 1, ATT_ANY},
    [BL_ATT_READ_BY_GROUP_REQ] = {BL_ATT_READ_BY_GROUP_REQ, BL_ATT_REQUEST,
                                  BL_ATT_READ_BY_GROUP_RSP, 7, 21},
    [BL_ATT_READ_BY_GROUP_RSP] = {BL_ATT_READ_BY_GROUP_RSP, BL_ATT_RESPONSE, 0, 6, ATT_ANY},
    [BL_ATT_WRITE_REQ] = {BL_ATT_WRITE_REQ, BL_ATT_REQUEST, BL_ATT_WRITE_RSP, 3, ATT_ANY},
    [BL_ATT_WRITE_RSP] = {BL_ATT_WRITE_RSP, BL_ATT_RESPONSE, 0, 1, 1},
    [BL_ATT_PREPARE_WRITE_REQ] = {BL_ATT_PREPARE_WRITE_REQ, BL_ATT_REQUEST,
                                  BL_ATT_PREPARE_WRITE_RSP, 5, ATT_ANY},
    [BL_ATT_PREPARE_WRITE_RSP] = {BL_ATT_PREPARE_WRITE_RSP, BL_ATT_RESPONSE, 0, 5, ATT_ANY},
    [BL_ATT_EXECUTE_WRITE_REQ] = {BL_ATT_EXECUTE_WRITE_REQ, BL_ATT_REQUEST,
                                  BL_ATT_EXECUTE_WRITE_RSP, 2, 2},
    [BL_ATT_EXECUTE_WRITE_RSP] = {BL_ATT_EXECUTE_WRITE_RSP, BL_ATT_RESPONSE, 0, 1, 1},
    [BL_ATT_NOTIFICATION] = {BL_ATT_NOTIFICATION, BL_ATT_NOTIFY, 0, 3, ATT_ANY},
    [BL_ATT_INDICATION] = {BL_ATT_INDICATION, BL_ATT_INDICATE, 0, 3, ATT_ANY},
    [BL_ATT_CONFIRMATION] = {BL_ATT_CONFIRMATION, BL_ATT_CONFIRM, 0, 1, 1},
    [BL_ATT_READ_MULTIPLE_VAR_REQ] = {BL_ATT_READ_MULTIPLE_VAR_REQ, BL_ATT_REQUEST,
                                      BL_ATT_READ_MULTIPLE_VAR_RSP, 5, ATT_ANY},
    [BL_ATT_READ_MULTIPLE_VAR_RSP] = {BL_ATT_READ_MULTIPLE_VAR_RSP, BL_ATT_RESPONSE, 0, 1, ATT_ANY},
    [BL_ATT_MULTIPLE_NOTIFICATION] = {BL_ATT_MULTIPLE_NOTIFICATION, BL_ATT_NOTIFY, 0, 5, ATT_ANY},
};

/* Those with the Command Flag. */
static const struct bl_att_row att_commands[] = {
    {BL_ATT_WRITE_CMD, BL_ATT_COMMAND, 0, 3, ATT_ANY},
    {BL_ATT_SIGNED_WRITE_CMD, BL_ATT_COMMAND, 0, 15, ATT_ANY}, /* with its 12 of signature */
};

const struct bl_att_row *bl_att_row(uint8_t opcode)
{
    if (opcode < ARRAY_LEN(att_plain) && att_plain[opcode].opcode != 0)
        return &att_plain[opcode];
    for (size_t i = 0; i < ARRAY_LEN(att_commands); i++)
        if (att_commands[i].opcode == opcode)
            return &att_commands[i];
    return NULL;
}
