/* Reading a zone file: the pipeline of blocks, and the checking of what was guessed for each. */
#include "dns/zonefile.h"

#include "base/error.h"
#include "base/thread.h"
#include "dns/zonefile_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE (512 * 1024)
/* The first block is read before any other, and alone: small. */
#define FIRST_BLOCK_SIZE (32 * 1024)

#define DEFAULT_TTL           3600
#define DEFAULT_INCLUDE_DEPTH 10
#define DEFAULT_GENERATE_MAX  1000000
#define DEFAULT_ENTRY_MAX     (16u * 1024 * 1024)
#define ENTRY_MAX_MOST        (1024u * 1024 * 1024)
#define INCLUDE_DEPTH_MOST    64

/* A block on its way through the pipeline. */
struct job {
    struct job *next; /* in the list of those to be used again */
    struct dns_zonefile_block block;
    struct dns_zonefile_piece piece;
    struct dns_zonefile_state guess; /* the state before the block, if nothing unusual happens */
    bool parsed;
};

struct reading {
    struct dns_zonefile_reader reader;
    struct dns_zonefile_source source;
    struct dns_zonefile_frame frame;
    struct base_findings *findings;
    struct dns_zonefile *out;
    struct dns_batch **last; /* where the next batch is hung */
    size_t file_capacity;
    unsigned threads;
    struct dns_zonefile_scratch **scratch; /* of each worker, and one more for taking */

    /* make() */
    struct dns_zonefile_state predicted;
    bool ended;

    /* take() */
    struct dns_zonefile_state state; /* the true one, behind what was taken */
    struct dns_zonefile_feed feed;

    pthread_mutex_t lock;              /* over the two below */
    struct job *unused;                /* jobs to be used again */
    bool corrected;                    /* a guess was wrong: */
    struct dns_zonefile_state correct; /* what to guess from now on */
};

static struct job *get_job(struct reading *reading)
{
    pthread_mutex_lock(&reading->lock);
    struct job *job = reading->unused;
    if (job != NULL)
        reading->unused = job->next;
    if (reading->corrected)
        reading->predicted = reading->correct;
    reading->corrected = false;
    pthread_mutex_unlock(&reading->lock);
    return job != NULL ? job : calloc(1, sizeof(*job));
}

static void put_job(struct reading *reading, struct job *job)
{
    dns_zonefile_piece_free(&job->piece);
    job->parsed = false;
    pthread_mutex_lock(&reading->lock);
    job->next = reading->unused;
    reading->unused = job;
    pthread_mutex_unlock(&reading->lock);
}

static void free_job(struct job *job)
{
    dns_zonefile_piece_free(&job->piece);
    free(job->block.text);
    free(job);
}

static void drop(void *context, void *piece)
{
    put_job(context, piece);
}

/* The state that a block most likely starts from. */
static void guess(struct job *job, const struct dns_zonefile_state *predicted)
{
    job->guess = *predicted;
    job->guess.owner_state = DNS_OWNER_NONE;
    job->guess.lost = false;
    job->guess.included = 0;
    job->guess.generated = 0;
    job->guess.generate_reach = 0;
    job->guess.generated_octets = 0;
}

static int make(void *context, void **piece)
{
    struct reading *reading = context;
    *piece = NULL;
    if (reading->ended)
        return BASE_OK;
    struct job *job = get_job(reading);
    if (job == NULL)
        return BASE_ENOMEM;
    int error = dns_zonefile_source_next(&reading->source, &job->block);
    if (error != BASE_OK) {
        put_job(reading, job);
        return error;
    }
    reading->ended = job->block.final;
    guess(job, &reading->predicted);
    dns_zonefile_predict(&reading->predicted, &job->block, &reading->source);
    *piece = job;
    return BASE_OK;
}

static struct dns_zonefile_parser make_parser(struct reading *reading,
                                              struct dns_zonefile_scratch *scratch,
                                              struct dns_zonefile_piece *piece,
                                              const struct dns_zonefile_state *state)
{
    return (struct dns_zonefile_parser){
        .reader = &reading->reader,
        .scratch = scratch,
        .piece = piece,
        .frame = &reading->frame,
        .state = *state,
    };
}

static int work(void *context, void *piece, unsigned worker)
{
    struct reading *reading = context;
    struct job *job = piece;
    const struct dns_zonefile_block *block = &job->block;
    /* Without an owner name at its start a block cannot be right on its own. */
    if (block->overlong || block->length == 0 || dns_scan_classes[block->text[0]] == DNS_SCAN_BLANK)
        return BASE_OK;
    int error = dns_zonefile_piece_init(&job->piece, reading->findings->per_code);
    if (error != BASE_OK)
        return error;
    struct dns_zonefile_scratch *scratch = reading->scratch[worker];
    struct dns_zonefile_parser parser = make_parser(reading, scratch, &job->piece, &job->guess);
    dns_zonefile_parse(&parser, &scratch->lexer, block->text, block->length, block->final,
                       block->line);
    dns_zonefile_parse_end(&parser);
    job->parsed = true;
    return parser.error;
}

static bool same_origin(const struct dns_zonefile_state *a, const struct dns_zonefile_state *b)
{
    if (a->has_origin != b->has_origin || a->origin_guessed != b->origin_guessed)
        return false;
    return !a->has_origin || memcmp(a->origin, b->origin, dns_name_length(a->origin)) == 0;
}

static bool same_ttl(bool has_a, uint32_t a, bool has_b, uint32_t b)
{
    return has_a == has_b && (!has_a || a == b);
}

/* Do the budgets allow what the block used? */
static bool within_budgets(const struct reading *reading, const struct dns_zonefile_piece *piece)
{
    const struct dns_zonefile_state *used = &piece->state, *before = &reading->state;
    const size_t most = reading->reader.options.generate_max;
    bool fresh = before->included == 0 && before->generated == 0 && before->generated_octets == 0;
    if (fresh || (used->included == 0 && used->generate_reach == 0 && used->generated_octets == 0))
        return fresh || (piece->needs & DNS_PART_BUDGET) == 0;
    return (piece->needs & DNS_PART_BUDGET) == 0 &&
           used->included + before->included <= DNS_INCLUDES_MAX && used->generate_reach <= most &&
           before->generated <= most - used->generate_reach &&
           (used->generated_octets + before->generated_octets) / 256 < most;
}

/* Was the block parsed from a state that equals the true one in all that it needed? */
static bool guessed_right(const struct reading *reading, const struct job *job)
{
    const struct dns_zonefile_state *true_state = &reading->state, *guess = &job->guess;
    unsigned needs = job->piece.needs;
    if (!job->parsed || reading->feed.tail_length > 0 || (needs & DNS_PART_OWNER) != 0)
        return false;
    if (true_state->lost && !dns_scan_starts_entry(job->block.text[0]))
        return false;
    if ((needs & DNS_PART_ORIGIN) != 0 && !same_origin(true_state, guess))
        return false;
    if ((needs & DNS_PART_DEFAULT_TTL) != 0 &&
        !same_ttl(true_state->has_default_ttl, true_state->default_ttl, guess->has_default_ttl,
                  guess->default_ttl))
        return false;
    if ((needs & DNS_PART_LAST_TTL) != 0 &&
        !same_ttl(true_state->has_last_ttl, true_state->last_ttl, guess->has_last_ttl,
                  guess->last_ttl))
        return false;
    return within_budgets(reading, &job->piece);
}

/* The true state behind a block whose guess was right. */
static void follow(struct dns_zonefile_state *state, const struct dns_zonefile_piece *piece)
{
    const struct dns_zonefile_state *after = &piece->state;
    if (piece->sets & DNS_PART_ORIGIN) {
        memcpy(state->origin, after->origin, sizeof(state->origin));
        state->has_origin = after->has_origin;
        state->origin_guessed = after->origin_guessed;
    }
    if (piece->sets & DNS_PART_OWNER) {
        memcpy(state->owner, after->owner, sizeof(state->owner));
        state->owner_state = after->owner_state;
    }
    if (piece->sets & DNS_PART_DEFAULT_TTL) {
        state->default_ttl = after->default_ttl;
        state->has_default_ttl = after->has_default_ttl;
    }
    if (piece->sets & DNS_PART_LAST_TTL) {
        state->last_ttl = after->last_ttl;
        state->has_last_ttl = after->has_last_ttl;
    }
    state->origin_guessed = state->origin_guessed && after->origin_guessed;
    state->lost = after->lost;
    state->included += after->included;
    state->generated += after->generated;
    state->generated_octets += after->generated_octets;
}

/* Parses a block from the true state, behind what the block before left unfinished. */
static int parse_in_order(struct reading *reading, struct job *job)
{
    struct dns_zonefile_scratch *scratch = reading->scratch[reading->threads];
    dns_zonefile_piece_free(&job->piece);
    int error = dns_zonefile_piece_init(&job->piece, reading->findings->per_code);
    if (error != BASE_OK)
        return error;
    struct dns_zonefile_parser parser = make_parser(reading, scratch, &job->piece, &reading->state);
    reading->feed.parser = &parser;
    reading->feed.lexer = &scratch->lexer;
    error = dns_zonefile_feed(&reading->feed, &job->block);
    dns_zonefile_parse_end(&parser);
    reading->state = parser.state;
    return error != BASE_OK ? error : parser.error;
}

static void correct_guesses(struct reading *reading)
{
    pthread_mutex_lock(&reading->lock);
    reading->correct = reading->state;
    reading->corrected = true;
    pthread_mutex_unlock(&reading->lock);
}

/* Adds the piece's files to the list, and puts their true numbers into its records. */
static int add_files(struct reading *reading, struct dns_zonefile_piece *piece)
{
    struct dns_zonefile *out = reading->out;
    size_t base = out->file_count;
    size_t need = base + piece->file_count;
    if (need > reading->file_capacity) {
        const char **files = base_arena_alloc(&out->arena, 2 * need * sizeof(*files));
        if (files == NULL)
            return BASE_ENOMEM;
        memcpy(files, out->files, base * sizeof(*files));
        out->files = files;
        reading->file_capacity = 2 * need;
    }
    for (size_t i = 0; i < piece->file_count; i++) {
        out->files[base + i] =
            base_arena_strndup(&out->arena, piece->files[i], strlen(piece->files[i]));
        if (out->files[base + i] == NULL)
            return BASE_ENOMEM;
    }
    out->file_count = need;
    if (base == 1)
        return BASE_OK;
    for (size_t i = 0; i < piece->batch->run_count; i++) {
        const struct dns_run *run = &piece->batch->runs[i];
        struct dns_rr *rr = (struct dns_rr *)(uintptr_t)run->first;
        for (uint32_t j = 0; j < run->count; j++) {
            if (rr->file > 0)
                rr->file = (rr->file + base - 1) & 0xfff;
            rr = (struct dns_rr *)(uintptr_t)dns_rr_next(rr);
        }
    }
    return BASE_OK;
}

/* Hangs the piece's batch behind the others. */
static int join(struct reading *reading, struct job *job)
{
    struct dns_zonefile *out = reading->out;
    struct dns_batch *batch = job->piece.batch;
    if (job->block.final) {
        struct dns_zonefile_parser parser =
            make_parser(reading, NULL, &job->piece, &reading->state);
        dns_zonefile_source_notes(&parser, &reading->source);
    }
    base_findings_absorb(reading->findings, &batch->findings);
    if (job->piece.file_count > 0) {
        int error = add_files(reading, &job->piece);
        if (error != BASE_OK)
            return error;
    }
    out->bytes += job->block.length;
    if (reading->reader.options.progress != NULL)
        reading->reader.options.progress(reading->reader.options.progress_context, out->bytes,
                                         reading->source.size);
    if (batch->run_count == 0)
        return BASE_OK;
    out->rr_count += batch->rr_count;
    out->run_count += batch->run_count;
    *reading->last = batch;
    reading->last = &batch->next;
    job->piece.batch = NULL;
    return BASE_OK;
}

static int take(void *context, void *piece)
{
    struct reading *reading = context;
    struct job *job = piece;
    int error = BASE_OK;
    if (guessed_right(reading, job)) {
        follow(&reading->state, &job->piece);
        if (job->piece.has_tail)
            error =
                dns_zonefile_feed_keep(&reading->feed, job->block.text + job->piece.tail,
                                       job->block.length - job->piece.tail, job->piece.tail_line);
    } else {
        error = parse_in_order(reading, job);
        correct_guesses(reading);
    }
    if (error == BASE_OK)
        error = join(reading, job);
    put_job(reading, job);
    return error;
}

static void set_zone(struct reading *reading, const uint8_t *name)
{
    memcpy(reading->reader.zone, name, dns_name_length(name));
    reading->reader.zone_labels = dns_name_labels(name);
    reading->reader.zone_known = true;
}

/* The zone is what the first SOA says, or where there is none, the origin. */
static int learn_zone(struct reading *reading, const struct dns_zonefile_piece *piece)
{
    static const uint8_t root[1] = {0};
    if (piece->has_soa)
        set_zone(reading, piece->soa_owner);
    else if (reading->ended)
        set_zone(reading, reading->state.has_origin ? reading->state.origin : root);
    else
        return BASE_OK;
    for (struct dns_batch *batch = reading->out->batches; batch != NULL; batch = batch->next) {
        int error = dns_zonefile_make_keys(&reading->reader, batch);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* Reads the first block, and more until the zone's origin is known, one after the other. */
static int read_head(struct reading *reading)
{
    int error = BASE_OK;
    do {
        void *piece = NULL;
        error = make(reading, &piece);
        if (error != BASE_OK || piece == NULL)
            return error;
        struct job *job = piece;
        struct dns_zonefile_piece soa = {.has_soa = false};
        error = parse_in_order(reading, job);
        soa.has_soa = job->piece.has_soa;
        memcpy(soa.soa_owner, job->piece.soa_owner, sizeof(soa.soa_owner));
        if (error == BASE_OK)
            error = join(reading, job);
        put_job(reading, job);
        if (error == BASE_OK && !reading->reader.zone_known)
            error = learn_zone(reading, &soa);
    } while (error == BASE_OK && !reading->ended && !reading->reader.zone_known);
    reading->predicted = reading->state;
    return error;
}

static int read_all(struct reading *reading)
{
    size_t block_size = reading->source.block_size;
    if (block_size > FIRST_BLOCK_SIZE)
        reading->source.block_size = FIRST_BLOCK_SIZE;
    int error = read_head(reading);
    reading->source.block_size = block_size;
    if (error != BASE_OK || reading->ended)
        return error;
    struct base_pipeline pipeline = {
        .make = make, .work = work, .take = take, .drop = drop, .context = reading};
    return base_pipeline_run(&pipeline, reading->threads, 2 * (size_t)reading->threads);
}

/* --- starting and ending --- */

static void fill_options(struct reading *reading, const struct dns_zonefile_options *options,
                         const struct dns_zonefile_tuning *tuning)
{
    struct dns_zonefile_reader *reader = &reading->reader;
    struct dns_zonefile_options *filled = &reader->options;
    if (options != NULL)
        *filled = *options;
    if (filled->default_ttl == 0 || filled->default_ttl > DNS_TTL_MAX)
        filled->default_ttl = DEFAULT_TTL;
    if (filled->include_depth == 0)
        filled->include_depth = DEFAULT_INCLUDE_DEPTH;
    if (filled->include_depth > INCLUDE_DEPTH_MOST)
        filled->include_depth = INCLUDE_DEPTH_MOST;
    if (filled->generate_max == 0)
        filled->generate_max = DEFAULT_GENERATE_MAX;
    if (filled->entry_max == 0)
        filled->entry_max = DEFAULT_ENTRY_MAX;
    if (filled->entry_max > ENTRY_MAX_MOST)
        filled->entry_max = ENTRY_MAX_MOST;
    reader->kernel = tuning->kernel != NULL ? tuning->kernel : dns_scan_kernel(0);
    reader->block_size = tuning->block != 0 ? tuning->block : BLOCK_SIZE;
    reading->threads = base_thread_count(filled->threads);
}

static void set_first_state(struct reading *reading)
{
    struct dns_zonefile_state *state = &reading->state;
    const uint8_t *origin = reading->reader.options.origin;
    bool usual;
    if (origin != NULL) {
        memcpy(state->origin, origin, dns_name_length(origin));
        state->has_origin = true;
        set_zone(reading, origin);
    } else if (dns_zonefile_origin_of_path(reading->reader.name, state->origin, &usual)) {
        state->has_origin = true;
        /* "db.example" and "example.zone" are how such files are named: nobody needs to be told. */
        state->origin_guessed = !usual;
    }
    reading->predicted = *state;
}

static int prepare(struct reading *reading)
{
    struct dns_zonefile *out = reading->out;
    base_arena_init(&out->arena, 0);
    out->files = base_arena_alloc(&out->arena, sizeof(*out->files));
    char *name =
        base_arena_strndup(&out->arena, reading->reader.name, strlen(reading->reader.name));
    if (out->files == NULL || name == NULL)
        return BASE_ENOMEM;
    out->files[0] = name;
    out->file_count = reading->file_capacity = 1;
    reading->reader.name = reading->frame.name = name;
    reading->last = &out->batches;
    reading->scratch = calloc(reading->threads + 1, sizeof(struct dns_zonefile_scratch *));
    if (reading->scratch == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i <= reading->threads; i++) {
        reading->scratch[i] = dns_zonefile_scratch_new();
        if (reading->scratch[i] == NULL)
            return BASE_ENOMEM;
    }
    return BASE_OK;
}

static void clean_up(struct reading *reading)
{
    for (unsigned i = 0; reading->scratch != NULL && i <= reading->threads; i++)
        dns_zonefile_scratch_free(reading->scratch[i]);
    free(reading->scratch);
    while (reading->unused != NULL) {
        struct job *job = reading->unused;
        reading->unused = job->next;
        free_job(job);
    }
    dns_zonefile_feed_free(&reading->feed);
    dns_zonefile_source_close(&reading->source);
    free(reading->reader.include_root);
    pthread_mutex_destroy(&reading->lock);
}

static int unreadable(struct reading *reading, const char *path, int problem)
{
    struct base_place place = {.file = path};
    base_findings_add(reading->findings, FILE_UNREADABLE, &place, "%s cannot be read: %s",
                      strcmp(path, "-") == 0 ? "standard input" : path,
                      problem == EFBIG ? "a line in it does not end" : strerror(problem));
    return BASE_EIO;
}

static int open_input(struct reading *reading, const char *path, const void *data, size_t length)
{
    int fd = -1;
    struct stat status;
    if (data == NULL && strcmp(path, "-") == 0)
        fd = STDIN_FILENO;
    else if (data == NULL && (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
        return unreadable(reading, path, errno);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        reading->frame.identified = true;
        reading->frame.device = status.st_dev;
        reading->frame.inode = status.st_ino;
    }
    dns_zonefile_source_open(&reading->source, reading->reader.kernel, fd, data, length,
                             reading->reader.block_size, reading->reader.options.entry_max);
    reading->reader.include_root =
        dns_zonefile_include_root(path, reading->reader.options.include_root);
    return BASE_OK;
}

static void end_findings(struct reading *reading, size_t errors_before)
{
    if (reading->out->rr_count > 0 || reading->findings->totals[BASE_ERROR] > errors_before)
        return;
    struct base_place place = {.file = reading->reader.name, .line = 1};
    base_findings_add(reading->findings, SYNTAX_EMPTY, &place,
                      reading->out->bytes == 0 ? "the file is empty"
                                               : "there is no record in the file");
}

int dns_zonefile_read_tuned(const char *path, const void *data, size_t length,
                            const struct dns_zonefile_options *options,
                            const struct dns_zonefile_tuning *tuning,
                            struct base_findings *findings, struct dns_zonefile *out)
{
    struct dns_zonefile result = {.batches = NULL};
    struct reading reading = {.reader.name = path,
                              .findings = findings,
                              .out = &result,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .source.fd = -1};
    size_t errors_before = findings->totals[BASE_ERROR];
    fill_options(&reading, options, tuning);
    reading.feed.entry_max = reading.reader.options.entry_max;
    set_first_state(&reading);
    int error = prepare(&reading);
    if (error == BASE_OK)
        error = open_input(&reading, path, data, length);
    if (error == BASE_OK) {
        error = read_all(&reading);
        if (error == BASE_EIO)
            unreadable(&reading, path, reading.source.problem);
    }
    if (error == BASE_OK) {
        end_findings(&reading, errors_before);
        memcpy(result.origin, reading.reader.zone, dns_name_length(reading.reader.zone));
        *out = result;
    } else {
        dns_zonefile_free(&result);
    }
    clean_up(&reading);
    return error;
}

int dns_zonefile_read(const char *path, const struct dns_zonefile_options *options,
                      struct base_findings *findings, struct dns_zonefile *out)
{
    const struct dns_zonefile_tuning tuning = {0};
    return dns_zonefile_read_tuned(path, NULL, 0, options, &tuning, findings, out);
}

int dns_zonefile_read_memory(const char *name, const void *data, size_t length,
                             const struct dns_zonefile_options *options,
                             struct base_findings *findings, struct dns_zonefile *out)
{
    const struct dns_zonefile_tuning tuning = {0};
    return dns_zonefile_read_tuned(name, data != NULL ? data : "", length, options, &tuning,
                                   findings, out);
}

void dns_zonefile_free(struct dns_zonefile *zonefile)
{
    dns_batches_free(zonefile->batches);
    zonefile->batches = NULL;
    base_arena_free(&zonefile->arena);
    zonefile->files = NULL;
    zonefile->file_count = zonefile->rr_count = zonefile->run_count = 0;
}
