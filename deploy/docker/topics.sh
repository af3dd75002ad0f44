#!/usr/bin/env bash
# Creates the topics of proto/topics.def on BROKER with PARTITIONS partitions each, names beginning with PREFIX.
# Compacted ones keep everything for a day: the desk must see the newest record of a key to know an older one behind it.
set -euo pipefail
while IFS= read -r line; do
  [[ $line == TOPIC\(* ]] || continue
  IFS=, read -r _ _ name _ _ _ _ cleanup hours _ <<<"${line//\"/}"
  name=${name// /} cleanup=${cleanup// /} hours=${hours// /}
  if [[ $cleanup == COMPACT ]]; then
    config="cleanup.policy=compact,min.compaction.lag.ms=86400000"
  else
    config="cleanup.policy=delete,retention.ms=$((hours * 3600000))"
  fi
  args=()
  IFS=, read -ra settings <<<"$config"
  for setting in "${settings[@]}"; do args+=(--config "$setting"); done
  /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$BROKER" --create --if-not-exists --topic "$PREFIX$name.v1" \
    --partitions "$PARTITIONS" --replication-factor 1 "${args[@]}"
done < /topics.def
