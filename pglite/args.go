package pglite

import (
	"fmt"
	"strings"
)

// fixedSettings are the parameters that this host needs as they are: there
// are no other processes, log lines are read back, and the WAL must be enough
// to decode rows from.
var fixedSettings = []Setting{
	{"wal_level", "logical"},
	{"log_line_prefix", logPrefix},
	{"log_destination", "stderr"},
	{"logging_collector", "off"},
	{"io_method", "sync"},
	{"max_worker_processes", "0"},
	{"max_parallel_workers", "0"},
	{"max_parallel_workers_per_gather", "0"},
	{"max_parallel_maintenance_workers", "0"},
	{"exit_on_error", "off"},
}

// checkSettings refuses what Open can't honour.
func checkSettings(settings []Setting) error {
	for _, s := range settings {
		name := strings.ToLower(s.Name)
		if name == "" {
			return fmt.Errorf("pglite: a setting without a name (value %q)", s.Value)
		}
		for _, f := range fixedSettings {
			if f.Name == name && f.Value != s.Value {
				return fmt.Errorf("pglite: %s is fixed at %q", name, f.Value)
			}
		}
		if name == "data_directory" {
			return fmt.Errorf("pglite: %s can't be set; use Options.Dir", name)
		}
	}
	return nil
}

// postgresArgs is the command line of every backend, but for -D and the
// database.
func (c *Cluster) postgresArgs() []string {
	args := []string{guestPostgres, "--single", "-j"}
	if c.dir == nil {
		args = append(args, "-F") // there is nothing to sync to
	}
	for _, s := range append(append([]Setting{}, c.o.Settings...), fixedSettings...) {
		args = append(args, "-c", s.Name+"="+s.Value)
	}
	return args
}
