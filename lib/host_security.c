/* SPDX-License-Identifier: MIT */

/*
 * host_security: what lib/smp has learnt goes to whom it concerns: what a link is worth to
 * lib/gatt and lib/l2cap, the signing keys to lib/gatt, identities to the links, keys that resolve
 * private addresses to privacy, and links that may not go on are ended. What lib/gatt has learnt of
 * a bonded client goes into its bond, and from there to the next link with it.
 */

#include "host_internal.h"

#include "crypto/crypto.h"
#include "hci/error.h"

#include <string.h>

/* Counters go on where the keys are the same. */
static void security_signing(struct bl_host *host, const struct bl_gatt_conn *c,
                             const struct bl_bond *bond)
{
    struct bl_gatt_signing signing = {0};

    if (bond) {
        signing.has_local = bond->has_local_csrk;
        signing.has_remote = bond->has_peer_csrk;
        signing.local_counter = bond->local_counter;
        signing.remote_counter = bond->peer_counter;
        memcpy(signing.local, bond->local_csrk, sizeof(signing.local));
        memcpy(signing.remote, bond->peer_csrk, sizeof(signing.remote));
    }
    if (c->signing.has_local && bl_crypto_equal(signing.local, c->signing.local, 16))
        signing.local_counter = c->signing.local_counter;
    if (c->signing.has_remote && bl_crypto_equal(signing.remote, c->signing.remote, 16))
        signing.remote_counter = c->signing.remote_counter;
    bl_gatt_set_signing(&host->gatt, c->conn, &signing);
    bl_crypto_wipe(&signing, sizeof(signing));
}

static void security_of(struct bl_host *host, uint64_t now, uint16_t conn)
{
    const struct bl_gatt_conn *c = bl_gatt_find(&host->gatt, conn);
    const struct bl_bond *bond = bl_smp_bond(host->smp, conn);
    struct bl_security security;

    if (!c)
        return;
    bl_smp_security(host->smp, conn, &security);
    /* Core 5.4, Vol 3, Part C, 10.3.1: whether encryption could be begun with a key that we have */
    bool has_ltk = bond && (c->role == BL_ROLE_CENTRAL ? bond->has_peer_ltk : bond->has_local_ltk);
    bl_gatt_set_security(
        &host->gatt, now, conn,
        &(struct bl_gatt_security){.encrypted = security.encrypted,
                                   .authenticated = security.authenticated,
                                   .secure_connections = security.secure_connections,
                                   .has_ltk = has_ltk,
                                   .key_size = security.key_size});
    bl_l2cap_set_security(
        &host->l2cap, conn,
        &(struct bl_l2cap_security){.encrypted = security.encrypted,
                                    .authenticated = security.authenticated,
                                    .secure_connections = security.secure_connections,
                                    .has_ltk = has_ltk,
                                    .key_size = security.key_size});
    security_signing(host, c, bond);
    if (bond && security.bonded) {
        bl_gatt_restore(&host->gatt, now, conn, bond);
        bl_gatt_changed(bl_gatt_find(&host->gatt, conn)); /* a new bond has nothing of it yet */
    }
}

void bl_host_keep(struct bl_host *host, uint64_t now)
{
    struct bl_security security;
    uint16_t conn;

    while ((conn = bl_gatt_pop_changed(&host->gatt)) != 0) {
        struct bl_bond *bond = bl_smp_bond(host->smp, conn);
        if (!bond)
            continue;
        bl_smp_security(host->smp, conn, &security);
        enum bl_gatt_kept kept = bl_gatt_save(&host->gatt, conn, security.bonded, bond);
        if (kept != BL_GATT_KEPT_SAME)
            bl_bonds_changed(bl_smp_bonds(host->smp), now, bond, kept == BL_GATT_KEPT_AT_ONCE);
    }
}

/* A bond has come or gone: what it means for the links that are up. */
static void security_of_all(struct bl_host *host, uint64_t now)
{
    for (uint16_t conn = 0; (conn = bl_links_next(&host->links, conn)) != 0;)
        security_of(host, now, conn);
}

/* Links that were made before this bond was there. */
static void security_recognise(struct bl_host *host, uint64_t now, const struct bl_addr *identity)
{
    for (uint16_t conn = 0; (conn = bl_links_next(&host->links, conn)) != 0;) {
        struct bl_conn_info info;
        struct bl_addr who;

        if (bl_links_info(&host->links, conn, &info) < 0)
            continue;
        if (bl_addr_is_zero(&info.identity)
                ? bl_addr_eq(&info.peer, identity) ||
                      (bl_privacy_resolve(&host->privacy, &info.peer, &who) &&
                       bl_addr_eq(&who, identity))
                : bl_addr_eq(&info.identity, identity))
            bl_smp_identified(host->smp, now, conn, identity);
    }
}

static void security_bond(struct bl_host *host, uint64_t now, const struct bl_addr *identity)
{
    const struct bl_bond *bond = bl_bonds_find(bl_smp_bonds(host->smp), identity);

    if (!bond || !bond->has_irk)
        bl_privacy_remove_identity(&host->privacy, identity);
    else if (bl_privacy_add_identity(&host->privacy, identity, bond->irk) < 0)
        bl_env_log(&host->env, BL_LOG_WARNING,
                   "No room for another peer's key: its private addresses stay unknown");
    if (bond)
        security_recognise(host, now, identity);
    security_of_all(host, now);
}

/* One who has no public address is known by a static one, made now if there is none. */
void bl_host_identity(struct bl_host *host)
{
    struct bl_addr identity;

    if (bl_privacy_identity(&host->privacy, &identity) ||
        bl_privacy_static(&host->privacy, &identity) == 0)
        bl_smp_ready(host->smp, &identity);
}

void bl_host_security(struct bl_host *host, uint64_t now)
{
    struct bl_smp_news news;

    while (bl_smp_pop_news(host->smp, &news))
        switch (news.kind) {
        case BL_SMP_SECURITY:
            security_of(host, now, news.conn);
            break;
        case BL_SMP_IDENTITY:
            bl_links_identified(&host->links, news.conn, &news.identity);
            break;
        case BL_SMP_BOND_ADDED:
        case BL_SMP_BOND_GONE:
            security_bond(host, now, &news.identity);
            break;
        case BL_SMP_DROP:
            (void)bl_links_disconnect(&host->links, now, news.conn, BL_HCI_AUTHENTICATION_FAILURE,
                                      NULL);
            break;
        }
}
