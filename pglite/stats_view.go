package pglite

import (
	"encoding/json"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// The figures can be read in every database by the view howdah_stat (package
// catalog), which reads a file of the host's.

// hostDir is where the guest finds what the host tells.
const hostDir = "/howdah"

// postmasterPipe is what a backend looks at to know that its postmaster lives.
const postmasterPipe = "postmaster"

// hostFiles are in hostDir.
func (c *Cluster) hostFiles() *vfs.Virtual {
	return vfs.NewVirtual(map[string]func() []byte{"stat": c.statFile, "marks": c.marksFile, postmasterPipe: nil})
}

// statFile is the figures as the view takes them.
func (c *Cluster) statFile() []byte {
	type row struct {
		Name        string  `json:"name"`
		Value       float64 `json:"value"`
		Unit        string  `json:"unit,omitempty"`
		Description string  `json:"description"`
	}
	stats := c.Stats()
	rows := make([]row, 0, len(figures))
	for f := range stats.Figures() {
		rows = append(rows, row{f.Name, f.Value, f.Unit, f.Help})
	}
	b, err := json.Marshal(rows)
	if err != nil { // a figure that is no number
		return []byte("[]")
	}
	return b
}
