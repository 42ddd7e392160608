/*
 * What the program can be told to do, each a small function with main's arguments from the command's name on. Answers
 * the exit status.
 */
#ifndef PARLEY_SERVER_COMMANDS_H
#define PARLEY_SERVER_COMMANDS_H

#include "server/config.h"

/* Reads `[-c FILE]`, the one thing most commands take, and the configuration, whose problems are said on stderr. NULL:
 * it is not good. */
struct config *commands_config(int argc, char **argv, enum config_use use);

int commands_serve(int argc, char **argv);
int commands_check(int argc, char **argv);
int commands_routes(int argc, char **argv);
int commands_options(int argc, char **argv);
int commands_migrate(int argc, char **argv);
int commands_doctor(int argc, char **argv);
int commands_purge(int argc, char **argv);

/* Whether descriptor 0 is a listening socket, so that the program was started to serve (mod_fcgid, spawn-fcgi). */
bool commands_started_to_serve(void);

#endif
