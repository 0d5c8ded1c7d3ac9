"""kenterd asks its own sockets after each publication, as a resolver would: what it finds when somebody else answers
there, when nobody does, and when all is well."""
import socket
import threading

import dns.message
import dns.rdatatype
import pytest

from api_support import ask
from peers_support import HOST, Kenterd, wait, watched

ZONE = """$TTL 600
@ SOA ns1 hostmaster {serial} 7200 900 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.{last}
"""


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


class Impostor:
    """Takes the datagrams to the loopback address of a kenterd that listens on all: the closer address wins."""

    def __init__(self, port, answers):
        self.answers, self.over = answers, False  # {type: wire}
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind((HOST, port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        self.socket.settimeout(0.1)
        while not self.over:
            try:
                wire, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self.answers.get(dns.message.from_wire(wire).question[0].rdtype)
            if answer is not None:
                self.socket.sendto(wire[:2] + answer[2:], peer)
        self.socket.close()

    def end(self):
        self.over = True
        self.thread.join()


def metric(kenterd, name):
    return int(kenterd.metrics()[name])


def codes(kenterd):
    reply = ask(kenterd.socket, "GET", "/v1/zones/a.test./why")
    return [finding["code"] for finding in reply.json["findings"]]


def write(kenterd, serial, name="a.test"):
    aside = kenterd.zones / f".{name}"
    aside.write_text(ZONE.format(serial=serial, last=serial % 250))
    aside.rename(kenterd.zones / f"{name}.zone")


def started(path, count=1):
    kenterd = Kenterd(path)
    kenterd.settings |= {"zone-directories": [str(kenterd.zones)], "listen": [f"0.0.0.0@{kenterd.port}"]}
    for number in range(count):
        write(kenterd, 1, "a.test" if number == 0 else f"z{number}.test")
    kenterd.start()
    wait(lambda: kenterd.serial("a.test"), "a.test is published")
    return kenterd


def recorded(kenterd, dnssec=True):
    result = {}
    for rdtype in (dns.rdatatype.SOA, dns.rdatatype.DNSKEY):
        reply = kenterd.ask("a.test", rdtype, want_dnssec=dnssec)
        result[rdtype] = reply.to_wire()
    return result


def test_good_silent_old_and_wrong(tmp_path):
    kenterd = started(tmp_path)
    wait(lambda: metric(kenterd, "kenter_outside_total") >= 1, "it was asked from outside")
    assert metric(kenterd, "kenter_outside_failed_total") == 0
    assert not [code for code in codes(kenterd) if code.startswith("outside.")]
    old, stripped = recorded(kenterd), recorded(kenterd, dnssec=False)
    serial = kenterd.serial("a.test")

    impostor = Impostor(kenterd.port, old)
    write(kenterd, 7)
    wait(lambda: "outside.old-version" in codes(kenterd), "the old version is seen")
    text = kenterd.kenter("why", "a.test", code=None)
    assert f"answers with serial {serial}" in text and "problem" in text
    assert metric(kenterd, "kenter_outside_failed_total") == 1

    impostor.answers = stripped
    write(kenterd, 8)
    wait(lambda: "outside.not-valid" in codes(kenterd), "the stripped answer is seen")
    impostor.answers = {}
    write(kenterd, 9)
    wait(lambda: "outside.no-answer" in codes(kenterd), "silence is seen")
    # Nothing of it holds up publications.
    assert "192.0.2.9" in kenterd.kenter("get", "a.test", "www", "A")
    impostor.end()
    write(kenterd, 10)
    wait(lambda: not [code for code in codes(kenterd) if code.startswith("outside.")], "all is well again")
    assert kenterd.kenter("log", "a.test").count("outside.") >= 3


def test_many_zones_are_sampled(tmp_path):
    """Of publications that come all at once some are asked for; each is counted as one or the other."""
    kenterd = started(tmp_path, 900)
    wait(lambda: metric(kenterd, "kenter_published_total") >= 900, "all are published", 60)
    def counted():
        return metric(kenterd, "kenter_outside_total"), metric(kenterd, "kenter_outside_skipped_total")
    wait(lambda: sum(counted()) >= 900, lambda: f"all are counted: {counted()}", 60)
    asked, skipped = counted()
    assert asked >= 256 and asked + skipped == 900
    assert metric(kenterd, "kenter_outside_failed_total") == 0
