package pglite

import (
	"strings"

	"github.com/howdahdb/howdah/runtime"
)

// hooks are what a guest program may ask a shell for: initdb runs the backend
// by popen and system, the backend asks for "locale -a". One per instance.
type hooks struct {
	// run executes a command that initdb gives; nil refuses every command.
	run   func(args []string, stdin []byte) (status int, stdout []byte)
	inst  *runtime.Instance
	pipes map[uint32]*pipe // by FILE*
	count int
}

// pipe is one popen.
type pipe struct {
	args   []string
	file   string // holds what is read, or collects what is written
	write  bool
	status int
}

// guest is what runtime.Process.Data holds.
type guest interface{ shell() *hooks }

func (h *hooks) shell() *hooks { return h }

func onHooks(f func(*hooks, []uint64)) func(*runtime.Instance, []uint64) {
	return func(i *runtime.Instance, s []uint64) { f(i.Data.(guest).shell(), s) }
}

// onBackend finds the backend an instance belongs to. A backend that initdb
// runs has none: its calls answer 0 and do nothing.
func onBackend(f func(*backend, []uint64)) func(*runtime.Instance, []uint64) {
	return func(i *runtime.Instance, s []uint64) {
		if b, ok := i.Data.(*backend); ok {
			f(b, s)
		} else if len(s) > 0 {
			s[0] = 0
		}
	}
}

// system(command) → wait status.
func (h *hooks) system(s []uint64) {
	const failed = 1 << 8
	args := words(h.inst.String(uint32(s[0])))
	s[0] = failed
	if h.run != nil {
		status, _ := h.run(args, nil)
		s[0] = uint64(uint32(status << 8))
	}
}

// popen(command, mode) → FILE*, 0 when refused. For "r" the command runs at
// once and its output is read from a file; for "w" it runs at pclose with
// what was written as its input. Each gets a FILE of its own: a used one
// sticks at its end of file.
func (h *hooks) popen(s []uint64) {
	args, mode := words(h.inst.String(uint32(s[0]))), h.inst.String(uint32(s[1]))
	s[0] = 0
	if len(args) == 2 && args[0] == "locale" && args[1] == "-a" && mode == "r" {
		s[0] = uint64(h.fopen("/pglite/locale-a", "r"))
		return
	}
	if h.run == nil || len(args) == 0 {
		const enosys = 52
		if err := h.inst.SetErrno(enosys); err != nil {
			panic(err)
		}
		return
	}
	h.count++
	p := &pipe{args: args, file: "/tmp/.popen-" + itoa(h.count), write: mode == "w"}
	var out []byte
	if !p.write {
		p.status, out = h.run(args, nil)
	}
	if err := writeFile(h.inst.FS, p.file, out); err != nil {
		panic(err)
	}
	f := h.fopen(p.file, mode)
	if h.pipes == nil {
		h.pipes = map[uint32]*pipe{}
	}
	h.pipes[f] = p
	s[0] = uint64(f)
}

// fopen is the guest's own, with the stack left as it was.
func (h *hooks) fopen(name, mode string) uint32 {
	sp := h.inst.StackPointer()
	defer h.inst.SetStackPointer(sp)
	n, err := h.inst.PushString(name)
	if err != nil {
		panic(err)
	}
	m, err := h.inst.PushString(mode)
	if err != nil {
		panic(err)
	}
	f, err := h.inst.Call("fopen", uint64(n), uint64(m))
	if err != nil {
		panic(err)
	}
	return uint32(f)
}

// pclose(FILE*) → wait status.
func (h *hooks) pclose(s []uint64) {
	f := uint32(s[0])
	if _, err := h.inst.Call("fclose", uint64(f)); err != nil { // flushes
		panic(err)
	}
	s[0] = 0
	p := h.pipes[f]
	if p == nil {
		return // locale -a
	}
	delete(h.pipes, f)
	if p.write {
		in, err := readFile(h.inst.FS, p.file)
		if err != nil {
			panic(err)
		}
		p.status, _ = h.run(p.args, in)
	}
	if err := h.inst.FS.Unlink(p.file); err != nil {
		panic(err)
	}
	s[0] = uint64(uint32(p.status << 8))
}

// words splits a command at spaces as a shell does, with both kinds of quotes
// and backslashes, up to the first unquoted operator: redirections of initdb's
// commands lead nowhere that matters.
func words(cmd string) []string {
	var (
		out   []string
		cur   strings.Builder
		in    bool // a word has begun
		quote byte
	)
	flush := func() {
		if in {
			out = append(out, cur.String())
			cur.Reset()
			in = false
		}
	}
	for k := 0; k < len(cmd); k++ {
		c := cmd[k]
		escapes := quote == 0 || quote == '"' && k+1 < len(cmd) && strings.IndexByte("\"\\$`", cmd[k+1]) >= 0
		switch {
		case c == '\\' && escapes && k+1 < len(cmd):
			k++
			cur.WriteByte(cmd[k])
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			cur.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n':
			flush()
		case strings.IndexByte("<>|&;()", c) >= 0:
			// The number of a descriptor, bare and alone, belongs to the redirection.
			if c == '>' && cur.Len() == 1 && (cmd[k-1] == '1' || cmd[k-1] == '2') && (k == 1 || strings.IndexByte(" \t\n", cmd[k-2]) >= 0) {
				in = false
			}
			flush()
			return out
		default:
			cur.WriteByte(c)
			in = true
		}
	}
	flush()
	return out
}
