/* kenter.yaml: every setting, what is refused with which place and hint, printing, and whether the
 * documentation says the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "config/read.h"
#include "dns/rdata.h"
#include "net/server.h"

#define NAME(text) ((const uint8_t *)(text))

static int read_text(const char *text, struct base_findings *findings, struct config **config)
{
    return config_read_memory("kenter.yaml", "/etc/kenter", false, text, strlen(text), findings,
                              config);
}

static struct config *good(const char *text)
{
    struct base_findings findings;
    struct config *config = NULL;
    base_findings_init(&findings, 100);
    int error = read_text(text, &findings, &config);
    for (size_t i = 0; i < findings.count; i++)
        print_message("%u:%u: %s\n", findings.items[i].place.line, findings.items[i].place.column,
                      findings.items[i].message);
    assert_int_equal(error, BASE_OK);
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
    return config;
}

static char *printed(const struct config *config)
{
    char *text = NULL;
    assert_int_equal(config_print(config, &text), BASE_OK);
    return text;
}

#define TLSA "tlsa: [{host: a, ports: 25, certificate: c, "

static const char whole[] =
    "data: data/\n"
    "user: kenter\n"
    "threads: 4\n"
    "log: {level: warning, format: json}\n"
    "listen:\n"
    "  - 192.0.2.1\n"
    "  - {address: \"2001:db8::1\", protocols: [udp, tcp, tls]}\n"
    "  - {address: 192.0.2.9@5300, protocols: udp}\n"
    "tls: {certificate: cert.pem, key: /dev/null}\n"
    "server: {version: \"Kenter \\\"x\\\"\", identity: ns1, nsid: 0x0aFF}\n"
    "rate-limit: {enabled: false, answers: 1, referrals: 2, nodata: 3, nxdomain: 4, errors: 5,\n"
    "  burst: 6, slip: 7, ipv4-prefix: 32, ipv6-prefix: 64, table-size: 2048, exempt: office}\n"
    "limits: {connections: 99, transfer-size: 64M}\n"
    "api: {socket: /run/kenter.sock, mode: \"0600\", group: staff, metrics: \"[::1]:9000\"}\n"
    "export: /srv/signed\n"
    "keys:\n"
    "  Xfr.example: {algorithm: hmac-sha512, secret: AAECAwQFBgcICQoLDA0ODw==}\n"
    "  edit: {secret: AAECAwQFBgcICQoLDA0ODw==}\n"
    "remotes:\n"
    "  ns2: [192.0.2.2, \"2001:db8::2\"]\n"
    "  hidden: {addresses: 192.0.2.3@5300, key: xfr.example.}\n"
    "  far: {addresses: 192.0.2.4, tls: true, certificate-name: far.example, ca-file: ca.pem}\n"
    "  roaming: {key: edit}\n"
    "acls:\n"
    "  office: [198.51.100.0/24, {network: \"2001:db8::/32\", key: xfr.example}]\n"
    "  all: [office, ns2, roaming, {certificate: peer.example}, 203.0.113.1]\n"
    "policies:\n"
    "  default: {signatures: {validity: 30d, refresh: 10d}}\n"
    "  raw: {sign: false, history: {size: 1M, versions: 7}}\n"
    "defaults:\n"
    "  transfer: all\n"
    "  notify: [ns2, hidden]\n"
    "  update: {key: edit}\n"
    "zone-directories:\n"
    "  - zones\n"
    "  - {path: /srv/raw/, policy: raw, transfer: none, notify: []}\n"
    "zones:\n"
    "  b.example: /srv/b.zone\n"
    "  Example.: {edits: true, file: start.zone, update: [{key: edit, below: Dyn.example, types: "
    "[A, AAAA], deny: true}, {network: 127.0.0.1}]}\n"
    "  a.example: {primaries: hidden, policy: raw}\n"
    "catalogs:\n"
    "  out.example: {produce: true, notify: ns2}\n"
    "  in.example: {primaries: [hidden], policy: raw, members: {policy: raw, transfer: any}}\n"
    "tlsa:\n"
    "  - {host: Mx.example, ports: [25, 465/tcp, 443/udp], certificate: mx.pem}\n"
    "  - {host: b.example, ports: 5269, certificate: /srv/b.pem, next: next.pem, usage: 2,\n"
    "     selector: 0, matching: 2, ttl: 5m, keep: 2d, servers: [192.0.2.1, 192.0.2.2@5300]}\n";

static void assert_server(const struct config *config)
{
    assert_string_equal(config->data, "/etc/kenter/data");
    assert_string_equal(config->user, "kenter");
    assert_int_equal(config->threads, 4);
    assert_int_equal(config->log.least, BASE_LOG_WARNING);
    assert_true(config->log.json);
    assert_int_equal(config->listen_count, 4);
    assert_int_equal(net_address_port(&config->listen[2].address), 853);
    assert_int_equal(config->listen[2].protocols, NET_LISTEN_TLS);
    assert_int_equal(net_address_port(&config->listen[3].address), 5300);
    assert_int_equal(config->listen[3].protocols, NET_LISTEN_UDP);
    assert_string_equal(config->tls_certificate, "/etc/kenter/cert.pem");
    assert_string_equal(config->version, "Kenter \"x\"");
    assert_memory_equal(config->nsid, "\x0a\xff", 2);
    assert_false(config->limit);
    assert_int_equal(config->rate.per_second[NET_KIND_NXDOMAIN], 4);
    assert_int_equal(config->rate.per_second[NET_KIND_EXEMPT], 0);
    assert_int_equal(config->rate.slip, 7);
    assert_int_equal(config->exempt.count, 2);
    assert_int_equal(config->connections, 99);
    assert_int_equal(config->transfer_size, 64 << 20);
    assert_int_equal(config->socket_mode, 0600);
    assert_int_equal(net_address_port(config->metrics), 9000);
    assert_string_equal(config->export_directory, "/srv/signed");
}

static void assert_tlsa(const struct config *config)
{
    assert_int_equal(config->tlsa_count, 2);
    const struct config_tlsa *first = &config->tlsa[0], *second = &config->tlsa[1];
    assert_memory_equal(first->host, "\2mx\7example", 12);
    assert_int_equal(first->port_count, 3);
    assert_int_equal(first->ports[1].port, 465);
    assert_false(first->ports[1].udp);
    assert_int_equal(first->ports[2].port, 443);
    assert_true(first->ports[2].udp);
    assert_string_equal(first->certificate, "/etc/kenter/mx.pem");
    assert_null(first->next);
    assert_int_equal(first->usage * 100 + first->selector * 10 + first->matching, 311);
    assert_int_equal(first->ttl, 3600);
    assert_int_equal(first->keep, 7 * 86400);
    assert_int_equal(first->server_count, 0);
    assert_string_equal(second->next, "/etc/kenter/next.pem");
    assert_int_equal(second->usage * 100 + second->selector * 10 + second->matching, 202);
    assert_int_equal(second->ttl, 300);
    assert_int_equal(second->keep, 2 * 86400);
    assert_int_equal(net_address_port(&second->servers[0]), 53);
    assert_int_equal(net_address_port(&second->servers[1]), 5300);
}

static void assert_named(const struct config *config)
{
    assert_int_equal(config->key_count, 2);
    const struct dns_tsig_key *key = config_key_find(config, NAME("\3xfr\7example"));
    assert_non_null(key);
    assert_int_equal(key->algorithm, DNS_TSIG_HMAC_SHA512);
    assert_int_equal(key->secret_length, 16);
    assert_int_equal(key->secret[15], 15);
    const struct config_remote *hidden = config_remote_find(config, "hidden");
    assert_ptr_equal(hidden->key, key);
    assert_int_equal(net_address_port(&hidden->addresses[0]), 5300);
    const struct config_remote *far = config_remote_find(config, "far");
    assert_int_equal(net_address_port(&far->addresses[0]), 853);
    assert_string_equal(far->tls_ca, "/etc/kenter/ca.pem");
    /* office: 2, ns2: 2, roaming by its key, a certificate, an address. */
    const struct config_acl *all = &config->standard.transfer;
    assert_int_equal(all->count, 7);
    assert_int_equal(all->matches[4].family, AF_UNSPEC);
    assert_ptr_equal(all->matches[4].key, config_key_find(config, NAME("\4edit")));
    assert_string_equal(all->matches[5].identity, "peer.example");
    assert_int_equal(all->matches[6].bits, 32);
    assert_int_equal(config->policies[0].sign.validity, 30 * 86400);
    const struct config_policy *raw = config_policy_find(config, "raw");
    assert_false(raw->signs);
    assert_int_equal(raw->sign.validity, 14 * 86400);
    assert_int_equal(raw->history_bytes, 1 << 20);
    assert_int_equal(raw->history_versions, 7);
}

static void assert_zones(const struct config *config)
{
    assert_int_equal(config->directory_count, 2);
    assert_string_equal(config->directories[0].path, "/etc/kenter/zones");
    assert_int_equal(config->directories[0].as.notify_count, 2);
    assert_int_equal(config->directories[0].as.update_count, 0);
    assert_string_equal(config->directories[1].path, "/srv/raw");
    assert_int_equal(config->directories[1].as.transfer.count, 0);
    assert_int_equal(config->zone_count, 3);
    const struct config_zone *edits = config_zone_find(config, NAME("\7example"));
    assert_ptr_equal(edits, &config->zones[0]);
    assert_int_equal(edits->source, CONFIG_EDITS);
    assert_string_equal(edits->file, "/etc/kenter/start.zone");
    assert_int_equal(edits->as.update_count, 2);
    assert_false(edits->as.update[0].grant);
    assert_int_equal(edits->as.update[0].scope, CONFIG_SCOPE_BELOW);
    assert_memory_equal(edits->as.update[0].name, "\3dyn\7example", 13);
    assert_int_equal(edits->as.update[0].types[1], DNS_TYPE_AAAA);
    const struct config_zone *fetched = config_zone_find(config, NAME("\1a\7example"));
    assert_int_equal(fetched->source, CONFIG_PRIMARY);
    assert_int_equal(fetched->primary_count, 1);
    assert_string_equal(fetched->as.policy->name, "raw");
    assert_int_equal(config_zone_find(config, NAME("\1b\7example"))->source, CONFIG_FILE);
    assert_null(config_zone_find(config, NAME("\1c\7example")));
    assert_int_equal(config->catalog_count, 2);
    assert_true(config->catalogs[0].produce);
    assert_int_equal(config->catalogs[0].as.notify_count, 1);
    assert_false(config->catalogs[0].as.policy->signs); /* the policy of the others is not its */
    assert_ptr_equal(config->catalogs[1].as.policy, config_policy_find(config, "raw"));
    assert_string_equal(config->catalogs[1].members.policy->name, "raw");
    assert_int_equal(config->catalogs[1].members.transfer.count, 1);
}

/* The numbers of lines in comments. */
static void blank_places(char *text)
{
    size_t out = 0;
    bool comment = false;
    for (size_t in = 0; text[in] != '\0'; in++) {
        comment = text[in] == '#' || (comment && text[in] != '\n');
        if (!comment)
            text[out++] = text[in];
    }
    text[out] = '\0';
}

static void test_whole(void **state)
{
    /* A key that is not /dev/null: that one is open to all. */
    char path[] = "/tmp/kenter-tls-XXXXXX";
    int file = mkstemp(path);
    close(file);
    char *text = malloc(sizeof(whole) + 64);
    const char *null = strstr(whole, "/dev/null");
    sprintf(text, "%.*s%s%s", (int)(null - whole), whole, path, null + strlen("/dev/null"));
    struct config *config = good(text);
    assert_server(config);
    assert_named(config);
    assert_tlsa(config);
    assert_zones(config);
    /* What is printed reads as the same settings, once the secrets are put in. */
    char *first = printed(config);
    assert_null(strstr(first, "AAECAw"));
    struct base_findings findings;
    struct config *again;
    base_findings_init(&findings, 10);
    assert_int_equal(read_text(first, &findings, &again), BASE_EREFUSED);
    assert_int_equal(findings.count, 2);
    assert_non_null(strstr(findings.items[0].message, "put it here again"));
    base_findings_free(&findings);
    char *secrets = calloc(1, strlen(first) + 100);
    for (char *from = first, *to = secrets;; from++) {
        if (strncmp(from, "(hidden)", 8) == 0) {
            to = stpcpy(to, "AAECAwQFBgcICQoLDA0ODw==");
            from += 7;
        } else if ((*to++ = *from) == '\0') {
            break;
        }
    }
    again = good(secrets);
    assert_named(again);
    char *second = printed(again);
    /* Where the secrets stand differs. */
    blank_places(first);
    blank_places(second);
    assert_string_equal(first, second);
    free(first);
    free(second);
    free(secrets);
    free(text);
    config_free(again);
    config_free(config);
    unlink(path);
}

static void test_defaults(void **state)
{
    struct config *empty = good(""), *standard;
    assert_int_equal(config_default(&standard), BASE_OK);
    char *a = printed(empty), *b = printed(standard);
    assert_string_equal(a, b);
    struct config *again = good(a);
    char *c = printed(again);
    assert_string_equal(a, c);
    free(a);
    free(b);
    free(c);
    config_free(again);
    config_free(standard);
    config_free(empty);
}

struct refusal {
    const char *text;
    unsigned line, column; /* 0: any */
    const char *says;
    enum base_finding_code code;
};

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define KEY  "keys: {k: {secret: AAECAwQFBgcICQoLDA0ODw==}}\n"

static const struct refusal refusals[] = {
    {"lissten: 192.0.2.1\n", 1, 1, "did you mean \"listen\"", CONFIG_INVALID},
    {"a: b: c\n", 1, 0, "", CONFIG_INVALID},
    {"- a\n", 1, 1, "NAME: VALUE", CONFIG_INVALID},
    {"log:\n  levle: info\n", 2, 3, "did you mean \"level\"", CONFIG_INVALID},
    {"log: {level: loud}\n", 1, 14, "\"loud\" is not debug, info", CONFIG_INVALID},
    {"log: [a]\n", 1, 6, "NAME: VALUE", CONFIG_INVALID},
    {"threads: 0\n", 1, 10, "auto", CONFIG_INVALID},
    {"threads: 1x\n", 1, 10, "auto", CONFIG_INVALID},
    {"data:\n", 1, 0, "is not a path", CONFIG_INVALID},
    {"listen: 192.0.2\n", 1, 9, "is not an address", CONFIG_INVALID},
    {"listen: [{protocols: udp}]\n", 1, 0, "an address is missing", CONFIG_INVALID},
    {"listen: [{address: 192.0.2.1, protocols: []}]\n", 1, 0, "list of udp", CONFIG_INVALID},
    {"listen: [192.0.2.1, 192.0.2.1@53]\n", 1, 21, "listened on already", CONFIG_CONFLICT},
    {"listen: [{address: 192.0.2.1@53, protocols: [tcp, tls]}]\n", 1, 0, "cannot have one port",
     CONFIG_CONFLICT},
    {"listen: [{address: 192.0.2.1, protocols: tls}]\n", 1, 1, "needs a certificate",
     CONFIG_CONFLICT},
    {"tls: {certificate: a}\n", 1, 1, "the key is missing", CONFIG_CONFLICT},
    {"tls: {certificate: a, key: /nonexistent}\n", 1, 0, "No such file", FILE_UNREADABLE},
    {"tls: {certificate: a, key: /dev/null}\n", 1, 28, "chmod o= /dev/null", CONFIG_SECRET_OPEN},
    {"server: {nsid: 0x0}\n", 1, 0, "hexadecimal", CONFIG_INVALID},
    {"server: {cookie-secret-file: /dev/null}\n", 1, 0, "chmod", CONFIG_SECRET_OPEN},
    {"rate-limit: {slip: 101}\n", 1, 0, "0 to 100", CONFIG_INVALID},
    {"rate-limit: {exempt: offfice}\nacls: {office: any}\n", 1, 0, "did you mean \"office\"",
     CONFIG_UNKNOWN},
    {"api: {mode: 0999}\n", 1, 0, "octal", CONFIG_INVALID},
    {"api: {metrics: 192.0.2.1@53}\nlisten: 192.0.2.1\n", 1, 16, "already", CONFIG_CONFLICT},
    {"keys: {k: {secret: \"x!\"}}\n", 1, 20, "not base64", CONFIG_INVALID},
    {"keys: {k: {}}\n", 1, 8, "needs a secret", CONFIG_INVALID},
    {"keys: {k: {secret: AAECAwQFBgcICQoLDA0ODw==, secret-file: x}}\n", 1, 0, "No such file",
     FILE_UNREADABLE},
    {"keys: {k: {secret: AAECAwQFBgcICQoLDA0ODw==, algorithm: md5}}\n", 1, 0, "hmac-sha256",
     CONFIG_INVALID},
    {"keys: {k: {secret: AAECAwQFBgcICQoLDA0ODw==},\n K.: {secret: AAECAwQFBgcICQoLDA0ODw==}}\n", 2,
     2, "already", CONFIG_CONFLICT},
    {"keys: {\"a..b\": {secret: AAECAwQFBgcICQoLDA0ODw==}}\n", 1, 0, "domain name", CONFIG_INVALID},
    {"remotes: {r: {addresses: 192.0.2.1, key: kk}}\n" KEY, 1, 42, "did you mean \"k\"",
     CONFIG_UNKNOWN},
    {"remotes: {r: {addresses: [192.0.2.1, x]}}\n", 1, 0, "addresses", CONFIG_INVALID},
    {"remotes: {192.0.2.1: 192.0.2.1}\n", 1, 11, "cannot be the name", CONFIG_INVALID},
    {"remotes: {r: {addresses: 192.0.2.1, ca-file: x}}\n", 1, 11, "tls: true", CONFIG_CONFLICT},
    {"remotes: {r: {}}\ndefaults: {notify: r}\n", 2, 20, "has no address", CONFIG_CONFLICT},
    {"remotes: {r: {}}\ndefaults: {transfer: r}\n", 2, 22, "neither address nor key",
     CONFIG_CONFLICT},
    {"remotes: {r: 192.0.2.1}\ndefaults: {notify: [r, r]}\n", 2, 24, "twice", CONFIG_CONFLICT},
    {"remotes: {r: 192.0.2.1}\nacls: {r: any}\n", 2, 8, "a remote already", CONFIG_CONFLICT},
    {"acls: {a: b, b: any}\n", 1, 11, "there is no", CONFIG_UNKNOWN},
    {"acls: {a: [{}]}\n", 1, 12, "any", CONFIG_INVALID},
    {"acls: {a: [[any]]}\n", 1, 0, "not a list of networks", CONFIG_INVALID},
    {"acls: {a: 192.0.2.1/24}\n", 1, 11, "zeros behind", CONFIG_INVALID},
    {"acls: {a: {certificate: x.example}}\n", 1, 25, "listens for TLS", CONFIG_CONFLICT},
    {"policies: {p: {sgin: false}}\n", 1, 16, "did you mean \"sign\"", CONFIG_INVALID},
    {"policies: {p: {signatures: {validty: 1d}}}\n", 1, 0, "did you mean \"validity\"",
     POLICY_INVALID},
    {"policies: {p: {signatures: {validity: 1d}}}\n", 1, 0, "", POLICY_INVALID},
    {"policies: {p: {file: nowhere.yaml}}\n", 0, 0, "cannot be read", FILE_UNREADABLE},
    {"policies: {p: {history: {size: 1X}}}\n", 1, 0, "octets", CONFIG_INVALID},
    {"defaults: {policy: defualt}\n", 1, 20, "did you mean \"default\"", CONFIG_UNKNOWN},
    {"defaults: {update: {network: 192.0.2.1}}\n", 1, 20, "can be forged", CONFIG_CONFLICT},
    {"defaults: {update: {network: any}}\n", 1, 20, "can be forged", CONFIG_CONFLICT},
    {"defaults: {update: {network: \"::/0\"}}\n", 1, 20, "can be forged", CONFIG_CONFLICT},
    {"defaults: {update: {network: 126.0.0.0/7}}\n", 1, 20, "can be forged", CONFIG_CONFLICT},
    {KEY "defaults: {update: {key: k, types: RRSIG}}\n", 2, 36, "made by the signer",
     CONFIG_CONFLICT},
    {KEY "defaults: {update: {key: k, types: AXFR}}\n", 2, 0, "record types", CONFIG_INVALID},
    {KEY "defaults: {update: {key: k, name: a, below: b}}\n", 2, 20, "say one", CONFIG_CONFLICT},
    {KEY "zone-directories: [{path: /a, update: {key: k}}]\n", 2, 31, "in their files",
     CONFIG_CONFLICT},
    {"zone-directories: [/a, /a/]\n", 1, 24, "twice", CONFIG_CONFLICT},
    {"zone-directories: [{policy: default}]\n", 1, 20, "path of the directory", CONFIG_INVALID},
    {"zone-directories: a\nexport: /etc/kenter/a\n", 2, 9, "another directory", CONFIG_CONFLICT},
    {"zone-directories: a\ndata: a\n", 2, 7, "another directory", CONFIG_CONFLICT},
    {"data: " LONG "/" LONG "\n", 1, 7, "too long", CONFIG_CONFLICT},
    {"zones: {example: {}}\n", 1, 9, "is missing: file", CONFIG_INVALID},
    {"zones: {example: a,\n Example.: b}\n", 2, 2, "first in line 1", CONFIG_CONFLICT},
    {"zones: {\"a..b\": a}\n", 1, 9, "not a domain name", CONFIG_INVALID},
    {"remotes: {r: 192.0.2.1}\nzones: {example: {primaries: r, file: a}}\n", 2, 9, "one of them",
     CONFIG_CONFLICT},
    {"zones: {example: {primaries: []}}\n", 1, 9, "no primary", CONFIG_INVALID},
    {"remotes: {r: 192.0.2.1}\n" KEY "zones: {example: {primaries: r, update: {key: k}}}\n", 3, 0,
     "at its primaries", CONFIG_CONFLICT},
    {"catalogs: {c: {}}\n", 1, 12, "produce: true", CONFIG_INVALID},
    {"catalogs: {c: {produce: true, members: {}}}\n", 1, 12, "no primaries", CONFIG_CONFLICT},
    {TLSA "usage: 1}]\n", 1, 52, "public authorities", CONFIG_CONFLICT},
    {TLSA "usage: 4}]\n", 1, 52, "is not 3", CONFIG_INVALID},
    {TLSA "selector: 2}]\n", 1, 55, "1 (the key)", CONFIG_INVALID},
    {TLSA "matching: 0}]\n", 1, 55, "do not get whole", CONFIG_CONFLICT},
    {TLSA "ttl: 2w}]\n", 1, 50, "1s to 1w", CONFIG_INVALID},
    {TLSA "keep: 1y}]\n", 1, 51, "a duration", CONFIG_INVALID},
    {TLSA "next: c}]\n", 1, 51, "shown now", CONFIG_CONFLICT},
    {TLSA "nxet: c}]\n", 1, 45, "did you mean \"next\"", CONFIG_INVALID},
    {TLSA "servers: x}]\n", 1, 54, "addresses", CONFIG_INVALID},
    {"tlsa: {host: a.example}\n", 1, 7, "a list of services", CONFIG_INVALID},
    {"tlsa: [{host: a..b, ports: 25, certificate: c}]\n", 1, 15, "domain name", CONFIG_INVALID},
    {"tlsa: [{host: ., ports: 25, certificate: c}]\n", 1, 15, "domain name", CONFIG_INVALID},
    {"tlsa: [{host: a, ports: [], certificate: c}]\n", 1, 25, "a list of ports", CONFIG_INVALID},
    {"tlsa: [{host: a, ports: [25, 0], certificate: c}]\n", 1, 25, "list of ports", CONFIG_INVALID},
    {"tlsa: [{host: a, ports: 25/sctp, certificate: c}]\n", 1, 25, "list of ports", CONFIG_INVALID},
    {"tlsa: [{ports: 25, certificate: c}]\n", 1, 8, "the host is missing", CONFIG_INVALID},
    {"tlsa: [{host: a, certificate: c}]\n", 1, 8, "the ports are missing", CONFIG_INVALID},
    {"tlsa: [{host: a, ports: 25}]\n", 1, 8, "the certificate is missing", CONFIG_INVALID},
    {"tlsa: [{host: a, ports: [25, 25/tcp], certificate: c}]\n", 1, 8, "here twice",
     CONFIG_CONFLICT},
    {"tlsa: [{host: a, ports: [25, 26], certificate: c},\n {host: A., ports: 26, certificate: "
     "d}]\n",
     2, 2, "port 26 of a. is here twice", CONFIG_CONFLICT},
    {"policies: {raw: {sign: false}}\nzones: {a.example: {file: z, policy: raw}}\n"
     "tlsa: [{host: mx.a.example, ports: 25, certificate: c}]\n",
     3, 15, "is not signed here (policy raw)", CONFIG_CONFLICT},
    {"zones: {c: a}\ncatalogs: {c: {produce: true}}\n", 2, 12, "among the zones", CONFIG_CONFLICT},
};

static void test_refusals(void **state)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *refusal = &refusals[i];
        struct base_findings findings;
        struct config *config = NULL;
        base_findings_init(&findings, 100);
        assert_int_equal(read_text(refusal->text, &findings, &config), BASE_EREFUSED);
        assert_null(config);
        const struct base_finding *found = NULL;
        for (size_t f = 0; f < findings.count; f++)
            if (findings.items[f].code == refusal->code &&
                strstr(findings.items[f].message, refusal->says) != NULL)
                found = &findings.items[f];
        if (found == NULL || (refusal->line != 0 && found->place.line != refusal->line) ||
            (refusal->column != 0 && found->place.column != refusal->column))
            fail_msg("%s: %s at %u:%u", refusal->text,
                     findings.count > 0 ? findings.items[0].message : "no finding",
                     findings.count > 0 ? findings.items[0].place.line : 0,
                     findings.count > 0 ? findings.items[0].place.column : 0);
        base_findings_free(&findings);
    }
}

/* All errors at once, in the order of the file. */
static void test_all_at_once(void **state)
{
    struct base_findings findings;
    struct config *config;
    base_findings_init(&findings, 100);
    assert_int_equal(read_text("zones: {example: {policy: x, file: a}}\nlog: {level: x}\n"
                               "keys: {k: {secret: \"?\"}}\nnothing: 1\n",
                               &findings, &config),
                     BASE_EREFUSED);
    assert_int_equal(findings.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(findings.items[i].place.line, i + 1);
    base_findings_free(&findings);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* Files with secrets, and what is told of files. */
static void test_files(void **state)
{
    char directory[] = "/tmp/kenter-config-XXXXXX", path[64], secret[64];
    struct base_findings findings;
    struct config *config;
    base_findings_init(&findings, 100);
    assert_non_null(mkdtemp(directory));
    sprintf(path, "%s/kenter.yaml", directory);
    sprintf(secret, "%s/secret", directory);
    assert_int_equal(config_read(path, &findings, &config), BASE_ENOENT);
    assert_int_equal(findings.by_code[FILE_UNREADABLE], 1);
    write_file(path, "keys: {k: {secret-file: secret}}\ndata: x\n", 0644);
    write_file(secret, "AAECAwQFBgcICQoLDA0ODw==\n", 0640);
    assert_int_equal(config_read(path, &findings, &config), BASE_OK);
    assert_int_equal(config->keys[0].secret_length, 16);
    assert_string_equal(config->secrets[0].file, secret);
    /* Relative to the file, and absolute. */
    char expected[64];
    sprintf(expected, "%s/x", directory);
    assert_string_equal(config->data, expected);
    config_free(config);
    assert_int_equal(chmod(secret, 0644), 0);
    assert_int_equal(config_read(path, &findings, &config), BASE_EREFUSED);
    assert_int_equal(findings.by_code[CONFIG_SECRET_OPEN], 1);
    write_file(secret, "what?\n", 0600);
    assert_int_equal(config_read(path, &findings, &config), BASE_EREFUSED);
    write_file(path, KEY, 0644);
    assert_int_equal(config_read(path, &findings, &config), BASE_EREFUSED);
    assert_int_equal(findings.by_code[CONFIG_SECRET_OPEN], 2);
    write_file(path, KEY, 0640);
    assert_int_equal(config_read(path, &findings, &config), BASE_OK);
    config_free(config);
    /* Weak, but used. */
    write_file(path, "keys: {k: {algorithm: hmac-sha1, secret: AAEC}}\n", 0600);
    assert_int_equal(config_read(path, &findings, &config), BASE_OK);
    assert_int_equal(findings.by_code[CONFIG_ADVICE], 2);
    config_free(config);
    base_findings_free(&findings);
    unlink(path);
    unlink(secret);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
