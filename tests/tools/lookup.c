/*
 * Look-ups for the scenario tests, by the public library: each line "NAME TYPE" of standard input
 * gives a line of JSON on standard output.
 *     lookup [-s SERVER]... [-c RESOLV_CONF] [-r HINTS] [-a ANCHORS] [-C CA] [-t MS] [-0] [-n] [-S]
 * -0: random case; -n: no cache; -S: shows the status and the sentence instead of JSON.
 */
#include <kenter/resolve.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void complain(void *context, const struct kenter_finding *finding)
{
    fprintf(stderr, "%s\n", finding->message);
}

static int look_up(struct kenter_resolver *resolver, const char *name, const char *type_text,
                   int brief)
{
    struct kenter_result *result;
    uint16_t type;
    char *text;
    int error = kenter_type_parse(type_text, &type);
    if (error == KENTER_OK)
        error = kenter_lookup(resolver, name, type, &result);
    if (error != KENTER_OK) {
        fprintf(stderr, "%s %s: %s\n", name, type_text, kenter_error_text(error));
        return 3;
    }
    if (brief) {
        printf("%s %s\n", kenter_status_text(kenter_result_status(result)),
               kenter_result_sentence(result));
    } else if (kenter_result_show(result, KENTER_FORM_JSON, &text) == KENTER_OK) {
        for (char *at = text; *at != '\0'; at++)
            *at = *at == '\n' ? ' ' : *at;
        puts(text);
        kenter_text_free(text);
    }
    fflush(stdout);
    kenter_result_free(result);
    return 0;
}

int main(int argc, char **argv)
{
    const char *servers[16];
    char why[KENTER_WHY], name[1100], type[64];
    int option, brief = 0, code = 0;
    struct kenter_anchors *anchors = NULL;
    struct kenter_resolver *resolver;
    struct kenter_resolver_options options;
    kenter_resolver_options_init(&options);
    while ((option = getopt(argc, argv, "s:c:r:a:C:t:0nS")) != -1) {
        switch (option) {
        case 's':
            options.from = KENTER_FROM_SERVERS;
            servers[options.server_count++ % 16] = optarg;
            break;
        case 'c':
            options.resolv_conf = optarg;
            break;
        case 'r':
            options.root_hints = optarg;
            if (options.resolv_conf == NULL)
                options.from = KENTER_FROM_RECURSION;
            break;
        case 'a':
            if (kenter_anchors_new(&anchors) != KENTER_OK ||
                kenter_anchors_add_file(anchors, optarg, complain, NULL) != KENTER_OK)
                return 3;
            options.anchors = anchors;
            break;
        case 'C':
            options.tls_ca = optarg;
            break;
        case 't':
            options.timeout_ms = (unsigned)atoi(optarg);
            break;
        case '0':
            options.random_case = 1;
            break;
        case 'n':
            options.cache_octets = SIZE_MAX;
            break;
        case 'S':
            brief = 1;
            break;
        default:
            return 3;
        }
    }
    if (options.resolv_conf != NULL)
        options.from = KENTER_FROM_SYSTEM;
    options.servers = servers;
    if (kenter_resolver_new(&options, why, &resolver) != KENTER_OK) {
        fprintf(stderr, "%s\n", why);
        return 3;
    }
    while (code == 0 && scanf("%1099s %63s", name, type) == 2)
        code = look_up(resolver, name, type, brief);
    kenter_resolver_free(resolver);
    kenter_anchors_free(anchors);
    return code;
}
