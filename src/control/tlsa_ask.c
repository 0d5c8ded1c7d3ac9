/*
 * Asks the name servers of a zone which TLSA records they give: see tlsa.h. In the loop's thread:
 * the sockets' own loop (net/loop.h) is a descriptor of it. A look has two steps: the addresses of
 * the servers, from the zones that are here or from the system's resolvers; then the question, to
 * each address. What a resolver says of addresses needs no proof: whoever is there is only asked.
 */
#include "control/tlsa.h"

#include "base/error.h"
#include "base/file.h"
#include "dns/message.h"
#include "net/loop.h"
#include "net/question.h"
#include "net/resolv_conf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define RESOLV_CONF   "/etc/resolv.conf"
#define FILE_MOST     65536
#define SOCKETS       64
#define TRY_MS        1500
#define TRIES         3 /* the last one by TCP */
#define NAMES_MOST    16
#define MESSAGE_ARENA ((size_t)4 << 20)

/* A name server that the zone names. */
struct name {
    uint8_t name[DNS_NAME_MAX];
    size_t addresses; /* of it, in the list of servers */
};

struct control_look {
    struct control_tlsa_service *service;
    struct name names[NAMES_MOST];
    size_t name_count;
    struct control_tlsa_server *servers;
    union net_address addresses[CONTROL_TLSA_SERVERS];
    size_t count; /* servers[0] is kenterd */
    struct question *questions;
    unsigned open; /* questions under way */
    bool asking;   /* the second step */
};

struct question {
    struct net_question net; /* first: `done` gets it */
    struct control_look *look;
    struct question *next; /* all of a look */
    size_t index;          /* of the name, or of the server */
    uint16_t type;
    unsigned tries;
    bool open;
    uint8_t message[NET_QUESTION_MESSAGE_MAX];
};

static void go_on(struct control_look *look);

/* --- the loop --- */

static void arm(struct control_tlsa *tlsa);

static void run(struct control_tlsa *tlsa)
{
    net_loop_run(tlsa->loop, 0);
    arm(tlsa);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    run(poll->data);
}

static void on_time(uv_timer_t *timer)
{
    run(timer->data);
}

static void arm(struct control_tlsa *tlsa)
{
    int wait = net_loop_timeout_ms(tlsa->loop);
    if (wait >= 0)
        uv_timer_start(&tlsa->net_timer, on_time, (uint64_t)wait, 0);
    else
        uv_timer_stop(&tlsa->net_timer);
}

static void read_resolvers(struct control_tlsa *tlsa)
{
    uint8_t *text = NULL;
    size_t length = 0;
    struct net_resolv_conf conf;
    if (base_file_read(RESOLV_CONF, FILE_MOST, &text, &length) != BASE_OK)
        length = 0;
    net_resolv_conf_parse(length > 0 ? (const char *)text : "", length, &conf);
    free(text);
    tlsa->resolver_count = conf.count;
    memcpy(tlsa->resolvers, conf.servers, sizeof(tlsa->resolvers));
}
_Static_assert(NET_RESOLV_CONF_SERVERS == 8, "as many as there is room for");

int control_tlsa_ask_open(struct control_tlsa *tlsa)
{
    struct net_asker_options options = {.most_sockets = SOCKETS, .random_case = false};
    read_resolvers(tlsa);
    int error = net_loop_new(&tlsa->loop);
    options.loop = tlsa->loop;
    if (error == BASE_OK)
        error = net_asker_new(&options, &tlsa->asker);
    if (error != BASE_OK)
        return error;
    uv_timer_init(&tlsa->control->loop, &tlsa->net_timer);
    tlsa->net_timer.data = tlsa;
    if (uv_poll_init(&tlsa->control->loop, &tlsa->poll, net_loop_fd(tlsa->loop)) != 0)
        return BASE_EIO;
    tlsa->poll.data = tlsa;
    uv_poll_start(&tlsa->poll, UV_READABLE, on_readable);
    return BASE_OK;
}

static void free_look(struct control_look *look)
{
    while (look->questions != NULL) {
        struct question *question = look->questions;
        look->questions = question->next;
        if (question->open)
            net_question_cancel(&question->net);
        free(question);
    }
    for (size_t i = 0; look->servers != NULL && i < look->count; i++)
        free(look->servers[i].set.data);
    free(look->servers);
    free(look);
}

void control_tlsa_ask_close(struct control_tlsa *tlsa)
{
    for (size_t i = 0; i < tlsa->count; i++) {
        if (tlsa->services[i].look != NULL)
            free_look(tlsa->services[i].look);
        tlsa->services[i].look = NULL;
    }
    net_asker_free(tlsa->asker);
    net_loop_free(tlsa->loop);
}

/* --- servers --- */

static void add_server(struct control_look *look, const uint8_t *name,
                       const union net_address *address)
{
    char text[NET_ADDRESS_TEXT] = "", owner[DNS_NAME_TEXT] = "";
    if (look->count == CONTROL_TLSA_SERVERS)
        return;
    struct control_tlsa_server *server = &look->servers[look->count];
    if (address != NULL)
        net_address_text(address, text);
    if (name != NULL)
        dns_name_text(owner, name);
    snprintf(server->name, sizeof(server->name), "%s%s%s", owner,
             name != NULL && address != NULL ? " " : "",
             address != NULL ? text : " (no address was found)");
    for (size_t i = 1; i < look->count; i++) {
        if (address != NULL && net_address_equal(&look->addresses[i], address))
            return;
    }
    look->addresses[look->count] = address != NULL ? *address : (union net_address){0};
    look->count++;
}

static void add_address(struct control_look *look, size_t index, uint16_t type,
                        const uint8_t *rdata, size_t length)
{
    union net_address address = {0};
    if (type == DNS_TYPE_A && length == 4) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(53);
        memcpy(&address.v4.sin_addr, rdata, 4);
    } else if (type == DNS_TYPE_AAAA && length == 16) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(53);
        memcpy(&address.v6.sin6_addr, rdata, 16);
    } else {
        return;
    }
    look->names[index].addresses++;
    add_server(look, look->names[index].name, &address);
}

/* --- what is here --- */

struct visit {
    struct control_look *look;
    size_t index;
};

/* All records of an RRset of the image. */
static void each_record(const struct image_rrset *set,
                        void (*take)(void *context, const struct image_rrset *set, uint32_t ttl,
                                     const uint8_t *rdata, uint16_t length),
                        void *context)
{
    const uint8_t *record = set->records;
    for (unsigned i = 0; i < set->count; i++) {
        uint16_t length = image_record_length(record);
        take(context, set, image_record_ttl(record), record + IMAGE_RECORD_HEAD, length);
        record += IMAGE_RECORD_HEAD + length;
    }
}

/* The image as it is now; NULL: it cannot be read. */
static struct image_reader *open_reader(struct control *control)
{
    if (control->start_reader == NULL &&
        image_reader_open(control->image, &control->start_reader) != BASE_OK)
        return NULL;
    return image_reader_renew(control->start_reader) == BASE_OK ? control->start_reader : NULL;
}

/* An RRset of a name in a zone that is here. */
static bool find_set(struct image_reader *reader, const uint8_t *owner, uint16_t type,
                     struct image_rrset *out)
{
    struct image_zone zone;
    struct image_name name;
    uint8_t key[DNS_KEY_MAX];
    if (image_zone_find(reader, owner, false, &zone) != BASE_OK)
        return false;
    size_t length = dns_name_key(key, owner, zone.apex_labels);
    return image_get(reader, &zone, key, length, &name) == BASE_OK &&
           image_rrset(&name, type, out) == BASE_OK;
}

static void take_address(void *context, const struct image_rrset *set, uint32_t ttl,
                         const uint8_t *rdata, uint16_t length)
{
    struct visit *visit = context;
    add_address(visit->look, visit->index, set->type, rdata, length);
}

static void take_name(void *context, const struct image_rrset *set, uint32_t ttl,
                      const uint8_t *rdata, uint16_t length)
{
    struct control_look *look = context;
    size_t used;
    if (look->name_count == NAMES_MOST || dns_name_check(rdata, length, &used) != BASE_OK ||
        used != length)
        return;
    dns_name_lower(look->names[look->name_count++].name, rdata);
}

static void take_tlsa(void *context, const struct image_rrset *image, uint32_t ttl,
                      const uint8_t *rdata, uint16_t length)
{
    struct control_tlsa_set *set = context;
    struct dane_tlsa record;
    if (set->count == DANE_LIFE_RECORDS || dane_tlsa_read(rdata, length, &record) != BASE_OK)
        return;
    memcpy(set->data + (rdata - image->records), rdata, length);
    record.data = set->data + (record.data - image->records);
    set->records[set->count++] = record;
    set->ttl = ttl;
}

void control_tlsa_published(struct control_tlsa_service *service, struct control_tlsa_set *out)
{
    struct image_rrset set;
    struct image_reader *reader = open_reader(service->all->control);
    *out = (struct control_tlsa_set){.data = NULL};
    if (reader == NULL)
        return;
    if (find_set(reader, service->owner, DNS_TYPE_TLSA, &set) &&
        (out->data = malloc(set.length + 1)) != NULL)
        each_record(&set, take_tlsa, out);
    image_reader_release(reader);
}

/* --- questions --- */

static size_t build(uint8_t *out, const uint8_t *name, uint16_t type, bool recursive)
{
    size_t length = dns_name_length(name), at = DNS_MESSAGE_HEADER + length;
    memset(out, 0, DNS_MESSAGE_HEADER);
    base_store_u16(out + 2, recursive ? DNS_FLAG_RD | DNS_FLAG_CD : 0);
    base_store_u16(out + 4, 1);
    memcpy(out + DNS_MESSAGE_HEADER, name, length);
    base_store_u16(out + at, type);
    base_store_u16(out + at + 2, DNS_CLASS_IN);
    return at + 4;
}

static void answered(struct net_question *net, const struct net_reply *reply);

static void send_question(struct question *question)
{
    struct control_look *look = question->look;
    struct control_tlsa *tlsa = look->service->all;
    bool last = question->tries + 1 == TRIES;
    if (!look->asking)
        question->net.address = tlsa->resolvers[question->tries % tlsa->resolver_count];
    question->net.way = last ? NET_TCP : NET_UDP;
    question->tries++;
    if (net_question_start(tlsa->asker, &question->net) != BASE_OK)
        return;
    question->open = true;
    look->open++;
}

static void ask(struct control_look *look, size_t index, const uint8_t *name, uint16_t type)
{
    struct question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return; /* as if nobody answered */
    question->look = look;
    question->index = index;
    question->type = type;
    question->net.message = question->message;
    question->net.length = build(question->message, name, type, !look->asking);
    question->net.timeout_ms = TRY_MS;
    question->net.done = answered;
    question->next = look->questions;
    look->questions = question;
    if (look->asking)
        question->net.address = look->addresses[index];
    send_question(question);
}

static void take_addresses(struct question *question, const struct dns_message *message)
{
    size_t count;
    const struct dns_record *records = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    for (size_t i = 0; i < count; i++) {
        if (records[i].type == question->type)
            add_address(question->look, question->index, question->type, records[i].rdata,
                        records[i].length);
    }
}

static bool store_record(struct control_tlsa_set *set, const struct dns_record *record,
                         size_t *used)
{
    struct dane_tlsa tlsa;
    if (set->count == DANE_LIFE_RECORDS ||
        dane_tlsa_read(record->rdata, record->length, &tlsa) != BASE_OK)
        return false;
    memcpy(set->data + *used, record->rdata, record->length);
    tlsa.data = set->data + *used + (tlsa.data - record->rdata);
    *used += record->length;
    if (record->ttl > set->ttl)
        set->ttl = record->ttl;
    set->records[set->count++] = tlsa;
    return true;
}

/* Only what the server has authority for; an alias leads to records that are somebody else's. */
static void take_records(struct question *question, const struct dns_message *message,
                         size_t length)
{
    struct control_look *look = question->look;
    struct control_tlsa_server *server = &look->servers[question->index];
    size_t count, used = 0;
    const struct dns_record *records = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    bool good = (message->flags & DNS_FLAG_AA) != 0 &&
                (message->rcode == DNS_RCODE_NOERROR || message->rcode == DNS_RCODE_NXDOMAIN) &&
                server->set.data == NULL;
    if (!good || (server->set.data = malloc(length)) == NULL)
        return;
    for (size_t i = 0; i < count && good; i++) {
        if (records[i].type == DNS_TYPE_CNAME || records[i].type == DNS_TYPE_DNAME)
            good = false;
        else if (records[i].type == DNS_TYPE_TLSA &&
                 dns_name_equal(records[i].name, look->service->owner))
            good = store_record(&server->set, &records[i], &used);
    }
    server->answered = good;
    if (!good)
        server->set.count = 0;
}

static void take_reply(struct question *question, const struct net_reply *reply)
{
    struct base_arena arena;
    struct dns_message message;
    base_arena_init(&arena, MESSAGE_ARENA);
    if (dns_message_parse(reply->message, reply->length, &arena, &message) == BASE_OK) {
        if (question->look->asking)
            take_records(question, &message, reply->length);
        else
            take_addresses(question, &message);
    }
    base_arena_free(&arena);
}

static void answered(struct net_question *net, const struct net_reply *reply)
{
    struct question *question = (struct question *)net;
    struct control_look *look = question->look;
    question->open = false;
    look->open--;
    if (reply->kind == NET_REPLY_ANSWER)
        take_reply(question, reply);
    else if (question->tries < TRIES)
        send_question(question);
    if (look->open == 0)
        go_on(look);
}

/* --- the steps --- */

/* Names whose addresses nobody here knows. */
static void ask_addresses(struct control_look *look)
{
    for (size_t i = 0; i < look->name_count && look->service->all->resolver_count > 0; i++) {
        if (look->names[i].addresses > 0)
            continue;
        ask(look, i, look->names[i].name, DNS_TYPE_A);
        ask(look, i, look->names[i].name, DNS_TYPE_AAAA);
    }
}

static void ask_servers(struct control_look *look)
{
    look->asking = true;
    for (size_t i = 0; i < look->name_count; i++) {
        if (look->names[i].addresses == 0)
            add_server(look, look->names[i].name, NULL); /* never answers */
    }
    for (size_t i = 1; i < look->count; i++) {
        if (look->addresses[i].any.sa_family != AF_UNSPEC)
            ask(look, i, look->service->owner, DNS_TYPE_TLSA);
    }
}

static int compare_servers(const void *a, const void *b)
{
    return strcmp(((const struct control_tlsa_server *)a)->name,
                  ((const struct control_tlsa_server *)b)->name);
}

static void finish(struct control_look *look)
{
    struct control_tlsa_service *service = look->service;
    struct control_tlsa_server *servers = look->servers;
    size_t count = look->count;
    control_tlsa_published(service, &servers[0].set);
    qsort(&servers[1], count - 1, sizeof(*servers), compare_servers);
    look->servers = NULL;
    service->look = NULL;
    free_look(look);
    control_tlsa_looked(service, servers, count);
}

static void go_on(struct control_look *look)
{
    if (!look->asking)
        ask_servers(look);
    if (look->open == 0)
        finish(look);
}

/* From the zone's own NS records, and the addresses that are here. */
static void find_names(struct control_look *look)
{
    struct control_tlsa_service *service = look->service;
    struct image_reader *reader = open_reader(service->all->control);
    struct image_rrset set;
    if (reader == NULL)
        return;
    if (find_set(reader, service->state.zone, DNS_TYPE_NS, &set))
        each_record(&set, take_name, look);
    for (size_t i = 0; i < look->name_count; i++) {
        struct visit visit = {look, i};
        static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
        for (size_t k = 0; k < 2; k++) {
            if (find_set(reader, look->names[i].name, types[k], &set))
                each_record(&set, take_address, &visit);
        }
    }
    image_reader_release(reader);
}

void control_tlsa_ask(struct control_tlsa_service *service)
{
    if (service->look != NULL)
        return;
    struct control_look *look = calloc(1, sizeof(*look));
    if (look != NULL)
        look->servers = calloc(CONTROL_TLSA_SERVERS, sizeof(*look->servers));
    if (look == NULL || look->servers == NULL) {
        free(look);
        service->due = base_clock_now() + 60;
        return;
    }
    look->service = service;
    service->look = look;
    snprintf(look->servers[0].name, sizeof(look->servers[0].name), "kenterd");
    look->servers[0].answered = true;
    look->count = 1;
    if (service->known && service->trouble == CONTROL_TLSA_WELL) {
        for (size_t i = 0; i < service->config->server_count; i++)
            add_server(look, NULL, &service->config->servers[i]);
        if (service->config->server_count == 0)
            find_names(look);
    }
    ask_addresses(look);
    if (look->open == 0)
        go_on(look);
    arm(service->all);
}
