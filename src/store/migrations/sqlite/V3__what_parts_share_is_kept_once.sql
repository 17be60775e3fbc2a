-- An older binary would send a mail of which it has the first line alone.
UPDATE schema_floor SET oldest_binary_schema = 3;

-- The part, of the same delivery and form, with whose bytes this one goes on behind its `body`, and from which byte, the
-- first being 1: the mail to each of several recipients differs in its envelope alone.
ALTER TABLE parts ADD COLUMN goes_on_as INTEGER;
ALTER TABLE parts ADD COLUMN goes_on_from INTEGER;
