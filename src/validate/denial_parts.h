/*
 * What the judges of NSEC and NSEC3 share: the question, what a type bitmap says, and the phrases.
 * Private to src/validate/denial*.c.
 */
#ifndef VALIDATE_DENIAL_PARTS_H
#define VALIDATE_DENIAL_PARTS_H

#include "validate/denial.h"

#define VALIDATE_TYPE_NXNAME 128 /* RFC 9824 section 2 */

enum validate_denial_kind {
    VALIDATE_DENY_NAME,
    VALIDATE_DENY_TYPE,
    VALIDATE_DENY_CLOSER,
    VALIDATE_DENY_DS,
};

struct validate_denial_question {
    enum validate_denial_kind kind;
    const uint8_t *name;
    uint16_t type;            /* of TYPE and DS */
    unsigned encloser_labels; /* of CLOSER */
};

struct validate_denial_types {
    const uint8_t *bitmap;
    size_t length;
};
bool validate_denial_has(const struct validate_denial_types *types, uint16_t type);
/* NS without SOA: the parent's side of a delegation. */
bool validate_denial_is_cut(const struct validate_denial_types *types);
/* The name does not exist (RFC 9824 section 2): NXNAME, and nothing beside it that denial itself
 * puts there. */
bool validate_denial_is_nxname(const struct validate_denial_types *types);

/* Each fills `proof`, which is zeroed, with what the records of its kind say. */
void validate_denial_by_nsec(const struct validate_denial_set *set,
                             const struct validate_denial_question *question,
                             struct validate_denial_proof *proof);
void validate_denial_by_nsec3(const struct validate_denial_set *set,
                              const struct validate_denial_question *question,
                              struct validate_denial_proof *proof);

/* What the types at `owner` (the name itself or the wildcard for it) say of a type that is denied;
 * `record` is "NSEC" or "NSEC3". Sets outcome and why. */
void validate_denial_of_types(const struct validate_denial_question *question,
                              const struct validate_denial_types *types, const uint8_t *owner,
                              const char *record, struct validate_denial_proof *proof);

/* How much an outcome is worth where several chains are judged: the best one is taken. */
unsigned validate_denial_worth(enum validate_denial_outcome outcome);

void validate_denial_use(struct validate_denial_proof *proof, size_t index);
void validate_denial_say(struct validate_denial_proof *proof, enum validate_denial_outcome outcome,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Notes the closest encloser of `name`, which has `labels` labels, and the next closer name. */
void validate_denial_encloser(const struct validate_denial_set *set, const uint8_t *name,
                              unsigned labels, struct validate_denial_proof *proof);
/* The wildcard below the closest encloser of `labels` labels of `name`, which is longer. */
void validate_denial_wildcard(uint8_t out[DNS_NAME_MAX], const uint8_t *name, unsigned labels);

/* A name for a phrase; the middle of a very long one is left out. Returns `out`. */
#define VALIDATE_DENIAL_SHOWN 72
const char *validate_denial_show(char out[VALIDATE_DENIAL_SHOWN], const uint8_t *name);

#endif
