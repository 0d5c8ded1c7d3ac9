/*
 * MTA-STS policies for the policy service: what is known from the store, the rest by HTTPS; the
 * outcome goes to the store and to the question that waits.
 */
#include "auth/policy_parts.h"

#include "base/error.h"
#include "dane/tlsrpt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sts_job {
    struct auth_fetch_job job; /* first */
    char domain[DANE_DOMAIN_MAX];
    char id[DANE_STS_ID_MAX + 1];
    const char *directory;
    base_time now;
    int written; /* of dane_sts_store_write */
};

/* In the fetcher's thread, which may wait for the disk. */
static void check_and_write(struct auth_fetch_job *base)
{
    struct sts_job *job = (struct sts_job *)base;
    struct dane_sts sts;
    base->status = dane_sts_parse(base->text, base->length, &sts, base->why);
    if (base->status != BASE_OK)
        return;
    dane_sts_free(&sts);
    job->written = dane_sts_store_write(job->directory, job->domain, job->id, job->now, base->text,
                                        base->length);
}

static struct sts_job *job_of(const struct policy_server *server, const char *domain,
                              const char *id)
{
    struct sts_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    snprintf(job->domain, sizeof job->domain, "%s", domain);
    snprintf(job->id, sizeof job->id, "%s", id);
    job->directory = server->directory;
    job->now = base_clock_now();
    job->job.media_type = "text/plain";
    job->job.most = DANE_STS_TEXT_MAX;
    job->job.finish = check_and_write;
    if (asprintf(&job->job.url, "https://mta-sts.%s/.well-known/mta-sts.txt", domain) < 0) {
        free(job);
        return NULL;
    }
    return job;
}

/* `why` on failure. */
static int fetch(struct policy_server *server, const char *domain, const char *id, char why[200])
{
    struct sts_job *job = job_of(server, domain, id);
    uint64_t before = server->fetches.questions.asked;
    int status = job ? auth_fetches_start(&server->fetches, &job->job) : BASE_ENOMEM;
    server->counts.fetches += server->fetches.questions.asked - before;
    if (status != BASE_OK)
        snprintf(why, 200, "the MTA-STS policy cannot be fetched now: %s",
                 status == BASE_ELIMIT ? "too many are being fetched" : base_strerror(status));
    return status;
}

static int answer(struct policy_question *question, const struct dane_sts_kept *kept,
                  const char *why)
{
    question->sts_until = kept->text ? kept->until : 0;
    return dane_plan_answer_sts(question->plan, question->sts_ask, kept->text, kept->length, why);
}

/* A policy that holds is used; with another id, or when it is getting old, it is fetched again, and
 * when that fails it goes on to hold (RFC 8461 section 5.1). */
int policy_sts_start(struct policy_question *question, const struct dane_ask *ask)
{
    struct policy_server *server = question->server;
    struct dane_sts_kept kept;
    char why[200] = "";
    question->sts_ask = ask->id;
    dane_sts_store_find(server->store, ask->domain, base_clock_now(), &kept);
    if (!ask->sts_id)
        return answer(question, &kept, "");
    bool failed = kept.failed_id && strcmp(kept.failed_id, ask->sts_id) == 0;
    bool same = kept.text && strcmp(kept.id, ask->sts_id) == 0;
    if (same && kept.refresh && !failed)
        fetch(server, ask->domain, ask->sts_id, why);
    if (same || failed)
        return answer(question, &kept, failed ? kept.why : "");
    if (fetch(server, ask->domain, ask->sts_id, why) != BASE_OK)
        return answer(question, &kept, why);
    question->wants_sts = true;
    return BASE_OK;
}

/* --- for reports (RFC 8460) --- */

static enum dane_tlsrpt_type type_of(int status)
{
    switch (status) {
    case BASE_EMISMATCH:
        return DANE_TLSRPT_STS_WEBPKI_INVALID;
    case BASE_EFORMAT:
    case BASE_ELIMIT:
        return DANE_TLSRPT_STS_POLICY_INVALID;
    default:
        return DANE_TLSRPT_STS_POLICY_FETCH_ERROR;
    }
}

/* A file that is opened for each line can be moved away at any time. */
static bool append(const char *path, const struct base_buf *line)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    bool good = fd >= 0 && write(fd, line->data, line->length) == (ssize_t)line->length;
    if (fd >= 0)
        close(fd);
    return good;
}

/* Failures of our own are nobody else's business. */
static void report(const struct policy_server *server, const struct sts_job *job)
{
    int status = job->job.status;
    if (!server->options.tlsrpt || status == BASE_ESPACE || status == BASE_ENOMEM)
        return;
    struct dane_tlsrpt_session session = {
        .domain = job->domain,
        .time = base_clock_now(),
        .policy = DANE_TLSRPT_STS,
        .type = type_of(status),
        .reason = job->job.why,
    };
    struct base_buf line;
    base_buf_init(&line, 4096);
    if (dane_tlsrpt_session_write(&session, &line) == BASE_OK &&
        !append(server->options.tlsrpt, &line))
        base_log(server->log, session.time, BASE_LOG_WARNING, "%s cannot be written: %s",
                 server->options.tlsrpt, strerror(errno));
    base_buf_free(&line);
}

/* --- what has come --- */

static void tell(struct policy_server *server, const struct sts_job *job)
{
    struct auth_question *base = auth_question_find(&server->questions, job->domain);
    struct policy_question *question = (struct policy_question *)base;
    struct dane_sts_kept kept;
    if (!base || !question->wants_sts)
        return;
    question->wants_sts = false;
    dane_sts_store_find(server->store, job->domain, base_clock_now(), &kept);
    if (answer(question, &kept, job->job.status == BASE_OK ? "" : job->job.why) == BASE_OK)
        auth_question_ready(base);
}

void policy_sts_done(void *context, struct auth_fetch_job *base)
{
    struct policy_server *server = context;
    struct sts_job *job = (struct sts_job *)base;
    base_time now = base_clock_now();
    if (base->status == BASE_OK)
        base->status = dane_sts_store_put(server->store, job->domain, job->id, job->now, base->text,
                                          base->length, base->why);
    bool good = base->status == BASE_OK;
    if (good && job->written != BASE_OK)
        base_log(server->log, now, BASE_LOG_WARNING,
                 "the MTA-STS policy of %s cannot be written to %s", job->domain,
                 server->directory);
    if (!good) {
        dane_sts_store_failed(server->store, job->domain, job->id, now, base->why);
        report(server, job);
    }
    base_log(server->log, now, good ? BASE_LOG_INFO : BASE_LOG_WARNING,
             "sts=%s id=%s fetched=%s%s%s", job->domain, job->id, good ? "yes" : "no",
             good ? "" : " reason=", good ? "" : base->why);
    tell(server, job);
}
