package wasm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// What a release binary carries, in a folder:
//
//	pglite-0.5.16/pglite.wasm.zst …   the files of a cache, compressed
//	code.json                         what the machine code is for, codeIndex
//	code/NAME.zst …                   files of a wazero compilation cache

// codeIndex says which processors and which wazero the embedded machine code
// is for.
type codeIndex struct {
	target
	Files []pin `json:"files"` // Path is the name that wazero gave the entry
}

// target is all that wazero 1.12 makes machine code depend on, besides the
// module: it names the folder of its cache by version, GOARCH and GOOS
// (cache.go, ensuresFileCache) and hashes the processor's features into the
// name of an entry (internal/engine/wazevo/engine_cache.go, fileCacheKey).
type target struct {
	Wazero string `json:"wazero"`
	GOARCH string `json:"goarch"`
	GOOS   string `json:"goos"`
	// Features are those that internal/platform/cpuid_*.go asks for. They
	// must be equal: code for fewer of them has another name too.
	Features []string `json:"features"`
}

// thisTarget is the target of the running process.
func thisTarget() target {
	return target{Wazero: wazeroVersion(), GOARCH: runtime.GOARCH, GOOS: runtime.GOOS, Features: cpuFeatures()}
}

// folder is the name of wazero's folder inside a compilation cache.
func (t target) folder() string { return "wazero-" + t.Wazero + "-" + t.GOARCH + "-" + t.GOOS }

func (t target) String() string {
	return fmt.Sprintf("wazero %s on %s/%s with [%s]", t.Wazero, t.GOOS, t.GOARCH, strings.Join(t.Features, " "))
}

func (t target) equal(u target) bool {
	return t.folder() == u.folder() && slices.Equal(t.Features, u.Features)
}

// Embed fills dir, a folder that does not exist or is empty, with what a
// release build (tag howdah_release) takes in from wasm/embedded: the files
// of a, and the machine code that this process, or one on the same processor
// with the same wazero, left in compileCache (a folder given to
// wazero.NewCompilationCacheWithDir). It fails when there is none.
func Embed(dir string, a *Artifact, compileCache string) error {
	if err := writeEmbedded(dir, a, compileCache, thisTarget(), zstd.SpeedBestCompression); err != nil {
		return fmt.Errorf("wasm: embed: %w", err)
	}
	return nil
}

func writeEmbedded(dir string, a *Artifact, compileCache string, t target, level zstd.EncoderLevel) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	from := filepath.Join(compileCache, t.folder())
	names, err := codeEntries(from)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no machine code in %s", from)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level))
	if err != nil {
		return err
	}
	defer enc.Close()
	for i, p := range a.packages {
		for name, data := range a.content[i] {
			if err := compressTo(enc, filepath.Join(dir, p.folder(), name), data); err != nil {
				return err
			}
		}
	}
	index := codeIndex{target: t}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		index.Files = append(index.Files, pinOf(name, data))
		if err := compressTo(enc, filepath.Join(dir, "code", name), data); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(index, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "code.json"), append(text, '\n'), 0o644)
}

func compressTo(enc *zstd.Encoder, name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name+".zst", enc.EncodeAll(data, nil), 0o644)
}

// readEmbedded returns the verified files of p; the error is fs.ErrNotExist
// when the binary was built without that package.
func readEmbedded(embedded fs.FS, p *npmPackage) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for i := range p.Files {
		f := &p.Files[i]
		data, err := decompress(embedded, p.folder()+"/"+f.Path, f)
		if err != nil {
			return nil, err
		}
		files[f.Path] = data
	}
	return files, nil
}

// decompress returns the content of name.zst, which has to be what want pins.
func decompress(embedded fs.FS, name string, want *pin) ([]byte, error) {
	packed, err := fs.ReadFile(embedded, name+".zst")
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	data, err := dec.DecodeAll(packed, make([]byte, 0, want.Size))
	if err == nil {
		err = want.verify(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s inside the binary: %w", name, err)
	}
	return data, nil
}

// readCodeIndex returns what the embedded machine code is for, nil when there
// is none.
func readCodeIndex(embedded fs.FS) (*codeIndex, error) {
	if embedded == nil {
		return nil, nil
	}
	text, err := fs.ReadFile(embedded, "code.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	index := new(codeIndex)
	if err == nil {
		err = json.Unmarshal(text, index)
	}
	if err != nil {
		return nil, fmt.Errorf("code.json inside the binary: %w", err)
	}
	return index, nil
}
