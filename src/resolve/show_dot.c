/* A result as a graph for Graphviz: see show.h. A block is a table; lines and words say what the
 * colours say. */
#include "base/error.h"
#include "resolve/show_model.h"

#include <string.h>

struct look {
    const char *fill, *line, *style;
};

static const struct look *look_of(enum show_tone tone)
{
    static const struct look looks[] = {
        [SHOW_PLAIN] = {"#ffffff", "#555555", "solid"},
        [SHOW_GOOD] = {"#e8f5e9", "#1b7837", "solid"},
        [SHOW_DOUBT] = {"#fff8e1", "#9a6700", "dashed"},
        [SHOW_BAD] = {"#fdecea", "#b3261e", "bold"},
        [SHOW_FAINT] = {"#ffffff", "#888888", "dotted"},
    };
    return &looks[tone];
}

/* A string in double quotes: backslashes are escapes there. */
static void write_quoted(struct base_buf *out, const char *text)
{
    base_buf_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            base_buf_u8(out, '\\');
        show_safe(out, text, 1);
    }
    base_buf_u8(out, '"');
}

static void write_cell(struct base_buf *out, const struct show_row *row)
{
    base_buf_printf(out, "<tr><td align=\"left\" balign=\"left\"><font color=\"%s\">",
                    row->tone == SHOW_PLAIN ? "#222222" : look_of(row->tone)->line);
    if (row->label[0] != '\0') {
        show_xml(out, row->label, strlen(row->label));
        base_buf_u8(out, ' ');
    }
    for (const char *at = row->text;;) {
        const char *start = at;
        size_t length = show_line(&at, 80);
        show_xml(out, start, length);
        if (*at == '\0')
            break;
        base_buf_text(out, "<br/>");
    }
    base_buf_text(out, "</font></td></tr>");
}

static void write_block(struct base_buf *out, const struct show_block *block, size_t index)
{
    const struct look *look = look_of(show_tone_of_status(block->status));
    base_buf_printf(out,
                    "  b%zu [fillcolor=\"%s\", color=\"%s\", style=\"filled,%s\", label=<"
                    "<table border=\"0\" cellspacing=\"1\">"
                    "<tr><td align=\"left\"><b>",
                    index, look->fill, look->line, look->style);
    show_xml(out, block->title, strlen(block->title));
    base_buf_printf(out, "</b>: %s</td></tr>", validate_status_name(block->status));
    for (size_t i = 0; i < block->row_count; i++)
        write_cell(out, &block->rows[i]);
    base_buf_text(out, "</table>>];\n");
}

static void write_link(struct base_buf *out, const struct show_block *block, size_t index)
{
    const struct look *look = look_of(block->link_tone);
    base_buf_printf(out, "  b%zu -> b%zu [color=\"%s\", style=\"%s\", label=", block->parent, index,
                    look->line, look->style);
    write_quoted(out, block->link);
    base_buf_text(out, "];\n");
}

void resolve_show_dot(const struct validate_result *result, struct base_buf *out)
{
    struct show_model model;
    int error = show_model_make(result, &model);
    if (error != BASE_OK) {
        out->error = error;
        return;
    }
    base_buf_text(out, "digraph trace {\n"
                       "  graph [rankdir=TB, labelloc=b, fontname=\"sans-serif\", label=");
    write_quoted(out, result->sentence == NULL ? validate_status_name(result->status)
                                               : result->sentence);
    base_buf_text(out, "];\n"
                       "  node [shape=box, fontname=\"monospace\", fontsize=10];\n"
                       "  edge [fontname=\"monospace\", fontsize=10];\n");
    for (size_t i = 0; i < model.count; i++)
        write_block(out, &model.blocks[i], i);
    for (size_t i = 0; i < model.count; i++) {
        if (model.blocks[i].parent != SHOW_NO_BLOCK)
            write_link(out, &model.blocks[i], i);
    }
    base_buf_text(out, "}\n");
    show_model_free(&model);
}
