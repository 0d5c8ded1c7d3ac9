/*
 * What is passed on to the control process: NOTIFY, which is answered at once, and UPDATE, whose
 * answer comes later. Each worker has a table of the updates that wait, of fixed size; what does
 * not come back in time, or cannot, is answered SERVFAIL.
 *
 * Workers send on the channel themselves (a packet is sent as a whole or not at all); the main
 * thread receives, and puts answers into the mailbox of the worker that the message's id names.
 */
#ifndef FRONT_FORWARD_H
#define FRONT_FORWARD_H

#include "front/worker.h"
#include "process/channel.h"

#define FRONT_UPDATES_MAX     256 /* that wait, of each worker */
#define FRONT_UPDATES_CLIENT  64  /* of these, for one client: IPv4 address or IPv6 /56 */
#define FRONT_UPDATE_SECONDS  10  /* then SERVFAIL */
#define FRONT_NOTIFIES_SECOND 200 /* without a key, of each worker; more are dropped */

int front_forward_new(struct front_worker *worker, struct front_forward **out);
/* After all connections are closed. NULL allowed. */
void front_forward_free(struct front_forward *forward);

/* Each returns an enum net_verdict. With NET_ANSWER the response in `out` is to be signed by the
 * caller. */
int front_notify(struct front_worker *worker, struct front_request *request);
int front_update(struct front_worker *worker, struct front_request *request);

/* --- the main thread --- */

int front_mailbox_init(struct front_mailbox *mailbox);
void front_mailbox_free(struct front_mailbox *mailbox);
/* Another channel to the control process: sent on from now on. `fd` stays the caller's. */
int front_link_replace(struct front_shared *shared, int fd);
/* Lets all workers look whether there is another image. */
void front_link_wake(struct front_shared *shared);
/* The control process is gone: whoever waits for it is told. */
void front_link_gone(struct front_shared *shared);
/* Hands an answer to the worker that waits. What nobody waits for is dropped. */
void front_link_answer(struct front_shared *shared, const struct process_message *message);

#endif
