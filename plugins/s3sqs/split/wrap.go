package split

// wrapping is what a JSON object wraps records in.
type wrapping uint8

const (
	bare      wrapping = iota // nothing: the object is no envelope
	logBatch                  // CloudWatch Logs subscription: logEvents
	busEvent                  // EventBridge: detail
	notice                    // SNS notification: Message
	container                 // FireLens: log, with fields about the container
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
	hasLogGroup
	hasDetailType
	hasDetail
	hasType
	hasMessage
	hasTopic
	hasLog
	hasContainer
	hasText
	hasAwslogs
	hasKinesis
	hasData
	hasDataKey // what stands beside data
	hasRecords
	hasBatchKey // what stands beside records
	neutral     // of an envelope, without telling which
)

// traitOf returns what a key says; 0: it belongs to no envelope.
func traitOf(key []byte) traits {
	switch string(key) {
	case "messageType":
		return hasMessageType
	case "logEvents":
		return hasLogEvents
	case "logGroup", "logStream":
		return hasLogGroup
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
	case "owner", "subscriptionFilters", "policyLevel", // CloudWatch Logs
		"version", "id", "source", "account", "time", "region", "resources", "replay-name", // EventBridge
		"Subject", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes", // SNS
		"date", "ec2_instance_id", // FireLens
		"eventSource", "eventName", "eventVersion", "eventID", "awsRegion": // Kinesis
		return neutral
	}
	return 0
}

// strangers is how many keys that belong to no envelope make an object none,
// unless it is a container's, which may have any.
const strangers = 3

// look walks over the keys of the object that b begins with. ok says that b
// may still be an envelope; kind is right when b is all of the object.
func look(b []byte) (kind wrapping, ok bool) {
	var seen traits
	unknown, keys := 0, 0
	whole := eachMember(b, func(key, _ []byte) bool {
		t := traitOf(key)
		if keys++; t == 0 {
			if unknown++; keys == 1 {
				return false
			}
		}
		seen |= t
		return unknown < strangers || seen&(hasLog|hasContainer) != 0
	})
	if !whole {
		return bare, keys == 0 || unknown < strangers && unknown < keys || seen&(hasLog|hasContainer) != 0
	}
	has := func(t traits) bool { return seen&t == t }
	switch {
	case has(hasLogEvents) && seen&(hasMessageType|hasLogGroup) != 0:
		return logBatch, true
	case has(hasDetailType | hasDetail):
		return busEvent, true
	case has(hasType | hasMessage | hasTopic):
		return notice, true
	case has(hasLog | hasContainer):
		return container, true
	case has(hasText) && keys == 1:
		return message, true
	case has(hasAwslogs) && keys == 1:
		return awslogs, true
	case has(hasKinesis) && seen&neutral != 0:
		return kinesis, true
	case has(hasData) && (keys == 1 || has(hasDataKey)):
		return data, true
	case has(hasRecords | hasBatchKey):
		return batch, true
	}
	return bare, false
}

// wrapped returns the length and kind of the envelope that begins at bytes
// behind the window's start; bare when there is none. It costs a look at the
// first key where that is none of an envelope's.
func (j *values) wrapped(at int) (int, wrapping) {
	if j.framing.Bare || j.depth >= maxNesting {
		return 0, bare
	}
	w := j.w
	for {
		key, complete := firstKey(w.buf[w.start+at : w.end])
		if complete {
			if key == nil || traitOf(key) == 0 || j.framing.Kind == JSON && traitOf(key) == hasText {
				return 0, bare
			}
			break
		}
		if w.end-w.start-at > 256 || !w.fill() {
			return 0, bare
		}
	}
	if _, ok := look(w.have()[at:]); !ok {
		return 0, bare
	}
	limit := envelopeFactor * int(j.lim.Record)
	w.most = limit + windowSize
	defer func() { w.most = 0 }()
	var sc scan
	for i := 0; ; {
		b := w.have()[at:]
		var st state
		i, st = sc.run(b, i)
		switch {
		case st == done && i <= limit:
			kind, _ := look(b[:i])
			if kind == message && j.framing.Kind == JSON {
				kind = bare
			}
			return i, kind
		case st != more || len(b) > limit || !w.fill():
			return 0, bare
		}
	}
}
