/* POSH documents for the service for pairs. The addresses of the host come from validated look-ups,
 * the document from the fetcher's threads, so that nothing waits for a web server. */
#include "auth/pair_parts.h"
#include "base/error.h"
#include "dane/posh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(struct pair_question *question, const struct auth_fetch_job *job, const char *why)
{
    struct pair_posh *posh = &question->posh;
    question->server->counts.fetch_failures += why != NULL;
    dane_pair_answer_posh(question->pair, posh->id, why ? NULL : job->text, why ? 0 : job->length,
                          why);
    pair_make_ready(question);
}

/* The addresses of its host are there, or the reason why not. */
static void found_host(void *context)
{
    pair_make_ready(context);
}

void pair_posh_start(struct pair_question *question, const struct dane_pair_ask *ask)
{
    struct pair_posh *posh = &question->posh;
    pair_posh_end(question);
    posh->id = ask->id;
    posh->job = calloc(1, sizeof *posh->job);
    if (!posh->job || !(posh->job->url = strdup(ask->url))) {
        pair_posh_end(question);
        tell(question, NULL, "there is no memory to fetch the POSH document");
        return;
    }
    if (!auth_url_host(ask->url, posh->job->domain, &posh->job->port) ||
        auth_host_start(&posh->host, question->server->context, posh->job->domain, found_host,
                        question) != BASE_OK) {
        pair_posh_end(question);
        tell(question, NULL, "the URL of the POSH document has no host that can be looked up");
        return;
    }
    pair_make_ready(question);
}

/* --- the document --- */

void pair_posh_step(struct pair_question *question)
{
    struct pair_posh *posh = &question->posh;
    struct pair_server *server = question->server;
    char why[200] = "too many POSH documents are being fetched";
    if (!posh->job || posh->host.missing > 0)
        return;
    bool found = posh->host.addresses[0] != '\0';
    if (!found)
        snprintf(why, sizeof why, "there is no POSH document at %.60s: %.100s", posh->job->domain,
                 posh->host.why);
    memcpy(posh->job->addresses, posh->host.addresses, sizeof posh->job->addresses);
    posh->job->most = DANE_POSH_TEXT_MAX;
    posh->job->tag = ++server->last_tag;
    posh->tag = posh->job->tag;
    if (found && auth_fetcher_start(server->fetcher, posh->job) == BASE_OK) {
        server->counts.fetches++;
        posh->job = NULL;
        return;
    }
    pair_posh_end(question);
    tell(question, NULL, why);
}

void pair_posh_done(struct pair_server *server)
{
    for (struct auth_fetch_job *job; (job = auth_fetcher_next(server->fetcher));) {
        struct pair_question *question = pair_question_of(server, job->tag);
        if (question) {
            question->posh.tag = 0;
            tell(question, job,
                 job->status == BASE_OK ? NULL
                 : job->why[0] != '\0'  ? job->why
                                        : base_strerror(job->status));
        }
        auth_fetch_job_free(job);
    }
}

void pair_posh_end(struct pair_question *question)
{
    struct pair_posh *posh = &question->posh;
    auth_host_cancel(&posh->host);
    auth_fetch_job_free(posh->job);
    *posh = (struct pair_posh){.id = posh->id};
}
