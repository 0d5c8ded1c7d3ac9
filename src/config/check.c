/* What must fit together across sections. Each finding stands at the setting that asks too much. */
#include "config/read.h"
#include "net/server.h"

#include <string.h>

/* The node of a section's setting, or the section, or the root: whatever there is. */
static const struct base_yaml *place(const struct base_yaml *root, const char *section,
                                     const char *name)
{
    const struct base_yaml *outer = base_yaml_get(root, section);
    const struct base_yaml *inner =
        outer != NULL && name != NULL ? base_yaml_get(outer, name) : NULL;
    return inner != NULL ? inner : outer != NULL ? outer : root;
}

static bool listens_tls(const struct config *config)
{
    for (size_t i = 0; i < config->listen_count; i++)
        if ((config->listen[i].protocols & NET_LISTEN_TLS) != 0)
            return true;
    return false;
}

static void check_tls(struct config_reading *reading, const struct base_yaml *root)
{
    const struct config *config = reading->config;
    bool tls = listens_tls(config);
    if ((config->tls_certificate == NULL) != (config->tls_key == NULL))
        config_refuse_key(reading, CONFIG_CONFLICT, place(root, "tls", NULL),
                          "tls: certificate and key belong together; the %s is missing",
                          config->tls_key == NULL ? "key" : "certificate");
    else if (tls && config->tls_certificate == NULL)
        config_refuse_key(reading, CONFIG_CONFLICT, place(root, "listen", NULL),
                          "listen: TLS needs a certificate and its key; add the section tls");
    if (reading->certificate != NULL && !tls)
        config_refuse(reading, CONFIG_CONFLICT, reading->certificate,
                      "certificate: nobody can show a certificate, because no address listens for "
                      "TLS");
}

static void check_metrics(struct config_reading *reading, const struct base_yaml *root)
{
    const struct config *config = reading->config;
    for (size_t i = 0; i < config->listen_count && config->metrics != NULL; i++)
        if ((config->listen[i].protocols & (NET_LISTEN_TCP | NET_LISTEN_TLS)) != 0 &&
            net_address_equal(&config->listen[i].address, config->metrics))
            config_refuse(reading, CONFIG_CONFLICT, place(root, "api", "metrics"),
                          "metrics: DNS listens on this address and port already");
}

/* Kenter's own files must not come back as zones. */
static void check_directories(struct config_reading *reading, const struct base_yaml *root)
{
    const struct config *config = reading->config;
    for (size_t i = 0; i < config->directory_count; i++) {
        const char *path = config->directories[i].path;
        if (config->export_directory != NULL && strcmp(path, config->export_directory) == 0)
            config_refuse(reading, CONFIG_CONFLICT, place(root, "export", NULL),
                          "export: %s holds the zones that are read; signed ones need another "
                          "directory",
                          path);
        if (strcmp(path, config->data) == 0)
            config_refuse(reading, CONFIG_CONFLICT, place(root, "data", NULL),
                          "data: %s holds the zones that are read; what Kenter keeps needs another "
                          "directory",
                          path);
    }
    if (config->export_directory != NULL && strcmp(config->export_directory, config->data) == 0)
        config_refuse(reading, CONFIG_CONFLICT, place(root, "export", NULL),
                      "export: %s is the data directory; signed zones need another", config->data);
}

/* Where nothing else is said, the API's socket is in the data directory. */
static void check_socket(struct config_reading *reading, const struct base_yaml *root)
{
    const struct config *config = reading->config;
    if (config->socket == NULL &&
        strlen(config->data) + strlen("/kenter.sock") >= CONFIG_SOCKET_PATH)
        config_refuse(
            reading, CONFIG_CONFLICT, place(root, "data", NULL),
            "data: the path is too long for the API's socket to be in it; set api: socket "
            "to a path of at most %d octets",
            CONFIG_SOCKET_PATH - 1);
}

void config_check(struct config_reading *reading, const struct base_yaml *root)
{
    if (reading->out_of_memory)
        return;
    check_tls(reading, root);
    check_metrics(reading, root);
    check_directories(reading, root);
    check_socket(reading, root);
}
