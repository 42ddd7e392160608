/* The process' title, as ps and top show it. */
#ifndef PARLEY_SERVER_TITLE_H
#define PARLEY_SERVER_TITLE_H

/* Makes room for titles where the kernel reads them; call it once, first in main, before anybody keeps a pointer into
 * the environment. argv itself holds copies afterwards. Without memory titles stay as they are. */
void title_init(int argc, char **argv);

/* Sets it, "parley: worker". At most 15 characters show in every tool. */
void title_set(const char *title);

#endif
