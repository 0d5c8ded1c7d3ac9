/* The substitution expression of NAPTR (RFC 3402 section 3.2): delimiters, a POSIX extended regular
 * expression, and references from the replacement back into it. The expression is read, never
 * compiled or run: what it costs is bounded by its length. */
#include "zone/check_text.h"

#include <string.h>

#define REPEAT_MAX 255 /* RE_DUP_MAX, as POSIX promises it */

/* An expression while it is read. */
struct pattern {
    const char *at, *end;
    unsigned groups; /* opened so far */
    unsigned depth;  /* of those, still open */
    bool empty;      /* nothing yet in this alternative */
    bool opened;     /* right behind a ( */
    bool repeatable; /* the last piece can have a * or its like behind it */
};

/* Names in [: :] (POSIX, XBD section 9.3.5). */
static bool is_class_name(struct check_span name)
{
    static const char *const names[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "xdigit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (name.length == strlen(names[i]) && memcmp(name.text, names[i], name.length) == 0)
            return true;
    }
    return false;
}

/* "[:alpha:]", "[=a=]", "[.a.]" at the cursor: steps over it. */
static const char *read_class(struct pattern *pattern)
{
    char kind = pattern->at[1];
    const char *name = pattern->at + 2;
    for (const char *at = name; at + 1 < pattern->end; at++) {
        if (at[0] != kind || at[1] != ']')
            continue;
        pattern->at = at + 2;
        bool known = kind != ':' || is_class_name((struct check_span){name, (size_t)(at - name)});
        return known ? NULL : "has a class in [] that is none";
    }
    return "has a [ without its ]";
}

/* "[abc]", behind the bracket. A ] that comes first belongs to the list. */
static const char *read_list(struct pattern *pattern)
{
    if (pattern->at < pattern->end && *pattern->at == '^')
        pattern->at++;
    for (bool first = true; pattern->at < pattern->end; first = false) {
        const char *at = pattern->at;
        size_t left = (size_t)(pattern->end - at);
        if (*at == ']' && !first) {
            pattern->at++;
            return NULL;
        }
        if (*at == '[' && left > 1 && strchr(":=.", at[1]) != NULL && at[1] != '\0') {
            const char *wrong = read_class(pattern);
            if (wrong != NULL)
                return wrong;
            continue;
        }
        if (left > 3 && at[1] == '-' && at[2] == '[' && (at[3] == ':' || at[3] == '='))
            return "has a range in [] that ends in a class";
        bool range = left > 2 && at[1] == '-' && at[2] != ']' && at[2] != '[';
        if (range && (uint8_t)at[2] < (uint8_t)at[0])
            return "has a range in [] that runs backwards";
        pattern->at += range ? 3 : 1;
    }
    return "has a [ without its ]";
}

/* Decimal digits; false when there is none, or the number is too large. */
static bool read_bound(struct pattern *pattern, unsigned *bound)
{
    const char *first = pattern->at;
    *bound = 0;
    for (; pattern->at < pattern->end && *pattern->at >= '0' && *pattern->at <= '9';
         pattern->at++) {
        *bound = *bound * 10 + (unsigned)(*pattern->at - '0');
        if (*bound > REPEAT_MAX)
            return false;
    }
    return pattern->at > first;
}

/* "{2}", "{2,}", "{2,3}", behind the brace. */
static const char *read_bounds(struct pattern *pattern)
{
    unsigned least, most;
    bool good = read_bound(pattern, &least);
    if (good && pattern->at < pattern->end && *pattern->at == ',') {
        pattern->at++;
        if (pattern->at < pattern->end && *pattern->at != '}')
            good = read_bound(pattern, &most) && least <= most;
    }
    if (!good || pattern->at == pattern->end || *pattern->at != '}')
        return "has a {} that is not of the form {2}, {2,} or {2,3}";
    pattern->at++;
    return NULL;
}

static const char *read_repeat(struct pattern *pattern, char sign)
{
    if (!pattern->repeatable)
        return "repeats nothing: *, +, ? and {} need something before them";
    pattern->repeatable = false;
    return sign == '{' ? read_bounds(pattern) : NULL;
}

static const char *end_alternative(struct pattern *pattern, char sign)
{
    if (pattern->empty && !(pattern->opened && sign == ')'))
        return "has an alternative in which there is nothing";
    pattern->depth -= sign == ')';
    pattern->empty = sign == '|';
    pattern->repeatable = sign == ')';
    pattern->opened = false;
    return NULL;
}

/* Behind the backslash. */
static const char *read_escape(struct pattern *pattern)
{
    if (pattern->at == pattern->end)
        return "ends in a backslash";
    char escaped = *pattern->at++;
    if (escaped >= '1' && escaped <= '9' && (unsigned)(escaped - '0') > pattern->groups)
        return "refers back to a group that it does not have";
    return NULL;
}

/* The next sign as one that stands for something. { is one before a digit only, ) when there is a
 * group to close. */
static bool is_special(const struct pattern *pattern)
{
    const char *next = pattern->at + 1;
    switch (*pattern->at) {
    case '*':
    case '+':
    case '?':
    case '|':
    case '(':
        return true;
    case '{':
        return next < pattern->end && *next >= '0' && *next <= '9';
    case ')':
        return pattern->depth > 0;
    default:
        return false;
    }
}

static const char *read_piece(struct pattern *pattern)
{
    bool special = is_special(pattern);
    char sign = *pattern->at++;
    if (special && (sign == '|' || sign == ')'))
        return end_alternative(pattern, sign);
    if (special && sign != '(')
        return read_repeat(pattern, sign);
    pattern->groups += special;
    pattern->depth += special;
    pattern->empty = special;
    pattern->opened = special;
    pattern->repeatable = !special && sign != '^' && sign != '$';
    return sign == '[' ? read_list(pattern) : sign == '\\' ? read_escape(pattern) : NULL;
}

static const char *read_pattern(struct check_span text, unsigned *groups)
{
    struct pattern pattern = {.at = text.text, .end = text.text + text.length, .empty = true};
    const char *wrong = NULL;
    while (wrong == NULL && pattern.at < pattern.end)
        wrong = read_piece(&pattern);
    if (wrong == NULL && pattern.depth > 0)
        wrong = "has a ( without its )";
    if (wrong == NULL && pattern.empty)
        wrong = "has an alternative in which there is nothing";
    *groups = pattern.groups;
    return wrong;
}

/* Does the replacement refer to groups that are there only? */
static bool has_references(struct check_span text, unsigned groups)
{
    for (size_t i = 0; i + 1 < text.length; i++) {
        if (text.text[i] != '\\')
            continue;
        char digit = text.text[++i];
        if (digit >= '1' && digit <= '9' && (unsigned)(digit - '0') > groups)
            return false;
    }
    return true;
}

/* The part before the next delimiter that no backslash precedes; moves *rest behind it. */
static bool cut_part(struct check_span *rest, char delimiter, struct check_span *part)
{
    for (size_t i = 0; i < rest->length; i++) {
        if (rest->text[i] == '\\') {
            i++;
        } else if (rest->text[i] == delimiter) {
            *part = (struct check_span){rest->text, i};
            rest->text += i + 1;
            rest->length -= i + 1;
            return true;
        }
    }
    return false;
}

const char *check_substitution(struct check_span text)
{
    static const char form[] = "is not of the form !pattern!replacement!";
    struct check_span pattern, replacement;
    unsigned groups;
    if (text.length == 0)
        return form;
    char delimiter = text.text[0];
    /* What stands for something else cannot be the delimiter. */
    if (delimiter == '\0' || delimiter == '\\' || delimiter == 'i' ||
        (delimiter >= '1' && delimiter <= '9'))
        return form;
    struct check_span rest = {text.text + 1, text.length - 1};
    if (!cut_part(&rest, delimiter, &pattern) || !cut_part(&rest, delimiter, &replacement) ||
        !(rest.length == 0 || check_span_is(rest, "i")))
        return form;
    const char *wrong = read_pattern(pattern, &groups);
    if (wrong == NULL && !has_references(replacement, groups))
        wrong = "has a replacement that refers to a group which the pattern does not have";
    return wrong;
}
