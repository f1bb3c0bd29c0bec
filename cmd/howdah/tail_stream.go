package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/bridge/change"
)

// tail is a stream that is printed.
type tail struct {
	conn    *pgconn.PgConn
	format  string
	out     *bufio.Writer
	decoder change.Decoder
	buf     []byte
	printed pglogrepl.LSN // up to here everything has been, once out is flushed
	told    time.Time     // when the server last heard of it
}

// tellEvery is how often the server hears how far the output is; it gives up after
// wal_sender_timeout, a minute by default.
const tellEvery = 10 * time.Second

// leaveWithin is for telling it for the last time.
const leaveWithin = 2 * time.Second

func newTail(conn *pgconn.PgConn, format string) *tail {
	return &tail{conn: conn, format: format, out: bufio.NewWriterSize(os.Stdout, 1<<16), told: time.Now()}
}

// run prints until ctx ends or nothing more comes. What was printed is told to the
// server at the end, so that a slot goes on right there.
func (t *tail) run(ctx context.Context) error {
	err := t.follow(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if terr := t.tell(last, true); err == nil || ctx.Err() != nil {
		err = terr
	}
	return err
}

func (t *tail) follow(ctx context.Context) error {
	for {
		if err := t.tell(ctx, false); err != nil {
			return err
		}
		wait, cancel := context.WithDeadline(ctx, t.told.Add(tellEvery))
		m, err := t.conn.ReceiveMessage(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && pgconn.Timeout(err):
			continue
		case err != nil:
			return fmt.Errorf("the server has gone: %w", err)
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			err = t.message(ctx, m.Data)
		case *pgproto3.CopyDone:
			return errors.New("the server has ended the stream")
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		}
		if err == nil && t.conn.Frontend().ReadBufferLen() == 0 { // the next one is to be waited for
			err = t.out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func (t *tail) message(ctx context.Context, b []byte) error {
	switch b[0] {
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(b[1:])
		if err != nil {
			return err
		}
		whole, err := t.print(x.WALData)
		if whole {
			t.printed = max(t.printed, x.WALStart)
		}
		return err
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(b[1:])
		if err != nil {
			return err
		}
		// It comes when everything before it has been sent.
		t.printed = max(t.printed, k.ServerWALEnd)
		return t.tell(ctx, k.ReplyRequested)
	}
	return nil
}

// print tells, too, whether b ends a transaction, or the rows that there were.
func (t *tail) print(b []byte) (whole bool, err error) {
	if t.format == "json" {
		whole = bytes.HasSuffix(b, []byte(`,"commit":true}`))
		_, err = t.out.Write(append(b, '\n'))
	} else {
		var s *change.Set
		if s, _, err = t.decoder.Decode(b); err != nil {
			return false, err
		}
		whole = !s.More
		if t.format == "sql" {
			t.buf = change.AppendSQL(t.buf[:0], s)
			b = t.buf
		}
		_, err = t.out.Write(b)
	}
	return whole && err == nil, err
}

// tell acknowledges what has been printed, now and then or at once.
func (t *tail) tell(ctx context.Context, now bool) error {
	if !now && time.Since(t.told) < tellEvery {
		return nil
	}
	if err := t.out.Flush(); err != nil {
		return err
	}
	t.told = time.Now()
	return pglogrepl.SendStandbyStatusUpdate(ctx, t.conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: t.printed})
}
