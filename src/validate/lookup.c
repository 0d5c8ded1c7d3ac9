/*
 * A look-up from outside: queries given out, replies taken in, and the passes that judge again when
 * something came.
 */
#include "validate/lookup_parts.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static unsigned or_default(unsigned value, unsigned standard)
{
    return value == 0 ? standard : value;
}

static struct validate_budgets with_defaults(const struct validate_budgets *budgets)
{
    return (struct validate_budgets){
        .rrset_verifications = or_default(budgets->rrset_verifications, 8),
        .tag_keys = or_default(budgets->tag_keys, 4),
        .ds_pairs = or_default(budgets->ds_pairs, 8),
        .verifications = or_default(budgets->verifications, 128),
        .failed_verifications = or_default(budgets->failed_verifications, 16),
        .nsec3_hashes = or_default(budgets->nsec3_hashes, 16),
        .nsec3_iterations = or_default(budgets->nsec3_iterations, 50),
        .alias_hops = or_default(budgets->alias_hops, 12),
        .queries = or_default(budgets->queries, 64),
        .packet_octets = budgets->packet_octets == 0 ? (size_t)512 * 1024 : budgets->packet_octets,
    };
}

void *lookup_alloc(struct validate_lookup *lookup, struct base_arena *arena, size_t size)
{
    void *memory = base_arena_zalloc(arena, size);
    if (memory == NULL)
        lookup->error = BASE_ENOMEM;
    return memory;
}

bool lookup_ok(struct validate_lookup *lookup, int error)
{
    if (error != BASE_OK)
        lookup->error = error;
    return error == BASE_OK;
}

const char *lookup_text(struct validate_lookup *lookup, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    dns_name_text(text, name);
    const char *kept = base_arena_strndup(&lookup->pass.arena, text, strlen(text));
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept == NULL ? "" : kept;
}

static const uint8_t *keep_name(struct validate_lookup *lookup, const uint8_t *name)
{
    const uint8_t *kept = base_arena_dup(&lookup->arena, name, dns_name_length(name));
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept;
}

struct lookup_packet *lookup_need(struct validate_lookup *lookup, const uint8_t *name,
                                  uint16_t type)
{
    for (struct lookup_packet *packet = lookup->packets; packet != NULL; packet = packet->next) {
        if (packet->query.type == type && dns_name_equal(packet->query.name, name))
            return packet;
    }
    if (lookup->only != NULL || lookup->work.spent != NULL || lookup->error != BASE_OK)
        return NULL;
    if (lookup->query_count >= lookup->work.budgets.queries) {
        validate_work_spend(&lookup->work, "queries", lookup->work.budgets.queries, name, type);
        return NULL;
    }
    struct lookup_packet *packet = lookup_alloc(lookup, &lookup->arena, sizeof(*packet));
    const uint8_t *kept = packet == NULL ? NULL : keep_name(lookup, name);
    if (kept == NULL)
        return NULL;
    packet->query =
        (struct validate_query){.id = lookup->query_count++, .name = kept, .type = type};
    *lookup->packets_end = packet;
    lookup->packets_end = &packet->next;
    return packet;
}

static void drop_draft(struct validate_lookup *lookup)
{
    for (struct lookup_mismatch *at = lookup->pass.mismatches; at != NULL; at = at->next)
        validate_chain_unref(at->chain);
    base_arena_free(&lookup->pass.arena);
    lookup->pass = (struct lookup_pass){0};
    base_arena_init(&lookup->pass.arena, 0);
}

static int start(const struct validate_options *options, struct validate_trust *trust,
                 const uint8_t *name, uint16_t type, base_time now, struct validate_lookup **out)
{
    if (type != DNS_TYPE_ANY && dns_type_is_meta(type))
        return BASE_EINVAL;
    struct validate_lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return BASE_ENOMEM;
    base_arena_init(&lookup->arena, 0);
    base_arena_init(&lookup->pass.arena, 0);
    base_buf_init(&lookup->work.scratch, 0);
    lookup->anchors = options->anchors;
    lookup->no_proof = options->no_proof;
    lookup->trust = trust;
    lookup->type = type;
    lookup->work.budgets = with_defaults(&options->budgets);
    lookup->work.legacy = options->legacy;
    lookup->work.skew = options->skew;
    lookup->work.now = now;
    lookup->work.arena = &lookup->arena;
    lookup->hashes_left = lookup->work.budgets.nsec3_hashes;
    lookup->packets_end = &lookup->packets;
    lookup->notes_end = &lookup->notes;
    lookup->name = keep_name(lookup, name);
    if (lookup->name == NULL) {
        validate_lookup_free(lookup);
        return BASE_ENOMEM;
    }
    *out = lookup;
    return BASE_OK;
}

void validate_lookup_free(struct validate_lookup *lookup)
{
    if (lookup == NULL)
        return;
    validate_result_unref(lookup->result);
    for (struct lookup_chain *kept = lookup->chains; kept != NULL; kept = kept->next)
        validate_chain_unref(kept->chain);
    drop_draft(lookup);
    base_buf_free(&lookup->work.scratch);
    base_arena_free(&lookup->pass.arena);
    base_arena_free(&lookup->arena);
    free(lookup);
}

/*
 * The end of a pass: from the draft to the result.
 */
static enum validate_status worst_hop(const struct lookup_pass *pass)
{
    static const unsigned badness[] = {[VALIDATE_SECURE] = 0,
                                       [VALIDATE_INSECURE] = 1,
                                       [VALIDATE_INDETERMINATE] = 2,
                                       [VALIDATE_ERROR] = 3,
                                       [VALIDATE_BOGUS] = 4};
    enum validate_status worst = VALIDATE_SECURE;
    for (size_t i = 0; i < pass->hop_count; i++) {
        if (badness[pass->hops[i].status] > badness[worst])
            worst = pass->hops[i].status;
    }
    return worst;
}

static void sum_up_hops(const struct lookup_pass *pass, struct validate_result *draft)
{
    for (size_t i = 0; i < pass->hop_count; i++) {
        const struct validate_hop *hop = &pass->hops[i];
        if (i == 0 || hop->ttl < draft->ttl)
            draft->ttl = hop->ttl;
        draft->expiry = lookup_earlier(draft->expiry, hop->expiry);
    }
}

static const struct validate_finding *plain_findings(struct validate_lookup *lookup, size_t *count)
{
    struct lookup_pass *pass = &lookup->pass;
    size_t own = pass->finding_count, all = own;
    for (struct lookup_note *note = lookup->notes; note != NULL; note = note->next)
        all++;
    struct validate_finding *findings = lookup_alloc(lookup, &pass->arena, all * sizeof(*findings));
    if (findings == NULL)
        return NULL;
    for (size_t i = 0; i < own; i++)
        findings[i] = pass->findings[i].finding;
    for (struct lookup_note *note = lookup->notes; note != NULL; note = note->next)
        findings[own++] =
            (struct validate_finding){.code = note->code,
                                      .severity = base_finding_info(note->code)->severity,
                                      .ede = VALIDATE_NO_EDE,
                                      .cause = VALIDATE_NO_CAUSE,
                                      .node = VALIDATE_NO_NODE,
                                      .server = note->server,
                                      .message = note->message};
    *count = all;
    return findings;
}

/* The result owns what it needs; the draft is not wanted any more. */
static void finish(struct validate_lookup *lookup, enum validate_status status)
{
    struct lookup_pass *pass = &lookup->pass;
    bool judged = status != VALIDATE_ERROR;
    if (status == VALIDATE_BOGUS && !lookup->no_proof)
        lookup_find_causes(lookup);
    struct validate_result draft = {.status = status,
                                    .kind = judged ? pass->kind : VALIDATE_ANSWER_NONE,
                                    .name = lookup->name,
                                    .type = lookup->type,
                                    .rcode = pass->rcode,
                                    .hops = pass->hops,
                                    .hop_count = pass->hop_count,
                                    .now = lookup->work.now,
                                    .nodes = pass->nodes,
                                    .node_count = pass->node_count,
                                    .queries = lookup->query_count,
                                    .verifications = lookup->work.verifications,
                                    .failed_verifications = lookup->work.failed_verifications,
                                    .packet_octets = lookup->octets};
    draft.nsec3_hashes = lookup->work.budgets.nsec3_hashes - lookup->hashes_left;
    /* Data that are bogus are withheld from whoever would use them; the proof shows them. */
    if (judged && status != VALIDATE_BOGUS && pass->kind == VALIDATE_ANSWER_DATA) {
        draft.answer = pass->answer;
        draft.answer_count = pass->answer_count;
    }
    if (status == VALIDATE_INSECURE)
        draft.insecure = pass->insecure;
    if (judged)
        sum_up_hops(pass, &draft);
    draft.findings = plain_findings(lookup, &draft.finding_count);
    draft.sentence = lookup_sentence(lookup, &draft);
    if (lookup->error == BASE_OK) {
        lookup->result = validate_result_copy(&draft);
        if (lookup->result == NULL)
            lookup->error = BASE_ENOMEM;
    }
    drop_draft(lookup);
}

/* ERROR, of which the finding is all there is to say. Nodes and hops are left as far as they came,
 * without a verdict for the whole. */
static void finish_error(struct validate_lookup *lookup, const struct lookup_problem *problem,
                         const char *message)
{
    lookup_report(lookup, problem, "%s", message);
    finish(lookup, VALIDATE_ERROR);
}

/* What the pass found on the way is not told: it saw less than there is. */
static void finish_spent(struct validate_lookup *lookup)
{
    const struct validate_work *work = &lookup->work;
    const uint8_t *at = work->spent_at != NULL ? work->spent_at : lookup->name;
    char type[DNS_TYPE_TEXT] = "";
    if (work->spent_type != 0)
        dns_type_text(type, work->spent_type);
    drop_draft(lookup);
    const char *message = base_arena_printf(
        &lookup->pass.arena, "the budget %s (%u) is spent at %s%s%s", work->spent,
        work->spent_limit, lookup_text(lookup, at), type[0] != '\0' ? " " : "", type);
    struct lookup_problem problem = {.code = VALIDATE_BUDGET_SPENT,
                                     .ede = 0,
                                     .name = at,
                                     .type = work->spent_type,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .remedy = "the operator of the zone must remove what makes "
                                               "validation so costly"};
    finish_error(lookup, &problem, message == NULL ? "a budget is spent" : message);
}

static bool waiting(const struct validate_lookup *lookup)
{
    for (const struct lookup_packet *packet = lookup->packets; packet != NULL;
         packet = packet->next) {
        if (!packet->arrived)
            return true;
    }
    return false;
}

static const char pending_message[] = "what is needed to judge the answer was not asked for";

static void judge(struct validate_lookup *lookup)
{
    if (lookup->result != NULL || lookup->error != BASE_OK)
        return;
    drop_draft(lookup);
    lookup->pass.kind = VALIDATE_ANSWER_NONE;
    enum lookup_verdict verdict = lookup_question(lookup);
    if (lookup->error != BASE_OK)
        return;
    if (lookup->work.spent != NULL) {
        finish_spent(lookup);
    } else if (verdict == LOOKUP_PENDING) {
        if (waiting(lookup))
            return;
        struct lookup_problem problem = {.code = VALIDATE_ENDED,
                                         .ede = VALIDATE_NO_EDE,
                                         .name = lookup->name,
                                         .type = lookup->type,
                                         .node = VALIDATE_NO_NODE,
                                         .cause = VALIDATE_NO_CAUSE};
        finish_error(lookup, &problem, pending_message);
    } else {
        enum validate_status status = lookup_status(verdict);
        finish(lookup, status == VALIDATE_BOGUS || status == VALIDATE_ERROR
                           ? status
                           : worst_hop(&lookup->pass));
    }
}

int validate_lookup_new(const struct validate_options *options, struct validate_trust *trust,
                        const uint8_t *name, uint16_t type, base_time now,
                        struct validate_lookup **out)
{
    struct validate_lookup *lookup;
    int error = start(options, trust, name, type, now, &lookup);
    if (error != BASE_OK)
        return error;
    judge(lookup);
    if (lookup->error != BASE_OK) {
        validate_lookup_free(lookup);
        return BASE_ENOMEM;
    }
    *out = lookup;
    return BASE_OK;
}

bool validate_lookup_next(struct validate_lookup *lookup, struct validate_query *out)
{
    if (lookup->result != NULL)
        return false;
    for (struct lookup_packet *packet = lookup->packets; packet != NULL; packet = packet->next) {
        if (packet->given || packet->arrived)
            continue;
        packet->given = true;
        *out = packet->query;
        return true;
    }
    return false;
}

/*
 * Replies.
 */
static void unusable(struct lookup_packet *packet, enum base_finding_code problem, int ede,
                     const char *why)
{
    packet->problem = problem;
    packet->ede = ede;
    packet->why = why;
}

static const char *rcode_text(struct validate_lookup *lookup, unsigned rcode)
{
    switch (rcode) {
    case DNS_RCODE_FORMERR:
        return "FORMERR";
    case DNS_RCODE_SERVFAIL:
        return "SERVFAIL";
    case DNS_RCODE_NOTIMP:
        return "NOTIMP";
    case DNS_RCODE_REFUSED:
        return "REFUSED";
    case DNS_RCODE_YXDOMAIN:
        return "YXDOMAIN without a DNAME";
    default: {
        const char *text = base_arena_printf(&lookup->arena, "response code %u", rcode);
        if (text == NULL)
            lookup->error = BASE_ENOMEM;
        return text;
    }
    }
}

static const char *failure_text(struct validate_lookup *lookup,
                                const struct validate_message *message)
{
    const char *rcode = rcode_text(lookup, message->dns.rcode);
    if (rcode == NULL || message->ede < 0)
        return rcode;
    const char *text = base_arena_printf(&lookup->arena, "%s, extended error %d%s%s", rcode,
                                         message->ede, message->ede_text == NULL ? "" : ": ",
                                         message->ede_text == NULL ? "" : message->ede_text);
    if (text == NULL)
        lookup->error = BASE_ENOMEM;
    return text;
}

/* YXDOMAIN is about a DNAME, which must come along (RFC 6672 section 2.2). */
static bool has_dname(const struct validate_message *message)
{
    bool found = false;
    for (size_t i = 0; i < message->group_count; i++)
        found = found || (message->groups[i].section == DNS_SECTION_ANSWER &&
                          message->groups[i].type == DNS_TYPE_DNAME);
    return found;
}

static void judge_message(struct validate_lookup *lookup, struct lookup_packet *packet)
{
    const struct validate_message *message = &packet->message;
    const struct validate_query *query = &packet->query;
    unsigned rcode = message->dns.rcode;
    const char *unfit = validate_message_unfit(message, query->name, query->type);
    bool bare = message->dns.counts[DNS_SECTION_QUESTION] == 0 &&
                (message->dns.flags & DNS_FLAG_QR) && rcode != DNS_RCODE_NOERROR &&
                rcode != DNS_RCODE_NXDOMAIN;
    /* Servers that cannot cope with a query may answer it without its question. */
    if (unfit != NULL && !bare)
        unusable(packet, VALIDATE_OTHER_ANSWER, 23, unfit);
    else if (rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN &&
             !(rcode == DNS_RCODE_YXDOMAIN && has_dname(message)))
        unusable(packet, VALIDATE_SERVER_FAILED, message->ede >= 0 ? message->ede : 23,
                 failure_text(lookup, message));
    else if (message->dns.flags & DNS_FLAG_TC)
        unusable(packet, VALIDATE_TRUNCATED, 23, "the answer is cut short (TC)");
    else
        packet->usable = true;
}

static void take_message(struct validate_lookup *lookup, struct lookup_packet *packet,
                         const struct validate_reply *reply)
{
    size_t limit = lookup->work.budgets.packet_octets;
    if (reply->length > limit - lookup->octets) {
        validate_work_spend(&lookup->work, "packet_octets", (unsigned)limit, packet->query.name,
                            packet->query.type);
        unusable(packet, VALIDATE_BUDGET_SPENT, 0, "too many octets");
        return;
    }
    lookup->octets += reply->length;
    const uint8_t *wire = base_arena_dup(&lookup->arena, reply->packet, reply->length);
    int error = wire == NULL
                    ? BASE_ENOMEM
                    : validate_message_read(wire, reply->length, &lookup->arena, &packet->message);
    if (error == BASE_ENOMEM)
        lookup->error = error;
    else if (error != BASE_OK)
        unusable(packet, VALIDATE_MALFORMED_ANSWER, 23,
                 error == BASE_ELIMIT ? "it unfolds to more octets than is reasonable"
                                      : "it is no well-formed DNS message");
    else
        judge_message(lookup, packet);
}

static const char *keep_text(struct validate_lookup *lookup, const char *text)
{
    if (text == NULL)
        return NULL;
    const char *kept = base_arena_strndup(&lookup->arena, text, strlen(text));
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept;
}

static void take_reply(struct validate_lookup *lookup, struct lookup_packet *packet,
                       const struct validate_reply *reply)
{
    packet->given = packet->arrived = true;
    packet->server = keep_text(lookup, reply->server);
    const char *why = keep_text(lookup, reply->why);
    if (reply->kind == VALIDATE_REPLY_PACKET)
        take_message(lookup, packet, reply);
    else if (reply->kind == VALIDATE_REPLY_SILENCE)
        unusable(packet, VALIDATE_NO_ANSWER, 22, why != NULL ? why : "nobody answered in time");
    else
        unusable(packet, VALIDATE_NO_ANSWER, 23, why != NULL ? why : "it could not be asked");
}

static struct lookup_packet *packet_of(struct validate_lookup *lookup, uint32_t id)
{
    struct lookup_packet *packet = lookup->packets;
    while (packet != NULL && packet->query.id != id)
        packet = packet->next;
    return packet;
}

int validate_lookup_reply(struct validate_lookup *lookup, uint32_t id,
                          const struct validate_reply *reply, base_time now)
{
    struct lookup_packet *packet = packet_of(lookup, id);
    if (packet == NULL)
        return BASE_EINVAL;
    if (packet->arrived || lookup->result != NULL)
        return BASE_OK;
    lookup->work.now = now;
    take_reply(lookup, packet, reply);
    judge(lookup);
    return lookup->error == BASE_OK ? BASE_OK : BASE_ENOMEM;
}

const struct validate_result *validate_lookup_result(struct validate_lookup *lookup)
{
    return lookup->result;
}

void validate_lookup_end(struct validate_lookup *lookup, const char *why)
{
    if (lookup->result != NULL)
        return;
    drop_draft(lookup);
    lookup->error = BASE_OK;
    const char *waited = NULL;
    for (struct lookup_packet *packet = lookup->packets; packet != NULL && waited == NULL;
         packet = packet->next) {
        char type[DNS_TYPE_TEXT];
        if (!packet->arrived)
            waited = base_arena_printf(&lookup->pass.arena, "%s; %s %s was still waited for", why,
                                       lookup_text(lookup, packet->query.name),
                                       dns_type_text(type, packet->query.type));
    }
    struct lookup_problem problem = {.code = VALIDATE_ENDED,
                                     .ede = 22,
                                     .name = lookup->name,
                                     .type = lookup->type,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE};
    finish_error(lookup, &problem, waited == NULL ? why : waited);
}

int validate_lookup_note(struct validate_lookup *lookup, enum base_finding_code code,
                         const char *server, const char *message)
{
    if (lookup->result != NULL)
        return BASE_OK;
    struct lookup_note *note = base_arena_zalloc(&lookup->arena, sizeof(*note));
    if (note == NULL)
        return BASE_ENOMEM;
    note->code = code;
    note->message = base_arena_strndup(&lookup->arena, message, strlen(message));
    if (server != NULL)
        note->server = base_arena_strndup(&lookup->arena, server, strlen(server));
    if (note->message == NULL || (server != NULL && note->server == NULL))
        return BASE_ENOMEM;
    *lookup->notes_end = note;
    lookup->notes_end = &note->next;
    return BASE_OK;
}

int validate_lookup_compare(const struct validate_options *options, struct validate_trust *trust,
                            const uint8_t *zone, const uint8_t *name, uint16_t type,
                            const struct validate_reply *reply, base_time now,
                            const struct validate_result **out)
{
    struct validate_chain *chain = validate_trust_find(trust, zone, now);
    if (chain == NULL)
        return BASE_ENOENT;
    struct validate_lookup *lookup;
    int error = start(options, trust, name, type, now, &lookup);
    if (error != BASE_OK)
        return error;
    struct lookup_packet *packet = lookup_need(lookup, name, type);
    if (packet != NULL) {
        validate_chain_ref(chain);
        lookup_keep(lookup, chain);
        lookup->only = chain;
        take_reply(lookup, packet, reply);
        judge(lookup);
    }
    error = lookup->error;
    if (error == BASE_OK)
        *out = validate_result_ref(lookup->result);
    validate_lookup_free(lookup);
    return error;
}
