package golden

// Reasons that several rows of collected share.
const (
	filebeats     = "what another program makes of the file beside it: TestFilebeat compares where both have a field"
	beatsFields   = "what Filebeat makes of the file beside it, in fields of its own"
	libaudit      = "what go-libaudit makes of the file beside it, in fields of its own"
	ss4o          = "documents in OpenSearch's schema for observability (ss4o), made of logs"
	apiAnswer     = "the answer of an API, with its metadata, not an event"
	application   = "what an application wrote through CloudWatch Logs or FireLens: a log type of the user's own reads it"
	lambdaCall    = "the event that a function is called with, not a log"
	indicatorList = "indicators of compromise: sidecar/feed/parse"
	database      = "a GeoIP database: filters/enrich"
	agentNames    = "user agents with what they are parsed to: filters/enrich"
	message       = "a notification as the queue holds it: plugins/s3sqs"
	windowsJSON   = "JSON that a tool made of Windows events, each tool with names of its own; the log type reads Windows' XML"
	docsBroken    = "an example that lacks commas or quotes"
)

// collected are the files of the collection; the first row whose pattern matches counts.
var collected = []settled{
	{files: "elasticache-redis-slowlog/*-expected.json", reason: beatsFields},
	{files: "msk/*-expected.json", reason: beatsFields},
	{files: "*/*-expected.json", reason: filebeats},
	{files: "linux-auditd/*.golden", reason: libaudit},
	{files: "*/catalog-*ss4o.json", reason: ss4o},

	{files: "apache/filebeat-error-*", logType: "apache-error"},
	{files: "apache/*", logType: "apache-access"},
	{files: "benchmark/apache_logs.gz", logType: "apache-access"},
	{files: "benchmark/audit-*", logType: "linux-auditd"},
	{files: "benchmark/cloudtrail/*", logType: "cloudtrail"},
	{files: "benchmark/linux-secure-*", logType: "linux-secure"},
	{files: "benchmark/nginx-*", logType: "nginx-access"},
	{files: "clientvpn/lambda-go-*", reason: lambdaCall},
	{files: "clientvpn/*", logType: "clientvpn"},
	{files: "cloudfront/*", logType: "cloudfront-standard"},
	{files: "cloudhsm/*", logType: "cloudhsm"},
	{files: "cloudtrail/invictus/*", logType: "cloudtrail"},
	{files: "cloudtrail/otel-digest.json", reason: "a digest: its key is ignored (ignore_key of cloudtrail)"},
	{files: "cloudtrail/plaso-lookup-events.jsonl", logType: "cloudtrail", within: "CloudTrailEvent"},
	{files: "cloudtrail/streamalert-*", logType: "cloudtrail", within: "data.Records"},
	{files: "cloudtrail/*", logType: "cloudtrail"},

	{files: "cloudwatch-logs-subscription/*-mysql-slowquery.json", logType: "rds-mysql-slowquery"},
	{files: "cloudwatch-logs-subscription/*cloudwatch_log_cloudtrail.json", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/awsdocs-*", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/data-prepper-cloudtrail.json", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/otel-control-message.json", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/otel-valid.json", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/otel-invalid.json", logType: "cloudtrail"},
	{files: "cloudwatch-logs-subscription/streamalert-cloudwatch_cloudtrail.json", logType: "cloudtrail", within: "data"},
	{files: "cloudwatch-logs-subscription/streamalert-cloudwatch_control_message.json", logType: "cloudtrail", within: "override_record"},
	{files: "cloudwatch-logs-subscription/streamalert-cloudwatch_rds_aurora.json", logType: "rds-mysql-audit", within: "data"},
	{files: "cloudwatch-logs-subscription/newrelic-rds-enhanced-monitoring.json", reason: "metrics of RDS Enhanced Monitoring, not a log"},
	{files: "cloudwatch-logs-subscription/lambda-go-*", reason: lambdaCall},
	{files: "cloudwatch-logs-subscription/*", reason: application},

	{files: "config/*snapshot*", logType: "config-snapshot"},
	{files: "config/*history*", logType: "config-history"},
	{files: "config/awsdocs-rule-*", logType: "config-rules"},
	{files: "config/*", reason: lambdaCall},
	{files: "deepsecurity/*.cef.log", logType: "deepsecurity"},
	{files: "deepsecurity/*", logType: "deepsecurity-json", within: "data"},
	{files: "eks-audit/catalog-*", reason: "metadata of a cluster's objects, not its audit log"},
	{files: "eks-audit/*", logType: "kubernetes-audit"},
	{files: "elasticache-redis-slowlog/awsdocs-slowlog*", logType: "elasticache-redis-slowlog"},
	{files: "elasticache-redis-slowlog/awsdocs-enginelog*", logType: "elasticache-redis-enginelog"},
	{files: "elasticache-redis-slowlog/filebeat-*", reason: "the log of a Redis server of one's own, which each version writes otherwise; ElastiCache's is elasticache-redis-enginelog"},
	{files: "elb-alb/*", logType: "alb"},
	{files: "elb-clb/*", logType: "clb"},
	{files: "elb-nlb/*", logType: "nlb"},
	{files: "firelens/firelens-examples-apache.json", logType: "apache-ecs"},
	{files: "firelens/firelens-examples-json-*", reason: docsBroken},
	{files: "firelens/awsdocs-*", reason: docsBroken},
	{files: "firelens/*", reason: application},
	{files: "fsx-win/*", logType: "fsx-win"},
	{files: "guardduty/*", logType: "guardduty"},
	{files: "inspector/custodian-*", logType: "inspector", within: "data.findings"},
	{files: "inspector/*", logType: "inspector"},
	{files: "ioc/*", reason: indicatorList},
	{files: "linux-auditd/*", logType: "linux-auditd"},
	{files: "linux-secure/plaso-vsftpd.log", reason: "the log of vsftpd, which is not among those that go to /var/log/secure"},
	{files: "linux-secure/*", logType: "linux-secure"},
	{files: "linux-syslog/otrf-*", reason: "a table of Azure Log Analytics"},
	{files: "linux-syslog/*", logType: "linux-os-syslog"},
	{files: "mmdb/*", reason: database},
	{files: "mmdb/bad-data/*", reason: database},
	{files: "msk/*", logType: "msk"},
	{files: "networkfirewall/*", logType: "networkfirewall"},
	{files: "nginx/filebeat-ingress_controller-*", logType: "nginx-ingress"},
	{files: "nginx/filebeat-error-*", logType: "nginx-error"},
	{files: "nginx/*", logType: "nginx-access"},
	{files: "notifications/*", reason: message},
	{files: "ocsf/securitylake-*.parquet", logType: "securitylake"},
	{files: "ocsf/*", logType: "ocsf-json"},
	{files: "okta/streamalert-*", logType: "okta", within: "data"},
	{files: "okta/*", logType: "okta"},
	{files: "opensearch-audit/*", logType: "opensearch-audit"},
	{files: "rds-activity-stream/*", reason: "the decrypted form of database activity streams, which leave RDS encrypted, through Kinesis"},
	{files: "rds-mysql/*audit*", logType: "rds-mysql-audit"},
	{files: "rds-mysql/*general*", logType: "rds-mysql-general"},
	{files: "rds-mysql/*error*", logType: "rds-mysql-error"},
	{files: "rds-mysql/*slow*", logType: "rds-mysql-slowquery"},
	{files: "rds-postgresql/*", logType: "rds-postgresql"},
	{files: "route53resolver/awsdocs-public-zone-query.log", logType: "route53-query"},
	{files: "route53resolver/*", logType: "route53resolver"},
	{files: "s3accesslog/*", logType: "s3accesslog"},
	{files: "securityhub/custodian-test_*", logType: "securityhub", within: "data.Findings"},
	{files: "securityhub/*", logType: "securityhub"},
	{files: "trustedadvisor/custodian-*", reason: apiAnswer},
	{files: "trustedadvisor/*-mockpayload.json", reason: "what a test sends to EventBridge, not the event that this makes of it"},
	{files: "trustedadvisor/*", logType: "trustedadvisor"},
	{files: "user-agent/*", reason: agentNames},
	{files: "vpcflowlogs/*", logType: "vpcflowlogs"},
	{files: "waf/*", logType: "waf"},
	{files: "windows-event/evtx-event_json_with_multiple_data_elements.snap", logType: "windows-event"}, // XML, whatever its name
	{files: "windows-event/evtx-event_json_*", reason: windowsJSON},
	{files: "windows-event/otrf-*", reason: windowsJSON},
	{files: "windows-event/*", logType: "windows-event"},
	{files: "windows-iis/filebeat-iis-error-*", logType: "windows-httperr"},
	{files: "windows-iis/*", logType: "windows-iis"},
	{files: "workspaces/custodian-describe-*", logType: "workspaces-inventory", within: "data.Workspaces"},
	{files: "workspaces/custodian-*", reason: apiAnswer},
	{files: "workspaces/*", logType: "workspaces-event"},
}
