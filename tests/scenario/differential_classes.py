"""The classes of difference between Kenter's answers and those of others. docs/differences.md explains each under the
same name; a test compares the two. A class is tried in the order of the table; it sees the whole case, and one
difference of it: what ("ours", "theirs": an RRset that the other lacks; "rcode", "flag", "edns", ...), where (section,
flag), and both sides (for RRsets: name and type, then the data)."""
import dns.rdatatype

T = dns.rdatatype
ALL, BIND, KNOT, NSD = ("bind", "knot", "nsd"), ("bind",), ("knot",), ("nsd",)
OPTION_SUBNET, OPTION_COOKIE, OPTION_ERROR = 8, 10, 15
BADVERS, FORMERR, NOERROR, NXDOMAIN, SERVFAIL = 16, 1, 0, 3, 2
ADDRESSES = ("A", "AAAA", "RRSIG(A)", "RRSIG(AAAA)")
DENIAL = ("NSEC", "NSEC3", "RRSIG(NSEC)", "RRSIG(NSEC3)")


# --- EDNS and the header ---

def extended_error(case, what, where, ours, theirs):
    """Only Kenter gives a reason."""
    return (what, where) == ("edns", "options") and tuple(o for o in ours if o != OPTION_ERROR) == theirs


def cookie(case, what, where, ours, theirs):
    return (what, where) == ("edns", "options") and \
        set(ours) - set(theirs) <= {OPTION_COOKIE, OPTION_ERROR} and set(theirs) <= set(ours)


def subnet(case, what, where, ours, theirs):
    return (what, where) == ("edns", "options") and OPTION_SUBNET in theirs and OPTION_SUBNET not in ours


def cd(case, what, where, ours, theirs):
    return (what, where, ours, theirs) == ("flag", "cd", False, True)


def bad_version(case, what, where, ours, theirs):
    return case.ours.rcode == case.theirs.rcode == BADVERS and (what, where) in (("edns", "do"), ("flag", "cd"))


def option_format(case, what, where, ours, theirs):
    """BIND reads an option of queries that has no meaning there."""
    return case.theirs.rcode == FORMERR and (OPTION_ERROR, b"") in case.question.options


# --- types that are asked for ---

def any_type(case, what, where, ours, theirs):
    return case.question.kind == T.ANY and (what in ("ours", "theirs") or
                                            what == "rcode" and case.ours.rcode == NOERROR and case.aliases(case.ours))


def rrsig_type(case, what, where, ours, theirs):
    """Kenter gives one by UDP, Knot none."""
    if case.question.kind != T.RRSIG:
        return False
    signatures = {key for key in case.ours.sections["answer"].keys() | case.theirs.sections["answer"].keys()
                  if key[1].startswith("RRSIG")}
    return bool(signatures) and what in ("ours", "theirs")


def nsec_at_cut(case, what, where, ours, theirs):
    return case.question.kind == T.NSEC and not case.ours.flags["aa"] and \
        (what in ("ours", "theirs") or (what, where) == ("flag", "aa"))


def denial_at_alias(case, what, where, ours, theirs):
    """Types that may stand beside a CNAME, but do not."""
    return case.question.kind in (T.NSEC, T.NSEC3, T.RRSIG) and case.aliases(case.ours) and \
        case.ours.flags["aa"] and what in ("ours", "theirs", "rcode")


def wildcard_nsec(case, what, where, ours, theirs):
    """The NSEC of a wildcard is the answer, and the proof that the name itself is not there."""
    return case.question.kind == T.NSEC and case.ours.order and where == "authority" and what == "ours" and \
        ours[1] in DENIAL and case.alone(what, where, ours)


def hash_owner(case, what, where, ours, theirs):
    """The owner of an NSEC3 is no name of the zone."""
    return what in ("ours", "theirs", "rcode") and any(case.below_hash(name) for name in case.names(case.ours))


# --- aliases ---

def border(case, what, where, ours, theirs):
    """The alias leads into another zone that is served; BIND and Knot stop there, with what Knot's zone says."""
    known = case.inside(case.ours)
    if len(known) == len(case.ours.order) and not case.crosses:
        return False
    if case.theirs.order[:len(known)] != known or len(case.theirs.order) > len(known):
        return False
    return what == "ours" or what == "rcode" and case.theirs.rcode == NOERROR or \
        case.peer == "knot" and what == "theirs" and where in ("authority", "additional")


def long_chain(case, what, where, ours, theirs):
    """Kenter follows 12 aliases; Knot fewer, BIND fails, NSD follows all."""
    return max(case.aliases(case.ours), case.aliases(case.theirs)) > 5 and \
        (what in ("ours", "theirs", "rcode") or case.theirs.rcode == SERVFAIL)


# --- denials ---

def wildcard_ent(case, what, where, ours, theirs):
    """NODATA at a wildcard without types: both proofs are needed."""
    return case.ours.rcode == NOERROR and not case.ours.order and what == "ours" and where == "authority" and \
        ours[1] in ("NSEC", "RRSIG(NSEC)") and case.wildcard_is_empty() and \
        ours in case.answers["nsd"].sections[where]


def literal_star(case, what, where, ours, theirs):
    """A name that begins with an asterisk and is made by a wildcard above."""
    return any(name.labels[0] == b"*" for name in case.names(case.ours)) and where == "authority" and \
        what in ("ours", "theirs") and ours[1] in DENIAL and case.alone(what, where, ours)


def knot_order(case, what, where, ours, theirs):
    """Knot takes another NSEC than the others for names with an octet 0 in a label."""
    return any(b"\0" in label for label in case.question.name.labels) and where == "authority" and \
        what in ("ours", "theirs") and ours[1] in DENIAL


def opt_out(case, what, where, ours, theirs):
    """Below an empty name that has no NSEC3."""
    zone = case.world.zone(case.names(case.ours)[-1])
    return zone in case.world.opted_out and \
        (where == "authority" and what in ("ours", "theirs") and case.ours.rcode == NXDOMAIN or
         case.peer == "knot" and (what, where) == ("flag", "aa") and case.theirs.empty)


def proofs_across(case, what, where, ours, theirs):
    """NSD leaves out proofs of the second zone."""
    return case.crosses and where == "authority" and what == "ours" and ours[1] in DENIAL


def nsd_denial(case, what, where, ours, theirs):
    """Proofs that are more, or fewer, than RFC 5155 and 4035 want; the others stand by Kenter."""
    return where == "authority" and what in ("ours", "theirs") and ours[1] in DENIAL and \
        case.ours.rcode == case.theirs.rcode and case.alone(what, where, ours)


# --- additional records ---

def service_target(case, what, where, ours, theirs):
    """NSD adds nothing for SVCB and HTTPS, Knot nothing for the owner itself, and an NSEC3 for what an alias leads to."""
    if where != "additional" or case.question.kind not in (T.SVCB, T.HTTPS):
        return False
    return what == "ours" and (case.peer == "nsd" or ours[0] == case.question.name) or \
        what == "theirs" and case.peer == "knot" and ours[1] in DENIAL


def minimal(case, what, where, ours, theirs):
    """Addresses of what MX and SRV point to, which NSD leaves out when it is to be brief."""
    return where == "additional" and what == "ours" and case.question.kind in (T.MX, T.SRV, T.NS) and \
        ours[1] in ADDRESSES and case.ours.flags["aa"]


def referral_addresses(case, what, where, ours, theirs):
    """Addresses of name servers that are not below the cut: Kenter adds what the zone has."""
    return where == "additional" and what == "ours" and ours[1] in ADDRESSES and \
        any(kind == "NS" for _, kind in case.ours.sections["authority"])


def cut_addresses(case, what, where, ours, theirs):
    """Addresses of a target that lies below a cut, which is glue."""
    return where == "additional" and what == "ours" and case.ours.flags["aa"] and ours[1] in ADDRESSES and \
        case.below_cut(ours[0])


def target_limit(case, what, where, ours, theirs):
    """BIND looks for the addresses of 13 targets, Kenter for those of 64."""
    return where == "additional" and what == "ours" and case.ours.flags["aa"] and ours[1] in ADDRESSES and \
        any(len(data) > 13 for _, data in case.ours.sections["answer"].values())


def no_payload(case, what, where, ours, theirs):
    """BIND adds nothing when the client takes 0 octets, which means 512."""
    return where == "additional" and what == "ours" and not case.question.tcp and case.question.edns and \
        case.question.payload == 0


def wildcard_target(case, what, where, ours, theirs):
    """Addresses that a wildcard makes."""
    return where == "additional" and what == "theirs" and ours[1] in ADDRESSES and case.absent(ours[0])


def more_additional(case, what, where, ours, theirs):
    """TLSA beside addresses, SRV of NAPTR, and what targets of targets point to."""
    return where == "additional" and what == "theirs" and \
        (ours[1] in ("TLSA", "RRSIG(TLSA)") or case.question.kind in (T.NAPTR, T.SVCB, T.HTTPS, T.KX, T.AFSDB))


CLASSES = {
    "extended-error": (BIND, extended_error),
    "cookie": (KNOT, cookie),
    "subnet": (BIND, subnet),
    "cd": (BIND, cd),
    "bad-version": (NSD, bad_version),
    "option-format": (BIND, option_format),
    "any": (ALL, any_type),
    "rrsig": (ALL, rrsig_type),
    "nsec-at-cut": (BIND, nsec_at_cut),
    "border": (BIND + KNOT, border),
    "long-chain": (ALL, long_chain),
    "denial-at-alias": (ALL, denial_at_alias),
    "wildcard-nsec": (KNOT, wildcard_nsec),
    "hash-owner": (NSD, hash_owner),
    "wildcard-ent": (BIND + KNOT, wildcard_ent),
    "literal-star": (KNOT + NSD, literal_star),
    "knot-order": (KNOT, knot_order),
    "opt-out": (KNOT + NSD, opt_out),
    "proofs-across": (NSD, proofs_across),
    "nsd-denial": (NSD, nsd_denial),
    "service-target": (KNOT + NSD, service_target),
    "minimal": (NSD, minimal),
    "referral-addresses": (BIND, referral_addresses),
    "cut-addresses": (BIND, cut_addresses),
    "no-payload": (BIND, no_payload),
    "target-limit": (BIND, target_limit),
    "wildcard-target": (BIND + KNOT, wildcard_target),
    "more-additional": (BIND, more_additional),
}

# Those where BIND, Knot and NSD may agree, and Kenter does otherwise.
AGREED = ("any", "rrsig", "long-chain", "extended-error")
