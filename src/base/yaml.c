/* YAML with places: see yaml.h. Drives libyaml's event parser and builds the tree. */
#include "base/yaml.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX   32
#define NODES_MAX   100000
#define ENTRIES_MAX 4096 /* of one map: its keys are compared with each other */

struct loader {
    yaml_parser_t parser;
    const char *file;
    struct base_arena *arena;
    struct base_findings *findings;
    size_t nodes;
};

__attribute__((format(printf, 4, 5))) static int refuse(struct loader *loader, yaml_mark_t mark,
                                                        int error, const char *format, ...)
{
    char message[256];
    struct base_place place = {
        .file = loader->file, .line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(loader->findings, POLICY_INVALID, &place, "%s", message);
    return error;
}

static int next_event(struct loader *loader, yaml_event_t *event)
{
    if (yaml_parser_parse(&loader->parser, event))
        return BASE_OK;
    if (loader->parser.error == YAML_MEMORY_ERROR)
        return BASE_ENOMEM;
    const char *problem = loader->parser.problem;
    return refuse(loader, loader->parser.problem_mark, BASE_EFORMAT, "%s",
                  problem != NULL ? problem : "this is not YAML");
}

/* What configuration does not need, and could be used to make a small file large. */
static const char *refused_feature(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "aliases (*name) are not used here; write the value out";
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL)
        return "anchors (&name) are not used here; write the value out";
    if (tag != NULL)
        return "tags (!name) are not used here; leave the tag out";
    return NULL;
}

static int load_scalar(struct loader *loader, const yaml_event_t *event, const char **out)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(text, '\0', length) != NULL)
        return refuse(loader, event->start_mark, BASE_EFORMAT, "a value holds a NUL character");
    *out = base_arena_strndup(loader->arena, text, length);
    return *out == NULL ? BASE_ENOMEM : BASE_OK;
}

static int load_node(struct loader *loader, const yaml_event_t *event, unsigned depth,
                     struct base_yaml **out);

static void append(struct base_yaml *parent, struct base_yaml **tail, struct base_yaml *child)
{
    if (*tail == NULL)
        parent->first = child;
    else
        (*tail)->next = child;
    *tail = child;
    parent->count++;
}

static int load_list(struct loader *loader, struct base_yaml *list, unsigned depth)
{
    struct base_yaml *tail = NULL;
    for (;;) {
        yaml_event_t event;
        int error = next_event(loader, &event);
        if (error != BASE_OK)
            return error;
        struct base_yaml *child = NULL;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end)
            error = load_node(loader, &event, depth + 1, &child);
        yaml_event_delete(&event);
        if (end || error != BASE_OK)
            return error;
        append(list, &tail, child);
    }
}

static int load_key(struct loader *loader, const struct base_yaml *map, const yaml_event_t *event,
                    const char **key)
{
    const char *feature = refused_feature(event);
    if (feature != NULL)
        return refuse(loader, event->start_mark, BASE_EFORMAT, "%s", feature);
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(loader, event->start_mark, BASE_EFORMAT, "a key must be a plain word");
    if (map->count >= ENTRIES_MAX)
        return refuse(loader, event->start_mark, BASE_ELIMIT, "too many entries in one map");
    int error = load_scalar(loader, event, key);
    if (error != BASE_OK)
        return error;
    const struct base_yaml *earlier = base_yaml_get(map, *key);
    if (earlier == NULL)
        return BASE_OK;
    return refuse(loader, event->start_mark, BASE_EFORMAT,
                  "\"%.80s\" is set twice; the first is on line %u", *key, earlier->line);
}

static int load_value(struct loader *loader, unsigned depth, struct base_yaml **child)
{
    yaml_event_t event;
    int error = next_event(loader, &event);
    if (error != BASE_OK)
        return error;
    error = load_node(loader, &event, depth, child);
    yaml_event_delete(&event);
    return error;
}

static int load_map(struct loader *loader, struct base_yaml *map, unsigned depth)
{
    struct base_yaml *tail = NULL;
    for (;;) {
        yaml_event_t event;
        int error = next_event(loader, &event);
        if (error != BASE_OK)
            return error;
        const char *key = NULL;
        struct base_yaml *child = NULL;
        yaml_mark_t mark = event.start_mark;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        if (!end)
            error = load_key(loader, map, &event, &key);
        yaml_event_delete(&event);
        if (end || error != BASE_OK)
            return error;
        error = load_value(loader, depth + 1, &child);
        if (error != BASE_OK)
            return error;
        child->key = key;
        child->key_line = (uint32_t)mark.line + 1;
        child->key_column = (uint32_t)mark.column + 1;
        append(map, &tail, child);
    }
}

/* The node that `event` begins; events up to its end are read. Recursion ends at DEPTH_MAX. */
static int load_node(struct loader *loader, const yaml_event_t *event, unsigned depth,
                     struct base_yaml **out)
{
    const char *feature = refused_feature(event);
    if (feature != NULL)
        return refuse(loader, event->start_mark, BASE_EFORMAT, "%s", feature);
    if (depth > DEPTH_MAX)
        return refuse(loader, event->start_mark, BASE_ELIMIT, "nested too deeply (limit: 32)");
    if (++loader->nodes > NODES_MAX)
        return refuse(loader, event->start_mark, BASE_ELIMIT, "too many values (limit: 100000)");
    struct base_yaml *node = base_arena_zalloc(loader->arena, sizeof(*node));
    if (node == NULL)
        return BASE_ENOMEM;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    *out = node;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->kind = BASE_YAML_SCALAR;
        return load_scalar(loader, event, &node->text);
    case YAML_SEQUENCE_START_EVENT:
        node->kind = BASE_YAML_LIST;
        return load_list(loader, node, depth);
    case YAML_MAPPING_START_EVENT:
        node->kind = BASE_YAML_MAP;
        return load_map(loader, node, depth);
    default:
        return refuse(loader, event->start_mark, BASE_EFORMAT, "this is not YAML");
    }
}

/* A document that says nothing: "---" alone, or comments. */
static bool is_nothing(const struct base_yaml *node)
{
    return node->kind == BASE_YAML_SCALAR && node->text[0] == '\0';
}

static int load_document(struct loader *loader, struct base_yaml **root)
{
    for (;;) {
        yaml_event_t event;
        int error = next_event(loader, &event);
        if (error != BASE_OK)
            return error;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && *root != NULL)
            error = refuse(loader, event.start_mark, BASE_EFORMAT,
                           "a second document begins here; one file holds one");
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT || error != BASE_OK)
            return error;
        if (type == YAML_DOCUMENT_START_EVENT)
            error = load_value(loader, 1, root);
        if (error != BASE_OK)
            return error;
    }
}

int base_yaml_parse(const char *file, const void *data, size_t length, struct base_arena *arena,
                    struct base_findings *findings, struct base_yaml **root)
{
    struct loader loader = {.file = file, .arena = arena, .findings = findings};
    if (!yaml_parser_initialize(&loader.parser))
        return BASE_ENOMEM;
    yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader.parser, data, length);
    struct base_yaml *tree = NULL;
    int error = load_document(&loader, &tree);
    yaml_parser_delete(&loader.parser);
    if (error != BASE_OK)
        return error;
    if (tree == NULL || is_nothing(tree)) {
        tree = base_arena_zalloc(arena, sizeof(*tree));
        if (tree == NULL)
            return BASE_ENOMEM;
        *tree = (struct base_yaml){.kind = BASE_YAML_MAP, .line = 1, .column = 1};
    }
    *root = tree;
    return BASE_OK;
}

const struct base_yaml *base_yaml_get(const struct base_yaml *map, const char *key)
{
    if (map == NULL || map->kind != BASE_YAML_MAP)
        return NULL;
    for (const struct base_yaml *entry = map->first; entry != NULL; entry = entry->next) {
        if (strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}
