package etf_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// peer is an Erlang or Elixir that evaluates expressions and compares terms
// (testdata/etf_peer.erl).
type peer struct {
	in  io.Writer
	out io.Reader
}

func startErlang(t *testing.T) *peer {
	return start(t, exec.Command(need.Erlang(t), "-noinput", "+S", "1:1", "-eval",
		`{ok, M, B} = compile:file("testdata/etf_peer.erl", [binary]), {module, M} = code:load_binary(M, "etf_peer", B), M:main().`))
}

func startElixir(t *testing.T) *peer {
	return start(t, exec.Command(need.Elixir(t), "--erl", "-noinput +S 1:1", "testdata/etf_peer.exs"))
}

// start runs a peer until the end of t.
func start(t *testing.T, cmd *exec.Cmd) *peer {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{theirIn, theirOut}, &log, &log
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0", "LC_ALL=C.UTF-8")
	err = cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it ends at the end of its input
		out.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s: %v\n%s", cmd.Path, err, log.Bytes())
		}
	})
	return &peer{in: in, out: out}
}

func (p *peer) ask(t *testing.T, op byte, what []byte) []byte {
	t.Helper()
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(what)+1)), op)
	if _, err := p.in.Write(append(frame, what...)); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(p.out, size[:]); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(p.out, reply); err != nil {
		t.Fatal(err)
	}
	return reply
}

// eval gives the bytes of an expression's value in each form, the first of which is
// the one that etf writes.
func (p *peer) eval(t *testing.T, expression string) [][]byte {
	t.Helper()
	var all [][]byte
	for reply := p.ask(t, 'e', []byte(expression)); len(reply) > 0; {
		n := binary.BigEndian.Uint32(reply)
		all = append(all, reply[4:4+n])
		reply = reply[4+n:]
	}
	if len(all) < 2 {
		t.Fatalf("%s: %s", expression, all)
	}
	return all
}

// check reads all forms of an expression's value, which have to be the same, writes
// it, and has the peer compare. Erlang's and our bytes are the same, too.
func (p *peer) check(t *testing.T, expression string) etf.Term {
	t.Helper()
	var value etf.Term
	for k, form := range p.eval(t, expression) {
		got, rest, err := etf.Decode(form)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%s: %x: %v", expression, form, err)
		}
		if k == 0 {
			value = got
			out, err := etf.Append(nil, got)
			if err != nil || !bytes.Equal(out, form) {
				t.Errorf("%s: written as %x, %v; by Erlang as %x", expression, out, err, form)
			}
		}
		if !etf.Equal(got, value) && !holdsFun(value) {
			t.Errorf("%s: form %d is %#v, the first %#v", expression, k, got, value)
		}
		out, err := etf.Append(nil, got)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		p.same(t, expression, out)
	}
	return value
}

// holdsFun tells whether a term has a fun inside, whose bytes are other ones in
// other forms. Whether it is the same Erlang says.
func holdsFun(t etf.Term) bool {
	switch t := t.(type) {
	case etf.Fun:
		return true
	case etf.Tuple:
		return slices.ContainsFunc(t, holdsFun)
	case etf.List:
		return slices.ContainsFunc(t, holdsFun)
	case etf.Map:
		return slices.ContainsFunc(t, func(p etf.Pair) bool { return holdsFun(p.Key) || holdsFun(p.Value) })
	}
	return false
}

// same has the peer compare a term with the value of the last expression.
func (p *peer) same(t *testing.T, expression string, term []byte) {
	t.Helper()
	if answer := p.ask(t, 'c', term); string(answer) != "same" {
		t.Errorf("%s: %x is %.500s", expression, term, answer)
	}
}
