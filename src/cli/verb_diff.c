/* kenter diff: what changed between two zones. */
#include "base/error.h"
#include "base/json.h"
#include "cli/load.h"
#include "cli/record.h"
#include "cli/report.h"
#include "zone/diff.h"

#include <string.h>

/* An update message holds at most 65535 octets; what is sent at once stays well below. */
#define UPDATE_MAX 50000

struct diff {
    struct cli_call *call;
    const struct zone *to;
    struct base_buf buf;
    size_t removed, added;
    size_t pending; /* octets of the update that is being collected */
    bool as_json, as_update;
    /* An update is applied in the order of its lines. Those of one name wait here: additions until
     * all removals are out, since no server adds data beside a CNAME that is still there; and
     * removals of NS at the apex until the additions are out, since a server ignores the removal of
     * the last one (RFC 2136 sections 3.4.2.2 and 3.4.2.4). */
    struct base_buf additions, last_removals;
    const uint8_t *owner; /* whose lines wait; NULL: there are none */
};

/* Gives the text away from time to time, so that a large difference needs no large memory. */
static int flush_text(struct diff *diff, size_t least)
{
    if (diff->buf.error != BASE_OK)
        return diff->buf.error;
    if (diff->buf.length < least || diff->as_json)
        return BASE_OK;
    fwrite(diff->buf.data, 1, diff->buf.length, stdout);
    base_buf_reset(&diff->buf);
    return ferror(stdout) ? BASE_EIO : BASE_OK;
}

static void add_text(struct diff *diff, enum zone_change change, const uint8_t *owner,
                     const struct dns_rr *rr)
{
    bool removed = change == ZONE_REMOVED;
    base_buf_text(&diff->buf, cli_color(diff->call->color, removed ? CLI_RED : CLI_GREEN));
    base_buf_u8(&diff->buf, removed ? '-' : '+');
    cli_record_text(&diff->buf, owner, rr->ttl, rr->type, rr->rdata, rr->length);
    base_buf_text(&diff->buf, cli_color(diff->call->color, CLI_PLAIN));
    base_buf_u8(&diff->buf, '\n');
}

static void add_json(struct diff *diff, enum zone_change change, const uint8_t *owner,
                     const struct dns_rr *rr)
{
    if (diff->removed + diff->added > 1)
        base_buf_u8(&diff->buf, ',');
    base_buf_printf(&diff->buf, "{\"change\":\"%s\",",
                    change == ZONE_REMOVED ? "removed" : "added");
    cli_record_json(&diff->buf, owner, rr->ttl, rr->type, rr->rdata, rr->length);
    base_buf_u8(&diff->buf, '}');
}

static void begin_update(struct diff *diff)
{
    char name[DNS_NAME_TEXT];
    base_buf_printf(&diff->buf, "zone %s\n", dns_name_text(name, diff->to->apex));
}

static void release_waiting(struct diff *diff)
{
    base_buf_append(&diff->buf, diff->additions.data, diff->additions.length);
    base_buf_append(&diff->buf, diff->last_removals.data, diff->last_removals.length);
    if (diff->additions.error != BASE_OK || diff->last_removals.error != BASE_OK)
        diff->buf.error = BASE_ENOMEM;
    base_buf_reset(&diff->additions);
    base_buf_reset(&diff->last_removals);
}

/* Is the same rdata in the other zone, so that only the TTL changes? Then the addition alone does
 * it, and a removal after it would take the record away. */
static bool only_ttl_changes(const struct zone *to, const uint8_t *owner, const struct dns_rr *rr)
{
    const struct zone_node *node = zone_find(to, owner, NULL);
    const struct zone_rrset *rrset = node == NULL ? NULL : zone_rrset(to, node, rr->type);
    for (size_t i = 0; rrset != NULL && i < rrset->count; i++) {
        if (dns_rdata_compare(to->rrs[rrset->first_rr + i], rr) == 0)
            return true;
    }
    return false;
}

static void add_update(struct diff *diff, enum zone_change change, const uint8_t *owner,
                       const struct dns_rr *rr)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    bool removed = change == ZONE_REMOVED;
    bool apex_ns = rr->type == DNS_TYPE_NS && dns_name_equal(owner, diff->to->apex);
    if (diff->owner == NULL || !dns_name_equal(diff->owner, owner))
        release_waiting(diff);
    diff->owner = owner;
    /* An added SOA replaces the one that is there. */
    if (removed && rr->type == DNS_TYPE_SOA)
        return;
    if (removed && only_ttl_changes(diff->to, owner, rr))
        return;
    if (!apex_ns && diff->pending > UPDATE_MAX) {
        release_waiting(diff);
        base_buf_text(&diff->buf, "send\n");
        begin_update(diff);
        diff->pending = 0;
    }
    struct base_buf *out = &diff->additions;
    if (removed)
        out = apex_ns ? &diff->last_removals : &diff->buf;
    if (removed) {
        base_buf_printf(out, "update delete %s IN %s ", dns_name_text(name, owner),
                        dns_type_text(type, rr->type));
        dns_rdata_to_text(out, rr->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
    } else {
        base_buf_text(out, "update add ");
        cli_record_text(out, owner, rr->ttl, rr->type, rr->rdata, rr->length);
    }
    base_buf_u8(out, '\n');
    diff->pending += dns_name_length(owner) + 10 + rr->length;
}

static int visit(void *context, enum zone_change change, const uint8_t *owner,
                 const struct dns_rr *rr)
{
    struct diff *diff = context;
    if (change == ZONE_REMOVED)
        diff->removed++;
    else
        diff->added++;
    if (diff->as_json)
        add_json(diff, change, owner, rr);
    else if (diff->as_update)
        add_update(diff, change, owner, rr);
    else
        add_text(diff, change, owner, rr);
    return flush_text(diff, (size_t)256 * 1024);
}

static int compare(struct diff *diff, const struct zone *from, const struct zone *to)
{
    struct cli_call *call = diff->call;
    struct zone_diff_options options = {
        /* The server at the other end of an update signs by itself. */
        .ignore_dnssec = cli_flag(call, "ignore-dnssec") || diff->as_update,
        .ignore_serial = cli_flag(call, "ignore-serial"),
        .ignore_ttl = cli_flag(call, "ignore-ttl"),
    };
    if (diff->as_update)
        begin_update(diff);
    int error = zone_diff(from, to, &options, visit, diff);
    if (error != BASE_OK)
        return error;
    if (diff->as_update) {
        release_waiting(diff);
        base_buf_text(&diff->buf, "send\n");
        if (diff->removed + diff->added == 0)
            base_buf_reset(&diff->buf);
    }
    return flush_text(diff, 1);
}

static int load_both(struct cli_call *call, struct zone *zones[2])
{
    for (size_t i = 0; i < 2; i++) {
        int error = cli_load_zone(call, call->operands[i], "reading", &call->findings, &zones[i]);
        if (error != BASE_OK)
            return error;
    }
    /* What could not be read would show as removed. */
    if (base_findings_bad(&call->findings))
        return BASE_EREFUSED;
    if (dns_name_equal(zones[0]->apex, zones[1]->apex))
        return BASE_OK;
    char first[DNS_NAME_TEXT], second[DNS_NAME_TEXT];
    struct base_place place = {.file = call->operands[1]};
    base_findings_add(&call->findings, ZONE_OTHER, &place,
                      "this is the zone %s, and the other file holds %s",
                      dns_name_text(second, zones[1]->apex), dns_name_text(first, zones[0]->apex));
    return BASE_EREFUSED;
}

static void report(struct diff *diff)
{
    char removed[CLI_NUMBER_TEXT], added[CLI_NUMBER_TEXT];
    struct cli_call *call = diff->call;
    cli_summary_count(call, "removed", diff->removed);
    cli_summary_count(call, "added", diff->added);
    if (diff->removed + diff->added == 0)
        cli_summary_words(call, "no difference");
    else
        cli_summary_words(call, "%s record%s removed, %s added", cli_number(removed, diff->removed),
                          diff->removed == 1 ? "" : "s", cli_number(added, diff->added));
    if (diff->as_json) {
        base_buf_text(&call->members, ",\"changes\":[");
        base_buf_append(&call->members, diff->buf.data, diff->buf.length);
        base_buf_u8(&call->members, ']');
    }
}

static int run(struct cli_call *call)
{
    if (strcmp(call->operands[0], "-") == 0 && strcmp(call->operands[1], "-") == 0)
        return cli_usage_error(call->verb, "only one of the two can be standard input");
    struct diff diff = {.call = call};
    base_buf_init(&diff.buf, SIZE_MAX / 2);
    base_buf_init(&diff.additions, SIZE_MAX / 2);
    base_buf_init(&diff.last_removals, SIZE_MAX / 2);
    call->json |= cli_chosen(call, "as", "json");
    diff.as_json = call->json;
    diff.as_update = !call->json && cli_chosen(call, "as", "update");
    call->data_on_stdout = !call->json;
    struct zone *zones[2] = {NULL, NULL};
    int error = load_both(call, zones);
    if (error == BASE_OK) {
        diff.to = zones[1];
        error = compare(&diff, zones[0], zones[1]);
    }
    if (error == BASE_OK)
        report(&diff);
    int code = cli_finish(call, error);
    if (code == CLI_GOOD && cli_flag(call, "exit-code") && diff.removed + diff.added > 0)
        code = CLI_FINDINGS;
    zone_release(zones[0]);
    zone_release(zones[1]);
    base_buf_free(&diff.buf);
    base_buf_free(&diff.additions);
    base_buf_free(&diff.last_removals);
    return code;
}

const struct cli_verb cli_verb_diff = {
    .name = "diff",
    .summary = "show what changed between two zones",
    .description =
        "Compares the content of two zone files, whatever their order and form. A changed record "
        "shows as one removed and one added.\n\n"
        "As an update, the difference becomes a script for nsupdate that turns the first zone "
        "into the second. It leaves RRSIG, NSEC, NSEC3 and NSEC3PARAM out: the server that is "
        "updated makes them.",
    .operands =
        (const struct cli_operand[]){
            {.name = "OLD", .kind = CLI_FILE, .help = "The zone file before the change."},
            {.name = "NEW", .kind = CLI_FILE, .help = "The zone file after it."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "as",
             .kind = CLI_CHOICE,
             .argument = "text|json|update",
             .help = "text, the default: a line for each record, with - or + before it. json: the "
                     "same as --json. update: a script for nsupdate."},
            {.name = "ignore-dnssec",
             .kind = CLI_FLAG,
             .help = "Leave out RRSIG, NSEC, NSEC3 and NSEC3PARAM."},
            {.name = "ignore-serial",
             .kind = CLI_FLAG,
             .help = "SOA records that differ in the serial only are equal."},
            {.name = "ignore-ttl", .kind = CLI_FLAG, .help = "Do not compare TTLs."},
            {.name = "exit-code", .kind = CLI_FLAG, .help = "Exit with 1 when the zones differ."},
            CLI_OPTION_ORIGIN,
            CLI_OPTION_INCLUDE,
            CLI_OPTION_LIMIT,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter diff old/example.com.zone example.com.zone", "What did I change?"},
            {"kenter diff --ignore-dnssec example.com.zone example.com.signed",
             "What did signing change besides signatures?"},
            {"kenter diff --as update old.zone new.zone | nsupdate -k update.key",
             "Bring a server up to date."},
            {NULL, NULL}},
    .run = run,
};
