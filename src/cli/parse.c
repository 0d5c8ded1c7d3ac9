/* Arguments to a call: see call.h. Everything is checked here against the table of verbs, so that
 * verbs find good values. */
#include "base/error.h"
#include "cli/call.h"
#include "cli/help.h"
#include "dns/name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 128

int cli_usage_error(const struct cli_verb *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "kenter%s%s: ", verb ? " " : "", verb ? verb->name : "");
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (verb != NULL) {
        cli_usage_line(stderr, verb);
        fprintf(stderr, "'kenter %s --help' tells more.\n", verb->name);
    } else {
        fprintf(stderr, "'kenter help' lists the verbs.\n");
    }
    return CLI_USAGE;
}

static int unknown_option(const struct cli_verb *verb, const char *argument)
{
    const char *names[NAMES_MAX] = {NULL};
    size_t count = 0, at = 0;
    for (const struct cli_option *option; (option = cli_option_next(verb, &at)) != NULL;) {
        if (count + 1 < NAMES_MAX)
            names[count++] = option->name;
    }
    char name[64];
    size_t length = strcspn(argument, "=");
    snprintf(name, sizeof(name), "%.*s", (int)(length < 60 ? length : 60), argument);
    const char *near = base_nearest(name, names);
    if (near != NULL)
        return cli_usage_error(verb, "there is no option --%s; did you mean --%s?", name, near);
    return cli_usage_error(verb, "there is no option --%s", name);
}

static int parse_count(const char *text, unsigned long *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return BASE_EFORMAT;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || errno != 0 || value > UINT32_MAX)
        return BASE_EFORMAT;
    *out = value;
    return BASE_OK;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = choices; at != NULL && length > 0;) {
        size_t next = strcspn(at, "|");
        if (next == length && memcmp(at, word, length) == 0)
            return true;
        if (at[next] == '\0')
            break;
        at += next + 1;
    }
    return false;
}

/* What a value should have been; NULL when it is good. */
static const char *wrong_value(enum cli_kind kind, const char *argument, const char *text)
{
    base_time time;
    int64_t seconds;
    unsigned long count;
    uint8_t name[DNS_NAME_MAX];
    static const uint8_t root[1] = {0};
    size_t length;
    switch (kind) {
    case CLI_COUNT:
        return parse_count(text, &count) == BASE_OK ? NULL : "a whole number";
    case CLI_TIME:
        return base_time_parse(text, 0, &time) == BASE_OK
                   ? NULL
                   : "a time such as now+3d, 2026-11-21, 20261121235959 or @1795305599";
    case CLI_DURATION:
        return base_duration_parse(text, &seconds) == BASE_OK && seconds <= UINT32_MAX
                   ? NULL
                   : "a duration such as 14d, 1h30m or 3600";
    case CLI_NAME:
        return dns_name_from_text(name, &length, text, strlen(text), root) == BASE_OK
                   ? NULL
                   : "a domain name";
    case CLI_CHOICE:
        return is_choice(argument, text) ? NULL : argument;
    case CLI_FILE:
    case CLI_DIRECTORY:
        return text[0] != '\0' ? NULL : "a path";
    default:
        return NULL;
    }
}

static int add_value(struct cli_call *call, const struct cli_option *option, const char *text)
{
    if (option->kind != CLI_FLAG) {
        const char *want = wrong_value(option->kind, option->argument, text);
        if (want != NULL)
            return cli_usage_error(call->verb, "--%s takes %s, not \"%s\"", option->name, want,
                                   text);
    }
    if (!option->repeats && option->kind != CLI_FLAG && cli_text(call, option->name) != NULL)
        return cli_usage_error(call->verb, "--%s is given twice", option->name);
    call->values[call->value_count++] = (struct cli_value){option, text};
    return CLI_GOOD;
}

/* The arguments that are left to read. */
struct cursor {
    int at, count;
    char **list;
};

static int parse_long(struct cli_call *call, struct cursor *cursor)
{
    const char *argument = cursor->list[cursor->at++] + 2;
    size_t length = strcspn(argument, "=");
    const struct cli_option *option = cli_option_find(call->verb, argument, length);
    if (option == NULL)
        return unknown_option(call->verb, argument);
    const char *text = argument[length] == '=' ? argument + length + 1 : NULL;
    if (option->kind == CLI_FLAG && text != NULL)
        return cli_usage_error(call->verb, "--%s takes no value", option->name);
    if (option->kind != CLI_FLAG && text == NULL) {
        if (cursor->at == cursor->count)
            return cli_usage_error(call->verb, "--%s needs a value: %s", option->name,
                                   option->argument);
        text = cursor->list[cursor->at++];
    }
    return add_value(call, option, text);
}

/* "-q", "-qb", "-o FILE", "-oFILE" */
static int parse_short(struct cli_call *call, struct cursor *cursor)
{
    const char *letter = cursor->list[cursor->at++] + 1;
    while (*letter != '\0') {
        const struct cli_option *option = cli_option_by_letter(call->verb, *letter);
        if (option == NULL)
            return cli_usage_error(call->verb, "there is no option -%c", *letter);
        letter++;
        const char *text = NULL;
        if (option->kind != CLI_FLAG) {
            if (*letter == '\0' && cursor->at == cursor->count)
                return cli_usage_error(call->verb, "-%c needs a value: %s", option->letter,
                                       option->argument);
            text = *letter != '\0' ? letter : cursor->list[cursor->at++];
        }
        int error = add_value(call, option, text);
        if (error != CLI_GOOD || text != NULL)
            return error;
    }
    return CLI_GOOD;
}

static size_t operands_most(const struct cli_verb *verb)
{
    size_t count = 0;
    while (verb->operands != NULL && verb->operands[count].name != NULL)
        count++;
    return count;
}

static int add_operand(struct cli_call *call, const char *text)
{
    size_t most = operands_most(call->verb), at = call->operand_count;
    if (at >= most && most > 0 && call->verb->operands[most - 1].repeats)
        at = most - 1;
    if (at >= most)
        return cli_usage_error(call->verb, "\"%s\" is one argument too many", text);
    const struct cli_operand *operand = &call->verb->operands[at];
    const char *want = wrong_value(operand->kind, NULL, text);
    if (want != NULL)
        return cli_usage_error(call->verb, "%s must be %s, not \"%s\"", operand->name, want, text);
    call->operands[call->operand_count++] = text;
    return CLI_GOOD;
}

/* Is what is required there? Not asked when only help is wanted. */
static int check_complete(const struct cli_call *call)
{
    const struct cli_verb *verb = call->verb;
    if (call->operand_count < operands_most(verb)) {
        const struct cli_operand *missing = &verb->operands[call->operand_count];
        if (!missing->optional)
            return cli_usage_error(verb, "%s is missing", missing->name);
    }
    size_t at = 0;
    for (const struct cli_option *option; (option = cli_option_next(verb, &at)) != NULL;) {
        if (option->required && cli_text(call, option->name) == NULL)
            return cli_usage_error(verb, "--%s %s is missing", option->name, option->argument);
    }
    return CLI_GOOD;
}

static int parse_arguments(struct cli_call *call, struct cursor *cursor)
{
    bool options = true;
    while (cursor->at < cursor->count) {
        const char *argument = cursor->list[cursor->at];
        int error;
        if (options && strcmp(argument, "--") == 0) {
            options = false;
            cursor->at++;
            continue;
        }
        if (options && strncmp(argument, "--", 2) == 0)
            error = parse_long(call, cursor);
        else if (options && argument[0] == '-' && argument[1] != '\0')
            error = parse_short(call, cursor);
        else
            error = add_operand(call, cursor->list[cursor->at++]);
        if (error != CLI_GOOD)
            return error;
    }
    return cli_flag(call, "help") ? CLI_GOOD : check_complete(call);
}

static void take_common(struct cli_call *call)
{
    call->json = cli_flag(call, "json");
    call->quiet = cli_flag(call, "quiet");
    call->brief = cli_flag(call, "brief");
    call->strict = cli_flag(call, "strict");
    call->notes = !call->quiet;
    call->threads = (unsigned)cli_count(call, "threads", 0);
    size_t limit = cli_count(call, "limit", 100);
    base_findings_init(&call->findings, limit == 0 ? SIZE_MAX : limit);
    call->now = base_clock_now();
    call->now = cli_time(call, "at", call->now);
}

int cli_call_parse(struct cli_call *call, const struct cli_verb *verb, int argc, char **argv)
{
    memset(call, 0, sizeof(*call));
    call->verb = verb;
    call->started = base_clock_monotonic();
    base_arena_init(&call->arena, 0);
    base_findings_init(&call->findings, 100);
    base_buf_init(&call->members, SIZE_MAX / 2);
    base_buf_init(&call->summary, SIZE_MAX / 2);
    /* A cluster of short options can hold several values of one argument. */
    size_t most = 1;
    for (int i = 0; i < argc; i++)
        most += strlen(argv[i]) + 1;
    call->operands = base_arena_zalloc(&call->arena, most * sizeof(*call->operands));
    call->values = base_arena_zalloc(&call->arena, most * sizeof(*call->values));
    if (call->operands == NULL || call->values == NULL) {
        fprintf(stderr, "kenter: out of memory\n");
        return CLI_SYSTEM;
    }
    struct cursor cursor = {.count = argc, .list = argv};
    int error = parse_arguments(call, &cursor);
    if (error == CLI_GOOD)
        take_common(call);
    return error;
}

void cli_call_free(struct cli_call *call)
{
    base_findings_free(&call->findings);
    base_buf_free(&call->members);
    base_buf_free(&call->summary);
    base_arena_free(&call->arena);
}

static const struct cli_value *find_value(const struct cli_call *call, const char *option)
{
    for (size_t i = call->value_count; i > 0; i--) {
        if (strcmp(call->values[i - 1].option->name, option) == 0)
            return &call->values[i - 1];
    }
    return NULL;
}

const char *cli_text(const struct cli_call *call, const char *option)
{
    const struct cli_value *value = find_value(call, option);
    return value == NULL ? NULL : value->text;
}

bool cli_flag(const struct cli_call *call, const char *option)
{
    return find_value(call, option) != NULL;
}

unsigned long cli_count(const struct cli_call *call, const char *option, unsigned long otherwise)
{
    unsigned long value;
    const char *text = cli_text(call, option);
    return text != NULL && parse_count(text, &value) == BASE_OK ? value : otherwise;
}

base_time cli_time(const struct cli_call *call, const char *option, base_time otherwise)
{
    base_time value;
    const char *text = cli_text(call, option);
    return text != NULL && base_time_parse(text, call->now, &value) == BASE_OK ? value : otherwise;
}

unsigned long cli_duration(const struct cli_call *call, const char *option, unsigned long otherwise)
{
    int64_t value;
    const char *text = cli_text(call, option);
    return text != NULL && base_duration_parse(text, &value) == BASE_OK ? (unsigned long)value
                                                                        : otherwise;
}

bool cli_chosen(const struct cli_call *call, const char *option, const char *word)
{
    const char *text = cli_text(call, option);
    return text != NULL && strcmp(text, word) == 0;
}

const unsigned char *cli_parse_name(struct cli_call *call, const char *text)
{
    static const uint8_t root[1] = {0};
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(name, &length, text, strlen(text), root) != BASE_OK)
        return NULL;
    return base_arena_dup(&call->arena, name, length);
}

const unsigned char *cli_name(struct cli_call *call, const char *option)
{
    const char *text = cli_text(call, option);
    return text == NULL ? NULL : cli_parse_name(call, text);
}
