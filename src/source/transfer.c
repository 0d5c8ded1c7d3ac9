/* The messages of a zone transfer: see transfer.h. */
#include "source/transfer.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Octets that we take by UDP. */
#define PAYLOAD 1232
/* Records of a batch: batches are what zone_build splits among threads. */
#define BATCH_RECORDS 65536
/* Zones with more records are built on all CPUs. */
#define BUILD_ALONE 100000

enum stage {
    FIRST,   /* the newest SOA */
    SECOND,  /* of IXFR: tells the form */
    WHOLE,   /* records of the zone, until the SOA comes again */
    REMOVED, /* of a difference sequence, until its new SOA */
    ADDED,   /* until the next old SOA, or the newest at the end */
    END,     /* nothing may follow */
    SETTLED, /* whatever follows does not matter */
};

struct record {
    uint8_t owner[DNS_NAME_MAX];
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata;
    size_t length;
};

uint32_t source_soa_serial(const uint8_t *rdata, size_t length)
{
    return base_load_u32(rdata + length - 20);
}

const char *source_rcode_text(unsigned rcode, char room[16])
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    if (rcode < sizeof(names) / sizeof(*names))
        return names[rcode];
    snprintf(room, 16, "rcode %u", rcode & 0xffff);
    return room;
}

bool source_expire_read(const struct dns_edns *edns, uint32_t *seconds)
{
    uint16_t code;
    const uint8_t *data;
    size_t at = 0, length;
    while (edns->present && dns_edns_next(edns, &at, &code, &data, &length)) {
        if (code == DNS_OPTION_EXPIRE && length == 4) {
            *seconds = base_load_u32(data);
            return true;
        }
    }
    return false;
}

size_t source_query(uint8_t out[SOURCE_QUERY_MAX], uint16_t id, const uint8_t *zone, uint16_t type,
                    uint32_t serial, bool edns)
{
    static const uint8_t expire[] = {0, DNS_OPTION_EXPIRE, 0, 0};
    struct dns_builder builder;
    dns_builder_init(&builder, out, SOURCE_QUERY_MAX, 0, id, 0);
    dns_builder_question(&builder, zone, type, DNS_CLASS_IN);
    if (type == DNS_TYPE_IXFR) {
        /* Only the serial of this SOA is looked at (RFC 1995 section 3). */
        uint8_t soa[22] = {0};
        base_store_u32(soa + 2, serial);
        dns_builder_record(&builder, DNS_SECTION_AUTHORITY, zone, DNS_TYPE_SOA, DNS_CLASS_IN, 0,
                           soa, sizeof(soa));
    }
    if (edns)
        dns_builder_edns(&builder,
                         &(struct dns_edns){.present = true,
                                            .payload = PAYLOAD,
                                            .options = expire,
                                            .options_length = sizeof(expire)},
                         0);
    return dns_builder_finish(&builder);
}

static int __attribute__((format(printf, 4, 5)))
trouble(struct source_transfer *transfer, int error, enum base_finding_code code,
        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(transfer->why, sizeof(transfer->why), format, args);
    va_end(args);
    transfer->trouble = code;
    return error;
}

static int no_memory(struct source_transfer *transfer)
{
    return trouble(transfer, BASE_ENOMEM, FETCH_LOCAL, "no memory for the records");
}

int source_transfer_init(struct source_transfer *transfer,
                         const struct source_transfer_options *options)
{
    memset(transfer, 0, sizeof(*transfer));
    transfer->options = *options;
    transfer->last = &transfer->batches;
    return source_edits_init(&transfer->edits);
}

void source_transfer_free(struct source_transfer *transfer)
{
    source_edits_free(&transfer->edits);
    dns_batches_free(transfer->batches);
    dns_batch_free(transfer->writer.batch);
    transfer->batches = transfer->writer.batch = NULL;
}

/* --- memory --- */

static size_t batch_bytes(const struct dns_batch *batch)
{
    return batch == NULL ? 0
                         : batch->records.reserved + batch->keys.reserved +
                               batch->run_count * sizeof(*batch->runs);
}

static int check_bytes(struct source_transfer *transfer)
{
    size_t bytes = transfer->full_bytes + batch_bytes(transfer->writer.batch) +
                   transfer->edits.arena.reserved +
                   transfer->edits.count * sizeof(*transfer->edits.items);
    if (bytes <= transfer->options.bytes_max)
        return BASE_OK;
    return trouble(transfer, BASE_ELIMIT, FETCH_TOO_LARGE,
                   "after %zu records the transfer takes more than the %zu octets that a zone may "
                   "have",
                   transfer->records, transfer->options.bytes_max);
}

static void keep_batch(struct source_transfer *transfer)
{
    struct dns_batch *batch = transfer->writer.batch;
    if (batch == NULL)
        return;
    transfer->full_bytes += batch_bytes(batch);
    *transfer->last = batch;
    transfer->last = &batch->next;
    transfer->writer.batch = NULL;
}

static int add_to_zone(struct source_transfer *transfer, const struct record *record)
{
    struct zone_batch_writer *writer = &transfer->writer;
    if (writer->batch != NULL && writer->batch->rr_count >= BATCH_RECORDS)
        keep_batch(transfer);
    if (writer->batch == NULL && zone_batch_writer_init(writer, transfer->options.zone) != BASE_OK)
        return no_memory(transfer);
    if (zone_batch_add(writer, record->owner, record->type, record->ttl, record->rdata,
                       record->length) != BASE_OK)
        return no_memory(transfer);
    return BASE_OK;
}

static int add_edit(struct source_transfer *transfer, const struct record *record, bool add)
{
    struct source_edit edit = {
        .owner = record->owner,
        .rdata = record->rdata,
        .ttl = record->ttl,
        .type = record->type,
        .length = (uint16_t)record->length,
        .add = add,
    };
    if (source_edits_append(&transfer->edits, &edit) != BASE_OK)
        return no_memory(transfer);
    return BASE_OK;
}

/* --- the order of records --- */

static int finished(struct source_transfer *transfer, enum source_transfer_form form,
                    enum stage stage)
{
    transfer->form = form;
    transfer->stage = stage;
    transfer->done = true;
    return BASE_OK;
}

/* The same version: the names in it may differ in case. */
static bool is_newest(const struct source_transfer *transfer, const struct record *record)
{
    if (record->length != transfer->soa_length)
        return false;
    uint8_t a[SOURCE_SOA_MAX], b[SOURCE_SOA_MAX];
    dns_rdata_canonical(DNS_TYPE_SOA, record->rdata, record->length, a);
    dns_rdata_canonical(DNS_TYPE_SOA, transfer->soa, transfer->soa_length, b);
    return memcmp(a, b, record->length) == 0;
}

static int take_first(struct source_transfer *transfer, const struct record *record)
{
    if (record->type != DNS_TYPE_SOA) {
        char type[DNS_TYPE_TEXT];
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "the transfer begins with a record of type %s, not with the SOA",
                       dns_type_text(type, record->type));
    }
    memcpy(transfer->soa, record->rdata, record->length);
    transfer->soa_length = record->length;
    transfer->soa_ttl = record->ttl;
    transfer->serial = source_soa_serial(record->rdata, record->length);
    if (transfer->options.have &&
        !source_serial_newer(transfer->serial, transfer->options.have_serial))
        return finished(transfer, SOURCE_TRANSFER_CURRENT, SETTLED);
    if (transfer->options.type == DNS_TYPE_IXFR) {
        transfer->stage = SECOND;
        return BASE_OK;
    }
    transfer->stage = WHOLE;
    return add_to_zone(transfer, record);
}

static int take_whole(struct source_transfer *transfer, const struct record *record)
{
    if (record->type != DNS_TYPE_SOA)
        return add_to_zone(transfer, record);
    if (is_newest(transfer, record))
        return finished(transfer, SOURCE_TRANSFER_WHOLE, END);
    return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                   "the transfer began with the SOA of serial %u, but has another one, of serial "
                   "%u: the zone changed in the middle, or two are mixed",
                   transfer->serial, source_soa_serial(record->rdata, record->length));
}

/* The second record of IXFR tells whether differences follow, or the zone (RFC 1995 section 4). */
static int take_second(struct source_transfer *transfer, const struct record *record)
{
    if (record->type == DNS_TYPE_SOA && !is_newest(transfer, record)) {
        uint32_t from = source_soa_serial(record->rdata, record->length);
        if (from != transfer->options.have_serial)
            return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                           "the differences lead from serial %u, not from %u, which was asked for",
                           from, transfer->options.have_serial);
        transfer->form = SOURCE_TRANSFER_EDITS;
        transfer->reached = from;
        transfer->stage = REMOVED;
        return BASE_OK;
    }
    transfer->stage = WHOLE;
    struct record soa = {.type = DNS_TYPE_SOA,
                         .ttl = transfer->soa_ttl,
                         .rdata = transfer->soa,
                         .length = transfer->soa_length};
    memcpy(soa.owner, transfer->options.zone, dns_name_length(transfer->options.zone));
    int error = add_to_zone(transfer, &soa);
    return error != BASE_OK ? error : take_whole(transfer, record);
}

static int take_removed(struct source_transfer *transfer, const struct record *record)
{
    if (record->type != DNS_TYPE_SOA)
        return add_edit(transfer, record, false);
    uint32_t to = source_soa_serial(record->rdata, record->length);
    if (!source_serial_newer(to, transfer->reached) || source_serial_newer(to, transfer->serial))
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "a difference leads from serial %u to %u, which is not on the way to %u",
                       transfer->reached, to, transfer->serial);
    transfer->reached = to;
    transfer->stage = ADDED;
    return BASE_OK;
}

static int take_added(struct source_transfer *transfer, const struct record *record)
{
    if (record->type != DNS_TYPE_SOA)
        return add_edit(transfer, record, true);
    uint32_t from = source_soa_serial(record->rdata, record->length);
    if (transfer->reached == transfer->serial && is_newest(transfer, record))
        return finished(transfer, SOURCE_TRANSFER_EDITS, END);
    if (from != transfer->reached || from == transfer->serial)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "after differences up to serial %u comes the SOA of serial %u",
                       transfer->reached, from);
    transfer->stage = REMOVED;
    return BASE_OK;
}

static int take_record(struct source_transfer *transfer, const struct record *record)
{
    transfer->records++;
    switch ((enum stage)transfer->stage) {
    case FIRST:
        return take_first(transfer, record);
    case SECOND:
        return take_second(transfer, record);
    case WHOLE:
        return take_whole(transfer, record);
    case REMOVED:
        return take_removed(transfer, record);
    case ADDED:
        return take_added(transfer, record);
    case END:
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "records follow behind the SOA that ends the transfer");
    case SETTLED:
        break;
    }
    return BASE_OK;
}

/* --- messages --- */

static int check_record(struct source_transfer *transfer, const struct record *record,
                        unsigned class)
{
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    if (class != DNS_CLASS_IN)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "the record %.100s %s is of class %u, not IN",
                       dns_name_text(owner, record->owner), dns_type_text(type, record->type),
                       class);
    if (dns_type_is_meta(record->type))
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "the record %.100s %s is of a type that zones cannot hold",
                       dns_name_text(owner, record->owner), dns_type_text(type, record->type));
    if (!dns_name_within(record->owner, transfer->options.zone))
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "the record %.100s %s is not within the zone",
                       dns_name_text(owner, record->owner), dns_type_text(type, record->type));
    if (record->type == DNS_TYPE_SOA && !dns_name_equal(record->owner, transfer->options.zone))
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_CONTENT,
                       "there is an SOA at %.100s, below the apex",
                       dns_name_text(owner, record->owner));
    return BASE_OK;
}

/* Reads the record at *at and takes it. */
static int read_record(struct source_transfer *transfer, const uint8_t *message, size_t length,
                       size_t *at)
{
    struct record record;
    struct dns_record_place place;
    uint8_t rdata[DNS_RDATA_MAX];
    size_t start = *at, owner_length;
    int error = dns_record_skip(message, length, at, &place);
    if (error == BASE_OK)
        error = dns_name_from_wire(message, length, &start, record.owner, &owner_length);
    if (error == BASE_OK)
        error = dns_rdata_from_wire(place.type, message, length, place.rdata, place.length, rdata,
                                    &record.length);
    if (error != BASE_OK)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu of the transfer is malformed: the record at octet %zu cannot "
                       "be read",
                       transfer->messages, start);
    record.type = place.type;
    /* RFC 2181 section 8 */
    record.ttl = place.ttl > DNS_TTL_MAX ? 0 : place.ttl;
    record.rdata = rdata;
    error = check_record(transfer, &record, place.class);
    return error != BASE_OK ? error : take_record(transfer, &record);
}

/* The question may be left out but in the first message (RFC 5936 section 2.2.1), and servers do so
 * there too. */
static int check_question(struct source_transfer *transfer, const uint8_t *message, size_t length,
                          size_t *at)
{
    unsigned count = base_load_u16(message + 4);
    *at = DNS_MESSAGE_HEADER;
    if (count == 0)
        return BASE_OK;
    uint8_t name[DNS_NAME_MAX];
    size_t name_length;
    if (count != 1 || dns_name_from_wire(message, length, at, name, &name_length) != BASE_OK ||
        length - *at < 4 || !dns_name_equal(name, transfer->options.zone) ||
        base_load_u16(message + *at) != transfer->options.type ||
        base_load_u16(message + *at + 2) != DNS_CLASS_IN)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu answers a question that was not asked", transfer->messages);
    *at += 4;
    return BASE_OK;
}

static int check_header(struct source_transfer *transfer, const uint8_t *message, size_t length)
{
    char room[16];
    if (length < DNS_MESSAGE_HEADER || length > DNS_MESSAGE_MAX)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu has %zu octets, too few for a header", transfer->messages,
                       length);
    unsigned flags = base_load_u16(message + 2);
    if (!(flags & DNS_FLAG_QR) || DNS_OPCODE(flags) != DNS_OPCODE_QUERY ||
        base_load_u16(message) != transfer->options.id)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu is not an answer to what was asked", transfer->messages);
    if ((flags & 15) != DNS_RCODE_NOERROR)
        return trouble(transfer, BASE_EREFUSED, FETCH_REFUSED,
                       "it answers %s to the request for %s", source_rcode_text(flags & 15, room),
                       transfer->options.type == DNS_TYPE_IXFR ? "IXFR" : "AXFR");
    if (flags & DNS_FLAG_TC)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu says that it is cut (TC), which cannot be over a connection",
                       transfer->messages);
    if (base_load_u16(message + 6) == 0)
        return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                       "message %zu holds no records of the zone", transfer->messages);
    return BASE_OK;
}

static int skip_rest(struct source_transfer *transfer, const uint8_t *message, size_t length,
                     size_t at)
{
    unsigned count = (unsigned)base_load_u16(message + 8) + base_load_u16(message + 10);
    int error = BASE_OK;
    struct dns_record_place place;
    for (unsigned i = 0; i < count && error == BASE_OK; i++) {
        error = dns_record_skip(message, length, &at, &place);
        if (error == BASE_OK && place.type == DNS_TYPE_OPT && !transfer->expire_known) {
            struct dns_edns edns = {
                .present = true, .options = message + place.rdata, .options_length = place.length};
            transfer->expire_known = source_expire_read(&edns, &transfer->expire_in);
        }
    }
    if (error == BASE_OK && at == length)
        return BASE_OK;
    return trouble(transfer, BASE_EFORMAT, FETCH_BAD_MESSAGE,
                   "message %zu of the transfer is malformed behind its answers",
                   transfer->messages);
}

int source_transfer_take(struct source_transfer *transfer, const uint8_t *message, size_t length)
{
    size_t at;
    transfer->messages++;
    int error = check_header(transfer, message, length);
    if (error == BASE_OK)
        error = check_question(transfer, message, length, &at);
    unsigned count = error == BASE_OK ? base_load_u16(message + 6) : 0;
    for (unsigned i = 0; i < count && error == BASE_OK; i++)
        error = read_record(transfer, message, length, &at);
    if (error == BASE_OK)
        error = skip_rest(transfer, message, length, at);
    if (error == BASE_OK)
        error = check_bytes(transfer);
    if (error != BASE_OK)
        transfer->done = false;
    return error;
}

int source_transfer_zone(struct source_transfer *transfer, struct base_findings *findings,
                         struct zone **out)
{
    if (!transfer->done || transfer->form != SOURCE_TRANSFER_WHOLE)
        return BASE_EINVAL;
    keep_batch(transfer);
    struct dns_zonefile zonefile = {.batches = transfer->batches};
    memcpy(zonefile.origin, transfer->options.zone, dns_name_length(transfer->options.zone));
    transfer->batches = NULL;
    return zone_build(&zonefile, transfer->records > BUILD_ALONE ? 0 : 1, findings, out);
}
