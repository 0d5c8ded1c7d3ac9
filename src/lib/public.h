/*
 * What the parts of the library's skin share.
 */
#ifndef LIB_PUBLIC_H
#define LIB_PUBLIC_H

#include "base/finding.h"
#include "kenter/kenter.h"
#include "kenter/resolve.h"
#include "validate/result.h"

/* An error of inside as one of the public ones. */
int lib_error(int error);
/* Tells the callback of all findings, sorted. `found` may be NULL. */
void lib_give_findings(struct base_findings *findings, kenter_finding_callback found,
                       void *context);
/* Takes the reference of the caller, also on failure. KENTER_ENOMEM */
int lib_result_new(const struct validate_result *inner, struct kenter_result **out);
/* What is under a resolver; and to wait for something to happen there. */
struct resolve_context;
struct resolve_context *lib_resolver_context(struct kenter_resolver *resolver);
void lib_resolver_wait(struct kenter_resolver *resolver);

#endif
