/*
 * Reports on their way: a directory with, for each report, NAME.json.gz and NAME.send, which says
 * where it goes and how far that is. Before something is sent, the file says so: whoever dies then
 * does not send it twice. One process at a time.
 */
#ifndef DANE_TLSRPT_SPOOL_H
#define DANE_TLSRPT_SPOOL_H

#include "dane/tlsrpt.h"

#define DANE_TLSRPT_SEND_FOR   86400 /* seconds from the first try (RFC 8460 section 5.5) */
#define DANE_TLSRPT_FIRST_WAIT 900   /* after the first failure; doubled by each */
#define DANE_TLSRPT_MOST_WAIT  14400

enum dane_tlsrpt_sending {
    DANE_TLSRPT_WAITING,
    DANE_TLSRPT_SENDING, /* being sent; when found so: it may have arrived, and is not tried again
                          */
    DANE_TLSRPT_SENT,
    DANE_TLSRPT_GIVEN_UP,
};
struct dane_tlsrpt_target {
    char *uri;
    enum dane_tlsrpt_sending state;
    unsigned tries;
    base_time first, next; /* try; 0: none yet; the next one is due */
    char why[200];         /* the last failure */
};
struct dane_tlsrpt_parcel {
    char *name; /* without ".json.gz" */
    char *domain, *submitter, *id, *contact;
    struct dane_tlsrpt_target targets[DANE_TLSRPT_RUA_MAX];
    size_t count;
};
void dane_tlsrpt_parcel_free(struct dane_tlsrpt_parcel *parcel);
const char *dane_tlsrpt_sending_name(enum dane_tlsrpt_sending state);

struct dane_tlsrpt_spool;
/* BASE_EIO (errno); BASE_EEXIST: another process has it; BASE_ENOMEM. */
int dane_tlsrpt_spool_open(const char *directory, struct dane_tlsrpt_spool **out);
void dane_tlsrpt_spool_close(struct dane_tlsrpt_spool *spool); /* NULL allowed */
/* Is the report there already, to be sent or sent? */
bool dane_tlsrpt_spool_has(const struct dane_tlsrpt_spool *spool, const char *name);
/* Takes a report up (compressing it). BASE_EIO, BASE_ENOMEM. */
int dane_tlsrpt_spool_add(struct dane_tlsrpt_spool *spool, const struct dane_tlsrpt_parcel *parcel,
                          const uint8_t *document, size_t length);
/* Goes through all reports, in the order of names. What is no such file is passed over. */
int dane_tlsrpt_spool_each(struct dane_tlsrpt_spool *spool,
                           int (*call)(void *context, struct dane_tlsrpt_parcel *parcel),
                           void *context);
/* Writes how far it is. */
int dane_tlsrpt_spool_note(struct dane_tlsrpt_spool *spool,
                           const struct dane_tlsrpt_parcel *parcel);
/* Reads the compressed report; malloc'ed. */
int dane_tlsrpt_spool_read(const struct dane_tlsrpt_spool *spool, const char *name, uint8_t **data,
                           size_t *length);
void dane_tlsrpt_spool_remove(struct dane_tlsrpt_spool *spool, const char *name);
/* A mark that all reports of a day were made. */
bool dane_tlsrpt_spool_is_made(const struct dane_tlsrpt_spool *spool, base_time day);
int dane_tlsrpt_spool_made(struct dane_tlsrpt_spool *spool, base_time day);

/* Is it time to try? */
bool dane_tlsrpt_target_is_due(const struct dane_tlsrpt_target *target, base_time now);
/* After a try that failed: when to try again, or that it is given up. */
void dane_tlsrpt_target_failed(struct dane_tlsrpt_target *target, base_time now, const char *why);

#endif
