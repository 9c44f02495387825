/* SPDX-License-Identifier: MIT */

/*
 * prompt: numbers that a person must show, enter or compare, at the terminal. Whoever made the call
 * of Pair is asked, else the owner of the connection, else the attendant: so each command that may
 * be one of these has this.
 *
 * Standard input is read while something is asked, and not before: so the answer may be in a pipe
 * or a file from the beginning. Where it ends, nobody is there to answer, and the answer is no.
 */

#include "ctl.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#define PAIRING "org.bled.Pairing1"

enum { ACTION_INPUT = 2, ACTION_DISPLAY = 3, ACTION_COMPARE = 4 };

static void answer(struct ctl *c, uint16_t conn, unsigned action, uint32_t passkey)
{
    (void)ctl_call(c, "answering", PAIRING, "Passkey", NULL, "qyu", conn, action, passkey);
}

/* 0..999999, each as likely: what is over the last whole million is thrown away. */
static bool draw(uint32_t *ret)
{
    uint32_t v;

    do
        if (getrandom(&v, sizeof(v), 0) != sizeof(v))
            return false;
    while (v >= UINT32_MAX / 1000000 * 1000000);
    *ret = v % 1000000;
    return true;
}

/* Questions go where a person looks; for a program they are events. */
static void ask(const struct ctl *c, uint16_t conn, unsigned action, uint32_t passkey)
{
    static const char *const actions[] = {"", "", "input", "display", "compare"};
    FILE *to = isatty(STDOUT_FILENO) ? stdout : stderr;
    char number[8];

    snprintf(number, sizeof(number), "%06u", passkey % 1000000);
    if (c->json)
        ctl_json(action == ACTION_INPUT
                     ? json_pack("{s:s,s:i,s:s}", "event", "PasskeyAction", "conn", conn, "action",
                                 actions[action])
                     : json_pack("{s:s,s:i,s:s,s:s}", "event", "PasskeyAction", "conn", conn,
                                 "action", actions[action], "passkey", number));
    else if (action == ACTION_DISPLAY)
        fprintf(to, "Enter %s on the other device.\n", number);
    else if (action == ACTION_INPUT)
        fprintf(to, "Which number does the other device show? ");
    else
        fprintf(to, "Does the other device show %s too? (yes or no) ", number);
    fflush(to);
}

static void again(const struct ctl *c, const char *text)
{
    if (!c->json)
        fputs(text, isatty(STDOUT_FILENO) ? stdout : stderr);
    fflush(isatty(STDOUT_FILENO) ? stdout : stderr);
}

bool ctl_prompt_answer(struct ctl *c, const char *line)
{
    struct ctl_prompt *p = &c->prompt;
    unsigned action = p->action;
    unsigned long number = 0;
    char word[64];

    snprintf(word, sizeof(word), "%s", line + strspn(line, " \t"));
    for (size_t n = strlen(word); n > 0 && strchr(" \t\r", word[n - 1]); n--)
        word[n - 1] = '\0';
    size_t zeros = strspn(word, "0");
    p->action = 0;
    if (action == ACTION_COMPARE) {
        bool yes = strcasecmp(word, "yes") == 0 || strcasecmp(word, "y") == 0;
        if (yes || strcasecmp(word, "no") == 0 || strcasecmp(word, "n") == 0) {
            answer(c, p->conn, action, yes);
        } else {
            again(c, "yes or no, please: ");
            p->action = action;
        }
    } else if (action == ACTION_INPUT && strlen(word) <= 6 &&
               ((zeros > 0 && word[zeros] == '\0') ||
                ctl_parse_number(word + zeros, 999999, &number))) {
        answer(c, p->conn, action, (uint32_t)number);
    } else if (action == ACTION_INPUT) {
        again(c, "Six digits, please: ");
        p->action = action;
    }
    return action != 0;
}

/* Nobody is there to answer: better said at once than after the peer's 30 s. */
static void nobody(struct ctl *c)
{
    struct ctl_prompt *p = &c->prompt;
    unsigned action = p->action;

    p->action = 0;
    if (action == ACTION_COMPARE) {
        answer(c, p->conn, action, 0);
    } else if (action == ACTION_INPUT) {
        ctl_fail(0, "a number is asked for, and standard input has none");
        if (p->needed)
            ctl_loop_end(c, CTL_FAILED);
    }
}

/* One read of standard input; false at its end. */
static bool take(struct ctl *c)
{
    struct ctl_prompt *p = &c->prompt;

    if (p->n == sizeof(p->line) - 1)
        p->n = 0; /* no answer is so long */
    /* an octet at a time: what is behind the line is for the next question */
    ssize_t n = read(STDIN_FILENO, p->line + p->n, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0 && p->n == 0)
        return false;
    p->n += n > 0;
    p->line[p->n] = '\0';
    if (n > 0 && p->line[p->n - 1] != '\n')
        return true;
    p->line[strcspn(p->line, "\n")] = '\0';
    p->n = 0;
    (void)ctl_prompt_answer(c, p->line);
    return true;
}

static void listen_to(struct ctl *c)
{
    struct ctl_prompt *p = &c->prompt;

    while (p->file && p->action)
        if (!take(c))
            nobody(c);
    if (p->input)
        (void)sd_event_source_set_enabled(p->input, p->action ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    struct ctl *c = userdata;

    (void)s;
    (void)fd;
    (void)events;
    if (!take(c))
        nobody(c);
    listen_to(c);
    return 0;
}

static int on_action(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct ctl *c = userdata;
    uint16_t conn;
    uint8_t action;
    uint32_t passkey;

    (void)error;
    if (sd_bus_message_read(m, "qyu", &conn, &action, &passkey) < 0)
        return 0;
    c->prompt.action = 0;
    c->prompt.conn = conn;
    if (action == ACTION_DISPLAY) {
        bool ours = passkey == 0;
        if (ours && !draw(&passkey))
            return 0;
        ask(c, conn, action, passkey);
        if (ours)
            answer(c, conn, action, passkey);
    } else if (action == ACTION_INPUT || action == ACTION_COMPARE) {
        ask(c, conn, action, passkey);
        c->prompt.action = action;
        if (c->prompt.input && isatty(STDIN_FILENO))
            (void)tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before was no answer */
    }
    listen_to(c);
    return 0;
}

int ctl_prompts(struct ctl *c)
{
    return ctl_match(c, PAIRING, "PasskeyAction", on_action, c);
}

void ctl_prompt_input(struct ctl *c, bool needed)
{
    c->prompt.needed = needed;
    int r = sd_event_add_io(c->event, &c->prompt.input, STDIN_FILENO, EPOLLIN, on_input, c);

    c->prompt.file = r == -EPERM;
    if (r >= 0)
        (void)sd_event_source_set_enabled(c->prompt.input, SD_EVENT_OFF);
}

void ctl_prompt_over(struct ctl *c)
{
    if (c->prompt.action != 0)
        again(c, "\n"); /* the question stays without an answer */
    c->prompt.action = 0;
    if (c->prompt.input)
        (void)sd_event_source_set_enabled(c->prompt.input, SD_EVENT_OFF);
}
