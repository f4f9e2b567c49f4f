package golden

const (
	cutEvents      = "an example of an envelope, whose messages are cut; they are kept as they came, with the reason"
	controlMessage = "CloudWatch Logs asks whether anyone listens: no record"
)

// madeToFail are the samples that hold what is no record of their type.
var madeToFail = []made{
	{file: "cloudtrail/awsdocs-data-message-1.json", failed: 3, outside: true, reason: cutEvents},
	{file: "cloudtrail/awsdocs-data-message-2.json", failed: 3, outside: true, reason: cutEvents},
	{file: "cloudtrail/otel-valid.json", failed: 3, outside: true, reason: cutEvents},
	{file: "cloudtrail/otel-invalid.json", failed: 3, outside: true, reason: cutEvents},
	{file: "cloudtrail/otel-control-message.json", reason: controlMessage},
	{file: "cloudtrail/streamalert-cloudwatch_control_message.json", outside: true, reason: controlMessage},
	{file: "cloudtrail/data-prepper-cloudtrail.json", failed: 3, reason: cutEvents},
	{file: "fsx-win/awsdocs-file-access-audit.xml", failed: 1, reason: "one event of the page has a tag that is broken (4663< /EventID>)"},
	{file: "linux-auditd/plaso-selinux.log", failed: 2, reason: "lines without a type, which say so themselves"},
	{file: "linux-os-syslog/plaso-syslog.zip", failed: 1, reason: "the archive's second file is binary (wtmp)"},
	{file: "rds-mysql-slowquery/centralized-logging-rds-aurora-mysql-slowquery.json", failed: 25, reason: "the file mixes slow queries with the error and audit logs of the database"},
	{file: "vpcflowlogs/otel-cwl-custom.json", failed: 2, reason: "columns of one's own without a header, which columns.default has to name (TestFlowLogsWithoutAHeader)"},
	{file: "windows-event/evtx-*.snap", failed: 1, reason: "before the event stands the header of the test that it comes from"},
	{file: "windows-event/splunk-certutil-sysmon.xml", failed: 10, reason: "the export mixes XML with events as text"},
}
