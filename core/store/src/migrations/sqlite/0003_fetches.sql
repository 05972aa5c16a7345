-- Media that customers sent and that are still on their platform. due_at: none once given up.
CREATE TABLE fetches (
    workspace INTEGER NOT NULL,
    file BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, file)
) STRICT;
CREATE INDEX fetches_due ON fetches (workspace, due_at) WHERE due_at IS NOT NULL;
