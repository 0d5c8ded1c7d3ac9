/*
 * The services whose TLSA records are kept: see tlsa.h. Their files and zones are looked at, what
 * follows is written down and published, and the name servers are asked until all is safe.
 */
#include "control/tlsa.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SOURCES_SECONDS 60 /* zones that are not known by then are not there */
#define AGAIN           60 /* seconds, after what failed here */

/* The earliest that it may be, where the clock is in doubt: nothing may seem safe too early. */
static base_time earliest(struct control *control)
{
    return base_clock_now() - control->clock_behind;
}

/* --- what is written down --- */

struct saving {
    struct control_task task;
    struct control *control;
    struct registry_tlsa state;
};

static int save_state(struct control_task *task)
{
    struct saving *saving = (struct saving *)task;
    return registry_tlsa_put(saving->control->registry, &saving->state);
}

static void saved(struct control_task *task)
{
    struct saving *saving = (struct saving *)task;
    if (task->error != BASE_OK)
        CONTROL_LOG(saving->control, ERROR, "what is known of TLSA records was not stored: %s",
                    base_strerror(task->error));
    free(saving);
}

static void save(struct control_tlsa_service *service)
{
    struct control *control = service->all->control;
    struct saving *saving = calloc(1, sizeof(*saving));
    if (saving == NULL)
        return;
    saving->task.record = save_state;
    saving->task.done = saved;
    saving->control = control;
    saving->state = service->state;
    control_pool_write(control, &saving->task);
}

/* The zone is made again from its source, with what is kept now. */
static void publish(struct control *control, const uint8_t *name, bool removed)
{
    struct control_zone *zone = control_table_find(&control->table, name);
    if (zone == NULL || zone->gone)
        return;
    zone->changed = true;
    if (removed && zone->source == CONFIG_PRIMARY) {
        /* Whose records are published is only seen from all that the primary gives. */
        zone->whole_transfer = zone->refresh_again = true;
        zone->source_known = false;
        control_refresh(zone);
    }
    control_zone_urgent(zone);
    control_run_due(control);
}

/* --- what stands against a service --- */

static bool is_in(const struct control_tlsa_service *service, const uint8_t *zone)
{
    return service->trouble != CONTROL_TLSA_NO_ZONE && service->trusted &&
           dns_name_equal(service->zone, zone);
}

/* All of a zone's services together. */
static void tell_zone(struct control_tlsa *tlsa, const uint8_t *name)
{
    struct control_zone *zone = control_table_find(&tlsa->control->table, name);
    struct base_findings findings;
    if (zone == NULL || zone->gone)
        return;
    base_findings_init(&findings, 100);
    for (size_t i = 0; i < tlsa->count; i++) {
        if (is_in(&tlsa->services[i], name))
            control_tlsa_judge(&tlsa->services[i], earliest(tlsa->control), &findings);
    }
    control_zone_set_problem(zone, CONTROL_PROBLEM_TLSA, &findings);
    base_findings_free(&findings);
}

/* What is wrong is logged when it comes, and stands against the zone. */
static void tell(struct control_tlsa_service *service)
{
    struct control *control = service->all->control;
    struct base_findings findings;
    base_findings_init(&findings, 100);
    control_tlsa_judge(service, earliest(control), &findings);
    if (service->trouble != CONTROL_TLSA_WELL && findings.count > 0) {
        service->advice.step = DANE_LIFE_REFUSED;
        service->advice.switch_safe = false;
        service->advice.safe_at = 0;
        snprintf(service->advice.reason, sizeof(service->advice.reason), "%s",
                 findings.items[0].message);
    }
    json_t *list = api_findings(&findings);
    if (!json_equal(list, service->findings)) {
        for (size_t i = 0; i < findings.count; i++)
            base_log_finding(control->log, base_clock_now(), &findings.items[i]);
        json_decref(service->findings);
        service->findings = json_incref(list);
        if (is_in(service, service->zone))
            tell_zone(service->all, service->zone);
    }
    json_decref(list);
    base_findings_free(&findings);
}

static void log_records(const struct control_tlsa_service *service,
                        const struct registry_tlsa *before)
{
    static const char *const roles[] = {"the certificate that is shown", "the next certificate",
                                        "a former certificate"};
    struct control *control = service->all->control;
    const struct registry_tlsa *now = &service->state;
    char text[DANE_TLSA_TEXT];
    for (size_t i = 0; i < now->count; i++) {
        const struct registry_tlsa_record *record = &now->records[i], *old = NULL;
        struct dane_tlsa tlsa = control_tlsa_of(record);
        for (size_t k = 0; k < before->count && old == NULL; k++) {
            if (memcmp(before->records[k].rdata, record->rdata, record->length) == 0)
                old = &before->records[k];
        }
        if (old == NULL || old->role != record->role)
            control_log_event(control, now->zone, "info", "tlsa.kept", "%s TLSA %s: of %s",
                              service->where, dane_tlsa_text(&tlsa, text), roles[record->role]);
    }
    for (size_t i = 0; i < before->count; i++) {
        bool there = false;
        for (size_t k = 0; k < now->count && !there; k++)
            there = memcmp(before->records[i].rdata, now->records[k].rdata,
                           before->records[i].length) == 0;
        struct dane_tlsa tlsa = control_tlsa_of(&before->records[i]);
        if (!there)
            control_log_event(control, now->zone, "info", "tlsa.removed", "%s TLSA %s",
                              service->where, dane_tlsa_text(&tlsa, text));
    }
}

/* --- the clock of looks --- */

static void on_timer(uv_timer_t *timer);

static void plan(struct control_tlsa *tlsa)
{
    base_time now = base_clock_now(), first = 0;
    for (size_t i = 0; i < tlsa->count; i++) {
        const struct control_tlsa_service *service = &tlsa->services[i];
        if (service->look == NULL && service->due != 0 && (first == 0 || service->due < first))
            first = service->due;
    }
    if (first != 0)
        uv_timer_start(&tlsa->timer, on_timer, first > now ? (uint64_t)(first - now) * 1000 : 50,
                       0);
}

static void look(struct control_tlsa_service *service)
{
    if (service->look != NULL || service->all->control->stopping)
        return;
    service->due = 0;
    control_tlsa_waiters_asked(service);
    control_tlsa_ask(service);
}

static void on_timer(uv_timer_t *timer)
{
    struct control_tlsa *tlsa = timer->data;
    base_time now = base_clock_now();
    for (size_t i = 0; i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        if (service->due != 0 && service->due <= now)
            look(service);
    }
    plan(tlsa);
}

static void look_soon(struct control_tlsa_service *service)
{
    service->due = base_clock_now();
    plan(service->all);
}

/* --- what follows --- */

static void follow(struct control_tlsa_service *service)
{
    struct control *control = service->all->control;
    struct registry_tlsa before = service->state;
    struct control_tlsa_set published;
    if (service->trusted && service->known) {
        control_tlsa_published(service, &published);
        if (control_tlsa_follow(service, &published, earliest(control))) {
            save(service);
            log_records(service, &before);
            publish(control, service->state.zone, false);
            look_soon(service);
        }
        free(published.data);
    }
    tell(service);
}

void control_tlsa_looked(struct control_tlsa_service *service, struct control_tlsa_server *servers,
                         size_t count)
{
    struct control *control = service->all->control;
    struct registry_tlsa before = service->state;
    base_time now = base_clock_now();
    bool records, silent = false;
    control_tlsa_servers_free(service);
    service->servers = servers;
    service->server_count = count;
    for (size_t i = 0; i < count; i++)
        silent |= !servers[i].answered;
    service->silent_since = !silent ? 0 : service->silent_since != 0 ? service->silent_since : now;
    service->looked_at = now;
    if (control_tlsa_observe(service, earliest(control), &records))
        save(service);
    if (records) {
        log_records(service, &before);
        publish(control, service->state.zone, true);
    }
    /* A doubtful clock moves what is planned, too. */
    base_time next = service->advice.next_look + control->clock_behind;
    if (service->due == 0)
        service->due = next > now ? next : now + AGAIN;
    tell(service);
    if (control_tlsa_waiters_done(service))
        look(service);
    plan(service->all);
}

void control_tlsa_joined(struct control_tlsa_service *service, enum control_tlsa_trouble trouble,
                         bool also)
{
    bool same = service->trouble == trouble && service->also == also;
    service->also = also;
    if (service->trouble == CONTROL_TLSA_WELL || service->trouble >= CONTROL_TLSA_DELEGATED)
        service->trouble = trouble;
    if (!same)
        tell(service);
}

void control_tlsa_version(struct control_zone *zone)
{
    struct control_tlsa *tlsa = zone->control->tlsa;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        bool waits = service->advice.step != DANE_LIFE_DONE || service->looked_at == 0;
        if (waits && service->known && dns_name_equal(service->state.zone, zone->name))
            look_soon(service);
    }
}

/* --- files --- */

struct reading {
    struct control_task task;
    struct control_tlsa_service *service;
    struct {
        const char *path;
        uint8_t *data; /* NULL: see `problem` */
        size_t length;
        char problem[200];
    } files[2];
};

static bool run_reading(struct control_task *task, struct control_worker *worker)
{
    struct reading *reading = (struct reading *)task;
    for (size_t i = 0; i < 2; i++) {
        const char *path = reading->files[i].path;
        char *problem = reading->files[i].problem;
        struct stat status;
        int error = BASE_EIO;
        if (path == NULL)
            continue;
        if (stat(path, &status) != 0)
            snprintf(problem, 200, "it cannot be read: %s", strerror(errno));
        else if (!S_ISREG(status.st_mode))
            snprintf(problem, 200, "this is not a file");
        else if ((error = base_file_read(path, DANE_MATERIAL_OCTETS, &reading->files[i].data,
                                         &reading->files[i].length)) != BASE_OK)
            snprintf(problem, 200, "it cannot be read: %s",
                     error == BASE_EIO ? strerror(errno) : base_strerror(error));
    }
    return false;
}

static void read_files(struct control_tlsa_service *service);

static void reading_done(struct control_task *task)
{
    struct reading *reading = (struct reading *)task;
    struct control_tlsa_service *service = reading->service;
    struct control *control = service->all->control;
    struct control_tlsa_file *files[] = {&service->current, &service->next};
    for (size_t i = 0; i < 2; i++) {
        if (reading->files[i].path != NULL)
            control_tlsa_take(service, files[i], reading->files[i].data, reading->files[i].length,
                              reading->files[i].problem, base_clock_now());
        if (reading->files[i].data != NULL) /* it may be a private key */
            explicit_bzero(reading->files[i].data, reading->files[i].length);
        free(reading->files[i].data);
    }
    free(reading);
    service->reading = false;
    if (control->stopping)
        return;
    if (service->read_again) {
        read_files(service);
        return;
    }
    follow(service);
    look_soon(service);
}

static void read_files(struct control_tlsa_service *service)
{
    service->read_again = service->reading;
    struct reading *reading = service->reading ? NULL : calloc(1, sizeof(*reading));
    if (reading == NULL)
        return;
    reading->task.run = run_reading;
    reading->task.done = reading_done;
    reading->service = service;
    reading->files[0].path = service->current.path;
    reading->files[1].path = service->next.path;
    service->reading = true;
    control_pool_run(service->all->control, &reading->task);
}

/* Is the file another one than when it was looked at last? */
static bool is_new(struct control_tlsa_file *file)
{
    struct source_fingerprint now;
    if (file->path == NULL)
        return false;
    control_file_fingerprint(file->path, &now);
    if (file->read && source_fingerprint_equal(&now, &file->fingerprint))
        return false;
    file->fingerprint = now;
    return true;
}

/* --- zones --- */

static enum control_tlsa_trouble trouble_of(const struct control_zone *zone)
{
    return zone == NULL                                                      ? CONTROL_TLSA_NO_ZONE
           : control_is_catalog(zone) || zone->origin == CONTROL_OF_PRODUCED ? CONTROL_TLSA_CATALOG
           : !zone->as->policy->signs ? CONTROL_TLSA_NOT_SIGNED
                                      : CONTROL_TLSA_WELL;
}

static struct control_zone *nearest(struct control *control, const uint8_t *owner)
{
    struct control_zone *zone = NULL;
    while (owner[0] != 0 && zone == NULL) {
        owner = dns_name_parent(owner, 1);
        zone = control_table_find(&control->table, owner);
        if (zone != NULL && zone->gone)
            zone = NULL;
    }
    return zone;
}

/* Which zone has the records. True: it is another one, or it is known for the first time. */
static void find_zone(struct control_tlsa_service *service)
{
    struct control *control = service->all->control;
    struct registry_tlsa *state = &service->state;
    const struct control_zone *zone = nearest(control, service->owner);
    enum control_tlsa_trouble trouble = trouble_of(zone), before = service->trouble;
    bool first = !service->trusted;
    service->trusted = true;
    if (zone != NULL)
        memcpy(service->zone, zone->name, dns_name_length(zone->name));
    if (trouble != CONTROL_TLSA_WELL || before < CONTROL_TLSA_DELEGATED)
        service->trouble = trouble;
    if (trouble == CONTROL_TLSA_WELL &&
        (!service->known || !dns_name_equal(state->zone, zone->name))) {
        uint8_t former[DNS_NAME_MAX];
        bool had = service->known && state->count > 0;
        memcpy(former, state->zone, sizeof(former));
        memcpy(state->zone, zone->name, dns_name_length(zone->name));
        service->known = true;
        service->trouble = CONTROL_TLSA_WELL;
        save(service);
        if (had) {
            publish(control, former, true);
            publish(control, state->zone, false);
        }
        first = true;
    }
    if (first || service->trouble != before)
        follow(service);
}

void control_tlsa_tick(struct control *control)
{
    struct control_tlsa *tlsa = control->tlsa;
    bool known =
        control_sources_known(control) || base_clock_now() >= control->started + SOURCES_SECONDS;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        bool current = is_new(&service->current), next = is_new(&service->next);
        if (current || next)
            read_files(service);
        if (known)
            find_zone(service);
    }
}

/* --- start and end --- */

struct loading {
    struct control_tlsa *tlsa;
    uint8_t (*gone)[DNS_NAME_MAX]; /* owners that are not in the settings any more */
    size_t gone_count;
};

static struct control_tlsa_service *find_owner(struct control_tlsa *tlsa, const uint8_t *owner)
{
    for (size_t i = 0; i < tlsa->count; i++) {
        if (dns_name_equal(tlsa->services[i].owner, owner))
            return &tlsa->services[i];
    }
    return NULL;
}

static int load(void *context, const struct registry_tlsa *state)
{
    struct loading *loading = context;
    struct control_tlsa_service *service = find_owner(loading->tlsa, state->owner);
    if (service != NULL) {
        service->state = *state;
        service->known = true;
        return BASE_OK;
    }
    void *more = realloc(loading->gone, (loading->gone_count + 1) * sizeof(*loading->gone));
    if (more == NULL)
        return BASE_ENOMEM;
    loading->gone = more;
    memcpy(loading->gone[loading->gone_count++], state->owner, dns_name_length(state->owner));
    return BASE_OK;
}

static int load_all(struct control_tlsa *tlsa)
{
    struct registry *registry = tlsa->control->registry;
    struct loading loading = {.tlsa = tlsa};
    int error = registry_tlsa_list(registry, load, &loading);
    for (size_t i = 0; i < loading.gone_count && error == BASE_OK; i++) {
        char owner[DNS_NAME_TEXT];
        CONTROL_LOG(tlsa->control, INFO,
                    "%s: is not in the section tlsa any more; its records are not kept",
                    dns_name_text(owner, loading.gone[i]));
        error = registry_tlsa_forget(registry, loading.gone[i]);
    }
    free(loading.gone);
    return error;
}

static void make_owner(struct control_tlsa_service *service)
{
    char labels[32];
    int length = snprintf(labels, sizeof(labels), "_%u", service->port);
    uint8_t *at = service->owner;
    *at++ = (uint8_t)length;
    memcpy(at, labels, (size_t)length);
    at += length;
    memcpy(at, service->udp ? "\4_udp" : "\4_tcp", 5);
    at += 5;
    memcpy(at, service->config->host, dns_name_length(service->config->host));
    dns_name_text(service->where, service->owner);
    memcpy(service->state.owner, service->owner, sizeof(service->owner));
}

static void make_services(struct control_tlsa *tlsa)
{
    const struct config *config = tlsa->control->config;
    for (size_t i = 0; i < config->tlsa_count; i++) {
        const struct config_tlsa *from = &config->tlsa[i];
        for (size_t p = 0; p < from->port_count; p++) {
            struct control_tlsa_service *service = &tlsa->services[tlsa->count++];
            *service =
                (struct control_tlsa_service){.all = tlsa,
                                              .config = from,
                                              .port = from->ports[p].port,
                                              .udp = from->ports[p].udp,
                                              .current.path = from->certificate,
                                              .next.path = from->next,
                                              .advice.step = DANE_LIFE_PUBLISH,
                                              .advice.reason = "kenterd has not looked at it yet"};
            make_owner(service);
        }
    }
}

int control_tlsa_start(struct control *control)
{
    const struct config *config = control->config;
    size_t count = 0;
    for (size_t i = 0; i < config->tlsa_count; i++)
        count += config->tlsa[i].port_count;
    struct control_tlsa *tlsa = calloc(1, sizeof(*tlsa));
    if (tlsa == NULL)
        return BASE_ENOMEM;
    control->tlsa = tlsa;
    tlsa->control = control;
    tlsa->services = calloc(count + 1, sizeof(*tlsa->services));
    if (tlsa->services == NULL)
        return BASE_ENOMEM;
    make_services(tlsa);
    int error = load_all(tlsa);
    if (error != BASE_OK || count == 0)
        return error;
    uv_timer_init(&control->loop, &tlsa->timer);
    tlsa->timer.data = tlsa;
    return control_tlsa_ask_open(tlsa);
}

void control_tlsa_watch(struct control *control)
{
    struct control_tlsa *tlsa = control->tlsa;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        control_path_watch(control, tlsa->services[i].current.path);
        control_path_watch(control, tlsa->services[i].next.path);
    }
}

void control_tlsa_servers_free(struct control_tlsa_service *service)
{
    for (size_t i = 0; i < service->server_count; i++)
        free(service->servers[i].set.data);
    free(service->servers);
    service->servers = NULL;
    service->server_count = 0;
}

void control_tlsa_free(struct control *control)
{
    struct control_tlsa *tlsa = control->tlsa;
    if (tlsa == NULL)
        return;
    control_tlsa_ask_close(tlsa);
    for (size_t i = 0; i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        control_tlsa_servers_free(service);
        control_tlsa_waiters_drop(service);
        dane_material_free(&service->current.material);
        dane_material_free(&service->next.material);
        json_decref(service->findings);
    }
    free(tlsa->services);
    free(tlsa);
    control->tlsa = NULL;
}

struct control_tlsa_service *control_tlsa_find(struct control *control, const uint8_t *host,
                                               uint16_t port, bool udp)
{
    struct control_tlsa *tlsa = control->tlsa;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        if (service->port == port && service->udp == udp &&
            dns_name_equal(service->config->host, host))
            return service;
    }
    return NULL;
}

void control_tlsa_look(struct control_tlsa_service *service)
{
    control_tlsa_tick(service->all->control);
    read_files(service);
}
