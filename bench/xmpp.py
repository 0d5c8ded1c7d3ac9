#!/usr/bin/python3
"""What kenter auth-server takes to authorise streams for domains, and whether it grows: STREAMS certificates, each for
DOMAINS domains of a signed world, found out once and asked for again; then one certificate of a CA for many domains.
usage: bench/xmpp.py [STREAMS [DOMAINS]]     (default: 2000 streams, 20 domains)"""
import base64
import json
import pathlib
import socket
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "scenario"))
from auth_support import DER, Identity  # noqa: E402
from world_support import World  # noqa: E402
from xmpp_support import AuthServer  # noqa: E402

ADDRESS = "127.0.2.1"
WINDOW = 200  # questions in the air
HOSTED = 500  # domains by a CA


def chains(identity, count):
    """Chains of one key with different octets, as usage 3 takes them."""
    der = identity.certificate.public_bytes(DER)
    serial = identity.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    for number in range(count):
        yield [base64.b64encode(der.replace(serial, serial[:4] + number.to_bytes(len(serial) - 4, "big"))).decode()]


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


def question(remote, chain, **more):
    return json.dumps({"id": 1, "direction": "out", "local": "home.net", "remote": remote, "port": 5269, "chain": chain,
                       **more}).encode() + b"\n"


def measure(name, service, lines):
    pid = service.process.pid
    before, used = time.time(), processor(pid)
    good = ask_all(service.socket, lines)
    took = time.time() - before
    print(f"{name:15} {len(lines)} pairs, {good} yes, {took:.2f} s, {len(lines) / took:.0f} a second, "
          f"{(processor(pid) - used) / len(lines) * 1e6:.0f} us of processor each, {resident(pid)} kB resident", flush=True)


def main():
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    domains = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as directory, World(directory) as world:
        path = pathlib.Path(directory)
        ca = Identity(path, "ca", authority=True)
        own, hosted = Identity(path, "x.host.net"), Identity(path, "*.many.net", issuer=ca)
        one = world.server("knot")
        world.zone(".", [one])
        world.zone("net.", [one])
        world.zone("host.net.", [one], f"x A {ADDRESS}\n_5269._tcp.x TLSA {own.tlsa()}\ny A {ADDRESS}")
        world.zone("many.net.", [one], "\n".join(f"_xmpp-server._tcp.d{i} SRV 5 0 5269 y.host.net." for i in range(HOSTED)))
        for i in range(domains):
            world.zone(f"c{i}.net.", [one], "_xmpp-server._tcp SRV 5 0 5269 x.host.net.")
        world.start()
        world.unbound()
        service = AuthServer(world, "--quiet", "--server", "127.0.53.1", "--ca", ca.file)
        service.start()
        lines = [question(f"c{d}.net", chain, address=ADDRESS)
                 for chain in chains(own, streams) for d in range(domains)]
        ask_all(service.socket, lines[:domains])  # the look-ups
        for name, some in (("found out", lines), ("again, all", lines), ("from the cache", lines[-domains * 100:] * 10)):
            measure(name, service, some)
        chain = [base64.b64encode(each.certificate.public_bytes(DER)).decode() for each in (hosted, ca)]
        for more in ({"address": ADDRESS}, {"host": "y.host.net"}, {"host": "y.host.net", "no_posh": True},
                     {"address": ADDRESS, "no_posh": True}):  # other questions, so none is in the cache
            measure("by a CA", service, [question(f"d{d}.many.net", chain, **more) for d in range(HOSTED)])
        service.end()


main()
