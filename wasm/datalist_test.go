package wasm

import (
	"slices"
	"strings"
	"testing"
)

func TestParseDataList(t *testing.T) {
	const good = `x=1;loadPackage({files:[{filename:"/a",start:0,end:204},{filename:"/b/c.d",start:204,end:1e3},` +
		`{filename:"/e",start:1e3,end:1e3,audio:0},{filename:"/f",start:1e3,end:0x3e9}],remote_package_size:1001})})();`
	got, size, err := parseDataList([]byte(good))
	want := []dataFile{{"/a", 0, 204}, {"/b/c.d", 204, 1000}, {"/e", 1000, 1000}, {"/f", 1000, 1001}}
	if err != nil || size != 1001 || !slices.Equal(got, want) {
		t.Fatalf("got %v, %d, %v", got, size, err)
	}

	for _, tt := range []struct{ name, old, new, want string }{
		{"no list", `{filename:"/a"`, `{name:"/a"`, "no file list"},
		{"gap", "start:204", "start:205", "want it to start at 204"},
		{"overlap", "start:204", "start:203", "want it to start at 204"},
		{"backwards", "end:1e3", "end:200", "want it to start at 204"},
		{"fraction", "end:204", "end:204.5", "not an integer"},
		{"huge", "end:204", "end:1e300", "not an integer"},
		{"no number", "end:204", "end:", `number ""`},
		{"negative", "start:0", "start:-1", `number ""`},
		{"relative", `"/b/c.d"`, `"b/c.d"`, "not a clean absolute path"},
		{"dots", `"/b/c.d"`, `"/b/../../c"`, "not a clean absolute path"},
		{"newline", `"/b/c.d"`, "\"/b\nc\"", "not a clean absolute path"},
		{"escape", `"/b/c.d"`, `"/b\u0041"`, "with an escape"},
		{"twice", `"/b/c.d"`, `"/a"`, "stands twice"},
		{"unknown key", "audio:0", "video:0", "want }"},
		{"short package", "remote_package_size:1001", "remote_package_size:1002", "package size is 1002"},
		{"cut", `],remote_package_size:1001})})();`, "", "want ],remote_package_size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseDataList([]byte(strings.Replace(good, tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzParseDataList: what is accepted is a partition of [0,size).
func FuzzParseDataList(f *testing.F) {
	f.Add([]byte(`({files:[{filename:"/a",start:0,end:1e3},{filename:"/b",start:1e3,end:1001,audio:0}],remote_package_size:1001})`))
	f.Add([]byte(`{files:[{filename:"/a",start:0,end:0}],remote_package_size:0`))
	f.Fuzz(func(t *testing.T, script []byte) {
		files, size, err := parseDataList(script)
		if err != nil {
			return
		}
		var at int64
		for _, e := range files {
			if e.start != at || e.end < at || checkGuestPath(e.path) != nil {
				t.Fatalf("accepted %+v at %d", e, at)
			}
			at = e.end
		}
		if at != size {
			t.Fatalf("files end at %d, size is %d", at, size)
		}
	})
}
