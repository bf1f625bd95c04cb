-- From version 4 to 5: where the parts of an object end. Of an object that is there already this is
-- not known.

ALTER TABLE inbox_objects ADD COLUMN part_sizes TEXT;
