/*
 * The SMTP matrix: tests/matrix/smtp.table against plans and verdicts. Each row makes a world of
 * signed zones in memory, which the validator judges packet by packet, a mail domain in it, and
 * servers that show certificates. What is demanded of each host, what comes of it and where the
 * mail goes must be what the row says. Where a row ends with DANE, OpenSSL's own is asked the same.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "validate/world.h"

#include "cast.h"
#include "dane/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

_Static_assert(NOW == CERTIFICATE_NOW, "zones and certificates live at the same time");

#define HOSTS   3
#define COLUMNS 10
#define FAILS   16
#define FIELD   256

enum column { MX, ADDRESS, ALIAS, TLSA, POLICY, SHOWS, THEN, DEMAND, VERDICT, REASON };

enum failing { FAIL_SERVER, FAIL_SILENT, FAIL_FORGED, FAIL_GARBLED };

struct fail {
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    enum failing how;
};

/* A row, and the world that it speaks of. */
struct scene {
    char field[COLUMNS][FIELD];
    char part[COLUMNS][HOSTS][FIELD]; /* fields of each host, cut at "&" */
    size_t hosts;
    struct world *world;
    struct validate_anchors *anchors;
    struct validate_options options;
    struct validate_trust *trust;
    struct fail fails[FAILS];
    size_t fail_count;
    const char *domain;
    struct dane_plan_options plan;
    bool sts;
    char heard[HOSTS][1024]; /* the reasons of each host */
    char problem[4096];
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
    scene->hosts = 1;
    for (const char *at = scene->field[ADDRESS]; *at; at++)
        scene->hosts += *at == '&';
    MUST(scene->hosts <= HOSTS);
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *at = scene->field[i];
        for (size_t k = 0; k < scene->hosts; k++) {
            size_t length = strcspn(at, "&");
            copy_trimmed(scene->part[i][k], at, length);
            if (at[length] == '&')
                at += length + 1; /* what is said once holds for all */
        }
    }
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
    made->is_unsigned = has_word(state, "unsigned") || has_word(state, "insecure");
    made->corrupt = has_word(state, "bogus");
    if (has_word(state, "expired"))
        made->expiration = NOW - 100;
    return made;
}

static void add(struct world_zone *zone, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct world_zone *zone, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    world_add(zone, text);
}

static void add_rdata(struct world_zone *zone, const char *owner, uint16_t type,
                      const uint8_t *rdata, size_t length)
{
    MUST(zone->count < WORLD_RECORDS && length <= WORLD_RDATA);
    struct world_record *record = &zone->records[zone->count++];
    memset(record, 0, sizeof *record);
    name_copy(record->name, wire(owner));
    record->type = type;
    record->ttl = 3600;
    record->length = (uint16_t)length;
    memcpy(record->rdata, rdata, length);
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
            record->rdata[record->type == DNS_TYPE_MX ? 0 : record->length - 1] ^= 1;
    }
}

static bool failing_word(const char *word, enum failing *how)
{
    static const char *const words[] = {"servfail", "timeout", "forged", "garbled"};
    for (unsigned i = 0; i < 4; i++) {
        *how = (enum failing)i;
        if (has_word(word, words[i]))
            return true;
    }
    return false;
}

/* Owner of the host's records, its name as the MX has it; absolute. */
static void host_name(const struct scene *scene, size_t i, char out[64])
{
    if (has_word(scene->field[MX], "none") || has_word(scene->field[MX], "direct"))
        snprintf(out, 64, "%s.", scene->domain);
    else if (has_word(scene->part[ALIAS][i], "dname"))
        snprintf(out, 64, "t%zu.d.host.net.", i + 1);
    else if (i == 0)
        snprintf(out, 64, "mx1.host.net.");
    else
        snprintf(out, 64, "mx%zu.host%zu.net.", i + 1, i + 1);
}

static struct world_zone *host_zone(struct scene *scene, size_t i)
{
    static const char *const apexes[] = {"host.net.", "host2.net.", "host3.net."};
    if (has_word(scene->field[MX], "none") || has_word(scene->field[MX], "direct"))
        return zone(scene, "example.org.", "");
    return zone(scene, apexes[i], scene->part[ADDRESS][i]);
}

/* "v4" is there, "!v4" SERVFAIL, "~v4" silence. */
static void add_addresses(struct scene *scene, struct world_zone *where, const char *owner,
                          const char *text)
{
    static const struct {
        const char *good, *broken, *silent, *rdata;
        uint16_t type;
    } families[] = {{"v4", "!v4", "~v4", "A 192.0.2.1", DNS_TYPE_A},
                    {"v6", "!v6", "~v6", "AAAA 2001:db8::1", DNS_TYPE_AAAA}};
    for (size_t i = 0; i < 2; i++) {
        if (has_word(text, families[i].good))
            add(where, "%s %s", owner, families[i].rdata);
        if (has_word(text, families[i].broken))
            fail_at(scene, owner, families[i].type, FAIL_SERVER);
        if (has_word(text, families[i].silent))
            fail_at(scene, owner, families[i].type, FAIL_SILENT);
    }
    if (has_word(text, "nothing"))
        add(where, "%s TXT x", owner);
}

/* The last name, which has the addresses, and its zone. */
static struct world_zone *add_alias(struct scene *scene, size_t i, const char *host, char end[64])
{
    const char *text = scene->part[ALIAS][i];
    struct world_zone *at = host_zone(scene, i);
    snprintf(end, 64, "%s", host);
    if (strcmp(text, "-") == 0)
        return at;
    const char *then = strstr(text, ">>");
    char first[FIELD];
    copy_trimmed(first, text, then ? (size_t)(then - text) : strlen(text));
    if (has_word(first, "loop")) {
        add(at, "%s CNAME %s", host, host);
        return at;
    }
    struct world_zone *cdn = zone(scene, "cdn.net.", first);
    snprintf(end, 64, "t%zu.cdn.net.", i + 1);
    if (has_word(first, "dname"))
        add(at, "d.host.net. DNAME cdn.net.");
    else
        add(at, "%s CNAME %s", host, end);
    if (!then)
        return cdn;
    struct world_zone *far = zone(scene, "far.net.", then + 2);
    char next[64];
    snprintf(next, sizeof next, "u%zu.far.net.", i + 1);
    add(cdn, "%s CNAME %s", end, next);
    memcpy(end, next, sizeof next);
    return far;
}

static void add_records(struct world_zone *where, const char *owner, const char *list)
{
    uint8_t rdata[CAST_RDATA];
    while (*list) {
        size_t length = strcspn(list, ",");
        size_t size = cast_tlsa_rdata(list, length, rdata);
        add_rdata(where, owner, DNS_TYPE_TLSA, rdata, size);
        list += length + (list[length] == ',');
    }
}

/* What stands at one TLSA base. */
static void add_tlsa_at(struct scene *scene, struct world_zone *where, const char *base,
                        const char *text)
{
    char owner[96];
    enum failing how;
    snprintf(owner, sizeof owner, "_25._tcp.%s", base);
    if (strcmp(text, "none") == 0)
        return;
    if (strcmp(text, "nodata") == 0) {
        add(where, "%s TXT x", owner);
    } else if (failing_word(text, &how)) {
        fail_at(scene, owner, DNS_TYPE_TLSA, how);
        if (how != FAIL_SERVER)
            add_records(where, owner, "3 1 1 self");
    } else if (strncmp(text, "via ", 4) == 0) {
        size_t word = strcspn(text + 4, " ");
        char state[FIELD], target[96];
        copy_trimmed(state, text + 4, word);
        struct world_zone *there = zone(scene, "tlsa.net.", state);
        snprintf(target, sizeof target, "_25.%s.tlsa.net.", where->apex[0] == 3 ? "cdn" : "host");
        add(where, "%s CNAME %s", owner, target);
        add_records(there, target, text + 4 + word);
    } else {
        add_records(where, owner, text);
    }
}

/* "3 1 1 self" at the host; "host: ...; target: ..." with aliases. */
static void add_tlsa(struct scene *scene, size_t i, const char *host, struct world_zone *host_at,
                     const char *end, struct world_zone *end_at)
{
    const char *text = scene->part[TLSA][i];
    while (*text) {
        size_t length = strcspn(text, ";");
        char part[FIELD], rest[FIELD];
        copy_trimmed(part, text, length);
        bool target = strncmp(part, "target:", 7) == 0;
        const char *colon = strchr(part, ':');
        copy_trimmed(rest, colon ? colon + 1 : part, strlen(colon ? colon + 1 : part));
        add_tlsa_at(scene, target ? end_at : host_at, target ? end : host, rest);
        text += length + (text[length] == ';');
    }
}

static void add_hosts(struct scene *scene)
{
    for (size_t i = 0; i < scene->hosts; i++) {
        char host[64], end[64];
        if (strcmp(scene->part[ADDRESS][i], "-") == 0)
            continue;
        host_name(scene, i, host);
        struct world_zone *at = host_zone(scene, i);
        struct world_zone *end_at = add_alias(scene, i, host, end);
        if (!has_word(scene->part[ALIAS][i], "loop") && !has_word(scene->part[ALIAS][i], "gone"))
            add_addresses(scene, end_at, end, scene->part[ADDRESS][i]);
        add_tlsa(scene, i, host, at, end, end_at);
    }
}

static void add_mx(struct scene *scene)
{
    const char *mx = scene->field[MX];
    bool alias = has_word(mx, "alias");
    const char *state = has_word(mx, "unanchored") ? "" : mx;
    struct world_zone *domain = zone(scene, "example.org.", alias ? "" : state);
    const char *owner = "example.org.";
    scene->domain = has_word(mx, "literal")     ? "[192.0.2.1]"
                    : has_word(mx, "v6literal") ? "[IPv6:2001:db8::1]"
                    : alias                     ? "www.example.org"
                                                : "example.org";
    if (has_word(mx, "direct"))
        scene->plan.port = 25;
    if (alias) {
        add(domain, "www.example.org. CNAME alias.home.net.");
        domain = zone(scene, "home.net.", state);
        owner = "alias.home.net.";
    }
    enum failing how;
    if (failing_word(mx, &how))
        fail_at(scene, alias ? "www.example.org." : owner, DNS_TYPE_MX, how);
    if (has_word(mx, "null"))
        add(domain, "%s MX 0 .", owner);
    if (has_word(mx, "address"))
        add(domain, "%s MX 10 192.0.2.1.", owner);
    if (has_word(mx, "nxdomain"))
        scene->domain = "gone.example.org";
    if (has_word(mx, "none") || has_word(mx, "direct") || has_word(mx, "address") ||
        has_word(mx, "null") || has_word(mx, "nxdomain"))
        return;
    /* Listed from the last to the first, so that it is the preference which orders them. */
    for (size_t i = scene->hosts; i-- > 0;) {
        char host[64];
        host_name(scene, i, host);
        add(domain, "%s MX %zu %s", owner, has_word(mx, "equal") ? 10 : 10 * (i + 1), host);
    }
    if (has_word(mx, "null-beside"))
        add(domain, "%s MX 0 .", owner);
}

static void add_sts(struct scene *scene)
{
    const char *policy = scene->field[POLICY];
    struct world_zone *domain = zone(scene, "example.org.", "");
    scene->plan.mandatory = has_word(policy, "must");
    scene->plan.no_sts = has_word(policy, "nosts");
    scene->sts = has_word(policy, "sts");
    if (!scene->sts || has_word(policy, "notxt"))
        return;
    if (has_word(policy, "txtservfail"))
        fail_at(scene, "_mta-sts.example.org.", DNS_TYPE_TXT, FAIL_SERVER);
    add(domain, "_mta-sts.example.org. TXT %s",
        has_word(policy, "txtbad") ? "v=STSv1;id=?" : "v=STSv1;id=1");
    if (has_word(policy, "txttwo"))
        add(domain, "_mta-sts.example.org. TXT v=STSv1;id=2");
}

static void scene_begin(struct scene *scene)
{
    scene->world = world_new();
    scene->world->edit = forge;
    scene->world->context = scene;
    struct world_zone *root = zone(scene, ".", ""), *org = zone(scene, "org.", ""),
                      *net = zone(scene, "net.", "");
    add_mx(scene);
    add_hosts(scene);
    add_sts(scene);
    MUST(validate_anchors_new(&scene->anchors) == BASE_OK);
    bool no_mx = has_word(scene->field[MX], "unanchored");
    bool no_host = has_word(scene->field[ADDRESS], "unanchored");
    if (!no_mx && !no_host)
        world_anchor(scene->anchors, root, false);
    else if (!no_mx)
        world_anchor(scene->anchors, org, false);
    else if (!no_host)
        world_anchor(scene->anchors, net, false);
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

/* --- the plan --- */

static const struct validate_result *look_up(struct scene *scene, const struct dane_ask *ask)
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

static void answer_sts(const struct scene *scene, struct dane_plan *plan,
                       const struct dane_ask *ask)
{
    const char *policy = scene->field[POLICY];
    char text[256];
    int length = snprintf(text, sizeof text, "version: STSv1\r\nmode: %s\r\nmx: %s\r\n%s",
                          has_word(policy, "testing") ? "testing"
                          : has_word(policy, "off")   ? "none"
                                                      : "enforce",
                          has_word(policy, "other")  ? "mx.other.example"
                          : has_word(policy, "wild") ? "*.host.net"
                                                     : "mx1.host.net",
                          has_word(policy, "garbled") ? "max_age: never\r\n" : "max_age: 600\r\n");
    bool none = !ask->sts_id && !has_word(policy, "cached");
    const char *why = none ? "" : "cannot be fetched";
    bool given = !none && !has_word(policy, "nofetch");
    MUST(dane_plan_answer_sts(plan, ask->id, given ? text : NULL, given ? (size_t)length : 0,
                              given ? NULL : why) == BASE_OK);
}

static void run_plan(struct scene *scene, struct dane_plan *plan)
{
    struct dane_ask ask;
    while (dane_plan_next(plan, &ask)) {
        if (ask.kind == DANE_ASK_STS) {
            answer_sts(scene, plan, &ask);
            continue;
        }
        const struct validate_result *result = look_up(scene, &ask);
        dane_plan_answer(plan, ask.id, result);
        validate_result_unref(result);
    }
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

static struct dane_authorities *authorities; /* the system's: `root` */
static unsigned asked_openssl;

static void ask_openssl(struct scene *scene, size_t i, const struct dane_endpoint *endpoint,
                        const struct cast_shown *shown, const struct dane_verdict *verdict)
{
    long why = 0;
    if (endpoint->demand != DANE_DEMAND_DANE || !shown->peer.tls)
        return;
    enum cast_opinion opinion = cast_ask_openssl(endpoint, shown, DANE_USAGES_OPPORTUNISTIC, &why);
    asked_openssl += opinion != CAST_CANNOT_SAY;
    if (opinion != CAST_CANNOT_SAY &&
        (opinion == CAST_YES) != (verdict->result == DANE_AUTHENTICATED))
        complain(scene, "  host %zu: OpenSSL disagrees: %s\n", i + 1,
                 X509_verify_cert_error_string(why));
}

static bool says(const struct scene *scene, const char *text)
{
    return strcmp(scene->field[REASON], "-") == 0 || strstr(text, scene->field[REASON]) != NULL;
}

/* True: mail goes to this host. */
static bool check_host(struct scene *scene, size_t i, const struct dane_endpoint *endpoint,
                       bool *said)
{
    struct cast_shown shown;
    struct dane_verdict verdict;
    struct dane_verify_options options = {.now = NOW, .authorities = authorities};
    if (strcmp(scene->part[SHOWS][i], "-") == 0) {
        complain(scene, "  host %zu is in the plan: %s, %s\n", i + 1,
                 dane_demand_name(endpoint->demand), endpoint->reason);
        return false;
    }
    cast_show(scene->part[SHOWS][i], &shown);
    dane_verify(endpoint, &shown.peer, &options, &verdict);
    if (strcmp(dane_demand_name(endpoint->demand), scene->part[DEMAND][i]) != 0)
        complain(scene, "  host %zu: demand is %s: %s\n", i + 1, dane_demand_name(endpoint->demand),
                 endpoint->reason);
    if (strcmp(dane_result_name(verdict.result), scene->part[VERDICT][i]) != 0)
        complain(scene, "  host %zu: verdict is %s: %s\n", i + 1, dane_result_name(verdict.result),
                 verdict.reason);
    *said = *said || says(scene, endpoint->reason) || says(scene, verdict.reason);
    snprintf(scene->heard[i], sizeof scene->heard[i], "%s / %s", endpoint->reason, verdict.reason);
    if (endpoint->demand != DANE_DEMAND_SKIP && endpoint->address_count == 0)
        complain(scene, "  host %zu: is to be used and has no address\n", i + 1);
    if (endpoint->demand != DANE_DEMAND_SKIP && endpoint->expiry == 0 &&
        !strstr(scene->field[MX], "literal"))
        complain(scene, "  host %zu: has no expiry\n", i + 1);
    ask_openssl(scene, i, endpoint, &shown, &verdict);
    return verdict.result != DANE_REFUSED && verdict.result != DANE_FAILED;
}

static void check(struct scene *scene, const struct dane_plan_result *result)
{
    char then[32] = "defer";
    bool said =
        says(scene, result->reason) || (result->sts_problem && says(scene, result->sts_problem));
    if (result->outcome == DANE_OUTCOME_NONE || result->outcome == DANE_OUTCOME_UNKNOWN)
        snprintf(then, sizeof then, "bounce");
    if (result->count > 0 && result->count != scene->hosts)
        complain(scene, "  %zu hosts\n", result->count);
    if (result->count == 0 && strcmp(scene->field[DEMAND], "-") != 0)
        complain(scene, "  no hosts: %s\n", result->reason);
    if (result->outcome == DANE_OUTCOME_GO && result->count == 0)
        complain(scene, "  go, and nowhere to go to\n");
    for (size_t i = 0; i < result->count && i < scene->hosts; i++) {
        if (check_host(scene, i, &result->endpoints[i], &said) && strcmp(then, "defer") == 0)
            snprintf(then, sizeof then, "mx%zu", i + 1);
    }
    if (!said)
        complain(scene,
                 "  the reason is not given; the plan says: %s (STS: %s), the hosts %s; %s\n",
                 result->reason, result->sts_problem ? result->sts_problem : "-", scene->heard[0],
                 scene->heard[1]);
    if (strcmp(then, scene->field[THEN]) != 0)
        complain(scene, "  the mail: %s (%s)\n", then, result->reason);
}

static void run_row(struct scene *scene)
{
    struct dane_plan *plan;
    scene_begin(scene);
    MUST(dane_plan_new(DANE_SMTP, scene->domain, &scene->plan, NOW, &plan) == BASE_OK);
    run_plan(scene, plan);
    const struct dane_plan_result *result = dane_plan_result(plan);
    if (result)
        check(scene, result);
    else
        complain(scene, "  the plan does not end\n");
    dane_plan_free(plan);
    scene_end(scene);
}

static void test_matrix(void **state)
{
    FILE *file = fopen(TEST_DATA "/matrix/smtp.table", "r");
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
                print_error("smtp.table:%u: %s | %s | %s | %s | %s | %s\n%s", number,
                            scene->field[MX], scene->field[ADDRESS], scene->field[ALIAS],
                            scene->field[TLSA], scene->field[POLICY], scene->field[SHOWS],
                            scene->problem);
            }
        }
        free(scene);
    }
    fclose(file);
    print_message("%u rows; OpenSSL was asked %u times\n", rows, asked_openssl);
    assert_true(rows >= 200);
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
