/*
 * Chains of records that a TLS server sends with its certificate (RFC 9102): all that is needed to
 * validate its TLSA, or their absence, from a trust anchor down and without a query. Made from a
 * finished look-up; verified by a look-up that gets its answers from the chain and from nowhere
 * else, so that a chain counts as much as the same records in packets.
 */
#ifndef VALIDATE_CHAINEXT_H
#define VALIDATE_CHAINEXT_H

#include "base/buf.h"
#include "validate/lookup.h"

/* Most octets of the extension's data, lifetime included. */
#define VALIDATE_CHAINEXT_MAX 65535

/* The name of the TLSA of a service: "_443._tcp.www.example.com." of www.example.com.; `protocol`
 * is "tcp", "udp" or "sctp". BASE_ERANGE: it is too long. */
int validate_chainext_name(const uint8_t *host, uint16_t port, const char *protocol,
                           uint8_t out[DNS_NAME_MAX]);

/* An RRset with the signatures that go with it. */
struct validate_chainext_set {
    const struct validate_records *records;
    const struct validate_rdata *signatures; /* RRSIG */
    size_t signature_count;
};
/* Appends the data of the extension: `lifetime` (ExtSupportLifetime, hours) and the RRsets in the
 * order given, the first of them what was asked for. BASE_ELIMIT: longer than
 * VALIDATE_CHAINEXT_MAX; BASE_ENOMEM. Then nothing was appended. */
int validate_chainext_write(const struct validate_chainext_set *sets, size_t count,
                            uint16_t lifetime, struct base_buf *out);
/* The same of a look-up that ended SECURE (data or their absence) or INSECURE by a proof: the data,
 * then each zone's keys and DS up to the anchor. TTLs are those that were signed. BASE_EINVAL: of
 * another status, without nodes, or nothing in it is signed. */
int validate_chainext_make(const struct validate_result *result, uint16_t lifetime,
                           struct base_buf *out);

/* What such data say of (name, type) at `now`, and sets *lifetime (may be NULL). SECURE and
 * INSECURE are as good as from the network; a record that is missing makes it BOGUS or ERROR. The
 * caller releases *out. BASE_EFORMAT: malformed; BASE_EINVAL as of validate_lookup_new;
 * BASE_ENOMEM. */
int validate_chainext_verify(const struct validate_options *options, const uint8_t *name,
                             uint16_t type, const uint8_t *data, size_t length, base_time now,
                             uint16_t *lifetime, const struct validate_result **out);

#endif
