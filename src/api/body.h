/*
 * The bodies of requests, each described by a table of its members. What is not in the table is
 * refused, with the nearest name that is.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include "base/finding.h"

#include <jansson.h>

enum api_kind { API_TEXT, API_NUMBER, API_BOOLEAN, API_LIST, API_TEXTS, API_OBJECT, API_CHOICE };

struct api_member {
    const char *name; /* NULL ends a table */
    enum api_kind kind;
    bool required;
    size_t least, most; /* characters of a text, values of a number, elements of a list */
    const struct api_member *members; /* of an object, or of the objects of a list */
    const char *const *words;         /* of a choice; NULL ends */
};

extern const struct api_member api_create_members[];
extern const struct api_member api_change_members[];

/* Reads JSON that must be an object of this table. False with findings. */
bool api_body_read(const char *body, size_t length, const struct api_member *members,
                   struct base_findings *findings, json_t **out);

#endif
