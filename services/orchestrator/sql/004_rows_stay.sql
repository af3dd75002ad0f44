-- A saga's row is changed with each batch that moves it: room for its next versions on the same page, where only what differs
-- is logged.
ALTER TABLE saga SET (fillfactor = 40);
