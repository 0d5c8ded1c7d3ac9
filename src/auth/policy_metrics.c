/* The numbers of the policy service: in one line for *metrics*, and as a file for Prometheus. */
#include "auth/policy_parts.h"

#include "base/error.h"
#include "base/file.h"

#include <inttypes.h>

struct number {
    const char *name, *help;
    bool gauge;
    uint64_t value;
};

enum { NUMBERS = 17 };

static size_t collect(const struct policy_server *server, struct number out[NUMBERS])
{
    const struct policy_counts *counts = &server->counts;
    const struct auth_questions *questions = &server->questions;
    struct resolve_counts lookups;
    struct auth_service_counts sockets;
    resolve_counts(server->context, &lookups);
    auth_service_counts(server->service, &sockets);
    const struct number numbers[NUMBERS] = {
        {"requests_total", "Requests of Postfix.", false, counts->requests},
        {"cache_hits_total", "Requests answered from the cache.", false, counts->hits},
        {"joined_total", "Requests that waited for another one's look-ups.", false,
         questions->joined},
        {"plans_total", "Domains that were looked up.", false, questions->asked},
        {"timeouts_total", "Domains whose look-ups took too long.", false, questions->late},
        {"refused_total", "Requests refused because too many were under way.", false,
         counts->refused},
        {"malformed_total", "Connections closed because they spoke no socketmap.", false,
         counts->malformed},
        {"connections_total", "Connections accepted.", false, sockets.accepted},
        {"accept_pauses_total", "Times that no descriptor was left for a connection.", false,
         sockets.paused},
        {"connections", "Connections open.", true, sockets.connections},
        {"questions", "Domains being looked up.", true, questions->table.count},
        {"cache_entries", "Answers kept.", true, auth_cache_count(server->cache)},
        {"cache_octets", "Memory of the answers kept.", true, auth_cache_octets(server->cache)},
        {"sts_policies", "MTA-STS policies and failures known.", true,
         dane_sts_store_count(server->store)},
        {"sts_fetches_total", "MTA-STS policies fetched.", false, counts->fetches},
        {"sts_fetch_failures_total", "MTA-STS policies that could not be fetched.", false,
         server->fetches.failed},
        {"dns_queries_total", "Questions sent to resolvers.", false, lookups.queries},
    };
    memcpy(out, numbers, sizeof numbers);
    return NUMBERS;
}

void policy_metrics_line(const struct policy_server *server, struct base_buf *out)
{
    struct number numbers[NUMBERS];
    size_t count = collect(server, numbers);
    for (size_t i = 0; i < count; i++)
        base_buf_printf(out, "%s%s=%" PRIu64, i > 0 ? " " : "", numbers[i].name, numbers[i].value);
    for (size_t i = 0; i <= DANE_SOCKETMAP_PERM; i++)
        base_buf_printf(out, " %s=%" PRIu64, dane_socketmap_word_name((enum dane_socketmap_word)i),
                        server->counts.replies[i]);
}

static void print(const struct policy_server *server, struct base_buf *out)
{
    struct number numbers[NUMBERS];
    size_t count = collect(server, numbers);
    for (size_t i = 0; i < count; i++)
        base_buf_printf(out,
                        "# HELP kenter_policy_%s %s\n# TYPE kenter_policy_%s %s\n"
                        "kenter_policy_%s %" PRIu64 "\n",
                        numbers[i].name, numbers[i].help, numbers[i].name,
                        numbers[i].gauge ? "gauge" : "counter", numbers[i].name, numbers[i].value);
    base_buf_text(out, "# HELP kenter_policy_replies_total Replies that were not from the cache.\n"
                       "# TYPE kenter_policy_replies_total counter\n");
    for (size_t i = 0; i <= DANE_SOCKETMAP_PERM; i++)
        base_buf_printf(out, "kenter_policy_replies_total{word=\"%s\"} %" PRIu64 "\n",
                        dane_socketmap_word_name((enum dane_socketmap_word)i),
                        server->counts.replies[i]);
    base_buf_text(out, "# HELP kenter_policy_levels_total Policies given, not from the cache.\n"
                       "# TYPE kenter_policy_levels_total counter\n");
    for (size_t i = 0; i < 5; i++)
        base_buf_printf(out, "kenter_policy_levels_total{level=\"%s\"} %" PRIu64 "\n",
                        policy_levels[i], server->counts.levels[i]);
    base_buf_printf(out,
                    "# HELP kenter_policy_answer_seconds_total Time that plans took.\n"
                    "# TYPE kenter_policy_answer_seconds_total counter\n"
                    "kenter_policy_answer_seconds_total %.6f\n",
                    (double)server->counts.answer_ns / 1e9);
}

void policy_metrics_write(struct policy_server *server)
{
    struct base_file_writer *writer;
    struct base_buf text;
    base_buf_init(&text, 64 * 1024);
    print(server, &text);
    int status = text.error;
    if (status == BASE_OK)
        status = base_file_create(server->options.metrics, 0644, &writer);
    if (status == BASE_OK) {
        status = base_file_write(writer, text.data, text.length);
        if (status == BASE_OK)
            status = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    if (status != BASE_OK)
        base_log(server->log, base_clock_now(), BASE_LOG_WARNING, "%s cannot be written: %s",
                 server->options.metrics, base_strerror(status));
    base_buf_free(&text);
}
