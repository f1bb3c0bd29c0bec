package template

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// dir reads the migrations of a folder; prefix stands before their names in
// errors.
func dir(prefix string, fsys fs.FS) (*Source, error) {
	names, err := migrations(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(prefix, "migrations"), err)
	}
	s := &Source{name: cmp.Or(prefix, "migrations")}
	var files []content
	numbered := strings.HasSuffix(names[0], upSuffix)
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		m, err := readMigration(filepath.ToSlash(filepath.Join(prefix, name)), name, data)
		if err != nil {
			return nil, err
		}
		numbered = numbered || m.goose
		files = append(files, content{name, data})
		s.scripts = append(s.scripts, m.script)
	}
	s.sum = sum("folder", files)
	if numbered {
		slices.SortStableFunc(s.scripts, func(a, b script) int { return byNumber(path.Base(a.file), path.Base(b.file)) })
		if err := refuseGo(prefix, fsys); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// upSuffix is golang-migrate's, and sqlx'.
const upSuffix = ".up.sql"

// migrations are the files of a folder that are migrations, by name.
func migrations(fsys fs.FS) ([]string, error) {
	var names []string
	for _, pattern := range [...]string{"*" + upSuffix, "*.sql", "*/migration.sql"} {
		found, err := fs.Glob(fsys, pattern)
		if err != nil {
			return nil, err
		}
		// As a shell, * leaves out what editors and file managers hide.
		names = slices.DeleteFunc(found, func(name string) bool { return strings.HasPrefix(name, ".") })
		if len(names) > 0 {
			break
		}
	}
	if len(names) == 0 {
		// An empty pattern does not tell a folder that can't be read.
		if _, err := fs.ReadDir(fsys, "."); err != nil {
			return nil, err
		}
		return nil, errEmpty
	}
	slices.Sort(names)
	return names, nil
}

// byNumber compares names by the number that they begin with, and then as they
// are.
func byNumber(a, b string) int {
	na, nb := number(a), number(b)
	return cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb), cmp.Compare(a, b))
}

// number is the digits that a name begins with, without zeros before them.
func number(name string) string {
	return strings.TrimLeft(name[:len(name)-len(strings.TrimLeft(name, "0123456789"))], "0")
}

var goMigration = regexp.MustCompile(`^\d+_.*\.go$`)

// refuseGo refuses goose's migrations in Go, which would be missing without a
// word.
func refuseGo(prefix string, fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if goMigration.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), "_test.go") {
			return fmt.Errorf("%s: a migration in Go, which needs the program that it is part of", filepath.ToSlash(filepath.Join(prefix, e.Name())))
		}
	}
	return nil
}

type migration struct {
	script
	goose bool
}

// The comments of goose (its package internal/sqlparser) and of dbmate
// (pkg/dbmate/migration.go).
var (
	gooseNote  = regexp.MustCompile(`^--\s*\+goose\s+(\S.*?)\s*$`)
	dbmateNote = regexp.MustCompile(`^--\s*migrate:(up|down)(\s.*)?$`)
)

// readMigration reads a file as the tool that its comments are for.
func readMigration(file, name string, data []byte) (*migration, error) {
	text, err := decode(file, data)
	if err != nil {
		return nil, err
	}
	m := &migration{script: script{file: file, together: strings.HasSuffix(name, upSuffix)}}
	p := piece{file: file, line: 1, up: true, to: &m.script}
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		note := gooseNote.FindStringSubmatch(trimmed)
		if n := dbmateNote.FindStringSubmatch(trimmed); n != nil {
			note = []string{n[0], n[1]}
			if n[1] == "up" {
				m.together = !strings.Contains(n[2], "transaction:false")
			}
		} else if note != nil && !m.goose {
			m.goose, m.together = true, true
		}
		if note == nil {
			p.text.WriteString(line)
			continue
		}
		if err := p.end(number + 1); err != nil {
			return nil, err
		}
		switch strings.ToLower(note[1]) {
		case "up":
			p.up = true
		case "down":
			p.up = false
		case "statementbegin":
			p.whole = true
		case "statementend":
			p.whole = false
		case "no transaction":
			m.together = false
		case "envsub off":
		default:
			return nil, &Error{File: file, Line: number, Message: "+goose " + note[1] + " is not supported"}
		}
	}
	return m, p.end(number + 1)
}

// piece is the text between two notes of a migration.
type piece struct {
	file  string
	line  int // of its beginning
	text  strings.Builder
	up    bool // it is to be run
	whole bool // it is one statement, whatever is in it
	to    *script
}

// end adds the statements of the piece and begins the next one.
func (p *piece) end(next int) error {
	text, line := p.text.String(), p.line
	p.text.Reset()
	p.line = next
	if !p.up {
		return nil
	}
	statements, err := split(p.file, text, line)
	if err != nil || len(statements) == 0 {
		return err
	}
	if !p.whole {
		p.to.statements = append(p.to.statements, statements...)
		return nil
	}
	for _, s := range statements {
		if s.copy {
			return &Error{File: p.file, Line: s.line, Message: "COPY FROM STDIN within a statement that has an end of its own", Statement: beginning(s.sql)}
		}
	}
	// Lines count from the first token: what stands before it is comments.
	for range statements[0].line - line {
		_, text, _ = strings.Cut(text, "\n")
	}
	p.to.statements = append(p.to.statements, statement{line: statements[0].line, sql: text})
	return nil
}
