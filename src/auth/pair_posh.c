/*
 * POSH documents for the service for pairs. Each is kept as long as it says, whatever becomes of
 * the verdicts that lean on it, so that a thousand streams of a domain cost its web server one
 * fetch.
 */
#include "auth/pair_parts.h"

#include "auth/authenticate.h"
#include "base/error.h"
#include "dane/posh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
/* Seconds. */
#define KEEP_DOCUMENT (24 * 3600) /* at most */
#define KEEP_ABSENCE  60
#define KEEP_FAILURE  5
#define FRESH         30 /* one that was fetched lately is not fetched again for a new certificate */

struct kept {
    base_time fetched;
    bool good;   /* `text` is the document; else it says why there is none */
    bool failed; /* it could not be had */
    char text[];
};

static void answer(struct pair_question *question, const struct kept *kept, size_t length)
{
    base_time now = resolve_now(question->server->context);
    struct dane_pair_document document = {
        .text = kept->good ? kept->text : NULL,
        .length = length - sizeof *kept - 1,
        .why = kept->good ? NULL : kept->text,
        .failed = kept->failed,
        .fetched = kept->fetched,
        .kept = kept->fetched + FRESH < now,
    };
    question->url = NULL;
    dane_pair_answer_posh(question->pair, question->posh_id, &document);
    auth_question_ready(&question->question);
}

static void fail(struct pair_question *question, const char *why)
{
    struct dane_pair_document document = {.failed = true, .why = why};
    question->url = NULL;
    dane_pair_answer_posh(question->pair, question->posh_id, &document);
    auth_question_ready(&question->question);
}

static struct auth_fetch_job *job_of(const char *url)
{
    struct auth_fetch_job *job = calloc(1, sizeof *job);
    if (job && !(job->url = strdup(url))) {
        free(job);
        return NULL;
    }
    if (job)
        job->most = DANE_POSH_TEXT_MAX;
    return job;
}

void pair_posh_start(struct pair_question *question, const struct dane_pair_ask *ask)
{
    struct pair_server *server = question->server;
    struct auth_cached cached;
    question->posh_id = ask->id;
    if (auth_cache_get(server->documents, ask->url, base_clock_monotonic(), &cached)) {
        const struct kept *kept = (const void *)cached.reply;
        if (!ask->fresh || kept->fetched + FRESH >= resolve_now(server->context)) {
            server->counts.documents++;
            answer(question, kept, cached.length);
            return;
        }
    }
    bool joins = auth_question_find(&server->fetches.questions, ask->url) != NULL;
    struct auth_fetch_job *job = job_of(ask->url);
    int status = job ? auth_fetches_start(&server->fetches, job) : BASE_ENOMEM;
    if (status == BASE_OK) {
        question->url = ask->url;
        server->counts.fetches += !joins;
    } else {
        fail(question, status == BASE_EFORMAT
                           ? "the URL of the POSH document has no host that can be looked up"
                       : status == BASE_ELIMIT ? "too many POSH documents are being fetched"
                                               : "there is no memory to fetch the POSH document");
    }
}

/* --- what has come --- */

/* Seconds for which it is worth keeping. */
static uint32_t judge(const struct auth_fetch_job *job, struct kept *kept, char why[200])
{
    struct dane_posh posh;
    int status = job->status;
    snprintf(why, 200, "%s", job->why);
    if (status == BASE_OK)
        status = dane_posh_parse(job->text, job->length, &posh, why);
    kept->good = status == BASE_OK;
    /* What the host itself said is no failure: no document, or something that is none. */
    kept->failed = !kept->good && !auth_fetch_is_answer(status);
    if (status != BASE_OK)
        return kept->failed ? KEEP_FAILURE : KEEP_ABSENCE;
    uint32_t expires = posh.expires;
    dane_posh_free(&posh);
    return expires < KEEP_DOCUMENT ? expires : KEEP_DOCUMENT;
}

struct done {
    const char *url;
    const struct kept *kept;
    size_t length;
};

static void tell(void *context, struct keyed_link *link)
{
    const struct done *done = context;
    struct pair_question *question = (struct pair_question *)link;
    if (question->url && strcmp(question->url, done->url) == 0)
        answer(question, done->kept, done->length);
}

void pair_posh_done(void *context, struct auth_fetch_job *job)
{
    struct pair_server *server = context;
    struct kept head = {.fetched = resolve_now(server->context)};
    char why[200];
    uint32_t seconds = judge(job, &head, why);
    const char *text = head.good ? job->text : why;
    size_t size = head.good ? job->length : strlen(why), length = sizeof head + size + 1;
    struct kept *kept = malloc(length);
    if (!kept)
        return; /* who waits for it is told by the deadline */
    *kept = head;
    memcpy(kept->text, text, size);
    kept->text[size] = '\0';
    auth_cache_put(server->documents, job->url, base_clock_monotonic() + seconds * SECOND, kept,
                   length);
    struct done done = {job->url, kept, length};
    keyed_each(&server->questions.table, tell, &done);
    free(kept);
}
