package replication_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// serveVar makes the test binary a server: "address directory".
const serveVar = "HOWDAH_TEST_REPLICATION"

// TestServe is the process that TestKilled kills.
func TestServe(t *testing.T) {
	address, dir, ok := strings.Cut(os.Getenv(serveVar), " ")
	if !ok {
		t.Skip("a process of its own, for another test")
	}
	s, err := open(context.WithoutCancel(t.Context()), dir, address)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("listening")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// process is one that runs TestServe.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
}

func startProcess(t *testing.T, address, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^TestServe$")}
	p.cmd.Env = append(os.Environ(), serveVar+"="+address+" "+dir)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "listening\n" {
		p.kill()
		t.Fatalf("server says %q: %v", line, err)
	}
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop asks the server to shut down.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// TestKilled: a subscription follows a publisher that is killed again and again under
// load, and is killed itself in between, to equal tables. The first copy is left
// alone: its worker drops its slot before it commits that it has (see
// process_syncing_tables_for_sync in tablesync.c of PostgreSQL 15), and if either
// side goes in between it asks for that slot for ever.
func TestKilled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	url := "postgres://postgres@" + address + "/postgres?sslmode=disable"
	dir := filepath.Join(t.TempDir(), "data")
	publisher := startProcess(t, address, dir)
	t.Cleanup(func() { publisher.kill() })
	subscriber := need.StartDebian(t, "wal_retrieve_retry_interval=100ms", "max_logical_replication_workers=10")

	showLog(t, subscriber)
	conn := connect(t, url, "")
	run(t, conn, tables...)
	run(t, conn, "insert into rows select g, 'v' || g, g from generate_series(1, 900) g", "create publication p for table rows, large, whole, parts")
	theirs := connect(t, subscriber.URL("postgres"), "")
	run(t, theirs, tables...)
	run(t, theirs, fmt.Sprintf("create subscription s connection 'host=127.0.0.1 port=%d user=postgres dbname=postgres' publication p", port))
	eventually(t, theirs, "select count(*) filter (where srsubstate <> 'r') || ' ' || (count(*) > 3) from pg_subscription_rel", "0 true")

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for round := range need.Choose(2, 50) {
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		counts := make([]int, 4)
		for k := range counts {
			writer := rand.New(rand.NewPCG(seed, uint64(round*10+k+1)))
			writers.Go(func() { counts[k] = writeUntilKilled(ctx, url, writer) })
		}
		time.Sleep(time.Duration(200+rng.IntN(800)) * time.Millisecond)
		if round%2 == 1 {
			subscriber.Kill()
			subscriber.Start(t)
		}
		publisher.kill()
		cancel()
		writers.Wait()
		for _, n := range counts {
			total += n
		}
		publisher = startProcess(t, address, dir)
	}
	t.Logf("%d transactions", total)
	conn, theirs = connect(t, url, ""), connect(t, subscriber.URL("postgres"), "")
	awaitSubscriber(t, conn, theirs)
	equalTables(t, conn, theirs)
	run(t, theirs, "drop subscription s")
	publisher.stop()
}

// writeUntilKilled gives the number of transactions that the server has answered.
func writeUntilKilled(ctx context.Context, url string, rng *rand.Rand) (n int) {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return 0
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		if write(ctx, conn, rng) != nil {
			return n
		}
		n++
	}
	return n
}
