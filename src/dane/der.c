/*
 * The outline of certificates.
 */
#include "dane/der.h"

#define INTEGER    0x02
#define BIT_STRING 0x03
#define SEQUENCE   0x30
#define VERSION    0xa0 /* [0], constructed */

struct cursor {
    const uint8_t *at;
    size_t left;
};

struct element {
    const uint8_t *whole; /* with its head */
    size_t whole_length;
    struct cursor inside;
};

/* Takes the next element if it has this tag. */
static bool take(struct cursor *cursor, uint8_t tag, struct element *out)
{
    const uint8_t *at = cursor->at;
    if (cursor->left < 2 || at[0] != tag)
        return false;
    size_t head = 2, length = at[1];
    if (length >= 0x80) {
        size_t octets = length & 0x7f;
        if (octets == 0 || octets > 3 || cursor->left < 2 + octets || at[2] == 0)
            return false;
        length = 0;
        for (size_t i = 0; i < octets; i++)
            length = length << 8 | at[2 + i];
        if (length < 0x80)
            return false;
        head += octets;
    }
    if (length > cursor->left - head)
        return false;
    *out = (struct element){at, head + length, {at + head, length}};
    cursor->at += head + length;
    cursor->left -= head + length;
    return true;
}

/* Algorithm and key. */
static bool is_key(struct cursor inside)
{
    struct element element;
    return take(&inside, SEQUENCE, &element) && take(&inside, BIT_STRING, &element) &&
           inside.left == 0;
}

bool dane_der_is_key(const uint8_t *der, size_t length)
{
    struct cursor all = {der, length};
    struct element key;
    return take(&all, SEQUENCE, &key) && all.left == 0 && is_key(key.inside);
}

bool dane_der_certificate_key(const uint8_t *der, size_t length, const uint8_t **key,
                              size_t *key_length)
{
    struct cursor all = {der, length};
    struct element certificate, body, element;
    if (!take(&all, SEQUENCE, &certificate) || all.left != 0 ||
        !take(&certificate.inside, SEQUENCE, &body) ||
        !take(&certificate.inside, SEQUENCE, &element) ||   /* signature's algorithm */
        !take(&certificate.inside, BIT_STRING, &element) || /* signature */
        certificate.inside.left != 0)
        return false;
    take(&body.inside, VERSION, &element); /* only from version 2 on */
    if (!take(&body.inside, INTEGER, &element))
        return false;
    for (int i = 0; i < 4; i++) { /* algorithm, issuer, validity, subject */
        if (!take(&body.inside, SEQUENCE, &element))
            return false;
    }
    if (!take(&body.inside, SEQUENCE, &element) || !is_key(element.inside))
        return false;
    *key = element.whole;
    *key_length = element.whole_length;
    return true;
}
