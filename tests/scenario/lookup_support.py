"""A small signed world for look-ups: root, test., and zones below it, all on one BIND, which is asked as if it were
a resolver, by UDP, TCP, TLS and HTTPS; and Unbound in front of it."""
import contextlib
import datetime
import ipaddress
import json
import pathlib
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peers_config import unbound
from peers_support import HOST, KENTER, PATIENCE, program, run
from ports import free_port

TOOL = KENTER.parent / "tests" / "tools" / "lookup"
SERVER_NAME = "dns.test"

ZONES = {
    ".": "@ NS ns.test.\nns.test. A 127.0.0.1\ntest. NS ns.test.\n",
    "test.": "@ NS ns\nns A 127.0.0.1\n"
             "good NS ns\nplain NS ns\nexpired NS ns\nwide NS ns\nnsec3 NS ns\n",
    "good.test.": "@ NS ns.test.\n@ MX 10 mail\nwww A 192.0.2.1\nmail A 192.0.2.2\nalias CNAME www\n"
                  "away CNAME www.plain.test.\n*.wild TXT wild\nlost CNAME nothing.good.test.\n",
    "plain.test.": "@ NS ns.test.\nwww A 192.0.2.3\n",
    "expired.test.": "@ NS ns.test.\nwww A 192.0.2.4\n",
    "wide.test.": "@ NS ns.test.\n" + "".join(f'big TXT "{n:03d} {"x" * 200}"\n' for n in range(12)),
    "nsec3.test.": "@ NS ns.test.\nwww A 192.0.2.5\n*.wild A 192.0.2.6\n",
}
UNSIGNED = {"plain.test."}


def make_certificate(directory, name=SERVER_NAME, address=HOST):
    """(certificate, key) as PEM files; the certificate is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    names = [x509.DNSName(name)]
    if address:
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(x509.SubjectAlternativeName(names), critical=False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                   .sign(key, hashes.SHA256()))
    certificate_file, key_file = directory / f"{name}.crt", directory / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                           serialization.NoEncryption()))
    return certificate_file, key_file


class World:
    def __init__(self, directory, port=None):
        self.directory = pathlib.Path(directory)
        self.port = port or free_port()
        self.tls, self.https = free_port(), free_port()
        self.certificate, self.key = make_certificate(self.directory)
        self.anchors = self.directory / "anchors"
        self.hints = self.directory / "hints"
        self.hints.write_text(". 3600 NS ns.test.\nns.test. 3600 A 127.0.0.1\n")
        for zone in sorted(ZONES, key=lambda z: -z.count(".") - len(z)):
            self.sign(zone)

    def file(self, zone):
        return self.directory / (zone.rstrip(".") or "root")

    def sign(self, zone):
        """Children are signed before their parents, which take up the DS that they left."""
        source = self.file(zone)
        origin = zone
        text = f"$ORIGIN {origin}\n$TTL 3600\n@ SOA ns.test. admin.test. 1 7200 3600 1209600 300\n{ZONES[zone]}"
        if zone in UNSIGNED:
            source.write_text(text)
            return
        keys = []
        for flags in ([], ["-f", "KSK"]):
            done = run(program("dnssec-keygen"), "-q", "-K", self.directory, "-a", "ECDSAP256SHA256", *flags, zone)
            keys.append(done.stdout.strip().splitlines()[-1])
        for key in keys:
            text += (self.directory / f"{key}.key").read_text()
        for child in ZONES:
            dsset = self.directory / f"dsset-{child}"
            if child != zone and child not in UNSIGNED and dsset.exists() and child.partition(".")[2] in (zone, zone.lstrip(".")):
                text += dsset.read_text()
        source.write_text(text)
        # dnssec-signzone makes NSEC, or NSEC3 on demand.
        times = ["-s", "20200101000000", "-e", "20200201000000"] if zone == "expired.test." else []
        nsec3 = ["-3", "-", "-H", "0"] if zone == "nsec3.test." else []
        run(program("dnssec-signzone"), "-q", "-P", "-K", self.directory, "-d", self.directory, "-o", zone,
            "-f", f"{source}.signed", *times, *nsec3, source)
        source.with_name(f"{source.name}.signed").rename(source)
        if zone == ".":
            self.anchors.write_text((self.directory / f"{keys[1]}.key").read_text())

    def config(self):
        zones = "".join(f'zone "{zone}" {{ type primary; file "{self.file(zone)}"; }};\n' for zone in ZONES)
        return f"""
tls local {{ cert-file "{self.certificate}"; key-file "{self.key}"; }};
http local {{ endpoints {{ "/dns-query"; }}; }};
options {{ directory "{self.directory}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
    listen-on port {self.port} {{ 127.0.0.1; }}; listen-on port {self.tls} tls local {{ 127.0.0.1; }};
    listen-on port {self.https} tls local http local {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    allow-query {{ any; }}; allow-transfer {{ none; }}; }};
controls {{ }};
{zones}"""

    @contextlib.contextmanager
    def running(self, prefix=()):
        config = self.directory / "named.conf"
        config.write_text(self.config())
        log = open(self.directory / "named.log", "w")
        process = subprocess.Popen([*prefix, program("named"), "-g", "-c", str(config)], stdout=log,
                                   stderr=subprocess.STDOUT)
        try:
            self.wait("all zones loaded", self.directory / "named.log")
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE)

    @staticmethod
    def wait(text, path):
        deadline = time.monotonic() + PATIENCE
        while text not in path.read_text(errors="replace"):
            assert time.monotonic() < deadline, path.read_text(errors="replace")[-2000:]
            time.sleep(0.05)

    @contextlib.contextmanager
    def unbound(self, module="iterator"):
        """Unbound before it; its port. With "validator iterator" it validates too."""
        port = free_port()
        command = unbound(self.directory, f"127.0.0.1@{port}", module, f"""
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{self.port}
""", f"""
    port: {port}
    do-daemonize: no
    trust-anchor-file: "{self.anchors}"
    local-zone: "test." transparent
""", f"unbound-{port}.conf")
        log = open(self.directory / f"unbound-{port}.log", "w")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.wait("start of service", self.directory / f"unbound-{port}.log")
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def look_up(self, *questions, options=(), prefix=()):
        """The results as objects, of questions "NAME TYPE" to one resolver."""
        done = run(*prefix, TOOL, "-a", self.anchors, *options, stdin="".join(q + "\n" for q in questions))
        return [json.loads(line) for line in done.stdout.splitlines()]
