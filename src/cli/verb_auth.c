/* kenter auth: who serves a domain, and do the servers prove it? */
#include "base/error.h"
#include "base/file.h"
#include "base/thread.h"
#include "cli/peers.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS     16                 /* plans made at once with --from, unless --parallel */
#define CONNECTIONS 16                 /* of one domain at once */
#define LIST_OCTETS ((size_t)64 << 20) /* of the file of --from */

struct auth {
    struct cli_ask ask;
    enum dane_service service;
    struct dane_plan_options options;
    bool plan_only, no_posh;
    /* --from */
    const char *path;
    char *text, *at;
    uint32_t line;
    struct resolve_context *contexts[BASE_THREAD_MAX];
    unsigned workers;
    /* What came. */
    size_t domains, grades[4];
};

/* --- one domain --- */

static int check_visit(struct auth *auth, struct cli_visit *visit, const char *text)
{
    *visit = (struct cli_visit){.service = auth->service, .options = auth->options};
    if (cli_visit_parse(visit, text) != BASE_OK)
        return BASE_EFORMAT;
    if (visit->port == 0 && dane_service_info(auth->service)->port == 0 &&
        dane_srv_prefix(visit->domain) == 0)
        return BASE_EINVAL;
    return BASE_OK;
}

static void make(struct auth *auth, struct cli_visit *visit, struct resolve_context *context,
                 unsigned connections)
{
    cli_visit_plan(visit, auth->ask.call, context);
    if (!auth->plan_only && visit->error == BASE_OK)
        cli_visit_connect(visit, auth->ask.call, auth->ask.now, false, connections);
    if (visit->error == BASE_OK && !auth->no_posh)
        cli_visit_posh(visit, auth->ask.call, auth->ask.now, context);
}

/* Text or JSON, and the findings. */
static int show(struct auth *auth, const struct cli_visit *visit)
{
    struct cli_call *call = auth->ask.call;
    auth->domains++;
    auth->grades[cli_visit_grade(visit)]++;
    cli_visit_findings(visit, call);
    if (call->json) {
        base_buf_text(&call->members, auth->domains > 1 ? "," : "");
        cli_visit_json(visit, &call->members);
        return call->members.error;
    }
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    if (!call->quiet)
        cli_visit_text(visit, cli_color_wanted(cli_text(call, "color"), stdout), &text);
    if (text.error == BASE_OK)
        fwrite(text.data, 1, text.length, stdout);
    int error = text.error;
    base_buf_free(&text);
    return error;
}

static int run_one(struct auth *auth, const char *text)
{
    struct cli_visit visit;
    check_visit(auth, &visit, text);
    make(auth, &visit, auth->ask.context, CONNECTIONS);
    int error = visit.error == BASE_OK ? show(auth, &visit) : visit.error;
    cli_visit_free(&visit);
    return error;
}

/* --- many --- */

/* One line of the file. */
struct piece {
    struct cli_visit visit;
    uint32_t line;
    char *text;
};

static void drop_piece(void *context, void *piece)
{
    (void)context;
    cli_visit_free(&((struct piece *)piece)->visit);
    free(piece);
}

/* The next line that holds something, without blanks and comments; NULL at the end. */
static char *next_line(struct auth *auth)
{
    while (auth->at != NULL && *auth->at != '\0') {
        char *line = auth->at, *end = line + strcspn(line, "\n");
        auth->at = *end == '\0' ? end : end + 1;
        auth->line++;
        *end = '\0';
        line += strspn(line, " \t\r");
        line[strcspn(line, " \t\r#")] = '\0';
        if (*line != '\0')
            return line;
    }
    return NULL;
}

static int make_piece(void *context, void **out)
{
    struct auth *auth = context;
    char *line = next_line(auth);
    if (line == NULL)
        return BASE_OK;
    struct piece *piece = calloc(1, sizeof(*piece));
    if (piece == NULL)
        return BASE_ENOMEM;
    piece->line = auth->line;
    piece->text = line;
    *out = piece;
    return BASE_OK;
}

static int work_piece(void *context, void *item, unsigned worker)
{
    struct auth *auth = context;
    struct piece *piece = item;
    piece->visit.error = check_visit(auth, &piece->visit, piece->text);
    if (piece->visit.error != BASE_OK)
        return BASE_OK;
    if (auth->contexts[worker] == NULL) {
        int error = cli_ask_context(&auth->ask, &auth->contexts[worker]);
        if (error != BASE_OK)
            return error;
    }
    make(auth, &piece->visit, auth->contexts[worker], 2);
    return BASE_OK;
}

static int take_piece(void *context, void *item)
{
    struct auth *auth = context;
    struct piece *piece = item;
    struct base_place place = {.file = auth->path, .line = piece->line};
    int error = piece->visit.error;
    if (error == BASE_OK) {
        error = show(auth, &piece->visit);
    } else if (error == BASE_EFORMAT || error == BASE_EINVAL) {
        base_findings_add(&auth->ask.call->findings, AUTH_NO_DOMAIN, &place, "\"%s\" %s",
                          piece->text,
                          error == BASE_EFORMAT ? "is no domain" : "has no port behind a colon");
        auth->grades[CLI_VISIT_BAD]++;
        error = BASE_OK;
    }
    drop_piece(NULL, piece);
    return error;
}

static int run_many(struct auth *auth)
{
    struct cli_call *call = auth->ask.call;
    size_t length;
    int error = base_file_read(auth->path, LIST_OCTETS, (uint8_t **)&auth->text, &length);
    if (error == BASE_EIO) {
        cli_file_finding(call, FILE_UNREADABLE, auth->path, "the list of domains cannot be read");
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    auth->at = auth->text;
    struct base_pipeline pipeline = {
        .make = make_piece,
        .work = work_piece,
        .take = take_piece,
        .drop = drop_piece,
        .context = auth,
    };
    auth->workers = (unsigned)cli_count(call, "parallel", WORKERS);
    if (auth->workers == 0 || auth->workers > BASE_THREAD_MAX)
        auth->workers = auth->workers == 0 ? 1 : BASE_THREAD_MAX;
    error = base_pipeline_run(&pipeline, auth->workers, (size_t)8 * auth->workers);
    for (unsigned i = 0; i < auth->workers; i++) {
        if (auth->contexts[i] != NULL)
            resolve_context_free(auth->contexts[i]);
    }
    free(auth->text);
    return error;
}

/* --- the verb --- */

static int check_domain(struct auth *auth, const char *text)
{
    const struct cli_verb *verb = auth->ask.call->verb;
    struct cli_visit visit;
    char ascii[DANE_DOMAIN_MAX];
    int error = check_visit(auth, &visit, text);
    if (error == BASE_OK && visit.domain[0] != '[')
        error = dane_domain_to_ascii(visit.domain, ascii);
    if (error == BASE_EINVAL)
        return cli_usage_error(verb,
                               "the service %s has no port of its own: %s:PORT, or "
                               "_SERVICE._tcp before the domain",
                               auth->ask.call->operands[0], text);
    return error == BASE_OK ? CLI_GOOD : cli_usage_error(verb, "\"%s\" is no domain", text);
}

static int check_use(struct auth *auth)
{
    struct cli_call *call = auth->ask.call;
    auth->path = cli_text(call, "from");
    if (dane_service_by_name(call->operands[0], &auth->service) != BASE_OK)
        return cli_usage_error(call->verb, "there is no service \"%s\"", call->operands[0]);
    if ((call->operand_count > 1) == (auth->path != NULL))
        return cli_usage_error(call->verb, auth->path != NULL ? "a domain does not go with --from"
                                                              : "DOMAIN is missing");
    if (cli_peers_check(call) != CLI_GOOD)
        return CLI_USAGE;
    int code = CLI_GOOD;
    for (size_t i = 1; code == CLI_GOOD && i < call->operand_count; i++)
        code = check_domain(auth, call->operands[i]);
    return code;
}

static void summarize(struct auth *auth)
{
    struct cli_call *call = auth->ask.call;
    const size_t *grades = auth->grades;
    enum cli_visit_grade worst = CLI_VISIT_GOOD;
    for (int grade = CLI_VISIT_GOOD; grade <= CLI_VISIT_BAD; grade++) {
        if (grades[grade] > 0)
            worst = (enum cli_visit_grade)grade;
    }
    call->outcome = cli_visit_code(worst);
    /* What the findings say is in the code. */
    call->tolerated = call->findings.totals[BASE_ERROR];
    cli_summary_count(call, "domains", auth->domains);
    cli_summary_count(call, "good", grades[CLI_VISIT_GOOD]);
    cli_summary_count(call, "open", grades[CLI_VISIT_OPEN]);
    cli_summary_count(call, "nothing", grades[CLI_VISIT_NOTHING]);
    cli_summary_count(call, "bad", grades[CLI_VISIT_BAD]);
    if (auth->path != NULL || auth->domains > 1)
        cli_summary_words(call,
                          "%zu domains: %zu %s, %zu not, %zu without the service, %zu refused or "
                          "deferred",
                          auth->domains, grades[CLI_VISIT_GOOD],
                          auth->plan_only ? "to be authenticated" : "authenticated",
                          grades[CLI_VISIT_OPEN], grades[CLI_VISIT_NOTHING], grades[CLI_VISIT_BAD]);
}

static int run_service(struct auth *auth)
{
    struct cli_call *call = auth->ask.call;
    if (call->json)
        base_buf_text(&call->members, ",\"domains\":[");
    int error = auth->path != NULL ? run_many(auth) : BASE_OK;
    for (size_t i = 1; error == BASE_OK && i < call->operand_count; i++)
        error = run_one(auth, call->operands[i]);
    if (call->json)
        base_buf_text(&call->members, "]");
    if (error == BASE_OK)
        summarize(auth);
    return error;
}

static int run(struct cli_call *call)
{
    struct auth auth = {
        .plan_only = cli_flag(call, "plan"),
        .no_posh = cli_flag(call, "no-posh"),
        .options = {.mandatory = cli_flag(call, "mandatory"), .no_sts = cli_flag(call, "no-sts")},
    };
    int error = BASE_OK;
    int code = cli_ask_parse_options(&auth.ask, call);
    if (code == CLI_GOOD)
        code = check_use(&auth);
    if (code != CLI_GOOD)
        return code;
    code = cli_ask_open(&auth.ask, false, &error);
    if (code == CLI_GOOD)
        error = run_service(&auth);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    cli_ask_close(&auth.ask);
    return code;
}

const struct cli_verb cli_verb_auth = {
    .name = "auth",
    .summary = "find the servers of a domain, connect, and tell whether they prove who they are",
    .description =
        "Looks up, validated, who serves a domain (MX or SRV, addresses, TLSA records, for mail "
        "also MTA-STS), decides by the standards what each server has to prove, connects to each "
        "of them, starts TLS, and says in a line for each: authenticated or not, which record "
        "matched, why, and until when. An error on the way is never taken for an absence: a server "
        "whose TLSA records cannot be had is not used.\n\n"
        "SERVICE is smtp (MX, port 25), submission, submissions, imap, imaps, pop3, pop3s, sieve, "
        "xmpp-client, xmpp-server, sip (all by SRV records, or the domain itself without them), "
        "https, or tls, which needs a port, or a service before the domain that is found by SRV: "
        "_ldaps._tcp.example.org. With a port behind the domain neither MX nor SRV are looked up: "
        "that host is the server.\n\n"
        "With --plan there is no connection: the servers in the order in which they are to be "
        "tried, and what each will have to prove. With --from the domains come from a file, a "
        "line for each, and many are looked at side by side; the output keeps their order.",
    .operands =
        (const struct cli_operand[]){
            {.name = "SERVICE",
             .kind = CLI_TEXT,
             .help = "What the servers speak.",
             .choices = "smtp|submission|submissions|imap|imaps|pop3|pop3s|sieve|xmpp-client|"
                        "xmpp-server|sip|https|tls"},
            {.name = "DOMAIN[:PORT]",
             .kind = CLI_TEXT,
             .optional = true,
             .repeats = true,
             .help = "The domains that are served; with a port, the server itself."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "plan",
             .letter = 'p',
             .kind = CLI_FLAG,
             .help = "Do not connect: tell the servers and what each will have to prove."},
            {.name = "from",
             .letter = 'f',
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Take the domains from this file, a line for each; what follows \"#\" is a "
                     "comment."},
            {.name = "parallel",
             .kind = CLI_COUNT,
             .argument = "N",
             .help = "How many domains of --from are looked at at once; the default is 16, at "
                     "most 256."},
            {.name = "mandatory",
             .letter = 'm',
             .kind = CLI_FLAG,
             .help = "smtp: use only servers that DANE authenticates, named by secure MX."},
            {.name = "no-sts", .kind = CLI_FLAG, .help = "smtp: leave MTA-STS out."},
            {.name = "no-posh",
             .kind = CLI_FLAG,
             .help = "xmpp-client, xmpp-server: leave POSH documents out."},
            CLI_OPTIONS_PEERS,
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter auth smtp example.org", "Who takes mail for example.org, and is it them?"},
            {"kenter auth --plan smtp example.org", "What a sender will demand; no connection."},
            {"kenter auth imap example.org", "Through SRV records, with STARTTLS or TLS at once."},
            {"kenter auth tls www.example.org:443", "A certain host and port."},
            {"kenter auth tls _ldaps._tcp.example.org", "Any other service that SRV records name."},
            {"kenter auth smtp --plan --json --from domains", "A thousand domains at once."},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){
            {0, "Every server is authenticated (with --plan: will have to be)."},
            {1, "A server is refused or may not be used, or nothing can be used now."},
            {4, "None is refused, but at least one is not authenticated as the domain's."},
            {6, "The domain does not exist, or has no such service."},
            {-1, NULL}},
    .run = run,
};
