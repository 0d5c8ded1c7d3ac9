/*
 * Signatures from a shell, to compare src/crypto/ with other libraries. Reads lines from standard
 * input and answers each with one line:
 *   keytool verify               DNSKEY data signature (hexadecimal) → "no error", or what is wrong
 *   keytool sign DIRECTORY ZONE  data → DNSKEY and signature, by the first key of the zone
 */
#include "base/codec.h"
#include "base/error.h"
#include "crypto/keydir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 65536

static int read_hex(const char *word, uint8_t *out, size_t capacity, size_t *length)
{
    return word == NULL ? BASE_EFORMAT : base_hex_decode(out, capacity, length, word, strlen(word));
}

static int verify_line(char *line)
{
    uint8_t parts[3][4096];
    size_t lengths[3];
    char *rest = line;
    for (int i = 0; i < 3; i++) {
        int error = read_hex(strtok_r(rest, " \n", &rest), parts[i], sizeof(parts[i]), &lengths[i]);
        if (error != BASE_OK)
            return error;
    }
    struct crypto_verifier *verifier;
    int error = crypto_verifier_new(parts[0], lengths[0], true, &verifier);
    if (error != BASE_OK)
        return error;
    error = crypto_verify(verifier, parts[1], lengths[1], parts[2], lengths[2]);
    crypto_verifier_free(verifier);
    return error;
}

static int verify(char *line)
{
    while (fgets(line, LINE, stdin) != NULL)
        printf("%s\n", base_strerror(verify_line(line)));
    return BASE_OK;
}

static void print_hex(const uint8_t *data, size_t length, const char *end)
{
    char text[BASE_HEX_SIZE(CRYPTO_DNSKEY_MAX)];
    printf("%.*s%s", (int)base_hex_encode(text, data, length), text, end);
}

static int sign_lines(char *line, const struct crypto_zone_key *key)
{
    struct crypto_signer *signer;
    int error = crypto_signer_new(key->key, &signer);
    while (error == BASE_OK && fgets(line, LINE, stdin) != NULL) {
        uint8_t data[4096], signature[CRYPTO_SIGNATURE_MAX];
        size_t length, signature_length;
        char *rest = line;
        error = read_hex(strtok_r(rest, " \n", &rest), data, sizeof(data), &length);
        if (error == BASE_OK)
            error = crypto_sign(signer, data, length, signature, &signature_length);
        if (error == BASE_OK) {
            print_hex(key->dnskey, key->dnskey_length, " ");
            print_hex(signature, signature_length, "\n");
        }
    }
    crypto_signer_free(signer);
    return error;
}

static int sign(char *line, const char *directory, const char *zone_text)
{
    uint8_t zone[DNS_NAME_MAX];
    size_t length;
    struct crypto_keydir dir;
    struct base_findings findings;
    int error = dns_name_from_text(zone, &length, zone_text, strlen(zone_text), NULL);
    if (error != BASE_OK)
        return error;
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    error = crypto_keydir_open(directory, zone, &findings, &dir);
    base_findings_free(&findings);
    if (error != BASE_OK)
        return error;
    bool usable = dir.count > 0 && dir.keys[0].key != NULL;
    error = usable ? sign_lines(line, &dir.keys[0]) : BASE_ENOENT;
    crypto_keydir_free(&dir);
    return error;
}

int main(int argc, char **argv)
{
    int error = BASE_EINVAL;
    char *line = malloc(LINE);
    if (line == NULL)
        error = BASE_ENOMEM;
    else if (argc == 2 && strcmp(argv[1], "verify") == 0)
        error = verify(line);
    else if (argc == 4 && strcmp(argv[1], "sign") == 0)
        error = sign(line, argv[2], argv[3]);
    free(line);
    if (error != BASE_OK)
        fprintf(stderr, "keytool: %s\n", base_strerror(error));
    return error == BASE_OK ? 0 : 1;
}
