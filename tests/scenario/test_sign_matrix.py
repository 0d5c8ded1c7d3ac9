"""Whatever `kenter sign` writes, other people's verifiers accept: algorithms, NSEC, NSEC3, opt-out,
key arrangements, shapes of zones, and chains of edits signed one upon the other.

KENTER names the command; KENTER_BIG=1 makes the big zone 100 000 names instead of 5 000."""

import os
import pathlib
import random
import re
import subprocess

import pytest

KENTER = os.environ.get("KENTER", str(pathlib.Path(__file__).parents[2] / "build" / "kenter"))
ALGORITHMS = [8, 10, 13, 14, 15, 16]
DENIALS = {"nsec": [], "nsec3": ["--nsec3"], "optout": ["--nsec3", "--opt-out"]}
ARRANGEMENTS = {
    "csk": ["csk"],
    "split": ["ksk", "zsk"],
    "double": ["ksk", "ksk", "zsk", "zsk"],
}

HEAD = """\
$ORIGIN example.
$TTL 3600
@ SOA ns1 Hostmaster 7 7200 1800 1209600 900
@ NS ns1
@ NS ns2.other.test.
ns1 A 192.0.2.1
"""

SHAPES = {
    "one-name": "$ORIGIN example.\n$TTL 3600\n@ SOA a.test. b.test. 1 2 3 4 5\n@ NS a.test.\n"
                "@ NS b.test.\n",
    "wildcards": HEAD + "* TXT x\n*.w A 192.0.2.9\na.*.w A 192.0.2.9\nsub.w MX 0 ns1\n"
                        "x.*.v TXT y\n",
    "empty-non-terminals": HEAD + "a.b.c.d.e A 192.0.2.9\nx.c.d.e A 192.0.2.9\nz.e TXT z\n"
                                  "p.q.lonely NS ns.other.test.\nr.lonely NS ns.other.test.\n"
                                  "s.t.mixed NS ns.other.test.\nu.t.mixed A 192.0.2.9\n",
    "dname": HEAD + "d DNAME other.test.\nx.d2 DNAME other.test.\ne A 192.0.2.9\n",
    "cuts": HEAD + "c NS ns.c\nc NS ns.deep.c\nns.c A 192.0.2.5\nns.deep.c A 192.0.2.6\n"
                   "deep.c NS ns.deep.c\ndeep.c DS 1 13 2 " + "00" * 32 + "\n"
                   "s NS ns.s\nns.s AAAA 2001:db8::1\ns DS 1 13 2 " + "11" * 32 + "\n"
                   "s DS 1 13 4 " + "22" * 48 + "\nt NS ns.other.test.\n",
    "types": HEAD + "Mixed.Case MX 5 Mail.Example.\nmail A 192.0.2.7\n"
                    "u TYPE65400 \\# 3 010203\nu TXT a b\nsvc HTTPS 1 . alpn=h2\n"
                    "_s._tcp SRV 0 0 1 mail\n\\000\\255.esc TXT \"\\000\"\n"
                    "many A 192.0.2.1\nmany A 192.0.2.200\nmany A 192.0.2.30\n",
}
SHAPES["everything"] = HEAD + "".join(
    text.removeprefix(HEAD) for name, text in SHAPES.items() if name != "one-name")


def random_zone(seed, lines):
    """Few labels, so that names nest; what is invalid by itself is left out."""
    dice = random.Random(seed)
    labels = ["a", "b", "C", "*", "zz", "ns0", "mail", "\\000x"]
    text, cuts, aliases, data = [], set(), set(), set()
    for _ in range(lines):
        owner = ".".join(dice.choice(labels) for _ in range(dice.randint(1, 4)))
        kind = dice.choice(["A", "A", "A", "TXT", "MX", "NS", "NS", "DS", "DNAME", "CNAME"])
        key = owner.lower()
        if kind in ("NS", "DS", "DNAME", "CNAME") and "*" in owner:
            continue
        if kind == "CNAME":
            if key in data | cuts | aliases:
                continue
            aliases.add(key)
        elif key in aliases:
            continue
        if kind == "DNAME":
            if key in cuts | data:
                continue
            aliases.add(key)
        if kind in ("NS", "DS"):
            if kind == "DS" and key not in cuts or key in data:
                continue
            cuts.add(key)
        elif kind in ("A", "TXT", "MX"):
            if key in cuts:
                continue
            data.add(key)
        number = dice.randint(0, 200)
        rdata = {"A": f"192.0.2.{number}", "TXT": f"\"{number}\"", "MX": f"{number} Mail.other.test.",
                 "NS": f"ns{number}.other.test.", "DS": f"{number} 13 2 " + f"{number:02x}" * 32,
                 "DNAME": "d.other.test.", "CNAME": "c.other.test."}[kind]
        text.append((key, kind, f"{owner} {kind} {rdata}\n"))
    # kzonecheck takes data below a DNAME for an error, as the zone's fault and not the signer's.
    dnames = {key for key, kind, _ in text if kind == "DNAME"}
    return HEAD + "".join(line for key, _, line in text
                          if not any(key.endswith("." + above) for above in dnames))


def run(*command, cwd=None, check=True):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True,
                          timeout=300)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def sign(source, target, keys, *options):
    """The command's summary: made and kept signatures, serial."""
    done = run(KENTER, "sign", source, "-o", target, "--keys", keys, "--origin", "example.",
               "--allow-errors", "--brief", *options, check=False)
    text = done.stdout + done.stderr
    assert done.returncode in (0, 1) and pathlib.Path(target).exists(), text
    made = re.search(r"(\d+) signatures? made, (\d+) kept", text)
    serial = re.search(r"serial (\d+)", text)
    assert made and serial, text
    return int(made[1]), int(made[2]), int(serial[1])


def accept(path, arrangement="csk", skip=()):
    """All verifiers that can, accept the zone."""
    # With -z the SEP flag is ignored: a CSK has it and signs everything.
    dnssec_verify = ["dnssec-verify", "-q", "-o", "example.", path]
    if arrangement == "csk":
        dnssec_verify.insert(1, "-z")
    if "dnssec-verify" not in skip:
        run(*dnssec_verify)
    if "ldns" not in skip:
        run("ldns-verify-zone", path)
    if "kzonecheck" not in skip:
        run("kzonecheck", "-o", "example.", path)
    run(KENTER, "verify", path, "--origin", "example.")


def soa_first(path):
    """validns insists on the SOA as first record; canonical order has NS before it."""
    lines = pathlib.Path(path).read_text().splitlines(keepends=True)
    lines.sort(key=lambda line: line.split(None, 4)[3] != "SOA")
    other = pathlib.Path(f"{path}.soa-first")
    other.write_text("".join(lines))
    return other


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory):
    """Keys are made once for each algorithm and arrangement."""
    made = {}

    def directory(algorithm, arrangement):
        wanted = (algorithm, arrangement)
        if wanted not in made:
            path = tmp_path_factory.mktemp("keys") / "keys"
            for role in ARRANGEMENTS[arrangement]:
                run(KENTER, "key", "new", "example.", "--keys", path, "--role", role,
                    "--algorithm", algorithm, "--publish", "now-30d", "--activate", "now-30d")
            made[wanted] = path
        return made[wanted]
    return directory


def case(tmp_path, text, keys, arrangement, options, skip=()):
    source, target = tmp_path / "zone", tmp_path / "signed"
    source.write_text(text)
    sign(source, target, keys, *options)
    accept(target, arrangement, skip)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms(tmp_path, key_directory, algorithm, denial, arrangement):
    case(tmp_path, SHAPES["everything"], key_directory(algorithm, arrangement), arrangement,
         DENIALS[denial])


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(tmp_path, key_directory, shape, denial):
    case(tmp_path, SHAPES[shape], key_directory(8, "split"), "split",
         DENIALS[denial] + ["--zonemd", "sha384"])


# validns fails with OpenSSL 3 on every ECDSA signature, whoever made it, and knows neither EdDSA nor
# CDS, CDNSKEY, ZONEMD, HTTPS, escaped names and a * that is not the first label.
@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("algorithm", [8, 10])
@pytest.mark.parametrize("shape", ["one-name", "empty-non-terminals", "dname", "cuts"])
def test_validns(tmp_path, key_directory, shape, algorithm, denial):
    source, target, policy = (tmp_path / name for name in ("zone", "signed", "policy.yaml"))
    source.write_text(SHAPES[shape])
    policy.write_text("apex:\n  cds: false\n  cdnskey: false\n")
    sign(source, target, key_directory(algorithm, "split"), "--policy", policy, *DENIALS[denial])
    run("validns", "-z", "example.", soa_first(target))


def test_occluded(tmp_path, key_directory):
    """Data below a DNAME: kzonecheck refuses such zones, the others look at the signatures."""
    text = HEAD + "d DNAME other.test.\nbelow.d A 192.0.2.9\na.b.d NS ns.other.test.\ne TXT e\n"
    for denial in DENIALS.values():
        case(tmp_path, text, key_directory(13, "csk"), "csk", denial, skip=["kzonecheck"])


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("seed", range(8))
def test_random(tmp_path, key_directory, seed, denial):
    case(tmp_path, random_zone(seed, 30 + 30 * seed), key_directory(15, "csk"), "csk",
         DENIALS[denial])


@pytest.mark.parametrize("denial", DENIALS)
def test_big(tmp_path, key_directory, denial):
    names = 100_000 if os.environ.get("KENTER_BIG") else 5_000
    text = HEAD + "".join(
        f"n{i} NS ns.other.test.\n" + (f"n{i} DS {i % 65536} 13 2 {'ab' * 32}\n" if i % 5 == 0 else "")
        if i % 3 else f"h{i} A 192.0.2.{i % 250}\n" for i in range(names))
    case(tmp_path, text, key_directory(13, "split"), "split", DENIALS[denial])


def content(path):
    """The records without what differs between two signings: times and octets of signatures."""
    records = set()
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split()
        if words[3] == "SOA":
            words[6] = "serial"
        if words[3] == "RRSIG":
            words = words[:8] + words[10:11]
        records.add(" ".join(words))
    return records


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("arrangement", ["csk", "split"])
def test_edits(tmp_path, key_directory, arrangement, denial):
    """Edit upon edit, day upon day: accepted, equal to a full signing, serials that rise, and
    signatures kept while they are good."""
    keys = key_directory(13, arrangement)
    dice = random.Random(f"{arrangement} {denial}")
    lines = random_zone(100, 150).removeprefix(HEAD).splitlines(keepends=True)
    others = random_zone(200, 150).removeprefix(HEAD).splitlines(keepends=True)
    previous, last = None, 0
    for day in range(5):
        if day:
            for _ in range(3):
                lines.pop(dice.randrange(len(lines)))
                lines.append(f"e{day}." + dice.choice(others))
        source, target, full = (tmp_path / f"{what}{day}" for what in ("zone", "signed", "full"))
        source.write_text(HEAD + "".join(lines))
        # Back-dated, so that the last one is made now and can be verified now.
        options = DENIALS[denial] + ["--at", f"now-{4 - day}d" if day < 4 else "now"]
        made, kept, serial = sign(source, target, keys, *options,
                                  *(["--previous", previous] if previous else []))
        sign(source, full, keys, *options)
        assert content(target) == content(full)
        assert serial > last
        assert day == 0 or kept > made
        accept(target, arrangement)
        previous, last = target, serial
    made, kept, serial = sign(source, tmp_path / "same", keys, *DENIALS[denial],
                              "--previous", previous)
    assert (made, serial) == (0, last)
    assert (tmp_path / "same").read_text() == previous.read_text()
