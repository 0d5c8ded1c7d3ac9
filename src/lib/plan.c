/* libkenter's plans: see kenter/dane.h. A thin skin over src/dane. */
#include "lib/public.h"

#include "auth/authenticate.h"
#include "base/arena.h"
#include "base/error.h"
#include "kenter/dane.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)KENTER_TLS == DANE_TLS && (int)KENTER_XMPP_SERVER == DANE_XMPP_SERVER &&
                   (int)KENTER_SIEVE == DANE_SIEVE,
               "services have the same numbers");
_Static_assert((int)KENTER_START_XMPP_SERVER == DANE_START_XMPP_SERVER &&
                   (int)KENTER_START_SMTP == DANE_START_SMTP,
               "and what is said before TLS");
_Static_assert((int)KENTER_DEMAND_PKIX == DANE_DEMAND_PKIX &&
                   (int)KENTER_DEMAND_TLS == DANE_DEMAND_TLS,
               "and demands");
_Static_assert((int)KENTER_OUTCOME_UNKNOWN == DANE_OUTCOME_UNKNOWN, "and outcomes");
_Static_assert((int)KENTER_REFERENCE_ADDRESS == DANE_REFERENCE_ADDRESS, "and kinds of names");

struct kenter_plan {
    atomic_uint references;
    struct dane_plan *inner;
    const struct dane_plan_result *result;
    struct base_arena arena;
    struct kenter_endpoint *endpoints;
};

struct kenter_authentication {
    struct auth_run *run;
    kenter_planned *done;
    void *context;
    struct kenter_authenticate_options options;
    struct auth_web web; /* for fetching by ourselves */
    bool starting, over;
};

int kenter_service_parse(const char *text, enum kenter_service *service)
{
    enum dane_service found;
    if (dane_service_by_name(text, &found) != BASE_OK)
        return KENTER_EFORMAT;
    *service = (enum kenter_service)found;
    return KENTER_OK;
}

const char *kenter_service_text(enum kenter_service service)
{
    return (unsigned)service < DANE_SERVICES ? dane_service_info((enum dane_service)service)->name
                                             : "unknown";
}

const char *kenter_demand_text(enum kenter_demand demand)
{
    return dane_demand_name((enum dane_demand)demand);
}

const char *kenter_outcome_text(enum kenter_outcome outcome)
{
    return dane_outcome_name((enum dane_outcome)outcome);
}

/* --- from inside to outside --- */

static bool fill_lists(struct kenter_plan *plan, const struct dane_endpoint *from,
                       struct kenter_endpoint *to)
{
    struct kenter_address *addresses =
        base_arena_zalloc(&plan->arena, from->address_count * sizeof *addresses);
    struct kenter_tlsa *tlsa = base_arena_zalloc(&plan->arena, from->tlsa_count * sizeof *tlsa);
    struct kenter_reference *references =
        base_arena_zalloc(&plan->arena, from->reference_count * sizeof *references);
    if (!addresses || !tlsa || !references)
        return false;
    for (size_t i = 0; i < from->address_count; i++) {
        addresses[i].family = from->addresses[i].family;
        memcpy(addresses[i].octets, from->addresses[i].octets, sizeof addresses[i].octets);
    }
    for (size_t i = 0; i < from->tlsa_count; i++) {
        const struct dane_tlsa *record = &from->tlsa[i];
        tlsa[i] = (struct kenter_tlsa){.usage = record->usage,
                                       .selector = record->selector,
                                       .matching = record->matching,
                                       .usable = record->unusable == DANE_USABLE,
                                       .length = record->length,
                                       .data = record->data,
                                       .judgement = dane_unusable_text(record->unusable)};
    }
    for (size_t i = 0; i < from->reference_count; i++)
        references[i] = (struct kenter_reference){
            (enum kenter_reference_kind)from->references[i].kind, from->references[i].name};
    to->addresses = addresses;
    to->tlsa = tlsa;
    to->references = references;
    return true;
}

static bool fill_endpoint(struct kenter_plan *plan, const struct dane_endpoint *from,
                          struct kenter_endpoint *to)
{
    *to = (struct kenter_endpoint){
        .service = (enum kenter_service)from->service,
        .start = (enum kenter_start)from->start,
        .demand = (enum kenter_demand)from->demand,
        .domain = from->domain,
        .host = from->host,
        .port = from->port,
        .priority = from->priority,
        .weight = from->weight,
        .delegation_secure = from->delegation == DANE_DELEGATION_SECURE,
        .address_count = from->address_count,
        .sni = from->sni,
        .base = from->base,
        .tlsa_count = from->tlsa_count,
        .reference_count = from->reference_count,
        .raw_public_key = from->raw_public_key,
        .sts = from->sts,
        .testing = from->testing,
        .error = from->error,
        .expiry = from->expiry,
        .reason = from->reason,
    };
    return fill_lists(plan, from, to);
}

/* Takes the inner plan, also on failure. NULL: no memory. */
static struct kenter_plan *plan_new(struct dane_plan *inner)
{
    struct kenter_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        dane_plan_free(inner);
        return NULL;
    }
    atomic_init(&plan->references, 1);
    base_arena_init(&plan->arena, 0);
    plan->inner = inner;
    plan->result = dane_plan_result(inner);
    plan->endpoints =
        base_arena_zalloc(&plan->arena, plan->result->count * sizeof *plan->endpoints);
    bool good = plan->endpoints != NULL;
    for (size_t i = 0; good && i < plan->result->count; i++)
        good = fill_endpoint(plan, &plan->result->endpoints[i], &plan->endpoints[i]);
    if (!good) {
        kenter_plan_free(plan);
        return NULL;
    }
    return plan;
}

struct kenter_plan *kenter_plan_ref(struct kenter_plan *plan)
{
    atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
    return plan;
}

void kenter_plan_free(struct kenter_plan *plan)
{
    if (!plan || atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) != 1)
        return;
    dane_plan_free(plan->inner);
    base_arena_free(&plan->arena);
    free(plan);
}

enum kenter_outcome kenter_plan_outcome(const struct kenter_plan *plan)
{
    return (enum kenter_outcome)plan->result->outcome;
}

const char *kenter_plan_domain(const struct kenter_plan *plan)
{
    return plan->result->domain;
}

const char *kenter_plan_reason(const struct kenter_plan *plan)
{
    return plan->result->reason;
}

uint32_t kenter_plan_ttl(const struct kenter_plan *plan)
{
    return plan->result->ttl;
}

int64_t kenter_plan_expiry(const struct kenter_plan *plan)
{
    return plan->result->expiry;
}

const struct kenter_endpoint *kenter_plan_endpoints(const struct kenter_plan *plan, size_t *count)
{
    *count = plan->result->count;
    return plan->endpoints;
}

const char *kenter_plan_sts_mode(const struct kenter_plan *plan)
{
    return plan->result->sts_mode;
}

const char *kenter_plan_sts_problem(const struct kenter_plan *plan)
{
    return plan->result->sts_problem;
}

/* --- making them --- */

static int full_options(const struct kenter_authenticate_options *given,
                        struct kenter_authenticate_options *out)
{
    kenter_authenticate_options_init(out);
    if (given != NULL && given->size < sizeof given->size)
        return BASE_EINVAL;
    if (given != NULL)
        memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return BASE_OK;
}

static void fetch(void *context, const struct auth_fetch *wanted, struct auth_ticket *ticket)
{
    const struct kenter_authentication *own = context;
    if (own->options.fetch)
        own->options.fetch(own->options.fetch_context, wanted->url, (struct kenter_fetch *)ticket);
    else
        auth_fetch_now((void *)&own->web, wanted, ticket);
}

void kenter_fetched(struct kenter_fetch *ticket, const char *text, size_t length, const char *why)
{
    auth_fetched((struct auth_ticket *)ticket, text, length,
                 text ? "" : (why ? why : "the policy cannot be fetched"));
}

static void planned(void *context, int error, struct dane_plan *inner)
{
    struct kenter_authentication *own = context;
    kenter_planned *done = own->done;
    void *done_context = own->context;
    own->over = true;
    if (!own->starting)
        free(own);
    done(done_context, error == BASE_OK ? plan_new(inner) : NULL);
}

static int start(struct kenter_resolver *resolver, enum kenter_service service, const char *domain,
                 uint16_t port, const struct kenter_authenticate_options *options,
                 kenter_planned *done, void *context, struct kenter_authentication **out)
{
    struct dane_plan_options how = {.mandatory = options->mandatory != 0,
                                    .no_sts = options->no_sts != 0,
                                    .port = port,
                                    .random = options->random};
    if ((unsigned)service >= DANE_SERVICES)
        return BASE_EINVAL;
    struct kenter_authentication *own = calloc(1, sizeof *own);
    if (!own)
        return BASE_ENOMEM;
    own->done = done;
    own->context = context;
    own->options = *options;
    own->starting = true;
    own->web.resolve = lib_resolver_context(resolver);
    own->web.ca_file = options->ca_file;
    /* Who fetches by himself finds the host by himself. */
    struct auth_documents documents = {fetch, own, options->fetch ? NULL : &own->web};
    int error = auth_run_start(lib_resolver_context(resolver), (enum dane_service)service, domain,
                               &how, &documents, planned, own, &own->run);
    own->starting = false;
    *out = own;
    if (error != BASE_OK || own->over) {
        free(own);
        *out = NULL;
    }
    return error;
}

int kenter_authenticate_start(struct kenter_resolver *resolver, enum kenter_service service,
                              const char *domain, uint16_t port,
                              const struct kenter_authenticate_options *given, kenter_planned *done,
                              void *context, struct kenter_authentication **out)
{
    struct kenter_authenticate_options options;
    struct kenter_authentication *own = NULL;
    int error = full_options(given, &options);
    /* Fetching by ourselves would hold up the caller's loop. */
    if (error == BASE_OK && service == KENTER_SMTP && !options.fetch && !options.no_sts)
        error = BASE_EINVAL;
    if (error == BASE_OK)
        error = start(resolver, service, domain, port, &options, done, context, &own);
    if (error == BASE_OK)
        *out = own;
    return lib_error(error);
}

void kenter_authenticate_cancel(struct kenter_authentication *authentication)
{
    if (!authentication)
        return;
    auth_run_cancel(authentication->run);
    free(authentication);
}

struct waiting {
    bool over;
    struct kenter_plan *plan;
};

static void note(void *context, struct kenter_plan *plan)
{
    *(struct waiting *)context = (struct waiting){true, plan};
}

int kenter_authenticate(struct kenter_resolver *resolver, enum kenter_service service,
                        const char *domain, uint16_t port,
                        const struct kenter_authenticate_options *given, struct kenter_plan **out)
{
    struct kenter_authenticate_options options;
    struct kenter_authentication *own;
    struct waiting waiting = {.over = false};
    int error = full_options(given, &options);
    if (error == BASE_OK)
        error = start(resolver, service, domain, port, &options, note, &waiting, &own);
    if (error != BASE_OK)
        return lib_error(error);
    while (!waiting.over)
        lib_resolver_wait(resolver);
    if (!waiting.plan)
        return KENTER_ENOMEM;
    *out = waiting.plan;
    return KENTER_OK;
}
