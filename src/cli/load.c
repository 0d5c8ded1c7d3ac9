/* Reading and writing zones for verbs: see load.h. */
#include "cli/load.h"

#include "base/error.h"
#include "cli/report.h"
#include "zone/write.h"

#include <errno.h>
#include <string.h>

bool cli_progress_wanted(const struct cli_call *call)
{
    return !call->quiet && !call->json;
}

static void show_bytes(void *context, uint64_t done, uint64_t all)
{
    cli_progress_show(context, (size_t)done, (size_t)all);
}

int cli_load_zone(struct cli_call *call, const char *path, const char *what,
                  struct base_findings *findings, struct zone **out)
{
    struct cli_progress progress;
    struct dns_zonefile_options options = {
        .origin = cli_name(call, "origin"),
        .threads = call->threads,
        .include_anywhere = cli_flag(call, "include-anywhere"),
        .progress = show_bytes,
        .progress_context = &progress,
    };
    cli_progress_start(&progress, cli_progress_wanted(call), what);
    int error = zone_load(path, &options, findings, out);
    cli_progress_end(&progress);
    return error;
}

void cli_summary_zone(struct cli_call *call, const struct zone *zone)
{
    char name[DNS_NAME_TEXT];
    cli_summary_text(call, "zone", dns_name_text(name, zone->apex));
    cli_summary_count(call, "serial", zone->serial);
    cli_summary_count(call, "names", zone->node_count);
    cli_summary_count(call, "records", zone->rr_count);
}

void cli_words_zone(struct cli_call *call, const struct zone *zone)
{
    char name[DNS_NAME_TEXT], names[CLI_NUMBER_TEXT], records[CLI_NUMBER_TEXT];
    cli_summary_words(call, "%s: %s name%s, %s record%s", dns_name_text(name, zone->apex),
                      cli_number(names, zone->node_count), zone->node_count == 1 ? "" : "s",
                      cli_number(records, zone->rr_count), zone->rr_count == 1 ? "" : "s");
}

int cli_write_zone(struct cli_call *call, const struct zone *zone, const char *path,
                   const struct zone_write_options *options)
{
    struct cli_progress progress;
    struct zone_write_options shown = *options;
    shown.threads = call->threads;
    shown.progress = cli_progress_show;
    shown.progress_context = &progress;
    struct base_file_writer *writer = NULL;
    int error = base_file_create(path, 0644, &writer);
    if (error == BASE_OK) {
        cli_progress_start(&progress, cli_progress_wanted(call), "writing");
        error = zone_write(zone, &shown, writer);
        cli_progress_end(&progress);
        if (error == BASE_OK)
            error = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, path, "the zone cannot be written");
    return error;
}
