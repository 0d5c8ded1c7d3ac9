/*
 * The table of DNSSEC algorithms that Kenter knows. RFC 9904 says which to use: 13 and 15 to sign,
 * 8, 10, 14 and 16 as well; RSASHA1 (5, 7) is only good for reading old data.
 */
#include "base/error.h"
#include "crypto/internal.h"

#include <string.h>
#include <strings.h>

struct algorithm {
    struct crypto_algorithm_info info;
    struct crypto_family_info family;
};

#define RSA(hash)                                                                                  \
    {                                                                                              \
        CRYPTO_FAMILY_RSA, hash, "RSA", 0, 0                                                       \
    }

static const struct algorithm algorithms[] = {
    {{CRYPTO_RSASHA1, "RSASHA1", 0, false, false, true, 1024, CRYPTO_RSA_BITS_MAX, 2048},
     RSA(CRYPTO_SHA1)},
    {{CRYPTO_RSASHA1_NSEC3, "RSASHA1-NSEC3-SHA1", 0, false, false, true, 1024, CRYPTO_RSA_BITS_MAX,
      2048},
     RSA(CRYPTO_SHA1)},
    {{CRYPTO_RSASHA256, "RSASHA256", 0, true, true, false, 1024, CRYPTO_RSA_BITS_MAX, 2048},
     RSA(CRYPTO_SHA256)},
    {{CRYPTO_RSASHA512, "RSASHA512", 0, true, true, false, 1024, CRYPTO_RSA_BITS_MAX, 2048},
     RSA(CRYPTO_SHA512)},
    {{CRYPTO_ECDSAP256, "ECDSAP256SHA256", 64, true, true, false, 0, 0, 0},
     {CRYPTO_FAMILY_ECDSA, CRYPTO_SHA256, "prime256v1", 64, 32}},
    {{CRYPTO_ECDSAP384, "ECDSAP384SHA384", 96, true, true, false, 0, 0, 0},
     {CRYPTO_FAMILY_ECDSA, CRYPTO_SHA384, "secp384r1", 96, 48}},
    {{CRYPTO_ED25519, "ED25519", 64, true, true, false, 0, 0, 0},
     {CRYPTO_FAMILY_EDDSA, CRYPTO_SHA512, "ED25519", 32, 32}},
    {{CRYPTO_ED448, "ED448", 114, true, true, false, 0, 0, 0},
     {CRYPTO_FAMILY_EDDSA, CRYPTO_SHA512, "ED448", 57, 57}},
};
#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static const struct algorithm *find(unsigned number)
{
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (algorithms[i].info.number == number)
            return &algorithms[i];
    }
    return NULL;
}

const struct crypto_algorithm_info *crypto_algorithm(unsigned number)
{
    const struct algorithm *algorithm = find(number);
    return algorithm == NULL ? NULL : &algorithm->info;
}

const struct crypto_family_info *crypto_family(unsigned algorithm)
{
    const struct algorithm *found = find(algorithm);
    return found == NULL ? NULL : &found->family;
}

static int number_from_text(const char *text, unsigned *number)
{
    unsigned value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return BASE_ENOENT;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (find(value) == NULL)
        return BASE_ENOENT;
    *number = value;
    return BASE_OK;
}

int crypto_algorithm_from_text(const char *text, unsigned *number)
{
    /* Names that other tools use for the same numbers. */
    static const struct {
        const char *name;
        unsigned number;
    } aliases[] = {
        {"NSEC3RSASHA1", CRYPTO_RSASHA1_NSEC3},
        {"ECDSA256", CRYPTO_ECDSAP256},
        {"ECDSA384", CRYPTO_ECDSAP384},
    };
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (strcasecmp(text, algorithms[i].info.name) == 0) {
            *number = algorithms[i].info.number;
            return BASE_OK;
        }
    }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcasecmp(text, aliases[i].name) == 0) {
            *number = aliases[i].number;
            return BASE_OK;
        }
    }
    return number_from_text(text, number);
}
