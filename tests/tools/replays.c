/* Plays recorded cases over and over in one process, and tells how much memory that takes:
 *   replays COUNT FILE...
 * Each must give the result that it gave the first time. Fails when memory still grows after the
 * first tenth. */
#include "base/error.h"
#include "base/file.h"
#include "resolve/recording.h"
#include "resolve/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GROWTH_MOST (1024 * 1024) /* octets; the allocator's own unrest is far below */

struct replayed {
    const char *file;
    char *first; /* the JSON of the first result */
};

static void fail(const char *file, const char *what)
{
    fprintf(stderr, "replays: %s: %s\n", file, what);
    exit(1);
}

static long resident(void)
{
    long pages = 0, rest;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &rest, &pages) != 2)
        fail("/proc/self/statm", "cannot be read");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static base_time clock_of_case(void *context)
{
    return *(const base_time *)context;
}

static char *play(struct resolve_recording *recording, const char *file)
{
    struct resolve_transport transport = resolve_recording_transport(recording);
    base_time now = resolve_recording_now(recording);
    struct resolve_options options = {.from = RESOLVE_TRANSPORT,
                                      .transport = &transport,
                                      .clock = clock_of_case,
                                      .clock_context = &now,
                                      .validate = *resolve_recording_options(recording),
                                      .cache_octets = SIZE_MAX};
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    const struct validate_result *result;
    uint16_t type;
    const uint8_t *name = resolve_recording_name(recording, &type);
    if (resolve_context_new(&options, why, &context) != BASE_OK)
        fail(file, why);
    resolve_recording_repeat_notes(recording, context);
    if (resolve_lookup(context, name, type, &result) != BASE_OK)
        fail(file, "no result");
    struct base_buf text;
    base_buf_init(&text, 1 << 24);
    resolve_show_json(result, &text);
    char *json = strdup(base_buf_string(&text));
    if (text.error != BASE_OK || json == NULL)
        fail(file, "no memory");
    base_buf_free(&text);
    validate_result_unref(result);
    resolve_context_free(context);
    return json;
}

/* From the file to the result. */
static void replay(struct replayed *replayed)
{
    uint8_t *text;
    size_t length;
    struct base_findings findings;
    struct resolve_recording *recording;
    if (base_file_read(replayed->file, RESOLVE_RECORDING_OCTETS, &text, &length) != BASE_OK)
        fail(replayed->file, "cannot be read");
    base_findings_init(&findings, 10);
    if (resolve_recording_from_json(replayed->file, (const char *)text, length, &findings,
                                    &recording) != BASE_OK)
        fail(replayed->file, findings.count > 0 ? findings.items[0].message : "is no case");
    free(text);
    base_findings_free(&findings);
    char *json = play(recording, replayed->file);
    resolve_recording_free(recording);
    if (replayed->first == NULL) {
        replayed->first = json;
        return;
    }
    if (strcmp(json, replayed->first) != 0)
        fail(replayed->file, "another result than the first time");
    free(json);
}

int main(int count, char **arguments)
{
    if (count < 3)
        fail("use", "replays COUNT FILE...");
    long wanted = atol(arguments[1]), early = 0;
    size_t files = (size_t)count - 2;
    struct replayed *cases = calloc(files, sizeof(*cases));
    if (cases == NULL)
        fail("memory", "there is none");
    for (size_t i = 0; i < files; i++)
        cases[i].file = arguments[i + 2];
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long done = 0; done < wanted; done++) {
        if (done == wanted / 10)
            early = resident();
        replay(&cases[(size_t)done % files]);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    long late = resident();
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%ld replays of %zu cases in %.1f s, %.0f a second; %ld KiB after a tenth, %ld KiB at "
           "the end\n",
           wanted, files, seconds, (double)wanted / seconds, early / 1024, late / 1024);
    for (size_t i = 0; i < files; i++)
        free(cases[i].first);
    free(cases);
    return late - early > GROWTH_MOST;
}
