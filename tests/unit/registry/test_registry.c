/* Zones, records, transactions, the log, backups, damage, full disks, and a writer that is killed
 * in the midst of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "registry/registry.h"
#include "zone/diff.h"
#include "zone_text.h"

#define NAME(text) ((const uint8_t *)(text))
static const uint8_t example[] = "\7example";

static char directory[64], path[96];

static void remove_files(const char *base)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".new", ".new-wal"};
    char name[128];
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", base, endings[i]);
        unlink(name);
    }
}

static int make_directory(void **state)
{
    strcpy(directory, "/tmp/kenter-registry-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/registry.db", directory);
    return 0;
}

static int remove_directory(void **state)
{
    char backup[128];
    snprintf(backup, sizeof(backup), "%s/backup.db", directory);
    remove_files(path);
    remove_files(backup);
    return rmdir(directory);
}

static struct registry *open_registry(void)
{
    struct registry *registry = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    int error = registry_open(path, &findings, &registry);
    if (error != BASE_OK)
        fail_msg("%s: %s", base_strerror(error),
                 findings.count > 0 ? findings.items[0].message : "");
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
    return registry;
}

/* The findings' code when it cannot be opened. */
static enum base_finding_code refused(int expected)
{
    struct registry *registry = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(registry_open(path, &findings, &registry), expected);
    assert_null(registry);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.items[0].place.file, path);
    enum base_finding_code code = findings.items[0].code;
    base_findings_free(&findings);
    return code;
}

static struct zone *load(struct registry *registry, uint64_t *edition)
{
    struct zone *zone = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    int error = registry_load(registry, example, 1, &findings, &zone, edition);
    if (error != BASE_OK)
        fail_msg("%s: %s", base_strerror(error),
                 findings.count > 0 ? findings.items[0].message : "");
    base_findings_free(&findings);
    return zone;
}

static int no_difference(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    char text[DNS_NAME_TEXT];
    fail_msg("%s differs, type %u", dns_name_text(text, owner), rr->type);
    return BASE_OK;
}

static void assert_same_zone(struct zone *a, struct zone *b)
{
    assert_int_equal(zone_diff(a, b, &(struct zone_diff_options){0}, no_difference, NULL), BASE_OK);
    assert_int_equal(a->rr_count, b->rr_count);
}

static struct registry_published at_serial(uint32_t serial)
{
    return (struct registry_published){.zone = example,
                                       .source = "edits",
                                       .serial = serial,
                                       .source_serial = serial + 1,
                                       .source_known = true,
                                       .edition = serial,
                                       .at = 1700000000};
}

static uint32_t serial_of(struct registry *registry)
{
    struct base_arena arena;
    struct registry_zone zone;
    base_arena_init(&arena, 0);
    assert_int_equal(registry_zone_get(registry, example, &arena, &zone), BASE_OK);
    base_arena_free(&arena);
    return zone.serial;
}

/*
 * Zones
 */

static int gather(void *context, const struct registry_zone *zone)
{
    char *names = context, text[DNS_NAME_TEXT];
    strcat(strcat(names, dns_name_text(text, zone->name)), " ");
    return BASE_OK;
}

static int stop(void *context, const struct registry_zone *zone)
{
    ++*(int *)context;
    return BASE_ELIMIT;
}

static void test_zones(void **state)
{
    struct registry *registry = open_registry();
    struct registry_zone zone = {.source = "edits", .made = true, .detail = "{\"a\":1}"}, found;
    struct base_arena arena;
    char names[256] = "";
    int visits = 0;
    base_arena_init(&arena, 0);
    memcpy(zone.name, "\1b\7EXAMPLE", 11);
    assert_int_equal(registry_zone_get(registry, zone.name, &arena, &found), BASE_ENOENT);
    assert_int_equal(registry_zone_forget(registry, zone.name), BASE_ENOENT);
    assert_int_equal(registry_zone_make(registry, &zone), BASE_OK);
    assert_int_equal(registry_zone_make(registry, &zone), BASE_EEXIST);
    assert_int_equal(registry_zone_get(registry, NAME("\1B\7example"), &arena, &found), BASE_OK);
    assert_memory_equal(found.name, "\1b\7example", 11);
    assert_true(found.made);
    assert_false(found.published);
    assert_string_equal(found.detail, "{\"a\":1}");
    assert_string_equal(found.source, "edits");
    assert_null(found.problem);

    assert_int_equal(registry_problem(registry, NAME("\1z"), "[]"), BASE_OK);
    assert_int_equal(registry_checked(registry, example, 5, 6), BASE_OK);
    assert_int_equal(registry_checked(registry, NAME(""), 5, 6), BASE_OK);
    assert_int_equal(registry_zones(registry, gather, names), BASE_OK);
    assert_string_equal(names, ". example. b.example. z. ");
    assert_int_equal(registry_zones(registry, stop, &visits), BASE_ELIMIT);
    assert_int_equal(visits, 1);

    struct registry_published published = at_serial(4000000000u);
    assert_int_equal(registry_published(registry, &published), BASE_OK);
    assert_int_equal(registry_problem(registry, example, "[1]"), BASE_OK);
    registry_close(registry);
    registry = open_registry();
    assert_int_equal(registry_zone_get(registry, example, &arena, &found), BASE_OK);
    assert_int_equal(found.serial, 4000000000u);
    assert_true(found.published);
    assert_int_equal(found.source_serial, 4000000001u);
    assert_true(found.source_known);
    assert_int_equal(found.published_edition, 4000000000u);
    assert_int_equal(found.published_at, 1700000000);
    assert_int_equal(found.checked_at, 5);
    assert_int_equal(found.expires_at, 6);
    assert_string_equal(found.source, "edits");
    assert_string_equal(found.problem, "[1]");
    assert_int_equal(registry_problem(registry, example, NULL), BASE_OK);
    assert_int_equal(registry_zone_get(registry, example, &arena, &found), BASE_OK);
    assert_null(found.problem);
    /* What was known by itself can be made by the API, and is forgotten whole. */
    memcpy(zone.name, example, sizeof(example));
    assert_int_equal(registry_zone_make(registry, &zone), BASE_OK);
    assert_int_equal(serial_of(registry), 4000000000u);
    assert_int_equal(registry_zone_forget(registry, example), BASE_OK);
    assert_int_equal(registry_zone_get(registry, example, &arena, &found), BASE_ENOENT);
    base_arena_free(&arena);
    registry_close(registry);
}

/*
 * Records
 */

static void test_records(void **state)
{
    struct registry *registry = open_registry();
    struct zone *zone, *back;
    struct base_findings findings;
    uint64_t edition = 0, loaded = 0;
    base_findings_init(&findings, 10);
    assert_int_equal(registry_load(registry, example, 1, &findings, &back, &loaded), BASE_ENOENT);
    assert_int_equal(findings.count, 0);
    zone = zone_from_text(
        "@ 600 SOA Ns hostmaster 1 7200 900 1209600 600\n@ 600 NS Ns\n"
        "Ns 600 A 192.0.2.1\n\\000\\001.x 60 TXT \"a\"\n*.w 60 MX 5 Mail.Example.net.\n"
        "@ 60 TYPE65280 \\# 0\nns 60 RRSIG A 13 2 600 20300101000000 20200101000000 1 "
        "example. AAAA\n",
        "example.");
    assert_int_equal(registry_replace(registry, zone, &edition), BASE_OK);
    assert_int_equal(edition, 1);
    back = load(registry, &loaded);
    assert_int_equal(loaded, 1);
    assert_int_equal(back->rr_count, zone->rr_count - 1); /* without the signature */
    assert_memory_equal(zone_find(back, NAME("\2ns\7example"), NULL)->name, "\2Ns\7example", 12);
    zone_release(back);
    zone_release(zone);

    const struct registry_edit edits[] = {
        {NAME("\3new\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true},
        {NAME("\2ns\7example"), NAME("\xc0\0\2\1"), 0, DNS_TYPE_A, 4, false},
        {NAME("\2NS\7example"), NAME("\xc0\0\2\2"), 60, DNS_TYPE_A, 4, true},
        {NAME("\2NS\7example"), NAME("\xc0\0\2\2"), 90, DNS_TYPE_A, 4, true},
        {NAME("\1*\1W\7example"), NAME("\0\5\4mail\7eXample\3net"), 0, DNS_TYPE_MX, 20, false},
        {NAME("\4gone\7example"), NAME("\xc0\0\2\2"), 0, DNS_TYPE_A, 4, false},
    };
    assert_int_equal(registry_edit(registry, example, edits, 6, &edition), BASE_OK);
    assert_int_equal(edition, 2);
    zone = zone_from_text("@ 600 SOA Ns hostmaster 1 7200 900 1209600 600\n@ 600 NS Ns\n"
                          "Ns 90 A 192.0.2.2\n\\000\\001.x 60 TXT \"a\"\nnew 60 A 192.0.2.5\n"
                          "@ 60 TYPE65280 \\# 0\n",
                          "example.");
    back = load(registry, &loaded);
    assert_int_equal(loaded, 2);
    assert_same_zone(zone, back);
    zone_release(back);

    /* An owner of another zone refuses all; the edition stays. */
    const struct registry_edit foreign[] = {
        {NAME("\3one\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true},
        {NAME("\2ns\7exampel"), NAME("\xc0\0\2\1"), 60, DNS_TYPE_A, 4, true},
    };
    assert_int_equal(registry_edit(registry, example, foreign, 2, &edition), BASE_EINVAL);
    back = load(registry, &loaded);
    assert_int_equal(loaded, 2);
    assert_same_zone(zone, back);
    zone_release(back);
    zone_release(zone);
    /* Forgotten with its records. */
    assert_int_equal(registry_zone_forget(registry, example), BASE_OK);
    assert_int_equal(registry_edit(registry, example, edits, 0, &edition), BASE_OK);
    assert_int_equal(registry_load(registry, example, 1, &findings, &back, &loaded), BASE_ENOENT);
    base_findings_free(&findings);
    registry_close(registry);
}

/* Every octet in a label comes back, and the longest name. */
static void test_odd_names(void **state)
{
    struct registry *registry = open_registry();
    struct zone_batch_writer writer;
    struct dns_zonefile file = {0};
    struct base_findings findings;
    struct zone *zone, *back;
    uint64_t edition;
    base_findings_init(&findings, 10);
    memcpy(file.origin, example, sizeof(example));
    assert_int_equal(zone_batch_writer_init(&writer, file.origin), BASE_OK);
    for (unsigned octet = 0; octet < 256; octet++) {
        uint8_t name[] = "\3x?y\2\1?\7example";
        name[2] = (uint8_t)octet;
        name[6] = (uint8_t)octet;
        assert_int_equal(zone_batch_add(&writer, name, DNS_TYPE_A, 60, NAME("\1\2\3\4"), 4),
                         BASE_OK);
    }
    uint8_t longest[DNS_NAME_MAX];
    memset(longest, 0, sizeof(longest));
    for (size_t at = 0; at < DNS_NAME_MAX - 1 - 8; at += 2)
        longest[at] = 1;
    longest[0] = 2; /* 254 - 8 octets: 122 labels of one octet and one of two */
    memmove(longest + 3, longest + 2, DNS_NAME_MAX - 3);
    size_t at = 3;
    for (; at + 2 <= DNS_NAME_MAX - 9; at += 2)
        longest[at] = 1, longest[at + 1] = 1;
    memcpy(longest + at, example, sizeof(example));
    assert_int_equal(zone_batch_add(&writer, longest, DNS_TYPE_A, 60, NAME("\1\2\3\4"), 4),
                     BASE_OK);
    file.batches = writer.batch;
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    assert_int_equal(registry_replace(registry, zone, &edition), BASE_OK);
    back = load(registry, &edition);
    assert_same_zone(zone, back);
    zone_release(back);
    zone_release(zone);
    base_findings_free(&findings);
    registry_close(registry);
}

/*
 * Transactions
 */

static void test_transactions(void **state)
{
    struct registry *registry = open_registry();
    struct registry_published one = at_serial(1), two = at_serial(2);
    const struct registry_edit edit = {
        NAME("\3new\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true};
    uint64_t edition;
    assert_int_equal(registry_commit(registry), BASE_EINVAL);
    assert_int_equal(registry_begin(registry), BASE_OK);
    assert_int_equal(registry_begin(registry), BASE_EINVAL);
    assert_int_equal(registry_published(registry, &one), BASE_OK);
    assert_int_equal(registry_edit(registry, example, &edit, 1, &edition), BASE_OK);
    struct zone *zone = load(registry, &edition); /* sees what is not committed yet */
    assert_int_equal(zone->rr_count, 1);
    zone_release(zone);
    assert_int_equal(registry_commit(registry), BASE_OK);
    assert_int_equal(registry_begin(registry), BASE_OK);
    assert_int_equal(registry_published(registry, &two), BASE_OK);
    assert_int_equal(serial_of(registry), 2);
    assert_int_equal(registry_zone_forget(registry, example), BASE_OK);
    registry_abort(registry);
    registry_abort(registry);
    assert_int_equal(serial_of(registry), 1);
    /* An answer does not spoil a transaction. */
    assert_int_equal(registry_begin(registry), BASE_OK);
    assert_int_equal(registry_zone_forget(registry, NAME("\4none")), BASE_ENOENT);
    assert_int_equal(registry_published(registry, &two), BASE_OK);
    assert_int_equal(registry_commit(registry), BASE_OK);
    assert_int_equal(serial_of(registry), 2);
    registry_close(registry);
}

static void *count_up(void *context)
{
    struct registry *registry = context;
    const struct registry_edit edit = {
        NAME("\3new\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true};
    uint64_t first, second;
    for (int i = 0; i < 50; i++) {
        if (registry_begin(registry) != BASE_OK ||
            registry_edit(registry, example, &edit, 1, &first) != BASE_OK ||
            registry_edit(registry, example, &edit, 1, &second) != BASE_OK || second != first + 1 ||
            registry_commit(registry) != BASE_OK)
            return registry;
    }
    return NULL;
}

/* Nobody gets into the midst of another thread's transaction; loading goes on beside. */
static void test_threads(void **state)
{
    struct registry *registry = open_registry();
    pthread_t threads[3];
    struct zone *zone;
    uint64_t edition = 0, before = 0;
    const struct registry_edit edit = {
        NAME("\3new\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true};
    assert_int_equal(registry_edit(registry, example, &edit, 1, &edition), BASE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, registry), 0);
    for (int i = 0; i < 20; i++) {
        zone = load(registry, &edition);
        assert_true(edition >= before && edition % 2 == 1);
        before = edition;
        zone_release(zone);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    zone = load(registry, &edition);
    assert_int_equal(edition, 301);
    zone_release(zone);
    registry_close(registry);
}

/*
 * The log
 */

struct heard {
    size_t count;
    char first[32], last[32];
};

static int hear(void *context, const struct registry_event *event)
{
    struct heard *heard = context;
    assert_string_equal(event->severity, "info");
    assert_string_equal(event->code, "zone.published");
    if (heard->count++ == 0)
        snprintf(heard->first, sizeof(heard->first), "%s", event->text);
    snprintf(heard->last, sizeof(heard->last), "%s", event->text);
    return BASE_OK;
}

static void test_log(void **state)
{
    struct registry *registry = open_registry();
    struct heard heard = {0}, other = {0};
    char text[32];
    assert_int_equal(registry_begin(registry), BASE_OK);
    for (int i = 0; i < REGISTRY_LOG_MAX + 10; i++) {
        snprintf(text, sizeof(text), "%d", i);
        struct registry_event event = {i, "info", "zone.published", text};
        assert_int_equal(registry_log(registry, example, &event), BASE_OK);
    }
    assert_int_equal(registry_commit(registry), BASE_OK);
    struct registry_event event = {1, "info", "zone.published", "other"};
    assert_int_equal(registry_log(registry, NAME("\1a\7example"), &event), BASE_OK);
    assert_int_equal(registry_log_read(registry, NAME("\7Example"), SIZE_MAX, hear, &heard),
                     BASE_OK);
    assert_int_equal(heard.count, REGISTRY_LOG_MAX);
    assert_string_equal(heard.first, "1009");
    assert_string_equal(heard.last, "10");
    assert_int_equal(registry_log_read(registry, NAME("\1a\7example"), 5, hear, &other), BASE_OK);
    assert_int_equal(other.count, 1);
    registry_close(registry);
}

/*
 * TLSA records that are kept
 */

static int take_tlsa(void *context, const struct registry_tlsa *tlsa)
{
    *(struct registry_tlsa *)context = *tlsa;
    return BASE_OK;
}

static void assert_tlsa(const struct registry_tlsa *a, const struct registry_tlsa *b)
{
    assert_true(dns_name_equal(a->owner, b->owner));
    assert_true(dns_name_equal(a->zone, b->zone));
    assert_int_equal(a->unsafe, b->unsafe);
    assert_int_equal(a->changed_at, b->changed_at);
    assert_int_equal(a->current.since, b->current.since);
    assert_int_equal(a->current.ttl, b->current.ttl);
    assert_int_equal(a->current.old_seen, b->current.old_seen);
    assert_true(a->current.servers == b->current.servers);
    assert_true(a->next.servers == b->next.servers && a->next.ttl == b->next.ttl);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->records[i].role, b->records[i].role);
        assert_int_equal(a->records[i].settled, b->records[i].settled);
        assert_int_equal(a->records[i].since, b->records[i].since);
        assert_int_equal(a->records[i].length, b->records[i].length);
        assert_memory_equal(a->records[i].rdata, b->records[i].rdata, b->records[i].length);
    }
}

static void test_tlsa(void **state)
{
    struct registry *registry = open_registry();
    struct registry_tlsa read = {.count = 99}, kept = {.owner = "\3_25\4_tcp\2mx\7example",
                                                       .zone = "\7example",
                                                       .unsafe = true,
                                                       .changed_at = 5,
                                                       .current = {1, 3600, true, UINT64_MAX},
                                                       .next = {0, 7, false, 1},
                                                       .count = 2};
    kept.records[0] = (struct registry_tlsa_record){
        .role = REGISTRY_TLSA_CURRENT, .settled = true, .since = 9, .length = 67};
    memset(kept.records[0].rdata, 3, 67);
    kept.records[1] = (struct registry_tlsa_record){
        .role = REGISTRY_TLSA_OLD, .since = 8, .length = 4, .rdata = {3, 1, 1, 0}};
    assert_int_equal(registry_tlsa_list(registry, take_tlsa, &read), BASE_OK);
    assert_int_equal(read.count, 99); /* there is none */
    assert_int_equal(registry_tlsa_put(registry, &kept), BASE_OK);
    registry_close(registry);
    registry = open_registry();
    assert_int_equal(registry_tlsa_list(registry, take_tlsa, &read), BASE_OK);
    assert_tlsa(&read, &kept);
    kept.count = 1;
    kept.unsafe = false;
    assert_int_equal(registry_tlsa_put(registry, &kept), BASE_OK);
    assert_int_equal(registry_tlsa_list(registry, take_tlsa, &read), BASE_OK);
    assert_tlsa(&read, &kept);
    assert_int_equal(registry_tlsa_forget(registry, kept.owner), BASE_OK);
    read.count = 99;
    assert_int_equal(registry_tlsa_list(registry, take_tlsa, &read), BASE_OK);
    assert_int_equal(read.count, 99);
    registry_close(registry);
}

/*
 * Files: damage, versions, backups
 */

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void run_sql(const char *sql)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

/* A database of the version before gets what has come since, and keeps what it has. */
static void test_former_version(void **state)
{
    struct registry_tlsa kept = {.owner = "\1a", .zone = "\1a"}, read = {.count = 99};
    struct registry *registry = open_registry();
    uint64_t edition;
    struct registry_edit edit = {
        .owner = example, .rdata = NAME("\1x\0"), .type = 2, .length = 3, .add = true};
    assert_int_equal(registry_edit(registry, example, &edit, 1, &edition), BASE_OK);
    registry_close(registry);
    run_sql("DROP TABLE tlsa; DROP TABLE tlsa_record; PRAGMA user_version = 1");
    registry = open_registry();
    assert_int_equal(registry_tlsa_put(registry, &kept), BASE_OK);
    assert_int_equal(registry_tlsa_list(registry, take_tlsa, &read), BASE_OK);
    assert_int_equal(read.count, 0);
    assert_int_equal(registry_edit(registry, example, &edit, 1, &edition), BASE_OK);
    assert_int_equal(edition, 2);
    registry_close(registry);
}

static void test_damage(void **state)
{
    static char text[4096];
    struct stat file;
    registry_close(open_registry());
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);

    run_sql("PRAGMA user_version = 99");
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_NEWER);
    run_sql("PRAGMA application_id = 5");
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_DAMAGED);
    /* Empty, not a database, torn: never made anew. */
    write_file("", 0);
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_DAMAGED);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 0);
    memset(text, 'x', sizeof(text));
    write_file(text, sizeof(text));
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_DAMAGED);
    unlink(path);
    registry_close(open_registry());
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_DAMAGED);
    /* The file is gone, its log is there. */
    unlink(path);
    char log[128];
    snprintf(log, sizeof(log), "%s-wal", path);
    FILE *wal = fopen(log, "wb");
    fputs("content", wal);
    fclose(wal);
    assert_int_equal(refused(BASE_EFORMAT), REGISTRY_DAMAGED);
    assert_int_equal(stat(path, &file), -1);
    unlink(log);
    /* No directory at all. */
    snprintf(path, sizeof(path), "%s/none/registry.db", directory);
    assert_int_equal(refused(BASE_EIO), REGISTRY_FAILED);
    snprintf(path, sizeof(path), "%s/registry.db", directory);
    registry_close(open_registry());
}

/* What a damaged page may hold does not get through. */
static void test_damaged_records(void **state)
{
    static const char *const damages[] = {
        "UPDATE record SET owner = x'78'",
        "UPDATE record SET owner = x'0100'",
        "UPDATE record SET owner = x'00'",
        "UPDATE record SET rdata = x'0102'",
        "UPDATE record SET type = 0",
        "UPDATE record SET type = 70000",
        "UPDATE record SET ttl = -1",
        "UPDATE record SET owner = zeroblob(600)",
        "UPDATE record SET written_owner = x'0161'",
        "UPDATE record SET written_rdata = x'0161'",
        "UPDATE record SET written_owner = x'016100'",
        "UPDATE record SET owner = 'abc'",
    };
    const struct registry_edit edit = {
        NAME("\3new\7example"), NAME("\xc0\0\2\5"), 60, DNS_TYPE_A, 4, true};
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct registry *registry = open_registry();
        struct base_findings findings;
        struct zone *zone = NULL;
        uint64_t edition;
        base_findings_init(&findings, 10);
        assert_int_equal(registry_edit(registry, example, &edit, 1, &edition), BASE_OK);
        run_sql(damages[i]);
        assert_int_equal(registry_load(registry, example, 1, &findings, &zone, &edition),
                         BASE_EFORMAT);
        assert_int_equal(findings.by_code[REGISTRY_DAMAGED], 1);
        base_findings_free(&findings);
        assert_int_equal(registry_zone_forget(registry, example), BASE_OK);
        registry_close(registry);
    }
}

static void test_backup(void **state)
{
    struct registry *registry = open_registry();
    struct registry_published one = at_serial(1), two = at_serial(2);
    char backup[96];
    snprintf(backup, sizeof(backup), "%s/backup.db", directory);
    assert_int_equal(registry_published(registry, &one), BASE_OK);
    assert_int_equal(registry_begin(registry), BASE_OK);
    assert_int_equal(registry_published(registry, &two), BASE_OK);
    /* Of what is committed, also within a transaction, and again over the one before. */
    assert_int_equal(registry_backup(registry, backup), BASE_OK);
    assert_int_equal(registry_backup(registry, backup), BASE_OK);
    assert_int_equal(registry_commit(registry), BASE_OK);
    assert_int_equal(registry_backup(registry, "/nonexistent/backup.db"), BASE_EIO);
    assert_int_equal(errno, ENOENT);
    registry_close(registry);
    assert_int_equal(rename(backup, path), 0);
    registry = open_registry();
    assert_int_equal(serial_of(registry), 1);
    registry_close(registry);
}

/*
 * Full disks and crashes, in children
 */

static void finish(int child, int expected)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

/* Publishes until files must not grow any more; tells the last serial that was taken. */
static int fill(volatile uint32_t *last)
{
    struct registry *registry = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 200000, .rlim_max = 200000};
    if (registry_open(path, &findings, &registry) != BASE_OK ||
        setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    static char problem[3000];
    memset(problem, ' ', sizeof(problem) - 1);
    for (uint32_t serial = 1; serial < 10000; serial++) {
        struct registry_published published = at_serial(serial);
        uint8_t other[] = "\5?????";
        memcpy(other + 1, &(uint32_t){serial * 2654435761u}, 4);
        int error = registry_begin(registry);
        if (error == BASE_OK)
            error = registry_published(registry, &published);
        if (error == BASE_OK)
            error = registry_problem(registry, other, problem);
        int committed = registry_commit(registry);
        if (committed == BASE_OK && error == BASE_OK) {
            *last = serial;
            continue;
        }
        /* Refused; the same again too, and it can be read. */
        registry_explain(registry, committed != BASE_EINVAL ? committed : error, &findings);
        return error != BASE_ESPACE && committed != BASE_ESPACE            ? 2
               : findings.by_code[REGISTRY_FULL] != 1                      ? 3
               : registry_problem(registry, other, problem) != BASE_ESPACE ? 4
               : serial_of(registry) != *last                              ? 5
                                                                           : 0;
    }
    return 6;
}

static void test_full_disk(void **state)
{
    uint32_t *last =
        mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(last != MAP_FAILED);
    registry_close(open_registry());
    int child = fork();
    if (child == 0)
        _exit(fill(last));
    finish(child, 0);
    assert_true(*last > 5);
    struct registry *registry = open_registry();
    assert_int_equal(serial_of(registry), *last);
    struct registry_published published = at_serial(*last + 1);
    assert_int_equal(registry_published(registry, &published), BASE_OK);
    registry_close(registry);
    munmap(last, sizeof(*last));
}

/* One record and the serial that goes with it, over and over. */
static void write_on(volatile uint64_t *acknowledged)
{
    struct registry *registry = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    if (registry_open(path, &findings, &registry) != BASE_OK)
        _exit(1);
    for (;;) {
        uint8_t address[4];
        uint64_t edition = *acknowledged + 1;
        memcpy(address, &(uint32_t){(uint32_t)edition}, 4);
        const struct registry_edit edit = {
            NAME("\3new\7example"), address, 60, DNS_TYPE_A, 4, true};
        if (registry_begin(registry) != BASE_OK ||
            registry_edit(registry, example, &edit, 1, &edition) != BASE_OK)
            _exit(2);
        struct registry_published published = at_serial((uint32_t)edition);
        if (registry_published(registry, &published) != BASE_OK ||
            registry_commit(registry) != BASE_OK)
            _exit(3);
        *acknowledged = edition;
    }
}

static void test_kill(void **state)
{
    volatile uint64_t *acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acknowledged != MAP_FAILED);
    unsigned seed = 1;
    for (int round = 0; round < 25; round++) {
        int child = fork();
        if (child == 0)
            write_on(acknowledged);
        usleep((useconds_t)(rand_r(&seed) % 25000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct registry *registry = open_registry();
        struct base_findings findings;
        struct zone *zone = NULL;
        uint64_t edition = 0;
        base_findings_init(&findings, 10);
        int error = registry_load(registry, example, 1, &findings, &zone, &edition);
        assert_true(error == BASE_OK || (error == BASE_ENOENT && *acknowledged == 0));
        /* At most the one that was not told of any more is there too, and all of it. */
        assert_true(edition == *acknowledged || edition == *acknowledged + 1);
        if (zone != NULL) {
            assert_int_equal(zone->rr_count, edition);
            assert_int_equal(serial_of(registry), edition);
        }
        *acknowledged = edition;
        zone_release(zone);
        base_findings_free(&findings);
        registry_close(registry);
    }
    munmap((void *)acknowledged, sizeof(*acknowledged));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_zones),     TEST(test_records),
        TEST(test_odd_names), TEST(test_transactions),
        TEST(test_threads),   TEST(test_log),
        TEST(test_tlsa),      TEST(test_former_version),
        TEST(test_damage),    TEST(test_damaged_records),
        TEST(test_backup),    TEST(test_full_disk),
        TEST(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
