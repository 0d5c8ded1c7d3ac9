/* kenter: one command, its verbs in one table. */
#include "cli/call.h"
#include "cli/client.h"
#include "cli/help.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 128

/* The verb named by the first one or two arguments; sets how many were used. The longer name wins,
 * so "key new" comes before "key". */
static const struct cli_verb *find_verb(int argc, char **argv, int *used)
{
    char name[64];
    if (argc > 1) {
        snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
        const struct cli_verb *verb = cli_verb_find(name);
        if (verb != NULL) {
            *used = 2;
            return verb;
        }
    }
    *used = 1;
    return cli_verb_find(argv[0]);
}

static int unknown_verb(const struct cli_verb *head, const char *word)
{
    const char *names[NAMES_MAX] = {NULL};
    size_t count = 0;
    size_t skip = head == NULL ? 0 : strlen(head->name) + 1;
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        bool wanted =
            head == NULL ? strchr((*verb)->name, ' ') == NULL : cli_verb_is_below(*verb, head);
        if (wanted && count + 1 < NAMES_MAX)
            names[count++] = (*verb)->name + skip;
    }
    const char *near = base_nearest(word, names);
    if (near != NULL)
        return cli_usage_error(head, "there is no verb \"%s\"; did you mean \"%s\"?", word, near);
    return cli_usage_error(head, "there is no verb \"%s\"", word);
}

/* "key" alone, "key --help", "key nwe" */
static int run_head(const struct cli_verb *head, int argc, char **argv)
{
    bool wants_help = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (argc > 0 && !wants_help)
        return unknown_verb(head, argv[0]);
    FILE *stream = wants_help ? stdout : stderr;
    cli_help_verb(stream, cli_color_wanted(NULL, stream), head);
    return wants_help ? CLI_GOOD : CLI_USAGE;
}

static int run_verb(const struct cli_verb *verb, int argc, char **argv)
{
    struct cli_call call;
    int code = cli_call_parse(&call, verb, argc, argv);
    if (code == CLI_GOOD) {
        call.color = cli_color_wanted(cli_text(&call, "color"), stdout);
        if (cli_flag(&call, "help"))
            cli_help_verb(stdout, call.color, verb);
        else
            code = verb->run(&call);
    }
    cli_call_free(&call);
    return code;
}

/* "kenter --socket PATH VERB ...": the same as after the verb. Sets how many arguments it took;
 * that is 0 where something else stands. */
static int take_socket(int argc, char **argv, int *taken)
{
    static const char option[] = "--socket";
    size_t length = sizeof(option) - 1;
    *taken = 0;
    if (argc == 0 || strncmp(argv[0], option, length) != 0)
        return CLI_GOOD;
    const char *path = NULL;
    if (argv[0][length] == '=')
        path = argv[0] + length + 1;
    else if (argv[0][length] == '\0' && argc > 1)
        path = argv[1];
    else if (argv[0][length] != '\0')
        return CLI_GOOD;
    if (path == NULL || path[0] == '\0')
        return cli_usage_error(NULL, "%s wants a path", option);
    *taken = argv[0][length] == '=' ? 1 : 2;
    if (setenv(CLI_SOCKET_VARIABLE, path, 1) == 0)
        return CLI_GOOD;
    perror("kenter");
    return CLI_SYSTEM;
}

static int run(int argc, char **argv)
{
    int taken;
    int code = take_socket(argc, argv, &taken);
    if (code != CLI_GOOD)
        return code;
    argc -= taken;
    argv += taken;
    if (argc == 0) {
        cli_help_all(stderr, cli_color_wanted(NULL, stderr));
        return CLI_USAGE;
    }
    char help[] = "help", version[] = "version";
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        argv[0] = help;
    else if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)
        argv[0] = version;
    int used;
    const struct cli_verb *verb = find_verb(argc, argv, &used);
    if (verb == NULL)
        return argv[0][0] == '-' ? cli_usage_error(NULL, "there is no option %s", argv[0])
                                 : unknown_verb(NULL, argv[0]);
    if (verb->run == NULL)
        return run_head(verb, argc - used, argv + used);
    return run_verb(verb, argc - used, argv + used);
}

/* A program may be started without standard streams. Their numbers must not go to files that are
 * opened later, or what is meant for people would be written into a zone. What takes their place
 * fails as a closed stream does: it is open the wrong way round. */
static void occupy_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* open takes the lowest free number, which is this one. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(CLI_SYSTEM);
    }
}

int main(int argc, char **argv)
{
    occupy_streams();
    int code = run(argc > 0 ? argc - 1 : 0, argv + 1);
    /* Output that got lost is a failure, whatever the verb thinks. */
    const char *lost = cli_stream_end(stdout);
    if (lost != NULL) {
        if (code == CLI_GOOD || code == CLI_FINDINGS)
            fprintf(stderr, "kenter: standard output: %s\n", lost);
        code = CLI_SYSTEM;
    }
    return code;
}
