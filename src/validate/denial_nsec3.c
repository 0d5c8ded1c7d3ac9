/*
 * What NSEC3 records prove (RFC 5155 section 8).
 *
 * Hashes of names have no order that tells of ancestors, so a proof has two ends: the closest
 * encloser, the longest ancestor whose hash has a record, and the next closer name, one label
 * longer, whose hash a record covers. Where that record has the Opt-Out flag an unsigned delegation
 * may hide there, and with it all below.
 *
 * Records of one answer may have different parameters. Each set of parameters is judged on its own:
 * hashes of different ones cannot be compared. What must not be looked at by RFC 5155 section 8.1
 * and 8.2 is left out at the door.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "validate/denial_parts.h"

#include <string.h>

/* Bounds of what is looked at in one answer. A proof needs three records of one set. */
#define RECORDS_MAX 64
#define CHAINS_MAX  4

/* A hash without additional iterations costs less than parsing the record: so many of them count as
 * one of the budget, which is made for hashes of fifty iterations. Names of IPv6 reverse zones have
 * over thirty labels. */
#define CHEAP_HASHES 8

struct nsec3 {
    uint8_t hash[CRYPTO_NSEC3_SIZE]; /* of the owner */
    const uint8_t *next;             /* as long */
    struct validate_denial_types types;
    size_t index;
    bool opt_out;
};

struct parameters {
    uint8_t algorithm, flags, salt_length;
    uint16_t iterations;
    const uint8_t *salt;
};

/* The records of one set of parameters, and hashes of one name's ancestors. */
struct chain {
    const struct validate_denial_set *set;
    const uint8_t *name;
    unsigned labels;
    struct parameters parameters;
    struct nsec3 records[RECORDS_MAX];
    size_t count;
    struct crypto_nsec3 *hasher;
    uint8_t hashes[DNS_LABELS_MAX + 1][CRYPTO_NSEC3_SIZE]; /* of the ancestor with so many labels */
    bool hashed[DNS_LABELS_MAX + 1];
    unsigned cheap;    /* hashes that the last unit of the budget still pays for */
    const char *spent; /* why no more can be hashed; NULL: all is well */
};

/* The fixed part; sets *at behind the salt. */
static bool read_parameters(const struct validate_denial_record *record, struct parameters *out,
                            size_t *at)
{
    struct base_reader reader = base_reader_make(record->rdata, record->length);
    out->algorithm = base_reader_u8(&reader);
    out->flags = base_reader_u8(&reader);
    out->iterations = base_reader_u16(&reader);
    out->salt_length = base_reader_u8(&reader);
    out->salt = base_reader_bytes(&reader, out->salt_length);
    *at = reader.at;
    return !reader.failed;
}

static bool same_parameters(const struct parameters *a, const struct parameters *b)
{
    return a->iterations == b->iterations && a->salt_length == b->salt_length &&
           memcmp(a->salt, b->salt, a->salt_length) == 0;
}

/* The owner is one label below the zone, and that is a hash (RFC 5155 section 3). */
static bool read_owner(const struct validate_denial_set *set, const uint8_t *owner,
                       uint8_t hash[CRYPTO_NSEC3_SIZE])
{
    size_t length;
    return owner[0] == BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE) &&
           dns_name_equal(owner + 1 + owner[0], set->zone) &&
           base_base32hex_decode(hash, CRYPTO_NSEC3_SIZE, &length, (const char *)owner + 1,
                                 owner[0]) == BASE_OK &&
           length == CRYPTO_NSEC3_SIZE;
}

/* False for what must not be looked at, iterations left aside. */
static bool read_nsec3(const struct validate_denial_set *set, size_t index,
                       struct parameters *parameters, struct nsec3 *out)
{
    const struct validate_denial_record *record = &set->records[index];
    size_t at;
    if (record->type != DNS_TYPE_NSEC3 || !read_parameters(record, parameters, &at) ||
        parameters->algorithm != 1 || parameters->flags > 1 ||
        !read_owner(set, record->owner, out->hash))
        return false;
    struct base_reader reader = base_reader_make(record->rdata + at, record->length - at);
    if (base_reader_u8(&reader) != CRYPTO_NSEC3_SIZE)
        return false;
    out->next = base_reader_bytes(&reader, CRYPTO_NSEC3_SIZE);
    if (reader.failed)
        return false;
    out->types.length = base_reader_left(&reader);
    out->types.bitmap = reader.data + reader.at;
    out->index = index;
    out->opt_out = (parameters->flags & 1) != 0;
    return dns_bitmap_check(out->types.bitmap, out->types.length) == BASE_OK;
}

static bool may_hash(struct chain *chain)
{
    unsigned *left = chain->set->hashes_left;
    if (chain->cheap > 0) {
        chain->cheap--;
        return true;
    }
    if (left != NULL && *left == 0) {
        chain->spent = "the budget of NSEC3 hashes is spent";
        return false;
    }
    if (left != NULL)
        --*left;
    chain->cheap = chain->parameters.iterations == 0 ? CHEAP_HASHES - 1 : 0;
    return true;
}

static bool hash_name(struct chain *chain, const uint8_t *name, uint8_t out[CRYPTO_NSEC3_SIZE])
{
    if (chain->spent != NULL || !may_hash(chain))
        return false;
    if ((chain->hasher == NULL &&
         crypto_nsec3_new(chain->parameters.iterations, chain->parameters.salt,
                          chain->parameters.salt_length, &chain->hasher) != BASE_OK) ||
        crypto_nsec3_hash(chain->hasher, name, out) != BASE_OK) {
        chain->spent = "NSEC3 hashes could not be made";
        return false;
    }
    return true;
}

/* The hash of the name's ancestor that has `labels` labels; NULL when the budget is spent. */
static const uint8_t *ancestor_hash(struct chain *chain, unsigned labels)
{
    if (!chain->hashed[labels]) {
        const uint8_t *ancestor = dns_name_parent(chain->name, chain->labels - labels);
        if (!hash_name(chain, ancestor, chain->hashes[labels]))
            return NULL;
        chain->hashed[labels] = true;
    }
    return chain->hashes[labels];
}

static const struct nsec3 *find_at(const struct chain *chain, const uint8_t *hash)
{
    if (hash == NULL)
        return NULL;
    for (size_t i = 0; i < chain->count; i++)
        if (memcmp(chain->records[i].hash, hash, CRYPTO_NSEC3_SIZE) == 0)
            return &chain->records[i];
    return NULL;
}

static bool covers(const struct nsec3 *nsec3, const uint8_t *hash)
{
    bool behind = memcmp(nsec3->hash, hash, CRYPTO_NSEC3_SIZE) < 0;
    bool before = memcmp(hash, nsec3->next, CRYPTO_NSEC3_SIZE) < 0;
    if (memcmp(nsec3->hash, nsec3->next, CRYPTO_NSEC3_SIZE) < 0)
        return behind && before;
    /* The last one of the chain leads to the first; a single one to itself. */
    return (behind || before) && memcmp(nsec3->hash, hash, CRYPTO_NSEC3_SIZE) != 0;
}

static const struct nsec3 *find_cover(const struct chain *chain, const uint8_t *hash)
{
    if (hash == NULL)
        return NULL;
    for (size_t i = 0; i < chain->count; i++)
        if (covers(&chain->records[i], hash))
            return &chain->records[i];
    return NULL;
}

static void use(struct validate_denial_proof *proof, const struct nsec3 *nsec3)
{
    validate_denial_use(proof, nsec3->index);
    proof->opt_out |= nsec3->opt_out;
}

/* True, and said, when something could not be hashed. */
static bool is_spent(const struct chain *chain, struct validate_denial_proof *proof)
{
    if (chain->spent == NULL)
        return false;
    validate_denial_say(proof, VALIDATE_DENIAL_BUDGET, "%s", chain->spent);
    return true;
}

static const uint8_t *ancestor(const struct chain *chain, unsigned labels)
{
    return dns_name_parent(chain->name, chain->labels - labels);
}

static void say_uncovered(const uint8_t *name, struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN];
    validate_denial_say(proof, VALIDATE_DENIAL_MISSING, "no NSEC3 covers the hash of %s",
                        validate_denial_show(shown, name));
}

/*
 * The proof of the closest encloser (RFC 5155 section 8.3) of a name that has no record of its own.
 * Gives its labels and the record that covers the next closer name; false: `proof` says why not.
 */
static bool find_encloser(struct chain *chain, struct validate_denial_proof *proof,
                          unsigned *labels, const struct nsec3 **cover)
{
    char shown[VALIDATE_DENIAL_SHOWN], at[VALIDATE_DENIAL_SHOWN];
    unsigned apex = dns_name_labels(chain->set->zone), depth = chain->labels;
    const struct nsec3 *encloser = NULL;
    while (encloser == NULL && depth-- > apex && chain->spent == NULL)
        encloser = find_at(chain, ancestor_hash(chain, depth));
    if (is_spent(chain, proof))
        return false;
    validate_denial_show(shown, chain->name);
    if (encloser == NULL) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "no NSEC3 is that of a name above %s: the closest encloser is not "
                            "known",
                            shown);
        return false;
    }
    use(proof, encloser);
    validate_denial_show(at, ancestor(chain, depth));
    if (validate_denial_is_cut(&encloser->types) ||
        validate_denial_has(&encloser->types, DNS_TYPE_DNAME)) {
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC3 of %s is that of a %s and says nothing of names below it, "
                            "such as %s",
                            at, validate_denial_is_cut(&encloser->types) ? "delegation" : "DNAME",
                            shown);
        return false;
    }
    *cover = find_cover(chain, ancestor_hash(chain, depth + 1));
    if (is_spent(chain, proof))
        return false;
    if (*cover == NULL) {
        say_uncovered(ancestor(chain, depth + 1), proof);
        return false;
    }
    use(proof, *cover);
    validate_denial_encloser(chain->set, chain->name, depth, proof);
    *labels = depth;
    return true;
}

/* Finds what the records say of the wildcard below the closest encloser. False: the budget. */
static bool find_wildcard(struct chain *chain, unsigned labels, uint8_t wildcard[DNS_NAME_MAX],
                          const struct nsec3 **at, const struct nsec3 **cover)
{
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    validate_denial_wildcard(wildcard, chain->name, labels);
    if (!hash_name(chain, wildcard, hash))
        return false;
    *at = find_at(chain, hash);
    if (*at != NULL && validate_denial_is_nxname(&(*at)->types)) {
        *cover = *at;
        *at = NULL;
        return true;
    }
    *cover = find_cover(chain, hash);
    return true;
}

/* The outcome is only as good as opt-out lets it be (RFC 5155 section 9.2). */
static void say_opt_out(const struct chain *chain, unsigned labels,
                        struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN];
    validate_denial_say(proof, VALIDATE_DENIAL_INSECURE,
                        "the NSEC3 that covers the hash of %s has the Opt-Out flag: an unsigned "
                        "delegation may be there",
                        validate_denial_show(shown, ancestor(chain, labels + 1)));
}

static void deny_name(struct chain *chain, struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], star[VALIDATE_DENIAL_SHOWN], next[VALIDATE_DENIAL_SHOWN];
    uint8_t wildcard[DNS_NAME_MAX];
    const struct nsec3 *at = find_at(chain, ancestor_hash(chain, chain->labels)), *cover;
    unsigned labels;
    if (is_spent(chain, proof))
        return;
    validate_denial_show(shown, chain->name);
    if (at != NULL) {
        use(proof, at);
        proof->compact = validate_denial_is_nxname(&at->types);
        if (proof->compact)
            validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                                "the NSEC3 of %s lists NXNAME: the name does not exist", shown);
        else
            validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                                "%s has an NSEC3 of its own, so that name exists", shown);
        return;
    }
    if (!find_encloser(chain, proof, &labels, &cover))
        return;
    const struct nsec3 *next_cover = cover;
    if (!find_wildcard(chain, labels, wildcard, &at, &cover)) {
        is_spent(chain, proof);
        return;
    }
    validate_denial_show(star, wildcard);
    if (at != NULL) {
        use(proof, at);
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "there is the wildcard %s, which is for %s", star, shown);
    } else if (cover == NULL) {
        say_uncovered(wildcard, proof);
    } else {
        use(proof, cover);
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                            "NSEC3 records cover the hashes of %s and of %s",
                            validate_denial_show(next, ancestor(chain, labels + 1)), star);
        if (next_cover->opt_out)
            say_opt_out(chain, labels, proof);
    }
}

static void deny_type_of_wildcard(struct chain *chain,
                                  const struct validate_denial_question *question, unsigned labels,
                                  bool opt_out, struct validate_denial_proof *proof)
{
    uint8_t wildcard[DNS_NAME_MAX];
    const struct nsec3 *at, *cover;
    if (!find_wildcard(chain, labels, wildcard, &at, &cover)) {
        is_spent(chain, proof);
        return;
    }
    if (at != NULL) {
        use(proof, at);
        proof->wildcard = true;
        validate_denial_of_types(question, &at->types, wildcard, "NSEC3", proof);
        if (proof->outcome == VALIDATE_DENIAL_PROVED && opt_out)
            say_opt_out(chain, labels, proof);
    } else if (opt_out) {
        /* Nothing is said of names that opt-out hides, and a wildcard is for none of them. */
        say_opt_out(chain, labels, proof);
    } else if (cover != NULL) {
        char shown[VALIDATE_DENIAL_SHOWN];
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC3 records say that %s does not exist at all, which is not "
                            "what the answer says",
                            validate_denial_show(shown, chain->name));
    } else {
        char shown[VALIDATE_DENIAL_SHOWN], star[VALIDATE_DENIAL_SHOWN];
        validate_denial_say(
            proof, VALIDATE_DENIAL_MISSING, "no NSEC3 is that of %s, nor of the wildcard %s",
            validate_denial_show(shown, chain->name), validate_denial_show(star, wildcard));
    }
}

static void deny_type(struct chain *chain, const struct validate_denial_question *question,
                      struct validate_denial_proof *proof)
{
    const struct nsec3 *at = find_at(chain, ancestor_hash(chain, chain->labels)), *cover;
    unsigned labels;
    if (is_spent(chain, proof))
        return;
    if (at != NULL) {
        use(proof, at);
        validate_denial_of_types(question, &at->types, chain->name, "NSEC3", proof);
        return;
    }
    if (!find_encloser(chain, proof, &labels, &cover))
        return;
    if (question->kind != VALIDATE_DENY_DS) {
        deny_type_of_wildcard(chain, question, labels, cover->opt_out, proof);
        return;
    }
    if (cover->opt_out) {
        say_opt_out(chain, labels, proof);
        return;
    }
    char shown[VALIDATE_DENIAL_SHOWN];
    validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                        "an NSEC3 covers the hash of %s: there is no such delegation",
                        validate_denial_show(shown, ancestor(chain, labels + 1)));
}

static void deny_closer(struct chain *chain, unsigned encloser_labels,
                        struct validate_denial_proof *proof)
{
    char shown[VALIDATE_DENIAL_SHOWN], next[VALIDATE_DENIAL_SHOWN];
    const uint8_t *hash = ancestor_hash(chain, encloser_labels + 1);
    if (is_spent(chain, proof))
        return;
    const uint8_t *next_closer = ancestor(chain, encloser_labels + 1);
    validate_denial_show(shown, chain->name);
    validate_denial_show(next, next_closer);
    const struct nsec3 *at = find_at(chain, hash), *cover = find_cover(chain, hash);
    if (at != NULL) {
        use(proof, at);
        validate_denial_say(proof, VALIDATE_DENIAL_WRONG,
                            "%s has an NSEC3, so it exists, and a wildcard above it is not for %s",
                            next, shown);
    } else if (cover == NULL) {
        say_uncovered(next_closer, proof);
    } else {
        use(proof, cover);
        validate_denial_encloser(chain->set, chain->name, encloser_labels, proof);
        validate_denial_say(proof, VALIDATE_DENIAL_PROVED,
                            "an NSEC3 covers the hash of %s: no name is closer than the wildcard",
                            next);
        if (cover->opt_out)
            say_opt_out(chain, encloser_labels, proof);
    }
}

static void judge_chain(struct chain *chain, const struct validate_denial_question *question,
                        struct validate_denial_proof *proof)
{
    switch (question->kind) {
    case VALIDATE_DENY_NAME:
        deny_name(chain, proof);
        break;
    case VALIDATE_DENY_TYPE:
    case VALIDATE_DENY_DS:
        deny_type(chain, question, proof);
        break;
    case VALIDATE_DENY_CLOSER:
        deny_closer(chain, question->encloser_labels, proof);
        break;
    }
}

/* Takes the records from `first` on that have the parameters of that one. */
static void gather(struct chain *chain, const struct validate_denial_set *set, size_t first,
                   const struct parameters *wanted)
{
    struct parameters parameters;
    chain->parameters = *wanted;
    for (size_t i = first; i < set->count && chain->count < RECORDS_MAX; i++)
        if (read_nsec3(set, i, &parameters, &chain->records[chain->count]) &&
            same_parameters(&parameters, wanted))
            chain->count++;
}

static void judge_from(const struct validate_denial_set *set, size_t first,
                       const struct parameters *parameters,
                       const struct validate_denial_question *question,
                       struct validate_denial_proof *proof)
{
    struct chain chain;
    chain.set = set;
    chain.name = question->name;
    chain.labels = dns_name_labels(question->name);
    chain.count = 0;
    chain.hasher = NULL;
    memset(chain.hashed, 0, sizeof(chain.hashed));
    chain.cheap = 0;
    chain.spent = NULL;
    gather(&chain, set, first, parameters);
    judge_chain(&chain, question, proof);
    crypto_nsec3_free(chain.hasher);
}

static void say_none(const struct validate_denial_set *set, unsigned iterations,
                     struct validate_denial_proof *proof)
{
    proof->excess = iterations > 0;
    if (proof->excess)
        validate_denial_say(proof, VALIDATE_DENIAL_INSECURE,
                            "the NSEC3 records have %u iterations, and with more than %u they "
                            "count for nothing (RFC 9276)",
                            iterations, set->iterations_most);
    else
        validate_denial_say(proof, VALIDATE_DENIAL_MISSING,
                            "the NSEC3 records are malformed, not of this zone, or of an unknown "
                            "kind");
}

void validate_denial_by_nsec3(const struct validate_denial_set *set,
                              const struct validate_denial_question *question,
                              struct validate_denial_proof *proof)
{
    struct parameters seen[CHAINS_MAX], parameters;
    struct nsec3 nsec3;
    unsigned chains = 0, excess = 0;
    for (size_t i = 0; i < set->count && chains < CHAINS_MAX; i++) {
        if (!read_nsec3(set, i, &parameters, &nsec3))
            continue;
        if (parameters.iterations > set->iterations_most) {
            excess = parameters.iterations;
            continue;
        }
        bool known = false;
        for (unsigned j = 0; j < chains; j++)
            known |= same_parameters(&seen[j], &parameters);
        if (known)
            continue;
        seen[chains++] = parameters;
        struct validate_denial_proof one = {.nsec3 = true};
        judge_from(set, i, &parameters, question, &one);
        if (chains == 1 ||
            validate_denial_worth(one.outcome) > validate_denial_worth(proof->outcome))
            *proof = one;
        if (proof->outcome == VALIDATE_DENIAL_PROVED)
            return;
    }
    if (chains == 0)
        say_none(set, excess, proof);
}
