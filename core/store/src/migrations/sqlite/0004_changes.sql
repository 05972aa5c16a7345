-- The platform's ids of a line, to change what was sent.
CREATE INDEX natives_message ON natives (workspace, message);
