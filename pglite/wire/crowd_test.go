package wire_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A crowd is a process with many connections: open files are limited per
// process, and what clients take must not be counted as the server's. The test
// binary is its own crowd when crowdVar names a server. It takes a command per
// line and answers each with a line:
//
//	open N       opens N more connections, up to their first ReadyForQuery
//	open N tls   does so with TLS
//	query N K    lets the first N run K queries each, at once
const crowdVar = "HOWDAH_TEST_CROWD"

// crowd is the process as the test sees it.
type crowd struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

func startCrowd(t testing.TB, addr net.Addr) *crowd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crowdVar+"="+addr.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error("crowd:", err)
		}
	})
	return &crowd{t: t, in: in, out: bufio.NewReader(out)}
}

// do runs a command and returns what the crowd has to say about it.
func (c *crowd) do(format string, args ...any) string {
	c.t.Helper()
	command := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(c.in, command+"\n"); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.out.ReadString('\n')
	answer, ok := strings.CutPrefix(strings.TrimSpace(line), "ok")
	if err != nil || !ok {
		c.t.Fatalf("%s: %q, %v", command, line, err)
	}
	return strings.TrimSpace(answer)
}

// runCrowd is the process.
func runCrowd(addr string) int {
	var conns []net.Conn
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var n, k int
		var answer string
		var err error
		var more []net.Conn
		switch command := lines.Text(); {
		case scan(command, "open %d tls", &n):
			more, err = openMany(addr, n, encrypt)
		case scan(command, "open %d", &n):
			more, err = openMany(addr, n, func(nc net.Conn) (net.Conn, error) { return nc, nil })
		case scan(command, "query %d %d", &n, &k):
			answer, err = queryMany(conns[:n], k)
		default:
			err = fmt.Errorf("no such command")
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		conns = append(conns, more...)
		fmt.Println("ok", answer)
	}
	for _, nc := range conns {
		nc.Close()
	}
	return 0
}

func scan(line, format string, to ...any) bool {
	_, err := fmt.Sscanf(line, format, to...)
	return err == nil
}

// openMany opens connections, a few at a time.
func openMany(addr string, n int, over func(net.Conn) (net.Conn, error)) ([]net.Conn, error) {
	conns, errs := make([]net.Conn, n), make([]error, n)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 16)
	for i := range conns {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			conns[i], errs[i] = openOne(addr, over)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return conns, nil
}

func openOne(addr string, over func(net.Conn) (net.Conn, error)) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if nc, err = over(nc); err != nil {
		return nil, err
	}
	const packet = "\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00application_name\x00crowd\x00\x00"
	if _, err := nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4)), packet...)); err != nil {
		return nil, err
	}
	_, err = answerOf(nc)
	return nc, err
}

// encrypt begins with TLS, as a client with sslnegotiation=direct does.
func encrypt(nc net.Conn) (net.Conn, error) {
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
	return c, c.Handshake()
}

// answerOf reads up to ReadyForQuery and returns the values of the rows.
func answerOf(nc net.Conn) (string, error) {
	var got []byte
	var head [5]byte
	for {
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			return "", err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(nc, body); err != nil {
			return "", err
		}
		switch head[0] {
		case 'E':
			return "", fmt.Errorf("server says %q", body)
		case 'D': // of one column
			got = append(got, body[6:]...)
		case 'Z':
			return string(got), nil
		}
	}
}

// queryMany returns the median and the longest time of a query.
func queryMany(conns []net.Conn, k int) (string, error) {
	took := make([][]time.Duration, len(conns))
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, nc := range conns {
		wg.Go(func() {
			for q := range k {
				want := fmt.Sprint(i*k + q)
				sql := "select " + want + "\x00"
				begin := time.Now()
				if _, err := nc.Write(append(binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(sql)+4)), sql...)); err != nil {
					errs[i] = err
					return
				}
				if got, err := answerOf(nc); err != nil || got != want {
					errs[i] = fmt.Errorf("%s: %q, %v", sql, got, err)
					return
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("p50 %v p99 %v max %v", all[len(all)/2], all[len(all)*99/100], all[len(all)-1]), nil
}
