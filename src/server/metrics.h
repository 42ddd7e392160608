/*
 * Counters of all processes, in memory they share from before the fork.
 *
 * Each worker counts in a slot of its own, so that nobody waits for anybody; a sum is over all slots. A slot outlives
 * its worker and the next one goes on counting in it, so that no sum ever falls.
 */
#ifndef PARLEY_SERVER_METRICS_H
#define PARLEY_SERVER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/route.h"

#define METRICS_SLOTS 512

struct buf;
struct db_counts;
struct metrics;

/* Memory for counting requests of these routes, which must stay. NULL: memory is out. */
struct metrics *metrics_new(const struct route *routes);
void metrics_free(struct metrics *metrics);

/* The process that calls is the worker that counts in this slot from now on. */
void metrics_enter(struct metrics *metrics, unsigned slot);

/* The master's: a worker was started in that slot; it has ended, by itself or by a failure. */
void metrics_started(struct metrics *metrics, unsigned slot);
void metrics_ended(struct metrics *metrics, unsigned slot, bool failed);

/* The worker's own: it works on a request, or waits. */
void metrics_busy(struct metrics *metrics, bool busy);

/* A request was answered: route is an index in the table, or beyond it when none matched. */
void metrics_request(struct metrics *metrics, unsigned route, unsigned status, int64_t micros);

/* What the worker's database handle has counted since it was made. */
void metrics_database(struct metrics *metrics, const struct db_counts *counts);

/* All of it as Prometheus text, version 0.0.4. */
void metrics_write(struct metrics *metrics, struct buf *out);

#endif
