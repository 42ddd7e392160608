/* `parley user`: accounts, for the administrator. */
#ifndef PARLEY_SERVER_ACCOUNTS_H
#define PARLEY_SERVER_ACCOUNTS_H

/*
 * user add EMAIL        signs somebody up, also where signup = off; the password is the first line of stdin
 * user password EMAIL   gives a new password and signs them out everywhere
 * user show EMAIL       prints the user's id and names
 * user remove EMAIL     removes the account and everything that is theirs
 * user claim [--source NAME] LEGACY-ID-OR-EMAIL EMAIL
 *                       gives somebody whom `parley import-legacy` has brought their login
 *
 * Each takes [-c FILE] last. Works as the role that serves, under the claims of that one account: nothing here bypasses
 * row level security.
 */
int accounts_command(int argc, char **argv);

#endif
