/*
 * Plans for sessions that were seen: see tlsrpt_plans.h.
 */
#include "auth/tlsrpt_plans.h"

#include "base/error.h"
#include "dane/keyed.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct known {
    struct keyed_link link;
    struct auth_tlsrpt_plans *owner;
    char domain[DANE_DOMAIN_MAX];
    struct auth_run *run;   /* being made */
    struct dane_plan *plan; /* NULL: it could not be made */
    struct dane_sts sts;
    bool has_sts;
    base_time until;
};
struct auth_tlsrpt_plans {
    struct resolve_context *context;
    struct auth_tlsrpt_plans_options options;
    struct auth_web web;
    struct keyed_table table;
    unsigned running;
    int error;
};

int auth_tlsrpt_plans_new(struct resolve_context *context,
                          const struct auth_tlsrpt_plans_options *options,
                          struct auth_tlsrpt_plans **out)
{
    struct auth_tlsrpt_plans *plans = calloc(1, sizeof *plans);
    if (!plans)
        return BASE_ENOMEM;
    plans->context = context;
    plans->options = *options;
    plans->web = (struct auth_web){.resolve = context, .ca_file = options->sts_ca};
    keyed_init(&plans->table);
    *out = plans;
    return BASE_OK;
}

static void forget(struct known *known)
{
    auth_run_cancel(known->run);
    dane_plan_free(known->plan);
    if (known->has_sts)
        dane_sts_free(&known->sts);
    free(known);
}

static void forget_link(void *context, struct keyed_link *link)
{
    struct auth_tlsrpt_plans *plans = context;
    keyed_remove(&plans->table, link);
    forget((struct known *)link);
}

void auth_tlsrpt_plans_free(struct auth_tlsrpt_plans *plans)
{
    if (!plans)
        return;
    keyed_each(&plans->table, forget_link, plans);
    keyed_free(&plans->table);
    free(plans);
}

/* --- making them --- */

/* The policy as it is fetched, kept for its lines in the report. */
static void fetch(void *context, const struct auth_fetch *wish, struct auth_ticket *ticket)
{
    struct known *known = context;
    struct auth_fetch how = *wish;
    char why[200] = "", *text = NULL;
    size_t length = 0;
    how.ca_file = known->owner->web.ca_file;
    if (auth_fetch(&how, &text, &length, why) == BASE_OK && !known->has_sts)
        known->has_sts = dane_sts_parse(text, length, &known->sts, why) == BASE_OK;
    auth_fetched(ticket, text, length, why);
    free(text);
}

static void made(void *context, int error, struct dane_plan *plan)
{
    struct known *known = context;
    struct resolve_context *resolver = known->owner->context;
    known->run = NULL;
    known->plan = plan;
    known->owner->running--;
    uint32_t ttl = plan ? dane_plan_result(plan)->ttl : 0;
    known->until = resolve_now(resolver) + (ttl > AUTH_TLSRPT_KEEP         ? AUTH_TLSRPT_KEEP
                                            : ttl < AUTH_TLSRPT_KEEP_LEAST ? AUTH_TLSRPT_KEEP_LEAST
                                                                           : ttl);
    if (error == BASE_ENOMEM)
        known->owner->error = error;
}

static int turn(struct auth_tlsrpt_plans *plans)
{
    struct pollfd wait = {.fd = resolve_fd(plans->context), .events = POLLIN};
    poll(&wait, 1, resolve_timeout_ms(plans->context));
    resolve_process(plans->context);
    return plans->error;
}

static int begin(struct auth_tlsrpt_plans *plans, struct known *known)
{
    struct dane_plan_options options = {.no_address = true, .no_sts = plans->options.no_sts};
    struct auth_documents documents = {fetch, known, &plans->web};
    plans->running++;
    int status = auth_run_start(plans->context, DANE_SMTP, known->domain, &options, &documents,
                                made, known, &known->run);
    if (known->plan)
        known->run = NULL; /* it was made at once */
    if (status != BASE_OK)
        plans->running--;
    return status;
}

int auth_tlsrpt_plans_wait(struct auth_tlsrpt_plans *plans)
{
    int status = BASE_OK;
    while (status == BASE_OK && plans->running > 0)
        status = turn(plans);
    return status;
}

/* What is kept may be in use by nobody now. */
static int make_room(struct auth_tlsrpt_plans *plans)
{
    int status = auth_tlsrpt_plans_wait(plans);
    if (status == BASE_OK)
        keyed_each(&plans->table, forget_link, plans);
    return status;
}

int auth_tlsrpt_plans_want(struct auth_tlsrpt_plans *plans, const char *domain)
{
    char name[DANE_DOMAIN_MAX];
    int status = dane_domain_to_ascii(domain, name);
    if (status != BASE_OK)
        return BASE_EFORMAT;
    struct known *known = (struct known *)keyed_find(&plans->table, name);
    if (known && (known->run || resolve_now(plans->context) < known->until))
        return BASE_OK;
    if (known)
        forget_link(plans, &known->link);
    if (plans->table.count >= AUTH_TLSRPT_PLANS_MAX)
        status = make_room(plans);
    while (status == BASE_OK && plans->running >= AUTH_TLSRPT_AT_ONCE)
        status = turn(plans);
    if (status != BASE_OK)
        return status;
    known = calloc(1, sizeof *known);
    if (!known)
        return BASE_ENOMEM;
    known->owner = plans;
    memcpy(known->domain, name, sizeof name);
    known->link.key = known->domain;
    status = keyed_add(&plans->table, &known->link);
    if (status != BASE_OK) {
        free(known);
        return status;
    }
    status = begin(plans, known);
    if (status != BASE_OK)
        forget_link(plans, &known->link);
    return status == BASE_ENOMEM ? status : BASE_OK;
}

/* --- judging --- */

static const struct dane_endpoint *find_host(const struct dane_plan_result *plan, const char *host)
{
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '.')
        length--;
    for (size_t i = 0; i < plan->count; i++) {
        const char *name = plan->endpoints[i].host;
        if (name && strncasecmp(name, host, length) == 0 && name[length] == '\0')
            return &plan->endpoints[i];
    }
    return NULL;
}

/* What Postfix did is not what the plan demands: it applied no policy. */
static void without_policy(struct dane_tlsrpt_session *session)
{
    session->policy = DANE_TLSRPT_NONE;
    session->policy_strings = session->mx_patterns = NULL;
    session->policy_string_count = session->mx_pattern_count = 0;
}

static void judge_tls(const struct dane_endpoint *endpoint, const struct dane_tlsrpt_seen *seen,
                      struct dane_tlsrpt_session *session)
{
    bool demanded = endpoint->demand == DANE_DEMAND_DANE ||
                    (endpoint->demand == DANE_DEMAND_PKIX && !endpoint->testing);
    session->type = DANE_TLSRPT_SUCCESS;
    session->reason = NULL;
    if (seen->refused) {
        session->type =
            seen->type == DANE_TLSRPT_SUCCESS ? DANE_TLSRPT_VALIDATION_FAILURE : seen->type;
        session->reason = seen->reason;
    } else if (endpoint->testing && endpoint->reference_count == 0) {
        session->type = DANE_TLSRPT_VALIDATION_FAILURE;
        session->reason = "the policy does not list this host";
    } else if (endpoint->testing && seen->trust < DANE_TLSRPT_TRUSTED) {
        session->type = DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED;
        session->reason = "no authority that is trusted certifies the server";
    } else if (demanded && seen->trust < DANE_TLSRPT_TRUSTED) {
        without_policy(session);
    }
}

int auth_tlsrpt_plans_session(struct auth_tlsrpt_plans *plans, const struct dane_tlsrpt_seen *seen,
                              struct base_arena *arena, struct dane_tlsrpt_session *out)
{
    char name[DANE_DOMAIN_MAX];
    struct dane_tlsrpt_session session;
    if (dane_domain_to_ascii(seen->domain, name) != BASE_OK)
        return BASE_ENOENT;
    struct known *known = (struct known *)keyed_find(&plans->table, name);
    const struct dane_plan_result *plan =
        known && known->plan ? dane_plan_result(known->plan) : NULL;
    const struct dane_endpoint *endpoint = plan ? find_host(plan, seen->host) : NULL;
    if (!endpoint ||
        (seen->kind == DANE_TLSRPT_SEEN_LOOKUP && endpoint->demand != DANE_DEMAND_SKIP))
        return BASE_ENOENT;
    int status = dane_tlsrpt_session_of(plan, endpoint, NULL, false,
                                        known->has_sts ? &known->sts : NULL, arena, &session);
    if (status != BASE_OK)
        return status;
    session.time = seen->time;
    session.receiving_ip = seen->address;
    if (seen->kind == DANE_TLSRPT_SEEN_TLS) {
        judge_tls(endpoint, seen, &session);
    } else if (seen->kind == DANE_TLSRPT_SEEN_PLAIN) {
        session.type = DANE_TLSRPT_STARTTLS_NOT_SUPPORTED;
        session.reason = seen->reason;
        if (!seen->refused && endpoint->demand != DANE_DEMAND_NOTHING && !endpoint->testing)
            without_policy(&session);
    }
    *out = session;
    return BASE_OK;
}
