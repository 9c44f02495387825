/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * host_gatt: the GATT part of the facade: bl_gatts_* is the local server, bl_gattc_* the client of
 * a peer's. Rules, errors and events as in host.h, which includes this file. Further:
 *
 *   -EAGAIN   too much waits for room on that connection already (BL_MAX_TX_WAIT)
 *   -EEXIST   the handle is taken
 *   -EPERM    the attribute is the host's own, or of a kind that this cannot be done with
 *
 * Functions that take an op and say so return 1 where the thing was done at once: *op is 0 then and
 * no OP_DONE comes.
 *
 * Handles are attribute handles; that of a characteristic is its value's. Values are at most 512
 * octets (Core 5.4, Vol 3, Part F, 3.2.9).
 */

#include "event.h"
#include "types.h"

struct bl_host;

/* Of characteristics and descriptors, as MicroPython's. The low byte is the Characteristic
 * Properties field: Core 5.4, Vol 3, Part G, 3.3.1.1. */
enum bl_gatt_flag {
    BL_GATT_BROADCAST = 0x0001,
    BL_GATT_READ = 0x0002,
    BL_GATT_WRITE_NO_RESPONSE = 0x0004,
    BL_GATT_WRITE = 0x0008,
    BL_GATT_NOTIFY = 0x0010,
    BL_GATT_INDICATE = 0x0020,
    BL_GATT_SIGNED_WRITE = 0x0040,
    BL_GATT_AUX_WRITE = 0x0100, /* Extended Properties: Writable Auxiliaries */
    BL_GATT_READ_ENCRYPTED = 0x0200,
    BL_GATT_READ_AUTHENTICATED = 0x0400,
    BL_GATT_READ_AUTHORIZED = 0x0800,
    BL_GATT_WRITE_ENCRYPTED = 0x1000,
    BL_GATT_WRITE_AUTHENTICATED = 0x2000,
    BL_GATT_WRITE_AUTHORIZED = 0x4000,
    BL_GATT_FLAGS = 0x7f7f, /* all that there are */
};

enum bl_gatt_write_mode {
    BL_GATT_WRITE_COMMAND = 0,
    BL_GATT_WRITE_REQUEST = 1,  /* longer than ATT_MTU-3: prepared and executed, echoes compared */
    BL_GATT_WRITE_RELIABLE = 2, /* always prepared and executed */
    BL_GATT_WRITE_SIGNED = 3,
};

/* ---- the server: the database ---- */

struct bl_gatts_descriptor {
    struct bl_uuid uuid;
    uint32_t flags;
    const uint8_t *value;
    uint16_t len;
    uint16_t max_len; /* 0..512 */
};

struct bl_gatts_characteristic {
    struct bl_uuid uuid;
    uint32_t flags; /* enum bl_gatt_flag; writing the CCCD asks for the security of both the
                     * value's reading and its writing */
    const uint8_t *value;
    uint16_t len;
    uint16_t max_len; /* 0..512; len may be more, and is what fits then */
    bool truncate;    /* longer remote writes are cut, else refused with Invalid Value Length; for
                       * its descriptors as well */
    bool append;      /* remote writes are appended; a local read clears */
    bool authorize_reads, authorize_writes, read_events; /* its descriptors follow it in these */
    const struct bl_gatts_descriptor *descriptors;
    size_t n_descriptors;
};

struct bl_gatts_service {
    struct bl_uuid uuid;
    bool secondary;
    uint16_t handle; /* where it is to begin; 0: the lowest place after the host's own services in
                      * which it fits */
    uint32_t from;   /* with handle 0: it is not to begin before this one */
    const uint16_t *includes; /* services' handles */
    size_t n_includes;
    const struct bl_gatts_characteristic *characteristics;
    size_t n_characteristics;
};

/*
 * Adds a service. Layout: declaration, includes, then for each characteristic declaration, value,
 * CCCD where it notifies or indicates, the given descriptors, and Characteristic Extended
 * Properties where AUX_WRITE asks for one that is not among them.
 * ret_handles: a value handle for each characteristic followed by its descriptors', in order.
 * -EINVAL: unknown flags, a CCCD or a declaration's type among characteristics and descriptors, two
 * descriptors of a kind that there may be one of, Extended Properties not of 2 octets (0: made up
 * from the flags); -EMSGSIZE: lengths over 512, or len over max_len where the characteristic does
 * not truncate; -EEXIST; -ENOENT: an include that is no service; -ENOSPC: no handles.
 * Works in every state of the controller. Clients are told by Service Changed at the next tick,
 * once for all that changed until then.
 */
int bl_gatts_add(struct bl_host *host, uint64_t now, const struct bl_gatts_service *def,
                 uint16_t *ret_service, uint16_t *ret_handles);
/* One more, at the end of a service: -ENOSPC where the next handles belong to another one. */
int bl_gatts_add_characteristic(struct bl_host *host, uint64_t now, uint16_t service,
                                const struct bl_gatts_characteristic *def, uint16_t *ret_handles);
/* Ends with its include declarations in other services. -ENOENT, -EPERM. */
int bl_gatts_remove(struct bl_host *host, uint64_t now, uint16_t service);

/* ---- the server: values ---- */

/* Borrowed until the next call into the host. clear: empties it where it appends. -ENOENT: no
 * characteristic value or descriptor of a client's. */
int bl_gatts_read(struct bl_host *host, uint16_t handle, bool clear, const uint8_t **ret_value,
                  size_t *ret_len);
/* Stores; a value longer than the buffer enlarges it. update: sends it to each subscriber by what
 * it subscribed to. 1: stored and queued; 0: stored, *op ends when it is queued to everyone (a link
 * that ends is no error). -ENOENT, -EMSGSIZE (over 512), -EAGAIN (nothing was stored). */
int bl_gatts_write(struct bl_host *host, uint64_t now, uint16_t handle, const uint8_t *value,
                   size_t n, bool update, bl_op *op);
/* The size of the buffer, 0..512; cuts what is longer. -ENOENT, -EMSGSIZE. */
int bl_gatts_set_buffer(struct bl_host *host, uint16_t handle, uint16_t len, bool append);
/* Which remote accesses wait for bl_gatts_reply(), on top of what the flags say; and whether reads
 * are told of (BL_EV_GATTS_READ with request 0). For this handle alone: a characteristic's
 * descriptors stay as they were, and have their own calls. -ENOENT. */
int bl_gatts_set_authorization(struct bl_host *host, uint16_t handle, bool reads, bool writes);
int bl_gatts_set_read_events(struct bl_host *host, uint16_t handle, bool on);
/* Whether a peer has read it since the last time that this was asked: noted of every attribute,
 * without an event. False too where there is none. */
bool bl_gatts_was_read(struct bl_host *host, uint16_t handle);

/* value NULL: the stored one. At most ATT_MTU-3 octets go out, and never more than 512; *ret_sent
 * of them. notify: 1 queued, 0 *op ends when it is. indicate: *op ends when it is confirmed, after
 * BL_EV_GATTS_INDICATE_DONE; they queue, BL_MAX_INDICATIONS for a connection (-EAGAIN). Whether
 * the peer subscribed is not asked. A peer that keeps a cache (Robust Caching) and has not learnt
 * of a change of the database yet may get neither (Core 5.4, Vol 3, Part G, 2.5.2.1): a
 * notification is not sent then, nor later (*ret_sent is 0, as for an empty one), an indication
 * waits. -ENOENT: not a characteristic's value. */
int bl_gatts_notify(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                    const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op);
int bl_gatts_indicate(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                      const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op);
/* Ends one indication of this attribute, on any connection, whether it waits or is on the air: for
 * who is about to remove it, and has to know before the handle may be another's. Its op ends with
 * BL_CANCELED, no BL_EV_GATTS_INDICATE_DONE comes. False: there is none (any more). What
 * bl_gatts_remove() finds left ends in the same way, with the event. */
bool bl_gatts_give_up(struct bl_host *host, uint16_t handle, uint16_t *ret_conn);
/* Answers BL_EV_GATTS_READ or _WRITE by its request number. error 0: goes on; value (may be NULL)
 * is what is read or stored in place of what was there. -ENOENT: no such request (any more);
 * -EAGAIN, -ENOMEM: it waits on, answer it later; an error is always taken. */
int bl_gatts_reply(struct bl_host *host, uint64_t now, uint32_t request, uint8_t error,
                   const uint8_t *value, size_t n);
/* The CCCD of this connection for a characteristic: 1 notifications, 2 indications. */
uint8_t bl_gatts_subscription(const struct bl_host *host, uint16_t conn, uint16_t handle);

/* ---- the client ---- */

/*
 * Procedures on one connection are run one after the other, in the order in which they were asked
 * for, BL_MAX_PROCEDURES at most (-EBUSY). Each ends in one OP_DONE: BL_OK, an ATT error,
 * BL_PROTOCOL where the peer answered nonsense, 0x100 + reason with the link. Results come before
 * it as events that carry the op. uuid NULL: all. "Nothing found" is BL_OK without results.
 */
int bl_gattc_services(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_uuid *uuid,
                      bl_op *op);
int bl_gattc_characteristics(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                             uint16_t end, const struct bl_uuid *uuid, bl_op *op);
int bl_gattc_descriptors(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                         uint16_t end, bl_op *op);
int bl_gattc_includes(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                      uint16_t end, bl_op *op);
/* Results: one BL_EV_GATTC_VALUE. long: goes on by blobs until the value's end (512 at most). */
int bl_gattc_read(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                  uint16_t offset, bool is_long, bl_op *op);
/* One BL_EV_GATTC_VALUE for each value found. */
int bl_gattc_read_by_uuid(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                          uint16_t end, const struct bl_uuid *uuid, bl_op *op);
/* One BL_EV_GATTC_VALUE for each handle, in order, by long reads one after the other: some peers
 * never answer Read Multiple Variable, and no feature of theirs tells. The first that fails ends
 * it with its error. n: 1..BL_MAX_READ_MULTIPLE. */
int bl_gattc_read_multiple(struct bl_host *host, uint64_t now, uint16_t conn,
                           const uint16_t *handles, size_t n, bl_op *op);
/* A command: 1 queued, 0 *op ends when it is; -EMSGSIZE over ATT_MTU-3 (signed: ATT_MTU-15).
 * Others: 0, *op ends with the peer's answer. value is copied. offset: with REQUEST and RELIABLE;
 * not 0 makes it prepared. -EOPNOTSUPP: signed, without a key and without encryption. */
int bl_gattc_write(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                   const uint8_t *value, size_t n, enum bl_gatt_write_mode mode, uint16_t offset,
                   bl_op *op);
/* Offers mtu (0: the configured one). done.mtu: what is in force. 1: there was an exchange begun
 * by us already: nothing is sent, bl_gatt_mtu() says. BL_EV_MTU comes before the end. */
int bl_gattc_exchange_mtu(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t mtu,
                          bl_op *op);
/* Finds the CCCD of a value handle (remembered for the connection) and writes bits to it.
 * BL_ATT_ATTRIBUTE_NOT_FOUND where there is none. */
int bl_gattc_subscribe(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                       uint8_t bits, bl_op *op);
/* Ends a procedure that has sent nothing yet, with BL_CANCELED; others go on. -ENOENT. */
int bl_gattc_cancel(struct bl_host *host, uint64_t now, bl_op op);

/* ATT_MTU in force, 0 when there is no such connection. */
uint16_t bl_gatt_mtu(const struct bl_host *host, uint16_t conn);
