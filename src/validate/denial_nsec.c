/*
 * What NSEC records prove (RFC 4035 section 5.4, RFC 6840 section 4).
 *
 * An NSEC says that between its owner and its next name, in canonical order, the zone has no name.
 * What follows from that: a name in between is missing, unless the next name is below it: then it
 * is an empty non-terminal; the longest ancestor that it shares with either end is its closest
 * encloser. The NSEC of a delegation or of a DNAME says nothing of the names below its owner: they
 * are not the zone's.
 */
#include "validate/denial_parts.h"

struct nsec {
    const uint8_t *owner, *next;
    struct validate_denial_types types;
    size_t index;
};

/* False for what is no NSEC of this zone, or malformed: it is not looked at. */
static bool nsec_read(const struct validate_denial_set *set, size_t index, struct nsec *out)
{
    const struct validate_denial_record *record = &set->records[index];
    size_t used;
    if (record->type != DNS_TYPE_NSEC || !dns_name_within(record->owner, set->zone) ||
        dns_name_check(record->rdata, record->length, &used) != 0 ||
        !dns_name_within(record->rdata, set->zone) ||
        dns_bitmap_check(record->rdata + used, record->length - used) != 0)
        return false;
    *out = (struct nsec){.owner = record->owner,
                         .next = record->rdata,
                         .types = {record->rdata + used, record->length - used},
                         .index = index};
    return true;
}

static bool covers(const struct validate_denial_set *set, const struct nsec *nsec,
                   const uint8_t *name)
{
    if (dns_name_compare(nsec->owner, name) >= 0)
        return false;
    /* The last NSEC leads back to the apex. */
    return dns_name_compare(name, nsec->next) < 0 || dns_name_equal(nsec->next, set->zone);
}

/* RFC 6840 section 4.1. */
static bool speaks_of(const struct nsec *nsec, const uint8_t *name)
{
    if (!dns_name_within(name, nsec->owner) || dns_name_equal(name, nsec->owner))
        return true;
    return !validate_denial_is_cut(&nsec->types) &&
           !validate_denial_has(&nsec->types, DNS_TYPE_DNAME);
}

static bool find_at(const struct validate_denial_set *set, const uint8_t *name, struct nsec *out)
{
    for (size_t i = 0; i < set->count; i++)
        if (nsec_read(set, i, out) && dns_name_equal(out->owner, name))
            return true;
    return false;
}

static bool find_cover(const struct validate_denial_set *set, const uint8_t *name, struct nsec *out)
{
    for (size_t i = 0; i < set->count; i++)
        if (nsec_read(set, i, out) && covers(set, out, name) && speaks_of(out, name))
            return true;
    return false;
}

static bool is_ent(const struct nsec *cover, const uint8_t *name)
{
    return dns_name_within(cover->next, name);
}

/* Says why no NSEC covers `name`, by the one that comes closest to it. */
static void say_uncovered(const struct validate_denial_set *set, const uint8_t *name,
                          struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], owner[VALIDATE_DENIAL_SHOWN], next[VALIDATE_DENIAL_SHOWN];
    struct nsec nsec, before = {0}, any = {0};
    for (size_t i = 0; i < set->count; i++) {
        if (!nsec_read(set, i, &nsec))
            continue;
        any = nsec;
        if (dns_name_compare(nsec.owner, name) < 0 &&
            (before.owner == NULL || dns_name_compare(nsec.owner, before.owner) > 0))
            before = nsec;
    }
    validate_denial_show(shown, name);
    if (any.owner == NULL) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC records are malformed or not of this zone");
        return;
    }
    const struct nsec *closest = before.owner != NULL ? &before : &any;
    validate_denial_show(owner, closest->owner);
    validate_denial_show(next, closest->next);
    if (before.owner == NULL)
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC of %s begins behind %s and so does not cover it", owner,
                            shown);
    else if (speaks_of(closest, name))
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC of %s ends at %s and so does not cover %s", owner, next,
                            shown);
    else if (validate_denial_is_cut(&closest->types))
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC of %s is that of a delegation and says nothing of names "
                            "below it, such as %s",
                            owner, shown);
    else
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC of %s is that of a DNAME and says nothing of names below "
                            "it, such as %s",
                            owner, shown);
}

/* Labels of the longest ancestor of a covered name that exists. */
static unsigned encloser_of(const struct nsec *cover, const uint8_t *name)
{
    unsigned owner = dns_name_common(cover->owner, name);
    unsigned next = dns_name_common(cover->next, name);
    return owner > next ? owner : next;
}

/* That no wildcard is for `name`, which `cover` covers. */
static void no_wildcard(const struct validate_denial_set *set, const uint8_t *name,
                        const struct nsec *cover, struct validate_denial_proof *proof)
{
    uint8_t wildcard[DNS_NAME_MAX];
    char shown[VALIDATE_DENIAL_SHOWN], star[VALIDATE_DENIAL_SHOWN], by[VALIDATE_DENIAL_SHOWN],
        other[VALIDATE_DENIAL_SHOWN];
    validate_denial_wildcard(wildcard, name, encloser_of(cover, name));
    validate_denial_show(shown, name);
    validate_denial_show(star, wildcard);
    validate_denial_show(by, cover->owner);
    struct nsec at;
    if (find_at(set, wildcard, &at) && !validate_denial_is_nxname(&at.types)) {
        validate_denial_use(proof, at.index);
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "there is the wildcard %s, which is for %s", star, shown);
        return;
    }
    if (!find_cover(set, wildcard, &at)) {
        say_uncovered(set, wildcard, proof);
        return;
    }
    validate_denial_use(proof, at.index);
    if (is_ent(&at, wildcard))
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "there are names below the wildcard %s, so it exists, and is for %s",
                            star, shown);
    else if (at.index == cover->index)
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED, "the NSEC of %s covers both %s and %s",
                            by, shown, star);
    else
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                            "the NSEC of %s covers %s, and that of %s covers %s", by, shown,
                            validate_denial_show(other, at.owner), star);
}

static void say_ent(const struct nsec *cover, const uint8_t *name,
                    enum validate_denial_outcome outcome, struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], owner[VALIDATE_DENIAL_SHOWN], next[VALIDATE_DENIAL_SHOWN];
    proof->ent = true;
    validate_denial_say(proof, outcome,
                        "the NSEC of %s ends at %s, which is below %s: that name exists and has "
                        "no types",
                        validate_denial_show(owner, cover->owner),
                        validate_denial_show(next, cover->next), validate_denial_show(shown, name));
}

static void deny_name(const struct validate_denial_set *set, const uint8_t *name,
                      struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN];
    struct nsec nsec;
    if (find_at(set, name, &nsec)) {
        validate_denial_use(proof, nsec.index);
        validate_denial_show(shown, name);
        proof->compact = validate_denial_is_nxname(&nsec.types);
        if (proof->compact)
            validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                                "the NSEC of %s lists NXNAME: the name does not exist", shown);
        else
            validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                                "%s has an NSEC of its own, so that name exists", shown);
        return;
    }
    if (!find_cover(set, name, &nsec)) {
        say_uncovered(set, name, proof);
        return;
    }
    validate_denial_use(proof, nsec.index);
    if (is_ent(&nsec, name)) {
        say_ent(&nsec, name, VALIDATE_DENIAL_WRONG, proof);
        return;
    }
    validate_denial_encloser(set, name, encloser_of(&nsec, name), proof);
    no_wildcard(set, name, &nsec, proof);
}

/* NODATA by the wildcard for a name that is missing. */
static void deny_type_of_wildcard(const struct validate_denial_set *set,
                                  const struct validate_denial_question *question,
                                  const struct nsec *cover, struct validate_denial_proof *proof)
{
    uint8_t wildcard[DNS_NAME_MAX];
    struct nsec at;
    validate_denial_wildcard(wildcard, question->name, encloser_of(cover, question->name));
    if (find_at(set, wildcard, &at) && !validate_denial_is_nxname(&at.types)) {
        validate_denial_use(proof, at.index);
        proof->wildcard = true;
        validate_denial_of_types(question, &at.types, wildcard, "NSEC", proof);
        return;
    }
    if (!find_cover(set, wildcard, &at)) {
        say_uncovered(set, wildcard, proof);
        return;
    }
    validate_denial_use(proof, at.index);
    if (is_ent(&at, wildcard)) {
        proof->wildcard = true;
        say_ent(&at, wildcard, VALIDATE_DENIAL_PROVED, proof);
        return;
    }
    char shown[VALIDATE_DENIAL_SHOWN];
    validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                        "the NSEC records say that %s does not exist at all, which is not what "
                        "the answer says",
                        validate_denial_show(shown, question->name));
}

static void deny_type(const struct validate_denial_set *set,
                      const struct validate_denial_question *question,
                      struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], owner[VALIDATE_DENIAL_SHOWN];
    struct nsec nsec;
    if (find_at(set, question->name, &nsec)) {
        validate_denial_use(proof, nsec.index);
        validate_denial_of_types(question, &nsec.types, question->name, "NSEC", proof);
        return;
    }
    if (!find_cover(set, question->name, &nsec)) {
        say_uncovered(set, question->name, proof);
        return;
    }
    validate_denial_use(proof, nsec.index);
    if (is_ent(&nsec, question->name)) {
        say_ent(&nsec, question->name, VALIDATE_DENIAL_PROVED, proof);
        return;
    }
    validate_denial_encloser(set, question->name, encloser_of(&nsec, question->name), proof);
    if (question->kind == VALIDATE_DENY_DS)
        /* A name that is missing is no delegation; what a wildcard has does not matter. */
        validate_denial_say(
            proof, VALIDATE_DENIAL_PROVED, "the NSEC of %s covers %s: there is no such delegation",
            validate_denial_show(owner, nsec.owner), validate_denial_show(shown, question->name));
    else
        deny_type_of_wildcard(set, question, &nsec, proof);
}

static void deny_closer(const struct validate_denial_set *set,
                        const struct validate_denial_question *question,
                        struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], owner[VALIDATE_DENIAL_SHOWN];
    const uint8_t *name = question->name;
    struct nsec nsec;
    validate_denial_show(shown, name);
    if (find_at(set, name, &nsec)) {
        validate_denial_use(proof, nsec.index);
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "%s has an NSEC of its own, so no wildcard is for that name", shown);
        return;
    }
    if (!find_cover(set, name, &nsec)) {
        say_uncovered(set, name, proof);
        return;
    }
    validate_denial_use(proof, nsec.index);
    validate_denial_show(owner, nsec.owner);
    if (is_ent(&nsec, name)) {
        say_ent(&nsec, name, VALIDATE_DENIAL_WRONG, proof);
        return;
    }
    unsigned labels = encloser_of(&nsec, name);
    if (labels > question->encloser_labels) {
        char closer[VALIDATE_DENIAL_SHOWN];
        const uint8_t *encloser = dns_name_parent(name, dns_name_labels(name) - labels);
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "the NSEC of %s shows that %s exists, so a wildcard above that is "
                            "not for %s",
                            owner, validate_denial_show(closer, encloser), shown);
        return;
    }
    validate_denial_encloser(set, name, question->encloser_labels, proof);
    validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                        "the NSEC of %s covers %s: no name is closer than the wildcard", owner,
                        shown);
}

void validate_denial_by_nsec(const struct validate_denial_set *set,
                             const struct validate_denial_question *question,
                             struct validate_denial_proof *proof)
{
    switch (question->kind) {
    case VALIDATE_DENY_NAME:
        deny_name(set, question->name, proof);
        break;
    case VALIDATE_DENY_TYPE:
    case VALIDATE_DENY_DS:
        deny_type(set, question, proof);
        break;
    case VALIDATE_DENY_CLOSER:
        deny_closer(set, question, proof);
        break;
    }
}
