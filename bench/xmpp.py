#!/usr/bin/python3
"""What kenter auth-server takes to authorise streams for domains, and whether it grows: STREAMS certificates, each for
DOMAINS domains of a signed world, found out once and asked for again.
usage: bench/xmpp.py [STREAMS [DOMAINS]]     (default: 2000 streams, 20 domains)"""
import base64
import datetime
import hashlib
import json
import pathlib
import socket
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "scenario"))
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from peers_support import KENTER, Server, wait  # noqa: E402
from world_support import World  # noqa: E402

ADDRESS = "127.0.2.1"
WINDOW = 200  # questions in the air


def certificates(count):
    """All of one key, as a host renews them; different octets."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x.host.net")])
    now = datetime.datetime.utcnow()
    made = []
    for _ in range(count):
        made.append(x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                    .serial_number(x509.random_serial_number()).not_valid_before(now)
                    .not_valid_after(now + datetime.timedelta(days=90)).sign(key, hashes.SHA256())
                    .public_bytes(serialization.Encoding.DER))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return [base64.b64encode(one).decode() for one in made], hashlib.sha256(public).hexdigest()


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def processor(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def ask_all(path, lines):
    """All of them, some in the air at a time; how many were answered yes."""
    with socket.socket(socket.AF_UNIX) as conn:
        conn.connect(str(path))
        file = conn.makefile("rwb")
        good, sent = 0, 0
        for done in range(len(lines)):
            if sent == done:
                batch = lines[sent:sent + WINDOW]
                file.write(b"".join(batch))
                file.flush()
                sent += len(batch)
            good += b'"state":"yes"' in file.readline()
        return good


def main():
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    domains = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    chains, digest = certificates(streams)
    with tempfile.TemporaryDirectory() as directory, World(directory) as world:
        one = world.server("knot")
        world.zone(".", [one])
        world.zone("net.", [one])
        world.zone("host.net.", [one], f"x A {ADDRESS}\n_5269._tcp.x TLSA 3 1 1 {digest}")
        for i in range(domains):
            world.zone(f"c{i}.net.", [one], "_xmpp-server._tcp SRV 5 0 5269 x.host.net.")
        world.start()
        world.unbound()
        service = Server(directory, "auth-server")
        path = service.path / "socket"
        service.launch(*world.inside.prefix, KENTER, "auth-server", "--quiet", "--socket", f"unix:{path}", "--anchor",
                       world.anchor(), "--server", "127.0.53.1")
        wait(path.exists, "the socket")
        pid = service.process.pid
        lines = [json.dumps({"id": s * domains + d, "direction": "out", "local": "home.net", "remote": f"c{d}.net",
                             "address": ADDRESS, "port": 5269, "chain": [chain]}).encode() + b"\n"
                 for s, chain in enumerate(chains) for d in range(domains)]
        ask_all(path, lines[:domains])  # the look-ups
        for name, some in (("found out", lines), ("again, all", lines), ("again, all", lines),
                           ("from the cache", lines[-domains * 100:] * 10)):
            before, used = time.time(), processor(pid)
            good = ask_all(path, some)
            took = time.time() - before
            print(f"{name:15} {len(some)} pairs, {good} yes, {took:.2f} s, {len(some) / took:.0f} a second, "
                  f"{(processor(pid) - used) / len(some) * 1e6:.0f} us of processor each, {resident(pid)} kB resident",
                  flush=True)
        service.end()


main()
