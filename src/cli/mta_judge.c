/* What is wrong with mail of a domain, and in which order it is safely repaired: see mta.h. */
#include "cli/mta.h"

#include "base/error.h"
#include "cli/report.h"
#include "dane/material.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOON (14 * 86400)

/* --- words --- */

static void find(struct mta *mta, enum base_finding_code code, const char *owner,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
static void step(struct mta *mta, enum mta_rank rank, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct mta *mta, enum base_finding_code code, const char *owner,
                 const char *format, ...)
{
    char message[1024];
    struct base_place place = {.owner = owner};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(&mta->ask.call->findings, code, &place, "%s", message);
}

/* Adds a step, once. */
static void step(struct mta *mta, enum mta_rank rank, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < mta->step_count; i++) {
        if (strcmp(mta->steps[i].text, text) == 0)
            return;
    }
    const char *copy = base_arena_strndup(&mta->ask.call->arena, text, strlen(text));
    if (copy == NULL || mta->step_count == MTA_STEPS_MAX)
        return;
    size_t at = mta->step_count++;
    for (; at > 0 && mta->steps[at - 1].rank > rank; at--)
        mta->steps[at] = mta->steps[at - 1];
    mta->steps[at] = (struct mta_step){rank, copy};
}

static bool is_broken(const struct validate_result *result)
{
    return result != NULL && (result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR);
}

static const char *sentence(const struct validate_result *result)
{
    return result->sentence == NULL ? validate_status_name(result->status) : result->sentence;
}

/* --- the domain --- */

static void judge_domain(struct mta *mta)
{
    const struct dane_plan_result *result = mta->visit.result;
    if (result->outcome == DANE_OUTCOME_UNKNOWN)
        find(mta, AUTH_DOMAIN_ABSENT, mta->domain, "%s", result->reason);
    else if (result->outcome == DANE_OUTCOME_NONE)
        find(mta, AUTH_NO_SERVICE, mta->domain, "%s", result->reason);
    else if (result->outcome == DANE_OUTCOME_DEFER)
        find(mta, AUTH_DEFERRED, mta->domain, "%s", result->reason);
    if (is_broken(mta->mx)) {
        cli_ask_findings(mta->ask.call, mta->mx);
        step(mta, MTA_RANK_CHAIN, "Repair the DNS of %s: %s", mta->domain, sentence(mta->mx));
        return;
    }
    if (mta->mx->status != VALIDATE_SECURE) {
        find(mta, AUTH_DOMAIN_UNSIGNED, mta->domain, "%s", sentence(mta->mx));
        step(mta, MTA_RANK_SIGN, "Sign the zone of %s, then put its DS record into the parent.",
             mta->domain);
    }
    if (mta->mx->kind == VALIDATE_ANSWER_NODATA)
        find(mta, AUTH_NO_MX, mta->domain, "mail goes to the addresses of the domain itself");
}

/* --- hosts --- */

static void judge_names(struct mta *mta, const struct mta_host *host)
{
    const struct dane_endpoint *endpoint = host->endpoint;
    const struct validate_result *broken = is_broken(host->addresses[0])   ? host->addresses[0]
                                           : is_broken(host->addresses[1]) ? host->addresses[1]
                                           : is_broken(host->tlsa)         ? host->tlsa
                                                                           : NULL;
    if (broken != NULL) {
        cli_ask_findings(mta->ask.call, broken);
        step(mta, MTA_RANK_CHAIN, "Repair the DNS of %s: %s", endpoint->host, sentence(broken));
    }
    if (endpoint->demand == DANE_DEMAND_SKIP) {
        find(mta, AUTH_HOST_SKIPPED, endpoint->host, "%s", endpoint->reason);
        if (broken == NULL)
            step(mta, MTA_RANK_CHAIN, "Give %s an address, or take it out of the MX set.",
                 endpoint->host);
        return;
    }
    if (endpoint->tlsa_count > 0 || broken != NULL)
        return;
    if (host->tlsa != NULL && host->tlsa->status == VALIDATE_SECURE) {
        find(mta, AUTH_TLSA_ABSENT, endpoint->host, "there is no TLSA record at %s", host->name);
        step(mta, MTA_RANK_PUBLISH,
             "Publish a TLSA record at %s (kenter tlsa make), and keep it right whenever the key "
             "of the server changes.",
             host->name);
    } else {
        find(mta, AUTH_HOST_UNSIGNED, endpoint->host, "%s", endpoint->reason);
        step(mta, MTA_RANK_SIGN,
             "Sign the zone of %s, then put its DS record into the parent; TLSA records come after "
             "that.",
             endpoint->host);
    }
}

/* Names the certificate that an address shows. */
static void judge_end(struct mta *mta, const struct cli_contact *contact, bool sts)
{
    const struct auth_attempt *attempt = &contact->attempt;
    const struct dane_verdict *verdict = &attempt->verdict;
    struct dane_certificate_info info;
    char until[BASE_TIME_TEXT];
    bool counts = sts || (verdict->tlsa != SIZE_MAX &&
                          contact->endpoint->tlsa[verdict->tlsa].usage != DANE_EE);
    if (!counts || attempt->chain_count == 0 ||
        dane_certificate_describe(attempt->chain[0].data, attempt->chain[0].length, &info) !=
            BASE_OK ||
        info.until - mta->ask.now >= SOON || info.until <= mta->ask.now)
        return;
    base_time_iso(info.until, until);
    find(mta, AUTH_CERTIFICATE_ENDS, contact->endpoint->host, "the certificate at %s ends on %s",
         attempt->address, until);
    step(mta, MTA_RANK_RENEW, "Renew the certificate of %s before %s.", contact->endpoint->host,
         until);
}

/* As a sender that keeps to MTA-STS sees it. */
static bool judge_by_policy(struct mta *mta, struct mta_host *host,
                            const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    struct dane_reference reference = {DANE_REFERENCE_DNS, host->endpoint->host};
    struct dane_endpoint endpoint = *host->endpoint;
    endpoint.demand = DANE_DEMAND_PKIX;
    endpoint.sts = true;
    endpoint.testing = false;
    endpoint.references = &reference;
    endpoint.reference_count = 1;
    struct dane_peer peer = {.chain = attempt->chain,
                             .count = attempt->chain_count,
                             .tls = attempt->protocol[0] != '\0'};
    struct dane_verify_options options = {.now = mta->ask.now,
                                          .ca_file = cli_text(mta->ask.call, "ca")};
    struct dane_verdict verdict;
    if (!host->covered || !peer.tls)
        return false;
    dane_verify(&endpoint, &peer, &options, &verdict);
    if (verdict.result == DANE_AUTHENTICATED) {
        judge_end(mta, contact, true);
        return true;
    }
    find(mta, AUTH_CERTIFICATE, host->endpoint->host,
         "senders that keep to the MTA-STS policy refuse %s: %s", attempt->address, verdict.reason);
    step(mta, MTA_RANK_POLICY,
         "Give %s a certificate of a public authority for its name; until then set the mode of the "
         "policy to testing and change its id.",
         host->endpoint->host);
    return false;
}

static void judge_refusal(struct mta *mta, const struct mta_host *host,
                          const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    const char *name = host->endpoint->host, *reason = attempt->verdict.reason;
    uint8_t *data = NULL;
    size_t length = 0;
    if (!attempt->connected) {
        find(mta, AUTH_UNREACHABLE, name, "%s", reason);
        step(mta, MTA_RANK_SERVER, "Let %s answer at %s, or take that address out of the DNS.",
             name, attempt->address);
    } else if (strcmp(attempt->verdict.tlsrpt, "starttls-not-supported") == 0) {
        find(mta, AUTH_TLS_MISSING, name, "%s: %s", attempt->address, reason);
        step(mta, MTA_RANK_SERVER, "Switch STARTTLS on in %s.", name);
    } else if (attempt->protocol[0] == '\0') {
        find(mta, AUTH_TLS_FAILED, name, "%s: %s", attempt->address, reason);
        step(mta, MTA_RANK_SERVER, "Repair TLS of %s.", name);
    } else {
        find(mta, AUTH_TLSA_MISMATCH, name, "%s: %s", attempt->address, reason);
        if (attempt->chain_count == 0 ||
            dane_tlsa_make(DANE_PUBLIC_KEY, DANE_SHA256, attempt->chain[0].data,
                           attempt->chain[0].length, &data, &length) != BASE_OK)
            return;
        char text[2 * 32 + 1] = "";
        for (size_t i = 0; i < length && i < 32; i++)
            snprintf(text + 2 * i, 3, "%02x", data[i]);
        free(data);
        step(mta, MTA_RANK_MATCH,
             "If what %s shows is right, publish %s TLSA 3 1 1 %s beside the records that are "
             "there; take the old ones away when nothing shows their keys any more.",
             name, host->name, text);
    }
}

static void judge_contact(struct mta *mta, struct mta_host *host, const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    const struct dane_verdict *verdict = &attempt->verdict;
    bool good = verdict->result == DANE_AUTHENTICATED || verdict->result == DANE_ENCRYPTED ||
                verdict->result == DANE_PLAIN;
    if (attempt->weak[0] != '\0') {
        find(mta, AUTH_TLS_WEAK, host->endpoint->host, "%s: %s", attempt->address, attempt->weak);
        step(mta, MTA_RANK_RENEW,
             "Strengthen TLS of %s: %s. A new key needs its TLSA record first (kenter tlsa next).",
             host->endpoint->host, attempt->weak);
    }
    host->contacts++;
    host->dane += good;
    host->plain += attempt->protocol[0] != '\0' || verdict->result == DANE_PLAIN ||
                   strcmp(verdict->tlsrpt, "starttls-not-supported") == 0;
    if (!good) {
        judge_refusal(mta, host, contact);
    } else {
        judge_end(mta, contact, false);
        if (verdict->result == DANE_PLAIN)
            find(mta, AUTH_OPEN, host->endpoint->host, "%s: %s", attempt->address, verdict->reason);
    }
    if (mta->has_sts && mta->sts.mode != DANE_STS_NONE)
        host->sts += judge_by_policy(mta, host, contact);
}

static void judge_records(struct mta *mta, const struct mta_host *host)
{
    struct cli_call *call = mta->ask.call;
    const struct dane_endpoint *endpoint = host->endpoint;
    char text[DANE_TLSA_TEXT];
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        const struct dane_tlsa *record = &endpoint->tlsa[i];
        bool matched = false, shown = false;
        dane_tlsa_text(record, text);
        if (record->unusable == DANE_UNUSABLE_WEAKER)
            continue;
        if (record->unusable != DANE_USABLE) {
            find(mta, AUTH_TLSA_UNUSABLE, host->name, "%s is not used: %s", text,
                 dane_unusable_text(record->unusable));
            step(mta, MTA_RANK_TIDY, "Take TLSA %s away from %s, or replace it by one of 3 1 1.",
                 text, host->name);
            continue;
        }
        for (size_t j = 0; j < mta->visit.contact_count; j++) {
            const struct cli_contact *contact = &mta->visit.contacts[j];
            if (contact->endpoint != endpoint)
                continue;
            shown |= contact->attempt.chain_count > 0;
            matched |= cli_contact_matches(contact, record, endpoint->host, mta->ask.now,
                                           cli_text(call, "ca"));
        }
        if (!shown || matched)
            continue;
        find(mta, AUTH_TLSA_UNMATCHED, host->name, "%s matches nothing that the server shows",
             text);
        step(
            mta, MTA_RANK_TIDY,
            "Unless it is of the next key, take TLSA %s away from %s, and only when another record "
            "matches.",
            text, host->name);
    }
}

static void judge_hosts(struct mta *mta)
{
    size_t with = 0;
    for (size_t i = 0; i < mta->host_count; i++) {
        struct mta_host *host = &mta->hosts[i];
        host->covered = mta->has_sts && dane_sts_covers(&mta->sts, host->endpoint->host);
        with += host->endpoint->demand == DANE_DEMAND_DANE;
        judge_names(mta, host);
        for (size_t j = 0; j < mta->visit.contact_count; j++) {
            if (mta->visit.contacts[j].endpoint == host->endpoint && mta->visit.contacts[j].tried)
                judge_contact(mta, host, &mta->visit.contacts[j]);
        }
        judge_records(mta, host);
    }
    if (with > 0 && with < mta->host_count)
        find(mta, AUTH_MIXED, mta->domain, "%zu of %zu servers are protected by DANE", with,
             mta->host_count);
}

/* --- policies --- */

static void judge_sts(struct mta *mta)
{
    if (mta->sts_why[0] != '\0') {
        find(mta, AUTH_STS_BROKEN, mta->domain, "%s", mta->sts_why);
        step(mta, MTA_RANK_POLICY, "Repair the MTA-STS policy: %s.", mta->sts_why);
        return;
    }
    if (!mta->has_sts) {
        find(mta, AUTH_STS_ABSENT, mta->domain, "there is no record v=STSv1 at _mta-sts.%s",
             mta->domain);
        return;
    }
    if (mta->sts.mode != DANE_STS_ENFORCE) {
        find(mta, AUTH_STS_IDLE, mta->domain, "the mode is %s",
             mta->sts.mode == DANE_STS_TESTING ? "testing" : "none");
        if (mta->sts.mode == DANE_STS_TESTING)
            step(mta, MTA_RANK_MORE,
                 "When reports show no failures, set the mode of the MTA-STS policy to enforce, "
                 "then change its id in the TXT record.");
    }
    for (size_t i = 0; mta->sts.mode != DANE_STS_NONE && i < mta->host_count; i++) {
        const char *host = mta->hosts[i].endpoint->host;
        if (mta->hosts[i].covered)
            continue;
        find(mta, AUTH_STS_UNCOVERED, host, "no pattern of the policy fits it");
        step(mta, MTA_RANK_POLICY, "Add \"mx: %s\" to the MTA-STS policy, then change its id.",
             host);
    }
}

static void judge_tlsrpt(struct mta *mta)
{
    if (mta->tlsrpt_why != NULL) {
        find(mta, AUTH_TLSRPT_BROKEN, mta->domain, "the record at _smtp._tls: %s", mta->tlsrpt_why);
    } else if (mta->tlsrpt == NULL) {
        find(mta, AUTH_TLSRPT_ABSENT, mta->domain, "there is no record v=TLSRPTv1 at _smtp._tls.%s",
             mta->domain);
    } else {
        return;
    }
    step(mta, MTA_RANK_REPORT,
         "Publish _smtp._tls.%s TXT \"v=TLSRPTv1; rua=mailto:ADDRESS\", so that you hear of "
         "failures.",
         mta->domain);
}

int mta_judge(struct mta *mta)
{
    const struct dane_plan_result *result = mta->visit.result;
    judge_domain(mta);
    if (result->outcome == DANE_OUTCOME_UNKNOWN || result->outcome == DANE_OUTCOME_NONE)
        return BASE_OK;
    judge_hosts(mta);
    judge_sts(mta);
    judge_tlsrpt(mta);
    return BASE_OK;
}
