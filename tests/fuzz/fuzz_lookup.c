/*
 * Look-ups whose answers are tampered with, as records and as octets: the input says which answer
 * is changed how. The true data are known, so that there is an oracle: what is SECURE must be the
 * truth, and what is SECURE in truth must never become INSECURE.
 */
#include "validate/world.h"

#define CACHED 160

struct cached {
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    struct world_reply *reply;
};

struct question {
    const char *name;
    uint16_t type;
    const struct validate_result *truth;
};

static struct question questions[] = {
    {"www.a.example.", DNS_TYPE_A, NULL},
    {"a.example.", DNS_TYPE_DNSKEY, NULL},
    {"a.example.", DNS_TYPE_DS, NULL},
    {"here.a.example.", DNS_TYPE_A, NULL},
    {"away.a.example.", DNS_TYPE_A, NULL},
    {"nowhere.a.example.", DNS_TYPE_A, NULL},
    {"any.alias.a.example.", DNS_TYPE_A, NULL},
    {"back.moved.a.example.", DNS_TYPE_A, NULL},
    {"www.moved.a.example.", DNS_TYPE_CNAME, NULL},
    {"x.wild.a.example.", DNS_TYPE_A, NULL},
    {"x.wild.a.example.", DNS_TYPE_MX, NULL},
    {"exact.wild.a.example.", DNS_TYPE_A, NULL},
    {"x.y.wild.b.example.", DNS_TYPE_A, NULL},
    {"x.wild.b.example.", DNS_TYPE_MX, NULL},
    {"no.a.example.", DNS_TYPE_A, NULL},
    {"www.a.example.", DNS_TYPE_MX, NULL},
    {"ent.tree.a.example.", DNS_TYPE_A, NULL},
    {"no.www.b.example.", DNS_TYPE_A, NULL},
    {"www.b.example.", DNS_TYPE_MX, NULL},
    {"y.ent.b.example.", DNS_TYPE_A, NULL},
    {"www.a.example.", DNS_TYPE_DS, NULL},
    {"open.example.", DNS_TYPE_DS, NULL},
    {".", DNS_TYPE_DS, NULL},
    {"www.c.example.", DNS_TYPE_MX, NULL},
    {"no.c.example.", DNS_TYPE_A, NULL},
    {"host.open.example.", DNS_TYPE_A, NULL},
    {"no.open.example.", DNS_TYPE_A, NULL},
    {"www.island.open.example.", DNS_TYPE_A, NULL},
    {"far.a.example.", DNS_TYPE_A, NULL},
    {"in.open.example.", DNS_TYPE_A, NULL},
    {"www.plain.opt.", DNS_TYPE_A, NULL},
    {"www.signed.opt.", DNS_TYPE_A, NULL},
    {"no.opt.", DNS_TYPE_A, NULL},
    {"plain.opt.", DNS_TYPE_DS, NULL},
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static struct world *world;
static struct validate_options options;
static struct cached cache[CACHED];
static size_t cached_count;

static void keep_reply(struct world *from, struct world_reply *reply)
{
    struct cached *cached = from->context;
    cached->reply = malloc(sizeof(*reply));
    MUST(cached->reply != NULL);
    *cached->reply = *reply;
}

/* The true reply for a query, made once. */
static const struct world_reply *true_reply(const uint8_t *name, uint16_t type)
{
    static uint8_t packet[65535];
    static struct world_reply other;
    for (size_t i = 0; i < cached_count; i++) {
        if (cache[i].type == type && dns_name_equal(cache[i].name, name))
            return cache[i].reply;
    }
    struct cached once = {.reply = &other}, *cached = &once;
    if (cached_count < CACHED)
        cached = &cache[cached_count++];
    cached->type = type;
    name_copy(cached->name, name);
    world->context = cached;
    world->edit = keep_reply;
    world->log[0] = '\0';
    world_answer(world, name, type, packet, sizeof(packet));
    if (cached == &once) {
        other = *once.reply;
        free(once.reply);
        return &other;
    }
    return cached->reply;
}

/* A change is five octets: to which answer (with the highest bit: as octets), what, parameters. */
#define CHANGE_OCTETS 5

static struct world_record *pick(struct world_reply *reply, unsigned number)
{
    return reply->count == 0 ? NULL : &reply->records[number % reply->count];
}

static void change_record(struct world_reply *reply, const uint8_t *change)
{
    struct world_record *record = pick(reply, change[2]), *other = pick(reply, change[3]);
    const struct cached *elsewhere = &cache[change[3] % cached_count];
    if (record == NULL)
        return;
    switch (change[1] % 12) {
    case 0: /* remove */
        memmove(record, record + 1,
                (size_t)(&reply->records[--reply->count] - record) * sizeof(*record));
        break;
    case 1: /* move to another section */
        record->section = DNS_SECTION_ANSWER + change[3] % 3;
        break;
    case 2: /* another's owner */
        name_copy(record->name, other->name);
        break;
    case 3: /* the question's owner */
        name_copy(record->name, reply->question);
        break;
    case 4: /* another's type and data */
        record->type = other->type;
        record->length = other->length;
        memmove(record->rdata, other->rdata, other->length);
        break;
    case 5: /* an octet of the data */
        if (record->length > 0)
            record->rdata[change[3] % record->length] ^= change[4];
        break;
    case 6:
        record->ttl = (uint32_t)change[3] << (change[4] % 24);
        break;
    case 7: /* a record of another answer */
        if (elsewhere->reply->count > 0 && reply->count < 60)
            reply->records[reply->count++] =
                elsewhere->reply->records[change[4] % elsewhere->reply->count];
        break;
    case 8: { /* all of another answer, or that too */
        size_t count = elsewhere->reply->count;
        if (change[4] % 2 == 0)
            reply->count = 0;
        for (size_t i = 0; i < count && reply->count < 60; i++)
            reply->records[reply->count++] = elsewhere->reply->records[i];
        break;
    }
    case 9:
        reply->rcode = change[3] % 6;
        break;
    case 10: /* all signatures, or all of a type, go */
        reply_remove(reply, DNS_SECTION_ANSWER + change[3] % 3,
                     change[4] % 2 ? DNS_TYPE_RRSIG : record->type);
        break;
    case 11: /* all records of the answer get the question's owner: a forged wildcard */
        for (size_t i = 0; i < reply->count; i++) {
            if (reply->records[i].section == DNS_SECTION_ANSWER)
                name_copy(reply->records[i].name, reply->question);
        }
        break;
    }
}

static size_t build(const struct world_reply *reply, uint8_t *out, size_t room)
{
    /* Data that are malformed now are for the octets' changes: the builder wants sound ones. */
    static struct world_reply sound;
    sound = *reply;
    sound.count = 0;
    for (size_t i = 0; i < reply->count; i++) {
        const struct world_record *record = &reply->records[i];
        if (dns_rdata_check(record->type, record->rdata, record->length, NULL) == BASE_OK)
            sound.records[sound.count++] = *record;
    }
    return reply_build(&sound, out, room);
}

static size_t answer(const struct validate_query *query, const uint8_t *changes, size_t count,
                     uint8_t *out, size_t room)
{
    static struct world_reply reply;
    reply = *true_reply(query->name, query->type);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *change = changes + i * CHANGE_OCTETS;
        if (change[0] % 32 == query->id && change[0] < 128)
            change_record(&reply, change);
    }
    size_t length = build(&reply, out, room);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *change = changes + i * CHANGE_OCTETS;
        if (change[0] % 32 != query->id || change[0] < 128)
            continue;
        size_t at = (size_t)(change[2] << 8 | change[3]) % length;
        if (change[1] % 8 == 7)
            length = at;
        else
            out[at] ^= change[4];
        if (length == 0)
            return 0;
    }
    return length;
}

static const struct validate_result *look_up(const struct question *question,
                                             const uint8_t *changes, size_t count)
{
    static uint8_t packet[65535];
    struct validate_lookup *lookup;
    struct validate_query query;
    MUST(validate_lookup_new(&options, NULL, wire(question->name), question->type, NOW, &lookup) ==
         BASE_OK);
    while (validate_lookup_next(lookup, &query)) {
        struct validate_reply reply = {.packet = packet};
        reply.length = answer(&query, changes, count, packet, sizeof(packet));
        if (reply.length == 0)
            reply.kind = VALIDATE_REPLY_SILENCE;
        MUST(validate_lookup_reply(lookup, query.id, &reply, NOW) == BASE_OK);
    }
    MUST(validate_lookup_result(lookup) != NULL);
    const struct validate_result *result = validate_result_ref(validate_lookup_result(lookup));
    validate_lookup_free(lookup);
    return result;
}

static void start(void)
{
    struct validate_anchors *anchors;
    world = world_usual();
    MUST(validate_anchors_new(&anchors) == BASE_OK);
    world_anchor(anchors, zone_at(world, "."), false);
    options.anchors = anchors;
    for (size_t i = 0; i < QUESTIONS; i++)
        questions[i].truth = look_up(&questions[i], NULL, 0);
}

static void require_true(const struct question *question, const struct validate_result *result)
{
    const struct validate_result *truth = question->truth;
    MUST(result->verifications <= 128 && result->failed_verifications <= 16);
    MUST(result->queries <= 64);
    if (truth->status == VALIDATE_SECURE)
        MUST(result->status != VALIDATE_INSECURE && result->status != VALIDATE_INDETERMINATE);
    else
        MUST(result->status != VALIDATE_SECURE);
    if (result->status != VALIDATE_SECURE)
        return;
    MUST(result->kind == truth->kind && result->answer_count == truth->answer_count);
    for (size_t i = 0; i < truth->answer_count; i++) {
        const struct validate_records *a = &result->answer[i], *b = &truth->answer[i];
        MUST(a->type == b->type && a->count == b->count && dns_name_equal(a->name, b->name));
        for (size_t k = 0; k < a->count; k++)
            MUST(a->rdata[k].length == b->rdata[k].length &&
                 memcmp(a->rdata[k].data, b->rdata[k].data, a->rdata[k].length) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (world == NULL)
        start();
    if (length < 1)
        return 0;
    const struct question *question = &questions[data[0] % QUESTIONS];
    size_t count = (length - 1) / CHANGE_OCTETS;
    const struct validate_result *result = look_up(question, data + 1, count < 40 ? count : 40);
    require_true(question, result);
    validate_result_unref(result);
    return 0;
}
