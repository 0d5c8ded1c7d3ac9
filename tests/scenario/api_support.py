"""What the tests of the API share: a server to talk to, HTTP over its socket, the description."""
import contextlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import urllib.parse

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KENTER", TOP / "build" / "kenter")).resolve().parent
SERVER = BUILD / "tests" / "tools" / "apiserve"
SPEC = yaml.safe_load((TOP / "docs" / "openapi.yaml").read_text())


@contextlib.contextmanager
def serving(path, *options):
    """The server of the tests; it must end well."""
    with open(f"{path}.log", "w") as log:
        server = subprocess.Popen([SERVER, *map(str, options), path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.stdout.readline() == "ready\n", pathlib.Path(f"{path}.log").read_text()
    try:
        yield server
    finally:
        server.stdin.close()
        code = server.wait(30)
        assert code == 0, pathlib.Path(f"{path}.log").read_text()[-4000:]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("kenter", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.type = (response.headers["Content-Type"] or "").split(";")[0]
        self.headers = response.headers
        self.data = response.read()

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def codes(self):
        return [finding["code"] for finding in self.json["findings"]]


def ask(path, method, target, body=None, raw=None):
    """One request on a connection of its own; `path` may be the socket's or a TCP port."""
    connection = (http.client.HTTPConnection("127.0.0.1", path, timeout=30)
                  if isinstance(path, int) else UnixConnection(path))
    data = raw if raw is not None else None if body is None else json.dumps(body)
    headers = {} if data is None else {"Content-Type": "application/json"}
    connection.request(method, target, body=data, headers=headers)
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


def plain(schema):
    """A schema of OpenAPI 3.0 as JSON Schema: `nullable` is a word of the former only."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        at = SPEC
        for part in schema["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        return plain(at)
    result = {name: plain(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, result]} if schema.get("nullable") is True else result


def operations():
    """(path, method, operation with the parameters of its path)"""
    for path, item in SPEC["paths"].items():
        for method in item.keys() - {"parameters"}:
            operation = dict(item[method])
            operation["parameters"] = item.get("parameters", []) + operation.get("parameters", [])
            yield path, method.upper(), operation


def described(operation, reply):
    """The reply is one that the description of the operation has."""
    responses = operation["responses"]
    response = responses.get(str(reply.status))
    if response is None:
        assert reply.status >= 400, f"{operation['operationId']}: {reply.status} is not described"
        response = responses["default"]
    if "$ref" in response:
        response = SPEC["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    assert reply.type in response["content"], reply.type
    if reply.type == "application/json":
        jsonschema.validate(reply.json, plain(response["content"][reply.type]["schema"]))


def target(path, zone=None, service="mx.example.com:25", **parameters):
    """The zone stands in the path where that has a place for it, and is a parameter otherwise."""
    if path.endswith(("/udp", "/udp/look")) and service == "mx.example.com:25":
        service = "mx.example.com:443"
    path = path.replace("{service}", urllib.parse.quote(service, safe=":"))
    if zone is not None and "{zone}" not in path:
        parameters["zone"] = zone
    query = urllib.parse.urlencode(parameters)
    return path.replace("{zone}", urllib.parse.quote(zone or "example.com.", safe="")) + ("?" + query if query else "")
