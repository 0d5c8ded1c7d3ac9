/*
 * Plans and connections driven for real: look-ups through a resolve context, documents over HTTPS,
 * a connection to each endpoint until one is good. Plans are made with an event loop or blocking,
 * connections block, with deadlines; for event loops see their parts: preamble.h, verify.h.
 */
#ifndef AUTH_AUTHENTICATE_H
#define AUTH_AUTHENTICATE_H

#include "dane/plan.h"
#include "dane/verify.h"
#include "resolve/resolve.h"

/* Fetches a document over HTTPS for the sans-I/O parts: no redirects, TLS 1.2 or better, the name
 * of the URL proved by PKIX, at most `most` octets, within `timeout_ms`. malloc'ed. `why` on
 * failure. BASE_ENOENT: the host says that there is none (404, a redirect); BASE_EFORMAT: not the
 * media type that is wanted; BASE_ELIMIT; BASE_EMISMATCH: its certificate is not good; BASE_EIO;
 * BASE_ENOMEM. */
struct auth_fetch {
    const char *url;
    const char *media_type; /* "text/plain"; NULL: any */
    const char *ca_file;    /* NULL: the system's */
    const char *resolve;    /* "host:port:addresses": what look-ups of our own gave; NULL: the
                             * system's resolver is asked */
    const char *connect;    /* connect here whatever the host's addresses are, in the way of
                             * net_address_parse ("127.0.0.1@8443"); NULL */
    size_t most;
    unsigned timeout_ms;
    /* A document to be posted, NULL: none. Then any status 2xx is good, and BASE_EEXIST: all of it
     * was sent, and what became of it is not known. */
    const void *post;
    size_t post_length;
    const char *post_type; /* media type */
};
int auth_fetch(const struct auth_fetch *fetch, char **text, size_t *length, char why[200]);
/* Is the failure what the host itself says, and no accident or attack on the way? */
bool auth_fetch_is_answer(int status);

/* How documents are had by those who block: their host is found by validated look-ups. */
struct auth_web {
    struct resolve_context *resolve;
    const char *ca_file; /* NULL: the system's */
    /* Where to connect for a host instead ("127.0.0.1@8443"); NULL, or gives NULL: to its
     * addresses. */
    const char *(*connect)(const void *context, const char *host);
    const void *connect_context;
};
/* auth_fetch with what `web` says; `fetch` tells the rest. Not while a plan is being made. */
int auth_web_fetch(const struct auth_web *web, const struct auth_fetch *fetch, char **text,
                   size_t *length, char why[200]);

/* Who fetches policies for plans. `fetch` takes the wish (which holds during the call) and calls
 * auth_fetched once for its ticket: from within, or later in the context's thread; also when the
 * plan was cancelled. `text` NULL: `why` not. */
struct auth_ticket;
struct auth_documents {
    void (*fetch)(void *context, const struct auth_fetch *fetch, struct auth_ticket *ticket);
    void *context;
    /* Not NULL: the host is looked up first, and `fetch` told where it is; without an address it is
     * not called. */
    const struct auth_web *web;
};
void auth_fetched(struct auth_ticket *ticket, const char *text, size_t length, const char *why);
/* One that blocks; its context is a struct auth_web. */
void auth_fetch_now(void *context, const struct auth_fetch *fetch, struct auth_ticket *ticket);

/* Makes a plan with an event loop (resolve_fd and so on). `done` is called once, with the plan,
 * which is the callee's, or an error: BASE_ENOMEM, BASE_ELIMIT (too many look-ups at once). A plan
 * that needs no answer is done from within start; *out is then of no use any more. BASE_EFORMAT: no
 * domain. */
struct auth_run;
typedef void auth_run_done(void *context, int error, struct dane_plan *plan);
int auth_run_start(struct resolve_context *context, enum dane_service service, const char *domain,
                   const struct dane_plan_options *options, const struct auth_documents *documents,
                   auth_run_done *done, void *done_context, struct auth_run **out);
void auth_run_cancel(struct auth_run *run); /* before `done`, which is then not called */

/* The same, blocking; `web` has the same context. The caller frees *plan, which owns *result. */
int auth_plan(struct resolve_context *context, enum dane_service service, const char *domain,
              const struct dane_plan_options *options, const struct auth_web *web,
              struct dane_plan **plan, const struct dane_plan_result **result);

struct auth_connect_options {
    const char *ca_file;
    const char *from;    /* EHLO name, XMPP from; NULL */
    unsigned timeout_ms; /* of one address; 0: 15 000 */
    base_time now;
    const char *address; /* connect here whatever the endpoint says ("127.0.0.1@2525"); NULL */
};
/* What came of one endpoint, over its addresses; after three that stall no more are tried. */
struct auth_attempt {
    struct dane_verdict verdict;
    char address[80];  /* the last tried */
    char protocol[16]; /* "TLSv1.3"; "" */
    char cipher[64];
    char weak[200];         /* what RFC 9325 finds too weak in it; "" */
    struct dane_der *chain; /* as shown; auth_attempt_free */
    size_t chain_count;
    uint8_t *raw_public_key;
    size_t raw_length;
    bool connected, started_tls;
    bool by_posh; /* authenticated by the domain's POSH document, not by a CA */
};
int auth_connect(const struct dane_endpoint *endpoint, const struct auth_connect_options *options,
                 struct auth_attempt *out);
void auth_attempt_free(struct auth_attempt *attempt);

/* POSH (RFC 7711): documents of one domain, fetched when a server first needs them. */
struct auth_posh {
    const struct auth_web *web;
    base_time now;
    unsigned timeout_ms; /* of a document */
    struct auth_posh_document {
        char *url, *text; /* no text: `why` */
        size_t length;
        char why[200];
        bool failed; /* no text: it could not be had, which is no proof that there is none */
    } documents[2];  /* the domain's, and the one that it refers to */
    size_t count;
};
/* Changes the verdict on an XMPP server of the domain (found by its SRV) that DANE does not speak
 * of and no CA vouches for to what its POSH document says of it; leaves all others as they are.
 * Blocking. BASE_ENOMEM. */
int auth_posh_try(struct auth_posh *posh, const struct dane_endpoint *endpoint,
                  struct auth_attempt *attempt);
void auth_posh_end(struct auth_posh *posh);

#endif
