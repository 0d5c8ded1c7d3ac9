"""The frame of kenter policy and kenter auth-server: limits, descriptors that run out, peers that go away, signals. No world:
what they would look up is never answered."""
import json
import os
import shutil
import signal
import socket
import time

import pytest

from peers_support import HOST, KENTER, PATIENCE, Server, accepts, wait

SERVICES = {
    "policy": ("--postfix", lambda: b"21:postfix slow1.example,", lambda: b"17:postfix *metrics*,"),
    "auth-server": ("--socket",
                    lambda: b'{"id":1,"direction":"in","local":"a.example","remote":"slow1.example","chain":[]}\n',
                    lambda: b'{"id":2,"metrics":true}\n'),
}


class Service(Server):
    """With a resolver that takes questions and never answers."""

    def __init__(self, path, verb, *options, descriptors=None):
        super().__init__(path, verb)
        self.option, self.slow, self.metrics = SERVICES[verb]
        self.verb, self.socket = verb, self.path / "socket"
        self.hole = socket.socket(type=socket.SOCK_DGRAM)
        self.hole.bind((HOST, 0))
        limit = [shutil.which("prlimit"), f"--nofile={descriptors}"] if descriptors else []
        self.launch(*limit, KENTER, verb, self.option, f"unix:{self.socket}", "--server",
                    f"{HOST}@{self.hole.getsockname()[1]}", *options)
        wait(lambda: self.alive() or accepts(self.socket), "the socket")

    def connect(self):
        conn = socket.socket(socket.AF_UNIX)
        conn.settimeout(PATIENCE)
        conn.connect(str(self.socket))
        return conn

    def count(self, name, conn=None):
        """A counter, whatever the service calls it."""
        conn = conn or self.connect()
        conn.sendall(self.metrics())
        text = b""
        while not text.endswith((b"\n", b",")):
            text += conn.recv(65536)
        if text.startswith(b"{"):
            return json.loads(text)["metrics"][name]
        return int(text.decode().split(f" {name}=")[1].split()[0].rstrip(","))

    def processor(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        super().end()
        self.hole.close()


@pytest.fixture(params=SERVICES)
def verb(request):
    return request.param


@pytest.fixture
def launch(tmp_path, verb):
    made = []

    def start(*options, **more):
        made.append(Service(tmp_path, verb, *options, **more))
        return made[-1]
    yield start
    for service in made:
        service.end()


def test_descriptors_run_out(launch, verb):
    """It does not turn in vain meanwhile, and goes on when there are some again."""
    service = launch("--connections", "500", descriptors=32)
    crowd = [service.connect() for _ in range(60)]
    time.sleep(1)
    before = service.processor()
    time.sleep(2)
    assert service.processor() - before < 0.3
    for conn in crowd:
        conn.close()
    pauses = "accept_pauses_total" if verb == "policy" else "accept_pauses"
    assert 1 <= service.count(pauses) <= 70


def test_connections_wait(launch):
    """More than may be are not refused; they wait for others to go."""
    service = launch("--connections", "3")
    held = [service.connect() for _ in range(3)]
    for conn in held:
        assert service.count("connections", conn) <= 3
    fourth = service.connect()
    fourth.sendall(service.metrics())
    fourth.settimeout(0.5)
    with pytest.raises(TimeoutError):
        fourth.recv(1)
    held[0].close()
    fourth.settimeout(PATIENCE)
    assert fourth.recv(1)


def test_questions_have_a_limit_and_an_end(launch, verb):
    service = launch("--lookups", "2", "--answer-timeout", "2s")
    asked = [service.connect() for _ in range(4)]
    for number, conn in enumerate(asked[:3]):
        conn.sendall(service.slow().replace(b"slow1", b"slow%d" % number))
    assert b"too many" in asked[2].recv(4096)
    assert service.count("questions") == 2
    asked[3].sendall(service.slow().replace(b"slow1", b"slow0"))  # the same: it joins
    wait(lambda: service.count("joined_total" if verb == "policy" else "joined") == 1, "the one who joins")
    for conn in (asked[0], asked[1], asked[3]):
        assert b"take" in conn.recv(4096)  # "takes too long"
    total = "_total" if verb == "policy" else ""
    assert service.count("questions") == 0
    assert service.count("timeouts" + total) == 2
    assert service.count("refused" + total) == 1


def test_peers_that_go_away(launch):
    """The question goes on for others; nothing is written to whoever took the descriptor over."""
    service = launch("--answer-timeout", "2s")
    for _ in range(50):
        conn = service.connect()
        conn.sendall(service.slow())
        conn.close()
    stays = service.connect()
    stays.sendall(service.slow())
    wait(lambda: service.count("connections") == 2, "the end of the others")
    assert service.count("questions") == 1
    assert b"take" in stays.recv(4096)
    service.alive()


def test_octet_by_octet(launch):
    service = launch()
    conn = service.connect()
    for _ in range(3):
        for octet in service.metrics():
            conn.sendall(bytes([octet]))
        assert conn.recv(65536)
    many = service.metrics() * 500
    conn.sendall(many)
    got = b""
    while got.count(service.metrics()[-1:] if got.startswith(b"{") else b"OK ") < 500:
        got += conn.recv(1 << 20)


def test_signals(launch):
    service = launch()
    service.process.send_signal(signal.SIGHUP)
    service.wait_log("the caches are emptied")
    assert service.count("connections") == 1
    assert service.kill(signal.SIGTERM) == 0
    assert not service.socket.exists()
