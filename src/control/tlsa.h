/*
 * TLSA records that are kept published (docs/design/tlsa.md): what the files of this part share.
 *
 *   tlsa.c        the services: their files, their zones, what is written down
 *   tlsa_rules.c  what is published, and what is seen of it: functions of files, records and time
 *   tlsa_ask.c    asks the name servers of a zone
 *   tlsa_join.c   the records join what a zone's source says
 *   tlsa_reply.c  the API's replies
 */
#ifndef CONTROL_TLSA_H
#define CONTROL_TLSA_H

#include "control/internal.h"
#include "dane/life.h"
#include "dane/material.h"

#define CONTROL_TLSA_SERVERS 65 /* of one zone, and kenterd itself */
/* A server's name, and its address. */
#define CONTROL_TLSA_NAME (DNS_NAME_TEXT + NET_ADDRESS_TEXT + 2)

/* A file with a certificate or key, as it was when it was read last. */
struct control_tlsa_file {
    const char *path; /* NULL: none is configured */
    struct source_fingerprint fingerprint;
    bool read;                     /* since the start */
    bool there;                    /* the file was */
    struct dane_material material; /* the last that was good; count 0 and no key: none was */
    struct dane_life_chain chain;  /* of it */
    uint8_t rdata[REGISTRY_TLSA_RDATA];
    uint8_t length;  /* of its record; 0: there is none */
    base_time until; /* of its certificate; 0: a bare key */
    char why[240];   /* it cannot be used now; "": it can */
};

/* The records of one owner, as someone gives them. */
struct control_tlsa_set {
    struct dane_tlsa records[DANE_LIFE_RECORDS];
    uint8_t *data; /* where they point to, malloc'ed; NULL: elsewhere */
    size_t count;
    uint32_t ttl;
};

struct control_tlsa_server {
    char name[CONTROL_TLSA_NAME];
    bool answered;
    struct control_tlsa_set set;
};

/* Why the records cannot be in a zone. */
enum control_tlsa_trouble {
    CONTROL_TLSA_WELL,
    CONTROL_TLSA_NO_ZONE,
    CONTROL_TLSA_NOT_SIGNED,
    CONTROL_TLSA_CATALOG,
    CONTROL_TLSA_DELEGATED, /* and what a version was made with: */
    CONTROL_TLSA_ALIAS,
};

struct control_look;
struct control_tlsa_waiter;
struct control_tlsa_service {
    struct control_tlsa *all;
    const struct config_tlsa *config;
    uint16_t port;
    bool udp;
    uint8_t owner[DNS_NAME_MAX]; /* wire, lower case */
    char where[DNS_NAME_TEXT];
    struct control_tlsa_file current, next;
    struct registry_tlsa state; /* as it is written down */
    bool known;                 /* `state.zone` is */
    bool trusted;               /* files and zones were looked at since the start */
    enum control_tlsa_trouble trouble;
    bool also;                  /* the zone's source has records of the owner, too */
    uint8_t zone[DNS_NAME_MAX]; /* the nearest one here; with CONTROL_TLSA_NO_ZONE nothing */
    bool reading, read_again;   /* its files are being read */
    /* the last look */
    struct dane_life_advice advice;
    char refused[DANE_LIFE_TEXT + 64]; /* why a record is not added; "": nothing is refused */
    struct control_tlsa_server *servers;
    size_t server_count;
    base_time silent_since;    /* some server does not answer; 0: all do */
    base_time looked_at, due;  /* 0: never; nothing is planned */
    struct control_look *look; /* under way */
    struct control_tlsa_waiter *waiters;
    json_t *findings; /* what stands against it; NULL: nothing */
};

struct control_tlsa {
    struct control *control;
    struct control_tlsa_service *services;
    size_t count;
    union net_address resolvers[8];
    size_t resolver_count;
    struct net_loop *loop;
    struct net_asker *asker;
    uv_poll_t poll;
    uv_timer_t timer, net_timer;
    bool open; /* the handles are */
};

/* --- tlsa_rules.c: time is a parameter --- */

/* Makes chain and record from the material of a file. False: it cannot be, and `why` says so. */
bool control_tlsa_derive(const struct config_tlsa *config, struct control_tlsa_file *file);
/* What a file has now, `data` NULL: nothing, because of `problem`. What cannot be used changes
 * nothing of what is known of it but `why`. */
void control_tlsa_take(struct control_tlsa_service *service, struct control_tlsa_file *file,
                       const uint8_t *data, size_t length, const char *problem, base_time now);
/* The files, or what is published, may have changed. True: other records are to be kept, or in
 * other roles; `published` is what the zone has now. */
bool control_tlsa_follow(struct control_tlsa_service *service,
                         const struct control_tlsa_set *published, base_time now);
/* What the servers gave just now. True: the state has changed; *records: other records are kept. */
bool control_tlsa_observe(struct control_tlsa_service *service, base_time now, bool *records);
/* What is wrong with it. */
void control_tlsa_judge(const struct control_tlsa_service *service, base_time now,
                        struct base_findings *findings);
/* The record of this role; NULL: there is none. */
const struct registry_tlsa_record *control_tlsa_record(const struct control_tlsa_service *service,
                                                       enum registry_tlsa_role role);
struct dane_tlsa control_tlsa_of(const struct registry_tlsa_record *record);

/* --- tlsa_ask.c --- */

int control_tlsa_ask_open(struct control_tlsa *tlsa);
void control_tlsa_ask_close(struct control_tlsa *tlsa);
/* Asks all servers; control_tlsa_looked comes when all have answered, or will not. */
void control_tlsa_ask(struct control_tlsa_service *service);
void control_tlsa_looked(struct control_tlsa_service *service, struct control_tlsa_server *servers,
                         size_t count);
/* What is published of the owner; nothing when it is not published. */
void control_tlsa_published(struct control_tlsa_service *service, struct control_tlsa_set *out);

/* --- tlsa.c --- */

void control_tlsa_servers_free(struct control_tlsa_service *service);
/* What a version was made with: its content's trouble (or none), and whether the source has records
 * of the owner, too. */
void control_tlsa_joined(struct control_tlsa_service *service, enum control_tlsa_trouble trouble,
                         bool also);
struct control_tlsa_service *control_tlsa_find(struct control *control, const uint8_t *host,
                                               uint16_t port, bool udp); /* NULL: there is none */
/* Reads the files, then asks. */
void control_tlsa_look(struct control_tlsa_service *service);

/* --- tlsa_reply.c --- */

json_t *control_tlsa_object(const struct control_tlsa_service *service);
/* Replies that are given when a look is over: the one that begins now is for all; those that it was
 * for are answered, true: others wait for another; the API has ended. */
void control_tlsa_waiters_asked(struct control_tlsa_service *service);
bool control_tlsa_waiters_done(struct control_tlsa_service *service);
void control_tlsa_waiters_drop(struct control_tlsa_service *service);

#endif
