/* SPDX-License-Identifier: MIT */

/*
 * privacy: our own addresses. privacy_peers.c has the resolution of others'.
 *
 * Each kind of random address has one current value here; bl_privacy_step() closes the gap between
 * the value that the claims (or, without claims, the configured mode) call for and what the
 * controller has. LE Set Random Address is forbidden while legacy advertising, scanning or
 * initiating is on (Core 5.4, Vol 4, Part E, 7.8.4), so a change under way goes
 *
 *     wanted != shared --(someone is on the air: radio->pause)--> all off --> command --> reply
 *                                                                                  |
 *     users go on <-------------------- radio->pause cleared ----------------------+
 *
 * Without a claim nobody is disturbed: the change waits until the air is quiet.
 *
 * Where the controller can make RPAs (privacy_list.c), it does for advertising and towards the
 * peers on its list; what is described here goes on beside it, for all else and so that there is
 * never anything but a private address for it to fall back to.
 *
 * Timers: each private address that is in use is made anew rpa_timeout_s after it was made. A new
 * one that cannot be had, or that the controller refuses, leaves the old one for another period.
 */

#include "gap/privacy.h"

#include "base/timerq.h"
#include "crypto/crypto.h"
#include "hci/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PRIVACY_TIMEOUT_S 900 /* Core 5.4, Vol 3, Part C, Appendix A: T_GAP(private_addr_int) */
#define PRIVACY_TRIES     8   /* draws until random bits are neither all 0 nor all 1 */

static const struct bl_addr privacy_none;

/* ---- making addresses ---- */

/* Whether the random part (all but the two most significant bits) is all 0 or all 1. */
static bool privacy_is_uniform(const uint8_t *b, size_t n)
{
    bool zeros = true, ones = true;

    for (size_t i = 0; i < n; i++) {
        uint8_t mask = i + 1 == n ? 0x3f : 0xff;
        zeros = zeros && (b[i] & mask) == 0;
        ones = ones && (b[i] & mask) == mask;
    }
    return zeros || ones;
}

/* Random bytes under two given top bits. Core 5.4, Vol 6, Part B, 1.3.2.1 and 1.3.2.2: at least one
 * bit of the random part is 0, and one is 1. */
static int privacy_draw(const struct bl_env *env, uint8_t *b, size_t n, uint8_t top)
{
    for (unsigned i = 0; i < PRIVACY_TRIES; i++) {
        if (env->random(env->ctx, b, n) < 0)
            return -EIO;
        b[n - 1] = (uint8_t)((b[n - 1] & 0x3f) | top);
        if (!privacy_is_uniform(b, n))
            return 0;
    }
    return -EIO;
}

bool bl_privacy_has_irk(const struct bl_privacy *p)
{
    static const uint8_t zero[16];

    return !bl_crypto_equal(p->radio->config.irk, zero, sizeof(zero));
}

/* hash || prand, prand in the most significant octets. Core 5.4, Vol 6, Part B, 1.3.2.2. */
static int privacy_make_rpa(struct bl_privacy *p, struct bl_addr *ret)
{
    struct bl_addr a = {.type = ADDR_RANDOM};

    if (!bl_privacy_has_irk(p))
        return -EOPNOTSUPP;
    if (privacy_draw(p->radio->env, a.b + 3, 3, 0x40) < 0 ||
        bl_crypto_ah(p->radio->config.irk, a.b + 3, a.b) < 0)
        return -EIO;
    memcpy(p->irk, p->radio->config.irk, sizeof(p->irk));
    *ret = a;
    return 0;
}

/* Core 5.4, Vol 6, Part B, 1.3.2.2: not the public address either. */
static int privacy_make_nrpa(struct bl_privacy *p, struct bl_addr *ret)
{
    struct bl_addr a = {.type = ADDR_RANDOM};

    for (unsigned i = 0; i < PRIVACY_TRIES; i++) {
        if (privacy_draw(p->radio->env, a.b, 6, 0x00) < 0)
            return -EIO;
        if (memcmp(a.b, bl_hci_caps(p->radio->hci)->public_addr.b, 6) != 0) {
            *ret = a;
            return 0;
        }
    }
    return -EIO;
}

uint64_t bl_privacy_period(const struct bl_privacy *p)
{
    uint32_t s = p->radio->config.rpa_timeout_s;

    return (uint64_t)(s ? s : PRIVACY_TIMEOUT_S) * 1000000;
}

static int privacy_fresh(struct bl_privacy *p, uint64_t now, enum bl_addr_mode mode,
                         struct bl_privacy_private *ret)
{
    struct bl_addr a;
    int r = mode == BL_ADDR_MODE_RPA ? privacy_make_rpa(p, &a) : privacy_make_nrpa(p, &a);

    if (r == 0)
        *ret = (struct bl_privacy_private){.addr = a, .until = now + bl_privacy_period(p)};
    return r;
}

int bl_privacy_static(struct bl_privacy *p, struct bl_addr *ret)
{
    struct bl_addr *own = &p->radio->config.static_addr;

    if (bl_addr_is_zero(own) && !bl_addr_is_zero(&p->made))
        *own = p->made;
    if (bl_addr_is_zero(own)) {
        struct bl_addr a = {.type = ADDR_RANDOM};
        if (privacy_draw(p->radio->env, a.b, 6, 0xc0) < 0)
            return -EIO;
        *own = p->made = a;
    }
    *ret = *own;
    return 0;
}

/* ---- which kind ---- */

static bool privacy_claims(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        if (p->claims[u] == mode)
            return true;
    return false;
}

static bool privacy_is_claimed(const struct bl_privacy *p)
{
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        if (p->claims[u] != BL_ADDR_MODE_DEFAULT)
            return true;
    return false;
}

enum bl_addr_mode bl_privacy_mode(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    if (mode != BL_ADDR_MODE_DEFAULT)
        return mode;
    if (p->radio->config.addr_mode == BL_ADDR_MODE_PUBLIC &&
        bl_addr_is_zero(&bl_hci_caps(p->radio->hci)->public_addr))
        return BL_ADDR_MODE_STATIC;
    return p->radio->config.addr_mode;
}

/* The kind that the shared address is to be of: claims agree among themselves. */
static enum bl_addr_mode privacy_kind(const struct bl_privacy *p)
{
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        if (p->claims[u] != BL_ADDR_MODE_DEFAULT)
            return p->claims[u];
    return bl_privacy_mode(p, BL_ADDR_MODE_DEFAULT);
}

static const struct bl_addr *privacy_value(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    switch (mode) {
    case BL_ADDR_MODE_STATIC:
        return &p->radio->config.static_addr;
    case BL_ADDR_MODE_RPA:
        return &p->rpa.addr;
    case BL_ADDR_MODE_NRPA:
        return &p->nrpa.addr;
    case BL_ADDR_MODE_PUBLIC:
    case BL_ADDR_MODE_DEFAULT:
        break;
    }
    return &privacy_none;
}

bool bl_privacy_in_use(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    return privacy_claims(p, mode) || bl_privacy_mode(p, BL_ADDR_MODE_DEFAULT) == mode;
}

/* Sees to it that the kind has a value that is not too old. */
static int privacy_refresh(struct bl_privacy *p, uint64_t now, enum bl_addr_mode mode)
{
    struct bl_addr ignored;

    switch (mode) {
    case BL_ADDR_MODE_STATIC:
        return bl_privacy_static(p, &ignored);
    case BL_ADDR_MODE_RPA:
        if (!bl_privacy_has_irk(p))
            return -EOPNOTSUPP;
        if (!bl_addr_is_zero(&p->rpa.addr) && now < p->rpa.until)
            return 0;
        return privacy_fresh(p, now, mode, &p->rpa);
    case BL_ADDR_MODE_NRPA:
        if (!bl_addr_is_zero(&p->nrpa.addr) && now < p->nrpa.until)
            return 0;
        return privacy_fresh(p, now, mode, &p->nrpa);
    case BL_ADDR_MODE_PUBLIC:
    case BL_ADDR_MODE_DEFAULT:
        break;
    }
    return 0;
}

/* A procedure begins that nobody shares: one that had an NRPA before has left it behind. */
static void privacy_begin_nrpa(struct bl_privacy *p)
{
    if (!privacy_claims(p, BL_ADDR_MODE_NRPA) && p->nrpa.used)
        p->nrpa = (struct bl_privacy_private){0};
}

/* ---- claims ---- */

int bl_privacy_check(const struct bl_privacy *p, enum bl_privacy_user user, enum bl_addr_mode mode)
{
    mode = bl_privacy_mode(p, mode);
    if (mode == BL_ADDR_MODE_PUBLIC)
        return bl_addr_is_zero(&bl_hci_caps(p->radio->hci)->public_addr) ? -EOPNOTSUPP : 0;
    if (mode == BL_ADDR_MODE_RPA && !bl_privacy_has_irk(p))
        return -EOPNOTSUPP;
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        if (u != user && p->claims[u] != BL_ADDR_MODE_DEFAULT && p->claims[u] != mode)
            return -EBUSY;
    return 0;
}

void bl_privacy_release(struct bl_privacy *p, enum bl_privacy_user user)
{
    if (p->claims[user] == BL_ADDR_MODE_DEFAULT)
        return; /* released again and again by those who rest: not a reason to ask anew */
    p->claims[user] = BL_ADDR_MODE_DEFAULT;
    if (!privacy_is_claimed(p))
        p->refused = false;
}

int bl_privacy_own(struct bl_privacy *p, uint64_t now, enum bl_privacy_user user,
                   enum bl_addr_mode mode, uint8_t *ret_own_type)
{
    if (mode == BL_ADDR_MODE_DEFAULT && p->claims[user] != BL_ADDR_MODE_DEFAULT)
        mode = p->claims[user];
    mode = bl_privacy_mode(p, mode);

    int r = bl_privacy_check(p, user, mode);
    if (r < 0)
        return r;
    if (mode == BL_ADDR_MODE_PUBLIC) {
        bl_privacy_release(p, user);
        *ret_own_type = ADDR_PUBLIC;
        return 0;
    }
    if (mode == BL_ADDR_MODE_NRPA)
        privacy_begin_nrpa(p);
    if (!privacy_is_claimed(p))
        p->refused = false; /* what was refused while nobody needed it is tried again */
    r = p->claims[user] == mode && p->refused ? -EIO : privacy_refresh(p, now, mode);
    if (r < 0) {
        bl_privacy_release(p, user);
        return r;
    }
    p->claims[user] = mode;
    if (mode == BL_ADDR_MODE_NRPA)
        p->nrpa.used = true;
    if (!bl_addr_eq(privacy_value(p, mode), &p->shared))
        return -EAGAIN;
    *ret_own_type = ADDR_RANDOM;
    return 0;
}

int bl_privacy_make(struct bl_privacy *p, uint64_t now, enum bl_addr_mode mode, bool main,
                    struct bl_addr *ret, uint64_t *ret_until)
{
    struct bl_privacy_private other = {0}, *mine = &other;

    mode = bl_privacy_mode(p, mode);
    if (mode == BL_ADDR_MODE_PUBLIC || mode == BL_ADDR_MODE_STATIC) {
        const struct bl_addr *public_addr = &bl_hci_caps(p->radio->hci)->public_addr;
        struct bl_addr a = *public_addr;
        if (mode == BL_ADDR_MODE_PUBLIC && bl_addr_is_zero(public_addr))
            return -EOPNOTSUPP;
        if (mode == BL_ADDR_MODE_STATIC && bl_privacy_static(p, &a) < 0)
            return -EIO;
        *ret = a;
        *ret_until = TIMERQ_NEVER;
        return 0;
    }
    if (main) {
        if (mode == BL_ADDR_MODE_NRPA)
            privacy_begin_nrpa(p);
        mine = mode == BL_ADDR_MODE_RPA ? &p->rpa : &p->nrpa;
    }

    int r = main ? privacy_refresh(p, now, mode) : privacy_fresh(p, now, mode, mine);
    if (r < 0)
        return r;
    mine->used = true;
    *ret = mine->addr;
    *ret_until = mine->until;
    return 0;
}

/* ---- what others see ---- */

bool bl_privacy_identity(const struct bl_privacy *p, struct bl_addr *ret)
{
    const struct bl_addr *public_addr = &bl_hci_caps(p->radio->hci)->public_addr;

    *ret = bl_addr_is_zero(public_addr) ? p->radio->config.static_addr : *public_addr;
    return !bl_addr_is_zero(ret);
}

bool bl_privacy_current(const struct bl_privacy *p, struct bl_addr *ret)
{
    *ret = p->told;
    return !bl_addr_is_zero(ret);
}

/* Whether it is yet to be seen who makes the addresses. */
static bool privacy_proving(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    return mode == BL_ADDR_MODE_RPA && bl_privacy_list_proving(p);
}

/* A private address counts once the controller has it, or at once where a claim of another kind
 * keeps it from having it and only sets use it. */
static struct bl_addr privacy_on_air(const struct bl_privacy *p)
{
    enum bl_addr_mode mode = bl_privacy_mode(p, BL_ADDR_MODE_DEFAULT);
    const struct bl_addr *value = privacy_value(p, mode);

    if (mode == BL_ADDR_MODE_PUBLIC)
        return bl_hci_caps(p->radio->hci)->public_addr;
    if (mode == BL_ADDR_MODE_RPA && bl_privacy_by_controller(p))
        return p->list.own;
    bool there = bl_addr_eq(value, &p->shared) || privacy_kind(p) != mode;
    if (mode == BL_ADDR_MODE_STATIC || (there && !privacy_proving(p, mode)))
        return *value;
    bool same_kind = p->told.type == ADDR_RANDOM && (p->told.b[5] & 0xc0) == (value->b[5] & 0xc0);
    return same_kind ? p->told : privacy_none;
}

static void privacy_tell(struct bl_privacy *p)
{
    struct bl_addr a = privacy_on_air(p);

    if (bl_addr_eq(&a, &p->told))
        return;
    p->told = a;
    if (!bl_addr_is_zero(&a))
        bl_evq_push(p->radio->events,
                    &(struct bl_event){.kind = BL_EV_ADDRESS_CHANGED, .address = {a}});
}

/* ---- the controller ---- */

/* The shared address may stay as it is. */
static bool privacy_step_list(struct bl_privacy *p, bool busy)
{
    struct bl_radio *radio = p->radio;

    radio->pause = radio->still = bl_privacy_list_wants(p);
    return radio->still && !busy && bl_privacy_list_step(p);
}

bool bl_privacy_step(struct bl_privacy *p, uint64_t now)
{
    struct bl_radio *radio = p->radio;
    const struct bl_addr *want = privacy_value(p, privacy_kind(p));
    bool claimed = privacy_is_claimed(p);

    (void)now;
    if (!radio->ready)
        return false;
    if (bl_privacy_list_ask(p))
        return true;
    bool settled = bl_addr_is_zero(want) || bl_addr_eq(want, &p->shared) || p->refused;
    bool busy = radio->advertising || radio->scanning || radio->initiating;
    if (settled)
        privacy_tell(p);
    if (settled || (busy && !claimed) || p->list.stirring) /* which is a scan as well */
        return privacy_step_list(p, busy || radio->sets);
    if (busy) {
        radio->pause = true;
        return false;
    }

    int r = bl_radio_cmd(radio, BL_CMD_LE_SET_RANDOM_ADDRESS, want->b, 6, BL_HCI_OWNER_PRIVACY, 0);
    if (r == 0) {
        p->pending = *want;
        return true;
    }
    if (r == -EOPNOTSUPP) {
        p->refused = true;
        radio->pause = false;
    }
    return false;
}

/* The controller keeps its address: one that is still of the right kind serves on. */
static void privacy_keep_old(struct bl_privacy *p, uint64_t now)
{
    enum bl_addr_mode mode = privacy_kind(p);

    if (mode == BL_ADDR_MODE_RPA && bl_addr_is_rpa(&p->shared))
        p->rpa = (struct bl_privacy_private){p->shared, now + bl_privacy_period(p), true};
    else if (mode == BL_ADDR_MODE_NRPA && bl_addr_is_nrpa(&p->shared) &&
             !bl_addr_is_zero(&p->shared))
        p->nrpa = (struct bl_privacy_private){p->shared, now + bl_privacy_period(p), true};
    else
        p->refused = true;
}

void bl_privacy_reply(struct bl_privacy *p, uint64_t now, const struct bl_hci_reply *reply)
{
    if (reply->opcode != BL_CMD_LE_SET_RANDOM_ADDRESS) {
        bl_privacy_list_reply(p, now, reply);
        privacy_tell(p);
        return;
    }
    if (bl_addr_is_zero(&p->pending))
        return; /* of before a reset */
    if (reply->lost) {
        p->shared = privacy_none; /* nobody knows which one it has: it is told once more */
    } else if (reply->status == 0) {
        p->shared = p->pending;
        p->refused = false;
    } else {
        bl_env_log(p->radio->env, BL_LOG_WARNING,
                   "The controller refuses a random address (HCI error 0x%02x)", reply->status);
        privacy_keep_old(p, now);
    }
    p->pending = privacy_none;
    p->radio->pause = false;
    privacy_tell(p);
}

/* ---- time ---- */

/* What nobody but the controller would use may be old: changing it would disturb advertising. */
static bool privacy_expires(const struct bl_privacy *p, enum bl_addr_mode mode)
{
    if (mode == BL_ADDR_MODE_RPA && p->radio->listed && bl_privacy_by_controller(p) &&
        p->claims[BL_PRIVACY_ADV] == mode && p->claims[BL_PRIVACY_SCAN] != mode &&
        p->claims[BL_PRIVACY_INIT] != mode)
        return false;
    return !bl_addr_is_zero(privacy_value(p, mode)) && bl_privacy_in_use(p, mode);
}

uint64_t bl_privacy_deadline(const struct bl_privacy *p)
{
    uint64_t at = TIMERQ_NEVER;

    if (!p->radio->ready)
        return at;
    if (privacy_expires(p, BL_ADDR_MODE_RPA))
        at = p->rpa.until;
    if (privacy_expires(p, BL_ADDR_MODE_NRPA) && p->nrpa.until < at)
        at = p->nrpa.until;
    uint64_t list = bl_privacy_list_deadline(p);
    return list < at ? list : at;
}

static void privacy_renew(struct bl_privacy *p, uint64_t now, enum bl_addr_mode mode,
                          struct bl_privacy_private *mine)
{
    bool used = mine->used;

    if (!privacy_expires(p, mode) || now < mine->until)
        return;
    if (privacy_refresh(p, now, mode) < 0) {
        bl_env_log(p->radio->env, BL_LOG_WARNING, "No new private address: the old one stays");
        mine->until = now + bl_privacy_period(p);
    }
    mine->used = used;
}

void bl_privacy_tick(struct bl_privacy *p, uint64_t now)
{
    if (!p->radio->ready)
        return;
    privacy_renew(p, now, BL_ADDR_MODE_RPA, &p->rpa);
    privacy_renew(p, now, BL_ADDR_MODE_NRPA, &p->nrpa);
    bl_privacy_list_tick(p, now);
}

/* ---- life ---- */

void bl_privacy_init(struct bl_privacy *p, struct bl_radio *radio)
{
    *p = (struct bl_privacy){.radio = radio};
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        p->claims[u] = BL_ADDR_MODE_DEFAULT;
}

void bl_privacy_deinit(struct bl_privacy *p)
{
    free(p->cache);
    if (p->identities)
        bl_crypto_wipe(p->identities, p->cap_identities * sizeof(*p->identities));
    free(p->identities);
    bl_crypto_wipe(p, sizeof(*p));
}

/* Makes what the configured mode needs, so that the first procedure need not wait for it. What
 * cannot be made is told to the procedure that needs it. */
static void privacy_prepare(struct bl_privacy *p, uint64_t now)
{
    struct bl_addr ignored;

    (void)privacy_refresh(p, now, bl_privacy_mode(p, BL_ADDR_MODE_DEFAULT));
    if (bl_addr_is_zero(&bl_hci_caps(p->radio->hci)->public_addr))
        (void)bl_privacy_static(p, &ignored); /* the identity */
}

void bl_privacy_ready(struct bl_privacy *p, uint64_t now)
{
    privacy_prepare(p, now);
    p->told = privacy_on_air(p); /* not an event: BL_EV_READY tells */
}

void bl_privacy_configured(struct bl_privacy *p, uint64_t now)
{
    struct bl_addr *own = &p->radio->config.static_addr;

    if (bl_addr_is_zero(own))
        *own = p->made; /* the owner has not kept it yet; zero where none was made */
    if (!bl_crypto_equal(p->irk, p->radio->config.irk, sizeof(p->irk)))
        p->rpa = (struct bl_privacy_private){0};
    bl_privacy_list_configured(p);
    if (!p->radio->ready)
        return;
    privacy_prepare(p, now);
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        if (p->claims[u] != BL_ADDR_MODE_DEFAULT)
            (void)privacy_refresh(p, now, p->claims[u]);
    privacy_tell(p);
}

void bl_privacy_reset(struct bl_privacy *p, uint64_t now, bl_status status)
{
    (void)now;
    (void)status;
    for (unsigned u = 0; u < BL_PRIVACY_USERS; u++)
        p->claims[u] = BL_ADDR_MODE_DEFAULT;
    p->shared = p->pending = p->told = privacy_none;
    p->refused = false;
    p->radio->pause = p->radio->still = false;
    bl_crypto_wipe(&p->list, sizeof(p->list)); /* all zeros: as it is at first */
    p->changes++;
}
