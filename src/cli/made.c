/* Records made from files: see made.h. */
#include "cli/made.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/record.h"
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL 3600

int cli_made_read(struct cli_call *call, const char *path, size_t most, uint8_t **data,
                  size_t *length)
{
    int error = base_file_read(path, most, data, length);
    if (error == BASE_EIO) {
        cli_file_finding(call, FILE_UNREADABLE, path, "the file cannot be read");
        return BASE_EREFUSED;
    }
    if (error == BASE_ELIMIT)
        return cli_made_bad(call, path, "the file has more than %zu octets", most);
    return error;
}

int cli_made_material(struct cli_call *call, const char *path, struct dane_material *out)
{
    char why[200];
    uint8_t *data;
    size_t length;
    int error = cli_made_read(call, path, DANE_MATERIAL_OCTETS, &data, &length);
    if (error != BASE_OK)
        return error;
    error = dane_material_read(data, length, out, why);
    explicit_bzero(data, length);
    free(data);
    return error == BASE_EFORMAT ? cli_made_bad(call, path, "%s", why) : error;
}

int cli_made_bad(struct cli_call *call, const char *path, const char *format, ...)
{
    char message[512];
    struct base_place place = {.file = path};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(&call->findings, AUTH_MATERIAL, &place, "%s", message);
    return BASE_EREFUSED;
}

void cli_made_begin(struct cli_made *made, struct cli_call *call)
{
    *made = (struct cli_made){.call = call};
    call->data_on_stdout = !call->json;
    if (call->json)
        base_buf_text(&call->members, ",\"records\":[");
}

void cli_made_end(struct cli_made *made)
{
    if (made->call->json)
        base_buf_text(&made->call->members, "]");
}

static int add_json(struct cli_made *made, const uint8_t *owner, uint32_t ttl, uint16_t type,
                    const uint8_t *rdata, size_t length)
{
    struct base_buf *out = &made->call->members;
    char type_text[DNS_TYPE_TEXT];
    base_buf_text(out, made->count++ > 0 ? ",{" : "{");
    if (owner != NULL) {
        cli_record_json(out, owner, ttl, type, rdata, length);
    } else {
        struct base_buf text;
        base_buf_init(&text, (size_t)16 * DNS_RDATA_MAX);
        dns_rdata_to_text(&text, type, rdata, length, DNS_TEXT_PLAIN);
        base_buf_printf(out,
                        "\"name\":null,\"ttl\":%u,\"class\":\"IN\",\"type\":\"%s\",\"rdata\":", ttl,
                        dns_type_text(type_text, type));
        base_json_text(out, base_buf_string(&text));
        base_buf_free(&text);
    }
    base_buf_u8(out, '}');
    return out->error;
}

int cli_made_add(struct cli_made *made, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
                 size_t length)
{
    uint32_t ttl = (uint32_t)cli_duration(made->call, "ttl", TTL);
    if (made->call->json)
        return add_json(made, owner, ttl, type, rdata, length);
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    if (owner != NULL)
        cli_record_text(&text, owner, ttl, type, rdata, length);
    else
        dns_rdata_to_text(&text, type, rdata, length, DNS_TEXT_PLAIN);
    base_buf_u8(&text, '\n');
    if (text.error == BASE_OK)
        fwrite(text.data, 1, text.length, stdout);
    int error = text.error;
    made->count++;
    base_buf_free(&text);
    return error;
}

const uint8_t *cli_made_name(struct cli_call *call, const char *what, const char *format, ...)
{
    static const uint8_t root[] = {0};
    char text[1100];
    uint8_t name[DNS_NAME_MAX];
    size_t name_length = 0;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(text) ||
        dns_name_from_text(name, &name_length, text, (size_t)length, root) != BASE_OK) {
        cli_usage_error(call->verb, "\"%.300s\" is no name that %s can have", text, what);
        return NULL;
    }
    const uint8_t *copy = base_arena_dup(&call->arena, name, name_length);
    if (copy == NULL)
        fprintf(stderr, "kenter: out of memory\n");
    return copy;
}
