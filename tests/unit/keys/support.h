/* What the tests of the key process share: a directory of its own, a service in a thread. */
#ifndef TESTS_KEYS_SUPPORT_H
#define TESTS_KEYS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/thread.h"
#include "keys/client.h"
#include "keys/protocol.h"
#include "keys/service.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct service {
    char directory[64];
    struct keys_service_options options;
    int near, far;
    pthread_t thread;
    int code;
    int sealed;
};

static inline int seal(void *context)
{
    struct service *service = context;
    service->sealed++;
    return BASE_OK;
}

static inline void *run_service(void *context)
{
    struct service *service = context;
    service->code = keys_service_run(service->far, &service->options);
    close(service->far);
    return NULL;
}

static inline void start_service(struct service *service)
{
    int pair[2];
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    service->near = pair[0];
    service->far = pair[1];
    service->options = (struct keys_service_options){.directory = service->directory,
                                                     .log = {.fd = null, .part = "keys"},
                                                     .seal = seal,
                                                     .context = service};
    assert_int_equal(pthread_create(&service->thread, NULL, run_service, service), 0);
}

static inline void stop_service(struct service *service)
{
    close(service->near);
    pthread_join(service->thread, NULL);
    close(service->options.log.fd);
}

static inline int setup(void **state)
{
    struct service *service = calloc(1, sizeof(*service));
    /* In memory where there is such a place: other work on the disk would make us wait. */
    strcpy(service->directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm/kenter-keys-XXXXXX"
                                                             : "/tmp/kenter-keys-XXXXXX");
    assert_non_null(mkdtemp(service->directory));
    start_service(service);
    *state = service;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int teardown(void **state)
{
    struct service *service = *state;
    stop_service(service);
    assert_int_equal(service->code, 0);
    remove_tree(service->directory);
    free(service);
    return 0;
}

/* A new channel to the service. */
static inline int connect_raw(const struct service *service)
{
    int pair[2];
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    struct process_message message = {.type = KEYS_CONNECT, .fd = pair[1]};
    assert_int_equal(process_send(service->near, &message, 0), BASE_OK);
    close(pair[1]);
    return pair[0];
}

static inline struct keys_client *connect_client(const struct service *service)
{
    struct keys_client *client;
    assert_int_equal(keys_client_new(connect_raw(service), &client), BASE_OK);
    return client;
}

static inline void name_of(const char *text, uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
}

/* Provides with success and without findings. */
static inline struct crypto_keydir provide(struct keys_client *client, const char *zone,
                                           unsigned algorithm, bool csk, bool early, size_t made)
{
    struct base_findings findings;
    struct sign_policy policy;
    struct keys_provided provided;
    uint8_t name[DNS_NAME_MAX];
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    policy.algorithm = (uint8_t)algorithm;
    policy.csk = csk;
    policy.rsa_bits = 1024;
    name_of(zone, name);
    struct keys_request request = {
        .zone = name, .policy = &policy, .now = base_clock_now(), .early = early};
    assert_int_equal(keys_client_provide(client, &request, &findings, &provided), BASE_OK);
    assert_int_equal(provided.created, made);
    assert_true(provided.settled || early);
    assert_int_equal(findings.totals[BASE_ERROR], 0);
    base_findings_free(&findings);
    return provided.keys;
}

/* Signs `count` pieces of data of growing length, and verifies. */
static inline int check_key(const struct crypto_zone_key *key, size_t count, size_t step)
{
    struct crypto_signer *signer;
    struct crypto_verifier *verifier;
    uint8_t *data = calloc(1, count * step + 1);
    assert_true(crypto_key_is_remote(key->key));
    assert_int_equal(crypto_verifier_new(key->dnskey, key->dnskey_length, false, &verifier),
                     BASE_OK);
    assert_int_equal(crypto_signer_new(key->key, &signer), BASE_OK);
    size_t size = crypto_signer_signature_size(signer);
    uint8_t *signatures = calloc(count, size);
    int error = BASE_OK;
    for (size_t i = 0; i < count && error == BASE_OK; i++)
        error = crypto_sign_later(signer, data, i * step, signatures + i * size);
    if (error == BASE_OK)
        error = crypto_sign_flush(signer);
    for (size_t i = 0; i < count && error == BASE_OK; i++)
        error = crypto_verify(verifier, data, i * step, signatures + i * size, size);
    crypto_signer_free(signer);
    crypto_verifier_free(verifier);
    free(signatures);
    free(data);
    return error;
}

#endif
