package pglite

import "github.com/howdahdb/howdah/runtime/vfs"

// A postmaster reads the settings that need a restart once, and its children
// have them from it. Here every backend reads the configuration files. When
// these have changed since the first one did, as by ALTER SYSTEM, the others are
// given its values on their command line.

// configFiles are what ALTER SYSTEM and administrators write.
var configFiles = [...]string{guestData + "/postgresql.conf", guestData + "/postgresql.auto.conf"}

// atStart is what a server's first backend has started with.
type atStart struct {
	files    [len(configFiles)]vfs.Info
	settings []Setting // those that need a restart
}

// lookAtFiles notes the configuration files; one that is missing is zero.
func (s *server) lookAtFiles() (files [len(configFiles)]vfs.Info) {
	for k, name := range configFiles {
		if info, err := s.ns.Stat(name); err == nil {
			files[k] = vfs.Info{Ino: info.Ino, Size: info.Size, Mtime: info.Mtime}
		}
	}
	return files
}

// keepSettings reads the settings of the first backend that need a restart,
// but for those that are about files and not taken on a command line. REQUIRES:
// entered.
func (b *backend) keepSettings() error {
	rows, err := b.query(`select name, setting from pg_catalog.pg_settings where context = 'postmaster'
		and name not in ('data_directory', 'config_file', 'hba_file', 'ident_file')`)
	if err != nil {
		return err
	}
	for _, r := range rows {
		b.srv.atStart.settings = append(b.srv.atStart.settings, Setting{r[0], r[1]})
	}
	return nil
}

// startArgs are those arguments of a further backend that make up for files
// that have changed.
func (s *server) startArgs() (args []string) {
	if s.lookAtFiles() == s.atStart.files {
		return nil
	}
	for _, p := range s.atStart.settings {
		args = append(args, "-c", p.Name+"="+p.Value)
	}
	return args
}
