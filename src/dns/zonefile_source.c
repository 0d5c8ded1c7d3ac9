/*
 * Zone-file bytes to blocks. Files are read, never mapped: a file that is cut off while it is read
 * must not end the process.
 */
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many lines back from its end, and how far, a block is searched for one that starts an entry.
 */
#define CUT_LINES  1000
#define CUT_SEARCH (64 * 1024)

/* So many octets of a line that is too long are passed over; then reading stops, for devices and
 * pipes may never end. */
#define SKIP_MAX ((uint64_t)1 << 30)

void dns_zonefile_source_open(struct dns_zonefile_source *source,
                              const struct dns_scan_kernel *kernel, int fd, const void *memory,
                              size_t length, size_t block_size, size_t entry_max)
{
    *source = (struct dns_zonefile_source){
        .kernel = kernel,
        .block_size = block_size < entry_max ? block_size : entry_max,
        .entry_max = entry_max,
        .fd = fd,
        .memory = memory,
        .memory_length = length,
        .size = length,
        .line = 1,
    };
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        source->size = (uint64_t)status.st_size;
}

void dns_zonefile_source_close(struct dns_zonefile_source *source)
{
    if (source->fd > STDIN_FILENO)
        close(source->fd);
    free(source->rest);
    free(source->dollars);
    source->rest = NULL;
    source->dollars = NULL;
    source->fd = -1;
}

/* Reads until `want` bytes are there or the input ends. */
static int read_up_to(struct dns_zonefile_source *source, uint8_t *text, size_t *length,
                      size_t want)
{
    while (*length < want && !source->ended) {
        size_t got;
        if (source->fd < 0) {
            got = source->memory_length - (size_t)source->done;
            if (got > want - *length)
                got = want - *length;
            if (got > 0)
                memcpy(text + *length, source->memory + source->done, got);
        } else {
            ssize_t result = read(source->fd, text + *length, want - *length);
            if (result < 0 && errno == EINTR)
                continue;
            if (result < 0) {
                source->problem = errno;
                return BASE_EIO;
            }
            got = (size_t)result;
        }
        source->ended = got == 0;
        source->done += got;
        *length += got;
    }
    return BASE_OK;
}

static int make_room(struct dns_zonefile_block *block, size_t length)
{
    size_t capacity = length + DNS_LEXER_PADDING;
    if (capacity <= block->capacity)
        return BASE_OK;
    uint8_t *text = realloc(block->text, capacity);
    if (text == NULL)
        return BASE_ENOMEM;
    block->text = text;
    block->capacity = capacity;
    return BASE_OK;
}

static int keep_rest(struct dns_zonefile_source *source, const uint8_t *data, size_t length)
{
    source->rest_length = 0;
    if (length == 0)
        return BASE_OK;
    if (length > source->rest_capacity) {
        uint8_t *rest = realloc(source->rest, length);
        if (rest == NULL)
            return BASE_ENOMEM;
        source->rest = rest;
        source->rest_capacity = length;
    }
    memcpy(source->rest, data, length);
    source->rest_length = length;
    return BASE_OK;
}

/* Where the block ends: behind a line feed, if it can be before a line that starts an entry with an
 * owner name, so that the block behind needs no owner from this one. 0: there is no line feed. */
static size_t find_cut(const uint8_t *text, size_t length)
{
    const uint8_t *last = memrchr(text, '\n', length);
    if (last == NULL)
        return 0;
    size_t cut = (size_t)(last - text) + 1;
    size_t bottom = length > CUT_SEARCH ? length - CUT_SEARCH : 0;
    unsigned lines = 0;
    for (size_t at = cut; at > bottom && lines < CUT_LINES; lines++) {
        if (at < length && text[at] != '$' && dns_scan_starts_entry(text[at]))
            return at;
        const uint8_t *before = memrchr(text, '\n', at - 1);
        at = before == NULL ? 0 : (size_t)(before - text) + 1;
    }
    return cut;
}

/* Passes over the rest of a line that is too long, in bounded memory. */
static int skip_line(struct dns_zonefile_source *source, struct dns_zonefile_block *block,
                     size_t length)
{
    size_t size = length;
    uint64_t start = source->done - length;
    for (;;) {
        const uint8_t *newline = memchr(block->text, '\n', length);
        if (newline != NULL) {
            size_t passed = (size_t)(newline - block->text) + 1;
            source->line++;
            return keep_rest(source, newline + 1, length - passed);
        }
        if (source->ended) {
            source->no_final_newline = true;
            return BASE_OK;
        }
        if (source->done - start > SKIP_MAX) {
            source->problem = EFBIG;
            return BASE_EIO;
        }
        length = 0;
        int error = read_up_to(source, block->text, &length, size);
        if (error != BASE_OK)
            return error;
    }
}

static void look_at_start(struct dns_zonefile_source *source, uint8_t *text, size_t *length)
{
    if (source->begun)
        return;
    source->begun = true;
    if (*length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        source->byte_order_mark = true;
        *length -= 3;
        memmove(text, text + 3, *length);
    } else if (*length >= 2 &&
               (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        source->wide_characters = true;
        source->ended = true;
        *length = 0;
    }
}

/* Counts the lines and finds those that may be directives. */
static int survey(struct dns_zonefile_source *source, struct dns_zonefile_block *block)
{
    size_t need = block->length / 2 + 1 + DNS_SCAN_SLACK;
    if (need > source->dollar_capacity) {
        uint32_t *dollars = realloc(source->dollars, need * sizeof(*dollars));
        if (dollars == NULL)
            return BASE_ENOMEM;
        source->dollars = dollars;
        source->dollar_capacity = need;
    }
    size_t lines;
    source->dollar_count =
        source->kernel->survey(block->text, block->length, source->dollars, &lines);
    block->line = source->line;
    source->line += (uint32_t)lines;
    return BASE_OK;
}

#define LONGEST_MARK 3 /* octets of a byte order mark */

/* Fills the block until it can be cut; 0 in *cut when its first line is too long. */
static int fill(struct dns_zonefile_source *source, struct dns_zonefile_block *block,
                size_t *length, size_t *cut)
{
    size_t want =
        source->block_size > source->rest_length ? source->block_size : source->rest_length;
    if (!source->begun && want < LONGEST_MARK)
        want = LONGEST_MARK;
    for (;;) {
        int error = make_room(block, want);
        if (error == BASE_OK)
            error = read_up_to(source, block->text, length, want);
        if (error != BASE_OK)
            return error;
        look_at_start(source, block->text, length);
        *cut = find_cut(block->text, *length);
        if (source->ended && *length <= source->entry_max)
            *cut = *length;
        if (*cut > 0 || source->ended || *length > source->entry_max)
            return BASE_OK;
        want = want > source->entry_max / 2 ? source->entry_max + 1 : want * 2;
    }
}

int dns_zonefile_source_next(struct dns_zonefile_source *source, struct dns_zonefile_block *block)
{
    int error = make_room(block, source->rest_length);
    if (error != BASE_OK)
        return error;
    size_t length = source->rest_length, cut;
    if (length > 0)
        memcpy(block->text, source->rest, length);
    error = fill(source, block, &length, &cut);
    if (error != BASE_OK)
        return error;
    source->rest_length = 0;
    block->overlong = cut == 0 && length > 0;
    if (block->overlong) {
        block->length = 0;
        block->line = source->line;
        block->final = false;
        source->dollar_count = 0;
        return skip_line(source, block, length);
    }
    block->final = source->ended && cut == length;
    error = keep_rest(source, block->text + cut, length - cut);
    if (error != BASE_OK)
        return error;
    block->length = cut;
    if (block->final && cut > 0 && block->text[cut - 1] != '\n')
        source->no_final_newline = true;
    memset(block->text + cut, '\n', DNS_LEXER_PADDING);
    return survey(source, block);
}
