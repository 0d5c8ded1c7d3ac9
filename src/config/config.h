/*
 * What kenterd is told: kenter.yaml, or a few options. Every setting has a default; docs/config.md
 * lists them. Read as a whole or refused as a whole, with line and column. Immutable once read.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/finding.h"
#include "base/log.h"
#include "dns/tsig.h"
#include "net/address.h"
#include "net/rate.h"
#include "sign/policy.h"

/* Clients, by address and by key: both must hold when both are given. */
struct config_match {
    int family; /* AF_INET, AF_INET6; AF_UNSPEC: any address */
    unsigned bits;
    struct net_prefix prefix;
    const struct dns_tsig_key *key; /* NULL: none is needed */
    const char *identity; /* DNS name of the client's TLS certificate; NULL: none is needed */
};

struct config_acl {
    const struct config_match *matches; /* one that holds is enough */
    size_t count;                       /* 0: nobody */
};

/* Another server, to ask or to tell. */
struct config_remote {
    const char *name;
    const union net_address *addresses;
    size_t address_count;
    const struct dns_tsig_key *key; /* NULL: none */
    bool tls;                       /* XFR over TLS (RFC 9103) */
    const char *tls_name;           /* that its certificate must bear; NULL: opportunistic */
    const char *tls_ca;             /* file; NULL: the system's */
};

/* Who may change what by UPDATE. */
struct config_update_rule {
    struct config_match who;
    bool grant;
    enum config_scope { CONFIG_SCOPE_ZONE, CONFIG_SCOPE_NAME, CONFIG_SCOPE_BELOW } scope;
    uint8_t name[DNS_NAME_MAX]; /* of NAME and BELOW (the name and all below it); absolute */
    const uint16_t *types;
    size_t type_count; /* 0: all but those of DNSSEC */
};

struct config_policy {
    const char *name;
    struct sign_policy sign;
    bool signs;           /* false: zones are served as they come (already signed, or not at all) */
    size_t history_bytes; /* IXFR: 8 MiB */
    size_t history_versions; /* 100 */
};

/* What zones have in common, wherever they come from. */
struct config_template {
    const struct config_policy *policy;
    struct config_acl transfer; /* who may AXFR and IXFR; the machine itself always may */
    const struct config_remote *const *notify;
    size_t notify_count;
    const struct config_update_rule *update; /* for zones of edits; first match decides */
    size_t update_count;
};

enum config_source { CONFIG_FILE, CONFIG_PRIMARY, CONFIG_EDITS };

struct config_zone {
    uint8_t name[DNS_NAME_MAX]; /* wire, lower case */
    enum config_source source;
    const char *file; /* FILE: the zone file. EDITS: what it begins with, or NULL */
    const struct config_remote *const *primaries;
    size_t primary_count;
    struct config_template as;
};

struct config_directory {
    const char *path;
    struct config_template as;
};

/* A catalog zone (RFC 9432). */
struct config_catalog {
    uint8_t name[DNS_NAME_MAX];
    bool produce; /* lists our zones; else consumed: tells which zones to fetch */
    const struct config_remote *const *primaries; /* consumed: of the catalog and its members */
    size_t primary_count;
    struct config_template as;      /* of the catalog itself; not signed unless it says so */
    struct config_template members; /* consumed: of its members */
};

struct config_tlsa_port {
    uint16_t port;
    bool udp; /* DTLS, QUIC */
};

/* Services of one certificate, whose TLSA records (RFC 6698) are kept published. */
#define CONFIG_TLSA_SERVERS 32
struct config_tlsa {
    uint8_t host[DNS_NAME_MAX]; /* wire, lower case */
    const struct config_tlsa_port *ports;
    size_t port_count;
    const char *certificate; /* file: what the server shows */
    const char *next;        /* file: what it will show, when it is there; NULL: none */
    uint8_t usage, selector, matching;
    uint32_t ttl;
    uint32_t keep;                    /* seconds that the record of a former certificate stays */
    const union net_address *servers; /* asked instead of those of the NS records */
    size_t server_count;              /* 0: those of the NS records */
};

struct config_listen {
    union net_address address;
    unsigned protocols; /* enum net_listen */
};

/* Where the secret of a key comes from. */
struct config_secret {
    const char *file; /* that holds it; NULL: the settings themselves, at: */
    uint32_t line;
};

#define CONFIG_DATA "/var/lib/kenter"

struct config {
    struct base_arena arena; /* all of it lives here */
    const char *data;        /* directory; CONFIG_DATA */
    const char *user;        /* to run as when started by root; NULL: stay */
    unsigned threads;        /* of signing and of answering each; 0: one per CPU */
    struct base_log log;
    const struct config_listen *listen;
    size_t listen_count;
    const char *tls_certificate, *tls_key; /* files; NULL: none */
    const char *tls_clients; /* file of the CAs that certify clients (config_match.identity); NULL:
                                clients show no certificates */
    const char *version, *identity; /* CHAOS; NULL: refused */
    const uint8_t *nsid;            /* NULL: none */
    size_t nsid_length;
    const char *cookie_secret; /* file with 32 hex digits a line, shared by servers of one address;
                                  NULL: own */
    bool limit;                /* response rate limiting */
    struct net_rate_options rate;
    struct config_acl exempt; /* from rate limiting */
    unsigned connections;     /* TCP and TLS, in all; 4096 */
    unsigned hot_answers;     /* MiB of each thread that answers; 64 */
    size_t transfer_size;     /* octets of records that a primary may send of a zone; 4 GiB */
    const char *socket;       /* of the API; NULL: DATA/kenter.sock */
    unsigned socket_mode;     /* 0660 */
    const char *socket_group; /* NULL: that of the process */
    const union net_address
        *metrics; /* pages, /metrics and /healthz by plain HTTP too; NULL: the socket only */
    const char *export_directory; /* signed zone files, kept current; NULL: none */
    const struct dns_tsig_key *keys;
    const struct config_secret *secrets; /* by the same index */
    size_t key_count;
    const struct config_remote *remotes;
    size_t remote_count;
    const struct config_policy *policies; /* the first is "default" */
    size_t policy_count;
    const struct config_directory *directories;
    size_t directory_count;
    const struct config_zone *zones; /* by name, canonical order */
    size_t zone_count;
    const struct config_catalog *catalogs;
    size_t catalog_count;
    const struct config_tlsa *tlsa;
    size_t tlsa_count;
    struct config_template standard;      /* for zones made by the API */
    struct config_policy unsigned_policy; /* of catalogs that name none; not among `policies` */
};

/* Settings at their defaults, no zones. */
int config_default(struct config **out);
/* Reads a file over the defaults. All that is wrong is told at once. Paths in it are relative to
 * its directory, and come out absolute. BASE_EREFUSED with findings; BASE_ENOENT: there is no such
 * file (a finding too); BASE_ENOMEM. Warnings are findings too. */
int config_read(const char *path, struct base_findings *findings, struct config **out);
/* All settings as they are in effect, as YAML that config_read takes but for secrets, which are not
 * told. malloc'ed, to be freed. BASE_ENOMEM. */
int config_print(const struct config *config, char **text);
/* Wipes the secrets and frees it. NULL allowed. */
void config_free(struct config *config);

/*
 * Settings from a command line, on top of config_default: simple fields are set by the caller
 * (texts stay the caller's), lists grow by these. BASE_ENOMEM; BASE_EFORMAT: the text is not what
 * it must be; BASE_EEXIST: there already.
 */
/* "192.0.2.1", "[::1]:5300", "127.0.0.1@5300": UDP and TCP, port 53 unless it says another. */
int config_add_listen(struct config *config, const char *address);
/* "127.0.0.1@9353"; port 9353 unless it says another. */
int config_set_metrics(struct config *config, const char *address);
/* A directory of zone files, with `standard` as its template. */
int config_add_directory(struct config *config, const char *path);
/* "192.0.2.0/24", "2001:db8::1": may transfer all zones. */
int config_allow_transfer(struct config *config, const char *network);
/* Reads the default policy from a file; errors and findings as of sign_policy_read. */
int config_set_policy(struct config *config, const char *path, struct base_findings *findings);

/* Reads "192.0.2.0/24", "2001:db8::/32", "192.0.2.1", or "any". Bits behind the prefix must be
 * zero. BASE_EFORMAT. */
int config_network_parse(const char *text, struct config_match *match);

const struct config_policy *config_policy_find(const struct config *config, const char *name);
const struct config_remote *config_remote_find(const struct config *config, const char *name);
const struct dns_tsig_key *config_key_find(const struct config *config, const uint8_t *name);
const struct config_zone *config_zone_find(const struct config *config, const uint8_t *name);

/* A policy at its defaults; `name` stays. */
void config_policy_default(struct config_policy *policy, const char *name);

/* What stands for a template in the image (image_set_template), so that the process that answers
 * knows which one holds for a zone. It comes from the template's place alone: the directory's path,
 * the zone's or catalog's name; so it means the same when other settings have changed. */
enum config_place {
    CONFIG_STANDARD, /* `name` is NULL */
    CONFIG_DIRECTORY,
    CONFIG_ZONE,
    CONFIG_CATALOG,
    CONFIG_MEMBERS, /* of a catalog */
};
/* `name`: a path, or a wire name in lower case. Never 0. */
uint64_t config_template_number(enum config_place place, const void *name);
struct config_numbered {
    uint64_t number;
    const struct config_template *as;
};
/* All templates by number, in ascending order; to be freed. BASE_ENOMEM. */
int config_templates(const struct config *config, struct config_numbered **out, size_t *count);
/* NULL: there is none (any more): nobody may do anything. */
const struct config_template *config_template_find(const struct config_numbered *templates,
                                                   size_t count, uint64_t number);

/* Does it hold for this client? `key`: wire name of the TSIG key that the message was verified
 * with, or NULL; `identity`: of a verified certificate, or NULL. */
bool config_match_holds(const struct config_match *match, const union net_address *peer,
                        const uint8_t *key, const char *identity);
/* Does one of the matches hold? */
bool config_acl_allows(const struct config_acl *acl, const union net_address *peer,
                       const uint8_t *key, const char *identity);
/* May this client change records of this type at this name? The first rule that speaks of it
 * decides; none: no. */
struct config_update_client {
    const union net_address *peer;
    const uint8_t *key;   /* NULL: none */
    const char *identity; /* NULL: none */
};
bool config_update_allows(const struct config_template *as, const struct config_update_client *who,
                          const uint8_t *name, uint16_t type);

#endif
