/*
 * A result in a terminal: see show.h. Blocks in boxes; an only child, and the last of several,
 * stands straight below its parent, the others are set in from the left. Colours say nothing that
 * words and marks do not say, too.
 */
#include "base/error.h"
#include "base/utf8.h"
#include "resolve/show_model.h"

#include <stdio.h>
#include <string.h>

#define WIDTH_DEFAULT 80
#define WIDTH_LEAST   40
#define WIDTH_MOST    1000
#define INSET         3  /* columns by which a branch is set in */
#define INSETS_MOST   12 /* deeper ones stay where they are */
#define BOX_LEAST     30
#define LABEL_WIDTH   7

enum glyph {
    GLYPH_ACROSS,
    GLYPH_DOWN,
    GLYPH_TOP_LEFT,
    GLYPH_TOP_RIGHT,
    GLYPH_BOTTOM_LEFT,
    GLYPH_BOTTOM_RIGHT,
    GLYPH_LEAVES, /* a line goes down from the lower border */
    GLYPH_BRANCH,
    GLYPH_ARRIVES,
    GLYPH_FOLLOWS,
    GLYPHS
};
static const char *const drawn[GLYPHS] = {"─", "│", "┌", "┐", "└", "┘", "┬", "├", "▼", "└─"};
static const char *const plain[GLYPHS] = {"-", "|", "+", "+", "+", "+", "+", "+", "v", "`-"};

struct canvas {
    struct base_buf *out;
    const struct validate_result *result;
    const struct show_model *model;
    const uint32_t *order; /* of findings */
    const char *const *glyphs;
    bool color, ascii;
    size_t width;
    bool insets[INSETS_MOST]; /* set in by a branch: its line goes on */
    size_t depth;
};

static const char *tone_color(const struct canvas *canvas, enum show_tone tone)
{
    static const char *const sequences[] = {
        [SHOW_PLAIN] = "",         [SHOW_GOOD] = "\033[32m", [SHOW_DOUBT] = "\033[33m",
        [SHOW_BAD] = "\033[1;31m", [SHOW_FAINT] = "\033[2m",
    };
    return canvas->color ? sequences[tone] : "";
}

static const char *no_color(const struct canvas *canvas)
{
    return canvas->color ? "\033[0m" : "";
}

static const char *mark(const struct canvas *canvas, enum show_tone tone)
{
    switch (tone) {
    case SHOW_GOOD:
        return canvas->ascii ? "*" : "✓";
    case SHOW_DOUBT:
        return "!";
    case SHOW_BAD:
        return canvas->ascii ? "x" : "✗";
    default:
        return " ";
    }
}

/* Text of others; in plain ASCII where that is wanted. */
static void put(const struct canvas *canvas, const char *text, size_t length)
{
    if (!canvas->ascii) {
        show_safe(canvas->out, text, length);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t octet = (uint8_t)text[i];
        if ((octet & 0xc0) != 0x80)
            base_buf_u8(canvas->out, octet < 0x20 || octet > 0x7e ? '?' : octet);
    }
}

static size_t columns(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length;) {
        size_t size = base_utf8_length((const uint8_t *)text + i, length - i);
        i += size == 0 ? 1 : size;
        count++;
    }
    return count;
}

static void repeat(const struct canvas *canvas, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        base_buf_text(canvas->out, text);
}

static void begin_line(const struct canvas *canvas)
{
    for (size_t i = 0; i < canvas->depth; i++) {
        base_buf_u8(canvas->out, ' ');
        base_buf_text(canvas->out, canvas->insets[i] ? canvas->glyphs[GLYPH_DOWN] : " ");
        base_buf_u8(canvas->out, ' ');
    }
}

static size_t box_width(const struct canvas *canvas)
{
    size_t inset = canvas->depth * INSET;
    return canvas->width > inset + BOX_LEAST ? canvas->width - inset : BOX_LEAST;
}

/* "┌─ example. ──────────── secure ─┐" */
static void draw_top(const struct canvas *canvas, const struct show_block *block)
{
    const char *status = validate_status_name(block->status);
    enum show_tone tone = show_tone_of_status(block->status);
    size_t width = box_width(canvas);
    size_t fixed = strlen("+- ") + strlen("  + ") + strlen(status) + strlen(" -+");
    size_t room = width - fixed - 1;
    const char *rest = block->title;
    size_t length = strlen(rest);
    bool cut = columns(rest, length) > room;
    if (cut)
        length = show_line(&rest, room - 3);
    size_t used = columns(block->title, length) + (cut ? 3 : 0);
    begin_line(canvas);
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_TOP_LEFT]);
    base_buf_text(canvas->out,
                  canvas->glyphs[block->parent == SHOW_NO_BLOCK ? GLYPH_ACROSS : GLYPH_ARRIVES]);
    base_buf_text(canvas->out, canvas->color ? " \033[1m" : " ");
    put(canvas, block->title, length);
    base_buf_text(canvas->out, cut ? "..." : "");
    base_buf_printf(canvas->out, "%s ", no_color(canvas));
    repeat(canvas, canvas->glyphs[GLYPH_ACROSS], 1 + room - used);
    base_buf_printf(canvas->out, " %s%s %s%s ", tone_color(canvas, tone), mark(canvas, tone),
                    status, no_color(canvas));
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_ACROSS]);
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_TOP_RIGHT]);
    base_buf_u8(canvas->out, '\n');
}

static void draw_bottom(const struct canvas *canvas, const struct show_block *block)
{
    begin_line(canvas);
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_BOTTOM_LEFT]);
    base_buf_text(
        canvas->out,
        canvas->glyphs[block->first_child == SHOW_NO_BLOCK ? GLYPH_ACROSS : GLYPH_LEAVES]);
    repeat(canvas, canvas->glyphs[GLYPH_ACROSS], box_width(canvas) - 3);
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_BOTTOM_RIGHT]);
    base_buf_u8(canvas->out, '\n');
}

/* One line within a box; `lead` has LABEL_WIDTH + 2 columns at most. */
static void draw_line(const struct canvas *canvas, enum show_tone tone, const char *lead,
                      size_t lead_width, const char *text, size_t length)
{
    size_t inner = box_width(canvas) - 4, used = lead_width + columns(text, length);
    begin_line(canvas);
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_DOWN]);
    base_buf_printf(canvas->out, " %s%s", tone_color(canvas, tone), lead);
    put(canvas, text, length);
    base_buf_text(canvas->out, no_color(canvas));
    repeat(canvas, " ", used < inner ? inner - used : 0);
    base_buf_u8(canvas->out, ' ');
    base_buf_text(canvas->out, canvas->glyphs[GLYPH_DOWN]);
    base_buf_u8(canvas->out, '\n');
}

static void draw_row(const struct canvas *canvas, const struct show_row *row)
{
    size_t lead_width = row->kind == SHOW_ROW_HEAD ? 2 : 2 + LABEL_WIDTH + 1;
    size_t room = box_width(canvas) - 4 - lead_width;
    char lead[64];
    bool marked = row->kind == SHOW_ROW_HEAD || row->kind == SHOW_ROW_PROOF ||
                  row->tone == SHOW_BAD || row->tone == SHOW_DOUBT;
    snprintf(lead, sizeof(lead), "%s %-*.*s%s", marked ? mark(canvas, row->tone) : " ",
             row->kind == SHOW_ROW_HEAD ? 0 : LABEL_WIDTH,
             row->kind == SHOW_ROW_HEAD ? 0 : LABEL_WIDTH, row->label,
             row->kind == SHOW_ROW_HEAD ? "" : " ");
    const char *at = row->text;
    do {
        const char *start = at;
        size_t length = show_line(&at, room);
        draw_line(canvas, row->tone, lead, lead_width, start, length);
        snprintf(lead, sizeof(lead), "%*s", (int)lead_width, "");
    } while (*at != '\0');
}

static void draw_link(const struct canvas *canvas, const struct show_block *child, bool last)
{
    begin_line(canvas);
    base_buf_u8(canvas->out, ' ');
    base_buf_text(canvas->out, canvas->glyphs[last ? GLYPH_DOWN : GLYPH_BRANCH]);
    base_buf_text(canvas->out, last ? " " : canvas->glyphs[GLYPH_ACROSS]);
    base_buf_printf(canvas->out, " %s%s ", tone_color(canvas, child->link_tone),
                    mark(canvas, child->link_tone));
    put(canvas, child->link, strlen(child->link));
    base_buf_printf(canvas->out, "%s\n", no_color(canvas));
}

static void draw_box(const struct canvas *canvas, const struct show_block *block)
{
    draw_top(canvas, block);
    for (size_t i = 0; i < block->row_count; i++)
        draw_row(canvas, &block->rows[i]);
    draw_bottom(canvas, block);
}

/* Recursion goes as deep as branches do, which the budgets of queries and hops bound. */
static void draw_tree(struct canvas *canvas, size_t index)
{
    while (index != SHOW_NO_BLOCK) {
        const struct show_block *block = &canvas->model->blocks[index];
        draw_box(canvas, block);
        size_t child = block->first_child;
        for (; child != block->last_child; child = canvas->model->blocks[child].next) {
            bool inset = canvas->depth < INSETS_MOST;
            draw_link(canvas, &canvas->model->blocks[child], false);
            if (inset)
                canvas->insets[canvas->depth++] = true;
            draw_tree(canvas, child);
            if (inset)
                canvas->depth--;
        }
        if (child != SHOW_NO_BLOCK)
            draw_link(canvas, &canvas->model->blocks[child], true);
        index = child;
    }
}

/* --- below the drawing --- */

/* A paragraph whose first line begins with `lead` and whose others are set in. */
static void draw_paragraph(const struct canvas *canvas, enum show_tone tone, const char *lead,
                           size_t inset, const char *text)
{
    size_t room = canvas->width > inset + 20 ? canvas->width - inset : 20;
    const char *at = text;
    do {
        const char *start = at;
        size_t length = show_line(&at, room);
        size_t used = start == text ? columns(lead, strlen(lead)) : 0;
        base_buf_text(canvas->out, tone_color(canvas, tone));
        if (start == text)
            put(canvas, lead, strlen(lead));
        repeat(canvas, " ", used < inset ? inset - used : 0);
        put(canvas, start, length);
        base_buf_printf(canvas->out, "%s\n", no_color(canvas));
    } while (*at != '\0');
}

static void draw_hop(const struct canvas *canvas, const struct validate_hop *hop, uint16_t type)
{
    char name[DNS_NAME_TEXT], target[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    char line[2 * DNS_NAME_TEXT + 128], lead[16];
    enum show_tone tone = show_tone_of_status(hop->status);
    if (hop->target == NULL)
        snprintf(line, sizeof(line), "%s %s: %s", dns_name_text(name, hop->name),
                 dns_type_text(type_text, type), validate_status_name(hop->status));
    else
        snprintf(line, sizeof(line), "%s is an alias%s of %s: %s", dns_name_text(name, hop->name),
                 hop->dname ? " (DNAME)" : "", dns_name_text(target, hop->target),
                 validate_status_name(hop->status));
    snprintf(lead, sizeof(lead), "%s ", mark(canvas, tone));
    draw_paragraph(canvas, tone, lead, 2, line);
}

static void draw_answer(const struct canvas *canvas)
{
    const struct validate_result *result = canvas->result;
    for (size_t i = 0; show_is_usable(result) && i < result->answer_count; i++) {
        const struct validate_records *set = &result->answer[i];
        for (size_t j = 0; j < set->count; j++) {
            char type[DNS_TYPE_TEXT];
            struct base_buf line;
            base_buf_init(&line, (size_t)16 * DNS_RDATA_MAX);
            base_buf_printf(&line, "%s %u ", dns_type_text(type, set->type), set->ttl);
            dns_rdata_to_text(&line, set->type, set->rdata[j].data, set->rdata[j].length,
                              DNS_TEXT_PLAIN);
            draw_paragraph(canvas, SHOW_PLAIN, "", 4, base_buf_string(&line));
            base_buf_free(&line);
        }
    }
}

static void draw_finding(const struct canvas *canvas, size_t index, bool explained)
{
    const struct validate_finding *finding = &canvas->result->findings[index];
    const struct base_finding_info *info = base_finding_info(finding->code);
    unsigned depth = show_finding_depth(canvas->result, index);
    char lead[96], ede[96] = "";
    const char *ede_name = show_ede_name(finding->ede);
    if (ede_name != NULL)
        snprintf(ede, sizeof(ede), " (EDE %d, %s)", finding->ede, ede_name);
    size_t inset = 2 * (size_t)depth;
    snprintf(lead, sizeof(lead), "%*s%s%s%s: ", inset > 1 ? (int)inset - 2 : 0, "",
             depth > 0 ? canvas->glyphs[GLYPH_FOLLOWS] : "", depth > 0 ? " " : "",
             base_severity_name(finding->severity));
    struct base_buf text;
    base_buf_init(&text, 65536);
    if (finding->server != NULL)
        base_buf_printf(&text, "%s: ", finding->server);
    base_buf_printf(&text, "%s%s [%s]", finding->message == NULL ? info->title : finding->message,
                    ede, info->code);
    draw_paragraph(canvas, show_tone_of_severity(finding->severity), lead,
                   columns(lead, strlen(lead)), base_buf_string(&text));
    base_buf_free(&text);
    if (explained)
        return;
    snprintf(lead, sizeof(lead), "%*swhy: ", (int)inset + 4, "");
    draw_paragraph(canvas, SHOW_PLAIN, lead, strlen(lead), info->why);
    snprintf(lead, sizeof(lead), "%*sdo:  ", (int)inset + 4, "");
    draw_paragraph(canvas, SHOW_PLAIN, lead, strlen(lead), info->remedy);
}

static bool was_explained(const struct validate_result *result, const uint32_t *order, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (result->findings[order[i]].code == result->findings[order[at]].code)
            return true;
    }
    return false;
}

static void draw_findings(const struct canvas *canvas)
{
    size_t count = canvas->result->finding_count;
    for (size_t i = 0; i < count; i++)
        draw_finding(canvas, canvas->order[i], was_explained(canvas->result, canvas->order, i));
}

static void draw_below(const struct canvas *canvas)
{
    const struct validate_result *result = canvas->result;
    if (canvas->model->count > 0)
        base_buf_u8(canvas->out, '\n');
    for (size_t i = 0; i < result->hop_count; i++)
        draw_hop(canvas, &result->hops[i], result->type);
    draw_answer(canvas);
    if (result->hop_count > 0)
        base_buf_u8(canvas->out, '\n');
    enum show_tone tone = show_tone_of_status(result->status);
    draw_paragraph(canvas, tone, "", 0,
                   result->sentence == NULL ? validate_status_name(result->status)
                                            : result->sentence);
    if (result->finding_count > 0)
        base_buf_u8(canvas->out, '\n');
    draw_findings(canvas);
}

void resolve_show_text(const struct validate_result *result,
                       const struct resolve_show_options *options, struct base_buf *out)
{
    struct show_model model;
    int error = show_model_make(result, &model);
    if (error != BASE_OK) {
        out->error = error;
        return;
    }
    size_t width = options->width == 0 ? WIDTH_DEFAULT : options->width;
    struct canvas canvas = {
        .out = out,
        .result = result,
        .model = &model,
        .order = model.order,
        .glyphs = options->ascii ? plain : drawn,
        .color = options->color,
        .ascii = options->ascii,
        .width = width < WIDTH_LEAST  ? WIDTH_LEAST
                 : width > WIDTH_MOST ? WIDTH_MOST
                                      : width,
    };
    for (size_t i = 0; i < model.count; i++) {
        if (model.blocks[i].parent == SHOW_NO_BLOCK)
            draw_tree(&canvas, i);
    }
    draw_below(&canvas);
    show_model_free(&model);
}
