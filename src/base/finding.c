/* Findings and their catalogue: see finding.h. */
#include "base/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct base_finding_info catalogue[BASE_FINDING_COUNT] = {
#define FINDING(symbol, code, severity, title, why, remedy)                                        \
    [symbol] = {code, severity, title, why, remedy},
#include "base/findings.def"
#undef FINDING
};

const struct base_finding_info *base_finding_info(enum base_finding_code code)
{
    return &catalogue[code];
}

int base_finding_by_name(const char *code)
{
    for (int i = 0; i < BASE_FINDING_COUNT; i++) {
        if (strcasecmp(catalogue[i].code, code) == 0)
            return i;
    }
    return -1;
}

const char *base_severity_name(enum base_severity severity)
{
    static const char *const names[] = {"info", "warning", "error"};
    return names[severity];
}

void base_findings_init(struct base_findings *findings, size_t per_code)
{
    memset(findings, 0, sizeof(*findings));
    base_arena_init(&findings->arena, 0);
    findings->per_code = per_code;
}

void base_findings_free(struct base_findings *findings)
{
    free(findings->items);
    base_arena_free(&findings->arena);
    base_findings_init(findings, findings->per_code);
}

bool base_findings_wants(const struct base_findings *findings, enum base_finding_code code)
{
    return findings->by_code[code] < findings->per_code;
}

static void count_one(struct base_findings *findings, enum base_finding_code code,
                      enum base_severity severity)
{
    findings->totals[severity]++;
    if (findings->by_code[code] < UINT32_MAX)
        findings->by_code[code]++;
}

void base_findings_count(struct base_findings *findings, enum base_finding_code code)
{
    count_one(findings, code, catalogue[code].severity);
}

static bool make_room(struct base_findings *findings, size_t more)
{
    if (more <= findings->capacity - findings->count)
        return true;
    size_t capacity = findings->capacity ? findings->capacity * 2 : 16;
    while (capacity < findings->count + more)
        capacity *= 2;
    struct base_finding *items = realloc(findings->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    findings->items = items;
    findings->capacity = capacity;
    return true;
}

static const char *keep_text(struct base_arena *arena, const char *text)
{
    return text == NULL ? NULL : base_arena_strndup(arena, text, strlen(text));
}

void base_findings_addv(struct base_findings *findings, enum base_finding_code code,
                        enum base_severity severity, const struct base_place *place,
                        const char *format, va_list args)
{
    bool wanted = base_findings_wants(findings, code);
    count_one(findings, code, severity);
    /* Without memory the finding is still counted, so that a bad zone never looks good. */
    if (!wanted || !make_room(findings, 1))
        return;
    char message[1024];
    vsnprintf(message, sizeof(message), format, args);
    struct base_finding finding = {.code = code, .severity = severity};
    if (place != NULL) {
        finding.place = *place;
        finding.place.file = keep_text(&findings->arena, place->file);
        finding.place.owner = keep_text(&findings->arena, place->owner);
        finding.place.type = keep_text(&findings->arena, place->type);
    }
    finding.message = keep_text(&findings->arena, message);
    if (finding.message == NULL)
        finding.message = catalogue[code].title;
    findings->items[findings->count++] = finding;
}

void base_findings_add(struct base_findings *findings, enum base_finding_code code,
                       const struct base_place *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    base_findings_addv(findings, code, catalogue[code].severity, place, format, args);
    va_end(args);
}

void base_findings_absorb(struct base_findings *into, struct base_findings *from)
{
    for (size_t i = 0; i < from->count; i++) {
        enum base_finding_code code = from->items[i].code;
        size_t kept = into->by_code[code];
        if (kept >= into->per_code || !make_room(into, 1))
            continue;
        into->items[into->count++] = from->items[i];
        /* Counted below with the rest; here only so that the bound holds. */
        into->by_code[code]++;
        from->by_code[code]--;
    }
    for (int i = 0; i < BASE_FINDING_COUNT; i++) {
        uint32_t room = UINT32_MAX - into->by_code[i];
        into->by_code[i] += from->by_code[i] < room ? from->by_code[i] : room;
    }
    for (int i = 0; i < 3; i++)
        into->totals[i] += from->totals[i];
    base_arena_absorb(&into->arena, &from->arena);
    from->count = 0;
    base_findings_free(from);
}

static int compare_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_findings(const struct base_finding *a, const struct base_finding *b)
{
    int order = compare_text(a->place.file, b->place.file);
    if (order == 0 && a->place.line != b->place.line)
        order = a->place.line < b->place.line ? -1 : 1;
    if (order == 0 && a->place.column != b->place.column)
        order = a->place.column < b->place.column ? -1 : 1;
    if (order == 0)
        order = compare_text(a->place.owner, b->place.owner);
    return order;
}

/* Merge sort: stable, which qsort is not. */
static void sort_range(struct base_finding *items, struct base_finding *spare, size_t count)
{
    if (count < 2)
        return;
    size_t half = count / 2;
    sort_range(items, spare, half);
    sort_range(items + half, spare, count - half);
    memcpy(spare, items, half * sizeof(*items));
    size_t left = 0, right = half, out = 0;
    while (left < half && right < count) {
        if (compare_findings(&items[right], &spare[left]) < 0)
            items[out++] = items[right++];
        else
            items[out++] = spare[left++];
    }
    memcpy(items + out, spare + left, (half - left) * sizeof(*items));
}

void base_findings_sort(struct base_findings *findings)
{
    struct base_finding *spare = malloc((findings->count / 2 + 1) * sizeof(*spare));
    if (spare == NULL)
        return; /* unsorted is still right */
    sort_range(findings->items, spare, findings->count);
    free(spare);
}

bool base_findings_bad(const struct base_findings *findings)
{
    return findings->totals[BASE_ERROR] > 0;
}
