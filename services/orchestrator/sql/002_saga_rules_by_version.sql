-- Orders keep the version of the table that they were started with: its rows are told apart by it. The whole of a rule is here,
-- so that a join explains any order:
--   SELECT h.revision, h.at, h.from_state, h.event, h.to_state, r.rule_id, r.when_text, r.why
--   FROM saga s JOIN saga_history h USING (order_id) JOIN saga_rule r ON r.version = s.definition_version AND r.rule_id = h.rule_id
--   WHERE s.order_no = 'SO…' ORDER BY h.revision;
DROP TABLE saga_rule;
CREATE TABLE saga_rule (
    version int NOT NULL,
    rule_id int NOT NULL,
    definitions text NOT NULL, -- standard, express
    kind text NOT NULL CHECK (kind IN ('MOVE', 'REFUSE', 'IGNORE', 'NEVER')),
    in_states text,            -- NULL: every state in which no rule above decides
    on_events text NOT NULL,
    when_name text,            -- NULL: always
    when_text text,
    to_state text,             -- NULL: stays; BACK: where the order was
    actions text,
    undone_by text,            -- the commands that take its actions back
    why text NOT NULL,
    PRIMARY KEY (version, rule_id)
);

-- The states as the table has them.
CREATE TABLE saga_state (
    state text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('PASSING', 'WAITING', 'ENDED', 'FINAL')),
    task text,
    text_en text,
    text_zh text
);
