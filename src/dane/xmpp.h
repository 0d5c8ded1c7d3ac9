/*
 * May this stream speak for (local domain, remote domain), until when, and why? The engine of RFC
 * 7712 for servers that federate: outgoing and incoming streams, several domains on one, both
 * directions, proved by DANE, POSH or PKIX. Without sockets: it asks for plans' look-ups and
 * documents.
 */
#ifndef DANE_XMPP_H
#define DANE_XMPP_H

#include "dane/plan.h"
#include "dane/verify.h"

enum dane_proof { DANE_PROOF_NONE, DANE_PROOF_DANE, DANE_PROOF_PKIX, DANE_PROOF_POSH };
const char *dane_proof_name(enum dane_proof proof);

enum dane_pair_state {
    DANE_PAIR_YES,   /* authorised until `expiry` */
    DANE_PAIR_NO,    /* refused: for good, as things are now */
    DANE_PAIR_LATER, /* an error: a temporary failure; try again */
};
struct dane_pair_verdict {
    enum dane_pair_state state;
    enum dane_proof proof;
    base_time expiry; /* 0: not authorised */
    bool dialback;    /* with NO, and with LATER for want of a POSH document: nothing forbids weaker
                       * proof, as no secure statement demands that TLS be authenticated. Never set
                       * after a TLSA mismatch or an error of DNS */
    char reason[DANE_VERDICT_TEXT];
};

enum dane_direction { DANE_OUTGOING, DANE_INCOMING };

/* One question: the peer on this stream (its certificates) is to speak for `remote` towards
 * `local`.
 */
struct dane_pair_question {
    bool client; /* outgoing: asked by a client about its own server (xmpp-client) */
    enum dane_direction direction;
    const char *local, *remote;   /* domains as people write them */
    const struct dane_peer *peer; /* copied */
    const char *host;             /* outgoing: the SRV target that was connected to; NULL: the
                                   * one that has `address` */
    struct dane_address address;  /* instead of the host's name */
    uint16_t port;
    bool no_posh, no_pkix;
    base_time now;
    const char *ca_file;                        /* copied; NULL: the system's */
    const struct dane_authorities *authorities; /* instead; has to outlive the pair */
    struct dane_chains *chains;                 /* likewise; NULL */
};

struct dane_pair;
int dane_pair_new(const struct dane_pair_question *question, struct dane_pair **out);
void dane_pair_free(struct dane_pair *pair);

enum dane_pair_ask_kind { DANE_PAIR_LOOKUP, DANE_PAIR_POSH };
struct dane_pair_ask {
    uint32_t id;
    enum dane_pair_ask_kind kind;
    const uint8_t *name;
    uint16_t type;
    const char *url; /* of POSH: fetched with TLS for the domain of the URL, no redirects */
    bool fresh;      /* of POSH: one that was kept will not do */
};
bool dane_pair_next(struct dane_pair *pair, struct dane_pair_ask *out);
int dane_pair_answer(struct dane_pair *pair, uint32_t id, const struct validate_result *result);

struct dane_pair_document {
    const char *text; /* NULL: there is none */
    size_t length;
    const char *why;   /* without text, in words; NULL */
    bool failed;       /* without text: it could not be had, which is no proof of its absence */
    base_time fetched; /* it holds from then on */
    bool kept;         /* with text: there may be a newer one, which counts if this does not fit */
};
int dane_pair_answer_posh(struct dane_pair *pair, uint32_t id,
                          const struct dane_pair_document *document);
/* NULL as long as answers are missing. */
const struct dane_pair_verdict *dane_pair_result(struct dane_pair *pair);

/* May an outgoing stream that was opened for another domain be used for `remote`, too (RFC 7712
 * section 4.4.2: its secure SRV has to select the same target and port)? Same asks as a pair. The
 * question has host and port of the stream. */
int dane_pair_reuse_new(const struct dane_pair_question *question, struct dane_pair **out);

#endif
