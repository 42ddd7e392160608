/*
 * Writing over the arguments, which is where the kernel looks for a title.
 *
 * What must stay true: only the one run of bytes that arguments and environment began in is written to, and nobody
 * points into it any more.
 */
#include "server/title.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *area;
static size_t area_size;

/* Copies of the texts in list; NULL when memory is out. Kept for ever. */
static char **copy_list(char **list, size_t count)
{
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i])
            return NULL;
    }
    return copy;
}

/* Where the texts end that lie behind one another from `end` on. */
static char *end_of(char **list, size_t count, char *end)
{
    for (size_t i = 0; i < count && list[i] == end; i++)
        end = list[i] + strlen(list[i]) + 1;
    return end;
}

void title_init(int argc, char **argv)
{
    /* Kept, although never read again: libraries that set a variable replace environ, and who looks for leaks must find
     * these. */
    static char **arguments __attribute__((used)), **environment __attribute__((used));
    size_t count = 0;
    while (environ[count])
        count++;
    if (argc < 1)
        return;
    char *end = end_of(environ, count, end_of(argv, (size_t)argc, argv[0]));
    arguments = copy_list(argv, (size_t)argc);
    environment = copy_list(environ, count);
    if (!arguments || !environment)
        return;
    area = argv[0];
    area_size = (size_t)(end - area);
    memcpy(argv, arguments, (size_t)argc * sizeof(*argv));
    environ = environment;
}

void title_set(const char *title)
{
    prctl(PR_SET_NAME, title);
    if (!area)
        return;
    memset(area, 0, area_size);
    strncpy(area, title, area_size - 1);
}
