/*
 * The machine under all plans: answers, asks, passes.
 */
#include "dane/plan_parts.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *dane_outcome_name(enum dane_outcome outcome)
{
    switch (outcome) {
    case DANE_OUTCOME_GO:
        return "go";
    case DANE_OUTCOME_DEFER:
        return "defer";
    case DANE_OUTCOME_NONE:
        return "none";
    case DANE_OUTCOME_UNKNOWN:
        return "unknown";
    }
    return "?";
}

/* --- what was asked, and what came --- */

static struct plan_item *item_new(struct dane_plan *plan, enum dane_ask_kind kind)
{
    if (plan->count == PLAN_ASKS_MAX) {
        plan->error = BASE_ELIMIT;
        return NULL;
    }
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 16;
        struct plan_item *items = reallocarray(plan->items, capacity, sizeof *items);
        if (!items) {
            plan->error = BASE_ENOMEM;
            return NULL;
        }
        plan->items = items;
        plan->capacity = capacity;
    }
    struct plan_item *item = &plan->items[plan->count++];
    *item = (struct plan_item){.kind = kind};
    return item;
}

const struct validate_result *plan_lookup(struct dane_plan *plan, const uint8_t *name,
                                          uint16_t type)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_item *item = &plan->items[i];
        if (item->kind == DANE_ASK_LOOKUP && item->type == type &&
            dns_name_equal(item->name, name)) {
            plan->pending |= !item->answered;
            return item->result;
        }
    }
    struct plan_item *item = item_new(plan, DANE_ASK_LOOKUP);
    if (item) {
        item->type = type;
        memcpy(item->name, name, dns_name_length(name));
        plan->pending = true;
    }
    return NULL;
}

const struct validate_result *plan_lookup_below(struct dane_plan *plan, const char *prefix,
                                                const uint8_t *name, uint16_t type)
{
    uint8_t whole[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(whole, &length, prefix, strlen(prefix), name) != BASE_OK) {
        plan->error = BASE_ERANGE;
        return NULL;
    }
    return plan_lookup(plan, whole, type);
}

const struct plan_item *plan_policy(struct dane_plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].kind == DANE_ASK_STS) {
            plan->pending |= !plan->items[i].answered;
            return plan->items[i].answered ? &plan->items[i] : NULL;
        }
    }
    struct plan_item *item = item_new(plan, DANE_ASK_STS);
    if (item) {
        item->sts_id = id ? strdup(id) : NULL;
        if (id && !item->sts_id)
            plan->error = BASE_ENOMEM;
        plan->pending = true;
    }
    return NULL;
}

/* --- making the result --- */

const char *plan_text(struct dane_plan *plan, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    if ((size_t)length >= sizeof text)
        length = sizeof text - 1;
    char *copy = base_arena_strndup(&plan->arena, text, (size_t)length);
    if (!copy)
        plan->error = BASE_ENOMEM;
    return copy ? copy : "";
}

const char *plan_host_text(struct dane_plan *plan, const uint8_t *name)
{
    char text[DNS_NAME_TEXT], host[DANE_DOMAIN_MAX];
    size_t length = dns_name_to_text(text, name);
    text[length] = '\0';
    if (dane_domain_to_ascii(text, host) != BASE_OK)
        return NULL;
    const char *copy = base_arena_strndup(&plan->arena, host, strlen(host));
    if (!copy)
        plan->error = BASE_ENOMEM;
    return copy;
}

static void limit(base_time *expiry, base_time until)
{
    if (*expiry == 0 || until < *expiry)
        *expiry = until;
}

void plan_lean(struct dane_plan *plan, struct dane_endpoint *endpoint,
               const struct validate_result *result)
{
    base_time until = result->now + (base_time)result->ttl;
    if (result->expiry != 0 && result->expiry < until)
        until = result->expiry;
    limit(&plan->made.expiry, until);
    if (endpoint)
        limit(&endpoint->expiry, until);
}

const uint8_t *plan_end_of(const struct validate_result *result)
{
    return result->hop_count > 0 ? result->hops[result->hop_count - 1].name : result->name;
}

struct dane_endpoint *plan_endpoint(struct dane_plan *plan, const char *host, uint16_t port)
{
    if (plan->made.count == PLAN_HOSTS_MAX)
        return NULL;
    struct dane_endpoint *endpoint = &plan->endpoints[plan->made.count++];
    *endpoint = (struct dane_endpoint){
        .service = plan->service,
        .host = host,
        .domain = plan->domain,
        .port = port,
        .start = plan->info->start,
        .sni = host,
        .reason = "",
    };
    return endpoint;
}

void plan_skip(struct dane_plan *plan, struct dane_endpoint *endpoint, const char *reason)
{
    endpoint->demand = DANE_DEMAND_SKIP;
    endpoint->reason = reason;
}

void plan_reference(struct dane_plan *plan, struct dane_endpoint *endpoint,
                    enum dane_reference_kind kind, const char *name)
{
    enum { MOST = 8 };
    for (size_t i = 0; i < endpoint->reference_count; i++) {
        if (endpoint->references[i].kind == kind && strcmp(endpoint->references[i].name, name) == 0)
            return;
    }
    struct dane_reference *references = (struct dane_reference *)endpoint->references;
    if (!references)
        references = base_arena_alloc(&plan->arena, MOST * sizeof *references);
    if (!references) {
        plan->error = BASE_ENOMEM;
        return;
    }
    endpoint->references = references;
    if (endpoint->reference_count < MOST)
        references[endpoint->reference_count++] = (struct dane_reference){kind, name};
}

void plan_conclude(struct dane_plan *plan, enum dane_outcome outcome, const char *reason)
{
    plan->made.outcome = outcome;
    plan->made.reason = reason;
}

/* --- passes --- */

static void address_literal(struct dane_plan *plan)
{
    const char *host = plan->domain;
    struct dane_endpoint *endpoint =
        plan_endpoint(plan, host, plan->options.port ? plan->options.port : plan->info->port);
    endpoint->addresses = &plan->literal;
    endpoint->address_count = 1;
    endpoint->sni = NULL;
    if (plan->options.mandatory) {
        plan_skip(plan, endpoint, "an address has no TLSA records, and DANE is mandatory");
        plan_conclude(plan, DANE_OUTCOME_DEFER, endpoint->reason);
        return;
    }
    if (plan->service == DANE_SMTP) {
        endpoint->demand = DANE_DEMAND_NOTHING;
        endpoint->reason = "an address has no TLSA records: opportunistic TLS";
    } else {
        endpoint->demand = DANE_DEMAND_PKIX;
        plan_reference(plan, endpoint, DANE_REFERENCE_ADDRESS, host);
        endpoint->reason = "an address has no TLSA records: a CA must vouch for it";
    }
    plan_conclude(plan, DANE_OUTCOME_GO, endpoint->reason);
}

static void begin_pass(struct dane_plan *plan)
{
    base_arena_free(&plan->arena);
    base_arena_init(&plan->arena, PLAN_ARENA_MAX);
    plan->pending = false;
    plan->error = BASE_OK;
    plan->made = (struct dane_plan_result){
        .service = plan->service,
        .domain = plan->domain,
        .endpoints = plan->endpoints,
        .reason = "",
    };
}

static void finish(struct dane_plan *plan)
{
    if (plan->error != BASE_OK) {
        plan->made.count = 0;
        plan_conclude(plan, DANE_OUTCOME_DEFER,
                      plan->error == BASE_ENOMEM ? "there is no memory to make the plan"
                      : plan->error == BASE_ELIMIT
                          ? "the plan needs more look-ups than is reasonable (256)"
                          : "a name that must be asked for would be longer than names can be");
    }
    base_time left = plan->made.expiry - plan->now;
    plan->made.ttl = plan->made.expiry == 0 || left < 0 ? 0
                     : left > UINT32_MAX                ? UINT32_MAX
                                                        : (uint32_t)left;
    plan->done = true;
}

/* Makes the plan from what is there. Answers that come together cost one pass. */
static void pass(struct dane_plan *plan)
{
    plan->stale = false;
    begin_pass(plan);
    if (plan->is_literal)
        address_literal(plan);
    else if (plan->service == DANE_SMTP)
        plan_smtp(plan);
    else if (plan->options.port != 0 || !plan->info->srv)
        plan_direct(plan);
    else
        plan_srv(plan);
    if (!plan->pending || plan->error != BASE_OK)
        finish(plan);
}

/* --- the outside --- */

static bool read_literal(struct dane_plan *plan, const char *domain)
{
    char text[INET6_ADDRSTRLEN + 8];
    size_t length = strlen(domain);
    if (length < 3 || domain[0] != '[' || domain[length - 1] != ']' || length - 2 >= sizeof text)
        return false;
    const char *from = domain + 1;
    length -= 2;
    if (length > 5 && strncasecmp(from, "IPv6:", 5) == 0) {
        from += 5;
        length -= 5;
    }
    memcpy(text, from, length);
    text[length] = '\0';
    bool v4 = inet_pton(AF_INET, text, plan->literal.octets) == 1;
    if (!v4 && inet_pton(AF_INET6, text, plan->literal.octets) != 1)
        return false;
    plan->literal.family = v4 ? 4 : 6;
    plan->is_literal = true;
    snprintf(plan->domain, sizeof plan->domain, "%s", text);
    return true;
}

size_t dane_srv_prefix(const char *domain)
{
    static const char transport[] = "._tcp.";
    size_t service = strcspn(domain, ".");
    bool is = domain[0] == '_' && service > 1 &&
              strncasecmp(domain + service, transport, sizeof transport - 1) == 0 &&
              domain[service + sizeof transport - 1] != '\0';
    return is ? service + sizeof transport - 2 : 0;
}

/* Takes the domain, and the service that may stand before it. */
static int read_domain(struct dane_plan *plan, const char *domain)
{
    size_t length;
    if (dane_domain_to_ascii(domain, plan->domain) != BASE_OK)
        return BASE_EFORMAT;
    size_t prefix =
        plan->service == DANE_TLS && plan->options.port == 0 ? dane_srv_prefix(plan->domain) : 0;
    if (prefix > 0) {
        memcpy(plan->srv, plan->domain, prefix);
        plan->srv[prefix] = '\0';
        memmove(plan->domain, plan->domain + prefix + 1, strlen(plan->domain + prefix));
        plan->named = *plan->info;
        plan->named.srv = plan->srv;
        plan->info = &plan->named;
    }
    int status = dns_name_from_text(plan->name, &length, plan->domain, strlen(plan->domain),
                                    (const uint8_t *)"");
    return status == BASE_OK ? BASE_OK : BASE_EFORMAT;
}

int dane_plan_new(enum dane_service service, const char *domain,
                  const struct dane_plan_options *options, base_time now, struct dane_plan **out)
{
    struct dane_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return BASE_ENOMEM;
    plan->service = service;
    plan->info = dane_service_info(service);
    if (options)
        plan->options = *options;
    plan->now = now;
    base_arena_init(&plan->arena, PLAN_ARENA_MAX);
    int status = read_literal(plan, domain) ? BASE_OK : read_domain(plan, domain);
    if (status == BASE_OK && plan->options.port == 0 && plan->info->port == 0 && !plan->info->srv)
        status = BASE_EINVAL;
    if (status != BASE_OK) {
        dane_plan_free(plan);
        return status;
    }
    plan->stale = true;
    *out = plan;
    return BASE_OK;
}

void dane_plan_free(struct dane_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        validate_result_unref(plan->items[i].result);
        free(plan->items[i].sts_id);
        free(plan->items[i].text);
    }
    free(plan->items);
    base_arena_free(&plan->arena);
    free(plan);
}

bool dane_plan_next(struct dane_plan *plan, struct dane_ask *out)
{
    if (plan->next == plan->count && plan->stale)
        pass(plan);
    if (plan->done || plan->next == plan->count)
        return false;
    const struct plan_item *item = &plan->items[plan->next];
    *out = (struct dane_ask){
        .id = (uint32_t)plan->next,
        .kind = item->kind,
        .name = item->name,
        .type = item->type,
        .domain = plan->domain,
        .sts_id = item->sts_id,
    };
    plan->next++;
    return true;
}

static struct plan_item *waiting(struct dane_plan *plan, uint32_t id, enum dane_ask_kind kind)
{
    if (id >= plan->count || plan->items[id].kind != kind || plan->items[id].answered || plan->done)
        return NULL;
    return &plan->items[id];
}

int dane_plan_answer(struct dane_plan *plan, uint32_t id, const struct validate_result *result)
{
    struct plan_item *item = waiting(plan, id, DANE_ASK_LOOKUP);
    if (!item)
        return BASE_EINVAL;
    item->result = validate_result_ref(result);
    item->answered = true;
    plan->stale = true;
    return BASE_OK;
}

int dane_plan_answer_sts(struct dane_plan *plan, uint32_t id, const char *text, size_t length,
                         const char *why)
{
    struct plan_item *item = waiting(plan, id, DANE_ASK_STS);
    if (!item)
        return BASE_EINVAL;
    if (text) {
        item->text = malloc(length + 1);
        if (!item->text)
            return BASE_ENOMEM;
        memcpy(item->text, text, length);
        item->text[length] = '\0';
        item->length = length;
    }
    snprintf(item->why, sizeof item->why, "%s", why ? why : "");
    item->answered = true;
    plan->stale = true;
    return BASE_OK;
}

const struct dane_plan_result *dane_plan_result(struct dane_plan *plan)
{
    if (plan->stale)
        pass(plan);
    return plan->done ? &plan->made : NULL;
}
