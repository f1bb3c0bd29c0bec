// Package peers measures Howdah beside its peers: PGlite with its socket server
// on Node and on Bun, and native PostgreSQL 18 and 15. Every server is a process
// of its own, and so is the load. It has no code of its own.
//
//	go test -run '^$' -bench . -benchtime 1x ./pglite/internal/peers
//	go test -run '^$' -bench Pgbench/fast/select/simple -benchtime 1x \
//		./pglite/internal/peers -seconds 10 -clients 8 -servers howdah,bun
//
// Absolute figures are the machine's; what one table says of two servers can be
// compared, since they took turns within seconds. A peer that is not at hand is
// left out with the reason, and what a server can't do "fails" with its words.
package peers

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	seconds     = flag.Int("seconds", 1, "length of each measurement; with -short it is a few transactions")
	clientList  = flag.String("clients", "1,8,32", "numbers of pgbench's clients; with -short 8")
	nativeDir   = flag.String("native-dir", "", "where the native server of BenchmarkTemplates has its data; empty for the temporary folder")
	serverNames = flag.String("servers", "", "only these, by the names that the tables use; empty for all")
)

// aimClients is at how many clients Howdah's aims are set.
const aimClients = 8

// work is a folder for what several benchmarks use.
var work string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if work, err = os.MkdirTemp("", "howdah-peers-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(work)
	os.Exit(status)
}

// command is the howdah of this source tree, as users run it.
var command = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(work, "howdah")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/howdahdb/howdah/cmd/howdah").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	// The first start compiles Postgres, and keeps memory from that.
	if out, err := exec.Command(bin, "run", "--", "go", "version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("first start: %w\n%s", err, out)
	}
	return bin, nil
})

// clientCounts are the numbers of clients to measure with.
func clientCounts(b *testing.B) []int {
	if testing.Short() {
		return []int{aimClients}
	}
	var counts []int
	for field := range strings.SplitSeq(*clientList, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 {
			b.Fatalf("-clients %s: %q is no number of clients", *clientList, field)
		}
		counts = append(counts, n)
	}
	return counts
}

// chosen leaves the servers that -servers names.
func chosen(servers ...*server) []*server {
	if *serverNames == "" {
		return servers
	}
	names := strings.Split(*serverNames, ",")
	return slices.DeleteFunc(servers, func(s *server) bool { return !slices.Contains(names, s.name) })
}

// group is servers that are measured by the same scripts, in turn.
type group struct {
	name, title string
	servers     []*server
	scripts     []script
	modes       []string // of pgbench's -M
	scaling     bool     // also say how much more many clients do than few
}

// BenchmarkPgbench runs pgbench against all servers in turn, script by script,
// and prints a table per group: transactions a second, and how many times as
// many the first server does. The column in-process is the reciprocal of what
// the same messages cost a session in this process, without a socket.
func BenchmarkPgbench(b *testing.B) {
	durable := howdah("howdah", "--data-dir", b.TempDir())
	durable18, durable15 := native18("native18", "fsync=on"), native15("native15", "fsync=on")
	groups := []group{{
		name: "fast", title: "in memory, native without fsync",
		servers: []*server{howdah("howdah"), inProcess(), node(), bun(), native18("native18", "fsync=off"), native15("native15", "fsync=off")},
		scripts: []script{selectOnly, tpcb},
		modes:   []string{"simple", "extended", "prepared"},
	}, {
		name: "durable", title: "on a directory, with fsync",
		servers: []*server{durable, durable18, durable15},
		scripts: []script{tpcb},
		modes:   []string{"simple", "prepared"},
	}, {
		name: "commits", title: "one insert a transaction, with fsync; async is synchronous_commit=off",
		servers: []*server{durable, durable18, durable15,
			durable.with("async", "synchronous_commit=off"), durable18.with("async18", "synchronous_commit=off")},
		scripts: []script{insertOne},
		modes:   []string{"prepared"},
		scaling: true,
	}}
	for _, g := range groups {
		g.servers = chosen(g.servers...)
		if testing.Short() {
			g.modes = g.modes[:1]
		}
		g.run(b)
	}
}

// run measures what -bench chooses of the group, and prints the table.
func (g *group) run(b *testing.B) {
	if len(g.servers) == 0 {
		return
	}
	t := newTable(g.servers)
	for _, s := range g.scripts {
		for _, mode := range g.modes {
			for _, clients := range clientCounts(b) {
				row := load{s, mode, clients}
				b.Run(g.name+"/"+row.String(), func(sub *testing.B) {
					sub.ReportMetric(0, "ns/op") // it is the length of the run
					r := t.add(row)
					for k, s := range g.servers {
						r.cells[k] = s.measured(b, row)
						if r.cells[k].rate > 0 {
							sub.ReportMetric(r.cells[k].rate, s.name+"-tx/s")
						}
					}
				})
			}
		}
	}
	if len(t.rows) == 0 {
		return
	}
	fmt.Printf("\npgbench, scale 1, %s\n", g.title)
	if g.scaling {
		t.scaling()
		if rate, err := fsyncRate(); err == nil {
			fmt.Printf("the disk does %.0f fsync/s by itself\n", rate)
		}
	}
	t.memory()
	fmt.Println(t)
}
