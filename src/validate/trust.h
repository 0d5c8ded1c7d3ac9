/*
 * What a look-up has found out about one zone: its keys, or that security ends there; and the store
 * (struct validate_trust) in which such knowledge outlives look-ups. Private to the look-up.
 */
#ifndef VALIDATE_TRUST_H
#define VALIDATE_TRUST_H

#include "validate/rrset.h"

/* An RRset that vouched for something, with its signatures, kept for showing. */
struct validate_evidence {
    struct validate_records records;
    const struct validate_signature *signatures;
    size_t signature_count;
};

/* A zone that was judged, and how it was come to. Counted by references; not changed after it is
 * made, but for the crypto contexts of its keys. */
struct validate_chain {
    unsigned references;
    struct base_arena arena;       /* this lies in it too */
    const uint8_t *name;           /* the apex */
    bool secure;                   /* the keys are trusted; else security ends here, provably */
    bool anchored;                 /* by an anchor, not by its parent */
    bool skewed;                   /* holds only because clocks may differ */
    struct validate_chain *parent; /* whose keys signed the DS or its denial; NULL: anchored */
    const struct validate_evidence *vouchers; /* anchor, DS, or the denial's records */
    size_t voucher_count;
    const char *note;                /* of the denial, or why the DS are of no use; NULL */
    struct validate_evidence dnskey; /* empty: never looked at */
    struct validate_zone_keys keys;
    const struct validate_key_note *notes; /* of keys, as many */
    bool denied;                           /* vouchers are a denial of DS */
    /* Why security ends, when that needs saying: a finding. */
    int code; /* enum base_finding_code; -1 */
    int ede;
    const char *message;
    base_time until;  /* not to be used from then on */
    base_time expiry; /* the earliest of its own signatures; 0: none */
    /* The store's affair. */
    struct validate_chain *newer, *older, *same_slot;
    bool stored;
};

/* An empty one with one reference. NULL: without memory. */
struct validate_chain *validate_chain_new(const uint8_t *name, struct validate_chain *parent);
void validate_chain_ref(struct validate_chain *chain);
void validate_chain_unref(struct validate_chain *chain); /* NULL allowed */
/* Copies evidence into the chain's memory. BASE_ENOMEM */
int validate_chain_evidence(struct validate_chain *chain, const struct validate_group *group,
                            const struct validate_signature *signatures, size_t signature_count,
                            struct validate_evidence *out);
/* The same of records that have no group: an anchor's. */
int validate_chain_records(struct validate_chain *chain, const struct validate_records *records,
                           struct validate_records *out);
/* The keys of a DNSKEY set, in the chain's memory, none trusted yet. BASE_ENOMEM */
int validate_chain_keys(struct validate_chain *chain, const struct validate_work *work,
                        const struct validate_records *dnskey);

/* What is known of a zone, and still holds at `now`; NULL. The store's: take a reference. */
struct validate_chain *validate_trust_find(struct validate_trust *trust, const uint8_t *name,
                                           base_time now);
/* Keeps it in the place of what is there for the zone, and drops the longest unused ones. */
void validate_trust_keep(struct validate_trust *trust, struct validate_chain *chain);

#endif
