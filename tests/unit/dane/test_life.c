/* The change of a certificate under TLSA: no schedule of allowed steps lets a cache hold a set that
 * does not match the certificate in use; and what is refused, with the reason. */
#include "base/error.h"
#include "dane/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW      ((base_time)1790000000)
#define SERVERS  3
#define CACHES   5
#define VERSIONS 64
#define RECORDS  8

/* Bare keys (RFC 7250) do as well as certificates: Ed25519, of which any 32 octets are one. */
static const uint8_t prefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
struct certificate {
    uint8_t octets[44], *digest;
    struct dane_der der;
    struct dane_life_chain chain;
    struct dane_tlsa record;
};

static void make(struct certificate *out, unsigned number, uint8_t matching)
{
    size_t length;
    memset(out, 0, sizeof(*out));
    memcpy(out->octets, prefix, sizeof(prefix));
    memset(out->octets + sizeof(prefix), (int)(number + 1), 32);
    out->der = (struct dane_der){out->octets, sizeof(out->octets)};
    out->chain = (struct dane_life_chain){&out->der, 1};
    assert_int_equal(
        dane_tlsa_make(1, matching, out->octets, sizeof(out->octets), &out->digest, &length),
        BASE_OK);
    out->record = (struct dane_tlsa){.usage = DANE_EE,
                                     .selector = DANE_PUBLIC_KEY,
                                     .matching = matching,
                                     .data = out->digest,
                                     .length = (uint16_t)length};
}

/* --- a world --- */

struct version {
    struct dane_tlsa records[RECORDS];
    size_t count;
    uint32_t ttl;
    base_time reaches[SERVERS]; /* each server */
};

struct world {
    unsigned seed;
    base_time now;
    size_t servers;
    struct version versions[VERSIONS];
    size_t count;
    struct {
        const struct version *held;
        base_time until;
    } caches[CACHES];
    struct certificate current, next;
    bool switched;
    unsigned made, changes;
    struct dane_life_state state;
    struct dane_life_advice advice;
};

static unsigned draw(struct world *world, unsigned below)
{
    world->seed = world->seed * 1103515245u + 12345u;
    return (world->seed >> 8) % below;
}

static const struct version *served(const struct world *world, size_t server)
{
    size_t at = world->count - 1;
    while (world->versions[at].reaches[server] > world->now)
        at--;
    return &world->versions[at];
}

static struct version *publish(struct world *world)
{
    static const uint32_t ttls[] = {60, 300, 3600, 20000};
    struct version *version = &world->versions[world->count];
    *version = world->count > 0 ? version[-1] : (struct version){.ttl = ttls[draw(world, 4)]};
    if (draw(world, 3) == 0)
        version->ttl = ttls[draw(world, 4)];
    for (size_t i = 0; i < SERVERS; i++) {
        base_time at = world->count > 0 ? world->now + draw(world, 3000) : 0;
        if (world->count > 0 && at < version[-1].reaches[i])
            at = version[-1].reaches[i];
        version->reaches[i] = at;
    }
    world->count++;
    return version;
}

static void add(struct version *version, const struct dane_tlsa *record)
{
    for (size_t i = 0; i < version->count; i++) {
        if (version->records[i].data == record->data)
            return;
    }
    assert_true(version->count < RECORDS);
    version->records[version->count++] = *record;
}

static void live(struct world *world, unsigned seconds)
{
    world->now += seconds;
    for (size_t i = 0; i < CACHES; i++) {
        if (world->caches[i].until <= world->now && draw(world, 2) == 0) {
            world->caches[i].held = served(world, draw(world, (unsigned)world->servers));
            world->caches[i].until = world->now + world->caches[i].held->ttl;
        }
    }
}

/* What all of this is about: whoever holds a set finds the certificate that is shown in it. */
static void check(const struct world *world)
{
    const struct certificate *shown = world->switched ? &world->next : &world->current;
    for (size_t i = 0; i < CACHES; i++) {
        const struct version *held = world->caches[i].held;
        if (held == NULL || world->caches[i].until <= world->now || held->count == 0)
            continue;
        bool found = false;
        for (size_t k = 0; k < held->count && !found; k++)
            found = memcmp(held->records[k].data, shown->digest, 32) == 0;
        assert_true(found);
    }
}

static void look(struct world *world)
{
    static const char *const names[SERVERS] = {"a", "b", "c"};
    struct dane_life_server servers[SERVERS];
    for (size_t i = 0; i < world->servers; i++) {
        const struct version *version = served(world, i);
        servers[i] = (struct dane_life_server){.name = names[i],
                                               .answered = draw(world, 10) > 0,
                                               .records = version->records,
                                               .count = version->count,
                                               .ttl = version->ttl};
    }
    struct dane_life_wanted wanted = {.current = world->current.chain,
                                      .next = world->next.chain,
                                      .current_record = &world->current.record,
                                      .next_record = &world->next.record,
                                      .switched = world->switched,
                                      .usages = DANE_USAGES_OPPORTUNISTIC,
                                      .where = "_25._tcp.mx.test"};
    dane_life_look(&wanted, servers, world->servers, world->now, &world->state, &world->advice);
    assert_true(world->advice.next_look > world->now);
    assert_true(world->advice.reason[0] != '\0');
}

static void remove_others(struct world *world)
{
    struct version *version = publish(world);
    size_t kept = 0;
    for (size_t i = 0; i < version->count; i++) {
        if (dane_life_leans(&version->records[i], &world->next.chain))
            version->records[kept++] = version->records[i];
    }
    version->count = kept;
}

/* The next change; digests of former certificates live on in versions, and are freed at the end. */
static void begin(struct world *world, uint8_t **digests)
{
    digests[world->made] = world->next.digest;
    world->current = world->next;
    world->current.der.data = world->current.octets;
    world->current.chain.certificates = &world->current.der;
    make(&world->next, ++world->made, DANE_SHA256);
    world->switched = false;
    world->changes++;
    dane_life_begin(&world->state);
}

static void follow(struct world *world, uint8_t **digests)
{
    const struct dane_life_advice *advice = &world->advice;
    if (advice->step == DANE_LIFE_PUBLISH && draw(world, 3) > 0) {
        struct version *version = publish(world);
        if (advice->add_current)
            add(version, &world->current.record);
        if (advice->add_next)
            add(version, &world->next.record);
    } else if (advice->switch_safe && draw(world, 2) == 0) {
        world->switched = true;
    } else if (advice->step == DANE_LIFE_REMOVE && draw(world, 2) == 0) {
        remove_others(world);
    } else if (advice->step == DANE_LIFE_DONE) {
        begin(world, digests);
    }
}

static unsigned run_schedule(unsigned seed)
{
    struct world *world = calloc(1, sizeof(*world));
    uint8_t *digests[VERSIONS] = {0};
    assert_non_null(world);
    world->seed = seed * 2654435761u + 1;
    world->now = NOW;
    world->servers = 1 + draw(world, SERVERS);
    make(&world->current, 0, DANE_SHA256);
    uint8_t *first = world->current.digest;
    world->made = 1;
    make(&world->next, 1, DANE_SHA256);
    struct version *version = publish(world);
    if (draw(world, 4) > 0)
        add(version, &world->current.record); /* else the service had no records so far */
    for (unsigned i = 0; i < 150 && world->count + 2 < VERSIONS && world->made + 2 < VERSIONS;
         i++) {
        look(world);
        check(world);
        follow(world, digests);
        check(world);
        for (unsigned steps = 1 + draw(world, 8); steps > 0; steps--) {
            live(world, 1 + draw(world, 700));
            check(world);
        }
    }
    unsigned changes = world->changes;
    for (size_t i = 0; i < VERSIONS; i++)
        free(digests[i]);
    free(world->next.digest);
    free(first);
    free(world);
    return changes;
}

static void test_no_schedule_breaks_delivery(void **state)
{
    unsigned changes = 0;
    for (unsigned seed = 0; seed < 12; seed++)
        changes += run_schedule(seed);
    assert_true(changes > 12); /* they do come to an end */
}

/* --- single cases --- */

struct fixture {
    struct certificate current, next;
    struct dane_tlsa both[2];
    struct dane_life_wanted wanted;
    struct dane_life_server servers[2];
    struct dane_life_state state;
    struct dane_life_advice advice;
};

static void setup(struct fixture *f, uint8_t matching)
{
    memset(f, 0, sizeof(*f));
    make(&f->current, 1, DANE_SHA256);
    make(&f->next, 2, matching);
    f->both[0] = f->current.record;
    f->both[1] = f->next.record;
    f->wanted = (struct dane_life_wanted){.current = f->current.chain,
                                          .next = f->next.chain,
                                          .current_record = &f->current.record,
                                          .next_record = &f->next.record,
                                          .usages = DANE_USAGES_OPPORTUNISTIC,
                                          .where = "_25._tcp.mx.test"};
    for (size_t i = 0; i < 2; i++)
        f->servers[i] = (struct dane_life_server){.name = i == 0 ? "ns1" : "ns2",
                                                  .answered = true,
                                                  .records = f->both,
                                                  .count = 1,
                                                  .ttl = 300};
}

static void teardown(struct fixture *f)
{
    free(f->current.digest);
    free(f->next.digest);
}

static enum dane_life_step step(struct fixture *f, base_time now)
{
    dane_life_look(&f->wanted, f->servers, 2, now, &f->state, &f->advice);
    return f->advice.step;
}

static void test_the_usual_way(void **state)
{
    struct fixture f;
    setup(&f, DANE_SHA256);
    assert_int_equal(step(&f, NOW), DANE_LIFE_PUBLISH);
    assert_true(f.advice.add_next && !f.advice.add_current);
    f.servers[0].count = 2;
    assert_int_equal(step(&f, NOW + 10), DANE_LIFE_PUBLISH);
    assert_non_null(strstr(f.advice.reason, "ns2"));
    f.servers[1].count = 2;
    assert_int_equal(step(&f, NOW + 20), DANE_LIFE_CACHES);
    assert_int_equal(f.advice.safe_at, NOW + 20 + 300 + DANE_LIFE_MARGIN);
    /* One that does not answer holds it up; one that has the former set again begins anew. */
    f.servers[1].answered = false;
    assert_int_equal(step(&f, NOW + 400), DANE_LIFE_SERVERS);
    assert_false(f.advice.switch_safe);
    f.servers[1].answered = true;
    assert_int_equal(step(&f, NOW + 401), DANE_LIFE_SWITCH);
    assert_true(f.advice.switch_safe);
    f.servers[1].count = 1;
    assert_int_equal(step(&f, NOW + 402), DANE_LIFE_PUBLISH);
    f.servers[1].count = 2;
    assert_int_equal(step(&f, NOW + 403), DANE_LIFE_CACHES);
    /* As does a server that is new in the list. */
    assert_int_equal(step(&f, NOW + 1000), DANE_LIFE_SWITCH);
    f.servers[1].name = "ns3";
    assert_int_equal(step(&f, NOW + 1001), DANE_LIFE_CACHES);
    f.wanted.switched = true;
    assert_int_equal(step(&f, NOW + 2000), DANE_LIFE_REMOVE);
    f.servers[0].records = f.servers[1].records = f.both + 1;
    f.servers[0].count = f.servers[1].count = 1;
    assert_int_equal(step(&f, NOW + 2001), DANE_LIFE_DONE);
    /* Shown, and then its record is gone: said at once. */
    f.servers[0].records = f.both;
    assert_int_equal(step(&f, NOW + 2002), DANE_LIFE_PUBLISH);
    teardown(&f);
}

static void test_what_is_refused_or_unknown(void **state)
{
    struct fixture f;
    setup(&f, DANE_SHA512);
    assert_int_equal(step(&f, NOW), DANE_LIFE_REFUSED); /* digest agility */
    assert_false(f.advice.add_next);
    teardown(&f);
    setup(&f, DANE_SHA256);
    f.servers[0].count = f.servers[1].count = 0;
    f.wanted.current.count = 0;
    f.wanted.current_record = NULL;
    assert_int_equal(step(&f, NOW), DANE_LIFE_REFUSED); /* nothing would match what is shown */
    teardown(&f);
    /* The former set was never seen: its TTL is taken for a day, unless somebody knows it. */
    setup(&f, DANE_SHA256);
    f.servers[0].count = f.servers[1].count = 2;
    assert_int_equal(step(&f, NOW), DANE_LIFE_CACHES);
    assert_int_equal(f.advice.safe_at, NOW + DANE_LIFE_TTL_UNKNOWN + DANE_LIFE_MARGIN);
    f.wanted.ttl = 600;
    step(&f, NOW);
    assert_int_equal(f.advice.safe_at, NOW + 600 + DANE_LIFE_MARGIN);
    /* No server at all is no reason to go on. */
    dane_life_look(&f.wanted, NULL, 0, NOW + 100000, &f.state, &f.advice);
    assert_false(f.advice.switch_safe);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_usual_way),
        cmocka_unit_test(test_what_is_refused_or_unknown),
        cmocka_unit_test(test_no_schedule_breaks_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
