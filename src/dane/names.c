/*
 * Names in certificates, compared with those that the peer should have.
 */
#include "dane/verify_parts.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_OCTETS 253

/* The two kinds of otherName; OpenSSL 3.0 knows both. */
static bool is_other(const OTHERNAME *other, int nid)
{
    return OBJ_obj2nid(other->type_id) == nid;
}

/* A name made of letters, digits, hyphens, underscores and dots only: nothing that text functions
 * could be led astray by. Lower case in `out`, without final dot. */
static bool plain_name(const unsigned char *data, int length, char out[NAME_MAX_OCTETS + 1],
                       bool star)
{
    if (length > 0 && data[length - 1] == '.')
        length--;
    if (length <= 0 || length > NAME_MAX_OCTETS || data[length - 1] == '.')
        return false;
    for (int i = 0; i < length; i++) {
        unsigned char c = data[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c | 0x20);
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                    c == '.' || (star && c == '*' && i == 0 && length > 1 && data[1] == '.');
        if (!good || (c == '.' && (i == 0 || data[i - 1] == '.')))
            return false;
        out[i] = (char)c;
    }
    out[length] = '\0';
    return true;
}

/* "*.example.org" fits "mx.example.org" and no other depth; what is behind the star has two labels
 * at least, so that nobody speaks for a whole top-level domain. */
static bool dns_fits(const char *pattern, const char *name)
{
    if (pattern[0] != '*')
        return strcmp(pattern, name) == 0;
    const char *rest = strchr(name, '.');
    return rest && rest != name && strchr(pattern + 2, '.') && strcmp(pattern + 1, rest) == 0;
}

struct search {
    const struct dane_reference *references;
    size_t count;
    struct dane_names_match *match;
    char *why; /* what the certificate is for, so far */
    size_t used;
    bool found, any_dns;
};

static void mention(struct search *search, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void mention(struct search *search, const char *format, ...)
{
    if (!search->why || search->used + 1 >= DANE_NAMES_TEXT)
        return;
    va_list args;
    va_start(args, format);
    if (search->used > 0)
        search->used +=
            (size_t)snprintf(search->why + search->used, DANE_NAMES_TEXT - search->used, ", ");
    if (search->used + 1 < DANE_NAMES_TEXT) {
        int written =
            vsnprintf(search->why + search->used, DANE_NAMES_TEXT - search->used, format, args);
        search->used += written > 0 ? (size_t)written : 0;
    }
    va_end(args);
}

static void found(struct search *search, size_t reference, const char *kind, const char *name)
{
    if (search->found)
        return;
    search->found = true;
    search->match->reference = reference;
    snprintf(search->match->identity, sizeof search->match->identity, "%s %s", kind, name);
}

static void try_dns(struct search *search, const ASN1_IA5STRING *text, const char *kind)
{
    char name[NAME_MAX_OCTETS + 1];
    if (!plain_name(ASN1_STRING_get0_data(text), ASN1_STRING_length(text), name, true))
        return;
    mention(search, "%s", name);
    for (size_t i = 0; i < search->count; i++) {
        const struct dane_reference *reference = &search->references[i];
        if (reference->kind == DANE_REFERENCE_DNS && dns_fits(name, reference->name))
            found(search, i, kind, name);
    }
}

static void try_address(struct search *search, const ASN1_OCTET_STRING *octets)
{
    int length = ASN1_STRING_length(octets);
    char text[INET6_ADDRSTRLEN];
    if ((length != 4 && length != 16) ||
        !inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text,
                   sizeof text))
        return;
    mention(search, "%s", text);
    for (size_t i = 0; i < search->count; i++) {
        unsigned char wanted[16];
        const struct dane_reference *reference = &search->references[i];
        if (reference->kind == DANE_REFERENCE_ADDRESS &&
            inet_pton(length == 4 ? AF_INET : AF_INET6, reference->name, wanted) == 1 &&
            memcmp(wanted, ASN1_STRING_get0_data(octets), (size_t)length) == 0)
            found(search, i, "address", text);
    }
}

/* "_xmpp-server.example.org" (RFC 4985): the service in any case, the name as a host's. */
static void try_srv(struct search *search, const ASN1_TYPE *value)
{
    char name[NAME_MAX_OCTETS + 1];
    if (value->type != V_ASN1_IA5STRING ||
        !plain_name(ASN1_STRING_get0_data(value->value.ia5string),
                    ASN1_STRING_length(value->value.ia5string), name, false))
        return;
    mention(search, "SRV-ID %s", name);
    for (size_t i = 0; i < search->count; i++) {
        if (search->references[i].kind == DANE_REFERENCE_SRV &&
            strcmp(name, search->references[i].name) == 0)
            found(search, i, "SRV-ID", name);
    }
}

static void try_xmpp(struct search *search, const ASN1_TYPE *value)
{
    if (value->type != V_ASN1_UTF8STRING)
        return;
    const ASN1_STRING *string = value->value.utf8string;
    int length = ASN1_STRING_length(string);
    char text[NAME_MAX_OCTETS + 1], name[DANE_DOMAIN_MAX];
    if (length <= 0 || length > NAME_MAX_OCTETS)
        return;
    memcpy(text, ASN1_STRING_get0_data(string), (size_t)length);
    text[length] = '\0';
    if (strlen(text) != (size_t)length || dane_domain_to_ascii(text, name) != BASE_OK)
        return;
    mention(search, "XmppAddr %s", name);
    for (size_t i = 0; i < search->count; i++) {
        if (search->references[i].kind == DANE_REFERENCE_XMPP &&
            strcmp(name, search->references[i].name) == 0)
            found(search, i, "XmppAddr", name);
    }
}

static void try_names(struct search *search, const GENERAL_NAMES *names)
{
    enum { MOST = 1000 }; /* names looked at: a certificate may have as many as fit */
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < MOST; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        switch (name->type) {
        case GEN_DNS:
            search->any_dns = true;
            try_dns(search, name->d.dNSName, "DNS-ID");
            break;
        case GEN_IPADD:
            try_address(search, name->d.iPAddress);
            break;
        case GEN_OTHERNAME:
            if (is_other(name->d.otherName, NID_SRVName)) {
                search->any_dns = true;
                try_srv(search, name->d.otherName->value);
            } else if (is_other(name->d.otherName, NID_XmppAddr)) {
                search->any_dns = true;
                try_xmpp(search, name->d.otherName->value);
            }
            break;
        default:
            break;
        }
    }
}

/* The last common name of the subject: the most specific one (RFC 6125 section 6.4.4). */
static void try_common_name(struct search *search, X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int last = -1, next;
    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
        last = next;
    if (last < 0)
        return;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
    int type = ASN1_STRING_type(text);
    if (type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING || type == V_ASN1_IA5STRING ||
        type == V_ASN1_T61STRING)
        try_dns(search, text, "CN");
}

int verify_names(X509 *certificate, const struct dane_reference *references, size_t count,
                 bool common_name, struct dane_names_match *match, char why[DANE_NAMES_TEXT])
{
    struct search search = {.references = references, .count = count, .match = match, .why = why};
    int critical;
    if (why)
        why[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names)
        try_names(&search, names);
    GENERAL_NAMES_free(names);
    /* An extension that is there but malformed or doubled (critical is not -1) is no reason to
     * believe the common name instead. */
    if (common_name && !search.any_dns && (names || critical == -1))
        try_common_name(&search, certificate);
    if (why && search.used == 0)
        snprintf(why, DANE_NAMES_TEXT, "no name at all");
    return search.found ? BASE_OK : BASE_EMISMATCH;
}

int dane_names_match(const uint8_t *certificate, size_t length,
                     const struct dane_reference *references, size_t count, bool common_name,
                     struct dane_names_match *match, char why[DANE_NAMES_TEXT])
{
    const unsigned char *at = certificate;
    X509 *parsed = length <= INT32_MAX ? d2i_X509(NULL, &at, (long)length) : NULL;
    int status = parsed && at == certificate + length
                     ? verify_names(parsed, references, count, common_name, match, why)
                     : BASE_EFORMAT;
    X509_free(parsed);
    ERR_clear_error();
    return status;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

int dane_domain_to_ascii(const char *text, char out[DANE_DOMAIN_MAX])
{
    char *converted = NULL;
    if (strlen(text) > 4 * DANE_DOMAIN_MAX)
        return BASE_ERANGE;
    if (!is_ascii(text)) {
        int status = idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&converted,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (status != IDN2_OK)
            return status == IDN2_TOO_BIG_DOMAIN || status == IDN2_TOO_BIG_LABEL ? BASE_ERANGE
                                                                                 : BASE_EFORMAT;
        text = converted;
    }
    size_t length = strlen(text);
    char name[NAME_MAX_OCTETS + 1];
    size_t final_dot = length > 0 && text[length - 1] == '.';
    int status = length - final_dot > NAME_MAX_OCTETS ? BASE_ERANGE : BASE_OK;
    if (status == BASE_OK && !plain_name((const unsigned char *)text, (int)length, name, false))
        status = BASE_EFORMAT;
    idn2_free(converted);
    for (const char *label = name; status == BASE_OK && label;) {
        const char *end = strchr(label, '.');
        if ((end ? (size_t)(end - label) : strlen(label)) > 63)
            status = BASE_ERANGE;
        label = end ? end + 1 : NULL;
    }
    if (status == BASE_OK)
        memcpy(out, name, strlen(name) + 1);
    return status;
}
