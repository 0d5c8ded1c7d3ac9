"""What must hold when things go wrong: processes killed, disks full, images damaged, clocks that jump, primaries and
clients that misbehave, floods. Each test says what must hold, and a checker outside asks all the time."""
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from base64 import b64decode
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import pytest

from api_support import ask
from faults_support import (KENTERD, N, SECRET, T, ZONE, Bogus, Checker, Judge, Site, anchor, good,
                            wait_for)
from liar import Liar

KILLS = int(os.environ.get("KENTER_KILLS", "40"))


@pytest.fixture
def make(tmp_path, request):
    """Makes sites; they are stopped at the end, and their logs shown when the test has failed."""
    sites = []

    def begin(*arguments, start=True, name="", **options):
        path = tmp_path / name if name else tmp_path
        path.mkdir(exist_ok=True)
        site = Site(path, *arguments, **options)
        sites.append(site)
        return site.start() if start else site

    yield begin
    for site in sites:
        print(f"--- log of {site.path}\n{site.log_end(300)}")
        site.stop()


# --- processes that are killed ---

class Updater(threading.Thread):
    """Sets, changes and deletes the TXT records of its own names. Each change is sent until it is acknowledged: then
    it must be there."""

    def __init__(self, site, zone, number, names=10):
        super().__init__(daemon=True)
        self.site, self.zone, self.random = site, zone, random.Random(number)
        self.names = [f"u{number}-{i}" for i in range(names)]
        self.state, self.ending, self.trouble = {name: [] for name in self.names}, threading.Event(), None
        self.acknowledged = self.asked_again = 0
        self.slowest = 0.0
        self.patience = 0  # seconds until what was acknowledged is served, too

    def run(self):
        try:
            while not self.ending.is_set():
                self.change()
        except BaseException as error:
            self.trouble = error

    def change(self):
        name = self.random.choice(self.names)
        value = [] if self.state[name] and self.random.random() < 0.3 else [f"value {self.acknowledged}"]
        begun = time.monotonic()
        while not self.send(name, value):
            self.asked_again += 1
            time.sleep(0.02)
            if time.monotonic() - begun > 60:
                raise AssertionError(f"no UPDATE was accepted for a minute: {name}.{self.zone}")
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.state[name] = value
        self.acknowledged += 1
        until = time.monotonic() + self.patience
        while True:
            served = wait_for(lambda: (lambda t: None if t is None else (t,))(self.site.text(f"{name}.{self.zone}.")), 30)
            if served[0] == value:
                return
            if time.monotonic() > until:
                raise AssertionError(f"{name}.{self.zone} is {served[0]}, acknowledged was {value}")
            time.sleep(0.02)

    def send(self, name, value):
        update = self.site.update(self.zone)
        update.delete(name)
        for one in value:
            update.add(name, 60, "TXT", f'"{one}"')
        try:
            code = self.site.send(update, tcp=self.random.random() < 0.5, timeout=3)
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        if code not in (dns.rcode.NOERROR, dns.rcode.SERVFAIL):
            raise AssertionError(f"UPDATE was answered by {dns.rcode.to_text(code)}")
        return code == dns.rcode.NOERROR


class Editor(threading.Thread):
    """Saves a zone file again and again."""

    def __init__(self, site, zone):
        super().__init__(daemon=True)
        self.site, self.zone, self.count, self.ending = site, zone, 1, threading.Event()

    def run(self):
        while not self.ending.wait(0.15):
            self.count += 1
            self.site.write(self.zone, value=f"edit {self.count}", serial=self.count)


def kill_many(site, count, seed):
    """Kills at random moments. Spans in which answers may be missing: a serve process is not there."""
    chance, spans, killed = random.Random(seed), [], {}
    while sum(killed.values()) < count:
        time.sleep(chance.random() * 0.6)
        role = chance.choices(("keys", "control", "serve", "supervisor"), (3, 4, 3, 1))[0]
        begun = time.time()
        if not site.kill(role):
            continue  # not back yet from the last time
        killed[role] = killed.get(role, 0) + 1
        if role == "supervisor":
            site.start()
        elif role == "serve":
            wait_for(site.answers, 15, "an answer after serve was killed")
        if role in ("supervisor", "serve"):
            spans.append((begun - 0.01, time.time() + 0.1))
    return spans, killed


def contents(site, zone):
    """The TXT records of a zone by name."""
    return {name.relativize(N(zone)).to_text(): sorted(b"".join(r.strings).decode() for r in node.get_rdataset(1, T.TXT))
            for name, node in site.transfer(zone).nodes.items() if node.get_rdataset(1, T.TXT)}


def expect_state(site, zone, updaters):
    served = contents(site, zone)
    for updater in updaters:
        for name, value in updater.state.items():
            if updater.zone == zone:
                assert served.get(name, []) == value, (name, served.get(name), value)


def test_processes_are_killed_at_random(make):
    """Every process dies again and again while zones are changed by UPDATE, edited and asked for. No acknowledged
    change is lost, no answer is bogus, no serial goes back, and only the death of serve is ever noticed outside."""
    zones = ("file.example", "edits.example", "edits3.example")
    site = make(("file.example",), zones[1:])
    seed = int(os.environ.get("KENTER_SEED", time.time_ns() % 1000000))
    print(f"KENTER_SEED={seed}")
    updaters = [Updater(site, zone, i) for i, zone in enumerate(zones[1:])]
    checker = Checker(site, zones, [name for u in updaters for name in u.names], seed).start()
    editor = Editor(site, "file.example")
    threads = [*updaters, editor]
    for thread in threads:
        thread.start()
    spans, killed = kill_many(site, KILLS, seed)
    for thread in threads:
        thread.ending.set()
    for thread in threads:
        thread.join(90)
    for updater in updaters:
        assert updater.trouble is None, f"{updater.trouble!r}\n{site.log_end()}"
    wait_for(lambda: site.text("value.file.example.") == [f"edit {editor.count}"], 20, "the last edit")
    found = checker.stop()
    print(killed, [(u.acknowledged, u.asked_again, round(u.slowest, 2)) for u in updaters], editor.count,
          {k: v for k, v in found.items() if k not in ("bad", "silent")}, "silent:", len(found["silent"]))
    good(found, site, spans)
    assert all(updater.acknowledged >= 10 for updater in updaters)
    for zone in zones:
        site.verify(zone)
        expect_state(site, zone, updaters)

    # The image is gone: all comes back from registry, files and keys, with greater serials.
    serials = {zone: site.serial(zone) for zone in zones}
    site.kill("supervisor")
    shutil.rmtree(site.data / "image")
    site.start()
    checker = Checker(site, zones)
    for zone in zones:
        wait_for(lambda z=zone: site.serial(z), 20, f"{zone} after the image was gone")
        assert site.serial(zone) >= serials[zone]
        assert str(checker.judges[zone].keys) and site.verify(zone) is None
        expect_state(site, zone, updaters)
    assert site.text("value.file.example.") == [f"edit {editor.count}"]


def keys_of(site, zone):
    """The DNSKEY set that is served, after a look at its signatures; None: there is no answer."""
    response = site.try_ask(zone, "DNSKEY")
    if response is None or response.rcode() != 0 or not response.answer:
        return None
    keys = response.get_rrset(response.answer, N(zone), 1, T.DNSKEY)
    Judge(zone, keys).check(response, zone, "DNSKEY")
    return {key.to_wire() for key in keys}


def keys_on_disk(site, zone):
    """What the key directory says of a zone's keys, each with its private half."""
    found = set()
    for path in (site.data / "keys" / zone).glob("*.json"):
        assert path.with_suffix(".key.pem").exists()
        meta = json.loads(path.read_text())
        found.add(meta["flags"].to_bytes(2, "big") + bytes([3, meta["algorithm"]]) + b64decode(meta["publicKey"]))
    return found


def test_new_zones_while_their_keys_are_lost(make):
    """New zones come all the time while the key process and its customer die. What is once served is signed by keys
    that are on disk, and goes on being so: no zone is ever seen with other keys."""
    site = make(("file.example",), ())
    chance = random.Random(int(os.environ.get("KENTER_SEED", time.time_ns() % 1000000)))
    names, seen, kills = [], {}, 0
    while len(names) < 240 or kills < 12:
        for _ in range(20):
            names.append(f"new{len(names)}.example")
            site.write(names[-1])
        time.sleep(chance.random() * 0.15)
        kills += site.kill(chance.choice(("keys", "keys", "control")))
        for zone in names[-40:]:
            keys = keys_of(site, zone)
            if keys is not None:
                assert keys == seen.setdefault(zone, keys), zone
                assert keys == keys_on_disk(site, zone), zone
        wait_for(lambda: len(site.children()) == 3, 15, "all processes")
    for zone in names:
        keys = wait_for(lambda z=zone: keys_of(site, z), 60, zone)
        assert keys == seen.setdefault(zone, keys), zone
        assert keys == keys_on_disk(site, zone), zone
    site.kill("supervisor")
    assert not any(path.name in names and seen[path.name] != keys_on_disk(site, path.name)
                   for path in (site.data / "keys").iterdir())
    site.start()
    wait_for(lambda: not list((site.data / "keys").glob(".new-*")), 10, "an orderly directory of keys")
    for zone in names[::10]:
        assert wait_for(lambda z=zone: keys_of(site, z), 20, zone) == seen[zone]


def test_a_directory_of_keys_is_lost(make):
    """A published zone gets no new keys: the problem names the directory, what is published stays, and with the
    directory back in its place all goes on. A zone that is new meanwhile gets its keys."""
    site = make(("file.example", "other.example"), ("edits.example",))
    zones = ("file.example", "other.example", "edits.example")
    before = {zone: wait_for(lambda z=zone: keys_of(site, z), 20, zone) for zone in zones}
    keys, moved = site.data / "keys", site.path / "moved"
    moved.mkdir()
    for zone in ("file.example", "edits.example"):
        (keys / zone).rename(moved / zone)
    for restart in (False, True):
        if restart:
            site.stop()
            site.start()
            site.wait_log("keys.lost")
        site.write("file.example", f"without keys {restart}", 2 + restart)
        why = wait_for(lambda: (lambda t: t if "keys.lost" in t else None)(
            site.kenter("why", "file.example", check=False).stdout), 20, "a problem")
        assert str(keys / "file.example") in why and "reload" in why, why
        update = site.update("edits.example")
        update.add("more", 60, "TXT", "more")
        assert site.send(update) == dns.rcode.REFUSED
        site.write("new.example", "new", 1 + restart)
        assert wait_for(lambda: keys_of(site, "new.example"), 20) == keys_on_disk(site, "new.example")
        assert {path.name for path in keys.iterdir()} == {"other.example", "new.example"}
        assert site.text("value.file.example.") == ["first"]
        assert {zone: keys_of(site, zone) for zone in zones} == before
    for path in list(moved.iterdir()):
        path.rename(keys / path.name)
    site.kenter("reload")
    wait_for(lambda: site.text("value.file.example.") == ["without keys True"], 10, "the edit")
    assert site.send(update) == dns.rcode.NOERROR
    assert {zone: keys_of(site, zone) for zone in zones} == before
    assert "keys.lost" not in site.kenter("why", "file.example").stdout


# --- the judge itself ---

@pytest.mark.parametrize("zone", ["edits.example", "edits3.example"])
def test_the_checker_sees_what_is_wrong(make, zone):
    """Else all other tests here would say nothing."""
    site = make((), (zone,))
    judge = Judge(zone, anchor(site, zone))
    answers = {}
    for name, kind, what in (("www", "A", "positive"), ("no", "A", "nxdomain"), ("www", "MX", "nodata"),
                             ("x.wild", "A", "wildcard"), ("terminal", "A", "nodata"), ("x.wild", "MX", "nodata")):
        answers[name, kind] = site.ask(f"{name}.{zone}", kind)
        assert judge.check(answers[name, kind], f"{name}.{zone}", kind) == what
    for (name, kind), response in answers.items():
        for section in (response.answer, response.authority):
            for rrset in list(section):
                if rrset.rdtype == T.SOA and section is response.authority or rrset.rdtype == T.RRSIG and \
                        rrset.covers == T.SOA:
                    continue
                section.remove(rrset)  # every piece is needed
                with pytest.raises(Bogus):
                    judge.check(response, f"{name}.{zone}", kind)
                section.append(rrset)
    with pytest.raises(Bogus):
        judge.check(answers["no", "A"], f"www.{zone}", "A")
    with pytest.raises(Bogus):
        judge.check(answers["www", "MX"], f"www.{zone}", "A")
    forged = answers["www", "A"]
    forged.answer[0] = dns.rrset.from_text(forged.answer[0].name, 600, "IN", "A", "192.0.2.66")
    with pytest.raises(Bogus):
        judge.check(forged, f"www.{zone}", "A")


# --- disks and files ---

@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MiB; only root can make one."""
    place = tmp_path / "data"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place):
    with open(place / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
    try:
        with open(place / "ballast2", "wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
    except OSError:
        pass


def drain(place):
    for name in ("ballast", "ballast2"):
        (place / name).unlink(missing_ok=True)


def test_the_disk_is_full(small_disk, make):
    """No change is acknowledged that is not kept; answers go on; a restart on the full disk serves what was there;
    with room again all goes on by itself."""
    zones = ("file.example", "edits.example", "edits3.example")
    site = make(("file.example",), zones[1:])
    updaters = [Updater(site, zone, i) for i, zone in enumerate(zones[1:])]
    checker = Checker(site, zones, [name for u in updaters for name in u.names]).start()
    editor = Editor(site, "file.example")
    threads = [*updaters, editor]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(u.acknowledged >= 3 for u in updaters), 20, "updates")
    spans = []
    for restart in (False, True):
        fill(site.data)
        before = sum(u.asked_again for u in updaters)
        wait_for(lambda: sum(u.asked_again for u in updaters) > before, 20, "a refused update")
        if restart:
            for role in ("control", "serve", "keys"):
                begun = time.time()
                site.kill(role)
                wait_for(lambda: len(site.children()) == 3 and site.answers(), 15, "all processes")
                if role == "serve":
                    spans.append((begun - 0.01, time.time() + 0.1))
        time.sleep(0.5)
        drain(site.data)
        counts = [u.acknowledged for u in updaters]
        wait_for(lambda: all(u.acknowledged > c + 2 or u.trouble for u, c in zip(updaters, counts)), 20,
                 "updates after there is room again")
    for thread in threads:
        thread.ending.set()
    for thread in threads:
        thread.join(60)
    assert all(u.trouble is None for u in updaters), [u.trouble for u in updaters]
    wait_for(lambda: site.text("value.file.example.") == [f"edit {editor.count}"], 20, "the last edit")
    good(checker.stop(), site, spans)
    for zone in zones:
        site.verify(zone)
        expect_state(site, zone, updaters)
    log = site.log.read_text()
    assert "space" in log or "full" in log
    site.stop()


def overwrite(path, chance):
    """Octets of chance over every third page behind the two heads."""
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        for at in range(3 * 4096, size, 3 * 4096):
            file.seek(at)
            file.write(chance.randbytes(4096))


@pytest.mark.parametrize("damage", ["deleted", "truncated", "emptied", "zeroed", "overwritten"])
def test_the_image_is_damaged_while_running(make, damage):
    """It comes back by itself, with all that was acknowledged, and no bogus answer meanwhile."""
    zones = ("file.example", "edits.example", "edits3.example")
    site = make(("file.example",), zones[1:])
    site.write("file.example", serial=2, more="".join(f"h{i} TXT \"{'x' * 200}\"\n" for i in range(300)))
    updater = Updater(site, "edits.example", 0)
    for _ in range(10):
        updater.change()
    wait_for(lambda: site.text("h299.file.example."), 20, "the large zone")
    checker = Checker(site, zones, [*updater.names, "h7", "h150", "h260"], timeout=0.3).start()
    time.sleep(0.3)
    path, begun = site.data / "image/data.mdb", time.time()
    updater.patience = 20  # the old image may answer until the new one is filled
    if damage == "deleted":
        shutil.rmtree(path.parent)
    elif damage == "truncated":
        os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
    elif damage == "emptied":
        os.truncate(path, 0)
    elif damage == "zeroed":
        with open(path, "r+b") as file:
            file.seek(8192)
            file.write(bytes(path.stat().st_size - 8192))
    else:
        overwrite(path, random.Random(7))
    updater.change()
    wait_for(lambda: all(site.serial(zone) for zone in zones) and site.text("h150.file.example."), 25, "all zones")
    for _ in range(3):
        updater.change()
    site.wait_log("made again from the" if damage != "deleted" else "written again")
    wait_for(lambda: path.exists() and len(site.children()) == 3, 20, "the new image")
    for _ in range(3):
        updater.change()
    ended = time.time()
    time.sleep(0.3)
    found = checker.stop()
    # While it is made anew there may be errors, which make resolvers ask another server, and a thread may give the
    # version before, since threads take the new image one after the other; never a wrong answer.
    found["bad"] = [(when, what) for when, what in found["bad"]
                    if not (begun - 0.5 <= when <= ended and
                            re.match("code SERVFAIL$|code REFUSED$|serial [0-9]+ after ", what.split(": ")[1], re.M))]
    good(found, site, [(begun - 0.5, ended)])
    for zone in zones:
        site.verify(zone)
        expect_state(site, zone, [updater])


@pytest.mark.parametrize("damage", ["head", "middle", "short"])
def test_the_registry_is_damaged(make, damage):
    """What was published goes on being answered, from a new serve process too; nothing is changed or made anew, and
    everybody who asks is told why. With the backup in its place all goes on."""
    zones = ("file.example", "edits.example")
    site = make(zones[:1], zones[1:])
    updater = Updater(site, "edits.example", 0)
    for _ in range(12):
        updater.change()
    wait_for(lambda: site.serial("file.example"), 20)
    site.stop()
    path, image = site.data / "registry.db", site.data / "image/data.mdb"
    assert not path.with_name("registry.db-wal").exists() or path.with_name("registry.db-wal").stat().st_size == 0
    whole, published = path.read_bytes(), image.read_bytes()
    with open(path, "r+b") as file:
        if damage == "short":
            file.truncate(len(whole) // 2)
        else:
            file.seek(0 if damage == "head" else 4096)
            file.write(random.Random(1).randbytes(100 if damage == "head" else len(whole) // 2))
    damaged = path.read_bytes()
    site.write("file.example", "not published", 5)
    site.start()
    checker = Checker(site, zones, updater.names).start()
    site.wait_log("no zone is changed or signed again before the registry is repaired")
    expect_state(site, "edits.example", [updater])

    def told():
        health = ask(site.data / "kenter.sock", "GET", "/healthz")
        assert health.status == 503 and str(path) in health.json["problems"][0], health.data
        status = ask(site.data / "kenter.sock", "GET", "/v1/status").json
        assert [f["code"] for f in status["findings"]] == ["registry.damaged"] and not status["ready"]
        for arguments in (("status",), ("zones",), ("why", "edits.example"), ("log", "file.example"),
                          ("set", "edits.example", "x", "60", "TXT", "x")):
            run = site.kenter(*arguments, check=False)
            assert "registry.damaged" in run.stdout + run.stderr and run.returncode != 0, (arguments, run)
        assert site.send(site.update("edits.example")) == dns.rcode.SERVFAIL

    told()
    for role, span in (("control", ()), ("keys", ()), ("serve", ())):
        before = site.children()[role]
        begun = time.time()
        site.kill(role)
        wait_for(lambda: site.children().get(role, before) != before and site.answers(), 10, f"another {role}")
        spans = [(begun - 0.01, time.time() + 0.1)]
    wait_for(lambda: (site.data / "kenter.sock").exists() and len(site.children()) == 3, 10)
    wait_for(lambda: site.kenter("status", check=False).returncode in (0, 1), 10)
    told()
    assert path.read_bytes()[:len(damaged)] == damaged and image.read_bytes() == published
    assert site.text("value.file.example.") == ["first"]
    good(checker.stop(), site, spans)
    site.stop()

    for more in site.data.glob("registry.db-*"):
        more.unlink()
    path.write_bytes(whole)
    site.start()
    wait_for(lambda: site.text("value.file.example.") == ["not published"], 20, "the edit that waited")
    assert ask(site.data / "kenter.sock", "GET", "/healthz").status == 200
    updater.change()
    expect_state(site, "edits.example", [updater])


def test_damage_of_the_registry_that_is_found_late(make):
    """Records of a zone of edits are damaged, which shows when they are touched: nothing that cannot be kept is
    acknowledged, the image is not blamed, other zones go on, and it is said."""
    zones = ("file.example", "edits.example")
    site = make(zones[:1], zones[1:], start=False)
    start = site.path / "edits.example.start"
    start.write_text(start.read_text() + "".join(f"h{i} TXT {'x' * 200}\n" for i in range(2000)))
    site.start()
    wait_for(lambda: all(site.serial(zone) for zone in zones), 20)
    site.stop()
    path, image = site.data / "registry.db", site.data / "image/data.mdb"
    content = path.read_bytes()
    pages = [at for at in range(0, len(content), 4096) if content[at:at + 4096].count(b"x" * 200) > 5]
    assert len(pages) > 50
    with open(path, "r+b") as file:
        for at in pages:
            file.seek(at)
            file.write(random.Random(at).randbytes(100))
    site.start()
    checker = Checker(site, zones, ("h7", "h1500")).start()
    node = image.stat().st_ino
    for number in (100, 1500):
        update = site.update("edits.example")
        update.replace(f"h{number}", 60, "TXT", "new")
        assert site.send(update) == dns.rcode.SERVFAIL
    site.write("file.example", "goes on", 2)
    wait_for(lambda: site.text("value.file.example.") == ["goes on"], 20, "the zone of a file")
    good(checker.stop(), site)
    assert image.stat().st_ino == node, "the image was made anew"
    assert site.text("h100.edits.example.") == ["x" * 200]
    health = ask(site.data / "kenter.sock", "GET", "/healthz")
    assert health.status == 503 and "registry" in health.json["problems"][0]
    assert "registry.damaged" in site.kenter("status", check=False).stdout


def test_the_end_comes_at_the_start(make):
    """Told to end before all is ready, it ends in good order; so do its processes."""
    site = make(("file.example",), ("edits.example",), start=False)
    for number in range(40):
        site.start(wait=False)
        status = Path(f"/proc/{site.process.pid}/status")
        while "SigBlk:\t0000000000000000" in status.read_text():
            pass  # not in its main yet
        time.sleep(number * 0.001)
        children = site.children()
        site.stop()
        assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


# --- clocks that jump ---

DAY = 86400


@pytest.mark.parametrize("jumps", [(20 * DAY,), (-20 * DAY,), (400 * DAY, -5 * DAY), (-25 * 365 * DAY, 6 * 3600)],
                         ids=["forward", "back", "both", "far"])
def test_the_clock_jumps(make, tmp_path, jumps):
    """Whatever the server's clock says while it runs, at the true time (that of this test) all answers are good:
    re-signing, edits, a control process that starts anew in the wrong time, and the way back."""
    zones = ("file.example", "edits.example", "edits3.example")
    preload, shift = KENTERD.parent / "tests/tools/clockshift.so", tmp_path / "shift"
    shift.write_bytes(struct.pack("q", 0))

    def set_clock(seconds):
        with open(shift, "r+b") as file:
            file.write(struct.pack("q", seconds))

    environment = {"LD_PRELOAD": str(preload), "KENTER_CLOCK_SHIFT": str(shift),
                   "ASAN_OPTIONS": "verify_asan_link_order=0"}
    site = make(("file.example",), zones[1:], environment=environment)
    checker = Checker(site, zones).start()
    edits = 1

    def edit():
        nonlocal edits
        edits += 1
        site.write("file.example", f"edit-{edits}", edits)
        for zone in zones[1:]:
            site.kenter("set", zone, "value", "600", "TXT", f"edit-{edits}")
        for zone in zones:
            wait_for(lambda z=zone: site.text(f"value.{z}.") == [f"edit-{edits}"], 15, f"edit {edits} of {zone}")
            site.verify(zone)

    def doubt():
        status = ask(site.data / "kenter.sock", "GET", "/v1/status").json
        return [f["code"] for f in status["findings"]]

    edit()
    assert not doubt()
    for jump in jumps:
        set_clock(jump)
        edit()  # at once: before anything else has looked at the clock
        assert doubt() == ["sign.clock-doubtful"]
        time.sleep(11)  # now everything has, and what was due was signed
        for zone in zones:
            site.verify(zone)
        edit()
        site.kill("control")
        wait_for(lambda: site.kenter("status", check=False).returncode in (0, 1), 10)
        edit()
        assert doubt() == ["sign.clock-doubtful"]
    set_clock(0)
    edit()
    time.sleep(11)
    edit()
    site.kenter("reload")
    wait_for(lambda: not doubt(), 5)

    def lifetimes():
        answer = [site.ask(f"{name}.{zone}", "ANY", tcp=True) for zone in zones for name in ("www", "value")]
        return [s.expiration - time.time() for a in answer for r in a.answer if r.rdtype == T.RRSIG for s in r]
    wait_for(lambda: max(lifetimes()) < 15 * DAY, 15, "signatures that live as long as ever")
    edit()
    good(checker.stop(), site)
    assert "the clock went" in site.log.read_text()


# --- primaries that lie ---

# How it misbehaves, and what `kenter why` must say.
LIES = {
    "garbage": ("fetch.bad-message", "malformed"),
    "noise": ("fetch.cut-short", "0 messages"),
    "cut": ("fetch.cut-short", "closed"),
    "unfinished": ("fetch.cut-short", "closed"),
    "stall": ("fetch.stalled", "no whole message"),
    "drip": ("fetch.stalled", "no whole message"),
    "slow": (None, None),
    "serial back": ("fetch.serial-went-back", "older than"),
    "misfit": ("fetch.refused", "REFUSED"),
    "absent": ("fetch.refused", "REFUSED"),
    "wrong tsig": ("fetch.tsig", ""),
    "unsigned": ("fetch.tsig", ""),
    "endless": ("fetch.too-large", "octets"),
    "another zone": ("fetch.bad-content", ""),
    "another soa": ("fetch.not-authoritative", "no SOA of the zone"),
    "another id": ("fetch.no-answer", ""),
    "another id in TCP": ("fetch.bad-message", ""),
    "garbage in UDP": ("fetch.no-answer", ""),
    "outside": ("fetch.bad-content", ""),
    "silent": ("fetch.no-answer", ""),
    "no NS": ("zone.ns-missing", ""),
}
SIGNED_LIES = ("wrong tsig", "unsigned")


def test_primaries_that_lie(make):
    """Each zone has a primary that begins to misbehave in its own way. The last good version goes on being served and
    signed, `kenter why` says what the primary does, and when it is well again, so is the zone."""
    keys = dns.tsigkeyring.from_text({"test.key.": SECRET})
    liars = {mode: Liar(ZONE, f"127.0.0.{number}", keys) for number, mode in enumerate(LIES, 2)}
    names = {mode: mode.lower().replace(" ", "-") + ".example" for mode in LIES}
    remotes = "".join(f"  liar{i}: {{addresses: {liar.address}@{liar.port}"
                      f"{', key: test.key' if mode in SIGNED_LIES else ''}}}\n"
                      for i, (mode, liar) in enumerate(liars.items()))
    for mode, liar in liars.items():
        liar.set(names[mode], "well", 100)
    site = make((), (), settings=f"remotes:\n{remotes}limits: {{transfer-size: 16M}}\n", more="".join(
        f"  {names[mode]}: {{primaries: [liar{i}]}}\n" for i, mode in enumerate(liars)))

    def notify(mode):
        message = dns.message.make_query(names[mode], "SOA")
        message.set_opcode(dns.opcode.NOTIFY)
        with socket.socket(type=socket.SOCK_DGRAM) as line:
            line.bind((liars[mode].address, 0))
            if mode in SIGNED_LIES:
                message.use_tsig(keys, "test.key.", algorithm="hmac-sha256")
            line.sendto(message.to_wire(), ("127.0.0.1", site.port))

    for name in names.values():
        wait_for(lambda n=name: site.serial(n), 30, name)
    served = {name: site.serial(name) for name in names.values()}
    checker = Checker(site, list(names.values()), timeout=1).start()
    memory = site.resident()
    begun = time.monotonic()
    for mode, liar in liars.items():
        liar.set(names[mode], mode, 110 if mode != "serial back" else 105)
        notify(mode)

    def why(mode):
        return json.loads(site.kenter("why", "--json", names[mode], check=False).stdout)

    waiting, said = dict(LIES), {}
    while waiting:
        for mode, (code, words) in list(waiting.items()):
            if code is None:
                del waiting[mode]
                continue
            for finding in why(mode)["findings"]:
                if finding["code"] == code and words in finding["message"]:
                    said[mode] = f"{time.monotonic() - begun:.1f} s: {finding['message']}"
                    waiting.pop(mode, None)
        if time.monotonic() - begun > 90:
            break
        time.sleep(0.2)
    for mode, text in said.items():
        print(f"{mode}: {text}")
    assert not waiting, {m: [f["code"] + " " + f["message"] for f in why(m)["findings"]] for m in waiting}
    grown = site.resident() - memory
    print(f"{grown >> 20} MiB more; the endless one sent {liars['endless'].sent >> 20} MiB")
    assert grown < 100 << 20
    for mode, name in names.items():
        if mode != "slow":
            assert site.serial(name) == served[name], mode
            assert site.text(f"value.{name}.") == ["version 100"], mode
            site.verify(name)

    # It is well again.
    for mode, liar in liars.items():
        liar.set(names[mode], "well", 200)
        notify(mode)
    for mode, name in names.items():
        wait_for(lambda n=name: site.text(f"value.{n}.") == ["version 200"], 60, f"the new version of {name}", 0.1)
        site.verify(name)
        wait_for(lambda m=mode: not why(m)["findings"], 10, f"nothing against {name}: {why(mode)}")
    for liar in liars.values():
        liar.stop()
    good(checker.stop(), site)


# --- zone files ---

def test_the_directory_of_zones_is_emptied_removed_and_comes_back(make):
    """Zones are kept while nobody says that it is meant."""
    names = ("a.example", "b.example", "c.example")
    site = make(names, ())
    for name in names:
        wait_for(lambda n=name: site.serial(n), 20)
    checker = Checker(site, names).start()
    files = {path: path.read_text() for path in site.zones.iterdir()}
    for path in files:
        path.unlink()
    site.wait_log("holds no zone file any more")
    assert "kenter reload" in site.log.read_text()
    for path, text in files.items():
        path.write_text(text)
    site.write("a.example", "after it was empty", 2)
    wait_for(lambda: site.text("value.a.example.") == ["after it was empty"], 5, "the edit")

    shutil.rmtree(site.zones)
    time.sleep(0.5)
    assert all(site.serial(name) for name in names)
    site.zones.mkdir()
    for path, text in files.items():
        path.write_text(text)
    site.write("b.example", "after it was removed", 2)
    wait_for(lambda: site.text("value.b.example.") == ["after it was removed"], 15, "the edit in the new directory")
    site.write("b.example", "and seen at once", 3)
    wait_for(lambda: site.text("value.b.example.") == ["and seen at once"], 5, "the next edit")
    good(checker.stop(), site)

    for path in files:
        path.unlink()
    time.sleep(0.5)
    site.kenter("reload")
    for name in names:
        wait_for(lambda n=name: (lambda r: r and r.rcode() == dns.rcode.REFUSED)(site.try_ask(n, "SOA")), 10,
                 f"the end of {name}")


def test_odd_files_among_the_zones(make, tmp_path):
    """What is no zone is passed over; what cannot be read keeps the last good version and is said; others go on."""
    site = make(("a.example", "b.example"), ())
    for name in ("a.example", "b.example"):
        wait_for(lambda n=name: site.serial(n), 20)
    (site.zones / "README").write_text("no zone")
    (site.zones / "x.zone~").write_text("a backup")
    (site.zones / f"{'l' * 64}.example.zone").write_text("no name")
    (site.zones / ("d." * 120 + "zone")).write_text("no name either")
    (site.zones / "directory.example.zone").mkdir()
    os.mkfifo(site.zones / "pipe.example.zone")
    (site.zones / "nowhere.example.zone").symlink_to(tmp_path / "nowhere")
    (site.zones / "loop.example.zone").symlink_to("loop.example.zone")
    (site.zones / "empty.example.zone").write_text("")
    (site.zones / "binary.example.zone").write_bytes(random.Random(2).randbytes(5000))
    (site.zones / "..zone").write_text("")
    (site.zones / "near.example.zone").symlink_to("a.example.zone")
    far = tmp_path / "far"
    far.mkdir()
    (far / "zone").write_text(ZONE.format(serial=1, value="far"))
    (site.zones / "far.example.zone").symlink_to(far / "zone")
    wait_for(lambda: site.serial("near.example"), 10, "the zone behind a link in the directory")
    site.wait_log("empty.example.: nothing new")
    site.wait_log("binary.example.: nothing new")
    site.wait_log("far.example.: ")
    far_log = [line for line in site.log.read_text().splitlines() if "far.example" in line]
    assert site.serial("far.example") or any("link" in line for line in far_log), far_log
    site.write("a.example", "goes on", 5)
    wait_for(lambda: site.text("value.a.example.") == ["goes on"], 10, "the edit")
    if os.geteuid() == 0:
        # For root there are no permissions, but a file in the place of a directory is as unreadable.
        (site.zones / "b.example.zone").unlink()
        (site.zones / "b.example.zone").mkdir()
    else:
        (site.zones / "b.example.zone").chmod(0)
    why = wait_for(lambda: (lambda t: t if t.strip() else None)(site.kenter("zones", check=False).stdout), 5)
    assert "empty.example" in why
    assert "empty.example" in site.kenter("why", "empty.example", check=False).stdout


# --- floods ---

def test_a_storm_of_updates(make):
    """A thousand from several clients as fast as they can: all that are acknowledged are in, a file zone is published
    meanwhile, and none waits long."""
    site = make(("file.example",), ("edits.example",))
    clients, each, slowest, trouble = 8, 125, [], []

    def flood(number):
        for i in range(each):
            update = site.update("edits.example")
            update.add(f"s{number}-{i}", 60, "TXT", f"{i}")
            begun = time.monotonic()
            try:
                code = site.send(update, tcp=number % 2 == 0)
            except (OSError, EOFError, dns.exception.DNSException) as error:
                trouble.append(repr(error))
                continue
            slowest.append(time.monotonic() - begun)
            if code != 0:
                trouble.append(dns.rcode.to_text(code))

    checker = Checker(site, ("file.example", "edits.example")).start()
    threads = [threading.Thread(target=flood, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    site.write("file.example", "in the storm", 2)
    begun = time.monotonic()
    wait_for(lambda: site.text("value.file.example.") == ["in the storm"], 10, "the zone of a file")
    turn = time.monotonic() - begun
    for thread in threads:
        thread.join(60)
    good(checker.stop(), site)
    print(f"file zone after {turn:.2f} s, slowest update {max(slowest):.2f} s")
    assert not trouble, trouble[:5]
    assert max(slowest) < 5 and turn < 5
    served = contents(site, "edits.example")
    assert all(served.get(f"s{n}-{i}") == [str(i)] for n in range(clients) for i in range(each))
    site.verify("edits.example")


def test_ten_thousand_connections_that_say_nothing(make):
    """Answers go on, over UDP and over TCP, and the memory that they hold is bounded."""
    site = make(("file.example",), ())
    wait_for(lambda: site.serial("file.example"), 20)
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10500:
        pytest.skip("so many files may not be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines, checker = [], Checker(site, ("file.example",), timeout=1).start()
    try:
        before = site.resident()
        for number in range(10000):
            line = socket.socket()
            line.setblocking(False)
            line.connect_ex(("127.0.0.1", site.port))
            if number % 2 == 0:
                try:
                    line.send(b"\0")  # half of a length
                except OSError:
                    pass
            lines.append(line)
        latencies = []
        for _ in range(200):
            begun = time.monotonic()
            assert site.ask("www.file.example", "A").rcode() == 0
            latencies.append(time.monotonic() - begun)
        assert sorted(latencies)[100] < 0.02, sorted(latencies)[100]
        grown = site.resident() - before
        print(f"median {sorted(latencies)[100] * 1000:.2f} ms, {grown >> 20} MiB more")
        assert grown < 200 << 20
    finally:
        for line in lines:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for(lambda: site.try_ask("www.file.example", "A"), 10, "an answer by TCP")
    found = checker.stop()
    # More connections than there is room for: TCP may be refused meanwhile, UDP not.
    found["silent"] = [s for s in found["silent"] if "UDP" in s[2]]
    good(found, site)


def test_mutated_packets(make):
    """Twenty thousand that are broken in some way: the processes live on, and what is right is answered rightly."""
    site = make(("file.example",), ("edits.example",))
    chance, pids, before = random.Random(3), site.children(), site.resident()
    update = site.update("edits.example")
    update.add("x", 60, "TXT", "x")
    seeds = [dns.message.make_query(f"{n}.file.example", k, want_dnssec=True).to_wire()
             for n, k in (("www", "A"), ("no", "ANY"), ("x.wild", "TXT"), ("value", "AXFR"), ("ns1", "IXFR"))]
    seeds += [update.to_wire(), bytes(12), b"\x12\x34\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"]
    checker = Checker(site, ("file.example", "edits.example"), timeout=2).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", site.port))
        line.setblocking(False)
        for number in range(20000):
            wire = bytearray(chance.choice(seeds))
            for _ in range(chance.randrange(1, 6)):
                what, at = chance.random(), chance.randrange(len(wire))
                if what < 0.5:
                    wire[at] = chance.randrange(256)
                elif what < 0.7:
                    wire[at:at] = chance.randbytes(chance.randrange(1, 20))
                elif what < 0.85:
                    wire[at:at + 2] = struct.pack("!H", 0xC000 | chance.randrange(64))  # a pointer, perhaps a loop
                else:
                    del wire[max(at, 1):]
            try:
                if number % 50 == 0:
                    with socket.create_connection(("127.0.0.1", site.port), timeout=2) as stream:
                        stream.sendall(struct.pack("!H", max(0, len(wire) + chance.choice((0, 0, 5, -3)))) + wire)
                else:
                    line.send(wire)
                    line.recv(65535)
            except OSError:
                pass
            if number % 100 == 99:  # so that none is lost before it is read
                assert wait_for(lambda: site.try_ask("www.file.example", "A", tcp=False), 10).rcode() == 0
    assert site.children() == pids, "a process has died"
    assert site.resident() - before < 64 << 20
    good(checker.stop(), site)


def test_clients_that_never_read_transfers_and_a_name_with_ten_thousand_records(make):
    """A hundred clients ask for a large zone and read nothing; others are served, and memory stays bounded."""
    # No set of records may be larger than a message; a name may have several.
    many = "".join([*(f"many A 10.0.{i >> 8}.{i & 255}\n" for i in range(3500)),
                    *(f"many AAAA 2001:db8::{i:x}\n" for i in range(2000)),
                    *(f"many TYPE65280 \\# 2 {i:04x}\n" for i in range(3000)),
                    *(f"many TXT {i}\n" for i in range(2000))])
    site = make(("file.example",), ("edits.example",), start=False)
    start = site.path / "edits.example.start"
    start.write_text(start.read_text() + many)
    site.start()
    wait_for(lambda: site.serial("edits.example"), 30, "the zone")
    update = site.update("edits.example")
    update.add("many", 600, "A", "192.0.2.250")
    assert site.send(update) == 0
    judge = Judge("edits.example", anchor(site, "edits.example"))
    for kind, count in (("A", 3501), ("AAAA", 2000), ("TYPE65280", 3000), ("TXT", 2000)):
        response = wait_for(lambda k=kind: site.try_ask("many.edits.example", k, timeout=5), 10)
        assert judge.check(response, "many.edits.example", kind) == "positive" and len(response.answer[0]) == count
        assert site.ask("many.edits.example", kind).flags & dns.flags.TC  # by UDP
    assert judge.check(site.try_ask("many.edits.example", "MX"), "many.edits.example", "MX") == "nodata"
    zone = site.transfer("edits.example")
    assert len(zone.nodes[N("many.edits.example.")].get_rdataset(1, T.A)) == 3501
    wire = dns.message.make_query("edits.example", "AXFR").to_wire()
    before, lines = site.resident(), []
    for _ in range(100):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", site.port))
        line.sendall(struct.pack("!H", len(wire)) + wire)
        lines.append(line)
    checker = Checker(site, ("file.example", "edits.example"), timeout=2).start()
    time.sleep(1)
    assert site.resident() - before < 100 << 20
    good(checker.stop(), site)
    for line in lines:
        line.close()
    wait_for(lambda: (lambda z: z.nodes)(site.transfer("edits.example")), 20)


def test_memory_comes_back(make):
    """What clients that never read, and connections that say nothing or half a thing, have cost is free again when
    they are cut off, though they never close; so it is after they come again."""
    many = "".join(f"many{i} TXT \"{'x' * 200}\"\n" for i in range(20000))
    site = make(("file.example",), (), start=False)
    site.write("file.example", more=many)
    site.start()
    wait_for(lambda: site.text("many19999.file.example."), 30, "the zone")
    wire = dns.message.make_query("file.example", "AXFR").to_wire()
    site.save("file.example", site.path / "saved")
    for _ in range(3000):
        site.try_ask("www.file.example", "A", tcp=False)
    start, peaks = site.resident("serve"), []
    for turn in range(3):
        lines = []
        for number in range(600):
            line = socket.socket()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.bind((f"127.0.1.{number % 200 + 1}", 0))
            line.connect(("127.0.0.1", site.port))
            if number % 3 == 0:
                line.sendall(struct.pack("!H", len(wire)) + wire)
            elif number % 3 == 1:
                line.sendall(struct.pack("!H", len(wire)) + wire[:20])
            lines.append(line)
        time.sleep(1)
        peaks.append(site.resident("serve") - start)

        def cut_off():
            rest = 0
            for line in lines:
                try:
                    line.setblocking(False)
                    rest += line.recv(1, socket.MSG_PEEK) == b"never"
                except BlockingIOError:
                    rest += 1
                except OSError:
                    pass
            return rest == 0
        wait_for(cut_off, 60, "the end of all connections", 0.5)
        wait_for(lambda: site.resident("serve") < start + (4 << 20), 10,
                 lambda: f"the memory of the start; {(site.resident('serve') - start) >> 10} KiB more")
        for line in lines:
            line.close()
    print("KiB more at the peaks:", [p >> 10 for p in peaks], "at the end:", (site.resident("serve") - start) >> 10)
    site.verify("file.example")
