/* Addresses of web servers: see host.h. */
#include "auth/host.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ADDRESSES_MAX 8 /* of each family */

static void add_addresses(struct auth_host *host, const struct validate_result *result)
{
    if (result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR) {
        host->failed = true;
        snprintf(host->why, sizeof host->why, "its address cannot be had: %.160s",
                 result->sentence ? result->sentence : "error");
        return;
    }
    if (result->kind != VALIDATE_ANSWER_DATA)
        return;
    const struct validate_records *set = &result->answer[0];
    for (size_t i = 0; i < set->count && i < ADDRESSES_MAX; i++) {
        const struct validate_rdata *rdata = &set->rdata[i];
        char text[INET6_ADDRSTRLEN];
        size_t used = strlen(host->addresses);
        if ((rdata->length != 4 && rdata->length != 16) ||
            !inet_ntop(rdata->length == 4 ? AF_INET : AF_INET6, rdata->data, text, sizeof text) ||
            used + strlen(text) + 2 > sizeof host->addresses)
            continue;
        snprintf(host->addresses + used, sizeof host->addresses - used, "%s%s", used > 0 ? "," : "",
                 text);
    }
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct auth_host_lookup *lookup = context;
    struct auth_host *host = lookup->host;
    lookup->request = NULL;
    host->missing--;
    host->failed |= !result;
    if (result)
        add_addresses(host, result);
    validate_result_unref(result);
    if (host->missing > 0)
        return;
    if (host->addresses[0] == '\0' && host->why[0] == '\0')
        snprintf(host->why, sizeof host->why, "it has no address");
    host->done(host->context);
}

int auth_host_start(struct auth_host *host, struct resolve_context *resolve, const char *name,
                    void (*done)(void *context), void *context)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    uint8_t wire[DNS_NAME_MAX];
    size_t length;
    *host = (struct auth_host){.done = done, .context = context};
    if (dns_name_from_text(wire, &length, name, strlen(name), (const uint8_t *)"") != BASE_OK)
        return BASE_ERANGE;
    for (size_t i = 0; i < 2; i++) {
        host->lookups[i].host = host;
        int status = resolve_start(resolve, wire, types[i], looked_up, &host->lookups[i],
                                   &host->lookups[i].request);
        if (status != BASE_OK) {
            auth_host_cancel(host);
            return status;
        }
        host->missing++;
    }
    return BASE_OK;
}

void auth_host_cancel(struct auth_host *host)
{
    for (size_t i = 0; i < 2; i++) {
        if (host->lookups[i].request)
            resolve_cancel(host->lookups[i].request);
        host->lookups[i].request = NULL;
    }
    host->missing = 0;
}

/* --- URLs --- */

static bool read_part(CURLU *url, CURLUPart what, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool good = curl_url_get(url, what, &text, flags) == CURLUE_OK && strlen(text) < size;
    if (good)
        memcpy(out, text, strlen(text) + 1);
    curl_free(text);
    return good;
}

static bool has_user(CURLU *url)
{
    char *text = NULL;
    bool has = curl_url_get(url, CURLUPART_USER, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

bool auth_url_host(const char *text, char host[DANE_DOMAIN_MAX], uint16_t *port)
{
    CURLU *url = curl_url();
    char given[DANE_DOMAIN_MAX], plain[DANE_DOMAIN_MAX], number[8], scheme[8];
    bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                read_part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
                strcasecmp(scheme, "https") == 0 &&
                read_part(url, CURLUPART_HOST, 0, given, sizeof given) &&
                read_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, number, sizeof number) &&
                !has_user(url);
    curl_url_cleanup(url);
    struct in_addr v4;
    if (!good || given[0] == '[' || inet_pton(AF_INET, given, &v4) == 1 ||
        dane_domain_to_ascii(given, plain) != BASE_OK || strcasecmp(given, plain) != 0)
        return false;
    /* Only a host that is written like this is pinned to its addresses when it is fetched from. */
    memcpy(host, plain, strlen(plain) + 1);
    *port = (uint16_t)strtoul(number, NULL, 10);
    return true;
}
