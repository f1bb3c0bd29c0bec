package wire

import "testing"

func TestCancelKeys(t *testing.T) {
	var k cancelKeys
	cancelled := 0
	for _, test := range []struct {
		protocol uint32
		size     int
	}{{protocol30, 4}, {protocol30 + 1, 4}, {protocol32, 32}, {protocol32 + 1, 32}} {
		e := k.add(7, test.protocol, func() { cancelled++ })
		if len(e.key) != test.size {
			t.Errorf("protocol %x: key of %d bytes", test.protocol, len(e.key))
		}
		if known, fits := k.cancel(cancelRequest{pid: 8, key: e.key}); known || fits {
			t.Error("another process's key fits")
		}
		wrong := append([]byte{e.key[0] ^ 1}, e.key[1:]...)
		for _, key := range [][]byte{wrong, e.key[:3], append(e.key[:len(e.key):len(e.key)], 0)} {
			if known, fits := k.cancel(cancelRequest{pid: 7, key: key}); !known || fits {
				t.Errorf("key %x fits %x", key, e.key)
			}
		}
		before := cancelled
		if known, fits := k.cancel(cancelRequest{pid: 7, key: e.key}); !known || !fits || cancelled != before+1 {
			t.Error("right key does not cancel")
		}
		k.remove(7, e)
		if known, _ := k.cancel(cancelRequest{pid: 7, key: e.key}); known {
			t.Error("known after its end")
		}
	}
	first := k.add(1, protocol30, func() {})
	second := k.add(1, protocol30, func() {})
	k.remove(1, first) // the one before has left late
	if known, fits := k.cancel(cancelRequest{pid: 1, key: second.key}); !known || !fits {
		t.Error("a late remove took another session's key")
	}
}

func TestKeyData(t *testing.T) {
	if got, want := string(appendKeyData(nil, 0x01020304, []byte("abcd"))), "K\x00\x00\x00\x0c\x01\x02\x03\x04abcd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
