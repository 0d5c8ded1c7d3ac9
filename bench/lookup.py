#!/usr/bin/python3
"""What a validated look-up costs: a small signed world on BIND, asked by bench_lookup.
usage: bench/lookup.py [NAMES [ROUNDS]]     (default: 3000 names, 5 rounds)
The build is that of the environment's KENTER, or build/."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "scenario"))
import lookup_support  # noqa: E402


def run(names="3000", rounds="5"):
    """What bench_lookup prints."""
    lookup_support.ZONES["bench.test."] = "@ NS ns.test.\n" + "".join(
        f"n{i} A 192.0.2.{i % 250}\n" for i in range(int(names)))
    lookup_support.ZONES["test."] += "bench NS ns\n"
    with tempfile.TemporaryDirectory() as directory, lookup_support.World(directory).running() as world:
        return subprocess.run([lookup_support.KENTER.parent / "bench" / "bench_lookup", f"127.0.0.1@{world.port}",
                               world.anchors, "bench.test", names, rounds,
                               f"tls://127.0.0.1@{world.tls}#{lookup_support.SERVER_NAME}", world.certificate],
                              check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    print(run(*sys.argv[1:3]), end="")
