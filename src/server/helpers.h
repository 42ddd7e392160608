/* `parley helper`: named assistants, for the administrator. */
#ifndef PARLEY_SERVER_HELPERS_H
#define PARLEY_SERVER_HELPERS_H

/*
 * helper list
 * helper set NAME [--display-name TEXT] [--model NAME] [--prompt FILE] [--greeting TEXT]   makes or changes one
 * helper remove NAME
 *
 * Each takes [-c FILE]. set and remove need the role that owns the schema: PARLEY_DATABASE names it, as for migrate.
 */
int helpers_command(int argc, char **argv);

#endif
