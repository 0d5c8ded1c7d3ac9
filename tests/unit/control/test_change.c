/* The way of a change, from the image and back into it: seen through a view, signed, published; and
 *  each version that comes of it stands before the verifier of whole zones. A mirror that does not
 * sign gets the same change as a transfer brings it, and comes to the same image. */
#include "../sign/changes.h"
#include "control/internal.h"
#include "image/image.h"
#include "validate/delta.h"
#include "validate/zone.h"
#include "zone/diff.h"

#include <unistd.h>

#define LIVES     4
#define STEPS     20
#define EDITS_MAX 40
#define ROOM      1024

static char directories[3][64];

struct life {
    struct sign_policy policy;
    struct crypto_zone_key key;
    struct model model;
    struct image *image;
    struct image *whole; /* where each version is published as a whole */
    base_time now;
    /* the mirror */
    struct config config;
    struct config_policy as_is;
    struct config_template as;
    struct control control;
    struct control_worker worker;
    struct control_zone *zone;
    unsigned passed, whole_passed;
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

/* --- a mirror --- */

static void begin_mirror(struct life *life, struct zone *zone)
{
    struct image_publish publish = {.zone = zone, .now = life->now};
    assert_int_equal(image_publish(life->control.image, &publish, NULL), BASE_OK);
    life->zone = control_table_add(&life->control, zone->apex);
    assert_non_null(life->zone);
    life->zone->source = CONFIG_PRIMARY;
    life->zone->as = &life->as;
    life->zone->published = life->zone->in_image = true;
    life->worker.control = &life->control;
}

static void end_mirror(struct life *life)
{
    image_reader_close(life->worker.reader);
    life->worker.reader = NULL;
    assert_int_equal(image_remove(life->control.image, life->key.zone), BASE_OK);
    control_table_remove(&life->control, life->zone);
}

static int note_edit(void *context, enum zone_change change, const uint8_t *owner,
                     const struct dns_rr *rr)
{
    struct source_edit edit = {.owner = owner,
                               .rdata = rr->rdata,
                               .ttl = rr->ttl,
                               .type = rr->type,
                               .length = rr->length,
                               .add = change == ZONE_ADDED};
    if (rr->type == DNS_TYPE_SOA && !edit.add)
        return BASE_OK; /* as the fetcher does */
    return source_edits_append(context, &edit);
}

static void pass_on(struct life *life, const struct zone_delta *delta)
{
    struct control_fetched *fetched = calloc(1, sizeof(*fetched));
    assert_int_equal(source_edits_init(&fetched->edits), BASE_OK);
    fetched->has_edits = true;
    fetched->serial = delta->after->serial;
    assert_int_equal(zone_diff(delta->before, delta->after, &(struct zone_diff_options){0},
                               note_edit, &fetched->edits),
                     BASE_OK);
    struct control_job *job = control_job_new(life->zone);
    job->fetched = fetched;
    job->now = life->now;
    job->threads = 1;
    job->task.run = control_change_run;
    job->is_catalog = true; /* what is made at random looks odd: no lint of the whole */
    bool write = control_change_run(&job->task, &life->worker);
    for (size_t i = 0; !write && i < job->findings.count; i++)
        print_error("%s: %s\n",
                    job->findings.items[i].place.owner != NULL ? job->findings.items[i].place.owner
                                                               : "",
                    job->findings.items[i].message);
    assert_true(write);
    assert_int_equal(job->outcome, CONTROL_PUBLISHED);
    image_reader_release(life->worker.reader);
    life->passed += job->has_delta;
    life->whole_passed += !job->has_delta;
    assert_int_equal(control_job_store(&job->task), BASE_OK);
    control_job_free(job);
}

/* The mirror's image holds what the first one does. */
static void assert_mirrored(struct life *life)
{
    struct image_reader *reader;
    struct image_zone held;
    struct twin twin = {0};
    struct image_name none;
    assert_int_equal(image_reader_open(life->image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, life->key.zone, &held), BASE_OK);
    assert_int_equal(image_reader_open(life->control.image, &twin.reader), BASE_OK);
    assert_int_equal(image_check(twin.reader), BASE_OK);
    assert_int_equal(image_zone_get(twin.reader, life->key.zone, &twin.zone), BASE_OK);
    assert_int_equal(image_walk(reader, &held, same_value, &twin), BASE_OK);
    assert_int_equal(image_walk_next(twin.reader, &twin.zone, &twin.stage, &none), BASE_ENOENT);
    assert_int_equal(held.serial, twin.zone.serial);
    assert_int_equal(held.nodes, twin.zone.nodes);
    image_reader_close(twin.reader);
    image_reader_close(reader);
}

/* --- a life --- */

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
    begin_mirror(life, result.zone);
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
        pass_on(life, &result.delta);
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
        assert_mirrored(life);
    }
    end_mirror(life);
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
    life.control.image = open_image(2);
    life.control.config = &life.config;
    life.as.policy = &life.as_is;
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
    image_close(life.control.image);
    control_table_free(&life.control);
    /* Nearly always by the change alone. */
    assert_true(life.passed > 9 * life.whole_passed);
    for (unsigned i = 0; i < 3; i++) {
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
