/*
 * TLSRPT (RFC 8460): what became of the sessions with a domain's mail servers in one day, counted
 * by the policy that was applied, as the report that the domain asked for, and where it asked for
 * it. No sockets, no files.
 */
#ifndef DANE_TLSRPT_H
#define DANE_TLSRPT_H

#include "base/buf.h"
#include "dane/plan.h"
#include "dane/sts.h"
#include "dane/verify.h"

/* --- whom to tell --- */

#define DANE_TLSRPT_RUA_MAX 8
struct dane_tlsrpt_rua {
    char *uris[DANE_TLSRPT_RUA_MAX]; /* "mailto:tls@example.org", "https://…"; malloc'ed */
    size_t count;
};
/* Reads the character-strings of one TXT record at _smtp._tls.DOMAIN, joined (section 3).
 * BASE_ENOENT: it is about something else; BASE_EFORMAT; BASE_ENOMEM. Several records that are
 * TLSRPTv1 are none: the caller counts. Destinations of other schemes are left out. */
int dane_tlsrpt_rua_read(const char *text, size_t length, struct dane_tlsrpt_rua *out);
void dane_tlsrpt_rua_free(struct dane_tlsrpt_rua *rua);
/* The same from the answer to the look-up. BASE_ENOENT: the domain wants no reports, with `why` in
 * words; BASE_EIO: it cannot be had now. */
int dane_tlsrpt_rua_find(const struct validate_result *txt, struct dane_tlsrpt_rua *out,
                         char why[200]);

/* --- what happened --- */

enum dane_tlsrpt_policy {
    DANE_TLSRPT_TLSA,
    DANE_TLSRPT_STS,
    DANE_TLSRPT_NONE, /* "no-policy-found" */
};
/* Result types of section 4.3; SUCCESS is none of them. */
enum dane_tlsrpt_type {
    DANE_TLSRPT_SUCCESS,
    DANE_TLSRPT_STARTTLS_NOT_SUPPORTED,
    DANE_TLSRPT_CERTIFICATE_HOST_MISMATCH,
    DANE_TLSRPT_CERTIFICATE_EXPIRED,
    DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED,
    DANE_TLSRPT_VALIDATION_FAILURE,
    DANE_TLSRPT_TLSA_INVALID,
    DANE_TLSRPT_DNSSEC_INVALID,
    DANE_TLSRPT_DANE_REQUIRED,
    DANE_TLSRPT_STS_POLICY_FETCH_ERROR,
    DANE_TLSRPT_STS_POLICY_INVALID,
    DANE_TLSRPT_STS_WEBPKI_INVALID,
    DANE_TLSRPT_TYPES
};
const char *dane_tlsrpt_policy_name(enum dane_tlsrpt_policy policy);            /* "tlsa" */
const char *dane_tlsrpt_type_name(enum dane_tlsrpt_type type);                  /* "tlsa-invalid" */
int dane_tlsrpt_policy_by_name(const char *name, enum dane_tlsrpt_policy *out); /* BASE_ENOENT */
int dane_tlsrpt_type_by_name(const char *name, enum dane_tlsrpt_type *out);     /* "success", too */

/* One session, or several alike. Texts may be NULL but for `domain`. */
struct dane_tlsrpt_session {
    const char *domain; /* of the recipients, A-labels */
    base_time time;
    enum dane_tlsrpt_policy policy;
    const char *const *policy_strings; /* "3 1 1 0b9f…", or the lines of the STS policy */
    size_t policy_string_count;
    const char *const *mx_patterns; /* "mx-host" of an STS policy, or the MX host of a TLSA one */
    size_t mx_pattern_count;
    enum dane_tlsrpt_type type;
    const char *sending_ip, *mx, *helo, *receiving_ip;
    const char *reason; /* "failure-reason-code" */
    uint64_t count;     /* 0: 1 */
};

/* A session as a line of JSON (docs/tlsrpt.md), with its end. */
int dane_tlsrpt_session_write(const struct dane_tlsrpt_session *session, struct base_buf *out);
/* And back; `now` is the time of a line that has none. Texts are those of `*root`, a JSON document
 * that the caller frees with dane_tlsrpt_session_free; lists lie in the arena. BASE_EFORMAT with
 * `why`; BASE_ENOMEM. */
struct json_t;
int dane_tlsrpt_session_read(const char *line, size_t length, base_time now,
                             struct base_arena *arena, struct json_t **root,
                             struct dane_tlsrpt_session *out, char why[200]);
void dane_tlsrpt_session_free(struct json_t *root);

/* How a session with an endpoint went, by the plan and the verdict: fills policy, type, mx, reason
 * and time's domain. Policy strings and patterns go into `text` (an arena that lives as long as the
 * session). `verdict` NULL: none was come to, since the endpoint had to be skipped or TLS did not
 * begin (`tls` false: the server has no STARTTLS). BASE_ENOMEM. */
int dane_tlsrpt_session_of(const struct dane_plan_result *plan,
                           const struct dane_endpoint *endpoint, const struct dane_verdict *verdict,
                           bool tls, const struct dane_sts *sts, struct base_arena *text,
                           struct dane_tlsrpt_session *out);

/* --- the report --- */

struct dane_tlsrpt;

/* Budgets; what is beyond them is counted in the summary, without details. */
#define DANE_TLSRPT_DOMAINS_MAX  100000
#define DANE_TLSRPT_POLICIES_MAX 32  /* of one domain */
#define DANE_TLSRPT_DETAILS_MAX  256 /* of one policy */

/* Collects the sessions from `from` to before `until` (a day, UTC). */
int dane_tlsrpt_new(base_time from, base_time until, struct dane_tlsrpt **out);
void dane_tlsrpt_free(struct dane_tlsrpt *report); /* NULL allowed */
/* Copies what it keeps. BASE_ERANGE: not of these days; BASE_EFORMAT: no domain; BASE_ELIMIT;
 * BASE_ENOMEM. */
int dane_tlsrpt_add(struct dane_tlsrpt *report, const struct dane_tlsrpt_session *session);
/* The domains, sorted by name. NULL behind the last. */
const char *dane_tlsrpt_domain(struct dane_tlsrpt *report, size_t index);

struct dane_tlsrpt_sender {
    const char *organization; /* "Example Inc." */
    const char *contact;      /* "mailto:postmaster@example.net", or an address */
    const char *submitter;    /* the domain that sends, for file names; NULL */
};
/* The document about a domain (section 4.4). BASE_ENOENT, BASE_ENOMEM. */
int dane_tlsrpt_document(struct dane_tlsrpt *report, const char *domain,
                         const struct dane_tlsrpt_sender *sender, struct base_buf *out);
/* "2026-11-21_example.org@example.net", as the document says it, to be freed; NULL: no memory. */
char *dane_tlsrpt_report_id(const struct dane_tlsrpt *report, const char *domain,
                            const struct dane_tlsrpt_sender *sender);
/* "example.net!example.org!1800000000!1800086399.json" (section 5.1), to be freed; NULL: no memory.
 */
char *dane_tlsrpt_file_name(const struct dane_tlsrpt *report, const char *domain,
                            const struct dane_tlsrpt_sender *sender);

#endif
