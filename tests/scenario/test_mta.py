"""kenter mta: what senders see of domains that are in order, half in order, and broken."""
import json

import pytest

from auth_support import Services


def policy(mode, *hosts, age=86400):
    return "".join(f"{line}\r\n" for line in ("version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts),
                                              f"max_age: {age}"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Services(tmp_path_factory.mktemp("world")) as world:
        top = world.server("knot")
        world.authority = world.identity("authority.test", authority=True)
        one, two = (world.identity(f"{name}.host.test", issuer=world.authority) for name in ("one", "two"))
        short = world.identity("short.host.test", issuer=world.authority, days=5)
        hosts = []
        for name, address, identity, records, does in (
                ("one", "127.0.4.1", one, [one.tlsa()], ""), ("two", "127.0.4.2", two, [two.tlsa(), one.tlsa()], ""),
                ("wrong", "127.0.4.3", two, [one.tlsa()], ""), ("dead", "127.0.4.4", one, [one.tlsa()], "drop"),
                ("without", "127.0.4.5", one, [], ""), ("short", "127.0.4.6", short, [world.authority.tlsa(2, 0)], ""),
                ("bare", "127.0.4.7", one, [one.tlsa()], "no-tls")):
            hosts += [f"{name} A {address}"] + [f"_25._tcp.{name} TLSA {record}" for record in records]
            world.serve(address, 25, "smtp", identity, does)
        domains = ["full MX 10 one.host.test.", "full MX 20 two.host.test.",
                   '_smtp._tls.full TXT "v=TLSRPTv1; rua=mailto:tls@full.mail.test"',
                   "mixed MX 10 one.host.test.", "mixed MX 20 without.host.test.", "mixed MX 30 wrong.host.test.",
                   "broken MX 10 wrong.host.test.", "broken MX 20 dead.host.test.", "broken MX 20 bare.host.test.",
                   "ending MX 10 short.host.test.", "null MX 0 .", "noaddress MX 5 nowhere.host.test.",
                   'twice MX 10 one.host.test.', '_mta-sts.twice TXT "v=STSv1; id=1;"', '_mta-sts.twice TXT "v=STSv1; id=2;"',
                   '_smtp._tls.twice TXT "v=TLSRPTv1; rua=gopher:x"']
        for number, (name, text, mx) in enumerate((
                ("full", policy("enforce", "one.host.test", "*.host.test"), []),
                ("uncovered", policy("enforce", "two.host.test"), ["one", "two"]),
                ("testing", policy("testing", "one.host.test"), ["one"]),
                ("names", policy("enforce", "wrong.host.test"), ["wrong"]),
                ("garbled", "nonsense", ["one"]))):
            address = f"127.0.4.{20 + number}"
            domains += [f'_mta-sts.{name} TXT "v=STSv1; id={name}1;"', f"mta-sts.{name} A {address}"]
            domains += [f"{name} MX 10 {host}.host.test." for host in mx]
            world.serve(address, 443, "https", world.identity(f"mta-sts.{name}.mail.test", issuer=world.authority),
                        text)
        domains += ['_mta-sts.gone TXT "v=STSv1; id=1;"', "gone MX 10 one.host.test."]
        world.zone(".", [top])
        world.zone("host.test.", [top], "\n".join(hosts))
        world.zone("mail.test.", [top], "\n".join(domains))
        world.zone("plain.test.", [top], "@ MX 10 one.host.test.\n@ MX 20 mx\nmx A 127.0.4.1", signed=False)
        world.zone("expired.test.", [top], "@ MX 10 one.host.test.", at="now-40d")
        world.start()
        world.resolver_used = world.unbound()
        yield world


def mta(world, domain, code):
    done = world.kenter("mta", "--json", "--ca", world.authority.file, "--connect-timeout", "2", "--server",
                        world.resolver_used.address, domain, code=code)
    document = json.loads(done.stdout)
    mta = document["mta"]
    delivers = "".join("yes " if sender["delivers"] else "no " for sender in mta["senders"]).split()
    return mta, delivers, sorted({finding["code"] for finding in document["findings"]})


# domain: exit code, delivery by senders that check DANE, MTA-STS, nothing; findings
@pytest.mark.parametrize("domain, code, delivers, findings", [
    ("full.mail.test", 0, "yes yes yes", "tlsa-unmatched"),
    ("mixed.mail.test", 1, "yes yes yes", "mixed sts-absent tlsa-absent tlsa-mismatch tlsa-unmatched tlsrpt-absent"),
    ("broken.mail.test", 1, "no yes yes",
     "sts-absent tls-failed tls-missing tlsa-mismatch tlsa-unmatched tlsrpt-absent"),
    ("ending.mail.test", 0, "yes yes yes", "certificate-ends sts-absent tlsrpt-absent"),
    ("null.mail.test", 6, "", "no-service"),
    ("nothing.mail.test", 6, "", "domain-absent"),
    ("noaddress.mail.test", 1, "no no no", "deferred host-skipped sts-absent tlsrpt-absent"),
    ("twice.mail.test", 1, "yes yes yes", "sts-broken tlsrpt-broken"),
    ("uncovered.mail.test", 1, "yes yes yes", "sts-uncovered tlsa-unmatched tlsrpt-absent"),
    ("testing.mail.test", 0, "yes yes yes", "sts-idle tlsrpt-absent"),
    ("names.mail.test", 1, "no no yes", "certificate tlsa-mismatch tlsa-unmatched tlsrpt-absent"),
    ("garbled.mail.test", 1, "yes yes yes", "sts-broken tlsrpt-absent"),
    ("gone.mail.test", 1, "yes yes yes", "sts-broken tlsrpt-absent"),
    ("plain.test", 4, "yes yes yes", "domain-unsigned host-unsigned mixed sts-absent tlsrpt-absent"),
])
def test_views(world, domain, code, delivers, findings):
    view, seen, codes = mta(world, domain, code)
    assert seen == delivers.split(), view["hosts"]
    assert codes == [f"dane.{name}" for name in findings.split()], view


def test_bogus(world):
    view, seen, codes = mta(world, "expired.test", 1)
    assert seen == ["no", "no", "no"] and "dane.deferred" in codes
    assert any(code.startswith("validate.") for code in codes), codes
    assert view["steps"][0].startswith("Repair the DNS of expired.test")


def test_steps(world):
    view, _, _ = mta(world, "broken.mail.test", 1)
    words = [" ".join(step.split()[:2]) for step in view["steps"]]
    assert sorted(words[:2]) == ["Repair TLS", "Switch STARTTLS"] and words[2:4] == ["If what", "Publish _smtp._tls.broken.mail.test"], words


def test_text(world):
    done = world.kenter("mta", "--ca", world.authority.file, "--server", world.resolver_used.address, "full.mail.test")
    for words in ("full.mail.test: secure:", "10 one.host.test:", "127.0.4.1@25  authenticated:", "mode enforce",
                  "TLSRPT: mailto:tls@full.mail.test", "Senders that check DANE deliver: 2 of 2", "What to do"):
        assert words in done.stdout, done.stdout
    for wrong in ("a..b", "full.mail.test:25", ""):
        world.kenter("mta", wrong, code=2)
