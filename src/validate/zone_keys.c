/* The keys of the zone verifier: the DNSKEY set (RFC 4034 section 2) and the DS that lead to it. */
#include "base/reader.h"
#include "validate/zone_parts.h"

#include <stdlib.h>
#include <string.h>

static void report_key(struct verifier *verifier, enum base_finding_code code,
                       const struct validate_key *key, const char *what)
{
    char algorithm[VALIDATE_ALGORITHM_TEXT];
    validate_algorithm_text(algorithm, key->algorithm);
    validate_report(verifier, verifier->findings, code, verifier->zone->apex, key->rr,
                    "the DNSKEY with tag %u, algorithm %s %s", key->tag, algorithm, what);
}

/* Tries to make a verifier of the key: the only judge of what is well-formed. */
static int parse_key(struct verifier *verifier, struct validate_key *key)
{
    int error = crypto_verifier_new(key->rr->rdata, key->rr->length, verifier->options->legacy,
                                    &key->context);
    if (error == BASE_ENOMEM || error == BASE_ECRYPTO)
        return error;
    key->supported = error != BASE_EUNSUPPORTED;
    key->parsed = error == BASE_OK;
    if (error == BASE_EUNSUPPORTED)
        report_key(verifier, VERIFY_KEY_UNSUPPORTED, key,
                   "is not validated: signatures by it were not checked");
    else if (error != BASE_OK)
        report_key(verifier, VERIFY_KEY_MALFORMED, key, "holds no valid public key");
    return BASE_OK;
}

static void judge_flags(struct verifier *verifier, struct validate_key *key, unsigned protocol)
{
    key->usable = key->parsed;
    if (protocol != 3) {
        key->usable = false;
        validate_report(verifier, verifier->findings, VERIFY_KEY_PROTOCOL, verifier->zone->apex,
                        key->rr, "the DNSKEY with tag %u has protocol %u; it must be 3", key->tag,
                        protocol);
    }
    if (!(key->flags & VALIDATE_FLAG_ZONE_KEY)) {
        key->usable = false;
        validate_report(verifier, verifier->findings, VERIFY_KEY_NOT_ZONE, verifier->zone->apex,
                        key->rr,
                        "the DNSKEY with tag %u has flags %u, without the zone flag (256): it "
                        "cannot verify anything",
                        key->tag, key->flags);
    }
    if (key->flags & VALIDATE_FLAG_REVOKED) {
        key->usable = false;
        report_key(verifier, VERIFY_KEY_REVOKED, key, "is revoked");
    }
    unsigned known = VALIDATE_FLAG_ZONE_KEY | VALIDATE_FLAG_REVOKED | VALIDATE_FLAG_SEP;
    if (key->flags & ~known)
        validate_report(verifier, verifier->findings, VERIFY_KEY_FLAGS, verifier->zone->apex,
                        key->rr, "the DNSKEY with tag %u has flags %u, of which %u are reserved",
                        key->tag, key->flags, key->flags & ~known);
    const struct crypto_algorithm_info *info = crypto_algorithm(key->algorithm);
    if (key->usable && info != NULL && info->legacy)
        report_key(verifier, VERIFY_KEY_LEGACY, key, "makes its signatures over SHA-1");
}

static int read_key(struct verifier *verifier, const struct dns_rr *rr)
{
    if (rr->length < 5) {
        validate_report(verifier, verifier->findings, VERIFY_KEY_MALFORMED, verifier->zone->apex,
                        rr, "a DNSKEY has %u octets of rdata and so no public key", rr->length);
        return BASE_OK;
    }
    struct validate_key *key = &verifier->keys[verifier->key_count];
    *key = (struct validate_key){.rr = rr,
                                 .flags = base_load_u16(rr->rdata),
                                 .algorithm = rr->rdata[3],
                                 .tag = crypto_key_tag(rr->rdata, rr->length)};
    int error = parse_key(verifier, key);
    if (error != BASE_OK)
        return error;
    judge_flags(verifier, key, rr->rdata[2]);
    verifier->key_count++;
    return BASE_OK;
}

static int compare_keys(const void *left, const void *right)
{
    const struct validate_key *a = left, *b = right;
    if (a->algorithm != b->algorithm)
        return a->algorithm < b->algorithm ? -1 : 1;
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->rr < b->rr ? -1 : a->rr > b->rr;
}

/* Every algorithm of a key that validators may take for a zone key must sign the zone. */
static void collect_algorithms(struct verifier *verifier)
{
    for (size_t i = 0; i < verifier->key_count; i++) {
        const struct validate_key *key = &verifier->keys[i];
        bool counts = (key->flags & VALIDATE_FLAG_ZONE_KEY) &&
                      !(key->flags & VALIDATE_FLAG_REVOKED) && key->rr->rdata[2] == 3;
        unsigned count = verifier->algorithm_count;
        if (!counts || count == 32)
            continue;
        if (count == 0 || verifier->algorithms[count - 1] != key->algorithm)
            verifier->algorithms[verifier->algorithm_count++] = key->algorithm;
        if (key->supported)
            verifier->checked_algorithms |= 1u << (verifier->algorithm_count - 1);
    }
    for (unsigned i = 0; i < verifier->algorithm_count && i < 7; i++)
        verifier->result->algorithms[i] = verifier->algorithms[i];
}

/* Does a key before this one have its tag (and, unless all count, its algorithm)? */
static bool collides(const struct verifier *verifier, const struct validate_key *key)
{
    for (const struct validate_key *other = verifier->keys; other < key; other++) {
        if (other->tag == key->tag &&
            (other->algorithm == key->algorithm || verifier->options->refuse_collisions))
            return true;
    }
    return false;
}

static void find_collisions(struct verifier *verifier)
{
    enum base_severity severity = verifier->options->refuse_collisions ? BASE_ERROR : BASE_WARNING;
    for (size_t i = 1; i < verifier->key_count; i++) {
        const struct validate_key *key = &verifier->keys[i];
        char algorithm[VALIDATE_ALGORITHM_TEXT];
        if (collides(verifier, key))
            validate_report_as(verifier, verifier->findings, VERIFY_KEY_COLLISION, severity,
                               verifier->zone->apex, key->rr,
                               "the DNSKEY with tag %u, algorithm %s has the same tag as another",
                               key->tag, validate_algorithm_text(algorithm, key->algorithm));
    }
}

int validate_keys_read(struct verifier *verifier)
{
    const struct zone *zone = verifier->zone;
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_DNSKEY);
    if (rrset == NULL) {
        validate_report_type(
            verifier, verifier->findings, VERIFY_NO_DNSKEY, zone->apex, DNS_TYPE_DNSKEY,
            "the zone has %zu signatures, but no DNSKEY to check them with", verifier->rrsigs);
        return BASE_OK;
    }
    for (unsigned i = 0; i < rrset->count && verifier->key_count < VALIDATE_KEYS_MAX; i++) {
        int error = read_key(verifier, zone->rrs[rrset->first_rr + i]);
        if (error != BASE_OK)
            return error;
    }
    if (rrset->count > VALIDATE_KEYS_MAX)
        validate_report_type(verifier, verifier->findings, VERIFY_BUDGET, zone->apex,
                             DNS_TYPE_DNSKEY, "there are %u DNSKEY records; %d were looked at",
                             rrset->count, VALIDATE_KEYS_MAX);
    qsort(verifier->keys, verifier->key_count, sizeof(verifier->keys[0]), compare_keys);
    collect_algorithms(verifier);
    find_collisions(verifier);
    bool usable = false;
    for (size_t i = 0; i < verifier->key_count; i++)
        usable |= verifier->keys[i].usable;
    if (!usable)
        validate_report_type(
            verifier, verifier->findings, VERIFY_KEY_NONE_USABLE, zone->apex, DNS_TYPE_DNSKEY,
            "of %zu DNSKEY record%s that were looked at none can verify signatures",
            verifier->key_count, verifier->key_count == 1 ? "" : "s");
    return BASE_OK;
}

void validate_keys_free(struct verifier *verifier)
{
    for (size_t i = 0; i < verifier->key_count; i++) {
        crypto_verifier_free(verifier->keys[i].context);
        verifier->keys[i].context = NULL;
    }
}

struct validate_key *validate_key_find(struct verifier *verifier, unsigned algorithm, unsigned tag)
{
    size_t low = 0, high = verifier->key_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct validate_key *key = &verifier->keys[middle];
        if (key->algorithm < algorithm || (key->algorithm == algorithm && key->tag < tag))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == verifier->key_count || verifier->keys[low].algorithm != algorithm ||
        verifier->keys[low].tag != tag)
        return NULL;
    return &verifier->keys[low];
}

/* What the whole run tells about the keys. */
void validate_keys_summary(struct verifier *verifier)
{
    bool sep = false, sep_signs = false;
    for (size_t i = 0; i < verifier->key_count; i++) {
        const struct validate_key *key = &verifier->keys[i];
        if (key->good == 0 && key->bad > 1)
            validate_report(verifier, verifier->findings, VERIFY_KEY_MISFIT, verifier->zone->apex,
                            key->rr,
                            "none of the %zu signatures by the key with tag %u verifies: this is "
                            "not the public key of the private key that signed",
                            key->bad, key->tag);
        if (key->flags & VALIDATE_FLAG_REVOKED && !key->signs_self)
            validate_report_as(verifier, verifier->findings, VERIFY_KEY_REVOKED, BASE_WARNING,
                               verifier->zone->apex, key->rr,
                               "the key with tag %u is marked as revoked but does not sign the "
                               "DNSKEY set: resolvers ignore the revocation (RFC 5011)",
                               key->tag);
        if (!key->usable)
            continue;
        if (key->good == 0 && key->bad == 0)
            report_key(verifier, VERIFY_KEY_ROLES, key,
                       "signs nothing: a standby key, or one that was left over");
        sep |= (key->flags & VALIDATE_FLAG_SEP) != 0;
        sep_signs |= (key->flags & VALIDATE_FLAG_SEP) && key->signs_dnskey;
    }
    if (sep && !sep_signs)
        validate_report_type(verifier, verifier->findings, VERIFY_KEY_ROLES, verifier->zone->apex,
                             DNS_TYPE_DNSKEY,
                             "no key with the SEP flag validly signs the DNSKEY set");
}

/*
 * DS records.
 */
struct ds {
    uint16_t tag;
    uint8_t algorithm;
    uint8_t digest_type;
    const uint8_t *digest;
    size_t length;
};

static bool ds_parse(struct verifier *verifier, const struct validate_ds *given, struct ds *ds)
{
    static const uint8_t sizes[] = {0, 20, 32, 32, 48};
    bool good = given->length > 4;
    if (good) {
        *ds = (struct ds){.tag = base_load_u16(given->rdata),
                          .algorithm = given->rdata[2],
                          .digest_type = given->rdata[3],
                          .digest = given->rdata + 4,
                          .length = given->length - 4};
        good = ds->digest_type >= sizeof(sizes) || ds->length == sizes[ds->digest_type];
    }
    if (!good)
        validate_report_type(
            verifier, verifier->findings, VERIFY_DS_MALFORMED, verifier->zone->apex, DNS_TYPE_DS,
            "a DS of %zu octets does not hold a digest of its type", given->length);
    return good;
}

struct ds_match {
    bool matches; /* a DNSKEY has this digest */
    bool works;   /* and it may be used and signs the DNSKEY set */
    bool tag_seen;
};

static struct ds_match ds_match(struct verifier *verifier, const struct ds *ds)
{
    struct ds_match match = {0};
    const struct validate_key *end = verifier->keys + verifier->key_count;
    const struct validate_key *key = validate_key_find(verifier, ds->algorithm, ds->tag);
    for (unsigned pairs = 0; key != NULL && key < end && pairs < VALIDATE_DS_PAIRS;
         key++, pairs++) {
        if (key->algorithm != ds->algorithm || key->tag != ds->tag)
            break;
        match.tag_seen = true;
        uint8_t digest[CRYPTO_DIGEST_MAX];
        size_t length;
        if (crypto_ds_digest(ds->digest_type, verifier->zone->apex, key->rr->rdata, key->rr->length,
                             digest, &length) != BASE_OK ||
            length != ds->length || memcmp(digest, ds->digest, length) != 0)
            continue;
        match.matches = true;
        match.works |= key->usable && key->signs_dnskey;
    }
    return match;
}

static bool algorithm_published(const struct verifier *verifier, unsigned algorithm)
{
    for (unsigned i = 0; i < verifier->algorithm_count; i++) {
        if (verifier->algorithms[i] == algorithm)
            return true;
    }
    return false;
}

static void report_ds_match(struct verifier *verifier, const struct ds *ds, struct ds_match match)
{
    const uint8_t *apex = verifier->zone->apex;
    char algorithm[VALIDATE_ALGORITHM_TEXT];
    validate_algorithm_text(algorithm, ds->algorithm);
    if (match.matches)
        return;
    if (match.tag_seen)
        validate_report_type(verifier, verifier->findings, VERIFY_DS_DIGEST, apex, DNS_TYPE_DS,
                             "the DS with tag %u, algorithm %s has another digest (type %u) than "
                             "the DNSKEY with this tag",
                             ds->tag, algorithm, ds->digest_type);
    else
        validate_report_type(verifier, verifier->findings, VERIFY_DS_UNMATCHED, apex, DNS_TYPE_DS,
                             "no DNSKEY has the tag %u and algorithm %s of the DS", ds->tag,
                             algorithm);
}

enum ds_state { DS_NONE, DS_SEEN, DS_WORKS };

static void check_one_ds(struct verifier *verifier, const struct validate_ds *given,
                         uint8_t states[256])
{
    struct ds ds;
    if (!ds_parse(verifier, given, &ds))
        return;
    const struct crypto_algorithm_info *info = crypto_algorithm(ds.algorithm);
    bool known = info != NULL && (info->validate || (info->legacy && verifier->options->legacy));
    if (!known || (ds.digest_type != 1 && ds.digest_type != 2 && ds.digest_type != 4)) {
        validate_report_type(verifier, verifier->findings, VERIFY_DS_UNSUPPORTED,
                             verifier->zone->apex, DNS_TYPE_DS,
                             "the DS with tag %u has algorithm %u and digest type %u, which are "
                             "not validated",
                             ds.tag, ds.algorithm, ds.digest_type);
        return;
    }
    struct ds_match match = ds_match(verifier, &ds);
    report_ds_match(verifier, &ds, match);
    if (match.works)
        states[ds.algorithm] = DS_WORKS;
    else if (states[ds.algorithm] == DS_NONE)
        states[ds.algorithm] = DS_SEEN;
}

void validate_ds_check(struct verifier *verifier)
{
    uint8_t states[256] = {DS_NONE};
    for (size_t i = 0; i < verifier->options->ds_count; i++)
        check_one_ds(verifier, &verifier->options->ds[i], states);
    for (unsigned i = 0; i < 256; i++) {
        if (states[i] != DS_SEEN)
            continue;
        char algorithm[VALIDATE_ALGORITHM_TEXT];
        validate_algorithm_text(algorithm, i);
        bool published = algorithm_published(verifier, i);
        validate_report_type(verifier, verifier->findings,
                             published ? VERIFY_DS_BROKEN : VERIFY_DS_ALGORITHM,
                             verifier->zone->apex, DNS_TYPE_DS,
                             published ? "no DS of algorithm %s leads to a DNSKEY that validly "
                                         "signs the DNSKEY set"
                                       : "the parent has DS of algorithm %s, but no DNSKEY has it",
                             algorithm);
    }
}
