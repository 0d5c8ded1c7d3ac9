/*
 * Reading, writing and comparing socket addresses.
 */
#include "net/address.h"

#include "base/error.h"
#include "base/reader.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Splits "host", "host@port", "host:port", "[host]", "[host]:port", "[host]@port". `port` is left
 * NULL when there is none. */
static int split(const char *text, char *host, size_t room, const char **port)
{
    const char *end;
    *port = NULL;
    if (text[0] == '[') {
        text++;
        end = strchr(text, ']');
        if (end == NULL)
            return BASE_EFORMAT;
        if (end[1] == ':' || end[1] == '@')
            *port = end + 2;
        else if (end[1] != '\0')
            return BASE_EFORMAT;
    } else {
        end = strchr(text, '@');
        const char *colon = strchr(text, ':');
        /* One colon parts a port from an IPv4 address; two are of an IPv6 address. */
        if (end == NULL && colon != NULL && strchr(colon + 1, ':') == NULL)
            end = colon;
        if (end != NULL)
            *port = end + 1;
        else
            end = text + strlen(text);
    }
    size_t length = (size_t)(end - text);
    if (length == 0 || length >= room)
        return BASE_EFORMAT;
    memcpy(host, text, length);
    host[length] = '\0';
    return BASE_OK;
}

static int read_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    if (*text == '\0')
        return BASE_EFORMAT;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return BASE_EFORMAT;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > 65535)
            return BASE_EFORMAT;
    }
    *port = (uint16_t)value;
    return BASE_OK;
}

int net_address_parse(const char *text, uint16_t port, union net_address *out)
{
    char host[NET_ADDRESS_TEXT];
    const char *port_text;
    if (split(text, host, sizeof(host), &port_text) != BASE_OK ||
        (port_text != NULL && read_port(port_text, &port) != BASE_OK))
        return BASE_EFORMAT;
    union net_address address;
    memset(&address, 0, sizeof(address));
    char *scope = strchr(host, '%');
    if (scope != NULL)
        *scope++ = '\0';
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1 && scope == NULL) {
        address.v4.sin_family = AF_INET;
    } else {
        memset(&address, 0, sizeof(address));
        if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) != 1)
            return BASE_EFORMAT;
        address.v6.sin6_family = AF_INET6;
        if (scope != NULL && (address.v6.sin6_scope_id = if_nametoindex(scope)) == 0)
            return BASE_EFORMAT;
    }
    net_address_set_port(&address, port);
    *out = address;
    return BASE_OK;
}

void net_address_text(const union net_address *address, char out[NET_ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        snprintf(out, NET_ADDRESS_TEXT, "%s@%u", host, net_address_port(address));
    } else if (address->any.sa_family == AF_INET6) {
        char scope[IF_NAMESIZE] = "";
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        bool scoped = address->v6.sin6_scope_id != 0 &&
                      if_indextoname(address->v6.sin6_scope_id, scope) != NULL;
        snprintf(out, NET_ADDRESS_TEXT, "%s%s%s@%u", host, scoped ? "%" : "", scope,
                 net_address_port(address));
    } else {
        snprintf(out, NET_ADDRESS_TEXT, "unknown");
    }
}

uint16_t net_address_port(const union net_address *address)
{
    /* The port stands at the same place in both. */
    return ntohs(address->v4.sin_port);
}

void net_address_set_port(union net_address *address, uint16_t port)
{
    address->v4.sin_port = htons(port);
}

socklen_t net_address_length(const union net_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

bool net_address_equal(const union net_address *a, const union net_address *b)
{
    if (a->any.sa_family != b->any.sa_family || a->v4.sin_port != b->v4.sin_port)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

bool net_address_wildcard(const union net_address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return address->any.sa_family == AF_INET6 &&
           memcmp(&address->v6.sin6_addr, &in6addr_any, 16) == 0;
}

/* The top `bits` of a word of 64. */
static uint64_t mask(unsigned bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits);
}

struct net_prefix net_address_prefix(const union net_address *address, unsigned v4, unsigned v6)
{
    struct net_prefix prefix = {0, 0};
    if (address->any.sa_family == AF_INET6) {
        const uint8_t *bytes = address->v6.sin6_addr.s6_addr;
        prefix.high = (uint64_t)base_load_u32(bytes) << 32 | base_load_u32(bytes + 4);
        prefix.low = (uint64_t)base_load_u32(bytes + 8) << 32 | base_load_u32(bytes + 12);
        prefix.high &= mask(v6);
        prefix.low &= v6 <= 64 ? 0 : mask(v6 - 64);
    } else {
        /* As the mapped address ::ffff:a.b.c.d, which no client over IPv6 has. */
        uint32_t bits = ntohl(address->v4.sin_addr.s_addr);
        prefix.low = UINT64_C(0xffff00000000) | (bits & (mask(v4 > 32 ? 32 : v4) >> 32));
    }
    return prefix;
}
