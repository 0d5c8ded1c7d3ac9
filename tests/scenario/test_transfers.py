"""The serve process: transfers, TSIG, NOTIFY and UPDATE passed on, as dnspython, dig, kdig and real secondaries see
them. frontserve plays the supervisor and the control process."""
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import threading
import time

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone
import pytest

from peers_config import knot, nsd
from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KENTER", ROOT / "build" / "kenter")).parent
TOOL = BUILD / "tests/tools/frontserve"
SECRET = "c2VjcmV0IG9mIHRoaXJ0eS10d28gb2N0ZXRzLCBzbyB0bw=="
KEYS = dns.tsigkeyring.from_text({"k.": SECRET})
WRONG = dns.tsigkeyring.from_text({"k.": "d3Jvbmcgc2VjcmV0"})
UNKNOWN = dns.tsigkeyring.from_text({"who.": SECRET})
N = dns.name.from_text


class Front:
    """frontserve with its lines."""

    def __init__(self, place, zones, *options, listen=("127.0.0.1@0",)):
        self.place = place
        self.lines = []
        self.arrived = threading.Condition()
        arguments = [str(TOOL), "--workers", "2"]
        for address in listen:
            arguments += ["--listen", address]
        (place / "image").mkdir()
        self.err = open(place / "front.log", "w")
        self.process = subprocess.Popen(
            [*arguments, *options, str(place / "image"), *[f"{origin}={path}" for origin, path in zones.items()]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        ready = self.wait("ready ")
        self.ports = [int(text.rpartition("@")[2]) for text in ready.split()[1:]]
        self.port = self.ports[0]

    def read(self):
        for line in self.process.stdout:
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.lines.append(None)
            self.arrived.notify_all()

    def wait(self, start, timeout=20):
        """The next line that begins so; those before it are taken too."""
        deadline = time.monotonic() + timeout
        with self.arrived:
            while True:
                while self.lines:
                    line = self.lines.pop(0)
                    assert line is not None, self.log()
                    if line.startswith(start):
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"no {start!r}: {self.log()}"
                self.arrived.wait(left)

    def log(self):
        return (self.place / "front.log").read_text()

    def wait_log(self, text, timeout=10):
        deadline = time.monotonic() + timeout
        while text not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def publish(self, origin, path):
        self.say(f"publish {origin}={path}")
        self.wait("published")

    def metrics(self):
        self.say("count")
        result = {}
        self.wait("# HELP")
        while True:
            with self.arrived:
                while not self.lines:
                    assert self.arrived.wait(5)
                line = self.lines.pop(0)
            if line == "":
                return result
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                result[name] = float(value)

    def ask(self, name, kind, tcp=False, timeout=3, **options):
        keys = options.pop("keys", None)
        query = dns.message.make_query(name, kind, use_edns=0, **options)
        if keys is not None:
            query.use_tsig(keys)
        return (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=self.port, timeout=timeout)

    def axfr(self, name, keys=None, port=None, **options):
        zone = dns.zone.Zone(name, relativize=False)
        query, _ = dns.xfr.make_query(zone, keyring=keys)
        dns.query.inbound_xfr("127.0.0.1", zone, query, port=port or self.port, timeout=10, lifetime=30, **options)
        return zone

    def ixfr(self, zone, keys=None, udp=dns.query.UDPMode.NEVER):
        query, serial = dns.xfr.make_query(zone, keyring=keys)
        dns.query.inbound_xfr("127.0.0.1", zone, query, port=self.port, timeout=10, lifetime=30, udp_mode=udp)

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.err.close()
        assert "Sanitizer" not in self.log(), self.log()
        assert code == 0, self.log()


@pytest.fixture
def fronts(tmp_path):
    started = []

    def start(zones, *options, **more):
        place = tmp_path / f"front{len(started)}"
        place.mkdir()
        files = {}
        for origin, text in zones.items():
            path = place / f"{origin}zone"
            path.write_text(text)
            files[origin] = path
        front = Front(place, files, *options, **more)
        started.append(front)
        return front

    yield start
    for front in started:
        if front.process.poll() is None:
            front.stop()


HEAD = "$ORIGIN %s\n$TTL 300\n@ SOA ns h %d 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"


def simple(serial, *lines, origin="example."):
    return HEAD % (origin, serial) + "\n".join(lines) + "\n"


def rewrite(front, text, origin="example."):
    path = front.place / f"{origin}zone"
    path.write_text(text)
    front.publish(origin, path)


def content(zone):
    return sorted(f"{name} {rdataset.ttl} {rdata.to_text()} {rdataset.rdtype}" for name, node in zone.items()
                  for rdataset in node for rdata in rdataset)


def messages(front, query, port=None):
    """All messages of a transfer as they come, over TCP."""
    wire = query.to_wire()
    result = []
    with socket.create_connection(("127.0.0.1", port or front.port), 10) as line:
        line.sendall(struct.pack("!H", len(wire)) + wire)
        file = line.makefile("rb")
        soas = 0
        while soas < 2:
            size, = struct.unpack("!H", file.read(2))
            result.append(file.read(size))
            answer = dns.message.from_wire(result[-1], xfr=True, continue_on_error=True)
            if answer.rcode() != 0 or not answer.answer:
                break
            soas += sum(len(rrset) for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA)
    return result


# ---- AXFR ----

def big(serial, count, origin="example."):
    return simple(serial, *[f"n{i} A 192.0.2.{i % 250}\nn{i} TXT \"{'x' * 60}\"" for i in range(count)], origin=origin)


@pytest.mark.parametrize("keys", [None, KEYS])
def test_axfr(fronts, keys):
    front = fronts({"example.": big(1, 3000)}, "--key", f"k.:hmac-sha256:{SECRET}")
    expected = dns.zone.from_text(big(1, 3000), "example.", relativize=False)
    assert content(front.axfr("example.", keys)) == content(expected)
    metrics = front.metrics()
    assert metrics['kenter_transfers_total{kind="axfr",result="done"}'] == 1
    assert metrics["kenter_transfer_bytes_total"] > 200000
    assert metrics["kenter_transfers"] == 0
    assert metrics['kenter_tsig_total{result="good"}'] == (keys is not None)


def test_axfr_messages_are_large(fronts):
    front = fronts({"example.": big(1, 3000)})
    sizes = [len(message) for message in messages(front, dns.message.make_query("example.", "AXFR"))]
    assert all(16000 < size <= 16384 for size in sizes[:-1]), sizes


def test_odd_owners(fronts):
    """The zone's case is kept, whatever the case of the question; owners below a wildcard, long names."""
    text = simple(1, "UPPER A 192.0.2.2", "upper.Sub A 192.0.2.3", "*.Wild A 192.0.2.4",
                  ".".join(["a" * 63, "b" * 63, "c" * 60]) + " A 192.0.2.5")
    front = fronts({"example.": text})
    assert content(front.axfr("EXAMPLE.")) == content(front.axfr("example."))
    owners = {str(name) for name in front.axfr("example.")}
    assert {"UPPER.example.", "upper.Sub.example.", "*.Wild.example."} <= owners


def test_unknown_zone_and_refusal(fronts):
    front = fronts({"example.": simple(1)})
    assert front.ask("other.", "AXFR", tcp=True).rcode() == dns.rcode.NOTAUTH
    assert front.ask("example.", "AXFR").rcode() == dns.rcode.REFUSED  # not over UDP
    # Another template, of which the settings know nothing: still the machine itself, so ask from elsewhere.
    front.say("template example. 12345")
    front.wait("template")
    assert content(front.axfr("example."))


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


@pytest.mark.skipif(own_address() in (None, "127.0.0.1"), reason="needs an address that is not the loopback's")
def test_access_lists(fronts):
    """From an address that is not the machine's own loopback."""
    address = own_address()
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}", "--allow", "key=k.",
                   listen=(f"{address}@0",))

    def rcode(keys=None, kind="AXFR"):
        query = dns.message.make_query("example.", kind)
        if keys:
            query.use_tsig(keys)
        return dns.message.from_wire(messages_from(query, address, front.port), xfr=True, continue_on_error=True,
                                     keyring=False if keys else None).rcode()

    assert rcode() == dns.rcode.REFUSED
    assert rcode(KEYS) == dns.rcode.NOERROR
    front.say("template example. 12345")
    front.wait("template")
    assert rcode(KEYS) == dns.rcode.REFUSED
    assert front.metrics()['kenter_transfers_total{kind="any",result="refused"}'] == 2


def messages_from(query, address, port):
    wire = query.to_wire()
    with socket.create_connection((address, port), 5) as line:
        line.sendall(struct.pack("!H", len(wire)) + wire)
        file = line.makefile("rb")
        size, = struct.unpack("!H", file.read(2))
        return file.read(size)


# ---- TSIG ----

ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tsig_algorithms(fronts, algorithm):
    front = fronts({"example.": big(1, 300)}, "--key", f"k.:{algorithm}:{SECRET}")
    for tcp in False, True:
        query = dns.message.make_query("example.", "SOA")
        query.use_tsig(KEYS, algorithm=N(algorithm))
        answer = (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=front.port, timeout=3)
        assert answer.had_tsig and answer.rcode() == 0
    dig = subprocess.run(["dig", "@127.0.0.1", "-p", str(front.port), "-y", f"{algorithm}:k.:{SECRET}", "example.", "AXFR"],
                         capture_output=True, text=True, check=True).stdout
    assert "XFR size: 604 records" in dig, dig[-500:]


def test_tsig_refusals(fronts):
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}")
    with pytest.raises(dns.tsig.PeerBadSignature):
        front.ask("example.", "SOA", keys=WRONG)
    with pytest.raises(dns.tsig.PeerBadKey):
        front.ask("example.", "SOA", keys=UNKNOWN)
    # The time is wrong: the refusal is signed and tells the right time.
    query = dns.message.make_query("example.", "SOA")
    query.use_tsig(KEYS)
    real = time.time
    try:
        time.time = lambda: real() - 1000
        wire = query.to_wire()
    finally:
        time.time = real
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(3)
        line.sendto(wire, ("127.0.0.1", front.port))
        response = line.recv(4096)
    assert response[3] & 15 == dns.rcode.NOTAUTH
    # At the end: MAC size, MAC, original ID, error, six octets of the server's time.
    assert struct.unpack("!H", response[-46:-44]) == (32,) and response[-10:-6] == bytes([0, 18, 0, 6])
    assert abs(int.from_bytes(response[-6:], "big") - real()) < 5
    with pytest.raises(dns.tsig.PeerBadTime):
        dns.message.from_wire(response, keyring=KEYS, request_mac=query.mac)
    metrics = front.metrics()
    for what in "badkey", "badsig", "badtime":
        assert metrics[f'kenter_tsig_total{{result="{what}"}}'] == 1


def test_tsig_truncated_answer(fronts):
    """An answer that does not fit is cut with its signature in place, and a forwarder's ID comes back."""
    front = fronts({"example.": simple(1, *[f"big TXT \"{i} {'x' * 200}\"" for i in range(12)])},
                   "--key", f"k.:hmac-sha256:{SECRET}")
    answer = front.ask("big.example.", "TXT", keys=KEYS)
    assert answer.flags & dns.flags.TC and answer.had_tsig
    query = dns.message.make_query("example.", "SOA")
    query.use_tsig(KEYS)
    wire = bytearray(query.to_wire())
    wire[0:2] = struct.pack("!H", query.id ^ 0x5555)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(3)
        line.sendto(wire, ("127.0.0.1", front.port))
        response = line.recv(4096)
    assert response[0:2] == wire[0:2]
    answer = dns.message.from_wire(response, keyring=KEYS, request_mac=query.mac)
    assert answer.had_tsig and answer.rcode() == 0


# ---- IXFR ----

def random_versions(count, seed):
    rng = random.Random(seed)
    names = {f"n{i}": {f"A 192.0.2.{i % 200}"} for i in range(60)}
    versions = []
    for serial in range(1, count + 1):
        for _ in range(rng.randrange(1, 6)):
            name = f"n{rng.randrange(70)}"
            kind = rng.choice(["A 192.0.2.%d" % rng.randrange(5), "TXT \"t%d\"" % rng.randrange(3),
                               "MX %d mail" % rng.randrange(3)])
            names.setdefault(name, set()).symmetric_difference_update({kind})
        ttl = {name: 300 + (hash_of(name, serial // 3) % 2) for name in names}
        versions.append(simple(serial, *[f"{name} {ttl[name]} {rr}" for name in sorted(names)
                                         for rr in sorted(names[name])]))
    return versions


def hash_of(name, number):
    return sum(map(ord, name)) * 31 + number


@pytest.mark.parametrize("keys", [None, KEYS])
def test_ixfr_from_every_serial(fronts, keys):
    versions = random_versions(14, 7)
    zones = [dns.zone.from_text(text, "example.", relativize=False) for text in versions]
    front = fronts({"example.": versions[0]}, "--key", f"k.:hmac-sha256:{SECRET}")
    for text in versions[1:]:
        rewrite(front, text)
    for zone in zones:
        # What is condensed is one difference: its first SOA, two in between, the last.
        query, _ = dns.xfr.make_query(zone, keyring=keys)
        front.ixfr(zone, keys)
        assert content(zone) == content(zones[-1])
    assert "13 steps in one from 1 was transferred" in front.log()
    assert "1 step from 13 was transferred" in front.log()
    metrics = front.metrics()
    assert metrics['kenter_transfers_total{kind="ixfr",result="up to date"}'] == 1
    assert metrics['kenter_transfers_total{kind="ixfr",result="done"}'] + \
        metrics['kenter_transfers_total{kind="ixfr",result="whole zone"}'] == 13


def dig_ixfr(front, serial, *options):
    return subprocess.run(["dig", "@127.0.0.1", "-p", str(front.port), "+nocookie", "example.", f"IXFR={serial}", *options],
                          capture_output=True, text=True, check=True).stdout


def test_condensed(fronts):
    """What came and went leaves no trace."""
    front = fronts({"example.": simple(1, "a A 192.0.2.1", "b A 192.0.2.1")})
    rewrite(front, simple(2, "a A 192.0.2.2", "b A 192.0.2.1"))
    rewrite(front, simple(3, "a A 192.0.2.1", "b A 192.0.2.1", "c A 192.0.2.7"))
    rewrite(front, simple(4, "a A 192.0.2.1", "b A 192.0.2.3"))
    lines = [re.sub(r"\s+", " ", line) for line in dig_ixfr(front, 1).splitlines() if line and line[0] != ";"]
    kept = [line for line in lines if "SOA" not in line]
    assert kept == ["b.example. 300 IN A 192.0.2.1", "b.example. 300 IN A 192.0.2.3"], lines
    assert [line.split()[6] for line in lines if "SOA" in line] == ["4", "1", "4", "4"]


def test_ixfr_falls_back(fronts):
    front = fronts({"example.": big(1, 100)}, "--history", "3000")
    zone = front.axfr("example.")
    rewrite(front, big(2, 100).replace("n5 A 192.0.2.5", "n5 A 192.0.2.6"))
    rewrite(front, big(3, 100).replace("x" * 60, "y" * 60))  # too large for the history
    front.ixfr(zone)
    assert content(zone) == content(front.axfr("example."))
    assert front.metrics()['kenter_transfers_total{kind="ixfr",result="whole zone"}'] == 1
    # A serial that never was, and one from the future.
    assert "XFR size: 204 records" in dig_ixfr(front, 0)
    assert "XFR size: 1 records" in dig_ixfr(front, 9)


def test_ixfr_over_udp(fronts):
    front = fronts({"example.": big(1, 100)})
    zone = front.axfr("example.")
    rewrite(front, big(2, 100).replace("n5 A 192.0.2.5", "n5 A 192.0.2.6"))
    front.ixfr(zone, udp=dns.query.UDPMode.ONLY)
    assert content(zone) == content(front.axfr("example."))
    # One that does not fit: the SOA alone, and by TCP the rest.
    rewrite(front, big(3, 100).replace("x" * 60, "y" * 60))
    answer = dig_ixfr(front, 2, "+notcp")
    assert answer.count("SOA") == 1, answer
    front.ixfr(zone, udp=dns.query.UDPMode.TRY_FIRST)
    assert content(zone) == content(front.axfr("example."))
    metrics = front.metrics()
    assert metrics['kenter_transfers_total{kind="ixfr",result="come by TCP"}'] == 2


def test_long_history(fronts):
    """Steps over several pieces of the image's history, and records that pieces cut."""
    def text(serial):
        return simple(serial, *[f"n{i} TXT \"{serial} {i}\"" + f" \"{'x' * 250}\"" * 4 for i in range(1000)],
                      *[f"k{i} A 192.0.2.1" for i in range(4500)])
    front = fronts({"example.": text(1)}, "--history", str(64 << 20))
    zone = front.axfr("example.")
    rewrite(front, text(2))
    front.ixfr(zone)
    rewrite(front, text(3))
    assert content(zone) == content(dns.zone.from_text(text(2), "example.", relativize=False))
    first = dns.zone.from_text(text(1), "example.", relativize=False)
    front.ixfr(first)
    assert content(first) == content(front.axfr("example."))
    assert "2 steps from 1 was" in front.log(), front.log()  # too long to be condensed


# ---- TLS ----

@pytest.fixture
def certificates(tmp_path):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    def make(name, ca=None):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        if ca is None:
            openssl("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "2", "-out", f"{name}.pem")
            return
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        (tmp_path / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    make("ca")
    make("ns.test", "ca")
    make("secondary.test", "ca")
    return tmp_path


def test_transfer_over_tls(fronts, certificates):
    address = own_address() or "127.0.0.1"
    place = certificates
    front = fronts({"example.": big(1, 500)}, "--allow", "identity=secondary.test", "--tls",
                   f"{place}/ns.test.pem,{place}/ns.test.key,{place}/ca.pem", "--tls-listen", f"{address}@0",
                   listen=(f"{address}@0",))
    tls = front.ports[1]

    def kdig(*options, port=tls):
        return subprocess.run(["kdig", f"@{address}", "-p", str(port), *options, "example.", "AXFR"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    certified = [f"+tls-ca={place}/ca.pem", "+tls-hostname=ns.test", f"+tls-certfile={place}/secondary.test.pem",
                 f"+tls-keyfile={place}/secondary.test.key"]
    answer = kdig("+tls", *certified)
    assert answer.count("\tTXT\t") == 500, answer[-500:] + front.log()
    if address != "127.0.0.1":
        assert "REFUSED" in kdig("+tls") and "REFUSED" in kdig("+tcp", port=front.port)


# ---- limits ----

def test_clients_that_never_read(fronts):
    """As many as one client may have at once, then SERVFAIL, while answers and other transfers go on; in the end all are
    cut off."""
    front = fronts({"example.": big(1, 60000)}, "--workers", "1")
    query = dns.message.make_query("example.", "AXFR").to_wire()
    lines, codes = [], []
    for _ in range(9):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", front.port))
        line.sendall(struct.pack("!H", len(query)) + query)
        lines.append(line)
        codes.append(line.recv(6)[5] & 15)
    assert codes == [0] * 8 + [2]
    assert front.ask("example.", "SOA").rcode() == 0
    assert front.metrics()["kenter_transfers"] == 8
    # Updates are published and served meanwhile.
    rewrite(front, big(2, 60000))
    assert front.ask("example.", "SOA").answer[0][0].serial == 2
    deadline = time.monotonic() + 25
    while front.metrics()["kenter_transfers"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert front.log().count("was not wholly transferred") == 8
    for line in lines:
        line.close()
    assert "XFR size: 120004 records" in subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(front.port), "example.", "AXFR"], capture_output=True, text=True).stdout


def test_transfer_while_publishing(fronts):
    """A transfer shows one version, whatever is published meanwhile."""
    front = fronts({"example.": big(1, 4000)})
    stop = threading.Event()

    def publish():
        serial = 2
        while not stop.is_set():
            rewrite(front, big(serial, 4000).replace("x" * 60, f"v{serial}"))
            serial += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for _ in range(3):
            zone = front.axfr("example.")
            serial = zone.find_rdataset("example.", "SOA")[0].serial
            texts = {rdata.to_text() for _, _, rdata in zone.iterate_rdatas("TXT")}
            assert texts == {f'"v{serial}"'} or (serial == 1 and texts == {'"' + "x" * 60 + '"'})
    finally:
        stop.set()
        thread.join()


# ---- NOTIFY and UPDATE ----

def update_query(keys=KEYS, name="example."):
    update = dns.update.Update(name, keyring=keys)
    update.add("new", 300, "A", "192.0.2.99")
    return update


def test_updates(fronts):
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}", "--update-key", "k.")
    for send in dns.query.udp, dns.query.tcp:
        answer = send(update_query(), "127.0.0.1", port=front.port, timeout=3)
        assert answer.rcode() == 0 and answer.had_tsig and answer.opcode() == dns.opcode.UPDATE
        assert front.wait("update").split()[1] == "k."
    # Without the key; of a zone that nobody has; with a key of such a zone control decides.
    assert dns.query.udp(update_query(None), "127.0.0.1", port=front.port, timeout=3).rcode() == dns.rcode.REFUSED
    assert dns.query.udp(update_query(None, "none."), "127.0.0.1", port=front.port, timeout=3).rcode() == dns.rcode.NOTAUTH
    assert dns.query.udp(update_query(name="none."), "127.0.0.1", port=front.port, timeout=3).rcode() == 0
    assert front.metrics()['kenter_updates_received_total{result="answered"}'] == 3


def test_updates_without_control(fronts):
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}", "--update-key", "k.")
    front.say("updates hold")
    front.metrics()  # so it has been heard
    result = {}

    def send(how):
        result[how] = how(update_query(), "127.0.0.1", port=front.port, timeout=15).rcode()

    def both(before):
        threads = [threading.Thread(target=send, args=(how,)) for how in (dns.query.udp, dns.query.tcp)]
        result.clear()
        began = time.monotonic()
        for thread in threads:
            thread.start()
        before()
        for thread in threads:
            thread.join()
        assert set(result.values()) == {dns.rcode.SERVFAIL} and len(result) == 2
        return time.monotonic() - began

    def leave():
        front.wait("update")
        front.wait("update")
        assert front.metrics()["kenter_updates_waiting"] == 2
        front.say("leave")

    assert 9 < both(lambda: None)  # control does not answer
    front.wait("update")
    front.wait("update")
    assert both(leave) < 8  # control is gone
    assert both(lambda: None) < 8  # and stays away
    front.say("updates answer")
    front.say("join")
    deadline = time.monotonic() + 5
    while dns.query.udp(update_query(), "127.0.0.1", port=front.port, timeout=3).rcode() != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    metrics = front.metrics()
    assert metrics["kenter_updates_waiting"] == 0
    assert metrics['kenter_updates_received_total{result="timed out"}'] == 2


def test_update_storm(fronts):
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}", "--update-key", "k.", "--workers", "1")
    front.say("updates hold")
    front.metrics()  # so it has been heard
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(3)
        wires = []
        for i in range(200):
            wires.append(update_query().to_wire())
            line.sendto(wires[-1], ("127.0.0.1", front.port))
            line.sendto(wires[-1], ("127.0.0.1", front.port))
            if i % 20 == 0:
                time.sleep(0.02)
        refused = sum(1 for _ in range(200) if line.recv(4096)[3] & 15 == 2)
        assert refused >= 136
    assert front.ask("example.", "SOA").rcode() == 0
    metrics = front.metrics()
    assert metrics["kenter_updates_waiting"] == 64
    assert metrics['kenter_updates_received_total{result="repeated"}'] >= 64


def test_notify(fronts):
    front = fronts({"example.": simple(1)}, "--key", f"k.:hmac-sha256:{SECRET}")
    for keys, shown in (None, "-"), (KEYS, "k."):
        for zone in "example.", "other.":
            query = dns.message.make_query(zone, "SOA")
            query.set_opcode(dns.opcode.NOTIFY)
            query.flags |= dns.flags.AA
            if keys:
                query.use_tsig(keys)
            answer = dns.query.udp(query, "127.0.0.1", port=front.port, timeout=3)
            assert answer.rcode() == 0 and answer.flags & dns.flags.AA and answer.had_tsig == bool(keys)
            assert front.wait("notify") == f"notify {shown} {zone}"


# ---- the process ----

def test_image_made_anew(fronts):
    front = fronts({"example.": big(1, 100)})
    assert front.ask("example.", "SOA").answer[0][0].serial == 1
    for _ in range(3):
        front.say("reopen")
        time.sleep(0.2)
        assert front.ask("example.", "SOA").answer[0][0].serial == 1
    rewrite(front, big(2, 100))
    assert front.ask("example.", "SOA").answer[0][0].serial == 2
    assert len(front.axfr("example.").nodes) == 102


def test_chaos_and_nsid(fronts):
    front = fronts({"example.": simple(1)})
    for name, text in ("version.bind.", "Kenter"), ("id.server.", "ns1.test"):
        query = dns.message.make_query(name, "TXT", rdclass="CH")
        answer = dns.query.udp(query, "127.0.0.1", port=front.port, timeout=3)
        assert answer.answer[0][0].strings[0].decode() == text
    query = dns.message.make_query("example.", "SOA", use_edns=0, options=[dns.edns.GenericOption(dns.edns.NSID, b"")])
    answer = dns.query.udp(query, "127.0.0.1", port=front.port, timeout=3)
    assert [option.to_wire() for option in answer.options if option.otype == dns.edns.NSID] == [b"ns1"]


def test_rate_limit_and_exemption(fronts):
    zones = {"example.": simple(1)}
    limited, exempt = fronts(zones, "--rate", "5"), fronts(zones, "--rate", "5", "--exempt", "127.0.0.0/8")

    def count(front, keys=None):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(0.3)
            for i in range(100):
                query = dns.message.make_query(f"n{i}.example.", "A", use_edns=0)
                line.sendto(query.to_wire(), ("127.0.0.1", front.port))
            full = 0
            try:
                while True:
                    full += not line.recv(4096)[2] & 2
            except TimeoutError:
                return full
    assert count(limited) <= 60
    assert count(exempt) == 100
    metrics = limited.metrics()
    assert metrics["kenter_net_rate_dropped_total"] > 0 and metrics["kenter_net_rate_slipped_total"] > 0


# ---- real secondaries ----

def wait_serial(port, serial, process, log):
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        assert process.poll() is None, log()
        try:
            answer = dns.query.udp(dns.message.make_query("example.", "SOA"), "127.0.0.1", port=port, timeout=1)
            if answer.answer and answer.answer[0][0].serial == serial:
                return
        except (dns.exception.DNSException, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError(log())


def run_secondary(front, place, command, port, versions):
    output = place / "secondary.log"
    with output.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=place)
    try:
        def read_log():
            return output.read_text() + front.log()
        wait_serial(port, 1, process, read_log)
        for serial, text in enumerate(versions[1:], 2):
            rewrite(front, text)
            notify = dns.message.make_query("example.", "SOA")
            notify.set_opcode(dns.opcode.NOTIFY)
            notify.flags |= dns.flags.AA
            notify.use_tsig(KEYS)
            dns.query.udp(notify, "127.0.0.1", port=port, timeout=5)
            wait_serial(port, serial, process, read_log)
        zone = dns.zone.Zone("example.", relativize=False)
        query, _ = dns.xfr.make_query(zone)
        dns.query.inbound_xfr("127.0.0.1", zone, query, port=port, timeout=5)
        assert content(zone) == content(dns.zone.from_text(versions[-1], "example.", relativize=False))
        assert re.search(r"step from \d+ was transferred", front.log()), front.log()
    finally:
        process.terminate()
        process.wait(10)


def test_secondary_bind(fronts, tmp_path):
    versions = random_versions(4, 3)
    front = fronts({"example.": versions[0]}, "--key", f"k.:hmac-sha256:{SECRET}")
    port = free_port()
    (tmp_path / "named.conf").write_text(f"""
key "k." {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{ directory "{tmp_path}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; recursion no; dnssec-validation no; allow-transfer {{ any; }}; }};
controls {{ }};
server 127.0.0.1 {{ keys "k."; }};
zone "example." {{ type secondary; primaries {{ 127.0.0.1 port {front.port} key "k."; }}; file "example.db";
  allow-notify {{ key "k."; }}; min-refresh-time 1; }};
""")
    run_secondary(front, tmp_path, ["named", "-g", "-c", str(tmp_path / "named.conf")], port, versions)


def test_secondary_knot(fronts, tmp_path):
    versions = random_versions(4, 4)
    front = fronts({"example.": versions[0]}, "--key", f"k.:hmac-sha256:{SECRET}")
    port = free_port()
    command = knot(tmp_path, f"127.0.0.1@{port}", f"""
key:
- id: k.
  algorithm: hmac-sha256
  secret: {SECRET}
remote:
- id: primary
  address: 127.0.0.1@{front.port}
  key: k.
acl:
- id: notify
  key: k.
  action: notify
- id: look
  address: 127.0.0.1
  action: transfer
zone:
- domain: example.
  master: primary
  storage: {tmp_path}
  acl: [notify, look]
""", log="debug")
    run_secondary(front, tmp_path, command, port, versions)


def test_secondary_nsd(fronts, tmp_path):
    versions = random_versions(4, 5)
    front = fronts({"example.": versions[0]}, "--key", f"k.:hmac-sha256:{SECRET}")
    port = free_port()
    command = nsd(tmp_path, f"127.0.0.1@{port}", f"""
key:
  name: k.
  algorithm: hmac-sha256
  secret: "{SECRET}"
zone:
  name: example.
  zonefile: example.nsd
  request-xfr: 127.0.0.1@{front.port} k.
  allow-notify: 127.0.0.1 k.
  provide-xfr: 127.0.0.1 NOKEY
""", "verbosity: 2")
    run_secondary(front, tmp_path, command, port, versions)
