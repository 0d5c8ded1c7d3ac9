/*
 * Fetching from scripted primaries on loopback, good and bad ones, and telling secondaries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "peer.h"
#include "source/fetch.h"

static const uint8_t secret[] = "0123456789abcdef0123456789abcdef";
static const struct dns_tsig_key key = {(const uint8_t *)"\3key", DNS_TSIG_HMAC_SHA256, secret, 32};
static const struct dns_tsig_key other_key = {(const uint8_t *)"\3key", DNS_TSIG_HMAC_SHA256,
                                              (const uint8_t *)"another secret, quite as long..",
                                              31};

/* What came of the fetches, for the test to wait for. */
struct seen {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned count;
    enum source_fetched kind;
    uint32_t serial, refresh;
    size_t records, edits;
    const struct source_server *from;
    uint32_t by_code[BASE_FINDING_COUNT];
    unsigned kinds[4];
    unsigned told, replaced, failed;
    char why[160];
    bool expire_known;
    uint32_t expire_in;
};

static void seen_init(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->lock, NULL);
    pthread_cond_init(&seen->change, NULL);
}

static void wait_for(struct seen *seen, unsigned count)
{
    pthread_mutex_lock(&seen->lock);
    while (seen->count < count)
        pthread_cond_wait(&seen->change, &seen->lock);
    pthread_mutex_unlock(&seen->lock);
}

static void fetched(void *context, const struct source_fetch_result *result)
{
    struct seen *seen = context;
    pthread_mutex_lock(&seen->lock);
    seen->kind = result->kind;
    seen->kinds[result->kind]++;
    seen->serial = result->serial;
    seen->refresh = result->refresh;
    seen->expire_known = result->expire_known;
    seen->expire_in = result->expire_in;
    seen->from = result->from;
    seen->edits = result->edits.count;
    memcpy(seen->by_code, result->findings->by_code, sizeof(seen->by_code));
    if (result->kind == SOURCE_WHOLE) {
        seen->records = result->zone->rr_count;
        zone_release(result->zone);
    }
    if (result->kind == SOURCE_EDITS) {
        struct source_edits edits = result->edits;
        source_edits_free(&edits);
    }
    seen->count++;
    pthread_cond_broadcast(&seen->change);
    pthread_mutex_unlock(&seen->lock);
}

static struct source_fetcher *new_fetcher(void)
{
    struct source_fetcher *fetcher;
    struct source_fetcher_options options = {.transfers = 4,
                                             .timeout_ms = 150,
                                             .stall_ms = 250,
                                             .total_ms = 700,
                                             .zone_bytes_max = 4 << 20};
    assert_int_equal(source_fetcher_new(&options, &fetcher), BASE_OK);
    return fetcher;
}

static struct source_fetch fetch_of(const struct source_server *servers, size_t count,
                                    uint32_t have, struct seen *seen)
{
    struct source_fetch fetch = {.servers = servers,
                                 .server_count = count,
                                 .have = have != 0,
                                 .serial = have,
                                 .done = fetched,
                                 .context = seen};
    memcpy(fetch.zone, test_zone, sizeof(test_zone));
    return fetch;
}

/* One fetch from one peer, which does as it is told. */
static void fetch_once(struct peer *peer, const struct dns_tsig_key *with, int soa, int transfer,
                       uint32_t have, struct seen *seen)
{
    struct source_server server = {
        .addresses = &peer->address, .address_count = 1, .key = with, .name = "peer"};
    struct source_fetcher *fetcher = new_fetcher();
    atomic_store(&peer->soa, soa);
    atomic_store(&peer->transfer, transfer);
    atomic_store(&peer->questions, 0);
    seen_init(seen);
    struct source_fetch fetch = fetch_of(&server, 1, have, seen);
    assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    wait_for(seen, 1);
    source_fetcher_free(fetcher);
}

static void test_good(void **state)
{
    for (unsigned round = 0; round < 2; round++) {
        struct peer peer;
        struct seen seen;
        const struct dns_tsig_key *with = round == 1 ? &key : NULL;
        peer_start(&peer, with);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_GOOD, 0, &seen);
        assert_int_equal(seen.kind, SOURCE_WHOLE);
        assert_int_equal(seen.records, 3);
        assert_int_equal(seen.serial, 5);
        assert_int_equal(seen.refresh, 7200);
        assert_non_null(seen.from);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_GOOD, 4, &seen);
        assert_int_equal(seen.kind, SOURCE_EDITS);
        assert_int_equal(seen.edits, 2);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_IXFR_WHOLE, 4, &seen);
        assert_int_equal(seen.kind, SOURCE_WHOLE);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_GOOD, 5, &seen);
        assert_int_equal(seen.kind, SOURCE_CURRENT);
        assert_int_equal(seen.by_code[FETCH_SERIAL_BACK], 0);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_GOOD, 6, &seen);
        assert_int_equal(seen.kind, SOURCE_CURRENT);
        assert_int_equal(seen.serial, 5);
        assert_int_equal(seen.by_code[FETCH_SERIAL_BACK], 1);
        peer_stop(&peer);
    }
}

/* Servers say when their copy expires; those that cannot stand the question are not asked again. */
static void test_expire(void **state)
{
    for (unsigned round = 0; round < 2; round++) {
        struct peer peer;
        struct seen seen;
        const struct dns_tsig_key *with = round == 1 ? &key : NULL;
        peer_start(&peer, with);
        fetch_once(&peer, with, SOA_EXPIRE, TRANSFER_GOOD, 5, &seen);
        assert_int_equal(seen.kind, SOURCE_CURRENT);
        assert_true(seen.expire_known);
        assert_int_equal(seen.expire_in, 1234);
        fetch_once(&peer, with, SOA_GOOD, TRANSFER_GOOD, 5, &seen);
        assert_int_equal(seen.kind, SOURCE_CURRENT);
        assert_false(seen.expire_known);
        fetch_once(&peer, with, SOA_NO_EDNS, TRANSFER_GOOD, 5, &seen);
        assert_int_equal(seen.kind, SOURCE_CURRENT);
        fetch_once(&peer, with, SOA_NO_EDNS, TRANSFER_GOOD, 4, &seen);
        assert_int_equal(seen.kind, SOURCE_EDITS);
        assert_false(seen.expire_known);
        peer_stop(&peer);
    }
}

static void test_not_incremental(void **state)
{
    static const int scripts[] = {TRANSFER_IXFR_REFUSED, TRANSFER_IXFR_BROKEN, TRANSFER_IXFR_ALONE};
    struct peer peer;
    peer_start(&peer, &key);
    for (size_t i = 0; i < 3; i++) {
        struct seen seen;
        fetch_once(&peer, &key, SOA_GOOD, scripts[i], 4, &seen);
        assert_int_equal(seen.kind, SOURCE_WHOLE);
        assert_int_equal(seen.by_code[FETCH_NOT_INCREMENTAL], 1);
    }
    peer_stop(&peer);
}

static void test_questions(void **state)
{
    static const struct {
        int script;
        enum source_fetched kind;
        enum base_finding_code code;
        bool signed_too;
    } cases[] = {
        {SOA_FORGED_FIRST, SOURCE_CURRENT, 0, true},
        {SOA_TRUNCATED, SOURCE_CURRENT, 0, true},
        {SOA_SECOND_TRY, SOURCE_CURRENT, 0, true},
        {SOA_SILENT, SOURCE_FAILED, FETCH_NO_ANSWER, false},
        {SOA_NOISE, SOURCE_FAILED, FETCH_NO_ANSWER, false},
        {SOA_REFUSED, SOURCE_CURRENT, 0, true}, /* it is given by TCP */
        {SOA_NOT_AUTHORITATIVE, SOURCE_FAILED, FETCH_NOT_AUTHORITATIVE, true},
        {SOA_EMPTY, SOURCE_FAILED, FETCH_NOT_AUTHORITATIVE, false},
    };
    struct peer plain, keyed;
    struct seen seen;
    peer_start(&plain, NULL);
    peer_start(&keyed, &key);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int round = 0; round < (cases[i].signed_too ? 2 : 1); round++) {
            fetch_once(round == 0 ? &plain : &keyed, round == 0 ? NULL : &key, cases[i].script,
                       TRANSFER_GOOD, 5, &seen);
            assert_int_equal(seen.kind, cases[i].kind);
            if (seen.kind == SOURCE_FAILED) {
                assert_int_equal(seen.by_code[cases[i].code], 1);
                assert_int_equal(seen.by_code[FETCH_FAILED], 1);
            }
        }
    }
    fetch_once(&keyed, &key, SOA_UNSIGNED, TRANSFER_GOOD, 5, &seen);
    assert_int_equal(seen.kind, SOURCE_FAILED);
    assert_int_equal(seen.by_code[FETCH_UNPROVED], 1);
    peer_stop(&plain);
    peer_stop(&keyed);
    /* Nobody is there. */
    fetch_once(&plain, NULL, SOA_GOOD, TRANSFER_GOOD, 5, &seen);
    assert_int_equal(seen.by_code[FETCH_NO_ANSWER], 1);
}

static void test_bad_transfers(void **state)
{
    static const struct {
        int script;
        enum base_finding_code code;
        bool keyed;
    } cases[] = {
        {TRANSFER_REFUSED, FETCH_REFUSED, true},
        {TRANSFER_CLOSED, FETCH_CUT_SHORT, false},
        {TRANSFER_STALLED, FETCH_STALLED, true},
        {TRANSFER_DRIP, FETCH_STALLED, false},
        {TRANSFER_ENDLESS, FETCH_TOO_LARGE, false},
        {TRANSFER_EMPTY_FOR_EVER, FETCH_STALLED, false},
        {TRANSFER_NOISE, FETCH_BAD_MESSAGE, false},
        {TRANSFER_OTHER_ID, FETCH_BAD_MESSAGE, false},
        {TRANSFER_UNSIGNED_END, FETCH_UNPROVED, true},
        {TRANSFER_BAD_MAC, FETCH_UNPROVED, true},
    };
    struct peer plain, keyed;
    struct seen seen;
    peer_start(&plain, NULL);
    peer_start(&keyed, &key);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fetch_once(cases[i].keyed ? &keyed : &plain, cases[i].keyed ? &key : NULL, SOA_GOOD,
                   cases[i].script, 0, &seen);
        assert_int_equal(seen.kind, SOURCE_FAILED);
        if (seen.by_code[cases[i].code] != 1)
            fail_msg("script %d gave another finding", cases[i].script);
    }
    peer_stop(&plain);
    peer_stop(&keyed);
}

static void test_next_primary(void **state)
{
    struct peer bad, good;
    struct seen seen;
    peer_start(&bad, NULL);
    peer_start(&good, NULL);
    atomic_store(&bad.transfer, TRANSFER_CLOSED);
    atomic_store(&bad.serial, 9);
    union net_address both[2] = {bad.address, bad.address};
    struct source_server servers[3] = {{.addresses = both, .address_count = 2},
                                       {.addresses = both, .address_count = 0},
                                       {.addresses = &good.address, .address_count = 1}};
    struct source_fetcher *fetcher = new_fetcher();
    seen_init(&seen);
    struct source_fetch fetch = fetch_of(servers, 3, 0, &seen);
    assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    wait_for(&seen, 1);
    assert_int_equal(seen.kind, SOURCE_WHOLE);
    assert_ptr_equal(seen.from, &servers[2]);
    assert_int_equal(seen.by_code[FETCH_CUT_SHORT], 2);
    assert_int_equal(seen.by_code[FETCH_FAILED], 0);
    /* None at all. */
    fetch = fetch_of(servers + 1, 1, 0, &seen);
    assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    wait_for(&seen, 2);
    assert_int_equal(seen.kind, SOURCE_FAILED);
    /* The first has just what is known, the second something newer. */
    atomic_store(&bad.serial, 4);
    fetch = fetch_of(servers, 3, 4, &seen);
    assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    wait_for(&seen, 3);
    assert_int_equal(seen.kind, SOURCE_EDITS);
    source_fetcher_free(fetcher);
    peer_stop(&bad);
    peer_stop(&good);
}

static void test_many_at_once(void **state)
{
    enum { COUNT = 3000 };
    struct peer peer, silent;
    struct seen seen;
    peer_start(&peer, &key);
    peer_start(&silent, &key);
    atomic_store(&silent.soa, SOA_SILENT);
    struct source_server servers[2] = {
        {.addresses = &silent.address, .address_count = 1, .key = &key},
        {.addresses = &peer.address, .address_count = 1, .key = &key}};
    struct source_fetcher *fetcher = new_fetcher();
    seen_init(&seen);
    struct source_fetch fetch = fetch_of(&servers[1], 1, 5, &seen);
    struct source_fetch held_up = fetch_of(&servers[0], 1, 5, &seen);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(source_fetch_start(fetcher, &held_up), BASE_OK);
        assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    }
    /* Those of the good peer come long before those of the silent one. */
    wait_for(&seen, COUNT);
    pthread_mutex_lock(&seen.lock);
    assert_true(seen.kinds[SOURCE_CURRENT] > COUNT * 3 / 4);
    pthread_mutex_unlock(&seen.lock);
    source_fetcher_free(fetcher);
    assert_int_equal(seen.kinds[SOURCE_CURRENT] + seen.kinds[SOURCE_FAILED], 2 * COUNT);
    peer_stop(&peer);
    peer_stop(&silent);
}

static void test_stop(void **state)
{
    struct peer peer;
    struct seen seen;
    peer_start(&peer, NULL);
    atomic_store(&peer.transfer, TRANSFER_STALLED);
    struct source_server server = {.addresses = &peer.address, .address_count = 1};
    struct source_fetcher *fetcher;
    struct source_fetcher_options options = {.transfers = 2};
    assert_int_equal(source_fetcher_new(&options, &fetcher), BASE_OK);
    seen_init(&seen);
    struct source_fetch fetch = fetch_of(&server, 1, 0, &seen);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(source_fetch_start(fetcher, &fetch), BASE_OK);
    while (atomic_load(&peer.transfers) == 0)
        poll(NULL, 0, 1);
    uint64_t start = base_clock_monotonic();
    source_fetcher_free(fetcher);
    assert_true(base_clock_monotonic() - start < UINT64_C(5000000000));
    assert_int_equal(seen.kinds[SOURCE_FAILED], 20);
    assert_int_equal(seen.by_code[FETCH_STOPPED], 1);
    peer_stop(&peer);
}

static void told(void *context, const uint8_t *zone, const struct source_server *server, int error,
                 const char *why)
{
    struct seen *seen = context;
    pthread_mutex_lock(&seen->lock);
    seen->told += error == BASE_OK;
    seen->replaced += error == BASE_EEXIST;
    seen->failed += error != BASE_OK && error != BASE_EEXIST;
    snprintf(seen->why, sizeof(seen->why), "%s", why);
    seen->count++;
    pthread_cond_broadcast(&seen->change);
    pthread_mutex_unlock(&seen->lock);
}

static void tell(struct source_fetcher *fetcher, const struct source_server *server, unsigned zone,
                 struct seen *seen)
{
    static const uint8_t soa[22] = {0};
    struct source_notify notify = {
        .server = server, .soa = soa, .soa_length = sizeof(soa), .done = told, .context = seen};
    memcpy(notify.zone, "\7exampl0", 9);
    notify.zone[7] = (uint8_t)('e' + zone % 20);
    notify.zone[6] = (uint8_t)('A' + zone / 20 % 26);
    notify.zone[5] = (uint8_t)('0' + zone / 520 % 10);
    assert_int_equal(source_notify_start(fetcher, &notify), BASE_OK);
}

static void test_notify(void **state)
{
    struct peer peer, silent;
    struct seen seen;
    peer_start(&peer, &key);
    peer_start(&silent, NULL);
    atomic_store(&silent.notify_silent, 1 << 30);
    struct source_server server = {.addresses = &peer.address, .address_count = 1, .key = &key};
    struct source_server mute = {.addresses = &silent.address, .address_count = 1};
    struct source_fetcher *fetcher = new_fetcher();
    seen_init(&seen);
    tell(fetcher, &server, 0, &seen);
    wait_for(&seen, 1);
    assert_int_equal(seen.told, 1);
    atomic_store(&peer.notify_rcode, DNS_RCODE_NOTAUTH);
    tell(fetcher, &server, 0, &seen);
    wait_for(&seen, 2);
    assert_int_equal(seen.failed, 1);
    assert_string_equal(seen.why, "it answers NOTAUTH");
    /* The second try, after a second. */
    atomic_store(&peer.notify_rcode, 0);
    atomic_store(&peer.notify_silent, 1);
    tell(fetcher, &server, 0, &seen);
    wait_for(&seen, 3);
    assert_int_equal(seen.told, 2);
    /* Newer ones take the place of those under way and waiting. */
    for (unsigned i = 0; i < 500; i++)
        tell(fetcher, &mute, i % 100, &seen);
    wait_for(&seen, 403);
    assert_int_equal(seen.replaced, 400);
    /* A flood of them reaches the one that answers, whatever the other does. */
    for (unsigned i = 0; i < 5000; i++)
        tell(fetcher, &server, i, &seen);
    wait_for(&seen, 5403);
    assert_int_equal(seen.told, 5002);
    source_fetcher_free(fetcher);
    assert_int_equal(seen.count, 5503);
    peer_stop(&peer);
    peer_stop(&silent);
}

static void test_other_secret(void **state)
{
    struct peer peer;
    struct seen seen;
    /* The peer is not asked to verify, but signs with its own secret. */
    peer_start(&peer, NULL);
    fetch_once(&peer, &other_key, SOA_GOOD, TRANSFER_GOOD, 0, &seen);
    assert_int_equal(seen.kind, SOURCE_FAILED);
    assert_int_equal(seen.by_code[FETCH_UNPROVED], 1);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_expire),
        cmocka_unit_test(test_not_incremental),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_bad_transfers),
        cmocka_unit_test(test_next_primary),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_other_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
