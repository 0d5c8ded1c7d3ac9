"""kenter auth-server with real XMPP servers, Prosody with the module of integrations/prosody and ejabberd, each with many
domains and one certificate that names its host only, in a private signed DNS (world_support.py)."""
import base64
import collections
import hashlib
import json
import re
import signal
import time

import pytest

from auth_support import Identity
from world_support import World
from xmpp_support import Asker, AuthServer, Ejabberd, Peer, Prosody, base64_of, posh_site

DOMAINS = 20
X1, X2, X3, X4, WEB = "127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.4", "127.0.2.5"
SHORT = ["short", "gone", "gonetoo", "lent"]  # their records live for seconds
OPENING = "opening a new outgoing connection"
CUSTOMERS = [f"c{i}.net" for i in range(1, DOMAINS + 1)]


def corrupt(lines):
    """The signature of the TLSA is another one's."""
    return [re.sub(r"(RRSIG\s+TLSA\s.*\s)(\S{4})(\S+)$", r"\1AAAA\3", line) for line in lines]


def build(world, x1, x2, x3, ej, stranger):
    """x1 has the customers, and domains of which each has something special; x2 has home.net and way.net."""
    one, two = world.server("knot"), world.server("nsd")
    one.own["_tcp.m1.host.net."] = None
    srv, direct = "_xmpp-server._tcp SRV 5 0 5269", "_xmpps-server._tcp SRV 5 0 5270"
    client = "_xmpp-client._tcp SRV 5 0 5222"
    wrong = stranger.tlsa()
    world.zone(".", [one])
    world.zone("net.", [one])
    world.zone("host.net.", [two], f"x1 A {X1}\n_5269._tcp.x1 TLSA {x1.tlsa()}\n_5270._tcp.x1 TLSA {x1.tlsa()}\n"
               f"_5222._tcp.x1 TLSA {x1.tlsa()}\n_5222._tcp.y1 TLSA {wrong}\n"
               f"y1 A {X1}\n_5269._tcp.y1 TLSA {wrong}\n_5270._tcp.y1 TLSA {wrong}\nz1 A {X1}\nm1 A {X1}\nx3 A {X3}\n"
               f"_5269._tcp.x3 TLSA {x3.tlsa()}")
    world.zone("_tcp.m1.host.net.", [one])  # and its server does not know it
    world.zone("peer.net.", [two], f"x2 A {X2}\n_5269._tcp.x2 TLSA {x2.tlsa()}\nej A {X4}\n_5269._tcp.ej TLSA {ej.tlsa()}\n"
               f"_5222._tcp.ej TLSA {ej.tlsa()}\n"
               f"ey A {X4}\n_5269._tcp.ey TLSA {wrong}\nez A {X4}")
    world.zone("bad.net.", [two], f"b A {X1}\n_5269._tcp.b TLSA {x1.tlsa()}\n{srv} b", edit=corrupt)
    for name, records in {
            **{name: f"{srv} x2.peer.net." for name in ("home", "way")},
            **{name: f"{srv} x3.host.net." for name in ("open", "plain")},
            **{name: f"$TTL 6\n{srv} x1.host.net." for name in SHORT},
            **{customer.removesuffix(".net"): f"{srv} x1.host.net." for customer in CUSTOMERS},
            "two": f"{srv} x1.host.net.\n{client} x1.host.net.", "wrong": f"{srv} y1.host.net.\n{client} y1.host.net.",
            "mute": f"{srv} m1.host.net.", "direct": f"{direct} x1.host.net.", "directwrong": f"{direct} y1.host.net.",
            "e1": f"{srv} ej.peer.net.\n{client} ej.peer.net.", "e2": f"{srv} ej.peer.net.",
            "ewrong": f"{srv} ey.peer.net."}.items():
        world.zone(f"{name}.net.", [two], records)
    for name, host in {"posh": "z1.host", "nobody": "z1.host", "eposh": "ez.peer", "epkix": "ez.peer",
                       "enobody": "ez.peer"}.items():
        world.zone(f"{name}.net.", [two], f"{srv} {host}.net." + (f"\n@ A {WEB}" if "posh" in name else ""), signed=False)
    world.start()
    world.unbound()
    for address in (X1, X2, X3, X4, WEB):
        world.inside.address(address)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("xmpp")
    ca = Identity(path, "ca", authority=True)
    x1, x2, x3 = (Identity(path, name) for name in ("x1.host.net", "x2.peer.net", "x3.host.net"))
    ej = Identity(path, "ej.peer.net", "epkix.net", issuer=ca)
    stranger = Identity(path, "home.net")
    web = Identity(path, "posh.net", "eposh.net", issuer=ca)
    with World(path) as world:
        build(world, x1, x2, x3, ej, stranger)
        service = AuthServer(world, "--server", "127.0.53.1", "--ca", ca.file)
        service.start()
        a = Prosody(world, "a", X1, [*CUSTOMERS, "wrong.net", "posh.net", "nobody.net", "bad.net", "mute.net", "short.net",
                                     "gone.net", "lent.net", "direct.net", "directwrong.net"], x1, service,
                    bidi=["two.net", "gonetoo.net"], settings="s2s_secure_auth = true\nkenter_share_streams = true")
        b = Prosody(world, "b", X2, ["home.net"], x2, service, bidi=["way.net"])
        # Takes dialback where nothing forbids it.
        c = Prosody(world, "c", X3, ["plain.net"], x3, service, bidi=["open.net"],
                    settings="s2s_secure_auth = false\nkenter_share_streams = true")
        ejabberd = Ejabberd(world, X4, ["e1.net", "e2.net", "ewrong.net", "eposh.net", "epkix.net", "enobody.net"],
                            ej, ca)
        servers = [ejabberd, a, b, c]
        try:
            for server in servers:
                server.start()
            site = posh_site(world, WEB, web, [
                base64.b64encode(hashlib.sha256(identity.der_file.read_bytes()).digest()).decode() for identity in (x1, ej)])
            servers += [site, service]
            for server in (a, b, c, ejabberd):
                server.ready()
            stage = type("Stage", (), dict(world=world, a=a, b=b, c=c, ejabberd=ejabberd, x1=x1, stranger=stranger,
                                           service=service))
            servers.append(Peer(world, "insistent", X2, x1, "short.net", "home.net", *["short.net"] * 5, "hear"))
            open_short_ones(stage)
            yield stage
        finally:
            for process in servers:
                process.end()


def open_short_ones(stage):
    """Their proofs run out while other tests go on: see test_a_proof_that_ends."""
    wishes = [(box, *box.wish(*pair)) for box, *pair in (
        (stage.b, "home.net", "short.net"), (stage.a, "short.net", "home.net"), (stage.b, "home.net", "gone.net"),
        (stage.a, "gonetoo.net", "way.net"))]
    assert [box.fate(wish) for box, wish in wishes] == ["PONG"] * 4
    assert [stage.c.ping("plain.net", domain) for domain in ("c1.net", "lent.net")] == ["PONG"] * 2
    for name in ("gone.net.", "gonetoo.net.", "lent.net."):
        zone = stage.world.zones[name]
        zone.text = zone.text.replace("x1.host", "y1.host")
        zone.build()
    stage.world.zones["gone.net."].servers[0].restart()


# --- The service itself.


def question(remote, certificate, **more):
    return {"direction": "out", "local": "home.net", "remote": remote, "address": X1, "port": 5269,
            "chain": [base64_of(certificate)], **more}


def test_the_service(stage):
    asker = Asker(stage.service.socket)
    answer = asker.ask(**question("c1.net", stage.x1))
    assert (answer["state"], answer["proof"]) == ("yes", "dane"), answer
    assert 0 < answer["ttl"] <= 300 and abs(answer["expires"] - answer["ttl"] - time.time()) < 5
    answer = asker.ask(**question("c1.net", stage.stranger))
    assert (answer["state"], answer["proof"], answer["dialback"]) == ("no", "dane", False), answer
    for domain in ("bad.net", "mute.net"):
        answer = asker.ask(**question(domain, stage.x1))
        assert (answer["state"], answer["dialback"]) == ("later", False), answer
    answer = asker.ask(**question("posh.net", stage.x1))
    assert (answer["state"], answer["proof"]) == ("yes", "posh"), answer
    answer = asker.ask(**question("posh.net", stage.stranger))
    assert (answer["state"], answer["dialback"]) == ("no", True), answer
    answer = asker.ask(**question("nobody.net", stage.x1))
    assert (answer["state"], answer["dialback"]) == ("no", True), answer
    answer = asker.ask(direction="in", local="home.net", remote="c2.net", chain=[base64_of(stage.x1)])
    assert (answer["state"], answer["proof"]) == ("yes", "dane"), answer
    answer = asker.ask(**question("c3.net", stage.x1, direction="reuse"))
    assert answer["state"] == "yes", answer
    answer = asker.ask(**question("home.net", stage.x1, direction="reuse"))
    assert answer["state"] == "no", answer


def test_questions_side_by_side(stage):
    """A slow one does not hold up the others; equal ones are found out once."""
    asker = Asker(stage.service.socket)
    before = asker.ask(metrics=True)["metrics"]
    ids = [asker.send(**question(domain, stage.x1, no_posh=True)) for domain in CUSTOMERS * 10]
    answers = [asker.read() for _ in ids]
    assert {answer["id"] for answer in answers} == set(ids)
    assert all(answer["state"] == "yes" for answer in answers)
    after = asker.ask(metrics=True)["metrics"]
    assert DOMAINS <= after["pairs"] - before["pairs"] < 2 * DOMAINS  # and proofs that end meanwhile


def test_what_is_no_question(stage):
    asker = Asker(stage.service.socket)
    for line in (b"{", b"[]", b"null", b"{}", b'{"id":"x"}', b'{"id":1}', b'{"id":1,"local":"a","remote":"b..c"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"up"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"out"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"in","chain":["?"]}', b"\xff\xfe", b"[" * 5000):
        asker.file.write(line + b"\n")
        assert "error" in asker.read(), line
    with pytest.raises(OSError):
        asker.socket.sendall(b"x" * 1_000_000)  # one line: the service hangs up
    assert Asker(stage.service.socket).ask(metrics=True)["metrics"]["malformed"] >= 12


# --- kenter auth, and the same servers.


@pytest.mark.parametrize("service, domain, code", [
    ("xmpp-server", "c1.net", 0), ("xmpp-server", "direct.net", 0), ("xmpp-server", "wrong.net", 1),
    ("xmpp-server", "mute.net", 1), ("xmpp-client", "two.net", 0), ("xmpp-client", "wrong.net", 1),
    ("xmpp-server", "e1.net", 0), ("xmpp-server", "ewrong.net", 1), ("xmpp-client", "e1.net", 0)])
def test_auth(stage, service, domain, code):
    done = stage.world.kenter("auth", "--json", "--server", "127.0.53.1", service, domain, code=code)
    (endpoint,) = json.loads(done.stdout)["domains"][0]["endpoints"]
    (attempt,) = endpoint["attempts"]
    assert attempt["result"] == ("authenticated" if code == 0 else "refused"), endpoint


# --- Prosody and Prosody.


def test_prosody_to_prosody(stage):
    assert stage.a.ping("c1.net", "home.net") == "PONG"
    assert stage.b.ping("home.net", "c1.net") == "PONG"
    assert "home.net is proved by dane" in stage.a.text()
    assert "c1.net is proved by dane" in stage.b.text()


def test_posh_between_prosodies(stage):
    assert stage.b.ping("home.net", "posh.net") == "PONG"
    assert "posh.net is proved by posh" in stage.b.text()


def test_direct_tls(stage):
    """TLS from the first octet on (XEP-0368), in both directions; TLSA of that port count."""
    since = len(stage.b.text())
    assert stage.b.ping("home.net", "direct.net") == "PONG"
    assert f"{X1}:5270" in stage.b.text()[since:] and f"{X1}:5269" not in stage.b.text()[since:]
    assert stage.a.ping("direct.net", "home.net") == "PONG"
    outgoing = stage.b.ping("home.net", "directwrong.net")
    assert outgoing.startswith("LOST") and "not-authorized" in outgoing, outgoing


@pytest.mark.parametrize("domain, words", [("wrong.net", "not-authorized"), ("nobody.net", "not-authorized"),
                                           ("bad.net", "wait remote-server-timeout"),
                                           ("mute.net", "wait remote-server-timeout")])
def test_refused(stage, domain, words):
    outgoing = stage.b.ping("home.net", domain)
    assert outgoing.startswith("LOST") and words in outgoing, outgoing
    assert stage.a.ping(domain, "home.net").startswith("LOST")


# --- More pairs of domains on one stream.


def test_many_domains_on_one_stream(stage):
    """Each asserted domain is proved by the certificate on the stream, without asking back."""
    peer = Peer(stage.world, "many", X2, stage.x1, "c1.net", "home.net", *CUSTOMERS, "wrong.net", "mute.net", "c1.net")
    assert peer.lines() == ["EXTERNAL", *(f"{domain} valid" for domain in CUSTOMERS), "wrong.net error", "mute.net error",
                            "c1.net valid"]


def test_many_domains_on_one_stream_of_prosodies(stage):
    """The domain of one sends to those of the other on one stream, and they to it on another one."""
    before = stage.a.text().count(OPENING)
    assert {stage.c.fate(wish) for wish in stage.c.wish("plain.net", *CUSTOMERS)} == {"PONG"}
    wishes = [wish for domain in CUSTOMERS for wish in stage.a.wish(domain, "plain.net")]
    assert {stage.a.fate(wish) for wish in wishes} == {"PONG"}
    for domain in CUSTOMERS[1:]:
        assert f"Carries plain.net->{domain}, too" in stage.c.text() and f"Carries {domain}->plain.net, too" in stage.a.text()
    assert (stage.a.text().count(OPENING), stage.c.text().count(OPENING)) == (before, 1)
    # One that names the same server, but not securely, or that the server cannot be proved for, gets a stream of its own.
    assert stage.c.ping("plain.net", "posh.net") == "PONG"
    assert "Carries plain.net->posh.net" not in stage.c.text()
    lost = stage.c.ping("plain.net", "wrong.net")
    assert lost.startswith("LOST") and "not-authorized" in lost, lost
    assert "Carries plain.net->wrong.net" not in stage.c.text()


# --- Streams in both directions (XEP-0288).


def test_both_directions(stage):
    since = len(stage.b.text())
    assert stage.a.ping("two.net", "way.net") == "PONG"
    assert stage.b.ping("way.net", "two.net") == "PONG"
    text = stage.b.text()[since:]
    assert "two.net is proved by dane" in text and "Setting up to handle route from way.net to two.net" in text
    assert OPENING not in text
    assert "way.net is proved by dane" in stage.a.text()
    # Such streams are for their own pair.
    assert stage.a.ping("c7.net", "home.net") == "PONG"
    both = set(re.findall(r"(s2sout\w+)\s+debug\s+Requesting bidirectional stream", stage.a.text()))
    many = set(re.findall(r"(s2sout\w+)\s+info\s+Carries", stage.a.text()))
    assert both and many and not both & many


def test_the_other_direction_is_of_who_is_proved(stage):
    """Who proves one domain, and claims another that dialback might prove, gets nothing that is for the other."""
    thief = Peer(stage.world, "thief", X3, stage.x1, "nobody.net", "open.net", "bidi", "c1.net", "hear")
    thief.wait_log("hears")
    try:
        assert "c1.net valid" in thief.text()
        stage.c.ping("open.net", "nobody.net")
        assert "<iq" not in thief.text()
    finally:
        thief.end()


def test_a_strangers_stream(stage):
    """It is refused also while a stream of the right one is there, which goes on."""
    assert stage.b.ping("home.net", "c2.net") == "PONG"
    assert stage.a.ping("c2.net", "home.net") == "PONG"
    peer = Peer(stage.world, "stranger", X2, stage.stranger, "c2.net", "home.net", "c2.net")
    assert not any("valid" in line or line == "EXTERNAL" for line in peer.lines())
    assert "c2.net is not proved (no)" in stage.b.text()
    since = len(stage.b.text())
    assert stage.b.ping("home.net", "c2.net") == "PONG"
    assert stage.a.ping("c2.net", "home.net") == "PONG"
    assert "is proved by" not in stage.b.text()[since:]


# --- ejabberd, which knows neither DANE nor POSH, and calls back (dialback) to find out who Prosody is.


@pytest.mark.parametrize("domain, proof", [("e1.net", "dane"), ("e2.net", "dane"), ("eposh.net", "posh"),
                                           ("epkix.net", "pkix")])
def test_ejabberd(stage, domain, proof):
    """A ping goes there, and its answer comes on another stream, that ejabberd opens; and the other way round."""
    assert stage.b.ping("home.net", domain) == "PONG"
    assert stage.b.text().count(f"{domain} is proved by {proof}") >= 2
    stage.ejabberd.send(domain, "home.net", f"from-{domain}")
    stage.b.wait_log(f"id='from-{domain}'")


@pytest.mark.parametrize("domain", ["ewrong.net", "enobody.net"])
def test_ejabberd_refused(stage, domain):
    outgoing = stage.b.ping("home.net", domain)
    assert outgoing.startswith("LOST") and "not-authorized" in outgoing, outgoing
    refused = f"{domain} is not proved (no)"
    before = stage.b.text().count(refused)
    stage.ejabberd.send(domain, "home.net", f"from-{domain}")
    stage.b.wait_log(refused, before + 1)
    assert f"id='from-{domain}'" not in stage.b.text()


# --- What changes over time.


def test_a_proof_that_ends(stage):
    """It is asked for again when it ends; when the domain has moved away meanwhile, the stream ends, too, and what went the
    other way on it."""
    # On the stream there, on the one from there, and on that of a peer that asserts it over and over.
    stage.b.wait_log("short.net is proved again by dane", 3)
    stage.b.wait_log("outgoing may no longer speak for gone.net")
    stage.b.wait_log("incoming may no longer speak for gonetoo.net")
    stage.c.wait_log("outgoing may no longer speak for lent.net")
    assert "LOST" in stage.c.ping("plain.net", "lent.net")
    assert stage.b.ping("home.net", "short.net") == "PONG"
    assert "LOST" in stage.b.ping("home.net", "gone.net")
    assert "LOST" in stage.b.ping("way.net", "gonetoo.net")
    again = collections.Counter(re.findall(r"(s2s\w+)\s+debug\s+short.net is proved again", stage.b.text()))
    assert len(again) == 3 and max(again.values()) <= min(again.values()) + 1, again


def test_a_stream_of_many_that_ends(stage):
    """Another one carries what it carried."""
    assert {stage.c.fate(wish) for wish in stage.c.wish("plain.net", *CUSTOMERS)} == {"PONG"}
    before = stage.c.text().count(OPENING)
    assert stage.c.ping("plain.net", f"cut:{CUSTOMERS[4]}") == "PONG"
    assert stage.c.ping("plain.net", CUSTOMERS[0]) == "PONG"
    assert {stage.c.fate(wish) for wish in stage.c.wish("plain.net", *CUSTOMERS)} == {"PONG"}
    assert stage.c.text().count(OPENING) <= before + 1


def test_without_the_service(stage):
    """It fails closed, whether the service is gone, or goes while it is asked; what is proved goes on to be so."""
    assert stage.b.ping("home.net", "c10.net") == "PONG"
    stage.service.kill()
    lost = stage.b.ping("home.net", "c11.net")
    assert lost.startswith("LOST") and "wait remote-server-timeout" in lost, lost
    assert "c11.net is not proved (later)" in stage.b.text()
    peer = Peer(stage.world, "unproved", X2, stage.x1, "c12.net", "home.net", "c12.net")
    assert not any("valid" in line or line == "EXTERNAL" for line in peer.lines())
    assert stage.b.ping("home.net", "c10.net") == "PONG"
    stage.service.start()
    assert stage.b.ping("home.net", "c11.net") == "PONG"
    stage.service.process.send_signal(signal.SIGSTOP)
    since = len(stage.a.text())
    (asked,) = stage.b.wish("home.net", "c13.net")
    stage.a.wait_log("Stream encrypted", since=since)
    time.sleep(0.2)  # the question is on its way
    stage.service.kill()
    lost = stage.b.fate(asked)
    assert lost.startswith("LOST") and "wait remote-server-timeout" in lost, lost
    stage.service.start()
    assert stage.b.ping("home.net", "c13.net") == "PONG"
