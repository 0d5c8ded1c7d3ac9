/*
 * One transfer from one primary, in a thread of its own: connection, request, messages, deadlines.
 * See internal.h.
 */
#include "base/error.h"
#include "base/reader.h"
#include "crypto/mac.h"
#include "net/outbound.h"
#include "source/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define MILLISECOND UINT64_C(1000000)
/* Connecting, with the handshake of TLS, has so many times the time of a question. */
#define CONNECTING 3
/* Several messages are read at once when there are many. */
#define INPUT     (256 * 1024)
#define TSIG_ROOM 1024

struct pull {
    struct source_job *job;
    struct net_outbound *outbound;
    struct source_transfer transfer;
    struct dns_tsig tsig;
    uint64_t total;   /* deadlines, ns */
    uint64_t message; /* of the next message, or of connecting */
    bool connected;
    enum base_finding_code trouble;
    char why[NET_OUTBOUND_WHY + 64];
};

static int __attribute__((format(printf, 4, 5)))
trouble(struct pull *pull, int error, enum base_finding_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(pull->why, sizeof(pull->why), format, args);
    va_end(args);
    pull->trouble = code;
    return error;
}

static uint64_t in_ms(uint64_t milliseconds)
{
    return base_clock_monotonic() + milliseconds * MILLISECOND;
}

/* --- the request --- */

static int send_request(struct pull *pull, uint16_t type, uint16_t id)
{
    const struct source_job *job = pull->job;
    const struct dns_tsig_key *key = source_job_server(job)->key;
    uint8_t wire[SOURCE_QUERY_MAX + TSIG_ROOM];
    size_t length = source_query(wire, id, job->fetch.zone, type, job->fetch.serial, !job->plain);
    int error = BASE_OK;
    if (key != NULL)
        error = dns_tsig_sign(&pull->tsig, wire, &length, sizeof(wire), base_clock_now(), 0);
    if (error == BASE_OK)
        error = net_outbound_send(pull->outbound, wire, length);
    if (error != BASE_OK)
        return trouble(pull, error, FETCH_LOCAL, "the request could not be made: %s",
                       base_strerror(error));
    return BASE_OK;
}

static int open_connection(struct pull *pull)
{
    const struct source_job *job = pull->job;
    const struct source_server *server = source_job_server(job);
    struct net_outbound_options options = {
        .address = &server->addresses[job->address],
        .tls = server->tls ? job->fetcher->tls : NULL,
        .tls_name = server->tls_name,
        .tls_ca = server->tls_ca,
        .input = INPUT,
    };
    char why[NET_OUTBOUND_WHY];
    int error = net_outbound_new(&options, why, &pull->outbound);
    if (error == BASE_OK)
        return BASE_OK;
    return trouble(pull, error,
                   error == BASE_EIO       ? FETCH_NO_ANSWER
                   : error == BASE_EFORMAT ? FETCH_TLS
                                           : FETCH_LOCAL,
                   "%s", why);
}

/* --- what comes back --- */

static int verify(struct pull *pull, uint8_t *message, size_t *length)
{
    if (source_job_server(pull->job)->key == NULL)
        return BASE_OK;
    uint16_t error = 0;
    struct dns_tsig_record record;
    bool is_signed = dns_tsig_find(message, *length, &record) == BASE_OK;
    unsigned rcode = *length >= DNS_MESSAGE_HEADER ? message[3] & 15u : 0;
    if (dns_tsig_verify(&pull->tsig, message, length, base_clock_now(), &error) == BASE_OK)
        return BASE_OK;
    size_t number = pull->transfer.messages + 1;
    char room[16];
    if (!is_signed)
        return trouble(pull, BASE_EMISMATCH, FETCH_UNPROVED,
                       "message %zu (%s) is not signed, as it would have to be", number,
                       source_rcode_text(rcode, room));
    return trouble(pull, BASE_EMISMATCH, FETCH_UNPROVED, "message %zu does not verify: %s", number,
                   error == DNS_RCODE_BADKEY    ? "the key is not known there (BADKEY)"
                   : error == DNS_RCODE_BADTIME ? "the clocks differ too much (BADTIME)"
                   : error == DNS_RCODE_BADSIG  ? "the MAC is wrong (BADSIG)"
                                                : "the TSIG record is malformed or cut");
}

/* Takes all messages that are there. */
static int take_messages(struct pull *pull)
{
    uint8_t *message;
    size_t length;
    struct source_transfer *transfer = &pull->transfer;
    while (!transfer->done && (message = net_outbound_next(pull->outbound, &length)) != NULL) {
        int error = verify(pull, message, &length);
        if (error != BASE_OK)
            return error;
        error = source_transfer_take(transfer, message, length);
        if (error != BASE_OK)
            return trouble(pull, error, transfer->trouble, "%s", transfer->why);
        pull->message = in_ms(pull->job->fetcher->options.stall_ms);
    }
    /* The last message is signed, or those behind the last signed one are anybody's. */
    if (transfer->done && source_job_server(pull->job)->key != NULL &&
        !dns_tsig_complete(&pull->tsig))
        return trouble(pull, BASE_EMISMATCH, FETCH_UNPROVED,
                       "the last message of the transfer is not signed");
    return BASE_OK;
}

static int too_late(struct pull *pull)
{
    const struct source_fetcher_options *options = &pull->job->fetcher->options;
    if (!pull->connected)
        return trouble(pull, BASE_EIO, FETCH_NO_ANSWER, "no connection within %u ms",
                       options->timeout_ms * CONNECTING);
    if (base_clock_monotonic() >= pull->total)
        return trouble(pull, BASE_EIO, FETCH_STALLED,
                       "the transfer takes longer than %u ms; %zu records had come",
                       options->total_ms, pull->transfer.records);
    return trouble(pull, BASE_EIO, FETCH_STALLED,
                   "no whole message for %u ms, after %zu messages with %zu records",
                   options->stall_ms, pull->transfer.messages, pull->transfer.records);
}

/* Waits for the socket, until the next deadline. BASE_EREFUSED: the fetcher ends. */
static int wait(struct pull *pull)
{
    struct pollfd events[2] = {
        {.fd = net_outbound_fd(pull->outbound), .events = net_outbound_events(pull->outbound)},
        {.fd = pull->job->fetcher->pool.stop_event, .events = POLLIN},
    };
    uint64_t now = base_clock_monotonic();
    uint64_t deadline = pull->message < pull->total ? pull->message : pull->total;
    if (now >= deadline)
        return too_late(pull);
    /* In pieces, since milliseconds of hours do not fit everywhere. */
    uint64_t milliseconds = (deadline - now) / MILLISECOND + 1;
    int count = poll(events, 2, milliseconds < 60000 ? (int)milliseconds : 60000);
    if (count < 0 && errno != EINTR)
        return trouble(pull, BASE_EIO, FETCH_LOCAL, "waiting: %s", strerror(errno));
    if (count > 0 && events[1].revents != 0)
        return trouble(pull, BASE_EREFUSED, FETCH_STOPPED, "the transfer was ended");
    return BASE_OK;
}

static void note_connected(struct pull *pull)
{
    if (pull->connected || !net_outbound_connected(pull->outbound))
        return;
    pull->connected = true;
    pull->message = in_ms(pull->job->fetcher->options.stall_ms);
}

static int receive(struct pull *pull)
{
    struct net_outbound *outbound = pull->outbound;
    while (!pull->transfer.done) {
        int error = BASE_OK;
        enum net_outbound_state state = net_outbound_step(outbound);
        note_connected(pull);
        if (state == NET_OUTBOUND_MESSAGE)
            error = take_messages(pull);
        else if (state == NET_OUTBOUND_FAILED)
            error = trouble(pull, BASE_EIO,
                            net_outbound_tls_failed(outbound) ? FETCH_TLS
                            : pull->connected                 ? FETCH_CUT_SHORT
                                                              : FETCH_NO_ANSWER,
                            "%s, after %zu messages with %zu records", net_outbound_why(outbound),
                            pull->transfer.messages, pull->transfer.records);
        else if (state == NET_OUTBOUND_ENDED)
            error = trouble(pull, BASE_EIO, FETCH_CUT_SHORT,
                            "the connection was closed after %zu messages with %zu records",
                            pull->transfer.messages, pull->transfer.records);
        else
            error = wait(pull);
        /* A peer that never pauses is not waited for. */
        if (error == BASE_OK && !pull->transfer.done && base_clock_monotonic() >= pull->total)
            error = too_late(pull);
        if (error == BASE_OK && atomic_load(&pull->job->fetcher->stopping))
            error = trouble(pull, BASE_EREFUSED, FETCH_STOPPED, "the transfer was ended");
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* --- the result --- */

static int keep_whole(struct pull *pull)
{
    struct source_job *job = pull->job;
    int error = source_transfer_zone(&pull->transfer, &job->findings, &job->zone);
    if (error != BASE_OK)
        return trouble(pull, error, FETCH_LOCAL, "the zone could not be built: %s",
                       base_strerror(error));
    return BASE_OK;
}

static enum source_pulled keep_result(struct pull *pull)
{
    struct source_job *job = pull->job;
    struct source_transfer *transfer = &pull->transfer;
    if (transfer->form == SOURCE_TRANSFER_CURRENT) {
        source_job_current(job, transfer->soa, transfer->soa_length, transfer->soa_ttl,
                           transfer->expire_known ? &transfer->expire_in : NULL);
        return SOURCE_PULL_CURRENT;
    }
    if (transfer->form == SOURCE_TRANSFER_WHOLE && keep_whole(pull) != BASE_OK) {
        source_job_finding(job, pull->trouble, "%s", pull->why);
        return SOURCE_PULL_NO_USE;
    }
    if (transfer->form == SOURCE_TRANSFER_EDITS) {
        job->edits = transfer->edits;
        job->have_edits = true;
        transfer->edits = (struct source_edits){.items = NULL};
    }
    memcpy(job->soa, transfer->soa, transfer->soa_length);
    job->soa_length = transfer->soa_length;
    job->soa_ttl = transfer->soa_ttl;
    job->serial = transfer->serial;
    job->expire_known = transfer->expire_known;
    job->expire_in = transfer->expire_in;
    return SOURCE_PULLED;
}

/* Could it go better with the whole zone? Not when the server cannot be reached or trusted. */
static bool worth_whole(const struct pull *pull)
{
    switch ((int)pull->trouble) {
    case FETCH_REFUSED:
    case FETCH_BAD_MESSAGE:
    case FETCH_BAD_CONTENT:
    case FETCH_CUT_SHORT:
    case FETCH_TOO_LARGE:
        return true;
    case FETCH_STALLED:
        /* A single, newer SOA, and silence: a way to say that differences are not to be had. */
        return pull->transfer.records == 1;
    default:
        return false;
    }
}

static int transfer(struct pull *pull, uint16_t type)
{
    const struct source_job *job = pull->job;
    const struct source_fetch *fetch = &job->fetch;
    struct source_transfer_options options = {
        .zone = fetch->zone,
        .type = type,
        .have = fetch->have && !fetch->whole,
        .have_serial = fetch->serial,
        .bytes_max = job->fetcher->options.zone_bytes_max,
    };
    if (getrandom(&options.id, sizeof(options.id), 0) != sizeof(options.id))
        return trouble(pull, BASE_EIO, FETCH_LOCAL, "no random numbers");
    if (source_transfer_init(&pull->transfer, &options) != BASE_OK)
        return trouble(pull, BASE_ENOMEM, FETCH_LOCAL, "no memory for a transfer");
    dns_tsig_init(&pull->tsig, source_job_server(job)->key, &crypto_tsig_hmac);
    pull->message = in_ms((uint64_t)job->fetcher->options.timeout_ms * CONNECTING);
    int error = open_connection(pull);
    if (error == BASE_OK)
        error = send_request(pull, type, options.id);
    return error == BASE_OK ? receive(pull) : error;
}

/* *whole: it is worth to try with AXFR. */
static enum source_pulled pull_once(struct source_job *job, uint16_t type, uint64_t total,
                                    bool *whole)
{
    struct pull pull = {.job = job, .total = total};
    enum source_pulled result = SOURCE_PULL_NO_USE;
    int error = transfer(&pull, type);
    if (error == BASE_OK) {
        result = keep_result(&pull);
    } else if (type == DNS_TYPE_IXFR && worth_whole(&pull)) {
        *whole = true;
        source_job_finding(job, FETCH_NOT_INCREMENTAL, "%s", pull.why);
    } else if (error != BASE_EREFUSED || pull.trouble != FETCH_STOPPED) {
        source_job_finding(job, pull.trouble, "%s", pull.why);
        if (pull.trouble == FETCH_STALLED || pull.trouble == FETCH_NO_ANSWER)
            result = SOURCE_PULL_STALLED;
    }
    net_outbound_free(pull.outbound);
    dns_tsig_free(&pull.tsig);
    source_transfer_free(&pull.transfer);
    return result;
}

enum source_pulled source_pull(struct source_job *job)
{
    bool incremental = job->fetch.have && !job->fetch.whole, whole = !incremental;
    uint64_t total = in_ms(job->fetcher->options.total_ms);
    enum source_pulled result = SOURCE_PULL_NO_USE;
    if (incremental)
        result = pull_once(job, DNS_TYPE_IXFR, total, &whole);
    if (whole)
        result = pull_once(job, DNS_TYPE_AXFR, total, &whole);
    return result;
}
