/*
 * Passwords, kept as scrypt in PHC form: $scrypt$ln=15,r=8,p=3$<salt>$<hash>, so that a stored hash says how it was
 * made and costs can rise later. One hash takes about a quarter of a second and 32 MiB: a gate caps how many run at
 * once over all processes.
 */
#ifndef PARLEY_AUTH_PASSWORD_H
#define PARLEY_AUTH_PASSWORD_H

#include <stdbool.h>

#include "base/status.h"

#define PASSWORD_MIN      8   /* characters */
#define PASSWORD_MAX      256 /* bytes */
#define PASSWORD_HASH_MAX 160

/* Opens the gate: at most `at_once` hashes run at the same time in all processes forked after this. The places are file
 * locks on an anonymous file, so the kernel frees the place of a process that dies. */
enum status password_init(int at_once) MUST_CHECK;

/* The hash to store. ST_UNAVAILABLE (fault: busy, try again in a second) when the gate is full. */
enum status password_hash(const char *password, char hash[PASSWORD_HASH_MAX], struct fault *fault) MUST_CHECK;

/* Whether the password made this hash. A NULL hash (nobody has this login) costs the same time and is false.
 * ST_UNAVAILABLE as above. */
enum status password_verify(const char *password, const char *hash, bool *matches, struct fault *fault) MUST_CHECK;

#endif
