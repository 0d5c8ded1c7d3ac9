/*
 * Reports as they travel: compressed (RFC 1952), and as mail (RFC 8460 section 5.3). What comes in
 * is from strangers: everything is bounded.
 */
#ifndef DANE_TLSRPT_MAIL_H
#define DANE_TLSRPT_MAIL_H

#include "base/buf.h"
#include "base/clock.h"

int dane_tlsrpt_compress(const uint8_t *data, size_t length, struct base_buf *out);
/* At most what `out` may hold. BASE_EFORMAT: it is no gzip, or damaged; BASE_ELIMIT: it is more;
 * BASE_ENOMEM. */
int dane_tlsrpt_expand(const uint8_t *data, size_t length, struct base_buf *out);

struct dane_tlsrpt_mail {
    const char *to;        /* "mailto:tls@example.org" */
    const char *from;      /* an address, with or without "mailto:" */
    const char *domain;    /* that the report is about */
    const char *submitter; /* who reports */
    const char *id;        /* of the report */
    const char *file;      /* "…json.gz" */
    const uint8_t *report; /* compressed */
    size_t length;
    base_time now;
};
#define DANE_TLSRPT_ADDRESS_MAX 320
/* The address of "mailto:…", unquoted, or of what is none. BASE_EFORMAT: no address that can stand
 * in a header. */
int dane_tlsrpt_mail_address(const char *uri, char out[DANE_TLSRPT_ADDRESS_MAX]);
/* The whole mail, for `sendmail -t`. BASE_EFORMAT: an address or text that cannot stand in it. */
int dane_tlsrpt_mail_write(const struct dane_tlsrpt_mail *mail, struct base_buf *out);
/* The report in a mail: the first part of type application/tlsrpt+gzip or +json (or whose file name
 * ends so), decoded. BASE_ENOENT: it has none; BASE_EFORMAT; BASE_ENOMEM;
 * BASE_ELIMIT: it is more than `out` may hold. */
int dane_tlsrpt_mail_read(const char *text, size_t length, struct base_buf *out);

#endif
