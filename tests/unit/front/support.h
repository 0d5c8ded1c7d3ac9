/* What tests and the fuzz target of the serve process share: a worker without sockets, over an
 * image with history. */
#ifndef TEST_FRONT_SUPPORT_H
#define TEST_FRONT_SUPPORT_H

#include "../serve/support.h"

#include "crypto/mac.h"
#include "front/worker.h"

static const struct dns_tsig_key support_key = {.name = (const uint8_t *)"\1k",
                                                .algorithm = DNS_TSIG_HMAC_SHA256,
                                                .secret = (const uint8_t *)"a secret of 20 octets",
                                                .secret_length = 20};

struct support_front {
    struct config *config;
    struct base_log log;
    struct front_shared shared;
    struct image *image;
    struct net_handler handler;
    void *worker;
    struct config_match allow;
    struct config_update_rule rule;
};

static inline struct zone *support_zone(const char *text)
{
    static const uint8_t apex[] = "\4test";
    struct dns_zonefile_options options = {.origin = apex, .threads = 1};
    struct base_findings findings;
    struct dns_zonefile file;
    struct zone *zone;
    base_findings_init(&findings, 10);
    REQUIRE(dns_zonefile_read_memory("zone", text, strlen(text), &options, &findings, &file) ==
            BASE_OK);
    REQUIRE(zone_build(&file, 1, &findings, &zone) == BASE_OK);
    dns_zonefile_free(&file);
    base_findings_free(&findings);
    return zone;
}

/* Zone test. in `count` versions: serial i has names n0 … n9 with address i, and one name of its
 * own. */
static inline void support_versions(struct image *image, unsigned count)
{
    struct zone *previous = NULL;
    for (unsigned serial = 1; serial <= count; serial++) {
        char text[4096];
        int at = snprintf(text, sizeof(text), "@ 60 SOA a. b. %u 1 1 1 1\n@ NS n0\n", serial);
        for (unsigned i = 0; i < 10; i++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, "n%u A 192.0.2.%u\n", i,
                           i < 5 ? 0 : serial);
        for (unsigned i = 0; i < 40; i++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, "s%u TXT \"%u\"\n", i, i);
        snprintf(text + at, sizeof(text) - (size_t)at, "own%u A 192.0.2.1\n", serial);
        struct zone *zone = support_zone(text);
        struct image_publish request = {.zone = zone,
                                        .previous = previous,
                                        .now = 1,
                                        .history_bytes = 1 << 20,
                                        .history_versions = 100};
        REQUIRE(image_publish(image, &request, NULL) == BASE_OK);
        zone_release(previous);
        previous = zone;
    }
    zone_release(previous);
}

static inline void support_front_begin(struct support_front *front, const char *directory,
                                       unsigned versions)
{
    memset(front, 0, sizeof(*front));
    front->log = (struct base_log){.least = BASE_LOG_ERROR, .fd = 2};
    REQUIRE(config_default(&front->config) == BASE_OK);
    front->config->keys = &support_key;
    front->config->key_count = 1;
    front->allow.key = front->rule.who.key = &support_key;
    front->rule.grant = true;
    front->config->standard.transfer = (struct config_acl){&front->allow, 1};
    front->config->standard.update = &front->rule;
    front->config->standard.update_count = 1;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 16 << 20};
    REQUIRE(image_open(directory, &options, &front->image) == BASE_OK);
    support_publish(front->image, "example.", TEST_DATA "/golden/rfc4035-a.zone", NULL);
    support_versions(front->image, versions);
    REQUIRE(front_shared_init(&front->shared, front->config, &front->log, 1) == BASE_OK);
    REQUIRE(front_shared_image(&front->shared, front->image) == BASE_OK);
    front->handler = front_handler(&front->shared);
    REQUIRE(front->handler.worker_begin(front->handler.context, NULL, 0, &front->worker) ==
            BASE_OK);
}

static inline void support_front_end(struct support_front *front)
{
    front->handler.worker_end(front->worker);
    front_shared_free(&front->shared); /* closes the image */
    front->config->key_count = 0;      /* they are not its own */
    config_free(front->config);
}

#endif
