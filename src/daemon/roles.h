/*
 * The processes of kenterd. Each runs as a program of its own (kenterd --role NAME), started by the
 * supervisor; docs/design/processes.md has the picture.
 */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include "daemon/options.h"

/* Each runs to its end and returns an exit code. */
int daemon_role_keys(const struct config *config);
int daemon_role_control(const struct config *config);
int daemon_role_serve(const struct config *config);
/* The supervisor of the three. The command line is handed on to them. */
int daemon_supervise(const struct daemon_options *options, struct config **config, int argc,
                     char **argv);
/* What is due now, then the end: control here, and keys in a child. */
int daemon_once(const struct config *config);

/* Copies the registry to the file `to`, while another kenterd uses it or none does. */
int daemon_backup(const struct config *config, const char *to);

/* Where signed zone files go; NULL: nowhere. malloc'ed or NULL. */
char *daemon_export_directory(const struct config *config, bool once);
char *daemon_path(const char *directory, const char *name); /* malloc'ed */

#endif
