-- Mail waits here: written in the transaction that causes it, sent by a background task (core/mail).
CREATE TABLE mail_outbox (
    id                uuid        PRIMARY KEY,            -- UUIDv7: pruning by age is a range of the key
    template          text        NOT NULL,
    recipient         text        NOT NULL,
    payload_encrypted bytea,                              -- sealed context (reset tokens!); NULL once sent or given up
    attempts          integer     NOT NULL DEFAULT 0,     -- also the fencing number of a claim
    next_attempt_at   timestamptz,                        -- when due; while claimed, the end of the lease; NULL = finished
    give_up_at        timestamptz NOT NULL,               -- no attempt after this instant
    sent_at           timestamptz,
    failed_at         timestamptz,                        -- given up; neither sent nor failed and finished = skipped
    last_error        text,                               -- a class such as smtp_450, never content
    created_at        timestamptz NOT NULL,
    CONSTRAINT mail_outbox_one_end CHECK (
        num_nonnulls(next_attempt_at, sent_at, failed_at) <= 1
    )
);

-- Only what still waits is indexed, so claiming costs the same after a million sent mails.
CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
