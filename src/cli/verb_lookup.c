/* kenter lookup: a validated answer, in few words. Fails closed. */
#include "base/error.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "resolve/show.h"

#include <string.h>

static bool may_be_given(const struct cli_call *call, const struct validate_result *result)
{
    return result->status == VALIDATE_SECURE ||
           (result->status == VALIDATE_INSECURE && !cli_flag(call, "require-secure"));
}

/* Lines of a zone file; what is not secure is marked by a line before it. */
static int print_lines(const struct validate_result *result)
{
    char name[DNS_NAME_TEXT];
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    if (result->status == VALIDATE_INSECURE)
        base_buf_printf(&text, "; insecure: security ends at %s\n",
                        result->insecure == NULL ? "?" : dns_name_text(name, result->insecure));
    for (size_t i = 0; i < result->answer_count; i++) {
        const struct validate_records *set = &result->answer[i];
        for (size_t j = 0; j < set->count; j++) {
            cli_record_text(&text, set->name, set->ttl, set->type, set->rdata[j].data,
                            set->rdata[j].length);
            base_buf_u8(&text, '\n');
        }
    }
    if (text.error == BASE_OK)
        fwrite(text.data, 1, text.length, stdout);
    int error = text.error;
    base_buf_free(&text);
    return error;
}

static void print_json(struct cli_call *call, const struct validate_result *result)
{
    size_t written = 0;
    base_buf_text(&call->members, ",\"records\":[");
    bool given = may_be_given(call, result) && result->answer != NULL;
    for (size_t i = 0; given && i < result->answer_count; i++) {
        const struct validate_records *set = &result->answer[i];
        for (size_t j = 0; j < set->count; j++) {
            base_buf_text(&call->members, written++ > 0 ? ",{" : "{");
            cli_record_json(&call->members, set->name, set->ttl, set->type, set->rdata[j].data,
                            set->rdata[j].length);
            base_buf_u8(&call->members, '}');
        }
    }
    base_buf_text(&call->members, "]");
    base_buf_printf(&call->members,
                    ",\"status\":\"%s\",\"sentence\":", validate_status_name(result->status));
    base_json_text(&call->members, result->sentence);
    base_buf_printf(&call->members, ",\"ttl\":%u", result->ttl);
}

static int lookup(struct cli_ask *ask, const struct validate_result *result)
{
    struct cli_call *call = ask->call;
    call->outcome = cli_ask_code(result);
    call->data_on_stdout = !call->json;
    cli_summary_text(call, "status", validate_status_name(result->status));
    if (call->json) {
        print_json(call, result);
        cli_ask_findings(call, result);
        return BASE_OK;
    }
    bool given = may_be_given(call, result) && result->answer != NULL;
    if (!call->quiet && result->sentence != NULL && (!given || result->status != VALIDATE_SECURE)) {
        cli_print_safely(stderr, result->sentence);
        fputc('\n', stderr);
    }
    return given ? print_lines(result) : BASE_OK;
}

static int run(struct cli_call *call)
{
    struct cli_ask ask;
    int error = BASE_OK;
    int code = cli_ask_parse(&ask, call);
    if (code != CLI_GOOD)
        return code;
    bool state = cli_ask_wants_state(&ask);
    if (ask.name == NULL && !state)
        return cli_usage_error(call->verb, "NAME is missing");
    const struct validate_result *result = NULL;
    code = cli_ask_open(&ask, false, &error);
    if (code == CLI_GOOD)
        error = state ? cli_ask_show_state(&ask) : cli_ask_lookup(&ask, &result);
    if (code == CLI_GOOD && error == BASE_OK && !state)
        error = lookup(&ask, result);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    validate_result_unref(result);
    cli_ask_close(&ask);
    return code;
}

const struct cli_verb cli_verb_lookup = {
    .name = "lookup",
    .summary = "look up records, validated; nothing is printed that is not proved",
    .description =
        "Asks a question, validates the answer itself, and prints it as lines of a zone file. It "
        "fails closed: of an answer that is bogus, or cannot be judged, nothing goes to standard "
        "output; standard error says in one sentence why, and the exit code tells it to "
        "scripts.\n\n"
        "What is insecure (it is proved that the zone is not signed) is printed behind a line "
        "\"; insecure: ...\", and the exit code is 4; with --require-secure it is not printed "
        "either. A secure proof that there are no such records prints nothing, and the exit code "
        "is "
        "0. kenter trace shows how a verdict came about.",
    .operands = cli_ask_operands,
    .options = (const struct cli_option[]){CLI_OPTIONS_ASK,
                                           {.name = "require-secure",
                                            .letter = 's',
                                            .kind = CLI_FLAG,
                                            .help = "Do not print what is insecure either."},
                                           {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter lookup www.example.com AAAA", "Through the system's resolver."},
            {"kenter lookup _25._tcp.mx.example.net TLSA @tls://192.0.2.53#dns.example.net",
             "Over TLS."},
            {"kenter lookup -s -q example.com SSHFP || echo 'do not trust it'", "In a script."},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){
            {0, "The answer, or that there is none, is secure."},
            {1, "It is bogus."},
            {4, "It is insecure: it is proved that security ends above it."},
            {5, "It is indeterminate: no trust anchor covers it."},
            {6, "Nothing could be judged: no answers, garbage, or a budget was spent."},
            {-1, NULL}},
    .run = run,
};
