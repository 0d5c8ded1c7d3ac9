/* Records as text and JSON: see record.h. */
#include "cli/record.h"

#include "base/json.h"

void cli_record_text(struct base_buf *buf, const uint8_t *owner, uint32_t ttl, uint16_t type,
                     const uint8_t *rdata, size_t length)
{
    char name[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    base_buf_printf(buf, "%s %u IN %s ", dns_name_text(name, owner), ttl,
                    dns_type_text(type_text, type));
    dns_rdata_to_text(buf, type, rdata, length, DNS_TEXT_PLAIN);
}

void cli_record_json(struct base_buf *buf, const uint8_t *owner, uint32_t ttl, uint16_t type,
                     const uint8_t *rdata, size_t length)
{
    char name[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    base_buf_text(buf, "\"name\":");
    base_json_text(buf, dns_name_text(name, owner));
    base_buf_printf(buf, ",\"ttl\":%u,\"class\":\"IN\",\"type\":\"%s\",\"rdata\":", ttl,
                    dns_type_text(type_text, type));
    struct base_buf text;
    base_buf_init(&text, (size_t)16 * DNS_RDATA_MAX);
    dns_rdata_to_text(&text, type, rdata, length, DNS_TEXT_PLAIN);
    base_json_text(buf, base_buf_string(&text));
    if (text.error != 0)
        buf->error = text.error;
    base_buf_free(&text);
}
