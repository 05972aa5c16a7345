-- Every row belongs to a workspace, named in keys by its number: keys stay short, and the name
-- stands once. Tables keep their hidden rowid where rows are large or are purged in the order
-- they came; the others live in their key alone.

CREATE TABLE workspaces (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- state: 0 pending, 1 done, 2 dead
CREATE TABLE inbox (
    workspace INTEGER NOT NULL,
    account TEXT NOT NULL,
    dedupe TEXT NOT NULL,
    id BLOB NOT NULL,
    lane BLOB NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    reason TEXT,
    event TEXT,
    PRIMARY KEY (workspace, account, dedupe)
) STRICT;
CREATE INDEX inbox_pending ON inbox (workspace, id) WHERE state = 0;
CREATE INDEX inbox_lane ON inbox (workspace, lane, id) WHERE state = 0;
CREATE INDEX inbox_dead ON inbox (workspace, id) WHERE state = 2;

CREATE TABLE lanes (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    contact BLOB NOT NULL,
    format INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

-- status: 0 pending, 1 open, 2 snoozed, 3 resolved
-- routing: 0 none, 1 queued, 2 offered, 3 assigned, 4 wrapping
-- listed_at: what lists are ordered by before they are put in exact order. It trails updated_at by
-- less than a minute, so that a turn rewrites no index entry most of the time.
CREATE TABLE conversations (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    lane BLOB NOT NULL,
    contact BLOB NOT NULL,
    status INTEGER NOT NULL,
    routing INTEGER NOT NULL,
    skill TEXT,
    control_epoch INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    listed_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX conversations_status ON conversations (workspace, status, listed_at);
CREATE INDEX conversations_routing ON conversations (workspace, routing, listed_at) WHERE routing <> 0;
CREATE INDEX conversations_skill ON conversations (workspace, skill, listed_at) WHERE skill IS NOT NULL;
CREATE INDEX conversations_lane ON conversations (workspace, lane);
CREATE INDEX conversations_contact ON conversations (workspace, contact);

CREATE TABLE contacts (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    account TEXT NOT NULL,
    native_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX contacts_native ON contacts (workspace, account, native_id);

-- delivery: 0 queued, 1 sent, 2 delivered, 3 read, 4 failed, 5 uncertain
-- ours: 1 unless the customer wrote it. Only our own lines are looked up by their client_id; the
-- customer's are known by their inbox row.
-- version, journal: the turn's journal entry, on the last line that the turn wrote. A turn without
-- a line has a row in journal instead. The entry stands last, so that reading lines does not read it.
CREATE TABLE messages (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    conversation BLOB NOT NULL,
    lane BLOB NOT NULL,
    seq INTEGER NOT NULL,
    client_id TEXT,
    delivery INTEGER,
    delivery_code TEXT,
    created_at INTEGER NOT NULL,
    ours INTEGER NOT NULL,
    body TEXT NOT NULL,
    version INTEGER,
    journal BLOB,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX messages_seq ON messages (workspace, conversation, seq);
CREATE INDEX messages_client ON messages (workspace, conversation, client_id) WHERE client_id IS NOT NULL AND ours = 1;

CREATE TABLE events (
    workspace INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    conversation BLOB,
    at INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (workspace, seq)
) STRICT, WITHOUT ROWID;

-- state: 0 ready, 1 leased, 2 sent, 3 failed, 4 uncertain
-- at: not before, or leased until. due_at is the same, set on the one row of a lane that may
-- leave next and on no other: finding work costs nothing for the rows that wait behind it.
CREATE TABLE outbox (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    lane BLOB NOT NULL,
    conversation BLOB NOT NULL,
    seq INTEGER NOT NULL,
    message BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    due_at INTEGER,
    outcome TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX outbox_lane ON outbox (workspace, lane, conversation, seq) WHERE state < 2;
CREATE INDEX outbox_due ON outbox (workspace, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (workspace) WHERE state > 2;

CREATE TABLE timers (
    workspace INTEGER NOT NULL,
    lane BLOB NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,
    due_at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (workspace, lane, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_id ON timers (workspace, id);
CREATE INDEX timers_due ON timers (workspace, due_at);

CREATE TABLE actions (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    pending INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    result TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX actions_pending ON actions (workspace, created_at) WHERE pending = 1;

CREATE TABLE onces (
    workspace INTEGER NOT NULL,
    contact BLOB NOT NULL,
    key TEXT NOT NULL,
    action BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    result TEXT,
    PRIMARY KEY (workspace, contact, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX onces_expiry ON onces (expires_at);

-- Entries of turns that wrote no line; the others stand in messages.
CREATE TABLE journal (
    workspace INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    version INTEGER NOT NULL,
    lane BLOB NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (workspace, conversation, version)
) STRICT;

CREATE TABLE tickets (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    conversation BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX tickets_created ON tickets (workspace, created_at);
CREATE INDEX tickets_conversation ON tickets (workspace, conversation, created_at);

CREATE TABLE kv (
    workspace INTEGER NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (workspace, scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE files (
    workspace INTEGER NOT NULL,
    id BLOB NOT NULL,
    lane BLOB NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    workspace INTEGER NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (workspace, owner, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
    workspace INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    structure TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    files TEXT NOT NULL,
    PRIMARY KEY (workspace, name, hash)
) STRICT;
CREATE INDEX packs_structure ON packs (workspace, name, structure, created_at);

CREATE TABLE active_packs (
    workspace INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

-- One row, written by the readiness check.
CREATE TABLE heartbeat (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    beats INTEGER NOT NULL
) STRICT;
