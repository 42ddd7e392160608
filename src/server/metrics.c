/*
 * Counters of all processes.
 *
 * What must stay true: a counter has one writer at a time (a slot's worker, or the master), so that plain aligned
 * 64-bit stores are enough; whoever reads sees each counter whole, if not all at one moment.
 */
#include "server/metrics.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "db/db.h"

static const unsigned statuses[] = {0,   200, 201, 202, 204, 206, 302, 303, 304, 400, 401, 403, 404, 405, 406,
                                    409, 410, 411, 412, 413, 415, 422, 428, 429, 431, 500, 501, 502, 503, 504};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0])) /* the first stands for all others */

static const struct bound {
    int64_t micros;
    const char *text;
} bounds[] = {{500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
              {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
              {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"}};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct route_counts {
    uint64_t answered[STATUSES];
    uint64_t within[BOUNDS + 1]; /* of each bucket alone; the last is beyond every bound */
    uint64_t micros;
};

struct slot {
    uint64_t alive;
    uint64_t busy;
    uint64_t transactions;
    uint64_t errors;
    uint64_t retries;
    uint64_t connects;
    struct route_counts route[]; /* one more than there are routes */
};

struct shared {
    uint64_t started;
    uint64_t died;
    uint64_t slots; /* used so far */
};

struct metrics {
    const struct route *routes;
    unsigned route_count;
    size_t slot_size;
    size_t size;
    int64_t since_ms;
    struct shared *shared;
    struct slot *own;         /* this process' slot; NULL in the master */
    struct db_counts counted; /* of this process' database handle, so far */
};

static uint64_t get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void put(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static void add(uint64_t *counter, uint64_t n)
{
    put(counter, get(counter) + n);
}

struct metrics *metrics_new(const struct route *routes)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics)
        return NULL;
    metrics->routes = routes;
    while (routes[metrics->route_count].path)
        metrics->route_count++;
    metrics->since_ms = clock_monotonic_ms();
    /* A slot has pages of its own: a worker at rest touches one or two of them. */
    size_t slot = sizeof(struct slot) + (metrics->route_count + 1) * sizeof(struct route_counts);
    metrics->slot_size = (slot + 4095) & ~(size_t)4095;
    metrics->size = 4096 + METRICS_SLOTS * metrics->slot_size;
    void *memory = mmap(NULL, metrics->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(metrics);
        return NULL;
    }
    metrics->shared = memory;
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    munmap(metrics->shared, metrics->size);
    free(metrics);
}

static struct slot *slot_at(const struct metrics *metrics, unsigned index)
{
    return (struct slot *)(void *)((char *)metrics->shared + 4096 + index * metrics->slot_size);
}

void metrics_enter(struct metrics *metrics, unsigned slot)
{
    metrics->own = slot_at(metrics, slot);
    metrics->counted = (struct db_counts){0};
    put(&metrics->own->alive, 1);
    put(&metrics->own->busy, 0);
}

void metrics_started(struct metrics *metrics, unsigned slot)
{
    add(&metrics->shared->started, 1);
    if (slot >= get(&metrics->shared->slots))
        put(&metrics->shared->slots, slot + 1);
}

void metrics_ended(struct metrics *metrics, unsigned slot, bool failed)
{
    put(&slot_at(metrics, slot)->alive, 0);
    put(&slot_at(metrics, slot)->busy, 0);
    if (failed)
        add(&metrics->shared->died, 1);
}

void metrics_busy(struct metrics *metrics, bool busy)
{
    put(&metrics->own->busy, busy);
}

void metrics_request(struct metrics *metrics, unsigned route, unsigned status, int64_t micros)
{
    struct route_counts *counts = &metrics->own->route[route < metrics->route_count ? route : metrics->route_count];
    size_t i = STATUSES - 1, bucket = 0;
    while (i && statuses[i] != status)
        i--;
    while (bucket < BOUNDS && micros > bounds[bucket].micros)
        bucket++;
    add(&counts->answered[i], 1);
    add(&counts->within[bucket], 1);
    add(&counts->micros, micros > 0 ? (uint64_t)micros : 0);
}

void metrics_database(struct metrics *metrics, const struct db_counts *counts)
{
    add(&metrics->own->transactions, counts->transactions - metrics->counted.transactions);
    add(&metrics->own->errors, counts->errors - metrics->counted.errors);
    add(&metrics->own->retries, counts->retries - metrics->counted.retries);
    add(&metrics->own->connects, counts->connects - metrics->counted.connects);
    metrics->counted = *counts;
}

/* The sum over all slots of the counter that stands so many bytes into a slot. */
static uint64_t sum(const struct metrics *metrics, size_t place)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < get(&metrics->shared->slots); i++)
        total += get((const uint64_t *)(const void *)((const char *)slot_at(metrics, i) + place));
    return total;
}

static size_t route_place(unsigned route, size_t field)
{
    return offsetof(struct slot, route) + route * sizeof(struct route_counts) + field;
}

static void write_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    write_head(out, name, type, help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* The labels of a route, without braces. Paths hold no character that would need an escape. */
static void write_labels(const struct metrics *metrics, struct buf *out, unsigned route)
{
    bool known = route < metrics->route_count;
    buf_printf(out, "method=\"%s\",route=\"%s\"", known ? method_name(metrics->routes[route].method) : "any",
               known ? metrics->routes[route].path : "none");
}

static void write_requests(const struct metrics *metrics, struct buf *out)
{
    write_head(out, "parley_requests_total", "counter", "Requests answered.");
    for (unsigned route = 0; route <= metrics->route_count; route++) {
        for (size_t i = 0; i < STATUSES; i++) {
            size_t field = offsetof(struct route_counts, answered) + i * sizeof(uint64_t);
            uint64_t count = sum(metrics, route_place(route, field));
            if (!count)
                continue;
            buf_add_text(out, "parley_requests_total{");
            write_labels(metrics, out, route);
            if (i)
                buf_printf(out, ",status=\"%u\"} %llu\n", statuses[i], (unsigned long long)count);
            else
                buf_printf(out, ",status=\"other\"} %llu\n", (unsigned long long)count);
        }
    }
}

/* One route's latencies: each bucket counts those before it too. */
static void write_route_seconds(const struct metrics *metrics, struct buf *out, unsigned route)
{
    uint64_t within[BOUNDS + 1], total = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        total += sum(metrics, route_place(route, offsetof(struct route_counts, within) + i * sizeof(uint64_t)));
        within[i] = total;
    }
    if (!total)
        return;
    for (size_t i = 0; i <= BOUNDS; i++) {
        buf_add_text(out, "parley_request_seconds_bucket{");
        write_labels(metrics, out, route);
        buf_printf(out, ",le=\"%s\"} %llu\n", i < BOUNDS ? bounds[i].text : "+Inf", (unsigned long long)within[i]);
    }
    uint64_t micros = sum(metrics, route_place(route, offsetof(struct route_counts, micros)));
    buf_add_text(out, "parley_request_seconds_sum{");
    write_labels(metrics, out, route);
    buf_printf(out, "} %llu.%06llu\n", (unsigned long long)micros / 1000000, (unsigned long long)micros % 1000000);
    buf_add_text(out, "parley_request_seconds_count{");
    write_labels(metrics, out, route);
    buf_printf(out, "} %llu\n", (unsigned long long)total);
}

void metrics_write(struct metrics *metrics, struct buf *out)
{
    write_requests(metrics, out);
    write_head(out, "parley_request_seconds", "histogram", "Time from a request's first byte to its complete answer.");
    for (unsigned route = 0; route <= metrics->route_count; route++)
        write_route_seconds(metrics, out, route);

    write_one(out, "parley_workers", "gauge", "Workers alive.", sum(metrics, offsetof(struct slot, alive)));
    write_one(out, "parley_workers_busy", "gauge", "Workers with a request at hand.",
              sum(metrics, offsetof(struct slot, busy)));
    write_one(out, "parley_workers_started_total", "counter", "Workers started.", get(&metrics->shared->started));
    write_one(out, "parley_workers_died_total", "counter", "Workers that ended by a failure.",
              get(&metrics->shared->died));
    write_one(out, "parley_database_transactions_total", "counter", "Transactions run.",
              sum(metrics, offsetof(struct slot, transactions)));
    write_one(out, "parley_database_errors_total", "counter", "Transactions that failed for the database's reasons.",
              sum(metrics, offsetof(struct slot, errors)));
    write_one(out, "parley_database_retries_total", "counter", "Transactions run again.",
              sum(metrics, offsetof(struct slot, retries)));
    write_one(out, "parley_database_connects_total", "counter", "Connections attempted.",
              sum(metrics, offsetof(struct slot, connects)));
    write_one(out, "parley_uptime_seconds", "gauge", "Time since the program started.",
              (uint64_t)(clock_monotonic_ms() - metrics->since_ms) / 1000);
}
