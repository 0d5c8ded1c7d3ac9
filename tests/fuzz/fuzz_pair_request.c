/*
 * Lines of the protocol of auth-server from foreign octets. Whatever is accepted is a whole
 * question that the engine takes; whatever is refused says why, in a reply that is one line.
 */
#include "base/error.h"
#include "dane/pair_request.h"

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

static void check_line(const struct base_buf *line)
{
    REQUIRE(line->error == BASE_OK && line->length > 0);
    REQUIRE(memchr(line->data, '\n', line->length) == line->data + line->length - 1);
}

static void check_question(struct dane_pair_request *request, struct base_buf *line)
{
    char key[DANE_PAIR_KEY];
    struct dane_pair *pair;
    struct dane_pair_ask ask;
    struct dane_pair_verdict verdict = {.state = DANE_PAIR_YES, .expiry = 1790000000};
    REQUIRE(dane_pair_request_key(request, key));
    REQUIRE(strlen(key) < sizeof key - 1);
    REQUIRE(request->peer.count <= DANE_CHAIN_MAX);
    request->question.now = 1789999000;
    if (dane_pair_new(&request->question, &pair) == BASE_OK) {
        REQUIRE(dane_pair_next(pair, &ask) || dane_pair_result(pair));
        dane_pair_free(pair);
    }
    dane_pair_reply_verdict(line, request->id, &verdict, 1789999000);
    check_line(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dane_pair_request request;
    struct base_buf line;
    char why[200] = "";
    base_buf_init(&line, 4096);
    int status = dane_pair_request_read((const char *)data, size, &request, why);
    if (status == BASE_EFORMAT) {
        REQUIRE(why[0] != '\0');
        dane_pair_reply_error(&line, &request, why);
        check_line(&line);
    } else if (status == BASE_OK && !request.metrics) {
        check_question(&request, &line);
    }
    dane_pair_request_free(&request);
    base_buf_free(&line);
    return 0;
}
