/* MTA-STS: TXT records and policy documents from strangers. */
#include "base/error.h"
#include "dane/sts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char id[DANE_STS_ID_MAX + 1], why[200] = "";
    struct dane_sts sts;
    char *text = malloc(size ? size : 1); /* no NUL behind it */
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    if (dane_sts_id(text, size, id) == BASE_OK &&
        (id[0] == '\0' || id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0'))
        abort();
    int status = dane_sts_parse(text, size, &sts, why);
    if (status == BASE_OK) {
        if (sts.max_age > 31557600 || sts.mx_count > DANE_STS_MX_MAX ||
            (sts.mode != DANE_STS_NONE && sts.mx_count == 0))
            abort();
        for (size_t i = 0; i < sts.mx_count; i++) {
            /* A name covers itself; a pattern does not cover what is above it. */
            const char *mx = sts.mx[i];
            if (mx[0] != '*' && !dane_sts_covers(&sts, mx))
                abort();
        }
        dane_sts_covers(&sts, "");
        dane_sts_free(&sts);
    } else if (why[0] == '\0' || strlen(why) >= sizeof why) {
        abort();
    }
    free(text);
    return 0;
}
