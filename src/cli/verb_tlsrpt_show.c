/* kenter tlsrpt show: what others report about TLS to our hosts. */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/report.h"
#include "dane/tlsrpt_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Failures alike, of all reports: of one domain and policy, at one host, for one cause. */
struct cause {
    const char *domain, *policy, *mx, *type, *example;
    uint64_t count;
    size_t reports;
};
struct total {
    const char *domain, *policy;
    uint64_t successes, failures, told; /* told: failures with details */
    size_t reports;
};
struct show {
    struct cli_call *call;
    struct cause *causes;
    struct total *totals;
    size_t cause_count, cause_room, total_count, total_room;
    size_t files, reports;
};

/* --- adding up --- */

static int compare(const char *a, const char *b)
{
    return strcasecmp(a, b);
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Room for one more in a growing list. */
static int grow(void **list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return BASE_OK;
    size_t wanted = *room > 0 ? *room * 2 : 64;
    void *more = realloc(*list, wanted * size);
    if (!more)
        return BASE_ENOMEM;
    *list = more;
    *room = wanted;
    return BASE_OK;
}

/* "Example Inc. from 192.0.2.1 to 192.0.2.25: certificate has expired"; NULL: nothing is told. */
static const char *example_of(struct show *show, const struct dane_tlsrpt_failure *failure,
                              const char *organization)
{
    bool from = failure->sending_ip[0] != '\0', to = failure->receiving_ip[0] != '\0';
    bool reason = failure->reason[0] != '\0';
    if (!from && !to && !reason)
        return NULL;
    return base_arena_printf(&show->call->arena, "%s%s%s%s%s%s%s",
                             organization[0] != '\0' ? organization : "a sender",
                             from ? " from " : "", failure->sending_ip, to ? " to " : "",
                             failure->receiving_ip, reason ? ": " : "", failure->reason);
}

static int add_policy(struct show *show, const struct dane_tlsrpt_told *policy,
                      const char *organization)
{
    int status =
        grow((void **)&show->totals, show->total_count, &show->total_room, sizeof *show->totals);
    if (status != BASE_OK)
        return status;
    struct total *total = &show->totals[show->total_count++];
    *total = (struct total){.domain = policy->domain,
                            .policy = policy->type,
                            .successes = policy->successes,
                            .failures = policy->failures,
                            .reports = 1};
    for (size_t i = 0; status == BASE_OK && i < policy->detail_count; i++) {
        const struct dane_tlsrpt_failure *failure = &policy->details[i];
        status = grow((void **)&show->causes, show->cause_count, &show->cause_room,
                      sizeof *show->causes);
        if (status != BASE_OK)
            break;
        show->causes[show->cause_count++] =
            (struct cause){.domain = policy->domain,
                           .policy = policy->type,
                           .mx = failure->mx,
                           .type = failure->type,
                           .example = example_of(show, failure, organization),
                           .count = failure->count,
                           .reports = 1};
        total->told = plus(total->told, failure->count);
    }
    return status;
}

static int by_total(const void *a, const void *b)
{
    const struct total *x = a, *y = b;
    int order = compare(x->domain, y->domain);
    return order != 0 ? order : compare(x->policy, y->policy);
}

static int by_cause(const void *a, const void *b)
{
    const struct cause *x = a, *y = b;
    int order = compare(x->domain, y->domain);
    order = order != 0 ? order : compare(x->policy, y->policy);
    order = order != 0 ? order : compare(x->mx, y->mx);
    return order != 0 ? order : compare(x->type, y->type);
}

/* Those alike become one. */
static void merge(struct show *show)
{
    size_t kept = 0;
    if (show->total_count > 0)
        qsort(show->totals, show->total_count, sizeof *show->totals, by_total);
    for (size_t i = 0; i < show->total_count; i++) {
        struct total *total = &show->totals[i], *last = kept > 0 ? &show->totals[kept - 1] : NULL;
        if (!last || by_total(last, total) != 0) {
            show->totals[kept++] = *total;
            continue;
        }
        last->successes = plus(last->successes, total->successes);
        last->failures = plus(last->failures, total->failures);
        last->told = plus(last->told, total->told);
        last->reports++;
    }
    show->total_count = kept;
    kept = 0;
    if (show->cause_count > 0)
        qsort(show->causes, show->cause_count, sizeof *show->causes, by_cause);
    for (size_t i = 0; i < show->cause_count; i++) {
        struct cause *cause = &show->causes[i], *last = kept > 0 ? &show->causes[kept - 1] : NULL;
        if (!last || by_cause(last, cause) != 0) {
            show->causes[kept++] = *cause;
            continue;
        }
        last->count = plus(last->count, cause->count);
        last->reports++;
        last->example = last->example ? last->example : cause->example;
    }
    show->cause_count = kept;
}

/* --- files --- */

static int read_report(struct show *show, const char *path)
{
    struct base_place place = {.file = path};
    struct dane_tlsrpt_view view;
    char why[200] = "";
    uint8_t *data;
    size_t length;
    show->files++;
    int status = base_file_read(path, DANE_TLSRPT_FILE_MAX, &data, &length);
    if (status == BASE_EIO) {
        cli_file_finding(show->call, FILE_UNREADABLE, path, "the report cannot be read");
        return BASE_OK;
    }
    if (status == BASE_ELIMIT) {
        base_findings_add(&show->call->findings, TLSRPT_REPORT, &place, "it is longer than %d MiB",
                          DANE_TLSRPT_FILE_MAX >> 20);
        return BASE_OK;
    }
    if (status != BASE_OK)
        return status;
    status = dane_tlsrpt_read(data, length, &show->call->arena, &view, why);
    free(data);
    if (status == BASE_EFORMAT || status == BASE_ELIMIT) {
        base_findings_add(&show->call->findings, TLSRPT_REPORT, &place, "%s", why);
        return BASE_OK;
    }
    show->reports += status == BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < view.count; i++)
        status = add_policy(show, &view.policies[i], view.organization);
    if (status == BASE_OK) {
        struct base_buf *out = &show->call->members;
        base_buf_text(out, show->reports > 1 ? ",{\"file\":" : "{\"file\":");
        base_json_text(out, path);
        base_buf_text(out, ",\"organization\":");
        base_json_text(out, view.organization);
        base_buf_text(out, ",\"contact\":");
        base_json_text(out, view.contact);
        base_buf_text(out, ",\"id\":");
        base_json_text(out, view.id);
        base_buf_text(out, ",\"from\":");
        base_json_text(out, view.from);
        base_buf_text(out, ",\"until\":");
        base_json_text(out, view.until);
        base_buf_text(out, "}");
    }
    return status;
}

/* --- what is said --- */

static const char *policy_words(const char *policy)
{
    return strcasecmp(policy, "tlsa") == 0              ? "DANE (TLSA records)"
           : strcasecmp(policy, "sts") == 0             ? "MTA-STS"
           : strcasecmp(policy, "no-policy-found") == 0 ? "no policy"
                                                        : "a policy of unknown type";
}

static void say(const struct show *show, const char *text)
{
    if (!show->call->json && !show->call->quiet)
        cli_print_safely(stdout, text);
}

static void say_cause(struct show *show, const struct cause *cause)
{
    char number[CLI_NUMBER_TEXT];
    struct base_buf *out = &show->call->members;
    say(show, "  ");
    say(show, cause->mx[0] != '\0' ? cause->mx : "(no host named)");
    cli_say(show->call, ": %s times ", cli_number(number, cause->count));
    say(show, cause->type);
    cli_say(show->call, " (%zu report%s): %s\n", cause->reports, cause->reports == 1 ? "" : "s",
            dane_tlsrpt_type_words(cause->type));
    if (cause->example) {
        cli_say(show->call, "    by ");
        say(show, cause->example);
        cli_say(show->call, "\n");
    }
    base_buf_text(out, "{\"mx\":");
    base_json_text(out, cause->mx);
    base_buf_text(out, ",\"result-type\":");
    base_json_text(out, cause->type);
    base_buf_printf(out, ",\"count\":%" PRIu64 ",\"reports\":%zu,\"example\":", cause->count,
                    cause->reports);
    base_json_text(out, cause->example);
    base_buf_text(out, "}");
}

static void say_total(struct show *show, const struct total *total)
{
    char good[CLI_NUMBER_TEXT], bad[CLI_NUMBER_TEXT];
    struct base_buf *out = &show->call->members;
    say(show, total->domain[0] != '\0' ? total->domain : "(no domain named)");
    cli_say(show->call, ", %s: %s sessions good, %s failed (%zu report%s)\n",
            policy_words(total->policy), cli_number(good, total->successes),
            cli_number(bad, total->failures), total->reports, total->reports == 1 ? "" : "s");
    base_buf_text(out, "{\"domain\":");
    base_json_text(out, total->domain);
    base_buf_text(out, ",\"policy-type\":");
    base_json_text(out, total->policy);
    base_buf_printf(
        out, ",\"successes\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"reports\":%zu,\"causes\":[",
        total->successes, total->failures, total->reports);
}

static void say_all(struct show *show)
{
    struct base_buf *out = &show->call->members;
    uint64_t successes = 0, failures = 0;
    char good[CLI_NUMBER_TEXT], bad[CLI_NUMBER_TEXT];
    size_t at = 0;
    base_buf_text(out, ",\"policies\":[");
    for (size_t i = 0; i < show->total_count; i++) {
        const struct total *total = &show->totals[i];
        base_buf_text(out, i > 0 ? "," : "");
        say_total(show, total);
        for (size_t first = at;
             at < show->cause_count && compare(show->causes[at].domain, total->domain) == 0 &&
             compare(show->causes[at].policy, total->policy) == 0;
             at++) {
            base_buf_text(out, at > first ? "," : "");
            say_cause(show, &show->causes[at]);
        }
        base_buf_text(out, "]}");
        if (total->failures > total->told)
            cli_say(show->call, "  %s failed without a word on why\n",
                    cli_number(bad, total->failures - total->told));
        successes = plus(successes, total->successes);
        failures = plus(failures, total->failures);
    }
    base_buf_text(out, "]");
    cli_summary_count(show->call, "reports", show->reports);
    cli_summary_count(show->call, "successes", successes);
    cli_summary_count(show->call, "failures", failures);
    cli_summary_words(show->call, "%zu of %zu files are reports: %s sessions good, %s failed",
                      show->reports, show->files, cli_number(good, successes),
                      cli_number(bad, failures));
}

static int run(struct cli_call *call)
{
    struct show show = {.call = call};
    int status = BASE_OK;
    base_buf_text(&call->members, ",\"reports\":[");
    for (size_t i = 0; status == BASE_OK && i < call->operand_count; i++)
        status = read_report(&show, call->operands[i]);
    base_buf_text(&call->members, "]");
    if (status == BASE_OK) {
        merge(&show);
        say_all(&show);
    }
    free(show.causes);
    free(show.totals);
    return cli_finish(call, status);
}

const struct cli_verb cli_verb_tlsrpt_show = {
    .name = "tlsrpt show",
    .summary = "tell what others report about TLS to a domain's mail servers",
    .description =
        "Reads reports that were sent to the address or URL in the domain's record at _smtp._tls "
        "(RFC 8460): JSON, JSON compressed with gzip, or the mail as it came. All are added up by "
        "domain and policy, and failures by MX host and cause, with what each cause means and an "
        "example. A file may have 32 MiB, and 10 MiB when expanded.",
    .operands = (const struct cli_operand[]){{.name = "FILE",
                                              .kind = CLI_FILE,
                                              .repeats = true,
                                              .help = "A report; - is standard input."},
                                             {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter tlsrpt show *.json.gz", "All of them together."},
                                     {"kenter tlsrpt show - < mail", "What a mail brought."},
                                     {NULL, NULL}},
    .run = run,
};
