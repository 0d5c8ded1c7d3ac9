/*
 * The XMPP matrix: tests/matrix/xmpp.table against the engine for pairs of domains. Each row makes
 * a world of signed zones in memory, which the validator judges packet by packet, a stream with its
 * certificates, and POSH documents; what the engine says of the pair must be what the row says.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "validate/world.h"

#include "cast.h"
#include "dane/xmpp.h"

#include <arpa/inet.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

_Static_assert(NOW == CERTIFICATE_NOW, "zones and certificates live at the same time");

#define COLUMNS 12
#define HOSTS   2
#define FAILS   16
#define FIELD   256
#define DOMAIN  "example.org."

enum column {
    STREAM,
    SRV,
    ADDRESS,
    TLSA,
    SHOWS,
    POSH,
    POLICY,
    STATE,
    PROOF,
    DIALBACK,
    EXPIRY,
    REASON
};

enum failing { FAIL_SERVER, FAIL_SILENT, FAIL_FORGED, FAIL_GARBLED };
static const char *const failing_words[] = {"servfail", "timeout", "forged", "garbled"};

struct fail {
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    enum failing how;
};

struct scene {
    char field[COLUMNS][FIELD];
    char part[COLUMNS][HOSTS][FIELD]; /* cut at "&": of each host */
    size_t hosts;
    struct world *world;
    struct validate_anchors *anchors;
    struct validate_options options;
    struct validate_trust *trust;
    struct fail fails[FAILS];
    size_t fail_count;
    struct cast_shown shown;
    unsigned documents; /* of POSH, asked for */
    char problem[2048];
};

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
static bool read_row(struct scene *scene, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[strspn(line, " ")] == '\0')
        return false;
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t length = strcspn(line, "|");
        copy_trimmed(scene->field[i], line, length);
        line += length + (line[length] == '|');
    }
    MUST(*line == '\0');
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *at = scene->field[i];
        for (size_t k = 0; k < HOSTS; k++) {
            size_t length = strcspn(at, "&");
            copy_trimmed(scene->part[i][k], at, length);
            if (at[length] == '&')
                at += length + 1; /* what is said once holds for all */
        }
    }
    scene->hosts = has_word(scene->field[SRV], "two") ? 2 : 1;
    return true;
}

/* --- the world --- */

static struct world_zone *zone(struct scene *scene, const char *apex, const char *state)
{
    for (size_t i = 0; i < scene->world->count; i++) {
        if (dns_name_equal(scene->world->zones[i]->apex, wire(apex)))
            return scene->world->zones[i];
    }
    struct world_zone *made = world_zone(scene->world, apex);
    made->is_unsigned = has_word(state, "insecure");
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

static void forge(struct world *world, struct world_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        struct world_record *record = &reply->records[i];
        const struct fail *fail = fails(world->context, record->name, record->type);
        if (fail && fail->how == FAIL_FORGED)
            record->rdata[record->type == DNS_TYPE_SRV ? 0 : record->length - 1] ^= 1;
    }
}

/* "servfail", or with a prefix "direct-servfail". */
static void add_failing(struct scene *scene, const char *text, const char *prefix,
                        const char *owner, uint16_t type)
{
    for (unsigned i = 0; i < sizeof failing_words / sizeof failing_words[0]; i++) {
        char word[64];
        snprintf(word, sizeof word, "%s%s", prefix, failing_words[i]);
        if (has_word(text, word))
            fail_at(scene, owner, type, (enum failing)i);
    }
}

static const char *host_name(const struct scene *scene, size_t i)
{
    return has_word(scene->field[SRV], "none") || has_word(scene->field[SRV], "no-direct") ? DOMAIN
           : i == 0 ? "mx1.host.net."
                    : "mx2.host2.net.";
}

static void add_tlsa(struct scene *scene, size_t i, struct world_zone *where, unsigned port)
{
    const char *list = scene->part[TLSA][i];
    char owner[128];
    snprintf(owner, sizeof owner, "_%u._tcp.%s", port, host_name(scene, i));
    if (strcmp(list, "none") == 0 || strcmp(list, "-") == 0)
        return;
    add_failing(scene, list, "", owner, DNS_TYPE_TLSA);
    if (strspn(list, "0123456789") == 0)
        list = "3 1 1 self";
    while (*list) {
        size_t length = strcspn(list, ",");
        uint8_t rdata[CAST_RDATA];
        size_t size = cast_tlsa_rdata(list, length, rdata);
        MUST(where->count < WORLD_RECORDS && size <= WORLD_RDATA);
        struct world_record *record = &where->records[where->count++];
        memset(record, 0, sizeof *record);
        name_copy(record->name, wire(owner));
        record->type = DNS_TYPE_TLSA;
        record->ttl = 240;
        record->length = (uint16_t)size;
        memcpy(record->rdata, rdata, size);
        list += length + (list[length] == ',');
    }
}

static void add_host(struct scene *scene, size_t i)
{
    const char *text = scene->part[ADDRESS][i], *host = host_name(scene, i);
    struct world_zone *at = strcmp(host, DOMAIN) == 0
                                ? zone(scene, DOMAIN, "")
                                : zone(scene, i == 0 ? "host.net." : "host2.net.", text);
    struct world_zone *end = at;
    const char *owner = host;
    if (has_word(text, "alias") || has_word(text, "insecure-alias")) {
        end = zone(scene, "cdn.net.", has_word(text, "insecure-alias") ? "insecure" : "");
        owner = "t1.cdn.net.";
        add(at, "%s CNAME %s", host, owner);
    }
    if (has_word(text, "v4"))
        add(end, "%s A 192.0.2.%zu", owner, i + 1);
    if (has_word(text, "v6"))
        add(end, "%s AAAA 2001:db8::%zu", owner, i + 1);
    if (has_word(text, "!v4"))
        fail_at(scene, owner, DNS_TYPE_A, FAIL_SERVER);
    if (has_word(text, "!v6"))
        fail_at(scene, owner, DNS_TYPE_AAAA, FAIL_SERVER);
    if (has_word(text, "nothing"))
        add(at, "%s TXT x", host);
    add_tlsa(scene, i, at, 5269);
    if (has_word(scene->field[SRV], "direct"))
        add_tlsa(scene, i, at, 5270);
}

static void add_srv(struct scene *scene)
{
    const char *srv = scene->field[SRV];
    struct world_zone *domain = zone(scene, DOMAIN, srv), *at = domain;
    const char *plain = "_xmpp-server._tcp." DOMAIN, *direct = "_xmpps-server._tcp." DOMAIN;
    add_failing(scene, srv, "", plain, DNS_TYPE_SRV);
    add_failing(scene, srv, "direct-", direct, DNS_TYPE_SRV);
    if (has_word(srv, "denied"))
        add(domain, "%s SRV 0 0 0 .", plain);
    if (has_word(srv, "direct-denied") || has_word(srv, "no-direct"))
        add(domain, "%s SRV 0 0 0 .", direct);
    if (has_word(srv, "none") || has_word(srv, "denied") || has_word(srv, "no-direct"))
        return;
    if (has_word(srv, "alias") || has_word(srv, "insecure-alias")) {
        at = zone(scene, "pool.net.", has_word(srv, "insecure-alias") ? "insecure" : "");
        add(domain, "%s CNAME s.pool.net.", plain);
        plain = "s.pool.net.";
    }
    for (size_t i = scene->hosts; i-- > 0;) {
        if (!has_word(srv, "direct-only"))
            add(at, "%s SRV %zu 0 %d %s", plain, 10 * (i + 1), has_word(srv, "port0") ? 0 : 5269,
                host_name(scene, i));
        if (has_word(srv, "direct") || has_word(srv, "direct-only"))
            add(domain, "%s SRV %zu 0 5270 %s", direct, 5 * (i + 1), host_name(scene, i));
    }
}

static void scene_begin(struct scene *scene)
{
    scene->world = world_new();
    scene->world->edit = forge;
    scene->world->context = scene;
    struct world_zone *root = zone(scene, ".", ""), *net = zone(scene, "net.", "");
    zone(scene, "org.", "");
    add_srv(scene);
    for (size_t i = 0; i < scene->hosts; i++)
        add_host(scene, i);
    MUST(validate_anchors_new(&scene->anchors) == BASE_OK);
    world_anchor(scene->anchors, has_word(scene->field[SRV], "unanchored") ? net : root, false);
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

static const struct validate_result *look_up(struct scene *scene, const struct dane_pair_ask *ask)
{
    static uint8_t packet[65535];
    struct validate_lookup *lookup;
    struct validate_query query;
    MUST(validate_lookup_new(&scene->options, scene->trust, ask->name, ask->type, NOW, &lookup) ==
         BASE_OK);
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

/* --- POSH --- */

static void digests(const struct scene *scene, bool wrong, char sha256[64], char sha512[128])
{
    uint8_t short_one[SHA256_DIGEST_LENGTH] = {0}, long_one[SHA512_DIGEST_LENGTH] = {0};
    if (scene->shown.peer.count > 0) {
        const struct dane_der *leaf = &scene->shown.der[0];
        SHA256(leaf->data, leaf->length, short_one);
        SHA512(leaf->data, leaf->length, long_one);
    }
    short_one[0] ^= wrong;
    long_one[0] ^= wrong;
    sha256[EVP_EncodeBlock((unsigned char *)sha256, short_one, sizeof short_one)] = '\0';
    sha512[EVP_EncodeBlock((unsigned char *)sha512, long_one, sizeof long_one)] = '\0';
}

/* The document that a word stands for; NULL: there is none. */
static const char *posh_document(const struct scene *scene, const char *word, char text[1024])
{
    char sha256[64], sha512[128], bad256[64], bad512[128];
    digests(scene, false, sha256, sha512);
    digests(scene, true, bad256, bad512);
    text[0] = '\0';
    if (strncmp(word, "old", 3) == 0)
        word += 3;
    if (strcmp(word, "no") == 0 || strcmp(word, "failed") == 0)
        return NULL;
    if (strcmp(word, "match") == 0 || strcmp(word, "short") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":%d}", sha256,
                 word[0] == 'm' ? 600 : 60);
    if (strcmp(word, "wrong") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":600}", bad256);
    if (strcmp(word, "match512") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-512\":\"%s\"}],\"expires\":600}", sha512);
    if (strcmp(word, "strong") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\",\"sha-512\":\"%s\"}],\"expires\":600}",
                 sha256, bad512);
    if (strcmp(word, "second") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\"},{\"sha-256\":\"%s\"}],\"expires\":600}",
                 bad256, sha256);
    if (strcmp(word, "zero") == 0 || strcmp(word, "negative") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":%d}", sha256,
                 word[0] == 'z' ? 0 : -1);
    if (strcmp(word, "endless") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}]}", sha256);
    if (strcmp(word, "both") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"url\":\"https://h.example/p\","
                 "\"expires\":600}",
                 sha256);
    if (strcmp(word, "empty") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[],\"expires\":600}");
    if (strcmp(word, "junk") == 0)
        snprintf(text, 1024, "<html>");
    if (strcmp(word, "url") == 0)
        snprintf(text, 1024, "{\"url\":\"https://host.net/posh.json\",\"expires\":300}");
    if (strcmp(word, "http") == 0)
        snprintf(text, 1024, "{\"url\":\"http://host.net/posh.json\",\"expires\":300}");
    MUST(text[0] != '\0' || !"a word for a POSH document");
    return text;
}

/* "url>match": the document at the second URL comes after ">". */
static void answer_posh(struct scene *scene, struct dane_pair *pair,
                        const struct dane_pair_ask *ask)
{
    const char *at = scene->field[POSH];
    char word[FIELD], text[1024];
    bool referred = false, old = false, fresh = false;
    for (unsigned i = 0; i < scene->documents; i++) {
        old |= strncmp(at, "old", 3) == 0;
        size_t length = strcspn(at, ">");
        referred = length >= 3 && strncmp(at + length - 3, "url", 3) == 0;
        fresh |= old && !referred;
        at += length;
        at += *at == '>';
    }
    MUST(strcmp(ask->url, referred ? "https://host.net/posh.json"
                                   : "https://example.org/.well-known/posh/xmpp-server.json") == 0);
    MUST(ask->fresh == fresh);
    scene->documents++;
    copy_trimmed(word, at, strcspn(at, ">"));
    if (strcmp(word, "-") == 0) {
        snprintf(scene->problem, sizeof scene->problem, "  asks for POSH\n");
        snprintf(word, sizeof word, "no");
    }
    const char *text_or_none = posh_document(scene, word, text);
    struct dane_pair_document document = {
        .text = text_or_none,
        .length = text_or_none ? strlen(text_or_none) : 0,
        .why = "there is no POSH document",
        .failed = strcmp(word, "failed") == 0,
        .fetched = CERTIFICATE_NOW,
        .kept = strncmp(word, "old", 3) == 0,
    };
    MUST(dane_pair_answer_posh(pair, ask->id, &document) == BASE_OK);
}

/* --- what the row says, and what came --- */

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

static void check(struct scene *scene, const struct dane_pair_verdict *verdict)
{
    static const char *const states[] = {"yes", "no", "later"};
    char expiry[32] = "-";
    if (verdict->expiry != 0)
        snprintf(expiry, sizeof expiry, "%lld", (long long)(verdict->expiry - NOW));
    if (strcmp(states[verdict->state], scene->field[STATE]) != 0)
        complain(scene, "  the state is %s\n", states[verdict->state]);
    if (strcmp(dane_proof_name(verdict->proof), scene->field[PROOF]) != 0)
        complain(scene, "  the proof is %s\n", dane_proof_name(verdict->proof));
    if (verdict->dialback != (strcmp(scene->field[DIALBACK], "may") == 0))
        complain(scene, "  dialback: %s\n", verdict->dialback ? "may" : "-");
    if (strcmp(expiry, scene->field[EXPIRY]) != 0)
        complain(scene, "  the expiry is %s\n", expiry);
    if (strcmp(scene->field[REASON], "-") != 0 && !strstr(verdict->reason, scene->field[REASON]))
        complain(scene, "  another reason\n");
    if (strcmp(scene->field[POSH], "-") != 0 && scene->documents == 0)
        complain(scene, "  asks for no POSH\n");
    if (scene->problem[0] != '\0')
        complain(scene, "  it says: %s\n", verdict->reason);
}

static struct dane_authorities *authorities; /* the system's: `root` */

/* "out", "in", "reuse"; of an outgoing one the host and port when they are others: "out
 * mx2.host2.net:5270", or the address: "out 192.0.2.1:5269". */
static int ask(struct scene *scene, struct dane_pair **out)
{
    const char *stream = scene->field[STREAM], *policy = scene->field[POLICY];
    char first[64], host[64] = "mx1.host.net";
    unsigned port = 5269;
    snprintf(first, sizeof first, "%s", host_name(scene, 0));
    first[strlen(first) - 1] = '\0';
    snprintf(host, sizeof host, "%s", first);
    const char *space = strchr(stream, ' ');
    if (space)
        MUST(sscanf(space, " %63[^:]:%u", host, &port) == 2);
    struct dane_pair_question question = {
        .direction = stream[0] == 'i' ? DANE_INCOMING : DANE_OUTGOING,
        .local = "home.example",
        .remote = "Example.ORG.",
        .peer = &scene->shown.peer,
        .host = host,
        .port = (uint16_t)port,
        .no_posh = has_word(policy, "noposh"),
        .no_pkix = has_word(policy, "nopkix"),
        .now = NOW,
        .authorities = authorities,
    };
    if (inet_pton(AF_INET, host, question.address.octets) == 1) {
        question.address.family = 4;
        question.host = NULL;
    }
    return has_word(stream, "reuse") ? dane_pair_reuse_new(&question, out)
                                     : dane_pair_new(&question, out);
}

static void run_row(struct scene *scene)
{
    struct dane_pair *pair;
    struct dane_pair_ask asked;
    scene_begin(scene);
    cast_show(scene->field[SHOWS], &scene->shown);
    MUST(ask(scene, &pair) == BASE_OK);
    while (dane_pair_next(pair, &asked)) {
        if (asked.kind == DANE_PAIR_POSH) {
            answer_posh(scene, pair, &asked);
            continue;
        }
        const struct validate_result *result = look_up(scene, &asked);
        dane_pair_answer(pair, asked.id, result);
        validate_result_unref(result);
    }
    const struct dane_pair_verdict *verdict = dane_pair_result(pair);
    if (verdict)
        check(scene, verdict);
    else
        complain(scene, "  there is no verdict\n");
    dane_pair_free(pair);
    scene_end(scene);
}

static void test_matrix(void **state)
{
    FILE *file = fopen(TEST_DATA "/matrix/xmpp.table", "r");
    char line[4096];
    unsigned number = 0, rows = 0, bad = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct scene *scene = calloc(1, sizeof *scene);
        number++;
        if (read_row(scene, line)) {
            rows++;
            run_row(scene);
            if (scene->problem[0] != '\0') {
                bad++;
                print_error("xmpp.table:%u: %s | %s | %s | %s | %s | %s | %s\n%s", number,
                            scene->field[STREAM], scene->field[SRV], scene->field[ADDRESS],
                            scene->field[TLSA], scene->field[SHOWS], scene->field[POSH],
                            scene->field[POLICY], scene->problem);
            }
        }
        free(scene);
    }
    fclose(file);
    print_message("%u rows\n", rows);
    assert_true(rows >= 150);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix)};
    cast_begin();
    MUST(dane_authorities_new(cast_ca_file, &authorities) == BASE_OK);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dane_authorities_free(authorities);
    cast_end();
    return failed;
}
