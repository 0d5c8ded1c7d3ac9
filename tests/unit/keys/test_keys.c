/* Client and key process: keys made and kept, signatures, what is refused, and ends of all kinds.
 */
#include "support.h"

#include "sign/sign.h"

static bool has_directory(const struct service *service, const char *zone)
{
    uint8_t name[DNS_NAME_MAX];
    name_of(zone, name);
    char *path = crypto_keydir_path(service->directory, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static size_t entries(const struct service *service)
{
    size_t count = 0;
    DIR *stream = opendir(service->directory);
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count - 2;
}

static void test_algorithms(void **state)
{
    static const unsigned algorithms[] = {8, 10, 13, 14, 15, 16};
    struct keys_client *client = connect_client(*state);
    for (size_t i = 0; i < 6; i++) {
        char zone[32];
        snprintf(zone, sizeof(zone), "Zone%zu.Example.", i);
        for (int again = 0; again < 2; again++) {
            struct crypto_keydir keys =
                provide(client, zone, algorithms[i], false, false, again == 0 ? 2 : 0);
            assert_int_equal(keys.count, 2);
            for (size_t k = 0; k < 2; k++) {
                assert_int_equal(keys.keys[k].algorithm, algorithms[i]);
                assert_int_equal(keys.keys[k].role, k == 0 ? CRYPTO_KSK : CRYPTO_ZSK);
                assert_int_equal(access(keys.keys[k].path, F_OK), 0);
                assert_int_equal(check_key(&keys.keys[k], i == 2 ? 300 : 20, 11), BASE_OK);
            }
            crypto_keydir_free(&keys);
        }
    }
    assert_int_equal(((struct service *)*state)->sealed, 1);
    keys_client_free(client);
}

/* What the service has, another process would find: the same keys, in the same order. */
static void test_same_as_local(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, false, false, 2), local;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    char *path = crypto_keydir_path(service->directory, keys.keys[0].zone);
    assert_int_equal(crypto_keydir_open(path, keys.keys[0].zone, &findings, &local), BASE_OK);
    assert_int_equal(findings.count, 0);
    assert_int_equal(local.count, keys.count);
    for (size_t i = 0; i < keys.count; i++) {
        const struct crypto_zone_key *a = &keys.keys[i], *b = &local.keys[i];
        assert_memory_equal(a->id, b->id, sizeof(a->id));
        assert_string_equal(a->path, b->path);
        assert_true(dns_name_equal(a->zone, b->zone));
        assert_int_equal(a->dnskey_length, b->dnskey_length);
        assert_memory_equal(a->dnskey, b->dnskey, a->dnskey_length);
        assert_true(a->tag == b->tag && a->flags == b->flags && a->role == b->role);
        assert_true(a->created == b->created && a->publish == b->publish &&
                    a->activate == b->activate && a->inactive == b->inactive &&
                    a->remove == b->remove && a->ds_publish == b->ds_publish &&
                    a->ds_remove == b->ds_remove);
    }
    crypto_keydir_free(&local);
    crypto_keydir_free(&keys);
    free(path);
    base_findings_free(&findings);
    keys_client_free(client);
}

static void settle(struct keys_client *client, int expected)
{
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(keys_client_settle(client, &findings), expected);
    assert_int_equal(base_findings_bad(&findings), expected != BASE_OK);
    base_findings_free(&findings);
}

/* New keys sign before they are settled, and have their place after; another client's settling
 * counts as well. */
static void test_early(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service), *other = connect_client(service);
    char zone[32];
    uint8_t ids[10][CRYPTO_KEY_ID];
    for (size_t count = 1; count <= 10; count += 9) {
        for (size_t i = 0; i < count; i++) {
            snprintf(zone, sizeof(zone), "n%zu.c%zu.example.", i, count);
            struct crypto_keydir keys = provide(client, zone, 13, true, true, 1);
            assert_int_equal(check_key(&keys.keys[0], 3, 50), BASE_OK);
            memcpy(ids[i], keys.keys[0].id, CRYPTO_KEY_ID);
            assert_false(has_directory(service, zone));
            crypto_keydir_free(&keys);
        }
        settle(other, BASE_OK);
        settle(client, BASE_OK);
        for (size_t i = 0; i < count; i++) {
            snprintf(zone, sizeof(zone), "n%zu.c%zu.example.", i, count);
            assert_true(has_directory(service, zone));
            struct crypto_keydir keys = provide(client, zone, 13, true, true, 0);
            assert_memory_equal(keys.keys[0].id, ids[i], CRYPTO_KEY_ID);
            assert_int_equal(check_key(&keys.keys[0], 3, 50), BASE_OK);
            crypto_keydir_free(&keys);
        }
    }
    assert_int_equal(entries(service), 11);
    keys_client_free(client);
    keys_client_free(other);
}

/* An end before settling leaves nothing, an end after it everything. */
static void test_restart(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir kept = provide(client, "kept.example.", 13, true, false, 1);
    struct crypto_keydir lost = provide(client, "lost.example.", 13, true, true, 1);
    stop_service(service);
    assert_int_equal(check_key(&kept.keys[0], 1, 1), BASE_ENOENT);
    assert_true(keys_client_gone(client));
    assert_int_equal(check_key(&lost.keys[0], 1, 1), BASE_ENOENT);
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(keys_client_settle(client, &findings), BASE_ENOENT);
    base_findings_free(&findings);
    /* As after a kill. */
    char aside[128];
    snprintf(aside, sizeof(aside), "%s/.new-1-1", service->directory);
    assert_int_equal(mkdir(aside, 0700), 0);
    start_service(service);
    struct keys_client *next = connect_client(service);
    struct crypto_keydir again = provide(next, "kept.example.", 13, true, false, 0);
    assert_memory_equal(again.keys[0].id, kept.keys[0].id, CRYPTO_KEY_ID);
    assert_int_equal(check_key(&again.keys[0], 1, 1), BASE_OK);
    assert_false(has_directory(service, "lost.example."));
    assert_int_equal(entries(service), 1);
    crypto_keydir_free(&again);
    crypto_keydir_free(&kept);
    crypto_keydir_free(&lost);
    keys_client_free(client);
    keys_client_free(next);
}

/* Somebody makes the zone's directory while its keys wait: they are given up, and all are told. */
static void test_lost(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, true, true, 1);
    struct crypto_keydir good = provide(client, "good.example.", 13, true, true, 1);
    char path[200];
    snprintf(path, sizeof(path), "%s/example", service->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/note");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    settle(client, BASE_EREFUSED);
    settle(client, BASE_OK);
    assert_int_equal(check_key(&keys.keys[0], 1, 1), BASE_EPERM);
    assert_int_equal(check_key(&good.keys[0], 1, 1), BASE_OK);
    struct crypto_keydir other = provide(client, "example.", 13, true, true, 1);
    assert_memory_not_equal(other.keys[0].id, keys.keys[0].id, CRYPTO_KEY_ID);
    assert_int_equal(entries(service), 2);
    crypto_keydir_free(&keys);
    crypto_keydir_free(&good);
    crypto_keydir_free(&other);
    keys_client_free(client);
}

/* Asks for keys that must be there. */
static int demand(struct keys_client *client, const char *zone, bool early,
                  struct keys_provided *out)
{
    struct base_findings findings;
    struct sign_policy policy;
    uint8_t name[DNS_NAME_MAX];
    struct keys_request request = {
        .zone = name, .policy = &policy, .now = base_clock_now(), .early = early, .exist = true};
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    name_of(zone, name);
    int error = keys_client_provide(client, &request, &findings, out);
    assert_int_equal(base_findings_bad(&findings), error != BASE_OK);
    if (error != BASE_OK) {
        char *path = crypto_keydir_path("", name);
        const struct base_finding *finding = &findings.items[0];
        assert_int_equal(error, BASE_EREFUSED);
        assert_int_equal(finding->code, KEYS_LOST);
        assert_non_null(strstr(finding->place.file, path));
        free(path);
    }
    base_findings_free(&findings);
    return error;
}

/* Where keys must be there, none are made: neither in a directory that is gone or empty, nor beside
 * keys of others, nor from what is in memory. */
static void test_exist(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct keys_provided found;
    char path[200], moved[200];
    for (int early = 0; early < 2; early++)
        assert_int_equal(demand(client, "example.", early, &found), BASE_EREFUSED);
    assert_int_equal(entries(service), 0);
    struct crypto_keydir keys = provide(client, "example.", 13, true, true, 1);
    assert_int_equal(demand(client, "example.", true, &found), BASE_OK);
    assert_false(found.settled);
    crypto_keydir_free(&found.keys);
    assert_int_equal(demand(client, "example.", false, &found), BASE_OK);
    assert_true(found.settled && found.created == 0);
    assert_memory_equal(found.keys.keys[0].id, keys.keys[0].id, CRYPTO_KEY_ID);
    crypto_keydir_free(&found.keys);
    snprintf(path, sizeof(path), "%s/example", service->directory);
    snprintf(moved, sizeof(moved), "%s/moved", service->directory);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(demand(client, "example.", true, &found), BASE_EREFUSED);
    assert_int_equal(entries(service), 1);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(demand(client, "example.", true, &found), BASE_EREFUSED);
    assert_int_equal(rmdir(path), 0); /* it has stayed empty */
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(demand(client, "example.", true, &found), BASE_OK);
    assert_true(found.settled);
    assert_memory_equal(found.keys.keys[0].id, keys.keys[0].id, CRYPTO_KEY_ID);
    assert_int_equal(check_key(&found.keys.keys[0], 1, 1), BASE_OK);
    crypto_keydir_free(&found.keys);
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

/* More keys than are kept in memory: the oldest are read again when they are needed. */
static void test_many(void **state)
{
    struct keys_client *client = connect_client(*state);
    struct crypto_keydir first = provide(client, "first.example.", 15, true, false, 1);
    for (size_t i = 0; i < 1100; i++) {
        char zone[32];
        snprintf(zone, sizeof(zone), "z%zu.example.", i);
        struct crypto_keydir keys = provide(client, zone, 15, true, true, 1);
        crypto_keydir_free(&keys);
    }
    settle(client, BASE_OK);
    assert_int_equal(check_key(&first.keys[0], 10, 10), BASE_OK);
    struct crypto_keydir last = provide(client, "z1099.example.", 15, true, false, 0);
    assert_int_equal(check_key(&last.keys[0], 10, 10), BASE_OK);
    crypto_keydir_free(&first);
    crypto_keydir_free(&last);
    keys_client_free(client);
}

/* EdDSA takes the data themselves, however long. */
static void test_long_data(void **state)
{
    struct keys_client *client = connect_client(*state);
    struct crypto_keydir keys = provide(client, "example.", 15, true, false, 1);
    assert_int_equal(check_key(&keys.keys[0], 5, 60000), BASE_OK);
    assert_int_equal(check_key(&keys.keys[0], 3, 300000), BASE_OK);
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

struct shared {
    const struct crypto_keydir *keys;
    struct keys_client *client;
};

static int sign_in_thread(void *context, size_t index, unsigned worker)
{
    struct shared *shared = context;
    char zone[32];
    snprintf(zone, sizeof(zone), "t%zu.example.", index % 3);
    int error = check_key(&shared->keys->keys[index % 2], 60, 3);
    struct keys_provided provided;
    struct base_findings findings;
    struct sign_policy policy;
    uint8_t name[DNS_NAME_MAX];
    struct keys_request request = {.zone = name, .policy = &policy, .now = base_clock_now()};
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    name_of(zone, name);
    if (error == BASE_OK)
        error = keys_client_provide(shared->client, &request, &findings, &provided);
    if (error == BASE_OK) {
        struct crypto_keydir *keys = &provided.keys;
        error = keys->count == 1 ? check_key(&keys->keys[0], 3, 3) : BASE_EMISMATCH;
        crypto_keydir_free(keys);
    }
    base_findings_free(&findings);
    return error;
}

static void test_threads(void **state)
{
    struct keys_client *client = connect_client(*state);
    struct crypto_keydir keys = provide(client, "example.", 13, false, false, 2);
    struct shared shared = {&keys, client};
    assert_int_equal(base_parallel(20, 40, sign_in_thread, &shared), BASE_OK);
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

/* What is wrong with a directory is told where the question came from. */
static void test_findings(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, true, false, 1);
    struct keys_provided none;
    struct base_findings findings;
    struct sign_policy policy;
    struct keys_request request = {
        .zone = keys.keys[0].zone, .policy = &policy, .now = base_clock_now()};
    char path[200];
    snprintf(path, sizeof(path), "%s/example", service->directory);
    assert_int_equal(chmod(path, 0755), 0);
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    assert_int_equal(keys_client_provide(client, &request, &findings, &none), BASE_EREFUSED);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].code, KEY_PERMISSIONS);
    assert_string_equal(findings.items[0].place.file, path);
    assert_non_null(strstr(findings.items[0].message, "chmod"));
    assert_null(findings.items[0].place.owner);
    base_findings_free(&findings);
    /* The keys were forgotten with that. */
    assert_int_equal(check_key(&keys.keys[0], 1, 1), BASE_EPERM);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(check_key(&keys.keys[0], 1, 1), BASE_OK);
    uint8_t zone[DNS_NAME_MAX];
    name_of("other.example.", zone);
    policy.algorithm = 3;
    base_findings_init(&findings, 10);
    request.zone = zone;
    assert_int_equal(keys_client_provide(client, &request, &findings, &none), BASE_EUNSUPPORTED);
    base_findings_free(&findings);
    assert_false(keys_client_gone(client));
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

/* Keys of which the times say that they do not sign, and changes of these times. */
static void test_times(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, true, false, 1);
    struct crypto_zone_key changed = keys.keys[0];
    struct base_findings findings;
    char path[200];
    snprintf(path, sizeof(path), "%s/example", service->directory);
    base_findings_init(&findings, 10);
    changed.key = NULL;
    changed.inactive = base_clock_now() - 5;
    assert_int_equal(crypto_keydir_update(path, &changed, &findings), BASE_OK);
    struct crypto_keydir again = provide(client, "example.", 13, true, false, 0);
    assert_int_equal(again.keys[0].inactive, changed.inactive);
    assert_int_equal(check_key(&again.keys[0], 1, 1), BASE_EPERM);
    crypto_keydir_free(&again);
    changed.inactive = 0;
    changed.activate = base_clock_now() + 1000;
    assert_int_equal(crypto_keydir_update(path, &changed, &findings), BASE_OK);
    again = provide(client, "example.", 13, true, false, 0);
    assert_int_equal(check_key(&again.keys[0], 1, 1), BASE_EPERM);
    crypto_keydir_free(&again);
    changed.activate = 1000;
    assert_int_equal(crypto_keydir_update(path, &changed, &findings), BASE_OK);
    again = provide(client, "example.", 13, true, false, 0);
    assert_int_equal(check_key(&again.keys[0], 1, 1), BASE_OK);
    crypto_keydir_free(&again);
    crypto_keydir_free(&keys);
    base_findings_free(&findings);
    keys_client_free(client);
}

/* Names of zones that are no names of files. */
static void test_paths(void **state)
{
    static const char *const names[][2] = {{".", "/d/@"},
                                           {"Example.COM.", "/d/example.com"},
                                           {"@.", "/d/%40"},
                                           {"a/b.\\.\\..example.", "/d/a%2Fb.%2E%2E.example"},
                                           {"root.", "/d/root"}};
    uint8_t zone[DNS_NAME_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        name_of(names[i][0], zone);
        char *path = crypto_keydir_path(i % 2 ? "/d/" : "/d", zone);
        assert_string_equal(path, names[i][1]);
        free(path);
    }
    char text[300] = "", *paths[2];
    for (int i = 0; i < 4; i++)
        strcat(text, "///////////////////////////////////////////////////////////.");
    for (int i = 0; i < 2; i++) {
        text[230] = (char)('a' + i);
        name_of(text, zone);
        paths[i] = crypto_keydir_path("", zone);
        assert_true(strlen(paths[i]) < 250);
    }
    assert_string_not_equal(paths[0], paths[1]);
    free(paths[0]);
    free(paths[1]);
    struct keys_client *client = connect_client(*state);
    struct crypto_keydir root = provide(client, ".", 13, true, false, 1);
    struct crypto_keydir odd = provide(client, text, 13, true, false, 1);
    assert_int_equal(check_key(&odd.keys[0], 1, 1), BASE_OK);
    crypto_keydir_free(&root);
    crypto_keydir_free(&odd);
    keys_client_free(client);
}

/* A whole zone. */
static void test_zone(void **state)
{
    static const char text[] = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.1\n";
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, true, true, 1);
    struct base_findings findings;
    struct sign_policy policy;
    struct zone *zone;
    char path[200];
    snprintf(path, sizeof(path), "%s/zone", service->directory);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    struct dns_zonefile_options options = {.origin = keys.keys[0].zone, .threads = 1};
    assert_int_equal(zone_load(path, &options, &findings, &zone), BASE_OK);
    struct sign_request request = {.zone = zone,
                                   .policy = &policy,
                                   .keys = keys.keys,
                                   .key_count = keys.count,
                                   .now = base_clock_now(),
                                   .threads = 2};
    struct sign_result result;
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_OK);
    assert_int_equal(result.signatures_made, 8);
    zone_release(result.zone);
    stop_service(service);
    base_findings_free(&findings);
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_ENOENT);
    assert_false(base_findings_bad(&findings));
    start_service(service);
    zone_release(zone);
    crypto_keydir_free(&keys);
    base_findings_free(&findings);
    keys_client_free(client);
}

/* Only one key process may work on a directory; a seal that fails ends it. */
static int no_seal(void *context)
{
    return BASE_EPERM;
}

static void test_refused_start(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service); /* so that it runs */
    struct crypto_keydir keys = provide(client, "example.", 13, true, false, 1);
    struct keys_service_options options = service->options;
    assert_int_equal(keys_service_run(service->near, &options), 1);
    char own[128];
    snprintf(own, sizeof(own), "%s/own", service->directory);
    options.directory = own;
    options.seal = no_seal;
    assert_int_equal(keys_service_run(service->near, &options), 1);
    options.directory = "/nonexistent/keys";
    assert_int_equal(keys_service_run(service->near, &options), 1);
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_algorithms), TEST(test_same_as_local), TEST(test_early), TEST(test_restart),
        TEST(test_exist),      TEST(test_lost),          TEST(test_many),  TEST(test_long_data),
        TEST(test_threads),    TEST(test_findings),      TEST(test_times), TEST(test_paths),
        TEST(test_zone),       TEST(test_refused_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
