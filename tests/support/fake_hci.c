/* SPDX-License-Identifier: MIT */

/* fake_hci: see the header. */

#include "fake_hci.h"

#include "base/cleanup.h"
#include "hci/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bl_hci *fake_hci_new(bool extended)
{
    struct bl_hci *hci = calloc(1, sizeof(*hci));

    if (!hci)
        abort();
    hci->caps = (struct bl_hci_caps){
        .hci_version = 0x0d,
        .le_features = UINT64_C(1) << BL_LE_ENCRYPTION | UINT64_C(1) << BL_LE_PARAM_REQUEST |
                       UINT64_C(1) << BL_LE_DATA_LENGTH | UINT64_C(1) << BL_LE_PRIVACY,
        .public_addr = {ADDR_PUBLIC, {0x55, 0x44, 0x33, 0x22, 0x11, 0x00}},
        .acl_len = 251,
        .acl_num = 8,
        .accept_list = 16,
        .resolving_list = 16,
        .adv_data_max = extended ? 1650 : 31,
        .adv_sets = extended ? 3 : 1,
        .max_tx_octets = 251,
        .max_tx_time = 2120,
        .max_rx_octets = 251,
        .max_rx_time = 2120,
        .extended = extended,
    };
    if (extended)
        hci->caps.le_features |= UINT64_C(1) << BL_LE_EXTENDED_ADV | UINT64_C(1) << BL_LE_2M |
                                 UINT64_C(1) << BL_LE_CODED;
    return hci;
}

void fake_hci_free(struct bl_hci *hci)
{
    free(hci);
}

void fake_hci_deny(struct bl_hci *hci, uint16_t opcode)
{
    if (hci->n_unsupported == ARRAY_LEN(hci->unsupported))
        abort();
    hci->unsupported[hci->n_unsupported++] = opcode;
}

const struct fake_cmd *fake_hci_take(struct bl_hci *hci)
{
    return hci->taken < hci->n_commands ? &hci->commands[hci->taken++] : NULL;
}

const struct fake_sent *fake_hci_take_sent(struct bl_hci *hci)
{
    return hci->sent_taken < hci->n_sent ? &hci->sent[hci->sent_taken++] : NULL;
}

struct bl_hci_reply fake_hci_reply(const struct fake_cmd *cmd, uint8_t status, const void *returned,
                                   size_t n)
{
    return (struct bl_hci_reply){.owner = cmd->owner,
                                 .arg = cmd->arg,
                                 .opcode = cmd->opcode,
                                 .status = status,
                                 .params = rd_make(returned, n)};
}

struct bl_hci_reply fake_hci_lost(const struct fake_cmd *cmd)
{
    struct bl_hci_reply reply = fake_hci_reply(cmd, BL_HCI_UNSPECIFIED, NULL, 0);

    reply.lost = true;
    return reply;
}

/* ---- lib/hci's functions ---- */

const struct bl_hci_caps *bl_hci_caps(const struct bl_hci *hci)
{
    return &hci->caps;
}

bool bl_hci_has_feature(const struct bl_hci *hci, unsigned bit)
{
    return hci->caps.le_features >> bit & 1;
}

bool bl_hci_supports(const struct bl_hci *hci, uint16_t opcode)
{
    for (size_t i = 0; i < hci->n_unsupported; i++)
        if (hci->unsupported[i] == opcode)
            return false;
    return true;
}

int bl_hci_cmd_raw(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
                   enum bl_hci_owner owner, uint32_t arg)
{
    int r = hci->cmd_error;

    hci->cmd_error = 0;
    if (r < 0)
        return r;
    if (n > 255)
        return -EINVAL;
    if (hci->n_commands == FAKE_HCI_COMMANDS && hci->taken == hci->n_commands)
        hci->n_commands = hci->taken = 0;
    if (hci->n_commands == FAKE_HCI_COMMANDS)
        abort();
    hci->total++;

    struct fake_cmd *cmd = &hci->commands[hci->n_commands++];
    *cmd = (struct fake_cmd){.opcode = opcode, .n = n, .owner = owner, .arg = arg};
    if (n > 0)
        memcpy(cmd->params, params, n);
    return 0;
}

int bl_hci_cmd(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
               enum bl_hci_owner owner, uint32_t arg)
{
    if (!bl_hci_supports(hci, opcode))
        return -EOPNOTSUPP;
    return bl_hci_cmd_raw(hci, opcode, params, n, owner, arg);
}

int bl_hci_send(struct bl_hci *hci, uint16_t handle, struct buf *b)
{
    int r = hci->send_error;

    hci->send_error = 0;
    if (r == 0) {
        if (hci->n_sent == FAKE_HCI_SENT)
            abort();
        struct fake_sent *sent = &hci->sent[hci->n_sent++];
        sent->handle = handle;
        sent->n = b->len - b->start;
        if (sent->n > sizeof(sent->data))
            sent->n = sizeof(sent->data);
        memcpy(sent->data, b->data + b->start, sent->n);
        hci->queued += hci->counts;
    }
    buf_free(b);
    return r;
}

unsigned bl_hci_queued(const struct bl_hci *hci, uint16_t handle)
{
    (void)handle;
    return hci->queued;
}

unsigned bl_hci_queued_beside(const struct bl_hci *hci, uint16_t handle)
{
    return bl_hci_queued(hci, handle);
}

bool bl_hci_link_stats(const struct bl_hci *hci, uint16_t handle, struct bl_hci_link_stats *ret)
{
    (void)handle;
    *ret = hci->stats;
    return true;
}
