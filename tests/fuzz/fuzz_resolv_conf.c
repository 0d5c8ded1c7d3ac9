/*
 * The system's list of resolvers, and servers as people write them, from any octets: what is read
 * is usable and within its bounds. (Names are not looked up: only texts that begin like an address
 * are given to the reader of servers.)
 */
#include "base/error.h"
#include "net/resolv_conf.h"
#include "resolve/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void read_conf(const uint8_t *data, size_t size)
{
    struct net_resolv_conf conf;
    net_resolv_conf_parse((const char *)data, size, &conf);
    REQUIRE(conf.count >= 1 && conf.count <= NET_RESOLV_CONF_SERVERS);
    REQUIRE(conf.timeout_ms <= 30000 && conf.attempts <= 5);
    for (size_t i = 0; i < conf.count; i++) {
        char text[NET_ADDRESS_TEXT];
        union net_address again;
        net_address_text(&conf.servers[i], text);
        REQUIRE(net_address_parse(text, 53, &again) == BASE_OK);
        REQUIRE(net_address_equal(&again, &conf.servers[i]));
    }
}

static void read_server(const char *scheme, const uint8_t *data, size_t size)
{
    static struct resolve_server servers[RESOLVE_SERVERS_MAX];
    char text[700], why[RESOLVE_WHY];
    size_t count = 0;
    snprintf(text, sizeof(text), "%s127.0.0.1%.*s", scheme, (int)(size > 600 ? 600 : size),
             (const char *)data);
    /* A name behind the address would be looked up. */
    if (strcspn(text + strlen(scheme), "/#") != strspn(text + strlen(scheme), "0123456789.@:"))
        return;
    if (resolve_server_read(text, why, servers, &count) == BASE_OK)
        REQUIRE(count >= 1 && count <= RESOLVE_SERVERS_MAX);
    else
        REQUIRE(strlen(why) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_conf(data, size);
    read_server("", data, size);
    read_server("tcp://", data, size);
    return 0;
}
