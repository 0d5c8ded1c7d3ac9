/* Edits applied to a zone as a whole, against a list of records that is edited one by one. */
#include "../sign/zones.h"
#include "control/internal.h"
#include "zone/diff.h"

#define ROUNDS   200
#define MOST     400
#define NAMES    5
#define LONGEST  16
#define BASE_TTL 300

struct record {
    uint8_t owner[DNS_NAME_MAX];
    uint8_t rdata[64];
    uint16_t type, length;
    uint32_t ttl;
};

struct model {
    struct record records[MOST];
    size_t count;
    unsigned seed;
};

static unsigned draw(struct model *model, unsigned below)
{
    model->seed = model->seed * 1103515245u + 12345u;
    return (model->seed >> 16) % below;
}

static void name_of(const char *text, uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
}

static void draw_record(struct model *model, struct record *out)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_TXT, DNS_TYPE_SOA};
    char name[64];
    memset(out, 0, sizeof(*out));
    out->type = types[draw(model, 8) == 0 ? 2 : draw(model, 2)];
    out->ttl = BASE_TTL + draw(model, 4);
    snprintf(name, sizeof(name), "n%u.example.", draw(model, NAMES));
    name_of(out->type == DNS_TYPE_SOA ? "example." : name, out->owner);
    if (out->type == DNS_TYPE_A) {
        out->length = 4;
        out->rdata[0] = 192;
        out->rdata[3] = (uint8_t)draw(model, 12);
    } else if (out->type == DNS_TYPE_TXT) {
        unsigned length = draw(model, 3); /* one may begin as another does */
        out->rdata[0] = (uint8_t)length;
        memset(out->rdata + 1, 'a', length);
        out->length = (uint16_t)(1 + length);
    } else {
        memcpy(out->rdata, "\1m\0\1n\0", 6);
        out->rdata[9] = (uint8_t)(1 + draw(model, 5));
        memset(out->rdata + 10, 0, 16);
        out->length = 26;
    }
}

static bool same_set(const struct record *a, const struct record *b)
{
    return a->type == b->type && dns_name_equal(a->owner, b->owner);
}

/* As RFC 2136 section 3.4.2 has it, one after the other. */
static void edit_model(struct model *model, const struct record *record, bool add)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct record *at = &model->records[i];
        bool replaced =
            same_set(at, record) && ((add && record->type == DNS_TYPE_SOA) ||
                                     (at->length == record->length &&
                                      memcmp(at->rdata, record->rdata, record->length) == 0));
        if (replaced)
            continue;
        if (add && same_set(at, record))
            at->ttl = record->ttl;
        model->records[kept++] = *at;
    }
    model->count = kept;
    if (add) {
        assert_true(model->count < MOST);
        model->records[model->count++] = *record;
    }
}

static struct zone *build(const struct model *model)
{
    uint8_t apex[DNS_NAME_MAX];
    struct zone_batch_writer writer;
    struct zone *zone = NULL;
    struct base_findings findings;
    name_of("example.", apex);
    base_findings_init(&findings, 10);
    assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
    for (size_t i = 0; i < model->count; i++) {
        const struct record *at = &model->records[i];
        assert_int_equal(
            zone_batch_add(&writer, at->owner, at->type, at->ttl, at->rdata, at->length), BASE_OK);
    }
    struct zone *empty;
    assert_int_equal(control_empty_zone(apex, &empty), BASE_OK);
    struct zone_compose compose = {.base = empty, .extra = writer.batch, .threads = 1};
    assert_int_equal(zone_compose(&compose, &findings, &zone), BASE_OK);
    zone_release(empty);
    base_findings_free(&findings);
    return zone;
}

static int tell(void *context, enum zone_change change, const uint8_t *owner,
                const struct dns_rr *rr)
{
    char text[DNS_NAME_TEXT];
    fail_msg("round %u: %s %s type %u ttl %u", *(unsigned *)context,
             change == ZONE_REMOVED ? "missing" : "too much", dns_name_text(text, owner), rr->type,
             rr->ttl);
    return BASE_OK;
}

static void one_round(struct model *model, unsigned round)
{
    struct source_edits edits;
    struct base_findings findings;
    struct zone *base = build(model), *made;
    base_findings_init(&findings, 10);
    assert_int_equal(source_edits_init(&edits), BASE_OK);
    for (unsigned left = 1 + draw(model, LONGEST); left > 0; left--) {
        struct record record;
        draw_record(model, &record);
        bool add = record.type == DNS_TYPE_SOA || draw(model, 2) == 0;
        struct source_edit edit = {.owner = record.owner,
                                   .rdata = record.rdata,
                                   .ttl = record.ttl,
                                   .type = record.type,
                                   .length = record.length,
                                   .add = add};
        assert_int_equal(source_edits_append(&edits, &edit), BASE_OK);
        edit_model(model, &record, add);
    }
    assert_int_equal(control_apply(base, &edits, 1 + round % 2, &findings, &made), BASE_OK);
    struct zone *expected = build(model);
    struct zone_diff_options options = {0};
    assert_int_equal(zone_diff(expected, made, &options, tell, &round), BASE_OK);
    assert_int_equal(expected->rr_count, made->rr_count);
    source_edits_free(&edits);
    base_findings_free(&findings);
    zone_release(base);
    zone_release(made);
    zone_release(expected);
}

static void test_random_edits(void **state)
{
    struct model model = {.seed = 7};
    struct record soa;
    do
        draw_record(&model, &soa);
    while (soa.type != DNS_TYPE_SOA);
    edit_model(&model, &soa, true);
    for (unsigned round = 0; round < ROUNDS; round++)
        one_round(&model, round);
}

/* Work may not grow with the square of an RRset that somebody else makes. */
static void test_many_at_one_name(void **state)
{
    enum { COUNT = 60000 };
    struct model model = {.seed = 1};
    struct source_edits edits;
    struct base_findings findings;
    struct record record;
    do
        draw_record(&model, &record);
    while (record.type != DNS_TYPE_SOA);
    edit_model(&model, &record, true);
    struct zone *base = build(&model), *made;
    base_findings_init(&findings, 10);
    assert_int_equal(source_edits_init(&edits), BASE_OK);
    name_of("many.example.", record.owner);
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t address[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        struct source_edit edit = {.owner = record.owner,
                                   .rdata = address,
                                   .ttl = 60,
                                   .type = DNS_TYPE_A,
                                   .length = 4,
                                   .add = true};
        assert_int_equal(source_edits_append(&edits, &edit), BASE_OK);
    }
    uint64_t before = base_clock_monotonic();
    assert_int_equal(control_apply(base, &edits, 1, &findings, &made), BASE_OK);
    assert_true(base_clock_monotonic() - before < 10000000000u);
    assert_int_equal(made->rr_count, COUNT + 1);
    source_edits_free(&edits);
    base_findings_free(&findings);
    zone_release(base);
    zone_release(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_edits),
        cmocka_unit_test(test_many_at_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
