package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/howdahdb/howdah/pglite"
)

// packet is a message without a type byte.
func packet(body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
}

func request(code uint32) string {
	return packet(string(binary.BigEndian.AppendUint32(nil, code)))
}

// startup is a StartupMessage of the given names and values.
func startup(protocol uint32, pairs ...string) string {
	body := string(binary.BigEndian.AppendUint32(nil, protocol))
	for _, s := range pairs {
		body += s + "\x00"
	}
	return packet(body + "\x00")
}

// message is a message with a type byte.
func message(kind byte, body string) string { return string(kind) + packet(body) }

// fatalMessage is an ErrorResponse. more holds further fields, such as "Dtext".
func fatalMessage(code, text string, more ...string) string {
	body := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + text + "\x00"
	for _, f := range more {
		body += f + "\x00"
	}
	return message('E', body+"\x00")
}

const (
	askSASL    = "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"
	early      = "DThis could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
	layout     = "invalid startup packet layout: expected terminator as last byte"
	noUser     = "no PostgreSQL user name specified in startup packet"
	replicHint = `HValid values are: "false", 0, "true", 1, "database".`
)

// startupAnswers were recorded from native PostgreSQL 18.4 with ssl off and
// scram-sha-256 for everybody, less the fields F, L and R. "open" says that the
// server then waits for more.
var startupAnswers = []struct {
	name, in, want string
	open           bool
}{
	{"nothing", "", "", false},
	{"SSLRequest", request(sslRequestCode), "N", true},
	{"GSSENCRequest", request(gssEncRequestCode), "N", true},
	{"GSSENCRequest with more", request(gssEncRequestCode) + startup(protocol30, "user", "u"),
		"N" + fatalMessage("08P01", "received unencrypted data after GSSAPI encryption request", early), false},
	{"SSLRequest with more", request(sslRequestCode) + "\x16\x03\x01",
		"N" + fatalMessage("08P01", "received unencrypted data after SSL request", early), false},
	{"CancelRequest of nobody", packet("\x04\xd2\x16\x2e\x00\x00\x00\x01abcd"), "", false},
	{"CancelRequest without a key", packet("\x04\xd2\x16\x2e\x00\x00\x00\x01"), "", false},
	{"CancelRequest without a process", packet("\x04\xd2\x16\x2e"), "", false},
	{"length 0", "\x00\x00\x00\x00", "", false},
	{"length 7", "\x00\x00\x00\x07abc", "", false},
	{"length negative", "\xff\xff\xff\xffabc", "", false},
	{"one byte too long", packet("\x00\x03\x00\x00" + strings.Repeat("x", 9997))[:4], "", false},
	{"as long as may be", packet("\x00\x03\x00\x00" + strings.Repeat("x", 9996)), fatalMessage("08P01", layout), false},
	{"protocol 2", packet("\x00\x02\x00\x00" + strings.Repeat("\x00", 288)),
		"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\x00", false},
	{"protocol 4", startup(4<<16, "user", "u"),
		fatalMessage("0A000", "unsupported frontend protocol 4.0: server supports 3.0 to 3.2"), false},
	{"protocol 3.1", startup(protocol30+1, "user", "u"), askSASL, true},
	{"protocol 3.2", startup(protocol32, "user", "u"), askSASL, true},
	{"protocol 3.3", startup(protocol32+1, "user", "u"),
		"v\x00\x00\x00\x0c\x00\x03\x00\x02\x00\x00\x00\x00" + askSASL, true},
	{"grease", startup(protocol30+9999, "user", "u"),
		"v\x00\x00\x00\x0c\x00\x03\x00\x02\x00\x00\x00\x00" + askSASL, true},
	{"options of the protocol", startup(protocol30, "user", "u", "_pq_.foo", "1", "_pq_.bar", "2"),
		"v\x00\x00\x00\x1e\x00\x03\x00\x00\x00\x00\x00\x02_pq_.foo\x00_pq_.bar\x00" + askSASL, true},
	{"options of the protocol, 3.2", startup(protocol32, "user", "u", "_pq_.foo", "1"),
		"v\x00\x00\x00\x15\x00\x03\x00\x02\x00\x00\x00\x01_pq_.foo\x00" + askSASL, true},
	{"no user", startup(protocol30, "database", "x"), fatalMessage("28000", noUser), false},
	{"no user but an option", startup(protocol30, "_pq_.a", "x"),
		"v\x00\x00\x00\x13\x00\x03\x00\x00\x00\x00\x00\x01_pq_.a\x00" + fatalMessage("28000", noUser), false},
	{"empty user", startup(protocol30, "user", ""), fatalMessage("28000", noUser), false},
	{"no terminator", packet("\x00\x03\x00\x00user\x00u\x00"), fatalMessage("08P01", layout), false},
	{"two terminators", packet("\x00\x03\x00\x00user\x00u\x00\x00\x00"), fatalMessage("08P01", layout), false},
	{"no value", packet("\x00\x03\x00\x00user\x00"), fatalMessage("08P01", layout), false},
	{"value without end", packet("\x00\x03\x00\x00user\x00u"), fatalMessage("08P01", layout), false},
	{"only a version", packet("\x00\x03\x00\x00"), fatalMessage("08P01", layout), false},
	{"replication maybe", startup(protocol30, "user", "u", "replication", "maybe"),
		fatalMessage("22023", `invalid value for parameter "replication": "maybe"`, replicHint), false},
	{"replication off", startup(protocol30, "user", "u", "replication", "of"), askSASL, true},
	{"SASL: a query", startup(protocol30, "user", "u") + message('Q', "a\x00"),
		askSASL + fatalMessage("08P01", "expected SASL response, got message type 81"), false},
	{"SASL: unknown mechanism", startup(protocol30, "user", "u") + message('p', "FOO\x00\xff\xff\xff\xff"),
		askSASL + fatalMessage("08P01", "client selected an invalid SASL authentication mechanism"), false},
	{"SASL: PLUS without TLS", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256-PLUS\x00\xff\xff\xff\xff"),
		askSASL + fatalMessage("08P01", "client selected an invalid SASL authentication mechanism"), false},
	{"SASL: no initial response", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff"),
		askSASL + "R\x00\x00\x00\x08\x00\x00\x00\x0b", true},
	{"SASL: no length", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256\x00"),
		askSASL + fatalMessage("08P01", "insufficient data left in message"), false},
	{"SASL: no NUL", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256"),
		askSASL + fatalMessage("08P01", "invalid string in message"), false},
	{"SASL: too short", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x05abc"),
		askSASL + fatalMessage("08P01", "insufficient data left in message"), false},
	{"SASL: too long", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x01abc"),
		askSASL + fatalMessage("08P01", "invalid message format"), false},
	{"SASL: huge", startup(protocol30, "user", "u") + "p\x7f\xff\xff\xff",
		askSASL + fatalMessage("28P01", `password authentication failed for user "u"`), false},
	{"SASL: empty response", startup(protocol30, "user", "u") + message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x00"),
		askSASL + fatalMessage("08P01", "malformed SCRAM message", "DThe message is empty."), false},
}

// noSecrets is a cluster without passwords.
func noSecrets(context.Context, string) (string, error) { return "", nil }

func alwaysSCRAM(Peer) AuthMethod { return AuthSCRAM }

// talk sends in, in pieces of at most size bytes, and returns all that the
// server answers until it closes or waits. It must run in a synctest bubble.
func talk(t *testing.T, s *Server, in string, size int) (answer string, open bool) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.ServeConn(t.Context(), server, false) }()
	var got bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(&got, client) }()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for chunk := range slices.Chunk([]byte(in), size) {
			if _, err := client.Write(chunk); err != nil {
				return
			}
		}
		if in == "" {
			client.Close()
		}
	}()
	synctest.Wait()
	select {
	case <-done:
	default:
		open = true
		client.Close()
		<-done
	}
	client.Close()
	<-read
	<-written
	return got.String(), open
}

func TestStartupAnswers(t *testing.T) {
	for _, test := range startupAnswers {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(Options{Auth: alwaysSCRAM}, noSecrets)
				got, open := talk(t, s, test.in, 1<<20)
				if got != test.want || open != test.open {
					t.Errorf("got  %q open %v\nwant %q open %v", got, open, test.want, test.open)
				}
			})
		})
	}
}

// TestStartupDribble sends the same a byte at a time. Only bytes that come
// together with an encryption request are refused for being early, so those
// cases end differently.
func TestStartupDribble(t *testing.T) {
	for _, test := range startupAnswers {
		if strings.Contains(test.want, "received unencrypted data") {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(Options{Auth: alwaysSCRAM}, noSecrets)
				got, open := talk(t, s, test.in, 1)
				if got != test.want || open != test.open {
					t.Errorf("got  %q open %v\nwant %q open %v", got, open, test.want, test.open)
				}
			})
		})
	}
}

// TestEncryptionRequests asks for GSSAPI and TLS in turn.
func TestEncryptionRequests(t *testing.T) {
	repeated := fatalMessage("0A000", "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.2")
	for _, test := range []struct {
		name  string
		steps []string
		want  string
	}{
		{"GSS then SSL then start", []string{request(gssEncRequestCode), request(sslRequestCode), startup(protocol30, "user", "u")}, "NN" + askSASL},
		{"SSL then GSS then start", []string{request(sslRequestCode), request(gssEncRequestCode), startup(protocol30, "user", "u")}, "NN" + askSASL},
		{"GSS twice", []string{request(gssEncRequestCode), request(gssEncRequestCode)}, "N" + repeated},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(Options{Auth: alwaysSCRAM}, noSecrets)
				client, server := net.Pipe()
				done := make(chan error, 1)
				go func() { done <- s.ServeConn(t.Context(), server, false) }()
				var got bytes.Buffer
				read := make(chan struct{})
				go func() { defer close(read); io.Copy(&got, client) }()
				for _, step := range test.steps {
					io.WriteString(client, step)
					synctest.Wait()
				}
				client.Close()
				<-done
				<-read
				if got.String() != test.want {
					t.Errorf("got %q, want %q", got.String(), test.want)
				}
			})
		})
	}
}

func TestParseStartup(t *testing.T) {
	p := startup(protocol30, "user", "u", "client_encoding", "UTF8", "options", "-c a=b", "replication", "database", "b", "2", "a", "1")
	m, err := parseStartup([]byte(p[4:]))
	if err != nil {
		t.Fatal(err)
	}
	want := &startupMessage{protocol: protocol30, user: "u", database: "u", options: "-c a=b", replication: replicationLogical,
		settings: []pglite.Setting{{Name: "client_encoding", Value: "UTF8"}, {Name: "b", Value: "2"}, {Name: "a", Value: "1"}}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
}

func FuzzStartup(f *testing.F) {
	for _, test := range startupAnswers {
		f.Add([]byte(test.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 8 {
			return
		}
		parseCancel(in[4:])
		m, err := parseStartup(in[4:])
		if err != nil {
			appendFatal(nil, err)
			return
		}
		if m.user == "" || m.database == "" {
			t.Errorf("accepted without user or database: %+v", m)
		}
		if n := appendNegotiate(nil, m); int(binary.BigEndian.Uint32(n[1:])) != len(n)-1 {
			t.Errorf("length of NegotiateProtocolVersion %q", n)
		}
		parseOptions(m.options)
	})
}
