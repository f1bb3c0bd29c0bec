package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
)

const (
	scramMechanism     = "SCRAM-SHA-256"
	scramPlusMechanism = "SCRAM-SHA-256-PLUS"

	// scramNonceLen is the length of the server's nonce before base64
	// (SCRAM_RAW_NONCE_LEN in common/scram-common.h).
	scramNonceLen = 18
)

// scramExchange is the server's side of one SCRAM-SHA-256 exchange: RFC 5802
// and 7677 as auth-scram.c reads them, with its errors. It begins with first and
// ends with final.
//
// The server of github.com/xdg-go/scram is not used: it knows no channel
// binding and panics on a proof that is too long.
type scramExchange struct {
	secret *scramSecret
	// plus says that the client chose the mechanism with channel binding.
	plus bool
	// binding is the tls-server-end-point hash, nil when the connection offers
	// no channel binding.
	binding []byte

	flag            byte // of the GS2 header: n, y or p
	clientFirstBare []byte
	serverFirst     []byte
	nonce           []byte // the client's followed by ours
}

func malformed(format string, args ...any) error {
	return withDetail(fatal("08P01", "malformed SCRAM message"), format, args...)
}

// first reads client-first-message and returns server-first-message.
//
//	n,,n=user,r=nonce     the user is ignored: the start-up packet has named it
func (x *scramExchange) first(message []byte) ([]byte, error) {
	p := attributes{rest: message}
	if err := x.header(&p); err != nil {
		return nil, err
	}
	x.clientFirstBare = bytes.Clone(p.rest)
	if p.peek() == 'm' {
		return nil, fatal("0A000", "client requires an unsupported SCRAM extension")
	}
	if _, err := p.value('n'); err != nil {
		return nil, err
	}
	clientNonce, err := p.value('r')
	if err != nil {
		return nil, err
	}
	for _, c := range clientNonce {
		if c < 0x21 || c > 0x7e {
			return nil, fatal("08P01", "non-printable characters in SCRAM nonce")
		}
	}
	for len(p.rest) > 0 {
		if _, _, err := p.any(); err != nil {
			return nil, err
		}
	}

	var raw [scramNonceLen]byte
	rand.Read(raw[:])
	x.nonce = base64.StdEncoding.AppendEncode(bytes.Clone(clientNonce), raw[:])
	x.serverFirst = fmt.Appendf(nil, "r=%s,s=%s,i=%d",
		x.nonce, base64.StdEncoding.EncodeToString(x.secret.salt), x.secret.iterations)
	return x.serverFirst, nil
}

// header reads the GS2 header, "n,," without channel binding.
func (x *scramExchange) header(p *attributes) error {
	x.flag = p.peek()
	switch x.flag {
	case 'n', 'y':
		if x.plus {
			return malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.")
		}
		if x.flag == 'y' && x.binding != nil {
			// Somebody in between has taken the mechanism off our list.
			return withDetail(fatal("28000", "SCRAM channel binding negotiation error"),
				"The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.")
		}
		p.skip()
	case 'p':
		if !x.plus {
			return malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.")
		}
		kind, err := p.valueBeforeComma('p')
		if err != nil {
			return err
		}
		if string(kind) != "tls-server-end-point" {
			return fatal("08P01", "unsupported SCRAM channel-binding type \"%s\"", sanitize(kind))
		}
	default:
		return malformed("Unexpected channel-binding flag \"%s\".", sanitizeChar(x.flag))
	}
	if c := p.peek(); c != ',' {
		return malformed("Comma expected, but found character \"%s\".", sanitizeChar(c))
	}
	p.skip()
	switch c := p.peek(); c {
	case 'a':
		return fatal("0A000", "client uses authorization identity, but it is not supported")
	case ',':
		p.skip()
		return nil
	default:
		return malformed("Unexpected attribute \"%s\" in client-first-message.", sanitizeChar(c))
	}
}

// final reads client-final-message and returns server-final-message. ok is
// false when the proof is wrong or the secret is made up; then there is neither
// message nor error.
//
//	c=biws,r=nonce,p=proof
func (x *scramExchange) final(message []byte) (serverFinal []byte, ok bool, err error) {
	p := attributes{rest: message}
	binding, err := p.value('c')
	if err != nil {
		return nil, false, err
	}
	if err := x.checkBinding(binding); err != nil {
		return nil, false, err
	}
	nonce, err := p.value('r')
	if err != nil {
		return nil, false, err
	}
	var withoutProof, encoded []byte
	for {
		before := len(message) - len(p.rest)
		name, value, err := p.any()
		if err != nil {
			return nil, false, err
		}
		if name == 'p' {
			withoutProof, encoded = message[:before-1], value
			break
		}
	}
	proof, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil || len(proof) != sha256.Size {
		return nil, false, malformed("Malformed proof in client-final-message.")
	}
	if len(p.rest) > 0 {
		return nil, false, malformed("Garbage found at the end of client-final-message.")
	}
	if !bytes.Equal(nonce, x.nonce) {
		return nil, false, withDetail(fatal("08P01", "invalid SCRAM response"), "Nonce does not match.")
	}

	authMessage := bytes.Join([][]byte{x.clientFirstBare, x.serverFirst, withoutProof}, []byte{','})
	clientKey := hmacSHA256(x.secret.storedKey[:], authMessage)
	subtle.XORBytes(clientKey, clientKey, proof)
	storedKey := sha256.Sum256(clientKey)
	fits := subtle.ConstantTimeCompare(storedKey[:], x.secret.storedKey[:]) == 1
	if !fits || x.secret.doomed {
		return nil, false, nil
	}
	signature := hmacSHA256(x.secret.serverKey[:], authMessage)
	return base64.StdEncoding.AppendEncode([]byte("v="), signature), true, nil
}

// checkBinding compares the c attribute with what this connection must have.
func (x *scramExchange) checkBinding(got []byte) error {
	if x.plus {
		want := append([]byte("p=tls-server-end-point,,"), x.binding...)
		if base64.StdEncoding.EncodeToString(want) != string(got) {
			return fatal("28000", "SCRAM channel binding check failed")
		}
		return nil
	}
	// base64 of "n,," and "y,,"
	if !(x.flag == 'n' && string(got) == "biws") && !(x.flag == 'y' && string(got) == "eSws") {
		return fatal("08P01", "unexpected SCRAM channel-binding attribute in client-final-message")
	}
	return nil
}

func hmacSHA256(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
