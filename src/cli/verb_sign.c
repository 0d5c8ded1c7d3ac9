/* kenter sign: a zone file to a signed zone file. */
#include "base/error.h"
#include "cli/keys.h"
#include "cli/load.h"
#include "cli/report.h"
#include "sign/policy.h"
#include "sign/provide.h"
#include "sign/sign.h"
#include "validate/zone.h"
#include "zone/check.h"
#include "zone/write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What signing needs and makes; released in one place. */
struct signing {
    struct cli_call *call;
    const char *input, *output;
    struct sign_policy policy;
    struct zone *zone, *previous;
    struct crypto_keydir keys;
    bool keys_open;
    size_t keys_made;
    struct sign_result result;
};

static void apply_serial(struct cli_call *call, struct sign_policy *policy)
{
    static const struct {
        const char *word;
        enum sign_serial serial;
    } rows[] = {{"keep", SIGN_SERIAL_KEEP},
                {"increment", SIGN_SERIAL_INCREMENT},
                {"unixtime", SIGN_SERIAL_UNIXTIME},
                {"date", SIGN_SERIAL_DATE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (cli_chosen(call, "serial", rows[i].word))
            policy->serial = rows[i].serial;
    }
}

/* Options go over what the policy file says. */
static int apply_options(struct signing *signing)
{
    struct cli_call *call = signing->call;
    struct sign_policy *policy = &signing->policy;
    unsigned algorithm = policy->algorithm;
    int code = cli_key_algorithm(call, &algorithm);
    if (code != CLI_GOOD)
        return code;
    policy->algorithm = (uint8_t)algorithm;
    apply_serial(call, policy);
    if (cli_flag(call, "nsec3"))
        policy->denial = SIGN_NSEC3;
    if (cli_flag(call, "opt-out")) {
        policy->denial = SIGN_NSEC3;
        policy->opt_out = true;
    }
    if (cli_chosen(call, "zonemd", "none"))
        policy->zonemd = 0;
    if (cli_chosen(call, "zonemd", "sha384"))
        policy->zonemd = 1;
    if (cli_chosen(call, "zonemd", "sha512"))
        policy->zonemd = 2;
    policy->validity = (uint32_t)cli_duration(call, "validity", policy->validity);
    policy->refresh = (uint32_t)cli_duration(call, "refresh", policy->refresh);
    policy->jitter = (uint32_t)cli_duration(call, "jitter", policy->jitter);
    return CLI_GOOD;
}

static int read_policy(struct signing *signing, int *code)
{
    struct cli_call *call = signing->call;
    const char *path = cli_text(call, "policy");
    sign_policy_default(&signing->policy);
    if (path != NULL) {
        int error = sign_policy_read(path, &call->findings, &signing->policy);
        if (error != BASE_OK)
            return error;
    }
    *code = apply_options(signing);
    if (*code != CLI_GOOD)
        return BASE_EINVAL;
    struct base_place place = {.file = path};
    return sign_policy_check(&signing->policy, &place, &call->findings);
}

/* A zone with errors is not signed: what resolvers would then refuse, they would refuse for every
 * user. */
static int load_input(struct signing *signing)
{
    struct cli_call *call = signing->call;
    int error = cli_load_zone(call, signing->input, "reading", &call->findings, &signing->zone);
    if (error != BASE_OK)
        return error;
    if (base_findings_bad(&call->findings))
        return BASE_EREFUSED;
    struct zone_check_options options = {.threads = call->threads,
                                         .refresh_margin = signing->policy.refresh};
    error = zone_check(signing->zone, &options, &call->findings);
    if (error != BASE_OK || !base_findings_bad(&call->findings))
        return error;
    if (!cli_flag(call, "allow-errors"))
        return BASE_EREFUSED;
    call->tolerated = call->findings.totals[BASE_ERROR];
    return BASE_OK;
}

/* The signed zone of last time only saves work: without it everything is signed anew. */
static int load_previous(struct signing *signing)
{
    struct cli_call *call = signing->call;
    const char *path = cli_text(call, "previous");
    if (path == NULL)
        return BASE_OK;
    struct base_place place = {.file = path};
    if (strcmp(path, "-") != 0 && access(path, F_OK) != 0 && errno == ENOENT) {
        cli_say(call, "%s is not there yet: everything is signed anew\n", path);
        return BASE_OK;
    }
    struct base_findings findings;
    base_findings_init(&findings, 1);
    int error = cli_load_zone(call, path, "reading", &findings, &signing->previous);
    if (error != BASE_OK && error != BASE_EREFUSED && error != BASE_ENOMEM)
        base_findings_add(&call->findings, PREVIOUS_UNUSABLE, &place, "it cannot be read: %s",
                          strerror(errno));
    else if (error != BASE_ENOMEM && base_findings_bad(&findings))
        base_findings_add(&call->findings, PREVIOUS_UNUSABLE, &place, "it has errors: %s",
                          findings.count > 0 ? findings.items[0].message : "see kenter check");
    else if (error == BASE_OK && !dns_name_equal(signing->previous->apex, signing->zone->apex))
        base_findings_add(&call->findings, PREVIOUS_UNUSABLE, &place,
                          "it holds another zone than %s", signing->input);
    bool usable = error == BASE_OK && call->findings.by_code[PREVIOUS_UNUSABLE] == 0;
    if (!usable) {
        zone_release(signing->previous);
        signing->previous = NULL;
    }
    base_findings_free(&findings);
    return error == BASE_ENOMEM ? error : BASE_OK;
}

static int open_keys(struct signing *signing)
{
    struct cli_call *call = signing->call;
    const char *directory = cli_text(call, "keys");
    int error = sign_keys_provide(directory, signing->zone->apex, &signing->policy, call->now,
                                  &call->findings, &signing->keys, &signing->keys_made);
    if (error != BASE_OK)
        return error;
    signing->keys_open = true;
    if (signing->keys_made > 0) {
        char name[DNS_NAME_TEXT];
        dns_name_text(name, signing->zone->apex);
        cli_say(call,
                "%s had no key in %s: %zu made. 'kenter key ds %s --keys %s' prints what the "
                "parent needs.\n",
                name, directory, signing->keys_made, name, directory);
    }
    return BASE_OK;
}

static int sign(struct signing *signing)
{
    struct cli_call *call = signing->call;
    struct cli_progress progress;
    struct sign_request request = {
        .zone = signing->zone,
        .policy = &signing->policy,
        .keys = signing->keys.keys,
        .key_count = signing->keys.count,
        .previous = signing->previous,
        .new_keys = cli_flag(call, "new-keys"),
        .now = call->now,
        .threads = call->threads,
        .progress = cli_progress_show,
        .progress_context = &progress,
    };
    cli_progress_start(&progress, cli_progress_wanted(call), "signing");
    int error = sign_zone(&request, &call->findings, &signing->result);
    cli_progress_end(&progress);
    return error;
}

/* The verifier looks at the result before anybody else does. */
static int verify_result(struct signing *signing)
{
    struct cli_call *call = signing->call;
    if (!cli_flag(call, "verify"))
        return BASE_OK;
    struct cli_progress progress;
    struct validate_zone_options options = {.now = call->now,
                                            .threads = call->threads,
                                            .progress = cli_progress_show,
                                            .progress_context = &progress};
    struct validate_zone_result result;
    size_t before = call->findings.totals[BASE_ERROR];
    /* Lines of signatures that were kept are those of another file. */
    size_t files = signing->result.zone->file_count;
    if (signing->previous != NULL)
        signing->result.zone->file_count = 0;
    cli_progress_start(&progress, cli_progress_wanted(call), "verifying");
    int error = validate_zone(signing->result.zone, &options, &call->findings, &result);
    signing->result.zone->file_count = files;
    cli_progress_end(&progress);
    if (error == BASE_OK && call->findings.totals[BASE_ERROR] > before)
        error = BASE_EREFUSED;
    return error;
}

static void report(struct signing *signing)
{
    struct cli_call *call = signing->call;
    const struct sign_result *result = &signing->result;
    char name[DNS_NAME_TEXT], made[CLI_NUMBER_TEXT], kept[CLI_NUMBER_TEXT], time[BASE_TIME_TEXT];
    cli_summary_zone(call, result->zone);
    cli_summary_text(call, "output", signing->output);
    cli_summary_count(call, "signatures_made", result->signatures_made);
    cli_summary_count(call, "signatures_kept", result->signatures_kept);
    cli_summary_count(call, "chain_records", result->chain_records);
    cli_summary_count(call, "keys_made", signing->keys_made);
    base_time_iso(result->earliest_expiry, time);
    cli_summary_text(call, "earliest_expiry", time);
    base_time_iso(result->next_resign, time);
    cli_summary_text(call, "next_resign", time);
    cli_summary_words(call, "%s: serial %u, %s signatures made, %s kept, sign again before %s",
                      dns_name_text(name, result->zone->apex), result->serial,
                      cli_number(made, result->signatures_made),
                      cli_number(kept, result->signatures_kept), time);
}

static int work(struct signing *signing, int *code)
{
    int error = read_policy(signing, code);
    if (error == BASE_OK)
        error = load_input(signing);
    if (error == BASE_OK)
        error = load_previous(signing);
    if (error == BASE_OK)
        error = open_keys(signing);
    if (error == BASE_OK)
        error = sign(signing);
    if (error == BASE_OK)
        error = verify_result(signing);
    if (error == BASE_OK) {
        struct zone_write_options options = {.form = ZONE_TEXT_LINES};
        error = cli_write_zone(signing->call, signing->result.zone, signing->output, &options);
    }
    if (error == BASE_OK)
        report(signing);
    return error;
}

/* example.zone becomes example.zone.signed; standard input goes to standard output. */
static const char *output_name(struct cli_call *call, const char *input)
{
    const char *output = cli_text(call, "output");
    if (output != NULL)
        return output;
    return strcmp(input, "-") == 0 ? "-" : base_arena_printf(&call->arena, "%s.signed", input);
}

static int run(struct cli_call *call)
{
    struct signing signing = {.call = call, .input = call->operands[0]};
    signing.output = output_name(call, signing.input);
    if (signing.output == NULL)
        return cli_finish(call, BASE_ENOMEM);
    call->data_on_stdout = strcmp(signing.output, "-") == 0;
    call->notes = false; /* they are for kenter check */
    int code = CLI_GOOD;
    int error = work(&signing, &code);
    if (code == CLI_GOOD)
        code = cli_finish(call, error);
    zone_release(signing.result.zone);
    zone_release(signing.previous);
    zone_release(signing.zone);
    if (signing.keys_open)
        crypto_keydir_free(&signing.keys);
    return code;
}

const struct cli_verb cli_verb_sign = {
    .name = "sign",
    .summary = "sign a zone, all of it or only what changed",
    .description =
        "Reads a zone file, checks it, signs it with the keys of a directory and writes the "
        "signed zone. DNSSEC records in the file are dropped and made anew. When the directory has "
        "no key for the zone, keys are made as the policy says.\n\n"
        "With --previous, signatures of the last signed version are kept where they are still "
        "right and will not expire soon; the content is the same as after signing everything. "
        "Whether a signature is right is judged by the data, the key and the dates; --verify also "
        "computes it.\n\n"
        "A zone with errors is refused. The output file is put into place only when it is "
        "complete: after any failure the old one is still there.",
    .operands =
        (const struct cli_operand[]){{.name = "FILE",
                                      .kind = CLI_FILE,
                                      .help = "The unsigned zone file; \"-\" is standard input."},
                                     {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "output",
             .letter = 'o',
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Where the signed zone goes; the default is FILE.signed. \"-\" is standard "
                     "output."},
            {.name = "keys",
             .letter = 'k',
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .required = true,
             .help = "Where the keys are; it is made when it is missing."},
            {.name = "policy",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "How to sign; without it the defaults hold."},
            {.name = "previous",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "The last signed version, whose good signatures are kept."},
            {.name = "new-keys",
             .kind = CLI_FLAG,
             .help = "Sign although none of the keys is in the previous version: for a zone whose "
                     "parent has no DS."},
            {.name = "at",
             .kind = CLI_TIME,
             .argument = "TIME",
             .help = "Sign as if it were this time: now+7d, 2026-11-21, 20261121235959."},
            {.name = "serial",
             .kind = CLI_CHOICE,
             .argument = "keep|increment|unixtime|date",
             .help = "What becomes of the SOA serial."},
            {.name = "nsec3",
             .kind = CLI_FLAG,
             .help = "Prove absence with NSEC3 instead of NSEC."},
            {.name = "opt-out",
             .kind = CLI_FLAG,
             .help = "NSEC3 with opt-out: no records for insecure delegations."},
            {.name = "algorithm",
             .kind = CLI_TEXT,
             .argument = "NAME",
             .help = "Of keys that are made: ECDSAP256SHA256, ED25519, 13 ..."},
            {.name = "validity",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "How long signatures are valid: 14d."},
            {.name = "refresh",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Signatures with less than this left are made anew: 7d."},
            {.name = "jitter",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Spread expirations over this time: 1d."},
            {.name = "zonemd",
             .kind = CLI_CHOICE,
             .argument = "none|sha384|sha512",
             .help = "Put a digest of the whole zone into it."},
            {.name = "verify",
             .kind = CLI_FLAG,
             .help = "Let the verifier check the signed zone before it is written."},
            {.name = "allow-errors",
             .kind = CLI_FLAG,
             .help = "Sign although the checks found errors in the zone. Syntax errors are always "
                     "refused."},
            CLI_OPTION_ORIGIN,
            CLI_OPTION_INCLUDE,
            CLI_OPTION_STRICT,
            CLI_OPTION_LIMIT,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter sign example.com.zone -o example.com.signed --keys keys/",
             "Sign; the first time this makes a key."},
            {"kenter sign example.com.zone -o example.com.signed --previous example.com.signed "
             "--keys keys/",
             "Sign again after a change: fast, since good signatures stay."},
            {"kenter sign tld.zone -o tld.signed --keys keys/ --opt-out --serial unixtime",
             "A zone with many insecure delegations."},
            {NULL, NULL}},
    .run = run,
};
