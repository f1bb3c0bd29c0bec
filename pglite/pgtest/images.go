package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/template"
)

// images are the templates of the process. They stay to its end: the next test
// wants them again.
var images struct {
	sync.Mutex
	m map[string]*image
}

// image is a template that is there when made is closed.
type image struct {
	made chan struct{}
	*pglite.Image
	err error
}

// errUnmade is what others find that wait for a test which ends itself while it
// makes the template.
var errUnmade = errors.New("the test that was to make the template has ended")

// shared gives the image of a key, and has the first caller make it. A template
// that can't be made is not tried again, but when it was the test that gave up.
func shared(ctx context.Context, key string, build func() (*pglite.Image, error)) (*pglite.Image, error) {
	images.Lock()
	i, ok := images.m[key]
	if !ok {
		if images.m == nil {
			images.m = map[string]*image{}
		}
		i = &image{made: make(chan struct{}), err: errUnmade}
		images.m[key] = i
	}
	images.Unlock()
	if ok {
		select {
		case <-i.made:
			return i.Image, i.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() {
		if errors.Is(i.err, errUnmade) || ctx.Err() != nil && i.err != nil {
			images.Lock()
			delete(images.m, key)
			images.Unlock()
		}
		close(i.made)
	}()
	i.Image, i.err = build()
	return i.Image, i.err
}

// image is what the clusters of this configuration are cloned from.
func (c *config) image(t testing.TB) (*pglite.Image, error) {
	identity, err := c.options.Identity()
	if err != nil {
		return nil, err
	}
	ctx := t.Context()
	switch {
	case c.source != nil:
		s, err := c.source()
		if err != nil {
			return nil, err
		}
		return shared(ctx, identity+" "+s.Key(), func() (*pglite.Image, error) { return c.warm(ctx)(s.Image(ctx, c.options)) })
	case c.fill != nil:
		program, err := programHash()
		if err != nil {
			return nil, err
		}
		key := "function " + program + " " + c.key
		return shared(ctx, identity+" "+key, func() (*pglite.Image, error) {
			return c.warm(ctx)(template.Keep(ctx, key, c.key, c.options, func(ctx context.Context, cluster *pglite.Cluster) error {
				db := &DB{t: t, cluster: cluster, config: c}
				return errors.Join(c.fill(ctx, db), db.disconnect())
			}))
		})
	}
	return shared(ctx, identity, func() (*pglite.Image, error) {
		cluster, err := pglite.Open(ctx, c.options)
		if err != nil {
			return nil, err
		}
		return cluster.Freeze(ctx)
	})
}

// warm makes an image that was read into one of a cluster that has run: its
// clones boot nothing.
func (c *config) warm(ctx context.Context) func(*pglite.Image, error) (*pglite.Image, error) {
	return func(i *pglite.Image, err error) (*pglite.Image, error) {
		if err != nil {
			return nil, err
		}
		cluster, err := i.Open(ctx, pglite.Options{Settings: c.options.Settings})
		if err != nil {
			return nil, errors.Join(err, i.Close())
		}
		frozen, err := cluster.Freeze(ctx)
		return frozen, errors.Join(err, i.Close())
	}
}

// programHash is a SHA-256 of this program's file.
var programHash = sync.OnceValues(func() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("the program of the template's function: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("the program of the template's function: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
})
