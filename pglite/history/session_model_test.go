package history_test

import (
	"maps"
	"math"
	"math/bits"
	"slices"
)

// A session is what Postgres keeps for one client, as far as the test can see
// it, by the documentation and by what a native server does.
type session struct {
	transactional
	// before are the states to go back to: of BEGIN, then of each SAVEPOINT.
	before []transactional
	status byte // 'I', 'T', 'E', as ReadyForQuery has it

	// What follows stays when a transaction is rolled back.
	startup   map[string]string   // what RESET goes back to
	customs   map[string]bool     // settings of its own that it has ever named
	prepared  map[string]prepared // by the protocol
	sqlNames  map[string]prepared // by PREPARE
	cursors   map[string]*cursor
	sequences map[string]int64
	lastSeq   string
	random    *[2]uint64    // of random(), once setseed has set it
	advisory  map[int64]int // session locks, by key, with how often
	listening map[string]bool
	queue     []notice // sent by others since the session listens, to be looked at between transactions
}

// transactional is what a rollback undoes.
type transactional struct {
	settings map[string]setting
	temps    map[string]temp
	hasTemp  bool // the session has a temporary schema
	rows     int  // of its own in the table that all share
	listens  []listen
	notifies []notice
}

// setting is a parameter's value; local is that of SET LOCAL, until the end of
// the transaction.
type setting struct {
	value string
	local *string
}

func (s setting) now() string {
	if s.local != nil {
		return *s.local
	}
	return s.value
}

type temp struct {
	owner    string
	sum      int
	onCommit string // drop, delete rows or preserve rows
}

// prepared is a statement that adds n to its parameter.
type prepared struct {
	n     int
	kind  string // what it gives besides: "", "place" or "shape"
	shape int    // the world's when it was prepared
}

// cursor is WITH HOLD over the numbers from next to last.
type cursor struct {
	next, last int
	depth      int // of the transaction that has made it; 0 once that has committed
}

type listen struct {
	channel string
	on      bool
}

type notice struct{ channel, payload string }

func newSession(startup map[string]string) *session {
	s := &session{
		status: 'I', startup: startup,
		customs: map[string]bool{}, prepared: map[string]prepared{}, sqlNames: map[string]prepared{},
		cursors: map[string]*cursor{}, sequences: map[string]int64{}, advisory: map[int64]int{},
		listening: map[string]bool{},
	}
	s.settings, s.temps = map[string]setting{}, map[string]temp{}
	for name, v := range startup {
		s.settings[name] = setting{value: v}
	}
	return s
}

func (x transactional) clone() transactional {
	x.settings, x.temps = maps.Clone(x.settings), maps.Clone(x.temps)
	x.listens, x.notifies = slices.Clone(x.listens), slices.Clone(x.notifies)
	return x
}

// pinned tells whether something may keep the session's backend from others.
func (s *session) pinned() bool {
	return s.status != 'I' || s.hasTemp || len(s.sqlNames)+len(s.cursors)+len(s.advisory)+len(s.listening) > 0
}

func (s *session) begin() {
	s.before = append(s.before, s.transactional.clone())
	s.status = 'T'
}

// fail is an error within a transaction, at which settings go back at once.
func (s *session) fail() {
	s.status = 'E'
	s.settings = maps.Clone(s.before[len(s.before)-1].settings)
}

// savepoint is begin within a transaction.
func (s *session) savepoint() { s.begin() }

// rollbackTo goes back to the last savepoint, and keeps it.
func (s *session) rollbackTo() {
	depth := len(s.before)
	s.transactional = s.before[depth-1].clone()
	s.dropCursors(depth)
	s.status = 'T'
}

// release forgets the last savepoint.
func (s *session) release() {
	depth := len(s.before)
	s.before = s.before[:depth-1]
	for _, c := range s.cursors {
		if c.depth == depth {
			c.depth--
		}
	}
}

func (s *session) rollback() {
	s.transactional = s.before[0]
	s.dropCursors(1)
	s.before, s.status = nil, 'I'
}

// dropCursors drops those made at a depth or below.
func (s *session) dropCursors(depth int) {
	maps.DeleteFunc(s.cursors, func(_ string, c *cursor) bool { return c.depth >= depth })
}

// commit ends a transaction, and gives what it notifies others of.
func (s *session) commit() []notice {
	if s.status == 'E' {
		s.rollback()
		return nil
	}
	for name, v := range s.settings {
		s.settings[name] = setting{value: v.value}
	}
	for name, t := range s.temps {
		switch t.onCommit {
		case "drop":
			delete(s.temps, name)
		case "delete rows":
			t.sum = 0
			s.temps[name] = t
		}
	}
	for _, c := range s.cursors {
		c.depth = 0
	}
	for _, l := range s.listens {
		if l.on {
			s.listening[l.channel] = true
		} else {
			delete(s.listening, l.channel)
		}
	}
	sent := s.notifies
	s.listens, s.notifies, s.before, s.status = nil, nil, nil, 'I'
	return sent
}

// set is SET, or SET LOCAL, which says a warning and does nothing outside a
// transaction.
func (s *session) set(name, value string, local bool) {
	if _, standard := s.startup[name]; !standard {
		s.customs[name] = true
	}
	switch {
	case !local:
		s.settings[name] = setting{value: value}
	case s.status == 'T':
		s.settings[name] = setting{s.settings[name].value, &value}
	}
}

func (s *session) reset(name string) { s.set(name, s.startup[name], false) }

// notResetByAll are parameters that RESET ALL leaves alone (GUC_NO_RESET_ALL).
var notResetByAll = []string{"role", "session_authorization"}

func (s *session) resetAll() {
	for name := range s.settings {
		if !slices.Contains(notResetByAll, name) {
			s.reset(name)
		}
	}
}

// discardAll is DISCARD ALL; it needs to be outside a transaction.
func (s *session) discardAll() {
	for name := range s.settings {
		s.reset(name)
	}
	clear(s.temps)
	clear(s.prepared)
	clear(s.sqlNames)
	clear(s.cursors)
	clear(s.advisory)
	clear(s.listening)
	s.discardSequences()
}

func (s *session) discardSequences() {
	clear(s.sequences)
	s.lastSeq = ""
}

// setSeed is setseed: pg_prng_fseed of src/common/pg_prng.c, by splitmix64.
func (s *session) setSeed(seed float64) {
	state := uint64(int64(seed * (1<<52 - 1)))
	s.random = &[2]uint64{}
	for k := range s.random {
		state += 0x9e3779b97f4a7c15
		v := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		v = (v ^ v>>27) * 0x94d049bb133111eb
		s.random[k] = v ^ v>>31
	}
}

// nextRandom is random(): pg_prng_double, by xoroshiro128**.
func (s *session) nextRandom() float64 {
	a := s.random[0]
	b := s.random[1] ^ a
	v := bits.RotateLeft64(a*5, 7) * 9
	*s.random = [2]uint64{bits.RotateLeft64(a, 24) ^ b ^ b<<16, bits.RotateLeft64(b, 37)}
	return math.Ldexp(float64(v>>12), -52)
}

// sessionUser and currentUser are as SQL has them.
func (s *session) sessionUser() string { return s.settings["session_authorization"].now() }

func (s *session) currentUser() string {
	if r := s.settings["role"].now(); r != "none" {
		return r
	}
	return s.sessionUser()
}
