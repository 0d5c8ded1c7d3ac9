/* Requests to operations: paths, parameters, bodies, and everything that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/request.h"
#include "base/error.h"
#include "dns/rdata.h"

#include <string.h>

struct result {
    struct base_arena arena;
    struct base_findings findings;
    struct api_request request;
    const char *allow;
    unsigned status;
};

static struct result at_door(enum api_door door, const char *method, const char *target,
                             const char *body)
{
    struct result result = {.status = 0};
    base_arena_init(&result.arena, 0);
    base_findings_init(&result.findings, 10);
    struct api_input input = {.door = door,
                              .method = method,
                              .target = target,
                              .body = body,
                              .length = body != NULL ? strlen(body) : 0};
    result.status =
        api_request_read(&input, &result.arena, &result.findings, &result.request, &result.allow);
    assert_int_equal(result.status == 200, result.findings.count == 0);
    return result;
}

static void done(struct result *result)
{
    base_findings_free(&result->findings);
    base_arena_free(&result->arena);
}

static struct result ask(const char *method, const char *target, const char *body)
{
    return at_door(API_DOOR_SOCKET, method, target, body);
}

static void expect(unsigned status, const char *method, const char *target, const char *body)
{
    struct result result = ask(method, target, body);
    if (result.status != status)
        fail_msg("%s %s %s: %u", method, target, body != NULL ? body : "", result.status);
    done(&result);
}

static void assert_name(const uint8_t *name, const char *text)
{
    char out[DNS_NAME_TEXT];
    assert_string_equal(dns_name_text(out, name), text);
}

static void test_paths(void **state)
{
    static const struct {
        const char *method, *target;
        enum api_operation operation;
    } good[] = {
        {"GET", "/v1/status", API_STATUS},
        {"HEAD", "/v1/status", API_STATUS},
        {"GET", "/v1/zones", API_ZONES},
        {"GET", "/v1/zones?", API_ZONES},
        {"GET", "/", API_STATUS},
        {"GET", "/?state=ok&after=&limit=", API_STATUS},
        {"HEAD", "/zone?zone=a&count=3", API_ZONE},
        {"GET", "/v1/zones/a", API_ZONE},
        {"DELETE", "/v1/zones/a", API_ZONE_DELETE},
        {"GET", "/v1/zones/a/why", API_WHY},
        {"GET", "/v1/zones/a/log", API_LOG},
        {"GET", "/v1/zones/a/file", API_FILE},
        {"POST", "/v1/reload", API_RELOAD},
        {"POST", "/v1/zones/a/reload", API_RELOAD},
        {"GET", "/v1/tlsa", API_TLSA_LIST},
        {"GET", "/v1/tlsa/mx.a:25", API_TLSA},
        {"GET", "/v1/tlsa/mx.a:25/udp", API_TLSA},
        {"POST", "/v1/tlsa/mx.a:25/look", API_TLSA_LOOK},
        {"POST", "/v1/tlsa/mx.a:25/udp/look", API_TLSA_LOOK},
        {"GET", "/metrics", API_METRICS},
        {"GET", "/healthz", API_HEALTH},
        {"GET", "/v1/zones/why/why", API_WHY},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct result result = ask(good[i].method, good[i].target, NULL);
        assert_int_equal(result.status, 200);
        assert_int_equal(result.request.operation, good[i].operation);
        done(&result);
    }
    static const char *const absent[] = {"",
                                         "//",
                                         "v1/status",
                                         "/v1",
                                         "/v1/status/",
                                         "//v1/status",
                                         "/v1/zones/",
                                         "/v1/zones//why",
                                         "/v1/zones/a/b",
                                         "/v1/zones/a/why/b",
                                         "/v1/tlsa/a:25/tcp",
                                         "/v1/tlsa/a:25/udp/look/b",
                                         "/v1/zones/a%2fwhy/x"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        expect(404, "GET", absent[i], NULL);
    static const char *const wrong[] = {
        "/v1/tlsa/mx.a",       "/v1/tlsa/mx.a:",       "/v1/tlsa/:25",     "/v1/tlsa/mx.a:0",
        "/v1/tlsa/mx.a:65536", "/v1/tlsa/a..b:25/udp", "/v1/tlsa/mx.a:25x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect(400, "GET", wrong[i], NULL);
    struct result udp = ask("GET", "/v1/tlsa/Mx.a.:443/udp", NULL);
    assert_name(udp.request.service.host, "mx.a.");
    assert_int_equal(udp.request.service.port, 443);
    assert_true(udp.request.service.udp);
    done(&udp);
    struct result result = ask("PUT", "/v1/zones", NULL);
    assert_int_equal(result.status, 405);
    assert_string_equal(result.allow, "GET, HEAD, POST");
    done(&result);
    result = ask("GET", "/v1/reload", NULL);
    assert_string_equal(result.allow, "POST");
    done(&result);
}

static void test_metrics_door(void **state)
{
    struct result result = at_door(API_DOOR_METRICS, "GET", "/metrics", NULL);
    assert_int_equal(result.status, 200);
    done(&result);
    result = at_door(API_DOOR_METRICS, "GET", "/", NULL);
    assert_int_equal(result.status, 200);
    assert_int_equal(result.request.page, API_PAGE_OVERVIEW);
    done(&result);
    result = at_door(API_DOOR_METRICS, "GET", "/v1/status", NULL);
    assert_int_equal(result.status, 404);
    done(&result);
    result = at_door(API_DOOR_METRICS, "POST", "/v1/reload", NULL);
    assert_int_equal(result.status, 404);
    done(&result);
}

static void test_names(void **state)
{
    struct result result = ask("GET", "/v1/zones/0%2F25.2.0.192.IN-addr.arpa", NULL);
    assert_true(result.request.has_zone);
    assert_name(result.request.zone, "0/25.2.0.192.in-addr.arpa.");
    done(&result);
    result = ask("GET", "/v1/zones/.", NULL);
    assert_int_equal(result.status, 200);
    assert_name(result.request.zone, ".");
    done(&result);
    result = ask("GET", "/v1/zones/a.test/records?name=w%77w&type=mx&signed=true", NULL);
    assert_name(result.request.name, "www.a.test.");
    assert_int_equal(result.request.type, DNS_TYPE_MX);
    assert_true(result.request.with_signing);
    done(&result);
    expect(400, "GET", "/v1/zones/a..b", NULL);
    expect(400, "GET", "/v1/zones/%00", NULL);
    expect(400, "GET", "/v1/zones/%4", NULL);
    expect(400, "GET", "/v1/zones/a.test/records?name=www.b.test.", NULL);
    expect(400, "GET", "/v1/zones/a.test/records?name=@&type=AXFR", NULL);
    expect(400, "GET", "/v1/zones/a.test/records", NULL);
}

static void test_parameters(void **state)
{
    struct result result = ask("GET", "/v1/zones?limit=7&after=B.test&state=expired", NULL);
    assert_int_equal(result.request.count, 7);
    assert_true(result.request.has_after);
    assert_name(result.request.after, "b.test.");
    assert_int_equal(result.request.state, API_STATE_EXPIRED);
    done(&result);
    result = ask("GET", "/v1/zones", NULL);
    assert_int_equal(result.request.count, 100);
    assert_int_equal(result.request.state, API_STATE_ANY);
    done(&result);
    assert_false(result.request.has_since);
    result = ask("GET", "/v1/zones?since=000000000000000f00000000000000ff&after=b.test", NULL);
    assert_true(result.request.has_since && result.request.has_after);
    assert_int_equal(result.request.since_run, 15);
    assert_int_equal(result.request.since, 255);
    done(&result);
    expect(400, "GET", "/v1/zones?since=", NULL);
    expect(400, "GET", "/v1/zones?since=12", NULL);
    expect(400, "GET", "/v1/zones?since=000000000000000f00000000000000fG", NULL);
    expect(400, "GET", "/v1/zones?since=000000000000000f00000000000000ff0", NULL);
    expect(400, "GET", "/v1/zones?limit=0", NULL);
    expect(400, "GET", "/v1/zones?limit=1001", NULL);
    expect(400, "GET", "/v1/zones?limit=1&limit=1", NULL);
    expect(400, "GET", "/v1/zones?state=any", NULL);
    expect(400, "GET", "/v1/status?limit=1", NULL);
    expect(400, "GET", "/v1/zones/a/file?signed=1", NULL);
    result = ask("GET", "/v1/zones?stat=ok", NULL);
    assert_non_null(strstr(result.findings.items[0].message, "did you mean \"state\""));
    done(&result);
}

#define CHANGES "/v1/zones/a.test/changes"

static void test_changes(void **state)
{
    struct result result = ask(
        "POST", CHANGES,
        "{\"serial\":5,\"changes\":[{\"action\":\"set\",\"name\":\"@\",\"type\":\"MX\",\"ttl\":60,"
        "\"data\":\"10 ( mail\\n ) ; hello\"},{\"action\":\"delete\",\"name\":\"W\"}]}");
    const struct api_change *change = &result.request.change;
    assert_int_equal(result.status, 200);
    assert_int_equal(change->count, 2);
    assert_true(change->has_serial && change->serial == 5 && !change->dry_run);
    const struct api_edit *edit = &change->edits[0];
    assert_int_equal(edit->action, API_SET);
    assert_int_equal(edit->ttl, 60);
    assert_int_equal(edit->length, 15);
    assert_memory_equal(edit->rdata, "\0\012\004mail\001a\004test", 15);
    edit = &change->edits[1];
    assert_int_equal(edit->action, API_DELETE);
    assert_int_equal(edit->type, DNS_TYPE_ANY);
    assert_null(edit->rdata);
    assert_name(edit->owner, "W.a.test.");
    done(&result);
    expect(400, "POST", CHANGES, NULL);
    expect(400, "POST", CHANGES, "[]");
    expect(400, "POST", CHANGES, "{\"changes\":[]}");
    expect(400, "POST", CHANGES, "{\"changes\":[{\"action\":\"delete\",\"name\":\"w\\u0000\"}]}");
    expect(400, "POST", CHANGES, "{\"changes\":[{\"action\":\"drop\",\"name\":\"w\"}]}");
    expect(400, "POST", "/v1/reload", "{}");
}

static void test_creation(void **state)
{
    struct result result = ask("POST", "/v1/zones",
                               "{\"zone\":\"A.test\",\"policy\":\"p\",\"source\":{\"kind\":"
                               "\"primary\",\"primaries\":[\"x\",\"y\"]}}");
    const struct api_create *create = &result.request.create;
    assert_int_equal(result.status, 200);
    assert_name(result.request.zone, "a.test.");
    assert_int_equal(create->source, API_SOURCE_PRIMARY);
    assert_int_equal(create->primary_count, 2);
    assert_string_equal(create->primaries[1], "y");
    assert_string_equal(create->policy, "p");
    done(&result);
    expect(400, "POST", "/v1/zones", "{\"zone\":\"a\",\"source\":{\"kind\":\"file\"}}");
    expect(400, "POST", "/v1/zones",
           "{\"zone\":\"a\",\"source\":{\"kind\":\"file\",\"file\":\"x\"}}");
    expect(400, "POST", "/v1/zones",
           "{\"zone\":\"a\",\"source\":{\"kind\":\"edits\",\"file\":\"/x\"}}");
}

static void test_tokens(void **state)
{
    static const struct {
        const char *text;
        int error;
        size_t count;
        const char *last;
    } cases[] = {
        {"", BASE_OK, 0, NULL},
        {" a  b\tc\n", BASE_OK, 3, "c"},
        {"\"a b\" \"\"", BASE_OK, 2, ""},
        {"\"a\\\"b\"", BASE_OK, 1, "a\\\"b"},
        {"key=\"a b\"c d", BASE_OK, 2, "d"},
        {"a\\ b", BASE_OK, 1, "a\\ b"},
        {"( a ( b ) ) ; c", BASE_OK, 2, "b"},
        {"a;b\nc", BASE_OK, 2, "c"},
        {"\"a", BASE_EFORMAT, 0, NULL},
        {"\"a\\\"", BASE_EFORMAT, 0, NULL},
        {"a\"", BASE_EFORMAT, 0, NULL},
        {"(a", BASE_EFORMAT, 0, NULL},
        {"a)", BASE_EFORMAT, 0, NULL},
        {"a\\", BASE_OK, 1, "a\\"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct base_arena arena;
        struct dns_token *tokens = NULL;
        size_t count = 0;
        base_arena_init(&arena, 0);
        assert_int_equal(api_tokens(cases[i].text, strlen(cases[i].text), &arena, &tokens, &count),
                         cases[i].error);
        assert_int_equal(count, cases[i].count);
        if (cases[i].last != NULL) {
            assert_int_equal(tokens[count - 1].length, strlen(cases[i].last));
            assert_memory_equal(tokens[count - 1].text, cases[i].last, strlen(cases[i].last));
        }
        base_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_metrics_door),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_creation),
        cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
