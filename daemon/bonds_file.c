/* SPDX-License-Identifier: MIT */
/*
 * Reading takes what is legible and writes it again: if that is not the same text, it was none of
 * ours. So every rule is in one place only, that the numbers have no leading zeros, that the
 * checksum is right and that nothing follows it among them.
 */
#include "bonds_file.h"
#include "base/rd.h"
#include "base/wr.h"

#include <stdio.h>
#include <string.h>

enum {
    KEY = 16,
    KEY_MIN = 7, /* Core 5.4, Vol 3, Part H, 2.3.4 */
    CCCD_BITS = 3,
};

static const char *const types[] = {[ADDR_PUBLIC] = "public", [ADDR_RANDOM] = "random"};

/* ---- what a bond may be ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

static bool good_address(const struct bl_addr *a)
{
    return a->type <= ADDR_RANDOM && !bl_addr_is_zero(a);
}

/* A key of zeros is none, and what is above its size is zeros. */
static bool good_ltk(bool there, const struct bl_ltk *ltk, bool secure_connections)
{
    if (!there)
        return ltk->size <= KEY;
    if (ltk->size < KEY_MIN || ltk->size > KEY || all_zero(ltk->key, KEY) ||
        !all_zero(ltk->key + ltk->size, (size_t)KEY - ltk->size))
        return false;
    return !secure_connections || (ltk->ediv == 0 && all_zero(ltk->rand, sizeof(ltk->rand)));
}

static bool good_bond(const struct bl_bond *b)
{
    if (!good_address(&b->identity) || b->n_cccds > BL_BOND_CCCDS ||
        (b->has_irk && all_zero(b->irk, KEY)) ||
        !good_ltk(b->has_local_ltk, &b->local_ltk, b->secure_connections) ||
        !good_ltk(b->has_peer_ltk, &b->peer_ltk, b->secure_connections))
        return false;
    for (size_t i = 0; i < b->n_cccds; i++) {
        const struct bl_bond_cccd *c = &b->cccds[i];
        if (c->handle == 0 || c->bits == 0 || c->bits > CCCD_BITS ||
            (i > 0 && c->handle <= c[-1].handle))
            return false;
    }
    return true;
}

bool bonds_controller_eq(const struct bonds_controller *a, const struct bonds_controller *b)
{
    return bl_addr_eq(&a->address, &b->address) && a->hci_version == b->hci_version &&
           a->manufacturer == b->manufacturer;
}

/* ---- writing ---- */

static void put(struct wr *w, const char *text)
{
    wr_bytes(w, text, strlen(text));
}

/* By hand: stdio would keep copies of keys. */
static void put_hex(struct wr *w, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        wr_u8(w, (uint8_t)digits[p[i] >> 4]);
        wr_u8(w, (uint8_t)digits[p[i] & 15]);
    }
}

static void put_hex16(struct wr *w, uint16_t v)
{
    const uint8_t b[] = {(uint8_t)(v >> 8), (uint8_t)v};
    put_hex(w, b, sizeof(b));
}

static void put_number(struct wr *w, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    put(w, text);
}

static void put_bool(struct wr *w, const char *name, bool v)
{
    put(w, name);
    put(w, v ? "yes" : "no");
}

static void put_key(struct wr *w, const char *name, bool there, const uint8_t key[static KEY])
{
    put(w, name);
    if (there)
        put_hex(w, key, KEY);
    else
        put(w, "none");
}

static void put_ltk(struct wr *w, const char *name, bool there, const struct bl_ltk *ltk)
{
    put_key(w, name, there, ltk->key);
    put(w, " ");
    put_number(w, ltk->size);
    put(w, " ");
    put_hex16(w, ltk->ediv);
    put(w, " ");
    put_hex(w, ltk->rand, sizeof(ltk->rand));
}

static void put_address(struct wr *w, const char *name, const struct bl_addr *a)
{
    char text[ADDR_TEXT_LEN];
    put(w, name);
    put(w, types[a->type]);
    put(w, " ");
    put(w, bl_addr_format(a, text));
}

static void put_counted(struct wr *w, const char *name, uint64_t v)
{
    put(w, name);
    put_number(w, v);
}

/* CRC-32 as gzip's, four bits at a time. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t table[16], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static size_t put_end(struct wr *w)
{
    put(w, "\n");
    uint32_t crc = crc32_of(w->buf, w->len);
    put(w, "end ");
    put_hex16(w, (uint16_t)(crc >> 16));
    put_hex16(w, (uint16_t)crc);
    put(w, "\n");
    return wr_ok(w) ? w->len : 0;
}

size_t bonds_file_format(const struct bl_bond *b, char out[static BONDS_FILE_MAX])
{
    struct wr w = wr_make(out, BONDS_FILE_MAX);
    if (!good_bond(b))
        return 0;
    put_address(&w, "bled bond 1\nidentity ", &b->identity);
    put_bool(&w, "\nauthenticated ", b->authenticated);
    put_bool(&w, "\nsecure-connections ", b->secure_connections);
    put_ltk(&w, "\nlocal-ltk ", b->has_local_ltk, &b->local_ltk);
    put_ltk(&w, "\npeer-ltk ", b->has_peer_ltk, &b->peer_ltk);
    put_key(&w, "\nirk ", b->has_irk, b->irk);
    put_key(&w, "\nlocal-csrk ", b->has_local_csrk, b->local_csrk);
    put_key(&w, "\npeer-csrk ", b->has_peer_csrk, b->peer_csrk);
    put_counted(&w, "\nlocal-counter ", b->local_counter);
    put_counted(&w, "\npeer-counter ", b->peer_counter);
    put_counted(&w, "\nlast-seen ", b->last_seen);
    put(&w, "\nclient-features ");
    put_hex(&w, &b->client_features, 1);
    put_bool(&w, "\naware ", b->aware);
    put(&w, "\ndb-hash ");
    put_hex(&w, b->db_hash, sizeof(b->db_hash));
    put_counted(&w, "\ncccds ", b->n_cccds);
    for (size_t i = 0; i < b->n_cccds; i++) {
        put(&w, "\ncccd ");
        put_hex16(&w, b->cccds[i].handle);
        put_counted(&w, " ", b->cccds[i].bits);
    }
    return put_end(&w);
}

size_t bonds_file_format_controller(const struct bonds_controller *c,
                                    char out[static BONDS_FILE_MAX])
{
    struct wr w = wr_make(out, BONDS_FILE_MAX);
    if (!good_address(&c->address))
        return 0;
    put_address(&w, "bled controller 1\naddress ", &c->address);
    put_counted(&w, "\nhci-version ", c->hci_version);
    put_counted(&w, "\nmanufacturer ", c->manufacturer);
    return put_end(&w);
}

/* ---- reading ---- */

static bool take_if(struct rd *r, const char *text)
{
    size_t n = strlen(text);
    if (r->bad || r->left < n || memcmp(r->p, text, n) != 0)
        return false;
    (void)rd_bytes(r, n);
    return true;
}

static void take(struct rd *r, const char *text)
{
    r->bad = r->bad || !take_if(r, text);
}

static void take_hex(struct rd *r, uint8_t *out, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 2 * n; i++) {
        char c = (char)rd_u8(r);
        const char *d = c ? strchr(digits, c) : NULL;
        r->bad = r->bad || !d;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (d ? d - digits : 0));
    }
}

static uint16_t take_hex16(struct rd *r)
{
    uint8_t b[2] = {0};
    take_hex(r, b, sizeof(b));
    return (uint16_t)(b[0] << 8 | b[1]);
}

static uint64_t take_number(struct rd *r, uint64_t max)
{
    uint64_t v = 0;
    if (r->left == 0 || r->p[0] < '0' || r->p[0] > '9')
        r->bad = true;
    while (!r->bad && r->left > 0 && r->p[0] >= '0' && r->p[0] <= '9') {
        uint64_t digit = (uint64_t)(rd_u8(r) - '0');
        if (digit > max || v > (max - digit) / 10)
            r->bad = true;
        v = v * 10 + digit;
    }
    return r->bad ? 0 : v;
}

static uint64_t take_counted(struct rd *r, const char *name, uint64_t max)
{
    take(r, name);
    return take_number(r, max);
}

static bool take_bool(struct rd *r, const char *name)
{
    take(r, name);
    if (take_if(r, "yes"))
        return true;
    take(r, "no");
    return false;
}

static bool take_key(struct rd *r, const char *name, uint8_t key[static KEY])
{
    take(r, name);
    if (take_if(r, "none"))
        return false;
    take_hex(r, key, KEY);
    return true;
}

static bool take_ltk(struct rd *r, const char *name, struct bl_ltk *ltk)
{
    bool there = take_key(r, name, ltk->key);
    take(r, " ");
    ltk->size = (uint8_t)take_number(r, KEY);
    take(r, " ");
    ltk->ediv = take_hex16(r);
    take(r, " ");
    take_hex(r, ltk->rand, sizeof(ltk->rand));
    return there;
}

static void take_address(struct rd *r, const char *name, struct bl_addr *ret)
{
    char text[ADDR_TEXT_LEN] = "";
    take(r, name);
    uint8_t type = take_if(r, "random ") ? ADDR_RANDOM : ADDR_PUBLIC;
    if (type == ADDR_PUBLIC)
        take(r, "public ");
    rd_copy(r, text, ADDR_TEXT_LEN - 1);
    r->bad = r->bad || !bl_addr_parse(text, type, ret);
}

static void take_bond(struct rd *r, struct bl_bond *b)
{
    take_address(r, "bled bond 1\nidentity ", &b->identity);
    b->authenticated = take_bool(r, "\nauthenticated ");
    b->secure_connections = take_bool(r, "\nsecure-connections ");
    b->has_local_ltk = take_ltk(r, "\nlocal-ltk ", &b->local_ltk);
    b->has_peer_ltk = take_ltk(r, "\npeer-ltk ", &b->peer_ltk);
    b->has_irk = take_key(r, "\nirk ", b->irk);
    b->has_local_csrk = take_key(r, "\nlocal-csrk ", b->local_csrk);
    b->has_peer_csrk = take_key(r, "\npeer-csrk ", b->peer_csrk);
    b->local_counter = (uint32_t)take_counted(r, "\nlocal-counter ", UINT32_MAX);
    b->peer_counter = (uint32_t)take_counted(r, "\npeer-counter ", UINT32_MAX);
    b->last_seen = take_counted(r, "\nlast-seen ", UINT64_MAX);
    take(r, "\nclient-features ");
    take_hex(r, &b->client_features, 1);
    b->aware = take_bool(r, "\naware ");
    take(r, "\ndb-hash ");
    take_hex(r, b->db_hash, sizeof(b->db_hash));
    b->n_cccds = (uint16_t)take_counted(r, "\ncccds ", BL_BOND_CCCDS);
    for (size_t i = 0; i < b->n_cccds; i++) {
        take(r, "\ncccd ");
        b->cccds[i].handle = take_hex16(r);
        b->cccds[i].bits = (uint8_t)take_counted(r, " ", CCCD_BITS);
    }
}

/* Text and what is written of what was read of it. */
static bool same(const char *text, size_t n, const char *again, size_t n_again)
{
    return n_again > 0 && n == n_again && memcmp(text, again, n) == 0;
}

bool bonds_file_parse(const char *text, size_t n, struct bl_bond *ret)
{
    char again[BONDS_FILE_MAX];
    struct rd r = rd_make(text, n);
    *ret = (struct bl_bond){0};
    take_bond(&r, ret);
    bool good = rd_ok(&r) && same(text, n, again, bonds_file_format(ret, again));
    if (!good)
        explicit_bzero(ret, sizeof(*ret));
    explicit_bzero(again, sizeof(again));
    return good;
}

bool bonds_file_parse_controller(const char *text, size_t n, struct bonds_controller *ret)
{
    char again[BONDS_FILE_MAX];
    struct rd r = rd_make(text, n);
    struct bonds_controller c = {0};
    take_address(&r, "bled controller 1\naddress ", &c.address);
    c.hci_version = (uint8_t)take_counted(&r, "\nhci-version ", UINT8_MAX);
    c.manufacturer = (uint16_t)take_counted(&r, "\nmanufacturer ", UINT16_MAX);
    if (!rd_ok(&r) || !same(text, n, again, bonds_file_format_controller(&c, again)))
        return false;
    *ret = c;
    return true;
}

/* ---- names ---- */

char *bonds_file_name(const struct bl_addr *identity, char out[static BONDS_FILE_NAME_MAX])
{
    char text[ADDR_TEXT_LEN];
    snprintf(out, BONDS_FILE_NAME_MAX, "%s-%s", types[identity->type & 1],
             bl_addr_format(identity, text));
    return out;
}

bool bonds_file_named(const char *name, struct bl_addr *ret_identity)
{
    char again[BONDS_FILE_NAME_MAX];
    struct bl_addr a;
    uint8_t type = strncmp(name, "random-", 7) == 0 ? ADDR_RANDOM : ADDR_PUBLIC;
    if (strlen(name) != 7 + ADDR_TEXT_LEN - 1 || !bl_addr_parse(name + 7, type, &a) ||
        strcmp(bonds_file_name(&a, again), name) != 0)
        return false;
    *ret_identity = a;
    return true;
}
