/*
 * A result as a picture: see show.h. Boxes stand below their parents, and beside their siblings.
 * Widths are counted in characters of a monospaced font, so that no font needs to be known; lines
 * are broken here. Colours are doubled by words, by marks, and by the kinds of lines.
 */
#include "base/error.h"
#include "resolve/show_model.h"

#include <stdlib.h>
#include <string.h>

#define GLYPH      7.25 /* width of a character of 12 px, with some air */
#define LINE       16
#define BAR        24 /* of a title */
#define PAD        10
#define GAP_ACROSS 28
#define GAP_DOWN   44
#define MARGIN     24
#define ROW_WIDTH  74 /* characters */
#define FOOT_WIDTH 96

struct look {
    const char *fill, *bar, *line, *dashes;
    double stroke;
    const char *mark;
};

static const struct look *look_of(enum show_tone tone)
{
    static const struct look looks[] = {
        [SHOW_PLAIN] = {"#ffffff", "#eeeeee", "#555555", "", 1, ""},
        [SHOW_GOOD] = {"#f6fbf6", "#d7eedb", "#1b7837", "", 1.5, "✓ "},
        [SHOW_DOUBT] = {"#fffdf4", "#fdeebb", "#8a5a00", "6 3", 1.5, "! "},
        [SHOW_BAD] = {"#fff7f6", "#f9d2cd", "#b3261e", "", 3, "✗ "},
        [SHOW_FAINT] = {"#ffffff", "#eeeeee", "#777777", "2 3", 1, ""},
    };
    return &looks[tone];
}

struct place {
    double x, y, width, height;
    double span; /* with all that hangs below it */
};

struct picture {
    struct base_buf *out;
    const struct show_model *model;
    const struct validate_result *result;
    struct place *places;
    double width, height;
};

static void write_text(const struct picture *picture, double x, double y, const char *color,
                       const char *more, const char *lead, const char *text, size_t length)
{
    base_buf_printf(picture->out,
                    "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\"%s xml:space=\"preserve\">", x, y,
                    color, more);
    show_xml(picture->out, lead, strlen(lead));
    show_xml(picture->out, text, length);
    base_buf_text(picture->out, "</text>\n");
}

/* --- sizes --- */

/* What stands before the text of a row, and before its further lines. */
#define LEAD 9

static size_t row_lead(const struct show_row *row)
{
    return row->kind == SHOW_ROW_HEAD ? 2 : LEAD;
}

static size_t row_lines(const struct show_row *row, size_t *longest)
{
    size_t lines = 0, lead = row_lead(row);
    const char *at = row->text;
    do {
        size_t length = show_line(&at, ROW_WIDTH - lead);
        if (length + lead > *longest)
            *longest = length + lead;
        lines++;
    } while (*at != '\0');
    return lines;
}

static void measure(const struct picture *picture, size_t index)
{
    const struct show_block *block = &picture->model->blocks[index];
    struct place *place = &picture->places[index];
    /* Title, gap and status; a title that is longer than a row is cut. */
    size_t title = strlen(block->title) + strlen(validate_status_name(block->status)) + 6;
    size_t longest = title < ROW_WIDTH ? title : ROW_WIDTH, lines = 0;
    for (size_t i = 0; i < block->row_count; i++)
        lines += row_lines(&block->rows[i], &longest);
    place->width = (double)longest * GLYPH + 2 * PAD;
    place->height = BAR + (double)lines * LINE + (lines > 0 ? PAD : 0);
}

/* Children come after their parents, so that backwards all spans below are known. */
static void measure_all(const struct picture *picture)
{
    for (size_t i = picture->model->count; i > 0; i--) {
        const struct show_block *block = &picture->model->blocks[i - 1];
        struct place *place = &picture->places[i - 1];
        double below = 0;
        measure(picture, i - 1);
        for (size_t c = block->first_child; c != SHOW_NO_BLOCK; c = picture->model->blocks[c].next)
            below += picture->places[c].span + (below > 0 ? GAP_ACROSS : 0);
        place->span = below > place->width ? below : place->width;
    }
}

/* --- places --- */

/* `x` of a place is the left end of its span until it is placed itself. */
static void place_children(struct picture *picture, size_t index)
{
    const struct show_block *block = &picture->model->blocks[index];
    struct place *place = &picture->places[index];
    double below = 0, left = place->x;
    for (size_t c = block->first_child; c != SHOW_NO_BLOCK; c = picture->model->blocks[c].next)
        below += picture->places[c].span + (below > 0 ? GAP_ACROSS : 0);
    double x = left + (place->span - below) / 2;
    for (size_t c = block->first_child; c != SHOW_NO_BLOCK; c = picture->model->blocks[c].next) {
        picture->places[c].x = x;
        picture->places[c].y = place->y + place->height + GAP_DOWN;
        x += picture->places[c].span + GAP_ACROSS;
    }
    place->x = left + (place->span - place->width) / 2;
    double bottom = place->y + place->height, right = left + place->span;
    picture->height = bottom > picture->height ? bottom : picture->height;
    picture->width = right > picture->width ? right : picture->width;
}

static void place_all(struct picture *picture, double top)
{
    double x = MARGIN;
    for (size_t i = 0; i < picture->model->count; i++) {
        if (picture->model->blocks[i].parent == SHOW_NO_BLOCK) {
            picture->places[i].x = x;
            picture->places[i].y = top;
            x += picture->places[i].span + GAP_ACROSS;
        }
        place_children(picture, i);
    }
}

/* --- drawing --- */

static void draw_rows(const struct picture *picture, const struct show_block *block,
                      const struct place *place)
{
    double y = place->y + BAR + LINE - 2;
    for (size_t i = 0; i < block->row_count; i++) {
        const struct show_row *row = &block->rows[i];
        const struct look *look = look_of(row->tone);
        const char *color = row->tone == SHOW_PLAIN ? "#222222" : look->line;
        const char *more = row->kind == SHOW_ROW_HEAD ? " font-weight=\"bold\"" : "";
        const char *lead = row->kind == SHOW_ROW_HEAD    ? look->mark
                           : row->kind == SHOW_ROW_PROOF ? look->mark
                                                         : "";
        const char *at = row->text;
        double x = place->x + PAD, text_x = x + (double)row_lead(row) * GLYPH;
        if (row->kind == SHOW_ROW_HEAD)
            text_x = x;
        else
            write_text(picture, x, y, color, "", lead, row->label, strlen(row->label));
        do {
            const char *start = at;
            size_t length = show_line(&at, ROW_WIDTH - row_lead(row));
            write_text(picture, text_x, y, color, more,
                       row->kind == SHOW_ROW_HEAD && start == row->text ? lead : "", start, length);
            y += LINE;
        } while (*at != '\0');
    }
}

static void draw_block(const struct picture *picture, size_t index)
{
    const struct show_block *block = &picture->model->blocks[index];
    const struct place *place = &picture->places[index];
    const struct look *look = look_of(show_tone_of_status(block->status));
    const char *status = validate_status_name(block->status);
    base_buf_printf(picture->out,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\" "
                    "fill=\"%s\" stroke=\"none\"/>\n",
                    place->x, place->y, place->width, place->height, block->data ? 12 : 4,
                    look->fill);
    base_buf_printf(picture->out,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"%d\" "
                    "fill=\"%s\" stroke=\"none\"/>\n",
                    place->x, place->y, place->width, BAR, block->data ? 12 : 4, look->bar);
    base_buf_printf(picture->out,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\" "
                    "fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" stroke-dasharray=\"%s\"/>\n",
                    place->x, place->y, place->width, place->height, block->data ? 12 : 4,
                    look->line, look->stroke, look->dashes[0] != '\0' ? look->dashes : "none");
    size_t room = ROW_WIDTH - strlen(status) - 6;
    const char *at = block->title;
    size_t length = show_line(&at, room);
    write_text(picture, place->x + PAD, place->y + 16, "#111111", " font-weight=\"bold\"", "",
               block->title, length);
    write_text(picture, place->x + place->width - PAD, place->y + 16, look->line,
               " font-weight=\"bold\" text-anchor=\"end\"", look->mark, status, strlen(status));
    draw_rows(picture, block, place);
}

static void draw_link(const struct picture *picture, size_t index)
{
    const struct show_block *block = &picture->model->blocks[index];
    const struct place *to = &picture->places[index], *from = &picture->places[block->parent];
    const struct look *look = look_of(block->link_tone);
    double x1 = from->x + from->width / 2, y1 = from->y + from->height;
    double x2 = to->x + to->width / 2, y2 = to->y;
    /* Down, across, down; and a head of its own, which needs no definitions. */
    base_buf_printf(picture->out,
                    "<path d=\"M%.1f %.1fV%.1fH%.1fV%.1f\" fill=\"none\" stroke=\"%s\" "
                    "stroke-width=\"%.1f\" stroke-dasharray=\"%s\"/>\n",
                    x1, y1, y1 + 14, x2, y2 - 7, look->line, look->stroke,
                    look->dashes[0] != '\0' ? look->dashes : "none");
    base_buf_printf(picture->out, "<path d=\"M%.1f %.1fl-5 -9h10z\" fill=\"%s\"/>\n", x2, y2 - 1,
                    look->line);
    write_text(picture, x2 + 10, y2 - 14, look->line, "", look->mark, block->link,
               strlen(block->link));
}

/* Lines of text below the boxes; returns where the next one would stand. */
static double draw_paragraph(struct picture *picture, double x, double y, const char *color,
                             const char *more, const char *text)
{
    for (const char *at = text; *at != '\0'; y += LINE + 2) {
        const char *start = at;
        size_t length = show_line(&at, FOOT_WIDTH);
        write_text(picture, x, y, color, more, "", start, length);
        double right = x + (double)length * GLYPH;
        picture->width = right > picture->width ? right : picture->width;
    }
    return y;
}

static const char *sentence_of(const struct validate_result *result)
{
    return result->sentence == NULL ? validate_status_name(result->status) : result->sentence;
}

static void draw_foot(struct picture *picture)
{
    const struct validate_result *result = picture->result;
    double y = picture->height + 36;
    y = draw_paragraph(picture, MARGIN, y, look_of(show_tone_of_status(result->status))->line,
                       " font-weight=\"bold\"", sentence_of(result));
    for (size_t i = 0; i < result->finding_count; i++) {
        uint32_t index = picture->model->order[i];
        const struct validate_finding *finding = &result->findings[index];
        if (finding->severity == BASE_INFO)
            continue;
        struct base_buf text;
        base_buf_init(&text, 65536);
        base_buf_printf(&text, "%s: %s [%s]", base_severity_name(finding->severity),
                        finding->message == NULL ? "" : finding->message,
                        base_finding_info(finding->code)->code);
        y = draw_paragraph(picture, MARGIN + 18.0 * show_finding_depth(result, index), y,
                           look_of(show_tone_of_severity(finding->severity))->line, "",
                           base_buf_string(&text));
        base_buf_free(&text);
    }
    picture->height = y;
}

static void write_head(const struct picture *picture)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT], now[BASE_TIME_TEXT];
    const struct validate_result *result = picture->result;
    base_buf_printf(picture->out,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                    "viewBox=\"0 0 %.0f %.0f\" role=\"img\" font-family=\"monospace\" "
                    "font-size=\"12\">\n<title>",
                    picture->width, picture->height, picture->width, picture->height);
    dns_name_text(name, result->name);
    show_xml(picture->out, name, strlen(name));
    base_buf_printf(picture->out, " %s: %s</title>\n<desc>", dns_type_text(type, result->type),
                    validate_status_name(result->status));
    show_xml(picture->out, sentence_of(result), strlen(sentence_of(result)));
    base_buf_text(picture->out,
                  "</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    base_time_iso(result->now, now);
    base_buf_printf(picture->out,
                    "<text x=\"%d\" y=\"%d\" font-size=\"16\" font-weight=\"bold\" "
                    "fill=\"#111111\">",
                    MARGIN, MARGIN + 6);
    show_xml(picture->out, name, strlen(name));
    base_buf_printf(picture->out,
                    " %s</text>\n<text x=\"%d\" y=\"%d\" fill=\"#555555\">as of %s"
                    "</text>\n",
                    dns_type_text(type, result->type), MARGIN, MARGIN + 24, now);
}

/* The size of the picture stands at its beginning, and is known at its end. */
static void draw(struct picture *picture, struct base_buf *body)
{
    struct base_buf *out = picture->out;
    picture->out = body;
    for (size_t i = 0; i < picture->model->count; i++) {
        if (picture->model->blocks[i].parent != SHOW_NO_BLOCK)
            draw_link(picture, i);
    }
    for (size_t i = 0; i < picture->model->count; i++)
        draw_block(picture, i);
    draw_foot(picture);
    picture->out = out;
    picture->width += MARGIN;
    picture->height += MARGIN;
    write_head(picture);
    if (body->error != BASE_OK)
        out->error = body->error;
    base_buf_append(out, body->data, body->length);
    base_buf_text(out, "</svg>\n");
}

void resolve_show_svg(const struct validate_result *result, struct base_buf *out)
{
    struct show_model model;
    struct base_buf body;
    int error = show_model_make(result, &model);
    if (error != BASE_OK) {
        out->error = error;
        return;
    }
    base_buf_init(&body, SIZE_MAX / 4);
    struct picture picture = {
        .out = out,
        .model = &model,
        .result = result,
        .places = base_arena_zalloc(&model.arena, (model.count + 1) * sizeof(struct place)),
        .width = 400,
        .height = MARGIN + 30,
    };
    if (picture.places == NULL) {
        out->error = BASE_ENOMEM;
    } else {
        measure_all(&picture);
        place_all(&picture, MARGIN + 44);
        draw(&picture, &body);
    }
    base_buf_free(&body);
    show_model_free(&model);
}
