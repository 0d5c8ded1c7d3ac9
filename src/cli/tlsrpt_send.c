/*
 * Sending reports: see tlsrpt_send.h. By https with a host found by validated look-ups, by mail
 * through the machine's own mail server.
 */
#include "cli/tlsrpt_send.h"

#include "auth/authenticate.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/report.h"
#include "dane/tlsrpt_mail.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POST_MS     60000
#define ANSWER_MAX  65536
#define SENDMAIL_MS 120000
#define MAIL_MAX    (20 * 1024 * 1024)

extern char **environ;

/* Of one try. */
enum outcome { TAKEN, FAILED, UNKNOWN };

/* --- by https --- */

static enum outcome post(struct cli_tlsrpt_send *send, const char *uri, const uint8_t *report,
                         size_t length, char why[200])
{
    struct auth_web web = {.resolve = send->ask->context, .ca_file = send->ca_file};
    struct auth_fetch fetch = {
        .url = uri,
        .most = ANSWER_MAX,
        .timeout_ms = POST_MS,
        .post = report,
        .post_length = length,
        .post_type = "application/tlsrpt+gzip",
    };
    char *text = NULL;
    size_t answered;
    int status = auth_web_fetch(&web, &fetch, &text, &answered, why);
    free(text);
    /* An answer that is too long is one. */
    return status == BASE_OK || status == BASE_ELIMIT ? TAKEN
           : status == BASE_EEXIST                    ? UNKNOWN
                                                      : FAILED;
}

/* --- by mail --- */

/* A file without a name that holds the mail, at its start. -1: errno. */
static int hold(const struct base_buf *mail)
{
    int fd = memfd_create("report", MFD_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < mail->length) {
        ssize_t wrote = write(fd, mail->data + done, mail->length - done);
        if (wrote <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)wrote;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static enum outcome wait_for(pid_t child, char why[200])
{
    struct timespec pause = {.tv_nsec = 20000000};
    int status;
    for (int waited = 0; waited < SENDMAIL_MS; waited += 20) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return TAKEN;
        if (ended == child) {
            snprintf(why, 200, "sendmail ended with %s %d",
                     WIFEXITED(status) ? "exit code" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
            return WIFEXITED(status) ? FAILED : UNKNOWN;
        }
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    snprintf(why, 200, "sendmail did not end in time");
    return UNKNOWN;
}

static enum outcome run_sendmail(const char *program, const char *from, int mail, char why[200])
{
    const char *arguments[] = {program, "-t", "-i", "-f", from, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, mail, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(&child, program, &actions, &attributes,
                            (char *const *)(uintptr_t)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0)
        return wait_for(child, why);
    snprintf(why, 200, "%.100s cannot be run: %s", program, strerror(error));
    return FAILED;
}

static enum outcome mail(struct cli_tlsrpt_send *send, const struct dane_tlsrpt_parcel *parcel,
                         const char *uri, const uint8_t *report, size_t length, char why[200])
{
    char from[DANE_TLSRPT_ADDRESS_MAX];
    struct base_buf text;
    const char *file = base_arena_printf(&send->ask->call->arena, "%s.json.gz", parcel->name);
    struct dane_tlsrpt_mail mail = {
        .to = uri,
        .from = parcel->contact,
        .domain = parcel->domain,
        .submitter = parcel->submitter,
        .id = parcel->id,
        .file = file ? file : "report.json.gz",
        .report = report,
        .length = length,
        .now = send->ask->call->now,
    };
    base_buf_init(&text, MAIL_MAX);
    enum outcome outcome = FAILED;
    int fd = -1;
    if (dane_tlsrpt_mail_write(&mail, &text) != BASE_OK ||
        dane_tlsrpt_mail_address(parcel->contact, from) != BASE_OK)
        snprintf(why, 200, "no mail can be made: an address cannot stand in it, or it is too long");
    else if ((fd = hold(&text)) < 0)
        snprintf(why, 200, "no mail can be made: %s", strerror(errno));
    else
        outcome = run_sendmail(send->sendmail, from, fd, why);
    if (fd >= 0)
        close(fd);
    base_buf_free(&text);
    return outcome;
}

/* --- one report --- */

static void tell(struct cli_tlsrpt_send *send, const struct dane_tlsrpt_parcel *parcel,
                 const struct dane_tlsrpt_target *target)
{
    struct cli_call *call = send->ask->call;
    struct base_buf *out = &call->members;
    char next[BASE_TIME_TEXT];
    base_time_iso(target->next, next);
    base_buf_text(out, send->printed++ > 0 ? ",{\"domain\":" : "{\"domain\":");
    base_json_text(out, parcel->domain);
    base_buf_text(out, ",\"report\":");
    base_json_text(out, parcel->name);
    base_buf_text(out, ",\"uri\":");
    base_json_text(out, target->uri);
    base_buf_printf(out, ",\"state\":\"%s\",\"tries\":%u,\"reason\":",
                    dane_tlsrpt_sending_name(target->state), target->tries);
    base_json_text(out, target->why[0] != '\0' ? target->why : NULL);
    base_buf_printf(out, ",\"next\":");
    base_json_text(out, target->state == DANE_TLSRPT_WAITING ? next : NULL);
    base_buf_text(out, "}");
    if (target->state == DANE_TLSRPT_SENT)
        cli_say(call, "%s: sent to %s\n", parcel->domain, target->uri);
    else if (target->state == DANE_TLSRPT_WAITING)
        cli_say(call, "%s: not sent to %s: %s; next try at %s\n", parcel->domain, target->uri,
                target->why, next);
    else
        base_findings_add(&call->findings, TLSRPT_UNSENT, NULL,
                          "the report %s is not sent to %s: %s", parcel->name, target->uri,
                          target->why);
}

static void note_outcome(struct cli_tlsrpt_send *send, struct dane_tlsrpt_target *target,
                         enum outcome outcome, const char *why)
{
    if (outcome == TAKEN) {
        target->state = DANE_TLSRPT_SENT;
        target->why[0] = '\0';
        send->sent++;
        return;
    }
    dane_tlsrpt_target_failed(target, send->ask->call->now, why);
    if (outcome == UNKNOWN)
        target->state = DANE_TLSRPT_GIVEN_UP; /* it may have arrived */
    *(target->state == DANE_TLSRPT_WAITING ? &send->failed : &send->given_up) += 1;
}

static int try_target(struct cli_tlsrpt_send *send, struct dane_tlsrpt_parcel *parcel,
                      struct dane_tlsrpt_target *target, const uint8_t *report, size_t length)
{
    char why[200] = "";
    target->state = DANE_TLSRPT_SENDING;
    target->tries++;
    if (target->first == 0)
        target->first = send->ask->call->now;
    int status = dane_tlsrpt_spool_note(send->spool, parcel);
    if (status != BASE_OK)
        return status;
    enum outcome outcome = strncasecmp(target->uri, "https:", 6) == 0
                               ? post(send, target->uri, report, length, why)
                               : mail(send, parcel, target->uri, report, length, why);
    note_outcome(send, target, outcome, why);
    status = dane_tlsrpt_spool_note(send->spool, parcel);
    tell(send, parcel, target);
    return status;
}

/* What a process left that died in the middle. */
static int bury(struct cli_tlsrpt_send *send, struct dane_tlsrpt_parcel *parcel,
                struct dane_tlsrpt_target *target)
{
    target->state = DANE_TLSRPT_GIVEN_UP;
    snprintf(target->why, sizeof target->why,
             "the process ended while it was being sent, so it may have arrived");
    send->given_up++;
    tell(send, parcel, target);
    return dane_tlsrpt_spool_note(send->spool, parcel);
}

static int visit(void *context, struct dane_tlsrpt_parcel *parcel)
{
    struct cli_tlsrpt_send *send = context;
    base_time now = send->ask->call->now, last = 0;
    uint8_t *report = NULL;
    size_t length = 0, open = 0;
    int status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < parcel->count; i++) {
        struct dane_tlsrpt_target *target = &parcel->targets[i];
        if (target->state == DANE_TLSRPT_SENDING)
            status = bury(send, parcel, target);
        if (status == BASE_OK && dane_tlsrpt_target_is_due(target, now)) {
            if (!report)
                status = dane_tlsrpt_spool_read(send->spool, parcel->name, &report, &length);
            if (status == BASE_OK)
                status = try_target(send, parcel, target, report, length);
        }
        open += target->state == DANE_TLSRPT_WAITING;
        last = target->next > last ? target->next : last;
    }
    free(report);
    if (status == BASE_OK && open == 0 && last + (base_time)send->keep < now)
        dane_tlsrpt_spool_remove(send->spool, parcel->name);
    return status;
}

int cli_tlsrpt_send(struct cli_tlsrpt_send *send)
{
    struct cli_call *call = send->ask->call;
    base_buf_text(&call->members, ",\"sent\":[");
    int status = dane_tlsrpt_spool_each(send->spool, visit, send);
    base_buf_text(&call->members, "]");
    cli_summary_count(call, "sent", send->sent);
    cli_summary_count(call, "failed", send->failed);
    cli_summary_count(call, "given_up", send->given_up);
    return status;
}
