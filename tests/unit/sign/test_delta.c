/* Signing changes: the same records come out as when the whole new zone is signed with the old one
 * as previous version, for random zones and edits. */
#include "changes.h"

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

#ifdef __SANITIZE_ADDRESS__
#define LIVES 5
#else
#define LIVES 20
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

/* --- particular cases --- */

/* Edits from text: "+ line" or "- line". */
struct script {
    struct zone *zones[16];
    struct sign_edit edits[16];
    size_t count;
};

static void script_add(struct script *script, const char *line)
{
    char text[512];
    bool soa = strstr(line, " SOA ") != NULL;
    snprintf(text, sizeof(text), "%s%s\n", soa ? "" : "example. 9 SOA . . 1 1 1 1 1\n", line + 2);
    struct zone *zone = zone_from_text(text, "example.");
    assert_int_equal(zone->rr_count, soa ? 1 : 2);
    /* The SOA is the first record, unless another of the apex goes before it. */
    size_t at = soa || zone->rrs[0]->type != DNS_TYPE_SOA ? 0 : 1;
    const struct dns_rr *rr = zone->rrs[at];
    const struct zone_node *last = &zone->nodes[zone->node_count - 1];
    script->zones[script->count] = zone;
    script->edits[script->count++] = (struct sign_edit){.owner = last->name,
                                                        .rdata = rr->rdata,
                                                        .length = rr->length,
                                                        .type = rr->type,
                                                        .ttl = rr->ttl,
                                                        .add = line[0] == '+'};
}

static struct script script_of(const char *const *lines)
{
    struct script script = {0};
    for (; *lines != NULL; lines++)
        script_add(&script, *lines);
    return script;
}

static void script_free(struct script *script)
{
    for (size_t i = 0; i < script->count; i++)
        zone_release(script->zones[i]);
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void do_lines(struct life *life, const char *const *lines)
{
    struct script script = script_of(lines);
    step(life, script.edits, script.count);
    script_free(&script);
}

static int try_lines(struct life *life, const char *const *lines, struct base_findings *findings,
                     struct sign_delta_result *result)
{
    struct script script = script_of(lines);
    int error = run_delta(life, script.edits, script.count, findings, result);
    script_free(&script);
    return error;
}

static void expect_error(struct life *life, const char *const *lines, int expected)
{
    struct base_findings findings;
    struct sign_delta_result result;
    base_findings_init(&findings, 10);
    assert_int_equal(try_lines(life, lines, &findings, &result), expected);
    assert_int_equal(base_findings_bad(&findings), expected == BASE_EREFUSED);
    base_findings_free(&findings);
}

static const char *const plain_text = RANDOM_HEAD "www.example. 3600 A 192.0.2.1\n"
                                                  "a.b.c.example. 3600 A 192.0.2.1\n"
                                                  "sub.example. 3600 NS ns.sub.example.\n"
                                                  "ns.sub.example. 3600 A 192.0.2.1\n"
                                                  "z.example. 3600 TXT z\n";

/* Two keys, another serial policy, each special thing by name. */
static void test_cases(void **state)
{
    /* Of two algorithms, so that each takes over the other role. */
    struct life life = {.key_count = 2};
    life.keys[0] = rfc8080_key("example.", CRYPTO_KSK);
    life.keys[1] = new_key(13, "example.", CRYPTO_ZSK);
    life.keys[0].ds_publish = 1;
    for (unsigned kind = 0; kind < 4; kind++) {
        policy_of(&life.policy, kind);
        life.policy.serial = SIGN_SERIAL_UNIXTIME;
        life_begin(&life, plain_text);
        size_t nothing = life.nothing;
        /* Nothing at all; what cancels out; what is not to be edited. */
        step(&life, NULL, 0);
        do_lines(&life, LINES("+ www.example. 3600 A 192.0.2.1"));
        do_lines(&life, LINES("- www.example. 3600 A 192.0.2.7", "- nowhere.example. 60 TXT no"));
        do_lines(&life, LINES("+ new.example. 60 TXT yes", "- new.example. 60 TXT yes"));
        do_lines(&life,
                 LINES("- www.example. 3600 A 192.0.2.1", "+ www.example. 3600 A 192.0.2.1"));
        assert_int_equal(life.nothing - nothing, 5);
        /* TTLs, the last record, a name that comes again, in another way. */
        do_lines(&life, LINES("+ www.example. 60 A 192.0.2.2"));
        do_lines(&life, LINES("- a.b.c.example. 3600 A 192.0.2.1"));
        do_lines(&life, LINES("+ b.c.example. 3600 TXT there"));
        do_lines(&life,
                 LINES("+ a.b.c.example. 3600 A 192.0.2.1", "- b.c.example. 3600 TXT there"));
        do_lines(&life, LINES("+ *.c.example. 3600 TXT wild"));
        /* Delegations. */
        do_lines(&life, LINES("+ sub.example. 600 DS 1 13 2 "
                              "00000000000000000000000000000000"
                              "00000000000000000000000000000000"));
        do_lines(&life, LINES("- sub.example. 3600 NS ns.sub.example."));
        do_lines(&life, LINES("+ sub.example. 3600 NS ns.sub.example."));
        do_lines(&life,
                 LINES("+ c.example. 3600 NS ns.c.example.", "+ ns.c.example. 3600 A 192.0.2.4"));
        do_lines(&life, LINES("+ b.c.example. 3600 DNAME else.where."));
        do_lines(&life, LINES("- c.example. 3600 NS ns.c.example."));
        do_lines(&life, LINES("+ c.example. 3600 DNAME else.where."));
        do_lines(&life, LINES("- c.example. 3600 DNAME else.where.",
                              "- b.c.example. 3600 DNAME else.where."));
        /* The apex, all of it below a DNAME and back. */
        do_lines(&life, LINES("+ example. 3600 TXT top", "- example. 3600 NS ns.example."));
        do_lines(&life, LINES("+ example. 3600 DNAME else.where."));
        do_lines(&life, LINES("+ q.example. 3600 TXT hidden"));
        do_lines(&life, LINES("- example. 3600 DNAME else.where."));
        /* The SOA; its serial counts. */
        do_lines(&life, LINES("+ example. 3600 SOA other. host. 2000000000 3600 600 864000 300"));
        assert_int_equal(life.current->serial, 2000000001);
        do_lines(&life, LINES("+ example. 1800 SOA other. host. 5 3600 600 864000 300",
                              "- example. 1800 SOA other. host. 5 3600 600 864000 300"));
        verify_zone(life.current);
        life_end(&life);
    }
    crypto_key_free(life.keys[0].key);
    crypto_key_free(life.keys[1].key);
}

static void test_refusals(void **state)
{
    struct life life = {.key_count = 1};
    life.keys[0] = rfc8080_key("example.", CRYPTO_CSK);
    struct crypto_zone_key other = new_key(13, "example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 3; kind++) {
        policy_of(&life.policy, kind);
        life_begin(&life, plain_text);
        const char *const *change = LINES("+ new.example. 60 TXT yes");
        /* Negative answers of another lifetime: all denial records change. */
        expect_error(&life, LINES("+ example. 3600 SOA ns. host. 9 3600 600 864000 299"),
                     BASE_EUNSUPPORTED);
        expect_error(&life, LINES("+ long.example. 900000 TXT ttl"), BASE_EREFUSED);
        expect_error(&life,
                     LINES("+ example. 3600 DNSKEY 257 3 15 "
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                     BASE_EUNSUPPORTED);
        struct sign_policy policy = life.policy;
        life.policy.zonemd = 1;
        expect_error(&life, change, BASE_EUNSUPPORTED);
        life.policy = policy;
        life.policy.denial = kind == 0 ? SIGN_NSEC3 : SIGN_NSEC;
        expect_error(&life, change, BASE_EUNSUPPORTED);
        life.policy = policy;
        if (kind > 0) {
            life.policy.nsec3_iterations = 1;
            expect_error(&life, change, BASE_EUNSUPPORTED);
            life.policy = policy;
            life.policy.opt_out ^= true;
            expect_error(&life, change, BASE_EUNSUPPORTED);
            life.policy = policy;
        }
        struct crypto_zone_key key = life.keys[0];
        life.keys[0] = other;
        expect_error(&life, change, BASE_EUNSUPPORTED);
        life.keys[0] = key;
        life.keys[1] = other;
        life.key_count = 2;
        expect_error(&life, change, BASE_EUNSUPPORTED);
        life.key_count = 1;
        /* A version without signatures. */
        struct zone *made = life.current, *plain = zone_from_text(plain_text, "example.");
        life.current = plain;
        expect_error(&life, change, BASE_EUNSUPPORTED);
        life.current = made;
        zone_release(plain);
        /* What is signed stays as it was. */
        do_lines(&life, change);
        life_end(&life);
    }
    crypto_key_free(life.keys[0].key);
    crypto_key_free(other.key);
}

static void test_contract(void **state)
{
    struct life life = {.key_count = 1};
    life.keys[0] = rfc8080_key("example.", CRYPTO_CSK);
    policy_of(&life.policy, 0);
    life_begin(&life, plain_text);
    struct base_findings findings;
    struct sign_delta_result result;
    struct zone_view view;
    base_findings_init(&findings, 10);
    zone_view_of(life.current, &view);
    const uint8_t *outside = (const uint8_t *)"\3www\5other",
                  *www = (const uint8_t *)"\3www\7example";
    struct sign_edit bad[] = {
        {.owner = outside,
         .rdata = (const uint8_t *)"\1\2\3\4",
         .type = 1,
         .length = 4,
         .add = true},
        {.owner = www, .rdata = (const uint8_t *)"\1\2\3\4", .type = 1, .length = 3, .add = true},
        {.owner = www, .rdata = (const uint8_t *)"", .type = DNS_TYPE_ANY, .add = true},
    };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(run_delta(&life, &bad[i], 1, &findings, &result), BASE_EINVAL);
    /* More names than are allowed: a cut over all of them. */
    struct script script = script_of(LINES("+ c.example. 60 NS a.", "+ b.c.example. 60 TXT x"));
    struct sign_delta_request request = {.view = &view,
                                         .edits = script.edits,
                                         .edit_count = script.count,
                                         .policy = &life.policy,
                                         .keys = life.keys,
                                         .key_count = 1,
                                         .now = NOW,
                                         .names_max = 3};
    assert_int_equal(sign_delta(&request, &findings, &result), BASE_ELIMIT);
    request.names_max = 6;
    assert_int_equal(sign_delta(&request, &findings, &result), BASE_OK);
    zone_delta_free(&result.delta);
    script_free(&script);
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
    life_end(&life);
    crypto_key_free(life.keys[0].key);
}

/* Names on the list are signed again when it is time; others are not looked at. */
static void test_refresh(void **state)
{
    struct life life = {.key_count = 1};
    life.keys[0] = rfc8080_key("example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 2; kind++) {
        policy_of(&life.policy, kind);
        life.policy.jitter = 0;
        life_begin(&life, plain_text);
        struct zone_view view;
        zone_view_of(life.current, &view);
        const uint8_t *names[64];
        size_t count = 0;
        for (; count < life.current->node_count; count++)
            names[count] = life.current->nodes[count].name;
        names[count++] = (const uint8_t *)"\4gone\7example";
        struct sign_delta_request request = {.view = &view,
                                             .refresh = names,
                                             .refresh_count = count,
                                             .policy = &life.policy,
                                             .keys = life.keys,
                                             .key_count = 1,
                                             .now = NOW + 3600};
        struct base_findings findings;
        struct sign_delta_result result;
        base_findings_init(&findings, 10);
        assert_int_equal(sign_delta(&request, &findings, &result), BASE_OK);
        assert_true(result.nothing);
        assert_int_equal(result.signatures_made, 0);
        request.now = life.now = NOW + life.policy.validity - life.policy.refresh + 1;
        assert_int_equal(sign_delta(&request, &findings, &result), BASE_OK);
        assert_false(result.nothing);
        assert_int_equal(result.signatures_kept, 0);
        assert_int_equal(result.earliest_expiry, life.now + life.policy.validity);
        struct zone *made = apply_delta(life.current, &result.delta);
        struct zone *plain = zone_of(&life.model, made->apex);
        struct zone *expected = sign_whole(&life, plain, life.current);
        /* The key's signatures are deterministic. */
        assert_same_text(dump_zone(expected, 0, DUMP_ALL), dump_zone(made, 0, DUMP_ALL));
        zone_release(expected);
        zone_release(plain);
        zone_release(made);
        zone_delta_free(&result.delta);
        /* One name, and the apex for the serial. */
        request.refresh = &(const uint8_t *){(const uint8_t *)"\3www\7example"};
        request.refresh_count = 1;
        assert_int_equal(sign_delta(&request, &findings, &result), BASE_OK);
        assert_true(result.delta.after->node_count <= (kind == 0 ? 2 : 3));
        zone_delta_free(&result.delta);
        base_findings_free(&findings);
        life_end(&life);
    }
    crypto_key_free(life.keys[0].key);
}

/* A key whose private half is elsewhere: its signatures come in a batch, which is waited for. */
struct place {
    struct crypto_key *key;
    size_t calls;
};

static int sign_there(void *context, const uint8_t id[CRYPTO_KEY_ID],
                      const struct crypto_remote_item *items, size_t count, size_t signature_size)
{
    struct place *place = context;
    struct crypto_signer *signer;
    place->calls++;
    assert_int_equal(crypto_signer_new(place->key, &signer), BASE_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(crypto_sign_input(signer, items[i].input, items[i].length, items[i].out),
                         BASE_OK);
    }
    assert_int_equal(crypto_signer_signature_size(signer), signature_size);
    crypto_signer_free(signer);
    return BASE_OK;
}

static void test_remote(void **state)
{
    struct life life = {.key_count = 1};
    struct crypto_zone_key here = new_key(13, "example.", CRYPTO_CSK);
    struct place place = {.key = here.key};
    struct crypto_remote remote = {sign_there, &place};
    const uint8_t id[CRYPTO_KEY_ID] = {1};
    struct crypto_key *away;
    assert_int_equal(
        crypto_key_remote(13, here.dnskey + 4, here.dnskey_length - 4, id, &remote, &away),
        BASE_OK);
    life.keys[0] = zone_key(away, "example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 2; kind++) {
        policy_of(&life.policy, kind);
        life_begin(&life, plain_text);
        do_lines(&life, LINES("+ www.example. 60 A 192.0.2.2", "+ x.y.example. 60 TXT new"));
        verify_zone(life.current);
        /* One round trip for each change. */
        struct script script = script_of(LINES("+ n.example. 60 A 192.0.2.2"));
        struct base_findings findings;
        struct sign_delta_result result;
        base_findings_init(&findings, 10);
        size_t calls = place.calls;
        assert_int_equal(run_delta(&life, script.edits, script.count, &findings, &result), BASE_OK);
        assert_int_equal(place.calls - calls, 1);
        zone_delta_free(&result.delta);
        base_findings_free(&findings);
        script_free(&script);
        life_end(&life);
    }
    crypto_key_free(here.key);
    crypto_key_free(away);
}

/* A view of which one call fails: its error comes back, and nothing is left behind. */
struct frail {
    struct zone_view view;
    size_t left;
};

static bool breaks(struct frail *frail)
{
    return frail->left-- == 0;
}

static int frail_owner(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO : frail->view.owner(frail->view.context, name, out);
}

static int frail_records(void *context, const uint8_t *name, zone_view_visit *visit, void *visitor)
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO
                         : frail->view.records(frail->view.context, name, visit, visitor);
}

static int frail_before(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO : frail->view.before(frail->view.context, name, out);
}

static int frail_after(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO : frail->view.after(frail->view.context, name, out);
}

static int frail_hash_records(void *context, const uint8_t *hash, zone_view_visit *visit,
                              void *visitor)
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO
                         : frail->view.hash_records(frail->view.context, hash, visit, visitor);
}

static int frail_hash_before(void *context, const uint8_t *hash, uint8_t *out)
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO : frail->view.hash_before(frail->view.context, hash, out);
}

static int frail_hash_after(void *context, const uint8_t *hash, uint8_t *out)
{
    struct frail *frail = context;
    return breaks(frail) ? BASE_EIO : frail->view.hash_after(frail->view.context, hash, out);
}

static void test_errors(void **state)
{
    struct life life = {.key_count = 1};
    life.keys[0] = rfc8080_key("example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 3; kind++) {
        policy_of(&life.policy, kind);
        life_begin(&life, plain_text);
        struct script script =
            script_of(LINES("- a.b.c.example. 3600 A 192.0.2.1", "+ x.y.example. 60 TXT new",
                            "+ www.example. 60 NS a.", "- sub.example. 3600 NS ns.sub.example."));
        int error = BASE_EIO;
        size_t calls = 0;
        for (; error == BASE_EIO; calls++) {
            struct frail frail = {.left = calls};
            zone_view_of(life.current, &frail.view);
            struct zone_view view = {.apex = frail.view.apex,
                                     .apex_labels = frail.view.apex_labels,
                                     .serial = frail.view.serial,
                                     .context = &frail,
                                     .owner = frail_owner,
                                     .records = frail_records,
                                     .before = frail_before,
                                     .after = frail_after,
                                     .hash_records = frail_hash_records,
                                     .hash_before = frail_hash_before,
                                     .hash_after = frail_hash_after};
            struct sign_delta_request request = {.view = &view,
                                                 .edits = script.edits,
                                                 .edit_count = script.count,
                                                 .policy = &life.policy,
                                                 .keys = life.keys,
                                                 .key_count = 1,
                                                 .now = NOW};
            struct base_findings findings;
            struct sign_delta_result result;
            base_findings_init(&findings, 10);
            error = sign_delta(&request, &findings, &result);
            assert_true(error == BASE_EIO || error == BASE_OK);
            if (error == BASE_OK)
                zone_delta_free(&result.delta);
            base_findings_free(&findings);
        }
        assert_true(calls > 20);
        script_free(&script);
        life_end(&life);
    }
    crypto_key_free(life.keys[0].key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_contract), cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_remote),   cmocka_unit_test(test_errors),
        cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
