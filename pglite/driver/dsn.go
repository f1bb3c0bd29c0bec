package driver

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// dsn is a data source name, as the package comment describes it.
type dsn struct {
	dir        string
	user       string
	database   string
	extensions []string
	params     map[string]string // run-time parameters
}

func parseDSN(s string) (*dsn, error) {
	d := &dsn{user: "postgres", database: "postgres", params: make(map[string]string)}
	if strings.HasPrefix(s, "file:") {
		if err := d.parseURL(s); err != nil {
			return nil, err
		}
		return d, nil
	}
	for s = strings.TrimLeft(s, " \t\n"); s != ""; s = strings.TrimLeft(s, " \t\n") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \t\n'") {
			return nil, fmt.Errorf("data source name: key=value expected at %q", s)
		}
		value, rest, err := cutValue(rest)
		if err != nil {
			return nil, fmt.Errorf("data source name: %s: %w", key, err)
		}
		d.set(key, value)
		s = rest
	}
	return d, nil
}

func (d *dsn) parseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("data source name: %w", err)
	}
	if u.Host != "" && u.Host != "localhost" {
		return fmt.Errorf("data source name: a file on host %q; a path begins after three slashes", u.Host)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("data source name: %w", err)
	}
	for key, values := range query {
		if len(values) > 1 {
			return fmt.Errorf("data source name: %s is given %d times", key, len(values))
		}
		d.set(key, values[0])
	}
	if d.dir = u.Path; u.Opaque != "" { // file:relative/path
		if d.dir, err = url.PathUnescape(u.Opaque); err != nil {
			return fmt.Errorf("data source name: %w", err)
		}
	}
	if d.dir == "" {
		return errors.New("data source name: file: without a path")
	}
	return nil
}

func (d *dsn) set(key, value string) {
	switch key {
	case "dir":
		d.dir = value
	case "user":
		d.user = value
	case "database", "dbname":
		d.database = value
	case "extensions":
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				d.extensions = append(d.extensions, name)
			}
		}
	default:
		d.params[key] = value
	}
}

// cutValue takes a value off s: up to a space, or in single quotes. A backslash
// makes the next character an ordinary one, as in a connection string of libpq.
func cutValue(s string) (value, rest string, err error) {
	quoted := strings.HasPrefix(s, "'")
	i := 0
	if quoted {
		i = 1
	}
	var b strings.Builder
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\'':
			return b.String(), s[i+1:], nil
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			return b.String(), s[i:], nil
		case c == '\\':
			if i++; i == len(s) {
				return "", "", errors.New("backslash at the end")
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errors.New("quote without an end")
	}
	return b.String(), "", nil
}
