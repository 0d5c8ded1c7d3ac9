/*
 * What servers say before TLS. The first octet picks the protocol, the second one how the rest is
 * cut. TLS may begin only when it was asked for, and nothing may be left over then.
 */
#include "base/error.h"
#include "dane/preamble.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Did we ask for TLS by now? */
static bool asks(const char *output, size_t length)
{
    return memmem(output, length, "STARTTLS\r\n", 10) || memmem(output, length, "STLS\r\n", 6) ||
           memmem(output, length, "<starttls", 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dane_start starts[] = {DANE_START_SMTP,        DANE_START_IMAP,
                                             DANE_START_POP3,        DANE_START_SIEVE,
                                             DANE_START_XMPP_CLIENT, DANE_START_XMPP_SERVER};
    struct dane_preamble *preamble;
    bool asked = false;
    if (size < 2 ||
        dane_preamble_new(starts[data[0] % 6], "example.org", "me.example", &preamble) != BASE_OK)
        return 0;
    size_t piece = data[1] % 64 + 1;
    enum dane_preamble_state state = DANE_PREAMBLE_WAIT;
    for (size_t at = 2; at < size && state == DANE_PREAMBLE_WAIT; at += piece) {
        size_t length;
        const char *output = dane_preamble_output(preamble, &length);
        asked = asked || (output && asks(output, length));
        state = dane_preamble_input(preamble, (const char *)data + at,
                                    size - at < piece ? size - at : piece);
    }
    if (state == DANE_PREAMBLE_TLS && !asked)
        abort();
    if (state == DANE_PREAMBLE_FAILED && dane_preamble_why(preamble)[0] == '\0')
        abort();
    if (state == DANE_PREAMBLE_TLS && dane_preamble_input(preamble, "x", 1) != DANE_PREAMBLE_FAILED)
        abort();
    dane_preamble_free(preamble);
    return 0;
}
