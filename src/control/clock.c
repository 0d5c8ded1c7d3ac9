/*
 * Which time is it? A machine alone cannot tell whether a clock that jumped was wrong before or is
 * wrong now. So after a jump both are believed: signatures are made to be good by the clock as it
 * was and as it is, until somebody says that it is right (reload), and nobody outside ever sees one
 * that has not begun or is over. What is believed survives a restart, in a file.
 */
#include "control/internal.h"

#include "base/error.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE "clock"
/* Clocks are set right by small steps, which signatures begin early enough for. */
#define DOUBT_LEAST 1800
/* After so many seconds back every zone is looked at. */
#define CLOCK_BACK 60
/* Zones are signed again within weeks: who finds nothing of so long was away, or has another time.
 */
#define ABSENCE_MOST (30 * 86400)
/* Times of signatures are told apart within 68 years (RFC 4034 section 3.1.5). */
#define SPAN_MOST ((int64_t)60 * 365 * 86400)

static void note_path(const struct control *control, char path[4096])
{
    snprintf(path, 4096, "%s/" NOTE, control->config->data);
}

static void write_note(const struct control *control)
{
    char path[4096], text[64];
    note_path(control, path);
    int length = snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 "\n", control->clock_behind,
                          control->clock_ahead);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0 || write(file, text, (size_t)length) != length)
        CONTROL_LOG(control, WARNING, "%s cannot be written: after a restart the clock is trusted",
                    path);
    if (file >= 0)
        close(file);
}

static void read_note(struct control *control)
{
    char path[4096];
    int64_t behind, ahead;
    note_path(control, path);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%12" SCNd64 " %12" SCNd64, &behind, &ahead) == 2 && behind >= 0 &&
        ahead >= 0 && behind + ahead <= SPAN_MOST) {
        control->clock_behind = behind;
        control->clock_ahead = ahead;
    }
    fclose(file);
}

/* The clock is `jump` seconds from where it was believed to be. */
static void doubt(struct control *control, int64_t jump)
{
    int64_t behind = control->clock_behind + jump, ahead = control->clock_ahead - jump;
    char text[BASE_TIME_TEXT];
    control->clock_behind = behind > 0 ? behind : 0;
    control->clock_ahead = ahead > 0 ? ahead : 0;
    if (control->clock_behind + control->clock_ahead > SPAN_MOST)
        control->clock_behind = control->clock_ahead = 0; /* no signature spans that */
    base_duration_text(jump > 0 ? jump : -jump, text);
    CONTROL_LOG(
        control, WARNING,
        "the clock went %s by %s: signatures are made to be good by the old time and by the "
        "new; set the clock if it is wrong, then `kenter reload`",
        jump > 0 ? "forward" : "back", text);
    write_note(control);
}

int64_t control_clock_look(struct control *control)
{
    base_time now = base_clock_now();
    uint64_t monotonic = base_clock_monotonic() / 1000000000;
    int64_t jump = 0;
    if (control->looked_at != 0)
        jump = now - control->looked_at - (int64_t)(monotonic - control->looked_at_monotonic);
    control->looked_at = now;
    control->looked_at_monotonic = monotonic;
    control->turned_back |= jump < -CLOCK_BACK;
    if (jump > DOUBT_LEAST || jump < -DOUBT_LEAST)
        doubt(control, jump);
    return jump;
}

void control_clock_start(struct control *control, base_time newest)
{
    base_time now = base_clock_now();
    read_note(control);
    control_clock_look(control);
    bool strange = newest != 0 && (now - newest > ABSENCE_MOST || newest - now > DOUBT_LEAST);
    /* What is known already covers it. */
    if (strange && (newest < now - control->clock_behind || newest > now + control->clock_ahead))
        doubt(control, now - newest);
}

void control_clock_trust(struct control *control)
{
    char path[4096];
    if (control->clock_behind == 0 && control->clock_ahead == 0)
        return;
    control->clock_behind = control->clock_ahead = 0;
    note_path(control, path);
    unlink(path);
    CONTROL_LOG(control, INFO,
                "the clock is believed from now on; what was signed to be good by "
                "another time too is signed again");
}

base_time control_now(struct control *control)
{
    control_clock_look(control);
    return base_clock_now() + control->clock_ahead;
}

void control_clock_policy(const struct control *control, const struct config_policy *policy,
                          struct config_policy *out)
{
    *out = *policy;
    out->sign.doubt = (uint32_t)(control->clock_behind + control->clock_ahead);
}

void control_clock_tell(const struct control *control, struct base_findings *findings)
{
    char behind[BASE_TIME_TEXT], ahead[BASE_TIME_TEXT];
    if (control->clock_behind == 0 && control->clock_ahead == 0)
        return;
    base_duration_text(control->clock_behind, behind);
    base_duration_text(control->clock_ahead, ahead);
    struct base_place place = {.file = NULL};
    base_findings_add(findings, SIGN_CLOCK_DOUBTFUL, &place,
                      "the clock has jumped: the time may be up to %s earlier or %s later than it "
                      "says",
                      behind, ahead);
}
