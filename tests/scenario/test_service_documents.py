"""What kenter policy and kenter auth-server fetch over HTTPS: when, how often, and what comes of it when it cannot be had."""
import base64
import concurrent.futures
import hashlib
import json
import socket
import time

import pytest

from auth_support import DER, Identity
from peers_support import KENTER, PATIENCE, Server, accepts, wait
from world_support import World
from xmpp_support import Asker, AuthServer, base64_of

X, WEB, NOBODY = "127.0.2.1", "127.0.2.2", "127.0.2.3"
POSH = "/.well-known/posh/xmpp-server.json"
STS = "/.well-known/mta-sts.txt"

# Serves DIRECTORY/HOST/PATH with "_" for "/"; a first line "!WHAT" is what to do instead. Tells what was asked for.
SITE = """
import http.server, os, ssl, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("GET", self.headers["Host"], self.path, flush=True)
        try:
            text = open(os.path.join(sys.argv[1], self.headers["Host"] + self.path.replace("/", "_"))).read()
        except FileNotFoundError:
            text = "!404"
        do = text[1:].split()[0] if text.startswith("!") else "200"
        if do == "silent":
            time.sleep(60)
        if do == "endless":
            text, do = " " * 100_000_000, "200"
        self.send_response(int(do))
        if do == "302":
            self.send_header("Location", text.split()[1])
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *ignored): pass
class Site(http.server.ThreadingHTTPServer):
    request_queue_size, daemon_threads = 128, True
    def handle_error(self, *ignored): pass
site = Site((sys.argv[4], 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
print("ready", flush=True)
site.serve_forever()
"""

POSH_DOMAINS = ["many", "short", "absent", "broken", "redirect", "endless", "loop", "refer", "refused", "noaddress", "stranger",
                "silent"]
STS_DOMAINS = ["good", "changed", "stalls", "gone", "untrusted", "html", "failing"]


class Site(Server):
    def __init__(self, world, identity):
        super().__init__(world.path, "site")
        self.documents = self.path / "documents"
        self.documents.mkdir()
        (self.path / "site.py").write_text(SITE)
        self.launch(*world.inside.prefix, "/usr/bin/python3", self.path / "site.py", self.documents, identity.file,
                    identity.key_file, WEB)

    def put(self, host, path, text):
        (self.documents / (host + path.replace("/", "_"))).write_text(text)

    def fetches(self, host):
        return self.text().count(f"GET {host} ")


def posh(*identities, expires=600):
    return json.dumps({"expires": expires, "fingerprints": [
        {"sha-256": base64.b64encode(hashlib.sha256(each.certificate.public_bytes(DER)).digest()).decode()}
        for each in identities]})


def refer(host):
    return json.dumps({"expires": 600, "url": f"https://{host}{POSH}"})


def policy_text(host):
    return f"version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: 86400\r\n"


def zone_text():
    lines = ["$TTL 300", f"x A {X}"]
    for name in POSH_DOMAINS:
        address = {"refused": NOBODY, "noaddress": None}.get(name, WEB)
        lines += [f"_xmpp-server._tcp.{name} SRV 5 0 5269 x"] + ([f"{name} A {address}"] if address else [])
    for name in STS_DOMAINS:
        lines += [f"{name} MX 10 mx.{name}", f"mx.{name} A {X}", f"mta-sts.{name} A {WEB}",
                  f'$TTL 1\n_mta-sts.{name} TXT "v=STSv1; id=1;"\n$TTL 300']
    return "\n".join(lines)


class Policies(Server):
    def __init__(self, world, *options):
        super().__init__(world.path, "policy")
        self.socket, self.report, state = self.path / "socket", self.path / "tlsrpt", self.path / "state"
        state.mkdir()
        self.launch(*world.inside.prefix, KENTER, "policy", "--postfix", f"unix:{self.socket}", "--state", state, "--anchor",
                    world.anchor(), "--server", "127.0.53.1", "--keep", "1s", "--tlsrpt", self.report, *options)
        wait(lambda: self.alive() or accepts(self.socket), "the socket of policy")

    def ask(self, key):
        key = f"postfix {key}"
        with socket.socket(socket.AF_UNIX) as conn:
            conn.settimeout(PATIENCE)
            conn.connect(str(self.socket))
            conn.sendall(f"{len(key)}:{key},".encode())
            text = b""
            while not text.endswith(b","):
                text += conn.recv(65536)
        return text.decode().split(":", 1)[1][:-1]

    def reported(self, domain):
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return [one for one in map(json.loads, lines) if one["policy-domain"] == domain]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("documents")
    ca = Identity(path, "ca", authority=True)
    names = [f"{name}.test" for name in POSH_DOMAINS if name != "stranger"]
    names += [f"mta-sts.{name}.test" for name in STS_DOMAINS if name != "untrusted"]
    web, own, other = Identity(path, *names, issuer=ca), Identity(path, "x.test"), Identity(path, "x.test")
    with World(path) as world:
        one = world.server("knot")
        world.zone(".", [one])
        world.zone("test.", [one], zone_text(), signed=False)
        world.start()
        world.unbound()
        for address in (X, WEB, NOBODY):
            world.inside.address(address)
        site = Site(world, web)
        pairs = AuthServer(world, "--server", "127.0.53.1", "--ca", ca.file)
        pairs.start()
        policies = Policies(world, "--sts-ca", ca.file)
        site.wait_log("ready")
        for name, text in documents(own).items():
            site.put(f"{name}.test", POSH, text)
        for name, text in sts_documents().items():
            site.put(f"mta-sts.{name}.test", STS, text)
        stage = type("Stage", (), dict(world=world, site=site, pairs=pairs, policies=policies, path=path, own=own, other=other))
        # Those who stall, so that nobody has to wait for them later.
        stage.begun, stage.slow = time.time(), concurrent.futures.ThreadPoolExecutor(2)
        stage.stalled = [stage.slow.submit(ask, stage, "silent", own), stage.slow.submit(policies.ask, "stalls.test")]
        try:
            for host in ("silent.test", "mta-sts.stalls.test"):
                site.wait_log(f"GET {host} ")
            yield stage
        finally:
            for server in (site, pairs, policies):
                server.end()


def ask(stage, name, identity):
    return Asker(stage.pairs.socket).ask(direction="out", local="home.test", remote=f"{name}.test", address=X, port=5269,
                                         chain=[base64_of(identity)])


# --- POSH.

def documents(own):
    return {"broken": "!503", "redirect": f"!302 https://many.test{POSH}", "endless": "!endless",
            "loop": refer("loop.test"), "refer": refer("many.test"), "refused": posh(own), "noaddress": posh(own),
            "stranger": posh(own), "silent": "!silent"}


def test_one_fetch_for_many_certificates(stage):
    """A document is kept apart from the verdicts that lean on it."""
    crowd = [stage.own, *(Identity(stage.path, "x.test", key=stage.own.key) for _ in range(9))]
    stage.site.put("many.test", POSH, posh(*crowd))
    before = Asker(stage.pairs.socket).ask(metrics=True)["metrics"]
    for identity in crowd:
        answer = ask(stage, "many", identity)
        assert (answer["state"], answer["proof"]) == ("yes", "posh"), answer
    assert ask(stage, "many", stage.other)["state"] == "no"
    assert ask(stage, "refer", stage.own)["state"] == "yes"
    after = Asker(stage.pairs.socket).ask(metrics=True)["metrics"]
    assert stage.site.fetches("many.test") == 1
    assert after["posh_used_again"] - before["posh_used_again"] == 11
    assert after["posh_fetches"] - before["posh_fetches"] == 2


def test_a_document_ends_when_it_says(stage):
    """Counted from when it was fetched, not from when it was used."""
    second, another = (Identity(stage.path, "x.test", key=stage.own.key) for _ in range(2))
    stage.site.put("short.test", POSH, posh(stage.own, second, expires=3))
    assert 1 <= ask(stage, "short", stage.own)["ttl"] <= 3
    time.sleep(1.5)
    assert ask(stage, "short", second)["ttl"] <= 2
    assert ask(stage, "short", another)["state"] == "no"
    stage.site.put("short.test", POSH, posh(another, expires=3))
    assert stage.site.fetches("short.test") == 1
    wait(lambda: ask(stage, "short", Identity(stage.path, "x.test", key=stage.own.key)) and
         stage.site.fetches("short.test") == 2, "another fetch")
    assert ask(stage, "short", stage.own)["state"] == "no"


@pytest.mark.parametrize("name, state, dialback, words", [
    # What the host itself says is an answer.
    ("absent", "no", True, "404"), ("redirect", "no", True, "redirect"), ("endless", "no", True, "longer than"),
    ("loop", "no", True, "one step is the most"), ("noaddress", "no", True, "no address"),
    # What could not be had is none, but dialback may do: many domains have no web server.
    ("broken", "later", True, "503"), ("refused", "later", True, "cannot be fetched"),
    ("stranger", "later", True, "cannot be fetched"),
])
def test_without_a_document(stage, name, state, dialback, words):
    answer = ask(stage, name, stage.own)
    assert (answer["state"], answer["proof"], answer["dialback"]) == (state, "none", dialback), answer
    assert words in answer["reason"], answer


# --- MTA-STS.

def sts_documents():
    return {"good": policy_text("mx.good.test"), "changed": policy_text("mx.changed.test"), "stalls": "!silent", "gone": "!404",
            "html": "<html>", "failing": policy_text("mx.failing.test"), "untrusted": policy_text("mx.untrusted.test")}


def secure(name):
    return f"OK secure match=mx.{name}.test servername=hostname"


def change_id(stage, *names):
    zone = stage.world.zones["test."]
    for name in names:
        zone.text = zone.text.replace(f'_mta-sts.{name} TXT "v=STSv1; id=1;"', f'_mta-sts.{name} TXT "v=STSv1; id=2;"')
    zone.build()
    zone.servers[0].restart()


def test_another_id(stage):
    """The new policy holds when it can be had, and the old one otherwise, which is not tried again and again."""
    for name in ("changed", "failing"):
        assert stage.policies.ask(f"{name}.test") == secure(name)
    stage.site.put("mta-sts.changed.test", STS, policy_text("elsewhere.test").replace("enforce", "none"))
    stage.site.put("mta-sts.failing.test", STS, "!500")
    assert stage.policies.ask("changed.test") == secure("changed")
    change_id(stage, "changed", "failing")
    wait(lambda: stage.policies.ask("changed.test") == "OK may", "the new policy")
    wait(lambda: stage.policies.ask("failing.test") == secure("failing") and
         stage.site.fetches("mta-sts.failing.test") == 2, "the fetch that fails")
    time.sleep(1.1)
    assert stage.policies.ask("failing.test") == secure("failing")
    assert stage.site.fetches("mta-sts.failing.test") == 2
    assert stage.site.fetches("mta-sts.changed.test") == 2
    assert [one["result-type"] for one in stage.policies.reported("failing.test")] == ["sts-policy-fetch-error"]


@pytest.mark.parametrize("name, kind, words", [
    ("gone", "sts-policy-fetch-error", "404"), ("untrusted", "sts-webpki-invalid", "certificate"),
    ("html", "sts-policy-invalid", "<html>"),
])
def test_policies_that_cannot_be_had(stage, name, kind, words):
    """No policy, and a line for the report that the domain may want."""
    assert stage.policies.ask(f"{name}.test") == "OK may"
    found = stage.policies.reported(f"{name}.test")
    assert [(one["policy-type"], one["result-type"]) for one in found] == [("sts", kind)], found
    assert words in found[0]["failure-reason-code"], found


def test_the_lines_are_sessions(stage):
    """kenter tlsrpt reads them."""
    stage.policies.ask("gone.test")
    reports = stage.path / "reports"
    reports.mkdir()
    stage.world.must(KENTER, "tlsrpt", "--sessions", stage.policies.report, "--organization", "A", "--contact", "a@example.net",
                     "--submitter", "a.example", "--output", reports, "--day", "now", "--all", "--anchor",
                     stage.world.anchor(), "--server", "127.0.53.1")
    report, = (json.loads(file.read_text()) for file in reports.glob("a.example!gone.test!*"))
    assert report["policies"][0]["failure-details"][0]["result-type"] == "sts-policy-fetch-error", report


# --- Hosts that stall.

def test_stalling_hosts(stage):
    """They hold up nobody else, and whoever asked for them is answered."""
    begun = time.time()
    assert stage.policies.ask("good.test") == secure("good")
    assert ask(stage, "absent", stage.own)["state"] == "no"
    assert time.time() - begun < 5
    posh_answer, policy_answer = (one.result(timeout=PATIENCE) for one in stage.stalled)
    assert time.time() - stage.begun < 30
    assert posh_answer["state"] == "later", posh_answer
    assert policy_answer == "OK may"
    assert [one["result-type"] for one in stage.policies.reported("stalls.test")] == ["sts-policy-fetch-error"]
