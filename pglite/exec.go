package pglite

import (
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/runtime"
)

// execute runs the guest on what feed has until it has taken all of it, and
// lets it say ReadyForQuery if it wants to. The error is errExited, or a
// *runtime.Trap when the backend is lost. REQUIRES: entered.
func (b *backend) execute(f feed, s sink) error {
	if b.ended {
		return errExited
	}
	b.stood, b.forced = stood{}, 0
	b.feed, b.sink = f, s
	defer func() { b.feed, b.sink = nil, nil }()
	if b.mem.LoadUint32(b.addr.interruptPending) == 0 { // as an ERROR leaves it
		b.mem.StoreUint32(b.addr.interruptPending, breath.Start)
	}
	for {
		if err := b.loopOnce(); err != nil {
			return err
		}
		n, err := b.call0("pq_buffer_remaining_data", b.fn.remaining)
		if err != nil {
			return err
		}
		if n == 0 && feedEmpty(f) {
			break
		}
	}
	_, ofClient := f.(*Session)
	b.countTransactions(ofClient)
	_, err := b.call0("PostgresSendReadyForQueryIfNecessary", b.fn.readyIfNecessary)
	if err == nil {
		b.countTransactions(ofClient)
	}
	return err
}

// feedEmpty tells whether a feed has given all of its messages.
func feedEmpty(f feed) bool {
	e, ok := f.(interface{ empty() bool })
	return !ok || e.empty()
}

func (f *bytesFeed) empty() bool { return len(f.b) == 0 }

// loopOnce runs one turn of PostgresMain's loop. An ERROR that nobody caught
// leaves it by exit(100): the stack is put back and PostgresMainLongJmp does
// what the handler at the top of PostgresMain does.
func (b *backend) loopOnce() error {
	const uncaught = 100
	sp := b.inst.StackPointer()
	err := b.inst.CallInto("PostgresMainLoopOnce", b.fn.loopOnce, b.stack[:])
	for err != nil {
		var exit *runtime.ExitError
		if !errors.As(err, &exit) {
			return err
		}
		if exit.Code != uncaught {
			return b.exited()
		}
		b.inst.SetStackPointer(sp)
		err = b.inst.CallInto("PostgresMainLongJmp", b.fn.longJmp, b.stack[:])
	}
	return nil
}

// exited notes that the guest has run its exit. What it said is in its own
// buffer or already out (Postgres flushes a FATAL error). REQUIRES: entered.
func (b *backend) exited() error {
	b.close()
	return errExited
}

// call0 calls an export without parameters for its result.
func (b *backend) call0(name string, f runtime.Function) (uint32, error) {
	b.stack[0] = 0
	err := b.inst.CallInto(name, f, b.stack[:])
	if err != nil && isExit(err) {
		return 0, b.exited()
	}
	return uint32(b.stack[0]), err
}

// protect runs calls into the guest outside the message loop, in a
// transaction of their own if need be. An ERROR comes back as *Error.
// REQUIRES: entered.
func (b *backend) protect(do func() error) error {
	out := &replySink{}
	b.feed, b.sink = &bytesFeed{}, out
	defer func() { b.feed, b.sink = nil, nil }()
	sp := b.inst.StackPointer()
	err := do()
	var exit *runtime.ExitError
	switch {
	case err == nil:
		b.inst.SetStackPointer(sp)
		return nil
	case !errors.As(err, &exit):
		return err
	case exit.Code != 100:
		return b.exited()
	}
	b.inst.SetStackPointer(sp)
	// What the handler of PostgresMain does, and the ReadyForQuery that it leaves
	// to be said, which no client is to get.
	for _, f := range [...]string{"PostgresMainLongJmp", "PostgresSendReadyForQueryIfNecessary", "pgl_pq_flush"} {
		if _, err := b.inst.Call(f); err != nil {
			return err
		}
	}
	if out.err == nil {
		return fmt.Errorf("pglite: an error without a message")
	}
	return out.err
}

// isExit tells whether a call ended because the guest called exit.
func isExit(err error) bool {
	var exit *runtime.ExitError
	return errors.As(err, &exit)
}

// query runs SQL of the host's own as a simple query and returns the rows of
// all its statements. REQUIRES: entered, and no transaction open.
func (b *backend) query(sql string) ([][]string, error) {
	out := &replySink{}
	if err := b.execute(&bytesFeed{message('Q', cstring(sql))}, out); err != nil {
		return nil, err
	}
	if out.err != nil {
		return nil, out.err
	}
	return out.rows, nil
}

// run passes the session's current message to the guest, and what is at hand of
// its batch: under load a turn costs more than most messages. It tells after a
// transaction whether the session needs this backend further on. The error may
// be errAnswered, for the current message.
func (b *backend) run(s *Session) (pinned bool, err error) {
	err = b.do(func() (err error) {
		pinned, err = b.runBatch(s)
		return err
	})
	return pinned, err
}

// runBatch is run for who has entered.
func (b *backend) runBatch(s *Session) (pinned bool, err error) {
	if err := s.c.Err(); err != nil { // what the backend holds may be on no disk
		return false, err
	}
	b.inst.PutUint32(b.inst.Uint32(waitEventAddr), 0)
	s.running(b)
	defer s.rests(b)
	for more := true; more; {
		if err := s.inspect(); err != nil {
			return false, err
		}
		s.status = 0
		if err := b.execute(s, s); err != nil {
			return false, err
		}
		if more, err = s.advance(); err != nil {
			return false, err
		}
	}
	if b.srv.condemned.Load() {
		s.answer = s.answer[:0]
		return false, errCondemned
	}
	b.waitForClient(s.status)
	if s.status != 'I' {
		return false, nil
	}
	return b.pinned(s)
}

// errCondemned keeps back the answer of a session whose server ends.
var errCondemned = errors.New("pglite: the server ends")

// waitForClient leaves the guest as Postgres is while it waits for the next
// message. PostgresMain does this at the top of its loop, which here runs only
// when there is one. REQUIRES: entered.
func (b *backend) waitForClient(status byte) {
	i := b.inst
	if status == 'T' {
		b.dropCatalogSnapshot()
	}
	i.PutUint32(i.Uint32(waitEventAddr), clientRead)
}

// dropCatalogSnapshot is InvalidateCatalogSnapshotConditionally, so that a
// transaction that waits for its client does not keep rows from VACUUM.
func (b *backend) dropCatalogSnapshot() {
	i := b.inst
	first := i.Uint32(registeredSnapshotsAddr)
	if i.Uint32(catalogSnapshotAddr) == 0 || i.Uint32(activeSnapshotAddr) != 0 ||
		first == 0 || i.Uint32(first) != 0 { // it has children: others are registered, too
		return
	}
	i.PutUint32(registeredSnapshotsAddr, 0)
	i.PutUint32(catalogSnapshotAddr, 0)
	i.PutUint32(transactionXminAddr, 0)
	i.PutUint32(i.Uint32(b.addr.myProc)+procXminAt, 0)
}

// flushTo sends what the guest has answered and keeps in its buffer, to s.
// REQUIRES: entered.
func (b *backend) flushTo(s sink) error {
	if b.ended {
		return errExited
	}
	b.feed, b.sink = &bytesFeed{}, s
	defer func() { b.feed, b.sink = nil, nil }()
	_, err := b.call0("pgl_pq_flush", b.fn.flush)
	return err
}

// interject runs a message of the host's own in the middle of s's batch, with
// its answer to out and what the guest has answered s before to s. REQUIRES:
// entered, between messages.
func (b *backend) interject(s *Session, m []byte, out sink) error {
	if err := b.flushTo(s); err != nil {
		return err
	}
	if err := b.execute(&bytesFeed{m}, out); err != nil {
		return err
	}
	return b.flushTo(out)
}
