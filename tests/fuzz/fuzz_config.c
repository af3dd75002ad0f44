// Settings files, the environment, and what is printed of them.
#include "config/config.h"
#include "config/setting.h"
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct settings {
    const char *name;
    const char *secret;
    int64_t count;
    bool on;
    int64_t wait;
    const char *mode;
};

// clang-format off
static const struct setting rows[] = {
    {.key = "name", .type = SETTING_TEXT, .offset = offsetof(struct settings, name), .fallback = "x", .help = "A name."},
    {.key = "secret", .type = SETTING_SECRET, .offset = offsetof(struct settings, secret), .fallback = "", .help = "A secret."},
    {.key = "count", .type = SETTING_INT, .offset = offsetof(struct settings, count), .fallback = "3", .min = -10, .max = INT64_MAX, .help = "A number."},
    {.key = "on", .type = SETTING_BOOL, .offset = offsetof(struct settings, on), .fallback = "false", .help = "Whether."},
    {.key = "wait", .type = SETTING_DURATION, .offset = offsetof(struct settings, wait), .fallback = "1s", .min = 0, .max = INT64_MAX, .help = "How long."},
    {.key = "mode", .type = SETTING_CHOICE, .offset = offsetof(struct settings, mode), .fallback = "a", .choices = "a|bc|d", .help = "Which."},
};
// clang-format on

static struct err load(struct bytes file, struct settings *ret_settings)
{
    const struct setting_table table = {
        .settings = rows, .count = sizeof rows / sizeof rows[0], .target = ret_settings};
    const int fd = memfd_create("settings", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct err e = config_load(&table, 1, path);
    close(fd);
    FUZZ_CHECK(!err_is(&e) || (e.class == ERR_CONFIG && e.text[0] != '\0'));
    return e;
}

static bool is_plain(const char *text)
{
    const size_t size = strlen(text);
    return strpbrk(text, "\r\n") == NULL &&
           (size == 0 || (strchr(" \t", text[0]) == NULL && strchr(" \t", text[size - 1]) == NULL));
}

// What is printed is a settings file of the same values, secrets apart.
static void check_printed(const struct settings *settings)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    FUZZ_CHECK(out != NULL);
    const struct setting_table table = {
        .settings = rows, .count = sizeof rows / sizeof rows[0], .target = (void *)(uintptr_t)settings};
    config_print(out, &table, 1);
    fclose(out);
    struct settings again;
    unsetenv("ORDERCLERK_NAME");
    if (is_plain(settings->name)) { // the environment may hold what no line can
        struct err e = load(bytes_of(text, size), &again);
        FUZZ_CHECK(!err_is(&e));
        FUZZ_CHECK(strcmp(again.name, settings->name) == 0 && strcmp(again.mode, settings->mode) == 0);
        FUZZ_CHECK(again.count == settings->count && again.wait == settings->wait);
        FUZZ_CHECK(again.on == settings->on);
    }
    FUZZ_CHECK(strlen(settings->secret) < 8 || strstr(text, settings->secret) == NULL ||
               strstr(settings->name, settings->secret) != NULL);
    free(text);
}

static void check_duration(const char *text)
{
    int64_t us, again;
    char shown[SETTING_TEXT_SIZE];
    if (!setting_parse_duration(text, &us))
        return;
    setting_format_duration(us, shown);
    FUZZ_CHECK(setting_parse_duration(shown, &again) && again == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    struct settings settings;
    if (fuzz_byte(&source) % 4 == 0)
        setenv("ORDERCLERK_NAME", fuzz_string(&source, arena, 200), 1);
    const struct bytes file = fuzz_rest(&source);
    check_duration(arena_str(arena, file));
    if (file.size == 0 ||
        memchr(file.data, '@', file.size) == NULL) { // a secret's own file: none of this machine's
        struct err e = load(file, &settings);
        if (!err_is(&e))
            check_printed(&settings);
    }
    unsetenv("ORDERCLERK_NAME");
    arena_free(arena);
    return 0;
}
