package template

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// Apply runs the source on a cluster, as role postgres in database postgres.
func (s *Source) Apply(ctx context.Context, c *pglite.Cluster) error {
	config, err := driver.ConnConfig(c)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	for _, f := range s.scripts {
		if err = f.apply(ctx, conn.PgConn()); err != nil {
			break
		}
	}
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// apply runs one file, and leaves the session as a new one.
func (f *script) apply(ctx context.Context, conn *pgconn.PgConn) error {
	together := f.together && len(f.statements) > 1
	if together {
		if err := run(ctx, conn, "begin"); err != nil {
			return fmt.Errorf("%s: %w", f.file, err)
		}
	}
	for _, st := range f.statements {
		if err := st.apply(ctx, conn); err != nil {
			return f.explain(st, err)
		}
	}
	if together {
		if err := run(ctx, conn, "commit"); err != nil { // constraints that were deferred
			return f.explain(f.statements[len(f.statements)-1], err)
		}
	}
	if conn.TxStatus() != 'I' {
		last := f.statements[len(f.statements)-1]
		return &Error{File: f.file, Line: last.line, Message: "the file ends within a transaction that it has begun", Statement: beginning(last.sql)}
	}
	return run(ctx, conn, "discard all")
}

func (s *statement) apply(ctx context.Context, conn *pgconn.PgConn) error {
	if s.copy {
		_, err := conn.CopyFrom(ctx, strings.NewReader(s.rows), s.sql)
		return err
	}
	return run(ctx, conn, s.sql)
}

// run drops what a statement answers.
func run(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	return conn.Exec(ctx, sql).Close()
}

// copyLine is the context of an error in a row (CopyFromErrorCallback in
// src/backend/commands/copyfrom.c). A table's name may be anything.
var copyLine = regexp.MustCompile(`(?m)^COPY .*, line (\d+)(?:, column .*|: ".*|)$`)

// explain says where a statement has failed.
func (f *script) explain(s statement, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s:%d: %w", f.file, s.line, err)
	}
	e := &Error{
		File: f.file, Line: s.line, Code: refused.Code, Message: refused.Message,
		Detail: refused.Detail, Hint: refused.Hint, Statement: beginning(s.sql),
	}
	if row := copyLine.FindStringSubmatch(refused.Where); s.copy && row != nil {
		n, _ := strconv.Atoi(row[1]) // digits; none that a file has are too many
		e.Line = s.data + n - 1
	}
	if p := int(refused.Position); p > 0 { // a character of sql, from 1
		if runes := []rune(s.sql); p <= len(runes) {
			e.Line += strings.Count(string(runes[:p-1]), "\n")
		}
	}
	return e
}
