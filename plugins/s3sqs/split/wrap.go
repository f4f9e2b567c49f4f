package split

// wrapping is what a JSON object wraps records in.
type wrapping uint8

const (
	bare      wrapping = iota // nothing: the object is no envelope
	logBatch                  // CloudWatch Logs subscription: logEvents
	logStream                 // the same, in the order that AWS writes: it can be read as it comes
	busEvent                  // EventBridge: detail
	notice                    // SNS notification: Message
	container                 // FireLens and Docker: log, with fields about the container
	message                   // Firehose, of vended logs: message and nothing else
	awslogs                   // event of a subscribed Lambda function: awslogs.data
	kinesis                   // Kinesis record in a Lambda event: kinesis.data
	data                      // Firehose record: data
	batch                     // list of Firehose records: records
)

// traits are the keys of an object that tell one wrapping from another.
type traits uint32

const (
	hasMessageType traits = 1 << iota
	hasLogEvents
	hasOwner
	hasLogGroup
	hasLogStream
	hasDetailType
	hasDetail
	hasType
	hasMessage
	hasTopic
	hasLog
	hasContainer
	hasStream
	hasText
	hasAwslogs
	hasKinesis
	hasData
	hasDataKey // what stands beside data
	hasRecords
	hasBatchKey // what stands beside records
	hasTime
	hasLambda // what stands beside kinesis, but never first
	neutral   // of an envelope, without telling which
)

// traitOf returns what a key says; 0: it belongs to no envelope.
func traitOf(key []byte) traits {
	switch string(key) {
	case "messageType":
		return hasMessageType
	case "logEvents":
		return hasLogEvents
	case "owner":
		return hasOwner
	case "logGroup":
		return hasLogGroup
	case "logStream":
		return hasLogStream
	case "detail-type":
		return hasDetailType
	case "detail":
		return hasDetail
	case "Type":
		return hasType
	case "Message":
		return hasMessage
	case "TopicArn", "MessageId":
		return hasTopic
	case "log":
		return hasLog
	case "container_id", "container_name", "ecs_cluster", "ecs_task_arn", "ecs_task_definition":
		return hasContainer
	case "stream":
		return hasStream
	case "time":
		return hasTime
	case "message":
		return hasText
	case "awslogs":
		return hasAwslogs
	case "kinesis":
		return hasKinesis
	case "data":
		return hasData
	case "recordId", "approximateArrivalTimestamp", "kinesisRecordMetadata", "partitionKey", "sequenceNumber":
		return hasDataKey
	case "records":
		return hasRecords
	case "deliveryStreamArn", "invocationId", "requestId", "sourceKinesisStreamArn":
		return hasBatchKey
	case "subscriptionFilters", "policyLevel", // CloudWatch Logs
		"version", "id", "source", "account", "region", "resources", "replay-name", // EventBridge
		"Subject", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes", // SNS
		"date", "ec2_instance_id": // FireLens
		return neutral
	case "eventSource", "eventName", "eventVersion", "eventID", "awsRegion":
		return hasLambda
	}
	return 0
}

// strangers is how many keys that belong to no envelope make an object none,
// unless it is a container's, which may have any.
const strangers = 3

// look walks over the keys of the object that b begins with, of n bytes where
// all of it matters. more: b is not all of it, and it may still be an envelope.
func look(b []byte) (kind wrapping, n int, more bool) {
	var seen traits
	unknown, keys := 0, 0
	streamed, given := false, false
	n = eachMember(b, func(key, _ []byte) bool {
		t := traitOf(key)
		if t == 0 || t == hasLambda && keys == 0 {
			unknown++
		}
		if keys++; t == hasLogEvents && seen&batchHead == batchHead {
			streamed = true
		}
		seen |= t
		given = streamed || unknown == keys || unknown >= strangers && seen&(hasLog|hasContainer) == 0
		return !given
	})
	switch {
	case streamed:
		return logStream, n, false
	case given || n < 0:
		return bare, 0, false
	case n == 0:
		return bare, 0, true
	}
	has := func(t traits) bool { return seen&t == t }
	switch {
	case has(hasLogEvents) && seen&(hasMessageType|hasLogGroup) != 0:
		return logBatch, n, false
	case has(hasDetailType | hasDetail):
		return busEvent, n, false
	case has(hasType | hasMessage | hasTopic):
		return notice, n, false
	case has(hasLog | hasContainer), has(hasLog | hasStream | hasTime):
		return container, n, false
	case has(hasText) && keys == 1:
		return message, n, false
	case has(hasAwslogs) && keys == 1:
		return awslogs, n, false
	case has(hasKinesis | hasLambda):
		return kinesis, n, false
	case has(hasData) && (keys == 1 || has(hasDataKey)):
		return data, n, false
	case has(hasRecords | hasBatchKey):
		return batch, n, false
	}
	return bare, n, false
}

// batchHead is what stands before the events of a CloudWatch Logs subscription.
const batchHead = hasMessageType | hasOwner | hasLogGroup | hasLogStream

// wrapped returns the kind of the envelope that begins at bytes behind the
// window's start, and how long it is unless it can be read as it comes; bare when
// there is none. It costs a look at the first key where that is none of an
// envelope's, and never reads beyond the value.
func (j *values) wrapped(at int) (int, wrapping) {
	if j.framing.Bare || j.depth >= maxNesting || !j.begins(at) {
		return 0, bare
	}
	w, limit := j.w, envelopeFactor*int(j.lim.Record)
	w.most = limit + windowSize
	defer func() { w.most = 0 }()
	var sc scan
	st := more
	for i, looked, part := 0, 0, min(firstLook, limit+1); ; part = limit + 1 {
		b := w.have()[at:]
		full := len(b) > limit
		b = b[:min(len(b), part)]
		i, st = sc.run(b, i)
		last := st != more || full && len(b) > limit
		if last || i >= 2*looked || w.err != nil {
			looked = i
			switch kind, n, undecided := look(b[:i]); {
			case kind == logStream:
				return 0, kind
			case st == done && n == i && i <= limit:
				return n, kind
			case last || !undecided:
				return 0, bare
			}
		}
		if len(w.have())-at == len(b) && !w.fill() && looked == i {
			return 0, bare
		}
	}
}

// firstLook is how many bytes mostly tell that an object is no envelope.
const firstLook = 512

// begins reports whether the first key of the object is one of an envelope.
func (j *values) begins(at int) bool {
	const most = 256 // bytes of it
	w := j.w
	for {
		key, complete := firstKey(w.buf[w.start+at : w.end])
		if complete {
			t := traitOf(key)
			return t != 0 && t != hasLambda && !(t == hasText && j.framing.Kind == JSON)
		}
		if w.end-w.start-at > most || !w.fill() {
			return false
		}
	}
}
