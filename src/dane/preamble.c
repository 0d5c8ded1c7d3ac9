/*
 * STARTTLS: the protocols of lines. Each answer is one line or several, and the line that ends it
 * decides.
 */
#include "dane/preamble_parts.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_OCTETS   8192
#define OUTPUT_MAX_OCTETS 4096

enum step { STEP_GREETING, STEP_NAME, STEP_CAPABILITIES, STEP_CONSENT };

void preamble_say(struct dane_preamble *preamble, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof text)
        preamble_fail(preamble, "a name is too long to be sent");
    else
        base_buf_append(&preamble->output, text, (size_t)length);
}

void preamble_fail(struct dane_preamble *preamble, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(preamble->why, sizeof preamble->why, format, args);
    va_end(args);
    /* What servers say is shown to people: no control characters. */
    for (char *at = preamble->why; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    preamble->state = DANE_PREAMBLE_FAILED;
}

void preamble_too_early(struct dane_preamble *preamble)
{
    preamble_fail(preamble,
                  "the server answers before it is asked: somebody else may speak for it");
}

static bool begins(const char *line, const char *word)
{
    return strncasecmp(line, word, strlen(word)) == 0;
}

/* The first word of the line is `word`. */
static bool is_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    return begins(line, word) && (line[length] == '\0' || line[length] == ' ');
}

/* Looks for a word among others that spaces or brackets separate. */
static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = line; *at; at++) {
        bool start = at == line || strchr(" []", at[-1]);
        if (start && strncasecmp(at, word, length) == 0 &&
            (at[length] == '\0' || strchr(" []", at[length])))
            return true;
    }
    return false;
}

static void unexpected(struct dane_preamble *preamble, const char *line)
{
    static const char *const when[] = {"greets", "says its name", "says what it can",
                                       "is asked to start TLS"};
    preamble_fail(preamble, "when it %s, the server answers \"%.100s\"", when[preamble->step],
                  line);
}

/* The capabilities are all told. */
static void ask_for_tls(struct dane_preamble *preamble, const char *command)
{
    if (!preamble->offered) {
        preamble->state = DANE_PREAMBLE_NONE;
        return;
    }
    preamble->step = STEP_CONSENT;
    preamble_say(preamble, "%s\r\n", command);
}

static void next_step(struct dane_preamble *preamble, const char *command)
{
    preamble->step = STEP_CAPABILITIES;
    preamble_say(preamble, "%s\r\n", command);
}

/* RFC 3207. "250-" goes on, "250 " ends. */
static void smtp_line(struct dane_preamble *preamble, const char *line)
{
    if (strlen(line) < 3 || (line[3] != '-' && line[3] != ' ' && line[3] != '\0')) {
        unexpected(preamble, line);
        return;
    }
    bool last = line[3] != '-';
    switch (preamble->step) {
    case STEP_GREETING:
        if (!begins(line, "220"))
            unexpected(preamble, line);
        else if (last) {
            preamble->step = STEP_NAME;
            preamble_say(preamble, "EHLO %s\r\n", preamble->from ? preamble->from : "[127.0.0.1]");
        }
        break;
    case STEP_NAME: /* of the answer to EHLO the first line is no capability */
    case STEP_CAPABILITIES:
        if (begins(line, "250")) {
            preamble->offered |= preamble->step == STEP_CAPABILITIES && line[3] != '\0' &&
                                 is_word(line + 4, "STARTTLS");
            preamble->step = STEP_CAPABILITIES;
            if (last)
                ask_for_tls(preamble, "STARTTLS");
        } else if (begins(line, "50")) {
            preamble->state = DANE_PREAMBLE_NONE; /* a server without extensions */
        } else {
            unexpected(preamble, line);
        }
        break;
    default:
        if (!begins(line, "220"))
            unexpected(preamble, line);
        else if (last)
            preamble->state = DANE_PREAMBLE_TLS;
        break;
    }
}

/* RFC 9051 section 6.2.1. */
static void imap_line(struct dane_preamble *preamble, const char *line)
{
    switch (preamble->step) {
    case STEP_GREETING:
        if (is_word(line, "* OK"))
            next_step(preamble, "a CAPABILITY");
        else
            unexpected(preamble, line);
        break;
    case STEP_CAPABILITIES:
        if (is_word(line, "* CAPABILITY"))
            preamble->offered |= has_word(line, "STARTTLS");
        else if (is_word(line, "a OK"))
            ask_for_tls(preamble, "b STARTTLS");
        else if (!begins(line, "* "))
            unexpected(preamble, line);
        break;
    default:
        if (is_word(line, "b OK"))
            preamble->state = DANE_PREAMBLE_TLS;
        else if (!begins(line, "* "))
            unexpected(preamble, line);
        break;
    }
}

/* RFC 2595 section 4, RFC 2449. */
static void pop3_line(struct dane_preamble *preamble, const char *line)
{
    switch (preamble->step) {
    case STEP_GREETING:
        if (is_word(line, "+OK"))
            next_step(preamble, "CAPA");
        else
            unexpected(preamble, line);
        break;
    case STEP_CAPABILITIES:
        if (is_word(line, "-ERR"))
            preamble->state = DANE_PREAMBLE_NONE;
        else if (strcmp(line, ".") == 0)
            ask_for_tls(preamble, "STLS");
        else
            preamble->offered |= strcasecmp(line, "STLS") == 0;
        break;
    default:
        if (is_word(line, "+OK"))
            preamble->state = DANE_PREAMBLE_TLS;
        else
            unexpected(preamble, line);
        break;
    }
}

/* RFC 5804 section 2.2: the greeting is the capabilities. */
static void sieve_line(struct dane_preamble *preamble, const char *line)
{
    if (preamble->step == STEP_CONSENT) {
        if (is_word(line, "OK"))
            preamble->state = DANE_PREAMBLE_TLS;
        else
            unexpected(preamble, line);
    } else if (is_word(line, "OK")) {
        ask_for_tls(preamble, "STARTTLS");
    } else if (is_word(line, "NO") || is_word(line, "BYE")) {
        unexpected(preamble, line);
    } else {
        preamble->offered |= is_word(line, "\"STARTTLS\"");
    }
}

static void take_line(struct dane_preamble *preamble, const char *line)
{
    switch (preamble->start) {
    case DANE_START_SMTP:
        smtp_line(preamble, line);
        break;
    case DANE_START_IMAP:
        imap_line(preamble, line);
        break;
    case DANE_START_POP3:
        pop3_line(preamble, line);
        break;
    default:
        sieve_line(preamble, line);
        break;
    }
}

/* Takes what makes lines, until the state is no longer WAIT; returns how many octets. */
static size_t line_input(struct dane_preamble *preamble, const char *data, size_t length)
{
    size_t at = 0;
    while (at < length && preamble->state == DANE_PREAMBLE_WAIT) {
        char c = data[at++];
        if (preamble->output.length > 0) {
            preamble_too_early(preamble);
            break;
        }
        if (c != '\n') {
            base_buf_u8(&preamble->line, (uint8_t)c);
            if (preamble->line.error || c == '\0')
                preamble_fail(preamble, preamble->line.error
                                            ? "the server sends a line without an end"
                                            : "the server sends something that is no text");
            continue;
        }
        if (preamble->line.length > 0 && preamble->line.data[preamble->line.length - 1] == '\r')
            preamble->line.length--;
        const char *line = base_buf_string(&preamble->line);
        if (!line) {
            preamble_fail(preamble, "there is no memory");
            break;
        }
        take_line(preamble, line);
        base_buf_reset(&preamble->line);
    }
    return at;
}

static bool is_xmpp(enum dane_start start)
{
    return start == DANE_START_XMPP_CLIENT || start == DANE_START_XMPP_SERVER;
}

/* One word, nothing that would end a line. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    }
    return true;
}

int dane_preamble_new(enum dane_start start, const char *domain, const char *from,
                      struct dane_preamble **out)
{
    if (from && !is_plain(from))
        return BASE_EINVAL;
    struct dane_preamble *preamble = calloc(1, sizeof *preamble);
    if (!preamble)
        return BASE_ENOMEM;
    preamble->start = start;
    preamble->state = start == DANE_START_TLS_AT_ONCE ? DANE_PREAMBLE_TLS : DANE_PREAMBLE_WAIT;
    base_buf_init(&preamble->line, LINE_MAX_OCTETS);
    base_buf_init(&preamble->output, OUTPUT_MAX_OCTETS);
    preamble->domain = strdup(domain);
    preamble->from = from ? strdup(from) : NULL;
    int status = !preamble->domain || (from && !preamble->from) ? BASE_ENOMEM
                 : is_xmpp(start)                               ? preamble_xmpp_begin(preamble)
                                                                : BASE_OK;
    if (status != BASE_OK) {
        dane_preamble_free(preamble);
        return status;
    }
    *out = preamble;
    return BASE_OK;
}

void dane_preamble_free(struct dane_preamble *preamble)
{
    if (!preamble)
        return;
    preamble_xmpp_free(preamble->xml);
    base_buf_free(&preamble->line);
    base_buf_free(&preamble->output);
    free(preamble->domain);
    free(preamble->from);
    free(preamble);
}

enum dane_preamble_state dane_preamble_input(struct dane_preamble *preamble, const char *data,
                                             size_t length)
{
    if (preamble->state == DANE_PREAMBLE_TLS && length > 0)
        preamble_fail(preamble, "the server talks on before TLS has begun (STARTTLS injection)");
    if (preamble->state != DANE_PREAMBLE_WAIT)
        return preamble->state;
    preamble->taken += length;
    if (preamble->taken > DANE_PREAMBLE_INPUT_MAX) {
        preamble_fail(preamble, "the server talks without end before TLS");
        return preamble->state;
    }
    size_t used = is_xmpp(preamble->start) ? preamble_xmpp_input(preamble, data, length)
                                           : line_input(preamble, data, length);
    if (preamble->state == DANE_PREAMBLE_TLS && used < length)
        preamble_fail(preamble, "something follows the server's consent to TLS in plain text: it "
                                "would be taken for part of the session (STARTTLS injection)");
    return preamble->state;
}

const char *dane_preamble_output(struct dane_preamble *preamble, size_t *length)
{
    if (preamble->output.length == 0 || preamble->output.error)
        return NULL;
    *length = preamble->output.length;
    preamble->output.length = 0; /* the octets stay until more is said */
    return (const char *)preamble->output.data;
}

const char *dane_preamble_why(const struct dane_preamble *preamble)
{
    return preamble->why;
}
