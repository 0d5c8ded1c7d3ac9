"""Services that kenterd keeps, as kenter tlsa next, gate, done and status and the hook of ACME clients see them: what
kenterd says counts. Its clock is moved on while it is dead, so that nobody has to wait for TTLs."""
import json
import os
import shutil
import struct
import subprocess
import time

import pytest

from peers_support import HOST, KENTER, KENTERD, Kenterd, run, wait, watched
from test_tlsa_next import BEGIN, HOOK, Mail, certificate, records

CLOCK = KENTERD.parent / "tests/tools/clockshift.so"
CACHES = 100  # more than TTL and margin


@pytest.fixture
def place(tmp_path):
    with watched():
        kenterd = Kenterd(tmp_path)
        kenterd.one, kenterd.two, kenterd.three = (certificate(tmp_path, name) for name in ("one", "two", "three"))
        begin = kenterd.path / "begin"
        begin.write_text(BEGIN.replace("@ NS ns2\n", ""))
        kenterd.install, kenterd.next = tmp_path / "tls", tmp_path / "next.pem"
        kenterd.install.mkdir()
        shutil.copy(kenterd.one, kenterd.install / "cert.pem")
        kenterd.settings |= {
            "zones": {"e.test": {"file": str(begin)}},
            "tlsa": [{"host": "mx.e.test", "ports": 25, "certificate": str(kenterd.install / "cert.pem"), "next": str(kenterd.next),
                      "ttl": "2s", "servers": f"{HOST}@{kenterd.port}"}]}
        kenterd.shift = tmp_path / "shift"
        start(kenterd, 0)
        anchor = tmp_path / "anchor"
        anchor.write_text(run(KENTER, "key", "ds", "e.test", "--keys", kenterd.path / "data/keys/e.test").stdout)
        mail = Mail(tmp_path)
        mail.show(kenterd.one)
        kenterd.mail = mail
        kenterd.common = ["--socket", kenterd.socket, "--anchor", anchor, "--server", f"{HOST}@{kenterd.port}"]
        kenterd.connect = ["--connect", f"mx.e.test={HOST}@{mail.port}", "--connect-timeout", "3"]
        yield kenterd
        mail.end()


def start(kenterd, shift):
    kenterd.shift.write_bytes(struct.pack("q", shift))
    kenterd.start(environment={"LD_PRELOAD": str(CLOCK), "KENTER_CLOCK_SHIFT": str(kenterd.shift),
                               "ASAN_OPTIONS": "verify_asan_link_order=0"})
    wait(lambda: kenterd.serial("e.test") and records(kenterd), "a record is published")


def time_passes(kenterd, away=0):
    kenterd.end()
    time.sleep(away)  # longer than the pause between questions to it
    start(kenterd, CACHES)


def tlsa(kenterd, verb, *arguments, code=0):
    done = run(KENTER, "tlsa", verb, "--json", *kenterd.common, *arguments, code=code)
    return json.loads(done.stdout)


def record(file):
    return run(KENTER, "tlsa", "make", "--cert", file).stdout.strip().lower()


def same(texts, *files):
    return sorted("".join(text.split()) for text in texts) == sorted("".join(record(file).split()) for file in files)


def hook(kenterd, client, lineage, code, **more):
    environment = {**os.environ, "KENTER": str(KENTER), "KENTER_TLSA_HOST": "mx.e.test",
                   "KENTER_TLSA_INSTALL": str(kenterd.install), "KENTER_TLSA_NEXT": str(kenterd.next),
                   "KENTER_TLSA_OPTIONS": " ".join(map(str, ["--wait 0s", *kenterd.common])),
                   "KENTER_TLSA_DONE": " ".join(map(str, [*kenterd.common, *kenterd.connect])),
                   "XDG_STATE_HOME": str(kenterd.path / "xdg"), **more}
    if client == "certbot":
        environment |= {"RENEWED_LINEAGE": str(lineage), "RENEWED_DOMAINS": "mx.e.test"}
    else:
        environment |= {"LEGO_CERT_DOMAIN": "mx.e.test", "LEGO_CERT_PATH": str(lineage / "fullchain.pem"),
                        "LEGO_CERT_KEY_PATH": str(lineage / "privkey.pem")}
    done = subprocess.run([HOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("client", ["certbot", "lego"])
def test_hook(place, client):
    lineage = place.path / "live"
    lineage.mkdir()
    shutil.copy(place.two, lineage / "fullchain.pem")
    shutil.copy(place.two.with_suffix(".key"), lineage / "privkey.pem")
    installed = place.install / "cert.pem"
    hook(place, client, lineage, 7)
    assert same(records(place), place.one, place.two) and installed.read_bytes() == place.one.read_bytes()
    time_passes(place)
    text = hook(place, client, lineage, 0)
    # The server did not reload.
    assert installed.read_bytes() == place.two.read_bytes() and "are left" in text
    place.mail.show(place.two)
    done = tlsa(place, "done", *place.connect, "mx.e.test:25")
    assert done["kept"] and done["step"] == "done" and done["updates"] == [] and same(records(place), place.one, place.two)
    # The same once more changes nothing; nor does a renewal with the key that is in use.
    assert "are left" not in hook(place, client, lineage, 0)


def test_gate(place):
    arguments = ["mx.e.test:25", "--wait", "0s", "--cert"]
    # Nothing is prepared, or another one.
    document = tlsa(place, "gate", *arguments, place.two, code=1)
    assert [finding["code"] for finding in document["findings"]] == ["dane.not-the-next"]
    shutil.copy(place.two, place.next)
    document = tlsa(place, "gate", *arguments, place.three, code=1)
    assert str(place.next) in document["findings"][0]["message"]
    assert tlsa(place, "gate", *arguments, place.one)["kept"], "the key that is in use"
    document = tlsa(place, "gate", *arguments, place.two, code=7)
    assert document["kept"] and not document["switch_safe"] and document["step"] in ("publish", "servers", "caches")
    assert document["updates"] == [] and document["safe_at"] and not (place.path / "xdg").exists()
    # A key does as well as its certificate.
    assert tlsa(place, "next", *arguments, place.two.with_suffix(".key"), code=7)["step"] == document["step"]
    assert tlsa(place, "done", *place.connect, "--cert", place.two, "mx.e.test:25", code=7)["step"] == "switch"
    # It goes on waiting while kenterd is started anew.
    waits = subprocess.Popen([KENTER, "tlsa", "gate", *place.common, "mx.e.test:25", "--wait", "60s", "--cert", place.two],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not waits.stdout.readline().startswith("switch")
    time_passes(place, 6)
    text, _ = waits.communicate(timeout=60)
    assert waits.returncode == 0 and "\nswitch: " in "\n" + text and "api." not in text, text
    # Without kenterd, or with one that does not keep the service, the servers are asked.
    state = ["--state", place.path / "state", "--authority", f"{HOST}@{place.port}", "--wait", "0s", "--cert", place.two]
    assert not tlsa(place, "gate", *state, "www.e.test:443", code=7)["kept"]
    place.end()
    tlsa(place, "gate", *state, "mx.e.test:25", code=3)


def test_status(place):
    (service,) = tlsa(place, "status", *place.connect)["services"]
    assert service["kept"] and service["step"] == "done" and service["leftovers"] == []
    assert same(service["addresses"][0]["matches"], place.one) and service["addresses"][0]["not_after"]
    shutil.copy(place.two, place.next)
    wait(lambda: len(records(place)) == 2, "the next record is published")
    (service,) = tlsa(place, "status", *place.connect, "mx.e.test:25")["services"]
    assert service["leftovers"] == [] and service["next"]["file"] == str(place.next)
    # It shows what nobody announced.
    place.mail.show(place.three)
    document = tlsa(place, "status", *place.connect, code=1)
    assert document["services"][0]["addresses"][0]["matches"] == []
    assert "dane.tlsa-mismatch" in [finding["code"] for finding in document["findings"]]
    text = run(KENTER, "tlsa", "status", *place.common, *place.connect, code=1).stdout
    assert "mx.e.test:25" in text and "kenterd" in text and "matches no record" in text
    (service,) = tlsa(place, "status", "--no-connect")["services"]
    assert service["addresses"] == [] and service["step"] != ""
