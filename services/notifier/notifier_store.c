// The notifier's table as the lane sees it. The checks are those of sql/.
#include "notifier/notifier_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct column columns[] = {
    COLUMN(struct notification_row, causing_event, COLUMN_UUID, false),
    COLUMN(struct notification_row, kind, COLUMN_TEXT, false),
    COLUMN(struct notification_row, channel, COLUMN_TEXT, false),
    COLUMN(struct notification_row, recipient, COLUMN_TEXT, false),
    COLUMN(struct notification_row, id, COLUMN_UUID, false),
    COLUMN(struct notification_row, order_id, COLUMN_UUID, false),
    COLUMN(struct notification_row, locale, COLUMN_TEXT, false),
    COLUMN(struct notification_row, state, COLUMN_TEXT, false),
    COLUMN(struct notification_row, reason, COLUMN_TEXT, true),
    COLUMN(struct notification_row, tries, COLUMN_I32, false),
    COLUMN(struct notification_row, created_at, COLUMN_INSTANT, false),
    COLUMN(struct notification_row, settled_at, COLUMN_INSTANT, true),
    COLUMN(struct notification_row, revision, COLUMN_I64, false),
};

static const char *check(const void *row)
{
    const struct notification_row *n = row;
    bool pending = bytes_is(n->state, NOTIFICATION_PENDING);
    if (!pending && !bytes_is(n->state, NOTIFICATION_SENT) && !bytes_is(n->state, NOTIFICATION_FAILED))
        return "notification_state_check";
    if (n->tries < 0)
        return "notification_tries_check";
    return pending == (n->settled_at == INSTANT_NONE) ? NULL : "notification_settled_check";
}

const struct table notification_table = {
    .name = "notification",
    .kind = TABLE_ROWS,
    .row_size = sizeof(struct notification_row),
    .columns = columns,
    .column_count = COUNT_OF(columns),
    .key_count = 4,
    .check = check,
};
