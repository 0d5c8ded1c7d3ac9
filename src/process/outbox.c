/*
 * A queue of messages to one process.
 */
#include "process/outbox.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process_letter {
    struct process_letter *next;
    struct process_message message;
    uint8_t data[];
};

static void free_letter(struct process_letter *letter)
{
    if (letter->message.fd >= 0)
        close(letter->message.fd);
    free(letter);
}

int process_outbox_add(struct process_outbox *outbox, const struct process_message *message)
{
    if (message->length > PROCESS_MESSAGE_MAX)
        return BASE_ERANGE;
    if (outbox->count >= PROCESS_OUTBOX_MAX)
        return BASE_ELIMIT;
    struct process_letter *letter = malloc(sizeof(*letter) + message->length);
    if (letter == NULL)
        return BASE_ENOMEM;
    letter->next = NULL;
    letter->message = *message;
    letter->message.data = letter->data;
    if (message->length > 0)
        memcpy(letter->data, message->data, message->length);
    if (message->fd >= 0 && (letter->message.fd = fcntl(message->fd, F_DUPFD_CLOEXEC, 3)) < 0) {
        free(letter);
        return BASE_EIO;
    }
    if (outbox->last != NULL)
        outbox->last->next = letter;
    else
        outbox->first = letter;
    outbox->last = letter;
    outbox->count++;
    return BASE_OK;
}

static void drop_first(struct process_outbox *outbox)
{
    struct process_letter *letter = outbox->first;
    outbox->first = letter->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->count--;
    free_letter(letter);
}

int process_outbox_flush(struct process_outbox *outbox, int fd)
{
    while (outbox->first != NULL) {
        int error = process_send(fd, &outbox->first->message, 1);
        if (error == BASE_ELIMIT)
            return BASE_OK;
        if (error != BASE_OK)
            return error;
        drop_first(outbox);
    }
    return BASE_OK;
}

void process_outbox_clear(struct process_outbox *outbox)
{
    while (outbox->first != NULL)
        drop_first(outbox);
}
