/*
 * The zone-file reader: what it accepts, what it says about the rest and where, and that neither
 * the size of blocks nor the number of threads nor the kernel changes anything.
 */
#include "base/error.h"
#include "dns/scan.h"
#include "dns/zonefile_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DUMP_LIMIT (64u * 1024 * 1024)

static const uint8_t example[] = "\7example";

/* --- what was read, as text --- */

static void dump_records(const struct dns_zonefile *zonefile, struct base_buf *buf, bool places)
{
    for (const struct dns_batch *batch = zonefile->batches; batch != NULL; batch = batch->next) {
        for (size_t i = 0; i < batch->run_count; i++) {
            const struct dns_run *run = &batch->runs[i];
            const struct dns_rr *rr = run->first;
            char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
            uint8_t key[DNS_KEY_MAX];
            bool within = dns_name_within(run->name, zonefile->origin);
            size_t length = dns_name_key(key, run->name, dns_name_labels(zonefile->origin));
            assert_int_equal(within, run->key != NULL);
            if (within) {
                assert_int_equal(length, run->key_length);
                assert_memory_equal(key, run->key, length);
            }
            assert_true(run->count > 0);
            for (uint32_t j = 0; j < run->count; j++, rr = dns_rr_next(rr)) {
                assert_true(rr->file < zonefile->file_count);
                base_buf_printf(buf, "%s %u %s ", dns_name_text(owner, run->name), rr->ttl,
                                dns_type_text(type, rr->type));
                dns_rdata_to_text(buf, rr->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
                if (places)
                    base_buf_printf(buf, " at %u:%u:%u", rr->file, rr->line, rr->column);
                base_buf_u8(buf, '\n');
            }
        }
    }
}

static void dump_findings(const struct base_findings *findings, struct base_buf *buf, bool messages)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct base_finding *finding = &findings->items[i];
        base_buf_printf(buf, "%s %u:%u%s%s\n", base_finding_info(finding->code)->code,
                        finding->place.line, finding->place.column, messages ? " " : "",
                        messages ? finding->message : "");
    }
}

struct input {
    const char *path; /* read when there is no text */
    const void *text;
    size_t length;
    struct dns_zonefile_options options;
    struct dns_zonefile_tuning tuning;
};

/* Reads, and gives records and findings as one text, which the caller frees. */
static char *read_dump(const struct input *input, bool full)
{
    struct base_findings findings;
    struct dns_zonefile zonefile;
    struct base_buf buf;
    base_findings_init(&findings, 100);
    base_buf_init(&buf, DUMP_LIMIT);
    int error = dns_zonefile_read_tuned(input->path, input->text, input->length, &input->options,
                                        &input->tuning, &findings, &zonefile);
    if (error == BASE_OK) {
        dump_records(&zonefile, &buf, full);
        if (full)
            base_buf_printf(&buf, "bytes %llu records %zu\n", (unsigned long long)zonefile.bytes,
                            zonefile.rr_count);
        dns_zonefile_free(&zonefile);
    } else {
        base_buf_printf(&buf, "error %d\n", error);
    }
    dump_findings(&findings, &buf, full);
    if (full)
        base_buf_printf(&buf, "errors %zu\n", findings.totals[BASE_ERROR]);
    base_findings_free(&findings);
    char *result = strdup(base_buf_string(&buf));
    assert_int_equal(buf.error, BASE_OK);
    base_buf_free(&buf);
    return result;
}

/* Reads with all kernels, small blocks and threads; the result must not change. */
static void check_ways(const struct input *plain, const size_t *blocks, size_t block_count)
{
    struct input input = *plain;
    input.tuning.block = 0;
    input.options.threads = 1;
    char *expected = read_dump(&input, true);
    size_t way = 0;
    for (size_t i = 0; i < block_count; i++) {
        for (unsigned threads = 1; threads <= 3; threads += 2) {
            size_t kernels = 0;
            while (dns_scan_kernel(kernels) != NULL)
                kernels++;
            input.tuning.kernel = dns_scan_kernel(way++ % kernels);
            input.tuning.block = blocks[i];
            input.options.threads = threads;
            char *dump = read_dump(&input, true);
            assert_string_equal(dump, expected);
            free(dump);
        }
    }
    free(expected);
}

static void check_all_ways(const struct input *plain)
{
    static const size_t blocks[] = {1, 16, 33, 64, 100, 1000};
    check_ways(plain, blocks, sizeof(blocks) / sizeof(blocks[0]));
}

/* Checks what becomes of a text: records and places of findings. */
static void check_options(const char *text, const struct dns_zonefile_options *options,
                          const char *expected)
{
    struct input input = {.path = "test", .text = text, .length = strlen(text)};
    input.options = *options;
    input.options.threads = 1;
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, expected);
    free(dump);
    check_all_ways(&input);
}

static void check(const char *text, const char *expected)
{
    struct dns_zonefile_options options = {.origin = example, .default_ttl = 60};
    check_options(text, &options, expected);
}

/* --- kernels --- */

static size_t reference_index(const uint8_t *text, size_t length, bool *in_word, uint32_t *tape)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t class = dns_scan_classes[text[i]];
        bool word = class == DNS_SCAN_WORD;
        if (word != *in_word || (!word && class != DNS_SCAN_BLANK))
            tape[count++] = (uint32_t)i + 7;
        *in_word = word;
    }
    return count;
}

static size_t reference_survey(const uint8_t *text, size_t length, uint32_t *dollars, size_t *lines)
{
    size_t count = 0;
    *lines = 0;
    for (size_t i = 0; i < length; i++) {
        *lines += text[i] == '\n';
        if (text[i] == '$' && (i == 0 || text[i - 1] == '\n'))
            dollars[count++] = (uint32_t)i;
    }
    return count;
}

static void fill_random(uint8_t *text, size_t length, unsigned *seed, bool any)
{
    static const char alphabet[] = "ab.-01  \t\r\n\n$$\"\\();;\x7f\x01";
    for (size_t i = 0; i < length; i++) {
        *seed = *seed * 1103515245u + 12345u;
        unsigned value = *seed >> 16;
        text[i] = any ? (uint8_t)value : (uint8_t)alphabet[value % (sizeof(alphabet) - 1)];
    }
}

static void test_kernels(void **state)
{
    enum { BLOCKS = 9, LENGTH = BLOCKS * 64 };
    static uint8_t text[LENGTH + 64];
    static uint32_t expected[LENGTH + DNS_SCAN_SLACK], got[LENGTH + DNS_SCAN_SLACK];
    unsigned seed = 42;
    for (unsigned round = 0; round < 300; round++) {
        fill_random(text, sizeof(text), &seed, round % 2 == 0);
        for (size_t i = 0; dns_scan_kernel(i) != NULL; i++) {
            const struct dns_scan_kernel *kernel = dns_scan_kernel(i);
            bool in_word = round % 3 == 0, in_word_too = in_word;
            size_t count = reference_index(text, LENGTH, &in_word, expected);
            assert_int_equal(kernel->index(text, BLOCKS, 7, &in_word_too, got), count);
            assert_int_equal(in_word, in_word_too);
            assert_memory_equal(got, expected, count * sizeof(got[0]));

            size_t length = seed % (LENGTH + 1), lines, lines_too;
            count = reference_survey(text, length, expected, &lines);
            assert_int_equal(kernel->survey(text, length, got, &lines_too), count);
            assert_int_equal(lines, lines_too);
            assert_memory_equal(got, expected, count * sizeof(got[0]));
        }
    }
}

/* --- entries --- */

static void test_plain_records(void **state)
{
    check("@ 300 IN A 192.0.2.1\nwww 300 IN A 192.0.2.2\n",
          "example. 300 A 192.0.2.1\nwww.example. 300 A 192.0.2.2\n");
    check("www.example.\tIN\t300\tA\t192.0.2.2\n", "www.example. 300 A 192.0.2.2\n");
    check("www 300 a 192.0.2.2 ; comment ( \" \\\n", "www.example. 300 A 192.0.2.2\n");
    check("www in 300 a 192.0.2.2;comment\n", "www.example. 300 A 192.0.2.2\n");
    check("www CLASS1 300 TYPE1 \\# 4 C0000202\n", "www.example. 300 A 192.0.2.2\n");
    check("other. 300 A 192.0.2.2\n", "other. 300 A 192.0.2.2\n");
    check("WWW 300 A 192.0.2.2\nwww 300 A 192.0.2.3\n",
          "WWW.example. 300 A 192.0.2.2\nwww.example. 300 A 192.0.2.3\n");
}

static void test_inherited_owner(void **state)
{
    check("a 300 A 192.0.2.1\n  300 A 192.0.2.2\n\t300\tA\t192.0.2.3\n",
          "a.example. 300 A 192.0.2.1\na.example. 300 A 192.0.2.2\na.example. 300 A 192.0.2.3\n");
    check("a 300 A 192.0.2.1\n; nothing\n\n   \n \t; nothing\n 300 A 192.0.2.2\n",
          "a.example. 300 A 192.0.2.1\na.example. 300 A 192.0.2.2\n");
    check("  300 A 192.0.2.1\nb 300 A 192.0.2.2\n",
          "b.example. 300 A 192.0.2.2\nsyntax.no-owner 1:3\n");
    check("a..b 300 A 192.0.2.1\n 300 A 192.0.2.2\nb 300 A 192.0.2.2\n",
          "b.example. 300 A 192.0.2.2\nsyntax.bad-owner 1:1\nsyntax.no-owner 2:2\n");
    /* An entry with wrong data still says whose the next line is. */
    check("a 300 A 192.0.2\n 300 A 192.0.2.2\n",
          "a.example. 300 A 192.0.2.2\nsyntax.bad-rdata 1:9\n");
    check("a 300 TXT \"x\n 300 A 192.0.2.2\n", "a.example. 300 A 192.0.2.2\nsyntax.quote 1:11\n");
}

static void test_parentheses(void **state)
{
    check("a 300 SOA ns host ( 1\n 2 3 ; comment )\n\t4\n5 )\nb 300 A 192.0.2.1\n",
          "a.example. 300 SOA ns.example. host.example. 1 2 3 4 5\nb.example. 300 A 192.0.2.1\n");
    check("a ( 300\n) A ( 192.0.2.1 ) ; (\n", "a.example. 300 A 192.0.2.1\n");
    check("a 300 A (192.0.2.1)\n", "a.example. 300 A 192.0.2.1\n");
    check("( a 300 A\n192.0.2.1\n)\n 300 A 192.0.2.2\n",
          "a.example. 300 A 192.0.2.1\na.example. 300 A 192.0.2.2\n");
    check("a 300 TXT (\"(\" \\( \")\" ;)\n)\n", "a.example. 300 TXT \"(\" \"(\" \")\"\n");
    check("a 300 A 192.0.2.1 )\nb 300 A 192.0.2.1\n",
          "b.example. 300 A 192.0.2.1\nsyntax.parenthesis 1:19\n");
}

static void test_lost_parentheses(void **state)
{
    check("a 300 A ( 192.0.2.1\nb 300 A 192.0.2.2\n 300 A 192.0.2.3\n",
          "b.example. 300 A 192.0.2.2\nb.example. 300 A 192.0.2.3\nsyntax.parenthesis 1:9\n");
    check("a 300 TXT ( x\n   y\nb 300 A 192.0.2.2\nc 300 TXT ( z )\n",
          "b.example. 300 A 192.0.2.2\nc.example. 300 TXT \"z\"\nsyntax.parenthesis 4:11\n");
    check("a 300 TXT ( ( x )\n y )\n z\nb 300 A 192.0.2.2\n",
          "b.example. 300 A 192.0.2.2\nsyntax.parenthesis 1:13\n");
    check("a 300 TXT ( x", "syntax.parenthesis 1:11\nsyntax.no-final-newline 1:0\n");
    check("a 300 TXT ( ( x\n y\n z\n", "syntax.parenthesis 1:13\n");
}

static void test_quotes(void **state)
{
    check("a 300 TXT \"a b\" \"\" c \"d;(\\\"\\\\\" \"e\"\"f\"\n",
          "a.example. 300 TXT \"a b\" \"\" \"c\" \"d;(\\\"\\\\\" \"e\" \"f\"\n");
    check("a 300 TXT \"a\nb 300 A 192.0.2.1\n", "b.example. 300 A 192.0.2.1\nsyntax.quote 1:11\n");
    check("a 300 TXT ( \"a\n b\" )\nb 300 A 192.0.2.1\n",
          "b.example. 300 A 192.0.2.1\nsyntax.quote 1:13\n");
    check("a 300 TXT x=\"b c\"d \\\"e\nb\"c\" 300 A 192.0.2.1\n",
          "a.example. 300 TXT \"x=\" \"b c\" \"d\" \"\\\"e\"\nsyntax.quote 2:2\n");
    check("a 300 HTTPS 1 . alpn=\"h2,h3\" port=53\n",
          "a.example. 300 HTTPS 1 . alpn=\"h2,h3\" port=53\n");
}

static void test_escapes(void **state)
{
    check("a\\.b 300 A 192.0.2.1\n", "a\\.b.example. 300 A 192.0.2.1\n");
    check("a\\032b 300 A 192.0.2.1\n", "a\\032b.example. 300 A 192.0.2.1\n");
    check("a\\ b\\; 300 A 192.0.2.1\n", "a\\032b\\;.example. 300 A 192.0.2.1\n");
    check("\\$a 300 A 192.0.2.1\n", "\\$a.example. 300 A 192.0.2.1\n");
    check("\\@ 300 A 192.0.2.1\n", "\\@.example. 300 A 192.0.2.1\n");
    check("a 300 TXT \\\"b\\\"  c\\;;d\n", "a.example. 300 TXT \"\\\"b\\\"\" \"c;\"\n");
    check("a 300 TXT b\\\nc 300 TXT \"d\\\"\n e\n",
          "syntax.bad-escape 1:12\nsyntax.quote 2:11\nsyntax.unknown-type 3:2\n");
}

static void test_line_ends(void **state)
{
    check("a 300 A 192.0.2.1\r\n  300 A 192.0.2.2\r\n\r\nb 300 TXT (\r\n x\r\n)\r\n",
          "a.example. 300 A 192.0.2.1\na.example. 300 A 192.0.2.2\nb.example. 300 TXT \"x\"\n");
    check("a 300 A 192.0.2.1", "a.example. 300 A 192.0.2.1\nsyntax.no-final-newline 1:0\n");
    check("a 300 A 192.0.2.1\n; end", "a.example. 300 A 192.0.2.1\nsyntax.no-final-newline 2:0\n");
    check("", "syntax.no-records 1:0\n");
    check("\n\n; nothing\n", "syntax.no-records 1:0\n");
    check("\xef\xbb\xbf"
          "a 300 A 192.0.2.1\n",
          "a.example. 300 A 192.0.2.1\nsyntax.byte-order-mark 1:1\n");
    check("\xff\xfe"
          "a",
          "syntax.encoding 1:1\n");
}

static void test_binary(void **state)
{
    static const char text[] = "a 300 A 192.0.2.1\nb\0c 300 A 192.0.2.2\nd 300 TXT \"\x1b\"\n"
                               "e 300 A 192.0.2.3 ; \x1b is a comment\n\x7f 300 A 192.0.2.4\n"
                               "f 300 TXT \xc3\xbc\n";
    struct input input = {.path = "test", .text = text, .length = sizeof(text) - 1};
    input.options.origin = example;
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, "a.example. 300 A 192.0.2.1\ne.example. 300 A 192.0.2.3\n"
                              "f.example. 300 TXT \"\\195\\188\"\n"
                              "syntax.control-character 2:2\nsyntax.control-character 3:12\n"
                              "syntax.control-character 5:1\n");
    free(dump);
    check_all_ways(&input);
}

static void test_types_and_classes(void **state)
{
    check("a 300 CH A 192.0.2.1\nb CLASS3 300 A 192.0.2.1\n",
          "syntax.class 1:7\nsyntax.class 2:3\n");
    check("a 300 IN IN A 192.0.2.1\n", "syntax.class 1:10\n");
    check("a 300 IN\nb\n", "syntax.no-type 1:9\nsyntax.no-type 2:2\n");
    check("a 300 FOO x\nb 300 TYPE65536 \\# 0\n",
          "syntax.unknown-type 1:7\nsyntax.unknown-type 2:7\n");
    check("a 300 ANY x\nb 300 OPT x\nc 300 TYPE0 \\# 0\n",
          "syntax.meta-type 1:7\nsyntax.meta-type 2:7\nsyntax.meta-type 3:7\n");
    check("a 300 \"A\" 192.0.2.1\n", "syntax.unknown-type 1:7\n");
    check("a 300 MX 10\n", "syntax.bad-rdata 1:10\n");
    check("a 300 A 192.0.2.1 x\n", "syntax.bad-rdata 1:19\n");
    check("a 300 TYPE65280 \\# 3 010203\n", "a.example. 300 TYPE65280 \\# 3 010203\n");
}

static void test_names(void **state)
{
    char text[1024], expected[1024];
    char label[65];
    memset(label, 'a', 64);
    label[64] = '\0';
    snprintf(text, sizeof(text), "%.63s 300 A 192.0.2.1\n%s 300 A 192.0.2.2\n", label, label);
    snprintf(expected, sizeof(expected), "%.63s.example. 300 A 192.0.2.1\nsyntax.bad-owner 2:1\n",
             label);
    check(text, expected);
    /* 3 × 64 + 53 + 1 + 9 = 255 octets, and one more */
    snprintf(text, sizeof(text),
             "%.63s.%.63s.%.63s.%.53s 300 A 192.0.2.1\n%.63s.%.63s.%.63s.%.54s 300 A 192.0.2.1\n",
             label, label, label, label, label, label, label, label);
    snprintf(expected, sizeof(expected),
             "%.63s.%.63s.%.63s.%.53s.example. 300 A 192.0.2.1\nsyntax.bad-owner 2:1\n", label,
             label, label, label);
    check(text, expected);
    check("a 300 NS b..c\n", "syntax.bad-rdata 1:10\n");
}

/* --- TTLs --- */

static void test_ttls(void **state)
{
    check("a 1w2d3h4m5s A 192.0.2.1\nb 1H A 192.0.2.1\n",
          "a.example. 788645 A 192.0.2.1\nb.example. 3600 A 192.0.2.1\n");
    check("a 2147483647 A 192.0.2.1\nb 2147483648 A 192.0.2.1\n",
          "a.example. 2147483647 A 192.0.2.1\nsyntax.bad-ttl 2:3\n");
    check("a 1x A 192.0.2.1\nb 1h1 A 192.0.2.1\nc 3600w A 192.0.2.1\nd 1 2 A 192.0.2.1\n",
          "b.example. 3601 A 192.0.2.1\nsyntax.bad-ttl 1:3\nsyntax.bad-ttl 3:3\n"
          "syntax.bad-ttl 4:5\n");
    /* $TTL wins over the last one written. */
    check("$TTL 1m\na 300 A 192.0.2.1\nb A 192.0.2.2\n$TTL 2m\nc A 192.0.2.3\n",
          "a.example. 300 A 192.0.2.1\nb.example. 60 A 192.0.2.2\nc.example. 120 A 192.0.2.3\n");
    /* Without $TTL the last one written counts (RFC 1035 section 5.1). */
    check("a 300 A 192.0.2.1\nb A 192.0.2.2\nc 400 A 192.0.2.3\nd A 192.0.2.4\n",
          "a.example. 300 A 192.0.2.1\nb.example. 300 A 192.0.2.2\nc.example. 400 A 192.0.2.3\n"
          "d.example. 400 A 192.0.2.4\n");
    check("@ SOA a b 1 2 3 4 77\nb A 192.0.2.2\nc 5 A 192.0.2.3\nd A 192.0.2.4\n",
          "example. 77 SOA a.example. b.example. 1 2 3 4 77\nb.example. 77 A 192.0.2.2\n"
          "c.example. 5 A 192.0.2.3\nd.example. 77 A 192.0.2.4\nsyntax.no-ttl 1:3\n");
    check("b A 192.0.2.2\nc A 192.0.2.3\n",
          "b.example. 60 A 192.0.2.2\nc.example. 60 A 192.0.2.3\nsyntax.no-ttl 1:3\n");
    check("$TTL x\n$TTL\n$TTL 1 2\n",
          "syntax.bad-ttl 1:6\nsyntax.directive 2:5\nsyntax.directive 3:8\n");
}

/* --- $ORIGIN --- */

static void test_origins(void **state)
{
    check("$TTL 1\na A 192.0.2.1\n$ORIGIN sub\na A 192.0.2.2\n  A 192.0.2.3\n@ A 192.0.2.4\n"
          "$ORIGIN other.\na A 192.0.2.5\n$ORIGIN .\na.example A 192.0.2.6\n",
          "a.example. 1 A 192.0.2.1\na.sub.example. 1 A 192.0.2.2\na.sub.example. 1 A 192.0.2.3\n"
          "sub.example. 1 A 192.0.2.4\na.other. 1 A 192.0.2.5\na.example. 1 A 192.0.2.6\n");
    check("a 1 A 192.0.2.1\n$ORIGIN sub\n 1 A 192.0.2.2\n",
          "a.example. 1 A 192.0.2.1\na.example. 1 A 192.0.2.2\n");
    check("$ORIGIN\n$ORIGIN a..b\n$origin x y\n$DATE 20260101\n$\n",
          "syntax.directive 1:8\nsyntax.directive 2:9\nsyntax.directive 3:11\n"
          "syntax.directive 4:1\nsyntax.directive 5:1\n");
    /* A parenthesis that spans what looks like a directive. */
    check("$TTL 1\na TXT (\n$ORIGIN\nx )\nb A 192.0.2.1\nc A 192.0.2.1\n",
          "a.example. 1 TXT \"$ORIGIN\" \"x\"\nb.example. 1 A 192.0.2.1\nc.example. 1 A "
          "192.0.2.1\n");
}

static void check_named(const char *name, const char *text, const char *expected)
{
    struct input input = {.path = name, .text = text, .length = strlen(text)};
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, expected);
    free(dump);
    check_all_ways(&input);
}

static void test_origin_of_file(void **state)
{
    static const char text[] = "@ 1 SOA a b 1 2 3 4 5\nc 1 A 192.0.2.1\n";
    static const char in_example[] = "example. 1 SOA a.example. b.example. 1 2 3 4 5\n"
                                     "c.example. 1 A 192.0.2.1\n";
    check_named("example.zone", text, in_example);
    check_named("/some/where/db.example", text, in_example);
    check_named("example.zone.signed", text, in_example);
    check_named("example.com.db", "@ 1 A 192.0.2.1\n", "example.com. 1 A 192.0.2.1\n");
    /* Other names may be chance: that is told. */
    check_named("example.com", "@ 1 A 192.0.2.1\n",
                "example.com. 1 A 192.0.2.1\nsyntax.origin-from-file-name 1:1\n");
    check_named("example.com.txt", "@ 1 A 192.0.2.1\n",
                "example.com. 1 A 192.0.2.1\nsyntax.origin-from-file-name 1:1\n");
    check_named("-", text, "syntax.no-origin 1:1\nsyntax.no-origin 2:1\n");
    check_named("x.zone", "example. 1 SOA a.example. b.example. 1 2 3 4 5\n",
                "example. 1 SOA a.example. b.example. 1 2 3 4 5\n");
    check_named("x.zone", "$ORIGIN example.\n@ 1 SOA a b 1 2 3 4 5\n",
                "example. 1 SOA a.example. b.example. 1 2 3 4 5\n");
}

/* Records before the SOA get their keys when the zone is known. */
static void test_late_soa(void **state)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 20);
    base_buf_text(&text, "$ORIGIN sub.example.\n");
    for (int i = 0; i < 2000; i++)
        base_buf_printf(&text, "a%d 300 A 192.0.2.%d\n", i, i % 256);
    base_buf_text(&text, "example. 300 SOA a b 1 2 3 4 5\nother. 300 A 192.0.2.1\n");
    for (int i = 0; i < 2000; i++)
        base_buf_printf(&text, "b%d 300 A 192.0.2.%d\n", i, i % 256);
    assert_int_equal(text.error, BASE_OK);
    struct input input = {.path = "-", .text = text.data, .length = text.length};
    char *dump = read_dump(&input, false);
    assert_non_null(strstr(dump, "\nb1999.sub.example. 300 A"));
    free(dump);
    static const size_t blocks[] = {64, 4096};
    check_ways(&input, blocks, 2);
    base_buf_free(&text);
}

/* --- $GENERATE --- */

static void test_generate(void **state)
{
    check("$GENERATE 1-3 h$ 300 IN A 192.0.2.$\n",
          "h1.example. 300 A 192.0.2.1\nh2.example. 300 A 192.0.2.2\nh3.example. 300 A "
          "192.0.2.3\n");
    check("$GENERATE 0-20/10 h${5,3} 300 A 192.0.2.${1}\n",
          "h005.example. 300 A 192.0.2.1\nh015.example. 300 A 192.0.2.11\nh025.example. 300 A "
          "192.0.2.21\n");
    check("$GENERATE 10-10 a${0,0,x}b${0,4,X}c${0,3,o}d${-10,2,d} 300 TXT \"\\\"$$ \\$ x$\\\"\"\n",
          "aab000Ac012d00.example. 300 TXT \"$ $ x10\"\n");
    check("$GENERATE 1-1 a${-3}$ 300 MX \"10 m$\"\n$GENERATE 1-1 b 300 TXT \"x \\\"y z$\\\"\"\n",
          "a-21.example. 300 MX 10 m1.example.\nb.example. 300 TXT \"x\" \"y z1\"\n");
    check("$GENERATE 18-18 ${0,5,n}.ip6 300 PTR h$\n", "2.1.0.ip6.example. 300 PTR h18.example.\n");
    check("$GENERATE 1-2 a$ 300 CNAME b$\n  300 A 192.0.2.1\n",
          "a1.example. 300 CNAME b1.example.\na2.example. 300 CNAME b2.example.\na2.example. 300 A "
          "192.0.2.1\n");
    check(
        "$GENERATE 3-1 a$ A 192.0.2.1\n$GENERATE 1-2/0 a$ A 192.0.2.1\n$GENERATE x a$ A 192.0.2.1\n"
        "$GENERATE 1-2 a$\n$GENERATE 1-2 a${1 A 192.0.2.1\n$GENERATE 1-2 a${-3,0,x} A 192.0.2.1\n",
        "syntax.generate 1:11\nsyntax.generate 2:11\nsyntax.generate 3:11\n"
        "syntax.directive 4:17\nsyntax.generate 5:15\nsyntax.generate 6:15\n");
    check("$GENERATE 0-4294967295 a$ 300 A 192.0.2.1\n$GENERATE 0-4294967296 a$ A 192.0.2.1\n",
          "syntax.generate-limit 1:11\nsyntax.generate 2:11\n");
}

static void test_generate_limit(void **state)
{
    struct dns_zonefile_options options = {.origin = example, .generate_max = 5};
    check_options("$TTL 1\n$GENERATE 1-2 a$ A 192.0.2.$\n$GENERATE 1-2 b$ A 192.0.2.$\n"
                  "$GENERATE 1-2 c$ A 192.0.2.$\n$GENERATE 1-1 d$ A 192.0.2.$\n",
                  &options,
                  "a1.example. 1 A 192.0.2.1\na2.example. 1 A 192.0.2.2\nb1.example. 1 A "
                  "192.0.2.1\nb2.example. 1 A 192.0.2.2\nd1.example. 1 A 192.0.2.1\n"
                  "syntax.generate-limit 4:11\n");
}

/* --- $INCLUDE --- */

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_files(const char *directory, const char *const *names)
{
    char path[512];
    for (; *names != NULL; names++) {
        snprintf(path, sizeof(path), "%s/%s", directory, *names);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void check_file(const char *directory, const char *name,
                       const struct dns_zonefile_options *options, const char *expected)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    struct input input = {.path = path, .options = *options};
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, expected);
    free(dump);
    check_all_ways(&input);
}

static void test_include(void **state)
{
    char directory[] = "/tmp/kenter-zonefile-XXXXXX";
    assert_non_null(mkdtemp(directory));
    const struct dns_zonefile_options options = {.origin = example};
    write_file(directory, "main",
               "$TTL 1\na A 192.0.2.1\n$INCLUDE one\n  A 192.0.2.2\n$INCLUDE \"one\" sub\n"
               "b A 192.0.2.3\n$INCLUDE none\n$INCLUDE /etc/passwd\n$INCLUDE main\n$INCLUDE .\n");
    write_file(directory, "one",
               "  A 192.0.2.9\n$TTL 2\n$ORIGIN x\no A 192.0.2.10\n$INCLUDE two\nbad A 1\n");
    write_file(directory, "two", "@ A 192.0.2.11");
    check_file(directory, "main", &options,
               "a.example. 1 A 192.0.2.1\na.example. 1 A 192.0.2.9\no.x.example. 2 A 192.0.2.10\n"
               "x.example. 2 A 192.0.2.11\na.example. 1 A 192.0.2.2\na.example. 1 A 192.0.2.9\n"
               "o.x.sub.example. 2 A 192.0.2.10\nx.sub.example. 2 A 192.0.2.11\n"
               "b.example. 1 A 192.0.2.3\n"
               "syntax.no-final-newline 1:0\nsyntax.bad-rdata 6:7\n"
               "syntax.no-final-newline 1:0\nsyntax.bad-rdata 6:7\n"
               "syntax.include 7:10\nsyntax.include 8:10\nsyntax.include 9:10\n"
               "syntax.include 10:10\n");
    write_file(directory, "main", "$INCLUDE one\n");
    write_file(directory, "one", "$INCLUDE two\n");
    write_file(directory, "two", "$INCLUDE one\na 1 A 192.0.2.1\n");
    check_file(directory, "main", &options, "a.example. 1 A 192.0.2.1\nsyntax.include 1:10\n");
    const struct dns_zonefile_options shallow = {.origin = example, .include_depth = 1};
    check_file(directory, "main", &shallow, "syntax.include 1:10\n");
    remove_files(directory, (const char *const[]){"main", "one", "two", NULL});
}

static void test_include_root(void **state)
{
    char directory[] = "/tmp/kenter-zonefile-XXXXXX";
    char path[64], text[128];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/in", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(directory, "secret", "a 1 A 192.0.2.1\n");
    write_file(path, "main", "$INCLUDE ../secret\n$INCLUDE link\n");
    char link[96];
    snprintf(link, sizeof(link), "%s/link", path);
    assert_int_equal(symlink("../secret", link), 0);
    struct dns_zonefile_options options = {.origin = example};
    check_file(path, "main", &options, "syntax.include 1:10\nsyntax.include 2:10\n");
    options.include_anywhere = true;
    check_file(path, "main", &options, "a.example. 1 A 192.0.2.1\na.example. 1 A 192.0.2.1\n");
    options.include_anywhere = false;
    options.include_root = directory;
    snprintf(text, sizeof(text), "$INCLUDE secret\n$INCLUDE %s/secret\n", directory);
    write_file(path, "main", text);
    check_file(path, "main", &options, "a.example. 1 A 192.0.2.1\na.example. 1 A 192.0.2.1\n");
    remove_files(path, (const char *const[]){"main", "link", NULL});
    remove_files(directory, (const char *const[]){"secret", NULL});
}

static void test_unreadable(void **state)
{
    struct input input = {.path = "/nonexistent/zone"};
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, "error -7\nfile.unreadable 0:0\n");
    free(dump);
    input.path = "/";
    dump = read_dump(&input, false);
    assert_string_equal(dump, "error -7\nfile.unreadable 0:0\n");
    free(dump);
}

/* --- limits --- */

static void test_long_lines(void **state)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 20);
    base_buf_text(&text, "a 300 TXT x\nb 300 TXT ");
    for (int i = 0; i < 5000; i++)
        base_buf_text(&text, "y");
    base_buf_text(&text, "\n 300 TXT z\nc 300 TXT ( a\n b\n");
    for (int i = 0; i < 3000; i++)
        base_buf_text(&text, "; comment");
    base_buf_text(&text, "\n c )\nd 300 TXT (\n");
    for (int i = 0; i < 3000; i++)
        base_buf_text(&text, " x\n");
    base_buf_text(&text, ")\ne 300 TXT e\n");
    assert_int_equal(text.error, BASE_OK);
    struct input input = {.path = "test", .text = text.data, .length = text.length};
    input.options = (struct dns_zonefile_options){.origin = example, .entry_max = 4096};
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, "a.example. 300 TXT \"x\"\ne.example. 300 TXT \"e\"\n"
                              "syntax.entry-too-long 2:1\nsyntax.no-owner 3:2\n"
                              "syntax.parenthesis 4:11\nsyntax.entry-too-long 6:1\n"
                              "syntax.parenthesis 8:11\n");
    free(dump);
    check_all_ways(&input);
    base_buf_free(&text);
}

/* An entry that was kept until it was worth another look ends before a line that is too long. */
static void test_long_line_behind_entry(void **state)
{
    static const char text[] = "a 5 TXT (\n x\n y\n z )\n 5 TXT "
                               "0123456789012345678901234567890123456789\n 5 TXT z\n";
    struct dns_zonefile_options options = {.origin = example, .entry_max = 40};
    check_options(text, &options,
                  "a.example. 5 TXT \"x\" \"y\" \"z\"\nsyntax.entry-too-long 5:1\n"
                  "syntax.no-owner 6:2\n");
}

static void test_many_fields(void **state)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 20);
    base_buf_text(&text, "a 300 TXT");
    for (int i = 0; i < DNS_ENTRY_TOKENS_MAX; i++)
        base_buf_text(&text, " x");
    base_buf_text(&text, "\nb 300 TXT x\n");
    assert_int_equal(text.error, BASE_OK);
    struct input input = {.path = "test", .text = text.data, .length = text.length};
    input.options.origin = example;
    char *dump = read_dump(&input, false);
    assert_string_equal(dump, "b.example. 300 TXT \"x\"\nsyntax.entry-too-long 1:262273\n");
    free(dump);
    base_buf_free(&text);
}

/* --- seams --- */

/* A file with all sorts of entries, in which a cut anywhere hurts. */
static void make_mixture(struct base_buf *text, unsigned seed, int entries)
{
    static const char *const pieces[] = {
        "name%u 300 A 192.0.2.%u\n",
        "name%u A 192.0.2.%u\n",
        "  AAAA 2001:db8:%x::%x\n",
        "\tTXT \"%u; (\" x\\;\\\"%u ; comment (\n",
        "@ SOA ns host ( %u ; serial (\n  %u 3\n4 5 )\n",
        "$ORIGIN sub%u\n; %u\n",
        "$ORIGIN example.\n; %u %u\n",
        "$TTL %u%u\n",
        "; comment \" ( %u %u\n\n",
        "( b%u\n300\nIN A 192.0.2.%u )\n",
        "x%u 300 TXT ( \"lost\n y%u )\n",
        "x%u 300 TXT ( lost\n y%u\n",
        "x%u 300 TXT lost ) %u\n",
        "$GENERATE 1-3 g%u-$ 300 A 192.0.2.%u\n",
        "bad..name%u A 192.0.2.%u\n",
        "bad%u 300 FOO %u\n",
        "name%u 300 NS name%u.other.\n",
        "name%u NS name%u\r\n",
    };
    const unsigned count = sizeof(pieces) / sizeof(pieces[0]);
    for (int i = 0; i < entries; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned which = (seed >> 16) % (4 * count);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        base_buf_printf(text, pieces[which < count ? which : which % 3], seed >> 24 & 127,
                        seed >> 8 & 255);
#pragma GCC diagnostic pop
    }
}

static void test_seams(void **state)
{
    static const size_t blocks[] = {1, 64, 65, 127, 500, 4096};
    for (unsigned seed = 1; seed <= 12; seed++) {
        struct base_buf text;
        base_buf_init(&text, 1 << 24);
        make_mixture(&text, seed, 500);
        assert_int_equal(text.error, BASE_OK);
        struct input input = {.path = "test", .text = text.data, .length = text.length};
        input.options.origin = seed % 2 == 0 ? example : NULL;
        check_ways(&input, blocks, sizeof(blocks) / sizeof(blocks[0]));
        base_buf_free(&text);
    }
}

/* Any bytes at all: no crash, and the same in every way. */
static void test_noise(void **state)
{
    static const size_t blocks[] = {1, 64, 300};
    static uint8_t text[3000];
    unsigned seed = 7;
    for (unsigned round = 0; round < 60; round++) {
        fill_random(text, sizeof(text), &seed, round % 4 == 0);
        struct input input = {.path = "test", .text = text, .length = sizeof(text)};
        input.options.origin = example;
        input.options.entry_max = round % 3 == 0 ? 40 : 0;
        check_ways(&input, blocks, 3);
    }
}

/* --- one record --- */

static void check_one(const char *text, const char *expected)
{
    uint8_t owner[DNS_NAME_MAX];
    struct base_findings findings;
    struct base_buf buf;
    struct dns_rr *rr = malloc(DNS_RR_MAX);
    assert_non_null(rr);
    base_findings_init(&findings, 10);
    base_buf_init(&buf, DUMP_LIMIT);
    int error = dns_rr_from_text("--ds", text, strlen(text), example, 77, &findings, owner, rr);
    if (error == BASE_OK) {
        char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
        base_buf_printf(&buf, "%s %u %s ", dns_name_text(name, owner), rr->ttl,
                        dns_type_text(type, rr->type));
        dns_rdata_to_text(&buf, rr->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
        base_buf_u8(&buf, '\n');
    } else {
        assert_int_equal(error, BASE_EFORMAT);
        assert_true(base_findings_bad(&findings));
    }
    dump_findings(&findings, &buf, false);
    assert_string_equal(base_buf_string(&buf), expected);
    base_findings_free(&findings);
    base_buf_free(&buf);
    free(rr);
}

static void test_one_record(void **state)
{
    check_one("@ DS 60485 5 1 ( 2BB183AF5F22588179A53B0A\n 98631FAD1A292118 )",
              "example. 77 DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118\n");
    check_one("www.example. 5 IN A 192.0.2.1\n", "www.example. 5 A 192.0.2.1\n");
    check_one("", "syntax.no-records 1:1\n");
    check_one("a A 192.0.2.1\nb A 192.0.2.2\n", "syntax.no-records 1:1\n");
    check_one("a A 192.0.2\n", "syntax.bad-rdata 1:5\n");
    check_one("$INCLUDE /etc/passwd\n", "syntax.include 1:10\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_plain_records),
        cmocka_unit_test(test_inherited_owner),
        cmocka_unit_test(test_parentheses),
        cmocka_unit_test(test_lost_parentheses),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_types_and_classes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ttls),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_origin_of_file),
        cmocka_unit_test(test_late_soa),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_generate_limit),
        cmocka_unit_test(test_include),
        cmocka_unit_test(test_include_root),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_long_line_behind_entry),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_seams),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_one_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
