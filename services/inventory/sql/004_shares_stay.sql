-- A share changes when its goods leave; with the quantities in the index's condition every such change was a new row in both
-- indexes. The product alone never changes.
DROP INDEX allocation_sku;
CREATE INDEX allocation_sku ON allocation (sku);
ALTER TABLE allocation SET (fillfactor = 50);
