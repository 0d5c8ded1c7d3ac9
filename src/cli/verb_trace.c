/* kenter trace: the chain from the root to an answer, and what is wrong with it. */
#include "base/error.h"
#include "base/file.h"
#include "cli/ask.h"
#include "cli/report.h"
#include "cli/servers.h"
#include "cli/terminal.h"
#include "resolve/show.h"

#include <stdlib.h>
#include <string.h>

/* Options that say how a case was recorded. */
static const char *const recorded_options[] = {"server", "recursive", "root-hints", "tls-ca",
                                               "anchor", "negative",  "at",         "skew",
                                               "legacy", "save",      "track",      NULL};

static int check_use(struct cli_ask *ask)
{
    struct cli_call *call = ask->call;
    const char *replay = cli_text(call, "replay");
    if (cli_flag(call, "json") + cli_flag(call, "dot") + cli_flag(call, "svg") > 1)
        return cli_usage_error(call->verb, "only one of --json, --dot and --svg can be wanted");
    if (replay == NULL)
        return ask->name == NULL && !cli_ask_wants_state(ask)
                   ? cli_usage_error(call->verb, "NAME is missing")
                   : CLI_GOOD;
    if (call->operand_count > 0)
        return cli_usage_error(call->verb, "the question is that of the case, not \"%s\"",
                               call->operands[0]);
    for (const char *const *option = recorded_options; *option != NULL; option++) {
        if (cli_flag(call, *option))
            return cli_usage_error(call->verb,
                                   "--%s does not go with --replay: a case is judged "
                                   "as it was recorded",
                                   *option);
    }
    return CLI_GOOD;
}

/* Is the terminal one that shows more than ASCII? */
static bool is_plain_terminal(const struct cli_call *call)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (cli_flag(call, "ascii"))
        return true;
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") == NULL && strcasestr(value, "utf8") == NULL;
    }
    return true;
}

static int write_out(struct cli_call *call, const char *path, const struct base_buf *text,
                     const char *trouble)
{
    if (text->error != BASE_OK)
        return text->error;
    struct base_file_writer *writer = NULL;
    int error = base_file_create(path, 0644, &writer);
    if (error == BASE_OK) {
        error = base_file_write(writer, text->data, text->length);
        if (error == BASE_OK)
            error = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, path, trouble);
    return error;
}

static int save(struct cli_ask *ask, const char *path)
{
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    int error = resolve_recording_to_json(ask->recording, &text);
    if (error == BASE_ELIMIT) {
        base_findings_add(&ask->call->findings, REPLAY_PARTIAL, NULL,
                          "the case has become too large to be recorded");
        error = BASE_EREFUSED;
    } else if (error == BASE_OK) {
        error = write_out(ask->call, path, &text, "the case cannot be written");
    }
    base_buf_free(&text);
    return error;
}

/* The sentence goes with a picture as with a terminal; where standard output is taken, to standard
 * error. */
static void say_sentence(const struct cli_call *call, const struct validate_result *result)
{
    if (result->sentence != NULL)
        cli_say(call, "%s\n", result->sentence);
}

static int draw(struct cli_call *call, const struct validate_result *result)
{
    struct base_buf text;
    const char *path = cli_text(call, "output");
    base_buf_init(&text, SIZE_MAX / 2);
    if (cli_flag(call, "dot"))
        resolve_show_dot(result, &text);
    else
        resolve_show_svg(result, &text);
    call->data_on_stdout = path == NULL || strcmp(path, "-") == 0;
    int error = write_out(call, path == NULL ? "-" : path, &text, "the picture cannot be written");
    base_buf_free(&text);
    say_sentence(call, result);
    return error;
}

static int print(struct cli_call *call, const struct validate_result *result)
{
    struct resolve_show_options options = {
        .color = call->color,
        .ascii = is_plain_terminal(call),
        .width = (unsigned)cli_count(call, "width", cli_width(stdout)),
    };
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    resolve_show_text(result, &options, &text);
    if (text.error == BASE_OK)
        fwrite(text.data, 1, text.length, stdout);
    int error = text.error;
    base_buf_free(&text);
    return error;
}

/* Where the findings are not part of what is shown, they become findings of the call. */
static int show(struct cli_call *call, const struct validate_result *result)
{
    if (call->json) {
        base_buf_text(&call->members, ",\"result\":");
        resolve_show_json(result, &call->members);
    }
    if (!call->json && (cli_flag(call, "dot") || cli_flag(call, "svg"))) {
        cli_ask_findings(call, result);
        return draw(call, result);
    }
    if (!call->json && !call->quiet && !call->brief)
        return print(call, result);
    cli_ask_findings(call, result);
    say_sentence(call, result);
    return BASE_OK;
}

static void summarize(struct cli_call *call, const struct validate_result *result)
{
    cli_summary_text(call, "status", validate_status_name(result->status));
    cli_summary_count(call, "queries", result->queries);
    cli_summary_count(call, "verifications", result->verifications);
}

static int trace(struct cli_ask *ask, const struct validate_result **result)
{
    struct cli_call *call = ask->call;
    const char *path = cli_text(call, "save");
    int error = cli_ask_lookup(ask, result);
    if (error != BASE_OK)
        return error;
    call->outcome = cli_ask_code(*result);
    error = show(call, *result);
    summarize(call, *result);
    if (error == BASE_OK && cli_flag(call, "all-servers"))
        error = cli_servers_compare(ask, *result);
    if (error == BASE_OK && path != NULL)
        error = save(ask, path);
    size_t missed = ask->recording == NULL ? 0 : resolve_recording_missed(ask->recording);
    if (missed > 0)
        base_findings_add(&call->findings, REPLAY_MISSED, NULL,
                          "%zu of the questions that came up are not in the case", missed);
    return error;
}

static int run(struct cli_call *call)
{
    struct cli_ask ask;
    int error = BASE_OK;
    int code = cli_ask_parse(&ask, call);
    if (code == CLI_GOOD)
        code = check_use(&ask);
    if (code != CLI_GOOD)
        return code;
    const char *replay = cli_text(call, "replay");
    code = replay != NULL ? cli_ask_replay(&ask, replay, &error)
                          : cli_ask_open(&ask, cli_text(call, "save") != NULL, &error);
    const struct validate_result *result = NULL;
    if (code == CLI_GOOD)
        error = cli_ask_wants_state(&ask) && replay == NULL ? cli_ask_show_state(&ask)
                                                            : trace(&ask, &result);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    validate_result_unref(result);
    cli_ask_close(&ask);
    return code;
}

const struct cli_verb cli_verb_trace = {
    .name = "trace",
    .summary = "draw the chain of trust from the root to an answer, and say what is wrong with it",
    .description =
        "Asks a question, validates the answer itself, whatever the resolver says of it, and draws "
        "how it came to the verdict: each zone with its DS and keys, which key is vouched for and "
        "which one signs, every signature with its dates, aliases, and the proofs of what is not "
        "there. Below stands one sentence: what is so or what is wrong, and who must do what, by "
        "when. The findings follow, the cause first and under it what follows from it.\n\n"
        "With --all-servers every address of every name server of the zones on the way is asked "
        "by itself, and compared: serials, keys, NS records, DS, delegations with their glue, and "
        "the answer.\n\n"
        "A case that was saved holds all packets and the clock. Replayed, it gives the same result "
        "for ever, without a network.",
    .operands = cli_ask_operands,
    .options =
        (const struct cli_option[]){
            CLI_OPTIONS_ASK,
            {.name = "dot",
             .kind = CLI_FLAG,
             .help = "Write the chain as a graph for dot of Graphviz."},
            {.name = "svg", .kind = CLI_FLAG, .help = "Write the chain as a picture (SVG)."},
            {.name = "output",
             .letter = 'o',
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Where --dot and --svg write to; standard output otherwise."},
            {.name = "save",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Keep all packets and the clock in this file."},
            {.name = "replay",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Ask nobody: judge what was saved in this file, as of then."},
            {.name = "all-servers",
             .kind = CLI_FLAG,
             .help = "Also ask each name server of each zone on the way, and compare them."},
            {.name = "ascii",
             .kind = CLI_FLAG,
             .help = "Draw with ASCII characters only, as is done without a UTF-8 locale."},
            {.name = "width",
             .kind = CLI_COUNT,
             .argument = "COLUMNS",
             .help = "Draw as wide as this; otherwise as wide as the terminal."},
            {.name = "strict", .kind = CLI_FLAG, .help = "Warnings make the exit code 1, too."},
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter trace www.example.com AAAA", "Is it secure, and why?"},
            {"kenter trace --svg -o report.svg www.example.com", "A picture of it, for a report."},
            {"kenter trace --save case.json www.example.com @192.0.2.53",
             "Through a certain resolver, with all packets kept."},
            {"kenter trace --replay case.json", "The same again, years later, without a network."},
            {"kenter trace --all-servers example.com SOA",
             "Do all its servers, and those of the zones above it, say the same?"},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){
            {0, "The answer, or that there is none, is secure."},
            {1, "It is bogus; or with --all-servers, a server has something that is wrong."},
            {4, "It is insecure: it is proved that security ends above it."},
            {5, "It is indeterminate: no trust anchor covers it."},
            {6, "Nothing could be judged: no answers, garbage, or a budget was spent."},
            {-1, NULL}},
    .run = run,
};
