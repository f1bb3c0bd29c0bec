package pglite

import "strings"

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

// spareConnections are the process slots that Postgres keeps for superusers
// (superuser_reserved_connections), and some for backends that
// are ending and for autovacuum.
const spareConnections = 3 + 4

// checkSettings refuses what Open can't honour.
func checkSettings(settings []Setting) error {
	for _, s := range settings {
		name := strings.ToLower(s.Name)
		if name == "" {
			return fatal("22023", "a setting without a name (value \"%s\")", s.Value)
		}
		for _, f := range fixedSettings {
			if f.Name == name && f.Value != s.Value {
				return fatal("22023", "parameter \"%s\" is fixed at \"%s\"", name, f.Value)
			}
		}
		if name == "data_directory" {
			return fatal("22023", "parameter \"%s\" can't be set; the data directory is an option of its own", name)
		}
	}
	return nil
}

// connections is max_connections for a pool.
func connections(size, reserve int) int { return size + reserve + spareConnections }

// postgresArgs is the command line of every backend of the cluster, but for -D
// and the database.
func (c *Cluster) postgresArgs() []string {
	return postgresArgs(c.o.Settings, connections(c.pool.size, c.pool.reserve), c.dir == nil)
}

func postgresArgs(own []Setting, connections int, inMemory bool) []string {
	args := []string{guestPostgres, "--single", "-j"}
	if inMemory {
		args = append(args, "-F") // there is nothing to sync to
	}
	// The prefix comes first too: what is wrong with the user's settings must be
	// readable.
	settings := append([]Setting{{"log_line_prefix", logPrefix}, {"output_plugin_libraries", outputPluginLibraries}}, own...)
	settings = append(settings, Setting{"max_connections", itoa(connections)})
	for _, s := range append(settings, fixedSettings...) {
		args = append(args, "-c", s.Name+"="+s.Value)
	}
	return args
}
