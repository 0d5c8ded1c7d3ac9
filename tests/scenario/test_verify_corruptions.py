"""A catalogue of single corruptions of signed zones: each is found, by its own code, in its place;
what looks odd and is right is not. The verdicts of dnssec-verify and ldns-verify-zone on the same
files are printed at the end (pytest -s) and written to the file that CORRUPTIONS_TABLE names."""

import os
import shutil
import subprocess

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from verify_support import ORIGIN, ZONE, bind_sign, new_key, run, verify

DAY = 86400


class Records:
    """The records of a zone as a list in which anything can be changed."""

    def __init__(self, path):
        zone = dns.zone.from_file(str(path), origin=ORIGIN, relativize=False)
        self.items = [[name, ttl, rdata.rdtype, rdata]
                      for name, ttl, rdata in zone.iterate_rdatas()]
        self.zsk_tag = self.ksk_tag = None
        for _, _, _, rdata in self.of("@", "DNSKEY"):
            tag = dns.dnssec.key_id(rdata)
            if rdata.flags & 1:
                self.ksk_tag = tag
            else:
                self.zsk_tag = tag

    @staticmethod
    def name(text):
        return dns.name.from_text(text, dns.name.from_text(ORIGIN)) if text != "@" else \
            dns.name.from_text(ORIGIN)

    def of(self, owner, rdtype, covers=None):
        wanted = self.name(owner) if isinstance(owner, str) else owner
        found = [item for item in self.items
                 if item[0] == wanted and item[2] == dns.rdatatype.from_text(rdtype)
                 and (covers is None or item[3].covers() == dns.rdatatype.from_text(covers))]
        assert found, f"no {owner} {rdtype} {covers or ''}"
        return found

    def change(self, owner, rdtype, covers=None, **fields):
        item = self.of(owner, rdtype, covers)[0]
        for field, value in fields.items():
            if callable(value):
                fields[field] = value(getattr(item[3], field))
        item[3] = item[3].replace(**fields)

    def retype(self, owner, rdtype, covers, new):
        """Changes the covered type of a signature."""
        item = self.of(owner, rdtype, covers)[0]
        item[3] = item[3].replace(type_covered=dns.rdatatype.from_text(new))

    def ttl(self, owner, rdtype, value, covers=None):
        for item in self.of(owner, rdtype, covers):
            item[1] = value

    def remove(self, owner, rdtype, covers=None, which=None):
        found = self.of(owner, rdtype, covers)
        for item in found if which is None else [found[which]]:
            self.items.remove(item)

    def remove_name(self, owner):
        wanted = self.name(owner)
        self.items = [item for item in self.items if item[0] != wanted]

    def add(self, owner, rdtype, text, ttl=3600):
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text,
                                    origin=dns.name.from_text(ORIGIN), relativize=False)
        self.items.append([self.name(owner) if isinstance(owner, str) else owner, ttl,
                           rdata.rdtype, rdata])

    def copy(self, owner, rdtype, covers, to, **fields):
        item = self.of(owner, rdtype, covers)[0]
        self.items.append([self.name(to) if isinstance(to, str) else to, item[1], item[2],
                           item[3].replace(**fields)])

    def swap(self, one, other, rdtype, covers=None):
        a, b = self.of(one, rdtype, covers)[0], self.of(other, rdtype, covers)[0]
        a[3], b[3] = b[3], a[3]

    def rename(self, owner, to):
        wanted = self.name(owner) if isinstance(owner, str) else owner
        for item in self.items:
            if item[0] == wanted:
                item[0] = self.name(to)

    def nsec3_of(self, owner):
        """The owner of the NSEC3 that is the hash of a name."""
        item = next(item for item in self.items if item[2] == dns.rdatatype.NSEC3)
        text = dns.dnssec.nsec3_hash(self.name(owner), item[3].salt, item[3].iterations, 1)
        return self.name(text.lower())

    def nsec3s(self):
        return sorted(item[0] for item in self.items if item[2] == dns.rdatatype.NSEC3)

    def covering(self, owner):
        hashed = self.nsec3_of(owner)
        owners = self.nsec3s()
        before = [name for name in owners if name < hashed]
        return before[-1] if before else owners[-1]

    def write(self, path):
        lines = []
        for name, ttl, rdtype, rdata in sorted(
                self.items, key=lambda item: item[2] != dns.rdatatype.SOA):
            text = rdata if isinstance(rdata, str) else rdata.to_text()
            lines.append(f"{name} {ttl} IN {dns.rdatatype.to_text(rdtype)} {text}\n")
        path.write_text("".join(lines))


def flip(position):
    def change(data):
        out = bytearray(data)
        out[position] ^= 1
        return bytes(out)
    return change


def add_type(rdtype):
    def change(windows):
        number = dns.rdatatype.from_text(rdtype)
        out = {window: bytearray(bits) for window, bits in windows}
        bits = out.setdefault(number >> 8, bytearray())
        at = (number & 255) // 8
        bits.extend(bytes(max(0, at + 1 - len(bits))))
        bits[at] |= 0x80 >> number % 8
        return tuple((window, bytes(bits)) for window, bits in sorted(out.items()))
    return change


def drop_type(rdtype):
    def change(windows):
        number = dns.rdatatype.from_text(rdtype)
        out = []
        for window, bits in windows:
            bits = bytearray(bits)
            if window == number >> 8:
                bits[(number & 255) // 8] &= 0xff ^ (0x80 >> number % 8)
            bits = bytes(bits).rstrip(b"\0")
            if bits:
                out.append((window, bits))
        return tuple(out)
    return change


def wire(data):
    return f"\\# {len(data)} {data.hex()}"


N = Records.name
RRSIG_END = "13 2 3600 20380101000000 20200101000000 {tag} example. " + "A" * 86 + "=="


def stray(records, owner, covered, labels):
    records.add(owner, "RRSIG", f"{covered} 13 {labels} 3600 20380101000000 20200101000000 "
                                f"{records.zsk_tag} example. " + "A" * 86 + "==")


CASES = []


def case(base, code, owner, options=()):
    def register(function):
        CASES.append((function.__name__, base, function, code, owner, options))
        return function
    return register


def simple(name, base, code, owner, function, options=()):
    CASES.append((name, base, function, code, owner, options))


# Fields of an RRSIG, mostly that over mail A.
def field(name, code, **fields):
    simple(f"rrsig_{name}", "nsec", code, "mail.example.",
           lambda r: r.change("mail", "RRSIG", "A", **fields))


simple("rrsig_covered_absent", "nsec", "verify.rrsig-orphan", "mail.example.",
       lambda r: r.retype("mail", "RRSIG", "A", "AAAA"))
simple("rrsig_covered_absent_leaves_unsigned", "nsec", "verify.rrset-unsigned", "mail.example.",
       lambda r: r.retype("mail", "RRSIG", "A", "AAAA"))
simple("rrsig_covered_present", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.retype("mail", "RRSIG", "A", "NSEC"))
field("algorithm_15", "verify.rrsig-unknown-key", algorithm=15)
field("algorithm_8", "verify.rrset-algorithm", algorithm=8)
field("algorithm_250", "verify.rrsig-unknown-key", algorithm=250)
field("labels_more", "verify.rrsig-labels", labels=3)
field("labels_fewer", "verify.rrsig-labels", labels=1)
field("labels_255", "verify.rrsig-labels", labels=255)
field("original_ttl", "verify.rrsig-original-ttl", original_ttl=3599)
field("original_ttl_breaks", "verify.rrsig-bad", original_ttl=7200)
field("expiration_past", "verify.rrsig-expired", expiration=lambda t: t - 60 * DAY,
      inception=lambda t: t - 60 * DAY)
field("expiration_changed", "verify.rrsig-bad", expiration=lambda t: t + 1)
field("inception_future", "verify.rrsig-future", inception=lambda t: t + 5 * DAY)
field("inception_changed", "verify.rrsig-bad", inception=lambda t: t - 1)
field("dates_reversed", "verify.rrsig-dates", inception=lambda t: t + 90 * DAY)
field("tag", "verify.rrsig-unknown-key", key_tag=lambda t: t ^ 0x8000)
field("signer", "verify.rrsig-signer", signer=dns.name.from_text("sample."))
field("signer_below", "verify.rrsig-signer", signer=dns.name.from_text("mail.example."))
field("signature_first_bit", "verify.rrsig-bad", signature=flip(0))
field("signature_last_bit", "verify.rrsig-bad", signature=flip(-1))
field("signature_shortened", "verify.rrsig-length", signature=lambda s: s[:-1])
field("signature_half", "verify.rrsig-length", signature=lambda s: s[:32])
field("signature_lengthened", "verify.rrsig-length", signature=lambda s: s + b"\0")
field("signature_zero", "verify.rrsig-bad", signature=bytes(64))


@case("nsec", "verify.rrsig-bad", "mail.example.")
def rrsig_tag_of_ksk(r):
    r.change("mail", "RRSIG", "A", key_tag=r.ksk_tag)


simple("rrsig_ttl", "nsec", "verify.rrsig-ttl", "mail.example.",
       lambda r: r.ttl("mail", "RRSIG", 60, "A"))
simple("rrsig_swapped", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.swap("mail", "ns1", "RRSIG", "A"))
simple("rrsig_wildcard_labels", "nsec", "verify.rrsig-labels", "*.wild.example.",
       lambda r: r.change("*.wild", "RRSIG", "MX", labels=3))
simple("rrsig_moved", "nsec", "verify.rrsig-orphan", "www.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "www"))
simple("rrsig_at_new_name", "nsec", "verify.rrsig-orphan", "nobody.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "nobody"))
simple("rrsig_at_empty_non_terminal", "nsec", "verify.rrsig-orphan", "deep.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "deep"))
simple("rrsig_expired_beside_a_good_one", "nsec", "verify.rrsig-expired", "mail.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "mail", expiration=1000001, inception=1000000))
simple("rrsig_bad_beside_a_good_one", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "mail", signature=bytes(64)))
simple("rrsig_unknown_beside_a_good_one", "nsec", "verify.rrsig-unknown-key", "mail.example.",
       lambda r: r.copy("mail", "RRSIG", "A", "mail", key_tag=1))


@case("nsec", "verify.budget", "mail.example.")
def rrsig_too_many(r):
    for i in range(20):
        r.copy("mail", "RRSIG", "A", "mail", signature=bytes([1, i]) * 32)


for owner_, type_ in (("@", "SOA"), ("@", "NS"), ("@", "MX"), ("@", "DNSKEY"), ("@", "NSEC"),
                      ("www", "CNAME"), ("dn", "DNAME"), ("secure", "DS"), ("secure", "NSEC"),
                      ("insecure", "NSEC"), ("*", "TXT"), ("types", "TYPE65500")):
    simple(f"rrsig_removed_{owner_}_{type_}", "nsec", "verify.rrset-unsigned",
           N(owner_).to_text(),
           lambda r, o=owner_, t=type_: r.remove(o, "RRSIG", t))

# What must not be signed
for name_, owner_, covered_, labels_ in (
        ("delegation_ns", "secure", "NS", 2), ("insecure_ns", "insecure", "NS", 2),
        ("glue", "ns.secure", "A", 3), ("occluded_cut", "sub.insecure", "NS", 3),
        ("occluded_glue", "ns.sub.insecure", "A", 4), ("rrsig", "mail", "RRSIG", 2)):
    simple(f"stray_over_{name_}", "nsec", "verify.rrsig-stray", N(owner_).to_text(),
           lambda r, o=owner_, c=covered_, n=labels_: stray(r, o, c, n))
simple("stray_below_dname", "nsec", "verify.below-dname", "below.dn.example.",
       lambda r: stray(r, "below.dn", "TXT", 3))


# NSEC
def nsec(name, code, owner, **fields):
    simple(f"nsec_{name}", "nsec", code, N(owner).to_text(),
           lambda r: r.change(owner, "NSEC", **fields))


nsec("next_skips", "verify.nsec-next", "insecure", next=N("naptr"))
nsec("next_to_empty_non_terminal", "verify.nsec-next", "a.ent.deep", next=N("ent.deep"))
nsec("next_to_glue", "verify.nsec-next", "insecure", next=N("ns.insecure"))
nsec("next_is_itself", "verify.nsec-next", "mail", next=N("mail"))
nsec("next_outside", "verify.nsec-next", "mail", next=dns.name.from_text("nb.sample."))
nsec("next_apex_too_early", "verify.nsec-next", "mail", next=N("@"))
nsec("next_backwards", "verify.nsec-next", "mail", next=N("b.ent.deep"))
nsec("chain_not_closed", "verify.nsec-next", "_443._tcp.www", next=N("zz"))
nsec("bitmap_more", "verify.nsec-bitmap", "mail", windows=add_type("MX"))
nsec("bitmap_high_type", "verify.nsec-bitmap", "mail", windows=add_type("CAA"))
nsec("bitmap_less", "verify.nsec-bitmap", "mail", windows=drop_type("A"))
nsec("bitmap_less_private_type", "verify.nsec-bitmap", "types", windows=drop_type("TYPE65500"))
nsec("bitmap_no_rrsig", "verify.nsec-bitmap", "mail", windows=drop_type("RRSIG"))
nsec("bitmap_no_nsec", "verify.nsec-bitmap", "mail", windows=drop_type("NSEC"))
nsec("bitmap_glue_at_cut", "verify.nsec-bitmap", "secure", windows=add_type("A"))
nsec("bitmap_no_ds", "verify.nsec-bitmap", "secure", windows=drop_type("DS"))
nsec("bitmap_no_ns", "verify.nsec-bitmap", "insecure", windows=drop_type("NS"))
nsec("bitmap_no_soa", "verify.nsec-bitmap", "@", windows=drop_type("SOA"))
simple("nsec_removed", "nsec", "verify.nsec-missing", "mail.example.",
       lambda r: r.remove("mail", "NSEC"))
simple("nsec_removed_at_cut", "nsec", "verify.nsec-missing", "insecure.example.",
       lambda r: r.remove("insecure", "NSEC"))
simple("nsec_two", "nsec", "verify.nsec-several", "mail.example.",
       lambda r: r.copy("mail", "NSEC", None, "mail", next=N("zz")))
simple("nsec_at_glue", "nsec", "verify.nsec-stray", "ns.secure.example.",
       lambda r: r.copy("mail", "NSEC", None, "ns.secure"))
simple("nsec_at_empty_non_terminal", "nsec", "verify.nsec-stray", "ent.deep.example.",
       lambda r: r.copy("mail", "NSEC", None, "ent.deep"))
simple("nsec_at_new_name", "nsec", "verify.nsec-stray", "nobody.example.",
       lambda r: r.copy("mail", "NSEC", None, "nobody"))
simple("nsec_ttl", "nsec", "verify.nsec-ttl", "mail.example.",
       lambda r: r.ttl("mail", "NSEC", 3600))
simple("nsec_swapped", "nsec", "verify.nsec-next", "mail.example.",
       lambda r: r.swap("mail", "naptr", "NSEC"))


@case("nsec", "verify.denial-none", "example.")
def nsec_all_removed(r):
    r.items = [i for i in r.items if i[2] != dns.rdatatype.NSEC
               and not (i[2] == dns.rdatatype.RRSIG and i[3].covers() == dns.rdatatype.NSEC)]


# NSEC3
def nsec3(name, code, owner="mail", base="nsec3", at=None, **fields):
    def function(r):
        r.change(r.nsec3_of(owner), "NSEC3", **fields)
    simple(f"nsec3_{name}", base, code, at or ("hash", owner), function)


nsec3("algorithm", "verify.nsec3-algorithm", algorithm=2)
nsec3("flags", "verify.nsec3-flags", flags=2)
nsec3("flag_opt_out_set", "verify.rrsig-bad", flags=1)
nsec3("iterations", "verify.nsec3-foreign", iterations=1)
nsec3("iterations_leave_a_name", "verify.nsec3-missing", at="mail.example.", iterations=1)
nsec3("salt", "verify.nsec3-foreign", salt=b"\x01")
nsec3("next_bit", "verify.nsec3-next", next=flip(19))
nsec3("next_first_bit", "verify.nsec3-next", next=flip(0))
nsec3("next_short", "verify.nsec3-missing", at="mail.example.", next=lambda n: n[:19])
nsec3("bitmap_more", "verify.nsec3-bitmap", windows=add_type("MX"))
nsec3("bitmap_less", "verify.nsec3-bitmap", windows=drop_type("A"))
nsec3("bitmap_nsec3", "verify.nsec3-bitmap", windows=add_type("NSEC3"))
nsec3("bitmap_of_empty_non_terminal", "verify.nsec3-bitmap", "deep", windows=add_type("A"))
nsec3("bitmap_of_insecure_cut", "verify.nsec3-bitmap", "insecure", windows=add_type("DS"))
nsec3("bitmap_of_insecure_cut_rrsig", "verify.nsec3-bitmap", "insecure",
      windows=add_type("RRSIG"))
nsec3("bitmap_of_secure_cut", "verify.nsec3-bitmap", "secure", windows=drop_type("DS"))
nsec3("bitmap_of_apex", "verify.nsec3-bitmap", "@", windows=drop_type("NSEC3PARAM"))


def nsec3_remove(name, owner, base="nsec3"):
    def function(r):
        at = r.nsec3_of(owner)
        r.items = [i for i in r.items if i[0] != at]
    simple(f"nsec3_removed_{name}", base, "verify.nsec3-missing", N(owner).to_text(), function)


nsec3_remove("name", "mail")
nsec3_remove("apex", "@")
nsec3_remove("empty_non_terminal", "ent.deep")
nsec3_remove("insecure_cut", "insecure")
nsec3_remove("secure_cut", "secure")
nsec3_remove("empty_non_terminal_to_cuts", "island")
nsec3_remove("name_with_opt_out", "mail", "opt-out")
nsec3_remove("secure_cut_with_opt_out", "secure", "opt-out")
nsec3_remove("empty_non_terminal_with_opt_out", "deep", "opt-out")


@case("nsec3", "verify.nsec3-next", ("before", "mail"))
def nsec3_removed_gap(r):
    at = r.nsec3_of("mail")
    r.items = [i for i in r.items if i[0] != at]


@case("opt-out", "verify.nsec3-missing", "insecure.example.")
def nsec3_opt_out_flag_cleared(r):
    r.change(r.covering("insecure"), "NSEC3", flags=0)


@case("nsec3", "verify.nsec3-stray", "00000000000000000000000000000000.example.")
def nsec3_stray(r):
    r.copy(r.nsec3_of("mail"), "NSEC3", None, "00000000000000000000000000000000")


@case("nsec3", "verify.nsec3-stray", "00000000000000000000000000000000.example.")
def nsec3_owner_changed(r):
    r.rename(r.nsec3_of("mail"), "00000000000000000000000000000000")


@case("nsec3", "verify.nsec3-several", ("hash", "mail"))
def nsec3_two(r):
    at = r.nsec3_of("mail")
    r.copy(at, "NSEC3", None, at, next=bytes(20))


@case("nsec3", "verify.nsec3-owner", "zz.example.")
def nsec3_at_no_hash(r):
    r.copy(r.nsec3_of("mail"), "NSEC3", None, "zz")


@case("nsec3", "verify.nsec3-owner", None)
def nsec3_too_deep(r):
    at = r.nsec3_of("mail")
    r.copy(at, "NSEC3", None, dns.name.Name((b"x",) + at.labels))


@case("nsec3", "verify.nsec-ttl", ("hash", "mail"))
def nsec3_ttl(r):
    r.ttl(r.nsec3_of("mail"), "NSEC3", 3600)


@case("nsec3", "verify.rrset-unsigned", ("hash", "mail"))
def nsec3_rrsig_removed(r):
    r.remove(r.nsec3_of("mail"), "RRSIG")


@case("nsec3", "verify.nsec3-next", ("hash", "mail"))
def nsec3_swapped(r):
    r.swap(r.nsec3_of("mail"), r.nsec3_of("ns1"), "NSEC3")


simple("nsec3param_removed", "nsec3", "verify.nsec3param-missing", "example.",
       lambda r: r.remove("@", "NSEC3PARAM"))
simple("nsec3param_algorithm", "nsec3", "verify.nsec3param-invalid", "example.",
       lambda r: r.change("@", "NSEC3PARAM", algorithm=2))
simple("nsec3param_flags", "nsec3", "verify.nsec3param-invalid", "example.",
       lambda r: r.change("@", "NSEC3PARAM", flags=1))
simple("nsec3param_iterations", "nsec3", "verify.nsec3-missing", "example.",
       lambda r: r.change("@", "NSEC3PARAM", iterations=1))
simple("nsec3param_iterations_many", "nsec3", "verify.nsec3-iterations", "example.",
       lambda r: r.change("@", "NSEC3PARAM", iterations=5000))
simple("nsec3param_salt", "nsec3", "verify.nsec3-missing", "example.",
       lambda r: r.change("@", "NSEC3PARAM", salt=b"\xab"))
simple("nsec3param_second", "nsec3", "verify.nsec3-partial", "example.",
       lambda r: r.add("@", "NSEC3PARAM", "1 0 0 ab"))
simple("nsec3_zone_with_nsec", "nsec3", "verify.nsec-stray", "mail.example.",
       lambda r: r.add("mail", "NSEC", "naptr A RRSIG NSEC", 900))


@case("nsec", "verify.nsec3-partial", "00000000000000000000000000000000.example.")
def nsec_zone_with_nsec3(r):
    r.add("00000000000000000000000000000000", "NSEC3",
          "1 0 0 - 00000000000000000000000000000001 A", 900)


# DNSKEY
def dnskey(name, code, which, owner="example.", **fields):
    def function(r):
        item = next(i for i in r.of("@", "DNSKEY") if (i[3].flags & 1) == which)
        for key, value in fields.items():
            if callable(value):
                fields[key] = value(getattr(item[3], key))
        item[3] = item[3].replace(**fields)
    simple(f"dnskey_{name}", "nsec", code, owner, function)


dnskey("flags_zero", "verify.key-not-zone", 0, flags=0)
dnskey("flags_reserved", "verify.key-flags", 0, flags=258)
dnskey("revoked", "verify.key-revoked", 1, flags=257 + 128)
dnskey("protocol", "verify.key-protocol", 0, protocol=2)
dnskey("algorithm", "verify.rrsig-unknown-key", 0, algorithm=15)
dnskey("algorithm_unknown", "verify.key-unsupported", 0, algorithm=99)
dnskey("key_bit", "verify.rrsig-unknown-key", 0, key=flip(5))
dnskey("key_short", "verify.key-malformed", 0, key=lambda k: k[:63])
dnskey("key_empty_point", "verify.key-malformed", 0, key=bytes(64))
simple("dnskey_all_removed", "nsec", "verify.no-dnskey", "example.",
       lambda r: r.remove("@", "DNSKEY"))


@case("nsec", "verify.rrsig-unknown-key", "mail.example.")
def dnskey_zsk_removed(r):
    r.items = [i for i in r.items if not (i[2] == dns.rdatatype.DNSKEY and i[3].flags == 256)]


@case("nsec", "verify.rrsig-unknown-key", "example.")
def dnskey_ksk_removed(r):
    r.items = [i for i in r.items if not (i[2] == dns.rdatatype.DNSKEY and i[3].flags == 257)]


@case("nsec", "verify.rrset-algorithm", "mail.example.")
def dnskey_of_another_algorithm_added(r):
    r.add("@", "DNSKEY", "256 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=")


# The two halves of a pair that was mixed up: octets moved so that the tag stays.
@case("nsec", "verify.key-malformed", "example.")
def dnskey_altered_under_its_tag(r):
    item = next(i for i in r.of("@", "DNSKEY") if i[3].flags == 256)
    key = bytearray(item[3].key)
    for i in range(0, 60, 2):
        if key[i:i + 2] != key[i + 2:i + 4]:
            key[i:i + 4] = key[i + 2:i + 4] + key[i:i + 2]
            break
    item[3] = item[3].replace(key=bytes(key))
    assert dns.dnssec.key_id(item[3]) == r.zsk_tag


@case("nsec", "verify.key-collision", "example.")
def dnskey_with_the_same_tag(r):
    item = next(i for i in r.of("@", "DNSKEY") if i[3].flags == 256)
    key = bytearray(item[3].key)
    for i in range(0, 60, 2):
        if key[i:i + 2] != key[i + 2:i + 4]:
            key[i:i + 4] = key[i + 2:i + 4] + key[i:i + 2]
            break
    r.items.append([item[0], item[1], item[2], item[3].replace(key=bytes(key))])


# Data
simple("record_removed", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.remove("mail", "A", which=0))
simple("record_added", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.add("mail", "A", "192.0.2.99"))
simple("record_altered", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.change("mail", "A", address="192.0.2.98"))
simple("set_removed", "nsec", "verify.rrsig-orphan", "ns1.example.",
       lambda r: r.remove("ns1", "AAAA"))
simple("set_removed_bitmap", "nsec", "verify.nsec-bitmap", "ns1.example.",
       lambda r: r.remove("ns1", "AAAA"))
simple("ttl_longer", "nsec", "verify.rrsig-original-ttl", "mail.example.",
       lambda r: r.ttl("mail", "A", 7200))
simple("ttl_shorter", "nsec", "verify.rrsig-original-ttl", "mail.example.",
       lambda r: r.ttl("mail", "A", 60))
simple("type_added", "nsec", "verify.rrset-unsigned", "mail.example.",
       lambda r: r.add("mail", "TXT", '"new"'))
simple("type_added_bitmap", "nsec", "verify.nsec-bitmap", "mail.example.",
       lambda r: r.add("mail", "TXT", '"new"'))
simple("name_added", "nsec", "verify.nsec-missing", "new.example.",
       lambda r: r.add("new", "TXT", '"new"'))
simple("name_added_nsec3", "nsec3", "verify.nsec3-missing", "new.example.",
       lambda r: r.add("new", "TXT", '"new"'))
simple("name_added_opt_out", "opt-out", "verify.nsec3-missing", "new.example.",
       lambda r: r.add("new", "TXT", '"new"'))
simple("empty_non_terminal_added_nsec3", "nsec3", "verify.nsec3-missing", "new.example.",
       lambda r: r.add("x.new", "TXT", '"new"'))
simple("name_removed", "nsec", "verify.nsec-next", "b.ent.deep.example.",
       lambda r: r.remove_name("dn"))
simple("name_removed_nsec3", "nsec3", "verify.nsec3-stray", ("hash", "mail"),
       lambda r: r.remove_name("mail"))
simple("delegation_added", "nsec", "verify.nsec-missing", "new.example.",
       lambda r: r.add("new", "NS", "ns.other.test."))
simple("delegation_added_nsec3", "nsec3", "verify.nsec3-missing", "new.example.",
       lambda r: r.add("new", "NS", "ns.other.test."))
simple("delegation_over_data", "nsec", "verify.rrsig-stray", "a.ent.deep.example.",
       lambda r: r.add("deep", "NS", "ns.other.test."))
simple("dname_over_data", "nsec", "verify.below-dname", "a.ent.deep.example.",
       lambda r: r.add("deep", "DNAME", "other.test."))
simple("ds_removed", "nsec", "verify.rrsig-orphan", "secure.example.",
       lambda r: r.remove("secure", "DS"))
simple("ds_removed_nsec3", "nsec3", "verify.nsec3-bitmap", ("hash", "secure"),
       lambda r: r.remove("secure", "DS"))
simple("ds_altered", "nsec", "verify.rrsig-bad", "secure.example.",
       lambda r: r.change("secure", "DS", digest=flip(3)))
simple("ds_added", "nsec", "verify.rrset-unsigned", "insecure.example.",
       lambda r: r.add("insecure", "DS", "1 13 2 " + "ab" * 32))
simple("ds_added_opt_out", "opt-out", "verify.nsec3-missing", "insecure.example.",
       lambda r: r.add("insecure", "DS", "1 13 2 " + "ab" * 32))
simple("cut_ns_removed", "nsec", "verify.nsec-bitmap", "secure.example.",
       lambda r: r.remove("secure", "NS"))
simple("soa_serial", "nsec", "verify.rrsig-bad", "example.",
       lambda r: r.change("@", "SOA", serial=2026010101))
simple("soa_minimum", "nsec", "verify.nsec-ttl", "example.",
       lambda r: r.change("@", "SOA", minimum=60))
simple("dname_altered", "nsec", "verify.rrsig-bad", "dn.example.",
       lambda r: r.change("dn", "DNAME", target=dns.name.from_text("no.other.test.")))
simple("names_swapped", "nsec", "verify.rrsig-bad", "mail.example.",
       lambda r: r.swap("mail", "ns1", "A"))


@case("nsec", "verify.unsigned", "example.")
def everything_unsigned(r):
    r.items = [i for i in r.items if i[2] not in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)]


# ZONEMD
simple("zonemd_digest", "zonemd", "verify.zonemd-mismatch", "example.",
       lambda r: r.change("@", "ZONEMD", digest=flip(7)))
simple("zonemd_serial", "zonemd", "verify.zonemd-serial", "example.",
       lambda r: r.change("@", "ZONEMD", serial=1))


def zonemd_field(scheme, algorithm):
    def function(r):
        digest = r.of("@", "ZONEMD")[0][3].digest.hex()
        r.remove("@", "ZONEMD")
        r.add("@", "ZONEMD", f"2026010100 {scheme} {algorithm} {digest}")
    return function


simple("zonemd_scheme", "zonemd", "verify.zonemd-unsupported", "example.", zonemd_field(240, 1))
simple("zonemd_hash", "zonemd", "verify.zonemd-unsupported", "example.", zonemd_field(1, 240))
simple("zonemd_duplicate", "zonemd", "verify.zonemd-duplicate", "example.",
       lambda r: r.copy("@", "ZONEMD", None, "@", digest=bytes(48)))
simple("zonemd_removed", "zonemd", "verify.rrsig-orphan", "example.",
       lambda r: r.remove("@", "ZONEMD"))
simple("zonemd_tells_changed_glue", "zonemd", "verify.zonemd-mismatch", "example.",
       lambda r: r.change("ns.secure", "A", address="192.0.2.66"))
simple("zonemd_tells_changed_delegation", "zonemd", "verify.zonemd-mismatch", "example.",
       lambda r: r.change("insecure", "NS", target=dns.name.from_text("evil.test.")))

# Time and DS come from outside.
simple("time_later", "nsec", "verify.rrsig-expired", "example.", lambda r: None,
       ("--at", "now+60d"))
simple("time_later_summary", "nsec", "verify.dates-summary", "example.", lambda r: None,
       ("--at", "now+60d"))
simple("time_earlier", "nsec", "verify.rrsig-future", "example.", lambda r: None,
       ("--at", "now-2d"))
simple("time_margin", "nsec", "verify.rrsig-soon", "example.", lambda r: None,
       ("--margin", "40d"))
for name_, code_, make_ in (
        ("digest", "verify.ds-digest", lambda t, d: f"{t} 13 2 {'00' * 32}"),
        ("broken", "verify.ds-broken", lambda t, d: f"{t} 13 2 {'00' * 32}"),
        ("tag", "verify.ds-unmatched", lambda t, d: f"{t ^ 1} 13 2 {d}"),
        ("algorithm", "verify.ds-algorithm", lambda t, d: f"{t} 15 2 {d}"),
        ("type", "verify.ds-unsupported", lambda t, d: f"{t} 13 99 {d}")):
    simple(f"ds_parent_{name_}", "nsec", code_, "example.", lambda r: None, ("--ds", make_))


def fix_ids(cases):
    return [name for name, *_ in cases]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    for tool in ("dnssec-signzone", "ldns-signzone"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    found = {}
    for name, options in (("nsec", []), ("nsec3", ["-3", "-", "-H", "0"]),
                          ("opt-out", ["-3", "-", "-H", "0", "-A"])):
        directory = tmp_path_factory.mktemp(name)
        keys = [new_key(directory, 13, ksk=True), new_key(directory, 13)]
        found[name] = bind_sign(directory, ZONE, keys, options)
    directory = tmp_path_factory.mktemp("zonemd")
    keys = [new_key(directory, 13, ksk=True), new_key(directory, 13)]
    (directory / "zone.in").write_text(ZONE)
    run(["ldns-signzone", "-o", ORIGIN, "-z", "1:1", "-f", "zone.signed", "zone.in", *keys],
        directory)
    found["zonemd"] = directory / "zone.signed"
    return found


PEERS = {
    "dnssec-verify": lambda file: ["dnssec-verify", "-q", "-o", ORIGIN, file],
    "ldns-verify-zone": lambda file: ["ldns-verify-zone", "-V", "1", file],
    "validns": lambda file: ["validns", "-z", ORIGIN, "-p", "all", file],
}
noticed = {}


def ask_peers(name, file):
    verdicts = {}
    for peer, command in PEERS.items():
        if shutil.which(peer) is None:
            continue
        done = subprocess.run([str(w) for w in command(file)], capture_output=True, text=True,
                              timeout=60, cwd=file.parent)
        verdicts[peer] = done.returncode != 0
    noticed[name] = verdicts


@pytest.mark.parametrize("base", ["nsec", "nsec3", "opt-out", "zonemd"])
def test_uncorrupted(bases, base, tmp_path):
    file = tmp_path / "zone"
    Records(bases[base]).write(file)
    verdict = verify(file)
    assert not verdict.findings, str(verdict)
    ask_peers(f"uncorrupted {base}", file)
    assert not noticed[f"uncorrupted {base}"].get("dnssec-verify"), "the zone itself is bad"


def expected_place(records, owner):
    if isinstance(owner, tuple):
        at = records.nsec3_of(owner[1])
        if owner[0] == "before":
            at = [name for name in records.nsec3s() if name < at][-1:] or records.nsec3s()[-1:]
            at = at[0]
        return at.to_text().lower()
    return owner


@pytest.mark.parametrize("name, base, change, code, owner, options", CASES, ids=fix_ids(CASES))
def test_corruption(bases, name, base, change, code, owner, options, tmp_path):
    records = Records(bases[base])
    before = Records(bases[base])
    change(records)
    file = tmp_path / "zone"
    records.write(file)
    options = list(options)
    if options and callable(options[-1]):
        key = next(i[3] for i in before.of("@", "DNSKEY") if i[3].flags == 257)
        ds = dns.dnssec.make_ds(N("@"), key, "SHA256")
        options[-1] = options[-1](ds.key_tag, ds.digest.hex())
    verdict = verify(file, *options)
    place = expected_place(before, owner)
    assert code in verdict.codes(place), f"expected {code} at {place}, found:\n{verdict}"
    if not options:
        ask_peers(name, file)


# What looks odd and is right
def upper_owner(r):
    r.rename("mail", "MAIL")


def upper_rdata(r):
    r.change("@", "MX", exchange=dns.name.from_text("MAIL.Example."))


def upper_signer(r):
    r.change("mail", "RRSIG", "A", signer=dns.name.from_text("EXAMPLE."))


def upper_next(r):
    item = r.of("insecure", "NSEC")[0]
    r.rename(item[3].next, item[3].next.to_text().upper())


def shuffled(r):
    r.items.reverse()


def glue_changed(r):
    r.change("ns.secure", "A", address="192.0.2.123")


@pytest.mark.parametrize("change", [upper_owner, upper_rdata, upper_signer, upper_next, shuffled,
                                    glue_changed], ids=lambda f: f.__name__)
def test_odd_but_right(bases, change, tmp_path):
    for base in ("nsec", "nsec3"):
        if base == "nsec3" and change is upper_next:
            continue
        records = Records(bases[base])
        change(records)
        file = tmp_path / f"zone-{base}"
        records.write(file)
        verdict = verify(file)
        assert not verdict.findings, str(verdict)


def test_table_of_peers():
    """Prints which corruptions each peer does not notice."""
    lines = []
    for peer in PEERS:
        if any(verdicts.get(peer, True) for name, verdicts in noticed.items()
               if name.startswith("uncorrupted")):
            lines.append(f"{peer}: not installed, or refuses the zone before it is corrupted")
            continue
        missed = [name for name, verdicts in noticed.items()
                  if not name.startswith("uncorrupted") and verdicts.get(peer) is False]
        asked = sum(peer in v for n, v in noticed.items() if not n.startswith("uncorrupted"))
        lines.append(f"{peer}: {asked - len(missed)} of {asked} noticed; not: {' '.join(missed)}")
    print("\n" + "\n".join(lines))
    if "CORRUPTIONS_TABLE" in os.environ:
        with open(os.environ["CORRUPTIONS_TABLE"], "w", encoding="utf-8") as table:
            table.write("\n".join(lines) + "\n")
