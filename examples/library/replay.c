/*
 * Judges a question by packets from files, at a given time, by given anchors: nothing is sent.
 *
 *     replay DIRECTORY
 *
 * The directory has:
 *     case          lines: "name NAME", "type TYPE", "now SECONDS" (since the epoch), and, when it
 *                   is to be compared, "status secure|insecure|bogus|indeterminate|error"
 *     anchors       DS or DNSKEY records in the form of zone files
 *     *.packet      DNS messages as they came over UDP. Which one answers which query is told by
 *                   their question. A file ADDRESS/NAME.packet is what that server answers.
 *
 * Ends with 0 when the status is as expected (or nothing is expected), 1 when not, 3 on errors.
 */
#include <dirent.h>
#include <kenter/resolve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
    struct packet *next;
    struct kenter_name name;
    unsigned type;
    char server[128]; /* "": the resolver's */
    size_t length;
    uint8_t data[65535];
};

struct replay {
    struct packet *packets;
    char name[1100], status[32];
    uint16_t type;
    long long now;
};

static int64_t fixed_clock(void *context)
{
    return ((struct replay *)context)->now;
}

/* The question of a message, which stands behind the header of 12 octets, uncompressed. */
static int read_question(struct packet *packet)
{
    size_t at = 12;
    if (packet->length < 17)
        return 0;
    while (packet->data[at] != 0 && packet->data[at] < 64 && at - 12 < KENTER_NAME_MAX)
        at += 1u + packet->data[at];
    if (packet->data[at] != 0 || at - 12 >= KENTER_NAME_MAX || at + 5 > packet->length)
        return 0;
    packet->name.length = (uint8_t)(at + 1 - 12);
    memcpy(packet->name.wire, packet->data + 12, packet->name.length);
    packet->type = packet->data[at + 1] * 256u + packet->data[at + 2];
    return 1;
}

static void read_packet(struct replay *replay, const char *path, const char *server)
{
    struct packet *packet = (struct packet *)calloc(1, sizeof(*packet));
    FILE *file = fopen(path, "rb");
    if (packet != NULL && file != NULL) {
        snprintf(packet->server, sizeof(packet->server), "%s", server);
        packet->length = fread(packet->data, 1, sizeof(packet->data), file);
        if (read_question(packet)) {
            packet->next = replay->packets;
            replay->packets = packet;
            packet = NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    free(packet);
}

static void read_directory(struct replay *replay, const char *path, const char *server)
{
    char below[4096];
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        if (length > 7 && strcmp(entry->d_name + length - 7, ".packet") == 0)
            read_packet(replay, below, server);
        else if (server[0] == '\0' && entry->d_type == DT_DIR)
            read_directory(replay, below, entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
}

static int read_case(struct replay *replay, const char *directory)
{
    char path[4096], line[1200], type[32];
    snprintf(path, sizeof(path), "%s/case", directory);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "name %1099s", replay->name) == 1 ||
            sscanf(line, "now %lld", &replay->now) == 1 ||
            sscanf(line, "status %31s", replay->status) == 1)
            continue;
        if (sscanf(line, "type %31s", type) == 1 && kenter_type_parse(type, &replay->type) != 0)
            replay->type = 0;
    }
    fclose(file);
    return replay->name[0] != '\0' && replay->type != 0;
}

/* The transport: finds the packet for a query, and answers from within the call. */
static void ask(void *context, const struct kenter_query *query, struct kenter_ticket *ticket)
{
    struct replay *replay = (struct replay *)context;
    const char *server = query->server != NULL ? query->server : "";
    for (struct packet *packet = replay->packets; packet != NULL; packet = packet->next) {
        if (packet->type == query->type && kenter_name_compare(&packet->name, &query->name) == 0 &&
            strcmp(packet->server, server) == 0) {
            kenter_reply(ticket, packet->data, packet->length);
            return;
        }
    }
    kenter_reply_failed(ticket, "there is no packet for this query");
}

static void tell(void *context, const struct kenter_finding *finding)
{
    fprintf(stderr, "anchors:%u: %s\n", finding->line, finding->message);
}

static int judge(struct replay *replay, const struct kenter_anchors *anchors)
{
    char why[KENTER_WHY], *text;
    struct kenter_transport transport = {ask, NULL, replay};
    struct kenter_resolver_options options;
    struct kenter_resolver *resolver;
    struct kenter_result *result;
    kenter_resolver_options_init(&options);
    options.from = KENTER_FROM_TRANSPORT;
    options.transport = &transport;
    options.anchors = anchors;
    options.clock = fixed_clock;
    options.clock_context = replay;
    if (kenter_resolver_new(&options, why, &resolver) != KENTER_OK) {
        fprintf(stderr, "%s\n", why);
        return 3;
    }
    int code = 3;
    if (kenter_lookup(resolver, replay->name, replay->type, &result) == KENTER_OK) {
        const char *status = kenter_status_text(kenter_result_status(result));
        if (kenter_result_show(result, KENTER_FORM_TEXT, &text) == KENTER_OK) {
            fputs(text, stdout);
            kenter_text_free(text);
        }
        printf("%s\n", status);
        code = replay->status[0] != '\0' && strcmp(replay->status, status) != 0;
        kenter_result_free(result);
    }
    kenter_resolver_free(resolver);
    return code;
}

int main(int argc, char **argv)
{
    static struct replay replay;
    struct kenter_anchors *anchors;
    char path[4096];
    if (argc != 2 || !read_case(&replay, argv[1]) || kenter_anchors_new(&anchors) != KENTER_OK) {
        fprintf(stderr, "usage: replay DIRECTORY (with a file \"case\")\n");
        return 3;
    }
    read_directory(&replay, argv[1], "");
    snprintf(path, sizeof(path), "%s/anchors", argv[1]);
    int code = kenter_anchors_add_file(anchors, path, tell, NULL) == KENTER_OK
                   ? judge(&replay, anchors)
                   : 3;
    kenter_anchors_free(anchors);
    for (struct packet *packet = replay.packets, *next; packet != NULL; packet = next) {
        next = packet->next;
        free(packet);
    }
    return code;
}
