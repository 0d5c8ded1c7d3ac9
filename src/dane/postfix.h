/*
 * Plans in the words of Postfix: next hops as smtp_tls_policy_maps asks for them, and policies as
 * it takes them. Postfix knows one policy for a domain, ours are one for each host; docs/postfix.md
 * tells what is said where the two differ. The rule: never less than any host demands.
 */
#ifndef DANE_POSTFIX_H
#define DANE_POSTFIX_H

#include "dane/plan.h"
#include "dane/socketmap.h"

enum dane_postfix_hop {
    DANE_POSTFIX_DOMAIN,      /* "example.org": through MX */
    DANE_POSTFIX_DOMAIN_PORT, /* "example.org:587": through MX, at another port */
    DANE_POSTFIX_HOST,        /* "[mx.example.org]", "[mx.example.org]:587" */
    DANE_POSTFIX_LITERAL,     /* "[192.0.2.1]:25" */
    DANE_POSTFIX_NONE,        /* nothing that mail could go to: ".example.org" */
};
struct dane_postfix_key {
    enum dane_postfix_hop hop;
    char domain[DANE_DOMAIN_MAX]; /* A-labels; of a literal, the address */
    uint16_t port;                /* 25 when none is given */
};
/* Reads a key; what is wrong in any way is DANE_POSTFIX_NONE. */
void dane_postfix_key_read(const char *text, size_t length, struct dane_postfix_key *out);
/* The key again, in one form for all that mean the same. */
#define DANE_POSTFIX_KEY_TEXT (DANE_DOMAIN_MAX + 16)
void dane_postfix_key_text(const struct dane_postfix_key *key, char out[DANE_POSTFIX_KEY_TEXT]);

/* What is said of a plan: the word of the reply, and its text in `out` (empty before), with the
 * policy or the reason. */
enum dane_socketmap_word dane_postfix_answer(const struct dane_plan_result *plan,
                                             struct base_buf *out);

#endif
