/* The service for pairs: requests, and what it consists of. */
#include "auth/pair_parts.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a connection may have in the air; with more it is not read from. */
#define WAITS_MAX       256
#define OUTPUT_FULL     (64 * 1024)
#define OUTPUT_MAX      (1024 * 1024)
#define CHAINS          128               /* to CAs, that are kept */
#define DOCUMENT_OCTETS (8 * 1024 * 1024) /* of POSH documents that are kept */

static size_t take(void *context, struct auth_connection *connection, const uint8_t *data,
                   size_t length)
{
    struct pair_server *server = context;
    const uint8_t *end = memchr(data + connection->searched, '\n', length - connection->searched);
    if (end) {
        size_t line = (size_t)(end - data);
        if (line > 0)
            pair_ask(server, connection, (const char *)data, line);
        return line + 1;
    }
    connection->searched = length;
    if (length > DANE_PAIR_LINE_MAX) {
        server->counts.malformed++;
        dane_pair_reply_error(&connection->output, NULL, "the line is longer than lines may be");
        connection->refused = true;
    }
    return 0;
}

static void reload(void *context)
{
    struct pair_server *server = context;
    auth_cache_clear(server->cache);
    auth_cache_clear(server->documents);
}

void pair_server_run(struct pair_server *server)
{
    base_log(server->log, base_clock_now(), BASE_LOG_INFO, "answering at %zu sockets",
             auth_service_sockets(server->service));
    auth_service_run(server->service);
}

/* --- beginning and end --- */

static void set_defaults(struct pair_options *options)
{
    const struct {
        unsigned *value, otherwise;
    } defaults[] = {
        {&options->socket_mode, 0660},
        {&options->connections, 64},
        {&options->questions, 1024},
        {&options->timeout, 30},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (*defaults[i].value == 0)
            *defaults[i].value = defaults[i].otherwise;
    }
    if (options->cache_octets == 0)
        options->cache_octets = 16 * 1024 * 1024;
}

static int open_service(struct pair_server *server, char why[AUTH_SERVICE_WHY])
{
    static const struct auth_service_calls calls = {.take = take, .reload = reload};
    const struct pair_options *options = &server->options;
    struct auth_service_options how = {
        .listen = options->listen,
        .listen_count = options->listen_count,
        .socket_mode = options->socket_mode,
        .connections = options->connections,
        .waits = WAITS_MAX,
        .output_full = OUTPUT_FULL,
        .request_most = DANE_PAIR_LINE_MAX,
        .output_most = OUTPUT_MAX,
    };
    return auth_service_new(&how, &calls, server, server->context, server->log, why,
                            &server->service);
}

static int start(struct pair_server *server, char why[AUTH_SERVICE_WHY])
{
    const struct pair_options *options = &server->options;
    struct auth_fetcher_options fetcher = {.ca_file = options->ca_file, .most = 256};
    int status = dane_authorities_new(options->ca_file, &server->authorities);
    if (status == BASE_EIO)
        snprintf(why, AUTH_SERVICE_WHY, "%.150s: the CAs cannot be read",
                 options->ca_file ? options->ca_file : "the system");
    if (status == BASE_OK)
        status = dane_chains_new(CHAINS, &server->chains);
    if (status == BASE_OK)
        status = auth_cache_new(options->cache_octets, &server->cache);
    if (status == BASE_OK)
        status = auth_cache_new(DOCUMENT_OCTETS, &server->documents);
    if (status == BASE_OK)
        status = open_service(server, why);
    if (status != BASE_OK)
        return status;
    auth_questions_init(&server->questions, &pair_question_calls, server->service,
                        options->questions, options->timeout);
    return auth_fetches_init(&server->fetches, &fetcher, server->service, pair_posh_done, server);
}

int pair_server_new(const struct pair_options *options, struct resolve_context *context,
                    const struct base_log *log, char why[AUTH_SERVICE_WHY],
                    struct pair_server **out)
{
    struct pair_server *server = calloc(1, sizeof *server);
    if (!server)
        return BASE_ENOMEM;
    server->options = *options;
    set_defaults(&server->options);
    server->context = context;
    server->log = log;
    why[0] = '\0';
    int status = start(server, why);
    if (status != BASE_OK) {
        pair_server_free(server);
        return status;
    }
    *out = server;
    return BASE_OK;
}

void pair_server_free(struct pair_server *server)
{
    if (!server)
        return;
    auth_questions_free(&server->questions);
    auth_fetches_free(&server->fetches);
    auth_service_free(server->service);
    auth_cache_free(server->documents);
    auth_cache_free(server->cache);
    dane_chains_free(server->chains);
    dane_authorities_free(server->authorities);
    free(server);
}
