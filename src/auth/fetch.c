/*
 * Documents over HTTPS, by libcurl: policies and fingerprints, never anything large.
 */
#include "auth/authenticate.h"

#include "auth/host.h"
#include "base/buf.h"
#include "base/error.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct base_buf *body = context;
    base_buf_append(body, data, size * count);
    return body->error ? 0 : size * count;
}

static bool has_media_type(CURL *curl, const char *wanted)
{
    const char *type = NULL;
    size_t length = strlen(wanted);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    return type && strncasecmp(type, wanted, length) == 0 &&
           (type[length] == '\0' || strchr("; \t", type[length]));
}

/* Does the host say that there is no document, and not that it cannot serve one now? */
static bool is_lasting(long status)
{
    return status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

bool auth_fetch_is_answer(int status)
{
    return status == BASE_ENOENT || status == BASE_EFORMAT || status == BASE_ELIMIT;
}

static bool is_posted(CURL *curl, const struct auth_fetch *fetch)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent >= 0 && (size_t)sent >= fetch->post_length;
}

/* The header lines belong to the caller. NULL: no memory. */
static struct curl_slist *set_post(CURL *curl, const struct auth_fetch *fetch)
{
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", fetch->post_type);
    struct curl_slist *headers = curl_slist_append(NULL, type);
    struct curl_slist *more = headers ? curl_slist_append(headers, "Expect:") : NULL;
    if (!more) {
        curl_slist_free_all(headers);
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->post_length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, fetch->post);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static int judge(CURL *curl, const struct auth_fetch *fetch, CURLcode code,
                 const struct base_buf *body, const char *detail, char why[200])
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (body->error == BASE_ESPACE) {
        snprintf(why, 200, "%.100s is longer than %zu octets", fetch->url, fetch->most);
        return BASE_ELIMIT;
    }
    if (code != CURLE_OK && fetch->post && is_posted(curl, fetch)) {
        snprintf(why, 200, "%.100s took it all, but did not answer", fetch->url);
        return BASE_EEXIST;
    }
    if (code != CURLE_OK) {
        snprintf(why, 200, "%.80s cannot be fetched: %.90s", fetch->url,
                 detail[0] != '\0' ? detail : curl_easy_strerror(code));
        return code == CURLE_OUT_OF_MEMORY              ? BASE_ENOMEM
               : code == CURLE_PEER_FAILED_VERIFICATION ? BASE_EMISMATCH
                                                        : BASE_EIO;
    }
    if (fetch->post ? status / 100 != 2 : status != 200) {
        snprintf(why, 200, "%.100s answers with HTTP status %ld%s", fetch->url, status,
                 status / 100 == 3 ? ", a redirect, which is not followed" : "");
        return is_lasting(status) ? BASE_ENOENT : BASE_EIO;
    }
    if (fetch->media_type && !has_media_type(curl, fetch->media_type)) {
        snprintf(why, 200, "%.100s is not of media type %s", fetch->url, fetch->media_type);
        return BASE_EFORMAT;
    }
    return BASE_OK;
}

/* "::127.0.0.1:8443", as curl wants to be told to connect there for any host; NULL when `connect`
 * is no address. */
static struct curl_slist *elsewhere(const char *connect)
{
    union net_address address;
    char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
    if (net_address_parse(connect, 443, &address) != BASE_OK)
        return NULL;
    bool v4 = address.any.sa_family == AF_INET;
    const void *octets = v4 ? (const void *)&address.v4.sin_addr : &address.v6.sin6_addr;
    if (!inet_ntop(address.any.sa_family, octets, host, sizeof host))
        return NULL;
    snprintf(text, sizeof text, v4 ? "::%s:%u" : "::[%s]:%u", host, net_address_port(&address));
    return curl_slist_append(NULL, text);
}

int auth_fetch(const struct auth_fetch *fetch, char **text, size_t *length, char why[200])
{
    CURL *curl = curl_easy_init();
    if (!curl) {
        snprintf(why, 200, "there is no memory");
        return BASE_ENOMEM;
    }
    struct base_buf body;
    char detail[CURL_ERROR_SIZE] = "";
    base_buf_init(&body, fetch->most);
    struct curl_slist *resolve = fetch->resolve ? curl_slist_append(NULL, fetch->resolve) : NULL;
    struct curl_slist *connect = fetch->connect ? elsewhere(fetch->connect) : NULL;
    struct curl_slist *headers = fetch->post ? set_post(curl, fetch) : NULL;
    if ((fetch->resolve && !resolve) || (fetch->connect && !connect) || (fetch->post && !headers)) {
        /* Never to somewhere else than was said. */
        curl_slist_free_all(headers);
        curl_slist_free_all(resolve);
        curl_slist_free_all(connect);
        curl_easy_cleanup(curl);
        snprintf(why, 200, "there is no memory");
        return BASE_ENOMEM;
    }
    curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)fetch->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "kenter/" KENTER_VERSION);
    if (fetch->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, fetch->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (resolve)
        curl_easy_setopt(curl, CURLOPT_RESOLVE, resolve);
    if (connect)
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect);
    CURLcode code = curl_easy_perform(curl);
    int status = judge(curl, fetch, code, &body, detail, why);
    if (status == BASE_OK) {
        *length = body.length;
        *text = malloc(*length + 1);
        if (*text && *length > 0)
            memcpy(*text, body.data, *length);
        if (*text)
            (*text)[*length] = '\0';
        else
            status = BASE_ENOMEM;
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(resolve);
    curl_slist_free_all(connect);
    curl_slist_free_all(headers);
    base_buf_free(&body);
    return status;
}

/* --- blocking, with the host looked up before --- */

static void ignore(void *context)
{
    (void)context;
}

int auth_web_fetch(const struct auth_web *web, const struct auth_fetch *wanted, char **text,
                   size_t *length, char why[200])
{
    struct auth_fetch fetch = *wanted;
    struct auth_host host;
    char name[DANE_DOMAIN_MAX], resolve[sizeof name + AUTH_HOST_ADDRESSES + 16];
    uint16_t port;
    fetch.ca_file = web->ca_file;
    if (!auth_url_host(fetch.url, name, &port)) {
        snprintf(why, 200, "%.100s has no host that can be looked up", fetch.url);
        return BASE_EIO;
    }
    fetch.connect = web->connect ? web->connect(web->connect_context, name) : NULL;
    if (fetch.connect)
        return auth_fetch(&fetch, text, length, why);
    int status = auth_host_start(&host, web->resolve, name, ignore, NULL);
    if (status != BASE_OK) {
        snprintf(why, 200, "%.100s cannot be looked up", name);
        return status;
    }
    resolve_wait(web->resolve);
    if (host.addresses[0] == '\0') {
        snprintf(why, 200, "%.60s: %.130s", name, host.why);
        return host.failed ? BASE_EIO : BASE_ENOENT;
    }
    snprintf(resolve, sizeof resolve, "%s:%u:%s", name, port, host.addresses);
    fetch.resolve = resolve;
    return auth_fetch(&fetch, text, length, why);
}
