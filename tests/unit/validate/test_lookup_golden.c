/* The example answers of RFC 4035, appendix B, from the zone of its appendix A (algorithm 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "dns/zonefile.h"
#include "world.h"

/* A zone file as lines of owner, type, covered type and text. */
struct golden {
    struct dns_zonefile file;
    struct base_findings findings;
    struct validate_anchors *anchors;
    struct validate_options options;
};

struct answer {
    const char *name;
    uint16_t type;
    unsigned rcode;
    /* "A name type [as]", answer or authority section, signatures with it; comma between. */
    const char *sets;
};

static void add_set(const struct golden *golden, struct world_reply *reply,
                    enum dns_section section, const uint8_t *name, uint16_t type, const uint8_t *as)
{
    const struct dns_batch *batch = golden->file.batches;
    for (; batch != NULL; batch = batch->next) {
        for (size_t r = 0; r < batch->run_count; r++) {
            const struct dns_run *run = &batch->runs[r];
            const struct dns_rr *rr = run->first;
            for (uint32_t i = 0; i < run->count; i++, rr = dns_rr_next(rr)) {
                bool covers = rr->type == DNS_TYPE_RRSIG && base_load_u16(rr->rdata) == type;
                if ((rr->type == type || covers) && dns_name_equal(run->name, name))
                    reply_add(reply, section, as, rr->type, rr->ttl, rr->rdata, rr->length);
            }
        }
    }
}

static size_t make_answer(const struct golden *golden, const struct answer *answer, uint8_t *out,
                          size_t room)
{
    static struct world_reply reply;
    char copy[512], *save = NULL;
    memset(&reply, 0, sizeof(reply));
    reply.rcode = answer->rcode;
    reply.type = answer->type;
    name_copy(reply.question, wire(answer->name));
    snprintf(copy, sizeof(copy), "%s", answer->sets);
    for (char *set = strtok_r(copy, ",", &save); set != NULL; set = strtok_r(NULL, ",", &save)) {
        char section, name[100], type_text[20], as[100];
        uint16_t type;
        int fields = sscanf(set, " %c %99s %19s %99s", &section, name, type_text, as);
        MUST(fields >= 3);
        MUST(dns_type_from_text(type_text, strlen(type_text), &type) == BASE_OK);
        add_set(golden, &reply, section == 'A' ? DNS_SECTION_ANSWER : DNS_SECTION_AUTHORITY,
                wire(name), type, wire(fields == 4 ? as : name));
    }
    return reply_build(&reply, out, room);
}

static const struct answer answers[] = {
    {"example.", DNS_TYPE_DNSKEY, 0, "A example. DNSKEY"},
    /* B.1 to B.3 */
    {"x.w.example.", DNS_TYPE_MX, 0, "A x.w.example. MX,N example. NS"},
    {"ml.example.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN,
     "N example. SOA,N b.example. NSEC,N example. NSEC"},
    {"ns1.example.", DNS_TYPE_MX, 0, "N example. SOA,N ns1.example. NSEC"},
    /* B.4 and B.5: the delegations, as a resolver asks for them */
    {"a.example.", DNS_TYPE_DS, 0, "A a.example. DS"},
    {"b.example.", DNS_TYPE_DS, 0, "N example. SOA,N b.example. NSEC"},
    {"mc.b.example.", DNS_TYPE_MX, 0, "A ns1.b.example. A mc.b.example."},
    {"mc.b.example.", DNS_TYPE_A, 0, "A ns1.b.example. A mc.b.example."},
    /* B.6 and B.7 */
    {"a.z.w.example.", DNS_TYPE_MX, 0, "A *.w.example. MX a.z.w.example.,N x.y.w.example. NSEC"},
    {"a.z.w.example.", DNS_TYPE_AAAA, 0,
     "N example. SOA,N x.y.w.example. NSEC,N *.w.example. NSEC"},
    /* B.8: a DS asked of the child */
    {"example.", DNS_TYPE_DS, 0, "N example. SOA,N example. NSEC"},
    /* not in the RFC: proofs that are missing or of something else */
    {"ml.example.", DNS_TYPE_MX, DNS_RCODE_NXDOMAIN, "N example. SOA,N b.example. NSEC"},
    {"a.z.w.example.", DNS_TYPE_A, 0, "N example. SOA,N *.w.example. NSEC"},
    {"ai.example.", DNS_TYPE_AAAA, 0, "N example. SOA,N ai.example. NSEC"},
    {"xx.example.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN,
     "N example. SOA,N b.example. NSEC,N example. NSEC"},
};

static int set_up(void **state)
{
    struct golden *golden = calloc(1, sizeof(*golden));
    uint8_t *text;
    size_t length;
    MUST(base_file_read(TEST_DATA "/golden/rfc4035-a.zone", 1 << 20, &text, &length) == BASE_OK);
    base_findings_init(&golden->findings, 10);
    struct dns_zonefile_options how = {.origin = wire("example."), .threads = 1};
    MUST(dns_zonefile_read_memory("golden", (char *)text, length, &how, &golden->findings,
                                  &golden->file) == BASE_OK);
    free(text);
    MUST(validate_anchors_new(&golden->anchors) == BASE_OK);
    static struct world_reply keys;
    add_set(golden, &keys, DNS_SECTION_ANSWER, wire("example."), DNS_TYPE_DNSKEY, wire("example."));
    for (size_t i = 0; i < keys.count; i++) {
        if (base_load_u16(keys.records[i].rdata) == 257)
            MUST(validate_anchors_add(golden->anchors, wire("example."), DNS_TYPE_DNSKEY,
                                      keys.records[i].rdata, keys.records[i].length, 0,
                                      0) == BASE_OK);
    }
    golden->options.anchors = golden->anchors;
    golden->options.legacy = true;
    *state = golden;
    return 0;
}

static int tear_down(void **state)
{
    struct golden *golden = *state;
    validate_anchors_free(golden->anchors);
    base_findings_free(&golden->findings);
    dns_zonefile_free(&golden->file);
    free(golden);
    return 0;
}

static const struct validate_result *ask(struct golden *golden, const char *name, uint16_t type,
                                         const char *at)
{
    static uint8_t packet[65535];
    struct validate_lookup *lookup;
    struct validate_query query;
    base_time now;
    MUST(base_time_parse(at, 0, &now) == BASE_OK);
    MUST(validate_lookup_new(&golden->options, NULL, wire(name), type, now, &lookup) == BASE_OK);
    while (validate_lookup_next(lookup, &query)) {
        struct validate_reply reply = {.kind = VALIDATE_REPLY_SILENCE, .packet = packet};
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
            if (answers[i].type == query.type &&
                dns_name_equal(wire(answers[i].name), query.name)) {
                reply.kind = VALIDATE_REPLY_PACKET;
                reply.length = make_answer(golden, &answers[i], packet, sizeof(packet));
            }
        }
        MUST(validate_lookup_reply(lookup, query.id, &reply, now) == BASE_OK);
    }
    MUST(validate_lookup_result(lookup) != NULL);
    const struct validate_result *result = validate_result_ref(validate_lookup_result(lookup));
    validate_lookup_free(lookup);
    return result;
}

static void test_examples(void **state)
{
    static const struct {
        const char *name;
        uint16_t type;
        enum validate_status status;
        enum validate_answer_kind kind;
    } cases[] = {
        {"example.", DNS_TYPE_DNSKEY, VALIDATE_SECURE, VALIDATE_ANSWER_DATA},
        {"x.w.example.", DNS_TYPE_MX, VALIDATE_SECURE, VALIDATE_ANSWER_DATA},
        {"ml.example.", DNS_TYPE_A, VALIDATE_SECURE, VALIDATE_ANSWER_NAME},
        {"ns1.example.", DNS_TYPE_MX, VALIDATE_SECURE, VALIDATE_ANSWER_NODATA},
        {"a.example.", DNS_TYPE_DS, VALIDATE_SECURE, VALIDATE_ANSWER_DATA},
        {"b.example.", DNS_TYPE_DS, VALIDATE_SECURE, VALIDATE_ANSWER_NODATA},
        {"mc.b.example.", DNS_TYPE_A, VALIDATE_INSECURE, VALIDATE_ANSWER_DATA},
        {"a.z.w.example.", DNS_TYPE_MX, VALIDATE_SECURE, VALIDATE_ANSWER_DATA},
        {"a.z.w.example.", DNS_TYPE_AAAA, VALIDATE_SECURE, VALIDATE_ANSWER_NODATA},
        /* The parent is above the anchor. */
        {"example.", DNS_TYPE_DS, VALIDATE_INDETERMINATE, VALIDATE_ANSWER_NODATA},
        {"ml.example.", DNS_TYPE_MX, VALIDATE_BOGUS, VALIDATE_ANSWER_NODATA},
        {"a.z.w.example.", DNS_TYPE_A, VALIDATE_BOGUS, VALIDATE_ANSWER_NODATA},
        {"ai.example.", DNS_TYPE_AAAA, VALIDATE_BOGUS, VALIDATE_ANSWER_NODATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct validate_result *result =
            ask(*state, cases[i].name, cases[i].type, "20040420000000");
        if (result->status != cases[i].status || result->kind != cases[i].kind)
            print_message("%s %u: %s, %d: %s\n", cases[i].name, cases[i].type,
                          validate_status_name(result->status), result->kind, result->sentence);
        assert_int_equal(result->status, cases[i].status);
        assert_int_equal(result->kind, cases[i].kind);
        validate_result_unref(result);
    }
}

/* Outside of its time, and without the old algorithm. */
static void test_time_and_algorithm(void **state)
{
    struct golden *golden = *state;
    static const struct {
        const char *now;
        bool legacy;
        enum validate_status status;
    } cases[] = {
        {"20040409183619", true, VALIDATE_SECURE},    {"20040409183618", true, VALIDATE_BOGUS},
        {"20040509183619", true, VALIDATE_SECURE},    {"20040509183620", true, VALIDATE_BOGUS},
        {"20040420000000", false, VALIDATE_INSECURE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        golden->options.legacy = cases[i].legacy;
        const struct validate_result *result =
            ask(golden, "x.w.example.", DNS_TYPE_MX, cases[i].now);
        assert_int_equal(result->status, cases[i].status);
        validate_result_unref(result);
    }
    golden->options.legacy = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_time_and_algorithm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
