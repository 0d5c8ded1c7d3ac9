"""The benchmarks of servers: what an answer costs, many zones, updates, latency, transfers."""
import json
import random
import socket
import statistics
import subprocess
import time
from pathlib import Path

import dns.message
import dns.tsig
import dns.tsigkeyring
import dns.update

import daemons
from claims import claim

HERE = Path(__file__).resolve().parent
SERVE = {"small": (20_000, 100_000), "full": (200_000, 500_000)}      # names, questions in a round
ZONES = {"small": (1_000, 5_000), "full": (10_000, 100_000)}
UPDATE = {"small": (2_000, 50_000, 50), "full": (10_000, 1_000_000, 200)}  # names, names, changes
LATENCY = {"small": (1_000, 5), "full": (10_000, 20)}                  # zones signed, seconds idle
TRANSFER = {"small": 50_000, "full": 1_000_000}


def heading(text, columns):
    print(f"\n## {text}\n\n| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}", flush=True)


def row(*cells):
    print(f"| {' | '.join(c if isinstance(c, str) else f'{c:.2f}' for c in cells)} |", flush=True)


def make_zone(bench, kind, names, signed=False):
    """The zone's file, made once; signed by kenter, with keys of its own."""
    path = bench.work / f"{kind}-{names}.zone"
    if not path.exists():
        subprocess.run([HERE / "zones.py", kind, "--names", str(names), "-o", path], check=True)
    if not signed:
        return path
    out = path.with_suffix(".signed")
    if not out.exists():
        keys = bench.work / f"keys-{kind}-{names}"
        subprocess.run([bench.kenterd.parent / "kenter", "sign", "--quiet", path, "-o", out, "--keys", keys], check=True)
    return out


# ---- what an answer costs ----

def make_questions(bench, kind, zone, origin):
    """Two files: nine of ten questions for a name that is there, in random order, each once, one of
    ten for a name that is not and that was never asked for; and a thousand of them again and again."""
    owners = set()
    for line in zone.read_text().splitlines():
        first = line.split(None, 1)[0]
        if first[0] not in "@$" and "." not in first:
            owners.add(first)
    rng = random.Random(2)
    owners = sorted(owners)
    rng.shuffle(owners)
    lines = []
    for number, owner in enumerate(owners):
        lines.append(f"{owner}.{origin} A\n")
        if number % 9 == 8:
            lines.append(f"{rng.choice(owners)}-{rng.randrange(10 ** 8):08}x.{origin} A fresh\n")
    cold, hot = bench.work / f"{kind}.questions", bench.work / f"{kind}.hot"
    cold.write_text("".join(lines))
    hot.write_text("".join(lines[:1000]).replace(" fresh", ""))
    return cold, hot


def bench_serve(bench, size, repeat, peers):
    names, count = SERVE[size]
    for kind, origin in (("hosting", "example"), ("delegation", "tld")):
        signed = make_zone(bench, kind, names, signed=True)
        mixes = make_questions(bench, kind, make_zone(bench, kind, names), origin)
        best = {}
        running = {}
        try:
            for name in bench.installed("echo", "kenter", *peers):
                server = running[name] = getattr(bench, name)({origin: signed})
                if name != "echo":
                    bench.await_zones(server, [origin], 300)
                for mix in mixes:  # each page is touched once
                    bench.measure("ask", server.address, mix, min(count, 2 * names))
            for _ in range(repeat):
                for name, server in running.items():
                    for mix in mixes:
                        got = bench.measure("ask", server.address, mix, count, 128, *server.pids())
                        if got["other"]:
                            raise RuntimeError(f"{name}: {got['other']} answers are errors")
                        got["cost"] = got["cpu"] * 1e6 / got["answers"]
                        kept = best.get((name, mix))
                        best[name, mix] = got if not kept or got["cost"] < kept["cost"] else kept
        finally:
            for server in running.values():
                server.__exit__()
        heading(f"serve: {names} names signed ({kind}), 90 % of the questions for names that exist, DO, "
                f"one worker", ("server", "CPU µs an answer", "hot: 1000 questions", "octets", "NXDOMAIN %",
                                "lost"))
        for name in running:
            cold, hot = (best[name, mix] for mix in mixes)
            row(name, cold["cost"], hot["cost"], cold["octets"] / cold["answers"],
                100 * cold["nxdomain"] / cold["answers"], str(cold["lost"]))
        print()
        for mix, title in zip(mixes, ("distinct questions", "hot questions")):
            ours = best["kenter", mix]["cost"]
            claim(f"CPU an answer, {kind}, {title}: kenter ÷ echo", ours / best["echo", mix]["cost"], 1.25)
            others = [best[p, mix]["cost"] for p in running if p not in ("kenter", "echo")]
            if others:
                claim(f"CPU an answer, {kind}, {title}: kenter ÷ best peer", ours / min(others), 0.85)


# ---- many small zones ----

def run_zones(bench, name, folder, count, patience):
    names = [f"z{i}.example" for i in range(count)]
    files = {n: folder / f"{n}.zone" for n in names}
    options = {"folder": folder} if name == "kenter" else {}
    with getattr(bench, name)(files, sign=True, threads=2, **options) as server:
        server.watch_memory(max(0.5, count / 20_000))
        bench.await_zones(server, names, patience)
        wall, cpu = time.monotonic() - server.started, server.cpu()
        settled = server.memory()
    return {"wall": wall, "cpu": cpu, "peak": server.peak, "settled": settled}


def restart(bench, folder, count):
    """Seconds from the start until the first signed answer, with everything there already."""
    with bench.kenter({}, sign=True, threads=2, fresh=False, folder=folder) as server:
        bench.await_zones(server, [f"z{count // 2}.example"], 60)
        return time.monotonic() - server.started


def bench_zones(bench, size, repeat, peers):
    few, many = ZONES[size]
    bench.on_disk = True
    results = {}
    heading(f"zones: {few} small zones from nothing to all signed and served",
            ("server", "wall s", "CPU s", "peak MiB", "MiB at the end"))
    folder = bench.work / "small"
    subprocess.run([HERE / "zones.py", "small", "--names", str(few), "-o", folder], check=True)
    for name in bench.installed("kenter", *peers):
        if name == "nsd":
            continue  # it does not sign
        results[name] = got = run_zones(bench, name, folder, few, 60 + few / 20)
        row(name, got["wall"], got["cpu"], got["peak"], got["settled"])
        if name == "kenter":
            again = restart(bench, folder, few)
    print()
    if "knot" in results:
        for word, limit in (("wall", 0.4), ("cpu", 0.4), ("peak", 1.0)):
            claim(f"{few} zones, {word}: kenter ÷ knot", results["kenter"][word] / results["knot"][word], limit)
    claim(f"restart with {few} zones, seconds to the first answer", again, 1.0)
    subprocess.run([HERE / "zones.py", "small", "--names", str(many), "-o", folder], check=True)
    got = run_zones(bench, "kenter", folder, many, 60 + many / 100)
    heading(f"zones: {many}", ("server", "wall s", "CPU s", "peak MiB", "MiB at the end"))
    row("kenter", got["wall"], got["cpu"], got["peak"], got["settled"])
    print()
    claim(f"{many} zones ÷ {few} zones, wall", got["wall"] / results["kenter"]["wall"], 1.1 * many / few)
    claim(f"restart with {many} zones, seconds to the first answer", restart(bench, folder, many), 1.0)


# ---- updates ----

def one_update(server, origin, owner, number, keyring):
    """Milliseconds from sending an UPDATE to the first answer that has what it brought."""
    text = f"change-{number}-{time.monotonic_ns()}"
    update = dns.update.UpdateMessage(origin, keyring=keyring, keyname=daemons.KEY,
                                      keyalgorithm=dns.tsig.HMAC_SHA256)
    update.replace(owner, 300, "TXT", f'"{text}"')
    query = dns.message.make_query(f"{owner}.{origin}", "TXT", want_dnssec=True).to_wire()
    change, wanted, there = update.to_wire(), text.encode(), ("127.0.0.1", server.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect(there)
        start = time.perf_counter()
        out.sendto(change, there)
        while time.perf_counter() - start < 30:
            asking.send(query)
            try:
                answer = asking.recv(4096)
            except TimeoutError:
                continue
            if wanted in answer:
                return (time.perf_counter() - start) * 1e3
            time.sleep(0.0002)
    raise RuntimeError(f"{server.name}: no answer had the change of {owner}.{origin} within 30 s")


def run_updates(bench, name, zone, origin, changes, patience):
    keyring = dns.tsigkeyring.from_text({daemons.KEY: daemons.SECRET})
    rng = random.Random(3)
    with getattr(bench, name)({origin: zone}, sign=True, update=True, threads=2) as server:
        bench.await_zones(server, [origin], patience)
        time.sleep(2)
        took = []
        for number in range(changes):
            took.append(one_update(server, origin, f"u{rng.randrange(20)}", number, keyring))
            time.sleep(0.01)
        settled = server.memory()
    took = sorted(took)
    return statistics.median(took), took[int(0.99 * (len(took) - 1))], took[-1], settled


def bench_update(bench, size, repeat, peers):
    few, many, changes = UPDATE[size]
    bench.on_disk = True
    heading("update: a record changed in a signed zone, from UPDATE (TSIG, UDP) to the first answer with it",
            ("server", "names", "median ms", "p99 ms", "max ms", "MiB"))
    results = {}
    for names in (few, many):
        zone = make_zone(bench, "delegation", names)
        for name in bench.installed("kenter", *peers):
            if name == "nsd" or (name == "bind" and names > 100_000):
                continue  # NSD takes none; BIND needs minutes to sign the large one
            try:
                got = results[name, names] = run_updates(bench, name, zone, "tld", changes,
                                                          60 + names / 1000)
            except RuntimeError as problem:
                print(f"!! {problem}")
                continue
            row(name, str(names), *got)
    print()
    if ("kenter", many) in results:
        claim(f"change of one record, {many} names, median ms", results["kenter", many][0], 20)
        if ("kenter", few) in results:
            claim(f"change of one record, {many} ÷ {few} names, median",
                  results["kenter", many][0] / results["kenter", few][0], 2)


# ---- latency while zones are signed ----

def bench_latency(bench, size, repeat, peers):
    count, idle_seconds = LATENCY[size]
    zone = make_zone(bench, "hosting", 10_000, signed=False)
    cold, _ = make_questions(bench, "latency", zone, "example")
    heading(f"latency: 1000 questions a second, idle and while {count} zones are made and signed",
            ("server", "idle p50 µs", "idle p99", "busy p50", "busy p99", "busy p99.9", "busy max", "lost"))
    results = {}
    for name in bench.installed("kenter", *(p for p in peers if p == "knot")):
        folder = bench.work / "coming"
        subprocess.run(["rm", "-rf", folder], check=True)
        folder.mkdir()
        (folder / "example.zone").write_bytes(zone.read_bytes())
        files = {"example": zone}
        options = {"folder": folder} if name == "kenter" else {}
        with getattr(bench, name)(files, sign=True, threads=2, **options) as server:
            bench.await_zones(server, ["example"], 60)
            time.sleep(2)
            idle = bench.measure("pace", server.address, cold, 1000, idle_seconds)
            add_zones(bench, server, folder, count)
            names = [f"z{i}.example" for i in range(count)]
            path = bench.work / "coming.names"
            path.write_text("\n".join(names) + "\n")
            pacing = subprocess.Popen([bench.load, "pace", server.address, cold, "1000", "900"],
                                      stdout=subprocess.PIPE, text=True)
            bench.measure("wait", server.address, path, 60 + count / 20)
            pacing.terminate()
            busy = json.loads(pacing.communicate()[0])
        results[name] = idle, busy
        row(name, idle["p50"], idle["p99"], busy["p50"], busy["p99"], busy["p999"], busy["max"],
            str(busy["lost"] + idle["lost"]))
    print()
    idle, busy = results["kenter"]
    claim("latency, p99 while signing ÷ idle", busy["p99"] / idle["p99"], 3)


def add_zones(bench, server, folder, count):
    """Many new zones, as each server takes them: files in a directory, or settings read again."""
    aside = bench.work / "aside"
    subprocess.run([HERE / "zones.py", "small", "--names", str(count), "-o", aside], check=True)
    if server.name == "kenter":
        for path in aside.iterdir():
            path.rename(folder / path.name)
        return
    with open(server.directory / "knot.conf", "a", encoding="ascii") as settings:
        for path in aside.iterdir():
            settings.write(f"  - domain: {path.stem}\n    file: {path}\n")
    subprocess.run(["knotc", "-c", server.directory / "knot.conf", "-s", server.directory / "knot.sock",
                    "reload"], check=False, capture_output=True)


# ---- transfers ----

def bench_transfer(bench, size, repeat, peers):
    names = TRANSFER[size]
    zone = make_zone(bench, "delegation", names, signed=True)
    heading(f"transfer: AXFR of {names} signed delegations ({zone.stat().st_size / 2**20:.0f} MiB of text)",
            ("server", "wall s", "server CPU s", "MiB before", "peak MiB", "messages", "records", "MB"))
    results = {}
    for name in bench.installed("kenter", *peers):
        with getattr(bench, name)({"tld": zone}, threads=2) as server:
            bench.await_zones(server, ["tld"], 30 + names / 5000)
            time.sleep(1)
            before = server.peak = server.memory()
            server.watch_memory(0.2 if size == "small" else 0.5)
            for _ in range(repeat):
                used = server.cpu()
                got = bench.measure("axfr", server.address, "tld")
                got["cpu"] = server.cpu() - used
                kept = results.get(name)
                results[name] = got if not kept or got["cpu"] < kept["cpu"] else kept
            got = results[name]
            row(name, got["seconds"], got["cpu"], before, server.peak, str(got["messages"]),
                str(got["records"]), got["octets"] / 1e6)
    print()
    others = [results[p] for p in results if p != "kenter"]
    if others:
        claim("transfer, server CPU: kenter ÷ best peer",
              results["kenter"]["cpu"] / min(r["cpu"] for r in others), 1.0)


PARTS = {"serve": bench_serve, "zones": bench_zones, "update": bench_update, "latency": bench_latency,
         "transfer": bench_transfer}
