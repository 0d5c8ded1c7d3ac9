"""docs/openapi.yaml is true: every operation that it describes gives replies of its schemas, takes
the parameters and bodies that it describes and no others, and nothing else is there."""
import copy
import socket

import jsonschema
import pytest

import peers_support
from api_support import SPEC, ask, described, operations, plain, serving, target
from ports import free_port

ALL = {operation["operationId"]: (path, method, operation)
       for path, method, operation in operations()}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

CHANGE = {"changes": [{"action": "add", "name": "new", "type": "A", "ttl": 60, "data": "192.0.2.9"}]}
CREATE = {"zone": "made.test", "source": {"kind": "edits"}}
# Operation → what to ask for, and the status.
GOOD = {
    "status": [({}, None, 200)],
    "zones": [({}, None, 200), ({"limit": 2}, None, 200), ({"after": "example.com"}, None, 200),
              ({"state": "problem"}, None, 200), ({"limit": 1, "state": "expired"}, None, 200)],
    "create": [({}, CREATE, 201), ({}, CREATE, 409),
               ({}, {"zone": "p.test.", "source": {"kind": "primary", "primaries": ["one"]}}, 201),
               ({}, {"zone": "f.test.", "source": {"kind": "file", "file": "/f"},
                     "policy": "default"}, 201),
               ({}, {"zone": "q.test.", "source": {"kind": "edits"}, "policy": "none"}, 422)],
    "zone": [({"zone": zone}, None, 200)
             for zone in ("example.com.", "EXAMPLE.com", "file.test.", "primary.test.",
                          "broken.test.", "new.test.", "0/25.2.0.192.in-addr.arpa.")]
            + [({"zone": "none.test"}, None, 404)],
    "why": [({}, None, 200), ({"zone": "broken.test"}, None, 200), ({"zone": "none"}, None, 404)],
    "log": [({}, None, 200), ({"count": 3}, None, 200), ({"zone": "none"}, None, 404)],
    "records": [({"name": "@"}, None, 200), ({"name": "www", "type": "A"}, None, 200),
                ({"name": "www.example.com.", "type": "TYPE1", "signed": "true"}, None, 200),
                ({"name": "none"}, None, 200), ({"name": "www.example.org."}, None, 400),
                ({"zone": "new.test", "name": "@"}, None, 409)],
    "file": [({}, None, 200), ({"signed": "true"}, None, 200), ({"zone": "new.test"}, None, 409)],
    "change": [({}, {**CHANGE, "dry_run": True}, 200), ({}, CHANGE, 200),
               ({}, {**CHANGE, "serial": 99}, 409), ({"zone": "file.test"}, CHANGE, 409),
               ({}, {"changes": [{"action": "delete", "name": "new"}]}, 200),
               ({}, {"changes": [{"action": "set", "name": "@", "type": "MX", "ttl": 5,
                                  "data": "10 mail ; a comment"}]}, 200),
               ({"zone": "none"}, CHANGE, 404)],
    "reload_zone": [({}, None, 200), ({"zone": "broken.test"}, None, 200),
                    ({"zone": "none"}, None, 404)],
    "reload": [({}, None, 202)],
    "delete": [({"zone": "made.test"}, None, 200), ({"zone": "made.test"}, None, 404),
               ({"zone": "example.com"}, None, 409)],
    "tlsa_list": [({}, None, 200)],
    "tlsa": [({"service": "mx.example.com:25"}, None, 200), ({"service": "MX.example.com.:25"}, None, 200),
             ({"service": "mx.example.com:26"}, None, 404), ({"service": "mx.example.com"}, None, 400),
             ({"service": "mx.example.com:0"}, None, 400), ({"service": "a..b:25"}, None, 400)],
    "tlsa_udp": [({"service": "mx.example.com:443"}, None, 200), ({"service": "mx.example.com:444"}, None, 404)],
    "tlsa_look": [({"service": "mx.example.com:25"}, None, 200), ({"service": "none:25"}, None, 404)],
    "tlsa_look_udp": [({"service": "mx.example.com:443"}, None, 200)],
    "metrics": [({}, None, 200)],
    "health": [({}, None, 200)],
    "page_overview": [({}, None, 200), ({"limit": 2, "state": "ok", "after": "a.test"}, None, 200),
                      ({"limit": "", "state": "", "after": ""}, None, 200)],
    "page_zone": [({"zone": zone}, None, 200)
                  for zone in ("example.com.", "EXAMPLE.com", "broken.test", "new.test",
                               "0/25.2.0.192.in-addr.arpa.")]
                 + [({"zone": "none.test"}, None, 404), ({}, None, 400)],
}


BEGIN = """$TTL 600
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ MX 10 mail
ns1 A 192.0.2.1
mail A 192.0.2.25
www A 192.0.2.80
"""


def real(path):
    """kenterd as a whole, with the zones that the tests ask for."""
    kenterd = peers_support.Kenterd(path)
    place = kenterd.path
    (place / "begin").write_text(BEGIN)
    (place / "broken").write_text("@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\nwww A 192.0.2.300\n")
    kenterd.settings |= {
        "remotes": {"one": f"127.0.0.1@{free_port()}"},
        "zones": {"example.com": {"edits": True, "file": str(place / "begin")},
                  "file.test": str(place / "begin"),
                  "primary.test": {"primaries": "one"},
                  "broken.test": str(place / "broken"),
                  "new.test": {"edits": True},
                  "0/25.2.0.192.in-addr.arpa": {"edits": True, "file": str(place / "begin")}},
        "tlsa": [{"host": "mx.example.com", "ports": [25, "443/udp"], "certificate": str(place / "none.pem"),
                  "servers": f"127.0.0.1@{kenterd.port}"}]}
    kenterd.start()
    peers_support.wait(lambda: kenterd.serial("example.com"), "example.com is published")
    return kenterd


@pytest.fixture(scope="module", params=["parts", "kenterd"])
def api(request, tmp_path_factory):
    """The API with a backend that the tests made, and with the real one."""
    place = tmp_path_factory.mktemp("api")
    if request.param == "kenterd":
        with peers_support.watched():
            yield real(place).socket
    else:
        with serving(place / "socket", "--later", 20):
            yield place / "socket"


def test_each_operation_is_tried():
    assert set(GOOD) == set(ALL)


def test_replies(api):
    for name, tries in GOOD.items():
        path, method, operation = ALL[name]
        for parameters, body, status in tries:
            reply = ask(api, method, target(path, **parameters), body)
            assert reply.status == status, (name, parameters, body, reply.data)
            described(operation, reply)
            assert reply.headers["Cache-Control"] == "no-store"


def test_head(api):
    for name in ("status", "zone", "file", "metrics", "page_overview"):
        reply = ask(api, "HEAD", target(ALL[name][0]))
        assert reply.status == 200 and reply.data == b""


def test_other_methods(api):
    for path, item in SPEC["paths"].items():
        have = {method.upper() for method in item.keys() - {"parameters"}}
        for method in set(METHODS) - have:
            reply = ask(api, method, target(path))
            assert reply.status == 405 and reply.codes == ["api.method-unknown"], (method, path)
            assert set(reply.headers["Allow"].split(", ")) - {"HEAD"} == have


def test_other_paths(api):
    known = {target(path) for path in SPEC["paths"]}
    other = {"/zone/", "/v1", "/v1/", "/v2/status", "/index.html", "//", "/metrics/x", "/v1/zones/",
             "/v1/zones//why", "/v1/zones/example.com/none", "/v1/zones/example.com/why/more",
             "/v1/zones/example.com%2fwhy", "/V1/status", "*", "status"}
    other |= {path + "/" for path in known} | {path + "x" for path in known if "example" not in path}
    for path in other - known:
        reply = ask(api, "GET", path)
        assert reply.status == 404, (path, reply.data)
        jsonschema.validate(reply.json, plain({"$ref": "#/components/schemas/Findings"}))


def parameters_of(operation):
    return [parameter for parameter in operation["parameters"] if parameter["in"] == "query"]


def test_parameters(api):
    for path, method, operation in ALL.values():
        if method != "GET":
            reply = ask(api, method, target(path, nothing=1))
            assert reply.status == 400, reply.data
            continue
        page = operation["operationId"].startswith("page_")
        needed = {"records": {"name": "@"}, "page_zone": {"zone": "example.com"}}.get(
            operation["operationId"], {})
        for parameter in parameters_of(operation):
            name, schema = parameter["name"], plain(parameter["schema"])
            wrong = ["" if schema["type"] != "string" or "enum" in schema else "a..b"]
            if schema["type"] == "integer":
                wrong += [schema["minimum"] - 1, schema["maximum"] + 1, "1x", "-1", "1.5"]
            if schema["type"] == "boolean":
                wrong += ["yes", "TRUE", "1"]
            if "enum" in schema:
                wrong += ["none", schema["enum"][0].upper()]
            if parameter.get("allowEmptyValue") and not parameter.get("required"):
                wrong.remove("") if "" in wrong else None
                assert ask(api, method, target(path, **{**needed, name: ""})).status == 200
            for value in wrong:
                reply = ask(api, method, target(path, **{**needed, name: value}))
                assert reply.status == 400, (name, value)
                if page:
                    assert b"error, api.request-bad" in reply.data, (name, value)
                else:
                    assert reply.codes == ["api.request-bad"], (name, value)
            if "default" in schema and not page:  # a page says how long ago it all was
                value = str(schema["default"]).lower()
                assert ask(api, method, target(path, **{**needed, name: value})).data == ask(
                    api, method, target(path, **needed)).data
            twice = target(path, **needed) + f"{'&' if needed else '?'}{name}=1&{name}=1"
            assert ask(api, method, twice).status == 400
        reply = ask(api, method, target(path, **{**needed, "nothing": 1}))
        assert reply.status == 400 and b"nothing" in reply.data
    reply = ask(api, "GET", "/v1/zones?limt=3")
    assert 'did you mean "limit"' in reply.json["findings"][0]["message"]
    assert ask(api, "GET", "/v1/zones/example.com/records").status == 400
    for broken in ("%", "%2", "%zz", "%00"):
        assert ask(api, "GET", f"/v1/zones?after={broken}").status == 400
        assert ask(api, "GET", f"/v1/zones/{broken}").status == 400


def mutations(value, schema):
    """Bodies that are wrong by the schema, each in one place."""
    yield from (other for other in (None, 1, "x", [], True, {}) if type(other) is not type(value))
    if isinstance(value, dict):
        yield {**value, "unknwon": 1}
        for name, inner in value.items():
            if name in schema.get("required", []):
                yield {key: other for key, other in value.items() if key != name}
            for other in mutations(inner, schema["properties"][name]):
                yield {**value, name: other}
    elif isinstance(value, list):
        yield []
        for other in mutations(value[0], schema["items"]):
            yield [other]
    elif isinstance(value, str):
        yield "" if schema.get("minLength") or "enum" in schema else 5
        if "maxLength" in schema:
            yield "x" * (schema["maxLength"] + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (schema["minimum"] - 1, schema["maximum"] + 1, value + 0.5)


@pytest.mark.parametrize("name, body", [
    ("create", {"zone": "m.test", "policy": "default",
                "source": {"kind": "primary", "primaries": ["one"]}}),
    ("create", {"zone": "m.test", "source": {"kind": "file", "file": "/x"}}),
    ("create", {"zone": "m.test", "source": {"kind": "edits", "content": ""}}),
    ("change", {"dry_run": True, "serial": 1, **CHANGE}),
])
def test_bodies(api, name, body):
    path, method, operation = ALL[name]
    schema = plain(operation["requestBody"]["content"]["application/json"]["schema"])
    jsonschema.validate(body, schema)
    count = 0
    for wrong in mutations(body, schema):
        if jsonschema.Draft7Validator(schema).is_valid(wrong):
            continue
        reply = ask(api, method, target(path), wrong)
        assert reply.status == 400, (wrong, reply.data)
        described(operation, reply)
        count += 1
    assert count > 15
    reply = ask(api, method, target(path), {**copy.deepcopy(body), list(body)[0] + "s": 1})
    assert f'did you mean "{list(body)[0]}"' in reply.json["findings"][0]["message"]


def test_what_schemas_cannot_say(api):
    wrong_changes = [
        {"action": "add", "name": "a"}, {"action": "set", "name": "a", "type": "A", "ttl": 1},
        {"action": "add", "name": "a", "type": "A", "ttl": 1, "data": "192.0.2.300"},
        {"action": "add", "name": "a", "type": "RRSIG", "ttl": 1, "data": "x"},
        {"action": "add", "name": "a", "type": "NONE", "ttl": 1, "data": "x"},
        {"action": "add", "name": "a", "type": "AXFR", "ttl": 1, "data": "x"},
        {"action": "add", "name": "a.example.org.", "type": "A", "ttl": 1, "data": "192.0.2.1"},
        {"action": "add", "name": "a..b", "type": "A", "ttl": 1, "data": "192.0.2.1"},
        {"action": "add", "name": "a", "type": "TXT", "ttl": 1, "data": '"no end'},
        {"action": "add", "name": "a", "type": "TXT", "ttl": 1, "data": "( x"},
        {"action": "delete", "name": "a", "ttl": 3}, {"action": "delete", "name": "a", "data": "x"},
    ]
    for change in wrong_changes:
        reply = ask(api, "POST", "/v1/zones/example.com/changes", {"changes": [change]})
        assert reply.status == 400 and reply.codes == ["api.record-bad"], (change, reply.data)
    for source in ({"kind": "file"}, {"kind": "primary"}, {"kind": "file", "file": "relative"},
                   {"kind": "edits", "file": "/x"}, {"kind": "file", "file": "/x", "content": ""}):
        reply = ask(api, "POST", "/v1/zones", {"zone": "m.test", "source": source})
        assert reply.status == 400 and reply.codes == ["api.request-bad"], (source, reply.data)


def test_bodies_that_are_no_json(api):
    for raw in (b"", b"{", b"nothing", b'{"changes":1', b'{"changes":[],"changes":[]}', b"\xff\xfe",
                b"[" * 5000, b'{"changes": "\x00"}'):
        reply = ask(api, "POST", "/v1/zones/example.com/changes", raw=raw)
        assert reply.status == 400 and reply.codes == ["api.request-bad"], raw
    assert ask(api, "POST", "/v1/reload", raw=b"{}").status == 400
    assert ask(api, "GET", "/v1/status", raw=b"{}").status == 400


def test_limits(api):
    assert ask(api, "POST", "/v1/zones/example.com/changes",
               raw=b" " * (17 << 20)).codes == ["api.too-large"]
    reply = ask(api, "GET", "/v1/zones?after=" + "a" * 9000)
    assert reply.status == 414 and reply.codes == ["api.too-large"]
    pieces = (b" " * 65536 for _ in range(300))
    assert ask(api, "POST", "/v1/zones/example.com/changes", raw=pieces).status == 413
    many = {"changes": [{"action": "delete", "name": "a"}] * 100001}
    assert ask(api, "POST", "/v1/zones/example.com/changes", many).status == 400
    # Heads that never end, or are none.
    for head in (b"GET /v1/status HTTP/1.1\r\nX: " + b"x" * 200000, b"\x16\x03\x01 hello\r\n\r\n",
                 b"GET\r\n\r\n", b"GET /v1/status HTTP/1.1\r\n: x\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(api))
            try:
                client.sendall(head)
                client.shutdown(socket.SHUT_WR)
                assert b" 200 " not in client.recv(65536).split(b"\r\n")[0]
            except OSError:
                pass
    assert ask(api, "GET", "/v1/status").status == 200


def test_pages(api):
    after, names = None, []
    while True:
        page = ask(api, "GET", target("/v1/zones", limit=2, **({"after": after} if after else {})))
        names += [zone["zone"] for zone in page.json["zones"]]
        after = page.json["next"]
        if after is None:
            break
    every = [zone["zone"] for zone in ask(api, "GET", "/v1/zones?limit=1000").json["zones"]]
    assert names == every and len(every) > 5


def test_metrics_door(tmp_path):
    port = free_port()
    with serving(tmp_path / "socket", "--metrics", port):
        assert b"kenter_zones" in ask(port, "GET", "/metrics").data
        assert ask(port, "GET", "/healthz").json["healthy"] is True
        assert ask(port, "GET", "/").type == "text/html"
        assert ask(port, "GET", "/zone?zone=example.com").status == 200
        for path in SPEC["paths"].keys() - {"/metrics", "/healthz", "/", "/zone"}:
            for method in METHODS:
                assert ask(port, method, target(path)).status == 404
        for method in set(METHODS) - {"GET"}:
            assert ask(port, method, "/").status == 405


def test_clients_that_go_away(tmp_path):
    """Requests whose client leaves before the reply, and a server that ends before it."""
    path = tmp_path / "socket"
    with serving(path, "--later", 300):
        for _ in range(5):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert ask(path, "GET", "/v1/status").status == 200
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        client.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert ask(path, "GET", "/v1/status").json["jobs"]["waiting"] > 0
    assert b" 503 " in client.recv(65536)
    client.close()
