/* Contexts: options, and what stands for them. See resolve.h; the questions are in lookups.c. */
#include "base/error.h"
#include "resolve/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_DEFAULT (4u * 1024 * 1024)
#define KEYS_SHARE    4 /* a quarter of the cache is for keys */
#define KEYS_LEAST    (64u * 1024)

static int copy_text(const char *text, char **own, const char **option)
{
    if (text == NULL)
        return BASE_OK;
    *own = strdup(text);
    *option = *own;
    return *own != NULL ? BASE_OK : BASE_ENOMEM;
}

static int fill_defaults(struct resolve_context *context, const struct resolve_options *given)
{
    struct resolve_options *options = &context->options;
    *options = *given;
    options->timeout_ms = given->timeout_ms ? given->timeout_ms : 10000;
    options->try_ms = given->try_ms ? given->try_ms : 1500;
    options->tries = given->tries ? given->tries : 2;
    options->most_lookups = given->most_lookups ? given->most_lookups : 1024;
    options->cache_octets = given->cache_octets ? given->cache_octets : CACHE_DEFAULT;
    options->servers = NULL;
    options->server_count = 0;
    options->resolv_conf = NULL;
    options->track = NULL;
    int error = copy_text(given->tls_ca, &context->tls_ca, &options->tls_ca);
    if (error == BASE_OK)
        error = copy_text(given->root_hints, &context->root_hints, &options->root_hints);
    return error;
}

static int read_servers(const struct resolve_options *options, char why[RESOLVE_WHY],
                        struct resolve_server servers[RESOLVE_SERVERS_MAX], size_t *count)
{
    int error = BASE_OK;
    if (options->from != RESOLVE_SERVERS)
        return BASE_OK;
    for (size_t i = 0; i < options->server_count && error == BASE_OK; i++)
        error = resolve_server_read(options->servers[i], why, servers, count);
    if (error == BASE_OK && *count == 0) {
        snprintf(why, RESOLVE_WHY, "no server is named");
        error = BASE_EFORMAT;
    }
    return error == BASE_ENOENT ? BASE_EFORMAT : error;
}

/* TLS takes memory (the certificates of the system), so it is there only when it is used. */
static bool wants_tls(const struct resolve_server *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (servers[i].way == RESOLVE_TLS)
            return true;
    }
    return false;
}

static int make_ground(struct resolve_context *context, bool tls)
{
    const struct resolve_options *options = &context->options;
    int error = net_loop_new(&context->loop);
    if (error == BASE_OK && tls)
        error = net_tls_client_new(NET_TLS_QUERY, &context->tls);
    struct net_asker_options asking = {
        .loop = context->loop,
        .tls = context->tls,
        .tls_ca = context->tls_ca,
        .most_sockets = options->most_sockets,
        .random_case = options->random_case,
    };
    if (error == BASE_OK)
        error = net_asker_new(&asking, &context->asker);
    context->ground = (struct resolve_ground){
        .loop = context->loop,
        .asker = context->asker,
        .context = context,
        .tls_ca = context->tls_ca,
        .root_hints = context->root_hints,
        .try_ms = options->try_ms,
        .tries = options->tries,
    };
    if (error == BASE_OK)
        error = resolve_servers_new(&context->ground, &context->direct);
    return error;
}

static int make_stores(struct resolve_context *context)
{
    size_t octets = context->options.cache_octets;
    bool none = octets == SIZE_MAX;
    size_t keys = none ? KEYS_LEAST : octets / KEYS_SHARE;
    int error = validate_trust_new(keys > KEYS_LEAST ? keys : KEYS_LEAST, &context->trust);
    /* What is recorded must have all its packets, so nothing comes from a cache. */
    if (error == BASE_OK && !none && context->options.recording == NULL)
        error = resolve_cache_new(octets - octets / KEYS_SHARE, &context->cache);
    return error;
}

static int make_source(struct resolve_context *context, const struct resolve_options *given,
                       const struct resolve_server *servers, size_t count, char why[RESOLVE_WHY])
{
    struct resolve_servers *source;
    int error;
    switch (given->from) {
    case RESOLVE_SYSTEM:
        return resolve_system_new(&context->ground, given->resolv_conf, given->validate.anchors,
                                  &context->source);
    case RESOLVE_SERVERS:
        error = resolve_servers_new(&context->ground, &source);
        if (error != BASE_OK)
            return error;
        context->source = resolve_servers_source(source);
        return resolve_servers_set(source, servers, count, 0, 0);
    case RESOLVE_RECURSION:
        return resolve_recursion_new(&context->ground, why, &context->source);
    case RESOLVE_TRANSPORT:
        if (given->transport == NULL || given->transport->ask == NULL ||
            given->transport->cancel == NULL)
            break;
        context->source = (struct resolve_source){.transport = *given->transport};
        return BASE_OK;
    }
    snprintf(why, RESOLVE_WHY, "it is not said where answers come from");
    return BASE_EFORMAT;
}

int resolve_context_new(const struct resolve_options *options, char why[RESOLVE_WHY],
                        struct resolve_context **out)
{
    struct resolve_server *servers = calloc(RESOLVE_SERVERS_MAX, sizeof(*servers));
    struct resolve_context *context = calloc(1, sizeof(*context));
    size_t count = 0;
    why[0] = '\0';
    int error = servers == NULL || context == NULL ? BASE_ENOMEM : BASE_OK;
    if (error == BASE_OK) {
        context->last_ready = &context->first_ready;
        error = fill_defaults(context, options);
    }
    if (error == BASE_OK)
        error = read_servers(options, why, servers, &count);
    if (error == BASE_OK)
        error = make_ground(context, wants_tls(servers, count));
    if (error == BASE_OK)
        error = make_stores(context);
    if (error == BASE_OK)
        error = make_source(context, options, servers, count, why);
    if (error == BASE_OK && options->track != NULL)
        error = resolve_tracking_new(context, options->track, why, &context->tracking);
    free(servers);
    if (error != BASE_OK) {
        if (why[0] == '\0')
            snprintf(why, RESOLVE_WHY, "%s", base_strerror(error));
        resolve_context_free(context);
        return error;
    }
    *out = context;
    return BASE_OK;
}

void resolve_context_free(struct resolve_context *context)
{
    if (context == NULL)
        return;
    resolve_lookups_free(context);
    resolve_tracking_free(context->tracking);
    if (context->source.free != NULL)
        context->source.free(context->source.transport.context);
    resolve_servers_free(context->direct);
    net_asker_free(context->asker);
    net_loop_free(context->loop);
    net_tls_client_free(context->tls);
    resolve_cache_free(context->cache);
    validate_trust_free(context->trust);
    free(context->root_hints);
    free(context->tls_ca);
    free(context);
}

void resolve_clear(struct resolve_context *context)
{
    if (context->cache != NULL)
        resolve_cache_clear(context->cache);
    validate_trust_clear(context->trust);
}

base_time resolve_now(const struct resolve_context *context)
{
    const struct resolve_options *options = &context->options;
    return options->clock != NULL ? options->clock(options->clock_context) : base_clock_now();
}

const struct validate_anchors *resolve_anchors(const struct resolve_context *context)
{
    return context->options.validate.anchors;
}

struct validate_trust *resolve_trust(struct resolve_context *context)
{
    return context->trust;
}

void resolve_counts(const struct resolve_context *context, struct resolve_counts *out)
{
    const struct net_asker_counts *counts = net_asker_counts(context->asker);
    *out = context->counts;
    out->wrong_id = counts->wrong_id;
    out->wrong_question = counts->wrong_question;
    out->wrong_case = counts->wrong_case;
    out->malformed = counts->malformed;
    out->strays = counts->strays;
    out->truncated = counts->truncated;
    out->floods = counts->floods;
    if (context->cache != NULL)
        resolve_cache_counts(context->cache, &out->cache_octets, &out->cache_entries);
}

/* --- notes --- */

void resolve_note(struct resolve_context *context, enum base_finding_code code, const char *server,
                  const char *format, ...)
{
    if (context->note_count == RESOLVE_NOTES)
        return;
    for (unsigned i = 0; i < context->note_count; i++) {
        if (context->notes[i].code == code && strcmp(context->notes[i].server, server) == 0)
            return;
    }
    struct resolve_note *note = &context->notes[context->note_count++];
    note->code = code;
    snprintf(note->server, sizeof(note->server), "%s", server);
    va_list args;
    va_start(args, format);
    vsnprintf(note->message, sizeof(note->message), format, args);
    va_end(args);
}

void resolve_notes_clear(struct resolve_context *context)
{
    context->note_count = 0;
}
