"""Name servers as benchmarks start them: Kenter, NSD, Knot, BIND, and a bare echo, all on loopback.

A Server has a directory of its own, a port, and the processes that it became. What is measured is
asked from /proc: CPU time by the clocks of the processes, memory without the pages that are only a
file's (a map of a database is the page cache's, whoever holds it), counted once where shared.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SECRET = "a2VudGVyLWJlbmNobWFyay1rZXktMDEyMzQ1Njc4OTA="
KEY = "bench.key"


def free_port():
    """One that is free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with socket.socket() as tcp:
                try:
                    tcp.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, left = [], [pid]
    while left:
        pid = left.pop()
        found.append(pid)
        left += parents.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time, to the nanosecond; of those that are still there."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it
        except OSError:
            pass
    return total


def own_memory(pids):
    """MiB of pages: proportional where shared, and none of mapped databases."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
        except OSError:
            continue
        counted = True
        for line in lines:
            word = line.split(None, 1)[0]
            if not word.endswith(":"):
                counted = not line.endswith(".mdb")
            elif word == "Pss:" and counted:
                total += int(line.split()[1])
    return total / 1024


class Server:
    """A running server; `with` ends it."""

    def __init__(self, name, directory, command, port, log):
        self.name, self.directory, self.port, self.peak = name, directory, port, 0.0
        self.started = time.monotonic()
        with open(log, "ab") as sink:
            self.process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=directory)
        self.watching = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_watching()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            members = family(self.process.pid)
            for pid in members:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def pids(self):
        return family(self.process.pid)

    def cpu(self):
        return cpu_seconds(self.pids())

    def memory(self):
        now = own_memory(self.pids())
        self.peak = max(self.peak, now)
        return now

    def watch_memory(self, every):
        """Keeps `peak` until the end."""
        self.watching = threading.Event()

        def look(ended):
            while not ended.wait(every):
                self.memory()

        threading.Thread(target=look, args=(self.watching,), daemon=True).start()

    def stop_watching(self):
        if self.watching:
            self.watching.set()
            self.watching = None


class Bench:
    """Where servers are, and where they keep what they make."""

    def __init__(self, build, work, log, disk):
        build = Path(build).resolve()
        self.kenterd, self.load = build / "kenterd", build / "bench/bench_load"
        self.work, self.log, self.on_disk = work, log, False
        self.disk = Path(tempfile.mkdtemp(prefix="kenter-bench-", dir=disk))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.disk, ignore_errors=True)

    def directory(self, name, fresh=True):
        path = (self.disk if self.on_disk else self.work) / f"server-{name}"
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        path.mkdir(exist_ok=True)
        if fresh:
            os.sync()  # what others left to be written is not waited for by this one
        return path

    def measure(self, *words):
        """What bench_load says."""
        result = subprocess.run([self.load, *map(str, words)], capture_output=True, text=True)
        if not result.stdout.startswith("{"):
            raise RuntimeError(f"bench_load {words[0]}: {result.stderr.strip() or result.returncode}")
        return json.loads(result.stdout)

    # Each makes the settings of a server and starts it. `zones`: name → file. `sign`: the server
    # makes keys and signs; else it serves what stands in the file. `update`: zones can be changed
    # with the TSIG key.

    def kenter(self, zones, sign=False, update=False, threads=1, fresh=True, limited=False, folder=None):
        place, port = self.directory("kenter", fresh), free_port()
        lines = [f"data: {place}/data", f"threads: {threads}", f"listen: 127.0.0.1@{port}",
                 "log: {level: warning}",
                 f"rate-limit: {{enabled: {'true' if limited else 'false'}}}"]
        if not sign:
            lines.append("policies: {default: {sign: false}}")
        if update:
            lines.append(f"keys: {{{KEY}: {{secret: {SECRET}}}}}")
        if folder:
            lines.append(f"zone-directories: {folder}")
        else:
            rule = f", edits: true, update: [{{key: {KEY}}}]" if update else ""
            lines.append("zones:")
            lines += [f"  {name}: {{file: {path}{rule}}}" for name, path in zones.items()]
        (place / "kenter.yaml").write_text("\n".join(lines) + "\n")
        (place / "kenter.yaml").chmod(0o600)
        return Server("kenter", place, [self.kenterd, "--config", place / "kenter.yaml"], port, self.log)

    def nsd(self, zones, **_):
        place, port = self.directory("nsd"), free_port()
        text = f"""server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: {place}
  pidfile: {place}/nsd.pid
  zonelistfile: {place}/zone.list
  xfrdfile: {place}/xfrd.state
  xfrdir: {place}
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
"""
        for name, path in zones.items():
            text += f"zone:\n  name: {name}\n  zonefile: {path}\n  provide-xfr: 127.0.0.1 NOKEY\n"
        (place / "nsd.conf").write_text(text)
        return Server("nsd", place, ["nsd", "-d", "-c", place / "nsd.conf"], port, self.log)

    def knot(self, zones, sign=False, update=False, threads=1, **_):
        place, port = self.directory("knot"), free_port()
        (place / "db").mkdir()
        text = f"""server:
  listen: 127.0.0.1@{port}
  rundir: {place}
  udp-workers: 1
  tcp-workers: 1
  background-workers: {threads}
log:
  - target: stderr
    any: warning
database:
  storage: {place}/db
  journal-db-max-size: 8G
  kasp-db-max-size: 4G
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: open
    address: 127.0.0.1
    action: transfer
  - id: change
    key: {KEY}
    action: update
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: off
    nsec3: off
    cds-cdnskey-publish: always
    signing-threads: {threads}
template:
  - id: default
    storage: {place}
    acl: [open{', change' if update else ''}]
    zonefile-sync: -1
"""
        if sign:
            text += "    dnssec-signing: on\n    dnssec-policy: p\n"
        text += "zone:\n" + "".join(f"  - domain: {name}\n    file: {path}\n" for name, path in zones.items())
        (place / "knot.conf").write_text(text)
        return Server("knot", place, ["knotd", "-c", place / "knot.conf"], port, self.log)

    def bind(self, zones, sign=False, update=False, threads=1, **_):
        place, port = self.directory("bind"), free_port()
        (place / "keys").mkdir()
        text = f"""options {{
  directory "{place}";
  pid-file "{place}/named.pid";
  session-keyfile "{place}/session.key";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
  allow-transfer {{ 127.0.0.1; }};
  notify no;
  empty-zones-enable no;
}};
controls {{ }};
key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
dnssec-policy "p" {{ keys {{ ksk lifetime unlimited algorithm ecdsap256sha256;
  zsk lifetime unlimited algorithm ecdsap256sha256; }}; }};
"""
        more = (f' dnssec-policy "p"; inline-signing yes; key-directory "{place}/keys";' if sign else "")
        more += f' allow-update {{ key "{KEY}"; }};' if update else ""
        for name, path in zones.items():
            if sign:  # it writes beside the file
                own = place / f"{name}.zone"
                shutil.copy(path, own)
                path = own
            text += f'zone "{name}" {{ type primary; file "{path}";{more} }};\n'
        (place / "named.conf").write_text(text)
        return Server("bind", place, ["named", "-g", "-n", str(threads), "-c", place / "named.conf"],
                      port, self.log)

    def echo(self, *_, **__):
        place, port = self.directory("echo"), free_port()
        return Server("echo", place, [self.load, "echo", str(port)], port, self.log)

    def installed(self, *names):
        programs = {"nsd": "nsd", "knot": "knotd", "bind": "named"}
        return [n for n in names if n not in programs or shutil.which(programs[n])]

    def await_zones(self, server, names, seconds):
        """Until all are served signed; what bench_load says."""
        path = self.work / "await"
        path.write_text("\n".join(names) + "\n")
        result = self.measure("wait", server.address, path, seconds)
        if result["unserved"]:
            raise RuntimeError(f"{server.name}: {result['unserved']} of {len(names)} zones were not "
                               f"served after {seconds} s; see {self.log}")
        return result
