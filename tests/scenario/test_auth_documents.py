"""kenter auth and the documents that servers are judged by: POSH of XMPP domains, policies of MTA-STS. Their hosts are found
by validated look-ups, which is all that there is in a world without a system's resolver."""
import base64
import hashlib
import json
import time

import pytest

from auth_support import DER, Services

SERVER, CLIENT = (f"/.well-known/posh/xmpp-{end}.json" for end in ("server", "client"))
DEADLINE = 8


def posh(identity, wrong=False, expires=600, **more):
    digest = hashlib.sha256(identity.certificate.public_bytes(DER) + b"!" * wrong).digest()
    return json.dumps({"fingerprints": [{"sha-256": base64.b64encode(digest).decode()}], "expires": expires, **more})


def refer(host, expires=600):
    return json.dumps({"url": f"https://{host}/posh.json", "expires": expires})


# name: (the host of the SRV, the document, made of the identities of hosts; result; by; words of the reason; most
# seconds until it ends; records live 300)
POSH = {
    "match": ("hosted", lambda own: posh(own["hosted"]), "authenticated", "posh", "POSH document", 300),
    "short": ("hosted", lambda own: posh(own["hosted"], expires=30), "authenticated", "posh", "POSH document", 30),
    "vouched": ("vouched", lambda own: "!404 Not Found", "authenticated", "pkix", "vouches", None),
    "wrong": ("hosted", lambda own: posh(own["hosted"], wrong=True), "refused", None, "does not have its fingerprint", None),
    "other": ("hosted", lambda own: posh(own["vouched"]), "refused", None, "does not have its fingerprint", None),
    "none": ("hosted", lambda own: "!404 Not Found", "refused", None, "404", None),
    "elsewhere": ("hosted", lambda own: "!https://match.chat.test" + SERVER, "refused", None, "redirect", None),
    "follow": ("hosted", lambda own: refer("web.host.test", 90), "authenticated", "posh", "POSH document", 90),
    "loop": ("hosted", lambda own: refer("web.host.test:8443"), "refused", None, "one step is the most", None),
    "lost": ("hosted", lambda own: refer("nowhere.host.test"), "refused", None, "no address", None),
    "forged": ("hosted", lambda own: refer("www.expired.test"), "refused", None, "cannot be had", None),
    "plain": ("hosted", lambda own: json.dumps({"url": "http://web.host.test/posh.json", "expires": 9}), "refused", None,
              "no https URL", None),
    "literal": ("hosted", lambda own: refer("127.0.6.99"), "refused", None, "no host", None),
    "junk": ("hosted", lambda own: "<html>", "refused", None, "no JSON", None),
    "forever": ("hosted", lambda own: posh(own["hosted"], expires=0), "refused", None, "how long", None),
    "endless": ("hosted", lambda own: "!endless", "refused", None, "longer than", None),
    "silent": ("hosted", lambda own: "!silent", "refused", None, "cannot be fetched", None),
    "ended": ("ended", lambda own: posh(own["ended"]), "refused", None, "expired", None),
    "mismatch": ("mismatch", lambda own: posh(own["mismatch"]), "refused", None, "TLSA", None),
    "proved": ("proved", lambda own: "!404 Not Found", "authenticated", "dane", "TLSA", None),
    "no-tls": ("no-tls", lambda own: posh(own["hosted"]), "refused", None, "does not offer", None),
}


def policy(*hosts):
    return "".join(f"{line}\r\n" for line in ("version: STSv1", "mode: enforce", *(f"mx: {host}" for host in hosts),
                                              "max_age: 86400"))


# name: (the policy's host and what it gives; demand; words of what is wrong with it)
POLICIES = {
    "kept": ("good", policy("mx.plain.test"), "pkix", None),
    "uncovered": ("good", policy("other.plain.test"), "skip", None),
    "missing": ("good", "!404 Not Found", "may", "404"),
    "moved": ("good", "!https://mta-sts.kept.mail.test/.well-known/mta-sts.txt", "may", "redirect"),
    "typed": ("good", "!type:text/html " + policy("mx.plain.test"), "may", "media type"),
    "untyped": ("good", "!type:text/plainer " + policy("mx.plain.test"), "may", "media type"),
    "charset": ("good", "!type:text/plain;charset=utf-8 " + policy("mx.plain.test"), "pkix", None),
    "large": ("good", "!endless", "may", "longer than"),
    "lost": ("absent", "", "may", "no address"),
    "forged": ("bogus", "", "may", "cannot be had"),
    "impostor": ("stranger", policy("mx.plain.test"), "may", "certificate"),
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
    world.zone(".", [top])
    world.zone("test.", [top])
    world.authority = world.identity("authority.test", authority=True)
    own = {name: world.identity(f"{name}.host.test", days=days) for name, days in
           (("hosted", 30), ("ended", -1), ("mismatch", 30), ("proved", 30), ("no-tls", 30))}
    own["vouched"] = world.identity("vouched.chat.test", issuer=world.authority)
    hosts, domains = ["web A 127.0.6.98"], []
    for number, (name, identity) in enumerate(own.items()):
        hosts.append(f"{name} A 127.0.6.{100 + number}")
        for port in (5269, 5222):
            world.serve(f"127.0.6.{100 + number}", port, "xmpp", identity, "no-tls" if name == "no-tls" else "")
    hosts += [f"_5269._tcp.proved TLSA {own['proved'].tlsa()}", f"_5269._tcp.mismatch TLSA {own['hosted'].tlsa()}"]
    web = world.identity("web.host.test", issuer=world.authority)
    world.serve("127.0.6.98", 443, "https", web, {"/posh.json": posh(own["hosted"])})
    world.serve("127.0.6.98", 8443, "https", web, refer("web.host.test"))
    for number, (name, (host, document, *_)) in enumerate(POSH.items()):
        domain, address = f"{name}.chat.test", f"127.0.6.{number + 1}"
        text = document(own)
        world.serve(address, 443, "https", world.identity(domain, issuer=world.authority),
                    {SERVER: text, CLIENT: text if name == "match" else "!404 Not Found"})
        domains += [f"{name} A {address}", f"_xmpp-server._tcp.{name} SRV 0 0 5269 {host}.host.test.",
                    f"_xmpp-client._tcp.{name} SRV 0 0 5222 {host}.host.test."]
    mail = []
    for number, (name, (host, text, *_)) in enumerate(POLICIES.items()):
        address = f"127.0.7.{number + 1}"
        mail += [f"{name} MX 10 mx.plain.test.", f'_mta-sts.{name} TXT "v=STSv1; id=1;"',
                 {"absent": "", "bogus": f"mta-sts.{name} CNAME www.expired.test."}.get(host, f"mta-sts.{name} A {address}")]
        issuer = None if host == "stranger" else world.authority
        if text:
            world.serve(address, 443, "https", world.identity(f"mta-sts.{name}.mail.test", issuer=issuer), text)
    world.serve("127.0.7.100", 25, "smtp", world.identity("mx.plain.test", issuer=world.authority))
    world.serve("127.0.7.101", 8443, "https", world.identity("mta-sts.lost.mail.test", issuer=world.authority),
                policy("mx.plain.test"))
    world.zone("host.test.", [top], "\n".join(hosts))
    world.zone("chat.test.", [top], "\n".join(domains))
    world.zone("mail.test.", [top], "\n".join(mail))
    world.zone("plain.test.", [top], "mx A 127.0.7.100", signed=False)
    world.zone("expired.test.", [top], "www A 127.0.6.98", at="now-40d")


def attempt(world, service, domain, *options, code):
    document = world.auth(service, domain, "--ca", world.authority.file, "--connect-timeout", "2", *options, code=code)
    (endpoint,) = document["domains"][0]["endpoints"]
    return endpoint["attempts"][0], document


@pytest.mark.parametrize("name", POSH)
def test_posh(world, name):
    *_, result, by, words, most = POSH[name]
    started = time.time()
    seen, document = attempt(world, "xmpp-server", f"{name}.chat.test", code=0 if by else 1)
    assert time.time() - started < DEADLINE
    assert (seen["result"], seen["by"]) == (result, by), seen
    assert words in seen["reason"], seen
    if most is not None:
        ends = time.mktime(time.strptime(seen["expiry"] + " UTC", "%Y-%m-%dT%H:%M:%SZ %Z")) - time.timezone
        assert started + most - 2 <= ends <= time.time() + most + 1, (ends - started, seen)
    assert document["ok"] == (by is not None)


def test_clients_have_their_own_document(world):
    assert attempt(world, "xmpp-client", "match.chat.test", code=0)[0]["by"] == "posh"
    assert "404" in attempt(world, "xmpp-client", "short.chat.test", code=1)[0]["reason"]


def test_without_posh(world):
    seen, _ = attempt(world, "xmpp-server", "match.chat.test", "--no-posh", code=1)
    assert seen["result"] == "refused" and "POSH" not in seen["reason"]
    # A host that is named is not asked for a domain's document; other services have none.
    seen, _ = attempt(world, "xmpp-server", "hosted.host.test:5269", code=1)
    assert seen["result"] == "refused" and "POSH" not in seen["reason"]
    done = world.auth("xmpp-server", "--mandatory", "match.chat.test", "--ca", world.authority.file, code=1)
    assert done["domains"][0]["outcome"] == "defer"


def test_document_from_elsewhere(world):
    web = "none.chat.test=127.0.6.1"  # whose certificate is for match.chat.test
    seen, _ = attempt(world, "xmpp-server", "none.chat.test", "--connect", web, code=1)
    assert "certificate" in seen["reason"], seen
    seen, _ = attempt(world, "xmpp-server", "lost.chat.test", "--connect", "nowhere.host.test=127.0.6.98@443", code=1)
    assert "certificate" in seen["reason"], seen
    seen, _ = attempt(world, "xmpp-server", "follow.chat.test", "--connect", "web.host.test=127.0.6.98@8443", code=1)
    assert "one step is the most" in seen["reason"], seen


@pytest.mark.parametrize("name", POLICIES)
def test_policies(world, name):
    _, _, demand, words = POLICIES[name]
    code = {"pkix": 0, "skip": 1, "may": 4}[demand]
    done = world.auth("smtp", "--plan", f"{name}.mail.test", "--ca", world.authority.file, code=code)
    (domain,) = done["domains"]
    assert domain["endpoints"][0]["demand"] == demand, domain
    problem = domain["sts"]["problem"]
    assert (problem is None) if words is None else words in problem, domain["sts"]
    done = world.kenter("mta", "--json", "--ca", world.authority.file, "--connect-timeout", "2", "--server",
                        world.resolver_used.address, f"{name}.mail.test", code=None)
    seen = json.loads(done.stdout)
    broken = [each["message"] for each in seen["findings"] if each["code"] == "dane.sts-broken"]
    assert (broken == []) if words is None else words in broken[0], seen["findings"]


def test_policy_from_elsewhere(world):
    options = ["--ca", world.authority.file, "--connect", "mta-sts.lost.mail.test=127.0.7.101@8443"]
    done = world.auth("smtp", "lost.mail.test", *options)
    (endpoint,) = done["domains"][0]["endpoints"]
    assert endpoint["demand"] == "pkix" and endpoint["attempts"][0]["result"] == "authenticated"
    done = world.kenter("mta", "--json", "--server", world.resolver_used.address, *options, "lost.mail.test", code=None)
    assert json.loads(done.stdout)["mta"]["sts"]["mode"] == "enforce"
