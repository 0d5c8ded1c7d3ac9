/*
 * What a zone may become by an edit, whether it comes by UPDATE or by the API. Private to
 * src/source.
 */
#ifndef SOURCE_RULES_H
#define SOURCE_RULES_H

#include "source/overlay.h"

/* Why records of this type can never be changed (or, `add`, added) there; NULL: they can. */
const char *source_rules_forbid(uint16_t type, bool apex, bool add);
/* Stays where everything else of a name is deleted: what the signer makes, and SOA and NS of the
 * zone. */
bool source_rules_stays(uint16_t type, bool apex);
/* CNAME stands alone (RFC 1034 section 3.6.2), but for DNSSEC and KEY (RFC 4035 section 2.5). */
bool source_rules_beside_cname(uint16_t type);
/* May the type stand beside what the name has? */
bool source_rules_fits(const struct source_name *name, uint16_t type);
/* Is there an SOA, and is this one's serial greater (RFC 1982)? */
bool source_rules_soa_goes_on(const struct source_name *name, const uint8_t *rdata, size_t length);
/* Removes what an added record replaces: the CNAME, DNAME or SOA of the name, the WKS for its
 * address and protocol (RFC 2136 section 3.4.2.2, RFC 6672 section 2.4). */
int source_rules_make_room(struct source_edits *edits, struct source_name *name, uint16_t type,
                           const uint8_t *rdata, size_t length);
/* Does this addition stand below a DNAME, put a DNAME above names, or NS beside one? *why says so
 * (RFC 6672 section 2.3, 2.4, 5.2). */
int source_rules_occluded(struct source_edits *edits, const struct zone_view *view,
                          const struct source_edit *edit, const char **why);

#endif
