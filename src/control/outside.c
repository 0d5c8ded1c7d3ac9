/* What the own server answers: see internal.h. After a publication a thread of its own asks serve's
 * sockets for the SOA as a resolver would, over the network, and has the validator judge it with
 * the keys that the image has as trust anchors. Its rate is bounded, and so is what waits: of many
 * publications at once only some are asked for, and the metrics count the others. */
#include "control/internal.h"

#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"
#include "net/loop.h"
#include "net/question.h"
#include "net/server.h"
#include "validate/lookup.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_MOST   256 /* zones that wait */
#define PACE_MS      20  /* between two zones */
#define TRIES        3   /* serve may be a moment behind, or be starting again */
#define TRY_PAUSE_MS 500
#define QUESTION_MS  1000
#define QUESTIONS    4  /* under way at once, of one look-up */
#define ADDRESSES    8  /* asked for one zone */
#define AGAIN        60 /* seconds, while something stands against a zone */
#define KEYS_MOST    64
#define FLAG_ZONE    0x0100 /* RFC 4034 section 2.1.1 */
#define FLAG_SEP     0x0001
#define PAYLOAD      1232

/* One zone to be asked for; goes to the thread and comes back into the loop. */
struct check {
    struct control_task task;
    struct control *control;
    uint8_t name[DNS_NAME_MAX];
    uint32_t serial;
    bool failed;
    struct base_findings findings;
};

struct address {
    union net_address address;
    enum net_protocol way;
};

struct control_outside {
    struct control *control;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct control_task *first, **last;
    size_t waiting;
    atomic_bool ending;
    /* the thread's own */
    struct image_reader *reader;
    struct net_loop *loop;
    struct net_asker *asker;
    struct address addresses[ADDRESSES];
    size_t address_count;
};

/* --- a look-up at one address --- */

struct asking;
struct slot {
    struct net_question question; /* first: `done` gets it */
    struct asking *asking;
    uint32_t id;
    bool used;
    uint8_t message[NET_QUESTION_MESSAGE_MAX];
};

struct asking {
    struct control_outside *outside;
    struct validate_lookup *lookup;
    const struct address *at;
    struct slot slots[QUESTIONS];
    unsigned used;
    bool heard; /* some answer came */
    int error;
};

static size_t build_query(uint8_t *out, const struct validate_query *query)
{
    size_t at = DNS_MESSAGE_HEADER, length = dns_name_length(query->name);
    memset(out, 0, DNS_MESSAGE_HEADER);
    base_store_u16(out + 2, DNS_FLAG_CD);
    base_store_u16(out + 4, 1);
    base_store_u16(out + 10, 1);
    memcpy(out + at, query->name, length);
    at += length;
    base_store_u16(out + at, query->type);
    base_store_u16(out + at + 2, DNS_CLASS_IN);
    at += 4;
    out[at] = 0;
    base_store_u16(out + at + 1, DNS_TYPE_OPT);
    base_store_u16(out + at + 3, PAYLOAD);
    base_store_u32(out + at + 5, DNS_EDNS_DO);
    base_store_u16(out + at + 9, 0);
    return at + 11;
}

static void answered(struct net_question *question, const struct net_reply *reply)
{
    struct slot *slot = (struct slot *)question;
    struct asking *asking = slot->asking;
    struct validate_reply given = {.kind = VALIDATE_REPLY_FAILED, .why = reply->why};
    if (reply->kind == NET_REPLY_ANSWER) {
        given = (struct validate_reply){
            .kind = VALIDATE_REPLY_PACKET, .packet = reply->message, .length = reply->length};
        asking->heard = true;
    } else if (reply->kind == NET_REPLY_SILENCE) {
        given.kind = VALIDATE_REPLY_SILENCE;
    }
    slot->used = false;
    asking->used--;
    asking->error = validate_lookup_reply(asking->lookup, slot->id, &given, base_clock_now());
}

/* Puts the next question on its way. False: there is none, or no room. */
static bool ask_next(struct asking *asking)
{
    struct slot *slot = NULL;
    struct validate_query query;
    for (size_t i = 0; i < QUESTIONS && slot == NULL; i++)
        slot = asking->slots[i].used ? NULL : &asking->slots[i];
    if (slot == NULL || !validate_lookup_next(asking->lookup, &query))
        return false;
    *slot = (struct slot){.asking = asking, .id = query.id};
    size_t length = build_query(slot->message, &query);
    slot->question = (struct net_question){.address = asking->at->address,
                                           .way = asking->at->way,
                                           .message = slot->message,
                                           .length = length,
                                           .timeout_ms = QUESTION_MS,
                                           .done = answered};
    asking->error = net_question_start(asking->outside->asker, &slot->question);
    if (asking->error != BASE_OK)
        return false;
    slot->used = true;
    asking->used++;
    return true;
}

/* Until there is a result, or nothing can come any more. */
static void ask_all(struct asking *asking)
{
    while (validate_lookup_result(asking->lookup) == NULL && asking->error == BASE_OK &&
           !atomic_load(&asking->outside->ending)) {
        while (ask_next(asking))
            continue;
        if (asking->used == 0)
            break;
        net_loop_run(asking->outside->loop, 100);
    }
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (asking->slots[i].used)
            net_question_cancel(&asking->slots[i].question);
    }
    validate_lookup_end(asking->lookup, "it could not be asked");
}

/* --- what to make of it --- */

enum opinion { GOOD, SILENT, STALE, INVALID, UNKNOWN };

static bool serial_of(const struct validate_result *result, uint32_t *serial)
{
    if (result->kind != VALIDATE_ANSWER_DATA || result->answer_count != 1 ||
        result->answer[0].type != DNS_TYPE_SOA || result->answer[0].count != 1 ||
        result->answer[0].rdata[0].length < 22)
        return false;
    const struct validate_rdata *rdata = &result->answer[0].rdata[0];
    *serial = base_load_u32(rdata->data + rdata->length - 20);
    return true;
}

static enum opinion judge(struct check *check, const struct asking *asking,
                          const struct validate_result *result, bool has_keys)
{
    char where[NET_ADDRESS_TEXT], owner[DNS_NAME_TEXT];
    const struct base_place place = {.owner = dns_name_text(owner, check->name), .type = "SOA"};
    uint32_t serial;
    net_address_text(&asking->at->address, where);
    if (!asking->heard) {
        base_findings_add(&check->findings, OUTSIDE_SILENT, &place,
                          "%s, where kenterd serves, does not answer for serial %u", where,
                          check->serial);
        return SILENT;
    }
    bool valid = !has_keys || result->status == VALIDATE_SECURE ||
                 result->status == VALIDATE_INSECURE; /* algorithms that nobody knows */
    if (!serial_of(result, &serial) || !valid) {
        base_findings_add(&check->findings, OUTSIDE_INVALID, &place,
                          "the answer of %s, where kenterd serves, is %s: %s", where,
                          validate_status_name(result->status), result->sentence);
        return INVALID;
    }
    if ((int32_t)(serial - check->serial) < 0) {
        base_findings_add(&check->findings, OUTSIDE_STALE, &place,
                          "%s, where kenterd serves, answers with serial %u; %u was published",
                          where, serial, check->serial);
        return STALE;
    }
    return GOOD; /* a newer one was published meanwhile, and is asked for itself */
}

static enum opinion ask_address(struct control_outside *outside, struct check *check,
                                const struct validate_anchors *anchors, bool has_keys,
                                const struct address *at)
{
    struct validate_options options = {.anchors = anchors, .no_proof = true};
    struct asking *asking = calloc(1, sizeof(*asking));
    enum opinion opinion = UNKNOWN;
    if (asking == NULL)
        return UNKNOWN;
    asking->outside = outside;
    asking->at = at;
    if (validate_lookup_new(&options, NULL, check->name, DNS_TYPE_SOA, base_clock_now(),
                            &asking->lookup) == BASE_OK) {
        ask_all(asking);
        const struct validate_result *result = validate_lookup_result(asking->lookup);
        if (result != NULL && asking->error == BASE_OK && !atomic_load(&outside->ending))
            opinion = judge(check, asking, result, has_keys);
        validate_lookup_free(asking->lookup);
    }
    free(asking);
    return opinion;
}

/* --- the zone's own keys --- */

/* Those that are to sign the DNSKEY set, as anchors; without such, all. */
static size_t add_keys(const uint8_t *name, const struct image_rrset *set, uint16_t wanted,
                       struct validate_anchors *anchors)
{
    const uint8_t *record = set->records;
    size_t added = 0;
    for (unsigned i = 0; i < set->count && i < KEYS_MOST; i++) {
        uint16_t length = image_record_length(record);
        const uint8_t *rdata = record + IMAGE_RECORD_HEAD;
        if (length >= 4 && (base_load_u16(rdata) & wanted) == wanted &&
            validate_anchors_add(anchors, name, DNS_TYPE_DNSKEY, rdata, length, 0, 0) == BASE_OK)
            added++;
        record = rdata + length;
    }
    return added;
}

/* BASE_ENOENT: the zone is not in the image any more. */
static int find_keys(struct control_outside *outside, const uint8_t *apex,
                     struct validate_anchors *anchors, bool *has_keys)
{
    struct image_zone zone;
    struct image_name name;
    struct image_rrset set;
    *has_keys = false;
    int error = outside->reader == NULL
                    ? image_reader_open(outside->control->image, &outside->reader)
                    : image_reader_renew(outside->reader);
    if (error != BASE_OK)
        return error;
    error = image_zone_get(outside->reader, apex, &zone);
    if (error == BASE_OK)
        error = image_get(outside->reader, &zone, apex, 0, &name);
    if (error == BASE_OK && zone.denial != IMAGE_UNSIGNED &&
        image_rrset(&name, DNS_TYPE_DNSKEY, &set) == BASE_OK)
        *has_keys = add_keys(apex, &set, FLAG_ZONE | FLAG_SEP, anchors) > 0 ||
                    add_keys(apex, &set, FLAG_ZONE, anchors) > 0;
    image_reader_release(outside->reader);
    return error;
}

/* --- the thread --- */

/* Waits, but not when it is to end. */
static void pause_for(struct control_outside *outside, unsigned milliseconds)
{
    uint64_t until = base_clock_monotonic() + (uint64_t)milliseconds * 1000000;
    while (!atomic_load(&outside->ending)) {
        uint64_t now = base_clock_monotonic();
        if (now >= until)
            return;
        int left = (int)((until - now) / 1000000) + 1;
        net_loop_run(outside->loop, left < 100 ? left : 100);
    }
}

/* Every address once. The first that has something against it decides. */
static enum opinion ask_once(struct control_outside *outside, struct check *check)
{
    struct validate_anchors *anchors;
    enum opinion opinion = GOOD;
    bool has_keys;
    base_findings_free(&check->findings);
    base_findings_init(&check->findings, ADDRESSES);
    if (validate_anchors_new(&anchors) != BASE_OK)
        return UNKNOWN;
    if (find_keys(outside, check->name, anchors, &has_keys) != BASE_OK)
        opinion = UNKNOWN;
    for (size_t i = 0; i < outside->address_count && opinion == GOOD; i++)
        opinion = ask_address(outside, check, anchors, has_keys, &outside->addresses[i]);
    validate_anchors_free(anchors);
    return opinion;
}

static void run_check(struct control_outside *outside, struct check *check)
{
    enum opinion opinion = UNKNOWN;
    for (unsigned try = 0; try < TRIES && !atomic_load(&outside->ending); try++) {
        if (try > 0)
            pause_for(outside, TRY_PAUSE_MS);
        opinion = ask_once(outside, check);
        if (opinion == GOOD || opinion == UNKNOWN)
            break;
    }
    check->failed = opinion != GOOD && opinion != UNKNOWN && check->findings.count > 0;
    check->task.error = opinion == UNKNOWN || atomic_load(&outside->ending) ? BASE_EIO : BASE_OK;
}

static struct check *next_check(struct control_outside *outside)
{
    pthread_mutex_lock(&outside->lock);
    while (outside->first == NULL && !atomic_load(&outside->ending))
        pthread_cond_wait(&outside->work, &outside->lock);
    struct control_task *task = atomic_load(&outside->ending) ? NULL : outside->first;
    if (task != NULL) {
        outside->first = task->next;
        if (outside->first == NULL)
            outside->last = &outside->first;
        outside->waiting--;
    }
    pthread_mutex_unlock(&outside->lock);
    return (struct check *)task;
}

static void *work(void *context)
{
    struct control_outside *outside = context;
    struct check *check;
    while ((check = next_check(outside)) != NULL) {
        run_check(outside, check);
        control_pool_post(outside->control, &check->task);
        pause_for(outside, PACE_MS);
    }
    return NULL;
}

/* --- in the loop --- */

static void free_check(struct check *check)
{
    base_findings_free(&check->findings);
    free(check);
}

static void tell(struct control_zone *zone, struct check *check)
{
    struct control *control = zone->control;
    base_time now = base_clock_now();
    bool known = zone->problem_parts[CONTROL_PROBLEM_OUTSIDE] != NULL;
    control->outside_total++;
    control->outside_failed_total += check->failed;
    if (!known && check->failed)
        base_log_finding(control->log, now, &check->findings.items[0]);
    if (known || check->failed)
        control_zone_set_problem(zone, CONTROL_PROBLEM_OUTSIDE,
                                 check->failed ? &check->findings : NULL);
    zone->outside_again = check->failed ? now + AGAIN : 0;
}

static void checked(struct control_task *task)
{
    struct check *check = (struct check *)task;
    struct control *control = check->control;
    struct control_zone *zone = control_table_find(&control->table, check->name);
    if (zone != NULL) {
        zone->outside_asked = false;
        if (task->error == BASE_OK && zone->published && !zone->gone && !control->stopping)
            tell(zone, check);
        if (zone->published && !control->stopping && zone->serial != check->serial)
            control_outside_ask(zone); /* another version came meanwhile */
    }
    free_check(check);
}

static bool has_room(struct control_outside *outside)
{
    pthread_mutex_lock(&outside->lock);
    bool room = outside->waiting < QUEUE_MOST;
    pthread_mutex_unlock(&outside->lock);
    return room;
}

void control_outside_ask(struct control_zone *zone)
{
    struct control *control = zone->control;
    struct control_outside *outside = control->outside;
    if (outside == NULL || control->serve < 0 || zone->outside_asked || control->stopping)
        return;
    struct check *check = has_room(outside) ? calloc(1, sizeof(*check)) : NULL;
    if (check == NULL) {
        control->outside_skipped_total++;
        return;
    }
    check->task.done = checked;
    check->control = control;
    check->serial = zone->serial;
    memcpy(check->name, zone->name, dns_name_length(zone->name));
    base_findings_init(&check->findings, 1);
    zone->outside_asked = true;
    zone->outside_again = 0;
    pthread_mutex_lock(&outside->lock);
    *outside->last = &check->task;
    outside->last = &check->task.next;
    outside->waiting++;
    pthread_cond_signal(&outside->work);
    pthread_mutex_unlock(&outside->lock);
}

void control_outside_again(struct control *control)
{
    base_time now = base_clock_now();
    for (size_t i = 0; i < control->table.count; i++) {
        struct control_zone *zone = control->table.zones[i];
        if (zone->outside_again != 0 && zone->outside_again <= now && zone->published)
            control_outside_ask(zone);
    }
}

/* Where serve can be asked from this machine; TLS listeners are left to the others. */
static void find_addresses(struct control_outside *outside, const struct config *config)
{
    for (size_t i = 0; i < config->listen_count && outside->address_count < ADDRESSES; i++) {
        const struct config_listen *listen = &config->listen[i];
        struct address *at = &outside->addresses[outside->address_count];
        if ((listen->protocols & (NET_LISTEN_UDP | NET_LISTEN_TCP)) == 0 ||
            net_address_port(&listen->address) == 0)
            continue;
        at->address = listen->address;
        at->way = (listen->protocols & NET_LISTEN_UDP) != 0 ? NET_UDP : NET_TCP;
        if (net_address_wildcard(&at->address) && at->address.any.sa_family == AF_INET)
            at->address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        else if (net_address_wildcard(&at->address))
            at->address.v6.sin6_addr = in6addr_loopback;
        outside->address_count++;
    }
}

static void free_outside(struct control_outside *outside)
{
    while (outside->first != NULL) {
        struct control_task *next = outside->first->next;
        free_check((struct check *)outside->first);
        outside->first = next;
    }
    image_reader_close(outside->reader);
    net_asker_free(outside->asker);
    net_loop_free(outside->loop);
    pthread_cond_destroy(&outside->work);
    pthread_mutex_destroy(&outside->lock);
    free(outside);
}

int control_outside_start(struct control *control)
{
    if (control->options->once)
        return BASE_OK;
    struct control_outside *outside = calloc(1, sizeof(*outside));
    if (outside == NULL)
        return BASE_ENOMEM;
    outside->control = control;
    outside->last = &outside->first;
    pthread_mutex_init(&outside->lock, NULL);
    pthread_cond_init(&outside->work, NULL);
    find_addresses(outside, control->config);
    struct net_asker_options options = {.most_sockets = QUESTIONS};
    int error = outside->address_count > 0 ? net_loop_new(&outside->loop) : BASE_ENOENT;
    options.loop = outside->loop;
    if (error == BASE_OK)
        error = net_asker_new(&options, &outside->asker);
    if (error == BASE_OK && pthread_create(&outside->thread, NULL, work, outside) != 0)
        error = BASE_EIO;
    if (error != BASE_OK) {
        free_outside(outside);
        return error == BASE_ENOENT ? BASE_OK : error;
    }
    control->outside = outside;
    return BASE_OK;
}

void control_outside_stop(struct control *control)
{
    struct control_outside *outside = control->outside;
    if (outside == NULL)
        return;
    pthread_mutex_lock(&outside->lock);
    atomic_store(&outside->ending, true);
    pthread_cond_signal(&outside->work);
    pthread_mutex_unlock(&outside->lock);
    pthread_join(outside->thread, NULL);
    control->outside = NULL;
    free_outside(outside);
}
