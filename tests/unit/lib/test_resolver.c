/* Resolvers of the public library that follow their anchor (RFC 5011), as a program sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../validate/world.h"
#include "kenter/resolve.h"

#include <unistd.h>

#define HOLD_DOWN (30 * DAY)

struct fixture {
    struct world *world;
    struct world_key next; /* the root's key to be */
    bool shows_next, silent;
    int64_t now;
    unsigned asked;
    char path[32];
    struct kenter_anchors *anchors;
    struct kenter_resolver *resolver;
    char codes[256]; /* of findings, one after the other */
};

static int64_t scripted(void *context)
{
    return ((struct fixture *)context)->now;
}

static void add_next(struct world *world, struct world_reply *reply)
{
    const struct fixture *fixture = world->context;
    struct world_zone *root = zone_at(world, ".");
    if (!fixture->shows_next || reply->type != DNS_TYPE_DNSKEY || reply->question[0] != 0)
        return;
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
    reply_add(reply, DNS_SECTION_ANSWER, root->apex, DNS_TYPE_DNSKEY, 3600, fixture->next.dnskey,
              fixture->next.length);
    reply_sign(reply, DNS_SECTION_ANSWER, root->apex, DNS_TYPE_DNSKEY, 0, root, &root->ksk);
}

static void ask(void *context, const struct kenter_query *query, struct kenter_ticket *ticket)
{
    static uint8_t packet[65535];
    struct fixture *fixture = context;
    fixture->asked++;
    fixture->world->log[0] = '\0';
    if (fixture->silent)
        kenter_reply_failed(ticket, NULL);
    else
        kenter_reply(
            ticket, packet,
            world_answer(fixture->world, query->name.wire, query->type, packet, sizeof(packet)));
}

static void note(void *context, const struct kenter_finding *finding)
{
    struct fixture *fixture = context;
    size_t used = strlen(fixture->codes);
    snprintf(fixture->codes + used, sizeof(fixture->codes) - used, "%s ", finding->code);
    assert_non_null(finding->message);
}

static int open_resolver(struct fixture *fixture, const char *track)
{
    char why[KENTER_WHY] = "";
    struct kenter_transport transport = {.ask = ask, .context = fixture};
    struct kenter_resolver_options options;
    kenter_resolver_options_init(&options);
    options.from = KENTER_FROM_TRANSPORT;
    options.transport = &transport;
    options.anchors = fixture->anchors;
    options.clock = scripted;
    options.clock_context = fixture;
    options.track = track;
    kenter_resolver_free(fixture->resolver);
    fixture->resolver = NULL;
    int error = kenter_resolver_new(&options, why, &fixture->resolver);
    if (error != KENTER_OK)
        assert_string_not_equal(why, "");
    return error;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    uint8_t ds[4 + CRYPTO_DIGEST_MAX];
    char text[300];
    size_t at = 0;
    fixture->world = world_usual();
    fixture->world->context = fixture;
    fixture->world->edit = add_next;
    fixture->now = NOW;
    zone_at(fixture->world, ".")->expiration = NOW + 90 * DAY;
    world_make_key(&fixture->next, CRYPTO_ED25519, 257);
    size_t length = make_ds(zone_at(fixture->world, "."), 2, ds);
    at +=
        (size_t)snprintf(text, sizeof(text), ". IN DS %u %u %u ", base_load_u16(ds), ds[2], ds[3]);
    for (size_t i = 4; i < length; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", ds[i]);
    MUST(kenter_anchors_new(&fixture->anchors) == KENTER_OK);
    MUST(kenter_anchors_add_text(fixture->anchors, text, NULL, NULL) == KENTER_OK);
    snprintf(fixture->path, sizeof(fixture->path), "/tmp/kenter-track-XXXXXX");
    close(mkstemp(fixture->path));
    unlink(fixture->path);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    kenter_resolver_free(fixture->resolver);
    kenter_anchors_free(fixture->anchors);
    world_free_key(&fixture->next);
    world_free(fixture->world);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static uint16_t tag_of(const struct world_key *key)
{
    return crypto_key_tag(key->dnskey, key->length);
}

/* The key with a tag; its state. */
static const char *state_of(const struct fixture *fixture, uint16_t tag, int *trusted)
{
    static struct kenter_tracked keys[8];
    size_t count = kenter_resolver_tracked(fixture->resolver, keys, 8, NULL);
    for (size_t i = 0; i < count; i++) {
        if (keys[i].tag != tag)
            continue;
        assert_int_equal(keys[i].algorithm, CRYPTO_ED25519);
        *trusted = keys[i].trusted;
        return keys[i].state;
    }
    return "none";
}

static void assert_state(const struct fixture *fixture, const struct world_key *key,
                         const char *expected, int expected_trusted)
{
    int trusted = 0;
    assert_string_equal(state_of(fixture, tag_of(key), &trusted), expected);
    assert_int_equal(trusted, expected_trusted);
}

static void test_untracked(void **state)
{
    struct fixture *fixture = *state;
    int64_t next = 7;
    assert_int_equal(open_resolver(fixture, NULL), KENTER_OK);
    assert_int_equal(kenter_resolver_track(fixture->resolver, note, fixture), KENTER_EINVAL);
    assert_int_equal(kenter_resolver_tracked(fixture->resolver, NULL, 0, &next), 0);
    assert_int_equal(next, 0);
    assert_int_equal(fixture->asked, 0);
}

static void test_key_comes(void **state)
{
    struct fixture *fixture = *state;
    const struct world_key *first = &zone_at(fixture->world, ".")->ksk;
    struct kenter_tracked keys[2];
    int64_t next;
    assert_int_equal(open_resolver(fixture, fixture->path), KENTER_OK);
    assert_int_equal(kenter_resolver_track(fixture->resolver, note, fixture), KENTER_OK);
    assert_int_equal(fixture->asked, 1);
    assert_state(fixture, first, "valid", 1);
    /* Not again before it is time. */
    assert_int_equal(kenter_resolver_tracked(fixture->resolver, keys, 2, &next), 1);
    assert_true(next > NOW && next <= NOW + 15 * DAY);
    assert_int_equal(kenter_resolver_track(fixture->resolver, note, fixture), KENTER_OK);
    assert_int_equal(fixture->asked, 1);
    fixture->shows_next = true;
    fixture->now = next;
    fixture->codes[0] = '\0';
    assert_int_equal(kenter_resolver_track(fixture->resolver, note, fixture), KENTER_OK);
    assert_string_equal(fixture->codes, "anchors.key-seen ");
    assert_state(fixture, &fixture->next, "pending", 0);
    keys[1].tag = 77;
    assert_int_equal(kenter_resolver_tracked(fixture->resolver, keys, 1, NULL), 2);
    assert_int_equal(keys[1].tag, 77);
    assert_int_equal(kenter_resolver_tracked(fixture->resolver, keys, 2, NULL), 2);
    assert_int_equal(keys[1].due, next + HOLD_DOWN);
    /* What was seen outlives the resolver; what is found may be of no interest. */
    fixture->now += HOLD_DOWN + 3600;
    assert_int_equal(open_resolver(fixture, fixture->path), KENTER_OK);
    assert_state(fixture, &fixture->next, "pending", 0);
    assert_int_equal(kenter_resolver_track(fixture->resolver, NULL, NULL), KENTER_OK);
    assert_state(fixture, &fixture->next, "valid", 1);
    assert_state(fixture, first, "valid", 1);
}

static void test_silence(void **state)
{
    struct fixture *fixture = *state;
    int64_t next;
    fixture->silent = true;
    assert_int_equal(open_resolver(fixture, fixture->path), KENTER_OK);
    assert_int_equal(kenter_resolver_track(fixture->resolver, note, fixture), KENTER_OK);
    assert_string_equal(fixture->codes, "anchors.not-seen ");
    kenter_resolver_tracked(fixture->resolver, NULL, 0, &next);
    assert_true(next > NOW && next <= NOW + DAY);
}

static void test_damaged(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs("kenter-anchors 1\n", file);
    fclose(file);
    assert_int_equal(open_resolver(fixture, fixture->path), KENTER_EFORMAT);
    assert_null(fixture->resolver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_untracked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
