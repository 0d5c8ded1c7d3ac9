/*
 * Directories of keys from a shell, for scenario tests of src/crypto/ with other signers:
 *   keytool new DIRECTORY ZONE ALGORITHM ksk|zsk|csk [BITS]
 *   keytool import DIRECTORY PAIR        a BIND pair into the directory
 *   keytool export DIRECTORY ZONE OUT    all keys of the zone as BIND pairs
 *   keytool list DIRECTORY ZONE          per key: tag algorithm flags role, DS of types 1, 2 and 4
 *   keytool verify                       lines "DNSKEY-hex data-hex signature-hex" from stdin
 */
#include "base/codec.h"
#include "base/error.h"
#include "crypto/keydir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct base_findings findings;

static int report(int error)
{
    for (size_t i = 0; i < findings.count; i++) {
        const struct base_finding *finding = &findings.items[i];
        fprintf(stderr, "%s: %s: %s\n", finding->place.file ? finding->place.file : "-",
                base_finding_info(finding->code)->code, finding->message);
    }
    base_findings_free(&findings);
    if (error != BASE_OK)
        fprintf(stderr, "keytool: %s\n", base_strerror(error));
    return error == BASE_OK ? 0 : 1;
}

static int read_zone(const char *text, uint8_t zone[DNS_NAME_MAX])
{
    size_t length;
    const uint8_t root[] = {0};
    return dns_name_from_text(zone, &length, text, strlen(text), root);
}

static int make(const char *directory, const char *zone, const char *algorithm, const char *role,
                const char *bits)
{
    struct crypto_zone_key template = {.created = base_clock_now()}, key;
    unsigned number;
    int error = read_zone(zone, template.zone);
    if (error == BASE_OK)
        error = crypto_algorithm_from_text(algorithm, &number);
    if (error != BASE_OK)
        return error;
    template.algorithm = (uint8_t)number;
    template.role = role[0] == 'k' ? CRYPTO_KSK : role[0] == 'z' ? CRYPTO_ZSK : CRYPTO_CSK;
    template.publish = template.activate = template.created;
    error = crypto_keydir_create(directory, &template, (unsigned)atoi(bits), &findings, &key);
    if (error == BASE_OK)
        crypto_key_free(key.key);
    return error;
}

static int import(const char *directory, const char *pair)
{
    struct crypto_zone_key key;
    int error = crypto_bind_pair_read(pair, &findings, &key);
    if (error != BASE_OK)
        return error;
    error = crypto_keydir_import(directory, &key, &findings);
    crypto_key_free(key.key);
    return error;
}

static void list_one(const struct crypto_zone_key *key)
{
    static const char *const roles[] = {"", "ksk", "zsk", "csk"};
    printf("%u %u %u %s", key->tag, key->algorithm, key->flags, roles[key->role]);
    for (unsigned type = 1; type <= 4; type++) {
        uint8_t digest[CRYPTO_DIGEST_MAX];
        char text[BASE_HEX_SIZE(CRYPTO_DIGEST_MAX)];
        size_t length;
        if (crypto_ds_digest(type, key->zone, key->dnskey, key->dnskey_length, digest, &length) ==
            BASE_OK)
            printf(" %.*s", (int)base_hex_encode(text, digest, length), text);
    }
    printf("\n");
}

static int each(const char *directory, const char *zone_text, const char *out)
{
    uint8_t zone[DNS_NAME_MAX];
    struct crypto_keydir dir;
    int error = read_zone(zone_text, zone);
    if (error == BASE_OK)
        error = crypto_keydir_open(directory, zone, &findings, &dir);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < dir.count && error == BASE_OK; i++) {
        if (out != NULL)
            error = crypto_bind_pair_write(out, &dir.keys[i], &findings);
        else
            list_one(&dir.keys[i]);
    }
    crypto_keydir_free(&dir);
    return error;
}

static int verify_line(char *line)
{
    uint8_t parts[3][4096];
    size_t lengths[3];
    char *rest = line;
    for (int i = 0; i < 3; i++) {
        const char *word = strtok_r(rest, " \n", &rest);
        if (word == NULL ||
            base_hex_decode(parts[i], sizeof(parts[i]), &lengths[i], word, strlen(word)) != BASE_OK)
            return BASE_EFORMAT;
    }
    struct crypto_verifier *verifier;
    int error = crypto_verifier_new(parts[0], lengths[0], true, &verifier);
    if (error != BASE_OK)
        return error;
    error = crypto_verify(verifier, parts[1], lengths[1], parts[2], lengths[2]);
    crypto_verifier_free(verifier);
    return error;
}

static int verify(void)
{
    static char line[32768];
    while (fgets(line, sizeof(line), stdin) != NULL)
        printf("%s\n", base_strerror(verify_line(line)));
    return BASE_OK;
}

int main(int argc, char **argv)
{
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc >= 6 && strcmp(verb, "new") == 0)
        return report(make(argv[2], argv[3], argv[4], argv[5], argc > 6 ? argv[6] : "0"));
    if (argc == 4 && strcmp(verb, "import") == 0)
        return report(import(argv[2], argv[3]));
    if (argc == 5 && strcmp(verb, "export") == 0)
        return report(each(argv[2], argv[3], argv[4]));
    if (argc == 4 && strcmp(verb, "list") == 0)
        return report(each(argv[2], argv[3], NULL));
    if (argc == 2 && strcmp(verb, "verify") == 0)
        return report(verify());
    fprintf(stderr, "usage: keytool new|import|export|list|verify ... (see the source)\n");
    return 2;
}
