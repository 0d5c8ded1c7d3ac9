/* The HTML of pages: see page.h. Whatever is not written here goes through api_html_text. */
#include "api/page.h"

#include "base/error.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:80rem;margin:0 auto;padding:1rem}"
    "h1{font-size:1.5rem;margin:0 0 .5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2rem "
    "0 .5rem}"
    "table{border-collapse:collapse;width:100%}.wide{overflow-x:auto}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #8886;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap}"
    "td time,td.n{white-space:nowrap}small{opacity:.75}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}dd{margin:0;"
    "overflow-wrap:anywhere}dt{opacity:.75}"
    ".tag{padding:0 .45rem;border-radius:.6rem;border:1px solid;white-space:nowrap}"
    ".good{color:#2a8a43}.busy{color:#2f7fc2}.bad{color:#c7362f}"
    ".warn{color:#b07400}.finding{border-left:4px solid;padding:.2rem .8rem;margin:.8rem 0}"
    ".finding p{margin:.2rem 0;color:CanvasText;white-space:pre-line;overflow-wrap:anywhere}"
    "form{margin:.7rem 0}input,select,button{font:inherit}a{color:LinkText}";

/* --- parts --- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static long long number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void put(struct base_buf *buf, const char *html)
{
    base_buf_text(buf, html);
}

static void put_text(struct base_buf *buf, const json_t *object, const char *name)
{
    api_html_text(buf, text_of(object, name));
}

/* A time, and how far away it is. */
static void put_time(struct base_buf *buf, const json_t *object, const char *name, base_time now)
{
    const char *text = text_of(object, name);
    char apart[BASE_TIME_TEXT];
    base_time time;
    if (base_time_parse(text, now, &time) != BASE_OK) {
        put(buf, "–");
        return;
    }
    base_duration_text(time > now ? time - now : now - time, apart);
    put(buf, "<time datetime=\"");
    api_html_text(buf, text);
    put(buf, "\">");
    api_html_text(buf, text);
    base_buf_printf(buf, "</time> <small>%s%s%s</small>", time > now ? "in " : "", apart,
                    time > now ? "" : " ago");
}

static const char *state_class(const char *state)
{
    static const char *const classes[API_STATES] = {
        [API_STATE_OK] = "good",     [API_STATE_NEW] = "busy",    [API_STATE_PENDING] = "busy",
        [API_STATE_PROBLEM] = "bad", [API_STATE_EXPIRED] = "bad",
    };
    for (int i = 0; i < API_STATES; i++) {
        if (strcmp(state, api_state_name((enum api_state)i)) == 0)
            return classes[i];
    }
    return "";
}

static void put_state(struct base_buf *buf, const char *state)
{
    base_buf_printf(buf, "<span class=\"tag %s\">", state_class(state));
    api_html_text(buf, state);
    put(buf, "</span>");
}

static const char *severity_class(const char *severity)
{
    return strcmp(severity, "error") == 0     ? "bad"
           : strcmp(severity, "warning") == 0 ? "warn"
                                              : "busy";
}

static void put_zone_link(struct base_buf *buf, const char *zone)
{
    put(buf, "<a href=\"zone?zone=");
    api_html_value(buf, zone);
    put(buf, "\">");
    api_html_text(buf, zone);
    put(buf, "</a>");
}

static void put_source(struct base_buf *buf, const json_t *zone)
{
    const json_t *source = json_object_get(zone, "source"), *primary;
    const char *file = text_of(source, "file");
    size_t i;
    put_text(buf, source, "kind");
    if (*file != '\0') {
        put(buf, " ");
        api_html_text(buf, file);
    }
    json_array_foreach(json_object_get(source, "primaries"), i, primary)
    {
        put(buf, i == 0 ? " " : ", ");
        const char *name = json_string_value(primary);
        api_html_text(buf, name != NULL ? name : "");
    }
}

static void begin(struct base_buf *buf, const char *title)
{
    put(buf, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    api_html_text(buf, title);
    put(buf, "</title><style>");
    put(buf, style);
    put(buf, "</style></head><body>\n");
}

static void end(struct base_buf *buf)
{
    put(buf, "</body></html>\n");
}

/* --- findings --- */

/* Where: "FILE:LINE:COLUMN owner type", of which each may be missing. */
static void put_place(struct base_buf *buf, const json_t *place)
{
    static const char *const numbers[] = {"line", "column"};
    if (*text_of(place, "file") != '\0') {
        put(buf, "<br><small>");
        put_text(buf, place, "file");
        for (size_t i = 0; i < 2; i++) {
            if (number_of(place, numbers[i]) > 0)
                base_buf_printf(buf, ":%lld", number_of(place, numbers[i]));
        }
        put(buf, "</small>");
    }
    if (*text_of(place, "owner") != '\0') {
        put(buf, "<br><small>at ");
        put_text(buf, place, "owner");
        put(buf, " ");
        put_text(buf, place, "type");
        put(buf, "</small>");
    }
}

static void put_finding(struct base_buf *buf, const json_t *finding)
{
    base_buf_printf(buf, "<div class=\"finding %s\"><p><strong>",
                    severity_class(text_of(finding, "severity")));
    put_text(buf, finding, "message");
    put(buf, "</strong> <small>");
    put_text(buf, finding, "severity");
    put(buf, ", ");
    put_text(buf, finding, "code");
    put(buf, "</small>");
    put_place(buf, json_object_get(finding, "place"));
    put(buf, "</p><p>Why: ");
    put_text(buf, finding, "why");
    put(buf, "</p><p>Do: ");
    put_text(buf, finding, "remedy");
    put(buf, "</p></div>\n");
}

static void put_findings(struct base_buf *buf, const json_t *object)
{
    const json_t *finding;
    size_t i;
    json_array_foreach(json_object_get(object, "findings"), i, finding) put_finding(buf, finding);
}

/* --- the server --- */

static void put_summary(struct base_buf *buf, const json_t *status, base_time now)
{
    const json_t *zones = json_object_get(status, "zones"), *jobs = json_object_get(status, "jobs");
    const json_t *address;
    size_t i;
    put(buf, "<dl><dt>State</dt><dd>");
    put(buf, json_is_true(json_object_get(status, "ready"))
                 ? "<span class=\"tag good\">running</span>"
                 : "<span class=\"tag busy\">still starting</span> not all sources have been read");
    put(buf, "</dd><dt>Time here</dt><dd>");
    put_text(buf, status, "now");
    put(buf, "</dd><dt>Started</dt><dd>");
    put_time(buf, status, "started", now);
    base_buf_printf(buf, "</dd><dt>Zones</dt><dd>%lld</dd><dt>At work</dt><dd>%lld, and %lld wait",
                    number_of(zones, "total"), number_of(jobs, "running"),
                    number_of(jobs, "waiting"));
    put(buf, "</dd><dt>First signature expires</dt><dd>");
    put_time(buf, status, "earliest_expiry", now);
    put(buf, " ");
    put_zone_link(buf, text_of(status, "earliest_expiry_zone"));
    put(buf, "</dd><dt>Next re-sign</dt><dd>");
    put_time(buf, status, "next_resign", now);
    put(buf, "</dd><dt>Answers on</dt><dd>");
    json_array_foreach(json_object_get(status, "listen"), i, address)
    {
        const char *text = json_string_value(address);
        put(buf, i == 0 ? "" : ", ");
        api_html_text(buf, text != NULL ? text : "");
    }
    put(buf, "</dd></dl>\n");
}

static void put_processes(struct base_buf *buf, const json_t *status, base_time now)
{
    const json_t *process;
    size_t i;
    put(buf, "<h2>Processes</h2><div class=\"wide\"><table><thead><tr><th>Process<th>State<th>Since"
             "<th>Restarts<th>Memory</tr></thead><tbody>\n");
    json_array_foreach(json_object_get(status, "processes"), i, process)
    {
        put(buf, "<tr><td>");
        put_text(buf, process, "name");
        put(buf, json_is_true(json_object_get(process, "up"))
                     ? "<td><span class=\"tag good\">up</span><td>"
                     : "<td><span class=\"tag bad\">down</span><td>");
        put_time(buf, process, "started", now);
        base_buf_printf(buf, "<td class=\"n\">%lld<td class=\"n\">%.1f MiB</tr>\n",
                        number_of(process, "restarts"),
                        (double)number_of(process, "rss") / 1048576.0);
    }
    put(buf, "</tbody></table></div>\n");
}

static void put_states(struct base_buf *buf, const json_t *status)
{
    const json_t *zones = json_object_get(status, "zones");
    put(buf, "<p><a href=\"./\">all</a> ");
    base_buf_printf(buf, "%lld", number_of(zones, "total"));
    for (int i = 0; i < API_STATES; i++) {
        const char *state = api_state_name((enum api_state)i);
        base_buf_printf(buf, " · <a href=\"./?state=%s\">%s</a> %lld", state, state,
                        number_of(zones, state));
    }
    put(buf, "</p>\n<form action=\"zone\" method=\"get\"><label>Zone "
             "<input name=\"zone\" required maxlength=\"1023\"></label> "
             "<button>Show</button></form>\n"
             "<form action=\"./\" method=\"get\"><label>List zones behind "
             "<input name=\"after\" maxlength=\"1023\"></label> "
             "<label>in state <select name=\"state\"><option value=\"\">any");
    for (int i = 0; i < API_STATES; i++)
        base_buf_printf(buf, "<option>%s", api_state_name((enum api_state)i));
    put(buf, "</select></label> <button>List</button></form>\n");
}

static void put_row(struct base_buf *buf, const json_t *zone, base_time now)
{
    put(buf, "<tr><td>");
    put_zone_link(buf, text_of(zone, "zone"));
    put(buf, "<td>");
    put_state(buf, text_of(zone, "state"));
    if (json_is_integer(json_object_get(zone, "serial")))
        base_buf_printf(buf, "<td class=\"n\">%lld", number_of(zone, "serial"));
    else
        put(buf, "<td>–");
    put(buf, json_is_true(json_object_get(zone, "signed")) ? "<td>yes<td>" : "<td>no<td>");
    put_time(buf, zone, "next_resign", now);
    put(buf, "<td>");
    put_time(buf, zone, "earliest_expiry", now);
    put(buf, "<td>");
    put_source(buf, zone);
    put(buf, "<td>");
    put_text(buf, zone, "problem");
    put(buf, "</tr>\n");
}

static void put_next(struct base_buf *buf, const struct api_request *request, const json_t *zones)
{
    const char *next = text_of(zones, "next");
    if (*next == '\0')
        return;
    put(buf, "<p><a href=\"./?after=");
    api_html_value(buf, next);
    if (request->state != API_STATE_ANY)
        base_buf_printf(buf, "&amp;state=%s", api_state_name(request->state));
    base_buf_printf(buf, "&amp;limit=%u\">Next zones</a></p>\n", request->count);
}

static void put_zones(struct base_buf *buf, const struct api_request *request, const json_t *zones,
                      base_time now)
{
    const json_t *list = json_object_get(zones, "zones"), *zone;
    size_t i;
    put_findings(buf, zones); /* instead of zones, when they cannot be told */
    if (json_array_size(list) == 0) {
        put(buf, "<p>There are no such zones.</p>\n");
        return;
    }
    put(buf, "<div class=\"wide\"><table><thead><tr><th>Zone<th>State<th>Serial<th>Signed"
             "<th>Next re-sign<th>Earliest expiry<th>Source<th>Last problem</tr></thead><tbody>\n");
    json_array_foreach(list, i, zone) put_row(buf, zone, now);
    put(buf, "</tbody></table></div>\n");
    put_next(buf, request, zones);
}

static void write_overview(struct base_buf *buf, const struct api_request *request,
                           json_t *const *parts, size_t count, base_time now)
{
    begin(buf, "Kenter");
    put(buf, "<h1>Kenter <small>");
    put_text(buf, parts[0], "version");
    put(buf, "</small></h1>\n");
    put_summary(buf, parts[0], now);
    if (json_array_size(json_object_get(parts[0], "findings")) > 0)
        put(buf, "<h2>What is wrong with the server</h2>\n");
    put_findings(buf, parts[0]);
    put(buf, "<h2>Zones</h2>\n");
    put_states(buf, parts[0]);
    if (count > 1)
        put_zones(buf, request, parts[1], now);
    put_processes(buf, parts[0], now);
    put(buf, "<p><a href=\"metrics\">metrics</a> · <a href=\"healthz\">healthz</a></p>\n");
    end(buf);
}

/* --- a zone --- */

static void put_zone(struct base_buf *buf, const json_t *zone, base_time now)
{
    static const struct {
        const char *title, *name;
    } times[] = {{"Published", "published"},
                 {"Source looked at", "checked"},
                 {"Next re-sign", "next_resign"},
                 {"Earliest expiry of a signature", "earliest_expiry"},
                 {"Served without its primaries until", "expires"}};
    put(buf, "<dl><dt>State</dt><dd>");
    put_state(buf, text_of(zone, "state"));
    put(buf, "</dd><dt>Source</dt><dd>");
    put_source(buf, zone);
    put(buf, "</dd><dt>Policy</dt><dd>");
    put_text(buf, zone, "policy");
    put(buf, "</dd><dt>Serial</dt><dd>");
    if (json_is_integer(json_object_get(zone, "serial")))
        base_buf_printf(buf, "%lld", number_of(zone, "serial"));
    else
        put(buf, "nothing is published yet");
    base_buf_printf(buf,
                    "</dd><dt>Signed</dt><dd>%s</dd><dt>Content</dt><dd>%lld names, %lld records",
                    json_is_true(json_object_get(zone, "signed")) ? "yes" : "no",
                    number_of(zone, "names"), number_of(zone, "records"));
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (*text_of(zone, times[i].name) == '\0')
            continue;
        base_buf_printf(buf, "</dd><dt>%s</dt><dd>", times[i].title);
        put_time(buf, zone, times[i].name, now);
    }
    put(buf, "</dd></dl>\n");
}

static void put_log(struct base_buf *buf, const json_t *log, base_time now)
{
    const json_t *event;
    size_t i;
    put(buf, "<h2>Log</h2>\n");
    put_findings(buf, log);
    put(buf, "<div class=\"wide\"><table><thead><tr><th>When<th>Severity<th>What</tr></thead>"
             "<tbody>\n");
    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        put(buf, "<tr><td>");
        put_time(buf, event, "at", now);
        base_buf_printf(buf, "<td class=\"%s\">", severity_class(text_of(event, "severity")));
        put_text(buf, event, "severity");
        put(buf, "<td>");
        put_text(buf, event, "text");
        put(buf, " <small>");
        put_text(buf, event, "code");
        put(buf, "</small></tr>\n");
    }
    put(buf, "</tbody></table></div>\n");
}

static void write_zone(struct base_buf *buf, json_t *const *parts, size_t count, base_time now)
{
    begin(buf, text_of(parts[0], "zone"));
    put(buf, "<p><a href=\"./\">All zones</a></p>\n<h1>");
    put_text(buf, parts[0], "zone");
    put(buf, "</h1>\n");
    put_zone(buf, parts[0], now);
    if (count > 1) {
        put(buf, "<h2>Why</h2>\n<p>");
        put_text(buf, parts[1], "because");
        put(buf, "</p>\n");
        put_findings(buf, parts[1]);
    }
    if (count > 2)
        put_log(buf, parts[2], now);
    end(buf);
}

static void write_refusal(struct base_buf *buf, const json_t *findings)
{
    begin(buf, "Kenter");
    put(buf, "<p><a href=\"./\">All zones</a></p>\n<h1>This cannot be shown</h1>\n");
    put_findings(buf, findings);
    end(buf);
}

void api_page_write(struct base_buf *buf, const struct api_request *request, json_t *const *parts,
                    size_t count, base_time now)
{
    bool overview = request->page == API_PAGE_OVERVIEW;
    if (json_object_get(parts[0], overview ? "version" : "zone") == NULL)
        write_refusal(buf, parts[0]);
    else if (overview)
        write_overview(buf, request, parts, count, now);
    else
        write_zone(buf, parts, count, now);
}
