/*
 * Chains of RFC 9102 from strangers, against the anchor of the RFC's own cases. The first octet is
 * the number of the name that is asked for. What comes out as secure must be what the RFC signed:
 * its TLSA record, or one of its absences.
 */
#include "base/codec.h"
#include "base/error.h"
#include "validate/chainext.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((base_time)1580000000)

static const char *const names[] = {
    "_443._tcp.www.example.com.", "_25._tcp.example.com.",           "_25._tcp.example.org.",
    "_443._tcp.www.example.org.", "_443._tcp.www.example.net.",      "_25._tcp.smtp.example.com.",
    "_25._tcp.smtp.example.org.", "_443._tcp.www.insecure.example.",
};

static struct validate_anchors *make_anchors(void)
{
    static const uint8_t root[1] = {0};
    static const char text[] = "b79d0d022eb6e9f2480126691594d649a5a613de3052e37861634641bb568746f"
                               "2ffc4d4";
    struct validate_anchors *anchors;
    uint8_t ds[36];
    size_t length;
    if (validate_anchors_new(&anchors) != BASE_OK ||
        base_hex_decode(ds, sizeof(ds), &length, text, strlen(text)) != BASE_OK ||
        validate_anchors_add(anchors, root, DNS_TYPE_DS, ds, length, 0, 0) != BASE_OK)
        abort();
    return anchors;
}

static void check(const struct validate_result *result, size_t index)
{
    static const uint8_t tlsa[] = {3, 1, 1, 0x8b, 0xd1, 0xda, 0x95, 0x27};
    if (result->status != VALIDATE_SECURE)
        return;
    if (result->kind != VALIDATE_ANSWER_DATA) {
        if (index < 5)
            abort();
        return;
    }
    if (index >= 5 || result->answer_count != 1 || result->answer[0].count != 1 ||
        result->answer[0].rdata[0].length != 35 ||
        memcmp(result->answer[0].rdata[0].data, tlsa, sizeof(tlsa)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct validate_options options;
    const struct validate_result *result;
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (options.anchors == NULL)
        options.anchors = make_anchors();
    if (size == 0)
        return 0;
    size_t index = data[0] % (sizeof(names) / sizeof(names[0]));
    if (dns_name_from_text(name, &length, names[index], strlen(names[index]), NULL) != BASE_OK)
        abort();
    if (validate_chainext_verify(&options, name, DNS_TYPE_TLSA, data + 1, size - 1, NOW, NULL,
                                 &result) == BASE_OK) {
        check(result, index);
        validate_result_unref(result);
    }
    return 0;
}
