/* kenter mta: everything that senders of mail see of a domain. */
#include "base/error.h"
#include "base/json.h"
#include "cli/mta.h"
#include "cli/report.h"
#include "dane/material.h"

#include <string.h>

enum sender { SENDER_DANE, SENDER_STS, SENDER_PLAIN, SENDERS };

static const char *const sender_names[SENDERS] = {"dane", "mta-sts", "none"};
static const char *const sender_words[SENDERS] = {
    "Senders that check DANE", "Senders that check MTA-STS", "Senders that check neither"};

/* How many hosts a kind of sender can deliver to. */
static size_t accepted(const struct mta *mta, enum sender sender)
{
    size_t count = 0;
    bool enforced = mta->has_sts && mta->sts.mode == DANE_STS_ENFORCE;
    for (size_t i = 0; i < mta->host_count; i++) {
        const struct mta_host *host = &mta->hosts[i];
        size_t good = sender == SENDER_DANE              ? host->dane
                      : sender == SENDER_STS && enforced ? host->sts
                                                         : host->plain;
        count += good > 0;
    }
    return count;
}

static const char *sts_mode(const struct mta *mta)
{
    return !mta->has_sts                       ? NULL
           : mta->sts.mode == DANE_STS_ENFORCE ? "enforce"
           : mta->sts.mode == DANE_STS_TESTING ? "testing"
                                               : "none";
}

static bool has_service(const struct mta *mta)
{
    enum dane_outcome outcome = mta->visit.result->outcome;
    return outcome == DANE_OUTCOME_GO || outcome == DANE_OUTCOME_DEFER;
}

/* --- text --- */

static void put(const char *text)
{
    cli_print_safely(stdout, text);
}

static void print_contact(const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    struct dane_certificate_info info;
    char until[BASE_TIME_TEXT];
    printf("    %s  %s: ", attempt->address[0] != '\0' ? attempt->address : "-",
           dane_result_name(attempt->verdict.result));
    put(attempt->verdict.reason);
    fputc('\n', stdout);
    if (attempt->chain_count == 0 ||
        dane_certificate_describe(attempt->chain[0].data, attempt->chain[0].length, &info) !=
            BASE_OK)
        return;
    base_time_iso(info.until, until);
    printf("      %s, certificate ", attempt->protocol);
    put(info.subject);
    fputs(" for ", stdout);
    put(info.names[0] != '\0' ? info.names : "no DNS name");
    printf(", %s, until %s\n", info.key, until);
}

static void print_host(const struct mta *mta, const struct mta_host *host)
{
    const struct dane_endpoint *endpoint = host->endpoint;
    char text[DANE_TLSA_TEXT];
    printf("  %u ", endpoint->priority);
    put(endpoint->host);
    fputs(": ", stdout);
    put(endpoint->reason);
    fputc('\n', stdout);
    for (size_t i = 0; i < endpoint->tlsa_count; i++)
        printf("    TLSA %s\n", dane_tlsa_text(&endpoint->tlsa[i], text));
    for (size_t i = 0; i < mta->visit.contact_count; i++) {
        const struct cli_contact *contact = &mta->visit.contacts[i];
        if (contact->endpoint == endpoint && contact->tried)
            print_contact(contact);
    }
}

static void print_policies(const struct mta *mta)
{
    char age[BASE_TIME_TEXT];
    if (mta->has_sts) {
        base_duration_text(mta->sts.max_age, age);
        printf("MTA-STS: policy %s, mode %s, kept for %s, %zu pattern%s\n", mta->sts_id,
               sts_mode(mta), age, mta->sts.mx_count, mta->sts.mx_count == 1 ? "" : "s");
    } else {
        fputs("MTA-STS: ", stdout);
        put(mta->sts_why[0] != '\0' ? mta->sts_why : "none");
        fputc('\n', stdout);
    }
    fputs("TLSRPT: ", stdout);
    put(mta->tlsrpt != NULL ? mta->tlsrpt : mta->tlsrpt_why != NULL ? mta->tlsrpt_why : "none");
    fputc('\n', stdout);
}

static void print_senders(const struct mta *mta)
{
    for (int sender = 0; sender < SENDERS; sender++) {
        size_t count = accepted(mta, (enum sender)sender);
        printf("%s %s: %zu of %zu servers take their mail.\n", sender_words[sender],
               count > 0 ? "deliver" : "DEFER", count, mta->host_count);
    }
}

static void print(const struct mta *mta)
{
    const struct dane_plan_result *result = mta->visit.result;
    put(result->domain);
    printf(": %s: ", validate_status_name(mta->mx->status));
    put(mta->mx->sentence == NULL ? "" : mta->mx->sentence);
    fputs("\n", stdout);
    put(result->reason);
    fputc('\n', stdout);
    if (!has_service(mta))
        return;
    for (size_t i = 0; i < mta->host_count; i++)
        print_host(mta, &mta->hosts[i]);
    print_policies(mta);
    print_senders(mta);
    if (mta->step_count > 0)
        puts("What to do, in this order:");
    for (size_t i = 0; i < mta->step_count; i++) {
        printf("  %zu. ", i + 1);
        put(mta->steps[i].text);
        fputc('\n', stdout);
    }
    fputc('\n', stdout);
}

/* --- JSON --- */

static void member(struct base_buf *out, const char *name, const char *text)
{
    base_buf_printf(out, ",\"%s\":", name);
    base_json_text(out, text);
}

static void json_sts(const struct mta *mta, struct base_buf *out)
{
    base_buf_text(out, ",\"sts\":{\"id\":");
    base_json_text(out, mta->sts_id[0] != '\0' ? mta->sts_id : NULL);
    member(out, "mode", sts_mode(mta));
    member(out, "problem", mta->sts_why[0] != '\0' ? mta->sts_why : NULL);
    base_buf_text(out, ",\"mx\":[");
    for (size_t i = 0; mta->has_sts && i < mta->sts.mx_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        base_json_text(out, mta->sts.mx[i]);
    }
    base_buf_text(out, "],\"max_age\":");
    if (mta->has_sts)
        base_buf_printf(out, "%u}", mta->sts.max_age);
    else
        base_buf_text(out, "null}");
}

static void json_hosts(const struct mta *mta, struct base_buf *out)
{
    base_buf_text(out, ",\"hosts\":[");
    for (size_t i = 0; i < mta->host_count; i++) {
        const struct mta_host *host = &mta->hosts[i];
        base_buf_text(out, i > 0 ? ",{\"host\":" : "{\"host\":");
        base_json_text(out, host->endpoint->host);
        member(out, "a", validate_status_name(host->addresses[0]->status));
        member(out, "aaaa", validate_status_name(host->addresses[1]->status));
        member(out, "tlsa", host->tlsa == NULL ? NULL : validate_status_name(host->tlsa->status));
        base_buf_printf(out,
                        ",\"sts_covered\":%s,\"addresses\":%zu,\"accepted\":{\"dane\":%zu,"
                        "\"mta-sts\":%zu,\"none\":%zu}}",
                        host->covered ? "true" : "false", host->contacts, host->dane, host->sts,
                        host->plain);
    }
    base_buf_u8(out, ']');
}

static void print_json(const struct mta *mta)
{
    struct base_buf *out = &mta->ask.call->members;
    base_buf_printf(out, ",\"mta\":{\"mx_status\":\"%s\"", validate_status_name(mta->mx->status));
    member(out, "sentence", mta->mx->sentence);
    json_hosts(mta, out);
    json_sts(mta, out);
    base_buf_text(out, ",\"tlsrpt\":{\"rua\":");
    base_json_text(out, mta->tlsrpt);
    member(out, "problem", mta->tlsrpt_why);
    base_buf_text(out, "},\"senders\":[");
    for (int sender = 0; sender < SENDERS && has_service(mta); sender++) {
        size_t count = accepted(mta, (enum sender)sender);
        base_buf_printf(out, "%s{\"checks\":\"%s\",\"delivers\":%s,\"servers\":%zu}",
                        sender > 0 ? "," : "", sender_names[sender], count > 0 ? "true" : "false",
                        count);
    }
    base_buf_text(out, "],\"steps\":[");
    for (size_t i = 0; i < mta->step_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        base_json_text(out, mta->steps[i].text);
    }
    base_buf_text(out, "],\"domain\":");
    cli_visit_json(&mta->visit, out);
    base_buf_u8(out, '}');
}

/* --- the verb --- */

static int check_use(struct mta *mta)
{
    struct cli_call *call = mta->ask.call;
    const char *text = call->operands[0];
    mta->visit.service = DANE_SMTP;
    if (cli_visit_parse(&mta->visit, text) != BASE_OK || mta->visit.port != 0 ||
        dane_domain_to_ascii(mta->visit.domain, mta->domain) != BASE_OK)
        return cli_usage_error(call->verb, "\"%s\" is no domain", text);
    mta->name = cli_parse_name(call, mta->domain);
    if (mta->name == NULL)
        return cli_usage_error(call->verb, "\"%s\" is no domain", text);
    return cli_peers_check(call);
}

static int look(struct mta *mta)
{
    struct cli_call *call = mta->ask.call;
    int error = mta_look(mta);
    if (error == BASE_OK)
        error = mta_judge(mta);
    if (error != BASE_OK)
        return error;
    if (call->json)
        print_json(mta);
    else if (!call->quiet)
        print(mta);
    call->outcome = base_findings_bad(&call->findings) && has_service(mta)
                        ? CLI_FINDINGS
                        : cli_visit_code(cli_visit_grade(&mta->visit));
    call->tolerated = call->findings.totals[BASE_ERROR];
    for (int sender = 0; sender < SENDERS; sender++)
        cli_summary_count(call, sender_names[sender], accepted(mta, (enum sender)sender));
    cli_summary_count(call, "servers", mta->host_count);
    return BASE_OK;
}

static int run(struct cli_call *call)
{
    struct mta mta = {0};
    int error = BASE_OK;
    int code = cli_ask_parse_options(&mta.ask, call);
    if (code == CLI_GOOD)
        code = check_use(&mta);
    if (code != CLI_GOOD)
        return code;
    code = cli_ask_open(&mta.ask, false, &error);
    if (code == CLI_GOOD)
        error = look(&mta);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    mta_free(&mta);
    cli_ask_close(&mta.ask);
    return code;
}

const struct cli_verb cli_verb_mta = {
    .name = "mta",
    .summary = "show what senders of mail see of a domain, and what to repair first",
    .description =
        "The view of the receiver: looks at everything that a sender meets on its way to a domain. "
        "Is the MX set secure? Does each server have secure addresses and TLSA records? What does "
        "each of its addresses show, and does it match? Is there an MTA-STS policy, can it be "
        "fetched, does it list the servers, and would their certificates do? Where do reports on "
        "failures go?\n\n"
        "It tells for three kinds of senders (those that check DANE, those that check MTA-STS, "
        "those that check neither) whether they deliver or defer, and which changes to make in "
        "which order, so that none of them stops mail.",
    .operands =
        (const struct cli_operand[]){
            {.name = "DOMAIN", .kind = CLI_TEXT, .help = "What stands behind the @ of addresses."},
            {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTIONS_PEERS, CLI_OPTIONS_ASK, {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter mta example.org", "Before and after every change."},
                                     {"kenter mta --json example.org", "For monitoring."},
                                     {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){
            {0, "Senders that check DANE authenticate every server."},
            {1, "Something is wrong, so that some mail is deferred or will be."},
            {4, "Nothing is wrong, but at least one server is not authenticated."},
            {6, "The domain does not exist, or takes no mail."},
            {-1, NULL}},
    .run = run,
};
