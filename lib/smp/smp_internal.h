/* SPDX-License-Identifier: MIT */
#pragma once

/* smp_internal: for smp.c (links, input, time), smp_pair.c (pairings), smp_encrypt.c (keys and the
 * controller) and smp_oob.c. */

#include "base/timerq.h"
#include "smp/smp.h"

#define SMP_WAIT_US 30000000u /* for a central to act on a Security Request, and for encryption */

enum smp_phase {
    SMP_IDLE,
    SMP_REQUESTED,  /* peripheral: a Security Request is out */
    SMP_PAIRING,    /* conn->pairing */
    SMP_ENCRYPTING, /* central: with the bond's key */
};

/* What a key is good for. */
struct smp_level {
    bool authenticated, secure_connections, bonded;
    uint8_t key_size;
};

enum smp_key { /* that the controller was given last, and has said nothing of yet */
               SMP_KEY_NONE,
               SMP_KEY_BOND,
               SMP_KEY_PAIRING,
};

/* News that wait are different ones: three kinds for each link, and of bonds what one pairing or
 * command can bring between two pulls. */
enum { SMP_NEWS = 4 * BL_MAX_LINKS, SMP_ATTEMPTS = 64, SMP_FREE_TRIES = 3 };

struct smp_conn {
    struct bl_smp_link link;
    enum smp_phase phase;
    struct bl_pairing *pairing;
    struct bl_security security;
    enum smp_key given;
    struct smp_level using; /* of that key */
    bool by_pairing;        /* the link is encrypted with the key of `pairing` */
    bool mitm_tried;        /* the peer has asked for protection, and we have tried */
    struct bl_addr known;   /* who it was when `pairing` began; zero: nobody knew */
    bool oob_taken;         /* by `pairing` */
    uint32_t oob_local;     /* and which of ours */
    bl_op op;               /* bl_pair() that waits */
    struct bl_pair_params want;
    uint64_t deadline; /* of REQUESTED and ENCRYPTING; TIMERQ_NEVER */
    bool dead;         /* a pairing has timed out: no SMP on this link any more (3.4) */
};

struct smp_oob_entry {
    struct bl_addr peer;
    struct bl_smp_oob oob;
};

/* Failed pairings of one address, for the back-off: 2.3.6 */
struct smp_attempts {
    struct bl_addr peer;
    unsigned failed;
    uint64_t until;
};

struct bl_smp {
    struct bl_hci *hci;
    const struct bl_env *env;
    struct bl_evq *events;
    const struct bl_config *config;
    struct bl_bonds bonds;
    struct bl_addr identity; /* ours: what peers are told */
    struct smp_conn *conns[BL_MAX_LINKS];
    unsigned n;
    struct bl_smp_news news[SMP_NEWS];
    unsigned news_head, n_news;
    struct smp_oob_entry oob[BL_MAX_OOB];
    unsigned n_oob;
    bool has_local_oob;
    uint32_t local_oob; /* counts them */
    uint8_t local_r[16], local_scalar[32];
    struct smp_attempts attempts[SMP_ATTEMPTS];
    unsigned n_attempts;
    uint64_t paired, failed, refused, encrypted;
};

struct smp_conn *smp_find(const struct bl_smp *s, uint16_t conn);
void smp_tell(struct bl_smp *s, const struct smp_conn *c, enum bl_smp_news_kind kind);
void smp_tell_bond(struct bl_smp *s, enum bl_smp_news_kind kind, const struct bl_addr *identity);
/* A PDU on its way; false: it could not be sent. */
bool smp_send(struct bl_smp *s, const struct smp_conn *c, const uint8_t *pdu, size_t n);
struct bl_bond *smp_bond_of(const struct bl_smp *s, const struct smp_conn *c);
/* Into the table, with what follows from it. quiet: as bl_bonds_put(). */
int smp_bond_put(struct bl_smp *s, uint64_t now, const struct bl_bond *bond, bool quiet);

/* Who it is, to whom that is news: nothing where it was known. */
void smp_identify(struct bl_smp *s, struct smp_conn *c, const struct bl_addr *identity);
/* The bond of the link has gone: no key of it is kept any more. */
void smp_unbonded(struct bl_smp *s, struct smp_conn *c);
/* A link that is not what it was, or is not known to be what it claims, is not to go on. */
void smp_drop(struct bl_smp *s, struct smp_conn *c);
/* BL_EV_ENCRYPTED, and the news. */
void smp_encrypted(struct bl_smp *s, const struct smp_conn *c);
/* Ends what is under way: the event, and the op. */
void smp_succeeded(struct bl_smp *s, struct smp_conn *c);
void smp_failed(struct bl_smp *s, struct smp_conn *c, bl_status status);
struct smp_level smp_link_level(const struct smp_conn *c);
/* Whether what the link has, or a key has, is what `want` asks for at the least. */
bool smp_good_enough(const struct smp_level *have, const struct bl_pair_params *want);
/* The bond's key for such a link, where it is as good as is asked for now; NULL else. */
const struct bl_ltk *smp_bond_key(const struct bl_smp *s, const struct smp_conn *c,
                                  const struct bl_bond *bond, struct smp_level *ret_level);
/* A PDU that says no. */
void smp_refuse(struct bl_smp *s, const struct smp_conn *c, enum bl_smp_reason reason);

/* smp_pair.c */
/* The central's Pairing Request, which may be refused. */
void smp_request(struct bl_smp *s, uint64_t now, struct smp_conn *c, const uint8_t *pdu, size_t n);
void smp_pair_begin(struct bl_smp *s, uint64_t now, struct smp_conn *c, const uint8_t *first);
/* Pulls what the pairing has to say; the pairing may be gone afterwards. */
void smp_pair_pull(struct bl_smp *s, uint64_t now, struct smp_conn *c);
void smp_pair_end(struct smp_conn *c);
bool smp_pair_blocked(const struct bl_smp *s, uint64_t now, const struct smp_conn *c);
void smp_count_failure(struct bl_smp *s, uint64_t now, const struct smp_conn *c);
uint8_t smp_min_key_size(const struct bl_smp *s);
bool smp_security_request(struct bl_smp *s, const struct smp_conn *c);
void smp_security_requested(struct bl_smp *s, uint64_t now, struct smp_conn *c, uint8_t auth);

/* smp_encrypt.c */
/* Central: with this key. False: the controller cannot be asked now. */
bool smp_encrypt(struct bl_smp *s, struct smp_conn *c, const struct bl_ltk *ltk, enum smp_key key,
                 const struct smp_level *level);
/* Central: with the bond's key. False: there is none that is good enough, and a pairing may be
 * begun; that the controller cannot be asked is a failure like others. */
bool smp_encrypt_bonded(struct bl_smp *s, uint64_t now, struct smp_conn *c);

/* smp_oob.c */
const struct bl_smp_oob *smp_oob_for(struct bl_smp *s, const struct smp_conn *c,
                                     struct bl_smp_oob *store);
/* Used up, whatever came of it. */
void smp_oob_used(struct bl_smp *s, const struct smp_conn *c);
