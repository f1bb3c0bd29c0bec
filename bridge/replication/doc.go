// Package replication serves Postgres' streaming replication protocol for logical
// slots, so that subscribers which know nothing of Howdah follow it: other Postgres
// servers, pg_recvlogical, change data capture of all kinds.
//
// What is streamed comes from the log of package feed. Postgres itself decodes
// nothing: a slot is a real one, made by Postgres, shown by pg_replication_slots and
// kept over restarts, but all that it is used for is its name, its plugin and
// confirmed_flush_lsn, where a stream goes on. What subscribers acknowledge is held
// in memory at once and told to the slot by pg_replication_slot_advance after some
// megabytes or a minute, and at the end of a stream. A crash forgets what was not told
// yet: the subscriber gets that again, unless it says from where on it wants to go
// on, as Postgres' own subscriptions do.
//
// # A connection
//
// A connection in replication mode has an SQL session like any other. Replication
// commands are taken out of what its client sends and answered here; all else is SQL
// by the simple protocol, and the session's. What a command needs of the database is
// asked by the same session, between the client's statements, so that permissions,
// transactions and errors are what they are in Postgres.
//
// # Where a snapshot meets the stream
//
// A subscriber that copies tables first makes a slot with SNAPSHOT 'export' or 'use'
// and gets a snapshot and a position: it sees all that was committed up to there and
// nothing beyond. Transactions become visible a moment after their commit records are
// in the log, though, and not in the same order. So a snapshot is taken, and the sets
// around it are looked at, each of which the snapshot sees or not, by its transaction.
// If there is a position with all that are seen on one side and all others on the
// other, that is the slot's; if not, another snapshot is taken. The slot, not the
// connection, then has all that is needed to join the two.
//
// # Differences from a walsender
//
//   - Only logical replication; a slot's plugin is pgoutput or howdah. SQL functions
//     that give a slot's changes are refused.
//   - Transactions are sent when they have been committed, each whole. Versions 2 to 4
//     of pgoutput's protocol are agreed to, streaming too, but nothing is sent before
//     its commit. So is two_phase: a prepared transaction is sent when it has been
//     committed, as if it had never been prepared.
//   - What is published is decided by the publications as they are when a change is
//     sent, or later than it, and not as they were when it was made. A change of a
//     publication is heeded by every transaction that could see it.
//   - Values are written with fixed settings (UTC, ISO dates), whatever the session's,
//     and with binary as text if package value has no binary form of their type
//     (tsvector, types of extensions).
//   - pg_replication_slots shows a slot as not active while a stream runs, and
//     pg_stat_replication no stream: pg_stat_activity has the session. SQL's
//     pg_drop_replication_slot drops such a slot, where Postgres refuses.
//   - A slot whose place is no more in the feed looks well in pg_replication_slots:
//     its subscriber is told, and the log.
//   - Failover of slots and ALTER_REPLICATION_SLOT, which could only change that and
//     two_phase, are refused.
package replication
