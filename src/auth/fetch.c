/*
 * Documents over HTTPS, by libcurl: policies and fingerprints, never anything large.
 */
#include "auth/authenticate.h"

#include "base/buf.h"
#include "base/error.h"

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

static int judge(CURL *curl, const struct auth_fetch *fetch, CURLcode code,
                 const struct base_buf *body, const char *detail, char why[200])
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (body->error == BASE_ESPACE) {
        snprintf(why, 200, "%.100s is longer than %zu octets", fetch->url, fetch->most);
        return BASE_ELIMIT;
    }
    if (code != CURLE_OK) {
        snprintf(why, 200, "%.80s cannot be fetched: %.90s", fetch->url,
                 detail[0] != '\0' ? detail : curl_easy_strerror(code));
        return code == CURLE_OUT_OF_MEMORY ? BASE_ENOMEM : BASE_EIO;
    }
    if (status != 200) {
        snprintf(why, 200, "%.100s answers with HTTP status %ld%s", fetch->url, status,
                 status / 100 == 3 ? ", a redirect, which is not followed" : "");
        return BASE_EIO;
    }
    if (fetch->media_type && !has_media_type(curl, fetch->media_type)) {
        snprintf(why, 200, "%.100s is not of media type %s", fetch->url, fetch->media_type);
        return BASE_EFORMAT;
    }
    return BASE_OK;
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
    base_buf_free(&body);
    return status;
}
