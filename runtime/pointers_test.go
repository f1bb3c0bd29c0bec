package runtime

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
)

const guestSize = guestMinimum * linear.PageSize

// TestBadPointers: an address outside the memory is a Trap that names it.
func TestBadPointers(t *testing.T) {
	g := newGuest(t, Process{Env: []string{"A=1"}})
	g.file("/f", "content")
	fd := g.open("/f", oRDWR)
	ok := g.alloc(512)
	iov, _ := g.iov(4)
	for _, bad := range []uint32{guestSize - 1, guestSize, 1 << 31, 1<<32 - 1} {
		badIov := g.alloc(8)
		g.PutUint32(badIov, bad)
		g.PutUint32(badIov+4, 2)
		g.Bytes(guestSize-1, 1)[0] = 'x' // a string that the end of the memory cuts off is one of a byte
		for _, c := range []struct {
			name string
			args []any
		}{
			{"__syscall_stat64", []any{"/f", bad}},
			{"__syscall_fstat64", []any{fd, bad}},
			{"__syscall_statfs64", []any{"/", 72, bad}},
			{"__syscall_getcwd", []any{bad, 100}},
			{"__syscall_getdents64", []any{g.open("/", oDIRECTORY), bad, 280}},
			{"__syscall_pipe2", []any{bad, 0}},
			{"__syscall_fcntl64", []any{fd, 12, bad}},
			{"__syscall_fcntl64", []any{fd, 12, mode(bad)}},
			{"__syscall_openat", []any{atFDCWD, "/f", oCREAT, bad}},
			{"fd_read", []any{fd, bad, 1, ok}},
			{"fd_read", []any{fd, badIov, 1, ok}},
			{"fd_write", []any{fd, badIov, 1, ok}},
			{"fd_pread", []any{fd, iov, 1, int64(0), bad}},
			{"fd_pwrite", []any{fd, badIov, 1, int64(0), ok}},
			{"fd_read", []any{fd, iov, 1<<32 - 1, bad}},
			{"fd_seek", []any{fd, int64(0), 0, bad}},
			{"fd_fdstat_get", []any{fd, bad}},
			{"environ_get", []any{bad, ok}},
			{"environ_get", []any{ok, bad}},
			{"environ_sizes_get", []any{ok, bad}},
			{"clock_time_get", []any{0, int64(0), bad}},
			{"random_get", []any{bad, 2}},
			{"random_get", []any{0, uint32(1<<32 - 1)}},
			{"_gmtime_js", []any{int64(0), bad}},
			{"_mktime_js", []any{bad}},
			{"_tzset_js", []any{bad, ok, ok, ok}},
			{"_mmap_js", []any{10, 1, 1, fd, int64(0), ok, bad}},
			{"getaddrinfo", []any{"::1", 0, bad, ok}},
			{"getaddrinfo", []any{"::1", 0, 0, bad}},
		} {
			if trap := g.trap(c.name, c.args...); !strings.Contains(trap.Err.Error(), "guest passed") {
				t.Errorf("%s%v: %v", c.name, c.args, trap.Err)
			}
		}
	}
	for _, name := range []string{"__syscall_stat64", "__syscall_chdir", "__syscall_rmdir"} {
		args := []any{uint32(guestSize), ok}[:len(stockImports()["env."+name].Params)]
		g.trap(name, args...)
	}
}

// TestHostileArguments calls every host function with numbers out of hell:
// whatever it makes of them, a call ends in a result, a Trap or an ExitError.
func TestHostileArguments(t *testing.T) {
	const rounds = 300
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	p := compile(t, Source{Name: "guest", Wasm: testProgram(nil, nil)})
	numbers := []uint64{
		0, 1, 2, 3, 4, 5, 100, guestScratch, guestScratch + 1, guestStack, guestSize - 1, guestSize - 4, guestSize,
		1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<32 - 100, 1<<63 - 1, 1 << 63, 1<<64 - 1, 0x7ff8000000000000, 0x7ff0000000000000,
	}
	for name, sig := range stockImports() {
		_, name, _ = strings.Cut(name, ".")
		g := startGuest(t, p, Process{Env: []string{"A=1"}, Alarm: func() {}})
		g.file("/f", "content")
		g.open("/f", oRDWR)
		g.open("/", oDIRECTORY)
		copy(g.Bytes(guestScratch, 3), "/f\x00")
		g.PutUint32(guestScratch+8, guestScratch)
		for range rounds {
			args := make([]uint64, len(sig.Params))
			for k := range args {
				args[k] = numbers[r.IntN(len(numbers))]
			}
			_, err := g.Call(name, args...)
			var trap *Trap
			var exit *ExitError
			if err != nil && !errors.As(err, &trap) && !errors.As(err, &exit) {
				t.Errorf("%s%#x: %v", name, args, err)
			}
		}
		g.Close()
	}
}

// FuzzStrings reads strings and bytes at any address: what lies in the memory,
// or a panic with an error that says what the guest passed.
func FuzzStrings(f *testing.F) {
	g := newGuest(f, Process{})
	for _, p := range []uint32{0, guestScratch, guestSize - 1, guestSize, 1<<32 - 1} {
		for _, n := range []uint32{0, 1, maxCString, guestSize, 1<<32 - 1} {
			f.Add(p, n, []byte("a string"))
		}
	}
	f.Fuzz(func(t *testing.T, p, n uint32, text []byte) {
		mem := g.Memory().Bytes()
		text = text[:min(len(text), 2*maxCString)]
		if uint64(p)+uint64(len(text)) < uint64(len(mem)) {
			old := append([]byte(nil), mem[p:int(p)+len(text)+1]...)
			defer copy(mem[p:], old)
			mem[copy(mem[p:], text)+int(p)] = 0
			want, _, _ := strings.Cut(string(text), "\x00")
			if got := g.LongString(p); got != want {
				t.Errorf("LongString is %q, expected %q", got, want)
			}
			if got := g.String(p); got != want[:min(len(want), maxCString)] {
				t.Errorf("String is %q, expected %q", got, want)
			}
		}
		inside := func(what string, fits bool, f func()) {
			defer func() {
				switch err := recover().(type) {
				case nil:
					if !fits {
						t.Errorf("%s at %d, +%d did not fail", what, p, n)
					}
				case error:
					if fits || !strings.HasPrefix(err.Error(), "guest passed") {
						t.Errorf("%s at %d, +%d: %v", what, p, n, err)
					}
				}
			}()
			f()
		}
		inside("Bytes", uint64(p)+uint64(n) <= uint64(len(mem)), func() {
			if b := g.Bytes(p, n); len(b) != int(n) || cap(b) != int(n) {
				t.Errorf("%d bytes of %d, expected %d", len(b), cap(b), n)
			}
		})
		inside("String", uint64(p) < uint64(len(mem)), func() { g.String(p) })
		inside("LongString", uint64(p) < uint64(len(mem)), func() { g.LongString(p) })
		inside("Uint32", uint64(p)+4 <= uint64(len(mem)), func() { g.Uint32(p) })
	})
}
