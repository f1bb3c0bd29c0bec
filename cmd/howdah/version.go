package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/howdahdb/howdah/wasm"
)

// postgresVersion is what the pinned PGlite answers to show server_version.
const postgresVersion = "18.6"

type versionCmd struct{}

// Run prints one name and version a line.
func (versionCmd) Run() error {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = new(debug.BuildInfo)
	}
	fmt.Printf("howdah      %s (%s %s/%s)\n", ownVersion(build), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("PGlite      %s\n", wasm.Version())
	fmt.Printf("PostgreSQL  %s\n", postgresVersion)
	fmt.Printf("wazero      %s\n", moduleVersion(build, "github.com/tetratelabs/wazero"))
	return nil
}

// ownVersion is the module's version when Go knows one, which also names the
// commit of a build inside a checkout.
func ownVersion(build *debug.BuildInfo) string {
	if v := build.Main.Version; v != "" {
		return v
	}
	return "(devel)"
}

func moduleVersion(build *debug.BuildInfo, path string) string {
	for _, m := range build.Deps {
		if m.Path != path {
			continue
		}
		if m.Replace != nil {
			return m.Replace.Version
		}
		return m.Version
	}
	return "unknown"
}
