/* Looks a name up and trusts what is proved only:  cc lookup.c $(pkg-config --cflags --libs kenter)
 */
#include <kenter/resolve.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char why[KENTER_WHY], text[1024];
    uint16_t type = KENTER_TYPE_A;
    size_t count;
    struct kenter_resolver *resolver;
    struct kenter_result *result;
    if (argc < 2 || (argc > 2 && kenter_type_parse(argv[2], &type) != KENTER_OK))
        return fprintf(stderr, "usage: lookup NAME [TYPE]\n"), 2;
    if (kenter_resolver_new(NULL, why, &resolver) != KENTER_OK)
        return fprintf(stderr, "%s\n", why), 3;
    int error = kenter_lookup(resolver, argv[1], type, &result);
    if (error != KENTER_OK)
        return fprintf(stderr, "%s\n", kenter_error_text(error)), 3;
    const struct kenter_record *records = kenter_result_records(result, &count);
    for (size_t i = 0; i < count && kenter_record_print(&records[i], text, sizeof(text)) >= 0; i++)
        printf("%s %s\n", records[i].name, text);
    printf("%s\n", kenter_result_sentence(result));
    int secure = kenter_result_status(result) == KENTER_STATUS_SECURE;
    kenter_result_free(result);
    kenter_resolver_free(resolver);
    return secure ? 0 : 1;
}
