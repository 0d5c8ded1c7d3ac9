"""kenter trace and kenter lookup in a private world: through a resolver, over all servers, saved and replayed, and over
zones that are broken."""
import datetime
import json
import re
import subprocess
import xml.etree.ElementTree

import pytest

from peers_support import KENTER, program
from world_support import World

RECORDS = """www A 192.0.2.1
www AAAA 2001:db8::1
alias CNAME www
away CNAME www.other.test.
*.wild TXT "any"
old DNAME new
host.new A 192.0.2.2
"""


def drop(*kinds):
    return lambda lines: [line for line in lines if not any(f"RRSIG {kind} " in " ".join(line.split()) or
                                                            f"RRSIG\t{kind}" in line for kind in kinds)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("world")) as world:
        top, first, second, third = (world.server("knot"), world.server("nsd"), world.server("bind"),
                                     world.server("kenter"))
        world.zone(".", [top])
        # Of delegated.test. it names one server too many and one too few, and has an old address of another one.
        world.zone("test.", [top, third], "delegated NS gone.delegated\ngone.delegated A 127.0.9.8\n"
                                          "ns2.nic.delegated A 127.0.9.7")
        world.zone("good.test.", [first, second], RECORDS)
        world.zone("other.test.", [third], "www A 192.0.2.7", sign=["--nsec3"])
        world.zone("plain.test.", [second], "www A 192.0.2.3", signed=False)
        world.zone("expired.test.", [first], "www A 192.0.2.4", at="now-40d")
        world.zone("stripped.test.", [first], "www A 192.0.2.5", edit=drop("A"))
        world.zone("wrongds.test.", [first], "www A 192.0.2.6",
                   ds=lambda true: [" ".join([str((int(ds.split()[0]) + 1) % 65536), *ds.split()[1:]])
                                    for ds in true])
        world.zone("delegated.test.", [first], f"www A 192.0.2.10\n@ NS more\nmore A {first.address}")
        ragged = world.zone("ragged.test.", [first, second, third], "www A 192.0.2.9\n@ NS dead\ndead A 127.0.9.9")
        stale = world.zone("stale.test.", [first, second], "www A 192.0.2.8", serial=7)
        world.build()
        stale.servers[1].own["stale.test."] = world.path / "old"
        stale.serial, stale.text = 5, "www A 192.0.2.88"
        stale.build()
        (world.path / "old").write_text(stale.file.read_text())
        stale.serial, stale.text = 7, "www A 192.0.2.8"
        stale.build()
        second.own["ragged.test."] = None
        third.own["ragged.test."] = ragged.file.with_suffix(".zone")
        for server in world.servers:
            server.start()
        world.forwarder = world.unbound()
        world.named, world.validating = world.bind(), world.unbound(validating=True)
        world.certain = world.unbound(stubs={"ragged.test.": first})
        yield world


def trace(world, *arguments, code=0):
    return world.kenter("trace", *arguments, world.forwarder.at, code=code)


def result(world, *arguments, code=0):
    return json.loads(trace(world, "--json", *arguments, code=code).stdout)["result"]


def test_drawing(world):
    text = trace(world, "www.good.test", "--width", "80").stdout
    blocks = [text.index(f"▼ {name} ") for name in ("test.", "good.test.", "found in good.test.")]
    assert blocks == sorted(blocks), text
    assert text.index("┌─ . ") < blocks[0]
    assert "✓ secure" in text and "bogus" not in text and "192.0.2.1" in text
    assert all(len(line) <= 80 for line in text.splitlines()), text
    plain = trace(world, "www.good.test", "--ascii").stdout
    assert plain.isascii() and "+v good.test. -" in plain
    coloured = trace(world, "www.good.test", "--color", "always").stdout
    assert "\033[32m" in coloured


@pytest.mark.parametrize("name, rdtype, kind", [
    ("www.good.test", "A", "data"), ("www.good.test", "MX", "nodata"), ("none.good.test", "A", "nxdomain"),
    ("alias.good.test", "AAAA", "data"), ("away.good.test", "A", "data"), ("a.b.wild.good.test", "TXT", "data"),
    ("host.old.good.test", "A", "data"), ("none.other.test", "A", "nxdomain"), ("good.test", "DS", "data"),
    ("plain.test", "DS", "nodata"), ("test", "DNSKEY", "data"), (".", "NS", "data"),
])
def test_secure(world, name, rdtype, kind):
    found = result(world, name, rdtype)
    assert (found["status"], found["kind"]) == ("secure", kind), found["sentence"]
    assert found["nodes"] and found["expiry"]


def test_insecure(world):
    found = result(world, "www.plain.test", code=4)
    assert found["status"] == "insecure" and found["insecure"] == "plain.test."
    assert "security ends here" in trace(world, "www.plain.test", code=4).stdout


@pytest.mark.parametrize("zone, finding", [
    ("expired", "validate.signature-expired"), ("stripped", "validate."), ("wrongds", "validate.ds-unmatched"),
])
def test_broken(world, zone, finding):
    name = f"{zone}.test."
    done = trace(world, f"www.{name}", code=1)
    assert finding in done.stdout and "✗ bogus" in done.stdout, done.stdout
    found = result(world, f"www.{name}", code=1)
    assert found["status"] == "bogus" and not found["answer"]
    assert name in found["sentence"], found["sentence"]
    assert found["findings"][0]["code"].startswith(finding), found["findings"]
    assert found["findings"][0]["cause"] is None
    document = json.loads(trace(world, "--json", f"www.{name}", code=1).stdout)
    assert not document["ok"] and any(item["code"].startswith(finding) for item in document["findings"])


def test_negative_anchor(world):
    assert result(world, "www.expired.test", "--negative", "expired.test=now+1h", code=4)["status"] == "insecure"
    assert result(world, "www.expired.test", "--negative", "expired.test=now-1h", code=1)["status"] == "bogus"


def test_other_time(world):
    assert result(world, "www.expired.test", "--at", "now-35d", code=None)["findings"]
    assert result(world, "www.good.test", "--at", "now+90d", code=1)["status"] == "bogus"


def test_no_anchor(world):
    """The root of the world is not that of the others."""
    found = world.kenter("trace", "--json", "www.good.test", world.forwarder.at, anchor=False, code=1)
    assert json.loads(found.stdout)["result"]["status"] == "bogus"


@pytest.mark.parametrize("name, status", [("www.good.test", "secure"), ("none.other.test", "secure"),
                                          ("www.plain.test", "insecure"), ("www.expired.test", "bogus")])
def test_ways(world, name, status):
    """Over TCP, through BIND, and through a resolver that validates, too."""
    for server in ("@tcp://127.0.53.1", world.named.at, world.validating.at):
        done = world.kenter("trace", "--json", name, server, code=None)
        assert json.loads(done.stdout)["result"]["status"] == status, (server, done.stdout)


def test_recursion(world):
    """Without any resolver."""
    options = ["--recursive", "--root-hints", world.hints()]
    for name, status in (("www.good.test", "secure"), ("away.good.test", "secure"), ("www.plain.test", "insecure"),
                         ("www.expired.test", "bogus")):
        done = world.kenter("trace", "--json", name, *options, code=None)
        assert json.loads(done.stdout)["result"]["status"] == status, done.stdout


def test_nobody_there(world):
    done = world.kenter("trace", "--json", "www.good.test", "@127.0.99.99", "--timeout", "3s", code=6)
    assert json.loads(done.stdout)["result"]["status"] == "error"


@pytest.mark.parametrize("name", ["www.good.test", "www.plain.test", "www.expired.test", "away.good.test"])
def test_pictures(world, name):
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H%M%S")
    drawn = trace(world, "--svg", "--at", at, name, code=None)
    root = xml.etree.ElementTree.fromstring(drawn.stdout)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "test." in texts and not list(root.iter("{http://www.w3.org/2000/svg}script"))
    width, height = float(root.get("width")), float(root.get("height"))
    for item in root.iter("{http://www.w3.org/2000/svg}rect"):
        if item.get("x"):
            assert float(item.get("x")) + float(item.get("width")) <= width
            assert float(item.get("y")) + float(item.get("height")) <= height
    assert drawn.stderr.strip(), "the sentence"
    file = world.path / "picture.svg"
    trace(world, "--svg", "--at", at, "-o", file, name, code=None)
    assert file.read_text() == drawn.stdout
    graph = trace(world, "--dot", name, code=None).stdout
    done = subprocess.run([program("dot"), "-Tplain"], input=graph, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def without_ttls(text):
    """The resolver counts them down."""
    return re.sub(r"^    (A+) \d+ ", r"    \1 ", text, flags=re.M)


@pytest.mark.parametrize("name, code", [("www.good.test", 0), ("none.good.test", 0), ("www.plain.test", 4),
                                        ("www.expired.test", 1), ("away.good.test", 0)])
def test_replay(world, name, code):
    """The same result without a network: outside of the namespace there is nobody at these addresses."""
    case = world.path / "case.json"
    saved = trace(world, "--json", "--save", case, name, code=code)
    done = subprocess.run([KENTER, "trace", "--json", "--replay", case], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"] == json.loads(saved.stdout)["result"]
    again = subprocess.run([KENTER, "trace", "--replay", case, "--ascii"], capture_output=True, text=True)
    assert again.returncode == code
    live = trace(world, name, "--at", json.loads(saved.stdout)["result"]["now"], "--ascii", code=code)
    assert without_ttls(again.stdout) == without_ttls(live.stdout)


def test_bad_case(world):
    case = world.path / "bad.json"
    trace(world, "--save", case, "www.good.test")
    text = case.read_text()
    for wrong, finding, place in ((text[:-20], "replay.syntax", "bad.json:"),
                                  (text.replace('"packet": "', '"packet": "!', 1), "replay.invalid", "packets[0].packet"),
                                  (text.replace('"kenter_case": 1', '"kenter_case": 9'), "replay.version", "version 9")):
        case.write_text(wrong)
        done = subprocess.run([KENTER, "trace", "--replay", case], capture_output=True, text=True)
        assert done.returncode == 1 and finding in done.stdout and place in done.stdout, done.stdout
    done = subprocess.run([KENTER, "trace", "--replay", case, "www.good.test"], capture_output=True, text=True)
    assert done.returncode == 2
    missing = subprocess.run([KENTER, "trace", "--replay", world.path / "none.json"], capture_output=True, text=True)
    assert missing.returncode == 3


def test_all_servers(world):
    done = trace(world, "--all-servers", "--json", "www.good.test")
    document = json.loads(done.stdout)
    zones = {item["zone"]: item["servers"] for item in document["servers"]}
    assert set(zones) == {".", "test.", "good.test."}
    assert {server["address"] for server in zones["good.test."]} == {"127.0.1.2@53", "127.0.1.3@53"}
    assert all(server["agrees"] for servers in zones.values() for server in servers), document
    assert not [item for item in document["findings"] if item["code"].startswith("servers.")]


def test_stale_server(world):
    done = trace(world, "--all-servers", "--json", "www.stale.test", code=None)
    document = json.loads(done.stdout)
    servers = {item["address"]: item for zone in document["servers"] if zone["zone"] == "stale.test."
               for item in zone["servers"]}
    assert servers["127.0.1.2@53"]["serial"] == 7 and servers["127.0.1.3@53"]["serial"] == 5
    stale = [item for item in document["findings"] if item["code"] == "servers.stale"]
    assert len(stale) == 1 and "127.0.1.3@53" in stale[0]["message"] and "7" in stale[0]["message"]
    assert [item for item in document["findings"] if item["code"] == "servers.answer-differs"]
    text = trace(world, "--all-servers", "www.stale.test", code=None).stdout
    assert "servers of stale.test." in text and "see below" in text and "[servers.stale]" in text


def test_ragged_servers(world):
    """One is not a server of the zone, one leaves out DNSSEC, one is not there."""
    done = world.kenter("trace", "--all-servers", "--json", "www.ragged.test", world.certain.at, code=1)
    document = json.loads(done.stdout)
    assert document["result"]["status"] == "secure"
    said = {(item["code"], item["message"].split("(")[1].split(")")[0]) for item in document["findings"]
            if item["owner"] == "ragged.test."}
    assert said == {("servers.lame", "127.0.1.3@53"), ("servers.no-dnssec", "127.0.1.4@53"),
                    ("servers.silent", "127.0.9.9@53"), ("servers.delegation-differs", "127.0.1.1@53")}, said
    servers = {item["address"]: item["agrees"] for zone in document["servers"] if zone["zone"] == "ragged.test."
               for item in zone["servers"]}
    assert servers == {"127.0.1.2@53": True, "127.0.1.3@53": False, "127.0.1.4@53": False, "127.0.9.9@53": False}


def test_delegation(world):
    """NS records and glue at the parent against those of the zone; servers that only one of them names are asked, too."""
    done = trace(world, "--all-servers", "--json", "www.delegated.test", code=None)
    document = json.loads(done.stdout)
    said = {(item["code"], item["message"].partition(" (")[0], item["message"].partition(", of the parent, ")[2])
            for item in document["findings"] if item["owner"] == "delegated.test."}
    names = "names gone.delegated.test., which the zone itself does not; it lacks more.delegated.test."
    glue = "has the glue 127.0.9.7 for ns2.nic.delegated.test., which the zone itself does not"
    assert said == {("servers.delegation-differs", "ns1.nic.test.", names), ("servers.glue-differs", "ns1.nic.test.", glue),
                    ("servers.delegation-differs", "ns4.nic.test.", names), ("servers.glue-differs", "ns4.nic.test.", glue),
                    ("servers.silent", "gone.delegated.test.", "")}, said
    servers = {item["address"]: item["agrees"] for zone in document["servers"] if zone["zone"] == "delegated.test."
               for item in zone["servers"]}
    assert servers == {"127.0.1.2@53": True, "127.0.9.8@53": False}, servers


def test_all_servers_replayed(world):
    case = world.path / "servers.json"
    saved = json.loads(trace(world, "--json", "--all-servers", "--save", case, "www.stale.test", code=None).stdout)
    done = subprocess.run([KENTER, "trace", "--json", "--all-servers", "--replay", case], capture_output=True,
                          text=True)
    again = json.loads(done.stdout)
    assert again["servers"] == saved["servers"] and again["findings"] == saved["findings"]


def test_lookup(world):
    def lookup(*arguments, code=0):
        return world.kenter("lookup", *arguments, world.forwarder.at, code=code)
    done = lookup("www.good.test")
    assert done.stdout.split()[0] == "www.good.test." and done.stdout.split()[2:] == ["IN", "A", "192.0.2.1"]
    assert done.stderr == ""
    done = lookup("none.good.test")
    assert done.stdout == "" and "none.good.test." in done.stderr
    done = lookup("www.expired.test", code=1)
    assert done.stdout == "" and "expired.test." in done.stderr
    done = lookup("www.plain.test", code=4)
    assert done.stdout.startswith("; insecure: security ends at plain.test.\n") and "192.0.2.3" in done.stdout
    done = lookup("www.plain.test", "--require-secure", code=4)
    assert done.stdout == "" and "plain.test." in done.stderr
    done = lookup("-q", "www.expired.test", code=1)
    assert done.stdout == done.stderr == ""
    document = json.loads(lookup("--json", "www.good.test", "AAAA").stdout)
    assert document["status"] == "secure" and document["records"][0]["rdata"] == "2001:db8::1"
    document = json.loads(lookup("--json", "www.expired.test", code=1).stdout)
    assert document["records"] == [] and document["status"] == "bogus"


def test_use(world):
    for arguments in ([], ["a", "b", "c"], ["www.good.test", "NOTYPE"], ["--negative", "x", "a"],
                      ["--svg", "--dot", "a"], ["a..b"], ["a", "@tls:/x"], ["--recursive", "a", "@127.0.0.1"]):
        done = world.kenter("trace", *arguments, code=2)
        assert done.stdout == "" and "kenter trace:" in done.stderr, (arguments, done)


def test_example_of_the_library(world):
    """It asks the system's resolver, and gives nothing when its anchors, those of the real root, do not fit."""
    conf = world.path / "resolv.conf"
    conf.write_text(f"nameserver {world.forwarder.address}\n")
    done = subprocess.run([*world.inside.mounted({"resolv.conf": conf}), KENTER.parent / "examples/library/example_lookup",
                           "www.good.test", "A"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "192.0.2.1" not in done.stdout, (done.stdout, done.stderr)
    assert "www.good.test. A is bogus" in done.stdout and "trust anchor" in done.stdout, done.stdout
