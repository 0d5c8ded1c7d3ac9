/* One RRSIG: reading, verifying, and finding out why it fails (RFC 4034 section 3, 6). */
#include "validate/zone_rrsig.h"

#include "base/reader.h"

#include <stdio.h>
#include <string.h>

#define RRSIG_HEAD 18 /* octets before the signer's name */

bool validate_rrsig_parse(const struct dns_rr *rr, struct validate_rrsig *out)
{
    struct base_reader reader = base_reader_make(rr->rdata, rr->length);
    *out = (struct validate_rrsig){.rr = rr};
    out->covered = base_reader_u16(&reader);
    out->algorithm = base_reader_u8(&reader);
    out->labels = base_reader_u8(&reader);
    out->original_ttl = base_reader_u32(&reader);
    out->expiration = base_reader_u32(&reader);
    out->inception = base_reader_u32(&reader);
    out->tag = base_reader_u16(&reader);
    if (reader.failed || dns_name_check(rr->rdata + reader.at, rr->length - reader.at,
                                        &out->signer_length) != BASE_OK)
        return false;
    out->signer = rr->rdata + reader.at;
    out->signature = out->signer + out->signer_length;
    out->signature_length = rr->length - reader.at - out->signer_length;
    return out->signature_length > 0;
}

/* How names in rdata are written into what is signed. */
enum rdata_case {
    CASE_CANONICAL,  /* by RFC 6840 section 5.1 */
    CASE_AS_WRITTEN, /* a signer that forgot to convert */
    CASE_ALL_LOWER,  /* a signer that converts NSEC too, as RFC 4034 once said */
};

/* What is signed, and deviations from it that the diagnosis tries. */
struct signed_form {
    const struct validate_set *set;
    uint16_t covered;
    uint32_t original_ttl;
    enum rdata_case names;
    size_t left_out; /* index of a record; SIZE_MAX: none */
    int32_t serial;  /* added to an SOA's serial */
};

static void append_head(struct base_buf *data, const struct validate_rrsig *rrsig,
                        const struct signed_form *form)
{
    uint8_t head[RRSIG_HEAD + DNS_NAME_MAX];
    memcpy(head, rrsig->rr->rdata, RRSIG_HEAD);
    base_store_u16(head, form->covered);
    base_store_u32(head + 4, form->original_ttl);
    size_t length = dns_name_lower(head + RRSIG_HEAD, rrsig->signer);
    base_buf_append(data, head, RRSIG_HEAD + length);
}

/* Lower case for all names, also of types where only old rules ask for it. */
static void lower_names(uint8_t *rdata, const struct dns_rr *rr)
{
    size_t at = 0;
    const uint8_t *name;
    while ((name = dns_rdata_next_name(rr->type, rr->rdata, rr->length, &at)) != NULL)
        dns_name_lower(rdata + (name - rr->rdata), name);
}

static void append_rdata(struct base_buf *data, const struct dns_rr *rr,
                         const struct signed_form *form)
{
    uint8_t *room = base_buf_reserve(data, rr->length);
    if (room == NULL)
        return;
    if (form->names == CASE_CANONICAL && !rr->canonical)
        dns_rdata_canonical(rr->type, rr->rdata, rr->length, room);
    else
        memcpy(room, rr->rdata, rr->length);
    if (form->names == CASE_ALL_LOWER)
        lower_names(room, rr);
    if (form->serial != 0 && rr->type == DNS_TYPE_SOA && rr->length > 20) {
        uint8_t *serial = room + rr->length - 20;
        base_store_u32(serial, base_load_u32(serial) + (uint32_t)form->serial);
    }
    data->length += rr->length;
}

static void append_set(const struct zone *zone, struct base_buf *data,
                       const struct signed_form *form)
{
    const struct zone_rrset *rrset = form->set->rrset;
    uint8_t head[DNS_NAME_MAX + 10];
    size_t owner = dns_name_lower(head, form->set->node->name);
    base_store_u16(head + owner, rrset->type);
    base_store_u16(head + owner + 2, DNS_CLASS_IN);
    base_store_u32(head + owner + 4, form->original_ttl);
    for (size_t i = 0; i < rrset->count; i++) {
        if (i == form->left_out)
            continue;
        const struct dns_rr *rr = zone->rrs[rrset->first_rr + i];
        base_store_u16(head + owner + 8, rr->length);
        base_buf_append(data, head, owner + 10);
        append_rdata(data, rr, form);
    }
}

/* The crypto context of a key, made when the thread first needs it. */
static int context_of(const struct verifier *verifier, struct validate_worker *worker, size_t key,
                      struct crypto_verifier **out)
{
    int error = BASE_OK;
    if (worker->verifiers[key] == NULL) {
        const struct dns_rr *rr = verifier->keys[key].rr;
        error = crypto_verifier_new(rr->rdata, rr->length, verifier->options->legacy,
                                    &worker->verifiers[key]);
    }
    *out = worker->verifiers[key];
    return error;
}

static int verify_form(const struct verifier *verifier, struct validate_worker *worker,
                       const struct validate_rrsig *rrsig, const struct signed_form *form,
                       size_t key)
{
    struct crypto_verifier *context;
    int error = context_of(verifier, worker, key, &context);
    if (error != BASE_OK)
        return error;
    base_buf_reset(&worker->data);
    append_head(&worker->data, rrsig, form);
    append_set(verifier->zone, &worker->data, form);
    if (worker->data.error != BASE_OK)
        return worker->data.error;
    return crypto_verify(context, worker->data.data, worker->data.length, rrsig->signature,
                         rrsig->signature_length);
}

static struct signed_form plain_form(const struct validate_rrsig *rrsig,
                                     const struct validate_set *set)
{
    return (struct signed_form){.set = set,
                                .covered = rrsig->covered,
                                .original_ttl = rrsig->original_ttl,
                                .left_out = SIZE_MAX};
}

int validate_rrsig_verify(const struct verifier *verifier, struct validate_worker *worker,
                          const struct validate_rrsig *rrsig, const struct validate_set *set,
                          size_t key)
{
    struct signed_form form = plain_form(rrsig, set);
    return verify_form(verifier, worker, rrsig, &form, key);
}

/*
 * The diagnosis: small deviations are tried until one verifies, which is then the cause.
 */
struct diagnosis {
    struct verifier *verifier;
    struct validate_worker *worker;
    const struct validate_rrsig *rrsig;
    const struct validate_set *set;
    size_t key;
    unsigned tries;
    char *out;
};

static bool verifies(struct diagnosis *diagnosis, const struct signed_form *form, size_t key)
{
    if (diagnosis->tries == 0)
        return false;
    diagnosis->tries--;
    return verify_form(diagnosis->verifier, diagnosis->worker, diagnosis->rrsig, form, key) ==
           BASE_OK;
}

static bool try_ttl(struct diagnosis *diagnosis)
{
    struct signed_form form = plain_form(diagnosis->rrsig, diagnosis->set);
    form.original_ttl = diagnosis->set->rrset->ttl;
    if (form.original_ttl == diagnosis->rrsig->original_ttl ||
        !verifies(diagnosis, &form, diagnosis->key))
        return false;
    snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
             "it was made for the original TTL %u, the field says %u", form.original_ttl,
             diagnosis->rrsig->original_ttl);
    return true;
}

static bool try_case(struct diagnosis *diagnosis)
{
    struct signed_form form = plain_form(diagnosis->rrsig, diagnosis->set);
    size_t at = 0;
    const struct dns_rr *rr = diagnosis->verifier->zone->rrs[diagnosis->set->rrset->first_rr];
    if (dns_rdata_next_name(rr->type, rr->rdata, rr->length, &at) == NULL)
        return false;
    form.names = CASE_AS_WRITTEN;
    bool found = verifies(diagnosis, &form, diagnosis->key);
    if (!found) {
        form.names = CASE_ALL_LOWER;
        found = verifies(diagnosis, &form, diagnosis->key);
    }
    if (found)
        snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
                 "it was made over names in %s instead of the canonical form",
                 form.names == CASE_AS_WRITTEN ? "the case as written" : "lower case");
    return found;
}

static bool try_serial(struct diagnosis *diagnosis)
{
    if (diagnosis->set->rrset->type != DNS_TYPE_SOA)
        return false;
    struct signed_form form = plain_form(diagnosis->rrsig, diagnosis->set);
    for (int32_t serial = -1; serial <= 1; serial += 2) {
        form.serial = serial;
        if (!verifies(diagnosis, &form, diagnosis->key))
            continue;
        snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
                 "it is for the serial %u: the serial was changed after signing",
                 diagnosis->verifier->zone->serial + (uint32_t)serial);
        return true;
    }
    return false;
}

static bool try_without_one(struct diagnosis *diagnosis)
{
    const struct zone_rrset *rrset = diagnosis->set->rrset;
    if (rrset->count < 2 || rrset->count > 4)
        return false;
    struct signed_form form = plain_form(diagnosis->rrsig, diagnosis->set);
    for (form.left_out = 0; form.left_out < rrset->count; form.left_out++) {
        if (!verifies(diagnosis, &form, diagnosis->key))
            continue;
        char text[120];
        struct base_buf buf;
        base_buf_init(&buf, sizeof(text) - 1);
        const struct dns_rr *rr = diagnosis->verifier->zone->rrs[rrset->first_rr + form.left_out];
        dns_rdata_to_text(&buf, rr->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
        if (buf.error == BASE_OK)
            snprintf(text, sizeof(text), "%.*s", (int)buf.length, (const char *)buf.data);
        else
            snprintf(text, sizeof(text), "number %zu", form.left_out + 1);
        snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
                 "the record %s was added after signing; without it the signature is good", text);
        base_buf_free(&buf);
        return true;
    }
    return false;
}

static bool try_other_keys(struct diagnosis *diagnosis)
{
    struct verifier *verifier = diagnosis->verifier;
    struct signed_form form = plain_form(diagnosis->rrsig, diagnosis->set);
    unsigned tried = 0;
    for (size_t i = 0; i < verifier->key_count && tried < VALIDATE_TAG_KEYS; i++) {
        const struct validate_key *key = &verifier->keys[i];
        if (!key->parsed || key->algorithm != diagnosis->rrsig->algorithm ||
            key->tag == diagnosis->rrsig->tag)
            continue;
        tried++;
        /* The tag is part of what is signed: a signer that mixed keys up signed the wrong tag, a
         * tag that was edited later is not what was signed. Both are worth telling. */
        if (verifies(diagnosis, &form, i)) {
            snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
                     "it was made with the key with tag %u under the tag of another", key->tag);
            return true;
        }
    }
    return false;
}

static bool try_other_type(struct diagnosis *diagnosis)
{
    const struct zone *zone = diagnosis->verifier->zone;
    const struct zone_node *node = diagnosis->set->node;
    for (unsigned i = 0; i < node->rrset_count && i < 4; i++) {
        struct validate_set other = {node, &zone->rrsets[node->first_rrset + i]};
        if (other.rrset->type == DNS_TYPE_RRSIG || other.rrset == diagnosis->set->rrset)
            continue;
        struct signed_form form = plain_form(diagnosis->rrsig, &other);
        form.covered = other.rrset->type;
        if (!verifies(diagnosis, &form, diagnosis->key))
            continue;
        char type[DNS_TYPE_TEXT];
        snprintf(diagnosis->out, VALIDATE_CAUSE_TEXT,
                 "it is the signature over %s: the field for the covered type was changed",
                 dns_type_text(type, other.rrset->type));
        return true;
    }
    return false;
}

void validate_rrsig_diagnose(struct verifier *verifier, struct validate_worker *worker,
                             const struct validate_rrsig *rrsig, const struct validate_set *set,
                             size_t key, char out[VALIDATE_CAUSE_TEXT])
{
    struct diagnosis diagnosis = {.verifier = verifier,
                                  .worker = worker,
                                  .rrsig = rrsig,
                                  .set = set,
                                  .key = key,
                                  .tries = VALIDATE_DIAGNOSIS_TRIES,
                                  .out = out};
    out[0] = '\0';
    (void)(try_ttl(&diagnosis) || try_serial(&diagnosis) || try_without_one(&diagnosis) ||
           try_case(&diagnosis) || try_other_keys(&diagnosis) || try_other_type(&diagnosis));
}
