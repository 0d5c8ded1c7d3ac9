/*
 * Makes every allocation fail in turn. The linker sends the allocations of Kenter's own code
 * through here (--wrap); for N = 1, 2, 3, … the whole work on a small zone (read, build, check,
 * sign, sign again from the previous version, verify, compare, write) is run with the N-th
 * allocation failing. It must end with an error or, where an allocation is dispensable, with the
 * right result; it must not crash, and everything that was taken must have been given back. Ends
 * when N is more than the work needs.
 *
 * usage: torture [STRIDE]     every STRIDE-th allocation only
 */
#include "base/error.h"
#include "base/file.h"
#include "crypto/keydir.h"
#include "sign/sign.h"
#include "validate/zone.h"
#include "zone/check.h"
#include "zone/diff.h"
#include "zone/write.h"

#include "allocate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char zone_text[] =
    "$ORIGIN example.\n$TTL 600\n"
    "@ SOA ns hostmaster 1 7200 900 1209600 600\n@ NS ns\n@ NS ns.example.net.\n@ MX 5 mail\n"
    "ns A 192.0.2.1\nns AAAA 2001:db8::1\nmail A 192.0.2.2\n*.wild TXT \"a\" \"b\"\n"
    "a.b.c.deep A 192.0.2.3\nsub NS ns.sub\nns.sub A 192.0.2.4\nsub DS 1 13 2 "
    "e2d3c916f6deeac73294e8268fb5885044a833fc5459588f4a9184cfc41a5766\n"
    "bad A 192.0.2.300\nalias CNAME nowhere\n";

struct keys {
    struct crypto_zone_key key;
};

/* One run of everything; the first error, or BASE_OK. `rrs` is the size of the result. */
static int work(const struct keys *keys, bool nsec3, size_t *rrs)
{
    const base_time now = 1700000000;
    struct base_findings findings;
    base_findings_init(&findings, 100);
    struct zone *zone = NULL;
    struct dns_zonefile file = {0};
    struct sign_result first = {0}, second = {0};
    struct base_file_writer *writer = NULL;
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = nsec3 ? SIGN_NSEC3 : SIGN_NSEC;
    policy.zonemd = 1;
    struct dns_zonefile_options options = {.threads = 1};
    int error = dns_zonefile_read_memory("torture", zone_text, sizeof(zone_text) - 1, &options,
                                         &findings, &file);
    if (error == BASE_OK)
        error = zone_build(&file, 1, &findings, &zone);
    dns_zonefile_free(&file);
    if (error == BASE_OK)
        error = zone_check(zone, &(struct zone_check_options){.threads = 1}, &findings);
    struct sign_request request = {.zone = zone,
                                   .policy = &policy,
                                   .keys = &keys->key,
                                   .key_count = 1,
                                   .now = now,
                                   .threads = 1};
    if (error == BASE_OK)
        error = sign_zone(&request, &findings, &first);
    request.previous = first.zone;
    if (error == BASE_OK)
        error = sign_zone(&request, &findings, &second);
    struct validate_zone_result verdict;
    struct base_findings verified;
    base_findings_init(&verified, 100);
    if (error == BASE_OK) {
        error =
            validate_zone(second.zone, &(struct validate_zone_options){.now = now, .threads = 1},
                          &verified, &verdict);
        if (error == BASE_OK && base_findings_bad(&verified))
            error = BASE_EMISMATCH;
    }
    if (error == BASE_OK)
        error = base_file_create("/dev/null", 0600, &writer);
    if (error == BASE_OK)
        error = zone_write(second.zone,
                           &(struct zone_write_options){.form = ZONE_TEXT_PRETTY, .threads = 1},
                           writer);
    base_file_abort(writer);
    if (error == BASE_OK)
        *rrs = second.zone->rr_count;
    zone_release(second.zone);
    zone_release(first.zone);
    zone_release(zone);
    base_findings_free(&verified);
    base_findings_free(&findings);
    return error;
}

static int torture(const struct keys *keys, bool nsec3, long stride)
{
    size_t right = 0;
    failing = 0;
    if (work(keys, nsec3, &right) != BASE_OK) {
        fprintf(stderr, "torture: fails without any failing allocation\n");
        return 1;
    }
    long survived = 0, refused = 0;
    for (failing = 1;; failing += stride) {
        atomic_store(&asked, 0);
        size_t rrs = 0;
        int error = work(keys, nsec3, &rrs);
        if (atomic_load(&asked) < failing)
            break;
        if (error == BASE_OK && rrs != right) {
            fprintf(stderr, "torture: allocation %ld failed and the result is wrong: %zu records\n",
                    failing, rrs);
            return 1;
        }
        if (error == BASE_EMISMATCH) {
            fprintf(stderr, "torture: allocation %ld failed and the zone does not verify\n",
                    failing);
            return 1;
        }
        error == BASE_OK ? survived++ : refused++;
    }
    printf("torture: %s: %ld allocations failed in turn: %ld refused, %ld done without\n",
           nsec3 ? "NSEC3" : "NSEC", survived + refused, refused, survived);
    return 0;
}

int main(int argc, char **argv)
{
    long stride = argc > 1 ? atol(argv[1]) : 1;
    struct keys keys = {.key = {.zone = "\7example",
                                .algorithm = CRYPTO_ECDSAP256,
                                .role = CRYPTO_CSK,
                                .flags = CRYPTO_KEY_ZONE | CRYPTO_KEY_SEP}};
    struct crypto_zone_key *key = &keys.key;
    if (crypto_key_generate(key->algorithm, 0, &key->key) != BASE_OK)
        return 1;
    key->dnskey_length = crypto_key_dnskey(key->key, key->flags, key->dnskey);
    key->tag = crypto_key_tag(key->dnskey, key->dnskey_length);
    int bad = torture(&keys, false, stride < 1 ? 1 : stride) ||
              torture(&keys, true, stride < 1 ? 1 : stride);
    crypto_key_free(key->key);
    return bad;
}
