/* What the image has of a zone, for the API: records, and the zone as a file. */
#include "control/backend.h"

#include "base/buf.h"
#include "base/error.h"
#include "dns/rdata.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (64 * 1024) /* octets of a file that are made at once, about */

int control_zone_of_text(const char *text, size_t length,
                         const struct dns_zonefile_options *options, struct base_findings *findings,
                         struct zone **out)
{
    struct dns_zonefile file;
    struct dns_zonefile_options bounded = *options;
    bounded.include_root =
        "/nonexistent"; /* what comes over the API names no files of this machine */
    int error = dns_zonefile_read_memory("content", text, length, &bounded, findings, &file);
    if (error != BASE_OK)
        return error;
    error = zone_build(&file, options->threads, findings, out);
    dns_zonefile_free(&file);
    return error;
}

/* The zone, and a reader that sees it. False: the reply has been given. */
static bool open_zone(struct control *control, const struct api_request *request,
                      struct image_reader **reader, struct image_zone *held)
{
    char name[DNS_NAME_TEXT];
    dns_name_text(name, request->zone);
    const struct control_zone *zone = control_table_find(&control->table, request->zone);
    if (zone == NULL || zone->gone) {
        api_reply_error(request->reply, 404, API_ZONE_UNKNOWN, "there is no zone %s here", name);
        return false;
    }
    int error = image_reader_open(control->image, reader);
    if (error == BASE_OK)
        error = image_zone_get(*reader, request->zone, held);
    if (error == BASE_OK)
        return true;
    image_reader_close(*reader);
    *reader = NULL;
    if (error == BASE_ENOENT)
        api_reply_error(request->reply, 409, API_UNPUBLISHED, "nothing of %s is published yet",
                        name);
    else
        api_reply_error(request->reply, 500, API_FAILED, "the image cannot be read: %s",
                        base_strerror(error));
    return false;
}

static bool made_by_signing(uint16_t type)
{
    return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3 ||
           type == DNS_TYPE_NSEC3PARAM;
}

static const uint8_t *record_data(const uint8_t *record)
{
    return record + IMAGE_RECORD_HEAD;
}

/* --- records of a name --- */

struct gathering {
    const struct api_request *request;
    json_t *records;
};

static int add_records(struct gathering *gathering, const uint8_t *octets, size_t count,
                       uint16_t type)
{
    for (size_t i = 0; i < count; i++) {
        json_t *record = api_record(gathering->request->name, image_record_ttl(octets), type,
                                    record_data(octets), image_record_length(octets));
        if (record == NULL || json_array_append_new(gathering->records, record) != 0)
            return BASE_ENOMEM;
        octets += IMAGE_RECORD_HEAD + image_record_length(octets);
    }
    return BASE_OK;
}

static int add_name(struct gathering *gathering, const struct image_name *name)
{
    const struct api_request *request = gathering->request;
    int error = BASE_OK;
    for (unsigned i = 0; i < name->rrset_count && error == BASE_OK; i++) {
        struct image_rrset set;
        error = image_rrset_at(name, i, &set);
        if (error != BASE_OK)
            return error;
        bool own = (request->type == 0 || request->type == set.type) &&
                   (request->with_signing || !made_by_signing(set.type));
        bool signatures =
            request->with_signing &&
            (request->type == 0 || request->type == set.type || request->type == DNS_TYPE_RRSIG);
        if (own)
            error = add_records(gathering, set.records, set.count, set.type);
        if (error == BASE_OK && signatures)
            error = add_records(gathering, set.rrsigs, set.signatures, DNS_TYPE_RRSIG);
    }
    return error;
}

void control_serve_records(struct control *control, const struct api_request *request)
{
    struct image_reader *reader = NULL;
    struct image_zone held;
    struct image_name name;
    uint8_t key[DNS_KEY_MAX];
    if (!open_zone(control, request, &reader, &held))
        return;
    struct gathering gathering = {request, json_array()};
    size_t length = dns_name_key(key, request->name, held.apex_labels);
    int error = image_get(reader, &held, key, length, &name);
    if (error == BASE_OK)
        error = add_name(&gathering, &name);
    if (error == BASE_OK || error == BASE_ENOENT) {
        api_reply_json(request->reply, 200,
                       json_pack("{s:o,s:I,s:o}", "zone", api_name(request->zone), "serial",
                                 (json_int_t)held.serial, "records", gathering.records));
    } else {
        json_decref(gathering.records);
        api_reply_error(request->reply, 500, API_FAILED, "the image cannot be read: %s",
                        base_strerror(error));
    }
    image_reader_close(reader);
}

/* --- the zone as a file --- */

struct text {
    struct image_reader *reader; /* sees one moment, however long the client takes */
    struct image_zone zone;
    unsigned stage;
    bool with_signing, over;
};

static void print_records(struct base_buf *buf, const char *owner, const uint8_t *octets,
                          size_t count, uint16_t type)
{
    char name[DNS_TYPE_TEXT];
    dns_type_text(name, type);
    for (size_t i = 0; i < count; i++) {
        base_buf_printf(buf, "%s\t%u\tIN\t%s\t", owner, image_record_ttl(octets), name);
        dns_rdata_to_text(buf, type, record_data(octets), image_record_length(octets),
                          DNS_TEXT_PLAIN);
        base_buf_u8(buf, '\n');
        octets += IMAGE_RECORD_HEAD + image_record_length(octets);
    }
}

static int print_set(struct text *text, struct base_buf *buf, const char *owner,
                     const struct image_rrset *set)
{
    if (text->with_signing || !made_by_signing(set->type))
        print_records(buf, owner, set->records, set->count, set->type);
    if (text->with_signing)
        print_records(buf, owner, set->rrsigs, set->signatures, DNS_TYPE_RRSIG);
    return buf->error;
}

static int print_name(struct text *text, struct base_buf *buf, const struct image_name *name)
{
    uint8_t wire[DNS_NAME_MAX];
    char owner[DNS_NAME_TEXT];
    if (name->labels_length + text->zone.apex_length > DNS_NAME_MAX)
        return BASE_EFORMAT;
    memcpy(wire, name->labels, name->labels_length);
    memcpy(wire + name->labels_length, text->zone.apex, text->zone.apex_length);
    dns_name_text(owner, wire);
    struct image_rrset set;
    bool apex = name->labels_length == 0 && text->stage > 0;
    bool soa_first = apex && image_rrset(name, DNS_TYPE_SOA, &set) == BASE_OK;
    int error = soa_first ? print_set(text, buf, owner, &set) : BASE_OK;
    for (unsigned i = 0; i < name->rrset_count && error == BASE_OK; i++) {
        error = image_rrset_at(name, i, &set);
        if (error == BASE_OK && !(soa_first && set.type == DNS_TYPE_SOA))
            error = print_set(text, buf, owner, &set);
    }
    return error;
}

static int next_piece(void *context, char **out, size_t *length)
{
    struct text *text = context;
    struct base_buf buf;
    if (text->over)
        return BASE_ENOENT;
    base_buf_init(&buf, 64u << 20);
    int error = BASE_OK;
    while (error == BASE_OK && buf.length < PIECE) {
        struct image_name name;
        error = image_walk_next(text->reader, &text->zone, &text->stage, &name);
        if (error == BASE_OK)
            error = print_name(text, &buf, &name);
    }
    if (error == BASE_ENOENT) {
        text->over = true;
        error = BASE_OK;
    }
    if (error == BASE_OK && buf.length == 0)
        error = BASE_ENOENT;
    if (error != BASE_OK) {
        base_buf_free(&buf);
        return error;
    }
    *out = (char *)buf.data;
    *length = buf.length;
    return BASE_OK;
}

static void free_text(void *context)
{
    struct text *text = context;
    image_reader_close(text->reader);
    free(text);
}

void control_serve_file(struct control *control, const struct api_request *request)
{
    struct text *text = calloc(1, sizeof(*text));
    if (text == NULL) {
        api_reply_json(request->reply, 500, NULL);
        return;
    }
    if (!open_zone(control, request, &text->reader, &text->zone)) {
        free(text);
        return;
    }
    text->with_signing = request->with_signing;
    api_reply_pieces(request->reply, 200, API_FILE_TYPE, next_piece, free_text, text);
}
