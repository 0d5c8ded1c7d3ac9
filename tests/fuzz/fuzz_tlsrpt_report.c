/* TLSRPT: reports that strangers send: JSON, gzip, mails; and addresses of those who want them. */
#include "base/error.h"
#include "dane/tlsrpt.h"
#include "dane/tlsrpt_mail.h"
#include "dane/tlsrpt_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What can be read is bounded, and all of it texts. */
static void check(const struct dane_tlsrpt_view *view)
{
    size_t details = 0;
    if (view->count > DANE_TLSRPT_READ_MAX || !view->organization || !view->until)
        abort();
    for (size_t i = 0; i < view->count; i++) {
        const struct dane_tlsrpt_told *policy = &view->policies[i];
        details += policy->detail_count;
        if (!policy->domain || !policy->type)
            abort();
        for (size_t k = 0; k < policy->detail_count; k++) {
            if (!policy->details[k].reason || !dane_tlsrpt_type_words(policy->details[k].type))
                abort();
        }
    }
    if (details > DANE_TLSRPT_READ_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[200] = "", address[DANE_TLSRPT_ADDRESS_MAX];
    struct dane_tlsrpt_view view;
    struct dane_tlsrpt_rua rua;
    struct base_arena arena;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    base_arena_init(&arena, 0);
    int status = dane_tlsrpt_read(data, size, &arena, &view, why);
    if (status == BASE_OK)
        check(&view);
    else if (status != BASE_ENOMEM && why[0] == '\0')
        abort();
    base_arena_free(&arena);
    if (dane_tlsrpt_mail_address(text, address) == BASE_OK && strpbrk(address, " \r\n\t,<>\""))
        abort();
    if (dane_tlsrpt_rua_read(text, size, &rua) == BASE_OK)
        dane_tlsrpt_rua_free(&rua);
    free(text);
    return 0;
}
