"""For the tests of faults: a kenterd with its processes, and a checker outside that asks all the time and verifies
every answer by dnspython's cryptography, with proofs of denial judged here by RFC 4035 and RFC 5155."""
import base64
import collections
import json
import multiprocessing
import os
import random
import signal
import socket
import struct
import subprocess
import time
import traceback
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone

from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
KENTER = Path(os.environ.get("KENTER", ROOT / "build" / "kenter"))
KENTERD = KENTER.parent / "kenterd"
T = dns.rdatatype
N = dns.name.from_text
SECRET = base64.b64encode(b"for tests of faults, and no more").decode()
KEYRING = dns.tsigkeyring.from_text({"test.key.": SECRET})
ROLES = ("keys", "control", "serve")

ZONE = """$TTL 600
@ SOA ns1 hostmaster {serial} 7200 900 1209600 600
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
value TXT "{value}"
*.wild A 192.0.2.4
deep.empty.terminal A 192.0.2.5
"""
POLICIES = "policies:\n  nsec3: {denial: {type: nsec3}}\n"


def wait_for(good, seconds=20, what="what was waited for", step=0.02):
    deadline = time.monotonic() + seconds
    while True:
        result = good()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what() if callable(what) else what} did not come in {seconds} s"
        time.sleep(step)


def replace(path, text):
    """As an editor saves: aside, then renamed."""
    aside = path.parent / f".{path.name}.new"
    aside.write_text(text)
    aside.rename(path)


class Site:
    """A directory with settings, zone files and data, and the kenterd that keeps it."""

    def __init__(self, path, zones=("file.example",), edits=("edits.example",), settings="", environment=None,
                 more=""):
        self.path, self.zones, self.data = path, path / "zones", path / "data"
        self.port, self.log, self.process = free_port(), path / "log", None
        self.environment = {**os.environ, **(environment or {})}
        self.zones.mkdir(exist_ok=True)
        for name in zones:
            self.write(name)
        text = (f"data: {self.data}\nlisten: 127.0.0.1@{self.port}\nrate-limit: {{enabled: false}}\n"
                f"keys:\n  test.key: {{secret: \"{SECRET}\"}}\n{POLICIES}zone-directories: {self.zones}\n{settings}")
        if edits or more:
            text += "zones:\n" + more
        for name in edits:
            (path / f"{name}.start").write_text(ZONE.format(serial=1, value="first"))
            policy = "nsec3" if "3" in name else "default"
            text += (f"  {name}: {{edits: true, file: {path}/{name}.start, policy: {policy}, "
                     "update: [{key: test.key}]}\n")
        self.config = path / "kenter.yaml"
        self.config.write_text(text)
        self.config.chmod(0o600)

    def write(self, name, value="first", serial=1, more=""):
        replace(self.zones / f"{name}.zone", ZONE.format(serial=serial, value=value) + more)

    # --- processes ---

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([KENTERD, "--config", self.config], stdout=log, stderr=log,
                                            env=self.environment)
        if wait:
            wait_for(lambda: self.alive() and len(self.children()) == 3 and self.answers(), 20,
                     "an answer of kenterd")
        return self

    def alive(self):
        assert self.process.poll() is None, f"kenterd ended with {self.process.returncode}\n{self.log_end()}"
        return True

    def answers(self):
        try:
            dns.query.udp(dns.message.make_query("version.server", "TXT", "CH"), "127.0.0.1", 0.3, self.port)
            return True
        except (OSError, dns.exception.Timeout):
            return False

    def children(self):
        """Process ids by role."""
        found = {}
        try:
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except OSError:
            return found
        for pid in map(int, text.split()):
            try:
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if b"--role" in arguments and state != "Z":
                found[arguments[arguments.index(b"--role") + 1].decode()] = pid
        return found

    def resident(self, *roles):
        """Octets of memory that are their own: of these processes, of all when none is named."""
        total, children = 0, self.children()
        for pid in [children.get(role) for role in roles] or [self.process.pid, *children.values()]:
            try:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("RssAnon:"):
                        total += int(line.split()[1]) * 1024
            except OSError:
                pass
        return total

    def kill(self, role):
        """True: it was there."""
        if role == "supervisor":
            children = list(self.children().values())
            self.process.kill()
            self.process.wait()
            for pid in children:  # the kernel takes them along
                wait_for(lambda p=pid: not Path(f"/proc/{p}").exists() or " Z " in
                         Path(f"/proc/{p}/stat").read_text(), 10, "the end of a child")
            return True
        pid = self.children().get(role)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def stop(self, expect=0):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            code = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kenterd did not end\n{self.log_end()}") from None
        assert code == expect, f"kenterd ended with {code}\n{self.log_end()}"

    def log_end(self, lines=150):
        """Each process's lines: they share one log, and name themselves."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(text[-lines:])

    def wait_log(self, text, seconds=20):
        wait_for(lambda: text in self.log.read_text(errors="replace"), seconds, f"{text!r} in the log")

    def kenter(self, *arguments, check=True):
        run = subprocess.run([KENTER, *arguments, "--socket", self.data / "kenter.sock"], capture_output=True,
                             text=True, timeout=30)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    # --- questions ---

    def ask(self, name, kind, tcp=False, timeout=3):
        query = dns.message.make_query(name, kind, want_dnssec=True, payload=4096)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, "127.0.0.1", timeout, self.port)

    def try_ask(self, name, kind, tcp=True, timeout=1):
        try:
            return self.ask(name, kind, tcp, timeout)
        except (OSError, EOFError, dns.exception.DNSException):
            return None

    def serial(self, zone):
        response = self.try_ask(zone, "SOA")
        return response.answer[0][0].serial if response and response.answer else None

    def text(self, name):
        """The TXT of a name that is served, [] when there is none, None when there was no answer."""
        response = self.try_ask(name, "TXT")
        if response is None or response.rcode() not in (0, 3):
            return None
        found = response.get_rrset(response.answer, N(name), 1, T.TXT)
        return sorted(b"".join(r.strings).decode() for r in found) if found else []

    def update(self, zone):
        return dns.update.UpdateMessage(zone, keyring=KEYRING, keyalgorithm="hmac-sha256")

    def send(self, update, tcp=True, timeout=12):
        send = dns.query.tcp if tcp else dns.query.udp
        return send(update, "127.0.0.1", timeout, self.port).rcode()

    def transfer(self, zone):
        out = dns.zone.Zone(N(zone), relativize=False)
        query = dns.message.make_query(zone, "AXFR")
        dns.query.inbound_xfr("127.0.0.1", out, query=query, port=self.port, timeout=20)
        return out

    def save(self, zone, path):
        """As it is transferred; by dig, since dnspython takes longer over a large zone than the server waits for it."""
        with open(path, "w") as file:
            subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), "+noall", "+answer", "+onesoa", zone, "AXFR"],
                           stdout=file, check=True, timeout=60)

    def verify(self, zone):
        """All of a zone as it is transferred, by dnssec-verify and by kenter."""
        path = self.path / f"verify-{zone}"
        self.save(zone, path)
        ours = subprocess.run([KENTER, "verify", "--origin", zone, path], capture_output=True, text=True)
        assert ours.returncode == 0, ours.stdout + ours.stderr
        bind = subprocess.run(["dnssec-verify", "-q", "-z", "-o", zone, path], capture_output=True, text=True)
        assert bind.returncode == 0, bind.stdout + bind.stderr


# --- what an answer must be ---

class Bogus(Exception):
    pass


class Judge:
    """Verifies responses of one zone, whose keys are known. Signatures are verified once each."""

    def __init__(self, zone, keys):
        self.zone, self.keys, self.good = N(zone), {N(zone): keys}, set()
        self.verified = 0

    def check_rrset(self, rrset, signatures):
        if not signatures:
            raise Bogus(f"no signature: {rrset}")
        labels = None
        for signature in signatures:
            digest = (rrset.name, rrset.rdtype, frozenset(r.to_wire() for r in rrset), signature.to_wire())
            if digest not in self.good:
                try:
                    dns.dnssec.validate_rrsig(rrset, signature, self.keys)
                except dns.exception.DNSException as error:
                    raise Bogus(f"{error!r}: {rrset} {signature}") from error
                if len(self.good) > 100000:
                    self.good.clear()
                self.good.add(digest)
                self.verified += 1
            now = time.time()
            if not signature.inception <= now <= signature.expiration or rrset.ttl > signature.original_ttl:
                raise Bogus(f"out of time: {rrset} {signature}")
            labels = signature.labels
        return labels

    def check(self, response, name, kind):
        """The kind of answer: positive, wildcard, nodata, nxdomain. Raises Bogus."""
        name, kind = N(name), T.from_text(kind) if isinstance(kind, str) else kind
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise Bogus(f"code {dns.rcode.to_text(response.rcode())}")
        if not response.flags & dns.flags.AA:
            raise Bogus("not authoritative")
        labels, self.soa, denials = {}, None, []
        for section in (response.answer, response.authority):
            signatures = collections.defaultdict(list)
            for rrset in section:
                if rrset.rdtype == T.RRSIG:
                    signatures[rrset.name, rrset.covers].extend(rrset)
            for rrset in section:
                if rrset.rdtype == T.RRSIG:
                    continue
                labels[rrset.name, rrset.rdtype] = self.check_rrset(rrset, signatures[rrset.name, rrset.rdtype])
                if rrset.rdtype == T.SOA:
                    self.soa = rrset[0].serial
                elif rrset.rdtype in (T.NSEC, T.NSEC3) and section is response.authority:
                    denials.append(rrset)
        denial = Nsec3Denial(self.zone, denials) if any(d.rdtype == T.NSEC3 for d in denials) else \
            NsecDenial(self.zone, denials)
        if response.rcode() == dns.rcode.NXDOMAIN:
            if self.soa is None or not denial.no_name(name):
                raise Bogus("NXDOMAIN is not proved")
            return "nxdomain"
        if (name, kind) in labels:
            if labels[name, kind] == len(name) - 1:
                return "positive"
            if not denial.no_exact(name, labels[name, kind]):
                raise Bogus("the wildcard is not proved to be the answer")
            return "wildcard"
        if self.soa is None or not denial.no_data(name, kind):
            raise Bogus("NODATA is not proved")
        return "nodata"


def has_type(bitmap, kind):
    window, bit = kind >> 8, kind & 255
    return any(w == window and bit // 8 < len(bits) and bits[bit // 8] & 0x80 >> bit % 8 for w, bits in bitmap)


class NsecDenial:
    def __init__(self, zone, rrsets):
        self.zone, self.records = zone, {r.name: r[0] for r in rrsets}

    def covering(self, name):
        for owner, record in self.records.items():
            if owner < name and (name < record.next or record.next == self.zone) and not record.next.is_subdomain(name):
                return owner, record
        return None

    def encloser(self, name):
        found = self.covering(name)
        if found is None:
            return None
        return max((name.fullcompare(n)[2] for n in (found[0], found[1].next)), default=None)

    def no_name(self, name):
        common = self.encloser(name)
        if common is None:
            return False
        return self.covering(dns.name.Name((b"*",) + name.split(common)[1].labels)) is not None

    def no_exact(self, name, labels):
        return self.encloser(name) == labels + 1

    def no_data(self, name, kind):
        record = self.records.get(name)
        if record is None:
            for owner, one in self.records.items():  # an empty non-terminal
                if owner < name and one.next.is_subdomain(name) and one.next != name:
                    return True
            common = self.encloser(name)
            record = self.records.get(dns.name.Name((b"*",) + name.split(common)[1].labels)) if common else None
        return record is not None and not has_type(record.windows, kind) and not has_type(record.windows, T.CNAME)


class Nsec3Denial:
    def __init__(self, zone, rrsets):
        self.zone = zone
        self.records = {r.name.labels[0].decode().upper(): r[0] for r in rrsets}
        self.hashes = {}

    def hash(self, name):
        if name not in self.hashes:
            one = next(iter(self.records.values()))
            self.hashes[name] = dns.dnssec.nsec3_hash(name, one.salt, one.iterations, one.algorithm)
        return self.hashes[name]

    def covers(self, name):
        wanted = self.hash(name)
        for owner, record in self.records.items():
            following = base64.b32hexencode(record.next).decode().rstrip("=")
            if owner < wanted < following or (following <= owner and (wanted > owner or wanted < following)):
                return True
        return False

    def encloser(self, name):
        """The closest encloser, proved: it matches, and the next closer name is covered."""
        following, one = name, name.parent()
        while one.is_subdomain(self.zone):
            if self.hash(one) in self.records:
                return one if self.covers(following) else None
            following, one = one, one.parent()
        return None

    def no_name(self, name):
        encloser = self.encloser(name)
        return encloser is not None and self.covers(N("*", encloser))

    def no_exact(self, name, labels):
        return self.covers(name.split(labels + 2)[1])

    def no_data(self, name, kind):
        record = self.records.get(self.hash(name)) if self.records else None
        if record is None and self.records:
            encloser = self.encloser(name)
            record = self.records.get(self.hash(N("*", encloser))) if encloser else None
        return record is not None and not has_type(record.windows, kind) and not has_type(record.windows, T.CNAME)


# --- the checker ---

def anchor(site, zone):
    """The zone's keys, as who trusts the first sight has them."""
    response = wait_for(lambda: (lambda r: r if r and r.answer else None)(site.try_ask(zone, "DNSKEY")), 20,
                        f"DNSKEY of {zone}")
    keys = response.get_rrset(response.answer, N(zone), 1, T.DNSKEY)
    Judge(zone, keys).check(response, zone, "DNSKEY")
    return keys


class Checker:
    """A process that asks all the time. What it found is in a file: a line of JSON for each bad answer and each
    question that had none."""

    def __init__(self, site, zones, names=(), seed=1, timeout=0.4):
        self.site, self.names, self.timeout, self.seed = site, list(names), timeout, seed
        self.judges = {zone: Judge(zone, anchor(site, zone)) for zone in zones}
        self.report = site.path / f"checker-{seed}"
        context = multiprocessing.get_context("fork")
        self.ending = context.Event()
        self.process = context.Process(target=self.run, daemon=True)

    def start(self):
        self.process.start()
        return self

    def stop(self):
        """What was found: {asked, verified, bad: [...], silent: [[from, to, what], ...]}."""
        self.ending.set()
        self.process.join(20)
        assert self.process.exitcode == 0, f"the checker ended with {self.process.exitcode}\n" + \
            (self.report.read_text() if self.report.exists() else "")
        return json.loads(self.report.read_text())

    def question(self, zone, number):
        fresh = f"q{number}"
        expected = [("www", "A", "positive"), ("", "SOA", "positive"), ("", "DNSKEY", "positive"),
                    (fresh, "A", "nxdomain"), (f"{fresh}.www", "A", "nxdomain"), ("www", "MX", "nodata"),
                    ("empty.terminal", "A", "nodata"), ("terminal", "TXT", "nodata"), (f"{fresh}.wild", "A", "wildcard"),
                    (f"{fresh}.a.wild", "A", "wildcard"), (f"{fresh}.wild", "MX", "nodata"), ("value", "TXT", None),
                    ("", "NS", "positive"), ("", "MX", "nodata"), (f"{fresh}.terminal", "A", "nxdomain")]
        expected += [(name, "TXT", None) for name in self.names]
        label, kind, what = random.choice(expected)
        return f"{label}.{zone}." if label else f"{zone}.", kind, what

    def run(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        random.seed(self.seed)
        found = {"asked": 0, "verified": 0, "bad": [], "silent": [], "slowest": 0.0, "kinds": collections.Counter()}
        serials, number, code = {}, 0, 0
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        line.connect(("127.0.0.1", self.site.port))
        line.settimeout(self.timeout)
        try:
            while not self.ending.is_set():
                number += 1
                zone = random.choice(list(self.judges))
                name, kind, what = self.question(zone, number)
                query = dns.message.make_query(name, kind, want_dnssec=True, payload=1232)
                tcp = number % 4 == 0
                begun = time.time()
                try:
                    response = self.exchange(line, query, tcp)
                except (OSError, EOFError) as error:
                    found["silent"].append([begun, time.time(), f"{'TCP' if tcp else 'UDP'} {error!r}"])
                    time.sleep(0.01)
                    continue
                found["slowest"] = max(found["slowest"], time.time() - begun)
                found["asked"] += 1
                judge = self.judges[zone]
                try:
                    got = judge.check(response, name, kind)
                    found["kinds"][got] += 1
                    if what is not None and got != what:
                        raise Bogus(f"{got} where {what} is right")
                    if judge.soa is not None:
                        if judge.soa < serials.get(zone, 0):
                            raise Bogus(f"serial {judge.soa} after {serials[zone]}")
                        serials[zone] = judge.soa
                except Bogus as error:
                    found["bad"].append([begun, f"{name} {kind}: {error}\n{response}"])
                    if len(found["bad"]) > 20:
                        break
        except Exception:  # a fault of the checker must be seen
            found["bad"].append([time.time(), traceback.format_exc()])
            code = 1
        found["verified"] = sum(j.verified for j in self.judges.values())
        found["serials"] = serials
        self.report.write_text(json.dumps(found))
        os._exit(code)

    def exchange(self, line, query, tcp):
        wire = query.to_wire()
        if not tcp:
            line.send(wire)
            deadline = time.monotonic() + self.timeout
            while time.monotonic() < deadline:
                data = line.recv(65535)
                if data[:2] == wire[:2]:
                    response = dns.message.from_wire(data)
                    if not response.flags & dns.flags.TC:
                        return response
                    break
            else:
                raise TimeoutError("nothing but old answers")
        with socket.create_connection(("127.0.0.1", self.site.port), timeout=self.timeout * 3) as stream:
            stream.sendall(struct.pack("!H", len(wire)) + wire)
            return dns.message.from_wire(receive(stream))


def receive(line):
    def take(count):
        data = b""
        while len(data) < count:
            more = line.recv(count - len(data))
            if not more:
                raise EOFError("the connection was closed")
            data += more
        return data
    return take(struct.unpack("!H", take(2))[0])


def good(found, site, silent_allowed=()):
    """Nothing was bad, and silence fell only into the given spans of time."""
    assert not found["bad"], f"{len(found['bad'])} bad answers, the first:\n" + \
        f"at {found['bad'][0][0]}: {found['bad'][0][1]}\n{site.log_end()}"
    assert found["asked"] > 3, found
    for begun, ended, what in found["silent"]:
        assert any(begun <= to and ended >= since for since, to in silent_allowed), \
            f"no answer from {begun:.3f} to {ended:.3f}: {what}\n{site.log_end()}"
