"""A private DNS: a root, top-level domains, zones, several kinds of servers, each on an address of its own with port
53, and resolvers that know this root only. All of it lives in a network namespace that has nothing but its loopback
interface, so that it needs no ports of the machine and sees no other network; the commands under test run in there too.

    with World(path) as world:
        one, two = world.server("knot"), world.server("nsd")
        world.zone(".", [one])
        world.zone("test.", [one])
        world.zone("good.test.", [two], "www A 192.0.2.1")
        world.start()
        forwarder = world.unbound()
        world.kenter("trace", "www.good.test", forwarder.at)

Zones are signed by `kenter sign` from the leaves up, and delegated in their parents with glue and DS. A zone can be made
wrong on the way: see World.zone."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import sqlite3
import subprocess

from peers_config import knot, nsd, unbound
from peers_support import KENTER, KENTERD, PATIENCE, Server, program, wait

SOA = "{ns} hostmaster.nic.invalid. {serial} 7200 900 1209600 300"


class Inside:
    """A network namespace, held by a process that does nothing; as another user, one of a user namespace."""

    def __init__(self):
        wanted = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
        self.holder = subprocess.Popen([program("unshare"), *wanted, "sleep", "infinity"])
        target = ["-t", str(self.holder.pid), "-n"]
        if os.geteuid() != 0:
            target += ["-U", "--preserve-credentials"]
        self.prefix = [program("nsenter"), *target]
        outside = os.readlink("/proc/self/ns/net")
        wait(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != outside, "the namespace")
        wait(lambda: self.run(program("ip"), "link", "set", "lo", "up").returncode == 0, "its loopback interface")

    def address(self, address):
        """BIND listens only where an interface has an address."""
        done = self.run(program("ip"), "address", "add", f"{address}/32", "dev", "lo")
        assert done.returncode == 0, done.stderr

    def mounted(self, files):
        """The prefix of commands that see other files in /etc: {name there: path}."""
        return [*self.prefix, program("unshare"), "--mount", "/bin/sh", "-c",
                "".join(f"mount --bind {path} /etc/{name} && " for name, path in files.items()) + 'exec "$@"', "sh"]

    def run(self, *command, stdin=None, timeout=60, environment=None):
        return subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True, input=stdin,
                              timeout=timeout, env={**os.environ, **(environment or {})})

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Zone:
    def __init__(self, world, name, servers, text, more):
        self.world, self.name, self.servers, self.text = world, name, servers, text
        self.signed = more.pop("signed", True)
        self.options = more.pop("sign", ())          # of kenter sign
        self.policy = more.pop("policy", None)       # text of a policy
        self.ds = more.pop("ds", None)               # what the parent gets instead: list of rdata, or a function of it
        self.edit = more.pop("edit", None)           # changes the lines of the signed zone: list of str -> list of str
        self.at = more.pop("at", None)               # when it was signed
        self.serial = more.pop("serial", 1)
        self.delegated = more.pop("delegated", True)  # False: the parent does not know it
        self.keys = more.pop("keys", None) or world.path / "keys" / self.stem
        assert not more, more

    @property
    def stem(self):
        return "root" if self.name == "." else self.name.rstrip(".")

    @property
    def file(self):
        """What servers serve."""
        return self.world.path / "zones" / f"{self.stem}.served"

    def ns(self, server):
        return f"{server.name}.nic.{'' if self.name == '.' else self.name}"

    def unsigned(self):
        """With NS and glue, and with what its children need."""
        lines = [f"$ORIGIN {self.name}", "$TTL 300",
                 f"@ SOA {SOA.format(ns=self.ns(self.servers[0]), serial=self.serial)}"]
        for server in self.servers:
            lines += [f"@ NS {self.ns(server)}", f"{self.ns(server)} A {server.address}"]
        for child in self.world.children(self):
            for server in child.servers:
                lines += [f"{child.name} NS {child.ns(server)}", f"{child.ns(server)} A {server.address}"]
            lines += [f"{child.name} DS {ds}" for ds in child.ds_records()]
        return "\n".join(lines) + "\n" + self.text + "\n"

    def own_ds(self):
        """DS rdata of its keys, as they are."""
        if not self.signed:
            return []
        done = self.world.must(KENTER, "key", "ds", self.name, "--keys", self.keys)
        return [match.group(1) for match in re.finditer(r"\sDS\s+(\d.*)$", done.stdout, re.M)]

    def ds_records(self):
        if callable(self.ds):
            return self.ds(self.own_ds())
        return self.own_ds() if self.ds is None else self.ds

    def build(self):
        """Signs it, makes it wrong when that is wanted, and writes what is served."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.keys.parent.mkdir(parents=True, exist_ok=True)
        plain = self.file.with_suffix(".zone")
        plain.write_text(self.unsigned())
        if not self.signed:
            text = plain.read_text()
        else:
            options = [*self.options]
            if self.policy is not None:
                (self.file.with_suffix(".policy")).write_text(self.policy)
                options += ["--policy", self.file.with_suffix(".policy")]
            if self.at is not None:
                options += ["--at", self.at]
            signed = self.file.with_suffix(".signed")
            self.world.must(KENTER, "sign", "--quiet", "--keys", self.keys, "-o", signed, "--origin", self.name,
                            "--serial", "keep", *options, plain)
            text = signed.read_text()
        if self.edit is not None:
            text = "\n".join(self.edit(text.splitlines())) + "\n"
        self.file.write_text(text)


class Authority(Server):
    """A server of zones on an address of its own."""

    def __init__(self, world, kind, name, address):
        super().__init__(world.path, name)
        self.world, self.kind, self.address = world, kind, address
        self.own = {}  # zone name -> a file of its own: a secondary that is stale, say; None: it lacks the zone
        self.extra = ""
        self.unloadable = set()  # zones so wrong that this server refuses to load them

    @property
    def at(self):
        return f"{self.address}@53"

    def zones(self):
        """(name, file) of what it serves."""
        return [(zone.name, self.own.get(zone.name, zone.file)) for zone in self.world.zones.values()
                if self in zone.servers and self.own.get(zone.name, zone.file) is not None]

    def launch_inside(self, *command):
        self.launch(*self.world.inside.prefix, *command)

    def start(self):
        getattr(self, f"start_{self.kind}")()
        wait(lambda: self.alive() or self.is_ready(), f"{self.name} answers")

    def is_ready(self):
        """Has it loaded all zones? Some answer before."""
        questions = [word for name, _ in self.zones() if name not in self.unloadable for word in (name, "SOA")]
        if not questions:
            return True
        done = self.world.inside.run(program("dig"), f"@{self.address}", "+norec", "+tries=1", "+time=1", *questions)
        return done.stdout.count("status: NOERROR") == len(questions) // 2

    def restart(self):
        """With what the zones' files hold now."""
        self.end()
        self.start()

    def start_nsd(self):
        zones = "".join(f'zone:\n    name: "{name}"\n    zonefile: "{file}"\n' for name, file in self.zones())
        self.launch_inside(*nsd(self.path, self.at, zones, f"minimal-responses: no\n    {self.extra}"))

    def start_knot(self):
        zones = "".join(f'  - domain: "{name}"\n    file: "{file}"\n    semantic-checks: off\n'
                        "    zonefile-sync: -1\n    journal-content: none\n" for name, file in self.zones())
        self.launch_inside(*knot(self.path, self.at, f"{self.extra}\n{'zone:' if zones else ''}\n{zones}"))

    def start_bind(self):
        zones = "".join(f'zone "{name}" {{ type primary; file "{file}"; check-names ignore; check-integrity no; '
                        f'masterfile-format text; zone-statistics none; }};\n' for name, file in self.zones())
        (self.path / "named.conf").write_text(f"""
options {{
    directory "{self.path}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port 53 {{ {self.address}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no;
    notify no; {self.extra}
}};
controls {{ }};
{zones}""")
        self.launch_inside(program("named"), "-g", "-c", self.path / "named.conf", "-n", "1")

    def start_pdns(self):
        """PowerDNS with its bind backend, which wants to be told which zones are signed already."""
        database = self.path / "dnssec.sqlite3"
        zones = "".join(f'zone "{name}" {{ type master; file "{file}"; }};\n' for name, file in self.zones())
        (self.path / "named.conf").write_text(f'options {{ directory "{self.path}"; }};\n{zones}')
        (self.path / "pdns.conf").write_text(f"""
launch=bind
bind-config={self.path}/named.conf
bind-dnssec-db={database}
bind-check-interval=0
local-address={self.address}
local-port=53
socket-dir={self.path}
daemon=no
guardian=no
setuid=
setgid=
webserver=no
cache-ttl=0
query-cache-ttl=0
zone-cache-refresh-interval=0
{self.extra}
""")
        database.unlink(missing_ok=True)
        self.world.must(program("pdnsutil"), f"--config-dir={self.path}", "create-bind-db", database)
        insert = "insert into domainmetadata (domain, kind, content) values (?, ?, ?)"
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            for name, file in self.zones():
                text = file.read_text()
                plain = "." if name == "." else name.rstrip(".")
                if "RRSIG" in text:
                    connection.execute(insert, (plain, "PRESIGNED", "1"))
                hashed = re.search(r"\sIN\s+NSEC3PARAM\s+(\d.*)$", text, re.M)
                if hashed:
                    connection.execute(insert, (plain, "NSEC3PARAM", hashed.group(1)))
        self.launch_inside(program("pdns_server"), f"--config-dir={self.path}")

    def start_kenter(self):
        """kenterd serves the files as they are: `sign: false`."""
        settings = self.path / "kenter.yaml"
        zones = "".join(f'  "{name}": {{file: "{file}", policy: as-is}}\n' for name, file in self.zones())
        settings.write_text(f"""
data: {self.path}/data
threads: 1
listen: ["{self.address}@53"]
api: {{socket: "{self.path}/kenter.sock"}}
rate-limit: {{enabled: false}}
policies: {{as-is: {{sign: false}}}}
{'zones:' if zones else ''}
{zones}""")
        settings.chmod(0o600)
        self.launch_inside(KENTERD, "--config", settings)


class Resolver(Server):
    """Unbound or BIND, knowing the world's root; answers on port 53 of an address of its own."""

    def __init__(self, world, kind, address, validating, more, stubs):
        super().__init__(world.path, f"{kind}-{address}")
        self.world, self.kind, self.address, self.validating, self.more = world, kind, address, validating, more
        self.stubs = "".join(f'stub-zone:\n    name: "{zone}"\n    stub-addr: {server.at}\n'
                             for zone, server in (stubs or {}).items())

    @property
    def at(self):
        """As an argument of trace and lookup."""
        return f"@{self.address}"

    def start(self, wanted=True):
        """wanted=False: not waited for until it answers."""
        hints = self.world.hints()
        anchor = self.world.anchor()
        if self.kind == "unbound":
            anchors = f'trust-anchor-file: "{anchor}"' if self.validating else ""
            modules = "validator iterator" if self.validating else "iterator"
            self.launch(*self.world.inside.prefix, *unbound(self.path, f"{self.address}@53", modules, self.stubs, f"""
    access-control: 0.0.0.0/0 allow
    {anchors}
    aggressive-nsec: no
    target-fetch-policy: "0 0 0 0 0"
    root-hints: "{hints}"
    local-zone: "test." nodefault
    local-zone: "example." nodefault
    local-zone: "invalid." nodefault
    {self.more}
"""))
        else:
            keys = "".join(f'"." static-ds {ds};' for ds in self.world.quoted_ds())
            (self.path / "named.conf").write_text(f"""
options {{
    directory "{self.path}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port 53 {{ {self.address}; }}; listen-on-v6 {{ none; }}; recursion yes; allow-recursion {{ any; }};
    dnssec-validation {'yes' if self.validating else 'no'}; empty-zones-enable no; qname-minimization off;
    {self.more}
}};
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
trust-anchors {{ {keys} }};
""")
            self.launch(*self.world.inside.prefix, program("named"), "-4", "-g", "-c", self.path / "named.conf", "-n",
                        "1")
        if wanted:
            wait(lambda: self.alive() or "status: NOERROR" in self.world.dig(self.at, ".", "NS", "+cd"),
                 f"{self.name} answers", 2 * PATIENCE)
        return self


class World:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.zones = {}  # by name, in the order of their making
        self.servers, self.resolvers = [], []
        self.inside = None

    def __enter__(self):
        self.inside = Inside()
        return self

    def __exit__(self, *what):
        try:
            for process in [*self.resolvers, *self.servers]:
                process.end()
        finally:
            self.inside.end()
            if what[0] is not None:
                for process in [*self.servers, *self.resolvers]:
                    if process.log.exists():
                        print(f"--- log of {process.name}\n{process.text()[-3000:]}")

    def server(self, kind="nsd", name=None, address=None):
        """A server of zones: "nsd", "knot", "bind", "pdns" or "kenter"."""
        number = len(self.servers) + 1
        server = Authority(self, kind, name or f"ns{number}", address or f"127.0.1.{number}")
        self.inside.address(server.address)
        self.servers.append(server)
        return server

    def zone(self, name, servers, text="", **more):
        """Adds a zone. `text`: records, relative to it. More: signed=False; sign=[options of kenter sign];
        policy=text; ds=[rdata] or a function from the true DS records to those that the parent gets; edit=function
        from the lines of the signed zone to those that are served; at=TIME of signing; serial; delegated=False;
        keys=directory."""
        self.zones[name] = Zone(self, name, servers, text, more)
        return self.zones[name]

    def parent(self, zone):
        above = [other for other in self.zones.values() if other is not zone and zone.name != "." and
                 (other.name == "." or zone.name.endswith("." + other.name))]
        return max(above, key=lambda other: 0 if other.name == "." else other.name.count("."), default=None)

    def children(self, zone):
        return [other for other in self.zones.values() if other.delegated and self.parent(other) is zone]

    def build(self):
        """All zones, the deepest first: their parents need their keys."""
        levels = {}
        for zone in self.zones.values():
            levels.setdefault(len(zone.name.rstrip(".").split(".")) if zone.name != "." else 0, []).append(zone)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for _, zones in sorted(levels.items(), reverse=True):
                list(pool.map(Zone.build, zones))

    def start(self):
        self.build()
        for server in self.servers:
            server.start()

    def resolver(self, kind="unbound", validating=False, more="", address=None, stubs=None, wanted=True):
        """`more`: settings; `stubs`, of Unbound: {zone: the one server that it is to ask}."""
        resolver = Resolver(self, kind, address or f"127.0.53.{len(self.resolvers) + 1}", validating, more, stubs)
        self.inside.address(resolver.address)
        self.resolvers.append(resolver)
        return resolver.start(wanted)

    def unbound(self, **more):
        return self.resolver("unbound", **more)

    def bind(self, **more):
        return self.resolver("bind", **more)

    # What knows this world.

    def quoted_ds(self):
        for ds in self.zones["."].own_ds():
            tag, algorithm, digest, *data = ds.split()
            yield f'{tag} {algorithm} {digest} "{"".join(data)}"'

    def anchor(self):
        """The file with the DS of the root."""
        file = self.path / "anchor"
        file.write_text("".join(f". 3600 IN DS {ds}\n" for ds in self.zones["."].own_ds()))
        return file

    def hints(self):
        file, root = self.path / "hints", self.zones["."]
        file.write_text("".join(f". 3600000 NS {root.ns(server)}\n{root.ns(server)} 3600000 A {server.address}\n"
                                for server in root.servers))
        return file

    # Commands.

    def must(self, *command, code=0, stdin=None):
        done = self.inside.run(*command, stdin=stdin)
        assert code is None or done.returncode == code, (
            f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def kenter(self, verb, *arguments, code=0, anchor=True, environment=None):
        """kenter trace and its like, with the world's anchor; code=None: whatever it is."""
        options = ["--anchor", self.anchor()] if anchor else []
        done = self.inside.run(KENTER, verb, *options, *arguments,
                               environment={"LC_ALL": "C.UTF-8", **(environment or {})})
        assert code is None or done.returncode == code, (
            f"kenter {verb} {arguments} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def dig(self, *arguments):
        return self.inside.run(program("dig"), "+tries=1", "+time=3", "+dnssec", *arguments).stdout
