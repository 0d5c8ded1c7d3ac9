/*
 * Which TLSA records are kept, and when a switch is safe: single steps, and a world of name servers
 * that are late and caches that remember, in which whoever does as told never has a sender refuse
 * the server, and whoever does not is told of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../dane/certificates.h"
#include "base/error.h"
#include "control/tlsa.h"

#define NOW     ((base_time)CERTIFICATE_NOW)
#define TTL     100
#define KEEP    1000
#define SERVERS 3
#define CACHES  8
#define RUNS    2
#define STEPS   250
#define STEP    20 /* seconds */

static const struct config_tlsa settings = {.certificate = "now",
                                            .next = "next",
                                            .usage = 3,
                                            .selector = 1,
                                            .matching = 1,
                                            .ttl = TTL,
                                            .keep = KEEP};

static void begin(struct control_tlsa_service *service, const struct config_tlsa *config)
{
    *service = (struct control_tlsa_service){.config = config,
                                             .port = 25,
                                             .where = "_25._tcp.mx.example.",
                                             .current.path = config->certificate,
                                             .next.path = config->next};
    service->next.read = true;
}

static void end(struct control_tlsa_service *service)
{
    dane_material_free(&service->current.material);
    dane_material_free(&service->next.material);
}

/* A file with a public key (Ed25519, of which any 32 octets are one), told by its number. */
static void show(struct control_tlsa_service *service, struct control_tlsa_file *file,
                 unsigned number)
{
    static const uint8_t prefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t der[44];
    memcpy(der, prefix, sizeof(prefix));
    memset(der + sizeof(prefix), (int)number + 1, 32);
    control_tlsa_take(service, file, der, sizeof(der), NULL, NOW);
    assert_string_equal(file->why, "");
}

static void remove_file(struct control_tlsa_service *service, struct control_tlsa_file *file)
{
    control_tlsa_take(service, file, NULL, 0, "it is not there", NOW);
}

static const struct control_tlsa_set nothing;

/* What is kept, as a set that is published. */
static void publish(const struct control_tlsa_service *service, struct control_tlsa_set *out)
{
    *out = (struct control_tlsa_set){.count = service->state.count, .ttl = TTL};
    for (size_t i = 0; i < out->count; i++)
        out->records[i] = control_tlsa_of(&service->state.records[i]);
}

static bool has_finding(const struct control_tlsa_service *service, enum base_finding_code code,
                        base_time now)
{
    struct base_findings findings;
    bool found = false;
    base_findings_init(&findings, 100);
    control_tlsa_judge(service, now, &findings);
    for (size_t i = 0; i < findings.count; i++)
        found |= findings.items[i].code == code;
    base_findings_free(&findings);
    return found;
}

/* All servers give what is kept. */
static bool look(struct control_tlsa_service *service, base_time now)
{
    struct control_tlsa_server servers[2] = {{.name = "kenterd", .answered = true},
                                             {.name = "other", .answered = true}};
    bool records;
    publish(service, &servers[0].set);
    publish(service, &servers[1].set);
    service->servers = servers;
    service->server_count = 2;
    control_tlsa_observe(service, now, &records);
    service->servers = NULL;
    service->server_count = 0;
    return records;
}

/* --- single steps --- */

static void test_first(void **state)
{
    struct control_tlsa_service service;
    begin(&service, &settings);
    assert_false(control_tlsa_follow(&service, &nothing, NOW)); /* the file was not read yet */
    show(&service, &service.current, 1);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    assert_int_equal(service.state.count, 1);
    assert_false(service.state.unsafe); /* nobody held a record before */
    assert_false(control_tlsa_follow(&service, &nothing, NOW));
    show(&service, &service.next, 2);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    assert_int_equal(service.state.count, 2);
    remove_file(&service, &service.next);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    assert_null(control_tlsa_record(&service, REGISTRY_TLSA_NEXT));
    assert_int_equal(service.state.count, 2); /* whoever holds the set does no harm */
    end(&service);
}

/* Records of the zone's source, of which none matches: it was broken before. */
static void test_first_beside_others(void **state)
{
    struct control_tlsa_service service, other;
    struct control_tlsa_set set;
    begin(&other, &settings);
    show(&other, &other.current, 7);
    assert_true(control_tlsa_follow(&other, &nothing, NOW));
    publish(&other, &set);
    set.ttl = 5000;
    begin(&service, &settings);
    show(&service, &service.current, 1);
    assert_true(control_tlsa_follow(&service, &set, NOW));
    assert_true(service.state.unsafe);
    assert_true(has_finding(&service, TLSA_UNSAFE, NOW));
    look(&service, NOW);
    assert_int_equal(service.advice.safe_at, NOW + 5000 + DANE_LIFE_MARGIN); /* their TTL counts */
    look(&service, NOW + 5000 + DANE_LIFE_MARGIN);
    assert_false(service.state.unsafe);
    end(&service);
    end(&other);
}

static unsigned matching_of(const struct control_tlsa_service *service)
{
    return control_tlsa_record(service, REGISTRY_TLSA_CURRENT)->rdata[2];
}

/* The settings ask for another digest from now on. */
static void test_other_digest(void **state)
{
    struct config_tlsa other = settings;
    struct control_tlsa_service service;
    struct control_tlsa_set set;
    begin(&service, &settings);
    show(&service, &service.current, 1);
    show(&service, &service.next, 2);
    control_tlsa_follow(&service, &nothing, NOW);
    look(&service, NOW);
    look(&service, NOW + 1000);
    assert_true(service.advice.switch_safe);
    publish(&service, &set);
    other.matching = 2;
    service.config = &other;
    show(&service, &service.current, 1);
    show(&service, &service.next, 2);
    assert_true(control_tlsa_follow(&service, &set, NOW + 1000));
    assert_int_equal(matching_of(&service), 2);
    assert_int_equal(service.state.count, 4);
    assert_false(service.state.unsafe);
    /* Beside the stronger ones those that all knew count no more. */
    look(&service, NOW + 1000);
    assert_false(service.advice.switch_safe);
    publish(&service, &set);
    /* And back: a weaker one would not count. */
    service.config = &settings;
    show(&service, &service.current, 1);
    show(&service, &service.next, 2);
    assert_false(control_tlsa_follow(&service, &set, NOW + 1000));
    assert_true(has_finding(&service, TLSA_REFUSED, NOW));
    assert_int_equal(matching_of(&service), 2);
    /* But of a certificate that is shown already a record is better than none. */
    show(&service, &service.current, 3);
    assert_true(control_tlsa_follow(&service, &set, NOW + 1000));
    assert_true(service.state.unsafe);
    end(&service);
}

static void test_bad_files(void **state)
{
    static const uint8_t garbage[] =
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    struct test_certificate old =
        certificate_make(&(struct certificate_spec){.subject = "old", .not_after = NOW - 1});
    struct test_certificate good = certificate_make(&(struct certificate_spec){.subject = "good"});
    struct control_tlsa_service service;
    begin(&service, &settings);
    /* Nothing is published for one that has expired. */
    control_tlsa_take(&service, &service.current, old.der, old.length, NULL, NOW);
    assert_false(control_tlsa_follow(&service, &nothing, NOW));
    assert_true(has_finding(&service, TLSA_CERTIFICATE, NOW));
    control_tlsa_take(&service, &service.current, good.der, good.length, NULL, NOW);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    assert_false(has_finding(&service, TLSA_CERTIFICATE, NOW));
    const struct registry_tlsa before = service.state;
    struct control_tlsa_file *files[] = {&service.current, &service.next};
    for (size_t i = 0; i < 2; i++) {
        control_tlsa_take(&service, files[i], garbage, sizeof(garbage) - 1, NULL, NOW);
        assert_false(control_tlsa_follow(&service, &nothing, NOW));
        assert_true(has_finding(&service, i == 0 ? TLSA_CERTIFICATE : TLSA_NEXT, NOW));
        control_tlsa_take(&service, files[i], old.der, old.length, NULL, NOW);
        assert_false(control_tlsa_follow(&service, &nothing, NOW));
        assert_true(has_finding(&service, i == 0 ? TLSA_CERTIFICATE : TLSA_NEXT, NOW));
    }
    remove_file(&service, &service.current);
    assert_false(control_tlsa_follow(&service, &nothing, NOW));
    assert_memory_equal(&before, &service.state, sizeof(before));
    /* The same certificate a year later: its record stays, and people are told. */
    control_tlsa_take(&service, &service.current, good.der, good.length, NULL,
                      NOW + 2 * CERTIFICATE_YEAR);
    assert_false(control_tlsa_follow(&service, &nothing, NOW + 2 * CERTIFICATE_YEAR));
    assert_true(has_finding(&service, TLSA_CERTIFICATE, NOW + 2 * CERTIFICATE_YEAR));
    end(&service);
    certificate_free(&old);
    certificate_free(&good);
}

/* Usage 2 is about the last certificate of the file; selector 0 wants a certificate. */
static void test_usages(void **state)
{
    struct test_certificate ca =
        certificate_make(&(struct certificate_spec){.subject = "CA", .authority = true});
    struct test_certificate leaf =
        certificate_make(&(struct certificate_spec){.subject = "mx", .issuer = &ca});
    struct config_tlsa config = settings;
    struct control_tlsa_service service;
    char *pem = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&pem, &size);
    PEM_write_X509(file, leaf.x509);
    PEM_write_X509(file, ca.x509);
    fclose(file);
    config.usage = 2;
    begin(&service, &config);
    control_tlsa_take(&service, &service.current, leaf.der, leaf.length, NULL, NOW);
    assert_non_null(strstr(service.current.why, "one certificate only"));
    control_tlsa_take(&service, &service.current, (const uint8_t *)pem, size, NULL, NOW);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    uint8_t *data;
    size_t length;
    assert_int_equal(dane_tlsa_make(1, 1, ca.der, ca.length, &data, &length), BASE_OK);
    assert_int_equal(service.state.records[0].rdata[0], 2);
    assert_memory_equal(service.state.records[0].rdata + 3, data, length);
    free(data);
    end(&service);
    config.usage = 3;
    config.selector = 0;
    begin(&service, &config);
    control_tlsa_take(&service, &service.current, leaf.public_key, leaf.public_length, NULL, NOW);
    assert_non_null(strstr(service.current.why, "a key only"));
    control_tlsa_take(&service, &service.current, (const uint8_t *)pem, size, NULL, NOW);
    assert_true(control_tlsa_follow(&service, &nothing, NOW));
    assert_int_equal(dane_tlsa_make(0, 1, leaf.der, leaf.length, &data, &length), BASE_OK);
    assert_memory_equal(service.state.records[0].rdata + 3, data, length);
    free(data);
    end(&service);
    free(pem);
    certificate_free(&leaf);
    certificate_free(&ca);
}

/* The former record goes when its time is over, and not before all have the new one. */
static void test_removal(void **state)
{
    struct control_tlsa_service service;
    base_time now = NOW;
    begin(&service, &settings);
    show(&service, &service.current, 1);
    control_tlsa_follow(&service, &nothing, now);
    show(&service, &service.next, 2);
    control_tlsa_follow(&service, &nothing, now);
    look(&service, now);
    assert_int_equal(service.advice.step, DANE_LIFE_CACHES);
    now = service.advice.safe_at;
    look(&service, now);
    assert_true(service.advice.switch_safe);
    show(&service, &service.current, 2);
    assert_true(control_tlsa_follow(&service, &nothing, now));
    assert_false(service.state.unsafe);
    assert_false(look(&service, now + KEEP - 1));
    assert_int_equal(service.advice.step, DANE_LIFE_REMOVE);
    assert_int_equal(service.state.count, 2);
    assert_true(look(&service, now + KEEP));
    assert_int_equal(service.state.count, 1);
    assert_int_equal(service.state.records[0].role, REGISTRY_TLSA_CURRENT);
    look(&service, now + KEEP);
    assert_int_equal(service.advice.step, DANE_LIFE_DONE);
    /* A server that is silent holds it up. */
    show(&service, &service.current, 3);
    control_tlsa_follow(&service, &nothing, now);
    struct control_tlsa_server servers[] = {{.name = "kenterd", .answered = true},
                                            {.name = "silent"}};
    bool records;
    publish(&service, &servers[0].set);
    service.servers = servers;
    service.server_count = 2;
    control_tlsa_observe(&service, now + 100 * KEEP, &records);
    assert_false(records);
    assert_true(service.state.unsafe);
    service.servers = NULL;
    service.server_count = 0;
    end(&service);
}

/* The next certificate is shown while caches may lack its record; what was waited for counts. */
static void test_next_too_early(void **state)
{
    struct control_tlsa_service service;
    begin(&service, &settings);
    show(&service, &service.current, 1);
    show(&service, &service.next, 2);
    control_tlsa_follow(&service, &nothing, NOW);
    look(&service, NOW);
    base_time safe_at = service.advice.safe_at;
    show(&service, &service.current, 2);
    assert_true(control_tlsa_follow(&service, &nothing, safe_at - 1));
    assert_true(service.state.unsafe);
    look(&service, safe_at - 1);
    assert_true(service.state.unsafe);
    assert_int_equal(service.advice.safe_at, safe_at);
    look(&service, safe_at);
    assert_false(service.state.unsafe);
    end(&service);
}

/* However often it changes, there is room. */
static void test_many_switches(void **state)
{
    struct control_tlsa_service service;
    begin(&service, &settings);
    for (unsigned i = 0; i < 40; i++) {
        show(&service, &service.current, 2 * i);
        show(&service, &service.next, 2 * i + 1);
        assert_true(control_tlsa_follow(&service, &nothing, NOW + i));
        assert_true(service.state.count <= REGISTRY_TLSA_RECORDS);
        assert_non_null(control_tlsa_record(&service, REGISTRY_TLSA_CURRENT));
        assert_non_null(control_tlsa_record(&service, REGISTRY_TLSA_NEXT));
    }
    end(&service);
}

/* --- a world --- */

/* What a server or a cache has: the records that were kept at a time. */
struct version {
    struct registry_tlsa state;
    base_time reaches[SERVERS];
};

struct world {
    struct control_tlsa_service service;
    struct version *versions;
    size_t count;
    size_t shown[SERVERS];
    struct {
        size_t version; /* SIZE_MAX: nothing */
        base_time until;
    } caches[CACHES];
    unsigned key, next; /* what the server shows, what it will; next 0: none */
    unsigned keys;
    base_time now, look;
    unsigned seed;
    bool reckless;
    size_t switches, refused;
};

static unsigned draw(struct world *world, unsigned below)
{
    return (unsigned)rand_r(&world->seed) % below;
}

static void add_version(struct world *world)
{
    struct version *version = &world->versions[world->count++];
    assert_true(world->count < STEPS);
    version->state = world->service.state;
    version->reaches[0] = world->now;
    for (size_t i = 1; i < SERVERS; i++)
        version->reaches[i] = world->now + draw(world, 200);
}

static void set_of(const struct version *version, struct control_tlsa_set *out)
{
    struct control_tlsa_service service = {.state = version->state};
    publish(&service, out);
    for (size_t i = 0; i < out->count; i++) /* they outlive the copy */
        out->records[i].data = version->state.records[i].rdata + 3;
}

static void follow_files(struct world *world)
{
    struct control_tlsa_set published;
    set_of(&world->versions[world->shown[0]], &published);
    if (control_tlsa_follow(&world->service, &published, world->now)) {
        add_version(world);
        world->look = world->now;
    }
}

static void look_around(struct world *world)
{
    struct control_tlsa_service *service = &world->service;
    struct control_tlsa_server servers[SERVERS];
    bool records;
    memset(servers, 0, sizeof(servers));
    for (size_t i = 0; i < SERVERS; i++) {
        snprintf(servers[i].name, sizeof(servers[i].name), "server %zu", i);
        servers[i].answered = i == 0 || draw(world, 8) != 0;
        if (servers[i].answered)
            set_of(&world->versions[world->shown[i]], &servers[i].set);
    }
    service->servers = servers;
    service->server_count = SERVERS;
    control_tlsa_observe(service, world->now, &records);
    service->servers = NULL;
    service->server_count = 0;
    if (records)
        add_version(world);
    world->look = service->advice.next_look;
}

static void show_key(struct world *world, unsigned key)
{
    world->key = key;
    show(&world->service, &world->service.current, key);
    if (world->next == key) {
        world->next = 0;
        remove_file(&world->service, &world->service.next);
    }
    world->switches++;
    follow_files(world);
}

/* Whoever changes certificates: as told, or not. */
static void operate(struct world *world)
{
    if (world->next == 0 && draw(world, 5) == 0) {
        world->next = ++world->keys;
        show(&world->service, &world->service.next, world->next);
        follow_files(world);
    } else if (world->next != 0 && world->service.advice.switch_safe && draw(world, 3) == 0) {
        show_key(world, world->next);
    } else if (world->reckless && draw(world, 30) == 0) {
        show_key(world, world->next != 0 && draw(world, 2) == 0 ? world->next : ++world->keys);
    } else if (world->next != 0 && draw(world, 60) == 0) {
        world->next = 0;
        remove_file(&world->service, &world->service.next);
        follow_files(world);
    }
}

static void serve(struct world *world)
{
    for (size_t i = 0; i < SERVERS; i++) {
        while (world->shown[i] + 1 < world->count &&
               world->versions[world->shown[i] + 1].reaches[i] <= world->now)
            world->shown[i]++;
    }
    for (size_t i = 0; i < CACHES; i++) {
        if (world->caches[i].until > world->now)
            continue;
        world->caches[i].version = world->shown[draw(world, SERVERS)];
        world->caches[i].until = world->now + TTL;
    }
}

/* Would a sender behind a cache refuse the server? Then it must have been told. */
static void check(struct world *world)
{
    for (size_t i = 0; i < CACHES; i++) {
        if (world->caches[i].version == SIZE_MAX || world->caches[i].until <= world->now)
            continue;
        const struct registry_tlsa *held = &world->versions[world->caches[i].version].state;
        bool matches = held->count == 0; /* without records nothing is asked for */
        for (size_t k = 0; k < held->count && !matches; k++)
            matches = memcmp(held->records[k].rdata, world->service.current.rdata,
                             world->service.current.length) == 0;
        if (matches)
            continue;
        world->refused++;
        if (!world->service.state.unsafe)
            fail_msg("seed %u at %lld: a sender refuses key %u, and nobody was told", world->seed,
                     (long long)(world->now - NOW), world->key);
    }
}

static void live(struct world *world)
{
    for (unsigned step = 0; step < STEPS; step++) {
        world->now += STEP;
        serve(world);
        if (world->now >= world->look)
            look_around(world);
        operate(world);
        check(world);
    }
}

static void test_world(void **state)
{
    size_t switches[2] = {0, 0}, refused[2] = {0, 0};
    for (unsigned run = 0; run < RUNS; run++) {
        struct world world = {.seed = run, .now = NOW, .reckless = run % 2 == 1, .key = 1};
        world.versions = calloc(STEPS, sizeof(*world.versions));
        assert_non_null(world.versions);
        begin(&world.service, &settings);
        for (size_t i = 0; i < CACHES; i++)
            world.caches[i].version = SIZE_MAX;
        world.keys = 1;
        world.count = 1; /* before it there was none */
        show(&world.service, &world.service.current, 1);
        follow_files(&world);
        live(&world);
        switches[world.reckless] += world.switches;
        refused[world.reckless] += world.refused;
        end(&world.service);
        free(world.versions);
    }
    assert_true(switches[0] > 3 && switches[1] > 3);
    assert_int_equal(refused[0], 0);
    assert_true(refused[1] > 3); /* or the test sees nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),          cmocka_unit_test(test_first_beside_others),
        cmocka_unit_test(test_other_digest),   cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_usages),         cmocka_unit_test(test_removal),
        cmocka_unit_test(test_next_too_early), cmocka_unit_test(test_many_switches),
        cmocka_unit_test(test_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
