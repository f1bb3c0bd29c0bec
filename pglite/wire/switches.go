package wire

import (
	"strings"

	"github.com/howdahdb/howdah/pglite"
)

// splitOptions splits the start-up parameter "options" at white space. A
// backslash makes the next character an ordinary one (pg_split_opts in postinit.c).
func splitOptions(s string) []string {
	var words []string
	for i := 0; i < len(s); {
		if isSpace(s[i]) {
			i++
			continue
		}
		var word strings.Builder
		for ; i < len(s) && !isSpace(s[i]); i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					break
				}
			}
			word.WriteByte(s[i])
		}
		words = append(words, word.String())
	}
	return words
}

// isSpace is isspace of the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// switchSettings maps the server's command line switches that stand for one
// setting to it (process_postgres_switches in postgres.c). An empty value means
// that the switch takes one.
var switchSettings = map[byte]pglite.Setting{
	'B': {Name: "shared_buffers"},
	'F': {Name: "fsync", Value: "false"},
	'N': {Name: "max_connections"},
	'O': {Name: "allow_system_table_mods", Value: "true"},
	'P': {Name: "ignore_system_indexes", Value: "true"},
	'S': {Name: "work_mem"},
	'W': {Name: "post_auth_delay"},
	'e': {Name: "datestyle", Value: "euro"},
	'h': {Name: "listen_addresses"},
	'i': {Name: "listen_addresses", Value: "*"},
	'k': {Name: "unix_socket_directories"},
	'l': {Name: "ssl", Value: "true"},
	'p': {Name: "port"},
	's': {Name: "log_statement_stats", Value: "true"},
}

// parseOptions turns the start-up parameter "options" into settings, in order.
// The words are read as getopt(3) reads them: -c name=value, -cname=value,
// --name=value, and single letters that may share one dash.
func parseOptions(options string) ([]pglite.Setting, error) {
	var settings []pglite.Setting
	words := splitOptions(options)
	for i := 0; i < len(words); i++ {
		word := words[i]
		if long, ok := strings.CutPrefix(word, "--"); ok && long != "" {
			s, ok := longOption(long)
			if !ok {
				return nil, fatal("42601", "--%s requires a value", long)
			}
			settings = append(settings, s)
			continue
		}
		if len(word) < 2 || word[0] != '-' || word == "--" {
			return nil, errSwitch(word)
		}
		for letters := word[1:]; letters != ""; {
			letter := letters[0]
			letters = letters[1:]
			s, known := switchSettings[letter]
			if known && s.Value != "" {
				settings = append(settings, s)
				continue
			}
			if !known && letter != 'c' {
				return nil, errSwitch(word)
			}
			value := letters
			letters = ""
			if value == "" {
				if i++; i == len(words) {
					return nil, errSwitch(word)
				}
				value = words[i]
			}
			if letter == 'c' {
				var ok bool
				if s, ok = longOption(value); !ok {
					return nil, fatal("42601", "-c %s requires a value", value)
				}
			} else {
				s.Value = value
			}
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// longOption reads name=value, where dashes in the name stand for underscores
// (ParseLongOption in guc.c).
func longOption(s string) (pglite.Setting, bool) {
	name, value, ok := strings.Cut(s, "=")
	return pglite.Setting{Name: strings.ReplaceAll(name, "-", "_"), Value: value}, ok
}

func errSwitch(word string) error {
	err := fatal("42601", "invalid command-line argument for server process: %s", word)
	err.Hint = `Try "postgres --help" for more information.`
	return err
}
