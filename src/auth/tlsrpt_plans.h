/*
 * Sessions that were seen in a log, and what the domain demanded: its plan is made by validated
 * look-ups, as the policy service makes it, and kept for a while. Blocking.
 */
#ifndef AUTH_TLSRPT_PLANS_H
#define AUTH_TLSRPT_PLANS_H

#include "auth/authenticate.h"
#include "dane/tlsrpt_postfix.h"

#define AUTH_TLSRPT_PLANS_MAX  2000 /* kept */
#define AUTH_TLSRPT_AT_ONCE    32   /* being made */
#define AUTH_TLSRPT_KEEP       3600 /* seconds, at most */
#define AUTH_TLSRPT_KEEP_LEAST 10

struct auth_tlsrpt_plans;

struct auth_tlsrpt_plans_options {
    const char *sts_ca; /* NULL: the system's */
    bool no_sts;
};
int auth_tlsrpt_plans_new(struct resolve_context *context,
                          const struct auth_tlsrpt_plans_options *options,
                          struct auth_tlsrpt_plans **out);
void auth_tlsrpt_plans_free(struct auth_tlsrpt_plans *plans); /* NULL allowed */
/* The domain (as logged) will be asked for: its plan is begun. BASE_EFORMAT: no domain. */
int auth_tlsrpt_plans_want(struct auth_tlsrpt_plans *plans, const char *domain);
/* Waits for all that was begun. */
int auth_tlsrpt_plans_wait(struct auth_tlsrpt_plans *plans);
/* The session, as reports count it. Its texts lie in the arena, in the plan (until the next
 * `want`) and in `seen`. BASE_ENOENT: it was none with a server of the domain, or is about
 * nothing that is reported; BASE_ENOMEM. */
int auth_tlsrpt_plans_session(struct auth_tlsrpt_plans *plans, const struct dane_tlsrpt_seen *seen,
                              struct base_arena *arena, struct dane_tlsrpt_session *out);

#endif
