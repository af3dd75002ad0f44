// Runs a target over files and folders of files, each once: what a corpus is worth without libFuzzer.
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20) // libFuzzer's own limit for what a corpus holds

static size_t ran;

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *buffer = malloc(INPUT_MAX);
    if (file == NULL || buffer == NULL) {
        perror(path);
        free(buffer);
        if (file != NULL)
            fclose(file);
        return false;
    }
    const size_t size = fread(buffer, 1, INPUT_MAX, file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1); // so large that reading further is seen
    if (exact == NULL)
        abort();
    memcpy(exact, buffer, size);
    free(buffer);
    fprintf(stderr, "%s\n", path); // the last one named is the one that failed
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    ran++;
    return true;
}

static bool run_path(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(about.st_mode))
        return run_file(path);
    struct dirent **entries;
    const int count = scandir(path, &entries, NULL, alphasort);
    bool all = count >= 0;
    for (int i = 0; i < count; i++) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            all = run_path(name) && all;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return all;
}

int main(int argc, char **argv)
{
    bool all = true;
    for (int i = 1; i < argc; i++)
        all = run_path(argv[i]) && all;
    printf("%zu inputs\n", ran);
    return all && ran > 0 ? 0 : 1;
}
