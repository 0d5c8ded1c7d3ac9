/*
 * A client that loads a name server, and measures it from outside; bench/run drives it.
 *
 *   bench_load ask  ADDRESS@PORT QUESTIONS COUNT [WINDOW [PID...]]
 *       Keeps WINDOW questions under way (default 128), 32 in a system call, until COUNT answers
 *       came; QUESTIONS is a file of lines "NAME TYPE", asked in turn with EDNS and DO, all of them
 *       prepared beforehand; "NAME TYPE fresh" asks for another name each time: before its last
 *       octet the first label has eight that are a number. Prints the CPU time that the processes
 *       used meanwhile.
 *
 *   bench_load pace ADDRESS@PORT QUESTIONS RATE SECONDS
 *       Asks at a steady rate, one at a time, and prints percentiles of the latency. It counts from
 *       when the question was due, so that a server that stalls cannot hide what waited. SIGTERM
 *       ends it before its time.
 *
 *   bench_load wait ADDRESS@PORT ZONES SECONDS
 *       Until each zone (a file of names) has given a signed SOA; prints when the first did, and
 *       the last.
 *
 *   bench_load axfr ADDRESS@PORT ZONE
 *       Transfers a zone and prints what it was.
 *
 *   bench_load echo PORT
 *       What the others are compared with: a loop that receives 32 packets, sends them back as they
 *       are, and does nothing else. Runs until it is killed.
 *
 * Results are one JSON object.
 */
#include "base/clock.h"
#include "base/error.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "net/address.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH  32
#define HEADER 12

struct query {
    uint16_t length;
    uint16_t fresh; /* where eight octets are another number each time; 0: nowhere */
    uint8_t wire[];
};

struct queries {
    struct query **items;
    size_t count;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void refuse(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(2);
}

static double seconds_since(uint64_t start)
{
    return (double)(base_clock_monotonic() - start) / 1e9;
}

/* ---- questions ---- */

static struct query *make_query(const char *name, uint16_t type, uint16_t id)
{
    static const uint8_t opt[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 0, 0, 0x80, 0, 0, 0};
    uint8_t wire[DNS_NAME_MAX], root = 0;
    size_t length;
    if (dns_name_from_text(wire, &length, name, strlen(name), &root) != BASE_OK)
        refuse("not a name", name);
    struct query *query = malloc(sizeof(*query) + HEADER + length + 4 + sizeof(opt));
    if (query == NULL)
        die("memory");
    uint8_t *at = query->wire;
    memset(at, 0, HEADER);
    at[0] = (uint8_t)(id >> 8);
    at[1] = (uint8_t)id;
    at[5] = 1;
    at[11] = 1;
    at += HEADER;
    memcpy(at, wire, length);
    at += length;
    *at++ = (uint8_t)(type >> 8);
    *at++ = (uint8_t)type;
    *at++ = 0;
    *at++ = 1;
    memcpy(at, opt, sizeof(opt));
    query->length = (uint16_t)(HEADER + length + 4 + sizeof(opt));
    query->fresh = 0;
    return query;
}

/* From now on the first label ends with another number each time, and one octet. */
static void make_fresh(struct query *query, const char *name)
{
    if (query->wire[HEADER] < 9)
        refuse("too short to be fresh", name);
    query->fresh = (uint16_t)(HEADER + 1 + query->wire[HEADER] - 9);
}

static void refresh(struct query *query)
{
    static uint32_t last;
    if (last == 0)
        last = (uint32_t)base_clock_monotonic(); /* another one in each run */
    last += 0x9e3779b9u;
    for (unsigned i = 0; i < 8; i++)
        query->wire[query->fresh + i] = (uint8_t)("0123456789abcdef"[last >> 4 * i & 15]);
}

/* Lines "NAME TYPE", or NAME alone, which asks for the SOA; with the word "fresh" behind the type
 * the name is one that was never asked for before. */
static struct queries read_queries(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        die(path);
    struct queries queries = {NULL, 0};
    size_t capacity = 0;
    char name[1100], type_text[40], fresh[8], line[1200];
    while (fgets(line, sizeof(line), file) != NULL) {
        uint16_t type = DNS_TYPE_SOA;
        int words = sscanf(line, "%1099s %39s %7s", name, type_text, fresh);
        if (words >= 2 && dns_type_from_text(type_text, strlen(type_text), &type) != BASE_OK)
            refuse("not a type", type_text);
        if (words < 1)
            continue;
        if (queries.count == capacity) {
            capacity = capacity == 0 ? 1024 : 2 * capacity;
            queries.items = realloc(queries.items, capacity * sizeof(*queries.items));
            if (queries.items == NULL)
                die("memory");
        }
        queries.items[queries.count] = make_query(name, type, (uint16_t)queries.count);
        if (words == 3)
            make_fresh(queries.items[queries.count], name);
        queries.count++;
    }
    fclose(file);
    if (queries.count == 0)
        refuse("no questions", path);
    return queries;
}

static void free_queries(struct queries *queries)
{
    for (size_t i = 0; i < queries->count; i++)
        free(queries->items[i]);
    free(queries->items);
}

static int connect_to(const char *text, int type)
{
    union net_address address;
    if (net_address_parse(text, 53, &address) != BASE_OK)
        refuse("not an address", text);
    int fd = socket(address.any.sa_family, type, 0);
    int size = 4 << 20;
    if (fd < 0)
        die("socket");
    if (type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    socklen_t length = address.any.sa_family == AF_INET ? sizeof(address.v4) : sizeof(address.v6);
    if (connect(fd, &address.any, length) != 0)
        die("connect");
    return fd;
}

/* ---- packets by the batch ---- */

struct batch {
    struct mmsghdr headers[BATCH];
    struct iovec parts[BATCH];
    uint8_t octets[BATCH][4096];
};

static void batch_init(struct batch *batch)
{
    memset(batch->headers, 0, sizeof(batch->headers));
    for (size_t i = 0; i < BATCH; i++) {
        batch->parts[i] = (struct iovec){batch->octets[i], sizeof(batch->octets[i])};
        batch->headers[i].msg_hdr.msg_iov = &batch->parts[i];
        batch->headers[i].msg_hdr.msg_iovlen = 1;
    }
}

/* ---- ask ---- */

struct tally {
    size_t answers, lost, octets, noerror, nxdomain, other;
};

static void tally_answer(struct tally *tally, const uint8_t *answer, size_t length)
{
    unsigned rcode = length >= HEADER ? answer[3] & 15 : 16;
    tally->answers++;
    tally->octets += length;
    tally->noerror += rcode == 0;
    tally->nxdomain += rcode == 3;
    tally->other += rcode != 0 && rcode != 3;
}

static void fill(int fd, struct batch *out, const struct queries *queries, size_t *next,
                 size_t *under_way, size_t window)
{
    while (*under_way < window) {
        size_t count = window - *under_way < BATCH ? window - *under_way : BATCH;
        for (size_t i = 0; i < count; i++) {
            struct query *query = queries->items[*next];
            if (query->fresh != 0)
                refresh(query);
            out->parts[i] = (struct iovec){query->wire, query->length};
            *next = *next + 1 == queries->count ? 0 : *next + 1;
        }
        int sent = sendmmsg(fd, out->headers, (unsigned)count, 0);
        if (sent < 0 && errno != ECONNREFUSED && errno != EAGAIN && errno != ENOBUFS)
            die("send");
        *under_way += count;
    }
}

static struct tally ask(int fd, const struct queries *queries, size_t first, size_t count,
                        size_t window)
{
    static struct batch out, in;
    batch_init(&out);
    batch_init(&in);
    struct timeval patience = {.tv_usec = 100000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    struct tally tally = {0};
    size_t next = first % queries->count, under_way = 0, silent = 0;
    while (tally.answers < count && silent < 100) {
        fill(fd, &out, queries, &next, &under_way, window);
        int got = recvmmsg(fd, in.headers, BATCH, MSG_WAITFORONE, NULL);
        if (got <= 0) { /* they are lost: begin again */
            tally.lost += under_way;
            under_way = 0;
            silent++;
            continue;
        }
        silent = 0;
        for (int i = 0; i < got; i++)
            tally_answer(&tally, in.octets[i], in.headers[i].msg_len);
        under_way -= (size_t)got > under_way ? under_way : (size_t)got;
    }
    return tally;
}

/* User and system time of processes, to the nanosecond. */
static double cpu_seconds(char **pids)
{
    double sum = 0;
    for (; *pids != NULL; pids++) {
        clockid_t clock;
        struct timespec used;
        if (clock_getcpuclockid((pid_t)atoi(*pids), &clock) == 0 &&
            clock_gettime(clock, &used) == 0)
            sum += (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    }
    return sum;
}

static int verb_ask(int argc, char **argv)
{
    size_t count = strtoul(argv[4], NULL, 10);
    size_t window = argc > 5 ? strtoul(argv[5], NULL, 10) : 4 * BATCH;
    if (count == 0 || window == 0 || window > 10000)
        return 2;
    struct queries queries = read_queries(argv[3]);
    int fd = connect_to(argv[2], SOCK_DGRAM);
    char **pids = argv + (argc > 6 ? 6 : argc);
    double before = cpu_seconds(pids);
    uint64_t start = base_clock_monotonic();
    struct tally tally = ask(fd, &queries, 0, count, window);
    double wall = seconds_since(start), cpu = cpu_seconds(pids) - before;
    printf("{\"answers\": %zu, \"lost\": %zu, \"noerror\": %zu, \"nxdomain\": %zu, "
           "\"other\": %zu, \"octets\": %zu, \"seconds\": %.4f, \"cpu\": %.6f}\n",
           tally.answers, tally.lost, tally.noerror, tally.nxdomain, tally.other, tally.octets,
           wall, cpu);
    close(fd);
    free_queries(&queries);
    return tally.answers >= count ? 0 : 1;
}

/* ---- pace ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double part)
{
    return count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * part)];
}

/* Takes what comes until `until`, and no later. An answer is known by its ID, the question's
 * number. */
static size_t receive_until(int fd, uint64_t until, const uint64_t *due, double *latency,
                            size_t sent)
{
    size_t got = 0;
    uint8_t answer[4096];
    for (;;) {
        uint64_t now = base_clock_monotonic();
        if (now >= until)
            return got;
        struct timespec left = {(time_t)((until - now) / 1000000000),
                                (long)((until - now) % 1000000000)};
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (ppoll(&wait, 1, &left, NULL) <= 0)
            continue;
        ssize_t length = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
        if (length < HEADER)
            continue;
        now = base_clock_monotonic();
        /* The latest question with these 16 bits. */
        size_t id = (size_t)answer[0] << 8 | answer[1];
        size_t number = sent == 0 ? 0 : sent - 1 - ((sent - 1 - id) & 0xffff);
        if (number < sent && latency[number] < 0) {
            latency[number] = (double)(now - due[number]) / 1e3;
            got++;
        }
    }
}

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static int verb_pace(int argc, char **argv)
{
    signal(SIGTERM, end);
    double rate = argc > 4 ? strtod(argv[4], NULL) : 0,
           length = argc > 5 ? strtod(argv[5], NULL) : 0;
    if (!(rate >= 1 && rate <= 1e6 && length > 0 && rate * length <= 1e7))
        return 2;
    size_t count = (size_t)(rate * length), got = 0;
    struct queries queries = read_queries(argv[3]);
    uint64_t *due = calloc(count + 1, sizeof(*due));
    double *latency = calloc(count + 1, sizeof(*latency));
    if (due == NULL || latency == NULL)
        die("memory");
    int fd = connect_to(argv[2], SOCK_DGRAM);
    uint64_t start = base_clock_monotonic();
    for (size_t i = 0; i < count; i++) {
        if (ended) {
            count = i;
            break;
        }
        due[i] = start + (uint64_t)((double)i * 1e9 / rate);
        latency[i] = -1;
        got += receive_until(fd, due[i], due, latency, i);
        struct query *query = queries.items[i % queries.count];
        query->wire[0] = (uint8_t)(i >> 8);
        query->wire[1] = (uint8_t)i;
        if (send(fd, query->wire, query->length, 0) < 0 && errno != ECONNREFUSED)
            die("send");
    }
    got += receive_until(fd, base_clock_monotonic() + 1000000000, due, latency, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (latency[i] >= 0)
            latency[kept++] = latency[i];
    }
    qsort(latency, kept, sizeof(*latency), compare_doubles);
    printf("{\"asked\": %zu, \"lost\": %zu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f}\n",
           count, count - got, percentile(latency, kept, 0.5), percentile(latency, kept, 0.9),
           percentile(latency, kept, 0.99), percentile(latency, kept, 0.999),
           percentile(latency, kept, 1));
    close(fd);
    free(due);
    free(latency);
    free_queries(&queries);
    return 0;
}

/* ---- wait ---- */

/* An authoritative answer with the SOA and, behind it, its signature. */
static bool is_signed_soa(const uint8_t *answer, size_t length)
{
    return length > HEADER && (answer[2] & 0x84) == 0x84 && (answer[3] & 15) == 0 &&
           answer[6] == 0 && answer[7] >= 2;
}

/* Asks the first zones that are left; takes those out that are served. */
static size_t ask_left(int fd, struct queries *left, size_t round)
{
    static struct batch out, in;
    batch_init(&out);
    batch_init(&in);
    size_t count = left->count < BATCH ? left->count : BATCH, served = 0;
    for (size_t i = 0; i < count; i++) {
        struct query *query = left->items[i];
        query->wire[0] = (uint8_t)round;
        query->wire[1] = (uint8_t)i;
        out.parts[i] = (struct iovec){query->wire, query->length};
    }
    if (sendmmsg(fd, out.headers, (unsigned)count, 0) < 0)
        return 0; /* nobody listens yet */
    bool done[BATCH] = {false};
    for (size_t heard = 0; heard < count;) {
        int got = recvmmsg(fd, in.headers, BATCH, MSG_WAITFORONE, NULL);
        if (got <= 0)
            break;
        for (int i = 0; i < got; i++) {
            const uint8_t *answer = in.octets[i];
            if (answer[0] != (uint8_t)round || answer[1] >= count)
                continue;
            heard++;
            done[answer[1]] = is_signed_soa(answer, in.headers[i].msg_len);
        }
    }
    /* Those that are served leave; those that are not go behind all others. */
    for (size_t i = count; i-- > 0;) {
        struct query *query = left->items[i];
        memmove(&left->items[i], &left->items[i + 1], (left->count - i - 1) * sizeof(*left->items));
        if (done[i]) {
            free(query);
            left->count--;
            served++;
        } else {
            left->items[left->count - 1] = query;
        }
    }
    return served;
}

static int verb_wait(int argc, char **argv)
{
    struct queries left = read_queries(argv[3]);
    size_t zones = left.count, asked = 0;
    double patience = argc > 4 ? strtod(argv[4], NULL) : 60, first = -1;
    int fd = connect_to(argv[2], SOCK_DGRAM);
    struct timeval wait = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    uint64_t start = base_clock_monotonic();
    while (left.count > 0 && seconds_since(start) < patience) {
        size_t served = ask_left(fd, &left, asked++);
        if (served > 0 && first < 0)
            first = seconds_since(start);
        /* While the server works it is not kept from it. */
        if (served < BATCH / 2 && left.count > 0)
            usleep(first < 0 ? 2000 : 20000);
    }
    printf("{\"zones\": %zu, \"unserved\": %zu, \"first\": %.4f, \"last\": %.4f}\n", zones,
           left.count, first, seconds_since(start));
    close(fd);
    int code = left.count == 0 ? 0 : 1;
    free_queries(&left);
    return code;
}

/* ---- axfr ---- */

static void read_whole(int fd, uint8_t *out, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(fd, out, length, 0);
        if (got <= 0)
            refuse("transfer", got == 0 ? "the server closed the connection" : strerror(errno));
        out += got;
        length -= (size_t)got;
    }
}

/* Behind a name of a message; the end of the message if it is none. */
static size_t skip_name(const uint8_t *message, size_t length, size_t at)
{
    while (at < length) {
        if (message[at] >= 0xc0)
            return at + 2;
        if (message[at] == 0)
            return at + 1;
        at += message[at] + 1u;
    }
    return length;
}

/* Counts the records of a message, and the SOAs among them. */
static void count_records(const uint8_t *message, size_t length, size_t *records, size_t *soas)
{
    size_t at = HEADER;
    for (unsigned left = message[4] << 8 | message[5]; left > 0; left--)
        at = skip_name(message, length, at) + 4;
    for (unsigned left = message[6] << 8 | message[7]; left > 0; left--) {
        at = skip_name(message, length, at);
        if (at + 10 > length)
            refuse("transfer", "a record runs over the end of its message");
        *soas += message[at] == 0 && message[at + 1] == DNS_TYPE_SOA;
        at += 10 + (size_t)(message[at + 8] << 8 | message[at + 9]);
        ++*records;
    }
}

static int verb_axfr(char **argv)
{
    static uint8_t message[65536];
    struct query *query = make_query(argv[3], 252, 1);
    query->length = (uint16_t)(query->length - 11); /* without EDNS */
    query->wire[11] = 0;
    int fd = connect_to(argv[2], SOCK_STREAM);
    uint8_t prefix[2] = {(uint8_t)(query->length >> 8), (uint8_t)query->length};
    uint64_t start = base_clock_monotonic();
    if (send(fd, prefix, 2, MSG_MORE) != 2 || send(fd, query->wire, query->length, 0) < 0)
        die("send");
    size_t records = 0, octets = 0, messages = 0, soas = 0;
    while (soas < 2) {
        read_whole(fd, prefix, 2);
        size_t length = (size_t)prefix[0] << 8 | prefix[1];
        read_whole(fd, message, length);
        if (length < HEADER || (message[3] & 15) != 0)
            refuse("transfer", "the server refuses");
        count_records(message, length, &records, &soas);
        octets += length;
        messages++;
    }
    printf("{\"records\": %zu, \"octets\": %zu, \"messages\": %zu, \"seconds\": %.4f}\n", records,
           octets, messages, seconds_since(start));
    free(query);
    close(fd);
    return 0;
}

/* ---- echo ---- */

static _Noreturn void verb_echo(const char *port)
{
    static struct batch batch;
    static struct sockaddr_storage peers[BATCH];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) != 0)
        die("bind");
    batch_init(&batch);
    for (;;) {
        for (size_t i = 0; i < BATCH; i++) {
            batch.parts[i].iov_len = sizeof(batch.octets[i]);
            batch.headers[i].msg_hdr.msg_name = &peers[i];
            batch.headers[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        }
        int count = recvmmsg(fd, batch.headers, BATCH, MSG_WAITFORONE, NULL);
        if (count < 0)
            die("recvmmsg");
        for (int i = 0; i < count; i++) {
            batch.octets[i][2] |= 0x80;
            batch.parts[i].iov_len = batch.headers[i].msg_len;
        }
        if (sendmmsg(fd, batch.headers, (unsigned)count, 0) < 0)
            die("sendmmsg");
    }
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "ask") == 0)
        return verb_ask(argc, argv);
    if (argc >= 6 && strcmp(argv[1], "pace") == 0)
        return verb_pace(argc, argv);
    if (argc >= 4 && strcmp(argv[1], "wait") == 0)
        return verb_wait(argc, argv);
    if (argc >= 4 && strcmp(argv[1], "axfr") == 0)
        return verb_axfr(argv);
    if (argc >= 3 && strcmp(argv[1], "echo") == 0)
        verb_echo(argv[2]);
    fprintf(stderr, "usage: bench_load ask|pace|wait|axfr ADDRESS@PORT ..., or echo PORT\n");
    return 2;
}
