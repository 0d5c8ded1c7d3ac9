/*
 * Sessions counted by domain, policy and failure, and the report made of them.
 */
#include "dane/tlsrpt.h"

#include "base/error.h"
#include "base/json.h"
#include "dane/keyed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of sessions come from servers: each is cut to this. */
#define TEXT_MAX        512
#define STRINGS_MAX     300 /* of one policy */
#define DOMAIN_OCTETS   (1024 * 1024)
#define DAY_TEXT_LENGTH 20

struct texts {
    char **items;
    size_t count;
};

struct detail {
    struct detail *next;
    enum dane_tlsrpt_type type;
    const char *sending_ip, *mx, *helo, *receiving_ip, *reason;
    uint64_t count;
};

struct policy {
    struct policy *next;
    enum dane_tlsrpt_policy type;
    struct texts strings, patterns;
    uint64_t successes, failures;
    struct detail *details, **last;
    size_t detail_count;
};

struct domain {
    struct keyed_link link;
    char name[DANE_DOMAIN_MAX];
    struct base_arena arena; /* all below */
    struct policy *policies, **last;
    size_t policy_count;
};

struct dane_tlsrpt {
    base_time from, until;
    struct keyed_table table;
    struct domain **sorted; /* NULL: to be made anew */
};

/* --- names --- */

static const char *const policy_names[] = {"tlsa", "sts", "no-policy-found"};
static const char *const type_names[DANE_TLSRPT_TYPES] = {
    [DANE_TLSRPT_SUCCESS] = "success",
    [DANE_TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [DANE_TLSRPT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [DANE_TLSRPT_CERTIFICATE_EXPIRED] = "certificate-expired",
    [DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [DANE_TLSRPT_VALIDATION_FAILURE] = "validation-failure",
    [DANE_TLSRPT_TLSA_INVALID] = "tlsa-invalid",
    [DANE_TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
    [DANE_TLSRPT_DANE_REQUIRED] = "dane-required",
    [DANE_TLSRPT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
    [DANE_TLSRPT_STS_POLICY_INVALID] = "sts-policy-invalid",
    [DANE_TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

const char *dane_tlsrpt_policy_name(enum dane_tlsrpt_policy policy)
{
    return policy_names[policy];
}

const char *dane_tlsrpt_type_name(enum dane_tlsrpt_type type)
{
    return type_names[type];
}

int dane_tlsrpt_policy_by_name(const char *name, enum dane_tlsrpt_policy *out)
{
    for (unsigned i = 0; i < sizeof policy_names / sizeof policy_names[0]; i++) {
        if (strcmp(policy_names[i], name) == 0) {
            *out = (enum dane_tlsrpt_policy)i;
            return BASE_OK;
        }
    }
    return BASE_ENOENT;
}

int dane_tlsrpt_type_by_name(const char *name, enum dane_tlsrpt_type *out)
{
    for (unsigned i = 0; i < DANE_TLSRPT_TYPES; i++) {
        if (strcmp(type_names[i], name) == 0) {
            *out = (enum dane_tlsrpt_type)i;
            return BASE_OK;
        }
    }
    return BASE_ENOENT;
}

/* --- counting --- */

int dane_tlsrpt_new(base_time from, base_time until, struct dane_tlsrpt **out)
{
    struct dane_tlsrpt *report = calloc(1, sizeof *report);
    if (!report)
        return BASE_ENOMEM;
    report->from = from;
    report->until = until;
    keyed_init(&report->table);
    *out = report;
    return BASE_OK;
}

static void free_domain(void *context, struct keyed_link *link)
{
    struct domain *domain = (struct domain *)link;
    base_arena_free(&domain->arena);
    free(domain);
}

void dane_tlsrpt_free(struct dane_tlsrpt *report)
{
    if (!report)
        return;
    keyed_each(&report->table, free_domain, NULL);
    keyed_free(&report->table);
    free(report->sorted);
    free(report);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strncmp(a, b, TEXT_MAX) == 0);
}

static bool same_texts(const struct texts *texts, const char *const *items, size_t count)
{
    if (count > STRINGS_MAX)
        count = STRINGS_MAX;
    if (texts->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same(texts->items[i], items[i]))
            return false;
    }
    return true;
}

static const char *copy(struct base_arena *arena, const char *text, int *error)
{
    if (!text)
        return NULL;
    const char *made = base_arena_strndup(arena, text, strnlen(text, TEXT_MAX));
    if (!made)
        *error = BASE_ENOMEM;
    return made;
}

static void copy_texts(struct base_arena *arena, struct texts *texts, const char *const *items,
                       size_t count, int *error)
{
    texts->count = count > STRINGS_MAX ? STRINGS_MAX : count;
    texts->items = base_arena_alloc(arena, texts->count * sizeof *texts->items);
    if (!texts->items) {
        *error = BASE_ENOMEM;
        return;
    }
    for (size_t i = 0; i < texts->count; i++)
        texts->items[i] = (char *)copy(arena, items[i], error);
}

static int find_domain(struct dane_tlsrpt *report, const char *text, struct domain **out)
{
    char name[DANE_DOMAIN_MAX];
    if (!text || dane_domain_to_ascii(text, name) != BASE_OK)
        return BASE_EFORMAT;
    struct domain *domain = (struct domain *)keyed_find(&report->table, name);
    if (domain) {
        *out = domain;
        return BASE_OK;
    }
    if (report->table.count == DANE_TLSRPT_DOMAINS_MAX)
        return BASE_ELIMIT;
    domain = calloc(1, sizeof *domain);
    if (!domain)
        return BASE_ENOMEM;
    memcpy(domain->name, name, sizeof name);
    domain->link.key = domain->name;
    domain->last = &domain->policies;
    base_arena_init(&domain->arena, DOMAIN_OCTETS);
    if (keyed_add(&report->table, &domain->link) != BASE_OK) {
        free(domain);
        return BASE_ENOMEM;
    }
    free(report->sorted);
    report->sorted = NULL;
    *out = domain;
    return BASE_OK;
}

static int find_policy(struct domain *domain, const struct dane_tlsrpt_session *session,
                       struct policy **out)
{
    int error = BASE_OK;
    for (struct policy *policy = domain->policies; policy; policy = policy->next) {
        if (policy->type == session->policy &&
            same_texts(&policy->strings, session->policy_strings, session->policy_string_count) &&
            same_texts(&policy->patterns, session->mx_patterns, session->mx_pattern_count)) {
            *out = policy;
            return BASE_OK;
        }
    }
    if (domain->policy_count == DANE_TLSRPT_POLICIES_MAX)
        return BASE_ELIMIT;
    struct policy *policy = base_arena_zalloc(&domain->arena, sizeof *policy);
    if (!policy)
        return BASE_ENOMEM;
    policy->type = session->policy;
    policy->last = &policy->details;
    copy_texts(&domain->arena, &policy->strings, session->policy_strings,
               session->policy_string_count, &error);
    copy_texts(&domain->arena, &policy->patterns, session->mx_patterns, session->mx_pattern_count,
               &error);
    if (error != BASE_OK)
        return error;
    *domain->last = policy;
    domain->last = &policy->next;
    domain->policy_count++;
    *out = policy;
    return BASE_OK;
}

/* Beyond the budget a failure has no details, but is counted. */
static void add_detail(struct domain *domain, struct policy *policy,
                       const struct dane_tlsrpt_session *session, uint64_t count)
{
    int error = BASE_OK;
    for (struct detail *detail = policy->details; detail; detail = detail->next) {
        if (detail->type == session->type && same(detail->sending_ip, session->sending_ip) &&
            same(detail->mx, session->mx) && same(detail->helo, session->helo) &&
            same(detail->receiving_ip, session->receiving_ip) &&
            same(detail->reason, session->reason)) {
            detail->count += count;
            return;
        }
    }
    if (policy->detail_count == DANE_TLSRPT_DETAILS_MAX)
        return;
    struct base_arena *arena = &domain->arena;
    struct detail *detail = base_arena_zalloc(arena, sizeof *detail);
    if (!detail)
        return;
    detail->type = session->type;
    detail->count = count;
    detail->sending_ip = copy(arena, session->sending_ip, &error);
    detail->mx = copy(arena, session->mx, &error);
    detail->helo = copy(arena, session->helo, &error);
    detail->receiving_ip = copy(arena, session->receiving_ip, &error);
    detail->reason = copy(arena, session->reason, &error);
    if (error != BASE_OK)
        return;
    *policy->last = detail;
    policy->last = &detail->next;
    policy->detail_count++;
}

int dane_tlsrpt_add(struct dane_tlsrpt *report, const struct dane_tlsrpt_session *session)
{
    struct domain *domain;
    struct policy *policy;
    uint64_t count = session->count > 0 ? session->count : 1;
    if (session->time < report->from || session->time >= report->until)
        return BASE_ERANGE;
    int status = find_domain(report, session->domain, &domain);
    if (status == BASE_OK)
        status = find_policy(domain, session, &policy);
    if (status != BASE_OK)
        return status;
    if (session->type == DANE_TLSRPT_SUCCESS) {
        policy->successes += count;
        return BASE_OK;
    }
    policy->failures += count;
    add_detail(domain, policy, session, count);
    return BASE_OK;
}

/* --- from plans and verdicts --- */

static enum dane_tlsrpt_type type_of(const struct dane_endpoint *endpoint,
                                     const struct dane_verdict *verdict, bool tls)
{
    enum dane_tlsrpt_type type;
    if (endpoint->demand == DANE_DEMAND_SKIP)
        return endpoint->error ? DANE_TLSRPT_DNSSEC_INVALID : DANE_TLSRPT_VALIDATION_FAILURE;
    if (!tls)
        return DANE_TLSRPT_STARTTLS_NOT_SUPPORTED;
    if (!verdict)
        return DANE_TLSRPT_VALIDATION_FAILURE;
    if (verdict->result != DANE_REFUSED && verdict->result != DANE_FAILED)
        return DANE_TLSRPT_SUCCESS;
    return dane_tlsrpt_type_by_name(verdict->tlsrpt, &type) == BASE_OK
               ? type
               : DANE_TLSRPT_VALIDATION_FAILURE;
}

static const char **text_list(struct base_arena *arena, size_t count)
{
    return base_arena_alloc(arena, count * sizeof(const char *));
}

/* "3 1 1 0B9F…", whole, as section 4.4 wants it. */
static const char *tlsa_text(struct base_arena *arena, const struct dane_tlsa *tlsa)
{
    size_t length = tlsa->length < TEXT_MAX / 2 - 16 ? tlsa->length : TEXT_MAX / 2 - 16;
    char text[TEXT_MAX + 1];
    int used =
        snprintf(text, sizeof text, "%u %u %u ", tlsa->usage, tlsa->selector, tlsa->matching);
    for (size_t i = 0; i < length; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%02x", tlsa->data[i]);
    return base_arena_strndup(arena, text, (size_t)used);
}

static int tlsa_policy(const struct dane_endpoint *endpoint, struct base_arena *arena,
                       struct dane_tlsrpt_session *out)
{
    const char **strings = text_list(arena, endpoint->tlsa_count), **host = text_list(arena, 1);
    if (!strings || !host)
        return BASE_ENOMEM;
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        if (!(strings[i] = tlsa_text(arena, &endpoint->tlsa[i])))
            return BASE_ENOMEM;
    }
    host[0] = endpoint->host;
    out->policy = DANE_TLSRPT_TLSA;
    out->policy_strings = strings;
    out->policy_string_count = endpoint->tlsa_count;
    out->mx_patterns = host;
    out->mx_pattern_count = 1;
    return BASE_OK;
}

static int sts_policy(const struct dane_sts *sts, struct base_arena *arena,
                      struct dane_tlsrpt_session *out)
{
    out->policy = DANE_TLSRPT_STS;
    if (!sts)
        return BASE_OK;
    static const char *const modes[] = {"none", "testing", "enforce"};
    const char **strings = text_list(arena, sts->mx_count + 3);
    if (!strings)
        return BASE_ENOMEM;
    size_t count = 0;
    strings[count++] = "version: STSv1";
    strings[count++] = base_arena_printf(arena, "mode: %s", modes[sts->mode]);
    for (size_t i = 0; i < sts->mx_count; i++)
        strings[count++] = base_arena_printf(arena, "mx: %s", sts->mx[i]);
    strings[count++] = base_arena_printf(arena, "max_age: %u", sts->max_age);
    for (size_t i = 0; i < count; i++) {
        if (!strings[i])
            return BASE_ENOMEM;
    }
    out->policy_strings = strings;
    out->policy_string_count = count;
    out->mx_patterns = (const char *const *)sts->mx;
    out->mx_pattern_count = sts->mx_count;
    return BASE_OK;
}

int dane_tlsrpt_session_of(const struct dane_plan_result *plan,
                           const struct dane_endpoint *endpoint, const struct dane_verdict *verdict,
                           bool tls, const struct dane_sts *sts, struct base_arena *text,
                           struct dane_tlsrpt_session *out)
{
    struct dane_tlsrpt_session session = {
        .domain = plan->domain,
        .policy = DANE_TLSRPT_NONE,
        .type = type_of(endpoint, verdict, tls),
        .mx = endpoint->host,
        .count = 1,
    };
    if (session.type != DANE_TLSRPT_SUCCESS)
        session.reason = verdict && tls ? verdict->reason : endpoint->reason;
    int status = BASE_OK;
    /* A host that must be skipped for an error of DNSSEC would have had TLSA, for all we know. */
    if (endpoint->tlsa_count > 0 || session.type == DANE_TLSRPT_DNSSEC_INVALID)
        status = tlsa_policy(endpoint, text, &session);
    else if (endpoint->sts || (endpoint->demand == DANE_DEMAND_SKIP && plan->sts_mode))
        status = sts_policy(sts, text, &session);
    if (status == BASE_OK)
        *out = session;
    return status;
}

/* --- the document --- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct domain *const *)a)->name, (*(struct domain *const *)b)->name);
}

struct gathering {
    struct domain **list;
    size_t count;
};

static void gather(void *context, struct keyed_link *link)
{
    struct gathering *gathering = context;
    gathering->list[gathering->count++] = (struct domain *)link;
}

const char *dane_tlsrpt_domain(struct dane_tlsrpt *report, size_t index)
{
    if (index >= report->table.count)
        return NULL;
    if (!report->sorted) {
        struct gathering gathering = {malloc(report->table.count * sizeof(struct domain *)), 0};
        if (!gathering.list)
            return NULL;
        keyed_each(&report->table, gather, &gathering);
        qsort(gathering.list, gathering.count, sizeof *gathering.list, by_name);
        report->sorted = gathering.list;
    }
    return report->sorted[index]->name;
}

/* ,"name":"text" */
static void member(struct base_buf *out, const char *name, const char *text)
{
    if (!text || text[0] == '\0')
        return;
    base_buf_printf(out, ",\"%s\":", name);
    base_json_text(out, text);
}

static void list(struct base_buf *out, const char *name, const struct texts *texts)
{
    if (texts->count == 0)
        return;
    base_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < texts->count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        base_json_text(out, texts->items[i]);
    }
    base_buf_text(out, "]");
}

static void write_policy(const struct domain *domain, const struct policy *policy,
                         struct base_buf *out)
{
    base_buf_printf(out, "{\"policy\":{\"policy-type\":\"%s\"", policy_names[policy->type]);
    list(out, "policy-string", &policy->strings);
    member(out, "policy-domain", domain->name);
    list(out, "mx-host", &policy->patterns);
    base_buf_printf(out,
                    "},\"summary\":{\"total-successful-session-count\":%" PRIu64
                    ",\"total-failure-session-count\":%" PRIu64 "}",
                    policy->successes, policy->failures);
    if (policy->details)
        base_buf_text(out, ",\"failure-details\":[");
    for (const struct detail *detail = policy->details; detail; detail = detail->next) {
        base_buf_printf(out, "%s{\"result-type\":\"%s\"", detail == policy->details ? "" : ",",
                        type_names[detail->type]);
        member(out, "sending-mta-ip", detail->sending_ip);
        member(out, "receiving-mx-hostname", detail->mx);
        member(out, "receiving-mx-helo", detail->helo);
        member(out, "receiving-ip", detail->receiving_ip);
        base_buf_printf(out, ",\"failed-session-count\":%" PRIu64, detail->count);
        member(out, "failure-reason-code", detail->reason);
        base_buf_text(out, "}");
    }
    base_buf_text(out, policy->details ? "]}" : "}");
}

int dane_tlsrpt_document(struct dane_tlsrpt *report, const char *domain,
                         const struct dane_tlsrpt_sender *sender, struct base_buf *out)
{
    char from[BASE_TIME_TEXT], until[BASE_TIME_TEXT];
    const struct domain *about = (const struct domain *)keyed_find(&report->table, domain);
    if (!about)
        return BASE_ENOENT;
    base_time_iso(report->from, from);
    base_time_iso(report->until - 1, until);
    base_buf_text(out, "{\"organization-name\":");
    base_json_text(out, sender->organization ? sender->organization : "");
    base_buf_printf(out, ",\"date-range\":{\"start-datetime\":\"%s\",\"end-datetime\":\"%s\"}",
                    from, until);
    member(out, "contact-info", sender->contact);
    char *id = dane_tlsrpt_report_id(report, about->name, sender);
    if (!id)
        return BASE_ENOMEM;
    member(out, "report-id", id);
    free(id);
    base_buf_text(out, ",\"policies\":[");
    for (const struct policy *policy = about->policies; policy; policy = policy->next) {
        base_buf_text(out, policy == about->policies ? "" : ",");
        write_policy(about, policy, out);
    }
    base_buf_text(out, "]}\n");
    return out->error;
}

char *dane_tlsrpt_report_id(const struct dane_tlsrpt *report, const char *domain,
                            const struct dane_tlsrpt_sender *sender)
{
    char from[BASE_TIME_TEXT], *id;
    base_time_iso(report->from, from);
    if (asprintf(&id, "%.10s_%s%s%s", from, domain, sender->submitter ? "@" : "",
                 sender->submitter ? sender->submitter : "") < 0)
        return NULL;
    return id;
}

char *dane_tlsrpt_file_name(const struct dane_tlsrpt *report, const char *domain,
                            const struct dane_tlsrpt_sender *sender)
{
    char *name;
    const char *submitter = sender->submitter ? sender->submitter : "localhost";
    if (asprintf(&name, "%s!%s!%" PRId64 "!%" PRId64 ".json", submitter, domain, report->from,
                 report->until - 1) < 0)
        return NULL;
    return name;
}
