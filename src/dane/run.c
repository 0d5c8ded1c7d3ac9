/*
 * A plan made with real answers: look-ups side by side through a resolve context, documents over
 * HTTPS.
 */
#include "dane/authenticate.h"

#include "base/error.h"
#include "dane/sts.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_MS 10000

struct run {
    struct dane_plan *plan;
    struct resolve_context *context;
    const char *ca_file;
    unsigned under_way;
    int error;
};

struct lookup {
    struct run *run;
    uint32_t id;
};

static void looked_up(void *context, const struct validate_result *result)
{
    struct lookup *lookup = context;
    struct run *run = lookup->run;
    if (result)
        dane_plan_answer(run->plan, lookup->id, result); /* refuses what it no longer needs */
    else
        run->error = BASE_ENOMEM;
    validate_result_unref(result);
    run->under_way--;
    free(lookup);
}

static int start_lookup(struct run *run, const struct dane_ask *ask)
{
    struct resolve_request *request;
    struct lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return BASE_ENOMEM;
    *lookup = (struct lookup){run, ask->id};
    int status = resolve_start(run->context, ask->name, ask->type, looked_up, lookup, &request);
    if (status != BASE_OK)
        free(lookup);
    else
        run->under_way++;
    return status;
}

static int fetch_policy(struct run *run, const struct dane_ask *ask)
{
    char url[DANE_DOMAIN_MAX + 64], why[200] = "", *text = NULL;
    size_t length = 0;
    if (ask->sts_id) {
        snprintf(url, sizeof url, "https://mta-sts.%s/.well-known/mta-sts.txt", ask->domain);
        struct dane_fetch fetch = {
            .url = url,
            .media_type = "text/plain",
            .ca_file = run->ca_file,
            .most = DANE_STS_TEXT_MAX,
            .timeout_ms = FETCH_MS,
        };
        int status = dane_fetch(&fetch, &text, &length, why);
        if (status == BASE_ENOMEM)
            return status;
    }
    int status = dane_plan_answer_sts(run->plan, ask->id, text, length, why);
    free(text);
    return status;
}

static int step(struct run *run)
{
    struct dane_ask ask;
    while (dane_plan_next(run->plan, &ask)) {
        int status = ask.kind == DANE_ASK_STS ? fetch_policy(run, &ask) : start_lookup(run, &ask);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}

static void wait_for(struct resolve_context *context)
{
    struct pollfd wait = {.fd = resolve_fd(context), .events = POLLIN};
    poll(&wait, 1, resolve_timeout_ms(context));
    resolve_process(context);
}

int dane_plan_run(struct resolve_context *context, enum dane_service service, const char *domain,
                  const struct dane_plan_options *options, const char *ca_file,
                  struct dane_plan **plan, const struct dane_plan_result **result)
{
    struct run run = {.context = context, .ca_file = ca_file};
    int status = dane_plan_new(service, domain, options, resolve_now(context), &run.plan);
    if (status != BASE_OK)
        return status;
    while (status == BASE_OK && !dane_plan_result(run.plan)) {
        status = step(&run);
        if (status == BASE_OK && !dane_plan_result(run.plan))
            wait_for(context);
        if (run.error != BASE_OK)
            status = run.error;
    }
    /* Answers that are no longer needed still come to `run`. */
    while (run.under_way > 0)
        wait_for(context);
    if (status != BASE_OK) {
        dane_plan_free(run.plan);
        return status;
    }
    *plan = run.plan;
    *result = dane_plan_result(run.plan);
    return BASE_OK;
}
