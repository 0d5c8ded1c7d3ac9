"""What two answers to one question differ in, by content: order within an RRset, compression, the case of owners and
the order of authority and additional do not count; the order of aliases in the answer does."""
import dns.flags
import dns.message
import dns.rdatatype

T = dns.rdatatype
FLAGS = {"aa": dns.flags.AA, "tc": dns.flags.TC, "rd": dns.flags.RD, "ra": dns.flags.RA, "ad": dns.flags.AD,
         "cd": dns.flags.CD}


def label(rdtype, covers):
    return f"RRSIG({T.to_text(covers)})" if rdtype == T.RRSIG else T.to_text(rdtype)


class Answer:
    def __init__(self, wire):
        self.size = len(wire)
        message = dns.message.from_wire(wire)
        self.message = message
        self.rcode = message.rcode()
        self.flags = {name: bool(message.flags & bit) for name, bit in FLAGS.items()}
        self.question = [(q.name.labels, q.rdtype, q.rdclass) for q in message.question]
        self.edns = message.edns
        self.payload = message.payload
        self.dnssec = bool(message.ednsflags & dns.flags.DO)
        self.options = sorted(int(option.otype) for option in message.options)
        self.sections = {
            name: {(r.name, label(r.rdtype, r.covers)): (r.ttl, frozenset(r)) for r in section}
            for name, section in (("answer", message.answer), ("authority", message.authority),
                                  ("additional", message.additional))}
        self.order = [(r.name, T.to_text(r.rdtype)) for r in message.answer if r.rdtype != T.RRSIG]

    @property
    def empty(self):
        return not any(self.sections.values())


def compare(ours, theirs):
    """Differences as tuples: what, where, ours, theirs."""
    out = []
    if ours.rcode != theirs.rcode:
        out.append(("rcode", "", dns.rcode.to_text(ours.rcode), dns.rcode.to_text(theirs.rcode)))
    out += [("flag", name, ours.flags[name], theirs.flags[name]) for name in FLAGS
            if ours.flags[name] != theirs.flags[name]]
    if ours.question != theirs.question:
        out.append(("question", "", ours.question, theirs.question))
    if ours.edns != theirs.edns:
        out.append(("edns", "version", ours.edns, theirs.edns))
    elif ours.edns >= 0:
        if ours.dnssec != theirs.dnssec:
            out.append(("edns", "do", ours.dnssec, theirs.dnssec))
        if ours.options != theirs.options:
            out.append(("edns", "options", tuple(ours.options), tuple(theirs.options)))
    for name in ("answer", "authority", "additional"):
        a, b = ours.sections[name], theirs.sections[name]
        for key in sorted(a.keys() | b.keys()):
            if key not in b:
                out.append(("ours", name, key, a[key]))
            elif key not in a:
                out.append(("theirs", name, key, b[key]))
            elif a[key][1] != b[key][1]:
                out.append(("data", name, key, (a[key], b[key])))
            elif a[key][0] != b[key][0]:
                out.append(("ttl", name, key, (a[key][0], b[key][0])))
    if ours.order != theirs.order and set(ours.order) == set(theirs.order):
        out.append(("order", "answer", ours.order, theirs.order))
    return out
