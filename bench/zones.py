#!/usr/bin/env python3
"""Makes the zones that the benchmarks use; the same seed gives the same zone.

    bench/zones.py delegation --names 1000000 -o tld.zone
    bench/zones.py hosting --names 200000 -o hosting.zone
    bench/zones.py edit tld.zone --changes 100 -o tld-edited.zone
    bench/zones.py small --names 10000 -o DIRECTORY

delegation: a registry's zone "tld.": each name is delegated to two or three nameservers, most of
them of hosting companies outside of the zone, some below the name itself, with glue; one in ten
has a DS.
hosting: "example." with hosts that have A, and some of them AAAA, MX and TXT.
edit: the zone with another nameserver or address at some of its names, evenly spread.
small: so many zones of ten names, as a DNS provider has them: z0.example, z1.example, ... Signed
they have 18 signatures each (7 of them at the apex, with CDS and CDNSKEY).

Names come in random order, as a registry's database gives them; --sorted gives them in
canonical order.
"""
import argparse
import os
import random
import sys

SYLLABLES = [a + b for a in "bcdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]


def label(rng, index):
    """A label that looks like one: some syllables, and the index in base 36 to be unique."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    word = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4)))
    tail = ""
    while True:
        tail = digits[index % 36] + tail
        index //= 36
        if index == 0:
            return word + ("-" if rng.random() < 0.1 else "") + tail


def labels(rng, count, in_order):
    names = [label(rng, i) for i in range(count)]
    if in_order:
        names.sort(key=lambda n: n.encode())
    else:
        rng.shuffle(names)
    return names


def delegation(args, out):
    rng = random.Random(args.seed)
    hosters = [f"ns{{}}.{label(rng, i)}.{rng.choice(['net', 'com', 'org', 'nl', 'de'])}."
               for i in range(2000)]
    out.write("$ORIGIN tld.\n$TTL 3600\n"
              "@ IN SOA a.nic.tld. hostmaster.nic.tld. 2026010100 7200 900 1209600 3600\n"
              "@ IN NS a.nic.tld.\n@ IN NS b.nic.tld.\n"
              "a.nic IN A 192.0.2.1\na.nic IN AAAA 2001:db8::1\nb.nic IN A 192.0.2.2\n")
    for name in labels(rng, args.names, args.sorted):
        kind = rng.random()
        if kind < 0.08:
            out.write(f"{name} IN NS ns1.{name}\n{name} IN NS ns2.{name}\n"
                      f"ns1.{name} IN A 198.51.{rng.randrange(256)}.{rng.randrange(1, 255)}\n"
                      f"ns2.{name} IN A 203.0.{rng.randrange(256)}.{rng.randrange(1, 255)}\n")
        else:
            hoster = hosters[min(int(rng.paretovariate(0.6)) - 1, 1999)]
            for i in range(1, 3 if kind < 0.95 else 4):
                out.write(f"{name} IN NS {hoster.format(i)}\n")
        if rng.random() < 0.1:
            out.write(f"{name} IN DS {rng.randrange(65536)} 13 2 {rng.randbytes(32).hex()}\n")


def hosting(args, out):
    rng = random.Random(args.seed)
    out.write("$ORIGIN example.\n$TTL 3600\n"
              "@ IN SOA ns1 hostmaster 2026010100 7200 900 1209600 3600\n"
              "@ IN NS ns1\n@ IN NS ns2\n@ IN MX 10 mx1\n"
              "ns1 IN A 192.0.2.1\nns2 IN A 192.0.2.2\nmx1 IN A 192.0.2.3\n")
    for name in labels(rng, args.names, args.sorted):
        out.write(f"{name} IN A 198.51.{rng.randrange(256)}.{rng.randrange(1, 255)}\n")
        if rng.random() < 0.2:
            out.write(f"{name} IN AAAA 2001:db8:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}\n")
        if rng.random() < 0.15:
            out.write(f"{name} IN MX 10 mx1.example.\n")
        if rng.random() < 0.1:
            out.write(f'{name} IN TXT "v=spf1 a mx -all"\n')


def small(args):
    rng = random.Random(args.seed)
    os.makedirs(args.output, exist_ok=True)
    for index in range(args.names):
        a, b = rng.randrange(256), rng.randrange(1, 255)
        with open(os.path.join(args.output, f"z{index}.example.zone"), "w", encoding="ascii") as out:
            out.write(f"$ORIGIN z{index}.example.\n$TTL 3600\n"
                      "@ IN SOA ns1 hostmaster 2026010100 7200 900 1209600 3600\n"
                      "@ IN NS ns1\n@ IN NS ns2\n@ IN MX 10 mail\n"
                      f"ns1 IN A 192.0.2.1\nns2 IN A 192.0.2.2\nmail IN A 198.51.{a}.{b}\n"
                      "www IN CNAME mail\n"
                      f"one IN NS ns.one\nns.one IN A 203.0.{a}.{b}\n"
                      f"two IN NS ns.two\nns.two IN A 203.0.{b}.1\n"
                      "three IN NS ns1.example.net.\n")


def edit(args, out):
    with open(args.zone, encoding="ascii") as source:
        lines = source.readlines()
    rng = random.Random(args.seed)
    # The first record of a name that can be changed: an address or an external nameserver.
    step = max(1, (len(lines) - 20) // args.changes)
    changed = 0
    for at in range(20, len(lines), step):
        for i in range(at, min(at + step, len(lines))):
            words = lines[i].split()
            if len(words) == 4 and words[2] in ("A", "NS") and (words[2] == "A" or words[3][-1] == "."):
                words[3] = (f"203.0.113.{rng.randrange(1, 255)}" if words[2] == "A"
                            else f"ns9.changed{changed}.net.")
                lines[i] = " ".join(words) + "\n"
                changed += 1
                break
        if changed == args.changes:
            break
    lines[2] = lines[2].replace("2026010100", "2026010101")
    out.writelines(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["delegation", "hosting", "edit", "small"])
    parser.add_argument("zone", nargs="?", help="edit: the zone to change")
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sorted", action="store_true")
    parser.add_argument("-o", "--output", default="-")
    args = parser.parse_args()
    if args.kind == "small":
        small(args)
        return
    out = sys.stdout if args.output == "-" else open(args.output, "w", encoding="ascii")
    with out:
        {"delegation": delegation, "hosting": hosting, "edit": edit}[args.kind](args, out)


if __name__ == "__main__":
    main()
