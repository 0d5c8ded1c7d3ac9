/*
 * Reading the text of Prometheus (exposition format 0.0.4): the samples of some metrics, with the
 * value of one label each.
 */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include <stddef.h>

#define CLI_METRIC_LABEL 32

struct cli_sample {
    char label[CLI_METRIC_LABEL]; /* the value of the label; cut when it is longer */
    double value;
};

/* Finds the samples of a metric that have the label, adding up what differs in other labels alone;
 * at most `room`. Lines that make no sense are passed over. Returns how many. */
size_t cli_metric_read(const char *text, const char *metric, const char *label,
                       struct cli_sample *out, size_t room);

#endif
