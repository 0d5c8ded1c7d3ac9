/*
 * A plan made with real answers: look-ups side by side through a resolve context, policies by
 * whoever fetches them.
 */
#include "auth/authenticate.h"

#include "auth/host.h"
#include "base/error.h"
#include "dane/sts.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_MS 10000

struct lookup {
    struct auth_run *run;
    struct resolve_request *request;
    struct lookup *previous, *next; /* under way, of one run */
    uint32_t id;
};

/* A policy that is wanted: its host is looked up, then it is given out to be fetched. */
struct auth_ticket {
    struct auth_run *run; /* NULL: it no longer wants the document */
    uint32_t id;
    bool out;
    char name[DANE_DOMAIN_MAX + 16]; /* of the host */
    struct auth_host host;
};

struct auth_run {
    struct dane_plan *plan;
    struct resolve_context *context;
    struct auth_documents documents;
    struct lookup *lookups;
    struct auth_ticket *ticket; /* there is at most one policy */
    auth_run_done *done;
    void *done_context;
    int error;
    bool stepping; /* in `advance`: what is answered at once is seen there */
};

static void unlink_lookup(struct lookup *lookup)
{
    if (lookup->previous)
        lookup->previous->next = lookup->next;
    else
        lookup->run->lookups = lookup->next;
    if (lookup->next)
        lookup->next->previous = lookup->previous;
    free(lookup);
}

/* Stops what is under way. The plan is left. */
static void stop(struct auth_run *run)
{
    while (run->lookups) {
        resolve_cancel(run->lookups->request);
        unlink_lookup(run->lookups);
    }
    if (run->ticket && run->ticket->out) {
        run->ticket->run = NULL;
    } else if (run->ticket) {
        auth_host_cancel(&run->ticket->host);
        free(run->ticket);
    }
}

static void finish(struct auth_run *run)
{
    stop(run);
    struct dane_plan *plan = run->error == BASE_OK ? run->plan : NULL;
    if (!plan)
        dane_plan_free(run->plan);
    run->done(run->done_context, run->error, plan);
    free(run);
}

static int start_lookup(struct auth_run *run, const struct dane_ask *ask);
static int start_fetch(struct auth_run *run, const struct dane_ask *ask);

/* Asks for what is wanted now; ends when nothing is. */
static void advance(struct auth_run *run)
{
    struct dane_ask ask;
    if (run->stepping)
        return;
    run->stepping = true;
    while (run->error == BASE_OK && dane_plan_next(run->plan, &ask)) {
        int error = ask.kind == DANE_ASK_STS ? start_fetch(run, &ask) : start_lookup(run, &ask);
        if (error != BASE_OK)
            run->error = error;
    }
    run->stepping = false;
    if (run->error != BASE_OK || dane_plan_result(run->plan))
        finish(run);
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct lookup *lookup = context;
    struct auth_run *run = lookup->run;
    int error = result ? dane_plan_answer(run->plan, lookup->id, result) : BASE_ENOMEM;
    if (error == BASE_ENOMEM)
        run->error = error;
    validate_result_unref(result);
    unlink_lookup(lookup);
    advance(run);
}

static int start_lookup(struct auth_run *run, const struct dane_ask *ask)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return BASE_ENOMEM;
    lookup->run = run;
    lookup->id = ask->id;
    int status =
        resolve_start(run->context, ask->name, ask->type, looked_up, lookup, &lookup->request);
    if (status != BASE_OK) {
        free(lookup);
        return status;
    }
    lookup->next = run->lookups;
    if (lookup->next)
        lookup->next->previous = lookup;
    run->lookups = lookup;
    return BASE_OK;
}

/* Gives the ticket out: to fetch from the addresses of the host, or `connect`, where it is told. */
static void give_out(struct auth_ticket *ticket, const char *connect)
{
    const struct auth_documents *documents = &ticket->run->documents;
    char url[sizeof ticket->name + 64], resolve[sizeof ticket->name + AUTH_HOST_ADDRESSES + 8];
    snprintf(url, sizeof url, "https://%s/.well-known/mta-sts.txt", ticket->name);
    snprintf(resolve, sizeof resolve, "%s:443:%s", ticket->name, ticket->host.addresses);
    struct auth_fetch fetch = {
        .url = url,
        .media_type = "text/plain",
        .resolve = ticket->host.addresses[0] != '\0' ? resolve : NULL,
        .connect = connect,
        .most = DANE_STS_TEXT_MAX,
        .timeout_ms = FETCH_MS,
    };
    ticket->out = true;
    documents->fetch(documents->context, &fetch, ticket);
}

static void found_host(void *context)
{
    struct auth_ticket *ticket = context;
    if (ticket->host.addresses[0] != '\0') {
        give_out(ticket, NULL);
    } else {
        char why[300];
        snprintf(why, sizeof why, "the policy host %.80s: %s", ticket->name, ticket->host.why);
        auth_fetched(ticket, NULL, 0, why);
    }
}

static int start_fetch(struct auth_run *run, const struct dane_ask *ask)
{
    const struct auth_web *web = run->documents.web;
    if (!ask->sts_id)
        return dane_plan_answer_sts(run->plan, ask->id, NULL, 0, "");
    struct auth_ticket *ticket = calloc(1, sizeof *ticket);
    if (!ticket)
        return BASE_ENOMEM;
    ticket->run = run;
    ticket->id = ask->id;
    snprintf(ticket->name, sizeof ticket->name, "mta-sts.%s", ask->domain);
    run->ticket = ticket;
    const char *connect =
        web && web->connect ? web->connect(web->connect_context, ticket->name) : NULL;
    int status = BASE_OK;
    if (connect || !web)
        give_out(ticket, connect);
    else
        status = auth_host_start(&ticket->host, run->context, ticket->name, found_host, ticket);
    if (status == BASE_ERANGE) { /* such a host cannot be there */
        auth_fetched(ticket, NULL, 0, "the name of the policy host is too long");
        status = BASE_OK;
    }
    return status;
}

void auth_fetched(struct auth_ticket *ticket, const char *text, size_t length, const char *why)
{
    struct auth_run *run = ticket->run;
    uint32_t id = ticket->id;
    free(ticket);
    if (!run)
        return;
    run->ticket = NULL;
    if (dane_plan_answer_sts(run->plan, id, text, length, why) == BASE_ENOMEM)
        run->error = BASE_ENOMEM;
    advance(run);
}

int auth_run_start(struct resolve_context *context, enum dane_service service, const char *domain,
                   const struct dane_plan_options *options, const struct auth_documents *documents,
                   auth_run_done *done, void *done_context, struct auth_run **out)
{
    struct auth_run *run = calloc(1, sizeof *run);
    if (!run)
        return BASE_ENOMEM;
    run->context = context;
    run->documents = *documents;
    run->done = done;
    run->done_context = done_context;
    int status = dane_plan_new(service, domain, options, resolve_now(context), &run->plan);
    if (status != BASE_OK) {
        free(run);
        return status;
    }
    /* Set before it may be over. */
    *out = run;
    advance(run);
    return BASE_OK;
}

void auth_run_cancel(struct auth_run *run)
{
    if (!run)
        return;
    stop(run);
    dane_plan_free(run->plan);
    free(run);
}

/* --- blocking --- */

void auth_fetch_now(void *context, const struct auth_fetch *fetch, struct auth_ticket *ticket)
{
    const struct auth_web *web = context;
    struct auth_fetch how = *fetch;
    char why[200] = "", *text = NULL;
    size_t length = 0;
    how.ca_file = web->ca_file;
    auth_fetch(&how, &text, &length, why);
    auth_fetched(ticket, text, length, why);
    free(text);
}

struct waiting {
    bool over;
    int status;
    struct dane_plan *plan;
};

static void note(void *context, int status, struct dane_plan *plan)
{
    *(struct waiting *)context = (struct waiting){true, status, plan};
}

int auth_plan(struct resolve_context *context, enum dane_service service, const char *domain,
              const struct dane_plan_options *options, const struct auth_web *web,
              struct dane_plan **plan, const struct dane_plan_result **result)
{
    struct auth_documents documents = {auth_fetch_now, (void *)web, web};
    struct waiting waiting = {.over = false};
    struct auth_run *run;
    int status =
        auth_run_start(context, service, domain, options, &documents, note, &waiting, &run);
    while (status == BASE_OK && !waiting.over) {
        struct pollfd wait = {.fd = resolve_fd(context), .events = POLLIN};
        poll(&wait, 1, resolve_timeout_ms(context));
        resolve_process(context);
    }
    if (status == BASE_OK)
        status = waiting.status;
    if (status != BASE_OK)
        return status;
    *plan = waiting.plan;
    *result = dane_plan_result(waiting.plan);
    return BASE_OK;
}
