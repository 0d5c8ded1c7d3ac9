/* What all parts of the zone verifier need: reporting, and passes over the zone. */
#include "base/thread.h"
#include "validate/zone_parts.h"

#include <stdio.h>
#include <stdlib.h>

void validate_report_as(const struct verifier *verifier, struct base_findings *findings,
                        enum base_finding_code code, enum base_severity severity,
                        const uint8_t *owner, const struct dns_rr *rr, const char *format, ...)
{
    char owner_text[DNS_NAME_TEXT];
    char type_text[DNS_TYPE_TEXT];
    struct base_place place = {0};
    if (base_findings_wants(findings, code)) {
        if (rr != NULL)
            place = zone_place(verifier->zone, owner, rr, owner_text, type_text);
        else
            place.owner = dns_name_text(owner_text, owner);
    }
    va_list args;
    va_start(args, format);
    base_findings_addv(findings, code, severity, &place, format, args);
    va_end(args);
}

static void report_list(const struct verifier *verifier, struct base_findings *findings,
                        enum base_finding_code code, const uint8_t *owner, const struct dns_rr *rr,
                        uint16_t type, const char *format, va_list args)
{
    char owner_text[DNS_NAME_TEXT];
    char type_text[DNS_TYPE_TEXT];
    struct base_place place = {0};
    if (base_findings_wants(findings, code)) {
        if (rr != NULL) {
            place = zone_place(verifier->zone, owner, rr, owner_text, type_text);
        } else {
            place.owner = dns_name_text(owner_text, owner);
            place.type = type != 0 ? dns_type_text(type_text, type) : NULL;
        }
    }
    base_findings_addv(findings, code, base_finding_info(code)->severity, &place, format, args);
}

void validate_report(const struct verifier *verifier, struct base_findings *findings,
                     enum base_finding_code code, const uint8_t *owner, const struct dns_rr *rr,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_list(verifier, findings, code, owner, rr, 0, format, args);
    va_end(args);
}

void validate_report_type(const struct verifier *verifier, struct base_findings *findings,
                          enum base_finding_code code, const uint8_t *owner, uint16_t type,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_list(verifier, findings, code, owner, NULL, type, format, args);
    va_end(args);
}

const char *validate_algorithm_text(char out[VALIDATE_ALGORITHM_TEXT], unsigned algorithm)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info != NULL)
        snprintf(out, VALIDATE_ALGORITHM_TEXT, "%u (%s)", algorithm, info->name);
    else
        snprintf(out, VALIDATE_ALGORITHM_TEXT, "%u", algorithm);
    return out;
}

struct pass_run {
    const struct validate_pass *pass;
    struct base_findings *lists; /* by piece of work */
    size_t slices;
    size_t offset; /* 1 when `first` takes index 0 */
};

static int run_piece(void *context, size_t index, unsigned worker)
{
    struct pass_run *run = context;
    const struct validate_pass *pass = run->pass;
    if (index < run->offset)
        return pass->first(pass->context, &run->lists[index]);
    size_t slice = index - run->offset;
    size_t from = (size_t)((__uint128_t)pass->count * slice / run->slices);
    size_t to = (size_t)((__uint128_t)pass->count * (slice + 1) / run->slices);
    return pass->work(pass->context, &run->lists[index], from, to, worker);
}

int validate_pass_run(const struct verifier *verifier, const struct validate_pass *pass,
                      struct base_findings *into)
{
    struct pass_run run = {.pass = pass, .offset = pass->first != NULL};
    run.slices = (size_t)verifier->threads * pass->slices_per_thread;
    if (run.slices > pass->count / 16 + 1)
        run.slices = pass->count / 16 + 1;
    size_t pieces = run.slices + run.offset;
    run.lists = malloc(pieces * sizeof(*run.lists));
    if (run.lists == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < pieces; i++)
        base_findings_init(&run.lists[i], into->per_code);
    int error = base_parallel(verifier->threads, pieces, run_piece, &run);
    for (size_t i = 0; i < pieces; i++)
        base_findings_absorb(into, &run.lists[i]);
    free(run.lists);
    return error;
}

static bool in_chain(const struct verifier *verifier, size_t index)
{
    return verifier->roles[index] >= VALIDATE_ROLE_CUT;
}

size_t validate_chain_next(const struct verifier *verifier, size_t index)
{
    size_t count = verifier->zone->node_count;
    for (size_t i = index + 1; i < count; i++) {
        if (in_chain(verifier, i))
            return i;
    }
    for (size_t i = 0; i < index; i++) {
        if (in_chain(verifier, i))
            return i;
    }
    return index;
}

size_t validate_chain_previous(const struct verifier *verifier, size_t index)
{
    for (size_t i = index; i-- > 0;) {
        if (in_chain(verifier, i))
            return i;
    }
    return index;
}
