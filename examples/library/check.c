/* Checks a zone file with libkenter:  cc check.c $(pkg-config --cflags --libs kenter) */
#include <kenter/kenter.h>
#include <stdio.h>

static void show(void *context, const struct kenter_finding *finding)
{
    printf("%s:%u: %s\n", finding->file ? finding->file : "zone", finding->line, finding->message);
}

int main(int argc, char **argv)
{
    struct kenter_zone_summary summary;
    int error = kenter_zone_check(argc > 1 ? argv[1] : "-", NULL, show, NULL, &summary);
    if (error != KENTER_OK) {
        fprintf(stderr, "%s\n", kenter_error_text(error));
        return 3;
    }
    printf("%zu names, %zu errors\n", summary.names, summary.errors);
    return summary.errors > 0;
}
