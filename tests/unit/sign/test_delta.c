/* Signing changes: the same records come out as when the whole new zone is signed with the old one
 * as previous version, for random zones and edits. */
#include "base/codec.h"
#include "sign/delta.h"
#include "zones.h"

/* --- a zone as a list of records, edited one by one --- */

struct record {
    uint8_t owner[DNS_NAME_MAX];
    struct dns_rr *rr; /* owned */
};

struct model {
    struct record *records;
    size_t count;
};

static struct dns_rr *copy_rr(const struct dns_rr *rr)
{
    struct dns_rr *copy = malloc(DNS_RR_SIZE(rr->length));
    assert_non_null(copy);
    memcpy(copy, rr, DNS_RR_SIZE(rr->length));
    return copy;
}

static void push(struct model *model, const uint8_t *owner, const struct dns_rr *rr)
{
    model->records = realloc(model->records, (model->count + 1) * sizeof(struct record));
    assert_non_null(model->records);
    struct record *record = &model->records[model->count++];
    memcpy(record->owner, owner, dns_name_length(owner));
    record->rr = copy_rr(rr);
}

static void drop(struct model *model, size_t index)
{
    free(model->records[index].rr);
    memmove(&model->records[index], &model->records[index + 1],
            (model->count - index - 1) * sizeof(struct record));
    model->count--;
}

static void model_free(struct model *model)
{
    while (model->count > 0)
        drop(model, model->count - 1);
    free(model->records);
    model->records = NULL;
}

static struct model model_of(const struct zone *zone)
{
    struct model model = {0};
    for (size_t n = 0; n < zone->node_count; n++) {
        const struct zone_node *node = &zone->nodes[n];
        for (unsigned s = 0; s < node->rrset_count; s++) {
            const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
            for (unsigned r = 0; r < set->count; r++)
                push(&model, node->name, zone->rrs[set->first_rr + r]);
        }
    }
    return model;
}

static void apply(struct model *model, const struct sign_edit *edit, const uint8_t *apex)
{
    struct dns_rr *rr = malloc(DNS_RR_SIZE(edit->length));
    assert_non_null(rr);
    *rr = (struct dns_rr){.type = edit->type, .ttl = edit->ttl, .length = edit->length};
    memcpy(rr->rdata, edit->rdata, edit->length);
    bool soa = edit->type == DNS_TYPE_SOA && dns_name_equal(edit->owner, apex), found = false;
    for (size_t i = 0; i < model->count; i++) {
        struct record *record = &model->records[i];
        if (record->rr->type != edit->type || !dns_name_equal(record->owner, edit->owner))
            continue;
        bool same = dns_rdata_compare(record->rr, rr) == 0;
        if (soa ? edit->add : same && !edit->add) {
            drop(model, i--);
            continue;
        }
        found |= same;
        if (edit->add)
            record->rr->ttl = edit->ttl;
    }
    if (edit->add && !found)
        push(model, edit->owner, rr);
    free(rr);
}

static struct zone *zone_of(const struct model *model, const uint8_t *apex)
{
    struct zone_batch_writer writer;
    struct base_findings findings;
    struct zone *zone;
    assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
    for (size_t i = 0; i < model->count; i++) {
        const struct dns_rr *rr = model->records[i].rr;
        assert_int_equal(zone_batch_add(&writer, model->records[i].owner, rr->type, rr->ttl,
                                        rr->rdata, rr->length),
                         BASE_OK);
    }
    struct dns_zonefile file = {.batches = writer.batch};
    memcpy(file.origin, apex, dns_name_length(apex));
    base_arena_init(&file.arena, 0);
    base_findings_init(&findings, 10);
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    assert_int_equal(zone->rr_count, model->count);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

/* --- applying a change --- */

static bool untouched(void *context, const struct zone_node *node, const struct zone_rrset *rrset)
{
    return zone_find(context, node->name, NULL) == NULL;
}

static void add_zone(struct zone_batch_writer *writer, const struct zone *zone)
{
    for (size_t n = 0; n < zone->node_count; n++) {
        const struct zone_node *node = &zone->nodes[n];
        for (unsigned s = 0; s < node->rrset_count; s++) {
            const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
            for (unsigned r = 0; r < set->count; r++) {
                const struct dns_rr *rr = zone->rrs[set->first_rr + r];
                assert_int_equal(
                    zone_batch_add(writer, node->name, rr->type, rr->ttl, rr->rdata, rr->length),
                    BASE_OK);
            }
        }
    }
}

/* What stands before is just what the zone has. */
static void check_before(const struct zone *zone, const struct zone_delta *delta)
{
    struct base_buf own, held;
    for (size_t i = 0; i < delta->before->node_count; i++) {
        const struct zone_node *node = &delta->before->nodes[i];
        const struct zone_node *twin = zone_find(zone, node->name, NULL);
        assert_non_null(twin);
        assert_memory_equal(node->name, twin->name, dns_name_length(twin->name));
        base_buf_init(&own, 1 << 24);
        base_buf_init(&held, 1 << 24);
        for (unsigned side = 0; side < 2; side++) {
            const struct zone *of = side == 0 ? delta->before : zone;
            const struct zone_node *at = side == 0 ? node : twin;
            for (unsigned s = 0; s < at->rrset_count; s++) {
                const struct zone_rrset *set = &of->rrsets[at->first_rrset + s];
                for (unsigned r = 0; r < set->count; r++)
                    dump_rr(side == 0 ? &own : &held, of, at->name, set, of->rrs[set->first_rr + r],
                            DUMP_ALL);
            }
        }
        assert_string_equal(base_buf_string(&own), base_buf_string(&held));
        base_buf_free(&own);
        base_buf_free(&held);
    }
    for (size_t i = 0; i < delta->after->node_count; i++) {
        const uint8_t *name = delta->after->nodes[i].name;
        assert_true((zone_find(delta->before, name, NULL) != NULL) ==
                    (zone_find(zone, name, NULL) != NULL));
    }
}

static struct zone *apply_delta(struct zone *zone, struct zone_delta *delta)
{
    struct zone_batch_writer writer;
    struct base_findings findings;
    struct zone *out;
    check_before(zone, delta);
    assert_int_equal(zone_batch_writer_init(&writer, zone->apex), BASE_OK);
    add_zone(&writer, delta->after);
    struct zone_compose compose = {.base = zone,
                                   .keep = untouched,
                                   .context = delta->before,
                                   .extra = writer.batch,
                                   .threads = 1};
    base_findings_init(&findings, 10);
    assert_int_equal(zone_compose(&compose, &findings, &out), BASE_OK);
    base_findings_free(&findings);
    return out;
}

/* --- one zone's life --- */

struct life {
    struct sign_policy policy;
    struct crypto_zone_key keys[2];
    size_t key_count;
    struct model model;
    struct zone *current; /* signed */
    base_time now;
    size_t cases, nothing, signatures;
};

static struct zone *sign_whole(struct life *life, struct zone *zone, struct zone *previous)
{
    struct sign_request request = {.zone = zone,
                                   .policy = &life->policy,
                                   .keys = life->keys,
                                   .key_count = life->key_count,
                                   .previous = previous,
                                   .now = life->now,
                                   .threads = 1};
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 10);
    int error = sign_zone(&request, &findings, &result);
    if (error != BASE_OK)
        fail_msg("signing: %s", findings.count > 0 ? findings.items[0].message : "?");
    base_findings_free(&findings);
    return result.zone;
}

static int run_delta(struct life *life, const struct sign_edit *edits, size_t count,
                     struct base_findings *findings, struct sign_delta_result *result)
{
    struct zone_view view;
    zone_view_of(life->current, &view);
    struct sign_delta_request request = {.view = &view,
                                         .edits = edits,
                                         .edit_count = count,
                                         .policy = &life->policy,
                                         .keys = life->keys,
                                         .key_count = life->key_count,
                                         .now = life->now};
    return sign_delta(&request, findings, result);
}

static void life_begin(struct life *life, const char *text)
{
    struct zone *zone = zone_from_text(text, "example.");
    life->model = model_of(zone);
    life->now = NOW;
    life->current = sign_whole(life, zone, NULL);
    zone_release(zone);
}

static void life_end(struct life *life)
{
    model_free(&life->model);
    zone_release(life->current);
}

/* Signs edits both ways; the life goes on with the result. */
static void step(struct life *life, const struct sign_edit *edits, size_t count)
{
    struct base_findings findings;
    struct sign_delta_result result;
    life->now += 60;
    base_findings_init(&findings, 10);
    int error = run_delta(life, edits, count, &findings, &result);
    if (error != BASE_OK)
        fail_msg("error %d %s", error, findings.count > 0 ? findings.items[0].message : "");
    base_findings_free(&findings);
    for (size_t i = 0; i < count; i++)
        apply(&life->model, &edits[i], life->current->apex);
    struct zone *plain = zone_of(&life->model, life->current->apex);
    struct zone *expected = sign_whole(life, plain, life->current);
    struct zone *made;
    if (result.nothing) {
        assert_null(result.delta.before);
        assert_null(result.delta.after);
        made = zone_hold(life->current);
    } else {
        made = apply_delta(life->current, &result.delta);
    }
    assert_same_content(expected, made);
    assert_int_equal(result.serial, expected->serial);
    assert_int_equal(made->serial, expected->serial);
    life->cases++;
    life->nothing += result.nothing;
    life->signatures += result.signatures_made;
    zone_delta_free(&result.delta);
    zone_release(expected);
    zone_release(plain);
    zone_release(life->current);
    life->current = made;
}

/* --- random lives --- */

static void random_text(struct base_buf *buf, uint64_t *seed)
{
    static const char *const labels[] = {"a.", "b.", "C.", "*.", "\\000x.", "d."};
    unsigned depth = 1 + next_random(seed) % 4, octet = next_random(seed) % 4;
    for (unsigned i = 0; i < depth; i++)
        base_buf_text(buf, labels[next_random(seed) % 6]);
    base_buf_text(buf, "example. 3600 ");
    switch (next_random(seed) % 16) {
    case 0:
    case 1:
        base_buf_printf(buf, "NS ns%u.Example.net.\n", octet);
        break;
    case 2:
        base_buf_printf(buf, "NS a.b.example.\n");
        break;
    case 3:
    case 4:
        base_buf_printf(buf, "DS %u 13 2 %064u\n", octet, octet);
        break;
    case 5:
        base_buf_printf(buf, "DNAME d%u.example.net.\n", octet);
        break;
    case 6:
        base_buf_printf(buf, "MX %u Mail.example.\n", octet);
        break;
    case 7:
        base_buf_printf(buf, "CAA 0 issue \"%u\"\n", octet);
        break;
    default:
        base_buf_printf(buf, "A 192.0.2.%u\n", octet);
    }
}

/* Records to add and remove: of random names, of the apex, and at the owners of hashes. */
static struct model random_pool(uint64_t *seed, const struct sign_policy *policy)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_text(&buf, RANDOM_HEAD "example. 3600 NS b.ns.example.\nexample. 3600 TXT top\n"
                                    "example. 3600 CAA 0 issue \"x\"\n");
    for (unsigned i = 0; i < 70; i++)
        random_text(&buf, seed);
    struct crypto_nsec3 *nsec3;
    assert_int_equal(crypto_nsec3_new(policy->nsec3_iterations, policy->nsec3_salt,
                                      policy->nsec3_salt_length, &nsec3),
                     BASE_OK);
    const char *const originals[] = {"\1a\7example", "\1c\1a\7example", "\7example"};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t hash[20];
        char text[33] = {0};
        assert_int_equal(crypto_nsec3_hash(nsec3, (const uint8_t *)originals[i], hash), BASE_OK);
        base_base32hex_encode(text, hash, sizeof(hash));
        base_buf_printf(&buf, "%s.example. 3600 A 192.0.2.9\n", text);
    }
    crypto_nsec3_free(nsec3);
    struct zone *zone = zone_from_text(base_buf_string(&buf), "example.");
    base_buf_free(&buf);
    struct model pool = model_of(zone);
    zone_release(zone);
    return pool;
}

static void random_edit(struct sign_edit *edit, const struct model *pool, const struct model *model,
                        uint64_t *seed)
{
    static const uint32_t ttls[] = {3600, 3600, 3600, 3600, 60, 300};
    bool add = next_random(seed) % 2;
    /* What is removed is mostly there. */
    const struct model *from = !add && next_random(seed) % 8 != 0 ? model : pool;
    const struct record *record = &from->records[next_random(seed) % from->count];
    *edit = (struct sign_edit){.owner = record->owner,
                               .rdata = record->rr->rdata,
                               .ttl = ttls[next_random(seed) % 6],
                               .type = record->rr->type,
                               .length = record->rr->length,
                               .add = add};
    if (record->rr->type == DNS_TYPE_SOA)
        edit->ttl = 3600;
    /* A zone keeps its SOA and NS, so that it stays one. */
    if (dns_name_labels(record->owner) == 1 && record->rr->type == DNS_TYPE_SOA)
        edit->add = true;
}

/* Edits point into the model, which applying them changes. */
static void keep_edit(struct sign_edit *edit, uint8_t *room)
{
    memcpy(room, edit->owner, dns_name_length(edit->owner));
    memcpy(room + DNS_NAME_MAX, edit->rdata, edit->length);
    edit->owner = room;
    edit->rdata = room + DNS_NAME_MAX;
}

#define EDITS_MAX 40
#define ROOM      1024

static void random_life(struct life *life, uint64_t seed, unsigned steps)
{
    struct model pool = random_pool(&seed, &life->policy);
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_text(&buf, RANDOM_HEAD);
    char *text = strdup(base_buf_string(&buf));
    base_buf_free(&buf);
    life_begin(life, text);
    free(text);
    for (unsigned i = 0; i < steps; i++) {
        struct sign_edit edits[EDITS_MAX];
        uint8_t room[EDITS_MAX][ROOM];
        /* First much comes; later a little at a time; now and then much goes. */
        unsigned count = i == 0                         ? EDITS_MAX
                         : next_random(&seed) % 16 == 0 ? EDITS_MAX
                                                        : 1 + next_random(&seed) % 4;
        for (unsigned e = 0; e < count; e++) {
            random_edit(&edits[e], &pool, &life->model, &seed);
            if (i == 0)
                edits[e].add = true;
            keep_edit(&edits[e], room[e]);
        }
        step(life, edits, count);
    }
    verify_zone(life->current);
    life_end(life);
    model_free(&pool);
}

static void policy_of(struct sign_policy *policy, unsigned kind)
{
    sign_policy_default(policy);
    policy->serial = SIGN_SERIAL_INCREMENT;
    policy->denial = kind == 0 ? SIGN_NSEC : SIGN_NSEC3;
    policy->opt_out = kind == 2;
    if (kind == 3) {
        policy->nsec3_iterations = 2;
        policy->nsec3_salt_length = 3;
        memcpy(policy->nsec3_salt, "abc", 3);
    }
}

#ifndef LIVES
#define LIVES 25
#endif
#define STEPS 25

static void test_random(void **state)
{
    struct life life = {.key_count = 1};
    life.keys[0] = rfc8080_key("example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 4; kind++) {
        policy_of(&life.policy, kind);
        life.cases = life.nothing = life.signatures = 0;
        for (unsigned i = 0; i < LIVES; i++)
            random_life(&life, 1000 * kind + i, STEPS);
        print_message("%u: %zu cases, %zu of nothing, %zu signatures\n", kind, life.cases,
                      life.nothing, life.signatures);
    }
    crypto_key_free(life.keys[0].key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
