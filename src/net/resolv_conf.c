/* Reading /etc/resolv.conf: see resolv_conf.h. */
#include "net/resolv_conf.h"

#include "base/error.h"

#include <string.h>

#define TIMEOUT_MOST_S 30
#define ATTEMPTS_MOST  5

/* A word of a line; false at its end. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r'))
        (*at)++;
    *word = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r')
        (*at)++;
    *length = (size_t)(*at - *word);
    return *length > 0;
}

static bool is_word(const char *word, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(word, text, length) == 0;
}

/* "timeout:2": the number, at most `most`. */
static bool number_of(const char *word, size_t length, const char *name, unsigned most,
                      unsigned *out)
{
    size_t size = strlen(name);
    unsigned value = 0;
    if (length <= size || memcmp(word, name, size) != 0)
        return false;
    for (size_t i = size; i < length; i++) {
        if (word[i] < '0' || word[i] > '9')
            return false;
        value = value * 10 + (unsigned)(word[i] - '0');
        value = value < most ? value : most;
    }
    *out = value;
    return true;
}

static void take_server(const char *word, size_t length, struct net_resolv_conf *conf)
{
    char text[NET_ADDRESS_TEXT];
    if (length >= sizeof(text) || conf->count == NET_RESOLV_CONF_SERVERS)
        return;
    memcpy(text, word, length);
    text[length] = '\0';
    if (net_address_parse(text, 53, &conf->servers[conf->count]) == BASE_OK)
        conf->count++;
}

static void take_option(const char *word, size_t length, struct net_resolv_conf *conf)
{
    unsigned seconds;
    if (number_of(word, length, "timeout:", TIMEOUT_MOST_S, &seconds))
        conf->timeout_ms = seconds * 1000;
    else if (is_word(word, length, "use-vc"))
        conf->tcp = true;
    else
        number_of(word, length, "attempts:", ATTEMPTS_MOST, &conf->attempts);
}

static void take_line(const char *at, const char *end, struct net_resolv_conf *conf)
{
    const char *word;
    size_t length;
    if (!next_word(&at, end, &word, &length) || *word == '#' || *word == ';')
        return;
    bool server = is_word(word, length, "nameserver");
    if (!server && !is_word(word, length, "options"))
        return;
    while (next_word(&at, end, &word, &length)) {
        if (!server) {
            take_option(word, length, conf);
            continue;
        }
        take_server(word, length, conf);
        return;
    }
}

void net_resolv_conf_parse(const char *text, size_t length, struct net_resolv_conf *out)
{
    const char *at = text, *end = text + length;
    *out = (struct net_resolv_conf){.count = 0};
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        take_line(at, stop, out);
        at = stop + (stop < end);
    }
    if (out->count == 0)
        take_server("127.0.0.1", strlen("127.0.0.1"), out);
}
