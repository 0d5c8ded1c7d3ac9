/* libkenter's verdicts: see kenter/dane.h. */
#include "lib/public.h"

#include "base/clock.h"
#include "base/error.h"
#include "dane/verify.h"
#include "kenter/dane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)KENTER_AUTHENTICATED == DANE_AUTHENTICATED && (int)KENTER_PLAIN == DANE_PLAIN &&
                   (int)KENTER_FAILED == DANE_FAILED,
               "verdicts have the same numbers");
_Static_assert(sizeof((struct kenter_verdict *)0)->identity == DANE_NAMES_TEXT &&
                   sizeof((struct kenter_verdict *)0)->reason == DANE_VERDICT_TEXT,
               "and texts the same room");
_Static_assert(sizeof(struct kenter_der) == sizeof(struct dane_der), "certificates are the same");

const char *kenter_verdict_text(enum kenter_verdict_kind kind)
{
    return dane_result_name((enum dane_result)kind);
}

int kenter_authorities_new(const char *ca_file, struct kenter_authorities **out)
{
    struct dane_authorities *authorities;
    int error = dane_authorities_new(ca_file, &authorities);
    if (error == BASE_OK)
        *out = (struct kenter_authorities *)authorities;
    return lib_error(error);
}

void kenter_authorities_free(struct kenter_authorities *authorities)
{
    dane_authorities_free((struct dane_authorities *)authorities);
}

/* The lists of an endpoint as inside, in one piece of memory. */
struct lists {
    struct dane_tlsa *tlsa;
    struct dane_reference *references;
};

static void *lists_of(const struct kenter_endpoint *from, struct lists *lists)
{
    size_t tlsa = from->tlsa_count * sizeof(struct dane_tlsa);
    char *memory = malloc(tlsa + from->reference_count * sizeof(struct dane_reference) + 1);
    if (!memory)
        return NULL;
    lists->tlsa = (struct dane_tlsa *)(void *)memory;
    lists->references = (struct dane_reference *)(void *)(memory + tlsa);
    for (size_t i = 0; i < from->tlsa_count; i++) {
        const struct kenter_tlsa *record = &from->tlsa[i];
        lists->tlsa[i] =
            (struct dane_tlsa){.usage = record->usage,
                               .selector = record->selector,
                               .matching = record->matching,
                               .length = record->length,
                               .data = record->data,
                               .unusable = record->usable ? DANE_USABLE : DANE_UNUSABLE_USAGE};
    }
    for (size_t i = 0; i < from->reference_count; i++)
        lists->references[i] = (struct dane_reference){
            (enum dane_reference_kind)from->references[i].kind, from->references[i].name};
    return memory;
}

static void give(const struct dane_verdict *from, struct kenter_verdict *to)
{
    *to = (struct kenter_verdict){.kind = (enum kenter_verdict_kind)from->result,
                                  .by_dane = from->by_dane,
                                  .tlsa = from->tlsa == SIZE_MAX ? KENTER_NONE : from->tlsa,
                                  .depth = from->depth,
                                  .expiry = from->expiry};
    memcpy(to->identity, from->identity, sizeof to->identity);
    memcpy(to->reason, from->reason, sizeof to->reason);
    memcpy(to->tlsrpt, from->tlsrpt, sizeof to->tlsrpt);
}

void kenter_verify_peer(const struct kenter_endpoint *endpoint, const struct kenter_peer *peer,
                        const struct kenter_verify_options *given, struct kenter_verdict *verdict)
{
    struct kenter_verify_options options;
    struct lists lists;
    struct dane_verdict inner;
    kenter_verify_options_init(&options);
    if (given != NULL && given->size >= sizeof given->size)
        memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    void *memory = lists_of(endpoint, &lists);
    if (!memory) {
        *verdict = (struct kenter_verdict){.kind = KENTER_FAILED, .tlsa = KENTER_NONE};
        snprintf(verdict->reason, sizeof verdict->reason, "there is no memory");
        return;
    }
    struct dane_endpoint inside = {
        .service = (enum dane_service)endpoint->service,
        .host = endpoint->host,
        .domain = endpoint->domain,
        .port = endpoint->port,
        .demand = (enum dane_demand)endpoint->demand,
        .delegation =
            endpoint->delegation_secure ? DANE_DELEGATION_SECURE : DANE_DELEGATION_INSECURE,
        .base = endpoint->base,
        .tlsa = lists.tlsa,
        .tlsa_count = endpoint->tlsa_count,
        .references = lists.references,
        .reference_count = endpoint->reference_count,
        .sts = endpoint->sts != 0,
        .testing = endpoint->testing != 0,
        .error = endpoint->error != 0,
        .expiry = endpoint->expiry,
        .reason = endpoint->reason,
    };
    struct dane_peer shown = {.chain = (const struct dane_der *)(const void *)peer->chain,
                              .count = peer->count,
                              .raw_public_key = peer->raw_public_key,
                              .raw_length = peer->raw_length,
                              .tls = peer->tls != 0};
    struct dane_verify_options how = {.now = options.now != 0 ? options.now : base_clock_now(),
                                      .authorities =
                                          (const struct dane_authorities *)options.authorities};
    dane_verify(&inside, &shown, &how, &inner);
    free(memory);
    give(&inner, verdict);
}
