package wasm

import "runtime/debug"

// wazeroVersion is the version of wazero in this binary, found as wazero
// itself finds it (internal/version/version.go), so that folders agree.
func wazeroVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/tetratelabs/wazero" {
			return dep.Version
		}
	}
	// Test binaries list no modules.
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "dev"
}
