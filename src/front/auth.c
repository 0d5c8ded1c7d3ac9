/* TSIG on the server's side: see auth.h. */
#include "front/auth.h"

#include "base/error.h"
#include "base/reader.h"
#include "crypto/mac.h"

static const struct dns_tsig_key *find_key(const struct dns_tsig_key *keys, size_t count,
                                           const uint8_t *name)
{
    for (size_t i = 0; i < count; i++) {
        if (dns_name_equal(keys[i].name, name))
            return &keys[i];
    }
    return NULL;
}

static void count_result(struct front_stats *stats, int result, uint16_t error)
{
    enum front_counter counter = FRONT_TSIG_MALFORMED;
    if (result == BASE_OK)
        counter = FRONT_SIGNED;
    else if (result == BASE_EMISMATCH)
        counter = error == DNS_RCODE_BADKEY     ? FRONT_BADKEY
                  : error == DNS_RCODE_BADTIME  ? FRONT_BADTIME
                  : error == DNS_RCODE_BADTRUNC ? FRONT_BADTRUNC
                                                : FRONT_BADSIG;
    front_count(stats, counter, 1);
}

int front_auth_verify(struct front_auth *auth, const struct dns_tsig_key *keys, size_t key_count,
                      uint8_t *message, size_t *length, base_time now, struct front_stats *stats,
                      struct dns_tsig_record *record, uint16_t *error)
{
    auth->key = NULL;
    auth->id = base_load_u16(message);
    *error = 0;
    int result = dns_tsig_find(message, *length, record);
    if (result == BASE_OK) {
        const struct dns_tsig_key *key = find_key(keys, key_count, record->key_name);
        *error = DNS_RCODE_BADKEY;
        result = BASE_EMISMATCH;
        if (key != NULL) {
            dns_tsig_init(&auth->tsig, key, &crypto_tsig_hmac);
            result = dns_tsig_verify(&auth->tsig, message, length, now, error);
            if (result == BASE_OK || *error == DNS_RCODE_BADTIME || *error == DNS_RCODE_BADTRUNC)
                auth->key = key;
        }
        /* A request says no error; one that does was not made by a client. */
        if (result == BASE_EMISMATCH && record->error != 0)
            result = BASE_EFORMAT;
    }
    if (result == BASE_ENOENT)
        result = BASE_EFORMAT;
    count_result(stats, result, *error);
    return result;
}

int front_auth_refuse(struct front_auth *auth, const struct dns_tsig_record *record,
                      uint8_t *message, size_t *length, size_t capacity, base_time now,
                      uint16_t error)
{
    int result = auth->key != NULL
                     ? dns_tsig_sign(&auth->tsig, message, length, capacity, now, error)
                     : dns_tsig_refuse(record, message, length, capacity, error);
    if (result == BASE_OK)
        base_store_u16(message, auth->id);
    return result;
}

size_t front_auth_room(const struct front_auth *auth)
{
    return auth->key != NULL ? dns_tsig_room(auth->key) : 0;
}

int front_auth_sign(struct front_auth *auth, uint8_t *message, size_t *length, size_t capacity,
                    base_time now)
{
    if (auth->key == NULL)
        return BASE_OK;
    int error = dns_tsig_sign(&auth->tsig, message, length, capacity, now, 0);
    if (error == BASE_OK)
        base_store_u16(message, auth->id);
    return error;
}
