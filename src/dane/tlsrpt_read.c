/*
 * Reading reports: what the file is, then its members.
 */
#include "dane/tlsrpt_read.h"

#include "base/error.h"
#include "dane/tlsrpt.h"
#include "dane/tlsrpt_mail.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1000

/* --- members --- */

static const char *text(const json_t *object, const char *name, struct base_arena *arena,
                        int *error)
{
    const char *value = json_string_value(json_object_get(object, name));
    const char *made = value ? base_arena_strndup(arena, value, strnlen(value, TEXT_MAX)) : "";
    if (!made)
        *error = BASE_ENOMEM;
    return made;
}

/* Some write numbers as texts. */
static uint64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    unsigned long long read = 0;
    if (json_is_integer(value))
        return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
    if (json_is_string(value) && sscanf(json_string_value(value), "%18llu", &read) == 1)
        return read;
    return 0;
}

static int read_failures(const json_t *list, struct base_arena *arena, size_t *left,
                         struct dane_tlsrpt_told *out)
{
    size_t count = json_array_size(list);
    int error = BASE_OK;
    if (count > *left)
        return BASE_ELIMIT;
    *left -= count;
    out->details = base_arena_zalloc(arena, count * sizeof *out->details);
    if (!out->details)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        out->details[i] = (struct dane_tlsrpt_failure){
            .type = text(item, "result-type", arena, &error),
            .mx = text(item, "receiving-mx-hostname", arena, &error),
            .sending_ip = text(item, "sending-mta-ip", arena, &error),
            .receiving_ip = text(item, "receiving-ip", arena, &error),
            .reason = text(item, "failure-reason-code", arena, &error),
            .count = number(item, "failed-session-count"),
        };
    }
    out->detail_count = count;
    return error;
}

static int read_policy(const json_t *item, struct base_arena *arena, size_t *left,
                       struct dane_tlsrpt_told *out)
{
    const json_t *policy = json_object_get(item, "policy");
    const json_t *summary = json_object_get(item, "summary");
    int error = BASE_OK;
    *out = (struct dane_tlsrpt_told){
        .domain = text(policy, "policy-domain", arena, &error),
        .type = text(policy, "policy-type", arena, &error),
        .successes = number(summary, "total-successful-session-count"),
        .failures = number(summary, "total-failure-session-count"),
    };
    return error == BASE_OK
               ? read_failures(json_object_get(item, "failure-details"), arena, left, out)
               : error;
}

static int read_document(const json_t *root, struct base_arena *arena, struct dane_tlsrpt_view *out,
                         char why[200])
{
    const json_t *policies = json_object_get(root, "policies");
    const json_t *range = json_object_get(root, "date-range");
    size_t left = DANE_TLSRPT_READ_MAX, count = json_array_size(policies);
    int status = BASE_OK;
    if (!json_is_array(policies)) {
        snprintf(why, 200, "it has no list of policies, so it is no report of RFC 8460");
        return BASE_EFORMAT;
    }
    struct dane_tlsrpt_view view = {
        .organization = text(root, "organization-name", arena, &status),
        .contact = text(root, "contact-info", arena, &status),
        .id = text(root, "report-id", arena, &status),
        .from = text(range, "start-datetime", arena, &status),
        .until = text(range, "end-datetime", arena, &status),
        .count = count,
    };
    if (count > DANE_TLSRPT_READ_MAX)
        status = BASE_ELIMIT;
    else if (!(view.policies = base_arena_zalloc(arena, count * sizeof *view.policies)))
        status = BASE_ENOMEM;
    for (size_t i = 0; status == BASE_OK && i < count; i++)
        status = read_policy(json_array_get(policies, i), arena, &left, &view.policies[i]);
    if (status == BASE_ELIMIT)
        snprintf(why, 200, "it has more than %d policies or failures", DANE_TLSRPT_READ_MAX);
    if (status == BASE_OK)
        *out = view;
    return status;
}

/* --- what the file is --- */

static int read_json(const uint8_t *data, size_t length, struct base_arena *arena,
                     struct dane_tlsrpt_view *out, char why[200])
{
    json_error_t error = {.text = ""};
    if (length > DANE_TLSRPT_DOCUMENT_MAX) {
        snprintf(why, 200, "it is longer than %d MiB", DANE_TLSRPT_DOCUMENT_MAX >> 20);
        return BASE_ELIMIT;
    }
    json_t *root = json_loadb((const char *)data, length, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        snprintf(why, 200, "it is no JSON: line %d: %.150s", error.line, error.text);
        return BASE_EFORMAT;
    }
    int status = read_document(root, arena, out, why);
    json_decref(root);
    return status;
}

static bool is_gzip(const uint8_t *data, size_t length)
{
    return length > 2 && data[0] == 0x1f && data[1] == 0x8b;
}

static int read_unmailed(const uint8_t *data, size_t length, struct base_arena *arena,
                         struct dane_tlsrpt_view *out, char why[200])
{
    struct base_buf document;
    if (!is_gzip(data, length))
        return read_json(data, length, arena, out, why);
    base_buf_init(&document, DANE_TLSRPT_DOCUMENT_MAX);
    int status = dane_tlsrpt_expand(data, length, &document);
    if (status == BASE_OK)
        status = read_json(document.data, document.length, arena, out, why);
    else if (status == BASE_ELIMIT)
        snprintf(why, 200, "expanded, it is longer than %d MiB", DANE_TLSRPT_DOCUMENT_MAX >> 20);
    else if (status == BASE_EFORMAT)
        snprintf(why, 200, "its gzip is damaged or cut short");
    base_buf_free(&document);
    return status;
}

int dane_tlsrpt_read(const uint8_t *data, size_t length, struct base_arena *arena,
                     struct dane_tlsrpt_view *out, char why[200])
{
    struct base_buf attached;
    size_t at = 0;
    while (at < length && strchr(" \t\r\n", data[at]) && data[at] != '\0')
        at++;
    if (is_gzip(data, length) || (at < length && data[at] == '{'))
        return read_unmailed(data, length, arena, out, why);
    base_buf_init(&attached, DANE_TLSRPT_FILE_MAX);
    int status = dane_tlsrpt_mail_read((const char *)data, length, &attached);
    if (status == BASE_OK)
        status = read_unmailed(attached.data, attached.length, arena, out, why);
    else if (status == BASE_ENOENT || status == BASE_EFORMAT)
        snprintf(why, 200, "%s",
                 status == BASE_ENOENT ? "it is neither JSON, nor gzip, nor a mail with a report"
                                       : "the report attached to the mail cannot be decoded");
    else if (status == BASE_ELIMIT)
        snprintf(why, 200, "the report attached is longer than %d MiB", DANE_TLSRPT_FILE_MAX >> 20);
    base_buf_free(&attached);
    return status == BASE_ENOENT ? BASE_EFORMAT : status;
}

const char *dane_tlsrpt_type_words(const char *type)
{
    static const char *const words[DANE_TLSRPT_TYPES] = {
        [DANE_TLSRPT_SUCCESS] = "nothing failed",
        [DANE_TLSRPT_STARTTLS_NOT_SUPPORTED] = "the server did not offer STARTTLS",
        [DANE_TLSRPT_CERTIFICATE_HOST_MISMATCH] = "the certificate is for other names",
        [DANE_TLSRPT_CERTIFICATE_EXPIRED] = "the certificate has expired",
        [DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED] =
            "the certificate is by nobody whom the sender trusts",
        [DANE_TLSRPT_VALIDATION_FAILURE] =
            "the certificate fits no TLSA record, or the check failed for another reason",
        [DANE_TLSRPT_TLSA_INVALID] = "the TLSA records fit nothing, or are malformed",
        [DANE_TLSRPT_DNSSEC_INVALID] = "DNS answers could not be had or not be validated",
        [DANE_TLSRPT_DANE_REQUIRED] = "the sender demands DANE, and the host has no TLSA records",
        [DANE_TLSRPT_STS_POLICY_FETCH_ERROR] = "the MTA-STS policy could not be fetched",
        [DANE_TLSRPT_STS_POLICY_INVALID] = "the MTA-STS policy is malformed",
        [DANE_TLSRPT_STS_WEBPKI_INVALID] = "the MTA-STS host has no good certificate",
    };
    enum dane_tlsrpt_type known;
    return dane_tlsrpt_type_by_name(type, &known) == BASE_OK ? words[known]
                                                             : "a failure of no known type";
}
