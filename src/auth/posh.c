/*
 * POSH (RFC 7711) for servers that were connected to. The engine for pairs judges, as it does for
 * XMPP servers that federate; here its questions are answered, blocking.
 */
#include "auth/authenticate.h"

#include "base/error.h"
#include "dane/posh.h"
#include "dane/xmpp.h"

#include <stdlib.h>
#include <string.h>

/* The document of a URL; fetched once. NULL: no memory. */
static const struct auth_posh_document *get(struct auth_posh *posh, const char *url)
{
    enum { MOST = sizeof posh->documents / sizeof posh->documents[0] };
    for (size_t i = 0; i < posh->count; i++) {
        if (strcmp(posh->documents[i].url, url) == 0)
            return &posh->documents[i];
    }
    if (posh->count == MOST)
        return NULL;
    struct auth_posh_document *document = &posh->documents[posh->count];
    document->url = strdup(url);
    if (!document->url)
        return NULL;
    posh->count++;
    struct auth_fetch fetch = {
        .url = url, .most = DANE_POSH_TEXT_MAX, .timeout_ms = posh->timeout_ms};
    document->failed = !auth_fetch_is_answer(
        auth_web_fetch(posh->web, &fetch, &document->text, &document->length, document->why));
    return document;
}

static int answer(struct auth_posh *posh, struct dane_pair *pair, const struct dane_pair_ask *ask)
{
    if (ask->kind == DANE_PAIR_POSH) {
        const struct auth_posh_document *had = get(posh, ask->url);
        if (!had)
            return BASE_ENOMEM;
        struct dane_pair_document document = {
            .text = had->text,
            .length = had->length,
            .why = had->why,
            .failed = had->failed,
            .fetched = posh->now,
        };
        return dane_pair_answer_posh(pair, ask->id, &document);
    }
    const struct validate_result *result;
    int status = resolve_lookup(posh->web->resolve, ask->name, ask->type, &result);
    if (status == BASE_OK) {
        status = dane_pair_answer(pair, ask->id, result);
        validate_result_unref(result);
    }
    return status;
}

static void take_verdict(struct auth_attempt *attempt, const struct dane_pair_verdict *pair)
{
    struct dane_verdict *verdict = &attempt->verdict;
    memcpy(verdict->reason, pair->reason, sizeof verdict->reason);
    if (pair->state != DANE_PAIR_YES)
        return;
    verdict->result = DANE_AUTHENTICATED;
    verdict->expiry = pair->expiry;
    verdict->tlsrpt[0] = '\0';
    attempt->by_posh = pair->proof == DANE_PROOF_POSH;
}

/* DANE has nothing to say, and what the server shows no CA vouches for. */
static bool may_help(const struct dane_endpoint *endpoint, const struct auth_attempt *attempt)
{
    return (endpoint->service == DANE_XMPP_CLIENT || endpoint->service == DANE_XMPP_SERVER) &&
           endpoint->demand == DANE_DEMAND_PKIX && attempt->verdict.result == DANE_REFUSED &&
           attempt->chain_count > 0;
}

int auth_posh_try(struct auth_posh *posh, const struct dane_endpoint *endpoint,
                  struct auth_attempt *attempt)
{
    struct dane_peer peer = {.chain = attempt->chain, .count = attempt->chain_count, .tls = true};
    struct dane_pair_question question = {
        .client = endpoint->service == DANE_XMPP_CLIENT,
        .direction = DANE_OUTGOING,
        .remote = endpoint->domain,
        .peer = &peer,
        .host = endpoint->host,
        .port = endpoint->port,
        .now = posh->now,
        .ca_file = posh->web->ca_file,
    };
    struct dane_pair *pair;
    struct dane_pair_ask ask;
    if (!may_help(endpoint, attempt))
        return BASE_OK;
    int status = dane_pair_new(&question, &pair);
    if (status != BASE_OK)
        return status;
    while (status == BASE_OK && dane_pair_next(pair, &ask))
        status = answer(posh, pair, &ask);
    const struct dane_pair_verdict *verdict = dane_pair_result(pair);
    if (status == BASE_OK && verdict)
        take_verdict(attempt, verdict);
    dane_pair_free(pair);
    return status;
}

void auth_posh_end(struct auth_posh *posh)
{
    for (size_t i = 0; i < posh->count; i++) {
        free(posh->documents[i].url);
        free(posh->documents[i].text);
    }
    posh->count = 0;
}
