/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * smp: security of every connection: pairings (pairing.h), encryption with stored keys, Security
 * Requests, bonds. What others must do about it is told by bl_smp_pop_news(), to be called until it
 * is false after every input, tick and command; nothing is called upward.
 */

#include "hci/hci.h"
#include "host.h"
#include "smp/bonds.h"
#include "smp/pairing.h"

enum bl_smp_news_kind {
    BL_SMP_SECURITY,   /* conn: bl_smp_security() is another one (for lib/gatt) */
    BL_SMP_IDENTITY,   /* conn: the peer has told its identity (for links, with BL_EV_IDENTITY) */
    BL_SMP_BOND_ADDED, /* identity, irk in the bond (for lib/gap/privacy) */
    BL_SMP_BOND_GONE,  /* identity */
    BL_SMP_DROP,       /* conn is to be disconnected, with reason */
};

struct bl_smp_news {
    enum bl_smp_news_kind kind;
    uint16_t conn;
    struct bl_addr identity;
    uint8_t reason;
};

/* A link as it was made. */
struct bl_smp_link {
    uint16_t conn, handle;
    enum bl_role role;
    struct bl_addr own, peer; /* on the air when it was made: 2.2.3, 2.2.7 */
    struct bl_addr identity;  /* the peer's where known, else zero */
};

struct bl_smp;

/* All borrowed. NULL: no memory. */
struct bl_smp *bl_smp_new(struct bl_hci *hci, const struct bl_env *env, struct bl_evq *events,
                          const struct bl_config *config);
struct bl_smp *bl_smp_free(struct bl_smp *s);
struct bl_bonds *bl_smp_bonds(struct bl_smp *s);

/* Our identity, when the controller is ready. */
void bl_smp_ready(struct bl_smp *s, const struct bl_addr *identity);
int bl_smp_open(struct bl_smp *s, uint64_t now, const struct bl_smp_link *link);
/* Our address in it is known only now. */
void bl_smp_own(struct bl_smp *s, uint16_t conn, const struct bl_addr *own);
/* Everything on it ends, with events. */
void bl_smp_close(struct bl_smp *s, uint64_t now, uint16_t conn, bl_status status);
void bl_smp_pdu(struct bl_smp *s, uint64_t now, uint16_t conn, const uint8_t *data, size_t n);
/* BL_HCI_EV_LTK_REQUEST, _ENCRYPTION_CHANGE, _KEY_REFRESH. */
void bl_smp_event(struct bl_smp *s, uint64_t now, uint16_t conn, const struct bl_hci_event *e);
void bl_smp_reply(struct bl_smp *s, uint64_t now, const struct bl_hci_reply *reply);
void bl_smp_security(const struct bl_smp *s, uint16_t conn, struct bl_security *ret);
/* Who its peer is, where that is known only now: from a bond that has come. A link that is not
 * encrypted then is, where we are central. */
void bl_smp_identified(struct bl_smp *s, uint64_t now, uint16_t conn,
                       const struct bl_addr *identity);
/* The bond of a connection's peer; NULL: none. */
struct bl_bond *bl_smp_bond(const struct bl_smp *s, uint16_t conn);
bool bl_smp_pop_news(struct bl_smp *s, struct bl_smp_news *ret);

/* The commands, as host_smp.h says. */
int bl_smp_pair(struct bl_smp *s, uint64_t now, uint16_t conn, const struct bl_pair_params *params,
                bl_op *op);
int bl_smp_passkey(struct bl_smp *s, uint64_t now, uint16_t conn, enum bl_passkey_action action,
                   uint32_t passkey);
int bl_smp_refuse(struct bl_smp *s, uint64_t now, uint16_t conn);
int bl_smp_keypress(struct bl_smp *s, uint64_t now, uint16_t conn, uint8_t type);
int bl_smp_oob_set(struct bl_smp *s, const struct bl_addr *peer, const uint8_t *tk,
                   const uint8_t *r, const uint8_t *c);
int bl_smp_oob_get(struct bl_smp *s, uint8_t ret_r[static 16], uint8_t ret_c[static 16]);
/* What was stored; -EINVAL: no bond that a pairing could have made; -ENOBUFS: the table is full. */
int bl_smp_bond_add(struct bl_smp *s, uint64_t now, const struct bl_bond *bond);
void bl_smp_bond_clear(struct bl_smp *s);
int bl_smp_bond_remove(struct bl_smp *s, uint64_t now, const struct bl_addr *identity);

uint64_t bl_smp_deadline(const struct bl_smp *s);
void bl_smp_tick(struct bl_smp *s, uint64_t now);
bool bl_smp_counter(const struct bl_smp *s, size_t index, const char **ret_name,
                    uint64_t *ret_value);
