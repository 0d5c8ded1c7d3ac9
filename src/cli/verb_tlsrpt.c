/* kenter tlsrpt: reports about TLS sessions to those who asked for them. */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/report.h"
#include "cli/tlsrpt_send.h"
#include "dane/tlsrpt_days.h"
#include "dane/tlsrpt_mail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX    (256 * 1024 * 1024)
#define DOCUMENT_MAX (10 * 1024 * 1024)
#define DAY          86400
#define SETTLE       1800 /* after midnight, until the sessions of the day are all there */
#define KEEP         (30 * DAY)

struct job {
    struct cli_ask ask;
    struct cli_call *call;
    struct dane_tlsrpt *report;
    struct dane_tlsrpt_sender sender;
    base_time from;
    struct dane_tlsrpt_spool *spool; /* NULL: reports are files, and that is all */
    size_t sessions, skipped, documents;
    size_t unknown; /* domains of which it could not be found out whether they want a report */
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

/* Of a directory, the file of the day, which need not be there. */
static int read_file(struct job *job, const char *path)
{
    uint8_t *data;
    size_t length;
    struct stat info;
    bool optional = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (optional) {
        char name[32];
        dane_tlsrpt_day_file(job->from, name);
        path = base_arena_printf(&job->call->arena, "%s/%s", path, name);
        if (!path)
            return BASE_ENOMEM;
    }
    int status = base_file_read(path, INPUT_MAX, &data, &length);
    if (status == BASE_EIO && optional && errno == ENOENT)
        return BASE_OK;
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
    job->unknown += status == BASE_EIO;
    return status == BASE_ENOMEM ? status : BASE_OK;
}

/* --- to be sent --- */

/* Spreads first tries over --spread, each domain always at the same place of it. */
static base_time first_try(const struct job *job, const char *domain)
{
    uint32_t spread = (uint32_t)cli_duration(job->call, "spread", 0), place = 2166136261U;
    for (const char *at = domain; *at != '\0'; at++)
        place = (place ^ (unsigned char)*at) * 16777619U;
    for (const char *at = job->sender.submitter; *at != '\0'; at++)
        place = (place ^ (unsigned char)*at) * 16777619U;
    return job->call->now + (spread > 0 ? place % spread : 0);
}

static int add_parcel(struct job *job, const char *name, const char *domain,
                      const struct dane_tlsrpt_rua *rua)
{
    struct base_buf document;
    struct dane_tlsrpt_parcel parcel = {
        .name = (char *)(uintptr_t)name,
        .domain = (char *)(uintptr_t)domain,
        .submitter = (char *)(uintptr_t)job->sender.submitter,
        .id = dane_tlsrpt_report_id(job->report, domain, &job->sender),
        .contact = (char *)(uintptr_t)job->sender.contact,
        .count = rua->count,
    };
    for (size_t i = 0; i < rua->count; i++)
        parcel.targets[i] =
            (struct dane_tlsrpt_target){.uri = rua->uris[i], .next = first_try(job, domain)};
    base_buf_init(&document, DOCUMENT_MAX);
    int status = parcel.id ? dane_tlsrpt_document(job->report, domain, &job->sender, &document)
                           : BASE_ENOMEM;
    if (status == BASE_OK)
        status = dane_tlsrpt_spool_add(job->spool, &parcel, document.data, document.length);
    base_buf_free(&document);
    free(parcel.id);
    return status;
}

static int spool_domain(struct job *job, const char *domain)
{
    struct dane_tlsrpt_rua rua = {.count = 0};
    char why[200] = "";
    char *name = dane_tlsrpt_file_name(job->report, domain, &job->sender);
    if (!name)
        return BASE_ENOMEM;
    name[strlen(name) - strlen(".json")] = '\0';
    int status = BASE_OK;
    if (!dane_tlsrpt_spool_has(job->spool, name)) {
        status = find_rua(job, domain, &rua, why);
        if (status == BASE_OK && rua.count > 0)
            status = add_parcel(job, name, domain, &rua);
        if (status == BASE_OK)
            print_member(job, domain, rua.count > 0 ? name : NULL, &rua, why);
    }
    dane_tlsrpt_rua_free(&rua);
    free(name);
    return status;
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

static int make_reports(struct job *job)
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
        status = job->spool ? spool_domain(job, domain) : report_domain(job, domain);
    base_buf_text(&call->members, "]");
    if (status == BASE_OK && job->spool && job->unknown == 0)
        status = dane_tlsrpt_spool_made(job->spool, job->from);
    cli_summary_count(call, "sessions", job->sessions);
    cli_summary_count(call, "other_days", job->skipped);
    cli_summary_words(call, "%zu lines of sessions, %zu of other days", job->sessions,
                      job->skipped);
    dane_tlsrpt_free(job->report);
    return status;
}

static int send_reports(struct job *job)
{
    struct cli_call *call = job->call;
    const char *directory = cli_text(call, "output"), *sendmail = cli_text(call, "sendmail");
    struct cli_tlsrpt_send send = {
        .ask = &job->ask,
        .ca_file = cli_text(call, "report-ca"),
        .sendmail = sendmail ? sendmail : "/usr/sbin/sendmail",
        .keep = KEEP,
    };
    bool early = !cli_text(call, "day") && call->now % DAY < SETTLE;
    int status = dane_tlsrpt_spool_open(directory, &job->spool);
    if (status == BASE_EEXIST)
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL,
                          "another process sends the reports in %s", directory);
    if (status == BASE_OK && !early && !dane_tlsrpt_spool_is_made(job->spool, job->from))
        status = make_reports(job);
    send.spool = job->spool;
    if (status == BASE_OK)
        status = cli_tlsrpt_send(&send);
    if (status == BASE_OK)
        cli_summary_words(call, "%zu reports sent, %zu to be tried again, %zu given up", send.sent,
                          send.failed, send.given_up);
    if (status == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, directory, "reports cannot be kept");
    dane_tlsrpt_spool_close(job->spool);
    return status == BASE_EIO || status == BASE_EEXIST ? BASE_EREFUSED : status;
}

static int check_sending(struct cli_call *call)
{
    char address[DANE_TLSRPT_ADDRESS_MAX];
    if (!cli_text(call, "output"))
        return cli_usage_error(call->verb, "--send needs --output, where reports wait");
    if (dane_tlsrpt_mail_address(cli_text(call, "contact"), address) != BASE_OK)
        return cli_usage_error(call->verb, "--contact takes an address, which reports come from");
    return CLI_GOOD;
}

static int run(struct cli_call *call)
{
    struct job job = {.call = call};
    int error = BASE_OK;
    int code = cli_ask_parse(&job.ask, call);
    if (code == CLI_GOOD && call->operand_count > 0)
        code = cli_usage_error(call->verb, "\"%s\" is one argument too many", call->operands[0]);
    if (code == CLI_GOOD && cli_flag(call, "send"))
        code = check_sending(call);
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
        error = cli_flag(call, "send") ? send_reports(&job) : make_reports(&job);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    cli_ask_close(&job.ask);
    return code;
}

const struct cli_verb cli_verb_tlsrpt = {
    .name = "tlsrpt",
    .summary = "report the TLS sessions of a day to the domains that asked for it (RFC 8460)",
    .description =
        "Reads what became of sessions with mail servers, a JSON object a line (of a directory, as "
        "kenter tlsrpt collect keeps it, the file of the day), counts them by domain and policy, "
        "looks up at _smtp._tls who wants to be told, and writes for each such domain the report "
        "as a file; standard output names the destinations.\n\n"
        "With --send, reports are made once for a day, kept in --output, compressed, and sent: by "
        "https, or by mail through sendmail. Run it every quarter of an hour: what could not be "
        "sent is tried again for a day, less and less often. Nothing is sent twice: where it is "
        "not known whether a report arrived, it is not sent again. docs/tlsrpt.md tells more.",
    .options =
        (const struct cli_option[]){
            {.name = "sessions",
             .kind = CLI_FILE,
             .argument = "FILE",
             .repeats = true,
             .required = true,
             .help = "Read sessions from there, a file or a directory. May be given several "
                     "times."},
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
            {.name = "send",
             .kind = CLI_FLAG,
             .help = "Send the reports to those who asked for them, and what is left of other "
                     "days. Not before half an hour after midnight (UTC) without --day."},
            {.name = "spread",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Spread first tries over this time, so that not all reports of the world "
                     "come at midnight."},
            {.name = "sendmail",
             .kind = CLI_FILE,
             .argument = "PROGRAM",
             .help = "Send mail with it; the default is /usr/sbin/sendmail."},
            {.name = "report-ca",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "PEM file of those who may certify the hosts that take reports over https, "
                     "instead of the system's."},
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsrpt --sessions FILE --organization Org --contact me@a.example "
             "--submitter a.example",
             "Yesterday's reports."},
            {"kenter tlsrpt --send --sessions DIRECTORY --output DIRECTORY --organization Org "
             "...",
             "The same, sent."},
            {NULL, NULL}},
    .run = run,
};
