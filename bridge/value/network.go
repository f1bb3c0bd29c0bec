package value

import (
	"encoding/hex"
	"strconv"
)

// Families of addresses as they are kept (PGSQL_AF_INET, src/include/utils/inet.h).
const (
	familyIPv4 = 2
	familyIPv6 = 3
)

func appendInet(dst, b []byte) ([]byte, error) { return appendAddress(dst, b, false) }

func appendCIDR(dst, b []byte) ([]byte, error) { return appendAddress(dst, b, true) }

// appendAddress writes an inet or cidr: family, bits of the network, address. An inet
// of a single host has no bits in its text.
func appendAddress(dst, b []byte, network bool) ([]byte, error) {
	if len(b) < 2 {
		return nil, errMalformed
	}
	family, bits, addr := b[0], int(b[1]), b[2:]
	switch {
	case family == familyIPv4 && len(addr) == 4:
		dst = appendIPv4(dst, addr)
	case family == familyIPv6 && len(addr) == 16:
		dst = appendIPv6(dst, addr)
	default:
		return nil, errMalformed
	}
	if bits > 8*len(addr) {
		return nil, errMalformed
	}
	if network || bits < 8*len(addr) {
		dst = strconv.AppendInt(append(dst, '/'), int64(bits), 10)
	}
	return dst, nil
}

func appendIPv4(dst, addr []byte) []byte {
	for k, n := range addr {
		if k > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	return dst
}

// appendIPv6 writes an address as inet_net_ntop_ipv6 does (src/port/inet_net_ntop.c):
// the first of the longest runs of two zero words or more is ::, and what looks like
// an IPv4 address ends as one.
func appendIPv6(dst, addr []byte) []byte {
	word := func(k int) uint64 { return uint64(be.Uint16(addr[2*k:])) }
	from, length := -1, 1
	for k := 0; k < 8; k++ {
		n := 0
		for k+n < 8 && word(k+n) == 0 {
			n++
		}
		if n > length {
			from, length = k, n
		}
		k += n
	}
	if from < 0 {
		length = 0
	}
	mapped := from == 0 && (length == 6 || length == 5 && word(5) == 0xffff)
	for k := 0; k < 8; k++ {
		if k == from {
			dst = append(dst, ':')
			k += length - 1
			if k == 7 {
				dst = append(dst, ':')
			}
			continue
		}
		if k > 0 {
			dst = append(dst, ':')
		}
		if k == 6 && mapped {
			return appendIPv4(dst, addr[12:])
		}
		dst = strconv.AppendUint(dst, word(k), 16)
	}
	return dst
}

// appendMacaddr writes a macaddr or macaddr8.
func appendMacaddr(dst, b []byte) ([]byte, error) {
	for k := range b {
		if k > 0 {
			dst = append(dst, ':')
		}
		dst = hex.AppendEncode(dst, b[k:k+1])
	}
	return dst, nil
}
