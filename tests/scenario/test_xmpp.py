"""kenter auth-server with real XMPP servers: two Prosody, each with many domains and one certificate that names its
host only, in a private signed DNS (world_support.py); the module of integrations/prosody on both."""
import base64
import datetime
import hashlib
import json
import re
import socket
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peers_support import KENTER, PATIENCE, Server, TOP, program, wait
from world_support import World

DOMAINS = 20
X1, X2, WEB = "127.0.2.1", "127.0.2.2", "127.0.2.3"


class Certificate:
    def __init__(self, path, name, names, issuer=None, authority=False):
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject)
                   .issuer_name(issuer.x509.subject if issuer else subject).public_key(self.key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=90))
                   .add_extension(x509.BasicConstraints(authority, None), True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        self.x509 = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())
        self.der = self.x509.public_bytes(serialization.Encoding.DER)
        self.file, self.key_file = path / f"{name}.crt", path / f"{name}.key"
        self.file.write_bytes(self.x509.public_bytes(serialization.Encoding.PEM))
        self.key_file.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def tlsa(self):
        key = self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                 serialization.PublicFormat.SubjectPublicKeyInfo)
        return "3 1 1 " + hashlib.sha256(key).hexdigest()

    def base64(self):
        return base64.b64encode(self.der).decode()


class Asker:
    """A connection to the service."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE * 3)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")
        self.id = 0

    def send(self, **question):
        self.id += 1
        self.file.write(json.dumps({"id": self.id, **question}).encode() + b"\n")
        return self.id

    def read(self):
        self.file.flush()
        return json.loads(self.file.readline())

    def ask(self, **question):
        number = self.send(**question)
        answer = self.read()
        assert answer["id"] == number
        return answer


PINGER = """
-- Pings whoever is named in a file, and writes down what comes.
local st = require "util.stanza";
module:add_timer(1, function ()
    local file = io.open(module:get_option_string("test_wishes"));
    if not file then return 1; end
    local wishes = file:read("a"); file:close();
    os.remove(module:get_option_string("test_wishes"));
    for from, to in wishes:gmatch("(%S+) (%S+)\\n") do
        if from == module.host then
            module:send_iq(st.iq({ type = "get", from = from, to = to, id = "ping-" .. to }):tag("ping", { xmlns = "urn:xmpp:ping" }), nil, 30)
                :next(function () module:log("info", "PONG %s %s", from, to); end,
                    function (err) module:log("info", "LOST %s %s %s %s %s", from, to, err.type, err.condition, tostring(err.text)); end);
        end
    end
    return 1;
end);
"""


class Prosody(Server):
    def __init__(self, world, name, address, domains, certificate, socket_path):
        super().__init__(world.path, name)
        self.world, self.address, self.domains, self.certificate = world, address, domains, certificate
        plugins = self.path / "plugins"
        plugins.mkdir()
        (plugins / "mod_test_ping.lua").write_text(PINGER)
        (plugins / "mod_s2s_auth_kenter.lua").write_bytes(
            (TOP / "integrations/prosody/mod_s2s_auth_kenter.lua").read_bytes())
        (self.path / "resolv.conf").write_text("nameserver 127.0.53.1\n")
        (self.path / "data").mkdir()
        hosts = "".join(f'VirtualHost "{domain}"\n    test_wishes = "{self.path}/wishes-{domain}"\n' for domain in domains)
        (self.path / "prosody.cfg.lua").write_text(f"""
run_as_root = true
pidfile = "{self.path}/pid"
data_path = "{self.path}/data"
plugin_paths = {{ "{plugins}" }}
interfaces = {{ "{address}" }}
use_ipv6 = false
modules_enabled = {{ "tls", "saslauth", "dialback", "ping", "disco", "s2s_auth_kenter", "test_ping" }}
modules_disabled = {{ "s2s_auth_certs", "c2s", "offline" }}
s2s_secure_auth = true
kenter_socket = "{socket_path}"
unbound = {{ resolvconf = "{self.path}/resolv.conf"; hoststxt = false }}
ssl = {{ certificate = "{certificate.file}"; key = "{certificate.key_file}" }}
certificates = "{self.path}"
log = {{ {{ levels = {{ min = "debug" }}; to = "console" }} }}
{hosts}""")

    def start(self):
        self.launch(*self.world.inside.prefix, program("prosody"), "-F", "--config", self.path / "prosody.cfg.lua")
        self.wait_log(f"Activated service 's2s' on [{self.address}]:5269")

    def ping(self, local, remote):
        """What comes of it: "PONG", or the words of the error."""
        since = len(self.text())
        (self.path / f"wishes-{local}").write_text(f"{local} {remote}\n")
        found = []

        def look():
            self.alive()
            found[:] = re.findall(rf"(PONG|LOST) {local} {remote}(.*)", self.text()[since:])
            return found
        wait(look, f"an answer of {remote} to {local}", 3 * PATIENCE)
        return found[0][0] + found[0][1]


POSH = """
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = open(sys.argv[1], "rb").read()
        good = self.path == "/.well-known/posh/xmpp-server.json"
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
server = http.server.ThreadingHTTPServer((sys.argv[4], 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def corrupt(lines):
    """The signature of the TLSA is another one's."""
    return [re.sub(r"(RRSIG\s+TLSA\s.*\s)(\S{4})(\S+)$", r"\1AAAA\3", line) for line in lines]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("xmpp")
    ca = Certificate(path, "ca", [], authority=True)
    x1, x2 = Certificate(path, "x1.host.net", ["x1.host.net"]), Certificate(path, "x2.peer.net", ["x2.peer.net"])
    stranger = Certificate(path, "stranger", ["home.net"])
    web = Certificate(path, "posh.net", ["posh.net"], issuer=ca)
    srv = "_xmpp-server._tcp SRV 5 0 5269"
    customers = [f"c{i}.net" for i in range(1, DOMAINS + 1)]
    with World(path) as world:
        one, two = world.server("knot"), world.server("nsd")
        world.zone(".", [one])
        world.zone("net.", [one])
        world.zone("host.net.", [two], f"x1 A {X1}\n_5269._tcp.x1 TLSA {x1.tlsa()}\n"
                   f"y1 A {X1}\n_5269._tcp.y1 TLSA {stranger.tlsa()}\nz1 A {X1}")
        world.zone("peer.net.", [two], f"x2 A {X2}\n_5269._tcp.x2 TLSA {x2.tlsa()}")
        world.zone("bad.net.", [two], f"b A {X1}\n_5269._tcp.b TLSA {x1.tlsa()}\n{srv} b", edit=corrupt)
        world.zone("home.net.", [two], f"{srv} x2.peer.net.")
        world.zone("short.net.", [two], f"$TTL 6\n{srv} x1.host.net.")
        world.zone("wrong.net.", [two], f"{srv} y1.host.net.")
        world.zone("posh.net.", [two], f"{srv} z1.host.net.\n@ A {WEB}", signed=False)
        world.zone("nobody.net.", [two], f"{srv} z1.host.net.", signed=False)
        for customer in customers:
            world.zone(f"{customer}.", [two], f"{srv} x1.host.net.")
        world.start()
        world.unbound()
        for address in (X1, X2, WEB):
            world.inside.address(address)
        service = Server(path, "auth-server")
        socket_path = service.path / "socket"
        service.launch(*world.inside.prefix, KENTER, "auth-server", "--socket", f"unix:{socket_path}", "--anchor",
                       world.anchor(), "--server", "127.0.53.1", "--ca", ca.file)
        wait(socket_path.exists, "the socket")
        document = path / "posh.json"
        document.write_text(json.dumps({
            "fingerprints": [{"sha-256": base64.b64encode(hashlib.sha256(x1.der).digest()).decode()}], "expires": 600}))
        site = Server(path, "site")
        (path / "site.py").write_text(POSH)
        site.launch(*world.inside.prefix, "/usr/bin/python3", path / "site.py", document, web.file, web.key_file, WEB)
        a = Prosody(world, "a", X1, [*customers, "wrong.net", "posh.net", "nobody.net", "bad.net", "short.net"], x1,
                    socket_path)
        b = Prosody(world, "b", X2, ["home.net"], x2, socket_path)
        stage = type("Stage", (), dict(world=world, a=a, b=b, x1=x1, x2=x2, stranger=stranger, socket=socket_path,
                                       service=service, customers=customers, path=path))
        a.start()
        b.start()
        try:
            yield stage
        finally:
            for process in (a, b, site, service):
                process.end()


def question(stage, remote, certificate, **more):
    return {"direction": "out", "local": "home.net", "remote": remote, "address": X1, "port": 5269,
            "chain": [certificate.base64()], **more}


def test_the_service(stage):
    asker = Asker(stage.socket)
    answer = asker.ask(**question(stage, "c1.net", stage.x1))
    assert (answer["state"], answer["proof"]) == ("yes", "dane"), answer
    assert 0 < answer["ttl"] <= 300 and abs(answer["expires"] - answer["ttl"] - time.time()) < 5
    answer = asker.ask(**question(stage, "c1.net", stage.stranger))
    assert (answer["state"], answer["proof"], answer["dialback"]) == ("no", "dane", False), answer
    answer = asker.ask(**question(stage, "bad.net", stage.x1))
    assert answer["state"] == "later", answer
    answer = asker.ask(**question(stage, "posh.net", stage.x1))
    assert (answer["state"], answer["proof"]) == ("yes", "posh"), answer
    answer = asker.ask(**question(stage, "posh.net", stage.stranger))
    assert (answer["state"], answer["dialback"]) == ("no", True), answer
    answer = asker.ask(**question(stage, "nobody.net", stage.x1))
    assert (answer["state"], answer["dialback"]) == ("no", True), answer
    answer = asker.ask(direction="in", local="home.net", remote="c2.net", chain=[stage.x1.base64()])
    assert (answer["state"], answer["proof"]) == ("yes", "dane"), answer
    answer = asker.ask(**question(stage, "c3.net", stage.x1, direction="reuse"))
    assert answer["state"] == "yes", answer
    answer = asker.ask(**question(stage, "home.net", stage.x1, direction="reuse"))
    assert answer["state"] == "no", answer


def test_questions_side_by_side(stage):
    """A slow one does not hold up the others; equal ones are found out once."""
    asker = Asker(stage.socket)
    before = asker.ask(metrics=True)["metrics"]
    ids = [asker.send(**question(stage, domain, stage.x1, no_posh=True)) for domain in stage.customers * 10]
    answers = [asker.read() for _ in ids]
    assert {answer["id"] for answer in answers} == set(ids)
    assert all(answer["state"] == "yes" for answer in answers)
    after = asker.ask(metrics=True)["metrics"]
    assert after["pairs"] - before["pairs"] == DOMAINS


def test_what_is_no_question(stage):
    asker = Asker(stage.socket)
    for line in (b"{", b"[]", b"null", b"{}", b'{"id":"x"}', b'{"id":1}', b'{"id":1,"local":"a","remote":"b..c"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"up"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"out"}',
                 b'{"id":1,"local":"a.net","remote":"b.net","direction":"in","chain":["?"]}', b"\xff\xfe", b"[" * 5000):
        asker.file.write(line + b"\n")
        assert "error" in asker.read(), line
    with pytest.raises(OSError):
        asker.socket.sendall(b"x" * 1_000_000)  # one line: the service hangs up
    assert Asker(stage.socket).ask(metrics=True)["metrics"]["malformed"] >= 12


def test_prosody_to_prosody(stage):
    assert stage.a.ping("c1.net", "home.net") == "PONG"
    assert stage.b.ping("home.net", "c1.net") == "PONG"
    assert "home.net is proved by dane" in stage.a.text()
    assert "c1.net is proved by dane" in stage.b.text()


def test_posh_between_prosodies(stage):
    assert stage.b.ping("home.net", "posh.net") == "PONG"
    assert "posh.net is proved by posh" in stage.b.text()


@pytest.mark.parametrize("domain, words", [("wrong.net", "not-authorized"), ("nobody.net", "not-authorized"),
                                           ("bad.net", "wait remote-server-timeout")])
def test_refused(stage, domain, words):
    outgoing = stage.b.ping("home.net", domain)
    assert outgoing.startswith("LOST") and words in outgoing, outgoing
    assert stage.a.ping(domain, "home.net").startswith("LOST")


MANY = """
import re, socket, ssl, sys
certificate, key, domains = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
conn = socket.create_connection(("127.0.2.2", 5269), 20)
def read(until):
    text = ""
    while not re.search(until, text):
        data = conn.recv(4096)
        if not data: sys.exit("closed: " + text)
        text += data.decode()
    return text
head = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
        "xmlns:db='jabber:server:dialback' version='1.0' from='%s' to='home.net'>" % domains[0])
conn.sendall(head.encode()); read("</stream:features>")
conn.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); read("<proceed")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)
conn = context.wrap_socket(conn, server_hostname="home.net")
conn.sendall(head.encode()); print("EXTERNAL" in read("</stream:features>|</stream:stream>"))
for domain in domains:
    conn.sendall(("<db:result from='%s' to='home.net'>key</db:result>" % domain).encode())
    text = read("<db:result[^>]*>")
    print(domain, re.search("type='([^']*)'", text).group(1))
"""


def test_many_domains_on_one_stream(stage):
    """Each asserted domain is proved by the certificate on the stream, without asking back."""
    script = stage.path / "many.py"
    script.write_text(MANY)
    done = stage.world.must("/usr/bin/python3", script, stage.x1.file, stage.x1.key_file,
                            ",".join([*stage.customers, "wrong.net", "c1.net"]))
    lines = done.stdout.splitlines()
    assert lines[0] == "True"
    assert lines[1:] == [*(f"{domain} valid" for domain in stage.customers), "wrong.net error", "c1.net valid"]


def test_a_strangers_stream(stage):
    script = stage.path / "many.py"
    script.write_text(MANY)
    done = stage.world.must("/usr/bin/python3", script, stage.stranger.file, stage.stranger.key_file, "c1.net", code=None)
    assert "valid" not in done.stdout
    assert "c1.net is not proved (no)" in stage.b.text()


def test_a_proof_that_ends(stage):
    """It is asked for again when it ends; when the domain has moved away meanwhile, the stream ends, too."""
    assert stage.b.ping("home.net", "short.net") == "PONG"
    stage.b.wait_log("short.net is proved again by dane")
    zone = stage.world.zones["short.net."]
    zone.text = zone.text.replace("x1.host", "y1.host")
    zone.build()
    zone.servers[0].restart()
    stage.b.wait_log("outgoing may no longer speak for short.net")
    assert "LOST" in stage.b.ping("home.net", "short.net")


def test_without_the_service(stage):
    """It fails closed. Last: the service is gone then."""
    stage.service.end()
    assert "LOST" in stage.b.ping("home.net", "c20.net")
    assert "c20.net is not proved (later)" in stage.b.text()
