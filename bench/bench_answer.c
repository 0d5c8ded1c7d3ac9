/*
 * Times answers, without sockets: an image of a signed zone, and questions of which a part is for
 * names that do not exist:
 *     bench_answer DIRECTORY ORIGIN [FILE] [--cache OCTETS] [--missing PERCENT] [--count N]
 * [--plain] With FILE the zone is published first, and then with one record more, as a difference;
 * without it the image is used as it is. Questions are made beforehand, in random order, and
 * answered in batches of 32 with a renewal before each.
 */
#include "base/clock.h"
#include "base/error.h"
#include "dns/message.h"
#include "serve/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 32

struct question {
    uint16_t length;
    uint8_t wire[300];
};

struct names {
    const struct image_zone *zone;
    struct question *questions;
    size_t count, capacity;
    bool dnssec, ahead;
};

static void fail(const char *what, int error)
{
    fprintf(stderr, "bench_answer: %s: %s\n", what, base_strerror(error));
    exit(1);
}

static bool keep_others(void *context, const struct zone_node *node, const struct zone_rrset *rrset)
{
    return rrset->type != DNS_TYPE_SOA;
}

/* The zone with the next serial and one record more. */
static struct zone *change(struct zone *zone)
{
    static const uint8_t owner_label[] = "\14kenter-bench", text[] = "\5bench";
    uint8_t owner[DNS_NAME_MAX + sizeof(owner_label)], soa[65535];
    size_t length = zone->soa->length;
    struct zone_batch_writer writer;
    struct zone *changed = NULL;
    struct base_findings findings;
    memcpy(owner, owner_label, sizeof(owner_label) - 1);
    memcpy(owner + sizeof(owner_label) - 1, zone->apex, dns_name_length(zone->apex));
    memcpy(soa, zone->soa->rdata, length);
    base_store_u32(soa + length - 20, zone->serial + 1);
    base_findings_init(&findings, 10);
    int error = zone_batch_writer_init(&writer, zone->apex);
    if (error == BASE_OK)
        error = zone_batch_add(&writer, zone->apex, DNS_TYPE_SOA, zone->soa->ttl, soa, length);
    if (error == BASE_OK)
        error = zone_batch_add(&writer, owner, DNS_TYPE_TXT, 300, text, sizeof(text) - 1);
    struct zone_compose compose = {.base = zone, .keep = keep_others, .extra = writer.batch};
    if (error == BASE_OK)
        error = zone_compose(&compose, &findings, &changed);
    if (error != BASE_OK)
        fail("change", error);
    base_findings_free(&findings);
    return changed;
}

/* Publishes a change of one record, found by comparison or known. */
static void publish_change(struct image *image, struct zone *zone, bool known)
{
    struct zone *changed = change(zone);
    uint8_t owner[DNS_NAME_MAX + 16];
    memcpy(owner, "\14kenter-bench", 13);
    memcpy(owner + 13, zone->apex, dns_name_length(zone->apex));
    const uint8_t *const touched[] = {zone->apex, owner};
    struct image_published published;
    struct image_publish request = {.zone = changed,
                                    .previous = zone,
                                    .touched = known ? touched : NULL,
                                    .touched_count = 2,
                                    .history_bytes = 1 << 20,
                                    .history_versions = 10};
    uint64_t start = base_clock_monotonic();
    int error = image_publish(image, &request, &published);
    if (error != BASE_OK)
        fail("publish a change", error);
    printf("published a change of %zu names, %s, in %.3f ms\n", published.names_written,
           published.whole ? "whole"
           : known         ? "known"
                           : "compared",
           (double)(base_clock_monotonic() - start) / 1e6);
    request = (struct image_publish){.zone = zone};
    error = image_publish(image, &request, NULL);
    if (error != BASE_OK)
        fail("publish", error);
    zone_release(changed);
}

static void publish(struct image *image, const char *origin, const char *path)
{
    uint8_t apex[DNS_NAME_MAX];
    size_t length;
    struct dns_zonefile_options options = {.origin = apex};
    struct base_findings findings;
    struct zone *zone;
    dns_name_from_text(apex, &length, origin, strlen(origin), NULL);
    base_findings_init(&findings, 10);
    int error = zone_load(path, &options, &findings, &zone);
    if (error != BASE_OK)
        fail(path, error);
    uint64_t start = base_clock_monotonic();
    struct image_published published;
    struct image_publish request = {.zone = zone};
    error = image_publish(image, &request, &published);
    if (error != BASE_OK)
        fail("publish", error);
    printf("published %zu names in %.3f s\n", published.names_written,
           (double)(base_clock_monotonic() - start) / 1e9);
    publish_change(image, zone, false);
    publish_change(image, zone, true);
    base_findings_free(&findings);
    zone_release(zone);
}

static void add_question(struct names *names, const uint8_t *labels, size_t length, uint16_t type)
{
    if (names->count == names->capacity || length + names->zone->apex_length + 40u > 300)
        return;
    struct question *question = &names->questions[names->count++];
    uint8_t *put = question->wire;
    memcpy(put, "\0\1\0\0\0\1\0\0\0\0\0\0", 12);
    put += 12;
    memcpy(put, labels, length);
    put += length;
    memcpy(put, names->zone->apex, names->zone->apex_length);
    put += names->zone->apex_length;
    base_store_u16(put, type);
    base_store_u16(put + 2, DNS_CLASS_IN);
    put += 4;
    if (names->dnssec) {
        memcpy(put, "\0\0\x29\x04\xd0\0\0\x80\0\0\0", 11);
        put += 11;
        question->wire[11] = 1;
    }
    question->length = (uint16_t)(put - question->wire);
}

static int take_name(void *context, const struct image_name *name)
{
    struct image_rrset rrset;
    if (name->rrset_count > 0 && (name->flags & (ZONE_NSEC3 | ZONE_BELOW)) == 0 &&
        image_rrset_at(name, 0, &rrset) == BASE_OK)
        add_question(context, name->labels, name->labels_length, rrset.type);
    return BASE_OK;
}

/* Puts in random order, and makes a part of the names ones that do not exist. */
static void mix(struct names *names, unsigned missing)
{
    srandom(1);
    for (size_t i = names->count; i > 1; i--) {
        size_t j = (size_t)random() % i;
        struct question swap = names->questions[i - 1];
        names->questions[i - 1] = names->questions[j];
        names->questions[j] = swap;
    }
    for (size_t i = 0; i < names->count; i++) {
        uint8_t *label = names->questions[i].wire + 12;
        if ((unsigned)random() % 100 < missing && label[0] > 1)
            label[1 + (size_t)random() % label[0]] ^= 0x1f;
    }
}

static void look_ahead(struct serve_worker *worker, const struct names *names, size_t at,
                       size_t count)
{
    struct net_packet packets[BATCH];
    for (size_t i = 0; i < count; i++) {
        const struct question *question = &names->questions[(at + i) % names->count];
        packets[i] = (struct net_packet){question->wire, question->length};
    }
    serve_look_ahead(worker, packets, (unsigned)count);
}

static void run(struct serve_worker *worker, const struct names *names, size_t count)
{
    struct serve_client client = {.address_length = 4, .now = base_clock_now()};
    static uint8_t response[65535];
    size_t octets = 0, rcodes[16] = {0}, hot = 0, at = 0;
    uint64_t start = base_clock_monotonic();
    for (size_t i = 0; i < count; i++) {
        if (i % BATCH == 0 && serve_renew(worker) != BASE_OK)
            fail("renew", BASE_EIO);
        if (i % BATCH == 0 && names->ahead)
            look_ahead(worker, names, at, count - i < BATCH ? count - i : BATCH);
        struct serve_result result;
        serve_answer(worker, &client, names->questions[at].wire, names->questions[at].length,
                     response, sizeof(response), &result);
        octets += result.length;
        rcodes[result.rcode & 15]++;
        hot += result.hot;
        at = at + 1 == names->count ? 0 : at + 1;
    }
    double took = (double)(base_clock_monotonic() - start);
    printf("%zu answers: %.0f ns each, %zu octets, %zu NOERROR, %zu NXDOMAIN, %zu other, %zu hot\n",
           count, took / (double)count, octets / count, rcodes[0], rcodes[3],
           count - rcodes[0] - rcodes[3], hot);
}

int main(int argc, char **argv)
{
    struct serve_options options = {0};
    struct image_options image_options = {.writer = true, .no_sync = true};
    unsigned missing = 10;
    size_t count = 1000000;
    bool dnssec = true, ahead = true;
    const char *plain[3] = {NULL, NULL, NULL};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cache") == 0 && i + 1 < argc)
            options.cache_octets = (size_t)atoll(argv[++i]);
        else if (strcmp(argv[i], "--missing") == 0 && i + 1 < argc)
            missing = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = (size_t)atoll(argv[++i]);
        else if (strcmp(argv[i], "--plain") == 0)
            dnssec = false;
        else if (strcmp(argv[i], "--alone") == 0)
            ahead = false;
        else if (given < 3)
            plain[given++] = argv[i];
    }
    if (given < 2) {
        fprintf(stderr, "usage: bench_answer DIRECTORY ORIGIN [FILE] [OPTIONS]\n");
        return 2;
    }
    struct image *image;
    int error = image_open(plain[0], &image_options, &image);
    if (error != BASE_OK)
        fail(plain[0], error);
    if (plain[2] != NULL)
        publish(image, plain[1], plain[2]);
    struct serve_worker *worker;
    error = serve_worker_new(&options, image, &worker);
    if (error != BASE_OK)
        fail("worker", error);
    uint8_t apex[DNS_NAME_MAX];
    size_t length;
    struct image_zone zone;
    dns_name_from_text(apex, &length, plain[1], strlen(plain[1]), NULL);
    error = image_zone_get(serve_reader(worker), apex, &zone);
    if (error != BASE_OK)
        fail(plain[1], error);
    struct names names = {.zone = &zone, .capacity = zone.nodes, .dnssec = dnssec, .ahead = ahead};
    names.questions = malloc((names.capacity + 1) * sizeof(*names.questions));
    if (names.questions == NULL)
        fail("questions", BASE_ENOMEM);
    error = image_walk(serve_reader(worker), &zone, take_name, &names);
    if (error != BASE_OK || names.count == 0)
        fail("names", error);
    mix(&names, missing);
    for (int i = 0; i < 3; i++)
        run(worker, &names, count);
    free(names.questions);
    serve_worker_free(worker);
    image_close(image);
    return 0;
}
