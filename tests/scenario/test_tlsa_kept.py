"""kenterd keeps TLSA records of a server's certificates published: a real secondary that is late, caches, the switch,
and what goes wrong. The clock is moved on while kenterd is dead, so that nobody has to wait for TTLs."""
import os
import shutil
import signal
import struct

import dns.message
import dns.opcode
import dns.query
import dns.update
import pytest

from api_support import ask
from peers_support import HOST, KENTER, KENTERD, KEY, SECRET, Kenterd, Nsd, free_port, run, wait, watched

CLOCK = KENTERD.parent / "tests/tools/clockshift.so"
ZONE = "e.test"
OWNER = "_25._tcp.mx.e.test"
BEGIN = """$TTL 2
@ SOA ns1 hostmaster {serial} 7200 900 1209600 2
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
mx A 192.0.2.25
{more}"""
CACHES = 100  # more than TTL and margin
DAY = 86400


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


class Place:
    """kenterd with a zone and a service, and NSD, which fetches the zone only when the test says so."""

    def __init__(self, path, source="edits", service=None, **settings):
        self.path, self.shift, self.serial, self.source = path, path / "shift", 1, source
        self.kenterd, self.nsd = Kenterd(path), Nsd(path, "nsd")
        self.certificate, self.next = path / "tls/cert.pem", path / "tls/next.pem"
        self.certificate.parent.mkdir()
        self.file = self.kenterd.path / "zone"
        self.write()
        self.show("one")
        self.shift.write_bytes(struct.pack("q", 0))
        self.environment = {"LD_PRELOAD": str(CLOCK), "KENTER_CLOCK_SHIFT": str(self.shift),
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}
        zone = {"edits": True, "file": str(self.file)} if source == "edits" else {"file": str(self.file)}
        self.kenterd.settings |= {
            "zones": {ZONE: zone}, "defaults": {"transfer": [{"key": KEY}]},
            "tlsa": [{"host": f"mx.{ZONE}", "ports": 25, "certificate": str(self.certificate), "next": str(self.next),
                      "ttl": "2s", "keep": "1d", "servers": [f"{HOST}@{self.kenterd.port}", f"{HOST}@{self.nsd.port}"],
                      **(service or {})}], **settings}

    def start(self):
        self.kenterd.start(environment=self.environment, start_new_session=True)
        wait(lambda: self.kenterd.serial(ZONE), "the zone is published")
        return self

    def follow(self):
        """With a secondary."""
        self.start()
        wait(lambda: self.published(), "a record is published")
        with pytest.MonkeyPatch.context() as patch:  # TSIG wants one clock
            for name, value in self.environment.items():
                patch.setenv(name, value)
            self.nsd.start(f"""
zone:
    name: {ZONE}
    zonefile: {ZONE}.zone
    request-xfr: {HOST}@{self.kenterd.port} {KEY}
    allow-notify: {HOST} NOKEY
""")
        wait(lambda: self.nsd.serial(ZONE), "the secondary has the zone")
        wait(lambda: self.look()["step"] == "done", "all is well")
        return self

    def write(self, more=""):
        aside = self.file.with_suffix(".new")
        aside.write_text(BEGIN.format(serial=self.serial, more=more))
        aside.rename(self.file)
        self.serial += 1

    def make(self, name, days=9, ago=0):
        """A certificate with a key of its own."""
        shift = self.path / "openssl-shift"
        shift.write_bytes(struct.pack("q", -ago * DAY))
        run("env", f"LD_PRELOAD={CLOCK}", f"KENTER_CLOCK_SHIFT={shift}", "openssl", "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path / f"{name}.key",
            "-out", self.path / f"{name}.pem", "-subj", f"/CN=mx.{ZONE}", "-days", days)
        return self.path / f"{name}.pem"

    def show(self, name, file=None):
        """As a hook installs it: aside, then renamed."""
        file, made = file or self.certificate, self.path / f"{name}.pem"
        aside = file.with_suffix(".new")
        shutil.copy(made if made.exists() else self.make(name), aside)
        aside.rename(file)

    def record(self, name):
        made = run(KENTER, "tlsa", "make", "--cert", self.path / f"{name}.pem").stdout
        return " ".join(made.split()[-4:]).lower()

    def published(self, server=None):
        reply = (server or self.kenterd).ask(OWNER, "TLSA")
        return sorted(str(record) for rrset in reply.answer for record in rrset)

    def wait_published(self, *names):
        wanted = sorted(self.record(name) for name in names)
        wait(lambda: self.published() == wanted, lambda: f"{wanted}, not {self.published()}")

    def service(self):
        return ask(self.kenterd.socket, "GET", f"/v1/tlsa/mx.{ZONE}:25").json

    def look(self):
        reply = ask(self.kenterd.socket, "POST", f"/v1/tlsa/mx.{ZONE}:25/look")
        assert reply.status == 200, reply.data
        return reply.json

    def codes(self):
        return [finding["code"] for finding in self.service()["findings"]]

    def why(self):
        reply = ask(self.kenterd.socket, "GET", f"/v1/zones/{ZONE}/why").json
        return {finding["code"] for finding in reply["findings"]}

    def transfer(self):
        """The secondary is told, and has what kenterd has."""
        notify = dns.message.make_query(ZONE, "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        dns.query.udp(notify, HOST, port=self.nsd.port, timeout=5)
        wait(lambda: self.published(self.nsd) == self.published(), "the secondary follows")

    def die(self, seconds=0):
        """All of it is killed, and is started again so much later."""
        os.killpg(self.kenterd.process.pid, signal.SIGKILL)
        self.kenterd.process.wait()
        with open(self.shift, "r+b") as file:
            now, = struct.unpack("q", file.read())
            file.seek(0)
            file.write(struct.pack("q", now + seconds))
        return self.start()


@pytest.mark.parametrize("source", ["edits", "file"])
def test_life(tmp_path, source):
    place = Place(tmp_path, source).follow()
    assert place.published() == [place.record("one")]
    place.show("two", place.next)
    place.wait_published("one", "two")
    service = place.look()
    assert service["step"] == "servers" and not service["switch_safe"] and service["safe_at"] is None
    assert f"{HOST}@{place.nsd.port}" in service["reason"]
    assert [server["answered"] for server in service["servers"]] == [True] * 3
    assert sorted(len(server["records"]) for server in service["servers"]) == [1, 2, 2]
    place.die()
    assert place.look()["step"] == "servers"
    place.transfer()
    service = place.look()
    assert service["step"] == "caches" and service["safe_at"] and not service["switch_safe"]
    assert service["current"]["record"] == place.record("one")
    assert service["next"]["record"] == place.record("two")
    since = service["safe_at"]
    place.die()
    assert place.look()["safe_at"] == since, "it was not waited for twice"
    place.die(CACHES)
    service = place.look()
    assert service["step"] == "switch" and service["switch_safe"], service
    place.next.rename(place.certificate)
    wait(lambda: place.service()["step"] == "remove", "the switch is seen")
    service = place.look()
    assert service["old"] == [place.record("one")] and service["next"] is None
    assert not service["findings"] and not {code for code in place.why() if code.startswith("tlsa.")}
    place.wait_published("one", "two")
    place.die(CACHES)
    assert place.look()["step"] == "remove"
    assert len(place.published()) == 2
    place.die(DAY)
    place.look()
    place.wait_published("two")
    place.transfer()
    service = place.look()
    assert service["step"] == "done" and service["old"] == []


def test_too_early(tmp_path):
    place = Place(tmp_path).follow()
    place.die(CACHES)
    place.look()
    place.show("two")
    place.wait_published("one", "two")
    wait(lambda: "tlsa.unsafe-switch" in place.why(), "it stands against the zone")
    service = place.look()
    assert not service["switch_safe"] and service["safe_at"] is None and service["step"] == "servers"
    assert "may refuse the server until every name server has it" in service["reason"]
    zone = ask(place.kenterd.socket, "GET", f"/v1/zones/{ZONE}").json
    assert zone["state"] == "problem" and "may refuse the server" in zone["problem"]
    place.transfer()
    service = place.look()
    assert service["step"] == "caches" and service["safe_at"] in service["reason"]
    # The way back is open: its record is still there.
    place.show("one")
    wait(lambda: "tlsa.unsafe-switch" not in place.codes(), "the former certificate is known to all")
    place.show("two")
    wait(lambda: "tlsa.unsafe-switch" in place.codes(), "the new one is not")
    assert place.look()["step"] == "caches"
    place.die(CACHES)
    place.look()
    wait(lambda: not place.codes(), "the caches have forgotten")
    assert "tlsa.unsafe-switch" not in place.why()
    assert place.service()["step"] == "remove"


def test_next_that_is_shown_too_early(tmp_path):
    place = Place(tmp_path).follow()
    place.show("two", place.next)
    place.wait_published("one", "two")
    place.transfer()
    assert place.look()["step"] == "caches"
    until = place.service()["safe_at"]
    place.next.rename(place.certificate)
    wait(lambda: "tlsa.unsafe-switch" in place.codes(), "it is too early")
    assert place.look()["safe_at"] == until, "what was waited for counts"
    place.die(CACHES)
    place.look()
    wait(lambda: not place.codes(), "it is over")


def test_bad_files(tmp_path):
    place = Place(tmp_path).follow()
    place.make("expired", days=9, ago=30)
    for bad, says in (("garbage", "no certificate"), ("expired", "expired at"), ("missing", "cannot be read")):
        if bad == "garbage":
            place.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
        elif bad == "expired":
            place.show("expired")
        else:
            place.certificate.unlink()
        place.look()
        assert place.codes() == ["tlsa.certificate-unusable"], bad
        error = place.service()["current"]["error"]
        assert error and (bad == "garbage" or says in error), error
        assert place.published() == [place.record("one")]
    place.die()
    place.look()
    assert place.published() == [place.record("one")] and place.service()["step"] == "refused"
    place.show("one")
    wait(lambda: not place.codes(), "the file is good again")
    assert place.look()["step"] == "done"
    place.next.write_text("nonsense")
    place.look()
    assert place.codes() == ["tlsa.next-unusable"] and place.published() == [place.record("one")]
    place.show("expired", place.next)
    place.look()
    assert place.codes() == ["tlsa.next-unusable"] and place.published() == [place.record("one")]
    place.next.unlink()
    wait(lambda: not place.codes(), "a next one need not be there")


def test_edits_beside(tmp_path):
    """Others change the same name; what is kept stays, and the source stays the source's."""
    place = Place(tmp_path).start()
    place.wait_published("one")
    own = place.record("one")
    place.kenterd.kenter("delete", "-y", ZONE, "_25._tcp.mx", "TLSA", *own.split())
    assert place.published() == [own]
    other = f"3 1 1 {'ab' * 32}"
    place.kenterd.kenter("add", "-y", ZONE, "_25._tcp.mx", "2", "TLSA", *other.split())
    wait(lambda: place.published() == sorted([own, other]), "both")
    place.kenterd.kenter("reload", ZONE)
    wait(lambda: "tlsa.also-in-source" in place.why(), "the source has one, too")
    assert place.published() == sorted([own, other])
    place.die()
    assert place.published() == sorted([own, other])
    place.kenterd.kenter("delete", "-y", ZONE, "_25._tcp.mx")
    wait(lambda: place.published() == [own], "what is kept stays")
    place.kenterd.kenter("reload", ZONE)
    wait(lambda: "tlsa.also-in-source" not in place.why(), "the source has none")


def test_kept_and_in_the_source(tmp_path):
    """What is removed from the source leaves it, though nothing that is published changes."""
    place = Place(tmp_path)
    own = place.record("one")
    place.write(f"_25._tcp.mx TLSA {own}\n")
    place.start()
    wait(lambda: "tlsa.also-in-source" in place.why(), "the source has it, too")
    serial = place.kenterd.serial(ZONE)
    place.kenterd.kenter("delete", "-y", ZONE, "_25._tcp.mx", "TLSA", *own.split())
    assert place.kenterd.serial(ZONE) == serial and place.published() == [own]
    for again in (lambda: place.kenterd.kenter("reload", ZONE), place.die):
        again()
        wait(lambda: place.service()["servers"], "it was looked at")
        assert "tlsa.also-in-source" not in place.why() and place.published() == [own]


def test_no_place_for_them(tmp_path):
    place = Place(tmp_path, "file").start()
    place.wait_published("one")
    place.write("sub NS ns.sub\nsub NS ns2.sub\nns.sub A 192.0.2.3\nns2.sub A 192.0.2.4\n_25._tcp.mx CNAME tlsa\n"
                "tlsa TXT here\n")
    wait(lambda: "tlsa.alias" in place.why(), "an alias stands there")
    assert place.service()["step"] == "refused" and "alias" in place.service()["reason"]
    place.write("mx NS ns.mx\nmx NS ns2.mx\nns.mx A 192.0.2.3\nns2.mx A 192.0.2.4\n")
    wait(lambda: "tlsa.delegated" in place.why(), "it is delegated away")
    place.write("other A 192.0.2.9\n")
    place.wait_published("one")
    wait(lambda: not place.codes(), "all is well")


def test_no_zone(tmp_path):
    place = Place(tmp_path)
    place.kenterd.settings["tlsa"] += [
        {"host": "mx.none.test", "ports": 25, "certificate": str(place.certificate)},
        {"host": "mx.raw.test", "ports": 25, "certificate": str(place.certificate)}]
    raw = place.kenterd.zones / "raw.test.zone"
    raw.write_text(BEGIN.format(serial=1, more=""))
    place.kenterd.settings |= {"policies": {"raw": {"sign": False}},
                               "zone-directories": [{"path": str(place.kenterd.zones), "policy": "raw"}]}
    place.start()
    place.wait_published("one")

    def of(host):
        return ask(place.kenterd.socket, "GET", f"/v1/tlsa/{host}:25").json
    wait(lambda: [f["code"] for f in of("mx.none.test")["findings"]] == ["tlsa.no-zone"], "no zone")
    assert of("mx.none.test")["zone"] is None and of("mx.none.test")["step"] == "refused"
    wait(lambda: [f["code"] for f in of("mx.raw.test")["findings"]] == ["tlsa.not-signed"], "not signed")
    status = ask(place.kenterd.socket, "GET", "/v1/status").json
    assert "tlsa.no-zone" in [finding["code"] for finding in status["findings"]]


def test_taken_out_of_the_settings(tmp_path):
    place = Place(tmp_path).start()
    place.wait_published("one")
    services = place.kenterd.settings.pop("tlsa")
    place.kenterd.end()
    place.start()
    wait(lambda: not place.published(), "nothing is kept any more")
    place.kenterd.end()
    place.kenterd.settings["tlsa"] = services
    place.start()
    place.wait_published("one")


def test_of_a_primary(tmp_path):
    """Records join what a primary gives, and stay when it changes."""
    primary = Kenterd(tmp_path, "primary")
    begin = primary.path / "begin"
    begin.write_text(BEGIN.format(serial=1, more=""))
    primary.settings |= {"policies": {"raw": {"sign": False}},
                         "defaults": {"policy": "raw", "transfer": [{"key": KEY}]},
                         "zones": {ZONE: {"edits": True, "file": str(begin)}}}
    place = Place(tmp_path)
    primary.settings |= {"remotes": {"signer": {"addresses": f"{HOST}@{place.kenterd.port}", "key": KEY}}}
    primary.settings["defaults"]["notify"] = "signer"
    primary.start()
    wait(lambda: primary.serial(ZONE), "the primary has it")
    place.kenterd.settings |= {"remotes": {"primary": {"addresses": f"{HOST}@{primary.port}", "key": KEY}},
                               "zones": {ZONE: {"primaries": "primary"}}}
    place.start()
    place.wait_published("one")
    other = f"3 1 1 {'cd' * 32}"
    primary.kenter("add", "-y", ZONE, "_25._tcp.mx", "2", "TLSA", *other.split())
    wait(lambda: place.published() == sorted([place.record("one"), other]), "both")
    primary.kenter("add", "-y", ZONE, "_25._tcp.mx", "2", "TLSA", *place.record("one").split())
    primary.kenter("delete", "-y", ZONE, "_25._tcp.mx")
    wait(lambda: place.published() == [place.record("one")], "what is kept")
    place.show("two")
    place.wait_published("one", "two")
