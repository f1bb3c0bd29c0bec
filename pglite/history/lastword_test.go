package history_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// lastWord is a connection that fails t when the server says anything after a
// FATAL error, which ends a session: pgx 5.7.6 panics when it reads a second one.
type lastWord struct {
	net.Conn
	t testing.TB

	mu   sync.Mutex
	head []byte // of the message that has begun
	body []byte // of an ErrorResponse
	rest int    // bytes of the message yet to come
	last string // the FATAL error
}

func dialLastWord(t testing.TB) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &lastWord{Conn: conn, t: t}, nil
	}
}

func (c *lastWord) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.follow(p[:n])
	return n, err
}

// Close first listens to what comes after a FATAL error: the end of the stream.
func (c *lastWord) Close() error {
	c.mu.Lock()
	over := c.last != ""
	c.mu.Unlock()
	if over {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.Copy(io.Discard, c)
	}
	return c.Conn.Close()
}

// follow finds the ends of messages.
func (c *lastWord) follow(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const header = 5
	for len(p) > 0 {
		if len(c.head) < header {
			c.head, p = append(c.head, p[0]), p[1:]
			if len(c.head) == header {
				c.rest = int(binary.BigEndian.Uint32(c.head[1:])) - 4
			}
		}
		n := 0
		if len(c.head) == header {
			n = min(c.rest, len(p))
		}
		if n > 0 && c.head[0] == 'E' {
			c.body = append(c.body, p[:n]...)
		}
		c.rest, p = c.rest-n, p[n:]
		if len(c.head) < header || c.rest > 0 {
			continue
		}
		if c.last != "" {
			c.t.Errorf("after %q the server says %c %q", c.last, c.head[0], c.body)
		}
		if bytes.HasPrefix(c.body, []byte("SFATAL\x00")) {
			c.last = string(c.body)
		}
		c.head, c.body = c.head[:0], c.body[:0]
	}
}
