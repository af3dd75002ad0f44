CREATE TABLE echo (
    order_id uuid PRIMARY KEY,
    count bigint NOT NULL CONSTRAINT echo_count CHECK (count < 1000),
    last text
);
