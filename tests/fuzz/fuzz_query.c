/*
 * The whole path from a packet to its response, on an image of zones with NSEC, with NSEC3, and
 * with aliases of all kinds. The first octet chooses transport and zone. Whatever comes, the
 * response is well formed, has the question, and fits.
 */
#include "support.h"

static struct serve_worker *workers[2];

static void start(void)
{
    for (int i = 0; i < 2; i++) {
        char directory[] = "/tmp/kenter-fuzz-XXXXXX";
        REQUIRE(mkdtemp(directory) != NULL);
        workers[i] = support_worker(support_image(directory, i == 1), 8192);
        /* The files live as long as they are open. */
        REQUIRE(image_discard(directory) == BASE_OK);
        rmdir(directory);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t response[65535];
    if (workers[0] == NULL)
        start();
    if (size == 0)
        return 0;
    struct serve_client client = {.transport = data[0] & 3 ? data[0] & 1 : SERVE_TLS,
                                  .address_length = 16,
                                  .now = 1559731985};
    struct serve_result result;
    serve_release(workers[data[0] >> 2 & 1]);
    REQUIRE(serve_renew(workers[data[0] >> 2 & 1]) == BASE_OK);
    if (data[0] & 8)
        serve_look_ahead(workers[data[0] >> 2 & 1],
                         &(struct net_packet){.octets = data + 1, .length = size - 1}, 1);
    serve_answer(workers[data[0] >> 2 & 1], &client, data + 1, size - 1, response, sizeof(response),
                 &result);
    if (result.action != SERVE_DROP)
        support_check(data + 1, size - 1, response, &result, client.transport);
    return 0;
}
