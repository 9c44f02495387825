/* SPDX-License-Identifier: MIT */

/*
 * prompt: numbers that a person must show, enter or compare, at the terminal. Whoever made the call
 * of Pair is asked, else the owner of the connection, else the attendant: so each command that may
 * be one of these has this.
 */

#include "ctl.h"

#include <string.h>
#include <sys/random.h>
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

static int on_action(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct ctl *c = userdata;
    uint16_t conn;
    uint8_t action;
    uint32_t passkey;

    (void)error;
    if (sd_bus_message_read(m, "qyu", &conn, &action, &passkey) < 0)
        return 0;
    c->prompt = 0;
    if (action == ACTION_DISPLAY) {
        bool ours = passkey == 0;
        if (ours && !draw(&passkey))
            return 0;
        printf("Enter %06u on the other device.\n", passkey);
        if (ours)
            answer(c, conn, ACTION_DISPLAY, passkey);
    } else if (action == ACTION_INPUT) {
        printf("Which number does the other device show? ");
        c->prompt = ACTION_INPUT;
    } else if (action == ACTION_COMPARE) {
        printf("Does the other device show %06u too? (yes or no) ", passkey);
        c->prompt = ACTION_COMPARE;
    }
    c->prompt_conn = conn;
    fflush(stdout);
    return 0;
}

int ctl_prompts(struct ctl *c)
{
    return ctl_match(c, PAIRING, "PasskeyAction", on_action, c);
}

bool ctl_prompt_answer(struct ctl *c, const char *line)
{
    unsigned action = c->prompt;
    unsigned long number = 0;
    size_t zeros = strspn(line, "0");

    c->prompt = 0;
    if (action == ACTION_COMPARE) {
        answer(c, c->prompt_conn, action, strcmp(line, "yes") == 0 || strcmp(line, "y") == 0);
    } else if (action == ACTION_INPUT && ((zeros > 0 && line[zeros] == '\0') ||
                                          ctl_parse_number(line + zeros, 999999, &number))) {
        answer(c, c->prompt_conn, action, (uint32_t)number);
    } else if (action == ACTION_INPUT) {
        printf("Six digits, please: ");
        fflush(stdout);
        c->prompt = action;
    }
    return action != 0;
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    char line[64];
    ssize_t n = read(fd, line, sizeof(line) - 1);

    (void)events;
    if (n <= 0) /* nobody is there any more */
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    (void)ctl_prompt_answer(userdata, line);
    return 0;
}

void ctl_prompt_input(struct ctl *c)
{
    /* Without standard input, or with a file there, nobody is asked. */
    (void)sd_event_add_io(c->event, NULL, STDIN_FILENO, EPOLLIN, on_input, c);
}
