/* One record from text: see scan.h. */
#include "dns/scan.h"

#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <stdlib.h>
#include <string.h>

/* Parses the text in `parser`, which is complete but for its piece. */
static int parse(struct dns_zonefile_parser *parser, const char *text, size_t length)
{
    uint8_t *padded = malloc(length + DNS_LEXER_PADDING);
    if (padded == NULL)
        return BASE_ENOMEM;
    if (length > 0)
        memcpy(padded, text, length);
    memset(padded + length, '\n', DNS_LEXER_PADDING);
    dns_zonefile_parse(parser, &parser->scratch->lexer, padded, length, true, 1);
    dns_zonefile_parse_end(parser);
    free(padded);
    return parser->error;
}

/* The one record of the batch, or a finding. */
static int take_record(const char *what, const struct dns_batch *batch,
                       struct base_findings *findings, uint8_t *owner, struct dns_rr *rr)
{
    if (batch->findings.totals[BASE_ERROR] > 0)
        return BASE_EFORMAT;
    if (batch->rr_count != 1) {
        struct base_place place = {.file = what, .line = 1, .column = 1};
        base_findings_add(findings, SYNTAX_EMPTY, &place, "one record is expected here, not %zu",
                          batch->rr_count);
        return BASE_EFORMAT;
    }
    const struct dns_run *run = &batch->runs[0];
    memcpy(owner, run->name, dns_name_length(run->name));
    memcpy(rr, run->first, sizeof(*rr) + run->first->length);
    return BASE_OK;
}

int dns_rr_from_text(const char *what, const char *text, size_t length, const uint8_t *origin,
                     uint32_t default_ttl, struct base_findings *findings,
                     uint8_t owner[DNS_NAME_MAX], struct dns_rr *rr)
{
    struct dns_zonefile_reader reader = {
        .options = {.default_ttl = default_ttl, .generate_max = 1, .entry_max = UINT32_MAX / 4},
        .kernel = dns_scan_kernel(0),
        .name = what,
    };
    struct dns_zonefile_frame frame = {.name = what};
    struct dns_zonefile_piece piece;
    struct dns_zonefile_scratch *scratch = dns_zonefile_scratch_new();
    if (scratch == NULL)
        return BASE_ENOMEM;
    int error = length > reader.options.entry_max
                    ? BASE_EFORMAT
                    : dns_zonefile_piece_init(&piece, findings->per_code);
    if (error == BASE_OK) {
        struct dns_zonefile_parser parser = {
            .reader = &reader, .scratch = scratch, .piece = &piece, .frame = &frame};
        parser.state.has_default_ttl = true;
        parser.state.default_ttl = default_ttl;
        if (origin != NULL) {
            parser.state.has_origin = true;
            memcpy(parser.state.origin, origin, dns_name_length(origin));
        }
        error = parse(&parser, text, length);
        if (error == BASE_OK)
            error = take_record(what, piece.batch, findings, owner, rr);
        base_findings_absorb(findings, &piece.batch->findings);
        dns_zonefile_piece_free(&piece);
    }
    dns_zonefile_scratch_free(scratch);
    return error;
}
