package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// TestTailFlushes: a change is printed at once, whatever has come together with it.
func TestTailFlushes(t *testing.T) {
	ours, theirs := net.Pipe()
	conn, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: ours, Frontend: pgproto3.NewFrontend(ours, ours), Config: mustParse(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	printed, out := io.Pipe()
	tail := newTail(conn, "json")
	tail.out = bufio.NewWriter(out)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tail.follow(ctx) }()

	message := func(typ byte, size int) []byte {
		b := make([]byte, size)
		b[0] = typ
		binary.BigEndian.PutUint64(b[1:], 1)
		return b
	}
	const line = `{"commit":true}`
	batch, err := (&pgproto3.CopyData{Data: append(message('w', 25), line...)}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if batch, err = (&pgproto3.CopyData{Data: message('k', 18)}).Encode(batch); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Write(batch); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(printed).ReadString('\n'); err != nil || got != line+"\n" {
		t.Errorf("printed %q, %v", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	_ = theirs.Close()
}

func mustParse(t *testing.T) *pgconn.Config {
	t.Helper()
	config, err := pgconn.ParseConfig("postgres://127.0.0.1/postgres")
	if err != nil {
		t.Fatal(err)
	}
	return config
}
