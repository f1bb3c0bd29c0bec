package oracle_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A message is one backend message as it came: type byte and body without the
// length. Type 0 stands for the end of the stream.
type message struct {
	kind byte
	body []byte
}

const endOfStream = 0

// A conn plays a script's steps on one server, over TCP, with nothing between
// the script and the bytes.
type conn struct {
	addr     string
	database string
	net      net.Conn
	r        *bufio.Reader
	copying  bool // the server has asked for COPY data
	simple   bool // and a ReadyForQuery is owed after it
}

// flush makes the server send what it holds back until Sync.
var flush = []byte{'H', 0, 0, 0, 4}

// answerTimeout only ends a test whose server has stopped answering.
const answerTimeout = 60 * time.Second

func (c *conn) start(params map[string]string) ([]message, error) {
	c.close()
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	c.net, c.r = nc, bufio.NewReader(nc)
	// The order of parameters is part of what the server sees.
	body := binary.BigEndian.AppendUint32(nil, pgproto3.ProtocolVersionNumber)
	all := map[string]string{"user": "postgres", "database": c.database}
	maps.Copy(all, params)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		body = append(body, k+"\x00"+all[k]+"\x00"...)
	}
	body = append(body, 0)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
	if err := c.write(frame); err != nil {
		return nil, err
	}
	return c.read(func(m message) bool { return m.kind == 'Z' || m.kind == 'E' })
}

// close ends the connection as clients do and waits for the server's side, so
// that its backend is free for the next.
func (c *conn) close() {
	if c.net == nil {
		return
	}
	if c.write([]byte{'X', 0, 0, 0, 4}) == nil {
		_, _ = io.Copy(io.Discard, c.r)
	}
	_ = c.net.Close()
	c.net, c.copying = nil, false
}

func (c *conn) write(b []byte) error { return send(c.net, b) }

func send(nc net.Conn, b []byte) error {
	if err := nc.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	_, err := nc.Write(b)
	return err
}

// read gives every message up to the one for which last is true, or up to the
// end of the stream, which is an answer like another.
func (c *conn) read(last func(message) bool) ([]message, error) {
	var out []message
	for {
		var head [5]byte
		_, err := io.ReadFull(c.r, head[:])
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				return out, fmt.Errorf("no answer: %w", err)
			}
			_ = c.net.Close()
			c.net = nil
			return append(out, message{kind: endOfStream}), nil
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n < 4 || n > 1<<30 {
			return out, fmt.Errorf("message %q has length %d", head[0], n)
		}
		m := message{kind: head[0], body: make([]byte, n-4)}
		if _, err := io.ReadFull(c.r, m.body); err != nil {
			return out, fmt.Errorf("message %q ends early: %w", head[0], err)
		}
		out = append(out, m)
		if m.kind == 'G' {
			c.copying = true
		}
		if last(m) {
			return out, nil
		}
	}
}

func (c *conn) play(s step) ([]message, error) {
	if s.until == untilStarted {
		return c.start(s.startup)
	}
	if c.net == nil || s.until == untilCopied && !c.copying {
		return nil, nil
	}
	if s.until != untilCopied {
		c.copying = false
	}
	if s.until == untilReplies && len(s.due) == 0 {
		return nil, c.write(s.send)
	}
	wrote := make(chan error, 1)
	if s.until == untilCopied && !c.simple {
		s.send = append(slices.Clone(s.send), flush...)
	}
	nc := c.net // read forgets it when the server hangs up
	go func() { wrote <- send(nc, s.send) }()
	out, err := c.read(c.lastOf(s))
	if err == nil && s.until == untilClosed && c.net != nil {
		err = errors.New("the server did not hang up")
	}
	if werr := <-wrote; err == nil && !ended(out) {
		err = werr
	}
	return out, err
}

func ended(out []message) bool {
	return len(out) > 0 && out[len(out)-1].kind == endOfStream
}

func (c *conn) lastOf(s step) func(message) bool {
	switch s.until {
	case untilClosed:
		return func(message) bool { return false }
	case untilCopied:
		c.copying = false
		if c.simple {
			return func(m message) bool { return m.kind == 'Z' }
		}
		return func(m message) bool { return m.kind == 'C' || m.kind == 'E' }
	case untilReplies:
		c.simple = false
		due := s.due
		return func(m message) bool {
			if m.kind == 'E' || m.kind == 'G' {
				return true
			}
			if len(due) > 0 && strings.IndexByte(string(due[0]), m.kind) >= 0 {
				due = due[1:]
			}
			return len(due) == 0
		}
	}
	c.simple = true
	owed := s.readies
	return func(m message) bool {
		if m.kind == 'Z' {
			owed--
		}
		return owed == 0 || s.copying && m.kind == 'G'
	}
}

// rows runs one statement and gives its rows as text; NULL is "\N".
func (c *conn) rows(sql string) ([][]string, error) {
	frame, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.play(step{send: frame, readies: 1})
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, m := range answer {
		switch m.kind {
		case 'E', endOfStream:
			return nil, fmt.Errorf("%s: %s", sql, strings.Join(m.fields(), ", "))
		case 'D':
			var d pgproto3.DataRow
			if err := d.Decode(m.body); err != nil {
				return nil, err
			}
			row := make([]string, len(d.Values))
			for i, v := range d.Values {
				row[i] = `\N`
				if v != nil {
					row[i] = string(v)
				}
			}
			out = append(out, row)
		}
	}
	return out, nil
}
