/*
 * POSH documents from foreign octets (RFC 7711). Whatever is accepted has an end and either a URL
 * that can be fetched or fingerprints; whatever is refused says why.
 */
#include "base/error.h"
#include "dane/posh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dane_posh posh;
    char why[200] = "";
    int status = dane_posh_parse((const char *)data, size, &posh, why);
    if (status != BASE_OK) {
        REQUIRE(status != BASE_EFORMAT || (why[0] != '\0' && strlen(why) < sizeof why));
        return 0;
    }
    REQUIRE(posh.expires > 0);
    REQUIRE((posh.url != NULL) == (posh.count == 0));
    REQUIRE(posh.count <= DANE_POSH_FINGERPRINTS_MAX);
    dane_posh_match(&posh, data, size);
    dane_posh_free(&posh);
    return 0;
}
