// config: sources and their order, every type's good and bad values, unknown keys, and what is shown.
#include "config/config.h"
#include "config/setting.h"
#include "unit/base/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    const char *pg;
    const char *password;
    const char *mode;
    int64_t lanes;
    int64_t poll_us;
    bool strict;
};

struct server {
    const char *listen;
    int64_t lanes;
};

#define AT(field) offsetof(struct settings, field)
static const struct setting main_table[] = {
    {"pg", SETTING_TEXT, AT(pg), NULL, 0, 0, NULL, "PostgreSQL's connection string."},
    {"pg_password", SETTING_SECRET, AT(password), "", 0, 0, NULL, "Password, or @file."},
    {"mode", SETTING_CHOICE, AT(mode), "ledger", 0, 0, "ledger|stock|off", "What is kept."},
    {"lanes", SETTING_INT, AT(lanes), "4", -2, 64, NULL, "Threads a|b."},
    {"poll_interval", SETTING_DURATION, AT(poll_us), "20ms", 500, INSTANT_DAY, NULL, "Pause between polls."},
    {"strict", SETTING_BOOL, AT(strict), "true", 0, 0, NULL, "Refuse unknown fields."},
};
static const struct setting server_table[] = {
    {"http_listen", SETTING_TEXT, offsetof(struct server, listen), "127.0.0.1:8080", 0, 0, NULL, "Address."},
    {"lanes", SETTING_INT, offsetof(struct server, lanes), "4", -2, 64, NULL, "Threads a|b."},
};

static struct settings settings;
static struct server server;
static const struct setting_table tables[] = {
    {main_table, COUNT_OF(main_table), &settings},
    {server_table, COUNT_OF(server_table), &server},
};
static char file_path[] = "/tmp/orderclerk-config-XXXXXX";

static struct err load(const char *path)
{
    settings = (struct settings){0};
    server = (struct server){0};
    return config_load(tables, COUNT_OF(tables), path);
}

static void write_file(const char *path, const void *text, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct err load_text(const char *text)
{
    write_file(file_path, text, strlen(text));
    return load(file_path);
}

static void assert_loads(struct err e)
{
    if (err_is(&e))
        fail_msg("%s", e.text);
}

// Every part must be in the error's text.
static void assert_refused(struct err e, const char *part, const char *other)
{
    assert_int_equal(e.class, ERR_CONFIG);
    if (strstr(e.text, part) == NULL || strstr(e.text, other) == NULL)
        fail_msg("\"%s\" must name %s and %s", e.text, part, other);
}

// Each test starts with no variable of ours but pg, which has no default.
static int set_up(void **state)
{
    (void)state;
    char name[128];
    for (char **variable = environ; *variable != NULL;) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*variable, "="), *variable);
        if (strncmp(name, "ORDERCLERK_", 11) == 0) {
            unsetenv(name);
            variable = environ;
        } else {
            variable++;
        }
    }
    return setenv("ORDERCLERK_PG", "host=db", 1);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_loads(load(NULL));
    assert_string_equal(settings.pg, "host=db");
    assert_string_equal(settings.password, "");
    assert_string_equal(settings.mode, "ledger");
    assert_int_equal(settings.lanes, 4);
    assert_int_equal(settings.poll_us, 20000);
    assert_true(settings.strict);
    assert_string_equal(server.listen, "127.0.0.1:8080");
    assert_int_equal(server.lanes, 4);
}

static void test_environment_wins_over_file_and_file_over_default(void **state)
{
    (void)state;
    setenv("ORDERCLERK_LANES", "7", 1);
    assert_loads(load_text("# comment = no setting\n"
                           "\n"
                           "  lanes=6\r\n"
                           "\tmode =  stock \n"
                           "pg = host=other password='a = b # c'\n"
                           "http_listen =\n"
                           "strict = false"));
    assert_int_equal(settings.lanes, 7);
    assert_int_equal(server.lanes, 7); // in both tables
    assert_string_equal(settings.mode, "stock");
    assert_string_equal(settings.pg, "host=db");
    assert_string_equal(server.listen, "");
    assert_false(settings.strict);
    unsetenv("ORDERCLERK_PG");
    assert_loads(load(file_path));
    assert_string_equal(settings.pg, "host=other password='a = b # c'");
}

static void test_must_be_given(void **state)
{
    (void)state;
    unsetenv("ORDERCLERK_PG");
    assert_refused(load(NULL), "ORDERCLERK_PG", "connection string");
    setenv("ORDERCLERK_PG", "", 1); // given, if empty
    assert_loads(load(NULL));
    assert_string_equal(settings.pg, "");
}

struct value_case {
    const char *key, *text;
    int64_t value; // of a number
};

static void test_good_values(void **state)
{
    (void)state;
    static const struct value_case cases[] = {
        {"LANES", "64", 64},
        {"LANES", "-2", -2},
        {"LANES", "007", 7},
        {"POLL_INTERVAL", "500us", 500},
        {"POLL_INTERVAL", "20ms", 20000},
        {"POLL_INTERVAL", "3s", 3 * INSTANT_SECOND},
        {"POLL_INTERVAL", "10m", 10 * INSTANT_MINUTE},
        {"POLL_INTERVAL", "24h", 24 * INSTANT_HOUR},
        {"POLL_INTERVAL", "1d", INSTANT_DAY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[64];
        snprintf(name, sizeof name, "ORDERCLERK_%s", cases[i].key);
        setenv(name, cases[i].text, 1);
        assert_loads(load(NULL));
        assert_int_equal(strcmp(cases[i].key, "LANES") == 0 ? settings.lanes : settings.poll_us,
                         cases[i].value);
        unsetenv(name);
    }
    static const char *const modes[] = {"ledger", "stock", "off"};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        setenv("ORDERCLERK_MODE", modes[i], 1);
        assert_loads(load(NULL));
        assert_string_equal(settings.mode, modes[i]);
    }
}

static void test_bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text, *remedy;
    } cases[] = {
        {"LANES", "", "from -2 to 64"},
        {"LANES", "65", "from -2 to 64"},
        {"LANES", "-3", "from -2 to 64"},
        {"LANES", "4 ", "from -2 to 64"},
        {"LANES", " 4", "from -2 to 64"},
        {"LANES", "+4", "from -2 to 64"},
        {"LANES", "4x", "from -2 to 64"},
        {"LANES", "0x4", "from -2 to 64"},
        {"LANES", "-", "from -2 to 64"},
        {"LANES", "99999999999999999999", "from -2 to 64"},
        {"POLL_INTERVAL", "", "from 500us to 1d"},
        {"POLL_INTERVAL", "20", "from 500us to 1d"},
        {"POLL_INTERVAL", "ms", "from 500us to 1d"},
        {"POLL_INTERVAL", "-1s", "from 500us to 1d"},
        {"POLL_INTERVAL", "499us", "from 500us to 1d"},
        {"POLL_INTERVAL", "25h", "from 500us to 1d"},
        {"POLL_INTERVAL", "1.5s", "from 500us to 1d"},
        {"POLL_INTERVAL", "20 ms", "from 500us to 1d"},
        {"POLL_INTERVAL", "20MS", "from 500us to 1d"},
        {"POLL_INTERVAL", "1h30m", "from 500us to 1d"},
        {"POLL_INTERVAL", "9223372036854775807d", "from 500us to 1d"},
        {"POLL_INTERVAL", "99999999999999999999us", "from 500us to 1d"},
        {"STRICT", "", "true or false"},
        {"STRICT", "yes", "true or false"},
        {"STRICT", "True", "true or false"},
        {"STRICT", "1", "true or false"},
        {"MODE", "", "ledger|stock|off"},
        {"MODE", "ledge", "ledger|stock|off"},
        {"MODE", "ledger|stock", "ledger|stock|off"},
        {"MODE", "OFF", "ledger|stock|off"},
        {"PG", "\xFF", "UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[64];
        snprintf(name, sizeof name, "ORDERCLERK_%s", cases[i].key);
        setenv(name, cases[i].text, 1);
        assert_refused(load(NULL), name, cases[i].remedy);
        setenv("ORDERCLERK_PG", "host=db", 1);
        if (strcmp(cases[i].key, "PG") != 0)
            unsetenv(name);
    }
}

static void test_unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *nearest;
    } variables[] = {
        {"ORDERCLERK_LANE", "ORDERCLERK_LANES"},
        {"ORDERCLERK_MDOE", "ORDERCLERK_MODE"},
        {"ORDERCLERK_PGPASSWORD", "ORDERCLERK_PG_PASSWORD"},
        {"ORDERCLERK_HTTP_PORT", "ORDERCLERK_HTTP_LISTEN"},
        {"ORDERCLERK_lanes", "ORDERCLERK_LANES"},
        {"ORDERCLERK_HOMES", "ORDERCLERK_"},
        {"ORDERCLERK_", "ORDERCLERK_PG"},
        {"ORDERCLERK_TEST", "ORDERCLERK_"},
        {"ORDERCLERK_STRICTXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
         "ORDERCLERK_"},
    };
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        setenv(variables[i].variable, "secret-value", 1);
        const struct err e = load(NULL);
        char start[40];
        snprintf(start, sizeof start, "%s", variables[i].variable);
        assert_refused(e, start, variables[i].nearest);
        assert_null(strstr(e.text, "secret-value"));
        unsetenv(variables[i].variable);
    }
    assert_refused(load_text("mode = off\nlanse = 3\n"), ":2: lanse", "nearest is lanes");
    assert_refused(load_text("LANES = 3\n"), ":1: LANES", "nearest is lanes");
    assert_refused(load_text(" = 3\n"), ":1: ", "nearest is ");
    const struct err none = config_load(NULL, 0, file_path);
    assert_refused(none, ":1: ", "no settings");
}

static void test_other_variables_are_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ORDERCLERK_HOME",       "ORDERCLERK_FAULT",    "ORDERCLERK_FAULT_CLOCK",
        "ORDERCLERK_PARTITIONS", "ORDERCLERK_BUILD",    "ORDERCLERK_KEEP",
        "ORDERCLERK_INTAKE_URL", "ORDERCLERK_DESK_URL", "ORDERCLERK_TEST_KAFKA",
        "ORDERCLERK_TEST_",      "ORDERCLERKX",         "ORDERCLERK",
        "XORDERCLERK_MODE"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        setenv(names[i], "anything", 1);
        assert_loads(load(NULL));
        unsetenv(names[i]);
    }
}

static void test_bad_files(void **state)
{
    (void)state;
    assert_refused(load("/nonexistent/orderclerk.conf"), "/nonexistent/orderclerk.conf", "No such file");
    assert_refused(load("/tmp"), "/tmp", "can't be read");
    assert_refused(load_text("mode = off\n\nmode = off\n"), ":3: mode", "line 1");
    const struct err e = load_text("mode = off\nsecret-word\n");
    assert_refused(e, ":2:", "key = value");
    assert_null(strstr(e.text, "secret-word"));
    assert_refused(load_text("lanes = 65\n"), ":1: lanes", "from -2 to 64");
    assert_refused(load_text("mode = \xFF\n"), file_path, "UTF-8");
    write_file(file_path, "mode = off\0\n", 12);
    assert_refused(load(file_path), file_path, "UTF-8");

    const size_t size = 1048577;
    char *large = malloc(size);
    memset(large, '\n', size);
    write_file(file_path, large, size);
    assert_refused(load(file_path), file_path, "more than");
    write_file(file_path, large, size - 1);
    assert_loads(load(file_path));
    free(large);
    assert_loads(load_text(""));
}

static void test_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *secret;
    } files[] = {{"s3cret", "s3cret"},
                 {"s3cret\n", "s3cret"},
                 {"s3cret\r\n\n", "s3cret"},
                 {" a b \n", " a b "},
                 {"", ""},
                 {"a\nb\n", "a\nb"}};
    char secret_path[] = "/tmp/orderclerk-secret-XXXXXX";
    assert_true(close(mkstemp(secret_path)) == 0);
    char reference[64];
    snprintf(reference, sizeof reference, "@%s", secret_path);
    setenv("ORDERCLERK_PG_PASSWORD", reference, 1);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        write_file(secret_path, files[i].text, strlen(files[i].text));
        assert_loads(load(NULL));
        assert_string_equal(settings.password, files[i].secret);
    }
    unlink(secret_path);
    assert_refused(load(NULL), "ORDERCLERK_PG_PASSWORD", "No such file");
    setenv("ORDERCLERK_PG_PASSWORD", "plain", 1);
    assert_loads(load(NULL));
    assert_string_equal(settings.password, "plain");
}

static char *shown(void (*show)(FILE *, const struct setting_table *, size_t))
{
    static char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");
    show(out, tables, COUNT_OF(tables));
    fclose(out);
    return text;
}

static void test_print(void **state)
{
    (void)state;
    assert_loads(load(NULL));
    assert_string_equal(shown(config_print), "pg = host=db\n"
                                             "pg_password = \n"
                                             "mode = ledger\n"
                                             "lanes = 4\n"
                                             "poll_interval = 20ms\n"
                                             "strict = true\n"
                                             "http_listen = 127.0.0.1:8080\n");
    setenv("ORDERCLERK_PG_PASSWORD", "s3cret", 1);
    assert_loads(load(NULL));
    assert_null(strstr(shown(config_print), "s3cret"));
    assert_non_null(strstr(shown(config_print), "pg_password = ***\n"));
    unsetenv("ORDERCLERK_PG_PASSWORD");

    assert_loads(load(NULL)); // what is printed can be read again
    char text[4096];
    snprintf(text, sizeof text, "%s", shown(config_print));
    unsetenv("ORDERCLERK_PG");
    assert_loads(load_text(text));
    assert_string_equal(shown(config_print), text);
}

static void test_help(void **state)
{
    (void)state;
    assert_string_equal(shown(config_help),
                        "| key | default | meaning |\n"
                        "|---|---|---|\n"
                        "| `pg` | must be given | PostgreSQL's connection string. |\n"
                        "| `pg_password` | empty | Password, or @file. |\n"
                        "| `mode` | `ledger` | What is kept. (`ledger`, `stock`, `off`) |\n"
                        "| `lanes` | `4` | Threads a\\|b. (-2 to 64) |\n"
                        "| `poll_interval` | `20ms` | Pause between polls. (500us to 1d) |\n"
                        "| `strict` | `true` | Refuse unknown fields. (`true`, `false`) |\n"
                        "| `http_listen` | `127.0.0.1:8080` | Address. |\n");
}

static void test_durations_come_back(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1us"},
        {1000, "1ms"},
        {1001, "1001us"},
        {90 * INSTANT_SECOND, "90s"},
        {120 * INSTANT_SECOND, "2m"},
        {48 * INSTANT_HOUR, "2d"},
        {36 * INSTANT_HOUR, "36h"},
        {INT64_MAX, "9223372036854775807us"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[SETTING_TEXT_SIZE];
        setting_format_duration(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t random = 29;
    for (int i = 0; i < 100000; i++) {
        const int64_t us = llabs(random_any(&random)) / (i % 2 ? 1 : INSTANT_MS) * (i % 2 ? 1 : INSTANT_MS);
        char text[SETTING_TEXT_SIZE];
        setting_format_duration(us, text);
        int64_t back;
        assert_true(setting_parse_duration(text, &back));
        assert_true(back == us);
    }
}

int main(void)
{
    const int file = mkstemp(file_path);
    if (file < 0)
        return 1;
    close(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, set_up),
        cmocka_unit_test_setup(test_environment_wins_over_file_and_file_over_default, set_up),
        cmocka_unit_test_setup(test_must_be_given, set_up),
        cmocka_unit_test_setup(test_good_values, set_up),
        cmocka_unit_test_setup(test_bad_values, set_up),
        cmocka_unit_test_setup(test_unknown_keys_name_the_nearest, set_up),
        cmocka_unit_test_setup(test_other_variables_are_left_alone, set_up),
        cmocka_unit_test_setup(test_bad_files, set_up),
        cmocka_unit_test_setup(test_secrets, set_up),
        cmocka_unit_test_setup(test_print, set_up),
        cmocka_unit_test_setup(test_help, set_up),
        cmocka_unit_test(test_durations_come_back),
    };
    const int failed = cmocka_run_group_tests_name("config", tests, NULL, NULL);
    unlink(file_path);
    return failed;
}
