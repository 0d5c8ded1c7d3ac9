/* kenterd --backup: a copy of the registry, beside the kenterd that uses it or without one. */
#include "base/error.h"
#include "daemon/roles.h"
#include "registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG(config, level, ...)                                                                    \
    base_log(&(config)->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

static int copy(const struct config *config, const char *from, const char *to)
{
    struct base_findings findings;
    struct registry *registry = NULL;
    base_findings_init(&findings, 100);
    int error = registry_open(from, &findings, &registry);
    if (error == BASE_OK)
        error = registry_backup(registry, to);
    int why = errno;
    for (size_t i = 0; i < findings.count; i++)
        base_log_finding(&config->log, base_clock_now(), &findings.items[i]);
    if (error == BASE_OK)
        LOG(config, INFO, "%s is copied to %s, whole and checked", from, to);
    else
        LOG(config, ERROR, "%s cannot be copied to %s: %s", from, to,
            error == BASE_EIO ? strerror(why) : base_strerror(error));
    registry_close(registry);
    base_findings_free(&findings);
    return error == BASE_OK ? 0 : 3;
}

int daemon_backup(const struct config *config, const char *to)
{
    char *from = daemon_path(config->data, "registry.db");
    int code = 3;
    /* Opening makes a registry where there is none; a copy of that would be no backup. */
    if (from != NULL && access(from, F_OK) != 0)
        LOG(config, ERROR, "there is no registry %s: %s", from, strerror(errno));
    else if (from != NULL)
        code = copy(config, from, to);
    free(from);
    return code;
}
