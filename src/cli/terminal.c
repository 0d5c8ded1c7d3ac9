/* The terminal: see terminal.h. */
#include "cli/terminal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIRST_DRAW 1000000000ull /* nanoseconds of work before the bar appears */
#define DRAW_STEP  100000000ull  /* nanoseconds between two drawings */
#define BAR_WIDTH  32

bool cli_color_wanted(const char *when, FILE *stream)
{
    if (when != NULL && strcmp(when, "always") == 0)
        return true;
    if (when != NULL && strcmp(when, "never") == 0)
        return false;
    /* https://no-color.org: set and not empty. */
    const char *no_color = getenv("NO_COLOR");
    if (no_color != NULL && no_color[0] != '\0')
        return false;
    const char *terminal = getenv("TERM");
    if (terminal == NULL || strcmp(terminal, "dumb") == 0)
        return false;
    return isatty(fileno(stream));
}

const char *cli_color(bool wanted, enum cli_color color)
{
    static const char *const sequences[] = {
        [CLI_PLAIN] = "\033[0m",  [CLI_BOLD] = "\033[1m",    [CLI_RED] = "\033[1;31m",
        [CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m", [CLI_BLUE] = "\033[34m",
        [CLI_DIM] = "\033[2m",
    };
    return wanted ? sequences[color] : "";
}

size_t cli_width(FILE *stream)
{
    struct winsize size;
    size_t width = 80;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    if (width < 40)
        return 40;
    return width < 120 ? width : 120;
}

void cli_progress_start(struct cli_progress *progress, bool wanted, const char *what)
{
    progress->what = what;
    progress->wanted = wanted && isatty(STDERR_FILENO);
    progress->started = base_clock_monotonic();
    atomic_init(&progress->drawn, 0);
}

static void draw(const struct cli_progress *progress, size_t done, size_t all)
{
    char bar[BAR_WIDTH + 1];
    char line[160];
    if (done > all)
        done = all;
    size_t filled = (size_t)((double)done / (double)all * BAR_WIDTH);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    int length = snprintf(line, sizeof(line), "\r%-10.20s [%s] %3d%%", progress->what, bar,
                          (int)((double)done / (double)all * 100));
    /* One write, so that it does not mix with other output; its failure changes nothing. */
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
}

void cli_progress_show(void *context, size_t done, size_t all)
{
    struct cli_progress *progress = context;
    if (!progress->wanted || all == 0)
        return;
    uint64_t now = base_clock_monotonic();
    uint64_t drawn = atomic_load_explicit(&progress->drawn, memory_order_relaxed);
    if (now - progress->started < FIRST_DRAW || now - drawn < DRAW_STEP)
        return;
    /* Of several threads that come at once, one draws. */
    if (atomic_compare_exchange_strong(&progress->drawn, &drawn, now))
        draw(progress, done, all);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (!progress->wanted || atomic_load(&progress->drawn) == 0)
        return;
    ssize_t ignored = write(STDERR_FILENO, "\r\033[K", 4);
    (void)ignored;
}

const char *cli_stream_end(FILE *stream)
{
    if (fflush(stream) != 0)
        return strerror(errno);
    if (!ferror(stream))
        return NULL;
    /* An earlier write failed and its reason is gone: one more octet behind what is cut off
     * anyway asks for it again. */
    return write(fileno(stream), "\n", 1) < 0 ? strerror(errno) : "not all could be written";
}
