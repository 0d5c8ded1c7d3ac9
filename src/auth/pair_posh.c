/* POSH documents for the service for pairs. The addresses of the host come from validated look-ups,
 * the document from the fetcher's threads, so that nothing waits for a web server. */
#include "auth/pair_parts.h"
#include "base/error.h"
#include "dane/posh.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 8 /* of each family */

static void tell(struct pair_question *question, const struct auth_fetch_job *job, const char *why)
{
    struct pair_posh *posh = &question->posh;
    question->server->counts.fetch_failures += why != NULL;
    dane_pair_answer_posh(question->pair, posh->id, why ? NULL : job->text, why ? 0 : job->length,
                          why);
    pair_make_ready(question);
}

/* --- the host of the URL --- */

static bool read_part(CURLU *url, CURLUPart what, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool good = curl_url_get(url, what, &text, flags) == CURLUE_OK && strlen(text) < size;
    if (good)
        memcpy(out, text, strlen(text) + 1);
    curl_free(text);
    return good;
}

static bool read_url(const char *text, struct auth_fetch_job *job)
{
    CURLU *url = curl_url();
    char host[DANE_DOMAIN_MAX], port[8], user[8];
    bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                read_part(url, CURLUPART_HOST, 0, host, sizeof host) &&
                read_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) &&
                !read_part(url, CURLUPART_USER, 0, user, sizeof user);
    curl_url_cleanup(url);
    struct in_addr v4;
    if (!good || host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1 ||
        dane_domain_to_ascii(host, job->domain) != BASE_OK)
        return false;
    /* Only a proper host name is pinned to its addresses when it is fetched from. */
    job->port = (uint16_t)strtoul(port, NULL, 10);
    return strcasecmp(host, job->domain) == 0;
}

/* --- its addresses --- */

static void add_addresses(struct auth_fetch_job *job, const struct validate_result *result)
{
    if (result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR ||
        result->kind != VALIDATE_ANSWER_DATA)
        return;
    const struct validate_records *set = &result->answer[0];
    for (size_t i = 0; i < set->count && i < ADDRESSES_MAX; i++) {
        const struct validate_rdata *rdata = &set->rdata[i];
        char text[INET6_ADDRSTRLEN];
        size_t used = strlen(job->addresses);
        if ((rdata->length != 4 && rdata->length != 16) ||
            !inet_ntop(rdata->length == 4 ? AF_INET : AF_INET6, rdata->data, text, sizeof text) ||
            used + strlen(text) + 2 > sizeof job->addresses)
            continue;
        snprintf(job->addresses + used, sizeof job->addresses - used, "%s%s", used > 0 ? "," : "",
                 text);
    }
}

static void take_address(struct pair_question *question, size_t index,
                         const struct validate_result *result)
{
    question->posh.requests[index] = NULL;
    question->posh.missing--;
    if (result)
        add_addresses(question->posh.job, result);
    validate_result_unref(result);
    pair_make_ready(question);
}

static void got_v4(void *context, const struct validate_result *result)
{
    take_address(context, 0, result);
}

static void got_v6(void *context, const struct validate_result *result)
{
    take_address(context, 1, result);
}

static void look_up(struct pair_question *question)
{
    struct pair_posh *posh = &question->posh;
    struct resolve_context *context = question->server->context;
    const char *host = posh->job->domain;
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(name, &length, host, strlen(host), (const uint8_t *)"") != BASE_OK)
        return;
    if (resolve_start(context, name, DNS_TYPE_A, got_v4, question, &posh->requests[0]) == BASE_OK)
        posh->missing++;
    if (resolve_start(context, name, DNS_TYPE_AAAA, got_v6, question, &posh->requests[1]) ==
        BASE_OK)
        posh->missing++;
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
    if (!read_url(ask->url, posh->job)) {
        pair_posh_end(question);
        tell(question, NULL, "the URL of the POSH document has no host that can be looked up");
        return;
    }
    look_up(question);
    pair_make_ready(question);
}

/* --- the document --- */

void pair_posh_step(struct pair_question *question)
{
    struct pair_posh *posh = &question->posh;
    struct pair_server *server = question->server;
    char why[200] = "too many POSH documents are being fetched";
    if (!posh->job || posh->missing > 0)
        return;
    bool found = posh->job->addresses[0] != '\0';
    if (!found)
        snprintf(why, sizeof why, "there is no POSH document: no address of %.120s",
                 posh->job->domain);
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
    for (size_t i = 0; i < 2; i++) {
        if (posh->requests[i])
            resolve_cancel(posh->requests[i]);
    }
    auth_fetch_job_free(posh->job);
    *posh = (struct pair_posh){.id = posh->id};
}
