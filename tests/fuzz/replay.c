/* Runs a fuzz target once over every file of the directories given, where libFuzzer is not at hand. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs the file's bytes, in memory of just their size, so that a sanitizer sees a step beyond. */
static int replay_file(const char *path)
{
    struct stat about;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &about) < 0)
        return -1;
    size_t size = (size_t)about.st_size;
    uint8_t *data = malloc(size ? size : 1);
    int result = data && fread(data, 1, size, file) == size ? LLVMFuzzerTestOneInput(data, size) : -1;
    free(data);
    fclose(file);
    return result;
}

/* Runs all files of a directory; answers how many, or -1. */
static long replay_directory(const char *path)
{
    long count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(name) || replay_file(name) != 0) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(directory);
    return count;
}

int main(int count, char **arguments)
{
    long total = 0;
    for (int i = 1; i < count; i++) {
        long files = replay_directory(arguments[i]);
        if (files < 0) {
            fprintf(stderr, "%s: cannot be read\n", arguments[i]);
            return 1;
        }
        total += files;
    }
    printf("%ld inputs ran\n", total);
    return total > 0 ? 0 : 1;
}
