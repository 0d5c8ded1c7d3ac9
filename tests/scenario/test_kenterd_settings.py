"""Settings of kenterd: --check, reading them again by SIGHUP, wrong ones that change nothing; sockets of systemd
and its READY."""
import os
import signal
import socket

import pytest

from peers_support import HOST, KENTERD, SECRET, Kenterd, run, verify, wait, watched
from ports import free_port

ZONE = """$TTL 600
@ SOA ns1 hostmaster {serial} 7200 900 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
"""


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


def with_directory(path):
    kenterd = Kenterd(path)
    kenterd.settings["zone-directories"] = [str(kenterd.zones)]
    kenterd.put("a.test", ZONE.format(serial=1))
    return kenterd


def test_check(tmp_path):
    kenterd = with_directory(tmp_path)
    kenterd.write()
    assert SECRET not in run(KENTERD, "--config", kenterd.file, "--check").stdout
    del kenterd.settings["keys"]
    kenterd.write()
    printed = run(KENTERD, "--config", kenterd.file, "--check").stdout
    assert f"{HOST}@{kenterd.port}" in printed and str(kenterd.zones) in printed and "slip: 2" in printed
    assert not (kenterd.path / "data").exists(), "checking makes nothing"
    # What it prints is a file of settings, which says the same.
    again = tmp_path / "again.yaml"
    again.write_text(printed)
    again.chmod(0o600)
    assert run(KENTERD, "--config", again, "--check").stdout == printed
    kenterd.file.write_text("limits:\n  conections: 3\nzone-directories: /z\ndefaults: {policy: defualt}\n")
    done = run(KENTERD, "--config", kenterd.file, "--check", code=None)
    assert done.returncode != 0
    assert f'{kenterd.file}:2:3' in done.stderr and 'did you mean "connections"' in done.stderr
    assert f'{kenterd.file}:4:' in done.stderr and 'did you mean "default"' in done.stderr


def test_settings_are_read_again(tmp_path):
    kenterd = with_directory(tmp_path)
    kenterd.start()
    wait(lambda: kenterd.serial("a.test"), "a.test")
    process = kenterd.process.pid
    before = kenterd.serial("a.test")
    # Wrong settings change nothing.
    good = kenterd.file.read_text()
    kenterd.file.write_text(good.replace('"listen"', '"lisen"'))
    kenterd.process.send_signal(signal.SIGHUP)
    kenterd.wait_log("what is in effect stays")
    assert 'did you mean "listen"' in kenterd.text()
    assert kenterd.serial("a.test") == before and kenterd.healthy()
    # An address that cannot be had neither.
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        kenterd.settings["listen"].append(f"{HOST}@{taken.getsockname()[1]}")
        kenterd.write()
        kenterd.process.send_signal(signal.SIGHUP)
        kenterd.wait_log("what is in effect stays", 2)
    kenterd.settings["listen"].pop()
    assert kenterd.serial("a.test") == before
    # A new directory, another policy, one more address.
    more, port = tmp_path / "more", free_port()
    more.mkdir()
    kenterd.put("b.test", ZONE.format(serial=7), directory=more)
    kenterd.settings["zone-directories"] = [{"path": str(kenterd.zones), "policy": "nsec3"}, str(more)]
    kenterd.settings["policies"] = {"nsec3": {"denial": {"type": "nsec3"}}}
    kenterd.settings["listen"].append(f"{HOST}@{port}")
    kenterd.write()
    kenterd.process.send_signal(signal.SIGHUP)
    kenterd.wait_log("the settings were read again")
    wait(lambda: kenterd.serial("b.test"), "b.test of the new directory")
    wait(lambda: kenterd.ask("a.test", "NSEC3PARAM").answer, "a.test with NSEC3")
    assert kenterd.serial("a.test") > before
    first, kenterd.port = kenterd.port, port
    wait(lambda: kenterd.serial("a.test"), "the new address")
    kenterd.port = first
    assert kenterd.process.pid == process
    wait(kenterd.healthy, "kenterd is healthy")
    verify(tmp_path, kenterd.kenter("get", "--signed", "a.test"), "a.test")
    # And all of it back: the zones of the directory go, the address is closed.
    kenterd.file.write_text(good)
    kenterd.process.send_signal(signal.SIGHUP)
    kenterd.wait_log("the settings were read again", 2)
    kenterd.wait_gone("b.test")
    wait(lambda: not kenterd.ask("a.test", "NSEC3PARAM").answer, "a.test with NSEC")

    def closed():
        with socket.socket() as client:
            return client.connect_ex((HOST, port)) != 0
    wait(closed, "the address is closed")


def notified(path):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(path))
    notify.settimeout(15)
    return notify


def test_systemd(tmp_path):
    """Sockets that systemd opened, as a child of a program that sets LISTEN_PID; READY when zones are served."""
    kenterd = with_directory(tmp_path)
    del kenterd.settings["listen"]
    notify = notified(tmp_path / "notify")
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind((HOST, kenterd.port))
    tcp.bind((HOST, kenterd.port))
    tcp.listen(16)
    kenterd.write()
    script = 'import os, sys; os.environ["LISTEN_PID"] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])'
    first, second = os.dup(udp.fileno()), os.dup(tcp.fileno())

    def place():
        # As descriptors 3 and 4.
        high = [os.dup2(first, 200), os.dup2(second, 201)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)
        os.set_inheritable(3, True)
        os.set_inheritable(4, True)
    kenterd.launch("/usr/bin/python3", "-c", script, KENTERD, "--config", kenterd.file,
                   environment={"LISTEN_FDS": "2", "NOTIFY_SOCKET": str(tmp_path / "notify")},
                   pass_fds=[3, 4], preexec_fn=place)
    said = b""
    while b"READY=1" not in said:
        said += notify.recv(4096) + b"\n"
    udp.close()
    tcp.close()
    wait(lambda: kenterd.serial("a.test"), "a.test")
    assert kenterd.ask("www.a.test", "A", tcp=True).answer
    assert kenterd.ask("www.a.test", "A").answer
    kenterd.process.send_signal(signal.SIGHUP)
    while b"RELOADING=1" not in said or said.rindex(b"READY=1") < said.index(b"RELOADING=1"):
        said += notify.recv(4096) + b"\n"
    wait(lambda: kenterd.serial("a.test"), "a.test")
    assert kenterd.ask("www.a.test", "A", tcp=True).answer
    kenterd.process.terminate()
    while b"STOPPING=1" not in said:
        said += notify.recv(4096) + b"\n"
    assert kenterd.process.wait(timeout=15) == 0
    notify.close()
