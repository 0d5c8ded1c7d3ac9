"""Answers from an image, without sockets: the responses of RFC 4035 appendix B and RFC 5155 appendix B,
and thousands of random questions over random zones, each compared with a naive model of the zone, each
denial and signature judged by checks that share nothing with Kenter.

KENTER names the command; KENTER_ANSWER the tool that answers (tests/tools/answer); KENTER_QUESTIONS how
many questions each zone gets."""

import functools
import os
import pathlib
import random
import subprocess

import dns.dnssec
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest

from test_sign_matrix import random_zone

ROOT = pathlib.Path(__file__).parents[2]
KENTER = os.environ.get("KENTER", str(ROOT / "build" / "kenter"))
ANSWER = os.environ.get("KENTER_ANSWER", str(pathlib.Path(KENTER).parent / "tests/tools/answer"))
QUESTIONS = int(os.environ.get("KENTER_QUESTIONS", "400"))
GOLDEN = ROOT / "tests" / "golden"
T = dns.rdatatype
N = dns.name.from_text


class Server:
    """One run of the tool."""

    def __init__(self, directory, zones, *options):
        image = directory / f"image{random.getrandbits(40)}"
        self.process = subprocess.Popen(
            [ANSWER, *options, str(image), *[f"{name}={path}" for name, path in zones.items()]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def raw(self, wire):
        self.process.stdin.write(wire.hex() + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        assert line, "the tool has died"
        return None if line == "-" else bytes.fromhex(line)

    def ask(self, name, kind, dnssec=True, payload=4096, **options):
        query = dns.message.make_query(name, kind, use_edns=0 if dnssec else -1, want_dnssec=dnssec,
                                       payload=payload, **options)
        query.flags &= ~dns.flags.RD
        wire = self.raw(query.to_wire())
        response = dns.message.from_wire(wire)
        assert response.id == query.id and response.flags & dns.flags.QR
        assert query.question == response.question
        return response

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def server(tmp_path):
    servers = []

    def start(zones, *options):
        servers.append(Server(tmp_path, zones, *options))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def shape(section):
    """What is in a section: owner, type and number of records."""
    return sorted((str(r.name).lower(), T.to_text(r.rdtype) + ("/" + T.to_text(r.covers) if r.covers else ""),
                   len(r)) for r in section)


def both(*rows):
    """Rows, each with one signature."""
    out = []
    for owner, kind, count in rows:
        out += [(owner, kind, count), (owner, "RRSIG/" + kind, 1)]
    return sorted(out)


SOA = ("example.", "SOA", 1)
# RFC 4035 appendix B; NS and addresses that it adds without need are left out.
RFC4035 = {
    "B.1": ("x.w.example.", "MX", 0, True, both(("x.w.example.", "MX", 1)), [],
            both(("xx.example.", "A", 1), ("xx.example.", "AAAA", 1))),
    "B.2": ("ml.example.", "A", 3, True, [],
            both(SOA, ("b.example.", "NSEC", 1), ("example.", "NSEC", 1)), []),
    "B.3": ("ns1.example.", "MX", 0, True, [], both(SOA, ("ns1.example.", "NSEC", 1)), []),
    "B.4": ("mc.a.example.", "MX", 0, False, [],
            sorted([("a.example.", "NS", 2)] + both(("a.example.", "DS", 1))),
            [("ns1.a.example.", "A", 1), ("ns2.a.example.", "A", 1)]),
    "B.5": ("mc.b.example.", "MX", 0, False, [],
            sorted([("b.example.", "NS", 2)] + both(("b.example.", "NSEC", 1))),
            [("ns1.b.example.", "A", 1), ("ns2.b.example.", "A", 1)]),
    "B.6": ("a.z.w.example.", "MX", 0, True, both(("a.z.w.example.", "MX", 1)),
            both(("x.y.w.example.", "NSEC", 1)),
            both(("ai.example.", "A", 1), ("ai.example.", "AAAA", 1))),
    "B.7": ("a.z.w.example.", "AAAA", 0, True, [],
            both(SOA, ("x.y.w.example.", "NSEC", 1), ("*.w.example.", "NSEC", 1)), []),
    "B.8": ("example.", "DS", 0, True, [], both(SOA, ("example.", "NSEC", 1)), []),
}
# RFC 5155 appendix B.
RFC5155 = {
    "B.1": ("a.c.x.w.example.", "A", 3, True, [],
            both(SOA, ("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.", "NSEC3", 1),
                 ("b4um86eghhds6nea196smvmlo4ors995.example.", "NSEC3", 1),
                 ("35mthgpgcu1qg68fab165klnsnk3dpvl.example.", "NSEC3", 1)), []),
    "B.2": ("ns1.example.", "MX", 0, True, [],
            both(SOA, ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.", "NSEC3", 1)), []),
    "B.2.1": ("y.w.example.", "A", 0, True, [],
              both(SOA, ("ji6neoaepv8b5o6k4ev33abha8ht9fgc.example.", "NSEC3", 1)), []),
    "B.3": ("mc.c.example.", "MX", 0, False, [],
            sorted([("c.example.", "NS", 2)] +
                   both(("35mthgpgcu1qg68fab165klnsnk3dpvl.example.", "NSEC3", 1),
                        ("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.", "NSEC3", 1))),
            [("ns1.c.example.", "A", 1), ("ns2.c.example.", "A", 1)]),
    "B.4": ("a.z.w.example.", "MX", 0, True, both(("a.z.w.example.", "MX", 1)),
            both(("q04jkcevqvmu85r014c7dkba38o0ji5r.example.", "NSEC3", 1)),
            both(("ai.example.", "A", 1), ("ai.example.", "AAAA", 1))),
    "B.5": ("a.z.w.example.", "AAAA", 0, True, [],
            both(SOA, ("k8udemvp1j2f7eg6jebps17vp3n8i58h.example.", "NSEC3", 1),
                 ("q04jkcevqvmu85r014c7dkba38o0ji5r.example.", "NSEC3", 1),
                 ("r53bq7cc2uvmubfu5ocmm6pers9tk9en.example.", "NSEC3", 1)), []),
    "B.6": ("example.", "DS", 0, True, [],
            both(SOA, ("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.", "NSEC3", 1)), []),
}


@pytest.mark.parametrize("rfc,case", [("rfc4035-a", c) for c in RFC4035] + [("rfc5155-a-part", c) for c in RFC5155])
def test_rfc_examples(tmp_path, server, rfc, case):
    name, kind, rcode, aa, answer, authority, additional = (RFC4035 if "4035" in rfc else RFC5155)[case]
    text = (GOLDEN / f"{rfc}.zone").read_text()
    if "5155" in rfc:
        # Names of appendix A that the part leaves out, and on which the answers depend.
        text += "x.w.example. 3600 IN MX 1 xx.example.\nx.y.w.example. 3600 IN MX 1 xx.example.\n"
    (tmp_path / "zone").write_text(text)
    response = server({"example.": tmp_path / "zone"}).ask(name, kind)
    assert response.rcode() == rcode
    assert bool(response.flags & dns.flags.AA) == aa
    assert shape(response.answer) == answer
    assert shape(response.authority) == authority
    assert shape(response.additional) == additional


# --- a naive model ---

class Model:
    """What the zones say, read by dnspython from what was not signed."""

    def __init__(self, texts):
        self.zones = {}
        for origin, text in texts.items():
            zone = dns.zone.from_text(text, origin=N(origin), relativize=False, check_origin=False)
            self.zones[N(origin)] = {
                name: {r.rdtype: r for r in node.rdatasets} for name, node in zone.nodes.items()}
        self.existing = {}
        for origin, nodes in self.zones.items():
            names = set()
            for name in nodes:
                while name not in names:
                    names.add(name)
                    if name == origin:
                        break
                    name = name.parent()
            self.existing[origin] = names

    def zone_of(self, name, kind):
        found = [o for o in self.zones if name.is_subdomain(o)]
        found.sort(key=len)
        if not found:
            return None
        if kind == T.DS and found[-1] == name and len(found) > 1:
            return found[-2]
        return found[-1]

    def resolve(self, name, kind):
        """Steps that the answer consists of: each a tuple that starts with what it is."""
        steps, seen = [], set()
        while len(steps) <= 13:
            origin = self.zone_of(name, kind)
            if origin is None:
                steps.append(("outside", None, name))
                return steps
            step, target = self.look(origin, name, kind)
            if target is not None and step in seen:
                return steps
            seen.add(step)
            steps.append(step)
            if target is None:
                return steps
            name = target
        return steps[:13]

    def look(self, origin, name, kind):
        nodes, existing = self.zones[origin], self.existing[origin]
        ancestors = [dns.name.Name(name.labels[i:]) for i in range(len(name) - len(origin), -1, -1)]
        for a in ancestors:
            node = nodes.get(a, {})
            if a != origin and T.NS in node and not (a == name and kind == T.DS):
                return ("referral", origin, name, a), None
            if a != origin and T.NS in node:
                break
            if T.DNAME in node and a != name:
                target = node[T.DNAME][0].target
                new = name.relativize(a).labels + target.labels
                try:
                    new = dns.name.Name(new)
                except dns.name.NameTooLong:
                    return ("toolong", origin, name, a), None
                return ("dname", origin, name, a), new if kind not in (T.CNAME, T.ANY) else None
        if name in nodes:
            return self.at(origin, name, name, kind)
        if name in existing:
            return ("nodata", origin, name, None), None
        encloser = name
        while encloser not in existing:
            encloser = encloser.parent()
        try:
            wildcard = N("*", origin=encloser)
        except dns.name.NameTooLong:
            return ("nxdomain", origin, name, encloser), None
        if wildcard in nodes:
            return self.at(origin, name, wildcard, kind)
        if wildcard in existing:
            return ("nodata", origin, name, wildcard), None
        return ("nxdomain", origin, name, encloser), None

    def at(self, origin, name, source, kind):
        node = self.zones[origin][source]
        if kind in node or kind == T.ANY:
            return ("answer", origin, name, source), None
        if T.CNAME in node:
            return ("cname", origin, name, source), node[T.CNAME][0].target
        return ("nodata", origin, name, source if source != name else None), None


# --- judging proofs ---

def labels_key(name):
    return [label.lower() for label in reversed(name.labels)]


class Proofs:
    def __init__(self, response, origin, params):
        self.origin = origin
        self.params = params
        self.nsec, self.nsec3 = {}, {}
        for rrset in response.authority:
            if rrset.rdtype == T.NSEC:
                self.nsec[rrset.name] = rrset[0]
            elif rrset.rdtype == T.NSEC3:
                self.nsec3[rrset.name.labels[0].lower().decode()] = rrset[0]

    @staticmethod
    def has(record, kind):
        for window, bits in record.windows:
            if window == kind >> 8 and (kind & 255) // 8 < len(bits):
                return bool(bits[(kind & 255) // 8] & 0x80 >> (kind & 7))
        return False

    # NSEC

    def nsec_cover(self, name):
        for owner, record in self.nsec.items():
            if not owner.is_subdomain(self.origin):
                continue
            a, b, n = labels_key(owner), labels_key(record.next), labels_key(name)
            if (a < n < b) or (record.next == self.origin and a < n):
                below = name.is_subdomain(owner)
                assert not (below and (self.has(record, T.DNAME) or (
                    self.has(record, T.NS) and not self.has(record, T.SOA)))), "NSEC of an ancestor's cut"
                return owner, record
        return None

    def nsec_encloser(self, name, cover):
        owner, record = cover
        shared = max(name.fullcompare(owner)[2], name.fullcompare(record.next)[2])
        return dns.name.Name(name.labels[len(name) - shared:])

    # NSEC3

    @functools.lru_cache(maxsize=None)
    def hash(self, name):
        return dns.dnssec.nsec3_hash(name, self.params.salt, self.params.iterations, 1).lower()

    def match(self, name):
        return self.nsec3.get(self.hash(name))

    def cover(self, name):
        wanted = self.hash(name)
        for owner, record in self.nsec3.items():
            after = next_hash(record)
            if owner < wanted < after or (after <= owner and (wanted > owner or wanted < after)):
                return record
        return None

    def encloser3(self, name):
        """The closest encloser that is proved, and the record that covers the next closer name."""
        closer = name
        at = name
        while at != self.origin:
            closer, at = at, at.parent()
            if self.match(at) is not None:
                return at, self.cover(closer)
        return None, None

    # what is to be proved

    def no_type(self, record, kind):
        return not self.has(record, kind) and (not self.has(record, T.CNAME))

    def check_nxdomain(self, name, real):
        if self.params is None:
            cover = self.nsec_cover(name)
            assert cover and not cover[1].next.is_subdomain(name)
            encloser = self.nsec_encloser(name, cover)
            assert self.nsec_cover(N("*", origin=encloser))
        else:
            encloser, cover = self.encloser3(name)
            assert cover is not None
            wildcard = N("*", origin=encloser)
            if encloser != real and cover.flags & 1 and self.match(wildcard) is not None:
                # With opt-out, an empty name above nothing but insecure delegations hides the true
                # encloser, and a wildcard further up cannot be denied. No server can prove this.
                return
            assert self.cover(wildcard) is not None

    def check_nodata(self, name, kind):
        if self.params is None:
            record = self.nsec.get(name)
            if record is not None:
                assert self.no_type(record, kind)
            else:
                cover = self.nsec_cover(name)
                assert cover and cover[1].next.is_subdomain(name)
        elif self.match(name) is not None:
            assert self.no_type(self.match(name), kind)
        else:
            encloser, cover = self.encloser3(name)
            assert cover is not None and cover.flags & 1

    def check_wildcard_nodata(self, name, wildcard, kind):
        if self.params is None:
            cover = self.nsec_cover(name)
            assert cover and not cover[1].next.is_subdomain(name)
            assert N("*", origin=self.nsec_encloser(name, cover)) == wildcard
            self.check_nodata(wildcard, kind)
        else:
            encloser, cover = self.encloser3(name)
            assert cover is not None
            if self.match(wildcard) is None:
                # A wildcard that is only there for insecure delegations below it, with opt-out.
                assert self.cover(N("*", origin=encloser)).flags & 1
            else:
                assert N("*", origin=encloser) == wildcard
                assert self.no_type(self.match(wildcard), kind)

    def check_expanded(self, name, wildcard):
        closer = dns.name.Name(name.labels[len(name) - len(wildcard):])
        if self.params is None:
            cover = self.nsec_cover(name)
            assert cover and not cover[1].next.is_subdomain(name)
            assert N("*", origin=self.nsec_encloser(name, cover)) == wildcard
        else:
            assert self.cover(closer) is not None

    def check_insecure(self, cut):
        if self.params is None:
            record = self.nsec[cut]
        else:
            record = self.match(cut)
            if record is None:
                encloser, cover = self.encloser3(cut)
                assert cover is not None and cover.flags & 1
                return
        assert self.has(record, T.NS) and not self.has(record, T.DS) and not self.has(record, T.SOA)


def next_hash(record):
    import base64
    text = base64.b32encode(record.next).decode()
    return text.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                                        "0123456789abcdefghijklmnopqrstuv"))


VERIFIED = {}


def check_signature(rrset, rrsig, keys):
    text = (rrset.to_text(), rrsig.to_text())
    if text not in VERIFIED:
        dns.dnssec.validate(rrset, rrsig, keys)
        VERIFIED[text] = True


def check_signed(response, origin, keys, skip):
    """Every RRset that the zone owns is signed; `skip`: owners and types that are not."""
    for section in (response.answer, response.authority):
        rrsigs = {(r.name, r.covers): r for r in section if r.rdtype == T.RRSIG}
        for rrset in section:
            if rrset.rdtype == T.RRSIG or (rrset.name, rrset.rdtype) in skip:
                continue
            if not rrset.name.is_subdomain(origin):
                continue
            rrsig = rrsigs.get((rrset.name, rrset.rdtype))
            assert rrsig is not None, f"{rrset.name} {T.to_text(rrset.rdtype)} is not signed"
            assert rrsig.ttl == rrset.ttl
            check_signature(rrset, rrsig, keys)


# --- comparing ---

def sets(section):
    return {(r.name, r.rdtype): {d.to_text() for d in r} for r in section if r.rdtype != T.RRSIG}


def check(model, response, name, kind, secured):
    """`secured`: (origin, keys, NSEC3 parameters or None) of the signed zone, or None."""
    steps = model.resolve(name, kind)
    first, last = steps[0], steps[-1]
    if first[0] == "outside":
        assert response.rcode() == dns.rcode.REFUSED
        assert not response.answer and not response.authority
        return
    expected, skip, authority = {}, set(), {}
    for step in steps:
        what, origin, owner = step[:3]
        if what in ("answer", "cname"):
            node = model.zones[origin][step[3]]
            wanted = T.CNAME if what == "cname" else kind
            if wanted != T.ANY:
                expected[(owner, wanted)] = {d.to_text() for d in node[wanted]}
                if T.NS in node and origin != step[3] and wanted == T.NS:
                    skip.add((owner, T.NS))
        elif what in ("dname", "toolong"):
            record = model.zones[origin][step[3]][T.DNAME]
            expected[(step[3], T.DNAME)] = {d.to_text() for d in record}
            if what == "dname":
                new = dns.name.Name(owner.relativize(step[3]).labels + record[0].target.labels)
                expected[(owner, T.CNAME)] = {new.to_text()}
                skip.add((owner, T.CNAME))
    rcode = {"nxdomain": dns.rcode.NXDOMAIN, "toolong": dns.rcode.YXDOMAIN}.get(last[0], dns.rcode.NOERROR)
    assert response.rcode() == rcode
    assert bool(response.flags & dns.flags.AA) == (first[0] != "referral")
    got = sets(response.answer)
    if kind == T.ANY and last[0] == "answer":
        more = {k: v for k, v in got.items() if k not in expected}
        assert len(more) == 1
        (owner, one), texts = more.popitem()
        node = model.zones[last[1]][last[3]]
        assert owner == last[2]
        if one in node:
            assert {d.to_text() for d in node[one]} == texts
        got = {k: v for k, v in got.items() if k in expected}
    assert {k: {t.lower() for t in v} for k, v in got.items()} == \
           {k: {t.lower() for t in v} for k, v in expected.items()}
    got = {k: v for k, v in sets(response.authority).items() if k[1] not in (T.NSEC, T.NSEC3)}
    what, origin, owner = last[:3]
    signed = secured is not None and secured[0] == origin
    if what == "referral":
        cut = model.zones[origin][last[3]]
        authority[(last[3], T.NS)] = {d.to_text() for d in cut[T.NS]}
        skip.add((last[3], T.NS))
        if T.DS in cut and signed:
            authority[(last[3], T.DS)] = {d.to_text() for d in cut[T.DS]}
        glue = sets(response.additional)
        for target in (d.target for d in cut[T.NS]):
            for family in (T.A, T.AAAA):
                there = model.zones[origin].get(target, {}).get(family)
                if there is not None and target.is_subdomain(last[3]):
                    assert glue[(target, family)] == {d.to_text() for d in there}
    elif what in ("nodata", "nxdomain"):
        assert [k for k in got] == [(origin, T.SOA)]
        authority = got
    assert {k: {t.lower() for t in v} for k, v in got.items()} == \
           {k: {t.lower() for t in v} for k, v in authority.items()}
    if secured is None:
        assert not any(r.rdtype in (T.RRSIG, T.NSEC, T.NSEC3) for r in response.authority + response.answer)
        return
    check_signed(response, secured[0], {secured[0]: secured[1]}, skip)
    proofs = Proofs(response, secured[0], secured[2])
    for step in steps:
        what, origin, owner = step[:3]
        if origin != secured[0]:
            continue
        if what in ("answer", "cname") and step[3] != owner:
            proofs.check_expanded(owner, step[3])
        elif what == "nodata" and step[3] is None:
            proofs.check_nodata(owner, kind)
        elif what == "nodata":
            proofs.check_wildcard_nodata(owner, step[3], kind)
        elif what == "nxdomain":
            proofs.check_nxdomain(owner, step[3])
        elif what == "referral" and T.DS not in model.zones[origin][step[3]]:
            proofs.check_insecure(step[3])


KINDS = ["A", "A", "A", "AAAA", "TXT", "MX", "NS", "DS", "DNAME", "CNAME", "SOA", "ANY", "TYPE65400", "SRV", "DNSKEY2"]


def random_question(dice, model, origin):
    labels = ["a", "b", "C", "*", "zz", "ns0", "mail", "\\000x", "nope", "q"]
    nodes = list(model.zones[origin])
    if dice.random() < 0.5:
        name = dice.choice(nodes)
        if dice.random() < 0.5:
            name = N(dice.choice(labels), origin=name) if len(name.to_wire()) < 200 else name
        elif dice.random() < 0.3 and name != origin:
            name = name.parent()
    else:
        name = N(".".join(dice.choice(labels) for _ in range(dice.randint(0, 5))) or "@", origin=origin)
    kind = dice.choice(KINDS[:-1])
    return name, T.from_text(kind)


HEADER = "$ORIGIN example.\n$TTL 3600\n@ SOA ns1 Hostmaster 7 7200 1800 1209600 900\n@ NS ns1\n" \
         "@ NS ns2.other.test.\nns1 A 192.0.2.1\nns1 AAAA 2001:db8::1\n"


def sign(tmp_path, path, *options):
    out = tmp_path / (path.name + ".signed")
    subprocess.run([KENTER, "sign", "-q", "--allow-errors", "--keys", str(tmp_path / "keys"), "-o", str(out),
                    "--algorithm", "ED25519", *options, str(path)], check=True, capture_output=True)
    return out


@pytest.mark.parametrize("denial", ["unsigned", "nsec", "nsec3", "optout"])
@pytest.mark.parametrize("seed", range(6))
def test_random_zones(tmp_path, server, denial, seed):
    text = random_zone(seed * 7 + 1, 60)
    if "SOA" not in text:
        text = HEADER + text
    source = tmp_path / "example.zone"
    source.write_text(text)
    options = {"nsec": [], "nsec3": ["--nsec3"], "optout": ["--nsec3", "--opt-out"]}
    path = source if denial == "unsigned" else sign(tmp_path, source, *options[denial])
    origin = N("example.")
    secured = None
    if denial == "unsigned":
        model = Model({"example.": text})
    else:
        model = Model({"example.": path.read_text()})
        nodes = model.zones[origin]
        keys = nodes[origin][T.DNSKEY]
        params = nodes[origin].get(T.NSEC3PARAM)
        secured = (origin, keys, params[0] if params else None)
        strip(model, origin)
    one = server({"example.": path}, "--tcp")
    hot = server({"example.": path}, "--udp", "--cache", "65536")
    dice = random.Random(seed)
    for i in range(QUESTIONS):
        name, kind = random_question(dice, model, origin)
        response = one.ask(name, kind, dnssec=True)
        try:
            check(model, response, name, kind, secured)
            plain = one.ask(name, kind, dnssec=False)
            check(model, plain, name, kind, None)
            # A second time it may come from the cache; and it does not differ but for what UDP has no
            # room for.
            for _ in range(3):
                again = hot.ask(name, kind, dnssec=True)
                if not again.flags & dns.flags.TC and kind != T.ANY:
                    check(model, again, name, kind, secured)
        except Exception as problem:
            raise AssertionError(f"{name} {T.to_text(kind)}: {problem!r}\n{response}\n"
                                 f"{model.resolve(name, kind)}\n{text}") from problem


def strip(model, origin):
    """Takes what signing has added out of the model, but for the keys."""
    nodes = model.zones[origin]
    for name in list(nodes):
        kinds = {k: v for k, v in nodes[name].items() if k not in (T.NSEC, T.NSEC3, T.RRSIG)}
        if kinds:
            nodes[name] = kinds
        else:
            del nodes[name]
    names = set()
    for name in nodes:
        while name not in names:
            names.add(name)
            if name == origin:
                break
            name = name.parent()
    model.existing[origin] = names


# --- several zones on one server ---

PARENT = HEADER + """\
child NS ns.child
ns.child A 192.0.2.9
child DS 1 13 2 """ + "00" * 32 + """
away NS ns.away
ns.away A 192.0.2.10
alias CNAME www.child
far CNAME www.elsewhere.test.
loop CNAME loop
loop1 CNAME loop2
loop2 CNAME loop1
d DNAME child
up DNAME up.up
*.wild CNAME ns1
"""
CHILD = """\
$ORIGIN child.example.
$TTL 300
@ SOA ns h 1 2 3 4 60
@ NS ns
ns A 192.0.2.9
www A 192.0.2.77
back CNAME ns1.example.
"""


def test_parent_and_child(tmp_path, server):
    (tmp_path / "p").write_text(PARENT)
    (tmp_path / "c").write_text(CHILD)
    model = Model({"example.": PARENT, "child.example.": CHILD})
    one = server({"example.": tmp_path / "p", "child.example.": tmp_path / "c"}, "--tcp")
    names = ["alias", "far", "loop", "loop1", "loop2", "www.d", "nope.d", "d", "child", "www.child", "back.child",
             "nope.child", "away", "x.away", "x.wild", "x.y.wild", "wild", "@", "x.up", "back.d"]
    for text in names:
        for kind in ("A", "DS", "NS", "CNAME", "DNAME", "TXT", "SOA"):
            name = N(text, origin=N("example."))
            response = one.ask(name, kind, dnssec=False)
            if text == "x.up":
                assert len(response.answer) > 1
                continue
            check(model, response, name, T.from_text(kind), None)
    # The parent's side answers for DS, and from the child alone it is the child's.
    assert one.ask("child.example.", "DS").answer
    alone = server({"child.example.": tmp_path / "c"}, "--tcp")
    response = alone.ask("child.example.", "DS")
    assert response.rcode() == 0 and not response.answer and response.authority[0].rdtype == T.SOA
    response = alone.ask("example.", "A")
    assert response.rcode() == dns.rcode.REFUSED
    assert [o.code for o in response.options if o.otype == dns.edns.OptionType.EDE] == [20]


# --- messages ---

def test_messages(tmp_path, server):
    path = tmp_path / "z"
    path.write_text(HEADER + "\n".join(f"many A 192.0.2.{i}" for i in range(200)) + "\nbig NS ns.big\n" +
                    "\n".join(f"ns.big A 192.0.2.{i}" for i in range(100)) + "\nsvc HTTPS 1 ns1 alpn=h2\n"
                    "srv SRV 1 2 3 ns1\nmx MX 1 ns1\n")
    one = server({"example.": path})
    # Case of the question is kept, also where names are compressed onto it.
    query = dns.message.make_query("nS1.ExAmPle.", "A")
    wire = one.raw(query.to_wire())
    assert b"\x03nS1\x07ExAmPle\x00" in wire
    # Too large: whole RRsets are left out, and TC is set.
    for payload, edns in ((512, False), (1232, True), (4096, True)):
        response = one.ask("many.example.", "A", dnssec=edns, payload=payload)
        assert response.flags & dns.flags.TC and not response.answer
        assert len(response.to_wire()) <= payload
    # Glue that is needed and does not fit.
    response = one.ask("x.big.example.", "A")
    assert response.flags & dns.flags.TC and response.authority
    tcp = server({"example.": path}, "--tcp")
    assert len(tcp.ask("many.example.", "A").answer[0]) == 200
    # What records point to.
    for name, kind in (("svc", "HTTPS"), ("srv", "SRV"), ("mx", "MX")):
        response = one.ask(f"{name}.example.", kind)
        assert shape(response.additional) == [("ns1.example.", "A", 1), ("ns1.example.", "AAAA", 1)]
    # CHAOS, NSID, versions of EDNS, opcodes, classes, types.
    response = dns.message.from_wire(one.raw(dns.message.make_query("version.bind", "TXT", "CH").to_wire()))
    assert response.answer[0][0].strings == (b"Kenter",)
    assert dns.message.from_wire(
        one.raw(dns.message.make_query("other.bind", "TXT", "CH").to_wire())).rcode() == 5
    response = one.ask("ns1.example.", "A", options=[dns.edns.GenericOption(3, b"")])
    assert [o.data for o in response.options if o.otype == 3] == [b"ns1"]
    wire = bytearray(dns.message.make_query("example.", "SOA", use_edns=0).to_wire())
    wire[-5] = 1
    assert dns.message.from_wire(one.raw(wire)).rcode() == dns.rcode.BADVERS
    for opcode in range(1, 16):
        wire = bytearray(dns.message.make_query("example.", "SOA").to_wire())
        wire[2] = opcode << 3
        assert one.raw(wire)[3] & 15 == 4
    assert dns.message.from_wire(one.raw(dns.message.make_query("example.", "A", "HS").to_wire())).rcode() == 5
    for kind, rcode in (("AXFR", 5), ("IXFR", 5), ("TKEY", 4), ("MAILB", 4), ("OPT", 1)):
        query = dns.message.make_query("example.", "A")
        wire = bytearray(query.to_wire())
        wire[-4:-2] = T.from_text(kind).to_bytes(2, "big")
        assert one.raw(wire)[3] & 15 == rcode
    # No answers to answers, nor to what has no header.
    wire = bytearray(dns.message.make_query("example.", "A").to_wire())
    assert one.raw(wire[:11]) is None
    wire[2] |= 0x80
    assert one.raw(wire) is None
    # Malformed.
    good = dns.message.make_query("example.", "A", use_edns=0).to_wire()
    for bad in (good[:-1], good + b"\0", good[:12], good[:5] + b"\2" + good[6:], good[:11] + b"\2" + good[12:] + good[-11:]):
        reply = one.raw(bad)
        assert reply[3] & 15 == 1 and reply[:2] == bad[:2] and len(reply) == 12


def test_cookies(tmp_path, server):
    path = tmp_path / "z"
    path.write_text(HEADER)
    # RFC 9018 appendix A.1: the client's and the server's part.
    one = server({"example.": path}, "--now", "1559731985")
    client = bytes.fromhex("2464c4abcf10c957")
    expected = client + bytes.fromhex("010000005cf79f111f8130c3eee29480")

    def ask(server, cookie):
        query = dns.message.make_query("example.", "SOA", use_edns=0, options=[dns.edns.GenericOption(10, cookie)])
        response = dns.message.from_wire(server.raw(query.to_wire()))
        return response, [bytes(o.data) for o in response.options if o.otype == 10]

    assert ask(one, client)[1] == [expected]
    assert ask(one, expected)[1] == [expected]
    # Half an hour later a new one is given, of another time.
    later = server({"example.": path}, "--now", str(1559731985 + 2000))
    assert ask(later, expected)[1][0] != expected
    for length in (0, 7, 9, 15, 41):
        assert ask(one, bytes(length))[0].rcode() == 1
    # Nothing but a cookie.
    query = dns.message.make_query("example.", "SOA", use_edns=0, options=[dns.edns.GenericOption(10, client)])
    query.question = []
    response = dns.message.from_wire(one.raw(query.to_wire()))
    assert response.rcode() == 0 and response.options
