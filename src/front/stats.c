/* Adding up and printing what is counted: see stats.h. */
#include "front/stats.h"

#include "dns/rdata.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void front_stats_sum(const struct front_stats *stats, struct front_totals *totals)
{
    for (size_t i = 0; i < FRONT_COUNTERS; i++)
        totals->counters[i] += load(&stats->counters[i]);
    for (size_t i = 0; i < FRONT_TYPES; i++)
        totals->types[i] += load(&stats->types[i]);
    for (size_t i = 0; i < FRONT_RCODES; i++)
        totals->rcodes[i] += load(&stats->rcodes[i]);
    totals->transfers += load(&stats->transfers);
    totals->updates += load(&stats->updates);
}

/* --- text --- */

static void print_head(struct base_buf *out, const char *metric, const char *kind, const char *help)
{
    base_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, kind);
}

static void print_one(struct base_buf *out, const char *metric, const char *kind, const char *help,
                      uint64_t value)
{
    print_head(out, metric, kind, help);
    base_buf_printf(out, "%s %" PRIu64 "\n", metric, value);
}

static void print_net(struct base_buf *out, const struct net_totals *totals)
{
    print_head(out, "kenter_queries_total", "counter", "queries received, by transport");
    base_buf_printf(out,
                    "kenter_queries_total{transport=\"udp\"} %" PRIu64
                    "\nkenter_queries_total{transport=\"tcp\"} %" PRIu64
                    "\nkenter_queries_total{transport=\"tls\"} %" PRIu64 "\n",
                    totals->counters[NET_UDP_QUERIES], totals->counters[NET_TCP_QUERIES],
                    totals->counters[NET_TLS_QUERIES]);
    for (enum net_counter i = 0; i < NET_COUNTERS; i++) {
        if (i == NET_UDP_QUERIES || i == NET_TCP_QUERIES || i == NET_TLS_QUERIES)
            continue;
        char metric[64];
        snprintf(metric, sizeof(metric), "kenter_net_%s_total", net_counter_name(i));
        print_one(out, metric, "counter", net_counter_help(i), totals->counters[i]);
    }
    print_one(out, "kenter_connections", "gauge", "connections open now", totals->connections);
}

/* How long answers over UDP took, from the packet's receipt; a batch counts as its slowest. */
static void print_latency(struct base_buf *out, const struct net_totals *totals)
{
    static const char metric[] = "kenter_answer_seconds";
    uint64_t count = 0;
    print_head(out, metric, "histogram", "time from receiving a query over UDP to its answer");
    for (unsigned i = 0; i + 1 < NET_LATENCY_BUCKETS; i++) {
        count += totals->latency[i];
        base_buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", metric,
                        (double)((uint64_t)1 << i) / 1e6, count);
    }
    count += totals->latency[NET_LATENCY_BUCKETS - 1];
    base_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9f\n%s_count %" PRIu64 "\n",
                    metric, count, metric, (double)totals->latency_sum / 1e9, metric, count);
}

static void print_answers(struct base_buf *out, const struct front_totals *totals)
{
    static const char *const rcodes[FRONT_RCODES] = {
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",  NULL,       NULL,     NULL,      NULL,       NULL,
        "BADVERS", NULL,      NULL,       NULL,       NULL,     NULL,      NULL,       "other"};
    print_head(out, "kenter_answers_total", "counter", "answers, by rcode");
    for (unsigned i = 0; i < FRONT_RCODES; i++) {
        if (rcodes[i] != NULL)
            base_buf_printf(out, "kenter_answers_total{rcode=\"%s\"} %" PRIu64 "\n", rcodes[i],
                            totals->rcodes[i]);
    }
    print_head(out, "kenter_questions_total", "counter", "answers, by type of the question");
    for (uint16_t i = 0; i < FRONT_TYPES; i++) {
        char type[DNS_TYPE_TEXT] = "other";
        if (totals->types[i] == 0)
            continue;
        if (i != 0)
            dns_type_text(type, i);
        base_buf_printf(out, "kenter_questions_total{type=\"%s\"} %" PRIu64 "\n", type,
                        totals->types[i]);
    }
}

static void print_counters(struct base_buf *out, const struct front_totals *totals)
{
    static const struct {
        const char *metric, *labels, *help;
    } counters[FRONT_COUNTERS] = {
#define COUNTER(symbol, metric, labels, help) {metric, labels, help},
#include "front/counters.def"
#undef COUNTER
    };
    for (size_t i = 0; i < FRONT_COUNTERS; i++) {
        if (counters[i].help[0] != '\0')
            print_head(out, counters[i].metric, "counter", counters[i].help);
        base_buf_text(out, counters[i].metric);
        if (counters[i].labels[0] != '\0')
            base_buf_printf(out, "{%s}", counters[i].labels);
        base_buf_printf(out, " %" PRIu64 "\n", totals->counters[i]);
    }
    print_one(out, "kenter_transfers", "gauge", "transfers out that run now", totals->transfers);
    print_one(out, "kenter_updates_waiting", "gauge", "UPDATE messages that wait for control",
              totals->updates);
}

void front_stats_print(struct base_buf *out, const struct net_totals *net,
                       const struct front_totals *front, uint64_t resident, uint64_t shared)
{
    print_net(out, net);
    print_latency(out, net);
    print_answers(out, front);
    print_counters(out, front);
    print_head(out, "kenter_resident_bytes", "gauge",
               "memory of a process; shared: pages of the image and of the program");
    base_buf_printf(out,
                    "kenter_resident_bytes{process=\"serve\",pages=\"own\"} %" PRIu64
                    "\nkenter_resident_bytes{process=\"serve\",pages=\"shared\"} %" PRIu64 "\n",
                    resident > shared ? resident - shared : 0, shared);
}
