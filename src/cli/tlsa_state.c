/* What is remembered of a service between looks, in a file: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/made.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_OCTETS ((size_t)1 << 20)

/* --- where --- */

static const char *directory(struct cli_call *call)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return base_arena_printf(&call->arena, "%s/kenter/tlsa", state);
    if (geteuid() == 0)
        return "/var/lib/kenter/tlsa";
    return base_arena_printf(&call->arena, "%s/.local/state/kenter/tlsa", home != NULL ? home : "");
}

static const char *path_of(struct cli_tlsa *tlsa)
{
    const char *given = cli_text(tlsa->call, "state");
    if (given != NULL)
        return given;
    const char *where = directory(tlsa->call);
    return where == NULL ? NULL
                         : base_arena_printf(&tlsa->call->arena, "%s/%s-%u%s.json", where,
                                             tlsa->host, tlsa->port, tlsa->udp ? "-udp" : "");
}

/* The directories that a file is in, as far as they are missing. */
static void make_directories(struct cli_call *call, const char *path)
{
    char *copy = base_arena_strndup(&call->arena, path, strlen(path));
    for (char *at = copy != NULL ? strchr(copy + 1, '/') : NULL; at != NULL;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(copy, 0755); /* when it cannot be made, the file cannot be, either */
        *at = '/';
    }
}

/* --- reading --- */

static int read_memory(struct cli_tlsa *tlsa, struct cli_tlsa_state *out)
{
    struct cli_call *call = tlsa->call;
    uint8_t *text;
    size_t length;
    json_error_t why;
    int error = base_file_read(out->path, STATE_OCTETS, &text, &length);
    if (error == BASE_EIO && errno == ENOENT) {
        out->memory = json_object();
        return out->memory != NULL ? BASE_OK : BASE_ENOMEM;
    }
    if (error != BASE_OK)
        return cli_made_bad(call, out->path, "the state cannot be read: %s",
                            error == BASE_EIO ? strerror(errno) : base_strerror(error));
    out->memory = json_loadb((const char *)text, length, 0, &why);
    free(text);
    if (json_is_object(out->memory))
        return BASE_OK;
    cli_tlsa_state_free(out);
    return cli_made_bad(call, out->path, "this is no state of a change: %s", why.text);
}

int cli_tlsa_state_read(struct cli_tlsa *tlsa, struct cli_tlsa_state *out)
{
    struct cli_tlsa_state state = {.path = path_of(tlsa)};
    int error = state.path != NULL ? read_memory(tlsa, &state) : BASE_ENOMEM;
    if (error != BASE_OK)
        return error;
    const json_t *memory = state.memory;
    state.life = (struct dane_life_state){
        .complete_since = cli_json_number(memory, "complete_since"),
        .ttl = (uint32_t)cli_json_number(memory, "ttl"),
        .old_seen = json_is_true(json_object_get(memory, "old_seen")),
        .servers = strtoull(cli_json_text(memory, "servers"), NULL, 16),
    };
    state.has_next =
        cli_tlsa_parse(&tlsa->call->arena, cli_json_text(memory, "next"), &state.next) == BASE_OK;
    if (strcmp(tlsa->where, cli_json_text(memory, "where")) != 0) {
        /* Of another service, or the first time. */
        dane_life_begin(&state.life);
        state.has_next = false;
    }
    *out = state;
    return BASE_OK;
}

void cli_tlsa_state_change(struct cli_tlsa_state *state, const struct dane_tlsa *next)
{
    if (!state->has_next || !cli_tlsa_equal(&state->next, next))
        dane_life_begin(&state->life);
    state->next = *next;
    state->has_next = true;
}

/* --- writing --- */

static int store(struct cli_tlsa *tlsa, const struct cli_tlsa_state *state, const char *text)
{
    struct base_file_writer *writer = NULL;
    make_directories(tlsa->call, state->path);
    int error = base_file_create(state->path, 0644, &writer);
    if (error == BASE_OK && (error = base_file_write(writer, text, strlen(text))) == BASE_OK)
        error = base_file_commit(writer);
    else
        base_file_abort(writer);
    return error == BASE_OK ? BASE_OK
                            : cli_made_bad(tlsa->call, state->path,
                                           "the state cannot be written: %s", strerror(errno));
}

int cli_tlsa_state_write(struct cli_tlsa *tlsa, struct cli_tlsa_state *state,
                         const struct dane_life_advice *advice)
{
    char servers[20];
    json_t *memory = state->memory;
    const struct dane_life_state *life = &state->life;
    const char *next = state->has_next ? cli_tlsa_text(&tlsa->arena, &state->next) : NULL;
    snprintf(servers, sizeof(servers), "%" PRIx64, life->servers);
    json_t *now =
        json_pack("{s:s,s:s?,s:I,s:I,s:b,s:s,s:s,s:s,s:o,s:o}", "where", tlsa->where, "next", next,
                  "complete_since", (json_int_t)life->complete_since, "ttl", (json_int_t)life->ttl,
                  "old_seen", life->old_seen, "servers", servers, "step",
                  dane_life_step_name(advice->step), "reason", advice->reason, "safe_at",
                  cli_tlsa_time(advice->safe_at), "looked", cli_tlsa_time(base_clock_now()));
    char *text = now != NULL && json_object_update(memory, now) == 0
                     ? json_dumps(memory, JSON_INDENT(1))
                     : NULL;
    int error = text != NULL ? store(tlsa, state, text) : BASE_ENOMEM;
    json_decref(now);
    free(text);
    return error;
}

void cli_tlsa_state_free(struct cli_tlsa_state *state)
{
    json_decref(state->memory);
    state->memory = NULL;
}
