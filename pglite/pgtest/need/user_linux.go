package need

import (
	"fmt"
	"os"
	"syscall"
)

// nobody is the kernel's overflow uid and gid, which own nothing.
const nobody = 65534

// unprivileged are the attributes of a process that runs as nobody when the
// test runs as root, and that does not outlive the test binary.
func unprivileged() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attr
}

func giveAway(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

// ownedByUs refuses a folder among the temporary files in which another user
// could put programs for us to run.
func ownedByUs(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder that only this user can write", dir)
	}
	return nil
}
