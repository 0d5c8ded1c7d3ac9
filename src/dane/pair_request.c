/* Lines of JSON about pairs: see pair_request.h. */
#include "dane/pair_request.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(char why[200], const char *what)
{
    snprintf(why, 200, "%s", what);
    return BASE_EFORMAT;
}

/* --- reading --- */

/* A domain of the request, as A-labels. False: it is missing or none. */
static bool read_domain(const json_t *root, const char *key, char out[DANE_DOMAIN_MAX])
{
    const json_t *value = json_object_get(root, key);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) &&
           dane_domain_to_ascii(text, out) == BASE_OK;
}

static bool read_flag(const json_t *root, const char *key, bool otherwise, bool *out)
{
    const json_t *value = json_object_get(root, key);
    *out = value ? json_is_true(value) : otherwise;
    return !value || json_is_boolean(value);
}

static int read_direction(const json_t *root, struct dane_pair_request *out, char why[200])
{
    const char *text = json_string_value(json_object_get(root, "direction"));
    out->question.direction = text && strcmp(text, "in") == 0 ? DANE_INCOMING : DANE_OUTGOING;
    out->reuse = text && strcmp(text, "reuse") == 0;
    if (!text || (strcmp(text, "in") != 0 && strcmp(text, "out") != 0 && !out->reuse))
        return wrong(why, "direction is neither \"in\" nor \"out\" nor \"reuse\"");
    return BASE_OK;
}

static bool read_address(const json_t *root, struct dane_address *out)
{
    const char *text = json_string_value(json_object_get(root, "address"));
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!text)
        return false;
    out->family = 4;
    if (inet_pton(AF_INET, text, out->octets) == 1)
        return true;
    out->family = 6;
    if (inet_pton(AF_INET6, text, out->octets) != 1)
        return false;
    if (memcmp(out->octets, mapped, sizeof mapped) == 0) {
        /* As sockets for both families tell of IPv4. */
        out->family = 4;
        memmove(out->octets, out->octets + sizeof mapped, 4);
    }
    return true;
}

/* Where an outgoing stream goes to. */
static int read_target(const json_t *root, struct dane_pair_request *out, char why[200])
{
    json_int_t port = json_integer_value(json_object_get(root, "port"));
    if (out->question.direction == DANE_INCOMING)
        return BASE_OK;
    if (port <= 0 || port > UINT16_MAX)
        return wrong(why, "port is missing, or none");
    out->question.port = (uint16_t)port;
    if (json_object_get(root, "host")) {
        if (!read_domain(root, "host", out->host))
            return wrong(why, "host is no name of a host");
        out->question.host = out->host;
    } else if (!read_address(root, &out->question.address)) {
        return wrong(why, "there is neither host nor address of an outgoing stream");
    }
    return BASE_OK;
}

static int read_chain(const json_t *root, struct dane_pair_request *out, char why[200])
{
    const json_t *chain = json_object_get(root, "chain");
    size_t count = json_array_size(chain), room = 0, used = 0;
    if (chain && !json_is_array(chain))
        return wrong(why, "chain is no list");
    if (count > DANE_CHAIN_MAX)
        count = DANE_CHAIN_MAX;
    for (size_t i = 0; i < count; i++)
        room += json_string_length(json_array_get(chain, i));
    out->octets = malloc(room + 1);
    if (!out->octets)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *text = json_array_get(chain, i);
        size_t length;
        if (!json_is_string(text) ||
            base_base64_decode(out->octets + used, room - used, &length, json_string_value(text),
                               json_string_length(text)) != BASE_OK ||
            length == 0)
            return wrong(why, "chain has something that is not base64");
        out->chain[i] = (struct dane_der){out->octets + used, length};
        used += length;
    }
    out->peer.chain = out->chain;
    out->peer.count = count;
    return BASE_OK;
}

static int read_question(const json_t *root, struct dane_pair_request *out, char why[200])
{
    struct dane_pair_question *question = &out->question;
    if (!read_domain(root, "local", out->local))
        return wrong(why, "local is no domain");
    if (!read_domain(root, "remote", out->remote))
        return wrong(why, "remote is no domain");
    if (!read_flag(root, "tls", true, &out->peer.tls) ||
        !read_flag(root, "no_posh", false, &question->no_posh) ||
        !read_flag(root, "no_pkix", false, &question->no_pkix))
        return wrong(why, "tls, no_posh and no_pkix are true or false");
    question->local = out->local;
    question->remote = out->remote;
    question->peer = &out->peer;
    int status = read_direction(root, out, why);
    if (status == BASE_OK)
        status = read_target(root, out, why);
    return status == BASE_OK ? read_chain(root, out, why) : status;
}

int dane_pair_request_read(const char *line, size_t length, struct dane_pair_request *out,
                           char why[200])
{
    *out = (struct dane_pair_request){0};
    why[0] = '\0';
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return wrong(why, "the line is no JSON object");
    }
    const json_t *id = json_object_get(root, "id");
    int status = BASE_OK;
    out->has_id = json_is_integer(id);
    out->id = json_integer_value(id);
    out->metrics = json_is_true(json_object_get(root, "metrics"));
    if (!out->has_id)
        status = wrong(why, "id is missing, or no integer");
    else if (!out->metrics)
        status = read_question(root, out, why);
    json_decref(root);
    return status;
}

void dane_pair_request_free(struct dane_pair_request *request)
{
    free(request->octets);
    request->octets = NULL;
    request->peer.count = 0;
}

/* --- the key --- */

/* Of all certificates, each with its length. */
static bool digest_chain(const struct dane_peer *peer, char out[65])
{
    uint8_t digest[32] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; i < peer->count && good; i++) {
        uint64_t length = peer->chain[i].length;
        good = EVP_DigestUpdate(context, &length, sizeof length) == 1 &&
               EVP_DigestUpdate(context, peer->chain[i].data, peer->chain[i].length) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    out[base_hex_encode(out, digest, sizeof digest)] = '\0';
    return good;
}

bool dane_pair_request_key(const struct dane_pair_request *request, char out[DANE_PAIR_KEY])
{
    const struct dane_pair_question *question = &request->question;
    char where[DANE_DOMAIN_MAX + INET6_ADDRSTRLEN] = "", chain[65];
    if (!digest_chain(&request->peer, chain))
        return false;
    if (question->host)
        snprintf(where, sizeof where, "%s", question->host);
    else if (question->address.family != 0)
        inet_ntop(question->address.family == 4 ? AF_INET : AF_INET6, question->address.octets,
                  where, sizeof where);
    snprintf(out, DANE_PAIR_KEY, "%c%c%c%c %s %s:%u %s",
             request->reuse                         ? 'r'
             : question->direction == DANE_INCOMING ? 'i'
                                                    : 'o',
             request->peer.tls ? 't' : '-', question->no_posh ? 'p' : '-',
             question->no_pkix ? 'x' : '-', request->remote, where, question->port, chain);
    return true;
}

/* --- replies --- */

void dane_pair_reply_verdict(struct base_buf *out, int64_t id,
                             const struct dane_pair_verdict *verdict, base_time now)
{
    static const char *const states[] = {"yes", "no", "later"};
    base_time left = verdict->expiry - now;
    base_buf_printf(out, "{\"id\":%" PRId64 ",\"state\":\"%s\",\"proof\":\"%s\",\"dialback\":%s",
                    id, states[verdict->state], dane_proof_name(verdict->proof),
                    verdict->dialback ? "true" : "false");
    if (verdict->state == DANE_PAIR_YES)
        base_buf_printf(out, ",\"expires\":%" PRId64 ",\"ttl\":%" PRId64, (int64_t)verdict->expiry,
                        (int64_t)(left > 0 ? left : 0));
    base_buf_text(out, ",\"reason\":");
    base_json_text(out, verdict->reason);
    base_buf_text(out, "}\n");
}

void dane_pair_reply_error(struct base_buf *out, const struct dane_pair_request *request,
                           const char *why)
{
    if (request && request->has_id)
        base_buf_printf(out, "{\"id\":%" PRId64, request->id);
    else
        base_buf_text(out, "{\"id\":null");
    base_buf_text(out, ",\"error\":");
    base_json_text(out, why);
    base_buf_text(out, "}\n");
}
