package isolation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A server plays scripts, one at a time.
type server struct {
	addr    string
	control *session // prepares, cleans up, and asks who waits for whom
}

// database is where sessions work unless their script says otherwise.
const database = "isolation"

func newServer(ctx context.Context, addr string) (*server, error) {
	first, err := connect(ctx, addr, sessionSpec{name: "first", startup: map[string]string{"database": "postgres"}}, strconv.Quote)
	if err != nil {
		return nil, err
	}
	if err := first.do(ctx, "create database "+database); err != nil {
		return nil, err
	}
	if err := first.end(); err != nil {
		return nil, err
	}
	control, err := connect(ctx, addr, sessionSpec{name: "control", startup: map[string]string{"client_min_messages": "warning"}}, strconv.Quote)
	return &server{addr: addr, control: control}, err
}

// do runs what a script prepares or cleans up with; it must not fail.
func (s *session) do(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if err := s.conn.Exec(ctx, sql).Close(); err != nil {
			return fmt.Errorf("session %s: %s: %w", s.name, sql, err)
		}
	}
	s.said = nil
	return nil
}

// play gives the transcript of a script, also of its part before an error.
func (v *server) play(ctx context.Context, s *script) (string, error) {
	p := &player{server: v, script: s}
	for i, perm := range s.permutations {
		if i > 0 {
			p.out.WriteByte('\n')
		}
		if err := p.permutation(ctx, perm); err != nil {
			return p.out.String(), fmt.Errorf("permutation %s: %w", perm.text, err)
		}
	}
	return p.out.String(), nil
}

// A player plays the permutations of one script.
type player struct {
	*server
	script   *script
	sessions []*session
	pids     map[string]string // process id to session
	waiting  []*session        // in the order in which they have begun to wait
	out      strings.Builder
}

func (p *player) permutation(ctx context.Context, perm permutation) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	p.sessions, p.waiting, p.pids = nil, nil, map[string]string{}
	defer func() {
		if err != nil {
			cancel()
			err = errors.Join(err, p.abandon(context.WithoutCancel(ctx)))
		}
		cancel()
	}()
	if err := p.control.do(ctx, "drop schema public cascade", "create schema public", "grant usage on schema public to public"); err != nil {
		return err
	}
	if err := p.control.do(ctx, p.script.setup...); err != nil {
		return err
	}
	fmt.Fprintf(&p.out, "permutation %s\n", perm.text)
	for _, spec := range p.script.sessions {
		s, err := connect(ctx, p.addr, spec, p.name)
		if err != nil {
			return fmt.Errorf("session %s: %w", spec.name, err)
		}
		p.sessions = append(p.sessions, s)
		p.pids[strconv.FormatUint(uint64(s.conn.PID()), 10)] = spec.name
		if err := s.do(ctx, spec.setup...); err != nil {
			return err
		}
	}
	for i, a := range perm.acts {
		if err := p.act(ctx, a); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(a.verb+" "+a.name), err)
		}
		if a.alone || i+1 < len(perm.acts) && perm.acts[i+1].verb == "await" {
			continue // the end of that step comes first, whomever it lets go on
		}
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
	if len(p.waiting) > 0 {
		return fmt.Errorf("step %s still waits", p.waiting[0].running.name)
	}
	for _, s := range p.sessions {
		if err := s.end(); err != nil {
			return fmt.Errorf("end session %s: %w", s.name, err)
		}
	}
	return p.control.do(ctx, p.script.teardown...)
}

// abandon clears up after a permutation that went wrong, for the next script.
func (p *player) abandon(ctx context.Context) error {
	for _, s := range p.sessions {
		if s.running != nil {
			<-s.done // its context has ended
		}
		if err := p.control.do(ctx, fmt.Sprintf("select pg_terminate_backend(%d, 5000)", s.conn.PID())); err != nil {
			return err
		}
		_ = s.conn.Close(ctx)
	}
	return p.control.do(ctx, p.script.teardown...)
}

func (p *player) name(pid string) string {
	if name, ok := p.pids[pid]; ok {
		return name
	}
	return "an unknown process"
}

func (p *player) session(name string) *session {
	return p.sessions[slices.IndexFunc(p.sessions, func(s *session) bool { return s.name == name })]
}
