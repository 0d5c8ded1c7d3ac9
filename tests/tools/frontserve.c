/*
 * The serve process by itself, with this program in the place of control: zone files are published
 * into an image, and what comes over the link is told and answered as commands say.
 *
 * usage: frontserve [--NAME VALUE]... IMAGE-DIRECTORY ORIGIN=FILE...
 *   listen ADDRESS; tls-listen ADDRESS; tls CERT,KEY[,CA]; key NAME:ALGORITHM:BASE64;
 *   allow [NETWORK][,key=NAME][,identity=NAME]; update-key NAME; exempt NETWORK; rate N; workers N;
 *   history OCTETS; connections N
 *
 * Prints "ready ADDRESS..."; then "notify KEY ZONE" and "update KEY LENGTH" for what comes. Lines
 * on standard input: "publish ORIGIN=FILE" prints "published SERIAL"; "template ORIGIN NUMBER";
 * "count" prints the metrics and an empty line; "updates answer|hold"; "reopen" makes the image
 * anew; "leave" closes the link, "join" makes another. The end of input stops it all.
 */
#include "base/codec.h"
#include "base/error.h"
#include "front/front.h"
#include "image/image.h"
#include "net/listeners.h"
#include "process/channel.h"
#include "serve/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ZONES_MAX 64
#define LIST_MAX  16

static struct {
    struct config *config;
    struct config_listen listen[LIST_MAX];
    struct dns_tsig_key keys[LIST_MAX];
    struct config_match allow[LIST_MAX];
    struct config_update_rule rules[LIST_MAX];
    struct config_match exempt[LIST_MAX];
    const char *directory;
    struct image *image;
    struct zone *zones[ZONES_MAX];
    size_t zone_count;
    size_t history;
    int link, supervisor;
    bool hold;
} tool = {.history = 1 << 20, .link = -1};

static void die(const char *what, int error)
{
    fprintf(stderr, "frontserve: %s: %s\n", what, base_strerror(error));
    exit(2);
}

static uint8_t *wire_name(const char *text, size_t length)
{
    uint8_t *name = malloc(DNS_NAME_MAX);
    size_t used;
    static const uint8_t root[1];
    if (name == NULL || dns_name_from_text(name, &used, text, length, root) != BASE_OK)
        die(text, BASE_EFORMAT);
    dns_name_lower(name, name);
    return name;
}

/* --- settings --- */

static void add_listen(const char *text, unsigned protocols)
{
    struct config_listen *listen = &tool.listen[tool.config->listen_count++];
    if (net_address_parse(text, 53, &listen->address) != BASE_OK)
        die(text, BASE_EFORMAT);
    listen->protocols = protocols;
}

static void add_key(char *text)
{
    struct dns_tsig_key *key = &tool.keys[tool.config->key_count++];
    char *algorithm = strchr(text, ':'), *secret = algorithm ? strchr(algorithm + 1, ':') : NULL;
    if (secret == NULL)
        die(text, BASE_EFORMAT);
    *algorithm++ = *secret++ = '\0';
    uint8_t *octets = malloc(strlen(secret) + 1);
    key->name = wire_name(text, strlen(text));
    if (octets == NULL || dns_tsig_algorithm_from_text(algorithm, &key->algorithm) != BASE_OK ||
        base_base64_decode(octets, strlen(secret), &key->secret_length, secret, strlen(secret)) !=
            BASE_OK)
        die(secret, BASE_EFORMAT);
    key->secret = octets;
}

static const struct dns_tsig_key *key_by_name(const char *text)
{
    uint8_t *name = wire_name(text, strlen(text));
    for (size_t i = 0; i < tool.config->key_count; i++) {
        if (dns_name_equal(tool.keys[i].name, name)) {
            free(name);
            return &tool.keys[i];
        }
    }
    die(text, BASE_ENOENT);
    return NULL;
}

static void add_match(struct config_match *match, char *text)
{
    for (char *part = strtok(text, ","); part != NULL; part = strtok(NULL, ",")) {
        if (strncmp(part, "key=", 4) == 0)
            match->key = key_by_name(part + 4);
        else if (strncmp(part, "identity=", 9) == 0)
            match->identity = part + 9;
        else if (config_network_parse(part, match) != BASE_OK)
            die(part, BASE_EFORMAT);
    }
}

static void set_tls(char *text)
{
    tool.config->tls_certificate = strtok(text, ",");
    tool.config->tls_key = strtok(NULL, ",");
    tool.config->tls_clients = strtok(NULL, ",");
}

static void set_option(const char *name, char *value)
{
    struct config *config = tool.config;
    if (strcmp(name, "listen") == 0) {
        add_listen(value, NET_LISTEN_UDP | NET_LISTEN_TCP);
    } else if (strcmp(name, "tls-listen") == 0) {
        add_listen(value, NET_LISTEN_TLS);
    } else if (strcmp(name, "tls") == 0) {
        set_tls(value);
    } else if (strcmp(name, "key") == 0) {
        add_key(value);
    } else if (strcmp(name, "allow") == 0) {
        add_match(&tool.allow[config->standard.transfer.count++], value);
    } else if (strcmp(name, "exempt") == 0) {
        add_match(&tool.exempt[config->exempt.count++], value);
    } else if (strcmp(name, "update-key") == 0) {
        struct config_update_rule *rule = &tool.rules[config->standard.update_count++];
        rule->who.key = key_by_name(value);
        rule->grant = true;
    } else if (strcmp(name, "rate") == 0) {
        config->limit = true;
        for (size_t i = 0; i < NET_KINDS; i++)
            config->rate.per_second[i] = (uint32_t)atoi(value);
    } else if (strcmp(name, "workers") == 0) {
        config->threads = (unsigned)atoi(value);
    } else if (strcmp(name, "connections") == 0) {
        config->connections = (unsigned)atoi(value);
    } else if (strcmp(name, "history") == 0) {
        tool.history = (size_t)atoll(value);
    } else {
        die(name, BASE_EINVAL);
    }
}

static void settle(void)
{
    struct config *config = tool.config;
    config->listen = tool.listen;
    config->keys = tool.keys;
    config->standard.transfer.matches = tool.allow;
    config->standard.update = tool.rules;
    config->exempt.matches = tool.exempt;
    config->version = "Kenter";
    config->identity = "ns1.test";
    config->nsid = (const uint8_t *)"ns1";
    config->nsid_length = 3;
}

/* --- the image --- */

static void open_image(void)
{
    struct image_options options = {.writer = true, .no_sync = true, .readers = 1024};
    int error = image_open(tool.directory, &options, &tool.image);
    if (error != BASE_OK)
        die(tool.directory, error);
}

static void put(struct zone *zone, struct zone *previous)
{
    struct image_publish request = {.zone = zone,
                                    .previous = previous,
                                    .now = base_clock_now(),
                                    .history_bytes = tool.history,
                                    .history_versions = 100};
    int error = image_publish(tool.image, &request, NULL);
    if (error != BASE_OK)
        die("publishing", error);
}

static uint32_t publish(char *argument)
{
    char *file = strchr(argument, '=');
    if (file == NULL)
        die(argument, BASE_EINVAL);
    uint8_t *origin = wire_name(argument, (size_t)(file - argument));
    struct dns_zonefile_options options = {.origin = origin, .include_anywhere = true};
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone;
    int error = zone_load(file + 1, &options, &findings, &zone);
    if (error != BASE_OK)
        die(file + 1, error);
    base_findings_free(&findings);
    size_t i = 0;
    while (i < tool.zone_count && !dns_name_equal(tool.zones[i]->apex, zone->apex))
        i++;
    if (i == ZONES_MAX)
        die(argument, BASE_ELIMIT);
    struct zone *previous = i < tool.zone_count ? tool.zones[i] : NULL;
    put(zone, previous);
    zone_release(previous);
    tool.zones[i] = zone;
    tool.zone_count += i == tool.zone_count;
    free(origin);
    return zone->serial;
}

static void send_to_front(uint32_t type)
{
    process_send(tool.link, &(struct process_message){.type = type, .fd = -1}, 0);
}

static void reopen(void)
{
    image_close(tool.image);
    if (image_discard(tool.directory) != BASE_OK)
        die(tool.directory, BASE_EIO);
    open_image();
    for (size_t i = 0; i < tool.zone_count; i++)
        put(tool.zones[i], NULL);
    send_to_front(SERVE_LINK_REOPEN);
}

/* --- the link --- */

static void leave(void)
{
    close(tool.link);
    tool.link = -1;
}

static void answer_update(const struct process_message *message, const uint8_t *query,
                          size_t length)
{
    uint8_t response[512];
    size_t at;
    if (length > sizeof(response) || dns_questions_skip(query, length, &at) != BASE_OK)
        return;
    memcpy(response, query, at);
    response[2] |= 0x80;
    memset(response + 6, 0, 6);
    struct process_message answer = {
        .id = message->id, .type = SERVE_LINK_ANSWER, .data = response, .length = at, .fd = -1};
    process_send(tool.link, &answer, 0);
}

static void handle_link(void)
{
    static uint8_t buffer[PROCESS_MESSAGE_MAX];
    struct process_message message;
    struct serve_link_head head;
    int error = process_receive(tool.link, buffer, &message, 0);
    if (error == BASE_ENOENT)
        leave();
    if (error != BASE_OK)
        return;
    if (message.type == SERVE_LINK_COUNTED) {
        fwrite(message.data, 1, message.length, stdout);
        printf("\n");
    } else if (message.length > sizeof(head) + DNS_MESSAGE_HEADER) {
        char key[DNS_NAME_TEXT] = "-", zone[DNS_NAME_TEXT];
        memcpy(&head, message.data, sizeof(head));
        const uint8_t *query = message.data + sizeof(head);
        size_t length = message.length - sizeof(head);
        if (head.key[0] != 0)
            dns_name_text(key, head.key);
        dns_name_text(zone, query + DNS_MESSAGE_HEADER);
        if (message.type == SERVE_LINK_NOTIFY)
            printf("notify %s %s\n", key, zone);
        else
            printf("update %s %zu\n", key, length);
        if (message.type == SERVE_LINK_UPDATE && !tool.hold)
            answer_update(&message, query, length);
    }
    fflush(stdout);
}

/* --- the serve process --- */

static void send_to_child(const struct process_message *message)
{
    int error = process_send(tool.supervisor, message, 0);
    if (error != BASE_OK)
        die("serve process", error);
}

/* Makes a channel, and gives the serve process the other end. */
static void join(void)
{
    int ends[2];
    if (process_channel_pair(ends) != BASE_OK)
        die("channel", BASE_EIO);
    send_to_child(&(struct process_message){.type = PROCESS_PEER,
                                            .value = 1,
                                            .data = (const uint8_t *)"control",
                                            .length = 7,
                                            .fd = ends[1]});
    close(ends[1]);
    tool.link = ends[0];
}

static pid_t start(void)
{
    int ends[2];
    if (process_channel_pair(ends) != BASE_OK)
        die("channel", BASE_EIO);
    pid_t pid = fork();
    if (pid == 0) {
        struct base_log log = {.least = BASE_LOG_DEBUG, .fd = 2, .part = "serve"};
        struct process_child child;
        close(ends[0]);
        if (process_child_over(&child, ends[1]) != BASE_OK)
            die("serve process", BASE_EIO);
        struct front_options options = {
            .config = tool.config, .image = tool.directory, .child = &child, .log = &log};
        int code = front_run(&options);
        process_child_end(&child);
        config_free(tool.config);
        exit(code);
    }
    close(ends[1]);
    tool.supervisor = ends[0];
    return pid;
}

/* Opens the sockets, gives them away, and prints their addresses. */
static struct net_listeners *give_sockets(void)
{
    struct net_endpoint endpoints[LIST_MAX];
    struct net_listeners *listeners;
    size_t count = tool.config->listen_count;
    for (size_t i = 0; i < count; i++)
        endpoints[i] = (struct net_endpoint){tool.listen[i].address, tool.listen[i].protocols};
    int error = net_listeners_new(tool.config->threads, 1024, &listeners);
    if (error == BASE_OK)
        error = net_listeners_open(listeners, endpoints, count, NULL);
    if (error != BASE_OK)
        die("sockets", error);
    size_t sockets;
    const struct net_listener *all = net_listeners_all(listeners, &sockets);
    for (size_t i = 0; i < sockets; i++)
        send_to_child(
            &(struct process_message){.id = all[i].endpoint,
                                      .type = PROCESS_SOCKET,
                                      .value = process_socket_value(all[i].worker, all[i].protocol),
                                      .fd = all[i].fd});
    send_to_child(
        &(struct process_message){.type = PROCESS_SOCKETS, .value = (uint32_t)sockets, .fd = -1});
    return listeners;
}

static void await_ready(const struct net_listeners *listeners)
{
    static uint8_t buffer[PROCESS_MESSAGE_MAX];
    struct process_message message = {0};
    union net_address address;
    while (message.type != PROCESS_READY) {
        int error = process_receive(tool.supervisor, buffer, &message, -1);
        if (error != BASE_OK)
            die("serve process", error);
    }
    printf("ready");
    for (size_t i = 0; net_listeners_address(listeners, i, &address) == BASE_OK; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&address, text);
        printf(" %s", text);
    }
    printf("\n");
    fflush(stdout);
}

/* --- commands --- */

static void command(char *line)
{
    char *word = strtok(line, " "), *rest = strtok(NULL, "");
    if (word == NULL) {
        return;
    } else if (strcmp(word, "publish") == 0 && rest != NULL) {
        printf("published %u\n", publish(rest));
        fflush(stdout);
    } else if (strcmp(word, "template") == 0 && rest != NULL) {
        char *number = strchr(rest, ' ');
        uint8_t *name = wire_name(rest, (size_t)(number - rest));
        int error = image_set_template(tool.image, name, strtoull(number + 1, NULL, 10));
        free(name);
        printf("template %s\n", base_strerror(error));
        fflush(stdout);
    } else if (strcmp(word, "count") == 0) {
        send_to_front(SERVE_LINK_COUNT);
    } else if (strcmp(word, "updates") == 0 && rest != NULL) {
        tool.hold = strcmp(rest, "hold") == 0;
    } else if (strcmp(word, "reopen") == 0) {
        reopen();
    } else if (strcmp(word, "leave") == 0) {
        leave();
    } else if (strcmp(word, "join") == 0) {
        join();
    } else {
        die(word, BASE_EINVAL);
    }
}

/* Reads what has come on standard input; false at its end. */
static bool read_commands(void)
{
    static char buffer[65536];
    static size_t length;
    ssize_t more = read(0, buffer + length, sizeof(buffer) - 1 - length);
    if (more <= 0)
        return false;
    length += (size_t)more;
    buffer[length] = '\0';
    char *at = buffer, *end;
    while ((end = strchr(at, '\n')) != NULL) {
        *end = '\0';
        command(at);
        at = end + 1;
    }
    length -= (size_t)(at - buffer);
    memmove(buffer, at, length);
    return true;
}

static int stop(pid_t pid)
{
    int status;
    send_to_child(&(struct process_message){.type = PROCESS_STOP, .fd = -1});
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

static void tidy(struct net_listeners *listeners)
{
    net_listeners_free(listeners);
    for (size_t i = 0; i < tool.zone_count; i++)
        zone_release(tool.zones[i]);
    image_close(tool.image);
    config_free(tool.config);
}

int main(int argc, char **argv)
{
    int error = config_default(&tool.config);
    if (error != BASE_OK)
        die("settings", error);
    tool.config->limit = false;
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        set_option(argv[at] + 2, argv[at + 1]);
    settle();
    if (at == argc)
        die("no directory for the image", BASE_EINVAL);
    tool.directory = argv[at++];
    pid_t pid = start(); /* before this process has the image open */
    open_image();
    for (; at < argc; at++)
        publish(argv[at]);
    join();
    struct net_listeners *listeners = give_sockets();
    await_ready(listeners);
    for (;;) {
        struct pollfd waits[] = {{.fd = 0, .events = POLLIN}, {.fd = tool.link, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents != 0)
            handle_link();
        if (waits[0].revents != 0 && !read_commands())
            break;
    }
    int code = stop(pid);
    if (tool.link >= 0)
        leave();
    tidy(listeners);
    return code;
}
