-- Tasks are looked up by their order: one index in the place of two.
ALTER TABLE task DROP CONSTRAINT task_pkey;
DROP INDEX task_order;
ALTER TABLE task ADD PRIMARY KEY (order_id, task_id);
