"""kenterd serves what it signs: what dnspython, dig and delv get to see, while files change, break and go, and
after kill -9 and damage to the image."""
import concurrent.futures
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone
import pytest

from ports import free_port
from test_kenterd import ROOT, Daemon, write_zone

T = dns.rdatatype
N = dns.name.from_text

RICH = """$ORIGIN rich.example.
$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 60
@ NS ns1
@ NS ns2.other.example.
@ MX 10 mail
@ TXT "some text"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
www CNAME web
web A 192.0.2.3
away CNAME host.other.example.
*.wild A 192.0.2.4
*.wild TXT "made by a wildcard"
deep.empty.terminal A 192.0.2.5
sub NS ns.sub
sub NS ns2.other.example.
ns.sub A 192.0.2.6
safe NS ns1
safe DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
tree DNAME web
"""
NSEC3 = "denial:\n  type: nsec3\n"


class Server(Daemon):
    def __init__(self, place, *options, port=None):
        self.port = port or free_port()
        super().__init__(place, "--listen", f"127.0.0.1@{self.port}", "--export",
                         place / "data/signed", *options)
        self.wait_log(f"answering on 127.0.0.1@{self.port}")

    def ask(self, name, kind, tcp=True, **options):
        query = dns.message.make_query(name, kind, want_dnssec=True, payload=4096, **options)
        deadline = time.monotonic() + 5
        while True:
            try:
                send = dns.query.tcp if tcp else dns.query.udp
                return send(query, "127.0.0.1", port=self.port, timeout=5)
            except (ConnectionError, EOFError):
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)

    def serial(self, zone):
        response = self.ask(zone, "SOA")
        return response.answer[0][0].serial if response.answer else None

    def wait(self, good, seconds=10):
        deadline = time.monotonic() + seconds
        while not good():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


def validate(response, keys):
    """Every authoritative RRset of answer and authority has a signature that holds."""
    checked = 0
    for section in (response.answer, response.authority):
        for rrset in section:
            if rrset.rdtype == T.RRSIG:
                continue
            signatures = [s for s in section if s.rdtype == T.RRSIG and s.name == rrset.name
                          and s.covers == rrset.rdtype]
            if not signatures:
                # A delegation's NS, and a CNAME made from a DNAME, have none.
                assert rrset.rdtype == T.NS and not response.flags & dns.flags.AA or \
                    any(d.rdtype == T.DNAME for d in section), response
                continue
            dns.dnssec.validate(rrset, signatures[0], keys)
            checked += 1
    return checked


def keys_of(server, zone):
    response = server.ask(zone, "DNSKEY")
    keys = response.get_rrset(response.answer, N(zone), dns.rdataclass.IN, T.DNSKEY)
    found = {N(zone): keys}
    assert validate(response, found) == 1
    return found


def read_zone(path, origin):
    return dns.zone.from_file(str(path), origin=N(origin), relativize=False, check_origin=False)


def content(zone):
    return {(name, r.rdtype, r.covers, r.ttl, frozenset(r)) for name, node in zone.nodes.items()
            for r in node.rdatasets}


def transfer(server, zone):
    out = dns.zone.Zone(N(zone), relativize=False)
    query, _ = dns.xfr.make_query(out)
    query.question[0] = dns.rrset.RRset(N(zone), dns.rdataclass.IN, T.AXFR)
    query.authority = []
    dns.query.inbound_xfr("127.0.0.1", out, query=query, port=server.port)
    return out


@pytest.fixture
def place(tmp_path):
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones/rich.example.zone").write_text(RICH)
    write_zone(tmp_path, "a.example")
    return tmp_path


@pytest.fixture
def start(place):
    running = []

    def begin(*options, **more):
        running.append(Server(place, *options, **more))
        return running[-1]

    yield begin
    for server in running:
        if server.process.poll() is None:
            assert server.end() == 0


def delv(server, place, zone, name, kind):
    key = server.ask(zone, "DNSKEY").answer[0][0]
    anchor = place / "anchor"
    flags, proto, algorithm, data = str(key).split(" ", 3)
    anchor.write_text(f'trust-anchors {{ "{zone}" static-key {flags} {proto} {algorithm} '
                      f'"{data.replace(" ", "")}"; }};\n')
    run = subprocess.run(["delv", "@127.0.0.1", "-p", str(server.port), f"+root={zone}", "-a", anchor, "+nomtrace",
                          name, kind], capture_output=True, text=True, timeout=20)
    return run.stdout + run.stderr


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_answers_validate(place, start, denial):
    for path in sorted((ROOT / "examples/zones").glob("*.zone")):
        shutil.copy(path, place / "zones")
    (place / "policy.yaml").write_text(NSEC3 if denial == "nsec3" else "")
    server = start("--policy", place / "policy.yaml")
    zones = [p.name.removesuffix(".zone") for p in (place / "zones").glob("*.zone")]
    for zone in zones:
        server.wait_log(f"{zone}.: published serial")
        keys = keys_of(server, zone)
        signed = read_zone(server.wait_signed(zone), zone)
        cuts = [n for n, node in signed.nodes.items() if n != N(zone) and node.get_rdataset(1, T.NS)]
        for name, node in signed.nodes.items():
            if any(name.is_subdomain(cut) for cut in cuts) or node.get_rdataset(1, T.NSEC3):
                continue
            for rdataset in node.rdatasets:
                if rdataset.rdtype == T.RRSIG:
                    continue
                response = server.ask(name, rdataset.rdtype)
                assert response.rcode() == 0 and response.flags & dns.flags.AA
                found = response.get_rrset(response.answer, name, 1, rdataset.rdtype)
                assert found is not None and set(found) == set(rdataset), (name, rdataset)
                assert validate(response, keys) >= 1
            if not node.get_rdataset(1, T.CNAME):
                response = server.ask(name, "SPF")
                assert response.rcode() == 0 and validate(response, keys) >= 2
        response = server.ask(f"not.there.{zone}", "A")
        assert response.rcode() == dns.rcode.NXDOMAIN and validate(response, keys) >= 2
        for cut in cuts:
            if cut in map(N, zones):
                continue  # the child answers
            response = server.ask(N("host", cut), "A")
            assert response.rcode() == 0 and not response.flags & dns.flags.AA
            assert validate(response, keys) >= 1  # DS, or the proof that there is none


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_special_names_and_delv(place, start, denial):
    (place / "policy.yaml").write_text(NSEC3 if denial == "nsec3" else "")
    server = start("--policy", place / "policy.yaml")
    server.wait_log("rich.example.: published serial")
    keys = keys_of(server, "rich.example")
    for name, kind, rcode, answers in (
            ("x.wild", "A", 0, 1), ("x.y.wild", "TXT", 0, 1), ("x.wild", "MX", 0, 0),
            ("wild", "A", 0, 0), ("empty.terminal", "A", 0, 0), ("terminal", "NS", 0, 0),
            ("www", "A", 0, 2), ("away", "A", 0, 1), ("no", "A", 3, 0), ("x.terminal", "A", 3, 0),
            ("safe", "DS", 0, 1), ("sub", "DS", 0, 0), ("x.tree", "A", 3, 2)):
        response = server.ask(f"{name}.rich.example", kind)
        assert response.rcode() == rcode, response
        assert len([r for r in response.answer if r.rdtype != T.RRSIG]) == answers, response
        assert validate(response, keys) >= 1
    for name, kind, text in (("web", "A", "; fully validated"), ("x.wild", "A", "; fully validated"),
                             ("www", "A", "; fully validated"),
                             ("nothing", "A", "; negative response, fully validated"),
                             ("empty.terminal", "A", "; negative response, fully validated"),
                             ("x.wild", "MX", "; negative response, fully validated"),
                             ("web", "MX", "; negative response, fully validated")):
        assert text in delv(server, place, "rich.example", f"{name}.rich.example", kind), name
    assert server.ask("elsewhere.test", "A").rcode() == dns.rcode.REFUSED


def test_dig_over_udp_with_cookies(place, start):
    server = start()
    server.wait_log("rich.example.: published serial")

    def dig(*arguments):
        return subprocess.run(["dig", "@127.0.0.1", "-p", str(server.port), "+time=2", "+tries=1", *arguments],
                              capture_output=True, text=True, timeout=20).stdout

    text = dig("+dnssec", "+cookie", "rich.example", "SOA")
    assert "status: NOERROR" in text and "RRSIG" in text and "(good)" in text
    text = dig("+dnssec", "+ignore", "+bufsize=512", "rich.example", "DNSKEY")
    assert "status: NOERROR" in text
    assert "Transfer failed" not in dig("rich.example", "AXFR")
    assert "status: NOTIMP" in dig("+opcode=status", "rich.example", "SOA")
    assert "status: REFUSED" in dig("elsewhere.test", "A")


def test_edit_break_remove_and_return(place, start):
    server = start()
    server.wait_log("a.example.: published serial")
    assert server.ask("www.a.example", "A").answer[0][0].address == "192.0.2.80"
    old = server.serial("a.example")

    write_zone(place, "a.example", last=81, serial=old + 7)
    server.wait(lambda: server.serial("a.example") >= old + 7)
    response = server.ask("www.a.example", "A")
    assert response.answer[0][0].address == "192.0.2.81"
    assert validate(response, keys_of(server, "a.example")) == 1

    write_zone(place, "a.example", last=999, serial=old + 9)
    server.wait_log("source.last-good-kept")
    assert server.ask("www.a.example", "A").answer[0][0].address == "192.0.2.81"

    (place / "zones/a.example.zone").unlink()
    server.wait_log("a.example.: is not served any more")
    assert server.ask("www.a.example", "A").rcode() == dns.rcode.REFUSED

    for last in (90, 91, 92):
        write_zone(place, "a.example", last=last, serial=old + last)
        server.wait(lambda: server.ask("www.a.example", "A").rcode() == 0)
        server.wait(lambda: server.ask("www.a.example", "A").answer[0][0].address == f"192.0.2.{last}")
        (place / "zones/a.example.zone").unlink()
        time.sleep(0.05 * (last - 90))
    write_zone(place, "a.example", last=93, serial=old + 93)
    server.wait(lambda: (server.serial("a.example") or 0) >= old + 93)
    assert server.ask("web.rich.example", "A").rcode() == 0


def test_killed_it_serves_at_once_what_it_had(place, start):
    server = start()
    server.wait_log("a.example.: published serial")
    server.wait_log("rich.example.: published serial")
    serial = server.serial("a.example")
    server.end(signal.SIGKILL)
    # A file that takes long to be read must not delay the answers, nor one that is gone be served for long.
    (place / "zones/rich.example.zone").unlink()
    server.log.unlink()
    server = start()
    assert server.serial("a.example") == serial
    server.wait_log("rich.example.: is not served any more")
    assert server.ask("web.rich.example", "A").rcode() == dns.rcode.REFUSED
    assert (place / "data/removed/rich.example.zone").exists()


@pytest.mark.parametrize("damage", ["deleted", "head", "short", "empty"])
def test_image_is_made_again(place, start, damage):
    server = start()
    server.wait_log("a.example.: published serial")
    server.wait_log("rich.example.: published serial")
    signed = server.wait_signed("a.example").read_bytes()
    server.end()
    image = place / "data/image/data.mdb"
    if damage == "deleted":
        shutil.rmtree(image.parent)
    elif damage == "head":
        with open(image, "r+b") as file:
            file.write(b"\xa5" * 8192)
    elif damage == "short":
        os.truncate(image, image.stat().st_size // 2 // 4096 * 4096)
    else:
        os.truncate(image, 0)
    # One zone's source is broken by now: its published version is served all the same.
    write_zone(place, "a.example", last=999, serial=50)
    server.log.unlink()
    server = start()
    if damage in ("head", "short"):
        server.wait_log("is made again")
    for zone in ("a.example", "rich.example"):
        server.wait(lambda: server.ask(zone, "SOA").rcode() == 0)
        assert validate(server.ask(zone, "SOA"), keys_of(server, zone)) == 1
    assert server.signed("a.example").read_bytes() == signed


def test_what_did_not_pass_the_gate_is_not_served(place, start):
    """The signed file was tampered with while nobody looked, the source is broken and the image gone."""
    server = start()
    server.wait_signed("a.example")
    server.end()
    path = server.signed("a.example")
    path.write_text(path.read_text().replace("192.0.2.80", "192.0.2.66"))
    shutil.rmtree(place / "data/image")
    write_zone(place, "a.example", last=999, serial=50)
    server.log.unlink()
    server = start()
    server.wait_log("a.example.: nothing new")
    assert "gate.refused" in server.log.read_text()
    assert server.ask("www.a.example", "A").rcode() == dns.rcode.REFUSED
    write_zone(place, "a.example", last=67, serial=60)
    server.wait(lambda: server.ask("www.a.example", "A").rcode() == 0)
    assert validate(server.ask("www.a.example", "A"), keys_of(server, "a.example")) == 1


def test_transfer_is_the_signed_file(place, start):
    more = "".join(f"h{i} A 192.0.2.{i % 250}\nh{i} TXT \"{'x' * 200}\"\n" for i in range(2000))
    (place / "zones/rich.example.zone").write_text(RICH + more)
    server = start()
    server.wait_log("rich.example.: published serial")
    zone = transfer(server, "rich.example")
    assert content(zone) == content(read_zone(server.wait_signed("rich.example"), "rich.example"))
    server.wait_log("was transferred to 127.0.0.1")
    # The case of the question is not that of the owners.
    query = dns.message.make_query("RICH.eXample", "AXFR")
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(struct.pack("!H", len(query.to_wire())) + query.to_wire())
        first = dns.message.from_wire(receive(line), one_rr_per_rrset=True)
        assert first.answer[0].name.to_text() == "rich.example." and len(first.answer) > 50
        # The client goes away in the middle: nobody minds.
    serial = server.serial("rich.example")
    for have, single in ((serial, True), (serial + 1, True), (serial - 1, False)):
        query = dns.message.make_query("rich.example", "IXFR")
        query.authority.append(dns.rrset.from_text("rich.example.", 0, "IN", "SOA", f". . {have} 0 0 0 0"))
        response = exchange(server, query)
        assert response.answer[0].rdtype == T.SOA and (len(response.answer) == 1) == single
        response = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        assert len(response.answer) == 1 and response.answer[0][0].serial == serial
    query = dns.message.make_query("nowhere.example", "AXFR")
    assert exchange(server, query).rcode() == dns.rcode.NOTAUTH


def receive(line):
    def take(count):
        data = b""
        while len(data) < count:
            more = line.recv(count - len(data))
            assert more, "the connection was closed"
            data += more
        return data
    return take(struct.unpack("!H", take(2))[0])


def exchange(server, query):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        wire = query.to_wire()
        line.sendall(struct.pack("!H", len(wire)) + wire)
        return dns.message.from_wire(receive(line), one_rr_per_rrset=True)


def test_many_queries_in_one_connection(place, start):
    server = start()
    server.wait_log("rich.example.: published serial")
    queries = {}
    for number in range(300):
        query = dns.message.make_query(f"n{number}.wild.rich.example", "A", want_dnssec=True)
        query.id = number
        queries[number] = query
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in queries.values()))
        for _ in range(300):
            response = dns.message.from_wire(receive(line))
            assert queries.pop(response.id).is_response(response) and response.rcode() == 0
    assert not queries


def test_answers_are_of_one_version_while_edits_go_on(place, start):
    server = start()
    server.wait_log("a.example.: published serial")

    def watch(_):
        seen, until = 0, time.monotonic() + 4
        while time.monotonic() < until:
            zone = transfer(server, "a.example")
            apex = zone.nodes[N("a.example")]
            last = int(str(zone.nodes[N("www.a.example")].get_rdataset(1, T.A)[0]).rsplit(".", 1)[1])
            assert apex.get_rdataset(1, T.SOA)[0].serial >= seen
            seen = apex.get_rdataset(1, T.SOA)[0].serial
            keys = {N("a.example"): dns.rrset.from_rdata_list(N("a.example"), 1, apex.get_rdataset(1, T.DNSKEY))}
            www = zone.nodes[N("www.a.example")]
            dns.dnssec.validate((N("www.a.example"), www.get_rdataset(1, T.A)),
                                (N("www.a.example"), www.get_rdataset(1, T.RRSIG, T.A)), keys)
        return last

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        watching = [pool.submit(watch, i) for i in range(2)]
        for number in range(8):
            write_zone(place, "a.example", last=100 + number, serial=100 + number)
            time.sleep(0.3)
        assert [one.result() for one in watching] == [107, 107]


def test_a_flood_of_names_that_do_not_exist_is_limited(place, start):
    server = start()
    server.wait_log("a.example.: published serial")
    answered = truncated = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", server.port))
        line.settimeout(0.05)
        for number in range(1000):
            line.send(dns.message.make_query(f"r{number}.a.example", "A", want_dnssec=True).to_wire())
            try:
                response = dns.message.from_wire(line.recv(65535))
            except TimeoutError:
                continue
            answered += not response.flags & dns.flags.TC
            truncated += bool(response.flags & dns.flags.TC)
            if number > 400 and truncated:
                break
    assert truncated > 0 and answered < 400


@pytest.mark.parametrize("options,text", [
    (["--listen", "nonsense"], "--listen needs an address"),
    (["--listen", "127.0.0.1", "--once"], "--once ends"),
    (["--allow-transfer", "127.0.0.1"], "needs --listen"),
    (["--listen", "127.0.0.1", "--allow-transfer", "127.0.0.1/33"], "--allow-transfer needs a network")])
def test_wrong_usage(place, options, text):
    daemon = Daemon(place, *options)
    assert daemon.process.wait(10) == 2 and text in daemon.log.read_text()


def test_an_address_that_is_taken_is_said(place):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        daemon = Daemon(place, "--listen", f"127.0.0.1@{one.getsockname()[1]}")
        assert daemon.process.wait(10) == 3
        assert "cannot listen on 127.0.0.1@" in daemon.log.read_text()
