/*
 * TLS sessions out of what Postfix's smtp(8) logs (3.5 to 3.9, smtp_tls_loglevel = 1), line by
 * line. A session's lines are joined by the process that wrote them; the line of the delivery names
 * the domain. No files. What strangers can put into lines (replies of servers, addresses) costs a
 * bounded amount of memory and can only spoil the report about their own domain.
 */
#ifndef DANE_TLSRPT_POSTFIX_H
#define DANE_TLSRPT_POSTFIX_H

#include "dane/tlsrpt.h"

#define DANE_TLSRPT_LINE_MAX 8192 /* longer lines are left out */
#define DANE_TLSRPT_PROCESSES_MAX                                                                  \
    1024                           /* whose lines are joined; the longest silent is forgotten      \
                                    */
#define DANE_TLSRPT_ATTEMPTS_MAX 6 /* sessions of one delivery */

enum dane_tlsrpt_seen_kind {
    DANE_TLSRPT_SEEN_TLS,    /* TLS was begun: it stood, or failed */
    DANE_TLSRPT_SEEN_PLAIN,  /* without TLS: mail was offered, or (`refused`) that was demanded */
    DANE_TLSRPT_SEEN_LOOKUP, /* the host was passed over, since its policy could not be had */
};
/* What Postfix says of the peer; in this order. */
enum dane_tlsrpt_trust {
    DANE_TLSRPT_NO_TLS,
    DANE_TLSRPT_ANONYMOUS,
    DANE_TLSRPT_UNTRUSTED,
    DANE_TLSRPT_TRUSTED,
    DANE_TLSRPT_VERIFIED,
};
struct dane_tlsrpt_seen {
    enum dane_tlsrpt_seen_kind kind;
    base_time time;
    const char *domain;  /* of the recipient, as logged */
    const char *host;    /* MX host */
    const char *address; /* "" when none is logged */
    enum dane_tlsrpt_trust trust;
    bool refused;               /* Postfix gave the session up for its TLS */
    enum dane_tlsrpt_type type; /* why; SUCCESS: no line tells it */
    const char *reason;         /* in Postfix's words; "" */
};
/* What it returns ends the line's work, when it is not BASE_OK. */
typedef int dane_tlsrpt_seen_call(void *context, const struct dane_tlsrpt_seen *seen);

struct dane_tlsrpt_postfix;
int dane_tlsrpt_postfix_new(dane_tlsrpt_seen_call *call, void *context,
                            struct dane_tlsrpt_postfix **out);
void dane_tlsrpt_postfix_free(struct dane_tlsrpt_postfix *postfix); /* NULL allowed */
/* One line without its end; lines of other programs are passed over. `now` says of which year lines
 * without one are. */
int dane_tlsrpt_postfix_line(struct dane_tlsrpt_postfix *postfix, const char *line, size_t length,
                             base_time now);
/* Lines were missed: what processes were doing is not known any more. */
void dane_tlsrpt_postfix_gap(struct dane_tlsrpt_postfix *postfix);

/* What is not over yet, as JSON, and back: BASE_EFORMAT, BASE_ENOMEM. */
int dane_tlsrpt_postfix_save(const struct dane_tlsrpt_postfix *postfix, struct base_buf *out);
int dane_tlsrpt_postfix_load(struct dane_tlsrpt_postfix *postfix, const char *text, size_t length);

#endif
