"""Odd zones and odd questions about them, both made from a seed, so that a run can be repeated."""
import random

import dns.flags
import dns.name
import dns.rdatatype

T = dns.rdatatype
N = dns.name.from_text

DIGEST = "0123456789abcdef" * 4
DEEP = ".".join("abcdefghij"[i % 10] for i in range(50))
# 3 × 60 octets: long enough that a DNAME onto it makes names that are too long.
LONG = ".".join(letter * 59 for letter in "pqr")

# What every zone of the first kind holds. OTHER is another zone that is served.
RICH = """$TTL 3600
@ SOA ns1 Host\\.master 1 7200 900 1209600 300
@ NS ns1
@ NS ns2.other.example.
@ MX 10 Mail
@ MX 20 mail.other.example.
@ TXT "apex" "of the zone"
@ A 192.0.2.10
@ HTTPS 0 svc
@ CAA 0 issue "ca.example"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
mail AAAA 2001:db8::2
mail 60 TXT "shorter than its addresses"
; Letters and octets
UPPER A 192.0.2.3
MiXeD.CaSe TXT "case"
mixed.case A 192.0.2.4
\\000\\255.esc TXT "\\000\\255"
a\\.b.esc A 192.0.2.5
sp\\032ace.esc A 192.0.2.6
\\@.esc TXT "at"
quo\\"te.esc TXT "quote"
\\127.esc A 192.0.2.7
{ A 192.0.2.8
[\\x A 192.0.2.8
x!#+=~[ A 192.0.2.8
label63-5678901234567890123456789012345678901234567890123456789 A 192.0.2.9
DEEP A 192.0.2.11
; Empty non-terminals
a.b.c.ent A 192.0.2.12
x.c.ent TXT "x"
_25._tcp.mail TLSA 3 1 1 DIGEST
; Wildcards at several depths
*.w A 192.0.2.20
*.w TXT "w"
*.w MX 10 mail
*.deep.w TXT "deep"
host.deep.w A 192.0.2.21
a.b.ent.w A 192.0.2.22
*.wc CNAME www
*.wo CNAME www.OTHER
*.wn CNAME no.such.name
*.ww CNAME x.w
*.out CNAME www.other.example.
*.srv SRV 1 2 3 mail
*.srv SRV 1 2 3 any.w
*.*.stars A 192.0.2.23
sub.*.star A 192.0.2.24
*.unused.ent2 TXT "below nothing"
; Aliases
www CNAME web
web A 192.0.2.30
web AAAA 2001:db8::30
web TXT "web"
c1 CNAME c2
c2 CNAME C3
c3 CNAME c4
c4 CNAME c5
c5 CNAME c6
c6 CNAME web
cw CNAME q.w
cwd CNAME p.wc
cn CNAME not.there
cent CNAME c.ent
ccut CNAME x.cut
csafe CNAME safe
cdn CNAME x.dn
cother CNAME www.OTHER
cothern CNAME nothing.OTHER
cotherw CNAME foo.w.OTHER
cothercut CNAME x.cut.OTHER
cotherdn CNAME x.dn.OTHER
cback CNAME cother.OTHER
cout CNAME www.other.example.
long1 CNAME long2
long2 CNAME long3
long3 CNAME long4
long4 CNAME long5
long5 CNAME long6
long6 CNAME long7
long7 CNAME long8
long8 CNAME long9
long9 CNAME longa
longa CNAME longb
longb CNAME longc
longc CNAME longd
longd CNAME longe
longe CNAME longf
longf CNAME longg
longg A 192.0.2.31
; DNAMEs
dn DNAME dt
dn TXT "beside a DNAME"
dn A 192.0.2.40
x.dt A 192.0.2.41
y.dt CNAME web
z.dt DNAME w
dnw DNAME w
dnc DNAME cut
dnn DNAME not.there
dno DNAME OTHER
dnx DNAME other.example.
dnl DNAME LONG
dnd DNAME dn
dnp DNAME ent
; Delegations
cut NS ns.cut
cut NS ns2.cut
ns.cut A 192.0.2.50
ns2.cut AAAA 2001:db8::50
safe NS ns.safe
safe NS ns1
safe DS 12345 13 2 DIGEST
safe DS 12345 13 4 SHA384
ns.safe A 192.0.2.51
far NS ns.other.example.
farsafe NS ns.other.example.
farsafe DS 54321 13 2 DIGEST
near NS ns1
near NS mail
sib1 NS ns.sib2
sib2 NS ns.sib1
sib2 NS ns.sib2
ns.sib1 A 192.0.2.52
ns.sib2 A 192.0.2.53
self NS self
self A 192.0.2.54
Upper-Cut NS NS.upper-cut
ns.UPPER-cut A 192.0.2.55
wide.of.ents NS ns.wide.of.ents
ns.wide.of.ents A 192.0.2.56
one.only.cuts NS ns.other.example.
two.only.cuts NS ns.other.example.
*.cut TXT "occluded"
hidden.cut A 192.0.2.57
nest NS ns.x.nest
x.nest NS ns.x.nest
x.nest DS 1 13 2 DIGEST
ns.x.nest A 192.0.2.58
sub.w NS ns.other.example.
sub.*.sc NS ns.other.example.
glue-elsewhere NS ns.child.odd.test.
; Additionals
_s._tcp SRV 1 2 3 mail
_s._tcp SRV 1 2 3 ns.cut
_t._tcp SRV 1 2 3 wild.w
_u._tcp SRV 1 2 3 www.OTHER
svc HTTPS 1 . alpn=h2
svc HTTPS 2 web port=8443
svc A 192.0.2.60
svcalias HTTPS 0 svc
svcfar HTTPS 0 svc.OTHER
_x SVCB 1 mail
_y SVCB 1 ns.cut
mx1 MX 10 mail
mx1 MX 20 ns.cut
mx1 MX 30 wild.w
mx2 MX 10 web.OTHER
mx2 MX 20 x.dt
null MX 0 .
ptr PTR web
naptr NAPTR 1 1 "s" "SIP" "" _s._tcp
; Sizes
BIG
nsbig NS n00.nsbig
NSBIG
; Types
odd TYPE65280 \\# 4 01020304
odd TYPE731 \\# 0
odd HINFO "a" "b"
odd RP mail txt
odd LOC 52 0 0.000 N 13 0 0.000 E 10m
odd SSHFP 4 2 DIGEST
odd AFSDB 1 mail
odd KX 1 mail
odd SPF "old"
odd URI 1 1 "https://example/"
odd CSYNC 1 3 A NS
odd OPENPGPKEY AQID
odd EUI48 00-00-5e-00-53-2a
odd NID 10 0014:4fff:ff20:ee64
ttl0 0 A 192.0.2.70
"""

CHILD = """$TTL 600
@ SOA ns hostmaster 1 7200 900 1209600 900
@ NS ns
@ NS ns2
ns A 192.0.2.100
ns2 AAAA 2001:db8::100
www A 192.0.2.101
up CNAME www.odd.test.
side CNAME www.nods.odd.test.
down CNAME www.grand.child.odd.test.
* TXT "wild"
a.ent TXT "below an empty name"
grand NS ns.grand
ns.grand A 192.0.2.102
"""
DELEGATE = """child NS ns.child
child NS ns2.child
child DS 1111 13 2 DIGEST
ns.child A 192.0.2.100
ns2.child AAAA 2001:db8::100
nods NS ns.nods
ns.nods A 192.0.2.100
www.child TXT "occluded, and other than in the child"
cchild CNAME www.child
cchildno CNAME nothing.child
cnods CNAME up.nods
dnchild DNAME child
mxchild MX 10 ns.child
"""
SINGLE = """$TTL 300
@ SOA . . 1 7200 900 1209600 3000
@ NS a
@ NS b.other.example.
a A 192.0.2.110
* A 192.0.2.111
com NS a.com
a.com A 192.0.2.112
org NS a.com
org DS 1 13 2 DIGEST
x.y.z TXT "ents"
"""
APEX_DNAME = """$TTL 300
@ SOA ns.other.example. hostmaster 1 7200 900 1209600 300
@ NS ns.other.example.
@ NS ns2.other.example.
@ DNAME OTHER
@ TXT "beside"
"""
MINIMAL = """@ 0 SOA ns.other.example. hostmaster 1 7200 900 1209600 0
@ 0 NS ns.other.example.
@ 0 NS ns2.other.example.
"""


def expand(text, other):
    """The short words in the zones above."""
    big = "".join(f"big A 198.51.100.{i}\n" for i in range(1, 70))
    big += "".join(f'bigtxt TXT "{i:02} {"t" * 190}"\n' for i in range(14))
    big += "".join(f"bigmx MX {i} mx{i}.big\nmx{i}.big A 203.0.113.{i}\nmx{i}.big AAAA 2001:db8:1::{i}\n"
                   for i in range(30))
    ns = "".join(f"nsbig NS n{i:02}.nsbig\nn{i:02}.nsbig A 203.0.113.{i}\nn{i:02}.nsbig AAAA 2001:db8:2::{i}\n"
                 for i in range(1, 13)) + "n00.nsbig A 203.0.113.200\n"
    for word, what in (("SHA384", DIGEST + DIGEST[:32]), ("NSBIG", ns), ("BIG", big), ("DIGEST", DIGEST), ("DEEP", DEEP), ("LONG", LONG),
                       ("OTHER", other)):
        text = text.replace(word, what)
    return text


def random_text(seed):
    """Few labels, so that names nest, hide each other and stand for each other."""
    dice = random.Random(seed)
    labels = ["a", "b", "C", "*", "zz", "\\000", "-", "_x"]
    kinds = {}
    while len(kinds) < 150:
        owner = ".".join(dice.choice(labels) for _ in range(dice.randint(1, 5)))
        kinds.setdefault(owner.lower(), (owner, dice.choice(
            ["data"] * 6 + ["cname", "cname", "ns", "ns", "dname"])))
    dnames = [key for key, (_, kind) in kinds.items() if kind == "dname"]
    lines = ["$TTL 900", "@ SOA ns.other.example. hostmaster 1 7200 900 1209600 600",
             "@ NS ns.other.example.", "@ NS ns2.other.example."]
    for key, (owner, kind) in kinds.items():
        if any(key.endswith("." + above) for above in dnames):
            continue
        if kind in ("ns", "dname") and "*" in owner:
            kind = "data"
        if kind == "data":
            for what in dice.sample(["A 192.0.2.9", "TXT \"text\"", "MX 1 mail.other.example.",
                                     "AAAA 2001:db8::9", "SRV 1 1 1 a.b", "TYPE65280 \\# 1 00"], dice.randint(1, 3)):
                if "SRV" not in what:
                    lines.append(f"{owner} {what}")
        elif kind == "cname":
            # Only to names that are no alias, so that there are no loops.
            targets = [o for k, (o, other) in kinds.items() if other in ("data", "ns")] + ["no.where"]
            lines.append(f"{owner} CNAME {dice.choice(targets)}")
        elif kind == "dname":
            lines.append(f"{owner} DNAME {dice.choice(['web.odd.test.', 'w.odd3.test.', 'r1.test.', 'other.example.'])}")
        else:
            lines.append(f"{owner} NS ns{dice.randint(1, 9)}.other.example.")
            if dice.random() < 0.5:
                lines.append(f"{owner} DS 4711 13 2 {DIGEST}")
    return "\n".join(lines) + "\n"


def make_zones():
    """Name → (text, policy)."""
    zones = {
        "odd.test": (expand(RICH + DELEGATE, "odd3.test."), "nsec"),
        "odd3.test": (expand(RICH, "odd.test."), "nsec3"),
        "out.test": (expand(RICH, "odd.test."), "optout"),
        "plain.test": (expand(RICH, "out.test."), "plain"),
        "salt.test": (expand(RICH, "plain.test."), "salted"),
        "child.odd.test": (expand(CHILD, ""), "nsec3"),
        "grand.child.odd.test": (expand(CHILD, "").replace("grand", "far"), "nsec"),
        "nods.odd.test": (expand(CHILD, ""), "plain"),
        "single": (expand(SINGLE, ""), "nsec"),
        "apex.test": (expand(APEX_DNAME, "odd.test."), "nsec"),
        "apex3.test": (expand(APEX_DNAME, "odd3.test."), "nsec3"),
        "minimal.test": (MINIMAL, "nsec"),
        "minimal3.test": (MINIMAL, "nsec3"),
    }
    for number, policy in enumerate(("nsec", "nsec3", "optout", "plain")):
        zones[f"r{number}.test"] = (random_text(number), policy)
    return zones


# --- questions ---

class Question:
    """What is asked, and how."""

    def __init__(self, name, kind, dice):
        self.name, self.kind = name, kind
        self.edns = dice.random() < 0.85
        self.version = 1 if self.edns and dice.random() < 0.01 else 0
        self.dnssec = self.edns and dice.random() < 0.75
        self.payload = dice.choice([0, 512, 513, 700, 1232, 1232, 4096, 65535])
        self.options = []
        if self.edns and dice.random() < 0.1:
            self.options = [dice.choice([(65001, b"what?"), (3, b""), (10, b"12345678"), (12, b"\0" * 7),
                                         (8, b"\0\1\0\0"), (15, b"")])]
        self.flags = 0
        for flag in (dns.flags.RD, dns.flags.CD, dns.flags.AD):
            if dice.random() < 0.3:
                self.flags |= flag
        self.tcp = dice.random() < 0.25
        self.chaos = False
        self.number = dice.randint(1, 65535)

    def wire(self):
        out = bytearray(self.number.to_bytes(2, "big") + self.flags.to_bytes(2, "big"))
        out += b"\0\1\0\0\0\0" + (b"\0\1" if self.edns else b"\0\0")
        out += self.name.to_wire() + int(self.kind).to_bytes(2, "big") + (b"\0\3" if self.chaos else b"\0\1")
        if self.edns:
            options = b"".join(code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
                               for code, data in self.options)
            out += b"\0\0\x29" + self.payload.to_bytes(2, "big") + bytes([0, self.version])
            out += (b"\x80\0" if self.dnssec else b"\0\0") + len(options).to_bytes(2, "big") + options
        return bytes(out)

    def __str__(self):
        words = [str(self.name), T.to_text(self.kind), "tcp" if self.tcp else "udp"]
        if self.edns:
            words += [f"edns{self.version}", str(self.payload)] + [str(code) for code, _ in self.options]
        if self.dnssec:
            words.append("do")
        words.append(dns.flags.to_text(self.flags).lower())
        return " ".join(words)


class Asker:
    """Draws questions."""

    COMMON = ["A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DNAME", "DS", "DNSKEY", "NSEC", "NSEC3", "RRSIG",
              "NSEC3PARAM", "ANY", "SRV", "HTTPS", "SVCB", "PTR", "TYPE65280", "TYPE65534", "CDS", "SPF"]

    def __init__(self, seed, zones):
        """zones: origin → {name: types}, what is served."""
        self.dice = random.Random(seed)
        self.zones = {origin: sorted((n.canonicalize().to_wire(), n, sorted(t)) for n, t in names.items())
                      for origin, names in zones.items()}
        # Of the owners of NSEC3 a few will do.
        for origin, names in self.zones.items():
            hashed = [entry for entry in names if T.NSEC3 in entry[2]]
            self.zones[origin] = [entry for entry in names if T.NSEC3 not in entry[2]] + hashed[:len(names) // 20]
        self.origins = sorted(self.zones)
        self.before = []

    def change(self, name, origin):
        """A name near this one."""
        dice, labels = self.dice, list(name.labels)
        what = dice.randint(0, 9)
        if what == 0:
            labels.insert(0, dice.choice([b"x", b"*", b"\0", b"_", b"zz", b"\xff" * 63, b"ns"]))
        elif what == 1:
            labels = [b"a", b"b"] + labels
        elif what == 2 and len(labels) > 2:
            labels[0] = labels[0][:62] + b"\0"
        elif what == 3 and len(labels) > 2:
            labels[0] = labels[0][:-1] + bytes([(labels[0][-1] - 1) % 256])
        elif what == 4 and len(labels) > 2:
            labels[0] = labels[0][:62] + b"z"
        elif what == 5 and len(labels) > 1:
            labels = labels[1:]
        elif what == 6 and len(labels) > 2:
            labels[0] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 8)))
        elif what == 7:
            labels = [b"any", b"thing"] + list(origin.labels)
        elif what == 8 and len(labels) > 2:
            labels.insert(dice.randint(0, len(labels) - 1), dice.choice([b"q", b"*", b"w"]))
        elif what == 9 and len(labels) > 3:
            del labels[0]
            labels.insert(0, b"x")
        try:
            return dns.name.Name(labels)
        except dns.exception.DNSException:
            return name

    def draw(self):
        dice = self.dice
        if self.before and dice.random() < 0.05:
            return dice.choice(self.before[-50:])
        origin = dice.choice(self.origins)
        _, name, types = dice.choice(self.zones[origin])
        if dice.random() < 0.55:
            name = self.change(name, origin)
            if dice.random() < 0.2:
                name = self.change(name, origin)
        kind = T.from_text(dice.choice(self.COMMON))
        if types and dice.random() < 0.4:
            kind = dice.choice(types)
        if dice.random() < 0.3:
            name = dns.name.Name([bytes(c ^ 32 if chr(c).isascii() and chr(c).isalpha() and dice.random() < 0.5 else c
                                        for c in label) for label in name.labels])
        question = Question(name, kind, dice)
        if dice.random() < 0.002:
            question.name, question.kind = N(dice.choice(["elsewhere.example.", ".", "test.", "com."])), kind
        self.before.append(question)
        return question
