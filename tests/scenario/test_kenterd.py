"""kenterd keeps a directory of zones signed: edits, broken files, removals, restarts, kill -9."""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from api_support import ask

ROOT = Path(__file__).resolve().parents[2]
KENTER = Path(os.environ.get("KENTER", ROOT / "build" / "kenter"))
KENTERD = KENTER.parent / "kenterd"

ZONE = """$TTL 600
@ SOA ns1 hostmaster {serial} 7200 900 1209600 600
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.{last}
"""


class Daemon:
    def __init__(self, path, *options):
        self.zones, self.data = path / "zones", path / "data"
        self.log = path / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [KENTERD, "--zones", self.zones, "--data", self.data, *options],
                stderr=log, stdout=log)

    def signed(self, zone):
        return self.data / "signed" / f"{zone}.zone"

    def wait_log(self, text, count=1, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.log.read_text().count(text) >= count:
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        pytest.fail(f"{text!r} did not appear {count} times in:\n{self.log.read_text()}")

    def wait_signed(self, zone, text="SOA", seconds=20):
        """The signed file follows what is published."""
        deadline = time.monotonic() + seconds
        path = self.signed(zone)
        while not path.exists() or text not in path.read_text():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        return path

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def write_zone(place, name, last=80, serial=1, more=""):
    """As an editor saves: aside, then renamed."""
    aside = place / "zones" / f".{name}.new"
    aside.write_text(ZONE.format(last=last, serial=serial) + more)
    aside.rename(place / "zones" / f"{name}.zone")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "zones").mkdir()
    for name in ("a.example", "b.example"):
        write_zone(tmp_path, name)
    return tmp_path


def verify(path):
    name = path.name.removesuffix(".zone")
    ours = subprocess.run([KENTER, "verify", path], capture_output=True, text=True)
    assert ours.returncode == 0, ours.stdout + ours.stderr
    bind = subprocess.run(["dnssec-verify", "-q", "-z", "-o", name, path], capture_output=True, text=True)
    assert bind.returncode == 0, bind.stdout + bind.stderr


def test_once_signs_everything_and_a_second_time_changes_nothing(place):
    daemon = Daemon(place, "--once")
    assert daemon.process.wait(timeout=30) == 0, daemon.log.read_text()
    for name in ("a.example", "b.example"):
        verify(daemon.signed(name))
    before = {p: (p.stat().st_ino, p.read_bytes()) for p in (place / "data/signed").iterdir()}
    assert Daemon(place, "--once").process.wait(timeout=30) == 0
    after = {p: (p.stat().st_ino, p.read_bytes()) for p in (place / "data/signed").iterdir()}
    assert before == after
    assert len(list((place / "data/keys").glob("*/*.pem"))) == 2


def test_edit_add_break_repair_remove(place):
    daemon = Daemon(place)
    try:
        daemon.wait_log("published serial", 2)
        old = daemon.wait_signed("a.example").read_text()

        write_zone(place, "a.example", last=81, serial=2)
        daemon.wait_log("published serial", 3)
        new = daemon.wait_signed("a.example", "192.0.2.81").read_text()
        verify(daemon.signed("a.example"))
        assert "192.0.2.81" in new and "192.0.2.80" not in new
        # Only what changed was signed: the signature of ns1's address is the same one.
        kept = [line for line in old.splitlines()
                if line.startswith("ns1") and line.split()[3:5] == ["RRSIG", "A"]]
        assert kept and all(line in new for line in kept)

        write_zone(place, "c.example", last=82)
        daemon.wait_log("c.example.: published serial")
        verify(daemon.wait_signed("c.example"))

        write_zone(place, "a.example", last=999, serial=3)
        daemon.wait_log("source.last-good-kept")
        assert "a.example.zone:7:" in daemon.log.read_text()
        assert "192.0.2.81" in daemon.signed("a.example").read_text()
        verify(daemon.signed("a.example"))

        write_zone(place, "a.example", last=83, serial=9)
        verify(daemon.wait_signed("a.example", "192.0.2.83"))

        (place / "zones/b.example.zone").unlink()
        daemon.wait_log("its file is gone")
        assert not daemon.signed("b.example").exists()
        assert (place / "data/removed/b.example.zone").exists()
    finally:
        assert daemon.end() == 0


def test_killed_in_the_middle_loses_nothing(place):
    for number in range(40):
        write_zone(place, f"z{number}.example")
    for delay in (0.01, 0.03, 0.06, 0.1):
        daemon = Daemon(place)
        time.sleep(delay)
        daemon.end(signal.SIGKILL)
        for path in sorted((place / "data").glob("signed/*.zone"))[:3]:
            verify(path)
    daemon = Daemon(place, "--once")
    assert daemon.process.wait(timeout=60) == 0, daemon.log.read_text()
    published = list((place / "data/signed").glob("*.zone"))
    assert len(published) == 42
    for path in published[::7]:
        verify(path)


def test_a_file_that_comes_back_during_its_job(place):
    """As some editors and checkouts do it: removed, and written anew. Nothing must go aside."""
    policy = place / "policy"
    policy.write_text("keys:\n  algorithm: RSASHA256\n  rsa-bits: 4096\n")
    many = "".join(f"h{i} A 192.0.2.{i % 250}\n" for i in range(300))
    for other in (place / "zones").iterdir():
        other.unlink()  # nothing else keeps the workers busy
    write_zone(place, "slow.example", more=many)
    daemon = Daemon(place, "--policy", policy)
    try:
        time.sleep(0.5)
        (place / "zones/slow.example.zone").unlink()
        time.sleep(0.5)
        write_zone(place, "slow.example", last=81, more=many)
        deadline = time.monotonic() + 60
        while "192.0.2.81" not in (daemon.signed("slow.example").read_text()
                                   if daemon.signed("slow.example").exists() else ""):
            assert time.monotonic() < deadline, daemon.log.read_text()
            time.sleep(0.1)
        time.sleep(1)
        verify(daemon.signed("slow.example"))
        assert not list((place / "data/removed").iterdir())
    finally:
        daemon.end()


def test_full_disk_keeps_the_last_good_version(place):
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    small = place / "data"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small]).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        daemon = Daemon(place, "--once")
        assert daemon.process.wait(timeout=30) == 0, daemon.log.read_text()
        good = (small / "signed/a.example.zone").read_bytes()
        (small / "ballast").write_bytes(b"x" * (shutil.disk_usage(small).free - 4096))
        write_zone(place, "a.example", last=90, serial=2,
                   more="".join(f'big{i} TXT "{"y" * 200}"\n' for i in range(30)))
        daemon = Daemon(place, "--once")
        assert daemon.process.wait(timeout=30) != 0
        assert "space" in daemon.log.read_text()
        assert (small / "signed/a.example.zone").read_bytes() == good
        (small / "ballast").unlink()
        assert Daemon(place, "--once").process.wait(timeout=30) == 0
        assert b"192.0.2.90" in (small / "signed/a.example.zone").read_bytes()
    finally:
        subprocess.run(["umount", small], check=True)


def kenter(daemon, *arguments):
    return subprocess.run([KENTER, "--socket", daemon.data / "kenter.sock", *arguments],
                          capture_output=True, text=True)


def test_metrics_are_told_once(place):
    """As Prometheus wants it: the lines of a metric stand together, behind its HELP and TYPE."""
    daemon = Daemon(place, "--listen", "127.0.0.1@0")
    try:
        daemon.wait_log("published serial", 2)
        deadline, text = time.monotonic() + 20, ""
        while "kenter_queries_total" not in text:  # serve takes part in it
            assert time.monotonic() < deadline, text
            text = ask(daemon.data / "kenter.sock", "GET", "/metrics").data.decode()
            time.sleep(0.1)
    finally:
        assert daemon.end() == 0
    families = []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            assert name == families[-1] or name.removeprefix(families[-1]) in ("_bucket", "_sum", "_count"), line
    assert len(families) == len(set(families))
    said = (ROOT / "docs/operate.md").read_text()
    groups = ("kenter_net_",)  # told together
    assert not [name for name in families if name not in said and not name.startswith(groups)]


def test_only_what_changed_is_listed(place):
    """Who follows many zones asks for what has changed, and hears when zones have gone or all may be different."""
    daemon = Daemon(place)

    def since(mark=None):
        return ask(daemon.data / "kenter.sock", "GET", "/v1/zones" + (f"?since={mark}" if mark else "")).json

    def names(reply):
        return [zone["zone"] for zone in reply["zones"]]

    try:
        daemon.wait_log("published serial", 2)
        first = since()
        assert len(names(first)) == 2 and first["complete"]
        assert since(first["mark"]) == {"zones": [], "next": None, "mark": first["mark"], "complete": False}
        write_zone(place, "a.example", last=81, serial=2)
        daemon.wait_log("published serial", 3)
        second = since(first["mark"])
        assert names(second) == ["a.example."] and not second["complete"]
        write_zone(place, "c.example", last=82)
        daemon.wait_log("c.example.: published serial")
        assert names(since(second["mark"])) == ["c.example."]
        assert names(since(first["mark"])) == ["a.example.", "c.example."]
        (place / "zones/b.example.zone").unlink()
        daemon.wait_log("is not served any more")
        third = since(first["mark"])
        assert names(third) == ["a.example.", "c.example."] and third["complete"]
        assert not since(third["mark"])["complete"]
    finally:
        assert daemon.end() == 0
    daemon = Daemon(place)
    try:
        deadline = time.monotonic() + 20
        while "first expiry" not in (told := kenter(daemon, "status").stdout) or "still starting" in told:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert since(third["mark"])["complete"]
    finally:
        assert daemon.end() == 0


def test_backup_and_restore_of_the_registry(place):
    """As docs/operate.md tells it: a copy while it runs, damage, the copy in its place."""
    copy = place / "backup.db"
    backup = [KENTERD, "--data", place / "data", "--backup", copy]
    assert subprocess.run(backup, capture_output=True).returncode == 3  # there is nothing yet
    assert not copy.exists() and not (place / "data").exists()
    daemon = Daemon(place)
    try:
        daemon.wait_log("published serial", 2)
        made = kenter(daemon, "create", "shop.example", "--ns", "ns1.example.net")
        assert made.returncode == 0, made.stdout + made.stderr
        assert kenter(daemon, "set", "shop.example", "www", "300", "A", "192.0.2.80").returncode == 0
        for _ in range(2):  # the second replaces the first
            result = subprocess.run(backup, capture_output=True, text=True)
            assert result.returncode == 0 and "whole and checked" in result.stderr, result.stderr
        assert copy.stat().st_mode & 0o777 == 0o600
    finally:
        assert daemon.end() == 0
    registry = place / "data/registry.db"
    for path in (place / "data").glob("registry.db*"):
        path.rename(place / path.name)
    registry.write_bytes(b"not a database at all" * 400)
    daemon = Daemon(place)  # which says what is wrong, and makes nothing anew
    daemon.wait_log("registry.damaged")
    told = kenter(daemon, "why", "shop.example")
    assert told.returncode != 0 and "registry.damaged" in told.stdout + told.stderr
    assert daemon.end() == 0
    assert registry.read_bytes().startswith(b"not a database")
    registry.unlink()
    shutil.copy(copy, registry)
    for made_from_it in ("image", "signed"):
        shutil.rmtree(place / "data" / made_from_it)
    daemon = Daemon(place)
    try:
        daemon.wait_signed("shop.example", "192.0.2.80")
    finally:
        assert daemon.end() == 0


@pytest.mark.parametrize("arguments, text", [
    ([], "--zones is missing"),
    (["--zones", "x", "--threads", "many"], "--threads"),
    (["--zones", "x", "--log-format", "xml"], "--log-format"),
    (["--zones", "x", "surplus"], "surplus"),
    (["--nonsense"], "nonsense"),
])
def test_wrong_usage(arguments, text):
    result = subprocess.run([KENTERD, *arguments], capture_output=True, text=True)
    assert result.returncode == 2
    assert text in result.stderr and "--help" in result.stderr


def test_wrong_policy_is_named_with_its_line(place):
    policy = place / "policy.yaml"
    policy.write_text("nonsense: 1\nvalidity: never\n")
    daemon = Daemon(place, "--policy", policy, "--once")
    assert daemon.process.wait(timeout=10) == 3
    assert f"{policy}:1:" in daemon.log.read_text()
