// Watermarks by ListOffsets.
#include "kafka/kafka_offsets.h"

struct err kafka_offsets_ask(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, enum kafka_end end,
                             int timeout_ms)
{
    if (list->cnt == 0)
        return err_ok();
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = end;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    // One request to each leader; the special timestamps -1 and -2 give the ends.
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_make(ERR_RETRY, "Kafka watermarks: %s", rd_kafka_err2str(code));
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        if (at->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_make(ERR_RETRY, "Kafka watermarks of %s [%d]: %s", at->topic, at->partition,
                            rd_kafka_err2str(at->err));
        if (at->offset < 0) // not in the answer
            return err_make(ERR_RETRY, "Kafka watermarks of %s [%d]: no answer", at->topic, at->partition);
    }
    return err_ok();
}

bool kafka_offsets_start(int64_t stored, int64_t low, int64_t high, bool compacted, int64_t *ret_start)
{
    if (stored < 0 || (compacted && stored < low))
        stored = low;
    if (stored < low || stored > high)
        return false;
    *ret_start = stored;
    return true;
}
