/* Gathers what senders of mail see of a domain: see mta.h. */
#include "cli/mta.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 16
#define FETCH_MS    10000

const char *mta_txt(struct cli_call *call, const struct validate_rdata *rdata)
{
    char *text = base_arena_alloc(&call->arena, (size_t)rdata->length + 1);
    size_t length = 0;
    if (text == NULL)
        return NULL;
    for (size_t at = 0; at < rdata->length;) {
        size_t end = at + 1 + rdata->data[at];
        if (end > rdata->length)
            end = rdata->length;
        for (at++; at < end; at++) {
            uint8_t octet = rdata->data[at];
            text[length++] = (char)(octet < 0x20 || octet > 0x7e ? '?' : octet);
        }
    }
    text[length] = '\0';
    return text;
}

static int look_up(struct mta *mta, const char *text, uint16_t type,
                   const struct validate_result **out)
{
    const uint8_t *name = cli_parse_name(mta->ask.call, text);
    if (name == NULL)
        return BASE_ERANGE;
    return resolve_lookup(mta->ask.context, name, type, out);
}

static int look_below(struct mta *mta, const char *prefix, uint16_t type,
                      const struct validate_result **out)
{
    char text[DANE_DOMAIN_MAX + 32];
    snprintf(text, sizeof(text), "%s.%s", prefix, mta->domain);
    int error = look_up(mta, text, type, out);
    return error == BASE_ERANGE ? BASE_OK : error; /* too long: such a name cannot be there */
}

/* --- hosts --- */

static int look_at_host(struct mta *mta, struct mta_host *host)
{
    const struct dane_endpoint *endpoint = host->endpoint;
    host->name = base_arena_printf(&mta->ask.call->arena, "_%u._tcp.%s", endpoint->port,
                                   endpoint->base != NULL ? endpoint->base : endpoint->host);
    if (host->name == NULL)
        return BASE_ENOMEM;
    int error = look_up(mta, endpoint->host, DNS_TYPE_A, &host->addresses[0]);
    if (error == BASE_OK)
        error = look_up(mta, endpoint->host, DNS_TYPE_AAAA, &host->addresses[1]);
    /* Servers of unsigned zones need not be asked what cannot be used. */
    bool insecure = host->addresses[0] != NULL && host->addresses[0]->status == VALIDATE_INSECURE &&
                    host->addresses[1] != NULL && host->addresses[1]->status == VALIDATE_INSECURE;
    if (error == BASE_OK && !insecure)
        error = look_up(mta, host->name, DNS_TYPE_TLSA, &host->tlsa);
    return error == BASE_ERANGE ? BASE_OK : error;
}

static int look_at_hosts(struct mta *mta)
{
    const struct dane_plan_result *result = mta->visit.result;
    mta->hosts = calloc(result->count > 0 ? result->count : 1, sizeof(*mta->hosts));
    if (mta->hosts == NULL)
        return BASE_ENOMEM;
    int error = BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < result->count; i++) {
        mta->hosts[mta->host_count].endpoint = &result->endpoints[i];
        error = look_at_host(mta, &mta->hosts[mta->host_count++]);
    }
    return error;
}

/* --- MTA-STS --- */

static void read_id(struct mta *mta)
{
    const struct validate_result *txt = mta->sts_txt;
    size_t found = 0;
    if (txt == NULL || txt->kind != VALIDATE_ANSWER_DATA || txt->answer_count == 0)
        return;
    for (size_t i = 0; i < txt->answer[0].count; i++) {
        char id[DANE_STS_ID_MAX + 1];
        const char *text = mta_txt(mta->ask.call, &txt->answer[0].rdata[i]);
        int status = text == NULL ? BASE_ENOENT : dane_sts_id(text, strlen(text), id);
        if (status == BASE_ENOENT)
            continue;
        found++;
        if (status == BASE_OK)
            memcpy(mta->sts_id, id, sizeof(id));
        else
            snprintf(mta->sts_why, sizeof(mta->sts_why),
                     "the TXT record at _mta-sts is malformed: %.250s", text);
    }
    if (found > 1)
        snprintf(mta->sts_why, sizeof(mta->sts_why),
                 "there are %zu records v=STSv1 at _mta-sts, so none counts", found);
}

static int fetch_policy(struct mta *mta)
{
    char url[DANE_DOMAIN_MAX + 64], why[200] = "", *text = NULL;
    size_t length = 0;
    struct auth_web web = cli_web(mta->ask.call, mta->ask.context);
    snprintf(url, sizeof(url), "https://mta-sts.%s/.well-known/mta-sts.txt", mta->domain);
    struct auth_fetch fetch = {
        .url = url,
        .media_type = "text/plain",
        .most = DANE_STS_TEXT_MAX,
        .timeout_ms = FETCH_MS,
    };
    int error = auth_web_fetch(&web, &fetch, &text, &length, why);
    if (error == BASE_OK)
        error = dane_sts_parse(text, length, &mta->sts, why);
    free(text);
    mta->has_sts = error == BASE_OK;
    if (error == BASE_OK || error == BASE_ENOMEM)
        return error;
    snprintf(mta->sts_why, sizeof(mta->sts_why), "%s", why);
    return BASE_OK;
}

/* --- TLSRPT (RFC 8460 section 3) --- */

static void read_tlsrpt(struct mta *mta)
{
    static const char version[] = "v=TLSRPTv1";
    const struct validate_result *txt = mta->tlsrpt_txt;
    size_t found = 0;
    if (txt == NULL || txt->kind != VALIDATE_ANSWER_DATA || txt->answer_count == 0)
        return;
    for (size_t i = 0; i < txt->answer[0].count; i++) {
        const char *text = mta_txt(mta->ask.call, &txt->answer[0].rdata[i]);
        if (text == NULL || strncmp(text, version, sizeof(version) - 1) != 0)
            continue;
        found++;
        const char *at = strstr(text, "rua=");
        if (at == NULL ||
            (strncasecmp(at + 4, "mailto:", 7) != 0 && strncasecmp(at + 4, "https:", 6) != 0))
            mta->tlsrpt_why = "it names no mailto: or https: address behind rua=";
        else
            mta->tlsrpt = at + 4;
    }
    if (found > 1)
        mta->tlsrpt_why = "there are several records v=TLSRPTv1, so none counts";
    if (mta->tlsrpt_why != NULL)
        mta->tlsrpt = NULL;
}

/* --- all --- */

int mta_look(struct mta *mta)
{
    struct cli_call *call = mta->ask.call;
    int error = resolve_lookup(mta->ask.context, mta->name, DNS_TYPE_MX, &mta->mx);
    if (error == BASE_OK)
        error = look_below(mta, "_mta-sts", DNS_TYPE_TXT, &mta->sts_txt);
    if (error == BASE_OK)
        error = look_below(mta, "_smtp._tls", DNS_TYPE_TXT, &mta->tlsrpt_txt);
    if (error != BASE_OK)
        return error;
    /* MTA-STS is judged by itself, also for hosts that DANE protects. */
    mta->visit.options.no_sts = true;
    cli_visit_plan(&mta->visit, call, mta->ask.context);
    if (mta->visit.error != BASE_OK)
        return mta->visit.error;
    error = look_at_hosts(mta);
    read_tlsrpt(mta);
    read_id(mta);
    if (error == BASE_OK && mta->sts_id[0] != '\0' && mta->sts_why[0] == '\0')
        error = fetch_policy(mta);
    if (error == BASE_OK)
        cli_visit_connect(&mta->visit, call, mta->ask.now, true, CONNECTIONS);
    return error == BASE_OK ? mta->visit.error : error;
}

void mta_free(struct mta *mta)
{
    for (size_t i = 0; i < mta->host_count; i++) {
        validate_result_unref(mta->hosts[i].addresses[0]);
        validate_result_unref(mta->hosts[i].addresses[1]);
        validate_result_unref(mta->hosts[i].tlsa);
    }
    free(mta->hosts);
    if (mta->has_sts)
        dane_sts_free(&mta->sts);
    cli_visit_free(&mta->visit);
    validate_result_unref(mta->mx);
    validate_result_unref(mta->sts_txt);
    validate_result_unref(mta->tlsrpt_txt);
}
