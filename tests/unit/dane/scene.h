/*
 * What the matrices share: rows of a table, and the worlds that they speak of: signed zones in
 * memory, which the validator judges packet by packet, some of them broken.
 *
 * A row is cut into columns at "|", and a column into what it says of each host at "&"; what is
 * said once holds for all hosts. Words are separated by spaces.
 */
#ifndef TEST_DANE_SCENE_H
#define TEST_DANE_SCENE_H

#include "validate/world.h"

#include "cast.h"
#include "dane/plan.h"

_Static_assert(NOW == CERTIFICATE_NOW, "zones and certificates live at the same time");

#define COLUMNS_MAX 12
#define HOSTS_MAX   3
#define FAILS       16
#define FIELD       256

/* What becomes of the answers about a name and type. */
enum failing { FAIL_SERVER, FAIL_SILENT, FAIL_FORGED, FAIL_GARBLED };
static const char *const failing_words[] = {"servfail", "timeout", "forged", "garbled"};

struct fail {
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    enum failing how;
};

/* A row, and the world that it speaks of. */
struct scene {
    char field[COLUMNS_MAX][FIELD];
    char part[COLUMNS_MAX][HOSTS_MAX][FIELD];
    size_t hosts;
    struct world *world;
    struct validate_anchors *anchors; /* set by the matrix */
    struct validate_options options;
    struct validate_trust *trust;
    struct fail fails[FAILS];
    size_t fail_count;
    char problem[4096]; /* what is not as the row says */
    /* SMTP */
    const char *domain;
    struct dane_plan_options plan;
    bool sts;
    char heard[HOSTS_MAX][1024]; /* the reasons of each host */
    /* XMPP */
    struct cast_shown shown;
    unsigned documents; /* of POSH, asked for */
};

/* The system's CAs: `root`. */
static struct dane_authorities *authorities;

/* --- text --- */

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length) {
        if ((at == text || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
            return true;
    }
    return false;
}

static void copy_trimmed(char out[FIELD], const char *text, size_t length)
{
    text = cast_trim(text, &length);
    MUST(length < FIELD);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* False: a comment or an empty line. */
static bool read_row(struct scene *scene, char *line, size_t columns)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[strspn(line, " ")] == '\0')
        return false;
    for (size_t i = 0; i < columns; i++) {
        size_t length = strcspn(line, "|");
        copy_trimmed(scene->field[i], line, length);
        line += length + (line[length] == '|');
    }
    MUST(*line == '\0');
    for (size_t i = 0; i < columns; i++) {
        const char *at = scene->field[i];
        for (size_t k = 0; k < HOSTS_MAX; k++) {
            size_t length = strcspn(at, "&");
            copy_trimmed(scene->part[i][k], at, length);
            if (at[length] == '&')
                at += length + 1;
        }
    }
    return true;
}

static void complain(struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct scene *scene, const char *format, ...)
{
    size_t used = strlen(scene->problem);
    va_list args;
    va_start(args, format);
    vsnprintf(scene->problem + used, sizeof scene->problem - used, format, args);
    va_end(args);
}

/* --- zones --- */

/* The zone, made when it is not there, in the state that the words say. */
static struct world_zone *zone(struct scene *scene, const char *apex, const char *state)
{
    for (size_t i = 0; i < scene->world->count; i++) {
        if (dns_name_equal(scene->world->zones[i]->apex, wire(apex)))
            return scene->world->zones[i];
    }
    struct world_zone *made = world_zone(scene->world, apex);
    made->is_unsigned = has_word(state, "unsigned") || has_word(state, "insecure");
    made->corrupt = has_word(state, "bogus");
    if (has_word(state, "expired"))
        made->expiration = NOW - 100;
    if (has_word(state, "ending"))
        made->expiration = NOW + 200;
    return made;
}

static void add(struct world_zone *where, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct world_zone *where, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    world_add(where, text);
}

/* TLSA records as cast.h writes them. */
static void add_records(struct world_zone *where, const char *owner, const char *list, uint32_t ttl)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        uint8_t rdata[CAST_RDATA];
        size_t size = cast_tlsa_rdata(list, length, rdata);
        MUST(where->count < WORLD_RECORDS && size <= WORLD_RDATA);
        struct world_record *record = &where->records[where->count++];
        memset(record, 0, sizeof *record);
        name_copy(record->name, wire(owner));
        record->type = DNS_TYPE_TLSA;
        record->ttl = ttl;
        record->length = (uint16_t)size;
        memcpy(record->rdata, rdata, size);
        list += length + (list[length] == ',');
    }
}

/* --- what fails --- */

static void fail_at(struct scene *scene, const char *name, uint16_t type, enum failing how)
{
    MUST(scene->fail_count < FAILS);
    struct fail *fail = &scene->fails[scene->fail_count++];
    name_copy(fail->name, wire(name));
    fail->type = type;
    fail->how = how;
}

static const struct fail *fails(const struct scene *scene, const uint8_t *name, uint16_t type)
{
    for (size_t i = 0; i < scene->fail_count; i++) {
        if (scene->fails[i].type == type && dns_name_equal(scene->fails[i].name, name))
            return &scene->fails[i];
    }
    return NULL;
}

/* "servfail", or with a prefix "direct-servfail". False: nothing fails. */
static bool add_failing(struct scene *scene, const char *text, const char *prefix,
                        const char *owner, uint16_t type)
{
    bool any = false;
    for (unsigned i = 0; i < sizeof failing_words / sizeof failing_words[0]; i++) {
        char word[64];
        snprintf(word, sizeof word, "%s%s", prefix, failing_words[i]);
        if (!has_word(text, word))
            continue;
        fail_at(scene, owner, type, (enum failing)i);
        any = true;
    }
    return any;
}

/* Changes what was signed. */
static void forge(struct world *world, struct world_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        struct world_record *record = &reply->records[i];
        const struct fail *fail = fails(world->context, record->name, record->type);
        /* The first octet of an MX or SRV is no name. */
        if (fail && fail->how == FAIL_FORGED)
            record->rdata[record->type == DNS_TYPE_TLSA ? record->length - 1 : 0] ^= 1;
    }
}

static void scene_begin(struct scene *scene)
{
    scene->world = world_new();
    scene->world->edit = forge;
    scene->world->context = scene;
    MUST(validate_anchors_new(&scene->anchors) == BASE_OK);
    scene->options.anchors = scene->anchors;
    scene->options.no_proof = true;
    MUST(validate_trust_new(0, &scene->trust) == BASE_OK);
}

static void scene_end(struct scene *scene)
{
    validate_trust_free(scene->trust);
    validate_anchors_free(scene->anchors);
    world_free(scene->world);
}

static const struct validate_result *look_up(struct scene *scene, const uint8_t *name,
                                             uint16_t type)
{
    static uint8_t packet[65535];
    struct validate_lookup *lookup;
    struct validate_query query;
    MUST(validate_lookup_new(&scene->options, scene->trust, name, type, NOW, &lookup) == BASE_OK);
    scene->world->log[0] = '\0';
    while (validate_lookup_next(lookup, &query)) {
        const struct fail *fail = fails(scene, query.name, query.type);
        struct validate_reply reply = {.kind = VALIDATE_REPLY_SILENCE};
        if (fail && fail->how == FAIL_SERVER) {
            reply.kind = VALIDATE_REPLY_FAILED;
            reply.why = "SERVFAIL";
        } else if (!fail || fail->how != FAIL_SILENT) {
            reply.kind = VALIDATE_REPLY_PACKET;
            reply.packet = packet;
            reply.length =
                world_answer(scene->world, query.name, query.type, packet, sizeof packet);
            if (fail && fail->how == FAIL_GARBLED)
                reply.length -= 17;
        }
        MUST(validate_lookup_reply(lookup, query.id, &reply, NOW) == BASE_OK);
    }
    const struct validate_result *result = validate_result_ref(validate_lookup_result(lookup));
    validate_lookup_free(lookup);
    return result;
}

/* --- the table --- */

/* Runs each row of tests/matrix/FILE; `columns` of each. The number of rows, and in *bad of those
 * that came out otherwise, which are told. */
static unsigned run_table(const char *file_name, size_t columns, void run(struct scene *scene),
                          unsigned *bad)
{
    char path[512], line[4096], row[sizeof line];
    unsigned number = 0, rows = 0;
    snprintf(path, sizeof path, TEST_DATA "/matrix/%s", file_name);
    FILE *file = fopen(path, "r");
    MUST(file);
    MUST(dane_authorities_new(cast_ca_file, &authorities) == BASE_OK);
    *bad = 0;
    while (fgets(line, sizeof line, file)) {
        struct scene *scene = calloc(1, sizeof *scene);
        number++;
        memcpy(row, line, sizeof row);
        if (read_row(scene, line, columns)) {
            rows++;
            run(scene);
            if (scene->problem[0] != '\0') {
                ++*bad;
                fprintf(stderr, "%s:%u: %s%s", file_name, number, row, scene->problem);
            }
        }
        free(scene);
    }
    fclose(file);
    dane_authorities_free(authorities);
    return rows;
}

#endif
