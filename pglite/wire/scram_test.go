package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/xdg-go/scram"
)

// secretOf makes what CREATE ROLE … PASSWORD stores.
func secretOf(t testing.TB, password string) string {
	t.Helper()
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	salt := "0123456789abcdef"
	c := client.GetStoredCredentials(scram.KeyFactors{Salt: salt, Iters: 4096})
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$4096:%s$%s:%s", b64([]byte(salt)), b64(c.StoredKey), b64(c.ServerKey))
}

func parsed(t testing.TB, secret string) *scramSecret {
	t.Helper()
	s, err := parseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exchange lets another implementation of the client authenticate.
func exchange(t *testing.T, x *scramExchange, password string) (ok bool) {
	t.Helper()
	client, err := scram.SHA256.NewClient("ignored", password, "")
	if err != nil {
		t.Fatal(err)
	}
	conv := client.NewConversation()
	first, err := conv.Step("")
	if err != nil {
		t.Fatal(err)
	}
	serverFirst, err := x.first([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	final, err := conv.Step(string(serverFirst))
	if err != nil {
		t.Fatal(err)
	}
	serverFinal, ok, err := x.final([]byte(final))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return false
	}
	if _, err := conv.Step(string(serverFinal)); err != nil || !conv.Valid() {
		t.Errorf("client does not accept the server's signature: %v", err)
	}
	return true
}

func TestSCRAM(t *testing.T) {
	secret := parsed(t, secretOf(t, "pencil"))
	if !exchange(t, &scramExchange{secret: secret}, "pencil") {
		t.Error("right password refused")
	}
	if exchange(t, &scramExchange{secret: secret}, "Pencil") {
		t.Error("wrong password accepted")
	}
	if !exchange(t, &scramExchange{secret: parsed(t, secretOf(t, "p\u00e4ssw\u00f6rd"))}, "p\u00e4ssw\u00f6rd") {
		t.Error("right password in UTF-8 refused")
	}
	doomed := *secret
	doomed.doomed = true
	if exchange(t, &scramExchange{secret: &doomed}, "pencil") {
		t.Error("made-up secret accepted")
	}
}

// TestNativeSecret reads a secret that PostgreSQL 18.4 has made of "pw".
func TestNativeSecret(t *testing.T) {
	if !exchange(t, &scramExchange{secret: parsed(t, nativeSecret)}, "pw") {
		t.Error("right password refused")
	}
}

const nativeSecret = "SCRAM-SHA-256$4096:90aNUmmQqrW3ISNf3UoydQ==$O3AX+FFtoRVP1KhCe1wDADYHB5ZtU2/cj7A4uD8ZKtE=:PiosIrOSvkm3dv819UKc2/i6dEdwezZ1JL5k3HYv4e4="

func TestMockSecret(t *testing.T) {
	nonce := []byte("nonce")
	a, again, b := mockSecret(nonce, "a"), mockSecret(nonce, "a"), mockSecret(nonce, "b")
	if string(a.salt) != string(again.salt) || string(a.salt) == string(b.salt) {
		t.Error("a user's made-up salt must be his own and stay the same")
	}
	if !a.doomed || len(a.salt) != mockSaltLen || a.iterations != mockIterations {
		t.Errorf("made-up secret %+v", a)
	}
}

func TestParseSecret(t *testing.T) {
	good := secretOf(t, "x")
	for _, bad := range []string{
		"", "md5" + strings.Repeat("0", 32), "SCRAM-SHA-256", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096",
		"SCRAM-SHA-512" + strings.TrimPrefix(good, "SCRAM-SHA-256"),
		strings.Replace(good, "4096", "0", 1), strings.Replace(good, "4096", "x", 1),
		good + "=", good[:len(good)-4], strings.Replace(good, ":", "", 2),
		"SCRAM-SHA-256$1:!$$:", "SCRAM-SHA-256$1:$$:",
	} {
		if _, err := parseSecret(bad); err == nil {
			t.Errorf("parseSecret(%q) has no error", bad)
		}
	}
}

// wantFatal compares an error with code, message and detail.
func wantFatal(t *testing.T, err error, code, text, detail string) {
	t.Helper()
	var pg *pglite.Error
	if !errors.As(err, &pg) {
		t.Errorf("got %v, want %s %s", err, code, text)
		return
	}
	if pg.Code != code || pg.Message != text || pg.Detail != detail {
		t.Errorf("got %s %q %q\nwant %s %q %q", pg.Code, pg.Message, pg.Detail, code, text, detail)
	}
}

const malformedText = "malformed SCRAM message"

// The errors were recorded from native PostgreSQL 18.4.
func TestClientFirstErrors(t *testing.T) {
	const noBinding = "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."
	const missing = "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."
	const downgrade = "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding."
	for _, test := range []struct {
		in                 string
		plus, tls          bool
		code, text, detail string
	}{
		{in: "n,,n=,r=abc"},
		{in: "n,,n=,r="},
		{in: "y,,n=,r=abc"},
		{in: "n,,n=u,r=abc,x=y"},
		{in: "n,,n=,r=abc", tls: true},
		{in: "p=tls-server-end-point,,n=,r=abc", plus: true, tls: true},
		{"p=tls-server-end-point,,n=,r=abc", false, true, "08P01", malformedText, noBinding},
		{"p=foo,,n=,r=abc", false, false, "08P01", malformedText, noBinding},
		{"p=tls-\u00fcnique,,n=,r=abc", true, true, "08P01", `unsupported SCRAM channel-binding type "tls-??nique"`, ""},
		{"n,,n=,r=abc", true, true, "08P01", malformedText, missing},
		{"y,,n=,r=abc", true, true, "08P01", malformedText, missing},
		{"y,,n=,r=abc", false, true, "28000", "SCRAM channel binding negotiation error", downgrade},
		{"x,,n=,r=abc", false, false, "08P01", malformedText, `Unexpected channel-binding flag "'x'".`},
		{"\x01,,n=,r=abc", false, false, "08P01", malformedText, `Unexpected channel-binding flag "0x01".`},
		{"n", false, false, "08P01", malformedText, `Comma expected, but found character "0x00".`},
		{"n;", false, false, "08P01", malformedText, `Comma expected, but found character "';'".`},
		{"n,a=foo,n=,r=abc", false, false, "0A000", "client uses authorization identity, but it is not supported", ""},
		{"n,b", false, false, "08P01", malformedText, `Unexpected attribute "'b'" in client-first-message.`},
		{"n,,m=ext,n=,r=a", false, false, "0A000", "client requires an unsupported SCRAM extension", ""},
		{"n,,r=abc", false, false, "08P01", malformedText, `Expected attribute "n" but found "'r'".`},
		{"n,,n", false, false, "08P01", malformedText, `Expected character "=" for attribute "n".`},
		{"n,,n=x", false, false, "08P01", malformedText, `Expected attribute "r" but found "0x00".`},
		{"n,,n=,r=a\x7f", false, false, "08P01", "non-printable characters in SCRAM nonce", ""},
		{"n,,n=,r=abc,1=y", false, false, "08P01", malformedText, `Attribute expected, but found invalid character "'1'".`},
		{"n,,n=,r=abc,xx", false, false, "08P01", malformedText, `Expected character "=" for attribute "x".`},
	} {
		x := scramExchange{secret: mockSecret(nil, ""), plus: test.plus}
		if test.tls {
			x.binding = []byte("hash")
		}
		answer, err := x.first([]byte(test.in))
		if test.code == "" {
			if err != nil || !strings.HasPrefix(string(answer), "r=") {
				t.Errorf("%q: %q, %v", test.in, answer, err)
			}
			continue
		}
		wantFatal(t, err, test.code, test.text, test.detail)
	}
}

// The errors were recorded from native PostgreSQL 18.4.
func TestClientFinalErrors(t *testing.T) {
	proof := base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	for _, test := range []struct{ in, code, text, detail string }{
		{"c=biws,r={n},p=" + proof, "", "", ""},
		{"c=biws,r={n},x=1,p=" + proof, "", "", ""},
		{"c=biws,r={n}", "08P01", malformedText, "Attribute expected, but found end of string."},
		{"c=biws,r=x{n},p=" + proof, "08P01", "invalid SCRAM response", "Nonce does not match."},
		{"c=biws,r={n},p=YQ==", "08P01", malformedText, "Malformed proof in client-final-message."},
		{"c=biws,r={n},p=" + proof + "x", "08P01", malformedText, "Malformed proof in client-final-message."},
		{"c=biws,r={n},p=" + proof + ",x", "08P01", malformedText, "Garbage found at the end of client-final-message."},
		{"c=eSws,r={n},p=" + proof, "08P01", "unexpected SCRAM channel-binding attribute in client-final-message", ""},
		{"r={n}", "08P01", malformedText, `Expected attribute "c" but found "'r'".`},
		{"c=biws,r={n},xx", "08P01", malformedText, `Expected character "=" for attribute "x".`},
		{"c=biws,x=1,p=YQ==", "08P01", malformedText, `Expected attribute "r" but found "'x'".`},
	} {
		x := scramExchange{secret: mockSecret(nil, "")}
		if _, err := x.first([]byte("n,,n=,r=abc")); err != nil {
			t.Fatal(err)
		}
		_, ok, err := x.final([]byte(strings.Replace(test.in, "{n}", string(x.nonce), 1)))
		if ok {
			t.Errorf("%q is accepted", test.in)
		}
		if test.code != "" {
			wantFatal(t, err, test.code, test.text, test.detail)
		} else if err != nil {
			t.Errorf("%q: %v", test.in, err)
		}
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add([]byte("n,,n=,r=abc"), []byte("c=biws,r=abc,p=YQ=="), false)
	f.Add([]byte("p=tls-server-end-point,,n=,r=abc"), []byte("c=,r=,p="), true)
	f.Fuzz(func(t *testing.T, first, final []byte, plus bool) {
		x := scramExchange{secret: mockSecret(nil, ""), plus: plus, binding: []byte("hash")}
		if _, err := x.first(first); err != nil {
			return
		}
		if _, ok, _ := x.final(final); ok {
			t.Error("made-up secret accepted")
		}
		parseSASLInitial(first)
	})
}
