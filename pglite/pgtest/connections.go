package pgtest

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connections are those within this process that are open, those of the pools
// included.
type connections struct {
	mu   sync.Mutex
	open map[*connection]bool
}

// connection knows who has taken it last.
type connection struct {
	net.Conn
	of *connections

	mu    sync.Mutex
	taker []uintptr
}

// dial books what is dialled.
func (c *connections) dial(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := &connection{Conn: nc, of: c}
		conn.take()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open == nil {
			c.open = map[*connection]bool{}
		}
		c.open[conn] = true
		return conn, nil
	}
}

// all are those that are open.
func (c *connections) all() (all []*connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		all = append(all, conn)
	}
	return all
}

// Close returns when the session has ended.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// taken notes that a pool gives a connection to its caller.
func taken(conn *pgx.Conn) {
	if c, ok := conn.PgConn().Conn().(*connection); ok {
		c.take()
	}
}

func (c *connection) take() {
	pcs := make([]uintptr, 64)
	pcs = pcs[:runtime.Callers(2, pcs)]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taker = pcs
}

// libraries are packages whose frames stand between a test and its connection.
var libraries = []string{"github.com/jackc/", "database/sql.", "runtime.", "context.", "sync.", "github.com/howdahdb/howdah/pglite/pgtest."}

// place is where the connection was taken, as far as it can be told: pools dial
// on goroutines of their own.
func (c *connection) place() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := runtime.CallersFrames(c.taker)
frames:
	for {
		f, more := frames.Next()
		if !more {
			return "on a goroutine of a pool"
		}
		for _, l := range libraries {
			if strings.HasPrefix(f.Function, l) {
				continue frames
			}
		}
		return fmt.Sprintf("at %s:%d", f.File, f.Line)
	}
}
