package value

// OIDs of the types that are read here (src/include/catalog/pg_type.dat).
const (
	oidBool      = 16
	oidBytea     = 17
	oidInt8      = 20
	oidInt2      = 21
	oidInt4      = 23
	oidText      = 25
	oidOID       = 26
	oidXID       = 28
	oidCID       = 29
	oidJSON      = 114
	oidFloat4    = 700
	oidFloat8    = 701
	oidBpchar    = 1042
	oidVarchar   = 1043
	oidRefcursor = 1790
	oidUUID      = 2950
)
