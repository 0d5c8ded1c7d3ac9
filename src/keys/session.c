/* What a client asks, checked and done: see session.h. */
#include "keys/session.h"

#include "base/error.h"

#include <string.h>

#define FINDINGS_EACH 20 /* of one code, for one question */

void keys_session_init(struct keys_session *session, struct keys_vault *vault)
{
    session->vault = vault;
    base_buf_init(&session->parts, KEYS_PARTS_MAX);
    base_buf_init(&session->answer, PROCESS_MESSAGE_MAX);
    base_findings_init(&session->findings, FINDINGS_EACH);
}

void keys_session_free(struct keys_session *session)
{
    base_buf_free(&session->parts);
    base_buf_free(&session->answer);
    base_findings_free(&session->findings);
}

static int handle_provide(struct keys_session *session, const struct process_message *message,
                          int *result)
{
    struct keys_provide provide;
    struct keys_zone *zone = NULL;
    struct keys_provided provided = {.created = 0};
    int error = keys_get_provide(message->data, message->length, &provide);
    if (error != BASE_OK)
        return error;
    session->provided = provide.now;
    *result = keys_vault_provide(session->vault, &provide, &session->findings, &zone,
                                 &provided.created, &provided.settled);
    if (*result ==
        BASE_ENOENT) /* which would say that we are gone; somebody removes what we make */
        *result = BASE_EIO;
    keys_put_findings(&session->answer, &session->findings);
    if (*result == BASE_OK) {
        provided.keys = *keys_zone_keys(zone); /* theirs */
        keys_put_keys(&session->answer, &provided);
        keys_vault_release(session->vault, zone);
    }
    return BASE_OK;
}

static int handle_settle(struct keys_session *session, const struct process_message *message,
                         int *result)
{
    if (message->length != 0)
        return BASE_EFORMAT;
    *result = keys_vault_settle(session->vault, &session->findings);
    keys_put_findings(&session->answer, &session->findings);
    return BASE_OK;
}

static int handle_part(struct keys_session *session, const struct process_message *message)
{
    base_buf_append(&session->parts, message->data, message->length);
    return session->parts.error == BASE_ESPACE ? BASE_ELIMIT : session->parts.error;
}

/* Signs all items into the answer. BASE_EFORMAT: the message is malformed. */
static int sign_items(struct keys_session *session, struct keys_sign *sign,
                      struct crypto_signer *signer, int *result)
{
    size_t input_size = crypto_signer_input_size(signer);
    size_t size = crypto_signer_signature_size(signer);
    if (sign->count * size > PROCESS_MESSAGE_MAX)
        return BASE_EFORMAT;
    for (size_t i = 0; i < sign->count; i++) {
        const uint8_t *input = session->parts.data;
        size_t length = session->parts.length;
        uint8_t *out = base_buf_reserve(&session->answer, size);
        if (!sign->parts && !keys_get_item(sign, &input, &length))
            return BASE_EFORMAT;
        if (input_size != 0 && length != input_size)
            return BASE_EFORMAT;
        if (out == NULL)
            *result = BASE_ENOMEM;
        if (*result == BASE_OK)
            *result = crypto_sign_input(signer, input, length, out);
        if (*result == BASE_OK)
            session->answer.length += size;
    }
    return base_reader_left(&sign->items) == 0 ? BASE_OK : BASE_EFORMAT;
}

static int handle_sign(struct keys_session *session, const struct process_message *message,
                       base_time now, int *result)
{
    struct keys_sign sign;
    struct keys_zone *zone;
    struct crypto_signer *signer;
    int error = keys_get_sign(message->data, message->length, &sign);
    if (error != BASE_OK)
        return error;
    *result = keys_vault_find(session->vault, sign.zone, &zone);
    if (*result != BASE_OK)
        return BASE_OK;
    /* Whose clock jumped back asks for signatures by the time before, too. */
    if (session->provided > now)
        now = session->provided;
    *result = keys_vault_take(session->vault, zone, sign.id, now, &signer);
    if (*result == BASE_OK) {
        error = sign_items(session, &sign, signer, result);
        keys_vault_give(session->vault, zone, sign.id, signer);
    }
    keys_vault_release(session->vault, zone);
    if (*result != BASE_OK)
        base_buf_reset(&session->answer);
    return error;
}

int keys_session_handle(struct keys_session *session, const struct process_message *message,
                        base_time now, struct process_message *answer)
{
    int result = BASE_OK, error = BASE_EFORMAT;
    base_buf_reset(&session->answer);
    *answer = (struct process_message){.type = 0, .fd = -1};
    if (message->type == KEYS_PART)
        return handle_part(session, message);
    if (message->type == KEYS_PROVIDE)
        error = handle_provide(session, message, &result);
    else if (message->type == KEYS_SETTLE)
        error = handle_settle(session, message, &result);
    else if (message->type == KEYS_SIGN)
        error = handle_sign(session, message, now, &result);
    base_findings_free(&session->findings);
    base_buf_free(&session->parts); /* good for one question */
    if (error != BASE_OK)
        return error;
    if (session->answer.error != BASE_OK) { /* more keys than a message takes, or no memory */
        result = session->answer.error == BASE_ESPACE ? BASE_ELIMIT : session->answer.error;
        base_buf_reset(&session->answer);
        keys_put_findings(&session->answer, &session->findings);
    }
    answer->id = message->id;
    answer->type = KEYS_ANSWER;
    answer->value = (uint32_t)result;
    answer->data = session->answer.data;
    answer->length = session->answer.length;
    return BASE_OK;
}
