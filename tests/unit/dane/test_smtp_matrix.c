/*
 * The SMTP matrix: tests/matrix/smtp.table against plans and verdicts. Each row makes a world of
 * signed zones in memory, which the validator judges packet by packet, a mail domain in it, and
 * servers that show certificates. What is demanded of each host, what comes of it and where the
 * mail goes must be what the row says. Where a row ends with DANE, OpenSSL's own is asked the same.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "dane/plan.h"

#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COLUMNS 10

enum column { MX, ADDRESS, ALIAS, TLSA, POLICY, SHOWS, THEN, DEMAND, VERDICT, REASON };

/* --- the world --- */

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

/* What stands at one TLSA base. */
static void add_tlsa_at(struct scene *scene, struct world_zone *where, const char *base,
                        const char *text)
{
    char owner[96];
    snprintf(owner, sizeof owner, "_25._tcp.%s", base);
    if (strcmp(text, "none") == 0)
        return;
    if (strcmp(text, "nodata") == 0) {
        add(where, "%s TXT x", owner);
    } else if (add_failing(scene, text, "", owner, DNS_TYPE_TLSA)) {
        if (!has_word(text, "servfail"))
            add_records(where, owner, "3 1 1 self", 3600);
    } else if (strncmp(text, "via ", 4) == 0) {
        size_t word = strcspn(text + 4, " ");
        char state[FIELD], target[96];
        copy_trimmed(state, text + 4, word);
        struct world_zone *there = zone(scene, "tlsa.net.", state);
        snprintf(target, sizeof target, "_25.%s.tlsa.net.", where->apex[0] == 3 ? "cdn" : "host");
        add(where, "%s CNAME %s", owner, target);
        add_records(there, target, text + 4 + word, 3600);
    } else {
        add_records(where, owner, text, 3600);
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
    add_failing(scene, mx, "", alias ? "www.example.org." : owner, DNS_TYPE_MX);
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

static void build(struct scene *scene)
{
    struct world_zone *root = zone(scene, ".", ""), *org = zone(scene, "org.", ""),
                      *net = zone(scene, "net.", "");
    for (const char *at = scene->field[ADDRESS]; *at; at++)
        scene->hosts += *at == '&';
    scene->hosts++;
    MUST(scene->hosts <= HOSTS_MAX);
    add_mx(scene);
    add_hosts(scene);
    add_sts(scene);
    bool no_mx = has_word(scene->field[MX], "unanchored");
    bool no_host = has_word(scene->field[ADDRESS], "unanchored");
    if (!no_mx && !no_host)
        world_anchor(scene->anchors, root, false);
    else if (!no_mx)
        world_anchor(scene->anchors, org, false);
    else if (!no_host)
        world_anchor(scene->anchors, net, false);
}

/* --- the plan --- */

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
        const struct validate_result *result = look_up(scene, ask.name, ask.type);
        dane_plan_answer(plan, ask.id, result);
        validate_result_unref(result);
    }
}

/* --- what the row says, and what came --- */

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
    build(scene);
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
    unsigned bad, rows = run_table("smtp.table", COLUMNS, run_row, &bad);
    print_message("%u rows; OpenSSL was asked %u times\n", rows, asked_openssl);
    assert_true(rows >= 200);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix)};
    cast_begin();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cast_end();
    return failed;
}
