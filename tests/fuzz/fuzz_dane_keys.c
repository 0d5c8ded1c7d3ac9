/*
 * Keys of people and hosts from files. The first octet says which: 'm' an address of mail, 's' a
 * line of OpenSSH, 'i' a key for IPsec, else a key of OpenPGP. What is taken keeps its bounds, and
 * is taken again.
 */
#include "base/error.h"
#include "dane/keys.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void fuzz_mailbox(const char *text)
{
    char name[DANE_MAILBOX_MAX];
    if (dane_mailbox_name(text, "_openpgpkey", name) != BASE_OK)
        return;
    must(strnlen(name, sizeof(name)) < sizeof(name) && strspn(name, "0123456789abcdef") == 56);
    must(strncmp(name + 56, "._openpgpkey.", 13) == 0);
}

static void fuzz_ssh(const char *text)
{
    char why[200] = "";
    uint8_t rdata[DANE_SSHFP_MAX];
    struct dane_ssh_key key;
    int error = dane_ssh_key_read(text, &key, why);
    must(error != BASE_EFORMAT || (why[0] != '\0' && strnlen(why, sizeof(why)) < sizeof(why)));
    if (error != BASE_OK)
        return;
    must(key.algorithm > 0 && key.length > 4);
    must(dane_ssh_key_sshfp(&key, 1, rdata) == 22 && rdata[0] == key.algorithm && rdata[1] == 1);
    must(dane_ssh_key_sshfp(&key, 2, rdata) == 34 && rdata[1] == 2);
    free(key.blob);
}

static void fuzz_ipsec(const uint8_t *data, size_t size)
{
    struct dane_der der = {data, size};
    uint8_t algorithm, *key;
    size_t length;
    if (dane_ipsec_key(&der, &algorithm, &key, &length) != BASE_OK)
        return;
    must(algorithm >= 2 && algorithm <= 4 && length > 0 && length < size);
    free(key);
}

static void fuzz_openpgp(const uint8_t *data, size_t size)
{
    char why[200] = "";
    uint8_t *key, *again;
    size_t length, again_length;
    struct dane_openpgp_facts facts, facts_again;
    int error = dane_openpgp_read(data, size, "hugh@example.com", &key, &length, &facts, why);
    must(error != BASE_EFORMAT || (why[0] != '\0' && strnlen(why, sizeof(why)) < sizeof(why)));
    if (error != BASE_OK)
        return;
    must(length > 0 && length <= size);
    key = realloc(key, length + 1);
    must(key != NULL);
    key[length] = '\0';
    must(dane_openpgp_read(key, length, "hugh@example.com", &again, &again_length, &facts_again,
                           why) == BASE_OK);
    must(again_length == length && memcmp(again, key, length) == 0);
    must(facts_again.has_mailbox == facts.has_mailbox && !facts_again.sum_differs);
    free(again);
    free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy of its own, so that reading over the end is seen; text ends with a NUL. */
    char *text = malloc(size);
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 'm')
        fuzz_mailbox(text);
    else if (data[0] == 's')
        fuzz_ssh(text);
    else if (data[0] == 'i')
        fuzz_ipsec((const uint8_t *)text, size - 1);
    else
        fuzz_openpgp((const uint8_t *)text, size - 1);
    free(text);
    return 0;
}
