#!/usr/bin/python3
"""What a validated look-up costs: a small signed world on BIND, asked by bench_lookup.
usage: bench/lookup.py [NAMES [ROUNDS]]     (default: 3000 names, 5 rounds)"""
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "scenario"))
import lookup_support  # noqa: E402


def main():
    names = sys.argv[1] if len(sys.argv) > 1 else "3000"
    rounds = sys.argv[2] if len(sys.argv) > 2 else "5"
    lookup_support.ZONES["bench.test."] = "@ NS ns.test.\n" + "".join(
        f"n{i} A 192.0.2.{i % 250}\n" for i in range(int(names)))
    lookup_support.ZONES["test."] += "bench NS ns\n"
    with tempfile.TemporaryDirectory() as directory, lookup_support.World(directory).running() as world:
        return subprocess.run([TOP / "build" / "bench" / "bench_lookup", f"127.0.0.1@{world.port}", world.anchors,
                               "bench.test", names, rounds], check=False).returncode


sys.exit(main())
