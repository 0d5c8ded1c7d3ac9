"""Records of keys of people and hosts: made from files, compared with those of the programs that own the keys, and given
only when they are secure."""
import base64
import os
import re

import pytest

from auth_support import Identity
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from peers_support import KENTER, program, run
from world_support import World

NAME = "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"  # of "hugh": RFC 7929 section 3, RFC 8162 section 3


def packet(tag, body):
    return bytes([0xc0 | tag, 255]) + len(body).to_bytes(4, "big") + body


USER = packet(13, b"Hugh <hugh@good.test>")
PUBLIC = packet(6, b"\x04" + bytes(50))


def crc24(data):
    """RFC 9580 section 6.1.1, by division of the whole as one number."""
    value = int.from_bytes(data + bytes(3), "big") ^ 0xb704ce << 8 * len(data)
    for bit in range(8 * len(data) + 23, 23, -1):
        value ^= (0x1864cfb << bit - 24) if value >> bit & 1 else 0
    return value.to_bytes(3, "big")


def armor(data, kind="PUBLIC", sum_of=None):
    text, end = base64.encodebytes(data).decode(), base64.b64encode(crc24(sum_of or data)).decode()
    return f"-----BEGIN PGP {kind} KEY BLOCK-----\nComment: x\n\n{text}={end}\n-----END PGP {kind} KEY BLOCK-----\n".encode()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys")
    (path / "key.gpg").write_bytes(PUBLIC + USER)
    (path / "key.asc").write_bytes(armor(PUBLIC + USER))
    for kind in ("ed25519", "ecdsa", "rsa"):
        run(program("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", path / kind)
    return path


def make(verb, *arguments, code=0):
    return run(KENTER, verb, "make", *arguments, code=code)


def test_sshfp(files):
    for kind in ("ed25519", "ecdsa", "rsa"):
        theirs = run(program("ssh-keygen"), "-r", "host.good.test", "-f", files / f"{kind}.pub").stdout
        ours = make("sshfp", "--sha1", "--host", "host.good.test", files / f"{kind}.pub").stdout
        assert [line.split()[-3:] for line in ours.lower().splitlines()] == [
            line.split()[-3:] for line in theirs.lower().splitlines()]
        blob = (files / f"{kind}.pub").read_text().split()
        (files / "known").write_text(f"# comment\n\nhost,192.0.2.1 {blob[0]} {blob[1]} c\n")
        assert make("sshfp", files / "known").stdout.split() == ours.splitlines()[1].split()[-3:]


@pytest.mark.parametrize("text", ["", "#\n", "nothing", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!!",
                                  "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==", "\0\0\0", "x " * 1000])
def test_sshfp_garbage(tmp_path, text):
    (tmp_path / "key").write_text(text)
    assert "[dane.material-bad]" in make("sshfp", tmp_path / "key", code=1).stderr


def test_openpgpkey(files):
    expected = [f"{NAME}._openpgpkey.good.test.", "3600", "IN", "OPENPGPKEY"]
    for name in ("key.gpg", "key.asc"):
        done = make("openpgpkey", "hugh@good.test", files / name)
        assert done.stdout.split()[:4] == expected and not done.stderr
        assert base64.b64decode("".join(done.stdout.split()[4:])) == PUBLIC + USER
    for odd in (armor(PUBLIC + USER, sum_of=USER), armor(PUBLIC + USER).replace(b"\n-----END", b"!\n-----END"),
                armor(PUBLIC + USER)[:-38] + b"\n-----END PGP PUBLIC KEY BLOCK-----\n"):
        (files / "odd.asc").write_bytes(odd)
        assert "the checksum of its armor" in make("openpgpkey", "hugh@good.test", files / "odd.asc").stderr, odd
    (files / "without.asc").write_bytes(re.sub(rb"\n=.*", b"", armor(PUBLIC + USER)))
    assert not make("openpgpkey", "hugh@good.test", files / "without.asc").stderr
    assert "[dane.material-odd]" in make("openpgpkey", "bob@good.test", files / "key.gpg").stderr
    assert NAME not in make("openpgpkey", "Hugh@good.test", files / "key.gpg").stdout
    for wrong in ("hugh", "@good.test", "hugh@", "a b@good.test", '"a"@good.test', "x" * 65 + "@good.test"):
        make("openpgpkey", wrong, files / "key.gpg", code=2)


@pytest.mark.parametrize("data", [
    b"", b"nothing", PUBLIC, USER + PUBLIC, PUBLIC + USER + PUBLIC, packet(5, bytes(9)) + USER, PUBLIC + USER + b"\x99",
    PUBLIC + USER + packet(7, bytes(9)), PUBLIC[:-3], b"\xc6\xff\xff\xff\xff\xff", b"\xc6\xe0", b"\xff" * 4096,
    armor(PUBLIC), armor(PUBLIC + USER)[:-60], armor(PUBLIC + USER, "PRIVATE"), b"-----BEGIN PGP PUBLIC KEY BLOCK-----",
    armor(PUBLIC + USER).replace(b"A", b"*"), PUBLIC + USER + packet(2, bytes(70000)), os.urandom(5000)],
    ids=lambda data: str(len(data)))
def test_openpgpkey_garbage(tmp_path, data):
    (tmp_path / "key").write_bytes(data)
    done = make("openpgpkey", "hugh@good.test", tmp_path / "key", code=1)
    assert done.stdout == "" and "[dane.material-bad]" in done.stderr


def test_get(files, tmp_path):
    identity = Identity(files, "hugh.good.test")
    key = rsa.generate_private_key(65537, 2048)
    (files / "rsa.pem").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM,
                                                                  serialization.PublicFormat.SubjectPublicKeyInfo))
    records = "".join(done.stdout for done in (
        make("openpgpkey", "hugh@good.test", files / "key.asc"), make("smimea", "hugh@good.test", identity.file),
        make("sshfp", "--host", "host.good.test", files / "ed25519.pub"),
        make("ipseckey", "--host", "host.good.test", "--gateway", "2001:db8::1", files / "rsa.pem")))
    with World(tmp_path) as world:
        server = world.server("knot")
        world.zone(".", [server])
        world.zone("good.test.", [server], records)
        world.zone("plain.test.", [server], records.replace("good.test", "plain.test"), signed=False)
        world.zone("expired.test.", [server], records.replace("good.test", "expired.test"), at="now-40d")
        world.start()
        resolver = ["--server", world.unbound().address, "--anchor", world.anchor()]

        def get(verb, *arguments, code=0):
            return world.kenter(verb, "get", *arguments, *resolver, code=code, anchor=False)

        for verb, what in (("openpgpkey", "hugh@{}"), ("smimea", "hugh@{}"), ("sshfp", "host.{}"), ("ipseckey", "host.{}")):
            assert verb.upper() in get(verb, what.format("good.test")).stdout
            for domain, code in (("plain.test", 4), ("expired.test", 1)):
                done = get(verb, what.format(domain), code=code)
                assert done.stdout == "" and "[dane.not-secure]" in done.stderr
            done = get(verb, what.format("nothing.good.test"), code=6)
            assert done.stdout == "" and "proved" in done.stderr
        get("openpgpkey", "-o", tmp_path / "out", "hugh@good.test")
        assert (tmp_path / "out").read_bytes() == PUBLIC + USER
        pem = get("smimea", "-o", "-", "hugh@good.test").stdout
        assert pem.encode() == identity.certificate.public_bytes(serialization.Encoding.PEM)
