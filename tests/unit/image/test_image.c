/* Publishing, reading back, differences, history, removal, full maps, damage, and a writer that is
 * killed in the midst of it. */
#include "base/buf.h"
#include "base/error.h"
#include "image/internal.h"
#include "zone/diff.h"
#include "zone_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];

static int make_directory(void **state)
{
    strcpy(directory, "/tmp/kenter-image-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    image_discard(directory);
    return rmdir(directory);
}

static struct image *open_image(void)
{
    struct image *image;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 64 << 20};
    assert_int_equal(image_open(directory, &options, &image), BASE_OK);
    return image;
}

static struct image_published publish(struct image *image, struct zone *zone, struct zone *previous)
{
    struct image_published published;
    struct image_publish request = {.zone = zone,
                                    .previous = previous,
                                    .now = 1700000000,
                                    .history_bytes = 1 << 20,
                                    .history_versions = 5};
    assert_int_equal(image_publish(image, &request, &published), BASE_OK);
    return published;
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
    assert_int_equal(a->node_count, b->node_count);
    assert_int_equal(a->rr_count, b->rr_count);
    for (size_t i = 0; i < a->node_count; i++)
        assert_memory_equal(a->nodes[i].name, b->nodes[i].name, dns_name_length(a->nodes[i].name));
}

struct walk {
    struct image_reader *reader;
    const struct image_zone *zone;
    unsigned stage;
};

/* A reader of its own, asked for one name after the other, comes to the same names. */
static int same_next(void *context, const struct image_name *name)
{
    struct walk *walk = context;
    struct image_name next;
    assert_int_equal(image_walk_next(walk->reader, walk->zone, &walk->stage, &next), BASE_OK);
    assert_ptr_equal(next.value, name->value);
    assert_int_equal(next.rrset_count, name->rrset_count);
    return BASE_OK;
}

static void assert_steps(struct image *image, struct image_reader *reader,
                         const struct image_zone *zone)
{
    struct walk walk = {.zone = zone};
    struct image_name name;
    assert_int_equal(image_reader_open(image, &walk.reader), BASE_OK);
    assert_int_equal(image_walk(reader, zone, same_next, &walk), BASE_OK);
    assert_int_equal(image_walk_next(walk.reader, zone, &walk.stage, &name), BASE_ENOENT);
    assert_int_equal(image_walk_next(walk.reader, zone, &walk.stage, &name), BASE_ENOENT);
    image_reader_close(walk.reader);
}

static void assert_holds(struct image *image, struct zone *zone)
{
    struct image_reader *reader;
    struct image_zone found;
    struct zone *loaded;
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_check(reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, zone->apex, &found), BASE_OK);
    assert_int_equal(found.serial, zone->serial);
    assert_int_equal(image_load(reader, &found, 1, &loaded), BASE_OK);
    assert_same_zone(zone, loaded);
    zone_release(loaded);
    assert_steps(image, reader, &found);
    image_reader_close(reader);
}

#define HEAD(serial)                                                                               \
    "@ 3600 SOA ns.Example. host.example. " serial " 7200 3600 86400 300\n@ 3600 NS ns.Example.\n"
#define SIG "8 2 3600 20300101000000 20200101000000 1 example. AAAA\n"

static const char *const first_text = HEAD("1") "ns A 192.0.2.1\n"
                                                "Www A 192.0.2.2\n"
                                                "www A 192.0.2.3\n"
                                                "www RRSIG A " SIG "a.b.c TXT x\n"
                                                "cut NS ns.cut\n"
                                                "ns.cut A 192.0.2.4\n"
                                                "below.ns.cut A 192.0.2.5\n"
                                                "d DNAME else.where.\n"
                                                "x.d A 192.0.2.5\n";
static const char *const second_text = HEAD("2") "ns A 192.0.2.1\n"
                                                 "Www A 192.0.2.2\n"
                                                 "www A 192.0.2.33\n"
                                                 "www RRSIG A " SIG "b.b.c TXT y\n"
                                                 "ns.cut A 192.0.2.4\n"
                                                 "below.ns.cut A 192.0.2.5\n"
                                                 "d DNAME else.where.\n"
                                                 "x.d A 192.0.2.5\n";

static size_t wire(uint8_t out[DNS_NAME_MAX], const char *text)
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
    return length;
}

static struct image_place find(struct image_reader *reader, const struct image_zone *zone,
                               const char *text)
{
    uint8_t owner[DNS_NAME_MAX], key[DNS_KEY_MAX];
    struct image_place place;
    wire(owner, text);
    size_t length = dns_name_key(key, owner, zone->apex_labels);
    assert_int_equal(image_find(reader, zone, key, length, &place), BASE_OK);
    return place;
}

static void test_find(void **state)
{
    struct image *image = open_image();
    struct zone *zone = zone_from_text(first_text, "example.");
    assert_true(publish(image, zone, NULL).whole);
    assert_holds(image, zone);
    struct image_reader *reader;
    struct image_zone found;
    uint8_t name[DNS_NAME_MAX];
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    wire(name, "x.y.WWW.example.");
    assert_int_equal(image_zone_find(reader, name, false, &found), BASE_OK);
    assert_int_equal(found.negative_ttl, 300);
    assert_int_equal(found.denial, IMAGE_UNSIGNED);
    wire(name, "example.");
    assert_int_equal(image_zone_find(reader, name, true, &found), BASE_ENOENT);
    assert_int_equal(image_zone_find(reader, name, false, &found), BASE_OK);
    wire(name, "fexample.");
    struct image_zone other;
    assert_int_equal(image_zone_find(reader, name, false, &other), BASE_ENOENT);

    struct image_place place = find(reader, &found, "wWw.eXample.");
    assert_int_equal(place.match, IMAGE_EXACT);
    assert_memory_equal(place.name.labels, "\3Www", 4);
    struct image_rrset rrset;
    assert_int_equal(image_rrset(&place.name, DNS_TYPE_A, &rrset), BASE_OK);
    assert_int_equal(rrset.count, 2);
    assert_int_equal(rrset.signatures, 1);
    assert_memory_equal(rrset.records, "\xC0\x0C\0\1\0\1\0\0\x0E\x10\0\4\xC0\0\2\2", 16);
    assert_int_equal(image_rrset(&place.name, DNS_TYPE_AAAA, &rrset), BASE_ENOENT);

    place = find(reader, &found, "c.example.");
    assert_int_equal(place.match, IMAGE_ENT);
    place = find(reader, &found, "z.b.c.example.");
    assert_int_equal(place.match, IMAGE_ABSENT);
    assert_int_equal(place.shared, 2);
    place = find(reader, &found, "zz.ns.cut.example.");
    assert_int_equal(place.shared, 2);
    assert_int_equal(place.name.occluder, 2); /* cut.example. */
    place = find(reader, &found, "zz.d.example.");
    assert_int_equal(place.name.occluder, 2);
    assert_int_equal(place.previous, 1);
    place = find(reader, &found, "e.example.");
    assert_int_equal(place.previous, 0);
    image_reader_close(reader);
    zone_release(zone);
    image_close(image);
}

static int count_piece(void *context, const struct image_history *piece)
{
    size_t *count = context;
    *count += piece->first;
    return BASE_OK;
}

static size_t steps_from(struct image *image, const char *apex, uint32_t serial)
{
    struct image_reader *reader;
    struct image_zone zone;
    uint8_t name[DNS_NAME_MAX];
    size_t count = 0;
    wire(name, apex);
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, name, &zone), BASE_OK);
    int error = image_history(reader, &zone, serial, count_piece, &count);
    assert_true(error == BASE_OK || error == BASE_ENOENT);
    image_reader_close(reader);
    return error == BASE_OK ? count : 0;
}

static void test_difference(void **state)
{
    struct image *image = open_image();
    struct zone *first = zone_from_text(first_text, "example.");
    struct zone *second = zone_from_text(second_text, "example.");
    publish(image, first, NULL);
    struct image_published published = publish(image, second, first);
    assert_false(published.whole);
    /* apex, www, a.b.c, b.b.c, cut; ns.cut and below are no longer occluded. */
    assert_int_equal(published.names_written, 7);
    assert_holds(image, second);
    assert_int_equal(steps_from(image, "example.", 1), 1);
    assert_int_equal(steps_from(image, "example.", 7), 0);
    /* Something that the image does not hold: written as a whole, history gone. */
    published = publish(image, first, first);
    assert_true(published.whole);
    assert_holds(image, first);
    assert_int_equal(steps_from(image, "example.", 1), 0);
    /* Read back, the version serves as the previous one. */
    struct image_reader *reader;
    struct image_zone found;
    struct zone *loaded;
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, first->apex, &found), BASE_OK);
    assert_int_equal(image_load(reader, &found, 2, &loaded), BASE_OK);
    image_reader_close(reader);
    published = publish(image, second, loaded);
    assert_false(published.whole);
    assert_int_equal(published.names_written, 7);
    assert_holds(image, second);
    zone_release(loaded);
    zone_release(first);
    zone_release(second);
    image_close(image);
}

/* --- the content of history --- */

struct step {
    uint8_t octets[65536];
    size_t length;
    size_t changes[2]; /* expected: removed, added */
    struct {
        const uint8_t *owner;
        const struct dns_rr *rr;
    } expected[2][512];
};

static int gather_piece(void *context, const struct image_history *piece)
{
    struct step *step = context;
    assert_true(step->length + piece->length <= sizeof(step->octets));
    memcpy(step->octets + step->length, piece->data, piece->length);
    step->length += piece->length;
    return BASE_OK;
}

static int expect_change(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    struct step *step = context;
    if (rr->type == DNS_TYPE_SOA)
        return BASE_OK;
    size_t at = step->changes[change == ZONE_ADDED]++;
    step->expected[change == ZONE_ADDED][at].owner = owner;
    step->expected[change == ZONE_ADDED][at].rr = rr;
    return BASE_OK;
}

/* A record at the cursor is this one. */
static void assert_next(struct base_reader *reader, const uint8_t *owner, const struct dns_rr *rr)
{
    size_t length = dns_name_length(owner);
    const uint8_t *name = base_reader_bytes(reader, length);
    assert_non_null(name);
    assert_true(dns_name_equal(name, owner));
    assert_int_equal(base_reader_u16(reader), rr->type);
    assert_int_equal(base_reader_u16(reader), DNS_CLASS_IN);
    assert_int_equal(base_reader_u32(reader), rr->ttl);
    assert_int_equal(base_reader_u16(reader), rr->length);
    const uint8_t *rdata = base_reader_bytes(reader, rr->length);
    assert_non_null(rdata);
    assert_memory_equal(rdata, rr->rdata, rr->length);
}

/* The newest step says what differs between two zones, in the order of IXFR. */
static void assert_step(struct image *image, struct zone *from, struct zone *to)
{
    struct image_reader *reader;
    struct image_zone zone;
    struct step *step = calloc(1, sizeof(*step));
    if (step == NULL)
        abort();
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, to->apex, &zone), BASE_OK);
    assert_int_equal(image_history(reader, &zone, from->serial, gather_piece, step), BASE_OK);
    image_reader_close(reader);
    zone_diff(from, to, &(struct zone_diff_options){0}, expect_change, step);
    struct base_reader octets = base_reader_make(step->octets, step->length);
    for (int side = 0; side < 2; side++) {
        const struct zone *one = side == 0 ? from : to;
        assert_next(&octets, one->apex, one->soa);
        for (size_t i = 0; i < step->changes[side]; i++)
            assert_next(&octets, step->expected[side][i].owner, step->expected[side][i].rr);
    }
    assert_int_equal(base_reader_left(&octets), 0);
    free(step);
}

/* A chain of random versions, each checked against what it was made from. */
static struct zone *random_version(unsigned serial, unsigned *seed)
{
    char text[16384];
    int at = snprintf(text, sizeof(text), "@ 60 SOA a. b. %u 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n",
                      serial);
    for (int i = 0; i < 60; i++) {
        unsigned random = (unsigned)rand_r(seed);
        static const char *const types[] = {"A 192.0.2.%u", "NS ns%u.example.", "TXT t%u",
                                            "DNAME d%u."};
        char rdata[64];
        snprintf(rdata, sizeof(rdata),
                 types[random % 16 < 2    ? random % 16 + 1
                       : random % 16 == 3 ? 3
                                          : 0],
                 random >> 8 & 3);
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%c%s%c 60 %s\n",
                       'a' + (random >> 12 & 7), random & 0x8000 ? "." : "",
                       'a' + (random >> 16 & 7), rdata);
    }
    return zone_from_text(text, "example.");
}

struct touched {
    const uint8_t *names[1024];
    size_t count;
};

static int touch(void *context, enum zone_change change, const uint8_t *owner,
                 const struct dns_rr *rr)
{
    struct touched *touched = context;
    if (touched->count == 0 || !dns_name_equal(touched->names[touched->count - 1], owner))
        touched->names[touched->count++] = owner;
    return BASE_OK;
}

static int hash_value(void *context, const struct image_name *name)
{
    uint64_t *hash = context;
    for (uint32_t i = 0; i < name->length; i++)
        *hash = (*hash ^ name->value[i]) * 0x100000001b3u;
    return BASE_OK;
}

/* Over all values of a zone. */
static uint64_t hash_values(struct image *image, const struct zone *of)
{
    struct image_reader *reader;
    struct image_zone zone;
    uint64_t hash = 0xcbf29ce484222325u;
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, of->apex, &zone), BASE_OK);
    assert_int_equal(image_walk(reader, &zone, hash_value, &hash), BASE_OK);
    image_reader_close(reader);
    return hash;
}

/* Given the names that differ, the outcome is the same as by comparing everything; a name that is
 * missing is noticed when its records are more or fewer. */
static void test_touched(void **state)
{
    struct image *image = open_image();
    unsigned seed = 43;
    struct zone *previous = random_version(1, &seed);
    publish(image, previous, NULL);
    for (unsigned serial = 2; serial <= 80; serial++) {
        struct zone *zone = random_version(serial, &seed);
        struct touched touched = {.count = 0};
        zone_diff(previous, zone, &(struct zone_diff_options){0}, touch, &touched);
        struct image_publish request = {.zone = zone,
                                        .previous = previous,
                                        .touched = touched.names,
                                        .touched_count = touched.count,
                                        .history_bytes = 1 << 20,
                                        .history_versions = 5};
        struct image_published published;
        request.touched_count = 1;
        if (zone->rr_count != previous->rr_count)
            assert_int_equal(image_publish(image, &request, &published), BASE_EINVAL);
        request.touched_count = touched.count;
        if (serial % 2 == 0)
            request.touched = NULL;
        assert_int_equal(image_publish(image, &request, &published), BASE_OK);
        assert_false(published.whole);
        assert_holds(image, zone);
        assert_step(image, previous, zone);
        /* Written as a whole, the values are the same, flags and all. */
        uint64_t values = hash_values(image, zone);
        assert_true(publish(image, zone, NULL).whole);
        assert_true(hash_values(image, zone) == values);
        zone_release(previous);
        previous = zone;
    }
    zone_release(previous);
    image_close(image);
}

static void test_random_differences(void **state)
{
    struct image *image = open_image();
    unsigned seed = 42;
    struct zone *previous = NULL;
    for (unsigned serial = 1; serial <= 60; serial++) {
        struct zone *zone = random_version(serial, &seed);
        assert_int_equal(publish(image, zone, previous).whole, previous == NULL);
        assert_holds(image, zone);
        if (previous != NULL)
            assert_step(image, previous, zone);
        zone_release(previous);
        previous = zone;
    }
    assert_int_equal(steps_from(image, "example.", 59), 1);
    assert_int_equal(steps_from(image, "example.", 55), 5);
    assert_int_equal(steps_from(image, "example.", 54), 0);
    zone_release(previous);
    image_close(image);
}

static void test_remove_and_batch(void **state)
{
    struct image *image = open_image();
    struct zone *a = zone_from_text(HEAD("1") "ns A 192.0.2.1\n", "example.");
    struct zone *b = zone_from_text(HEAD("2") "x A 192.0.2.1\n", "sub.example.");
    struct zone *root = zone_from_text(HEAD("3") "x A 192.0.2.1\n", ".");
    assert_int_equal(image_begin(image), BASE_OK);
    publish(image, a, NULL);
    publish(image, b, NULL);
    publish(image, root, NULL);
    assert_int_equal(image_commit(image), BASE_OK);
    struct image_reader *reader;
    struct image_zone found;
    uint8_t name[DNS_NAME_MAX];
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    static const struct {
        const char *name;
        bool strictly;
        uint32_t serial;
    } cases[] = {{"example.", false, 1},      {"example.", true, 3}, {"sub.example.", true, 1},
                 {"a.sub.example.", true, 2}, {"b.", false, 3},      {".", false, 3},
                 {"z.example.", false, 1},    {"z.", false, 3}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        wire(name, cases[i].name);
        assert_int_equal(image_zone_find(reader, name, cases[i].strictly, &found), BASE_OK);
        assert_int_equal(found.serial, cases[i].serial);
    }
    uint64_t set = image_zone_set(reader);
    image_reader_release(reader);
    assert_int_equal(image_remove(image, a->apex), BASE_OK);
    assert_int_equal(image_remove(image, a->apex), BASE_ENOENT);
    assert_int_equal(image_reader_renew(reader), BASE_OK);
    assert_true(image_zone_set(reader) != set);
    wire(name, "z.example.");
    assert_int_equal(image_zone_find(reader, name, false, &found), BASE_OK);
    assert_int_equal(found.serial, 3);
    image_reader_close(reader);
    assert_holds(image, b);
    assert_holds(image, root);
    /* What is aborted did not happen. */
    assert_int_equal(image_begin(image), BASE_OK);
    publish(image, a, NULL);
    image_abort(image);
    assert_int_equal(image_remove(image, a->apex), BASE_ENOENT);
    zone_release(a);
    zone_release(b);
    zone_release(root);
    image_close(image);
}

static void assert_template(struct image_reader *reader, const uint8_t *apex, uint64_t expected)
{
    struct image_zone found;
    assert_int_equal(image_reader_renew(reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, apex, &found), BASE_OK);
    assert_int_equal(found.template, expected);
}

static void test_template(void **state)
{
    struct image *image = open_image();
    struct zone *a = zone_from_text(HEAD("1") "ns A 192.0.2.1\n", "example.");
    struct zone *b = zone_from_text(HEAD("2") "ns A 192.0.2.2\n", "example.");
    struct image_reader *reader;
    assert_int_equal(image_set_template(image, a->apex, 7), BASE_ENOENT);
    publish(image, a, NULL);
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_template(reader, a->apex, 0);
    assert_int_equal(image_set_template(image, a->apex, UINT64_MAX - 1), BASE_OK);
    assert_template(reader, a->apex, UINT64_MAX - 1);
    publish(image, b, a);
    assert_template(reader, a->apex, UINT64_MAX - 1);
    publish(image, a, NULL);
    assert_template(reader, a->apex, UINT64_MAX - 1);
    assert_int_equal(image_remove(image, a->apex), BASE_OK);
    publish(image, a, NULL);
    assert_template(reader, a->apex, 0);
    image_reader_close(reader);
    assert_holds(image, a);
    zone_release(a);
    zone_release(b);
    image_close(image);
}

/* A zone with names of which each has about 100 octets of data. */
static struct zone *big_zone(unsigned names, unsigned serial)
{
    struct base_buf text;
    base_buf_init(&text, 160 * ((size_t)names + 10));
    base_buf_printf(&text, "@ 60 SOA a. b. %u 1 1 1 1\n@ NS ns.example.\n", serial);
    for (unsigned i = 0; i < names; i++)
        base_buf_printf(&text, "n%u 60 TXT %060u\n", i, i + serial);
    struct zone *zone = zone_from_text(base_buf_string(&text), "example.");
    base_buf_free(&text);
    return zone;
}

/* Names of all kinds: short and long values, such that have pages of their own, empty names. */
static struct zone *mixed_zone(const char *origin, unsigned names)
{
    struct base_buf text;
    base_buf_init(&text, 8 << 20);
    base_buf_printf(&text, "$ORIGIN %s\n@ 60 SOA a. b. 1 1 1 1 1\n@ NS ns.elsewhere.\n", origin);
    for (unsigned i = 0; i < names; i++) {
        base_buf_printf(&text, "n%u%s 60 TXT %060u\n", i * 7, i % 5 == 0 ? ".below.it" : "", i);
        for (unsigned k = 0; k < 60 && i % 50 == 3; k++)
            base_buf_printf(&text, "n%u 60 TXT %0100u\n", i * 7, k);
    }
    struct zone *zone = zone_from_text(base_buf_string(&text), origin);
    base_buf_free(&text);
    return zone;
}

/* A name near those of the zone: there, missing, empty, deeper, in front of and behind all. */
static void random_name(char out[100], const char *origin, unsigned *seed)
{
    static const char *const before[] = {"n", "n", "n", "it.", "", "", "a", "z"};
    static const char *const behind[] = {".", ".below.it.", "x.", NULL, ".n70.", NULL, ".", "."};
    *seed = *seed * 1103515245 + 12345;
    unsigned shape = *seed >> 8 & 7, number = (*seed >> 12) % 35000;
    if (behind[shape] == NULL)
        snprintf(out, 100, "%s%s", before[shape], origin);
    else
        snprintf(out, 100, "%s%u%s%s", before[shape], number, behind[shape], origin);
}

static void assert_same_place(const struct image_place *a, const struct image_place *b)
{
    assert_int_equal(a->match, b->match);
    assert_ptr_equal(a->name.value, b->name.value);
    assert_int_equal(a->name.length, b->name.length);
    assert_ptr_equal(a->name.directory, b->name.directory);
    if (a->match != IMAGE_EXACT) {
        assert_int_equal(a->shared, b->shared);
        assert_int_equal(a->previous, b->previous);
    }
}

/* Batches that are looked for at the same time give what single look-ups do. */
static void assert_fetches(struct image_reader *reader, struct image_reader *plain,
                           const char *origin)
{
    uint8_t wires[IMAGE_FETCH_MAX][DNS_NAME_MAX], apex[DNS_NAME_MAX];
    const uint8_t *names[IMAGE_FETCH_MAX];
    char texts[IMAGE_FETCH_MAX][100];
    struct image_zone zone;
    unsigned seed = 1;
    wire(apex, origin);
    for (int i = 0; i < 2; i++)
        assert_int_equal(image_zone_find(reader, apex, false, &zone), BASE_OK);
    for (int round = 0; round < 300; round++) {
        unsigned count = 1 + (unsigned)round % IMAGE_FETCH_MAX;
        for (unsigned i = 0; i < count; i++) {
            random_name(texts[i], origin, &seed);
            wire(wires[i], texts[i]);
            names[i] = wires[i];
        }
        image_fetch(reader, names, count);
        assert_int_equal(reader->probe_count, count);
        for (unsigned i = 0; i < count; i++) {
            if ((i + (unsigned)round) % 7 == 0)
                continue; /* not asked after all */
            struct image_place got = find(reader, &zone, texts[i]);
            struct image_place expected = find(plain, &zone, texts[i]);
            assert_same_place(&got, &expected);
            got = find(reader, &zone, texts[i]); /* once more: by LMDB */
            assert_same_place(&got, &expected);
        }
    }
}

static void test_fetch(void **state)
{
    struct image *image = open_image();
    static const char *const origins[] = {"b.", "c.", "a."};
    struct image_reader *reader, *plain;
    for (unsigned i = 0; i < 3; i++) {
        struct zone *zone = mixed_zone(origins[i], i == 1 ? 20 : 4500);
        publish(image, zone, NULL);
        zone_release(zone);
    }
    assert_int_equal(image_reader_open(image, &reader), BASE_OK);
    assert_int_equal(image_reader_open(image, &plain), BASE_OK);
    assert_true(reader->pages.depth >= 3); /* else LMDB's pages are not what we believe */
    for (unsigned i = 0; i < 3; i++)
        assert_fetches(reader, plain, origins[i]);
    /* Another moment: nothing of what was found before is given. */
    struct image_zone zone;
    uint8_t apex[DNS_NAME_MAX], owner[DNS_NAME_MAX];
    const uint8_t *names[] = {owner};
    struct image_place place;
    wire(apex, "a.");
    wire(owner, "n7.a.");
    for (int i = 0; i < 2; i++)
        assert_int_equal(image_zone_find(reader, apex, false, &zone), BASE_OK);
    assert_int_equal(image_find_often(reader, &zone, apex, 0, &place), BASE_OK);
    const uint8_t *before = place.name.value;
    image_fetch(reader, names, 1);
    struct zone *next = big_zone(10, 1),
                *a = zone_from_text("@ 60 SOA a. b. 2 1 1 1 1\n@ NS a.\n", "a.");
    image_reader_release(plain);
    publish(image, a, NULL);
    publish(image, next, NULL);
    assert_int_equal(image_reader_renew(reader), BASE_OK);
    assert_int_equal(image_zone_find(reader, apex, false, &zone), BASE_OK);
    assert_int_equal(find(reader, &zone, "n7.a.").match, IMAGE_ABSENT);
    assert_int_equal(image_find_often(reader, &zone, apex, 0, &place), BASE_OK);
    assert_true(place.name.value != before);
    zone_release(next);
    zone_release(a);
    image_reader_close(plain);
    image_reader_close(reader);
    image_close(image);
}

static void test_full(void **state)
{
    struct image *image;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 2 << 20};
    assert_int_equal(image_open(directory, &options, &image), BASE_OK);
    struct zone *small = big_zone(100, 1), *large = big_zone(20000, 2);
    publish(image, small, NULL);
    struct image_publish request = {.zone = large, .previous = small};
    for (int i = 0; i < 3; i++)
        assert_int_equal(image_publish(image, &request, NULL), BASE_ESPACE);
    assert_holds(image, small);
    struct zone *next = big_zone(100, 3);
    publish(image, next, small);
    assert_holds(image, next);
    zone_release(small);
    zone_release(large);
    zone_release(next);
    image_close(image);
}

static void test_missing_and_damaged(void **state)
{
    struct image *image;
    struct image_options reader = {0}, writer = {.writer = true};
    assert_int_equal(image_open(directory, &reader, &image), BASE_ENOENT);
    image = open_image();
    struct zone *zone = big_zone(2000, 1);
    publish(image, zone, NULL);
    zone_release(zone);
    image_close(image);
    char path[128];
    snprintf(path, sizeof(path), "%s/data.mdb", directory);
    /* Cut short. */
    assert_int_equal(truncate(path, 40960), 0);
    assert_int_equal(image_open(directory, &reader, &image), BASE_EFORMAT);
    assert_int_equal(image_open(directory, &writer, &image), BASE_EFORMAT);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(image_open(directory, &writer, &image), BASE_EFORMAT);
    /* Something else. */
    int file = open(path, O_WRONLY | O_TRUNC);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(file, "not an image ", 13), 13);
    close(file);
    assert_int_equal(image_open(directory, &writer, &image), BASE_EFORMAT);
    assert_int_equal(image_discard(directory), BASE_OK);
    image = open_image();
    image_close(image);
}

/* As the format of before was: no index of expiry, and its number. */
static void make_format_1(unsigned databases)
{
    static const char *const names[] = {"about", "zones", "names", "nsec3", "history", "expiry"};
    uint8_t number[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    MDB_val key = {6, (void *)(uintptr_t) "format"}, value = {8, number};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi, about = 0;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, databases), 0);
    assert_int_equal(mdb_env_open(env, directory, 0, 0640), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    for (unsigned i = 0; i < databases; i++) {
        assert_int_equal(mdb_dbi_open(txn, names[i], MDB_CREATE, &dbi), 0);
        about = i == 0 ? dbi : about;
    }
    assert_int_equal(mdb_put(txn, about, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* It is refused, for it is only derived: whoever owns it removes it and builds it anew. */
static void test_older_format(void **state)
{
    struct image *image;
    struct image_options reader = {0}, writer = {.writer = true};
    for (unsigned databases = 5; databases <= 6; databases++) {
        make_format_1(databases);
        assert_int_equal(image_is_whole(directory), BASE_OK);
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(image_open(directory, &reader, &image), BASE_EFORMAT);
            assert_int_equal(image_open(directory, &writer, &image), BASE_EFORMAT);
        }
        assert_int_equal(image_discard(directory), BASE_OK);
        image = open_image();
        struct zone *zone = big_zone(20, 1);
        publish(image, zone, NULL);
        zone_release(zone);
        image_close(image);
        assert_int_equal(image_discard(directory), BASE_OK);
    }
}

/* Killed at any time, the image holds one of the versions, whole. */
static void test_killed(void **state)
{
    struct zone *versions[4];
    for (unsigned i = 0; i < 4; i++)
        versions[i] = big_zone(300, i + 1);
    struct image *image = open_image();
    publish(image, versions[0], NULL);
    image_close(image);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            image = open_image();
            for (unsigned i = 0;; i++) {
                struct image_publish request = {.zone = versions[i % 4],
                                                .previous = versions[(i + 3) % 4],
                                                .history_bytes = 1 << 20,
                                                .history_versions = 3};
                if (image_publish(image, &request, NULL) != BASE_OK)
                    _exit(1);
            }
        }
        usleep(5000 + (unsigned)round * 1700);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        image = open_image();
        struct image_reader *reader;
        struct image_zone found;
        assert_int_equal(image_reader_open(image, &reader), BASE_OK);
        assert_int_equal(image_zone_get(reader, versions[0]->apex, &found), BASE_OK);
        assert_in_range(found.serial, 1, 4);
        image_reader_close(reader);
        assert_holds(image, versions[found.serial - 1]);
        image_close(image);
    }
    for (unsigned i = 0; i < 4; i++)
        zone_release(versions[i]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_find),
        TEST(test_fetch),
        TEST(test_difference),
        TEST(test_random_differences),
        TEST(test_touched),
        TEST(test_remove_and_batch),
        TEST(test_template),
        TEST(test_full),
        TEST(test_missing_and_damaged),
        TEST(test_older_format),
        TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
