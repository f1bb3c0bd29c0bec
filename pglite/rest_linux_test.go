package pglite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/runtime"
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

// TestRestCode: machine code that is mapped from a file runs as it did, also while
// it is replaced; a file with other code is removed, and written anew.
func TestRestCode(t *testing.T) {
	ctx := t.Context()
	c, err := Open(ctx, Options{NoHousekeeping: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() {
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.AsHost(ctx, "select sum(i), jsonb_agg(i) from generate_series(1, 1000) i"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	err = c.engine.mapCode()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
		t.Log("the code's pages are not known")
	}
	close(stop)
	running.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := c.AsHost(ctx, "select 6 * 7"); err != nil || rows[0][0] != "42" {
		t.Errorf("%v, %v", rows, err)
	}
	if _, err := c.AsHost(ctx, "select 1 / 0"); err == nil { // by longjmp
		t.Error("an error has become none")
	}

	other := func(w io.Writer) error {
		_, err := io.CopyN(w, zeros{}, 4096)
		return err
	}
	if err := c.engine.artifact.KeepFrom(codeKey, other); err != nil {
		t.Fatal(err)
	}
	if err := c.engine.mapCode(); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if !errors.Is(err, runtime.ErrOtherCode) {
		t.Errorf("other code is mapped: %v", err)
	}
	if f, err := c.engine.artifact.Kept(codeKey); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("other code is kept: %v, %v", f, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

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
