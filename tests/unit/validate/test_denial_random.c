/*
 * Denials against brute force: random small zones with cuts, DNAMEs, aliases, wildcards and empty
 * non-terminals, whose chains are made here from first principles; random questions and random
 * parts of the chain. What holds is looked up in the zone itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "validate/denial.h"

#include <stdlib.h>
#include <string.h>

#define NODES_MAX   12
#define TYPES_MAX   5
#define RECORDS_MAX 64
#define RDATA_SIZE  400

struct node {
    uint8_t name[DNS_NAME_MAX];
    uint16_t types[TYPES_MAX + 2];
    size_t type_count;
};

struct record {
    uint8_t owner[DNS_NAME_MAX];
    uint8_t rdata[RDATA_SIZE];
};

struct model {
    struct node nodes[NODES_MAX]; /* [0] is the apex */
    size_t count;
    bool nsec3, opt_out;
    uint16_t iterations;
    struct record store[RECORDS_MAX];
    struct validate_denial_record records[RECORDS_MAX];
    size_t record_count;
};

static uint64_t seed;

static unsigned pick(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static void random_name(uint8_t out[DNS_NAME_MAX])
{
    static const char *const labels[] = {"a", "b", "c", "*", "D"};
    char text[64] = "";
    unsigned depth = 1 + pick(3);
    for (unsigned i = 0; i < depth; i++) {
        strcat(text, labels[pick(5)]);
        strcat(text, ".");
    }
    strcat(text, "z.");
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
}

static bool has(const struct node *node, uint16_t type)
{
    for (size_t i = 0; i < node->type_count; i++)
        if (node->types[i] == type)
            return true;
    return false;
}

static bool is_cut(const struct node *node)
{
    return has(node, DNS_TYPE_NS) && !has(node, DNS_TYPE_SOA);
}

static const struct node *node_of(const struct model *model, const uint8_t *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (dns_name_equal(model->nodes[i].name, name))
            return &model->nodes[i];
    return NULL;
}

/* Strictly below a cut or a DNAME. */
static bool beyond(const struct model *model, const uint8_t *name)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct node *node = &model->nodes[i];
        if ((is_cut(node) || has(node, DNS_TYPE_DNAME)) && dns_name_within(name, node->name) &&
            !dns_name_equal(name, node->name))
            return true;
    }
    return false;
}

static bool exists(const struct model *model, const uint8_t *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (!beyond(model, model->nodes[i].name) && dns_name_within(model->nodes[i].name, name))
            return true;
    return false;
}

/* The wildcard that is for a name that does not exist. */
static void wildcard_for(const struct model *model, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    const uint8_t *encloser = name;
    while (!exists(model, encloser))
        encloser = dns_name_parent(encloser, 1);
    out[0] = 1;
    out[1] = '*';
    memcpy(out + 2, encloser, dns_name_length(encloser));
}

static void add_node(struct model *model)
{
    static const uint16_t plain[] = {DNS_TYPE_A, DNS_TYPE_TXT, DNS_TYPE_MX};
    struct node *node = &model->nodes[model->count];
    random_name(node->name);
    if (node_of(model, node->name) != NULL)
        return;
    node->type_count = 0;
    bool star = dns_name_is_wildcard(node->name);
    unsigned kind = pick(10);
    if (kind < 2 && !star) {
        node->types[node->type_count++] = DNS_TYPE_NS;
        if (pick(2))
            node->types[node->type_count++] = DNS_TYPE_DS;
    } else if (kind < 3 && !star) {
        node->types[node->type_count++] = DNS_TYPE_DNAME;
    } else if (kind < 4) {
        node->types[node->type_count++] = DNS_TYPE_CNAME;
    } else {
        node->types[node->type_count++] = plain[pick(3)];
    }
    model->count++;
}

static size_t bitmap(const struct node *node, bool nsec, uint8_t *out)
{
    uint16_t types[TYPES_MAX + 2], sorted[TYPES_MAX + 2];
    size_t count = node->type_count;
    memcpy(types, node->types, count * sizeof(types[0]));
    if (nsec)
        types[count++] = DNS_TYPE_NSEC;
    if (nsec || !is_cut(node) || has(node, DNS_TYPE_DS))
        types[count++] = DNS_TYPE_RRSIG;
    for (size_t i = 0; i < count; i++) {
        size_t smallest = 0;
        for (size_t j = 1; j < count; j++)
            if (types[j] < types[smallest])
                smallest = j;
        sorted[i] = types[smallest];
        types[smallest] = UINT16_MAX;
    }
    return count > 0 ? dns_bitmap_make(out, sorted, count) : 0;
}

static void make_nsec(struct model *model)
{
    const struct node *members[NODES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (beyond(model, model->nodes[i].name))
            continue;
        size_t at = count++;
        for (; at > 0 && dns_name_compare(model->nodes[i].name, members[at - 1]->name) < 0; at--)
            members[at] = members[at - 1];
        members[at] = &model->nodes[i];
    }
    model->record_count = count;
    for (size_t i = 0; i < count; i++) {
        struct record *record = &model->store[i];
        const uint8_t *next = members[(i + 1) % count]->name;
        size_t length = dns_name_length(next);
        memcpy(record->owner, members[i]->name, dns_name_length(members[i]->name));
        memcpy(record->rdata, next, length);
        length += bitmap(members[i], true, record->rdata + length);
        model->records[i] = (struct validate_denial_record){record->owner, record->rdata,
                                                            (uint16_t)length, DNS_TYPE_NSEC};
    }
}

struct member {
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    const uint8_t *name;
};

/* Opt-out leaves out delegations without DS, and what is there only because of them. */
static bool in_chain(const struct model *model, const uint8_t *name)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct node *node = &model->nodes[i];
        if (beyond(model, node->name) || !dns_name_within(node->name, name))
            continue;
        if (!model->opt_out || !is_cut(node) || has(node, DNS_TYPE_DS))
            return true;
    }
    return false;
}

static int order_members(const void *a, const void *b)
{
    return memcmp(a, b, CRYPTO_NSEC3_SIZE);
}

static void make_nsec3(struct model *model)
{
    static const uint8_t salt[2] = {0xab, 0xcd};
    struct member members[RECORDS_MAX];
    size_t count = 0;
    struct crypto_nsec3 *hasher;
    uint8_t salt_length = (uint8_t)pick(3);
    assert_int_equal(crypto_nsec3_new(model->iterations, salt, salt_length, &hasher), BASE_OK);
    for (size_t i = 0; i < model->count; i++) {
        const uint8_t *name = model->nodes[i].name;
        for (; dns_name_labels(name) >= 1; name = dns_name_parent(name, 1)) {
            bool known = !exists(model, name) || !in_chain(model, name);
            for (size_t j = 0; j < count; j++)
                known |= dns_name_equal(members[j].name, name);
            if (known)
                continue;
            members[count].name = name;
            assert_int_equal(crypto_nsec3_hash(hasher, name, members[count++].hash), BASE_OK);
        }
    }
    crypto_nsec3_free(hasher);
    qsort(members, count, sizeof(members[0]), order_members);
    model->record_count = count;
    for (size_t i = 0; i < count; i++) {
        struct record *record = &model->store[i];
        const struct node *node = node_of(model, members[i].name);
        record->owner[0] = 32;
        base_base32hex_encode((char *)record->owner + 1, members[i].hash, CRYPTO_NSEC3_SIZE);
        memcpy(record->owner + 33, "\1z", 3);
        uint8_t *at = record->rdata;
        *at++ = 1;
        *at++ = model->opt_out;
        base_store_u16(at, model->iterations);
        at[2] = salt_length;
        memcpy(at + 3, salt, salt_length);
        at += 3 + salt_length;
        *at++ = CRYPTO_NSEC3_SIZE;
        memcpy(at, members[(i + 1) % count].hash, CRYPTO_NSEC3_SIZE);
        at += CRYPTO_NSEC3_SIZE;
        if (node != NULL)
            at += bitmap(node, false, at);
        model->records[i] = (struct validate_denial_record){
            record->owner, record->rdata, (uint16_t)(at - record->rdata), DNS_TYPE_NSEC3};
    }
}

static void make_model(struct model *model)
{
    static const uint16_t apex[] = {DNS_TYPE_NS, DNS_TYPE_SOA, DNS_TYPE_DNSKEY};
    model->count = 1;
    memcpy(model->nodes[0].name, "\1z", 3);
    memcpy(model->nodes[0].types, apex, sizeof(apex));
    model->nodes[0].type_count = 3;
    for (unsigned i = pick(NODES_MAX - 1); i > 0; i--)
        add_node(model);
    model->nsec3 = pick(2);
    model->opt_out = model->nsec3 && pick(2);
    model->iterations = (uint16_t)pick(2);
    if (model->nsec3)
        make_nsec3(model);
    else
        make_nsec(model);
}

enum what { NAME, TYPE, CLOSER, DS };
struct question {
    enum what what;
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    unsigned labels;
};

static bool no_type(const struct model *model, const uint8_t *name, uint16_t type)
{
    const struct node *node = node_of(model, name);
    if (node == NULL || beyond(model, name))
        return true;
    return !has(node, type) && !has(node, DNS_TYPE_CNAME) && (!is_cut(node) || type == DNS_TYPE_DS);
}

static bool is_true(const struct model *model, const struct question *question)
{
    uint8_t wildcard[DNS_NAME_MAX];
    if (beyond(model, question->name))
        return false;
    bool there = exists(model, question->name);
    if (!there)
        wildcard_for(model, question->name, wildcard);
    const struct node *node = node_of(model, question->name);
    switch (question->what) {
    case NAME:
        return !there && !exists(model, wildcard);
    case TYPE:
        if (there)
            return no_type(model, question->name, question->type);
        return exists(model, wildcard) && no_type(model, wildcard, question->type);
    case CLOSER:
        return !exists(model, dns_name_parent(question->name, dns_name_labels(question->name) -
                                                                  question->labels - 1));
    case DS:
        return node == NULL || !has(node, DNS_TYPE_DS);
    }
    return false;
}

static void ask(const struct validate_denial_set *set, const struct question *question,
                struct validate_denial_proof *proof)
{
    switch (question->what) {
    case NAME:
        validate_denial_of_name(set, question->name, proof);
        break;
    case TYPE:
        validate_denial_of_type(set, question->name, question->type, proof);
        break;
    case CLOSER:
        validate_denial_of_closer(set, question->name, question->labels, proof);
        break;
    case DS:
        validate_denial_of_ds(set, question->name, proof);
        break;
    }
}

/* Prints what is needed to see what went wrong. */
static void show(const struct model *model, const struct question *question,
                 const struct validate_denial_proof *proof, const char *what)
{
    char text[DNS_NAME_TEXT];
    print_message("%s: %s question %d type %u labels %u: outcome %d, %s\n", what,
                  dns_name_text(text, question->name), question->what, question->type,
                  question->labels, proof->outcome, proof->why);
    for (size_t i = 0; i < model->count; i++)
        print_message("  %s %u %u\n", dns_name_text(text, model->nodes[i].name),
                      model->nodes[i].types[0],
                      model->nodes[i].type_count > 1 ? model->nodes[i].types[1] : 0);
    print_message("  nsec3 %d opt-out %d\n", model->nsec3, model->opt_out);
}

/* Opt-out hides the closest encloser, an empty non-terminal above unsigned delegations only. Then
 * the chain has another one, at which a wildcard may be: no proof is possible, and none is told. */
static bool is_hidden(const struct model *model, const uint8_t *name)
{
    while (!exists(model, name))
        name = dns_name_parent(name, 1);
    return !in_chain(model, name);
}

static void check_part(const struct model *model, const struct question *question, bool truth,
                       const struct validate_denial_record *records, size_t count)
{
    static const uint8_t zone[] = {1, 'Z', 0};
    struct validate_denial_set set = {
        .zone = zone, .records = records, .count = count, .iterations_most = 50};
    struct validate_denial_proof proof;
    ask(&set, question, &proof);
    bool bad =
        (proof.outcome == VALIDATE_DENIAL_PROVED && !truth) ||
        (proof.outcome == VALIDATE_DENIAL_WRONG && truth && !is_hidden(model, question->name)) ||
        (proof.outcome == VALIDATE_DENIAL_INSECURE && !model->opt_out) ||
        proof.outcome == VALIDATE_DENIAL_BUDGET;
    /* Where opt-out weakens a proof, the name itself must not be a member of the chain. */
    if (proof.outcome == VALIDATE_DENIAL_INSECURE)
        bad |= in_chain(model, question->name) && !beyond(model, question->name);
    if (bad)
        show(model, question, &proof, "a part of the chain");
    assert_false(bad);
}

/* What the proof says that it used is enough, and nothing of it is needless. */
static void check_used(const struct model *model, const struct question *question,
                       const struct validate_denial_proof *whole)
{
    static const uint8_t zone[] = {1, 'z', 0};
    for (size_t without = 0; without <= whole->used_count; without++) {
        struct validate_denial_record records[4];
        struct validate_denial_set set = {.zone = zone, .records = records, .iterations_most = 50};
        struct validate_denial_proof proof;
        for (size_t i = 0; i < whole->used_count; i++)
            if (i != without)
                records[set.count++] = model->records[whole->used[i]];
        ask(&set, question, &proof);
        bool good = (proof.outcome == VALIDATE_DENIAL_PROVED) == (without == whole->used_count);
        if (!good)
            show(model, question, &proof, "what was used");
        assert_true(good);
    }
}

static void check_question(const struct model *model, const struct question *question)
{
    static const uint8_t zone[] = {1, 'z', 0};
    struct validate_denial_set set = {.zone = zone,
                                      .records = model->records,
                                      .count = model->record_count,
                                      .iterations_most = 50};
    struct validate_denial_proof proof;
    bool truth = is_true(model, question);
    ask(&set, question, &proof);
    bool good = truth ? proof.outcome == VALIDATE_DENIAL_PROVED ||
                            (model->opt_out && proof.outcome == VALIDATE_DENIAL_INSECURE) ||
                            is_hidden(model, question->name)
                      : proof.outcome != VALIDATE_DENIAL_PROVED;
    const struct node *node = node_of(model, question->name);
    if (question->what == DS && proof.outcome == VALIDATE_DENIAL_PROVED)
        good &= proof.delegation == (node != NULL && is_cut(node));
    if (!good)
        show(model, question, &proof, "the whole chain");
    assert_true(good);
    if (proof.outcome == VALIDATE_DENIAL_PROVED)
        check_used(model, question, &proof);
    for (int i = 0; i < 6; i++) {
        struct validate_denial_record records[RECORDS_MAX];
        size_t count = 0;
        for (size_t j = 0; j < model->record_count; j++)
            if (pick(3) < (unsigned)i / 2 + 1)
                records[count++] = model->records[j];
        check_part(model, question, truth, records, count);
    }
}

/* Whether an answer can have come from the wildcard that the question speaks of. */
static bool has_wildcard(const struct model *model, const struct question *question)
{
    uint8_t wildcard[DNS_NAME_MAX] = {1, '*'};
    const uint8_t *encloser =
        dns_name_parent(question->name, dns_name_labels(question->name) - question->labels);
    memcpy(wildcard + 2, encloser, dns_name_length(encloser));
    const struct node *node = node_of(model, wildcard);
    return node != NULL && !beyond(model, wildcard) && !dns_name_equal(wildcard, question->name);
}

static void random_zones(void **state)
{
    (void)state;
    static struct model model;
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_TXT, DNS_TYPE_NS, DNS_TYPE_DS,
                                     DNS_TYPE_DNAME};
    seed = 0x9e3779b97f4a7c15;
    size_t questions = 0;
    for (int i = 0; i < 3000; i++) {
        make_model(&model);
        for (int j = 0; j < 16; j++) {
            struct question question = {.what = (enum what)pick(4), .type = types[pick(5)]};
            random_name(question.name);
            unsigned labels = dns_name_labels(question.name);
            if (question.what == CLOSER) {
                question.labels = 1;
                while (question.labels < labels && !has_wildcard(&model, &question))
                    question.labels++;
                if (question.labels == labels)
                    question.what = NAME;
            }
            check_question(&model, &question);
            questions++;
        }
    }
    print_message("%zu questions\n", questions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_zones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
