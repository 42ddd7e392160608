/* `parley import-legacy`: moving chats here from another application's database. */
#ifndef PARLEY_SERVER_IMPORT_H
#define PARLEY_SERVER_IMPORT_H

/*
 * import-legacy [--dry-run] [--source NAME] [--match-email] [-c FILE] CONNINFO
 *
 * Says how far it is on stderr once a second, and at the end what was done on stdout. Ends with 0; 64 for a wrong
 * command line; 65 when there is nothing that it knows, or that it may
 * read; 75 when it was interrupted or a database went away, so that it
 * is to be run again; 78 when the configuration or the database of Parley is not good.
 */
int import_command(int argc, char **argv);

#endif
