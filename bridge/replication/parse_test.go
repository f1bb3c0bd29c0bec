package replication

import (
	"reflect"
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]command{
		"IDENTIFY_SYSTEM":                    identifySystem{},
		" \n IDENTIFY_SYSTEM ; ":             identifySystem{},
		"identify_system":                    sqlCommand{},
		"SELECT 1":                           sqlCommand{},
		"":                                   sqlCommand{},
		"'":                                  sqlCommand{},
		"PHYSICAL":                           sqlCommand{},
		"SHOW Work_Mem":                      show{"work_mem"},
		`SHOW a."B""c".d`:                    show{`a.B"c.d`},
		"READ_REPLICATION_SLOT s":            readSlot{"s"},
		"DROP_REPLICATION_SLOT s":            dropSlot{slot: "s"},
		"DROP_REPLICATION_SLOT s WAIT;":      dropSlot{slot: "s", wait: true},
		"TIMELINE_HISTORY 7":                 timelineHistory{7},
		"BASE_BACKUP (LABEL 'x', PROGRESS)":  baseBackup{},
		"UPLOAD_MANIFEST":                    uploadManifest{},
		"CREATE_REPLICATION_SLOT s PHYSICAL": createSlot{slot: "s", physical: true},
		"CREATE_REPLICATION_SLOT S LOGICAL \"P\"": createSlot{slot: "s", plugin: "P"},
		"CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL p USE_SNAPSHOT TWO_PHASE": createSlot{
			slot: "s", temporary: true, plugin: "p",
			options: []option{{name: "snapshot", value: "use"}, {name: "two_phase", value: "true"}},
		},
		"CREATE_REPLICATION_SLOT s LOGICAL p (SNAPSHOT 'it''s', TWO_PHASE, x 5, y z)": createSlot{
			slot: "s", plugin: "p",
			options: []option{{name: "snapshot", value: "it's"}, {name: "two_phase", absent: true}, {name: "x", value: "5"}, {name: "y", value: "z"}},
		},
		"ALTER_REPLICATION_SLOT s (failover false)": alterSlot{slot: "s", options: []option{{name: "failover", value: "false"}}},
		"START_REPLICATION SLOT s LOGICAL 16/B374D848": startReplication{
			slot: "s", logical: true, from: wal.LSN(0x16B374D848),
		},
		"START_REPLICATION SLOT s LOGICAL a/b (proto_version '4', messages)": startReplication{
			slot: "s", logical: true, from: wal.LSN(0xa0000000b),
			options: []option{{name: "proto_version", value: "4"}, {name: "messages", absent: true}},
		},
		"START_REPLICATION 0/0 TIMELINE 3":         startReplication{},
		"START_REPLICATION SLOT s PHYSICAL 0/0":    startReplication{slot: "s"},
		"START_REPLICATION PHYSICAL 0/0TIMELINE 3": startReplication{},
	} {
		got, err := parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, expected %#v", text, got, want)
		}
	}
	for _, text := range []string{
		"IDENTIFY_SYSTEM x", "SHOW", "SHOW 'a'", "SHOW a.", "CREATE_REPLICATION_SLOT", "CREATE_REPLICATION_SLOT s",
		"CREATE_REPLICATION_SLOT s LOGICAL", "CREATE_REPLICATION_SLOT s LOGICAL p (", "CREATE_REPLICATION_SLOT s LOGICAL p ()",
		"CREATE_REPLICATION_SLOT s LOGICAL p (a,)", "CREATE_REPLICATION_SLOT 's' LOGICAL p", "CREATE_REPLICATION_SLOT \"s LOGICAL p",
		"START_REPLICATION SLOT s LOGICAL 0", "START_REPLICATION SLOT s LOGICAL 0/0 (a 1)", "START_REPLICATION SLOT s LOGICAL 000000000/0",
		"TIMELINE_HISTORY 0", "TIMELINE_HISTORY 99999999999", "DROP_REPLICATION_SLOT s WAIT WAIT", "IDENTIFY_SYSTEM;;",
	} {
		c, err := parse(text)
		if e, ok := err.(*Error); !ok || e.Code != "42601" {
			t.Errorf("%q: %#v, %v; expected a syntax error", text, c, err)
		}
	}
}

func TestSplitNames(t *testing.T) {
	for list, want := range map[string][]string{
		"": nil, "  ": nil, "a": {"a"}, " A , b ": {"a", "b"}, `"A b","c""d"`: {"A b", `c"d`}, `"a" ,B`: {"a", "b"},
	} {
		got, err := splitNames(list)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v; expected %q", list, got, err, want)
		}
	}
	for _, list := range []string{",", "a,", "a b", `"a`, `"a"b`, ",a"} {
		if got, err := splitNames(list); err == nil {
			t.Errorf("%q: %q, expected an error", list, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"IDENTIFY_SYSTEM", `SHOW a."b"`, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL p (SNAPSHOT 'use', x)",
		"START_REPLICATION SLOT s LOGICAL 16/B374D848 (proto_version '1', publication_names '\"a\",b')", "DROP_REPLICATION_SLOT s WAIT;",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if (c == nil) == (err == nil) {
			t.Errorf("%#v, %v", c, err)
		}
		if s, ok := c.(startReplication); ok {
			_, _ = parseSettings(s.options)
			_, _, _ = (&Server{}).parseForm(s.options)
		}
		_, _ = splitNames(text)
	})
}
