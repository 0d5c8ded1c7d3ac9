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

#include "certificates.h"

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

static void test_the_present_certificate(void **state)
{
    struct fixture f;
    /* Nothing is there, and the present certificate is known: both records at once. */
    setup(&f, DANE_SHA256);
    f.servers[0].count = f.servers[1].count = 0;
    assert_int_equal(step(&f, NOW), DANE_LIFE_PUBLISH);
    assert_true(f.advice.add_next && f.advice.add_current);
    /* Only the next one's is there: whoever holds it refuses what is shown now. */
    f.servers[0].records = f.servers[1].records = f.both + 1;
    f.servers[0].count = f.servers[1].count = 1;
    assert_int_equal(step(&f, NOW), DANE_LIFE_PUBLISH);
    assert_true(f.advice.add_current && !f.advice.add_next);
    assert_non_null(strstr(f.advice.reason, "broken already"));
    /* With records of which none can be used, senders ask for nothing: not broken. */
    struct dane_tlsa odd = {.usage = 7, .matching = 1, .length = 32, .data = f.both[0].data};
    f.servers[0].records = f.servers[1].records = &odd;
    assert_int_equal(step(&f, NOW), DANE_LIFE_PUBLISH);
    assert_null(strstr(f.advice.reason, "broken already"));
    teardown(&f);
}

static void test_after_the_switch(void **state)
{
    struct fixture f;
    setup(&f, DANE_SHA256);
    f.wanted.switched = true;
    assert_int_equal(step(&f, NOW), DANE_LIFE_PUBLISH); /* shown too early */
    assert_true(f.advice.add_next);
    f.servers[0].count = f.servers[1].count = 2;
    f.servers[1].answered = false;
    assert_int_equal(step(&f, NOW), DANE_LIFE_SERVERS);
    f.servers[1].answered = true;
    assert_int_equal(step(&f, NOW), DANE_LIFE_REMOVE);
    assert_false(dane_life_leans(&f.both[0], &f.wanted.next));
    assert_true(dane_life_leans(&f.both[1], &f.wanted.next));
    dane_life_look(&f.wanted, NULL, 0, NOW, &f.state, &f.advice);
    assert_int_equal(f.advice.step, DANE_LIFE_SERVERS);
    teardown(&f);
}

static void test_next_change_keeps_the_ttl(void **state)
{
    struct fixture f;
    setup(&f, DANE_SHA256);
    step(&f, NOW);
    f.servers[0].count = f.servers[1].count = 2;
    step(&f, NOW + 10);
    dane_life_begin(&f.state);
    assert_int_equal(f.state.ttl, 300);
    assert_false(f.state.old_seen);
    assert_int_equal(f.state.complete_since, 0);
    /* A clock that goes back does not shorten the wait. */
    step(&f, NOW + 10);
    step(&f, NOW - 5000);
    assert_int_equal(f.state.complete_since, NOW - 5000);
    teardown(&f);
}

/* --- aliases --- */

struct aliased {
    struct fixture f;
    struct dane_life_server servers[4]; /* two that have the alias, two that have its end */
};

static void setup_alias(struct aliased *a)
{
    setup(&a->f, DANE_SHA256);
    for (size_t i = 0; i < 4; i++) {
        a->servers[i] = a->f.servers[i % 2];
        a->servers[i].hop = i < 2 ? 0 : 1;
    }
    a->servers[0].alias = "_dane.host.test.";
    a->servers[1].alias = "_DANE.host.test.";
    a->servers[0].records = a->servers[1].records = NULL;
    a->servers[0].count = a->servers[1].count = 0;
    a->servers[0].ttl = a->servers[1].ttl = 7200;
}

static enum dane_life_step step_alias(struct aliased *a, base_time now)
{
    dane_life_look(&a->f.wanted, a->servers, 4, now, &a->f.state, &a->f.advice);
    return a->f.advice.step;
}

static void test_alias(void **state)
{
    struct aliased a;
    setup_alias(&a);
    assert_int_equal(step_alias(&a, NOW), DANE_LIFE_PUBLISH);
    assert_true(a.f.advice.add_next && !a.f.advice.add_current);
    a.servers[2].count = a.servers[3].count = 2;
    assert_int_equal(step_alias(&a, NOW), DANE_LIFE_CACHES);
    assert_int_equal(a.f.advice.safe_at,
                     NOW + 7200 + DANE_LIFE_MARGIN); /* the alias', the longer */
    /* The alias is asked of all who have it. */
    a.servers[1].answered = false;
    assert_int_equal(step_alias(&a, NOW + 9000), DANE_LIFE_SERVERS);
    a.servers[1].answered = true;
    assert_int_equal(step_alias(&a, NOW + 9001), DANE_LIFE_SWITCH);
    /* They disagree: on where it leads, or on whether there is one. */
    a.servers[1].alias = "_other.host.test.";
    assert_int_equal(step_alias(&a, NOW + 9002), DANE_LIFE_SERVERS);
    assert_non_null(strstr(a.f.advice.reason, "_other.host.test."));
    a.servers[1].alias = NULL;
    a.servers[1].records = a.f.both;
    a.servers[1].count = 2;
    assert_int_equal(step_alias(&a, NOW + 9003), DANE_LIFE_SERVERS);
    assert_non_null(strstr(a.f.advice.reason, "do not agree"));
    /* Elsewhere for all: the wait begins anew. */
    a.servers[1].records = NULL;
    a.servers[1].count = 0;
    a.servers[0].alias = a.servers[1].alias = "_other.host.test.";
    assert_int_equal(step_alias(&a, NOW + 9004), DANE_LIFE_CACHES);
    assert_int_equal(a.f.advice.safe_at, NOW + 9004 + 7200 + DANE_LIFE_MARGIN);
    assert_int_equal(step_alias(&a, NOW + 20000), DANE_LIFE_SWITCH);
    a.servers[0].alias = a.servers[1].alias = "_third.host.test.";
    assert_int_equal(step_alias(&a, NOW + 20001), DANE_LIFE_CACHES);
    /* An alias that leads to nobody who could be asked. */
    dane_life_look(&a.f.wanted, a.servers, 2, NOW + 90000, &a.f.state, &a.f.advice);
    assert_int_equal(a.f.advice.step, DANE_LIFE_SERVERS);
    assert_false(a.f.advice.switch_safe);
    a.f.wanted.switched = true;
    assert_int_equal(step_alias(&a, NOW + 90001), DANE_LIFE_REMOVE);
    a.servers[0].alias = "_fourth.host.test.";
    assert_int_equal(step_alias(&a, NOW + 90002), DANE_LIFE_SERVERS);
    teardown(&a.f);
}

/* --- authorities (usage 2) --- */

struct authority {
    struct test_certificate ca, other, now, next, foreign;
    struct dane_der chains[3][2]; /* now, next: below `ca`; foreign: below `other` */
    uint8_t *data[4];
    struct dane_tlsa pins[4]; /* 2 0 1 and 2 1 1 of `ca`, 2 1 1 of `other`, 3 1 1 of foreign */
};

static void pin(struct authority *a, size_t at, uint8_t usage, uint8_t selector,
                const struct test_certificate *of)
{
    size_t length;
    assert_int_equal(
        dane_tlsa_make(selector, DANE_SHA256, of->der, of->length, &a->data[at], &length), BASE_OK);
    a->pins[at] = (struct dane_tlsa){.usage = usage,
                                     .selector = selector,
                                     .matching = DANE_SHA256,
                                     .length = (uint16_t)length,
                                     .data = a->data[at]};
}

static void setup_authority(struct authority *a)
{
    a->ca = certificate_make(&(struct certificate_spec){.subject = "CA", .authority = true});
    a->other = certificate_make(&(struct certificate_spec){.subject = "CA 2", .authority = true});
    a->now = certificate_make(&(struct certificate_spec){.subject = "mx", .issuer = &a->ca});
    a->next = certificate_make(&(struct certificate_spec){.subject = "mx", .issuer = &a->ca});
    a->foreign = certificate_make(&(struct certificate_spec){.subject = "mx", .issuer = &a->other});
    const struct test_certificate *leaves[] = {&a->now, &a->next, &a->foreign};
    for (size_t i = 0; i < 3; i++) {
        const struct test_certificate *issuer = i < 2 ? &a->ca : &a->other;
        a->chains[i][0] = (struct dane_der){leaves[i]->der, leaves[i]->length};
        a->chains[i][1] = (struct dane_der){issuer->der, issuer->length};
    }
    pin(a, 0, DANE_TA, DANE_CERTIFICATE, &a->ca);
    pin(a, 1, DANE_TA, DANE_PUBLIC_KEY, &a->ca);
    pin(a, 2, DANE_TA, DANE_PUBLIC_KEY, &a->other);
    pin(a, 3, DANE_EE, DANE_PUBLIC_KEY, &a->foreign);
}

static void teardown_authority(struct authority *a)
{
    for (size_t i = 0; i < 4; i++)
        free(a->data[i]);
    certificate_free(&a->foreign);
    certificate_free(&a->next);
    certificate_free(&a->now);
    certificate_free(&a->other);
    certificate_free(&a->ca);
}

/* Whoever pins the authority that issues renews under it without a new record. */
static void test_authority_stays(void **state)
{
    struct authority a;
    setup_authority(&a);
    for (size_t i = 0; i < 2; i++) {
        struct dane_life_wanted wanted = {.current = {a.chains[0], 2},
                                          .next = {a.chains[1], 2},
                                          .usages = DANE_USAGES_OPPORTUNISTIC,
                                          .ttl = 300,
                                          .where = "_25._tcp.mx.test"};
        struct dane_life_server server = {
            .name = "ns1", .answered = true, .records = &a.pins[i], .count = 1, .ttl = 300};
        struct dane_life_state memory = {0};
        struct dane_life_advice advice;
        dane_life_look(&wanted, &server, 1, NOW, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_CACHES);
        assert_false(advice.add_next || advice.add_current);
        dane_life_look(&wanted, &server, 1, NOW + 360, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_SWITCH);
        wanted.switched = true;
        dane_life_look(&wanted, &server, 1, NOW + 400, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_DONE); /* the pin is leaned on still */
        /* Without the authority in what is shown, the pin finds nothing. */
        wanted.next.count = 1;
        dane_life_look(&wanted, &server, 1, NOW + 401, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_PUBLISH);
    }
    teardown_authority(&a);
}

/* The next certificate is from another authority: it wants a record of its own, of whatever usage,
 * and the former authority's goes only after the switch. */
static void test_authority_changes(void **state)
{
    struct authority a;
    setup_authority(&a);
    for (size_t i = 2; i < 4; i++) {
        struct dane_tlsa set[2] = {a.pins[1], a.pins[i]};
        struct dane_life_wanted wanted = {.current = {a.chains[0], 2},
                                          .next = {a.chains[2], 2},
                                          .next_record = &a.pins[i],
                                          .usages = DANE_USAGES_OPPORTUNISTIC,
                                          .where = "_25._tcp.mx.test"};
        struct dane_life_server server = {
            .name = "ns1", .answered = true, .records = set, .count = 1, .ttl = 300};
        struct dane_life_state memory = {0};
        struct dane_life_advice advice;
        dane_life_look(&wanted, &server, 1, NOW, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_PUBLISH);
        assert_true(advice.add_next);
        server.count = 2;
        dane_life_look(&wanted, &server, 1, NOW + 1, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_CACHES);
        assert_true(dane_life_leans(&set[0], &wanted.current));
        wanted.switched = true;
        dane_life_look(&wanted, &server, 1, NOW + 400, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_REMOVE);
        assert_false(dane_life_leans(&set[0], &wanted.next));
        server.records = set + 1;
        server.count = 1;
        dane_life_look(&wanted, &server, 1, NOW + 500, &memory, &advice);
        assert_int_equal(advice.step, DANE_LIFE_DONE);
    }
    teardown_authority(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_usual_way),
        cmocka_unit_test(test_what_is_refused_or_unknown),
        cmocka_unit_test(test_the_present_certificate),
        cmocka_unit_test(test_after_the_switch),
        cmocka_unit_test(test_next_change_keeps_the_ttl),
        cmocka_unit_test(test_alias),
        cmocka_unit_test(test_authority_stays),
        cmocka_unit_test(test_authority_changes),
        cmocka_unit_test(test_no_schedule_breaks_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
