/*
 * Doubts about the image: see internal.h. A page that was damaged behind LMDB's back shows as an
 * error, or as the death of whoever reads it. So a note beside the image counts starts of this
 * process that were not survived for long, and readings in full that were not survived at all; and
 * whenever serve could not read the image, or has died, all of it is read. What cannot be read is
 * made again from the sources.
 */
#include "control/internal.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE          "starts"
#define STARTS_MOST   3  /* in a row, before the image is read in full */
#define READINGS_MOST 2  /* that were not survived, before it is made again */
#define WELL_SECONDS  10 /* a process that has lived so long is well */
#define PAUSE         60 /* seconds between readings in full */

struct note {
    unsigned starts, readings;
};

static struct note read_note(const struct control *control)
{
    struct note note = {0};
    char path[4096];
    snprintf(path, sizeof(path), "%s/" NOTE, control->image_directory);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return note;
    if (fscanf(file, "%3u %3u", &note.starts, &note.readings) != 2)
        note = (struct note){0};
    fclose(file);
    return note;
}

/* At worst (a full disk) nothing is noted. It need not survive the machine. */
static void write_note(const struct control *control, struct note note)
{
    char path[4096], text[32];
    snprintf(path, sizeof(path), "%s/" NOTE, control->image_directory);
    int length = snprintf(text, sizeof(text), "%u %u\n", note.starts, note.readings);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0)
        return;
    if (write(file, text, (size_t)length) != length)
        unlink(path);
    close(file);
}

void control_doubt_well(struct control *control)
{
    char path[4096];
    if (control->image_directory == NULL)
        return;
    snprintf(path, sizeof(path), "%s/" NOTE, control->image_directory);
    unlink(path);
}

static void on_watch(uv_timer_t *timer)
{
    struct control *control = timer->data;
    if (control->doubting == 0 && control->well_left > 0 && --control->well_left == 0)
        control_doubt_well(control);
    if (!control->stopping)
        control_look_at_image(control);
    if (!control->stopping)
        control_directories_watch(control);
}

/* Reads everything; whoever dies of it finds the note at the next start. */
static int read_image(struct control *control)
{
    struct note note = read_note(control);
    struct image_reader *reader;
    note.readings++;
    write_note(control, note);
    int error = image_reader_open(control->image, &reader);
    if (error != BASE_OK)
        return error;
    error = image_check(reader);
    image_reader_close(reader);
    write_note(control, (struct note){.starts = 1});
    return error;
}

bool control_doubt_hopeless(struct control *control)
{
    return read_note(control).readings >= READINGS_MOST;
}

int control_doubt_start(struct control *control)
{
    struct note note = read_note(control);
    note.starts++;
    write_note(control, note);
    if (note.readings == 0 && note.starts < STARTS_MOST)
        return BASE_OK;
    CONTROL_LOG(control, WARNING,
                "this process has ended unexpectedly again and again: the image in %s is read in "
                "full, to see whether it is the reason",
                control->image_directory);
    return read_image(control);
}

void control_doubt_watch(struct control *control)
{
    uv_timer_init(&control->loop, &control->watch_timer);
    control->watch_timer.data = control;
    control->well_left = WELL_SECONDS;
    uv_timer_start(&control->watch_timer, on_watch, 1000, 1000);
}

/* --- while running --- */

struct reading {
    struct control_task task;
    struct control *control;
    int status;
};

static void read_done(struct control_task *task)
{
    struct reading *reading = (struct reading *)task;
    struct control *control = reading->control;
    control->doubting--;
    if (reading->status == BASE_OK)
        CONTROL_LOG(control, INFO, "the image was read in full: it is whole");
    else if (reading->status != BASE_ENOMEM && reading->status != BASE_ELIMIT)
        control_image_damaged(control);
    free(reading);
}

static bool read_in_worker(struct control_task *task, struct control_worker *worker)
{
    struct reading *reading = (struct reading *)task;
    reading->status = read_image(reading->control);
    return false;
}

/* In the writer: nobody else changes the file's length meanwhile. Reading what a file does not have
 * would be the end of this process. */
static int look_at_length(struct control_task *task)
{
    struct reading *reading = (struct reading *)task;
    reading->status = image_is_whole(reading->control->image_directory);
    return BASE_OK; /* what is written with it is not spoiled */
}

static void length_done(struct control_task *task)
{
    struct reading *reading = (struct reading *)task;
    struct control *control = reading->control;
    if (reading->status != BASE_OK || control->stopping) {
        if (reading->status == BASE_ENOENT) /* gone, which is another matter */
            control_look_at_image(control);
        if (reading->status == BASE_EFORMAT || reading->status == BASE_ENOENT)
            control_image_damaged(control); /* unless the process ends already */
        control->doubting--;
        free(reading);
        return;
    }
    task->record = NULL;
    task->run = read_in_worker;
    task->done = read_done;
    control_pool_run(control, task);
}

static void on_doubt(uv_timer_t *timer)
{
    struct control *control = timer->data;
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL || control->stopping) {
        free(reading);
        return;
    }
    CONTROL_LOG(control, INFO, "the image is in doubt: it is read in full");
    control->doubted_at = base_clock_monotonic();
    control->doubting++;
    reading->control = control;
    reading->task.record = look_at_length;
    reading->task.done = length_done;
    control_pool_write(control, &reading->task);
}

void control_image_doubted(struct control *control)
{
    uint64_t pause = (uint64_t)PAUSE * 1000000000, now = base_clock_monotonic();
    if (control->image == NULL || control->stopping || control->doubting > 0 ||
        uv_is_active((uv_handle_t *)&control->doubt_timer))
        return;
    uint64_t due = control->doubted_at != 0 ? control->doubted_at + pause : now;
    if (!control->doubt_ready) {
        uv_timer_init(&control->loop, &control->doubt_timer);
        control->doubt_timer.data = control;
        control->doubt_ready = true;
    }
    uv_timer_start(&control->doubt_timer, on_doubt, due > now ? (due - now) / 1000000 : 0, 0);
}
