/*
 * Questions to other servers and their answers: many at once in one thread, over UDP, over TCP when
 * an answer is cut (TC) or refused, or over TLS. Each try has a socket, so a port, and an ID of its
 * own, both random (RFC 5452); what comes is matched with the question, and verified when there is
 * a key. What does not match is ignored over UDP, since anybody may have sent it.
 *
 * At most so many exchanges are under way in all and with one peer; the others wait their turn.
 */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "dns/tsig.h"
#include "net/reply.h"
#include "net/tls.h"
#include "net/turns.h"

struct net_exchanger;
struct net_outbound;

struct net_exchanger_options {
    unsigned most;              /* exchanges at once; 0: 512 */
    unsigned most_of_peer;      /* 0: 64 */
    struct net_tls_client *tls; /* for exchanges over TLS; outlives the exchanger */
};

#define NET_EXCHANGE_MESSAGE_MAX 2048

/* The caller's, until `done`, which may free it. All that it points to stays as long. */
struct net_exchange {
    union net_address address;
    const uint8_t *message; /* with one question; the ID is put in. At most
                               NET_EXCHANGE_MESSAGE_MAX octets */
    size_t length;
    const struct dns_tsig_key *key; /* NULL: none */
    const char *tls_name, *tls_ca;  /* see net_tls_client_session */
    bool tls;
    bool patient;        /* goes on with the next try also when the peer is unreachable */
    unsigned tries;      /* over UDP; over TLS there is one, unless `patient` */
    unsigned timeout_ms; /* of a try; doubled after each when `patient` */
    void (*done)(struct net_exchange *exchange, const struct net_reply *reply);

    /* The exchanger's own. */
    struct net_turn turn;
    struct net_exchange *next, *previous; /* of those under way */
    struct dns_tsig tsig;
    struct net_outbound *outbound;
    uint64_t deadline; /* ns */
    unsigned tried;
    uint16_t id;
    int fd; /* UDP; -1: none */
    enum net_reply_kind trouble;
    char why[256];
};

/* Something to be done in the exchanger's thread. */
struct net_task {
    struct net_task *next;
    void (*run)(struct net_task *task);
};

/* Starts the thread. BASE_ENOMEM, BASE_EIO. */
int net_exchanger_new(const struct net_exchanger_options *options, struct net_exchanger **out);
/* Runs the tasks that were handed in, ends all exchanges (STOPPED), ends the thread. */
void net_exchanger_free(struct net_exchanger *exchanger);

/* Hands in a task; from any thread. It may free itself when it is run. */
void net_exchanger_post(struct net_exchanger *exchanger, struct net_task *task);

/* Both in the exchanger's thread only: from tasks and from `done`. Start: BASE_ENOMEM; BASE_ELIMIT:
 * the message is too long; BASE_EREFUSED: the exchanger ends; `done` is not called then. Cancel
 * ends an exchange that has been started and is not done; without a call of `done`. */
int net_exchange_start(struct net_exchanger *exchanger, struct net_exchange *exchange);
void net_exchange_cancel(struct net_exchanger *exchanger, struct net_exchange *exchange);

#endif
