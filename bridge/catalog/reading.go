package catalog

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// reading is what Read needs of a data directory.
type reading struct {
	files       vfs.FS
	dir         string
	tablespaces map[uint32]string // folders of databases, by tablespace
	states      map[uint32]state  // as the log says
	prepared    map[uint32][]uint32
	clog        map[uint32][]byte // pages of pg_xact, nil where there is none
	// The next multixact and its members' place, as of the checkpoint.
	nextMulti, nextMember uint32
	multis                map[uint32]uint32 // who has updated by multixacts that the log has made
	err                   error             // the first that clog met
	running               bool              // a server runs on it
}

func (r *reading) ended(s state, e *xact.Ending) {
	r.states[e.XID] = s
	for _, sub := range e.Subs {
		r.states[sub] = s
	}
	delete(r.prepared, e.XID)
}

// state is what has become of a transaction when the last server was gone. Those that
// were neither committed nor prepared then never will be.
func (r *reading) state(xid uint32) state {
	if s, ok := r.states[xid]; ok {
		return s
	}
	for top, subs := range r.prepared {
		if xid == top || slices.Contains(subs, xid) {
			return prepared
		}
	}
	switch s := r.clogState(xid); {
	case s == clogCommitted:
		return committed
	case s == clogUnderWay && r.running:
		return underWay
	}
	return aborted
}

// What pg_xact says of a transaction, TRANSACTION_STATUS_….
const (
	clogUnderWay  = 0
	clogCommitted = 1
)

// clogState reads the two bits of a transaction (src/backend/access/transam/clog.c).
func (r *reading) clogState(xid uint32) byte {
	const perPage, perSegment = wal.PageSize * 4, 32
	n := xid / perPage
	page, ok := r.clog[n]
	if !ok {
		var err error
		page, err = r.read(fmt.Sprintf("pg_xact/%04X", n/perSegment), int64(n%perSegment)*wal.PageSize, wal.PageSize)
		if err != nil && r.err == nil {
			r.err = err
		}
		r.clog[n] = page
	}
	if at := xid % perPage / 4; int(at) < len(page) {
		return page[at] >> (xid % 4 * 2) & 3
	}
	return clogUnderWay
}

// read reads up to n bytes of a file in the data directory; none if it isn't there.
func (r *reading) read(name string, at int64, n int) ([]byte, error) {
	f, err := r.files.Open(path.Join(r.dir, name), vfs.ReadOnly, 0)
	if vfs.Errno(err) == syscall.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: read %s: %w", name, err)
	}
	defer f.Close() // was only read
	b := make([]byte, n)
	n, err = f.ReadAt(b, at)
	if err != nil {
		return nil, fmt.Errorf("catalog: read %s: %w", name, err)
	}
	return b[:n], nil
}

func (r *reading) list(name string) ([]vfs.Entry, error) {
	f, err := r.files.Open(path.Join(r.dir, name), vfs.ReadOnly, 0)
	if err != nil {
		return nil, fmt.Errorf("catalog: list %s: %w", name, err)
	}
	defer f.Close() // was only read
	entries, err := f.ReadDir()
	if err != nil {
		return nil, fmt.Errorf("catalog: list %s: %w", name, err)
	}
	return entries, nil
}

// find finds the folders of tablespaces; those beside the default one are links to
// folders that have one for each version of the catalogs.
func (r *reading) find() error {
	r.tablespaces = map[uint32]string{defaultTablespace: "base", globalTablespace: "global"}
	links, err := r.list("pg_tblspc")
	if err != nil {
		return err
	}
	for _, link := range links {
		oid, err := strconv.ParseUint(link.Name, 10, 32)
		if err != nil {
			continue
		}
		versions, err := r.list(path.Join("pg_tblspc", link.Name))
		if err != nil {
			return err
		}
		for _, v := range versions {
			if strings.HasPrefix(v.Name, "PG_18_") {
				r.tablespaces[uint32(oid)] = path.Join("pg_tblspc", link.Name, v.Name)
			}
		}
	}
	return nil
}

// databases calls do for every folder of a database, with its relation map.
func (r *reading) databases(do func(oid, tablespace uint32, content []byte) error) error {
	for _, tablespace := range sorted(r.tablespaces) {
		folder := r.tablespaces[tablespace]
		if tablespace == globalTablespace {
			content, err := r.read(folder+"/pg_filenode.map", 0, mapSize)
			if err != nil {
				return err
			}
			if err := do(0, tablespace, content); err != nil {
				return err
			}
			continue
		}
		entries, err := r.list(folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			oid, err := strconv.ParseUint(e.Name, 10, 32)
			if err != nil || e.Type != fs.ModeDir {
				continue
			}
			content, err := r.read(path.Join(folder, e.Name, "pg_filenode.map"), 0, mapSize)
			if err != nil {
				return err
			}
			// Without a map it is one that was being made or removed.
			if len(content) == 0 {
				continue
			}
			if err := do(uint32(oid), tablespace, content); err != nil {
				return err
			}
		}
	}
	return nil
}

// relationSegment is RELSEG_SIZE in bytes: larger relations have several files.
const relationSegment = 1 << 30

// readFile reads all pages of a relation, none if its file isn't there.
func (r *reading) readFile(f *file, at fileName) error {
	folder, ok := r.tablespaces[at.Tablespace]
	if !ok {
		return nil
	}
	if at.Database != 0 {
		folder = path.Join(folder, strconv.FormatUint(uint64(at.Database), 10))
	}
	base := path.Join(folder, strconv.FormatUint(uint64(at.Number), 10))
	for segment := 0; ; segment++ {
		name := base
		if segment > 0 {
			name += "." + strconv.Itoa(segment)
		}
		n, err := r.readPages(f, name)
		if err != nil || n < relationSegment {
			return err
		}
	}
}

// readPages appends the pages of one file, and gives its size.
func (r *reading) readPages(f *file, name string) (int64, error) {
	h, err := r.files.Open(path.Join(r.dir, name), vfs.ReadOnly, 0)
	if vfs.Errno(err) == syscall.ENOENT {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("catalog: read %s: %w", name, err)
	}
	defer h.Close() // was only read
	for at := int64(0); ; at += wal.PageSize {
		b := make([]byte, wal.PageSize)
		n, err := h.ReadAt(b, at)
		if err != nil {
			return 0, fmt.Errorf("catalog: read %s: %w", name, err)
		}
		if n < len(b) { // a part of a page is none (mdnblocks)
			return at, nil
		}
		if len(f.pages) >= maxBlocks {
			return 0, corrupt("%s is too large", name)
		}
		f.pages = append(f.pages, parsePage(b))
	}
}
