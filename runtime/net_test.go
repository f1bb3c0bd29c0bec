package runtime

import (
	"encoding/hex"
	"testing"
)

func TestGetaddrinfo(t *testing.T) {
	const inet, inet6, stream, dgram = 2, 10, 1, 2
	const none = "" // a null pointer
	for _, c := range []struct {
		node, service  string
		family, typ    int
		want           int
		info, sockaddr string // addrinfo without its pointers; hex
	}{
		{"127.0.0.1", none, 0, 0, 0, "000000000200000001000000060000001000000000000000", "02000000" + "7f000001" + "0000000000000000"},
		{"10.1.2.3", "5432", inet, stream, 0, "000000000200000001000000060000001000000000000000", "02001538" + "0a010203" + "0000000000000000"},
		{"10.1.2.3", "53", 0, dgram, 0, "000000000200000002000000110000001000000000000000", "02000035" + "0a010203" + "0000000000000000"},
		{"::1", none, 0, 0, 0, "000000000a00000001000000060000001c00000000000000", "0a000000" + "00000000" + "00000000000000000000000000000001" + "00000000"},
		{"2001:db8::7", "65535", inet6, stream, 0, "000000000a00000001000000060000001c00000000000000", "0a00ffff" + "00000000" + "20010db8000000000000000000000007" + "00000000"},
		{none, "1", 0, 0, 0, "000000000200000001000000060000001000000000000000", "02000001" + "7f000001" + "0000000000000000"},
		{none, "1", inet6, 0, 0, "000000000a00000001000000060000001c00000000000000", "0a000001" + "00000000" + "00000000000000000000000000000001" + "00000000"},
		{"::1", none, inet, 0, int(eaiNoName), "", ""},
		{"127.0.0.1", none, inet6, 0, int(eaiNoName), "", ""},
		{"localhost", none, 0, 0, int(eaiNoName), "", ""},
		{"example.com", "80", 0, 0, int(eaiNoName), "", ""},
		{"256.1.1.1", none, 0, 0, int(eaiNoName), "", ""},
		{"127.0.0.1", "http", 0, 0, int(eaiNoName), "", ""},
		{"127.0.0.1", "65536", 0, 0, int(eaiNoName), "", ""},
	} {
		g := newGuest(t, Process{})
		hints, result := g.alloc(32), g.alloc(4)
		g.PutUint32(hints+4, uint32(c.family))
		g.PutUint32(hints+8, uint32(c.typ))
		pointer := func(s string) any {
			if s == none {
				return 0
			}
			return s
		}
		g.want(c.want, "getaddrinfo", pointer(c.node), pointer(c.service), hints, result)
		if c.want != 0 {
			continue
		}
		ai := g.Uint32(result)
		sa := g.Uint32(ai + 20)
		g.PutUint32(ai+20, 0)
		if got := hex.EncodeToString(g.Bytes(ai, 24)); got != c.info {
			t.Errorf("%s: addrinfo\n got %s\nwant %s", c.node, got, c.info)
		}
		if got := hex.EncodeToString(g.Bytes(sa, uint32(len(c.sockaddr)/2))); got != c.sockaddr {
			t.Errorf("%s: sockaddr\n got %s\nwant %s", c.node, got, c.sockaddr)
		}
		if g.Uint32(ai+24) != 0 || g.Uint32(ai+28) != 0 {
			t.Errorf("%s: more than one address, or a canonical name", c.node)
		}
	}
	g := newGuest(t, Process{})
	result := g.alloc(4)
	g.want(0, "getaddrinfo", "127.0.0.1", 0, 0, result) // without hints
	g.want(int(eaiFail), "getnameinfo", result, 16, 0, 0, 0, 0, 0)
}
