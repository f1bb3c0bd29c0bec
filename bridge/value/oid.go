package value

// OIDs of the types that are read here (src/include/catalog/pg_type.dat).
const (
	oidBool         = 16
	oidBytea        = 17
	oidChar         = 18
	oidName         = 19
	oidInt8         = 20
	oidInt2         = 21
	oidInt2Vector   = 22
	oidInt4         = 23
	oidText         = 25
	oidOID          = 26
	oidTID          = 27
	oidXID          = 28
	oidCID          = 29
	oidOIDVector    = 30
	oidJSON         = 114
	oidXML          = 142
	oidPoint        = 600
	oidLseg         = 601
	oidPath         = 602
	oidBox          = 603
	oidPolygon      = 604
	oidLine         = 628
	oidCIDR         = 650
	oidFloat4       = 700
	oidFloat8       = 701
	oidCircle       = 718
	oidMacaddr8     = 774
	oidMoney        = 790
	oidMacaddr      = 829
	oidInet         = 869
	oidBpchar       = 1042
	oidVarchar      = 1043
	oidDate         = 1082
	oidTime         = 1083
	oidTimestamp    = 1114
	oidTimestampTZ  = 1184
	oidInterval     = 1186
	oidTimeTZ       = 1266
	oidBit          = 1560
	oidVarbit       = 1562
	oidNumeric      = 1700
	oidRefcursor    = 1790
	oidUUID         = 2950
	oidTxidSnapshot = 2970
	oidLSN          = 3220
	oidTSVector     = 3614
	oidTSQuery      = 3615
	oidJSONB        = 3802
	oidJSONPath     = 4072
	oidSnapshot     = 5038
	oidXID8         = 5069
)
