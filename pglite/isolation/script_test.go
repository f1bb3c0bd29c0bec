package isolation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A script is one file of testdata, in the language of the package comment.
type script struct {
	name            string // base name of the file
	setup, teardown []string
	sessions        []sessionSpec
	steps           map[string]step
	permutations    []permutation
}

type sessionSpec struct {
	name    string
	startup map[string]string
	setup   []string
}

type step struct {
	name    string
	session string
	sql     string
}

type permutation struct {
	text string
	acts []act
}

// An act is one element of a permutation.
type act struct {
	verb  string // "" plays a step
	name  string // of a step or session
	alone bool   // the step waits and ends before anything else happens
}

// ofStep are the verbs before a step's name, ofSession those before a session's.
var (
	ofStep    = []string{"await"}
	ofSession = []string{"hear", "hangup", "cancel", "leave"}
)

func readScript(file string) (*script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s, err := parseScript(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s.name = strings.TrimSuffix(filepath.Base(file), ".iso")
	return s, nil
}

func parseScript(text string) (*script, error) {
	s := &script{steps: map[string]step{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		first, line := i+1, strings.TrimRight(lines[i], " ")
		i++
		if line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		var body []string
		for ; i < len(lines) && (strings.HasPrefix(lines[i], " ") || lines[i] == ""); i++ {
			body = append(body, strings.TrimRight(lines[i], " "))
		}
		if err := s.directive(word, rest, body); err != nil {
			return nil, fmt.Errorf("line %d: %w", first, err)
		}
	}
	return s, s.check()
}

func (s *script) directive(word, rest string, body []string) error {
	switch word {
	case "setup", "teardown":
		into := &s.setup
		switch {
		case word == "setup" && len(s.sessions) > 0:
			into = &s.sessions[len(s.sessions)-1].setup
		case word == "teardown":
			into = &s.teardown
		}
		var err error
		*into, err = statements(append([]string{rest}, body...))
		return err
	case "session":
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return errors.New("a session needs a name")
		}
		spec := sessionSpec{name: fields[0], startup: map[string]string{}}
		for _, f := range fields[1:] {
			key, value, ok := strings.Cut(f, "=")
			if !ok {
				return fmt.Errorf("%q is not key=value", f)
			}
			spec.startup[key] = value
		}
		s.sessions = append(s.sessions, spec)
	case "step":
		if len(s.sessions) == 0 {
			return errors.New("a step belongs to a session")
		}
		name, sql, _ := strings.Cut(rest, " ")
		sql = strings.TrimSpace(sql + "\n" + strings.Join(body, "\n"))
		if _, again := s.steps[name]; again || name == "" || sql == "" {
			return fmt.Errorf("step %q has no name of its own, or no SQL", name)
		}
		s.steps[name] = step{name: name, session: s.sessions[len(s.sessions)-1].name, sql: sql}
	case "permutation":
		p := permutation{text: strings.Join(strings.Fields(rest+" "+strings.Join(body, " ")), " ")}
		var verb string
		for _, f := range strings.Fields(p.text) {
			if verb == "" && (slices.Contains(ofStep, f) || slices.Contains(ofSession, f)) {
				verb = f
				continue
			}
			if last := len(p.acts) - 1; verb == "await" && last >= 0 && p.acts[last] == (act{name: f}) {
				p.acts[last].alone = true
			}
			p.acts = append(p.acts, act{verb: verb, name: f})
			verb = ""
		}
		if verb != "" {
			return fmt.Errorf("%s what?", verb)
		}
		s.permutations = append(s.permutations, p)
	default:
		return fmt.Errorf("unknown directive %q", word)
	}
	return nil
}

// statements splits lines where one ends in a semicolon outside of $$ quotes.
func statements(lines []string) ([]string, error) {
	var out, one []string
	quotes := 0
	for _, l := range lines {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		one = append(one, l)
		quotes += strings.Count(l, "$$")
		if quotes%2 == 0 && strings.HasSuffix(l, ";") {
			out = append(out, strings.Join(one, "\n"))
			one = nil
		}
	}
	if len(one) > 0 {
		return nil, fmt.Errorf("statement without end: %s", one[0])
	}
	return out, nil
}

// check finds names that mean nothing and steps that no permutation plays.
func (s *script) check() error {
	if len(s.permutations) == 0 {
		return errors.New("no permutation")
	}
	played := map[string]bool{}
	for _, p := range s.permutations {
		for _, a := range p.acts {
			if slices.Contains(ofSession, a.verb) {
				if !slices.ContainsFunc(s.sessions, func(c sessionSpec) bool { return c.name == a.name }) {
					return fmt.Errorf("permutation %s: no session %q", p.text, a.name)
				}
				continue
			}
			if _, ok := s.steps[a.name]; !ok {
				return fmt.Errorf("permutation %s: no step %q", p.text, a.name)
			}
			played[a.name] = true
		}
	}
	for name := range s.steps {
		if !played[name] {
			return fmt.Errorf("no permutation plays step %q", name)
		}
	}
	return nil
}
