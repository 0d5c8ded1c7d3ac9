/*
 * Fetches a zone once, or tells secondaries, and prints what came of it; for scenario tests.
 *
 *   fetch [OPTION...] ZONE SERVER...     a server is an address, ADDRESS@PORT
 *     --serial N      what we have         --whole         AXFR only
 *     --key ALGORITHM:NAME:BASE64          TSIG
 *     --tls           over TLS             --tls-name NAME  --tls-ca FILE
 *     --timeout MS --stall MS --total MS --bytes N
 *     --notify        NOTIFY, with --serial as the SOA's
 *     --times N       so many fetches at once; the result of the last is printed
 *     --quiet         no zone, no edits
 *
 * The first line is "KIND SERIAL"; then records as lines, edits with + or - before them; findings
 * go to standard error.
 */
#include "source/fetch.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS_MAX = 16 };

struct run {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned left;
    bool quiet, failed;
};

static void print_record(const char *sign, const uint8_t *owner, uint32_t ttl, uint16_t type,
                         const uint8_t *rdata, size_t length)
{
    char name[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    dns_rdata_to_text(&buf, type, rdata, length, DNS_TEXT_PLAIN);
    printf("%s%s %u IN %s %s\n", sign, dns_name_text(name, owner), ttl,
           dns_type_text(type_text, type), base_buf_string(&buf));
    base_buf_free(&buf);
}

static void print_zone(const struct zone *zone)
{
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        for (uint32_t j = 0; j < node->rrset_count; j++) {
            const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + j];
            for (uint32_t k = 0; k < rrset->count; k++) {
                const struct dns_rr *rr = zone->rrs[rrset->first_rr + k];
                print_record("", node->name, rr->ttl, rr->type, rr->rdata, rr->length);
            }
        }
    }
}

static void print_result(const struct source_fetch_result *result, bool quiet)
{
    static const char *const kinds[] = {"current", "whole", "edits", "failed"};
    printf("%s %u\n", kinds[result->kind], result->serial);
    if (result->kind == SOURCE_WHOLE && !quiet)
        print_zone(result->zone);
    for (size_t i = 0; i < result->edits.count && !quiet; i++) {
        const struct source_edit *edit = &result->edits.items[i];
        print_record(edit->add ? "+ " : "- ", edit->owner, edit->ttl, edit->type, edit->rdata,
                     edit->length);
    }
    for (size_t i = 0; i < result->findings->count; i++) {
        const struct base_finding *finding = &result->findings->items[i];
        fprintf(stderr, "%s: %s\n", base_finding_info(finding->code)->code, finding->message);
    }
}

static void one_less(struct run *run, bool failed)
{
    run->left--;
    run->failed |= failed;
    pthread_cond_signal(&run->change);
    pthread_mutex_unlock(&run->lock);
}

static void fetched(void *context, const struct source_fetch_result *result)
{
    struct run *run = context;
    pthread_mutex_lock(&run->lock);
    if (run->left == 1)
        print_result(result, run->quiet);
    if (result->kind == SOURCE_WHOLE)
        zone_release(result->zone);
    if (result->kind == SOURCE_EDITS) {
        struct source_edits edits = result->edits;
        source_edits_free(&edits);
    }
    one_less(run, result->kind == SOURCE_FAILED);
}

static void told(void *context, const uint8_t *zone, const struct source_server *server, int error,
                 const char *why)
{
    struct run *run = context;
    pthread_mutex_lock(&run->lock);
    printf("%s %s\n", error == BASE_OK ? "told" : base_strerror(error), why);
    one_less(run, error != BASE_OK);
}

static void fail(const char *what)
{
    fprintf(stderr, "fetch: bad %s\n", what);
    exit(2);
}

static void read_key(char *text, struct dns_tsig_key *key)
{
    static uint8_t name[DNS_NAME_MAX], secret[256];
    static const uint8_t root[] = {0};
    size_t length;
    char *second = strchr(text, ':');
    char *third = second != NULL ? strchr(second + 1, ':') : NULL;
    if (third == NULL)
        fail("key");
    *second++ = *third++ = '\0';
    if (dns_tsig_algorithm_from_text(text, &key->algorithm) != BASE_OK ||
        dns_name_from_text(name, &length, second, strlen(second), root) != BASE_OK ||
        base_base64_decode(secret, sizeof(secret), &key->secret_length, third, strlen(third)) !=
            BASE_OK)
        fail("key");
    dns_name_lower(name, name);
    key->name = name;
    key->secret = secret;
}

struct command {
    struct source_fetcher_options options;
    struct source_server server;
    struct dns_tsig_key key;
    bool notify, have, whole, quiet;
    uint32_t serial;
    unsigned times;
};

/* Reads options; returns the index of the first argument behind them. */
static int read_options(struct command *command, int count, char **words)
{
    for (int i = 1; i < count; i++) {
        static char none[1];
        char *word = words[i], *value = i + 1 < count ? words[i + 1] : none;
        if (strncmp(word, "--", 2) != 0)
            return i;
        if (strcmp(word, "--whole") == 0)
            command->whole = true;
        else if (strcmp(word, "--tls") == 0)
            command->server.tls = true;
        else if (strcmp(word, "--notify") == 0)
            command->notify = true;
        else if (strcmp(word, "--quiet") == 0)
            command->quiet = true;
        else {
            i++;
            if (strcmp(word, "--serial") == 0) {
                command->have = true;
                command->serial = (uint32_t)strtoul(value, NULL, 10);
            } else if (strcmp(word, "--key") == 0) {
                read_key(value, &command->key);
                command->server.key = &command->key;
            } else if (strcmp(word, "--tls-name") == 0)
                command->server.tls_name = value;
            else if (strcmp(word, "--tls-ca") == 0)
                command->server.tls_ca = value;
            else if (strcmp(word, "--timeout") == 0)
                command->options.timeout_ms = (unsigned)atoi(value);
            else if (strcmp(word, "--stall") == 0)
                command->options.stall_ms = (unsigned)atoi(value);
            else if (strcmp(word, "--total") == 0)
                command->options.total_ms = (unsigned)atoi(value);
            else if (strcmp(word, "--bytes") == 0)
                command->options.zone_bytes_max = strtoull(value, NULL, 10);
            else if (strcmp(word, "--times") == 0)
                command->times = (unsigned)atoi(value);
            else
                fail(word);
        }
    }
    return count;
}

static int start_fetches(struct source_fetcher *fetcher, const struct command *command,
                         const struct source_fetch *fetch)
{
    int error = BASE_OK;
    for (unsigned i = 0; i < command->times && error == BASE_OK; i++)
        error = source_fetch_start(fetcher, fetch);
    return error;
}

static int start_notify(struct source_fetcher *fetcher, const struct command *command,
                        const struct source_fetch *fetch, const struct source_server *servers)
{
    uint8_t soa[22] = {0};
    base_store_u32(soa + 2, command->serial);
    int error = BASE_OK;
    for (size_t i = 0; i < fetch->server_count && error == BASE_OK; i++) {
        struct source_notify notify = {.server = &servers[i],
                                       .soa = command->have ? soa : NULL,
                                       .soa_length = sizeof(soa),
                                       .done = told,
                                       .context = fetch->context};
        memcpy(notify.zone, fetch->zone, DNS_NAME_MAX);
        error = source_notify_start(fetcher, &notify);
    }
    return error;
}

int main(int count, char **words)
{
    static const uint8_t root[] = {0};
    struct command command = {.times = 1};
    union net_address addresses[SERVERS_MAX];
    struct source_server servers[SERVERS_MAX];
    struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    int at = read_options(&command, count, words);
    struct source_fetch fetch = {.servers = servers,
                                 .have = command.have,
                                 .serial = command.serial,
                                 .whole = command.whole,
                                 .done = fetched,
                                 .context = &run};
    size_t length;
    if (at >= count ||
        dns_name_from_text(fetch.zone, &length, words[at], strlen(words[at]), root) != BASE_OK)
        fail("zone");
    for (at++; at < count && fetch.server_count < SERVERS_MAX; at++) {
        size_t i = fetch.server_count++;
        if (net_address_parse(words[at], 53, &addresses[i]) != BASE_OK)
            fail("server");
        servers[i] = command.server;
        servers[i].addresses = &addresses[i];
        servers[i].address_count = 1;
    }
    run.quiet = command.quiet;
    run.left = command.notify ? (unsigned)fetch.server_count : command.times;
    struct source_fetcher *fetcher;
    if (source_fetcher_new(&command.options, &fetcher) != BASE_OK)
        fail("start");
    int error = command.notify ? start_notify(fetcher, &command, &fetch, servers)
                               : start_fetches(fetcher, &command, &fetch);
    if (error != BASE_OK)
        fail("start");
    pthread_mutex_lock(&run.lock);
    while (run.left > 0)
        pthread_cond_wait(&run.change, &run.lock);
    pthread_mutex_unlock(&run.lock);
    source_fetcher_free(fetcher);
    return run.failed ? 1 : 0;
}
