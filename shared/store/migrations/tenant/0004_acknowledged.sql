-- What a target has of a record: the payload that it acknowledged last. NULL where that is not known in full: before the
-- first delivery of this kind, after an archiving one, and after one that failed and may have had an effect all the same.
ALTER TABLE {schema}.cross_references ADD COLUMN acknowledged json;
