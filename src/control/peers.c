/* Channels to the other processes: see internal.h. They come and go; this process stays. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the serve process --- */

/* A handle that is closed may not be used again before the loop has seen it: a new one each time.
 */
static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop_serve(struct control *control)
{
    if (control->serve_poll != NULL) {
        uv_poll_stop(control->serve_poll);
        uv_close((uv_handle_t *)control->serve_poll, closed);
        control->serve_poll = NULL;
    }
    if (control->serve >= 0)
        close(control->serve);
    control->serve = -1;
}

static void on_serve(uv_poll_t *poll, int status, int events)
{
    struct control *control = poll->data;
    /* As much as came, but not for ever: the loop has other things to do. */
    for (unsigned i = 0; i < 256; i++) {
        struct process_message message;
        int error = process_receive(control->serve, control->message, &message, 0);
        if (error == BASE_ELIMIT)
            return;
        if (error != BASE_OK) {
            /* It died; its successor's channel comes by the supervisor. */
            drop_serve(control);
            return;
        }
        if (message.fd >= 0)
            close(message.fd);
        control_link_message(control, &message);
    }
}

static void take_serve(struct control *control, int fd)
{
    drop_serve(control);
    control->serve_poll = calloc(1, sizeof(*control->serve_poll));
    if (control->serve_poll == NULL || uv_poll_init(&control->loop, control->serve_poll, fd) != 0) {
        free(control->serve_poll);
        control->serve_poll = NULL;
        close(fd);
        return;
    }
    control->serve = fd;
    control->serve_poll->data = control;
    uv_poll_start(control->serve_poll, UV_READABLE, on_serve);
    /* To who has the image open that is there, it says nothing. */
    control->serve_to_reopen = true;
    if (control->serve_known)
        control_image_doubted(control); /* it has died: perhaps of what it read */
    control->serve_known = true;
    control_reopen_serve(control);
}

void control_reopen_serve(struct control *control)
{
    if (!control->serve_to_reopen || !control->refilled || control->serve < 0)
        return;
    struct process_message reopen = {.type = SERVE_LINK_REOPEN, .fd = -1};
    control->serve_to_reopen = control_tell_serve(control, &reopen) == BASE_ELIMIT;
}

int control_tell_serve(struct control *control, const struct process_message *message)
{
    if (control->serve < 0)
        return BASE_ENOENT;
    return process_send(control->serve, message, 1);
}

/* --- the key process --- */

int control_connect_keys(struct control *control, int *fd)
{
    int pair[2];
    int error = process_channel_pair(pair);
    if (error != BASE_OK)
        return error;
    struct process_message message = {.fd = pair[1]};
    pthread_mutex_lock(&control->keys_lock);
    error = control->keys >= 0 ? process_send(control->keys, &message, 0) : BASE_ENOENT;
    pthread_mutex_unlock(&control->keys_lock);
    close(pair[1]);
    if (error != BASE_OK) {
        close(pair[0]);
        return error;
    }
    *fd = pair[0];
    return BASE_OK;
}

bool control_keys_there(struct control *control)
{
    pthread_mutex_lock(&control->keys_lock);
    bool there = control->keys >= 0;
    pthread_mutex_unlock(&control->keys_lock);
    return there;
}

/* What failed for want of keys is tried at once. */
static void try_failed(struct control *control)
{
    base_time now = control_now(control);
    for (size_t i = 0; i < control->table.count; i++) {
        struct control_zone *zone = control->table.zones[i];
        if (zone->failures > 0)
            zone->due = now;
    }
    control_collect_due(control);
    control_run_due(control);
}

/* What the one before had not brought to disk is lost with it, and who asks the new one whether all
 * is there hears nothing of it. So the epoch ends before anybody can ask. */
void control_take_keys(struct control *control, int fd)
{
    pthread_mutex_lock(&control->keys_lock);
    atomic_fetch_add(&control->keys_epoch, 1);
    if (control->keys >= 0)
        close(control->keys);
    control->keys = fd;
    pthread_mutex_unlock(&control->keys_lock);
}

/* --- the supervisor --- */

static void take_peer(struct control *control, const struct process_event *event)
{
    if (strcmp(event->name, "keys") == 0) {
        control->keys_generation = event->generation;
        control_take_keys(control, event->fd);
        try_failed(control);
    } else if (strcmp(event->name, "serve") == 0) {
        control->serve_generation = event->generation;
        take_serve(control, event->fd);
    } else {
        close(event->fd);
    }
}

static void on_supervisor(uv_poll_t *poll, int status, int events)
{
    struct control *control = poll->data;
    struct process_child *child = control->options->child;
    for (unsigned i = 0; i < 64; i++) {
        struct process_event event;
        int error = process_child_receive(child, &event, 0);
        if (error == BASE_ELIMIT)
            return;
        if (error != BASE_OK) {
            uv_poll_stop(&control->supervisor_poll);
            control_stop(control);
            return;
        }
        if (event.type == PROCESS_PEER)
            take_peer(control, &event);
        else if (event.fd >= 0)
            close(event.fd);
        if (event.type == PROCESS_RELOAD)
            control_reload(control);
    }
}

int control_peers_start(struct control *control)
{
    const struct control_options *options = control->options;
    control->serve = -1;
    if (options->serve >= 0)
        take_serve(control, options->serve);
    if (options->child == NULL || options->child->fd < 0)
        return BASE_OK;
    if (uv_poll_init(&control->loop, &control->supervisor_poll, options->child->fd) != 0)
        return BASE_EIO;
    control->supervisor_poll.data = control;
    uv_poll_start(&control->supervisor_poll, UV_READABLE, on_supervisor);
    return BASE_OK;
}

void control_peers_stop(struct control *control)
{
    drop_serve(control);
    control_take_keys(control, -1);
}
