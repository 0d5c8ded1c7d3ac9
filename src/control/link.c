/* UPDATE and NOTIFY, which the serve process has authenticated: see internal.h and serve/link.h. */
#include "control/internal.h"

#include "base/error.h"
#include "base/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- answers --- */

/* A response of header and zone section only. */
static void answer(struct control *control, uint64_t id, const uint8_t *message, size_t length,
                   uint16_t rcode, uint16_t error_code)
{
    uint8_t response[DNS_MESSAGE_HEADER + DNS_NAME_MAX + 4];
    size_t end = DNS_MESSAGE_HEADER;
    if (length < DNS_MESSAGE_HEADER)
        return;
    bool whole =
        base_load_u16(message + 4) == 1 && dns_questions_skip(message, length, &end) == BASE_OK;
    if (!whole || end > DNS_MESSAGE_HEADER + DNS_NAME_MAX + 4)
        end = DNS_MESSAGE_HEADER;
    memcpy(response, message, end);
    uint16_t flags = base_load_u16(message + 2);
    base_store_u16(response + 2, (uint16_t)((flags & 0x7800) | DNS_FLAG_QR | (rcode & 15)));
    base_store_u16(response + 4, end > DNS_MESSAGE_HEADER);
    memset(response + 6, 0, 6);
    struct process_message reply = {.id = id,
                                    .type = SERVE_LINK_ANSWER,
                                    .value = error_code,
                                    .data = response,
                                    .length = end,
                                    .fd = -1};
    control_tell_serve(control, &reply);
}

#define REFUSALS_SECONDS 10

static bool may_tell(base_time now, base_time *at, unsigned *count, unsigned most)
{
    if (now >= *at + REFUSALS_SECONDS || now < *at) {
        *at = now;
        *count = 0;
    }
    if (*count >= most)
        return false;
    (*count)++;
    return true;
}

/* Strangers do not fill the log. `zone`: NULL, there is no such zone. */
static bool is_told(struct control *control, struct control_zone *zone)
{
    base_time now = base_clock_now();
    if ((zone == NULL ||
         may_tell(now, &zone->refusals_at, &zone->refusals, CONTROL_REFUSALS_ZONE)) &&
        may_tell(now, &control->refusals_at, &control->refusals, CONTROL_REFUSALS_ALL))
        return true;
    control->refusals_untold++;
    return false;
}

void control_link_tell(struct control *control)
{
    if (control->refusals_untold > 0)
        CONTROL_LOG(control, WARNING,
                    "%" PRIu64 " more UPDATEs and NOTIFYs were refused; the metrics count all",
                    control->refusals_untold);
    control->refusals_untold = 0;
}

void control_link_answer(struct control *control, struct control_change *change)
{
    char zone[DNS_NAME_TEXT] = "?", key[DNS_NAME_TEXT] = "no key", peer[NET_ADDRESS_TEXT];
    net_address_text(&change->head.peer, peer);
    if (change->head.key[0] != 0)
        dns_name_text(key, change->head.key);
    if (change->zone != NULL)
        dns_name_text(zone, change->zone);
    control->updates_total++;
    if (change->rcode != DNS_RCODE_NOERROR) {
        control->updates_refused_total++;
        struct control_zone *of =
            change->zone != NULL ? control_table_find(&control->table, change->zone) : NULL;
        if (is_told(control, of))
            CONTROL_LOG(control, WARNING, "%s: UPDATE by %s (%s) refused, rcode %u: %s", zone, peer,
                        key, change->rcode, change->why);
    } else {
        CONTROL_LOG(control, INFO, "%s: UPDATE by %s (%s) done", zone, peer, key);
    }
    answer(control, change->id, change->message, change->length, change->rcode, change->error_code);
}

/* --- what comes --- */

/* The zone section of a message. BASE_EFORMAT. */
static int read_zone(const uint8_t *message, size_t length, uint8_t zone[DNS_NAME_MAX])
{
    struct base_arena arena;
    struct dns_message parsed;
    base_arena_init(&arena, DNS_MESSAGE_UNPACKED_MAX * 4);
    int error = dns_message_parse(message, length, &arena, &parsed);
    if (error == BASE_OK && parsed.counts[DNS_SECTION_QUESTION] != 1)
        error = BASE_EFORMAT;
    if (error == BASE_OK)
        dns_name_lower(zone, parsed.questions[0].name);
    base_arena_free(&arena);
    return error;
}

static void refuse(struct control *control, struct control_change *change, uint16_t rcode,
                   const char *why)
{
    change->rcode = rcode;
    snprintf(change->why, sizeof(change->why), "%s", why);
    control_link_answer(control, change);
    control_change_free(change);
}

static bool may_ask(const struct control_zone *zone, const struct serve_link_head *head)
{
    for (size_t i = 0; i < zone->as->update_count; i++) {
        struct config_acl acl = {.matches = &zone->as->update[i].who, .count = 1};
        if (zone->as->update[i].grant &&
            config_acl_allows(&acl, &head->peer, head->key[0] != 0 ? head->key : NULL,
                              head->identity[0] != 0 ? head->identity : NULL))
            return true;
    }
    return false;
}

static void take_update(struct control *control, const struct process_message *message)
{
    struct control_change *change = control_change_new(CONTROL_UPDATE);
    size_t length = message->length - sizeof(struct serve_link_head);
    if (change != NULL)
        change->message = malloc(length + 1);
    if (change == NULL || change->message == NULL) {
        control_change_free(change);
        return; /* the one who asked tries again */
    }
    memcpy(&change->head, message->data, sizeof(change->head));
    memcpy(change->message, message->data + sizeof(change->head), length);
    change->length = length;
    change->id = message->id;
    uint8_t name[DNS_NAME_MAX];
    if (read_zone(change->message, length, name) != BASE_OK) {
        refuse(control, change, DNS_RCODE_FORMERR, "the message is malformed");
        return;
    }
    if (control->registry == NULL) {
        refuse(control, change, DNS_RCODE_SERVFAIL, "the registry is damaged");
        return;
    }
    struct control_zone *zone = control_table_find(&control->table, name);
    if (zone == NULL || zone->gone) {
        refuse(control, change, DNS_RCODE_NOTAUTH, "there is no such zone here");
        return;
    }
    change->zone = zone->name;
    if (!may_ask(zone, &change->head)) {
        refuse(control, change, DNS_RCODE_REFUSED, "no rule grants an update");
        return;
    }
    if (zone->source != CONFIG_EDITS) {
        char why[256];
        snprintf(why, sizeof(why), "the zone is not one of edits: its content comes from %s",
                 zone->file != NULL ? zone->file : "a primary");
        refuse(control, change, DNS_RCODE_REFUSED, why);
        return;
    }
    if (zone->change_count >= CONTROL_CHANGES_MAX) {
        refuse(control, change, DNS_RCODE_SERVFAIL, "too many updates wait for this zone");
        return;
    }
    if (zone->change_octets + length > CONTROL_ZONE_UPDATES_OCTETS ||
        control->update_octets + length > CONTROL_UPDATES_OCTETS) {
        refuse(control, change, DNS_RCODE_SERVFAIL, "too many large updates wait");
        return;
    }
    change->counted = &control->update_octets;
    control->update_octets += length;
    control_zone_add_change(zone, change);
}

static bool same_host(const union net_address *a, const union net_address *b)
{
    union net_address x = *a, y = *b;
    net_address_set_port(&x, 53);
    net_address_set_port(&y, 53);
    return net_address_equal(&x, &y);
}

static bool is_primary(const struct control_zone *zone, const struct serve_link_head *head)
{
    for (size_t i = 0; i < zone->server_count; i++) {
        const struct source_server *server = &zone->servers[i];
        if (server->key != NULL && head->key[0] != 0 &&
            dns_name_equal(server->key->name, head->key))
            return true;
        for (size_t k = 0; k < server->address_count && server->key == NULL; k++) {
            if (same_host(&server->addresses[k], &head->peer))
                return true;
        }
    }
    return false;
}

static void take_notify(struct control *control, const struct process_message *message)
{
    struct serve_link_head head;
    uint8_t name[DNS_NAME_MAX];
    if (control->registry == NULL)
        return; /* all primaries are asked when it is well again */
    memcpy(&head, message->data, sizeof(head));
    if (read_zone(message->data + sizeof(head), message->length - sizeof(head), name) != BASE_OK)
        return;
    struct control_zone *zone = control_table_find(&control->table, name);
    if (zone == NULL || zone->source != CONFIG_PRIMARY || !is_primary(zone, &head)) {
        char text[DNS_NAME_TEXT], peer[NET_ADDRESS_TEXT];
        net_address_text(&head.peer, peer);
        if (is_told(control, zone))
            CONTROL_LOG(control, INFO, "%s: NOTIFY by %s is not for us", dns_name_text(text, name),
                        peer);
        return;
    }
    zone->refresh_again = true;
    control_refresh(zone);
}

/* Whoever took over the process that faces the network says who asks, but not more. */
static bool is_sound(const struct process_message *message)
{
    struct serve_link_head head;
    size_t used;
    if (message->length < sizeof(head) + DNS_MESSAGE_HEADER)
        return false;
    memcpy(&head, message->data, sizeof(head));
    int family = head.peer.any.sa_family;
    return (family == AF_INET || family == AF_INET6) &&
           memchr(head.identity, 0, sizeof(head.identity)) != NULL &&
           dns_name_check(head.key, sizeof(head.key), &used) == BASE_OK;
}

void control_link_message(struct control *control, const struct process_message *message)
{
    bool has_head = is_sound(message);
    switch (message->type) {
    case SERVE_LINK_UPDATE:
        if (has_head)
            take_update(control, message);
        break;
    case SERVE_LINK_NOTIFY:
        if (has_head)
            take_notify(control, message);
        break;
    case SERVE_LINK_UNREADABLE:
        control_image_doubted(control);
        break;
    case SERVE_LINK_COUNTED:
        control_backend_counted(control, message);
        break;
    default:
        break;
    }
}
