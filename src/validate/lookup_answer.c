/*
 * The question itself: from name to name along aliases, and at each the data or the proof that
 * there are none.
 */
#include "validate/lookup_step.h"

#include "base/error.h"

#include <string.h>

/*
 * What an answer has at a name.
 */
static bool in_answer(const struct validate_group *group)
{
    return group->section == DNS_SECTION_ANSWER && group->count > 0;
}

static struct validate_group *answer_group(struct lookup_packet *packet, const uint8_t *name,
                                           uint16_t type)
{
    struct validate_group *group =
        validate_message_find(&packet->message, DNS_SECTION_ANSWER, name, type);
    return group != NULL && group->count > 0 ? group : NULL;
}

/* The DNAME that is closest above a name. */
static struct validate_group *dname_above(struct lookup_packet *packet, const uint8_t *name)
{
    struct validate_group *found = NULL;
    for (size_t i = 0; i < packet->message.group_count; i++) {
        struct validate_group *group = &packet->message.groups[i];
        if (!in_answer(group) || group->type != DNS_TYPE_DNAME ||
            !dns_name_within(name, group->name) || dns_name_equal(name, group->name))
            continue;
        if (found == NULL || dns_name_labels(group->name) > dns_name_labels(found->name))
            found = group;
    }
    return found;
}

void lookup_end_hop(struct lookup_step *step, const struct lookup_judged *judged, bool dname)
{
    struct validate_hop hop = {.name = step->name,
                               .status = lookup_status(step->verdict),
                               .target = step->next,
                               .dname = dname,
                               .wildcard =
                                   judged->checked != NULL && judged->checked->wildcard != NULL,
                               .zone = lookup_zone_name(judged->chain),
                               .node = judged->node,
                               .ttl = judged->ttl,
                               .expiry = judged->expiry};
    lookup_hop(step->lookup, &hop);
}

void lookup_show_answer(struct lookup_step *step, const struct validate_records *records,
                        size_t count)
{
    struct lookup_pass *pass = &step->lookup->pass;
    pass->kind = VALIDATE_ANSWER_DATA;
    pass->answer = records;
    pass->answer_count = count;
    pass->rcode = step->packet->message.dns.rcode;
}

/* Data at the name: one RRset, or all of them for ANY. */
static void judge_data(struct lookup_step *step, struct validate_group *const *groups, size_t count)
{
    struct validate_lookup *lookup = step->lookup;
    struct validate_records *records =
        lookup_alloc(lookup, &lookup->pass.arena, count * sizeof(*records));
    struct lookup_judged all = lookup_plain(LOOKUP_SECURE);
    bool pending = records == NULL;
    for (size_t i = 0; !pending && i < count; i++) {
        struct lookup_judged judged =
            lookup_set(lookup, step->packet, groups[i], VALIDATE_NODE_RRSET);
        if (judged.verdict == LOOKUP_PENDING) {
            pending = true;
            break;
        }
        if (!lookup_ok(lookup, validate_group_records(groups[i], judged.ttl, &lookup->pass.arena,
                                                      &records[i])))
            pending = true;
        if (i == 0) {
            all = judged;
            continue;
        }
        /* The order of verdicts is from good to bad. */
        if (judged.verdict > all.verdict)
            all.verdict = judged.verdict;
        all.ttl = judged.ttl < all.ttl ? judged.ttl : all.ttl;
        all.expiry = lookup_earlier(all.expiry, judged.expiry);
    }
    step->verdict = pending ? LOOKUP_PENDING : all.verdict;
    if (pending)
        return;
    lookup_end_hop(step, &all, false);
    lookup_show_answer(step, records, count);
}

/* RRSIG records are not signed (RFC 4035 section 2.2): where the name is under an anchor, they are
 * as good as insecure, whatever the zone. */
static void judge_signatures(struct lookup_step *step)
{
    struct validate_lookup *lookup = step->lookup;
    struct lookup_judged judged = lookup_plain(LOOKUP_INSECURE);
    struct validate_records *records = lookup_alloc(lookup, &lookup->pass.arena, sizeof(*records));
    if (records == NULL)
        return;
    struct validate_group all = {.name = step->name, .type = DNS_TYPE_RRSIG};
    size_t total = 0;
    struct validate_message *message = &step->packet->message;
    for (size_t i = 0; i < message->group_count; i++) {
        if (message->groups[i].section == DNS_SECTION_ANSWER &&
            dns_name_equal(message->groups[i].name, step->name))
            total += message->groups[i].signature_count;
    }
    all.records = lookup_alloc(lookup, &lookup->pass.arena, total * sizeof(void *));
    if (all.records == NULL)
        return;
    all.ttl = UINT32_MAX;
    for (size_t i = 0; i < message->group_count; i++) {
        struct validate_group *group = &message->groups[i];
        if (group->section != DNS_SECTION_ANSWER || !dns_name_equal(group->name, step->name))
            continue;
        for (size_t k = 0; k < group->signature_count; k++) {
            all.records[all.count++] = group->signatures[k];
            if (group->signatures[k]->ttl < all.ttl)
                all.ttl = group->signatures[k]->ttl;
        }
    }
    if (!lookup_ok(lookup, validate_group_records(&all, all.ttl, &lookup->pass.arena, records)))
        return;
    if (lookup_negative(lookup, step->name) == NULL &&
        lookup_anchor(lookup, step->name, 0) == NULL) {
        judged.verdict = LOOKUP_INDETERMINATE;
        lookup_report_no_anchor(lookup, step->name);
    } else {
        struct lookup_problem problem = {.code = VALIDATE_RRSIG_QUERY,
                                         .ede = VALIDATE_NO_EDE,
                                         .name = step->name,
                                         .type = DNS_TYPE_RRSIG,
                                         .node = VALIDATE_NO_NODE,
                                         .cause = VALIDATE_NO_CAUSE};
        lookup_report(lookup, &problem, "the RRSIG records of %s are not signed themselves",
                      lookup_text(lookup, step->name));
    }
    judged.ttl = all.ttl;
    step->verdict = judged.verdict;
    if (lookup->pass.insecure == NULL)
        lookup->pass.insecure = step->name;
    lookup_end_hop(step, &judged, false);
    lookup_show_answer(step, records, 1);
}

/*
 * The way along aliases.
 */
static void judge_any(struct lookup_step *step)
{
    struct validate_message *message = &step->packet->message;
    struct validate_group **groups = lookup_alloc(step->lookup, &step->lookup->pass.arena,
                                                  message->group_count * sizeof(*groups));
    if (groups == NULL)
        return;
    size_t count = 0;
    for (size_t i = 0; i < message->group_count; i++) {
        if (in_answer(&message->groups[i]) && dns_name_equal(message->groups[i].name, step->name))
            groups[count++] = &message->groups[i];
    }
    if (count > 0)
        judge_data(step, groups, count);
    else
        lookup_absence(step);
}

static bool has_signatures(const struct lookup_packet *packet, const uint8_t *name)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section == DNS_SECTION_ANSWER && group->signature_count > 0 &&
            dns_name_equal(group->name, name))
            return true;
    }
    return false;
}

static void judge_step(struct lookup_step *step)
{
    struct validate_lookup *lookup = step->lookup;
    uint16_t type = lookup->type;
    struct validate_group *cname = answer_group(step->packet, step->name, DNS_TYPE_CNAME);
    struct validate_group *dname = dname_above(step->packet, step->name);
    bool made = dname != NULL && (cname == NULL || cname->signature_count == 0);
    struct validate_group *data = answer_group(step->packet, step->name, type);
    step->verdict = LOOKUP_PENDING;
    if (type == DNS_TYPE_ANY && !made)
        judge_any(step);
    else if (type == DNS_TYPE_RRSIG && has_signatures(step->packet, step->name))
        judge_signatures(step);
    else if (data != NULL && !(type == DNS_TYPE_CNAME && made))
        judge_data(step, &data, 1);
    else if (made)
        lookup_dname(step, dname, cname);
    else if (cname != NULL)
        lookup_cname(step, cname);
    else
        lookup_absence(step);
}

/* Does a packet that was asked for another name say anything of this one? */
static bool speaks_of(struct lookup_packet *packet, const uint8_t *name, uint16_t type)
{
    if (answer_group(packet, name, type) != NULL ||
        answer_group(packet, name, DNS_TYPE_CNAME) != NULL || dname_above(packet, name) != NULL)
        return true;
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section == DNS_SECTION_AUTHORITY && group->type == DNS_TYPE_SOA &&
            dns_name_within(name, group->name))
            return true;
    }
    return false;
}

static void fail_packet(struct lookup_step *step)
{
    struct validate_lookup *lookup = step->lookup;
    lookup_explain_packet(lookup, step->packet);
    lookup->pass.rcode = step->packet->message.dns.rcode;
    step->verdict = LOOKUP_ERROR;
}

/* Judges one name: by what the last packet says of it, or by a packet of its own. */
static void take_step(struct lookup_step *step)
{
    struct validate_lookup *lookup = step->lookup;
    if (step->packet != NULL && speaks_of(step->packet, step->name, lookup->type)) {
        struct lookup_mark mark = lookup_mark(lookup);
        struct lookup_pass before = lookup->pass;
        judge_step(step);
        if (step->verdict != LOOKUP_BOGUS || lookup->only != NULL ||
            dns_name_equal(step->packet->query.name, step->name))
            return;
        /* Servers add of other zones what they happen to have. */
        lookup_back(lookup, &mark);
        lookup->pass.kind = before.kind;
        lookup->pass.answer = before.answer;
        lookup->pass.answer_count = before.answer_count;
        lookup->pass.insecure = before.insecure;
        step->next = NULL;
    }
    step->packet = lookup_need(lookup, step->name, lookup->type);
    step->verdict = LOOKUP_PENDING;
    if (!lookup_here(step->packet))
        return;
    if (!step->packet->usable)
        fail_packet(step);
    else
        judge_step(step);
}

static bool seen_before(const struct lookup_pass *pass, const uint8_t *name)
{
    for (size_t i = 0; i < pass->hop_count; i++) {
        if (dns_name_equal(pass->hops[i].name, name))
            return true;
    }
    return false;
}

static enum lookup_verdict loop_found(struct validate_lookup *lookup, const uint8_t *name)
{
    struct lookup_problem problem = {.code = VALIDATE_ALIAS_LOOP,
                                     .ede = 0,
                                     .name = name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .remedy =
                                         "the operator of one of the zones must change an alias"};
    lookup_report(lookup, &problem, "the aliases of %s lead back to %s",
                  lookup_text(lookup, lookup->name), lookup_text(lookup, name));
    return LOOKUP_ERROR;
}

/* The keys of the anchor are wanted in any case, so that they are asked for at once. */
static void ask_for_anchor(struct validate_lookup *lookup)
{
    const struct validate_anchor *anchor = lookup_anchor(lookup, lookup->name, lookup->type);
    if (anchor == NULL || lookup->only != NULL || lookup_negative(lookup, lookup->name) != NULL ||
        validate_trust_find(lookup->trust, anchor->name, lookup->work.now) != NULL)
        return;
    lookup_need(lookup, anchor->name, DNS_TYPE_DNSKEY);
}

/* RFC 8509: A and AAAA of "root-key-sentinel-is-ta-12345" are answered with SERVFAIL when there is
 * no such anchor of the root, of "…-not-ta-12345" when there is. */
static bool sentinel_says_no(const struct validate_lookup *lookup)
{
    static const char is_ta[] = "root-key-sentinel-is-ta-", not_ta[] = "root-key-sentinel-not-ta-";
    const uint8_t *label = lookup->name;
    if (lookup->type != DNS_TYPE_A && lookup->type != DNS_TYPE_AAAA)
        return false;
    uint8_t lower[DNS_NAME_MAX];
    dns_name_lower(lower, label);
    size_t length = lower[0];
    bool is = length == sizeof(is_ta) - 1 + 5 && memcmp(lower + 1, is_ta, sizeof(is_ta) - 1) == 0;
    bool not =
        length == sizeof(not_ta) - 1 + 5 && memcmp(lower + 1, not_ta, sizeof(not_ta) - 1) == 0;
    if (!is && !not )
        return false;
    unsigned tag = 0;
    for (size_t i = length - 4; i <= length; i++) {
        if (lower[i] < '0' || lower[i] > '9')
            return false;
        tag = tag * 10 + (lower[i] - '0');
    }
    uint16_t tags[64];
    static const uint8_t root[] = {0};
    size_t count = validate_anchors_tags(lookup->anchors, root, lookup->work.now, tags, 64);
    bool trusted = false;
    for (size_t i = 0; i < count && i < 64; i++)
        trusted = trusted || tags[i] == tag;
    return is ? !trusted : trusted;
}

static enum lookup_verdict judge_sentinel(struct validate_lookup *lookup)
{
    struct lookup_problem problem = {.code = VALIDATE_SENTINEL,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = lookup->name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE};
    lookup_report(lookup, &problem,
                  "%s is a sentinel of RFC 8509, and what it asks of the root's trust anchors is "
                  "not so",
                  lookup_text(lookup, lookup->name));
    lookup->pass.rcode = DNS_RCODE_SERVFAIL;
    return LOOKUP_ERROR;
}

static void report_skew(struct validate_lookup *lookup)
{
    struct lookup_problem problem = {.code = VALIDATE_SKEW,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = lookup->name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE};
    lookup_report(
        lookup, &problem,
        "signatures are out of their time by no more than the %u s that clocks may differ",
        lookup->work.skew);
}

enum lookup_verdict lookup_question(struct validate_lookup *lookup)
{
    struct lookup_step step = {.lookup = lookup, .name = lookup->name};
    bool secure = true;
    step.packet = lookup_need(lookup, lookup->name, lookup->type);
    ask_for_anchor(lookup);
    for (unsigned hops = 0;; hops++) {
        if (hops > lookup->work.budgets.alias_hops) {
            validate_work_spend(&lookup->work, "alias_hops", lookup->work.budgets.alias_hops,
                                step.name, 0);
            return LOOKUP_ERROR;
        }
        if (!lookup_here(step.packet))
            return LOOKUP_PENDING;
        step.next = NULL;
        if (!step.packet->usable)
            fail_packet(&step);
        else
            take_step(&step);
        if (step.verdict == LOOKUP_PENDING || lookup_is_failure(step.verdict))
            return step.verdict;
        secure = secure && step.verdict == LOOKUP_SECURE;
        if (step.next == NULL)
            break;
        if (lookup->only != NULL && !speaks_of(step.packet, step.next, lookup->type)) {
            lookup->pass.kind = VALIDATE_ANSWER_DATA; /* as far as the packet goes */
            break;
        }
        if (seen_before(&lookup->pass, step.next))
            return loop_found(lookup, step.next);
        step.name = step.next;
    }
    if (lookup->pass.skewed)
        report_skew(lookup);
    if (secure && lookup->pass.kind == VALIDATE_ANSWER_DATA && sentinel_says_no(lookup))
        return judge_sentinel(lookup);
    return step.verdict;
}
