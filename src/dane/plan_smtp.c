/*
 * Mail between servers (RFC 7672): MX, hosts, and, where DANE is proved absent, MTA-STS (RFC 8461).
 */
#include "dane/plan_parts.h"
#include "dane/sts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
    uint16_t preference;
    const uint8_t *name;
    size_t order; /* as received: keeps equals where they were */
};

static int by_preference(const void *a, const void *b)
{
    const struct exchange *x = a, *y = b;
    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Reads the MX set, best first. Returns their number, at most PLAN_HOSTS_MAX; *null: the domain
 * takes no mail (RFC 7505). */
static size_t read_exchanges(struct dane_plan *plan, const struct validate_result *mx,
                             struct exchange **out, bool *null)
{
    const struct validate_records *set = &mx->answer[0];
    struct exchange *list = base_arena_alloc(&plan->arena, set->count * sizeof *list);
    if (!list) {
        plan->error = BASE_ENOMEM;
        return 0;
    }
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct validate_rdata *rdata = &set->rdata[i];
        if (rdata->length < 3)
            continue;
        const uint8_t *name = rdata->data + 2;
        if (name[0] == 0) {
            *null = set->count == 1;
            continue; /* beside others it means nothing */
        }
        uint16_t preference = (uint16_t)(rdata->data[0] << 8 | rdata->data[1]);
        list[count] = (struct exchange){preference, name, i};
        count++;
    }
    qsort(list, count, sizeof *list, by_preference);
    *out = list;
    return count < PLAN_HOSTS_MAX ? count : PLAN_HOSTS_MAX;
}

/* An MX whose name is written like an IPv4 address (RFC 7672 section 2.2): no names, no DANE. */
static bool looks_like_address(struct dane_plan *plan, struct dane_endpoint *endpoint)
{
    struct dane_address *address = base_arena_zalloc(&plan->arena, sizeof *address);
    if (!address) {
        plan->error = BASE_ENOMEM;
        return false;
    }
    if (inet_pton(AF_INET, endpoint->host, address->octets) != 1)
        return false;
    address->family = 4;
    endpoint->addresses = address;
    endpoint->address_count = 1;
    endpoint->sni = NULL;
    return true;
}

static void without_dane(struct dane_plan *plan, struct dane_endpoint *endpoint, const char *why)
{
    if (plan->options.mandatory) {
        plan_skip(plan, endpoint, plan_text(plan, "%s, and DANE is mandatory", why));
        return;
    }
    endpoint->demand = DANE_DEMAND_NOTHING;
    endpoint->reason = plan_text(plan, "%s: opportunistic TLS", why);
}

/* Names that a chain to a CA of the domain's own may be for (RFC 7672 section 3.2.2). */
static void add_references(struct dane_plan *plan, struct dane_endpoint *endpoint,
                           const struct validate_result *mx)
{
    plan_reference(plan, endpoint, DANE_REFERENCE_DNS, endpoint->base);
    if (endpoint->delegation != DANE_DELEGATION_SECURE)
        return;
    plan_reference(plan, endpoint, DANE_REFERENCE_DNS, plan->domain);
    const char *end = mx ? plan_host_text(plan, plan_end_of(mx)) : NULL;
    if (end)
        plan_reference(plan, endpoint, DANE_REFERENCE_DNS, end);
}

static void judge_host(struct dane_plan *plan, struct dane_endpoint *endpoint,
                       const struct validate_result *mx, const uint8_t *name)
{
    struct plan_host host = plan_look_at_host(plan, endpoint, name);
    switch (host.state) {
    case PLAN_HOST_PENDING:
    case PLAN_HOST_SKIP:
        break;
    case PLAN_HOST_NO_DANE:
        without_dane(plan, endpoint, host.why);
        break;
    case PLAN_HOST_UNUSABLE:
        if (plan->options.mandatory) {
            plan_skip(plan, endpoint,
                      "none of its TLSA records can be used, and DANE is mandatory");
            break;
        }
        endpoint->demand = DANE_DEMAND_TLS;
        endpoint->sni = endpoint->base;
        endpoint->reason = "it has TLSA records, none of which can be used: TLS without "
                           "authentication";
        break;
    case PLAN_HOST_DANE:
        endpoint->demand = DANE_DEMAND_DANE;
        endpoint->sni = endpoint->base;
        add_references(plan, endpoint, mx);
        endpoint->reason =
            plan_text(plan, "TLSA records of %s authenticate it%s", endpoint->base,
                      endpoint->delegation == DANE_DELEGATION_SECURE
                          ? ""
                          : ", but the MX is not secure: delivery to the domain is not "
                            "authenticated");
        break;
    }
}

/* `mx` is NULL for a host that the user names. */
static void add_host(struct dane_plan *plan, const struct validate_result *mx, const uint8_t *name,
                     uint16_t preference)
{
    uint16_t port = plan->options.port != 0 ? plan->options.port : plan->info->port;
    const char *host = plan_host_text(plan, name);
    char text[DNS_NAME_TEXT];
    struct dane_endpoint *endpoint =
        plan_endpoint(plan, host ? host : plan_text(plan, "%s", dns_name_text(text, name)), port);
    if (!endpoint)
        return;
    endpoint->priority = preference;
    endpoint->delegation =
        !mx || plan_secure(mx) ? DANE_DELEGATION_SECURE : DANE_DELEGATION_INSECURE;
    if (mx)
        plan_lean(plan, endpoint, mx);
    if (!host)
        plan_skip(plan, endpoint, "its name is not one that a host can have");
    else if (looks_like_address(plan, endpoint))
        without_dane(plan, endpoint, "the MX is an address");
    else
        judge_host(plan, endpoint, mx, name);
}

/* The word on the whole when the endpoints are known. */
static void conclude(struct dane_plan *plan)
{
    size_t usable = 0, dane = 0;
    for (size_t i = 0; i < plan->made.count; i++) {
        usable += plan->endpoints[i].demand != DANE_DEMAND_SKIP;
        dane += plan->endpoints[i].demand == DANE_DEMAND_DANE;
    }
    if (usable == 0)
        plan_conclude(plan, DANE_OUTCOME_DEFER,
                      plan_text(plan, "no host can be used now; the first one, %s: %s",
                                plan->made.count > 0 ? plan->endpoints[0].host : "-",
                                plan->made.count > 0 ? plan->endpoints[0].reason : ""));
    else
        plan_conclude(plan, DANE_OUTCOME_GO,
                      plan_text(plan, "%zu of %zu hosts can be used, %zu with DANE", usable,
                                plan->made.count, dane));
}

static void use_exchanges(struct dane_plan *plan, const struct validate_result *mx)
{
    struct exchange *list = NULL;
    bool null = false;
    size_t count = read_exchanges(plan, mx, &list, &null);
    if (null) {
        plan_conclude(plan, DANE_OUTCOME_NONE, "the domain takes no mail (null MX, RFC 7505)");
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_host(plan, mx, list[i].name, list[i].preference);
    if (plan->pending)
        return;
    plan_sts(plan);
    conclude(plan);
}

/* The user names a host and port: no MX, and no policy of a domain, but else as for any MX (RFC
 * 7672 section 2.2.3). */
static void named_host(struct dane_plan *plan)
{
    add_host(plan, NULL, plan->name, 0);
    if (!plan->pending)
        conclude(plan);
}

void plan_smtp(struct dane_plan *plan)
{
    if (plan->options.port != 0) {
        named_host(plan);
        return;
    }
    const struct validate_result *mx = plan_lookup(plan, plan->name, DNS_TYPE_MX);
    if (!mx)
        return;
    if (plan_error(mx)) {
        plan_conclude(
            plan, DANE_OUTCOME_DEFER,
            plan_text(plan, "the MX cannot be had: %s", mx->sentence ? mx->sentence : "error"));
        return;
    }
    plan_lean(plan, NULL, mx);
    if (plan->options.mandatory && !plan_secure(mx)) {
        plan_conclude(plan, DANE_OUTCOME_DEFER, "the MX is not secure, and DANE is mandatory");
        return;
    }
    switch (mx->kind) {
    case VALIDATE_ANSWER_DATA:
        use_exchanges(plan, mx);
        break;
    case VALIDATE_ANSWER_NODATA: /* the domain is its own host (RFC 5321 section 5.1) */
        add_host(plan, mx, plan->name, 0);
        if (!plan->pending) {
            plan_sts(plan);
            conclude(plan);
        }
        break;
    default:
        plan_conclude(plan, DANE_OUTCOME_UNKNOWN,
                      plan_text(plan, "the domain %s does not exist", plan->domain));
        break;
    }
}

/* --- MTA-STS --- */

/* Hosts that DANE says nothing of. An MX that is an address, too: a policy does not list it. */
static bool needs_sts(const struct dane_endpoint *endpoint)
{
    return endpoint->demand == DANE_DEMAND_NOTHING;
}

/* The id that the TXT records give. NULL: none (a policy from before may hold all the same). */
static const char *read_id(struct dane_plan *plan, const struct validate_result *txt,
                           char id[DANE_STS_ID_MAX + 1])
{
    size_t found = 0;
    if (plan_error(txt)) {
        plan->made.sts_problem = plan_text(plan, "the TXT record of _mta-sts cannot be had: %s",
                                           txt->sentence ? txt->sentence : "error");
        return NULL;
    }
    plan_lean(plan, NULL, txt);
    if (txt->kind != VALIDATE_ANSWER_DATA)
        return NULL;
    for (size_t i = 0; i < txt->answer[0].count; i++) {
        const struct validate_rdata *rdata = &txt->answer[0].rdata[i];
        char text[1024], one[DANE_STS_ID_MAX + 1];
        size_t length = 0;
        for (size_t at = 0; at < rdata->length;) {
            size_t part = rdata->data[at++];
            if (at + part > rdata->length || length + part > sizeof text)
                break;
            memcpy(text + length, rdata->data + at, part);
            length += part;
            at += part;
        }
        int status = dane_sts_id(text, length, one);
        if (status == BASE_ENOENT)
            continue;
        found++;
        if (status == BASE_OK)
            memcpy(id, one, sizeof one);
        else
            plan->made.sts_problem = "the TXT record of _mta-sts is malformed";
    }
    if (found > 1)
        plan->made.sts_problem = "there are several STSv1 records at _mta-sts, so none counts";
    return found == 1 && !plan->made.sts_problem ? id : NULL;
}

static void apply_policy(struct dane_plan *plan, const struct dane_sts *sts)
{
    for (size_t i = 0; i < plan->made.count; i++) {
        struct dane_endpoint *endpoint = &plan->endpoints[i];
        if (!needs_sts(endpoint))
            continue;
        bool covered = dane_sts_covers(sts, endpoint->host);
        endpoint->sts = true;
        endpoint->testing = sts->mode == DANE_STS_TESTING;
        if (covered)
            plan_reference(plan, endpoint, DANE_REFERENCE_DNS, endpoint->host);
        if (endpoint->testing) {
            endpoint->reason =
                plan_text(plan, "%s; the MTA-STS policy is in mode testing%s", endpoint->reason,
                          covered ? "" : " and does not list this host");
        } else if (!covered) {
            plan_skip(plan, endpoint, "the domain's MTA-STS policy does not list it");
        } else {
            endpoint->demand = DANE_DEMAND_PKIX;
            endpoint->reason = "the domain's MTA-STS policy demands a certificate for it";
        }
    }
}

void plan_sts(struct dane_plan *plan)
{
    bool wanted = false;
    for (size_t i = 0; i < plan->made.count; i++)
        wanted |= needs_sts(&plan->endpoints[i]);
    if (!wanted || plan->options.no_sts)
        return;
    const struct validate_result *txt =
        plan_lookup_below(plan, "_mta-sts", plan->name, DNS_TYPE_TXT);
    if (!txt)
        return;
    char id[DANE_STS_ID_MAX + 1];
    const char *known = read_id(plan, txt, id);
    const struct plan_item *policy = plan_policy(plan, known);
    if (!policy)
        return;
    if (known)
        plan->made.sts_id = plan_text(plan, "%s", known);
    struct dane_sts sts;
    char why[200];
    if (!policy->text) {
        if (known || policy->why[0] != '\0')
            plan->made.sts_problem = plan_text(plan, "%s", policy->why);
        return;
    }
    if (dane_sts_parse(policy->text, policy->length, &sts, why) != BASE_OK) {
        plan->made.sts_problem = plan_text(plan, "%s", why);
        return;
    }
    plan->made.sts_mode = sts.mode == DANE_STS_ENFORCE   ? "enforce"
                          : sts.mode == DANE_STS_TESTING ? "testing"
                                                         : "none";
    if (sts.mode != DANE_STS_NONE)
        apply_policy(plan, &sts);
    dane_sts_free(&sts);
}
