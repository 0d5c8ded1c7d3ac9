"""Servers that stall, drop, talk garbage, talk without end or inject text before TLS, at each step of each protocol; and
servers with strange certificates. All have TLSA records that match, so that whoever is too trusting says "authenticated"."""
import json
import re
import time
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from auth_support import Services
from scripted import PROTOCOLS

SERVICES = {"submission": "smtp", "imap": "imap", "pop3": "pop3", "sieve": "sieve", "xmpp-server": "xmpp", "xmpp-client": "xmpp",
            "imaps": "tls"}
HOST = "127.0.8.1"
TIMEOUT = 2    # seconds for each server; all of a service are asked at once
DEADLINE = 15  # for all of them, on a busy machine

# What is said of it, wherever it happens.
WHATS = {
    "silent": "in time", "half": "in time", "slow": "in time|answers \"|TLS handshake", "drop": "closes the connection|handshake fails",
    "garbage": "no text|no XML|answers \"|handshake fails", "null": "no text|no XML",
    "flood": "without an end|without end|no XML|handshake fails", "more": "without end|before it is asked|answers \"|TLS handshake|injection",
}
ONLY_AT = {
    ("no-tls", ""): "does not offer it", ("old-tls", ""): "no TLS 1.2 or better", ("refuse", "consent"): "answers \"|refuses it",
    ("inject", "consent"): "injection", ("early", "offer"): "before it is asked", ("half", "tls"): "in time",
    ("silent", "tls"): "in time", ("slow", "tls"): "in time", ("drop", "tls"): "closes the connection|handshake fails",
    ("garbage", "tls"): "is no TLS", ("flood", "tls"): "handshake fails",
}


def cases(service):
    """(what, step, words of the reason)."""
    steps = PROTOCOLS.get(SERVICES[service], {"steps": {}})["steps"]
    found = [(what, step, words) for step in steps for what, words in WHATS.items()]
    return found + [(what, step, words) for (what, step), words in ONLY_AT.items()
                    if step == "tls" or (step in steps if step else steps or what == "old-tls")]


def bundle(world, stem, identities):
    """The first with all the others as its chain."""
    path = world.path / f"{stem}.pem"
    path.write_bytes(b"".join(each.der_file.with_suffix(".crt").read_bytes().split(b"-----END")[0] + b"-----END CERTIFICATE-----\n"
                              for each in identities))
    return types.SimpleNamespace(file=path, key_file=identities[0].key_file)


def chain(world, name, length):
    """From a leaf to its root: each has issued the one before."""
    made = []
    for number in range(length):
        made.append(world.identity(f"{length - number}.chain.test" if number < length - 1 else name, authority=number < length - 1,
                                   issuer=made[-1] if made else None))
    return made[::-1]


def srv_id(text):
    return x509.OtherName(ObjectIdentifier("1.3.6.1.5.5.7.8.7"), bytes([0x16, len(text)]) + text.encode())


# name: (the names of a certificate that the domain's own CA has issued, result, words, findings). {} is the domain.
NAMES = {
    "own": ([x509.DNSName("{}")], "authenticated", "own"),
    "host": ([x509.DNSName("host.bad.test")], "authenticated", "own"),
    "capitals": ([x509.DNSName("CAPITALS.imaps.BAD.test")], "authenticated", "own"),
    "wild": ([x509.DNSName("*.imaps.bad.test")], "authenticated", "own"),
    "deep": ([x509.DNSName("*.bad.test")], "authenticated", "own"),  # it is the host's: host.bad.test
    "partial": ([x509.DNSName("par*.imaps.bad.test")], "refused", "not for"),
    "shallow": ([x509.DNSName("*.test")], "refused", "not for"),
    "nul": ([x509.DNSName("{}\0.evil.test")], "refused", "not for"),
    "nul-behind": ([x509.DNSName("evil.test\0{}")], "refused", "not for"),
    "empty": ([x509.DNSName("")], "refused", "not for"),
    "none": ([], "refused", "not for"),
    "xn--bcher-kva": ([x509.DNSName("xn--bcher-kva.imaps.bad.test")], "authenticated", "own"),
    "srv": ([srv_id("_imaps.srv.imaps.bad.test")], "authenticated", "own"),
    "srv-other": ([srv_id("_imap.srv-other.imaps.bad.test")], "refused", "not for"),
    "srv-nul": ([srv_id("_imaps.srv-nul.imaps.bad.test\0")], "refused", "not for"),
    "address": ([x509.DNSName(HOST)], "refused", "not for"),
    "many": ([x509.DNSName(f"{n}.test") for n in range(1500)], "refused", "not for"),
}


def with_names(names, domain):
    made = []
    for name in names:
        if isinstance(name, x509.DNSName):
            name = x509.DNSName(name.value.replace("{}", domain))
        made.append(name)
    return made


# name: (certificates to show and the identity and parameters of the TLSA record, by what makes them; result; words)
SHAPES = {
    "hundred": (lambda world: (bundle(world, "hundred", world.hundred), world.hundred[0].tlsa()), "authenticated", "3 1 1"),
    "hundred-near": (lambda world: (bundle(world, "near", world.hundred), world.hundred[1].tlsa(2, 0)), "authenticated", "2 0 1"),
    "hundred-far": (lambda world: (bundle(world, "far", world.hundred), world.hundred[-1].tlsa(2, 0)), "refused", "matches what"),
    "thousand": (lambda world: (bundle(world, "thousand", world.hundred * 10), world.hundred[0].tlsa()), "refused", "handshake"),
    "large": (lambda world: (world.large, world.large.tlsa()), "refused", "cannot be read"),
    "weak": (lambda world: (world.weak, world.weak.tlsa()), "authenticated", "3 1 1"),
    "weak-anchored": (lambda world: (world.weak, world.authority.tlsa(2, 0)), "refused", "RFC 9325"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Services(tmp_path_factory.mktemp("world")) as world:
        build(world)
        world.start()
        world.resolver_used = world.unbound()
        yield world


def build(world):
    top = world.server("knot")
    world.authority = world.identity("authority.test", authority=True)
    own = world.identity("host.bad.test")
    world.hundred = chain(world, "host.bad.test", 100)
    world.large = world.identity("host.bad.test", *(f"{n}.{'x' * 60}.test" for n in range(1100)))
    weak_key = rsa.generate_private_key(65537, 1024)
    world.weak = world.identity("host.bad.test", issuer=world.authority, key=weak_key)
    lines, port = [f"host A {HOST}"], 20000

    def serve(service, name, speaks, does, shown, tlsa):
        nonlocal port
        port += 1
        world.serve(HOST, port, speaks, shown, does)
        lines.extend([f"_{service}._tcp.{name}.{service} SRV 0 0 {port} host.bad.test.", f"_{port}._tcp.host TLSA {tlsa}"])

    for service, speaks in SERVICES.items():
        serve(service, "good", speaks, "", own, own.tlsa())
        for what, step, _ in cases(service):
            serve(service, f"{what}-{step or 'all'}", speaks, f"{what}@{step}" if step else what, own, own.tlsa())
    for name, (names, *_) in NAMES.items():
        identity = world.identity("unused.test", issuer=world.authority, names=with_names(names, f"{name}.imaps.bad.test"))
        serve("imaps", name, "tls", "", identity, world.authority.tlsa(2, 0))
    for name, (make, *_) in SHAPES.items():
        shown, tlsa = make(world)
        serve("imaps", name, "tls", "", shown, tlsa)
    for number in range(8):
        world.serve(f"127.0.9.{number + 1}", 25, "smtp", own, "silent@greeting")
        lines.append(f"tarpit A 127.0.9.{number + 1}")
    lines += ["tarpit MX 10 tarpit", f"_25._tcp.tarpit TLSA {own.tlsa()}"]
    world.zone(".", [top])
    world.zone("test.", [top])
    world.zone("bad.test.", [top], "\n".join(lines))


def ask_all(world, service, names):
    """Attempts and the domain, by name; all asked at once."""
    listed = world.path / f"{service}.list"
    listed.write_text("".join(f"{name}.{service}.bad.test\n" for name in names))
    started = time.monotonic()
    done = world.kenter("auth", service, "--json", "--server", world.resolver_used.address, "--from", listed, "--parallel", "96",
                        "--connect-timeout", str(TIMEOUT), code=None)
    assert time.monotonic() - started < DEADLINE
    document = json.loads(done.stdout)
    assert len(document["domains"]) == len(names), document["summary"]
    found = {}
    for name, domain in zip(names, document["domains"]):
        (endpoint,) = domain["endpoints"]
        assert endpoint["demand"] == "dane", endpoint
        (found[name],) = endpoint["attempts"]
    return found, done.returncode


@pytest.mark.parametrize("service", SERVICES)
def test_servers(world, service):
    rows = {f"{what}-{step or 'all'}": words for what, step, words in cases(service)}
    found, code = ask_all(world, service, ["good", *rows])
    assert found["good"]["result"] == "authenticated", found["good"]
    assert code == 1
    seen = {name: (attempt["result"], attempt["reason"]) for name, attempt in found.items()}
    wrong = [(name, *seen[name]) for name, words in rows.items()
             if seen[name][0] != "refused" or not re.search(words, seen[name][1])]
    assert not wrong, wrong
    assert ask_all(world, service, ["good"])[1] == 0


def test_many_addresses_that_stall(world):
    """Eight of them would take eight seconds."""
    started = time.monotonic()
    document = world.auth("smtp", "tarpit.bad.test", "--connect-timeout", "1", code=1)
    assert 3 <= time.monotonic() - started < 7
    assert "in time" in document["domains"][0]["endpoints"][0]["attempts"][0]["reason"]


def test_certificates(world):
    table = {**NAMES, **SHAPES}
    found, _ = ask_all(world, "imaps", list(table))
    wrong = [(name, found[name]["reason"]) for name, (_, result, words) in table.items()
             if found[name]["result"] != result or words not in found[name]["reason"]]
    assert not wrong, wrong
    # What is weak is told, whoever vouches for it.
    assert "RSA of 1024 bits" in found["weak"]["weak"] and found["own"]["weak"] is None
    done = world.kenter("auth", "imaps", "--server", world.resolver_used.address, "weak.imaps.bad.test")
    assert "[dane.tls-weak]" in done.stdout + done.stderr
    # As people write it.
    assert world.auth("imaps", "Bücher.imaps.bad.test")["domains"][0]["domain"] == "xn--bcher-kva.imaps.bad.test"
