/* The command line of kenterd: see options.h. */
#include "daemon/options.h"

#include "base/error.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: kenterd --zones DIR [--data DIR] [--listen ADDRESS] [options]\n"
    "       kenterd --config FILE [options]\n"
    "\n"
    "Keeps zones signed and serves them. Every NAME.zone (NAME.db, db.NAME) in DIR is checked,\n"
    "signed, verified independently, and published. Edits are seen at once and signed as a\n"
    "difference; signatures are made anew before they expire. A broken file keeps the last good\n"
    "version published and re-signed. With a file of settings zones can also come from primaries,\n"
    "catalog zones, DNS UPDATE and the API.\n"
    "\n"
    "  --config FILE        settings (see docs/config.md, kenter.yaml(5))\n"
    "  --zones DIR          zone files\n"
    "  --data DIR           where keys/, image/ and registry.db are kept (default: var)\n"
    "  --listen ADDRESS     answer queries on this address, 192.0.2.1 or [2001:db8::1]@5300, by\n"
    "                       UDP and TCP; port 53 if none is given; may be given again.\n"
    "                       Without it the signed zones are written to DATA/signed/NAME.zone\n"
    "  --allow-transfer NET who may transfer zones, 192.0.2.0/24; may be given again (default:\n"
    "                       only this machine)\n"
    "  --export DIR         also write the signed zones there, NAME.zone, each as a whole\n"
    "  --policy FILE        signing policy (default: built in, see docs/policy.md)\n"
    "  --metrics ADDRESS    status page, /metrics and /healthz there by plain HTTP, for a browser "
    "and\n"
    "                       for Prometheus; port 9353 if none is given (default: nowhere)\n"
    "  --socket PATH        of the API, which kenter talks to (default: DATA/kenter.sock)\n"
    "  --threads N          workers, of signing and of answering each (default: one per CPU)\n"
    "  --once               sign what is due now into DATA/signed, then end; 1 when a zone was\n"
    "                       refused\n"
    "  --check              read the settings, print them with all defaults, and end\n"
    "  --backup FILE        copy the registry of zones and edits to FILE, whole and checked, and "
    "end;\n"
    "                       also while another kenterd uses it\n"
    "  --log-format FORMAT  text or json (default: text), on standard error\n"
    "  --log-level LEVEL    debug, info, warning or error (default: info)\n"
    "  --version, --help\n"
    "\n"
    "Signals: SIGHUP reads the settings again and looks at every zone, SIGTERM ends.\n"
    "\n"
    "Example:\n"
    "  kenterd --zones /etc/zones --data /var/lib/kenter --listen 192.0.2.53\n"
    "  kenter --socket /var/lib/kenter/kenter.sock zones\n";

enum option_code {
    CONFIG = 1,
    ZONES,
    DATA,
    LISTEN,
    TRANSFER,
    POLICY,
    METRICS,
    SOCKET,
    EXPORT,
    THREADS,
    ONCE,
    CHECK,
    BACKUP,
    FORMAT,
    LEVEL,
    ROLE,
    VERSION,
    HELP
};

static const struct option table[] = {
    {"config", required_argument, NULL, CONFIG},
    {"zones", required_argument, NULL, ZONES},
    {"data", required_argument, NULL, DATA},
    {"listen", required_argument, NULL, LISTEN},
    {"allow-transfer", required_argument, NULL, TRANSFER},
    {"policy", required_argument, NULL, POLICY},
    {"metrics", required_argument, NULL, METRICS},
    {"socket", required_argument, NULL, SOCKET},
    {"export", required_argument, NULL, EXPORT},
    {"threads", required_argument, NULL, THREADS},
    {"once", no_argument, NULL, ONCE},
    {"check", no_argument, NULL, CHECK},
    {"backup", required_argument, NULL, BACKUP},
    {"log-format", required_argument, NULL, FORMAT},
    {"log-level", required_argument, NULL, LEVEL},
    {"role", required_argument, NULL, ROLE},
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

static int take_text(const char *const **list, size_t *count, const char *text, const char *option)
{
    if (*count == DAEMON_LIST_MAX)
        return 1 + usage_error("too many", option);
    const char **grown = realloc((void *)*list, (*count + 1) * sizeof(*grown));
    if (grown == NULL)
        return 1 + 3;
    grown[(*count)++] = text;
    *list = grown;
    return 0;
}

static int take_threads(struct daemon_options *options, const char *text)
{
    char *end;
    unsigned long threads = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || threads > 1024)
        return 1 + usage_error("--threads needs a number up to 1024", text);
    options->threads = (unsigned)threads;
    options->threads_given = true;
    return 0;
}

static int take_format(struct daemon_options *options, const char *text)
{
    if (strcmp(text, "json") != 0 && strcmp(text, "text") != 0)
        return 1 + usage_error("--log-format is text or json, not", text);
    options->log.json = text[0] == 'j';
    options->json_given = true;
    return 0;
}

static int take_level(struct daemon_options *options, const char *text)
{
    int level = base_log_level_by_name(text);
    if (level < 0)
        return 1 + usage_error("--log-level is debug, info, warning or error, not", text);
    options->log.least = (enum base_log_level)level;
    options->level_given = true;
    return 0;
}

/* Takes one option; 0 to go on, otherwise the exit code plus one. */
static int take(struct daemon_options *options, int code)
{
    switch (code) {
    case CONFIG:
        options->config = optarg;
        return 0;
    case ZONES:
        options->zones = optarg;
        return 0;
    case DATA:
        options->data = optarg;
        return 0;
    case LISTEN:
        return take_text(&options->listen, &options->listen_count, optarg, "--listen");
    case TRANSFER:
        return take_text(&options->transfer, &options->transfer_count, optarg, "--allow-transfer");
    case POLICY:
        options->policy = optarg;
        return 0;
    case METRICS:
        options->metrics = optarg;
        return 0;
    case SOCKET:
        options->socket = optarg;
        return 0;
    case EXPORT:
        options->export_directory = optarg;
        return 0;
    case THREADS:
        return take_threads(options, optarg);
    case ONCE:
        options->once = true;
        return 0;
    case CHECK:
        options->check = true;
        return 0;
    case BACKUP:
        options->backup = optarg;
        return 0;
    case FORMAT:
        return take_format(options, optarg);
    case LEVEL:
        return take_level(options, optarg);
    case ROLE:
        options->role = optarg;
        return 0;
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

/* Options that do not go together. */
static int check(const struct daemon_options *options)
{
    bool from_file = options->config != NULL;
    if (!from_file && options->zones == NULL && options->backup == NULL)
        return usage_error("--zones is missing: the directory with the zone files (or --config)",
                           NULL);
    if (from_file &&
        (options->zones != NULL || options->policy != NULL || options->metrics != NULL ||
         options->listen_count > 0 || options->transfer_count > 0))
        return usage_error("with --config, zones, policies, addresses and networks stand in that "
                           "file",
                           options->config);
    if (!from_file && options->listen_count == 0 && options->transfer_count > 0)
        return usage_error("--allow-transfer needs --listen", NULL);
    if (options->listen_count > 0 && options->once)
        return usage_error("--once ends when the zones are signed, so it does not --listen", NULL);
    return 0;
}

int daemon_options_read(int argc, char **argv, struct daemon_options *options)
{
    *options = (struct daemon_options){.log = {.least = BASE_LOG_INFO, .fd = STDERR_FILENO}};
    int code;
    while ((code = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int end = take(options, code);
        if (end != 0)
            return end;
    }
    if (optind < argc)
        return 1 + usage_error("what is this for", argv[optind]);
    int bad = check(options);
    return bad != 0 ? 1 + bad : 0;
}

void daemon_options_free(struct daemon_options *options)
{
    free((void *)options->listen);
    free((void *)options->transfer);
}

/* --- to settings --- */

static int add_listen(struct config *config, const char *text)
{
    int error = config_add_listen(config, text);
    if (error == BASE_EFORMAT)
        usage_error("--listen needs an address such as 192.0.2.1@53, not", text);
    else if (error != BASE_OK)
        usage_error("--listen", text);
    return error;
}

static int set_metrics(struct config *config, const char *text)
{
    int error = config_set_metrics(config, text);
    if (error != BASE_OK)
        usage_error("--metrics needs an address such as 127.0.0.1@9353, not", text);
    return error;
}

static int add_transfer(struct config *config, const char *text)
{
    int error = config_allow_transfer(config, text);
    if (error != BASE_OK)
        usage_error("--allow-transfer needs a network such as 192.0.2.0/24, not", text);
    return error;
}

static void say(const struct daemon_options *options, struct base_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        base_log_finding(&options->log, base_clock_now(), &findings->items[i]);
}

/* The policy and the networks first: directories take them over. */
static int from_options(const struct daemon_options *options, struct base_findings *findings,
                        struct config *config)
{
    config->data = "var";
    int error = BASE_OK;
    if (options->policy != NULL)
        error = config_set_policy(config, options->policy, findings);
    if (error == BASE_OK && options->metrics != NULL)
        error = set_metrics(config, options->metrics);
    for (size_t i = 0; error == BASE_OK && i < options->transfer_count; i++)
        error = add_transfer(config, options->transfer[i]);
    for (size_t i = 0; error == BASE_OK && i < options->listen_count; i++)
        error = add_listen(config, options->listen[i]);
    if (error == BASE_OK && options->zones != NULL)
        error = config_add_directory(config, options->zones);
    return error;
}

int daemon_options_config(const struct daemon_options *options, struct config **out)
{
    struct config *config = NULL;
    struct base_findings findings;
    base_findings_init(&findings, 100);
    int error = BASE_OK;
    if (options->config != NULL) {
        error = config_read(options->config, &findings, &config);
    } else {
        error = config_default(&config);
        if (error == BASE_OK)
            error = from_options(options, &findings, config);
    }
    say(options, &findings);
    base_findings_free(&findings);
    if (error != BASE_OK) {
        config_free(config);
        return error;
    }
    if (options->data != NULL)
        config->data = options->data;
    if (options->socket != NULL)
        config->socket = options->socket;
    if (options->export_directory != NULL)
        config->export_directory = options->export_directory;
    if (options->threads_given)
        config->threads = options->threads;
    if (options->json_given || options->config == NULL)
        config->log.json = options->log.json;
    if (options->level_given || options->config == NULL)
        config->log.least = options->log.least;
    config->log.fd = STDERR_FILENO;
    *out = config;
    return BASE_OK;
}
