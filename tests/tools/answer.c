/*
 * Answers queries by hand: signed or unsigned zone files are published into an image, then each
 * line of standard input, a query in hexadecimal, gets a line with the response ("-": none). answer
 * [--udp|--tcp] [--payload N] [--cache OCTETS] [--now TIME] IMAGE-DIRECTORY ORIGIN=FILE...
 */
#include "serve/answer.h"
#include "base/codec.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, int error)
{
    fprintf(stderr, "answer: %s: %s\n", what, base_strerror(error));
    exit(1);
}

static void publish(struct image *image, char *argument)
{
    char *file = strchr(argument, '=');
    if (file == NULL)
        fail(argument, BASE_EINVAL);
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    int error = dns_name_from_text(origin, &length, argument, (size_t)(file - argument), NULL);
    if (error != BASE_OK)
        fail(argument, error);
    struct dns_zonefile_options options = {.origin = origin, .include_anywhere = true};
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone;
    error = zone_load(file + 1, &options, &findings, &zone);
    if (error != BASE_OK)
        fail(file + 1, error);
    struct image_publish request = {.zone = zone};
    error = image_publish(image, &request, NULL);
    if (error != BASE_OK)
        fail(file + 1, error);
    base_findings_free(&findings);
    zone_release(zone);
}

static void answer(struct serve_worker *worker, const struct serve_client *client, char *line)
{
    static uint8_t query[65536], response[65536];
    static char text[2 * 65536 + 1];
    size_t length, size = strcspn(line, "\n");
    int error = base_hex_decode(query, sizeof(query), &length, line, size);
    if (error != BASE_OK)
        fail("query", error);
    struct serve_result result;
    serve_answer(worker, client, query, length, response, sizeof(response), &result);
    if (result.action == SERVE_DROP) {
        puts("-");
    } else {
        text[base_hex_encode(text, response, result.length)] = '\0';
        puts(text);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct serve_client client = {.transport = SERVE_UDP, .address_length = 4, .now = 1700000000};
    struct serve_options options = {.version = "Kenter",
                                    .identity = "ns1",
                                    .nsid = (const uint8_t *)"ns1",
                                    .nsid_length = 3,
                                    .secret_count = 1,
                                    .keepalive = 100};
    /* RFC 9018 appendix A has this secret and address. */
    memcpy(options.secrets[0], "\xe5\xe9\x73\xe5\xa6\xb2\xa4\x3f\x48\xe7\xdc\x84\x9e\x37\xbf\xcf",
           16);
    memcpy(client.address, "\xc6\x33\x64\x64", 4);
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--tcp") == 0)
            client.transport = SERVE_TCP;
        else if (strcmp(argv[at], "--udp") == 0)
            client.transport = SERVE_UDP;
        else if (strcmp(argv[at], "--payload") == 0 && at + 1 < argc)
            options.payload = (uint16_t)atoi(argv[++at]);
        else if (strcmp(argv[at], "--cache") == 0 && at + 1 < argc)
            options.cache_octets = (size_t)atoll(argv[++at]);
        else if (strcmp(argv[at], "--now") == 0 && at + 1 < argc)
            client.now = atoll(argv[++at]);
    }
    if (argc - at < 2) {
        fprintf(stderr, "usage: answer [OPTIONS] IMAGE-DIRECTORY ORIGIN=FILE...\n");
        return 2;
    }
    struct image *image;
    struct image_options image_options = {.writer = true, .no_sync = true};
    int error = image_open(argv[at], &image_options, &image);
    if (error != BASE_OK)
        fail(argv[at], error);
    for (int i = at + 1; i < argc; i++)
        publish(image, argv[i]);
    struct serve_worker *worker;
    error = serve_worker_new(&options, image, &worker);
    if (error != BASE_OK)
        fail("worker", error);
    static char line[2 * 65536 + 2];
    while (fgets(line, sizeof(line), stdin) != NULL)
        answer(worker, &client, line);
    serve_worker_free(worker);
    image_close(image);
    return 0;
}
