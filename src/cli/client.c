/* The client of kenterd's API: see client.h. */
#include "cli/client.h"

#include "base/error.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "dns/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX ((size_t)256 << 20) /* octets of a JSON reply */

/* Of the package, of the default of "data", of a trial in the directory where one is. */
static const char *const usual_sockets[] = {"/run/kenter/kenter.sock",
                                            "/var/lib/kenter/kenter.sock", "var/kenter.sock"};

/* --- where kenterd is --- */

static const char *find_socket(const struct cli_call *call)
{
    const char *path = cli_text(call, "socket");
    if (path == NULL || path[0] == '\0')
        path = getenv(CLI_SOCKET_VARIABLE);
    if (path != NULL && path[0] != '\0')
        return path;
    path = NULL;
    for (size_t i = 0; i < sizeof(usual_sockets) / sizeof(usual_sockets[0]); i++) {
        if (access(usual_sockets[i], F_OK) == 0)
            return usual_sockets[i];
        /* There may be one that others may use: that is what to say when there is no better. */
        if (errno == EACCES && path == NULL)
            path = usual_sockets[i];
    }
    return path;
}

int cli_client_open(struct cli_client *client, struct cli_call *call)
{
    *client = (struct cli_client){.call = call, .path = find_socket(call)};
    if (client->path == NULL) {
        base_findings_add(&call->findings, API_ABSENT, NULL,
                          "kenterd does not run here: there is neither %s nor %s nor %s",
                          usual_sockets[0], usual_sockets[1], usual_sockets[2]);
        return BASE_EREFUSED;
    }
    if (strlen(client->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        struct base_place place = {.file = client->path};
        base_findings_add(&call->findings, API_ABSENT, &place,
                          "the path is longer than that of a socket can be");
        return BASE_EREFUSED;
    }
    client->curl = curl_easy_init();
    return client->curl != NULL ? BASE_OK : BASE_ENOMEM;
}

void cli_client_close(struct cli_client *client)
{
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    client->curl = NULL;
}

static int not_reached(struct cli_client *client, CURLcode code)
{
    long reason = 0;
    struct base_place place = {.file = client->path};
    struct base_findings *findings = &client->call->findings;
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &reason);
    if (code == CURLE_COULDNT_CONNECT && (reason == EACCES || reason == EPERM))
        base_findings_add(findings, API_FORBIDDEN, &place, "you may not open this socket");
    else if (code == CURLE_COULDNT_CONNECT)
        base_findings_add(findings, API_ABSENT, &place,
                          "kenterd does not run behind this socket: %s",
                          reason == ENOENT         ? "there is no such file"
                          : reason == ECONNREFUSED ? "nobody listens"
                          : reason != 0            ? strerror((int)reason)
                                                   : client->error);
    else
        base_findings_add(findings, API_REPLY_BAD, &place, "the reply broke off: %s",
                          client->error[0] != '\0' ? client->error : curl_easy_strerror(code));
    return BASE_EREFUSED;
}

/* --- replies --- */

struct reply {
    struct cli_client *client;
    struct base_buf text; /* all of it; of an error only when there is a taker */
    int (*take)(void *context, const char *text, size_t length);
    void *context;
    int error;
};

static size_t receive(char *data, size_t size, size_t count, void *context)
{
    struct reply *reply = context;
    size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(reply->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (reply->take != NULL && status == 200) {
        reply->error = reply->take(reply->context, data, length);
        return reply->error == BASE_OK ? length : 0;
    }
    base_buf_append(&reply->text, data, length);
    reply->error = reply->text.error;
    return reply->error == BASE_OK ? length : 0;
}

void cli_take_findings(struct cli_call *call, const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)list, index, item)
    {
        const json_t *where = json_object_get(item, "place");
        const char *name = cli_json_text(item, "code");
        int code = base_finding_by_name(name);
        struct base_place place = {
            .file = json_string_value(json_object_get(where, "file")),
            .line = (uint32_t)cli_json_number(where, "line"),
            .column = (uint32_t)cli_json_number(where, "column"),
            .owner = json_string_value(json_object_get(where, "owner")),
            .type = json_string_value(json_object_get(where, "type")),
        };
        base_findings_add(&call->findings, code >= 0 ? (enum base_finding_code)code : API_REPLY_BAD,
                          &place, "%s%s%s", code >= 0 ? "" : name, code >= 0 ? "" : ": ",
                          cli_json_text(item, "message"));
    }
}

static int make_no_sense(struct cli_client *client, long status)
{
    struct base_place place = {.file = client->path};
    base_findings_add(&client->call->findings, API_REPLY_BAD, &place,
                      "the reply, of status %ld, is not one of kenterd's", status);
    return BASE_EREFUSED;
}

static int judge(struct cli_client *client, struct reply *reply, json_t **out)
{
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (reply->take != NULL && status == 200)
        return BASE_OK;
    json_t *value = json_loadb((const char *)reply->text.data, reply->text.length, 0, NULL);
    int error = BASE_OK;
    if (!json_is_object(value)) {
        error = make_no_sense(client, status);
    } else if (status >= 300 && json_array_size(json_object_get(value, "findings")) == 0) {
        error = make_no_sense(client, status);
    } else if (status >= 300) {
        cli_take_findings(client->call, json_object_get(value, "findings"));
        error = BASE_EREFUSED;
    }
    if (error == BASE_OK && out != NULL)
        *out = value;
    else
        json_decref(value);
    return error;
}

static int perform(struct cli_client *client, const char *method, const char *target,
                   const char *body, struct reply *reply)
{
    CURL *curl = client->curl;
    if (target == NULL)
        return BASE_ENOMEM;
    const char *url = base_arena_printf(&client->call->arena, "http://kenter%s", target);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (url == NULL || headers == NULL) {
        curl_slist_free_all(headers);
        return BASE_ENOMEM;
    }
    curl_easy_reset(curl);
    client->error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->path);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(body != NULL ? strlen(body) : 0));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (reply->error != BASE_OK)
        return reply->error;
    return code == CURLE_OK ? BASE_OK : not_reached(client, code);
}

int cli_client_ask(struct cli_client *client, const char *method, const char *target,
                   const json_t *body, json_t **out)
{
    struct reply reply = {.client = client};
    char *text = NULL;
    if (body != NULL && (text = json_dumps(body, JSON_COMPACT)) == NULL)
        return BASE_ENOMEM;
    base_buf_init(&reply.text, REPLY_MAX);
    int error = perform(client, method, target, text, &reply);
    if (error == BASE_OK)
        error = judge(client, &reply, out);
    base_buf_free(&reply.text);
    free(text);
    return error;
}

int cli_client_read(struct cli_client *client, const char *target,
                    int (*take)(void *context, const char *text, size_t length), void *context)
{
    struct reply reply = {.client = client, .take = take, .context = context};
    base_buf_init(&reply.text, REPLY_MAX);
    int error = perform(client, "GET", target, NULL, &reply);
    if (error == BASE_OK)
        error = judge(client, &reply, NULL);
    base_buf_free(&reply.text);
    return error;
}

/* --- texts --- */

const char *cli_encode(struct cli_call *call, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@*";
    char *out = base_arena_alloc(&call->arena, strlen(text) * 3 + 1), *at = out;
    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            *at++ = *text;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*text);
    }
    *at = '\0';
    return out;
}

const char *cli_zone_name(struct cli_call *call, const char *text)
{
    const uint8_t *wire = cli_parse_name(call, text);
    uint8_t lower[DNS_NAME_MAX];
    char name[DNS_NAME_TEXT];
    if (wire == NULL)
        return NULL;
    dns_name_lower(lower, wire);
    size_t length = dns_name_to_text(name, lower);
    return base_arena_strndup(&call->arena, name, length);
}

const char *cli_zone_target(struct cli_call *call, const char *zone, const char *tail)
{
    const char *name = cli_zone_name(call, zone);
    const char *encoded = name != NULL ? cli_encode(call, name) : NULL;
    return encoded != NULL ? base_arena_printf(&call->arena, "/v1/zones/%s%s", encoded, tail)
                           : NULL;
}

const char *cli_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

json_int_t cli_json_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

const char *cli_when(char out[CLI_WHEN_TEXT], const json_t *time, base_time now)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{2 * 86400, "d"}, {2 * 3600, "h"}, {120, "min"}, {0, "s"}};
    static const int64_t sizes[] = {86400, 3600, 60, 1};
    base_time value;
    const char *text = json_string_value(time);
    if (text == NULL || base_time_parse(text, now, &value) != BASE_OK)
        return memcpy(out, "-", 2);
    int64_t away = value > now ? value - now : now - value;
    size_t i = 0;
    while (away < units[i].seconds)
        i++;
    snprintf(out, CLI_WHEN_TEXT, value > now ? "in %lld %s" : "%lld %s ago",
             (long long)(away / sizes[i]), units[i].unit);
    return out;
}

enum cli_color cli_state_color(const char *state)
{
    if (strcmp(state, "ok") == 0)
        return CLI_GREEN;
    return strcmp(state, "problem") == 0 || strcmp(state, "expired") == 0 ? CLI_RED : CLI_YELLOW;
}

void cli_member(struct cli_call *call, const char *name, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        call->members.error = BASE_ENOMEM;
        return;
    }
    base_buf_printf(&call->members, ",\"%s\":", name);
    base_buf_text(&call->members, text);
    free(text);
}

bool cli_confirm(const struct cli_call *call, const char *question)
{
    char answer[16];
    if (cli_flag(call, "yes") || call->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    fflush(stdout);
    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}
