package pglite

import (
	"strings"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// A postmaster reads the settings that need a restart once, and its children
// have them from it. Here every backend reads the configuration files. When
// these have changed since the first one did, as by ALTER SYSTEM, the others are
// given its values on their command line.

// configFiles are what ALTER SYSTEM and administrators write.
var configFiles = [...]string{guestData + "/postgresql.conf", guestData + "/postgresql.auto.conf"}

// atStart is what a server's first backend has started with.
type atStart struct {
	files    [len(configFiles)]vfs.Info
	settings []Setting // those that need a restart
}

// lookAtFiles notes the configuration files; one that is missing is zero.
func (s *server) lookAtFiles() (files [len(configFiles)]vfs.Info) {
	for k, name := range configFiles {
		if info, err := s.ns.Stat(name); err == nil {
			files[k] = vfs.Info{Ino: info.Ino, Size: info.Size, Mtime: info.Mtime}
		}
	}
	return files
}

// needRestart are the parameters of context "postmaster", but for those that
// are about files and not taken on a command line; TestNeedRestart compares.
var needRestart = strings.Fields(`archive_mode autovacuum_freeze_max_age autovacuum_multixact_freeze_max_age
	autovacuum_worker_slots bonjour bonjour_name cluster_name commit_timestamp_buffers data_sync_retry debug_io_direct
	dynamic_shared_memory_type event_source external_pid_file hot_standby huge_page_size huge_pages ignore_invalid_pages
	io_max_combine_limit io_max_concurrency io_method jit_provider listen_addresses logging_collector
	max_active_replication_origins max_connections max_files_per_process max_locks_per_transaction
	max_logical_replication_workers max_notify_queue_pages max_pred_locks_per_transaction max_prepared_transactions
	max_replication_slots max_wal_senders max_worker_processes min_dynamic_shared_memory multixact_member_buffers
	multixact_offset_buffers notify_buffers port recovery_target recovery_target_action recovery_target_inclusive
	recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid
	reserved_connections serializable_buffers shared_buffers shared_memory_type shared_preload_libraries
	subtransaction_buffers superuser_reserved_connections trace_connection_negotiation track_activity_query_size
	track_commit_timestamp transaction_buffers unix_socket_directories unix_socket_group unix_socket_permissions
	wal_buffers wal_decode_buffer_size wal_level wal_log_hints`)

// keepSettings reads the first backend's values of them. REQUIRES: entered.
func (b *backend) keepSettings() error {
	for _, name := range needRestart {
		value, err := b.option(name)
		if err != nil {
			return err
		}
		b.srv.atStart.settings = append(b.srv.atStart.settings, Setting{name, value})
	}
	return nil
}

// startArgs are those arguments of a further backend that make up for files
// that have changed.
func (s *server) startArgs() (args []string) {
	if s.lookAtFiles() == s.atStart.files {
		return nil
	}
	for _, p := range s.atStart.settings {
		args = append(args, "-c", p.Name+"="+p.Value)
	}
	return args
}
