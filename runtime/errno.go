package runtime

import (
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// errno is WASI's number for an error: what Emscripten's libc uses on every
// host (system/lib/libc/musl/arch/emscripten/bits/errno.h, WASI snapshot
// preview 1 "errno").
type errno uint32

const (
	eACCES      errno = 2
	eAGAIN      errno = 6
	eBADF       errno = 8
	eBUSY       errno = 10
	eEXIST      errno = 20
	eFBIG       errno = 22
	eINTR       errno = 27
	eINVAL      errno = 28
	eIO         errno = 29
	eISDIR      errno = 31
	eLOOP       errno = 32
	eMFILE      errno = 33
	eMLINK      errno = 34
	eNAMETOOLON errno = 37
	eNOENT      errno = 44
	eNOMEM      errno = 48
	eNOSPC      errno = 51
	eNOSYS      errno = 52
	eNOTDIR     errno = 54
	eNOTEMPTY   errno = 55
	eNOTSUP     errno = 58
	eNOTTY      errno = 59
	ePERM       errno = 63
	ePIPE       errno = 64
	eRANGE      errno = 68
	eROFS       errno = 69
	eSPIPE      errno = 70
	eXDEV       errno = 75
	eDQUOT      errno = 19
)

var fromHost = map[syscall.Errno]errno{
	syscall.EACCES: eACCES, syscall.EAGAIN: eAGAIN, syscall.EBADF: eBADF,
	syscall.EBUSY: eBUSY, syscall.EDQUOT: eDQUOT, syscall.EEXIST: eEXIST,
	syscall.EFBIG: eFBIG, syscall.EINTR: eINTR, syscall.EINVAL: eINVAL,
	syscall.EIO: eIO, syscall.EISDIR: eISDIR, syscall.ELOOP: eLOOP,
	syscall.EMFILE: eMFILE, syscall.ENFILE: eMFILE, syscall.EMLINK: eMLINK,
	syscall.ENAMETOOLONG: eNAMETOOLON, syscall.ENOENT: eNOENT,
	syscall.ENOMEM: eNOMEM, syscall.ENOSPC: eNOSPC, syscall.ENOSYS: eNOSYS,
	syscall.ENOTDIR: eNOTDIR, syscall.ENOTEMPTY: eNOTEMPTY,
	syscall.ENOTSUP: eNOTSUP, syscall.EPERM: ePERM, syscall.EPIPE: ePIPE,
	syscall.EROFS: eROFS, syscall.ESPIPE: eSPIPE, syscall.EXDEV: eXDEV,
}

// errnoOf maps an error of a file system to what the guest sees.
func errnoOf(err error) errno {
	if err == nil {
		return 0
	}
	if e, ok := fromHost[vfs.Errno(err)]; ok {
		return e
	}
	return eIO
}

// result is what a __syscall_ function returns: a value, or −errno.
func (e errno) result() uint64 { return uint64(uint32(-int32(e))) }
