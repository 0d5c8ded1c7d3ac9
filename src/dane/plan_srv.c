/*
 * Services found by SRV (RFC 7673, XMPP: RFC 7712 and XEP-0368), and hosts that are named outright.
 */
#include "dane/plan_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- what is demanded of one host --- */

static bool is_xmpp(const struct dane_plan *plan)
{
    return plan->service == DANE_XMPP_CLIENT || plan->service == DANE_XMPP_SERVER;
}

/* Names that stand for the domain itself, which a certificate may always have. */
static void add_domain(struct dane_plan *plan, struct dane_endpoint *endpoint)
{
    plan_reference(plan, endpoint, DANE_REFERENCE_DNS, plan->domain);
    if (!plan->info->srv)
        return;
    size_t service = strcspn(plan->info->srv, ".");
    plan_reference(plan, endpoint, DANE_REFERENCE_SRV,
                   plan_text(plan, "%.*s.%s", (int)service, plan->info->srv, plan->domain));
    if (is_xmpp(plan))
        plan_reference(plan, endpoint, DANE_REFERENCE_XMPP, plan->domain);
}

static void demand_pkix(struct dane_plan *plan, struct dane_endpoint *endpoint, const char *why)
{
    if (plan->options.mandatory) {
        plan_skip(plan, endpoint, plan_text(plan, "%s, and DANE is mandatory", why));
        return;
    }
    endpoint->demand = DANE_DEMAND_PKIX;
    endpoint->sni = plan->domain;
    bool posh = plan->options.port == 0 &&
                (plan->service == DANE_XMPP_CLIENT || plan->service == DANE_XMPP_SERVER);
    endpoint->reason =
        plan_text(plan, "%s: a CA%s must vouch for %s", why, posh ? ", or a POSH document," : "",
                  endpoint->reference_count > 1 ? "one of its names" : plan->domain);
}

/* The rules for a target that a secure statement leads to (the SRV, or the user). */
static void judge_target(struct dane_plan *plan, struct dane_endpoint *endpoint,
                         const uint8_t *name)
{
    struct plan_host host = plan_look_at_host(plan, endpoint, name);
    if (host.state == PLAN_HOST_PENDING || host.state == PLAN_HOST_SKIP)
        return;
    add_domain(plan, endpoint);
    plan_reference(plan, endpoint, DANE_REFERENCE_DNS, endpoint->host);
    if (host.state == PLAN_HOST_DANE) {
        plan_reference(plan, endpoint, DANE_REFERENCE_DNS, endpoint->base);
        endpoint->demand = DANE_DEMAND_DANE;
        endpoint->sni = endpoint->base;
        endpoint->reason = plan_text(plan, "TLSA records of %s authenticate it", endpoint->base);
    } else {
        demand_pkix(plan, endpoint,
                    host.state == PLAN_HOST_UNUSABLE ? "none of its TLSA records can be used"
                                                     : host.why);
    }
}

/* One that an insecure SRV leads to: only the domain's own name counts, TLSA do not. */
static void judge_insecure(struct dane_plan *plan, struct dane_endpoint *endpoint,
                           const uint8_t *name)
{
    if (plan_addresses(plan, endpoint, name) != PLAN_HOST_NO_DANE)
        return;
    add_domain(plan, endpoint);
    demand_pkix(plan, endpoint, "the SRV is not secure");
}

/* --- the targets --- */

struct target {
    uint16_t priority, weight, port;
    const uint8_t *name;
    bool direct;
    const struct validate_result *from;
};

struct targets {
    struct target list[2 * PLAN_HOSTS_MAX];
    size_t count;
    bool denied[2]; /* "." : the domain says that there is no such service; by `direct` */
};

static int by_priority(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    return x->priority < y->priority ? -1 : x->priority > y->priority;
}

static void read_targets(struct targets *targets, const struct validate_result *srv, bool direct)
{
    if (srv->kind != VALIDATE_ANSWER_DATA)
        return;
    const struct validate_records *set = &srv->answer[0];
    size_t taken = 0;
    for (size_t i = 0; i < set->count && taken < PLAN_HOSTS_MAX; i++) {
        const uint8_t *data = set->rdata[i].data;
        if (set->rdata[i].length < 7)
            continue;
        if (data[6] == 0) {
            targets->denied[direct] |= set->count == 1;
            continue;
        }
        targets->list[targets->count++] = (struct target){
            .priority = (uint16_t)(data[0] << 8 | data[1]),
            .weight = (uint16_t)(data[2] << 8 | data[3]),
            .port = (uint16_t)(data[4] << 8 | data[5]),
            .name = data + 6,
            .direct = direct,
            .from = srv,
        };
        taken++;
    }
}

/* Orders those of one priority by chance and weight (RFC 2782), the same for the same seed. */
static void shuffle(struct target *list, size_t count, uint32_t *random)
{
    for (size_t i = 0; i + 1 < count; i++) {
        uint32_t sum = 0;
        for (size_t k = i; k < count; k++)
            sum += list[k].weight;
        *random = *random * 1664525u + 1013904223u;
        uint32_t point = (uint32_t)(((uint64_t)*random * (sum + 1)) >> 32);
        size_t chosen = i;
        for (uint32_t run = list[i].weight; run < point && chosen + 1 < count;)
            run += list[++chosen].weight;
        struct target target = list[chosen];
        memmove(&list[i + 1], &list[i], (chosen - i) * sizeof *list);
        list[i] = target;
    }
}

static void order(struct targets *targets, uint32_t random)
{
    qsort(targets->list, targets->count, sizeof targets->list[0], by_priority);
    for (size_t from = 0, to; from < targets->count; from = to) {
        for (to = from + 1;
             to < targets->count && targets->list[to].priority == targets->list[from].priority;)
            to++;
        shuffle(&targets->list[from], to - from, &random);
    }
}

static void add_target(struct dane_plan *plan, const struct target *target)
{
    const char *host = plan_host_text(plan, target->name);
    char text[DNS_NAME_TEXT];
    struct dane_endpoint *endpoint = plan_endpoint(
        plan, host ? host : plan_text(plan, "%s", dns_name_text(text, target->name)), target->port);
    if (!endpoint)
        return;
    endpoint->priority = target->priority;
    endpoint->weight = target->weight;
    if (target->direct)
        endpoint->start = DANE_START_TLS_AT_ONCE;
    bool secure = plan_secure(target->from);
    endpoint->delegation = secure ? DANE_DELEGATION_SECURE : DANE_DELEGATION_INSECURE;
    plan_lean(plan, endpoint, target->from);
    if (!host)
        plan_skip(plan, endpoint, "its name is not one that a host can have");
    else if (target->port == 0)
        plan_skip(plan, endpoint, "the SRV gives it port 0");
    else if (secure)
        judge_target(plan, endpoint, target->name);
    else
        judge_insecure(plan, endpoint, target->name);
    /* Nothing before TLS says which of its domains a server is asked for: XEP-0368 section 3. */
    if (target->direct && is_xmpp(plan))
        endpoint->sni = plan->domain;
}

static void conclude(struct dane_plan *plan)
{
    size_t usable = 0;
    for (size_t i = 0; i < plan->made.count; i++)
        usable += plan->endpoints[i].demand != DANE_DEMAND_SKIP;
    if (usable > 0)
        plan_conclude(
            plan, DANE_OUTCOME_GO,
            plan_text(plan, "%zu of %zu endpoints can be used", usable, plan->made.count));
    else
        plan_conclude(plan, DANE_OUTCOME_DEFER,
                      plan_text(plan, "no endpoint can be used now; the first one, %s: %s",
                                plan->made.count > 0 ? plan->endpoints[0].host : "-",
                                plan->made.count > 0 ? plan->endpoints[0].reason : ""));
}

/* The domain itself at the service's own port: it has no SRV, or the user named it. */
static void add_domain_host(struct dane_plan *plan, uint16_t port, enum dane_start start,
                            bool secure)
{
    struct dane_endpoint *endpoint = plan_endpoint(plan, plan->domain, port);
    if (!endpoint)
        return;
    endpoint->start = start;
    endpoint->delegation = secure ? DANE_DELEGATION_SECURE : DANE_DELEGATION_INSECURE;
    judge_target(plan, endpoint, plan->name);
}

void plan_direct(struct dane_plan *plan)
{
    add_domain_host(plan, plan->options.port != 0 ? plan->options.port : plan->info->port,
                    plan->info->start, true);
    if (!plan->pending)
        conclude(plan);
}

static bool read_one(struct dane_plan *plan, struct targets *targets, const char *prefix,
                     bool direct)
{
    if (!prefix)
        return true;
    const struct validate_result *srv = plan_lookup_below(plan, prefix, plan->name, DNS_TYPE_SRV);
    if (!srv)
        return true;
    if (plan_error(srv)) {
        /* The domain may have said where its service is; going to the domain itself instead is what
         * an attacker who drops packets would want. */
        plan_conclude(plan, DANE_OUTCOME_DEFER,
                      plan_text(plan, "the SRV records at %s cannot be had: %s", prefix,
                                srv->sentence ? srv->sentence : "error"));
        return false;
    }
    plan_lean(plan, NULL, srv);
    read_targets(targets, srv, direct);
    return true;
}

/* Were both absences proved? Then TLSA of the domain itself authenticate the domain. */
static bool absent_securely(struct dane_plan *plan)
{
    const char *const prefixes[] = {plan->info->srv, plan->info->srv_direct};
    for (size_t i = 0; i < 2; i++) {
        const struct validate_result *srv =
            prefixes[i] ? plan_lookup_below(plan, prefixes[i], plan->name, DNS_TYPE_SRV) : NULL;
        if (prefixes[i] && (!srv || !plan_secure(srv)))
            return false;
    }
    return true;
}

void plan_srv(struct dane_plan *plan)
{
    struct targets *targets = base_arena_zalloc(&plan->arena, sizeof *targets);
    if (!targets) {
        plan->error = BASE_ENOMEM;
        return;
    }
    /* Both are asked for at once. */
    bool good = read_one(plan, targets, plan->info->srv_direct, true);
    if (!read_one(plan, targets, plan->info->srv, false) || !good) {
        plan->pending = false;
        return;
    }
    if (plan->pending)
        return;
    if (targets->count > 0) {
        order(targets, plan->options.random);
        for (size_t i = 0; i < targets->count; i++)
            add_target(plan, &targets->list[i]);
    } else if (targets->denied[false]) {
        /* "." for TLS from the start alone leaves the other way as it is (XEP-0368). */
        plan_conclude(plan, DANE_OUTCOME_NONE,
                      plan_text(plan, "the domain says that it has no such service (SRV \".\")"));
        return;
    } else if (plan->info->port == 0) {
        plan_conclude(plan, DANE_OUTCOME_NONE,
                      plan_text(plan,
                                "there is no SRV record at %s, and nothing else says where the "
                                "service is",
                                plan->info->srv));
        return;
    } else {
        add_domain_host(plan, plan->info->port, plan->info->start, absent_securely(plan));
    }
    if (!plan->pending)
        conclude(plan);
}
