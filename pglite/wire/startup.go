package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/howdahdb/howdah/pglite"
)

// Request codes take the place of a protocol version in the first packet
// (libpq/pqcomm.h).
const (
	cancelRequestCode = 1234<<16 | 5678
	sslRequestCode    = 1234<<16 | 5679
	gssEncRequestCode = 1234<<16 | 5680
)

const (
	protocol30     = 3 << 16
	protocol32     = 3<<16 | 2
	latestProtocol = protocol32

	// maxStartupPacket bounds the packet without its length word
	// (MAX_STARTUP_PACKET_LENGTH in libpq/pqcomm.h).
	maxStartupPacket = 10000
	// maxCancelKey bounds the key in a CancelRequest (backend_startup.c).
	maxCancelKey = 256
)

// replicationMode is what the start-up parameter "replication" asks for.
type replicationMode int

const (
	replicationOff replicationMode = iota
	replicationPhysical
	replicationLogical
)

// startupMessage is a decoded StartupMessage.
type startupMessage struct {
	protocol    uint32
	user        string
	database    string
	options     string
	replication replicationMode
	settings    []pglite.Setting // the other parameters, in the packet's order
	unknown     []string         // names of the _pq_. options
}

// negotiated is the protocol version that both sides speak.
func (m *startupMessage) negotiated() uint32 { return min(m.protocol, latestProtocol) }

// needsNegotiation says whether the client must be told what it does not get.
func (m *startupMessage) needsNegotiation() bool {
	return m.protocol > latestProtocol || len(m.unknown) > 0
}

// parseStartup decodes the packet after its length word, which must begin with
// a protocol version. When the packet fails after its parameters were read, both
// results are set: Postgres negotiates the version before it misses the user.
//
//	+----------------+------------------------------------------+------+
//	| version uint32 | { name NUL value NUL } …                 |  NUL |
//	+----------------+------------------------------------------+------+
//
// The rules and their order are ProcessStartupPacket's (backend_startup.c).
func parseStartup(packet []byte) (*startupMessage, error) {
	m := &startupMessage{protocol: binary.BigEndian.Uint32(packet)}
	if major := m.protocol >> 16; major != 3 {
		return nil, &unsupportedProtocolError{version: m.protocol}
	}
	rest := packet[4:]
	for len(rest) > 0 && rest[0] != 0 {
		name, tail, ok := cutNul(rest)
		if !ok || len(tail) == 0 {
			return nil, errStartupLayout()
		}
		value, tail, ok := cutNul(tail)
		if !ok {
			return nil, errStartupLayout()
		}
		if err := m.set(name, value); err != nil {
			return nil, err
		}
		rest = tail
	}
	if len(rest) != 1 {
		return nil, errStartupLayout()
	}
	if m.user == "" {
		return m, fatal("28000", "no PostgreSQL user name specified in startup packet")
	}
	if m.database == "" {
		m.database = m.user
	}
	return m, nil
}

func (m *startupMessage) set(name, value string) error {
	switch {
	case name == "user":
		m.user = value
	case name == "database":
		m.database = value
	case name == "options":
		m.options = value
	case name == "replication":
		mode, err := parseReplication(value)
		if err != nil {
			return err
		}
		m.replication = mode
	case strings.HasPrefix(name, "_pq_."):
		m.unknown = append(m.unknown, name)
	default:
		m.settings = append(m.settings, pglite.Setting{Name: name, Value: value})
	}
	return nil
}

// parseReplication reads the hybrid of a boolean and the word "database".
func parseReplication(value string) (replicationMode, error) {
	if value == "database" {
		return replicationLogical, nil
	}
	on, ok := parseBool(value)
	switch {
	case !ok:
		err := fatal("22023", "invalid value for parameter \"replication\": \"%s\"", value)
		err.Hint = `Valid values are: "false", 0, "true", 1, "database".`
		return replicationOff, err
	case on:
		return replicationPhysical, nil
	}
	return replicationOff, nil
}

// parseBool accepts what parse_bool of utils/adt/bool.c does: the words and
// their unique prefixes in any case.
func parseBool(s string) (value, ok bool) {
	s = strings.ToLower(s)
	switch {
	case s == "":
		return false, false
	case s == "1", s == "on", strings.HasPrefix("true", s), strings.HasPrefix("yes", s):
		return true, true
	case s == "0", s == "of", s == "off", strings.HasPrefix("false", s), strings.HasPrefix("no", s):
		return false, true
	}
	return false, false
}

func errStartupLayout() error {
	return fatal("08P01", "invalid startup packet layout: expected terminator as last byte")
}

// cutNul takes one NUL-terminated string off b.
func cutNul(b []byte) (s string, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", nil, false
	}
	return string(b[:i]), b[i+1:], true
}

// unsupportedProtocolError has a type of its own because a client older than
// protocol 3 needs it in the form of its time (see appendFatal).
type unsupportedProtocolError struct{ version uint32 }

func (e *unsupportedProtocolError) Error() string {
	return fmt.Sprintf("unsupported frontend protocol %d.%d: server supports %d.0 to %d.%d",
		e.version>>16, e.version&0xffff, protocol30>>16, latestProtocol>>16, latestProtocol&0xffff)
}

// cancelRequest is a decoded CancelRequest.
type cancelRequest struct {
	pid uint32
	key []byte // a slice of the packet
}

// parseCancel decodes the packet after its length word: code, process, and a key
// of 4 bytes up to protocol 3.1 and of any length up to 256 since 3.2.
func parseCancel(packet []byte) (cancelRequest, error) {
	if len(packet) < 8 {
		return cancelRequest{}, errors.New("invalid length of cancel request packet")
	}
	key := packet[8:]
	if len(key) == 0 || len(key) > maxCancelKey {
		return cancelRequest{}, errors.New("invalid length of cancel key in cancel request packet")
	}
	return cancelRequest{pid: binary.BigEndian.Uint32(packet[4:]), key: key}, nil
}

// appendNegotiate appends NegotiateProtocolVersion, which pgproto3 does not
// have: the version both sides speak, and the options that were not recognised.
func appendNegotiate(dst []byte, m *startupMessage) []byte {
	start := len(dst)
	dst = append(dst, 'v', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, m.negotiated())
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.unknown)))
	for _, name := range m.unknown {
		dst = append(dst, name...)
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}
