package replication

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Client is the stream of messages with a client, or, seen from a session, with
// whom it serves. Read and Buffered are called by one goroutine; Write and Flush
// one at a time by any.
type Client interface {
	io.Reader
	io.Writer // buffered
	Flush() error
	// Buffered is how many bytes Read gives without waiting.
	Buffered() int
}

// errLeft says that the SQL session has ended: it has said why to the client.
var errLeft = errors.New("replication: the session has ended")

// backend is the SQL session behind a connection. It believes to serve a client;
// in truth the connection reads the client's messages and hands on one statement
// at a time, the client's own or one of the connection's, whose answer the client
// does not see.
//
// The session runs on a goroutine of its own, which close waits for. While a
// statement runs, that one reads from the client (COPY FROM STDIN) and the
// connection's waits; else it is the other way round. So what the client sends has
// one reader at a time.
type backend struct {
	client Client
	ctx    context.Context    // the connection's: with its end a statement ends
	cancel context.CancelFunc // ends the session, amid a statement
	done   chan struct{}
	err    error // of the session, once done is closed

	ready chan byte      // the status of ReadyForQuery, when a statement has ended
	give  chan statement // the next one
	end   chan struct{}  // closed: there is none

	// Of the session's goroutine.
	message []byte // begin of a message
	rest    int    // bytes of it that the client has

	out struct {
		sync.Mutex
		frames  frames
		capture *answer // of a statement of the connection's
		status  byte    // 0 while a statement runs
		copying bool    // the client's CopyData is wanted
	}
}

// statement is a Query message.
type statement struct {
	message []byte
	rest    int     // bytes of its body that the client has
	capture *answer // nil: the client's
}

// answer is what the session has answered to a statement of the connection's.
type answer struct {
	rows [][]*string
	err  *Error
}

// startBackend starts the session, which outlives ctx until close: it may have to
// clean up.
func startBackend(ctx context.Context, client Client, serve func(context.Context, Client) error) *backend {
	session, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &backend{client: client, ctx: ctx, cancel: cancel, done: make(chan struct{}), ready: make(chan byte, 1), give: make(chan statement), end: make(chan struct{})}
	b.out.capture = &answer{} // the first ReadyForQuery
	go func() {
		defer close(b.done)
		b.err = serve(session, b)
	}()
	return b
}

// awaitReady waits until the session waits for a statement.
func (b *backend) awaitReady() (status byte, err error) {
	for ended := b.ctx.Done(); ; {
		select {
		case status := <-b.ready:
			return status, nil
		case <-b.done:
			return 0, errLeft
		case <-ended:
			b.cancel()
			ended = nil
		}
	}
}

// pass lets the session answer the client's own Query: message is its begin, and
// the client has the rest.
func (b *backend) pass(message []byte, rest int) (status byte, err error) {
	return b.run(statement{message: message, rest: rest})
}

// query has the session run SQL for the connection.
func (b *backend) query(sql string) (*answer, byte, error) {
	a := &answer{}
	m := end(appendCString(begin(nil, 'Q'), sql), 0)
	status, err := b.run(statement{message: m, capture: a})
	return a, status, err
}

func (b *backend) run(s statement) (byte, error) {
	b.out.Lock()
	b.out.capture = s.capture
	b.out.Unlock()
	select {
	case b.give <- s:
	case <-b.done:
		return 0, errLeft
	}
	return b.awaitReady()
}

// close ends the session and waits for it.
func (b *backend) close() error {
	close(b.end)
	<-b.done
	b.cancel()
	return b.err
}

// Read gives the session its statements, and what belongs to them.
func (b *backend) Read(p []byte) (int, error) {
	if len(b.message) == 0 && b.rest == 0 {
		if err := b.nextMessage(); err != nil {
			return 0, err
		}
	}
	if len(b.message) > 0 {
		n := copy(p, b.message)
		b.message = b.message[n:]
		return n, nil
	}
	n, err := b.client.Read(p[:min(len(p), b.rest)])
	b.rest -= n
	return n, err
}

// nextMessage waits for a statement when the one before has ended, and else for
// the client's next CopyData.
func (b *backend) nextMessage() error {
	b.out.Lock()
	status := b.out.status
	b.out.status = 0
	b.out.Unlock()
	if status == 0 {
		h, err := readHeader(b.client)
		if err != nil {
			return err
		}
		b.message, b.rest = h.bytes(), h.size
		return nil
	}
	b.ready <- status
	select {
	case s := <-b.give:
		b.message, b.rest = s.message, s.rest
		return nil
	case <-b.end:
		return io.EOF
	}
}

// Buffered is 0 between statements: the session then flushes.
func (b *backend) Buffered() int {
	if len(b.message) > 0 || b.rest > 0 {
		return len(b.message) + min(b.rest, b.client.Buffered())
	}
	b.out.Lock()
	defer b.out.Unlock()
	if b.out.copying {
		return b.client.Buffered()
	}
	return 0
}

// Write takes what the session says.
func (b *backend) Write(p []byte) (int, error) {
	b.out.Lock()
	defer b.out.Unlock()
	var forward []byte
	b.out.frames.scan(p, b.out.capture != nil, func(typ byte, body []byte) {
		switch typ {
		case 'Z':
			b.out.status, b.out.copying = body[0], false
		case 'G':
			b.out.copying = true
		}
		if a := b.out.capture; a != nil && !a.take(typ, body) {
			at := len(forward)
			forward = end(append(begin(forward, typ), body...), at)
		}
	})
	if b.out.capture == nil {
		return b.client.Write(p)
	}
	if len(forward) > 0 {
		if _, err := b.client.Write(forward); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush lets what was written out.
func (b *backend) Flush() error {
	b.out.Lock()
	defer b.out.Unlock()
	return b.client.Flush()
}

// Close hangs up, for who ends an idle session.
func (b *backend) Close() error {
	if c, ok := b.client.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// say writes messages of the connection's own to the client.
func (b *backend) say(messages []byte) error {
	b.out.Lock()
	defer b.out.Unlock()
	if _, err := b.client.Write(messages); err != nil {
		return err
	}
	return b.client.Flush()
}

// take keeps a message of an answer, or tells that it is the client's all the
// same: what comes unasked, and the last words of the session.
func (a *answer) take(typ byte, body []byte) bool {
	switch typ {
	case 'D':
		a.rows = append(a.rows, parseDataRow(body))
	case 'E':
		severity, e := parseError(body)
		if severity == "FATAL" || severity == "PANIC" {
			return false
		}
		if a.err == nil {
			a.err = e
		}
	case 'A', 'S':
		return false
	}
	return true
}
