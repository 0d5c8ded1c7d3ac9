/* What the tests of UPDATE share: zones and messages from text, edits as text. */
#ifndef TESTS_SOURCE_UPDATES_H
#define TESTS_SOURCE_UPDATES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "source/update.h"
#include "zone_text.h"

#define WORDS_MAX 40
static inline unsigned words_of(char *line, char *words[WORDS_MAX])
{
    unsigned count = 0;
    for (char *word = strtok(line, " "); word != NULL && count < WORDS_MAX;
         word = strtok(NULL, " "))
        words[count++] = word;
    return count;
}

struct parsed_record {
    uint8_t owner[DNS_NAME_MAX];
    uint8_t rdata[DNS_RDATA_MAX];
    size_t length;
    uint32_t ttl;
    uint16_t type;
};

/* "OWNER TTL TYPE [DATA...]"; "ANY" as the type of everything. */
static inline void parse_record(char **words, unsigned count, struct parsed_record *out)
{
    size_t length;
    assert_true(count >= 3);
    assert_int_equal(dns_name_from_text(out->owner, &length, words[0], strlen(words[0]), NULL),
                     BASE_OK);
    out->ttl = (uint32_t)strtoul(words[1], NULL, 10);
    assert_int_equal(dns_type_from_text(words[2], strlen(words[2]), &out->type), BASE_OK);
    out->length = 0;
    if (count == 3)
        return;
    struct dns_token tokens[WORDS_MAX];
    for (unsigned i = 3; i < count; i++)
        tokens[i - 3] = (struct dns_token){.text = words[i], .length = (uint32_t)strlen(words[i])};
    struct dns_rdata_problem problem;
    bool canonical;
    if (dns_rdata_from_text(out->type, tokens, count - 3, NULL, out->rdata, &out->length,
                            &canonical, &problem) != BASE_OK)
        fail_msg("%s %s: %s", words[2], words[3], problem.message);
}

static inline uint16_t class_of(const char *text)
{
    if (strcmp(text, "ANY") == 0)
        return DNS_CLASS_ANY;
    if (strcmp(text, "NONE") == 0)
        return DNS_CLASS_NONE;
    return strcmp(text, "IN") == 0 ? DNS_CLASS_IN : (uint16_t)atoi(text);
}

/* A message from lines: "zone NAME TYPE CLASS" (by default the zone of the tests), "flags HEX",
 * "pre CLASS RECORD", "add RECORD", "del CLASS RECORD", "upd CLASS RECORD". */
static inline size_t message_from_text(const char *text, uint8_t *wire)
{
    char *copy = strdup(text), *rest = copy, *line;
    struct dns_builder builder;
    uint16_t flags = DNS_OPCODE_UPDATE << 11;
    if (strncmp(text, "flags ", 6) == 0) {
        flags = (uint16_t)strtoul(text + 6, NULL, 16);
        strsep(&rest, "\n");
    }
    dns_builder_init(&builder, wire, DNS_MESSAGE_MAX, 0, 7, flags);
    bool zone = false;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *words[WORDS_MAX];
        unsigned count = words_of(line, words);
        static struct parsed_record record;
        if (count == 0)
            continue;
        if (strcmp(words[0], "nozone") == 0) {
            zone = true;
            continue;
        }
        if (strcmp(words[0], "zone") == 0) {
            uint16_t type;
            size_t length;
            dns_type_from_text(words[2], strlen(words[2]), &type);
            dns_name_from_text(record.owner, &length, words[1], strlen(words[1]), NULL);
            assert_int_equal(dns_builder_question(&builder, record.owner, type, class_of(words[3])),
                             BASE_OK);
            zone = true;
            continue;
        }
        if (!zone)
            assert_int_equal(dns_builder_question(&builder, (const uint8_t *)"\7example",
                                                  DNS_TYPE_SOA, DNS_CLASS_IN),
                             BASE_OK);
        zone = true;
        bool add = strcmp(words[0], "add") == 0;
        parse_record(words + (add ? 1 : 2), count - (add ? 1 : 2), &record);
        assert_int_equal(
            dns_builder_record(
                &builder, strcmp(words[0], "pre") == 0 ? DNS_SECTION_ANSWER : DNS_SECTION_AUTHORITY,
                record.owner, record.type, add ? DNS_CLASS_IN : class_of(words[1]), record.ttl,
                record.rdata, record.length),
            BASE_OK);
    }
    if (!zone)
        assert_int_equal(dns_builder_question(&builder, (const uint8_t *)"\7example", DNS_TYPE_SOA,
                                              DNS_CLASS_IN),
                         BASE_OK);
    free(copy);
    return dns_builder_finish(&builder);
}

/* "+ OWNER TTL TYPE DATA\n- ..." The caller frees it. */
static inline char *edits_text(const struct source_edits *edits, size_t from)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = from; i < edits->count; i++) {
        const struct source_edit *edit = &edits->items[i];
        char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT], ttl[16];
        snprintf(ttl, sizeof(ttl), " %u ", edit->ttl);
        base_buf_text(&buf, edit->add ? "+ " : "- ");
        base_buf_text(&buf, dns_name_text(name, edit->owner));
        base_buf_text(&buf, ttl);
        base_buf_text(&buf, dns_type_text(type, edit->type));
        base_buf_text(&buf, " ");
        dns_rdata_to_text(&buf, edit->type, edit->rdata, edit->length, DNS_TEXT_PLAIN);
        base_buf_text(&buf, "\n");
    }
    char *text = strdup(base_buf_string(&buf));
    base_buf_free(&buf);
    return text;
}

#endif
