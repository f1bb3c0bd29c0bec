// Package wasm finds, verifies and keeps the PGlite artifact: PostgreSQL
// compiled to WebAssembly by the npm package @electric-sql/pglite, and the
// extensions that are npm packages of the same form.
//
// # Which bytes
//
// manifest.json pins everything: the name, version and integrity of each npm
// package, size and SHA-256 of each file taken out of it (sources), and size
// and SHA-256 of each file made from those (files). A byte that reaches the
// caller has been hashed in this process and compared with the manifest,
// wherever it came from. To move to another version, edit name and version
// there and run
//
//	go test ./wasm -run TestManifest -update
//
// # Where they come from
//
// Load looks in this order:
//
//  1. Options.FS, and nowhere else, when it is set;
//  2. the user's cache folder;
//  3. the running binary, when it was built with the tag howdah_release: what
//     is inside is unpacked to the cache at first start, so that the cache is
//     its memory-mappable form;
//  4. npm pack, with the user's own npm configuration, so that private
//     registries, proxies and offline mirrors work as they do for npm.
//
// Nothing that is in the cache is fetched again. A damaged file is named in
// [Artifact.Notices] and replaced, or named in the error when it cannot be.
//
// # What a folder holds
//
// The cache, a folder filled by [Fetch] and an [Options.FS] have one layout,
// a folder per npm package:
//
//	pglite-0.5.16/pglite.wasm     the backend, as in the npm package
//	pglite-0.5.16/initdb.wasm     initdb, as in the npm package
//	pglite-0.5.16/tree            files for the guest: pglite.data and contrib
//	pglite-pgvector-0.0.15/tree   files for the guest: one extension
//
// A tree is the unpacked form of pglite.data (whose index stands only in the
// package's JavaScript) and of the gzipped tar archives, made once so that a
// start neither inflates nor untars: see writeTree for the bytes.
//
// The cache has besides:
//
//	code/wazero-v1.12.0-5256d9ac379f/   machine code, see [Artifact.CompileCache],
//	                                    and what [Artifact.Keep] keeps
//	templates/                          what [Folder] keeps for others, by name
//	fetch.lock, compile.lock, …         held by the process that fills the cache
//
// # The cache is trusted with code
//
// Machine code is loaded from the cache without further proof, so its folders
// are created with mode 0700, and one that belongs to another user or that
// others may write is refused with an error; nothing is repaired silently.
// (On Windows the folder is under the user's profile, whose access list
// protects it; nothing is checked.)
//
// A cache that can be read but not written works when it is filled. When
// there is no usable cache (read-only or missing HOME) the artifact is held
// on the heap. Machine code that is at hand (from the binary or a read-only
// cache) is then offered in a private temporary folder that [Artifact.Close]
// removes; when there is none, CompileCache is empty and each start compiles.
//
// Files reach their name by write, fsync and rename, under a file lock that
// dies with its process: of two processes that start at once the second waits
// for the first one's fetch and uses it.
package wasm
