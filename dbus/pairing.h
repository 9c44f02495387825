/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * pairing: org.bled.Pairing1. pairing.c has Pair, out-of-band data and bonds; pairing_prompt.c who
 * is asked when a person must act; pairing_secrets.c the client that keeps keys in the daemon's
 * stead; pairing_part.c the clients that play a part (attendant, provider).
 */

#include "adapter.h"

#define PAIRING_INTERFACE "org.bled.Pairing1"

/* Events, in the order of events.c. */
void bus_pairing_on_ready(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_encrypted(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_failed(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_passkey(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_keypress(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_bond(struct bus_adapter *a, const struct bl_event *e);
void bus_pairing_on_disconnected(struct bus_adapter *a, const struct bl_event *e);

/* Adapter1.Detach of this client, attached or not: it plays no part any more. */
void bus_pairing_detach(struct bus_adapter *a, const char *client);

/* ---- between the files of the module ---- */

/* A part that one client at a time plays, until it leaves or calls Detach: of an attached one it is
 * a thing; of another a call that stays open. */
struct pairing_part {
    struct bus_adapter *adapter;
    struct bus_thing thing;
    struct bus_call *presence;
    const struct bus_thing_kind *kind;
    const char *name; /* "the attendant" */
    void (*left)(struct pairing_part *part);
};

bool bus_pairing_part_taken(const struct pairing_part *part);
/* Whether this client (unique name) has it. */
bool bus_pairing_part_is(const struct pairing_part *part, const char *client);
/* The caller takes it and m is answered. 1; negative with error set: Busy, no memory. Who has it
 * already keeps it. */
int bus_pairing_part_take(struct pairing_part *part, struct bus_owner *owner, sd_bus_message *m,
                          sd_bus_error *error);
/* Nothing where nobody has it; left() where somebody had. */
void bus_pairing_part_end(struct pairing_part *part);

/* Somebody to send a signal to: an attached client (owner), else any client. */
struct pairing_person {
    struct bus_owner *owner; /* NULL: not attached */
    struct bus_client *client;
};

/* NULL client where nobody has it, or has left just now. */
struct pairing_person bus_pairing_part_person(const struct pairing_part *part);
/* To that client alone; m is wiped when it has been sent, and released. */
void bus_pairing_send(struct bus_adapter *a, const struct pairing_person *to, sd_bus_message **m);

struct pair_call {
    struct bus_call call; /* waiting: in pairing.pairs */
    uint16_t conn;
    bool has_passkey;
    uint32_t passkey;
};

/* Something that a person is asked for. */
struct pairing_prompt {
    struct list link;
    struct bus_thing thing; /* of the attached client that was asked */
    struct bus_timer timer;
    struct bus_adapter *adapter;
    struct pair_call *call; /* of the caller of Pair that was asked, else NULL */
    bool attendant;         /* it was asked */
    uint16_t conn;
    enum bl_passkey_action action;
    sd_bus_slot *fence; /* no answer counts before this one: pairing_prompt.c */
    char *not_from;     /* the client that was asked before, and is not any more; NULL: none */
};

/* Who was asked last on a connection. */
struct pairing_asked {
    struct list link;
    uint16_t conn;
    char *client; /* its name */
};

struct pairing_secrets {
    struct pairing_part part;
    struct list requests; /* struct secret_request.link, oldest first */
    unsigned n_requests;
    bool loading, again; /* asking by index; from the start once more, because indices moved */
    uint32_t index, loaded, asked;
};

struct pairing {
    struct list pairs;   /* Pair calls under way */
    struct list deletes; /* DeleteBond calls that wait for BondRemoved */
    struct list prompts; /* what is asked of people, one a connection at most */
    struct list asked;   /* struct pairing_asked.link, of connections that are up */
    struct pairing_part attendant;
    bool draw; /* the attendant has display numbers drawn */
    struct pairing_secrets secrets;
    struct bl_addr loaded_for; /* the controller whose bonds the host has */
};

static inline struct pairing *pairing_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_pairing];
}

/*
 * A pairing on behalf of another interface's call, whose structure begins with struct pair_call:
 * as Pair of the same caller with the option `security` alone; people are asked as for Pair. begin:
 * 1 (bus_call_go() has been called: kind->done() gets its end) or negative with error set. over: at
 * the latest when the call is freed. unasked: whoever was asked by it has gone.
 */
int bus_pairing_begin(struct pair_call *call, uint16_t conn, uint8_t security, sd_bus_error *error);
void bus_pairing_over(struct pair_call *call);
void bus_pairing_unasked(struct pair_call *call);

/* pairing_prompt.c */
extern const struct bus_thing_kind bus_pairing_attendant_kind;
void bus_pairing_attendant_left(struct pairing_part *part);
int bus_pairing_method_passkey(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_pairing_method_keypress(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_pairing_method_attend(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Whoever was asked by this call is not there any more; a connection needs no answer any more (0:
 * all of them). */
void bus_pairing_prompt_call_gone(struct pair_call *call);
void bus_pairing_prompt_over(struct bus_adapter *a, uint16_t conn);
/* The connection has ended (0: all of them): its number will be another one's. */
void bus_pairing_prompt_forget(struct bus_adapter *a, uint16_t conn);

/* pairing.c: who keeps the bonds is about to change: those that have been deleted, and whose event
 * is on its way, are deleted where they are. */
void bus_pairing_finish_deletes(struct bus_adapter *a);

/* pairing_secrets.c */
extern const struct bus_thing_kind bus_pairing_provider_kind;
void bus_pairing_provider_left(struct pairing_part *part);
int bus_pairing_method_provide(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_pairing_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* A bond has changed, or has gone (then but for its identity it does not matter). */
void bus_pairing_secrets_store(struct bus_adapter *a, const struct bl_bond *bond, bool gone);
void bus_pairing_secrets_free(struct bus_adapter *a);
