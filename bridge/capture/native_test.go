package capture_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// native is a native server with a Capture of its files and a slot of
// test_decoding, which decode the same log.
type native struct {
	*captured
	server *need.Native
	told   wal.LSN // pages before it the capture has been told of
}

// nativeSegment is the segment size of its initdb.
const nativeSegment = 16 << 20

// startNative makes the capture begin while no server runs on the files.
func startNative(t *testing.T, settings ...string) *native {
	t.Helper()
	settings = append([]string{"autovacuum=off", "wal_keep_size=4GB", "max_wal_size=8GB"}, settings...)
	n := &native{server: need.StartNative(t, settings...), captured: &captured{t: t}}
	n.capture = capture.New(capture.Options{Feed: func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{ID: id, Start: start, RingBytes: 1 << 30, RingSets: 1 << 30})
	}})
	n.server.Stop()
	files, err := vfs.OpenDir(filepath.Dir(n.server.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	if err := n.capture.Files(files, "/"+filepath.Base(n.server.DataDir), false); err != nil {
		t.Fatal(err)
	}
	n.server.Start(t)
	t.Cleanup(func() {
		if err := n.capture.Close(); err != nil {
			t.Error(err)
		}
		if err := n.capture.Feed().Close(); err != nil {
			t.Error(err)
		}
	})
	if n.config, err = pgx.ParseConfig(n.server.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	n.told = n.capture.Position() &^ (wal.PageSize - 1)
	conn := n.connect()
	exec(t, conn, "select pg_create_logical_replication_slot('oracle', 'test_decoding')")
	return n
}

// tell lets the capture have what the server has flushed.
func (n *native) tell(conn *pgx.Conn) {
	n.t.Helper()
	end := lsn(n.t, conn, "pg_current_wal_flush_lsn()")
	end = (end + wal.PageSize - 1) &^ (wal.PageSize - 1)
	for from := n.told; from < end; {
		to := min(end, from-from%nativeSegment+nativeSegment)
		number := uint64(from / nativeSegment)
		name := fmt.Sprintf("%08X%08X%08X", 1, number>>8, number&0xff)
		c := vfs.Change{
			Op: vfs.OpWrite, Path: "/" + filepath.Base(n.server.DataDir) + "/pg_wal/" + name,
			Off: int64(from % nativeSegment), N: int64(to - from), Data: make([]byte, to-from),
		}
		f, err := os.Open(filepath.Join(n.server.DataDir, "pg_wal", name))
		if err != nil {
			n.t.Fatal(err)
		}
		_, err = f.ReadAt(c.Data, c.Off)
		f.Close()
		if err != nil {
			n.t.Fatal(err)
		}
		n.capture.After(&c, nil)
		from = to
	}
	n.told = max(n.told, end-wal.PageSize) // the last page grows
}

// lsn asks for a position.
func lsn(t *testing.T, conn *pgx.Conn, expression string) wal.LSN {
	t.Helper()
	r, err := conn.PgConn().Exec(t.Context(), "select "+expression).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	l, err := wal.ParseLSN(string(r[0].Rows[0][0]))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// asDecoded are settings under which output functions write what package value does.
const asDecoded = "set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 1; set bytea_output = 'hex'; set lc_monetary = 'C'"

// decoded is what test_decoding writes of all that was committed, a line each.
func (n *native) decoded() (lines []string) {
	n.t.Helper()
	conn, err := pgx.ConnectConfig(n.t.Context(), n.config)
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec(n.t, conn, asDecoded)
	r := conn.PgConn().Exec(n.t.Context(),
		"select data from pg_logical_slot_get_changes('oracle', null, null, 'include-xids', '0', 'skip-empty-xacts', '1')")
	for r.NextResult() {
		rows := r.ResultReader()
		for rows.NextRow() {
			lines = append(lines, strings.ReplaceAll(string(rows.Values()[0]), "\n", `\n`))
		}
	}
	if err := r.Close(); err != nil {
		n.t.Fatal(err)
	}
	return lines
}

// flushed ends what waits for a flush, and gives it to the capture.
func (n *native) flushed(conn *pgx.Conn) {
	exec(n.t, conn, "select pg_switch_wal()", "checkpoint")
	n.tell(conn)
}
