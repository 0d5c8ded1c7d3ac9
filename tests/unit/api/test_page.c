/* Pages: foreign text stays text, whatever parts there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/page.h"
#include "base/error.h"

#include <string.h>

#define NOW 1795305599 /* 2026-11-21T23:59:59Z */

static void assert_html(const char *text, const char *html)
{
    struct base_buf buf;
    base_buf_init(&buf, 1000);
    api_html_text(&buf, text);
    assert_string_equal(base_buf_string(&buf), html);
    base_buf_free(&buf);
}

static void test_text(void **state)
{
    (void)state;
    assert_html("", "");
    assert_html("<a href=\"x\" title='&'>", "&lt;a href=&quot;x&quot; title=&#39;&amp;&#39;&gt;");
    assert_html("a\x01\x1b\x7f\tb\nc", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\tb\nc");
    assert_html("\xe2\x80\xaex\xe2\x81\xa6y\xc2\x9b", "\xef\xbf\xbdx\xef\xbf\xbdy\xef\xbf\xbd");
    assert_html("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    /* Characters that are cut off. */
    assert_html("\xe2", "\xe2");
    assert_html("\xe2\x80", "\xe2\x80");
    assert_html("\xc2", "\xc2");
}

static void test_value(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 1000);
    api_html_value(&buf, "a.B-9_ \\<\"'&+%\xff/");
    assert_string_equal(base_buf_string(&buf), "a.B-9_%20%5C%3C%22%27%26%2B%25%FF%2F");
    base_buf_free(&buf);
}

/* What a page of these parts has and has not. */
static void assert_page(enum api_page page, const char *const *json, size_t count, const char *has,
                        const char * not )
{
    struct api_request request = {.page = page, .state = API_STATE_OK, .count = 7};
    json_t *parts[API_PARTS_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 100000);
    for (size_t i = 0; i < count; i++) {
        parts[i] = json_loads(json[i], 0, NULL);
        assert_non_null(parts[i]);
    }
    api_page_write(&buf, &request, parts, count, NOW);
    assert_int_equal(buf.error, BASE_OK);
    const char *text = base_buf_string(&buf);
    assert_non_null(strstr(text, has));
    if (not != NULL)
        assert_null(strstr(text, not ));
    assert_non_null(strstr(text, "</html>"));
    base_buf_free(&buf);
    for (size_t i = 0; i < count; i++)
        json_decref(parts[i]);
}

static void test_pages(void **state)
{
    static const char *const overview[] = {
        "{\"version\":\"<v>\",\"ready\":true,\"processes\":[{}],\"listen\":[1]}",
        "{\"zones\":[{\"zone\":\"<z>.\",\"problem\":\"</td><script>\",\"state\":\"\\\"><x\","
        "\"source\":{\"kind\":\"<k>\",\"primaries\":[2,\"<p>\"]},"
        "\"next_resign\":\"2026-11-22T01:59:59Z\"}],\"next\":\"<z>.\"}"};
    static const char *const zone[] = {
        "{\"zone\":\"<z>.\"}",
        "{\"because\":\"<x>\",\"findings\":[{\"message\":\"<script>\",\"severity\":\"<s>\"}, 3]}",
        "{\"events\":[{\"at\":\"<t>\",\"text\":\"<script>\"}, null]}"};
    static const char *const refused[] = {"{\"findings\":[{\"message\":\"no <zone>\"}]}"};
    (void)state;
    assert_page(API_PAGE_OVERVIEW, overview, 2, "&lt;/td&gt;&lt;script&gt;", "<script>");
    assert_page(API_PAGE_OVERVIEW, overview, 2, "in 2h", "<p>\"");
    assert_page(API_PAGE_OVERVIEW, overview, 2,
                "./?after=%3Cz%3E.&amp;state=ok&amp;limit=7\">Next zones", "<z>");
    assert_page(API_PAGE_OVERVIEW, overview, 1, "&lt;v&gt;", "<v>");
    assert_page(API_PAGE_ZONE, zone, 3, "&lt;script&gt;", "<script>");
    assert_page(API_PAGE_ZONE, zone, 1, "nothing is published yet", "<z>");
    assert_page(API_PAGE_ZONE, refused, 1, "no &lt;zone&gt;", "<zone>");
    assert_page(API_PAGE_OVERVIEW, refused, 1, "cannot be shown", "<zone>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
