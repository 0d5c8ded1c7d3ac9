/* Networks, access lists, rules for updates, and settings from a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "config/config.h"
#include "dns/rdata.h"
#include "net/server.h"

#define NAME(text) ((const uint8_t *)(text))

static union net_address address(const char *text)
{
    union net_address result;
    assert_int_equal(net_address_parse(text, 53, &result), BASE_OK);
    return result;
}

static bool within(const char *network, const char *peer)
{
    struct config_match match;
    union net_address from = address(peer);
    assert_int_equal(config_network_parse(network, &match), BASE_OK);
    return config_acl_allows(&(struct config_acl){&match, 1}, &from, NULL, NULL);
}

static void test_networks(void **state)
{
    static const char *const wrong[] = {"",
                                        "192.0.2",
                                        "192.0.2.1/33",
                                        "192.0.2.1/24",
                                        "192.0.2.0/",
                                        "192.0.2.0/x",
                                        "2001:db8::/129",
                                        "2001:db8::1/64",
                                        "192.0.2.0/024x",
                                        "name",
                                        "192.0.2.0/-1",
                                        "192.0.2.0/24 ",
                                        "any/0"};
    struct config_match match = {.bits = 7};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(config_network_parse(wrong[i], &match), BASE_EFORMAT);
        assert_int_equal(match.bits, 7);
    }
    assert_true(within("192.0.2.0/24", "192.0.2.255"));
    assert_false(within("192.0.2.0/24", "192.0.3.0"));
    assert_true(within("192.0.2.1", "192.0.2.1@5300"));
    assert_false(within("192.0.2.1", "192.0.2.2"));
    assert_true(within("0.0.0.0/0", "10.0.0.1"));
    assert_false(within("0.0.0.0/0", "2001:db8::1"));
    assert_false(within("::/0", "10.0.0.1"));
    assert_true(within("any", "10.0.0.1"));
    assert_true(within("any", "2001:db8::1"));
    assert_true(within("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(within("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(within("2001:db8::ff00/120", "2001:db8::ff05"));
    assert_false(within("2001:db8::ff00/120", "2001:db8::fe05"));
}

/* Both address and key must hold when both are asked for; one match is enough. */
static void test_acl(void **state)
{
    const struct dns_tsig_key key = {.name = NAME("\3key")};
    union net_address inside = address("192.0.2.1"), outside = address("198.51.100.1");
    struct config_match matches[3];
    struct config_acl acl = {matches, 1};
    assert_int_equal(config_network_parse("192.0.2.0/24", &matches[0]), BASE_OK);
    matches[0].key = &key;
    matches[1] = (struct config_match){.identity = "ns2.Example.net"};
    assert_true(config_acl_allows(&acl, &inside, NAME("\3KEY"), NULL));
    assert_false(config_acl_allows(&acl, &inside, NULL, NULL));
    assert_false(config_acl_allows(&acl, &inside, NAME("\3kex"), NULL));
    assert_false(config_acl_allows(&acl, &outside, NAME("\3key"), NULL));
    acl.count = 2;
    assert_true(config_acl_allows(&acl, &outside, NULL, "NS2.example.net"));
    assert_false(config_acl_allows(&acl, &outside, NULL, "ns3.example.net"));
    acl.count = 0;
    assert_false(config_acl_allows(&acl, &inside, NAME("\3key"), "ns2.example.net"));
}

static void test_updates(void **state)
{
    const struct dns_tsig_key one = {.name = NAME("\3one")}, two = {.name = NAME("\3two")};
    const uint16_t txt[] = {DNS_TYPE_TXT}, addresses[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    union net_address peer = address("192.0.2.1");
    struct config_update_rule rules[] = {
        {.who.key = &one, .grant = false, .scope = CONFIG_SCOPE_NAME, .name = "\3www\7example"},
        {.who.key = &one, .grant = true},
        {.who.key = &two,
         .grant = true,
         .scope = CONFIG_SCOPE_NAME,
         .name = "\4acme\7example",
         .types = txt,
         .type_count = 1},
        {.who.key = &two,
         .grant = true,
         .scope = CONFIG_SCOPE_BELOW,
         .name = "\3dyn\7example",
         .types = addresses,
         .type_count = 2},
    };
    struct config_template as = {.update = rules, .update_count = 4};
    struct config_update_client first = {&peer, NAME("\3one"), NULL},
                                second = {&peer, NAME("\3two"), NULL}, nobody = {&peer, NULL, NULL};
    assert_true(config_update_allows(&as, &first, NAME("\1a\7example"), DNS_TYPE_MX));
    assert_false(config_update_allows(&as, &first, NAME("\3WWW\7example"), DNS_TYPE_MX));
    assert_true(config_update_allows(&as, &second, NAME("\4acme\7example"), DNS_TYPE_TXT));
    assert_false(config_update_allows(&as, &second, NAME("\4acme\7example"), DNS_TYPE_A));
    assert_false(config_update_allows(&as, &second, NAME("\1x\4acme\7example"), DNS_TYPE_TXT));
    assert_true(config_update_allows(&as, &second, NAME("\1x\3dyn\7example"), DNS_TYPE_AAAA));
    assert_true(config_update_allows(&as, &second, NAME("\3dyn\7example"), DNS_TYPE_A));
    assert_false(config_update_allows(&as, &second, NAME("\7example"), DNS_TYPE_A));
    assert_false(config_update_allows(&as, &nobody, NAME("\1a\7example"), DNS_TYPE_A));
}

static void test_options(void **state)
{
    struct config *config;
    union net_address peer = address("192.0.2.7");
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(config_default(&config), BASE_OK);
    assert_string_equal(config->data, CONFIG_DATA);
    assert_int_equal(config_add_listen(config, "192.0.2.53"), BASE_OK);
    assert_int_equal(config_add_listen(config, "[::1]:5300"), BASE_OK);
    assert_int_equal(config_add_listen(config, "192.0.2.53@53"), BASE_EEXIST);
    assert_int_equal(config_add_listen(config, "192.0.2"), BASE_EFORMAT);
    assert_int_equal(config->listen_count, 2);
    assert_int_equal(net_address_port(&config->listen[1].address), 5300);
    assert_int_equal(config->listen[0].protocols, NET_LISTEN_UDP | NET_LISTEN_TCP);
    /* In either order the directory's zones may be transferred. */
    assert_int_equal(config_add_directory(config, "/etc/zones"), BASE_OK);
    assert_int_equal(config_allow_transfer(config, "192.0.2.0/24"), BASE_OK);
    assert_int_equal(config_allow_transfer(config, "192.0.2.1/24"), BASE_EFORMAT);
    assert_int_equal(config_add_directory(config, "/etc/more"), BASE_OK);
    assert_int_equal(config_add_directory(config, "/etc/zones"), BASE_EEXIST);
    assert_int_equal(config->directory_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(config_acl_allows(&config->directories[i].as.transfer, &peer, NULL, NULL));
        assert_ptr_equal(config->directories[i].as.policy, config->policies);
    }
    assert_int_equal(config_set_policy(config, TEST_DATA "/../examples/policy.yaml", &findings),
                     BASE_OK);
    assert_int_equal(config_set_policy(config, "/nonexistent", &findings), BASE_EIO);
    assert_int_equal(findings.count, 1);
    assert_ptr_equal(config_policy_find(config, "default"), config->policies);
    assert_null(config_policy_find(config, "other"));
    config_free(config);
    config_free(NULL);
    base_findings_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_acl),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
