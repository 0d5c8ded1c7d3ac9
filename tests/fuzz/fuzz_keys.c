/*
 * What a client may send to the key process, and what a key process may answer. The first octet
 * says which: 'A' an answer, else a run of messages: type, length in two octets, data. A sign
 * message whose key id begins with FF is given the id of a key that is there.
 */
#include "base/error.h"
#include "keys/session.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t example[] = "\7example";
static char directory[64];
static uint8_t known_id[CRYPTO_KEY_ID];

static void must(bool good)
{
    if (!good)
        abort();
}

static struct keys_vault *open_vault(void)
{
    struct base_findings findings;
    struct keys_vault *vault;
    base_findings_init(&findings, 10);
    must(keys_vault_new(directory, &findings, &vault) == BASE_OK);
    base_findings_free(&findings);
    return vault;
}

static void remove_directory(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/example", directory);
    crypto_keydir_discard(path);
    rmdir(directory);
}

/* A directory with one zone that has a key, made once. */
static void prepare(void)
{
    struct keys_provide provide = {.now = 1, .csk = true, .algorithm = 13};
    struct base_findings findings;
    struct keys_zone *zone;
    size_t created;
    bool settled;
    memcpy(provide.zone, example, sizeof(example));
    strcpy(directory, "/tmp/fuzz-keys-XXXXXX");
    must(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    base_findings_init(&findings, 10);
    struct keys_vault *vault = open_vault();
    must(keys_vault_provide(vault, &provide, &findings, &zone, &created, &settled) == BASE_OK);
    memcpy(known_id, keys_zone_keys(zone)->keys[0].id, CRYPTO_KEY_ID);
    keys_vault_release(vault, zone);
    keys_vault_free(vault);
    base_findings_free(&findings);
}

/* What was made on the way goes. */
static void clean(void)
{
    char path[400];
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "example") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        crypto_keydir_discard(path);
    }
    closedir(stream);
}

/* Keys of RSA take too long to make. */
static size_t make_quick(uint8_t *data, size_t length)
{
    struct keys_provide provide;
    if (keys_get_provide(data, length, &provide) != BASE_OK)
        return length;
    if (provide.algorithm == 8 || provide.algorithm == 10)
        provide.algorithm = 13;
    struct base_buf buf;
    base_buf_init(&buf, PROCESS_MESSAGE_MAX);
    keys_put_provide(&buf, &provide);
    must(buf.error == BASE_OK && buf.length == length);
    memcpy(data, buf.data, length);
    base_buf_free(&buf);
    return length;
}

static void insert_id(uint8_t *data, size_t length)
{
    size_t at = sizeof(example);
    if (length >= at + CRYPTO_KEY_ID && data[at] == 0xff)
        memcpy(data + at, known_id, CRYPTO_KEY_ID);
}

static void fuzz_session(const uint8_t *data, size_t size)
{
    struct keys_session session;
    struct process_message answer;
    struct keys_vault *vault = open_vault();
    keys_session_init(&session, vault);
    int error = BASE_OK;
    while (size >= 3 && error == BASE_OK) {
        size_t length = (size_t)(data[1] << 8 | data[2]);
        length = length < size - 3 ? length : size - 3;
        uint8_t *copy = malloc(length + 1); /* so that reading over the end is seen */
        must(copy != NULL);
        memcpy(copy, data + 3, length);
        uint8_t type = data[0] & 7;
        if (type == KEYS_PROVIDE)
            length = make_quick(copy, length);
        if (type == KEYS_SIGN)
            insert_id(copy, length);
        struct process_message message = {.type = type, .data = copy, .length = length, .fd = -1};
        error = keys_session_handle(&session, &message, 1000, &answer);
        if (error == BASE_OK && answer.type != 0)
            must(answer.length <= PROCESS_MESSAGE_MAX);
        free(copy);
        data += 3 + length;
        size -= 3 + length;
    }
    keys_session_free(&session);
    keys_vault_free(vault);
    clean();
}

static void fuzz_answer(const uint8_t *data, size_t size)
{
    struct base_reader reader = base_reader_make(data, size);
    struct base_findings findings;
    struct keys_provided provided;
    bool *has_private;
    base_findings_init(&findings, 10);
    if (keys_get_findings(&reader, &findings) == BASE_OK &&
        keys_get_keys(&reader, example, &provided, &has_private) == BASE_OK) {
        free(has_private);
        crypto_keydir_free(&provided.keys);
    }
    base_findings_free(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (directory[0] == '\0')
        prepare();
    if (size > 0 && data[0] == 'A')
        fuzz_answer(data + 1, size - 1);
    else if (size > 0)
        fuzz_session(data + 1, size - 1);
    return 0;
}
