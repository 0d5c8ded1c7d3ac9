/*
 * Jobs from source to image, with a key service in a thread, a registry and an image in a directory
 * of their own: what is published, what is refused, and what a crash between registry and image, or
 * the loss of the image, leaves.
 */
#include "../keys/support.h"
#include "control/internal.h"
#include "validate/zone.h"

#define NOW      ((base_time)1700000000)
#define TEMPLATE config_template_number(CONFIG_STANDARD, NULL)

struct house {
    struct service service;
    struct config config;
    struct config_policy policy;
    struct config_template as;
    struct control_options options;
    struct base_log log;
    struct control control;
    struct control_worker worker;
    char file[96], image[96], registry[96];
};

static const char text[] = "@ 300 IN SOA ns1 mail %u 7200 3600 1209600 300\n"
                           "@ 300 IN NS ns1\n"
                           "ns1 300 IN A 192.0.2.1\n"
                           "www 300 IN A 192.0.2.%u\n";

static void write_file(struct house *house, const char *format, unsigned serial, unsigned last)
{
    FILE *file = fopen(house->file, "we");
    assert_non_null(file);
    fprintf(file, format, serial, last);
    fclose(file);
}

static void open_stores(struct house *house)
{
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 64u << 20};
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(image_open(house->image, &options, &house->control.image), BASE_OK);
    assert_int_equal(registry_open(house->registry, &findings, &house->control.registry), BASE_OK);
    base_findings_free(&findings);
}

/* What came back without threads to run it. */
static void drain(struct control *control)
{
    struct control_task *task = control->pool.finished.first;
    control->pool.finished = (struct control_queue){.last = &control->pool.finished.first};
    while (task != NULL) {
        struct control_task *next = task->next;
        task->done(task);
        task = next;
    }
}

static void close_stores(struct house *house)
{
    struct control *control = &house->control;
    drain(control);
    image_reader_close(house->worker.reader);
    image_reader_close(control->start_reader);
    control_worker_lost_keys(&control->scribe);
    house->worker.reader = control->start_reader = NULL;
    control_table_free(control);
    image_close(control->image);
    registry_close(control->registry);
}

static int make_house(void **state)
{
    struct house *house = calloc(1, sizeof(*house));
    struct control *control = &house->control;
    strcpy(house->service.directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm/kenter-jobs-XXXXXX"
                                                                   : "/tmp/kenter-jobs-XXXXXX");
    assert_non_null(mkdtemp(house->service.directory));
    snprintf(house->file, sizeof(house->file), "%s/zone", house->service.directory);
    snprintf(house->image, sizeof(house->image), "%s/image", house->service.directory);
    snprintf(house->registry, sizeof(house->registry), "%s/registry.db", house->service.directory);
    start_service(&house->service);
    sign_policy_default(&house->policy.sign);
    house->policy.name = "standard";
    house->policy.signs = true;
    house->policy.history_bytes = 1 << 20;
    house->policy.history_versions = 10;
    house->as.policy = &house->policy;
    house->config.standard = house->as;
    house->log = house->service.options.log;
    *control = (struct control){.options = &house->options,
                                .config = &house->config,
                                .log = &house->log,
                                .keys = house->service.near,
                                .serve = -1};
    control->urgent_last = &control->urgent;
    control->scribe.control = control;
    house->worker.control = control;
    pthread_mutex_init(&control->keys_lock, NULL);
    pthread_mutex_init(&control->pool.lock, NULL);
    control->pool.finished.last = &control->pool.finished.first;
    control->pool.ended = true; /* nothing runs beside the test */
    open_stores(house);
    *state = house;
    return 0;
}

static int leave_house(void **state)
{
    struct house *house = *state;
    close_stores(house);
    control_worker_lost_keys(&house->worker);
    stop_service(&house->service);
    remove_tree(house->service.directory);
    pthread_mutex_destroy(&house->control.keys_lock);
    pthread_mutex_destroy(&house->control.pool.lock);
    free(house);
    return 0;
}

static struct control_zone *add(struct house *house, const char *name, enum config_source source)
{
    uint8_t wire[DNS_NAME_MAX];
    name_of(name, wire);
    struct control_zone *zone = control_table_add(&house->control, wire);
    assert_non_null(zone);
    zone->source = (uint8_t)source;
    zone->as = &house->as;
    zone->template = TEMPLATE;
    control_zone_as_published(zone);
    return zone;
}

static struct control_job *new_job(struct house *house, struct control_zone *zone, base_time now)
{
    struct control_job *job = control_job_new(zone);
    assert_non_null(job);
    job->task.record = control_job_record;
    job->task.store = control_job_store;
    job->now = now;
    job->threads = 1;
    if (zone->source == CONFIG_FILE)
        job->file = strdup(house->file);
    return job;
}

/* What the loop takes over from a job. */
static void take(struct control_zone *zone, const struct control_job *job)
{
    if (job->task.error != BASE_OK ||
        (job->outcome != CONTROL_PUBLISHED && job->outcome != CONTROL_CURRENT))
        return;
    zone->published = zone->in_image = zone->serial_known = true;
    zone->serial = job->serial;
    zone->edition = zone->published_edition = job->edition;
    zone->next_resign = job->next_resign;
    strcpy(zone->stamp, job->stamp);
}

static enum control_outcome run(struct house *house, struct control_zone *zone,
                                struct control_job *job,
                                bool (*how)(struct control_task *, struct control_worker *))
{
    if (how(&job->task, &house->worker))
        control_writer_commit(&house->control, &job->task);
    if (house->worker.reader != NULL)
        image_reader_release(house->worker.reader);
    assert_int_equal(job->task.error, BASE_OK);
    take(zone, job);
    enum control_outcome outcome = job->outcome;
    return outcome;
}

static enum control_outcome run_whole(struct house *house, struct control_zone *zone, base_time now)
{
    struct control_job *job = new_job(house, zone, now);
    enum control_outcome outcome = run(house, zone, job, control_whole_run);
    control_job_free(job);
    return outcome;
}

/* The version in the image verifies; its serial is given. */
static uint32_t judge(struct house *house, const char *name, base_time now, size_t records)
{
    struct image_reader *reader;
    struct image_zone held;
    struct zone *zone;
    uint8_t wire[DNS_NAME_MAX];
    name_of(name, wire);
    assert_int_equal(image_reader_open(house->control.image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, wire, &held), BASE_OK);
    assert_int_equal(image_load(reader, &held, 1, &zone), BASE_OK);
    struct validate_zone_options options = {.now = now, .threads = 1};
    struct validate_zone_result result;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(validate_zone(zone, &options, &findings, &result), BASE_OK);
    assert_false(base_findings_bad(&findings));
    size_t addresses = 0;
    for (size_t i = 0; i < zone->rr_count; i++)
        addresses += zone->rrs[i]->type == DNS_TYPE_A;
    assert_int_equal(addresses, records);
    base_findings_free(&findings);
    uint32_t serial = zone->serial;
    zone_release(zone);
    image_reader_close(reader);
    return serial;
}

static bool has_finding(const struct control_job *job, enum base_finding_code code)
{
    for (size_t i = 0; i < job->findings.count; i++) {
        if (job->findings.items[i].code == code)
            return true;
    }
    return false;
}

/* --- files --- */

static void test_file(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
    uint32_t first = judge(house, "a.example.", NOW, 2);
    assert_int_equal(run_whole(house, zone, NOW + 5), CONTROL_CURRENT);
    write_file(house, text, 1, 81);
    assert_int_equal(run_whole(house, zone, NOW + 9), CONTROL_PUBLISHED);
    uint32_t second = judge(house, "a.example.", NOW + 9, 2);
    assert_true((int32_t)(second - first) > 0);
    /* Signatures are made anew when it is time, though the content is the same. */
    base_time later = zone->next_resign;
    assert_true(later > NOW);
    assert_int_equal(run_whole(house, zone, later), CONTROL_PUBLISHED);
    uint32_t third = judge(house, "a.example.", later, 2);
    assert_true((int32_t)(third - second) > 0);
}

static void test_broken_file_keeps_the_last_good(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
    uint32_t serial = judge(house, "a.example.", NOW, 2);
    write_file(house, "this is %u no zone %u\n", 1, 2);
    struct control_job *job = new_job(house, zone, NOW + 1);
    assert_int_equal(run(house, zone, job, control_whole_run), CONTROL_REFUSED);
    assert_true(job->last_good && has_finding(job, SOURCE_LAST_GOOD));
    control_job_free(job);
    assert_int_equal(judge(house, "a.example.", NOW, 2), serial);
    /* And it is signed again all the same. */
    base_time later = zone->next_resign;
    job = new_job(house, zone, later);
    assert_int_equal(run(house, zone, job, control_whole_run), CONTROL_PUBLISHED);
    assert_true(job->last_good);
    control_job_free(job);
    assert_true((int32_t)(judge(house, "a.example.", later, 2) - serial) > 0);
}

static void test_gate_refuses(void **state)
{
    struct house *house = *state;
    static const char bogus[] = "@ 300 IN SOA ns1 mail %u 7200 3600 1209600 300\n"
                                "@ 300 IN NS ns1\n"
                                "ns1 300 IN A 192.0.2.%u\n"
                                "@ 300 IN DNSKEY 257 3 15 "
                                "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n";
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
    uint32_t serial = judge(house, "a.example.", NOW, 2);
    house->policy.signs = false; /* as it comes: with a key, and no signature by it */
    write_file(house, bogus, 2, 1);
    struct control_job *job = new_job(house, zone, NOW + 1);
    assert_int_equal(run(house, zone, job, control_whole_run), CONTROL_REFUSED);
    assert_true(has_finding(job, GATE_REFUSED));
    control_job_free(job);
    assert_int_equal(judge(house, "a.example.", NOW, 2), serial);
}

static void test_without_keys(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    house->control.keys = -1;
    struct control_job *job = new_job(house, zone, NOW);
    assert_int_equal(run(house, zone, job, control_whole_run), CONTROL_FAILED);
    assert_true(has_finding(job, KEYS_GONE));
    control_job_free(job);
    house->control.keys = house->service.near;
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
}

/* --- keys --- */

static bool has_directory_of_keys(const struct house *house, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", house->service.directory, name);
    return access(path, F_OK) == 0;
}

static bool is_published(struct house *house, const char *name)
{
    struct image_reader *reader;
    struct image_zone held;
    uint8_t wire[DNS_NAME_MAX];
    name_of(name, wire);
    assert_int_equal(image_reader_open(house->control.image, &reader), BASE_OK);
    int error = image_zone_get(reader, wire, &held);
    image_reader_close(reader);
    return error == BASE_OK;
}

/* The key process dies, and another is there. */
static void restart_keys(struct house *house)
{
    stop_service(&house->service);
    house->control.keys = -1;
    start_service(&house->service);
    control_take_keys(&house->control, house->service.near);
}

/* A version that is made, and not written yet. */
static struct control_job *make_version(struct house *house, struct control_zone *zone)
{
    struct control_job *job = new_job(house, zone, NOW);
    assert_true(control_whole_run(&job->task, &house->worker));
    image_reader_release(house->worker.reader);
    assert_int_equal(job->outcome, CONTROL_PUBLISHED);
    return job;
}

/* New keys wait for the disk together, and what they signed waits for them. */
static void test_keys_are_settled_first(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    struct control_zone *a = add(house, "a.example.", CONFIG_FILE),
                        *b = add(house, "b.example.", CONFIG_FILE);
    struct control_job *first = make_version(house, a), *second = make_version(house, b);
    assert_true(first->early && second->early);
    assert_false(has_directory_of_keys(house, "a.example"));
    control_writer_commit(&house->control, &first->task);
    assert_int_equal(first->task.error, BASE_OK);
    assert_true(has_directory_of_keys(house, "a.example"));
    assert_true(has_directory_of_keys(house, "b.example"));
    control_writer_commit(&house->control, &second->task);
    assert_int_equal(second->task.error, BASE_OK);
    take(a, first);
    take(b, second);
    control_job_free(first);
    control_job_free(second);
    judge(house, "a.example.", NOW, 2);
    judge(house, "b.example.", NOW, 2);
    /* Those that are on disk cost nothing more. */
    struct control_job *again = new_job(house, a, NOW);
    assert_false(control_whole_run(&again->task, &house->worker));
    assert_int_equal(again->outcome, CONTROL_CURRENT);
    assert_false(again->early);
    control_job_free(again);
}

/* The key process dies with keys that have signed: nothing of that is published, whether the writer
 * has spoken with it before or with its successor only, and also when that has keys of its own. */
static void test_keys_die_before_the_commit(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    for (int spoken = 0; spoken < 3; spoken++) {
        char name[32], other[32];
        snprintf(name, sizeof(name), "lost%d.example.", spoken);
        snprintf(other, sizeof(other), "good%d.example.", spoken);
        struct control_zone *zone = add(house, name, CONFIG_FILE),
                            *good = add(house, other, CONFIG_FILE);
        if (spoken == 0)
            control_worker_lost_keys(&house->control.scribe);
        struct control_job *job = make_version(house, zone);
        restart_keys(house);
        control_worker_lost_keys(&house->worker);
        struct control_job *next = make_version(house, good);
        if (spoken == 2) { /* the successor has settled what it has, and says that all is well */
            control_writer_commit(&house->control, &next->task);
            if (next->task.error == BASE_OK)
                take(good, next);
        }
        control_writer_commit(&house->control, &job->task);
        assert_int_equal(job->task.error, BASE_EIO);
        assert_true(has_finding(job, KEYS_UNSETTLED));
        assert_int_equal(job->keys_made, 0);
        assert_false(is_published(house, name));
        control_job_free(job);
        control_job_free(next);
        for (int i = 0; i < 2 && !zone->published; i++) {
            job = make_version(house, zone);
            control_writer_commit(&house->control, &job->task);
            if (job->task.error == BASE_OK)
                take(zone, job);
            control_job_free(job);
        }
        judge(house, name, NOW, 2);
        close_stores(house); /* and what the registry has of it is what was published last */
        open_stores(house);
        zone = add(house, name, CONFIG_FILE);
        assert_true(zone->published && zone->stamp[0] != '\0');
    }
}

/* Keys that cannot be put into their place take all that was made since the last success along. */
static void test_keys_cannot_be_settled(void **state)
{
    struct house *house = *state;
    char path[160];
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    struct control_job *job = make_version(house, zone);
    snprintf(path, sizeof(path), "%s/a.example", house->service.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/note");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    control_writer_commit(&house->control, &job->task);
    assert_int_equal(job->task.error, BASE_EIO);
    assert_false(is_published(house, "a.example."));
    control_job_free(job);
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
    judge(house, "a.example.", NOW, 2);
}

/* The directory of keys of a published zone is gone: it gets no other keys, from whatever the next
 * version is made, and goes on when they are back. */
static void test_directory_of_keys_lost(void **state)
{
    struct house *house = *state;
    char path[160], moved[160];
    write_file(house, text, 1, 80);
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    assert_int_equal(run_whole(house, zone, NOW), CONTROL_PUBLISHED);
    uint32_t serial = judge(house, "a.example.", NOW, 2);
    snprintf(path, sizeof(path), "%s/a.example", house->service.directory);
    snprintf(moved, sizeof(moved), "%s/moved", house->service.directory);
    assert_int_equal(rename(path, moved), 0);
    write_file(house, text, 1, 81);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct control_job *job = new_job(house, zone, NOW + 1);
        assert_int_equal(run(house, zone, job, control_whole_run), CONTROL_REFUSED);
        assert_true(has_finding(job, KEYS_LOST));
        assert_int_equal(job->keys_made, 0);
        control_job_free(job);
        assert_false(has_directory_of_keys(house, "a.example"));
        assert_int_equal(judge(house, "a.example.", NOW, 2), serial);
        restart_keys(house);
        control_worker_lost_keys(&house->worker);
    }
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(run_whole(house, zone, NOW + 2), CONTROL_PUBLISHED);
    assert_true((int32_t)(judge(house, "a.example.", NOW + 2, 2) - serial) > 0);
}

/* --- edits --- */

struct asked {
    struct api_request request;
    struct api_edit edits[4];
    uint8_t owners[4][DNS_NAME_MAX];
};

static void ask(struct asked *asked, const char *owner, uint16_t type, const void *rdata,
                size_t length)
{
    size_t at = asked->request.change.count++;
    name_of(owner, asked->owners[at]);
    asked->edits[at] = (struct api_edit){.action = API_ADD,
                                         .owner = asked->owners[at],
                                         .rdata = rdata,
                                         .ttl = 300,
                                         .type = type,
                                         .length = (uint16_t)length};
    asked->request.change.edits = asked->edits;
}

static struct control_job *change_job(struct house *house, struct control_zone *zone,
                                      const struct asked *asked, base_time now)
{
    struct control_job *job = new_job(house, zone, now);
    job->changes = control_change_new(CONTROL_API_CHANGE);
    job->changes->request = &asked->request;
    return job;
}

static enum control_outcome change(struct house *house, struct control_zone *zone,
                                   const struct asked *asked, base_time now)
{
    struct control_job *job = change_job(house, zone, asked, now);
    enum control_outcome outcome = run(house, zone, job, control_change_run);
    control_job_free(job);
    return outcome;
}

static struct control_zone *begin_edits(struct house *house)
{
    static const uint8_t soa[] = "\3ns1\1e\7example\0\4mail\1e\7example\0"
                                 "\0\0\0\1\0\0\x1c\x20\0\0\x0e\x10\0\x12\x75\0\0\0\1\x2c";
    static const uint8_t ns[] = "\3ns1\1e\7example";
    struct asked first = {0};
    ask(&first, "e.example.", DNS_TYPE_SOA, soa, sizeof(soa) - 1);
    ask(&first, "e.example.", DNS_TYPE_NS, ns, sizeof(ns));
    ask(&first, "ns1.e.example.", DNS_TYPE_A, "\300\0\2\1", 4);
    struct control_zone *zone = add(house, "e.example.", CONFIG_EDITS);
    assert_int_equal(change(house, zone, &first, NOW), CONTROL_PUBLISHED);
    return zone;
}

static void test_edits_without_their_keys(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = begin_edits(house);
    char path[160], moved[160];
    snprintf(path, sizeof(path), "%s/e.example", house->service.directory);
    snprintf(moved, sizeof(moved), "%s/moved", house->service.directory);
    assert_int_equal(rename(path, moved), 0);
    struct asked more = {0};
    ask(&more, "www.e.example.", DNS_TYPE_A, "\300\0\2\2", 4);
    struct control_job *job = change_job(house, zone, &more, NOW + 1);
    assert_int_equal(run(house, zone, job, control_change_run), CONTROL_REFUSED);
    assert_true(has_finding(job, KEYS_LOST));
    control_job_free(job);
    assert_false(has_directory_of_keys(house, "e.example"));
    judge(house, "e.example.", NOW, 1);
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(change(house, zone, &more, NOW + 2), CONTROL_PUBLISHED);
    judge(house, "e.example.", NOW + 2, 2);
}

static void test_edits(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = begin_edits(house);
    uint32_t first = judge(house, "e.example.", NOW, 1);
    struct asked more = {0};
    ask(&more, "www.e.example.", DNS_TYPE_A, "\300\0\2\2", 4);
    assert_int_equal(change(house, zone, &more, NOW + 1), CONTROL_PUBLISHED);
    uint32_t second = judge(house, "e.example.", NOW + 1, 2);
    assert_true((int32_t)(second - first) > 0);
    assert_int_equal(change(house, zone, &more, NOW + 2), CONTROL_CURRENT);
    /* What the registry has is what the image has. */
    zone->changed = true;
    assert_int_equal(run_whole(house, zone, NOW + 3), CONTROL_CURRENT);
}

/* A crash after the registry and before the image: the change was not answered, but it is kept. */
static void test_registry_ahead(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = begin_edits(house);
    uint32_t first = zone->serial;
    struct asked more = {0};
    ask(&more, "www.e.example.", DNS_TYPE_A, "\300\0\2\2", 4);
    struct control_job *job = change_job(house, zone, &more, NOW + 1);
    assert_true(control_change_run(&job->task, &house->worker));
    job->task.store = NULL;
    control_writer_commit(&house->control, &job->task);
    assert_int_equal(job->task.error, BASE_OK);
    control_job_free(job);
    assert_int_equal(judge(house, "e.example.", NOW, 1), first);
    close_stores(house);
    open_stores(house);
    zone = add(house, "e.example.", CONFIG_EDITS);
    assert_true(zone->published && zone->changed);
    assert_int_equal(run_whole(house, zone, NOW + 2), CONTROL_PUBLISHED);
    assert_true((int32_t)(judge(house, "e.example.", NOW + 2, 2) - first) > 0);
}

static void test_image_lost(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = begin_edits(house);
    struct asked more = {0};
    ask(&more, "www.e.example.", DNS_TYPE_A, "\300\0\2\2", 4);
    assert_int_equal(change(house, zone, &more, NOW + 1), CONTROL_PUBLISHED);
    uint32_t serial = zone->serial;
    close_stores(house);
    assert_int_equal(image_discard(house->image), BASE_OK);
    open_stores(house);
    zone = add(house, "e.example.", CONFIG_EDITS);
    assert_true(!zone->published && zone->serial_known && zone->changed);
    assert_int_equal(run_whole(house, zone, NOW + 2), CONTROL_PUBLISHED);
    assert_true((int32_t)(judge(house, "e.example.", NOW + 2, 2) - serial) > 0);
    /* A change that comes before that is not the whole zone. */
    close_stores(house);
    assert_int_equal(image_discard(house->image), BASE_OK);
    open_stores(house);
    zone = add(house, "e.example.", CONFIG_EDITS);
    struct asked third = {0};
    ask(&third, "ftp.e.example.", DNS_TYPE_A, "\300\0\2\3", 4);
    assert_int_equal(change(house, zone, &third, NOW + 3), CONTROL_PUBLISHED);
    assert_true((int32_t)(judge(house, "e.example.", NOW + 3, 3) - serial) > 0);
}

static void test_policy_is_followed(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = begin_edits(house);
    for (int round = 0; round < 2; round++) {
        close_stores(house);
        open_stores(house);
        zone = add(house, "e.example.", CONFIG_EDITS);
        assert_int_equal(zone->changed, round == 1);
        house->policy.sign.denial = SIGN_NSEC3;
    }
    assert_int_equal(run_whole(house, zone, NOW + 1), CONTROL_PUBLISHED);
    judge(house, "e.example.", NOW + 1, 1);
    assert_int_equal(run_whole(house, zone, NOW + 2), CONTROL_CURRENT);
}

/* --- one commit for many --- */

static int fail_to_record(struct control_task *task)
{
    return BASE_EINVAL;
}

static void test_one_that_fails_leaves_the_others(void **state)
{
    struct house *house = *state;
    write_file(house, text, 1, 80);
    struct control_zone *a = add(house, "a.example.", CONFIG_FILE);
    struct control_zone *b = add(house, "b.example.", CONFIG_FILE);
    struct control_zone *c = add(house, "c.example.", CONFIG_FILE);
    struct control_zone *zones[] = {a, b, c};
    struct control_job *jobs[3];
    for (size_t i = 0; i < 3; i++) {
        jobs[i] = new_job(house, zones[i], NOW);
        assert_true(control_whole_run(&jobs[i]->task, &house->worker));
        if (i > 0)
            jobs[i - 1]->task.next = &jobs[i]->task;
    }
    jobs[1]->task.record = fail_to_record;
    control_writer_commit(&house->control, &jobs[0]->task);
    assert_int_equal(jobs[0]->task.error, BASE_OK);
    assert_int_equal(jobs[1]->task.error, BASE_EINVAL);
    assert_int_equal(jobs[2]->task.error, BASE_OK);
    for (size_t i = 0; i < 3; i++)
        control_job_free(jobs[i]);
    judge(house, "a.example.", NOW, 2);
    judge(house, "c.example.", NOW, 2);
    struct image_reader *reader;
    struct image_zone held;
    assert_int_equal(image_reader_open(house->control.image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, b->name, &held), BASE_ENOENT);
    image_reader_close(reader);
}

/* --- problems --- */

static void set(struct control_zone *zone, enum control_problem part, enum base_finding_code code)
{
    struct base_findings findings;
    struct base_place place = {0};
    base_findings_init(&findings, 4);
    base_findings_add(&findings, code, &place, "something");
    control_zone_set_problem(zone, part, &findings);
    base_findings_free(&findings);
}

static void test_problems_stand_apart(void **state)
{
    struct house *house = *state;
    struct control_zone *zone = add(house, "a.example.", CONFIG_FILE);
    set(zone, CONTROL_PROBLEM_VERSION, GATE_REFUSED);
    set(zone, CONTROL_PROBLEM_FETCH, FETCH_NO_ANSWER);
    assert_int_equal(zone->problems, 2);
    char *known = strdup(zone->problem);
    control_zone_set_problem(zone, CONTROL_PROBLEM_FETCH, NULL);
    assert_int_equal(zone->problems, 1);
    assert_non_null(strstr(zone->problem, "gate.refused"));
    control_zone_set_problem(zone, CONTROL_PROBLEM_VERSION, NULL);
    assert_null(zone->problem);
    control_zone_known_problem(zone, known);
    assert_int_equal(zone->problems, 2);
    control_zone_set_problem(zone, CONTROL_PROBLEM_VERSION, NULL);
    assert_int_equal(zone->problems, 1);
    assert_non_null(strstr(zone->problem, "fetch.no-answer"));
    free(known);
}

/* --- the table --- */

static void test_table(void **state)
{
    struct house *house = *state;
    struct control_table *table = &house->control.table;
    uint8_t name[DNS_NAME_MAX];
    char string[32];
    for (unsigned i = 0; i < 500; i++) {
        snprintf(string, sizeof(string), "Z%u.example.", i * 197 % 500);
        name_of(string, name);
        assert_non_null(control_table_add(&house->control, name));
        assert_null(control_table_add(&house->control, name));
    }
    for (size_t i = 1; i < table->count; i++)
        assert_true(dns_name_compare(table->zones[i - 1]->name, table->zones[i]->name) < 0);
    for (unsigned i = 0; i < 500; i += 2) {
        snprintf(string, sizeof(string), "z%u.EXAMPLE.", i);
        name_of(string, name);
        control_table_remove(&house->control, control_table_find(table, name));
        assert_null(control_table_find(table, name));
    }
    assert_int_equal(table->count, 250);
}

int main(void)
{
#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, make_house, leave_house)
    const struct CMUnitTest tests[] = {
        IN_HOUSE(test_file),
        IN_HOUSE(test_broken_file_keeps_the_last_good),
        IN_HOUSE(test_gate_refuses),
        IN_HOUSE(test_without_keys),
        IN_HOUSE(test_keys_are_settled_first),
        IN_HOUSE(test_keys_die_before_the_commit),
        IN_HOUSE(test_keys_cannot_be_settled),
        IN_HOUSE(test_directory_of_keys_lost),
        IN_HOUSE(test_edits_without_their_keys),
        IN_HOUSE(test_edits),
        IN_HOUSE(test_registry_ahead),
        IN_HOUSE(test_image_lost),
        IN_HOUSE(test_policy_is_followed),
        IN_HOUSE(test_one_that_fails_leaves_the_others),
        IN_HOUSE(test_problems_stand_apart),
        IN_HOUSE(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
