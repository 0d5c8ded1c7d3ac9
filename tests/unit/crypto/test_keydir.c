/* Directories of keys: made, read, damaged in every way that people and accidents find. */
#include "support.h"

#include "crypto/keydir.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    char root[64]; /* a fresh directory */
    char dir[96];  /* of keys, in it */
    struct base_findings findings;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    /* Memory, where there is a file system of it: every key is synced to disk twice. */
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(world->root, sizeof(world->root), "%s/kenter-keydir-XXXXXX", base);
    if (mkdtemp(world->root) == NULL)
        return -1;
    snprintf(world->dir, sizeof(world->dir), "%s/keys", world->root);
    base_findings_init(&world->findings, BASE_FINDINGS_PER_CODE);
    *state = world;
    return 0;
}

static void remove_all(const char *path)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char name[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            remove_all(name);
    }
    if (stream != NULL)
        closedir(stream);
    rmdir(path);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    remove_all(world->root);
    base_findings_free(&world->findings);
    free(world);
    return 0;
}

/* The one finding that there is has this code; then the list is emptied. */
static void expect(struct world *world, enum base_finding_code code)
{
    if (world->findings.by_code[code] == 0 && world->findings.count > 0)
        print_message("found instead: %s\n", world->findings.items[0].message);
    assert_int_not_equal(world->findings.by_code[code], 0);
    for (size_t i = 0; i < world->findings.count; i++)
        assert_non_null(world->findings.items[i].place.file);
    base_findings_free(&world->findings);
}

static void expect_none(struct world *world)
{
    if (world->findings.count > 0)
        print_message("found: %s\n", world->findings.items[0].message);
    assert_int_equal(world->findings.count, 0);
}

static struct crypto_zone_key template_of(const char *zone, unsigned algorithm,
                                          enum crypto_key_role role)
{
    struct crypto_zone_key key = {.algorithm = (uint8_t)algorithm, .role = role, .created = 1000};
    name_of(zone, key.zone);
    return key;
}

static struct crypto_zone_key create(struct world *world, const char *zone,
                                     enum crypto_key_role role)
{
    struct crypto_zone_key template = template_of(zone, 13, role), key;
    assert_int_equal(crypto_keydir_create(world->dir, &template, 0, &world->findings, &key),
                     BASE_OK);
    expect_none(world);
    return key;
}

static int open_for(struct world *world, const char *zone, struct crypto_keydir *dir)
{
    uint8_t name[DNS_NAME_MAX];
    if (zone == NULL)
        return crypto_keydir_open(world->dir, NULL, &world->findings, dir);
    name_of(zone, name);
    return crypto_keydir_open(world->dir, name, &world->findings, dir);
}

static void expect_refused(struct world *world, const char *zone, enum base_finding_code code)
{
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, zone, &dir), BASE_EREFUSED);
    expect(world, code);
}

static void expect_keys(struct world *world, const char *zone, size_t count)
{
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, zone, &dir), BASE_OK);
    assert_int_equal(dir.count, count);
    crypto_keydir_free(&dir);
}

/* Finds the only file with this suffix. */
static void find_file(const struct world *world, const char *suffix, char out[512])
{
    DIR *stream = opendir(world->dir);
    const struct dirent *entry;
    size_t found = 0;
    assert_non_null(stream);
    while ((entry = readdir(stream)) != NULL) {
        size_t length = strlen(entry->d_name), end = strlen(suffix);
        if (length > end && strcmp(entry->d_name + length - end, suffix) == 0) {
            snprintf(out, 512, "%s/%s", world->dir, entry->d_name);
            found++;
        }
    }
    closedir(stream);
    assert_int_equal(found, 1);
}

static void put(const char *path, const char *text, size_t length, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static char *get(const char *path, size_t *length)
{
    char *text = malloc(100000);
    FILE *file = fopen(path, "r");
    assert_non_null(text);
    assert_non_null(file);
    *length = fread(text, 1, 99999, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

static void test_create_and_open(void **state)
{
    struct world *world = *state;
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, "example.com.", &dir), BASE_ENOENT);
    struct crypto_zone_key template = template_of("Example.COM.", 13, CRYPTO_KSK), key;
    template.publish = 2000;
    template.activate = 3000;
    template.ds_publish = 4000;
    template.ds_remove = 5000;
    template.inactive = 6000;
    template.remove = 7000;
    assert_int_equal(crypto_keydir_create(world->dir, &template, 0, &world->findings, &key),
                     BASE_OK);
    assert_int_equal(key.flags, 257);
    assert_null(key.path);
    struct stat info;
    char path[512];
    assert_int_equal(stat(world->dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    find_file(world, ".key.pem", path);
    assert_non_null(strstr(path, "/example.com.+013+"));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct crypto_zone_key zsk = create(world, "example.com.", CRYPTO_ZSK);
    struct crypto_zone_key other = create(world, "com.", CRYPTO_CSK);
    assert_int_equal(zsk.flags, 256);
    assert_int_equal(open_for(world, "EXAMPLE.com.", &dir), BASE_OK);
    expect_none(world);
    assert_int_equal(dir.count, 2);
    assert_int_equal(dir.keys[0].role, CRYPTO_KSK);
    assert_memory_equal(dir.keys[0].id, key.id, sizeof(key.id));
    assert_int_equal(dir.keys[0].created, 1000);
    assert_int_equal(dir.keys[0].publish, 2000);
    assert_int_equal(dir.keys[0].activate, 3000);
    assert_int_equal(dir.keys[0].ds_publish, 4000);
    assert_int_equal(dir.keys[0].ds_remove, 5000);
    assert_int_equal(dir.keys[0].inactive, 6000);
    assert_int_equal(dir.keys[0].remove, 7000);
    assert_int_equal(dir.keys[0].dnskey_length, key.dnskey_length);
    assert_memory_equal(dir.keys[0].dnskey, key.dnskey, key.dnskey_length);
    assert_non_null(dir.keys[0].key);
    assert_string_equal(dir.keys[0].path, path);
    assert_int_equal(dir.keys[1].role, CRYPTO_ZSK);
    crypto_keydir_free(&dir);
    assert_int_equal(open_for(world, NULL, &dir), BASE_OK);
    assert_int_equal(dir.count, 3);
    assert_null(dir.keys[0].key);
    assert_true(dns_name_equal(dir.keys[0].zone, other.zone));
    crypto_keydir_free(&dir);
    crypto_key_free(key.key);
    crypto_key_free(zsk.key);
    crypto_key_free(other.key);
}

static void test_update(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    struct crypto_keydir dir;
    key.inactive = 9000;
    assert_int_equal(crypto_keydir_update(world->dir, &key, &world->findings), BASE_OK);
    assert_int_equal(open_for(world, "example.", &dir), BASE_OK);
    assert_int_equal(dir.keys[0].inactive, 9000);
    crypto_keydir_free(&dir);
    name_of("other.", key.zone);
    assert_int_equal(crypto_keydir_update(world->dir, &key, &world->findings), BASE_ENOENT);
    crypto_key_free(key.key);
}

static void test_limits_of_create(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key, template = template_of("example.", 5, CRYPTO_CSK);
    assert_int_equal(crypto_keydir_create(world->dir, &template, 0, &world->findings, &key),
                     BASE_EUNSUPPORTED);
    template.algorithm = 8;
    assert_int_equal(crypto_keydir_create(world->dir, &template, 777, &world->findings, &key),
                     BASE_ERANGE);
    template.role = 0;
    assert_int_equal(crypto_keydir_create(world->dir, &template, 0, &world->findings, &key),
                     BASE_EINVAL);
    template.role = CRYPTO_ZSK;
    assert_int_equal(crypto_keydir_create(world->dir, &template, 1024, &world->findings, &key),
                     BASE_OK);
    crypto_key_free(key.key);
    expect_keys(world, "example.", 1);
    expect(world, KEY_WEAK);
    /* A file where the directory should be, and a directory that cannot be made. */
    char path[128];
    snprintf(path, sizeof(path), "%s/file", world->root);
    put(path, "", 0, 0600);
    assert_int_equal(crypto_keydir_create(path, &template, 1024, &world->findings, &key),
                     BASE_EREFUSED);
    expect(world, FILE_UNREADABLE);
    snprintf(path, sizeof(path), "%s/none/keys", world->root);
    assert_int_equal(crypto_keydir_create(path, &template, 1024, &world->findings, &key),
                     BASE_EREFUSED);
    expect(world, FILE_UNWRITABLE);
}

static void test_permissions(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    crypto_key_free(key.key);
    char pem[512], meta[512];
    find_file(world, ".key.pem", pem);
    find_file(world, ".json", meta);
    static const mode_t open_modes[] = {0710, 0750, 0701, 0770, 0777, 0720};
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        chmod(world->dir, open_modes[i]);
        expect_refused(world, "example.", KEY_PERMISSIONS);
    }
    chmod(world->dir, 0700);
    static const mode_t file_modes[] = {0640, 0604, 0660, 0606, 0620};
    for (size_t i = 0; i < sizeof(file_modes) / sizeof(file_modes[0]); i++) {
        chmod(pem, file_modes[i]);
        expect_refused(world, "example.", KEY_PERMISSIONS);
        expect_refused(world, NULL, KEY_PERMISSIONS);
    }
    chmod(pem, 0400);
    chmod(meta, 0644);
    expect_keys(world, "example.", 1);
    chmod(meta, 0666);
    expect_refused(world, "example.", KEY_PERMISSIONS);
}

static void test_links_and_devices(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    crypto_key_free(key.key);
    char pem[512], elsewhere[512];
    find_file(world, ".key.pem", pem);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", world->root);
    assert_int_equal(rename(pem, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, pem), 0);
    expect_refused(world, "example.", KEY_NOT_A_FILE);
    expect_refused(world, NULL, KEY_NOT_A_FILE);
    unlink(pem);
    assert_int_equal(mkfifo(pem, 0600), 0);
    expect_refused(world, "example.", KEY_NOT_A_FILE);
    unlink(pem);
    assert_int_equal(mkdir(pem, 0700), 0);
    expect_refused(world, "example.", KEY_NOT_A_FILE);
    rmdir(pem);
    /* Only the public half. */
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, "example.", &dir), BASE_OK);
    assert_int_equal(dir.count, 1);
    assert_null(dir.keys[0].key);
    crypto_keydir_free(&dir);
}

/* Metadata cut at any place, or with anything changed, are refused or are still the same key. */
static void test_damaged_metadata(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    char meta[512];
    size_t length;
    find_file(world, ".json", meta);
    char *text = get(meta, &length);
    for (size_t cut = 0; cut + 2 < length; cut++) {
        put(meta, text, cut, 0600);
        expect_refused(world, "example.", KEY_DAMAGED);
    }
    for (size_t at = 0; at < length; at++) {
        struct crypto_keydir dir;
        text[at] ^= 1;
        put(meta, text, length, 0600);
        int error = open_for(world, "example.", &dir);
        if (error == BASE_OK) {
            assert_memory_equal(dir.keys[0].id, key.id, sizeof(key.id));
            crypto_keydir_free(&dir);
        } else {
            assert_int_equal(error, BASE_EREFUSED);
            assert_true(base_findings_bad(&world->findings));
        }
        base_findings_free(&world->findings);
        text[at] ^= 1;
    }
    free(text);
    crypto_key_free(key.key);
}

static void replace(const char *path, const char *old, const char *new)
{
    size_t length;
    char *text = get(path, &length), changed[8192];
    char *at = strstr(text, old);
    assert_non_null(at);
    int total = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, new,
                         at + strlen(old));
    put(path, changed, (size_t)total, 0600);
    free(text);
}

static void test_wrong_metadata(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *old, *new;
        enum base_finding_code code;
    } cases[] = {
        {"\"version\": 1", "\"version\": 2", KEY_VERSION},
        {"\"version\": 1", "\"version\": \"1\"", KEY_DAMAGED},
        {"\"version\": 1", "\"version\": 1, \"version\": 1", KEY_DAMAGED},
        {"\"algorithm\": 13", "\"algorithm\": 1300", KEY_DAMAGED},
        {"\"algorithm\": 13", "\"algorithm\": 12", KEY_DAMAGED}, /* tag and id no longer fit */
        {"\"role\": \"csk\"", "\"role\": \"king\"", KEY_DAMAGED},
        {"\"flags\": 257", "\"flags\": 1", KEY_DAMAGED},
        {"\"flags\": 257", "\"flags\": 256", KEY_DAMAGED},
        {"\"zone\": \"example.\"", "\"zone\": \"example\"", KEY_DAMAGED},
        {"\"zone\": \"example.\"", "\"zone\": \"a..b.\"", KEY_DAMAGED},
        {"\"zone\": \"example.\"", "\"zone\": \"other.\"", KEY_DAMAGED},
        {"1970-01-01T00:16:40Z", "now", KEY_DAMAGED},
        {"1970-01-01T00:16:40Z", "1970-02-30T00:16:40Z", KEY_DAMAGED},
        {"\"times\": {", "\"times\": [], \"x\": {", KEY_DAMAGED},
        {"\"publicKey\": \"", "\"publicKey\": \"!", KEY_DAMAGED},
    };
    char meta[512];
    size_t length;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    find_file(world, ".json", meta);
    char *good = get(meta, &length);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        replace(meta, cases[i].old, cases[i].new);
        expect_refused(world, "example.", cases[i].code);
        put(meta, good, length, 0600);
    }
    /* Times that contradict each other are said, and no reason to stop. */
    replace(meta, "\"times\": {",
            "\"times\": {\"activate\": \"2026-01-02T00:00:00Z\", "
            "\"inactive\": \"2026-01-01T00:00:00Z\", ");
    expect_keys(world, "example.", 1);
    expect(world, KEY_TIMES);
    static char large[80000];
    memset(large, ' ', sizeof(large));
    put(meta, large, sizeof(large), 0600);
    expect_refused(world, "example.", KEY_DAMAGED);
    free(good);
    crypto_key_free(key.key);
}

static void test_damaged_private_key(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    char pem[512];
    size_t length;
    find_file(world, ".key.pem", pem);
    char *text = get(pem, &length);
    for (size_t cut = 0; cut < length - 30; cut += 9) {
        put(pem, text, cut, 0600);
        expect_refused(world, "example.", KEY_DAMAGED);
    }
    free(text);
    /* Private keys of somebody else, of this algorithm and of another. */
    for (unsigned algorithm = 13; algorithm <= 15; algorithm++) {
        struct crypto_key *foreign = new_key(algorithm, 0);
        assert_int_equal(crypto_key_to_pem(foreign, &text, &length), BASE_OK);
        put(pem, text, length, 0600);
        expect_refused(world, "example.", KEY_MISMATCH);
        free(text);
        crypto_key_free(foreign);
    }
    crypto_key_free(key.key);
}

static void test_misplaced_files(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK);
    char meta[512], pem[512], path[512];
    find_file(world, ".json", meta);
    find_file(world, ".key.pem", pem);
    /* A key of one zone under the name of another. */
    snprintf(path, sizeof(path), "%s/other.+013+%05u+00000000.json", world->dir, key.tag);
    assert_int_equal(rename(meta, path), 0);
    expect_refused(world, "other.", KEY_MISNAMED);
    expect_keys(world, "example.", 0);
    expect(world, KEY_ORPHAN);
    assert_int_equal(rename(path, meta), 0);
    /* Things that are no keys are not looked at. */
    static const char *const others[] = {".example.+013+00001+00000000.json", "README", "x.json",
                                         "Kexample.+013+00001.state"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", world->dir, others[i]);
        put(path, "x", 1, 0600);
    }
    expect_keys(world, "example.", 1);
    expect_none(world);
    crypto_key_free(key.key);
}

static void test_import(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = template_of("example.", 15, CRYPTO_ZSK);
    key.flags = 256;
    key.key = new_key(15, 0);
    assert_int_equal(crypto_keydir_import(world->dir, &key, &world->findings), BASE_OK);
    assert_int_equal(crypto_keydir_import(world->dir, &key, &world->findings), BASE_EEXIST);
    expect(world, KEY_EXISTS);
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, "example.", &dir), BASE_OK);
    assert_int_equal(dir.count, 1);
    /* The halves must belong together. */
    struct crypto_zone_key mixed = dir.keys[0];
    mixed.key = new_key(15, 0);
    assert_int_equal(crypto_keydir_import(world->dir, &mixed, &world->findings), BASE_EMISMATCH);
    crypto_key_free(mixed.key);
    /* The public half alone, and then the private one to it. */
    struct crypto_zone_key public = dir.keys[0];
    name_of("public.", public.zone);
    public.key = NULL;
    assert_int_equal(crypto_keydir_import(world->dir, &public, &world->findings), BASE_OK);
    assert_int_equal(crypto_keydir_import(world->dir, &public, &world->findings), BASE_EEXIST);
    expect(world, KEY_EXISTS);
    public.key = key.key;
    assert_int_equal(crypto_keydir_import(world->dir, &public, &world->findings), BASE_OK);
    public.role = 0;
    assert_int_equal(crypto_keydir_import(world->dir, &public, &world->findings), BASE_EINVAL);
    crypto_keydir_free(&dir);
    assert_int_equal(open_for(world, "public.", &dir), BASE_OK);
    assert_non_null(dir.keys[0].key);
    crypto_keydir_free(&dir);
    expect_none(world);
    crypto_key_free(key.key);
}

/* Changes two octets of a public key so that its tag becomes that of another one. */
static void give_tag(struct crypto_zone_key *key, uint16_t tag)
{
    for (unsigned i = 0; i < 65536; i++) {
        key->dnskey[10] = (uint8_t)(i >> 8);
        key->dnskey[11] = (uint8_t)i;
        if (crypto_key_tag(key->dnskey, key->dnskey_length) == tag)
            return;
    }
    fail();
}

static void test_tag_collision(void **state)
{
    struct world *world = *state;
    /* Of Ed25519, where any 32 octets may be a key. */
    struct crypto_zone_key key, template = template_of("example.", 15, CRYPTO_CSK);
    assert_int_equal(crypto_keydir_create(world->dir, &template, 0, &world->findings, &key),
                     BASE_OK);
    struct crypto_zone_key twin = key;
    twin.key = NULL;
    twin.dnskey[20] ^= 1;
    give_tag(&twin, key.tag);
    assert_int_equal(crypto_keydir_import(world->dir, &twin, &world->findings), BASE_EREFUSED);
    expect(world, KEY_TAG_COLLISION);
    /* One that came by another way. */
    char other[128];
    snprintf(other, sizeof(other), "%s/other", world->root);
    assert_int_equal(crypto_keydir_import(other, &twin, &world->findings), BASE_OK);
    char command[512];
    snprintf(command, sizeof(command), "cp -p %s/*.json %s/", other, world->dir);
    assert_int_equal(system(command), 0);
    expect_refused(world, "example.", KEY_TAG_COLLISION);
    expect_refused(world, NULL, KEY_TAG_COLLISION);
    crypto_key_free(key.key);
}

/* A public half alone is checked as well: it would be published. */
static void test_public_half_off_the_curve(void **state)
{
    struct world *world = *state;
    struct crypto_zone_key key = create(world, "example.", CRYPTO_CSK), wrong = key;
    wrong.key = NULL;
    wrong.dnskey[20] ^= 1;
    name_of("other.", wrong.zone);
    assert_int_equal(crypto_keydir_import(world->dir, &wrong, &world->findings), BASE_EREFUSED);
    expect(world, KEY_DAMAGED);
    crypto_key_free(key.key);
}

static void test_odd_names(void **state)
{
    struct world *world = *state;
    static const char *const zones[] = {
        ".",
        "@.",
        "a/b.example.",
        "..\\/etc.",
        "\\.\\.\\047x.",
        "UPPER.Example.",
        "upper2.example.",
        "sp\\032ace.\\000nul.",
        "*.wild.",
        "a\\.b.example.",
        "a.b.example.",
        "plus+plus.",
        "%41.",
        "K.",
        "_tcp.x.",
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        uint8_t name[DNS_NAME_MAX];
        size_t length;
        if (dns_name_from_text(name, &length, zones[i], strlen(zones[i]), NULL) != BASE_OK)
            continue;
        struct crypto_zone_key key = create(world, zones[i], CRYPTO_CSK);
        crypto_key_free(key.key);
        count++;
    }
    assert_true(count >= 13);
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        uint8_t name[DNS_NAME_MAX];
        size_t length;
        if (dns_name_from_text(name, &length, zones[i], strlen(zones[i]), NULL) == BASE_OK)
            expect_keys(world, zones[i], 1);
    }
    /* The longest names there are, which differ in their last label only. */
    for (int last = 'a'; last <= 'b'; last++) {
        char zone[4 * 255 + 1] = "";
        for (int label = 0; label < 3; label++) {
            for (int i = 0; i < 63; i++)
                strcat(zone, "\\001");
            strcat(zone, ".");
        }
        for (int i = 0; i < 61; i++)
            strcat(zone, (char[]){(char)last, '\0'});
        strcat(zone, ".");
        struct crypto_zone_key key = create(world, zone, CRYPTO_CSK);
        assert_int_equal(crypto_bind_pair_write(world->root, &key, &world->findings),
                         BASE_EREFUSED);
        expect(world, FILE_UNWRITABLE);
        crypto_key_free(key.key);
        count++;
    }
    expect_keys(world, NULL, count);
    expect_none(world);
}

static void test_bind_pairs(void **state)
{
    struct world *world = *state;
    static const unsigned algorithms[] = {8, 10, 13, 14, 15, 16};
    assert_int_equal(mkdir(world->dir, 0700), 0);
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        struct crypto_zone_key key = template_of("b\\/nd.example.", algorithms[i], CRYPTO_ZSK);
        key.flags = 256;
        key.key = new_key(algorithms[i], algorithms[i] < 13 ? 2048 : 0);
        key.publish = 86400;
        key.activate = 2 * 86400;
        key.inactive = 3 * 86400;
        key.remove = 4 * 86400;
        key.ds_publish = 86400 + 1;
        key.ds_remove = 86400 + 2;
        key.dnskey_length = crypto_key_dnskey(key.key, 256, key.dnskey);
        key.tag = crypto_key_tag(key.dnskey, key.dnskey_length);
        assert_int_equal(crypto_bind_pair_write(world->dir, &key, &world->findings), BASE_OK);
        assert_int_equal(crypto_bind_pair_write(world->dir, &key, &world->findings), BASE_EEXIST);
        expect(world, KEY_EXISTS);
        char path[512];
        static const char *const ends[] = {"", ".key", ".private"};
        for (size_t end = 0; end < 3; end++) {
            struct crypto_zone_key again;
            snprintf(path, sizeof(path), "%s/Kb%%2Fnd.example.+%03u+%05u%s", world->dir,
                     algorithms[i], key.tag, ends[end]);
            assert_int_equal(crypto_bind_pair_read(path, &world->findings, &again), BASE_OK);
            assert_int_equal(again.tag, key.tag);
            assert_int_equal(again.role, CRYPTO_ZSK);
            assert_int_equal(again.created, 1000);
            assert_int_equal(again.publish, key.publish);
            assert_int_equal(again.activate, key.activate);
            assert_int_equal(again.inactive, key.inactive);
            assert_int_equal(again.remove, key.remove);
            assert_int_equal(again.ds_publish, key.ds_publish);
            assert_int_equal(again.ds_remove, key.ds_remove);
            assert_true(dns_name_equal(again.zone, key.zone));
            assert_non_null(again.key);
            crypto_key_free(again.key);
        }
        crypto_key_free(key.key);
    }
    expect_keys(world, "b\\/nd.example.", 6);
    expect_keys(world, "other.", 0);
    expect_none(world);
}

/* Writes both files of a pair as BIND would. */
static void put_pair(struct world *world, const char *stem, const char *record, const char *private,
                     mode_t mode)
{
    char path[512];
    mkdir(world->dir, 0700);
    snprintf(path, sizeof(path), "%s/%s.key", world->dir, stem);
    put(path, record, strlen(record), 0644);
    snprintf(path, sizeof(path), "%s/%s.private", world->dir, stem);
    unlink(path);
    if (private != NULL)
        put(path, private, strlen(private), mode);
}

#define PUBLIC                                                                                     \
    "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
#define PRIVATE                                                                                    \
    "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n"                                  \
    "PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n"
#define STEM "Kexample.net.+013+55648" /* the key of RFC 6605 section 6.1 */

static void test_bind_text_forms(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *record;
        const char *private;
        int error;
        enum base_finding_code code;
    } cases[] = {
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC "\n", PRIVATE, BASE_OK, 0},
        {"EXAMPLE.net. 3600 IN dnskey 257 3 13 " PUBLIC, PRIVATE, BASE_OK, 0},
        {"example.net. IN 3600 DNSKEY ( 257 3\n 13 ; c\n " PUBLIC " ) ;{id = 1}\n", PRIVATE,
         BASE_OK, 0},
        {"example.net.\tDNSKEY\t257 3 13 " PUBLIC "\r\n", PRIVATE "Publish: 0\n", BASE_OK, 0},
        {"; Publish: 20260101000000 (x)\nexample.net. DNSKEY 257 3 13 " PUBLIC, NULL, BASE_OK, 0},
        {"example.net DNSKEY 257 3 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. CH DNSKEY 257 3 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 4 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 1 3 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 300 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13", PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13 AAA", PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC "\nexample.net. DNSKEY 257 3 13 " PUBLIC,
         PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"", PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"\\", PRIVATE, BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 256 3 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_MISNAMED},
        {"example.org. IN DNSKEY 257 3 13 " PUBLIC, PRIVATE, BASE_EREFUSED, KEY_MISNAMED},
        {"example.net. IN DNSKEY 257 3 5 AwEAAQ==", PRIVATE, BASE_EREFUSED, KEY_ALGORITHM},
        {"example.net. IN DNSKEY 257 3 99 AwEAAQ==", PRIVATE, BASE_EREFUSED, KEY_ALGORITHM},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC, "", BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC, PRIVATE "Publish: tomorrow\n", BASE_EREFUSED,
         KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC, PRIVATE "Publish: 20261301000000\n",
         BASE_EREFUSED, KEY_DAMAGED},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC,
         "Private-key-format: v1.3\nAlgorithm: 13\nEngine: AA==\nLabel: AA==\n", BASE_EREFUSED,
         KEY_HARDWARE},
        {"example.net. IN DNSKEY 257 3 13 " PUBLIC,
         "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AQ==\n", BASE_EREFUSED,
         KEY_MISMATCH},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct crypto_keydir dir;
        put_pair(world, STEM, cases[i].record, cases[i].private, 0600);
        int error = open_for(world, "example.net.", &dir);
        if (error != cases[i].error)
            print_message("case %zu: %s\n", i, cases[i].record);
        assert_int_equal(error, cases[i].error);
        if (error == BASE_OK) {
            assert_int_equal(dir.count, 1);
            assert_int_equal(dir.keys[0].tag, 55648);
            assert_int_equal(dir.keys[0].role, CRYPTO_CSK); /* it is alone */
            assert_true((dir.keys[0].key != NULL) == (cases[i].private != NULL));
            assert_true((dir.keys[0].publish != 0) == (cases[i].private == NULL));
            crypto_keydir_free(&dir);
            expect_none(world);
        } else {
            expect(world, cases[i].code);
        }
    }
    put_pair(world, STEM, "example.net. IN DNSKEY 257 3 13 " PUBLIC, PRIVATE, 0640);
    expect_refused(world, "example.net.", KEY_PERMISSIONS);
}

static void test_bind_roles(void **state)
{
    struct world *world = *state;
    char path[512];
    put_pair(world, STEM, "example.net. IN DNSKEY 257 3 13 " PUBLIC, PRIVATE, 0600);
    /* Another key that signs the records makes it a KSK. */
    struct crypto_zone_key zsk = create(world, "example.net.", CRYPTO_ZSK);
    struct crypto_keydir dir;
    assert_int_equal(open_for(world, "example.net.", &dir), BASE_OK);
    assert_int_equal(dir.count, 2);
    assert_int_equal(dir.keys[0].role, CRYPTO_KSK);
    crypto_keydir_free(&dir);
    /* What .state says goes first. */
    snprintf(path, sizeof(path), "%s/%s.state", world->dir, STEM);
    const char *both = "; This is the state of key 55648\nAlgorithm: 13\nKSK: yes\nZSK: yes\n";
    put(path, both, strlen(both), 0644);
    assert_int_equal(open_for(world, "example.net.", &dir), BASE_OK);
    assert_int_equal(dir.keys[1].role, CRYPTO_CSK);
    crypto_keydir_free(&dir);
    crypto_key_free(zsk.key);
    expect_none(world);
    /* Imported, the pair is superfluous. */
    struct crypto_zone_key key;
    snprintf(path, sizeof(path), "%s/%s", world->dir, STEM);
    assert_int_equal(crypto_bind_pair_read(path, &world->findings, &key), BASE_OK);
    assert_int_equal(key.role, CRYPTO_CSK);
    assert_int_equal(crypto_keydir_import(world->dir, &key, &world->findings), BASE_OK);
    crypto_key_free(key.key);
    expect_none(world);
    expect_keys(world, "example.net.", 2);
    expect(world, KEY_DUPLICATE);
    /* Halves and names that are not there. */
    snprintf(path, sizeof(path), "%s/%s.key", world->dir, STEM);
    unlink(path);
    expect_keys(world, "example.net.", 2);
    expect(world, KEY_ORPHAN);
    assert_int_equal(crypto_bind_pair_read(path, &world->findings, &key), BASE_EREFUSED);
    expect(world, FILE_UNREADABLE);
    assert_int_equal(crypto_bind_pair_read("/nowhere/K", &world->findings, &key), BASE_EREFUSED);
    expect(world, FILE_UNREADABLE);
    assert_int_equal(crypto_bind_pair_read("/", &world->findings, &key), BASE_EREFUSED);
    expect(world, FILE_UNREADABLE);
    assert_int_equal(crypto_bind_pair_write("/nowhere", &zsk, &world->findings), BASE_EREFUSED);
    expect(world, FILE_UNWRITABLE);
}

static size_t create_first(struct world *world, size_t count)
{
    struct crypto_zone_key wanted[2];
    uint8_t zone[DNS_NAME_MAX];
    size_t created = 99;
    name_of("Example.", zone);
    crypto_zone_key_begin(&wanted[0], zone, 13, CRYPTO_KSK, 1000);
    crypto_zone_key_begin(&wanted[1], zone, 13, CRYPTO_ZSK, 1000);
    assert_int_equal(
        crypto_keydir_create_first(world->dir, wanted, count, 0, &world->findings, &created),
        BASE_OK);
    expect_none(world);
    return created;
}

static void test_first_keys(void **state)
{
    struct world *world = *state;
    struct crypto_keydir dir;
    assert_int_equal(create_first(world, 2), 2);
    assert_int_equal(create_first(world, 2), 0);
    assert_int_equal(open_for(world, "example.", &dir), BASE_OK);
    assert_int_equal(dir.count, 2);
    assert_int_equal(dir.keys[0].flags, 257);
    assert_int_equal(dir.keys[0].ds_publish, 1000);
    assert_int_equal(dir.keys[1].flags, 256);
    assert_int_equal(dir.keys[1].ds_publish, 0);
    assert_int_equal(dir.keys[1].activate, 1000);
    /* A writer was stopped before it gave the private half its name. */
    char own[512], pending[512];
    snprintf(own, sizeof(own), "%s", dir.keys[0].path);
    snprintf(pending, sizeof(pending), "%s/.%s", world->dir, strrchr(own, '/') + 1);
    crypto_keydir_free(&dir);
    assert_int_equal(rename(own, pending), 0);
    assert_int_equal(open_for(world, "example.", &dir), BASE_OK);
    assert_int_equal(dir.count, 2);
    assert_non_null(dir.keys[0].key);
    expect_none(world);
    assert_int_equal(rename(pending, own), 0);
    /* What is left of a key counts as one. */
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s", dir.keys[i].path);
        strcpy(strstr(path, ".key.pem"), ".json");
        assert_int_equal(unlink(path), 0);
    }
    crypto_keydir_free(&dir);
    assert_int_equal(create_first(world, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_keys),
        TEST(test_create_and_open),
        TEST(test_update),
        TEST(test_limits_of_create),
        TEST(test_permissions),
        TEST(test_links_and_devices),
        TEST(test_damaged_metadata),
        TEST(test_wrong_metadata),
        TEST(test_damaged_private_key),
        TEST(test_misplaced_files),
        TEST(test_import),
        TEST(test_tag_collision),
        TEST(test_public_half_off_the_curve),
        TEST(test_odd_names),
        TEST(test_bind_pairs),
        TEST(test_bind_text_forms),
        TEST(test_bind_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
