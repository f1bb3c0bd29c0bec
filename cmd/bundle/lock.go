package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A snapshot does not protect from all that others do to a table: one that has been
// rewritten or truncated since is empty in it, and one that was dropped or renamed
// can't be read (section "Caveats" of the chapter on MVCC). So all tables are locked
// before the snapshot is taken, as by nobody but who changes their definition would
// notice, and it is looked whether it has others than these.

// lockWait is how long a lock may be waited for at once: less than deadlock_timeout,
// so that nobody's transaction is ended for one that waits here.
const lockWait = 200 * time.Millisecond

// lockRetry is the time between two tries.
const lockRetry = 20 * time.Millisecond

// namesSQL are the tables of shapes.sql, in the order in which all of them lock.
const namesSQL = `select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'r' and c.relpersistence = 'p' and c.oid >= 16384 and c.relrewrite = 0 order by c.oid`

// begin begins a transaction with a snapshot in which every table can be read to the
// transaction's end. It waits for those who change tables.
func (s *snapshot) begin(ctx context.Context) error {
	names, err := s.names(ctx)
	for err == nil {
		var now []string
		err = s.lock(ctx, names)
		if err == nil {
			now, err = s.names(ctx)
		}
		if err == nil && slices.Equal(names, now) {
			return nil
		}
		if err != nil && !passes(err) {
			break
		}
		if _, err = s.conn.Exec(ctx, "rollback").ReadAll(); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
		names, err = s.names(ctx)
	}
	return err
}

// names gives the tables that there are.
func (s *snapshot) names(ctx context.Context) (names []string, err error) {
	r, err := s.conn.Exec(ctx, namesSQL).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	for _, row := range r[0].Rows {
		names = append(names, pgx.Identifier{string(row[0]), string(row[1])}.Sanitize())
	}
	return names, nil
}

// lock begins a transaction and locks tables. Nothing of it takes a snapshot.
func (s *snapshot) lock(ctx context.Context, names []string) error {
	sql := "begin isolation level repeatable read read only"
	if len(names) > 0 {
		sql += fmt.Sprintf("; set local lock_timeout = %d; lock table only %s in access share mode; set local lock_timeout = 0",
			lockWait.Milliseconds(), strings.Join(names, ", only "))
	}
	if _, err := s.conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("lock the tables: %w", err)
	}
	return nil
}

// passes tells whether locking tables has failed for what others do to them now.
func passes(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains([]string{
		"55P03", // lock_not_available
		"40P01", // deadlock_detected
		"42P01", // undefined_table
		"3F000", // invalid_schema_name
		"42809", // wrong_object_type: a view has the name now
	}, pg.Code)
}
