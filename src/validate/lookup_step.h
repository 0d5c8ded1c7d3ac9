/*
 * One name on the way from the question to the data, and what the files that judge it share:
 * lookup_set.c (an RRset), lookup_answer.c (the way, data), lookup_alias.c, lookup_absence.c.
 */
#ifndef VALIDATE_LOOKUP_STEP_H
#define VALIDATE_LOOKUP_STEP_H

#include "validate/lookup_parts.h"

/* One step on the way. */
struct lookup_step {
    struct validate_lookup *lookup;
    struct lookup_packet *packet;
    const uint8_t *name;
    enum lookup_verdict verdict;
    const uint8_t *next; /* the alias's target; NULL: this is the end */
};

static inline bool lookup_is_failure(enum lookup_verdict verdict)
{
    return verdict == LOOKUP_BOGUS || verdict == LOOKUP_ERROR;
}

static inline struct lookup_judged lookup_plain(enum lookup_verdict verdict)
{
    return (struct lookup_judged){.verdict = verdict, .node = VALIDATE_NO_NODE};
}

/* The zone's name, where it is known. */
static inline const uint8_t *lookup_zone_name(const struct validate_chain *chain)
{
    return chain == NULL ? NULL : chain->name;
}

/* --- lookup_set.c --- */

/* Remembers where security ended, for the result. */
void lookup_note_insecure(struct validate_lookup *lookup, const struct lookup_state *state);
void lookup_report_no_anchor(struct validate_lookup *lookup, const uint8_t *name);
/* The walk came as far as the name itself, and then found the same fault that is judged already:
 * its zone gives no proofs. */
bool lookup_same_fault(const struct lookup_state *end, const uint8_t *name);
/* The zone that should have proved or signed, as a state to hang an explanation on. */
struct lookup_state *lookup_zone_at_fault(struct validate_lookup *lookup,
                                          const struct lookup_mark *mark,
                                          const struct lookup_state *end);

/* --- lookup_answer.c --- */

/* Notes the hop that the step was, with the step's verdict and `next`. */
void lookup_end_hop(struct lookup_step *step, const struct lookup_judged *judged, bool dname);
/* The data that answer the question. */
void lookup_show_answer(struct lookup_step *step, const struct validate_records *records,
                        size_t count);

/* --- lookup_alias.c, lookup_absence.c: each sets the step's verdict --- */

void lookup_cname(struct lookup_step *step, struct validate_group *group);
/* `cname`: the one that came along; NULL: none did. */
void lookup_dname(struct lookup_step *step, struct validate_group *dname,
                  struct validate_group *cname);
void lookup_absence(struct lookup_step *step);

#endif
