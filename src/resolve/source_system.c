/*
 * The system's resolvers. Before they are used each is asked for the keys of the anchor, since many
 * pass on no DNSSEC; when none does, answers come by recursion. What was found out is said in every
 * result. The file that names them is read again when it changes.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "dns/message.h"
#include "net/resolv_conf.h"
#include "resolve/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND       UINT64_C(1000000000)
#define DEFAULT_PATH "/etc/resolv.conf"
#define FILE_MOST    (64 * 1024)
#define LOOK_AGAIN   SECOND         /* at the file */
#define PROBE_AGAIN  (300 * SECOND) /* when no resolver was of use */
#define KEPT_FOR     (5 * SECOND)   /* the answer to a probe, for who asks the same */

enum route { ROUTE_WAITING, ROUTE_SERVERS, ROUTE_RECURSION };

enum probe_state { PROBE_NONE, PROBE_ASKING, PROBE_GOOD, PROBE_STRIPS, PROBE_FAILS };

struct probe {
    struct resolver_system *system;
    enum probe_state state;
    struct net_question question;
    char server[NET_ADDRESS_TEXT];
    char why[128];
};

enum system_state {
    SYSTEM_UNKNOWN,
    SYSTEM_PROBING,
    SYSTEM_FORWARDS, /* servers are used */
    SYSTEM_RECURSES,
};

/* A query that waits until it is known where to. */
struct waiting {
    struct waiting *next;
    struct resolve_ticket *ticket;
};

struct resolver_system {
    struct resolve_ground ground;
    char *path;
    struct resolve_servers *servers;
    struct resolve_source recursion;
    bool has_recursion;
    struct net_resolv_conf conf;
    struct timespec modified;
    ino_t inode;
    off_t size;
    uint64_t looked, probed;
    enum system_state state;
    struct probe probes[NET_RESOLV_CONF_SERVERS];
    struct waiting *first, **last;
    uint8_t *kept; /* the answer to a probe */
    size_t kept_length;
    uint64_t kept_until;
    uint8_t probe_name[DNS_NAME_MAX];
    uint8_t probe_packet[RESOLVE_QUERY_MAX];
    size_t probe_length;
};

/* --- the file --- */

static bool file_changed(struct resolver_system *system)
{
    struct stat status;
    if (stat(system->path, &status) != 0)
        status = (struct stat){.st_ino = 0};
    bool same = status.st_ino == system->inode && status.st_size == system->size &&
                status.st_mtim.tv_sec == system->modified.tv_sec &&
                status.st_mtim.tv_nsec == system->modified.tv_nsec;
    system->inode = status.st_ino;
    system->size = status.st_size;
    system->modified = status.st_mtim;
    return !same;
}

static void read_file(struct resolver_system *system)
{
    uint8_t *data = NULL;
    size_t length = 0;
    if (base_file_read(system->path, FILE_MOST, &data, &length) != BASE_OK)
        length = 0;
    net_resolv_conf_parse(length > 0 ? (const char *)data : "", length, &system->conf);
    free(data);
}

/* --- passing on --- */

static void pass_on(struct resolver_system *system, struct resolve_ticket *ticket)
{
    const struct resolve_query *query = &ticket->query;
    if (system->kept != NULL && query->type == DNS_TYPE_DNSKEY &&
        base_clock_monotonic() < system->kept_until &&
        dns_name_equal(query->name, system->probe_name)) {
        resolve_reply(ticket, &(struct validate_reply){.kind = VALIDATE_REPLY_PACKET,
                                                       .packet = system->kept,
                                                       .length = system->kept_length});
    } else if (system->state == SYSTEM_RECURSES) {
        ticket->route = ROUTE_RECURSION;
        system->recursion.transport.ask(system->recursion.transport.context, query, ticket);
    } else {
        ticket->route = ROUTE_SERVERS;
        resolve_servers_ask(system->servers, query, ticket);
    }
}

static void pass_on_waiting(struct resolver_system *system)
{
    for (struct waiting *waiting; (waiting = system->first) != NULL;) {
        struct resolve_ticket *ticket = waiting->ticket;
        system->first = waiting->next;
        if (system->first == NULL)
            system->last = &system->first;
        free(waiting);
        pass_on(system, ticket);
    }
}

static void wait_for_probes(struct resolver_system *system, struct resolve_ticket *ticket)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL) {
        resolve_reply(ticket, &(struct validate_reply){.kind = VALIDATE_REPLY_FAILED,
                                                       .why = "no memory for the query"});
        return;
    }
    waiting->ticket = ticket;
    ticket->route = ROUTE_WAITING;
    *system->last = waiting;
    system->last = &waiting->next;
}

/* --- what was found out --- */

/* Uses the resolvers whose state is `state`; the number of them. */
static size_t use_servers(struct resolver_system *system, enum probe_state state)
{
    struct resolve_server list[NET_RESOLV_CONF_SERVERS];
    size_t count = 0;
    memset(list, 0, sizeof(list));
    for (size_t i = 0; i < system->conf.count; i++) {
        if (system->probes[i].state != state)
            continue;
        struct resolve_server *server = &list[count++];
        server->way = system->conf.tcp ? RESOLVE_TCP : RESOLVE_UDP;
        server->address = system->conf.servers[i];
        snprintf(server->text, sizeof(server->text), "%s", system->probes[i].server);
    }
    if (count > 0 && resolve_servers_set(system->servers, list, count, system->conf.timeout_ms,
                                         system->conf.attempts) != BASE_OK)
        return 0;
    return count;
}

static void note_probes(struct resolver_system *system)
{
    for (size_t i = 0; i < system->conf.count; i++) {
        const struct probe *probe = &system->probes[i];
        if (probe->state == PROBE_STRIPS)
            resolve_note(system->ground.context, RESOLVER_STRIPS, probe->server,
                         "the resolver %s of %s is of no use for DNSSEC: %s", probe->server,
                         system->path, probe->why);
        else if (probe->state == PROBE_FAILS)
            resolve_note(system->ground.context, RESOLVER_FAILS, probe->server,
                         "the resolver %s of %s fails: %s", probe->server, system->path,
                         probe->why);
    }
}

static bool start_recursion(struct resolver_system *system, char why[RESOLVE_WHY])
{
    if (!system->has_recursion)
        system->has_recursion =
            resolve_recursion_new(&system->ground, why, &system->recursion) == BASE_OK;
    return system->has_recursion;
}

static void nobody_is_good(struct resolver_system *system)
{
    char why[RESOLVE_WHY] = "there is no memory";
    if (start_recursion(system, why)) {
        system->state = SYSTEM_RECURSES;
        resolve_note(system->ground.context, RESOLVER_RECURSION, "",
                     "no resolver of %s is of use for DNSSEC, so answers are looked up from the "
                     "root",
                     system->path);
        return;
    }
    /* Better to ask those that strip than nobody: unsigned zones can be told by their parents. */
    system->state = SYSTEM_FORWARDS;
    resolve_note(system->ground.context, RESOLVER_NONE, "",
                 "no resolver of %s is of use for DNSSEC, and there is no recursion: %s",
                 system->path, why);
    if (use_servers(system, PROBE_STRIPS) == 0)
        use_servers(system, PROBE_FAILS);
}

/* Goes on with the first resolver that is good; those that are found good later are added. */
static void look_at_probes(struct resolver_system *system)
{
    bool asking = false;
    for (size_t i = 0; i < system->conf.count; i++)
        asking = asking || system->probes[i].state == PROBE_ASKING;
    if (use_servers(system, PROBE_GOOD) > 0)
        system->state = SYSTEM_FORWARDS;
    else if (asking)
        return;
    else
        nobody_is_good(system);
    if (!asking)
        note_probes(system);
    pass_on_waiting(system);
}

static void keep_answer(struct resolver_system *system, const struct net_reply *reply)
{
    uint8_t *copy = malloc(reply->length);
    if (copy == NULL)
        return;
    memcpy(copy, reply->message, reply->length);
    free(system->kept);
    system->kept = copy;
    system->kept_length = reply->length;
    system->kept_until = base_clock_monotonic() + KEPT_FOR;
}

/* --- probes --- */

static bool has_signed_keys(const struct dns_message *message)
{
    size_t count;
    bool keys = false, signatures = false;
    const struct dns_record *records = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    for (size_t i = 0; i < count; i++) {
        keys = keys || records[i].type == DNS_TYPE_DNSKEY;
        signatures = signatures || (records[i].type == DNS_TYPE_RRSIG && records[i].length > 2 &&
                                    base_load_u16(records[i].rdata) == DNS_TYPE_DNSKEY);
    }
    return keys && signatures;
}

static void judge_answer(struct probe *probe, const struct net_reply *reply)
{
    struct base_arena arena;
    struct dns_message message;
    base_arena_init(&arena, 2 * DNS_MESSAGE_UNPACKED_MAX);
    probe->state = PROBE_STRIPS;
    if (dns_message_parse(reply->message, reply->length, &arena, &message) != BASE_OK) {
        snprintf(probe->why, sizeof(probe->why), "it answers with garbage");
    } else if (!message.edns.present) {
        snprintf(probe->why, sizeof(probe->why),
                 "it does not know EDNS, which DNSSEC needs (response code %u)", message.rcode);
    } else if (message.rcode != DNS_RCODE_NOERROR) {
        probe->state = PROBE_FAILS;
        snprintf(probe->why, sizeof(probe->why),
                 "it answers with response code %u when asked for the keys of the trust anchor",
                 message.rcode);
    } else if (!has_signed_keys(&message)) {
        snprintf(probe->why, sizeof(probe->why),
                 "it gives the keys of the trust anchor without signatures, or not at all");
    } else {
        probe->state = PROBE_GOOD;
        keep_answer(probe->system, reply);
    }
    base_arena_free(&arena);
}

static void probed(struct net_question *question, const struct net_reply *reply)
{
    struct probe *probe = (struct probe *)((char *)question - offsetof(struct probe, question));
    if (reply->kind == NET_REPLY_ANSWER) {
        judge_answer(probe, reply);
    } else {
        probe->state = PROBE_FAILS;
        snprintf(probe->why, sizeof(probe->why), "%.100s",
                 reply->why != NULL ? reply->why : "no answer");
    }
    look_at_probes(probe->system);
}

static void cancel_probes(struct resolver_system *system)
{
    for (size_t i = 0; i < system->conf.count; i++) {
        if (system->probes[i].state == PROBE_ASKING)
            net_question_cancel(&system->probes[i].question);
        system->probes[i].state = PROBE_NONE;
    }
}

static void begin_probe(struct resolver_system *system, size_t i)
{
    struct probe *probe = &system->probes[i];
    unsigned timeout_ms =
        system->conf.timeout_ms != 0 ? system->conf.timeout_ms : system->ground.try_ms;
    probe->system = system;
    probe->state = PROBE_ASKING;
    net_address_text(&system->conf.servers[i], probe->server);
    probe->question = (struct net_question){
        .address = system->conf.servers[i],
        .way = system->conf.tcp ? NET_TCP : NET_UDP,
        .message = system->probe_packet,
        .length = system->probe_length,
        .timeout_ms = 2 * timeout_ms,
        .done = probed,
    };
    if (net_question_start(system->ground.asker, &probe->question) != BASE_OK)
        probe->state = PROBE_FAILS;
}

static void begin_probes(struct resolver_system *system)
{
    bool asking = false;
    cancel_probes(system);
    read_file(system);
    resolve_notes_clear(system->ground.context);
    system->state = SYSTEM_PROBING;
    system->probed = base_clock_monotonic();
    for (size_t i = 0; i < system->conf.count; i++)
        begin_probe(system, i);
    for (size_t i = 0; i < system->conf.count; i++)
        asking = asking || system->probes[i].state == PROBE_ASKING;
    if (!asking)
        look_at_probes(system);
}

/* --- as a source --- */

static void ask(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    struct resolver_system *system = context;
    uint64_t now = base_clock_monotonic();
    if (query->server != NULL) {
        ticket->route = ROUTE_SERVERS;
        resolve_servers_ask(system->servers, query, ticket);
        return;
    }
    if (now - system->looked >= LOOK_AGAIN || system->looked == 0) {
        system->looked = now;
        if (file_changed(system))
            system->state = SYSTEM_UNKNOWN;
    }
    if (system->state == SYSTEM_UNKNOWN ||
        (system->state == SYSTEM_RECURSES && now - system->probed >= PROBE_AGAIN))
        begin_probes(system);
    if (system->state == SYSTEM_PROBING)
        wait_for_probes(system, ticket);
    else
        pass_on(system, ticket);
}

static void cancel(void *context, struct resolve_ticket *ticket)
{
    struct resolver_system *system = context;
    if (ticket->route == ROUTE_SERVERS) {
        resolve_servers_cancel(system->servers, ticket);
        return;
    }
    if (ticket->route == ROUTE_RECURSION) {
        system->recursion.transport.cancel(system->recursion.transport.context, ticket);
        return;
    }
    struct waiting **link = &system->first;
    while (*link != NULL && (*link)->ticket != ticket)
        link = &(*link)->next;
    struct waiting *waiting = *link;
    if (waiting == NULL)
        return;
    *link = waiting->next;
    if (waiting->next == NULL)
        system->last = link;
    free(waiting);
}

static void system_free(void *context)
{
    struct resolver_system *system = context;
    cancel_probes(system);
    resolve_servers_free(system->servers);
    if (system->has_recursion)
        system->recursion.free(system->recursion.transport.context);
    free(system->kept);
    free(system->path);
    free(system);
}

/* Whose keys a resolver must be able to give: the root's, or those of the first anchor. */
static void choose_probe(struct resolver_system *system, const struct validate_anchors *anchors)
{
    size_t count = 0;
    const struct validate_anchor *list =
        anchors != NULL ? validate_anchors_list(anchors, &count) : NULL;
    const uint8_t *name = (const uint8_t *)"";
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || list[i].name[0] == 0)
            name = list[i].name;
    }
    memcpy(system->probe_name, name, dns_name_length(name));
    struct resolve_query_options options = {.recursion = true};
    system->probe_length =
        resolve_query_build(name, DNS_TYPE_DNSKEY, &options, system->probe_packet);
}

int resolve_system_new(const struct resolve_ground *ground, const char *path,
                       const struct validate_anchors *anchors, struct resolve_source *out)
{
    struct resolver_system *system = calloc(1, sizeof(*system));
    if (system == NULL)
        return BASE_ENOMEM;
    system->ground = *ground;
    system->last = &system->first;
    system->path = strdup(path != NULL ? path : DEFAULT_PATH);
    if (system->path == NULL || resolve_servers_new(ground, &system->servers) != BASE_OK) {
        free(system->path);
        free(system);
        return BASE_ENOMEM;
    }
    choose_probe(system, anchors);
    *out = (struct resolve_source){.transport = {ask, cancel, system}, .free = system_free};
    return BASE_OK;
}
