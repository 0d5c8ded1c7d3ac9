/* Checks of addresses and of reverse zones. */
#include "zone/check_part.h"

#include <string.h>

/* Blocks that the Internet does not route: IANA special-purpose address registries (RFC 6890). */
static const struct block {
    uint8_t octets[6];
    uint8_t bits;
} blocks4[] =
    {
        {{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
        {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
        {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
        {{224}, 3},
},
  blocks6[] = {
      {{0}, 8},
      {{0x01, 0x00}, 64},
      {{0x20, 0x01, 0x0d, 0xb8}, 32},
      {{0x20, 0x01, 0x00, 0x02, 0, 0}, 48},
      {{0x3f, 0xff}, 20},
      {{0xfc}, 7},
      {{0xfe, 0x80}, 10},
      {{0xfe, 0xc0}, 10},
      {{0xff}, 8},
};

static bool is_in_block(const uint8_t *address, const struct block *block)
{
    unsigned whole = block->bits / 8 < 6 ? block->bits / 8 : 6, rest = block->bits % 8;
    if (memcmp(address, block->octets, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return whole == 6 || rest == 0 || (address[whole] & mask) == (block->octets[whole] & mask);
}

static bool is_special(const uint8_t *address, const struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_in_block(address, &blocks[i]))
            return true;
    }
    return false;
}

static void check_a(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (is_special(rr->rdata, blocks4, sizeof(blocks4) / sizeof(blocks4[0])))
            check_count(check, CHECK_SUM_ADDRESS, rr, 0);
    }
}

static void check_aaaa(struct check *check, const struct zone_rrset *rrset)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        const uint8_t *four = rr->rdata + 12;
        if (memcmp(rr->rdata, mapped, 12) == 0)
            CHECK_SAY(check, ZONE_ADDRESS_MAPPED, rr,
                      "the AAAA record holds the IPv4 address "
                      "%u.%u.%u.%u",
                      four[0], four[1], four[2], four[3]);
        else if (is_special(rr->rdata, blocks6, sizeof(blocks6) / sizeof(blocks6[0])))
            check_count(check, CHECK_SUM_ADDRESS, rr, 0);
    }
}

/* A label of digits only: its value must be that of an octet, without leading zeros. Labels of
 * classless delegation (RFC 2317) have other characters. Returns false when it is out of range;
 * *number says whether it is digits only. */
static bool is_reverse_octet(const uint8_t *label, bool *number)
{
    unsigned value = 0;
    *number = true;
    for (unsigned i = 1; i <= *label; i++) {
        if (label[i] < '0' || label[i] > '9') {
            *number = false;
            return true;
        }
        value = value < 1000 ? value * 10 + (label[i] - '0') : value;
    }
    return value < 256 && !(*label > 1 && label[1] == '0');
}

static void check_reverse4(struct check *check, const struct dns_rr *rr)
{
    const uint8_t *owner = check->node->name;
    unsigned count = dns_name_labels(owner) - 2, numbers = 0;
    for (const uint8_t *label = owner; numbers < count; label += *label + 1) {
        bool number;
        if (!is_reverse_octet(label, &number)) {
            CHECK_SAY(check, ZONE_REVERSE_OWNER, rr,
                      "\"%.*s\" in \"%s\" is not a number from 0 to "
                      "255",
                      (int)*label, (const char *)label + 1, check_text(check, owner));
            return;
        }
        if (!number)
            return; /* classless: the count says nothing */
        numbers++;
    }
    if (count != 4)
        CHECK_SAY(check, ZONE_REVERSE_OWNER, rr, "\"%s\" has %u numbers; an IPv4 address has 4",
                  check_text(check, owner), count);
}

static bool is_nibble(const uint8_t *label)
{
    uint8_t c = dns_lower[label[1]];
    return *label == 1 && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
}

static void check_reverse6(struct check *check, const struct dns_rr *rr)
{
    const uint8_t *owner = check->node->name, *label = owner;
    unsigned count = dns_name_labels(owner) - 2;
    for (unsigned i = 0; i < count; i++, label += *label + 1) {
        if (is_nibble(label))
            continue;
        CHECK_SAY(check, ZONE_REVERSE_OWNER, rr, "\"%.*s\" in \"%s\" is not one hexadecimal digit",
                  (int)*label, (const char *)label + 1, check_text(check, owner));
        return;
    }
    if (count != 32)
        CHECK_SAY(check, ZONE_REVERSE_OWNER, rr, "\"%s\" has %u digits; an IPv6 address has 32",
                  check_text(check, owner), count);
}

static void check_ptr(struct check *check, const struct zone_rrset *rrset)
{
    const uint8_t *owner = check->node->name;
    if (!check->reverse4 && !check->reverse6)
        return;
    for (unsigned i = 0; i < rrset->count; i++)
        check_host_target(check, check_rr(check, rrset, i), check_rr(check, rrset, i)->rdata);
    /* Service discovery and wildcards live in reverse zones too. */
    if (check_at_apex(check) || dns_name_is_wildcard(owner) || owner[1] == '_' ||
        check_label_is(owner + *owner + 1, "_dns-sd"))
        return;
    if (check->reverse4)
        check_reverse4(check, check_rr(check, rrset, 0));
    else
        check_reverse6(check, check_rr(check, rrset, 0));
}

const struct check_row check_address_rows[] = {
    {check_a, {DNS_TYPE_A}, true},
    {check_aaaa, {DNS_TYPE_AAAA}, true},
    {check_ptr, {DNS_TYPE_PTR}, false},
    {NULL, {0}, false},
};
