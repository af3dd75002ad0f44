// Writes what is generated from the table: saga_docs DIAGRAMS_FOLDER MATRIX_FILE. A test fails when they differ.
#include "orchestrator/saga/saga_check.h"

#include <stdlib.h>

static FILE *open_file(const char *folder, const char *name)
{
    char path[4096];
    if (name == NULL)
        snprintf(path, sizeof path, "%s", folder);
    else
        snprintf(path, sizeof path, "%s/%s.md", folder, name);
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        perror(path);
        exit(2);
    }
    return out;
}

static void close_file(FILE *out)
{
    if (fclose(out) != 0) {
        perror("write");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: saga_docs DIAGRAMS_FOLDER MATRIX_FILE\n");
        return 2;
    }
    const struct saga_book *book = saga_book();
    FILE *matrix = open_file(argv[2], NULL);
    for (size_t i = 0; i < book->count; i++) {
        FILE *diagram = open_file(argv[1], saga_definition_source(book->definitions[i])->name);
        saga_render_diagram(diagram, book->definitions[i]);
        close_file(diagram);
        saga_render_matrix(matrix, book->definitions[i]);
    }
    close_file(matrix);
    FILE *rules = open_file(argv[1], "rules");
    saga_render_rules(rules, saga_rules_v1, saga_rules_v1_count);
    close_file(rules);
    return 0;
}
