package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/wire"
)

// inProcess is a cluster of this process, and sessions used without a socket,
// one at a time. Its rate is the reciprocal of what the messages cost, which no
// number of clients can surpass while one backend runs at a time. It is measured
// where the aim is set. pgbench fills its tables by a socket.
func inProcess() *server {
	var cluster *pglite.Cluster
	s := &server{name: "in-process"}
	s.start = func(t testing.TB) (err error) {
		if cluster, err = pglite.Open(t.Context(), pglite.Options{}); err != nil {
			return err
		}
		front, err := wire.New(wire.Options{Cluster: cluster})
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- front.Serve(ctx, l) }()
		s.url = fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", l.Addr())
		s.stopOnce(t, func() {
			cancel()
			<-served
			if err := cluster.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	s.measure = func(l load) (result, error) {
		if l.clients != aimClients {
			return result{}, errNotMeasured
		}
		return measureInProcess(cluster, l)
	}
	return s
}

// warmUp is how long a session runs before the clock does.
const warmUp = 200 * time.Millisecond

func measureInProcess(cluster *pglite.Cluster, l load) (result, error) {
	ctx := context.Background()
	t, err := parse(l.script, l.mode)
	if err != nil {
		return result{}, err
	}
	session, err := cluster.NewSession(ctx, pglite.SessionOptions{User: "postgres"})
	if err != nil {
		return result{}, err
	}
	first, err := t.prepare()
	if err != nil {
		return result{}, errors.Join(err, session.Close())
	}
	length := time.Duration(*seconds) * time.Second
	if testing.Short() {
		length = warmUp
	}
	c := &sessionClient{in: first, messages: t, started: time.Now().Add(warmUp)}
	c.until = c.started.Add(length)
	if err := session.Serve(ctx, c); err != nil {
		return result{}, err
	}
	return result{float64(c.done) / c.took.Seconds(), c.cpu.Seconds() * 1e6 / float64(c.done)}, c.err
}

// sessionClient is a session's client without a goroutine in between: Read
// asks for the next statement when all of the last is answered.
type sessionClient struct {
	messages *transactions
	in, buf  []byte

	started, until time.Time     // of what is counted
	counting       bool          // the running transaction is to be counted
	done           int           // transactions since started
	took, cpu      time.Duration // by them; cpu is absolute until the end

	header []byte // of an answer, until it is whole
	body   int    // how much of the answer is still to come
	err    error  // the first that the backend has answered
}

func (c *sessionClient) Read(p []byte) (int, error) {
	if len(c.in) == 0 && !c.next() {
		return 0, io.EOF
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// next makes the messages of the next statement; false ends the session, which
// happens only between transactions.
func (c *sessionClient) next() bool {
	if c.messages.next == 0 {
		now := time.Now()
		if c.counting {
			c.done++
			c.took = now.Sub(c.started)
		}
		if c.err != nil || now.After(c.until) {
			c.cpu = treeCPU(os.Getpid()) - c.cpu
			return false
		}
		if !c.counting && now.After(c.started) { // warm
			c.started, c.counting, c.cpu = now, true, treeCPU(os.Getpid())
		}
	}
	var err error
	if c.buf, err = c.messages.statement(c.buf[:0]); err != nil {
		c.err = err
		return false
	}
	c.in = c.buf
	return true
}

// Write looks for ErrorResponse among the messages, which may be cut anywhere.
func (c *sessionClient) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if c.body > 0 {
			skipped := min(c.body, len(p))
			c.body -= skipped
			p = p[skipped:]
			continue
		}
		missing := min(5-len(c.header), len(p))
		c.header = append(c.header, p[:missing]...)
		p = p[missing:]
		if len(c.header) == 5 {
			if c.header[0] == 'E' && c.err == nil {
				c.err = errors.New("a statement failed in process")
			}
			c.body = int(binary.BigEndian.Uint32(c.header[1:])) - 4
			c.header = c.header[:0]
		}
	}
	return n, nil
}

func (c *sessionClient) Flush() error  { return nil }
func (c *sessionClient) Buffered() int { return len(c.in) }
