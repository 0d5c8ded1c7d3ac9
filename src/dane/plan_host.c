/*
 * One host: its addresses, and whether TLSA records speak of it (RFC 7672 section 2.2.2, RFC 7671
 * section 7). Addresses come first: a host in an insecure zone is never asked for TLSA, since many
 * name servers of such zones fail on the question.
 */
#include "dane/plan_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES 2

struct addresses {
    const struct validate_result *results[FAMILIES]; /* A, AAAA */
};

static bool has_data(const struct validate_result *result)
{
    return result->kind == VALIDATE_ANSWER_DATA;
}

static size_t take_addresses(struct dane_address *out, const struct validate_result *result,
                             uint8_t family)
{
    size_t size = family == 4 ? 4 : 16, count = 0;
    if (plan_error(result) || !has_data(result))
        return 0;
    const struct validate_records *set = &result->answer[0];
    for (size_t i = 0; i < set->count && count < PLAN_ADDRESSES_MAX; i++) {
        if (set->rdata[i].length != size)
            continue;
        out[count].family = family;
        memcpy(out[count++].octets, set->rdata[i].data, size);
    }
    return count;
}

/* Sets the endpoint's addresses from what is good. False: the endpoint is skipped. */
static bool use_addresses(struct dane_plan *plan, struct dane_endpoint *endpoint,
                          const struct addresses *found)
{
    size_t bad = 0;
    for (size_t i = 0; i < FAMILIES; i++)
        bad += plan_error(found->results[i]);
    if (bad == FAMILIES) {
        endpoint->error = true;
        plan_skip(plan, endpoint,
                  plan_text(plan, "its addresses cannot be had: %s",
                            found->results[0]->sentence ? found->results[0]->sentence : "error"));
        return false;
    }
    struct dane_address *list =
        base_arena_alloc(&plan->arena, FAMILIES * PLAN_ADDRESSES_MAX * sizeof *list);
    if (!list) {
        plan->error = BASE_ENOMEM;
        return false;
    }
    /* IPv6 first, as programs that do not race the families do (RFC 6724). */
    size_t count = take_addresses(list, found->results[1], 6);
    count += take_addresses(list + count, found->results[0], 4);
    endpoint->addresses = list;
    endpoint->address_count = count;
    for (size_t i = 0; i < FAMILIES; i++) {
        if (!plan_error(found->results[i]))
            plan_lean(plan, endpoint, found->results[i]);
    }
    if (count == 0) {
        endpoint->error = bad > 0;
        const struct validate_result *broken =
            plan_error(found->results[0]) ? found->results[0] : found->results[1];
        plan_skip(plan, endpoint,
                  bad > 0 ? plan_text(plan,
                                      "one kind of its addresses is not there, the other "
                                      "cannot be had: %s",
                                      broken->sentence ? broken->sentence : "error")
                          : "it has no address");
    }
    return count > 0;
}

/* One look-up of a TLSA base. True: it decides, and `host` says how. */
static bool try_base(struct dane_plan *plan, struct dane_endpoint *endpoint, struct plan_host *host,
                     const uint8_t *base)
{
    char prefix[24];
    snprintf(prefix, sizeof prefix, "_%u._tcp", endpoint->port);
    const struct validate_result *result = plan_lookup_below(plan, prefix, base, DNS_TYPE_TLSA);
    if (!result) {
        host->state = PLAN_HOST_PENDING;
        return true;
    }
    if (plan_error(result)) {
        /* Never taken for an absence: somebody may suppress the records (RFC 7672 section 2.1.2).
         */
        endpoint->error = true;
        plan_skip(plan, endpoint,
                  plan_text(plan, "whether it has TLSA records cannot be had: %s",
                            result->sentence ? result->sentence : "error"));
        host->state = PLAN_HOST_SKIP;
        return true;
    }
    plan_lean(plan, endpoint, result);
    if (!plan_secure(result) || !has_data(result)) {
        host->why =
            !has_data(result) ? "it has no TLSA records" : "its TLSA records are not secure";
        return false;
    }
    const struct validate_records *set = &result->answer[0];
    struct dane_tlsa *tlsa = base_arena_alloc(&plan->arena, PLAN_TLSA_MAX * sizeof *tlsa);
    endpoint->base = plan_host_text(plan, base);
    if (!tlsa || !endpoint->base) {
        plan->error = plan->error != BASE_OK ? plan->error : BASE_ENOMEM;
        host->state = PLAN_HOST_SKIP;
        return true;
    }
    size_t count = 0;
    for (size_t i = 0; i < set->count && count < PLAN_TLSA_MAX; i++) {
        uint8_t *copy = base_arena_dup(&plan->arena, set->rdata[i].data, set->rdata[i].length);
        if (copy && dane_tlsa_read(copy, set->rdata[i].length, &tlsa[count]) == BASE_OK)
            count++;
    }
    endpoint->tlsa = tlsa;
    endpoint->tlsa_count = count;
    host->state =
        dane_tlsa_judge(tlsa, count, plan->info->usages) > 0 ? PLAN_HOST_DANE : PLAN_HOST_UNUSABLE;
    for (size_t i = 0; i < count; i++)
        endpoint->raw_public_key |= tlsa[i].unusable == DANE_USABLE && tlsa[i].usage == DANE_EE &&
                                    tlsa[i].selector == DANE_PUBLIC_KEY;
    return true;
}

/* Security of the two answers together, and of the first alias. */
struct security {
    bool whole;       /* all of the chain to the addresses is secure */
    bool alias;       /* the host is an alias */
    bool first_alias; /* and that much is secure */
    const uint8_t *end;
};

static struct security weigh(const struct addresses *found)
{
    struct security security = {.whole = true};
    for (size_t i = 0; i < FAMILIES; i++) {
        const struct validate_result *result = found->results[i];
        if (plan_error(result))
            continue;
        security.whole &= plan_secure(result);
        if (result->hop_count > 0 && result->hops[0].target) {
            security.alias = true;
            security.first_alias = result->hops[0].status == VALIDATE_SECURE;
            security.end = plan_end_of(result);
        }
    }
    return security;
}

/* Both answers; false: at least one is not there yet. */
static bool find_addresses(struct dane_plan *plan, const uint8_t *name, struct addresses *found)
{
    found->results[0] = plan_lookup(plan, name, DNS_TYPE_A);
    found->results[1] = plan_lookup(plan, name, DNS_TYPE_AAAA);
    return found->results[0] && found->results[1];
}

enum plan_host_state plan_addresses(struct dane_plan *plan, struct dane_endpoint *endpoint,
                                    const uint8_t *name)
{
    struct addresses found;
    if (!find_addresses(plan, name, &found))
        return PLAN_HOST_PENDING;
    return use_addresses(plan, endpoint, &found) ? PLAN_HOST_NO_DANE : PLAN_HOST_SKIP;
}

struct plan_host plan_look_at_host(struct dane_plan *plan, struct dane_endpoint *endpoint,
                                   const uint8_t *name)
{
    struct plan_host host = {.state = plan_addresses(plan, endpoint, name)};
    struct addresses found;
    if (host.state != PLAN_HOST_NO_DANE || !find_addresses(plan, name, &found))
        return host;
    struct security security = weigh(&found);
    host.why = "its address is not secure";
    if (!security.whole && !(security.alias && security.first_alias))
        return host;
    if (security.whole && security.alias && try_base(plan, endpoint, &host, security.end))
        return host;
    try_base(plan, endpoint, &host, name);
    return host;
}
