/*
 * The state of tracked trust anchors as a text file: a line for each thing, words between spaces.
 *
 *     kenter-anchors 1
 *     zone .
 *     queried 2026-11-22T06:00:00Z next 2026-11-23T18:00:00Z
 *     ttl 172800 expires 2026-12-11T00:00:00Z
 *     key valid since 2024-01-11T00:00:00Z due - DNSKEY 257 3 8 AwEAA...
 *     end <SHA-256 of all lines before, in hexadecimal>
 *
 * The digest tells a file that was cut or altered from a good one: what is damaged is never used in
 * part, because a revoked key must not come back.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "crypto/crypto.h"
#include "validate/tracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  (256 * 1024)
#define WORDS_MAX 64

static const char head[] = "kenter-anchors 1";

static const char *time_text(char out[BASE_TIME_TEXT], base_time time)
{
    if (time == 0)
        memcpy(out, "-", 2);
    else
        base_time_iso(time, out);
    return out;
}

static bool digest_of(const void *text, size_t length,
                      char out[BASE_HEX_SIZE(CRYPTO_DIGEST_MAX) + 1])
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t digest_length;
    struct crypto_hasher *hasher;
    if (crypto_hasher_new(CRYPTO_SHA256, &hasher) != BASE_OK)
        return false;
    bool good = crypto_hasher_update(hasher, text, length) == BASE_OK &&
                crypto_hasher_final(hasher, digest, &digest_length) == BASE_OK;
    crypto_hasher_free(hasher);
    if (good)
        out[base_hex_encode(out, digest, digest_length)] = '\0';
    return good;
}

void validate_tracker_write(const struct validate_tracker *tracker, struct base_buf *out)
{
    char first[BASE_TIME_TEXT], second[BASE_TIME_TEXT], zone[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    char digest[BASE_HEX_SIZE(CRYPTO_DIGEST_MAX) + 1];
    size_t start = out->length;
    base_buf_printf(out, "%s\nzone %s\n", head, dns_name_text(zone, tracker->zone));
    base_buf_printf(out, "queried %s next %s\n", time_text(first, tracker->queried),
                    time_text(second, tracker->next));
    base_buf_printf(out, "ttl %u expires %s\n", tracker->original_ttl,
                    time_text(first, tracker->expires));
    for (size_t i = 0; i < tracker->count; i++) {
        const struct validate_tracked *key = &tracker->keys[i];
        base_buf_printf(out, "key %s since %s due %s %s ", validate_tracked_state_name(key->state),
                        time_text(first, key->since), time_text(second, key->due),
                        dns_type_text(type, key->type));
        dns_rdata_to_text(out, key->type, key->rdata, key->length, DNS_TEXT_PLAIN);
        base_buf_text(out, "\n");
    }
    if (out->error != BASE_OK)
        return;
    if (digest_of(out->data + start, out->length - start, digest))
        base_buf_printf(out, "end %s\n", digest);
    else
        out->error = BASE_ENOMEM;
}

/*
 * Reading.
 */
struct reading {
    const char *text;
    size_t length, at;
    uint32_t line;
    struct dns_token words[WORDS_MAX];
    size_t count;
    struct validate_tracker tracker;
    const char *wrong; /* what is damaged; NULL: nothing yet */
};

/* Splits the next line into words; false at the end. */
static bool next_line(struct reading *reading)
{
    reading->count = 0;
    if (reading->at >= reading->length)
        return false;
    reading->line++;
    while (reading->at < reading->length && reading->text[reading->at] != '\n') {
        size_t start = reading->at;
        while (reading->at < reading->length && reading->text[reading->at] != '\n' &&
               reading->text[reading->at] != ' ')
            reading->at++;
        if (reading->at > start && reading->count < WORDS_MAX)
            reading->words[reading->count++] =
                (struct dns_token){.text = reading->text + start,
                                   .length = (uint32_t)(reading->at - start),
                                   .line = reading->line};
        if (reading->at < reading->length && reading->text[reading->at] == ' ')
            reading->at++;
    }
    reading->at++;
    return true;
}

static bool is(const struct reading *reading, size_t index, const char *word)
{
    return index < reading->count && reading->words[index].length == strlen(word) &&
           memcmp(reading->words[index].text, word, strlen(word)) == 0;
}

static bool read_time(const struct reading *reading, size_t index, base_time *out)
{
    char text[BASE_TIME_TEXT];
    *out = 0;
    if (is(reading, index, "-"))
        return true;
    if (index >= reading->count || reading->words[index].length >= sizeof(text))
        return false;
    memcpy(text, reading->words[index].text, reading->words[index].length);
    text[reading->words[index].length] = '\0';
    return strchr(text, 'T') != NULL && base_time_parse(text, 0, out) == BASE_OK;
}

static bool read_number(const struct reading *reading, size_t index, uint32_t *out)
{
    uint64_t number = 0;
    if (index >= reading->count || reading->words[index].length > 10)
        return false;
    for (size_t i = 0; i < reading->words[index].length; i++) {
        char c = reading->words[index].text[i];
        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (uint64_t)(c - '0');
    }
    *out = (uint32_t)number;
    return number <= UINT32_MAX;
}

static bool read_state(const struct reading *reading, size_t index,
                       enum validate_tracked_state *out)
{
    for (int state = 0; state <= VALIDATE_TRACKED_REMOVED; state++) {
        *out = (enum validate_tracked_state)state;
        if (is(reading, index, validate_tracked_state_name(*out)))
            return true;
    }
    return false;
}

/* key STATE since TIME due TIME TYPE RDATA... */
static int read_key(struct reading *reading)
{
    struct validate_tracker *tracker = &reading->tracker;
    struct validate_tracked key = {.type = 0};
    size_t length;
    bool canonical;
    if (!read_state(reading, 1, &key.state) || !is(reading, 2, "since") ||
        !read_time(reading, 3, &key.since) || !is(reading, 4, "due") ||
        !read_time(reading, 5, &key.due) || reading->count < 8 ||
        dns_type_from_text(reading->words[6].text, reading->words[6].length, &key.type) !=
            BASE_OK ||
        (key.type != DNS_TYPE_DS && key.type != DNS_TYPE_DNSKEY) ||
        tracker->count == VALIDATE_TRACKED_MAX) {
        reading->wrong = "this is no line of a key, or there are too many";
        return BASE_OK;
    }
    uint8_t *rdata = malloc(DNS_RDATA_MAX);
    if (rdata == NULL)
        return BASE_ENOMEM;
    if (dns_rdata_from_text(key.type, reading->words + 7, reading->count - 7, NULL, rdata, &length,
                            &canonical, NULL) != BASE_OK ||
        length > CRYPTO_DNSKEY_MAX) {
        reading->wrong = "the key is malformed";
        free(rdata);
        return BASE_OK;
    }
    key.length = (uint16_t)length;
    uint8_t *kept = realloc(rdata, length);
    key.rdata = kept != NULL ? kept : rdata;
    tracker->keys[tracker->count++] = key;
    return BASE_OK;
}

static int read_line(struct reading *reading)
{
    struct validate_tracker *tracker = &reading->tracker;
    size_t length;
    bool good = true;
    if (reading->line == 1)
        good = is(reading, 0, "kenter-anchors") && is(reading, 1, "1");
    else if (is(reading, 0, "key"))
        return read_key(reading);
    else if (is(reading, 0, "zone") && reading->count == 2)
        good = dns_name_from_text(tracker->zone, &length, reading->words[1].text,
                                  reading->words[1].length, NULL) == BASE_OK;
    else if (is(reading, 0, "queried") && is(reading, 2, "next"))
        good = read_time(reading, 1, &tracker->queried) && read_time(reading, 3, &tracker->next);
    else if (is(reading, 0, "ttl") && is(reading, 2, "expires"))
        good = read_number(reading, 1, &tracker->original_ttl) &&
               read_time(reading, 3, &tracker->expires);
    else
        good = false;
    if (!good)
        reading->wrong = "this line is not understood";
    return BASE_OK;
}

/* Where the last line begins, if it ends the file and its digest is right. */
static bool check_end(const char *text, size_t length, size_t *end)
{
    char digest[BASE_HEX_SIZE(CRYPTO_DIGEST_MAX) + 1];
    if (length == 0 || text[length - 1] != '\n')
        return false;
    size_t at = length - 1;
    while (at > 0 && text[at - 1] != '\n')
        at--;
    *end = at;
    return length - at > 5 && memcmp(text + at, "end ", 4) == 0 && digest_of(text, at, digest) &&
           length - 1 - (at + 4) == strlen(digest) &&
           memcmp(text + at + 4, digest, strlen(digest)) == 0;
}

int validate_tracker_read(struct validate_tracker *tracker, const char *file, const char *text,
                          size_t length, struct base_findings *findings)
{
    struct reading reading = {.text = text};
    int error = BASE_OK;
    if (!check_end(text, length, &reading.length))
        reading.wrong = "the last line is missing, or its digest is not that of the lines before";
    while (error == BASE_OK && reading.wrong == NULL && next_line(&reading))
        error = read_line(&reading);
    if (error == BASE_OK && reading.wrong == NULL && reading.tracker.count == 0)
        reading.wrong = "there is no key";
    if (error == BASE_OK && reading.wrong == NULL) {
        *tracker = reading.tracker;
        return BASE_OK;
    }
    validate_tracker_free(&reading.tracker);
    if (error != BASE_OK)
        return error;
    base_findings_add(findings, ANCHORS_STATE_DAMAGED,
                      &(struct base_place){.file = file, .line = reading.line}, "%s",
                      reading.wrong);
    return BASE_EREFUSED;
}

int validate_tracker_save(const struct validate_tracker *tracker, const char *path)
{
    struct base_file_writer *writer;
    struct base_buf text;
    base_buf_init(&text, FILE_MAX);
    validate_tracker_write(tracker, &text);
    int error = text.error != BASE_OK ? text.error : base_file_create(path, 0644, &writer);
    if (error == BASE_OK) {
        error = base_file_write(writer, text.data, text.length);
        if (error == BASE_OK)
            error = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    base_buf_free(&text);
    return error;
}

int validate_tracker_load(struct validate_tracker *tracker, const char *path,
                          struct base_findings *findings)
{
    uint8_t *text;
    size_t length;
    int error = base_file_read(path, FILE_MAX, &text, &length);
    if (error == BASE_ELIMIT) {
        base_findings_add(findings, ANCHORS_STATE_DAMAGED, &(struct base_place){.file = path},
                          "the file is larger than any state");
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    error = validate_tracker_read(tracker, path, (const char *)text, length, findings);
    free(text);
    return error;
}
