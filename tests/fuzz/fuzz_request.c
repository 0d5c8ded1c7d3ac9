/*
 * Requests of the API from foreign octets: "METHOD TARGET", a line end, then the body. Whatever is
 * accepted must have the parts that its operation promises; whatever is refused, a finding.
 */
#include "api/request.h"
#include "dns/rdata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check_edit(const struct api_request *request, const struct api_edit *edit)
{
    REQUIRE(dns_name_within(edit->owner, request->zone));
    REQUIRE(edit->action == API_DELETE || edit->rdata != NULL);
    if (edit->rdata != NULL) {
        REQUIRE(dns_rdata_check(edit->type, edit->rdata, edit->length, NULL) == 0);
        REQUIRE(!dns_type_is_meta(edit->type) && !dns_type_is_dnssec(edit->type));
        json_decref(api_record(edit->owner, edit->ttl, edit->type, edit->rdata, edit->length));
    }
}

static void check(const struct api_request *request)
{
    if (request->has_zone)
        REQUIRE(dns_name_is_lower(request->zone));
    switch (request->operation) {
    case API_CHANGE:
        REQUIRE(request->has_zone && request->change.count > 0);
        for (size_t i = 0; i < request->change.count; i++)
            check_edit(request, &request->change.edits[i]);
        break;
    case API_ZONE_CREATE:
        REQUIRE(request->has_zone);
        REQUIRE(request->create.source != API_SOURCE_FILE || request->create.file[0] == '/');
        REQUIRE(request->create.source != API_SOURCE_PRIMARY || request->create.primary_count > 0);
        break;
    case API_RECORDS:
        REQUIRE(dns_name_within(request->name, request->zone));
        break;
    case API_ZONES:
    case API_LOG:
        REQUIRE(request->count >= 1 && request->count <= API_PAGE_MAX);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t line = end != NULL ? (size_t)(end - data) : size;
    char *head = malloc(line + 1);
    REQUIRE(head != NULL);
    memcpy(head, data, line);
    head[line] = '\0';
    char *space = strchr(head, ' ');
    if (space != NULL) {
        *space = '\0';
        struct base_arena arena;
        struct base_findings findings;
        struct api_request request = {.reply = NULL};
        const char *allow;
        struct api_input input = {.door = API_DOOR_SOCKET, .method = head, .target = space + 1};
        input.body = end != NULL ? (const char *)end + 1 : (const char *)data + size;
        input.length = end != NULL ? size - line - 1 : 0;
        base_arena_init(&arena, 0);
        base_findings_init(&findings, 10);
        unsigned status = api_request_read(&input, &arena, &findings, &request, &allow);
        REQUIRE((status == 200) == (findings.count == 0));
        REQUIRE((status == 405) == (allow != NULL));
        if (status == 200)
            check(&request);
        json_decref(api_findings(&findings));
        base_findings_free(&findings);
        base_arena_free(&arena);
    }
    free(head);
    return 0;
}
