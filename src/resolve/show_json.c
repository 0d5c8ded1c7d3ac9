/* A result as JSON: see show.h. docs/trace.md describes the members; names are stable. */
#include "base/json.h"
#include "resolve/show_model.h"

static void write_name(struct base_buf *out, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    base_json_text(out, name == NULL ? NULL : dns_name_text(text, name));
}

/* The denial of a name has type 0: null. */
static void write_type(struct base_buf *out, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    base_json_text(out, type == 0 ? NULL : dns_type_text(text, type));
}

/* 0: there is none. */
static void write_time(struct base_buf *out, base_time time)
{
    char text[BASE_TIME_TEXT];
    base_time_iso(time, text);
    base_json_text(out, time == 0 ? NULL : text);
}

static void write_index(struct base_buf *out, uint32_t index)
{
    if (index == VALIDATE_NO_NODE)
        base_buf_text(out, "null");
    else
        base_buf_printf(out, "%u", index);
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void write_rdata(struct base_buf *out, uint16_t type, const struct validate_rdata *rdata)
{
    struct base_buf text;
    base_buf_init(&text, (size_t)16 * DNS_RDATA_MAX);
    dns_rdata_to_text(&text, type, rdata->data, rdata->length, DNS_TEXT_PLAIN);
    base_json_text(out, base_buf_string(&text));
    if (text.error != 0)
        out->error = text.error;
    base_buf_free(&text);
}

static void write_sets(struct base_buf *out, const struct validate_records *sets, size_t count)
{
    base_buf_u8(out, '[');
    for (size_t i = 0; i < count; i++) {
        base_buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        write_name(out, sets[i].name);
        base_buf_text(out, ",\"type\":");
        write_type(out, sets[i].type);
        base_buf_printf(out, ",\"ttl\":%u,\"rdata\":[", sets[i].ttl);
        for (size_t j = 0; j < sets[i].count; j++) {
            if (j > 0)
                base_buf_u8(out, ',');
            write_rdata(out, sets[i].type, &sets[i].rdata[j]);
        }
        base_buf_text(out, "]}");
    }
    base_buf_u8(out, ']');
}

static void write_hop(struct base_buf *out, const struct validate_hop *hop)
{
    base_buf_text(out, "{\"name\":");
    write_name(out, hop->name);
    base_buf_printf(out, ",\"status\":\"%s\",\"target\":", validate_status_name(hop->status));
    write_name(out, hop->target);
    base_buf_printf(out, ",\"dname\":%s,\"wildcard\":%s,\"zone\":", boolean(hop->dname),
                    boolean(hop->wildcard));
    write_name(out, hop->zone);
    base_buf_text(out, ",\"node\":");
    write_index(out, hop->node);
    base_buf_printf(out, ",\"ttl\":%u,\"expiry\":", hop->ttl);
    write_time(out, hop->expiry);
    base_buf_u8(out, '}');
}

static void write_signature(struct base_buf *out, const struct validate_signature *signature)
{
    char algorithm[SHOW_ALGORITHM_TEXT];
    base_buf_text(out, "{\"signer\":");
    write_name(out, signature->signer);
    base_buf_printf(out, ",\"tag\":%u,\"algorithm\":%u,\"algorithm_name\":\"%s\",\"labels\":%u",
                    signature->tag, signature->algorithm,
                    show_algorithm(algorithm, signature->algorithm), signature->labels);
    base_buf_printf(out, ",\"original_ttl\":%u,\"inception\":", signature->original_ttl);
    write_time(out, signature->inception);
    base_buf_text(out, ",\"expiration\":");
    write_time(out, signature->expiration);
    base_buf_printf(out, ",\"verdict\":\"%s\"}",
                    validate_signature_verdict_name(signature->verdict));
}

static void write_key(struct base_buf *out, const struct validate_key_note *key)
{
    char algorithm[SHOW_ALGORITHM_TEXT];
    base_buf_printf(out,
                    "{\"tag\":%u,\"flags\":%u,\"algorithm\":%u,\"algorithm_name\":\"%s\","
                    "\"trusted\":%s,\"signs\":%s}",
                    key->tag, key->flags, key->algorithm, show_algorithm(algorithm, key->algorithm),
                    boolean(key->trusted), boolean(key->signs));
}

static void write_node(struct base_buf *out, const struct validate_node *node)
{
    base_buf_printf(out, "{\"kind\":\"%s\",\"status\":\"%s\",\"parent\":",
                    validate_node_kind_name(node->kind), validate_status_name(node->status));
    write_index(out, node->parent);
    base_buf_text(out, ",\"name\":");
    write_name(out, node->name);
    base_buf_text(out, ",\"type\":");
    write_type(out, node->type);
    base_buf_text(out, ",\"zone\":");
    write_name(out, node->zone);
    base_buf_text(out, ",\"wildcard\":");
    write_name(out, node->wildcard);
    base_buf_text(out, ",\"note\":");
    base_json_text(out, node->note);
    base_buf_text(out, ",\"sets\":");
    write_sets(out, node->sets, node->set_count);
    base_buf_text(out, ",\"signatures\":[");
    for (size_t i = 0; i < node->signature_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        write_signature(out, &node->signatures[i]);
    }
    base_buf_text(out, "],\"keys\":[");
    for (size_t i = 0; i < node->key_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        write_key(out, &node->keys[i]);
    }
    base_buf_text(out, "]}");
}

static void write_finding(struct base_buf *out, const struct validate_finding *finding)
{
    const struct base_finding_info *info = base_finding_info(finding->code);
    base_buf_printf(out, "{\"code\":\"%s\",\"severity\":\"%s\",\"ede\":", info->code,
                    base_severity_name(finding->severity));
    if (finding->ede == VALIDATE_NO_EDE)
        base_buf_text(out, "null");
    else
        base_buf_printf(out, "%d", finding->ede);
    base_buf_text(out, ",\"ede_name\":");
    base_json_text(out, show_ede_name(finding->ede));
    base_buf_text(out, ",\"cause\":");
    write_index(out, finding->cause);
    base_buf_text(out, ",\"node\":");
    write_index(out, finding->node);
    base_buf_text(out, ",\"owner\":");
    base_json_text(out, finding->owner);
    base_buf_text(out, ",\"type\":");
    base_json_text(out, finding->type);
    base_buf_text(out, ",\"server\":");
    base_json_text(out, finding->server);
    base_buf_text(out, ",\"message\":");
    base_json_text(out, finding->message);
    base_buf_text(out, ",\"why\":");
    base_json_text(out, info->why);
    base_buf_text(out, ",\"remedy\":");
    base_json_text(out, info->remedy);
    base_buf_u8(out, '}');
}

static void write_head(struct base_buf *out, const struct validate_result *result)
{
    char rcode[SHOW_RCODE_TEXT];
    base_buf_printf(out, "{\"status\":\"%s\",\"sentence\":", validate_status_name(result->status));
    base_json_text(out, result->sentence);
    base_buf_text(out, ",\"question\":{\"name\":");
    write_name(out, result->name);
    base_buf_text(out, ",\"type\":");
    write_type(out, result->type);
    base_buf_printf(out, "},\"kind\":\"%s\",\"rcode\":\"%s\",\"now\":",
                    show_answer_kind_name(result->kind), show_rcode(rcode, result->rcode));
    write_time(out, result->now);
    base_buf_printf(out, ",\"ttl\":%u,\"expiry\":", result->ttl);
    write_time(out, result->expiry);
    base_buf_text(out, ",\"insecure\":");
    write_name(out, result->insecure);
}

void resolve_show_json(const struct validate_result *result, struct base_buf *out)
{
    write_head(out, result);
    base_buf_text(out, ",\"hops\":[");
    for (size_t i = 0; i < result->hop_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        write_hop(out, &result->hops[i]);
    }
    base_buf_text(out, "],\"answer\":");
    write_sets(out, result->answer, show_is_usable(result) ? result->answer_count : 0);
    base_buf_text(out, ",\"nodes\":[");
    for (size_t i = 0; i < result->node_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        write_node(out, &result->nodes[i]);
    }
    base_buf_text(out, "],\"findings\":[");
    for (size_t i = 0; i < result->finding_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        write_finding(out, &result->findings[i]);
    }
    base_buf_printf(out,
                    "],\"cost\":{\"queries\":%u,\"verifications\":%u,\"failed_verifications\":%u,"
                    "\"nsec3_hashes\":%u,\"packet_octets\":%zu}}",
                    result->queries, result->verifications, result->failed_verifications,
                    result->nsec3_hashes, result->packet_octets);
}
