"""Kenter, BIND, Knot DNS and NSD get the same signed zones and the same odd questions. Their answers are compared by
content; every difference must be of a class in the table below, which docs/differences.md explains, and every class
must be seen.

KENTER names the command; KENTER_QUESTIONS how many questions (2000 unless set; 10000 is the whole run, in which every
class must be seen); KENTER_SEED draws others."""

import collections
import copy
import os
import re
from pathlib import Path

import dns.dnssec
import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone
from differential_classes import AGREED, CLASSES
from differential_compare import Answer, compare
from differential_servers import PAYLOAD, Fleet
from differential_zones import Asker, make_zones

DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
QUESTIONS = int(os.environ.get("KENTER_QUESTIONS", "2000"))
SEED = int(os.environ.get("KENTER_SEED", "1"))
T = dns.rdatatype
N = dns.name.from_text
PEERS = ("bind", "knot", "nsd")


class Case:
    """A question with two answers to it, and what the classes ask about them."""

    def __init__(self, question, peer, answers, world):
        self.question, self.peer, self.answers, self.world = question, peer, answers, world
        self.ours, self.theirs = answers["kenter"], answers[peer]
        self.items = compare(self.ours, self.theirs)

    def alone(self, what, where, key):
        """The peer is the only one that has this RRset, or a third one stands by Kenter."""
        others = [self.answers[name] for name in PEERS if name != self.peer]
        if what == "theirs":
            return not any(key in other.sections[where] for other in others)
        return any(key in other.sections[where] for other in others)

    def aliases(self, answer):
        return sum(kind == "CNAME" for _, kind in answer.order)

    def names(self, answer):
        """The question's name and what aliases in the answer lead to."""
        return [self.question.name] + [rdata.target for (_, kind), (_, data) in answer.sections["answer"].items()
                                       if kind == "CNAME" for rdata in data]

    def home(self):
        """The zone that the question is looked for in."""
        name, origin = self.question.name, self.world.zone(self.question.name)
        if self.question.kind == T.DS and name == origin and len(name) > 1:
            return self.world.zone(name.parent()) or origin
        return origin

    @property
    def crosses(self):
        """An alias leads from the first zone into another one that is served."""
        return any(self.world.zone(name) not in (None, self.home()) for name in self.names(self.ours)[1:])

    def inside(self, answer):
        """The answer's RRsets up to the alias that leads into another zone."""
        home, out = self.home(), []
        for name, kind in answer.order:
            if name != self.question.name and self.world.zone(name) != home:
                break
            out.append((name, kind))
        return out

    def below_hash(self, name):
        return any(ancestor in self.world.hashed for ancestor in ancestors(name))

    def below_cut(self, name):
        return self.world.zone(name) != self.home() or \
            any(T.NS in self.world.types(ancestor) and ancestor not in self.world.zones for ancestor in ancestors(name))

    def absent(self, name):
        return not self.world.types(name)

    def wildcard_is_empty(self):
        """What stands for the last name is a wildcard that has names below it, and no types."""
        for name in self.names(self.ours):
            for ancestor in ancestors(name):
                star = dns.name.Name((b"*",) + ancestor.labels) if len(ancestor) < 100 else ancestor
                if ancestor in self.world.existing:
                    if star in self.world.existing and not self.world.types(star):
                        return True
                    break
        return False


def ancestors(name):
    """The name and all above it."""
    while True:
        yield name
        if name == dns.name.root:
            return
        name = name.parent()


class World:
    """What is served."""

    def __init__(self, files):
        self.zones, self.hashed = {}, set()
        for text, path in files.items():
            origin = N(text)
            zone = dns.zone.from_file(str(path), origin=origin, relativize=False, check_origin=False)
            self.zones[origin] = {name: [r.rdtype for r in node.rdatasets] for name, node in zone.nodes.items()}
            self.hashed |= {name for name, types in self.zones[origin].items() if T.NSEC3 in types}
        self.opted_out = {origin for origin in self.zones if self.opts_out(origin)}
        self.existing = {ancestor for names in self.zones.values() for name, types in names.items()
                         if T.NSEC3 not in types for ancestor in ancestors(name)}

    def opts_out(self, origin):
        """A delegation has no NSEC3."""
        if T.NSEC3PARAM not in self.zones[origin][origin] or origin == N("salt.test"):
            return False
        owners = {name.labels[0].lower() for name in self.hashed if name.parent() == origin}
        return any(dns.dnssec.nsec3_hash(name, "", 0, 1).lower().encode() not in owners
                   for name, types in self.zones[origin].items() if T.NS in types)

    def types(self, name):
        """Of the name, in the nearest zone."""
        origin = self.zone(name)
        return self.zones[origin].get(name, []) if origin is not None else []

    def zone(self, name):
        while name not in self.zones:
            if name == dns.name.root:
                return None
            name = name.parent()
        return name


def room_matters(question, answers):
    """By UDP somebody had to leave something out, or was near to it."""
    limit = max(512, min(question.payload if question.edns else 512, PAYLOAD))
    return not question.tcp and any(a.flags["tc"] or a.size > limit - 400 for a in answers)


def judge(case, seen, explain):
    """Counts the classes that explain the differences; those that none explains are returned."""
    left = []
    for item in case.items:
        names = [name for name, (peers, test) in explain.items() if case.peer in peers and test(case, *item)]
        seen.update((name, case.peer) for name in names[:1])
        if not names:
            left.append(item)
    return left


def agrees(item, items):
    """The same difference, and the same data instead of ours."""
    return any(item[:3] == other[:3] and (item[0] == "ours" or item[3] == other[3]) for other in items)


def check_truncation(question, short, whole):
    """Kenter's answer by UDP: it fits, and is cut only where the whole answer does not fit. Where it was cut before
    the last alias, its code is NOERROR."""
    limit = max(512, min(question.payload if question.edns else 512, PAYLOAD))
    assert short.size <= limit and (not short.flags["tc"] or whole.size > limit), question
    assert short.rcode == whole.rcode or short.flags["tc"] and short.rcode == dns.rcode.NOERROR, question


def run(fleet, world, count, seed, explain):
    """Counts of each class by peer, and what no class explains."""
    asker = Asker(seed, world.zones)
    seen, unexplained = collections.Counter(), []
    for _ in range(count):
        question = asker.draw()
        wires = fleet.ask(question)
        silent = [name for name, wire in wires.items() if wire is None]
        if silent:
            unexplained.append((silent[0], question, [("silence", "", "", "")]))
            continue
        answers = {name: Answer(wire) for name, wire in wires.items()}
        if room_matters(question, answers.values()):
            short, question = answers, copy.copy(question)
            question.tcp = True
            answers = {name: Answer(wire) for name, wire in fleet.ask(question).items()}
            check_truncation(question, short["kenter"], answers["kenter"])
            seen["asked again by TCP", "kenter"] += 1
        cases = [Case(question, peer, answers, world) for peer in PEERS]
        for case in cases:
            left = judge(case, seen, explain)
            if left:
                unexplained.append((case.peer, question, left))
        # Where an alias leads into another zone, two of them stop, so that no three can agree.
        left = [item for item in cases[0].items
                if not cases[0].crosses and all(agrees(item, case.items) for case in cases[1:])
                and not any(explain[name][1](cases[0], *item) for name in AGREED)]
        if left:
            unexplained.append(("all", question, left))
    return seen, unexplained


def text_of(unexplained):
    lines = [f"{len(unexplained)} differences that no class explains"]
    for peer, question, items in unexplained[:20]:
        lines.append(f"{peer}: {question}")
        lines += ["    " + " ".join(str(part)[:300] for part in item) for item in items]
    return "\n".join(lines)


def test_every_difference_is_explained(tmp_path):
    fleet = Fleet(tmp_path, make_zones())
    try:
        seen, unexplained = run(fleet, World(fleet.files), QUESTIONS, SEED, CLASSES)
    finally:
        ends = fleet.stop()
    for (name, peer), count in sorted(seen.items()):
        print(f"{count:6} {name} {peer}")
    assert not unexplained, text_of(unexplained)
    assert ends[0] == 0
    if QUESTIONS >= 10000 and SEED == 1:
        assert CLASSES.keys() <= {name for name, _ in seen}, "a class is not seen any more"


def test_every_class_is_explained():
    assert sorted(re.findall(r"^### (\S+)", DIFFERENCES.read_text(), re.M)) == sorted(CLASSES)
