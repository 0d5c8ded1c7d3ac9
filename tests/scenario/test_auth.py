"""kenter auth in a private, signed world, with servers that are right, wrong, or mischievous: a clear verdict within a
deadline, and never "authenticated" wrongly."""
import json
import time

import pytest

from auth_support import Services

DEADLINE = 8  # seconds for servers that stall, with --connect-timeout 2


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Services(tmp_path_factory.mktemp("world")) as world:
        build(world)
        world.start()
        world.resolver_used = world.unbound()
        yield world


# name: (speaks, does, TLSA by the identities "own" and "other", demand of the plan, result, words of the reason)
MAIL = {
    "good": ("", "{own}", "dane", "authenticated", "matches the server's key"),
    "second": ("", "{other}\n{own}", "dane", "authenticated", "matches"),
    "wrong": ("", "{other}", "dane", "refused", "matches what the server shows"),
    "unusable": ("", "1 1 1 " + "00" * 32, "encrypt", "encrypted", "none of them can be used"),
    "short": ("", "3 1 1 0011", "encrypt", "encrypted", "none of them can be used"),
    "without": ("", "", "may", "encrypted", "nothing says who"),
    "bare": ("no-tls", "", "may", "plain", "no TLS"),
    "stripped": ("no-tls", "{own}", "dane", "refused", "does not offer"),
    "refuse": ("refuse@consent", "{own}", "dane", "refused", ""),
    "silent": ("silent@greeting", "{own}", "dane", "refused", "in time"),
    "hanging": ("silent@tls", "{own}", "dane", "refused", "in time"),
    "drop": ("drop@greeting", "{own}", "dane", "refused", "closes"),
    "inject": ("inject@consent", "{own}", "dane", "refused", "injection"),
    "old-tls": ("old-tls", "{own}", "dane", "refused", "handshake"),
}


def build(world):
    top, some = world.server("knot"), world.server("nsd")
    world.zone(".", [top])
    world.zone("test.", [top])
    other = world.identity("other.host.test")
    lines, domains = [], []
    for number, (name, (does, tlsa, *_)) in enumerate(MAIL.items()):
        address = f"127.0.2.{number + 1}"
        own = world.identity(f"{name}.host.test", days=-1 if name == "good" else 30)
        world.serve(address, 25, "smtp", own, does)
        lines.append(f"{name} A {address}")
        lines += [f"_25._tcp.{name} TLSA {line}" for line in
                  tlsa.format(own=own.tlsa(), other=other.tlsa()).splitlines()]
        domains.append(f"{name} MX 10 {name}.host.test.")
    # Usage 2, services by SRV, a host without a server.
    authority = world.identity("authority.host.test", authority=True)
    leaf = world.identity("anchored.host.test", issuer=authority)
    late = world.identity("ended.host.test", issuer=authority, days=-1)
    strange = world.identity("strange.invalid", issuer=authority)
    for name, identity, address in (("anchored", leaf, 101), ("ended", late, 102), ("misnamed", strange, 103)):
        world.serve(f"127.0.2.{address}", 25, "smtp", identity)
        lines += [f"{name} A 127.0.2.{address}", f"_25._tcp.{name} TLSA {authority.tlsa(2, 0, 1)}"]
        domains.append(f"{name} MX 10 {name}.host.test.")
    lines += ["dead A 127.0.2.110", f"_25._tcp.dead TLSA {other.tlsa()}"]
    domains += ["dead MX 10 dead.host.test.", "mixed MX 10 good.host.test.", "mixed MX 20 wrong.host.test.",
                "null MX 0 .", "lost MX 10 nowhere.host.test."]
    services = world.identity("services.host.test")
    world.authority = authority
    for speaks, port, srv in (("imap", 143, "_imap"), ("pop3", 110, "_pop3"), ("sieve", 4190, "_sieve"),
                              ("xmpp", 5269, "_xmpp-server"), ("xmpp", 5222, "_xmpp-client"), ("tls", 993, "_imaps"),
                              ("tls", 443, None), ("smtp", 587, "_submission")):
        world.serve("127.0.2.120", port, speaks, services)
        lines.append(f"_{port}._tcp.services TLSA {services.tlsa()}")
        if srv and srv != "_imaps":
            domains.append(f"{srv}._tcp.services SRV 0 0 {port} services.host.test.")
    lines.append("services A 127.0.2.120")
    # TLS at once through SRV: SIP, and a service that only its SRV names; one service in both ways.
    for service, port in (("sips", 5061), ("ldaps", 636), ("xmpps-server", 5270), ("submissions", 465)):
        world.serve("127.0.2.120", port, "tls", services)
        lines.append(f"_{port}._tcp.services TLSA {services.tlsa()}")
        domains.append(f"_{service}._tcp.{'direct' if port in (5270, 465) else 'services'} SRV 5 0 {port} services.host.test.")
    domains += ["_xmpp-server._tcp.direct SRV 9 0 5269 services.host.test.", "_submission._tcp.direct SRV 1 0 587 services.host.test.",
                "_ldaps._tcp.denied SRV 0 0 0 ."]
    world.serve("127.0.2.120", 8443, "tls", leaf)
    world.zone("host.test.", [some], "\n".join(lines))
    world.zone("mail.test.", [some], "\n".join(domains))
    world.zone("open.test.", [some], "insecure MX 10 good.host.test.", signed=False)
    plain = world.identity("mx.open.test")
    world.serve("127.0.2.130", 25, "smtp", plain)
    world.zone("plain.test.", [some], f"mx A 127.0.2.130\n_25._tcp.mx TLSA {plain.tlsa()}", signed=False)
    world.zone("expired.test.", [some], f"mx A 127.0.2.130\n_25._tcp.mx TLSA {plain.tlsa()}", at="now-40d")
    world.zones["mail.test."].text += "\nunsigned MX 10 mx.plain.test.\nbogus MX 10 mx.expired.test."


def only(document):
    (domain,) = document["domains"]
    (endpoint,) = domain["endpoints"]
    return endpoint


@pytest.mark.parametrize("name", MAIL)
def test_mail(world, name):
    does, _, demand, result, words = MAIL[name]
    code = {"authenticated": 0, "refused": 1}.get(result, 4)
    started = time.monotonic()
    document = world.auth("smtp", f"{name}.mail.test", "--connect-timeout", "2", code=code)
    assert time.monotonic() - started < DEADLINE
    endpoint = only(document)
    assert endpoint["demand"] == demand, endpoint
    (attempt,) = endpoint["attempts"]
    assert attempt["result"] == result, attempt
    assert words in attempt["reason"], attempt
    assert document["ok"] == (code == 0)
    planned = only(world.auth("smtp", "--plan", f"{name}.mail.test", code={"dane": 0, "may": 4, "encrypt": 4}[demand]))
    assert planned["demand"] == demand and planned["attempts"] == []


@pytest.mark.parametrize("name, result, words", [
    ("anchored", "authenticated", "TLSA 2 0 1"),
    ("ended", "refused", "expired"),
    ("misnamed", "refused", ""),
])
def test_anchors(world, name, result, words):
    document = world.auth("smtp", f"{name}.mail.test", code=0 if result == "authenticated" else 1)
    (attempt,) = only(document)["attempts"]
    assert attempt["result"] == result and words in attempt["reason"], attempt


@pytest.mark.parametrize("service, port, start", [
    ("imap", 143, "starttls"), ("pop3", 110, "starttls"), ("sieve", 4190, "starttls"),
    ("xmpp-server", 5269, "starttls"), ("xmpp-client", 5222, "starttls"), ("submission", 587, "starttls"),
    ("sip", 5061, "tls"),
])
def test_services(world, service, port, start):
    endpoint = only(world.auth(service, "services.mail.test"))
    assert (endpoint["port"], endpoint["start"], endpoint["delegation"]) == (port, start, "secure")
    assert endpoint["attempts"][0]["result"] == "authenticated", endpoint


@pytest.mark.parametrize("service, ways", [("xmpp-server", [(5270, "tls"), (5269, "starttls")]),
                                           ("submission", [(587, "starttls"), (465, "tls")])])
def test_both_ways(world, service, ways):
    """SRV of TLS at once and of STARTTLS, in the order of their priorities."""
    (domain,) = world.auth(service, "direct.mail.test")["domains"]
    assert [(each["port"], each["start"]) for each in domain["endpoints"]] == ways
    assert all(each["attempts"][0]["by"] == "dane" for each in domain["endpoints"])


def test_service_by_its_srv(world):
    document = world.auth("tls", "_ldaps._tcp.services.mail.test")
    assert document["domains"][0]["domain"] == "services.mail.test"
    endpoint = only(document)
    assert (endpoint["host"], endpoint["port"], endpoint["start"]) == ("services.host.test", 636, "tls")
    assert endpoint["attempts"][0]["by"] == "dane"
    assert {"kind": "srv", "name": "_ldaps.services.mail.test"} in endpoint["references"]
    for name in ("denied", "without"):
        assert world.auth("tls", f"_ldaps._tcp.{name}.mail.test", code=6)["domains"][0]["outcome"] == "none"
    for wrong in ("_ldaps._udp.services.mail.test", "_._tcp.services.mail.test", "_ldaps._tcp", "_ldaps._tcp."):
        world.kenter("auth", "tls", wrong, code=2, anchor=False)


def test_host_and_port(world):
    for what in (["tls", "services.host.test:443"], ["https", "services.host.test"], ["imaps", "services.host.test:993"],
                 ["imap", "services.host.test:143"], ["smtp", "good.host.test:25"]):
        assert only(world.auth(*what))["attempts"][0]["by"] == "dane", what
    # By an authority, without TLSA.
    named = ["tls", "services.host.test:8443", "--ca", world.authority.file]
    attempt = only(world.auth(*named, code=1))["attempts"][0]
    assert attempt["result"] == "refused" and attempt["tlsrpt"] == "certificate-host-mismatch", attempt


def test_several_hosts(world):
    document = world.auth("smtp", "mixed.mail.test", code=1)
    (domain,) = document["domains"]
    assert [(each["host"], each["attempts"][0]["result"]) for each in domain["endpoints"]] == [
        ("good.host.test", "authenticated"), ("wrong.host.test", "refused")]
    (finding,) = document["findings"]
    assert finding["code"] == "dane.tlsa-mismatch" and finding["owner"].startswith("wrong.host.test:25")


@pytest.mark.parametrize("domain, code, finding", [
    ("null.mail.test", 6, "dane.no-service"),
    ("nothing.mail.test", 6, "dane.domain-absent"),
    ("lost.mail.test", 1, "dane.deferred"),
    ("bogus.mail.test", 1, "dane.deferred"),
    ("dead.mail.test", 1, "dane.unreachable"),
    ("unsigned.mail.test", 4, "dane.not-authenticated"),
    ("insecure.open.test", 4, "dane.delegation-insecure"),
])
def test_outcomes(world, domain, code, finding):
    document = world.auth("smtp", domain, "--connect-timeout", "2", code=code)
    assert finding in [each["code"] for each in document["findings"]], document["findings"]


def test_several_domains(world):
    document = world.auth("smtp", "good.mail.test", "wrong.mail.test", "without.mail.test", code=1)
    assert [each["domain"] for each in document["domains"]] == [f"{name}.mail.test" for name in ("good", "wrong", "without")]
    assert [document["summary"][name] for name in ("domains", "good", "bad", "open")] == [3, 1, 1, 1]
    world.kenter("auth", "smtp", "good.mail.test", "a..b", code=2)


def test_mandatory(world):
    world.auth("smtp", "--mandatory", "good.mail.test")
    for domain in ("without", "unsigned", "unusable"):
        document = world.auth("smtp", "--mandatory", f"{domain}.mail.test", code=1)
        assert document["domains"][0]["outcome"] == "defer"
    assert world.auth("smtp", "--mandatory", "insecure.open.test", code=1)["domains"][0]["outcome"] == "defer"


def test_connect_elsewhere(world):
    # The certificate counts, not the address.
    good = next(script for script in world.scripts if script["speaks"] == "smtp")["address"]
    document = world.auth("smtp", "dead.mail.test", "--connect", f"dead.host.test={good}@25", code=1)
    assert only(document)["attempts"][0]["address"] == f"{good}@25"
    assert "matches" in only(document)["attempts"][0]["reason"]
    document = world.auth("smtp", "good.mail.test", "--connect", f"GOOD.host.test.={good}")
    assert only(document)["attempts"][0]["result"] == "authenticated"


def test_list(world):
    names = list(MAIL) * 5
    text = "# all of them\n\n" + "".join(f"{name}.mail.test  # comment\n" for name in names) + "bad..name\n"
    options = ["smtp", "--json", "--plan", "--from", "-", "--server", world.resolver_used.address]
    done = world.inside.run(*world_command(world), *options, stdin=text)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert [each["domain"] for each in document["domains"]] == [f"{name}.mail.test" for name in names]
    assert [each["endpoints"][0]["demand"] for each in document["domains"]] == [MAIL[name][2] for name in names]
    (bad,) = [each for each in document["findings"] if each["code"] == "dane.not-a-domain"]
    assert bad["line"] == len(names) + 3
    assert document["summary"]["domains"] == len(names)


def world_command(world):
    from peers_support import KENTER
    return [KENTER, "auth", "--anchor", world.anchor()]


def test_text(world):
    done = world.kenter("auth", "smtp", "mixed.mail.test", "--server", world.resolver_used.address, code=1)
    head, first, _, second, *rest = done.stdout.splitlines()
    assert head.startswith("mixed.mail.test smtp: 2 of 2 hosts can be used, 2 with DANE")
    assert first.split()[:2] == ["good.host.test:25", "authenticated"]
    assert second.split()[:2] == ["wrong.host.test:25", "refused"]
    assert any("[dane.tlsa-mismatch]" in line for line in rest)
    done = world.kenter("auth", "--plan", "smtp", "good.mail.test", "--server", world.resolver_used.address)
    assert "DANE" in done.stdout and "TLSA 3 1 1" in done.stdout


def test_use(world):
    for arguments in (["auth", "smtp"], ["auth", "gopher", "good.mail.test"], ["auth", "tls", "good.mail.test"],
                      ["auth", "smtp", "a..b"], ["auth", "smtp", "good.mail.test:0"], ["auth", "smtp", ""],
                      ["auth", "smtp", "good.mail.test", "--connect", "x"],
                      ["auth", "smtp", "good.mail.test", "--from", "list"]):
        done = world.kenter(arguments[0], *arguments[1:], code=2, anchor=False)
        assert done.stderr, arguments
