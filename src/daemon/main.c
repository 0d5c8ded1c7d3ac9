/* kenterd: the command line decides which process this is. */
#include "base/error.h"
#include "daemon/roles.h"
#include "process/child.h"
#include "process/supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(const struct config *config)
{
    char *text = NULL;
    if (config_print(config, &text) != BASE_OK)
        return 3;
    fputs(text, stdout);
    free(text);
    return 0;
}

static int run_role(const char *role, const struct config *config)
{
    if (strcmp(role, "keys") == 0)
        return daemon_role_keys(config);
    if (strcmp(role, "control") == 0)
        return daemon_role_control(config);
    if (strcmp(role, "serve") == 0)
        return daemon_role_serve(config);
    fprintf(stderr, "kenterd: there is no role %s\n", role);
    return 2;
}

static bool is_supervisor(const struct daemon_options *options)
{
    return options->role == NULL && !options->check && options->backup == NULL && !options->once;
}

static int run(const struct daemon_options *options, struct config **config, int argc, char **argv)
{
    if (options->role != NULL)
        return run_role(options->role, *config);
    if (options->check)
        return show(*config);
    if (options->backup != NULL)
        return daemon_backup(*config, options->backup);
    if (options->once)
        return daemon_once(*config);
    return daemon_supervise(options, config, argc, argv);
}

int main(int argc, char **argv)
{
    struct daemon_options options;
    struct config *config = NULL;
    int end = daemon_options_read(argc, argv, &options);
    if (end != 0) {
        daemon_options_free(&options);
        return end - 1;
    }
    /* A signal that comes before all is ready is not lost, and ends it in good order. */
    if (is_supervisor(&options))
        process_supervisor_block();
    int error = daemon_options_config(&options, &config);
    int code;
    if (error == BASE_OK)
        code = run(&options, &config, argc, argv);
    else if (options.role != NULL)
        code = PROCESS_EXIT_REFUSED;
    else
        code = error == BASE_EFORMAT ? 2 : 3;
    config_free(config);
    daemon_options_free(&options);
    return code;
}
