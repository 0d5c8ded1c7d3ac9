/* The way of a change, from the image and back into it: seen through a view, signed, published; and
 * each version that comes of it stands before the verifier of whole zones. */
#include "../sign/changes.h"
#include "image/image.h"
#include "validate/delta.h"
#include "validate/zone.h"

#include <unistd.h>

#define LIVES     4
#define STEPS     20
#define EDITS_MAX 40
#define ROOM      1024

static char directories[2][64];

struct life {
    struct sign_policy policy;
    struct crypto_zone_key key;
    struct model model;
    struct image *image;
    struct image *whole; /* where each version is published as a whole */
    base_time now;
};

struct twin {
    struct image_reader *reader;
    struct image_zone zone;
    unsigned stage;
};

static int same_value(void *context, const struct image_name *name)
{
    struct twin *twin = context;
    struct image_name other;
    assert_int_equal(image_walk_next(twin->reader, &twin->zone, &twin->stage, &other), BASE_OK);
    assert_int_equal(name->length, other.length);
    assert_memory_equal(name->value, other.value, other.length);
    return BASE_OK;
}

/* The image holds what it holds of a zone that is published as a whole. */
static void assert_as_whole(struct life *life, struct image_reader *reader,
                            const struct image_zone *held, struct zone *zone)
{
    struct twin twin = {0};
    struct image_name none;
    struct image_publish publish = {.zone = zone, .now = life->now};
    assert_int_equal(image_publish(life->whole, &publish, NULL), BASE_OK);
    assert_int_equal(image_reader_open(life->whole, &twin.reader), BASE_OK);
    assert_int_equal(image_zone_get(twin.reader, zone->apex, &twin.zone), BASE_OK);
    assert_int_equal(image_walk(reader, held, same_value, &twin), BASE_OK);
    assert_int_equal(image_walk_next(twin.reader, &twin.zone, &twin.stage, &none), BASE_ENOENT);
    assert_int_equal(twin.zone.denial, held->denial);
    image_reader_close(twin.reader);
}

static void judge(struct life *life, const uint8_t *apex)
{
    struct image_reader *reader;
    struct image_zone held;
    struct zone *zone;
    assert_int_equal(image_reader_open(life->image, &reader), BASE_OK);
    assert_int_equal(image_check(reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, apex, &held), BASE_OK);
    assert_int_equal(image_load(reader, &held, 1, &zone), BASE_OK);
    assert_int_equal(zone->node_count, held.nodes);
    assert_as_whole(life, reader, &held, zone);
    struct validate_zone_options options = {
        .now = life->now, .refuse_collisions = true, .threads = 1};
    struct validate_zone_result result;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(validate_zone(zone, &options, &findings, &result), BASE_OK);
    for (size_t i = 0; i < findings.count; i++) {
        if (findings.items[i].severity == BASE_ERROR)
            fail_msg("%s: %s", findings.items[i].place.owner, findings.items[i].message);
    }
    assert_int_equal(result.earliest_expiry, held.earliest_expiry);
    base_findings_free(&findings);
    zone_release(zone);
    image_reader_close(reader);
}

static void begin(struct life *life)
{
    struct zone *plain = zone_from_text(RANDOM_HEAD, "example.");
    struct sign_request request = {.zone = plain,
                                   .policy = &life->policy,
                                   .keys = &life->key,
                                   .key_count = 1,
                                   .now = life->now,
                                   .threads = 1};
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 10);
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_OK);
    struct image_publish publish = {
        .zone = result.zone, .now = life->now, .earliest_expiry = result.earliest_expiry};
    assert_int_equal(image_publish(life->image, &publish, NULL), BASE_OK);
    life->model = model_of(plain);
    base_findings_free(&findings);
    zone_release(result.zone);
    zone_release(plain);
}

static void step(struct life *life, const struct sign_edit *edits, size_t count)
{
    struct image_reader *reader;
    struct image_zone zone;
    struct zone_view view;
    struct base_findings findings;
    struct sign_delta_result result;
    life->now += 60;
    assert_int_equal(image_reader_open(life->image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, life->key.zone, &zone), BASE_OK);
    image_view(reader, &zone, &view);
    struct sign_delta_request request = {.view = &view,
                                         .edits = edits,
                                         .edit_count = count,
                                         .policy = &life->policy,
                                         .keys = &life->key,
                                         .key_count = 1,
                                         .now = life->now};
    base_findings_init(&findings, 10);
    assert_int_equal(sign_delta(&request, &findings, &result), BASE_OK);
    base_findings_free(&findings);
    image_reader_close(reader);
    if (!result.nothing) {
        /* The first to expire is that of the DNSKEY set, which stays. */
        struct image_change change = {.delta = &result.delta, .now = life->now};
        assert_int_equal(image_publish_change(life->image, &change, NULL), BASE_OK);
        zone_delta_free(&result.delta);
    }
    for (size_t i = 0; i < count; i++)
        apply(&life->model, &edits[i], life->key.zone);
}

static void random_life(struct life *life, uint64_t seed)
{
    struct model pool = random_pool(&seed, &life->policy);
    begin(life);
    for (unsigned i = 0; i < STEPS; i++) {
        struct sign_edit edits[EDITS_MAX];
        uint8_t room[EDITS_MAX][ROOM];
        unsigned count = i == 0 ? EDITS_MAX : 1 + next_random(&seed) % 4;
        for (unsigned e = 0; e < count; e++) {
            random_edit(&edits[e], &pool, &life->model, &seed);
            edits[e].add |= i == 0;
            keep_edit(&edits[e], room[e]);
        }
        step(life, edits, count);
        judge(life, life->key.zone);
    }
    assert_int_equal(image_remove(life->image, life->key.zone), BASE_OK);
    model_free(&life->model);
    model_free(&pool);
}

static struct image *open_image(unsigned which)
{
    struct image *image;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 64 << 20};
    strcpy(directories[which], "/tmp/kenter-control-XXXXXX");
    assert_non_null(mkdtemp(directories[which]));
    assert_int_equal(image_open(directories[which], &options, &image), BASE_OK);
    return image;
}

static void test_random(void **state)
{
    struct life life = {
        .key = new_key(13, "example.", CRYPTO_CSK), .image = open_image(0), .whole = open_image(1)};
    for (unsigned kind = 0; kind < 4; kind++) {
        policy_of(&life.policy, kind);
        life.policy.jitter = 0;
        for (unsigned i = 0; i < LIVES; i++) {
            life.now = NOW;
            random_life(&life, 77 * kind + i);
        }
    }
    image_close(life.image);
    image_close(life.whole);
    for (unsigned i = 0; i < 2; i++) {
        image_discard(directories[i]);
        rmdir(directories[i]);
    }
    crypto_key_free(life.key.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
