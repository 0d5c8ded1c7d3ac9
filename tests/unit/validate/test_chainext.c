/* Chains of RFC 9102: the cases of its appendix A, made and verified, and changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "dns/zonefile.h"
#include "validate/chainext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW ((base_time)1580000000) /* 2020-01-26 */

static const uint8_t root[1] = {0};

/* One case: the extension's data with lifetime 0. */
struct vector {
    char number[8], status[16];
    uint8_t name[DNS_NAME_MAX];
    uint8_t data[8192];
    size_t length;
    size_t starts[64]; /* of its records */
    size_t count;
};

static void add_record(struct vector *vector, const uint8_t *owner, const struct dns_rr *rr)
{
    struct validate_rdata rdata = {rr->rdata, rr->length};
    struct validate_records records = {
        .name = owner, .type = rr->type, .ttl = rr->ttl, .rdata = &rdata, .count = 1};
    struct validate_chainext_set set = {.records = &records};
    struct base_buf out;
    base_buf_init(&out, 8192);
    assert_int_equal(validate_chainext_write(&set, 1, 0, &out), BASE_OK);
    vector->starts[vector->count++] = vector->length;
    memcpy(vector->data + vector->length, out.data + 2, out.length - 2);
    vector->length += out.length - 2;
    base_buf_free(&out);
}

static void read_vector(struct vector *vector, const char *text, size_t length)
{
    struct dns_zonefile_options options = {.origin = root, .threads = 1};
    struct base_findings findings;
    struct dns_zonefile file;
    vector->length = 2;
    base_findings_init(&findings, 10);
    assert_int_equal(dns_zonefile_read_memory("test", text, length, &options, &findings, &file),
                     BASE_OK);
    assert_false(base_findings_bad(&findings));
    for (const struct dns_batch *batch = file.batches; batch != NULL; batch = batch->next)
        for (size_t i = 0; i < batch->run_count; i++) {
            const struct dns_rr *rr = batch->runs[i].first;
            for (uint32_t j = 0; j < batch->runs[i].count; j++, rr = dns_rr_next(rr))
                add_record(vector, batch->runs[i].name, rr);
        }
    dns_zonefile_free(&file);
    base_findings_free(&findings);
}

#define VECTORS 8
static struct vector vectors[VECTORS];
static struct validate_anchors *anchors;
static struct validate_options options;

static int set_up(void **state)
{
    (void)state;
    static const char mark[] = "\n; case ";
    uint8_t *text;
    size_t length, count = 0;
    assert_int_equal(base_file_read(TEST_DATA "/golden/rfc9102.zone", 1 << 20, &text, &length),
                     BASE_OK);
    for (char *at = strstr((char *)text, mark); at != NULL;) {
        char name[300];
        struct vector *vector = &vectors[count++];
        assert_true(count <= VECTORS);
        assert_int_equal(
            sscanf(at, "\n; case %7s %299s %15s", vector->number, name, vector->status), 3);
        size_t used;
        assert_int_equal(dns_name_from_text(vector->name, &used, name, strlen(name), NULL),
                         BASE_OK);
        char *start = strchr(at + 1, '\n');
        at = strstr(start, mark);
        read_vector(vector, start, at != NULL ? (size_t)(at - start) : strlen(start));
    }
    assert_int_equal(count, VECTORS);
    free(text);
    uint8_t ds[36] = {0xb7, 0x9d, 13, 2};
    static const char digest[] = "2eb6e9f2480126691594d649a5a613de3052e37861634641bb568746f2ffc4d4";
    assert_int_equal(base_hex_decode(ds + 4, 32, &length, digest, 64), BASE_OK);
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    assert_int_equal(validate_anchors_add(anchors, root, DNS_TYPE_DS, ds, sizeof(ds), 0, 0),
                     BASE_OK);
    options.anchors = anchors;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    validate_anchors_free(anchors);
    return 0;
}

static const struct validate_result *verify(const struct vector *vector, base_time now)
{
    const struct validate_result *result = NULL;
    uint16_t lifetime = 1;
    assert_int_equal(validate_chainext_verify(&options, vector->name, DNS_TYPE_TLSA, vector->data,
                                              vector->length, now, &lifetime, &result),
                     BASE_OK);
    assert_int_equal(lifetime, 0);
    return result;
}

static void assert_as_said(const struct vector *vector, const struct validate_result *result)
{
    const char *status = result->status == VALIDATE_SECURE && result->kind != VALIDATE_ANSWER_DATA
                             ? "denied"
                             : validate_status_name(result->status);
    if (strcmp(status, vector->status) != 0)
        print_message("%s: %s: %s\n", vector->number, status, result->sentence);
    assert_string_equal(status, vector->status);
}

static void appendix(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct validate_result *result = verify(&vectors[i], NOW);
        assert_as_said(&vectors[i], result);
        validate_result_unref(result);
        result = verify(&vectors[i], NOW + 366 * 86400);
        assert_int_equal(result->status, VALIDATE_BOGUS);
        validate_result_unref(result);
    }
}

/* The records of A.1 as octets: lines of the dump beside them that hold no signature, of which the
 * dump has others than the text. */
static void octets(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *hex;
    } lines[] = {{0x0000, "0000045f343433045f74637003777777"},
                 {0x0020, "0100000e1000230301018bd1da95272f"},
                 {0x01a0, "6578616d706c6503636f6d00002b0001"},
                 {0x0590, "2155bacf57d1faad5bac42d17d948c42"}};
    assert_int_equal(vectors[0].length, 0x620);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char hex[33];
        hex[base_hex_encode(hex, vectors[0].data + lines[i].at, 16)] = '\0';
        for (char *c = hex; *c != '\0'; c++)
            *c = *c >= 'A' && *c <= 'F' ? (char)(*c + 32) : *c;
        assert_string_equal(hex, lines[i].hex);
    }
}

/* What was verified can be made into a chain again, which says the same. */
static void made(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct validate_result *result = verify(&vectors[i], NOW);
        struct vector *again = calloc(1, sizeof(*again));
        struct base_buf out;
        assert_non_null(again);
        base_buf_init(&out, sizeof(again->data));
        assert_int_equal(validate_chainext_make(result, 0, &out), BASE_OK);
        *again = vectors[i];
        memcpy(again->data, out.data, out.length);
        again->length = out.length;
        /* What is not needed is left out: a second signature, a denial of the wildcard where only
         * the DS is denied. What comes first is the same. */
        assert_true(out.length <= vectors[i].length);
        assert_memory_equal(out.data, vectors[i].data, vectors[i].starts[2]);
        validate_result_unref(result);
        result = verify(again, NOW);
        assert_as_said(again, result);
        validate_result_unref(result);
        base_buf_free(&out);
        free(again);
    }
}

/* Without any one RRset a chain is worth nothing; keys that sign nothing in it may be missing. */
static void incomplete(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        size_t secure = 0;
        for (size_t k = 0; k < vectors[i].count; k++) {
            struct vector *part = calloc(1, sizeof(*part));
            assert_non_null(part);
            *part = vectors[i];
            size_t start = part->starts[k];
            size_t end = k + 1 < part->count ? part->starts[k + 1] : part->length;
            memmove(part->data + start, part->data + end, part->length - end);
            part->length -= end - start;
            const struct validate_result *result = verify(part, NOW);
            secure += result->status == VALIDATE_SECURE || result->status == VALIDATE_INSECURE;
            validate_result_unref(result);
            free(part);
        }
        /* One of two signatures over the DNSKEY sets of com and org, with its DS still there. */
        assert_true(secure <= 2);
    }
}

/* Any octet changed: either it is not secure any more, or what was signed is as before. */
static void altered(void **state)
{
    (void)state;
    struct vector *changed = calloc(1, sizeof(*changed));
    assert_non_null(changed);
    const struct validate_result *whole = verify(&vectors[0], NOW), *result;
    for (size_t at = 2; at < vectors[0].length; at += 5) {
        *changed = vectors[0];
        changed->data[at] ^= 0x41;
        if (validate_chainext_verify(&options, changed->name, DNS_TYPE_TLSA, changed->data,
                                     changed->length, NOW, NULL, &result) != BASE_OK)
            continue;
        if (result->status == VALIDATE_SECURE && result->kind == VALIDATE_ANSWER_DATA) {
            assert_int_equal(result->answer[0].rdata[0].length, whole->answer[0].rdata[0].length);
            assert_memory_equal(result->answer[0].rdata[0].data, whole->answer[0].rdata[0].data,
                                whole->answer[0].rdata[0].length);
        }
        assert_true(result->status != VALIDATE_INSECURE);
        validate_result_unref(result);
    }
    validate_result_unref(whole);
    for (size_t length = 0; length < vectors[0].length; length++) {
        *changed = vectors[0];
        if (validate_chainext_verify(&options, changed->name, DNS_TYPE_TLSA, changed->data, length,
                                     NOW, NULL, &result) != BASE_OK)
            continue;
        assert_true(result->status != VALIDATE_SECURE && result->status != VALIDATE_INSECURE);
        validate_result_unref(result);
    }
    free(changed);
}

static void names(void **state)
{
    (void)state;
    uint8_t name[DNS_NAME_MAX];
    char text[DNS_NAME_TEXT];
    assert_int_equal(validate_chainext_name((const uint8_t *)"\3www\1z", 443, "tcp", name),
                     BASE_OK);
    assert_string_equal(dns_name_text(text, name), "_443._tcp.www.z.");
    assert_int_equal(validate_chainext_name(root, 65535, "sctp", name), BASE_OK);
    assert_string_equal(dns_name_text(text, name), "_65535._sctp.");
    uint8_t longest[DNS_NAME_MAX] = {0};
    for (size_t i = 0; i < 250; i += 2)
        memcpy(longest + i, "\1a", 2);
    assert_int_equal(validate_chainext_name(longest, 25, "tcp", name), BASE_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appendix),   cmocka_unit_test(octets),  cmocka_unit_test(made),
        cmocka_unit_test(incomplete), cmocka_unit_test(altered), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
