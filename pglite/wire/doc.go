// Package wire lets PostgreSQL clients in: it accepts connections, takes them
// through start-up and authentication, and hands the byte stream to a
// [pglite.Session], which speaks the rest of the protocol.
//
// # Before the session
//
// A connection goes one way through these states, and any of them may end it:
//
//	first byte 0x16 ──────────────► TLS, ALPN "postgresql"
//	first packet                         │
//	   SSLRequest     ─► 'N' or 'S'+TLS ─┤
//	   GSSENCRequest  ─► 'N'             │   each of the two at most once,
//	   CancelRequest  ─► close           │   and no SSLRequest inside TLS
//	   StartupMessage ◄──────────────────┘
//	        │  NegotiateProtocolVersion, when the minor version is newer than
//	        │  ours or a _pq_. option is not known
//	        ▼
//	   authentication: trust, or SCRAM-SHA-256[-PLUS]
//	        ▼
//	   AuthenticationOk, ParameterStatus…, BackendKeyData
//	        ▼
//	   pglite.Session.Serve, which begins with ReadyForQuery
//
// The states, their limits and the text of every error follow PostgreSQL 18:
// backend_startup.c, auth.c, auth-sasl.c and auth-scram.c. What differs, and why:
//
//   - An ErrorResponse has no file, line and routine: those of Postgres would
//     be a lie.
//   - Bytes that arrive together with an SSLRequest are refused before the TLS
//     handshake, not after it (CVE-2021-23222). Postgres 18 feeds them to OpenSSL.
//   - Of the server's command line switches the "options" parameter takes those
//     that stand for one setting; the others are refused as Postgres refuses
//     unknown ones.
//   - A client that hangs up while a statement runs is noticed within a second
//     and the statement is cancelled; Postgres does so with
//     client_connection_check_interval, which is off by default.
//
// # Before authentication nothing is trusted
//
// A start-up packet is at most 10,000 bytes and a SASL message at most 1,024, as
// in Postgres, and the whole of start-up and authentication must be over after
// [Options.AuthTimeout]. A connection that breaks one of these rules is closed
// without an answer.
package wire
