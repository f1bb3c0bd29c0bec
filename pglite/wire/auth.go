package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgproto3"
)

// AuthMethod is how a client proves that it is the user it names.
type AuthMethod int

const (
	// AuthTrust believes the client.
	AuthTrust AuthMethod = iota
	// AuthSCRAM asks for the role's password by SCRAM-SHA-256, over TLS also
	// by SCRAM-SHA-256-PLUS.
	AuthSCRAM
)

// Peer is what is known of a client when the method is chosen.
type Peer struct {
	Addr     net.Addr // the client's address; the kind of network is Addr.Network()
	Local    bool     // a connection from within this process
	TLS      bool
	User     string
	Database string
}

// AuthPolicy chooses the method for one connection, after its start-up packet.
// It runs on the connection's goroutine, so several may run at once.
type AuthPolicy func(Peer) AuthMethod

// TrustLocal trusts clients of this process, of Unix sockets and of the loopback
// interface, and asks all others for a password. Whoever forwards connections to
// the loopback interface (a proxy, a container's published port) makes strangers
// look local: use [RequirePassword] there.
func TrustLocal(p Peer) AuthMethod {
	if p.Local || p.Addr == nil {
		return RequirePassword(p)
	}
	switch a := p.Addr.(type) {
	case *net.UnixAddr:
		return AuthTrust
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return AuthTrust
		}
	}
	return AuthSCRAM
}

// RequirePassword asks everybody for a password, apart from this process.
func RequirePassword(p Peer) AuthMethod {
	if p.Local {
		return AuthTrust
	}
	return AuthSCRAM
}

// secretFunc looks up pg_authid.rolpassword (pglite.Cluster.RoleSecret).
type secretFunc func(ctx context.Context, role string) (string, error)

// maxSASLMessage bounds what a client may send before it is authenticated
// (PG_MAX_SASL_MESSAGE_LENGTH in libpq/sasl.h).
const maxSASLMessage = 1024

// errPasswordFailed is all that a client learns, whatever the reason was.
func errPasswordFailed(user string) error {
	return fatal("28P01", "password authentication failed for user \"%s\"", user)
}

// sasl asks for user's password. On success AuthenticationSASLFinal is in the
// buffer, not yet sent (CheckSASLAuth in auth-sasl.c).
func (c *conn) sasl(ctx context.Context, user string) error {
	var secret *scramSecret
	if err := c.srv.busy(c.entry, func() (err error) {
		secret, err = c.srv.lookup(ctx, user)
		return err
	}); err != nil {
		return err
	}
	x := scramExchange{secret: secret}
	mechanisms := []string{scramMechanism}
	if c.tls {
		if x.binding = c.srv.binding; x.binding != nil {
			mechanisms = []string{scramPlusMechanism, scramMechanism}
		}
	}
	if err := c.sendNow(&pgproto3.AuthenticationSASL{AuthMechanisms: mechanisms}); err != nil {
		return err
	}
	body, err := c.readSASL()
	if err != nil {
		return c.saslError(user, err)
	}
	mechanism, clientFirst, err := parseSASLInitial(body)
	if err != nil {
		return err
	}
	switch {
	case mechanism == scramMechanism:
	case mechanism == scramPlusMechanism && x.binding != nil:
		x.plus = true
	default:
		return fatal("08P01", "client selected an invalid SASL authentication mechanism")
	}
	if clientFirst == nil {
		// Without an initial response the server's turn is an empty challenge.
		if clientFirst, err = c.challenge(user, nil); err != nil {
			return err
		}
	}
	if err := checkSCRAMText(clientFirst); err != nil {
		return err
	}
	serverFirst, err := x.first(clientFirst)
	if err != nil {
		return err
	}
	clientFinal, err := c.challenge(user, serverFirst)
	if err != nil {
		return err
	}
	if err := checkSCRAMText(clientFinal); err != nil {
		return err
	}
	serverFinal, ok, err := x.final(clientFinal)
	if err != nil {
		return err
	}
	if !ok {
		return errPasswordFailed(user)
	}
	return c.send(&pgproto3.AuthenticationSASLFinal{Data: serverFinal})
}

// challenge sends one message of the mechanism and waits for the answer.
func (c *conn) challenge(user string, data []byte) ([]byte, error) {
	if err := c.sendNow(&pgproto3.AuthenticationSASLContinue{Data: data}); err != nil {
		return nil, err
	}
	answer, err := c.readSASL()
	if err != nil {
		return nil, c.saslError(user, err)
	}
	return answer, nil
}

// errSASLLength marks a message of a length that no honest client sends.
var errSASLLength = errors.New("invalid length of a SASL message")

// saslError makes a bad length look like a bad password, as in Postgres.
func (c *conn) saslError(user string, err error) error {
	if errors.Is(err, errSASLLength) {
		c.log().Info().Err(err).Msg("authentication failed")
		return errPasswordFailed(user)
	}
	return err
}

// readSASL reads a message that must be a SASL response and returns its body.
func (c *conn) readSASL() ([]byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(c.stream.in, header[:]); err != nil {
		return nil, fmt.Errorf("read SASL response: %w", err)
	}
	if header[0] != 'p' {
		return nil, fatal("08P01", "expected SASL response, got message type %d", header[0])
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length < 4 || length-4 > maxSASLMessage {
		return nil, errSASLLength
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(c.stream.in, body); err != nil {
		return nil, fmt.Errorf("read SASL response: %w", err)
	}
	return body, nil
}

// parseSASLInitial splits SASLInitialResponse into the mechanism and the
// response, which is nil when there is none.
//
//	+---------------+--------------------+----------+
//	| mechanism NUL | length int32 or −1 | response |
//	+---------------+--------------------+----------+
func parseSASLInitial(body []byte) (mechanism string, response []byte, err error) {
	mechanism, rest, ok := cutNul(body)
	if !ok {
		return "", nil, fatal("08P01", "invalid string in message")
	}
	if len(rest) < 4 {
		return "", nil, fatal("08P01", "insufficient data left in message")
	}
	length := int32(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	if length != -1 {
		if length < 0 || int(length) > len(rest) {
			return "", nil, fatal("08P01", "insufficient data left in message")
		}
		response, rest = rest[:length:length], rest[length:]
	}
	if len(rest) > 0 {
		return "", nil, fatal("08P01", "invalid message format")
	}
	return mechanism, response, nil
}

// checkSCRAMText refuses what is not a C string.
func checkSCRAMText(message []byte) error {
	if len(message) == 0 {
		return malformed("The message is empty.")
	}
	if bytes.IndexByte(message, 0) >= 0 {
		return malformed("Message length does not match input length.")
	}
	return nil
}

// lookup is the secret that user must prove to know. A role that does not
// exist or has no usable password gets a made-up one, so that a stranger learns
// nothing about roles.
func (s *Server) lookup(ctx context.Context, user string) (*scramSecret, error) {
	stored, err := s.secrets(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("password of role %q: %w", user, err)
	}
	secret, err := parseSecret(stored)
	if err == nil {
		return secret, nil
	}
	why := "role does not exist or has no password"
	switch {
	case len(stored) == 35 && stored[:3] == "md5":
		why = "the role's password is stored as md5, which is not supported: set it again with password_encryption = 'scram-sha-256'"
	case stored != "":
		why = "the role's password is no SCRAM-SHA-256 secret"
	}
	s.log.Warn().Str("user", user).Str("reason", why).Msg("password authentication will fail")
	return mockSecret(s.mockNonce[:], user), nil
}
