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

/* Where the texts end that lie behind one another from `end` on. */
static char *end_of(char **list, size_t count, char *end)
{
    for (size_t i = 0; i < count && list[i] == end; i++)
        end = list[i] + strlen(list[i]) + 1;
    return end;
}

/* Points what points into the area to the same place of its copy. */
static void move_list(char **list, size_t count, char *copy)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] >= area && list[i] < area + area_size)
            list[i] = copy + (list[i] - area);
}

void title_init(int argc, char **argv)
{
    static char *copy;
    size_t count = 0;
    while (environ[count])
        count++;
    if (argc < 1 || area)
        return;
    size_t size = (size_t)(end_of(environ, count, end_of(argv, (size_t)argc, argv[0])) - argv[0]);
    copy = malloc(size);
    if (!copy)
        return;
    area = argv[0];
    area_size = size;
    memcpy(copy, area, size);
    move_list(argv, (size_t)argc, copy);
    move_list(environ, count, copy);
}

void title_set(const char *title)
{
    prctl(PR_SET_NAME, title);
    if (!area)
        return;
    memset(area, 0, area_size);
    strncpy(area, title, area_size - 1);
}
