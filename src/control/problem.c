/* What stands against a zone, by who found it: see internal.h. What the one finds, and what is over
 * for the one, says nothing of the others. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* What people should know: errors and warnings. NULL: nothing. */
static json_t *problem_list(const struct base_findings *findings)
{
    json_t *list = NULL;
    for (size_t i = 0; findings != NULL && i < findings->count; i++) {
        if (findings->items[i].severity == BASE_INFO)
            continue;
        if (list == NULL)
            list = json_array();
        json_array_append_new(list, api_finding(&findings->items[i]));
    }
    return list;
}

/* All parts together into zone->problem. True: it is another one than before. */
static bool join_parts(struct control_zone *zone)
{
    json_t *all = NULL;
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++) {
        if (zone->problem_parts[i] != NULL && all == NULL)
            all = json_array();
        if (zone->problem_parts[i] != NULL)
            json_array_extend(all, zone->problem_parts[i]);
    }
    zone->problems = (unsigned)json_array_size(all);
    char *text = zone->problems > 0 ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    bool same = text == NULL || zone->problem == NULL ? text == zone->problem
                                                      : strcmp(text, zone->problem) == 0;
    free(zone->problem);
    zone->problem = text;
    return !same;
}

void control_zone_set_problem(struct control_zone *zone, enum control_problem part,
                              const struct base_findings *findings)
{
    json_decref(zone->problem_parts[part]);
    zone->problem_parts[part] = problem_list(findings);
    if (part == CONTROL_PROBLEM_TLSA)
        zone->breaks = findings != NULL && base_findings_bad(findings);
    if (!join_parts(zone))
        return;
    struct registry_event event = {.at = base_clock_now(),
                                   .severity = "info",
                                   .code = "zone.problem-solved",
                                   .text = zone->problems == 0
                                               ? "nothing stands against it any more"
                                               : "less stands against it now"};
    for (size_t i = 0; findings != NULL && i < findings->count; i++) {
        const struct base_finding *finding = &findings->items[i];
        if (finding->severity == BASE_INFO)
            continue;
        event.severity = base_severity_name(finding->severity);
        event.code = base_finding_info(finding->code)->code;
        event.text = finding->message;
        if (finding->severity == BASE_ERROR)
            break;
    }
    control_note_start(zone->control, zone->name, zone->problem, true, &event);
}

static enum control_problem part_of(const json_t *finding)
{
    const char *code = json_string_value(json_object_get(finding, "code"));
    if (code == NULL)
        return CONTROL_PROBLEM_VERSION;
    return strncmp(code, "fetch.", 6) == 0        ? CONTROL_PROBLEM_FETCH
           : strncmp(code, "catalog.", 8) == 0    ? CONTROL_PROBLEM_MEMBERS
           : strncmp(code, "outside.", 8) == 0    ? CONTROL_PROBLEM_OUTSIDE
           : strncmp(code, "tlsa.", 5) == 0       ? CONTROL_PROBLEM_TLSA
           : strcmp(code, "file.unwritable") == 0 ? CONTROL_PROBLEM_EXPORT
                                                  : CONTROL_PROBLEM_VERSION;
}

void control_zone_known_problem(struct control_zone *zone, const char *text)
{
    size_t index;
    json_t *finding, *list = json_loads(text, 0, NULL);
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++) {
        json_decref(zone->problem_parts[i]);
        zone->problem_parts[i] = NULL;
    }
    json_array_foreach(list, index, finding)
    {
        enum control_problem by = part_of(finding);
        json_t **part = &zone->problem_parts[by];
        if (by == CONTROL_PROBLEM_TLSA)
            continue; /* is found anew, if it is so still */
        if (*part == NULL)
            *part = json_array();
        json_array_append(*part, finding);
    }
    json_decref(list);
    if (zone->problem_parts[CONTROL_PROBLEM_OUTSIDE] != NULL)
        zone->outside_again = 1; /* at once: it may be over */
    join_parts(zone);
}
