"""The world of test_lab.py: good zones of every kind on five kinds of servers, and zones and answers that are broken in
one way each. How they are broken stands here; what is to be said of them stands in tests/golden/trace/WAYS."""
import dataclasses
import json
import pathlib
import sys
import time

import dns.dnssec
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lab_records import DAY, KSK, REVOKE, ZSK, Key, Records, keys_with_one_tag
from world_support import Authority, World

TESTS = pathlib.Path(__file__).resolve().parent
ADDRESSES = "www A 192.0.2.1\n"
RECORDS = ADDRESSES + """*.w A 192.0.2.2
a.ent A 192.0.2.3
d DNAME to
host.to A 192.0.2.4
alias CNAME www
"""


@dataclasses.dataclass
class Way:
    """One way to be broken, or to be odd and right."""
    name: str
    question: tuple            # name, type
    resolver: object = None    # only through this one, which lies
    fast: bool = True          # False: somebody is waited for


class Liars(Authority):
    """Stands before another server; lies for each zone as it is told."""

    def __init__(self, world, name, address, behind):
        super().__init__(world, "liars", name, address)
        self.behind, self.lies = behind, {}

    def zones(self):
        return []

    def start(self):
        settings = self.path / "lies.json"
        settings.write_text(json.dumps([{"listen": self.address, "upstream": self.behind.address, "lies": self.lies}]))
        self.launch_inside(sys.executable, TESTS / "lab_liar.py", settings)

    @property
    def at(self):
        return f"@{self.address}"


class Behind(Authority):
    """A server that only the liars know."""

    def __init__(self, world, kind, name, address):
        super().__init__(world, kind, name, address)
        self.liars = []

    def zones(self):
        return [(zone.name, self.own.get(zone.name, zone.file)) for zone in self.world.zones.values()
                if any(liar in zone.servers for liar in self.liars)]


class Lab(World):
    def __init__(self, path):
        super().__init__(path)
        self.ways = []
        self.kept = {}  # by zone: what making it left for others

    def __enter__(self):
        super().__enter__()
        # Not of 127/8, where resolvers do not look for servers.
        self.top, self.second, self.nsd, self.kenterd, self.pdns = [
            self.server(kind, address=f"10.53.1.{number}")
            for number, kind in enumerate(("knot", "bind", "nsd", "kenter", "pdns"), 1)]
        self.behind = Behind(self, "nsd", "behind", "10.53.2.1")
        self.liar = Liars(self, "liar", "10.53.2.2", self.behind)
        self.behind.liars.append(self.liar)
        for server in (self.behind, self.liar):
            self.inside.address(server.address)
            self.servers.append(server)
        return self

    def populate(self):
        """Every zone, every way."""
        self.zone(".", [self.top, self.second])
        self.zone("test.", [self.top, self.kenterd], sign=["--allow-errors"])
        good(self)
        for make in (times, signatures, delegations, keys, denials, lies, servers, aliases, questions):
            make(self)

    # Making ways.

    def ask(self, name, question=None, rdtype="A", **more):
        self.ways.append(Way(name, (question or f"www.{name}.test.", rdtype), **more))

    def way(self, name, edit=None, question=None, rdtype="A", server=None, text=RECORDS, **more):
        """A zone of that name below test., made wrong by `edit`, a function of its records; `question` is relative
        to it."""
        zone = self.zone(f"{name}.test.", server or [self.nsd], text, **more)
        if edit is not None:
            zone.edit = lambda lines: self.edited(zone, lines, edit)
        self.ask(name, f"{question or 'www'}.{name}.test.", rdtype)
        return zone

    def edited(self, zone, lines, edit):
        records = Records(zone, lines)
        left = edit(records)
        if left is not None:
            self.kept[zone.name] = left
        return records.lines()

    def lie(self, name, lie, question=None, rdtype="A", text=RECORDS, **more):
        zone = self.zone(f"{name}.test.", [self.liar], text, **more)
        self.liar.lies[zone.name] = lie
        self.ask(name, f"{question or 'www'}.{name}.test.", rdtype)
        return zone

    def false_resolver(self, name, lie, question, rdtype="A", fast=True):
        liar = Liars(self, f"resolver-{name}", f"10.53.3.{len(self.ways) % 250 + 1}", self.honest)
        liar.lies["."] = lie
        self.inside.address(liar.address)
        self.servers.append(liar)
        liar.start()
        self.ways.append(Way(name, (question, rdtype), liar, fast))


def good(lab):
    """Nothing is wrong with these."""
    everywhere = {"good": lab.nsd, "good-knot": lab.top, "good-bind": lab.second, "good-kenter": lab.kenterd,
                  "good-pdns": lab.pdns}
    for name, server in everywhere.items():
        lab.zone(f"{name}.test.", [server], RECORDS + "away CNAME www.good3.test.\n")
        lab.zone(f"{name}3.test.", [server], RECORDS, sign=["--nsec3"])
        for suffix in ("", "3"):
            zone = f"{name}{suffix}.test."
            lab.ask(f"{name}{suffix}", f"www.{zone}")
            lab.ask(f"{name}{suffix}-nodata", f"www.{zone}", "MX")
            lab.ask(f"{name}{suffix}-nxdomain", f"none.{zone}")
            lab.ask(f"{name}{suffix}-wildcard", f"x.y.w.{zone}")
            lab.ask(f"{name}{suffix}-wildcard-nodata", f"x.y.w.{zone}", "MX")
            lab.ask(f"{name}{suffix}-ent", f"ent.{zone}")
            lab.ask(f"{name}{suffix}-dname", f"host.d.{zone}")
    for number, name in ((8, "RSASHA256"), (10, "RSASHA512"), (13, "ECDSAP256SHA256"), (14, "ECDSAP384SHA384"),
                         (15, "ED25519"), (16, "ED448")):
        lab.way(f"alg{number}", sign=["--algorithm", name], text=ADDRESSES)
    lab.way("two-keys", text=ADDRESSES, policy="keys: {csk: false}\n", server=[lab.pdns])
    lab.way("salted", text=ADDRESSES, policy='denial: {type: nsec3, iterations: 5, salt: "beef"}\n', question="none")
    lab.way("unsigned", text=ADDRESSES, signed=False, server=[lab.pdns])
    lab.zone("optout.test.", [lab.second], ADDRESSES, sign=["--nsec3", "--opt-out"])
    lab.zone("plain.optout.test.", [lab.nsd], ADDRESSES, signed=False)
    lab.zone("signed.optout.test.", [lab.nsd], ADDRESSES)
    lab.ask("optout-plain", "www.plain.optout.test.")
    lab.ask("optout-signed", "www.signed.optout.test.")
    lab.ask("optout-ds", "plain.optout.test.", "DS")
    lab.ask("optout-nxdomain", "none.optout.test.")
    lab.zone("island.unsigned.test.", [lab.nsd], ADDRESSES)
    lab.ask("island", "www.island.unsigned.test.")


def times(lab):
    def resign(**fields):
        return lambda records: records.sign("www", "A", **{name: int(time.time()) + value if name != "ttl" else value
                                                           for name, value in fields.items()})
    lab.way("expired", at="now-40d")
    lab.way("expired-set", resign(inception=-20 * DAY, expiration=-2 * DAY))
    lab.way("future", lambda records: records.sign_all(records.key, True, inception=int(time.time()) + 5 * DAY))
    lab.way("future-set", resign(inception=5 * DAY, expiration=9 * DAY))
    lab.way("inverted", resign(inception=2 * DAY, expiration=-2 * DAY))
    lab.way("expired-nsec", lambda records: records.sign("www", "NSEC", inception=int(time.time()) - 9 * DAY,
                                                         expiration=int(time.time()) - DAY), rdtype="MX")
    lab.way("expired-dnskey", lambda records: records.sign("@", "DNSKEY", inception=int(time.time()) - 9 * DAY,
                                                           expiration=int(time.time()) - DAY))

    def late(records):
        for item in records.of("www", "A") + records.of("www", "RRSIG", "A"):
            item[1] = 86400
        records.sign("www", "A", expiration=int(time.time()) + 3600)
    lab.way("ttl-beyond-expiry", late)

    def raised(records):
        for item in records.of("www", "A") + records.of("www", "RRSIG", "A"):
            item[1] = 86400
    lab.way("ttl-raised", raised)


def signatures(lab):
    def change(**fields):
        return lambda records: records.change("www", "RRSIG", "A", **fields)
    lab.way("key-unpublished", lambda records: records.sign("www", "A", Key(flags=ZSK)))
    lab.way("zone-by-unpublished-key", lambda records: records.sign_all(Key(flags=ZSK)))
    lab.way("rdata-altered", lambda records: records.change("www", "A", address="192.0.2.99"))
    lab.way("signature-altered", change(signature=lambda old: bytes([old[0] ^ 1]) + old[1:]))
    lab.way("signature-short", change(signature=lambda old: old[:20]))
    lab.way("unsigned-set", lambda records: records.remove("www", "RRSIG", "A"))
    lab.way("unsigned-zone", lambda records: records.remove_all("RRSIG", "NSEC"))
    lab.way("unsigned-soa", lambda records: records.remove("@", "RRSIG", "SOA"), question="none")
    lab.way("unsigned-nsec", lambda records: records.remove("www", "RRSIG", "NSEC"), rdtype="MX")
    lab.way("signer-parent", change(signer=dns.name.from_text("test.")))
    lab.way("signer-child", change(signer=dns.name.from_text("www.signer-child.test.")))
    lab.way("signer-other", change(signer=dns.name.from_text("good.test.")))
    lab.way("labels-many", change(labels=7))
    lab.way("labels-few", lambda records: records.sign("www", "A", labels=2))
    lab.way("original-ttl", change(original_ttl=299))
    lab.way("covers-other", lambda records: (records.remove("www", "RRSIG", "A"), records.add(
        "www", records.of("www", "RRSIG", "NSEC")[0][2].replace(type_covered=dns.rdatatype.A)))[0])
    lab.way("algorithm-field", change(algorithm=8))
    lab.way("tag-field", change(key_tag=lambda old: old ^ 1))
    lab.way("one-bad-one-good", lambda records: (records.change(
        "www", "RRSIG", "A", signature=lambda old: bytes([old[0] ^ 1]) + old[1:]),
        records.sign("www", "A", keep=True))[0])


def delegations(lab):
    def field(number, function):
        def changed(true):
            return [" ".join(function(part) if index == number else part for index, part in enumerate(ds.split()))
                    for ds in true]
        return changed
    lab.way("ds-digest", ds=field(3, lambda old: ("0" if old[0] != "0" else "1") + old[1:]))
    lab.way("ds-tag", ds=field(0, lambda old: str((int(old) + 1) % 65536)))
    lab.way("ds-algorithm", ds=field(1, lambda old: "8"))
    lab.way("ds-unknown-algorithm", ds=field(1, lambda old: "200"))
    lab.way("ds-unknown-digest", ds=field(2, lambda old: "99"))
    lab.way("ds-one-wrong", ds=lambda true: [*field(3, lambda old: "0" * len(old))(true), *true])
    lab.way("ds-other-zone", ds=lambda _: [Key().ds("other.test.")])

    def sha1(records):
        return records.key.ds(records.origin, "SHA1"), records.key.ds(records.origin, "SHA256")
    lab.way("ds-sha1", sha1, ds=lambda _: [lab.kept["ds-sha1.test."][0]])
    lab.way("ds-sha1-beside", sha1, ds=lambda _: [lab.kept["ds-sha1-beside.test."][0], Key().ds("x.")])
    lab.way("ds-left-behind", signed=False, ds=lambda _: [Key().ds("ds-left-behind.test.")])
    lab.way("old-ksk-removed", ds=lambda _: [Key().ds("old-ksk-removed.test.")], policy="keys: {csk: false}\n")
    # The parent has no DS though the zone is signed: right, and insecure.
    lab.way("ds-not-yet", ds=[])


def keys(lab):
    lab.way("no-dnskey", lambda records: (records.remove("@", "DNSKEY"), records.remove("@", "RRSIG", "DNSKEY"))[0])
    lab.way("dnskey-unsigned", lambda records: records.remove("@", "RRSIG", "DNSKEY"))

    def zsk_signs(records):
        zsk = Key(flags=ZSK)
        records.keyset(records.key, zsk, signers=[zsk])
    lab.way("dnskey-by-zsk", zsk_signs)

    def dnskey_altered(records):
        records.add("@", Key(flags=ZSK).dnskey, records.of("@", "DNSKEY")[0][1])
    lab.way("dnskey-added", dnskey_altered)

    def revoked(records):
        key = Key(records.key.private, KSK | REVOKE)
        records.keyset(key)
        records.sign_all(key)
        return key.ds(records.origin)
    lab.way("revoked", revoked)
    lab.way("revoked-ds", revoked, ds=lambda _: [lab.kept["revoked-ds.test."]])

    def unfit(flags, protocol):
        def edit(records):
            key = Key(flags=flags, protocol=protocol)
            records.keyset(records.key, key)
            records.sign("www", "A", key)
        return edit
    lab.way("no-zone-flag", unfit(0, 3))
    lab.way("bad-protocol", unfit(ZSK, 4))

    def tag_of_three(records):
        """Three signers sign with keys that have one tag; one of them is published."""
        three = keys_with_one_tag(3)
        records.keyset(records.key, three[0])
        for key, owner in zip(three, ("*.w", "www", "a.ent")):
            records.sign(owner, "A", key)
    lab.way("three-keys-one-tag", tag_of_three)

    def collision(records):
        """Two published keys with one tag: right, and a trap for who tries one only."""
        two = keys_with_one_tag(2)
        records.keyset(records.key, *two)
        records.sign_all(two[1])
    lab.way("key-collision", collision)

    def collision_signed_wrong(records):
        """The signatures are by a new key, the set has the old one of the same tag."""
        old, new = keys_with_one_tag(2)
        records.keyset(records.key, old)
        records.sign_all(new)
    lab.way("key-collision-unpublished", collision_signed_wrong)

    def half_signed(records):
        """An algorithm of the keys that signs nothing, which validators must take (RFC 6840 section 5.11)."""
        other = dns.rdata.from_text(dns.rdataclass.IN, "DNSKEY",
                                    "257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=")
        records.add("@", other, records.of("@", "DNSKEY")[0][1])
        records.sign("@", "DNSKEY")
        return dns.dnssec.make_ds(records.origin, other, "SHA256").to_text()
    lab.way("algorithm-unsigned", half_signed, ds=lambda true: [*true, lab.kept["algorithm-unsigned.test."]])


def denials(lab):
    def nsec(owner, text):
        def edit(records):
            records.put(owner, "NSEC", text)
            records.sign(owner, "NSEC")
        return edit
    lab.way("nsec-missing", lambda records: (records.remove("host.to", "NSEC"),
                                             records.remove("host.to", "RRSIG", "NSEC"))[0], question="k.to")
    lab.way("nsec-bitmap", nsec("www", "nsec-bitmap.test. A MX RRSIG NSEC"), rdtype="MX")
    lab.way("nsec-bitmap-cname", nsec("www", "nsec-bitmap-cname.test. CNAME RRSIG NSEC"), rdtype="MX")
    lab.way("nsec-gap", nsec("host.to", "k.to A RRSIG NSEC"), question="z.to")
    lab.way("nsec-skips-ent", nsec("d", "ns3.nic DNAME RRSIG NSEC"), question="ent")
    lab.way("wildcard-bitmap", nsec("*.w", "www RRSIG NSEC"), question="x.w", rdtype="AAAA")
    lab.way("nsec3-iterations", policy="denial: {type: nsec3, iterations: 500}\n", question="none")
    lab.way("nsec3-param-only", lambda records: records.remove_all("NSEC3"), question="none", sign=["--nsec3"])

    def nsec3_unknown(records):
        for item in records.items:
            if item[2].rdtype == dns.rdatatype.NSEC3:
                item[2] = item[2].replace(algorithm=2)
        for item in [item for item in records.items if item[2].rdtype == dns.rdatatype.NSEC3]:
            records.sign(item[0].relativize(records.origin).to_text(), "NSEC3")
    lab.lie("nsec3-no-encloser", "no_encloser", question="none", sign=["--nsec3"])
    lab.lie("nsec3-no-next-closer", "no_next_closer", question="nothing", sign=["--nsec3"])
    lab.lie("nsec3-no-wildcard", "no_wildcard", question="nowhere.ent", sign=["--nsec3"])
    lab.way("nsec3-algorithm", nsec3_unknown, question="none", sign=["--nsec3"], server=[lab.second])
    lab.lie("nsec-no-wildcard", "no_nsec_wildcard", question="zz")
    lab.lie("wildcard-unproved", "no_proofs", question="x.w")
    lab.lie("wildcard-unproved3", "no_proofs", question="x.w", sign=["--nsec3"])
    lab.lie("ent-nxdomain", "ent_nxdomain", question="ent")
    zone = lab.zone("compact.test.", [lab.liar], RECORDS)
    lab.liar.lies["compact.test."] = f"compact {zone.keys}"
    lab.ask("compact", "none.compact.test.")


def lies(lab):
    """Servers of a zone, or somebody before them, who alter answers."""
    lab.lie("nxdomain-unproved", "nxdomain")
    lab.lie("nodata-unproved", "nodata")
    lab.lie("nxdomain-other-proof", "other_proof")
    lab.lie("nodata-contradicted", "contradicting_proof")
    lab.lie("record-injected", "inject")
    lab.lie("alias-injected", "unsigned_alias", text=RECORDS + "other A 192.0.2.66\n")
    lab.lie("stripped-by-server", "strip_all")
    parent = lab.zone("ends.test.", [lab.liar], "www A 192.0.2.1")
    lab.zone("plain.ends.test.", [lab.nsd], ADDRESSES, signed=False)
    lab.liar.lies[parent.name] = "no_ds_proof"
    lab.ask("parent-stripped", "www.plain.ends.test.")
    for name, lie, options in (("ds-vanished", "no_ds", []), ("ds-vanished-optout", "no_ds", ["--nsec3", "--opt-out"]),
                               ("ds-vanished-unproved", "no_ds_unproved", [])):
        parent = lab.zone(f"{name}.test.", [lab.liar], "www A 192.0.2.1\nzz A 192.0.2.1\n", sign=options)
        lab.zone(f"child.{name}.test.", [lab.nsd], ADDRESSES, edit=lambda lines: [
            line for line in lines if "\tRRSIG\tA" not in line])
        lab.liar.lies[parent.name] = lie
        lab.ask(name, f"www.child.{name}.test.")


def servers(lab):
    refused = lab.zone("lame.test.", [lab.liar], ADDRESSES)
    lab.liar.lies[refused.name] = "refuse"
    lab.ask("lame", "www.lame.test.")
    failing = lab.zone("failing.test.", [lab.liar], ADDRESSES)
    lab.liar.lies[failing.name] = "fail"
    lab.ask("failing", "www.failing.test.")
    half = lab.zone("half-lame.test.", [lab.liar, lab.nsd], ADDRESSES)
    lab.liar.lies[half.name] = "refuse"
    lab.ask("half-lame", "www.half-lame.test.")


def aliases(lab):
    lab.way("alias-to-bogus", text="www CNAME www.expired.test.\n")
    lab.way("alias-to-insecure", text="www CNAME www.unsigned.test.\n")
    lab.way("alias-to-nothing", text="www CNAME none.good3.test.\n")
    lab.way("alias-over-zones", text="www CNAME away.good-bind.test.\n")
    lab.way("alias-loop", text="www CNAME www2\nwww2 CNAME www\n", sign=["--allow-errors"])
    lab.way("alias-unsigned", lambda records: records.remove("www", "RRSIG", "CNAME"),
            text="www CNAME www.good.test.\n")
    lab.lie("dname-alone", "no_cname", question="host.d")
    lab.way("dname-unsigned", lambda records: records.remove("d", "RRSIG", "DNAME"), question="host.d")


def questions(lab):
    """Right, but odd."""
    lab.ask("any", "www.good.test.", "ANY")
    lab.ask("any-apex", "good.test.", "ANY")
    lab.ask("ds", "good.test.", "DS")
    lab.ask("ds-root", ".", "DS")
    lab.ask("ds-unsigned", "unsigned.test.", "DS")
    lab.ask("ds-inside", "www.good.test.", "DS")
    lab.ask("dnskey", "good.test.", "DNSKEY")
    lab.ask("nsec", "www.good.test.", "NSEC")
    lab.ask("nsec3param", "good3.test.", "NSEC3PARAM")
    lab.ask("rrsig", "www.good.test.", "RRSIG")
    lab.ask("unknown-type", "www.good.test.", "TYPE65280")


def false_resolvers(lab):
    """Resolvers that lie; what they are asked for is good."""
    lab.honest = lab.unbound_forwarder
    lab.false_resolver("resolver-strips", "strip_all", "www.good.test.")
    lab.false_resolver("resolver-lies-ad", "lie_ad", "www.good.test.")
    lab.false_resolver("resolver-lies-ad-stripped", "lie_ad_stripped", "www.good.test.")
    lab.false_resolver("resolver-lies-insecure", "lie_ad", "www.unsigned.test.")
    lab.false_resolver("resolver-advertises", "advertise", "none.good.test.")
    lab.false_resolver("resolver-child-ds", "child_ds", "www.good.test.")
    lab.false_resolver("resolver-no-ds", "no_ds_unproved", "www.good.test.")
    lab.false_resolver("resolver-alters-dname", "dname_target", "host.d.good.test.")
    lab.false_resolver("resolver-refuses", "refuse", "www.good.test.")
    lab.false_resolver("resolver-garbage", "garbage", "www.good.test.", fast=False)
    lab.false_resolver("resolver-other-question", "other_question", "www.good.test.", fast=False)
    lab.false_resolver("resolver-other-id", "other_id", "www.good.test.", fast=False)
    lab.false_resolver("resolver-truncates", "truncated", "www.good.test.")
    lab.false_resolver("resolver-silent", "silent", "www.good.test.", fast=False)
