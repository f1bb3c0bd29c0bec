package replication_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/bridge/wal"
)

// subscriber streams a slot.
type subscriber struct {
	t    *testing.T
	conn *pgconn.PgConn
	at   wal.LSN // the end of the server's log, as it has said last
}

// subscribe starts a stream.
func subscribe(t *testing.T, conn *pgconn.PgConn, command string) *subscriber {
	t.Helper()
	s := &subscriber{t: t, conn: conn}
	conn.Frontend().Send(&pgproto3.Query{String: command})
	s.flush()
	for {
		switch m := s.receive().(type) {
		case *pgproto3.CopyBothResponse:
			return s
		case *pgproto3.ErrorResponse:
			t.Fatalf("%s: %s %s", command, m.Code, m.Message)
		}
	}
}

func (s *subscriber) flush() {
	s.t.Helper()
	if err := s.conn.Frontend().Flush(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subscriber) receive() pgproto3.BackendMessage {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	m, err := s.conn.ReceiveMessage(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// next gives the next payload. Keepalives are answered when they ask for it.
func (s *subscriber) next() []byte {
	s.t.Helper()
	for {
		if payload, ok := s.step(); ok {
			return payload
		}
	}
}

// step takes one message, a payload or a keepalive.
func (s *subscriber) step() ([]byte, bool) {
	s.t.Helper()
	switch m := s.receive().(type) {
	case *pgproto3.CopyData:
		switch b := m.Data; {
		case b[0] == 'w' && len(b) > 25:
			return append([]byte(nil), b[25:]...), true
		case b[0] == 'k' && len(b) == 18:
			at := wal.LSN(binary.BigEndian.Uint64(b[1:]))
			if at < s.at {
				s.t.Errorf("the stream goes back from %v to %v", s.at, at)
			}
			s.at = at
			if b[17] == 1 {
				s.status(0)
			}
		default:
			s.t.Fatalf("unknown message %q", b)
		}
	case *pgproto3.ErrorResponse:
		s.t.Fatalf("the stream has failed: %s %s", m.Code, m.Message)
	}
	return nil, false
}

// status is a standby status update: all up to a position is written and flushed.
func (s *subscriber) status(at wal.LSN) {
	s.t.Helper()
	b := []byte{'r'}
	for range 3 {
		b = binary.BigEndian.AppendUint64(b, uint64(at))
	}
	s.conn.Frontend().Send(&pgproto3.CopyData{Data: append(binary.BigEndian.AppendUint64(b, 0), 0)})
	s.flush()
}

// stop ends the stream from the client's side, and gives the tags of the commands
// that the server then says to have completed.
func (s *subscriber) stop() (tags []string) {
	s.t.Helper()
	s.conn.Frontend().Send(&pgproto3.CopyDone{})
	s.flush()
	for {
		switch m := s.receive().(type) {
		case *pgproto3.CopyDone:
			tags = append(tags, "CopyDone")
		case *pgproto3.CommandComplete:
			tags = append(tags, string(m.CommandTag))
		case *pgproto3.ReadyForQuery:
			return append(tags, fmt.Sprintf("%c", m.TxStatus))
		case *pgproto3.ErrorResponse:
			s.t.Fatalf("end of the stream: %s %s", m.Code, m.Message)
		}
	}
}
