/*
 * What the parts of the asker share: question.c has datagrams, the queue and the common things,
 * question_stream.c connections.
 */
#ifndef NET_QUESTION_PARTS_H
#define NET_QUESTION_PARTS_H

#include "net/outbound.h"
#include "net/question.h"

#define NET_STREAM_QUESTIONS 64 /* under way on one connection */
#define NET_STREAM_STRAYS    64 /* messages that answer nothing, until it is closed */

struct net_stream {
    struct net_asker *asker;
    struct net_stream *next, *previous;
    union net_address address;
    struct net_outbound *outbound;
    struct net_watch watch;
    struct net_timer idle;
    struct net_question *questions; /* the newest first */
    unsigned question_count, strays;
    bool tls;
    bool used;     /* has given an answer */
    bool closing;  /* takes no more questions */
    bool stepping; /* is being worked with, so may not be freed further down */
    char tls_name[256];
};

struct net_asker {
    struct net_loop *loop;
    struct net_tls_client *tls;
    char *tls_ca;
    unsigned most_sockets, sockets;
    uint64_t idle; /* ns */
    bool random_case;
    struct net_asker_counts counts;
    struct net_question *first, *last; /* the queue */
    struct net_timer turn;             /* set when one of the queue may have its turn */
    struct net_stream *streams;
    size_t random_left;
    uint8_t random[512];
};

enum net_question_match {
    NET_MATCH,
    NET_MATCH_CASE, /* all but the case of letters */
    NET_MATCH_ID,   /* another ID */
    NET_MATCH_NOT,
};

/* Random octets, as good as the system's. */
void net_asker_random(struct net_asker *asker, void *out, size_t length);
enum net_question_match net_question_match(const struct net_question *question,
                                           const uint8_t *message, size_t length);
/* Ends it from outside of the caller's calls: `done` is called. */
void net_question_end(struct net_question *question, const struct net_reply *reply);
void net_question_end_badly(struct net_question *question, enum net_reply_kind kind,
                            const char *why);
/* Ends it soon, when `done` may not be called now. */
void net_question_fail(struct net_question *question, enum net_reply_kind kind, const char *why);
/* A socket is free again. */
void net_asker_socket_free(struct net_asker *asker);
/* One of the queue may have its turn. */
void net_asker_next(struct net_asker *asker);

/* Is there a connection that can take it? */
bool net_stream_has_room(const struct net_question *question);
/* Puts it on a connection: one that is there, or a new one. */
void net_stream_attach(struct net_question *question);
/* Takes it off its connection. `late`: because it was not answered in time. */
void net_stream_detach(struct net_question *question, bool late);
/* Closes the connection that has been idle for longest; false: there is none. */
bool net_stream_close_idle(struct net_asker *asker);
void net_stream_free_all(struct net_asker *asker);

#endif
