"""Mail servers in a private world: certificates, Postfix and Exim as receivers, Postfix as a sender, the host of
MTA-STS policies. They run in the world's network namespace, and in a mount namespace of their own each, where
/etc/resolv.conf names the world's resolver."""
import datetime
import hashlib
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import textwrap

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peers_support import KENTER, Server, accepts, program, wait

EXIM = KENTER.parent / "tests" / "exim"


class Authority:
    """Certifies."""

    def __init__(self, directory, name):
        self.directory, self.name = pathlib.Path(directory), name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.sign(name, self.key.public_key(), [], ca=True)
        self.file = self.directory / f"{name}.ca"
        self.file.write_bytes(self.pem(self.certificate))

    @staticmethod
    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, common, public, names, ca=False, days=(-2, 30)):
        now = datetime.datetime.utcnow()
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        builder = (x509.CertificateBuilder().issuer_name(issuer).public_key(public)
                   .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(days=days[0]))
                   .not_valid_after(now + datetime.timedelta(days=days[1]))
                   .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, label, names, chain=True, days=(-2, 30)):
        """A file with key and certificate, and with `chain` this authority's behind it."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.sign(names[0], key.public_key(), names, days=days)
        file = self.directory / f"{label}.pem"
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()) +
                         self.pem(leaf) + (self.pem(self.certificate) if chain else b""))
        file.chmod(0o644)
        return Identity(file, leaf)


class Identity:
    def __init__(self, file, leaf):
        self.file, self.leaf = file, leaf


def tlsa(certificate, usage=3, selector=1, right=True):
    """TLSA rdata for a certificate, by SHA-256; a wrong one on demand."""
    data = (certificate.public_bytes(serialization.Encoding.DER) if selector == 0 else
            certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo))
    digest = hashlib.sha256(data).hexdigest()
    return f"{usage} {selector} 1 {digest if right else '00' * 32}"


class Mail:
    """What the mail servers of a world share."""

    def __init__(self, world, resolver):
        self.world, self.path = world, pathlib.Path(world.path)
        (self.path / "resolv.conf").write_text(f"nameserver {resolver.address}\noptions edns0 trust-ad\n")
        self.users = []
        for kind, line in (("passwd", "Debian-exim:x:64999:64999::/:/bin/false\n"), ("group", "Debian-exim:x:64999:\n")):
            text = pathlib.Path(f"/etc/{kind}").read_text()
            (self.path / kind).write_text(text + ("" if "Debian-exim" in text else line))
        self.prefix = world.inside.mounted({name: self.path / name for name in ("resolv.conf", "passwd", "group")})
        self.processes = []

    def run(self, *command, timeout=60):
        return subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True, timeout=timeout)

    def wait_port(self, server, address, port=25):
        """Until the server takes connections; Postfix begins with all of its ports at once, Exim likewise."""
        wait(lambda: server.alive() or f"{address}:{port}" in self.world.must(program("ss"), "-Hltn").stdout.split(),
             f"{server.name} listens on {address}")

    def start(self, server, *command):
        self.processes.append(server)
        server.launch(*self.prefix, *command)
        return server

    def end(self):
        for process in reversed(self.processes):
            process.end()

    # Postfix.

    def postfix(self, name, settings, services):
        return Postfix(self, name, settings, services)

    def exim(self, name, addresses, identities):
        """Receives on all addresses, with the identity of the address."""
        if not (EXIM / "usr/sbin/exim4").exists():
            pytest.fail(f"Exim is not in {EXIM}: tools/install-deps test")
        directory = self.path / name
        directory.mkdir()
        (directory / "spool").mkdir()
        for address, identity in zip(addresses, identities):
            shutil.copy(identity.file, directory / f"{address}.pem")
            (directory / f"{address}.pem").chmod(0o644)
        (directory / "spool").chmod(0o777)
        directory.chmod(0o777)
        (directory / "exim.conf").write_text(textwrap.dedent(f"""\
            primary_hostname = receiver.invalid
            spool_directory = {directory}/spool
            log_file_path = {directory}/spool/%slog
            pid_file_path = {directory}/spool/pid
            local_interfaces = {' : '.join(addresses)}
            daemon_smtp_ports = 25 : 465
            tls_on_connect_ports = 465
            tls_advertise_hosts = *
            tls_certificate = {directory}/${{received_ip_address}}.pem
            acl_smtp_rcpt = accept
            acl_smtp_data = accept
            host_lookup =
            rfc1413_query_timeout = 0s
            queue_only = true
            keep_environment =
            begin acl
            accept:
              accept
            begin routers
            nowhere:
              driver = redirect
              data = :blackhole:
            """))
        (directory / "exim.conf").chmod(0o644)
        return self.start(Server(self.path, name), EXIM / "usr/sbin/exim4", "-C", directory / "exim.conf", "-bdf")

    # The host of MTA-STS policies.

    def policy_host(self, address, identity, policies):
        directory = self.path / "policies"
        directory.mkdir()
        for host, text in policies.items():
            (directory / host).write_text(text)
        script = self.path / "policy_host.py"
        script.write_text(textwrap.dedent(f"""\
            import http.server, pathlib, ssl
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    file = pathlib.Path({str(directory)!r}) / self.headers["Host"].split(":")[0]
                    good = self.path == "/.well-known/mta-sts.txt" and file.exists()
                    text = file.read_bytes() if good else b"no"
                    self.send_response(200 if good else 404)
                    self.send_header("Content-Type", "text/plain")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
            server = http.server.ThreadingHTTPServer(({address!r}, 443), Handler)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain({str(identity.file)!r})
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.serve_forever()
            """))
        host = self.start(Server(self.path, "policy-host"), sys.executable, script)
        host.directory = directory
        return host

    def sidecar(self, *options, name="sidecar"):
        state = self.path / "state"
        state.mkdir(exist_ok=True)
        socket = self.path / f"{name}.sock"
        service = self.start(Server(self.path, name), KENTER, "policy", "--postfix", f"unix:{socket}", "--state", state,
                             "--anchor", self.world.anchor(), *options)
        service.socket = socket
        wait(lambda: service.alive() or accepts(socket), f"{name} listens")
        return service

    def policy(self, service, key):
        """What the service says of a next hop: the policy, "NOTFOUND", or "TEMP reason"."""
        request, reply = f"postfix {key}".encode(), b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(service.socket))
            connection.sendall(b"%d:%s," % (len(request), request))
            while not reply.endswith(b","):
                reply += connection.recv(4096) or pytest.fail(f"the service hangs up on {key}: {reply}")
        word, _, rest = reply.partition(b":")[2][:-1].decode().partition(" ")
        return {"OK": rest, "NOTFOUND": word}.get(word, f"{word} {rest}")

    def postmap(self, service, key):
        """The same by Postfix's own client."""
        done = self.run(program("postmap"), "-q", key, f"socketmap:unix:{service.socket}:postfix")
        if done.returncode == 0:
            return done.stdout.strip()
        found = re.search(r"temporary error: (.*)", done.stderr)
        return f"TEMP {found.group(1)}" if found else "NOTFOUND"


SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - 30 smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """A Postfix of its own: settings of main.cf, services of master.cf."""

    def __init__(self, mail, name, settings, services):
        super().__init__(mail.path, name)
        self.mail = mail
        self.maillog = self.path / "mail.log"
        for part in ("conf", "queue", "data"):
            (self.path / part).mkdir()
        shutil.chown(self.path / "data", "postfix")
        self.path.chmod(0o755)
        common = {
            "compatibility_level": "3.6", "queue_directory": self.path / "queue", "data_directory": self.path / "data",
            "maillog_file": self.maillog, "maillog_file_prefixes": self.path, "inet_protocols": "ipv4",
            "myhostname": f"{name}.invalid", "mydestination": "", "mynetworks": "127.0.0.0/8", "alias_maps": "",
            "local_recipient_maps": "", "smtpd_relay_restrictions": "permit_mynetworks reject",
            "smtputf8_enable": "no", "smtpd_peername_lookup": "no", "in_flow_delay": "0", "biff": "no",
        }
        (self.path / "conf" / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in
                                                            {**common, **settings}.items()))
        (self.path / "conf" / "master.cf").write_text(SERVICES + services)
        mail.start(self, program("postfix"), "-c", self.path / "conf", "start-fg")

    def text(self):
        return (self.log.read_text(errors="replace") if self.log.exists() else "") + (
            self.maillog.read_text(errors="replace") if self.maillog.exists() else "")

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.mail.run(program("postfix"), "-c", self.path / "conf", "stop")
        super().end()

    def outcome(self, recipient):
        """(status, reason) of the first attempt; None as long as there was none."""
        found = re.search(rf"to=<{re.escape(recipient)}>,.* status=(\w+) \((.*)\)$", self.text(), re.M)
        return found.groups() if found else None
