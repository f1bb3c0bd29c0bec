package wire

import (
	"encoding/binary"
	"time"
)

// pace follows a client's messages (type byte, length, body) and measures how
// long it makes the server wait in the middle of them. It belongs to the
// goroutine that reads.
//
// A message that has begun must go on: while the server waits for it, each
// limit must bring its end or another paceQuota of it. So a client that stops is
// gone after limit, and one that sends a byte now and then after limit for each
// quota, whatever it says its message's length is. Time between messages does
// not count, nor time in which the server does not read.
type pace struct {
	limit time.Duration // 0: none

	head   [5]byte
	n      int           // bytes of an incomplete head
	left   int           // bytes of the body that are to come
	came   int           // bytes of this quota
	begun  time.Time     // of the wait under way
	waited time.Duration // for this quota, before that
}

// paceQuota over a minute, the default, is the speed of a modem of 1990.
const paceQuota = 64 << 10

// within says whether a message has begun and not ended.
func (m *pace) within() bool { return m.n > 0 || m.left > 0 }

// advance takes the next bytes of the stream.
func (m *pace) advance(p []byte) {
	for len(p) > 0 {
		var k int
		if m.left > 0 {
			k = min(len(p), m.left)
			m.left -= k
		} else if k = copy(m.head[m.n:], p); m.n+k < len(m.head) {
			m.n += k
		} else {
			// What is no length ends the session, which sees it too.
			m.left = max(int(int32(binary.BigEndian.Uint32(m.head[1:]))), 4) - 4
			m.n = 0
		}
		p = p[k:]
		if m.came += k; m.came >= paceQuota || !m.within() {
			m.came, m.waited = 0, 0
		}
	}
}

// wait books the wait that has begun.
func (m *pace) wait(now time.Time) { m.waited += now.Sub(m.begun) }

// rest is how much longer the server waits.
func (m *pace) rest() time.Duration { return m.limit - m.waited }

// over says whether it has waited long enough.
func (m *pace) over() bool { return m.limit > 0 && m.within() && m.waited >= m.limit }
