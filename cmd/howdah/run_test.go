package main

import (
	"net"
	"slices"
	"testing"
)

func TestChildEnv(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 54321}
	got := childEnv([]string{"PATH=/bin", "PGHOST=db.example", "PGHOSTADDR=192.0.2.1", "PGSERVICE=x", "PGOPTIONS=-c a=b", "ODD"}, address)
	// exec.Cmd takes the last of two entries with one name.
	want := []string{
		"PATH=/bin", "PGHOST=db.example", "PGOPTIONS=-c a=b", "ODD",
		"PGHOST=127.0.0.1", "PGPORT=54321", "PGUSER=postgres", "PGDATABASE=postgres", "PGSSLMODE=disable",
		"DATABASE_URL=postgres://postgres@127.0.0.1:54321/postgres?sslmode=disable",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDatabaseURL(t *testing.T) {
	for _, c := range []struct {
		ip   net.IP
		tls  bool
		want string
	}{
		{net.IPv4(127, 0, 0, 1), false, "postgres://postgres@127.0.0.1:5432/postgres"},
		{net.IPv6loopback, false, "postgres://postgres@[::1]:5432/postgres"},
		{net.IPv6unspecified, true, "postgres://postgres@localhost:5432/postgres?sslmode=require"},
		{net.IPv4(192, 0, 2, 7), true, "postgres://postgres@192.0.2.7:5432/postgres?sslmode=require"},
	} {
		if got := databaseURL(&net.TCPAddr{IP: c.ip, Port: 5432}, c.tls); got != c.want {
			t.Errorf("%v: %s, want %s", c.ip, got, c.want)
		}
	}
}
