"""kenter tlsa status, next and done by looking, in a world of several servers and zones: zones and servers that are
looked up, several addresses of a host, aliases into other zones, and what nobody may take out."""
import json

import pytest

from auth_support import Services


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Services(tmp_path_factory.mktemp("world")) as world:
        top, one, two = world.server("knot"), world.server("nsd"), world.server("knot")
        world.now, world.next = world.identity("mx.host.test"), world.identity("mx.host.test")
        world.pin = world.identity("authority.test", authority=True)
        world.under = world.identity("pinned.host.test", issuer=world.pin)
        now, new = world.now.tlsa(), world.next.tlsa()
        lines = []
        for number, (name, records, shown) in enumerate((
                ("both", [now, new], [world.next, world.next]), ("half", [now, new], [world.next, world.now]),
                ("late", [now], [world.now]), ("none", [], [world.now]), ("extra", [now, new], [world.now]),
                ("pinned", [world.pin.tlsa(2, 1, 1), now], [world.under]))):
            for place, identity in enumerate(shown):
                address = f"127.0.5.{10 * number + place + 1}"
                lines.append(f"{name} A {address}")
                world.serve(address, 25, "smtp", identity)
            lines += [f"_25._tcp.{name} TLSA {record}" for record in records]
        world.serve("127.0.5.91", 25, "smtp", world.next)
        lines += ["alias A 127.0.5.91", "_25._tcp.alias CNAME _dane.keys.test.", "dead A 127.0.5.99",
                  f"_25._tcp.dead TLSA {now}", "long A 127.0.5.91", "_25._tcp.long CNAME _1.long",
                  *[f"_{number}.long CNAME _{number + 1}.long" for number in range(1, 8)], f"_8.long TLSA {new}",
                  "open A 127.0.5.91", "_25._tcp.open CNAME _dane.plain.test."]
        world.zone(".", [top])
        world.zone("host.test.", [one, two], "\n".join(lines))
        world.zone("keys.test.", [top], f"_dane TLSA {now}\n_dane TLSA {new}")
        world.zone("plain.test.", [top], f"_dane TLSA {new}", signed=False)
        world.start()
        world.one, world.two = one, two
        world.resolver_used = world.unbound()
        yield world


def tlsa(world, verb, *arguments, code=0, state="state"):
    done = world.kenter("tlsa", verb, "--anchor", world.anchor(), "--json", "--server", world.resolver_used.address,
                        *(["--connect-timeout", "2"] if verb in ("status", "done") else []), *arguments, code=code,
                        anchor=False, environment={"XDG_STATE_HOME": str(world.path / state)})
    return json.loads(done.stdout)


def status(world, name, code=0):
    document = tlsa(world, "status", f"{name}.host.test:25", code=code)
    (service,) = document["services"]
    return service, [finding["code"] for finding in document["findings"]]


def test_status(world):
    now, new = world.now.tlsa(), world.next.tlsa()
    service, codes = status(world, "both")
    assert service["zone"] == "host.test." and service["step"] == "remove" and service["leftovers"] == [now]
    assert codes == ["dane.tlsa-unmatched"] and not service["kept"]
    assert sorted(server["name"] for server in service["servers"]) == [
        f"{server.name}.nic.host.test. {server.at}" for server in (world.one, world.two)]
    assert all(sorted(server["records"]) == sorted([now, new]) and server["ttl"] == 300 for server in service["servers"])
    assert [address["matches"] for address in service["addresses"]] == [[new], [new]]
    assert all(address["subject"] == "CN=mx.host.test" and address["not_after"] for address in service["addresses"])
    # Each record has somebody who leans on it.
    service, codes = status(world, "half")
    assert service["leftovers"] == [] and codes == []
    service, codes = status(world, "late")
    assert service["step"] == "done" and codes == []
    service, codes = status(world, "none")
    assert service["step"] == "publish" and "no record" in service["reason"]
    service, codes = status(world, "pinned")
    assert service["leftovers"] == [now] and service["addresses"][0]["matches"] == [world.pin.tlsa(2, 1, 1)]
    # What an address hides may be what a record is for.
    service, codes = status(world, "dead", code=1)
    assert service["step"] is None and service["leftovers"] == [] and service["addresses"][0]["error"]
    document = tlsa(world, "status", "late.host.test:25", "both.host.test:25", "--no-connect")
    assert [service["host"] for service in document["services"]] == ["late.host.test", "both.host.test"]
    world.kenter("tlsa", "status", "--anchor", world.anchor(), code=2, anchor=False)


def test_done(world):
    now = world.now.tlsa()
    done = tlsa(world, "done", "--cert", world.next.file, "both.host.test:25", code=7)
    assert done["updates"] == [f"update delete _25._tcp.both.host.test. TLSA {now}"]
    # One address has the former certificate still.
    half = tlsa(world, "done", "--cert", world.next.file, "half.host.test:25", code=7)
    assert half["updates"] == [] and half["step"] == "switch" and "127.0.5.12@25" in half["reason"]
    # Its record is missing.
    late = tlsa(world, "done", "--cert", world.now.file, "late.host.test:25")
    assert late["step"] == "done" and late["old"] == []
    none = tlsa(world, "done", "--cert", world.now.file, "none.host.test:25", code=7)
    assert none["step"] == "publish"
    pinned = tlsa(world, "done", "--cert", world.under.file, "pinned.host.test:25", code=7)
    assert pinned["old"] == [now]
    hidden = tlsa(world, "done", "--cert", world.now.file, "dead.host.test:25", code=7)
    assert hidden["step"] == "servers" and "127.0.5.99" in hidden["reason"]
    # Nobody said which is the new one.
    document = tlsa(world, "done", "extra.host.test:25", code=1)
    assert [finding["code"] for finding in document["findings"]] == ["dane.material-bad"]
    # One that others lean on stays.
    assert tlsa(world, "done", "--cert", world.next.file, "both.host.test:25", "half.host.test:25")["old"] == []
    world.kenter("tlsa", "done", "--cert", world.now.file, "late.host.test:25/udp", code=2)


def test_alias(world):
    service, codes = status(world, "alias")
    assert service["zone"] == "keys.test." and service["records_at"] == "_dane.keys.test."
    assert [server["alias"] for server in service["servers"]] == ["_dane.keys.test."] * 2 + [None]
    assert service["leftovers"] == [world.now.tlsa()] and codes == ["dane.tlsa-unmatched"]
    done = tlsa(world, "done", "--cert", world.next.file, "alias.host.test:25", code=7)
    assert done["updates"] == [f"update delete _dane.keys.test. TLSA {world.now.tlsa()}"]
    assert tlsa(world, "done", "--cert", world.next.file, "alias.host.test:25", "late.host.test:25")["old"] == []
    third = world.identity("mx.host.test")
    first = tlsa(world, "next", "--cert", third.file, "alias.host.test:25", code=7)
    assert first["updates"] == [f"update add _dane.keys.test. 300 TLSA {third.tlsa()}"]
    # Too many, and aliases that nobody can prove.
    document = tlsa(world, "next", "--cert", third.file, "long.host.test:25", code=1)
    assert "from alias to alias" in document["findings"][0]["message"]
    document = tlsa(world, "next", "--cert", world.next.file, "open.host.test:25", code=7)
    assert [finding["code"] for finding in document["findings"]] == ["dane.host-unsigned"]


def test_usage_2(world):
    """The authority of the next certificate is pinned already: nothing is to be published."""
    renewed = world.identity("pinned.host.test", issuer=world.pin)
    options = ["--usage", "2", "--former-ttl", "300", "pinned.host.test:25"]
    document = tlsa(world, "next", "--cert", renewed.file, *options, code=7)
    assert document["step"] == "caches" and document["updates"] == []
    other = world.identity("other-authority.test", authority=True)
    foreign = world.identity("pinned.host.test", issuer=other)
    document = tlsa(world, "next", "--cert", foreign.file, *options, code=7)
    assert document["updates"] == [f"update add _25._tcp.pinned.host.test. 300 TLSA {other.tlsa(2)}"]
    document = tlsa(world, "next", "--cert", world.now.file, *options, code=1)
    assert "chain" in document["findings"][0]["message"]


def test_servers_differ(world):
    """One server is behind: what it lacks is waited for, and the step says which server it is."""
    file = world.path / "stale"
    text = world.zones["host.test."].file.read_text().splitlines()
    digits = world.next.tlsa().split()[-1][:8]
    stale = [line for line in text if not (line.startswith("_25._tcp.extra.") and digits in line.lower())]
    file.write_text("\n".join(stale) + "\n")
    assert len(stale) == len(text) - 1
    world.two.own["host.test."] = file
    world.two.restart()
    try:
        document = tlsa(world, "gate", "--wait", "0s", "--cert", world.next.file, "extra.host.test:25", code=7)
        assert document["step"] == "publish" and world.two.at in document["reason"]
    finally:
        del world.two.own["host.test."]
        world.two.restart()
    document = tlsa(world, "gate", "--wait", "0s", "--cert", world.next.file, "extra.host.test:25", code=7)
    assert document["step"] == "caches"
    world.two.end()
    try:
        document = tlsa(world, "gate", "--wait", "0s", "--cert", world.next.file, "extra.host.test:25", code=7)
        assert document["step"] == "servers" and world.two.at in document["reason"]
    finally:
        world.two.start()
