"""What a hostile or unlucky user feeds to kenter: every input ends in a finding or an error that says
what and where, with the right exit code, in bounded time and memory, and never spoils an output."""
import base64
import itertools
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import struct
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
KENTER = os.environ.get("KENTER", str(TOP / "build" / "kenter"))
SANITIZED = "fuzz" in KENTER  # memory and time say little then

HEAD = """$ORIGIN example.
$TTL 3600
@ SOA ns1.example.net. h 1 7200 3600 1209600 300
@ NS ns1.example.net.
@ NS ns2.example.net.
"""
GOOD = HEAD + "www A 192.0.2.1\na.b.c TXT deep\n*.w TXT x\nsub NS ns.sub\nns.sub A 192.0.2.5\n"
MEMORY = 1 << 30
MEGABYTES = 40  # of the giant inputs: over the limit of an entry, and over any buffer


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.text = (out + err).decode("utf-8", "replace")

    def has(self, *words):
        for word in words:
            assert word in self.text, (word, self.text[:2000])
        return self


def kenter(*args, stdin=b"", seconds=20, **more):
    """Runs a verb within bounded memory. It must end by itself, not by a signal, and sanitizers be
    silent."""
    if not SANITIZED:
        more["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    process = subprocess.Popen([KENTER, *map(os.fsencode, args)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    try:
        out, err = process.communicate(stdin, timeout=seconds * (10 if SANITIZED else 1))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode in (0, 1, 2, 3), (process.returncode, out[-500:], err[-2000:])
    assert b"Sanitizer" not in err and b"runtime error" not in err, err[-3000:]
    return Result(process.returncode, out, err)


def check(tmp_path, body, code=1, head=HEAD, **more):
    """kenter check of a zone file, also as JSON; the codes of its findings."""
    path = tmp_path / "example.zone"
    content = body if isinstance(body, bytes) else body.encode("latin1")
    path.write_bytes(head.encode() + content)
    result = kenter("check", "--brief", path, **more)
    assert result.code == code, result.text[:2000]
    return result


def findings(*args, code=None):
    result = kenter(*args, "--json")
    document = json.loads(result.out or result.err)
    assert code is None or result.code == code, document
    return {finding["code"] for finding in document["findings"]}, document


@pytest.fixture
def place(tmp_path):
    (tmp_path / "example.zone").write_text(GOOD)
    return tmp_path


def sign(place, *more, code=0, zone="example.zone", output="out", keys="keys"):
    result = kenter("sign", "--brief", place / zone, "-o", place / output, "--keys", place / keys, *more)
    assert code is None or result.code == code, result.text[:2000]
    return result


def no_leftovers(folder):
    assert [name for name in os.listdir(folder) if name.startswith(".")] == []


# --- giant and senseless zone files ---

MEGABYTE = 1 << 20
GIANTS = {
    "plain": (b"a" * (MEGABYTES * MEGABYTE), "syntax.entry-too-long"),
    "quoted": (b'x TXT "' + b"a" * (MEGABYTES * MEGABYTE) + b'"\n', "syntax.entry-too-long"),
    "quote-left-open": (b'x TXT "' + b"a" * (MEGABYTES * MEGABYTE), "syntax.entry-too-long"),
    "parentheses": (b"x TXT (" + b" a" * (MEGABYTES * MEGABYTE // 2) + b")\n", "syntax.entry-too-long"),
    "comment": (b"; " + b"a" * (MEGABYTES * MEGABYTE) + b"\n", "syntax.entry-too-long"),
    "base64": (b"x DNSKEY 256 3 13 " + b"AAAA " * (MEGABYTES * MEGABYTE // 5) + b"\n",
               "syntax.entry-too-long"),
    "long-but-read": (b"x DNSKEY 256 3 13 " + b"A" * (15 * MEGABYTE) + b"\n", "syntax.bad-rdata"),
    "zeros": (b"\0" * (MEGABYTES * MEGABYTE), "syntax.entry-too-long"),
    "backslashes": (b"\\" * (10 * MEGABYTE), "syntax.bad-owner"),
    "quotes": (b'"' * (10 * MEGABYTE), "syntax.entry-too-long"),
    "open-parentheses": (b"(" * (10 * MEGABYTE), "syntax.parenthesis"),
    "nested-parentheses": (b"x A " + b"(" * 100000 + b"192.0.2.1" + b")" * 100000 + b"\n",
                           "syntax.parenthesis"),
    "many-open-parentheses": (b"x A 192.0.2.1 (\n" * 300000, "syntax.parenthesis"),
    "many-open-quotes": (b'x TXT "a\n' * 300000, "syntax.quote"),
    "parenthesis-over-all": (b"x TXT (\n" + b"y A 192.0.2.1\n" * (20 * MEGABYTE // 14), "syntax.parenthesis"),
    "origins": (b"$ORIGIN a\n" * 300000, "syntax.directive"),
    "dollars": (b"$\n" * 300000, "syntax.directive"),
}


def spent():
    """Seconds that commands have computed until now, whatever else the machine does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", GIANTS)
def test_giant(name, tmp_path):
    content, code = GIANTS[name]
    before = spent()
    result = check(tmp_path, content).has(f"[{code}]", "example.zone:")
    assert len(result.out) < 100000
    assert SANITIZED or spent() - before < 5


def test_binary():
    for content in (open(KENTER, "rb").read(), random.Random(1).randbytes(2 * MEGABYTE)):
        assert kenter("check", "--brief", "-", stdin=content).code == 1


def test_truncated(tmp_path):
    """A zone that is cut off anywhere within a line is never taken for whole."""
    whole = GOOD.encode()
    for end in range(0, len(whole), 7):
        result = kenter("check", "--brief", "--strict", "-", stdin=whole[:end])
        assert whole[:end].endswith(b"\n") or result.code == 1, result.text


def test_lines_that_never_end():
    result = kenter("check", "--brief", "/dev/zero").has("/dev/zero", "a line in it does not end")
    assert result.code == 3
    assert kenter("verify", "--brief", "/dev/full").code == 3


def test_empty(tmp_path):
    for content, words in (("", "the file is empty"), ("; one\n; two\n", "no record in the file")):
        check(tmp_path, content, head="").has(words, "[syntax.no-records]")
    assert kenter("sign", tmp_path / "example.zone", "--keys", tmp_path / "keys").code == 1
    assert kenter("verify", tmp_path / "example.zone").code == 1
    assert not (tmp_path / "example.zone.signed").exists()


# --- $INCLUDE and $GENERATE ---

def test_include(tmp_path):
    (tmp_path / "a.inc").write_text("$INCLUDE b.inc\n")
    (tmp_path / "b.inc").write_text("$INCLUDE a.inc\n")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    check(tmp_path, "$INCLUDE a.inc\n").has("includes itself", "b.inc:1:10")
    check(tmp_path, "$INCLUDE example.zone\n").has("includes itself")
    for path in ("/etc/passwd", "../" * 20 + "etc/passwd", "link", "/dev/zero", "/dev/stdin"):
        result = check(tmp_path, f"$INCLUDE {path}\n").has("[syntax.include]", "example.zone:6:10")
        assert "root:" not in result.text
    (tmp_path / "folder").mkdir()
    for path in ("folder", "fifo"):
        check(tmp_path, f"$INCLUDE {path}\n").has("is not a regular file")
    check(tmp_path, "$INCLUDE\n$INCLUDE \"\"\n$INCLUDE missing\n$INCLUDE a.inc b c\n").has(
        "needs an argument", "does not exist", "one argument too many")
    kenter("check", "-b", "--include-anywhere", tmp_path / "example.zone", "--origin", "example")
    (tmp_path / "example.zone").write_text(HEAD + "$INCLUDE /dev/zero\n")
    kenter("check", "-b", "--include-anywhere", tmp_path / "example.zone").has("not a regular file")


def test_include_bomb(tmp_path):
    for i in range(9):
        (tmp_path / f"{i}.inc").write_text(f"$INCLUDE {i + 1}.inc\n" * 10)
    (tmp_path / "9.inc").write_text("x A 192.0.2.1\n")
    check(tmp_path, "$INCLUDE 0.inc\n").has("[syntax.include]")


@pytest.mark.parametrize("line,code", [
    ("0-4294967295 h$ A 192.0.2.1", "syntax.generate-limit"),
    ("0-1000000 h$ A 192.0.2.1", "syntax.generate-limit"),
    ("0-4294967296 h$ A 192.0.2.1", "syntax.generate"),
    ("10-0 h$ A 192.0.2.1", "syntax.generate"), ("0-10/0 h$ A 192.0.2.1", "syntax.generate"),
    ("-1-3 h$ A 192.0.2.1", "syntax.generate"), ("0-3 h${0,0,q} A 192.0.2.1", "syntax.generate"),
    ("0-3 h${9999999999999999,3,d} A 192.0.2.1", "syntax.generate"),
    ("0-3 h${ A 192.0.2.1", "syntax.generate"), ("0-3 $INCLUDE /etc/passwd", "syntax."),
    ("0-3 h${0,4294967295,d} A 192.0.2.1", "syntax."), ("0-3 h${0,100000,d} A 192.0.2.1", "syntax."),
    ("0-999999 $ TXT " + "${0,255,d}" * 60, "syntax."),
], ids=itertools.count())
def test_generate(line, code, tmp_path):
    result = check(tmp_path, f"$GENERATE {line}\n").has("example.zone:6:", f"[{code}")
    assert len(result.out) < 60000


# --- records at and over the limits ---

LABEL = "a" * 63


@pytest.mark.parametrize("body,words", [
    (f"{LABEL} A 192.0.2.1\n", None),
    (f"{LABEL}a A 192.0.2.1\n", "[syntax.bad-owner]"),
    (f"{LABEL}.{LABEL}.{LABEL}.{'a' * 53} A 192.0.2.1\n", None),        # 255 octets in all
    (f"{LABEL}.{LABEL}.{LABEL}.{'a' * 54} A 192.0.2.1\n", "[syntax.bad-owner]"),
    (f"x DNAME {LABEL}.{LABEL}.{LABEL}.{'a' * 61}.\n", None),
    (f"x DNAME {LABEL}.{LABEL}.{LABEL}.{'a' * 62}.\n", "more than 255 octets"),
    (f"x TYPE65280 \\# 65000 {'00' * 65000}\n", None),
    (f"x TYPE65280 \\# 65535 {'00' * 65535}\n", "[zone.rrset-too-large]"),
    (f"x TYPE65280 \\# 65536 {'00' * 65536}\n", "[syntax.bad-rdata]"),
    (f"x TXT {' '.join(['a' * 255] * 256)}\n", "longer than 65535"),
    (f"x TXT {'a' * 256}\n", "[syntax.bad-rdata]"),
    ("x DNSKEY 256 3 13 AAA\n", "not base64"), ("x DNSKEY 256 3 13 A$AA\n", "must be base64"),
    ("x TYPE65280 \\# 2 abc\n", "odd number"), ("x TYPE65280 \\# 2 zz\n", "hexadecimal"),
    ("x DS 1 13 2 abc\n", "odd number"), ("x NSEC y A FOO\n", 'not "FOO"'),
    ("x NSEC y A TYPE65536\n", 'not "TYPE65536"'),
    ("x TYPE47 \\# 3 000000\n", "bitmap"), ("x TYPE47 \\# 4 00000140\n", None),
    ("x TYPE47 \\# 4 00000100\n", "bitmap"), ("x TYPE47 \\# 6 000001ff00\n", "not the 6 it says"),
    ("x NSEC3 1 0 5 zz AAAA A\n", "salt"), ('x TXT "\\256"\n', "escapes"), ("x TXT \\25\n", "escapes"),
    ('x X25 "abc"\n', "must consist of digits"), ("x X25 311061700956\n", None),
    ("x A 192.0.2\n", "IPv4"), ("x AAAA ::1::2\n", "IPv6"), ("x MX 65536 a\n", "0 to 65535"),
    ("x TTT a\n", "[syntax.unknown-type]"), ("x 99999999999 A 192.0.2.1\n", "[syntax.bad-ttl]"),
    ("x CH A 192.0.2.1\n", "[syntax.class]"), ("x A 192.0.2.1\ry A 192.0.2.1\r", "must end here"),
    ("foo.com. A 192.0.2.1\n", "[zone.out-of-zone]"), ("@ SOA a b 2 7200 3600 1209600 300\n", "[zone.soa-multiple]"),
    ("x SOA a b 2 7200 3600 1209600 300\n", "[zone.soa-not-at-apex]"),
], ids=itertools.count())
def test_limits(body, words, tmp_path):
    path = tmp_path / "example.zone"
    path.write_text(HEAD + body)
    result = kenter("check", "--brief", path)
    if words is None:
        assert "syntax." not in result.text and "too-large" not in result.text, result.text
    else:
        assert result.code == 1
        result.has(words, "example.zone:6:")
        assert kenter("sign", path, "--keys", tmp_path / "keys", "-o", tmp_path / "out").code == 1
        assert not (tmp_path / "out").exists() and not (tmp_path / "keys").exists()


def test_lines_of_other_systems(tmp_path):
    check(tmp_path, "x A 192.0.2.1\r\ny A 192.0.2.2\r\n", head=HEAD.replace("\n", "\r\n"), code=0)
    check(tmp_path, "x A 192.0.2.1\n", head="$ORIGIN example.\n$TTL 1\n").has("[zone.soa-missing]")
    check(tmp_path, HEAD.encode("utf-16"), head="").has("UTF-16")


def test_large_sets(tmp_path):
    body = "".join(f"x A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(100000))
    check(tmp_path, body).has("65535 are kept", "[zone.rrset-too-large]")
    body = "".join(f'x TXT "{i:05}{"a" * 250}"\n' for i in range(300))
    check(tmp_path, body).has("[zone.rrset-too-large]")


def test_deep_names(tmp_path):
    """Names of 127 labels, and names that share nothing but the apex: many empty non-terminals."""
    chain = ".".join("a" * 118)
    body = "".join(f"{i}.{chain} A 192.0.2.1\n" for i in range(300))
    body += "".join(".".join(str((i * 7919 + k * 31) % 1000) for k in range(30)) + " TXT x\n" for i in range(200))
    check(tmp_path, body, code=0)
    for denial in ((), ("--nsec3",)):
        sign(tmp_path, *denial, "--verify")
        assert kenter("verify", tmp_path / "out").code == 0


def test_odd_zones(tmp_path):
    """The root, a zone with odd octets in its name, names that no host has."""
    root = (". 86400 SOA a. b.c. 1 7200 3600 1209600 300\n. 86400 NS ns.x.\n. 86400 NS ns2.x.\n"
            "x. 86400 NS ns.x.\nx. 86400 NS ns2.x.\nns.x. 86400 A 9.9.9.9\nns2.x. 86400 A 9.9.9.10\n")
    odd = HEAD.replace("example.\n", "a/b\\000\\.\\\\.x.\n", 1)
    names = HEAD + "\\000\\255\\. TXT x\nA.B\\.c TXT x\n\\047x/ TXT x\n\\@ TXT \"\\000\\255\\\"\\\\\"\n\xe4\xf6 TXT \xe4\n"
    for i, text in enumerate((root, odd, names)):
        path = tmp_path / f"{i}.zone"
        path.write_bytes(text.encode("latin1"))
        for denial in ((), ("--nsec3",)):
            sign(tmp_path, "--verify", *denial, zone=path.name, output="out")
            assert kenter("verify", "-b", tmp_path / "out").code == 0
    assert {name[0] for name in os.listdir(tmp_path / "keys")} == {"@", "a", "e"}


# --- JSON of anything ---

def test_json_of_odd_bytes(place):
    path = os.fsencode(place) + b'/odd\xff"\\\n\x01\xc3\x28.zone'
    with open(path, "wb") as file:
        file.write(HEAD.encode() + b'\xff\xfe\x80 TXT "\xc0\xaf\xed\xa0\x80"\n\x01 A 1\n\xff\xff CNAME "\xff\n'
                   b'x TXT \x7f\x9b31m\nfoo\xff TYP\xff 3\n$INCLUDE \xff"\n$\xff\nx A \xff\n')
    for verb in (["check"], ["verify"], ["format"], ["format", "--style", "json"],
                 ["sign", "--keys", place / "keys", "-o", "-"], ["diff", place / "example.zone"]):
        assert findings(*verb, path, code=1)[0]
    text = kenter("check", "-b", path).out
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text)
    with open(path, "wb") as file:
        file.write(HEAD.encode() + b'\\000\\255\\"\\\\ TXT "\\000\\255\\"\\\\" \xff\nx TYPE65300 \\# 2 ff00\n'
                   b'y CAA 0 issue "\\255"\nz HTTPS 1 . alpn="\\255" key65400="\\000\\255\\""\n')
    records = json.loads(kenter("format", "--style", "json", path).out)
    assert len(records) == 7 and records[0]["type"] == "SOA"
    assert len(findings("diff", path, place / "example.zone", code=0)[1]["changes"]) > 5


def test_locale(place):
    environment = {**os.environ, "LC_ALL": "C", "LANG": "tr_TR.ISO8859-9"}
    path = place / "k\xf6y.zone"
    path.write_bytes(GOOD.encode() + b"I\xdd TXT \xfe\nTITLE.i TXT x\n")
    a = kenter("format", path, env=environment).out
    assert a == kenter("format", path, env={**os.environ, "LC_ALL": "C.UTF-8"}).out and b"TITLE.i" in a


# --- keys ---

def key_file(place, suffix):
    return next((place / "keys").glob("*" + suffix))


def spoil_empty(path): path.write_bytes(b"")
def spoil_cut(path): path.write_bytes(path.read_bytes()[:100])
def spoil_random(path): path.write_bytes(random.Random(2).randbytes(3000))
def spoil_giant(path): path.write_bytes(b"A" * 5000000)
def spoil_open(path): path.chmod(0o666)


def spoil_fifo(path):
    path.unlink()
    os.mkfifo(path)


def spoil_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def spoil_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("suffix", [".json", ".pem"])
@pytest.mark.parametrize("spoil", [spoil_empty, spoil_cut, spoil_random, spoil_giant, spoil_open, spoil_fifo,
                                   spoil_link, spoil_device])
def test_spoilt_key(spoil, suffix, place):
    sign(place)
    before = (place / "out").read_bytes()
    path = key_file(place, suffix)
    spoil(path)
    sign(place, code=1).has(path.name, "[key.")
    assert (place / "out").read_bytes() == before
    no_leftovers(place)
    assert len(list((place / "keys").glob("*.json"))) == 1, "no new key is made beside a bad one"


def test_half_a_key(place):
    """A key without metadata may be the one that the parent's DS names: nothing new is made."""
    sign(place)
    key_file(place, ".json").unlink()
    sign(place, code=1).has("[key.orphan]", "no new key was made")
    assert len(os.listdir(place / "keys")) == 1


def test_keys_that_are_no_directory(place):
    for path in ("example.zone", "missing/deep/keys"):
        sign(place, keys=path, code=3).has("[file.un")
    assert kenter("key", "list", "--keys", place / "nowhere").code == 3
    assert kenter("key", "import", place / "nothing", "--keys", place / "keys").code == 3
    assert kenter("key", "import", "/dev/zero", "--keys", place / "keys").code in (1, 3)


def test_keys_out_of_time(place):
    """None signs yet, or none any more; what the time wraps around at."""
    kenter("key", "new", "example", "--keys", place / "keys", "--publish", "now", "--activate", "now+1d")
    sign(place, code=1).has("[sign.no-key]")
    for at in ("20380119031407", "20380119031408", "21060207062815", "21060207062816", "22000101000000"):
        sign(place, "--at", at)
        assert kenter("verify", "-b", "--at", at, place / "out").code == 0
        assert kenter("verify", "-b", place / "out").code == 1


# --- output and --previous ---

def test_output(place):
    sign(place)
    before = (place / "out").read_bytes()
    assert before.split(b"\n")[0].split()[3] == b"SOA"
    for output in ("no/such/out", ".", "x" * 256):
        sign(place, output=output, code=3).has("[file.unwritable]")
    shutil.copy(place / "example.zone", place / "same.zone")
    for _ in range(2):
        sign(place, zone="same.zone", output="same.zone")
        assert kenter("verify", place / "same.zone").code == 0
    assert (place / "out").read_bytes() == before
    no_leftovers(place)


def test_previous(place):
    sign(place)
    good = (place / "out").read_text()
    (place / "other.zone").write_text(GOOD.replace("example.\n", "other.\n", 1))
    sign(place, zone="other.zone", output="other")
    sign(place, output="foreign", keys="keys2")
    (place / "damaged").write_text(re.sub(r"=$", "", good, flags=re.M))
    (place / "cut").write_text(good[:len(good) // 2])
    (place / "empty").write_text("")
    # The key directory of before is not there: new keys would leave the parent's DS behind.
    result = sign(place, "--previous", place / "foreign", output="next", code=1)
    result.has("[sign.keys-all-new]")
    assert not (place / "next").exists()
    sign(place, "--previous", place / "foreign", "--new-keys", output="next")
    assert kenter("verify", "-b", place / "next").code == 0
    for previous in ("example.zone", "other", "damaged", "cut", "empty", ".", "missing", "out"):
        sign(place, "--previous", place / previous, output="next")
        assert kenter("verify", "-b", place / "next").code == 0, previous
    sign(place, "--previous", place / "out", output="out")
    assert kenter("verify", "-b", place / "out").code == 0


def test_previous_with_wrong_signature(place):
    """--verify sees what reading cannot, and does not blame a line of the input for it."""
    sign(place)
    signed = (place / "out").read_text()
    wrong = re.sub(r"(RRSIG\tTXT .* )(..)(\S+==)$",
                   lambda m: m[1] + ("AA" if m[2] != "AA" else "BB") + m[3], signed, flags=re.M)
    assert wrong != signed
    (place / "old").write_text(wrong)
    result = sign(place, "--previous", place / "old", "--verify", output="next", code=1)
    result.has("[verify.rrsig-bad]", "a.b.c.example. RRSIG")
    assert "example.zone:" not in result.text and not (place / "next").exists()


def closed(place, *args, streams):
    command = " ".join([f"'{KENTER}'", *[f"'{arg}'" for arg in args], streams])
    return subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)


def test_closed_streams(place):
    """Reports never get into files that took the number of a closed stream."""
    for streams in ("<&- >&- 2>&-", ">&- 2>&-", ">&-", "<&-"):
        closed(place, "sign", place / "example.zone", "-o", place / "out", "--keys", place / "keys",
               streams=streams)
        for line in (place / "out").read_text().splitlines():
            assert "\tIN\t" in line
    for args in (["check", place / "example.zone"], ["version"], ["help"], ["format", place / "example.zone"]):
        assert closed(place, *args, streams=">&-").returncode == 3
    result = closed(place, "format", place / "example.zone", streams=">&-")
    assert b"<stdin>" not in result.stderr
    assert closed(place, "check", "-", streams="<&-").returncode == 3


def test_reader_that_leaves(place):
    (place / "big.zone").write_text(HEAD + "".join(f"h{i} A 192.0.2.1\n" for i in range(20000)))
    for verb in ("format", "format --style json", "explain --all", "man"):
        operand = place / "big.zone" if "format" in verb else ""
        script = f"'{KENTER}' {verb} {operand} --origin example | head -1"
        script = script.replace("--origin example", "") if "format" not in verb else script
        result = subprocess.run(["bash", "-c", f"{script}; exit ${{PIPESTATUS[0]}}"], capture_output=True,
                                timeout=60, preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        assert result.returncode in (0, 3, 128 + signal.SIGPIPE) and b"Sanitizer" not in result.stderr


# --- signed zones made to cost ---

def tag(rdata):
    total = sum(byte << 8 if i % 2 == 0 else byte for i, byte in enumerate(rdata))
    return (total + (total >> 16 & 0xffff)) & 0xffff


def keys_with_tag(wanted, flags, count, seed=3):
    """P-256 keys (points or not) whose tag is `wanted`."""
    source = random.Random(seed)
    while count > 0:
        key = bytearray(source.randbytes(62) + b"\0\0")
        head = struct.pack("!HBB", flags, 3, 13)
        for _ in range(3):
            off = (wanted - tag(head + key)) % 65536
            key[62:64] = struct.pack("!H", (key[62] << 8 | key[63]) + off & 0xffff)
        if tag(head + key) == wanted:
            yield base64.b64encode(key).decode()
            count -= 1


def test_key_trap(place):
    """1000 keys with one tag, thousands of signatures on each set (CVE-2023-50387)."""
    sign(place)
    signed = (place / "out").read_text()
    flags, key = re.search(r"DNSKEY\t(\d+) 3 13 (\S+)", signed).groups()
    wanted = tag(struct.pack("!HBB", int(flags), 3, 13) + base64.b64decode(key))
    keys = "".join(f"example. 3600 IN DNSKEY {flags} 3 13 {key}\n" for key in keys_with_tag(wanted, int(flags), 1000))
    source = random.Random(4)
    signatures = "".join(line.rsplit(" ", 1)[0] + " " + base64.b64encode(source.randbytes(64)).decode() + "\n"
                         for line in signed.splitlines() if "\tRRSIG\t" in line for _ in range(1000))
    for trap in (keys, signatures, keys + signatures):
        (place / "trap").write_text(signed + trap)
        before = spent()
        result = kenter("verify", "-b", place / "trap")
        assert result.code == 1 and spent() - before < (20 if SANITIZED else 3)
        result.has("[verify.budget]")
        # What an attacker put into the last version is not published.
        sign(place, "--previous", place / "trap", "--verify", output="next", code=None)
        if (place / "next").exists():
            assert kenter("verify", "-b", place / "next").code == 0
    # Shown to people, too, it takes no long search.
    kenter("format", "--style", "pretty", place / "trap")


def test_costly_nsec3(place):
    sign(place, "--nsec3")
    signed = (place / "out").read_text()
    for salt in ("-", "AB" * 255):
        for iterations in (2500, 65535):
            text = re.sub(r"(NSEC3(?:PARAM)?\t1 \d) 0 -", rf"\g<1> {iterations} {salt}", signed)
            assert text != signed
            (place / "costly").write_text(text)
            kenter("verify", "-b", place / "costly").has("[verify.nsec3-iterations]", "not checked")


# --- the daemon ---

def test_daemon_among_bad_files(place):
    """What is no zone, or none that can be read, does not keep the good ones from being signed."""
    zones = place / "zones"
    zones.mkdir()
    shutil.copy(place / "example.zone", zones)
    (zones / "bin.zone").write_bytes(random.Random(5).randbytes(50000))
    (zones / "empty.zone").write_bytes(b"")
    (zones / "zero.zone").symlink_to("/dev/zero")
    os.mkfifo(zones / "fifo.zone")
    (zones / "folder.zone").mkdir()
    (zones / "..zone").write_text(GOOD)
    daemon = pathlib.Path(KENTER).with_name("kenterd")
    call = [daemon, "--data", place / "data", "--once", "--zones"]
    result = subprocess.run([*call, zones], capture_output=True, timeout=60)
    assert result.returncode == 1 and b"Sanitizer" not in result.stderr
    assert os.listdir(place / "data" / "signed") == ["example.zone"]
    assert subprocess.run([*call, place / "nowhere"], capture_output=True, timeout=60).returncode == 3


# --- the command line ---

@pytest.mark.parametrize("at", ["nonsense", "", "@", "@-1", "@99999999999999999999", "20261399000000", "20260230",
                                "now+", "now+999999999999999999w", "-1", "0", "99999999999999", "2026-13-01", "1e9"])
def test_times(at, place):
    result = kenter("verify", "--at", at, place / "example.zone")
    assert result.code == 2
    result.has("--at takes a time")


def test_threads(place):
    for threads in ("0", "1", "64", "99999999", "4294967295"):
        sign(place, "--threads", threads)
        assert kenter("verify", "-b", "--threads", threads, place / "out").code == 0
    for threads in ("-1", "1.5", "4294967296", "abc", ""):
        assert kenter("check", "--threads", threads, place / "example.zone").code == 2


def test_files_of_ds_and_policy(place):
    sign(place)
    for path in ("/nonexistent", str(place), "/dev/zero"):
        found, document = findings("verify", place / "out", "--ds", "@" + path, code=None)
        assert found == {"file.unreadable"} and not document["ok"]
    for path in ("/dev/zero", KENTER):
        sign(place, "--policy", path, code=1).has("[policy.invalid]")
    sign(place, "--policy", place, code=3)
