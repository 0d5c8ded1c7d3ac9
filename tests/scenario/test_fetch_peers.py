"""Zones fetched from real primaries (BIND, Knot, NSD): whole and by differences, with TSIG, over TLS;
what arrives is what the server has, by dnspython. And NOTIFY to real secondaries."""
import os
import pathlib
import signal
import subprocess
import time

import dns.name
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsigkeyring
import dns.zone
import pytest

from peers_config import knot, nsd, program
from ports import free_port
from verify_support import ZONE as EVERYTHING

BUILD = pathlib.Path(os.environ.get("KENTER", str(
    pathlib.Path(__file__).parents[2] / "build" / "kenter"))).parent
FETCH = BUILD / "tests" / "tools" / "fetch"
SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
KEY = f"hmac-sha256:transfer-key.:{SECRET}"
RING = dns.tsigkeyring.from_text({"transfer-key.": ("hmac-sha256", SECRET)})
OLD = 2026010100
# Knot loads no zone with records below a DNAME.
ZONE = EVERYTHING.replace('below.dn TXT "occluded"\n', "")


class Fetched:
    def __init__(self, done):
        head, *lines = done.stdout.splitlines()
        self.kind, self.serial = head.split()[0], int(head.split()[1])
        self.lines = lines
        self.findings = done.stderr

    def zone(self, origin="example."):
        return dns.zone.from_text("\n".join(self.lines) + "\n", origin=origin, relativize=False)

    def apply(self, zone, exact):
        """The differences applied to a zone; when they are exact, each has an effect."""
        for line in self.lines:
            sign, owner, ttl, _, kind, data = line.split(" ", 5)
            rdata = dns.rdata.from_text("IN", kind, data, origin=dns.name.root, relativize=False)
            owner = dns.name.from_text(owner)
            rdataset = zone.find_rdataset(owner, kind, rdata.covers(), create=True)
            if sign == "+":
                assert not exact or rdata not in rdataset, "\n".join(self.lines)
                rdataset.add(rdata, int(ttl))
            else:
                rdataset.remove(rdata)
                if not rdataset:
                    zone.delete_rdataset(owner, kind, rdata.covers())


def fetch(*words):
    done = subprocess.run([FETCH, *map(str, words)], capture_output=True, text=True, timeout=60)
    return Fetched(done)


def at(port):
    return f"127.0.0.1@{port}"


def served(port, origin="example.", key=False):
    """The zone as dnspython fetches it."""
    more = {"keyring": RING, "keyalgorithm": "hmac-sha256"} if key else {}
    return dns.zone.from_xfr(dns.query.xfr("127.0.0.1", origin, port=port, relativize=False, **more),
                             relativize=False)


def without_soa(zone):
    zone.delete_rdataset("example.", "SOA")
    return zone


class Server:
    """A server of the zones "example" (open) and "keyed" (with the key), and of "example" over TLS."""

    def __init__(self, directory):
        self.directory = directory
        self.port, self.tls_port = free_port(), free_port()
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key, "-out",
                        self.certificate, "-days", "2", "-subj", "/CN=primary.test", "-addext",
                        "subjectAltName=DNS:primary.test"], check=True, capture_output=True)
        for name in ("example", "keyed"):
            (directory / f"{name}.zone").write_text(f"$ORIGIN {name}.\n{ZONE}")
        self.command = self.configure()
        self.log = open(directory / "server.log", "wb")
        self.process = subprocess.Popen([str(word) for word in self.command], cwd=directory,
                                        stdout=self.log, stderr=self.log)
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 20
        while True:
            text = (self.directory / "server.log").read_text(errors="replace")
            assert self.process.poll() is None and time.monotonic() < deadline, text
            try:
                if dns.query.udp(dns.message.make_query("example.", "SOA"), "127.0.0.1",
                                 port=self.port, timeout=0.5).answer:
                    return
            except (OSError, dns.exception.DNSException):
                pass
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()

    def update(self, script):
        done = subprocess.run(["nsupdate"], text=True, capture_output=True, timeout=30,
                              input=f"server 127.0.0.1 {self.port}\nzone example.\n{script}\nsend\n")
        assert done.returncode == 0, done.stdout + done.stderr


class Bind(Server):
    def configure(self):
        self.silent_port = free_port()
        (self.directory / "named.conf").write_text(f"""
key "transfer-key" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
tls local {{ cert-file "{self.certificate}"; key-file "{self.key}"; }};
options {{
    directory "{self.directory}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {self.port} {{ 127.0.0.1; }};
    listen-on port {self.tls_port} tls local {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no; notify no; dnssec-validation no;
}};
controls {{ }};
zone "example" {{ type primary; file "example.zone"; allow-update {{ 127.0.0.1; }};
                  allow-transfer {{ any; }}; check-names ignore; }};
zone "keyed" {{ type primary; file "keyed.zone"; allow-transfer {{ key transfer-key; }};
                check-names ignore; }};
zone "second" {{ type secondary; primaries {{ 127.0.0.1 port {self.silent_port}; }}; }};
""")
        return [program("named"), "-g", "-c", self.directory / "named.conf", "-n", "1"]


class Knot(Server):
    def configure(self):
        return knot(self.directory, f"127.0.0.1@{self.port}", f"""
key:
  - id: transfer-key
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: open
    address: 127.0.0.1
    action: [transfer, update]
  - id: keyed
    key: transfer-key
    action: transfer
template:
  - id: default
    storage: "{self.directory}"
    semantic-checks: off
zone:
  - domain: example
    file: example.zone
    acl: open
  - domain: keyed
    file: keyed.zone
    acl: keyed
""", "automatic-acl: off")


class Nsd(Server):
    def configure(self):
        return nsd(self.directory, f"127.0.0.1@{self.port}", f"""
key:
    name: transfer-key
    algorithm: hmac-sha256
    secret: "{SECRET}"
zone:
    name: example
    zonefile: example.zone
    provide-xfr: 127.0.0.1 NOKEY
    store-ixfr: yes
    create-ixfr: yes
zone:
    name: keyed
    zonefile: keyed.zone
    provide-xfr: 127.0.0.1 transfer-key
zone:
    name: second
    request-xfr: 127.0.0.1@{free_port()} NOKEY
    allow-notify: 127.0.0.1 NOKEY
""", f"""
    ip-address: 127.0.0.1@{self.tls_port}
    tls-port: {self.tls_port}
    tls-service-key: "{self.key}"
    tls-service-pem: "{self.certificate}"
""")


KINDS = {"bind": Bind, "knot": Knot, "nsd": Nsd}


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory):
    started = KINDS[request.param](tmp_path_factory.mktemp(request.param))
    yield started
    started.stop()


@pytest.fixture(scope="module", params=["bind", "nsd"])
def tls_server(request, tmp_path_factory):
    started = KINDS[request.param](tmp_path_factory.mktemp(request.param + "-tls"))
    yield started
    started.stop()


def test_whole(server):
    result = fetch("example.", at(server.port))
    assert result.kind == "whole", result.findings
    assert result.zone() == served(server.port)


def test_current_and_back(server):
    serial = fetch("example.", at(server.port)).serial
    result = fetch("--serial", serial, "example.", at(server.port))
    assert (result.kind, result.serial, result.findings) == ("current", serial, "")
    result = fetch("--serial", serial + 1, "example.", at(server.port))
    assert result.kind == "current" and "fetch.serial-went-back" in result.findings
    result = fetch("--serial", serial + 1, "--whole", "example.", at(server.port))
    assert result.kind == "whole"


def test_key(server):
    result = fetch("--key", KEY, "keyed.", at(server.port))
    assert result.kind == "whole", result.findings
    assert result.zone("keyed.") == served(server.port, "keyed.", key=True)
    result = fetch("keyed.", at(server.port))
    assert result.kind == "failed" and "fetch.refused" in result.findings
    wrong = KEY.replace("MDEy", "AAAA")
    result = fetch("--key", wrong, "keyed.", at(server.port))
    assert result.kind == "failed" and "fetch.tsig" in result.findings
    unknown = KEY.replace("transfer", "another")
    result = fetch("--key", unknown, "keyed.", at(server.port))
    assert result.kind == "failed" and "fetch.tsig" in result.findings


def edit(server):
    """Changes the zone in two steps, as the server likes it."""
    if isinstance(server, Nsd):
        text = ZONE
        for number, change in enumerate(("new A 192.0.2.99\n", "new A 192.0.2.100\n"), 1):
            text = text.replace(str(OLD + number - 1), str(OLD + number)) + change
            text = text.replace("mail A 192.0.2.3\n", "")
            time.sleep(1.1)  # the server looks at the time of the file, in seconds
            (server.directory / "example.zone").write_text(f"$ORIGIN example.\n{text}")
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 20
            while fetch("--quiet", "example.", at(server.port)).serial != OLD + number:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    else:
        server.update("update add new.example. 300 A 192.0.2.99\n"
                      "update delete mail.example. A 192.0.2.3")
        server.update("update add new.example. 300 A 192.0.2.100\n"
                      "update delete text.ent.deep.example. TXT\nupdate delete types.example. HINFO")


def test_differences(server):
    old = fetch("--whole", "example.", at(server.port))
    before = old.zone()
    edit(server)
    result = fetch("--serial", old.serial, "example.", at(server.port))
    assert result.kind == "edits", result.findings
    assert result.serial > old.serial
    # NSD 4.6 also adds what is there already.
    result.apply(before, exact=not isinstance(server, Nsd))
    assert without_soa(before) == without_soa(served(server.port))
    # From long ago the zone comes as a whole.
    result = fetch("--serial", 5, "example.", at(server.port))
    assert result.kind == "whole"
    assert result.zone() == served(server.port)


def test_large(server):
    if not isinstance(server, Bind):
        pytest.skip("one server is enough")
    lines = "".join(f"h{i} A 192.0.2.{i % 250}\n" for i in range(30000))
    (server.directory / "keyed.zone").write_text(
        f"$ORIGIN keyed.\n{ZONE.replace(str(OLD), str(OLD + 1))}{lines}")
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while fetch("--key", KEY, "--serial", OLD, "--quiet", "keyed.", at(server.port)).kind != "whole":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    result = fetch("--key", KEY, "keyed.", at(server.port))
    assert len(result.lines) > 30000
    assert result.zone("keyed.") == served(server.port, "keyed.", key=True)


def test_tls(tls_server):
    server = tls_server
    if isinstance(server, Nsd):
        # It speaks DNS over TLS, but does not say so (ALPN), as RFC 9103 section 7.1 demands.
        result = fetch("--tls", "example.", at(server.tls_port))
        assert result.kind == "failed" and "ALPN" in result.findings
        return
    plain = fetch("example.", at(server.port))
    result = fetch("--tls", "example.", at(server.tls_port))
    assert result.kind == "whole", result.findings
    assert result.zone() == plain.zone()
    proved = ("--tls", "--tls-ca", server.certificate, "--tls-name", "primary.test")
    result = fetch(*proved, "example.", at(server.tls_port))
    assert result.kind == "whole", result.findings
    result = fetch(*proved, "--serial", result.serial, "example.", at(server.tls_port))
    assert result.kind == "current", result.findings
    result = fetch(*proved, "--key", KEY, "keyed.", at(server.tls_port))
    assert result.kind == "whole", result.findings


def test_tls_to_the_wrong_server(tls_server, tmp_path):
    server = tls_server
    result = fetch("--tls", "--tls-ca", server.certificate, "--tls-name", "other.test", "example.",
                   at(server.tls_port))
    assert result.kind == "failed" and "fetch.tls" in result.findings
    assert "ostname mismatch" in result.findings
    # With a name alone, the system's authorities must vouch for it.
    result = fetch("--tls", "--tls-name", "primary.test", "example.", at(server.tls_port))
    assert result.kind == "failed" and "fetch.tls" in result.findings
    result = fetch("--tls", "--tls-ca", tmp_path / "none.pem", "example.", at(server.tls_port))
    assert result.kind == "failed" and "none.pem" in result.findings
    # No TLS there at all.
    result = fetch("--tls", "--timeout", 500, "example.", at(server.port))
    assert result.kind == "failed"


def test_notify(tls_server):
    told = subprocess.run([FETCH, "--notify", "--serial", "7", "second.", at(tls_server.port)],
                          capture_output=True, text=True, timeout=60)
    assert told.stdout.startswith("told"), told.stdout
    told = subprocess.run([FETCH, "--notify", "nobodys.", at(tls_server.port)],
                          capture_output=True, text=True, timeout=60)
    assert told.returncode == 1 and "it answers" in told.stdout


def test_second_primary_helps(server):
    result = fetch("--timeout", "200", "example.", at(free_port()), at(server.port))
    assert result.kind == "whole"
    assert "fetch.no-answer" in result.findings and "fetch.failed" not in result.findings
