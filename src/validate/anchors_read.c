/* Reading trust anchors from text: which form it has, zone-file lines, and what is refused. */
#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "dns/zonefile.h"
#include "validate/anchors_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1 << 20)

#define FLAG_ZONE    0x0100
#define FLAG_REVOKED 0x0080

static void report(struct validate_anchors_reader *reader, enum base_finding_code code,
                   uint32_t line, const char *format, va_list args)
{
    struct base_place place = {.file = reader->file, .line = line};
    base_findings_addv(reader->findings, code, base_finding_info(code)->severity, &place, format,
                       args);
}

static void warn(struct validate_anchors_reader *reader, enum base_finding_code code, uint32_t line,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void warn(struct validate_anchors_reader *reader, enum base_finding_code code, uint32_t line,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(reader, code, line, format, args);
    va_end(args);
}

void validate_anchors_refuse(struct validate_anchors_reader *reader, enum base_finding_code code,
                             uint32_t line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(reader, code, line, format, args);
    va_end(args);
    reader->refused = true;
}

/* False, with a finding, for keys that must not be trusted. */
static bool is_fit(struct validate_anchors_reader *reader, uint16_t type, const uint8_t *rdata,
                   size_t length, uint32_t line)
{
    if (type != DNS_TYPE_DNSKEY)
        return true;
    uint16_t flags = base_load_u16(rdata);
    unsigned tag = crypto_key_tag(rdata, length);
    if ((flags & FLAG_ZONE) == 0 || rdata[2] != 3)
        warn(reader, ANCHORS_UNFIT, line, "the key with tag %u is no zone key of DNSSEC", tag);
    else if ((flags & FLAG_REVOKED) != 0)
        warn(reader, ANCHORS_UNFIT, line, "the key with tag %u is revoked", tag);
    else
        return true;
    return false;
}

static void check_algorithm(struct validate_anchors_reader *reader, uint16_t type,
                            const uint8_t *rdata, uint32_t line)
{
    unsigned algorithm = type == DNS_TYPE_DS ? rdata[2] : rdata[3];
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info == NULL || !info->validate)
        warn(reader, ANCHORS_UNSUPPORTED, line, "the anchor has the algorithm %u", algorithm);
    if (type == DNS_TYPE_DS && rdata[3] != 2 && rdata[3] != 4)
        warn(reader, ANCHORS_UNSUPPORTED, line, "the anchor has a digest of type %u", rdata[3]);
}

int validate_anchors_take(struct validate_anchors_reader *reader, const uint8_t *name,
                          uint16_t type, const uint8_t *rdata, size_t length, base_time from,
                          base_time until, uint32_t line)
{
    struct dns_rdata_problem problem;
    if (dns_rdata_check(type, rdata, length, &problem) != BASE_OK) {
        validate_anchors_refuse(reader, ANCHORS_SYNTAX, line, "%s", problem.message);
        return BASE_OK;
    }
    if (!is_fit(reader, type, rdata, length, line))
        return BASE_OK;
    check_algorithm(reader, type, rdata, line);
    int error = validate_anchors_add(reader->anchors, name, type, rdata, length, from, until);
    if (error == BASE_ENOMEM)
        return error;
    if (error != BASE_OK)
        validate_anchors_refuse(reader, ANCHORS_SYNTAX, line,
                                "there are more than %d anchors of one name",
                                VALIDATE_ANCHOR_RECORDS_MAX);
    return BASE_OK;
}

int validate_anchors_take_text(struct validate_anchors_reader *reader, const uint8_t *name,
                               uint16_t type, const struct dns_token *tokens, size_t count,
                               uint32_t line)
{
    struct dns_rdata_problem problem;
    size_t length;
    bool canonical;
    uint8_t *rdata = malloc(DNS_RDATA_MAX);
    if (rdata == NULL)
        return BASE_ENOMEM;
    int error =
        dns_rdata_from_text(type, tokens, count, NULL, rdata, &length, &canonical, &problem);
    if (error == BASE_OK)
        error = validate_anchors_take(reader, name, type, rdata, length, 0, 0, line);
    else {
        validate_anchors_refuse(reader, ANCHORS_SYNTAX, line, "%s", problem.message);
        error = BASE_OK;
    }
    free(rdata);
    return error;
}

/*
 * Zone-file lines. The state that auto-trust-anchor-file keeps is such lines too, with what matters
 * in comments: ";;state=2 [  VALID  ]". Keys that are pending, revoked or removed are no anchors.
 */
#define STATE_VALID   '2'
#define STATE_MISSING '3'

/* True when the line (from 1) has a state, and it is that of no anchor. */
static bool is_excluded(const struct validate_anchors_reader *reader, const size_t *lines,
                        size_t line_count, uint32_t line)
{
    static const char mark[] = ";;state=";
    if (line == 0 || line > line_count)
        return false;
    const char *start = reader->text + lines[line - 1];
    const char *end =
        line < line_count ? reader->text + lines[line] : reader->text + reader->length;
    const char *found = memmem(start, (size_t)(end - start), mark, sizeof(mark) - 1);
    if (found == NULL || found + sizeof(mark) - 1 >= end)
        return false;
    char state = found[sizeof(mark) - 1];
    return state != STATE_VALID && state != STATE_MISSING;
}

/* Offsets of the lines' beginnings. */
static size_t *find_lines(const struct validate_anchors_reader *reader, size_t *count)
{
    size_t lines = 1;
    for (size_t i = 0; i < reader->length; i++)
        lines += reader->text[i] == '\n';
    size_t *starts = malloc(lines * sizeof(*starts));
    if (starts == NULL)
        return NULL;
    starts[0] = 0;
    *count = 1;
    for (size_t i = 0; i < reader->length; i++)
        if (reader->text[i] == '\n')
            starts[(*count)++] = i + 1;
    return starts;
}

static int take_runs(struct validate_anchors_reader *reader, const struct dns_batch *batch,
                     const size_t *lines, size_t line_count)
{
    int error = BASE_OK;
    for (size_t i = 0; i < batch->run_count && error == BASE_OK; i++) {
        const struct dns_run *run = &batch->runs[i];
        const struct dns_rr *rr = run->first;
        for (uint32_t j = 0; j < run->count && error == BASE_OK; j++, rr = dns_rr_next(rr)) {
            if (rr->type != DNS_TYPE_DS && rr->type != DNS_TYPE_DNSKEY)
                continue;
            if (!is_excluded(reader, lines, line_count, rr->line))
                error = validate_anchors_take(reader, run->name, rr->type, rr->rdata, rr->length, 0,
                                              0, rr->line);
        }
    }
    return error;
}

int validate_anchors_read_lines(struct validate_anchors_reader *reader)
{
    static const uint8_t root[1] = {0};
    /* Nothing is included: an anchor is in the file that was named. */
    struct dns_zonefile_options options = {.origin = root,
                                           .threads = 1,
                                           .include_root = "/dev/null",
                                           .include_depth = 1,
                                           .generate_max = 1};
    struct base_findings syntax;
    struct dns_zonefile file;
    size_t line_count;
    size_t *lines = find_lines(reader, &line_count);
    if (lines == NULL)
        return BASE_ENOMEM;
    base_findings_init(&syntax, 10);
    int error = dns_zonefile_read_memory(reader->file, reader->text, reader->length, &options,
                                         &syntax, &file);
    if (error == BASE_OK) {
        reader->refused |= base_findings_bad(&syntax);
        for (const struct dns_batch *batch = file.batches; batch != NULL && error == BASE_OK;
             batch = batch->next)
            error = take_runs(reader, batch, lines, line_count);
        dns_zonefile_free(&file);
    } else if (error != BASE_ENOMEM) {
        reader->refused = true;
        error = BASE_OK;
    }
    base_findings_absorb(reader->findings, &syntax);
    base_findings_free(&syntax);
    free(lines);
    return error;
}

static int read_form(struct validate_anchors_reader *reader)
{
    size_t at = 0;
    if (reader->length >= 3 && memcmp(reader->text, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < reader->length && strchr(" \t\r\n", reader->text[at]) != NULL &&
           reader->text[at] != '\0')
        at++;
    if (at < reader->length && reader->text[at] == '<')
        return validate_anchors_read_xml(reader);
    if (validate_anchors_is_bind(reader->text, reader->length))
        return validate_anchors_read_bind(reader);
    return validate_anchors_read_lines(reader);
}

static int merge(struct validate_anchors *into, const struct validate_anchors *from)
{
    size_t count;
    int error = BASE_OK;
    const struct validate_anchor *list = validate_anchors_list(from, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < list[i].count && error == BASE_OK; j++)
            error = validate_anchors_add(into, list[i].name, list[i].records[j].type,
                                         list[i].records[j].rdata, list[i].records[j].length,
                                         list[i].records[j].from, list[i].records[j].until);
    return error;
}

int validate_anchors_read(struct validate_anchors *anchors, const char *file, const char *text,
                          size_t length, struct base_findings *findings)
{
    struct validate_anchors_reader reader = {
        .findings = findings, .file = file, .text = text, .length = length};
    size_t count;
    int error = validate_anchors_new(&reader.anchors);
    if (error != BASE_OK)
        return error;
    error = read_form(&reader);
    validate_anchors_list(reader.anchors, &count);
    if (error == BASE_OK && !reader.refused && count == 0)
        validate_anchors_refuse(&reader, ANCHORS_NONE, 0, "%s has no trust anchor", file);
    if (error == BASE_OK)
        error = reader.refused ? BASE_EREFUSED : merge(anchors, reader.anchors);
    if (error == BASE_ELIMIT) {
        validate_anchors_refuse(&reader, ANCHORS_SYNTAX, 0,
                                "with those of %s there are more than %d anchors of one name", file,
                                VALIDATE_ANCHOR_RECORDS_MAX);
        error = BASE_EREFUSED;
    }
    validate_anchors_free(reader.anchors);
    return error;
}

int validate_anchors_read_file(struct validate_anchors *anchors, const char *path,
                               struct base_findings *findings)
{
    uint8_t *text;
    size_t length;
    int error = base_file_read(path, FILE_MAX, &text, &length);
    if (error == BASE_ENOMEM)
        return error;
    if (error != BASE_OK) {
        base_findings_add(findings, ANCHORS_FILE, &(struct base_place){.file = path}, "%s: %s",
                          path, error == BASE_EIO ? strerror(errno) : base_strerror(error));
        return BASE_EREFUSED;
    }
    error = validate_anchors_read(anchors, path, (const char *)text, length, findings);
    free(text);
    return error;
}
