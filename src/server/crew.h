/*
 * Processes of one kind, kept at a number: started, replaced when they die, asked to end, killed when they are late.
 *
 * Each has a role, 0 to wanted - 1: at most one of a role works, others of it may still be ending. Each has a slot of
 * its own as long as it lives. The owner forks nothing itself; it calls crew_fill again and again and tells the crew
 * who has ended.
 */
#ifndef PARLEY_SERVER_CREW_H
#define PARLEY_SERVER_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CREW_SLOTS 512

struct crew_member {
    pid_t pid; /* 0: the slot is free */
    unsigned role;
    int64_t born;
    int64_t kill_at; /* 0: it was not asked to end */
    int told;        /* the last signal that said so; 0: none */
};

struct crew {
    const char *kind; /* "worker", "relay": for the log */
    unsigned wanted;
    void *owner;
    void (*become)(void *owner, unsigned slot, unsigned role, pid_t parent); /* in the child; must not return */
    void (*started)(void *owner, unsigned slot); /* in the parent; may be NULL, as the next */
    void (*ended)(void *owner, unsigned slot, bool failed);
    int64_t pause_ms; /* before the next start; 0: none */
    int64_t start_at;
    struct crew_member member[CREW_SLOTS];
};

/* How many live; with_ending: also those that were asked to end. */
unsigned crew_count(const struct crew *crew, bool with_ending);

/* Starts those that are missing, unless several died young and it is not time yet. */
void crew_fill(struct crew *crew);

/* Forgets that some died young: what made them die has been changed. */
void crew_forgive(struct crew *crew);

/* Marks all as asked to end within so many seconds; crew_tell says it to them by a signal, once: who was told so before
 * is left in peace. */
void crew_dismiss(struct crew *crew, int seconds);
void crew_tell(struct crew *crew, int signal_number);

/* Kills those whose time is over. */
void crew_kill_late(struct crew *crew);

/* A child has ended as waitpid says. *unsafe: it found the database unsafe (EX_CONFIG) and was not asked to end. False:
 * it is not of this crew. */
bool crew_reap(struct crew *crew, pid_t pid, int status, bool *unsafe);

/* When something is to be done next, clock_monotonic_ms; INT64_MAX: never. */
int64_t crew_next(const struct crew *crew);

#endif
