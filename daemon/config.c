/* SPDX-License-Identifier: MIT */
/*
 * The file is read by inih, which tells its handler no line numbers; but it asks for one line at a
 * time, so counting its requests gives them. The reader also refuses what inih would let pass: too
 * long lines, NUL bytes, empty sections with unknown names, and lines that begin with blanks, which
 * inih takes for the continuation of a value.
 *
 * A key of [adapter hciN] is kept as text and applied last, so that the order of sections does not
 * matter; it is checked at once on a copy.
 */
#include "config.h"
#include "base/cleanup.h"
#include "config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct config_override {
    char name[16];
    const struct config_key *key;
    char *value;
    struct config_override *next;
};

enum section { SECTION_NONE, SECTION_DAEMON, SECTION_ADAPTER, SECTION_ONE_ADAPTER, SECTION_BAD };

struct reading {
    struct config *config;
    const char *path;
    FILE *file;
    unsigned line;
    bool failed;
    enum section section;
    char one[16];     /* SECTION_ONE_ADAPTER: which */
    uint64_t seen[2]; /* keys of [daemon] and of [adapter], by their bits */
    config_report_fn report;
    void *ctx;
};

static void complain(struct reading *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct reading *r, const char *format, ...)
{
    char what[300], text[300 + CONFIG_PATH];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    snprintf(text, sizeof(text), "%s:%u: %s", r->path, r->line, what);
    r->report(r->ctx, text);
    r->failed = true;
}

void config_init(struct config *c)
{
    *c = (struct config){0};
    config_adapter_defaults(&c->adapter);
}

void config_done(struct config *c)
{
    while (c->overrides) {
        struct config_override *o = c->overrides;
        c->overrides = o->next;
        free(o->value);
        free(o);
    }
    char **texts[] = {&c->bus, &c->bus_name, &c->state_dir, &c->log_level, &c->btsnoop};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    config_forget_adapters(c);
}

void config_forget_adapters(struct config *c)
{
    free(c->specs);
    c->specs = NULL;
    c->n_specs = 0;
}

static bool is_object_name(const char *text)
{
    struct spec spec;
    const char *why;
    return strncmp(text, "hci", 3) == 0 && spec_parse(text, &spec, &why) == 0;
}

/* text: what is between the brackets, up to the closing one. */
static void enter_section(struct reading *r, const char *text)
{
    char name[64];
    size_t n = strcspn(text, "]");
    r->section = SECTION_BAD;
    if (text[n] != ']' || n >= sizeof(name)) {
        complain(r, "a section is a name in brackets, as in [daemon]");
        return;
    }
    memcpy(name, text, n);
    name[n] = '\0';
    if (strcmp(name, "daemon") == 0) {
        r->section = SECTION_DAEMON;
    } else if (strcmp(name, "adapter") == 0) {
        r->section = SECTION_ADAPTER;
    } else if (strncmp(name, "adapter ", 8) == 0 && is_object_name(name + 8)) {
        r->section = SECTION_ONE_ADAPTER;
        memcpy(r->one, name + 8, strlen(name + 8) + 1); /* hci and at most five digits */
    } else {
        complain(r, "unknown section [%s]: there are [daemon], [adapter] and [adapter hciN]", name);
    }
}

/* inih's reader: one whole line into str, without leading blanks. */
static char *read_line(char *str, int num, void *stream)
{
    struct reading *r = stream;
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, r->file);
    if (n < 0)
        return NULL;
    r->line++;
    char *text = line;
    if (r->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* the byte order mark of some editors */
    while (isspace((unsigned char)*text) && *text)
        text++;
    str[0] = '\0';
    if (strlen(line) != (size_t)n) {
        complain(r, "a NUL byte: this is no text file");
    } else if (strlen(text) + 1 > (size_t)num) {
        complain(r, "the line is too long: %d characters are the most", num - 1);
    } else {
        if (*text == '[')
            enter_section(r, text + 1);
        strcpy(str, text);
    }
    return str;
}

static void keep_override(struct reading *r, const struct config_key *key, const char *value)
{
    struct config_override *o = calloc(1, sizeof(*o)), **at = &r->config->overrides;
    if (o)
        o->value = strdup(value);
    if (!o || !o->value) {
        free(o);
        complain(r, "out of memory");
        return;
    }
    memcpy(o->name, r->one, sizeof(o->name));
    o->key = key;
    for (; *at; at = &(*at)->next)
        if ((*at)->key == key && strcmp((*at)->name, o->name) == 0)
            complain(r, "%s is given twice for %s", key->name, o->name);
    *at = o;
}

static void set_key(struct reading *r, const struct config_key *key, const char *value)
{
    struct config_adapter copy = r->config->adapter;
    const char *why;
    if (r->section == SECTION_DAEMON)
        why = key->set(key, r->config, value);
    else
        why = key->set(key, r->section == SECTION_ADAPTER ? &r->config->adapter : &copy, value);
    if (why)
        complain(r, "%s = %s: %s", key->name, value, why);
    else if (r->section == SECTION_ONE_ADAPTER)
        keep_override(r, key, value);
}

/* inih's handler. It always returns 1, so that an error of inih's is one of syntax. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    (void)section; /* cut short by inih; the reader has seen it whole */
    if (r->section == SECTION_BAD)
        return 1;
    if (r->section == SECTION_NONE) {
        complain(r, "%s: a key must follow a section, [daemon] or [adapter]", name);
        return 1;
    }
    bool daemon = r->section == SECTION_DAEMON;
    size_t bit;
    const struct config_key *key = config_key_find(daemon, name, &bit);
    if (!key) {
        complain(r, "unknown key %s in [%s]", name, daemon ? "daemon" : "adapter");
        return 1;
    }
    if (r->section != SECTION_ONE_ADAPTER && !key->repeatable) {
        uint64_t *seen = &r->seen[daemon ? 0 : 1];
        if (*seen & UINT64_C(1) << bit)
            complain(r, "%s is given twice", name);
        *seen |= UINT64_C(1) << bit;
    }
    set_key(r, key, value);
    return 1;
}

static void close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

int config_load(struct config *c, const char *path, config_report_fn report, void *ctx)
{
    _cleanup_(close_file) FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    struct stat st;
    if (fstat(fileno(file), &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    struct reading r = {.config = c, .path = path, .file = file, .report = report, .ctx = ctx};
    int line = ini_parse_stream(read_line, &r, on_key, &r);
    if (ferror(file))
        return -EIO;
    if (line != 0) {
        r.line = line > 0 ? (unsigned)line : r.line;
        complain(&r, "neither a [section], a key = value, nor a comment");
    }
    return r.failed ? -EINVAL : 0;
}

const char *config_set(struct config *c, const char *key, const char *value)
{
    size_t bit;
    const struct config_key *k = config_key_find(true, key, &bit);
    return k ? k->set(k, c, value) : "unknown key";
}

/* NULL, or why a value that is good alone is not good with the others, and was left out. */
static const char *config_overridden(const struct config *c, const char *name,
                                     struct config_adapter *ret)
{
    const char *why = NULL;
    *ret = c->adapter;
    for (const struct config_override *o = c->overrides; o; o = o->next)
        if (strcmp(o->name, name) == 0) {
            const char *wrong = o->key->set(o->key, ret, o->value);
            why = why ? why : wrong;
        }
    return why;
}

int config_finish(struct config *c, config_report_fn report, void *ctx)
{
    char text[512];
    size_t again;
    const char *why = c->n_specs == 0 ? config_set(c, "adapter", "hci0") : NULL;
    if (why) {
        report(ctx, why);
        return -EINVAL;
    }
    if (spec_name_all(c->specs, c->n_specs, &again) < 0) {
        snprintf(text, sizeof(text), "adapter %s is given twice", c->specs[again].text);
        report(ctx, text);
        return -EINVAL;
    }
    int r = 0;
    for (const struct config_override *o = c->overrides; o; o = o->next) {
        bool found = false;
        for (size_t i = 0; i < c->n_specs; i++)
            found = found || strcmp(c->specs[i].name, o->name) == 0;
        struct config_adapter whole;
        why = config_overridden(c, o->name, &whole);
        if (!found) { /* no mistake: the command line may have other adapters than the file */
            snprintf(text, sizeof(text), "[adapter %s]: there is no such adapter: %s is not used",
                     o->name, o->key->name);
            report(ctx, text);
        } else if (why) {
            snprintf(text, sizeof(text), "[adapter %s] with [adapter]: %s", o->name, why);
            report(ctx, text);
            r = -EINVAL;
        }
    }
    return r;
}

struct config_adapter config_adapter(const struct config *c, const char *name)
{
    struct config_adapter a;
    (void)config_overridden(c, name, &a); /* config_finish() has told */
    return a;
}
