"""Unbound and delv validate what kenterd serves: each kind of answer and of denial, with NSEC, NSEC3 and opt-out,
parent and children on one server."""
import dns.flags
import dns.rcode
import pytest

from peers_support import HOST, KENTER, Kenterd, Unbound, program, run, wait, watched

ZONE = """$TTL 600
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 www
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
www AAAA 2001:db8::80
alias CNAME www
chain CNAME alias
nowhere CNAME nothing
away CNAME www.{other}.
*.wild TXT "any"
*.walias CNAME www
x.wild A 192.0.2.81
old DNAME new
www.new A 192.0.2.82
a.b.ent A 192.0.2.83
child NS ns1.child
ns1.child A 192.0.2.3
plain NS ns1.plain
ns1.plain A 192.0.2.4
"""
CHILD = """$TTL 600
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.3
ns2 A 192.0.2.4
www A 192.0.2.90
up CNAME www.{parent}.
"""
# name, type, rcode; all are secure, but for opt-out where it says so.
SECURE = [
    ("@", "SOA", "NOERROR"), ("@", "NS", "NOERROR"), ("@", "DNSKEY", "NOERROR"), ("@", "MX", "NOERROR"),
    ("www", "A", "NOERROR"), ("www", "AAAA", "NOERROR"), ("alias", "A", "NOERROR"), ("chain", "AAAA", "NOERROR"),
    ("away", "A", "NOERROR"), 
    ("x.wild", "TXT", "NOERROR"), 
    ("www.old", "A", "NOERROR"), ("www.old", "MX", "NOERROR"),
    ("old", "DNAME", "NOERROR"), ("old", "A", "NOERROR"), ("www", "MX", "NOERROR"), ("@", "TXT", "NOERROR"),
    ("ent", "A", "NOERROR"), ("b.ent", "A", "NOERROR"), ("a.b.ent", "A", "NOERROR"),
    ("alias", "MX", "NOERROR"), ("child", "DS", "NOERROR"), ("www.child", "A", "NOERROR"),
    ("child", "SOA", "NOERROR"), ("www.child", "MX", "NOERROR"),
    ("up.child", "A", "NOERROR"), ("www", "DS", "NOERROR"), ("*.wild", "TXT", "NOERROR"),
    ("wild", "TXT", "NOERROR"),
]
# Secure, unless what denies them (that there is no name closer than the wildcard, too) leaves room for delegations
# that are not signed: then opt-out makes them insecure (RFC 5155 section 9.2).
DENIED = [
    ("a.wild", "TXT", "NOERROR"), ("a.b.c.wild", "TXT", "NOERROR"), ("a.wild", "MX", "NOERROR"),
    ("some.walias", "A", "NOERROR"), ("some.walias", "MX", "NOERROR"), ("none.child", "A", "NXDOMAIN"),
    ("none", "A", "NXDOMAIN"), ("a.b.none", "A", "NXDOMAIN"), ("zzz", "TXT", "NXDOMAIN"), ("!", "A", "NXDOMAIN"),
    ("a.www", "A", "NXDOMAIN"), ("nowhere", "A", "NXDOMAIN"), ("none.old", "A", "NXDOMAIN"),
    ("none.ent", "A", "NXDOMAIN"), ("plain", "DS", "NOERROR"),
]
INSECURE = [("www.plain", "A", "NOERROR"), ("none.plain", "A", "NXDOMAIN"), ("plain", "SOA", "NOERROR")]
KINDS = {"nsec": {"type": "nsec"}, "nsec3": {"type": "nsec3"}, "optout": {"type": "nsec3", "opt-out": True}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """kenterd with a tree of zones of each kind, and Unbound, which knows the DS of each top."""
    path = tmp_path_factory.mktemp("validators")
    with watched():
        kenterd = Kenterd(path)
        zones = {}
        for kind, denial in KINDS.items():
            parent = f"{kind}.test"
            for zone, policy in ((parent, kind), (f"child.{parent}", kind), (f"plain.{parent}", "as-is")):
                zones[zone] = {"file": str(kenterd.path / zone), "policy": policy}
            other = {"nsec": "nsec3.test", "nsec3": "optout.test", "optout": "nsec.test"}[kind]
            (kenterd.path / parent).write_text(ZONE.format(other=other))
            for child in ("child", "plain"):
                (kenterd.path / f"{child}.{parent}").write_text(CHILD.format(parent=parent))
        kenterd.settings |= {
            "zones": zones,
            "policies": {"as-is": {"sign": False}, **{kind: {"denial": denial} for kind, denial in KINDS.items()}}}
        kenterd.start()
        anchors = []
        for kind in KINDS:
            parent = f"{kind}.test"
            wait(lambda: kenterd.serial(f"child.{parent}") and kenterd.serial(parent), "the zones")
            with open(kenterd.path / parent, "a") as file:
                file.write(ds_of(kenterd, f"child.{parent}"))
            kenterd.kenter("reload", parent)
            anchors.append(ds_of(kenterd, parent).strip())
        unbound = Unbound(path, "unbound").start([(zone, kenterd.port) for zone in zones], anchors)
        yield kenterd, unbound, anchors


def ds_of(kenterd, zone):
    text = run(KENTER, "key", "ds", zone, "--keys", kenterd.path / "data/keys" / zone).stdout
    line = [line for line in text.splitlines() if " DS " in line.replace("\t", " ") and not line.startswith(";")][0]
    return " ".join(line.split()) + "\n"


def absolute(name, kind):
    return f"{kind}.test." if name == "@" else f"{name}.{kind}.test."


@pytest.mark.parametrize("kind", KINDS)
def test_unbound(place, kind):
    kenterd, unbound, _ = place
    wrong = []
    for group, cases in (("secure", SECURE), ("denied", DENIED), ("insecure", INSECURE)):
        for name, rdtype, rcode in cases:
            reply = unbound.ask(absolute(name, kind), rdtype, want_dnssec=True, flags=dns.flags.RD)
            secure = bool(reply.flags & dns.flags.AD)
            if dns.rcode.to_text(reply.rcode()) != rcode:
                wrong.append((name, rdtype, dns.rcode.to_text(reply.rcode())))
            elif group == "secure" and not secure or group == "denied" and not secure and kind != "optout":
                wrong.append((name, rdtype, "is not secure"))
            elif group == "insecure" and secure:
                wrong.append((name, rdtype, "is secure"))
    assert not wrong, wrong
    assert "validation failure" not in unbound.text()


@pytest.mark.parametrize("kind", KINDS)
def test_delv(place, kind):
    kenterd, _, anchors = place
    anchor = next(anchor for anchor in anchors if anchor.startswith(f"{kind}.test."))
    owner, rest = anchor.split(" ", 1)
    tag, algorithm, digest, *data = rest.split(" DS ", 1)[1].split()
    keys = kenterd.path / f"{kind}.keys"
    keys.write_text(f'trust-anchors {{ "{owner}" static-ds {tag} {algorithm} {digest} "{"".join(data)}"; }};\n')
    some = [("www", "A"), ("chain", "AAAA"), ("www.old", "A"), ("b.ent", "A"), ("@", "TXT"), ("www.child", "A")]
    if kind != "optout":
        some += [("a.b.c.wild", "TXT"), ("a.wild", "MX"), ("a.b.none", "A"), ("nowhere", "A"), ("plain", "DS")]
    for name, rdtype in some:
        done = run(program("delv"), f"@{HOST}", "-p", kenterd.port, "-a", keys, f"+root={kind}.test",
                   absolute(name, kind), rdtype, code=None)
        said = done.stdout + done.stderr
        assert "fully validated" in said and "broken" not in said, (name, rdtype, said)
