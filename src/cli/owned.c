/* Keys by validated look-ups: see owned.h. */
#include "cli/owned.h"

#include "base/error.h"
#include "cli/made.h"
#include "cli/record.h"
#include "cli/report.h"
#include "dane/names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

const struct cli_exit_note cli_owned_exits[] = {
    {0, "There are such records, and they are secure."},
    {1, "They are bogus."},
    {4, "They are insecure, and not printed."},
    {5, "They are indeterminate (no trust anchor covers them), and not printed."},
    {6, "It is proved that there are none, or nothing could be judged."},
    {-1, NULL}};

const uint8_t *cli_owned_host(struct cli_call *call, const char *text)
{
    uint8_t octets[16];
    char name[DANE_DOMAIN_MAX];
    if (inet_pton(AF_INET, text, octets) == 1)
        return cli_made_name(call, "an address", "%u.%u.%u.%u.in-addr.arpa", octets[3], octets[2],
                             octets[1], octets[0]);
    if (inet_pton(AF_INET6, text, octets) == 1) {
        char reverse[16 * 4 + 1];
        for (size_t i = 0; i < 16; i++)
            snprintf(reverse + 4 * i, 5, "%x.%x.", octets[15 - i] & 0xf, octets[15 - i] >> 4);
        return cli_made_name(call, "an address", "%sip6.arpa", reverse);
    }
    if (dane_domain_to_ascii(text, name) != BASE_OK) {
        cli_usage_error(call->verb, "\"%s\" is no host", text);
        return NULL;
    }
    return cli_made_name(call, "a host", "%s", name);
}

static int write_file(struct cli_call *call, const struct validate_records *set,
                      cli_owned_write *write)
{
    const char *path = cli_text(call, "output");
    FILE *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool good = stream != NULL;
    for (size_t i = 0; good && i < set->count; i++)
        good = write(stream, set->rdata[i].data, set->rdata[i].length) == BASE_OK;
    if (stream != NULL && stream != stdout)
        good &= fclose(stream) == 0;
    if (good)
        return BASE_OK;
    cli_file_finding(call, FILE_UNWRITABLE, path, "the keys cannot be written");
    return BASE_EREFUSED;
}

static int print(struct cli_call *call, const struct validate_records *set, cli_owned_write *write)
{
    struct cli_made made;
    if (write != NULL && cli_text(call, "output") != NULL) {
        call->data_on_stdout = strcmp(cli_text(call, "output"), "-") == 0;
        return write_file(call, set, write);
    }
    int error = BASE_OK;
    cli_made_begin(&made, call);
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < set->count; i++) {
        struct base_buf *out = call->json ? &call->members : &text;
        if (call->json) {
            base_buf_text(out, i > 0 ? ",{" : "{");
            cli_record_json(out, set->name, set->ttl, set->type, set->rdata[i].data,
                            set->rdata[i].length);
        } else {
            cli_record_text(out, set->name, set->ttl, set->type, set->rdata[i].data,
                            set->rdata[i].length);
        }
        base_buf_u8(out, call->json ? '}' : '\n');
        error = out->error;
    }
    if (error == BASE_OK)
        fwrite(text.data, 1, text.length, stdout);
    base_buf_free(&text);
    cli_made_end(&made);
    return error;
}

static int give(struct cli_call *call, const struct validate_result *result, cli_owned_write *write)
{
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    bool there = result->kind == VALIDATE_ANSWER_DATA && result->answer_count > 0;
    call->outcome = cli_ask_code(result);
    cli_summary_text(call, "status", validate_status_name(result->status));
    if (result->status == VALIDATE_SECURE && there)
        return print(call, &result->answer[0], write);
    call->data_on_stdout = !call->json;
    if (result->status == VALIDATE_SECURE) {
        call->outcome = CLI_UNJUDGED;
        cli_say(call, "It is proved that %s has no %s records.\n",
                dns_name_text(owner, result->name), dns_type_text(type, result->type));
        return BASE_OK;
    }
    struct base_place place = {.owner = dns_name_text(owner, result->name),
                               .type = dns_type_text(type, result->type)};
    base_findings_add(&call->findings, AUTH_NOT_SECURE, &place, "%s",
                      result->sentence == NULL ? validate_status_name(result->status)
                                               : result->sentence);
    cli_ask_findings(call, result);
    return BASE_OK;
}

int cli_owned_get(struct cli_call *call, const uint8_t *owner, uint16_t type,
                  cli_owned_write *write)
{
    struct cli_ask ask;
    int error = BASE_OK;
    int code = owner == NULL ? CLI_USAGE : cli_ask_parse_options(&ask, call);
    if (code != CLI_GOOD)
        return code;
    const struct validate_result *result = NULL;
    code = cli_ask_open(&ask, false, &error);
    if (code == CLI_GOOD)
        error = resolve_lookup(ask.context, owner, type, &result);
    if (code == CLI_GOOD && error == BASE_OK)
        error = give(call, result, write);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    validate_result_unref(result);
    cli_ask_close(&ask);
    return code;
}
