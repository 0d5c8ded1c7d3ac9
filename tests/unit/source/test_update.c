/* UPDATE (RFC 2136), clause by clause: what a message needs, and what it changes. */
#include "updates.h"

#include <time.h>

static const char zone_text[] =
    "example. 3600 SOA ns.example. host.example. 7 3600 600 864000 300\n"
    "example. 3600 NS ns.example.\n"
    "example. 3600 NS ns2.example.\n"
    "example. 3600 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n"
    "example. 3600 TXT apex\n"
    "example. 300 NSEC alias.example. NS SOA TXT RRSIG NSEC DNSKEY\n"
    "alias.example. 300 CNAME www.example.\n"
    "alias.example. 300 NSEC d.example. CNAME RRSIG NSEC\n"
    "d.example. 300 DNAME example.net.\n"
    "deep.under.ent.example. 300 A 192.0.2.4\n"
    "mx.example. 300 MX 10 Mail.Example.\n"
    "ns.example. 3600 A 192.0.2.53\n"
    "sub.example. 3600 NS ns.sub.example.\n"
    "wks.example. 300 WKS 192.0.2.1 6 25\n"
    "www.example. 300 A 192.0.2.1\n"
    "www.example. 300 A 192.0.2.2\n"
    "www.example. 300 TXT \"x\"\n"
    "www.example. 300 NSEC example. A TXT RRSIG NSEC\n";

struct fixture {
    struct zone *zone;
    struct zone_view view;
    struct source_edits edits;
};

static void open_fixture(struct fixture *fixture)
{
    fixture->zone = zone_from_text(zone_text, "example.");
    zone_view_of(fixture->zone, &fixture->view);
    assert_int_equal(source_edits_init(&fixture->edits), BASE_OK);
}

static void close_fixture(struct fixture *fixture)
{
    source_edits_free(&fixture->edits);
    zone_release(fixture->zone);
}

typedef bool permission(void *context, const uint8_t *name, uint16_t type);

static struct source_update_result send_text(struct fixture *fixture, const char *text,
                                             permission *allows, void *context)
{
    uint8_t wire[DNS_MESSAGE_MAX];
    struct source_update_request request = {.message = wire,
                                            .length = message_from_text(text, wire),
                                            .view = &fixture->view,
                                            .allows = allows,
                                            .context = context};
    struct source_update_result result;
    assert_int_equal(source_update(&request, &fixture->edits, &result), BASE_OK);
    assert_true((result.rcode == DNS_RCODE_NOERROR) == (result.why[0] == '\0'));
    return result;
}

/* One row: messages, divided by "--"; what the last is answered; what all change. */
struct row {
    const char *messages;
    unsigned rcode;
    const char *edits;
};

static void check_row(const struct row *row)
{
    struct fixture fixture;
    open_fixture(&fixture);
    char *copy = strdup(row->messages), *rest = copy;
    struct source_update_result result = {0};
    while (rest != NULL) {
        char *next = strstr(rest, "--\n");
        if (next != NULL) {
            *next = '\0';
            next += 3;
        }
        size_t before = fixture.edits.count;
        result = send_text(&fixture, rest, NULL, NULL);
        assert_int_equal(result.changes, fixture.edits.count - before);
        rest = next;
    }
    char *edits = edits_text(&fixture.edits, 0);
    if (result.rcode != row->rcode || strcmp(edits, row->edits) != 0)
        fail_msg("%s\nrcode %u, not %u (%s)\nedits:\n%s", row->messages, result.rcode, row->rcode,
                 result.why, edits);
    free(edits);
    free(copy);
    close_fixture(&fixture);
}

#define ADD_X "add x.example. 60 A 192.0.2.9"
#define DID_X "+ x.example. 60 A 192.0.2.9\n"

static const struct row rows[] = {
    /* 2.3, 3.1: header and zone section */
    {ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"flags A800\n" ADD_X, DNS_RCODE_FORMERR, ""}, /* a response */
    {"flags 0000\n" ADD_X, DNS_RCODE_FORMERR, ""}, /* a query */
    {"nozone\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"zone example. SOA IN\nzone example. SOA IN\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"zone example. A IN\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"zone other. SOA IN\n" ADD_X, DNS_RCODE_NOTAUTH, ""},
    {"zone www.example. SOA IN\n" ADD_X, DNS_RCODE_NOTAUTH, ""},
    {"zone example. SOA 3\n" ADD_X, DNS_RCODE_NOTAUTH, ""},
    {"zone EXAMPLE. SOA IN\n" ADD_X, DNS_RCODE_NOERROR, "+ x.EXAMPLE. 60 A 192.0.2.9\n"},
    {"", DNS_RCODE_NOERROR, ""},
    /* 2.4.1: an RRset exists, whatever its data */
    {"pre ANY www.example. 0 A\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre ANY WWW.example. 0 A\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre ANY www.example. 0 AAAA\n" ADD_X, DNS_RCODE_NXRRSET, ""},
    {"pre ANY none.example. 0 A\n" ADD_X, DNS_RCODE_NXRRSET, ""},
    /* 2.4.2: an RRset exists with exactly this data */
    {"pre IN www.example. 0 A 192.0.2.2\npre IN www.example. 0 A 192.0.2.1\n" ADD_X,
     DNS_RCODE_NOERROR, DID_X},
    {"pre IN www.example. 0 A 192.0.2.1\n" ADD_X, DNS_RCODE_NXRRSET, ""},
    {"pre IN www.example. 0 A 192.0.2.1\npre IN www.example. 0 A 192.0.2.1\n" ADD_X,
     DNS_RCODE_NXRRSET, ""},
    {"pre IN www.example. 0 A 192.0.2.1\npre IN www.example. 0 A 192.0.2.2\n"
     "pre IN www.example. 0 A 192.0.2.3\n" ADD_X,
     DNS_RCODE_NXRRSET, ""},
    {"pre IN mx.example. 0 MX 10 mail.EXAMPLE.\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre IN none.example. 0 A 192.0.2.1\n" ADD_X, DNS_RCODE_NXRRSET, ""},
    {"pre IN www.example. 0 A 192.0.2.2\npre IN mx.example. 0 MX 10 mail.example.\n"
     "pre IN www.example. 0 A 192.0.2.1\n" ADD_X,
     DNS_RCODE_NOERROR, DID_X},
    /* 2.4.3: an RRset does not exist */
    {"pre NONE www.example. 0 AAAA\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre NONE none.example. 0 A\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre NONE www.example. 0 A\n" ADD_X, DNS_RCODE_YXRRSET, ""},
    /* 2.4.4: a name is in use; an empty non-terminal is not */
    {"pre ANY www.example. 0 ANY\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre ANY none.example. 0 ANY\n" ADD_X, DNS_RCODE_NXDOMAIN, ""},
    {"pre ANY under.ent.example. 0 ANY\n" ADD_X, DNS_RCODE_NXDOMAIN, ""},
    /* 2.4.5: a name is not in use */
    {"pre NONE none.example. 0 ANY\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre NONE ent.example. 0 ANY\n" ADD_X, DNS_RCODE_NOERROR, DID_X},
    {"pre NONE www.example. 0 ANY\n" ADD_X, DNS_RCODE_YXDOMAIN, ""},
    /* 3.2: what a prerequisite may not be */
    {"pre ANY www.example. 1 A\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre NONE none.example. 1 A\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre IN www.example. 300 A 192.0.2.1\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre ANY www.other. 0 A\n" ADD_X, DNS_RCODE_NOTZONE, ""},
    {"pre ANY www.example. 0 A 192.0.2.1\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre NONE none.example. 0 A 192.0.2.1\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre 3 www.example. 0 A 192.0.2.1\n" ADD_X, DNS_RCODE_FORMERR, ""},
    {"pre ANY www.example. 0 AXFR\n" ADD_X, DNS_RCODE_FORMERR, ""},
    /* … and a malformed one later does not hide behind one that fails for its values */
    {"pre IN www.example. 0 A 192.0.2.7\npre ANY www.other. 0 A\n", DNS_RCODE_NOTZONE, ""},
    /* 3.4.1: pre-scan; nothing is done of what came before */
    {ADD_X "\nadd x.other. 60 A 192.0.2.9", DNS_RCODE_NOTZONE, ""},
    {ADD_X "\nupd 3 x.example. 60 A 192.0.2.9", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd IN x.example. 60 TYPE255 \\# 0", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd IN x.example. 60 TYPE252 \\# 0", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd IN x.example. 60 TYPE253 \\# 0", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd IN x.example. 60 TYPE0 \\# 0", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd ANY www.example. 1 A", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd ANY www.example. 0 A 192.0.2.1", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd ANY www.example. 0 AXFR", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd ANY www.example. 0 TYPE254", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd NONE www.example. 1 A 192.0.2.1", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd NONE www.example. 0 TYPE255 \\# 0", DNS_RCODE_FORMERR, ""},
    {ADD_X "\nupd NONE www.example. 0 A", DNS_RCODE_FORMERR, ""},
    /* 3.4.2.2: adding */
    {"add www.example. 300 A 192.0.2.3", DNS_RCODE_NOERROR, "+ www.example. 300 A 192.0.2.3\n"},
    {"add www.example. 300 A 192.0.2.1", DNS_RCODE_NOERROR, ""},
    {"add www.example. 60 A 192.0.2.1", DNS_RCODE_NOERROR, "+ www.example. 60 A 192.0.2.1\n"},
    {"add mx.example. 300 MX 10 MAIL.example.", DNS_RCODE_NOERROR, ""},
    {"add x.example. 4294967295 A 192.0.2.1", DNS_RCODE_NOERROR, "+ x.example. 0 A 192.0.2.1\n"},
    {"add *.example. 60 TXT w", DNS_RCODE_NOERROR, "+ *.example. 60 TXT \"w\"\n"},
    {"add ns.sub.example. 60 A 192.0.2.9", DNS_RCODE_NOERROR, "+ ns.sub.example. 60 A 192.0.2.9\n"},
    /* CNAME and other data: ignored, in either direction */
    {"add www.example. 60 CNAME x.example.", DNS_RCODE_NOERROR, ""},
    {"add alias.example. 60 A 192.0.2.1", DNS_RCODE_NOERROR, ""},
    {"add example. 60 CNAME x.example.", DNS_RCODE_NOERROR, ""},
    {"add alias.example. 60 CNAME x.example.", DNS_RCODE_NOERROR,
     "- alias.example. 300 CNAME www.example.\n+ alias.example. 60 CNAME x.example.\n"},
    {"add alias.example. 300 CNAME www.example.", DNS_RCODE_NOERROR, ""},
    {"add alias.example. 300 KEY 512 3 15 AAAA", DNS_RCODE_NOERROR,
     "+ alias.example. 300 KEY 512 3 15 AAAA\n"},
    {"upd ANY www.example. 0 ANY\nadd www.example. 60 CNAME x.example.", DNS_RCODE_NOERROR,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n"
     "- www.example. 300 TXT \"x\"\n+ www.example. 60 CNAME x.example.\n"},
    {"add n.example. 60 CNAME x.example.\nadd n.example. 60 A 192.0.2.1", DNS_RCODE_NOERROR,
     "+ n.example. 60 CNAME x.example.\n"},
    /* WKS: one for an address and protocol */
    {"add wks.example. 300 WKS 192.0.2.1 6 80", DNS_RCODE_NOERROR,
     "- wks.example. 300 WKS 192.0.2.1 6 25\n+ wks.example. 300 WKS 192.0.2.1 6 80\n"},
    {"add wks.example. 300 WKS 192.0.2.1 17 53", DNS_RCODE_NOERROR,
     "+ wks.example. 300 WKS 192.0.2.1 17 53\n"},
    /* SOA: only with a greater serial, only at the apex */
    {"add example. 60 SOA ns.example. host.example. 8 1 1 1 1", DNS_RCODE_NOERROR,
     "+ example. 60 SOA ns.example. host.example. 8 1 1 1 1\n"},
    {"add example. 60 SOA ns.example. host.example. 7 1 1 1 1", DNS_RCODE_NOERROR, ""},
    {"add example. 60 SOA ns.example. host.example. 6 1 1 1 1", DNS_RCODE_NOERROR, ""},
    {"add example. 60 SOA ns.example. host.example. 2147483656 1 1 1 1", DNS_RCODE_NOERROR, ""},
    {"add example. 60 SOA ns.example. host.example. 2147483654 1 1 1 1", DNS_RCODE_NOERROR,
     "+ example. 60 SOA ns.example. host.example. 2147483654 1 1 1 1\n"},
    {"add www.example. 60 SOA ns.example. host.example. 8 1 1 1 1", DNS_RCODE_NOERROR, ""},
    {"add example. 60 SOA ns.example. host.example. 9 1 1 1 1\n"
     "add example. 60 SOA ns.example. host.example. 8 1 1 1 1",
     DNS_RCODE_NOERROR, "+ example. 60 SOA ns.example. host.example. 9 1 1 1 1\n"},
    /* 3.4.2.3: deleting an RRset, or all of a name */
    {"upd ANY www.example. 0 A", DNS_RCODE_NOERROR,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n"},
    {"upd ANY www.example. 0 AAAA", DNS_RCODE_NOERROR, ""},
    {"upd ANY none.example. 0 ANY", DNS_RCODE_NOERROR, ""},
    {"upd ANY ent.example. 0 ANY", DNS_RCODE_NOERROR, ""},
    {"upd ANY www.example. 0 ANY", DNS_RCODE_NOERROR,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n"
     "- www.example. 300 TXT \"x\"\n"},
    {"upd ANY example. 0 ANY", DNS_RCODE_NOERROR, "- example. 3600 TXT \"apex\"\n"},
    {"upd ANY example. 0 NS", DNS_RCODE_NOERROR, ""},
    {"upd ANY example. 0 SOA", DNS_RCODE_NOERROR, ""},
    {"upd ANY sub.example. 0 NS", DNS_RCODE_NOERROR, "- sub.example. 3600 NS ns.sub.example.\n"},
    /* 3.4.2.4: deleting a record */
    {"upd NONE www.example. 0 A 192.0.2.1", DNS_RCODE_NOERROR, "- www.example. 300 A 192.0.2.1\n"},
    {"upd NONE www.example. 0 A 192.0.2.7", DNS_RCODE_NOERROR, ""},
    {"upd NONE mx.example. 0 MX 10 mail.example.", DNS_RCODE_NOERROR,
     "- mx.example. 300 MX 10 Mail.Example.\n"},
    {"upd NONE example. 0 SOA ns.example. host.example. 7 3600 600 864000 300", DNS_RCODE_NOERROR,
     ""},
    {"upd NONE example. 0 NS ns.example.", DNS_RCODE_NOERROR, "- example. 3600 NS ns.example.\n"},
    {"upd NONE example. 0 NS ns.example.\nupd NONE example. 0 NS ns2.example.", DNS_RCODE_NOERROR,
     "- example. 3600 NS ns.example.\n"},
    {"upd NONE sub.example. 0 NS ns.sub.example.", DNS_RCODE_NOERROR,
     "- sub.example. 3600 NS ns.sub.example.\n"},
    /* what the signer makes */
    {"add www.example. 60 NSEC example. A", DNS_RCODE_REFUSED, ""},
    {"add example. 60 NSEC3PARAM 1 0 0 -", DNS_RCODE_REFUSED, ""},
    {"upd ANY www.example. 0 NSEC", DNS_RCODE_REFUSED, ""},
    {"upd ANY www.example. 0 RRSIG", DNS_RCODE_REFUSED, ""},
    {"upd ANY example. 0 DNSKEY", DNS_RCODE_REFUSED, ""},
    {"add example. 60 CDS 1 13 2 "
     "0000000000000000000000000000000000000000000000000000000000000000",
     DNS_RCODE_REFUSED, ""},
    {"add www.example. 60 DNSKEY 256 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
     DNS_RCODE_NOERROR,
     "+ www.example. 60 DNSKEY 256 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n"},
    {"add example. 60 DS 1 13 2 "
     "0000000000000000000000000000000000000000000000000000000000000000",
     DNS_RCODE_REFUSED, ""},
    /* DNAME (RFC 6672) */
    {"add x.d.example. 60 A 192.0.2.1", DNS_RCODE_REFUSED, ""},
    {"add a.b.c.d.example. 60 A 192.0.2.1", DNS_RCODE_REFUSED, ""},
    {"add d.example. 60 DNAME example.org.", DNS_RCODE_NOERROR,
     "- d.example. 300 DNAME example.net.\n+ d.example. 60 DNAME example.org.\n"},
    {"add d.example. 60 NS ns.example.", DNS_RCODE_REFUSED, ""},
    {"add d.example. 60 A 192.0.2.1", DNS_RCODE_NOERROR, "+ d.example. 60 A 192.0.2.1\n"},
    {"add ent.example. 60 DNAME example.org.", DNS_RCODE_REFUSED, ""},
    {"upd ANY deep.under.ent.example. 0 ANY\nadd ent.example. 60 DNAME example.org.",
     DNS_RCODE_NOERROR,
     "- deep.under.ent.example. 300 A 192.0.2.4\n+ ent.example. 60 DNAME example.org.\n"},
    {"add ent.example. 60 DNAME example.org.\nupd ANY deep.under.ent.example. 0 ANY",
     DNS_RCODE_NOERROR,
     "+ ent.example. 60 DNAME example.org.\n- deep.under.ent.example. 300 A 192.0.2.4\n"},
    {"add v.w.example. 60 A 192.0.2.1\nadd w.example. 60 DNAME example.org.", DNS_RCODE_REFUSED,
     ""},
    {"upd ANY d.example. 0 ANY\nadd x.d.example. 60 A 192.0.2.1", DNS_RCODE_NOERROR,
     "- d.example. 300 DNAME example.net.\n+ x.d.example. 60 A 192.0.2.1\n"},
    /* messages see what those before did */
    {ADD_X "\n--\npre ANY x.example. 0 A\nupd ANY x.example. 0 ANY", DNS_RCODE_NOERROR,
     DID_X "- x.example. 60 A 192.0.2.9\n"},
    {ADD_X "\n--\npre NONE x.example. 0 ANY\nupd ANY x.example. 0 ANY", DNS_RCODE_YXDOMAIN, DID_X},
    {ADD_X "\n--\npre IN x.example. 0 A 192.0.2.9\nadd x.example. 60 A 192.0.2.10",
     DNS_RCODE_NOERROR, DID_X "+ x.example. 60 A 192.0.2.10\n"},
    {"upd ANY www.example. 0 ANY\n--\npre NONE www.example. 0 ANY\n" ADD_X, DNS_RCODE_NOERROR,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n"
     "- www.example. 300 TXT \"x\"\n" DID_X},
    {"upd NONE example. 0 NS ns.example.\n--\nupd NONE example. 0 NS ns2.example.",
     DNS_RCODE_NOERROR, "- example. 3600 NS ns.example.\n"},
    /* … but not what a refused one would have done */
    {"add x.example. 60 A 192.0.2.8\nupd ANY www.example. 0 A\nadd x.d.example. 60 A 192.0.2.1\n"
     "--\npre NONE x.example. 0 ANY\npre ANY www.example. 0 A\n" ADD_X,
     DNS_RCODE_NOERROR, DID_X},
    /* a change and its reverse are both told */
    {ADD_X "\nupd NONE x.example. 0 A 192.0.2.9\n" ADD_X, DNS_RCODE_NOERROR,
     DID_X "- x.example. 60 A 192.0.2.9\n" DID_X},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

/*
 * Permission.
 */
struct questions {
    char asked[1024];
    const char *deny; /* a type */
};

static bool answer(void *context, const uint8_t *name, uint16_t type)
{
    struct questions *questions = context;
    char owner[DNS_NAME_TEXT], text[DNS_TYPE_TEXT];
    size_t length = strlen(questions->asked);
    dns_type_text(text, type);
    snprintf(questions->asked + length, sizeof(questions->asked) - length, "%s %s;",
             dns_name_text(owner, name), text);
    return questions->deny == NULL || strcmp(questions->deny, text) != 0;
}

static void test_permission(void **state)
{
    static const struct {
        const char *message, *deny;
        unsigned rcode;
        const char *asked;
    } cases[] = {
        {ADD_X, NULL, DNS_RCODE_NOERROR, "x.example. A;"},
        {ADD_X, "A", DNS_RCODE_REFUSED, "x.example. A;"},
        {"upd ANY www.example. 0 TXT", "A", DNS_RCODE_NOERROR, "www.example. TXT;"},
        {"upd NONE www.example. 0 TXT x", "TXT", DNS_RCODE_REFUSED, "www.example. TXT;"},
        {"upd ANY www.example. 0 ANY", NULL, DNS_RCODE_NOERROR, "www.example. A;www.example. TXT;"},
        {"upd ANY www.example. 0 ANY", "TXT", DNS_RCODE_REFUSED,
         "www.example. A;www.example. TXT;"},
        {"upd ANY example. 0 ANY", NULL, DNS_RCODE_NOERROR, "example. TXT;"},
        {"upd ANY none.example. 0 ANY", "A", DNS_RCODE_NOERROR, ""},
        {ADD_X "\nupd ANY x.example. 0 ANY", "A", DNS_RCODE_REFUSED, "x.example. A;"},
        /* prerequisites come first, and ask nothing */
        {"pre ANY none.example. 0 A\n" ADD_X, "A", DNS_RCODE_NXRRSET, ""},
        {"add x.other. 60 A 192.0.2.1", "A", DNS_RCODE_NOTZONE, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        struct questions questions = {.deny = cases[i].deny};
        open_fixture(&fixture);
        struct source_update_result result =
            send_text(&fixture, cases[i].message, answer, &questions);
        assert_int_equal(result.rcode, cases[i].rcode);
        assert_string_equal(questions.asked, cases[i].asked);
        assert_true((fixture.edits.count > 0) == (result.changes > 0));
        if (result.rcode != DNS_RCODE_NOERROR)
            assert_int_equal(fixture.edits.count, 0);
        close_fixture(&fixture);
    }
}

/*
 * Foreign octets.
 */
static void test_mutations(void **state)
{
    static const char *const texts[] = {
        "pre ANY www.example. 0 A\npre IN mx.example. 0 MX 10 mail.example.\n"
        "add a.example. 60 A 192.0.2.1\nupd ANY www.example. 0 ANY\n"
        "upd NONE mx.example. 0 MX 10 mail.example.",
        "add example. 60 SOA ns.example. host.example. 8 1 1 1 1\n"
        "add ent.example. 60 DNAME example.org.\nupd ANY deep.under.ent.example. 0 ANY",
    };
    uint64_t seed = 1;
    unsigned good = 0;
    struct fixture fixture;
    open_fixture(&fixture);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t wire[DNS_MESSAGE_MAX];
        size_t length = message_from_text(texts[i % 2], wire);
        for (unsigned k = 0; k < 1 + i % 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            wire[(seed >> 33) % length] ^= (uint8_t)(1u << (seed >> 60) % 8);
        }
        if (i % 5 == 0)
            length = (seed >> 20) % (length + 1);
        uint8_t *exact = malloc(length + 1);
        memcpy(exact, wire, length);
        struct source_update_request request = {
            .message = exact, .length = length, .view = &fixture.view};
        struct source_update_result result;
        assert_int_equal(source_update(&request, &fixture.edits, &result), BASE_OK);
        good += result.rcode == DNS_RCODE_NOERROR;
        free(exact);
    }
    assert_true(good > 100);
    close_fixture(&fixture);
}

/* Names that no message touched are looked at once; a large RRset costs by its size, not its
 * square. */
static void test_large_set(void **state)
{
    struct fixture fixture;
    open_fixture(&fixture);
    clock_t start = clock();
    for (unsigned message = 0; message < 20; message++) {
        uint8_t wire[DNS_MESSAGE_MAX];
        struct dns_builder builder;
        dns_builder_init(&builder, wire, sizeof(wire), 0, 1, DNS_OPCODE_UPDATE << 11);
        dns_builder_question(&builder, fixture.view.apex, DNS_TYPE_SOA, DNS_CLASS_IN);
        for (unsigned i = 0; i < 2500; i++) {
            uint8_t address[4] = {10, (uint8_t)message, (uint8_t)(i >> 8), (uint8_t)i};
            assert_int_equal(dns_builder_record(&builder, DNS_SECTION_AUTHORITY,
                                                (const uint8_t *)"\3big\7example", DNS_TYPE_A,
                                                DNS_CLASS_IN, 60, address, 4),
                             BASE_OK);
        }
        struct source_update_request request = {
            .message = wire, .length = dns_builder_finish(&builder), .view = &fixture.view};
        struct source_update_result result;
        assert_int_equal(source_update(&request, &fixture.edits, &result), BASE_OK);
        assert_int_equal(result.rcode, DNS_RCODE_NOERROR);
        assert_int_equal(result.changes, 2500);
    }
    struct source_update_result result =
        send_text(&fixture, "upd ANY big.example. 0 A", NULL, NULL);
    assert_int_equal(result.changes, 50000);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_permission),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_large_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
