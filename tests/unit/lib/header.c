/* The public headers are for strict C and C++ alike. */
#include <kenter/dane.h>
#include <kenter/kenter.h>
#include <kenter/resolve.h>

int main(void)
{
    struct kenter_resolver_options options;
    kenter_resolver_options_init(&options);
    return options.size == sizeof(options) && kenter_version()[0] != '\0' ? 0 : 1;
}
