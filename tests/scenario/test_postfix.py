"""Postfix sends through `kenter policy`: each domain has a state of DNS, TLSA, certificate and MTA-STS policy, and one
outcome. The same mail goes out by Postfix's own DANE, which must agree wherever it can express the case."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import tempfile

import pytest

from mail_support import Authority, Mail, tlsa
from peers_support import KENTER, PATIENCE, program, wait
from world_support import World

SENT, DEFERRED, BOUNCED = "sent", "deferred", "bounced"

# domain: (what the service says, what becomes of the mail, what Postfix alone does with it when that differs)
EXPECTED = {
    # One host, DANE-EE.
    "right.mail.test": ("dane-only", SENT),
    "wrong.mail.test": ("dane-only", DEFERRED),
    "expired.mail.test": ("dane-only", SENT),           # dates do not count for usage 3
    "othername.mail.test": ("dane-only", SENT),         # nor do names
    # DANE-TA.
    "ta.mail.test": ("dane-only", SENT),
    "tabroken.mail.test": ("dane-only", DEFERRED),      # the server does not show the authority's certificate
    "taexpired.mail.test": ("dane-only", DEFERRED),
    "taname.mail.test": ("dane-only", DEFERRED),
    "tadomain.mail.test": ("dane-only", SENT),          # the certificate names the domain, which a secure MX lets count
    "tadomain.plain.test": ("dane", SENT),              # Postfix lets it count with an insecure MX, too
    "exim.mail.test": ("dane-only", SENT),              # Exim as receiver
    "eximwrong.mail.test": ("dane-only", DEFERRED),
    # What cannot be had is no absence.
    "broken.mail.test": ("TEMP", DEFERRED),             # TLSA bogus
    "servfail.mail.test": ("TEMP", DEFERRED),           # no server answers for TLSA
    "broken.plain.test": ("TEMP", DEFERRED),
    "noaddress.mail.test": ("TEMP", BOUNCED),           # Postfix sees by itself that there is no address
    "user.bogus.test": ("TEMP", DEFERRED),              # the MX itself is bogus
    # Records that cannot be used, servers without TLS.
    "unusable.mail.test": ("encrypt", SENT),
    "unusableplain.mail.test": ("encrypt", DEFERRED),
    "noservice.mail.test": ("dane-only", DEFERRED),     # TLSA, but no STARTTLS
    "plain.mail.test": ("may", SENT),                   # neither TLSA nor STARTTLS
    "notlsa.mail.test": ("may", SENT),
    # Insecure MX, secure host.
    "right.plain.test": ("dane", SENT),
    "wrong.plain.test": ("dane", DEFERRED),
    # Aliases: of the host, of its address to an insecure zone, of the TLSA, of the domain, by DNAME.
    "alias.mail.test": ("dane-only", SENT),
    "away.mail.test": ("dane-only", SENT),
    "tlsaalias.mail.test": ("dane-only", SENT),
    "domainalias.mail.test": ("dane-only", SENT),
    "dname.mail.test": ("dane-only", SENT),
    "aliaswrong.mail.test": ("dane-only", DEFERRED),
    "aliasfirst.mail.test": ("dane-only", SENT),        # TLSA at the alias alone
    "aliasta.mail.test": ("dane-only", SENT),           # the certificate names what the alias stands for
    "tlsaaway.mail.test": ("may", SENT),                # TLSA, and a wrong one, in an insecure zone: as if there were none
    "tlsalost.mail.test": ("may", SENT),
    # No MX at all, and an explicit refusal of mail.
    "own.mail.test": ("dane-only", SENT),
    "null.mail.test": ("NOTFOUND", BOUNCED),
    # Mixed sets.
    "firstwrong.mail.test": ("dane-only", SENT),        # by the second host
    "mixed.mail.test": ("dane", SENT),                  # one without TLSA first: opportunistic there
    "mixedbroken.mail.test": ("dane", SENT),            # broken first: skipped; then one without TLSA
    "lastright.mail.test": ("dane-only", SENT),         # broken first: skipped
    "allwrong.mail.test": ("dane-only", DEFERRED),
    # MTA-STS: Postfix alone knows nothing of it.
    "good.sts.test": ("secure match=", SENT),
    "bad.sts.test": ("secure match=", DEFERRED, SENT),
    "testing.sts.test": ("may", SENT),
    "unlisted.sts.test": ("TEMP", DEFERRED, SENT),
    "nofetch.sts.test": ("may", SENT),
    "both.mail.test": ("dane-only", SENT),              # DANE for one host, MTA-STS for the other
    "bothwrong.mail.test": ("dane-only", DEFERRED, SENT),  # the policy does not rescue a host that DANE refuses
    "both.plain.test": ("secure match=", SENT),         # insecure MX: the policy's hosts alone
    "unusablests.mail.test": ("secure match=", SENT),
}
STS = {name: "testing" if name.startswith("testing") else "enforce" for name in EXPECTED
       if name.endswith(".sts.test") or name.startswith(("both", "unusablests"))}


def hosts(web, own):
    """name: (address, identity or None, TLSA rdata, Exim?)"""
    right = own.issue("right", ["h-right.mail.test"])
    expired = own.issue("expired", ["h-expired.mail.test"], days=(-40, -10))
    other = own.issue("other", ["something.else"])
    ta = own.issue("ta", ["h-ta.mail.test"])
    bare = own.issue("bare", ["h-tabroken.mail.test"], chain=False)
    late = own.issue("late", ["h-taexpired.mail.test"], days=(-40, -10))
    domain = own.issue("domain", ["tadomain.mail.test", "tadomain.plain.test"])
    misnamed = own.issue("misnamed", ["h-other.mail.test"])
    exim, eximwrong = own.issue("exim", ["h-exim.mail.test"]), own.issue("eximwrong", ["h-eximwrong.mail.test"])
    plain = own.issue("plain", ["h-notlsa.mail.test"])
    sts = web.issue("sts", ["h-sts.mail.test"])
    authority = tlsa(own.certificate, usage=2, selector=0)
    return {
        "h-right": ("127.0.2.1", right, tlsa(right.leaf)),
        "h-wrong": ("127.0.2.2", right, tlsa(right.leaf, right=False)),
        "h-expired": ("127.0.2.3", expired, tlsa(expired.leaf)),
        "h-othername": ("127.0.2.4", other, tlsa(other.leaf)),
        "h-ta": ("127.0.2.5", ta, authority),
        "h-tabroken": ("127.0.2.6", bare, authority),
        "h-taexpired": ("127.0.2.7", late, authority),
        "h-taname": ("127.0.2.8", misnamed, authority),
        "h-tadomain": ("127.0.2.13", domain, authority),
        "h-broken": ("127.0.2.9", right, tlsa(right.leaf)),
        "h-unusable": ("127.0.2.10", plain, tlsa(plain.leaf, usage=1)),
        "h-unusableplain": ("127.0.2.11", None, tlsa(plain.leaf, usage=1)),
        "h-noservice": ("127.0.2.11", None, tlsa(plain.leaf)),
        "h-plain": ("127.0.2.11", None, None),
        "h-notlsa": ("127.0.2.10", plain, None),
        "h-sts": ("127.0.2.12", sts, None),
        "h-stswrong": ("127.0.2.10", plain, None),
        "h-exim": ("127.0.2.20", exim, tlsa(exim.leaf)),
        "h-eximwrong": ("127.0.2.21", eximwrong, tlsa(eximwrong.leaf, right=False)),
    }


MX = {
    "own.mail.test": [], "null.mail.test": ["."], "noaddress.mail.test": ["h-noaddress.plain.test."],
    "alias.mail.test": ["h-alias"], "away.mail.test": ["h-away"], "tlsaalias.mail.test": ["h-tlsaalias"],
    "firstwrong.mail.test": ["h-wrong", "h-right"], "mixed.mail.test": ["h-notlsa", "h-right"],
    "lastright.mail.test": ["h-broken", "h-right"], "allwrong.mail.test": ["h-wrong", "h-eximwrong"],
    "dname.mail.test": ["h-right.dname"],
    "mixedbroken.mail.test": ["h-broken", "h-notlsa"],
    "good.sts.test": ["h-sts"], "bad.sts.test": ["h-stswrong"], "testing.sts.test": ["h-stswrong"],
    "unlisted.sts.test": ["h-notlsa"], "nofetch.sts.test": ["h-stswrong"],
    "both.mail.test": ["h-right", "h-sts"], "bothwrong.mail.test": ["h-wrong", "h-sts"],
    "both.plain.test": ["h-right", "h-sts"], "unusablests.mail.test": ["h-unusable", "h-sts"],
}


def exchanges(domain):
    if domain == "domainalias.mail.test":
        return None
    return MX.get(domain, ["h-" + domain.split(".")[0]])


def records(domain):
    """Of a domain, relative to nothing."""
    found = exchanges(domain)
    lines = []
    if found is None:
        lines.append(f"{domain}. CNAME right.mail.test.")
    for order, host in enumerate(found or []):
        lines.append(f"{domain}. MX {order * 10} {host if host.endswith('.') else host + '.mail.test.'}")
    if domain in STS:
        lines += [f'_mta-sts.{domain}. TXT "v=STSv1; id=1;"', f"mta-sts.{domain}. A 127.0.2.80"]
    return lines


def zone_text(suffix, more=()):
    return "\n".join([line for domain in EXPECTED if domain.endswith(suffix) for line in records(domain)] + list(more))


def host_records(table):
    lines = ["_tlsa.mail.test. TLSA " + table["h-right"][2],
             "h-alias CNAME h-right", "h-away CNAME h-far.plain.test.",
             "_25._tcp.h-away TLSA " + table["h-right"][2],
             "dname DNAME mail.test.", "h-aliaswrong CNAME h-wrong", "h-aliasfirst CNAME h-notlsa", "h-aliasta CNAME h-ta",
             f"_25._tcp.h-aliasfirst TLSA {tlsa(table['h-notlsa'][1].leaf)}",
             "h-tlsaaway A 127.0.2.1", "_25._tcp.h-tlsaaway CNAME _tlsa.plain.test.",
             "h-tlsalost A 127.0.2.1", "_25._tcp.h-tlsalost CNAME _lost.mail.test.", "h-servfail A 127.0.2.1",
             "h-tlsaalias A 127.0.2.1", "_25._tcp.h-tlsaalias CNAME _tlsa.mail.test.",
             "own A 127.0.2.1", "_25._tcp.own TLSA " + table["h-right"][2]]
    for name, (address, _, rdata) in table.items():
        lines.append(f"{name} A {address}")
        if rdata:
            lines.append(f"_25._tcp.{name} TLSA {rdata}")
    return lines


def without_signatures(owner):
    return lambda lines: [line for line in lines if not (line.startswith(owner) and "RRSIG" in line)]


def policy_text(domain):
    listed = "elsewhere.test" if domain.startswith("unlisted") else "*.mail.test"
    return f"version: STSv1\r\nmode: {STS[domain]}\r\nmx: {listed}\r\nmax_age: 86400\r\n"


def build(world, web, own):
    one, two = world.server("nsd"), world.server("knot")
    table = hosts(web, own)
    world.zone(".", [one])
    world.zone("test.", [one])
    world.zone("mail.test.", [two], zone_text(".mail.test", host_records(table)),
               edit=without_signatures("_25._tcp.h-broken.mail.test."))
    world.zone("plain.test.", [two], zone_text(".plain.test", ["h-far A 127.0.2.1", "h-noaddress TXT none", f"_tlsa TLSA {table['h-wrong'][2]}"]), signed=False)
    world.zone("_tcp.h-servfail.mail.test.", [one])
    one.own["_tcp.h-servfail.mail.test."] = None  # delegated to a server that does not know it
    world.zone("sts.test.", [two], zone_text(".sts.test"), signed=False)
    world.zone("bogus.test.", [two], zone_text(".bogus.test", ["user.bogus.test. MX 0 h-right.mail.test."]),
               at="now-40d")
    world.start()
    return table


def receivers(mail, table):
    """Postfix on all addresses but Exim's."""
    seen, services, exim = set(), "", ([], [])
    for name, (address, identity, _) in table.items():
        if address in seen:
            continue
        seen.add(address)
        if name.startswith("h-exim"):
            exim[0].append(address)
            exim[1].append(identity)
            continue
        tls = f" -o smtpd_tls_security_level=may -o smtpd_tls_chain_files={identity.file}" if identity else ""
        services += f"{address}:25 inet n - n - - smtpd -o smtpd_tls_loglevel=0{tls}\n"
    postfix = mail.postfix("receiver", {"default_transport": "discard", "relay_transport": "discard",
                                        "inet_interfaces": "127.0.3.9"}, services)
    mail.wait_port(mail.exim("exim", *exim), exim[0][0])
    mail.wait_port(postfix, (seen - set(exim[0])).pop())


def sender(mail, name, address, settings):
    return mail.postfix(name, {
        "inet_interfaces": address, "smtp_dns_support_level": "dnssec", "smtp_tls_security_level": "dane",
        "smtp_tls_dane_insecure_mx_policy": "dane", "smtp_host_lookup": "dns", "smtp_tls_loglevel": "1",
        "smtp_connect_timeout": "5s", "maximal_queue_lifetime": "1d", **settings,
    }, f"{address}:2525 inet n - n - - smtpd\n")


@pytest.fixture(scope="module")
def scene():
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    path = pathlib.Path(tempfile.mkdtemp(prefix="kenter-mail-"))
    path.chmod(0o755)
    web, own = Authority(path, "web"), Authority(path, "own")
    try:
        with World(path) as world:
            table = build(world, web, own)
            mail = Mail(world, world.unbound(validating=True))
            for address in sorted({row[0] for row in table.values()}) + ["127.0.2.80", "127.0.3.1", "127.0.3.2",
                                                                       "127.0.3.9"]:
                world.inside.address(address)
            try:
                receivers(mail, table)
                mail.host = mail.policy_host("127.0.2.80", web.issue("policies", [f"mta-sts.{name}" for name in STS]),
                                             {f"mta-sts.{name}": policy_text(name) for name in STS
                                              if not name.startswith("nofetch")})
                mail.web = web
                mail.options = ["--sts-ca", web.file, "--server", "127.0.53.1"]
                mail.service = mail.sidecar(*mail.options)
                mail.ours = sender(mail, "ours", "127.0.3.1", {
                    "smtp_tls_policy_maps": f"socketmap:unix:{mail.service.socket}:postfix",
                    "smtp_tls_CAfile": web.file})
                mail.theirs = sender(mail, "theirs", "127.0.3.2", {})
                yield mail
            finally:
                mail.end()
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def outcomes(scene):
    """domain: (status, reason) by our sender and by the other."""
    for box, address in ((scene.ours, "127.0.3.1"), (scene.theirs, "127.0.3.2")):
        wait(lambda: box.alive() or scene.run(program("smtp-source"), "-m", "1", "-f", "a@sender.invalid", "-t",
                                              "first@right.mail.test", f"{address}:2525").returncode == 0,
             f"{box.name} takes mail")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda domain: scene.run(
                program("smtp-source"), "-m", "1", "-f", "a@sender.invalid", "-t", f"user@{domain}", f"{address}:2525"),
                EXPECTED))
        assert all(one.returncode == 0 for one in done), [one.stderr for one in done if one.returncode]
    found = {}
    for domain in EXPECTED:
        both = [wait(lambda: box.outcome(f"user@{domain}"), f"the fate of mail to {domain} by {box.name}",
                     4 * PATIENCE) for box in (scene.ours, scene.theirs)]
        found[domain] = both
    return found


@pytest.mark.parametrize("domain", EXPECTED)
def test_policy(scene, domain):
    said, expected = scene.policy(scene.service, domain), EXPECTED[domain][0]
    assert said == expected or (expected in ("TEMP", "secure match=") and said.startswith(expected)), said


@pytest.mark.parametrize("domain", EXPECTED)
def test_mail(outcomes, domain):
    status, reason = outcomes[domain][0]
    assert status == EXPECTED[domain][1], reason


@pytest.mark.parametrize("domain", EXPECTED)
def test_postfix_alone(outcomes, domain):
    status, reason = outcomes[domain][1]
    assert status == EXPECTED[domain][-1 if len(EXPECTED[domain]) > 2 else 1], reason


# Where a rule of hosts, which one policy for a domain cannot say, is followed: Postfix is less strict about names with the
# first, and does not use the second's other host.
BY_HOST = {"tadomain.plain.test": False, "bothwrong.mail.test": True}


def test_auth(scene):
    """kenter auth finds the same of the same servers as mail does."""
    domains = scene.path / "domains"
    domains.write_text("".join(f"{domain}\n" for domain in EXPECTED))
    done = scene.run(KENTER, "auth", "smtp", "--json", "--anchor", scene.world.anchor(), "--server", "127.0.53.1", "--ca",
                     scene.web.file, "--from", domains)
    found = {each["domain"]: any(attempt["result"] in ("authenticated", "encrypted", "plain")
                                 for endpoint in each["endpoints"] for attempt in endpoint["attempts"])
             for each in json.loads(done.stdout)["domains"]}
    assert found == {**{domain: row[1] == SENT for domain, row in EXPECTED.items()}, **BY_HOST}


@pytest.mark.parametrize("key, expected", [
    ("[h-right.mail.test]", "dane-only"), ("[h-right.mail.test]:25", "dane-only"), ("[h-notlsa.mail.test]", "may"),
    ("[h-unusable.mail.test]", "encrypt"), ("[127.0.2.1]", "may"), ("right.mail.test:587", "dane"),
    (".mail.test", "NOTFOUND"), ("nothing.mail.test", "NOTFOUND"), ("[h-broken.mail.test]", "TEMP"),
])
def test_next_hops(scene, key, expected):
    said = scene.policy(scene.service, key)
    assert said == expected or (expected == "TEMP" and said.startswith("TEMP")), said


@pytest.mark.parametrize("key", ["right.mail.test", "good.sts.test", "null.mail.test", "broken.mail.test"])
def test_postmap(scene, key):
    """Postfix's own client reads it the same way, but that it cuts reasons off."""
    said, read = scene.policy(scene.service, key), scene.postmap(scene.service, key)
    assert said == read or read.startswith("TEMP no host") and said.startswith(read)


def test_policies_outlive_restarts(scene):
    """The policy goes on to hold when neither its host nor a fresh process can fetch it."""
    assert scene.policy(scene.service, "good.sts.test").startswith("secure ")
    scene.service.end()
    scene.host.end()
    scene.processes.remove(scene.service)
    assert sorted(file.name for file in (scene.path / "state" / "mta-sts").iterdir()) == sorted(
        name for name in STS if not name.startswith(("nofetch", "bothwrong")) or name == "bothwrong.mail.test")
    again = scene.sidecar(*scene.options, name="again")
    assert scene.policy(again, "good.sts.test") == "secure match=h-sts.mail.test servername=hostname"
    assert scene.policy(again, "bad.sts.test").startswith("secure ")
    line = scene.policy(again, "*metrics*")
    assert " sts_fetches_total=0 " in line and "requests_total=" in line, line


def test_many_at_once(scene):
    """Look-ups go side by side, and one that cannot be had keeps nobody waiting."""
    service = scene.sidecar("--server", "127.0.53.1", "--no-sts", name="crowd")
    names = [name for name in EXPECTED if name.endswith(".mail.test")] * 4
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda name: scene.policy(service, name), names))
    assert {name for name, text in zip(names, said) if text.startswith("TEMP")} == {
        "broken.mail.test", "noaddress.mail.test", "servfail.mail.test"}
