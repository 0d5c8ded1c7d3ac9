/* Names in certificates against those that the peer should have (RFC 9525, RFC 7672 section 3.2.3).
 */
#include "base/error.h"
#include "dane/names.h"

#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One certificate, one reference, one outcome. */
struct trial {
    struct certificate_spec spec;
    struct dane_reference reference;
    bool fits;
    const char *identity; /* what matched; or, when nothing fits, what the certificate is for */
};

#define DNS             DANE_REFERENCE_DNS
#define SRV             DANE_REFERENCE_SRV
#define XMPP            DANE_REFERENCE_XMPP
#define ADDR            DANE_REFERENCE_ADDRESS
#define SRV_NAME(name)  "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:" name
#define XMPP_NAME(name) "otherName:1.3.6.1.5.5.7.8.5;UTF8:" name

static EVP_PKEY *key; /* one for all: names are what counts here */

static int match(const struct certificate_spec *spec, const struct dane_reference *references,
                 size_t count, bool common, struct dane_names_match *out, char why[DANE_NAMES_TEXT])
{
    struct certificate_spec full = *spec;
    full.key = key;
    struct test_certificate made = certificate_make(&full);
    int status = dane_names_match(made.der, made.length, references, count, common, out, why);
    certificate_free(&made);
    return status;
}

static void run(const struct trial *trials, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct dane_names_match found = {0};
        char why[DANE_NAMES_TEXT] = "";
        int status = match(&trials[i].spec, &trials[i].reference, 1, true, &found, why);
        const char *said = status == BASE_OK ? found.identity : why;
        if ((status == BASE_OK) != trials[i].fits ||
            (trials[i].identity && strcmp(said, trials[i].identity) != 0))
            fail_msg("trial %zu (%s against %s): status %d, \"%s\"", i,
                     trials[i].spec.names ? trials[i].spec.names : "-", trials[i].reference.name,
                     status, said);
    }
}

static void test_dns(void **state)
{
    static const struct trial trials[] = {
        {{.names = "DNS:mx.example.org"}, {DNS, "mx.example.org"}, true, "DNS-ID mx.example.org"},
        {{.names = "DNS:MX.Example.ORG"}, {DNS, "mx.example.org"}, true, "DNS-ID mx.example.org"},
        {{.names = "DNS:mx.example.org."}, {DNS, "mx.example.org"}, true, NULL},
        {{.names = "DNS:a.example, DNS:b.example"}, {DNS, "b.example"}, true, "DNS-ID b.example"},
        {{.names = "DNS:mx.example.org"}, {DNS, "example.org"}, false, "mx.example.org"},
        {{.names = "DNS:example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:a.example, DNS:b.example"}, {DNS, "c"}, false, "a.example, b.example"},
        {{.names = "DNS:mx.example.orga"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:xmx.example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:.example.org"}, {DNS, "mx.example.org"}, false, "no name at all"},
        {{.names = "DNS:mx..example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:mx.example.org.."}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:mx.example.org:25"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS: mx.example.org x"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "email:a@mx.example.org"}, {DNS, "mx.example.org"}, false, "no name at all"},
        {{.names = "URI:https://mx.example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{0}, {DNS, "mx.example.org"}, false, "no name at all"},
    };
    run(trials, sizeof trials / sizeof trials[0]);
}

static void test_wildcards(void **state)
{
    static const struct trial trials[] = {
        {{.names = "DNS:*.example.org"}, {DNS, "mx.example.org"}, true, "DNS-ID *.example.org"},
        {{.names = "DNS:*.EXAMPLE.org"}, {DNS, "mx.example.org"}, true, NULL},
        {{.names = "DNS:*.example.org"}, {DNS, "example.org"}, false, NULL},
        {{.names = "DNS:*.example.org"}, {DNS, "a.mx.example.org"}, false, NULL},
        {{.names = "DNS:*.example.org"}, {DNS, ".example.org"}, false, NULL},
        {{.names = "DNS:*.org"}, {DNS, "example.org"}, false, NULL},
        {{.names = "DNS:*"}, {DNS, "org"}, false, "no name at all"},
        {{.names = "DNS:*."}, {DNS, "org"}, false, NULL},
        {{.names = "DNS:*.*.example.org"}, {DNS, "a.b.example.org"}, false, NULL},
        {{.names = "DNS:mx.*.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:m*.example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:*x.example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:**.example.org"}, {DNS, "mx.example.org"}, false, NULL},
        {{.names = "DNS:*.xn--bcher-kva.example"}, {DNS, "mx.xn--bcher-kva.example"}, true, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0]);
}

/* XmppAddr, with a name that is not ASCII. */
static const uint8_t international[] = {0x30, 0x1f, 0xa0, 0x1d, 0x06, 0x08, 0x2b, 0x06, 0x01,
                                        0x05, 0x05, 0x07, 0x08, 0x05, 0xa0, 0x11, 0x0c, 0x0f,
                                        'b',  0xc3, 0xbc, 'c',  'h',  'e',  'r',  '.',  'e',
                                        'x',  'a',  'm',  'p',  'l',  'e'};

static void test_srv_and_xmpp(void **state)
{
    static const struct trial trials[] = {
        {{.names = SRV_NAME("_imap.example.org")},
         {SRV, "_imap.example.org"},
         true,
         "SRV-ID _imap.example.org"},
        {{.names = SRV_NAME("_IMAP.Example.org")}, {SRV, "_imap.example.org"}, true, NULL},
        {{.names = SRV_NAME("_imap.example.org")},
         {SRV, "_pop3.example.org"},
         false,
         "SRV-ID _imap.example.org"},
        {{.names = SRV_NAME("_imap.example.org")}, {DNS, "_imap.example.org"}, false, NULL},
        {{.names = SRV_NAME("_imap.*.org")}, {SRV, "_imap.example.org"}, false, NULL},
        {{.names = "otherName:1.3.6.1.5.5.7.8.7;UTF8:_imap.example.org"},
         {SRV, "_imap.example.org"},
         false,
         NULL},
        {{.names = "DNS:_imap.example.org"}, {SRV, "_imap.example.org"}, false, NULL},
        {{.names = XMPP_NAME("example.org")}, {XMPP, "example.org"}, true, "XmppAddr example.org"},
        {{.names = XMPP_NAME("EXAMPLE.org")}, {XMPP, "example.org"}, true, NULL},
        {{.raw_names = international, .raw_length = sizeof international},
         {XMPP, "xn--bcher-kva.example"},
         true,
         NULL},
        {{.names = XMPP_NAME("*.example.org")}, {XMPP, "a.example.org"}, false, NULL},
        {{.names = XMPP_NAME("user@example.org")}, {XMPP, "example.org"}, false, NULL},
        {{.names = "otherName:1.3.6.1.5.5.7.8.5;IA5STRING:example.org"},
         {XMPP, "example.org"},
         false,
         NULL},
        {{.names = "DNS:example.org"}, {XMPP, "example.org"}, false, NULL},
        {{.names = XMPP_NAME("example.org")}, {DNS, "example.org"}, false, NULL},
        {{.names = "otherName:1.2.3.4;UTF8:example.org"}, {XMPP, "example.org"}, false, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0]);
}

static void test_addresses(void **state)
{
    static const struct trial trials[] = {
        {{.names = "IP:192.0.2.1"}, {ADDR, "192.0.2.1"}, true, "address 192.0.2.1"},
        {{.names = "IP:2001:db8::1"}, {ADDR, "2001:db8:0:0::1"}, true, "address 2001:db8::1"},
        {{.names = "IP:192.0.2.1"}, {ADDR, "192.0.2.2"}, false, "192.0.2.1"},
        {{.names = "IP:192.0.2.1"}, {DNS, "192.0.2.1"}, false, NULL},
        {{.names = "DNS:192.0.2.1"}, {ADDR, "192.0.2.1"}, false, NULL},
        {{.subject = "192.0.2.1"}, {ADDR, "192.0.2.1"}, false, NULL},
        {{.names = "IP:192.0.2.1"}, {ADDR, "::ffff:192.0.2.1"}, false, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0]);
}

/* The common name counts where there is no name of a kind that is made for it (RFC 7672 section
 * 3.2.3), and only where it may. */
static void test_common_name(void **state)
{
    static const struct trial trials[] = {
        {{.subject = "mx.example.org"}, {DNS, "mx.example.org"}, true, "CN mx.example.org"},
        {{.subject = "*.example.org"}, {DNS, "mx.example.org"}, true, NULL},
        {{.subject = "mx.example.org", .names = "email:a@example.org"},
         {DNS, "mx.example.org"},
         true,
         NULL},
        {{.subject = "mx.example.org", .names = "DNS:other.example"},
         {DNS, "mx.example.org"},
         false,
         "other.example"},
        /* A DNS-ID that is none is one all the same. */
        {{.subject = "mx.example.org", .names = "DNS:a b"}, {DNS, "mx.example.org"}, false, NULL},
        {{.subject = "mx.example.org", .names = SRV_NAME("_imap.example.org")},
         {DNS, "mx.example.org"},
         false,
         NULL},
        {{.subject = "mx.example.org", .names = XMPP_NAME("example.org")},
         {DNS, "mx.example.org"},
         false,
         NULL},
        /* Of several the last, and only the last. */
        {{.subject = "a.example", .common = {"mx.example.org"}},
         {DNS, "mx.example.org"},
         true,
         NULL},
        {{.subject = "mx.example.org", .common = {"a.example"}},
         {DNS, "mx.example.org"},
         false,
         NULL},
        {{.subject = "mx.example.org"}, {XMPP, "mx.example.org"}, false, NULL},
        {{.subject = "mx example"}, {DNS, "mx.example"}, false, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0]);
    struct dane_names_match found;
    char why[DANE_NAMES_TEXT];
    assert_int_equal(match(&(struct certificate_spec){.subject = "mx.example.org"},
                           &(struct dane_reference){DNS, "mx.example.org"}, 1, false, &found, why),
                     BASE_EMISMATCH);
}

/* Extensions made by hand: NULs, strange octets, garbage. */
static void test_raw(void **state)
{
    static const uint8_t nul[] = {0x30, 0x15, 0x82, 0x13, 'm', 'x', '.', 'e', 'x', 'a', 'm', 'p',
                                  'l',  'e',  '.',  'o',  'r', 'g', 0,   '.', 'e', 'v', 'l'};
    static const uint8_t nul_last[] = {0x30, 0x11, 0x82, 0x0f, 'm', 'x', '.', 'e', 'x', 'a',
                                       'm',  'p',  'l',  'e',  '.', 'o', 'r', 'g', 0};
    static const uint8_t nul_first[] = {0x30, 0x11, 0x82, 0x0f, 0,   'm', 'x', '.', 'e', 'x',
                                        'a',  'm',  'p',  'l',  'e', '.', 'o', 'r', 'g'};
    static const uint8_t high[] = {0x30, 0x06, 0x82, 0x04, 'm', 0xfc, '.', 'o'};
    static const uint8_t empty_name[] = {0x30, 0x02, 0x82, 0x00};
    static const uint8_t empty_list[] = {0x30, 0x00};
    static const uint8_t cut_short[] = {0x30, 0x11, 0x82, 0x0e, 'm', 'x'};
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    static const uint8_t short_address[] = {0x30, 0x05, 0x87, 0x03, 192, 0, 2};
    static const struct {
        const uint8_t *data;
        size_t length;
    } all[] = {
        {nul, sizeof nul},        {nul_last, sizeof nul_last},     {nul_first, sizeof nul_first},
        {high, sizeof high},      {empty_name, sizeof empty_name}, {cut_short, sizeof cut_short},
        {garbage, sizeof garbage}};
    static const struct dane_reference references[] = {{DNS, "mx.example.org"},
                                                       {DNS, ""},
                                                       {XMPP, "mx.example.org"},
                                                       {SRV, "mx.example.org"},
                                                       {ADDR, "192.0.2.0"}};
    struct dane_names_match found;
    char why[DANE_NAMES_TEXT];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        /* The common name would fit, if it were to count. */
        struct certificate_spec spec = {
            .subject = "mx.example.org", .raw_names = all[i].data, .raw_length = all[i].length};
        assert_int_equal(match(&spec, references, 5, true, &found, why), BASE_EMISMATCH);
        assert_int_equal(match(&spec, references, 5, true, &found, NULL), BASE_EMISMATCH);
    }
    struct certificate_spec address = {.raw_names = short_address,
                                       .raw_length = sizeof short_address};
    assert_int_equal(match(&address, references, 5, true, &found, why), BASE_EMISMATCH);
    struct certificate_spec none = {
        .subject = "mx.example.org", .raw_names = empty_list, .raw_length = sizeof empty_list};
    assert_int_equal(match(&none, references, 5, true, &found, why), BASE_OK);
    /* Two extensions of the kind: none counts, and so does no common name. */
    struct certificate_spec two = {.subject = "mx.example.org",
                                   .names = "DNS:mx.example.org",
                                   .raw_names = empty_list,
                                   .raw_length = sizeof empty_list};
    assert_int_equal(match(&two, references, 5, true, &found, why), BASE_EMISMATCH);
    assert_int_equal(dane_names_match(garbage, sizeof garbage, references, 5, true, &found, why),
                     BASE_EFORMAT);
    assert_int_equal(dane_names_match(garbage, 0, references, 5, true, &found, why), BASE_EFORMAT);
}

static void test_many(void **state)
{
    size_t size = 64 * 3000;
    char *names = malloc(size);
    size_t at = 0;
    for (int i = 0; i < 2000; i++)
        at += (size_t)snprintf(names + at, size - at, "%sDNS:host%d.example.org", i ? "," : "", i);
    struct dane_reference references[] = {{DNS, "none.example.org"}, {DNS, "host999.example.org"}};
    struct dane_names_match found;
    char why[DANE_NAMES_TEXT];
    assert_int_equal(
        match(&(struct certificate_spec){.names = names}, references, 2, true, &found, why),
        BASE_OK);
    assert_int_equal(found.reference, 1);
    assert_int_equal(
        match(&(struct certificate_spec){.names = names}, references, 1, true, &found, why),
        BASE_EMISMATCH);
    assert_true(strlen(why) > 200 && strlen(why) < DANE_NAMES_TEXT);
    free(names);
}

static void test_domains(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *ascii;
    } trials[] = {
        {"example.org", BASE_OK, "example.org"},
        {"Example.ORG.", BASE_OK, "example.org"},
        {"b\xc3\xbc"
         "cher.example",
         BASE_OK, "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.example",
         BASE_OK, "xn--bcher-kva.example"},
        {"stra\xc3\x9f"
         "e.example",
         BASE_OK, "xn--strae-oqa.example"},
        {"xn--bcher-kva.example", BASE_OK, "xn--bcher-kva.example"},
        {"_25._tcp.mx.example", BASE_OK, "_25._tcp.mx.example"},
        {"", BASE_EFORMAT, NULL},
        {".", BASE_EFORMAT, NULL},
        {"a..b", BASE_EFORMAT, NULL},
        {".a", BASE_EFORMAT, NULL},
        {"a b", BASE_EFORMAT, NULL},
        {"a/b", BASE_EFORMAT, NULL},
        {"a\nb", BASE_EFORMAT, NULL},
        {"*.example", BASE_EFORMAT, NULL},
        {"user@example", BASE_EFORMAT, NULL},
        {"\xff\xfe.example", BASE_EFORMAT, NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", BASE_ERANGE,
         NULL},
    };
    char out[DANE_DOMAIN_MAX];
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        int status = dane_domain_to_ascii(trials[i].text, out);
        if (status != trials[i].status || (status == BASE_OK && strcmp(out, trials[i].ascii) != 0))
            fail_msg("\"%s\": %d %s", trials[i].text, status, status == BASE_OK ? out : "");
    }
    char longest[300] = "";
    for (size_t i = 0; i < 127; i++)
        strcat(longest, i < 126 ? "a." : "a");
    assert_int_equal(dane_domain_to_ascii(longest, out), BASE_OK);
    strcat(longest, "a");
    assert_int_equal(dane_domain_to_ascii(longest, out), BASE_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns),          cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_srv_and_xmpp), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_common_name),  cmocka_unit_test(test_raw),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_domains),
    };
    key = EVP_EC_gen("P-256");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(key);
    return failed;
}
