/*
 * Files that certificates and keys are read from, PEM or DER, and what is told of certificates.
 * What was read can be made into records of every kind that it does for, and its texts may go to a
 * terminal.
 */
#include "base/error.h"
#include "dane/material.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    if (strnlen(text, size) == size)
        abort();
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            abort();
    }
}

static void describe(const uint8_t *data, size_t size)
{
    struct dane_certificate_info info;
    if (dane_certificate_describe(data, size, &info) != BASE_OK)
        return;
    check_text(info.subject, sizeof(info.subject));
    check_text(info.issuer, sizeof(info.issuer));
    check_text(info.names, sizeof(info.names));
    check_text(info.key, sizeof(info.key));
}

static void make(const struct dane_der *from, uint8_t selector, bool must)
{
    static const size_t sizes[] = {0, 32, 64};
    for (uint8_t matching = DANE_FULL; matching <= DANE_SHA512; matching++) {
        uint8_t *made;
        size_t length;
        int error = dane_tlsa_make(selector, matching, from->data, from->length, &made, &length);
        if (error != BASE_OK && must)
            abort();
        if (error != BASE_OK)
            continue;
        if (matching != DANE_FULL && length != sizes[matching])
            abort();
        free(made);
    }
}

static void use(const struct dane_material *material)
{
    if (material->key.data == NULL || material->count > DANE_MATERIAL_MAX)
        abort();
    make(&material->key, DANE_PUBLIC_KEY, true);
    make(&material->key, DANE_CERTIFICATE, false);
    for (size_t i = 0; i < material->count; i++) {
        const struct dane_der *certificate = &material->certificates[i];
        make(certificate, DANE_CERTIFICATE, true);
        make(certificate, DANE_PUBLIC_KEY, false);
        describe(certificate->data, certificate->length);
    }
    for (uint8_t usage = 0; usage < 4; usage++) {
        if ((dane_material_certificate(material, usage) == NULL) != (material->count == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[200] = "";
    struct dane_material material;
    describe(data, size);
    int error = dane_material_read(data, size, &material, why);
    if (error == BASE_OK) {
        use(&material);
        dane_material_free(&material);
    } else if (error == BASE_EFORMAT &&
               (why[0] == '\0' || strnlen(why, sizeof(why)) == sizeof(why))) {
        abort();
    }
    return 0;
}
