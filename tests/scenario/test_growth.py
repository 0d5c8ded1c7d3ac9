"""kenter auth-server with thousands of streams times domains: all are proved, limits hold, and it does not grow."""
import base64

import pytest

from auth_support import DER, Identity
from peers_support import wait
from world_support import World
from xmpp_support import Asker, AuthServer

X = "127.0.2.1"
DOMAINS = [f"c{i}.net" for i in range(20)]
STREAMS = 200  # of a crowd
CACHE = 1      # MiB


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("growth")
    identity = Identity(path, "x.host.net")
    with World(path) as world:
        one = world.server("knot")
        world.zone(".", [one])
        world.zone("net.", [one])
        world.zone("host.net.", [one], f"x A {X}\n_5269._tcp.x TLSA {identity.tlsa()}")
        for domain in DOMAINS:
            world.zone(f"{domain}.", [one], "_xmpp-server._tcp SRV 5 0 5269 x.host.net.")
        world.start()
        world.unbound()
        service = AuthServer(world, "--server", "127.0.53.1", "--quiet", "--cache", CACHE)
        service.start()
        try:
            yield type("Stage", (), dict(service=service, crowds=crowds(identity)))
        finally:
            service.end()


def crowds(identity):
    """Chains without end, of one key: usage 3 asks for no more than that."""
    der = identity.certificate.public_bytes(DER)
    serial = identity.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    assert der.count(serial) == 1
    number = 0
    while True:
        number += 1
        other = der.replace(serial, serial[:4] + number.to_bytes(len(serial) - 4, "big"))
        yield [base64.b64encode(other).decode()]


def resident(pid):
    """KiB."""
    return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1])


def crowd(stage, asker):
    """How many pairs of a new crowd are authorised."""
    yes = 0
    for _ in range(STREAMS):
        chain = next(stage.crowds)
        for domain in DOMAINS:
            asker.send(direction="out", local="home.net", remote=domain, address=X, port=5269, chain=chain)
        yes += sum(asker.read()["state"] == "yes" for _ in DOMAINS)
    return yes


def test_thousands_of_pairs(stage):
    asker, pairs = Asker(stage.service.socket), STREAMS * len(DOMAINS)
    assert crowd(stage, asker) == pairs
    before = resident(stage.service.process.pid)
    assert [crowd(stage, asker) for _ in range(4)] == [pairs] * 4
    grown = resident(stage.service.process.pid) - before
    metrics = asker.ask(metrics=True)["metrics"]
    assert 5 * pairs == metrics["pairs"] == metrics["yes"] == metrics["by_dane"] == metrics["requests"] - 1
    assert metrics["cache_hits"] == metrics["joined"] == metrics["refused"] == metrics["questions"] == 0
    assert metrics["connections"] == 1
    assert metrics["cache_octets"] <= CACHE << 20 and metrics["cache_entries"] > 500
    assert metrics["dns_queries"] < 20 * len(DOMAINS)
    assert grown < 1024, f"{grown} KiB more after {4 * pairs} pairs"


def test_streams_that_come_and_go(stage):
    """A connection leaves nothing behind, whatever it left unread."""
    pid = stage.service.process.pid

    def come_and_go():
        for _ in range(300):
            asker = Asker(stage.service.socket)
            asker.ask(direction="in", local="home.net", remote=DOMAINS[0], chain=next(stage.crowds))
            asker.send(direction="in", local="home.net", remote=DOMAINS[0], chain=next(stage.crowds))
            asker.send(metrics=True)
            asker.file.flush()
            asker.socket.close()
    come_and_go()
    before = resident(pid)
    for _ in range(4):
        come_and_go()
    asker = Asker(stage.service.socket)
    wait(lambda: asker.ask(metrics=True)["metrics"]["connections"] == 1, "the end of the others")
    assert resident(pid) - before < 512
