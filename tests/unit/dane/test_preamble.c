/*
 * STARTTLS of each protocol: what the server says, cut in every way, what we say, and whether TLS
 * may begin. Text that is there before it is asked for, or behind the consent, ends it.
 */
#include "base/error.h"
#include "dane/preamble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TLS  DANE_PREAMBLE_TLS
#define NONE DANE_PREAMBLE_NONE
#define BAD  DANE_PREAMBLE_FAILED
#define WAIT DANE_PREAMBLE_WAIT

#define SMTP  DANE_START_SMTP
#define IMAP  DANE_START_IMAP
#define POP3  DANE_START_POP3
#define SIEVE DANE_START_SIEVE
#define S2S   DANE_START_XMPP_SERVER
#define C2S   DANE_START_XMPP_CLIENT

#define STREAM                                                                                     \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "                                   \
    "xmlns:stream='http://etherx.jabber.org/streams' id='1' from='example.org' version='1.0'>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

/* What the server says, each after we have said ours. */
struct trial {
    enum dane_start start;
    const char *server[4];
    enum dane_preamble_state state;
    const char *why;
};

static const struct trial trials[] = {
    {SMTP, {"220 mx ESMTP\r\n", "250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n", "220 go\r\n"}, TLS, 0},
    {SMTP, {"220-mx\r\n220-hello\r\n220 mx\r\n", "250-mx\r\n250 starttls\r\n", "220\r\n"}, TLS, 0},
    {SMTP, {"220 mx\n", "250-mx\n250-STARTTLS\n250 HELP\n", "220-a\n220 b\n"}, TLS, 0},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 SIZE\r\n"}, NONE, 0},
    {SMTP, {"220 mx\r\n", "250 mx\r\n"}, NONE, 0},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 XSTARTTLS\r\n"}, NONE, 0},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLSX\r\n"}, NONE, 0},
    {SMTP, {"220 mx\r\n", "250 STARTTLS\r\n"}, NONE, 0}, /* that is the greeting's name */
    {SMTP, {"220 mx\r\n", "502 what?\r\n"}, NONE, 0},
    {SMTP, {"554 go away\r\n"}, BAD, "\"554 go away\""},
    {SMTP, {"421-busy\r\n421 busy\r\n"}, BAD, "421"},
    {SMTP, {"2200 mx\r\n"}, BAD, "2200"},
    {SMTP, {"HTTP/1.1 400 Bad Request\r\n"}, BAD, "HTTP"},
    {SMTP, {"\r\n"}, BAD, "greets"},
    {SMTP, {"220 mx\r\n", "451 later\r\n"}, BAD, "451"},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no TLS now\r\n"}, BAD, "454"},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\nRSET\r\n"}, BAD, "injection"},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "x"}, BAD, "before TLS"},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n220 go\r\n"}, BAD, "before it is asked"},
    {SMTP, {"220 mx\r\n250-mx\r\n250 STARTTLS\r\n"}, BAD, "before it is asked"},
    {SMTP, {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n\n"}, BAD, "injection"},
    {SMTP, {"220 m\033[2Jx\r\n", "999\033[2J\r\n"}, BAD, "999?[2J"},

    {IMAP, {"* OK hi\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n", "b OK go\r\n"}, TLS, 0},
    {IMAP,
     {"* OK [CAPABILITY X] hi\r\n", "* CAPABILITY STARTTLS X\r\na OK\r\n", "b OK\r\n"},
     TLS,
     0},
    {IMAP,
     {"* OK hi\r\n", "* CAPABILITY starttls\r\n* OK x\r\na OK x\r\n", "* OK\r\nb OK\r\n"},
     TLS,
     0},
    {IMAP, {"* OK hi\r\n", "* CAPABILITY IMAP4rev1 XSTARTTLS\r\na OK\r\n"}, NONE, 0},
    {IMAP, {"* OK hi\r\n", "* OK STARTTLS\r\na OK\r\n"}, NONE, 0},
    {IMAP, {"* PREAUTH hi\r\n"}, BAD, "PREAUTH"}, /* would never start TLS */
    {IMAP, {"* BYE\r\n"}, BAD, "BYE"},
    {IMAP, {"* OK hi\r\n", "a BAD what\r\n"}, BAD, "a BAD"},
    {IMAP, {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b NO\r\n"}, BAD, "b NO"},
    {IMAP,
     {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n* BYE\r\n"},
     BAD,
     "injection"},
    {IMAP, {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\nb OK\r\n"}, BAD, "before it is asked"},

    {POP3, {"+OK hi\r\n", "+OK\r\nTOP\r\nSTLS\r\n.\r\n", "+OK go\r\n"}, TLS, 0},
    {POP3, {"+OK\r\n", "+OK\r\nstls\r\n.\r\n", "+OK\r\n"}, TLS, 0},
    {POP3, {"+OK\r\n", "+OK\r\nTOP\r\n.\r\n"}, NONE, 0},
    {POP3, {"+OK\r\n", "+OK\r\nSTLSX\r\n.\r\n"}, NONE, 0},
    {POP3, {"+OK\r\n", "-ERR what\r\n"}, NONE, 0},
    {POP3, {"-ERR busy\r\n"}, BAD, "-ERR busy"},
    {POP3, {"+OKAY\r\n"}, BAD, "+OKAY"},
    {POP3, {"+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "-ERR no\r\n"}, BAD, "-ERR no"},
    {POP3, {"+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n+OK\r\n"}, BAD, "injection"},
    {POP3, {"+OK\r\n", "+OK\r\nSTLS\r\n.\r\n+OK\r\n"}, BAD, "before it is asked"},

    {SIEVE, {"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n", "OK go\r\n"}, TLS, 0},
    {SIEVE, {"\"IMPLEMENTATION\" \"x\"\r\nOK \"hi\"\r\n"}, NONE, 0},
    {SIEVE, {"BYE \"busy\"\r\n"}, BAD, "BYE"},
    {SIEVE, {"\"STARTTLS\"\r\nOK\r\n", "NO\r\n"}, BAD, "NO"},
    {SIEVE, {"\"STARTTLS\"\r\nOK\r\n", "OK\r\nOK\r\n"}, BAD, "injection"},

    {S2S, {STREAM "<stream:features>" STARTTLS "</stream:features>", PROCEED}, TLS, 0},
    {S2S,
     {STREAM "\n<stream:features>\n<x xmlns='y'/>" STARTTLS "</stream:features>\n", "\n" PROCEED},
     TLS,
     0},
    {C2S,
     {STREAM "<stream:features><starttls "
             "xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
      PROCEED},
     TLS,
     0},
    {S2S,
     {STREAM "<stream:features>" STARTTLS "</stream:features>",
      "<proceed xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"></proceed>"},
     TLS,
     0},
    {S2S, {STREAM "<stream:features></stream:features>"}, NONE, 0},
    {S2S, {STREAM "<stream:features/>"}, NONE, 0},
    {S2S, {STREAM "<stream:features><starttls xmlns='other'/></stream:features>"}, NONE, 0},
    {S2S, {STREAM "<stream:features><x xmlns='y'>" STARTTLS "</x></stream:features>"}, NONE, 0},
    {S2S, {STREAM "<x xmlns='y'>" STARTTLS "</x><stream:features/>"}, NONE, 0},
    {S2S,
     {STREAM
      "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"},
     BAD,
     "error"},
    {S2S,
     {STREAM "<stream:features>" STARTTLS "</stream:features>",
      "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"},
     BAD,
     "refuses"},
    {S2S,
     {STREAM "<stream:features>" STARTTLS "</stream:features>", PROCEED "<x/>"},
     BAD,
     "injection"},
    {S2S,
     {STREAM "<stream:features>" STARTTLS "</stream:features>", PROCEED "\n"},
     BAD,
     "injection"},
    {S2S,
     {STREAM "<stream:features>" STARTTLS "</stream:features>" PROCEED},
     BAD,
     "before it is asked"},
    {S2S, {"220 mx\r\n"}, BAD, "no XML"},
    {S2S, {"<html xmlns='x'>"}, BAD, "does not open"},
    {S2S, {"<!DOCTYPE x [<!ENTITY a 'b'>]>"}, BAD, "document type"},
    {S2S, {STREAM "</stream:stream>"}, BAD, "ends the stream"},
    {S2S, {STREAM "<a></b>"}, BAD, "no XML"},
    {S2S, {"\x80\x81\x82\x83\x84\x85"}, BAD, "no XML"},
};

static enum dane_preamble_state feed(struct dane_preamble *preamble, const char *text, size_t piece)
{
    size_t length = strlen(text);
    enum dane_preamble_state state = dane_preamble_input(preamble, "", 0);
    for (size_t at = 0; at < length; at += piece)
        state = dane_preamble_input(preamble, text + at, length - at < piece ? length - at : piece);
    return state;
}

/* Whole packets, and octet by octet. What comes too early can be told from what comes in time only
 * when it comes in one piece with what it follows. */
static void test_trials(void **state)
{
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        const struct trial *trial = &trials[i];
        for (size_t piece = 100000; piece > 0; piece = piece > 10 ? 10 : piece == 10 ? 1 : 0) {
            struct dane_preamble *preamble;
            size_t length;
            assert_int_equal(
                dane_preamble_new(trial->start, "example.org", "me.example", &preamble), BASE_OK);
            enum dane_preamble_state reached = WAIT;
            for (size_t k = 0; k < 4 && trial->server[k]; k++) {
                dane_preamble_output(preamble, &length);
                reached = feed(preamble, trial->server[k], piece);
            }
            const char *why = dane_preamble_why(preamble);
            if (reached != trial->state || (trial->why && !strstr(why, trial->why)))
                fail_msg("trial %zu (\"%s\", pieces of %zu): state %d, \"%s\"", i, trial->server[0],
                         piece, reached, why);
            /* The end is the end. */
            if (reached != TLS)
                assert_int_equal(feed(preamble, "220 go\r\n", 100), reached);
            dane_preamble_free(preamble);
        }
    }
}

static const char *said(struct dane_preamble *preamble)
{
    static char text[1024];
    size_t length;
    const char *output = dane_preamble_output(preamble, &length);
    if (!output)
        return "";
    assert_true(length < sizeof text);
    memcpy(text, output, length);
    text[length] = '\0';
    return text;
}

static void test_what_we_say(void **state)
{
    struct dane_preamble *preamble;
    assert_int_equal(dane_preamble_new(SMTP, "example.org", NULL, &preamble), BASE_OK);
    assert_string_equal(said(preamble), "");
    assert_int_equal(feed(preamble, "220 mx\r\n", 100), WAIT);
    assert_string_equal(said(preamble), "EHLO [127.0.0.1]\r\n");
    assert_string_equal(said(preamble), "");
    assert_int_equal(feed(preamble, "250-mx\r\n250 STARTTLS\r\n", 100), WAIT);
    assert_string_equal(said(preamble), "STARTTLS\r\n");
    assert_int_equal(feed(preamble, "220\r\n", 100), TLS);
    dane_preamble_free(preamble);
    assert_int_equal(dane_preamble_new(S2S, "example.org", "me.example", &preamble), BASE_OK);
    const char *opening = said(preamble);
    assert_non_null(strstr(opening, " to='example.org'"));
    assert_non_null(strstr(opening, " from='me.example'"));
    assert_non_null(strstr(opening, "jabber:server"));
    dane_preamble_free(preamble);
    /* Names that would be more than names. */
    assert_int_equal(dane_preamble_new(S2S, "a' x='b", NULL, &preamble), BASE_EINVAL);
    assert_int_equal(dane_preamble_new(S2S, "a", "<b>", &preamble), BASE_EINVAL);
    assert_int_equal(dane_preamble_new(SMTP, "a", "me\r\nMAIL FROM:<>", &preamble), BASE_EINVAL);
    assert_int_equal(dane_preamble_new(DANE_START_TLS_AT_ONCE, "a", NULL, &preamble), BASE_OK);
    assert_int_equal(dane_preamble_input(preamble, "", 0), TLS);
    assert_int_equal(feed(preamble, "220 mx\r\n", 100), BAD);
    dane_preamble_free(preamble);
}

/* Servers that never come to an end. */
static void test_endless(void **state)
{
    static const struct {
        enum dane_start start;
        const char *first, *again;
    } endless[] = {
        {SMTP, "", "220-mx\r\n"},
        {SMTP, "", "x"},
        {SMTP, "220 mx\r\n", "250-X\r\n"},
        {IMAP, "* OK\r\n", "* OK\r\n"},
        {POP3, "+OK\r\n", "X\r\n"},
        {SIEVE, "", "X\r\n"},
        {S2S, STREAM, "<a xmlns='b'/>"},
        {S2S, STREAM, "<a xmlns='b'>"},
        {S2S, STREAM, " "},
        {S2S, "", " "},
        {S2S, "<a", "a"},
    };
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct dane_preamble *preamble;
        assert_int_equal(dane_preamble_new(endless[i].start, "a", NULL, &preamble), BASE_OK);
        said(preamble);
        enum dane_preamble_state reached = feed(preamble, endless[i].first, 100);
        said(preamble);
        for (size_t sent = 0; reached == WAIT; sent += strlen(endless[i].again)) {
            assert_true(sent <= DANE_PREAMBLE_INPUT_MAX + 100);
            reached = feed(preamble, endless[i].again, 100);
        }
        assert_int_equal(reached, BAD);
        assert_true(strlen(dane_preamble_why(preamble)) > 10);
        dane_preamble_free(preamble);
    }
    struct dane_preamble *preamble;
    assert_int_equal(dane_preamble_new(SMTP, "a", NULL, &preamble), BASE_OK);
    assert_int_equal(dane_preamble_input(preamble, "220 \0 mx\r\n", 10), BAD);
    dane_preamble_free(preamble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trials),
                                       cmocka_unit_test(test_what_we_say),
                                       cmocka_unit_test(test_endless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
