/* Proofs of non-existence: what is common to NSEC and NSEC3, and which of both a proof comes from.
 */
#include "validate/denial_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool validate_denial_has(const struct validate_denial_types *types, uint16_t type)
{
    return dns_bitmap_has(types->bitmap, types->length, type);
}

bool validate_denial_is_cut(const struct validate_denial_types *types)
{
    return validate_denial_has(types, DNS_TYPE_NS) && !validate_denial_has(types, DNS_TYPE_SOA);
}

/* True when there is no type but `allowed` and what the denial itself brings along. */
static bool nothing_but(const struct validate_denial_types *types, int allowed)
{
    int type = dns_bitmap_next(types->bitmap, types->length, 0);
    while (type >= 0) {
        if (type != DNS_TYPE_RRSIG && type != DNS_TYPE_NSEC && type != allowed)
            return false;
        type = dns_bitmap_next(types->bitmap, types->length, (uint32_t)type + 1);
    }
    return true;
}

bool validate_denial_is_nxname(const struct validate_denial_types *types)
{
    return validate_denial_has(types, VALIDATE_TYPE_NXNAME) &&
           nothing_but(types, VALIDATE_TYPE_NXNAME);
}

void validate_denial_use(struct validate_denial_proof *proof, size_t index)
{
    for (size_t i = 0; i < proof->used_count; i++)
        if (proof->used[i] == index)
            return;
    if (proof->used_count < sizeof(proof->used) / sizeof(proof->used[0]))
        proof->used[proof->used_count++] = index;
}

void validate_denial_say(struct validate_denial_proof *proof, enum validate_denial_outcome outcome,
                         const char *format, ...)
{
    proof->outcome = outcome;
    va_list args;
    va_start(args, format);
    vsnprintf(proof->why, sizeof(proof->why), format, args);
    va_end(args);
}

const char *validate_denial_show(char out[VALIDATE_DENIAL_SHOWN], const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    size_t length = dns_name_to_text(text, name);
    if (length < VALIDATE_DENIAL_SHOWN) {
        memcpy(out, text, length);
        out[length] = '\0';
    } else {
        const int half = (VALIDATE_DENIAL_SHOWN - 4) / 2;
        snprintf(out, VALIDATE_DENIAL_SHOWN, "%.*s...%.*s", half, text, half,
                 text + length - (size_t)half);
    }
    return out;
}

static const uint8_t *keep(const struct validate_denial_set *set, const uint8_t *name)
{
    if (set->arena == NULL)
        return NULL;
    return base_arena_dup(set->arena, name, dns_name_length(name));
}

void validate_denial_encloser(const struct validate_denial_set *set, const uint8_t *name,
                              unsigned labels, struct validate_denial_proof *proof)
{
    unsigned all = dns_name_labels(name);
    proof->closest_encloser = keep(set, dns_name_parent(name, all - labels));
    proof->next_closer = labels < all ? keep(set, dns_name_parent(name, all - labels - 1)) : NULL;
}

void validate_denial_wildcard(uint8_t out[DNS_NAME_MAX], const uint8_t *name, unsigned labels)
{
    /* It fits: the label that "*" takes the place of has at least one octet. */
    const uint8_t *encloser = dns_name_parent(name, dns_name_labels(name) - labels);
    out[0] = 1;
    out[1] = '*';
    memcpy(out + 2, encloser, dns_name_length(encloser));
}

/* A type that is listed although it is denied: 0 when there is none. */
static uint16_t contrary_type(const struct validate_denial_types *types,
                              const struct validate_denial_question *question)
{
    uint16_t type = question->type;
    if (validate_denial_has(types, type))
        return type;
    /* An alias tells of its name that it is no delegation, which is what is asked there. */
    if (question->kind != VALIDATE_DENY_DS && validate_denial_has(types, DNS_TYPE_CNAME))
        return DNS_TYPE_CNAME;
    if (type != DNS_TYPE_ANY)
        return 0;
    for (int any = dns_bitmap_next(types->bitmap, types->length, 0); any >= 0;
         any = dns_bitmap_next(types->bitmap, types->length, (uint32_t)any + 1))
        if (any != DNS_TYPE_RRSIG && any != DNS_TYPE_NSEC)
            return (uint16_t)any;
    return 0;
}

void validate_denial_of_types(const struct validate_denial_question *question,
                              const struct validate_denial_types *types, const uint8_t *owner,
                              const char *record, struct validate_denial_proof *proof)
{
    char at[VALIDATE_DENIAL_SHOWN], type_text[DNS_TYPE_TEXT], listed_text[DNS_TYPE_TEXT];
    validate_denial_show(at, owner);
    dns_type_text(type_text, question->type);
    uint16_t listed = contrary_type(types, question);
    if (validate_denial_is_nxname(types)) {
        proof->compact = true;
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                            "the %s of %s lists NXNAME: the name does not exist", record, at);
    } else if (listed != 0) {
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "the %s of %s lists the type %s, so that is there", record, at,
                            dns_type_text(listed_text, listed));
    } else if (question->type == DNS_TYPE_DS && validate_denial_has(types, DNS_TYPE_SOA) &&
               dns_name_labels(question->name) > 0) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the %s of %s is that of a zone's own apex; only the zone above can "
                            "say that there is no DS",
                            record, at);
    } else if (question->type != DNS_TYPE_DS && validate_denial_is_cut(types)) {
        proof->delegation = true;
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the %s of %s in the zone above is that of a delegation, which says "
                            "nothing of the type %s in the zone delegated",
                            record, at, type_text);
    } else {
        proof->delegation = validate_denial_is_cut(types);
        proof->ent = nothing_but(types, -1);
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED, "the %s of %s does not list the type %s",
                            record, at, type_text);
    }
}

unsigned validate_denial_worth(enum validate_denial_outcome outcome)
{
    static const unsigned worths[] = {
        [VALIDATE_DENIAL_PROVED] = 4, [VALIDATE_DENIAL_INSECURE] = 3, [VALIDATE_DENIAL_BUDGET] = 2,
        [VALIDATE_DENIAL_WRONG] = 1,  [VALIDATE_DENIAL_MISSING] = 0,
    };
    return worths[outcome];
}

/* What asked of a name that is not the zone's can never be proved. */
static bool fits_zone(const struct validate_denial_set *set,
                      const struct validate_denial_question *question,
                      struct validate_denial_proof *proof)
{
    char name[VALIDATE_DENIAL_SHOWN], zone[VALIDATE_DENIAL_SHOWN];
    validate_denial_show(name, question->name);
    validate_denial_show(zone, set->zone);
    unsigned labels = dns_name_labels(question->name), apex = dns_name_labels(set->zone);
    if (!dns_name_within(question->name, set->zone) ||
        (question->kind == VALIDATE_DENY_DS && labels == apex)) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the records are of the zone %s, which cannot speak of %s", zone, name);
        return false;
    }
    if (question->kind == VALIDATE_DENY_NAME && labels == apex) {
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG, "%s is the zone's own apex and exists",
                            name);
        return false;
    }
    if (question->kind == VALIDATE_DENY_CLOSER &&
        (question->encloser_labels >= labels || question->encloser_labels < apex)) {
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "no wildcard of the zone %s with %u labels above it is for %s", zone,
                            question->encloser_labels, name);
        return false;
    }
    return true;
}

static void judge(const struct validate_denial_set *set,
                  const struct validate_denial_question *question,
                  struct validate_denial_proof *proof)
{
    size_t nsec = 0, nsec3 = 0;
    memset(proof, 0, sizeof(*proof));
    if (!fits_zone(set, question, proof))
        return;
    for (size_t i = 0; i < set->count; i++) {
        nsec += set->records[i].type == DNS_TYPE_NSEC;
        nsec3 += set->records[i].type == DNS_TYPE_NSEC3;
    }
    if (nsec == 0 && nsec3 == 0) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "there is no NSEC or NSEC3 record with a good signature");
        return;
    }
    if (nsec > 0)
        validate_denial_by_nsec(set, question, proof);
    if (nsec3 == 0 || (nsec > 0 && proof->outcome == VALIDATE_DENIAL_PROVED))
        return;
    struct validate_denial_proof other = {.nsec3 = true};
    validate_denial_by_nsec3(set, question, &other);
    if (nsec == 0 || validate_denial_worth(other.outcome) > validate_denial_worth(proof->outcome))
        *proof = other;
}

void validate_denial_of_name(const struct validate_denial_set *set, const uint8_t *name,
                             struct validate_denial_proof *proof)
{
    judge(set, &(struct validate_denial_question){.kind = VALIDATE_DENY_NAME, .name = name}, proof);
}

void validate_denial_of_type(const struct validate_denial_set *set, const uint8_t *name,
                             uint16_t type, struct validate_denial_proof *proof)
{
    judge(
        set,
        &(struct validate_denial_question){.kind = VALIDATE_DENY_TYPE, .name = name, .type = type},
        proof);
}

void validate_denial_of_closer(const struct validate_denial_set *set, const uint8_t *name,
                               unsigned encloser_labels, struct validate_denial_proof *proof)
{
    judge(set,
          &(struct validate_denial_question){
              .kind = VALIDATE_DENY_CLOSER, .name = name, .encloser_labels = encloser_labels},
          proof);
}

void validate_denial_of_ds(const struct validate_denial_set *set, const uint8_t *name,
                           struct validate_denial_proof *proof)
{
    judge(set,
          &(struct validate_denial_question){
              .kind = VALIDATE_DENY_DS, .name = name, .type = DNS_TYPE_DS},
          proof);
}
