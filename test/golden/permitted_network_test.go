package golden

var network = []permitted{
	{"s3accesslog", `ACLRequired|SourceRegion`, "columns that the service added later are kept", absent},
}
