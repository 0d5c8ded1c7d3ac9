/* The main thread's side of the channel to control: see forward.h. */
#include "base/error.h"
#include "front/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int front_mailbox_init(struct front_mailbox *mailbox)
{
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    mailbox->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake < 0)
        return BASE_EIO;
    pthread_mutex_init(&mailbox->lock, NULL);
    return BASE_OK;
}

void front_mailbox_free(struct front_mailbox *mailbox)
{
    if (mailbox->wake < 0)
        return;
    while (mailbox->first != NULL) {
        struct front_letter *next = mailbox->first->next;
        free(mailbox->first);
        mailbox->first = next;
    }
    close(mailbox->wake);
    pthread_mutex_destroy(&mailbox->lock);
    mailbox->wake = -1;
}

static void ring(struct front_mailbox *mailbox)
{
    uint64_t one = 1;
    while (write(mailbox->wake, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void post(struct front_mailbox *mailbox, struct front_letter *letter)
{
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->last = letter;
    mailbox->last = &letter->next;
    pthread_mutex_unlock(&mailbox->lock);
    ring(mailbox);
}

void front_link_wake(struct front_shared *shared)
{
    for (unsigned i = 0; i < shared->workers; i++)
        ring(&shared->mailboxes[i]);
}

/* The number of the descriptor stays, so that workers never send on one that is closed. */
int front_link_replace(struct front_shared *shared, int fd)
{
    while (dup3(fd, shared->link, O_CLOEXEC) < 0) {
        if (errno != EINTR && errno != EBUSY)
            return BASE_EIO;
    }
    atomic_fetch_add_explicit(&shared->link_generation, 1, memory_order_release);
    return BASE_OK;
}

void front_link_gone(struct front_shared *shared)
{
    uint32_t generation = atomic_load_explicit(&shared->link_generation, memory_order_acquire);
    for (unsigned i = 0; i < shared->workers; i++) {
        struct front_letter *letter = calloc(1, sizeof(*letter));
        if (letter == NULL)
            continue; /* then they wait for their time to be over */
        letter->gone = true;
        letter->value = generation;
        post(&shared->mailboxes[i], letter);
    }
}

void front_link_answer(struct front_shared *shared, const struct process_message *message)
{
    unsigned worker = (unsigned)(message->id >> 56);
    if (worker >= shared->workers || message->length > DNS_MESSAGE_MAX)
        return;
    struct front_letter *letter = calloc(1, sizeof(*letter) + message->length);
    if (letter == NULL)
        return;
    letter->id = message->id;
    letter->value = message->value;
    letter->length = message->length;
    if (message->length > 0)
        memcpy(letter->data, message->data, message->length);
    post(&shared->mailboxes[worker], letter);
}
