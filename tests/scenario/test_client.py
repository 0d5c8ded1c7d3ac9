"""The verbs of kenter that ask a running kenterd, against the API over zones in memory: what a person
sees, what a script sees, what happens when kenterd is not there or does not speak as it should."""
import json
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from api_support import BUILD, ask, serving

KENTER = BUILD / "kenter"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "KENTER_SOCKET"}


@pytest.fixture
def api(tmp_path):
    path = tmp_path / "socket"
    with serving(path, "--later", 10):
        yield path


def kenter(*args, path=None, stdin="", cwd=None):
    environment = {**ENVIRONMENT, **({"KENTER_SOCKET": str(path)} if path else {})}
    return subprocess.run([KENTER, *map(str, args)], input=stdin, text=True, capture_output=True,
                          env=environment, timeout=60, cwd=cwd)


def good(*args, **more):
    result = kenter(*args, **more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def bad(code, finding, *args, **more):
    result = kenter(*args, **more)
    assert result.returncode == code, result.stdout + result.stderr
    assert f"[{finding}]" in result.stdout + result.stderr
    return result


def document(*args, **more):
    return json.loads(kenter(*args, "--json", **more).stdout)


def test_zones(api):
    lines = good("zones", path=api).splitlines()
    assert lines[0].split() == ["ZONE", "STATE", "SERIAL", "EXPIRES", "RE-SIGN", "SOURCE"]
    assert [line.split()[0] for line in lines[1:]] == [
        zone["zone"] for zone in ask(api, "GET", "/v1/zones").json["zones"]]
    assert "line 7" in next(line for line in lines if "broken.test." in line)
    assert len({line.index(word) for line in lines for word in ("/etc", "SOURCE", "edits")
                if word in line}) == 1
    only = good("zones", "--state", "problem", "-q", path=api).splitlines()
    assert len(only) == 1 and only[0].startswith("broken.test.")
    assert "no zones" in good("zones", "--state", "expired", path=api)
    assert document("zones", path=api)["zones"] == ask(api, "GET", "/v1/zones").json["zones"]
    assert document("zones", "--state", "expired", path=api)["zones"] == []


def test_the_socket_before_the_verb(api):
    """As kenterd --help shows it; what stands behind the verb counts more."""
    for words in (["--socket", api], [f"--socket={api}"]):
        assert good(*words, "status") == good("status", "--socket", api)
    assert good("--socket", "/nowhere", "zones", "--socket", api) == good("zones", path=api)
    bad(3, "api.kenterd-absent", "--socket", "/nowhere", "zones", path=api)
    assert kenter("--socket").returncode == 2
    assert kenter("--sockets", api, "zones").returncode == 2


def test_many_zones(tmp_path):
    path = tmp_path / "socket"
    with serving(path, "--zones", 2500):
        assert len(good("zones", "-q", path=path).splitlines()) == 2506
        found = document("zones", path=path)
        assert len({zone["zone"] for zone in found["zones"]}) == 2506 == found["summary"]["zones"]


def test_status(api):
    text = good("status", path=api)
    assert "1 problem" in text and "127.0.0.1@5300" in text and "control" in text
    text = good("status", "EXAMPLE.com", path=api)
    assert "example.com." in text and "edits" in text
    assert document("status", "file.test", path=api)["zone"]["source"]["kind"] == "file"
    bad(1, "api.zone-unknown", "status", "none.test", path=api)
    assert "/25.2.0.192" in good("status", "0/25.2.0.192.in-addr.arpa", path=api)


def test_why_log_reload(api):
    result = bad(1, "gate.refused", "why", "broken.test", path=api)
    assert "/etc/zones/broken.zone:7:3: error: " in result.stdout
    assert "All is well." in good("why", "example.com", path=api)
    assert document("why", "new.test", path=api)["why"]["state"] == "new"
    log = good("log", "--count", "3", "example.com", path=api).splitlines()
    assert len(log) == 3 and log == sorted(log)
    assert kenter("log", "--count", "0", "example.com", path=api).returncode == 2
    assert "6 zones" in good("reload", path=api)
    assert good("reload", "example.com", path=api)
    bad(1, "gate.refused", "reload", "broken.test", path=api)


def test_get(api):
    assert good("get", "example.com", "www", "A", path=api) == "www.example.com. 3600 IN A 192.0.2.80\n"
    assert good("get", "example.com", "none", path=api) == ""
    assert good("get", "example.com", path=api).count("\n") == 4
    assert good("get", "--signed", "example.com", path=api).startswith("; signed")
    assert document("get", "example.com", "@", "SOA", path=api)["records"][0]["ttl"] == 3600
    bad(1, "api.unpublished", "get", "new.test", path=api)
    bad(1, "api.request-bad", "get", "example.com", "www", "NONE", path=api)


def test_changes(api):
    before = good("get", "example.com", path=api)
    text = good("set", "--dry-run", "example.com", "www", "1h", "A", "192.0.2.81", path=api)
    assert text == "- www.example.com. 3600 A 192.0.2.80\n+ www.example.com. 3600 A 192.0.2.81\n"
    assert good("get", "example.com", path=api) == before
    assert "Serial 2" in good("set", "example.com", "www", "1h", "A", "192.0.2.81", path=api)
    assert "nothing was changed" in good("set", "example.com", "www", "1h", "A", "192.0.2.81",
                                         path=api)
    good("add", "example.com", "@", "60", "MX", "10", "mail", path=api)
    good("add", "example.com", "t", "60", "TXT", '"a  b"', "c", path=api)
    assert good("get", "example.com", "t", path=api) == 't.example.com. 60 IN TXT "a  b" "c"\n'
    assert "10 mail.example.com." in good("get", "example.com", "@", "MX", path=api)
    change = document("delete", "example.com", "@", "60", "MX", "10", "mail", path=api)["change"]
    assert [record["type"] for record in change["removed"]] == ["MX"] and not change["dry_run"]
    good("delete", "example.com", "t", path=api)
    good("delete", "example.com", "www", "A", path=api)
    assert good("get", "example.com", "www", path=api) == ""
    bad(1, "api.not-editable", "delete", "file.test", "www", path=api)
    bad(1, "api.record-bad", "add", "example.com", "x", "60", "A", "none", path=api)
    bad(1, "api.record-bad", "add", "example.com", "x", "60", "RRSIG", "none", path=api)
    assert kenter("add", "example.com", "x", "A", "192.0.2.1", "x", path=api).returncode == 2
    assert kenter("add", "example.com", "x", "60", "A", path=api).returncode == 2


def on_terminal(path, answer, *args):
    master, slave = pty.openpty()
    process = subprocess.Popen([KENTER, *args], stdin=slave, stdout=slave, stderr=slave,
                               env={**ENVIRONMENT, "KENTER_SOCKET": str(path), "TERM": "xterm"})
    os.close(slave)
    text = b""
    while select.select([master], [], [], 20)[0]:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        text += piece
        if answer and b"[y/N]" in text:
            os.write(master, answer)
            answer = None
    os.close(master)
    assert process.wait(20) == 0
    return text.decode()


def test_questions_on_a_terminal(api):
    change = ["set", "example.com", "www", "60", "A", "192.0.2.9"]
    text = on_terminal(api, b"n\n", *change)
    assert "\033[" in text and "Nothing was changed" in text
    assert "192.0.2.9" not in good("get", "example.com", "www", path=api)
    assert "Serial 2" in on_terminal(api, b"y\n", *change)
    assert "[y/N]" not in on_terminal(api, None, "delete", "--yes", "example.com", "www")


def test_create_and_remove(api, tmp_path):
    good("create", "a.test", "--ns", "ns1.example.net", "--ns", "ns2.example.net", path=api)
    good("create", "b.test", path=api)
    assert ask(api, "GET", "/v1/zones/b.test").json["state"] == "new"
    good("create", "c.test", "--primary", "192.0.2.1", "--policy", "default", path=api)
    good("create", "d.test", "--file", "d.zone", path=api, cwd=tmp_path)
    assert ask(api, "GET", "/v1/zones/d.test").json["source"]["file"] == str(tmp_path / "d.zone")
    good("create", "e.test", "--content", "-", path=api, stdin="@ 60 NS ns.e.test.\n")
    bad(1, "api.zone-exists", "create", "a.test", path=api)
    bad(1, "api.policy-unknown", "create", "f.test", "--policy", "none", path=api)
    bad(3, "file.unreadable", "create", "f.test", "--content", tmp_path / "none", path=api)
    assert kenter("create", "f.test", "--file", "x", "--ns", "y", path=api).returncode == 2
    good("remove", "a.test", path=api)
    bad(1, "api.zone-unknown", "remove", "a.test", path=api)
    bad(1, "api.zone-given", "remove", "example.com", path=api)


def files(directory):
    return {path.name: path.read_text() for path in directory.iterdir() if path.name[0] != "."}


def test_export(api, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    good("create", "gone.test", "--ns", "ns", path=api)
    assert "6 written" in good("export", "--to", out, path=api)
    made = files(out)
    assert set(made) == {"mine.txt", "example.com.zone", "file.test.zone", "primary.test.zone",
                         "broken.test.zone", "gone.test.zone",
                         "0%2F25.2.0.192.in-addr.arpa.zone"}
    assert made["example.com.zone"] == good("get", "--signed", "example.com", path=api)
    assert "0 written, 0 removed" in good("export", "--to", out, path=api)
    good("set", "example.com", "www", "60", "A", "192.0.2.9", path=api)
    good("remove", "gone.test", path=api)
    assert "1 written, 1 removed" in good("export", "--to", out, path=api)
    assert "192.0.2.9" in files(out)["example.com.zone"] and "gone.test.zone" not in files(out)
    assert files(out)["mine.txt"] == "mine"
    assert document("export", "--to", out, path=api)["summary"]["written"] == 0
    bad(3, "file.unreadable", "export", "--to", tmp_path / "none", path=api)
    (out / ".kenter-export").write_text("something else\n")
    bad(3, "file.unreadable", "export", "--to", out, path=api)


def test_export_follows(tmp_path):
    path, out = tmp_path / "socket", tmp_path / "out"
    out.mkdir()
    command = [KENTER, "export", "--to", out, "--follow", "--interval", "1"]
    environment = {**ENVIRONMENT, "KENTER_SOCKET": str(path)}
    with serving(path):
        process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        assert process.stdout.readline().startswith("5 written")
        good("set", "example.com", "www", "60", "A", "192.0.2.9", path=path)
        assert process.stdout.readline().startswith("1 written")
    # kenterd has gone: that is said once, nothing is removed, and the work goes on after it.
    assert "trying again" in process.stderr.readline()
    time.sleep(1.5)
    assert len(files(out)) == 5
    with serving(path):
        assert process.stdout.readline().startswith("1 written")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert process.stderr.read() == ""


def test_top(api):
    text = good("top", "--once", "--interval", "1", path=api)
    assert "QUERIES" in text and "NXDOMAIN" in text and "first expiry" in text
    assert "\033[" not in text
    rate = int(next(line for line in text.splitlines() if line.startswith("all")).replace(" ", "")[3:7])
    assert 1000 < rate < 1400


def test_kenterd_is_not_there(tmp_path):
    for verb in (["zones"], ["status"], ["get", "a.test"], ["top", "--once"], ["why", "a.test"],
                 ["set", "a.test", "@", "1", "A", "192.0.2.1"], ["export", "--to", str(tmp_path)]):
        result = bad(3, "api.kenterd-absent", *verb, "--socket", tmp_path / "none")
        assert "Start kenterd" in result.stdout + result.stderr
    bad(3, "api.kenterd-absent", "zones", path="/" + "x" * 200)
    bad(3, "api.kenterd-absent", "zones", cwd=tmp_path)
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "dead"))
        bad(3, "api.kenterd-absent", "zones", "--socket", tmp_path / "dead")


def test_the_usual_places(tmp_path):
    (tmp_path / "var").mkdir()
    with serving(tmp_path / "var" / "kenter.sock"):
        assert "example.com." in good("zones", cwd=tmp_path)


@pytest.mark.parametrize("reply", [
    b"", b"HTTP/1.1 200 OK\r\n\r\n", b"hello\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}",
    b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 404 No\r\nContent-Length: 15\r\n\r\n{\"findings\":[]}",
    b"HTTP/1.1 404 No\r\nContent-Length: 17\r\n\r\n{\"findings\":[{}]}",
])
def test_replies_that_make_no_sense(tmp_path, reply):
    path = tmp_path / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.recv(65536)
            client.sendall(reply)
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    for verb in (["zones"], ["status"], ["why", "a.test"], ["get", "a.test", "@"],
                 ["delete", "a.test", "@"]):
        result = kenter(*verb, path=path)
        assert result.returncode == 3, (verb, result.stdout, result.stderr)
        assert "[api.reply-bad]" in result.stdout + result.stderr or b"{" in reply
    listener.close()
