/*
 * Fetching zones from primaries: the questions, whom to ask next, and what comes of it. See fetch.h
 * and docs/design/fetch.md.
 */
#include "base/error.h"
#include "base/reader.h"
#include "source/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOA_TRIES         3
#define FINDINGS_PER_CODE 100

/* --- findings --- */

void source_job_finding(struct source_job *job, enum base_finding_code code, const char *format,
                        ...)
{
    char text[512], address[NET_ADDRESS_TEXT], zone[DNS_NAME_TEXT];
    const struct source_server *server = source_job_server(job);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    net_address_text(&server->addresses[job->address], address);
    struct base_place place = {.owner = dns_name_text(zone, job->fetch.zone)};
    if (server->name != NULL)
        base_findings_add(&job->findings, code, &place, "%s (%s): %s", server->name, address, text);
    else
        base_findings_add(&job->findings, code, &place, "%s: %s", address, text);
}

static void log_result(const struct source_job *job, enum source_fetched kind)
{
    const struct base_log *log = &job->fetcher->options.log;
    if (log->fd <= 0 || kind == SOURCE_CURRENT)
        return; /* there is no log; and nothing happened */
    char zone[DNS_NAME_TEXT];
    dns_name_text(zone, job->fetch.zone);
    const char *name = job->server < job->fetch.server_count && source_job_server(job)->name != NULL
                           ? source_job_server(job)->name
                           : "a primary";
    if (kind == SOURCE_WHOLE)
        base_log(log, base_clock_now(), BASE_LOG_INFO,
                 "%s: fetched from %s, serial %u, %zu records", zone, name, job->serial,
                 job->zone->rr_count);
    else if (kind == SOURCE_EDITS)
        base_log(log, base_clock_now(), BASE_LOG_INFO,
                 "%s: fetched from %s, serial %u, %zu changes", zone, name, job->serial,
                 job->edits.count);
    else
        base_log(log, base_clock_now(), BASE_LOG_WARNING, "%s: no primary gave the zone", zone);
}

/* --- the end --- */

void source_job_end(struct source_job *job, enum source_fetched kind)
{
    struct source_fetch_result result = {.kind = kind, .findings = &job->findings};
    if (kind == SOURCE_FAILED) {
        char zone[DNS_NAME_TEXT];
        struct base_place place = {.owner = dns_name_text(zone, job->fetch.zone)};
        if (job->stopped)
            base_findings_add(&job->findings, FETCH_STOPPED, &place, "the fetch was ended");
        else
            base_findings_add(&job->findings, FETCH_FAILED, &place,
                              "none of %zu primaries gave the zone", job->fetch.server_count);
    } else {
        const uint8_t *times = job->soa + job->soa_length - 16;
        result.soa = job->soa;
        result.soa_length = job->soa_length;
        result.soa_ttl = job->soa_ttl;
        result.serial = job->serial;
        result.refresh = base_load_u32(times);
        result.retry = base_load_u32(times + 4);
        result.expire = base_load_u32(times + 8);
        result.expire_known = job->expire_known;
        result.expire_in = job->expire_in;
        result.from = kind == SOURCE_CURRENT ? job->current : source_job_server(job);
    }
    log_result(job, kind);
    if (kind == SOURCE_WHOLE)
        result.zone = job->zone;
    if (kind == SOURCE_EDITS)
        result.edits = job->edits;
    job->fetch.done(job->fetch.context, &result);
    if (kind != SOURCE_WHOLE)
        zone_release(job->zone);
    if (kind != SOURCE_EDITS && job->have_edits)
        source_edits_free(&job->edits);
    base_findings_free(&job->findings);
    free(job);
}

static void end_without_transfer(struct source_job *job)
{
    job->stopped = atomic_load(&job->fetcher->stopping);
    source_job_end(job, job->current != NULL && !job->stopped ? SOURCE_CURRENT : SOURCE_FAILED);
}

void source_job_current(struct source_job *job, const uint8_t *soa, size_t length, uint32_t ttl,
                        const uint32_t *expire)
{
    uint32_t serial = source_soa_serial(soa, length);
    if (serial != job->fetch.serial)
        source_job_finding(job, FETCH_SERIAL_BACK,
                           "its serial is %u, older than %u, which was fetched before", serial,
                           job->fetch.serial);
    /* One that has just what is known says more than one that went back. */
    if (job->current != NULL && (serial != job->fetch.serial || job->serial == serial))
        return;
    job->current = source_job_server(job);
    memcpy(job->soa, soa, length);
    job->soa_length = length;
    job->soa_ttl = ttl;
    job->serial = serial;
    job->expire_known = expire != NULL;
    job->expire_in = expire != NULL ? *expire : 0;
}

/* --- the question for the SOA --- */

static void ask(struct source_job *job);

static struct source_job *job_of_task(struct net_task *task)
{
    return (struct source_job *)((char *)task - offsetof(struct source_job, task));
}

static void ask_task(struct net_task *task)
{
    ask(job_of_task(task));
}

static void advance(struct source_job *job, bool server)
{
    job->address++;
    job->plain = false;
    while (job->server < job->fetch.server_count &&
           (server || job->address >= source_job_server(job)->address_count)) {
        job->server++;
        job->address = 0;
        server = false;
    }
}

void source_job_next(struct source_job *job, bool server)
{
    advance(job, server);
    job->task.run = ask_task;
    net_exchanger_post(job->fetcher->exchanger, &job->task);
}

static void transfer(struct source_job *job)
{
    int error = source_pool_add(job);
    if (error == BASE_OK)
        return;
    if (error == BASE_ENOMEM)
        source_job_finding(job, FETCH_LOCAL, "no memory to transfer from it");
    source_job_next(job, true);
}

/* The SOA of the zone in the answer, where the server is its authority. */
static const struct dns_record *find_soa(const struct source_job *job,
                                         const struct dns_message *message)
{
    size_t count;
    const struct dns_record *record = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    if (!(message->flags & DNS_FLAG_AA))
        return NULL;
    for (size_t i = 0; i < count; i++, record++) {
        if (record->type == DNS_TYPE_SOA && record->class == DNS_CLASS_IN && record->length > 20 &&
            dns_name_equal(record->name, job->fetch.zone))
            return record;
    }
    return NULL;
}

static void judge_soa(struct source_job *job, const struct dns_record *soa,
                      const struct dns_edns *edns)
{
    uint32_t expire;
    bool said = source_expire_read(edns, &expire);
    uint32_t serial = source_soa_serial(soa->rdata, soa->length);
    const struct source_fetch *fetch = &job->fetch;
    if (!fetch->have || fetch->whole || source_serial_newer(serial, fetch->serial)) {
        transfer(job);
        return;
    }
    source_job_current(job, soa->rdata, soa->length, soa->ttl, said ? &expire : NULL);
    source_job_next(job, true);
}

static void judge_answer(struct source_job *job, const uint8_t *wire, size_t length)
{
    struct base_arena arena;
    struct dns_message message;
    char room[16];
    base_arena_init(&arena, 4 * DNS_MESSAGE_UNPACKED_MAX);
    if (dns_message_parse(wire, length, &arena, &message) != BASE_OK) {
        source_job_finding(job, FETCH_BAD_MESSAGE, "its answer about the SOA is malformed");
        source_job_next(job, true);
    } else if (!job->plain &&
               (message.rcode == DNS_RCODE_FORMERR || message.rcode == DNS_RCODE_NOTIMP)) {
        job->plain = true; /* RFC 6891 section 7 */
        job->task.run = ask_task;
        net_exchanger_post(job->fetcher->exchanger, &job->task);
    } else if (message.rcode != DNS_RCODE_NOERROR) {
        source_job_finding(job, FETCH_REFUSED, "it answers %s to the question for the SOA",
                           source_rcode_text(message.rcode, room));
        source_job_next(job, true);
    } else {
        const struct dns_record *soa = find_soa(job, &message);
        if (soa != NULL) {
            job->plain = !message.edns.present;
            judge_soa(job, soa, &message.edns);
        } else {
            source_job_finding(job, FETCH_NOT_AUTHORITATIVE, "%s",
                               message.flags & DNS_FLAG_AA
                                   ? "its answer holds no SOA of the zone"
                                   : "it is not authoritative for the zone");
            source_job_next(job, true);
        }
    }
    base_arena_free(&arena);
}

static enum base_finding_code code_of(enum net_reply_kind kind)
{
    switch (kind) {
    case NET_REPLY_SILENCE:
    case NET_REPLY_UNREACHABLE:
        return FETCH_NO_ANSWER;
    case NET_REPLY_UNPROVED:
        return FETCH_UNPROVED;
    case NET_REPLY_TLS:
        return FETCH_TLS;
    case NET_REPLY_LOCAL:
        return FETCH_LOCAL;
    case NET_REPLY_ANSWER:
    case NET_REPLY_GARBAGE:
    case NET_REPLY_STOPPED:
        break;
    }
    return FETCH_BAD_MESSAGE;
}

static void answered(struct net_exchange *exchange, const struct net_reply *reply)
{
    struct source_job *job =
        (struct source_job *)((char *)exchange - offsetof(struct source_job, question));
    if (reply->kind == NET_REPLY_ANSWER) {
        judge_answer(job, reply->message, reply->length);
    } else if (reply->kind == NET_REPLY_STOPPED) {
        end_without_transfer(job);
    } else {
        source_job_finding(job, code_of(reply->kind), "%s", reply->why);
        source_job_next(job, false);
    }
}

/* Asks the primary whose turn it is; ends the job when there are no more. */
static void ask(struct source_job *job)
{
    const struct source_fetcher *fetcher = job->fetcher;
    if (job->server == job->fetch.server_count || atomic_load(&fetcher->stopping)) {
        end_without_transfer(job);
        return;
    }
    const struct source_server *server = source_job_server(job);
    job->question = (struct net_exchange){
        .address = server->addresses[job->address],
        .message = job->query,
        .length = source_query(job->query, 0, job->fetch.zone, DNS_TYPE_SOA, 0, !job->plain),
        .key = server->key,
        .tls = server->tls,
        .tls_name = server->tls_name,
        .tls_ca = server->tls_ca,
        .tries = SOA_TRIES,
        .timeout_ms = fetcher->options.timeout_ms,
        .done = answered,
    };
    int error = net_exchange_start(fetcher->exchanger, &job->question);
    if (error == BASE_OK)
        return;
    if (error != BASE_EREFUSED)
        source_job_finding(job, FETCH_LOCAL, "the question could not be asked: %s",
                           base_strerror(error));
    source_job_next(job, false);
}

int source_fetch_start(struct source_fetcher *fetcher, const struct source_fetch *fetch)
{
    if (fetch->done == NULL)
        return BASE_EINVAL;
    struct source_job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return BASE_ENOMEM;
    job->fetcher = fetcher;
    job->fetch = *fetch;
    dns_name_lower(job->fetch.zone, fetch->zone);
    base_findings_init(&job->findings, FINDINGS_PER_CODE);
    /* To the first address there is. */
    if (fetch->server_count > 0 && fetch->servers[0].address_count == 0)
        advance(job, true);
    job->task.run = ask_task;
    net_exchanger_post(fetcher->exchanger, &job->task);
    return BASE_OK;
}

/* --- the fetcher --- */

static void fill_in(struct source_fetcher_options *options)
{
    if (options->transfers == 0)
        options->transfers = 8;
    if (options->transfers > SOURCE_TRANSFERS_MAX)
        options->transfers = SOURCE_TRANSFERS_MAX;
    if (options->timeout_ms == 0)
        options->timeout_ms = 2000;
    if (options->stall_ms == 0)
        options->stall_ms = 20000;
    if (options->total_ms == 0)
        options->total_ms = 3600000;
    if (options->zone_bytes_max == 0)
        options->zone_bytes_max = (size_t)4 << 30;
}

int source_fetcher_new(const struct source_fetcher_options *options, struct source_fetcher **out)
{
    struct source_fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL)
        return BASE_ENOMEM;
    fetcher->options = *options;
    fill_in(&fetcher->options);
    int error = source_notifies_new(&fetcher->notifies);
    if (error == BASE_OK)
        error = net_tls_client_new(NET_TLS_TRANSFER, &fetcher->tls);
    if (error == BASE_OK)
        error = net_exchanger_new(&(struct net_exchanger_options){.tls = fetcher->tls},
                                  &fetcher->exchanger);
    if (error == BASE_OK)
        error = source_pool_start(fetcher);
    if (error != BASE_OK) {
        net_exchanger_free(fetcher->exchanger);
        net_tls_client_free(fetcher->tls);
        source_notifies_free(fetcher->notifies);
        free(fetcher);
        return error;
    }
    *out = fetcher;
    return BASE_OK;
}

void source_fetcher_free(struct source_fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    atomic_store(&fetcher->stopping, true);
    /* In this order: whoever transfers may hand its job back to the exchanger. */
    source_pool_stop(fetcher);
    net_exchanger_free(fetcher->exchanger);
    source_pool_free(fetcher);
    net_tls_client_free(fetcher->tls);
    source_notifies_free(fetcher->notifies);
    free(fetcher);
}
