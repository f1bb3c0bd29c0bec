package wire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/howdahdb/howdah/pglite"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/rs/zerolog"
)

// conn is one connection. All of it belongs to the goroutine that runs it, but
// for stream's drain and kill.
type conn struct {
	srv     *Server
	entry   *entry
	stream  *stream // entry's
	nc      net.Conn
	raw     net.Conn // nc, or TLS over it
	local   bool     // from within this process
	tls     bool
	watcher *watcher // nil: nobody looks whether nc's peer has closed it

	stopKill func() bool
	slot     bool // one of MaxClients is taken
	session  *pglite.Session
	key      *cancelEntry
	// replicates says that Options.Replication serves the session.
	replicates bool
	// handedOver says that the session speaks with the client now, and tells it
	// of errors.
	handedOver bool
	err        error // why the connection ends
}

// log is the server's, with the client's address. It is made when it is needed:
// most connections end without a word.
func (c *conn) log() *zerolog.Logger {
	l := c.srv.log.With().Stringer("peer", c.raw.RemoteAddr()).Logger()
	return &l
}

// errNoStartup ends a connection that wanted something else than a session and
// has got it: a cancel request, or a look whether somebody listens.
var errNoStartup = errors.New("no session wanted")

// startup reads packets until one is a StartupMessage.
func (c *conn) startup(ctx context.Context) (*startupMessage, error) {
	if first, err := c.stream.in.peek(); err != nil {
		return nil, errNoStartup // connected and hung up: a health check
	} else if first == tlsHandshakeRecord {
		if err := c.directTLS(ctx); err != nil {
			return nil, err
		}
	}
	sslDone, gssDone := c.tls, c.tls
	for {
		packet, err := c.readPacket()
		if err != nil {
			return nil, err
		}
		switch code := binary.BigEndian.Uint32(packet); {
		case code == cancelRequestCode:
			c.cancel(packet)
			return nil, errNoStartup
		case code == sslRequestCode && !sslDone:
			if err := c.answerSSL(ctx); err != nil {
				return nil, err
			}
			sslDone, gssDone = true, gssDone || c.tls
		case code == gssEncRequestCode && !gssDone:
			if err := c.answerGSS(); err != nil {
				return nil, err
			}
			gssDone = true
		default:
			m, err := parseStartup(packet)
			if m != nil && m.needsNegotiation() {
				c.stream.Write(appendNegotiate(nil, m))
			}
			return m, err
		}
	}
}

// readPacket reads a packet that has a length but no type. The result begins
// with a whole code or version.
func (c *conn) readPacket() ([]byte, error) {
	var word [4]byte
	if _, err := io.ReadFull(c.stream.in, word[:]); err != nil {
		return nil, fmt.Errorf("incomplete startup packet: %w", err)
	}
	length := int64(binary.BigEndian.Uint32(word[:])) - 4
	if length < 4 || length > maxStartupPacket {
		return nil, fmt.Errorf("invalid length of startup packet: %d", length)
	}
	packet := make([]byte, length)
	if _, err := io.ReadFull(c.stream.in, packet); err != nil {
		return nil, fmt.Errorf("incomplete startup packet: %w", err)
	}
	return packet, nil
}

// answerSSL answers an SSLRequest: S and TLS, or N.
func (c *conn) answerSSL(ctx context.Context) error {
	if c.srv.tls == nil || c.local || isUnix(c.raw) {
		if err := c.sendByte('N'); err != nil {
			return err
		}
		return c.refuseEarly("SSL")
	}
	if err := c.refuseEarly("SSL"); err != nil {
		return err
	}
	if err := c.sendByte('S'); err != nil {
		return err
	}
	return c.handshake(ctx, c.raw)
}

func (c *conn) answerGSS() error {
	if err := c.sendByte('N'); err != nil {
		return err
	}
	return c.refuseEarly("GSSAPI encryption")
}

// refuseEarly refuses bytes that came with a request for encryption. Whoever
// can write into a connection before it is encrypted could otherwise have them
// taken for the client's.
func (c *conn) refuseEarly(kind string) error {
	if c.stream.in.Buffered() == 0 {
		return nil
	}
	return withDetail(fatal("08P01", "received unencrypted data after %s request", kind),
		"This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.")
}

// tlsHandshakeRecord is the first byte of a ClientHello. No startup packet
// begins with it: its length would be far too large.
const tlsHandshakeRecord = 0x16

// alpn is the protocol name for TLS without an SSLRequest (PG_ALPN_PROTOCOL).
const alpn = "postgresql"

// directTLS serves a client that begins with TLS, as Postgres does since 17.
func (c *conn) directTLS(ctx context.Context) error {
	if c.srv.tls == nil || c.local || isUnix(c.raw) {
		return errors.New("TLS handshake without TLS being served")
	}
	nc := &replayConn{Conn: c.raw, r: c.stream.in}
	if err := c.handshake(ctx, nc); err != nil {
		return err
	}
	if c.raw.(*tls.Conn).ConnectionState().NegotiatedProtocol != alpn {
		return errors.New("received direct SSL connection request without ALPN protocol negotiation extension")
	}
	return nil
}

// replayConn begins with what r has read of the connection already.
type replayConn struct {
	net.Conn
	r *reader
}

func (c *replayConn) Read(p []byte) (int, error) {
	if c.r.Buffered() > 0 {
		return c.r.Read(p)
	}
	return c.Conn.Read(p)
}

func (c *conn) handshake(ctx context.Context, nc net.Conn) error {
	t := tls.Server(nc, c.srv.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.raw, c.tls = t, true
	c.stream.upgrade(t)
	return nil
}

// cancel serves a CancelRequest, which gets no answer.
func (c *conn) cancel(packet []byte) {
	r, err := parseCancel(packet)
	if err != nil {
		c.log().Info().Err(err).Msg("cancel request refused")
		return
	}
	known, fits := c.srv.keys.cancel(r)
	switch {
	case !known:
		c.log().Info().Uint32("pid", r.pid).Msg("PID in cancel request did not match any process")
	case !fits:
		c.log().Warn().Uint32("pid", r.pid).Msg("wrong key in cancel request")
	}
}

// authenticate lets the client prove that it is m.user, and says that it has.
func (c *conn) authenticate(ctx context.Context, m *startupMessage) error {
	method := c.srv.o.Auth(Peer{
		Addr: c.raw.RemoteAddr(), Local: c.local, TLS: c.tls,
		User: m.user, Database: m.database,
	})
	if method != AuthTrust {
		if err := c.sasl(ctx, m.user); err != nil {
			return err
		}
	}
	return c.send(&pgproto3.AuthenticationOk{})
}

// settings are the session's start-up options in the order of Postgres: those
// of "options" first (process_startup_options in postinit.c).
func (m *startupMessage) sessionSettings() ([]pglite.Setting, error) {
	settings, err := parseOptions(m.options)
	if err != nil {
		return nil, err
	}
	return append(settings, m.settings...), nil
}

// greet tells the client what its session is like.
func (c *conn) greet() error {
	for _, p := range c.session.Parameters() {
		if err := c.send(&pgproto3.ParameterStatus{Name: p.Name, Value: p.Value}); err != nil {
			return err
		}
	}
	_, err := c.stream.Write(appendKeyData(nil, c.session.PID(), c.key.key))
	return err
}

// send puts a message into the buffer.
func (c *conn) send(m pgproto3.BackendMessage) error {
	b, err := m.Encode(nil)
	if err != nil {
		return err
	}
	_, err = c.stream.Write(b)
	return err
}

func (c *conn) sendNow(m pgproto3.BackendMessage) error {
	if err := c.send(m); err != nil {
		return err
	}
	return c.stream.Flush()
}

// sendByte answers a request for encryption, which has a form of its own.
func (c *conn) sendByte(b byte) error {
	if _, err := c.stream.Write([]byte{b}); err != nil {
		return err
	}
	return c.stream.Flush()
}

func isUnix(nc net.Conn) bool {
	_, ok := nc.LocalAddr().(*net.UnixAddr)
	return ok
}
