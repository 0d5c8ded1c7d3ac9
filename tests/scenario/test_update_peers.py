"""What `kenter diff --as update` writes, given to nsupdate and a real server: afterwards the server has
the new zone and nothing else."""
import os
import pathlib
import shutil
import subprocess
import time

import dns.query
import dns.zone
import pytest

from ports import free_port

KENTER = os.environ.get("KENTER", str(pathlib.Path(__file__).parents[2] / "build" / "kenter"))
NAMED = shutil.which("named") or shutil.which("named", path="/usr/sbin")

OLD = """$ORIGIN example.
$TTL 3600
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 mail
ns1 A 192.0.2.1
ns2 A 192.0.2.2
ns3 A 192.0.2.3
mail A 192.0.2.25
mail A 192.0.2.26
was-alias CNAME mail
was-host A 192.0.2.80
was-host AAAA 2001:db8::80
was-host TXT "a" "b"
text TXT "semicolon; \\"quote\\" back\\\\slash \\200"
odd\\.label\\032x TXT "old"
sub NS ns.sub
ns.sub A 192.0.2.53
gone SRV 0 0 5060 mail
same A 192.0.2.99
"""
NEW = """$ORIGIN example.
$TTL 3600
@ SOA ns3 hostmaster 7 7200 3600 1209600 300
@ NS ns3
@ 600 MX 10 mail
@ 600 MX 20 same
ns1 A 192.0.2.1
ns3 A 192.0.2.3
mail 60 A 192.0.2.25
mail 60 A 192.0.2.27
was-alias A 192.0.2.81
was-alias AAAA 2001:db8::81
was-host CNAME mail
text TXT "semicolon; \\"other\\" back\\\\slash \\201"
odd\\.label\\032x TXT "new"
sub NS ns.sub
sub DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.sub A 192.0.2.54
svc HTTPS 1 . alpn=h2 port=8443
raw TYPE65500 \\# 4 01020304
same A 192.0.2.99
"""


@pytest.fixture
def server(tmp_path):
    """named on a port of its own with the old zone, open for updates from this machine."""
    if NAMED is None:
        pytest.fail("named is not installed: tools/install-deps test")
    (tmp_path / "served.zone").write_text(OLD)
    port = free_port()
    (tmp_path / "named.conf").write_text(f"""
options {{
    directory "{tmp_path}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; notify no; dnssec-validation no; allow-transfer {{ any; }};
}};
controls {{ }};
zone "example" {{ type primary; file "served.zone"; allow-update {{ 127.0.0.1; }}; check-names ignore; }};
""")
    log = open(tmp_path / "named.log", "wb")
    process = subprocess.Popen([NAMED, "-g", "-c", tmp_path / "named.conf", "-n", "1"],
                               stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while b"all zones loaded" not in (tmp_path / "named.log").read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, (
                tmp_path / "named.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def served(port):
    return dns.zone.from_xfr(
        dns.query.xfr("127.0.0.1", "example.", port=port, relativize=False), relativize=False)


def update(port, script):
    done = subprocess.run(["nsupdate"], input=f"server 127.0.0.1 {port}\n{script}", text=True,
                          capture_output=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def difference(old, new):
    done = subprocess.run([KENTER, "diff", "--as", "update", old, new], text=True, capture_output=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_update_turns_the_old_zone_into_the_new(tmp_path, server):
    (tmp_path / "old").write_text(OLD)
    (tmp_path / "new").write_text(NEW)
    assert served(server) == dns.zone.from_text(OLD, relativize=False)
    update(server, difference(tmp_path / "old", tmp_path / "new"))
    assert served(server) == dns.zone.from_text(NEW, relativize=False)
    # And back; the serial only grows.
    back = OLD.replace("hostmaster 1 ", "hostmaster 8 ")
    (tmp_path / "back").write_text(back)
    update(server, difference(tmp_path / "new", tmp_path / "back"))
    assert served(server) == dns.zone.from_text(back, relativize=False)


def test_a_large_update_goes_in_several_messages(tmp_path, server):
    more = "".join(f"h{i} TXT \"{'x' * 100}\"\n" for i in range(2000))
    (tmp_path / "old").write_text(OLD)
    (tmp_path / "new").write_text(OLD + more)
    script = difference(tmp_path / "old", tmp_path / "new")
    assert script.count("send\n") > 2
    update(server, script)
    got, wanted = served(server), dns.zone.from_text(OLD + more, relativize=False)
    for zone in (got, wanted):  # the server counts the messages
        zone.delete_rdataset("example.", "SOA")
    assert got == wanted
