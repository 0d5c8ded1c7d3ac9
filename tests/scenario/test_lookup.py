"""Validated look-ups through real servers: BIND and Unbound, over UDP, TCP, TLS and HTTPS, the system's resolvers,
and recursion by libunbound in a network of its own."""
import os
import shutil
import socket
import threading

import dns.flags
import dns.message
import dns.query
import pytest

from lookup_support import SERVER_NAME, TOOL, World, make_certificate
from peers_support import HOST, program, run
from ports import free_port

QUESTIONS = {
    "www.good.test A": ("secure", "data"),
    "alias.good.test A": ("secure", "data"),
    "nothing.good.test A": ("secure", "nxdomain"),
    "www.good.test TXT": ("secure", "nodata"),
    "a.wild.good.test TXT": ("secure", "data"),
    "lost.good.test A": ("secure", "nxdomain"),
    "www.nsec3.test A": ("secure", "data"),
    "a.wild.nsec3.test A": ("secure", "data"),
    "nothing.nsec3.test A": ("secure", "nxdomain"),
    "nothing.www.nsec3.test A": ("secure", "nxdomain"),
    "www.plain.test A": ("insecure", "data"),
    "away.good.test A": ("insecure", "data"),
    "plain.test DS": ("secure", "nodata"),
    "good.test DS": ("secure", "data"),
    "good.test DNSKEY": ("secure", "data"),
    "big.wide.test TXT": ("secure", "data"),
    "www.expired.test A": ("bogus", None),
    "test. NS": ("secure", "data"),
    ". SOA": ("secure", "data"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("world")).running() as world:
        yield world


def check_all(world, *options, prefix=()):
    results = world.look_up(*QUESTIONS, options=options, prefix=prefix)
    assert len(results) == len(QUESTIONS)
    for question, result in zip(QUESTIONS, results):
        status, kind = QUESTIONS[question]
        assert result["status"] == status, (question, result["sentence"], result["findings"])
        if kind:
            assert result["kind"] == kind, (question, result)
    return dict(zip(QUESTIONS, results))


def codes(result):
    return [finding["code"] for finding in result["findings"]]


@pytest.mark.parametrize("server", ["{host}@{port}", "tcp://{host}@{port}", "tls://{host}@{tls}",
                                    "tls://{host}@{tls}#{name}", "https://{host}:{https}/dns-query",
                                    "https://{host}:{https}/dns-query#{name}"])
def test_transports(world, server):
    text = server.format(host=HOST, port=world.port, tls=world.tls, https=world.https, name=SERVER_NAME)
    check_all(world, "-s", text, "-C", world.certificate)


def test_random_case(world):
    check_all(world, "-0", "-s", f"{HOST}@{world.port}")


@pytest.mark.parametrize("module", ["iterator", "validator iterator"])
def test_unbound(world, module):
    with world.unbound(module) as port:
        check_all(world, "-s", f"{HOST}@{port}")


@pytest.mark.parametrize("way", ["tls", "https"])
def test_other_name(world, way):
    """A certificate of another name, and one of another authority."""
    port = world.tls if way == "tls" else f"{world.https}"
    place = f"tls://{HOST}@{port}" if way == "tls" else f"https://{HOST}:{port}/dns-query"
    [result] = world.look_up("www.good.test A", options=["-s", place + "#other.test", "-C", world.certificate])
    assert result["status"] == "error"
    other, _ = make_certificate(world.directory, "another.test")
    [result] = world.look_up("www.good.test A", options=["-s", place, "-C", other])
    assert result["status"] == "error"
    [result] = world.look_up("www.good.test A", options=["-s", place])
    assert result["status"] == "error"


def test_next_server(world):
    """Servers that do not answer, or are not there, hold up the first question only."""
    dead = free_port()
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        check_all(world, "-s", f"{HOST}@{dead}", "-s", f"{HOST}@{silent.getsockname()[1]}", "-s", f"{HOST}@{world.port}")


def test_cold_chain(world):
    """No more queries than the data and, for each zone, its keys and DS; none of the keys twice."""
    first, second = world.look_up("www.good.test A", "mail.good.test A", options=["-s", f"{HOST}@{world.port}"])
    assert first["cost"]["queries"] <= 1 + 2 * 2 + 1
    assert second["cost"]["queries"] == 1


class Stripper:
    """A forwarder that knows nothing of DNSSEC."""

    def __init__(self, world):
        self.world = world
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.asked = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            self.asked += 1
            query = dns.message.from_wire(data)
            plain = dns.message.make_query(query.question[0].name, query.question[0].rdtype)
            reply = dns.query.udp(plain, HOST, port=self.world.port, timeout=5)
            reply.id = query.id
            reply.use_edns(False)
            self.socket.sendto(reply.to_wire(), peer)


def resolv_conf(world, *ports):
    path = world.directory / f"resolv-{'-'.join(str(port) for port in ports)}.conf"
    path.write_text("# made by a test\noptions timeout:1 attempts:2\n" +
                    "".join(f"nameserver {HOST}@{port}\n" for port in ports))
    return path


def test_system(world):
    results = check_all(world, "-c", resolv_conf(world, world.port))
    assert not any(code.startswith("resolve.") for code in codes(results["www.good.test A"]))
    [result] = world.look_up("www.good.test A", options=["-c", resolv_conf(world, world.port)])
    assert result["cost"]["queries"] <= 1 + 2 * 2 + 1


def test_system_strips(world):
    """One of two strips: the other is used, and it is said."""
    stripper = Stripper(world)
    results = check_all(world, "-c", resolv_conf(world, stripper.port, world.port))
    assert stripper.asked == 1
    assert any("resolve.stripped" in codes(result) for result in results.values())


def network(*command):
    """A command in a network of its own, in which BIND is on port 53."""
    return run("unshare", "-n", "sh", "-c", "ip link set lo up && " + " ".join(command), timeout=60)


def lone_world(tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a network of its own needs root, unshare and ip")
    world = World(tmp_path, port=53)
    (tmp_path / "named.conf").write_text(world.config())
    return world


def in_network(world, options, *questions):
    """Look-ups in a network that has nothing but BIND."""
    (world.directory / "questions").write_text("".join(question + "\n" for question in questions))
    script = f"""ip link set lo up
{program("named")} -g -c {world.directory}/named.conf >{world.directory}/named.log 2>&1 &
named=$!
for i in $(seq 100); do grep -q "all zones loaded" {world.directory}/named.log && break; sleep 0.1; done
{TOOL} -a {world.anchors} {options} <{world.directory}/questions
code=$?
kill $named; wait $named
exit $code"""
    import json
    done = run("unshare", "-n", "sh", "-c", script, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_recursion(tmp_path):
    world = lone_world(tmp_path)
    results = in_network(world, f"-r {world.hints}", *QUESTIONS)
    for question, result in zip(QUESTIONS, results):
        assert result["status"] == QUESTIONS[question][0], (question, result["sentence"])


def test_system_recursion(tmp_path):
    """No resolver is there: recursion, and it is said."""
    world = lone_world(tmp_path)
    conf = resolv_conf(world, 5399)
    [first, second] = in_network(world, f"-c {conf} -r {world.hints}", "www.good.test A", "www.plain.test A")
    assert first["status"] == "secure", first
    assert {"resolve.recursion", "resolve.failing"} <= set(codes(first))
    assert second["status"] == "insecure"
