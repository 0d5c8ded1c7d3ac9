/*
 * The key process's client: a few channels, each used by one thread at a time. A question that
 * finds all of them busy opens another.
 */
#include "keys/client.h"

#include "base/error.h"
#include "keys/protocol.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANNELS_MAX 16

struct channel {
    int fd;
    bool busy;
    uint64_t id; /* of the last question */
    struct base_buf question;
    uint8_t *buffer; /* PROCESS_MESSAGE_MAX, for answers */
};

struct keys_client {
    pthread_mutex_t lock; /* over all below but for what is in a channel that is busy */
    pthread_cond_t idle;  /* a channel is */
    struct channel channels[CHANNELS_MAX];
    size_t count;
    bool gone;
};

/* What keys refer to: who signs, and for which zone. Lives as long as the keys. */
struct origin {
    struct crypto_remote remote;
    struct keys_client *client;
    uint8_t zone[DNS_NAME_MAX];
};

/* Takes the descriptor over, on success. The lock is held, or nobody else knows the client. */
static int add_channel(struct keys_client *client, int fd)
{
    struct channel *channel = &client->channels[client->count];
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    if (buffer == NULL)
        return BASE_ENOMEM;
    *channel = (struct channel){.fd = fd, .buffer = buffer};
    base_buf_init(&channel->question, PROCESS_MESSAGE_MAX);
    client->count++;
    return BASE_OK;
}

int keys_client_new(int fd, struct keys_client **out)
{
    struct keys_client *client = calloc(1, sizeof(*client));
    int error = client == NULL ? BASE_ENOMEM : add_channel(client, fd);
    if (error != BASE_OK) {
        close(fd);
        free(client);
        return error;
    }
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->idle, NULL);
    *out = client;
    return BASE_OK;
}

void keys_client_free(struct keys_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->count; i++) {
        close(client->channels[i].fd);
        base_buf_free(&client->channels[i].question);
        free(client->channels[i].buffer);
    }
    pthread_cond_destroy(&client->idle);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

bool keys_client_gone(const struct keys_client *client)
{
    struct keys_client *own = (struct keys_client *)client;
    pthread_mutex_lock(&own->lock);
    bool gone = own->gone;
    pthread_mutex_unlock(&own->lock);
    return gone;
}

/* Hands the far end of a new channel over through the first. The lock is held. */
static void open_channel(struct keys_client *client)
{
    int pair[2];
    if (process_channel_pair(pair) != BASE_OK)
        return;
    struct process_message message = {.type = KEYS_CONNECT, .fd = pair[1]};
    int error = process_send(client->channels[0].fd, &message, 1);
    close(pair[1]);
    if (error == BASE_OK)
        error = add_channel(client, pair[0]);
    if (error != BASE_OK)
        close(pair[0]);
}

static struct channel *find_idle(struct keys_client *client)
{
    for (size_t i = 0; i < client->count; i++) {
        if (!client->channels[i].busy)
            return &client->channels[i];
    }
    return NULL;
}

/* A channel for this thread; NULL: the key process is gone. */
static struct channel *take_channel(struct keys_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct channel *channel = find_idle(client);
    if (channel == NULL && !client->gone && client->count < CHANNELS_MAX)
        open_channel(client);
    while (!client->gone && (channel = find_idle(client)) == NULL)
        pthread_cond_wait(&client->idle, &client->lock);
    if (client->gone)
        channel = NULL;
    else
        channel->busy = true;
    pthread_mutex_unlock(&client->lock);
    if (channel != NULL)
        base_buf_reset(&channel->question);
    return channel;
}

/* `error` is that of the exchange: after a broken one nothing is asked any more. */
static void give_channel(struct keys_client *client, struct channel *channel, int error)
{
    pthread_mutex_lock(&client->lock);
    channel->busy = false;
    if (error != BASE_OK && error != BASE_ENOMEM) {
        client->gone = true;
        pthread_cond_broadcast(&client->idle);
    }
    pthread_cond_signal(&client->idle);
    pthread_mutex_unlock(&client->lock);
}

/* The process at the other end does not keep to the rules, or is no more: it is the same to us. */
static int broken(int error)
{
    return error == BASE_OK || error == BASE_ENOMEM ? error : BASE_ENOENT;
}

/* Sends the channel's question and waits for its answer. *result is what the answer says. */
static int ask(struct channel *channel, enum keys_message type, struct process_message *answer,
               int *result)
{
    struct process_message question = {.id = ++channel->id,
                                       .type = type,
                                       .data = channel->question.data,
                                       .length = channel->question.length,
                                       .fd = -1};
    if (channel->question.error != BASE_OK)
        return BASE_ENOMEM;
    int error = process_send(channel->fd, &question, 0);
    if (error == BASE_OK)
        error = process_receive(channel->fd, channel->buffer, answer, -1);
    if (error != BASE_OK)
        return broken(error);
    if (answer->fd >= 0)
        close(answer->fd);
    *result = (int)answer->value;
    bool good = answer->fd < 0 && answer->type == KEYS_ANSWER && answer->id == question.id &&
                *result <= BASE_OK && *result >= BASE_EMISMATCH;
    return good ? BASE_OK : BASE_ENOENT;
}

/*
 * Signing
 */

/* One item too long for a message. */
static int ask_long(struct channel *channel, const struct origin *origin, const uint8_t *id,
                    const struct crypto_remote_item *item, struct process_message *answer,
                    int *result)
{
    for (size_t at = 0; at < item->length;) {
        size_t left = item->length - at;
        struct process_message part = {.type = KEYS_PART,
                                       .data = item->input + at,
                                       .length = left < KEYS_PART_SIZE ? left : KEYS_PART_SIZE,
                                       .fd = -1};
        int error = process_send(channel->fd, &part, 0);
        if (error != BASE_OK)
            return broken(error);
        at += part.length;
    }
    keys_put_sign(&channel->question, origin->zone, id, true, 1);
    return ask(channel, KEYS_SIGN, answer, result);
}

/* As many items as a question and its answer take. */
static size_t fitting(const struct crypto_remote_item *items, size_t count, size_t signature_size)
{
    size_t octets = KEYS_SIGN_HEAD, fit = 0;
    while (fit < count && fit < KEYS_ITEMS_MAX && items[fit].length <= KEYS_PART_SIZE &&
           octets + KEYS_ITEM_HEAD + items[fit].length <= PROCESS_MESSAGE_MAX &&
           (fit + 1) * signature_size <= PROCESS_MESSAGE_MAX) {
        octets += KEYS_ITEM_HEAD + items[fit].length;
        fit++;
    }
    return fit;
}

/* Asks for the first *count items, or fewer; then *count says how many. */
static int ask_signatures(struct channel *channel, const struct origin *origin, const uint8_t *id,
                          const struct crypto_remote_item *items, size_t *count,
                          size_t signature_size, int *result)
{
    struct process_message answer;
    size_t fit = fitting(items, *count, signature_size);
    int error;
    base_buf_reset(&channel->question);
    if (fit == 0) {
        fit = 1;
        error = ask_long(channel, origin, id, items, &answer, result);
    } else {
        keys_put_sign(&channel->question, origin->zone, id, false, fit);
        for (size_t i = 0; i < fit; i++)
            keys_put_item(&channel->question, items[i].input, items[i].length);
        error = ask(channel, KEYS_SIGN, &answer, result);
    }
    if (error != BASE_OK || *result != BASE_OK)
        return error;
    if (answer.length != fit * signature_size)
        return BASE_ENOENT;
    for (size_t i = 0; i < fit; i++)
        memcpy(items[i].out, answer.data + i * signature_size, signature_size);
    *count = fit;
    return BASE_OK;
}

static int sign(void *context, const uint8_t id[CRYPTO_KEY_ID],
                const struct crypto_remote_item *items, size_t count, size_t signature_size)
{
    const struct origin *origin = context;
    for (size_t i = 0; i < count; i++) {
        if (items[i].length > KEYS_PARTS_MAX)
            return BASE_ELIMIT;
    }
    struct channel *channel = take_channel(origin->client);
    if (channel == NULL)
        return BASE_ENOENT;
    int error = BASE_OK, result = BASE_OK;
    while (count > 0 && error == BASE_OK && result == BASE_OK) {
        size_t done = count;
        error = ask_signatures(channel, origin, id, items, &done, signature_size, &result);
        items += done;
        count -= done;
    }
    give_channel(origin->client, channel, error);
    return error != BASE_OK ? error : result;
}

/*
 * Keys
 */

/* Makes keys of those whose private half the key process has. */
static int bind_keys(struct keys_client *client, const uint8_t *zone, const bool *has_private,
                     struct crypto_keydir *keys)
{
    struct origin *origin = base_arena_zalloc(&keys->arena, sizeof(*origin));
    int error = origin == NULL ? BASE_ENOMEM : BASE_OK;
    if (origin != NULL) {
        origin->remote = (struct crypto_remote){sign, origin};
        origin->client = client;
        dns_name_lower(origin->zone, zone);
    }
    for (size_t i = 0; i < keys->count && error == BASE_OK; i++) {
        struct crypto_zone_key *key = &keys->keys[i];
        if (has_private[i])
            error = crypto_key_remote(key->algorithm, key->dnskey + 4, key->dnskey_length - 4,
                                      key->id, &origin->remote, &key->key);
    }
    return error == BASE_OK || error == BASE_ENOMEM ? error : BASE_ENOENT;
}

static int read_keys(struct keys_client *client, const uint8_t *zone,
                     const struct process_message *answer, int *result,
                     struct base_findings *findings, struct keys_provided *out)
{
    struct base_reader reader = base_reader_make(answer->data, answer->length);
    struct keys_provided provided;
    bool *has_private;
    int error = keys_get_findings(&reader, findings);
    if (error != BASE_OK || *result != BASE_OK)
        return error;
    error = keys_get_keys(&reader, zone, &provided, &has_private);
    if (error != BASE_OK)
        return error;
    error = bind_keys(client, zone, has_private, &provided.keys);
    free(has_private);
    if (error != BASE_OK) {
        crypto_keydir_free(&provided.keys);
        return error;
    }
    *out = provided;
    return BASE_OK;
}

int keys_client_provide(struct keys_client *client, const struct keys_request *request,
                        struct base_findings *findings, struct keys_provided *out)
{
    struct keys_provide wanted = {.now = request->now,
                                  .early = request->early,
                                  .exist = request->exist,
                                  .csk = request->policy->csk,
                                  .algorithm = request->policy->algorithm,
                                  .rsa_bits = request->policy->rsa_bits};
    struct process_message answer;
    int result = BASE_OK;
    struct channel *channel = take_channel(client);
    if (channel == NULL)
        return BASE_ENOENT;
    dns_name_lower(wanted.zone, request->zone);
    keys_put_provide(&channel->question, &wanted);
    int error = ask(channel, KEYS_PROVIDE, &answer, &result);
    if (error == BASE_OK)
        error = broken(read_keys(client, wanted.zone, &answer, &result, findings, out));
    give_channel(client, channel, error);
    return error != BASE_OK ? error : result;
}

int keys_client_settle(struct keys_client *client, struct base_findings *findings)
{
    struct process_message answer;
    int result = BASE_OK;
    struct channel *channel = take_channel(client);
    if (channel == NULL)
        return BASE_ENOENT;
    int error = ask(channel, KEYS_SETTLE, &answer, &result);
    if (error == BASE_OK) {
        struct base_reader reader = base_reader_make(answer.data, answer.length);
        error = broken(keys_get_findings(&reader, findings));
    }
    give_channel(client, channel, error);
    return error != BASE_OK ? error : result;
}
