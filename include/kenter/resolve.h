/*
 * Validated look-ups: asks resolvers, checks every answer against the trust anchors (DNSSEC, RFC
 * 4033 to 4035), and gives a result that says what is so and why. docs/library.md tells it at
 * length; examples/library has programs.
 *
 *     struct kenter_resolver_options options;
 *     kenter_resolver_options_init(&options);
 *     kenter_resolver_new(&options, why, &resolver);
 *     kenter_lookup(resolver, "www.example.com", KENTER_TYPE_A, &result);
 *     if (kenter_result_status(result) == KENTER_STATUS_SECURE) ...
 *     puts(kenter_result_sentence(result));
 *
 * A resolver belongs to one thread at a time. It makes no threads, but for recursion by libunbound,
 * which fetches in one of its own. All it holds is bounded. Results never change, may be shared by
 * threads, and outlive the resolver. Texts and arrays of a result are the result's.
 */
#ifndef KENTER_RESOLVE_H
#define KENTER_RESOLVE_H

#include <kenter/kenter.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Errors beside those of kenter.h. */
enum kenter_resolve_error {
    KENTER_ELIMIT = -10,   /* too many look-ups at once */
    KENTER_EREFUSED = -13, /* refused on the ground of findings, which say why */
};

/* --- types of records (RFC 1035 section 3.2.2, and IANA's registry) --- */

#define KENTER_TYPE_A      1
#define KENTER_TYPE_NS     2
#define KENTER_TYPE_CNAME  5
#define KENTER_TYPE_SOA    6
#define KENTER_TYPE_PTR    12
#define KENTER_TYPE_MX     15
#define KENTER_TYPE_TXT    16
#define KENTER_TYPE_AAAA   28
#define KENTER_TYPE_SRV    33
#define KENTER_TYPE_DS     43
#define KENTER_TYPE_SSHFP  44
#define KENTER_TYPE_DNSKEY 48
#define KENTER_TYPE_TLSA   52
#define KENTER_TYPE_SVCB   64
#define KENTER_TYPE_HTTPS  65
#define KENTER_TYPE_ANY    255

#define KENTER_TYPE_TEXT 16 /* room for any type as text, NUL included */

/* "AAAA" or "TYPE28", in any case. KENTER_EFORMAT. */
KENTER_API int kenter_type_parse(const char *text, uint16_t *type);
KENTER_API const char *kenter_type_print(uint16_t type, char out[KENTER_TYPE_TEXT]);

/* --- trust anchors: where chains begin, and where they are told to end --- */

struct kenter_anchors;

KENTER_API int kenter_anchors_new(struct kenter_anchors **out);
KENTER_API void kenter_anchors_free(struct kenter_anchors *anchors); /* NULL allowed */
/* Both keys of the root: 20326 and 38696. */
KENTER_API int kenter_anchors_add_root(struct kenter_anchors *anchors);
/* Anchors as text: lines of DS and DNSKEY records, BIND's trust-anchors, trusted-keys and
 * managed-keys, or the XML of IANA; told apart by their content. KENTER_EREFUSED: `found` (which
 * may be NULL) was told why, nothing was added. */
KENTER_API int kenter_anchors_add_text(struct kenter_anchors *anchors, const char *text,
                                       kenter_finding_callback found, void *context);
KENTER_API int kenter_anchors_add_file(struct kenter_anchors *anchors, const char *path,
                                       kenter_finding_callback found, void *context);
/* Names below `name` count as unsigned until `until` (RFC 7646), which may not be 0: somebody must
 * look again. `reason` may be NULL. */
KENTER_API int kenter_anchors_add_negative(struct kenter_anchors *anchors, const char *name,
                                           int64_t until, const char *reason);

/* --- where answers come from --- */

enum kenter_from {
    KENTER_FROM_SYSTEM,    /* the resolvers of /etc/resolv.conf; by recursion when they pass on no
                            * DNSSEC, which a finding then says */
    KENTER_FROM_SERVERS,   /* those of `servers`, and nobody else */
    KENTER_FROM_RECURSION, /* from the root, by libunbound's iterator */
    KENTER_FROM_TRANSPORT, /* `transport`: the program's own packets */
};

/* A query that a transport is to answer. All of it is valid during the call of `ask` only. */
struct kenter_query {
    const char *server; /* NULL: the resolver, whichever it is; else this server is meant, by its
                         * address and port: "192.0.2.1@53" */
    struct kenter_name name;
    uint16_t type;
    const uint8_t *packet; /* as it would be sent: RD, CD, DO; with an ID of its own */
    size_t length;
};
/* Stands for a query until it is answered. */
struct kenter_ticket;

/* Brings answers: canned ones, or those of another network. Any packet may be given for any query;
 * what does not answer it is found out, and said, by the validator. */
struct kenter_transport {
    /* Takes a query. Each ticket is to be given back once, to kenter_reply or kenter_reply_failed:
     * from within this call, or at any time later in the resolver's thread. */
    void (*ask)(void *context, const struct kenter_query *query, struct kenter_ticket *ticket);
    /* The answer is not wanted any more; the ticket is gone. NULL when `ask` always replies from
     * within. */
    void (*cancel)(void *context, struct kenter_ticket *ticket);
    void *context;
};
/* The packet is copied. Its ID does not matter. */
KENTER_API void kenter_reply(struct kenter_ticket *ticket, const uint8_t *packet, size_t length);
/* There is no packet. `why` in words; NULL: nobody answered. */
KENTER_API void kenter_reply_failed(struct kenter_ticket *ticket, const char *why);

/* --- resolvers --- */

struct kenter_resolver;

struct kenter_resolver_options {
    size_t size; /* set by kenter_resolver_options_init */
    enum kenter_from from;
    /* "192.0.2.1", "192.0.2.1@5353", "tcp://192.0.2.1", "tls://dns.example.net",
     * "tls://192.0.2.1#dns.example.net", "https://dns.example.net/dns-query",
     * "https://192.0.2.1/dns-query#dns.example.net"; at most 16. Those that answer fastest are
     * asked first. Names without address are looked up by the system when the resolver is made. */
    const char *const *servers;
    size_t server_count;
    const char *tls_ca;      /* PEM file: who may certify servers; NULL: whom the system trusts */
    const char *resolv_conf; /* NULL: /etc/resolv.conf */
    const char *root_hints;  /* of recursion; NULL: built in */
    const struct kenter_transport *transport; /* copied */
    const struct kenter_anchors *anchors;     /* NULL: the root's; outlives the resolver */
    int64_t (*clock)(void *context);          /* seconds since the epoch; NULL: the system's */
    void *clock_context;
    size_t cache_octets; /* memory for results and keys; 0: 4 MiB; SIZE_MAX: no cache */
    unsigned timeout_ms; /* of a look-up; 0: 10 000 */
    unsigned try_ms;     /* of a try with a server; 0: 1500 */
    unsigned tries;      /* with each server; 0: 2 */
    unsigned most_lookups, most_sockets; /* at once; 0: 1024, 128 */
    int random_case; /* letters of names over UDP are of random case, and must come back so */
    int signal_tags; /* tells the tags of the anchors (RFC 8145) */
    int legacy;      /* algorithms 5 and 7 (SHA-1) count as supported */
    int no_proof;    /* leave the proof out of results */
    uint32_t skew;   /* seconds by which clocks may differ */
    /* Budgets; when one is spent the result is of status ERROR and names it. 0: the default. */
    unsigned rrset_verifications;  /* 8: signatures tried for one RRset */
    unsigned tag_keys;             /* 4: keys tried for one tag */
    unsigned ds_pairs;             /* 8: DS compared with keys, of one delegation */
    unsigned verifications;        /* 128: in one look-up */
    unsigned failed_verifications; /* 16 of these */
    unsigned nsec3_hashes;         /* 16: in one look-up */
    unsigned nsec3_iterations;     /* 50: more is insecure (RFC 9276) */
    unsigned alias_hops;           /* 12 */
    unsigned queries;              /* 64 */
    size_t packet_octets;          /* 512 KiB in all */
    /* State file, made when it is not there: the anchor of the root (or, without one, the first) is
     * followed as its zone changes it (RFC 5011). NULL: anchors stay as they are. */
    const char *track;
};
static inline void kenter_resolver_options_init(struct kenter_resolver_options *options)
{
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}

#define KENTER_WHY 256
/* `options` NULL: the system's resolvers and the root's keys. On failure `why` tells in words:
 * KENTER_EFORMAT (an option), KENTER_EIO, KENTER_ENOMEM. */
KENTER_API int kenter_resolver_new(const struct kenter_resolver_options *options,
                                   char why[KENTER_WHY], struct kenter_resolver **out);
/* Ends what is under way, without calls of `done`. Not from within a call of the resolver's. */
KENTER_API void kenter_resolver_free(struct kenter_resolver *resolver); /* NULL allowed */
/* Forgets results and keys. */
KENTER_API void kenter_resolver_clear(struct kenter_resolver *resolver);

/* One key that is followed, with the option `track`. */
struct kenter_tracked {
    uint16_t tag;
    uint8_t algorithm;
    const char *state; /* "pending", "valid", "missing" (trusted, too), "revoked", "removed" */
    int trusted;
    int64_t since; /* of the state, seconds since the epoch */
    int64_t due;   /* when a hold-down time ends; 0: none runs */
};
/* Asks for the keys if it is time, and waits; `found` (NULL: nobody) is told of every change and
 * trouble since the last call. Resolvers ask by themselves, too: before a look-up that waits, and
 * in kenter_resolver_process; this is for hearing of it, and for programs that seldom ask.
 * KENTER_EINVAL: nothing is tracked. */
KENTER_API int kenter_resolver_track(struct kenter_resolver *resolver,
                                     kenter_finding_callback found, void *context);
/* The keys as they are known now: returns their number, writes at most `most`. `next` (may be NULL)
 * becomes the time of the next query. */
KENTER_API size_t kenter_resolver_tracked(const struct kenter_resolver *resolver,
                                          struct kenter_tracked *out, size_t most, int64_t *next);

/* --- look-ups --- */

struct kenter_result;

/* Waits for the result, which the caller frees. It always comes, with status ERROR when nothing
 * could be found out, but for: KENTER_ENOMEM, KENTER_EFORMAT and KENTER_ERANGE (no name),
 * KENTER_EINVAL (a type that cannot be asked for), KENTER_ELIMIT. */
KENTER_API int kenter_lookup(struct kenter_resolver *resolver, const char *name, uint16_t type,
                             struct kenter_result **out);

/* With an event loop: start, then wait until the descriptor is readable or the time is over, then
 * call kenter_resolver_process, which never waits. `done` is called once, from within process or
 * another call that waits, never from within start; the result is the callee's, who frees it; NULL:
 * there was no memory for it. */
struct kenter_request;
typedef void kenter_done(void *context, struct kenter_result *result);
KENTER_API int kenter_lookup_start(struct kenter_resolver *resolver, const char *name,
                                   uint16_t type, kenter_done *done, void *context,
                                   struct kenter_request **out);
/* Before `done` was called, which it then is not. */
KENTER_API void kenter_lookup_cancel(struct kenter_request *request);
KENTER_API int kenter_resolver_fd(struct kenter_resolver *resolver);         /* POLLIN */
KENTER_API int kenter_resolver_timeout_ms(struct kenter_resolver *resolver); /* -1: none */
KENTER_API void kenter_resolver_process(struct kenter_resolver *resolver);

/* Asks one server ("192.0.2.1@53") without recursion and judgement; `answered` is called once, with
 * the packet, or NULL and why. It may be called from within this. */
typedef void kenter_answered(void *context, const uint8_t *packet, size_t length, const char *why);
KENTER_API int kenter_ask(struct kenter_resolver *resolver, const char *server, const char *name,
                          uint16_t type, kenter_answered *answered, void *context);

/* --- results --- */

enum kenter_status {                         /* RFC 4035 section 4.3 */
                     KENTER_STATUS_SECURE,   /* signatures lead from a trust anchor to it */
                     KENTER_STATUS_INSECURE, /* it is proved that none need be there */
                     KENTER_STATUS_BOGUS,    /* there must be some, and they are missing or wrong */
                     KENTER_STATUS_INDETERMINATE, /* no trust anchor covers it */
                     KENTER_STATUS_ERROR,         /* nothing could be judged */
};

enum kenter_kind {
    KENTER_KIND_NONE, /* ERROR */
    KENTER_KIND_DATA,
    KENTER_KIND_NODATA, /* the name has no records of the type */
    KENTER_KIND_NAME,   /* there is no such name */
};

struct kenter_record {
    const char *name;
    uint16_t type;
    uint16_t length;
    uint32_t ttl;
    const uint8_t *rdata; /* in wire format, names uncompressed */
};

/* One name on the way from the question to the data. */
struct kenter_hop {
    const char *name;
    enum kenter_status status; /* of this hop alone */
    const char *target;        /* where the alias leads; NULL: the end */
    int dname, wildcard;
    const char *zone; /* NULL: unknown */
    uint32_t ttl;
    int64_t expiry; /* of its signatures, the earliest; 0: none */
    size_t step;    /* of the proof; KENTER_NONE */
};

#define KENTER_NONE ((size_t)-1)

/* A step of the proof. Steps form trees: a zone's keys hang on its DS or anchor, data hangs on the
 * keys that sign it. */
struct kenter_step {
    const char *kind; /* "anchor", "negative", "keys", "ds", "no-ds", "alias", "rrset", "denial" */
    enum kenter_status status;
    size_t parent;                       /* smaller than its own index; KENTER_NONE */
    const char *name;                    /* the zone, the owner, or the name denied */
    uint16_t type;                       /* of the data, or denied (0: the name itself) */
    const char *zone;                    /* that signs it, or claims to; NULL: unknown */
    const char *wildcard;                /* the data came from this wildcard; NULL */
    const char *note;                    /* one phrase; NULL */
    const struct kenter_record *records; /* of all its RRsets, in their order */
    size_t record_count;
};

struct kenter_result_finding {
    const char *code; /* stable: "chain.signature-expired" */
    enum kenter_severity severity;
    int ede;      /* RFC 8914; -1: none */
    size_t cause; /* index of the finding that this one follows from; KENTER_NONE */
    size_t step;  /* KENTER_NONE */
    const char *owner, *type, *server; /* NULL: unknown */
    const char *message;               /* what is wrong, with the values */
    const char *why;                   /* why it matters */
    const char *remedy;                /* what to do */
};

KENTER_API const char *kenter_status_text(enum kenter_status status); /* "secure" */

KENTER_API struct kenter_result *kenter_result_ref(struct kenter_result *result);
KENTER_API void kenter_result_free(struct kenter_result *result); /* NULL allowed */

KENTER_API enum kenter_status kenter_result_status(const struct kenter_result *result);
KENTER_API enum kenter_kind kenter_result_kind(const struct kenter_result *result);
KENTER_API unsigned kenter_result_rcode(const struct kenter_result *result);
KENTER_API const char *kenter_result_name(const struct kenter_result *result);
KENTER_API uint16_t kenter_result_type(const struct kenter_result *result);
/* Most seconds that it may be kept, counted from `time`. */
KENTER_API uint32_t kenter_result_ttl(const struct kenter_result *result);
/* When it was judged; a result from the cache is older than the call. */
KENTER_API int64_t kenter_result_time(const struct kenter_result *result);
/* Of all signatures that it leans on, the earliest; 0: none. */
KENTER_API int64_t kenter_result_expiry(const struct kenter_result *result);
/* INSECURE: the name where security ends; else NULL. */
KENTER_API const char *kenter_result_insecure(const struct kenter_result *result);
/* What is so; when something is wrong: what, who must do what, by when. */
KENTER_API const char *kenter_result_sentence(const struct kenter_result *result);
/* The data asked for: of DATA; for ANY of several RRsets. Never data that is bogus. */
KENTER_API const struct kenter_record *kenter_result_records(const struct kenter_result *result,
                                                             size_t *count);
KENTER_API const struct kenter_hop *kenter_result_hops(const struct kenter_result *result,
                                                       size_t *count);
KENTER_API const struct kenter_step *kenter_result_steps(const struct kenter_result *result,
                                                         size_t *count);
/* Causes before what follows from them: the first error is what is really wrong. */
KENTER_API const struct kenter_result_finding *
kenter_result_findings(const struct kenter_result *result, size_t *count);
/* What it took: queries sent, signatures verified. */
KENTER_API unsigned kenter_result_queries(const struct kenter_result *result);
KENTER_API unsigned kenter_result_verifications(const struct kenter_result *result);

/* The data of a record in the form of zone files, without owner and TTL. Like snprintf: returns the
 * length that it has, writes at most `size` octets with the final NUL; negative: no memory. */
KENTER_API long kenter_record_print(const struct kenter_record *record, char *out, size_t size);

enum kenter_form {
    KENTER_FORM_TEXT,     /* for a terminal, in plain characters */
    KENTER_FORM_TERMINAL, /* with colors and lines */
    KENTER_FORM_JSON,
    KENTER_FORM_DOT, /* for Graphviz */
    KENTER_FORM_SVG, /* a picture */
};
/* The whole result, shown; a NUL-terminated text of the caller's, for kenter_text_free. */
KENTER_API int kenter_result_show(const struct kenter_result *result, enum kenter_form form,
                                  char **out);
KENTER_API void kenter_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
