/* What a reply to a query for the DNSKEY set of a tracked zone says: which keys sign it. */
#include "validate/tracker.h"

#include "base/error.h"
#include "base/reader.h"
#include "validate/rrset.h"

#include <string.h>

/* Root and TLDs have up to seven; the rest of a flood is not looked at. */
#define KEYS_MOST 32

struct view {
    struct base_arena arena;
    struct validate_work work;
    struct validate_rdata keys[KEYS_MOST];
    bool signs[KEYS_MOST];
    struct validate_tracker_set set;
};

/* Does one key sign the set? Keys that revoke themselves are asked as well. */
static int try_key(struct view *view, struct validate_group *group, const uint8_t *zone,
                   size_t index)
{
    const struct validate_rdata *rdata = &view->keys[index];
    const struct validate_checked *checked;
    if (rdata->length < 5 || rdata->length > CRYPTO_DNSKEY_MAX || rdata->data[2] != 3 ||
        !validate_algorithm_supported(&view->work, rdata->data[3]))
        return BASE_OK;
    struct validate_zone_key key = {.rdata = rdata->data,
                                    .length = rdata->length,
                                    .flags = base_load_u16(rdata->data),
                                    .tag = crypto_key_tag(rdata->data, rdata->length),
                                    .algorithm = rdata->data[3],
                                    .fit = true};
    struct validate_zone_keys keys = {.zone = zone, .keys = &key, .count = 1};
    group->checked = NULL; /* each key is asked by itself */
    int error = validate_rrset_check(&view->work, group, &keys, false, &checked);
    crypto_verifier_free(key.verifier);
    if (error != BASE_OK || !checked->good)
        return error;
    const struct validate_signature *signature = &checked->signatures[checked->best];
    struct validate_tracker_set *set = &view->set;
    view->signs[index] = true;
    set->original_ttl = signature->original_ttl;
    if (set->expires == 0 || checked->expiry < set->expires)
        set->expires = checked->expiry;
    return BASE_OK;
}

/* False: there is no set in it. */
static int view_packet(struct view *view, const uint8_t *zone, const struct validate_reply *reply,
                       bool *found)
{
    struct validate_message message;
    *found = false;
    int error = validate_message_read(reply->packet, reply->length, &view->arena, &message);
    if (error != BASE_OK)
        return error == BASE_ENOMEM ? error : BASE_OK;
    if (validate_message_unfit(&message, zone, DNS_TYPE_DNSKEY) != NULL ||
        (message.dns.flags & DNS_FLAG_TC) != 0)
        return BASE_OK;
    struct validate_group *group =
        validate_message_find(&message, DNS_SECTION_ANSWER, zone, DNS_TYPE_DNSKEY);
    if (group == NULL || group->count == 0)
        return BASE_OK;
    for (size_t i = 0; i < group->count && i < KEYS_MOST; i++)
        view->keys[i] =
            (struct validate_rdata){group->records[i]->rdata, group->records[i]->length};
    view->set.keys = view->keys;
    view->set.signs = view->signs;
    view->set.count = group->count < KEYS_MOST ? group->count : KEYS_MOST;
    for (size_t i = 0; i < view->set.count && error == BASE_OK; i++)
        error = try_key(view, group, zone, i);
    *found = error == BASE_OK;
    return error;
}

int validate_tracker_reply(struct validate_tracker *tracker, const struct validate_reply *reply,
                           bool legacy, base_time now, struct base_findings *findings)
{
    struct view view = {
        .work = {.budgets = {.rrset_verifications = 8,
                             .tag_keys = 4,
                             .verifications = 128,
                             .failed_verifications = 16},
                 .legacy = legacy,
                 .now = now},
    };
    bool found = false;
    int error = BASE_OK;
    base_arena_init(&view.arena, 0);
    base_buf_init(&view.work.scratch, 0);
    view.work.arena = &view.arena;
    if (reply->kind == VALIDATE_REPLY_PACKET)
        error = view_packet(&view, tracker->zone, reply, &found);
    if (error == BASE_OK && found) {
        error = validate_tracker_see(tracker, &view.set, now, findings);
    } else if (error == BASE_OK) {
        validate_tracker_fail(tracker, now);
        error = BASE_ENOENT;
    }
    base_buf_free(&view.work.scratch);
    base_arena_free(&view.arena);
    return error;
}
