"""kenter tlsa next and gate against a real kenterd: publish beside what is there, wait until it is safe, refuse,
override; and the hook of ACME clients with what certbot and lego give it."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from peers_support import HOST, KENTER, Kenterd, run, wait, watched

BEGIN = """$TTL 2
@ SOA ns1 hostmaster 1 7200 900 1209600 2
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
mx A 192.0.2.25
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
    begin = kenterd.path / "begin"
    begin.write_text(BEGIN)
    kenterd.settings |= {"zones": {"e.test": {"edits": True, "file": str(begin)}}}
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


def records(kenterd):
    return [str(record) for rrset in kenterd.ask("_25._tcp.mx.e.test", "TLSA").answer for record in rrset]


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


@pytest.mark.parametrize("client", ["certbot", "lego"])
def test_hook(place, client):
    path = place.path
    lineage = path / "live"
    lineage.mkdir()
    (lineage / "fullchain.pem").write_text(place.next.read_text())
    (lineage / "privkey.pem").write_text(place.next.with_suffix(".key").read_text())
    install = path / "install"
    install.mkdir()
    (install / "cert.pem").write_text(place.now.read_text())
    more = (f"--publish --socket {place.socket} --wait 0s --authority {HOST}@{place.port} "
            f"--server {HOST}@{place.port}")
    environment = {**os.environ, "KENTER": str(KENTER), "KENTER_TLSA_HOST": "mx.e.test", "KENTER_TLSA_ZONE": "e.test",
                   "KENTER_TLSA_INSTALL": str(install), "KENTER_TLSA_STATE": str(path / "states"),
                   "KENTER_TLSA_RELOAD": f"touch {path}/reloaded", "KENTER_TLSA_OPTIONS": more}
    if client == "certbot":
        environment |= {"RENEWED_LINEAGE": str(lineage), "RENEWED_DOMAINS": "mx.e.test"}
    else:
        environment |= {"LEGO_CERT_DOMAIN": "mx.e.test", "LEGO_CERT_PATH": str(lineage / "fullchain.pem"),
                        "LEGO_CERT_KEY_PATH": str(lineage / "privkey.pem")}
    done = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stdout + done.stderr
    assert (install / "cert.pem").read_text() == place.now.read_text() and not (path / "reloaded").exists()
    assert len(records(place)) == 2
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
