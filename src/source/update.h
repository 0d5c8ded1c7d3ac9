/*
 * DNS UPDATE (RFC 2136): from a message to the records that it adds and removes, against a view of
 * the zone. Pure: no sockets, no keys, nothing is changed. Several messages can be judged one after
 * the other, each seeing what those before it did, and then be signed and published together.
 */
#ifndef SOURCE_UPDATE_H
#define SOURCE_UPDATE_H

#include "base/arena.h"
#include "base/finding.h"
#include "dns/message.h"
#include "zone/view.h"

struct source_edit {
    const uint8_t *owner, *rdata; /* wire */
    uint32_t ttl;
    uint16_t type, length;
    bool add;
};

/* The edits gathered so far; a later one of the same record replaces the effect of an earlier. */
struct source_edits {
    struct base_arena arena;
    struct source_edit *items;
    size_t count;
    void *index; /* the zone as the edits leave it, as far as it was asked for */
};
int source_edits_init(struct source_edits *edits);
void source_edits_free(struct source_edits *edits);
/* Appends an edit as it is (what a primary sent): owner and rdata are copied. Not to be mixed with
 * source_update and source_change, which do not see it. BASE_ENOMEM. */
int source_edits_append(struct source_edits *edits, const struct source_edit *edit);

/* Do these edits, which a primary sent, fit the zone? BASE_EREFUSED with a finding: one removes
 * what is not there, the apex has no NS left, or a CNAME would not stand alone. Records that a
 * signer makes are not looked at, and a catalog (RFC 9432) need not be a zone that resolves. Errors
 * of the view; BASE_ELIMIT; BASE_ENOMEM. */
int source_difference_fits(const struct zone_view *view, const struct source_edits *difference,
                           bool catalog, struct base_findings *findings);

struct source_update_request {
    const uint8_t *message; /* its TSIG verified and taken off */
    size_t length;
    const struct zone_view *view; /* the version that is published */
    /* May records of this type be changed at this name? NULL: all. */
    bool (*allows)(void *context, const uint8_t *name, uint16_t type);
    void *context;
};

struct source_update_result {
    uint16_t rcode; /* DNS_RCODE_…: NOERROR, FORMERR, REFUSED, NXDOMAIN, YXDOMAIN, YXRRSET, NXRRSET,
                       NOTAUTH, NOTZONE, SERVFAIL */
    char why[256];  /* for the log and EXTRA-TEXT of EDE: what did not hold; "" when all is well */
    size_t changes; /* records added and removed; 0: all was as the message wants it */
};

/* Judges one message and adds what it changes to `edits` (nothing when rcode is not NOERROR, or
 * after an error). Prerequisites (section 2.4, 3.2), pre-scan (3.4.1) and update (3.4.2) with its
 * rules for CNAME, SOA and the apex NS. DNSSEC records that the signer makes cannot be changed
 * (REFUSED). All messages that share `edits` share the view. Errors of the view, BASE_ENOMEM. */
int source_update(const struct source_update_request *request, struct source_edits *edits,
                  struct source_update_result *result);

/* The same for changes that come as records (the API): "add", "delete" (rdata NULL: the RRset;
 * type ANY: the name) and "set" (replaces the RRset by what is set for it in this list). They are
 * done in their order, and judged by what the zone is at the end: what UPDATE would pass over in
 * silence is a finding here (BASE_EREFUSED, and nothing is added to `edits`). Errors of the view,
 * BASE_ENOMEM. */
enum source_change_kind { SOURCE_ADD, SOURCE_DELETE, SOURCE_SET };
struct source_change {
    enum source_change_kind kind;
    const uint8_t *owner, *rdata;
    uint32_t ttl;
    uint16_t type, length;
};
int source_change(const struct zone_view *view, const struct source_change *changes, size_t count,
                  struct source_edits *edits, struct base_findings *findings);

#endif
