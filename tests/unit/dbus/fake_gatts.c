/* SPDX-License-Identifier: MIT */

#include "fake_gatts.h"

#include "fake_host.h"

#include <errno.h>
#include <string.h>

struct fake_gatts fake_gatts = {.result = 1};

enum { FIRST = 0x10 }; /* behind the services that a real one has of its own */

static bool refused(void)
{
    fake_gatts.adds++;
    return fake_gatts.refuse != 0 &&
           (fake_gatts.refuse_at == 0 || fake_gatts.refuse_at == fake_gatts.adds);
}

static uint16_t lay_out(const struct bl_gatts_characteristic *c, uint16_t at, uint16_t **handles)
{
    *(*handles)++ = (uint16_t)(at + 1);
    at = (uint16_t)(at + 2);
    if (c->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE))
        at++;
    for (size_t i = 0; i < c->n_descriptors; i++)
        *(*handles)++ = at++;
    fake_gatts.last = *c;
    return at;
}

static bool taken(uint32_t at)
{
    for (int i = 0; i < FAKE_GATTS_SERVICES; i++)
        if (at >= fake_gatts.services[i].start &&
            at - fake_gatts.services[i].start < fake_gatts.services[i].n)
            return true;
    return false;
}

/* Good enough where services are removed all at once. */
static uint16_t lowest(void)
{
    uint16_t at = FIRST;

    while (taken(at))
        at++;
    return at;
}

int bl_gatts_add(struct bl_host *host, uint64_t now, const struct bl_gatts_service *def,
                 uint16_t *ret_service, uint16_t *ret_handles)
{
    (void)host, (void)now;
    int slot = 0;

    if (refused())
        return fake_gatts.refuse;
    if (def->handle != 0 && (def->handle < FIRST || taken(def->handle)))
        return -EEXIST;
    if (def->n_includes > 0 && !taken(def->includes[0]))
        return -ENOENT;
    while (slot < FAKE_GATTS_SERVICES && fake_gatts.services[slot].n > 0)
        slot++;
    if (slot == FAKE_GATTS_SERVICES)
        return -ENOSPC;
    uint16_t start = def->handle ? def->handle : lowest();
    uint16_t at = (uint16_t)(start + 1 + def->n_includes);
    for (size_t i = 0; i < def->n_characteristics; i++)
        at = lay_out(&def->characteristics[i], at, &ret_handles);
    fake_gatts.services[slot].start = *ret_service = start;
    fake_gatts.services[slot].n = (uint16_t)(at - start);
    return 0;
}

int bl_gatts_add_characteristic(struct bl_host *host, uint64_t now, uint16_t service,
                                const struct bl_gatts_characteristic *def, uint16_t *ret_handles)
{
    (void)host, (void)now;
    if (refused())
        return fake_gatts.refuse;
    for (int i = 0; i < FAKE_GATTS_SERVICES; i++) {
        uint16_t end = (uint16_t)(fake_gatts.services[i].start + fake_gatts.services[i].n);
        if (fake_gatts.services[i].n == 0 || fake_gatts.services[i].start != service)
            continue;
        fake_gatts.services[i].n =
            (uint16_t)(lay_out(def, end, &ret_handles) - fake_gatts.services[i].start);
        return 0;
    }
    return -ENOENT;
}

int bl_gatts_remove(struct bl_host *host, uint64_t now, uint16_t service)
{
    (void)host, (void)now;
    for (int i = 0; i < FAKE_GATTS_SERVICES; i++) {
        if (fake_gatts.services[i].n == 0 || fake_gatts.services[i].start != service)
            continue;
        fake_gatts.services[i].n = fake_gatts.services[i].start = 0;
        fake_gatts.removes++;
        return 0;
    }
    return -ENOENT;
}

int bl_gatts_read(struct bl_host *host, uint16_t handle, bool clear, const uint8_t **ret_value,
                  size_t *ret_len)
{
    (void)host, (void)handle;
    *ret_value = fake_gatts.value;
    *ret_len = fake_gatts.len;
    if (clear && fake_gatts.append) {
        fake_gatts.len = 0;
        fake_gatts.cleared = true;
    }
    return 0;
}

static int sent(struct bl_host *host, uint16_t conn, uint16_t handle, const uint8_t *value,
                size_t n, bool update, bl_op *op)
{
    int r = conn == 0 && !update ? 1 : fake_gatts.result;

    if (r < 0)
        return r;
    *op = r == 0 ? ++host->last_op : 0;
    if (fake_gatts.n_sent == FAKE_GATTS_SENT)
        return r;
    fake_gatts.sent[fake_gatts.n_sent].conn = conn;
    fake_gatts.sent[fake_gatts.n_sent].handle = handle;
    fake_gatts.sent[fake_gatts.n_sent].len = (uint16_t)n;
    fake_gatts.sent[fake_gatts.n_sent].first = n > 0 ? value[0] : 0;
    fake_gatts.sent[fake_gatts.n_sent++].update = update;
    return r;
}

int bl_gatts_write(struct bl_host *host, uint64_t now, uint16_t handle, const uint8_t *value,
                   size_t n, bool update, bl_op *op)
{
    (void)now;
    int r = sent(host, 0, handle, value, n, update, op);

    if (r >= 0) {
        memcpy(fake_gatts.value, value, n);
        fake_gatts.len = (uint16_t)n;
    }
    return r;
}

int bl_gatts_set_buffer(struct bl_host *host, uint16_t handle, uint16_t len, bool append)
{
    (void)host, (void)handle;
    fake_gatts.buffer = len;
    fake_gatts.append = append;
    return 0;
}

int bl_gatts_set_authorization(struct bl_host *host, uint16_t handle, bool reads, bool writes)
{
    (void)host, (void)handle;
    fake_gatts.authorize_reads = reads;
    fake_gatts.authorize_writes = writes;
    return 0;
}

int bl_gatts_set_read_events(struct bl_host *host, uint16_t handle, bool on)
{
    (void)host, (void)handle, (void)on;
    return 0;
}

static int sent_value(struct bl_host *host, uint16_t conn, uint16_t handle, const uint8_t *value,
                      size_t n, uint16_t *ret_sent, bl_op *op)
{
    if (!value) {
        value = fake_gatts.value;
        n = fake_gatts.len;
    }
    *ret_sent = (uint16_t)(n < 20 ? n : 20);
    return sent(host, conn, handle, value, n, false, op);
}

int bl_gatts_notify(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                    const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)now;
    return sent_value(host, conn, handle, value, n, ret_sent, op);
}

int bl_gatts_indicate(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                      const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)now;
    return sent_value(host, conn, handle, value, n, ret_sent, op);
}

int bl_gatts_reply(struct bl_host *host, uint64_t now, uint32_t request, uint8_t error,
                   const uint8_t *value, size_t n)
{
    (void)host, (void)now;
    fake_gatts.replies++;
    fake_gatts.reply_request = request;
    fake_gatts.reply_error = error;
    fake_gatts.reply_has_value = value != NULL;
    fake_gatts.reply_len = (uint16_t)n;
    return 0;
}

uint8_t bl_gatts_subscription(const struct bl_host *host, uint16_t conn, uint16_t handle)
{
    (void)host, (void)conn, (void)handle;
    return 0;
}
