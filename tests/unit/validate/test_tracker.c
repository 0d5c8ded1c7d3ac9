/* Following trust anchors (RFC 5011) through years of rolls, with a clock that the tests set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "validate/tracker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY   86400
#define START ((base_time)1577836800) /* 2020-01-01 */

static const uint8_t root[1] = {0};

/* A set that a zone publishes at some time. Keys are made up: nobody verifies anything here. */
#define KEYS_MAX 40
struct world {
    uint8_t rdata[KEYS_MAX][68];
    struct validate_rdata keys[KEYS_MAX];
    bool signs[KEYS_MAX];
    struct validate_tracker_set set;
    struct base_findings findings;
    struct validate_tracker tracker;
};

static void make_key(uint8_t rdata[68], unsigned number, uint16_t flags)
{
    memset(rdata, 0, 68);
    base_store_u16(rdata, flags);
    rdata[2] = 3;
    rdata[3] = 13;
    base_store_u32(rdata + 4, number * 2654435761u);
    base_store_u32(rdata + 8, number);
}

static void publish(struct world *world, unsigned number, uint16_t flags, bool signs)
{
    size_t index = world->set.count++;
    assert_true(index < KEYS_MAX);
    make_key(world->rdata[index], number, flags);
    world->keys[index] = (struct validate_rdata){world->rdata[index], 68};
    world->signs[index] = signs;
}

static void clear(struct world *world, base_time now)
{
    world->set = (struct validate_tracker_set){.keys = world->keys,
                                               .signs = world->signs,
                                               .original_ttl = 172800,
                                               .expires = now + 14 * DAY};
    /* A zone-signing key, which is nobody's anchor. */
    publish(world, 1000000, 256, false);
}

/* Trusts the keys from 1 to `count`. */
static void begin(struct world *world, unsigned count)
{
    struct validate_anchors *anchors;
    uint8_t rdata[68];
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    for (unsigned i = 1; i <= count; i++) {
        make_key(rdata, i, 257);
        assert_int_equal(
            validate_anchors_add(anchors, root, DNS_TYPE_DNSKEY, rdata, sizeof(rdata), 0, 0),
            BASE_OK);
    }
    assert_int_equal(validate_tracker_init(&world->tracker, anchors, root, START), BASE_OK);
    validate_anchors_free(anchors);
    base_findings_init(&world->findings, 1000);
    clear(world, START);
}

static void end(struct world *world)
{
    validate_tracker_free(&world->tracker);
    base_findings_free(&world->findings);
}

static int see(struct world *world, base_time now)
{
    return validate_tracker_see(&world->tracker, &world->set, now, &world->findings);
}

static const struct validate_tracked *tracked(const struct world *world, unsigned number)
{
    uint8_t rdata[68];
    make_key(rdata, number, 257);
    for (size_t i = 0; i < world->tracker.count; i++)
        if (world->tracker.keys[i].length == 68 &&
            memcmp(world->tracker.keys[i].rdata, rdata, 68) == 0)
            return &world->tracker.keys[i];
    return NULL;
}

static void assert_state(const struct world *world, unsigned number,
                         enum validate_tracked_state state)
{
    const struct validate_tracked *key = tracked(world, number);
    assert_non_null(key);
    assert_string_equal(validate_tracked_state_name(key->state),
                        validate_tracked_state_name(state));
}

/* Writes the state and reads it again into the tracker: it is the same. */
static void restart(struct world *world)
{
    struct base_buf text, again;
    base_buf_init(&text, 1 << 18);
    base_buf_init(&again, 1 << 18);
    validate_tracker_write(&world->tracker, &text);
    assert_int_equal(text.error, BASE_OK);
    validate_tracker_free(&world->tracker);
    assert_int_equal(validate_tracker_read(&world->tracker, "state", (const char *)text.data,
                                           text.length, &world->findings),
                     BASE_OK);
    validate_tracker_write(&world->tracker, &again);
    assert_int_equal(again.length, text.length);
    assert_memory_equal(again.data, text.data, text.length);
    base_buf_free(&text);
    base_buf_free(&again);
}

/* One roll a year: on day 10 the next key comes, on day 100 it signs, on day 110 the old one is
 * revoked, on day 180 that is gone. */
static void publish_year(struct world *world, unsigned year, unsigned day, base_time now)
{
    clear(world, now);
    publish(world, year + 1, day >= 110 && day < 180 ? 385 : 257, day < 180);
    if (day >= 180)
        world->set.count--;
    if (day >= 10)
        publish(world, year + 2, 257, day >= 100);
}

static void ten_years(void **state)
{
    (void)state;
    struct world world;
    unsigned queries = 0;
    begin(&world, 1);
    for (base_time now = START; now < START + 3650LL * DAY; now = world.tracker.next) {
        unsigned year = (unsigned)((now - START) / DAY / 365);
        unsigned day = (unsigned)((now - START) / DAY % 365);
        publish_year(&world, year, day, now);
        assert_int_equal(see(&world, now), BASE_OK);
        assert_true(world.tracker.next > now);
        assert_true(world.tracker.next <= now + DAY);
        if (queries++ % 50 == 0)
            restart(&world);
        /* The new key is trusted in good time before it is the only one. */
        if (day >= 45)
            assert_state(&world, year + 2, VALIDATE_TRACKED_VALID);
        if (day >= 110)
            assert_int_not_equal(tracked(&world, year + 1)->state, VALIDATE_TRACKED_VALID);
    }
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_SEEN], 10);
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_TRUSTED], 10);
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_REVOKED], 10);
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_REMOVED], 10);
    assert_int_equal(world.findings.count, 40);
    struct validate_anchors *anchors;
    uint16_t tags[4];
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    assert_int_equal(validate_tracker_anchors(&world.tracker, anchors), BASE_OK);
    assert_int_equal(validate_anchors_tags(anchors, root, START, tags, 4), 1);
    validate_anchors_free(anchors);
    end(&world);
}

/* The hold-down time begins again when the key was away at any time. */
static void pending(void **state)
{
    (void)state;
    struct world world;
    base_time now = START;
    begin(&world, 1);
    publish(&world, 1, 257, true);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, now), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_PENDING);
    assert_string_equal(strchr(world.findings.items[0].message, ';'),
                        "; it is trusted from 2020-01-31T00:00:00Z on if it stays");
    assert_int_equal(see(&world, now + 30 * DAY - 1), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_PENDING);
    world.set.count--;
    assert_int_equal(see(&world, now + 30 * DAY), BASE_OK);
    assert_null(tracked(&world, 2));
    world.set.count++;
    now += 31 * DAY;
    assert_int_equal(see(&world, now), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_PENDING);
    restart(&world);
    assert_int_equal(see(&world, now + 30 * DAY), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_VALID);
    /* A TTL longer than thirty days makes the time longer. */
    world.set.original_ttl = 40 * DAY;
    publish(&world, 3, 257, false);
    assert_int_equal(see(&world, now), BASE_OK);
    assert_int_equal(tracked(&world, 3)->due, now + 40 * DAY);
    end(&world);
}

/* Sets that no trusted key signs change nothing. */
static void strangers(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 1);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START), BASE_EMISMATCH);
    assert_null(tracked(&world, 2));
    assert_int_equal(world.findings.count, 0);
    assert_int_equal(world.tracker.next, START + DAY);
    publish(&world, 1, 257, false);
    assert_int_equal(see(&world, START), BASE_EMISMATCH);
    /* A pending key does not vouch for anything either. */
    clear(&world, START);
    publish(&world, 1, 257, true);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START), BASE_OK);
    clear(&world, START);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START + 40 * DAY), BASE_EMISMATCH);
    assert_state(&world, 2, VALIDATE_TRACKED_PENDING);
    assert_state(&world, 1, VALIDATE_TRACKED_VALID);
    /* Keys without the SEP flag are never taken in. */
    publish(&world, 1, 257, true);
    publish(&world, 5, 256, true);
    assert_int_equal(see(&world, START), BASE_OK);
    assert_null(tracked(&world, 5));
    end(&world);
}

static void missing(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 2);
    publish(&world, 1, 257, true);
    assert_int_equal(see(&world, START), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_MISSING);
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_MISSING], 1);
    /* It is trusted still: a set that it alone signs is good. */
    clear(&world, START);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START + 400 * DAY), BASE_OK);
    assert_state(&world, 2, VALIDATE_TRACKED_VALID);
    assert_state(&world, 1, VALIDATE_TRACKED_MISSING);
    assert_int_equal(world.findings.by_code[ANCHORS_KEY_BACK], 1);
    end(&world);
}

static void revoked(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 2);
    /* The flag alone, without a signature of the key itself, is nothing but an absence. */
    publish(&world, 1, 385, false);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START), BASE_OK);
    assert_state(&world, 1, VALIDATE_TRACKED_MISSING);
    world.signs[1] = true;
    assert_int_equal(see(&world, START), BASE_OK);
    assert_state(&world, 1, VALIDATE_TRACKED_REVOKED);
    restart(&world);
    /* It does not come back: neither as a key, nor after it was forgotten. */
    clear(&world, START);
    publish(&world, 1, 257, true);
    assert_int_equal(see(&world, START), BASE_EMISMATCH);
    publish(&world, 2, 257, true);
    assert_int_equal(see(&world, START + 31 * DAY), BASE_OK);
    assert_state(&world, 1, VALIDATE_TRACKED_REMOVED);
    restart(&world);
    assert_int_equal(see(&world, START + 100 * DAY), BASE_OK);
    assert_state(&world, 1, VALIDATE_TRACKED_REMOVED);
    /* The last one too is revoked. */
    clear(&world, START);
    publish(&world, 2, 385, true);
    assert_int_equal(see(&world, START + 101 * DAY), BASE_EMISMATCH);
    assert_int_equal(world.findings.by_code[ANCHORS_LOST], 1);
    end(&world);
}

/* DS as anchors become the keys that they stand for. */
static void from_ds(void **state)
{
    (void)state;
    struct world world;
    uint8_t key[68], ds[4 + CRYPTO_DIGEST_MAX];
    size_t length;
    struct validate_anchors *anchors;
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    for (unsigned i = 1; i <= 2; i++) {
        for (uint8_t type = 2; type <= 4; type += 2) {
            make_key(key, i, 257);
            base_store_u16(ds, crypto_key_tag(key, sizeof(key)));
            ds[2] = 13;
            ds[3] = type;
            assert_int_equal(crypto_ds_digest(type, root, key, sizeof(key), ds + 4, &length),
                             BASE_OK);
            assert_int_equal(validate_anchors_add(anchors, root, DNS_TYPE_DS, ds, 4 + length, 0, 0),
                             BASE_OK);
        }
    }
    assert_int_equal(validate_tracker_init(&world.tracker, anchors, root, START), BASE_OK);
    assert_int_equal(validate_tracker_init(&world.tracker, anchors, (const uint8_t *)"\1x", START),
                     BASE_ENOENT);
    validate_anchors_free(anchors);
    base_findings_init(&world.findings, 10);
    restart(&world);
    clear(&world, START);
    publish(&world, 1, 257, true);
    assert_int_equal(see(&world, START), BASE_OK);
    assert_int_equal(world.tracker.count, 3);
    assert_state(&world, 1, VALIDATE_TRACKED_VALID);
    publish(&world, 2, 257, false);
    assert_int_equal(see(&world, START + DAY), BASE_OK);
    assert_int_equal(world.tracker.count, 2);
    assert_state(&world, 2, VALIDATE_TRACKED_VALID);
    assert_int_equal(world.findings.count, 0);
    end(&world);
}

/* Section 2.3: bounds of the times between queries. */
static void intervals(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 1);
    assert_int_equal(world.tracker.next, 0);
    publish(&world, 1, 257, true);
    world.set.original_ttl = 600;
    assert_int_equal(see(&world, START), BASE_OK);
    assert_int_equal(world.tracker.next, START + 3600);
    world.set.original_ttl = 90 * DAY;
    world.set.expires = START + 365LL * DAY;
    assert_int_equal(see(&world, START), BASE_OK);
    assert_int_equal(world.tracker.next, START + 15 * DAY);
    world.set.expires = START + 4 * DAY;
    assert_int_equal(see(&world, START), BASE_OK);
    assert_int_equal(world.tracker.next, START + 2 * DAY);
    validate_tracker_fail(&world.tracker, START);
    assert_int_equal(world.tracker.next, START + 4 * DAY / 10);
    validate_tracker_fail(&world.tracker, START + 10 * DAY);
    assert_int_equal(world.tracker.next, START + 10 * DAY + 3600);
    end(&world);
}

/* More new keys than there is room for. */
static void flood(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 1);
    publish(&world, 1, 257, true);
    for (unsigned i = 0; i < 30; i++)
        publish(&world, 100 + i, 257, false);
    assert_int_equal(see(&world, START), BASE_OK);
    assert_int_equal(world.tracker.count, VALIDATE_TRACKED_MAX);
    assert_int_equal(world.findings.by_code[ANCHORS_KEYS_MANY], 31 - VALIDATE_TRACKED_MAX);
    restart(&world);
    end(&world);
}

/* A state that was cut or altered anywhere is refused as a whole. */
static void damaged(void **state)
{
    (void)state;
    struct world world;
    struct base_buf text;
    struct validate_tracker tracker;
    begin(&world, 2);
    base_buf_init(&text, 1 << 16);
    validate_tracker_write(&world.tracker, &text);
    char *copy = malloc(text.length + 1);
    assert_non_null(copy);
    for (size_t i = 0; i < text.length; i++) {
        assert_int_equal(
            validate_tracker_read(&tracker, "state", (const char *)text.data, i, &world.findings),
            BASE_EREFUSED);
        memcpy(copy, text.data, text.length);
        copy[i] ^= 4;
        assert_int_equal(
            validate_tracker_read(&tracker, "state", copy, text.length, &world.findings),
            BASE_EREFUSED);
    }
    free(copy);
    base_buf_free(&text);
    assert_true(world.findings.by_code[ANCHORS_STATE_DAMAGED] > 100);
    end(&world);
}

static void files(void **state)
{
    (void)state;
    struct world world;
    struct validate_tracker tracker;
    char path[] = "/tmp/kenter-tracker-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    begin(&world, 2);
    assert_int_equal(validate_tracker_load(&tracker, path, &world.findings), BASE_EREFUSED);
    assert_int_equal(validate_tracker_save(&world.tracker, path), BASE_OK);
    assert_int_equal(validate_tracker_load(&tracker, path, &world.findings), BASE_OK);
    assert_int_equal(tracker.count, 2);
    validate_tracker_free(&tracker);
    unlink(path);
    assert_int_equal(validate_tracker_load(&tracker, path, &world.findings), BASE_EIO);
    assert_int_equal(errno, ENOENT);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_years), cmocka_unit_test(pending), cmocka_unit_test(strangers),
        cmocka_unit_test(missing),   cmocka_unit_test(revoked), cmocka_unit_test(from_ds),
        cmocka_unit_test(intervals), cmocka_unit_test(flood),   cmocka_unit_test(damaged),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
