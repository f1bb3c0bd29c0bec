package driver_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/wire"
)

func benchTable(b *testing.B, exec func(sql string) error) {
	b.Helper()
	if err := exec("drop table if exists bench; create table bench as select i as id, md5(i::text) as v from generate_series(1, 10000) i; create unique index on bench (id)"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPointSelect runs a prepared select of one row: through database/sql,
// through pgx in process and over TCP, and as bare messages to a session, which
// is what all of them pay for the backend.
func BenchmarkPointSelect(b *testing.B) {
	const query = "select v from bench where id = $1"
	b.Run("session", func(b *testing.B) { benchSession(b, query) })
	b.Run("pgx", func(b *testing.B) { benchPgx(b, connect(b), query) })
	b.Run("tcp", func(b *testing.B) { benchPgx(b, connectTCP(b), query) })
	b.Run("sql", func(b *testing.B) {
		b.ReportAllocs()
		db, err := driver.OpenDB(open(b))
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		benchTable(b, func(sql string) error { _, err := db.Exec(sql); return err })
		stmt, err := db.Prepare(query)
		if err != nil {
			b.Fatal(err)
		}
		defer stmt.Close()
		var v string
		for i := 0; b.Loop(); i++ {
			if err := stmt.QueryRow(i%10000 + 1).Scan(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchPgx(b *testing.B, conn *pgx.Conn, query string) {
	b.ReportAllocs()
	benchTable(b, func(sql string) error { _, err := conn.Exec(b.Context(), sql); return err })
	if _, err := conn.Prepare(b.Context(), "point", query); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background() // without cancellation, as many programs run it
	var v string
	for i := 0; b.Loop(); i++ {
		if err := conn.QueryRow(ctx, "point", i%10000+1).Scan(&v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	b.ReportAllocs()
	conn := connect(b)
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "create temp table ins (id int primary key, v text)"); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Prepare(ctx, "ins", "insert into ins values ($1, $2)"); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := conn.Exec(ctx, "ins", i, "some value"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCopyFrom reports rows/s of two columns.
func BenchmarkCopyFrom(b *testing.B) {
	b.ReportAllocs()
	conn := connect(b)
	ctx := context.Background()
	const rows = 10000
	if _, err := conn.Exec(ctx, "create temp table cp (id int, v text)"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, err := conn.CopyFrom(ctx, pgx.Identifier{"cp"}, []string{"id", "v"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			return []any{i, "a value of ordinary length, say"}, nil
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkConnect(b *testing.B) {
	b.ReportAllocs()
	config, err := driver.ConnConfig(open(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		conn, err := pgx.ConnectConfig(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		conn.Close(b.Context())
	}
}

// connectTCP connects by the loopback interface.
func connectTCP(b *testing.B) *pgx.Conn {
	b.Helper()
	server, err := wire.New(wire.Options{Cluster: open(b)})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(b.Context(), l) }()
	b.Cleanup(func() { <-served })
	config, err := driver.ConnConfig(open(b))
	if err != nil {
		b.Fatal(err)
	}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	}
	conn, err := pgx.ConnectConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// script is a client of a session without a goroutine in between: Read asks for
// the next messages when all answers have been written.
type script struct {
	next func() []byte // nil ends the session
	in   []byte
	out  int64
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		if s.in = s.next(); s.in == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) { s.out += int64(len(p)); return len(p), nil }
func (s *script) Flush() error                { return nil }
func (s *script) Buffered() int               { return len(s.in) }

func benchSession(b *testing.B, query string) {
	b.ReportAllocs()
	conn := connect(b)
	benchTable(b, func(sql string) error { _, err := conn.Exec(b.Context(), sql); return err })
	conn.Close(b.Context())
	session, err := open(b).NewSession(b.Context(), pglite.SessionOptions{User: "postgres", Database: "postgres"})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	add := func(messages ...pgproto3.FrontendMessage) []byte {
		buf = buf[:0]
		for _, m := range messages {
			if buf, err = m.Encode(buf); err != nil {
				b.Fatal(err)
			}
		}
		return buf
	}
	prepared := false
	param := make([]byte, 4)
	bind := &pgproto3.Bind{PreparedStatement: "point", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{param}, ResultFormatCodes: []int16{0}}
	i := 0
	client := &script{next: func() []byte {
		if !prepared {
			prepared = true
			return add(&pgproto3.Parse{Name: "point", Query: query}, &pgproto3.Sync{})
		}
		if !b.Loop() {
			return nil
		}
		i++
		binary.BigEndian.PutUint32(param, uint32(i%10000+1))
		return add(bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	}}
	if err := session.Serve(b.Context(), client); err != nil {
		b.Fatal(err)
	}
}

var _ pglite.Client = (*script)(nil)
