package linear

// touchedPages says that every page may hold something: mincore(2) does not
// tell a page that was never touched from one that is compressed.
func touchedPages([]byte) func(int) bool { return func(int) bool { return true } }
