-- The edge of channels: an outbox for each account, windows, reply contexts, native ids, receipts.

-- held: why a ready row waits for the customer rather than for its time alone.
-- tried_at: when its first attempt began that counts.
ALTER TABLE outbox ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN held TEXT;
ALTER TABLE outbox ADD COLUMN tried_at INTEGER;
-- 1 while it is leased again after a lease that ran out.
ALTER TABLE outbox ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET account = coalesce(json_extract(body, '$.account'), '');
-- Use contexts were the inbound's own before; rows that wait go out without one.
UPDATE outbox SET body = json_remove(body, '$.reply_context')
    WHERE json_extract(body, '$.reply_context') IS NOT NULL;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (workspace, account, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE reaches (
    workspace INTEGER NOT NULL,
    lane BLOB NOT NULL,
    heard_at INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    reply TEXT,
    reply_used INTEGER NOT NULL,
    PRIMARY KEY (workspace, lane)
) STRICT, WITHOUT ROWID;

-- also: other lines that left with the message; more: further sends of the same line followed this one.
CREATE TABLE natives (
    workspace INTEGER NOT NULL,
    account TEXT NOT NULL,
    native TEXT NOT NULL,
    outbox BLOB NOT NULL,
    message BLOB NOT NULL,
    also TEXT,
    lane BLOB NOT NULL,
    conversation BLOB NOT NULL,
    seq INTEGER NOT NULL,
    more INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (workspace, account, native)
) STRICT;

CREATE TABLE parked (
    workspace INTEGER NOT NULL,
    account TEXT NOT NULL,
    native TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    code TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (workspace, account, native)
) STRICT;

CREATE TABLE unknowns (
    workspace INTEGER NOT NULL,
    account TEXT NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (workspace, account, id)
) STRICT;
