/* DS records from the command line: see ds.h. */
#include "cli/ds.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/report.h"
#include "dns/rdata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_LIMIT ((size_t)16 * 1024 * 1024)
#define TOKENS_MAX 64
#define DS_LIMIT   1000

static bool is_space(char c)
{
    /* Parentheses only join lines in a zone file. */
    return c == ' ' || c == '\t' || c == '\r' || c == '(' || c == ')';
}

/* Splits a line at blanks, up to a comment. */
static size_t split(const char *line, size_t length, struct dns_token tokens[TOKENS_MAX])
{
    size_t count = 0, at = 0;
    while (count < TOKENS_MAX) {
        while (at < length && is_space(line[at]))
            at++;
        if (at == length || line[at] == ';')
            break;
        size_t start = at;
        while (at < length && !is_space(line[at]) && line[at] != ';')
            at++;
        tokens[count++] = (struct dns_token){.text = line + start,
                                             .length = (uint32_t)(at - start),
                                             .line = 1,
                                             .column = (uint32_t)start + 1};
    }
    return count;
}

/* The token behind the word "DS", when the line is a whole record. */
static size_t skip_head(const struct dns_token *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].length == 2 && strncasecmp(tokens[i].text, "DS", 2) == 0)
            return i + 1;
    }
    return 0;
}

static int add(struct cli_call *call, struct cli_ds_list *list, const uint8_t *rdata, size_t length)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        struct validate_ds *items = base_arena_alloc(&call->arena, capacity * sizeof(*list->items));
        if (items == NULL)
            return BASE_ENOMEM;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
    }
    uint8_t *copy = base_arena_dup(&call->arena, rdata, length);
    if (copy == NULL)
        return BASE_ENOMEM;
    list->items[list->count++] = (struct validate_ds){copy, length};
    return BASE_OK;
}

/* One line; an empty one is none. */
static int read_line(struct cli_call *call, struct cli_ds_list *list, const char *line,
                     size_t length)
{
    static uint8_t const root[1] = {0};
    struct dns_token tokens[TOKENS_MAX];
    size_t count = split(line, length, tokens);
    if (count == 0)
        return CLI_GOOD;
    size_t head = skip_head(tokens, count);
    uint8_t *rdata = malloc(DNS_RDATA_MAX);
    size_t rdata_length = 0;
    bool canonical;
    struct dns_rdata_problem problem = {.message = ""};
    int error = BASE_ENOMEM;
    if (rdata != NULL)
        error = dns_rdata_from_text(DNS_TYPE_DS, tokens + head, count - head, root, rdata,
                                    &rdata_length, &canonical, &problem);
    if (error == BASE_OK && list->count < DS_LIMIT)
        error = add(call, list, rdata, rdata_length);
    free(rdata);
    if (error == BASE_ENOMEM) {
        fprintf(stderr, "kenter: out of memory\n");
        return CLI_SYSTEM;
    }
    if (error != BASE_OK)
        return cli_usage_error(call->verb, "\"%.*s\" is not a DS record: %s", (int)length, line,
                               problem.message[0] != '\0' ? problem.message : base_strerror(error));
    return CLI_GOOD;
}

static int read_file(struct cli_call *call, struct cli_ds_list *list, const char *path)
{
    uint8_t *data;
    size_t length;
    int error = base_file_read(path, FILE_LIMIT, &data, &length);
    if (error != BASE_OK) {
        struct base_place place = {.file = path};
        if (error == BASE_EIO)
            cli_file_finding(call, FILE_UNREADABLE, path, "the DS records cannot be read");
        else if (error == BASE_ELIMIT)
            base_findings_add(&call->findings, FILE_UNREADABLE, &place,
                              "the file is larger than %zu octets; these are not DS records",
                              FILE_LIMIT);
        return cli_finish(call, error);
    }
    const char *text = (const char *)data, *end = text + length;
    int code = CLI_GOOD;
    while (code == CLI_GOOD && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (line_end == NULL)
            line_end = end;
        code = read_line(call, list, text, (size_t)(line_end - text));
        text = line_end + 1;
    }
    free(data);
    return code;
}

int cli_ds_read(struct cli_call *call, struct cli_ds_list *list)
{
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "ds") != 0)
            continue;
        const char *text = call->values[i].text;
        int code = text[0] == '@' ? read_file(call, list, text + 1)
                                  : read_line(call, list, text, strlen(text));
        if (code != CLI_GOOD)
            return code;
    }
    if (cli_flag(call, "ds") && list->count == 0)
        return cli_usage_error(call->verb, "--ds gives no DS record");
    return CLI_GOOD;
}
