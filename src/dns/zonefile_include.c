/*
 * $INCLUDE (RFC 1035 section 5.1): another file's entries in the place of the directive. Origin,
 * owner and TTLs are afterwards what they were before. Paths count from the include root, and
 * symbolic links are followed before it is decided whether a file lies within.
 */
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static __attribute__((cold)) void refuse(struct dns_zonefile_parser *parser,
                                         const struct dns_token *token, const char *reason)
{
    char quoted[DNS_TOKEN_QUOTED];
    dns_zonefile_finding(parser, SYNTAX_INCLUDE, token->line, token->column, "the file %s %s",
                         dns_token_quote(quoted, token), reason);
}

/* The path that the token means, resolved; malloc'ed. NULL: refused. */
static char *find_file(struct dns_zonefile_parser *parser, const struct dns_token *token)
{
    const char *root = parser->reader->include_root;
    char path[PATH_MAX];
    size_t put = 0;
    if (root == NULL) {
        refuse(parser, token, "is not included: the include root cannot be read");
        return NULL;
    }
    if (token->length > 0 && token->text[0] != '/') {
        put = strlen(root);
        memcpy(path, root, put);
        path[put++] = '/';
    }
    for (uint32_t i = 0; i < token->length; i++) {
        if (token->text[i] == '\\' && i + 1 < token->length)
            i++;
        if (put >= sizeof(path) - 1) {
            refuse(parser, token, "has a path that is too long");
            return NULL;
        }
        path[put++] = token->text[i];
    }
    path[put] = '\0';
    char *real = realpath(path, NULL);
    if (real == NULL) {
        refuse(parser, token, errno == EACCES ? "may not be read" : "does not exist");
        return NULL;
    }
    size_t length = strlen(root);
    bool within =
        strncmp(real, root, length) == 0 && (real[length] == '/' || root[length - 1] == '/');
    if (!within && !parser->reader->options.include_anywhere) {
        refuse(parser, token, "lies outside of the include root");
        free(real);
        return NULL;
    }
    return real;
}

/* Opens a regular file that is not being read already. -1: refused. */
static int open_file(struct dns_zonefile_parser *parser, const struct dns_token *token,
                     const char *path, struct dns_zonefile_frame *frame)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) {
        refuse(parser, token, errno == EACCES ? "may not be read" : "cannot be opened");
        return -1;
    }
    const char *reason = NULL;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        reason = "is not a regular file";
    for (const struct dns_zonefile_frame *at = parser->frame; at != NULL && reason == NULL;
         at = at->parent) {
        if (at->identified && at->device == status.st_dev && at->inode == status.st_ino)
            reason = "includes itself, directly or through others";
    }
    if (reason != NULL) {
        refuse(parser, token, reason);
        close(fd);
        return -1;
    }
    frame->identified = true;
    frame->device = status.st_dev;
    frame->inode = status.st_ino;
    return fd;
}

/* The budgets: depth, and number in all. */
static bool may_include(struct dns_zonefile_parser *parser, const struct dns_token *token)
{
    if (parser->frame->depth >= parser->reader->options.include_depth) {
        refuse(parser, token, "is not included: files include each other too deeply");
        return false;
    }
    if (parser->state.included >= DNS_INCLUDES_MAX) {
        parser->needs |= DNS_PART_BUDGET;
        refuse(parser, token, "is not included: there are more than 4095 $INCLUDEs in all");
        return false;
    }
    return true;
}

static bool add_file(struct dns_zonefile_parser *parser, char *name,
                     struct dns_zonefile_frame *frame)
{
    struct dns_zonefile_piece *piece = parser->piece;
    char **files = realloc(piece->files, (piece->file_count + 1) * sizeof(*files));
    if (files == NULL)
        return false;
    piece->files = files;
    files[piece->file_count++] = name;
    frame->index = (unsigned)piece->file_count;
    frame->name = name;
    return true;
}

/* Reads the open file's blocks into the piece. */
static int read_file(struct dns_zonefile_parser *parser, int fd)
{
    const struct dns_zonefile_reader *reader = parser->reader;
    struct dns_lexer *lexer = malloc(sizeof(*lexer));
    if (lexer == NULL) {
        close(fd);
        return BASE_ENOMEM;
    }
    struct dns_zonefile_source source;
    struct dns_zonefile_block block = {0};
    struct dns_zonefile_feed feed = {
        .parser = parser, .lexer = lexer, .entry_max = reader->options.entry_max};
    dns_zonefile_source_open(&source, reader->kernel, fd, NULL, 0, reader->block_size,
                             reader->options.entry_max);
    int error = BASE_OK;
    while (error == BASE_OK && !block.final) {
        error = dns_zonefile_source_next(&source, &block);
        if (error == BASE_OK)
            error = dns_zonefile_feed(&feed, &block);
    }
    dns_zonefile_source_notes(parser, &source);
    dns_zonefile_feed_free(&feed);
    dns_zonefile_source_close(&source);
    free(block.text);
    free(lexer);
    return error;
}

/* Reads the file from within `frame`, with the given origin; puts the state back as it was, but for
 * the budgets. */
static void include_file(struct dns_zonefile_parser *parser, const struct dns_token *token, int fd,
                         const struct dns_zonefile_frame *frame, const uint8_t *origin)
{
    const struct dns_zonefile_frame *outer = parser->frame;
    struct dns_zonefile_state before = parser->state;
    unsigned sets = parser->sets;
    if (origin != NULL) {
        memcpy(parser->state.origin, origin, dns_name_length(origin));
        parser->state.has_origin = true;
        parser->sets |= DNS_PART_ORIGIN;
    }
    parser->state.included++;
    parser->run_open = false;
    parser->frame = frame;
    int error = read_file(parser, fd);
    parser->frame = outer;
    before.included = parser->state.included;
    before.generated = parser->state.generated;
    before.generate_reach = parser->state.generate_reach;
    before.generated_octets = parser->state.generated_octets;
    before.origin_guessed = before.origin_guessed && parser->state.origin_guessed;
    parser->state = before;
    parser->sets = sets;
    parser->owner_text = NULL;
    parser->run_open = false;
    if (error == BASE_EIO)
        refuse(parser, token, "could not be read to its end");
    else if (error != BASE_OK)
        parser->error = error;
}

void dns_zonefile_include(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                          size_t count)
{
    char quoted[DNS_TOKEN_QUOTED];
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    /* The words of the directive lie in memory that the included file's entries will use. */
    const struct dns_token token = tokens[1];
    if (count > 2) {
        int error = dns_name_from_text(origin, &length, tokens[2].text, tokens[2].length,
                                       dns_zonefile_origin(parser));
        if (error != BASE_OK) {
            dns_zonefile_finding(parser, SYNTAX_INCLUDE, tokens[2].line, tokens[2].column,
                                 "the origin %s %s", dns_token_quote(quoted, &tokens[2]),
                                 dns_name_problem(error, parser->state.has_origin));
            return;
        }
    }
    if (!may_include(parser, &token))
        return;
    struct dns_zonefile_frame frame = {.parent = parser->frame, .depth = parser->frame->depth + 1};
    char *path = find_file(parser, &token);
    if (path == NULL)
        return;
    int fd = open_file(parser, &token, path, &frame);
    if (fd < 0) {
        free(path);
        return;
    }
    if (!add_file(parser, path, &frame)) {
        close(fd);
        free(path);
        parser->error = BASE_ENOMEM;
        return;
    }
    include_file(parser, &token, fd, &frame, count > 2 ? origin : NULL);
}
