/*
 * Pairs of XMPP domains (RFC 7712): a plan for the remote domain says what is demanded of its
 * hosts; here that is held against the certificate of a stream, and POSH comes in where neither
 * DANE nor a CA decided.
 */
#include "dane/xmpp.h"

#include "base/error.h"
#include "dane/posh.h"
#include "dane/verify_parts.h"

#include <limits.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct dane_pair {
    struct dane_pair_question question; /* texts owned */
    bool reuse;
    struct dane_peer peer; /* owned */
    struct dane_plan *plan;
    char remote[DANE_DOMAIN_MAX];
    char host[DANE_DOMAIN_MAX]; /* of the question, A-labels */
    /* POSH: the first document, and the one that it refers to. */
    char *url;
    bool url_given, url_answered;
    bool referred;      /* it is the second */
    bool kept;          /* one that was answered may be out of date */
    bool fresh;         /* none such will do */
    uint32_t documents; /* asked for */
    base_time expiry;   /* without a document */
    struct dane_pair_verdict verdict;
    bool done;
};

#define POSH_ID 0x80000000u /* ids of plans are small */

const char *dane_proof_name(enum dane_proof proof)
{
    switch (proof) {
    case DANE_PROOF_NONE:
        return "none";
    case DANE_PROOF_DANE:
        return "dane";
    case DANE_PROOF_PKIX:
        return "pkix";
    case DANE_PROOF_POSH:
        return "posh";
    }
    return "?";
}

static void conclude(struct dane_pair *pair, enum dane_pair_state state, enum dane_proof proof,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void conclude(struct dane_pair *pair, enum dane_pair_state state, enum dane_proof proof,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(pair->verdict.reason, sizeof pair->verdict.reason, format, args);
    va_end(args);
    pair->verdict.state = state;
    pair->verdict.proof = proof;
    /* Only a plain refusal may be mended by weaker proof: not an error of DNS, which may be
     * somebody's doing, and not a certificate that the TLSA records rule out. */
    if (state != DANE_PAIR_NO || proof != DANE_PROOF_NONE)
        pair->verdict.dialback = false;
    if (state != DANE_PAIR_YES)
        pair->verdict.expiry = 0;
    pair->done = true;
}

static void limit(struct dane_pair *pair, base_time until)
{
    if (until != 0 && (pair->verdict.expiry == 0 || until < pair->verdict.expiry))
        pair->verdict.expiry = until;
}

static void accept(struct dane_pair *pair, enum dane_proof proof, base_time expiry,
                   const char *reason)
{
    limit(pair, expiry);
    conclude(pair, DANE_PAIR_YES, proof, "%s", reason);
}

static enum dane_service service_of(const struct dane_pair *pair)
{
    return pair->question.client ? DANE_XMPP_CLIENT : DANE_XMPP_SERVER;
}

/* --- POSH, the last resort --- */

static void ask_document(struct dane_pair *pair, bool fresh)
{
    free(pair->url);
    pair->url_given = pair->url_answered = pair->referred = false;
    if (fresh)
        pair->verdict.expiry = pair->expiry;
    pair->expiry = pair->verdict.expiry;
    pair->fresh = fresh;
    if (asprintf(&pair->url, "https://%s/.well-known/posh/%s.json", pair->remote,
                 dane_service_info(service_of(pair))->name) < 0) {
        pair->url = NULL;
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE, "there is no memory");
    }
}

static void ask_posh(struct dane_pair *pair, const char *refused)
{
    /* The reason so far is kept for the case that POSH does not help. */
    snprintf(pair->verdict.reason, sizeof pair->verdict.reason, "%s", refused);
    if (pair->question.no_posh || pair->peer.count == 0)
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "%s", refused);
    else
        ask_document(pair, false);
}

static void follow(struct dane_pair *pair, struct dane_posh *posh)
{
    if (pair->referred) {
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE,
                 "the POSH document refers to one that refers to another: one step is the most");
        return;
    }
    free(pair->url);
    pair->url = posh->url;
    posh->url = NULL;
    pair->referred = true;
    pair->url_given = pair->url_answered = false;
}

/* The document stands in for the chain to a CA, not for the certificate's own dates. False: it does
 * not hold now. */
static bool limit_by_leaf(struct dane_pair *pair)
{
    const struct dane_der *leaf = &pair->peer.chain[0];
    const uint8_t *data = leaf->data;
    X509 *x509 = leaf->length <= LONG_MAX ? d2i_X509(NULL, &data, (long)leaf->length) : NULL;
    struct tm begin, end;
    bool holds = false;
    if (x509 && ASN1_TIME_to_tm(X509_get0_notBefore(x509), &begin) == 1 &&
        ASN1_TIME_to_tm(X509_get0_notAfter(x509), &end) == 1) {
        base_time from = timegm(&begin), until = timegm(&end);
        holds = from <= pair->question.now && pair->question.now < until;
        limit(pair, until);
    }
    X509_free(x509);
    return holds;
}

static void refuse_posh(struct dane_pair *pair, enum dane_pair_state state, const char *why)
{
    char before[sizeof pair->verdict.reason];
    bool dialback = pair->verdict.dialback;
    memcpy(before, pair->verdict.reason, sizeof before);
    conclude(pair, state, DANE_PROOF_NONE, "%.250s; %.140s", before, why);
    /* DNS has had its say: many domains that call back have no web server at all. */
    pair->verdict.dialback = dialback;
}

static void judge_posh(struct dane_pair *pair, struct dane_posh *posh,
                       const struct dane_pair_document *document)
{
    const struct dane_der *leaf = &pair->peer.chain[0];
    pair->kept |= document->kept;
    if (!posh->url && !dane_posh_match(posh, leaf->data, leaf->length)) {
        if (pair->kept && !pair->fresh)
            ask_document(pair, true);
        else
            refuse_posh(pair, DANE_PAIR_NO, "the POSH document does not have its fingerprint");
        return;
    }
    limit(pair, document->fetched + (base_time)posh->expires);
    if (posh->url)
        follow(pair, posh);
    else if (limit_by_leaf(pair))
        conclude(pair, DANE_PAIR_YES, DANE_PROOF_POSH,
                 "the POSH document of %s has the certificate's fingerprint", pair->remote);
    else
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE,
                 "the POSH document of %s has the certificate's fingerprint, but the certificate "
                 "has expired or does not hold yet",
                 pair->remote);
}

int dane_pair_answer_posh(struct dane_pair *pair, uint32_t id,
                          const struct dane_pair_document *document)
{
    struct dane_posh posh;
    char wrong[200];
    if (pair->done || !pair->url_given || pair->url_answered || id != POSH_ID + pair->documents)
        return BASE_EINVAL;
    pair->url_answered = true;
    if (!document->text) {
        refuse_posh(pair, document->failed ? DANE_PAIR_LATER : DANE_PAIR_NO,
                    document->why ? document->why : "there is no POSH document");
    } else if (dane_posh_parse(document->text, document->length, &posh, wrong) == BASE_OK) {
        judge_posh(pair, &posh, document);
        dane_posh_free(&posh);
    } else {
        refuse_posh(pair, DANE_PAIR_NO, wrong);
    }
    return BASE_OK;
}

/* --- what the plan demands, held against the stream --- */

static struct dane_verdict verify(const struct dane_pair *pair,
                                  const struct dane_endpoint *endpoint)
{
    struct dane_verify_options options = {
        .now = pair->question.now,
        .ca_file = pair->question.ca_file,
        .authorities = pair->question.authorities,
        .chains = pair->question.chains,
    };
    struct dane_verdict verdict;
    dane_verify(endpoint, &pair->peer, &options, &verdict);
    return verdict;
}

/* A CA first, POSH if that fails. */
static void try_pkix(struct dane_pair *pair, const struct dane_endpoint *endpoint)
{
    if (pair->question.no_pkix) {
        ask_posh(pair, "proof by a CA is switched off");
        return;
    }
    struct dane_verdict verdict = verify(pair, endpoint);
    if (verdict.result == DANE_AUTHENTICATED)
        accept(pair, DANE_PROOF_PKIX, verdict.expiry, verdict.reason);
    else if (verdict.result == DANE_FAILED)
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE, "%s", verdict.reason);
    else
        ask_posh(pair, verdict.reason);
}

/* By an endpoint whose demand is DANE: yes or no, and nothing rescues. */
static void by_dane(struct dane_pair *pair, const struct dane_endpoint *endpoint)
{
    struct dane_verdict verdict = verify(pair, endpoint);
    if (verdict.result == DANE_AUTHENTICATED)
        accept(pair, DANE_PROOF_DANE, verdict.expiry, verdict.reason);
    else
        conclude(pair, verdict.result == DANE_FAILED ? DANE_PAIR_LATER : DANE_PAIR_NO,
                 DANE_PROOF_DANE, "%s", verdict.reason);
}

/* Is this the endpoint that the stream was opened to? */
static bool is_stream_of(const struct dane_pair *pair, const struct dane_endpoint *endpoint)
{
    if (endpoint->port != pair->question.port)
        return false;
    if (pair->question.host)
        return strcmp(endpoint->host, pair->host) == 0;
    const struct dane_address *address = &pair->question.address;
    for (size_t i = 0; i < endpoint->address_count; i++) {
        if (endpoint->addresses[i].family == address->family &&
            memcmp(endpoint->addresses[i].octets, address->octets,
                   address->family == 4 ? 4 : sizeof address->octets) == 0)
            return true;
    }
    return false;
}

static const struct dane_endpoint *first_broken(const struct dane_plan_result *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->endpoints[i].demand == DANE_DEMAND_SKIP && plan->endpoints[i].error)
            return &plan->endpoints[i];
    }
    return NULL;
}

static void refuse_stranger(struct dane_pair *pair, const struct dane_plan_result *plan)
{
    const struct dane_endpoint *broken = pair->question.host ? NULL : first_broken(plan);
    if (broken)
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE,
                 "%s, which may be the one that was connected to: %s", broken->host,
                 broken->reason);
    else
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "%s does not name %s, port %u, as its server",
                 pair->remote, pair->question.host ? pair->host : "a host of this address",
                 pair->question.port);
}

static void judge_outgoing(struct dane_pair *pair, const struct dane_plan_result *plan)
{
    const struct dane_endpoint *endpoint = NULL;
    for (size_t i = 0; i < plan->count && !endpoint; i++) {
        if (is_stream_of(pair, &plan->endpoints[i]))
            endpoint = &plan->endpoints[i];
    }
    if (!endpoint) {
        refuse_stranger(pair, plan);
        return;
    }
    limit(pair, endpoint->expiry);
    if (pair->reuse && endpoint->delegation != DANE_DELEGATION_SECURE) {
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE,
                 "that %s is served by %s is not secured, so a stream of another domain cannot be "
                 "used for it",
                 pair->remote, endpoint->host);
        return;
    }
    pair->verdict.dialback = !pair->reuse && endpoint->tlsa_count == 0;
    if (endpoint->demand == DANE_DEMAND_SKIP)
        conclude(pair, endpoint->error ? DANE_PAIR_LATER : DANE_PAIR_NO, DANE_PROOF_NONE, "%s: %s",
                 endpoint->host, endpoint->reason);
    else if (!pair->peer.tls)
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "the stream is not encrypted");
    else if (endpoint->demand == DANE_DEMAND_DANE)
        by_dane(pair, endpoint);
    else
        try_pkix(pair, endpoint);
}

/* Incoming: any of the domain's hosts may be the one that called. */
struct incoming {
    struct dane_tlsa *tlsa;
    size_t tlsa_count;
    struct dane_reference *references;
    size_t reference_count;
    size_t with_tlsa, without_tlsa;
    bool any_tlsa;
};

/* Room for all that the endpoints have. */
static bool incoming_new(struct incoming *all, const struct dane_plan_result *plan)
{
    size_t tlsa = 1, references = 1;
    for (size_t i = 0; i < plan->count; i++) {
        tlsa += plan->endpoints[i].tlsa_count;
        references += plan->endpoints[i].reference_count;
    }
    *all = (struct incoming){
        .tlsa = calloc(tlsa, sizeof *all->tlsa),
        .references = calloc(references, sizeof *all->references),
    };
    return all->tlsa && all->references;
}

static void incoming_free(struct incoming *all)
{
    free(all->tlsa);
    free(all->references);
}

static void add_reference(struct incoming *all, const struct dane_reference *reference)
{
    for (size_t i = 0; i < all->reference_count; i++) {
        if (all->references[i].kind == reference->kind &&
            strcmp(all->references[i].name, reference->name) == 0)
            return;
    }
    all->references[all->reference_count++] = *reference;
}

static void add_endpoint(struct incoming *all, const struct dane_endpoint *endpoint)
{
    if (endpoint->demand == DANE_DEMAND_SKIP)
        return;
    size_t before = all->tlsa_count;
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        /* A client's certificate is its leaf alone: the records of a server's CA say nothing. */
        if (verify_usable(&endpoint->tlsa[i], DANE_EE))
            all->tlsa[all->tlsa_count++] = endpoint->tlsa[i];
    }
    if (all->tlsa_count > before)
        all->with_tlsa++;
    else
        all->without_tlsa++;
    all->any_tlsa |= endpoint->tlsa_count > 0;
    for (size_t i = 0; i < endpoint->reference_count; i++)
        add_reference(all, &endpoint->references[i]);
}

static void judge_caller(struct dane_pair *pair, const struct dane_plan_result *plan,
                         const struct incoming *all)
{
    struct dane_endpoint whole = {
        .service = DANE_XMPP_SERVER,
        .host = pair->remote,
        .domain = pair->remote,
        .base = pair->remote,
        .demand = DANE_DEMAND_DANE,
        .tlsa = all->tlsa,
        .tlsa_count = all->tlsa_count,
        .references = all->references,
        .reference_count = all->reference_count,
        .expiry = plan->expiry,
        .reason = "",
    };
    if (all->with_tlsa > 0 &&
        (all->without_tlsa == 0 || verify(pair, &whole).result == DANE_AUTHENTICATED)) {
        by_dane(pair, &whole);
        return;
    }
    /* The caller may be one of those hosts that have no TLSA records. */
    whole.demand = DANE_DEMAND_PKIX;
    try_pkix(pair, &whole);
}

static void judge_incoming(struct dane_pair *pair, const struct dane_plan_result *plan)
{
    struct incoming all;
    const struct dane_endpoint *broken = first_broken(plan);
    if (broken) {
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE, "%s, which may be the one that calls: %s",
                 broken->host, broken->reason);
        return;
    }
    limit(pair, plan->expiry);
    if (!incoming_new(&all, plan)) {
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE, "there is no memory");
        incoming_free(&all);
        return;
    }
    for (size_t i = 0; i < plan->count; i++)
        add_endpoint(&all, &plan->endpoints[i]);
    pair->verdict.dialback = !all.any_tlsa;
    if (all.with_tlsa + all.without_tlsa == 0)
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "%s", plan->reason);
    else if (!pair->peer.tls)
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "the stream is not encrypted");
    else
        judge_caller(pair, plan, &all);
    incoming_free(&all);
}

static void judge(struct dane_pair *pair)
{
    const struct dane_plan_result *plan =
        pair->done || pair->url ? NULL : dane_plan_result(pair->plan);
    if (!plan)
        return;
    if (plan->outcome == DANE_OUTCOME_DEFER && plan->count == 0)
        conclude(pair, DANE_PAIR_LATER, DANE_PROOF_NONE, "%s", plan->reason);
    else if (plan->outcome == DANE_OUTCOME_NONE || plan->outcome == DANE_OUTCOME_UNKNOWN)
        conclude(pair, DANE_PAIR_NO, DANE_PROOF_NONE, "%s", plan->reason);
    else if (pair->question.direction == DANE_OUTGOING)
        judge_outgoing(pair, plan);
    else
        judge_incoming(pair, plan);
}

/* --- the outside --- */

static bool copy_octets(const uint8_t *data, size_t length, const uint8_t **out)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    if (copy && length > 0)
        memcpy(copy, data, length);
    *out = copy;
    return copy != NULL;
}

static bool copy_peer(struct dane_pair *pair, const struct dane_peer *peer)
{
    size_t count = peer->count < DANE_CHAIN_MAX ? peer->count : DANE_CHAIN_MAX;
    struct dane_der *chain = calloc(count > 0 ? count : 1, sizeof *chain);
    if (!chain)
        return false;
    pair->peer = (struct dane_peer){.chain = chain, .tls = peer->tls};
    for (size_t i = 0; i < count; i++) {
        if (!copy_octets(peer->chain[i].data, peer->chain[i].length, &chain[i].data))
            return false;
        chain[i].length = peer->chain[i].length;
        pair->peer.count++;
    }
    pair->peer.raw_length = peer->raw_length;
    return !peer->raw_public_key ||
           copy_octets(peer->raw_public_key, peer->raw_length, &pair->peer.raw_public_key);
}

static int make(const struct dane_pair_question *question, bool reuse, struct dane_pair **out)
{
    struct dane_pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return BASE_ENOMEM;
    pair->question = *question;
    pair->question.local = pair->question.remote = NULL;
    pair->question.peer = NULL;
    pair->question.host = question->host ? pair->host : NULL;
    pair->question.ca_file = question->ca_file ? strdup(question->ca_file) : NULL;
    pair->reuse = reuse;
    struct dane_plan_options options = {.no_sts = true};
    int status = (question->ca_file && !pair->question.ca_file) || !copy_peer(pair, question->peer)
                     ? BASE_ENOMEM
                     : dane_domain_to_ascii(question->remote, pair->remote);
    if (status == BASE_OK && question->host)
        status = dane_domain_to_ascii(question->host, pair->host);
    if (status == BASE_OK)
        status =
            dane_plan_new(service_of(pair), pair->remote, &options, question->now, &pair->plan);
    if (status != BASE_OK) {
        dane_pair_free(pair);
        return status;
    }
    *out = pair;
    return BASE_OK;
}

int dane_pair_new(const struct dane_pair_question *question, struct dane_pair **out)
{
    return make(question, false, out);
}

int dane_pair_reuse_new(const struct dane_pair_question *question, struct dane_pair **out)
{
    return make(question, true, out);
}

void dane_pair_free(struct dane_pair *pair)
{
    if (!pair)
        return;
    for (size_t i = 0; i < pair->peer.count; i++)
        free((void *)pair->peer.chain[i].data);
    free((void *)pair->peer.chain);
    free((void *)pair->peer.raw_public_key);
    free((void *)pair->question.ca_file);
    dane_plan_free(pair->plan);
    free(pair->url);
    free(pair);
}

static bool next_document(struct dane_pair *pair, struct dane_pair_ask *out)
{
    if (pair->done || !pair->url || pair->url_given)
        return false;
    pair->url_given = true;
    pair->documents++;
    *out = (struct dane_pair_ask){.id = POSH_ID + pair->documents,
                                  .kind = DANE_PAIR_POSH,
                                  .url = pair->url,
                                  .fresh = pair->fresh};
    return true;
}

bool dane_pair_next(struct dane_pair *pair, struct dane_pair_ask *out)
{
    struct dane_ask ask;
    if (!pair->done && dane_plan_next(pair->plan, &ask)) {
        *out = (struct dane_pair_ask){
            .id = ask.id, .kind = DANE_PAIR_LOOKUP, .name = ask.name, .type = ask.type};
        return true;
    }
    judge(pair);
    return next_document(pair, out);
}

int dane_pair_answer(struct dane_pair *pair, uint32_t id, const struct validate_result *result)
{
    return pair->done ? BASE_EINVAL : dane_plan_answer(pair->plan, id, result);
}

const struct dane_pair_verdict *dane_pair_result(struct dane_pair *pair)
{
    judge(pair);
    return pair->done ? &pair->verdict : NULL;
}
