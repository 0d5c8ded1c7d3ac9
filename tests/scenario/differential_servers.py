"""kenterd that signs and serves zones, and BIND, Knot DNS and NSD that serve the same signed files."""
import socket
import subprocess
import time
from pathlib import Path

import dns.message
import dns.query

from peers_config import knot, nsd, program
from ports import free_port
from test_kenterd import KENTERD

PAYLOAD = 1232
POLICIES = """policies:
  nsec: {}
  nsec3: {denial: {type: nsec3}}
  optout: {denial: {type: nsec3, opt-out: true}}
  salted: {denial: {type: nsec3, iterations: 3, salt: "c0ffee"}, keys: {algorithm: RSASHA256, csk: false}}
  plain: {sign: false}
"""


class Server:
    """One process that answers; asked by a UDP socket and a lasting connection."""

    name = "?"

    def __init__(self, directory, zones, files):
        self.directory, self.port = directory, free_port()
        self.files = {zone: files / f"{zone}.zone" for zone in zones}
        directory.mkdir()
        self.log = open(directory / "log", "wb")
        self.process = subprocess.Popen([str(w) for w in self.configure(zones)], cwd=directory,
                                        stdout=self.log, stderr=self.log)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(("127.0.0.1", self.port))
        self.udp.settimeout(3)
        self.tcp = None

    def wait(self, zones):
        for zone in zones:
            deadline = time.monotonic() + 30
            while not self.has(zone):
                text = (self.directory / "log").read_text(errors="replace")
                assert self.process.poll() is None and time.monotonic() < deadline, f"{zone}\n{text[-5000:]}"
                time.sleep(0.05)

    def has(self, zone):
        try:
            query = dns.message.make_query(zone, "SOA")
            return bool(dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5).answer)
        except (OSError, dns.exception.DNSException):
            return False

    def send(self, question, wire):
        """By UDP at once; the answer is fetched later, so that all servers work at the same time."""
        if not question.tcp:
            self.udp.send(wire)

    def receive(self, question, wire):
        if question.tcp:
            return self.ask_tcp(wire)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            answer = self.udp.recv(65535)
            if answer[:2] == wire[:2]:
                return answer
        raise TimeoutError

    def ask_tcp(self, wire):
        for attempt in range(3):
            try:
                if self.tcp is None:
                    self.tcp = socket.create_connection(("127.0.0.1", self.port), timeout=3)
                self.tcp.sendall(len(wire).to_bytes(2, "big") + wire)
                return self.exactly(int.from_bytes(self.exactly(2), "big"))
            except (ConnectionError, EOFError):
                self.tcp.close()
                self.tcp = None
                assert attempt < 2, self.name
        return None

    def exactly(self, length):
        out = b""
        while len(out) < length:
            more = self.tcp.recv(length - len(out))
            if not more:
                raise EOFError
            out += more
        return out

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=20)
        self.udp.close()
        if self.tcp is not None:
            self.tcp.close()
        self.log.close()
        return code


class Kenter(Server):
    name = "kenter"

    def configure(self, zones):
        self.signed = self.directory / "signed"
        lines = [f"data: {self.directory}/data", f'listen: "127.0.0.1@{self.port}"', "rate-limit: {enabled: false}",
                 f"export: {self.signed}", POLICIES, "zones:"]
        for zone, (text, policy) in zones.items():
            (self.directory / f"{zone}.zone").write_text(text)
            lines.append(f"  {zone}: {{file: {self.directory}/{zone}.zone, policy: {policy}}}")
        (self.directory / "kenter.yaml").write_text("\n".join(lines) + "\n")
        return [KENTERD, "--config", self.directory / "kenter.yaml"]

    def wait_exported(self, zones):
        deadline = time.monotonic() + 30
        while len(list(self.signed.glob("*.zone"))) < len(zones):
            text = (self.directory / "log").read_text(errors="replace")
            assert self.process.poll() is None and time.monotonic() < deadline, text[-5000:]
            time.sleep(0.05)


class Bind(Server):
    name = "bind"

    def configure(self, zones):
        text = f"""options {{
    directory "{self.directory}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; notify no; dnssec-validation no; allow-transfer {{ none; }}; minimal-responses no-auth;
    zero-no-soa-ttl no;
    edns-udp-size {PAYLOAD}; max-udp-size {PAYLOAD}; masterfile-format text; rrset-order {{ order none; }};
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; category lame-servers {{ null; }}; }};
"""
        for zone, path in self.files.items():
            text += f'zone "{zone}" {{ type primary; file "{path}"; check-names ignore; check-integrity no; }};\n'
        (self.directory / "named.conf").write_text(text)
        return [program("named"), "-g", "-c", self.directory / "named.conf", "-n", "1"]


class Knot(Server):
    name = "knot"

    def configure(self, zones):
        rest = f"""
template:
  - id: default
    storage: "{self.directory}"
    semantic-checks: off
    zonefile-sync: -1
    journal-content: none
zone:
"""
        for zone, path in self.files.items():
            rest += f"  - domain: {zone}\n    file: {path}\n"
        return knot(self.directory, f"127.0.0.1@{self.port}", rest, f"""
    udp-max-payload: {PAYLOAD}
    nsid: ""
""")


class Nsd(Server):
    name = "nsd"

    def configure(self, zones):
        rest = "".join(f"zone:\n    name: {zone}\n    zonefile: {path}\n" for zone, path in self.files.items())
        return nsd(self.directory, f"127.0.0.1@{self.port}", rest, f"""
    minimal-responses: yes
    answer-cookie: yes
    ipv4-edns-size: {PAYLOAD}
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
""")


class Fleet:
    """All four, with the same data."""

    def __init__(self, directory, zones):
        directory = Path(directory)
        self.servers = [Kenter(directory / "kenter", zones, directory)]
        try:
            self.kenter.wait(zones)
            self.kenter.wait_exported(zones)
            self.files = {zone: self.kenter.signed / f"{zone}.zone" for zone in zones}
            for kind in (Bind, Knot, Nsd):
                self.servers.append(kind(directory / kind.name, zones, self.kenter.signed))
            for server in self.servers[1:]:
                server.wait(zones)
        except BaseException:
            self.stop()
            raise

    @property
    def kenter(self):
        return self.servers[0]

    def ask(self, question):
        """The answers' octets, by server."""
        wire = question.wire()
        for server in self.servers:
            server.send(question, wire)
        out = {}
        for server in self.servers:
            try:
                out[server.name] = server.receive(question, wire)
            except TimeoutError:
                out[server.name] = None
        return out

    def stop(self):
        return [server.stop() for server in self.servers]
