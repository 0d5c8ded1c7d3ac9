/* Views of the image, and publishing changes: what the image holds after a change is to the octet
 * what it holds after the whole new version was published; and what expires is found. */
#include "base/buf.h"
#include "base/error.h"
#include "base/reader.h"
#include "image/image.h"
#include "zone/diff.h"
#include "zone_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#define NOW 1700000000

/* --- random versions --- */

static unsigned below(unsigned *seed, unsigned limit)
{
    return ((unsigned)rand_r(seed) >> 7) % limit;
}

static void random_owner(struct base_buf *buf, unsigned *seed)
{
    static const char *const labels[] = {"a", "B", "c", "*", "d"};
    for (unsigned depth = 1 + below(seed, 3); depth > 0; depth--)
        base_buf_printf(buf, "%s%s", labels[below(seed, 5)], depth > 1 ? "." : "");
}

static void random_record(struct base_buf *buf, unsigned *seed)
{
    static const char hash[] = "0123456789abcdefghijklmnopqrstuv";
    unsigned kind = below(seed, 20);
    if (kind >= 16) {
        /* The owner of some hashes has something else, too. */
        unsigned at = below(seed, 8) * 4;
        if (kind == 18)
            base_buf_printf(buf,
                            "%c%.31s 60 RRSIG NSEC3 13 2 60 20%u0101000000 20200101000000 1 "
                            "example. AAAA\n",
                            hash[at], "23456789abcdefghijklmnopqrstuv0", 24 + below(seed, 3));
        base_buf_printf(buf, "%c%.31s ", hash[at], "23456789abcdefghijklmnopqrstuv0");
        if (kind == 19)
            base_buf_text(buf, "60 TXT plain\n");
        else
            base_buf_printf(buf, "60 NSEC3 1 0 0 - %.32s A\n", hash);
        return;
    }
    random_owner(buf, seed);
    unsigned number = below(seed, 3);
    if (kind < 2)
        base_buf_printf(buf, " 60 NS ns%u.example.\n", number);
    else if (kind == 2)
        base_buf_printf(buf, " 60 DNAME d%u.\n", number);
    else if (kind == 3)
        base_buf_printf(buf, " 60 DS %u 13 2 %064u\n", number, number);
    else if (kind < 6)
        base_buf_printf(buf,
                        " 60 RRSIG %s 13 2 60 20%u0%u01000000 20200101000000 1 example. AAAA\n",
                        kind == 4 ? "A" : "CAA", 24 + number, 1 + below(seed, 9));
    else if (kind < 8)
        base_buf_printf(buf, " 60 CAA 0 issue \"%u\"\n", number);
    else
        base_buf_printf(buf, " 60 A 192.0.2.%u\n", number);
}

/* A version is made of records, of which the next one has most. */
#define RECORDS 40
struct version {
    unsigned records[RECORDS]; /* each from a seed */
    unsigned serial, minimum;
    bool dname, param;
};

static void change_version(struct version *version, unsigned *seed)
{
    for (unsigned i = below(seed, 5); i > 0; i--)
        version->records[below(seed, RECORDS)] = (unsigned)rand_r(seed);
    version->serial++;
    version->dname = below(seed, 12) == 0;
    version->param ^= below(seed, 8) == 0;
    version->minimum = below(seed, 4) == 0 ? 30 : 90;
}

static struct zone *make_zone(const struct version *version)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_printf(&buf, "@ 60 SOA a. b. %u 1 1 1 %u\n@ 60 NS ns\nns 60 A 192.0.2.1\n",
                    version->serial, version->minimum);
    if (version->dname)
        base_buf_text(&buf, "@ 60 DNAME else.where.\n");
    if (version->param)
        base_buf_text(&buf, "@ 0 NSEC3PARAM 1 0 3 AB\n");
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned seed = version->records[i];
        if (seed % 3 != 0)
            random_record(&buf, &seed);
    }
    struct zone *zone = zone_from_text(base_buf_string(&buf), "example.");
    base_buf_free(&buf);
    return zone;
}

/* --- the change between two versions --- */

/* How deep the topmost cut or DNAME is that a name is or lies below. */
static int barrier_depth(const struct zone *zone, const uint8_t *name)
{
    int labels = (int)dns_name_labels(name);
    for (int depth = (int)zone->apex_labels; depth <= labels; depth++) {
        const struct zone_node *node =
            zone_find(zone, dns_name_parent(name, (unsigned)(labels - depth)), NULL);
        if (node != NULL && (node->flags & (ZONE_CUT | ZONE_DNAME)) != 0)
            return depth;
    }
    return -1;
}

static int say_different(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    return BASE_EMISMATCH;
}

struct both {
    const struct zone *from, *to;
};

/* Is a name in the change? */
static bool differs(const struct both *both, const uint8_t *name)
{
    const struct zone_node *old = zone_find(both->from, name, NULL);
    const struct zone_node *new = zone_find(both->to, name, NULL);
    if (old == NULL || new == NULL)
        return true;
    return old->flags != new->flags ||
           barrier_depth(both->from, name) != barrier_depth(both->to, name) ||
           zone_diff_node(both->from, old, both->to, new, &(struct zone_diff_options){0},
                          say_different, NULL) != BASE_OK;
}

static bool keep_different(void *context, const struct zone_node *node,
                           const struct zone_rrset *rrset)
{
    return differs(context, node->name);
}

static struct zone *part_of(struct zone *zone, struct both *both)
{
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone_batch_writer writer;
    struct zone *out;
    assert_int_equal(zone_batch_writer_init(&writer, zone->apex), BASE_OK);
    struct zone_compose compose = {
        .base = zone, .keep = keep_different, .context = both, .extra = writer.batch, .threads = 1};
    assert_int_equal(zone_compose(&compose, &findings, &out), BASE_OK);
    base_findings_free(&findings);
    return out;
}

static struct zone_delta delta_of(struct zone *from, struct zone *to)
{
    struct both both = {from, to};
    return (struct zone_delta){part_of(from, &both), part_of(to, &both)};
}

/* --- two images --- */

static char directories[2][64];

static struct image *open_image(int which)
{
    strcpy(directories[which], "/tmp/kenter-change-XXXXXX");
    assert_non_null(mkdtemp(directories[which]));
    struct image *image;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 64 << 20};
    assert_int_equal(image_open(directories[which], &options, &image), BASE_OK);
    return image;
}

static void close_image(struct image *image, int which)
{
    image_close(image);
    image_discard(directories[which]);
    rmdir(directories[which]);
}

static void publish(struct image *image, struct zone *zone)
{
    struct image_publish request = {
        .zone = zone, .now = NOW, .earliest_expiry = NOW + 5000000, .next_resign = 77};
    assert_int_equal(image_publish(image, &request, NULL), BASE_OK);
}

struct look {
    struct image_reader *reader;
    struct image_zone zone;
};

static struct look look(struct image *image, const struct zone *zone)
{
    struct look out;
    assert_int_equal(image_reader_open(image, &out.reader), BASE_OK);
    assert_int_equal(image_check(out.reader), BASE_OK);
    assert_int_equal(image_zone_get(out.reader, zone->apex, &out.zone), BASE_OK);
    return out;
}

static int same_value(void *context, const struct image_name *name)
{
    struct look *other = context;
    struct image_name twin;
    static unsigned stage;
    if (name == NULL) {
        int error = image_walk_next(other->reader, &other->zone, &stage, &twin);
        stage = 0;
        return error;
    }
    assert_int_equal(image_walk_next(other->reader, &other->zone, &stage, &twin), BASE_OK);
    assert_int_equal(name->length, twin.length);
    assert_memory_equal(name->value, twin.value, twin.length);
    return BASE_OK;
}

/* --- what expires, found by going over everything --- */

/* When the first signature of a node expires: those of NSEC3, or all others; 0: it has none. */
static uint32_t expiry_of(const struct zone *zone, const struct zone_node *node, bool hashed)
{
    const struct zone_rrset *rrset = zone_rrset(zone, node, DNS_TYPE_RRSIG);
    uint32_t first = 0;
    for (unsigned i = 0; rrset != NULL && i < rrset->count; i++) {
        const uint8_t *rdata = zone->rrs[rrset->first_rr + i]->rdata;
        uint32_t at = base_load_u32(rdata + 8);
        if ((base_load_u16(rdata) == DNS_TYPE_NSEC3) == hashed && (first == 0 || at < first))
            first = at;
    }
    return first;
}

struct seen {
    const struct zone *zone;
    base_time until, last;
    size_t count;
};

static int see_expiring(void *context, const uint8_t *owner)
{
    struct seen *seen = context;
    const struct zone_node *node = zone_find(seen->zone, owner, NULL);
    assert_non_null(node);
    uint32_t data = expiry_of(seen->zone, node, false), hashed = expiry_of(seen->zone, node, true);
    assert_true((data != 0 && data <= seen->until) || (hashed != 0 && hashed <= seen->until));
    seen->count++;
    return BASE_OK;
}

static void assert_expiring(struct image *image, const struct zone *zone, base_time until)
{
    struct look at = look(image, zone);
    struct seen seen = {.zone = zone, .until = until};
    base_time rest = 0, next;
    size_t due = 0;
    for (size_t i = 0; i < 2 * zone->node_count; i++) {
        uint32_t expiry = expiry_of(zone, &zone->nodes[i / 2], i % 2);
        due += expiry != 0 && expiry <= until;
        if (expiry > until && (rest == 0 || expiry < rest))
            rest = expiry;
    }
    assert_int_equal(
        image_expiring(at.reader, &at.zone, until, SIZE_MAX, see_expiring, &seen, &next), BASE_OK);
    assert_int_equal(seen.count, due);
    assert_int_equal(next, rest);
    seen.count = 0;
    assert_int_equal(
        image_expiring(at.reader, &at.zone, until, due / 2, see_expiring, &seen, &next), BASE_OK);
    assert_int_equal(seen.count, due / 2);
    if (due > 0)
        assert_true(next != 0 && next <= until);
    image_reader_close(at.reader);
}

static void assert_same_image(struct image *a, struct image *b, struct zone *zone)
{
    struct look x = look(a, zone), y = look(b, zone);
    assert_int_equal(image_walk(x.reader, &x.zone, same_value, &y), BASE_OK);
    assert_int_equal(same_value(&y, NULL), BASE_ENOENT);
    assert_int_equal(x.zone.nodes, y.zone.nodes);
    assert_int_equal(x.zone.records, y.zone.records);
    assert_int_equal(x.zone.serial, y.zone.serial);
    assert_int_equal(x.zone.negative_ttl, y.zone.negative_ttl);
    assert_int_equal(x.zone.denial, y.zone.denial);
    assert_int_equal(x.zone.iterations, y.zone.iterations);
    assert_int_equal(x.zone.salt_length, y.zone.salt_length);
    assert_int_equal(x.zone.next_resign, y.zone.next_resign);
    struct zone *loaded;
    assert_int_equal(image_load(x.reader, &x.zone, 1, &loaded), BASE_OK);
    assert_int_equal(zone_diff(loaded, zone, &(struct zone_diff_options){0}, say_different, NULL),
                     BASE_OK);
    zone_release(loaded);
    image_reader_close(x.reader);
    image_reader_close(y.reader);
}

/* --- views --- */

static int gather(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct base_buf *buf = context;
    base_buf_u16(buf, type);
    base_buf_u32(buf, ttl);
    base_buf_append(buf, rdata, length);
    return BASE_OK;
}

typedef int (*neighbour)(void *context, const uint8_t *name, uint8_t *out);

static void same_neighbour(neighbour a, void *x, neighbour b, void *y, const uint8_t *name,
                           size_t fixed)
{
    uint8_t one[DNS_NAME_MAX], two[DNS_NAME_MAX];
    int error = a(x, name, one);
    assert_int_equal(error, b(y, name, two));
    if (error == BASE_OK)
        assert_memory_equal(one, two, fixed != 0 ? fixed : dns_name_length(two));
}

typedef int (*records)(void *context, const uint8_t *name, zone_view_visit *visit, void *visitor);

static void same_records(records a, void *x, records b, void *y, const uint8_t *name)
{
    struct base_buf one, two;
    base_buf_init(&one, 1 << 20);
    base_buf_init(&two, 1 << 20);
    int error = a(x, name, gather, &one);
    assert_int_equal(error, b(y, name, gather, &two));
    assert_int_equal(one.length, two.length);
    if (one.length > 0)
        assert_memory_equal(one.data, two.data, one.length);
    base_buf_free(&one);
    base_buf_free(&two);
}

static void same_at(const struct zone_view *a, const struct zone_view *b, const uint8_t *name)
{
    same_neighbour(a->owner, a->context, b->owner, b->context, name, 0);
    same_neighbour(a->before, a->context, b->before, b->context, name, 0);
    same_neighbour(a->after, a->context, b->after, b->context, name, 0);
    same_records(a->records, a->context, b->records, b->context, name);
}

static void same_at_hash(const struct zone_view *a, const struct zone_view *b, const uint8_t *hash)
{
    const size_t fixed = ZONE_VIEW_HASH;
    same_neighbour(a->hash_before, a->context, b->hash_before, b->context, hash, fixed);
    same_neighbour(a->hash_after, a->context, b->hash_after, b->context, hash, fixed);
    same_records(a->hash_records, a->context, b->hash_records, b->context, hash);
}

/* The view of the image shows what that of the zone shows. */
static void assert_same_view(struct image *image, struct zone *zone, unsigned seed)
{
    struct look at = look(image, zone);
    struct zone_view held, own;
    image_view(at.reader, &at.zone, &held);
    zone_view_of(zone, &own);
    assert_int_equal(held.serial, own.serial);
    assert_int_equal(held.apex_labels, own.apex_labels);
    assert_true(dns_name_equal(held.apex, own.apex));
    for (size_t i = 0; i < zone->node_count; i++)
        same_at(&held, &own, zone->nodes[i].name);
    uint8_t name[DNS_NAME_MAX], hash[ZONE_VIEW_HASH];
    for (unsigned i = 0; i < 20; i++) {
        struct base_buf buf;
        size_t length;
        base_buf_init(&buf, DNS_NAME_TEXT);
        random_owner(&buf, &seed);
        base_buf_text(&buf, i > 0 ? ".example." : ".other.");
        const char *text = base_buf_string(&buf);
        assert_int_equal(dns_name_from_text(name, &length, text, strlen(text), NULL), BASE_OK);
        base_buf_free(&buf);
        same_at(&held, &own, name);
        uint8_t probe[ZONE_VIEW_HASH] = {(uint8_t)(below(&seed, 256))};
        same_at_hash(&held, &own, probe);
        memset(probe, i % 2 ? 0xff : 0, sizeof(probe));
        same_at_hash(&held, &own, probe);
        if (own.hash_after(own.context, probe, hash) == BASE_OK)
            same_at_hash(&held, &own, hash);
    }
    image_reader_close(at.reader);
}

/* --- the tests --- */

static void test_random(void **state)
{
    struct image *changed = open_image(0), *whole = open_image(1);
    unsigned seed = 20260722;
    struct version version = {.serial = 1, .minimum = 90};
    /* Zones with other ids around it. */
    struct zone *other = zone_from_text("@ 60 SOA a. b. 1 1 1 1 1\n@ 60 NS a.\n", "aaa.");
    for (unsigned round = 0; round < 250; round++) {
        if (round % 25 == 0) {
            for (unsigned i = 0; i < RECORDS; i++)
                version.records[i] = (unsigned)rand_r(&seed);
        }
        struct zone *from = make_zone(&version);
        if (round % 25 == 0) {
            publish(changed, other);
            publish(changed, from);
            publish(changed, other);
        }
        change_version(&version, &seed);
        struct zone *to = make_zone(&version);
        struct zone_delta delta = delta_of(from, to);
        struct image_change request = {.delta = &delta, .now = NOW, .next_resign = 77};
        struct image_published published;
        /* What the image does not hold is refused, and nothing happens. */
        struct zone_delta reverse = {delta.after, delta.before};
        request.delta = &reverse;
        assert_int_equal(image_publish_change(changed, &request, NULL), BASE_EMISMATCH);
        request.delta = &delta;
        assert_int_equal(image_publish_change(changed, &request, &published), BASE_OK);
        assert_false(published.whole);
        assert_true(published.names_written <=
                    2 * (delta.before->node_count + delta.after->node_count));
        publish(whole, to);
        assert_same_image(changed, whole, to);
        assert_same_view(changed, to, round);
        for (unsigned year = 0; year < 5; year++)
            assert_expiring(changed, to, NOW + (base_time)year * 365 * 86400);
        zone_delta_free(&delta);
        zone_release(from);
        zone_release(to);
    }
    zone_release(other);
    close_image(changed, 0);
    close_image(whole, 1);
}

static int gather_step(void *context, const struct image_history *piece)
{
    base_buf_append(context, piece->data, piece->length);
    return BASE_OK;
}

#define HEAD(serial) "@ 60 SOA a. b. " serial " 1 1 1 30\n@ 60 NS ns\n"
#define SIG(year)    "60 RRSIG A 13 2 60 " year "0101000000 20200101000000 1 example. AAAA\n"

/* Times of expiry, and a history that is the same as after publishing with `previous`. */
static void test_history_and_times(void **state)
{
    struct zone *first = zone_from_text(HEAD("1") "w 60 A 192.0.2.1\nw " SIG("2030"), "example.");
    struct zone *second = zone_from_text(
        HEAD("2") "w 60 A 192.0.2.2\nw " SIG("2029") "x 60 A 192.0.2.1\n", "example.");
    struct zone_delta delta = delta_of(first, second);
    struct image *images[2];
    struct base_buf steps[2];
    for (int i = 0; i < 2; i++) {
        images[i] = open_image(i);
        struct image_publish whole = {
            .zone = first, .now = NOW, .earliest_expiry = i == 0 ? 1893456000 : 5};
        assert_int_equal(image_publish(images[i], &whole, NULL), BASE_OK);
        struct image_change change = {
            .delta = &delta, .now = NOW + 9, .history_bytes = 1 << 20, .history_versions = 3};
        whole = (struct image_publish){.zone = second,
                                       .previous = first,
                                       .now = NOW + 9,
                                       .history_bytes = 1 << 20,
                                       .history_versions = 3};
        /* The image of which more is to be known than a change tells. */
        assert_int_equal(i == 0 ? image_publish_change(images[i], &change, NULL)
                                : image_publish(images[i], &whole, NULL),
                         BASE_OK);
        struct look at = look(images[i], first);
        if (i == 0) {
            assert_int_equal(at.zone.earliest_expiry, 1861920000); /* 2029 */
            assert_int_equal(at.zone.published, NOW + 9);
        }
        base_buf_init(&steps[i], 1 << 20);
        assert_int_equal(image_history(at.reader, &at.zone, 1, gather_step, &steps[i]), BASE_OK);
        image_reader_close(at.reader);
    }
    assert_int_equal(steps[0].length, steps[1].length);
    assert_memory_equal(steps[0].data, steps[1].data, steps[0].length);
    /* Again: it is no longer there. A zone that is not there at all. */
    struct image_change again = {.delta = &delta, .now = NOW};
    assert_int_equal(image_publish_change(images[0], &again, NULL), BASE_EMISMATCH);
    assert_int_equal(image_remove(images[0], first->apex), BASE_OK);
    assert_int_equal(image_publish_change(images[0], &again, NULL), BASE_EMISMATCH);
    for (int i = 0; i < 2; i++) {
        base_buf_free(&steps[i]);
        close_image(images[i], i);
    }
    zone_delta_free(&delta);
    zone_release(first);
    zone_release(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_history_and_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
