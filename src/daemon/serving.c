/* Serving what is published: see serving.h. */
#include "daemon/serving.h"

#include "base/error.h"
#include "base/thread.h"
#include "zone/diff.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Hot answers kept by each worker, of a KiB each. */
#define CACHE_ENTRIES 8192
/* Readers that are neither a worker's nor a transfer's: jobs that compare, and other processes. */
#define SPARE_READERS (BASE_THREAD_MAX + 64)

struct daemon_serving {
    struct daemon_serving_options options;
    struct daemon_responder responder;
    struct image *image;
    pthread_mutex_t writer; /* held by whoever changes the image */
    struct net_server *server;
};

#define LOG(serving, level, ...)                                                                   \
    base_log(&(serving)->options.log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

/* --- the image --- */

static int open_image(struct daemon_serving *serving, unsigned workers)
{
    const char *directory = serving->options.directory;
    struct image_options options = {
        .writer = true, .readers = workers * (1 + DAEMON_TRANSFERS_MAX) + SPARE_READERS};
    int error = image_open(directory, &options, &serving->image);
    if (error == BASE_EFORMAT) {
        LOG(serving, WARNING,
            "the image in %s is damaged or of another format; it is made again from the zones",
            directory);
        error = image_discard(directory);
        if (error == BASE_OK)
            error = image_open(directory, &options, &serving->image);
    }
    if (error != BASE_OK)
        LOG(serving, ERROR, "the image in %s cannot be opened: %s", directory,
            base_strerror(error));
    return error;
}

static int stop_at_first(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    return BASE_EMISMATCH;
}

bool daemon_serving_holds(struct daemon_serving *serving, const struct zone *zone, unsigned threads)
{
    struct image_reader *reader;
    struct image_zone held;
    struct zone *content = NULL;
    struct zone_diff_options options = {0};
    if (image_reader_open(serving->image, &reader) != BASE_OK)
        return false;
    bool same = image_zone_get(reader, zone->apex, &held) == BASE_OK &&
                held.serial == zone->serial && held.records == zone->rr_count &&
                image_load(reader, &held, threads, &content) == BASE_OK &&
                zone_diff(content, zone, &options, stop_at_first, NULL) == BASE_OK;
    zone_release(content);
    image_reader_close(reader);
    return same;
}

bool daemon_serving_knows(struct daemon_serving *serving, const uint8_t *apex)
{
    struct image_reader *reader;
    struct image_zone held;
    if (image_reader_open(serving->image, &reader) != BASE_OK)
        return false;
    bool known = image_zone_get(reader, apex, &held) == BASE_OK;
    image_reader_close(reader);
    return known;
}

int daemon_serving_publish(struct daemon_serving *serving, const struct image_publish *publish)
{
    pthread_mutex_lock(&serving->writer);
    int error = image_publish(serving->image, publish, NULL);
    pthread_mutex_unlock(&serving->writer);
    return error;
}

int daemon_serving_remove(struct daemon_serving *serving, const uint8_t *apex,
                          const char *published)
{
    int error = BASE_OK;
    pthread_mutex_lock(&serving->writer);
    /* A job writes its file before it waits for the lock. */
    if (access(published, F_OK) != 0)
        error = image_remove(serving->image, apex);
    pthread_mutex_unlock(&serving->writer);
    return error == BASE_ENOENT ? BASE_OK : error;
}

int daemon_serving_list(struct daemon_serving *serving,
                        int (*visit)(void *context, const struct image_zone *zone), void *context)
{
    struct image_reader *reader;
    int error = image_reader_open(serving->image, &reader);
    if (error != BASE_OK)
        return error;
    error = image_zone_list(reader, visit, context);
    image_reader_close(reader);
    return error;
}

/* --- sockets --- */

static int open_sockets(struct daemon_serving *serving)
{
    size_t failed = 0;
    errno = 0;
    int error = net_server_listen(serving->server, serving->options.listen,
                                  serving->options.listen_count, &failed);
    if (error != BASE_OK && failed < serving->options.listen_count) {
        char text[NET_ADDRESS_TEXT];
        const char *why = errno != 0 ? strerror(errno) : base_strerror(error);
        net_address_text(&serving->options.listen[failed].address, text);
        LOG(serving, ERROR, "cannot listen on %s: %s", text, why);
    }
    return error;
}

static void log_addresses(struct daemon_serving *serving)
{
    union net_address address;
    for (size_t i = 0; net_server_address(serving->server, i, &address) == BASE_OK; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&address, text);
        LOG(serving, INFO, "answering on %s by UDP and TCP", text);
    }
}

static int start_server(struct daemon_serving *serving, unsigned workers)
{
    struct net_rate_options rate = NET_RATE_DEFAULT;
    struct net_options options = NET_OPTIONS_DEFAULT;
    serving->responder = (struct daemon_responder){
        .image = serving->image,
        .options = {.secret_count = 1,
                    .keepalive = (uint16_t)(options.limits.idle_ms / 100),
                    .cache_entries = CACHE_ENTRIES},
        .transfer = serving->options.transfer,
        .transfer_count = serving->options.transfer_count,
        .log = &serving->options.log,
    };
    uint8_t *secret = serving->responder.options.secrets[0];
    if (getrandom(secret, SERVE_SECRET_SIZE, 0) != SERVE_SECRET_SIZE)
        return BASE_EIO;
    options.handler = daemon_respond_handler(&serving->responder);
    options.workers = workers;
    options.pin = false; /* the processors are shared with the jobs */
    options.rate = &rate;
    int error = net_server_new(&options, &serving->server);
    if (error == BASE_OK)
        error = open_sockets(serving);
    if (error == BASE_OK)
        error = net_server_start(serving->server);
    if (error == BASE_OK)
        log_addresses(serving);
    else
        LOG(serving, ERROR, "cannot serve: %s", base_strerror(error));
    return error;
}

int daemon_serving_open(const struct daemon_serving_options *options, struct daemon_serving **out)
{
    struct daemon_serving *serving = calloc(1, sizeof(*serving));
    if (serving == NULL)
        return BASE_ENOMEM;
    serving->options = *options;
    pthread_mutex_init(&serving->writer, NULL);
    unsigned workers = base_thread_count(options->threads);
    int error = open_image(serving, workers);
    if (error == BASE_OK)
        error = start_server(serving, workers);
    if (error != BASE_OK) {
        daemon_serving_close(serving);
        return error;
    }
    *out = serving;
    return BASE_OK;
}

void daemon_serving_close(struct daemon_serving *serving)
{
    if (serving == NULL)
        return;
    net_server_free(serving->server);
    image_close(serving->image);
    pthread_mutex_destroy(&serving->writer);
    free(serving);
}
