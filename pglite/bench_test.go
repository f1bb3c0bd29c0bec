package pglite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const benchRows = 10000

// benchCluster is one in memory that benchmarks share, with a table of
// benchRows rows. It ends with the process.
var benchCluster = sync.OnceValues(func() (*Cluster, error) {
	c, err := Open(context.Background(), Options{})
	if err != nil {
		return nil, err
	}
	_, err = c.AsHost(context.Background(), fmt.Sprintf(
		"create table point (id int primary key, v text); insert into point select i, md5(i::text) from generate_series(1, %d) i; analyze point", benchRows))
	return c, err
})

func shared(b *testing.B) *Cluster {
	b.Helper()
	c, err := benchCluster()
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkStart is from Open to the first answer, with machine code in the
// cache: on a directory with a cluster, and in memory, where every process
// runs initdb once and the clusters after the first are clones.
func BenchmarkStart(b *testing.B) {
	start := func(b *testing.B, o Options) {
		c, err := Open(b.Context(), o)
		if err == nil {
			_, err = c.asHost(b.Context(), "select 1")
		}
		b.StopTimer()
		if err == nil {
			err = c.Close(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.Run("directory", func(b *testing.B) {
		o := Options{Dir: b.TempDir()}
		start(b, o)
		b.ReportAllocs()
		for b.Loop() {
			start(b, o)
		}
	})
	b.Run("memory", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			start(b, Options{})
		}
	})
	b.Run("clone", func(b *testing.B) {
		shared(b)
		b.ReportAllocs()
		for b.Loop() {
			start(b, Options{})
		}
	})
}

// count is a sink that drops what it gets.
type count int64

func (n *count) write(p []byte) { *n += count(len(p)) }

// benchClient is the client of a session in process: Read asks for the next
// batch when all of the last is answered, and nil ends the session.
type benchClient struct {
	next func() []byte
	in   []byte
	out  replySink
	err  error
}

func (c *benchClient) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if c.in = c.next(); c.in == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *benchClient) Write(p []byte) (int, error) {
	c.out.split.keep = func(t byte) bool { return t == 'E' }
	c.out.split.handle = func(_ byte, body []byte) { c.err = decodeError(body) }
	c.out.split.scan(p)
	return len(p), nil
}

func (c *benchClient) Flush() error  { return nil }
func (c *benchClient) Buffered() int { return len(c.in) }

// serve runs batches through a session: first before the clock, then each
// until b is done.
func serve(b *testing.B, c *Cluster, first []byte, each func(i int) []byte) {
	b.Helper()
	b.ReportAllocs()
	s, err := c.NewSession(b.Context(), SessionOptions{User: "postgres"})
	if err != nil {
		b.Fatal(err)
	}
	started, i := len(first) == 0, 0
	client := &benchClient{}
	client.next = func() []byte {
		switch {
		case !started:
			started = true
			return first
		case client.err != nil || !b.Loop():
			return nil
		}
		i++
		return each(i)
	}
	if err := s.Serve(b.Context(), client); err != nil {
		b.Fatal(err)
	}
	if client.err != nil {
		b.Fatal(client.err)
	}
}

func parseMessage(name, sql string) []byte {
	return message('P', cstring(name), cstring(sql), []byte{0, 0})
}

// bindMessage binds parameters in text format.
func bindMessage(name string, params ...string) []byte {
	body := append(cstring(""), cstring(name)...)
	body = append(body, 0, 0)
	body = binary.BigEndian.AppendUint16(body, uint16(len(params)))
	for _, p := range params {
		body = binary.BigEndian.AppendUint32(body, uint32(len(p)))
		body = append(body, p...)
	}
	return message('B', append(body, 0, 0))
}

var (
	executeMessage = message('E', []byte{0, 0, 0, 0, 0})
	syncMessage    = message('S')
)

func batch(messages ...[]byte) []byte { return bytes.Join(messages, nil) }

// BenchmarkPointSelect selects one row by its key. backend is the bare call:
// Bind, Execute and Sync of a prepared statement handed to the guest, which no
// client can be faster than; the others go through a session.
func BenchmarkPointSelect(b *testing.B) {
	const query = "select v from point where id = $1"
	key := func(i int) string { return strconv.Itoa(i%benchRows + 1) }
	prepare := batch(parseMessage("point", query), syncMessage)

	b.Run("backend", func(b *testing.B) {
		c := shared(b)
		held, err := c.pool.take(b.Context(), nil, login{})
		if err != nil {
			b.Fatal(err)
		}
		defer c.pool.release(held)
		if err := held.quietly(prepare); err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := held.quietly(batch(message('C', []byte{'S'}, cstring("point")), syncMessage)); err != nil {
				b.Fatal(err)
			}
		}()
		held.mu.Lock()
		defer held.mu.Unlock()
		var (
			in  bytesFeed
			out count
			buf []byte
		)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			buf = append(buf[:0], bindMessage("point", key(i))...)
			buf = append(append(buf, executeMessage...), syncMessage...)
			in.b = buf
			if err := held.execute(&in, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("prepared", func(b *testing.B) {
		serve(b, shared(b), prepare, func(i int) []byte {
			return batch(bindMessage("point", key(i)), executeMessage, syncMessage)
		})
	})
	b.Run("extended", func(b *testing.B) {
		serve(b, shared(b), nil, func(i int) []byte {
			return batch(parseMessage("", query), bindMessage("", key(i)), executeMessage, syncMessage)
		})
	})
	b.Run("simple", func(b *testing.B) {
		serve(b, shared(b), nil, func(i int) []byte {
			return message('Q', cstring("select v from point where id = "+key(i)))
		})
	})
}

// BenchmarkInsert inserts one row into a table with a primary key.
func BenchmarkInsert(b *testing.B) {
	setup := message('Q', cstring("drop table if exists ins; create table ins (id int primary key, v text)"))
	b.Run("prepared", func(b *testing.B) {
		first := batch(setup, parseMessage("ins", "insert into ins values ($1, $2)"), syncMessage)
		serve(b, shared(b), first, func(i int) []byte {
			return batch(bindMessage("ins", strconv.Itoa(i), "some value"), executeMessage, syncMessage)
		})
	})
	b.Run("simple", func(b *testing.B) {
		serve(b, shared(b), setup, func(i int) []byte {
			return message('Q', cstring("insert into ins values ("+strconv.Itoa(i)+", 'some value')"))
		})
	})
}

// BenchmarkCopyIn reports rows/s of COPY FROM STDIN in text format.
func BenchmarkCopyIn(b *testing.B) {
	var rows []byte
	for i := range benchRows {
		rows = append(rows, message('d', []byte(strconv.Itoa(i)+"\ta value of ordinary length, say\n"))...)
	}
	in := batch(message('Q', cstring("copy cp from stdin")), rows, message('c'))
	setup := message('Q', cstring("drop table if exists cp; create table cp (id int, v text)"))
	b.SetBytes(int64(len(in)))
	serve(b, shared(b), setup, func(int) []byte { return in })
	b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCommit inserts one row a transaction into a cluster on a directory,
// each of them durable before it is answered. fsync/s is what the disk does by
// itself: one aligned page written and synced at a time.
func BenchmarkCommit(b *testing.B) {
	c, err := Open(b.Context(), Options{Dir: filepath.Join(b.TempDir(), "data")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	syncs := fsyncRate(b)
	setup := batch(message('Q', cstring("create table durable (id int primary key)")), parseMessage("ins", "insert into durable values ($1)"), syncMessage)
	serve(b, c, setup, func(i int) []byte {
		return batch(bindMessage("ins", strconv.Itoa(i)), executeMessage, syncMessage)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(syncs, "fsync/s")
}

// fsyncRate measures the disk that holds temporary folders.
func fsyncRate(b *testing.B) float64 {
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const n, pages = 500, 128
	page := bytes.Repeat([]byte{1}, 8192)
	if _, err := f.Write(bytes.Repeat(page, pages)); err != nil { // as WAL segments are: allocated before
		b.Fatal(err)
	}
	start := time.Now()
	for i := range int64(n) {
		if _, err := f.WriteAt(page, i%pages*int64(len(page))); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return n / time.Since(start).Seconds()
}

// idleVar makes the test binary a process that opens a cluster on the folder
// it names ("memory" for none), tells so, and waits for the end of its input.
const idleVar = "HOWDAH_BENCH_IDLE"

func TestIdleProcess(t *testing.T) {
	dir := os.Getenv(idleVar)
	if dir == "" {
		t.Skip("is run by BenchmarkIdle")
	}
	if dir == "memory" {
		dir = ""
	}
	c, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c.engine.trimming.Wait() // what a moment of idleness does
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Error(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// BenchmarkIdle reports the resident memory of a process of its own with one
// cluster that nobody has used yet.
func BenchmarkIdle(b *testing.B) {
	for _, where := range [...]string{"directory", "memory"} {
		b.Run(where, func(b *testing.B) {
			dir := where
			if dir == "directory" {
				dir = b.TempDir()
				idle(b, dir, func(int) {}) // makes the cluster
			}
			total := 0.0
			for b.Loop() {
				idle(b, dir, func(pid int) { total += residentMB(b, pid) })
			}
			b.ReportMetric(total/float64(b.N), "MB")
		})
	}
}

// idle runs TestIdleProcess on dir and looks at it when it is ready.
func idle(b *testing.B, dir string, look func(pid int)) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestIdleProcess$")
	cmd.Env = append(os.Environ(), idleVar+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if lines.Scan(); lines.Text() != "ready" {
		b.Errorf("the idle process says %q", lines.Text())
	} else {
		look(cmd.Process.Pid)
	}
	in.Close()
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

// residentMB is VmRSS of a process (proc_pid_status(5)) in 10⁶ bytes.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("needs Linux' /proc: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb * 1024 / 1e6
		}
	}
	b.Fatal("no VmRSS in ", string(status))
	return 0
}

// BenchmarkClone starts a cluster from an image in the process, asks it
// something, and drops it.
func BenchmarkClone(b *testing.B) {
	for _, size := range []struct {
		name string
		sql  string
	}{{"empty", "select 1"}, {"100MB", "create table public.t as select i as id, repeat('x', 1000) as v from generate_series(1, 90000) i"}} {
		b.Run(size.name, func(b *testing.B) {
			c, err := Open(b.Context(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := c.asHost(b.Context(), size.sql); err != nil {
				b.Fatal(err)
			}
			i, err := c.Freeze(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer i.Close()
			b.ReportAllocs()
			for b.Loop() {
				c, err := i.Open(b.Context(), Options{NoHousekeeping: true})
				if err == nil {
					_, err = c.asHost(b.Context(), "select 1")
				}
				b.StopTimer()
				if err == nil {
					err = c.Close(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
