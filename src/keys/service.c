/*
 * The key process: a thread for each channel, all over one vault. A client that breaks the rules
 * loses its channel; the others go on.
 */
#include "keys/service.h"

#include "base/error.h"
#include "keys/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct service;

struct channel {
    struct service *service;
    int fd; /* -1: the place is free */
};

struct service {
    const struct keys_service_options *options;
    struct keys_vault *vault;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t ended; /* a channel did */
    struct channel channels[KEYS_CHANNELS_MAX];
    size_t count;
    bool stopping;
};

static void say(const struct service *service, enum base_log_level level, const char *text)
{
    base_log(&service->options->log, base_clock_now(), level, "%s", text);
}

static void take_channel(struct service *service, int fd);

/* Until the client is gone or breaks the rules. */
static void serve_channel(struct channel *channel, struct keys_session *session, uint8_t *buffer)
{
    struct process_message message, answer;
    int error = BASE_OK;
    while (error == BASE_OK) {
        error = process_receive(channel->fd, buffer, &message, -1);
        if (error != BASE_OK)
            break;
        if (message.type == KEYS_CONNECT && message.fd >= 0) {
            take_channel(channel->service, message.fd);
            continue;
        }
        if (message.fd >= 0) {
            close(message.fd);
            error = BASE_EFORMAT;
            break;
        }
        error = keys_session_handle(session, &message, base_clock_now(), &answer);
        if (error == BASE_OK && answer.type != 0)
            error = process_send(channel->fd, &answer, 0);
    }
    if (error != BASE_ENOENT)
        base_log(&channel->service->options->log, base_clock_now(), BASE_LOG_WARNING,
                 "a client's channel is closed: %s", base_strerror(error));
}

static void *channel_thread(void *argument)
{
    struct channel *channel = argument;
    struct service *service = channel->service;
    struct keys_session session;
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    keys_session_init(&session, service->vault);
    if (buffer != NULL)
        serve_channel(channel, &session, buffer);
    keys_session_free(&session);
    free(buffer);
    pthread_mutex_lock(&service->lock);
    close(channel->fd);
    channel->fd = -1;
    service->count--;
    pthread_cond_signal(&service->ended);
    pthread_mutex_unlock(&service->lock);
    return NULL;
}

/* A place for the channel, or NULL; the lock is held. */
static struct channel *free_place(struct service *service)
{
    if (service->stopping)
        return NULL;
    for (size_t i = 0; i < KEYS_CHANNELS_MAX; i++) {
        if (service->channels[i].fd < 0)
            return &service->channels[i];
    }
    return NULL;
}

/* Starts a thread for a channel, or closes it. */
static void take_channel(struct service *service, int fd)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_mutex_lock(&service->lock);
    struct channel *channel = free_place(service);
    bool started = false;
    if (channel != NULL && pthread_attr_init(&attributes) == 0) {
        *channel = (struct channel){service, fd};
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        started = pthread_create(&thread, &attributes, channel_thread, channel) == 0;
        pthread_attr_destroy(&attributes);
        if (started)
            service->count++;
        else
            channel->fd = -1;
    }
    bool stopping = service->stopping;
    pthread_mutex_unlock(&service->lock);
    if (started)
        return;
    close(fd);
    if (!stopping)
        say(service, BASE_LOG_WARNING, "a client is turned away: too many channels or threads");
}

/* Hands out channels until the supervisor is gone. */
static int run(struct service *service, int fd)
{
    struct process_message message;
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    int error = buffer == NULL ? BASE_ENOMEM : BASE_OK;
    while (error == BASE_OK) {
        error = process_receive(fd, buffer, &message, -1);
        if (error == BASE_OK && message.fd >= 0)
            take_channel(service, message.fd);
        if (error == BASE_EFORMAT)
            error = BASE_OK;
    }
    free(buffer);
    return error;
}

/* Ends all channels and waits for their threads. */
static void stop(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    service->stopping = true;
    for (size_t i = 0; i < KEYS_CHANNELS_MAX; i++) {
        if (service->channels[i].fd >= 0)
            shutdown(service->channels[i].fd, SHUT_RDWR);
    }
    while (service->count > 0)
        pthread_cond_wait(&service->ended, &service->lock);
    pthread_mutex_unlock(&service->lock);
}

/* The crypto library reads files when it is first used, which a sandbox forbids. */
static int warm_up(void)
{
    struct crypto_key *key;
    int error = crypto_key_generate(CRYPTO_ECDSAP256, 0, &key);
    if (error == BASE_OK)
        crypto_key_free(key);
    return error;
}

static int open_vault(struct service *service)
{
    struct base_findings findings;
    if (!crypto_secure_memory())
        say(service, BASE_LOG_WARNING, "private keys cannot be kept apart from other memory");
    int error = warm_up();
    if (error != BASE_OK)
        return error;
    base_findings_init(&findings, 10);
    error = keys_vault_new(service->options->directory, &findings, &service->vault);
    for (size_t i = 0; i < findings.count; i++)
        base_log_finding(&service->options->log, base_clock_now(), &findings.items[i]);
    base_findings_free(&findings);
    return error;
}

int keys_service_run(int fd, const struct keys_service_options *options)
{
    struct service service = {.options = options};
    pthread_mutex_init(&service.lock, NULL);
    pthread_cond_init(&service.ended, NULL);
    for (size_t i = 0; i < KEYS_CHANNELS_MAX; i++)
        service.channels[i].fd = -1;
    /* No core dump, and nobody of the same user may look into our memory. */
    int dumpable = prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_DUMPABLE, 0);
    int error = open_vault(&service);
    if (error == BASE_OK && options->seal != NULL)
        error = options->seal(options->context);
    if (error == BASE_OK) {
        error = run(&service, fd);
        stop(&service);
    }
    if (error != BASE_OK && error != BASE_ENOENT)
        base_log(&options->log, base_clock_now(), BASE_LOG_ERROR, "the key process ends: %s",
                 base_strerror(error));
    keys_vault_free(service.vault);
    pthread_cond_destroy(&service.ended);
    pthread_mutex_destroy(&service.lock);
    if (dumpable == 1)
        prctl(PR_SET_DUMPABLE, 1);
    return error == BASE_ENOENT ? 0 : 1;
}
