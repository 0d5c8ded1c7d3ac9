/*
 * BIND's private-key format, versions 1.2 and 1.3: lines of "Tag: value", binary values in base64.
 * The format is described by what dnssec-keygen writes; versions differ in the timing lines only.
 */
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_LIMIT 65536
#define VALUE_MAX  (CRYPTO_RSA_BITS_MAX / 8) /* octets of one value */

/* The lines of an RSA key, with OpenSSL's names for them. */
static const struct rsa_field {
    const char *tag;
    const char *param;
} rsa_fields[] = {
    {"Modulus", OSSL_PKEY_PARAM_RSA_N},           {"PublicExponent", OSSL_PKEY_PARAM_RSA_E},
    {"PrivateExponent", OSSL_PKEY_PARAM_RSA_D},   {"Prime1", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"Prime2", OSSL_PKEY_PARAM_RSA_FACTOR2},      {"Exponent1", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"Exponent2", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"Coefficient", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};
#define RSA_FIELDS (sizeof(rsa_fields) / sizeof(rsa_fields[0]))

struct text {
    const char *data;
    size_t length;
};

/* The next line without white space at its ends. False at the end. */
static bool next_line(struct text *rest, struct text *line)
{
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);
    *line = (struct text){rest->data, length};
    size_t taken = end == NULL ? length : length + 1;
    rest->data += taken;
    rest->length -= taken;
    while (line->length > 0 && strchr(" \t\r", line->data[line->length - 1]) != NULL &&
           line->data[line->length - 1] != '\0')
        line->length--;
    return true;
}

/* The value of the line with this tag. BASE_ENOENT; BASE_EFORMAT when it is there twice. */
static int find_value(struct text all, const char *tag, struct text *value)
{
    size_t tag_length = strlen(tag);
    struct text line;
    int error = BASE_ENOENT;
    while (next_line(&all, &line)) {
        if (line.length <= tag_length || line.data[tag_length] != ':' ||
            strncasecmp(line.data, tag, tag_length) != 0)
            continue;
        if (error == BASE_OK)
            return BASE_EFORMAT;
        size_t at = tag_length + 1;
        while (at < line.length && (line.data[at] == ' ' || line.data[at] == '\t'))
            at++;
        *value = (struct text){line.data + at, line.length - at};
        error = BASE_OK;
    }
    return error;
}

/* A base64 value of at most VALUE_MAX octets. BASE_EFORMAT when absent or wrong. */
static int find_octets(struct text all, const char *tag, uint8_t out[VALUE_MAX], size_t *length)
{
    struct text value;
    int error = find_value(all, tag, &value);
    if (error == BASE_OK)
        error = base_base64_decode(out, VALUE_MAX, length, value.data, value.length);
    if (error == BASE_OK && *length == 0)
        error = BASE_EFORMAT;
    return error == BASE_OK ? BASE_OK : BASE_EFORMAT;
}

static EVP_PKEY *pair_from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    return pkey;
}

/* Makes the pair of what the builder has, and wipes it. */
static int pair_from_builder(const char *type, OSSL_PARAM_BLD *builder, EVP_PKEY **out)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    if (params == NULL)
        return crypto_library_error(BASE_ENOMEM);
    EVP_PKEY *pkey = pair_from_params(type, params);
    for (OSSL_PARAM *param = params; param->key != NULL; param++)
        crypto_wipe(param->data, param->data_size);
    OSSL_PARAM_free(params);
    int error = crypto_library_error(BASE_EFORMAT);
    if (pkey == NULL)
        return error;
    *out = pkey;
    return BASE_OK;
}

static int read_rsa(struct text all, EVP_PKEY **out)
{
    BIGNUM *numbers[RSA_FIELDS] = {NULL};
    uint8_t octets[VALUE_MAX];
    size_t length;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    int error = builder == NULL ? BASE_ENOMEM : BASE_OK;
    for (size_t i = 0; i < RSA_FIELDS && error == BASE_OK; i++) {
        error = find_octets(all, rsa_fields[i].tag, octets, &length);
        if (error != BASE_OK)
            break;
        numbers[i] = BN_bin2bn(octets, (int)length, NULL);
        if (numbers[i] == NULL ||
            OSSL_PARAM_BLD_push_BN(builder, rsa_fields[i].param, numbers[i]) != 1)
            error = BASE_ENOMEM;
    }
    if (error == BASE_OK)
        error = pair_from_builder("RSA", builder, out);
    OSSL_PARAM_BLD_free(builder);
    for (size_t i = 0; i < RSA_FIELDS; i++)
        BN_clear_free(numbers[i]);
    crypto_wipe(octets, sizeof(octets));
    return error;
}

/* The public point of a private number. `point` gets the uncompressed form. */
static int public_point(const char *curve, const BIGNUM *scalar, uint8_t point[1 + 96],
                        size_t *length)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve));
    EC_POINT *public = group == NULL ? NULL : EC_POINT_new(group);
    int error = BASE_ENOMEM;
    if (public != NULL) {
        error = BASE_EFORMAT;
        if (!BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
            EC_POINT_mul(group, public, scalar, NULL, NULL, NULL) == 1) {
            *length =
                EC_POINT_point2oct(group, public, POINT_CONVERSION_UNCOMPRESSED, point, 97, NULL);
            error = *length > 0 ? BASE_OK : BASE_ECRYPTO;
        }
    }
    EC_POINT_free(public);
    EC_GROUP_free(group);
    return error == BASE_OK ? BASE_OK : crypto_library_error(error);
}

static int ecdsa_from_scalar(const char *curve, const BIGNUM *scalar, EVP_PKEY **out)
{
    uint8_t point[1 + 96];
    size_t length = 0;
    int error = public_point(curve, scalar, point, &length);
    if (error != BASE_OK)
        return error;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    error = BASE_ENOMEM;
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, length) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1)
        error = pair_from_builder("EC", builder, out);
    OSSL_PARAM_BLD_free(builder);
    return error;
}

/* ECDSA and EdDSA have one line, "PrivateKey". Numbers of ECDSA may lack leading zeros. */
static int read_curve(struct text all, const struct crypto_family_info *family, EVP_PKEY **out)
{
    uint8_t octets[VALUE_MAX];
    size_t length;
    int error = find_octets(all, "PrivateKey", octets, &length);
    if (error == BASE_OK && length > family->scalar_size)
        error = BASE_EFORMAT;
    if (error == BASE_OK && family->family == CRYPTO_FAMILY_ECDSA) {
        BIGNUM *scalar = BN_bin2bn(octets, (int)length, NULL);
        error = scalar == NULL ? BASE_ENOMEM : ecdsa_from_scalar(family->curve, scalar, out);
        BN_clear_free(scalar);
    } else if (error == BASE_OK && length != family->scalar_size) {
        error = BASE_EFORMAT;
    } else if (error == BASE_OK) {
        EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, family->curve, NULL, octets, length);
        if (pkey == NULL)
            error = crypto_library_error(BASE_EFORMAT);
        else
            *out = pkey;
    }
    crypto_wipe(octets, sizeof(octets));
    return error;
}

static int read_version(struct text all)
{
    struct text value;
    if (find_value(all, "Private-key-format", &value) != BASE_OK || value.length < 4 ||
        value.data[0] != 'v')
        return BASE_EFORMAT;
    /* Later minor versions add lines; a new major one would change them. */
    return memcmp(value.data, "v1.", 3) == 0 ? BASE_OK : BASE_EUNSUPPORTED;
}

static int read_algorithm(struct text all, unsigned *algorithm)
{
    struct text value;
    if (find_value(all, "Algorithm", &value) != BASE_OK)
        return BASE_EFORMAT;
    unsigned number = 0;
    size_t digits = 0;
    while (digits < value.length && digits < 3 && value.data[digits] >= '0' &&
           value.data[digits] <= '9')
        number = number * 10 + (unsigned)(value.data[digits++] - '0');
    if (digits == 0 || number > 255 ||
        (digits < value.length && value.data[digits] != ' ' && value.data[digits] != '\t'))
        return BASE_EFORMAT;
    const struct crypto_algorithm_info *info = crypto_algorithm(number);
    if (info == NULL || !info->sign)
        return BASE_EUNSUPPORTED;
    *algorithm = number;
    return BASE_OK;
}

int crypto_key_from_bind(const char *text, size_t length, struct crypto_key **out)
{
    if (length > TEXT_LIMIT)
        return BASE_EFORMAT;
    struct text all = {text, length}, value;
    int error = read_version(all);
    unsigned algorithm = 0;
    if (error == BASE_OK)
        error = read_algorithm(all, &algorithm);
    if (error != BASE_OK)
        return error;
    /* The private half is in a hardware module that only BIND's engine can reach. */
    if (find_value(all, "Engine", &value) == BASE_OK || find_value(all, "Label", &value) == BASE_OK)
        return BASE_EUNSUPPORTED;
    const struct crypto_family_info *family = crypto_family(algorithm);
    EVP_PKEY *pkey = NULL;
    if (family->family == CRYPTO_FAMILY_RSA)
        error = read_rsa(all, &pkey);
    else
        error = read_curve(all, family, &pkey);
    return error == BASE_OK ? crypto_key_adopt(pkey, algorithm, out) : error;
}

static void append_octets(struct base_buf *buf, const char *tag, const uint8_t *data, size_t length)
{
    base_buf_printf(buf, "%s: ", tag);
    uint8_t *room = base_buf_reserve(buf, BASE_BASE64_SIZE(length));
    if (room != NULL)
        buf->length += base_base64_encode((char *)room, data, length);
    base_buf_text(buf, "\n");
}

/* Appends one number of the key; `size` 0: as many octets as it needs. */
static bool append_number(struct base_buf *buf, const EVP_PKEY *pkey, const char *tag,
                          const char *param, size_t size)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(pkey, param, &number) != 1)
        return false;
    uint8_t octets[VALUE_MAX];
    if (size == 0)
        size = (size_t)BN_num_bytes(number);
    bool good = size <= sizeof(octets) && BN_bn2binpad(number, octets, (int)size) == (int)size;
    if (good)
        append_octets(buf, tag, octets, size);
    BN_clear_free(number);
    crypto_wipe(octets, sizeof(octets));
    return good;
}

static bool append_key(struct base_buf *buf, const struct crypto_key *key)
{
    const struct crypto_family_info *family = crypto_family(key->algorithm);
    if (family->family == CRYPTO_FAMILY_RSA) {
        for (size_t i = 0; i < RSA_FIELDS; i++) {
            if (!append_number(buf, key->pkey, rsa_fields[i].tag, rsa_fields[i].param, 0))
                return false;
        }
        return true;
    }
    if (family->family == CRYPTO_FAMILY_ECDSA)
        return append_number(buf, key->pkey, "PrivateKey", OSSL_PKEY_PARAM_PRIV_KEY,
                             family->scalar_size);
    uint8_t octets[64];
    size_t length = sizeof(octets);
    bool good = EVP_PKEY_get_raw_private_key(key->pkey, octets, &length) == 1;
    if (good)
        append_octets(buf, "PrivateKey", octets, length);
    crypto_wipe(octets, sizeof(octets));
    return good;
}

int crypto_key_to_bind(const struct crypto_key *key, char **text, size_t *length)
{
    if (key->pkey == NULL)
        return BASE_EUNSUPPORTED;
    struct base_buf buf;
    base_buf_init(&buf, 16384);
    /* All the room at once: a buffer that grows would leave copies of the key behind. */
    base_buf_reserve(&buf, 8192);
    base_buf_printf(&buf, "Private-key-format: v1.3\nAlgorithm: %u (%s)\n", key->algorithm,
                    crypto_algorithm(key->algorithm)->name);
    int error = append_key(&buf, key) ? buf.error : crypto_library_error(BASE_ECRYPTO);
    if (error == BASE_OK) {
        base_buf_string(&buf);
        error = buf.error;
    }
    if (error != BASE_OK) {
        if (buf.data != NULL)
            crypto_wipe(buf.data, buf.capacity);
        base_buf_free(&buf);
        return error;
    }
    *text = (char *)buf.data;
    *length = buf.length;
    return BASE_OK;
}
