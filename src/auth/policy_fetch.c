/*
 * MTA-STS policies for the policy service: the addresses of the policy host by validated look-ups,
 * the document by the fetcher's threads, the outcome to the store and to questions that wait.
 */
#include "auth/policy_parts.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_ready(struct policy_fetch *fetch)
{
    if (fetch->ready)
        return;
    fetch->ready = true;
    fetch->next_ready = fetch->server->ready_fetches;
    fetch->server->ready_fetches = fetch;
}

static void fetch_free(struct policy_fetch *fetch)
{
    auth_host_cancel(&fetch->host);
    keyed_remove(&fetch->server->fetches, &fetch->link);
    auth_fetch_job_free(fetch->job);
    free(fetch);
}

static void found_host(void *context)
{
    make_ready(context);
}

static int look_up(struct policy_fetch *fetch)
{
    char host[DANE_DOMAIN_MAX + 16];
    snprintf(host, sizeof host, "mta-sts.%s", fetch->domain);
    return auth_host_start(&fetch->host, fetch->server->context, host, found_host, fetch);
}

static struct policy_fetch *fetch_new(struct policy_server *server, const char *domain,
                                      const char *id)
{
    struct policy_fetch *fetch = calloc(1, sizeof *fetch);
    struct auth_fetch_job *job = calloc(1, sizeof *job);
    if (!fetch || !job) {
        free(fetch);
        free(job);
        return NULL;
    }
    fetch->server = server;
    fetch->job = job;
    snprintf(fetch->domain, sizeof fetch->domain, "%s", domain);
    snprintf(job->domain, sizeof job->domain, "%s", domain);
    snprintf(job->id, sizeof job->id, "%s", id);
    fetch->link.key = fetch->domain;
    if (keyed_add(&server->fetches, &fetch->link) != BASE_OK) {
        free(fetch);
        free(job);
        return NULL;
    }
    return fetch;
}

int policy_fetch_start(struct policy_server *server, const char *domain, const char *id,
                       char why[200])
{
    if (keyed_find(&server->fetches, domain))
        return BASE_OK;
    struct policy_fetch *fetch = NULL;
    int status = server->fetches.count >= server->options.questions ? BASE_ELIMIT : BASE_OK;
    if (status == BASE_OK && !(fetch = fetch_new(server, domain, id)))
        status = BASE_ENOMEM;
    if (status == BASE_OK)
        status = look_up(fetch);
    if (status == BASE_OK)
        server->counts.fetches++;
    else
        snprintf(why, 200, "the MTA-STS policy cannot be fetched now: %s",
                 status == BASE_ELIMIT ? "too many are being fetched" : base_strerror(status));
    if (status != BASE_OK && fetch)
        fetch_free(fetch);
    return status;
}

static void end(struct policy_fetch *fetch, struct auth_fetch_job *job)
{
    struct policy_server *server = fetch->server;
    base_time now = base_clock_now();
    char why[200] = "";
    if (job->status == BASE_OK)
        job->status = dane_sts_store_put(server->store, job->domain, job->id, job->now, job->text,
                                         job->length, job->why);
    if (job->status == BASE_OK && job->written != BASE_OK)
        base_log(server->log, now, BASE_LOG_WARNING,
                 "the MTA-STS policy of %s cannot be written to %s", job->domain,
                 server->directory);
    if (job->status != BASE_OK) {
        server->counts.fetch_failures++;
        snprintf(why, sizeof why, "%s",
                 job->why[0] != '\0' ? job->why : base_strerror(job->status));
        dane_sts_store_failed(server->store, job->domain, job->id, now, why);
    }
    base_log(server->log, now, job->status == BASE_OK ? BASE_LOG_INFO : BASE_LOG_WARNING,
             "sts=%s id=%s fetched=%s%s%s", job->domain, job->id,
             job->status == BASE_OK ? "yes" : "no", why[0] != '\0' ? " reason=" : "", why);
    auth_fetch_job_free(job);
    fetch->job = NULL;
    char domain[DANE_DOMAIN_MAX];
    snprintf(domain, sizeof domain, "%s", fetch->domain);
    fetch_free(fetch);
    policy_question_fetched(server, domain, why);
}

static void hand_over(struct policy_fetch *fetch)
{
    struct auth_fetch_job *job = fetch->job;
    job->now = base_clock_now();
    if (fetch->host.addresses[0] == '\0') {
        job->status = BASE_EIO;
        snprintf(job->why, sizeof job->why, "the policy host mta-sts.%.60s: %.110s", job->domain,
                 fetch->host.why);
        end(fetch, job);
        return;
    }
    memcpy(job->addresses, fetch->host.addresses, sizeof job->addresses);
    int status = auth_fetcher_start(fetch->server->fetcher, job);
    if (status == BASE_OK) {
        fetch->job = NULL;
        return;
    }
    job->status = status;
    end(fetch, job);
}

void policy_fetches_step(struct policy_server *server)
{
    while (server->ready_fetches) {
        struct policy_fetch *fetch = server->ready_fetches;
        server->ready_fetches = fetch->next_ready;
        fetch->ready = false;
        if (fetch->host.missing == 0)
            hand_over(fetch);
    }
}

void policy_fetches_done(struct policy_server *server)
{
    for (struct auth_fetch_job *job; (job = auth_fetcher_next(server->fetcher));) {
        struct policy_fetch *fetch =
            (struct policy_fetch *)keyed_find(&server->fetches, job->domain);
        if (fetch)
            end(fetch, job);
        else
            auth_fetch_job_free(job);
    }
}

static void end_one(void *context, struct keyed_link *link)
{
    fetch_free((struct policy_fetch *)link);
}

void policy_fetches_end(struct policy_server *server)
{
    server->ready_fetches = NULL;
    keyed_each(&server->fetches, end_one, NULL);
    keyed_free(&server->fetches);
}
