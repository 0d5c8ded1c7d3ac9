"""kenter tlsa next, gate, done and status against a real kenterd and a secondary: publish beside what is there, wait
until it is safe, refuse, override, take out what is old; and the hook of ACME clients with what certbot and lego give
it."""
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from auth_support import SCRIPTED
from peers_support import HOST, KENTER, KEY, Kenterd, Nsd, free_port, run, wait, watched

BEGIN = """$TTL 2
@ SOA ns1 hostmaster 1 7200 900 1209600 2
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
mx A 192.0.2.25
"""
SECONDARY = """
zone:
    name: e.test
    allow-notify: {host} {key}
    request-xfr: {host}@{port} {key}
    min-refresh-time: 1
    min-retry-time: 1
"""
HOOK = Path(__file__).resolve().parents[2] / "integrations/acme/kenter-tlsa-hook"


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


def certificate(path, name):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        path / f"{name}.key", "-out", path / f"{name}.pem", "-subj", "/CN=mx.e.test", "-days", "9")
    return path / f"{name}.pem"


@pytest.fixture
def place(tmp_path):
    kenterd = Kenterd(tmp_path)
    kenterd.second = Nsd(tmp_path, "nsd")
    begin = kenterd.path / "begin"
    begin.write_text(BEGIN)
    kenterd.settings |= {
        "remotes": {"ns2": {"addresses": f"{HOST}@{kenterd.second.port}", "key": KEY}},
        "zones": {"e.test": {"edits": True, "file": str(begin), "notify": "ns2", "transfer": [{"key": KEY}]}}}
    kenterd.start()
    wait(lambda: kenterd.serial("e.test"), "e.test is published")
    kenterd.now, kenterd.next = certificate(tmp_path, "now"), certificate(tmp_path, "next")
    record = run(KENTER, "tlsa", "make", "--cert", kenterd.now).stdout.split()[-4:]
    kenterd.kenter("add", "-y", "e.test", "_25._tcp.mx", "2", "TLSA", *record)
    return kenterd


def options(kenterd, *more, cert=None):
    return ["--cert", cert or kenterd.next, "--current", kenterd.now, "--host", "mx.e.test", "--zone", "e.test", "--state",
            kenterd.path / "state.json", "--authority", f"{HOST}@{kenterd.port}", "--server", f"{HOST}@{kenterd.port}",
            *more]


def records(kenterd, name="_25._tcp.mx.e.test"):
    return [str(record) for rrset in kenterd.ask(name, "TLSA").answer for record in rrset]


def test_next_and_gate(place):
    done = run(KENTER, "tlsa", "next", *options(place), code=7)
    assert "update add _25._tcp.mx.e.test. 2 TLSA 3 1 1 " in done.stdout + done.stderr
    assert len(records(place)) == 1
    done = run(KENTER, "tlsa", "next", "--socket", place.socket, "--publish", *options(place), code=7)
    assert len(records(place)) == 2
    done = run(KENTER, "tlsa", "gate", *options(place, "--wait", "0s"), code=7)
    assert "caches:" in done.stdout + done.stderr
    state = json.loads((place.path / "state.json").read_text())
    assert state["ttl"] == 2 and state["old_seen"] and state["complete_since"] > 0
    # The margin passes; so that the test need not wait, the look was a while ago.
    state["complete_since"] -= 100
    (place.path / "state.json").write_text(json.dumps(state))
    run(KENTER, "tlsa", "gate", *options(place, "--wait", "0s"))
    # Another server that is silent holds it up; who overrides it is recorded.
    silent = ["--authority", f"{HOST}@1"]
    done = run(KENTER, "tlsa", "gate", *options(place, *silent, "--wait", "0s"), code=7)
    assert "does not answer" in done.stdout + done.stderr
    run(KENTER, "tlsa", "gate", *options(place, *silent, "--wait", "0s", "--override", "the key is lost"))
    log = json.loads((place.path / "state.json").read_text())["overrides"]
    assert log[0]["because"] == "the key is lost" and "does not answer" in log[0]["breaks"]
    # A stronger digest would put the present record out of use.
    third = certificate(place.path, "third")
    done = run(KENTER, "tlsa", "next", *options(place, "--mtype", "2", cert=third), code=7)
    assert "refused:" in done.stdout + done.stderr


class Mail:
    """A mail server of which the certificate can be changed."""

    def __init__(self, path):
        self.path, self.port, self.process = path, free_port(), None

    def show(self, certificate):
        self.end()
        settings = self.path / "scripts.json"
        settings.write_text(json.dumps([{"address": HOST, "port": self.port, "speaks": "smtp",
                                         "certificate": str(certificate), "key": str(certificate.with_suffix(".key"))}]))
        self.process = subprocess.Popen([sys.executable, SCRIPTED, settings], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def mail(place):
    place.second.start(SECONDARY.format(host=HOST, port=place.port, key=KEY))
    place.second.wait_serial("e.test", place.serial("e.test"))
    anchor = place.path / "anchor"
    anchor.write_text(run(KENTER, "key", "ds", "e.test", "--keys", place.path / "data/keys/e.test").stdout)
    place.common = ["--anchor", anchor, "--server", f"{HOST}@{place.port}", "--authority", f"{HOST}@{place.port}",
                    "--authority", f"{HOST}@{place.second.port}", "--socket", place.socket]
    server = Mail(place.path)
    place.connect = ["--connect", f"mx.e.test={HOST}@{server.port}", "--connect-timeout", "3"]
    with contextlib.ExitStack() as stack:
        stack.callback(server.end)
        server.show(place.now)
        yield server


def tlsa(place, verb, *arguments, code=0):
    """The JSON document; states are below the test's own directory."""
    done = subprocess.run([KENTER, "tlsa", verb, "--json", *place.common, *map(str, arguments)], text=True, timeout=60,
                          capture_output=True, env={**os.environ, "XDG_STATE_HOME": str(place.path / "xdg")})
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def state_passes(place, name="mx.e.test-25", seconds=100):
    """So that the test need not wait for TTL and margin."""
    file = place.path / f"xdg/kenter/tlsa/{name}.json"
    state = json.loads(file.read_text())
    state["complete_since"] -= seconds
    file.write_text(json.dumps(state))


def test_whole_way(place, mail):
    cert = ["--cert", place.next, "mx.e.test:25"]
    first = tlsa(place, "next", *cert, code=7)
    assert first["step"] == "publish" and not first["switch_safe"] and first["safe_at"] is None and not first["kept"]
    assert [line.split()[:5] for line in first["updates"]] == [["update", "add", "_25._tcp.mx.e.test.", "2", "TLSA"]]
    assert len(first["servers"]) == 2 and all(server["answered"] and len(server["records"]) == 1
                                              for server in first["servers"])
    old, new = first["servers"][0]["records"][0], first["updates"][0].split("TLSA ")[1]
    tlsa(place, "next", "--publish", *cert, code=7)
    place.second.wait_serial("e.test", place.serial("e.test"))
    waits = tlsa(place, "gate", "--wait", "0s", *cert, code=7)
    assert waits["step"] == "caches" and waits["safe_at"] is not None and waits["updates"] == []
    assert [sorted(server["records"]) for server in waits["servers"]] == 2 * [sorted([old, new])]
    place.second.end()
    assert tlsa(place, "gate", "--wait", "0s", *cert, code=7)["step"] == "servers"
    place.second.start(SECONDARY.format(host=HOST, port=place.port, key=KEY))
    place.second.wait_serial("e.test", place.serial("e.test"))
    state_passes(place)
    assert tlsa(place, "gate", *cert)["switch_safe"]
    # Not switched yet: nothing may go, and the record of the next certificate is no leftover.
    early = tlsa(place, "done", "--publish", *place.connect, "mx.e.test:25", code=7)
    assert early["step"] == "switch" and "does not show the new certificate" in early["reason"]
    (service,) = tlsa(place, "status", *place.connect, "mx.e.test:25")["services"]
    assert service["step"] == "switch" and service["switch_safe"] and service["next"]["record"] == new
    assert service["leftovers"] == [] and [a["matches"] for a in service["addresses"]] == [[old]]
    assert service["zone"] is None and service["records_at"] == "_25._tcp.mx.e.test."
    # Switched.
    mail.show(place.next)
    document = tlsa(place, "status", *place.connect, "mx.e.test:25")
    (service,) = document["services"]
    assert service["step"] == "remove" and service["leftovers"] == [old]
    assert [finding["code"] for finding in document["findings"]] == ["dane.tlsa-unmatched"]
    told = tlsa(place, "done", *place.connect, "mx.e.test:25", code=7)
    assert told["updates"] == [f"update delete _25._tcp.mx.e.test. TLSA {old}"] and len(records(place)) == 2
    assert tlsa(place, "done", "--publish", *place.connect, "mx.e.test:25")["old"] == [old]
    assert len(records(place)) == 1
    place.second.wait_serial("e.test", place.serial("e.test"))
    assert tlsa(place, "done", *place.connect, "mx.e.test:25")["old"] == []
    (service,) = tlsa(place, "status", *place.connect, "mx.e.test:25")["services"]
    assert service["step"] == "done" and service["leftovers"] == [] and service["next"] is None
    text = run(KENTER, "tlsa", "status", *place.common, *place.connect, "mx.e.test:25").stdout
    assert "matches 3 1 1 " in text and "every server has the record" in text
    # What is shown is replaced without a word: said, and nothing is taken out.
    mail.show(certificate(place.path, "third"))
    document = tlsa(place, "status", *place.connect, "mx.e.test:25", code=1)
    assert document["services"][0]["step"] == "publish"
    assert tlsa(place, "done", "--publish", *place.connect, "mx.e.test:25", code=7)["step"] == "switch"
    assert len(records(place)) == 1
    mail.end()
    hidden = tlsa(place, "done", *place.connect, "mx.e.test:25", code=7)
    assert hidden["step"] == "servers" and "not known what" in hidden["reason"]
    assert tlsa(place, "status", "--no-connect", "mx.e.test:25")["services"][0]["addresses"] == []


def test_alias(place, mail):
    """Records are at the end of the alias: read, published and taken out there; what shares them keeps its own."""
    (record,) = records(place)
    usage, selector, matching, data = record.split()
    for line in (["al", "2", "A", "192.0.2.26"], ["_25._tcp.al", "600", "CNAME", "_dane.mx"],
                 ["_dane.mx", "2", "TLSA", usage, selector, matching, data]):
        place.kenter("add", "-y", "e.test", *line)
    place.second.wait_serial("e.test", place.serial("e.test"))
    cert = ["--cert", place.next, "al.e.test:25"]
    first = tlsa(place, "next", "--publish", "--zone", "e.test", *cert, code=7)
    assert first["step"] == "publish" and len(records(place, "_dane.mx.e.test")) == 2
    assert sorted({server["alias"] or "" for server in first["servers"]}) == ["", "_dane.mx.e.test."]
    assert len(first["servers"]) == 4
    place.second.wait_serial("e.test", place.serial("e.test"))
    waits = tlsa(place, "gate", "--wait", "0s", *cert, code=7)
    assert waits["step"] == "caches" and "600 s" in waits["reason"]
    state_passes(place, "al.e.test-25")
    assert tlsa(place, "gate", "--wait", "0s", *cert, code=7)["step"] == "caches", "the alias may be held for 600 s"
    state_passes(place, "al.e.test-25", 600)
    assert tlsa(place, "gate", "--wait", "0s", *cert)["switch_safe"]
    # Elsewhere: the wait begins anew.
    place.kenter("add", "-y", "e.test", "_other.mx", "2", "TLSA", *run(
        KENTER, "tlsa", "make", "--cert", place.next).stdout.split()[-4:])
    place.kenter("set", "-y", "e.test", "_25._tcp.al", "600", "CNAME", "_other.mx")
    place.second.wait_serial("e.test", place.serial("e.test"))
    assert tlsa(place, "gate", "--wait", "0s", *cert, code=7)["step"] == "caches"
    place.kenter("set", "-y", "e.test", "_25._tcp.al", "600", "CNAME", "_dane.mx")
    place.second.wait_serial("e.test", place.serial("e.test"))
    # mx has the former certificate still, and an alias to the same records.
    other = Mail(place.path / "other")
    other.path.mkdir()
    try:
        other.show(place.next)
        connect = [*place.connect, "--connect", f"al.e.test={HOST}@{other.port}"]
        both = tlsa(place, "done", *connect, "al.e.test:25", "mx.e.test:25")
        assert both["old"] == [] and both["step"] == "done"
        mail.show(place.next)
        done = tlsa(place, "done", "--publish", "--zone", "e.test", *connect, "al.e.test:25", "mx.e.test:25")
        assert len(done["old"]) == 1 and len(records(place, "_dane.mx.e.test")) == 1
    finally:
        other.end()


@pytest.mark.parametrize("client", ["certbot", "lego"])
def test_hook(place, mail, client):
    path = place.path
    lineage = path / "live"
    lineage.mkdir()
    (lineage / "fullchain.pem").write_text(place.next.read_text())
    (lineage / "privkey.pem").write_text(place.next.with_suffix(".key").read_text())
    install = path / "install"
    install.mkdir()
    (install / "cert.pem").write_text(place.now.read_text())
    common = " ".join(map(str, place.common))
    environment = {**os.environ, "KENTER": str(KENTER), "KENTER_TLSA_HOST": "mx.e.test",
                   "KENTER_TLSA_INSTALL": str(install), "KENTER_TLSA_STATE": str(path / "states"),
                   "KENTER_TLSA_RELOAD": f"touch {path}/reloaded",
                   "KENTER_TLSA_OPTIONS": f"--publish --wait 0s {common}",
                   "KENTER_TLSA_DONE": " ".join(map(str, ["--publish", common, *place.connect]))}
    if client == "certbot":
        environment |= {"RENEWED_LINEAGE": str(lineage), "RENEWED_DOMAINS": "mx.e.test"}
    else:
        environment |= {"LEGO_CERT_DOMAIN": "mx.e.test", "LEGO_CERT_PATH": str(lineage / "fullchain.pem"),
                        "LEGO_CERT_KEY_PATH": str(lineage / "privkey.pem")}
    done = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stdout + done.stderr
    assert (install / "cert.pem").read_text() == place.now.read_text() and not (path / "reloaded").exists()
    assert len(records(place)) == 2
    place.second.wait_serial("e.test", place.serial("e.test"))
    run_again = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert run_again.returncode == 7
    file = path / "states/mx.e.test-25.json"
    state = json.loads(file.read_text())
    state["complete_since"] -= 100
    file.write_text(json.dumps(state))
    done = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (install / "cert.pem").read_text() == place.next.read_text()
    assert (install / "key.pem").stat().st_mode & 0o77 == 0 and (path / "reloaded").exists()
    # Its server did not do as it was told, and the record that it leans on stays.
    assert "former records of mx.e.test (port 25) are left" in done.stderr and len(records(place)) == 2
    mail.show(place.next)
    done = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "are left" not in done.stderr, done.stdout + done.stderr
    assert len(records(place)) == 1
