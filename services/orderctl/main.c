// orderctl: what clerks, departments and operators do from the command line.
#include "orderctl/ctl.h"

#include <curl/curl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "orderctl [options] COMMAND …\n"
    "\n"
    "  order new                              asks for an order, submits it, shows what is wrong with it\n"
    "  order submit FILE                      a JSON order document\n"
    "  order import FILE.csv|FILE.ndjson      many\n"
    "  order list [--state S] [--waiting_on W] [--customer C] [--product P] [--phone N] [--customer_po R] "
    "[--order_no N] …\n"
    "  order show|timeline ORDER              ORDER is an order_id or an order_no, here and below\n"
    "  order cancel ORDER [--reason TEXT]\n"
    "  order answer ORDER FIELD=VALUE …       answers a clarification\n"
    "  order choose ORDER LINE wait|cancel|refuse|reduce=N|substitute=SKU\n"
    "  order resolve ORDER RETRY|PROCEED|CANCEL|WRITE_OFF --reason TEXT\n"
    "  task list [--owner WHO]\n"
    "  department reply DEPARTMENT ORDER TYPE [MEMBER=VALUE …]\n"
    "  reference import KIND FILE\n"
    "  stock show [--sku S] | receive SKU WAREHOUSE QUANTITY | import FILE\n"
    "  stock reconcile [--sku S] [--repair --reason TEXT]\n"
    "                                         counters against the ledger, the queue and the orders' shares\n"
    "  saga check|render|explain\n"
    "  saga verify [--since T] [--order ORDER] [--rate N] [--patience S]\n"
    "                                         rebuilds sagas from order-events and compares them with "
    "PostgreSQL;\n"
    "                                         T: an instant or 2h, 7d ago; N: records and rows a second "
    "(10000)\n"
    "  dead-letter list | show ID | retry ID --reason TEXT | discard ID --reason TEXT\n"
    "  ready URL                              whether a service is ready\n"
    "\n"
    "Options: --json (for programs), --wait [SECONDS] (until the order has ended or waits for somebody; "
    "--until STATE: until it\n"
    "is there), --key KEY (Idempotency-Key), --intake URL and --desk URL (else ORDERCLERK_INTAKE_URL, "
    "ORDERCLERK_DESK_URL).\n"
    "verify and reconcile read PostgreSQL as ORDERCLERK_PG_AUDIT (or --pg) says, with the role "
    "orderclerk_audit, and Kafka as\n"
    "ORDERCLERK_KAFKA and ORDERCLERK_TOPIC_PREFIX say (ORDERCLERK_KAFKA_SECURITY, _MECHANISM, _USER, "
    "_PASSWORD, _CA).\n"
    "Exit status: 0 done, all equal; 1 refused, 2 not understood, 3 no answer, 4 --wait ran out or orders "
    "are still on their\n"
    "way, 5 a check found something.\n";

const char *ctl_option(const struct ctl *ctl, const char *name)
{
    for (size_t i = 0; i < ctl->option_count; i++) {
        if (strcmp(ctl->options[i][0], name) == 0)
            return ctl->options[i][1];
    }
    return NULL;
}

const char *ctl_word(const struct ctl *ctl, int n)
{
    return n < ctl->argc ? ctl->argv[n] : NULL;
}

enum ctl_exit ctl_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("orderctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CTL_USAGE;
}

#define WAIT_DEFAULT_S 60

static bool is_number(const char *text)
{
    return text != NULL && text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

// Takes options out of argv; the words that are left are the command's. False: told why.
static bool parse(struct ctl *ctl, int argc, char **argv)
{
    ctl->argv = argv;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            ctl->argv[ctl->argc++] = argv[i];
            continue;
        }
        const char *name = argv[i] + 2;
        if (strcmp(name, "json") == 0) {
            ctl->json = true;
        } else if (strcmp(name, "repair") == 0) {
            ctl->repair = true;
        } else if (strcmp(name, "wait") == 0) {
            ctl->wait_s =
                is_number(i + 1 < argc ? argv[i + 1] : NULL) ? strtoll(argv[++i], NULL, 10) : WAIT_DEFAULT_S;
        } else if (i + 1 == argc || ctl->option_count == sizeof ctl->options / sizeof ctl->options[0]) {
            ctl_usage("%s needs a value", argv[i]);
            return false;
        } else {
            ctl->options[ctl->option_count][0] = name;
            ctl->options[ctl->option_count++][1] = argv[++i];
        }
    }
    if (ctl_option(ctl, "intake") != NULL)
        ctl->intake = ctl_option(ctl, "intake");
    if (ctl_option(ctl, "desk") != NULL)
        ctl->desk = ctl_option(ctl, "desk");
    ctl->idempotency_key = ctl_option(ctl, "key");
    if (ctl_option(ctl, "until") != NULL && ctl->wait_s < 0)
        ctl->wait_s = WAIT_DEFAULT_S;
    return true;
}

static enum ctl_exit run(struct ctl *ctl)
{
    static const struct {
        const char *noun;
        enum ctl_exit (*run)(struct ctl *ctl);
    } nouns[] = {{"order", ctl_order},         {"task", ctl_task},   {"department", ctl_department},
                 {"reference", ctl_reference}, {"stock", ctl_stock}, {"dead-letter", ctl_dead_letter},
                 {"saga", ctl_saga},           {"ready", ctl_ready}};
    for (size_t i = 0; ctl->argc > 0 && i < sizeof nouns / sizeof nouns[0]; i++) {
        if (strcmp(ctl->argv[0], nouns[i].noun) != 0)
            continue;
        ctl->argc--;
        ctl->argv++;
        return nouns[i].run(ctl);
    }
    if (ctl->argc == 0 || strcmp(ctl->argv[0], "help") == 0) {
        fputs(help, stdout);
        return ctl->argc == 0 ? CTL_USAGE : CTL_OK;
    }
    return ctl_usage("\"%s\" isn't a command; `orderctl help` lists them", ctl->argv[0]);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "C.UTF-8"); // widths of Chinese text, whatever the terminal says
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return CTL_OK;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct ctl ctl = {.arena = arena_new(1 << 16),
                      .intake = getenv("ORDERCLERK_INTAKE_URL"),
                      .desk = getenv("ORDERCLERK_DESK_URL"),
                      .wait_s = -1};
    enum ctl_exit status = parse(&ctl, argc - 1, argv + 1) ? run(&ctl) : CTL_USAGE;
    arena_free(ctl.arena);
    curl_global_cleanup();
    return (int)status;
}
