"""Rdata of every type, read by Kenter, dnspython and BIND: all three must see the same octets.

Each record has an owner of its own. What Kenter writes is read by dnspython, to octets, and by BIND, to
its own text; both must be the same as when they read the original. Random rdata goes in as octets, in
the form of RFC 3597, so that nobody's idea of a type's text is trusted."""

import os
import pathlib
import random
import re
import shutil
import subprocess

import dns.name
import dns.rdata
import dns.rdatatype
import pytest

ROOT = pathlib.Path(__file__).parents[2]
KENTER = os.environ.get("KENTER", str(ROOT / "build" / "kenter"))
ORIGIN = dns.name.from_text("example.com.")
HEAD = "$ORIGIN example.com.\n$TTL 60\n@ IN SOA ns hostmaster 1 2 3 4 5\n@ IN NS ns\nns IN A 192.0.2.1\n"

# Never zone data, or only at the apex.
SKIPPED = {"SOA", "TKEY", "TSIG"}
# What BIND 9.18 does not know, or does not want in zones.
NOT_BIND = {"MD", "MF", "SIG", "NXT", "DSYNC", "HHIT", "BRID", "RESINFO", "WALLET", "CLA", "IPN"}
# BIND wants a key even where RFC 4025 section 2.4 says that none is there; it does not know ohttp
# and tls-supported-groups.
NOT_BIND_TEXTS = {"10 1 0 192.0.2.38"}
# BIND writes the time 4294967295 as one of 1969, counting from today.
LATE = "4294967295"
# What dnspython 2.3 knows only as octets, or not in class IN.
NOT_DNSPYTHON = {"MD", "MF", "SIG", "KEY", "NXT", "A6", "MB", "MG", "MR", "MINFO", "WKS"}


def unquote(literals):
    return re.sub(r"\\(.)", r"\1", "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))


def examples():
    """The examples of the unit tests, as (type, text)."""
    text = (ROOT / "tests/unit/dns/rdata_examples.inc").read_text()
    found = re.findall(r'\{"([^"]+)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+),', text)
    return [(name, unquote(literals)) for name, literals in found if name not in SKIPPED]


def octets(rng, length):
    return bytes(rng.randrange(256) for _ in range(length))


def name(rng):
    labels = [octets(rng, rng.randint(1, 12)) for _ in range(rng.randint(0, 4))]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def string(rng):
    # Below 128: dnspython takes \\200 in most strings for a character, not for an octet.
    length = rng.choice([0, 1, 5, 30, 255])
    return bytes([length]) + bytes(rng.randrange(128) for _ in range(length))


def bitmap(rng):
    types = sorted({rng.choice([1, 2, 6, 15, 46, 47, 257, 1234, 65280 + rng.randrange(200)]) for _ in range(6)})
    out = b""
    for window in sorted({t >> 8 for t in types}):
        bits = bytearray(32)
        for t in types:
            if t >> 8 == window:
                bits[(t & 255) // 8] |= 0x80 >> t % 8
        used = bytes(bits).rstrip(b"\0")
        out += bytes([window, len(used)]) + used
    return out


# The shape of each type: numbers are octets of any value, the rest functions.
def rest(rng):
    return octets(rng, rng.randint(1, 120))


def salt(rng):
    length = rng.choice([0, 1, 8, 255])
    return bytes([length]) + octets(rng, length)


def hashed(rng):
    return b"\x14" + octets(rng, 20)


def tag(rng):
    return b"\5issue"


SHAPES = {
    "A": [4], "AAAA": [16], "NS": [name], "CNAME": [name], "PTR": [name], "MX": [2, name], "TXT": [string, string],
    "HINFO": [string, string], "RP": [name, name], "AFSDB": [2, name], "X25": [lambda r: b"\x05" + b"12345"],
    "RT": [2, name], "NSAP-PTR": [name], "PX": [2, name, name], "SRV": [6, name],
    "NAPTR": [4, string, string, lambda r: b"\x0b!^.*$!a@b!i" if r.randrange(2) else b"\0", name], "KX": [2, name], "CERT": [5, rest], "DNAME": [name],
    "DS": [2, lambda r: b"\x0d\x02" + octets(r, 32)], "SSHFP": [lambda r: b"\1\2" + octets(r, 32)],
    "RRSIG": [lambda r: b"\0\1\x0d\x10", 4, lambda r: b"\x70\0\0\0\x60\0\0\0", 2, name, lambda r: octets(r, 64)], "NSEC": [name, bitmap],
    "DNSKEY": [lambda r: b"\1\1\3\x0d" + octets(r, 64)], "DHCID": [rest], "NSEC3": [lambda r: b"\1\1", 2, salt, hashed, bitmap],
    "NSEC3PARAM": [lambda r: b"\1\0", 2, salt], "TLSA": [3, rest], "SMIMEA": [3, rest], "NINFO": [string],
    "CDS": [2, lambda r: b"\x0d\x04" + octets(r, 48)], "CDNSKEY": [lambda r: b"\1\0\3\x0d" + octets(r, 64)],
    "OPENPGPKEY": [rest], "CSYNC": [6, bitmap], "ZONEMD": [4, lambda r: b"\1\1" + octets(r, 48)],
    "SPF": [string], "NID": [10], "L32": [6], "L64": [10], "LP": [2, name], "EUI48": [6], "EUI64": [8],
    "URI": [4, lambda r: b"https:" + bytes(r.randrange(128) for _ in range(30))], "CAA": [1, tag, lambda r: bytes(r.randrange(128) for _ in range(30))], "AVC": [string],
    "IPSECKEY": [1, lambda r: b"\3\2", name, rest], "AMTRELAY": [1, lambda r: b"\x83", name],
    "LOC": [lambda r: b"\0" + bytes(r.randrange(1, 10) << 4 | r.randrange(10) for _ in range(3))
            + (2**31 + r.randint(-324000000, 324000000)).to_bytes(4, "big")
            + (2**31 + r.randint(-648000000, 648000000)).to_bytes(4, "big")
            + (100 * r.randrange(1, 400000)).to_bytes(4, "big")],
    "SVCB": [lambda r: b"\0\1", name, lambda r: b"\0\1\0\6\2h2\2" + octets(r, 2), lambda r: b"\0\3\0\2" + octets(r, 2)],
    "HTTPS": [lambda r: b"\0\7", name, lambda r: b"\0\4\0\4" + octets(r, 4), lambda r: b"\x12\x34\0\x0a" + octets(r, 10)],
}


def random_records(count):
    rng = random.Random(9460)
    for kind, shape in SHAPES.items():
        for _ in range(count):
            data = b"".join(octets(rng, part) if isinstance(part, int) else part(rng) for part in shape)
            yield kind, f"\\# {len(data)} {data.hex()}", data


def zone_of(records):
    return HEAD + "".join(f"r{i} IN {kind} {text}\n" for i, (kind, text) in records.items())


def kenter(tmp_path, records):
    source = tmp_path / "source.zone"
    source.write_text(zone_of(records))
    done = subprocess.run([KENTER, "format", "--style", "lines", "--brief", str(source)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    out = {}
    for line in done.stdout.splitlines():
        owner, _, _, kind, text = (line.split("\t", 4) + [""])[:5]
        if owner.startswith("r") and owner.endswith(".example.com."):
            out[int(owner[1:].split(".")[0])] = (kind, text)
    assert out.keys() == records.keys()
    return out


def dnspython(kind, text):
    """The octets, or None when dnspython does not know the type or cannot read it."""
    try:
        number = dns.rdatatype.from_text(kind)
        return dns.rdata.from_text("IN", number, text, origin=ORIGIN, relativize=False).to_wire()
    except Exception:
        return None


def bind(tmp_path, records):
    """BIND's text of the records, and those it refuses."""
    records = dict(records)
    refused = {}
    for _ in range(20):
        source, target = tmp_path / "bind.in", tmp_path / "bind.out"
        source.write_text(zone_of(records))
        done = subprocess.run(
            ["named-compilezone", "-q", "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore", "-r", "ignore",
             "-S", "ignore", "-T", "ignore", "-W", "ignore", "-s", "full", "-o", str(target), "example.com.", str(source)],
            capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            break
        said = subprocess.run(["named-checkzone", "-i", "none", "-k", "ignore", "example.com.", str(source)],
                              capture_output=True, text=True, timeout=60).stdout
        said = "".join(line + "\n" for line in said.splitlines() if "signature has expired" not in line)
        bad = {int(n) for n in re.findall(r"bind\.in:(\d+): ", said)}
        order = list(records)
        first = len(HEAD.splitlines()) + 1
        named = {order[line - first] for line in bad if 0 <= line - first < len(order)}
        named |= {int(n) for n in re.findall(r"\br(\d+)\.example\.com", said)} & records.keys()
        assert named, said[-3000:]
        for i in named:
            refused[i] = said
            del records[i]
    else:
        pytest.fail("BIND refuses again and again")
    out = {}
    for line in target.read_text().splitlines():
        fields = line.split(None, 4)
        if re.match(r"r\d+\.example\.com\.$", fields[0]):
            out[int(fields[0][1:].split(".")[0])] = (fields[3], fields[4] if len(fields) > 4 else "")
    return out, refused


def test_dnspython_reads_the_same(tmp_path):
    records = dict(enumerate(examples()))
    compared = set()
    for i, (kind, text) in kenter(tmp_path, records).items():
        original = dnspython(*records[i]) if kind not in NOT_DNSPYTHON else None
        if original is None:
            continue
        assert dnspython(kind, text) == original, (records[i], text)
        compared.add(kind)
    assert len(compared) >= 50, sorted(compared)


def test_dnspython_reads_random_octets_the_same(tmp_path):
    made = list(random_records(12))
    records = {i: (kind, text) for i, (kind, text, _) in enumerate(made)}
    for i, (kind, text) in kenter(tmp_path, records).items():
        assert kind == made[i][0]
        if kind == "HTTPS" or kind == "SVCB" or kind not in NOT_DNSPYTHON:
            read = dnspython(kind, text)
            assert read == made[i][2], (kind, text, made[i][2].hex(), read and read.hex())
        # No type of these is so strange that only the form of RFC 3597 fits.
        assert not text.startswith("\\#"), (kind, text)


@pytest.mark.skipif(shutil.which("named-compilezone") is None, reason="BIND is not installed")
@pytest.mark.parametrize("source", ["examples", "random"])
def test_bind_reads_the_same(tmp_path, source):
    if source == "examples":
        pairs = [(kind, text) for kind, text in examples() if LATE not in text or kind != "RRSIG"]
    else:
        pairs = [(kind, text) for kind, text, _ in random_records(6)]
    records = dict(enumerate(pairs))
    ours = kenter(tmp_path, records)
    theirs, refused = bind(tmp_path, records)
    for i in refused:
        kind, text = records[i]
        excused = kind in NOT_BIND or text in NOT_BIND_TEXTS or "ohttp" in text or "tls-supported-groups" in text
        assert excused, (kind, text, refused[i][-2000:])
    again, refused = bind(tmp_path, {i: ours[i] for i in theirs})
    assert not refused, {records[i]: ours[i] for i in refused}
    assert again == theirs
    # And Kenter reads what BIND writes as what it was.
    assert kenter(tmp_path, theirs) == {i: ours[i] for i in theirs}
