"""Sockets of the server: answers over UDP, TCP and TLS while clients flood, stall, and speak nonsense."""
import json
import os
import resource
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KENTER", ROOT / "build" / "kenter")).parent
NETSERVE = BUILD / "tests" / "tools" / "netserve"


class Server:
    def __init__(self, *arguments, **more):
        self.process = subprocess.Popen([NETSERVE, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **more)
        self.addresses = self.read_ready()

    def read_ready(self):
        words = self.process.stdout.readline().split()
        assert words and words[0] == "ready", words
        return [(host, int(port)) for host, port in (word.rsplit("@", 1) for word in words[1:])]

    @property
    def address(self):
        return self.addresses[0]

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def totals(self):
        self.tell("totals")
        return json.loads(self.process.stdout.readline())

    def wait_total(self, name, value, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.totals()[name] >= value:
                return
            time.sleep(0.02)
        pytest.fail(f"{name} did not reach {value}: {self.totals()}")

    def stop(self):
        self.process.stdin.close()
        text = self.process.stdout.read()
        assert self.process.wait(timeout=20) == 0
        return json.loads(text)


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **more):
        servers.append(Server(*arguments, **more))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()
        server.process.stdin.close()
        server.process.stdout.close()


def query(name="example.", rdtype="A", **more):
    return dns.message.make_query(name, rdtype, **more)


def framed(message):
    wire = message if isinstance(message, bytes) else message.to_wire()
    return struct.pack("!H", len(wire)) + wire


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {length} octets")
        data += more
    return data


def read_message(sock):
    return read_exactly(sock, struct.unpack("!H", read_exactly(sock, 2))[0])


def connect(server, index=0, timeout=10):
    sock = socket.create_connection(server.addresses[index], timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask_udp(server, name="example.", index=0, timeout=5):
    host, port = server.addresses[index]
    return dns.query.udp(query(name), host, port=port, timeout=timeout)


def answers_tcp(server):
    with connect(server) as sock:
        sock.sendall(framed(query()))
        return dns.message.from_wire(read_message(sock)).rcode() == dns.rcode.REFUSED


def text_of(response):
    return response.answer[0][0].strings[0].decode().split()


def was_closed(sock, seconds=10):
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_thousands_of_queries_over_udp(serve):
    server = serve("--workers", 2, "127.0.0.1@0")
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    seen = 0
    for number in range(625):
        for sock in socks:
            request = query(f"name{number}.example.")
            request.id = number
            sock.sendto(request.to_wire(), server.address)
        for sock in socks:
            sock.settimeout(5)
            wire, peer = sock.recvfrom(4096)
            assert peer == server.address
            assert wire[:2] == struct.pack("!H", number) and wire[3] & 15 == dns.rcode.REFUSED
            seen += 1
    assert seen == 5000
    for sock in socks:
        sock.close()
    totals = server.stop()
    assert totals["udp_queries"] == totals["udp_answers"] == totals["latency_count"] == 5000


def test_pipelining_over_tcp(serve):
    server = serve("127.0.0.1@0")
    wires = []
    for number in range(3000):
        request = query(f"name{number}.example.")
        request.id = number
        wires.append(framed(request))
    with connect(server) as sock:
        writer = threading.Thread(target=sock.sendall, args=(b"".join(wires),))
        writer.start()
        got = [struct.unpack("!H", read_message(sock)[:2])[0] for _ in wires]
        writer.join()
        assert got == list(range(3000))
        # Closing our side first: what was asked is answered all the same.
        sock.sendall(wires[0] * 10)
        sock.shutdown(socket.SHUT_WR)
        for _ in range(10):
            read_message(sock)
        assert sock.recv(1) == b""
    totals = server.stop()
    assert totals["tcp_queries"] == totals["tcp_answers"] == 3010
    assert totals["tcp_accepted"] == totals["tcp_closed"] == 1


def test_octet_by_octet(serve):
    server = serve("127.0.0.1@0")
    with connect(server) as sock:
        for octet in framed(query()) * 2:
            sock.sendall(bytes([octet]))
            time.sleep(0.0005)
        assert read_message(sock) == read_message(sock)


def test_ipv6_and_reply_source(serve):
    """On wildcard sockets, answers come from the address that was asked, for UDP and TCP."""
    server = serve("--workers", 2, "0.0.0.0@0", "[::]:0", "[::1]@0")
    port4, port6, port1 = (port for _, port in server.addresses)
    for host in ("127.0.0.1", "127.0.0.2", "127.8.9.10"):
        for ask in (dns.query.udp, dns.query.tcp):
            # dnspython refuses an answer from another address than the one it asked.
            words = text_of(ask(query("whoami.", "TXT"), host, port=port4, timeout=5))
            assert words[0] == ask.__name__ and words[2] == f"{host}@{port4}"
    for port in (port6, port1):
        for ask in (dns.query.udp, dns.query.tcp):
            words = text_of(ask(query("whoami.", "TXT"), "::1", port=port, timeout=5))
            assert words[1].startswith("::1@") and words[2] == f"::1@{port}"


def test_drop_truncate_later(serve):
    server = serve("127.0.0.1@0")
    host, port = server.address
    with pytest.raises(dns.exception.Timeout):
        ask_udp(server, "drop.", timeout=0.3)
    response = ask_udp(server, "cut.")
    assert response.flags & dns.flags.TC and not response.answer
    assert len(response.question) == 1
    assert not dns.query.tcp(query("cut."), host, port=port).flags & dns.flags.TC
    assert len(dns.query.tcp(query("huge.", "TXT"), host, port=port).to_wire()) > 59000
    # An answer that takes its time does not hold up others, on neither transport.
    began = time.monotonic()
    assert ask_udp(server, "later-300.").rcode() == dns.rcode.REFUSED
    assert time.monotonic() - began >= 0.3
    with connect(server) as sock:
        slow, quick = query("later-300."), query("quick.")
        sock.sendall(framed(slow) + framed(quick))
        assert dns.message.from_wire(read_message(sock)).id == quick.id
        assert dns.message.from_wire(read_message(sock)).id == slow.id


def test_reset_while_answers_are_awaited(serve):
    """Nothing is read from such a connection; its end is noticed all the same, and costs no time."""
    server = serve("--workers", 1, "127.0.0.1@0")
    socks = [connect(server) for _ in range(10)]
    for sock in socks:
        sock.sendall(framed(query("later-20000.")) * 4)
    server.wait_total("streams", 40)
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    server.wait_total("tcp_closed", 10, seconds=3)
    totals = server.totals()
    assert totals["streams_cancelled"] == 40 and totals["connections"] == 0
    ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    assert sum(map(int, ticks)) < 100


def test_slowloris(serve):
    server = serve("--query", 600, "--idle", 1500, "127.0.0.1@0")
    half = framed(query("a" * 60 + ".example."))
    socks = [connect(server) for _ in range(100)]
    began = time.monotonic()
    for at in range(20):
        for sock in socks:
            try:
                sock.sendall(half[at:at + 1])
            except OSError:
                pass
        assert ask_udp(server).rcode() == dns.rcode.REFUSED
        assert answers_tcp(server)
        time.sleep(0.05)
    assert all(was_closed(sock) for sock in socks)
    assert time.monotonic() - began < 5
    for sock in socks:
        sock.close()
    # Idle clients are closed too, but later.
    with connect(server) as sock:
        sock.sendall(framed(query()))
        read_message(sock)
        began = time.monotonic()
        assert was_closed(sock)
        assert 1 < time.monotonic() - began < 4
    totals = server.stop()
    assert totals["tcp_timeout_query"] >= 100 and totals["tcp_timeout_idle"] == 1


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    yield min(hard, 20000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_open_flood(serve, many_descriptors):
    """Thousands of silent clients: new ones are answered, UDP does not notice, memory stays."""
    count = min(10000, many_descriptors - 1000)
    server = serve("--connections", 1000, "--per-client", 0, "--query", 60000, "127.0.0.1@0")
    socks = []
    for number in range(count):
        sock = socket.socket()
        # A source address for some thousand, so that ports do not run out.
        sock.bind((f"127.0.1.{1 + number // 2000}", 0))
        sock.settimeout(5)
        sock.connect(server.address)
        socks.append(sock)
        if number % 1000 == 999:
            began = time.monotonic()
            assert answers_tcp(server)
            assert ask_udp(server).rcode() == dns.rcode.REFUSED
            assert time.monotonic() - began < 2
    server.wait_total("tcp_accepted", count)
    totals = server.totals()
    assert totals["connections"] <= 1000
    assert totals["tcp_evicted"] >= count - 1000
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident < 40000, f"{resident} KiB"
    for sock in socks:
        sock.close()


def test_limit_per_client(serve):
    server = serve("--workers", 1, "--per-client", 10, "127.0.0.1@0")
    socks = [connect(server) for _ in range(15)]
    server.wait_total("tcp_refused_client", 5)
    assert sum(was_closed(sock, 0.1) for sock in socks) == 5
    # Another client is not affected.
    with socket.socket() as other:
        other.bind(("127.0.2.1", 0))
        other.connect(server.address)
        other.sendall(framed(query()))
        read_message(other)
    for sock in socks:
        sock.close()


def test_out_of_descriptors(serve):
    """Without descriptors left, somebody silent gives way; nothing spins or stops."""

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    server = serve("--workers", 1, "--per-client", 0, "127.0.0.1@0", preexec_fn=few)
    socks = [connect(server) for _ in range(150)]
    assert answers_tcp(server)
    assert ask_udp(server).rcode() == dns.rcode.REFUSED
    totals = server.totals()
    assert totals["tcp_accept_failed"] > 0 and totals["tcp_evicted"] > 0
    for sock in socks:
        sock.close()
    assert answers_tcp(server)


def test_clients_that_never_read(serve):
    server = serve("--workers", 1, "--write", 1500, "--per-client", 0, "127.0.0.1@0")
    socks = []
    for _ in range(50):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(server.address)
        sock.sendall(framed(query("stream-100000.")) + framed(query("huge.", "TXT")) * 50)
        socks.append(sock)
    began = time.monotonic()
    while time.monotonic() - began < 1:
        assert ask_udp(server).rcode() == dns.rcode.REFUSED
        assert answers_tcp(server)
        time.sleep(0.05)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 40000
    server.wait_total("tcp_timeout_write", 50)
    totals = server.totals()
    assert totals["streams"] == totals["streams_cancelled"] == 50
    for sock in socks:
        sock.close()


def test_long_stream(serve):
    """Sixteen megabytes, read at leisure, with other answers between its messages."""
    server = serve("127.0.0.1@0")
    with connect(server) as sock:
        stream, other = query("stream-1000.", "TXT"), query("other.")
        sock.sendall(framed(stream))
        first = read_message(sock)
        sock.sendall(framed(other))
        got = {stream.id: 1, other.id: 0}
        assert len(first) == 16000
        for number in range(1000):
            message = read_message(sock)
            got[struct.unpack("!H", message[:2])[0]] += 1
            if number % 100 == 0:
                time.sleep(0.01)
        assert got == {stream.id: 1000, other.id: 1}
        # The connection goes on.
        sock.sendall(framed(other))
        read_message(sock)


def test_malformed_framing(serve):
    server = serve("--query", 1000, "127.0.0.1@0")
    for junk in (b"\0\0", b"\0\x01a", b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
                 b"\0\x0c" + b"\0\0\x80" + bytes(9), b"\xff" * 5, os.urandom(5000),
                 b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500)):
        with connect(server) as sock:
            sock.sendall(framed(query()))
            read_message(sock)
            sock.sendall(junk)
            assert was_closed(sock, 5)
        assert answers_tcp(server)
    host, port = server.address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = bytearray(query().to_wire())
        answer[2] |= 0x80
        for junk in (b"", b"a", bytes(11), bytes(answer), os.urandom(9000)):
            sock.sendto(junk, (host, port))
    assert ask_udp(server).rcode() == dns.rcode.REFUSED
    server.wait_total("udp_malformed", 5)


def test_rate_limit(serve):
    server = serve("--workers", 1, "--rate", 10, "--slip", 2, "127.0.0.1@0")
    whole = cut = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.connect(server.address)
        for _ in range(200):
            sock.send(query("big.", use_edns=0, payload=1232).to_wire())
        try:
            while True:
                response = dns.message.from_wire(sock.recv(4096))
                if response.flags & dns.flags.TC:
                    assert not response.answer
                    cut += 1
                else:
                    whole += 1
        except TimeoutError:
            pass
    totals = server.totals()
    assert 50 <= whole <= 60
    assert cut == totals["rate_slipped"] and abs(cut - totals["rate_dropped"]) <= 1
    # TCP is not limited: whoever connects has not forged an address.
    for _ in range(30):
        assert answers_tcp(server)


def test_addresses_change_while_serving(serve):
    server = serve("--workers", 2, "127.0.0.1@0")
    host, port = server.address
    with connect(server) as kept:
        server.tell(f"listen 127.0.0.1@0 127.0.0.2@{port}")
        first, second = server.read_ready()
        assert first == (host, port) and second == ("127.0.0.2", port)
        server.addresses = [first, second]
        assert ask_udp(server, index=0).rcode() == dns.rcode.REFUSED
        assert ask_udp(server, index=1).rcode() == dns.rcode.REFUSED
        # One that somebody else has is refused, and nothing changes.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.3", 0))
            taken = other.getsockname()[1]
            server.tell(f"listen 127.0.0.4@{port} 127.0.0.3@{taken}")
            assert server.process.stdout.readline().startswith("error 1 ")
        assert ask_udp(server, index=0).rcode() == dns.rcode.REFUSED
        server.tell(f"listen 127.0.0.2@{port}")
        assert server.read_ready() == [second]
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                connect(server, index=0, timeout=1).close()
            except OSError:
                break
            time.sleep(0.02)
        else:
            pytest.fail("the old address still accepts")
        # Connections that were open stay.
        kept.sendall(framed(query()))
        read_message(kept)
        assert ask_udp(server, index=1).rcode() == dns.rcode.REFUSED


def test_port_of_another_server(serve):
    server = serve("127.0.0.1@0")
    host, port = server.address
    second = subprocess.run([NETSERVE, f"{host}@{port}"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    assert second.returncode == 2 and "in use" in second.stderr


def test_sockets_that_were_open(serve):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    tcp = socket.socket()
    tcp.bind(udp.getsockname())
    tcp.listen(16)
    server = serve("--workers", 2, "--fd", udp.fileno(), "--fd", tcp.fileno(),
                   pass_fds=(udp.fileno(), tcp.fileno()))
    udp.close()
    tcp.close()
    for _ in range(100):
        assert ask_udp(server).rcode() == dns.rcode.REFUSED
    for _ in range(20):
        assert answers_tcp(server)
    assert subprocess.run([NETSERVE, "--fd", "0"], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 2


def test_graceful_stop(serve):
    """What was asked is answered before the end; a client that does not read cannot delay it."""
    server = serve("--workers", 2, "--drain", 1000, "127.0.0.1@0")
    idle, reading, stuck = (connect(server) for _ in range(3))
    reading.sendall(framed(query("stream-2000.", "TXT")))
    read_message(reading)
    stuck.sendall(framed(query("stream-100000.", "TXT")))
    read_message(stuck)
    idle.sendall(framed(query()))
    read_message(idle)
    began = time.monotonic()
    server.process.stdin.close()
    for _ in range(1999):
        read_message(reading)
    assert was_closed(reading) and was_closed(idle)
    server.process.wait(timeout=10)
    assert time.monotonic() - began < 4
    for sock in (idle, reading, stuck):
        sock.close()


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path):
    for name in ("server", "client"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}.example",
                cwd=tmp_path)
    return tmp_path


def tls_context(place, client=None):
    context = ssl.create_default_context(cafile=place / "server.pem")
    context.set_alpn_protocols(["dot"])
    if client:
        context.load_cert_chain(place / f"{client}.pem", place / f"{client}.key")
    return context


def test_tls(serve, certificates):
    server = serve("--tls", f"{certificates}/server.pem,{certificates}/server.key,"
                   f"{certificates}/client.pem", "--query", 1000, "127.0.0.1@0",
                   "--tls-listen", "127.0.0.1@0")
    secret = server.addresses[1]

    def secure(client=None, context=None):
        sock = socket.create_connection(secret, timeout=5)
        return (context or tls_context(certificates, client)).wrap_socket(
            sock, server_hostname="server.example")

    with secure() as sock:
        assert sock.selected_alpn_protocol() == "dot"
        sock.sendall(framed(query("whoami.", "TXT")) * 3)
        for _ in range(3):
            words = text_of(dns.message.from_wire(read_message(sock)))
            assert words[0] == "tls" and words[3] == "-"
        # Many in one flight, answers larger than a record, and a stream.
        sock.sendall(framed(query("huge.", "TXT")) * 50)
        for _ in range(50):
            assert len(read_message(sock)) == 60000
        sock.sendall(framed(query("stream-500.", "TXT")))
        for _ in range(500):
            assert len(read_message(sock)) == 16000
    with secure("client") as sock:
        sock.sendall(framed(query("whoami.", "TXT")))
        assert text_of(dns.message.from_wire(read_message(sock)))[3] == "client.example"
    # A certificate that nobody vouches for names nobody.
    with secure("server") as sock:
        sock.sendall(framed(query("whoami.", "TXT")))
        assert text_of(dns.message.from_wire(read_message(sock)))[3] == "-"
    # Another protocol, old versions, no TLS at all, nothing at all.
    other = tls_context(certificates)
    other.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        secure(context=other)
    with socket.create_connection(secret, timeout=5) as sock:
        sock.sendall(framed(query()) * 20)
        assert was_closed(sock)
    with socket.create_connection(secret, timeout=5) as sock:
        began = time.monotonic()
        assert was_closed(sock) and time.monotonic() - began < 4
    assert ask_udp(server).rcode() == dns.rcode.REFUSED
    totals = server.stop()
    assert totals["tls_queries"] == 3 + 50 + 1 + 2
    assert totals["tls_failed"] >= 2


def test_random_streams(serve):
    """Random octets on many connections at once, while good clients are answered."""
    server = serve("--query", 500, "--per-client", 0, "127.0.0.1@0")
    deadline = time.monotonic() + 3
    sent = 0
    while time.monotonic() < deadline:
        socks = []
        for _ in range(20):
            sock = connect(server)
            sock.setblocking(False)
            wire = bytearray(framed(query("stream-50.", "TXT")) * 3)
            for _ in range(os.urandom(1)[0] % 4):
                wire[os.urandom(1)[0] % len(wire)] = os.urandom(1)[0]
            try:
                sock.send(bytes(wire[:1 + os.urandom(1)[0] % len(wire)]))
            except OSError:
                pass
            socks.append(sock)
            sent += 1
        select.select(socks, [], [], 0.01)
        for sock in socks:
            sock.close()
        assert answers_tcp(server) and ask_udp(server).rcode() == dns.rcode.REFUSED
    assert sent > 50
    server.wait_total("tcp_closed", sent)
    totals = server.stop()
    assert totals["connections"] == 0
