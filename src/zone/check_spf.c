/* Checks of SPF records (RFC 7208). */
#include "zone/check_text.h"

#include <arpa/inet.h>
#include <string.h>

#define LOOKUPS_MAX 10 /* RFC 7208 section 4.6.4 */

/* What is known of a record while its terms are read. */
struct spf {
    struct check *check;
    const struct dns_rr *rr;
    unsigned lookups;
    unsigned redirects, explanations;
    bool all;
    bool after_all; /* a mechanism behind "all" */
};

/* Octets of the macro at the start of `text` (RFC 7208 section 7.1); 0 when it is malformed. */
static size_t macro_length(struct check_span text)
{
    if (text.length < 2)
        return 0;
    if (text.text[1] == '%' || text.text[1] == '_' || text.text[1] == '-')
        return 2;
    if (text.text[1] != '{' || text.length < 4 ||
        strchr("slodiphcrtv", dns_lower[(uint8_t)text.text[2]]) == NULL)
        return 0;
    size_t at = 3;
    while (at < text.length && text.text[at] >= '0' && text.text[at] <= '9')
        at++;
    if (at < text.length && dns_lower[(uint8_t)text.text[at]] == 'r')
        at++;
    while (at < text.length && text.text[at] != 0 && strchr(".-+,/_=", text.text[at]) != NULL)
        at++;
    return at < text.length && text.text[at] == '}' ? at + 1 : 0;
}

/* ".toplabel" at the end: letters, digits, hyphens, not only digits. */
static bool ends_in_top_label(struct check_span text)
{
    if (text.length > 0 && text.text[text.length - 1] == '.')
        text.length--;
    size_t at = text.length;
    bool letter = false;
    while (at > 0 && (check_is_alnum(text.text[at - 1]) || text.text[at - 1] == '-')) {
        at--;
        letter = letter || text.text[at] < '0' || text.text[at] > '9';
    }
    return letter && at > 0 && at < text.length && text.text[at - 1] == '.' &&
           text.text[at] != '-' && text.text[text.length - 1] != '-';
}

/* domain-spec: visible characters and macros, ending in a top label or a macro. */
static bool is_domain_spec(struct check_span text)
{
    bool macro_last = false;
    for (size_t at = 0; at < text.length;) {
        macro_last = text.text[at] == '%';
        size_t step = 1;
        if (macro_last)
            step = macro_length((struct check_span){text.text + at, text.length - at});
        else if (text.text[at] < 0x21 || text.text[at] > 0x7e)
            return false;
        if (step == 0)
            return false;
        at += step;
    }
    return text.length > 0 && (macro_last || ends_in_top_label(text));
}

/* A decimal number without leading zero, at most `max`. */
static bool is_prefix_length(struct check_span text, unsigned max)
{
    unsigned value = 0;
    if (text.length == 0 || text.length > 3 || (text.length > 1 && text.text[0] == '0'))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.text[i] - '0');
    }
    return value <= max;
}

static bool is_network(int family, struct check_span text)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t octets[16];
    const char *slash = memchr(text.text, '/', text.length);
    size_t length = slash != NULL ? (size_t)(slash - text.text) : text.length;
    if (length == 0 || length >= sizeof(address))
        return false;
    memcpy(address, text.text, length);
    address[length] = 0;
    if (inet_pton(family, address, octets) != 1)
        return false;
    return slash == NULL ||
           is_prefix_length((struct check_span){slash + 1, text.length - length - 1},
                            family == AF_INET ? 32 : 128);
}

/* "[/n][//m]" as "a" and "mx" may have behind the domain. */
static bool is_dual_prefix(struct check_span text)
{
    if (text.length == 0)
        return true;
    if (text.length >= 2 && text.text[1] == '/')
        return is_prefix_length((struct check_span){text.text + 2, text.length - 2}, 128);
    struct check_span four = {text.text + 1, text.length - 1};
    const char *second = memchr(four.text, '/', four.length);
    if (second == NULL)
        return is_prefix_length(four, 32);
    four.length = (size_t)(second - four.text);
    struct check_span rest = {second, text.length - 1 - four.length};
    return is_prefix_length(four, 32) && rest.length >= 2 && rest.text[1] == '/' &&
           is_prefix_length((struct check_span){rest.text + 2, rest.length - 2}, 128);
}

/* "[:domain][/n][//m]" */
static bool is_host_part(struct check_span text)
{
    struct check_span domain = {text.text, 0};
    const char *slash = NULL;
    if (text.length > 0 && text.text[0] == ':') {
        domain.text++;
        /* A slash inside of a macro is no prefix length. */
        for (size_t i = text.length; i-- > 1 && text.text[i] != '}';) {
            if (text.text[i] == '/')
                slash = text.text + i;
        }
        domain.length = slash != NULL ? (size_t)(slash - domain.text) : text.length - 1;
        if (!is_domain_spec(domain))
            return false;
    } else if (text.length > 0) {
        slash = text.text;
    }
    if (slash == NULL)
        return true;
    if (*slash != '/')
        return false;
    return is_dual_prefix((struct check_span){slash, text.length - (size_t)(slash - text.text)});
}

enum argument { NO_ARGUMENT, DOMAIN, OPTIONAL_DOMAIN, HOST, NETWORK4, NETWORK6 };

static const struct mechanism {
    const char *name;
    enum argument argument;
    bool lookup;
} mechanisms[] = {
    {"all", NO_ARGUMENT, false}, {"include", DOMAIN, true},      {"a", HOST, true},
    {"mx", HOST, true},          {"ptr", OPTIONAL_DOMAIN, true}, {"ip4", NETWORK4, false},
    {"ip6", NETWORK6, false},    {"exists", DOMAIN, true},
};

static bool argument_fits(enum argument argument, struct check_span text)
{
    struct check_span behind = {text.text + 1, text.length > 0 ? text.length - 1 : 0};
    bool colon = text.length > 0 && text.text[0] == ':';
    switch (argument) {
    case NO_ARGUMENT:
        return text.length == 0;
    case DOMAIN:
        return colon && is_domain_spec(behind);
    case OPTIONAL_DOMAIN:
        return text.length == 0 || (colon && is_domain_spec(behind));
    case HOST:
        return is_host_part(text);
    case NETWORK4:
        return colon && is_network(AF_INET, behind);
    case NETWORK6:
        return colon && is_network(AF_INET6, behind);
    }
    return false;
}

static const struct mechanism *mechanism_of(struct check_span name)
{
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (check_span_is(name, mechanisms[i].name))
            return &mechanisms[i];
    }
    return NULL;
}

static void read_mechanism(struct spf *spf, struct check_span term)
{
    struct check *check = spf->check;
    char qualifier = '+';
    struct check_span name = term;
    if (strchr("+-~?", name.text[0]) != NULL) {
        qualifier = name.text[0];
        name.text++;
        name.length--;
    }
    struct check_span whole = name;
    name.length = 0;
    while (name.length < whole.length && check_is_alnum(whole.text[name.length]))
        name.length++;
    const struct mechanism *mechanism = mechanism_of(name);
    struct check_span argument = {whole.text + name.length, whole.length - name.length};
    if (mechanism == NULL || !argument_fits(mechanism->argument, argument)) {
        CHECK_SAY(check, ZONE_SPF_SYNTAX, spf->rr, "\"%.*s\" is %s", check_span_width(term),
                  term.text, mechanism == NULL ? "no mechanism of SPF" : "malformed");
        return;
    }
    spf->after_all = spf->after_all || spf->all;
    spf->lookups += mechanism->lookup;
    if (mechanism->argument == NO_ARGUMENT) {
        spf->all = true;
        if (qualifier == '+')
            CHECK_SAY(check, ZONE_SPF_PASS_ALL, spf->rr, "\"%.*s\" lets everybody send",
                      check_span_width(term), term.text);
    } else if (mechanism->argument == OPTIONAL_DOMAIN) {
        CHECK_SAY(check, ZONE_SPF_PTR, spf->rr, "the mechanism \"%.*s\" is used",
                  check_span_width(term), term.text);
    }
}

static void read_modifier(struct spf *spf, struct check_span term, struct check_span name,
                          struct check_span value)
{
    struct check *check = spf->check;
    bool redirect = check_span_is(name, "redirect"), explanation = check_span_is(name, "exp");
    spf->redirects += redirect;
    spf->explanations += explanation;
    if ((redirect || explanation) && !is_domain_spec(value))
        CHECK_SAY(check, ZONE_SPF_SYNTAX, spf->rr, "\"%.*s\" is malformed", check_span_width(term),
                  term.text);
    else if (mechanism_of(name) != NULL)
        CHECK_SAY(check, ZONE_SPF_SYNTAX, spf->rr,
                  "\"%.*s\" has = where a mechanism has :, and is "
                  "ignored",
                  check_span_width(term), term.text);
    if (spf->redirects > 1 || spf->explanations > 1)
        CHECK_SAY(check, ZONE_SPF_SYNTAX, spf->rr, "the modifier \"%.*s\" is there twice",
                  check_span_width(name), name.text);
}

/* Modifiers are a name and "=", with no ":" or "/" before it. */
static bool is_modifier_name(struct check_span name)
{
    if (name.length == 0 || !check_is_alnum(name.text[0]) ||
        (name.text[0] >= '0' && name.text[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.length; i++) {
        if (!check_is_alnum(name.text[i]) && strchr("-_.", name.text[i]) == NULL)
            return false;
    }
    return true;
}

static void say_spf(const struct spf *spf)
{
    struct check *check = spf->check;
    unsigned lookups = spf->lookups + (spf->redirects > 0 && !spf->all);
    if (lookups > LOOKUPS_MAX)
        CHECK_SAY(check, ZONE_SPF_LOOKUPS, spf->rr,
                  "the record asks for %u look-ups, not counting "
                  "those of included records; %u are allowed",
                  lookups, LOOKUPS_MAX);
    if (!spf->all && spf->redirects == 0)
        CHECK_SAY(check, ZONE_SPF_NO_ALL, spf->rr, "the record has neither all nor redirect");
    if (spf->after_all || (spf->all && spf->redirects > 0))
        CHECK_SAY(check, ZONE_SPF_AFTER_ALL, spf->rr,
                  "the record has %s beside \"all\", which is "
                  "never looked at",
                  spf->after_all ? "a mechanism" : "a redirect");
}

void check_spf_text(struct check *check, const struct dns_rr *rr, const struct check_string *text)
{
    struct spf spf = {.check = check, .rr = rr};
    struct check_span rest = {text->data + 6, text->length - 6}, term, name, value;
    while (check_cut(&rest, ' ', &term)) {
        if (term.length == 0)
            continue;
        if (check_tag(term, &name, &value) && is_modifier_name(name))
            read_modifier(&spf, term, name, value);
        else
            read_mechanism(&spf, term);
    }
    say_spf(&spf);
}
