/* What the examples with TLS share: a connection to one of an endpoint's addresses. */
#include <arpa/inet.h>
#include <kenter/dane.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(const struct kenter_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->address_count; i++) {
        const struct kenter_address *address = &endpoint->addresses[i];
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
        int is_v4 = address->family == 4;
        memcpy(&v4.sin_addr, address->octets, 4);
        memcpy(&v6.sin6_addr, address->octets, 16);
        int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
                               is_v4 ? sizeof(v4) : sizeof(v6)) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* The plan for a TLS server at HOST PORT, and the CAs of a file. */
static int plan_for(char **argv, struct kenter_plan **plan, struct kenter_authorities **authorities)
{
    char why[KENTER_WHY];
    struct kenter_resolver *resolver;
    if (kenter_resolver_new(NULL, why, &resolver) != KENTER_OK)
        return 0;
    int error =
        kenter_authenticate(resolver, KENTER_TLS, argv[1], (uint16_t)atoi(argv[2]), NULL, plan);
    kenter_resolver_free(resolver);
    return error == KENTER_OK && kenter_authorities_new(argv[3], authorities) == KENTER_OK;
}
