package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// scramSecret is what pg_authid.rolpassword holds for SCRAM-SHA-256:
//
//	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
//
// Salt and keys are base64 (parse_scram_secret in auth-scram.c).
type scramSecret struct {
	iterations int
	salt       []byte
	storedKey  [sha256.Size]byte
	serverKey  [sha256.Size]byte
	// doomed marks a secret made up for a role that has none: the exchange goes
	// its usual way and fails at its end.
	doomed bool
}

func parseSecret(s string) (*scramSecret, error) {
	scheme, rest, ok := strings.Cut(s, "$")
	if !ok || scheme != "SCRAM-SHA-256" {
		return nil, fmt.Errorf("not a SCRAM-SHA-256 secret")
	}
	params, keys, ok := strings.Cut(rest, "$")
	if !ok {
		return nil, fmt.Errorf("SCRAM secret without keys")
	}
	iterations, salt, ok := strings.Cut(params, ":")
	if !ok {
		return nil, fmt.Errorf("SCRAM secret without salt")
	}
	storedKey, serverKey, ok := strings.Cut(keys, ":")
	if !ok {
		return nil, fmt.Errorf("SCRAM secret without server key")
	}
	secret := &scramSecret{}
	var err error
	if secret.iterations, err = strconv.Atoi(iterations); err != nil || secret.iterations < 1 {
		return nil, fmt.Errorf("iteration count of SCRAM secret %q", iterations)
	}
	if secret.salt, err = base64.StdEncoding.DecodeString(salt); err != nil {
		return nil, fmt.Errorf("salt of SCRAM secret: %w", err)
	}
	if err := decodeKey(&secret.storedKey, storedKey); err != nil {
		return nil, fmt.Errorf("stored key of SCRAM secret: %w", err)
	}
	if err := decodeKey(&secret.serverKey, serverKey); err != nil {
		return nil, fmt.Errorf("server key of SCRAM secret: %w", err)
	}
	return secret, nil
}

func decodeKey(dst *[sha256.Size]byte, s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	if len(b) != len(dst) {
		return fmt.Errorf("%d bytes instead of %d", len(b), len(dst))
	}
	copy(dst[:], b)
	return nil
}

// Postgres' defaults for new secrets (SCRAM_SHA_256_DEFAULT_ITERATIONS and
// SCRAM_DEFAULT_SALT_LEN in common/scram-common.h).
const (
	mockIterations = 4096
	mockSaltLen    = 16
)

// mockSecret makes up a secret for a user that has none. A client can't tell it
// from a real one, because the same user always gets the same salt (mock_scram_secret
// in auth-scram.c). nonce is the server's and stays secret.
func mockSecret(nonce []byte, user string) *scramSecret {
	h := sha256.New()
	h.Write(nonce)
	h.Write([]byte(user))
	return &scramSecret{iterations: mockIterations, salt: h.Sum(nil)[:mockSaltLen], doomed: true}
}
