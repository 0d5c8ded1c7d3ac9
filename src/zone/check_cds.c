/* Checks of CDS and CDNSKEY: the delete form, and that the two say the same (RFC 7344, RFC 8078).
 */
#include "zone/check_part.h"

#include "crypto/crypto.h"

#include <string.h>

#define KEYS_MAX 64 /* records of a set that are compared */

/* RFC 8078 section 4 with erratum 5049: "0 0 0 00" and "0 3 0 AA==". */
static bool is_exact_delete(const struct dns_rr *rr)
{
    static const uint8_t cds[5] = {0, 0, 0, 0, 0}, cdnskey[5] = {0, 0, 3, 0, 0};
    return rr->length == 5 && memcmp(rr->rdata, rr->type == DNS_TYPE_CDS ? cds : cdnskey, 5) == 0;
}

static unsigned algorithm_of(const struct dns_rr *rr)
{
    return rr->type == DNS_TYPE_CDS ? rr->rdata[2] : rr->rdata[3];
}

static void check_delete(struct check *check, const struct zone_rrset *rrset)
{
    char type[DNS_TYPE_TEXT];
    unsigned deletes = 0;
    dns_type_text(type, rrset->type);
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (algorithm_of(rr) != 0)
            continue;
        deletes++;
        if (!is_exact_delete(rr))
            CHECK_SAY(check, ZONE_CDS_DELETE_FORM, rr,
                      "the %s record has algorithm 0 and is not "
                      "\"%s\"",
                      type, rrset->type == DNS_TYPE_CDS ? "0 0 0 00" : "0 3 0 AA==");
    }
    if (deletes > 0 && deletes < rrset->count)
        CHECK_SAY(check, ZONE_CDS_DELETE_MIXED, check_rr(check, rrset, 0),
                  "the %s set holds %u "
                  "records that ask for removal and %u others",
                  type, deletes, rrset->count - deletes);
}

/* True when the digest of a CDS or DS is of this key. Unknown digest types count as a match. */
static bool is_digest_of(const struct check *check, const struct dns_rr *cds,
                         const struct dns_rr *key)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t length;
    if (base_load_u16(cds->rdata) != crypto_key_tag(key->rdata, key->length) ||
        cds->rdata[2] != key->rdata[3])
        return false;
    if (crypto_ds_digest(cds->rdata[3], check->node->name, key->rdata, key->length, digest,
                         &length) != 0)
        return true;
    return length == cds->length - 4u && memcmp(digest, cds->rdata + 4, length) == 0;
}

static bool cds_in_keys(const struct check *check, const struct dns_rr *cds,
                        const struct zone_rrset *keys)
{
    for (unsigned i = 0; i < keys->count && i < KEYS_MAX; i++) {
        if (is_digest_of(check, cds, check_rr(check, keys, i)))
            return true;
    }
    return false;
}

static bool key_in_cds(const struct check *check, const struct dns_rr *key,
                       const struct zone_rrset *cds)
{
    for (unsigned i = 0; i < cds->count && i < KEYS_MAX; i++) {
        if (is_digest_of(check, check_rr(check, cds, i), key))
            return true;
    }
    return false;
}

static bool is_delete_set(const struct check *check, const struct zone_rrset *rrset)
{
    return algorithm_of(check_rr(check, rrset, 0)) == 0;
}

static void check_both(struct check *check, const struct zone_rrset *cds,
                       const struct zone_rrset *cdnskey)
{
    const struct dns_rr *first = check_rr(check, cds, 0);
    if (is_delete_set(check, cds) || is_delete_set(check, cdnskey)) {
        if (is_delete_set(check, cds) != is_delete_set(check, cdnskey))
            CHECK_SAY(check, ZONE_CDS_DISAGREE, first,
                      "one of CDS and CDNSKEY asks for removal of "
                      "the DS, the other does not");
        return;
    }
    for (unsigned i = 0; i < cds->count && i < KEYS_MAX; i++) {
        const struct dns_rr *rr = check_rr(check, cds, i);
        if (!cds_in_keys(check, rr, cdnskey))
            CHECK_SAY(check, ZONE_CDS_DISAGREE, rr,
                      "the CDS record with key tag %u is not a "
                      "digest of any CDNSKEY",
                      base_load_u16(rr->rdata));
    }
    for (unsigned i = 0; i < cdnskey->count && i < KEYS_MAX; i++) {
        const struct dns_rr *rr = check_rr(check, cdnskey, i);
        if (!key_in_cds(check, rr, cds))
            CHECK_SAY(check, ZONE_CDS_DISAGREE, rr, "the CDNSKEY record with key tag %u has no CDS",
                      crypto_key_tag(rr->rdata, rr->length));
    }
}

static bool key_in_zone(const struct check *check, const struct dns_rr *key,
                        const struct zone_rrset *dnskey)
{
    for (unsigned i = 0; i < dnskey->count && i < KEYS_MAX; i++) {
        const struct dns_rr *rr = check_rr(check, dnskey, i);
        if (rr->length == key->length && memcmp(rr->rdata, key->rdata, key->length) == 0)
            return true;
    }
    return false;
}

/* When the DNSKEY set is in the file, CDS and CDNSKEY should be of its keys, one of them at least:
 * with several signers some are of keys that only the others have (RFC 8901 section 2.1.2). */
static void check_against_keys(struct check *check, const struct zone_rrset *rrset,
                               const struct zone_rrset *dnskey)
{
    char type[DNS_TYPE_TEXT];
    unsigned found = 0, count = rrset->count < KEYS_MAX ? rrset->count : KEYS_MAX;
    const struct dns_rr *foreign[KEYS_MAX] = {NULL};
    for (unsigned i = 0; i < count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (rrset->type == DNS_TYPE_CDS ? cds_in_keys(check, rr, dnskey)
                                        : key_in_zone(check, rr, dnskey))
            found++;
        else
            foreign[i - found] = rr;
    }
    dns_type_text(type, rrset->type);
    if (found == 0)
        CHECK_SAY(check, ZONE_CDS_NO_KEY, foreign[0],
                  "none of the %u %s records is of a key in the DNSKEY set", rrset->count, type);
    for (unsigned i = 0; found > 0 && i < count - found; i++)
        CHECK_SAY(check, ZONE_CDS_WITHOUT_KEY, foreign[i],
                  "the %s record is of a key that is not in the DNSKEY set", type);
}

/* Once for the apex. */
void check_cds_agreement(struct check *check)
{
    const struct zone_rrset *cds = check_rrset(check, DNS_TYPE_CDS);
    const struct zone_rrset *cdnskey = check_rrset(check, DNS_TYPE_CDNSKEY);
    const struct zone_rrset *dnskey = check_rrset(check, DNS_TYPE_DNSKEY);
    const struct zone_rrset *one = cds != NULL ? cds : cdnskey;
    if (one == NULL)
        return;
    if (cds != NULL && cdnskey != NULL)
        check_both(check, cds, cdnskey);
    else
        CHECK_SAY(check, ZONE_CDS_ALONE, check_rr(check, one, 0), "there is %s and no %s",
                  cds != NULL ? "CDS" : "CDNSKEY", cds != NULL ? "CDNSKEY" : "CDS");
    if (dnskey == NULL)
        return;
    if (cds != NULL && !is_delete_set(check, cds))
        check_against_keys(check, cds, dnskey);
    if (cdnskey != NULL && !is_delete_set(check, cdnskey))
        check_against_keys(check, cdnskey, dnskey);
}

const struct check_row check_cds_rows[] = {
    {check_delete, {DNS_TYPE_CDS, DNS_TYPE_CDNSKEY}, false},
    {NULL, {0}, false},
};
