/*
 * NOTIFY (RFC 1996): telling secondaries that a zone has a new version. All of it happens in the
 * exchanger's thread, whose turns bound how many are under way. See fetch.h.
 */
#include "base/error.h"
#include "base/reader.h"
#include "source/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES      5
#define FIRST_WAIT 1000 /* ms */
#define BUCKETS    16384

struct notify {
    struct net_task task;
    struct net_exchange exchange;
    struct source_fetcher *fetcher;
    struct notify *next; /* in its bucket */
    struct source_notify notify;
    size_t address;
    size_t length;
    uint8_t message[];
};

struct source_notifies {
    struct notify *buckets[BUCKETS];
};

int source_notifies_new(struct source_notifies **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? BASE_OK : BASE_ENOMEM;
}

void source_notifies_free(struct source_notifies *notifies)
{
    free(notifies);
}

static struct notify **bucket_of(const struct notify *notify)
{
    uint32_t hash = dns_name_hash(notify->notify.zone);
    hash ^= (uint32_t)((uintptr_t)notify->notify.server >> 4) * 2654435761u;
    return &notify->fetcher->notifies->buckets[hash % BUCKETS];
}

/* The one for the same zone and server that is under way. */
static struct notify *find_same(const struct notify *notify)
{
    struct notify *found = *bucket_of(notify);
    while (found != NULL && (found->notify.server != notify->notify.server ||
                             !dns_name_equal(found->notify.zone, notify->notify.zone)))
        found = found->next;
    return found;
}

static void take_out(struct notify *notify)
{
    struct notify **link = bucket_of(notify);
    while (*link != NULL && *link != notify)
        link = &(*link)->next;
    if (*link != NULL)
        *link = notify->next;
}

static void end(struct notify *notify, int error, const char *why)
{
    const struct source_notify *about = &notify->notify;
    if (about->done != NULL)
        about->done(about->context, about->zone, about->server, error, why);
    free(notify);
}

static void begin(struct notify *notify);

static void answered(struct net_exchange *exchange, const struct net_reply *reply)
{
    struct notify *notify = (struct notify *)((char *)exchange - offsetof(struct notify, exchange));
    char room[16], why[80];
    if (reply->kind == NET_REPLY_STOPPED) {
        take_out(notify);
        end(notify, BASE_EREFUSED, reply->why);
    } else if (reply->kind != NET_REPLY_ANSWER) {
        if (notify->address + 1 < notify->notify.server->address_count) {
            notify->address++;
            begin(notify);
            return;
        }
        take_out(notify);
        end(notify, reply->kind == NET_REPLY_UNPROVED ? BASE_EMISMATCH : BASE_EIO, reply->why);
    } else {
        unsigned rcode = base_load_u16(reply->message + 2) & 15;
        take_out(notify);
        snprintf(why, sizeof(why), "it answers %s", source_rcode_text(rcode, room));
        end(notify, rcode == DNS_RCODE_NOERROR ? BASE_OK : BASE_EREFUSED,
            rcode == DNS_RCODE_NOERROR ? "" : why);
    }
}

static void begin(struct notify *notify)
{
    const struct source_server *server = notify->notify.server;
    notify->exchange = (struct net_exchange){
        .address = server->addresses[notify->address],
        .message = notify->message,
        .length = notify->length,
        .key = server->key,
        .tls = server->tls,
        .tls_name = server->tls_name,
        .tls_ca = server->tls_ca,
        .patient = true,
        .tries = TRIES,
        .timeout_ms = FIRST_WAIT,
        .done = answered,
    };
    int error = net_exchange_start(notify->fetcher->exchanger, &notify->exchange);
    if (error == BASE_OK)
        return;
    take_out(notify);
    end(notify, error, base_strerror(error));
}

static void start(struct net_task *task)
{
    struct notify *notify = (struct notify *)((char *)task - offsetof(struct notify, task));
    struct notify *old = find_same(notify);
    if (old != NULL) {
        take_out(old);
        net_exchange_cancel(old->fetcher->exchanger, &old->exchange);
        end(old, BASE_EEXIST, "a newer version is told instead");
    }
    struct notify **bucket = bucket_of(notify);
    notify->next = *bucket;
    *bucket = notify;
    begin(notify);
}

/* A NOTIFY with the new SOA as a hint (RFC 1996 section 3.7). */
static int make_message(const struct source_notify *about, const uint8_t *zone,
                        uint8_t message[NET_EXCHANGE_MESSAGE_MAX], size_t *length)
{
    struct dns_builder builder;
    uint16_t flags = DNS_OPCODE_NOTIFY << 11 | DNS_FLAG_AA;
    dns_builder_init(&builder, message, NET_EXCHANGE_MESSAGE_MAX, 0, 0, flags);
    int error = dns_builder_question(&builder, zone, DNS_TYPE_SOA, DNS_CLASS_IN);
    if (error == BASE_OK && about->soa != NULL)
        error = dns_builder_record(&builder, DNS_SECTION_ANSWER, zone, DNS_TYPE_SOA, DNS_CLASS_IN,
                                   about->soa_ttl, about->soa, about->soa_length);
    *length = dns_builder_finish(&builder);
    return error;
}

int source_notify_start(struct source_fetcher *fetcher, const struct source_notify *notify)
{
    uint8_t message[NET_EXCHANGE_MESSAGE_MAX], zone[DNS_NAME_MAX];
    size_t length;
    if (notify->server->address_count == 0)
        return BASE_EINVAL;
    dns_name_lower(zone, notify->zone);
    int error = make_message(notify, zone, message, &length);
    if (error != BASE_OK)
        return error;
    struct notify *fresh = calloc(1, sizeof(*fresh) + length);
    if (fresh == NULL)
        return BASE_ENOMEM;
    fresh->fetcher = fetcher;
    fresh->notify = *notify;
    fresh->notify.soa = NULL; /* in the message; the caller's copy may go */
    dns_name_lower(fresh->notify.zone, zone);
    memcpy(fresh->message, message, length);
    fresh->length = length;
    fresh->task.run = start;
    net_exchanger_post(fetcher->exchanger, &fresh->task);
    return BASE_OK;
}
