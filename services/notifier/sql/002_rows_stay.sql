-- Each notification is settled once: without an index that names its state the row stays where it is.
DROP INDEX notification_pending;
ALTER TABLE notification SET (fillfactor = 50);
