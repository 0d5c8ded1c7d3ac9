/* UPDATEs that come in floods: what waits is bounded, of one zone and of all, and so is what the
 * log says of those that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/reader.h"
#include "control/internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE 60000

struct house {
    struct control_options options;
    struct config config;
    struct config_policy policy;
    struct config_match all;
    struct config_update_rule rule;
    struct config_template as;
    struct base_log log;
    struct control control;
    char path[64];
};

static int make_house(void **state)
{
    struct house *house = calloc(1, sizeof(*house));
    struct control *control = &house->control;
    strcpy(house->path, "/tmp/kenter-link-XXXXXX");
    house->log = (struct base_log){.fd = mkstemp(house->path), .part = "control"};
    assert_true(house->log.fd >= 0);
    house->all = (struct config_match){.family = AF_UNSPEC};
    house->rule = (struct config_update_rule){.grant = true, .who = house->all};
    house->as = (struct config_template){
        .policy = &house->policy, .update = &house->rule, .update_count = 1};
    *control = (struct control){.options = &house->options,
                                .config = &house->config,
                                .log = &house->log,
                                .stopping = true, /* nothing is begun */
                                .registry = (void *)house,
                                .keys = -1,
                                .serve = -1};
    control->urgent_last = &control->urgent;
    control->jobs = 1;
    pthread_mutex_init(&control->keys_lock, NULL);
    *state = house;
    return 0;
}

static int leave_house(void **state)
{
    struct house *house = *state;
    control_table_free(&house->control);
    assert_int_equal(house->control.update_octets, 0);
    pthread_mutex_destroy(&house->control.keys_lock);
    close(house->log.fd);
    unlink(house->path);
    free(house);
    return 0;
}

static size_t wire_name(const char *text, uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
    return length;
}

static struct control_zone *add(struct house *house, const char *name, enum config_source source)
{
    uint8_t wire[DNS_NAME_MAX];
    wire_name(name, wire);
    struct control_zone *zone = control_table_add(&house->control, wire);
    assert_non_null(zone);
    zone->source = (uint8_t)source;
    zone->as = &house->as;
    zone->file = source == CONFIG_FILE ? strdup("the-file.zone") : NULL;
    return zone;
}

/* An UPDATE of the zone with TXT records, of so many octets. */
static void send_update(struct house *house, const char *name, size_t octets)
{
    static uint8_t data[sizeof(struct serve_link_head) + 65536];
    struct serve_link_head head = {0};
    head.peer.v4.sin_family = AF_INET;
    head.peer.v4.sin_addr.s_addr = htonl(0xc0000201);
    memcpy(data, &head, sizeof(head));
    uint8_t *message = data + sizeof(head);
    memset(message, 0, DNS_MESSAGE_HEADER);
    base_store_u16(message + 2, 5 << 11);
    base_store_u16(message + 4, 1);
    size_t length = DNS_MESSAGE_HEADER + wire_name(name, message + DNS_MESSAGE_HEADER);
    base_store_u16(message + length, DNS_TYPE_SOA);
    base_store_u16(message + length + 2, DNS_CLASS_IN);
    length += 4;
    unsigned records = 0;
    for (; length + 268 < octets; records++) {
        uint8_t *at = message + length;
        base_store_u16(at, 0xC00C);
        base_store_u16(at + 2, DNS_TYPE_TXT);
        base_store_u16(at + 4, DNS_CLASS_IN);
        base_store_u32(at + 6, 60);
        base_store_u16(at + 10, 256);
        memset(at + 12, 'x', 256);
        at[12] = 255;
        length += 268;
    }
    base_store_u16(message + 8, (uint16_t)records);
    struct process_message link = {.type = SERVE_LINK_UPDATE,
                                   .id = 1,
                                   .data = data,
                                   .length = sizeof(head) + length,
                                   .fd = -1};
    control_link_message(&house->control, &link);
}

static unsigned count_lines(struct house *house, const char *what)
{
    char line[1024];
    unsigned count = 0;
    FILE *file = fopen(house->path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, what) != NULL;
    fclose(file);
    return count;
}

static void test_octets(void **state)
{
    struct house *house = *state;
    struct control *control = &house->control;
    char name[32];
    struct control_zone *zone = add(house, "first.example.", CONFIG_EDITS);
    for (unsigned i = 0; i < 400; i++)
        send_update(house, "first.example.", LARGE);
    assert_true(zone->change_count > 200 && zone->change_count < 400);
    assert_true(zone->change_octets <= CONTROL_ZONE_UPDATES_OCTETS);
    assert_int_equal(control->updates_refused_total, 400 - zone->change_count);
    assert_int_equal(control->update_octets, zone->change_octets);
    /* Others have room all the same, until all is taken. */
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "z%u.example.", i);
        zone = add(house, name, CONFIG_EDITS);
        for (unsigned k = 0; k < 20; k++)
            send_update(house, name, LARGE);
        if (i == 0)
            assert_int_equal(zone->change_count, 20);
    }
    assert_int_equal(zone->change_count, 0);
    assert_true(control->update_octets <= CONTROL_UPDATES_OCTETS);
    assert_true(control->update_octets > CONTROL_UPDATES_OCTETS - LARGE);
}

static void test_log(void **state)
{
    struct house *house = *state;
    add(house, "of-file.example.", CONFIG_FILE);
    add(house, "other.example.", CONFIG_FILE);
    for (unsigned i = 0; i < 1000; i++)
        send_update(house, "of-file.example.", 100);
    assert_true(count_lines(house, "the-file.zone") <= 2 * CONTROL_REFUSALS_ZONE);
    send_update(house, "other.example.", 100);
    assert_int_equal(count_lines(house, "other.example.: UPDATE"), 1);
    for (unsigned i = 0; i < 1000; i++)
        send_update(house, "nowhere.example.", 100);
    assert_true(count_lines(house, "refused, rcode") <= 2 * CONTROL_REFUSALS_ALL);
    assert_int_equal(house->control.updates_refused_total, 2001);
    control_link_tell(&house->control);
    control_link_tell(&house->control);
    assert_int_equal(count_lines(house, "more UPDATEs and NOTIFYs were refused"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_octets, make_house, leave_house),
        cmocka_unit_test_setup_teardown(test_log, make_house, leave_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
