package code

// The codes that log lines name. Those of classes are found with [Input] and
// [Output].
const (
	Config     Code = "FS1001"
	Usage      Code = "FS1002"
	Socket     Code = "FS1101"
	File       Code = "FS1102"
	Metric     Code = "FS1103"
	Bug        Code = "FS1104"
	Unverified Code = "FS1105"
	Doubtful   Code = "FS1106"
	SlowStop   Code = "FS1107"
	NotOver    Code = "FS1108"
	NoOutput   Code = "FS1109"
	Restarted  Code = "FS1110"
	NotTaken   Code = "FS1111"
	NoMemory   Code = "FS1112"
	Forgotten  Code = "FS1113"

	UnknownMessage Code = "FS2001"
	HoldLost       Code = "FS2002"
	TwelveHours    Code = "FS2003"
	NoVerdict      Code = "FS2004"
	HostRefuses    Code = "FS2005"
	GivenBack      Code = "FS2006"
	Queue          Code = "FS2007"
	Visibility     Code = "FS2008"
	NotDeleted     Code = "FS2009"
	AWSConfig      Code = "FS2010"
	LogTypes       Code = "FS2011"
	NotParted      Code = "FS2012"
	BadRecords     Code = "FS2013"
	LedgerIndex    Code = "FS2014"
	NotMoved       Code = "FS2015"
	Ledger         Code = "FS2021"
	LedgerUpkeep   Code = "FS2022"

	UnreadableRecord Code = "FS3001"
	NoEvents         Code = "FS3002"
	Row              Code = "FS3003"
	GeoIP            Code = "FS3004"
	Rule             Code = "FS3005"
	Rules            Code = "FS3006"
	BrokenTable      Code = "FS3007"
	Stale            Code = "FS3008"
	Extension        Code = "FS3101"
	Untransformed    Code = "FS3102"

	Repairs         Code = "FS4001"
	Answer          Code = "FS4002"
	RequestTooLarge Code = "FS4003"
	Mapping         Code = "FS4004"
	TwiceStored     Code = "FS4005"
	ChunkWaits      Code = "FS4006"
	ChunkDropped    Code = "FS4007"
	OutputEnd       Code = "FS4008"
	NotAsked        Code = "FS4009"
	NotLookedUp     Code = "FS4010"
	ClearText       Code = "FS4011"

	LettersFail Code = "FS5001"
	LettersFull Code = "FS5002"
	BrokenChunk Code = "FS5003"
	Damaged     Code = "FS5007"

	SidecarPort  Code = "FS6001"
	Feed         Code = "FS6002"
	FeedCopy     Code = "FS6003"
	Indicators   Code = "FS6004"
	Publish      Code = "FS6005"
	Proxies      Code = "FS6006"
	IndexMetrics Code = "FS6007"
	Throttled    Code = "FS6008"
	OrderWrite   Code = "FS6009"
	OrderSource  Code = "FS6010"
	Board        Code = "FS6011"
	Alert        Code = "FS6012"
	MetricLines  Code = "FS6013"
	History      Code = "FS6014"
	StatusIndex  Code = "FS6015"
)

const (
	waits   = "kept and sent again; other indices go on; nothing is deleted from the queue meanwhile"
	letter  = "the document is a dead letter with its reason; its neighbours are stored"
	letters = "the record is a dead letter with its text, as far as it was kept; the others go on"
	object  = "the records before it go on; the object is quarantined as a dead letter, then its notification is deleted"
	back    = "nothing is lost: the notification is given back and comes again, later each time"
	replay  = "; then `fluent-siem deadletter replay`"
)

var table = []Entry{
	{Config, "", "A setting cannot be used; the text names each, with its line", "nothing was started; at a reload the old configuration goes on", "correct what the lines say"},
	{Usage, "", "The command line is wrong, or a file that it names", "nothing was done", "see `--help` of the command"},
	{Socket, "", "The Unix socket for metrics and health is not there", "records are loaded all the same", "make state_dir writable for this process, and end another one that has it"},
	{File, "", "A file that is followed (rules, tables, certificates, password, throttle orders) cannot be used as it is now", "what was read before stays in use", "correct or replace the file; it is read again"},
	{Metric, "", "A metric could not be registered", "records are loaded all the same; the metric is not shown", "report it: it is a bug"},
	{Bug, "", "A panic was caught", "the record it befell is a dead letter, or its notification comes again; the process lives on", "report it with the stack in the log line"},
	{Unverified, "", "The cluster's certificate is not checked (verify: off)", "whoever is in between can read and change everything", "set ca_file and leave verify on"},
	{Doubtful, "", "The configuration can be used, and something in it is hardly meant so", "records are loaded", "see what the line proposes"},
	{SlowStop, "", "An input or output did not stop within grace", "nothing is lost: what it holds comes again when its visibility timeout is over", "raise grace; when it repeats without load, report it"},
	{NotOver, "", "When the pipeline stopped not everything was delivered", "records of s3_sqs come again with their notifications; those of other inputs are lost as the line says", "raise grace, or repair what the outputs wait for"},
	{NoOutput, "", "No output matches the tag of events", "they are dropped, and the notifications they came from stay in the queue", "correct match of an output"},
	{Restarted, "", "An input ended, or could not begin", "its notifications stay in the queue; it is started again, less and less often", "see the error in the line"},
	{NotTaken, "", "Events were not taken, because a filter failed", "they come again with their notification", "report it: it is a bug"},
	{NoMemory, "", "The host has no memory for a buffer of events", "it is dropped, and comes again with its notification", "give the process more memory, or lower memory_limit"},
	{Forgotten, "", "A thread that Fluent Bit has forgotten could not be stopped", "records are loaded; the process may fault later", "restart instead of reloading"},
	{"FS1114", "", "The program that has loaded a plugin is no Fluent Bit that can use it", "nothing is started", "use Fluent Bit 2.2 or later, or `fluent-siem pipeline`"},
	{"FS1115", "", "Fluent Bit has a filter ecs of its own (AWS ECS metadata), which it uses in place of ours", "records pass unconverted", "load flb-filter_siem_ecs.so and write name siem_ecs"},

	{UnknownMessage, "", "A message in the queue is no notification that is known", "it is never deleted; it becomes visible again, and the queue's redrive policy decides", "send only notifications of objects to the queue"},
	{HoldLost, "", "A message became visible to others before it was extended", "it is read again; what was stored is recognised by its id", "look for pauses of this process, or clock jumps"},
	{TwelveHours, "", "A message was held for almost twelve hours, the most that SQS allows", "it is read again; what was stored is recognised by its id", "when it repeats, the pipeline is too slow for its objects: split_records, more hosts"},
	{NoVerdict, "", "Neither filter nor output has given records of a message their verdict", back, "put filter ecs and output opensearch_bulk into the pipeline, let match fit, set retry_limit no_limits; or acknowledge: queued"},
	{HostRefuses, "", "The host does not take records", back, "look at the host's log: memory, storage limits"},
	{GivenBack, "", "A message could not be worked on", back, "see the error in the line"},
	{Queue, "", "The queue cannot be asked", "messages stay in the queue", "allow sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes; correct queue_url, region, credentials"},
	{Visibility, "", "The queue's visibility timeout cannot be read", "messages are hidden for two minutes at a time instead", "allow sqs:GetQueueAttributes"},
	{NotDeleted, "", "A message whose records are all stored could not be deleted in time", "it is loaded once more; ids are the same, so nothing is doubled", "nothing, unless it repeats: see FS2002"},
	{AWSConfig, "", "The AWS configuration cannot be read", "nothing is received; it is read again", "correct environment, shared files or instance role"},
	{LogTypes, "", "Log types in logtypes_dir cannot be used", "the last good set stays in use", "correct the file that the line names; try it with `fluent-siem check`"},
	{NotParted, "", "The rest of a large object could not be announced in parts", "it is read here to its end", "allow sqs:SendMessage on the queue, or set split_records: 0"},
	{BadRecords, "", "Records of an object cannot be used; the reason of each is one of FS22xx", letters, "see the code of the dead letters" + replay},
	{LedgerIndex, "", "The host does not take records of the ledger", "they are missing in the index; the ledger itself has them", "look at the host's log"},
	{NotMoved, "", "Messages of old objects cannot be moved to the backlog queue", "they are read where they are; fresh ones may wait behind them", "allow sqs:SendMessage on the backlog queue, or correct backlog_queue_url"},
	{Ledger, "", "The ledger cannot be written", "records are loaded all the same; the last 50,000 objects are noted when it can be written again, siem_ledger_dropped_total counts those before", "free disk space, or make state_dir writable"},
	{LedgerUpkeep, "", "Old records of the ledger could not be searched for, or its file not be closed", "it is tried again in an hour; what was written is in the file", "look at the disk; a damaged file is put aside at the next start"},

	{"FS2101", "gone", "The object does not exist any more", "it is quarantined as a dead letter, then its notification is deleted", "let lifecycle rules delete later than objects are loaded; restore the version" + replay},
	{"FS2102", "denied", "S3 or KMS denies the object", back, "allow s3:GetObject, s3:GetObjectVersion, kms:Decrypt, or name a role in bucket_roles; it heals by itself then"},
	{"FS2103", "archived", "The object is in an archive", back, "restore it"},
	{"FS2104", "misplaced", "Bucket, region or owner is another", back, "correct region, endpoint, expected_bucket_owner"},
	{"FS2105", "changed", "The object was replaced while it was read", "what is there now is read next; in a bucket without versioning a record in the place of one that was loaded counts as its duplicate", "turn versioning on"},
	{"FS2106", "transient", "S3 does not answer, or throttles", back, "nothing, unless it lasts"},
	{"FS2107", "unclaimed", "No log type claims the object's key", "nothing is read; the notification is deleted, the object stays in its bucket", "write a log type, or add the key to ignore_keys; `fluent-siem backfill` announces it again"},
	{"FS2108", "empty", "The object has no bytes", "its notification is deleted", "nothing, unless its writer should have written"},

	{"FS2201", "too_long", "A record is longer than record_limit", letters, "raise record_limit" + replay},
	{"FS2202", "not_json", "There is text where a JSON value should begin", letters, "correct the log type that claims the key" + replay},
	{"FS2203", "not_xml", "There is text where an XML element should begin", letters, "correct the log type that claims the key" + replay},
	{"FS2204", "no_record", "No line begins a record of several lines", letters, "correct first_line of the log type" + replay},
	{"FS2205", "truncated", "The object ends in the middle", object, "look whether its writer failed"},
	{"FS2206", "corrupt", "The decompressor, or the reader of Parquet, gives up", object, "look whether its writer failed"},
	{"FS2207", "bomb", "object_limit, ratio_limit, spool_limit or the depth of containers is exceeded", object, "if the object is genuine raise the limit" + replay},
	{"FS2208", "binary", "The content is neither text nor a known format", object, "correct the log type, or add the key to ignore_keys"},
	{"FS2209", "unsupported", "The format is known but not read", object, "have it written with gzip, zstd, lz4 or uncompressed"},

	{UnreadableRecord, "unreadable", "A record does not fit its log type", letters, "correct the log type; try it with `fluent-siem convert`" + replay},
	{NoEvents, "", "Another filter has put bytes into a buffer that are no events", "they are passed on as they are", "find the filter that writes them"},
	{Row, "", "A row of a table (indicators, proxies, assets) cannot be used", "the others are used", "correct the row"},
	{GeoIP, "", "A GeoIP database is missing or refused", "events are stored without places, or with those of the one in memory", "put a valid file into geoip_dir"},
	{Rule, "", "An exclusion rule cannot be used", "the others are used; what it should exclude is stored", "correct the rule that the line names"},
	{Rules, "", "Exclusion rules cannot be read, or none of them can be used", "the last good ones stay in use; at first nothing is excluded by that place", "correct the file, or allow s3:GetObject or ssm:GetParametersByPath"},
	{BrokenTable, "", "The table of indicators was damaged while it was in use", "events are stored without indicators until there is another table", "replace the file by renaming, never write into it"},
	{Stale, "", "A table that events are enriched with is missing, refused or too old", "events are enriched with what there is", "see whether the sidecar, or what else refreshes it, runs"},
	{Extension, "", "An extension could not be started, ended, or did not answer in time", "it is started again, later each time; its documents go the way of on_failure meanwhile", "see the reason: its file and sha256, the version of its protocol, what it wrote last"},
	{Untransformed, "", "An extension failed with a document", "on_failure: pass stores it as it was, with the tag extension_failed; dead_letter makes its record a dead letter", "see the reason in siem.extension or the dead letter; mend the extension" + replay},

	{Repairs, "", "Documents are changed so that they fit the mapping (siem.repaired)", "stored; @message has the record as it came", "change the mapping as the line says, or set repair: none"},
	{Answer, "", "The cluster's answer cannot be understood", "the documents are sent again; their ids say which are there", "see what stands between, such as a proxy"},
	{RequestTooLarge, "", "The cluster, or a proxy, finds a request too large", "it is sent in halves, later ones are smaller", "lower bulk_size, or raise http.max_content_length"},
	{Mapping, "", "The mapping of an index cannot be read", "documents with too many fields become dead letters", "allow indices:admin/mappings/get"},
	{TwiceStored, "", "A time-series collection takes no ids, and `lookup_delay` is 0", "documents of a request whose answer was lost may be stored twice", "set `lookup_delay`"},
	{ChunkWaits, "", "An output has not taken a chunk", "it is kept and tried again", "see the error, and the lines of the output before"},
	{ChunkDropped, "", "Retries of a chunk are exhausted", "it is dropped; records of s3_sqs come again with their notification, others are lost", "set retry_limit no_limits"},
	{OutputEnd, "", "An output did not close cleanly", "every chunk that it confirmed is stored", "see the error in the line"},
	{NotAsked, "", "An index takes no documents, and cannot be asked what it has", "late documents wait, so that none is stored twice", "allow indices:data/read/mget"},
	{NotLookedUp, "", "Documents that may be stored cannot be looked for in a time-series collection", "they wait, so that none is stored twice", "allow searches: aoss:ReadDocument, indices:data/read/search"},
	{ClearText, "", "The login to the cluster goes over a connection that is not encrypted (http://)", "whoever is in between can read and change everything", "write https:// in endpoint"},

	{"FS4101", "disk_full", "The disk watermark has made indices read-only", waits, "free disk space or add nodes; OpenSearch lifts the block"},
	{"FS4102", "index_blocked", "An index is blocked", waits, "remove index.blocks.write or read_only"},
	{"FS4103", "cluster_blocked", "The cluster is blocked, or not recovered yet", waits, "remove cluster.blocks.*"},
	{"FS4104", "index_closed", "The index is closed", waits, "open or delete it"},
	{"FS4105", "too_many_shards", "The cluster has no room for another index", waits, "delete old indices, or raise cluster.max_shards_per_node"},
	{"FS4106", "alias_without_write_index", "An alias has no write index", waits, "set is_write_index on one index"},
	{"FS4107", "ids_refused", "The collection refuses ids", waits, "write collection: timeseries"},
	{"FS4108", "index_missing", "The index does not exist and may not be made", waits, "create it, or allow it in action.auto_create_index"},
	{"FS4109", "unauthorized", "The cluster does not know us", waits, "correct username and password_file, or the AWS credentials"},
	{"FS4110", "forbidden", "Our user may not write", waits, "give it indices:data/write/bulk*, index, and indices:admin/create"},
	{"FS4111", "too_many_requests", "The cluster is busy (429)", "sent again; fewer requests at a time", "nothing, unless it lasts: add nodes"},
	{"FS4112", "timeout", "The cluster did not answer in time", "sent again; the ids say what is there", "see what slows it down, or raise request_timeout"},
	{"FS4113", "server_error", "The cluster fails (5xx)", "sent again", "see its log"},
	{"FS4114", "unknown_status", "The cluster answers with a status that nobody knows", "sent again", "see what stands between"},
	{"FS4115", "no_bulk_api", "Nothing at the endpoint takes bulk requests", waits, "correct endpoint"},
	{"FS4116", "not_opensearch", "What answers at the endpoint is not OpenSearch", waits, "correct endpoint"},
	{"FS4117", "unreachable", "The cluster cannot be reached", waits, "start it, or correct endpoint, DNS, firewall"},
	{"FS4118", "connection_lost", "The connection broke", "sent again; the ids say what is there", "if it lasts: https:// in endpoint?"},
	{"FS4119", "tls", "TLS failed", waits, "correct ca_file, client_cert, or the name in endpoint"},
	{"FS4120", "no_credentials", "There are no AWS credentials", waits, "give the process some, or correct assume_role_arn"},
	{"FS4121", "setup", "A file or setting of the connection cannot be used", waits, "make the named file usable; it is looked at again"},
	{"FS4122", "closed", "The output is closed while documents are on their way", back, "nothing: it happens at a stop"},
	{"FS4123", "answer_too_large", "The answer to a request is too large", "the documents are sent in halves", "nothing"},

	{"FS4201", "mapping_conflict", "A value does not fit the type that its field has", letter, "change the mapping as `fluent-siem deadletter list` says" + replay},
	{"FS4202", "field_too_long", "A keyword is longer than 32,766 bytes", letter, "ignore_above, or type text" + replay},
	{"FS4203", "too_many_fields", "The index has as many fields as it may", letter, "raise index.mapping.total_fields.limit, or map overflow as flat_object" + replay},
	{"FS4204", "unmapped_field", "The mapping is strict and lacks a field", letter, "add the field, or overflow, to the mapping" + replay},
	{"FS4205", "too_deep", "The document is deeper than index.mapping.depth.limit", letter, "map the field as flat_object" + replay},
	{"FS4206", "field_name", "A field has no name that OpenSearch can resolve", letter, "rename it in the log type" + replay},
	{"FS4207", "illegal_argument", "OpenSearch refuses the document for another reason", letter, "see the reason in the dead letter" + replay},
	{"FS4208", "invalid_index_name", "The index's name is not allowed", letter, "correct index.name of the log type" + replay},
	{"FS4209", "too_large", "The document alone is larger than a request may be", letter, "raise http.max_content_length" + replay},
	{"FS4210", "refused", "OpenSearch refuses the document", letter, "see the reason in the dead letter" + replay},
	{"FS4211", "version_conflict", "A newer version of the document is there", letter, "nothing, or replay it on purpose"},
	{"FS4212", "id_too_long", "The id has more than 512 bytes", letter, "correct id of the log type" + replay},
	{"FS4213", "no_document", "Another input's record is no map", letter, "correct the input"},
	{"FS4214", "nested_too_deep", "The document is nested deeper than depth_limit", letter, "raise depth_limit, or drop the field in the log type" + replay},
	{"FS4215", "too_wide", "The document has more fields and items than width_limit", letter, "raise width_limit, or drop the field in the log type" + replay},
	{"FS4216", "index_not_allowed", "The document's index is none that allow_index names", letter, "add a pattern to allow_index, or find out who sends such events" + replay},
	{"FS4217", "bad_id", "The document's id has a control character", letter, "correct id of the log type, or find out who sends such events" + replay},
	{"FS4301", "duplicate", "The document is there already", "counted as duplicate; nothing is doubled", "nothing"},

	{LettersFail, "", "Dead letters cannot be written", "their records get no verdict and are kept; their notifications stay in the queue", "make the place writable or free space"},
	{LettersFull, "", "The folder of dead letters has reached dead_letter_limit", "their records get no verdict and are kept; their notifications stay in the queue", "`fluent-siem deadletter replay` and `prune`, or raise dead_letter_limit"},
	{BrokenChunk, "broken_chunk", "A chunk of the host is damaged", "its rest is kept as a dead letter; records from S3 come again with their notification", "look for damaged storage of the host"},
	{"FS5004", "no_input", "A letter's object is to be read from S3, and the configuration has no input s3_sqs", "the letter stays open", "name the configuration that has it"},
	{"FS5005", "unread", "A letter's object could not be read now", "the letter stays open", "see its newest reason"},
	{"FS5006", "nothing_left", "A letter holds neither a record with a log type nor a document, or its object has no record at that place any more", "the letter stays open", "add a log type for it, or restore the object's version"},
	{Damaged, "", "Files of dead letters, or of their marks, are damaged in part", "all whole letters are read; a letter whose mark is lost is open again, and a replay finds it a duplicate", "look at the disk; the files stay as they are"},

	{SidecarPort, "", "Health and metrics of the sidecar are not served any more", "its duties go on", "restart it; look who has its port (listen)"},
	{Feed, "", "A feed was not refreshed", "what was there before stays in use, for as long as keep says; it is tried again", "correct address, key or proxy; see the error"},
	{FeedCopy, "", "The copy of a feed cannot be read to its end", "the indicators before that place are in the table", "look whether the publisher has changed its format"},
	{Indicators, "", "The table of indicators was not made", "the one before stays in use", "free disk space, make its folder writable; see the error"},
	{Publish, "", "The table of indicators was made and not published", "this host uses it, the fleet the one before", "allow s3:PutObject to the place of publish"},
	{Proxies, "", "The list of proxies was not written", "the one before stays in use", "make its folder writable; see the error"},
	{IndexMetrics, "", "Not all index metrics are written", "they are taken again the next time; the figures of this time are missing", "see the error: what the cluster does not answer, or where the lines go"},
	{Throttled, "", "Inputs are held back or stopped: by the sidecar, because the cluster is under pressure, or by an operator", "notifications wait in the queue", "see the reason in the line; `fluent-siem throttle` shows who holds what"},
	{OrderWrite, "", "An order for the inputs of this host cannot be written", "inputs take what they can", "make state_dir writable"},
	{OrderSource, "", "The cluster, or the fleet's order, cannot be asked, so the order cannot be renewed", "the last order runs out, then inputs take what they can", "let the sidecar's user read _cluster and _nodes; allow s3:GetObject"},
	{Board, "", "The fleet's order cannot be published", "other hosts go on as before, and freely when the last order runs out", "allow s3:PutObject to the place of the fleet's order"},
	{Alert, "", "An alert was not delivered", "what it says is in the log", "correct the topic or webhook"},
	{MetricLines, "", "A line of metrics for CloudWatch was not written", "its numbers are part of the next line", "start the CloudWatch agent, or correct where the lines go"},
	{History, "", "The tables of today were not kept for backfills", "those of other days are; it is tried again; events of today that are loaded later have the tables that were kept last", "free disk space, or make the folder writable"},
	{StatusIndex, "", "The status was not copied into the cluster", "nothing of records is in it; the next copy is newer", "make its template and role with fluent-siem setup, or find out why the cluster refuses it"},

	{"FS7001", "fluent-siem backfill", "A backfill was interrupted", "what was announced is announced; the same command goes on where it was", "see the error, then run it again"},
	{"FS7002", "fluent-siem ledger list", "The ledger cannot be read", "nothing is changed", "ask again, or stop the process that holds it and does not answer"},
	{"FS7003", "fluent-siem ledger reconcile", "A comparison was interrupted", "what was announced is announced; announced twice, an object is stored once", "see the error, then run it again"},
	{"FS7004", "fluent-siem deadletter list", "The dead letters cannot be read", "nothing is changed", "allow reading the place, or s3:ListBucket and s3:GetObject"},
	{"FS7005", "fluent-siem deadletter show", "The dead letters cannot be read, or there is none with that id", "nothing is changed", "allow reading the place; take the id from `fluent-siem deadletter list`"},
	{"FS7006", "fluent-siem deadletter replay", "A replay ended early", "the letters that it closed are closed, the others stay; of a queue, what is not settled stays in it", "see the error, then run it again: nothing is doubled"},
	{"FS7007", "fluent-siem deadletter prune", "Pruning ended early", "what it removed was closed", "see the error, then run it again"},
	{"FS7008", "fluent-siem setup", "The set-up was not finished", "what was made is noted in the cluster; nothing of others was changed", "see the error, then run it again"},
	{"FS7009", "fluent-siem index-metrics", "Index metrics were not written", "nothing else is changed", "see the error: what the cluster does not answer, or where the lines go"},
	{"FS7010", "fluent-siem throttle", "A hold could not be set or taken back", "the inputs go on as they did", "make state_dir writable for this user"},
	{"FS7011", "fluent-siem pipeline", "The pipeline ended with an error", "records of s3_sqs come again with their notifications; those of other inputs are lost as the text says", "raise grace, or repair what the outputs wait for"},
	{"FS7012", "fluent-siem sidecar", "The sidecar ended with an error", "the plugins go on with the tables that are there", "see the error, then start it again"},
	{"FS7013", "fluent-siem convert", "A file could not be converted to its end", "the documents before are complete; nothing was sent anywhere", "see the error"},
	{"FS7014", "fluent-siem explain", "An object could not be explained", "nothing was read or changed", "see the error"},
	{"FS7015", "fluent-siem check", "A log type and its sample do not agree", "nothing is changed, except files that --update names", "correct the log type or the sample"},
	{"FS7016", "fluent-siem infer", "No log type could be proposed", "nothing was written", "give a longer sample, or write the log type by hand"},
	{"FS7017", "fluent-siem import", "Not everything was taken over", "what was written is complete; the original's files are only read", "see the lines that name what is left"},
	{"FS7018", "fluent-siem ioc", "A table of indicators was not made or cannot be read", "the one before stays as it is", "see the error"},
	{"FS7019", "fluent-siem dashboards", "The dashboards were not printed", "nothing is changed", "see the error"},
	{"FS7020", "fluent-siem version", "The version was not printed", "nothing is changed", "see the error"},
	{"FS7021", "fluent-siem policy", "The policy was not printed", "nothing is changed", "see the error"},
	{"FS7022", "fluent-siem doctor", "Something does not work, or the examination was interrupted", "nothing is changed", "do what stands under To do"},
	{"FS7023", "fluent-siem view", "The dashboards are not served", "nothing is changed", "see the error: the address that is taken, or the settings of the connection"},
}
