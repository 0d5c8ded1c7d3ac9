/*
 * Sending the reports of a spool to those who asked for them.
 */
#ifndef CLI_TLSRPT_SEND_H
#define CLI_TLSRPT_SEND_H

#include "cli/ask.h"
#include "dane/tlsrpt_spool.h"

struct cli_tlsrpt_send {
    struct cli_ask *ask;
    struct dane_tlsrpt_spool *spool;
    const char *ca_file;  /* for https; NULL: the system's */
    const char *sendmail; /* the program */
    uint32_t keep;        /* seconds that finished reports stay */
    size_t sent, failed, given_up, printed;
};
/* Tries what is due; says what became of it, as text and as the member "sent". */
int cli_tlsrpt_send(struct cli_tlsrpt_send *send);

#endif
