// Package backup takes a snapshot of a running server, in memory or on a
// directory, through a connection of a superuser: what pg_basebackup does with
// the replication protocol, by SQL
// (https://www.postgresql.org/docs/18/continuous-archiving.html, "Making a Base
// Backup Using the Low Level API").
//
// Files are read while the server goes on, so they are of different moments. The
// WAL from the beginning to the end of that, which a temporary replication slot
// keeps, makes them of one: the end of the backup. backup_label tells a server
// that starts on the files where the WAL has to be replayed from.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/runtime/snapshot"
)

// Progress is told how many bytes of how many have been read; it may be nil.
type Progress func(done, total int64)

// Save writes a snapshot of the Howdah that conn is connected to. conn has to be
// a superuser's, is not used for anything else meanwhile, and should be closed
// afterwards.
func Save(ctx context.Context, conn *pgx.Conn, w io.Writer, progress Progress) (err error) {
	out, err := snapshot.NewWriter(w, pglite.Program)
	if err != nil {
		return err
	}
	b := &backup{conn: conn, out: out, progress: progress}
	if err := b.run(ctx); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return out.Close()
}

// SaveURL is Save for a server at a URL or keyword/value string, as libpq takes
// them, environment included.
func SaveURL(ctx context.Context, url string, w io.Writer, progress Progress) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("back up, as a superuser of a running server: %w", err)
	}
	err = Save(ctx, conn, w, progress)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

type backup struct {
	conn        *pgx.Conn
	out         *snapshot.Writer
	progress    Progress
	done, total int64
}

func (b *backup) run(ctx context.Context) error {
	// Both are the session's: they end with it, whatever happens.
	if _, err := b.conn.Exec(ctx, "select pg_create_physical_replication_slot('howdah_backup_' || pg_backend_pid(), true, true)"); err != nil {
		return err
	}
	var from string
	if err := b.conn.QueryRow(ctx, "select pg_walfile_name(pg_backup_start('howdah snapshot', true))").Scan(&from); err != nil {
		return err
	}
	all, err := b.walk(ctx, ".")
	if err != nil {
		return err
	}
	var control *file
	for k := range all {
		f := &all[k]
		switch {
		case f.name == "global/pg_control":
			control = f // it goes last, as what it says must be true of all others
		case f.folder:
			err = b.out.Folder(f.name, 0o700)
		default:
			err = b.file(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	if control == nil {
		return errors.New("there is no global/pg_control")
	}
	if err := b.file(ctx, control); err != nil {
		return err
	}
	return b.finish(ctx, from)
}

// finish ends the backup on the server and adds what replays it.
func (b *backup) finish(ctx context.Context, from string) error {
	var to, label, spaces string
	err := b.conn.QueryRow(ctx, "select pg_walfile_name(lsn), labelfile, spcmapfile from pg_backup_stop(false)").Scan(&to, &label, &spaces)
	if err != nil {
		return err
	}
	if spaces != "" {
		return errors.New("there are tablespaces outside of the data directory, which a snapshot can't hold")
	}
	var size int64
	if err := b.conn.QueryRow(ctx, "select setting::int8 from pg_settings where name = 'wal_segment_size'").Scan(&size); err != nil {
		return err
	}
	segments, err := between(from, to, size)
	if err != nil {
		return err
	}
	for _, name := range segments {
		if err := b.file(ctx, &file{name: "pg_wal/" + name, size: size}); err != nil {
			return err
		}
	}
	return b.out.File("backup_label", 0o600, int64(len(label)), func(p []byte, off int64) (int, error) {
		return copy(p, label[off:]), nil
	})
}

// file is a file or folder of the data directory.
type file struct {
	name   string
	size   int64
	folder bool
}

// walk lists what is below a folder and belongs into a backup, folders first.
func (b *backup) walk(ctx context.Context, dir string) (all []file, err error) {
	rows, err := b.conn.Query(ctx, `select name, s.size, s.isdir from pg_ls_dir($1, true, false) name, pg_stat_file($1 || '/' || name, true) s
		where s.isdir is not null order by name`, dir)
	if err != nil {
		return nil, err
	}
	here, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (f file, err error) {
		err = r.Scan(&f.name, &f.size, &f.folder)
		f.name = path.Join(dir, f.name)
		return f, err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range here {
		if leftOut(f.name) {
			continue
		}
		all = append(all, f)
		if !f.folder {
			b.total += f.size
			continue
		}
		below, err := b.walk(ctx, f.name)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// file adds a file, or leaves it out if it has gone meanwhile: the WAL knows. One
// that has become shorter ends in zeros, one that has become longer is cut off;
// the WAL knows that, too.
func (b *backup) file(ctx context.Context, f *file) error {
	const read = "select pg_read_binary_file($1, $2, $3, true)"
	var p []byte
	if err := b.conn.QueryRow(ctx, read, f.name, int64(0), min(f.size, chunk)).Scan(&p); err != nil {
		return err
	}
	if p == nil {
		return nil
	}
	return b.out.File(f.name, 0o600, f.size, func(buf []byte, off int64) (int, error) {
		if off > 0 {
			if err := b.conn.QueryRow(ctx, read, f.name, off, min(int64(len(buf)), chunk)).Scan(&p); err != nil {
				return 0, err
			}
		}
		b.done += int64(len(p))
		if b.progress != nil {
			b.progress(b.done, max(b.done, b.total))
		}
		return copy(buf, p), nil
	})
}

// chunk is how much is read at once, in bytes.
const chunk = 1 << 20

// between lists the names of the WAL segments from one to another: eight
// hexadecimal digits each of the timeline and of the two parts of the number
// (XLogFileName, src/include/access/xlog_internal.h).
func between(from, to string, size int64) (all []string, err error) {
	parse := func(name string) (timeline string, n uint64, err error) {
		if len(name) != 24 {
			return "", 0, fmt.Errorf("%q is no WAL segment", name)
		}
		high, err := strconv.ParseUint(name[8:16], 16, 32)
		if err != nil {
			return "", 0, err
		}
		low, err := strconv.ParseUint(name[16:], 16, 32)
		return name[:8], high*uint64(1<<32/size) + low, err
	}
	timeline, first, err := parse(from)
	if err != nil {
		return nil, err
	}
	other, last, err := parse(to)
	if err != nil {
		return nil, err
	}
	if other != timeline {
		return nil, fmt.Errorf("the server has begun a new timeline: %s after %s", to, from)
	}
	for n := first; n <= last; n++ {
		all = append(all, fmt.Sprintf("%s%08X%08X", timeline, n/uint64(1<<32/size), n%uint64(1<<32/size)))
	}
	return all, nil
}

// leftOut tells what no backup has, by its path: what pglite.Transient says,
// another backup's label, and the WAL, of which it gets its own part.
func leftOut(name string) bool {
	return pglite.Transient(name) || name == "backup_label" || name == "tablespace_map" ||
		strings.HasPrefix(name, "pg_wal/") && name != "pg_wal/archive_status" && name != "pg_wal/summaries"
}
