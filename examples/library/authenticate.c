/* Where to go for a service, and what to insist on:  cc authenticate.c $(pkg-config --cflags --libs
 * kenter);  ./a.out smtp example.org;  ./a.out tls example.org 443 */
#include <kenter/dane.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char why[KENTER_WHY];
    size_t count;
    enum kenter_service service;
    struct kenter_resolver *resolver;
    struct kenter_plan *plan;
    if (argc < 3 || kenter_service_parse(argv[1], &service) != KENTER_OK)
        return fprintf(stderr, "usage: authenticate SERVICE DOMAIN [PORT]\n"), 2;
    if (kenter_resolver_new(NULL, why, &resolver) != KENTER_OK)
        return fprintf(stderr, "%s\n", why), 3;
    int error = kenter_authenticate(resolver, service, argv[2],
                                    (uint16_t)(argc > 3 ? atoi(argv[3]) : 0), NULL, &plan);
    if (error != KENTER_OK)
        return fprintf(stderr, "%s\n", kenter_error_text(error)), 3;
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    for (size_t i = 0; i < count; i++)
        printf("%s:%u %s: %s\n", endpoints[i].host, endpoints[i].port,
               kenter_demand_text(endpoints[i].demand), endpoints[i].reason);
    printf("%s: %s\n", kenter_outcome_text(kenter_plan_outcome(plan)), kenter_plan_reason(plan));
    int go = kenter_plan_outcome(plan) == KENTER_OUTCOME_GO;
    kenter_plan_free(plan);
    kenter_resolver_free(resolver);
    return go ? 0 : 1;
}
