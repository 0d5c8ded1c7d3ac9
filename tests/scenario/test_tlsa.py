"""kenter tlsa make and check: records from files of all kinds, and published ones beside real servers."""
import json

import pytest

from auth_support import Services
from cryptography.hazmat.primitives import serialization
from peers_support import KENTER, program, run


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Services(tmp_path_factory.mktemp("world")) as world:
        top = world.server("knot")
        world.own, world.next = world.identity("mx.host.test"), world.identity("next.host.test")
        world.authority = world.identity("authority.test", authority=True)
        world.leaf = world.identity("leaf.host.test", issuer=world.authority, days=5)
        lines = []
        for number, (name, records, identity, speaks, port, does) in enumerate((
                ("mx", [world.own.tlsa(), world.next.tlsa()], world.own, "smtp", 25, ""),
                ("wrong", [world.next.tlsa()], world.own, "smtp", 25, ""),
                ("odd", ["1 1 1 " + "00" * 32, "3 1 9 00", world.own.tlsa()], world.own, "smtp", 25, ""),
                ("none", [], world.own, "smtp", 25, ""),
                ("leaf", [world.authority.tlsa(2, 0, 1)], world.leaf, "tls", 443, ""),
                ("silent", [world.own.tlsa()], world.own, "smtp", 25, "silent"),
                ("other", [world.own.tlsa()], world.own, "smtp", 2525, ""))):
            address = f"127.0.3.{number + 1}"
            lines += [f"{name} A {address}"] + [f"_{port}._tcp.{name} TLSA {record}" for record in records]
            world.serve(address, port, speaks, identity, does)
        lines += ["both A 127.0.3.1", "both A 127.0.3.50", f"_25._tcp.both TLSA {world.own.tlsa()}"]
        world.serve("127.0.3.50", 25, "smtp", world.next)
        world.zone(".", [top])
        world.zone("host.test.", [top], "\n".join(lines))
        world.zone("plain.test.", [top], f"mx A 127.0.3.1\n_25._tcp.mx TLSA {world.own.tlsa()}", signed=False)
        world.start()
        world.resolver_used = world.unbound()
        yield world


def check(world, *arguments, code=0):
    done = world.kenter("tlsa", "check", "--anchor", world.anchor(), "--json", "--connect-timeout", "2", "--server",
                        world.resolver_used.address, *arguments, code=code, anchor=False)
    document = json.loads(done.stdout)
    return document, [finding["code"] for finding in document["findings"]]


def test_check(world):
    document, codes = check(world, "mx.host.test:25")
    assert [record["matches"] for record in document["tlsa"]["records"]].count("127.0.3.1@25") == 1
    assert codes == ["dane.tlsa-unmatched"]
    document, codes = check(world, "wrong.host.test:25", code=1)
    assert document["tlsa"]["proposed"] == [world.own.tlsa()]
    assert sorted(codes) == ["dane.tlsa-mismatch", "dane.tlsa-unmatched"]
    document, codes = check(world, "odd.host.test:25")
    assert codes.count("dane.tlsa-unusable") >= 2
    document, codes = check(world, "none.host.test:25", code=4)
    assert "dane.tlsa-absent" in codes and document["tlsa"]["proposed"] == [world.own.tlsa()]
    document, codes = check(world, "leaf.host.test:443")
    assert codes == ["dane.certificate-ends"]
    document, codes = check(world, "silent.host.test:25", code=1)
    assert codes == ["dane.tls-failed"]
    document, codes = check(world, "mx.plain.test:25", code=4)
    assert "dane.host-unsigned" in codes and document["tlsa"]["records"][0]["matches"] == "127.0.3.1@25"
    document, codes = check(world, "both.host.test:25", code=1)
    attempts = document["domains"][0]["endpoints"][0]["attempts"]
    assert sorted(attempt["result"] for attempt in attempts) == ["authenticated", "refused"]
    document, codes = check(world, "--starttls", "smtp", "other.host.test:2525")
    assert codes == []
    check(world, "nowhere.host.test:25", code=1)


def test_check_text(world):
    done = world.kenter("tlsa", "check", "--anchor", world.anchor(), "--server", world.resolver_used.address,
                        "wrong.host.test:25", code=1, anchor=False)
    assert f"a record that fits: _25._tcp.wrong.host.test. 3600 IN TLSA {world.own.tlsa()}" in done.stdout, done.stdout
    for wrong in ("host", "host:", "host:0", "host:99999", "..:25"):
        world.kenter("tlsa", "check", wrong, code=2, anchor=False)


def make(*arguments, code=0):
    return run(KENTER, "tlsa", "make", *arguments, code=code)


def same(text, record):
    usage, selector, matching, *data = text.split()
    return [usage, selector, matching, "".join(data).lower()] == record.split()


@pytest.mark.parametrize("usage, selector, matching", [(usage, selector, matching) for usage in range(4)
                                                       for selector in range(2) for matching in range(3)])
def test_make(world, usage, selector, matching):
    options = ["--usage", str(usage), "--selector", str(selector), "--mtype", str(matching)]
    for file in (world.own.file, world.own.der_file):
        assert same(make("--cert", str(file), *options).stdout, world.own.tlsa(usage, selector, matching))
    expected = (world.authority if usage in (0, 2) else world.leaf).tlsa(usage, selector, matching)
    assert same(make("--cert", str(world.leaf.file), *options).stdout, expected)


def test_make_from_keys(world, tmp_path):
    key = world.own.key
    public = tmp_path / "public"
    forms = [key.private_bytes(encoding, form, serialization.NoEncryption())
             for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
             for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)]
    forms += [key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
              for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)]
    request = tmp_path / "request"
    run(program("openssl"), "req", "-new", "-key", str(world.own.key_file), "-subj", "/CN=x", "-out", str(request))
    forms.append(request.read_bytes())
    for form in forms:
        public.write_bytes(form)
        assert same(make("--cert", str(public)).stdout, world.own.tlsa())
    make("--cert", str(public), "--selector", "0", code=1)


def test_make_names(world):
    done = make("--cert", str(world.own.file), "--cert", str(world.next.file), "--host", "MX.host.test.", "--port", "25",
                "--ttl", "5m")
    assert [line.split()[:4] for line in done.stdout.splitlines()] == 2 * [["_25._tcp.mx.host.test.", "300", "IN", "TLSA"]]
    document = json.loads(make("--json", "--cert", str(world.own.file), "--host", "b\u00fccher.test", "--port", "853",
                               "--transport", "udp").stdout)
    assert document["records"][0]["name"] == "_853._udp.xn--bcher-kva.test."
    assert "only" in make("--cert", str(world.own.file), "--usage", "1", "--host", "mx.host.test", "--port", "25").stderr
    assert "mx.host.test, not for" in make("--cert", str(world.own.file), "--usage", "1", "--host", "www.host.test",
                                           "--port", "443").stderr
    for wrong in (["--usage", "4"], ["--selector", "2"], ["--mtype", "3"], ["--port", "25"], ["--host", "a"],
                  ["--host", "a..b", "--port", "1"], ["--host", "a", "--port", "70000"]):
        make("--cert", str(world.own.file), *wrong, code=2)


def test_make_from_garbage(world, tmp_path):
    file = tmp_path / "file"
    whole = world.own.file.read_text()
    encrypted = world.own.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                            serialization.BestAvailableEncryption(b"secret")).decode()
    for text in ("", "nothing", "\0" * 5000, whole[:200], whole.replace("M", "!", 3), encrypted,
                 whole[:80] + whole[160:], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                 "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", whole * 65):
        file.write_text(text)
        done = make("--cert", str(file), code=1)
        assert done.stdout == "" and "[dane.material-bad]" in done.stderr, text
    make("--cert", str(tmp_path / "absent"), code=3)
    make("--cert", str(tmp_path), code=3)
    file.write_text("x" * 2000000)
    make("--cert", str(file), code=1)
