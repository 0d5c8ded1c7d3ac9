/* Networks, and whom an access list allows: see config.h. */
#include "base/error.h"
#include "config/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Decimal digits to the end of the text, at most `most`. */
static bool parse_bits(const char *text, unsigned most, unsigned *bits)
{
    unsigned value = 0;
    if (*text == '\0' || strlen(text) > 3)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *bits = value;
    return value <= most;
}

int config_network_parse(const char *text, struct config_match *match)
{
    char address_text[NET_ADDRESS_TEXT];
    union net_address address;
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    memset(&address, 0, sizeof(address));
    if (strcmp(text, "any") == 0) {
        *match = (struct config_match){.family = AF_UNSPEC};
        return BASE_OK;
    }
    if (length >= sizeof(address_text))
        return BASE_EFORMAT;
    memcpy(address_text, text, length);
    address_text[length] = '\0';
    if (inet_pton(AF_INET, address_text, &address.v4.sin_addr) == 1)
        address.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, address_text, &address.v6.sin6_addr) == 1)
        address.any.sa_family = AF_INET6;
    else
        return BASE_EFORMAT;
    unsigned most = address.any.sa_family == AF_INET ? 32 : 128, bits = most;
    if (slash != NULL && !parse_bits(slash + 1, most, &bits))
        return BASE_EFORMAT;
    struct net_prefix whole = net_address_prefix(&address, most, most);
    struct net_prefix prefix = net_address_prefix(&address, bits, bits);
    if (whole.high != prefix.high || whole.low != prefix.low)
        return BASE_EFORMAT;
    *match = (struct config_match){.family = address.any.sa_family, .bits = bits, .prefix = prefix};
    return BASE_OK;
}

static bool in_network(const struct config_match *match, const union net_address *peer)
{
    if (match->family == AF_UNSPEC)
        return true;
    if (match->family != peer->any.sa_family)
        return false;
    struct net_prefix prefix = net_address_prefix(peer, match->bits, match->bits);
    return prefix.high == match->prefix.high && prefix.low == match->prefix.low;
}

bool config_match_holds(const struct config_match *match, const union net_address *peer,
                        const uint8_t *key, const char *identity)
{
    if (!in_network(match, peer))
        return false;
    if (match->key != NULL && (key == NULL || !dns_name_equal(match->key->name, key)))
        return false;
    return match->identity == NULL ||
           (identity != NULL && strcasecmp(match->identity, identity) == 0);
}

bool config_acl_allows(const struct config_acl *acl, const union net_address *peer,
                       const uint8_t *key, const char *identity)
{
    for (size_t i = 0; i < acl->count; i++)
        if (config_match_holds(&acl->matches[i], peer, key, identity))
            return true;
    return false;
}

bool config_update_allows(const struct config_template *as, const struct config_update_client *who,
                          const uint8_t *name, uint16_t type)
{
    for (size_t i = 0; i < as->update_count; i++) {
        const struct config_update_rule *rule = &as->update[i];
        if (!config_match_holds(&rule->who, who->peer, who->key, who->identity))
            continue;
        if ((rule->scope == CONFIG_SCOPE_NAME && !dns_name_equal(name, rule->name)) ||
            (rule->scope == CONFIG_SCOPE_BELOW && !dns_name_within(name, rule->name)))
            continue;
        bool listed = rule->type_count == 0;
        for (size_t t = 0; t < rule->type_count && !listed; t++)
            listed = rule->types[t] == type;
        if (listed)
            return rule->grant;
    }
    return false;
}
