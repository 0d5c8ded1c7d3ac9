/*
 * Sessions kept in a directory, a file for each day (UTC), "2026-11-22.jsonl", and how far a log
 * has been read. Both move together: what was appended after the state was last saved is cut off
 * when the directory is opened again, since it will come out of the log again. So no session is
 * there twice, and none is missing, whenever the process dies.
 */
#ifndef DANE_TLSRPT_DAYS_H
#define DANE_TLSRPT_DAYS_H

#include "dane/tlsrpt.h"

#define DANE_TLSRPT_STATE     "collect.state"
#define DANE_TLSRPT_DAYS_MAX  64 /* files that the state knows */
#define DANE_TLSRPT_STATE_MAX (16 * 1024 * 1024)

struct dane_tlsrpt_days;

/* Opens the directory (made when it is not there) for one process at a time, and cuts off. *state
 * (malloc'ed, NULL: none) is what was saved, as the JSON text that was given. BASE_EIO (errno),
 * BASE_EEXIST: another process has it; BASE_EFORMAT: the state is damaged; BASE_ENOMEM. */
int dane_tlsrpt_days_open(const char *directory, struct dane_tlsrpt_days **out, char **state);
void dane_tlsrpt_days_close(struct dane_tlsrpt_days *days); /* NULL allowed; saves nothing */
/* Keeps a session for its day. BASE_EIO, BASE_ENOMEM. */
int dane_tlsrpt_days_add(struct dane_tlsrpt_days *days, const struct dane_tlsrpt_session *session);
/* Puts all on disk, and then the state (JSON) beside it. */
int dane_tlsrpt_days_save(struct dane_tlsrpt_days *days, const char *state);
/* Removes the files of days before `first`. */
void dane_tlsrpt_days_expire(struct dane_tlsrpt_days *days, base_time first);
/* "2026-11-22.jsonl" */
void dane_tlsrpt_day_file(base_time time, char out[32]);

#endif
