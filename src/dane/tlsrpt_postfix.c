/*
 * Lines of smtp(8): the time, the process, what it says, and what has been said before.
 *
 *   PROCESS: server certificate verification failed for HOST[ADDRESS]:PORT: WHY
 *   PROCESS: LEVEL TLS connection established to HOST[ADDRESS]:PORT: …
 *   PROCESS: QUEUE: Server certificate not verified          (goes on with the next host)
 *   PROCESS: QUEUE: to=<…>, relay=HOST[ADDRESS]:PORT, …, status=STATUS (WHY)
 */
#include "dane/tlsrpt_postfix.h"

#include "base/error.h"
#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HOST_MAX    256
#define ADDRESS_MAX 48
#define REASON_MAX  160
#define QUEUE_MAX   32
#define RELAY_MAX   (HOST_MAX + ADDRESS_MAX + 16)

struct attempt {
    char host[HOST_MAX], address[ADDRESS_MAX], reason[REASON_MAX];
    enum dane_tlsrpt_trust trust;
    enum dane_tlsrpt_type type;
    bool refused, plain;
};
/* Apart from the process, so that looking for one reads little memory. */
struct place {
    long pid; /* 0: free */
    uint64_t used;
};
/* Why the certificate of a host is not good, said before the connection stands. */
struct detail {
    char host[HOST_MAX], text[REASON_MAX];
    enum dane_tlsrpt_type type;
};
struct process {
    struct attempt attempts[DANE_TLSRPT_ATTEMPTS_MAX];
    size_t count;
    struct detail detail;
    /* The last delivery: further recipients of it are no further sessions. */
    char queue[QUEUE_MAX], relay[RELAY_MAX];
};
struct dane_tlsrpt_postfix {
    dane_tlsrpt_seen_call *call;
    void *context;
    base_time began; /* the first line; 0: none yet. What was before is not known */
    uint64_t clock;
    struct place places[DANE_TLSRPT_PROCESSES_MAX];
    struct process *processes; /* beside their places */
    struct detail proxied;     /* said by tlsproxy(8) for some smtp(8) */
    char line[DANE_TLSRPT_LINE_MAX + 1];
};

int dane_tlsrpt_postfix_new(dane_tlsrpt_seen_call *call, void *context,
                            struct dane_tlsrpt_postfix **out)
{
    struct dane_tlsrpt_postfix *postfix = calloc(1, sizeof *postfix);
    if (!postfix)
        return BASE_ENOMEM;
    postfix->processes = calloc(DANE_TLSRPT_PROCESSES_MAX, sizeof *postfix->processes);
    if (!postfix->processes) {
        free(postfix);
        return BASE_ENOMEM;
    }
    postfix->call = call;
    postfix->context = context;
    *out = postfix;
    return BASE_OK;
}

void dane_tlsrpt_postfix_free(struct dane_tlsrpt_postfix *postfix)
{
    if (!postfix)
        return;
    free(postfix->processes);
    free(postfix);
}

void dane_tlsrpt_postfix_gap(struct dane_tlsrpt_postfix *postfix)
{
    memset(postfix->places, 0, sizeof postfix->places);
    postfix->began = 0;
}

/* --- small things --- */

/* Copies at most what fits; control characters are spaces. */
static void keep(char *out, size_t size, const char *text, size_t length)
{
    size_t n = length < size - 1 ? length : size - 1;
    memcpy(out, text, n);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)out[i] < ' ')
            out[i] = ' ';
    }
    out[n] = '\0';
}

static bool skip(const char **at, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

/* "host[address]" or "host[address]:port": sets what stands behind. */
static bool read_peer(const char *from, struct attempt *out, const char **behind)
{
    size_t host = strcspn(from, "[ ,()");
    if (host == 0 || host >= HOST_MAX || from[host] != '[')
        return false;
    const char *address = from + host + 1;
    size_t length = strspn(address, "0123456789abcdefABCDEF:.");
    if (length == 0 || length >= ADDRESS_MAX || address[length] != ']')
        return false;
    const char *at = address + length + 1;
    if (*at == ':' && at[1] >= '0' && at[1] <= '9')
        at += 1 + strspn(at + 1, "0123456789");
    *out = (struct attempt){.trust = DANE_TLSRPT_NO_TLS};
    keep(out->host, sizeof out->host, from, host);
    keep(out->address, sizeof out->address, address, length);
    *behind = at;
    return true;
}

static struct process *find_process(struct dane_tlsrpt_postfix *postfix, long pid)
{
    size_t oldest = 0;
    for (size_t i = 0; i < DANE_TLSRPT_PROCESSES_MAX; i++) {
        struct place *place = &postfix->places[i];
        if (place->pid == pid) {
            place->used = ++postfix->clock;
            return &postfix->processes[i];
        }
        if (place->used < postfix->places[oldest].used)
            oldest = i;
    }
    postfix->places[oldest] = (struct place){pid, ++postfix->clock};
    memset(&postfix->processes[oldest], 0, sizeof postfix->processes[oldest]);
    return &postfix->processes[oldest];
}

/* A new one, in the place of the oldest when there are too many. */
static struct attempt *add_attempt(struct process *process, const struct attempt *peer)
{
    if (process->count == DANE_TLSRPT_ATTEMPTS_MAX) {
        memmove(&process->attempts[0], &process->attempts[1],
                (DANE_TLSRPT_ATTEMPTS_MAX - 1) * sizeof(struct attempt));
        process->count--;
    }
    process->attempts[process->count] = *peer;
    return &process->attempts[process->count++];
}

static struct attempt *find_attempt(struct process *process, const struct attempt *peer)
{
    for (size_t i = process->count; i-- > 0;) {
        struct attempt *attempt = &process->attempts[i];
        if (strcasecmp(attempt->host, peer->host) == 0 &&
            strcmp(attempt->address, peer->address) == 0)
            return attempt;
    }
    return NULL;
}

/* --- what is wrong with a certificate --- */

static enum dane_tlsrpt_type certificate_type(const char *text)
{
    if (strstr(text, "expired") || strstr(text, "not yet valid"))
        return DANE_TLSRPT_CERTIFICATE_EXPIRED;
    if (strstr(text, "mismatch"))
        return DANE_TLSRPT_CERTIFICATE_HOST_MISMATCH;
    if (strstr(text, "TLSA"))
        return DANE_TLSRPT_VALIDATION_FAILURE;
    return DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED;
}

static void take_detail(struct detail *detail, const char *at)
{
    struct attempt peer;
    if (!read_peer(at, &peer, &at) || !skip(&at, ": "))
        return;
    const char *text = at;
    if (skip(&text, "num="))
        text += strspn(text, "0123456789:");
    memcpy(detail->host, peer.host, sizeof peer.host);
    keep(detail->text, sizeof detail->text, text, strlen(text));
    detail->type = certificate_type(at);
}

/* --- the connection --- */

static bool use_detail(struct detail *detail, struct attempt *attempt)
{
    bool same = strcasecmp(detail->host, attempt->host) == 0;
    if (same) {
        attempt->type = detail->type;
        memcpy(attempt->reason, detail->text, sizeof attempt->reason);
        detail->host[0] = '\0';
    }
    return same;
}

static void take_established(struct dane_tlsrpt_postfix *postfix, struct process *process,
                             enum dane_tlsrpt_trust trust, const char *at)
{
    struct attempt peer;
    if (!read_peer(at, &peer, &at) || *at != ':')
        return;
    struct attempt *attempt = add_attempt(process, &peer);
    attempt->trust = trust;
    if (!use_detail(&process->detail, attempt))
        use_detail(&postfix->proxied, attempt);
    process->detail.host[0] = '\0';
}

static void take_handshake(struct process *process, const char *at)
{
    struct attempt peer;
    if (!read_peer(at, &peer, &at))
        return;
    struct attempt *attempt = add_attempt(process, &peer);
    attempt->refused = true;
    attempt->type = DANE_TLSRPT_VALIDATION_FAILURE;
    snprintf(attempt->reason, sizeof attempt->reason, "the TLS handshake fails");
}

/* Why Postfix gives a session up: at the start of a reason, or of a line behind the queue id.
 * False: it is about something else. `peer` is where that was, when the reason does not say it;
 * NULL. */
static bool take_refusal(struct process *process, const char *text, const struct attempt *peer)
{
    struct attempt named;
    const char *at = text;
    bool certificate = skip(&at, "Server certificate not ");
    if (certificate || skip(&at, "Cannot start TLS: ")) {
        struct attempt *attempt =
            process->count > 0 ? &process->attempts[process->count - 1] : NULL;
        if (!attempt && peer)
            attempt = add_attempt(process, peer);
        if (!attempt)
            return true;
        attempt->refused = true;
        if (attempt->type == DANE_TLSRPT_SUCCESS)
            attempt->type = !certificate ? DANE_TLSRPT_VALIDATION_FAILURE
                            : attempt->trust == DANE_TLSRPT_TRUSTED
                                ? DANE_TLSRPT_CERTIFICATE_HOST_MISMATCH
                                : DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED;
        if (attempt->reason[0] == '\0')
            keep(attempt->reason, sizeof attempt->reason, text, strlen(text));
        return true;
    }
    if (!skip(&at, "TLS is required, but "))
        return false;
    if ((skip(&at, "was not offered by host ") || skip(&at, "host ")) && read_peer(at, &named, &at))
        peer = &named;
    else
        return true; /* our own engine is at fault */
    struct attempt *attempt = add_attempt(process, peer);
    attempt->refused = attempt->plain = true;
    attempt->type = DANE_TLSRPT_STARTTLS_NOT_SUPPORTED;
    keep(attempt->reason, sizeof attempt->reason, text, strlen(text));
    return true;
}

/* --- deliveries --- */

static int emit(struct dane_tlsrpt_postfix *postfix, const struct attempt *attempt,
                const char *domain, base_time time)
{
    struct dane_tlsrpt_seen seen = {
        .kind = attempt->plain ? DANE_TLSRPT_SEEN_PLAIN : DANE_TLSRPT_SEEN_TLS,
        .time = time,
        .domain = domain,
        .host = attempt->host,
        .address = attempt->address,
        .trust = attempt->trust,
        .refused = attempt->refused,
        .type = attempt->type,
        .reason = attempt->reason,
    };
    return postfix->call(postfix->context, &seen);
}

/* The value of "NAME=VALUE, " in a line; "" when it is not there. */
static const char *field(const char *line, const char *name, char *out, size_t size)
{
    const char *at = strstr(line, name);
    out[0] = '\0';
    if (at) {
        at += strlen(name);
        keep(out, size, at, strcspn(at, ", "));
    }
    return out;
}

/* Seconds that the connection and what was said over it took: "delays=a/b/c/d". */
static double session_seconds(const char *line)
{
    double a, b, c, d;
    const char *at = strstr(line, ", delays=");
    if (!at || sscanf(at, ", delays=%lf/%lf/%lf/%lf", &a, &b, &c, &d) != 4 || !(c >= 0) ||
        !(d >= 0) || c > 1e6 || d > 1e6)
        return 0;
    return c + d;
}

/* Did mail go, or nearly go, over the session? */
static bool was_used(const char *status, const char *why)
{
    static const char *const commands[] = {"(in reply to MAIL FROM", "(in reply to RCPT TO",
                                           "(in reply to DATA", "(in reply to end of DATA"};
    if (strncmp(status, "sent ", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strstr(why, commands[i]))
            return true;
    }
    return false;
}

/* The line of a delivery cut into what counts. */
struct delivery {
    char domain[HOST_MAX], relay[RELAY_MAX];
    const char *status, *why;
    struct attempt peer;
    bool has_peer, reused;
};

static bool read_delivery(char *at, struct delivery *out)
{
    char *status = strstr(at, ", status="), *end = strstr(at, ">, ");
    if (!status || !end || end > status)
        return false;
    *end = '\0';
    const char *mark = strrchr(at, '@');
    if (!mark || mark[1] == '\0' || mark[1] == '[' || strlen(mark + 1) >= sizeof out->domain)
        return false;
    keep(out->domain, sizeof out->domain, mark + 1, strlen(mark + 1));
    *status = '\0';
    const char *fields = end + 1, *behind;
    out->status = status + 9;
    const char *why = strchr(out->status, '(');
    out->why = why ? why + 1 : "";
    field(fields, ", relay=", out->relay, sizeof out->relay);
    out->has_peer = read_peer(out->relay, &out->peer, &behind) && behind > out->relay;
    out->reused = strstr(fields, ", conn_use=") != NULL;
    return true;
}

static int take_delivery(struct dane_tlsrpt_postfix *postfix, struct process *process,
                         const char *queue, char *at, base_time time)
{
    struct delivery delivery;
    double seconds = session_seconds(at);
    if (!read_delivery(at, &delivery))
        return BASE_OK;
    bool again = strcmp(process->queue, queue) == 0 && strcmp(process->relay, delivery.relay) == 0;
    if (strncmp(delivery.status, "sent ", 5) != 0 && !again)
        take_refusal(process, delivery.why, delivery.has_peer ? &delivery.peer : NULL);
    if (delivery.has_peer && !delivery.reused && !again && !find_attempt(process, &delivery.peer) &&
        was_used(delivery.status, delivery.why) &&
        (double)time - seconds - 1 > (double)postfix->began) {
        struct attempt *attempt = add_attempt(process, &delivery.peer);
        attempt->plain = true;
        attempt->type = DANE_TLSRPT_STARTTLS_NOT_SUPPORTED;
    }
    int status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < process->count; i++)
        status = emit(postfix, &process->attempts[i], delivery.domain, time);
    process->count = 0;
    snprintf(process->queue, sizeof process->queue, "%s", queue);
    snprintf(process->relay, sizeof process->relay, "%s", delivery.relay);
    return status;
}

/* "DOMAIN/HOST: WHY" */
static int take_lookup(struct dane_tlsrpt_postfix *postfix, const char *at, base_time time)
{
    char domain[HOST_MAX], host[HOST_MAX], reason[REASON_MAX];
    size_t first = strcspn(at, "/ "), second = at[first] == '/' ? strcspn(at + first + 1, ": ") : 0;
    const char *why = at + first + 1 + second;
    if (first == 0 || second == 0 || first >= sizeof domain || second >= sizeof host ||
        !skip(&why, ": "))
        return BASE_OK;
    keep(domain, sizeof domain, at, first);
    keep(host, sizeof host, at + first + 1, second);
    keep(reason, sizeof reason, why, strlen(why));
    struct dane_tlsrpt_seen seen = {.kind = DANE_TLSRPT_SEEN_LOOKUP,
                                    .time = time,
                                    .domain = domain,
                                    .host = host,
                                    .address = "",
                                    .refused = true,
                                    .reason = reason};
    return postfix->call(postfix->context, &seen);
}

/* --- the line --- */

static bool is_detail(const char **at)
{
    return skip(at, "server certificate verification failed for ") ||
           skip(at, "certificate verification failed for ");
}

static int take_text(struct dane_tlsrpt_postfix *postfix, long pid, char *text, base_time time)
{
    static const struct {
        const char *word;
        enum dane_tlsrpt_trust trust;
    } levels[] = {{"Anonymous", DANE_TLSRPT_ANONYMOUS},
                  {"Untrusted", DANE_TLSRPT_UNTRUSTED},
                  {"Trusted", DANE_TLSRPT_TRUSTED},
                  {"Verified", DANE_TLSRPT_VERIFIED}};
    const char *at = text;
    if (skip(&at, "warning: TLS policy lookup for ") ||
        skip(&at, "warning: TLS policy lookup error for "))
        return take_lookup(postfix, at, time);
    struct process *process = find_process(postfix, pid);
    if (is_detail(&at)) {
        take_detail(&process->detail, at);
        return BASE_OK;
    }
    if (skip(&at, "SSL_connect error to ")) {
        take_handshake(process, at);
        return BASE_OK;
    }
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (!skip(&at, levels[i].word))
            continue;
        if (skip(&at, " TLS connection established to "))
            take_established(postfix, process, levels[i].trust, at);
        return BASE_OK;
    }
    size_t length = strspn(text, "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyzAEaeo");
    if (length == 0 || length >= QUEUE_MAX || text[length] != ':' || text[length + 1] != ' ')
        return BASE_OK;
    text[length] = '\0';
    at = text + length + 2;
    if (skip(&at, "to=<"))
        return take_delivery(postfix, process, text, (char *)at, time);
    take_refusal(process, at, NULL);
    return BASE_OK;
}

/* The program "…/NAME[PID]: ": what it says, or NULL. */
static char *read_program(char *at, const char *name, long *pid)
{
    char *open = strchr(at, '['), *end;
    ptrdiff_t length = (ptrdiff_t)strlen(name);
    if (!open || open - at < length || memcmp(open - length, name, (size_t)length) != 0 ||
        memchr(at, ' ', (size_t)(open - at)))
        return NULL;
    *pid = strtol(open + 1, &end, 10);
    return *pid > 0 && strncmp(end, "]: ", 3) == 0 ? end + 3 : NULL;
}

static int month_of(const char *text)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (strncmp(text, names + (size_t)i * 3, 3) == 0)
            return i;
    }
    return -1;
}

/* "Nov 22 09:54:00 ": of this machine's clock, and without a year: not of the future. */
static bool read_old_time(const char *text, base_time now, base_time *out, size_t *length)
{
    struct tm tm = {.tm_mon = month_of(text), .tm_isdst = -1}, today;
    int used = 0;
    time_t clock = (time_t)now;
    if (tm.tm_mon < 0 ||
        sscanf(text + 3, " %2d %2d:%2d:%2d %n", &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
               &used) != 4 ||
        used == 0 || !localtime_r(&clock, &today))
        return false;
    tm.tm_year = today.tm_year;
    struct tm past = tm;
    *out = mktime(&tm);
    if (*out > now + 86400) {
        past.tm_year--;
        *out = mktime(&past);
    }
    *length = 3 + (size_t)used;
    return *out > 0;
}

/* "2026-11-22T09:54:00.123456+01:00 ", the fraction and the zone (else UTC) optional. */
static bool read_new_time(const char *text, base_time *out, size_t *length)
{
    struct tm tm = {0};
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used == 0)
        return false;
    const char *at = text + used;
    if (*at == '.' || *at == ',')
        at += 1 + strspn(at + 1, "0123456789");
    int hours = 0, minutes = 0, sign = *at == '-' ? -1 : 1;
    if ((*at == '+' || *at == '-') && (sscanf(at + 1, "%2d:%2d", &hours, &minutes) == 2 ||
                                       sscanf(at + 1, "%2d%2d", &hours, &minutes) == 2))
        at += at[3] == ':' ? 6 : 5;
    else if (*at == 'Z')
        at++;
    if (*at != ' ')
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out = (base_time)timegm(&tm) - sign * (hours * 3600 + minutes * 60);
    *length = (size_t)(at - text) + 1;
    return *out > 0;
}

int dane_tlsrpt_postfix_line(struct dane_tlsrpt_postfix *postfix, const char *line, size_t length,
                             base_time now)
{
    base_time time;
    size_t used;
    long pid;
    if (length > DANE_TLSRPT_LINE_MAX || memchr(line, '\0', length))
        return BASE_OK;
    memcpy(postfix->line, line, length);
    postfix->line[length] = '\0';
    if (!read_new_time(postfix->line, &time, &used) &&
        !read_old_time(postfix->line, now, &time, &used))
        return BASE_OK;
    if (postfix->began == 0)
        postfix->began = time;
    char *host = postfix->line + used, *program = strchr(host, ' ');
    char *text = program ? read_program(program + 1, "/smtp", &pid) : NULL;
    if (text)
        return take_text(postfix, pid, text, time);
    const char *proxied = program ? read_program(program + 1, "/tlsproxy", &pid) : NULL;
    if (proxied && is_detail(&proxied))
        take_detail(&postfix->proxied, proxied);
    return BASE_OK;
}

/* --- over restarts --- */

static void save_attempt(const struct attempt *attempt, struct base_buf *out)
{
    base_buf_text(out, "{\"host\":");
    base_json_text(out, attempt->host);
    base_buf_text(out, ",\"address\":");
    base_json_text(out, attempt->address);
    base_buf_text(out, ",\"reason\":");
    base_json_text(out, attempt->reason);
    base_buf_printf(out, ",\"trust\":%d,\"type\":%d,\"flags\":%d}", attempt->trust, attempt->type,
                    attempt->refused + 2 * attempt->plain);
}

static void save_process(long pid, const struct process *process, struct base_buf *out)
{
    base_buf_printf(out, "{\"pid\":%ld,\"queue\":", pid);
    base_json_text(out, process->queue);
    base_buf_text(out, ",\"relay\":");
    base_json_text(out, process->relay);
    base_buf_text(out, ",\"detail_host\":");
    base_json_text(out, process->detail.host);
    base_buf_text(out, ",\"detail\":");
    base_json_text(out, process->detail.text);
    base_buf_printf(out, ",\"detail_type\":%d,\"attempts\":[", process->detail.type);
    for (size_t i = 0; i < process->count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        save_attempt(&process->attempts[i], out);
    }
    base_buf_text(out, "]}");
}

static int by_use(const void *a, const void *b)
{
    const struct place *x = *(const struct place *const *)a;
    const struct place *y = *(const struct place *const *)b;
    return x->used < y->used ? -1 : x->used > y->used;
}

int dane_tlsrpt_postfix_save(const struct dane_tlsrpt_postfix *postfix, struct base_buf *out)
{
    const struct place *sorted[DANE_TLSRPT_PROCESSES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < DANE_TLSRPT_PROCESSES_MAX; i++) {
        if (postfix->places[i].pid != 0)
            sorted[count++] = &postfix->places[i];
    }
    qsort(sorted, count, sizeof sorted[0], by_use);
    base_buf_printf(out, "{\"began\":%" PRId64 ",\"processes\":[", postfix->began);
    for (size_t i = 0; i < count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        save_process(sorted[i]->pid, &postfix->processes[sorted[i] - postfix->places], out);
    }
    base_buf_text(out, "]}");
    return out->error;
}

static bool load_text(const json_t *object, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        return false;
    keep(out, size, text, strlen(text));
    return true;
}

static bool load_type(const json_t *object, const char *name, enum dane_tlsrpt_type *out)
{
    json_int_t type = json_integer_value(json_object_get(object, name));
    *out = (enum dane_tlsrpt_type)type;
    return type >= 0 && type < DANE_TLSRPT_TYPES;
}

static bool load_attempt(const json_t *object, struct attempt *out)
{
    json_int_t flags = json_integer_value(json_object_get(object, "flags"));
    json_int_t trust = json_integer_value(json_object_get(object, "trust"));
    *out = (struct attempt){
        .trust = (enum dane_tlsrpt_trust)trust,
        .refused = flags & 1,
        .plain = flags & 2,
    };
    return trust >= DANE_TLSRPT_NO_TLS && trust <= DANE_TLSRPT_VERIFIED &&
           load_type(object, "type", &out->type) &&
           load_text(object, "host", out->host, sizeof out->host) &&
           load_text(object, "address", out->address, sizeof out->address) &&
           load_text(object, "reason", out->reason, sizeof out->reason);
}

static bool load_process(struct dane_tlsrpt_postfix *postfix, const json_t *object)
{
    json_int_t pid = json_integer_value(json_object_get(object, "pid"));
    const json_t *attempts = json_object_get(object, "attempts");
    if (pid <= 0 || json_array_size(attempts) > DANE_TLSRPT_ATTEMPTS_MAX)
        return false;
    struct process *process = find_process(postfix, (long)pid);
    if (!load_text(object, "queue", process->queue, sizeof process->queue) ||
        !load_text(object, "relay", process->relay, sizeof process->relay) ||
        !load_text(object, "detail_host", process->detail.host, sizeof process->detail.host) ||
        !load_text(object, "detail", process->detail.text, sizeof process->detail.text) ||
        !load_type(object, "detail_type", &process->detail.type))
        return false;
    process->count = 0;
    for (size_t i = 0; i < json_array_size(attempts); i++) {
        if (!load_attempt(json_array_get(attempts, i), &process->attempts[i]))
            return false;
        process->count++;
    }
    return true;
}

int dane_tlsrpt_postfix_load(struct dane_tlsrpt_postfix *postfix, const char *text, size_t length)
{
    json_t *root = json_loadb(text, length, 0, NULL);
    const json_t *processes = json_object_get(root, "processes");
    bool good = json_is_array(processes) && json_array_size(processes) <= DANE_TLSRPT_PROCESSES_MAX;
    dane_tlsrpt_postfix_gap(postfix);
    for (size_t i = 0; good && i < json_array_size(processes); i++)
        good = load_process(postfix, json_array_get(processes, i));
    if (good)
        postfix->began = json_integer_value(json_object_get(root, "began"));
    else
        dane_tlsrpt_postfix_gap(postfix);
    json_decref(root);
    return good ? BASE_OK : BASE_EFORMAT;
}
