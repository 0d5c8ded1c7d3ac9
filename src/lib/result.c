/* libkenter's results: those of inside, seen through structures that can grow. */
#include "lib/public.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "resolve/show.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SHOW_MOST ((size_t)64 * 1024 * 1024)

_Static_assert((int)KENTER_STATUS_SECURE == VALIDATE_SECURE &&
                   (int)KENTER_STATUS_INSECURE == VALIDATE_INSECURE &&
                   (int)KENTER_STATUS_BOGUS == VALIDATE_BOGUS &&
                   (int)KENTER_STATUS_INDETERMINATE == VALIDATE_INDETERMINATE &&
                   (int)KENTER_STATUS_ERROR == VALIDATE_ERROR,
               "statuses have the same numbers");
_Static_assert((int)KENTER_KIND_NONE == VALIDATE_ANSWER_NONE &&
                   (int)KENTER_KIND_DATA == VALIDATE_ANSWER_DATA &&
                   (int)KENTER_KIND_NODATA == VALIDATE_ANSWER_NODATA &&
                   (int)KENTER_KIND_NAME == VALIDATE_ANSWER_NAME,
               "and so have kinds");

struct kenter_result {
    atomic_uint references;
    const struct validate_result *inner;
    struct base_arena arena;
    const char *name, *insecure;
    struct kenter_record *records;
    size_t record_count;
    struct kenter_hop *hops;
    struct kenter_step *steps;
    struct kenter_result_finding *findings;
    bool failed; /* there was no memory */
};

static void *take(struct kenter_result *result, size_t count, size_t size)
{
    void *memory = base_arena_zalloc(&result->arena, count * size);
    result->failed = result->failed || memory == NULL;
    return memory;
}

static const char *text_of(struct kenter_result *result, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    if (name == NULL)
        return NULL;
    size_t length = dns_name_to_text(text, name);
    const char *copy = base_arena_strndup(&result->arena, text, length);
    result->failed = result->failed || copy == NULL;
    return copy;
}

static struct kenter_record *records_of(struct kenter_result *result,
                                        const struct validate_records *sets, size_t set_count,
                                        size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < set_count; i++)
        *count += sets[i].count;
    struct kenter_record *records = take(result, *count, sizeof(*records));
    for (size_t i = 0, at = 0; records != NULL && i < set_count; i++) {
        const char *name = text_of(result, sets[i].name);
        for (size_t k = 0; k < sets[i].count; k++)
            records[at++] = (struct kenter_record){.name = name,
                                                   .type = sets[i].type,
                                                   .ttl = sets[i].ttl,
                                                   .rdata = sets[i].rdata[k].data,
                                                   .length = sets[i].rdata[k].length};
    }
    return records;
}

static size_t index_of(uint32_t node)
{
    return node == VALIDATE_NO_NODE ? KENTER_NONE : node;
}

static void fill_hops(struct kenter_result *result)
{
    const struct validate_result *inner = result->inner;
    result->hops = take(result, inner->hop_count, sizeof(*result->hops));
    for (size_t i = 0; result->hops != NULL && i < inner->hop_count; i++) {
        const struct validate_hop *hop = &inner->hops[i];
        result->hops[i] = (struct kenter_hop){.name = text_of(result, hop->name),
                                              .status = (enum kenter_status)hop->status,
                                              .target = text_of(result, hop->target),
                                              .dname = hop->dname,
                                              .wildcard = hop->wildcard,
                                              .zone = text_of(result, hop->zone),
                                              .ttl = hop->ttl,
                                              .expiry = hop->expiry,
                                              .step = index_of(hop->node)};
    }
}

static void fill_steps(struct kenter_result *result)
{
    const struct validate_result *inner = result->inner;
    result->steps = take(result, inner->node_count, sizeof(*result->steps));
    for (size_t i = 0; result->steps != NULL && i < inner->node_count; i++) {
        const struct validate_node *node = &inner->nodes[i];
        struct kenter_step *step = &result->steps[i];
        *step = (struct kenter_step){.kind = validate_node_kind_name(node->kind),
                                     .status = (enum kenter_status)node->status,
                                     .parent = index_of(node->parent),
                                     .name = text_of(result, node->name),
                                     .type = node->type,
                                     .zone = text_of(result, node->zone),
                                     .wildcard = text_of(result, node->wildcard),
                                     .note = node->note};
        step->records = records_of(result, node->sets, node->set_count, &step->record_count);
    }
}

static void fill_findings(struct kenter_result *result)
{
    const struct validate_result *inner = result->inner;
    result->findings = take(result, inner->finding_count, sizeof(*result->findings));
    for (size_t i = 0; result->findings != NULL && i < inner->finding_count; i++) {
        const struct validate_finding *finding = &inner->findings[i];
        const struct base_finding_info *info = base_finding_info(finding->code);
        result->findings[i] = (struct kenter_result_finding){
            .code = info->code,
            .severity = (enum kenter_severity)finding->severity,
            .ede = finding->ede == VALIDATE_NO_EDE ? -1 : finding->ede,
            .cause = finding->cause == VALIDATE_NO_CAUSE ? KENTER_NONE : finding->cause,
            .step = index_of(finding->node),
            .owner = finding->owner,
            .type = finding->type,
            .server = finding->server,
            .message = finding->message,
            .why = info->why,
            .remedy = info->remedy,
        };
    }
}

int lib_result_new(const struct validate_result *inner, struct kenter_result **out)
{
    struct kenter_result *result = calloc(1, sizeof(*result));
    if (result == NULL) {
        validate_result_unref(inner);
        return KENTER_ENOMEM;
    }
    atomic_init(&result->references, 1);
    result->inner = inner;
    base_arena_init(&result->arena, 0);
    result->name = text_of(result, inner->name);
    result->insecure = text_of(result, inner->insecure);
    /* Nothing that might be used is given out of what was not judged, or judged to be wrong. */
    if (inner->status != VALIDATE_BOGUS && inner->status != VALIDATE_ERROR)
        result->records =
            records_of(result, inner->answer, inner->answer_count, &result->record_count);
    fill_hops(result);
    fill_steps(result);
    fill_findings(result);
    if (result->failed) {
        kenter_result_free(result);
        return KENTER_ENOMEM;
    }
    *out = result;
    return KENTER_OK;
}

struct kenter_result *kenter_result_ref(struct kenter_result *result)
{
    atomic_fetch_add_explicit(&result->references, 1, memory_order_relaxed);
    return result;
}

void kenter_result_free(struct kenter_result *result)
{
    if (result == NULL ||
        atomic_fetch_sub_explicit(&result->references, 1, memory_order_acq_rel) != 1)
        return;
    validate_result_unref(result->inner);
    base_arena_free(&result->arena);
    free(result);
}

const char *kenter_status_text(enum kenter_status status)
{
    if ((unsigned)status > VALIDATE_ERROR)
        return "unknown";
    return validate_status_name((enum validate_status)status);
}

enum kenter_status kenter_result_status(const struct kenter_result *result)
{
    return (enum kenter_status)result->inner->status;
}

enum kenter_kind kenter_result_kind(const struct kenter_result *result)
{
    return (enum kenter_kind)result->inner->kind;
}

unsigned kenter_result_rcode(const struct kenter_result *result)
{
    return result->inner->rcode;
}

const char *kenter_result_name(const struct kenter_result *result)
{
    return result->name;
}

uint16_t kenter_result_type(const struct kenter_result *result)
{
    return result->inner->type;
}

uint32_t kenter_result_ttl(const struct kenter_result *result)
{
    return result->inner->ttl;
}

int64_t kenter_result_time(const struct kenter_result *result)
{
    return result->inner->now;
}

int64_t kenter_result_expiry(const struct kenter_result *result)
{
    return result->inner->expiry;
}

const char *kenter_result_insecure(const struct kenter_result *result)
{
    return result->insecure;
}

const char *kenter_result_sentence(const struct kenter_result *result)
{
    return result->inner->sentence;
}

unsigned kenter_result_queries(const struct kenter_result *result)
{
    return result->inner->queries;
}

unsigned kenter_result_verifications(const struct kenter_result *result)
{
    return result->inner->verifications;
}

const struct kenter_record *kenter_result_records(const struct kenter_result *result, size_t *count)
{
    *count = result->record_count;
    return result->records;
}

const struct kenter_hop *kenter_result_hops(const struct kenter_result *result, size_t *count)
{
    *count = result->inner->hop_count;
    return result->hops;
}

const struct kenter_step *kenter_result_steps(const struct kenter_result *result, size_t *count)
{
    *count = result->inner->node_count;
    return result->steps;
}

const struct kenter_result_finding *kenter_result_findings(const struct kenter_result *result,
                                                           size_t *count)
{
    *count = result->inner->finding_count;
    return result->findings;
}

long kenter_record_print(const struct kenter_record *record, char *out, size_t size)
{
    struct base_buf text;
    base_buf_init(&text, SHOW_MOST);
    dns_rdata_to_text(&text, record->type, record->rdata, record->length, DNS_TEXT_PLAIN);
    const char *string = base_buf_string(&text);
    long length = text.error == BASE_OK ? (long)text.length : -1;
    if (length >= 0 && size > 0) {
        size_t fits = text.length < size ? text.length : size - 1;
        memcpy(out, string, fits);
        out[fits] = '\0';
    }
    base_buf_free(&text);
    return length;
}

int kenter_result_show(const struct kenter_result *result, enum kenter_form form, char **out)
{
    struct base_buf text;
    struct resolve_show_options options = {.ascii = form == KENTER_FORM_TEXT,
                                           .color = form == KENTER_FORM_TERMINAL};
    base_buf_init(&text, SHOW_MOST);
    switch (form) {
    case KENTER_FORM_TEXT:
    case KENTER_FORM_TERMINAL:
        resolve_show_text(result->inner, &options, &text);
        break;
    case KENTER_FORM_JSON:
        resolve_show_json(result->inner, &text);
        break;
    case KENTER_FORM_DOT:
        resolve_show_dot(result->inner, &text);
        break;
    case KENTER_FORM_SVG:
        resolve_show_svg(result->inner, &text);
        break;
    default:
        return KENTER_EINVAL;
    }
    char *copy = text.error == BASE_OK ? malloc(text.length + 1) : NULL;
    if (copy != NULL)
        memcpy(copy, base_buf_string(&text), text.length + 1);
    base_buf_free(&text);
    if (copy == NULL)
        return KENTER_ENOMEM;
    *out = copy;
    return KENTER_OK;
}

void kenter_text_free(char *text)
{
    free(text);
}
