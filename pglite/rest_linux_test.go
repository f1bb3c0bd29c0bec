package pglite

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestRest: what is mapped of the stored process is not in memory once the engine
// rests, and is read again.
func TestRest(t *testing.T) {
	ctx := t.Context()
	c, err := Open(ctx, Options{NoHousekeeping: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	name, err := StoredFile(ctx)
	if err != nil {
		t.Skip("nothing is kept here: ", err)
	}
	read := func() {
		t.Helper()
		if _, err := c.AsHost(ctx, "select count(*) from pg_proc, lateral pg_get_functiondef(oid) where prokind = 'f' and oid < 1300"); err != nil {
			t.Fatal(err)
		}
		if _, err := readFile(c.mem, "/pglite/share/postgresql/postgres.bki"); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if residentKB(t, name) == 0 {
		t.Error("nothing is mapped: this test knows nothing")
	}
	c.engine.rest()
	if n := residentKB(t, name); n > 0 {
		t.Errorf("%d kB are in memory", n)
	}
	read()
}

// residentKB is how much read-only mappings of a file have in memory.
func residentKB(t *testing.T, name string) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	of := false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case strings.Contains(f[0], "-") && len(f) > 4:
			of = f[len(f)-1] == name && f[1] == "r--p"
		case of && f[0] == "Rss:":
			kB, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			n += kB
		}
	}
	return n
}
