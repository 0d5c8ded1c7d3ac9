/*
 * From plans to policies of Postfix.
 */
#include "dane/postfix.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define SMTP_PORT 25

/* --- keys --- */

/* ":587", or nothing. */
static bool read_port(const char *text, uint16_t *port)
{
    unsigned long value = 0;
    if (text[0] == '\0')
        return true;
    if (text[0] != ':' || text[1] == '\0' || strlen(text) > 6)
        return false;
    for (const char *at = text + 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return false;
        value = value * 10 + (unsigned long)(*at - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

static bool is_literal(const char *text)
{
    unsigned char octets[16];
    if (strncasecmp(text, "IPv6:", 5) == 0)
        return inet_pton(AF_INET6, text + 5, octets) == 1;
    return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1;
}

/* "[mx.example.org]:587" */
static void read_bracketed(char *text, struct dane_postfix_key *key)
{
    char *end = strchr(text, ']');
    if (!end || !read_port(end + 1, &key->port))
        return;
    *end = '\0';
    if (is_literal(text + 1)) {
        key->hop = DANE_POSTFIX_LITERAL;
        memcpy(key->domain, text + 1, strlen(text)); /* an address, which is short */
    } else if (dane_domain_to_ascii(text + 1, key->domain) == BASE_OK) {
        key->hop = DANE_POSTFIX_HOST;
    }
}

static void read_domain(char *text, struct dane_postfix_key *key)
{
    char *colon = strchr(text, ':');
    if (colon && !read_port(colon, &key->port))
        return;
    if (colon)
        *colon = '\0';
    if (dane_domain_to_ascii(text, key->domain) == BASE_OK)
        key->hop = key->port == SMTP_PORT ? DANE_POSTFIX_DOMAIN : DANE_POSTFIX_DOMAIN_PORT;
}

void dane_postfix_key_read(const char *text, size_t length, struct dane_postfix_key *out)
{
    char copy[DANE_POSTFIX_KEY_TEXT];
    *out = (struct dane_postfix_key){.hop = DANE_POSTFIX_NONE, .port = SMTP_PORT};
    if (length == 0 || length >= sizeof copy || memchr(text, '\0', length))
        return;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (copy[0] == '[')
        read_bracketed(copy, out);
    else if (copy[0] != '.')
        read_domain(copy, out);
}

void dane_postfix_key_text(const struct dane_postfix_key *key, char out[DANE_POSTFIX_KEY_TEXT])
{
    switch (key->hop) {
    case DANE_POSTFIX_DOMAIN:
        snprintf(out, DANE_POSTFIX_KEY_TEXT, "%s", key->domain);
        break;
    case DANE_POSTFIX_DOMAIN_PORT:
        snprintf(out, DANE_POSTFIX_KEY_TEXT, "%s:%u", key->domain, key->port);
        break;
    case DANE_POSTFIX_HOST:
    case DANE_POSTFIX_LITERAL:
        snprintf(out, DANE_POSTFIX_KEY_TEXT, "[%s]:%u", key->domain, key->port);
        break;
    case DANE_POSTFIX_NONE:
        out[0] = '\0';
        break;
    }
}

/* --- policies --- */

/* How many hosts demand what. */
struct tally {
    size_t dane, insecure_dane; /* of the former: the MX is not secure */
    size_t tls, nothing, sts;
    size_t broken; /* could not be had: must not be used, whatever others may */
};

/* A host that was named by the administrator has no MX that could bring MTA-STS into play; the plan
 * asks for a CA there, as other services do, where mail asks for nothing. */
static bool is_unproved_host(const struct dane_endpoint *endpoint)
{
    return endpoint->demand == DANE_DEMAND_PKIX && !endpoint->sts;
}

static struct tally count(const struct dane_plan_result *plan)
{
    struct tally tally = {0};
    for (size_t i = 0; i < plan->count; i++) {
        const struct dane_endpoint *endpoint = &plan->endpoints[i];
        switch (endpoint->demand) {
        case DANE_DEMAND_SKIP:
            tally.broken += endpoint->error;
            break;
        case DANE_DEMAND_NOTHING:
            tally.nothing++;
            break;
        case DANE_DEMAND_TLS:
            tally.tls++;
            break;
        case DANE_DEMAND_DANE:
            tally.dane++;
            tally.insecure_dane += endpoint->delegation == DANE_DELEGATION_INSECURE;
            break;
        case DANE_DEMAND_PKIX:
            if (!is_unproved_host(endpoint))
                tally.sts++;
            else if (endpoint->tlsa_count > 0)
                tally.tls++;
            else
                tally.nothing++;
            break;
        }
    }
    return tally;
}

/* The hosts that MTA-STS demands a certificate of, by name: a forged MX brings no other one in. */
static void write_secure(const struct dane_plan_result *plan, struct base_buf *out)
{
    bool first = true;
    base_buf_text(out, "secure match=");
    for (size_t i = 0; i < plan->count; i++) {
        const struct dane_endpoint *endpoint = &plan->endpoints[i];
        if (endpoint->demand != DANE_DEMAND_PKIX || is_unproved_host(endpoint))
            continue;
        base_buf_printf(out, "%s%s", first ? "" : ":", endpoint->host);
        first = false;
    }
    base_buf_text(out, " servername=hostname");
}

static void write_policy(const struct dane_plan_result *plan, struct base_buf *out)
{
    struct tally tally = count(plan);
    bool secure_dane = tally.dane > 0 && tally.insecure_dane == 0;
    size_t others = tally.tls + tally.nothing;
    if (secure_dane && others == 0)
        base_buf_text(out, "dane-only"); /* also beside MTA-STS: only those that DANE proves */
    else if (tally.sts > 0)
        write_secure(plan, out);
    else if (tally.dane > 0 || tally.broken > 0 || (tally.tls > 0 && tally.nothing > 0))
        base_buf_text(out, "dane"); /* Postfix looks at each host by itself */
    else
        base_buf_text(out, tally.tls > 0 ? "encrypt" : "may");
}

enum dane_socketmap_word dane_postfix_answer(const struct dane_plan_result *plan,
                                             struct base_buf *out)
{
    switch (plan->outcome) {
    case DANE_OUTCOME_GO:
        write_policy(plan, out);
        return DANE_SOCKETMAP_OK;
    case DANE_OUTCOME_DEFER:
        base_buf_text(out, plan->reason);
        return DANE_SOCKETMAP_TEMP;
    case DANE_OUTCOME_NONE:
    case DANE_OUTCOME_UNKNOWN:
        return DANE_SOCKETMAP_NOTFOUND; /* Postfix says itself that there is no such destination */
    }
    return DANE_SOCKETMAP_TEMP;
}
