/* kenter tlsrpt collect: sessions out of the log of a mail server, as reports count them. */
#include "auth/tlsrpt_plans.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/report.h"
#include "cli/service.h"
#include "dane/tlsrpt_days.h"
#include "dane/tlsrpt_follow.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define BATCH_LINES    4096
#define BATCH_SESSIONS 1024 /* seen in one batch; more wait for the next */
#define WAIT_MS        1000
#define DAY            86400

struct collector {
    struct cli_call *call;
    struct base_log log;
    struct resolve_context *context;
    struct dane_tlsrpt_follow *follow;
    struct dane_tlsrpt_postfix *postfix;
    struct dane_tlsrpt_days *days;
    struct auth_tlsrpt_plans *plans;
    bool stream, once;
    const char *address;     /* of the sending server; NULL */
    struct base_arena arena; /* of the batch */
    struct dane_tlsrpt_seen seen[BATCH_SESSIONS];
    size_t seen_count;
    uint64_t lines, sessions, left_out;
    base_time day; /* that was looked at for old files */
};

/* --- the state --- */

static int save(struct collector *collector)
{
    struct dane_tlsrpt_place place = {.head = ""};
    struct base_buf state;
    dane_tlsrpt_follow_place(collector->follow, &place);
    base_buf_init(&state, DANE_TLSRPT_STATE_MAX / 2);
    base_buf_printf(&state,
                    "{\"device\":%" PRIu64 ",\"inode\":%" PRIu64 ",\"offset\":%" PRIu64
                    ",\"head\":\"%s\",\"postfix\":",
                    place.device, place.inode, place.offset, place.head);
    int status = dane_tlsrpt_postfix_save(collector->postfix, &state);
    base_buf_text(&state, "}");
    if (status == BASE_OK)
        status = state.error == BASE_OK
                     ? dane_tlsrpt_days_save(collector->days, base_buf_string(&state))
                     : state.error;
    base_buf_free(&state);
    return status;
}

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

/* Reads what was saved. False: there is nothing to go on from. */
static bool read_state(struct collector *collector, const char *text,
                       struct dane_tlsrpt_place *place)
{
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    const char *head = json_string_value(json_object_get(root, "head"));
    json_t *postfix = json_object_get(root, "postfix");
    char *kept = postfix ? json_dumps(postfix, JSON_COMPACT) : NULL;
    bool good = head && strlen(head) < sizeof place->head && kept &&
                dane_tlsrpt_postfix_load(collector->postfix, kept, strlen(kept)) == BASE_OK;
    if (good) {
        *place = (struct dane_tlsrpt_place){number(root, "device"), number(root, "inode"),
                                            number(root, "offset"), ""};
        memcpy(place->head, head, strlen(head) + 1);
    }
    free(kept);
    json_decref(root);
    return good;
}

static int open_all(struct collector *collector, const char *directory, const char *path)
{
    struct cli_call *call = collector->call;
    struct dane_tlsrpt_place place;
    char *state = NULL;
    bool lost = false;
    int status = dane_tlsrpt_days_open(directory, &collector->days, &state);
    if (status == BASE_EEXIST)
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL,
                          "another process collects sessions in %s", directory);
    else if (status == BASE_EFORMAT)
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL,
                          "%s/" DANE_TLSRPT_STATE " is damaged: how far the log was read is not "
                          "known. Without it, the log is read from its start",
                          directory);
    else if (status == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, directory, "sessions cannot be kept");
    if (status != BASE_OK)
        return status == BASE_ENOMEM ? status : BASE_EREFUSED;
    bool known = read_state(collector, state, &place) && !collector->stream;
    free(state);
    status = dane_tlsrpt_follow_new(path, known ? &place : NULL, &lost, &collector->follow);
    if (status == BASE_OK && (lost || !known))
        dane_tlsrpt_postfix_gap(collector->postfix);
    if (lost)
        base_log(&collector->log, base_clock_now(), BASE_LOG_WARNING,
                 "the log that was read last is gone, and what it was renamed to is not found: "
                 "sessions in the rest of it are missed; going on with %s",
                 path);
    return status;
}

/* --- lines --- */

static const char *copy(struct collector *collector, const char *text, int *status)
{
    const char *made = base_arena_strndup(&collector->arena, text, strlen(text));
    if (!made)
        *status = BASE_ENOMEM;
    return made;
}

static int note(void *context, const struct dane_tlsrpt_seen *seen)
{
    struct collector *collector = context;
    int status = BASE_OK;
    struct dane_tlsrpt_seen *kept = &collector->seen[collector->seen_count];
    *kept = *seen;
    kept->domain = copy(collector, seen->domain, &status);
    kept->host = copy(collector, seen->host, &status);
    kept->address = copy(collector, seen->address, &status);
    kept->reason = copy(collector, seen->reason, &status);
    collector->seen_count++;
    return status;
}

static int take_line(void *context, const char *text, size_t length)
{
    struct collector *collector = context;
    return dane_tlsrpt_postfix_line(collector->postfix, text, length, base_clock_now());
}

static int judge(struct collector *collector)
{
    struct dane_tlsrpt_session session;
    int status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < collector->seen_count; i++) {
        status = auth_tlsrpt_plans_want(collector->plans, collector->seen[i].domain);
        status = status == BASE_EFORMAT ? BASE_OK : status;
    }
    if (status == BASE_OK)
        status = auth_tlsrpt_plans_wait(collector->plans);
    for (size_t i = 0; status == BASE_OK && i < collector->seen_count; i++) {
        status = auth_tlsrpt_plans_session(collector->plans, &collector->seen[i], &collector->arena,
                                           &session);
        if (status == BASE_ENOENT) {
            collector->left_out++;
            status = BASE_OK;
            continue;
        }
        session.sending_ip = collector->address;
        if (status == BASE_OK)
            status = dane_tlsrpt_days_add(collector->days, &session);
        collector->sessions += status == BASE_OK;
    }
    collector->seen_count = 0;
    base_arena_free(&collector->arena);
    return status;
}

/* Each line gives at most DANE_TLSRPT_ATTEMPTS_MAX sessions, so a small batch always fits. */
static int batch(struct collector *collector, size_t *count)
{
    size_t lines;
    int status = BASE_OK;
    *count = 0;
    do {
        status = dane_tlsrpt_follow_read(collector->follow, 32, take_line, collector, &lines);
        *count += lines;
    } while (status == BASE_OK && lines > 0 && *count < BATCH_LINES &&
             collector->seen_count + (size_t)32 * (DANE_TLSRPT_ATTEMPTS_MAX + 1) < BATCH_SESSIONS);
    collector->lines += *count;
    if (status == BASE_OK)
        status = judge(collector);
    if (status == BASE_OK && *count > 0)
        status = save(collector);
    return status;
}

static void expire(struct collector *collector)
{
    base_time now = base_clock_now(), today = now - now % DAY;
    if (today == collector->day)
        return;
    collector->day = today;
    dane_tlsrpt_days_expire(collector->days,
                            today - (base_time)cli_duration(collector->call, "keep", 30 * DAY));
}

/* Waits for more when there is nothing now. True: it is time to end. */
static bool pause_or_end(struct collector *collector, int signals, bool idle)
{
    struct signalfd_siginfo info;
    struct pollfd waits[2] = {{.fd = signals, .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    poll(waits, collector->stream ? 2 : 1, idle ? WAIT_MS : 0);
    return (waits[0].revents & POLLIN) && read(signals, &info, sizeof info) == sizeof info &&
           info.ssi_signo != SIGHUP;
}

static int collect(struct collector *collector, int signals)
{
    size_t count = 0;
    int status;
    do {
        expire(collector);
        status = batch(collector, &count);
        if (count == 0 &&
            (collector->stream ? dane_tlsrpt_follow_ended(collector->follow) : collector->once))
            break;
    } while (status == BASE_OK && !pause_or_end(collector, signals, count == 0));
    return status;
}

static void close_all(struct collector *collector)
{
    auth_tlsrpt_plans_free(collector->plans);
    dane_tlsrpt_follow_free(collector->follow);
    dane_tlsrpt_days_close(collector->days);
    dane_tlsrpt_postfix_free(collector->postfix);
    base_arena_free(&collector->arena);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int work(struct collector *collector, struct cli_ask *ask)
{
    struct cli_call *call = collector->call;
    const char *path = cli_text(call, "postfix-log");
    struct auth_tlsrpt_plans_options options = {.sts_ca = cli_text(call, "sts-ca"),
                                                .no_sts = cli_flag(call, "no-sts")};
    int signals = open_signals();
    int status = signals >= 0 ? BASE_OK : BASE_EIO;
    if (status == BASE_OK)
        status = dane_tlsrpt_postfix_new(note, collector, &collector->postfix);
    if (status == BASE_OK)
        status = auth_tlsrpt_plans_new(ask->context, &options, &collector->plans);
    if (status == BASE_OK)
        status = open_all(collector, cli_text(call, "sessions"), path);
    if (status == BASE_OK)
        status = collect(collector, signals);
    if (status == BASE_EIO) {
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL,
                          "%s cannot be read, or sessions not be kept: %s", path, strerror(errno));
        status = BASE_EREFUSED;
    }
    base_log(&collector->log, base_clock_now(), BASE_LOG_INFO,
             "lines=%" PRIu64 " sessions=%" PRIu64 " left_out=%" PRIu64, collector->lines,
             collector->sessions, collector->left_out);
    close_all(collector);
    if (signals >= 0)
        close(signals);
    return status;
}

static int serve(struct cli_ask *ask, int *error)
{
    struct cli_call *call = ask->call;
    struct collector *collector = calloc(1, sizeof *collector);
    if (!collector) {
        *error = BASE_ENOMEM;
        return CLI_SYSTEM;
    }
    collector->call = call;
    collector->stream = strcmp(cli_text(call, "postfix-log"), "-") == 0;
    collector->once = cli_flag(call, "once");
    collector->address = cli_text(call, "address");
    collector->log = (struct base_log){
        .least = call->quiet ? BASE_LOG_WARNING : BASE_LOG_INFO,
        .json = call->json,
        .fd = STDERR_FILENO,
        .part = "tlsrpt",
    };
    base_arena_init(&collector->arena, 0);
    *error = work(collector, ask);
    free(collector);
    return *error == BASE_OK ? CLI_GOOD : CLI_SYSTEM;
}

static int run(struct cli_call *call)
{
    int code = cli_service_check(call);
    return code == CLI_GOOD ? cli_service_run(call, serve) : code;
}

const struct cli_verb cli_verb_tlsrpt_collect = {
    .name = "tlsrpt collect",
    .summary = "take the TLS sessions with mail servers out of Postfix's log",
    .description =
        "Follows what smtp(8) of Postfix 3.5 to 3.9 logs with smtp_tls_loglevel = 1, joins the "
        "lines of a session, finds out by validated look-ups which policy (DANE, MTA-STS, none) "
        "the server came under, and keeps a line of JSON for each session, a file for each day, "
        "which kenter tlsrpt makes reports of. It goes on over rotation of the log and over "
        "restarts, however it ends: no session is kept twice, and none is lost as long as the "
        "rotated log lies beside the new one, not compressed.\n\n"
        "Mail that goes to other hosts than the recipient's domain names (a relay host, a "
        "transport of one's own) is left out. docs/tlsrpt.md tells what becomes of which line.",
    .options =
        (const struct cli_option[]){
            {.name = "postfix-log",
             .kind = CLI_FILE,
             .argument = "FILE",
             .required = true,
             .help = "Follow this log: with the classic times of syslog (of this machine's zone), "
                     "or RFC 3339. From standard input (-) nothing can be read again after a "
                     "crash."},
            {.name = "sessions",
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .required = true,
             .help = "Keep sessions there, in DAY.jsonl, and how far the log was read."},
            {.name = "once",
             .kind = CLI_FLAG,
             .help = "End at the end of the log instead of waiting for more."},
            {.name = "keep",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Remove days that are older; the default is 30d."},
            {.name = "address",
             .kind = CLI_TEXT,
             .argument = "ADDRESS",
             .help = "The address that this server sends from, for the reports."},
            {.name = "sts-ca",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "PEM file of those who may certify hosts of MTA-STS policies, instead of the "
                     "system's."},
            {.name = "no-sts", .kind = CLI_FLAG, .help = "Leave MTA-STS out."},
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsrpt collect --postfix-log /var/log/mail.log --sessions DIRECTORY",
             "Runs until it is ended."},
            {"kenter tlsrpt collect --postfix-log - --sessions DIRECTORY",
             "Reads what journalctl -t postfix/smtp -o short-iso -f writes into the pipe."},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){{0, "It was ended by SIGTERM or SIGINT, or has read all."},
                                       {3, "It could not go on: a file, a disk, memory."},
                                       {-1, NULL}},
    .run = run,
};
