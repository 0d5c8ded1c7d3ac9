/*
 * The change of a server's certificate under TLSA (RFC 7671 section 8.1): which records to publish,
 * and when the server may show the next certificate. A function of what was observed at the
 * authoritative servers; no socket, no clock.
 *
 * A sender may hold any set that a server has given out, for as long as its TTL says. So the next
 * certificate may be shown when every authoritative server has been seen with a record for it, and
 * the largest TTL of the sets before has passed since then. The record of the certificate that is
 * shown is never to be taken out.
 *
 * An alias is one more thing that caches hold: its TTL counts as those of sets do, servers must
 * agree on it, and one that leads elsewhere begins the wait anew.
 */
#ifndef DANE_LIFE_H
#define DANE_LIFE_H

#include "dane/verify.h"

/* What is waited for when the TTL of the former set was never seen. */
#define DANE_LIFE_TTL_UNKNOWN 86400
/* For clocks that differ, and resolvers that round. */
#define DANE_LIFE_MARGIN 60
#define DANE_LIFE_TEXT   512
/* More records of one set than these are not looked at. */
#define DANE_LIFE_RECORDS 64

/* What a server shows: its certificate, then those that lead to a CA. */
struct dane_life_chain {
    const struct dane_der *certificates;
    size_t count; /* 0: not known */
};

struct dane_life_wanted {
    struct dane_life_chain current, next;
    const struct dane_tlsa *current_record; /* to be published for it; NULL: not known */
    const struct dane_tlsa *next_record;
    bool switched;     /* the next certificate is shown already, by every server of the service */
    unsigned usages;   /* that senders take: DANE_USAGES_… */
    uint32_t ttl;      /* wait at least for so long a TTL; 0: what was observed */
    const char *where; /* "_25._tcp.mx.example.org", for the reasons */
};

/* One authoritative server, as it was just seen. Where the name of the service is an alias (CNAME),
 * those that have the name it leads to are asked for it, too. */
struct dane_life_server {
    const char *name; /* with its address */
    bool answered;
    const struct dane_tlsa *records; /* none: it says that there are none */
    size_t count;
    uint32_t ttl;      /* of the records, or of the alias */
    unsigned hop;      /* 0: it was asked for the service's own name; 1: for the name that the alias
                        * there leads to, and so on */
    const char *alias; /* it has an alias to this name, and so no records; NULL: none */
};

/* What is remembered from one look to the next; zero at first. */
struct dane_life_state {
    base_time complete_since; /* every server has had the new set since then; 0: not */
    uint32_t ttl;             /* the largest that was seen */
    bool old_seen;            /* `ttl` is of a set without the next record */
    uint64_t servers;         /* stands for the list of servers, and for the aliases */
};

enum dane_life_step {
    DANE_LIFE_REFUSED, /* it cannot be done so: the reason says why */
    DANE_LIFE_PUBLISH, /* records are to be added */
    DANE_LIFE_SERVERS, /* wait until every server has been seen with them */
    DANE_LIFE_CACHES,  /* wait until no cache holds the former set */
    DANE_LIFE_SWITCH,  /* the next certificate may be shown */
    DANE_LIFE_REMOVE,  /* it is shown; what does not match it may be taken out */
    DANE_LIFE_DONE,
};
const char *dane_life_step_name(enum dane_life_step step); /* "publish" */

struct dane_life_advice {
    enum dane_life_step step;
    bool switch_safe;
    bool add_current, add_next;  /* these records are missing at some server */
    base_time safe_at;           /* when the switch is safe if all stays so; 0: not known yet */
    base_time next_look;         /* when to look again */
    char reason[DANE_LIFE_TEXT]; /* in words */
};

/* The next change of the same service: forgets the former one, but for the TTL, since caches may
 * still hold a set of before. */
void dane_life_begin(struct dane_life_state *state);

/* One look. */
void dane_life_look(const struct dane_life_wanted *wanted, const struct dane_life_server *servers,
                    size_t count, base_time now, struct dane_life_state *state,
                    struct dane_life_advice *out);

/* Would a sender that holds this set accept what the server shows? A set without usable records
 * asks for nothing (RFC 7672 section 2.2). */
enum dane_life_match {
    DANE_LIFE_NO_MATCH,
    DANE_LIFE_MATCH,
    DANE_LIFE_NOTHING, /* no usable record is there */
};
enum dane_life_match dane_life_match(const struct dane_tlsa *records, size_t count,
                                     const struct dane_life_chain *chain, unsigned usages);
/* May this record be taken out? Only when the chain that is shown does not lean on it. */
bool dane_life_leans(const struct dane_tlsa *record, const struct dane_life_chain *chain);

#endif
