/* The policy service: requests, and what it consists of. */
#include "auth/policy_parts.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND        UINT64_C(1000000000)
#define METRICS_EVERY (15 * SECOND)
#define OUTPUT_MAX    (4 * (DANE_SOCKETMAP_REPLY_MAX + 64))

static size_t take(void *context, struct auth_connection *connection, const uint8_t *data,
                   size_t length)
{
    struct policy_server *server = context;
    struct dane_socketmap_request request;
    size_t used;
    int status = dane_socketmap_read(data, length, &request, &used);
    if (status == BASE_OK) {
        policy_ask(server, connection, &request);
        return used;
    }
    if (status != BASE_ENOENT) {
        server->counts.malformed++;
        connection->refused = true;
    }
    return 0;
}

static void tick(void *context, uint64_t now)
{
    struct policy_server *server = context;
    if (server->options.metrics && now >= server->next_metrics) {
        server->next_metrics = now + METRICS_EVERY;
        policy_metrics_write(server);
    }
}

static void reload(void *context)
{
    auth_cache_clear(((struct policy_server *)context)->cache);
}

void policy_server_run(struct policy_server *server)
{
    base_log(server->log, base_clock_now(), BASE_LOG_INFO,
             "serving policies at %zu sockets, %zu MTA-STS policies known",
             auth_service_sockets(server->service), dane_sts_store_count(server->store));
    auth_service_run(server->service);
    if (server->options.metrics)
        policy_metrics_write(server);
}

/* --- beginning and end --- */

static void set_defaults(struct policy_options *options)
{
    const struct {
        unsigned *value, otherwise;
    } defaults[] = {
        {&options->socket_mode, 0666}, {&options->most_ttl, 3600}, {&options->connections, 512},
        {&options->questions, 256},    {&options->timeout, 60},    {&options->idle_timeout, 600},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (*defaults[i].value == 0)
            *defaults[i].value = defaults[i].otherwise;
    }
    if (options->cache_octets == 0)
        options->cache_octets = 16 * 1024 * 1024;
}

static int open_store(struct policy_server *server, char why[AUTH_SERVICE_WHY])
{
    if (server->options.state &&
        asprintf(&server->directory, "%s/mta-sts", server->options.state) < 0) {
        server->directory = NULL;
        return BASE_ENOMEM;
    }
    if (server->directory && mkdir(server->directory, 0750) != 0 && errno != EEXIST) {
        snprintf(why, AUTH_SERVICE_WHY, "%.150s: %s", server->directory, strerror(errno));
        return BASE_EIO;
    }
    int status =
        dane_sts_store_open(server->directory, base_clock_now(), server->log, &server->store);
    if (status == BASE_EIO)
        snprintf(why, AUTH_SERVICE_WHY, "%.150s: %s", server->directory, strerror(errno));
    return status;
}

static int open_service(struct policy_server *server, char why[AUTH_SERVICE_WHY])
{
    static const struct auth_service_calls calls = {take, tick, reload};
    const struct policy_options *options = &server->options;
    struct auth_service_options how = {
        .listen = options->listen,
        .listen_count = options->listen_count,
        .socket_mode = options->socket_mode,
        .connections = options->connections,
        .idle_timeout = options->idle_timeout,
        .waits = 1,
        .output_full = 1,
        .request_most = DANE_SOCKETMAP_REQUEST_MAX + 16,
        .output_most = OUTPUT_MAX,
    };
    return auth_service_new(&how, &calls, server, server->context, server->log, why,
                            &server->service);
}

static int start(struct policy_server *server, char why[AUTH_SERVICE_WHY])
{
    const struct policy_options *options = &server->options;
    struct auth_fetcher_options fetcher = {.ca_file = options->ca_file, .most = options->questions};
    int status = auth_cache_new(options->cache_octets, &server->cache);
    if (status == BASE_OK)
        status = open_store(server, why);
    if (status == BASE_OK)
        status = open_service(server, why);
    if (status != BASE_OK)
        return status;
    auth_questions_init(&server->questions, &policy_question_calls, server->service,
                        options->questions, options->timeout);
    return auth_fetches_init(&server->fetches, &fetcher, server->service, policy_sts_done, server);
}

int policy_server_new(const struct policy_options *options, struct resolve_context *context,
                      const struct base_log *log, char why[AUTH_SERVICE_WHY],
                      struct policy_server **out)
{
    struct policy_server *server = calloc(1, sizeof *server);
    if (!server)
        return BASE_ENOMEM;
    server->options = *options;
    set_defaults(&server->options);
    server->context = context;
    server->log = log;
    why[0] = '\0';
    int status = start(server, why);
    if (status != BASE_OK) {
        policy_server_free(server);
        return status;
    }
    *out = server;
    return BASE_OK;
}

void policy_server_free(struct policy_server *server)
{
    if (!server)
        return;
    auth_questions_free(&server->questions);
    auth_fetches_free(&server->fetches);
    auth_service_free(server->service);
    dane_sts_store_free(server->store);
    auth_cache_free(server->cache);
    free(server->directory);
    free(server);
}
