"""Zones of edits in the whole kenterd: nsupdate, and kenter as people use it; what was acknowledged is seen at
once, and is there after restarts and without the image."""
import json
import re
import shutil

import pytest

from api_support import ask
from peers_support import (HOST, OTHER_SECRET, SECRET, Kenterd, program, run, verify, wait, watched)

BEGIN = """$TTL 600
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
"""
ADMIN, ACME, WRONG = "admin.test.", "acme.test.", "wrong.test."


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


def with_edits(path, **more):
    kenterd = Kenterd(path)
    begin = kenterd.path / "begin"
    begin.write_text(BEGIN)
    kenterd.settings |= {
        "keys": {ADMIN: {"secret": SECRET}, ACME: {"secret": SECRET}, WRONG: {"secret": OTHER_SECRET}},
        "zones": {"e.test": {"edits": True, "file": str(begin), "transfer": [{"key": ADMIN}], "update": [
            {"key": ACME, "below": "_acme-challenge.e.test", "types": "TXT"},
            {"key": ADMIN, "name": "locked.e.test", "deny": True},
            {"key": ADMIN}]}}, **more}
    kenterd.start()
    wait(lambda: kenterd.serial("e.test"), "e.test is published")
    return kenterd


def update(kenterd, script, key=ADMIN, secret=SECRET, says=None, zone="e.test"):
    """nsupdate, and what it says of a refusal."""
    signed = ["-y", f"hmac-sha256:{key}:{secret}"] if key else []
    done = run(program("nsupdate"), *signed, code=0 if says is None else 2,
               stdin=f"server {HOST} {kenterd.port}\nzone {zone}\ncheck-names off\n{script}send\n")
    if says is not None:
        assert says in done.stdout + done.stderr
    return done


def dig(kenterd, name, rdtype="A"):
    done = run(program("dig"), f"@{HOST}", "-p", kenterd.port, name, rdtype, "+short", "+norec")
    return done.stdout.split("\n")[:-1]


def test_nsupdate(tmp_path):
    kenterd = with_edits(tmp_path)
    serial = kenterd.serial("e.test")
    update(kenterd, "update add a.e.test 300 A 192.0.2.10\nupdate add a.e.test 300 A 192.0.2.11\n"
                    "update add t.e.test 300 TXT \"two\" \"words\"\n")
    assert sorted(dig(kenterd, "a.e.test")) == ["192.0.2.10", "192.0.2.11"]
    assert kenterd.serial("e.test") == serial + 1
    assert "192.0.2.11" in kenterd.kenter("get", "e.test", "a", "A")
    update(kenterd, "update delete a.e.test A 192.0.2.10\n")
    assert dig(kenterd, "a.e.test") == ["192.0.2.11"]
    update(kenterd, "update delete t.e.test\nupdate add www.e.test 60 A 192.0.2.81\n")
    assert dig(kenterd, "t.e.test", "TXT") == []
    # Prerequisites: all hold, or nothing is done.
    update(kenterd, "prereq yxdomain a.e.test\nprereq nxrrset a.e.test AAAA\nprereq yxrrset a.e.test A 192.0.2.11\n"
                    "update add a.e.test 300 AAAA 2001:db8::11\n")
    assert dig(kenterd, "a.e.test", "AAAA") == ["2001:db8::11"]
    for prerequisite, says in (("nxdomain a.e.test", "YXDOMAIN"), ("yxdomain no.e.test", "NXDOMAIN"),
                               ("yxrrset a.e.test MX", "NXRRSET"), ("nxrrset a.e.test A", "YXRRSET"),
                               ("yxrrset a.e.test A 192.0.2.99", "NXRRSET")):
        update(kenterd, f"prereq {prerequisite}\nupdate add bad.e.test 300 A 192.0.2.66\n", says=says)
    # Who may what.
    update(kenterd, "update add _acme-challenge.e.test 60 TXT token\n", key=ACME)
    assert dig(kenterd, "_acme-challenge.e.test", "TXT") == ['"token"']
    update(kenterd, "update add bad.e.test 300 A 192.0.2.66\n", key=ACME, says="REFUSED")
    update(kenterd, "update add _acme-challenge.e.test 60 A 192.0.2.66\n", key=ACME, says="REFUSED")
    update(kenterd, "update add bad.e.test 300 A 192.0.2.66\n", key=WRONG, secret=OTHER_SECRET, says="REFUSED")
    update(kenterd, "update add bad.e.test 300 A 192.0.2.66\n", secret=OTHER_SECRET, says="BADSIG")
    update(kenterd, "update add bad.e.test 300 A 192.0.2.66\n", key="none.test.", says="BADKEY")
    update(kenterd, "update add bad.e.test 300 A 192.0.2.66\n", key=None, says="REFUSED")
    update(kenterd, "update add locked.e.test 300 A 192.0.2.66\n", says="REFUSED")
    update(kenterd, "update add bad.other.test 300 A 192.0.2.66\n", says="NOTAUTH", zone="other.test")
    update(kenterd, "update add bad.other.test 300 A 192.0.2.66\n", says="NOTZONE")
    # A change that the gate would not let through: the zone must keep its name servers.
    update(kenterd, "update add bad.e.test 300 CNAME www\nupdate add locked.e.test 300 A 192.0.2.66\n", says="REFUSED")
    assert dig(kenterd, "bad.e.test") == [] and dig(kenterd, "locked.e.test") == []
    update(kenterd, "".join(f"update add m{i}.e.test 60 A 192.0.2.{i}\n" for i in range(200)))
    verify(tmp_path, kenterd.kenter("get", "--signed", "e.test"), "e.test")
    # It lasts: after kill -9, after a restart, without the image.
    wanted, serial = kenterd.kenter("get", "e.test"), kenterd.serial("e.test")
    kenterd.kill()
    kenterd.start()
    assert kenterd.kenter("get", "e.test") == wanted and kenterd.serial("e.test") == serial
    kenterd.end()
    shutil.rmtree(kenterd.path / "data/image")
    kenterd.start()
    wait(lambda: kenterd.serial("e.test"), "e.test is published again")
    assert without_soa(kenterd.kenter("get", "e.test")) == without_soa(wanted)
    assert kenterd.serial("e.test") >= serial
    assert dig(kenterd, "m199.e.test") == ["192.0.2.199"]
    shutil.rmtree(kenterd.path / "data/image")  # while it runs
    wait(lambda: (kenterd.path / "data/image/data.mdb").exists() and kenterd.serial("e.test"), "a new image")
    wait(kenterd.healthy, "kenterd is healthy")
    update(kenterd, "update add late.e.test 60 A 192.0.2.7\n")
    assert dig(kenterd, "late.e.test") == ["192.0.2.7"]
    verify(tmp_path, kenterd.kenter("get", "--signed", "e.test"), "e.test")


def without_soa(text):
    return [line for line in text.splitlines() if "\tSOA\t" not in line and not line.startswith(";")]


def test_kenter(tmp_path):
    kenterd = with_edits(tmp_path, **{"zone-directories": [str(tmp_path / "kenterd/zones")]})
    kenterd.put("f.test", BEGIN)
    wait(lambda: kenterd.serial("f.test"), "f.test is published")
    listed = kenterd.kenter("zones")
    assert "e.test" in listed and "f.test" in listed
    status = kenterd.kenter("status")
    for word in ("supervisor", "keys", "control", "serve", "pid"):
        assert word in status
    assert "f.test" in kenterd.kenter("status", "f.test")
    # Changes: shown, then made.
    shown = kenterd.kenter("add", "e.test", "new", "1h", "A", "192.0.2.7", "--dry-run")
    assert "192.0.2.7" in shown and dig(kenterd, "new.e.test") == []
    kenterd.kenter("add", "e.test", "new", "1h", "A", "192.0.2.7")
    assert dig(kenterd, "new.e.test") == ["192.0.2.7"]
    kenterd.kenter("set", "e.test", "www", "5m", "A", "192.0.2.90")
    assert dig(kenterd, "www.e.test") == ["192.0.2.90"]
    kenterd.kenter("delete", "e.test", "new", "A", "--dry-run")
    assert dig(kenterd, "new.e.test") == ["192.0.2.7"]
    kenterd.kenter("delete", "e.test", "new")
    assert dig(kenterd, "new.e.test") == []
    assert kenterd.kenter("get", "e.test", "www", "A").split()[-1] == "192.0.2.90"
    assert "RRSIG" in kenterd.kenter("get", "--signed", "e.test", "www")
    said = kenterd.kenter("delete", "e.test", "@", "NS", code=None)
    assert "NS" in said and len(dig(kenterd, "e.test", "NS")) == 2, said
    said = kenterd.kenter("add", "f.test", "new", "1h", "A", "192.0.2.7", code=None)
    assert str(kenterd.zones / "f.test.zone") in said
    # A broken file names its line, the last good version stays; repaired, nothing is left of it.
    kenterd.put("f.test", BEGIN + "www A 192.0.2.300\n")
    wait(lambda: "f.test.zone:8" in kenterd.kenter("why", "f.test", code=None), "the line is named")
    assert dig(kenterd, "www.f.test") == ["192.0.2.80"]
    assert "192.0.2.300" in kenterd.kenter("zones", code=None)
    kenterd.put("f.test", BEGIN + "more A 192.0.2.30\n")
    wait(lambda: dig(kenterd, "more.f.test") == ["192.0.2.30"], "the repaired zone")
    assert "f.test.zone:8" not in kenterd.kenter("why", "f.test")
    log = kenterd.kenter("log", "f.test")
    assert "192.0.2.300" in log
    # Zones that the API makes.
    (tmp_path / "content").write_text(BEGIN)
    kenterd.kenter("create", "made.test", "--content", tmp_path / "content")
    wait(lambda: kenterd.serial("made.test"), "made.test is published")
    kenterd.kenter("create", "bare.test", "--ns", "ns1.e.test.")
    wait(lambda: kenterd.serial("bare.test"), "bare.test is published")
    kenterd.kenter("create", "made.test", "--content", tmp_path / "content", code=1)
    # One of a file that no setting names, and that its sandbox did not let it see.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text(BEGIN)
    kenterd.kenter("create", "file.test", "--file", tmp_path / "elsewhere/file")
    wait(lambda: kenterd.serial("file.test"), "file.test is published")
    (tmp_path / "elsewhere/file").write_text(BEGIN.replace("192.0.2.80", "192.0.2.88"))
    wait(lambda: dig(kenterd, "www.file.test") == ["192.0.2.88"], "its edit is seen", seconds=5)
    wait(kenterd.healthy, "kenterd is healthy")
    kenterd.kenter("remove", "file.test", "--yes")
    kenterd.wait_gone("file.test")
    kenterd.kenter("add", "made.test", "x", "60", "TXT", '"a b"')
    assert dig(kenterd, "x.made.test", "TXT") == ['"a b"']
    kenterd.end()
    kenterd.start()
    assert dig(kenterd, "x.made.test", "TXT") == ['"a b"']
    # Files for other servers.
    target = tmp_path / "export"
    target.mkdir()
    kenterd.kenter("export", "--to", target)
    assert sorted(file.name for file in target.glob("*.zone")) == [
        "bare.test.zone", "e.test.zone", "f.test.zone", "made.test.zone"]
    run(program("named-checkzone"), "made.test", target / "made.test.zone")
    verify(tmp_path, (target / "f.test.zone").read_text(), "f.test")
    kenterd.kenter("remove", "made.test", "--yes")
    kenterd.wait_gone("made.test")
    kenterd.kenter("remove", "f.test", "--yes", code=1)
    kenterd.kenter("export", "--to", target)
    assert not (target / "made.test.zone").exists()
    kenterd.kenter("reload")
    kenterd.kenter("reload", "f.test")
    top = kenterd.kenter("top", "--once", "--interval", "1s")
    assert "zones" in top
    for verb in (["zones"], ["status"], ["why", "e.test"], ["log", "e.test"], ["get", "e.test", "www"]):
        json.loads(kenterd.kenter(*verb, "--json"))


METRIC = re.compile(r'^([a-z_]+)(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})? (-?[0-9.e+-]+|\+Inf|NaN)$')


def test_metrics_and_health(tmp_path):
    kenterd = with_edits(tmp_path)
    update(kenterd, "update add a.e.test 300 A 192.0.2.10\n")
    update(kenterd, "update add locked.e.test 300 A 192.0.2.10\n", says="REFUSED")
    text = ask(kenterd.socket, "GET", "/metrics").data.decode()
    typed, seen = {}, []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed, line
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = METRIC.match(line)
            assert match, line
            name = re.sub("_(bucket|sum|count)$", "", match[1]) if match[1] not in typed else match[1]
            assert name in typed, line
            assert (match[1], match[2]) not in seen, line
            if not seen or seen[-1][0] != match[1]:
                assert match[1] not in [other for other, _ in seen], f"the lines of {match[1]} stand together"
            seen.append((match[1], match[2]))
    for name in ("kenter_questions_total", "kenter_answers_total", "kenter_answer_seconds", "kenter_zones",
                 "kenter_expiry_seconds", "kenter_zone_expiry_seconds", "kenter_sign_queue",
                 "kenter_gate_refusals_total", "kenter_transfers_total", "kenter_resident_bytes"):
        assert name in typed, name
    values = kenterd.metrics()
    for process in ("supervisor", "keys", "control", "serve"):
        assert values[f'kenter_resident_bytes{{process="{process}",pages="own"}}'] > 0
    assert values['kenter_zones{state="ok"}'] == 1
    assert 6 * 86400 < values["kenter_expiry_seconds"] <= 14 * 86400
    assert values['kenter_questions_total{type="SOA"}'] > 0
    assert ask(kenterd.socket, "GET", "/healthz").json == {"healthy": True, "problems": []}
