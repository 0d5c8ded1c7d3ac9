/* kenter verify: would a validator believe this zone? */
#include "base/error.h"
#include "cli/ds.h"
#include "cli/load.h"
#include "cli/report.h"
#include "crypto/crypto.h"
#include "validate/zone.h"

static void summarise(struct cli_call *call, const struct zone *zone,
                      const struct validate_zone_result *result)
{
    char time[BASE_TIME_TEXT], left[BASE_TIME_TEXT];
    char name[DNS_NAME_TEXT], signatures[CLI_NUMBER_TEXT], names[CLI_NUMBER_TEXT];
    cli_summary_count(call, "signatures", result->signatures);
    cli_summary_count(call, "rrsets", result->rrsets);
    cli_summary_count(call, "chain_names", result->names);
    cli_summary_text(call, "denial", result->denial);
    cli_summary_text(call, "zonemd_checked", result->zonemd_checked ? "yes" : "no");
    dns_name_text(name, zone->apex);
    cli_number(signatures, result->signatures);
    cli_number(names, zone->node_count);
    if (result->signatures == 0) {
        cli_summary_words(call, "%s: %s name%s, no signatures", name, names,
                          zone->node_count == 1 ? "" : "s");
        return;
    }
    base_time_iso(result->earliest_expiry, time);
    cli_summary_text(call, "earliest_expiry", time);
    base_duration_text(result->earliest_expiry - call->now, left);
    bool over = result->earliest_expiry < call->now;
    cli_summary_words(call, "%s: %s name%s, %s signatures, %s; the first %s %s (%s%s)", name, names,
                      zone->node_count == 1 ? "" : "s", signatures, result->denial,
                      over ? "expired" : "expires", time, over ? "" : "in ",
                      over ? "in the past" : left);
}

static int verify(struct cli_call *call, const struct zone *zone, const struct cli_ds_list *ds)
{
    struct cli_progress progress;
    struct validate_zone_options options = {
        .now = call->now,
        .ds = ds->items,
        .ds_count = ds->count,
        .legacy = cli_flag(call, "legacy"),
        .margin = (uint32_t)cli_duration(call, "margin", 0),
        .threads = call->threads,
        .progress = cli_progress_show,
        .progress_context = &progress,
    };
    struct validate_zone_result result = {.denial = "none"};
    cli_progress_start(&progress, cli_progress_wanted(call), "verifying");
    int error = validate_zone(zone, &options, &call->findings, &result);
    cli_progress_end(&progress);
    if (error == BASE_OK)
        summarise(call, zone, &result);
    return error;
}

static int run(struct cli_call *call)
{
    struct cli_ds_list ds = {.items = NULL};
    int code = cli_ds_read(call, &ds);
    if (code != CLI_GOOD)
        return code;
    struct zone *zone = NULL;
    int error = cli_load_zone(call, call->operands[0], "reading", &call->findings, &zone);
    if (error == BASE_OK) {
        cli_summary_zone(call, zone);
        error = verify(call, zone, &ds);
    }
    code = cli_finish(call, error);
    zone_release(zone);
    return code;
}

const struct cli_verb cli_verb_verify = {
    .name = "verify",
    .summary = "verify a signed zone: every signature and every proof",
    .description =
        "Checks a signed zone as a whole and reports every problem, not the first one: each "
        "signature with its dates, signer, labels and key; that all that must be signed is, and "
        "nothing else; that the chain of NSEC or NSEC3 records is complete and tells the truth; "
        "ZONEMD; and with --ds, that the chain from the parent works.\n\n"
        "The verifier shares no code with the signer.",
    .operands =
        (const struct cli_operand[]){
            {.name = "FILE", .kind = CLI_FILE, .help = "The signed zone; \"-\" is standard input."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "at",
             .kind = CLI_TIME,
             .argument = "TIME",
             .help = "Verify as of this time instead of now: now+7d, 2026-11-21, 20261121235959."},
            {.name = "ds",
             .kind = CLI_TEXT,
             .argument = "RECORD",
             .repeats = true,
             .help = "A DS record at the parent, \"TAG ALGORITHM DIGESTTYPE DIGEST\" or a whole "
                     "record; @FILE reads one from each line. May be given several times."},
            {.name = "margin",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Warn of signatures that expire within this time: 3d."},
            {.name = "legacy",
             .kind = CLI_FLAG,
             .help = "Also validate the retired algorithms 5 and 7 (RSA with SHA-1)."},
            CLI_OPTION_ORIGIN,
            CLI_OPTION_INCLUDE,
            CLI_OPTION_STRICT,
            CLI_OPTION_LIMIT,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter verify example.com.signed", "Is everything in order now?"},
            {"kenter verify --at now+7d example.com.signed", "And in a week, if nobody re-signs?"},
            {"dig +noall +answer example.com DS | kenter verify --ds @- example.com.signed",
             "Does the chain from the parent work?"},
            {NULL, NULL}},
    .run = run,
};
