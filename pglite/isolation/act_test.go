package isolation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stepTimeout only ends a test in which nothing happens any more.
const stepTimeout = 30 * time.Second

func (p *player) act(ctx context.Context, a act) error {
	if a.verb == "" {
		return p.step(ctx, p.script.steps[a.name], a.alone)
	}
	if a.verb == "await" {
		s := p.session(p.script.steps[a.name].session)
		if s.running == nil || s.running.name != a.name {
			return nil // it has ended already
		}
		return p.completed(ctx, s)
	}
	s := p.session(a.name)
	switch a.verb {
	case "hear":
		return p.hear(ctx, s)
	case "hangup":
		return p.hangup(ctx, s)
	case "cancel":
		fmt.Fprintf(&p.out, "cancel %s\n", s.name)
		return s.conn.CancelRequest(ctx)
	case "leave":
		fmt.Fprintf(&p.out, "leave %s\n", s.name)
		return s.leave()
	}
	return errors.New("unknown verb")
}

// step sends a step and returns when it has ended or waits.
func (p *player) step(ctx context.Context, st step, alone bool) error {
	s := p.session(st.session)
	if s.running != nil {
		return fmt.Errorf("its session is still in step %s", s.running.name)
	}
	fmt.Fprintf(&p.out, "step %s: %s", st.name, strings.Join(strings.Fields(st.sql), " "))
	s.start(ctx, &st, p.withPIDs(st.sql))
	waits, err := p.blocked(ctx, s)
	if err != nil {
		return err
	}
	if !waits && !alone {
		p.out.WriteByte('\n')
		p.ended(s)
		return nil
	}
	// One that ends by itself may have been too fast to be seen waiting.
	p.out.WriteString(" <waiting ...>\n")
	p.waiting = append(p.waiting, s)
	return nil
}

// withPIDs puts process ids in the place of {session}.
func (p *player) withPIDs(sql string) string {
	for _, s := range p.sessions {
		sql = strings.ReplaceAll(sql, "{"+s.name+"}", strconv.FormatUint(uint64(s.conn.PID()), 10))
	}
	return sql
}

// settle writes down what has completed, until the rest waits for sessions that
// do nothing.
func (p *player) settle(ctx context.Context) error {
	for i := 0; i < len(p.waiting); {
		waits, err := p.blocked(ctx, p.waiting[i])
		switch {
		case err != nil:
			return err
		case waits:
			i++
		default:
			if err := p.completed(ctx, p.waiting[i]); err != nil {
				return err
			}
			i = 0 // its end may have freed others
		}
	}
	return nil
}

// completed waits for a step that was reported as waiting to end.
func (p *player) completed(ctx context.Context, s *session) error {
	select {
	case <-s.done:
	case <-time.After(stepTimeout):
		return fmt.Errorf("step %s does not end", s.running.name)
	case <-ctx.Done():
		return ctx.Err()
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *session) bool { return w == s })
	fmt.Fprintf(&p.out, "step %s: <... completed>\n", s.running.name)
	p.ended(s)
	return nil
}

// ended writes down what a step has said, and makes its session idle.
func (p *player) ended(s *session) {
	p.write(s.said)
	for _, h := range s.heard {
		fmt.Fprintln(&p.out, h)
	}
	s.said, s.heard, s.running = nil, nil, nil
}

func (p *player) write(lines []string) {
	for _, l := range lines {
		fmt.Fprintln(&p.out, strings.TrimRight("  "+l, " ")) // a last column may be empty
	}
}

// hear waits for a notification to an idle session.
func (p *player) hear(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if len(s.heard) == 0 {
		if err := s.conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintln(&p.out, s.heard[0])
	s.heard = s.heard[1:]
	return nil
}

// hangup waits until the server ends an idle session.
func (p *player) hangup(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	for {
		err := s.conn.WaitForNotification(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(&p.out, "hangup %s\n", s.name)
			s.said = append(s.said, s.failure(err)...)
			p.ended(s)
			return nil
		}
	}
}

// Pauses between two questions whether a step waits, growing from the first to
// the second.
const (
	shortPause = time.Millisecond
	longPause  = 25 * time.Millisecond
)

// blocked waits until a step has ended (false) or another of the permutation's
// sessions is in its way (true).
func (p *player) blocked(ctx context.Context, s *session) (bool, error) {
	pids := make([]string, len(p.sessions))
	for i, o := range p.sessions {
		pids[i] = strconv.FormatUint(uint64(o.conn.PID()), 10)
	}
	query := fmt.Sprintf("select pg_isolation_test_session_is_blocked(%d, '{%s}')", s.conn.PID(), strings.Join(pids, ","))
	deadline := time.Now().Add(stepTimeout)
	for pause := shortPause; ; pause = min(2*pause, longPause) {
		select {
		case <-s.done:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pause):
		}
		r, err := p.control.conn.Exec(ctx, query).ReadAll()
		if err != nil {
			return false, fmt.Errorf("ask whether %s waits: %w", s.name, err)
		}
		if string(r[0].Rows[0][0]) == "t" {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("step %s neither ends nor waits for a session", s.running.name)
		}
	}
}
