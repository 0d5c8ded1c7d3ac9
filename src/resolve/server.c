/* Servers: reading what people write, and remembering how they did. See internal.h. */
#include "base/error.h"
#include "resolve/internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND   UINT64_C(1000000)
#define AVOID_FIRST   (500 * MILLISECOND) /* after a failure; doubled after each */
#define AVOID_DOUBLES 6

static const struct {
    const char *scheme;
    enum resolve_way way;
    uint16_t port;
} ways[] = {
    {"udp://", RESOLVE_UDP, 53},
    {"tcp://", RESOLVE_TCP, 53},
    {"tls://", RESOLVE_TLS, 853},
    {"https://", RESOLVE_HTTPS, 443},
};

/* The pieces of "tls://dns.example.net@8530#name", "https://[::1]:8443/dns-query#name". */
struct pieces {
    enum resolve_way way;
    uint16_t port;
    char host[256], path[256], name[256];
};

static bool take(char out[256], const char *text, size_t length)
{
    if (length >= 256)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return false;
    }
    return true;
}

static bool split(const char *text, struct pieces *out)
{
    *out = (struct pieces){.way = RESOLVE_UDP, .port = 53, .path = "/dns-query"};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        size_t length = strlen(ways[i].scheme);
        if (strncmp(text, ways[i].scheme, length) != 0)
            continue;
        out->way = ways[i].way;
        out->port = ways[i].port;
        text += length;
        break;
    }
    size_t host = strcspn(text, out->way == RESOLVE_HTTPS ? "/#" : "#");
    const char *rest = text + host;
    size_t path = *rest == '/' ? strcspn(rest, "#") : 0;
    if (host == 0 || !take(out->host, text, host) || (path > 0 && !take(out->path, rest, path)))
        return false;
    rest += path;
    return *rest != '#' || (rest[1] != '\0' && take(out->name, rest + 1, strlen(rest + 1)));
}

/* Takes the port off a name ("dns.example.net:8443", "dns.example.net@853"). */
static bool take_port(struct pieces *pieces)
{
    char *mark = strpbrk(pieces->host, "@:");
    if (mark == NULL)
        return true;
    char *end;
    unsigned long port = strtoul(mark + 1, &end, 10);
    if (end == mark + 1 || *end != '\0' || port == 0 || port > UINT16_MAX || mark == pieces->host)
        return false;
    pieces->port = (uint16_t)port;
    *mark = '\0';
    return true;
}

static void add(const struct pieces *pieces, const union net_address *address,
                struct resolve_server servers[RESOLVE_SERVERS_MAX], size_t *count)
{
    if (*count == RESOLVE_SERVERS_MAX)
        return;
    struct resolve_server *server = &servers[(*count)++];
    char where[NET_ADDRESS_TEXT];
    *server = (struct resolve_server){.way = pieces->way, .address = *address};
    memcpy(server->host, pieces->name, sizeof(server->host));
    memcpy(server->path, pieces->path, sizeof(server->path));
    net_address_text(address, where);
    snprintf(server->text, sizeof(server->text), "%s%s%s%.200s",
             pieces->way == RESOLVE_UDP ? "" : ways[pieces->way].scheme, where,
             pieces->name[0] != '\0' ? "#" : "", pieces->name);
}

static int find_addresses(struct pieces *pieces, char why[RESOLVE_WHY],
                          struct resolve_server servers[RESOLVE_SERVERS_MAX], size_t *count)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(pieces->host, NULL, &hints, &found);
    if (error != 0) {
        snprintf(why, RESOLVE_WHY, "the server \"%.100s\" has no address: %s", pieces->host,
                 gai_strerror(error));
        return BASE_ENOENT;
    }
    if (pieces->name[0] == '\0')
        memcpy(pieces->name, pieces->host, sizeof(pieces->name));
    for (const struct addrinfo *i = found; i != NULL; i = i->ai_next) {
        union net_address address;
        if (i->ai_addrlen > sizeof(address) ||
            (i->ai_family != AF_INET && i->ai_family != AF_INET6))
            continue;
        memset(&address, 0, sizeof(address));
        memcpy(&address, i->ai_addr, i->ai_addrlen);
        net_address_set_port(&address, pieces->port);
        add(pieces, &address, servers, count);
    }
    freeaddrinfo(found);
    return BASE_OK;
}

int resolve_server_read(const char *text, char why[RESOLVE_WHY],
                        struct resolve_server servers[RESOLVE_SERVERS_MAX], size_t *count)
{
    struct pieces pieces;
    union net_address address;
    if (*count == RESOLVE_SERVERS_MAX) {
        snprintf(why, RESOLVE_WHY, "there are more than %d servers", RESOLVE_SERVERS_MAX);
        return BASE_EFORMAT;
    }
    bool good = split(text, &pieces);
    if (good && net_address_parse(pieces.host, pieces.port, &address) == BASE_OK) {
        add(&pieces, &address, servers, count);
        return BASE_OK;
    }
    /* Without TLS a name would be as good as any address that somebody makes up for it. */
    if (good && (pieces.way == RESOLVE_TLS || pieces.way == RESOLVE_HTTPS) && take_port(&pieces))
        return find_addresses(&pieces, why, servers, count);
    snprintf(why, RESOLVE_WHY,
             "\"%.100s\" is no server: an address is needed, or tls:// or https:// and a name",
             text);
    return BASE_EFORMAT;
}

/* --- how they do --- */

uint64_t resolve_server_score(const struct resolve_server *server, uint64_t now)
{
    /* Those to be avoided come last, but come. */
    uint64_t score = server->rtt_us;
    return server->avoid_until > now ? score + (UINT64_C(1) << 40) + server->failures : score;
}

void resolve_server_good(struct resolve_server *server, uint64_t took_ns)
{
    uint64_t took = took_ns / 1000 + 1;
    if (took > UINT32_MAX / 8)
        took = UINT32_MAX / 8;
    server->rtt_us =
        server->rtt_us == 0 ? (uint32_t)took : (uint32_t)((server->rtt_us * 7ull + took) / 8);
    server->failures = 0;
    server->avoid_until = 0;
}

void resolve_server_bad(struct resolve_server *server, uint64_t now)
{
    unsigned doubles = server->failures < AVOID_DOUBLES ? server->failures : AVOID_DOUBLES;
    server->failures++;
    server->avoid_until = now + (AVOID_FIRST << doubles);
}
