/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * privacy: our own addresses, and the resolution of peers' private addresses.
 *
 * A controller has one random address that legacy advertising, scanning and initiating share (LE
 * Set Random Address). Its users claim a kind of address for it before they configure themselves,
 * and release it when they have nothing more to do; kinds that are at odds exclude each other. An
 * extended advertising set has a random address of its own, from bl_privacy_make().
 *
 * Private addresses (RPA, NRPA) are made anew every rpa_timeout_s, also while they are in use:
 * radio->pause makes the users of the shared address stand still for the change.
 */

#include "bounds.h"
#include "gap/radio.h"

enum bl_privacy_user {
    BL_PRIVACY_ADV,  /* legacy advertising; sets do not claim */
    BL_PRIVACY_SCAN, /* scanning */
    BL_PRIVACY_INIT, /* initiating */
    BL_PRIVACY_USERS,
};

enum {
    /* What a report from an RPA that was not heard before may cost, in AES blocks. */
    BL_PRIVACY_MAX_IDENTITIES = BL_MAX_BONDS,
    BL_PRIVACY_LIST = 64,    /* at most so many of them on the controller's resolving list */
    BL_PRIVACY_CACHE = 4096, /* addresses whose resolution is remembered; a power of two */
    /* Keys, AES blocks that is, that are tried for addresses that are heard and not known: a
     * second, and at once. With all the bonds there can be that is 16 addresses a second after 64.
     */
    BL_PRIVACY_RATE = 16 * BL_PRIVACY_MAX_IDENTITIES,
    BL_PRIVACY_BURST = 64 * BL_PRIVACY_MAX_IDENTITIES,
};

enum { BL_PRIVACY_LISTED = 3 }; /* Own_Address_Type: by the list, else random */

struct bl_privacy_cache;

struct bl_privacy_peer { /* who has told us a key */
    struct bl_addr addr;
    uint8_t irk[16];
    uint64_t serial; /* when: each new key has a higher one */
};

struct bl_privacy_private { /* a private address of ours */
    struct bl_addr addr;    /* zero: none made yet */
    uint64_t until;         /* to be made anew then */
    bool used;              /* a procedure has had it */
};

struct bl_privacy_row { /* of the controller's resolving list */
    struct bl_addr addr;
    uint64_t used;
    bool network; /* its privacy mode: network, as a new entry's is, or device */
    bool stale;   /* that key is no more */
};

struct bl_privacy_list {
    struct bl_privacy_row rows[BL_PRIVACY_LIST];
    unsigned n;
    uint8_t cap;           /* what it was found to hold, where less than it claims */
    bool on;               /* address resolution is enabled */
    bool broken;           /* not to be used before the next reset */
    struct bl_addr wanted; /* who is to be on it next; zero: nobody */
    uint64_t wanted_at;
    uint16_t asked; /* the command that is out; 0: none is */
    struct bl_privacy_row asking;
    /* Our own addresses. */
    bool dummy, dummy_stale; /* the entry for nobody is there; with a key that is no more */
    uint8_t irk[16];         /* ours, in all entries */
    uint32_t timeout_s;      /* as the controller was told; 0: was not */
    struct bl_addr own;      /* what it uses for nobody; zero: it has not shown that it can */
    uint64_t own_since, ask_at;
    bool ask;
    bool stirring, stirred; /* a passive scan for its sake: is on; its parameters are told */
};

struct bl_privacy {
    struct bl_radio *radio;
    enum bl_addr_mode claims[BL_PRIVACY_USERS]; /* BL_ADDR_MODE_DEFAULT: none */
    struct bl_privacy_private rpa, nrpa;
    struct bl_addr shared;  /* what the controller has; zero: none */
    struct bl_addr pending; /* of the command that is out; zero: none is */
    struct bl_addr told;    /* current, as last told */
    struct bl_addr made;    /* the static address, where it was made here */
    uint8_t irk[16];        /* of which rpa was made */
    bool refused;           /* the controller did not take the address that the claims need */
    struct bl_privacy_peer *identities; /* in the order of their serials */
    unsigned n_identities, cap_identities;
    uint64_t last_serial;
    uint64_t changes;             /* of the identities and of the list, so far */
    uint64_t searches, postponed; /* for addresses that were not known, so far */
    unsigned tried;               /* keys lately, of BL_PRIVACY_BURST */
    uint64_t tried_at;
    struct bl_privacy_list list;
    struct bl_privacy_cache *cache; /* NULL before the first identity */
};

void bl_privacy_init(struct bl_privacy *p, struct bl_radio *radio);
void bl_privacy_deinit(struct bl_privacy *p); /* secrets are wiped */

/*
 * Claims a kind of address for a user and gives HCI's Own_Address_Type. `mode` DEFAULT is the
 * configured one (static, where that is public and the controller has no public address), or what
 * the user has claimed already. To be called before each (re)configuration; asking again with the
 * same mode changes nothing, another mode replaces the user's claim, public drops it.
 *   0            *ret_own_type is set, the controller has the address
 *   -EAGAIN      claimed, but the controller does not have the address yet: step again later
 *   -EBUSY       another user has claimed another kind of random address
 *   -EOPNOTSUPP  public without a public address, RPA without an IRK
 *   -EIO         no randomness, or the controller refuses the address; the claim is gone
 */
int bl_privacy_own(struct bl_privacy *p, uint64_t now, enum bl_privacy_user user,
                   enum bl_addr_mode mode, uint8_t *ret_own_type);
/* Whether the controller makes our RPAs: with Own_Address_Type BL_PRIVACY_LISTED it then uses one
 * for undirected legacy advertising and the main set, and towards whom bl_privacy_list() is 0. The
 * random address is one of the host's all the while. */
bool bl_privacy_by_controller(const struct bl_privacy *p);
/* What bl_privacy_own() would say of kinds now (0, -EBUSY, -EOPNOTSUPP), claiming nothing: for
 * checking a command's arguments. */
int bl_privacy_check(const struct bl_privacy *p, enum bl_privacy_user user, enum bl_addr_mode mode);
/* The mode with DEFAULT replaced. */
enum bl_addr_mode bl_privacy_mode(const struct bl_privacy *p, enum bl_addr_mode mode);
void bl_privacy_release(struct bl_privacy *p, enum bl_privacy_user user);

/* An address for an advertising set, and until when it may be used (TIMERQ_NEVER: for ever). The
 * main set (the lowest) shares its private addresses with scanning and initiating, the others get
 * fresh ones. 0, -EOPNOTSUPP or -EIO as above. */
int bl_privacy_make(struct bl_privacy *p, uint64_t now, enum bl_addr_mode mode, bool main,
                    struct bl_addr *ret, uint64_t *ret_until);

/* The address on the air for the main set and connecting; false (and zero) when there is none. */
bool bl_privacy_current(const struct bl_privacy *p, struct bl_addr *ret);
/* Public, else static random; false (and zero) when neither is known yet. */
bool bl_privacy_identity(const struct bl_privacy *p, struct bl_addr *ret);
/* The static random address, made on first use and put into radio->config (where the owner finds
 * it to keep it). 0 or -EIO. */
int bl_privacy_static(struct bl_privacy *p, struct bl_addr *ret);

/* Peers. add: 0; -ENOBUFS (BL_PRIVACY_MAX_IDENTITIES); -ENOMEM; replaces the key of an identity
 * that is known. An all-zero key means that the peer has none: -EINVAL. What is known of other
 * identities' addresses stays known: a change costs no search, and later one AES block at most for
 * each address that is nobody's. */
int bl_privacy_add_identity(struct bl_privacy *p, const struct bl_addr *identity,
                            const uint8_t irk[static 16]);
void bl_privacy_remove_identity(struct bl_privacy *p, const struct bl_addr *identity);
bool bl_privacy_knows(const struct bl_privacy *p, const struct bl_addr *identity);
/* Whether nobody is to be believed to be who this address on the air names: network privacy mode,
 * and the identity address of a peer that has a key. */
bool bl_privacy_refuses(const struct bl_privacy *p, const struct bl_addr *on_air);
/*
 * Asks for a known identity to be on the controller's resolving list, so that the controller finds
 * the peer by it whatever its address is.
 *   0            it is
 *   -EAGAIN      it will be: step, and ask again
 *   -EOPNOTSUPP  the controller cannot, or has no room for it now
 */
int bl_privacy_list(struct bl_privacy *p, uint64_t now, const struct bl_addr *identity);
bool bl_privacy_is_listed(struct bl_privacy *p, const struct bl_addr *identity);

/* Between privacy.c, privacy_peers.c and privacy_list.c. irk: borrowed, zeros where unknown. */
const uint8_t *bl_privacy_irk(const struct bl_privacy *p, const struct bl_addr *identity);
void bl_privacy_list_forget(struct bl_privacy *p, const struct bl_addr *identity);
bool bl_privacy_list_wants(struct bl_privacy *p);
bool bl_privacy_list_step(struct bl_privacy *p); /* only where nothing is on the air */
bool bl_privacy_list_ask(struct bl_privacy *p);  /* at any time */
void bl_privacy_list_reply(struct bl_privacy *p, uint64_t now, const struct bl_hci_reply *reply);
uint64_t bl_privacy_list_deadline(const struct bl_privacy *p);
void bl_privacy_list_tick(struct bl_privacy *p, uint64_t now);
void bl_privacy_list_configured(struct bl_privacy *p);
bool bl_privacy_list_proving(const struct bl_privacy *p);
bool bl_privacy_has_irk(const struct bl_privacy *p);
bool bl_privacy_in_use(const struct bl_privacy *p, enum bl_addr_mode mode);
uint64_t bl_privacy_period(const struct bl_privacy *p); /* us */

/* True, and the identity, where addr is an RPA made with the key of one. */
bool bl_privacy_resolve(struct bl_privacy *p, const struct bl_addr *addr,
                        struct bl_addr *ret_identity);
/* The same for addresses that anybody can send as many of as he likes: 1, 0; -EAGAIN where too much
 * was tried lately to find this one out. */
int bl_privacy_resolve_heard(struct bl_privacy *p, uint64_t now, const struct bl_addr *addr,
                             struct bl_addr *ret_identity);
/* Whether addr is an RPA of this identity's: one key's cost. */
bool bl_privacy_is(const struct bl_privacy *p, const struct bl_addr *addr,
                   const struct bl_addr *identity);

void bl_privacy_ready(struct bl_privacy *p, uint64_t now);      /* bring-up is done */
void bl_privacy_configured(struct bl_privacy *p, uint64_t now); /* radio->config has changed */
bool bl_privacy_step(struct bl_privacy *p, uint64_t now);
void bl_privacy_reply(struct bl_privacy *p, uint64_t now, const struct bl_hci_reply *reply);
uint64_t bl_privacy_deadline(const struct bl_privacy *p);
void bl_privacy_tick(struct bl_privacy *p, uint64_t now);
/* The controller is gone: claims end, addresses and identities stay. */
void bl_privacy_reset(struct bl_privacy *p, uint64_t now, bl_status status);
