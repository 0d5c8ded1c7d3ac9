"""A private root on BIND rolls its key; kenter follows it by RFC 5011, with a clock that is moved on."""
import json
import re
import struct

from lookup_support import World
from peers_support import KENTER, Server, program, run, wait
from ports import free_port

LATER = "now+25920000"


class Root(World):
    """A root zone and nothing below it, served again after each change."""

    def __init__(self, directory):
        self.directory = directory
        self.zone = directory / "root"
        self.state = directory / "state"
        self.anchors = directory / "anchors"
        self.port, self.tls, self.https = None, None, None
        self.zsk = self.new_key()
        self.first, self.second = self.new_key("-f", "KSK"), self.new_key("-f", "KSK")
        self.anchors.write_text(self.text_of(self.first))

    def new_key(self, *flags):
        return run(program("dnssec-keygen"), "-q", "-K", self.directory, "-a", "ECDSAP256SHA256", *flags,
                   ".").stdout.split()[-1]

    def text_of(self, key):
        return (self.directory / f"{key}.key").read_text()

    def revoke(self, key):
        done = run(program("dnssec-revoke"), "-K", self.directory, key)
        return re.search(r"K\.\+\d+\+\d+", done.stdout)[0]

    def publish(self, *keys, signers=None):
        text = "$ORIGIN .\n$TTL 3600\n@ SOA ns.test. admin.test. 1 7200 3600 1209600 300\n@ NS ns.test.\n" \
               "ns.test. A 127.0.0.1\nwww. A 192.0.2.1\n"
        self.zone.write_text(text + "".join(self.text_of(key) for key in (self.zsk, *keys)))
        sign = [argument for key in signers or keys for argument in ("-k", self.directory / key)]
        run(program("dnssec-signzone"), "-q", "-P", "-x", "-e", LATER, "-K", self.directory, "-d", self.directory,
            "-o", ".", "-f", f"{self.zone}.signed", *sign, self.zone, self.directory / self.zsk)

    def config(self):
        return f"""
options {{ directory "{self.directory}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
    listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-query {{ any; }}; }};
controls {{ }};
zone "." {{ type primary; file "{self.zone}.signed"; }};
"""

    def kenter(self, *arguments, day=0, track=True):
        options = ["--track", self.state] if track else []
        shift = self.directory / "shift"
        shift.write_bytes(struct.pack("q", day * 86400))
        return run(KENTER, "lookup", *arguments, "--anchor", self.anchors, *options, f"@127.0.0.1@{self.port}", code=None,
                   environment={"LD_PRELOAD": str(KENTER.parent / "tests/tools/clockshift.so"),
                                "KENTER_CLOCK_SHIFT": str(shift), "ASAN_OPTIONS": "verify_asan_link_order=0"})

    def states(self, day):
        done = self.kenter("--json", day=day)
        return {key["tag"]: key["state"] for key in json.loads(done.stdout)["tracked"]["keys"]}


def tag(key):
    return int(key.rsplit("+", 1)[1])


def test_root_roll(tmp_path):
    root = Root(tmp_path)
    root.port = free_port()
    first, second = tag(root.first), tag(root.second)
    root.publish(root.first)
    with root.running():
        done = root.kenter("www", "A")
        assert done.returncode == 0 and "192.0.2.1" in done.stdout, done.stderr
        assert root.states(0) == {first: "valid"}
    root.publish(root.first, root.second)
    with root.running():
        assert root.states(1) == {first: "valid", second: "pending"}
        assert root.states(20) == {first: "valid", second: "pending"}
        assert root.states(32) == {first: "valid", second: "valid"}
        assert "anchors.key" not in root.kenter("www", "A", day=32).stderr
        shown = root.kenter(day=32)
        assert shown.returncode == 0 and f"{second}  algorithm 13  valid" in shown.stdout, shown.stdout
    revoked = root.revoke(root.first)
    root.publish(revoked, root.second)
    with root.running():
        assert root.states(34)[first] == "revoked"
        assert root.kenter("www", "A", day=34).returncode == 0
        assert root.kenter("www", "A", day=34, track=False).returncode != 0
    root.publish(root.second)
    with root.running():
        assert root.states(70) == {first: "removed", second: "valid"}
        assert root.kenter("www", "A", day=70).returncode == 0
    # The old key comes back, as the configured anchor would have it: it is refused for ever.
    root.publish(root.first)
    with root.running():
        done = root.kenter("www", "A", day=72)
        assert done.returncode == 1 and not done.stdout, done.stderr
        assert root.states(73)[first] == "removed"


def test_damaged_state(tmp_path):
    root = Root(tmp_path)
    root.port = 1
    root.state.write_text("kenter-anchors 1\n")
    done = root.kenter("www", "A")
    assert done.returncode not in (0, 1) and "damaged" in done.stderr, done.stderr


def test_another_time(tmp_path):
    root = Root(tmp_path)
    root.port = 1
    for verb in (["lookup", "www"], ["trace", "www"], ["auth", "smtp", "example.test"], ["mta", "example.test"]):
        done = run(KENTER, *verb, "--track", root.state, "--at", "now+1d", code=2)
        assert "--at" in done.stderr, done.stderr
    assert not root.state.exists()


def test_services(tmp_path):
    """Those that run on follow the anchor, too; of contexts for several threads one keeps the state."""
    root = Root(tmp_path)
    root.port = free_port()
    root.publish(root.first)
    common = ["--anchor", root.anchors, "--track", root.state, "--server", f"127.0.0.1@{root.port}"]
    with root.running():
        for verb in (["policy", "--postfix", f"unix:{tmp_path / 'one.socket'}"],
                     ["auth-server", "--socket", f"unix:{tmp_path / 'two.socket'}"]):
            server = Server(tmp_path, verb[0])
            server.launch(KENTER, *verb, *common)
            wait(root.state.exists, f"the state that {verb[0]} keeps")
            server.end()
            assert root.states(0) == {tag(root.first): "valid"}
            root.state.unlink()
        names = tmp_path / "names"
        names.write_text("".join(f"n{number}.test.\n" for number in range(8)))
        run(KENTER, "auth", "smtp", "--plan", "--from", names, *common, code=None)
        assert root.states(0) == {tag(root.first): "valid"}
