"""XMPP servers in a private world: Prosody with the module of integrations/prosody, ejabberd, a site with POSH documents,
and kenter auth-server, which the module asks."""
import base64
import glob
import json
import pathlib
import re
import socket

import pytest

from peers_support import KENTER, PATIENCE, TOP, Server, accepts, program, wait

PEER = pathlib.Path(__file__).parent / "xmpp_peer.py"


def base64_of(identity):
    return base64.b64encode(identity.der_file.read_bytes()).decode()


class AuthServer(Server):
    def __init__(self, world, *options):
        super().__init__(world.path, "auth-server")
        self.world, self.options, self.socket = world, options, self.path / "socket"

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.launch(*self.world.inside.prefix, KENTER, "auth-server", "--socket", f"unix:{self.socket}", "--anchor",
                    self.world.anchor(), *self.options)
        wait(lambda: self.alive() or accepts(self.socket), "the socket of auth-server")


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
-- Pings whoever is named in a file, and writes down what comes. "cut:": closes the stream there instead.
local st = require "util.stanza";
module:add_timer(0.1, function ()
    local file = io.open(module:get_option_string("test_wishes"));
    if not file then return 0.1; end
    local wishes = file:read("a"); file:close();
    os.remove(module:get_option_string("test_wishes"));
    for from, to in wishes:gmatch("(%S+) cut:(%S+)\\n") do
        prosody.hosts[from].s2sout[to]:close();
        module:log("info", "PONG %s cut:%s", from, to);
    end
    for from, to in wishes:gmatch("(%S+) ([^%s:]+)\\n") do
        local iq = st.iq({ type = "get", from = from, to = to, id = "ping-" .. to });
        module:send_iq(iq:tag("ping", { xmlns = "urn:xmpp:ping" }), nil, 30)
            :next(function () module:log("info", "PONG %s %s", from, to); end,
                function (err)
                    module:log("info", "LOST %s %s %s %s %s", from, to, err.type, err.condition, tostring(err.text));
                end);
    end
    return 0.1;
end);
"""


class Prosody(Server):
    """`bidi`: those of its domains that want streams in both directions. Direct TLS is on port 5270."""

    def __init__(self, world, name, address, domains, identity, service, bidi=(), settings="s2s_secure_auth = true"):
        super().__init__(world.path, name)
        self.world, self.address = world, address
        plugins = self.path / "plugins"
        plugins.mkdir()
        (plugins / "mod_test_ping.lua").write_text(PINGER)
        (plugins / "mod_s2s_auth_kenter.lua").write_bytes(
            (TOP / "integrations/prosody/mod_s2s_auth_kenter.lua").read_bytes())
        (self.path / "resolv.conf").write_text("nameserver 127.0.53.1\n")
        (self.path / "data").mkdir()
        hosts = "".join(f'VirtualHost "{domain}"\n    test_wishes = "{self.path}/wishes-{domain}"\n' +
                        ('    modules_enabled = { "s2s_bidi" }\n' if domain in bidi else "")
                        for domain in [*domains, *bidi])
        (self.path / "prosody.cfg.lua").write_text(f"""
run_as_root = true
pidfile = "{self.path}/pid"
data_path = "{self.path}/data"
plugin_paths = {{ "{plugins}" }}
interfaces = {{ "{address}" }}
s2s_direct_tls_ports = {{ 5270 }}
use_ipv6 = false
modules_enabled = {{ "tls", "saslauth", "dialback", "ping", "disco", "s2s_auth_kenter", "test_ping" }}
modules_disabled = {{ "s2s_auth_certs", "offline" }}
kenter_socket = "{service.socket}"
unbound = {{ resolvconf = "{self.path}/resolv.conf"; hoststxt = false }}
ssl = {{ certificate = "{identity.file}"; key = "{identity.key_file}" }}
certificates = "{self.path}"
log = {{ {{ levels = {{ min = "debug" }}; to = "console" }} }}
{settings}
{hosts}""")

    def start(self):
        self.launch(*self.world.inside.prefix, program("prosody"), "-F", "--config", self.path / "prosody.cfg.lua")

    def ready(self):
        self.wait_log(f"Activated service 's2s' on [{self.address}]:5269")

    def wish(self, local, *remotes):
        """Pings; what each gives is found out with `fate`."""
        since = len(self.text())
        aside, wishes = self.path / f"wish-{local}", self.path / f"wishes-{local}"
        wait(lambda: self.alive() or not wishes.exists(), f"{local} to begin with the wish before")
        aside.write_text("".join(f"{local} {remote}\n" for remote in remotes))
        aside.rename(wishes)
        return [(local, remote, since) for remote in remotes]

    def fate(self, wished):
        """What comes of it: "PONG", or the words of the error."""
        local, remote, since = wished
        found = []

        def look():
            self.alive()
            found[:] = re.findall(rf"(PONG|LOST) {local} {remote}(.*)", self.text()[since:])
            return found
        wait(look, f"an answer of {remote} to {local}", 3 * PATIENCE)
        return found[0][0] + found[0][1]

    def ping(self, local, remote):
        return self.fate(*self.wish(local, remote))


class Ejabberd(Server):
    """One node without distribution; its HTTP API sends stanzas."""

    def __init__(self, world, address, domains, identity, authority):
        super().__init__(world.path, "ejabberd")
        self.world, self.address = world, address
        file = self.path / "identity.pem"
        file.write_bytes(identity.file.read_bytes() + identity.key_file.read_bytes())
        # JSON is YAML.
        (self.path / "ejabberd.yml").write_text(json.dumps({
            "hosts": domains, "loglevel": "debug", "acme": {"auto": False}, "certfiles": [str(file)],
            "ca_file": str(authority.file), "s2s_use_starttls": "required", "s2s_max_retry_delay": 1,
            "outgoing_s2s_families": ["ipv4"],
            "listen": [{"port": 5269, "ip": address, "module": "ejabberd_s2s_in"},
                       {"port": 5222, "ip": address, "module": "ejabberd_c2s", "starttls_required": True},
                       {"port": 5280, "ip": address, "module": "ejabberd_http", "request_handlers": {"/api": "mod_http_api"}}],
            "modules": {name: {} for name in ("mod_s2s_dialback", "mod_ping", "mod_admin_extra", "mod_http_api")},
            "api_permissions": {"all": {"who": "all", "what": "*"}}}))
        (self.path / "resolv.conf").write_text("nameserver 127.0.53.1\n")

    def start(self):
        libraries = glob.glob("/usr/lib/*/ejabberd-*/ebin/ejabberd_app.beam")
        if not libraries:
            pytest.fail("ejabberd is not installed: tools/install-deps test")
        self.launch(*self.world.inside.mounted({"resolv.conf": self.path / "resolv.conf"}), program("erl"), "+S", "1:1",
                    "+sbwt", "none", "-noinput", "-mnesia", "dir", f'"{self.path}/db"', "-s", "ejabberd", environment={
                        "ERL_LIBS": str(pathlib.Path(libraries[0]).parents[2]),
                        "ERL_CRASH_DUMP": str(self.path / "dump"), "HOME": str(self.path),
                        "EJABBERD_CONFIG_PATH": str(self.path / "ejabberd.yml"),
                        "EJABBERD_LOG_PATH": str(self.path / "ejabberd.log")})

    def ready(self):
        self.wait_log(f"Start accepting TCP connections at {self.address}:5280")

    def send(self, local, remote, id_):
        stanza = f"<iq type='get' id='{id_}'><ping xmlns='urn:xmpp:ping'/></iq>"
        done = self.world.must(program("curl"), "-sS", "--fail", "--data",
                               json.dumps({"from": local, "to": remote, "stanza": stanza}),
                               f"http://{self.address}:5280/api/send_stanza")
        assert done.stdout.strip() == "0", done.stdout


class Peer(Server):
    """A server of a few lines, which connects and claims: see xmpp_peer.py for the steps."""

    def __init__(self, world, name, address, identity, *steps):
        super().__init__(world.path, name)
        self.launch(*world.inside.prefix, "/usr/bin/python3", "-u", PEER, address, identity.file, identity.key_file, *steps)

    def lines(self):
        """All that it says, when it has ended."""
        self.process.wait(2 * PATIENCE)
        return self.text().splitlines()


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


def posh_site(world, address, identity, fingerprints):
    document, script = world.path / "posh.json", world.path / "site.py"
    document.write_text(json.dumps({"fingerprints": [{"sha-256": each} for each in fingerprints], "expires": 600}))
    script.write_text(POSH)
    site = Server(world.path, "site")
    site.launch(*world.inside.prefix, "/usr/bin/python3", script, document, identity.file, identity.key_file, address)
    return site
