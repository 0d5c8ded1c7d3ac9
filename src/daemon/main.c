/* kenterd: options and start. */
#include "base/error.h"
#include "daemon/keeper.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: kenterd --zones DIR [--data DIR] [options]\n"
    "\n"
    "Keeps a directory of zone files signed: every NAME.zone (NAME.db, db.NAME) in DIR is "
    "checked,\n"
    "signed, verified independently and written to DATA/signed/NAME.zone, where BIND, Knot or NSD\n"
    "can serve it from. Edits are seen at once and signed as a difference; signatures are made "
    "anew\n"
    "before they expire. A broken file keeps the last good version published and re-signed.\n"
    "With --listen, kenterd answers queries for the zones itself.\n"
    "\n"
    "  --zones DIR          the zone files (required)\n"
    "  --data DIR           where keys/, signed/, removed/ and image/ are kept (default: var)\n"
    "  --listen ADDRESS     serve the zones on this address, 192.0.2.1 or [2001:db8::1]@5300, by\n"
    "                       UDP and TCP; port 53 if none is given; may be given again\n"
    "  --allow-transfer NET who may transfer zones, 192.0.2.0/24; may be given again (default: "
    "only\n"
    "                       this machine)\n"
    "  --policy FILE        signing policy (default: built in, see docs/policy.md)\n"
    "  --threads N          workers, of signing and of answering (default: one per CPU)\n"
    "  --once               do what is due now, then end; 1 when a zone was refused\n"
    "  --log-format FORMAT  text or json (default: text), on standard error\n"
    "  --log-level LEVEL    debug, info, warning or error (default: info)\n"
    "  --version, --help\n"
    "\n"
    "Signals: SIGHUP reads the policy again and looks at every zone, SIGTERM ends.\n"
    "\n"
    "Example:\n"
    "  kenterd --zones /etc/zones --data /var/lib/kenter --listen 192.0.2.53\n";

enum option_code {
    ZONES = 1,
    DATA,
    LISTEN,
    TRANSFER,
    POLICY,
    THREADS,
    ONCE,
    FORMAT,
    LEVEL,
    VERSION,
    HELP
};

static const struct option table[] = {
    {"zones", required_argument, NULL, ZONES},
    {"data", required_argument, NULL, DATA},
    {"listen", required_argument, NULL, LISTEN},
    {"allow-transfer", required_argument, NULL, TRANSFER},
    {"policy", required_argument, NULL, POLICY},
    {"threads", required_argument, NULL, THREADS},
    {"once", no_argument, NULL, ONCE},
    {"log-format", required_argument, NULL, FORMAT},
    {"log-level", required_argument, NULL, LEVEL},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {0},
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "kenterd: %s%s%s\nTry: kenterd --help\n", what, value ? ": " : "",
            value ? value : "");
    return 2;
}

static int take_listen(struct daemon_options *options, const char *text)
{
    struct net_endpoint endpoint = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    if (options->listen_count == DAEMON_LISTEN_MAX)
        return 1 + usage_error("too many --listen", NULL);
    if (net_address_parse(text, 53, &endpoint.address) != BASE_OK)
        return 1 + usage_error("--listen needs an address such as 192.0.2.1@53, not", text);
    options->listen[options->listen_count++] = endpoint;
    return 0;
}

static int take_transfer(struct daemon_options *options, const char *text)
{
    if (options->transfer_count == DAEMON_PREFIXES_MAX)
        return 1 + usage_error("too many --allow-transfer", NULL);
    if (daemon_prefix_parse(text, &options->transfer[options->transfer_count]) != BASE_OK)
        return 1 + usage_error("--allow-transfer needs a network such as 192.0.2.0/24, not", text);
    options->transfer_count++;
    return 0;
}

/* Takes one option; 0 to go on, otherwise the exit code plus one. */
static int take(struct daemon_options *options, int code)
{
    switch (code) {
    case ZONES:
        options->zones = optarg;
        return 0;
    case DATA:
        options->data = optarg;
        return 0;
    case LISTEN:
        return take_listen(options, optarg);
    case TRANSFER:
        return take_transfer(options, optarg);
    case POLICY:
        options->policy = optarg;
        return 0;
    case THREADS: {
        char *end;
        unsigned long threads = strtoul(optarg, &end, 10);
        if (*optarg < '0' || *optarg > '9' || *end != '\0' || threads > 1024)
            return 1 + usage_error("--threads needs a number up to 1024", optarg);
        options->threads = (unsigned)threads;
        return 0;
    }
    case ONCE:
        options->once = true;
        return 0;
    case FORMAT:
        if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
            return 1 + usage_error("--log-format is text or json, not", optarg);
        options->log.json = optarg[0] == 'j';
        return 0;
    case LEVEL: {
        int level = base_log_level_by_name(optarg);
        if (level < 0)
            return 1 + usage_error("--log-level is debug, info, warning or error, not", optarg);
        options->log.least = (enum base_log_level)level;
        return 0;
    }
    case VERSION:
        puts("kenterd " KENTER_VERSION);
        return 1;
    case HELP:
        fputs(help, stdout);
        return 1;
    default:
        fputs("Try: kenterd --help\n", stderr);
        return 1 + 2;
    }
}

int main(int argc, char **argv)
{
    struct daemon_options options = {.data = "var",
                                     .log = {.least = BASE_LOG_INFO, .fd = STDERR_FILENO}};
    int code;
    while ((code = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int end = take(&options, code);
        if (end != 0)
            return end - 1;
    }
    if (optind < argc)
        return usage_error("what is this for", argv[optind]);
    if (options.zones == NULL)
        return usage_error("--zones is missing: the directory with the zone files", NULL);
    if (options.listen_count == 0 && options.transfer_count > 0)
        return usage_error("--allow-transfer needs --listen", NULL);
    if (options.listen_count > 0 && options.once)
        return usage_error("--once ends when the zones are signed, so it does not --listen", NULL);
    return daemon_keep(&options);
}
