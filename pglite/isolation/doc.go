// Package isolation holds tests of what concurrent sessions see of each other:
// scripts that interleave the steps of two or more sessions, played on a native
// PostgreSQL and on Howdah, whose transcripts must both be the committed one.
//
// The idea is that of PostgreSQL's src/test/isolation. A script, one file
// testdata/*.iso, has SQL that prepares the database, sessions with named steps,
// and permutations, which are orders of these steps:
//
//	-- A line that begins with two dashes is a comment.
//	setup
//	  create table account (id int primary key, balance int);
//	  insert into account values (1, 100);
//
//	session s1
//	setup
//	  begin;
//	step take1 update account set balance = balance - 10 where id = 1;
//	step commit1 commit;
//
//	session s2 user=alice lock_timeout=1min
//	step take2
//	  update account set balance = balance - 20
//	    where id = 1;
//	step look2 select * from account;
//
//	permutation take1 take2 commit1 look2
//
// SQL is what follows a directive on its line, and the indented lines after it.
// A setup before the first session runs before every permutation, statement by
// statement, a teardown after it; tables need none, because schema public is
// made anew. A setup within a session runs on its connection. What follows a
// session's name are startup parameters. A step is one Query message; {s2} in it
// stands for the process id of session s2.
//
// Every permutation connects anew. A step is sent when the one before has
// ended or waits for another session, which pg_isolation_test_session_is_blocked
// tells; nothing depends on how long something takes. The transcript then says
// <waiting ...>, and <... completed> after the step that let it go on. Beside
// steps, a permutation may have
//
//	await STEP      until a step that waits has ended, for whatever reason, before
//	                others that have; right after the step itself: it waits and
//	                ends by itself
//	hear SESSION    until the idle session has got one notification
//	hangup SESSION  until the server ends the idle session
//	cancel SESSION  a CancelRequest for the session
//	leave SESSION   its client is gone without a word
//
// The transcript, testdata/*.out, has rows, command tags, notices, errors with
// their SQLSTATE, detail and hint, and notifications. Process and transaction
// ids, which no two runs share, are replaced by what they stand for. It is made
// by the native server:
//
//	go test ./pglite/isolation -update
package isolation
