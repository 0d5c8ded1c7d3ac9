/*
 * A signed zone through months, with a clock of its own: whenever the schedule says so, what is due
 * is signed again, a few names at a time. No signature comes closer to its end than the policy
 * says, no step does more than a step may, and every version passes the verifier of whole zones.
 */
#include "../keys/support.h"
#include "control/internal.h"
#include "validate/zone.h"

#define NOW  ((base_time)1700000000)
#define HOUR 3600
#define DAY  (24 * HOUR)
#define LATE 10  /* seconds after which what is due is found */
#define STEP 500 /* names that one job signs again at most */
#define APEX "months.example."

struct house {
    struct service service;
    struct config config;
    struct config_policy policy;
    struct config_template as;
    struct control_options options;
    struct base_log log;
    struct control control;
    struct control_worker worker;
    struct control_zone *zone;
    char file[96], image[96], registry[96];
    base_time now;
    unsigned versions, full_steps;
    size_t signatures;
};

static int make_house(void **state)
{
    struct house *house = calloc(1, sizeof(*house));
    struct control *control = &house->control;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 256u << 20};
    struct base_findings findings;
    strcpy(house->service.directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm/kenter-months-XXXXXX"
                                                                   : "/tmp/kenter-months-XXXXXX");
    assert_non_null(mkdtemp(house->service.directory));
    snprintf(house->file, sizeof(house->file), "%s/zone", house->service.directory);
    snprintf(house->image, sizeof(house->image), "%s/image", house->service.directory);
    snprintf(house->registry, sizeof(house->registry), "%s/registry.db", house->service.directory);
    start_service(&house->service);
    sign_policy_default(&house->policy.sign);
    house->policy.sign.algorithm = 8; /* verified in the least time */
    house->policy.sign.rsa_bits = 1024;
    house->policy.signs = true;
    house->as.policy = &house->policy;
    house->log = house->service.options.log;
    *control = (struct control){.options = &house->options,
                                .config = &house->config,
                                .log = &house->log,
                                .keys = house->service.near,
                                .serve = -1};
    control->scribe.control = house->worker.control = control;
    pthread_mutex_init(&control->keys_lock, NULL);
    pthread_mutex_init(&control->pool.lock, NULL);
    base_findings_init(&findings, 10);
    assert_int_equal(image_open(house->image, &options, &control->image), BASE_OK);
    assert_int_equal(registry_open(house->registry, &findings, &control->registry), BASE_OK);
    base_findings_free(&findings);
    *state = house;
    return 0;
}

static int leave_house(void **state)
{
    struct house *house = *state;
    struct control *control = &house->control;
    image_reader_close(house->worker.reader);
    control_worker_lost_keys(&control->scribe);
    control_worker_lost_keys(&house->worker);
    control_table_free(control);
    image_close(control->image);
    registry_close(control->registry);
    stop_service(&house->service);
    remove_tree(house->service.directory);
    pthread_mutex_destroy(&control->keys_lock);
    pthread_mutex_destroy(&control->pool.lock);
    free(house);
    return 0;
}

static void write_file(const struct house *house, unsigned hosts, unsigned children)
{
    FILE *file = fopen(house->file, "we");
    assert_non_null(file);
    fprintf(file, "@ 300 IN SOA ns1 mail 1 7200 3600 1209600 300\n@ 300 IN NS ns1\n"
                  "ns1 300 IN A 192.0.2.1\n*.wild 300 IN TXT any\n");
    for (unsigned i = 0; i < hosts; i++)
        fprintf(file, "host%u 300 IN A 192.0.2.%u\n", i, i % 250);
    for (unsigned i = 0; i < children; i++)
        fprintf(file, "child%u 300 IN NS ns.child%u\nns.child%u 300 IN A 192.0.2.7\n", i, i, i);
    fclose(file);
}

static struct control_job *new_job(struct house *house)
{
    struct control_job *job = control_job_new(house->zone);
    assert_non_null(job);
    job->task.record = control_job_record;
    job->task.store = control_job_store;
    job->now = house->now;
    job->threads = 2;
    job->file = strdup(house->file);
    return job;
}

/* To the end of a job, and what the loop takes over from it. */
static void run(struct house *house, struct control_job *job,
                bool (*how)(struct control_task *, struct control_worker *))
{
    struct control_zone *zone = house->zone;
    job->task.run = how;
    bool write = how(&job->task, &house->worker);
    for (size_t i = 0; i < job->findings.count; i++) {
        if (job->findings.items[i].severity == BASE_ERROR)
            fail_msg("%s", job->findings.items[i].message);
    }
    assert_int_equal(job->outcome, write ? CONTROL_PUBLISHED : CONTROL_CURRENT);
    if (write)
        control_writer_commit(&house->control, &job->task);
    assert_int_equal(job->task.error, BASE_OK);
    assert_true(!write || !zone->published || (int32_t)(job->serial - zone->serial) > 0);
    zone->published = zone->in_image = zone->serial_known = true;
    zone->serial = job->serial;
    zone->next_resign = job->next_resign;
    house->versions += write;
    house->signatures += job->signatures_made;
}

/* The version that is published, before the verifier of whole zones. */
static base_time judge(struct house *house)
{
    struct image_reader *reader;
    struct image_zone held;
    struct zone *zone;
    uint8_t wire[DNS_NAME_MAX];
    name_of(APEX, wire);
    assert_int_equal(image_reader_open(house->control.image, &reader), BASE_OK);
    assert_int_equal(image_check(reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, wire, &held), BASE_OK);
    assert_int_equal(image_load(reader, &held, 2, &zone), BASE_OK);
    struct validate_zone_options options = {
        .now = house->now, .threads = 2, .refuse_collisions = true};
    struct validate_zone_result result;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(validate_zone(zone, &options, &findings, &result), BASE_OK);
    assert_false(base_findings_bad(&findings));
    base_findings_free(&findings);
    assert_int_equal(held.serial, house->zone->serial);
    assert_int_equal(held.next_resign, house->zone->next_resign);
    /* What is told to others about the first expiry is right, or a little early. */
    assert_true(held.earliest_expiry <= result.earliest_expiry &&
                held.earliest_expiry > result.earliest_expiry - HOUR);
    zone_release(zone);
    image_reader_close(reader);
    return result.earliest_expiry;
}

static void begin(struct house *house, unsigned hosts, unsigned children)
{
    uint8_t wire[DNS_NAME_MAX];
    name_of(APEX, wire);
    write_file(house, hosts, children);
    house->zone = control_table_add(&house->control, wire);
    assert_non_null(house->zone);
    house->zone->source = CONFIG_FILE;
    house->zone->as = &house->as;
    house->now = NOW;
    struct control_job *job = new_job(house);
    run(house, job, control_whole_run);
    control_job_free(job);
}

static void live(struct house *house, base_time until)
{
    const struct sign_policy *policy = &house->policy.sign;
    while (house->zone->next_resign + LATE < until) {
        assert_true(house->zone->next_resign != 0);
        house->now = house->zone->next_resign + LATE > house->now
                         ? house->zone->next_resign + LATE
                         : house->now; /* more is due: at once */
        struct control_job *job = new_job(house);
        run(house, job, control_resign_run);
        assert_true(job->task.run == control_resign_run);
        assert_int_equal(job->outcome, CONTROL_PUBLISHED);
        assert_true(job->has_delta && job->result == NULL);
        assert_true(job->delta.after->node_count <= STEP + 1);
        assert_true(job->signatures_made <= 2 * STEP + 8);
        house->full_steps += job->step;
        bool behind = job->step && house->zone->next_resign <= house->now;
        control_job_free(job);
        base_time first = judge(house);
        /* While a step follows at once, the rest is as late as the steps take, which is no time
         * here. */
        assert_true(first - house->now >= (base_time)policy->refresh - (behind ? LATE : 0));
    }
}

/* Each week has some hundred names each hour of half a day. */
static void test_spread(void **state)
{
    struct house *house = *state;
    house->policy.sign.validity = 30 * DAY;
    house->policy.sign.refresh = 10 * DAY;
    house->policy.sign.jitter = 5 * HOUR;
    begin(house, 1300, 100);
    size_t first = house->signatures;
    live(house, NOW + 70 * DAY);
    /* Three times since, and nearly nothing more often than needed. */
    assert_true(house->signatures > 4 * first * 9 / 10 && house->signatures < 4 * first * 11 / 10);
    assert_true(house->versions > 3 * 4 && house->versions < 3 * 10);
}

/* All are due in the same second: as many steps as it takes, one after the other. */
static void test_at_once(void **state)
{
    struct house *house = *state;
    house->policy.sign.jitter = 0;
    house->policy.sign.denial = SIGN_NSEC3;
    house->policy.sign.opt_out = true;
    begin(house, 700, 300);
    live(house, NOW + 40 * DAY);
    assert_int_equal(house->full_steps, 5 * 2);
    assert_int_equal(house->versions, 1 + 5 * 3);
}

/* A zone that one step can sign has few versions, though its expirations are spread over a day. */
static void test_small(void **state)
{
    struct house *house = *state;
    begin(house, 30, 3);
    live(house, NOW + 180 * DAY);
    assert_int_equal(house->full_steps, 0);
    assert_true(house->versions > 25 && house->versions < 80);
}

/* When there is nothing to be made anew yet, nothing is published, and the time is put right. */
static void test_too_early(void **state)
{
    struct house *house = *state;
    begin(house, 30, 3);
    base_time next = house->zone->next_resign;
    house->now = next - 3 * DAY;
    struct control_job *job = new_job(house);
    run(house, job, control_resign_run);
    assert_int_equal(job->outcome, CONTROL_CURRENT);
    assert_int_equal(job->next_resign, next);
    assert_int_equal(house->versions, 1);
    control_job_free(job);
}

/* What a step cannot do is done for the whole zone: here a digest over all of it. */
static void test_digest(void **state)
{
    struct house *house = *state;
    house->policy.sign.zonemd = 1;
    begin(house, 30, 3);
    house->now = house->zone->next_resign + LATE;
    struct control_job *job = new_job(house);
    run(house, job, control_resign_run);
    assert_true(job->task.run == control_whole_run);
    assert_int_equal(job->outcome, CONTROL_PUBLISHED);
    assert_non_null(job->result);
    control_job_free(job);
    judge(house);
}

int main(void)
{
#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, make_house, leave_house)
    const struct CMUnitTest tests[] = {
        IN_HOUSE(test_spread),    IN_HOUSE(test_at_once), IN_HOUSE(test_small),
        IN_HOUSE(test_too_early), IN_HOUSE(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
