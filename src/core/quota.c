/* The quota of requests a minute, without a write a request. */
#include "core/quota.h"

#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/hash.h"

#define PLACES    1024
#define PROBES    8
#define MINUTE_MS 60000

struct quota_place {
    struct uuid user;
    int64_t minute;      /* which minute since the epoch is counted */
    unsigned known;      /* what the database answered last: all processes' reported requests */
    unsigned unreported; /* counted here since */
};

static struct quota_place places[PLACES];

/* Where a person's places begin: not to be guessed from outside, so that nobody can look for accounts that push one
 * another out. */
static unsigned first_place(const struct uuid *user)
{
    static char keyed[16 + UUID_LEN];
    static bool has_key;
    if (!has_key)
        has_key = crypto_random(keyed, 16) == ST_OK;
    memcpy(keyed + 16, user->text, UUID_LEN);
    return (unsigned)(hash_xxh64(keyed, sizeof(keyed)) % PLACES);
}

/* The person's place, else the best one to take among those where it may be: one of an earlier minute, or with the
 * least to forget. */
static struct quota_place *place_of(const struct uuid *user, int64_t minute)
{
    unsigned first = first_place(user);
    struct quota_place *best = &places[first];
    for (unsigned i = 0; i < PROBES; i++) {
        struct quota_place *place = &places[(first + i) % PLACES];
        if (strcmp(place->user.text, user->text) == 0)
            return place;
        bool outlived = place->minute != minute;
        if (best->minute == minute && (outlived || place->unreported < best->unreported))
            best = place;
    }
    return best;
}

static struct quota_place *place_for(const struct uuid *user, int64_t minute)
{
    struct quota_place *place = place_of(user, minute);
    if (place->minute != minute || strcmp(place->user.text, user->text) != 0)
        *place = (struct quota_place){.user = *user, .minute = minute};
    return place;
}

static void queue_report(struct call *call, const struct quota_place *place, unsigned limit)
{
    call->report = db_add(&call->tx, QUERY_RATE_TAKE, call->user.text, "requests",
                          db_int(call->arena, place->unreported), db_int(call->arena, limit));
}

enum status quota_count(struct call *call, struct quota *quota)
{
    int64_t now = clock_real_ms();
    unsigned limit = (unsigned)call->settings->quota_requests_per_minute;
    *quota = (struct quota){.limit = limit, .reset = (unsigned)((MINUTE_MS - now % MINUTE_MS + 999) / 1000)};
    if (limit == 0)
        return ST_OK;
    struct quota_place *place = place_for(&call->user, now / MINUTE_MS);
    if (place->known + place->unreported >= limit) {
        call->fault.retry_after = quota->reset;
        return fault_set(&call->fault, ST_TOO_MANY, "requests_per_minute", "Too many requests in one minute.");
    }
    quota->place = place;
    place->unreported++;
    quota->remaining = limit - place->known - place->unreported;
    unsigned block = limit / 10 ? limit / 10 : 1;
    quota->report = place->unreported >= block;
    if (quota->report)
        queue_report(call, place, limit);
    return ST_OK;
}

static bool is_refused(const struct call *call)
{
    return call->fault.code && strcmp(call->fault.code, "requests_per_minute") == 0;
}

/* Reports in a transaction of its own; answers whether that was refused. */
static bool report_alone(struct call *call, const struct quota *quota, const struct quota_place *place)
{
    struct fault fault = call->fault;
    memset(&call->fault, 0, sizeof(call->fault));
    call_next(call);
    call->end = DB_COMMIT;
    queue_report(call, place, quota->limit);
    bool refused = call_run(call) != ST_OK && is_refused(call);
    call->fault = fault;
    return refused;
}

void quota_settle(struct call *call, struct quota *quota, enum status status)
{
    if (!quota->report)
        return;
    struct quota_place *place = quota->place;
    bool refused = is_refused(call);
    if (!call->reported && !refused && status != ST_UNAVAILABLE)
        refused = report_alone(call, quota, place);
    if (!call->reported && !refused)
        return; /* the block is reported with a later request */
    place->known = refused ? quota->limit : (unsigned)call->reported;
    place->unreported = 0;
    quota->remaining = place->known < quota->limit ? quota->limit - place->known : 0;
}
