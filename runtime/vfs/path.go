package vfs

import (
	"path"
	"strings"
	"syscall"
)

// Limits of names, Linux' own (NAME_MAX, PATH_MAX).
const (
	maxName = 255
	maxPath = 4096
)

// clean gives name in its one spelling: rooted, no "." or "..", no slash at
// the end. It allocates only when name is not clean already.
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", syscall.ENOENT
	case len(name) > maxPath:
		return "", syscall.ENAMETOOLONG
	case strings.IndexByte(name, 0) >= 0:
		return "", syscall.EINVAL
	}
	if name[0] != '/' {
		name = "/" + name
	}
	name = path.Clean(name)
	for rest := name; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if len(part) > maxName {
			return "", syscall.ENAMETOOLONG
		}
	}
	return name, nil
}

// within reports whether the clean name is dir or lies below it.
func within(name, dir string) bool {
	if dir == "/" {
		return true
	}
	return strings.HasPrefix(name, dir) && (len(name) == len(dir) || name[len(dir)] == '/')
}
