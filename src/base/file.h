/*
 * Files: reading in blocks, and writing so that nobody ever sees half a file.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole file (or "-": standard input) of at most `limit` bytes into malloc'ed memory,
 * which the caller frees. A NUL that does not count follows the content. BASE_EIO (see errno),
 * BASE_ELIMIT, BASE_ENOMEM. */
int base_file_read(const char *path, size_t limit, uint8_t **data, size_t *length);

/* A file being written aside: the target is untouched until base_file_commit has synced the new
 * content to disk and renamed it into place. Where the file system can, it has no name until then,
 * so that nothing is left behind when the process is killed. A target of "-" writes straight to
 * standard output. */
struct base_file_writer;

/* Starts writing a replacement for `path` in the same directory. `mode` as of open(2); the mode
 * of an existing target is kept instead. BASE_EIO (see errno), BASE_ENOMEM. */
int base_file_create(const char *path, mode_t mode, struct base_file_writer **writer);
/* Appends `length` bytes. Large writes go straight to the system. BASE_EIO (see errno); the error
 * sticks. */
int base_file_write(struct base_file_writer *writer, const void *data, size_t length);
/* Syncs, renames, syncs the directory, frees the writer. BASE_EIO (see errno): the target is as
 * before, unless only the last sync failed; then it is replaced, but a crash may still undo that.
 * BASE_ENOMEM. */
int base_file_commit(struct base_file_writer *writer);
/* Throws away what was written and frees the writer. NULL is allowed. errno becomes that of the
 * first write that failed, whichever thread it was on; else it stays. */
void base_file_abort(struct base_file_writer *writer);

#endif
