package golden

// madeToFail are the samples that hold what is no record of their type.
var madeToFail = []made{
	{"cloudtrail/data-prepper-cloudtrail.json", 3, "an example of an envelope, whose messages are cut; they are kept as they came, with the reason"},
	{"fsx-win/awsdocs-file-access-audit.xml", 1, "one event of the page has a tag that is broken (4663< /EventID>)"},
	{"linux-auditd/plaso-selinux.log", 2, "lines without a type, which say so themselves"},
	{"linux-os-syslog/plaso-syslog.zip", 1, "the archive's second file is binary (wtmp)"},
	{"rds-mysql-slowquery/centralized-logging-rds-aurora-mysql-slowquery.json", 25, "the file mixes slow queries with the error and audit logs of the database"},
	{"vpcflowlogs/otel-cwl-custom.json", 2, "columns of one's own without a header, which columns.default has to name (TestFlowLogsWithoutAHeader)"},
	{"windows-event/splunk-certutil-sysmon.xml", 10, "the export mixes XML with events as text"},
}
