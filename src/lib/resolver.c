/* libkenter's look-ups: see kenter/resolve.h. A thin skin over src/resolve. */
#include "lib/public.h"

#include "base/error.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "resolve/resolve.h"
#include "validate/tracker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(KENTER_WHY == RESOLVE_WHY, "reasons are as long outside as inside");
_Static_assert(KENTER_TYPE_TEXT == DNS_TYPE_TEXT, "and so are types");
_Static_assert((int)KENTER_FROM_SYSTEM == RESOLVE_SYSTEM &&
                   (int)KENTER_FROM_SERVERS == RESOLVE_SERVERS &&
                   (int)KENTER_FROM_RECURSION == RESOLVE_RECURSION &&
                   (int)KENTER_FROM_TRANSPORT == RESOLVE_TRANSPORT,
               "sources have the same numbers");

struct kenter_resolver {
    struct resolve_context *context;
    struct validate_anchors *own_anchors; /* the root's, when none were given */
    struct kenter_transport transport;
};

struct kenter_request {
    struct resolve_request *inner;
    kenter_done *done;
    void *context;
};

static const uint8_t root[1] = {0};

int kenter_type_parse(const char *text, uint16_t *type)
{
    return dns_type_from_text(text, strlen(text), type) == BASE_OK ? KENTER_OK : KENTER_EFORMAT;
}

const char *kenter_type_print(uint16_t type, char out[KENTER_TYPE_TEXT])
{
    return dns_type_text(out, type);
}

/* --- anchors --- */

static struct validate_anchors *anchors_of(const struct kenter_anchors *anchors)
{
    return (struct validate_anchors *)anchors;
}

int kenter_anchors_new(struct kenter_anchors **out)
{
    struct validate_anchors *anchors;
    int error = validate_anchors_new(&anchors);
    if (error == BASE_OK)
        *out = (struct kenter_anchors *)anchors;
    return lib_error(error);
}

void kenter_anchors_free(struct kenter_anchors *anchors)
{
    validate_anchors_free(anchors_of(anchors));
}

int kenter_anchors_add_root(struct kenter_anchors *anchors)
{
    return lib_error(validate_anchors_add_root(anchors_of(anchors)));
}

static int read_anchors(struct kenter_anchors *anchors, const char *path, const char *text,
                        kenter_finding_callback found, void *context)
{
    struct base_findings findings;
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    int error = BASE_EINVAL;
    if (path != NULL)
        error = validate_anchors_read_file(anchors_of(anchors), path, &findings);
    else if (text != NULL)
        error = validate_anchors_read(anchors_of(anchors), "text", text, strlen(text), &findings);
    lib_give_findings(&findings, found, context);
    base_findings_free(&findings);
    return lib_error(error);
}

int kenter_anchors_add_text(struct kenter_anchors *anchors, const char *text,
                            kenter_finding_callback found, void *context)
{
    return read_anchors(anchors, NULL, text, found, context);
}

int kenter_anchors_add_file(struct kenter_anchors *anchors, const char *path,
                            kenter_finding_callback found, void *context)
{
    return read_anchors(anchors, path, NULL, found, context);
}

static int read_name(const char *text, uint8_t name[DNS_NAME_MAX])
{
    size_t length;
    return dns_name_from_text(name, &length, text, strlen(text), root);
}

int kenter_anchors_add_negative(struct kenter_anchors *anchors, const char *name, int64_t until,
                                const char *reason)
{
    uint8_t wire[DNS_NAME_MAX];
    int error = read_name(name, wire);
    if (error == BASE_OK)
        error = validate_anchors_add_negative(anchors_of(anchors), wire, until, reason);
    return lib_error(error);
}

/* --- transports --- */

static void ask(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    const struct kenter_resolver *resolver = context;
    struct kenter_query outside = {.server = query->server,
                                   .type = query->type,
                                   .packet = query->packet,
                                   .length = query->length};
    outside.name.length = (uint8_t)dns_name_length(query->name);
    memcpy(outside.name.wire, query->name, outside.name.length);
    resolver->transport.ask(resolver->transport.context, &outside, (struct kenter_ticket *)ticket);
}

static void cancel(void *context, struct resolve_ticket *ticket)
{
    const struct kenter_resolver *resolver = context;
    if (resolver->transport.cancel != NULL)
        resolver->transport.cancel(resolver->transport.context, (struct kenter_ticket *)ticket);
}

void kenter_reply(struct kenter_ticket *ticket, const uint8_t *packet, size_t length)
{
    resolve_reply((struct resolve_ticket *)ticket,
                  &(struct validate_reply){
                      .kind = VALIDATE_REPLY_PACKET, .packet = packet, .length = length});
}

void kenter_reply_failed(struct kenter_ticket *ticket, const char *why)
{
    struct validate_reply reply = {
        .kind = why != NULL ? VALIDATE_REPLY_FAILED : VALIDATE_REPLY_SILENCE, .why = why};
    resolve_reply((struct resolve_ticket *)ticket, &reply);
}

/* --- resolvers --- */

static struct validate_options judging(const struct kenter_resolver_options *given)
{
    return (struct validate_options){
        .anchors = anchors_of(given->anchors),
        .budgets = {.rrset_verifications = given->rrset_verifications,
                    .tag_keys = given->tag_keys,
                    .ds_pairs = given->ds_pairs,
                    .verifications = given->verifications,
                    .failed_verifications = given->failed_verifications,
                    .nsec3_hashes = given->nsec3_hashes,
                    .nsec3_iterations = given->nsec3_iterations,
                    .alias_hops = given->alias_hops,
                    .queries = given->queries,
                    .packet_octets = given->packet_octets},
        .legacy = given->legacy != 0,
        .skew = given->skew,
        .no_proof = given->no_proof != 0,
    };
}

static struct resolve_options translate(const struct kenter_resolver_options *given,
                                        const struct resolve_transport *transport)
{
    return (struct resolve_options){
        .from = (enum resolve_from)given->from,
        .servers = given->servers,
        .server_count = given->server_count,
        .tls_ca = given->tls_ca,
        .resolv_conf = given->resolv_conf,
        .root_hints = given->root_hints,
        .transport = given->from == KENTER_FROM_TRANSPORT ? transport : NULL,
        .clock = given->clock,
        .clock_context = given->clock_context,
        .validate = judging(given),
        .cache_octets = given->cache_octets,
        .timeout_ms = given->timeout_ms,
        .try_ms = given->try_ms,
        .tries = given->tries,
        .most_lookups = given->most_lookups,
        .most_sockets = given->most_sockets,
        .random_case = given->random_case != 0,
        .signal_tags = given->signal_tags != 0,
        .track = given->track,
    };
}

/* What the caller said, over the defaults: a program built with an older header has a smaller
 * structure. */
static int full_options(const struct kenter_resolver_options *given,
                        struct kenter_resolver_options *out)
{
    kenter_resolver_options_init(out);
    if (given == NULL)
        return BASE_OK;
    if (given->size < sizeof(given->size))
        return BASE_EINVAL;
    memcpy(out, given, given->size < sizeof(*out) ? given->size : sizeof(*out));
    return BASE_OK;
}

static int own_anchors(struct kenter_resolver *resolver, struct kenter_resolver_options *options)
{
    if (options->anchors != NULL)
        return BASE_OK;
    int error = validate_anchors_new(&resolver->own_anchors);
    if (error == BASE_OK)
        error = validate_anchors_add_root(resolver->own_anchors);
    options->anchors = (const struct kenter_anchors *)resolver->own_anchors;
    return error;
}

int kenter_resolver_new(const struct kenter_resolver_options *given, char why[KENTER_WHY],
                        struct kenter_resolver **out)
{
    struct kenter_resolver_options options;
    struct kenter_resolver *resolver = calloc(1, sizeof(*resolver));
    why[0] = '\0';
    int error = resolver == NULL ? BASE_ENOMEM : full_options(given, &options);
    if (error == BASE_OK)
        error = own_anchors(resolver, &options);
    if (error == BASE_OK) {
        struct resolve_transport transport = {ask, cancel, resolver};
        if (options.transport != NULL)
            resolver->transport = *options.transport;
        bool usable = resolver->transport.ask != NULL;
        struct resolve_options inside = translate(&options, usable ? &transport : NULL);
        error = resolve_context_new(&inside, why, &resolver->context);
    }
    if (error != BASE_OK) {
        if (why[0] == '\0')
            snprintf(why, KENTER_WHY, "%s", base_strerror(error));
        kenter_resolver_free(resolver);
        return lib_error(error);
    }
    *out = resolver;
    return KENTER_OK;
}

void kenter_resolver_free(struct kenter_resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolve_context_free(resolver->context);
    validate_anchors_free(resolver->own_anchors);
    free(resolver);
}

void kenter_resolver_clear(struct kenter_resolver *resolver)
{
    resolve_clear(resolver->context);
}

struct resolve_context *lib_resolver_context(struct kenter_resolver *resolver)
{
    return resolver->context;
}

void lib_resolver_wait(struct kenter_resolver *resolver)
{
    struct pollfd wait = {.fd = resolve_fd(resolver->context), .events = POLLIN};
    poll(&wait, 1, resolve_timeout_ms(resolver->context));
    resolve_process(resolver->context);
}

int kenter_resolver_track(struct kenter_resolver *resolver, kenter_finding_callback found,
                          void *context)
{
    struct base_findings findings;
    if (resolve_tracker(resolver->context) == NULL)
        return KENTER_EINVAL;
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    resolve_track(resolver->context);
    resolve_track_findings(resolver->context, &findings);
    lib_give_findings(&findings, found, context);
    base_findings_free(&findings);
    return KENTER_OK;
}

size_t kenter_resolver_tracked(const struct kenter_resolver *resolver, struct kenter_tracked *out,
                               size_t most, int64_t *next)
{
    const struct validate_tracker *tracker = resolve_tracker(resolver->context);
    if (next != NULL)
        *next = tracker != NULL ? tracker->next : 0;
    if (tracker == NULL)
        return 0;
    for (size_t i = 0; i < tracker->count && i < most; i++) {
        const struct validate_tracked *key = &tracker->keys[i];
        out[i] = (struct kenter_tracked){
            .tag = validate_tracked_tag(key),
            .algorithm = validate_tracked_algorithm(key),
            .state = validate_tracked_state_name(key->state),
            .trusted =
                key->state == VALIDATE_TRACKED_VALID || key->state == VALIDATE_TRACKED_MISSING,
            .since = key->since,
            .due = key->due,
        };
    }
    return tracker->count;
}

/* --- look-ups --- */

int kenter_lookup(struct kenter_resolver *resolver, const char *name, uint16_t type,
                  struct kenter_result **out)
{
    uint8_t wire[DNS_NAME_MAX];
    const struct validate_result *result;
    int error = read_name(name, wire);
    if (error == BASE_OK)
        error = resolve_lookup(resolver->context, wire, type, &result);
    return error == BASE_OK ? lib_result_new(result, out) : lib_error(error);
}

static void done(void *context, const struct validate_result *inner)
{
    struct kenter_request request = *(struct kenter_request *)context;
    struct kenter_result *result = NULL;
    free(context);
    if (inner != NULL && lib_result_new(inner, &result) != KENTER_OK)
        result = NULL;
    request.done(request.context, result);
}

int kenter_lookup_start(struct kenter_resolver *resolver, const char *name, uint16_t type,
                        kenter_done *callback, void *context, struct kenter_request **out)
{
    uint8_t wire[DNS_NAME_MAX];
    struct kenter_request *request = calloc(1, sizeof(*request));
    int error = request == NULL ? BASE_ENOMEM : read_name(name, wire);
    if (error == BASE_OK) {
        request->done = callback;
        request->context = context;
        error = resolve_start(resolver->context, wire, type, done, request, &request->inner);
    }
    if (error != BASE_OK) {
        free(request);
        return lib_error(error);
    }
    *out = request;
    return KENTER_OK;
}

void kenter_lookup_cancel(struct kenter_request *request)
{
    resolve_cancel(request->inner);
    free(request);
}

int kenter_resolver_fd(struct kenter_resolver *resolver)
{
    return resolve_fd(resolver->context);
}

int kenter_resolver_timeout_ms(struct kenter_resolver *resolver)
{
    return resolve_timeout_ms(resolver->context);
}

void kenter_resolver_process(struct kenter_resolver *resolver)
{
    resolve_process(resolver->context);
}

struct asking {
    kenter_answered *answered;
    void *context;
};

static void answered(void *context, const struct validate_reply *reply)
{
    struct asking asking = *(struct asking *)context;
    free(context);
    if (reply->kind == VALIDATE_REPLY_PACKET)
        asking.answered(asking.context, reply->packet, reply->length, NULL);
    else
        asking.answered(asking.context, NULL, 0, reply->why != NULL ? reply->why : "no answer");
}

int kenter_ask(struct kenter_resolver *resolver, const char *server, const char *name,
               uint16_t type, kenter_answered *callback, void *context)
{
    uint8_t wire[DNS_NAME_MAX];
    struct asking *asking = malloc(sizeof(*asking));
    int error = asking == NULL ? BASE_ENOMEM : read_name(name, wire);
    if (error == BASE_OK) {
        *asking = (struct asking){callback, context};
        error = resolve_ask(resolver->context, server, wire, type, answered, asking);
    }
    if (error != BASE_OK)
        free(asking);
    return lib_error(error);
}
