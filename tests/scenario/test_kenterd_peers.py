"""kenterd among real servers: BIND, Knot and NSD take zones from it and give zones to it, catalogs say which."""
import contextlib
import socket
import ssl
import struct

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from peers_support import (HOST, KEY, SECRET, Kenterd, Knotd, Named, Nsd, program, run, verify, wait,
                           watched)
from ports import free_port

ZONE = """$TTL 600
@ SOA ns1 hostmaster {serial} 3600 900 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.{last}
alias CNAME www
*.wild TXT "any"
sub NS ns.sub
ns.sub A 192.0.2.53
text TXT "quote \\" and backslash \\\\ and \\200"
strange TYPE65500 \\# 3 010203
"""


def text_of(serial, last=80, more=""):
    return ZONE.format(serial=serial, last=last) + more


@pytest.fixture(autouse=True)
def servers():
    with watched():
        yield


def secondary(kind, path, port, zones=(), catalog=None):
    """A server that takes zones, and a catalog, from a port."""
    server = {"bind": Named, "knot": Knotd, "nsd": Nsd}[kind](path, kind)
    return server, lambda: start_secondary(server, kind, port, zones, catalog)


def start_secondary(server, kind, port, zones, catalog):
    every = list(zones) + ([catalog] if catalog else [])
    if kind == "bind":
        text = "".join(f"""
zone "{zone}" {{ type secondary; primaries {{ {HOST} port {port} key {KEY}; }}; allow-notify {{ key {KEY}; }};
                 file "{zone}.sec"; masterfile-format text; ixfr-from-differences no; notify no; }};
""" for zone in every)
        options = (f'catalog-zones {{ zone "{catalog}" default-primaries {{ {HOST} port {port} key {KEY}; }}'
                   f' min-update-interval 0; }};' if catalog else "")
        return server.start(text, options)
    if kind == "knot":
        text = f"""
remote:
  - id: primary
    address: {HOST}@{port}
    key: {KEY}
acl:
  - id: notify
    key: {KEY}
    action: notify
  - id: transfer
    address: {HOST}
    action: transfer
template:
  - id: default
    storage: {server.path}
    master: primary
    acl: [notify, transfer]
    zonefile-load: none
    zonefile-sync: -1
  - id: member
    storage: {server.path}
    master: primary
    acl: [notify, transfer]
    zonefile-load: none
    zonefile-sync: -1
zone:
""" + "".join(f"  - domain: {zone}\n" for zone in zones)
        if catalog:
            text += f"  - domain: {catalog}\n    catalog-role: interpret\n    catalog-template: member\n"
        return server.start(text)
    return server.start(f"""
pattern:
    name: kenter
    allow-notify: {HOST} {KEY}
    request-xfr: {HOST}@{port} {KEY}
    provide-xfr: {HOST} NOKEY
    min-refresh-time: 1
    min-retry-time: 1
""" + "".join(f"zone:\n    name: {zone}\n    include-pattern: kenter\n" for zone in every))


@pytest.mark.parametrize("kind", ["bind", "knot", "nsd"])
def test_secondary(tmp_path, kind):
    """Whole transfer, NOTIFY after an edit, differences from then on, all with TSIG."""
    kenterd = Kenterd(tmp_path)
    server, start = secondary(kind, tmp_path, kenterd.port, ["a.example", "n3.example"])
    kenterd.settings |= {
        "remotes": {"ns2": {"addresses": f"{HOST}@{server.port}", "key": KEY}},
        "defaults": {"notify": "ns2", "transfer": [{"key": KEY}]},
        "policies": {"nsec3": {"denial": {"type": "nsec3"}}},
        "zones": {"n3.example": {"file": str(kenterd.path / "n3.zone"), "policy": "nsec3"}},
        "zone-directories": [str(kenterd.zones)]}
    (kenterd.path / "n3.zone").write_text(text_of(1))
    kenterd.put("a.example", text_of(1))
    kenterd.start()
    start()
    for zone in ("a.example", "n3.example"):
        server.wait_serial(zone, kenterd.serial(zone))
    kenterd.wait_log("was transferred", 2)  # told after the last message was sent
    whole = kenterd.text().count("was transferred")
    for serial, last in ((2, 81), (3, 82), (4, 83)):
        more = f"h{serial} A 192.0.2.9\n"
        kenterd.put("a.example", text_of(serial, last, more))  # seen without being told
        (kenterd.path / "n3.zone").write_text(text_of(serial, last, more))
        for zone in ("a.example", "n3.example"):
            server.wait_answer(f"www.{zone}", "A", f"192.0.2.{last}")
            server.wait_answer(f"h{serial}.{zone}", "A", "192.0.2.9")
            server.wait_serial(zone, kenterd.serial(zone))
            server.wait_answer(f"h{serial - 1}.{zone}", "A", None)
    kenterd.wait_log("was transferred", whole + 6)
    log = kenterd.text()
    steps = log.count("step from") + log.count("steps from")
    # NSD 4.6 asks for the whole zone when a change comes while it reads the one before it.
    others = log.count("was transferred") - whole - steps
    assert steps + others == 6 and others <= (2 if kind == "nsd" else 0), "differences only"
    for zone in ("a.example", "n3.example"):
        ours, theirs = kenterd.zone(zone), server.zone(zone, keyring=None)
        assert ours == theirs
        verify(tmp_path, theirs.to_text(), zone)
    # Without the key nothing is given, and the server says so; the machine itself may.
    metrics = kenterd.metrics()
    assert metrics['kenter_tsig_total{result="good"}'] >= 8


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_catalog_for_secondaries(tmp_path, kind):
    """A file that comes is a zone there, one that goes is none any more."""
    kenterd = Kenterd(tmp_path)
    server, start = secondary(kind, tmp_path, kenterd.port, catalog="catalog.test")
    kenterd.settings |= {
        "remotes": {"ns2": {"addresses": f"{HOST}@{server.port}", "key": KEY}},
        "defaults": {"notify": "ns2", "transfer": [{"key": KEY}]},
        "catalogs": {"catalog.test": {"produce": True}},
        "zone-directories": [str(kenterd.zones)]}
    kenterd.put("a.example", text_of(1))
    kenterd.start()
    start()
    server.wait_answer("www.a.example", "A", "192.0.2.80")
    kenterd.put("b.example", text_of(1, 81))
    kenterd.put("c.example", text_of(1, 82))
    server.wait_answer("www.b.example", "A", "192.0.2.81")
    server.wait_answer("www.c.example", "A", "192.0.2.82")
    kenterd.put("b.example", text_of(2, 91))
    server.wait_answer("www.b.example", "A", "192.0.2.91")
    (kenterd.zones / "a.example.zone").unlink()
    server.wait_gone("a.example")
    kenterd.wait_gone("a.example")
    server.wait_answer("www.b.example", "A", "192.0.2.91")
    assert kenterd.zone("b.example") == server.zone("b.example", keyring=None)
    verify(tmp_path, server.zone("b.example", keyring=None).to_text(), "b.example")
    # A restart changes nothing of the catalog.
    serial = kenterd.serial("catalog.test")
    kenterd.end()
    kenterd.start()
    assert kenterd.serial("catalog.test") == serial
    kenterd.put("d.example", text_of(1, 83))
    server.wait_answer("www.d.example", "A", "192.0.2.83")
    assert "catalog.test" in kenterd.kenter("zones")
    # It is a list for machines: nobody signs it, makes keys for it or speaks of a DS.
    assert " RRSIG " not in kenterd.zone("catalog.test").to_text()
    assert not list((tmp_path / "data" / "keys").glob("*catalog*"))


# --- primaries ---


def start_primary(server, kind, zones, notify, catalog=None, signed=()):
    """A server that has zones of text and tells a port; change_primary changes them."""
    for zone, text in zones.items():
        (server.path / f"{zone}.zone").write_text(text)
    if kind == "bind":
        # BIND makes the differences itself when it loads a changed file.
        text = "".join(f"""
zone "{zone}" {{ type primary; file "{zone}.zone"; ixfr-from-differences yes; notify explicit;
                 also-notify {{ {HOST} port {notify} key {KEY}; }};
                 {'dnssec-policy default; inline-signing yes;' if zone in signed else ''} }};
""" for zone in zones)
        if catalog:
            (server.path / "catalog").write_text(catalog_text(1, []))
            text += f"""
zone "{catalog}" {{ type primary; file "catalog"; notify explicit; allow-update {{ key {KEY}; }};
                    also-notify {{ {HOST} port {notify} key {KEY}; }}; }};
"""
        return server.start(text)
    text = f"""
remote:
  - id: kenterd
    address: {HOST}@{notify}
    key: {KEY}
acl:
  - id: transfer
    key: {KEY}
    action: transfer
template:
  - id: default
    storage: {server.path}
    notify: kenterd
    acl: transfer
    zonefile-load: difference
    zonefile-sync: -1
    journal-content: all
    semantic-checks: off
zone:
""" + "".join(f"  - domain: {zone}\n    file: {zone}.zone\n" +
              (f"    catalog-role: member\n    catalog-zone: {catalog}\n" if catalog else "") +
              ("    dnssec-signing: on\n" if zone in signed else "")
              for zone in zones)
    if catalog:
        text += f"  - domain: {catalog}\n    catalog-role: generate\n    zonefile-load: none\n"
    return server.start(text)


def change_primary(server, zone, text):
    (server.path / f"{zone}.zone").write_text(text)
    server.control("reload" if isinstance(server, Named) else "zone-reload", zone)


def catalog_text(serial, members):
    return f"""$TTL 0
@ SOA invalid. invalid. {serial} 3600 900 1209600 0
@ NS invalid.
version TXT "2"
""" + "".join(f"m{member.replace('.', '-')}.zones PTR {member}.\n" for member in members)


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_primary(tmp_path, kind):
    """Zones fetched, followed by NOTIFY and differences, and signed here; another passed on as the primary
    signed it."""
    kenterd = Kenterd(tmp_path)
    server = {"bind": Named, "knot": Knotd}[kind](tmp_path, kind)
    zones = {"a.example": text_of(1), "b.example": text_of(1), "there.example": text_of(1)}
    start_primary(server, kind, zones, kenterd.port, signed=["there.example"])
    kenterd.settings |= {
        "remotes": {"hidden": {"addresses": f"{HOST}@{server.port}", "key": KEY}},
        "policies": {"nsec3": {"denial": {"type": "nsec3"}}, "as-is": {"sign": False}},
        "defaults": {"transfer": [{"key": KEY}]},
        "zones": {"a.example": {"primaries": "hidden"},
                  "b.example": {"primaries": "hidden", "policy": "nsec3"},
                  "there.example": {"primaries": "hidden", "policy": "as-is"}}}
    kenterd.start()
    for zone in zones:
        kenterd.wait_answer(f"www.{zone}", "A", "192.0.2.80")
    for serial, last in ((2, 81), (3, 82), (4, 83)):
        for zone in zones:
            change_primary(server, zone, text_of(serial, last, f"h{serial} A 192.0.2.9\n"))
        for zone in zones:
            kenterd.wait_answer(f"www.{zone}", "A", f"192.0.2.{last}")
            kenterd.wait_answer(f"h{serial}.{zone}", "A", "192.0.2.9")
            kenterd.wait_answer(f"h{serial - 1}.{zone}", "A", None)
    for zone in ("a.example", "b.example"):
        assert kenterd.ask(f"www.{zone}", "A", want_dnssec=True).answer[1:], "signed"
        verify(tmp_path, kenterd.zone(zone).to_text(), zone)
    kenterd.wait_serial("there.example", server.serial("there.example"))
    theirs = server.zone("there.example")
    wait(lambda: kenterd.zone("there.example") == server.zone("there.example"), "the same zone")
    verify(tmp_path, theirs.to_text(), "there.example")
    assert kenterd.text().count(" changes") >= 9, "differences only"
    assert kenterd.text().count("made 1 new key") == 2, "what is signed there is not signed here"


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_catalog_of_a_primary(tmp_path, kind):
    kenterd = Kenterd(tmp_path)
    server = {"bind": Named, "knot": Knotd}[kind](tmp_path, kind)
    start_primary(server, kind, {"a.example": text_of(1), "b.example": text_of(1, 81)}, kenterd.port,
                  catalog="catalog.test")
    kenterd.settings |= {
        "remotes": {"hidden": {"addresses": f"{HOST}@{server.port}", "key": KEY}},
        "catalogs": {"catalog.test": {"primaries": "hidden", "members": {"transfer": [{"key": KEY}]}}}}
    kenterd.start()
    if kind == "bind":
        catalog_of_bind(server, ["a.example"], [])
    kenterd.wait_answer("www.a.example", "A", "192.0.2.80")
    assert kenterd.ask("www.a.example", "A", want_dnssec=True).answer[1:], "members are signed"
    if kind == "bind":
        catalog_of_bind(server, ["b.example"], ["a.example"])
    else:
        settings = server.path / "knot.conf"
        settings.write_text(settings.read_text().replace("a.example", "new.example"))
        (server.path / "new.example.zone").write_text(text_of(1, 99))
        server.control("reload")
        kenterd.wait_answer("www.new.example", "A", "192.0.2.99")
    kenterd.wait_answer("www.b.example", "A", "192.0.2.81")
    kenterd.wait_gone("a.example")
    change_primary(server, "b.example", text_of(2, 82))
    kenterd.wait_answer("www.b.example", "A", "192.0.2.82")
    verify(tmp_path, kenterd.zone("b.example").to_text(), "b.example")


def catalog_of_bind(server, add, remove):
    text = "".join(f"update add m{zone.replace('.', '-')}.zones.catalog.test 0 PTR {zone}.\n" for zone in add)
    text += "".join(f"update delete m{zone.replace('.', '-')}.zones.catalog.test\n" for zone in remove)
    run(program("nsupdate"), "-y", f"hmac-sha256:{KEY}:{SECRET}",
        stdin=f"server {HOST} {server.port}\nzone catalog.test\n{text}send\n")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_second_kenterd(tmp_path, transport):
    """A mirror that passes on what the first signed, by TSIG and by TLS; it goes on alone."""
    tls = transport == "tls"
    first, second = Kenterd(tmp_path, "first"), Kenterd(tmp_path, "second")
    port = free_port()
    if tls:
        certificate(tmp_path)
        first.settings["tls"] = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
        first.settings["listen"].append({"address": f"{HOST}@{port}", "protocols": "tls"})
    first.settings |= {
        "remotes": {"ns2": {"addresses": f"{HOST}@{second.port}", "key": KEY}},
        "defaults": {"notify": "ns2", "transfer": [{"key": KEY}]},
        "catalogs": {"catalog.test": {"produce": True}},
        "zone-directories": [str(first.zones)]}
    source = {"addresses": f"{HOST}@{port if tls else first.port}", "key": KEY}
    if tls:
        source |= {"tls": True, "certificate-name": "ns.test", "ca-file": str(tmp_path / "cert.pem")}
    second.settings |= {
        "remotes": {"ns1": source},
        "policies": {"as-is": {"sign": False}},
        "catalogs": {"catalog.test": {"primaries": "ns1", "policy": "as-is",
                                      "members": {"policy": "as-is", "transfer": [{"key": KEY}]}}}}
    first.put("a.example", text_of(1))
    first.start()
    second.start()
    second.wait_answer("www.a.example", "A", "192.0.2.80")
    first.put("b.example", text_of(1, 81))
    second.wait_answer("www.b.example", "A", "192.0.2.81")
    for serial, last in ((2, 91), (3, 92)):
        first.put("a.example", text_of(serial, last))
        second.wait_answer("www.a.example", "A", f"192.0.2.{last}")
        second.wait_serial("a.example", first.serial("a.example"))
    assert first.text().count("1 step from") >= 2
    ours = second.zone("a.example")
    assert ours == first.zone("a.example")
    # Who asks the mirror when the zone expires is told what is left there, not what the SOA says (RFC 7314).
    for kind in ("SOA", "IXFR", "AXFR"):
        assert expire_of(first, "a.example", kind, 1) == 1209600
        assert 1209600 - 60 < expire_of(second, "a.example", kind, 1) <= 1209600
    assert expire_of(first, "www.a.example", "SOA", 1) is None
    if tls:
        assert rcode_over_tls(port, "a.example", ssl.TLSVersion.TLSv1_3, "AXFR") == dns.rcode.NOERROR
        assert rcode_over_tls(port, "a.example", ssl.TLSVersion.TLSv1_2, "AXFR") == dns.rcode.REFUSED
        assert rcode_over_tls(port, "a.example", ssl.TLSVersion.TLSv1_2, "SOA") == dns.rcode.NOERROR
    verify(tmp_path, ours.to_text(), "a.example")
    first.kill()
    assert second.zone("a.example") == ours
    second.end()
    second.start()
    assert second.zone("a.example") == ours and second.serial("b.example") is not None


def expire_of(server, name, kind, serial):
    query = dns.message.make_query(name, kind, use_edns=0, options=[dns.edns.GenericOption(9, b"")])
    if kind == "IXFR":
        query.authority.append(dns.rrset.from_text(query.question[0].name, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
    with contextlib.closing(socket.create_connection((HOST, server.port), 5)) as sock:
        dns.query.send_tcp(sock, query)
        answer = first_message(sock)
    said = [struct.unpack("!I", option.data)[0] for option in answer.options if option.otype == 9]
    return said[0] if said else None


def first_message(sock):
    """A transfer may be more than the message that is looked at."""
    read = sock.makefile("rb").read
    return dns.message.from_wire(read(struct.unpack("!H", read(2))[0]), one_rr_per_rrset=True)


def rcode_over_tls(port, name, version, kind):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["dot"])
    context.minimum_version = context.maximum_version = version
    with socket.create_connection((HOST, port), 5) as sock, context.wrap_socket(sock) as secret:
        wire = dns.message.make_query(name, kind).to_wire()
        secret.sendall(struct.pack("!H", len(wire)) + wire)
        return first_message(secret).rcode()


def certificate(path):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", path / "key.pem", "-out", path / "cert.pem", "-days", "30", "-subj", "/CN=ns.test",
        "-addext", "subjectAltName=DNS:ns.test")
    (path / "key.pem").chmod(0o600)
