package wire

import (
	"errors"
	"net"
	"testing"
)

func TestCheckListen(t *testing.T) {
	for _, test := range []struct {
		addr                string
		tls, auth, insecure bool
		ok                  bool
	}{
		{addr: "127.0.0.1:5432", ok: true},
		{addr: "127.8.9.1:0", ok: true},
		{addr: "[::1]:5432", ok: true},
		{addr: "[::ffff:127.0.0.1]:5432", ok: true},
		{addr: "localhost:5432", ok: true},
		{addr: ":5432"},
		{addr: "0.0.0.0:5432"},
		{addr: "[::]:5432"},
		{addr: "10.0.0.1:5432"},
		{addr: "db.example.com:5432"},
		{addr: "localhost.example.com:5432"},
		{addr: "0.0.0.0:5432", tls: true},
		{addr: "0.0.0.0:5432", auth: true},
		{addr: "0.0.0.0:5432", tls: true, auth: true, ok: true},
		{addr: "0.0.0.0:5432", insecure: true, ok: true},
	} {
		err := CheckListen(test.addr, test.tls, test.auth, test.insecure)
		if test.ok && err != nil || !test.ok && !errors.Is(err, ErrInsecureListen) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if err := CheckListen("nowhere", true, true, true); err == nil {
		t.Error("an address without a port is accepted")
	}
}

func TestPolicies(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }
	for _, test := range []struct {
		peer            Peer
		local, password AuthMethod
	}{
		{Peer{Local: true}, AuthTrust, AuthTrust},
		{Peer{Addr: &net.UnixAddr{Net: "unix"}}, AuthTrust, AuthSCRAM},
		{Peer{Addr: tcp("127.0.0.1")}, AuthTrust, AuthSCRAM},
		{Peer{Addr: tcp("::1")}, AuthTrust, AuthSCRAM},
		{Peer{Addr: tcp("::ffff:127.0.0.1")}, AuthTrust, AuthSCRAM},
		{Peer{Addr: tcp("192.168.0.1")}, AuthSCRAM, AuthSCRAM},
		{Peer{Addr: tcp("::")}, AuthSCRAM, AuthSCRAM},
		{Peer{}, AuthSCRAM, AuthSCRAM},
	} {
		if got := TrustLocal(test.peer); got != test.local {
			t.Errorf("TrustLocal(%+v) = %v", test.peer, got)
		}
		if got := RequirePassword(test.peer); got != test.password {
			t.Errorf("RequirePassword(%+v) = %v", test.peer, got)
		}
	}
}
