/*
 * Contexts that follow their trust anchor (RFC 5011): a root that rolls its key, seen by a context
 * whose clock the test sets, through restarts, damaged files and times without answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../validate/world.h"
#include "base/file.h"
#include "dns/message.h"
#include "resolve/resolve.h"
#include "validate/tracker.h"

#include <unistd.h>

struct follow {
    struct world_key keys[3]; /* KSKs of the root; which are shown, sign and are revoked: */
    bool shown[3], signs[3], revoked[3];
    struct world_key zsk;
    bool silent, signalled, forged;
    unsigned asked;
    base_time now;
    struct validate_anchors *anchors;
    struct resolve_context *context;
    struct base_findings findings;
    char path[64];
};

static base_time scripted(void *context)
{
    return ((struct follow *)context)->now;
}

static size_t dnskey_of(const struct follow *follow, unsigned i, uint8_t out[CRYPTO_DNSKEY_MAX])
{
    memcpy(out, follow->keys[i].dnskey, follow->keys[i].length);
    if (follow->revoked[i])
        base_store_u16(out, base_load_u16(out) | 0x80);
    return follow->keys[i].length;
}

/* The DNSKEY set as it is now, and what the root has beside it: an A record at its apex. */
static void fill(struct follow *follow, uint16_t type, struct world_reply *reply)
{
    struct world_zone zone = {.inception = follow->now - DAY, .expiration = follow->now + 10 * DAY};
    static const uint8_t root[1] = {0};
    if (type == DNS_TYPE_A) {
        reply_add(reply, DNS_SECTION_ANSWER, root, type, 300, (const uint8_t[]){192, 0, 2, 1}, 4);
        reply_sign(reply, DNS_SECTION_ANSWER, root, type, 0, &zone, &follow->zsk);
        return;
    }
    if (type != DNS_TYPE_DNSKEY)
        return;
    reply_add(reply, DNS_SECTION_ANSWER, root, type, 172800, follow->zsk.dnskey,
              follow->zsk.length);
    uint8_t rdata[CRYPTO_DNSKEY_MAX];
    for (unsigned i = 0; i < 3; i++) {
        if (follow->shown[i])
            reply_add(reply, DNS_SECTION_ANSWER, root, type, 172800, rdata,
                      dnskey_of(follow, i, rdata));
    }
    for (unsigned i = 0; i < 3; i++) {
        struct world_key key = follow->keys[i];
        key.length = dnskey_of(follow, i, key.dnskey);
        zone.corrupt_keys = follow->forged;
        if (follow->signs[i])
            reply_sign(reply, DNS_SECTION_ANSWER, root, type, 0, &zone, &key);
    }
}

static void ask(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    static struct world_reply reply;
    static uint8_t packet[65536];
    struct follow *follow = context;
    follow->asked++;
    if (query->type == 10)
        follow->signalled = memcmp(query->name + 1, "_ta-", 4) == 0;
    if (follow->silent) {
        resolve_reply(ticket, &(struct validate_reply){.kind = VALIDATE_REPLY_SILENCE});
        return;
    }
    reply = (struct world_reply){.flags = DNS_FLAG_QR, .type = query->type};
    name_copy(reply.question, query->name);
    fill(follow, query->type, &reply);
    size_t length = reply_build(&reply, packet, sizeof(packet));
    resolve_reply(ticket, &(struct validate_reply){
                              .kind = VALIDATE_REPLY_PACKET, .packet = packet, .length = length});
}

static void cancel(void *context, struct resolve_ticket *ticket)
{
}

static int open_context(struct follow *follow, char why[RESOLVE_WHY])
{
    struct resolve_transport transport = {ask, cancel, follow};
    struct resolve_options options = {.from = RESOLVE_TRANSPORT,
                                      .transport = &transport,
                                      .clock = scripted,
                                      .clock_context = follow,
                                      .signal_tags = true,
                                      .track = follow->path,
                                      .validate = {.anchors = follow->anchors}};
    return resolve_context_new(&options, why, &follow->context);
}

static void restart(struct follow *follow)
{
    char why[RESOLVE_WHY];
    resolve_context_free(follow->context);
    follow->context = NULL;
    assert_int_equal(open_context(follow, why), BASE_OK);
}

static void begin(struct follow *follow)
{
    static const uint8_t root[1] = {0};
    *follow = (struct follow){.now = NOW};
    for (unsigned i = 0; i < 3; i++)
        world_make_key(&follow->keys[i], CRYPTO_ED25519, 257);
    world_make_key(&follow->zsk, CRYPTO_ED25519, 256);
    follow->shown[0] = follow->signs[0] = true;
    snprintf(follow->path, sizeof(follow->path), "/tmp/kenter-track-%ld", (long)getpid());
    unlink(follow->path);
    assert_int_equal(validate_anchors_new(&follow->anchors), BASE_OK);
    assert_int_equal(validate_anchors_add(follow->anchors, root, DNS_TYPE_DNSKEY,
                                          follow->keys[0].dnskey, follow->keys[0].length, 0, 0),
                     BASE_OK);
    base_findings_init(&follow->findings, 100);
    restart(follow);
}

static void end(struct follow *follow)
{
    resolve_context_free(follow->context);
    validate_anchors_free(follow->anchors);
    base_findings_free(&follow->findings);
    for (unsigned i = 0; i < 3; i++)
        world_free_key(&follow->keys[i]);
    world_free_key(&follow->zsk);
    unlink(follow->path);
}

static bool found(struct follow *follow, enum base_finding_code code)
{
    resolve_track_findings(follow->context, &follow->findings);
    return follow->findings.by_code[code] > 0;
}

static enum validate_status look(struct follow *follow)
{
    static const uint8_t root[1] = {0};
    const struct validate_result *result;
    assert_int_equal(resolve_lookup(follow->context, root, DNS_TYPE_A, &result), BASE_OK);
    enum validate_status status = result->status;
    validate_result_unref(result);
    return status;
}

/* The state of one key; -1: it is not known. */
static int state_of(const struct follow *follow, unsigned i)
{
    const struct validate_tracker *tracker = resolve_tracker(follow->context);
    for (size_t k = 0; k < tracker->count; k++) {
        if (tracker->keys[k].length == follow->keys[i].length &&
            memcmp(tracker->keys[k].rdata, follow->keys[i].dnskey, follow->keys[i].length) == 0)
            return (int)tracker->keys[k].state;
    }
    return -1;
}

static void wait_days(struct follow *follow, unsigned days)
{
    for (unsigned i = 0; i < days; i++) {
        follow->now += DAY;
        resolve_track(follow->context);
    }
}

/* The new key is pre-published, trusted after thirty days, signs; the old one is revoked, goes. */
static void test_roll(void **state)
{
    struct follow follow;
    begin(&follow);
    assert_int_equal(look(&follow), VALIDATE_SECURE);
    assert_true(follow.signalled);
    assert_int_equal(state_of(&follow, 0), VALIDATE_TRACKED_VALID);
    follow.shown[1] = true;
    wait_days(&follow, 2);
    assert_int_equal(state_of(&follow, 1), VALIDATE_TRACKED_PENDING);
    assert_true(found(&follow, ANCHORS_KEY_SEEN));
    /* What only the new key signs is not believed yet. */
    follow.signs[0] = false;
    follow.signs[1] = true;
    resolve_clear(follow.context);
    assert_int_equal(look(&follow), VALIDATE_BOGUS);
    follow.signs[0] = true;
    restart(&follow);
    wait_days(&follow, 31);
    assert_int_equal(state_of(&follow, 1), VALIDATE_TRACKED_VALID);
    assert_true(found(&follow, ANCHORS_KEY_TRUSTED));
    follow.signs[0] = false;
    resolve_clear(follow.context);
    assert_int_equal(look(&follow), VALIDATE_SECURE);
    /* Revoked by itself. */
    follow.signs[0] = follow.revoked[0] = true;
    wait_days(&follow, 2);
    assert_int_equal(state_of(&follow, 0), VALIDATE_TRACKED_REVOKED);
    assert_true(found(&follow, ANCHORS_KEY_REVOKED));
    assert_int_equal(look(&follow), VALIDATE_SECURE);
    follow.shown[0] = follow.signs[0] = false;
    wait_days(&follow, 32);
    assert_int_equal(state_of(&follow, 0), VALIDATE_TRACKED_REMOVED);
    /* It does not come back, not even with the anchors that are configured still. */
    restart(&follow);
    follow.revoked[0] = false;
    follow.shown[0] = follow.signs[0] = true;
    follow.signs[1] = false;
    wait_days(&follow, 2);
    assert_int_equal(look(&follow), VALIDATE_BOGUS);
    assert_true(found(&follow, ANCHORS_SET_UNSIGNED));
    end(&follow);
}

static void test_nobody(void **state)
{
    struct follow follow;
    begin(&follow);
    follow.silent = true;
    resolve_track(follow.context);
    assert_true(found(&follow, ANCHORS_NOT_SEEN));
    unsigned asked = follow.asked;
    resolve_track(follow.context);
    assert_int_equal(follow.asked, asked); /* not before its time */
    follow.silent = false;
    follow.now += DAY + 1;
    resolve_track(follow.context);
    assert_true(follow.asked > asked);
    /* Forged signatures bring in nothing. */
    follow.forged = follow.shown[2] = true;
    wait_days(&follow, 3);
    assert_int_equal(state_of(&follow, 2), -1);
    end(&follow);
}

static void test_files(void **state)
{
    struct follow follow;
    char why[RESOLVE_WHY];
    begin(&follow);
    look(&follow);
    resolve_context_free(follow.context);
    follow.context = NULL;
    uint8_t *text;
    size_t length;
    assert_int_equal(base_file_read(follow.path, 65536, &text, &length), BASE_OK);
    FILE *file = fopen(follow.path, "w");
    fwrite(text, 1, length / 2, file);
    fclose(file);
    free(text);
    assert_int_equal(open_context(&follow, why), BASE_EFORMAT);
    assert_non_null(strstr(why, "damaged"));
    unlink(follow.path);
    char path[64];
    memcpy(path, follow.path, sizeof(path));
    snprintf(follow.path, sizeof(follow.path), "/nowhere/at/all");
    assert_int_equal(open_context(&follow, why), BASE_OK);
    assert_int_equal(look(&follow), VALIDATE_SECURE);
    assert_true(found(&follow, ANCHORS_STATE_UNSAVED));
    resolve_context_free(follow.context);
    follow.context = NULL;
    memcpy(follow.path, path, sizeof(path));
    end(&follow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_roll), cmocka_unit_test(test_nobody),
                                       cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
