"""What the tests with real servers share: kenterd as a whole, BIND, Knot, NSD and Unbound beside it, each
on ports of its own below one directory; waiting with deadlines; questions."""
import base64
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.zone

from peers_config import knot, nsd, program, unbound
from ports import free_port

TOP = pathlib.Path(__file__).resolve().parents[2]
KENTER = pathlib.Path(os.environ.get("KENTER", TOP / "build" / "kenter")).resolve()
KENTERD = KENTER.parent / "kenterd"
HOST = "127.0.0.1"
PATIENCE = 60  # seconds that anything may take on a loaded machine; waits end when what they wait for is there
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER_SECRET = base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
KEY = "transfer.example.net."
KEYRING = dns.tsigkeyring.from_text({KEY: SECRET})


def run(*command, code=0, timeout=30, stdin=None, environment=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, input=stdin,
                          env={**os.environ, **(environment or {})})
    assert code is None or done.returncode == code, (
        f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


class Server:
    """A process with a log, ended at the end of the test."""
    everything = []

    def __init__(self, path, name):
        self.path = pathlib.Path(path) / name
        self.path.mkdir(parents=True, exist_ok=True)
        self.name, self.port = name, free_port()
        self.log = self.path / "log"
        self.process = None

    def launch(self, *command, environment=None, **more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.path,
                                            env={**os.environ, **(environment or {})}, **more)
        Server.everything.append(self)

    def text(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        assert self.process.poll() is None, f"{self.name} has ended: {self.process.returncode}"

    def wait_log(self, text, count=1, since=0):
        wait(lambda: self.alive() or self.text()[since:].count(text) >= count,
             f"{text!r} in the log of {self.name}")

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def ask(self, name, rdtype="SOA", flags=0, tcp=False, **more):
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232, **more)
        query.flags |= flags
        if tcp:
            return dns.query.tcp(query, HOST, timeout=5, port=self.port)
        return dns.query.udp(query, HOST, timeout=5, port=self.port)

    def serial(self, zone):
        """None: the server does not have it, or is not there yet."""
        try:
            reply = self.ask(zone, "SOA")
        except (OSError, dns.exception.DNSException):
            return None
        if reply.rcode() != dns.rcode.NOERROR or not reply.answer:
            return None
        return reply.answer[0][0].serial

    def zone(self, name, keyring=KEYRING, keyname=KEY, **more):
        return dns.zone.from_xfr(
            dns.query.xfr(HOST, name, port=self.port, relativize=False, keyring=keyring,
                          keyname=keyname if keyring else None, timeout=10, lifetime=20, **more),
            relativize=False)

    def wait_serial(self, zone, wanted):
        wait(lambda: self.alive() or self.serial(zone) == wanted,
             lambda: f"{zone} {wanted} at {self.name}, which has {self.serial(zone)}")

    def wait_answer(self, name, rdtype, text):
        """Until a record is there (text), or none is (None)."""
        def there():
            self.alive()
            try:
                reply = self.ask(name, rdtype)
            except (OSError, dns.exception.DNSException):
                return False
            records = [str(record) for rrset in reply.answer for record in rrset]
            if text is None:
                return not records and reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
            return text in records
        wait(there, f"{name} {rdtype} {text} at {self.name}")

    def wait_gone(self, zone):
        wait(lambda: self.ask(zone, "SOA").rcode() in (dns.rcode.REFUSED, dns.rcode.NOTAUTH,
                                                       dns.rcode.SERVFAIL),
             f"{zone} gone at {self.name}")


def wait(good, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while True:
        result = good()
        if result:
            return result
        assert time.monotonic() < deadline, "not there in time: " + (what() if callable(what) else what)
        time.sleep(0.03)


def accepts(path):
    """Whether somebody listens on a local socket; a bound one refuses until then."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@contextlib.contextmanager
def watched():
    """All servers end after the test, and well; what they said is shown when it fails."""
    Server.everything.clear()
    try:
        yield
    finally:
        trouble = []
        for server in reversed(Server.everything):
            try:
                server.end()
            except subprocess.TimeoutExpired:
                trouble.append(f"{server.name} did not end")
        for server in Server.everything:
            print(f"--- log of {server.name}\n{server.text()[-6000:]}")
        Server.everything.clear()
        assert not trouble, trouble


class Kenterd(Server):
    """`settings` go into kenter.yaml, which is JSON here; listen, data, socket and log are set."""

    def __init__(self, path, name="kenterd", **settings):
        super().__init__(path, name)
        self.socket = self.path / "kenter.sock"
        if len(str(self.socket)) > 100:
            self.socket = pathlib.Path(f"/tmp/kenterd-{os.getpid()}-{self.port}.sock")
        self.zones = self.path / "zones"
        self.zones.mkdir(exist_ok=True)
        self.file = self.path / "kenter.yaml"
        self.settings = {
            "data": str(self.path / "data"), "threads": 2,
            "listen": [f"{HOST}@{self.port}"],
            "api": {"socket": str(self.socket)},
            "keys": {KEY: {"secret": SECRET}},
            "rate-limit": {"enabled": False},
            **settings}

    def write(self):
        self.file.write_text(json.dumps(self.settings, indent=1))
        self.file.chmod(0o600)

    def start(self, ready=True, **more):
        self.write()
        self.launch(KENTERD, "--config", self.file, **more)
        if ready:
            wait(lambda: self.alive() or self.healthy(), "kenterd is healthy")
        return self

    def healthy(self):
        from api_support import ask
        try:
            return ask(self.socket, "GET", "/healthz").status == 200
        except OSError:
            return False

    def kenter(self, *arguments, code=0, stdin=None):
        done = run(KENTER, arguments[0], "--socket", self.socket, *arguments[1:], code=code, stdin=stdin)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def metrics(self):
        from api_support import ask
        values = {}
        for line in ask(self.socket, "GET", "/metrics").data.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def put(self, zone, text, directory=None):
        """As an editor saves: aside, then renamed."""
        directory = directory or self.zones
        (directory / f".{zone}").write_text(text)
        (directory / f".{zone}").rename(directory / f"{zone}.zone")


def verify(path, text, zone):
    """Ours and BIND's verifier say that it is signed well."""
    file = path / f"served-{zone}"
    file.write_text(text)
    run(KENTER, "verify", "--origin", zone, file)
    run(program("dnssec-verify"), "-q", "-z", "-o", zone, file)


class Named(Server):
    def start(self, text, options=""):
        control = free_port()
        (self.path / "named.conf").write_text(f"""
key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{
    directory "{self.path}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {self.port} {{ {HOST}; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; allow-transfer {{ key {KEY}; {HOST}; }};
    notify-delay 0; min-refresh-time 1; min-retry-time 1; startup-notify-rate 1000; notify-rate 1000;
    serial-query-rate 1000; {options}
}};
controls {{ inet {HOST} port {control} allow {{ {HOST}; }} keys {{ "{KEY}"; }}; }};
{text}
""")
        (self.path / "rndc.conf").write_text(f"""
key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{ default-key "{KEY}"; default-server {HOST}; default-port {control}; }};
""")
        self.launch(program("named"), "-g", "-c", self.path / "named.conf", "-n", "1")
        self.wait_log("all zones loaded")
        return self

    def control(self, *words):
        return run(program("rndc"), "-c", self.path / "rndc.conf", *words).stdout


class Knotd(Server):
    def start(self, text):
        self.launch(*knot(self.path, f"{HOST}@{self.port}", f"""
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {SECRET}
{text}
""", log="debug"))
        self.wait_log("server started")
        return self

    def control(self, *words):
        return run(program("knotc"), "-s", self.path / "knot.sock", *words).stdout


class Nsd(Server):
    def start(self, text):
        self.launch(*nsd(self.path, f"{HOST}@{self.port}", f"""
key:
    name: {KEY}
    algorithm: hmac-sha256
    secret: "{SECRET}"
{text}
""", f"""
    logfile: "{self.log}"
    verbosity: 3
"""))
        self.wait_log("nsd started")
        return self


class Unbound(Server):
    def start(self, stubs, anchors, more=""):
        stub_text = "".join(f"""
stub-zone:
    name: "{zone}"
    stub-addr: {HOST}@{port}
    stub-no-cache: no
""" for zone, port in stubs)
        anchor_text = "".join(f'    trust-anchor: "{anchor}"\n' for anchor in anchors)
        self.launch(*unbound(self.path, f"{HOST}@{self.port}", "validator iterator", stub_text, f"""
    aggressive-nsec: no
    minimal-responses: no
    target-fetch-policy: "0 0 0 0 0"
    root-hints: ""
    local-zone: "test." nodefault
    local-zone: "example." nodefault
{anchor_text}{more}
"""))
        self.wait_log("start of service")
        return self
