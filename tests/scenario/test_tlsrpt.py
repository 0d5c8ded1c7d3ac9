"""Reports about TLS (RFC 8460) made, sent by https and by mail, tried again, never sent twice; those of others read."""
import email
import gzip
import json
import os
import pathlib
import shutil
import tempfile
import textwrap

import pytest

from mail_support import Authority, Mail
from peers_support import KENTER, Server, wait
from world_support import World

DAY = "2026-11-21"
ORGANIZATION = ["--organization", "Sender Inc.", "--contact", "mailto:tlsrpt@sender.test", "--submitter", "mx.sender.test"]
# name below report.test: the record at _smtp._tls
RUA = {
    "good": "v=TLSRPTv1; rua=https://in.report.test/good,mailto:tls@good.report.test",
    "down": "v=TLSRPTv1; rua=https://in.report.test/down",
    "moved": "v=TLSRPTv1; rua=https://in.report.test/moved",
    "mute": "v=TLSRPTv1; rua=https://in.report.test/mute",
    "wrong": "v=TLSRPTv1; rua=https://wrong.report.test/good",
    "silent": "v=spf1 -all",
}
RECEIVER = """\
import http.server, json, pathlib, ssl, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        number = len(list(pathlib.Path({path!r}).iterdir()))
        (pathlib.Path({path!r}) / f"{{number}}{{self.path.replace('/', '-')}}").write_bytes(body)
        if self.path == "/mute":
            return
        code = {{"/good": 201, "/down": 503, "/moved": 307}}[self.path]
        self.send_response(code)
        self.send_header("Content-Length", "0")
        if code == 307:
            self.send_header("Location", "https://in.report.test/good")
        self.end_headers()
        assert self.headers["Content-Type"] == "application/tlsrpt+gzip"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({identity!r})
server = http.server.ThreadingHTTPServer(("127.0.2.90", 443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def scene():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    path = pathlib.Path(tempfile.mkdtemp(prefix="kenter-reports-"))
    path.chmod(0o755)
    authority = Authority(path, "authority")
    identity = authority.issue("in", ["in.report.test"])
    try:
        with World(path) as world:
            server = world.server("nsd")
            for zone in (".", "test."):
                world.zone(zone, [server])
            world.zone("report.test.", [server], "\n".join(
                [f'_smtp._tls.{name} TXT "{text}"' for name, text in RUA.items()] +
                ["in A 127.0.2.90", "wrong A 127.0.2.90"]))
            world.start()
            mail = Mail(world, world.unbound(validating=True))
            try:
                world.inside.address("127.0.2.90")
                (path / "posts").mkdir()
                script = path / "receiver.py"
                script.write_text(RECEIVER.format(path=str(path / "posts"), identity=str(identity.file)))
                mail.start(Server(path, "receiver"), "/usr/bin/python3", script)
                sendmail = path / "sendmail"
                sendmail.write_text(textwrap.dedent(f"""\
                    #!/bin/sh
                    echo "$@" >> {path}/arguments
                    [ ! -e {path}/full ] || exit 75
                    cat > {path}/mail.$(ls {path}/mail.* 2>/dev/null | wc -l)
                    """))
                sendmail.chmod(0o755)
                mail.options = ["--anchor", world.anchor(), "--server", "127.0.53.1"]
                mail.authority, mail.sendmail = authority, sendmail
                wait(lambda: mail.run("/usr/bin/python3", "-c",
                                      "import socket; socket.create_connection(('127.0.2.90', 443))").returncode == 0,
                     "the receiver listens")
                yield mail
            finally:
                mail.end()
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def spool(scene, tmp_path):
    for file in [*(scene.path / "posts").iterdir(), *scene.path.glob("mail.*")]:
        file.unlink()
    return tmp_path / "spool"


def session(name, result="success", **more):
    return json.dumps({"time": f"{DAY}T10:00:00Z", "policy-domain": f"{name}.report.test", "result-type": result, **more})


def send(mail, spool, *sessions, later="0s", code=0, options=()):
    """As it would be so much later than two hours after the day."""
    file = spool.parent / "sessions.jsonl"
    file.write_text("\n".join(sessions) + "\n")
    done = mail.run(KENTER, "tlsrpt", "--json", "--send", "--sessions", file, "--output", spool, "--day", DAY,
                    "--sendmail", mail.sendmail, "--report-ca", mail.authority.file, *ORGANIZATION, *mail.options,
                    "--at", f"now+{later}", *options)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def states(document):
    return [(row["domain"].split(".")[0], row["uri"].split(":")[0], row["state"]) for row in document["sent"]]


def posts(mail):
    return sorted(file.name.split("-")[1] for file in (mail.path / "posts").iterdir())


def test_sent_once_to_all(scene, spool):
    document = send(scene, spool, session("good"), session("good", "certificate-expired"), session("silent"))
    assert states(document) == [("good", "https", "sent"), ("good", "mailto", "sent")]
    assert [(row["domain"], bool(row["file"]), row["reason"]) for row in document["reports"]] == [
        ("good.report.test", True, None), ("silent.report.test", False, "the domain asks for no reports")]
    again = send(scene, spool, session("good"), later="1h")
    assert again["sent"] == [] and "reports" not in again
    assert posts(scene) == ["good"]
    posted = json.loads(gzip.decompress(next((scene.path / "posts").iterdir()).read_bytes()))
    assert posted["policies"][0]["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 1}
    files = list(scene.path.glob("mail.*"))
    assert len(files) == 1
    message = email.message_from_bytes(files[0].read_bytes())
    assert message["To"] == "<tls@good.report.test>" and message["From"] == "<tlsrpt@sender.test>"
    assert message["TLS-Report-Domain"] == "good.report.test" and message["TLS-Report-Submitter"] == "mx.sender.test"
    assert message["TLS-Required"] == "No"
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "tlsrpt"
    text, attached = message.get_payload()
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(attached.get_payload(decode=True))) == posted
    assert attached.get_filename() == f"{document['sent'][0]['report']}.json.gz"
    assert (scene.path / "arguments").read_text().splitlines()[-1] == "-t -i -f tlsrpt@sender.test"
    shown = scene.run(KENTER, "tlsrpt", "show", "--json", files[0])
    assert shown.returncode == 0 and json.loads(shown.stdout)["reports"][0]["id"] == posted["report-id"]


@pytest.mark.parametrize("name", ["down", "moved", "wrong"])
def test_tried_for_a_day(scene, spool, name):
    """Busy, elsewhere (which is not followed), without the right certificate."""
    document = send(scene, spool, session(name))
    assert states(document) == [(name, "https", "waiting")], document
    assert send(scene, spool, session(name), later="10m")["sent"] == []
    document = send(scene, spool, later="16m")
    assert states(document) == [(name, "https", "waiting")] and document["sent"][0]["tries"] == 2
    assert states(send(scene, spool, later="30h")) == [(name, "https", "given-up")]
    assert send(scene, spool, later="40h")["sent"] == []
    assert posts(scene) == ([] if name == "wrong" else [name] * 3)


def test_not_again_when_it_may_have_arrived(scene, spool):
    document = send(scene, spool, session("mute"))
    assert states(document) == [("mute", "https", "given-up")]
    assert [finding["code"] for finding in document["findings"]] == ["tlsrpt.unsent"]
    assert send(scene, spool, later="1h")["sent"] == [] and posts(scene) == ["mute"]
    # The process died while it sent.
    note = next(spool.glob("*mute*.send"))
    state = json.loads(note.read_text())
    state["targets"][0]["state"] = "sending"
    note.write_text(json.dumps(state))
    document = send(scene, spool, later="2h")
    assert states(document) == [("mute", "https", "given-up")] and "may have arrived" in document["sent"][0]["reason"]
    assert posts(scene) == ["mute"]


def test_mail_waits_for_sendmail(scene, spool):
    (scene.path / "full").touch()
    try:
        assert states(send(scene, spool, session("good"))) == [("good", "https", "sent"), ("good", "mailto", "waiting")]
    finally:
        (scene.path / "full").unlink()
    assert states(send(scene, spool, later="20m")) == [("good", "mailto", "sent")]
    assert posts(scene) == ["good"]


def test_spread(scene, spool):
    assert send(scene, spool, session("good"), options=["--spread", "4h"])["sent"] == []
    assert states(send(scene, spool, later="4h")) == [("good", "https", "sent"), ("good", "mailto", "sent")]


def test_bad_options(scene, spool):
    for options in ([], ["--output", "x", "--contact", "nobody"]):
        done = scene.run(KENTER, "tlsrpt", "--send", "--sessions", "x", *ORGANIZATION, *options)
        assert done.returncode == 2, done.stderr


# --- reports of others ---

def report(*policies, **more):
    return json.dumps({"organization-name": "Other \x1b[31mInc.", "policies": [
        {"policy": {"policy-type": kind, "policy-domain": "us.test"},
         "summary": {"total-successful-session-count": good, "total-failure-session-count": sum(row[2] for row in rows)},
         "failure-details": [{"result-type": result, "receiving-mx-hostname": mx, "failed-session-count": count,
                              "failure-reason-code": "x" * 20} for mx, result, count in rows]}
        for kind, good, rows in policies], **more})


def test_show(tmp_path):
    import subprocess
    (tmp_path / "a.json").write_text(report(("tlsa", 10, [("mx1.us.test", "certificate-expired", 2)])))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(report(
        ("tlsa", 5, [("mx1.us.test", "certificate-expired", 1), ("mx2.us.test", "starttls-not-supported", 4)]),
        ("sts", 3, [])).encode()))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b" " * 100_000_000))
    (tmp_path / "broken.json").write_text('{"policies": [')
    (tmp_path / "deep.json").write_text("[" * 1_000_000)
    good = [tmp_path / "a.json", tmp_path / "b.json.gz"]
    done = subprocess.run([KENTER, "tlsrpt", "show", *good], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "us.test, DANE (TLSA records): 15 sessions good, 7 failed (2 reports)" in done.stdout
    assert "  mx1.us.test: 3 times certificate-expired (2 reports): the certificate has expired" in done.stdout
    assert "us.test, MTA-STS: 3 sessions good, 0 failed" in done.stdout
    assert "\x1b" not in done.stdout
    bad = [tmp_path / name for name in ("bomb.gz", "broken.json", "deep.json", "missing")]
    done = subprocess.run([KENTER, "tlsrpt", "show", "--json", *good, *bad], capture_output=True, text=True, timeout=20)
    document = json.loads(done.stdout)
    assert done.returncode == 1 and document["summary"]["reports"] == 2
    assert [finding["code"] for finding in document["findings"]].count("tlsrpt.report") == 3
    assert document["policies"][1]["causes"][0] | {"example": None} == {
        "mx": "mx1.us.test", "result-type": "certificate-expired", "count": 3, "reports": 2, "example": None}
