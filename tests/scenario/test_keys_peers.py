"""Keys move between Kenter and BIND, ldns and Knot in both directions, and all agree on DS records
and signatures. dnspython and python-cryptography stand for a third opinion on the mathematics."""
import json
import os
import re
import subprocess
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata
import dns.rrset
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils

ROOT = Path(__file__).resolve().parents[2]
KENTER = Path(os.environ.get("KENTER", ROOT / "build" / "kenter"))
KEYTOOL = KENTER.parent / "tests" / "tools" / "keytool"
ALGORITHMS = [8, 10, 13, 14, 15, 16]
ZONE = """$TTL 600
@ SOA ns1 hostmaster 1 7200 900 1209600 600
@ NS ns1
ns1 A 192.0.2.1
www AAAA 2001:db8::1
* TXT "any"
"""


def run(*command, check=True, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


def keygen(directory, zone, algorithm, *options):
    bits = ["-b", "2048"] if algorithm <= 10 else []
    done = run("dnssec-keygen", "-q", "-K", directory, "-a", algorithm, *bits, *options, zone)
    return directory / done.stdout.strip()


def pair(stem, suffix):
    return stem.with_name(stem.name + suffix)


def private_lines(stem):
    return sorted(line for line in pair(stem, ".private").read_text().splitlines() if line)


def record(stem):
    lines = pair(stem, ".key").read_text().splitlines()
    return " ".join(line for line in lines if not line.startswith(";")).split()


def ds_set(text):
    """DS records by (tag, algorithm, type, digest), whoever printed them."""
    found = set()
    for line in text.splitlines():
        match = re.search(r"\bDS\s+(\d+)\s+(\d+)\s+(\d+)\s+([0-9A-Fa-f ]+)", line.split(";")[0])
        if match:
            tag, algorithm, kind, digest = match.groups()
            found.add((int(tag), int(algorithm), int(kind), digest.replace(" ", "").upper()))
    return found


@pytest.fixture
def bind(tmp_path):
    directory = tmp_path / "bind"
    directory.mkdir(mode=0o700)
    return directory


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_to_kenter_and_back(tmp_path, bind, algorithm):
    """Nothing is lost on the way: the same private key, the same record, the same times."""
    out = tmp_path / "out"
    out.mkdir()
    keys = tmp_path / "keys"
    times = ["-P", "20260101000000", "-A", "20260201000000", "-I", "20360101000000",
             "-D", "20360201000000", "-Psync", "20260102000000", "-Dsync", "20350101000000"]
    stem = keygen(bind, "example.com", algorithm, "-f", "KSK", *times)
    run(KENTER, "key", "import", "--keys", keys, pair(stem, ".private"))
    tag = int(stem.name.rsplit("+", 1)[1])
    run(KENTER, "key", "export", "--keys", keys, "--to", "bind", "-o", out, "example.com", tag)
    again = out / stem.name
    assert private_lines(again) == private_lines(stem)
    assert "".join(record(again)) == "".join(record(stem))
    assert pair(again, ".private").stat().st_mode & 0o777 == 0o600
    # A file of a key is never written over.
    done = run(KENTER, "key", "export", "--keys", keys, "--to", "bind", "-o", out, "example.com",
               tag, check=False)
    assert done.returncode == 1 and "key.exists" in done.stdout + done.stderr
    done = run(KENTER, "key", "import", "--keys", keys, stem, check=False)
    assert done.returncode == 1 and "key.exists" in done.stdout + done.stderr


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_signs_with_our_keys(tmp_path, algorithm):
    """Keys that Kenter made: BIND and ldns sign with them, BIND verifies."""
    keys, out = tmp_path / "keys", tmp_path / "out"
    out.mkdir()
    for role in ("ksk", "zsk"):
        run(KENTER, "key", "new", "--keys", keys, "-a", algorithm, "--role", role, "example.com")
    listed = json.loads(run(KENTER, "key", "list", "--keys", keys, "--json", "example.com").stdout)
    tags = [key["tag"] for key in listed["keys"]]
    assert len(tags) == 2
    for tag in tags:
        run(KENTER, "key", "export", "--keys", keys, "--to", "bind", "-o", out, "example.com", tag)
    stems = sorted(path.with_suffix("") for path in out.glob("K*.private"))
    zone = tmp_path / "zone"
    zone.write_text("$ORIGIN example.com.\n" + ZONE)
    run("dnssec-signzone", "-S", "-K", out, "-o", "example.com", "-f", tmp_path / "signed", zone,
        cwd=tmp_path)
    run("dnssec-verify", "-o", "example.com", tmp_path / "signed")
    run(KENTER, "verify", tmp_path / "signed")
    run("ldns-signzone", "-o", "example.com", "-f", tmp_path / "ldns", zone, *stems)
    run("dnssec-verify", "-o", "example.com", tmp_path / "ldns")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_kenter_signs_with_bind_keys(tmp_path, bind, algorithm):
    """A directory of BIND's pairs is used as it stands."""
    keygen(bind, "example.com", algorithm, "-f", "KSK")
    keygen(bind, "example.com", algorithm)
    zone = tmp_path / "zone"
    zone.write_text("$ORIGIN example.com.\n" + ZONE)
    run(KENTER, "sign", zone, "--keys", bind, "-o", tmp_path / "signed")
    run("dnssec-verify", "-o", "example.com", tmp_path / "signed")
    run("ldns-verify-zone", tmp_path / "signed")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_same_ds_everywhere(tmp_path, bind, algorithm):
    keys = tmp_path / "keys"
    stem = keygen(bind, "Example.COM", algorithm, "-f", "KSK")
    run(KENTER, "key", "import", "--keys", keys, stem)
    ours = ds_set(run(KENTER, "key", "ds", "--keys", keys, "--digest", "2,4", "example.com").stdout)
    public = pair(stem, ".key")
    theirs = ds_set(run("dnssec-dsfromkey", "-a", "SHA-256", "-a", "SHA-384", public).stdout)
    ldns = set()
    for digest in ("-2", "-4"):
        ldns |= ds_set(run("ldns-key2ds", "-n", digest, public).stdout)
    assert ours == theirs == ldns and len(ours) == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_knot_takes_our_export(tmp_path, algorithm):
    keys, out = tmp_path / "keys", tmp_path / "out"
    out.mkdir()
    run(KENTER, "key", "new", "--keys", keys, "-a", algorithm, "example.com")
    listed = json.loads(run(KENTER, "key", "list", "--keys", keys, "--json", "example.com").stdout)
    tag = listed["keys"][0]["tag"]
    run(KENTER, "key", "export", "--keys", keys, "--to", "bind", "-o", out, "example.com", tag)
    public, = out.glob("K*.key")
    base = ["keymgr", "-D", tmp_path / "knot", "example.com"]
    (tmp_path / "knot").mkdir()
    run(*base, "import-bind", public)
    assert re.search(rf"\b0*{tag}\b", run(*base, "list").stdout)
    theirs = ds_set(run(*base, "ds", tag).stdout)
    ours = ds_set(run(KENTER, "key", "ds", "--keys", keys, "--digest", "2,4",
                      "example.com").stdout)
    assert ours <= theirs


@pytest.mark.parametrize("zone", ["a/b.example", "UPPER.Example", "*.x+y%z.example", ".",
                                  r"a\.b\000\032c.example", "_tcp.example"])
def test_odd_names(tmp_path, bind, zone):
    """Names that a file system does not like come through both ways, by the same file names."""
    keys, out = tmp_path / "keys", tmp_path / "out"
    out.mkdir()
    stem = keygen(bind, zone, 13)
    run(KENTER, "key", "import", "--keys", keys, stem)
    full = zone if zone.endswith(".") else zone + "."
    run(KENTER, "key", "export", "--keys", keys, "--to", "bind", "-o", out, full,
        int(stem.name.rsplit("+", 1)[1]))
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in bind.iterdir())
    assert private_lines(out / stem.name) == private_lines(stem)


def public_key(dnskey):
    """The key of a DNSKEY record as python-cryptography sees it."""
    algorithm, key = dnskey[3], dnskey[4:]
    if algorithm <= 10:
        length, at = (key[0], 1) if key[0] else (int.from_bytes(key[1:3], "big"), 3)
        e = int.from_bytes(key[at:at + length], "big")
        return rsa.RSAPublicNumbers(e, int.from_bytes(key[at + length:], "big")).public_key()
    if algorithm <= 14:
        curve = ec.SECP256R1() if algorithm == 13 else ec.SECP384R1()
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\4" + key)
    kind = ed25519.Ed25519PublicKey if algorithm == 15 else ed448.Ed448PublicKey
    return kind.from_public_bytes(key)


def verify(dnskey, data, signature):
    key, algorithm = public_key(dnskey), dnskey[3]
    if algorithm <= 10:
        digest = hashes.SHA256() if algorithm == 8 else hashes.SHA512()
        key.verify(signature, data, padding.PKCS1v15(), digest)
    elif algorithm <= 14:
        half = len(signature) // 2
        numbers = (int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        digest = hashes.SHA256() if algorithm == 13 else hashes.SHA384()
        key.verify(utils.encode_dss_signature(*numbers), data, ec.ECDSA(digest))
    else:
        key.verify(signature, data)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_library_agrees(tmp_path, algorithm):
    """Our signatures verify there; what is damaged is refused here and there alike."""
    keys = tmp_path / "keys"
    run(KENTER, "key", "new", "--keys", keys, "-a", algorithm, "example.com")
    messages = [bytes([n]) * (n * 7) for n in range(1, 40)]
    done = run(KEYTOOL, "sign", keys, "example.com.",
               input="".join(m.hex() + "\n" for m in messages))
    answers = [[bytes.fromhex(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert len(answers) == len(messages)
    asked, expected = [], []
    for n, (message, (dnskey, signature)) in enumerate(zip(messages, answers)):
        verify(dnskey, message, signature)
        damaged = bytearray(signature)
        damaged[n % len(damaged)] ^= 1 << (n % 8)
        for candidate in (signature, bytes(damaged)):
            try:
                verify(dnskey, message, candidate)
                expected.append("no error")
            except InvalidSignature:
                expected.append("does not match")
            asked.append(f"{dnskey.hex()} {message.hex()} {candidate.hex()}\n")
    assert run(KEYTOOL, "verify", input="".join(asked)).stdout.splitlines() == expected


def test_golden_vectors_are_what_dnspython_reads_in_them():
    """The octets that the unit tests take as signed are what the records of the RFCs give."""
    golden = json.loads((ROOT / "tests" / "golden" / "dnssec-algorithms.json").read_text())
    for vector in golden["signatures"]:
        owner, ttl, _, rdtype, rdata = vector["rrset"].split(" ", 4)
        rrset = dns.rrset.from_text(owner, int(ttl), "IN", rdtype, rdata)
        rrsig = dns.rdata.from_text("IN", "RRSIG", vector["rrsig"])
        data = rrsig.to_wire(origin=dns.name.root)[:18]
        data += rrsig.signer.to_digestable(dns.name.root)
        for record_ in rrset:
            wire = record_.to_digestable(dns.name.root)
            data += rrset.name.to_digestable(dns.name.root)
            data += rrset.rdtype.to_bytes(2, "big") + b"\0\1"
            data += rrsig.original_ttl.to_bytes(4, "big") + len(wire).to_bytes(2, "big") + wire
        assert data.hex() == vector["data"], vector["name"]
        if vector["name"].endswith("-printed"):
            continue  # made with a labels field that no validator accepts
        zone = dns.name.from_text(vector["zone"])
        keys = {zone: dns.rrset.from_text(zone, 3600, "IN", "DNSKEY", vector["dnskey"])}
        dns.dnssec.validate(rrset, dns.rrset.from_rdata(rrset.name, 3600, rrsig), keys,
                            now=rrsig.inception + 1)
    for name, text in golden["nsec3"]["names"]:
        assert dns.dnssec.nsec3_hash(name, golden["nsec3"]["salt"], golden["nsec3"]["iterations"],
                                     1).lower() == text
