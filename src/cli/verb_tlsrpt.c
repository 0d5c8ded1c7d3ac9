/* kenter tlsrpt: reports about TLS sessions to those who asked for them. */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/report.h"
#include "dane/tlsrpt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX    (256 * 1024 * 1024)
#define DOCUMENT_MAX (10 * 1024 * 1024)
#define DAY          86400

struct job {
    struct cli_ask ask;
    struct cli_call *call;
    struct dane_tlsrpt *report;
    struct dane_tlsrpt_sender sender;
    base_time from;
    size_t sessions, skipped, documents;
};

/* --- sessions, a JSON object a line --- */

static void complain(struct job *job, const char *path, uint32_t line, const char *what)
{
    struct base_place place = {.file = path, .line = line};
    base_findings_add(&job->call->findings, TLSRPT_SESSION, &place, "%s", what);
}

static int take_line(struct job *job, const char *path, uint32_t line, const char *from,
                     size_t length)
{
    struct dane_tlsrpt_session session;
    struct base_arena arena;
    struct json_t *root;
    char why[200];
    base_arena_init(&arena, 0);
    int status = dane_tlsrpt_session_read(from, length, job->from, &arena, &root, &session, why);
    if (status == BASE_OK) {
        status = dane_tlsrpt_add(job->report, &session);
        if (status == BASE_EFORMAT)
            snprintf(why, sizeof why, "the policy domain is no domain");
        dane_tlsrpt_session_free(root);
    }
    if (status == BASE_OK)
        job->sessions++;
    else if (status == BASE_ERANGE)
        job->skipped++; /* of another day */
    else if (status == BASE_EFORMAT)
        complain(job, path, line, why);
    else if (status == BASE_ELIMIT)
        complain(job, path, line, "there are more domains or policies than are counted");
    base_arena_free(&arena);
    return status == BASE_ENOMEM ? status : BASE_OK;
}

static int read_file(struct job *job, const char *path)
{
    uint8_t *data;
    size_t length;
    int status = base_file_read(path, INPUT_MAX, &data, &length);
    if (status == BASE_EIO)
        cli_file_finding(job->call, FILE_UNREADABLE, path, "the sessions cannot be read");
    if (status != BASE_OK)
        return status == BASE_EIO ? BASE_EREFUSED : status;
    uint32_t line = 0;
    for (const char *at = (const char *)data, *end = at + length; status == BASE_OK && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        line++;
        if (size > 0)
            status = take_line(job, path, line, at, size);
        at += size + 1;
    }
    free(data);
    return status;
}

/* --- reports --- */

static int write_document(struct job *job, const char *domain, const char **name)
{
    struct base_file_writer *writer;
    struct base_buf document;
    const char *directory = cli_text(job->call, "output");
    char *file = dane_tlsrpt_file_name(job->report, domain, &job->sender);
    const char *path =
        file ? base_arena_printf(&job->call->arena, "%s/%s", directory ? directory : ".", file)
             : NULL;
    free(file);
    base_buf_init(&document, DOCUMENT_MAX);
    int status =
        path ? dane_tlsrpt_document(job->report, domain, &job->sender, &document) : BASE_ENOMEM;
    if (status == BASE_OK)
        status = base_file_create(path, 0644, &writer);
    if (status == BASE_OK) {
        status = base_file_write(writer, document.data, document.length);
        if (status == BASE_OK)
            status = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    if (status == BASE_EIO)
        cli_file_finding(job->call, FILE_UNWRITABLE, path, "the report cannot be written");
    base_buf_free(&document);
    *name = path;
    return status == BASE_EIO ? BASE_EREFUSED : status;
}

static void print_member(struct job *job, const char *domain, const char *path,
                         const struct dane_tlsrpt_rua *rua, const char *why)
{
    struct base_buf *out = &job->call->members;
    base_buf_printf(out, "%s{\"domain\":", job->documents++ > 0 ? "," : "");
    base_json_text(out, domain);
    base_buf_text(out, ",\"file\":");
    base_json_text(out, path);
    base_buf_text(out, ",\"rua\":[");
    for (size_t i = 0; i < rua->count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        base_json_text(out, rua->uris[i]);
    }
    base_buf_text(out, "],\"reason\":");
    base_json_text(out, why[0] != '\0' ? why : NULL);
    base_buf_text(out, "}");
    cli_say(job->call, "%s:", domain);
    for (size_t i = 0; i < rua->count; i++)
        cli_say(job->call, " %s", rua->uris[i]);
    if (why[0] != '\0')
        cli_say(job->call, " %s", why);
    cli_say(job->call, path ? " (%s)\n" : "\n", path);
}

static int find_rua(struct job *job, const char *domain, struct dane_tlsrpt_rua *rua, char why[200])
{
    const struct validate_result *result;
    const char *name = base_arena_printf(&job->call->arena, "_smtp._tls.%s.", domain);
    const uint8_t *wire = name ? cli_parse_name(job->call, name) : NULL;
    if (!wire) {
        snprintf(why, 200, "the name of the record would be longer than names can be");
        return BASE_OK;
    }
    int status = resolve_lookup(job->ask.context, wire, DNS_TYPE_TXT, &result);
    if (status != BASE_OK)
        return status;
    status = dane_tlsrpt_rua_find(result, rua, why);
    validate_result_unref(result);
    return status == BASE_ENOMEM ? status : BASE_OK;
}

static int report_domain(struct job *job, const char *domain)
{
    struct dane_tlsrpt_rua rua = {.count = 0};
    char why[200] = "";
    const char *path = NULL;
    int status = find_rua(job, domain, &rua, why);
    if (status == BASE_OK && (rua.count > 0 || cli_flag(job->call, "all")))
        status = write_document(job, domain, &path);
    if (status == BASE_OK)
        print_member(job, domain, path, &rua, why);
    dane_tlsrpt_rua_free(&rua);
    return status;
}

static int report_all(struct job *job)
{
    struct cli_call *call = job->call;
    int status = dane_tlsrpt_new(job->from, job->from + DAY, &job->report);
    for (size_t i = 0; status == BASE_OK && i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "sessions") == 0)
            status = read_file(job, call->values[i].text);
    }
    base_buf_text(&call->members, ",\"reports\":[");
    const char *domain;
    for (size_t i = 0; status == BASE_OK && (domain = dane_tlsrpt_domain(job->report, i)); i++)
        status = report_domain(job, domain);
    base_buf_text(&call->members, "]");
    cli_summary_count(call, "sessions", job->sessions);
    cli_summary_count(call, "other_days", job->skipped);
    cli_summary_words(call, "%zu lines of sessions, %zu of other days", job->sessions,
                      job->skipped);
    dane_tlsrpt_free(job->report);
    return status;
}

static int run(struct cli_call *call)
{
    struct job job = {.call = call};
    int error = BASE_OK;
    int code = cli_ask_parse(&job.ask, call);
    if (code == CLI_GOOD && call->operand_count > 0)
        code = cli_usage_error(call->verb, "\"%s\" is one argument too many", call->operands[0]);
    if (code != CLI_GOOD)
        return code;
    job.from = cli_time(call, "day", call->now - DAY);
    job.from -= job.from % DAY;
    job.sender = (struct dane_tlsrpt_sender){
        .organization = cli_text(call, "organization"),
        .contact = cli_text(call, "contact"),
        .submitter = cli_text(call, "submitter"),
    };
    code = cli_ask_open(&job.ask, false, &error);
    if (code == CLI_GOOD)
        error = report_all(&job);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    cli_ask_close(&job.ask);
    return code;
}

const struct cli_verb cli_verb_tlsrpt = {
    .name = "tlsrpt",
    .summary = "report the TLS sessions of a day to the domains that asked for it (RFC 8460)",
    .description =
        "Reads what became of sessions with mail servers, a JSON object a line, counts them by "
        "domain and policy, looks up at _smtp._tls who wants to be told, and writes for each such "
        "domain the report as a file, ready to be compressed and sent; standard output names the "
        "destinations. docs/postfix.md tells the members of the lines, which are named as those "
        "of reports are. Sending is left to the mail server and to curl.",
    .options =
        (const struct cli_option[]){
            {.name = "sessions",
             .kind = CLI_FILE,
             .argument = "FILE",
             .repeats = true,
             .required = true,
             .help = "Read sessions from there. May be given several times."},
            {.name = "organization",
             .kind = CLI_TEXT,
             .argument = "NAME",
             .required = true,
             .help = "Who reports."},
            {.name = "contact",
             .kind = CLI_TEXT,
             .argument = "MAIL",
             .required = true,
             .help = "Whom to ask about it."},
            {.name = "submitter",
             .kind = CLI_TEXT,
             .argument = "NAME",
             .required = true,
             .help = "The domain that reports, for names of files and reports."},
            {.name = "day",
             .kind = CLI_TIME,
             .argument = "DATE",
             .help = "Report this day (UTC); the default is yesterday."},
            {.name = "output",
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .help = "Write reports there instead of into the current directory."},
            {.name = "all",
             .kind = CLI_FLAG,
             .help = "Write reports for domains that did not ask for them, too."},
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsrpt --sessions FILE --organization Org --contact me@a.example "
             "--submitter a.example",
             "Yesterday's reports."},
            {NULL, NULL}},
    .run = run,
};
