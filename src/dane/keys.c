/* Keys of people and hosts as records: see keys.h. */
#include "dane/keys.h"

#include "base/codec.h"
#include "base/error.h"

#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- mailboxes --- */

int dane_mailbox_name(const char *address, const char *label, char out[DANE_MAILBOX_MAX])
{
    enum { KEPT = 28 };
    const char *at = strrchr(address, '@');
    char domain[DANE_DOMAIN_MAX];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (at == NULL || at == address || at - address > 64 ||
        dane_domain_to_ascii(at + 1, domain) != BASE_OK)
        return BASE_EFORMAT;
    for (const char *c = address; c < at; c++) {
        if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '"' || *c == '@')
            return BASE_EFORMAT;
    }
    SHA256((const unsigned char *)address, (size_t)(at - address), digest);
    for (size_t i = 0; i < KEPT; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    if (2 * KEPT + strlen(label) + strlen(domain) + 4 > 254)
        return BASE_ERANGE;
    snprintf(out + 2 * (size_t)KEPT, DANE_MAILBOX_MAX - 2 * (size_t)KEPT, ".%s.%s", label, domain);
    return BASE_OK;
}

/* --- OpenSSH --- */

struct ssh_type {
    const char *name;
    uint8_t algorithm;
    uint8_t parts; /* strings after the name */
};
static const struct ssh_type ssh_types[] = {
    {"ssh-rsa", 1, 2},
    {"ssh-dss", 2, 4},
    {"ecdsa-sha2-nistp256", 3, 2},
    {"ecdsa-sha2-nistp384", 3, 2},
    {"ecdsa-sha2-nistp521", 3, 2},
    {"ssh-ed25519", 4, 1},
    {"ssh-ed448", 6, 1},
};

/* The next string of a blob (RFC 4251 section 5). */
static bool ssh_string(const struct dane_ssh_key *key, size_t *at, const uint8_t **data,
                       size_t *length)
{
    if (key->length - *at < 4)
        return false;
    const uint8_t *head = key->blob + *at;
    *length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    *data = head + 4;
    if (*length > key->length - *at - 4)
        return false;
    *at += 4 + *length;
    return true;
}

static bool ssh_is_whole(const struct dane_ssh_key *key, const struct ssh_type *type)
{
    const uint8_t *data;
    size_t at = 0, length;
    if (!ssh_string(key, &at, &data, &length) || length != strlen(type->name) ||
        memcmp(data, type->name, length) != 0)
        return false;
    for (unsigned i = 0; i < type->parts; i++) {
        if (!ssh_string(key, &at, &data, &length) || length == 0)
            return false;
    }
    return at == key->length;
}

static const struct ssh_type *ssh_type_of(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof(ssh_types) / sizeof(ssh_types[0]); i++) {
        if (strlen(ssh_types[i].name) == length && memcmp(ssh_types[i].name, word, length) == 0)
            return &ssh_types[i];
    }
    return NULL;
}

static int ssh_decode(const struct ssh_type *type, const char *text, struct dane_ssh_key *out,
                      char why[200])
{
    size_t length = strcspn(text, " \t\r\n");
    struct dane_ssh_key key = {.algorithm = type->algorithm, .blob = malloc(length + 1)};
    if (key.blob == NULL)
        return BASE_ENOMEM;
    if (base_base64_decode(key.blob, length + 1, &key.length, text, length) == BASE_OK &&
        ssh_is_whole(&key, type)) {
        *out = key;
        return BASE_OK;
    }
    free(key.blob);
    snprintf(why, 200, "what follows %s is not such a key", type->name);
    return BASE_EFORMAT;
}

int dane_ssh_key_read(const char *line, struct dane_ssh_key *out, char why[200])
{
    line += strspn(line, " \t\r\n");
    if (*line == '\0' || *line == '#')
        return BASE_ENOENT;
    for (int words = 0; *line != '\0' && words < 4; words++) {
        size_t length = strcspn(line, " \t\r\n");
        const struct ssh_type *type = ssh_type_of(line, length);
        line += length;
        line += strspn(line, " \t\r\n");
        if (type != NULL)
            return ssh_decode(type, line, out, why);
    }
    snprintf(why, 200, "there is no public key of OpenSSH of a kind that SSHFP has");
    return BASE_EFORMAT;
}

size_t dane_ssh_key_sshfp(const struct dane_ssh_key *key, uint8_t type, uint8_t out[DANE_SSHFP_MAX])
{
    out[0] = key->algorithm;
    out[1] = type;
    if (type == 1) {
        SHA1(key->blob, key->length, out + 2);
        return 2 + SHA_DIGEST_LENGTH;
    }
    SHA256(key->blob, key->length, out + 2);
    return 2 + SHA256_DIGEST_LENGTH;
}

/* --- OpenPGP (RFC 9580) --- */

static const char armor_begin[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/* RFC 9580 section 6.1.1. */
static uint32_t checksum(const uint8_t *data, size_t length)
{
    uint32_t sum = 0xb704ce;
    for (size_t i = 0; i < length; i++) {
        sum ^= (uint32_t)data[i] << 16;
        for (int bit = 0; bit < 8; bit++)
            sum = sum << 1 ^ (sum & 0x800000 ? 0x1864cfb : 0);
    }
    return sum & 0xffffff;
}

/* The line behind the data: "=" and three octets. */
static bool sum_differs(const char *line, const uint8_t *data, size_t length)
{
    uint8_t sum[3];
    size_t size;
    if (line == NULL)
        return false;
    return strcspn(line, " \t\r\n") != 5 ||
           base_base64_decode(sum, sizeof(sum), &size, line + 1, 4) != BASE_OK || size != 3 ||
           checksum(data, length) != ((uint32_t)sum[0] << 16 | (uint32_t)sum[1] << 8 | sum[2]);
}

/* The lines between the empty one behind the headers and the checksum or the end. */
static int unarmor(const char *text, uint8_t **out, size_t *out_length,
                   struct dane_openpgp_facts *facts, char why[200])
{
    const char *sum = NULL;
    const char *at = strchr(text, '\n');
    const char *end = at == NULL ? NULL : strstr(at, "\n-----END PGP PUBLIC KEY BLOCK-----");
    size_t kept = 0;
    if (end == NULL) {
        snprintf(why, 200, "the armor has no end");
        return BASE_EFORMAT;
    }
    /* Headers are lines with a colon. The end stands in a line of its own, behind them. */
    for (end++, at++; at < end && memchr(at, ':', strcspn(at, "\n")) != NULL;)
        at += strcspn(at, "\n") + 1;
    char *joined = malloc((size_t)(end - at) + 1);
    uint8_t *octets = malloc((size_t)(end - at) + 1);
    for (; joined != NULL && at < end; at++) {
        if (*at == '=' && at[-1] == '\n' && strcspn(at, "\r\n") > 2) { /* no padding */
            sum = at;
            break;
        }
        if (!isspace((unsigned char)*at))
            joined[kept++] = *at;
    }
    int status = joined == NULL || octets == NULL ? BASE_ENOMEM
                 : base_base64_decode(octets, kept + 1, out_length, joined, kept) == BASE_OK
                     ? BASE_OK
                     : BASE_EFORMAT;
    free(joined);
    if (status == BASE_EFORMAT)
        snprintf(why, 200, "the armor does not hold base64");
    if (status != BASE_OK) {
        free(octets);
        return status;
    }
    facts->sum_differs = sum_differs(sum, octets, *out_length);
    *out = octets;
    return BASE_OK;
}

struct packet {
    unsigned tag;
    const uint8_t *body;
    size_t length;
};

/* The next packet; keys have no packets of unknown or partial length. */
static bool next_packet(const uint8_t *data, size_t length, size_t *at, struct packet *out)
{
    size_t left = length - *at;
    const uint8_t *head = data + *at;
    if (left < 2 || !(head[0] & 0x80))
        return false;
    size_t size, header;
    if (head[0] & 0x40) {
        out->tag = head[0] & 0x3f;
        if (head[1] < 192) {
            size = head[1];
            header = 2;
        } else if (head[1] < 224 && left >= 3) {
            size = ((size_t)(head[1] - 192) << 8) + head[2] + 192;
            header = 3;
        } else if (head[1] == 255 && left >= 6) {
            size = (size_t)head[2] << 24 | (size_t)head[3] << 16 | (size_t)head[4] << 8 | head[5];
            header = 6;
        } else {
            return false;
        }
    } else {
        unsigned kind = head[0] & 3;
        out->tag = head[0] >> 2 & 0xf;
        header = 1 + ((size_t)1 << kind);
        if (kind == 3 || left < header)
            return false;
        size = 0;
        for (size_t i = 1; i < header; i++)
            size = size << 8 | head[i];
    }
    if (size > left - header)
        return false;
    out->body = head + header;
    out->length = size;
    *at += header + size;
    return true;
}

/* User IDs are "Name <address>" or the address alone. */
static bool names_mailbox(const struct packet *packet, const char *mailbox)
{
    size_t length = strlen(mailbox);
    for (size_t i = 0; length > 0 && i + length <= packet->length; i++) {
        const char *at = (const char *)packet->body + i;
        bool starts = i == 0 || at[-1] == '<' || at[-1] == ' ';
        bool ends = i + length == packet->length || at[length] == '>' || at[length] == ' ';
        if (starts && ends && strncasecmp(at, mailbox, length) == 0)
            return true;
    }
    return false;
}

static int check_packets(const uint8_t *data, size_t length, const char *mailbox,
                         struct dane_openpgp_facts *facts, char why[200])
{
    enum { SECRET = 5, PUBLIC = 6, SECRET_SUB = 7, USER_ID = 13 };
    size_t at = 0, keys = 0, users = 0;
    struct packet packet;
    const char *wrong = NULL;
    while (wrong == NULL && at < length) {
        bool first = at == 0;
        if (!next_packet(data, length, &at, &packet))
            wrong = "it does not consist of packets of OpenPGP";
        else if (packet.tag == SECRET || packet.tag == SECRET_SUB)
            wrong = "it holds a SECRET key, which must not be published; export the public one";
        else if (first && packet.tag != PUBLIC)
            wrong = "it does not begin with a public key";
        else if (packet.tag == PUBLIC && ++keys > 1)
            wrong = "it holds more than one key; export the one of this mailbox only";
        else if (packet.tag == USER_ID) {
            users++;
            facts->has_mailbox |= mailbox != NULL && names_mailbox(&packet, mailbox);
        }
    }
    if (wrong == NULL && users == 0)
        wrong = length == 0 ? "it is empty" : "it has no user ID (RFC 7929 section 2.1)";
    if (wrong == NULL)
        return BASE_OK;
    snprintf(why, 200, "%s", wrong);
    return BASE_EFORMAT;
}

int dane_openpgp_read(const uint8_t *file, size_t length, const char *mailbox, uint8_t **out,
                      size_t *out_length, struct dane_openpgp_facts *facts, char why[200])
{
    struct dane_openpgp_facts found = {0};
    uint8_t *data = NULL;
    size_t data_length = length;
    /* Packets begin with an octet that no armor has. The file ends with a NUL that does not count
     * (base_file_read); so text is a string. */
    bool packets = length > 0 && (file[0] & 0x80);
    const char *armor = packets || memchr(file, '\0', length) != NULL
                            ? NULL
                            : strstr((const char *)file, armor_begin);
    int status = BASE_OK;
    if (armor == NULL && length >= 11 && memcmp(file, "-----BEGIN ", 11) == 0) {
        snprintf(why, 200, "it is armored, but not as a public key of OpenPGP");
        return BASE_EFORMAT;
    }
    if (armor != NULL) {
        status = unarmor(armor, &data, &data_length, &found, why);
    } else {
        data = malloc(length + 1);
        status = data == NULL ? BASE_ENOMEM : BASE_OK;
        if (data != NULL)
            memcpy(data, file, length);
    }
    if (status == BASE_OK) {
        status = check_packets(data, data_length, mailbox, &found, why);
        if (status != BASE_OK)
            free(data);
    }
    if (status == BASE_OK) {
        *out = data;
        *out_length = data_length;
        *facts = found;
    }
    return status;
}

/* --- IPSECKEY --- */

/* RFC 3110: length of the exponent, exponent, modulus. */
static int rsa_field(EVP_PKEY *key, uint8_t **out, size_t *length)
{
    BIGNUM *modulus = NULL, *exponent = NULL;
    int status = BASE_EFORMAT;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1) {
        size_t e = (size_t)BN_num_bytes(exponent), n = (size_t)BN_num_bytes(modulus);
        size_t head = e > 255 ? 3 : 1;
        uint8_t *field = malloc(head + e + n);
        status = field == NULL ? BASE_ENOMEM : BASE_OK;
        if (field != NULL) {
            field[0] = e > 255 ? 0 : (uint8_t)e;
            if (e > 255) {
                field[1] = (uint8_t)(e >> 8);
                field[2] = (uint8_t)e;
            }
            BN_bn2bin(exponent, field + head);
            BN_bn2bin(modulus, field + head + e);
            *out = field;
            *length = head + e + n;
        }
    }
    BN_free(modulus);
    BN_free(exponent);
    return status;
}

/* RFC 6605: the two coordinates, without the octet that says that they are uncompressed. */
static int ec_field(EVP_PKEY *key, uint8_t **out, size_t *length)
{
    uint8_t point[160];
    size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                        sizeof(point), &size) != 1 ||
        size < 3 || point[0] != 4)
        return BASE_EFORMAT;
    *out = malloc(size - 1);
    if (*out == NULL)
        return BASE_ENOMEM;
    memcpy(*out, point + 1, size - 1);
    *length = size - 1;
    return BASE_OK;
}

static int raw_field(EVP_PKEY *key, uint8_t **out, size_t *length)
{
    uint8_t raw[64];
    size_t size = sizeof(raw);
    if (EVP_PKEY_get_raw_public_key(key, raw, &size) != 1)
        return BASE_EFORMAT;
    *out = malloc(size);
    if (*out == NULL)
        return BASE_ENOMEM;
    memcpy(*out, raw, size);
    *length = size;
    return BASE_OK;
}

int dane_ipsec_key(const struct dane_der *der, uint8_t *algorithm, uint8_t **out, size_t *length)
{
    const unsigned char *at = der->data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der->length);
    int status = key == NULL ? BASE_EFORMAT : BASE_EUNSUPPORTED;
    if (key != NULL && EVP_PKEY_is_a(key, "RSA")) {
        *algorithm = 2;
        status = rsa_field(key, out, length);
    } else if (key != NULL && EVP_PKEY_is_a(key, "EC")) {
        *algorithm = 3;
        status = ec_field(key, out, length);
    } else if (key != NULL && (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))) {
        *algorithm = 4;
        status = raw_field(key, out, length);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return status;
}
