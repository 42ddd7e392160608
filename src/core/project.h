/* Projects: what a person groups sessions by, alone or with others. */
#ifndef PARLEY_CORE_PROJECT_H
#define PARLEY_CORE_PROJECT_H

#include "core/call.h"

#define PROJECT_LIST_MAX        500
#define PROJECT_MEMBERS_MAX     1000
#define PROJECT_NAME_MAX        200 /* characters */
#define PROJECT_DESCRIPTION_MAX 10000

struct project {
    struct uuid id;
    const char *name;
    const char *description; /* NULL: none, and in a list */
    bool is_owner;
    const char *created_at, *updated_at; /* updated_at is NULL in a list */
};

struct project_list {
    unsigned count;
    struct project *project;
};

struct project_member {
    struct uuid user;
    bool is_owner;
    const char *created_at; /* since when */
};

struct project_member_list {
    unsigned count;
    struct project_member *member;
};

/* A name of NULL stays. */
struct project_change {
    const char *name;
    bool set_description;
    const char *description;
};

/* Those the call's user is a member of, by name. */
enum status project_list(struct call *call, struct project_list *list) MUST_CHECK;

enum status project_create(struct call *call, const struct uuid *id, const char *name, const char *description,
                           struct project *project) MUST_CHECK;

/* Only the owner may: ST_NOT_FOUND for everybody else. */
enum status project_update(struct call *call, const struct uuid *id, const struct project_change *change,
                           struct project *project) MUST_CHECK;

/* The owner removes it for all members; a member leaves it. Sessions stay. */
enum status project_delete(struct call *call, const struct uuid *id) MUST_CHECK;

/* The round that invitations to a project of the caller's own belong to; ST_NOT_FOUND for everybody else. */
enum status project_invitation_round(struct call *call, const struct uuid *id, int64_t *round) MUST_CHECK;

/* Makes the caller a member of a project of `owner`, which may be theirs already. That they are invited is for who
 * calls to know (auth/invitation.h). ST_NOT_FOUND when it is gone, or another round has begun. */
enum status project_join(struct call *call, const struct uuid *owner, const struct uuid *id, int64_t round,
                         struct project *project) MUST_CHECK;

/* All members for the owner, the caller alone for a member; ST_NOT_FOUND for everybody else. */
enum status project_members(struct call *call, const struct uuid *id, struct project_member_list *list) MUST_CHECK;

/* Ends a membership: the caller's own, or in the caller's own project, whose invitations end with it. ST_NOT_FOUND
 * otherwise, and for the owner. */
enum status project_part(struct call *call, const struct uuid *id, const struct uuid *member) MUST_CHECK;

#endif
