/* Checks of the records that are lists of tags: DMARC (RFC 7489), DKIM (RFC 6376), MTA-STS
 * (RFC 8461) and TLSRPT (RFC 8460). */
#include "zone/check_text.h"

#include "base/codec.h"

#include <string.h>

#define SAY_SPAN(check, code, rr, format, span)                                                    \
    CHECK_SAY(check, code, rr, format, check_span_width(span), (span).text)

static bool is_one_of(struct check_span value, const char *const *choices)
{
    for (; *choices != NULL; choices++) {
        if (check_span_is(value, *choices))
            return true;
    }
    return false;
}

/* True when the span is a decimal number of at most `max`. */
static bool is_number(struct check_span value, uint64_t max)
{
    uint64_t number = 0;
    if (value.length == 0 || value.length > 10)
        return false;
    for (size_t i = 0; i < value.length; i++) {
        if (value.text[i] < '0' || value.text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(value.text[i] - '0');
    }
    return number <= max;
}

/* Is the domain of a report address one with the zone, or above it? No list of public suffixes is
 * asked: what is neither above nor below the zone is foreign. */
static bool is_own_domain(const struct check *check, struct check_span domain)
{
    static const uint8_t root[1] = {0};
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(name, &length, domain.text, domain.length, root) != 0)
        return false;
    return dns_name_within(name, check->zone->apex) || dns_name_within(check->zone->apex, name);
}

/* A list of report addresses. False when one is malformed; *outside is set to a foreign domain. */
static bool is_report_list(const struct check *check, struct check_span list, bool https,
                           struct check_span *outside)
{
    struct check_span uri;
    while (check_cut(&list, ',', &uri)) {
        if (https && check_span_starts(uri, "https://") && uri.length > 8)
            continue;
        if (!check_span_starts(uri, "mailto:"))
            return false;
        const char *at = memrchr(uri.text, '@', uri.length);
        if (at == NULL || at == uri.text + 7)
            return false;
        struct check_span domain = {at + 1, uri.length - (size_t)(at + 1 - uri.text)};
        const char *size = memchr(domain.text, '!', domain.length);
        const char *query = memchr(domain.text, '?', domain.length);
        const char *end = size != NULL ? size : query;
        if (end != NULL)
            domain.length = (size_t)(end - domain.text);
        if (domain.length == 0)
            return false;
        if (!is_own_domain(check, domain))
            *outside = domain;
    }
    return true;
}

/* Values of the tags of DMARC; NULL: looked at elsewhere, or anything. */
static const char *const policies[] = {"none", "quarantine", "reject", NULL};
static const char *const alignments[] = {"r", "s", NULL};
static const char *const yes_no[] = {"y", "n", "u", NULL};
static const struct {
    const char *name;
    const char *const *choices;
} dmarc_tags[] = {
    {"v", NULL},   {"p", policies},       {"sp", policies},     {"np", policies}, {"rua", NULL},
    {"ruf", NULL}, {"adkim", alignments}, {"aspf", alignments}, {"fo", NULL},     {"pct", NULL},
    {"ri", NULL},  {"rf", NULL},          {"psd", yes_no},      {"t", yes_no},
};

static void check_dmarc_report(struct check *check, const struct dns_rr *rr, struct check_span name,
                               struct check_span value)
{
    struct check_span outside = {NULL, 0};
    if (!is_report_list(check, value, false, &outside))
        CHECK_SAY(check, ZONE_DMARC_SYNTAX, rr, "%.*s is not a list of mailto: addresses: \"%.*s\"",
                  check_span_width(name), name.text, check_span_width(value), value.text);
    else if (outside.text != NULL)
        CHECK_SAY(check, ZONE_DMARC_EXTERNAL, rr,
                  "reports go to \"%.*s\", which is not in this "
                  "zone",
                  check_span_width(outside), outside.text);
}

static void check_dmarc_tag(struct check *check, const struct dns_rr *rr, struct check_span name,
                            struct check_span value)
{
    size_t i = 0, count = sizeof(dmarc_tags) / sizeof(dmarc_tags[0]);
    while (i < count && !check_span_is(name, dmarc_tags[i].name))
        i++;
    if (i == count) {
        SAY_SPAN(check, ZONE_DMARC_SYNTAX, rr, "\"%.*s\" is no tag of DMARC", name);
        return;
    }
    bool good = dmarc_tags[i].choices == NULL || is_one_of(value, dmarc_tags[i].choices);
    if (check_span_is(name, "pct"))
        good = is_number(value, 100);
    else if (check_span_is(name, "ri"))
        good = is_number(value, UINT32_MAX);
    if (!good)
        CHECK_SAY(check, ZONE_DMARC_SYNTAX, rr,
                  "the tag %.*s has the value \"%.*s\", which it "
                  "cannot have",
                  check_span_width(name), name.text, check_span_width(value), value.text);
    else if (check_span_is(name, "rua") || check_span_is(name, "ruf"))
        check_dmarc_report(check, rr, name, value);
}

void check_dmarc_text(struct check *check, const struct dns_rr *rr, const struct check_string *text)
{
    struct check_span rest = {text->data, text->length}, piece, name, value;
    bool policy = false;
    unsigned index = 0;
    for (; check_cut(&rest, ';', &piece); index++) {
        if (piece.length == 0)
            continue;
        if (!check_tag(piece, &name, &value)) {
            SAY_SPAN(check, ZONE_DMARC_SYNTAX, rr, "\"%.*s\" is not a tag and a value", piece);
            continue;
        }
        if (index == 0 && !(check_span_is(name, "v") && value.length == 6 &&
                            memcmp(value.text, "DMARC1", 6) == 0)) {
            SAY_SPAN(check, ZONE_DMARC_SYNTAX, rr,
                     "the record starts with \"%.*s\" and not with "
                     "v=DMARC1",
                     piece);
            return;
        }
        policy = policy || check_span_is(name, "p");
        check_dmarc_tag(check, rr, name, value);
    }
    if (!policy)
        CHECK_SAY(check, ZONE_DMARC_SYNTAX, rr, "the record has no policy (p=)");
}

/* Takes white space out of base64 and decodes it. False when it is none, or too long. */
static bool decode_key(struct check_span text, uint8_t *key, size_t capacity, size_t *length)
{
    char packed[CHECK_STRING_MAX];
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] != ' ' && text.text[i] != '\t')
            packed[count++] = text.text[i];
    }
    return base_base64_decode(key, capacity, length, packed, count) == 0;
}

/* Reads a DER head with this tag; the reader is then at its content. */
static size_t der_head(struct base_reader *reader, uint8_t tag)
{
    if (base_reader_u8(reader) != tag)
        reader->failed = true;
    size_t length = base_reader_u8(reader);
    if (length == 0x81)
        length = base_reader_u8(reader);
    else if (length == 0x82)
        length = base_reader_u16(reader);
    else if (length > 0x82 || length == 0x80)
        reader->failed = true;
    return length;
}

/* Bits of the modulus in a SubjectPublicKeyInfo or RSAPublicKey (RFC 8017 appendix A.1.1); 0 when
 * it is neither. */
static unsigned rsa_bits(const uint8_t *key, size_t length)
{
    struct base_reader reader = base_reader_make(key, length);
    der_head(&reader, 0x30);
    if (base_reader_left(&reader) > 0 && key[reader.at] == 0x30) {
        base_reader_bytes(&reader, der_head(&reader, 0x30)); /* the algorithm */
        der_head(&reader, 0x03);
        base_reader_u8(&reader); /* unused bits */
        der_head(&reader, 0x30);
    }
    size_t modulus = der_head(&reader, 0x02);
    const uint8_t *octets = base_reader_bytes(&reader, modulus);
    if (reader.failed || octets == NULL)
        return 0;
    while (modulus > 0 && *octets == 0) {
        octets++;
        modulus--;
    }
    return (unsigned)modulus * 8;
}

static void check_dkim_key(struct check *check, const struct dns_rr *rr, struct check_span text,
                           bool ed25519)
{
    uint8_t key[CHECK_STRING_MAX];
    size_t length;
    if (text.length == 0)
        return; /* revoked */
    if (!decode_key(text, key, sizeof(key), &length)) {
        CHECK_SAY(check, ZONE_DKIM_SYNTAX, rr, "the key (p=) is not base64");
        return;
    }
    unsigned bits = ed25519 ? 0 : rsa_bits(key, length);
    if (ed25519 ? length != 32 : bits == 0)
        CHECK_SAY(check, ZONE_DKIM_SYNTAX, rr, "the key (p=) of %zu octets is not an %s key",
                  length, ed25519 ? "Ed25519" : "RSA");
    else if (!ed25519 && bits < 1024)
        CHECK_SAY(check, ZONE_DKIM_KEY_SHORT, rr, "the RSA key has %u bits", bits);
}

void check_dkim_text(struct check *check, const struct dns_rr *rr, const struct check_string *text)
{
    static const char *const key_types[] = {"rsa", "ed25519", NULL};
    struct check_span rest = {text->data, text->length}, piece, name, value, key = {NULL, 0};
    bool ed25519 = false;
    for (unsigned index = 0; check_cut(&rest, ';', &piece); index++) {
        if (piece.length == 0)
            continue;
        if (!check_tag(piece, &name, &value)) {
            SAY_SPAN(check, ZONE_DKIM_SYNTAX, rr, "\"%.*s\" is not a tag and a value", piece);
            return;
        }
        if (check_span_is(name, "v") &&
            (index != 0 || value.length != 5 || memcmp(value.text, "DKIM1", 5) != 0))
            SAY_SPAN(check, ZONE_DKIM_SYNTAX, rr, "\"%.*s\" is not \"v=DKIM1\" at the start",
                     piece);
        else if (check_span_is(name, "k") && !is_one_of(value, key_types))
            SAY_SPAN(check, ZONE_DKIM_SYNTAX, rr, "\"%.*s\" is no key type of DKIM", value);
        else if (check_span_is(name, "k"))
            ed25519 = check_span_is(value, "ed25519");
        else if (check_span_is(name, "p"))
            key = value;
    }
    if (key.text == NULL)
        CHECK_SAY(check, ZONE_DKIM_SYNTAX, rr, "the record has no key (p=)");
    else
        check_dkim_key(check, rr, key, ed25519);
}

static bool is_policy_id(struct check_span value)
{
    for (size_t i = 0; i < value.length; i++) {
        if (!check_is_alnum(value.text[i]))
            return false;
    }
    return value.length >= 1 && value.length <= 32;
}

/* The first tag must be "v=" and the version, in this case of letters. */
static bool has_version(struct check_span *rest, const char *version)
{
    struct check_span piece, name, value;
    return check_cut(rest, ';', &piece) && check_tag(piece, &name, &value) &&
           check_span_is(name, "v") && value.length == strlen(version) &&
           memcmp(value.text, version, value.length) == 0;
}

/* Finds a tag among those left. */
static bool find_tag(struct check_span rest, const char *wanted, struct check_span *value)
{
    struct check_span piece, name;
    while (check_cut(&rest, ';', &piece)) {
        if (piece.length > 0 && check_tag(piece, &name, value) && check_span_is(name, wanted))
            return true;
    }
    return false;
}

void check_mta_sts_text(struct check *check, const struct dns_rr *rr,
                        const struct check_string *text)
{
    struct check_span rest = {text->data, text->length}, id;
    if (!has_version(&rest, "STSv1"))
        CHECK_SAY(check, ZONE_MTA_STS_SYNTAX, rr, "the record does not start with v=STSv1;");
    else if (!find_tag(rest, "id", &id))
        CHECK_SAY(check, ZONE_MTA_STS_SYNTAX, rr, "the record has no id=");
    else if (!is_policy_id(id))
        SAY_SPAN(check, ZONE_MTA_STS_SYNTAX, rr,
                 "the id \"%.*s\" is not 1 to 32 letters and "
                 "digits",
                 id);
}

void check_tlsrpt_text(struct check *check, const struct dns_rr *rr,
                       const struct check_string *text)
{
    struct check_span rest = {text->data, text->length}, list, outside;
    if (!has_version(&rest, "TLSRPTv1"))
        CHECK_SAY(check, ZONE_TLSRPT_SYNTAX, rr, "the record does not start with v=TLSRPTv1;");
    else if (!find_tag(rest, "rua", &list))
        CHECK_SAY(check, ZONE_TLSRPT_SYNTAX, rr, "the record has no rua=");
    else if (!is_report_list(check, list, true, &outside))
        SAY_SPAN(check, ZONE_TLSRPT_SYNTAX, rr,
                 "rua is not a list of mailto: and https: "
                 "addresses: \"%.*s\"",
                 list);
}
